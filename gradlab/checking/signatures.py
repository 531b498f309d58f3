"""Recognise what a wrong gradient has in common with the right one."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Signature", "constant_ratio", "describe", "describe_pattern", "recognise"]

SMALL = 1e-3


class Signature(NamedTuple):
    """What a wrong gradient has in common with the right one.

    ``kind`` is "zero", "ratio", "transposed", "reordered", "total", "decay", "sign decay",
    "shifted", "partly" or "small"; ``value`` the number that goes with it, if there is one: the
    ratio, the factor of the parameters, the shift. ``where`` are the entries that differ, if only
    some do.
    """

    kind: str
    value: float = float("nan")
    where: tuple[tuple[int, ...], ...] = ()


def recognise(
    answer: np.ndarray,
    truth: np.ndarray,
    parameter: np.ndarray | None = None,
    rtol: float = 1e-4,
) -> Signature | None:
    """Find the signature of the mistake in ``answer``, or None if it has none that is known.

    Parameters
    ----------
    answer, truth
        The wrong gradient and the right one, of equal shape.
    parameter
        The parameter array, for mistakes in its regularisation.
    rtol
        How well the signature must fit: relative to the largest entry, of ``truth`` or of
        what is explained. It must be above the error of ``truth``.

    Returns
    -------
    Signature, or None
        In this order: zero, a constant ratio to the truth, the truth transposed or in another
        order, its sum in every entry, off by a multiple of the parameters or of their signs, off
        by a constant, right but for some entries, off by less than a thousandth.
    """
    answer, truth = np.asarray(answer, dtype=float), np.asarray(truth, dtype=float)
    if answer.shape != truth.shape or not np.isfinite(answer).all():
        return None
    if not answer.any():
        return Signature("zero")
    largest = max(np.abs(answer).max(), np.abs(truth).max())
    ratio = None
    if truth.any():
        many = truth.size > 1
        ratio = constant_ratio(answer, truth, rtol) if many else answer.item() / truth.item()
    if ratio is not None and abs(ratio - 1) > SMALL and (truth.size > 1 or _telling(ratio, rtol)):
        return Signature("ratio", ratio)

    def equal(other: np.ndarray) -> bool:
        return bool(np.abs(answer - other).max() <= rtol * largest)

    if not equal(truth):  # what is right to within rtol may be so in another order as well
        matrix = truth.ndim == 2 and min(truth.shape) > 1
        if matrix and equal(truth.T.reshape(truth.shape)):
            return Signature("transposed")
        if truth.size > 2 and equal(np.sort(truth, axis=None)[_ranks(answer)]):
            return Signature("reordered")
        if truth.size > 1 and equal(np.full(truth.shape, truth.sum())):
            return Signature("total")
    error = answer - truth
    if parameter is not None and truth.size > 1:
        for kind, term in (("decay", parameter), ("sign decay", np.sign(parameter))):
            factor = constant_ratio(error, np.asarray(term, dtype=float), rtol)
            if factor is not None:
                return Signature(kind, factor)
    if truth.size > 1 and (factor := constant_ratio(error, np.ones(truth.shape), rtol)) is not None:
        return Signature("shifted", factor)
    wrong = np.abs(error) > rtol * np.abs(error).max()
    if np.count_nonzero(wrong) <= truth.size // 2:
        return Signature("partly", where=tuple(map(tuple, np.argwhere(wrong).tolist())))
    if np.abs(error).max() <= SMALL * largest:
        return Signature("small")
    return None


def constant_ratio(answer: np.ndarray, truth: np.ndarray, rtol: float = 1e-4) -> float | None:
    """The factor ``c`` with ``answer = c * truth`` to within ``rtol``, or None.

    Parameters
    ----------
    answer, truth
        Of equal shape, with at least two entries that differ from zero: one number is a multiple
        of every other.
    rtol
        Relative to the largest entry of ``answer``.
    """
    if np.shape(answer) != np.shape(truth) or np.count_nonzero(truth) < 2:
        return None
    scale = np.max(np.abs(truth))
    direction = truth / scale  # so that nothing overflows or vanishes when it is squared
    ratio = float(np.vdot(direction, answer) / np.vdot(direction, direction) / scale)
    largest = np.max(np.abs(answer))
    return ratio if np.all(np.abs(answer - ratio * truth) <= rtol * largest) else None


def describe(signature: Signature | None) -> str:
    """What to look for, in a sentence; empty if there is nothing to say."""
    if signature is None:
        return ""
    kind, value = signature.kind, signature.value
    if kind == "ratio":
        return _ratio_sentence(value)
    if kind == "partly":
        return f"only {_entries(signature.where)} off, the rest of the array is right"
    return {
        "zero": "it is zero everywhere, and the loss does depend on this array: is its gradient "
        "forgotten, or overwritten?",
        "small": "it is off by less than a thousandth, at every step: a small constant in the loss, "
        "as in log(y + 1e-7), that the gradient leaves out, an approximate derivative, or "
        "parameters that were already updated?",
        "transposed": "it is the right gradient transposed",
        "reordered": "it has the right numbers in another order: a transpose or a reshape?",
        "total": "every entry is the sum of the right gradient: summed over every axis, where the "
        "sum over the batch was meant?",
        "decay": f"it differs by {_short(value)} times the parameters: is a term of the "
        f"regularisation missing, or not in the loss?",
        "sign decay": f"it differs by {_short(value)} times the signs of the parameters: is a term "
        f"of an L1 regularisation missing, or not in the loss?",
        "shifted": f"it differs by the same number, {_short(value)}, in every entry",
    }[kind]


def describe_pattern(wrong: Collection[Hashable], names: Sequence[Hashable]) -> str:
    """What the set of arrays that are wrong says, in a sentence; empty if it says nothing.

    Parameters
    ----------
    wrong
        The names of the wrong arrays.
    names
        Of all arrays, from the input to the output of the network.
    """
    right = [name for name in names if name not in wrong]
    if not wrong or not right:
        return ""
    if len(wrong) == 1:
        return (
            f"Only {next(iter(wrong))} is wrong: the error signal behind it serves the others as "
            f"well, so look at the line that computes this gradient."
        )
    upstream = list(names[: len(wrong)])
    if set(upstream) == set(wrong):
        told = ", ".join(map(str, upstream))
        return (
            f"All arrays in front of {right[0]} are wrong ({told}) and none from there on: look at "
            f"the step that carries the error signal back past {right[0]}."
        )
    return ""


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values, axis=None), axis=None).reshape(values.shape)


def _telling(ratio: float, rtol: float) -> bool:
    """Whether a single ratio is too good to be chance: -1, a small whole number, or its inverse."""
    inverse = 1 / ratio if ratio else 0.0
    return any(
        1 <= abs(round(number)) <= 1000 and abs(number - round(number)) <= rtol * abs(number)
        for number in (ratio, inverse)
    )


def _ratio_sentence(ratio: float) -> str:
    size, inverse = abs(ratio), 1 / abs(ratio)
    sign, flipped = ("minus ", " and the sign flipped") if ratio < 0 else ("", "")
    if _near(size, 1):
        return "it is minus the right gradient: a sign flipped"
    if _near(size, 2):
        return f"it is {sign}twice the right gradient: a factor 1/2 of the loss forgotten{flipped}?"
    if _near(inverse, 2):
        return (
            f"it is {sign}half the right gradient: the 2 of a derivative, or of a loss without its "
            f"1/2, forgotten{flipped}?"
        )
    if _near(size, round(size)) and size < 1e4:
        return (
            f"it is {sign}{round(size)} times the right gradient: is the average over a batch of "
            f"{round(size)} missing{flipped}?"
        )
    if _near(inverse, round(inverse)) and inverse < 1e4:
        n = round(inverse)
        return (
            f"it is {sign}1/{n} of the right gradient: averaged over a batch of {n} where it is a "
            f"sum, or averaged twice{flipped}?"
        )
    return f"it is {_short(ratio)} times the right gradient, in every entry"


def _near(number: float, whole: int) -> bool:
    return abs(number - whole) <= 1e-4 * number


def _entries(where: Sequence[tuple[int, ...]]) -> str:
    told = ", ".join(f"[{', '.join(map(str, index))}]" for index in where[:3])
    if len(where) == 1:
        return f"the entry {told} is"
    for axis in range(len(where[0])):
        along = {index[axis] for index in where}
        if len(where) > 2 and len(along) == 1 and len(where[0]) == 2:
            return f"entries of {('row', 'column')[axis]} {along.pop()} are"
    return f"the entries {told}{' …' if len(where) > 3 else ''} are"


def _short(value: float) -> str:
    return f"{value:.4g}"
