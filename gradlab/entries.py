"""The gradient check that looks at every entry."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import numpy as np

from gradlab import differences
from gradlab.judging import (
    CENTRAL,
    Problem,
    backward_bars,
    doubted,
    extrapolated,
    look_closer,
    relative_error,
    rounding_bar,
    said,
    settled,
    step_for_entries,
    visible_steps,
)
from gradlab.noise import SAFETY, UNIT, Probe, probe, random_direction, rms
from gradlab.report import VERDICTS, ArrayReport
from gradlab.signatures import describe, recognise

__all__ = ["check_entries"]

Params = Mapping[Hashable, np.ndarray]

FIRST_LOOKS = 4
BENDS = 1  # of those inside their error bars, the entries that are looked at for a kink
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
    loss, params = problem.loss, problem.params
    probes = {
        name: probe(
            loss,
            params,
            {name: random_direction(params[name].shape)},
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
            for name, array in params.items()
        }
    else:
        steps = differences.entry_steps(params, method, eps)
    if method == "complex":
        numeric = differences.numerical_gradient(
            loss, params, method, eps, workers=workers, progress=progress
        )
        rounding = {name: 64 * UNIT * np.abs(n) for name, n in numeric.items()}
        curvatures = {name: np.full(params[name].shape, probes[name].curvature) for name in probes}
    else:
        formula = differences.FORMULAS[method]
        differences.require_visible(params, steps, formula.offsets)
        losses = differences.entry_losses(
            loss, params, steps, formula.offsets, workers=workers, progress=progress
        )
        numeric, rounding, curvatures = {}, {}, {}
        for name, seen in probes.items():
            at = dict(zip(formula.offsets, losses[name], strict=True))
            step = steps[name]
            points = {offset: differences.moved(params[name], step, offset) for offset in at}
            numeric[name] = differences.difference(formula, at, points)
            rounding[name] = rounding_bar(formula, losses[name], step, problem.noise)
            if -1 in at:
                bend = np.abs(at[1] - 2 * problem.center + at[-1])
                seen_bend = np.maximum(bend - 2 * SAFETY * problem.noise.level, 0.0)
                bends = seen_bend / step**2
                curvatures[name] = np.maximum(bends, max(seen.curvature, bends.mean()))
            else:
                curvatures[name] = np.full(step.shape, seen.curvature)
    numeric = {name: numeric[name] for name in probes}
    backward = backward_bars(problem, numeric, curvatures)
    found = {}
    for name, seen in probes.items():
        sheet = _Sheet(
            problem, name, numeric[name], rounding[name] + backward[name], backward[name], own_steps
        )
        sharp = curvatures[name] / (SHARP * seen.curvature) if seen.curvature else 0 * steps[name]
        found[name] = sheet.report(seen, sharp, progress)
    return found


class _Sheet:
    """The differences of one array and their error bars, bettered where a closer look was taken."""

    def __init__(
        self,
        problem: Problem,
        name: Hashable,
        numeric: np.ndarray,
        bars: np.ndarray,
        backward: np.ndarray,
        own_steps: bool,
    ):
        self.problem, self.name = problem, name
        self.numeric, self.bars = np.array(numeric), np.array(bars)  # of 0-d ones too
        self.backward, self.own_steps = backward, own_steps
        self.gradient = problem.gradients[name]

    def report(self, seen: Probe, sharp: np.ndarray, progress: bool) -> ArrayReport:
        """The verdict on the array; ``sharp`` entries, above 1, may sit on a kink."""
        gradient = self.gradient
        if np.isfinite(gradient).all():
            verdict = self._look_closer(seen.step, sharp, progress)
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
            sign: np.array([differences.moved(array, steps, sign * k) for k in LONGER])
            for sign in (1, -1)
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

    def _look_closer(self, step: float, sharp: np.ndarray, progress: bool) -> str:
        """Judge the entries outside their error bars, the worst ones first, until one is wrong.

        Of the entries inside, the one with the sharpest bend is looked at: a kink may be there.
        """
        verdict = "ok"
        off = self.off
        suspicious = ~(off <= self.bars)
        bends = np.argsort(-np.where(suspicious, 0.0, sharp), axis=None, kind="stable")[:BENDS]
        bends = bends[np.ravel(sharp)[bends] > 1]
        excess = np.where(np.isfinite(off), off / self.bars, np.inf)
        order = np.argsort(-np.where(suspicious, excess, 0.0), axis=None, kind="stable")
        order = np.concatenate([order[: np.count_nonzero(suspicious)], bends])
        count = FIRST_LOOKS
        while order.size and verdict != "wrong":
            batch = [tuple(map(int, np.unravel_index(entry, off.shape))) for entry in order[:count]]
            order, count = order[count:], 4 * count
            looks = look_closer(self.problem, self.name, batch, step, self.backward, progress)
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
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(rank)), rank.shape))

    def _signature(self) -> str:
        parameter = self.problem.params[self.name]
        uncertain = 10 * np.max(self.bars) / max(np.max(np.abs(self.gradient)), 1e-300)
        return describe(recognise(self.gradient, self.numeric, parameter, max(1e-4, uncertain)))
