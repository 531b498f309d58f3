"""Move entries of the parameters, evaluate the loss, and put every entry back, bit for bit.

:class:`Sweep` is the one loop of the package that moves entries; it is cut into blocks, so that
:mod:`gradlab.differences.workers` can do them elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from gradlab import validation
from gradlab.differences.progress import Progress
from gradlab.validation import Params

__all__ = ["Block", "Loss", "Params", "Steps", "Sweep", "moved", "restored", "total_size"]

Loss = Callable[[Params], Any]  # one number, or an array of them for a stack
Steps = Params

# A stack is at most so many copies of the parameters, and so many numbers. Short, because the
# arrays of an evaluation, several times as large, should stay below 128 kB: beyond, many allocators
# take fresh pages from the system every time, which made an evaluation three times slower.
STACK_COPIES, STACK_NUMBERS = 96, 2**13
BLOCK = 1024  # entries whose moves are computed together


def moved(array: np.ndarray, step: np.ndarray, offset: float | np.ndarray) -> np.ndarray:
    """``array + offset * step``, rounded to the precision of ``array``."""
    return np.asarray(array + offset * step, dtype=array.dtype)


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


def total_size(params: Params) -> int:
    """How many numbers there are in all arrays together."""
    return sum(array.size for array in params.values())


class Block(NamedTuple):
    """The entries ``start`` to ``stop``, counted in C order, of one array."""

    name: str
    start: int
    stop: int


class Sweep(NamedTuple):
    """What :func:`gradlab.differences.entry_losses` evaluates, in blocks to be done anywhere."""

    loss: Loss
    params: Params
    steps: Steps
    offsets: tuple[float, ...]
    vectorized: bool

    def blocks(self, least: int = 1) -> Iterator[Block]:
        """At least ``least`` blocks, if there are as many entries; none larger than BLOCK.

        Stacks are cut in the same way for one worker and for many: the length of a stack must not
        change a number.
        """
        if self.vectorized:
            length = max(BLOCK // 32, self._stack_length() // len(self.offsets))
        else:
            length = min(-(-total_size(self.params) // least), BLOCK)
        for name, array in self.params.items():
            for start in range(0, array.size, length):
                yield Block(name, start, min(start + length, array.size))

    def center(self) -> np.ndarray:
        """The loss where nothing is moved.

        Raises
        ------
        TypeError, ValueError
            If it is no number, or the loss moves things itself.
        """
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

        Raises
        ------
        TypeError
            If the loss does not return one number, or for a stack one number each.
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
        return min(max(1, STACK_NUMBERS // total_size(self.params)), STACK_COPIES)

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
