"""The figures of notebooks 08 and 09 draw the numbers that they are given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradlab import plots
from gradlab.explorers import direction
from gradlab.plots import style


def lines_of(ax, marker=None):
    return [
        line for line in ax.lines if len(line.get_xdata()) and marker in (None, line.get_marker())
    ]


def test_cost_is_relative_to_the_first_and_carried_on_with_slope_two():
    ax = plots.checking_cost([10, 100], {"plain loop": [2.0, 40.0], "stacked": [1.0, 30.0]}, 1e4)
    loop, stacked, carried_on, end = lines_of(ax)
    np.testing.assert_allclose(loop.get_ydata(), [1, 20])
    np.testing.assert_allclose(stacked.get_ydata(), [0.5, 15])
    np.testing.assert_allclose(carried_on.get_ydata(), [20, 20 * 100**2])
    np.testing.assert_allclose(end.get_data(), [[1e4], [20 * 100**2]])


def test_what_moves_marks_exactly_the_entries_that_differ_from_zero():
    change = np.zeros((3, 2))
    change[:, 1] = [1e-300, -1, 5]
    page = plots.what_moves({"Z1": change, "y_hat": np.ones((3, 1))}, "W1[0, 1] nudged")
    Z1, y_hat = page.axes
    moved = [cell.get_xy() for cell in Z1.patches if cell.get_hatch()]
    assert sorted(round(x + 0.46) for x, _ in moved) == [1, 1, 1]
    assert len([cell for cell in y_hat.patches if cell.get_hatch()]) == 3
    assert page.get_suptitle() == "W1[0, 1] nudged"


RULES = ("error bar of the noise", "cutoff 1e-3")


def test_detection_draws_measured_markers_over_predicted_lines():
    rule = RULES[0]
    ax = plots.detection([1, 0.1], {rule: [1, 0.25]}, {rule: [0.9, 0.5]}, trials=100)
    measured, predicted = lines_of(ax)
    np.testing.assert_allclose(measured.get_ydata(), [1, 0.25])
    np.testing.assert_allclose(predicted.get_ydata(), [0.9, 0.5])
    assert measured.get_linestyle() == "None"
    (band,) = ax.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(0.4) and heights.max() == pytest.approx(0.96)


def test_detection_draws_a_guess_at_one_half():
    rule = RULES[0]
    ax = plots.detection([1, 0.1], {rule: [1, 0.25]}, {rule: [0.9, 0.5]}, guess=(0.2, 1e-3))
    *_, star = lines_of(ax)
    np.testing.assert_allclose(star.get_data(), [[0.2, 1e-3], [0.5, 0.5]])


def test_a_rule_looks_the_same_in_the_figures_and_in_the_explorer():
    assert list(style.RULES) == list(direction.RULES)
    for rule in RULES:
        ax = plots.detection([1, 0.1], {rule: [1, 0.25]}, {rule: [0.9, 0.5]})
        assert {line.get_color() for line in ax.lines} == {style.RULES[rule]["color"]}


def test_an_error_is_missed_where_its_shift_is_smaller_than_what_a_rule_allows():
    shifts = {1: np.array([1.0, 2.0, 3.0, 4.0]), 0.001: np.array([0.001, 0.002, 0.003, 0.004])}
    allowed = {RULES[0]: np.full(4, 1e-6), RULES[1]: np.full(4, 2.5)}
    page = plots.shifts_and_allowances(shifts, allowed)
    titles = [ax.get_title(loc="left") for ax in page.axes]
    assert titles == [
        "error 1, missed: 0 % (error bar of the noise), 50 % (cutoff 1e-3)",
        "error 0.001, missed: 0 % (error bar of the noise), 100 % (cutoff 1e-3)",
    ]
    assert titles[1] in style.description(page)


def test_the_overlap_of_two_histograms_is_shaded():
    alike, apart = np.geomspace(0.1, 1, 40), np.geomspace(1e-7, 1e-6, 40)
    page = plots.shifts_and_allowances({1: alike}, {RULES[0]: apart, RULES[1]: alike})
    (ax,) = page.axes
    shaded = [patch.get_data().values for patch in ax.patches if patch.get_hatch()]
    assert [values.sum() for values in shaded] == [0, 40]


def test_kernels_are_right_and_wrong_where_their_errors_say():
    lengths, errors = [2, 3, 4, 5], {"one": [1, 1e-10, 1, 0], "other": [1e-9, 1e-9, 1e-9, 1]}
    page = plots.kernel_sizes(lengths, errors, block=3, guess=(3, 4))
    one, other = page.axes
    drawn = {line.get_label(): list(line.get_xdata()) for line in one.lines}
    assert (drawn["wrong"], drawn["right"], drawn["your guess"]) == ([2, 4], [3, 5], [3, 4])
    assert not [line for line in other.lines if line.get_label() == "your guess"]
    assert "One is right at 3 and 5. Other is right at 2 to 4." in style.description(page)
    assert "right at none of them" in style.description(
        plots.kernel_sizes(lengths, {"one": [1, 1, 1, 1]}, block=3)
    )


def test_recovered_gradient_leaves_out_errors_that_are_zero():
    ax = plots.recovered_gradient([1e-2, 1e-1, 1], [1e-3, 1e-4, 0])
    (line,) = lines_of(ax)
    np.testing.assert_allclose(line.get_xdata(), [1e-2, 1e-1])


def test_recovered_gradient_draws_the_digits_that_were_guessed():
    ax = plots.recovered_gradient([1e-6, 1], [1e-10, 1e-16], digits_at={1e-6: 12})
    _, star = lines_of(ax)
    np.testing.assert_allclose(star.get_data(), [[1e-6], [1e-12]])


@pytest.mark.parametrize("guess", [None, "many", [], ["a", None], True, -1, float("nan"), 1e308])
def test_a_guess_that_cannot_be_drawn_is_left_out(guess):
    rule = RULES[0]
    plain = len(lines_of(plots.detection([1, 0.1], *2 * [{rule: [1, 0.25]}])))
    assert len(lines_of(plots.detection([1, 0.1], *2 * [{rule: [1, 0.25]}], guess=guess))) == plain
    for drawn in (
        plots.kernel_sizes([2, 3], {"one": [1, 1e-9]}, 2, guess=guess),
        plots.recovered_gradient([0.1, 1], [1e-3, 1e-4], digits_at={1e-6: guess}),
    ):
        style.png(drawn)


def test_every_sample_has_a_stem():
    changes = {"one": np.array([1.0, -2.0, 0.5]), "other": np.array([1.0, 0.0, 0.0])}
    ax = plots.one_sample_nudged(changes)
    for marker, change in zip("os", changes.values(), strict=True):
        (line,) = lines_of(ax, marker)
        np.testing.assert_array_equal(line.get_ydata(), change)


def test_after_the_step_two_names_point_to_two_arrays():
    before, after = plots.two_names().axes
    assert [text.get_text() for text in before.texts].count("the array") == 1
    arrows = [
        [text.xy[1] for text in ax.texts if getattr(text, "arrow_patch", None)]
        for ax in (before, after)
    ]
    assert len(set(arrows[0])) == 1
    assert len(set(arrows[1])) == 2


DRAWN = {
    "checking_cost": ([10, 100], {"a": [1, 2], "b": [1, 3]}),
    "what_moves": ({"Z1": np.eye(3), "y_hat": np.ones((3, 1))},),
    "detection": ([1, 0.1], *2 * [dict.fromkeys(RULES, [1, 0.5])]),
    "kernel_sizes": ([2, 3], {"a": [1, 1e-9], "b": [1e-9, 1]}, 2),
    "shifts_and_allowances": ({1: np.ones(3)}, dict.fromkeys(RULES, np.ones(3))),
    "recovered_gradient": ([0.1, 1], [1e-3, 1e-4]),
    "one_sample_nudged": ({"a": np.ones(3), "b": np.zeros(3)},),
    "two_names": (),
}


@pytest.mark.parametrize("name", DRAWN)
def test_series_differ_in_marker_and_colour_and_axes_are_labelled(name):
    drawn = getattr(plots, name)(*DRAWN[name])
    assert isinstance(drawn, (Axes, Figure))
    assert style.png(drawn).startswith(b"\x89PNG")
    for ax in [drawn] if isinstance(drawn, Axes) else drawn.axes:
        if not ax.axison:
            continue
        assert any(one.get_xlabel() for one in ax.get_shared_x_axes().get_siblings(ax))
        legend = ax.get_legend()
        handles = legend.legend_handles if legend else []
        looks = [(handle.get_marker(), handle.get_linestyle()) for handle in handles]
        assert len(set(looks)) == len(looks)
        assert len({handle.get_color() for handle in handles}) == len(handles)


def test_an_axes_of_the_caller_is_drawn_on():
    _, ax = style.figure()
    assert plots.recovered_gradient([0.1], [1e-3], ax=ax) is ax
