"""The derivative of a loss from its values: difference quotients, entry by entry.

The formulas, for one entry of the parameters moved by multiples of a step ``h``:

========== ============================================ ============ ========================
method     formula                                      truncation   default ``h``
========== ============================================ ============ ========================
forward    D+(h) = (L(h) - L(0)) / h                    h/2 L''      u^(1/2) = 1.5e-8
central    D(h) = (L(h) - L(-h)) / 2h                   h^2/6 L'''   u^(1/3) = 6.1e-6
central4   (4 D(h) - D(2h)) / 3                         -h^4/30 L^5  u^(1/5) = 7.4e-4
richardson (D(h) - 20 D(h/2) + 64 D(h/4)) / 45          O(h^6)       u^(1/7) = 5.8e-3
complex    Im L(ih) / h                                 -h^2/6 L'''  1e-20: no cancellation
========== ============================================ ============ ========================

A formula of order p has the error ``T h**p + R/h``, with ``R`` of the size of ``u |L|``, ``u`` the
machine epsilon; it is least where ``h**(p + 1)`` is about ``u``, which gives the last column (for p
of 1 and 2: [1]_). It is multiplied by ``max(1, |entry|)``, 1 being a typical size [2]_. Richardson:
[3]_. Complex step: [4]_, [5]_, [6]_.

.. [1] William H. Press, Saul A. Teukolsky, William T. Vetterling and Brian P. Flannery, *Numerical
   Recipes: The Art of Scientific Computing*, 3rd edition, Cambridge University Press, 2007, section
   5.7.
.. [2] John E. Dennis and Robert B. Schnabel, *Numerical Methods for Unconstrained Optimization and
   Nonlinear Equations*, Prentice-Hall, 1983, algorithm A5.6.3: steps in proportion to the larger
   of an entry and its typical size.
.. [3] Lewis F. Richardson and J. Arthur Gaunt, "The deferred approach to the limit", *Philosophical
   Transactions of the Royal Society of London, Series A* 226, 1927, pages 299-361.
.. [4] James N. Lyness and Cleve B. Moler, "Numerical differentiation of analytic functions", *SIAM
   Journal on Numerical Analysis* 4 (2), 1967, pages 202-210.
.. [5] William Squire and George Trapp, "Using complex variables to estimate derivatives of real
   functions", *SIAM Review* 40 (1), 1998, pages 110-112.
.. [6] Joaquim R. R. A. Martins, Peter Sturdza and Juan J. Alonso, "The complex-step derivative
   approximation", *ACM Transactions on Mathematical Software* 29 (3), 2003, pages 245-262.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradlab import validation
from gradlab.perturbation import Loss, Params, Steps, Sweep, moved, restored, total_size
from gradlab.progress import Progress
from gradlab.workers import require_workers, spread

__all__ = [
    "FORMULAS",
    "METHODS",
    "ComplexLoss",
    "Formula",
    "complex_copies",
    "difference",
    "entry_losses",
    "entry_steps",
    "numerical_gradient",
    "require_visible",
    "unstacked",
]


class Formula(NamedTuple):
    """A weighted sum of quotients ``(L(a h) - L(b h)) / (a h - b h)``, one ``(a, b, weight)`` each."""

    order: int
    quotients: tuple[tuple[float, float, float], ...]

    @property
    def offsets(self) -> list[float]:
        """Every multiple of the step at which the loss is needed, once."""
        return sorted({offset for a, b, _ in self.quotients for offset in (a, b)})

    @property
    def truncation(self) -> float:
        """The factor c of the first term that the Taylor series leaves over, ``c h**p L^(p+1)``."""
        q = self.order + 1
        return sum(w * (a**q - b**q) / (a - b) for a, b, w in self.quotients) / math.factorial(q)

    @property
    def amplification(self) -> float:
        """The noise of the result, times h, for independent noise of size 1 in each loss."""
        return math.sqrt(sum(2 * (w / (a - b)) ** 2 for a, b, w in self.quotients))


FORMULAS = {
    "forward": Formula(1, ((1, 0, 1),)),
    "central": Formula(2, ((1, -1, 1),)),
    "central4": Formula(4, ((1, -1, 4 / 3), (2, -2, -1 / 3))),
    "richardson": Formula(
        6, ((1, -1, 1 / 45), (1 / 2, -1 / 2, -20 / 45), (1 / 4, -1 / 4, 64 / 45))
    ),
}
METHODS = (*FORMULAS, "complex")


def numerical_gradient(
    loss: Loss,
    params: Params,
    method: str = "central",
    eps: float | None = None,
    vectorized: bool = False,
    workers: int | Callable = 1,
    progress: bool = True,
) -> dict[str, np.ndarray]:
    """The gradient of ``loss`` at ``params``, by moving one entry at a time.

    Parameters
    ----------
    loss
        ``loss(params)`` returns one real number. With ``method="complex"`` it is called with complex
        copies of the arrays and returns a complex number.
    params
        Floating-point arrays of any shape and memory order, by name. They are perturbed in place,
        because a layer may hold them under another name, and put back bit for bit, whatever happens.
    method
        "forward", "central", "central4", "complex" or "richardson": see the table of this module.
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
        An array for each one of ``params``, of its shape, in float64.

    Raises
    ------
    TypeError, ValueError
        If the parameters, the loss, or another argument cannot be used as they are: by name, and
        before anything is moved.
    """
    arrays = validation.require_parameters(params)
    validation.require_loss(loss)
    validation.require_method(method, METHODS)
    workers = require_workers(workers)
    steps = entry_steps(arrays, method, validation.require_step(eps))
    if method == "complex":
        return _complex_gradient(loss, arrays, steps, vectorized, workers, progress)
    offsets = FORMULAS[method].offsets
    require_visible(arrays, steps, offsets)
    values = entry_losses(loss, params, steps, offsets, vectorized, workers, progress)
    return {
        name: difference(
            FORMULAS[method],
            dict(zip(offsets, values[name], strict=True)),
            {offset: moved(array, steps[name], offset) for offset in offsets},
        )
        for name, array in arrays.items()
    }


def difference(
    formula: Formula, losses: Mapping[float, np.ndarray], points: Mapping[float, np.ndarray]
) -> np.ndarray:
    """The formula applied to ``losses[offset]``, taken at the parameters ``points[offset]``.

    Each quotient is divided by the distance between the two floating-point numbers at which the loss
    was really evaluated, not by the one that was asked for; if they are the same number, it is 0.
    """
    total = np.zeros(np.shape(losses[formula.quotients[0][0]]))
    for a, b, weight in formula.quotients:
        run = np.subtract(points[a], points[b], dtype=np.float64)
        with np.errstate(invalid="ignore"):  # of two infinite losses: nan
            rise = losses[a] - losses[b]
        total += weight * np.divide(rise, run, out=np.zeros_like(total), where=run != 0)
    return total


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
    return max(float(np.finfo(dtype).eps) for dtype in {*(a.dtype for a in arrays.values()), float})


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

    Returns
    -------
    dict
        For each array the losses, of shape ``(len(offsets), *array.shape)``, float64 or complex128.
    """
    rows = [row for row, offset in enumerate(offsets) if offset]
    sweep = Sweep(loss, params, steps, tuple(offsets[row] for row in rows), vectorized)
    with restored(params), Progress(total_size(params), progress) as bar:
        center = sweep.center()
        values = {name: np.full((len(offsets), a.size), center) for name, a in params.items()}
        if workers == 1:
            done = ((block, sweep.evaluate(block, bar)) for block in sweep.blocks())
        else:
            done = spread(sweep, workers, bar)
        for block, losses in done:
            values[block.name][rows, block.start : block.stop] = losses
    return {name: values[name].reshape(len(offsets), *a.shape) for name, a in params.items()}


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
    values = entry_losses(ComplexLoss(loss), copies, upwards, (1,), vectorized, workers, progress)
    gradient = {name: values[name][0].imag / steps[name] for name in arrays}
    _require_analytic(loss, arrays, gradient, vectorized)
    return gradient


def complex_copies(arrays: Params) -> dict[str, np.ndarray]:
    """Complex arrays of the same precision."""
    return {
        name: array.astype(np.result_type(array.dtype, np.complex64))
        for name, array in arrays.items()
    }


class ComplexLoss(NamedTuple):
    """A loss of complex parameters that does not lose the imaginary part without a word."""

    loss: Loss

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
    rng = np.random.default_rng(0)
    direction = {
        name: rng.standard_normal(array.shape) * np.maximum(1.0, np.abs(array))
        for name, array in arrays.items()
    }

    def value(offset: float) -> float:
        there = {name: moved(array, direction[name], offset) for name, array in arrays.items()}
        return validation.loss_value((unstacked(loss) if vectorized else loss)(there))

    h = 1e-3
    narrow = (value(h) - value(-h)) / (2 * h)
    wide = (value(2 * h) - value(-2 * h)) / (4 * h)
    slope = sum(float(np.sum(gradient[name] * direction[name])) for name in arrays)
    noise = _coarsest_u(arrays) * abs(value(0)) / h
    if abs(slope - narrow) > 10 * abs(wide - narrow) + 1e-6 * abs(narrow) + 1000 * noise:
        raise ValueError(
            f"along a random direction the complex step gives the slope {slope:.3g}, but central "
            f"differences give {narrow:.3g}: somewhere in the loss abs, real, conj or a cast drops "
            f"the imaginary part, or a comparison chooses a branch; choose another method"
        )
