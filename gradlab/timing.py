"""How long a call takes: for ratios of two such times, since the seconds are the machine's."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["timed"]

ENOUGH = 0.2  # seconds of calls
clock = time.perf_counter


def timed(function: Callable, *arguments: object, **options: object) -> tuple[object, float]:
    """Call a function, a quick one again and again, and say how long the fastest call took.

    The fastest, because whatever else the machine does can only add to the time of a call.

    Parameters
    ----------
    function
        Called until a fifth of a second has passed; once, if that takes longer.
    *arguments, **options
        Its arguments.

    Returns
    -------
    result, seconds
        What the last call returned, and the time of the fastest.

    Examples
    --------
    >>> from gradlab.timing import timed
    >>> total, seconds = timed(sum, range(1000))
    >>> total, seconds > 0
    (499500, True)
    """
    begin, fastest = clock(), float("inf")
    while True:
        before = clock()
        result = function(*arguments, **options)
        after = clock()
        fastest = min(fastest, after - before)
        if after - begin >= ENOUGH:
            return result, fastest
