"""The figures of notebook 05 about error bars draw what they are given."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import plots

NUMERIC = {"W1": np.zeros((1, 2)), "b": np.zeros(())}
BARS = {"W1": np.array([[1e-9, 1e-8]]), "b": np.array(1e-10)}
T = np.linspace(-1e-9, 1e-9, 5)
REST = np.array([1.0, -2.0, 0.5, 0.0, 1.5])


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.fixture
def page():
    right = {"W1": np.array([[1e-10, -9e-9]]), "b": np.array(1e-11)}
    return plots.entries_in_bars(
        {"A": right, "B": {**right, "W1": np.array([[2e-9, 0.5]])}}, NUMERIC, BARS
    )


def test_each_gradient_has_a_panel_and_each_entry_a_row(page):
    left, right = page.axes
    assert [ax.get_title() for ax in page.axes] == ["A", "B"]
    rows = [label.get_text() for label in left.get_yticklabels()]
    assert rows == ["W1[0, 0]", "W1[0, 1]", "b"]
    assert right.get_ylim() == left.get_ylim() == (2.5, -0.5)


def test_a_mark_says_whether_an_entry_lies_inside(page):
    for ax, inside, outside in zip(page.axes, ([0, 1, 2], [2]), ([], [0, 1]), strict=True):
        marks = {line.get_marker(): line for line in ax.lines if line.get_linestyle() == "None"}
        np.testing.assert_array_equal(marks["o"].get_ydata(), inside)
        np.testing.assert_array_equal(marks["X"].get_ydata(), outside)
    assert page.axes[1].get_xlim()[1] >= 0.5
    assert legend(page.axes[1]) == ["error bar", "inside", "outside"]


def test_the_bars_have_their_lengths(page):
    for ax in page.axes:
        (bars,) = ax.collections
        lengths = [segment[1, 0] for segment in bars.get_segments()]
        np.testing.assert_allclose(lengths, [1e-9, 1e-8, 1e-10])


def test_the_words_count_what_lies_outside(page):
    words = plots.description(page)
    assert "A: all 3 marks lie inside." in words
    assert "B: 2 of 3 marks lie far outside, all of W1." in words


def test_what_a_line_leaves_over_is_drawn_in_roundings():
    ax = plots.noise_left_over(T, REST, 0.5)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), REST / 0.5)
    assert legend(ax) == ["one loss", "the largest: 4.0 u|L|"]
    assert "within a few roundings" in plots.description(ax)


def test_a_guess_at_the_noise_is_drawn_to_both_sides():
    ax = plots.noise_left_over(T, REST, 0.5, guess=7)
    assert "your guess: 7 u|L|" in legend(ax)
    heights = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert heights == [7, -7]
    assert ax.get_ylim()[1] > 7
    assert "the guess" in plots.description(ax)


@pytest.mark.parametrize("guess", [None, "small", [1, 2]])
def test_a_guess_that_is_no_number_is_left_out(guess):
    assert len(legend(plots.noise_left_over(T, REST, 0.5, guess=guess))) == 2
