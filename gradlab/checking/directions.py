"""The gradient check that looks at one random direction in each array, whatever their size.

The slope of the loss along a direction ``d`` is the scalar product of the gradient and ``d``. For a
wrong gradient the two agree only if the error happens to be orthogonal to ``d``, and a Gaussian
direction leaves no room for that: where the entries of ``d`` are +1 and -1, errors of equal size
cancel every other time. Every entry is moved in its own units.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np

from gradlab.checking.error_bars import Own, along, at_entries, own_rounding
from gradlab.checking.problem import Case, longest_stride
from gradlab.checking.report import ArrayReport
from gradlab.checking.signatures import columns, describe, of_the_whole, recognise
from gradlab.checking.verdicts import (
    Evidence,
    Look,
    hint_for,
    judge,
    of_array,
)
from gradlab.differences.formulas import relative_error, rms
from gradlab.differences.noise import Probe, line_losses, probe, random_direction
from gradlab.validation import first_index, index_of

__all__ = ["check_directions"]

FIRST = 2.0 ** np.arange(3)  # times the stride at which truncation was seen
STEPS = 2.0 ** np.arange(-10, 4)  # where those are not enough,
OTHER_STEPS = STEPS[-7:]  # and along other directions
ACROSS = 9.0  # times: the direction may lie across that of the largest curvature
SAMPLE = 8  # entries that are looked at for what they say about the mistake
NOT_OFF = 1e-4  # of the largest: an entry of the sample that is off by less is right,
MOST = 0.5  # and where more than this part of them is, the mistake is in a few
SEARCHES = 3  # for the guilty entry, each with other signs: errors can cancel in one
COARSE = 1e-3  # an error bar of more than this part of a slope lets too much by,
OTHERS = (2, 3, 4)  # and so the slopes along these directions, and along g, are compared as well
TINIEST = float(np.finfo(float).tiny)
SEEN_BY_NINE_IN_TEN = 0.1  # the quantile of moves beyond which nine entries in ten lie
# Others need the whole array.
OF_A_SAMPLE = (
    "zero",
    "log",
    "exp",
    "ratio",
    "decay",
    "tangent",
    "sign decay",
    "shifted",
    "centred",
)


class _Array(NamedTuple):
    """One array under test, and what has been seen of it."""

    case: Case
    name: Hashable
    direction: np.ndarray
    seen: Probe
    tolerance: float

    @property
    def scaled(self) -> np.ndarray:
        return self.case.scaled(self.name)

    def first_look(self, own: Own | None = None) -> Evidence:
        lengths = self.seen.wide * FIRST
        return along(self.case, self.name, self.direction, lengths, own, self.seen.losses)

    def closer_look(self, first: Evidence, own: Own) -> Evidence:
        """Longer and shorter strides; much shorter ones if a kink or an edge may be on the way."""
        smooth = not self.seen.bent and np.all(first.kinks <= first.bars)
        lengths = self.seen.wide * (OTHER_STEPS if smooth else STEPS)
        return along(self.case, self.name, self.direction, lengths, own, self.seen.losses)

    def look_along(self, direction: np.ndarray, own: Own) -> Look:
        lengths = self.seen.wide * OTHER_STEPS
        return judge(along(self.case, self.name, direction, lengths, own))


def check_directions(case: Case, tolerance: float) -> dict[Hashable, ArrayReport]:
    """Compare one slope in each array, and search for the guilty entry where it does not agree.

    Parameters
    ----------
    case
        The loss and the gradient under test.
    tolerance
        As in :func:`gradlab.check_gradients`.
    """
    arrays, firsts = {}, {}
    for name in case.names:
        direction = random_direction(case.point[name].shape)
        moves = {name: direction * case.units[name]}
        longest = longest_stride(case.units[name])
        seen = probe(case.loss, case.point, moves, case.center, case.noise, longest)
        arrays[name] = _Array(case, name, direction, seen, tolerance)
        firsts[name] = judge(arrays[name].first_look())
    own = own_rounding(
        case,
        {name: np.array(look.numeric) for name, look in firsts.items()},
        {name: np.full(a.direction.shape, a.seen.curvature) for name, a in arrays.items()},
        ACROSS,
    )
    found = {}
    for name, array in arrays.items():
        found[name] = _judged(array, own[name])
    return found


def _judged(array: _Array, own: Own) -> ArrayReport:
    gradient, scaled = array.case.gradients[array.name], array.scaled
    if not np.isfinite(gradient).all():
        index = first_index(~np.isfinite(gradient))
        hint = hint_for("nonfinite")
        return ArrayReport(array.name, gradient.shape, "nonfinite", hint, worst_index=index)
    evidence, look = _looked(array, own)
    size = rms(scaled)
    size = max(size, abs(look.numeric)) if math.isfinite(look.numeric) else size
    verdict, doubt = look.verdict, look.doubt
    if verdict == "ok":
        others = [array.look_along(d, own) for d in _other_directions(scaled, evidence, look, size)]
        doubt = max([doubt, *(other.doubt for other in others)])
        # They do not condemn: of bars so coarse one in a few may be missed.
        verdict = "ok" if all(other.verdict == "ok" for other in others) else "undecided"
    verdict = of_array(
        verdict,
        scaled,
        np.array(size),
        np.array(doubt),
        array.seen.answers,
        array.case.rounding_only,
    )
    off = abs(evidence.analytic - look.numeric)
    moved_by = max(float(np.quantile(np.abs(array.direction), SEEN_BY_NINE_IN_TEN)), TINIEST)
    seen = look.error_bar / moved_by
    shares = (off / size, seen / size) if size else (0.0, 0.0)
    hint = hint_for(verdict, bool(array.seen.change), *shares)
    worst, values = None, (evidence.analytic, look.numeric, look.error_bar)
    if verdict in ("wrong", "kink") and array.seen.change:
        worst, entry = _guilty_entry(array, own, size)
        if worst is not None and entry is not None:
            verdict = entry.verdict
            unit = float(array.case.units[array.name][worst])
            values = (float(gradient[worst]), entry.numeric / unit, entry.error_bar / unit)
            off = abs(values[0] - values[1]) * unit
            share = off / max(abs(values[0]) * unit, size, np.finfo(float).tiny)
            hint = _signature(array, own) if verdict == "wrong" else hint_for(verdict, share=share)
        elif verdict == "wrong" and (entry is not None or not _confirmed(array, own)):
            # The entries that should be the worst are right: it was the direction that misled.
            verdict, hint = "undecided", hint_for("undecided")
    return ArrayReport(
        array.name,
        gradient.shape,
        verdict,
        hint,
        relative_error(np.array(evidence.analytic), np.array(look.numeric)),
        worst,
        *values,
        gradient,
        resolution=seen / float(np.median(array.case.units[array.name])),
    )


def _looked(array: _Array, own: Own) -> tuple[Evidence, Look]:
    """A first look along the direction, and a closer one if that leaves anything open."""
    evidence = array.first_look(own)
    look = judge(evidence)
    bar = look.error_bar - evidence.own  # what another stride cannot better
    sure = bar <= COARSE * max(rms(array.scaled), abs(look.numeric))
    if look.verdict == "ok" and sure and not array.seen.bent:
        return evidence, look
    evidence = array.closer_look(evidence, own)
    return evidence, judge(evidence)


def _other_directions(
    scaled: np.ndarray, evidence: Evidence, look: Look, size: float
) -> list[np.ndarray]:
    """What else is to be compared where the error bar lets too much by.

    The direction of the gradient itself, along which its slope is largest, so that no other shows a
    factor or a sign as well; and three more random ones where the bar is coarse beside the whole
    gradient too.
    """
    length = rms(scaled) * math.sqrt(scaled.size)
    directions = []
    if look.error_bar > COARSE * abs(evidence.analytic) and 0 < length < math.inf:
        directions.append(scaled / length)
    if look.error_bar > COARSE * size:
        directions += [random_direction(scaled.shape, seed) for seed in OTHERS]
    return directions


def _confirmed(array: _Array, own: Own) -> bool:
    """Whether another direction condemns the array as well, where no single entry could be found."""
    other = random_direction(array.direction.shape, OTHERS[0])
    return array.look_along(other, own).verdict == "wrong"


def _guilty_entry(
    array: _Array, own: Own, size: float
) -> tuple[tuple[int, ...] | None, Look | None]:
    """Halve the array until one entry is left, and judge it.

    The error along a direction of random signs is the sum of those along its two halves, so four
    evaluations tell which half has the larger one. If the entry that is left turns out to be right,
    because many errors cancelled on the way, other signs are tried. An entry at a kink, or one that
    is close, is the answer if there is nothing worse; no entry, if all that were found are right,
    and then the look says so.
    """
    shape = array.direction.shape
    found: tuple[tuple[int, ...] | None, Look | None] = None, None
    right = 0
    for seed in range(SEARCHES):
        signs = np.random.RandomState(10 + seed).choice([-1.0, 1.0], array.direction.size)
        entries = np.arange(signs.size)
        error = _error_along(array, signs, entries)
        while entries.size > 1:
            half = entries[: entries.size // 2]
            of_half = _error_along(array, signs, half)
            if abs(of_half) >= abs(error - of_half):
                entries, error = half, of_half
            else:
                entries, error = entries[half.size :], error - of_half
        index = index_of(int(entries[0]), shape)
        step = array.seen.step * float(array.case.units[array.name][index])
        evidence = at_entries(array.case, array.name, {index: step}, own)[index]
        look = judge(evidence, array.tolerance, size)
        if look.verdict == "wrong":
            return index, look
        right += look.verdict == "ok"
        if look.verdict == "kink" or (look.verdict == "close" and found[1] is None):
            found = index, look
    if found[1] is None and right == SEARCHES:
        return None, Look("ok", math.nan, math.inf)
    return found


def _error_along(array: _Array, signs: np.ndarray, entries: np.ndarray) -> float:
    """The gradient's slope minus that of the loss, along the signs of some of the entries."""
    direction = np.zeros(signs.shape)
    direction[entries] = signs[entries]
    moves = direction.reshape(array.direction.shape) * array.case.units[array.name]
    strides = np.array([1.0, 2.0]) * math.sqrt(array.seen.step * array.seen.wide / entries.size)
    losses = line_losses(
        array.case.loss, array.case.point, {array.name: moves}, (*strides, *-strides)
    ).astype(float)
    near, far = (losses[:2] - losses[2:]) / (2 * strides)
    slope = (4 * near - far) / 3  # Richardson: what grows with the square of the stride is gone
    return float(np.dot(np.ravel(array.scaled), direction) - slope)


def _signature(array: _Array, own: Own) -> str:
    """What a few entries, drawn at random, say about the mistake."""
    case, name = array.case, array.name
    gradient, parameter, units = case.gradients[name], case.point[name], case.units[name]
    sample = min(SAMPLE, gradient.size)
    drawn = np.random.RandomState(3).choice(gradient.size, sample, replace=False)
    indices = [index_of(int(entry), gradient.shape) for entry in drawn]
    steps = {index: array.seen.step * float(units[index]) for index in indices}
    looks = [judge(each) for each in at_entries(case, name, steps, own).values()]
    truth = np.array([look.numeric for look in looks]) / units.ravel()[drawn]
    bars = np.array([look.error_bar for look in looks]) / units.ravel()[drawn]
    answer = gradient.ravel()[drawn]
    size = max(np.abs(answer).max(), np.abs(truth).max(), np.finfo(float).tiny)
    if (np.abs(answer - truth) <= np.maximum(bars, NOT_OFF * size)).mean() > MOST:
        return "most entries of this array are right"
    signature = recognise(answer, truth, parameter.ravel()[drawn], bars=bars)
    if signature is None or signature.kind not in OF_A_SAMPLE:
        return ""
    return describe(of_the_whole(signature, gradient, parameter), columns(case.point))
