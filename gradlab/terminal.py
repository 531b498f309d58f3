"""What the commands of the package share: leaving, and writing without overwriting."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NoReturn

__all__ = ["CLOSED_PIPE", "Refused", "leave_with", "refuse_to_overwrite", "write_files"]

WRITTEN = ".gradlab-written.json"  # in a folder: what a command has written there
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


class Refused(Exception):
    """A command would have to overwrite a file that is not its own; the message names it."""


def refuse_to_overwrite(folder: Path, names: Iterable[str]) -> None:
    """Make sure that what stands in a folder under these names was written there by a command.

    Parameters
    ----------
    folder
        Where the command writes; it need not exist yet.
    names
        What it is going to write, relative to the folder.

    Raises
    ------
    Refused
        If a file of such a name was not written by :func:`write_files`, or was changed since.
    """
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder} is a file, and a folder is wanted")
    ours = _written(folder)
    for name in names:
        path = folder / name
        if path.exists() and (path.is_dir() or ours.get(name) != _hash(path.read_bytes())):
            raise Refused(
                f"{path} is not as a command of the course left it; name another folder, or add "
                f"--overwrite"
            )


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files into a folder, and note there what was written.

    Parameters
    ----------
    folder
        Made if it is missing.
    files
        Names relative to the folder, with what goes into them.
    """
    ours = _written(folder)
    for name, contents in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents.encode("utf-8") if isinstance(contents, str) else contents)
        ours[name] = _hash(path.read_bytes())
    (folder / WRITTEN).write_text(json.dumps(ours, indent=1), encoding="utf-8")


def _written(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _hash(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()
