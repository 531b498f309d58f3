"""The gradient of a loss by moving one entry at a time: the sweep over all entries, complex step.

The formulas stand in :mod:`gradlab.differences.formulas`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gradlab import containers, validation
from gradlab.differences.formulas import FORMULAS, METHODS, difference
from gradlab.differences.progress import Progress, Ticks
from gradlab.differences.sweep import (
    Block,
    Guarded,
    Loss,
    Params,
    Steps,
    Sweep,
    as_plain,
    moved,
    require_untouched,
    restored,
    total_size,
    value_or_nan,
)
from gradlab.differences.workers import require_workers, spread

# Central differences along a line, for comparison with the complex step, times the parameters: at
# the first the truncation error is about as large as that of rounding in float32; the others are
# for losses with a domain that ends nearer than that.
LINE_STEPS = (1e-3, 1e-5, 1e-7)

__all__ = [
    "ComplexLoss",
    "complex_copies",
    "default_eps",
    "entry_losses",
    "entry_steps",
    "numerical_gradient",
    "require_visible",
    "unstacked",
]


def numerical_gradient(
    loss: Callable[[Any], Any],
    params: Any,
    method: str = "central",
    eps: float | None = None,
    vectorized: bool = False,
    workers: int | Callable = 1,
    progress: bool = True,
) -> Any:
    """The gradient of ``loss`` at ``params``, by moving one entry at a time.

    Parameters
    ----------
    loss
        ``loss(params)`` returns one real number. With ``method="complex"`` it is called with complex
        copies of the arrays and returns a complex number.
    params
        Floating-point arrays of any shape and memory order, by name. They are perturbed in place,
        because a layer may hold them under another name, and put back bit for bit, whatever happens.
        Or one array, or arrays in lists, tuples and dicts, as in :func:`gradlab.check_gradients`.
    method
        "forward", "central", "central4", "complex" or "richardson": see the table in :mod:`gradlab.differences.formulas`.
    eps
        The step, in the units of the parameters. By default it depends on the method, on the
        precision of the arrays and on the size of the entry.
    vectorized
        If true, ``loss`` is called with a stack: every array has one more axis in front, and it
        returns a vector with one number for each. The arrays are then copies. Arrays that are not
        moved may come as a stack of one, to be broadcast; a loss that cannot do that is noticed.
    workers
        A number of processes (-1: one for each core), or a function with the signature of ``map``,
        such as that of an executor, a pool or a cluster. The numbers do not depend on it.
        The loss then gets copies of the arrays, and must not read others.
    progress
        Whether to show a progress bar when it takes longer than a second.

    Returns
    -------
    dict
        An array for each one of ``params``, of its shape, in float64; in a structure like that of
        ``params``.

    Raises
    ------
    TypeError, ValueError
        If the parameters, the loss, or another argument cannot be used as they are: by name, and
        before anything is moved.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import numerical_gradient
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> numerical_gradient(lambda p: np.sum(p["w"] ** 3), params)["w"].round(6)
    array([ 3., 12.])
    >>> numerical_gradient(lambda x: np.sum(x**3), np.array([1.0, 2.0])).round(6)
    array([ 3., 12.])
    """
    loss, params, _ = containers.unpacked(loss, params, None)
    container = loss.container if isinstance(loss, containers.Packed) else None
    validation.require_parameters(params)
    validation.require_loss(loss)
    validation.require_method(method, METHODS)
    workers = require_workers(workers)
    loss, params = as_plain(loss, params)
    arrays = dict(params)
    steps = entry_steps(arrays, method, validation.require_step(eps))
    if method == "complex":
        gradient = _complex_gradient(loss, arrays, steps, vectorized, workers, progress)
        return container.pack(gradient, convert=False) if container else gradient
    offsets = FORMULAS[method].offsets
    require_visible(arrays, steps, offsets)
    values = entry_losses(loss, params, steps, offsets, vectorized, workers, progress)
    gradient = {
        name: difference(
            FORMULAS[method],
            dict(zip(offsets, values[name], strict=True)),
            {offset: moved(array, steps[name], offset) for offset in offsets},
        )
        for name, array in arrays.items()
    }
    return container.pack(gradient, convert=False) if container else gradient


def default_eps(arrays: Params, method: str) -> float:
    """The step that balances truncation and rounding when the loss and its derivatives are near 1.

    The rounding is that of the coarsest precision among the arrays.
    """
    u = _coarsest_u(arrays)
    if method == "complex":
        return 1e-20 if u < 1e-12 else 1e-10
    return u ** (1 / (FORMULAS[method].order + 1))


def _coarsest_u(arrays: Params) -> float:
    """The machine epsilon of the coarsest precision in use; the losses are float64 at best."""
    return max(2 * validation.roundoff_of(array.dtype) for array in (*arrays.values(), np.zeros(1)))


def entry_steps(arrays: Params, method: str, eps: float | None) -> dict[str, np.ndarray]:
    """The step of every entry: ``eps``, or the default times ``max(1, |entry|)``."""
    if eps is not None:
        return {name: np.full(array.shape, eps) for name, array in arrays.items()}
    eps = default_eps(arrays, method)
    return {
        name: eps * np.maximum(1.0, np.abs(array), dtype=float) for name, array in arrays.items()
    }


def require_visible(arrays: Params, steps: Steps, offsets: Sequence[float]) -> None:
    """Refuse, with a ValueError, steps that rounding takes back when they are added to an entry."""
    shortest = min(abs(offset) for offset in offsets if offset)
    for name, array in arrays.items():
        lost = moved(array, steps[name], shortest) == array
        if lost.any():
            index = validation.first_index(lost)
            raise ValueError(
                f"eps = {steps[name][index]:.3g} is too small for params[{name!r}]{list(index)} = "
                f"{array[index]!s}: adding it changes nothing in {array.dtype}; take a larger one"
            )


def entry_losses(
    loss: Loss,
    params: Params,
    steps: Steps,
    offsets: Sequence[float] | np.ndarray,
    vectorized: bool = False,
    workers: int | Callable = 1,
    progress: bool = True,
    center: float | None = None,
) -> dict[Any, np.ndarray]:
    """The loss with each entry in turn moved by ``offset * step``, for each offset.

    With ``vectorized`` or ``workers`` the loss sees copies; otherwise the caller's own arrays, moved
    in place and :func:`restored`.

    Parameters
    ----------
    loss, params, vectorized, workers, progress
        As in :func:`numerical_gradient`. ``params`` has been validated.
    steps
        For each array one of its shape: how far an entry moves when the offset is 1.
    offsets
        Multiples of the step. For 0 the loss is evaluated once, not once an entry.
    center
        The loss where nothing is moved, if it is known.

    Returns
    -------
    dict
        For each array the losses, of shape ``(len(offsets), *array.shape)``, float64 or complex128;
        nan where a loss that is :class:`gradlab.differences.sweep.Guarded` raises an exception.

    Raises
    ------
    TypeError, ValueError
        If the loss returns something that is no number, or changes what it is given.
    """
    rows = [row for row, offset in enumerate(offsets) if offset]
    with restored(params) as arrays, _progress_of(loss, len(rows), arrays, progress) as bar:
        sweep = Sweep(loss, params, steps, tuple(offsets[row] for row in rows), vectorized, arrays)
        here = sweep.center() if center is None else center
        values = {name: np.full((len(offsets), a.size), here) for name, a in arrays.items()}
        done: Iterator[tuple[Block, np.ndarray]]
        if workers == 1:
            done = ((block, sweep.evaluate(block, bar)) for block in sweep.blocks())
        else:
            done = spread(sweep, workers, bar)
        for block, losses in done:
            values[block.name][rows, block.start : block.stop] = losses
        require_untouched(params, arrays.originals)
    return {name: values[name].reshape(len(offsets), *a.shape) for name, a in arrays.items()}


def _progress_of(loss: Loss, rows: int, arrays: Params, progress: bool) -> Progress:
    """A bar for the entries; where the loss counts its evaluations, their counter."""
    if isinstance(loss, Guarded):
        return Ticks(loss.count, rows)
    return Progress(total_size(arrays), progress)


# ------------------------------------------------------------------------- complex step


def unstacked(loss: Loss) -> Loss:
    """A loss of single arrays, from one of stacks."""
    return lambda params: loss({name: array[None] for name, array in params.items()})[0]


def _complex_gradient(
    loss: Loss,
    arrays: Params,
    steps: Steps,
    vectorized: bool,
    workers: int | Callable,
    progress: bool,
) -> dict[str, np.ndarray]:
    """``Im L(x + ih) / h``, entry by entry, on complex copies of the arrays."""
    copies = complex_copies(arrays)
    upwards = {name: 1j * step for name, step in steps.items()}
    guard = loss if isinstance(loss, Guarded) else None
    inner: Loss = Guarded(ComplexLoss(guard.loss)) if guard else ComplexLoss(loss)
    values = entry_losses(inner, copies, upwards, (1,), vectorized, workers, progress)
    if guard and isinstance(inner, Guarded):
        guard.count(inner.evaluations)
        guard.failure = inner.failure or guard.failure
    gradient = {name: values[name][0].imag / steps[name] for name in arrays}
    _require_analytic(loss, arrays, gradient, vectorized)
    return gradient


def complex_copies(arrays: Params) -> dict[str, np.ndarray]:
    """Complex arrays of the same precision."""
    return {
        name: array.astype(np.result_type(array.dtype, np.complex64))
        for name, array in arrays.items()
    }


class ComplexLoss:
    """A loss of complex parameters that does not lose the imaginary part without a word."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def __call__(self, params: Params) -> complex | np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            try:
                value = self.loss(params)
            except (TypeError, np.exceptions.ComplexWarning) as error:
                raise TypeError(
                    f"the loss cannot take complex parameters, which the complex step needs "
                    f"({error}); keep casts to float, abs and comparisons out of it, or choose "
                    f"another method"
                ) from error
        if not np.iscomplexobj(value):
            raise TypeError(
                f"the loss of complex parameters is the real {value!r}: abs, real or a cast in it "
                f"drops the imaginary part that the complex step needs, or it reads other arrays "
                f"than its argument; mend that, or choose another method"
            )
        return value if np.ndim(value) else complex(value)


def _require_analytic(loss: Loss, arrays: Params, gradient: Params, vectorized: bool) -> None:
    """Compare with central differences along one direction, where another error cannot hide.

    An ``abs`` in one term of the loss drops the imaginary part of that term alone; the result is
    still complex, and the derivative quietly wrong.
    """
    rng = np.random.RandomState(0)  # the same numbers in every NumPy
    direction = {
        name: rng.standard_normal(array.shape) * np.maximum(1.0, np.abs(array))
        for name, array in arrays.items()
    }

    single = unstacked(loss) if vectorized else loss

    def value(offset: float) -> float:
        there = {name: moved(array, direction[name], offset) for name, array in arrays.items()}
        with np.errstate(all="ignore"):
            return validation.loss_value(value_or_nan(single, there, direction, offset))

    for h in LINE_STEPS:
        narrow = (value(h) - value(-h)) / (2 * h)
        wide = (value(2 * h) - value(-2 * h)) / (4 * h)
        if math.isfinite(narrow) and math.isfinite(wide):
            break  # longer steps leave the domain of the loss
    slope = sum(float(np.sum(gradient[name] * direction[name])) for name in arrays)
    noise = _coarsest_u(arrays) * abs(value(0)) / h
    if abs(slope - narrow) > 10 * abs(wide - narrow) + 1e-6 * abs(narrow) + 1000 * noise:
        raise ValueError(
            f"along a random direction the complex step gives the slope {slope:.3g}, but central "
            f"differences give {narrow:.3g}: somewhere in the loss abs, real, conj or a cast drops "
            f"the imaginary part, or a comparison chooses a branch; choose another method"
        )
