"""Recognise what a wrong gradient has in common with the right one.

Every comparison here is one with what is known: each entry of the right gradient comes with its own
error bar, and a signature is named only if it fits within all of them, and if they are narrow enough
that another one would not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gradlab.differences.formulas import rms
from gradlab.differences.noise import line_losses
from gradlab.differences.sweep import Loss, Params

__all__ = [
    "STAIRCASE",
    "Signature",
    "columns",
    "constant_ratio",
    "describe",
    "describe_pattern",
    "is_staircase",
    "of_the_whole",
    "on_a_staircase",
    "recognise",
]

SMALL = 1e-3
SLACK = 1e-4  # of an entry: a gradient of float32, and rounding, are as far off as that
CLEAR = 10.0  # times its error bar is what an entry must have to bear witness to a factor
NARROW = 0.02  # a factor known no better than this is none
SPARSE = (
    0.05  # whole numbers lie so far apart, in units of their uncertainty, that one is no chance
)
COARSE = 0.1  # what is uncertain by more than this part of its size is not called right
NEGLIGIBLE = 1e-6  # times the right gradient is nearly nothing, and fits too much
SIMPLE = (-1.0, 2.0, -2.0, 0.5, -0.5)  # factors that have a sentence of their own


class Signature(NamedTuple):
    """What a wrong gradient has in common with the right one.

    ``kind`` is "zero", "ratio", "transposed", "reordered", "total", "log", "exp", "symmetric",
    "diagonal", "tangent", "decay", "sign decay", "centred", "shifted", "partly" or "small";
    ``value`` the number that goes with it, if there is one: the ratio, the factor of the
    parameters, the shift. ``where`` are the entries that differ, if only some do.
    """

    kind: str
    value: float = float("nan")
    where: tuple[tuple[int, ...], ...] = ()


class _Factor(NamedTuple):
    """A number that is the same for every entry, and the interval in which it must lie."""

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """Relative to its size."""
        return (self.high - self.low) / abs(self.value) if self.value else math.inf

    def may_be(self, number: float) -> bool:
        slack = 1e-9 * abs(number)
        return self.low - slack <= number <= self.high + slack


def recognise(
    answer: np.ndarray,
    truth: np.ndarray,
    parameter: np.ndarray | None = None,
    rtol: float = SLACK,
    bars: np.ndarray | None = None,
) -> Signature | None:
    """Find the signature of the mistake in ``answer``, or None if it has none that is known.

    Parameters
    ----------
    answer, truth
        The wrong gradient and the right one, of equal shape.
    parameter
        The parameter array, for mistakes that have to do with its values.
    rtol
        How well ``truth`` is known, relative to its largest entry.
    bars
        The error bar of each entry of ``truth``, in place of ``rtol``. Nothing is recognised that
        they leave open.

    Returns
    -------
    Signature, or None
        In this order: zero, the derivative with respect to another quantity, a constant ratio to
        the truth, the truth transposed or in another order, its sum in every entry, the diagonal or
        the rest of a matrix off by a factor, off by a multiple of the parameters or of their signs,
        off by a constant, right but for some entries, off by less than a thousandth.
    """
    answer, truth = np.asarray(answer, dtype=float), np.asarray(truth, dtype=float)
    if answer.shape != truth.shape or not answer.size:
        return None
    if not np.isfinite(answer).all() or not np.isfinite(truth).all():
        return None
    if not answer.any():
        known = 0.0 if bars is None else np.abs(bars)
        return Signature("zero") if np.any(np.abs(truth) > known) or bars is None else None
    parameter = None if parameter is None else np.asarray(parameter, dtype=float)
    if parameter is not None and (
        parameter.shape != truth.shape or not np.isfinite(parameter).all()
    ):
        parameter = None
    with np.errstate(all="ignore"):
        largest = max(np.abs(answer).max(), np.abs(truth).max())
        usual = rtol * (np.abs(truth).max() or largest)
        known = np.full(truth.shape, usual) if bars is None else np.abs(bars)
        known = np.broadcast_to(np.asarray(known, dtype=float), truth.shape)
        if not (
            np.isfinite(answer).all() and np.isfinite(truth).all() and np.isfinite(known).all()
        ):
            return None
        # Numbers near the ends of the range are brought to its middle, where they have squares.
        scale = 2.0 ** -np.frexp(largest)[1] if largest > 0 and not 1e-99 < largest < 1e99 else 1.0
        found = _recognised(answer * scale, truth * scale, known * scale, parameter, bars is None)
    if found is not None and found.kind in ("decay", "sign decay", "shifted", "centred"):
        found = found._replace(value=found.value / scale)
    return found


def _recognised(
    answer: np.ndarray,
    truth: np.ndarray,
    bars: np.ndarray,
    parameter: np.ndarray | None,
    alike: bool,
) -> Signature | None:
    """The same, of arrays that have been made sure of; ``alike`` are bars that were not measured."""
    slack = np.zeros(truth.shape) if alike else SLACK * np.abs(answer)
    error, doubt = answer - truth, bars + (0.0 if alike else 1e-9 * np.abs(answer))
    if not alike and not np.any(np.abs(error) > doubt):
        return None  # it may be right
    ratio = _ratio(answer, truth, bars, slack)
    other = None if parameter is None else _of_another(answer, truth, bars, slack, parameter)
    if other is not None and (ratio is None or ratio.value not in SIMPLE):
        return other
    if ratio is not None and abs(ratio.value - 1) > SMALL and not ratio.may_be(1.0):
        return Signature("ratio", ratio.value)
    if np.abs(answer).max() <= NEGLIGIBLE * np.abs(truth).max():
        return None  # of so little no more can be said
    return (
        _rearranged(answer, truth, bars)
        or _of_a_matrix(answer, truth, bars, slack)
        or _off_by_a_multiple(answer, truth, doubt, parameter)
        or _off_in_places(answer, truth, bars, alike)
        or (
            Signature("small")
            if np.abs(error).max() <= SMALL * max(np.abs(answer).max(), np.abs(truth).max())
            else None
        )
    )


def _common_factor(
    values: np.ndarray, terms: np.ndarray, doubt: np.ndarray, witnesses: int = 2
) -> _Factor | None:
    """The ``c`` with ``values = c * terms``, each to within its doubt; None if there is none.

    At least so many witnesses must stand well above their doubt, one number being a multiple of
    every other; and where a term is zero, so must be the value.
    """
    values, terms, doubt = (np.ravel(each) for each in (values, terms, doubt))
    telling = terms != 0
    if np.any(np.abs(values[~telling]) > doubt[~telling]):
        return None
    values, terms, doubt = values[telling], terms[telling], doubt[telling]
    clear = np.abs(values) > CLEAR * doubt
    if np.count_nonzero(clear) < witnesses:
        return None
    ratios, reach = values / terms, np.abs(doubt / terms)
    if not np.isfinite(ratios).all() or not np.isfinite(reach).all():
        return None
    low, high = float(np.max(ratios - reach)), float(np.min(ratios + reach))
    if low > high:
        return None
    ratios, reach = ratios[clear], reach[clear]
    least = reach.min()
    weights = np.square(least / reach) if least > 0 else (reach == 0).astype(float)
    value = float(np.clip(np.sum(weights * ratios) / np.sum(weights), low, high))
    factor = _Factor(value, low, high)
    # That many bars happen to leave a narrow gap is luck: one of them alone must be narrow.
    sure = math.isfinite(value) and least <= NARROW * abs(value) and factor.width <= NARROW
    return factor if sure else None


def _ratio(
    answer: np.ndarray, truth: np.ndarray, bars: np.ndarray, slack: np.ndarray
) -> _Factor | None:
    """The ratio of the answer to the truth, if all entries have the same; of one entry, if it tells.

    A number that it can hardly be by chance takes its place: a whole number or its inverse.
    """
    best = int(np.argmax(np.abs(truth) / np.maximum(bars, np.finfo(float).tiny)))
    if truth.flat[best] == 0:
        return None
    rough = abs(answer.flat[best] / truth.flat[best])
    single = truth.size == 1
    factor = _common_factor(answer, truth, rough * bars + slack, 1 if single else 2)
    if factor is None:
        return None
    whole = _whole(factor)
    if whole is not None:
        return factor._replace(value=whole)
    if single:
        return None
    digits = 4 if factor.width < SMALL else 2
    return factor._replace(value=float(f"{factor.value:.{digits}g}"))


def _whole(factor: _Factor) -> float | None:
    """The whole number, or the inverse of one, that the factor is rather than any other number."""
    for number in _near_numbers(factor.value):
        size = max(abs(number), 1 / abs(number))
        if factor.may_be(number) and size * factor.width <= SPARSE and size <= 1e4:
            return number
    return None


def _near_numbers(value: float) -> Iterator[float]:
    if value and math.isfinite(value) and 1e-5 < abs(value) < 1e5:
        if abs(value) > 0.7:
            yield float(round(value))
        else:
            yield 1.0 / round(1 / value)


def _of_another(
    answer: np.ndarray,
    truth: np.ndarray,
    bars: np.ndarray,
    slack: np.ndarray,
    parameter: np.ndarray,
) -> Signature | None:
    """The derivative with respect to a function of the parameter: its logarithm, its exponential."""
    for kind, factors in (("log", parameter), ("exp", np.exp(-parameter))):
        size = np.abs(factors)
        if not np.isfinite(factors).all() or not size.all() or np.all(np.abs(size - 1) < SMALL):
            continue
        doubt = size * bars + slack
        clear = np.abs(answer) > CLEAR * doubt
        fits = np.all(np.abs(answer - factors * truth) <= doubt)
        enough = np.count_nonzero(clear) >= min(2, answer.size)
        # Of one entry, or of equal ones, the number itself must be known well to be no chance.
        close = np.all(doubt[clear] <= SMALL * np.abs(answer[clear]))
        told = np.any(np.abs(answer - truth)[clear] > CLEAR * doubt[clear])
        if fits and enough and told and close:
            return Signature(kind)
    return None


def _rearranged(answer: np.ndarray, truth: np.ndarray, bars: np.ndarray) -> Signature | None:
    """The right numbers in another order, or their sum in every place."""
    if np.all(np.abs(answer - truth) <= bars):  # what is right may be so in another order as well
        return None
    matrix = truth.ndim == 2 and min(truth.shape) > 1
    if matrix:
        turned, known = truth.T.reshape(truth.shape), bars.T.reshape(truth.shape)
        if _told_by(truth, known) and np.all(np.abs(answer - turned) <= known):
            return Signature("transposed")
    if truth.size > 2 and _told_by(truth, bars):
        ordered = np.sort(truth, axis=None)[_ranks(answer)]
        if np.all(np.abs(answer - ordered) <= bars.max()):
            return Signature("reordered")
    total = float(truth.sum())
    doubt = float(bars.sum())
    if truth.size > 1 and abs(total) > CLEAR * doubt and np.all(np.abs(answer - total) <= doubt):
        return Signature("total", total)
    return None


def _told_by(truth: np.ndarray, bars: np.ndarray) -> bool:
    """Whether the entries lie so far apart, for their error bars, that an order is no chance."""
    return bool(np.ptp(truth) > 4 * truth.size * bars.max())


def _of_a_matrix(
    answer: np.ndarray, truth: np.ndarray, bars: np.ndarray, slack: np.ndarray
) -> Signature | None:
    """A square matrix that is right on its diagonal and off by a factor elsewhere, or the reverse."""
    if truth.ndim != 2 or truth.shape[0] != truth.shape[1] or truth.shape[0] < 2:
        return None
    diagonal = np.eye(len(truth), dtype=bool)
    for kind, off in (("symmetric", ~diagonal), ("diagonal", diagonal)):
        right = ~off
        if np.any(np.abs(answer - truth)[right] > (bars + slack)[right]):
            continue
        if not np.any(np.abs(truth)[right] > CLEAR * bars[right]):
            continue
        factor = _ratio(answer[off], truth[off], bars[off], slack[off])
        if factor is not None and factor.value in (2.0, 0.5):
            return Signature(kind, factor.value)
    return None


def _off_by_a_multiple(
    answer: np.ndarray, truth: np.ndarray, doubt: np.ndarray, parameter: np.ndarray | None
) -> Signature | None:
    """Off by the same multiple of the parameters, of their signs, or of one, in every entry."""
    error = answer - truth
    if truth.size < 2:
        return None
    if parameter is not None:
        for kind, term in (("decay", parameter), ("sign decay", np.sign(parameter))):
            factor = _common_factor(error, term, doubt)
            if factor is None:
                continue
            sizes = np.abs(answer * parameter), np.abs(error * parameter)
            if kind == "decay" and abs(np.sum(answer * parameter)) <= SMALL * sizes[1].sum():
                return Signature("tangent", factor.value)
            return Signature(kind, factor.value)
    factor = _common_factor(error, np.ones(truth.shape), doubt)
    if factor is None:
        return None
    if abs(answer.mean()) <= SMALL * abs(factor.value):
        return Signature("centred", factor.value)
    return Signature("shifted", factor.value)


def _off_in_places(
    answer: np.ndarray, truth: np.ndarray, bars: np.ndarray, alike: bool
) -> Signature | None:
    """Right but for some of the entries, where that is known of the others."""
    error = np.abs(answer - truth)
    wrong = error > (SLACK * error.max() if alike else bars)
    if not 0 < np.count_nonzero(wrong) <= truth.size // 2:
        return None
    rest = ~wrong
    if not alike and np.linalg.norm(bars[rest]) > COARSE * np.linalg.norm(truth[rest]):
        return None
    return Signature("partly", where=tuple(map(tuple, np.argwhere(wrong).tolist())))


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


def of_the_whole(signature: Signature, gradient: np.ndarray, parameter: np.ndarray) -> Signature:
    """The signature that was found in a sample of the entries, told from its likes by all of them.

    What is off by a multiple of the parameters may be projected onto a sphere, and what is off by a
    number may have lost its mean: that is seen in the gradient alone.
    """
    gradient, parameter = (np.asarray(each, dtype=float) for each in (gradient, parameter))
    with np.errstate(all="ignore"):
        if signature.kind in ("decay", "tangent"):
            off = abs(signature.value) * np.sum(np.square(parameter))
            projected = abs(np.sum(gradient * parameter)) <= SMALL * off
            return signature._replace(kind="tangent" if projected else "decay")
        if signature.kind in ("shifted", "centred"):
            centred = abs(gradient.mean()) <= SMALL * abs(signature.value)
            return signature._replace(kind="centred" if centred else "shifted")
    return signature


def columns(params: Params) -> set[int]:
    """The numbers of columns of the matrices among the parameters: of the outputs, it may be."""
    return {array.shape[-1] for array in params.values() if array.ndim > 1}


def describe(signature: Signature | None, sizes: Collection[int] = ()) -> str:
    """What to look for, in a sentence; empty if there is nothing to say.

    Parameters
    ----------
    signature
        As :func:`recognise` finds it.
    sizes
        Numbers of columns that occur in the shapes of the parameters: a factor that is one of them
        is rather that of an average over outputs than of one over a batch.
    """
    if signature is None:
        return ""
    kind, value = signature.kind, signature.value
    if kind == "ratio":
        return _ratio_sentence(value, sizes)
    if kind == "partly":
        return f"only {_entries(signature.where)} off, the rest of the array is right"
    times = "twice" if value == 2 else "half"
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
        "log": "it is the right gradient times the parameter, entry by entry: is it the derivative "
        "with respect to the logarithm of the parameter?",
        "exp": "it is the right gradient divided by exp(parameter), entry by entry: is it the "
        "derivative with respect to exp(parameter), the parameter being a logarithm?",
        "symmetric": f"its diagonal is right, and off the diagonal it is {times} the right gradient: "
        f"in a symmetric matrix [i, j] and [j, i] are one parameter, in this array they are two",
        "diagonal": f"it is right but for its diagonal, which is {times} what it should be: were "
        f"a matrix and its transpose added?",
        "tangent": "what is missing is its part along the parameters: was it projected onto a "
        "sphere, and the loss was not?",
        "decay": f"it differs by {_short(value)} times the parameters: is a term of the "
        f"regularisation missing, or not in the loss?",
        "sign decay": f"it differs by {_short(value)} times the signs of the parameters: is a term "
        f"of an L1 regularisation missing, or not in the loss?",
        "centred": "its entries add up to zero, and otherwise it is right: was its mean taken out?",
        "shifted": f"it differs by the same number, {_short(value)}, in every entry",
    }.get(kind, "")


STAIRCASE = (
    "the loss is a staircase here, flat but for jumps, as round or argmax make it: its derivative is "
    "zero wherever there is one, and says nothing of a gradient that is to pass through"
)
NEAR = np.array([1e-7, 2e-7, 3e-7, 5e-7])  # times the parameters
POINTS_APART = np.arange(1, 17) / 16
FAR = (1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 10.0)
STEPS_APART = 100.0  # times the noise of a loss is more than the steps that rounding makes


def on_a_staircase(loss: Loss, params: Params, name: Hashable, noise: float) -> bool:
    """Whether the loss is a staircase along one of the arrays: asked where nothing else fits.

    A few points close together tell nearly every other loss from one, and then no more are taken.

    Parameters
    ----------
    loss, params
        As in :func:`gradlab.check_gradients`, already validated.
    name
        Of the array to be moved.
    noise
        The level of the rounding noise of the loss.
    """
    array = params[name]
    sizes = np.maximum(np.abs(array.astype(float)), rms(array) or 1.0)
    direction = {name: sizes * np.random.RandomState(5).standard_normal(array.shape)}
    near = line_losses(loss, params, direction, NEAR).astype(float)
    if not np.all(np.abs(np.diff(near)) == 0):
        return False
    for far in FAR:
        values = line_losses(loss, params, direction, far * POINTS_APART).astype(float)
        # The jumps may have been taken for noise: no noise is as large as a part in ten thousand.
        if is_staircase(values, min(noise, 1e-4 * float(np.abs(values).max()))):
            return True
    return False


def is_staircase(values: np.ndarray, noise: float) -> bool:
    """Whether a loss is flat but for jumps, as one with ``round``, ``argmax`` or a count in it is.

    Parameters
    ----------
    values
        (m,), of the loss at equally spaced points on a line; sixteen are a good number.
    noise
        The level of its rounding noise: what is rounded has small steps everywhere.
    """
    values = np.asarray(values, dtype=float)
    if values.size < 4 or not np.isfinite(values).all():
        return False
    with np.errstate(all="ignore"):
        steps = np.abs(np.diff(values))
    flat, jump = steps == 0, steps > STEPS_APART * noise
    # A jump between two flat pieces; where a slope begins, as behind a ReLU, steps follow steps.
    alone = jump[1:-1] & flat[:-2] & flat[2:]
    return bool(alone.any() and np.all(flat | jump) and 2 * flat.sum() >= flat.size)


def describe_pattern(wrong: Collection[Hashable], names: Sequence[Hashable]) -> str:
    """What the set of arrays that are wrong says, in a sentence; empty if it says nothing.

    Parameters
    ----------
    wrong
        The names of the wrong arrays.
    names
        Of all arrays. Of an error signal is spoken only if they are those of layers in a row, from
        the input to the output of a network, as W1, b1, W2, b2 or layers[0].W, layers[1].W are.
    """
    right = [name for name in names if name not in wrong]
    if not wrong or not right:
        return ""
    layers = _layers(names)
    if len(wrong) == 1:
        behind = "the error signal behind it serves the others as well, so " if layers else ""
        return (
            f"Only {next(iter(wrong))} is wrong: {behind}look at the line that computes this "
            f"gradient."
        )
    first = right[0]
    upstream = [name for name in names if name in wrong]
    if layers is None or upstream != list(names[: len(upstream)]):
        return ""
    if layers[len(upstream) - 1] == layers[len(upstream)]:
        return ""  # one layer has right and wrong gradients, from one error signal
    told = ", ".join(map(str, upstream))
    return (
        f"All arrays in front of {first} are wrong ({told}) and none from there on: look at "
        f"the step that carries the error signal back past {first}."
    )


# What the weights of a layer are called, its number apart.
_WEIGHTS = re.compile(
    r"(^|[^a-z])(w|wx|wh|weights?|kernel|theta|layers?|linear|dense|conv\d*d?|fc|blocks?)([^a-z]|$)"
)


def _layers(names: Sequence[Hashable]) -> list[tuple[int, ...]] | None:
    """The number of the layer of each name, ascending; None if these are no layers in a row."""
    numbers, weights = [], set()
    for name in names:
        if not isinstance(name, str):
            return None
        number = tuple(int(digits) for digits in re.findall(r"\d{1,9}", name))
        if not number:
            return None
        numbers.append(number)
        if _WEIGHTS.search(re.sub(r"[\d_]+", " ", name).lower()):
            weights.add(number)
    return numbers if len(weights) > 1 and numbers == sorted(numbers) else None


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values, axis=None), axis=None).reshape(values.shape)


def _ratio_sentence(ratio: float, sizes: Collection[int]) -> str:
    size, inverse = abs(ratio), 1 / abs(ratio) if ratio else math.inf
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
    if size < 1e4 and _near(size, round(size)):
        n = round(size)
        over = f"{n} outputs, or over a batch of {n}," if n in sizes else f"a batch of {n}"
        return f"it is {sign}{n} times the right gradient: is the average over {over} missing{flipped}?"
    if inverse < 1e4 and _near(inverse, round(inverse)):
        n = round(inverse)
        over = f"{n} outputs, or over a batch of {n}," if n in sizes else f"a batch of {n}"
        return (
            f"it is {sign}1/{n} of the right gradient: averaged over {over} where it is a sum, or "
            f"averaged twice{flipped}?"
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
