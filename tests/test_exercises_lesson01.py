"""The judges of notebook 01: what a learner may answer, and what they are told."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import exercises
from gradlab.exercises.lesson01 import SHAPES

ALONE = {"W2": 9.552e-05, "b2": 1.151e-04}  # as the notebook prints them


def said(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (ALONE["W2"], "W2[0, 0] does alone"),
        (ALONE["b2"], "b2 does alone"),
        (sum(ALONE.values()) / 2, "average of the two"),
        (ALONE["W2"] - ALONE["b2"], "That is their difference"),
        (-sum(ALONE.values()), "look at the sign"),
        (9.552e-05 + 1.151e-05, "Mind the exponents"),
        (2e-4, "Close. The cell above prints four digits"),
        (sum(ALONE.values()) / 0.001, "per unit of nudge"),
        (0.01, "It is smaller than that"),
        (1e-6, "It is larger than that"),
        (0, "not of that sign"),
        (float("nan"), "nan"),
        ("a lot", "A number is asked for"),
        ([1e-4, 2e-4], "One number"),
        (..., "Not attempted yet"),
        (None, "Not attempted yet"),
        (sum(ALONE.values()), "Right. Small changes add up"),
        (2.1e-4, "Right. Small changes add up"),
    ],
)
def test_two_nudges_at_once(capsys, answer, sentence):
    assert sentence in said(capsys, "01_nudge", answer)


def stops(H):
    raise RuntimeError("stuck")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda H: H * (1 - H), "slope of the sigmoid"),
        (lambda H: 1 - np.tanh(H) ** 2, "sends it through once more"),
        (lambda H: 1 - H, "Which power of H"),
        (lambda H: H, "H itself"),
        (lambda H: H**2 - 1, "wrong sign"),
        (lambda H: 2 * (1 - H**2), "constant factor"),
        (lambda H: 1 + H**2, "Check a sign"),
        (lambda H: np.sqrt(1 - H**2), "Does that need a root?"),
        (lambda H: 1 - (H ^ 2), "^ is not a power in Python"),
        (
            lambda H: 1 - H @ H,
            "as many columns on its left as rows on its right, and here 4 meets 3",
        ),
        (lambda H: (1 - H**2).T, "transpose"),
        (lambda H: 1 - H**3, "of 12 entries"),
        (lambda H: np.nan * H, "nan"),
        (lambda H: [[1, 2], [3, 4]], "shape (2, 2)"),
        (lambda H: "1 - H**2", "array of numbers"),
        (stops, "RuntimeError: stuck"),
        (0.75, "A function is asked for"),
        (lambda H: ..., "Not attempted yet"),
        (None, "Not attempted yet"),
        (lambda H: 1 - H**2, "Right. It is 1 - H**2"),
        (lambda H: (1 - H) * (1 + H), "Right. It is 1 - H**2"),
    ],
)
def test_the_slope_of_tanh(capsys, answer, sentence):
    assert sentence in said(capsys, "01_tanh_slope", answer)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dW2": (2, 4)}, "dW2 lies on its side"),
        ({"db2": (8, 2)}, "db2 still has a row for each sample"),
        ({"db1": (4,)}, "a row of a matrix: two numbers"),
        ({"dH": (20, 5)}, "(20, 5) has a size of this notebook's network in it"),
        ({"dH": (8, 5)}, "(8, 5) has a size of this notebook's network in it"),
        ({"dy": (8, 1)}, "(8, 1) has a size of this notebook's network in it"),
        ({"db2": (2, 1)}, "db2 lies on its side"),
        ({"dW1": (3, 3)}, "Which array is it the gradient of"),
        ({"dW1": 12}, "A shape such as"),
        ({"dW1": "3 by 4"}, "A shape such as"),
        ({"db1": ...}, "Not attempted yet. Still to come: db1"),
        (dict.fromkeys(SHAPES, ...), "Not attempted yet"),
        ({}, "Right. Every gradient has the shape"),
        ({"dy": [8, 2]}, "Right. Every gradient has the shape"),
    ],
)
def test_shapes_of_another_network(capsys, change, sentence):
    assert sentence in said(capsys, "01_shapes", SHAPES | change)


@pytest.mark.parametrize("answer", [(8, 2), np.zeros(3), "shapes"])
def test_shapes_come_in_a_dict(capsys, answer):
    assert "A dict with a shape for each of dy" in said(capsys, "01_shapes", answer)


def test_every_exercise_can_be_solved(capsys):
    exercises.check("01_nudge", sum(ALONE.values()))
    exercises.check("01_tanh_slope", lambda H: 1 - H**2)
    exercises.check("01_shapes", SHAPES)
    exercises.progress("01")
    assert "3 of 3 exercises solved" in capsys.readouterr().out
