"""More than one process: the blocks of a sweep, done by whatever has the signature of ``map``."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from gradlab.differences.progress import Progress
from gradlab.differences.sweep import (
    Block,
    Failure,
    Guarded,
    Restored,
    Sweep,
    moved,
    require_untouched,
    restored,
    result_or_nan,
)
from gradlab.validation import type_in_words

__all__ = ["require_workers", "spread"]

LEAST_BLOCKS = 32  # enough to keep a handful of workers busy to the end


def require_workers(workers: int | Callable) -> int | Callable:
    """A number of processes, at least 1 (-1 becomes one for each core), or a map-like function.

    Raises
    ------
    TypeError, ValueError
        If it is neither.
    """
    if callable(workers):
        return workers
    try:
        if isinstance(workers, bool):
            raise TypeError
        count = operator.index(workers)
    except TypeError:
        raise TypeError(
            f"workers must be a whole number of processes or a function like map, not {workers!r}"
        ) from None
    if count == -1:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if count < 1:
        raise ValueError(f"workers must be at least 1, or -1 for one for each core, not {count}")
    return count


def spread(
    sweep: Sweep, workers: int | Callable, bar: Progress
) -> Iterator[tuple[Block, np.ndarray]]:
    """Each block of the sweep with its losses, computed on copies by the workers.

    Raises
    ------
    TypeError
        If the loss cannot be pickled, or reads arrays other than its argument, or the workers do
        not hand out what their tasks return.
    ValueError
        If the workers leave a block out.
    RuntimeError
        If a process of our own pool dies.
    """
    if not sweep.vectorized:
        _require_own_argument(sweep)
    blocks, task = list(sweep.blocks(LEAST_BLOCKS)), _Task(sweep._replace(arrays=None))
    done = _mapped(workers, task, blocks) if callable(workers) else _pooled(workers, task, blocks)
    missing = set(blocks)
    for each in done:  # in whatever order the map hands them out
        if not isinstance(each, _Done):
            raise TypeError(
                f"workers must hand out what each task returns, as map does, not "
                f"{type_in_words(each)}"
            )
        block, losses, failure = each
        missing.discard(block)
        if failure is not None and isinstance(sweep.loss, Guarded):
            sweep.loss.failure = failure
        yield block, losses
        bar.advance(block.stop - block.start)
    if missing:
        raise ValueError(
            f"workers returned the results of {len(blocks) - len(missing)} tasks of {len(blocks)}: "
            f"it must be a function like map, which does every one"
        )


class _Done(NamedTuple):
    """A block with its losses, and the last exception of a guarded loss on the way."""

    block: Block
    losses: np.ndarray
    failure: Failure | None


class _Task:
    """One block done on copies of the parameters: a thread must not move what another one reads."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep

    def __call__(self, block: Block) -> _Done:
        copies = {name: array.copy(order="K") for name, array in self.sweep.params.items()}
        arrays = Restored(copies)
        sweep = self.sweep._replace(params=copies, arrays=arrays)
        losses = sweep.evaluate(block, Progress(0, shown=False))
        require_untouched(copies, arrays.originals)
        return _Done(block, losses, sweep.failure)


def _mapped(mapper: Callable, task: _Task, blocks: list[Block]) -> Iterator[_Done]:
    import pickle

    try:
        yield from mapper(task, blocks)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        # Some maps pickle, some with more than pickle can do, and some do not: ask only afterwards.
        if any(word in str(error) for word in ("pickle", "local object", "serialize")):
            _require_picklable(task)
        raise


def _pooled(workers: int, task: _Task, blocks: list[Block]) -> Iterator[_Done]:
    _require_picklable(task)
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(min(workers, len(blocks)))
    try:
        # One pickle of the loss and its data for each quarter of a worker's share.
        yield from pool.map(task, blocks, chunksize=-(-len(blocks) // (4 * workers)))
    except BrokenProcessPool as error:
        raise RuntimeError(
            "a worker process died before it was done: killed, out of memory, or unable to import "
            "the loss (in a script, guard the call with if __name__ == '__main__')"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _require_picklable(task: _Task) -> None:
    import pickle

    try:
        pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            f"the loss cannot be sent to another process ({error}): define it at the top of a "
            f"module, not as a lambda or inside a function, or leave workers out"
        ) from error


def _require_own_argument(sweep: Sweep) -> None:
    """Refuse a loss that sees the caller's arrays move, but not those that it is given.

    A worker has copies. A loss that reads, say, the weights that its layers hold would return the
    same number for every one of them, and the gradient would be zero.
    """
    loss, params, steps = sweep.loss, sweep.params, sweep.steps
    elsewhere = {name: moved(params[name], step, 1.0) for name, step in steps.items()}
    with np.errstate(all="ignore"):
        given = result_or_nan(loss, elsewhere, steps)
        with restored(params) as arrays:
            for name, array in arrays.items():
                array[...] = elsewhere[name]
            held = result_or_nan(loss, params, steps)
        again = result_or_nan(loss, elsewhere, steps)
    repeatable = np.array_equal(again, given, equal_nan=True)
    if repeatable and not np.array_equal(given, held, equal_nan=True):
        raise TypeError(
            "the loss reads arrays other than its argument, and a worker would not see them move: "
            "compute it from the params it is given, or leave workers out"
        )
