"""Is a gradient right? Judged by the error bar of each difference, not by a magic cutoff."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

import numpy as np

from gradlab import differences, validation
from gradlab.judging import backward_bars, look_closer, rounding_bar
from gradlab.noise import SAFETY, UNIT, Noise, Probe, loss_noise, probe
from gradlab.report import ArrayReport, GradientCheckError, Report

__all__ = ["GradientCheckError", "Report", "check_gradients", "relative_error"]

Params = Mapping[Hashable, np.ndarray]
Loss = Callable[[Params], float]

RESOLVED = 0.1  # an error bar above this part of the gradient decides nothing
FIRST_LOOKS = 4


def relative_error(analytic: np.ndarray, numeric: np.ndarray) -> float:
    """The measure of the exercise: ``|a - n| / (|a| + |n| + 1e-15)``, in the 2-norm."""
    analytic, numeric = np.ravel(analytic), np.ravel(numeric)
    scale = np.linalg.norm(analytic) + np.linalg.norm(numeric) + 1e-15
    return float(np.linalg.norm(analytic - numeric) / scale)


def check_gradients(
    loss: Loss,
    params: Params,
    grads: Params | Callable[[Params], Params],
    method: str = "central",
    eps: float | None = None,
    cutoff: float | None = None,
    how: str = "entries",
    workers: int | Callable = 1,
    progress: bool = True,
) -> Report:
    """Compare a gradient with differences of its loss, and judge it by their error bars.

    Parameters
    ----------
    loss
        ``loss(params)`` returns one real number.
    params
        Floating-point arrays of any shape and memory order, by name. They are perturbed in place,
        because a layer may hold them under another name, and put back bit for bit, whatever happens.
    grads
        The gradient under test: arrays with the names and shapes of ``params``, or a function
        that computes them from ``params``, which is called once. They are copied.
    method
        "forward", "central", "central4", "complex" or "richardson", as in
        :func:`gradlab.numerical_gradient`.
    eps
        The step, in the units of the parameters. By default each array gets its own, from the
        noise and the curvature of the loss.
    cutoff
        A relative error that no array may reach, as well: the classical rule.
    how
        "entries" to compare every entry, "directions" to compare slopes in random directions: a
        few evaluations at any size.
    workers, progress
        As in :func:`gradlab.numerical_gradient`.

    Returns
    -------
    Report
        An :class:`ArrayReport` for each array; true only if all are ok.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used as it is: by name, and before anything is moved.
    """
    arrays = validation.require_parameters(params)
    validation.require_loss(loss)
    validation.require_method(method, differences.METHODS)
    eps = validation.require_step(eps)
    with differences.restored(params):
        gradients = validation.require_gradients(
            grads(params) if callable(grads) else grads, arrays
        )
    with differences.restored(params):
        center = validation.loss_value(loss(params))
        again = validation.loss_value(loss(params))
        if not math.isfinite(center):
            return _verdict_for_all(arrays, gradients, "nonfinite")
        if abs(again - center) > 64 * UNIT * abs(center) or math.isnan(again):
            return _verdict_for_all(arrays, gradients, "random")
        params = arrays = widened(loss, params, center)
        center = validation.loss_value(loss(params))
        noise = loss_noise(loss, params)
        check = _Check(loss, params, arrays, method, eps, center, noise, workers, progress)
        found = check.entries(gradients)
    found = {name: _with_cutoff(array, cutoff) for name, array in found.items()}
    return Report(found)


def widened(loss: Loss, params: Params, center: float) -> Params:
    """The parameters in float64, if the loss then computes in float64; otherwise as they are.

    A difference of float32 losses has at best five digits, one of float64 losses ten; the point,
    and so the gradient, is the same. Of a loss that does not read its argument, or that casts it
    back, the float32 parameters themselves are used.
    """
    if all(array.dtype.itemsize >= 8 for array in params.values()):
        return params
    signs = np.random.RandomState(2)
    away = {
        name: array * (1 + signs.choice([-1, 1], array.shape).astype(array.dtype) / 32)
        for name, array in params.items()
    }
    with differences.restored(params) as arrays:
        for name, array in arrays.items():
            array[...] = away[name]
        held = validation.loss_value(loss(params))
    try:
        given = validation.loss_value(loss({n: a.astype(float) for n, a in away.items()}))
    except TypeError:
        return params
    wide = {name: array.astype(float) for name, array in params.items()}
    change = given - validation.loss_value(loss(wide))
    unseen = 64 * np.finfo(np.float32).eps * (abs(held) + abs(center))
    same = abs(change - (held - center)) <= 0.01 * abs(change) + unseen
    return wide if change and same and loss_noise(loss, wide).unit < 1e-12 else params


def _verdict_for_all(arrays, gradients, verdict) -> Report:
    return Report({name: ArrayReport(name, verdict, gradient=gradients[name]) for name in arrays})


def _with_cutoff(array: ArrayReport, cutoff: float | None) -> ArrayReport:
    if cutoff is None or array.relative_error < cutoff or array.verdict not in ("ok", "undecided"):
        return array
    from dataclasses import replace

    return replace(array, verdict="undecided")


class _Check(NamedTuple):
    loss: Loss
    params: Params
    arrays: Params
    method: str
    eps: float | None
    center: float
    noise: Noise
    workers: int | Callable
    progress: bool

    @property
    def adaptive(self) -> bool:
        return self.eps is None and self.method == "central"

    def entries(self, gradients: Params) -> dict[Hashable, ArrayReport]:
        probes = {name: probe(self.loss, self.params, name, self.center, self.noise) for name in self.arrays}
        steps = {name: self._steps(array, probes[name]) for name, array in self.arrays.items()}
        numeric, bars, curvatures = self._differences(steps)
        backward = backward_bars(gradients, self.arrays, numeric, curvatures, self.noise)
        return {
            name: self._judge(name, gradients[name], numeric[name], bars[name] + backward[name], backward[name], probes[name])
            for name in self.arrays
        }

    def _steps(self, array: np.ndarray, found: Probe) -> np.ndarray:
        if not self.adaptive:
            return differences.entry_steps({0: array}, self.method, self.eps)[0]
        return np.maximum(found.step, 256 * np.spacing(np.abs(array)).astype(float))

    def _differences(self, steps: Params) -> tuple[Params, Params]:
        if self.method == "complex":
            numeric = differences.numerical_gradient(
                self.loss, self.params, "complex", self.eps, workers=self.workers, progress=self.progress
            )
            zeros = {name: np.zeros_like(n) for name, n in numeric.items()}
            return numeric, {name: 64 * UNIT * np.abs(n) for name, n in numeric.items()}, zeros
        formula = differences.FORMULAS[self.method]
        losses = differences.entry_losses(
            self.loss, self.params, steps, formula.offsets, workers=self.workers, progress=self.progress
        )
        numeric, bars, curvatures = {}, {}, {}
        for name, array in self.arrays.items():
            points = {o: differences.moved(array, steps[name], o) for o in formula.offsets}
            numeric[name] = differences.difference(
                formula, dict(zip(formula.offsets, losses[name], strict=True)), points
            )
            bars[name] = rounding_bar(formula, losses[name], steps[name], self.noise)
            o = formula.offsets
            curvatures[name] = (
                np.abs(losses[name][o.index(1)] + losses[name][o.index(-1)] - 2 * self.center) / steps[name] ** 2
                if -1 in o
                else np.zeros_like(numeric[name])
            )
        return numeric, bars, curvatures

    def _judge(self, name, gradient, numeric, bars, backward, found) -> ArrayReport:
        kind = self._look(name, gradient, numeric, bars, backward, found)
        error = relative_error(gradient, numeric)
        off = np.abs(gradient - numeric)
        with np.errstate(invalid="ignore", divide="ignore"):
            rank = off if kind == "wrong" else off / bars
        rank = np.where(np.isfinite(rank), rank, np.inf)
        worst = tuple(int(i) for i in np.unravel_index(int(np.argmax(rank)), rank.shape))
        if kind == "ok":
            size = max(np.linalg.norm(gradient), np.linalg.norm(numeric))
            if np.linalg.norm(bars) > RESOLVED * size:
                kind = "undecided"
            if not gradient.any():
                kind = "untested"
            if found.change <= SAFETY * self.noise.level:
                kind = "unused"
        return ArrayReport(name, kind, "", error, worst, gradient, numeric, bars)

    def _look(self, name, gradient, numeric, bars, backward, found) -> str:
        """Look closer at the entries that lie outside their error bar, the worst ones first."""
        if not np.isfinite(gradient).all():
            return "nonfinite"
        kind = "ok"
        off = np.abs(gradient - numeric)
        suspicious = ~(off <= bars)
        order = np.argsort(-np.where(suspicious, off / bars, 0), axis=None, kind="stable")
        order = order[: np.count_nonzero(suspicious)]
        first, count = 0, FIRST_LOOKS
        while first < len(order) and kind != "wrong":
            batch = [tuple(map(int, np.unravel_index(i, off.shape))) for i in order[first : first + count]]
            looks = look_closer(
                self.loss,
                self.params,
                {index: float(gradient[index]) for index in batch},
                self.arrays[name],
                found.step,
                backward,
                self.noise,
            )
            for index, look in looks.items():
                if self.adaptive:
                    numeric[index], bars[index] = look.numeric, look.error_bar
                else:
                    bars[index] = max(bars[index], abs(numeric[index] - look.numeric) + look.error_bar)
            kind = max([kind, *(look.verdict for look in looks.values())], key=SEVERITY.index)
            first, count = first + count, 4 * count
        return kind


SEVERITY = ["ok", "undecided", "nonfinite", "kink", "wrong"]
