"""What is to be judged: a loss at a point, the gradient said to be its own, and their precision."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import NamedTuple

import numpy as np

from gradlab import validation
from gradlab.differences.noise import (
    NEGLIGIBLE,
    UNIT,
    Noise,
    first_stride,
    loss_noise,
    probe,
    random_direction,
)
from gradlab.differences.sweep import Guarded, Params, restored, value_or_nan

__all__ = ["Case", "entry_units", "format_roundoff", "gradient_roundoffs", "longest_stride"]

SHOWN = ((8, 4), (11, 7), (24, 12))  # bits of bfloat16, float16, float32; of no round number there
TELLING = 4  # numbers that are not round are no coincidence
UNUSABLE = 1e-3  # noise of more than this part of the loss is not rounding
FORMATS = {"tf32": 2.0**-11, "bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24}
HIDDEN = 1e-9  # more noise than this part of the loss: float32 is hidden in a float64 loss
FEW = 32  # entries: a vector of parameters to start from, rather than a matrix of weights
DECADES, LEAST_TERM = 3, 1e-12  # of the terms in one array that are tried together
AWAY = 1 / 32  # of the parameters: what float32 makes of so large a change is no rounding
AS_HELD = 128.0  # roundoffs of the loss: how far apart it may lie in float32 and in float64,
SAME = 0.01  # and this part of its change, for the change to be the same


class Case(NamedTuple):
    """A loss at a point, and the gradient under test.

    ``point`` is where the loss is moved about: the caller's own arrays, or copies of them in
    float64; ``center`` the loss there and ``noise`` its rounding noise. ``units`` holds for every
    entry the length in which it is moved and judged, and ``roundoff`` for every array the unit
    roundoff with which its gradient was computed.
    """

    loss: Guarded
    point: Params
    gradients: Params
    units: Params
    center: float
    noise: Noise
    roundoff: dict[Hashable, float]

    @classmethod
    def of(
        cls,
        loss: Guarded,
        params: Params,
        gradients: Params,
        roundoff: dict[Hashable, float],
        center: float,
        scatter: float,
    ) -> Case:
        """The case at ``params``, widened to float64 if the loss then computes in float64.

        Parameters
        ----------
        scatter
            By how much two values of the loss at this point differ: noise as well.
        """
        point, noise = _widened(loss, params, center)
        if point is not params:
            center = validation.loss_value(loss(point))
        if scatter > noise.level:
            factor = scatter / noise.level
            noise = Noise(*(factor * each for each in noise))
        if noise.unit < UNUSABLE:
            roundoff = {name: max(unit, noise.unit) for name, unit in roundoff.items()}
        units = {name: entry_units(array) for name, array in point.items()}
        case = cls(loss, point, gradients, units, center, noise, roundoff)
        for name in case.names:
            units[name] = _refined_units(case, name)
        return case

    @property
    def names(self) -> list[Hashable]:
        """Of the arrays that have entries."""
        return [name for name, array in self.point.items() if array.size]

    @property
    def rounding_only(self) -> bool:
        """Whether the noise of the loss is no more than rounding."""
        return self.noise.unit < UNUSABLE

    def scaled(self, name: Hashable) -> np.ndarray:
        """The gradient of one array in the units of its entries: changes of the loss."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.gradients[name] * self.units[name]


def entry_units(array: np.ndarray) -> np.ndarray:
    """For every entry its own size; for zeros the median size in their array, or 1.

    So nothing that is measured in these units depends on the units that the parameters are kept in,
    nor on the size of an entry's neighbours: an amplitude of 1e6 beside a rate of 1e-4 in one vector
    is moved, and judged, as if each were an array of its own.
    """
    sizes = np.abs(array).astype(float)
    known = sizes[sizes > NEGLIGIBLE]
    return np.where(sizes > NEGLIGIBLE, sizes, np.median(known) if known.size else 1.0)


def longest_stride(units: np.ndarray) -> float:
    """The longest stride that makes sense in an array: the size of its entries, or 1 if smaller."""
    return max(1.0, 1.0 / float(np.median(units)))


def _refined_units(case: Case, name: Hashable) -> np.ndarray:
    """The units of one array, other ones for entries that the loss feels sooner or later than that.

    A vector of zeros, or of ones, to start from says nothing about the units of its entries, nor
    does an angle of 1e-9. Where
    the gradient says that their terms differ by more than a factor of a thousand, those of about
    equal size are tried together. The sizes of many entries that are not all alike are trusted.
    """
    units, terms = case.units[name], np.abs(case.scaled(name))
    terms = np.where(np.isfinite(terms), terms, 0.0)
    largest = float(np.max(terms))
    if not largest or (units.size > FEW and np.ptp(units)):
        return units
    group = np.ceil(np.log10(np.maximum(terms / largest, LEAST_TERM)) / DECADES)
    kinds = np.unique(group)
    if len(kinds) == 1:
        return units
    refined = units.copy()
    start = first_stride(case.noise)
    for kind in kinds:
        members = group == kind
        direction = random_direction(units.shape) * members
        direction *= units / np.linalg.norm(direction)
        longest = longest_stride(units[members])
        seen = probe(case.loss, case.point, {name: direction}, case.center, case.noise, longest)
        if seen.answers and not seen.bent:
            refined[members] *= min(seen.wide / start, longest)
    return refined


def format_roundoff(precision: str | float | None) -> float:
    """The unit roundoff of a format by its name, or of a number that is one; 0 for None.

    Raises
    ------
    TypeError, ValueError
        If it is neither the name of a format nor a number between 0 and 1.
    """
    if precision is None:
        return 0.0
    if isinstance(precision, str) and precision in FORMATS:
        return FORMATS[precision]
    try:
        number = float(precision)
    except (TypeError, ValueError):
        names = ", ".join(map(repr, FORMATS))
        raise ValueError(
            f"unknown gradient_precision {precision!r}; choose one of {names}, or give the unit "
            f"roundoff of the format"
        ) from None
    if not 0 < number < 1:
        raise ValueError(f"gradient_precision must be a roundoff between 0 and 1, not {number}")
    return number


def gradient_roundoffs(
    given: Mapping[Hashable, np.dtype], gradients: Params, params: Params, stated: float
) -> dict[Hashable, float]:
    """For each array the unit roundoff of the computation that its gradient came from.

    That of its parameters, of the type in which it was given, of the format in which it was stated
    to be computed, or of the coarsest format that shows in its numbers: bfloat16, float16 or
    float32 if that can hold them all, and enough of the numbers that it holds, in this array or in
    others like it, are not round there, as 0.5 is, which would prove nothing.
    """
    shown = {name: _bits_shown(gradient) for name, gradient in gradients.items()}
    formats = [
        bits
        for bits, _ in SHOWN
        if sum(each.telling for each in shown.values() if each.bits == bits) >= TELLING
    ]
    roundoff = {}
    for name, parameter in params.items():
        own = shown[name].bits
        bits = next((bits for bits in formats if own and bits >= own), 0)
        of_types = max(
            UNIT if dtype.kind in "iub" else validation.roundoff_of(dtype)
            for dtype in (given[name], parameter.dtype)
        )
        roundoff[name] = max(of_types, stated, 2.0**-bits if bits else UNIT)
    return roundoff


class _Shown(NamedTuple):
    bits: int  # of the coarsest format that holds all numbers; 0 if that is float64
    telling: int  # numbers that are not round there


def _bits_shown(gradient: np.ndarray) -> _Shown:
    numbers = np.ravel(gradient).astype(float)
    mantissas = np.frexp(numbers[np.isfinite(numbers)])[0]
    for bits, of_round in SHOWN:
        if mantissas.size and np.all(_fits(mantissas, bits)):
            return _Shown(bits, int(np.count_nonzero(~_fits(mantissas, of_round))))
    return _Shown(0, 0)


def _fits(mantissas: np.ndarray, bits: int) -> np.ndarray:
    scaled = np.ldexp(mantissas, bits)
    return scaled == np.rint(scaled)


def _widened(loss: Guarded, params: Params, center: float) -> tuple[Params, Noise]:
    """The parameters in float64, if the loss then computes in float64, and its noise there.

    A difference of float32 losses has at best five digits, one of float64 losses ten; the point,
    and so the gradient, is the same. If the loss does not read its argument, or casts it back to
    float32, its own precision is what there is.
    """
    if all(array.dtype.itemsize >= 8 for array in params.values()):
        return params, loss_noise(loss, params, center)
    coarse = max(validation.roundoff_of(array.dtype) for array in params.values())
    wide = {name: array.astype(float) for name, array in params.items()}
    stream = np.random.RandomState(2)
    away = {
        name: (array + AWAY * stream.choice([-1, 1], array.shape) * entry_units(array)).astype(
            array.dtype
        )
        for name, array in params.items()
    }
    with restored(params) as arrays:
        for name, array in arrays.items():
            array[...] = away[name]
        held = _number(loss, params)
    given = _number(loss, {name: array.astype(float) for name, array in away.items()})
    change = given - _number(loss, wide)
    unseen = AS_HELD * coarse * (abs(held) + abs(center))
    same = abs(change - (held - center)) <= SAME * abs(change) + unseen
    if change and same:
        noise = loss_noise(loss, wide)
        if noise.unit < HIDDEN:
            return wide, noise
    return params, loss_noise(loss, params, center)


def _number(loss: Guarded, params: Params) -> float:
    """The loss, or nan where it does not take these parameters."""
    failure = loss.failure
    with np.errstate(all="ignore"):
        try:
            return float(value_or_nan(loss, params, {}))
        except TypeError:
            return math.nan
        finally:
            loss.failure = failure
