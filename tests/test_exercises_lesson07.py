"""The judges of notebook 07: what a learner may answer, and what they are told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradlab import exercises


def said(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (np.linalg.norm, "throws the imaginary part away"),
        (lambda w: np.sqrt(np.sum(np.abs(w) ** 2)), "throws the imaginary part away"),
        (lambda w: np.sqrt(w @ w.conj()), "throws the imaginary part away"),
        (lambda w: np.sqrt(np.sum(w * w.conj())), "throws the imaginary part away"),
        (lambda w: math.sqrt(np.sum(w * w)), "the functions of math"),
        (lambda w: np.sum(w**2), "root is missing"),
        (lambda w: np.sum(np.abs(w)), "sum of the absolute values"),
        (lambda w: np.max(w), "you return 2, not 2.55"),
        (lambda w: np.sqrt(w.real @ w.real) + 2 * np.sum(w.imag) * 1j, "for the first entry"),
        (lambda w: np.sqrt(w**2), "One number"),
        (lambda w: max(w), "not 2.55"),
        (lambda w: w.norm(), "AttributeError"),
        (lambda w: ..., "Not attempted yet"),
        (np.nan, "A function is asked for"),
        (lambda w: np.sqrt(np.sum(w**2)), "Right. Squares and a root"),
        (lambda w: np.sqrt(w @ w), "Right. Squares and a root"),
    ],
)
def test_a_norm_for_the_complex_step(capsys, answer, sentence):
    assert sentence in said(capsys, "07_complex_norm", answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda D, h: 4 * D(h) - D(2 * h), "three times too large"),
        (lambda D, h: (4 * D(2 * h) - D(h)) / 3, "at the wrong values"),
        (lambda D, h: 2 * D(h) - D(2 * h), "proportional to h; this one"),
        (lambda D, h: (D(h) + D(2 * h)) / 2, "to the same side"),
        (lambda D, h: D(h), "one of the two values"),
        (lambda D, h: (4 * D(h) + D(2 * h)) / 5, "errors add up"),
        (lambda D, h: D(h) - D(2 * h), "the derivative has cancelled, and -3 T h² is left"),
        (lambda D, h: (D(2 * h) - D(h)) / 3, "the derivative has cancelled, and 1 T h² is left"),
        (lambda D, h: (D(2 * h) - 4 * D(h)) / 3, "what is left is -1 times the derivative"),
        (lambda D, h: D(h) - D(2 * h) / 4, "what is left is 0.75 times the derivative"),
        (lambda D, h: D(h) - (D(h) - D(2 * h)) / 3, "as it should be, but so is 2 T h²"),
        (lambda D, h: 4 * D(h) - 2 * D(2 * h), "yours is 2 d - 4 T h²"),
        (lambda D, h: (D(h) + D(2 * h) / 4) / 2, "yours is 0.625 d + 1 T h²"),
        (lambda D, h: D(2 * h), "the worse one: its error is four times as large"),
        (lambda D, h: 4 * D(h) - D(2 * h) / 3, "only D(2h) is divided by 3"),
        (lambda D, h: 0, "The result is 0 whatever D is"),
        (lambda D, h: D(h) ** 2, "you return 7.562"),
        (lambda D, h: np.inf, "overflowed"),
        (lambda D: D(1), "TypeError"),
        (lambda D, h: None, "Not attempted yet"),
        (lambda D, h: (4 * D(h) - D(2 * h)) / 3, "Right. The h² terms cancel"),
        (lambda D, h: (4 * D(h / 2) - D(h)) / 3, "Right. The h² terms cancel"),
    ],
)
def test_richardson(capsys, answer, sentence):
    assert sentence in said(capsys, "07_richardson", answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (2e-5, "where float64 is at its best"),
        (1e-8, "Too small, by about 6.0 decades"),
        (2.4e-4, "the rule for a forward difference"),
        (812, "give the step itself"),
        (5.0, "Too large, by about"),
        (-2, "looks like an exponent"),
        ("big", "A number is asked for"),
        (None, "Not attempted yet"),
        (1e-2, "Right. A cube root again"),
        (0.02, "Right. A cube root again"),
    ],
)
def test_the_best_step_in_float32(capsys, answer, sentence):
    assert sentence in said(capsys, "07_float32_step", answer)


def adjoint(u):
    x = np.zeros(len(u) + 1)
    x[:-1] += u / 2
    x[1:] += u / 2
    return x


def overwriting(u):
    x = np.zeros(len(u) + 1)
    x[:-1] = u / 2
    x[1:] = u / 2
    return x


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (overwriting, "they overwrite each other"),
        (lambda u: np.append(u / 2, u[-1] / 2), "they overwrite each other"),
        (lambda u: 2 * adjoint(u), "2 times what it should be"),
        (lambda u: (u[1:] + u[:-1]) / 2, "the running mean of u again, one shorter still"),
        (lambda u: np.append(u / 2, 0), "half of u and a zero"),
        (lambda u: np.concatenate([[0], (u[1:] + u[:-1]) / 2, [0]]), "The ends are missing"),
        (lambda u: np.concatenate([u[:1], (u[1:] + u[:-1]) / 2, u[-1:]]), "yours get a whole"),
        (lambda u: adjoint(u)[:-1], "it should have shape (6,)"),
        (lambda u: -adjoint(u), "the right size and the wrong sign"),
        (lambda u: adjoint(u[::-1]), "of the adjoint are right"),
        (lambda u: u @ u, "has shape ()"),
        (lambda u: np.convolve(u, [1, 1]), "2 times what it should be"),
        (lambda u: u.T @ J, "NameError"),  # noqa: F821
        (lambda u: None, "Not attempted yet"),
        (3, "A function is asked for"),
        (adjoint, "Right. <u, J v>"),
        (lambda u: np.convolve(u, [0.5, 0.5]), "Right. <u, J v>"),
        (lambda u: list(adjoint(u)), "Right. <u, J v>"),
    ],
)
def test_the_adjoint_of_a_running_mean(capsys, answer, sentence):
    assert sentence in said(capsys, "07_adjoint", answer)


def surrogate(h, quantise, rest, w, w0):
    return rest(h(w) + (quantise(h(w0)) - h(w0)))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda h, q, rest, w, w0: rest(q(h(w))), "It does not move with w"),
        (lambda h, q, rest, w, w0: rest(h(w)), "the value of rest(h(w0)), as if nothing"),
        (lambda h, q, rest, w, w0: rest(h(w) + q(h(w)) - h(w)), "It does not move with w"),
        (lambda h, q, rest, w, w0: rest(q(h(w0))), "It does not move with w"),
        (lambda h, q, rest, w, w0: rest(h(w) - (q(h(w0)) - h(w0))), "its sign the wrong way round"),
        (lambda h, q, rest, w, w0: rest(h(w) + q(h(w0))), "it should have the value of the loss"),
        (lambda h, q, rest, w, w0: rest(h(w) * q(h(w0)) / h(w0)), "the backward pass pretends"),
        (lambda h, q, rest, w, w0: rest(h(w0) + q(h(w)) - h(w)), "the backward pass pretends"),
        (lambda h, q, rest, w, w0: h(w) + q(h(w0)) - h(w0), "One number is asked for"),
        (lambda h, q, rest, w, w0: h + q(h(w0)), "TypeError"),
        (lambda w: w, "TypeError"),
        (lambda *parts: ..., "Not attempted yet"),
        (0.5, "A function is asked for"),
        (surrogate, "Right. What is stopped stands at its value"),
    ],
)
def test_a_gradient_that_is_wrong_on_purpose(capsys, answer, sentence):
    assert sentence in said(capsys, "07_straight_through", answer)
