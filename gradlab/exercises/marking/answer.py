"""The process that holds one answer: called by its judge, it calls the answer and says what it gave.

    python -m gradlab.exercises.marking.answer LESSON SECONDS

It reads the answer and its judge's calls from its standard input and writes to its standard output;
the answer itself has neither. What no honest answer does ends the process, with the reason: to
start or signal other processes, to read frames, to take NumPy or gradlab apart. That is a courtesy
to the reader of the marks rather than the wall: the wall is that the truth is not in this process.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import io
import linecache
import math
import os
import pickle
import signal
import struct
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import gradlab
import gradlab.bugs
import gradlab.exercises
from gradlab.exercises.feedback import arrays_read, lines_of
from gradlab.exercises.marking.handover import put_in_place
from gradlab.exercises.marking.limits import limit_this_process
from gradlab.exercises.marking.wire import Link, Void

PROCESSES = "It starts, ends or signals processes"
FRAMES = "It reads the frames of the functions that call it"
INSPECTION = "It searches the memory of its process"
MACHINE = "It reaches round Python into the machine"
NETWORK = "It opens a connection"
ALTERS_CODE = "It alters the code of a function"
MOST_PRINTED = 10_000_000
FORBIDDEN = {
    **dict.fromkeys(
        ["os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.kill"]
        + ["os.killpg", "os.startfile", "pty.spawn", "signal.pthread_kill", "subprocess.Popen"],
        PROCESSES,
    ),
    **dict.fromkeys(["sys._current_frames", "sys.settrace", "sys.setprofile"], FRAMES),
    **dict.fromkeys(["gc.get_objects", "gc.get_referrers", "gc.get_referents"], INSPECTION),
    **dict.fromkeys(["ctypes.dlopen", "ctypes.dlsym", "ctypes.dlsym/handle"], MACHINE),
    **dict.fromkeys(["sys.addaudithook"], INSPECTION),
    **dict.fromkeys(["socket.connect", "socket.bind", "socket.sendto"], NETWORK),
}
LIBRARIES = tuple(
    os.path.realpath(sysconfig.get_path(name)) + os.sep
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
GRADLAB = os.path.dirname(os.path.realpath(gradlab.__file__)) + os.sep
STANDARD = os.path.realpath(os.path.dirname(os.__file__)) + os.sep
LOOKERS = {"inspect.py", "traceback.py"}


def main() -> None:
    """Serve one judge."""
    lesson, seconds = sys.argv[1:]
    reader, writer = _private_line()
    limit_this_process(cpu_seconds=int(seconds), file_size=MOST_PRINTED)
    importlib.import_module(f"gradlab.exercises.lesson{lesson}")
    before = _namespaces()

    def tampered() -> str:
        changed = [name for name, value in before.items() if _current(name) is not value]
        names = dict.fromkeys(".".join(name[:2]) for name in changed)
        return f"It alters {', '.join([*names][:3])}." if names else ""

    link = Link(
        reader.read, writer.write, writer.flush, arrays_read, lines_of, tampered, trusts=True
    )

    def give_up(reason: str) -> None:
        with contextlib.suppress(OSError):  # the judge may have gone
            link.send({"kind": ["s", "void"]}, reason=reason)
        os._exit(3)

    (length,) = struct.unpack(">Q", reader.read(8))
    pickled = reader.read(length)
    sys.stdout = sys.stderr = _Nowhere(lambda: give_up("It prints without end."))
    watch = _Watch(give_up)
    sys.addaudithook(watch)
    try:
        try:
            answer, places, sources = pickle.loads(pickled)
            watch.unpickling = False
            put_in_place(answer, places)
            for name, lines in sources.items():
                linecache.cache[name] = (sum(map(len, lines)), None, lines, name)
        except Exception as error:
            link.send({"kind": ["s", "unread"]}, reason=f"{type(error).__name__}: {error}")
            return
        link.send({"kind": ["s", "answer"]}, answer=answer)
        for kind in link.serve():
            if kind == "end":
                link.send({"kind": ["s", "return"]}, value=None, told=tampered())
                return
    except Void as reason:  # or the judge has gone
        give_up(str(reason))
    except BaseException as error:
        give_up(f"It ends the program ({type(error).__name__}).")


def _private_line() -> tuple[Any, Any]:
    """The two ends of the line; whatever reads or prints from here on meets files of no interest.

    What is printed past Python goes to a file, because a file has a limit and a process that
    exceeds it ends.
    """
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull) as nothing, tempfile.TemporaryFile() as printed:
        os.dup2(nothing.fileno(), 0)
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
    if hasattr(signal, "SIGXFSZ"):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    return reader, writer


class _Nowhere(io.TextIOBase):
    """Takes what is printed, up to a limit, and drops it."""

    def __init__(self, too_much: Callable[[], None]) -> None:
        self._too_much, self._left = too_much, MOST_PRINTED

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._left -= len(text)
        if self._left < 0:
            self._too_much()
        return len(text)


# ---------------------------------------------------------------------------- what it must not do


class _Watch:
    """An audit hook that calls ``give_up`` when the answer itself does what is forbidden."""

    def __init__(self, give_up: Callable[[str], None]) -> None:
        self._give_up, self._busy = give_up, False
        self.unpickling = True  # then nobody but the answer can be asking

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._busy:
            return
        reason = FORBIDDEN.get(event)
        if event == "object.__setattr__" and arguments[1] == "__code__":
            reason = ALTERS_CODE
        elif event == "open" and str(arguments[0]).startswith("/proc/"):
            reason = MACHINE
        looks = event == "sys._getframe"
        looks |= event == "object.__getattr__" and arguments[1] in ("tb_frame", "gi_frame")
        if reason is None and not looks:
            return
        self._busy = True
        try:
            frame = sys._getframe(1)
            if reason is not None and _asked_by_the_answer(frame, self.unpickling):
                self._give_up(f"{reason} ({event}).")
            elif looks and _looks_at_frames(frame, event):
                self._give_up(f"{FRAMES}.")
        finally:
            self._busy = False


def _asked_by_the_answer(frame: FrameType | None, unpickling: bool) -> bool:
    """Whether the first frame outside of the standard library is the answer's own."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return False  # whatever a module does while it is imported
        if not name.startswith(("<frozen", STANDARD)) or _in_packages(name):
            return _foreign(frame.f_code) or (unpickling and name == __file__)
        frame = frame.f_back
    return False


def _looks_at_frames(frame: FrameType | None, event: str) -> bool:
    if event == "sys._getframe":
        while frame is not None and os.path.basename(frame.f_code.co_filename) in LOOKERS:
            frame = frame.f_back
    return frame is not None and _foreign(frame.f_code)


def _foreign(code: CodeType) -> bool:
    """Whether code comes from the submission: from no file of Python, of a library or of gradlab."""
    name = code.co_filename
    if name.startswith("<"):
        return not name.startswith(("<frozen", "<__array_function__", "<decorator"))
    return not os.path.realpath(name).startswith((*LIBRARIES, STANDARD, GRADLAB))


def _in_packages(name: str) -> bool:
    return "site-packages" in name or "dist-packages" in name


# ------------------------------------------------------------------------------ what it must not alter


def _namespaces() -> dict[tuple[str, ...], Any]:
    """Every name of NumPy, gradlab and Python itself, with what it stands for."""
    found: dict[tuple[str, ...], Any] = {}
    for module in [builtins, math, *_modules("numpy"), *_modules("gradlab")]:
        for name, value in list(vars(module).items()):
            if name in ("__warningregistry__", "_"):
                continue
            found[module.__name__, name] = value
            if module.__name__.startswith("gradlab"):
                if isinstance(value, FunctionType):
                    found[module.__name__, name, "__code__"] = value.__code__
                if isinstance(value, type) and value.__module__ == module.__name__:
                    for key, member in list(vars(value).items()):
                        found[module.__name__, name, key] = member
    return found


def _modules(name: str) -> Iterator[ModuleType]:
    for key, module in list(sys.modules.items()):
        if (key == name or key.startswith(f"{name}.")) and isinstance(module, ModuleType):
            yield module


def _current(path: tuple[str, ...]) -> Any:
    module = sys.modules.get(path[0])
    value: Any = vars(module).get(path[1], path) if module is not None else path
    if len(path) == 3:
        with contextlib.suppress(AttributeError, TypeError):
            return value.__code__ if path[2] == "__code__" else vars(value).get(path[2], path)
    return value


if __name__ == "__main__":
    main()
