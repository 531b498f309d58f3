"""What a process of a submission may use: so much memory, so much of the disk, so much time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import gradlab

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

MEMORY = 4_000_000_000  # bytes; a notebook of the course takes less than a tenth of it
FILE_SIZE = 200_000_000  # bytes of one file


def limit_this_process(cpu_seconds: int | None = None, file_size: int = FILE_SIZE) -> None:
    """Bound what this process may use from here on, where the system can do that."""
    if resource is None:
        return
    _lower("RLIMIT_DATA", MEMORY)
    _lower("RLIMIT_FSIZE", file_size)
    _lower("RLIMIT_CORE", 0)
    if cpu_seconds is not None:
        _lower("RLIMIT_CPU", cpu_seconds)


def _lower(name: str, value: int) -> None:
    which = getattr(resource, name, None)
    if which is None:
        return
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def environment(folder: Path | str = os.devnull) -> dict[str, str]:
    """The environment of a process that finds this gradlab; IPython's traces go to ``folder``."""
    package = str(Path(gradlab.__file__).resolve().parents[1])
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "IPYTHONDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def isolated(module: str) -> list[str]:
    """The command that runs a module without looking into the current folder for others."""
    return [sys.executable, "-P", "-m", module]


def stop_group(process: subprocess.Popen) -> None:
    """End a process that leads a session of its own, and all that it has started there."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (AttributeError, ProcessLookupError, PermissionError):  # Windows has no groups
        process.kill()
    process.wait()
