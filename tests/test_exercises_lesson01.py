"""The judges of notebook 01: what a learner may answer, and what they are told."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gradlab import exercises, worked
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
        (0, "both nudges raise the loss"),
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
    exercises.check("01_paper", {name: array.tolist() for name, array in worked.values().items()})
    exercises.check("01_shortcut", lambda X, H, dy: X.T @ dy)
    exercises.check("01_tanh_slope", lambda H: 1 - H**2)
    exercises.check("01_shapes", SHAPES)
    exercises.progress("01")
    assert "5 of 5 exercises solved" in capsys.readouterr().out


# ------------------------------------------------------------------------------ a network on paper


def paper(**changed):
    """Every right number, as a learner types them, with some arrays in another form."""
    return {name: array.tolist() for name, array in worked.values().items()} | changed


def test_every_number_on_paper_is_whole_or_a_simple_fraction():
    everything = {**worked.params(), "X": worked.X, "y": worked.y, **worked.values()}
    for array in everything.values():
        for value in array.flat:
            exact = Fraction(float(value))
            assert exact.denominator <= 8 and abs(exact) <= 8 and exact != 0


def test_the_gradients_on_paper_are_the_gradients():
    params, nudge = worked.params(), 1e-6
    for name, array in params.items():
        for index in np.ndindex(array.shape):
            sides = []
            for sign in (1, -1):
                moved = worked.params()
                moved[name][index] += sign * nudge
                sides.append(worked.forward(moved)["L"])
            slope = (sides[0] - sides[1]) / (2 * nudge)
            assert slope == pytest.approx(worked.values()[f"d{name}"][index], abs=1e-8)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (..., "Not attempted yet"),
        ({}, "Not attempted yet"),
        (paper(), "Right. All 28 numbers"),
        (paper(Z1=[[4, -2], [1, 2]]), "Z1[0, 1]: The bias is missing."),
        (paper(H=[[16, 0.5], [0.5, 2]]), "A unit is half the square"),
        (paper(H=[[8, -1], [0.5, 2]]), "That is Z1."),
        (paper(y_hat=[[9], [4.5]]), "The bias b2 is missing."),
        (paper(y_hat=[[6.5], [2.5]]), "The weights W2 are missing."),
        (paper(L=2.5), "L: Divide by N"),
        (paper(L="5/4"), "A number is asked for L"),
        (paper(dy=[[-1], [2]]), "dy[0, 0]: Divide by N"),
        (paper(dy=[[0.5], [-1]]), "The other way round"),
        (paper(dW2=[[-4], [1.75]]), "the path through sample 0 alone"),
        (paper(dW2=[[-1.75], [0.875]]), "Add the paths, do not average"),
        (paper(db2=[[1]]), "the path through sample 1 alone"),
        (paper(dH=[[-1, -0.5], [1, 2]]), "the other unit's weight"),
        (paper(dZ1=[[-4, 1], [1, 4]]), "The slope of Z1² / 2 is Z1, not H."),
        (paper(dZ1=[[-0.5, -1], [1, 2]]), "That is dH: the slope of the unit is missing"),
        (paper(dW1=[[-4, -2]]), "the path through sample 0 alone"),
        (paper(dW1=[[-5, 5]]), "That is db1."),
        (paper(db1=[[-5, 5]]), "That is dW1."),
        (paper(db1=[[-1, -5]]), "right size; look at its sign"),
        (paper(db1=[[7, 5]]), "db1[0, 0] is not 7. It is for each sample dZ1; then add the two."),
        (paper(dW1=[-5, -2]), "keep the brackets as the stub has them"),
        (paper(dy=[[-0.5], [...]]), "12 numbers right so far. Next: dy[1, 0]."),
        (5, "A dict with Z1"),
    ],
)
def test_a_network_on_paper(capsys, answer, sentence):
    assert sentence in said(capsys, "01_paper", answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda X, H, dy: X.T @ dy, "Right. S stands to X"),
        (lambda X, H, dy: X.T @ dy / len(X), "divided by N a second time"),
        (lambda X, H, dy: H.T @ dy, "That is dW2."),
        (lambda X, H, dy: dy, "a row for each sample still"),
        (lambda X, H, dy: np.sum(dy, axis=0, keepdims=True), "as for a bias"),
        (lambda X, H, dy: (X.T @ dy).T, "lying on their side"),
        (lambda X, H, dy: -X.T @ dy, "wrong sign"),
        (lambda X, H, dy: X @ dy, "@ needs as many columns"),
        (lambda X, H, dy: (X.T @ dy, dy), "several things"),
        (lambda X, H, dy: ..., "returns nothing so far"),
        (lambda X, H, dy: OUTSIDE.T @ dy, "reads OUTSIDE from the notebook"),
    ],
)
def test_a_shortcut(capsys, answer, sentence):
    assert sentence in said(capsys, "01_shortcut", answer)


OUTSIDE = np.ones((6, 3))


def test_shapes_are_asked_for_and_not_arrays(capsys):
    arrays = {name: np.ones(shape) for name, shape in SHAPES.items()}
    assert "Its shape is asked for, as a tuple" in said(capsys, "01_shapes", arrays)
