"""Verdicts, error bars and reports of check_gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import course, verdicts

import gradlab
from gradlab import check_gradients, mlp
from gradlab.checking import relative_error
from gradlab.checking.report import GradientCheckError

STREAM = np.random.RandomState(0)
X20, Y20 = gradlab.paraboloid()


# ------------------------------------------------------------------------------- right and wrong


@pytest.mark.parametrize("method", ["forward", "central", "central4", "complex", "richardson"])
@pytest.mark.parametrize("eps", [None, 1e-5])
def test_the_right_gradient_passes_with_every_method(method, eps):
    loss, params, grads = course()
    report = check_gradients(loss, params, grads, method=method, eps=eps)
    assert report.passed and report and report.verdict == "ok"


def test_the_exercise_with_its_own_settings():
    loss, params, grads = course()
    report = check_gradients(loss, params, grads, eps=1e-5, cutoff=1e-7)
    assert report.passed
    numeric = gradlab.numerical_gradient(loss, params, eps=1e-5)
    for name in params:
        assert np.array_equal(report[name].differences, numeric[name])
        assert report[name].relative_error == relative_error(grads[name], numeric[name]) < 1e-9
    assert str(report).count("relative error below 1e-07") == 4


@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2"])
def test_an_error_of_one_part_in_a_hundred_million_is_found(name, size):
    loss, params, grads = course()
    wrong = {**grads, name: grads[name] * (1 + size)}
    report = check_gradients(loss, params, wrong, tolerance=0)
    assert verdicts(report) == {other: "wrong" if other == name else "ok" for other in params}


def test_a_single_wrong_entry_is_named_with_its_values():
    loss, params, grads = course()
    grads["W1"][1, 3] += 0.5
    array = check_gradients(loss, params, grads)["W1"]
    assert (array.verdict, array.worst_index) == ("wrong", (1, 3))
    assert array.analytic == grads["W1"][1, 3]
    assert abs(array.numeric - (grads["W1"][1, 3] - 0.5)) <= array.error_bar < 1e-9
    assert "only the entry [1, 3] is off" in array.hint


@pytest.mark.parametrize("exponent", [-250, -12, -6, 6, 12, 250])
@pytest.mark.parametrize("bug", [1.0, 1 + 1e-6, 2.0])
def test_the_scale_of_the_loss_changes_no_verdict(exponent, bug):
    loss, params, grads = course(3)
    grads["W1"] *= bug
    scale = 10.0**exponent
    one = check_gradients(loss, params, grads, tolerance=0)
    scaled = {name: scale * g for name, g in grads.items()}
    other = check_gradients(lambda p: scale * loss(p), params, scaled, tolerance=0)
    assert verdicts(one) == verdicts(other)
    assert one["W1"].verdict == ("ok" if bug == 1 else "wrong")
    assert {n: a.hint for n, a in one.items()} == {n: a.hint for n, a in other.items()}


def test_the_classical_rule_is_applied_as_well():
    loss, params, grads = course()
    coarse = check_gradients(loss, params, grads, eps=1e-9, cutoff=1e-12)
    assert coarse.verdict == "undecided" and "step" in coarse["W1"].hint
    assert "not below 1e-12" in str(coarse)
    assert check_gradients(loss, params, grads, eps=1e-9).passed
    wrong = {**grads, "W1": grads["W1"] * (1 + 1e-8)}
    report = check_gradients(loss, params, wrong, eps=1e-5, cutoff=1e-7, tolerance=0)
    assert report["W1"].relative_error < 1e-7 and report["W1"].verdict == "wrong"


def test_a_coarse_step_of_the_users_is_not_held_against_the_gradient():
    loss, params, grads = course()
    report = check_gradients(loss, params, grads, eps=0.1)
    assert report.passed and report["W1"].relative_error > 1e-5
    doubled = {**grads, "W1": 2 * grads["W1"]}
    assert check_gradients(loss, params, doubled, eps=0.1)["W1"].verdict == "wrong"


def test_a_hopeless_step_leaves_it_undecided():
    loss, params, grads = course()
    assert check_gradients(loss, params, grads, eps=1e-14)["b1"].verdict == "undecided"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bug", [1.0, 1.001])
def test_float32_needs_no_setting(dtype, bug):
    params = {name: a.astype(np.float32) for name, a in mlp.init_params(seed=1).items()}
    X, y = X20.astype(dtype), Y20.astype(dtype)
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    grads["W2"] = grads["W2"] * bug
    report = check_gradients(mlp.loss_function(X, y), params, grads)
    assert report.verdict == ("ok" if bug == 1 else "wrong")
    assert report.notes == (
        "the differences of these float32 parameters were computed in float64.",
    )


def hidden_float32(params):
    single = {name: array.astype(np.float32) for name, array in params.items()}
    y_hat, cache = mlp.forward(single, X20.astype(np.float32))
    grads = mlp.backward(single, cache, Y20.astype(np.float32))
    return float(mlp.loss(y_hat, Y20.astype(np.float32))), {n: g * 1.0 for n, g in grads.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_hidden_inside_needs_no_setting(dtype):
    params = {name: array.astype(dtype) for name, array in mlp.init_params(seed=1).items()}
    grads = {name: g.astype(dtype) for name, g in hidden_float32(params)[1].items()}
    assert check_gradients(lambda p: hidden_float32(p)[0], params, grads).passed
    grads["W1"] = grads["W1"] * 1.5
    assert check_gradients(lambda p: hidden_float32(p)[0], params, grads)["W1"].verdict == "wrong"


def test_float32_layers_that_read_their_own_arrays_are_checked_in_float32():
    params = {name: a.astype(np.float32) for name, a in mlp.init_params(seed=1).items()}
    own = dict(params)
    grads = mlp.backward(params, mlp.forward(params, X20)[1], Y20)
    loss = mlp.loss_function(X20, Y20)
    report = check_gradients(lambda _: loss(own), params, grads)
    assert report.passed and not report.notes


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("how", ["entries", "directions"])
def test_few_parameters_that_are_cast_to_float32(size, how):
    for seed in range(60):  # on some of these all points of a line are rounded alike
        stream = np.random.RandomState(seed)
        x, target = stream.normal(0, 3, size), stream.normal(size=size)

        def loss(params, target=target):
            return float(np.sum((params["x"].astype(np.float32).astype(float) - target) ** 2))

        right = 2 * (x.astype(np.float32) - target)
        assert check_gradients(loss, {"x": x}, {"x": right}, how=how).passed
        assert check_gradients(loss, {"x": x}, {"x": 1.1 * right}, how=how).verdict == "wrong"


def near_a_minimum(residual):
    """A float32 network whose predictions are off by so little that rounding is felt in them."""
    stream = np.random.RandomState(4)
    params = {name: a.astype(np.float32) for name, a in mlp.init_params(seed=1).items()}
    X = X20.astype(np.float32)
    y_hat, cache = mlp.forward(params, X)
    y = (y_hat + residual * stream.normal(size=y_hat.shape)).astype(np.float32)
    return mlp.loss_function(X, y), params, mlp.backward(params, cache, y)


@pytest.mark.parametrize("how", ["entries", "directions"])
def test_a_float32_gradient_that_kept_its_digits_passes_near_a_minimum(how):
    loss, params, grads = near_a_minimum(1e-5)
    report = check_gradients(loss, params, grads, how=how)
    assert report.passed
    wrong = {**grads, "W1": 1.5 * grads["W1"]}
    assert check_gradients(loss, params, wrong, how=how)["W1"].verdict in ("wrong", "undecided")


def test_an_answer_that_leaves_more_than_a_hundredth_unseen_says_so():
    loss, params, grads = near_a_minimum(1e-5)
    rough = {name: g * (1 + 0.02) for name, g in grads.items()}
    found = check_gradients(loss, params, rough)
    assert any(a.verdict == "ok" and "to within a tenth" in a.hint for a in found.values())
    assert not any(a.hint for a in check_gradients(*near_a_minimum(1e-2)).values())


def test_a_small_constant_in_the_loss():
    x = np.array([1e-7, 1e-3, 1.0])

    def loss(params):
        return float(-np.log(params["x"] + 1e-7).sum())

    assert check_gradients(loss, {"x": x}, {"x": -1 / (x + 1e-7)}).passed
    x = np.array([0.05, 0.4, 0.9])
    array = check_gradients(loss, {"x": x}, {"x": -1 / x})["x"]
    assert array.verdict == "wrong"  # at every step, so it is no artefact of one
    assert "small constant" in array.hint


# ---------------------------------------------------------------------------------- the verdicts


def test_unused_untested_and_a_bias_before_batch_norm_are_told_apart():
    def loss(params):
        z = X20 @ params["W"] + params["bias"]
        z = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)
        return float((np.tanh(z) @ params["out"]).var() + ((params["still"] - 1) ** 2).sum())

    params = {
        "W": STREAM.normal(size=(2, 3)),
        "bias": STREAM.normal(size=3),
        "out": STREAM.normal(size=3),
        "still": np.ones(2),
        "ignored": np.ones(2),
    }
    grads = gradlab.numerical_gradient(loss, params, method="richardson")
    for name in ("bias", "still", "ignored"):
        grads[name] = np.zeros_like(params[name])
    report = check_gradients(loss, params, grads, method="richardson", eps=1e-2)
    assert report["bias"].verdict == "unused" and "batch norm" in report["bias"].hint
    assert (
        report["ignored"].verdict == "unused" and "does not change at all" in report["ignored"].hint
    )
    assert report["still"].verdict == "untested"
    assert report["out"].verdict == "ok"
    grads["bias"] = np.full(3, 1e-19)  # what backpropagation really returns
    assert check_gradients(loss, params, grads)["bias"].verdict == "unused"
    grads["bias"] = np.full(3, 1e-3)
    assert check_gradients(loss, params, grads)["bias"].verdict == "wrong"


def test_a_gradient_for_an_array_that_the_loss_ignores_is_wrong():
    report = check_gradients(
        lambda p: float(np.sum(p["a"] ** 2)),
        {"a": np.ones(2), "b": np.ones(2)},
        {"a": np.full(2, 2.0), "b": np.ones(2)},
    )
    assert verdicts(report) == {"a": "ok", "b": "wrong"}
    assert "does not change at all" in report["b"].hint


def test_zeros_prove_nothing_where_the_output_weights_are_zero():
    loss, params, _ = course()
    params["W2"][:] = 0
    grads = mlp.backward(params, mlp.forward(params, X20)[1], Y20)
    report = check_gradients(loss, params, grads)
    # W1 alone cannot change the loss while W2 is zero.
    assert verdicts(report) == {"W1": "unused", "b1": "unused", "W2": "ok", "b2": "ok"}


def relu(params, X):
    z = X @ params["W"] + params["b"]
    loss = float(np.sum(np.maximum(z, 0) * STREAM_WEIGHTS))
    dz = (z > 0) * STREAM_WEIGHTS
    return loss, {"W": X.T @ dz, "b": dz.sum(axis=0)}


STREAM_WEIGHTS = np.random.RandomState(5).uniform(0.5, 1.5, (12, 4))


@pytest.mark.parametrize("seed", range(5))
def test_a_kink_at_the_point_is_a_kink_and_a_bug_beside_it_is_a_bug(seed):
    stream = np.random.RandomState(seed)
    X = stream.normal(size=(12, 3))
    X[0] = 0  # with a zero bias, all four units of this sample sit at their kink
    params = {"W": stream.normal(size=(3, 4)), "b": np.zeros(4)}
    report = check_gradients(lambda p: relu(p, X)[0], params, lambda p: relu(p, X)[1])
    assert verdicts(report) == {"W": "ok", "b": "kink"}
    assert "ReLU" in report["b"].hint
    grads = relu(params, X)[1]
    grads["b"] = grads["b"] * 3
    assert check_gradients(lambda p: relu(p, X)[0], params, grads)["b"].verdict == "wrong"


@pytest.mark.parametrize("distance", [1e-4, 2e-5, 5e-6, 1e-6, 1e-7])
def test_a_kink_next_to_the_point_is_stepped_around(distance):
    stream = np.random.RandomState(1)
    X = stream.normal(size=(12, 3))
    X[0] = 0
    params = {"W": stream.normal(size=(3, 4)), "b": distance * np.array([1.0, -1, 1, -1])}
    report = check_gradients(lambda p: relu(p, X)[0], params, lambda p: relu(p, X)[1])
    assert verdicts(report) == {"W": "ok", "b": "ok"}


def test_smooth_networks_have_no_kinks():
    for seed in range(20):
        loss, params, grads = course(seed)
        grads = {name: 1.1 * g for name, g in grads.items()}
        assert set(verdicts(check_gradients(loss, params, grads)).values()) == {"wrong"}


def test_most_kinked_entries_are_flagged_and_none_is_called_wrong():
    flagged = total = 0
    for seed in range(30):
        stream = np.random.RandomState(seed)
        x = stream.normal(size=10)
        at_kink = stream.uniform(size=10) < 0.5
        w = stream.uniform(0.1, 2, 10)
        x[at_kink] = 0
        grads = {"x": w * (x > 0) + 2 * x}
        report = check_gradients(
            lambda p, w=w: float(np.sum(w * np.maximum(p["x"], 0) + p["x"] ** 2)), {"x": x}, grads
        )
        assert report.verdict == ("kink" if at_kink.any() else "ok")
        off = np.abs(report["x"].gradient - report["x"].differences) > report["x"].error_bars
        flagged += np.count_nonzero(off & at_kink)
        total += np.count_nonzero(at_kink)
        assert not (off & ~at_kink).any()
    assert flagged >= 0.98 * total > 100


def test_a_random_loss_is_called_random():
    stream = np.random.RandomState(0)
    params = {"x": np.ones(3)}
    report = check_gradients(
        lambda p: float(np.sum(p["x"] ** 2 * (stream.uniform(size=3) > 0.5))), params, params
    )
    assert report.verdict == "random" and "dropout" in report["x"].hint


def test_a_loss_that_keeps_state_is_called_random():
    calls = []

    def loss(params):
        calls.append(1)
        return float(np.sum(params["x"] ** 2)) + (len(calls) > 20) * 0.01

    assert check_gradients(loss, {"x": np.ones(3)}, {"x": np.full(3, 2.0)}).verdict == "random"


def test_nothing_finite_to_compare():
    params = {"x": np.array([0.5, 1.0])}
    assert check_gradients(lambda p: np.nan, params, params).verdict == "nonfinite"
    assert check_gradients(lambda p: np.inf, params, {"x": np.zeros(2)}).verdict == "nonfinite"
    report = check_gradients(
        lambda p: float(np.sum(p["x"] ** 2)), params, {"x": np.array([1.0, np.nan])}
    )
    assert report["x"].verdict == "nonfinite" and report["x"].worst_index == (1,)
    with np.errstate(all="ignore"):
        report = check_gradients(
            lambda p: float(np.sum(np.sqrt(p["x"]))), {"x": np.zeros(1)}, {"x": np.zeros(1)}
        )
    assert report["x"].verdict == "nonfinite"


def test_next_to_the_edge_of_its_domain_a_loss_is_judged_by_shorter_steps():
    x = np.array([1e-9, 1.0])
    report = check_gradients(lambda p: float(np.log(p["x"]).sum()), {"x": x}, {"x": 1 / x})
    assert report.passed


def test_the_worst_verdict_is_the_reports():
    params = {"a": np.ones(2), "b": np.ones(2)}
    report = check_gradients(
        lambda p: float(np.sum(p["a"] ** 2)), params, {"a": np.ones(2), "b": np.zeros(2)}
    )
    assert report.verdict == "wrong" and not report.passed and not report


def test_zero_size_arrays_are_skipped_and_said():
    params = {"x": np.ones(2), "none": np.ones((0, 3))}
    for how in ("entries", "directions"):
        report = check_gradients(
            lambda p: float(np.sum(p["x"] ** 3)),
            params,
            {"x": np.full(2, 3.0), "none": np.ones((0, 3))},
            how=how,
        )
        assert report.passed and list(report) == ["x"]
        assert "none has shape (0, 3), so no entries, and was skipped" in str(report)


# ------------------------------------------------------------------------------------ the report


def test_hints_point_to_the_mistake():
    loss, params, grads = course()
    wrong = {name: 20 * g for name, g in grads.items()}
    assert "batch of 20 missing" in check_gradients(loss, params, wrong)["W2"].hint
    wrong = {**grads, "b1": grads["b1"] / 20, "b2": grads["b2"] / 20}
    assert "averaged over a batch of 20" in check_gradients(loss, params, wrong)["b1"].hint
    wrong = {**grads, "W1": grads["W1"] - 0.1 * params["W1"]}
    assert "regularisation" in check_gradients(loss, params, wrong)["W1"].hint
    wrong = {**grads, "W1": 3 * grads["W1"], "b1": grads["W1"][:1] * 1.0}
    assert "in front of W2" in check_gradients(loss, params, wrong).hint


def test_text_html_and_exception_say_the_same():
    loss, params, grads = course()
    report = check_gradients(loss, params, {**grads, "W1": -grads["W1"]})
    text, page = str(report), report._repr_html_()
    for piece in ("wrong", "W1", "(2, 5)", "minus the right gradient", "Only W1 is wrong"):
        assert piece in text and piece in page
    assert "✗ wrong" in page and 'scope="row"' in page and "<caption" in page
    with pytest.raises(GradientCheckError) as raised:
        report.raise_if_failed()
    assert str(raised.value) == text and isinstance(raised.value, AssertionError)
    assert check_gradients(loss, params, grads).raise_if_failed() is None
    assert repr(report) == text


def test_html_is_escaped():
    report = check_gradients(
        lambda p: float(np.sum(p["<b>"] ** 2)), {"<b>": np.ones(1)}, {"<b>": np.ones(1)}
    )
    assert "<b>" not in report._repr_html_() and "&lt;b&gt;" in report._repr_html_()


def test_the_text_of_a_pass_shows_no_noise():
    texts = {str(check_gradients(*course(seed))) for seed in range(5)}
    assert len(texts) == 1
    assert not any(
        character.isdigit()
        for line in texts.pop().splitlines()[1:]
        for character in line.split(")")[-1]
    )


def test_the_text_of_a_report_is_wrapped_between_words():
    loss, params, grads = course()
    wrong = {**grads, "b1": 20 * grads["b1"]}
    report = check_gradients(loss, params, wrong)
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 102
    assert report.hint in " ".join(lines) and len(report.hint) > 100
    indents = {len(line) - len(line.lstrip()) for line in lines[1:8]}
    assert indents == {2, lines[2].index("wrong") + 11}  # arrays, and the hint below its column
    zero = check_gradients(loss, params, {**grads, "b1": 0 * grads["b1"]})
    assert len(str(zero["b1"]).splitlines()) == 5  # the other entries take two, and the hint
    below = [line for line in str(zero).splitlines() if line.startswith(" " * 20)]
    assert len(below) == 4 and len({len(line) - len(line.lstrip()) for line in below}) == 1
    said = " ".join(line.strip() for line in below)
    assert said == f"{zero['b1'].others} {zero['b1'].hint}"


def test_a_report_is_a_mapping():
    report = check_gradients(*course())
    assert list(report) == ["W1", "b1", "W2", "b2"] and len(report) == 4 and "W1" in report
    with pytest.raises(KeyError, match="no array 'W9' in this report; it has 'W1', 'b1'"):
        report["W9"]


def test_the_heat_map_has_a_panel_for_each_array():
    loss, params, grads = course()
    page = check_gradients(loss, params, {**grads, "W1": -grads["W1"]}).plot()
    assert [axis.get_title() for axis in page.axes[:4]] == [
        "W1: wrong",
        "b1: ok",
        "W2: ok",
        "b2: ok",
    ]
    with pytest.raises(ValueError, match="no single entries to draw"):
        check_gradients(loss, params, grads, how="directions").plot()


# ------------------------------------------------------------------------------ any array at all


@st.composite
def arrays(draw):
    """An array of any shape, order, stride, precision and scale, and that scale."""
    shape = draw(st.lists(st.integers(1, 4), max_size=3).map(tuple))
    dtype = draw(st.sampled_from([np.float32, np.float64, ">f8", np.longdouble]))
    scale = 10.0 ** draw(st.integers(-12, 12))
    stream = np.random.RandomState(draw(st.integers(0, 2**31)))
    layout = draw(st.sampled_from(["C", "F", "strided", "reversed", "slice of more axes"]))
    values = stream.uniform(0.2, 2, shape) * stream.choice([-1, 1], shape) * scale
    if layout == "slice of more axes":
        array = np.empty((*shape, 3), dtype)[..., 1]
    elif layout == "strided" and shape:
        array = np.empty((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2]
    elif layout == "reversed" and shape:
        array = np.empty(shape, dtype)[::-1]
    else:
        array = np.empty(shape, dtype, order="F" if layout == "F" else "C")
    array[...] = values
    return array, scale


@given(arrays(), arrays(), st.integers(-12, 12), st.sampled_from([1.0, 2.0, 0.9]))
@settings(max_examples=60)
def test_any_shape_order_stride_scale_and_precision(first, second, exponent, bug):
    (a, size_a), (b, size_b), factor = first, second, 10.0**exponent

    def parts(params):
        return np.asarray(params["a"] / size_a, float), np.asarray(params["b"] / size_b, float)

    def loss(params):
        u, v = parts(params)
        return factor * float(np.sum(np.sin(u)) * np.mean(np.cos(v)) + np.sum(u**2) + np.sum(v**2))

    u, v = parts({"a": a, "b": b})
    grads = {
        "a": factor / size_a * (np.cos(u) * np.mean(np.cos(v)) + 2 * u),
        "b": factor / size_b * (-np.sin(v) * np.sum(np.sin(u)) / v.size + 2 * v) * bug,
    }
    before = a.tobytes(), b.tobytes()
    report = check_gradients(loss, {"a": a, "b": b}, grads)
    # The one in float32 may have left its rounding in the gradient of the other.
    assert report["a"].verdict in ("ok", "close")
    assert report["b"].verdict in (("ok", "close") if bug == 1 else ("wrong",))
    assert (a.tobytes(), b.tobytes()) == before


@pytest.mark.parametrize("weights", [[0.0], [0.0, 1.0], [0.3, 0.0, -2.0], [0.0, 0.0, 0.0]])
def test_a_kink_that_the_central_difference_cannot_see_is_seen(weights):
    # Of |x| at 0 both sides say 0, a subgradient that many a penalty returns: there is no gradient.
    x = np.array(weights)
    report = check_gradients(lambda p: np.sum(np.abs(p["x"])), {"x": x}, {"x": np.sign(x)})
    assert report.verdict == "kink"


@pytest.mark.parametrize("how", ["entries", "directions"])
@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("zeros", [1, 3, 10])
def test_an_l1_penalty_at_zero_weights_is_a_kink_however_many(zeros, strength, how):
    loss, params, grads = course()
    params["W1"].ravel()[:zeros] = 0.0
    grads = mlp.backward(params, mlp.forward(params, X20)[1], Y20)
    grads["W1"] = grads["W1"] + strength * np.sign(params["W1"])  # 0 at 0, as a subgradient may be

    def penalised(params):
        return loss(params) + strength * float(np.abs(params["W1"]).sum())

    found = verdicts(check_gradients(penalised, params, grads, how=how))
    assert found == {"W1": "kink", "b1": "ok", "W2": "ok", "b2": "ok"}
    for distance in (1e-3, 1e-6, 1e-10, 1e-12):  # no kink at the point, but still one on the way
        params["W1"].ravel()[:zeros] = distance
        grads = mlp.backward(params, mlp.forward(params, X20)[1], Y20)
        grads["W1"] = grads["W1"] + strength * np.sign(params["W1"])
        found = verdicts(check_gradients(penalised, params, grads, how=how))["W1"]
        assert found == "ok" or (distance < 1e-9 and found in ("kink", "undecided"))


@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-6])
def test_a_sharp_bend_is_no_kink(width):
    x = np.array([0.0, 1.0])
    root = np.sqrt(x**2 + width**2)
    report = check_gradients(
        lambda p: np.sum(np.sqrt(p["x"] ** 2 + width**2)), {"x": x}, {"x": x / root}
    )
    assert report.passed


@pytest.mark.parametrize("seed", range(4))
def test_a_clean_check_of_a_large_array_needs_few_second_looks(seed):
    # A step that suits a random direction truncates single entries: seed 2 took five times as many.
    stream = np.random.RandomState(seed)
    X, y = stream.normal(size=(200, 20)), stream.normal(size=(200, 1))
    params = mlp.init_params((20, 50, 1), seed)
    loss, calls = mlp.loss_function(X, y), []
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    report = check_gradients(lambda p: calls.append(0) or loss(p), params, grads, progress=False)
    assert report.passed
    assert len(calls) < 1.25 * 2 * 1101


@pytest.mark.parametrize(("n", "said"), [(2, "both entries"), (3, "all 3 entries")])
def test_a_report_counts_the_entries_that_are_off(n, said):
    x = np.arange(1.0, n + 1)
    report = check_gradients(
        lambda p: float(np.sum(np.sin(p["x"]))), {"x": x}, {"x": np.cos(x) + 0.3 * x}
    )
    assert report["x"].others.startswith(f"{said} are off; ")
