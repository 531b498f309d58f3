"""What the commands of the package share: leaving, also when nobody reads any longer."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

__all__ = ["CLOSED_PIPE", "leave_with"]

CLOSED_PIPE = 141  # the exit status of what a closed pipe has ended: 128 + SIGPIPE


def leave_with(main: Callable[[], int | None]) -> NoReturn:
    """Run a command and leave the interpreter with its exit status.

    Who reads the output may have had enough, as ``head`` has after ten lines. That is no error of
    the command, so nothing is said about it.
    """
    try:
        status = main()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more on the way out, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = CLOSED_PIPE
    sys.exit(status)
