"""How far a difference can be off, and how far rounding can have moved the gradient itself.

The error bar of a difference has three parts: the noise of the loss divided by the step; the
truncation error, seen in the change from one step to a shorter one; and a kink on the way, seen in
slopes to the right and to the left that differ by more than the curvature explains. The rounding of
the gradient under test is no part of them: backpropagation rounds as well, and how far that may
have gone is said beside them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np

from gradlab.checking.problem import Case
from gradlab.checking.verdicts import Evidence
from gradlab.differences.formulas import FORMULAS, Formula, difference, rms
from gradlab.differences.gradient import entry_losses
from gradlab.differences.noise import SAFETY, UNIT, Noise, line_losses
from gradlab.differences.sweep import Guarded, Params, moved

__all__ = [
    "CENTRAL",
    "SIDES",
    "Own",
    "along",
    "at_entries",
    "extrapolated",
    "losses_at",
    "own_rounding",
    "rounding_bar",
    "visible_steps",
]

Index = tuple[int, ...]

CENTRAL = FORMULAS["central"]
MANY_ULPS = 256  # a step of fewer units in the last place is no longer the step asked for
LADDER = 4.0 ** np.arange(2, -9, -1)  # times the step of the array, for a look at one entry
SIDES = (1.0, -1.0)
# A slope is said to be off by so many times its change from one step to a shorter one, which is
# 15/16 of its truncation error where one term is left, after a factor of 2 or 4 and an error that
# falls with the fourth power or the second.
TRUNCATION = 2.0
AS_ASKED = 0.01  # a step that rounding has changed by more than this part is no use
OWN = 32.0  # roundoffs in a gradient: rounding errors of sums and products add up
STORED = 4.0  # in one of 16 bits: its sums are kept in more, and rounded when they are stored
COARSE_FORMAT = 1e-5  # the unit roundoff between those of 16 bits and of 32


def rounding_bar(
    formula: Formula, losses: np.ndarray, step: np.ndarray | float, noise: Noise
) -> np.ndarray:
    """What the noise of the losses, (offsets, ...), may amount to in a difference."""
    level = np.maximum(noise.level, UNIT * np.abs(losses).max(axis=0))
    return SAFETY * formula.amplification * level / step


def extrapolated(central: np.ndarray, rounding: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes ``(4 A(h) - A(2h)) / 3``, and their error bars.

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
        bars = (4 * rounding[1:-1] + rounding[2:]) / 3 + TRUNCATION * truncation
    return values[1:], np.where(np.isnan(bars), np.inf, bars)


class Own(NamedTuple):
    """How far rounding may have moved the gradient of one array, entry by entry.

    ``by_itself`` from the size of its own numbers; ``foreign`` what comes on top if they were left
    over from numbers as large as those of the steepest array.
    """

    by_itself: np.ndarray
    foreign: np.ndarray


def own_rounding(
    case: Case, numeric: Params, curvatures: Params, across: float = 1.0
) -> dict[Hashable, Own]:
    """What rounding may have done to the gradient under test, in the units of its entries.

    A few units in the last place of three things: the entry itself and the rest of its array;
    what moving every parameter within its own rounding would change, ``u |H| |p|``, which is all
    that is left near a minimum; and the steepest slope of all, because a factor that has cancelled
    to nearly nothing, such as ``1 - h`` of a saturated unit, has the rounding error of one that has
    not: of a number near 1, so that parameters smaller than 1 have the less of it. The last is an
    excuse from elsewhere: it can leave an array undecided, and never make it right. The Hessian
    ``H`` is known on its diagonal; ``H_ij**2 <= H_ii H_jj`` where it is positive definite. (Backward error analysis: Nicholas J. Higham, *Accuracy and Stability of Numerical
    Algorithms*, 2nd edition, SIAM, 2002, chapter 1.)

    Parameters
    ----------
    case
        What is judged.
    numeric, curvatures
        Differences, and second differences, of the arrays named in them, in the units of the
        entries. ``roundoff`` of the case is what their gradients were computed with.
    across
        How many times larger than these the curvature may be elsewhere.
    """
    steepest = max(rms(n[np.isfinite(n)]) for n in numeric.values())
    # A parameter that is zero has no rounding.
    sizes = {name: np.abs(case.point[name]) / case.units[name] for name in curvatures}
    reach = math.sqrt(across * sum(float(np.sum(c * sizes[n] ** 2)) for n, c in curvatures.items()))
    found = {}
    for name, curvature in curvatures.items():
        g = np.abs(case.scaled(name))
        g = np.where(np.isfinite(g), g, 0.0)
        terms = g + rms(g) + np.sqrt(curvature) * reach
        u = case.roundoff[name]
        many = OWN if u < COARSE_FORMAT else STORED
        cancelled = steepest * np.minimum(1.0, case.units[name])
        found[name] = Own(many * u * terms, many * u * cancelled)
    return found


def visible_steps(array: np.ndarray, steps: np.ndarray | float) -> np.ndarray:
    """The steps, but no fewer than 256 units in the last place of each entry."""
    return np.maximum(steps, MANY_ULPS * np.spacing(np.abs(array)).astype(float))


def at_entries(
    case: Case,
    name: Hashable,
    steps: Mapping[Index, float],
    own: Own,
) -> dict[Index, Evidence]:
    """Evidence at single entries of one array, from central differences with eleven steps each.

    Parameters
    ----------
    case
        What is judged.
    name
        Of the array.
    steps
        For each entry the step to begin with, in the units of the parameters: the ladder goes from
        sixteen times as long down by factors of four, but no entry takes less than a few hundred units
        in its last place.
    own
        Of the array, in the units of its entries.
    """
    array, analytic = case.point[name], case.scaled(name)
    entries = {index: _view(array, index) for index in steps}
    visible = {index: visible_steps(entry, steps[index]) for index, entry in entries.items()}
    losses = losses_at(case, name, entries, visible, (*LADDER, *-LADDER))
    found = {}
    for index, entry in entries.items():
        lengths = visible[index].item() * LADDER
        ups, downs = losses[index].reshape(2, -1)
        points = {sign: moved(entry.ravel(), np.ones(()), sign * lengths) for sign in SIDES}
        unit = float(case.units[name][index])
        run = (points[1].astype(float) - points[-1].astype(float)) / 2
        usable = np.isfinite(ups) & np.isfinite(downs) & (np.abs(run / lengths - 1) < AS_ASKED)
        slopes = difference(CENTRAL, {1: ups, -1: downs}, points) * unit
        strides = _Strides(lengths / unit, ups, downs, slopes).where(usable)
        bars, kinks, jumps, jump_bars = strides.bars(case)
        found[index] = Evidence(
            float(analytic[index]),
            strides.slopes[:-1],
            bars,
            kinks,
            jumps[:-1],
            jump_bars[:-1],
            float(own.by_itself[index]),
            float(own.foreign[index]),
        )
    return found


def along(
    case: Case,
    name: Hashable,
    direction: np.ndarray,
    lengths: np.ndarray,
    own: Own | None = None,
    known: Mapping[float, tuple[float, float]] | None = None,
) -> Evidence:
    """Evidence along one direction in one array, by Richardson extrapolation from several strides.

    Parameters
    ----------
    case
        What is judged.
    name
        Of the array.
    direction
        In the shape and the units of the entries.
    lengths
        (m,), m of at least 3: the strides, each twice the one before.
    own
        Of the array, in the units of its entries.
    known
        The losses at the ends of strides that were made before.
    """
    known = dict(known or {})
    new = [t for t in lengths.tolist() if t not in known]
    moves = {name: direction * case.units[name]}
    if new:
        losses = line_losses(case.loss, case.point, moves, (*new, *(-t for t in new))).astype(float)
        known |= dict(zip(new, losses.reshape(2, -1).T.tolist(), strict=True))
    ups, downs = np.array([known[t] for t in lengths.tolist()]).T
    with np.errstate(invalid="ignore", over="ignore"):
        central = (ups - downs) / (2 * lengths)
        slopes, bars = extrapolated(
            central, rounding_bar(CENTRAL, np.array([ups, downs]), lengths, case.noise)
        )
    longest_first = _Strides(lengths, ups, downs, central).where(slice(None, None, -1))
    kinks, jumps, jump_bars = longest_first.kinks(case)
    # Of a slope from strides of h and 2h: a kink may lie within the one or the other.
    kinked = (4 * kinks[1:] + kinks[:-1]) / 3
    rounded = [
        float(rms(each * direction) * math.sqrt(direction.size))
        for each in (own or Own(np.zeros(()), np.zeros(())))
    ]
    return Evidence(
        float(np.vdot(case.scaled(name), direction)),
        slopes[::-1],
        bars[::-1],
        kinked,
        jumps[1:-1],
        jump_bars[1:-1],
        *rounded,
    )


class _Strides(NamedTuple):
    """The losses to both sides of the point, from the longest stride to the shortest."""

    lengths: np.ndarray
    ups: np.ndarray
    downs: np.ndarray
    slopes: np.ndarray

    def where(self, chosen: np.ndarray | slice) -> _Strides:
        return _Strides(*(each[chosen] for each in self))

    def kinks(self, case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How far a kink within each stride but the last may have moved its central difference.

        With the jumps, and their rounding error bars. The slopes to the right and to the left of a
        smooth function differ in proportion to the stride. A kink on the way adds something that
        does not, and moves the central difference by half of that.
        """
        rounding = rounding_bar(CENTRAL, np.array([self.ups, self.downs]), self.lengths, case.noise)
        with np.errstate(invalid="ignore", over="ignore"):
            jumps = (self.ups - 2 * case.center + self.downs) / self.lengths
            jump_bars = 4 * rounding  # of 1, -2 and 1 times a loss, where a slope has two halves
            ratio = self.lengths[:-1] / self.lengths[1:]
            left = np.abs(jumps[:-1] - ratio * jumps[1:])  # when what grows with the stride is gone
            unsure = jump_bars[:-1] + ratio * jump_bars[1:]
        left, unsure = (np.where(np.isnan(each), np.inf, each) for each in (left, unsure))
        kinks = np.where(left > unsure, left, 0.0) / 2
        for k in range(1, len(kinks)):
            # Seen on a longer stride it is still there, unless this one leaves no room for it.
            kinks[k] = max(kinks[k], min(kinks[k - 1], (left[k] + unsure[k]) / 2))
        return kinks, jumps, jump_bars

    def bars(self, case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The error bars of all slopes but the last; with what :meth:`kinks` gives."""
        kinks, jumps, jump_bars = self.kinks(case)
        rounding = rounding_bar(CENTRAL, np.array([self.ups, self.downs]), self.lengths, case.noise)
        bars = rounding[:-1] + TRUNCATION * np.abs(np.diff(self.slopes))
        return bars, kinks, jumps, jump_bars


def losses_at(
    case: Case,
    name: Hashable,
    views: Mapping[Any, np.ndarray],
    steps: Mapping[Any, np.ndarray],
    offsets: Collection[float],
) -> dict[Any, np.ndarray]:
    """The losses with entries of one array moved, each in turn: those in some views of it."""
    guarded = Guarded(lambda _: case.loss(case.point))
    losses = entry_losses(guarded, views, steps, tuple(offsets), center=case.center)
    if guarded.failure is not None:
        case.loss.failure = guarded.failure._replace(names=(name,))
    return losses


def _view(array: np.ndarray, index: Index) -> np.ndarray:
    """A view of one entry, with one axis or none, that can be moved in place."""
    last = slice(index[-1], index[-1] + 1) if index else ...  # a number would be no view
    return array[(*index[:-1], last)]
