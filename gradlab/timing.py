"""How long a call takes: for ratios of two such times, since the seconds are the machine's."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

__all__ = ["timed"]

clock = time.perf_counter


def timed(function: Callable, *arguments: object, **options: object) -> tuple[object, float]:
    """Call a function, a quick one many times over, and say how long one call takes.

    Parameters
    ----------
    function
        Called until a fifth of a second has passed; once, if that takes longer.
    *arguments, **options
        Its arguments.

    Returns
    -------
    result, seconds
        What the last call returned, and the mean time of one.
    """
    result = None

    def call() -> None:
        nonlocal result
        result = function(*arguments, **options)

    calls, total = timeit.Timer(call, timer=clock).autorange()
    return result, total / calls
