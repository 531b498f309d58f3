"""One entry at a time: how sure is a difference, and does the gradient lie within its error bar?

The error bar of a difference has three parts: the noise of the loss divided by the step; the
truncation error, seen in the change from one step to a shorter one; and the rounding error of the
gradient under test itself, because backpropagation rounds as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from gradlab.differences import FORMULAS, Formula, difference, entry_losses, moved
from gradlab.noise import SAFETY, UNIT, Noise, rms, unit_of

__all__ = ["Look", "backward_bars", "look_closer", "rounding_bar"]

Params = Mapping[str, np.ndarray]
Index = tuple[int, ...]

CENTRAL = FORMULAS["central"]
LADDER = 4.0 ** np.arange(1, -9, -1)  # times the step of the array
KINKED = 0.5  # a smooth second difference shrinks to a quarter from rung to rung
BACKWARD = 32.0


class Look(NamedTuple):
    """What a closer look at one entry has shown."""

    verdict: str
    numeric: float
    error_bar: float


def rounding_bar(
    formula: Formula, losses: np.ndarray, step: np.ndarray | float, noise: Noise
) -> np.ndarray:
    """What the noise of the losses, (offsets, ...), may amount to in a difference."""
    level = np.maximum(noise.level, UNIT * np.abs(losses).max(axis=0))
    return SAFETY * formula.amplification * level / step


def backward_bars(
    gradients: Params, params: Params, numeric: Params, curvatures: Params, noise: Noise
) -> dict[str, np.ndarray]:
    """What rounding may have done to the gradient under test, and to the loss a step away.

    A few units in the last place of three things: the entry itself and the rest of its array; the
    steepest slope times the size of a parameter, because a factor that has cancelled to nearly
    nothing, such as ``1 - h`` of a saturated unit, has the rounding error of one that has not; and
    what moving every parameter within its own rounding would change, ``u |H| |p|``, which is all
    that is left near a minimum. The Hessian ``H`` is known on its diagonal; ``H_ij**2 <= H_ii H_jj`` where it is positive
    definite. (Backward error analysis: N. J. Higham, Accuracy and Stability of Numerical
    Algorithms, 2nd edition, 2002, chapter 1.)
    """
    finite = {name: np.where(np.isfinite(g), g, 0.0) for name, g in gradients.items()}
    unit = max(min(map(unit_of, finite.values())), min(noise.unit, 1e-3))
    size = rms(np.concatenate([array.ravel() for array in params.values()]))
    fall = size * max(rms(n[np.isfinite(n)]) for n in numeric.values())
    reach = math.sqrt(
        sum(float(np.sum(curvatures[name] * np.square(params[name], dtype=float))) for name in params)
    )
    return {
        name: BACKWARD
        * unit
        * (np.abs(g) + rms(g) + fall + np.sqrt(curvatures[name]) * reach)
        for name, g in finite.items()
    }


def look_closer(
    loss: Callable[[Params], float],
    params: Params,
    suspects: Mapping[Index, float],
    array: np.ndarray,
    step: float,
    backward: np.ndarray,
    noise: Noise,
    progress: bool = False,
) -> dict[Index, Look]:
    """Judge single entries of one array by central differences with ten steps each.

    The steps go down from four times ``step`` by factors of four. An entry is ``ok`` if its
    gradient lies within the error bar of the best one; ``wrong`` only if it lies outside the bars
    of two of them, so that no single unlucky step can condemn it; ``kink`` if the slopes to the
    left and to the right remain apart however short the step; ``nonfinite`` if not even the
    shortest steps give numbers.

    Parameters
    ----------
    loss, params
        As in :func:`gradlab.check_gradients`, already validated.
    suspects
        The gradient under test by index.
    array
        The parameter array that they index.
    step
        The step that was used before.
    backward
        The part of the error bar that belongs to the gradient, in the shape of ``array``.
    noise
        Of the loss.
    """
    entries = {index: _view(array, index) for index in suspects}
    ones = {index: np.ones(entry.shape) for index, entry in entries.items()}
    lengths = step * LADDER
    offsets = (0.0, *lengths, *-lengths)
    losses = entry_losses(lambda _: loss(params), entries, ones, offsets, progress=progress)
    looks = {}
    for index, entry in entries.items():
        center, ups, downs = np.split(losses[index].ravel(), [1, 1 + len(lengths)])
        points = {offset: moved(entry.ravel(), 1.0, offset * lengths) for offset in (1, -1)}
        rungs = _Rungs.of(center, ups, downs, points, lengths, noise, backward[index])
        looks[index] = rungs.judge(suspects[index])
    return looks


def _view(array: np.ndarray, index: Index) -> np.ndarray:
    """A view of one entry, with one axis or none, that can be moved in place."""
    return array[(*index[:-1], slice(index[-1], index[-1] + 1))] if index else array


class _Rungs(NamedTuple):
    """Central differences of one entry for a ladder of steps, from the longest to the shortest."""

    slopes: np.ndarray
    bars: np.ndarray  # of the slopes
    jumps: np.ndarray  # slope to the right minus slope to the left
    jump_bars: np.ndarray

    @classmethod
    def of(cls, center, ups, downs, points, lengths, noise, backward) -> _Rungs:
        steps = (points[1].astype(float) - points[-1].astype(float)) / 2
        usable = np.isfinite(ups) & np.isfinite(downs) & (np.abs(steps / lengths - 1) < 0.01)
        ups, downs, lengths = ups[usable], downs[usable], lengths[usable]
        slopes = difference(
            CENTRAL, {1: ups, -1: downs}, {sign: p[usable] for sign, p in points.items()}
        )
        rounding = rounding_bar(CENTRAL, np.array([ups, downs]), lengths, noise)
        truncation = np.abs(np.diff(slopes))
        jumps = (ups - 2 * center + downs) / lengths
        return cls(
            slopes[:-1],
            rounding[:-1] + 2 * truncation + backward,
            jumps[:-1],
            4 * rounding[:-1],
        )

    def judge(self, analytic: float) -> Look:
        if not self.slopes.size:
            return Look("nonfinite", np.nan, np.inf)
        best = int(np.argmin(self.bars))
        off = np.abs(self.slopes - analytic)
        look = Look("ok", float(self.slopes[best]), float(self.bars[best]))
        if off[best] <= look.error_bar:
            return look
        jump = self._kink()
        if jump:
            # A step that ends before the kink settles it, if its error bar is still narrow.
            near = (np.abs(self.jumps) <= self.jump_bars) & (self.bars < jump / 4)
            for k in np.flatnonzero(near):
                if off[k] <= self.bars[k]:
                    return Look("ok", float(self.slopes[k]), float(self.bars[k]))
            if off[best] <= jump + look.error_bar and not near.any():
                return look._replace(verdict="kink")
        outside = off > self.bars
        twice = outside[max(best - 1, 0) : best + 2].sum() > 1
        return look._replace(verdict="wrong" if twice else "undecided")

    def _kink(self) -> float:
        """The jump of the slope that remains from one rung to the next shorter one, or 0."""
        sizes = np.abs(self.jumps)
        seen = sizes > self.jump_bars
        stays = seen[1:] & seen[:-1] & (sizes[1:] > KINKED * sizes[:-1])
        return float(sizes[1:][stays].max(initial=0))
