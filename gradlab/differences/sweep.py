"""Move entries of the parameters, evaluate the loss, and put every entry back, bit for bit.

:class:`Sweep` is the one loop of the package that moves entries; it is cut into blocks, so that
:mod:`gradlab.differences.workers` can do them elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from gradlab import validation
from gradlab.differences.progress import Progress
from gradlab.validation import Params, same_memory

__all__ = [
    "Block",
    "Failure",
    "Guarded",
    "Loss",
    "Params",
    "Restored",
    "Steps",
    "Sweep",
    "as_plain",
    "moved",
    "require_untouched",
    "result_or_nan",
    "restored",
    "total_size",
    "value_or_nan",
]

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


# ------------------------------------------------------------------ what is put back, and how


class Restored(dict[Any, np.ndarray]):
    """The arrays of ``params`` by name, and how to put them back, bit for bit.

    Attributes
    ----------
    originals
        A copy of each array, from the start.
    """

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.originals = {name: array.copy(order="K") for name, array in self.items()}
        self._params = params

    def move(self, there: Params) -> None:
        """Write these values into the arrays of their names.

        Raises
        ------
        ValueError
            If the loss has made one read-only.
        """
        for name, values in there.items():
            try:
                self[name][...] = values
            except ValueError:
                raise ValueError(_READ_ONLY.format(name)) from None

    def put_back(self) -> None:
        """All values first, then the entries of the dict, and only then say what could not be.

        Raises
        ------
        RuntimeError
            If an array has become something that cannot be written to, or was replaced in a
            mapping whose entries cannot be set.
        """
        lost: list[Any] = []
        for name, array in self.items():
            original = self.originals[name]
            try:
                if not array.flags.writeable:
                    array.flags.writeable = True
                if array.dtype != original.dtype:
                    array.dtype = original.dtype  # type: ignore[misc]  # NumPy allows it, in place
                if array.shape != original.shape:
                    array.resize(original.shape, refcheck=False)
                array[...] = original
            except (ValueError, TypeError):
                lost.append(name)
        try:
            self._bind()
        except Exception as error:  # of a mapping that is not our own
            lost.append(error)
        if lost:
            raise RuntimeError(
                f"the loss did to the parameters what cannot be undone ({lost[0]!r}): let it "
                f"compute with copies"
            )

    def _bind(self) -> None:
        """Let the mapping hold these arrays again under these names, in this order, and no more."""
        params = self._params
        held = list(params)
        if held == list(self) and all(same_memory(params[n], a) for n, a in self.items()):
            return
        if not isinstance(params, MutableMapping):
            raise RuntimeError("an entry was replaced, and cannot be set")
        for name in held:
            if name not in self or held != list(self):
                del params[name]
        for name, array in self.items():
            if name not in params or not same_memory(params[name], array):
                params[name] = array


@contextmanager
def restored(params: Params) -> Iterator[Restored]:
    """Whatever happens inside, an exception or Ctrl-C included, put every array back, bit for bit.

    Yields the arrays: those that were there at the start, even if an entry of the dict is replaced.
    """
    arrays = Restored(params)
    raised: BaseException | None = None
    try:
        yield arrays
    except BaseException as error:
        raised = error
        raise
    finally:
        try:
            arrays.put_back()
        except KeyboardInterrupt:  # a second Ctrl-C, while the first one is being handled
            arrays.put_back()
            raise
        except RuntimeError as failed:
            if raised is None:
                raise
            raised.add_note(str(failed))


_CHANGED = (
    "the loss changes params[{!r}], so no two evaluations mean the same: let it compute with a copy"
)
_READ_ONLY = (
    "the loss makes params[{!r}] read-only, so that it cannot be moved: let it compute with a copy"
)


def require_untouched(params: Params, expected: Params) -> None:
    """Raise a ValueError if a loss has not left ``params``, all of it, as is expected."""
    for name, array in expected.items():
        held = params.get(name)
        if held is None or not np.array_equal(held, array):
            raise ValueError(_CHANGED.format(name))
        if not held.flags.writeable:
            raise ValueError(_READ_ONLY.format(name))
    for name in params:
        if name not in expected:
            raise ValueError(
                f"the loss adds {name!r} to params, which is no parameter: let it keep that "
                f"elsewhere, or begin with params = dict(params)"
            )


# ------------------------------------------------------------- arrays that are more than arrays


def as_plain(loss: Loss, params: Params) -> tuple[Loss, Params]:
    """The same loss of plain arrays, where some are matrices or of another subclass.

    A ``np.matrix`` has two axes whatever is done to it, and others have units: the loss may need
    that, and nobody else here can use it. The plain arrays are views, so what moves them moves the
    caller's own, which are what the loss is given.
    """
    if all(type(array) is np.ndarray for array in params.values()):
        return loss, params
    return AsGiven(loss, dict(params)), {n: a.view(np.ndarray) for n, a in params.items()}


class AsGiven:
    """A loss that takes plain arrays and hands on arrays of the types it was written for."""

    def __init__(self, loss: Loss, given: Params) -> None:
        self.loss, self.given = loss, given

    def __call__(self, params: Params) -> Any:
        return self.loss({name: self._like(name, array) for name, array in params.items()})

    def _like(self, name: Hashable, array: np.ndarray) -> np.ndarray:
        given = self.given.get(name)
        if given is None or same_memory(given, array):
            return array if given is None else given
        alike = array.view(type(given))
        alike.__array_finalize__(given)
        return alike


# --------------------------------------------------------------- where the loss has no value


class Failure(NamedTuple):
    """An exception that the loss raised at a point to which the parameters had been moved.

    ``names`` are the arrays that were moved, ``distance`` is how far the farthest entry was, and
    ``error`` the exception in words (itself it may not survive the way from another process).
    """

    names: tuple[Hashable, ...]
    distance: float
    error: str

    @classmethod
    def of(cls, error: Exception, moves: Mapping[Hashable, Any], factor: float = 1.0) -> Failure:
        """From the exception and the moves, by name: how far each array, or each entry, went."""
        far = [float(np.max(np.abs(np.asarray(m) * factor), initial=0.0)) for m in moves.values()]
        said = " ".join(str(error).split()).removesuffix(".")
        told = f"{type(error).__name__}: {said}" if said else type(error).__name__
        return cls(tuple(moves), max(far, default=0.0), told)

    def __str__(self) -> str:
        moved = self.names[0] if len(self.names) == 1 else "the parameters"
        return f"moving {moved} by {self.distance:.0e} made the loss raise {self.error}"


class Guarded:
    """A loss that counts as nan where it raises, once it has been fine at the point itself.

    Called, it is the loss, exceptions included. At points to which parameters have been moved, the
    functions of this package ask :func:`value_or_nan` instead, or a :class:`Sweep`, which do not
    raise what a guarded loss raises but keep it. Ctrl-C, the end of the interpreter and a lack of
    memory are no fault of the point, and pass.

    Attributes
    ----------
    loss
        The loss itself.
    failure
        The last exception, or None.
    evaluations
        How often the loss was asked.
    bar
        Is told of every evaluation; does not go along to other processes.
    """

    def __init__(self, loss: Loss, bar: Progress | None = None) -> None:
        self.loss, self.bar = loss, bar
        self.failure: Failure | None = None
        self.evaluations = 0

    def __call__(self, params: Params) -> Any:
        self.count(1)
        return self.loss(params)

    def count(self, evaluations: int) -> None:
        """Say that the loss was asked so many times more."""
        self.evaluations += evaluations
        if self.bar is not None:
            self.bar.advance(evaluations)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "bar": None}


def value_or_nan(
    loss: Loss, params: Params, moves: Mapping[Hashable, Any], factor: float = 1.0
) -> Any:
    """The loss at a point to which ``params`` have been moved; nan where it raises an exception.

    To be called under ``np.errstate(all="ignore")``: what NumPy only warns of is no news there.

    Parameters
    ----------
    loss
        If it is :class:`Guarded`, it keeps the exception.
    params
        Where they have been moved to.
    moves, factor
        What was added to the arrays, by name, is ``factor * moves``. Only for the words.

    Raises
    ------
    TypeError
        If it returns something that is not one number.
    """
    value = result_or_nan(loss, params, moves, factor)
    number = validation.loss_value(value)
    return number if isinstance(value, int) else validation.single(value)


def result_or_nan(
    loss: Loss, params: Params, moves: Mapping[Hashable, Any], factor: float = 1.0
) -> Any:
    """As :func:`value_or_nan`, whatever it is that the loss returns."""
    try:
        return loss(params)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(loss, Guarded):
            loss.failure = Failure.of(error, moves, factor)
        return math.nan


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
    arrays: Restored | None = None  # of the parameters: knows how they were

    def blocks(self, least: int = 1) -> Iterator[Block]:
        """At least ``least`` blocks, if there are as many entries; none larger than BLOCK.

        Stacks are cut in the same way for one worker and for many: the length of a stack must not
        change a number.
        """
        if self.vectorized:
            length = max(BLOCK // 32, self._stack_length() // len(self.offsets))
        else:
            length = min(-(-total_size(self.params) // least), BLOCK)
        for name, step in self.steps.items():  # the loss may have added names to the parameters
            for start in range(0, np.size(step), length):
                yield Block(name, start, min(start + length, np.size(step)))

    def center(self) -> np.ndarray:
        """The loss where nothing is moved.

        Raises
        ------
        TypeError, ValueError
            If it is no number, or the loss moves things itself.
        """
        before = Restored(self.params).originals if self.arrays is None else self.arrays.originals
        if self.vectorized:
            name, array = next(iter(self.params.items()))
            center = self._stacked(name, array[None])[0]
        else:
            center = np.asarray(self._value(self.loss(self.params)))
        require_untouched(self.params, before)
        return center

    def evaluate(self, block: Block, bar: Progress) -> np.ndarray:
        """The losses with the entries of ``block`` moved: (offsets, entries).

        Unless vectorized it moves them in ``self.params``, and puts each one back; if something
        goes wrong on the way, putting it back is left to :func:`restored`. Where a loss that is
        :class:`Guarded` raises, its value is nan; what another one raises gets a note that says
        what had been moved.

        Raises
        ------
        TypeError
            If the loss does not return one number, or for a stack one number each.
        ValueError
            If it moves things itself.
        """
        array, entries = self.params[block.name], slice(block.start, block.stop)
        step = np.ravel(self.steps[block.name])[entries]
        numbers = moved(array.flat[entries], step, np.array(self.offsets)[:, None])
        if self.vectorized:
            losses = self._stack_losses(block, numbers)
            bar.advance(numbers.shape[1])
            return losses
        guard = self.loss if isinstance(self.loss, Guarded) else None
        losses = np.empty(numbers.shape, np.result_type(array.dtype, np.float64))
        flat, params, value = array.flat, self.params, self._value
        loss = guard.loss if guard else self.loss
        with np.errstate(all="ignore") if guard else nullcontext():
            for column, moves in enumerate(numbers.T.tolist()):
                entry = block.start + column
                original = flat[entry]
                for row, number in enumerate(moves):
                    try:
                        flat[entry] = number
                    except ValueError:
                        raise ValueError(_READ_ONLY.format(block.name)) from None
                    try:
                        found = loss(params)
                    except Exception as error:
                        if not self._kept(error, block.name, number - original):
                            raise
                        found = math.nan
                    else:
                        if flat[entry] != number:
                            raise ValueError(_CHANGED.format(block.name))
                    losses[row, column] = value(found)
                try:
                    flat[entry] = original
                except ValueError:
                    raise ValueError(_READ_ONLY.format(block.name)) from None
                if not column and self.arrays is not None and block.start == 0:
                    require_untouched(params, self.arrays.originals)
                bar.advance()
        return losses

    def _kept(self, error: Exception, name: Hashable, distance: Any) -> bool:
        """Whether an exception counts as no number, and is kept; if not, it gets a note."""
        failure = Failure.of(error, {name: distance})
        if not isinstance(self.loss, Guarded) or isinstance(error, MemoryError):
            error.add_note(
                f"gradlab had moved an entry of params[{name!r}] by {failure.distance:.0e} to "
                f"take a difference."
            )
            return False
        self.loss.failure = failure
        if self.arrays is not None:  # it may have been in the middle of some work in place
            self.arrays.put_back()
        return True

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

    def _value(self, value: Any) -> float | complex:
        # The short way first: this is all that a cheap loss pays for being checked every time.
        if isinstance(value, float) or (isinstance(value, complex) and self._complex):
            return value
        value = validation.single(value)
        if self._complex and getattr(getattr(value, "dtype", None), "kind", "") == "c":
            return complex(value)
        return validation.loss_value(value)

    @property
    def failure(self) -> Failure | None:
        """The last exception that a guarded loss raised; None if there is none."""
        return self.loss.failure if isinstance(self.loss, Guarded) else None

    @property
    def _complex(self) -> bool:
        return any(array.dtype.kind == "c" for array in self.params.values())
