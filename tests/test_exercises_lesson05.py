"""The judges of notebook 05: what a learner may answer, and what they are told."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import exercises
from gradlab.bugs import suspect_b

norm = np.linalg.norm


def said(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out


def right(a, n):
    return norm(a - n) / (norm(a) + norm(n) + 1e-15)


def entrywise(a, n):
    return abs(a - n) / (abs(a) + abs(n) + 1e-15)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda a, n: norm(a - n), "absolute error"),
        (lambda a, n: norm(a - n) / norm(a), "analytic array alone"),
        (lambda a, n: norm(a - n) / norm(n), "numeric array alone"),
        (lambda a, n: norm(a - n) / max(norm(a), norm(n)), "larger of the two"),
        (lambda a, n: norm(a - n) / norm(a + n), "sum of the norms"),
        (lambda a, n: norm(a - n) / norm(a) + norm(n) + 1e-15, "brackets are missing"),
        (lambda a, n: 2 * norm(a - n) / (norm(a) + norm(n)), "mean of the two sizes"),
        (lambda a, n: norm(a - n) / (norm(a) * norm(n) + 1e-15), "product of the two sizes"),
        (lambda a, n: (norm(a) - norm(n)) / (norm(a) + norm(n)), "norm of the difference"),
        (lambda a, n: abs(norm(a) - norm(n)) / (norm(a) + norm(n)), "norm of the difference"),
        (lambda a, n: np.sum((a - n) ** 2) / (np.sum(a**2) + np.sum(n**2)), "square roots"),
        (lambda a, n: np.sum(abs(a - n)) / (np.sum(abs(a)) + np.sum(abs(n))), "2-norm"),
        (lambda a, n: np.mean(entrywise(a, n)), "mean over the entries"),
        (lambda a, n: np.max(entrywise(a, n)), "largest over the entries"),
        (lambda a, n: norm(a - n, 2) / (norm(a, 2) + norm(n, 2)), "leave the 2 out"),
        (lambda a, n: entrywise(a, n), "One number is asked for"),
        (lambda a, n: norm(a - n) / (norm(a) + norm(n)), "you divide 0 by 0"),
        (lambda a, n: (norm(a - n) + 1e-15) / (norm(a) + norm(n) + 1e-15), "zeros, which agree"),
        (lambda a, n: 0.5, "you return 0.5"),
        (lambda a, n: a @ n, "stopped with ValueError"),
        ("norm", "A function is asked for"),
        (lambda a, n: ..., "Not attempted yet"),
        (lambda a, n: norm(a - n) / (norm(a) + norm(n) + 1e-8), "denominator is 1e-08"),
        (lambda a, n: norm(a - n) / (norm(a) + norm(n) + 1e-5), "denominator is 1e-05"),
        (lambda a, n: norm(a - n) / (norm(a) + norm(n) - 1e-15), "subtracted where it should"),
        (right, "Right. And where both arrays are zero"),
    ],
)
def test_the_relative_error(capsys, answer, sentence):
    assert sentence in said(capsys, "05_relative_error", answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (1, "wrong sign"),
        (2, "exceeds 1"),
        (0.5, "adds the numeric"),
        (2 / 3, "numerator is too large"),
        (0, "agree"),
        (33.3, "exceeds 1"),
        (-1 / 3, "never negative"),
        (0.3, "two digits"),
        (0.25, "Put a = 2n"),
        (float("inf"), "overflowed"),
        ("a third", "A number is asked for"),
        ("1/3", "write the number without the quotes"),
        (None, "Not attempted yet"),
        (1 / 3, "Right. One third"),
        (0.33, "Right. One third"),
    ],
)
def test_what_a_relative_error_says(capsys, answer, sentence):
    assert sentence in said(capsys, "05_factor_two", answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (("A", ["W1"]), "All four errors of suspect A are far below the cutoff"),
        (("B", ["W1"]), "at least one more"),
        (("B", ["W1", "b1", "W2"]), "at least one that matches"),
        (("B", ["W2", "b2"]), "at least one that matches"),
        (("B", ["W1", "W2"]), "at least one that matches"),
        (("B", 3), "as a list of names"),
        (("B", ["W3"]), "Choose one of 'W1', 'b1', 'W2', 'b2'; this is the text 'W3'"),
        (("B", ["dH"]), "this is the text 'dH'"),
        (("C", ["W1"]), "Choose one of 'A', 'B'; this is the text 'C'"),
        ("B", "Two things"),
        ((..., ...), "Not attempted yet"),
        (("B", ...), "Not attempted yet. Name the arrays"),
        (("suspect_b", ("b1", "W1")), "Right. Suspect B"),
        (("B", "W1 and b1"), "Right. Suspect B"),
        (("B", ["dW1", "db1"]), "Right. Suspect B"),
        (("B", [suspect_b]), "Choose one of 'W1'"),
    ],
)
def test_the_liar(capsys, answer, sentence):
    assert sentence in said(capsys, "05_liar", answer)
