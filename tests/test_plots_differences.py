"""The figures of the difference quotients show the data they are given, and say what it is."""

from __future__ import annotations

import numpy as np
import pytest

import gradlab
from gradlab import mlp, plots

STEPS = np.logspace(-6, 0, 13)


@pytest.fixture(scope="module")
def curve():
    X, y = gradlab.paraboloid()
    params = mlp.init_params(seed=0)
    loss = mlp.loss_function(X, y)
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    return gradlab.error_curve(loss, params, grads, ("forward", "central", "complex"))


def line(ax, label):
    (found,) = (one for one in ax.lines if one.get_label() == label)
    return found


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def ticks(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


FIGURES = {
    "secants": lambda ax, curve: plots.secants(np.square, 1.0, (1, 0.5), 2.0, ax=ax),
    "error_curves": lambda ax, curve: plots.error_curves(curve, ax=ax),
    "staircase": lambda ax, curve: plots.staircase(np.square, 1.0, 1e-14, 2.0, ax=ax),
    "named_error_curves": lambda ax, curve: plots.named_error_curves(STEPS, {"W1": STEPS}, ax=ax),
    "error_bands": lambda ax, curve: plots.error_bands({"W1": STEPS}, 1e-7, {"W1": 1e-3}, ax=ax),
    "error_while_filling": lambda ax, curve: plots.error_while_filling([0.9, 0.1], "W1", ax=ax),
    "taylor_remainders": lambda ax, curve: plots.taylor_remainders(STEPS, {"a": STEPS}, ax=ax),
}


@pytest.mark.parametrize("name", FIGURES)
def test_it_draws_on_the_axes_it_is_given_or_on_its_own(name, curve):
    _, ax = plots.figure()
    assert FIGURES[name](ax, curve) is ax
    assert FIGURES[name](None, curve) is not ax
    assert ax.get_xlabel()
    assert ax.get_ylabel() or ticks(ax)
    assert plots.png(ax).startswith(b"\x89PNG")


def test_every_figure_is_tried_here():
    from gradlab.plots import differences

    assert {*FIGURES} == {*differences.__all__}


@pytest.mark.parametrize(("method", "slopes"), [("forward", (3.0, 2.5)), ("central", (2.0, 2.0))])
def test_secants_say_their_slopes(method, slopes):
    ax = plots.secants(np.square, 1.0, (1, 0.5), 2.0, method)
    for slope, said in zip(slopes, legend(ax)[1:3], strict=True):
        assert said.endswith(f"slope {slope:.4f}")
    assert legend(ax)[3] == "tangent: slope 2.0000"
    assert ax.get_title() == f"{method} differences"


def test_the_measured_errors_and_both_predicted_lines_are_there(curve):
    ax = plots.error_curves(curve, methods=("forward", "central"))
    for method in ("forward", "central"):
        measured = line(ax, f"{method}: measured").get_ydata()
        np.testing.assert_array_equal(measured, curve.errors[method])
        drawn = [one.get_ydata() for one in ax.lines]
        for part in (curve.truncation[method], curve.rounding[method]):
            assert any(np.array_equal(part, values) for values in drawn)


def test_a_star_marks_the_predicted_best_step_of_each_v(curve):
    ax = plots.error_curves(curve)
    stars = [
        one.get_xdata()[0] for one in ax.lines if one.get_marker() == "*" and len(one.get_xdata())
    ]
    best = [curve.eps[np.argmin(curve.predicted(method))] for method in ("forward", "central")]
    assert stars == best  # the complex step has no best one


def test_a_step_that_somebody_chose_is_drawn_if_it_is_one(curve):
    ax = plots.error_curves(curve, guess=1e-8)
    assert line(ax, "your step: 1.0e-08").get_xdata()[0] == 1e-8
    assert "marks the step 1.0e-08" in plots.description(ax)
    for nothing in (None, ..., "small", 0, -5, float("nan"), [1e-5]):
        assert not any(
            "your step" in text for text in legend(plots.error_curves(curve, guess=nothing))
        )


def test_the_two_errors_are_named_beside_their_lines(curve):
    texts = [text.get_text() for text in plots.error_curves(curve, ("forward", "central")).texts]
    assert texts == ["rounding", "truncation"]


def test_a_slope_is_one_angle_in_both_panels():
    _, axes = plots.figure(columns=2, sharex=True, sharey=True)
    for ax, method in zip(axes, ("forward", "central"), strict=True):
        plots.secants(np.square, 1.0, (1, 0.5), 2.0, method, ax=ax)
    (left, right) = ([tuple(one.get_xlim()), tuple(one.get_ylim())] for one in axes)
    assert left == right
    tangents = [line(ax, "tangent: slope 2.0000") for ax in axes]
    assert len(tangents) == 2


@pytest.mark.parametrize(("method", "arrows"), [("forward", 2), ("central", 4)])
def test_steps_are_marked_as_distances(method, arrows):
    ax = plots.secants(np.square, 1.0, (1, 0.5), 2.0, method)
    drawn = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert len(drawn) == arrows
    assert {abs(text.xy[0] - text.xyann[0]) for text in drawn} == {1, 0.5}


def test_an_array_half_filled_is_far_above_the_cutoff():
    ax = plots.error_while_filling([0.9, 0.1, 1e-10], "W1", cutoff=1e-7)
    assert ax.get_yscale() == "log"
    assert line(ax, "cutoff 1e-07").get_ydata()[0] == 1e-7
    assert "a fall of many decades to the last, below the cutoff" in plots.description(ax)


def test_errors_of_zero_leave_a_gap():
    ax = plots.named_error_curves([1, 2, 3], {"W2": [1e-3, 0.0, 1e-5]})
    np.testing.assert_array_equal(line(ax, "W2").get_ydata(), [1e-3, np.nan, 1e-5])


def test_the_staircase_is_computed_and_the_line_is_not():
    ax = plots.staircase(np.square, 1.0, 1e-14, 2.0)
    steps = line(ax, "computed loss").get_ydata()
    np.testing.assert_array_equal(steps, np.round(steps))
    ideal = line(ax, "what mathematics says")
    unit = np.spacing(1.0)
    np.testing.assert_allclose(ideal.get_ydata() * unit, 2 * ideal.get_xdata(), atol=1e-30)


def test_each_array_has_a_row_of_errors_and_its_mark():
    errors = {"W1": [1e-10, 2e-10], "b1": [1e-11, 3e-11, 5e-11]}
    ax = plots.error_bands(errors, 1e-7, {"W1": 3e-10, "b1": 2e-11})
    assert ticks(ax) == ["W1", "b1"]
    marks = line(ax, "published")
    np.testing.assert_array_equal(marks.get_xdata(), [3e-10, 2e-11])
    np.testing.assert_array_equal(marks.get_ydata(), [0, 1])
    assert line(ax, "cutoff 1e-07").get_xdata()[0] == 1e-7
    assert "published" not in legend(plots.error_bands(errors, 1e-7))


def test_the_guides_have_the_slopes_they_claim_and_lie_along_their_curves():
    steps = np.logspace(-7, 0, 15)
    ax = plots.taylor_remainders(steps, {"right": steps**2, "wrong": 10 * steps})
    guides = [one for one in ax.lines if one.get_label().startswith("_slope ")]
    assert [text.get_text() for text in ax.texts] == [one.get_label()[1:] for one in guides]
    assert sorted(one.get_label()[-1] for one in guides) == ["1", "1", "2", "2"]
    for guide in guides:
        power, (x, y) = int(guide.get_label()[-1]), guide.get_data()
        assert np.ptp(np.log(y)) == pytest.approx(power * np.ptp(np.log(x)))
        curve = x**2 if power == 2 else 10 * x
        np.testing.assert_allclose(np.log10(curve / y), 0.55, atol=0.01)


def test_series_differ_in_colour_marker_and_dash():
    ax = plots.named_error_curves(STEPS, {name: STEPS for name in ("W1", "b1", "W2", "b2")})
    looks = [(one.get_color(), one.get_marker(), one.get_linestyle()) for one in ax.lines]
    for parts in zip(*looks, strict=True):
        assert len(set(parts)) == 4
