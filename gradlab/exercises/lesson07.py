"""The exercises of notebook 07: sharper tools."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from gradlab import curves, mlp
from gradlab.data import paraboloid
from gradlab.exercises import exercise
from gradlab.exercises.feedback import Wrong, call, number, same_array, within_a_decade

STEP = 1e-20
DIFFERENCES = ((2.0, 3.0, 0.5), (-0.7, -5.0, 0.1), (0.3, 40.0, 0.2))  # d and T of d + T h**2, h
FLOAT64_STEPS = (1e-6, 1e-4)  # where float64 is at its best, and float32 is not
ROOTS_OF_U = (2e-4, 4e-4)  # of the unit roundoff and of the machine epsilon of float32


@exercise("07_complex_norm", "7.1 A norm that lets the complex step through")
def judge_complex_norm(answer: Any) -> str:
    w = np.array([0.5, -1.5, 2.0])
    value = _real_number(call(answer, w))
    norm = float(np.linalg.norm(w))
    if math.isclose(value, norm**2):
        raise Wrong("That is the norm squared: the root is missing.")
    if math.isclose(value, np.sum(np.abs(w))):
        raise Wrong("That is the sum of the absolute values; the 2-norm is asked for.")
    if not math.isclose(value, norm):
        raise Wrong(f"For w = [0.5, -1.5, 2.0] you return {value:.4g}, not {norm:.4g}.")
    slopes = np.array([_complex_slope(answer, w, k) for k in range(len(w))])
    if np.allclose(slopes, 0, atol=1e-8):  # a fused multiply may leave 1e-17 where 0 is meant
        raise Wrong(
            "The value is right, and the complex step gives 0: something in it throws the "
            "imaginary part away, as abs, conj, np.linalg.norm and the functions of math do."
        )
    if not np.allclose(slopes, w / norm):
        raise Wrong(
            f"The value is right for real w, but the complex step gives {slopes[0]:.4g} for the "
            f"first entry instead of {w[0] / norm:.4g}."
        )
    return "Squares and a root, no abs and no conj: the imaginary part comes through."


def _real_number(value: Any) -> float:
    return number(np.real(value) if np.iscomplexobj(value) else value, "the norm")


def _complex_slope(function: Any, w: np.ndarray, k: int) -> float:
    moved = w.astype(complex)
    moved[k] += 1j * STEP
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # math.sqrt warns of the cast; the sentence says more
        value = np.asarray(call(function, moved))
    if value.size != 1:
        raise Wrong(f"One number is asked for; for a complex w you return {value.size} of them.")
    return float(np.imag(value).item()) / STEP


@exercise("07_richardson", "7.2 Two bad values make a good one")
def judge_richardson(answer: Any) -> str:
    values = [
        number(call(answer, _difference(truth, T), h), "the combination")
        for truth, T, h in DIFFERENCES
    ]
    if _agree(values, lambda D, h: (4 * D(h) - D(2 * h)) / 3):
        return "The h² terms cancel, and what is left is of order h⁴."
    mistakes = {
        "The weights 4 and -1 add up to 3, so the result is three times too large.": (
            lambda D, h: 4 * D(h) - D(2 * h)
        ),
        "The weights stand at the wrong values: which of the two is the more accurate one?": (
            lambda D, h: (4 * D(2 * h) - D(h)) / 3
        ),
        "That cancels an error proportional to h; this one is proportional to h squared.": (
            lambda D, h: 2 * D(h) - D(2 * h)
        ),
        "Both values err to the same side, so their mean does too: subtract one from the other.": (
            lambda D, h: (D(h) + D(2 * h)) / 2
        ),
        "That is one of the two values, with its error.": lambda D, h: D(h),
        "That is one of the two values, and the worse one: its error is four times as large.": (
            lambda D, h: D(2 * h)
        ),
        "/ binds before -, so only D(2h) is divided by 3: the difference needs brackets.": (
            lambda D, h: 4 * D(h) - D(2 * h) / 3
        ),
        "The result is 0 whatever D is: neither value is in it.": lambda D, h: 0.0,
        "With a plus sign the errors add up; they have to cancel.": (
            lambda D, h: (4 * D(h) + D(2 * h)) / 5
        ),
    }
    for sentence, wrong in mistakes.items():
        if _agree(values, wrong):
            raise Wrong(sentence)
    weights = np.array([(truth, T * h**2) for truth, T, h in DIFFERENCES])
    (kept, left), *_ = np.linalg.lstsq(weights, np.array(values), rcond=None)
    if np.allclose(weights @ (kept, left), values):
        raise Wrong(_what_is_left(round(float(kept), 12), round(float(left), 12)))
    raise Wrong(
        f"For D(h) = 2 + 3 h² and h = 0.5 you return {values[0]:.4g}; without the h² it would be 2."
    )


def _what_is_left(kept: float, left: float) -> str:
    """Of a combination that is ``kept`` times the derivative plus ``left`` times T h²."""
    if left == 0:
        return f"The h² has cancelled, and what is left is {kept:.4g} times the derivative."
    if kept == 0:
        return (
            f"Here the derivative has cancelled, and {left:.4g} T h² is left: you hold the error "
            f"itself. What can you do with it?"
        )
    if kept == 1:
        return f"The derivative is there once, as it should be, but so is {left:.4g} T h²."
    sign = "-" if left < 0 else "+"
    return (
        f"Put D(h) = d + T h² in: yours is {kept:.4g} d {sign} {abs(left):.4g} T h². "
        f"What should stand before d, and what before T?"
    )


def _difference(truth: float, T: float) -> Callable[[float], float]:
    return lambda h: truth + T * h**2


def _agree(values: list[float], formula: Callable) -> bool:
    return all(
        math.isclose(value, formula(_difference(truth, T), h), abs_tol=1e-12)
        for value, (truth, T, h) in zip(values, DIFFERENCES, strict=True)
    )


@exercise("07_adjoint", "7.3 The adjoint of a running mean")
def judge_adjoint(answer: Any) -> str:
    rng = np.random.RandomState(7)
    for n in (6, 9):
        u = rng.normal(size=n - 1)
        truth = np.zeros(n)
        truth[:-1] += u / 2
        truth[1:] += u / 2
        overwritten = np.zeros(n)
        overwritten[:-1] = u / 2
        overwritten[1:] = u / 2
        other_way = np.zeros(n)
        other_way[1:] = u / 2
        other_way[:-1] = u / 2
        same_array(
            call(answer, u),
            truth,
            "the adjoint",
            {
                "Where two values land in one place they overwrite each other: an inner x goes into "
                "two means, so it gets back a half from each, added up.": overwritten,
                "Where two values land in one place they overwrite each other. An inner x goes into "
                "two means, and it gets back a half from each, added up.": other_way,
                "The ends get a half each, and yours get a whole: x[0] goes into one mean only.": (
                    np.concatenate([u[:1], (u[:-1] + u[1:]) / 2, u[-1:]])
                ),
                "That is the running mean of u again, one shorter still. The adjoint goes the other "
                "way: from n - 1 numbers to n.": (u[:-1] + u[1:]) / 2,
                "The ends are missing: x[0] and x[-1] go into a mean too.": (
                    np.concatenate([[0.0], (u[:-1] + u[1:]) / 2, [0.0]])
                ),
                "That has lost what reaches the last x: its half comes from the last u.": (
                    np.concatenate([u[:1] / 2, (u[:-1] + u[1:]) / 2, [0.0]])
                ),
                "That is half of u and a zero: each u goes back to both x of its mean.": (
                    np.concatenate([u / 2, [0.0]])
                ),
            },
        )
    return "<u, J v> = <J'u, v> to the last digits, and no step was chosen."


@exercise("07_float32_step", "7.4 Predict the best epsilon in float32")
def judge_float32_step(answer: Any) -> str:
    guess = number(answer, "the step")
    low, high = FLOAT64_STEPS
    if low <= guess <= high:
        raise Wrong(
            "That is where float64 is at its best; the rounding error is half a billion times "
            "larger now, and the step has to give way."
        )
    low, high = ROOTS_OF_U
    if low <= guess <= high:
        raise Wrong(
            "That is about the square root of u, the rule for a forward difference. This is a "
            "central one: which root was it in notebook 04?"
        )
    if 700 <= guess <= 900:
        raise Wrong("That is how many times as long the step has to be; give the step itself.")
    within_a_decade(guess, best_float32_step())
    return "A cube root again: half a billion times the noise, some 800 times the step."


@exercise("07_straight_through", "7.5 Check a gradient that is wrong on purpose")
def judge_straight_through(answer: Any) -> str:
    def h(w: np.ndarray) -> np.ndarray:
        return np.array([w[0] * w[1], np.sin(w[0]), w[1] ** 2 + w[2]])

    def rest(q: np.ndarray) -> float:
        return float(np.sum(q**2 * np.array([1.0, -2.0, 0.5])))

    w0 = np.array([0.9, -1.3, 0.4])
    at = _quantised(h(w0))
    pretended = _slopes(lambda w: float(2 * at * np.array([1.0, -2.0, 0.5]) @ h(w)), w0)
    here = number(call(answer, h, _quantised, rest, w0, w0), "the surrogate")
    if not math.isclose(here, rest(at), rel_tol=1e-9):
        if math.isclose(here, rest(h(w0)), rel_tol=1e-9):
            raise Wrong(
                "At w = w0 it has the value of rest(h(w0)), as if nothing were rounded. The backward "
                "pass takes the slope of rest at the rounded values, so start from those."
            )
        if math.isclose(here, rest(2 * h(w0) - at), rel_tol=1e-9):
            raise Wrong(
                "What is added has its sign the wrong way round: h(w0) plus it should give the "
                "rounded values."
            )
        raise Wrong(
            f"At w = w0 the surrogate is {here:.4g}; it should have the value of the loss there, "
            f"rest(quantise(h(w0))) = {rest(at):.4g}."
        )
    slopes = _slopes(lambda w: number(call(answer, h, _quantised, rest, w, w0)), w0)
    if np.allclose(slopes, 0, atol=1e-6):
        raise Wrong(
            "It does not move with w: either quantise(h(w)) still stands in it, which is a "
            "staircase, or h(w0) where h(w) belongs."
        )
    if not np.allclose(slopes, pretended, rtol=1e-5):
        raise Wrong(
            f"Its value at w0 is right, but its slopes there are {np.round(slopes, 3)}; the backward "
            f"pass pretends {np.round(pretended, 3)}."
        )
    return "What is stopped stands at its value, the rest moves: now differences can judge it."


def _quantised(h: np.ndarray) -> np.ndarray:
    return np.round(4 * h) / 4


def _slopes(
    function: Callable[[np.ndarray], float], w: np.ndarray, eps: float = 1e-5
) -> np.ndarray:
    moves = eps * np.eye(len(w))
    return np.array([(function(w + e) - function(w - e)) / (2 * eps) for e in moves])


@functools.cache
def best_float32_step() -> float:
    """The best measured step of the central difference on the network in float32."""
    X, y = (array.astype(np.float32) for array in paraboloid())
    params = {name: a.astype(np.float32) for name, a in mlp.init_params(seed=0).items()}
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    curve = curves.error_curve(mlp.loss_function(X, y), params, grads, methods=("central",))
    return curve.best("central").eps
