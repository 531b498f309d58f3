"""The process that judges one answer, with the course's own judge.

    python -m gradlab.exercises.marking.judge NAME SECONDS <answer

It never loads the answer: that is done by a process of the answer's own, from which this one gets
plain data. The verdict goes to the standard output, as JSON.
"""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO

from gradlab.exercises import Verdict, verdict
from gradlab.exercises.marking.limits import environment, isolated
from gradlab.exercises.marking.wire import Link, Void

__all__ = ["judged"]


def void(reason: str) -> Verdict:
    """The mark of an answer that is none, and why."""
    return Verdict("void", f"Void. {reason}")


def judged(name: str, pickled: bytes, seconds: float = 20) -> Verdict:
    """Judge an answer that a kernel handed over.

    Parameters
    ----------
    name
        The exercise.
    pickled
        The answer as :mod:`gradlab.exercises.marking.handover` makes it.
    seconds
        That the answer may take in all; what the judge itself computes does not count.

    Returns
    -------
    Verdict
        ``right``, ``wrong``, ``open``; or ``void``, if the answer kills its process, does not come
        to an end, alters NumPy or gradlab, starts other processes or reads frames.

    Raises
    ------
    ValueError
        If there is no exercise of that name.
    """
    process = subprocess.Popen(
        [*isolated("gradlab.exercises.marking.answer"), name[:2], str(int(seconds) + 5)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    waiting = _Patience(seconds, process.kill)
    try:
        return _verdict(name, pickled, process, waiting)
    except (Void, OSError) as reason:  # an OSError if the line is cut
        if waiting.over:
            said = f"It did not come to an end within {seconds:g} seconds. Does a loop never end?"
            return void(said)
        return void(str(reason) if isinstance(reason, Void) else "The answer ended its process.")
    finally:
        waiting.over = True
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # what was not sent any more
                stream.close()  # type: ignore[union-attr]


class _Patience:
    """Reads for the judge, and ends the answer's process when all its reading has taken too long."""

    def __init__(self, seconds: float, end: Callable[[], None]) -> None:
        self._left, self._end, self._since = seconds, end, 0.0
        self.over = False
        threading.Thread(target=self._watch, daemon=True).start()

    def reading(self, stream: IO[bytes]) -> Callable[[int], bytes]:
        """The ``read`` of a stream, with a clock beside it."""

        def read(length: int) -> bytes:
            self._since = time.monotonic()
            try:
                return stream.read(length)
            finally:
                self._left -= time.monotonic() - self._since
                self._since = 0.0

        return read

    def _watch(self) -> None:
        while not self.over:
            time.sleep(0.1)
            since = self._since
            if since and time.monotonic() - since > self._left:
                self.over = True
                self._end()


def _verdict(name: str, pickled: bytes, process: subprocess.Popen, waiting: _Patience) -> Verdict:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(struct.pack(">Q", len(pickled)) + pickled)
    process.stdin.flush()
    link = Link(waiting.reading(process.stdout), process.stdin.write, process.stdin.flush)
    opening = link.receive()
    if opening["kind"] == "void":
        return void(str(opening["reason"]))
    if opening["kind"] == "unread":
        return Verdict("wrong", f"Not yet. The answer could not be read ({opening['reason']}).")
    found = verdict(name, opening["answer"])
    link.ask("end")  # raises Void if anything has been tampered with
    return found


def main() -> None:
    """Judge the answer on the standard input."""
    name, seconds = sys.argv[1], float(sys.argv[2])
    found = judged(name, sys.stdin.buffer.read(), seconds)
    print(json.dumps(found._asdict()))


if __name__ == "__main__":
    main()
