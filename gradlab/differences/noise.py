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
SUSPICIOUS = 100.0  # times the roundoff of the loss is more noise than most losses have
COARSE = 1e-6  # times the loss and its slope is more than rounding, and may be an oscillation
DISTINCT = 100.0  # times: by so much the shape of a function stands out from its rounding noise
SPACINGS = (1e-6, 1e-4, 1e-2, 1e-7, 1e-8, 1e-10, 1e-12)
CLOSE = 1e-8  # times the parameters: too little to change most float32 numbers
OTHER_SPACING = 1.618  # times as far apart: no simple ratio, so these are rounded otherwise
KINKED = 0.5  # times: the slopes of a smooth function come together faster on shorter steps
NEGLIGIBLE = 1e-150  # for a parameter: its square is no number
FAR = (0.1, 1.0, 10.0)  # times the parameters

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
    for order in range(1, len(values) - 1):
        table = np.diff(table)
        levels.append(rms(table) / math.sqrt(math.comb(2 * order, order)))
        signs.append(bool(table.min() < 0 < table.max()))
    return levels, signs


def loss_noise(loss: Loss, params: Params) -> Noise:
    """Measure the rounding noise of ``loss`` at ``params`` from its values on two short lines.

    They move all entries at once by a few parts in a million: enough to change a number that the
    loss casts to float32, too little for its curvature to show in high differences. Where it does
    show, or where nothing changes, shorter or longer lines are tried; where nothing changes on
    any of them, the noise is measured at the nearest point at which something does, since the same
    arithmetic is at work there. The noise is never less than the unit roundoff of what the loss
    returns.

    Parameters
    ----------
    loss, params
        As in :func:`gradlab.check_gradients`, already validated.
    """
    stream = np.random.RandomState(0)
    everywhere = _scale(params.values())
    direction = {
        name: stream.standard_normal(array.shape)
        * np.where(array, np.abs(array), _scale([array]) or everywhere or 1.0)
        for name, array in params.items()
    }
    here = _noise_along(loss, params, direction)
    if here.changed:
        return here.noise
    center = line_losses(loss, params, direction, (0.0,))[0]
    for t, value in zip(FAR, line_losses(loss, params, direction, FAR), strict=True):
        if math.isfinite(value) and value != center:
            away = {name: moved(array, direction[name], t) for name, array in params.items()}
            there = _noise_elsewhere(loss, params, away, direction)
            return here.noise._replace(level=max(here.noise.level, there.level))
    return here.noise


class _Along(NamedTuple):
    noise: Noise
    changed: bool


def _noise_elsewhere(loss: Loss, params: Params, point: Params, direction: Params) -> Noise:
    with restored(params) as arrays:
        for name, array in arrays.items():
            array[...] = point[name]
        return _noise_along(loss, params, direction).noise


def _noise_along(loss: Loss, params: Params, direction: Params) -> _Along:
    """The noise on lines in this direction, and whether the loss changed on any of them."""
    level: float | None = None
    largest, slope, unit = 0.0, 0.0, float(UNIT)
    for spacing in SPACINGS:
        if level is not None and spacing > SPACINGS[0]:
            continue  # its curvature showed on a shorter line already
        values = line_losses(loss, params, direction, spacing * POINTS)
        if not np.isfinite(values).all():
            continue
        unit, largest = unit_of(values), float(np.abs(values).max())
        if level is not None and not np.diff(values).all():
            # A staircase, as of parameters cast to float32, where a smooth function would move on.
            level = max(level, float(np.std(values - slope * spacing * POINTS)))
            break
        if not np.ptp(values):
            continue
        slope = float(values[-1] - values[0]) / float(np.ptp(POINTS) * spacing)
        measured, clear = _noise_in(values)
        if clear:
            usual = SUSPICIOUS * UNIT * largest
            measured = _made_sure(measured, usual, loss, params, direction, spacing)
        level = measured if level is None else _without_shape(level, measured)
        if clear and measured <= COARSE * (largest + abs(slope)):
            break
    changed = level is not None
    of_cast = _noise_of_cast(loss, params, direction, slope, largest)
    level = float(max(level or 0.0, of_cast, unit * largest, np.finfo(float).tiny))
    sizes = (largest, largest + abs(slope))
    relative = (max(level / size if size else unit, UNIT) for size in sizes)
    return _Along(Noise(level, *relative), changed)


def _made_sure(
    measured: float, usual: float, loss: Loss, params: Params, direction: Params, spacing: float
) -> float:
    """The noise measured on a line, if other lines agree.

    At another spacing, because all steps of the line may have been rounded alike. If it is more
    than usual, on the other side as well: there may have been a kink on the way.
    """

    def on(factor: float) -> float:
        values = line_losses(loss, params, direction, factor * spacing * POINTS)
        return difference_noise(values) or 0.0

    again = on(OTHER_SPACING) or measured
    if max(measured, again) <= usual:
        return math.hypot(measured, again) / math.sqrt(2)
    other_side = max(on(-1.0), on(-OTHER_SPACING))
    return _without_shape(max(measured, again), other_side) if other_side else max(measured, again)


def _noise_of_cast(
    loss: Loss, params: Params, direction: Params, slope: float, largest: float
) -> float:
    """The noise of a loss that casts a few parameters to float32; 0 if this one does not.

    Such a loss stands still between points so close that its slope says it should be seen to move,
    while on longer lines all points may be rounded alike.
    """
    single = any(array.dtype.itemsize < 8 for array in params.values())
    if single or abs(slope) * CLOSE <= SUSPICIOUS * UNIT * largest:
        return 0.0
    values = line_losses(loss, params, direction, CLOSE * POINTS)
    return 0.0 if np.diff(values).all() else float(np.std(values - slope * CLOSE * POINTS))


def _without_shape(level: float, other: float) -> float:
    """The noise, given those of two lines, one of which may have a kink or an oscillation in it.

    Rounding noise is nearly the same on both, and then the larger one is it.
    """
    low, high = sorted((level, other))
    return low if low < high / DISTINCT else high


def _noise_in(values: np.ndarray) -> tuple[float, bool]:
    """The noise in equally spaced values, or a bound with curvature in it, and which of the two."""
    measured = difference_noise(values)
    if measured is not None:
        return measured, True
    return min(_difference_levels(values)[0]), False


class Probe(NamedTuple):
    """What a walk along one direction of length 1 has shown.

    ``step`` keeps the truncation error of a central difference below its rounding error;
    ``curvature`` is the size of the second derivative; ``change`` the largest change of the loss on
    the way, and ``answers`` whether it was more than rounding noise. ``bent`` says that the slopes
    to both sides differ by as much after a short stride as after one ten times as long: there may
    be a kink.
    """

    step: float
    curvature: float
    change: float
    answers: bool
    bent: bool


def random_direction(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    """A Gaussian direction of length 1, the same each time."""
    direction = np.random.RandomState(seed).standard_normal(shape)
    return direction / np.linalg.norm(direction)


def probe(loss: Loss, params: Params, direction: Params, center: float, noise: Noise) -> Probe:
    """Choose the step for a central difference by walking along a direction of length 1.

    Steps are tried in factors of ten until the truncation error of the central difference rises
    out of its rounding error, ``noise / h``. With it known, ``c h**2``, the two are equal at
    ``h = (noise / c)**(1/3)``, and their sum nearly least. Half of it is taken: other directions
    differ. The step of a forward difference is found much in this way, from a second derivative, by
    Philip E. Gill, Walter Murray, Michael A. Saunders and Margaret H. Wright, "Computing
    forward-difference intervals for numerical optimization", *SIAM Journal on Scientific and
    Statistical Computing* 4 (2), 1983, pages 310-321.

    The walk starts near ``u**(1/3)`` times the size of the parameters and does not go beyond their
    size, or 1. Only if the loss has not answered by then, a hundred times as far: units that are
    dead here may live there.

    Parameters
    ----------
    loss, params
        As in :func:`gradlab.check_gradients`, already validated.
    direction
        For one or more of the arrays one of the same shape.
    center
        The loss at ``params``.
    noise
        Of the loss.
    """
    scale = _scale([params[name] for name in direction]) or 1.0
    start, longest = 0.1 * noise.relative ** (1 / 3) * scale, max(1.0, scale)
    walked: dict[int, _Stride] = {}

    def length(k: int) -> float:
        return start * 10.0**k

    def stride(k: int) -> _Stride:
        if k not in walked:
            t = length(k)
            up, down = line_losses(loss, params, direction, (t, -t)).astype(float)
            level = max(noise.level, UNIT * abs(up), UNIT * abs(down))
            walked[k] = _Stride(
                slope=(up - down) / (2 * t),
                error=SAFETY * level / t,
                jump=abs(up - 2 * center + down) / t,
                curvature=abs(up - 2 * center + down) / t**2,
                change=max(abs(up - center), abs(down - center)),
                # What cancels again, as a bias before batch norm, is larger farther away.
                noise=SAFETY * level * max(1.0, t / longest),
            )
        return walked[k]

    def truncated(k: int) -> bool:
        far, near = stride(k), stride(k - 1)
        return not abs(far.slope - near.slope) <= 2 * near.error

    def answers() -> bool:
        return any(not each.change <= each.noise for each in walked.values())

    k = 0
    if truncated(0):
        while truncated(k - 1) and k > -12:
            k -= 1
        k -= 1
    else:
        while length(k + 1) <= (longest if answers() else 100 * longest) and not truncated(k + 1):
            k += 1
    step = min(length(k), longest) / 10
    if k + 1 in walked and math.isfinite(stride(k + 1).slope):
        c = abs(stride(k + 1).slope - stride(k).slope) / length(k + 1) ** 2
        step = min(0.5 * (noise.level / c) ** (1 / 3), 0.5 * length(k), longest / 10)
    changes = [each.change for each in walked.values()]
    bent = any(
        near.jump > 4 * near.error and near.jump > KINKED * walked[k + 1].jump
        for k, near in walked.items()
        if k + 1 in walked
    )
    return Probe(float(step), float(stride(k).curvature), float(max(changes)), answers(), bent)


class _Stride(NamedTuple):
    slope: float
    error: float
    jump: float
    curvature: float
    change: float
    noise: float


def _scale(arrays: Iterable[np.ndarray]) -> float:
    """The rms of all entries, or 0 if they are so small that they may as well be zeros."""
    size = rms(np.concatenate([array.ravel() for array in arrays]))
    return size if size > NEGLIGIBLE else 0.0
