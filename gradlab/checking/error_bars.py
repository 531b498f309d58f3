"""One entry at a time: how sure is a difference, and does the gradient lie within its error bar?

The error bar of a difference has three parts: the noise of the loss divided by the step; the
truncation error, seen in the change from one step to a shorter one; and the rounding error of the
gradient under test itself, because backpropagation rounds as well.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping
from typing import NamedTuple

import numpy as np

from gradlab.differences.formulas import FORMULAS, Formula, difference, rms
from gradlab.differences.gradient import entry_losses
from gradlab.differences.noise import KINKED, SAFETY, UNIT, Noise, Probe, unit_of
from gradlab.differences.sweep import Loss, Params, moved
from gradlab.validation import index_of

__all__ = [
    "LADDER",
    "Look",
    "Problem",
    "Rungs",
    "backward_bars",
    "doubted",
    "extrapolated",
    "gradient_unit",
    "look_closer",
    "rounding_bar",
    "said",
    "settled",
    "step_for_entries",
    "visible_steps",
]

Index = tuple[int, ...]

CENTRAL = FORMULAS["central"]
MANY_ULPS = 256  # a step of fewer units in the last place is no longer the step asked for
LADDER = 4.0 ** np.arange(1, -9, -1)  # times the step of the array
LARGE_ARRAY = 32  # entries: enough to be worth trying a few of them first
ENTRIES_TRIED = 6
CLEAR = 4  # rungs on which a jump stands out
BACKWARD = 32.0  # roundoffs in a gradient: rounding errors of sums and products add up
ROUND_BITS, TELLING = 12, 4  # numbers of more bits are not round; four are no coincidence
UNUSABLE = 1e-3  # noise of more than this part of the loss is not rounding
RESOLVED = 0.1  # a doubt of more than this part of the gradient is no answer
ROUGH = 0.01  # and an answer that leaves more than this part unseen says so


class Look(NamedTuple):
    """What a closer look at one entry has shown."""

    verdict: str
    numeric: float
    error_bar: float


class Problem(NamedTuple):
    """What is to be judged: a loss at a point, and the gradient that is said to be its own.

    ``center`` is the loss at ``params``, ``noise`` its rounding noise there, ``unit`` the roundoff
    with which the gradient was computed, and ``level`` the noise that the loss has with that.
    """

    loss: Loss
    params: Params
    gradients: Params
    center: float
    noise: Noise
    unit: float
    level: float

    @property
    def names(self) -> list:
        """Of the arrays that have entries."""
        return [name for name, array in self.params.items() if array.size]


def gradient_unit(gradients: Params, params: Params, noise: Noise) -> float:
    """The roundoff of the computation that a gradient came from, as far as it shows.

    It is that of the parameters or coarser: of float32 if all its numbers are float32 numbers (and
    not round ones, such as 0.5, which prove nothing), or if the noise of the loss says that float32
    is hidden there.
    """
    of_params = max(np.finfo(array.dtype).eps / 2 for array in params.values())
    numbers = np.concatenate([gradient.ravel() for gradient in gradients.values()]).astype(float)
    mantissas = np.ldexp(np.frexp(numbers)[0], ROUND_BITS)
    telling = np.count_nonzero(mantissas != np.rint(mantissas))
    of_gradients = unit_of(numbers) if telling >= TELLING else UNIT
    return float(max(of_params, of_gradients, min(noise.unit, UNUSABLE)))


def settled(verdict: str, size: float, doubt: float, zero: bool, seen: Probe, unit: float) -> str:
    """The verdict on an array, none of whose entries is known to be wrong, from its sizes.

    Parameters
    ----------
    verdict
        Of its entries.
    size, doubt
        The size of the gradient, and by how much it may be off.
    zero
        Whether the gradient under test is zero everywhere.
    seen
        On the walk through this array.
    unit
        The roundoff that the noise of the loss amounts to.
    """
    if verdict != "ok":
        return verdict
    if not seen.answers:
        return "unused" if unit < UNUSABLE else "undecided"
    if zero:
        return "untested"
    return "ok" if doubt <= RESOLVED * size else "undecided"


def doubted(
    off: float | np.ndarray, bar: float | np.ndarray, backward: float | np.ndarray
) -> float | np.ndarray:
    """By how much a gradient that lies ``off`` a difference may be off the derivative.

    Parameters
    ----------
    off
        How far it is from the difference.
    bar, backward
        The error bar, and the part of it that belongs to the gradient itself. That much rounding
        may have done, but what it has done is seen in ``off``: a float32 gradient that could have
        lost its digits, and has not, is a good one.
    """
    return bar - backward + np.minimum(off, backward)


def said(verdict: str, seen: Probe, share: float = 0.0) -> str:
    """What to look for when an array has this verdict, and is off by this share of its size."""
    if verdict == "ok" and share > ROUGH:
        return (
            "right to within a tenth, and no closer, which the rounding of its own precision "
            "explains: in float64, or at a point with a larger gradient, more would be seen"
        )
    if verdict in ("unused", "wrong") and not seen.change:
        return (
            "the loss does not change at all when this array is moved: it is not used, the loss "
            "reads a copy of it, or every unit behind it is dead"
        )
    return {
        "unused": "the loss changes by no more than rounding noise when this array is moved: what it "
        "adds is taken out again, as with a bias before batch norm",
        "untested": "the gradient is zero at this point, and a wrong backward pass can return zeros "
        "too: check at another point, with random parameters",
        "undecided": "the loss is too noisy, or its gradient too small, at this point: check at a "
        "point with a larger gradient, and in float64",
        "kink": "the slopes to both sides differ, as at the zero of a ReLU or a tie of a maximum: "
        "move the parameters by a small random amount and check again",
        "nonfinite": "the loss is nan or infinite next to this point, or the gradient is",
    }.get(verdict, "")


def rounding_bar(
    formula: Formula, losses: np.ndarray, step: np.ndarray | float, noise: Noise
) -> np.ndarray:
    """What the noise of the losses, (offsets, ...), may amount to in a difference."""
    level = np.maximum(noise.level, UNIT * np.abs(losses).max(axis=0))
    return SAFETY * formula.amplification * level / step


def extrapolated(central: np.ndarray, rounding: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes ``(4 A(h) - A(2h)) / 3``, and their error bars without that of the gradient.

    Parameters
    ----------
    central, rounding
        (m, ...), m of at least 3: central differences ``A`` and their rounding error bars, the step
        of each twice that of the one before.

    Returns
    -------
    tuple
        Both of shape (m - 2, ...); infinite bars where there is no number.
    """
    with np.errstate(invalid="ignore"):
        values = (4 * central[:-1] - central[1:]) / 3
        truncation = np.abs(np.diff(values, axis=0))
        bars = (4 * rounding[1:-1] + rounding[2:]) / 3 + 2 * truncation
    return values[1:], np.where(np.isnan(bars), np.inf, bars)


def backward_bars(problem: Problem, numeric: Params, curvatures: Params) -> dict[str, np.ndarray]:
    """What rounding may have done to the gradient under test, and to the loss a step away.

    A few units in the last place of four things: the entry itself and the rest of its array; the
    steepest slope times the size of a parameter, because a factor that has cancelled to nearly
    nothing, such as ``1 - h`` of a saturated unit, has the rounding error of one that has not; what
    moving every parameter within its own rounding would change, ``u |H| |p|``, which is all that is
    left near a minimum; and the loss, whose terms cancel in the gradient, as ``p - y`` of a softmax
    does. The Hessian ``H`` is known on its diagonal;
    ``H_ij**2 <= H_ii H_jj`` where it is positive definite. (Backward error analysis: Nicholas J.
    Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd edition, SIAM, 2002, chapter 1.)
    """
    gradients, params = problem.gradients, problem.params
    finite = {
        name: np.where(np.isfinite(gradients[name]), gradients[name], 0.0) for name in numeric
    }
    everywhere = rms(np.concatenate([array.ravel() for array in params.values()]))
    fall = max(
        rms(n[np.isfinite(n)]) * (rms(params[name]) or everywhere) for name, n in numeric.items()
    )
    reach = math.sqrt(
        sum(
            float(np.sum(curvatures[name] * np.square(params[name], dtype=float)))
            for name in numeric
        )
    )
    bars = {}
    for name, g in finite.items():
        length = max(1.0, rms(params[name]))
        terms = np.abs(g) + rms(g) + 12 * fall / length + np.sqrt(curvatures[name]) * reach
        bars[name] = BACKWARD * problem.unit * terms + 4 * problem.level / length
    return bars


def look_closer(
    problem: Problem,
    name: Hashable,
    indices: Collection[Index],
    step: float,
    backward: np.ndarray,
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
    problem
        The loss and the gradient under test.
    name, indices
        The array and the entries to be judged.
    step
        The step to begin with; no entry takes less than a few hundred units in its last place.
    backward
        The part of the error bar that belongs to the gradient, in the shape of the array.
    progress
        Whether to show a progress bar when it takes longer than a second.
    """
    array, gradient = problem.params[name], problem.gradients[name]
    entries = {index: _view(array, index) for index in indices}
    steps = {index: visible_steps(entry, step) for index, entry in entries.items()}
    offsets = (*LADDER, *-LADDER)
    losses = entry_losses(
        lambda _: problem.loss(problem.params), entries, steps, offsets, progress=progress
    )
    looks = {}
    for index, entry in entries.items():
        lengths = steps[index].item() * LADDER
        ups, downs = losses[index].reshape(2, -1)
        points = {sign: moved(entry.ravel(), 1.0, sign * lengths) for sign in (1, -1)}
        rungs = Rungs.of(problem, ups, downs, points, lengths, backward[index])
        looks[index] = rungs.judge(float(gradient[index]))
    return looks


def visible_steps(array: np.ndarray, step: float) -> np.ndarray:
    """``step`` for every entry, but no fewer than 256 units in its last place."""
    return np.maximum(step, MANY_ULPS * np.spacing(np.abs(array)).astype(float))


def step_for_entries(problem: Problem, name: Hashable, step: float) -> float:
    """``step``, or a shorter one, at which the entries of a large array are truncated little enough.

    A direction averages over all its entries: its third derivative is smaller than theirs, the more
    so the larger the array, and so a step that suits it is too long for them. A few entries
    are tried, and if for a quarter of them the truncation error is larger than an eighth of the
    rounding error bar, the step is shortened until it is not. A small array is not worth the tries:
    its few entries get a closer look where they need one.
    """
    array = problem.params[name]
    if array.size < LARGE_ARRAY:
        return step
    chosen = np.random.RandomState(3).choice(array.size, ENTRIES_TRIED, replace=False)
    entries = {int(entry): _view(array, index_of(entry, array.shape)) for entry in chosen}
    steps = {entry: np.full(view.shape, step) for entry, view in entries.items()}
    losses = entry_losses(
        lambda _: problem.loss(problem.params),
        entries,
        steps,
        (1.0, -1.0, 2.0, -2.0),
        progress=False,
    )
    up, down, far_up, far_down = np.array([losses[entry].ravel() for entry in entries]).T
    truncation = np.abs((far_up - far_down) / (4 * step) - (up - down) / (2 * step)) / 3
    typical = float(np.quantile(truncation, 0.75))
    allowed = SAFETY * CENTRAL.amplification * problem.noise.level / step / 8
    if not typical > allowed:
        return step
    return step * (allowed / typical) ** (1 / 3) if math.isfinite(typical) else step


def _view(array: np.ndarray, index: Index) -> np.ndarray:
    """A view of one entry, with one axis or none, that can be moved in place."""
    return array[(*index[:-1], slice(index[-1], index[-1] + 1))] if index else array


class Rungs(NamedTuple):
    """Central differences of one entry, or along one line, from the longest of the ladder's steps."""

    slopes: np.ndarray
    bars: np.ndarray  # of the slopes
    jumps: np.ndarray  # slope to the right minus slope to the left
    jump_bars: np.ndarray

    @classmethod
    def of(
        cls,
        problem: Problem,
        ups: np.ndarray,
        downs: np.ndarray,
        points: Mapping[int, np.ndarray],
        lengths: np.ndarray,
        backward: float,
    ) -> Rungs:
        steps = (points[1].astype(float) - points[-1].astype(float)) / 2
        usable = np.isfinite(ups) & np.isfinite(downs) & (np.abs(steps / lengths - 1) < 0.01)
        ups, downs, lengths = ups[usable], downs[usable], lengths[usable]
        slopes = difference(
            CENTRAL, {1: ups, -1: downs}, {sign: p[usable] for sign, p in points.items()}
        )
        rounding = rounding_bar(CENTRAL, np.array([ups, downs]), lengths, problem.noise)
        truncation = np.abs(np.diff(slopes))
        jumps = (ups - 2 * problem.center + downs) / lengths
        return cls(
            slopes[:-1],
            rounding[:-1] + 2 * truncation + backward,
            jumps[:-1],
            4 * rounding[:-1],
        )

    def judge(self, analytic: float) -> Look:
        """The verdict on this value of the gradient."""
        if not self.slopes.size:
            return Look("nonfinite", np.nan, np.inf)
        best = int(np.argmin(self.bars))
        off = np.abs(self.slopes - analytic)
        look = Look("ok", float(self.slopes[best]), float(self.bars[best]))
        if off[best] <= look.error_bar:
            return look._replace(verdict="kink") if self.on_a_kink() else look
        jump = self.kink()
        if jump:
            # A step that ends before the kink settles it, if its error bar is still narrow.
            gone = np.abs(self.jumps) < np.maximum(self.jump_bars, jump / 4)
            # At one longer step the curvature may cancel the jump: it must be gone from there on.
            gone &= np.logical_and.accumulate(gone[::-1])[::-1]
            near = gone & (self.bars < jump / 4)
            for k in np.flatnonzero(near):
                if off[k] <= self.bars[k]:
                    return Look("ok", float(self.slopes[k]), float(self.bars[k]))
            if off[best] <= jump + look.error_bar and not near.any():
                return look._replace(verdict="kink")
        outside = off > self.bars
        twice = outside[max(best - 1, 0) : best + 2].sum() > 1
        return look._replace(verdict="wrong" if twice else "undecided")

    def kink(self) -> float:
        """The jump of the slope that remains from one rung to the next shorter one, or 0."""
        sizes = np.abs(self.jumps)
        seen = sizes > self.jump_bars
        stays = seen[1:] & seen[:-1] & (sizes[1:] > KINKED * sizes[:-1])
        return float(sizes[1:][stays].max(initial=0))

    def on_a_kink(self) -> bool:
        """Whether the slopes to both sides differ by the same amount at every step.

        As of ``|x|`` at 0, whose central difference is 0 however short the step: it agrees with a
        gradient of 0, and there is no gradient.
        """
        sizes = np.abs(self.jumps)
        largest = sizes.max()
        clear = self.jump_bars < largest / 4
        return bool(clear.sum() >= CLEAR and np.all(sizes[clear] > 0.9 * largest))
