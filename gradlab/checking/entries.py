"""The gradient check that looks at every entry."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np

from gradlab import differences
from gradlab.checking.error_bars import (
    CENTRAL,
    Problem,
    backward_bars,
    doubted,
    extrapolated,
    look_closer,
    rounding_bar,
    said,
    settled,
    step_for_entries,
    visible_steps,
)
from gradlab.checking.report import VERDICTS, ArrayReport
from gradlab.checking.signatures import describe, recognise
from gradlab.differences.formulas import relative_error, rms
from gradlab.differences.noise import SAFETY, UNIT, Probe, probe, random_direction
from gradlab.differences.sweep import Params, moved
from gradlab.validation import index_of

__all__ = ["check_entries"]

FIRST_LOOKS = 4
BENDS_LOOKED_AT = 1  # the sharpest of those inside their error bars, for a kink
LONGER = 2.0 ** np.arange(6)  # times the step, where central differences leave too much in doubt
SHARP = 4.0  # times the curvature of the whole array: one entry may well have that much


def check_entries(
    problem: Problem, method: str, eps: float | None, workers: int | Callable, progress: bool
) -> dict[Hashable, ArrayReport]:
    """Compare every entry with a difference, and look closer at those outside their error bar.

    Parameters
    ----------
    problem
        The loss and the gradient under test.
    method, eps, workers, progress
        As in :func:`gradlab.check_gradients`, already validated.

    Raises
    ------
    ValueError
        If ``eps`` is so small that adding it to an entry changes nothing.
    """
    probes = {
        name: probe(
            problem.loss,
            problem.params,
            {name: random_direction(problem.params[name].shape)},
            problem.center,
            problem.noise,
        )
        for name in problem.names
    }
    own_steps = eps is None and method == "central"
    if own_steps:
        probes = {
            name: seen._replace(step=step_for_entries(problem, name, seen.step))
            for name, seen in probes.items()
        }
        steps = {
            name: visible_steps(array, probes[name].step)
            if name in probes
            else np.zeros(array.shape)
            for name, array in problem.params.items()
        }
    else:
        steps = differences.entry_steps(problem.params, method, eps)
    if method == "complex":
        measured = _complex_steps(problem, eps, workers, progress)
    else:
        measured = _differences(problem, differences.FORMULAS[method], steps, workers, progress)
    backward = backward_bars(
        problem,
        {name: array.numeric for name, array in measured.items()},
        {
            name: np.maximum(array.bends, max(probes[name].curvature, array.bends.mean()))
            for name, array in measured.items()
        },
    )
    return {
        name: _Sheet(problem, name, array, backward[name], own_steps).report(probes[name], progress)
        for name, array in measured.items()
    }


class _Measured(NamedTuple):
    """The differences of one array, by how much rounding may have them off, and second ones."""

    numeric: np.ndarray
    rounding: np.ndarray
    bends: np.ndarray  # zero where the formula has no second difference in it


def _complex_steps(
    problem: Problem, eps: float | None, workers: int | Callable, progress: bool
) -> dict[Hashable, _Measured]:
    numeric = differences.numerical_gradient(
        problem.loss, problem.params, "complex", eps, workers=workers, progress=progress
    )
    return {
        name: _Measured(
            numeric[name], 64 * UNIT * np.abs(numeric[name]), np.zeros(numeric[name].shape)
        )
        for name in problem.names
    }


def _differences(
    problem: Problem,
    formula: differences.Formula,
    steps: Params,
    workers: int | Callable,
    progress: bool,
) -> dict[Hashable, _Measured]:
    differences.require_visible(problem.params, steps, formula.offsets)
    losses = differences.entry_losses(
        problem.loss, problem.params, steps, formula.offsets, workers=workers, progress=progress
    )
    measured = {}
    for name in problem.names:
        array, step = problem.params[name], steps[name]
        at = dict(zip(formula.offsets, losses[name], strict=True))
        points = {offset: moved(array, step, offset) for offset in at}
        bends = np.zeros(array.shape)
        if -1 in at:
            bend = np.abs(at[1] - 2 * problem.center + at[-1])
            bends = np.maximum(bend - 2 * SAFETY * problem.noise.level, 0.0) / step**2
        measured[name] = _Measured(
            differences.difference(formula, at, points),
            rounding_bar(formula, losses[name], step, problem.noise),
            bends,
        )
    return measured


class _Sheet:
    """The differences of one array and their error bars, bettered where a closer look was taken."""

    def __init__(
        self,
        problem: Problem,
        name: Hashable,
        measured: _Measured,
        backward: np.ndarray,
        own_steps: bool,
    ) -> None:
        self.problem, self.name = problem, name
        self.numeric = np.array(measured.numeric)  # of 0-d ones too
        self.bars = np.array(measured.rounding + backward)
        self.bends, self.backward, self.own_steps = measured.bends, backward, own_steps
        self.gradient = problem.gradients[name]

    def report(self, seen: Probe, progress: bool) -> ArrayReport:
        """The verdict on the array."""
        gradient = self.gradient
        if np.isfinite(gradient).all():
            verdict = self._look_closer(seen, progress)
        else:
            verdict = "nonfinite"
        if verdict != "nonfinite":
            verdict = self._settled(verdict, seen)
        if verdict == "undecided" and self.own_steps and self._lengthen(seen.step, progress):
            verdict = self._settled("ok" if np.all(self.off <= self.bars) else verdict, seen)
        size = self._size
        if verdict == "wrong" and seen.change:
            hint = self._signature()
        else:
            hint = said(verdict, seen, rms(self.off) / size if size else 0.0)
        worst = self._worst(verdict)
        return ArrayReport(
            self.name,
            gradient.shape,
            verdict,
            hint,
            relative_error(gradient, self.numeric),
            worst,
            float(gradient[worst]),
            float(self.numeric[worst]),
            float(self.bars[worst]),
            gradient,
            self.numeric,
            self.bars,
        )

    @property
    def off(self) -> np.ndarray:
        return np.abs(self.gradient - self.numeric)

    @property
    def _size(self) -> float:
        return max(rms(self.gradient), rms(self.numeric))

    def _settled(self, verdict: str, seen: Probe) -> str:
        doubt = rms(doubted(self.off, self.bars, self.backward))
        zero, unit = not self.gradient.any(), self.problem.noise.unit
        return settled(verdict, self._size, doubt, zero, seen, unit)

    def _lengthen(self, step: float, progress: bool) -> bool:
        """Take extrapolated differences with longer steps, where those are the more certain.

        They may decide that an array is right whose loss is too coarse for short steps. That it is
        wrong they never decide: a longer step may have a kink on its way.

        Returns
        -------
        bool
            False if that could not help, because the doubt is that of the gradient itself.
        """
        if rms(self.bars - self.backward) < rms(self.backward):
            return False
        array = self.problem.params[self.name]
        steps = visible_steps(array, step)
        losses = differences.entry_losses(
            lambda _: self.problem.loss(self.problem.params),
            {self.name: array},
            {self.name: steps},
            (*LONGER, *-LONGER),
            progress=progress,
        )[self.name]
        ups, downs = np.split(losses, 2)
        points = {
            sign: np.array([moved(array, steps, sign * k) for k in LONGER]) for sign in (1, -1)
        }
        central = differences.difference(CENTRAL, {1: ups, -1: downs}, points)
        lengths = np.multiply.outer(LONGER, steps)
        rounding = rounding_bar(CENTRAL, np.array([ups, downs]), lengths, self.problem.noise)
        values, bars = extrapolated(central, rounding)
        best = np.argmin(bars, axis=0)[np.newaxis]
        value, bar = (np.take_along_axis(each, best, axis=0)[0] for each in (values, bars))
        better = bar + self.backward < self.bars
        self.numeric = np.where(better, value, self.numeric)
        self.bars = np.where(better, bar + self.backward, self.bars)
        return True

    def _look_closer(self, seen: Probe, progress: bool) -> str:
        """Judge the entries outside their error bars, the worst ones first, until one is wrong.

        Of the entries inside, the one with the sharpest bend is looked at: a kink may be there.
        """
        verdict = "ok"
        off = self.off
        suspicious = ~(off <= self.bars)
        sharp = np.where(suspicious, 0.0, self.bends)
        bends = np.argsort(-sharp, axis=None, kind="stable")[:BENDS_LOOKED_AT]
        usual = 0.0 if seen.bent else SHARP * seen.curvature
        bends = bends[np.ravel(sharp)[bends] > usual]
        excess = np.where(np.isfinite(off), off / self.bars, np.inf)
        order = np.argsort(-np.where(suspicious, excess, 0.0), axis=None, kind="stable")
        order = np.concatenate([order[: np.count_nonzero(suspicious)], bends])
        count = FIRST_LOOKS
        while order.size and verdict != "wrong":
            batch = [index_of(entry, off.shape) for entry in order[:count]]
            order, count = order[count:], 4 * count
            looks = look_closer(self.problem, self.name, batch, seen.step, self.backward, progress)
            for index, look in looks.items():
                if self.own_steps:
                    self.numeric[index], self.bars[index] = look.numeric, look.error_bar
                else:  # the differences stay those that were asked for
                    away = abs(self.numeric[index] - look.numeric)
                    self.bars[index] = max(self.bars[index], away + look.error_bar)
            verdict = max(
                [verdict, *(look.verdict for look in looks.values())], key=list(VERDICTS).index
            )
        return verdict

    def _worst(self, verdict: str) -> tuple[int, ...]:
        """The wrong entry that is farthest off, or the entry farthest off in error bars."""
        rank = self.off if verdict == "wrong" else self.off / self.bars
        rank = np.where(np.isfinite(self.gradient) & np.isfinite(rank), rank, np.inf)
        return index_of(int(np.argmax(rank)), rank.shape)

    def _signature(self) -> str:
        parameter = self.problem.params[self.name]
        uncertain = 10 * np.max(self.bars) / max(np.max(np.abs(self.gradient)), 1e-300)
        return describe(recognise(self.gradient, self.numeric, parameter, max(1e-4, uncertain)))
