"""More than one process: the blocks of a sweep, done by whatever has the signature of ``map``."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from gradlab.differences.progress import Progress
from gradlab.differences.sweep import Block, Sweep, moved, restored

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
        count = operator.index(None if isinstance(workers, bool) else workers)
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
    """Each block of the sweep with its losses, in order, computed on copies by the workers.

    Raises
    ------
    TypeError
        If the loss cannot be pickled, or reads arrays other than its argument.
    RuntimeError
        If a process of our own pool dies.
    """
    if not sweep.vectorized:
        _require_own_argument(sweep)
    blocks, task = list(sweep.blocks(LEAST_BLOCKS)), _Task(sweep)
    losses = _mapped(workers, task, blocks) if callable(workers) else _pooled(workers, task, blocks)
    for block, done in zip(blocks, losses, strict=True):
        yield block, done
        bar.advance(block.stop - block.start)


class _Task(NamedTuple):
    """One block done on copies of the parameters: a thread must not move what another one reads."""

    sweep: Sweep

    def __call__(self, block: Block) -> np.ndarray:
        copies = {name: array.copy(order="K") for name, array in self.sweep.params.items()}
        return self.sweep._replace(params=copies).evaluate(block, Progress(0, shown=False))


def _mapped(mapper: Callable, task: _Task, blocks: list[Block]) -> Iterator[np.ndarray]:
    import pickle

    try:
        yield from mapper(task, blocks)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        # Some maps pickle, some with more than pickle can do, and some do not: ask only afterwards.
        if any(word in str(error) for word in ("pickle", "local object", "serialize")):
            _require_picklable(task)
        raise


def _pooled(workers: int, task: _Task, blocks: list[Block]) -> Iterator[np.ndarray]:
    _require_picklable(task)
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(workers)
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
    loss, params = sweep.loss, sweep.params
    elsewhere = {name: moved(array, sweep.steps[name], 1.0) for name, array in params.items()}
    given = loss(elsewhere)
    with restored(params):
        for name, array in params.items():
            array[...] = elsewhere[name]
        held = loss(params)
    repeatable = np.array_equal(loss(elsewhere), given, equal_nan=True)
    if repeatable and not np.array_equal(given, held, equal_nan=True):
        raise TypeError(
            "the loss reads arrays other than its argument, and a worker would not see them move: "
            "compute it from the params it is given, or leave workers out"
        )
