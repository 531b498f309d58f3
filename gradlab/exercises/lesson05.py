"""The exercises of notebook 05: the gradient check."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from gradlab.differences import relative_error
from gradlab.exercises import exercise
from gradlab.exercises.feedback import NotAttempted, Wrong, call, choice, number

NORM = np.linalg.norm
PARAMETERS = ("W1", "b1", "W2", "b2")
Pair = tuple[np.ndarray, np.ndarray]


# What people divide by what, each with the sentence that helps.
OTHER_ERRORS = {
    "That is the absolute error: divide it by the size of both.": lambda a, n: NORM(a - n),
    "You divide by the size of the analytic array alone.": lambda a, n: NORM(a - n) / NORM(a),
    "You divide by the size of the numeric array alone.": lambda a, n: NORM(a - n) / NORM(n),
    "You divide by the larger of the two sizes; the exercise divides by their sum.": (
        lambda a, n: NORM(a - n) / max(NORM(a), NORM(n))
    ),
    "You divide by the norm of the sum; what is asked for is the sum of the norms.": (
        lambda a, n: NORM(a - n) / NORM(a + n)
    ),
    "You take the difference of the norms, which is 0 for a flipped sign; "
    "take the norm of the difference.": lambda a, n: abs(NORM(a) - NORM(n)) / (NORM(a) + NORM(n)),
    "Only the first size is in the denominator, because / binds before +; brackets are missing.": (
        lambda a, n: NORM(a - n) / NORM(a) + NORM(n)
    ),
    "You divide by the mean of the two sizes; the exercise divides by their sum.": (
        lambda a, n: NORM(a - n) / ((NORM(a) + NORM(n)) / 2)
    ),
    "You divide by the product of the two sizes; the exercise divides by their sum.": (
        lambda a, n: NORM(a - n) / (NORM(a) * NORM(n))
    ),
    "The square roots are missing: a norm is the root of a sum of squares.": (
        lambda a, n: np.sum((a - n) ** 2) / (np.sum(a**2) + np.sum(n**2))
    ),
    "You add up absolute values, which is another norm; take the 2-norm.": (
        lambda a, n: np.sum(abs(a - n)) / (np.sum(abs(a)) + np.sum(abs(n)))
    ),
    "That is the mean over the entries; take one norm over the whole array.": (
        lambda a, n: np.mean(abs(a - n) / (abs(a) + abs(n)))
    ),
    "That is the largest over the entries; take one norm over the whole array.": (
        lambda a, n: np.max(abs(a - n) / (abs(a) + abs(n)))
    ),
    "For a matrix, norm(x, 2) is its largest singular value; leave the 2 out.": (
        lambda a, n: NORM(a - n, 2) / (NORM(a, 2) + NORM(n, 2))
    ),
}


@exercise("05_relative_error", "5.1 The relative error")
def judge_relative_error(answer: Any) -> str:
    stream = np.random.RandomState(5)
    pairs = []
    for shape, factor in (((2, 5), 0.5), ((5, 1), 2.0), ((1, 1), 1.2)):
        analytic = stream.normal(size=shape)
        pairs.append((analytic, factor * analytic + 0.3 * stream.normal(size=shape)))
    values = [number(call(answer, a, n), "the relative error") for a, n in pairs]
    if not _agree(values, relative_error, pairs):
        for sentence, error in OTHER_ERRORS.items():
            if _agree([abs(value) for value in values], error, pairs):
                raise Wrong(sentence)
        _judge_small_number(values, pairs)
        (a, n), value = pairs[0], values[0]
        raise Wrong(
            f"For two arrays of shape {a.shape} you return {value:.6g}, "
            f"not {relative_error(a, n):.6g}."
        )
    tiny = np.full((1, 1), 4e-16)
    if number(call(answer, tiny, tiny / 2), "the relative error") < 0:
        raise Wrong(
            "For two arrays of 4e-16 and 2e-16 you return a negative number: the 1e-15 is "
            "subtracted where it should be added."
        )
    zeros = _error_of_zeros(answer, np.zeros((1, 5)))
    if zeros != 0:
        raise Wrong(f"For two arrays of zeros, which agree, you return {zeros:.3g}.")
    return "And where both arrays are zero it is 0, because of the 1e-15."


def _judge_small_number(values: list[float], pairs: list[Pair]) -> None:
    """Name the small number in the denominator if it is so large that it shows."""
    small = [
        NORM(a - n) / value - NORM(a) - NORM(n)
        for value, (a, n) in zip(values, pairs, strict=True)
        if value > 0
    ]
    if len(small) == len(pairs) and 1e-13 < small[0] < 0.1 and np.allclose(small, small[0], 0.01):
        raise Wrong(
            f"The small number in your denominator is {small[0]:.0e}, so large that it shows: "
            f"gradients of that size would seem to agree. Take the 1e-15 of the formula."
        )


def _agree(values: list[float], error: Callable[..., float], pairs: list[Pair]) -> bool:
    return all(
        math.isclose(value, error(a, n), rel_tol=1e-9)
        for value, (a, n) in zip(values, pairs, strict=True)
    )


def _error_of_zeros(answer: Any, zeros: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        value = call(answer, zeros, zeros)
    try:
        return number(value, "the relative error")
    except Wrong:
        raise Wrong(
            "For two arrays of zeros you divide 0 by 0; the small number in the denominator is "
            "there for them."
        ) from None


@exercise("05_factor_two", "5.2 What a relative error says")
def judge_factor_two(answer: Any) -> str:
    if isinstance(answer, str) and re.fullmatch(r"[\d./% ]+", answer):
        raise Wrong(f"{answer!r} is a text: write the number without the quotes.")
    value = number(answer, "the relative error")
    mistakes = {
        1.0: "1 is what a wrong sign gives, or an array of zeros: |a - n| is as large as |a| + |n|.",
        0.5: "That is |a - n| / |a|; the denominator adds the numeric array's size to it.",
        2 / 3: "The numerator is too large: with a = 2n, how large is a - n?",
        0.0: "0 would mean that the two agree.",
        0.3: "Close, but too coarse: give two digits at least, or a fraction.",
    }
    for wrong, sentence in mistakes.items():
        if math.isclose(value, wrong, abs_tol=0.005):
            raise Wrong(sentence)
    if value > 1:
        raise Wrong("The denominator has both sizes in it, and no relative error here exceeds 1.")
    if value < 0:
        raise Wrong("A relative error is a quotient of norms, and those are never negative.")
    if not math.isclose(value, 1 / 3, abs_tol=0.005):
        raise Wrong("Put a = 2n into the formula; the size of n then cancels.")
    return (
        "One third, whatever the gradient: a relative error of 0.33 should make you look for a 2."
    )


@exercise("05_liar", "5.3 The liar")
def judge_liar(answer: Any) -> str:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong("Two things are asked for: the liar, and the list of the arrays.")
    liar, arrays = answer
    if _suspect(liar) == "A":
        raise Wrong("All four errors of suspect A are far below the cutoff. Look at the other one.")
    named = _names(arrays)
    if named == {"W1", "b1"}:
        return "Suspect B, and only in the arrays of the first layer: that is half a diagnosis."
    if not named <= {"W1", "b1"}:
        raise Wrong("The suspect is right. Of the arrays, you accuse at least one that matches.")
    raise Wrong("The suspect is right. Of the arrays, at least one more does not match.")


def _names(arrays: Any) -> set[str]:
    if arrays is None or arrays is ...:
        raise NotAttempted("Name the arrays as well.")
    if isinstance(arrays, str):
        arrays = arrays.replace(",", " ").replace(" and ", " ").split()
    try:
        return {_parameter(name) for name in arrays}
    except TypeError:
        raise Wrong("The arrays are asked for as a list of names, such as ['W2'].") from None


def _suspect(liar: Any) -> str:
    if isinstance(liar, str):
        short = liar.lower().replace("suspect", "").strip(" _").upper()
        if short in ("A", "B"):
            return short
    return choice(liar, ("A", "B"))


def _parameter(name: Any) -> str:
    """``W1`` for ``dW1``, as the code calls its gradient; what is neither is quoted as it stands."""
    short = name.strip().removeprefix("d") if isinstance(name, str) else ""
    return short if short in PARAMETERS else choice(name, PARAMETERS)
