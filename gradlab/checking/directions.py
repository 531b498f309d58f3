"""The gradient check that looks at one random direction in each array, whatever their size.

The slope of the loss along a direction ``d`` is the scalar product of the gradient and ``d``. For a
wrong gradient the two agree only if the error happens to be orthogonal to ``d``, and a Gaussian
direction leaves no room for that: where the entries of ``d`` are +1 and -1, errors of equal size
cancel every other time.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np

from gradlab.checking.error_bars import (
    CENTRAL,
    LADDER,
    Look,
    Problem,
    Rungs,
    backward_bars,
    doubted,
    extrapolated,
    look_closer,
    rounding_bar,
    said,
    settled,
)
from gradlab.checking.report import VERDICTS, ArrayReport
from gradlab.checking.signatures import describe, recognise
from gradlab.differences.formulas import relative_error, rms
from gradlab.differences.noise import Probe, line_losses, probe, random_direction
from gradlab.differences.progress import Progress
from gradlab.validation import first_index, index_of

__all__ = ["check_directions"]

STEPS = 2.0 ** np.arange(-1, 6)  # times the step of the probe
ACROSS = 9.0  # times: the direction may lie across that of the largest curvature
FAR = 256.0  # times the step, which a kink on the way has made short
SAMPLE = 8
SEARCHES = 3
COARSE = 1e-3  # an error bar of more than this part of the gradient lets too much by,
OTHERS = (2, 3, 4)  # and so the slopes along directions of these seeds are compared as well
OF_A_SAMPLE = ("zero", "ratio", "decay", "sign decay", "shifted")  # others need the whole array


def check_directions(problem: Problem, progress: bool) -> dict[Hashable, ArrayReport]:
    """Compare one slope in each array, and search for the guilty entry where it does not agree.

    Parameters
    ----------
    problem
        The loss and the gradient under test.
    progress
        Whether to show a progress bar when it takes longer than a second.
    """
    directions = {name: random_direction(problem.params[name].shape) for name in problem.names}
    probes, slopes, numeric, curvatures = {}, {}, {}, {}
    found = {}
    with Progress(2 * len(directions), progress) as bar:
        for name, direction in directions.items():
            along = {name: direction}
            probes[name] = probe(problem.loss, problem.params, along, problem.center, problem.noise)
            slopes[name] = _slope(problem, name, direction, probes[name].step)
            shape = direction.shape
            numeric[name] = np.full(shape, slopes[name].best.numeric)
            curvatures[name] = np.full(shape, ACROSS * probes[name].curvature)
            bar.advance()
        backward = backward_bars(problem, numeric, curvatures)
        for name, direction in directions.items():
            found[name] = _judged(
                problem, name, direction, probes[name], slopes[name], backward[name]
            )
            bar.advance()
    return found


class _Slope(NamedTuple):
    """The slope along a direction, by Richardson extrapolation from several steps."""

    values: np.ndarray
    bars: np.ndarray

    @property
    def best(self) -> Look:
        if not np.isfinite(self.bars).any():
            return Look("nonfinite", math.nan, math.inf)
        k = int(np.argmin(self.bars))
        return Look("ok", float(self.values[k]), float(self.bars[k]))

    def judge(self, analytic: float, backward: float) -> Look:
        """``wrong`` if the gradient's slope lies outside the error bars of two steps at least."""
        best = self.best
        look = best._replace(error_bar=best.error_bar + backward)
        if best.verdict != "ok" or abs(analytic - best.numeric) <= look.error_bar:
            return look
        outside = np.abs(analytic - self.values) > self.bars + backward
        return look._replace(verdict="wrong" if np.count_nonzero(outside) > 1 else "undecided")


def _slope(problem: Problem, name: Hashable, direction: np.ndarray, step: float) -> _Slope:
    """Slopes ``(4 A(h) - A(2h)) / 3`` with their error bars, from central differences ``A``."""
    lengths = step * STEPS
    losses = line_losses(
        problem.loss, problem.params, {name: direction}, (*lengths, *-lengths)
    ).astype(float)
    ups, downs = losses.reshape(2, -1)
    with np.errstate(invalid="ignore"):
        central = (ups - downs) / (2 * lengths)
    rounding = rounding_bar(CENTRAL, np.array([ups, downs]), lengths, problem.noise)
    return _Slope(*extrapolated(central, rounding))


class _Compared(NamedTuple):
    """The gradient's slope along a direction, and the look at the loss's own."""

    analytic: float
    look: Look
    off: float
    doubt: float

    def badness(self) -> tuple[int, float]:
        return list(VERDICTS).index(self.look.verdict), self.doubt


def _compared(
    problem: Problem, name: Hashable, direction: np.ndarray, slope: _Slope, backward: np.ndarray
) -> _Compared:
    analytic = float(np.vdot(problem.gradients[name], direction))
    of_gradient = rms(backward * direction) * math.sqrt(direction.size)
    look = slope.judge(analytic, of_gradient)
    off = abs(analytic - look.numeric)
    return _Compared(analytic, look, off, float(doubted(off, look.error_bar, of_gradient)))


def _judged(
    problem: Problem,
    name: Hashable,
    direction: np.ndarray,
    seen: Probe,
    slope: _Slope,
    backward: np.ndarray,
) -> ArrayReport:
    gradient = problem.gradients[name]
    if not np.isfinite(gradient).all():
        index = first_index(~np.isfinite(gradient))
        hint = said("nonfinite", seen)
        return ArrayReport(name, gradient.shape, "nonfinite", hint, worst_index=index)
    first = found = _compared(problem, name, direction, slope, backward)
    size = max(rms(gradient), abs(first.look.numeric))
    if found.look.error_bar > COARSE * size:
        others = (random_direction(direction.shape, seed) for seed in OTHERS)
        found = max(
            first,
            *(
                _compared(problem, name, d, _slope(problem, name, d, seen.step), backward)
                for d in others
            ),
            key=_Compared.badness,
        )
    analytic, look, off, doubt = found
    verdict = settled(look.verdict, size, doubt, not gradient.any(), seen, problem.noise.unit)
    if verdict == "wrong" and first.look.verdict != "wrong":
        verdict = "undecided"  # with bars so coarse, one direction in four may lie outside
    if verdict == "ok" and seen.bent and _rungs(problem, name, direction, seen.step).on_a_kink():
        verdict = "kink"
    worst, values = None, (analytic, look.numeric, look.error_bar)
    hint = said(verdict, seen, off / size if size else 0.0)
    if verdict == "wrong" and seen.change:
        worst, entry = _guilty_entry(problem, name, seen.step, backward)
        verdict = entry.verdict
        # A kink so near that every step along the direction goes beyond it?
        if worst is None and _rungs(problem, name, direction, FAR * seen.step).kink():
            verdict = "kink"
        hint = said(verdict, seen)
        if worst is not None:
            values = (float(gradient[worst]), entry.numeric, entry.error_bar)
            if verdict == "wrong":
                hint = _signature(problem, name, seen.step)
    return ArrayReport(
        name,
        gradient.shape,
        verdict,
        hint,
        relative_error(np.array(analytic), np.array(look.numeric)),
        worst,
        *values,
        gradient,
    )


def _rungs(problem: Problem, name: Hashable, direction: np.ndarray, step: float) -> Rungs:
    lengths = step * LADDER
    losses = line_losses(problem.loss, problem.params, {name: direction}, (*lengths, *-lengths))
    ups, downs = losses.astype(float).reshape(2, -1)
    return Rungs.of(problem, ups, downs, {1: lengths, -1: -lengths}, lengths, backward=0.0)


def _guilty_entry(
    problem: Problem, name: Hashable, step: float, backward: np.ndarray
) -> tuple[tuple[int, ...] | None, Look]:
    """Halve the array until one entry is left, and judge it.

    The error along a direction of random signs is the sum of those along its two halves, so four
    evaluations tell which half has the larger one. If the entry that is left turns out to be right,
    because many errors cancelled on the way, other signs are tried. An entry at a kink is the
    answer if there is nothing worse; no entry, if all that were found are right.
    """
    gradient = problem.gradients[name]
    kink = None
    for seed in range(SEARCHES):
        signs = np.random.RandomState(10 + seed).choice([-1.0, 1.0], gradient.size)
        entries = np.arange(gradient.size)
        error = _error_along(problem, name, step, signs, entries)
        while entries.size > 1:
            half = entries[: entries.size // 2]
            of_half = _error_along(problem, name, step, signs, half)
            if abs(of_half) >= abs(error - of_half):
                entries, error = half, of_half
            else:
                entries, error = entries[half.size :], error - of_half
        index = index_of(int(entries[0]), gradient.shape)
        look = look_closer(problem, name, [index], step, backward)[index]
        if look.verdict == "wrong":
            return index, look
        if look.verdict == "kink":
            kink = index, look
    return kink or (None, Look("wrong", math.nan, math.inf))


def _error_along(
    problem: Problem, name: Hashable, step: float, signs: np.ndarray, entries: np.ndarray
) -> float:
    """The gradient's slope minus that of the loss, along the signs of some of the entries."""
    shape = problem.params[name].shape
    direction = np.zeros(signs.shape)
    direction[entries] = signs[entries]
    length = math.sqrt(entries.size)
    steps = np.array([2.0, 4.0]) * step / length
    losses = line_losses(
        problem.loss, problem.params, {name: direction.reshape(shape)}, (*steps, *-steps)
    ).astype(float)
    near, far = (losses[:2] - losses[2:]) / (2 * steps)
    slope = (4 * near - far) / 3
    return float(np.dot(np.ravel(problem.gradients[name])[entries], signs[entries]) - slope)


def _signature(problem: Problem, name: Hashable, step: float) -> str:
    """What a few entries, drawn at random, say about the mistake."""
    gradient, parameter = problem.gradients[name], problem.params[name]
    if gradient.size < 2:
        return ""
    sample = min(SAMPLE, gradient.size)
    drawn = np.random.RandomState(3).choice(gradient.size, sample, replace=False)
    indices = [index_of(entry, gradient.shape) for entry in drawn]
    looks = look_closer(problem, name, indices, step, np.zeros(gradient.shape))
    truth = np.array([looks[index].numeric for index in indices])
    bars = np.array([looks[index].error_bar for index in indices])
    answer = gradient.ravel()[drawn]
    size = max(np.abs(answer).max(), np.abs(truth).max(), np.finfo(float).tiny)
    if (np.abs(answer - truth) <= np.maximum(bars, 1e-4 * size)).mean() > 0.5:
        return "most entries of this array are right"
    signature = recognise(
        answer, truth, parameter.ravel()[drawn], max(1e-4, 10 * bars.max() / size)
    )
    return describe(signature) if signature and signature.kind in OF_A_SAMPLE else ""
