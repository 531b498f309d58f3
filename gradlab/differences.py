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
   Nonlinear Equations*, Prentice-Hall, 1983: steps in proportion to the larger of an entry and its
   typical size.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from gradlab import validation
from gradlab.progress import Progress
from gradlab.workers import require_workers, spread

__all__ = ["METHODS", "entry_losses", "numerical_gradient", "restored"]

Params = Mapping[str, np.ndarray]
Loss = Callable[[Params], float | np.ndarray]
Steps = Mapping[str, np.ndarray]

# A stack is at most so many copies of the parameters, and so many numbers. Short, because the
# arrays of an evaluation, several times as large, should stay below 128 kB: beyond, many allocators
# take fresh pages from the system every time, which made an evaluation three times slower.
STACK_COPIES, STACK_NUMBERS = 96, 2**13
BLOCK = 1024  # entries whose moves are computed together


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


def moved(array: np.ndarray, step: np.ndarray, offset: float | np.ndarray) -> np.ndarray:
    """``array + offset * step``, rounded to the precision of ``array``."""
    return np.asarray(array + offset * step, dtype=array.dtype)


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


# ------------------------------------------------------------- perturb, evaluate, put back


@contextmanager
def restored(params: Params) -> Iterator[dict[str, np.ndarray]]:
    """Whatever happens inside, an exception or Ctrl-C included, put every array back, bit for bit.

    Yields the arrays: those that were there at the start, even if an entry of the dict is replaced.
    """
    arrays = dict(params)
    originals = {name: array.copy() for name, array in arrays.items()}

    def put_back() -> None:
        for name, array in arrays.items():
            array[...] = originals[name]
            if params.get(name) is not array:
                params[name] = array

    try:
        yield arrays
    finally:
        try:
            put_back()
        except KeyboardInterrupt:  # a second Ctrl-C, while the first one is being handled
            put_back()
            raise


def entry_losses(
    loss: Loss,
    params: Params,
    steps: Steps,
    offsets: Sequence[float],
    vectorized: bool = False,
    workers: int | Callable = 1,
    progress: bool = True,
) -> dict[str, np.ndarray]:
    """The loss with each entry in turn moved by ``offset * step``, for each offset.

    This is the one loop of the package that moves entries. With ``vectorized`` or ``workers`` the
    loss sees copies; otherwise the caller's own arrays, moved in place and :func:`restored`.

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
    with restored(params), Progress(_count(params), progress) as bar:
        center = sweep.center()
        values = {name: np.full((len(offsets), a.size), center) for name, a in params.items()}
        if workers == 1:
            done = ((block, sweep.evaluate(block, bar)) for block in sweep.blocks())
        else:
            done = spread(sweep, workers, bar)
        for block, losses in done:
            values[block.name][rows, block.start : block.stop] = losses
    return {name: values[name].reshape(len(offsets), *a.shape) for name, a in params.items()}


def _count(params: Params) -> int:
    return sum(array.size for array in params.values())


class Block(NamedTuple):
    """The entries ``start`` to ``stop``, counted in C order, of one array."""

    name: str
    start: int
    stop: int


class Sweep(NamedTuple):
    """What :func:`entry_losses` has to evaluate, cut into blocks that can be done anywhere."""

    loss: Loss
    params: Params
    steps: Steps
    offsets: tuple[float, ...]
    vectorized: bool

    def blocks(self, shares: int = 1) -> Iterator[Block]:
        """At least so many blocks, if there are as many entries; none larger than BLOCK.

        Stacks are cut in the same way for one worker and for many: the length of a stack must not
        change a number.
        """
        if self.vectorized:
            length = max(BLOCK // 32, self._stack_length() // len(self.offsets))
        else:
            length = min(-(-_count(self.params) // shares), BLOCK)
        for name, array in self.params.items():
            for start in range(0, array.size, length):
                yield Block(name, start, min(start + length, array.size))

    def center(self) -> np.ndarray:
        """The loss where nothing is moved; refuses one that is no number, or moves things itself."""
        before = {name: array.copy() for name, array in self.params.items()}
        if self.vectorized:
            name, array = next(iter(self.params.items()))
            center = self._stacked(name, array[None])[0]
        else:
            center = np.asarray(self._value(self.loss(self.params)))
        for name, array in before.items():
            if self.params.get(name) is None or not np.array_equal(self.params[name], array):
                raise ValueError(
                    f"the loss changes params[{name!r}], so no two evaluations mean the same: let "
                    f"it compute with a copy"
                )
        return center

    def evaluate(self, block: Block, bar: Progress) -> np.ndarray:
        """The losses with the entries of ``block`` moved: (offsets, entries).

        Unless vectorized it moves them in ``self.params``, and puts each one back; if something
        goes wrong on the way, putting it back is left to :func:`restored`.
        """
        array, entries = self.params[block.name], slice(block.start, block.stop)
        step = np.ravel(self.steps[block.name])[entries]
        numbers = moved(array.flat[entries], step, np.array(self.offsets)[:, None])
        if self.vectorized:
            losses = self._stack_losses(block, numbers)
            bar.advance(numbers.shape[1])
            return losses
        losses = np.empty(numbers.shape, np.result_type(array.dtype, np.float64))
        flat, loss, params, value = array.flat, self.loss, self.params, self._value
        for column, moves in enumerate(numbers.T.tolist()):
            entry = block.start + column
            original = flat[entry]
            for row, number in enumerate(moves):
                flat[entry] = number
                losses[row, column] = value(loss(params))
            flat[entry] = original
            bar.advance()
        return losses

    def _stack_losses(self, block: Block, numbers: np.ndarray) -> np.ndarray:
        array, length = self.params[block.name], self._stack_length()
        entries = np.tile(np.arange(block.start, block.stop), len(numbers))
        pieces = []
        for start in range(0, numbers.size, length):
            piece = numbers.ravel()[start : start + length]
            stack = np.repeat(array[None], len(piece), axis=0)
            flat = stack.reshape(len(piece), -1)
            flat[np.arange(len(piece)), entries[start : start + length]] = piece
            pieces.append(self._stacked(block.name, stack))
        return np.concatenate(pieces).reshape(numbers.shape)

    def _stack_length(self) -> int:
        return min(max(1, STACK_NUMBERS // _count(self.params)), STACK_COPIES)

    def _stacked(self, name: str, stack: np.ndarray) -> np.ndarray:
        """The losses of a stack of one array and as many copies of the others.

        Tried first with a stack of one for the others, which most losses broadcast: what does not
        depend on the moved array is then computed once.
        """
        length = len(stack)
        stacks = {other: array[None] for other, array in self.params.items()}
        try:
            losses = np.asarray(self.loss({**stacks, name: stack}))
        except (ValueError, IndexError):
            losses = np.empty(0)
        if losses.shape != (length,):
            for other, array in self.params.items():
                stacks[other] = np.broadcast_to(array, (length, *array.shape))
            losses = np.asarray(self.loss({**stacks, name: stack}))
        if losses.shape == (length,):
            return losses.astype(np.result_type(losses.dtype, np.float64), copy=False)
        raise TypeError(
            f"with vectorized=True the loss of a stack of {length} must be a vector of length "
            f"{length}, not of shape {losses.shape}: reduce over the last axes only, or leave "
            f"vectorized out"
        )

    def _value(self, value: object) -> float | complex:
        # The short way first: this is all that a cheap loss pays for being checked every time.
        if isinstance(value, float) or (isinstance(value, complex) and self._complex):
            return value
        return validation.loss_value(value)

    @property
    def _complex(self) -> bool:
        return any(array.dtype.kind == "c" for array in self.params.values())


# ------------------------------------------------------------------------- complex step


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
        if vectorized:
            return float(loss({name: array[None] for name, array in there.items()})[0])
        return validation.loss_value(loss(there))

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
