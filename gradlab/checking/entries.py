"""The gradient check that looks at every entry."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np

from gradlab import differences
from gradlab.checking.error_bars import (
    CENTRAL,
    SIDES,
    Own,
    at_entries,
    extrapolated,
    losses_at,
    own_rounding,
    rounding_bar,
    visible_steps,
)
from gradlab.checking.problem import HIDDEN, Case, entry_units, longest_stride
from gradlab.checking.report import ArrayReport
from gradlab.checking.signatures import columns, describe, recognise
from gradlab.checking.verdicts import (
    RESOLVED,
    Look,
    Verdict,
    hint_for,
    is_close,
    judge,
    of_array,
    worst_of,
)
from gradlab.differences.formulas import relative_error, rms
from gradlab.differences.noise import SAFETY, UNIT, Probe, probe, random_direction
from gradlab.differences.sweep import Params, moved
from gradlab.validation import index_of

__all__ = ["check_entries"]

FIRST_LOOKS = 4  # at the worst entries; four times as many, should none of those be wrong
SHARP = 32.0  # times the curvature of the whole array: one entry may well have that much
LONGER = 2.0 ** np.arange(6)  # times the step, where central differences leave too much in doubt
MATTERS = 1e-3  # of the largest term in its array: an entry that has to be resolved by itself
TINY = 1e-3  # of the median: an entry so small may be one whose size says nothing about its scale
# A direction averages over its entries, so that single ones are truncated more: the step of the
# direction is divided by this power of their number.
SINGLE = 0.25
RAW_ROUNDING = 64  # roundoffs in a complex step


def check_entries(
    case: Case,
    method: str,
    eps: float | None,
    workers: int | Callable,
    tolerance: float,
) -> dict[Hashable, ArrayReport]:
    """Compare every entry with a difference, and look closer at those outside their error bar.

    Parameters
    ----------
    case
        The loss and the gradient under test.
    method, eps, workers, tolerance
        As in :func:`gradlab.check_gradients`, already validated.

    Raises
    ------
    ValueError
        If ``eps`` is so small that adding it to an entry changes nothing.
    """
    probes = {name: _probed(case, name) for name in case.names}
    own_steps = eps is None and method == "central"
    if own_steps:
        steps = {
            name: visible_steps(array, probes[name].step * case.units[name])
            if name in probes
            else np.zeros(array.shape)
            for name, array in case.point.items()
        }
    else:
        steps = differences.entry_steps(case.point, method, eps)
    if method == "complex":
        sheets = _complex_steps(case, eps, workers)
    else:
        formula = differences.FORMULAS[method]
        sheets = _differences(case, formula, steps, workers)
    own = own_rounding(
        case,
        {name: sheet.numeric * case.units[name] for name, sheet in sheets.items()},
        {
            name: np.maximum(sheet.bends, max(probes[name].curvature, sheet.bends.mean()))
            for name, sheet in sheets.items()
        },
    )
    found = {}
    for name, sheet in sheets.items():
        look_at = _Array(case, name, probes[name], own[name], own_steps, tolerance)
        found[name] = _report(look_at, sheet._replace(own=own[name].by_itself / case.units[name]))
    return found


def _probed(case: Case, name: Hashable) -> Probe:
    direction = random_direction(case.point[name].shape) * case.units[name]
    longest = longest_stride(case.units[name])
    seen = probe(case.loss, case.point, {name: direction}, case.center, case.noise, longest)
    return seen._replace(step=seen.step / direction.size**SINGLE)


class _Sheet(NamedTuple):
    """The differences of one array and how far they may be off, in the units of the gradient.

    ``bends`` are second differences, in the units of the entries; zero where the formula has none.
    ``doubts`` are by how much the gradient under test may be off the derivative where somebody has
    looked closer, and nan elsewhere. ``lengths`` are what steps are parts of: the units of the
    entries, or longer ones.
    """

    numeric: np.ndarray
    bars: np.ndarray
    bends: np.ndarray
    own: np.ndarray
    doubts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(
        cls, numeric: np.ndarray, bars: np.ndarray, bends: np.ndarray, lengths: np.ndarray
    ) -> _Sheet:
        shape = np.shape(numeric)
        own, doubts = np.zeros(shape), np.full(shape, np.nan)
        return cls(np.array(numeric), np.array(bars), bends, own, doubts, lengths)

    @property
    def error_bars(self) -> np.ndarray:
        return self.bars + self.own

    def off(self, gradient: np.ndarray) -> np.ndarray:
        return np.abs(gradient - self.numeric)

    def doubt(self, gradient: np.ndarray) -> np.ndarray:
        """By how much the gradient may be off: what its rounding has done is seen in ``off``."""
        plain = self.bars + np.minimum(self.off(gradient), self.own)
        return np.where(np.isnan(self.doubts), plain, self.doubts)


class _Array(NamedTuple):
    """One array under test, and all that is needed to look at it again."""

    case: Case
    name: Hashable
    seen: Probe
    own: Own
    own_steps: bool
    tolerance: float

    @property
    def gradient(self) -> np.ndarray:
        return self.case.gradients[self.name]

    @property
    def units(self) -> np.ndarray:
        return self.case.units[self.name]

    @property
    def point(self) -> np.ndarray:
        return self.case.point[self.name]

    def size(self, sheet: _Sheet) -> float:
        """The root mean square of the gradient, in the units of the entries."""
        return max(rms(self.gradient * self.units), rms(sheet.numeric * self.units))

    def evidence_at(self, indices: list[tuple[int, ...]], lengths: np.ndarray) -> dict:
        steps = {index: self.seen.step * float(lengths[index]) for index in indices}
        return at_entries(self.case, self.name, steps, self.own)


def _complex_steps(
    case: Case, eps: float | None, workers: int | Callable
) -> dict[Hashable, _Sheet]:
    numeric: Params = differences.numerical_gradient(
        case.loss, case.point, "complex", eps, workers=workers
    )
    return {
        name: _Sheet.of(
            numeric[name],
            RAW_ROUNDING * UNIT * np.abs(numeric[name]),
            np.zeros(numeric[name].shape),
            case.units[name],
        )
        for name in case.names
    }


def _differences(
    case: Case,
    formula: differences.Formula,
    steps: Params,
    workers: int | Callable,
) -> dict[Hashable, _Sheet]:
    differences.require_visible(case.point, steps, formula.offsets)
    losses = differences.entry_losses(
        case.loss,
        case.point,
        steps,
        formula.offsets,
        workers=workers,
        center=case.center,
    )
    sheets = {}
    for name in case.names:
        array, step = case.point[name], steps[name]
        at = dict(zip(formula.offsets, losses[name], strict=True))
        points = {offset: moved(array, step, offset) for offset in at}
        bends = np.zeros(array.shape)
        if -1 in at:
            bend = np.abs(at[1] - 2 * case.center + at[-1])
            unseen = 2 * SAFETY * case.noise.level
            bends = np.maximum(bend - unseen, 0.0) / (step / case.units[name]) ** 2
        sheets[name] = _Sheet.of(
            differences.difference(formula, at, points),
            rounding_bar(formula, losses[name], step, case.noise),
            np.where(np.isfinite(bends), bends, 0.0),
            case.units[name],
        )
    return sheets


def _report(array: _Array, sheet: _Sheet) -> ArrayReport:
    """The verdict on the array."""
    gradient, units = array.gradient, array.units
    verdict: Verdict
    if np.isfinite(gradient).all():
        if array.own_steps:
            sheet = _with_tiny_entries(array, sheet)
        sheet, verdict = _looked_closer(array, sheet)
    else:
        verdict = "nonfinite"
    verdict = _summed_up(array, sheet, verdict)
    if verdict == "undecided" and array.own_steps:
        longer = _with_longer_steps(array, sheet)
        if longer is not None:
            sheet = longer
            within = np.all(sheet.off(gradient) <= sheet.error_bars)
            verdict = _summed_up(array, sheet, "ok" if within else verdict)
    size, off = array.size(sheet), sheet.off(gradient)
    if verdict == "wrong" and array.seen.change:
        hint = _signature(array, sheet)
    elif verdict == "close":
        beyond = np.where(off > sheet.error_bars, off * units, 0.0)
        own = np.maximum(np.abs(gradient), np.abs(sheet.numeric)) * units
        share = float(np.max(beyond / np.maximum(np.maximum(own, size), np.finfo(float).tiny)))
        hint = hint_for(verdict, share=share)
    else:
        seen = float(np.max(sheet.error_bars * units))
        shares = (rms(off * units) / size, seen / size) if size else (0.0, 0.0)
        hint = hint_for(verdict, bool(array.seen.change), *shares)
    worst = _worst(verdict, gradient, sheet, units)
    return ArrayReport(
        array.name,
        gradient.shape,
        verdict,
        hint,
        relative_error(gradient, sheet.numeric),
        worst,
        float(gradient[worst]),
        float(sheet.numeric[worst]),
        float(sheet.error_bars[worst]),
        gradient,
        sheet.numeric,
        sheet.error_bars,
        resolution=float(np.max(sheet.error_bars)),
    )


def _summed_up(array: _Array, sheet: _Sheet, verdict: Verdict) -> Verdict:
    size = np.maximum(np.abs(array.gradient), np.abs(sheet.numeric))
    return of_array(
        verdict,
        array.gradient * array.units,
        sheet.numeric * array.units,
        sheet.doubt(array.gradient) * array.units,
        array.seen.answers,
        array.case.rounding_only,
        _that_matter(array) & ~(sheet.bars <= RESOLVED * size),
    )


def _that_matter(array: _Array) -> np.ndarray:
    """The entries whose term, gradient times size, is no small part of the largest in the array.

    Their own size, not the unit that was found for them: an entry that is moved by very little does
    not matter the less. A loss with float32 in it cannot resolve single entries as well as that.
    """
    if array.case.noise.unit > HIDDEN:
        return np.zeros(array.gradient.shape, dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        terms = np.abs(array.gradient) * entry_units(array.point)
    terms = np.where(np.isfinite(terms), terms, 0.0)
    return terms >= MATTERS * max(float(np.max(terms)), np.finfo(float).tiny)


def _with_tiny_entries(array: _Array, sheet: _Sheet) -> _Sheet:
    """The entries that are tiny beside the rest and not resolved, with the steps of the rest.

    An angle of 1e-9 beside numbers near 1 is not to be moved by parts of 1e-9.
    """
    usual = np.full(array.point.shape, np.median(array.units))
    own_size = np.maximum(np.abs(array.gradient), np.abs(sheet.numeric))
    unsure = sheet.doubt(array.gradient) > RESOLVED * own_size
    tiny = [tuple(index) for index in np.argwhere((array.units < TINY * usual) & unsure).tolist()]
    if not tiny:
        return sheet
    better = _bettered(array, sheet, array.evidence_at(tiny, usual))[0]
    return better._replace(lengths=np.where(better.bars < sheet.bars, usual, sheet.lengths))


def _bettered(array: _Array, sheet: _Sheet, evidence: dict) -> tuple[_Sheet, list[Look]]:
    """The sheet with what closer looks have shown, and the looks."""
    numeric, bars, doubts = sheet.numeric.copy(), sheet.bars.copy(), sheet.doubts.copy()
    size, looks = array.size(sheet), []
    for index, each in evidence.items():
        look = judge(each, array.tolerance, size)
        looks.append(look)
        unit = float(array.units[index])
        value, bar = look.numeric / unit, (look.error_bar - each.own) / unit
        if array.own_steps:
            numeric[index], bars[index], doubts[index] = value, bar, look.doubt / unit
        else:  # the differences stay those that were asked for
            bars[index] = max(bars[index], abs(numeric[index] - value) + bar)
    return sheet._replace(numeric=numeric, bars=bars, doubts=doubts), looks


def _looked_closer(array: _Array, sheet: _Sheet) -> tuple[_Sheet, Verdict]:
    """Judge the entries outside their error bars, the worst ones first, until one is wrong.

    Of the entries inside, the one with the sharpest bend is looked at: a kink may be there. Where
    all that are left are within the tolerance, a few looks have confirmed the kind.
    """
    gradient, units = array.gradient, array.units
    off, bars = sheet.off(gradient), sheet.error_bars
    suspicious = ~(off <= bars)
    near = suspicious & is_close(
        off * units, gradient * units, sheet.numeric * units, array.tolerance, array.size(sheet)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = np.where(np.isfinite(off), off / bars, np.inf)
    order = np.lexsort((-excess.ravel(), near.ravel()))
    order = order[suspicious.ravel()[order]]
    sharp = np.where(suspicious, 0.0, sheet.bends)
    bend = np.argmax(sharp, keepdims=False).reshape(1)
    usual = 0.0 if array.seen.bent else SHARP * array.seen.curvature
    order = np.concatenate([bend[sharp.ravel()[bend] > usual], order])
    verdict: Verdict = "ok"
    count = FIRST_LOOKS
    while order.size and verdict != "wrong":
        batch, order, count = order[:count], order[count:], 4 * count
        indices = [index_of(int(entry), off.shape) for entry in batch]
        sheet, looks = _bettered(array, sheet, array.evidence_at(indices, sheet.lengths))
        verdict = worst_of(verdict, *(look.verdict for look in looks))
        if verdict == "close" and near.ravel()[order].all():
            break
    return sheet, verdict


def _with_longer_steps(array: _Array, sheet: _Sheet) -> _Sheet | None:
    """Extrapolated differences with longer steps, where those are the more certain.

    They may decide that an array is right whose loss is too coarse for short steps. That it is
    wrong they never decide: a longer step may have a kink on its way.

    Returns
    -------
    _Sheet, or None
        None if that could not help, because the doubt is that of the gradient itself.
    """
    units = array.units
    if rms(sheet.bars * units) < rms(sheet.own * units):
        return None
    point = array.point
    steps = visible_steps(point, array.seen.step * units)
    losses = losses_at(
        array.case,
        array.name,
        {array.name: point},
        {array.name: steps},
        (*LONGER, *-LONGER),
    )[array.name]
    ups, downs = np.split(losses, 2)
    points = {sign: np.array([moved(point, steps, sign * k) for k in LONGER]) for sign in SIDES}
    central = differences.difference(CENTRAL, {1: ups, -1: downs}, points)
    lengths = np.multiply.outer(LONGER, steps)
    rounding = rounding_bar(CENTRAL, np.array([ups, downs]), lengths, array.case.noise)
    values, bars = extrapolated(central, rounding)
    best = np.argmin(bars, axis=0)[np.newaxis]
    value, bar = (np.take_along_axis(each, best, axis=0)[0] for each in (values, bars))
    better = bar < sheet.bars
    return sheet._replace(
        numeric=np.where(better, value, sheet.numeric),
        bars=np.where(better, bar, sheet.bars),
        doubts=np.where(better, np.nan, sheet.doubts),
    )


def _worst(
    verdict: Verdict, gradient: np.ndarray, sheet: _Sheet, units: np.ndarray
) -> tuple[int, ...]:
    """The wrong entry that is farthest off, or the entry farthest off in error bars."""
    off = sheet.off(gradient)
    with np.errstate(invalid="ignore", divide="ignore"):
        rank = off / sheet.error_bars
    if verdict == "wrong":
        rank = np.where(rank > 1, off * units, 0.0)
    rank = np.where(np.isfinite(gradient) & np.isfinite(rank), rank, np.inf)
    return index_of(int(np.argmax(rank)), rank.shape)


def _signature(array: _Array, sheet: _Sheet) -> str:
    found = recognise(array.gradient, sheet.numeric, array.point, bars=sheet.error_bars)
    return describe(found, columns(array.case.point))
