"""Where the tools that people check gradients with fail, gradlab does not: one test for each row.

The failures were found in torch, JAX, autograd, SciPy, numdifftools, statsmodels, TensorFlow,
Chainer, scikit-learn's test loop and the loop of cs231n.
"""

import numpy as np
import pytest
from problems import course

import gradlab
from gradlab import check_gradients, mlp
from gradlab.checking.report import GradientCheckError

X, Y = gradlab.paraboloid()


def test_a_dict_of_numpy_arrays_is_what_it_takes():
    loss, params, grads = course()
    assert check_gradients(loss, params, grads).passed


@pytest.mark.parametrize("length", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_the_step_looks_at_the_loss_and_its_curvature(length):
    """Fixed steps are too long for the first of these and lose all digits on the last."""
    x = length * np.array([0.5, -1.0])
    loss, right = lambda p: float(np.sum(np.sin(p["x"] / length))), np.cos(x / length) / length
    report = check_gradients(loss, {"x": x}, {"x": right})
    assert report.passed and report["x"].relative_error < 1e-8
    assert check_gradients(loss, {"x": x}, {"x": right * (1 + 1e-6)}).verdict == "wrong"


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6])
def test_a_small_loss_with_twice_its_gradient_is_wrong(scale):
    """torch, JAX and Chainer pass it at 1e-6: their tolerance is absolute."""
    loss, params, grads = course()
    twice = {name: 2 * scale * g for name, g in grads.items()}
    report = check_gradients(lambda p: scale * loss(p), params, twice)
    assert {array.verdict for array in report.values()} == {"wrong"}


def test_a_right_float32_gradient_passes_without_any_setting():
    """torch warns and fails it; JAX casts float64 down."""
    for seed in range(5):
        assert check_gradients(*course(seed, np.float32)).passed


def test_a_random_loss_is_said_to_be_random():
    """Others report a Jacobian mismatch."""
    stream = np.random.RandomState(0)
    loss, params, grads = course()

    def dropout(p):
        return loss({**p, "W2": p["W2"] * (stream.uniform(size=(5, 1)) > 0.5)})

    assert check_gradients(dropout, params, grads).verdict == "random"


def test_a_kink_is_said_to_be_a_kink():
    """Others call the right gradient wrong, or return 0.5 with an error of 0."""
    x = np.array([0.0, 1.0])
    report = check_gradients(
        lambda p: float(np.maximum(p["x"], 0).sum()), {"x": x}, {"x": (x > 0) * 1.0}
    )
    assert report.verdict == "kink" and report["x"].worst_index == (0,)


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_an_exception_half_way_leaves_no_parameter_perturbed(error):
    """torch, Chainer and the cs231n loop leave one so. At every evaluation: test_checking_safety."""
    loss, params, grads = course()
    before = {name: array.tobytes() for name, array in params.items()}
    calls = 0

    def fails(p):
        nonlocal calls
        calls += 1
        if calls == 60:
            raise error("half-way")
        return loss(p)

    with pytest.raises(error, match="half-way"):
        check_gradients(fails, params, grads)
    assert {name: array.tobytes() for name, array in params.items()} == before


def test_integer_arrays_are_refused_with_a_reason():
    """cs231n returns garbage, autograd a blank AssertionError."""
    with pytest.raises(TypeError, match=r"params\['x'\] has dtype int.*rounded away in integers"):
        check_gradients(lambda p: 0.0, {"x": np.arange(3)}, {"x": np.zeros(3)})


def test_aliased_arrays_are_refused_with_a_reason():
    """torch and cs231n are wrong, unexplained."""
    x = np.ones(3)
    with pytest.raises(ValueError, match="share memory.*the sum of both gradients"):
        check_gradients(lambda p: 0.0, {"encoder": x, "decoder": x}, {"encoder": x, "decoder": x})


def test_zero_size_arrays_are_skipped_and_said():
    """torch blames strides, numdifftools raises IndexError."""
    loss, params, grads = course()
    params["empty"] = grads["empty"] = np.zeros((0, 5))
    report = check_gradients(loss, params, grads)
    assert report.passed and "empty has shape (0, 5)" in report.notes[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_never_passes(value):
    """JAX passes an infinite loss with a zero gradient; SciPy and TensorFlow return nan."""
    report = check_gradients(lambda p: value, {"x": np.ones(2)}, {"x": np.zeros(2)})
    assert report.verdict == "nonfinite" and not report


def test_a_failure_names_array_index_values_and_cause():
    """torch prints whole tensors without the bad entry; JAX and autograd two scalars."""
    stream = np.random.RandomState(0)
    A = stream.normal(size=(30, 40))
    grads = {"A": np.cos(A)}
    grads["A"][17, 31] += 0.25
    report = check_gradients(lambda p: float(np.sin(p["A"]).sum()), {"A": A}, grads)
    text = str(report)
    assert "wrong: A" in text and "[17, 31]" in text
    assert f"analytic {grads['A'][17, 31]:.4g}, numeric {np.cos(A[17, 31]):.4g}" in text
    assert "only the entry [17, 31] is off" in text
    with pytest.raises(GradientCheckError, match=r"\[17, 31\]"):
        report.raise_if_failed()
    loss, params, grads = course()
    report = check_gradients(loss, params, {name: 20 * g for name, g in grads.items()})
    assert "20 times the right gradient" in str(report)


def test_there_is_a_table_for_notebooks_and_a_plot():
    report = check_gradients(*course())
    assert report._repr_html_().startswith("<table>")
    assert len(report.plot().axes) == 5  # four arrays and the colours


def test_the_error_bar_holds_at_a_kink_too():
    """numdifftools and scipy.differentiate: 0.5 with error 0 for max(x, 0) at 0.

    The slope to the right is 1 and to the left 0; both conventions are accepted as kinks and
    neither is contradicted.
    """
    x = np.zeros(1)
    for convention in (0.0, 1.0):
        report = check_gradients(
            lambda p: float(np.maximum(p["x"], 0).sum()), {"x": x}, {"x": np.array([convention])}
        )
        assert report.verdict == "kink"
    report = check_gradients(
        lambda p: float(np.maximum(p["x"], 0).sum()), {"x": x}, {"x": np.array([3.0])}
    )
    assert report.verdict == "wrong"  # no slope of this kink


# ------------------------------------------------------- what makes a checker fail on others' code


def test_a_view_that_is_not_contiguous_is_moved_itself_and_not_a_copy():
    whole = np.random.RandomState(0).normal(size=(6, 6))
    view = whole[::2, 1::3]
    report = check_gradients(lambda _: float(np.sum(whole**2)), {"view": view}, {"view": 2 * view})
    assert report.passed


def test_a_backward_pass_that_overwrites_its_cache_does_no_harm():
    params = {"x": np.array([0.3, 0.4])}
    cache = {}

    def loss(p):
        cache["x"] = p["x"]
        return float(np.sum(np.sin(p["x"])))

    def backward(p):
        loss(p)
        gradient = np.cos(cache["x"])
        cache["x"] *= 0  # the cache is the parameter
        return {"x": gradient}

    report = check_gradients(loss, params, backward)
    assert report.passed and params["x"].tolist() == [0.3, 0.4]


def test_gradient_shapes_that_would_broadcast_are_refused():
    loss, params, grads = course()
    with pytest.raises(ValueError, match=r"grads\['b1'\] has shape \(5,\)"):
        check_gradients(loss, params, {**grads, "b1": grads["b1"][0]})


def test_a_flipped_sign_in_a_small_array_does_not_vanish_among_the_others():
    loss, params, _ = course()
    params["W1"] *= 12  # saturated: the gradient of W1 is small
    params["b1"] += 6
    grads = mlp.backward(params, mlp.forward(params, X)[1], Y)
    assert check_gradients(loss, params, grads).passed
    report = check_gradients(loss, params, {**grads, "W1": -grads["W1"]})
    assert [name for name in report if report[name].verdict == "wrong"] == ["W1"]


def test_a_stationary_point_is_no_proof():
    loss, params, _ = course()
    y = mlp.forward(params, X)[0]
    report = check_gradients(
        mlp.loss_function(X, y), params, mlp.backward(params, mlp.forward(params, X)[1], y)
    )
    assert {array.verdict for array in report.values()} == {"untested"}
