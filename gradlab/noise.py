"""The rounding noise of a loss, measured.

A computed loss is a smooth function plus noise of about ``u |L|``, ``u`` the unit roundoff: or much
more, where sums cancel or where float32 hides inside. No formula knows it, but nine evaluations on
a line do: differences of a smooth function shrink with their order, those of noise do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from gradlab.validation import loss_value

__all__ = ["Noise", "difference_noise", "loss_noise"]

Params = Mapping[str, np.ndarray]

POINTS = np.arange(-4, 5)


class Noise(NamedTuple):
    """The noise of a loss near a point.

    ``level`` is its standard deviation, in units of the loss; ``relative`` the same over the size
    of the loss, never below the unit roundoff of float64.
    """

    level: float
    relative: float


def difference_noise(values: np.ndarray) -> float | None:
    """The noise in values of a function at equally spaced points, or None if none stands out.

    From the k-th differences, whose variance is ``(2k)! / (k!)**2`` times that of the noise, at
    the first order k for which three successive orders agree to a factor 4 and the differences
    change sign: J. J. Moré, S. M. Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33
    (2011), 1292-1314, algorithm ECnoise.

    Parameters
    ----------
    values
        (m,), m of at least 7; nine are a good number.
    """
    levels, signs = [], []
    table = np.asarray(values, dtype=float)
    for order in range(1, len(values) - 1):
        table = np.diff(table)
        levels.append(math.sqrt(np.mean(table**2) / math.comb(2 * order, order)))
        signs.append(table.min() < 0 < table.max())
    for k in range(len(levels) - 2):
        three = levels[k : k + 3]
        if signs[k] and max(three) <= 4 * min(three):
            return levels[k]
    return None


def loss_noise(loss: Callable[[Params], float], params: Params) -> Noise:
    """Measure the rounding noise of ``loss`` at ``params`` from nine evaluations on a short line.

    The line moves all entries at once by a few parts in a million: enough to change a number that
    the loss casts to float32, too little for its curvature to show in high differences. Where it
    does show, or where nothing changes, shorter or longer lines are tried.

    Parameters
    ----------
    loss, params
        As in :func:`gradlab.check_gradients`, already validated.
    """
    unit = np.finfo(float).eps / 2
    largest = 0.0
    for spacing in (1e-6, 1e-4, 1e-2, 1e-8, 1e-10, 1e-12):
        values, unit = _values_on_a_line(loss, params, spacing)
        if not np.isfinite(values).all():
            continue
        largest = np.abs(values).max()
        level = difference_noise(values)
        if level is not None:
            break
    else:
        level = 0.0
    level = max(level, unit * largest)
    relative = level / largest if largest else unit
    return Noise(level, max(relative, np.finfo(float).eps / 2))


def _values_on_a_line(
    loss: Callable[[Params], float], params: Params, spacing: float
) -> tuple[np.ndarray, float]:
    """The loss at nine points, and the unit roundoff of the numbers that it returns."""
    from gradlab.differences import restored

    stream = np.random.RandomState(0)
    with restored(params) as arrays:
        starts = {name: array.copy() for name, array in arrays.items()}
        steps = {name: _exact_step(array, spacing, stream) for name, array in arrays.items()}
        values = []
        for point in POINTS:
            for name, array in arrays.items():
                array[...] = starts[name] + array.dtype.type(point) * steps[name]
            values.append(loss(params))
    unit = np.finfo(_float_type(values[0])).eps / 2
    return np.array([loss_value(value) for value in values]), float(unit)


def _float_type(value: object) -> np.dtype:
    dtype = getattr(value, "dtype", np.dtype(float))
    return dtype if np.issubdtype(dtype, np.floating) else np.dtype(float)


def _exact_step(array: np.ndarray, spacing: float, stream: np.random.RandomState) -> np.ndarray:
    """A random step for each entry that its floating-point numbers can make four times each way.

    Were it rounded, the points would not be equally spaced, and that would look like noise.
    """
    size = np.abs(array).astype(float)
    scale = np.maximum(size, np.sqrt(np.mean(size**2)) or 1.0) if array.size else size
    ulp = np.spacing((2 * size + 8 * spacing * scale).astype(array.dtype)).astype(float)
    step = stream.standard_normal(array.shape) * spacing * scale
    multiples = np.where(step < 0, -1, 1) * np.maximum(np.rint(np.abs(step) / ulp), 1)
    return (multiples * ulp).astype(array.dtype)
