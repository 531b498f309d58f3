"""A progress bar that appears only on what takes longer than a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

__all__ = ["Progress", "Ticks"]

PATIENCE = 1.0  # seconds


class Progress:
    """Counts steps; shows a tqdm bar once a second has passed, in a terminal or a notebook.

    tqdm is imported at that moment and not before: what is quick neither waits for it nor shows
    anything; where it is not installed, there is no bar. Used as a context manager, it takes the bar
    away at the end.

    Parameters
    ----------
    total
        The number of steps to come.
    shown
        False for no bar at all.
    """

    def __init__(self, total: int, shown: bool = True) -> None:
        self.total, self.done = total, 0
        self._due = time.monotonic() + PATIENCE if shown else float("inf")
        self._bar = None

    def advance(self, steps: int = 1) -> None:
        """Say that ``steps`` more are done."""
        self.done += steps
        if self._bar is not None:
            self._bar.update(steps)
        elif time.monotonic() > self._due:
            self._due = float("inf")
            with suppress(ImportError):  # tqdm comes with the extra `course`; no bar without it
                from tqdm.auto import tqdm

                self._bar = tqdm(total=self.total, initial=self.done, leave=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()


class Ticks(Progress):
    """Shows nothing, and hands every step on to somebody who counts, so many for each.

    Parameters
    ----------
    count
        Is told of the steps.
    each
        How many of them a step here is worth.
    """

    def __init__(self, count: Callable[[int], None], each: int) -> None:
        super().__init__(0, shown=False)
        self._count, self._each = count, each

    def advance(self, steps: int = 1) -> None:
        """Hand on that ``steps`` more are done."""
        self._count(steps * self._each)
