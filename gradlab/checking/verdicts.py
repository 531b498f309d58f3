"""What is concluded from what was seen: the one place that compares, and the one that sums up.

Every look, at a single entry or along a direction, hands in the same kind of :class:`Evidence`;
:func:`judge` says what it proves, and :func:`of_array` what all the looks at an array prove
together. What a verdict is called, how bad it is and what to look for stands here as well.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from gradlab.differences.formulas import rms

__all__ = [
    "PASSING",
    "SYMBOLS",
    "VERDICTS",
    "Evidence",
    "Look",
    "Verdict",
    "hint_for",
    "judge",
    "of_array",
    "worst_of",
]

Verdict = Literal[
    "ok",
    "close",
    "untested",
    "unused",
    "undecided",
    "kink",
    "wrong",
    "nonfinite",
    "random",
]

# From the best to the worst; the verdict of a report is the worst of its arrays.
VERDICTS: dict[Verdict, str] = {
    "ok": "the gradient lies within the error bars of the differences",
    "close": "the gradient lies outside the error bars, by no more than the tolerance",
    "untested": "the gradient is zero here, and a zero proves nothing",
    "unused": "the loss does not change when this array is moved",
    "undecided": "the error bars are too wide to say",
    "kink": "the loss has a kink here, so there is no gradient to compare with",
    "wrong": "the gradient lies outside the error bars",
    "nonfinite": "the loss or the gradient is nan or infinite",
    "random": "the loss does not return the same number twice",
}
PASSING: tuple[Verdict, ...] = ("ok", "close")
SYMBOLS: dict[Verdict, str] = {
    "ok": "✓",
    "close": "✓",
    "wrong": "✗",
    "nonfinite": "✗",
    "random": "✗",
}

RESOLVED = 0.1  # a doubt of more than this part of the gradient is no answer
UNSEEN = 0.1  # an error in one entry beyond this part of its array ought to be seen, or it is said
ROUGH = 0.01  # and an answer that leaves more than this part unseen says so
OWN_PART = 1e-3  # of its own size: no entry that is off by more is close
STAYS = 0.9  # times: a jump that is that of the kink itself is as large at every step
CLEAR = 4  # rungs on which a jump stands out
CLEARLY = 4.0  # times its error bar: so far a jump stands out


class Evidence(NamedTuple):
    """What was seen at one entry, or along one direction, from the longest step to the shortest.

    Attributes
    ----------
    analytic
        The slope by the gradient under test.
    slopes, bars
        (k,): those of the loss, by differences with k steps, and how far each may be off by
        rounding and truncation; infinite where there is no number.
    kinks
        (k,): how far a kink on the way may have moved each slope.
    jumps, jump_bars
        (k,): the slope to the right minus the slope to the left, and its rounding.
    own
        How far rounding may have moved the gradient itself, by the size of its own array.
    foreign
        And beyond that, if it was computed from numbers as large as those of other arrays.
    """

    analytic: float
    slopes: np.ndarray
    bars: np.ndarray
    kinks: np.ndarray
    jumps: np.ndarray
    jump_bars: np.ndarray
    own: float = 0.0
    foreign: float = 0.0


class Look(NamedTuple):
    """What one piece of evidence proves.

    ``doubt`` is by how much the gradient may be off the derivative there, as far as was seen.
    """

    verdict: Verdict
    numeric: float
    error_bar: float
    doubt: float = math.inf


def worst_of(*verdicts: Verdict) -> Verdict:
    """The worst of some verdicts."""
    return max(verdicts, key=list(VERDICTS).index)


def judge(evidence: Evidence, tolerance: float = 0.0, size: float = 0.0) -> Look:
    """The verdict on one piece of evidence.

    ``ok`` if the gradient lies within the narrowest error bar; ``kink`` if the slopes to both sides
    differ by the same amount at every step; ``wrong`` only if it lies outside the error bars of two
    neighbouring steps, so that no single unlucky one can condemn it, and further outside than its
    own rounding may have moved it; ``close`` if it is not off by more than ``tolerance``, as a part
    of ``size`` or of itself, whichever is larger, nor by more than a thousandth of itself.
    """
    plain = np.where(np.isfinite(evidence.slopes), evidence.bars, np.inf)
    bars = plain + evidence.kinks
    if not np.isfinite(bars).any():
        return Look("nonfinite", math.nan, math.inf)
    best = int(np.argmin(bars))
    numeric, bar = float(evidence.slopes[best]), float(bars[best])
    off = np.abs(evidence.slopes - evidence.analytic)
    error_bar = bar + evidence.own
    look = Look("ok", numeric, error_bar, bar + min(float(off[best]), evidence.own))
    if off[best] <= error_bar:
        if not on_a_kink(evidence):
            return look
        least = int(np.argmin(plain))
        return look._replace(
            verdict="kink",
            numeric=float(evidence.slopes[least]),
            error_bar=float(plain[least]) + evidence.own,
        )
    if is_close(float(off[best]) + bar, evidence.analytic, numeric, tolerance, size):
        return look._replace(verdict="close", doubt=float(off[best]) + bar)
    outside = off > bars + evidence.own + evidence.foreign
    two = outside[best] and np.count_nonzero(outside[max(best - 1, 0) : best + 2]) > 1
    return look._replace(verdict="wrong" if two else "undecided")


def is_close(
    off: float | np.ndarray,
    analytic: float | np.ndarray,
    numeric: float | np.ndarray,
    tolerance: float,
    size: float,
) -> bool | np.ndarray:
    """Whether an error is no more than the tolerance, and small beside the entry itself.

    All in the units of the entries. The size that the tolerance is a part of is the entry's own
    gradient, or that of its array where that is larger, since what has cancelled in a small entry
    has left it the error of the large ones; but an entry that is off by more than a thousandth of
    itself is never close, so that none hides behind its neighbours.
    """
    own = np.maximum(np.abs(analytic), np.abs(numeric))
    return (off <= tolerance * np.maximum(own, size)) & (off <= OWN_PART * own) & (tolerance > 0)


def on_a_kink(evidence: Evidence) -> bool:
    """Whether the slopes to both sides differ by the same amount down to the shortest step.

    As of ``|x|`` at 0, whose central difference is 0 however short the step: it agrees with a
    gradient of 0, and there is no gradient. Steps so short that rounding would hide the jump do not
    count, nor do long ones, to whose jump the curvature adds.
    """
    sizes = np.abs(evidence.jumps)
    stands_out = CLEARLY * evidence.jump_bars < sizes
    if np.count_nonzero(stands_out) < CLEAR:
        return False
    last = np.flatnonzero(stands_out)[-CLEAR:]
    jump = sizes[last].max()
    visible = CLEARLY * evidence.jump_bars < jump
    visible[: last[0]] = False
    return bool(np.all(sizes[visible] > STAYS * jump))


def of_array(
    verdict: Verdict,
    analytic: np.ndarray,
    numeric: np.ndarray,
    doubts: np.ndarray,
    answers: bool,
    rounding_only: bool,
    unresolved: np.ndarray | bool = False,
) -> Verdict:
    """The verdict on an array, from the worst of its looks and from what they leave in doubt.

    Parameters
    ----------
    verdict
        The worst of the looks.
    analytic, numeric, doubts
        The gradient under test, the differences, and by how much the one may be off, all in the
        units of the entries, so that they are changes of the loss.
    answers
        Whether the loss changed by more than its rounding noise when the array was moved.
    rounding_only
        Whether the noise of the loss is no more than rounding.
    unresolved
        A mask: the entries that matter so much that each has to be resolved by itself, and that the
        differences do not resolve to a tenth.
    """
    if verdict not in (*PASSING, "undecided"):
        return verdict
    zero = not np.any(analytic)
    if not answers:
        return "unused" if rounding_only and (zero or verdict in PASSING) else "undecided"
    if zero:
        return "untested"
    if verdict == "undecided":
        return verdict
    if np.any(unresolved):
        return "undecided"
    return verdict if resolved(analytic, numeric, doubts) else "undecided"


def resolved(analytic: np.ndarray, numeric: np.ndarray, doubts: np.ndarray) -> bool:
    """Whether no more than a tenth of the gradient is in doubt, in the 2-norm over the array."""
    return rms(doubts) <= RESOLVED * max(rms(analytic), rms(numeric))


def hint_for(
    verdict: Verdict, changes: bool = True, share: float = 0.0, resolution: float = 0.0
) -> str:
    """What to look for when an array has this verdict; empty if there is nothing to say.

    Parameters
    ----------
    verdict
        One of the keys of :data:`VERDICTS`.
    changes
        Whether the loss changed at all when the array was moved.
    share
        By how much it is off, as a part of its size.
    resolution
        The smallest error in one entry that would have been seen, as a part of the size of the
        array.
    """
    if verdict == "ok" and share > ROUGH:
        return (
            "right to within a tenth, and no closer, which the rounding of its own precision "
            "explains: in float64, or at a point with a larger gradient, more would be seen"
        )
    if verdict == "ok" and UNSEEN < resolution < math.inf:
        return (
            f"one entry off by less than {_part_or_times(resolution)} the root mean square of its "
            f"array would not have been seen"
        )
    if verdict == "close":
        return (
            f"right to {_decade_above(share)}, and no closer at any step: a loss that is solved to a "
            f"tolerance or a function that is approximated, a small constant that the gradient leaves "
            f"out, or a mistake of that size"
        )
    if verdict in ("unused", "wrong") and not changes:
        return (
            "the loss does not change at all when this array is moved: it is not used, the loss "
            "reads a copy of it, or every unit behind it is dead"
        )
    return _HINTS.get(verdict, "")


_HINTS: dict[Verdict, str] = {
    "unused": "the loss changes by no more than rounding noise when this array is moved: what it "
    "adds is taken out again, as with a bias before batch norm",
    "untested": "the gradient is zero at this point, and a wrong backward pass can return zeros "
    "too: check at another point, with random parameters",
    "undecided": "the loss is too noisy, or its gradient too small, at this point: check at a "
    "point with a larger gradient, and in float64",
    "kink": "the slopes to both sides differ, as at the zero of a ReLU or a tie of a maximum: "
    "move the parameters by a small random amount and check again",
    "nonfinite": "the loss is nan or infinite next to this point, or the gradient is",
    "random": "the loss returned two values for the same parameters: fix the seed of its random "
    "numbers, such as a dropout mask, and let it keep no state from call to call",
}


def _decade_above(share: float) -> str:
    """A share, rounded up to one digit: "2e-9"."""
    if not 0 < share < math.inf:
        return "its tolerance"
    exponent = math.floor(math.log10(share))
    digit = math.ceil(share / 10.0**exponent - 1e-9)
    return f"{digit}e{exponent}" if digit < 10 else f"1e{exponent + 1}"


def _part_or_times(share: float) -> str:
    """A share, rounded up to one digit, to be followed by what it is of: "0.2 of", "30 times"."""
    told = float(_decade_above(share))
    return f"{told:g} of" if told < 1 else f"{told:g} times"
