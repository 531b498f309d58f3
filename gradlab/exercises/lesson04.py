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
from gradlab.exercises.feedback import (
    Wrong,
    attempted,
    call,
    number,
    real_array,
    same_arrays,
    within_a_decade,
)

Params = dict[str, np.ndarray]
Loss = Callable[[Any], float]  # of such a dict

EPS = 1e-2  # large enough to tell every mistake in the formula from every other one
NOTEBOOK_EPS = 1e-5


@exercise("04_numerical_gradient", "4.1 The loop over every entry")
def judge_numerical_gradient(answer: Any) -> str:
    params, loss = _network()
    gradient, given, seen = _watched(answer, loss, params)
    truth = differences.numerical_gradient(loss, params, eps=EPS, progress=False)
    if isinstance(gradient, Mapping):
        _judge_keys(gradient, truth)
    if isinstance(gradient, Mapping) and gradient.keys() >= truth.keys():
        if _shared_with(gradient, given):
            raise Wrong(
                "Your result holds the arrays of params themselves, so that writing the gradient "
                "overwrites the weights; it needs new arrays."
            )
        _judge_points(seen, params)
        _judge_divisor(gradient, truth, seen, params)
    same_arrays(gradient, truth, _mistakes(loss, params, truth), rtol=1e-9)
    for name, array in params.items():
        _judge_restored(given.get(name), array, name)
    if len(seen) > 42:
        return f"It takes {len(seen)} evaluations; two for each of the 21 entries would do."
    return "42 evaluations, two for each of the 21 entries, and every array as it was."


def _mistakes(loss: Loss, params: Params, truth: Params) -> dict[str, dict[str, np.ndarray]]:
    """For each array what the usual mistakes make of it, each under its sentence."""
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
    return {  # W2 and b2 forgive some of them: there the right numbers are no mistake
        name: {
            sentence: wrong[name]
            for sentence, wrong in variants.items()
            if not np.allclose(wrong[name], truth[name], rtol=1e-6, atol=0)
        }
        for name in params
    }


def _judge_keys(gradient: Mapping, truth: Params) -> None:
    """Refuse a dict that was written to with the index where the name belongs."""
    indices = [key for key in gradient if isinstance(key, tuple)]
    if indices:
        raise Wrong(
            f"The dict has an entry under the key {indices[0]}: gradient[index] = … makes a key of "
            f"the index, where gradient[name][index] = … fills an entry of an array."
        )


def _judge_points(seen: list[Params], params: Params) -> None:
    """Refuse a loop whose loss never saw a moved entry."""
    if not seen:
        raise Wrong("The loss that your function is given is never evaluated.")
    if not any(_distance(point, params) for point in seen):
        raise Wrong(
            "The loss saw the same point every time: what you move never reaches it, or is back "
            "where it was before the loss is called. (A copied dict still holds the same arrays.)"
        )


def _judge_divisor(gradient: Mapping, truth: Params, seen: list[Params], params: Params) -> None:
    """Refuse a quotient whose step is not the one that was moved."""
    moves = [distance for point in seen if (distance := _distance(point, params))]
    if not np.allclose(moves, EPS, rtol=1e-6):
        return
    if any(np.shape(gradient[name]) != array.shape for name, array in truth.items()):
        return
    ratios = np.concatenate([(real_array(gradient[name]) / truth[name]).ravel() for name in truth])
    if not ratios[0] > 0 or not np.allclose(ratios, ratios[0], rtol=1e-6):
        return
    step = EPS / float(ratios[0])
    if step < 0.9 * EPS and _is_power_of_ten(step):
        raise Wrong(
            f"You move each entry by eps and divide as if it had been {step:.0e}: divide by the "
            f"step that was taken."
        )


def _is_power_of_ten(step: float) -> bool:
    return math.isclose(step, 10.0 ** round(math.log10(step)), rel_tol=1e-6)


def _distance(point: dict[str, Any], params: Params) -> float:
    """By how much the entry that moved most has moved."""
    return max(
        (
            float(np.max(np.abs(point[name] - array)))
            for name, array in params.items()
            if name in point and np.shape(point[name]) == array.shape
        ),
        default=0.0,
    )


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
    within_a_decade(number(answer, "the step"), best_step())
    return "Within a factor of ten, and the curve is flat down there: good enough to use."


# Where else people let the two lines cross, each with the sentence that helps.
OTHER_CROSSINGS: dict[str, Callable[[float, float, int], float]] = {
    "The power is right but the ratio is upside down: a noisier loss needs a larger step.": (
        lambda T, R, p: (T / R) ** (1 / (p + 1))
    ),
    "Multiply both sides by eps before you take the root: the power is then p + 1, not p.": (
        lambda T, R, p: (R / T) ** (1 / p)
    ),
    "That is where the sum of both errors is least, a little to the left; "
    "the question is where the two are equal.": lambda T, R, p: (R / (p * T)) ** (1 / (p + 1)),
    "The root is still missing: that is eps to the power p + 1.": lambda T, R, p: R / T,
    "** binds before /, so you take the power 1 and divide by p + 1; "
    "the exponent needs brackets of its own.": lambda T, R, p: R / T / (p + 1),
    "** binds before /, so the root is taken of T alone; the ratio needs brackets.": (
        lambda T, R, p: R / T ** (1 / (p + 1))
    ),
    "The exponent is 1/p and then 1 more; / binds before +.": (
        lambda T, R, p: (R / T) ** (1 / p + 1)
    ),
    "You take the power p + 1 where its inverse, a root, is needed.": (
        lambda T, R, p: (R / T) ** (p + 1)
    ),
    "The root is a square root whatever p is; it should depend on p.": (
        lambda T, R, p: math.sqrt(R / T)
    ),
    "The root is a cube root whatever p is: right for central differences, whose p is 2; "
    "it should depend on p.": lambda T, R, p: float(np.cbrt(R / T)),
}
CROSSINGS = ((0.2, 1e-15, 2), (3.0, 2e-16, 1), (0.05, 7e-17, 4))


@exercise("04_crossing", "4.3 Where the two lines cross")
def judge_crossing(answer: Any) -> str:
    values = [number(call(answer, *crossing), "the step") for crossing in CROSSINGS]
    if _crosses(values, lambda T, R, p: (R / T) ** (1 / (p + 1))):
        return "For p = 1 it is a square root, for p = 2 a cube root, for p = 4 a fifth root."
    for sentence, wrong in OTHER_CROSSINGS.items():
        if _crosses(values, wrong):
            raise Wrong(sentence)
    (T, R, p), value = CROSSINGS[0], values[0]
    case = f"For T = {T:g}, R = {R:g} and p = {p} you return {value:.3g}"
    if value <= 0:
        raise Wrong(f"{case}; a step is positive.")
    raise Wrong(
        f"{case}; there the truncation error is {T * value**p:.2g} and the rounding error "
        f"{R / value:.2g}, and the two should be equal."
    )


def _crosses(values: list[float], formula: Callable[[float, float, int], float]) -> bool:
    return all(
        math.isclose(value, formula(*crossing), rel_tol=1e-6)
        for value, crossing in zip(values, CROSSINGS, strict=True)
    )


@functools.cache
def best_step() -> float:
    """The best measured step of the central difference on the network of the notebook."""
    params, loss = _network()
    X, y = paraboloid()
    backward = mlp.backward(params, mlp.forward(params, X)[1], y)
    return curves.error_curve(loss, params, backward, methods=("central",)).best("central").eps


def _network() -> tuple[dict[str, np.ndarray], Callable]:
    return mlp.init_params(seed=0), mlp.loss_function(*paraboloid())


def _quotients(loss: Callable, params: dict, quotient: Callable) -> dict[str, np.ndarray]:
    steps = {name: np.full(array.shape, EPS) for name, array in params.items()}
    values = differences.entry_losses(loss, params, steps, (1, -1, 0), progress=False)
    return {name: quotient(*values[name]) for name in params}


def _watched(answer: Any, loss: Loss, params: Params) -> tuple[Any, Params, list[Params]]:
    """Call the learner's function: what it returns, its params afterwards, the points it asked at."""
    given = {name: array.copy() for name, array in params.items()}
    seen: list[Params] = []

    def watched(params: Params) -> float:
        seen.append({name: np.array(array) for name, array in params.items()})
        return float(loss(params))

    watched.__name__ = watched.__qualname__ = "loss"  # as an error message will call it
    attempted(answer)
    if callable(answer):  # ``call`` would hand over copies, and nobody saw what became of them
        answer = functools.partial(answer, watched, given, EPS)
    try:
        return call(answer), given, seen
    except Wrong as wrong:
        if "truth value of an array" in str(wrong) or "ndindex" in str(wrong):
            raise Wrong(
                f"{wrong} An array stands where a number or a shape is asked for: np.ndindex wants "
                f"array.shape."
            ) from None
        raise


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
