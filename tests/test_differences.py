"""Numerical gradients: the formulas, the arrays left as they were, and what is refused."""

import subprocess
import sys
import warnings

import hypothesis.extra.numpy as nps
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import bits, course

from gradlab import (
    check_gradients,
    differences,
    error_curve,
    mlp,
    numerical_gradient,
    plots,
)
from gradlab.differences import FORMULAS, METHODS, entry_losses, progress, restored


def relative(numeric, exact):
    difference = np.concatenate([(numeric[name] - exact[name]).ravel() for name in exact])
    return np.linalg.norm(difference) / np.linalg.norm(
        np.concatenate([*map(np.ravel, exact.values())])
    )


# --------------------------------------------------------------------------- the formulas


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize(
    ("method", "bound"),
    [
        ("forward", 1e-6),
        ("central", 1e-9),
        ("central4", 1e-11),
        ("richardson", 1e-11),
        ("complex", 1e-15),
    ],
)
def test_every_method_finds_the_gradient_with_its_own_step(method, bound, vectorized):
    for seed in range(5):
        loss, params, exact = course(seed, data=seed)
        numeric = numerical_gradient(loss, params, method, vectorized=vectorized)
        assert relative(numeric, exact) < bound
        assert {name: array.shape for name, array in numeric.items()} == {
            name: array.shape for name, array in params.items()
        }


@pytest.mark.parametrize("method", FORMULAS)
def test_a_formula_of_order_p_is_exact_for_degree_p_and_not_beyond(method):
    formula = FORMULAS[method]
    h = 0.25
    for degree in range(1, formula.order + 2):
        numeric = numerical_gradient(
            lambda p, q=degree: float(p["x"][0] ** q), {"x": np.array([0.75])}, method, h
        )
        error = numeric["x"][0] - degree * 0.75 ** (degree - 1)
        # Beyond: L^(p+1) is (p + 1)!, so the leading term is all there is.
        leading = formula.truncation * h**formula.order * np.prod(np.arange(1.0, degree + 1))
        assert error == pytest.approx(leading if degree > formula.order else 0, abs=1e-13)


def test_the_central_difference_is_that_of_the_naive_loop():
    loss, params, _ = course()
    eps = 1e-5
    numeric = numerical_gradient(loss, params, "central", eps)
    for name, array in params.items():
        for index in np.ndindex(array.shape):
            original = array[index]
            array[index] = original + eps
            above = loss(params)
            array[index] = original - eps
            below = loss(params)
            array[index] = original
            assert numeric[name][index] == pytest.approx((above - below) / (2 * eps), rel=1e-10)


def test_the_quotient_is_taken_over_the_step_that_was_made():
    """In float32, 1000 + 1e-3 is 1000.00098: the difference of a linear loss is still exact."""
    params = {"w": np.full(3, 1000, dtype=np.float32)}
    numeric = numerical_gradient(lambda p: float(np.sum(p["w"].astype(float))), params, eps=1e-3)
    np.testing.assert_allclose(numeric["w"], 1, rtol=1e-9)


def test_the_default_step_knows_the_size_of_the_entry_and_the_precision():
    steps = differences.entry_steps({"w": np.array([0.1, -1e6])}, "central", None)["w"]
    u = np.finfo(float).eps
    np.testing.assert_allclose(steps, u ** (1 / 3) * np.array([1, 1e6]))
    single = {"w": np.zeros(1), "v": np.zeros(1, np.float32)}
    assert differences.default_eps(single, "forward") == pytest.approx(2**-11.5)


@pytest.mark.parametrize("method", ["forward", "central", "central4", "richardson"])
def test_float32_parameters_need_no_setting(method):
    loss, params, exact = course()
    single = {name: array.astype(np.float32) for name, array in params.items()}
    X, y = loss.X.astype(np.float32), loss.y.astype(np.float32)
    numeric = numerical_gradient(mlp.loss_function(X, y), single, method)
    assert all(array.dtype == np.float64 for array in numeric.values())
    assert relative(numeric, exact) < {"forward": 1e-2, "central": 1e-3}.get(method, 1e-3)


def test_the_complex_step_does_not_care_how_small_it_is():
    loss, params, exact = course()
    for eps in (1e-8, 1e-100, 1e-300):
        assert relative(numerical_gradient(loss, params, "complex", eps), exact) < 1e-15


# ------------------------------------------------------------- arrays as they come, and go


def layouts():
    """(name, a writeable array with the values 0.1 .. 0.6 in some memory layout)."""
    values = np.linspace(0.1, 0.6, 6)
    wide = np.zeros((4, 9))
    yield "C order", values.reshape(2, 3).copy()
    yield "Fortran order", np.asfortranarray(values.reshape(2, 3))
    wide[::2, 1:7:2] = values.reshape(2, 3)
    yield "strided", wide[::2, 1:7:2]
    yield "reversed", values[::-1].copy()[::-1]
    yield "transposed", values.reshape(2, 3).copy().T
    yield "no axes", np.array(0.3)
    yield "one entry", np.array([[0.3]])
    yield "three axes", values.reshape(1, 2, 3).copy()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layout", dict(layouts()))
def test_every_memory_layout(layout, method):
    params = {"w": dict(layouts())[layout]}
    before = bits(params)
    numeric = numerical_gradient(lambda p: np.sum(np.sin(p["w"])), params, method)
    np.testing.assert_allclose(numeric["w"], np.cos(params["w"]), rtol=1e-6)
    assert numeric["w"].shape == params["w"].shape and bits(params) == before


@given(
    array=nps.arrays(
        st.sampled_from([np.float64, np.float32]),
        nps.array_shapes(max_dims=3, max_side=3),
        elements=st.floats(-4, 4, width=32),
    ),
    scale=st.integers(-12, 12),
    method=st.sampled_from(METHODS),
    fortran=st.booleans(),
    vectorized=st.booleans(),
)
def test_any_shape_order_type_and_scale(array, scale, method, fortran, vectorized):
    """The loss ``scale * sum(w**2 / 2 + w)`` has the gradient ``scale * (w + 1)``."""
    params = {"w": np.array(array, order="F" if fortran else "C"), "b": np.ones(2)}
    size, before = 10.0**scale, bits(params)

    def loss(p):
        w, b = (a.astype(complex if a.dtype.kind == "c" else float) for a in p.values())
        axes = tuple(range(-array.ndim, 0))
        return size * (np.sum(w**2 / 2 + w, axis=axes) + np.sum(b, axis=-1))

    numeric = numerical_gradient(loss, params, method, vectorized=vectorized)
    exact = size * (params["w"].astype(float) + 1)
    bound = 1e-4 if method != "forward" else 1e-2
    np.testing.assert_allclose(numeric["w"], exact, atol=bound * size * 10)
    np.testing.assert_allclose(numeric["b"], size, rtol=bound * 10)
    assert bits(params) == before


def test_a_layer_that_holds_the_array_under_another_name():
    loss, params, exact = course()
    held = dict(params)  # the same arrays
    numeric = numerical_gradient(lambda _: loss(held), params)
    assert relative(numeric, exact) < 1e-9


def test_an_empty_array_has_an_empty_gradient():
    params = {"w": np.ones(2), "empty": np.ones((0, 3))}
    for method in METHODS:
        numeric = numerical_gradient(lambda p: p["w"].sum() + p["empty"].sum(), params, method)
        assert numeric["empty"].shape == (0, 3)
        np.testing.assert_allclose(numeric["w"], 1, rtol=1e-6)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("method", ["forward", "central4"])
def test_interrupted_at_every_single_evaluation(method, error):
    loss, params, _ = course()
    params["b1"][0, 0] = -0.0  # equal to 0.0, but not bit for bit
    evaluations = []
    numerical_gradient(lambda p: evaluations.append(1) or loss(p), params, method)
    before = bits(params)
    for last in range(1, len(evaluations) + 1):
        countdown = iter(range(last, -1, -1))

        def failing(p, countdown=countdown):
            if next(countdown) == 1:
                raise error
            return loss(p)

        with pytest.raises(error):
            numerical_gradient(failing, params, method)
        assert bits(params) == before


def test_interrupted_again_while_putting_back():
    class Stubborn(np.ndarray):
        interrupts = 1

        def __setitem__(self, index, value):
            if index is Ellipsis and Stubborn.interrupts:
                Stubborn.interrupts -= 1
                raise KeyboardInterrupt
            super().__setitem__(index, value)

    params = {"w": np.arange(3.0).view(Stubborn)}
    with pytest.raises(KeyboardInterrupt), restored(params):
        params["w"][1] = 7
    assert params["w"].tolist() == [0, 1, 2] and Stubborn.interrupts == 0


@pytest.mark.parametrize("vectorized", [False, True])
def test_a_loss_that_changes_the_parameters_is_refused(vectorized):
    params = {"w": np.arange(3.0)}
    array, before = params["w"], bits(params)

    def spoiling(p):
        value = p["w"].sum(axis=-1)
        p["w"] *= 2
        return value

    def rebinding(p):
        p["w"] = p["w"] + 1
        return p["w"].sum(axis=-1)

    for loss in (spoiling, rebinding)[: 1 if vectorized else 2]:
        with pytest.raises(ValueError, match=r"the loss changes params\['w'\]"):
            numerical_gradient(loss, params, vectorized=vectorized)
        assert params["w"] is array and bits(params) == before


# --------------------------------------------------------------------------------- stacks


def test_a_loss_that_cannot_broadcast_gets_whole_stacks():
    loss, params, _ = course()

    def one_by_one(stacks):
        return np.array(
            [loss({k: v[i] for k, v in stacks.items()}) for i in range(len(stacks["W1"]))]
        )

    whole = numerical_gradient(one_by_one, params, vectorized=True)
    plain = numerical_gradient(loss, params)
    for name in params:
        np.testing.assert_array_equal(whole[name], plain[name])


def test_stacks_are_bounded_in_memory():
    lengths = []

    def loss(stacks):
        lengths.append(max(stack.size for stack in stacks.values()))
        return np.sum(stacks["w"] ** 2, axis=-1)

    params = {"w": np.ones(3000)}
    numeric = numerical_gradient(loss, params, "richardson", vectorized=True)
    np.testing.assert_allclose(numeric["w"], 2, rtol=1e-9)
    assert 3000 <= max(lengths) <= 2**14


@pytest.mark.parametrize("shape", [(), (1,), (5, 1)])
def test_a_stack_must_give_a_vector(shape):
    params = {"w": np.ones(3)}
    with pytest.raises(TypeError, match="vector of length"):
        numerical_gradient(lambda p: np.ones(shape), params, "forward", vectorized=True)


# ----------------------------------------------------------------------------- complex step


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (lambda value: np.abs(value), TypeError, "drops the imaginary part"),
        (lambda value: value.real, TypeError, "drops the imaginary part"),
        (lambda value: float(value), TypeError, "cannot take complex parameters"),
        (lambda value: value if value > 0 else -value, TypeError, "cannot take complex"),
    ],
)
def test_a_loss_that_drops_the_imaginary_part_is_told(spoil, error, said):
    loss, params, _ = course()
    before = bits(params)
    with pytest.raises(error, match=said):
        numerical_gradient(lambda p: spoil(loss(p)), params, "complex")
    assert bits(params) == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda w: 0.01 * np.sum(np.abs(w)),
        lambda w: np.vdot(w, w),
        lambda w: np.sum(np.maximum(w, 0).real ** 2),
        lambda w: np.sum(np.where(w.real > 0, w.real**2, w)),
    ],
)
def test_one_term_that_drops_the_imaginary_part_is_found(spoil):
    loss, params, _ = course()
    with pytest.raises(ValueError, match="along a random direction"):
        numerical_gradient(lambda p: loss(p) + spoil(p["W1"]), params, "complex")


def test_a_cast_in_the_middle_is_found_without_a_warning():
    loss, params, _ = course()

    def casting(p):
        return loss({name: array.astype(float) for name, array in p.items()})

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(TypeError, match="cannot take complex parameters"):
            numerical_gradient(casting, params, "complex")
    assert not said


def test_a_loss_that_reads_other_arrays_cannot_be_given_complex_ones():
    loss, params, _ = course()
    held = dict(params)
    with pytest.raises(TypeError, match="other arrays than its argument"):
        numerical_gradient(lambda _: loss(held), params, "complex")


# ---------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"eps": 0}, ValueError, "eps must be positive"),
        ({"eps": -1e-5}, ValueError, "eps must be positive"),
        ({"eps": np.nan}, ValueError, "eps must be positive"),
        ({"eps": np.inf}, ValueError, "eps must be positive"),
        ({"eps": "small"}, TypeError, "eps must be a positive number"),
        ({"eps": 1e-17}, ValueError, r"too small for params\['w'\]\[0\] = 1.0"),
        ({"eps": 4e-16, "method": "richardson"}, ValueError, "adding it changes nothing"),
        ({"method": "backward"}, ValueError, "unknown method 'backward'; choose one of 'forward'"),
        ({"method": None}, ValueError, "unknown method"),
        ({"loss": 3.0}, TypeError, "loss must be a function"),
        ({"loss": lambda p: p["w"]}, TypeError, "one number, not an array of shape"),
        ({"loss": lambda p: None}, TypeError, "one number, not None"),
        ({"loss": lambda p: 1j}, TypeError, "real number"),
        ({"params": [1.0, 2.0]}, TypeError, r"not a list of float; pass np.array"),
        ({"params": {}}, ValueError, "no entries"),
        ({"params": {"w": [1.0]}}, TypeError, "NumPy array"),
        ({"params": {"w": np.arange(3)}}, TypeError, "int64"),
        ({"params": {"w": np.array([True])}}, TypeError, "bool"),
        ({"params": {"w": np.array([1.0, np.nan])}}, ValueError, r"\[1\] is nan"),
        ({"params": {"w": np.broadcast_to(1.0, 3)}}, ValueError, "read-only"),
        ({"workers": 0}, ValueError, "workers must be at least 1"),
        ({"workers": 1.5}, TypeError, "whole number of processes"),
        ({"workers": True}, TypeError, "whole number of processes"),
    ],
)
def test_bad_input_gets_one_sentence_before_anything_is_moved(arguments, error, said):
    params = {"w": np.ones(2)}
    seen = []

    def loss(p):
        seen.append(bits(params))
        return np.sum(p["w"])

    before = bits(params)
    with pytest.raises(error, match=said) as caught:
        numerical_gradient(**{"loss": loss, "params": params, **arguments})
    assert "\n" not in str(caught.value)
    assert not seen and bits(params) == before


def test_a_loss_that_is_complex_only_now_and_then():
    with pytest.raises(TypeError, match="real number"):
        numerical_gradient(lambda p: np.emath.sqrt(p["w"][0]), {"w": np.array([1e-9])}, eps=1e-3)


def test_infinity_becomes_nan_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numeric = numerical_gradient(lambda p: np.inf, {"w": np.ones(2)})
    assert np.isnan(numeric["w"]).all()


def test_nan_is_handed_on():
    with np.errstate(invalid="ignore"):
        numeric = numerical_gradient(lambda p: np.sum(np.sqrt(p["w"])), {"w": np.array([0.0, 1.0])})
    assert np.isnan(numeric["w"][0])


# ------------------------------------------------------------------------------- progress


def test_what_is_quick_shows_nothing_and_waits_for_nothing_but_numpy():
    """Imports cost more time than a small check: none that NumPy has not made already."""
    code = (
        "import sys, numpy\n"
        "free = ('gradlab', '__future__', 'importlib')\n"
        "before = set(sys.modules)\n"
        "from gradlab import check_gradients, numerical_gradient\n"
        "more = set(sys.modules) - before\n"
        "numerical_gradient(lambda p: p['w'].sum(), {'w': numpy.ones(3)})\n"
        "print(sorted(m for m in more if m.split('.')[0] not in free), 'tqdm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False" and done.stderr == ""


@pytest.mark.parametrize(("shown", "workers"), [(True, 1), (True, map), (False, 1)])
def test_what_takes_longer_than_our_patience_shows_a_bar(shown, workers, monkeypatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    params = {"w": np.ones(300)}
    numerical_gradient(lambda p: np.sum(p["w"]), params, progress=shown, workers=workers)
    said = capsys.readouterr()
    assert ("300" in said.err) == shown and said.out == ""


def test_offsets_of_zero_cost_one_evaluation():
    calls = []
    params = {"w": np.ones(4)}
    steps = {"w": np.full(4, 0.5)}
    values = entry_losses(lambda p: calls.append(1) or np.sum(p["w"]), params, steps, (1, 0))
    assert len(calls) == 5
    np.testing.assert_array_equal(values["w"], [[4.5] * 4, [4.0] * 4])


def test_a_formula_added_to_the_table_works_everywhere(monkeypatch):
    # D(h) of order 6 from three pairs of points.
    central6 = differences.Formula(
        6, ((1, -1, 3 / 2), (2, -2, -3 / 5), (3, -3, 1 / 10)), "central differences of order 6"
    )
    monkeypatch.setitem(FORMULAS, "central6", central6)
    loss, params, grads = course()
    numeric = numerical_gradient(loss, params, "central6")
    curve = error_curve(loss, params, grads, ["central", "central6"], eps=np.logspace(-6, -1, 21))
    report = check_gradients(loss, params, grads, method="central6")
    picture = plots.error_curves(curve)

    np.testing.assert_allclose(numeric["W1"], grads["W1"], rtol=1e-9, atol=1e-11)
    assert report.passed and "central differences of order 6" in report.title
    assert curve.best("central6").error < curve.best("central").error / 10
    labels = [text.get_text() for text in picture.get_legend().get_texts()]
    assert any("central differences of order 6" in label for label in labels)
    assert "central6" in METHODS
    monkeypatch.undo()
    assert "central6" not in METHODS
    with pytest.raises(ValueError, match="unknown method 'central6'"):
        check_gradients(loss, params, grads, method="central6")
