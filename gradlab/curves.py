"""How the error of a difference depends on the step: measured, and predicted.

The error of a formula of order p has two parts, which pull the step ``h`` in opposite directions:
the truncation error ``T h**p``, what the Taylor series leaves over, and the rounding error ``R/h``,
the noise of the loss divided by the step. Both are predicted here from other measurements than the
curve itself: T from the higher derivatives of the loss, R from its noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gradlab import containers, validation
from gradlab.data import random_stream
from gradlab.differences import (
    FORMULAS,
    METHODS,
    ComplexLoss,
    complex_copies,
    difference,
    entry_losses,
    unstacked,
)
from gradlab.differences.formulas import rms
from gradlab.differences.noise import UNIT, loss_noise
from gradlab.differences.progress import Progress
from gradlab.differences.sweep import (
    Guarded,
    Loss,
    Params,
    Sweep,
    as_plain,
    moved,
    restored,
    value_or_nan,
)

__all__ = ["Best", "ErrorCurve", "Slopes", "TaylorTest", "error_curve", "taylor_test"]

Gradients = Params | Callable[[Params], Params]

NODES = np.cos(np.pi * (np.arange(12) + 0.5) / 12)  # Chebyshev points
RADIUS = 0.5  # of the interval around an entry in which its higher derivatives are measured

# The Taylor test looks at so many steps, the smallest at which the remainder is so many times the
# noise of the loss: with fewer the slope would be rough, with more a small mistake would not show.
TAYLOR_STEPS, ABOVE_NOISE = 5, 30
# An error of a tenth of the gradient would stand above the noise at a step over which the loss
# changes by so many times its noise: there, a remainder that is not seen is none.
TELLING = 10 * ABOVE_NOISE
HALVINGS = 0.5 ** np.arange(1, 45)


class Best(NamedTuple):
    """The step at which the measured error is least, and that error."""

    eps: float
    error: float


class Slopes(NamedTuple):
    """Slopes of the error over the step, both on logarithmic axes; nan where there is no branch."""

    truncation: float
    rounding: float


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """The slope of a line through the points on logarithmic axes; nan for fewer than three."""
    if len(x) < 3:
        return math.nan
    x, y = np.log(x), np.log(y)
    x -= x.mean()
    return float(x @ y / (x @ x))


@dataclass(frozen=True)
class ErrorCurve:
    """What :func:`error_curve` returns.

    Attributes
    ----------
    eps
        (E,) the steps, ascending.
    errors
        For each method (E,): ``||n - g|| / ||g||``, the 2-norm over all parameters of the
        difference between the numerical gradient n and the given one g.
    truncation, rounding
        For each method (E,): the two parts of the predicted error, each a straight line on
        logarithmic axes.
    """

    eps: np.ndarray
    errors: dict[str, np.ndarray]
    truncation: dict[str, np.ndarray] = field(repr=False)
    rounding: dict[str, np.ndarray] = field(repr=False)

    def predicted(self, method: str) -> np.ndarray:
        """The predicted error, (E,): ``sqrt((T h**p)**2 + (R/h)**2)``.

        Raises
        ------
        KeyError
            If there is no curve for this method.
        """
        self._require(method)
        return np.hypot(self.truncation[method], self.rounding[method])

    def best(self, method: str) -> Best:
        """The step with the least measured error, and that error.

        Raises
        ------
        KeyError
            If there is no curve for this method.
        ValueError
            If the loss has no value at any of its steps.
        """
        self._require(method)
        if np.isnan(self.errors[method]).all():
            raise ValueError(f"the loss has no value at any of the steps of {method!r}")
        least = int(np.nanargmin(self.errors[method]))
        return Best(float(self.eps[least]), float(self.errors[method][least]))

    def slopes(self, method: str) -> Slopes:
        """Straight lines fitted to both branches, away from the bottom and from the ends.

        A branch is where its part of the predicted error is at least ten times the other one; it is
        followed for two decades of the step, and while the error is below 0.1, since beyond no
        digit is left. For the complex step, which has no rounding branch, that slope is about 0.

        Raises
        ------
        KeyError
            If there is no curve for this method.
        """
        self._require(method)
        error, eps = self.errors[method], self.eps
        ratio = self.truncation[method] / self.rounding[method]
        digits = (error > 0) & (error < 0.1)
        right, left = digits & (ratio > 10), digits & (ratio < 0.1)
        right &= eps < 100 * eps[right].min(initial=np.inf)
        left &= eps > eps[left].max(initial=0) / 100
        return Slopes(*(_slope(eps[where], error[where]) for where in (right, left)))

    def _require(self, method: str) -> None:
        if method not in self.errors:
            raise KeyError(f"no curve for {method!r}; there is one for {', '.join(self.errors)}")


def error_curve(
    loss: Callable[[Any], Any],
    params: Any,
    grads: Any,
    methods: Sequence[str] = ("forward", "central"),
    eps: np.ndarray | None = None,
    vectorized: bool = False,
    progress: bool = True,
) -> ErrorCurve:
    """The relative error of the numerical gradient as a function of the step, with its theory.

    Parameters
    ----------
    loss, params, vectorized, progress
        As in :func:`gradlab.numerical_gradient`.
    grads
        The gradient to compare with, taken for exact; or a function of ``params`` that returns it;
        or True if the loss returns ``(value, gradient)``.
    methods
        Any of "forward", "central", "central4", "richardson", "complex".
    eps
        The steps, positive; by default 61 of them, four to a decade, from 1e-15 to 1.

    Returns
    -------
    ErrorCurve

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used as it is, or the given gradient is zero, since then there is
        no relative error; or if the loss raises an exception at every step, which is then quoted.

    Examples
    --------
    >>> from gradlab import bugs, error_curve
    >>> curve = error_curve(*bugs.course_problem(), methods=["forward", "central"])
    >>> [round(curve.slopes(method).truncation, 1) for method in curve.errors]
    [1.0, 2.0]
    """
    loss, params, grads = containers.unpacked(loss, params, grads)
    arrays = validation.require_parameters(params)
    validation.require_loss(loss)
    methods = [methods] if isinstance(methods, str) else list(methods)
    for method in methods:
        validation.require_method(method, METHODS)
    eps = np.logspace(-15, 0, 61) if eps is None else _require_steps(eps)
    exact = _flat(_gradients(grads, params, arrays))
    size = np.linalg.norm(exact)
    if size == 0:
        raise ValueError("the given gradient is zero everywhere, so no error is relative to it")

    loss, params = as_plain(loss, params)
    arrays = dict(params)
    guard = Guarded(loss)
    losses, points, near = _sampled(guard, params, arrays, methods, eps, vectorized, progress)
    noise = loss_noise(unstacked(loss) if vectorized else loss, params)

    errors, truncation, rounding = {}, {}, {}
    for method in methods:
        if method == "complex":
            order, factor = 2, 1 / 6
            numeric = _complex_gradients(loss, arrays, eps, vectorized)
            rounding[method] = np.full(eps.shape, noise.relative)
        else:
            formula = FORMULAS[method]
            order, factor = formula.order, formula.truncation
            numeric = difference(formula, losses, points)
            level = noise.level * formula.amplification * math.sqrt(exact.size)
            rounding[method] = level / size / eps
        errors[method] = np.linalg.norm(numeric - exact, axis=1) / size
        derivative = np.linalg.norm(_DERIVATIVES[order + 1] @ near)
        truncation[method] = abs(factor) * derivative / size * eps**order
    if guard.failure and all(np.isnan(error).all() for error in errors.values()):
        raise ValueError(f"the loss has no value at any of these steps: {guard.failure}")
    return ErrorCurve(eps, errors, truncation, rounding)


def _sampled(
    loss: Loss,
    params: Params,
    arrays: Params,
    methods: Sequence[str],
    eps: np.ndarray,
    vectorized: bool,
    progress: bool,
) -> tuple[dict[float, np.ndarray], dict[float, np.ndarray], np.ndarray]:
    """By offset the losses and where they were taken, (E, entries) each; and those at the nodes.

    One sweep for everything: the methods share most of their steps.
    """
    formulas = [FORMULAS[method] for method in methods if method != "complex"]
    offsets = sorted({offset for formula in formulas for offset in formula.offsets if offset})
    grid = {offset: offset * eps for offset in offsets}
    distances = np.concatenate([[0.0], RADIUS * NODES, *grid.values()])
    ones = {name: np.ones(array.shape) for name, array in arrays.items()}
    sweep = entry_losses(loss, params, ones, distances, vectorized, progress=progress)
    center, near, far = np.split(_rows(sweep), [1, 1 + len(NODES)])
    if not np.isfinite(center[0, 0]):
        raise ValueError(f"the loss is {center[0, 0]} at params, so it has no derivatives there")
    losses = {0: center, **dict(zip(grid, np.split(far, len(grid) or 1), strict=False))}
    points = {
        offset: _at_steps(arrays, steps) for offset, steps in {0: np.zeros(1), **grid}.items()
    }
    return losses, points, near


def _derivative_weights() -> np.ndarray:
    """Row k gives the k-th derivative at 0 from values at ``RADIUS * NODES``.

    It is that of the interpolating polynomial, in the basis of powers of ``x / RADIUS``.
    """
    powers = np.arange(len(NODES))
    coefficients = np.linalg.inv(NODES[:, None] ** powers)
    factorials = np.array([math.factorial(k) for k in powers])
    return coefficients * (factorials / RADIUS**powers)[:, None]


_DERIVATIVES = _derivative_weights()


def _require_steps(eps: np.ndarray) -> np.ndarray:
    try:
        steps = np.sort(np.atleast_1d(np.asarray(eps, dtype=float)))
    except (TypeError, ValueError):
        raise TypeError(f"eps must be a vector of steps, not {eps!r}") from None
    if steps.ndim != 1 or not len(steps):
        raise ValueError(f"eps must be a vector of steps, not an array of shape {np.shape(eps)}")
    validation.require_step(steps[0])
    validation.require_step(steps[-1])
    return steps


def _gradients(grads: Gradients, params: Params, arrays: Params) -> Params:
    if callable(grads):
        with restored(params):
            grads = grads(params)
    return validation.require_gradients(grads, arrays)


def _flat(arrays: Params) -> np.ndarray:
    """All entries of all arrays, as one vector."""
    return np.concatenate([array.ravel() for array in arrays.values()])


def _rows(values: Params) -> np.ndarray:
    """All entries of all arrays, whose first axis is kept, as rows."""
    return np.concatenate([array.reshape(len(array), -1) for array in values.values()], axis=1)


def _at_steps(arrays: Params, steps: np.ndarray) -> np.ndarray:
    """All entries, each moved by each of the steps: (steps, entries)."""
    return _rows({name: moved(a.ravel(), steps[:, None], 1) for name, a in arrays.items()})


def _complex_gradients(loss: Loss, arrays: Params, eps: np.ndarray, vectorized: bool) -> np.ndarray:
    copies = complex_copies(arrays)
    steps = {name: np.full(array.shape, 1j) for name, array in arrays.items()}
    guard = Guarded(ComplexLoss(loss))
    values = entry_losses(guard, copies, steps, eps, vectorized, progress=False)
    return _rows(values).imag / eps[:, None]


# ----------------------------------------------------------------- the Taylor-remainder test


class TaylorTest(np.ndarray):
    """The slopes of the Taylor remainder from step to step, (k - 1,): what :func:`taylor_test` gives.

    Attributes
    ----------
    slope
        That of a line fitted to all of them: about 2 when the gradient is right, about 1 when it
        is not; inf when nothing is left of the remainder but noise, as in a linear loss. nan says
        that the test has nothing to go by: the gradient is not finite, or the loss has no finite
        value at any step that is long enough.
    steps, remainders
        (k,): the steps, descending, and the mean of ``|L(x + h v) - L(x) - h g.v|`` at h and -h; at
        one of the two, if the loss has a value on that side only.
    """

    slope: float
    steps: np.ndarray
    remainders: np.ndarray

    def __array_finalize__(self, source: np.ndarray | None) -> None:
        for name in _OF_A_TEST:
            setattr(self, name, getattr(source, name, None))

    def __reduce__(self) -> tuple[Any, ...]:
        reduced: Any = super().__reduce__()
        return (*reduced[:2], (reduced[2], {name: getattr(self, name) for name in _OF_A_TEST}))

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state[0])
        for name, value in state[1].items():
            setattr(self, name, value)


_OF_A_TEST = ("slope", "steps", "remainders")


def taylor_test(
    loss: Callable[[Any], Any], params: Any, grads: Any, seed: int = 0, progress: bool = True
) -> TaylorTest:
    """Halve the step along one random direction: how fast does the Taylor remainder vanish?

    ``r(h) = |L(x + h v) - L(x) - h g.v|`` is of second order in h if g is the gradient, and of
    first order if it is not: no step to choose and no tolerance (Patrick E. Farrell, David A. Ham,
    Simon W. Funke and Marie E. Rognes, "Automated derivation of the adjoint of high-level transient
    finite element programs", *SIAM Journal on Scientific Computing* 35 (4), 2013, pages C369-C393).
    The steps used are the smallest at which the remainder still stands well above the noise of the
    loss, in float64 and float32 alike: there a small mistake shows most.

    Parameters
    ----------
    loss, params
        As in :func:`gradlab.numerical_gradient`.
    grads
        The gradient under suspicion, or a function of ``params`` that returns it; or True if the
        loss returns ``(value, gradient)``.
    seed
        Seed of the direction.
    progress
        Whether to show a progress bar when it takes longer than a second.

    Returns
    -------
    TaylorTest
        The slopes, an array, with ``slope``, ``steps`` and ``remainders``.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used as it is.

    Examples
    --------
    >>> from gradlab import bugs, taylor_test
    >>> loss, params, grads = bugs.course_problem()
    >>> round(taylor_test(loss, params, grads).slope, 1)
    2.0
    >>> round(taylor_test(loss, params, {**grads, "W2": -grads["W2"]}).slope, 1)
    1.0
    """
    loss, params, grads = containers.unpacked(loss, params, grads)
    arrays = validation.require_parameters(params)
    validation.require_loss(loss)
    gradients = _gradients(grads, params, arrays)
    loss, params = as_plain(loss, params)
    arrays = dict(params)
    stream = random_stream(seed)
    direction = {
        name: stream.standard_normal(array.shape) * _entry_sizes(array) / math.sqrt(array.size or 1)
        for name, array in arrays.items()
    }
    slope = sum(float(np.sum(gradients[name] * direction[name])) for name in arrays)
    guard = Guarded(loss)
    noise = loss_noise(guard, params).level
    steps: list[float] = []
    remainders: list[float] = []
    sides = 0  # of the point, on which the loss has a value
    found = False  # a step at which there is a remainder, be it noise
    with restored(params) as held, Progress(len(HALVINGS), progress) as bar:
        center = float(Sweep(loss, params, {}, (), False, held).center())
        noise = max(noise, UNIT * abs(center))  # where no line of values could be measured

        def remainder(h: float) -> float:
            held.move({n: moved(a, direction[n], h) for n, a in held.originals.items()})
            with np.errstate(all="ignore"):
                value = validation.loss_value(value_or_nan(guard, params, direction, h))
            return abs(value - center - h * slope)

        for h in HALVINGS:
            bar.advance()
            # Both ways: on one side the first and the second order may cancel.
            both = [each for each in (remainder(h), remainder(-h)) if math.isfinite(each)]
            if len(both) > sides:  # what was seen at longer steps is of one side only
                sides = len(both)
                steps.clear()
                remainders.clear()
            if not both or len(both) < sides:  # outside the domain of the loss
                continue
            if not sum(both) / sides > ABOVE_NOISE * noise:
                # A step that is short only because the domain is small may show nothing at all.
                found |= h == HALVINGS[0] or abs(h * slope) > TELLING * noise
                break
            found = True
            steps.append(h)
            remainders.append(sum(both) / sides)
    if guard.failure and not found:
        raise ValueError(f"there is no step at which this test could be made: {guard.failure}")
    result = _taylor_slopes(np.array(steps[-TAYLOR_STEPS:]), np.array(remainders[-TAYLOR_STEPS:]))
    if not found or not math.isfinite(noise):
        result.slope = math.nan
    return result


def _taylor_slopes(steps: np.ndarray, remainders: np.ndarray) -> TaylorTest:
    slopes = np.diff(np.log2(remainders)) / np.diff(np.log2(steps))
    result = slopes.view(TaylorTest)
    result.steps, result.remainders = steps, remainders
    if len(steps) > 2:
        result.slope = _slope(steps, remainders)
    else:  # one step proves nothing, of two there is only one slope
        result.slope = float(slopes[0]) if len(slopes) else math.nan if len(steps) else math.inf
    return result


def _entry_sizes(array: np.ndarray) -> np.ndarray:
    """A size for every entry: its own, or that of the array if it is small in it; 1 for zeros."""
    return np.maximum(np.abs(array).astype(float), rms(array) or 1.0)
