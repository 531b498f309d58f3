"""What was handed in: files found, learners named, answers located by the calls that check them."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST = 100_000_000  # bytes of a file
_SHELL = re.compile(r"^(\s*)(?:[%!].*|\?.*|.*\?)$", re.MULTILINE)
_CALL = re.compile(r"\bcheck\(\s*([\"'])(\d\d_\w+)\1\s*,(.*)\)\s*$", re.MULTILINE | re.DOTALL)
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_\w+?(?:_(?P<rest>.*))?")
_CANVAS = re.compile(r"(?P<name>[^\W\d_]+)(?:_LATE|_late)?_(?P<id>\d+)_\d+_(?P<rest>.+)")
_NOTEBOOK = re.compile(r"(?:^|[\s_-]+)\d\d_[a-z]+(?:_[a-z]+)*(?:[\s_-]*\(\d+\)|-Copy\d*|-\d+)?$")
_COPY = re.compile(r"(?:copy of|kopie von|copie de|copia de|copia di)", re.IGNORECASE)


@dataclass(frozen=True)
class Cell:
    """A code cell, and the text that it was handed in with as its output."""

    source: str
    printed: str = ""


@dataclass(frozen=True)
class Call:
    """A call of ``exercises.check``: the exercise, the answer's expression, and its cell."""

    name: str
    expression: str
    cell: int
    names: frozenset[str] = frozenset()


@dataclass
class Submission:
    """A file that was handed in. ``trouble`` says why there is nothing in it, if there is not."""

    path: Path
    file: str
    student: str
    number: str = ""
    cells: list[Cell] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    trouble: str = ""
    named: list[str] = field(default_factory=list)  # lessons that a damaged file still names

    @property
    def lessons(self) -> list[str]:
        """The notebooks whose exercises are in it; by its name, if there are none."""
        found = sorted({call.name[:2] for call in self.calls})
        in_name = re.search(r"(?<!\d)(\d\d)_[a-z]", self.path.name)
        return found or self.named or ([in_name[1]] if in_name else [])


def find(folder: Path) -> list[Path]:
    """Every notebook under a folder, in order; no checkpoints, and nothing hidden."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() == ".ipynb")
    return sorted(
        path
        for path in found
        if not any(
            part.startswith((".", "__MACOSX")) or part == "solutions"
            for part in path.relative_to(folder).parts
        )
        and not path.is_dir()
    )


def read(path: Path, folder: Path) -> Submission:
    """Read a notebook, whatever state it is in."""
    file = path.relative_to(folder).as_posix()
    student, number = who(path.relative_to(folder))
    submission = Submission(path, file, student, number)
    try:
        submission.cells = list(_cells(path))
    except (OSError, ValueError, RecursionError) as error:
        submission.trouble = f"The file cannot be read: {_reason(error)}"
        submission.named = _lessons_named(path)
        return submission
    submission.calls = [
        call for at, cell in enumerate(submission.cells) for call in calls_in(cell.source, at)
    ]
    return submission


def who(file: Path) -> tuple[str, str]:
    """A learner's name and number, as far as the path of a file tells them.

    Moodle and Canvas write both into the names of the files that they hand out. Else a folder is
    a learner, and else the file's name without the notebook's.
    """
    for part in (file.stem, file.parts[0] if len(file.parts) > 1 else ""):
        for pattern in (_MOODLE, _CANVAS):
            if found := pattern.fullmatch(part):
                return found["name"].strip(), found["id"]
    if len(file.parts) > 1:
        return file.parts[0], ""
    rest = _NOTEBOOK.sub("", file.stem).strip(" _-")
    return (rest if rest and not _COPY.fullmatch(rest) else file.stem), ""


def told_apart(submissions: list[Submission]) -> None:
    """Give two files of one learner with the same notebook two names, and so two rows."""
    wanted = Counter((one.student, lesson) for one in submissions for lesson in one.lessons)
    for one in submissions:
        if any(wanted[one.student, lesson] > 1 for lesson in one.lessons):
            one.student = f"{one.student} ({Path(one.file).name})"


def draws_only(source: str) -> bool:
    """Whether a cell does nothing but show figures and explorers of the course."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return False
    return bool(statements) and all(
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Attribute)
        and isinstance(statement.value.func.value, ast.Name)
        and statement.value.func.value.id in ("plots", "explorers")
        for statement in statements
    )


def python(source: str) -> ast.Module | None:
    """A cell as Python has it, without its magics and commands; None if it has an error."""
    try:
        return ast.parse(_SHELL.sub(r"\1pass", source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def calls_in(source: str, cell: int) -> Iterator[Call]:
    """The calls of ``check`` in a cell, those in a cell that is no Python included."""
    tree = python(source)
    if tree is None:  # a cell that does not run, or one with more of IPython in it
        for found in _CALL.finditer(source):
            yield Call(found[2], found[3].strip(), cell)
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        called = function.attr if isinstance(function, ast.Attribute) else None
        called = function.id if isinstance(function, ast.Name) else called
        given = dict(zip(("name", "answer"), node.args, strict=False))
        given |= {word.arg: word.value for word in node.keywords if word.arg}
        name, answer = given.get("name"), given.get("answer")
        if called != "check" or not isinstance(name, ast.Constant) or answer is None:
            continue
        if isinstance(name.value, str) and re.fullmatch(r"\d\d_\w+", name.value):
            read = {part.id for part in ast.walk(answer) if isinstance(part, ast.Name)}
            yield Call(name.value, ast.unparse(answer), cell, frozenset(read))


def _cells(path: Path) -> Iterator[Cell]:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 1_000_000} MB")
    notebook = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(notebook, dict):
        raise ValueError("it is no notebook")
    sheets = notebook.get("worksheets") or [notebook]  # as notebooks were before 2015
    cells = sheets[0].get("cells") if isinstance(sheets[0], dict) else None
    if not isinstance(cells, list):
        raise ValueError("it is no notebook")
    for cell in cells:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = _text(cell.get("source", cell.get("input", "")))
            outputs = cell.get("outputs")
            outputs = outputs if isinstance(outputs, list) else []
            printed = "".join(_text(one.get("text")) for one in outputs if isinstance(one, dict))
            yield Cell(source, printed)


def _lessons_named(path: Path) -> list[str]:
    """The lessons whose exercises a file checks, if it is text at all."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(LARGEST // 10)
    except OSError:
        return []
    return sorted(set(re.findall(r"exercises\.check\(\\?[\"'](\d\d)_\w", text)))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "it is empty." if not error.doc.strip() else "it is damaged or cut off."
    if isinstance(error, UnicodeDecodeError):
        return "it is no text."
    if isinstance(error, OSError):
        return f"{(error.strerror or type(error).__name__).lower()}."
    return f"{error}."
