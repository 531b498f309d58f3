"""The exercises of notebook 04: finite differences."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradlab import curves, differences, mlp
from gradlab.data import paraboloid
from gradlab.exercises import exercise
from gradlab.exercises.feedback import Wrong, attempted, call, number, same_arrays

EPS = 1e-2  # large enough to tell every mistake in the formula from every other one
NOTEBOOK_EPS = 1e-5


@exercise("04_numerical_gradient", "4.1 The loop over every entry")
def judge_numerical_gradient(answer: Any) -> str:
    params, loss = _network()
    gradient, given, evaluations = _watched(answer, loss, params)
    truth = differences.numerical_gradient(loss, params, eps=EPS, progress=False)
    variants = {
        "You take the step in one direction only: that is the forward difference.": _quotients(
            loss, params, lambda plus, minus, middle: (plus - middle) / EPS
        ),
        "You take the step in one direction only: that is the backward difference.": _quotients(
            loss, params, lambda plus, minus, middle: (middle - minus) / EPS
        ),
        "The two points lie 2 eps apart, and you divide by eps.": _quotients(
            loss, params, lambda plus, minus, middle: (plus - minus) / EPS
        ),
        "(a - b) / 2 * eps multiplies by eps; brackets round 2 * eps are missing.": _quotients(
            loss, params, lambda plus, minus, middle: (plus - minus) / 2 * EPS
        ),
        "The second loss is taken at the starting point: step down by 2 eps, not by eps "
        "(and mind that a copied dict still holds the same arrays).": (
            _quotients(loss, params, lambda plus, minus, middle: (plus - middle) / (2 * EPS))
        ),
        "The step is built in: use the eps that the function is given.": (
            differences.numerical_gradient(loss, params, eps=NOTEBOOK_EPS, progress=False)
        ),
        "All entries of an array move at once, so you get the sum of its gradient; "
        "move one entry at a time.": _whole_arrays(loss, params),
        "A whole row moves at once, so you get the sum of its gradient; an entry of a matrix "
        "has two indices.": _whole_rows(loss, params),
        "Some entries are not put back after their turn, so the later ones are "
        "measured at another point.": _without_restoring(loss, params),
    }
    mistakes = {  # W2 and b2 forgive some of them: there the right numbers are no mistake
        name: {
            sentence: wrong[name]
            for sentence, wrong in variants.items()
            if not np.allclose(wrong[name], truth[name], rtol=1e-6, atol=0)
        }
        for name in params
    }
    if isinstance(gradient, Mapping) and gradient.keys() >= truth.keys():
        if _shared_with(gradient, given):
            raise Wrong(
                "Your result holds the arrays of params themselves, so that writing the gradient "
                "overwrites the weights; it needs new arrays."
            )
        if evaluations == 0:
            raise Wrong("The loss that your function is given is never evaluated.")
    same_arrays(gradient, truth, mistakes, rtol=1e-9)
    for name, array in params.items():
        _judge_restored(given.get(name), array, name)
    if evaluations > 42:
        return f"It takes {evaluations} evaluations; two for each of the 21 entries would do."
    return "42 evaluations, two for each of the 21 entries, and every array as it was."


def _judge_restored(found: Any, array: np.ndarray, name: str) -> None:
    if np.array_equal(found, array):
        return
    if np.shape(found) == array.shape and np.allclose(found, array):
        raise Wrong(
            f"The gradient is right, but {name} does not come back bit for bit: what is added and "
            f"subtracted is rounded every time."
        )
    raise Wrong(f"The gradient is right, but {name} is not at the end what it was at the start.")


@exercise("04_best_epsilon", "4.2 Predict the best epsilon")
def judge_best_epsilon(answer: Any) -> str:
    judge_step(number(answer, "the step"), best_step())
    return "Within a factor of ten, and the curve is flat down there: good enough to use."


def judge_step(guess: float, best: float) -> None:
    """Raise ``Wrong``, and say by how much and why, unless a step is within a decade of the best."""
    if guess < 0 and guess == int(guess):
        raise Wrong(f"That looks like an exponent; the step itself would be 1e{guess:.0f}.")
    if guess <= 0:
        raise Wrong("A step has to be positive: it is a distance.")
    decades = math.log10(guess / best)
    if decades > 1:
        raise Wrong(
            f"Too large, by about {decades:.0f} decades: up there the curve bends within one step, "
            f"and the truncation error rules."
        )
    if decades < -1:
        raise Wrong(
            f"Too small, by about {-decades:.0f} decades: down there the two losses agree in "
            f"almost all their digits, and the rounding error rules."
        )


@exercise("04_crossing", "4.3 Where the two lines cross")
def judge_crossing(answer: Any) -> str:
    for T, R, p in ((0.05, 7e-17, 4), (0.2, 1e-15, 2), (3.0, 2e-16, 1)):
        value = number(call(answer, T, R, p), "the step")
        _judge_one_crossing(value, T, R, p)
    return "For p = 1 it is a square root, for p = 2 a cube root, for p = 4 a fifth root."


def _judge_one_crossing(value: float, T: float, R: float, p: int) -> None:
    mistakes = {
        "the power is right but the ratio is upside down: a noisier loss needs a larger step": (
            (T / R) ** (1 / (p + 1))
        ),
        "multiply both sides by eps before you take the root: the power is then p + 1, not p": (
            (R / T) ** (1 / p)
        ),
        "that is where the sum of both errors is least, a little to the left; "
        "the question is where the two are equal": (R / (p * T)) ** (1 / (p + 1)),
        "the root is still missing: that is eps to the power p + 1": R / T,
        "** binds before /, so you take the power 1 and divide by p + 1; "
        "the exponent needs brackets of its own": R / T / (p + 1),
        "** binds before /, so the root is taken of T alone; the ratio needs brackets": (
            R / T ** (1 / (p + 1))
        ),
        "the exponent is 1/p and then 1 more; / binds before +": (R / T) ** (1 / p + 1),
        "you take the power p + 1 where its inverse, a root, is needed": (R / T) ** (p + 1),
        "the root is a square root whatever p is; it should depend on p": math.sqrt(R / T),
    }
    if math.isclose(value, (R / T) ** (1 / (p + 1)), rel_tol=1e-6):
        return
    for sentence, wrong in mistakes.items():
        if math.isclose(value, wrong, rel_tol=1e-6):
            raise Wrong(f"For T = {T:g}, R = {R:g} and p = {p}, {sentence}.")
    if value <= 0:
        raise Wrong(
            f"For T = {T:g}, R = {R:g} and p = {p} you return {value:.3g}; a step is positive."
        )
    raise Wrong(
        f"For T = {T:g}, R = {R:g} and p = {p} you return {value:.3g}; there the truncation error is "
        f"{T * value**p:.2g} and the rounding error {R / value:.2g}, which are not equal."
    )


@functools.cache
def best_step() -> float:
    """The best measured step of the central difference on the network of the notebook."""
    params, loss = _network()
    backward = mlp.backward(params, mlp.forward(params, loss.X)[1], loss.y)
    return curves.error_curve(loss, params, backward, methods=("central",)).best("central").eps


def _network() -> tuple[dict[str, np.ndarray], Callable]:
    return mlp.init_params(seed=0), mlp.loss_function(*paraboloid())


def _quotients(loss: Callable, params: dict, quotient: Callable) -> dict[str, np.ndarray]:
    steps = {name: np.full(array.shape, EPS) for name, array in params.items()}
    values = differences.entry_losses(loss, params, steps, (1, -1, 0), progress=False)
    return {name: quotient(*values[name]) for name in params}


def _watched(answer: Any, loss: Callable, params: dict) -> tuple[Any, dict, int]:
    """Call the learner's function; what it returns, its params afterwards, how often it asked."""
    given = {name: array.copy() for name, array in params.items()}
    evaluations = 0

    def watched(moved: dict) -> float:
        nonlocal evaluations
        evaluations += 1
        return loss(moved)

    attempted(answer)
    if callable(
        answer
    ):  # ``call`` would hand over copies, and nobody could see what became of them
        answer = functools.partial(answer, watched, given, EPS)
    return call(answer), given, evaluations


def _shared_with(gradient: Mapping, params: dict) -> bool:
    return any(
        isinstance(gradient.get(name), np.ndarray) and np.shares_memory(gradient[name], array)
        for name, array in params.items()
    )


def _whole_arrays(loss: Callable, params: dict) -> dict[str, np.ndarray]:
    wrong = {}
    for name, array in params.items():
        plus, minus = ({**params, name: array + step} for step in (EPS, -EPS))
        wrong[name] = np.full(array.shape, (loss(plus) - loss(minus)) / (2 * EPS))
    return wrong


def _whole_rows(loss: Callable, params: dict) -> dict[str, np.ndarray]:
    wrong = {name: np.empty(array.shape) for name, array in params.items()}
    for name, array in params.items():
        for row in range(len(array)):
            step = np.zeros(array.shape)
            step[row] = EPS
            plus, minus = ({**params, name: array + sign * step} for sign in (1, -1))
            wrong[name][row] = (loss(plus) - loss(minus)) / (2 * EPS)
    return wrong


def _without_restoring(loss: Callable, params: dict) -> dict[str, np.ndarray]:
    """What a loop gives that steps up by eps, down by 2 eps, and goes on to the next entry."""
    moved = {name: array.copy() for name, array in params.items()}
    wrong = {name: np.empty(array.shape) for name, array in params.items()}
    for name, array in moved.items():
        for index in np.ndindex(array.shape):
            array[index] += EPS
            plus = loss(moved)
            array[index] -= 2 * EPS
            wrong[name][index] = (plus - loss(moved)) / (2 * EPS)
    return wrong
