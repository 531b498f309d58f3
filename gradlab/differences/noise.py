"""The rounding noise of a loss, measured, and the step at which a difference suffers least from it.

A computed loss is a smooth function plus noise of about ``u |L|``, ``u`` the unit roundoff: or much
more, where sums cancel or where float32 hides inside. No formula knows it, but nine evaluations on
a line do: differences of a smooth function shrink with their order, those of noise do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gradlab.differences.formulas import rms
from gradlab.differences.sweep import (
    Loss,
    Params,
    moved,
    require_untouched,
    restored,
    value_or_nan,
)

__all__ = [
    "Noise",
    "Probe",
    "difference_noise",
    "line_losses",
    "loss_noise",
    "probe",
    "unit_of",
]

UNIT = np.finfo(float).eps / 2  # the unit roundoff of float64
POINTS = np.arange(1, 10)  # to one side: there may be a kink at the point itself
SUSPICIOUS = 100.0  # roundoffs of the loss: most losses have less noise than that
AGREE = 10.0  # two measurements of nine points each seldom lie further apart than this factor
DISTINCT = 100.0  # two noise levels further apart than this factor: the larger one is not noise
SPACINGS = (1e-6, 1e-4, 1e-2, 1e-7, 1e-8, 1e-10, 1e-12)
SHORTER = (1e-8, 1e-10)  # where what looked like noise is smooth if it was a shape
CLOSE = 1e-8  # times the parameters: too little to change most float32 numbers
OTHER_SPACING = 1.618  # times as far apart: no simple ratio, so these are rounded otherwise
TELLING_PART = 50  # of a quantum: a step that is a multiple of it to within that is no coincidence
QUANTUM = 8.0  # roundoffs of the loss: steps of equal size beyond this are not its rounding
NEGLIGIBLE = 1e-150  # for a parameter: its square is no number
FAR = (0.1, 1.0, 10.0)  # times the parameters

START = 0.5  # times noise**(1/5): where a walk begins
MOST_STRIDES = 24
PLAINLY = 1e4  # times the noise at the point: a change that needs no second look
SETTLED = 0.01  # of the slope: the truncation error is that of the first term left over
CLEAR_SLOPE = 1e-7  # of the slope: its rounding error needs no longer stride
KINKED = 0.75  # times: the jump of a smooth function halves with the stride
PART_OF_BEST = 0.5  # of the step with the least error: other directions differ
NEAR = 8.0  # times the step: what is seen that far off is still the same term of the series
SHORTENED = 64.0  # times, where a stride bends or ends in no number
LENGTHENED = 10.0  # times, where nothing shows
SEARCHED = 1e4  # times shorter than a stride that is too long: as far as the first search goes
ROOM = 10.0  # times the step at least: how far the longest stride that makes sense reaches
FARTHER = 100.0  # times the longest stride: where units that are dead here may live
INCOMMENSURATE = 73  # times shorter than the other spacing: a third one, no simple ratio either

# Noise has the size of its standard deviation only typically; seldom is it eight times as large.
SAFETY = 12.0


class Noise(NamedTuple):
    """The noise of a loss near a point.

    ``level`` is its standard deviation, in units of the loss; ``relative`` the same over the size
    of the loss, and ``unit`` over that of the loss and of its slope, so that it tells float32 from
    mere cancellation near a minimum. Neither is below the unit roundoff of float64.
    """

    level: float
    relative: float
    unit: float


def line_losses(
    loss: Loss, params: Params, direction: Params, offsets: Sequence[float] | np.ndarray
) -> np.ndarray:
    """The loss at ``params + t * direction`` for each ``t``, in the precision it is returned in.

    The arrays named in ``direction`` are moved in place and put back. Where the loss leaves its
    domain on the way, as ``log`` does below 0, its value is nan; if it raises an exception, and is
    :class:`gradlab.differences.sweep.Guarded`, it keeps that.

    Raises
    ------
    TypeError, ValueError
        If the loss returns something that is no number, or changes what it is given.
    """
    values = []
    with restored(params) as arrays, np.errstate(all="ignore"):
        starts = arrays.originals
        for t in offsets:
            there = {name: moved(starts[name], step, t) for name, step in direction.items()}
            arrays.move(there)
            values.append(value_or_nan(loss, params, direction, t))
            if math.isnan(values[-1]):  # raised in the middle of some work in place, it may be
                arrays.put_back()
            elif len(values) == 1:
                require_untouched(params, {**starts, **there})
    losses = np.array(values)
    return losses if losses.dtype.kind == "f" else losses.astype(float)


def unit_of(values: np.ndarray) -> float:
    """The unit roundoff of the coarser of float32 and float64 that can hold all these numbers."""
    with np.errstate(over="ignore", under="ignore"):
        single = np.array_equal(np.asarray(values).astype(np.float32), values)
    return float(np.finfo(np.float32 if single else np.float64).eps) / 2


def difference_noise(values: np.ndarray) -> float | None:
    """The noise in values of a function at equally spaced points, or None if none stands out.

    From the k-th differences, whose variance is ``(2k)! / (k!)**2`` times that of the noise, at
    the first order k for which three successive orders agree to a factor 4 and the differences
    change sign: algorithm ECnoise of Jorge J. Moré and Stefan M. Wild, "Estimating computational
    noise", *SIAM Journal on Scientific Computing* 33 (3), 2011, pages 1292-1314.

    Parameters
    ----------
    values
        (m,), m of at least 7; nine are a good number.
    """
    levels, signs = _difference_levels(values)
    for k in range(len(levels) - 2):
        three = levels[k : k + 3]
        if signs[k] and max(three) <= 4 * min(three):
            return levels[k]
    return None


def _difference_levels(values: np.ndarray) -> tuple[list[float], list[bool]]:
    """For each order of differences the noise that would explain them, and if they change sign."""
    levels, signs = [], []
    table = np.asarray(values, dtype=float)
    for order in range(1, max(len(values) - 1, 3)):
        table = np.diff(table)
        levels.append(rms(table) / math.sqrt(math.comb(2 * order, order)))
        signs.append(bool(table.min() < 0 < table.max()))
    return levels, signs


@np.errstate(all="ignore")
def loss_noise(loss: Loss, params: Params, center: float | None = None) -> Noise:
    """Measure the rounding noise of ``loss`` at ``params`` from its values on a short line.

    The line moves all entries at once by a few parts in a million: enough to change a number that
    the loss casts to float32, too little for its curvature to show in high differences. Other lines
    are asked only where this one leaves a doubt: shorter ones where curvature, an oscillation or
    kinks show, longer ones where nothing changes, another spacing where all steps are equal, as of
    a loss that is rounded. Where nothing changes on any of them, the noise is measured at the
    nearest point at which something does, since the same arithmetic is at work there. The noise is
    never less than the unit roundoff of what the loss returns.

    Parameters
    ----------
    loss, params
        As in :func:`gradlab.check_gradients`, already validated.
    center
        The loss at ``params``, if it is known.
    """
    stream = np.random.RandomState(0)
    everywhere = _scale(params.values())
    direction = {
        name: stream.standard_normal(array.shape)
        * np.where(array, np.abs(array), _scale([array]) or (0.0 if everywhere else 1.0))
        for name, array in params.items()
    }
    line = _Line(loss, params, direction)
    if center is None:
        center = float(line.at((0.0,))[0])
    here = _noise_along(line, center)
    if here.changed:
        return here.noise
    for t, value in zip(FAR, line.at(FAR), strict=True):
        if math.isfinite(value) and value != center:
            away = {name: moved(array, direction[name], t) for name, array in params.items()}
            there = _noise_elsewhere(line, away)
            return here.noise._replace(level=max(here.noise.level, there.level))
    return here.noise


class _Line(NamedTuple):
    """A loss along one direction from one point."""

    loss: Loss
    params: Params
    direction: Params

    def at(self, offsets: Sequence[float] | np.ndarray) -> np.ndarray:
        return line_losses(self.loss, self.params, self.direction, offsets)


class _Along(NamedTuple):
    noise: Noise
    changed: bool


def _noise_elsewhere(line: _Line, point: Params) -> Noise:
    with restored(line.params) as arrays:
        for name, array in arrays.items():
            array[...] = point[name]
        return _noise_along(line, float(line.at((0.0,))[0])).noise


def _noise_along(line: _Line, center: float) -> _Along:
    """The noise on this line, and whether the loss changed anywhere on it."""
    level: float | None = None
    largest, slope, unit = abs(center), 0.0, float(UNIT)
    for spacing in SPACINGS:
        if level is not None and spacing > SPACINGS[0]:
            continue  # its curvature showed on a shorter line already
        values = line.at(spacing * POINTS)
        if not np.isfinite(values).all():
            continue
        unit, largest = unit_of(values), float(np.abs(values).max())
        if not np.ptp(values):
            continue
        slope = float(values[-1] - values[0]) / float(np.ptp(POINTS) * spacing)
        usual = SUSPICIOUS * unit * largest
        measured, clear = _noise_in(values)
        rounded = _noise_of_stairs(line, values, spacing, slope, unit * largest)
        if rounded is not None:
            level = max(rounded, measured if clear else 0.0)
            if not np.diff(values).all():
                level = _checked_shorter(line, level, usual)
            break
        if clear and measured > usual:
            measured = _checked_shorter(line, _made_sure(line, measured, spacing), usual)
        level = measured if level is None else min(level, measured)
        if clear:
            break
    changed = level is not None
    close_by = _noise_close_by(line, center, slope, largest)
    level = float(max(_together(level or 0.0, close_by), unit * largest, np.finfo(float).tiny))
    sizes = (largest, largest + abs(slope))
    relative = (max(level / size if size else unit, UNIT) for size in sizes)
    return _Along(Noise(level, *relative), changed)


def _together(one: float, other: float) -> float:
    """Two measurements of a noise: their root mean square, or the larger if they do not agree."""
    low, high = sorted((one, other))
    return math.hypot(low, high) / math.sqrt(2) if low > high / AGREE else high


def _made_sure(line: _Line, measured: float, spacing: float) -> float:
    """The noise measured on a line with unusually much, if other lines agree.

    At another spacing, because all steps of the line may have been rounded alike; and on the other
    side as well, because there may have been a kink on the way.
    """

    def on(factor: float) -> float:
        values = line.at(factor * spacing * POINTS)
        return difference_noise(values) or 0.0

    here = max(measured, on(OTHER_SPACING))
    other = max(on(-1.0), on(-OTHER_SPACING))
    if not other:
        return here
    low, high = sorted((here, other))
    return low if low < high / DISTINCT else high


def _checked_shorter(line: _Line, level: float, usual: float, far: bool = True) -> float:
    """A noise level, or less if on shorter lines the loss is smooth down to its rounding.

    Noise does not care how far apart its points are: near a minimum it falls with the distance at
    most. An oscillation or a row of kinks looks like noise only from too far away; a loss that is
    rounded stands still on a shorter line. ``far`` says that the level was measured at the longest
    of the usual spacings.
    """
    if level <= usual:
        return level
    for spacing in SHORTER:
        found = []
        for factor in (1.0, OTHER_SPACING):
            values = line.at(factor * spacing * POINTS)
            if not np.isfinite(values).all() or not np.diff(values).all():
                return level  # it stands still: rounding
            measured, clear = _noise_in(values)
            found.append(measured if clear else math.inf)
            if found[-1] >= level / DISTINCT * (spacing / SPACINGS[0] if far else 1.0):
                break
        else:
            return max(found)
    return level


def _noise_of_stairs(
    line: _Line, values: np.ndarray, spacing: float, slope: float, rounding: float
) -> float | None:
    """The noise of a loss whose values are multiples of a quantum; None if these are not.

    As of ``round(L, 9)``, of "%.6g", or of parameters cast to float32. A straight line of steps
    that are all equal is told from one that is rounded by a second line at another spacing.
    """
    steps = np.abs(np.diff(values))
    if not steps.all():
        return float(np.std(values - slope * spacing * POINTS))
    equal = np.ptp(steps) <= QUANTUM * rounding < steps.min()
    if not equal and not _multiples(steps, _quantum(steps, rounding), rounding):
        return None
    lines = [steps]
    for factor in (OTHER_SPACING, OTHER_SPACING / INCOMMENSURATE) if equal else (OTHER_SPACING,):
        lines.append(np.abs(np.diff(line.at(factor * spacing * POINTS))))
    quantum = min(_quantum(each, rounding) for each in lines)
    together = _multiples(np.concatenate(lines), quantum, rounding)
    return quantum / math.sqrt(12) if together else None


def _quantum(steps: np.ndarray, rounding: float) -> float:
    """The smallest step, or difference of two, that is more than rounding."""
    gaps = np.concatenate([steps, np.diff(np.sort(steps))])
    return float(np.min(gaps[gaps > QUANTUM * rounding], initial=np.inf))


def _multiples(steps: np.ndarray, quantum: float, rounding: float) -> bool:
    """Whether all steps are whole multiples of a quantum, as far as rounding lets it be seen."""
    if not (math.isfinite(quantum) and np.isfinite(steps).all()):
        return False
    whole = np.rint(steps / quantum)
    unsure = QUANTUM * rounding
    # An error of a quarter, once for each quantum in the longest step, and rint would miscount.
    if not whole.any() or unsure * whole.max() > quantum / 4:
        return False
    better = steps.sum() / whole.sum()  # the quantum, known as well as all the steps together
    return bool(unsure <= better / TELLING_PART and np.all(abs(steps - whole * better) <= unsure))


def _noise_close_by(line: _Line, center: float, slope: float, largest: float) -> float:
    """The noise at a few points so close that nothing but noise is left in high differences.

    On one line all points may be rounded alike, by a factor inside the loss or by a cast of a few
    parameters to float32. A loss with such a cast stands still between points so close that its
    slope says it should be seen to move.
    """
    single = any(array.dtype.itemsize < 8 for array in line.params.values())
    if single or abs(slope) * CLOSE <= SUSPICIOUS * UNIT * largest:
        return 0.0
    few = 2 if sum(array.size for array in line.params.values()) < 4 else 4
    values = np.array([center, *line.at(CLOSE * POINTS[:few])])
    if not np.isfinite(values).all():
        return 0.0
    moves = np.diff(values).all()
    bound = min(_difference_levels(values)[0])
    if moves and bound <= SUSPICIOUS * UNIT * largest:
        return bound
    values = line.at(CLOSE * POINTS)
    if moves:
        level = difference_noise(values) or 0.0
        return _checked_shorter(line, level, SUSPICIOUS * UNIT * largest, far=False)
    still = float(np.std(values - slope * CLOSE * POINTS))
    others = line.at(OTHER_SPACING * SPACINGS[0] * POINTS)
    return max(still, difference_noise(others) or 0.0)


def _noise_in(values: np.ndarray) -> tuple[float, bool]:
    """The noise in equally spaced values, or a bound with curvature in it, and which of the two."""
    measured = difference_noise(values)
    if measured is not None:
        return measured, True
    return min(_difference_levels(values)[0]), False


class Probe(NamedTuple):
    """What a walk along one direction has shown.

    ``step`` keeps the truncation error of a central difference below its rounding error, ``wide``
    is the one at which the truncation error was seen; ``curvature`` is the size of the second
    derivative; ``change`` the largest change of the loss on the way, and ``answers`` whether it was
    more than rounding noise. ``bent`` says that the slopes to both sides differ by as much after a
    stride as after one twice as long: there may be a kink. ``losses`` are those at both ends of
    every stride.
    """

    step: float
    wide: float
    curvature: float
    change: float
    answers: bool
    bent: bool
    losses: dict[float, tuple[float, float]]


def first_stride(noise: Noise) -> float:
    """Where a walk begins: the truncation error of most losses stands well above rounding there."""
    return float(START * noise.relative**0.2)


def random_direction(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    """A Gaussian direction of length 1, the same each time."""
    direction = np.random.RandomState(seed).standard_normal(shape)
    return direction / np.linalg.norm(direction)


@np.errstate(all="ignore")
def probe(
    loss: Loss,
    params: Params,
    direction: Params,
    center: float,
    noise: Noise,
    longest: float = 1.0,
) -> Probe:
    """Choose the step for a central difference by walking along a direction.

    The slope is measured at a stride and at twice that. If they differ by more than rounding, the
    truncation error ``c h**2`` is known, and equals the rounding error ``noise / h`` at
    ``h = (noise / c)**(1/3)``, where their sum is nearly least. Half of it is taken: other
    directions differ. If the difference is no small part of the slope, the series has not settled
    and shorter strides are tried; if nothing shows and the slope is not clear, longer ones. The step
    of a forward difference is found much in this way, from a second derivative, by
    Philip E. Gill, Walter Murray, Michael A. Saunders and Margaret H. Wright, "Computing
    forward-difference intervals for numerical optimization", *SIAM Journal on Scientific and
    Statistical Computing* 4 (2), 1983, pages 310-321.

    The walk starts near ``u**(1/5)``, where the truncation error stands well above rounding, and
    does not go beyond ``longest``. Only if the loss has not answered by then, a hundred times as
    far: units that are dead here may live there; but no step is chosen there.

    Parameters
    ----------
    loss, params
        As in :func:`gradlab.check_gradients`, already validated.
    direction
        For one or more of the arrays one of the same shape, in units in which a stride of 1 moves
        entries by something like their own size.
    center
        The loss at ``params``.
    noise
        Of the loss.
    longest
        The longest stride that makes sense.
    """
    walked: dict[float, _Stride] = {}
    felt: dict[float, float] = {}  # the noise at the end of a stride

    def stride(t: float) -> _Stride:
        if t not in walked:
            up, down = line_losses(loss, params, direction, (t, -t)).astype(float)
            level = max(noise.level, UNIT * abs(up), UNIT * abs(down))
            with np.errstate(all="ignore"):
                walked[t] = _Stride(
                    slope=(up - down) / (2 * t),
                    error=SAFETY * level / t,
                    jump=abs(up - 2 * center + down) / t,
                    change=max(abs(up - center), abs(down - center)),
                    noise=SAFETY * level,
                    ends=(float(up), float(down)),
                )
        return walked[t]

    def answers() -> bool:
        """Whether the loss has changed by more than its noise, at the stride where that shows most.

        What cancels again, as a bias before batch norm, leaves the rounding noise of larger and
        larger numbers behind: a change that is not much more than the noise measured at the point
        itself has to stand out from the noise measured there.
        """
        t, most = max(walked.items(), key=lambda each: each[1].change / each[1].noise)
        if not most.change > most.noise:
            return not math.isfinite(most.change)
        if most.change > PLAINLY * most.noise:
            return True
        if t not in felt:
            near = line_losses(loss, params, direction, t * (1 + SPACINGS[0] * POINTS)).astype(
                float
            )
            felt[t] = rms(np.diff(near, n=2)) / math.sqrt(6) if np.isfinite(near).all() else 0.0
        return most.change > SAFETY * felt[t]

    t = min(first_stride(noise), longest / 4)
    step, bounds = None, [0.0, math.inf]  # strides known to be too short, and too long
    bent_at = 0.0  # the longest stride after which the slopes to both sides differ as by a kink
    for _ in range(MOST_STRIDES):
        near, far = stride(t), stride(2 * t)
        if bent_at and 4 * near.error > KINKED * stride(bent_at).jump:
            break  # rounding hides the jump from here on: a kink
        if near.bends_like(far):
            # A kink, unless it becomes smooth on a shorter stride.
            bent_at = bent_at or t
            bounds[1] = t
            t = _between(t / SHORTENED, bounds)
            continue
        bent_at = 0.0
        change = abs(far.slope - near.slope)
        size = max(abs(near.slope), abs(far.slope))
        if not math.isfinite(change):
            bounds[1] = t
            t = _between(t / SHORTENED, bounds)
        elif change > 2 * near.error:  # the error of the one, half of it for the other, and more
            step = PART_OF_BEST * (noise.level / (change / (3 * t**2))) ** (1 / 3)
            if change <= SETTLED * size or step >= t / NEAR:
                break
            bounds[1] = t
            t = _between(max(NEAR * step, t / SHORTENED), bounds)
        else:
            step = t
            clear = near.error <= CLEAR_SLOPE * size
            if clear or 2 * t >= (longest if answers() else FARTHER * longest):
                break
            bounds[0] = t
            t = _between(LENGTHENED * t, bounds)
        if bounds[1] < 2 * bounds[0]:
            break
    t = bent_at or t
    near = stride(t)
    return Probe(
        step=float(min(step or t, t, longest / ROOM)),
        wide=float(min(t, longest / ROOM)),
        curvature=float(near.jump / t),
        change=float(max(each.change for each in walked.values())),
        answers=answers(),
        bent=bool(bent_at),
        losses={t: each.ends for t, each in walked.items()},
    )


def _between(t: float, bounds: list[float]) -> float:
    low, high = bounds
    return t if low < t < high else math.sqrt(max(low, high / SEARCHED) * high)


class _Stride(NamedTuple):
    slope: float
    error: float
    jump: float
    change: float
    noise: float
    ends: tuple[float, float]

    def bends_like(self, twice: _Stride) -> bool:
        """Whether the slopes to both sides differ by as much as after a stride twice as long."""
        # In a jump the losses count 1, -2 and 1 times, and their rounding four times.
        return bool(self.jump > 4 * self.error and self.jump > KINKED * twice.jump)


def _scale(arrays: Iterable[np.ndarray]) -> float:
    """The rms of all entries, or 0 if they are so small that they may as well be zeros."""
    size = rms(np.concatenate([array.ravel() for array in arrays]))
    return size if size > NEGLIGIBLE else 0.0
