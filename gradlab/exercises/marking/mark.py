"""A folder of submissions, marked: each in a kernel of its own, each answer by a judge of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gradlab
from gradlab import exercises
from gradlab.exercises.marking import flags, submissions
from gradlab.exercises.marking.judge import void
from gradlab.exercises.marking.limits import environment, isolated, stop_group
from gradlab.exercises.marking.submissions import Submission, draws_only

MOST_RESTARTS = 12
JUDGE_SECONDS = 60  # what a judge may take for itself; none takes two
ORDER = ("right", "void", "wrong", "open")  # of several answers to one exercise the best counts


@dataclass
class Marked:
    """What became of one file.

    ``marks`` has for each exercise of its notebook the mark and the sentence; ``stopped`` the
    cells that did not come to their end, and why; ``flags`` what a human should look at.
    """

    file: str
    student: str
    number: str
    trouble: str
    marks: dict[str, tuple[str, str]]
    stopped: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def known() -> dict[str, str]:
    """The names of all exercises of the course in their order, with their titles."""
    return {
        one.name: one.title
        for lesson in exercises.LESSONS
        for one in sorted(exercises.exercises_of(lesson), key=lambda one: one.title)
    }


def mark_all(
    folder: Path, cache: Path, jobs: int, seconds: float, progress: Any = None
) -> list[Marked]:
    """Mark every notebook under ``folder``, several at once.

    Parameters
    ----------
    folder
        Where the submissions are.
    cache
        A folder for the results; what has one there, and has not changed, is not run again.
    jobs
        How many are marked at once.
    seconds
        For a cell, and for the judging of an answer.
    progress
        Called with each result.

    Returns
    -------
    list of Marked
        In the order of the files.
    """
    read = [submissions.read(path, folder) for path in submissions.find(folder)]
    submissions.told_apart(read)
    cache.mkdir(parents=True, exist_ok=True)
    rules = f"{_version()} {seconds:g}"

    def marked(one: Submission) -> Marked:
        kept = cache / f"{_key(one, rules)}.json"
        if kept.exists():
            result = Marked(**json.loads(kept.read_text(encoding="utf-8")))
            result.marks = {name: (mark, said) for name, (mark, said) in result.marks.items()}
        else:
            result = mark_one(one, seconds)
            written = kept.with_suffix(f".{threading.get_ident()}.tmp")
            written.write_text(json.dumps(asdict(result)), encoding="utf-8")
            written.replace(kept)
        result.file, result.student, result.number = one.file, one.student, one.number
        return result

    results: dict[int, Marked] = {}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        waiting = {pool.submit(marked, one): at for at, one in enumerate(read)}
        try:
            for done in as_completed(waiting):
                results[waiting[done]] = done.result()
                if progress is not None:
                    progress(results[waiting[done]])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _stop_everything()
            raise
    ordered = [results[at] for at in sorted(results)]
    flags.add_twins(read, ordered)
    return ordered


def mark_one(one: Submission, seconds: float) -> Marked:
    """Mark one submission.

    Parameters
    ----------
    one
        As :func:`gradlab.exercises.marking.submissions.read` returns it.
    seconds
        For a cell, and for the judging of an answer.
    """
    names = [name for name in known() if name[:2] in one.lessons]
    result = Marked(one.file, one.student, one.number, one.trouble, {})
    if one.trouble:
        result.marks = {name: ("open", one.trouble) for name in names}
        return result
    if not names:
        result.trouble = "There is no exercise of the course in it."
        return result
    asked = [call for call in one.calls if call.name in names]
    with tempfile.TemporaryDirectory(prefix="gradlab-", ignore_cleanup_errors=True) as work:
        session = _Session(one, asked, seconds, work)
        session.run()
        found: dict[str, list[tuple[str, str]]] = {}
        for number, call in enumerate(asked):
            found.setdefault(call.name, []).append(session.verdict(number))
    for name in names:
        given = sorted(found.get(name, []), key=lambda verdict: ORDER.index(verdict[0]))
        missing = (
            "open",
            f'Not attempted yet. There is no call of exercises.check("{name}", ...).',
        )
        result.marks[name] = given[0] if given else missing
    result.stopped = session.stopped
    result.flags = flags.of(one, asked, result.marks, session.late)
    return result


class _Session:
    """The run of one submission: its kernels, and the answers that they handed over."""

    def __init__(
        self, one: Submission, asked: list[submissions.Call], seconds: float, work: str
    ) -> None:
        self._one, self._asked, self._seconds, self._work = one, asked, seconds, work
        self._answers: dict[int, dict[str, Any]] = {}
        self._late_answers: dict[int, dict[str, Any]] = {}
        self._fatal: dict[int, str] = {}  # cell -> what it did
        self._stops: dict[int, str] = {}
        self.late = 0

    @property
    def stopped(self) -> list[str]:
        """A line for each cell that did not come to its end."""
        lines = []
        for at, reason in sorted({**self._stops, **self._fatal}.items()):
            if at < len(self._one.cells):
                source = self._one.cells[at].source.strip()
                first = source.splitlines()[0][:60] if source else ""
                lines.append(f"Code cell {at + 1}, `{first}`: {reason}")
        return lines

    def run(self) -> None:
        """Run the notebook; behind a cell that ends its kernel a new one takes over."""
        skip = {at for at, cell in enumerate(self._one.cells) if draws_only(cell.source)}
        first = 0
        for _ in range(MOST_RESTARTS):
            dead = self._run(skip, first)
            if dead is None:
                return
            if dead >= len(self._one.cells):  # in what is handed over at the end
                return
            self._fatal[dead] = self._stops.pop(dead, "It ended its kernel.")
            skip = skip | {dead} | {at for at in self._late if at < dead}
            first = dead + 1

    def _run(self, skip: set[int], first: int) -> int | None:
        """The number of the cell that ended the kernel, if one did."""
        job = {
            "cells": [cell.source for cell in self._one.cells],
            "skip": sorted(skip),
            "calls": [[call.cell, call.expression] for call in self._asked],
            "first": first,
            "late": [number for number in range(len(self._asked)) if self._worth_a_second(number)],
            "limit": self._seconds,
        }
        at, ended = 0, False
        self._late: set[int] = set()
        process = _start("kernel", self._work)
        try:
            assert process.stdin is not None and process.stdout is not None
            try:
                process.stdin.write(json.dumps(job).encode("utf-8"))
                process.stdin.close()
            except OSError:
                pass  # it did not even begin
            for line in process.stdout:
                event = _event(line)
                if "cell" in event:
                    at = event["cell"]
                elif "done" in event and event["stopped"]:
                    self._stops.setdefault(event["done"], event["stopped"])
                    if event["late"]:
                        self._late.add(event["done"])
                elif "dead" in event and event["stopped"]:
                    self._stops[at] = event["stopped"]
                elif "call" in event:
                    over = at >= len(self._one.cells)
                    (self._late_answers if over else self._answers)[event["call"]] = event["handed"]
                ended |= "end" in event
        finally:
            _stop(process)
        return None if ended else at

    def _worth_a_second(self, number: int) -> bool:
        """Whether an answer may be given later than it is asked for: its names are its alone."""
        call = self._asked[number]
        others = {name for other in self._asked if other.name != call.name for name in other.names}
        return bool(call.names) and not call.names & others

    def verdict(self, number: int) -> tuple[str, str]:
        """Judge an answer as it stood behind its cell, and if need be as it stood at the end."""
        call = self._asked[number]
        stop = self._stops.get(call.cell, "")
        if call.cell in self._fatal:
            return void(f"The cell of the answer did not let the marker go on. {stop}".rstrip())
        first = self._judged(call.name, self._answers.get(number, {}), stop)
        if first[0] in ("right", "void"):
            return first
        later = self._late_answers.get(number, {})
        earlier = self._answers.get(number, {})
        if "answer" not in later or later.get("alone") == earlier.get("alone"):
            return first
        second = self._judged(call.name, later, "")
        self.late += second[0] == "right"
        return second if second[0] != "open" else first

    def _judged(self, name: str, handed: dict[str, Any], stop: str) -> tuple[str, str]:
        if "answer" in handed:
            return _ask_a_judge(name, base64.b64decode(handed["answer"]), self._seconds, self._work)
        if "unread" in handed:
            return "wrong", f"Not yet. The answer cannot be handed over ({handed['unread']})."
        if not handed and not stop:
            return void("The notebook ended before its answer was handed over.")
        return "wrong", f"Not yet. The cell stopped: {stop or handed['error']}"


def _ask_a_judge(name: str, pickled: bytes, seconds: float, work: str) -> tuple[str, str]:
    for _ in range(2):  # a judge may also be ended by a machine that is short of memory
        process = _start("judge", work, name, f"{seconds:g}")
        try:
            told, _error = process.communicate(pickled, timeout=2 * seconds + JUDGE_SECONDS)
        except subprocess.TimeoutExpired:
            return void("It keeps its judge from coming to an end.")
        finally:
            _stop(process)
        verdict = _event(told)
        if set(verdict) == {"mark", "sentence"}:
            return verdict["mark"], verdict["sentence"]
    return void("It ended its judge.")


def _event(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# ------------------------------------------------------------------------------------- processes

_running: set[subprocess.Popen] = set()
_lock = threading.Lock()


def _start(module: str, work: str, *arguments: str) -> subprocess.Popen:
    with _lock:
        process = subprocess.Popen(
            [*isolated(f"gradlab.exercises.marking.{module}"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=work,
            env=environment(work),
            start_new_session=True,
        )
        _running.add(process)
    return process


def _stop(process: subprocess.Popen) -> None:
    stop_group(process)
    with _lock:
        _running.discard(process)


def _stop_everything() -> None:
    with _lock:
        processes = [*_running]
    for process in processes:
        stop_group(process)


# ----------------------------------------------------------------------------------------- cache


def _version() -> str:
    """What changes with any line of the package, and so with the judges."""
    package = Path(gradlab.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _key(one: Submission, rules: str) -> str:
    try:
        contents = one.path.read_bytes()
    except OSError:
        contents = os.urandom(16)  # it may be readable the next time
    lesson = " ".join(one.lessons)
    return hashlib.sha256(contents + f"\0{rules}\0{lesson}".encode()).hexdigest()[:32]


def plain(text: str) -> str:
    """A sentence with its numbers left out, so that equal mistakes look equal."""
    return re.sub(r"-?\d[\d.]*(?:e[+-]?\d+)?", "#", text)
