"""Mark a class's notebooks: ``python -m gradlab.exercises mark FOLDER -o OUT``."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gradlab.terminal import Refused, leave_with, refuse_to_overwrite, write_files

if TYPE_CHECKING:
    from gradlab.exercises.marking.mark import Marked

SECONDS = 20.0


class _Parser(argparse.ArgumentParser):
    """One line and status 2 for a bad value; argparse puts the whole usage in front of it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help explains)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m gradlab.exercises",
        description="Hand out, mark and grade the exercises of the course.",
        epilog="Each command has a --help of its own.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    mark = commands.add_parser(
        "mark",
        help="mark a folder of submitted notebooks",
        description=(
            "Mark every notebook under FOLDER. Each is run in a kernel of its own, and each answer "
            "is judged in a fresh process. OUT gets marks.csv (a row a learner, a column an "
            "exercise: right, wrong, open or void), points.csv (the same in ones and noughts, for "
            "a gradebook), items.csv (a row an exercise) and feedback/ (a page for each notebook). "
            "A second run marks only what has changed."
        ),
        epilog=(
            "Exit status: 0 if every file was marked, 1 if one could not be read (its row says "
            "so), 2 for a bad value. The cells of a notebook can read and write your files: for a "
            "class that you do not trust, use the container of the instructor's guide."
        ),
    )
    mark.add_argument("folder", type=_folder, metavar="FOLDER", help="where the notebooks are")
    mark.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help="a folder")
    mark.add_argument(
        "--seconds",
        type=_positive,
        default=SECONDS,
        help=f"for a cell, and for the judging of an answer (default {SECONDS:g})",
    )
    mark.add_argument(
        "-j", "--jobs", type=_count, default=os.cpu_count() or 1, help="notebooks at once"
    )
    mark.add_argument(
        "--overwrite", action="store_true", help="also files that you have written or changed"
    )
    learner = commands.add_parser(
        "learner",
        help="write the notebooks without outputs and solutions",
        description=(
            "Write the notebooks for a class into FOLDER: without outputs and without folded "
            "solutions; the hints stay. FOLDER/solutions gets a page for each notebook, to be "
            "handed out later."
        ),
        epilog="Exit status: 0, or 2 for a bad value. What stands in FOLDER is not overwritten.",
    )
    otter = commands.add_parser(
        "otter",
        help="write tests for Otter-Grader, Gradescope's autograder",
        description=(
            "Write a folder of tests for each notebook into FOLDER, a test an exercise, as "
            "`otter generate -t` takes them. They call gradlab.exercises.verdict."
        ),
        epilog="Exit status: 0, or 2 for a bad value. What stands in FOLDER is not overwritten.",
    )
    for command in (learner, otter):
        command.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder")
        command.add_argument(
            "--from",
            dest="source",
            type=_folder,
            metavar="NOTEBOOKS",
            help="where the course's notebooks are (default: beside the package, or here)",
        )
        command.add_argument(
            "--overwrite", action="store_true", help="also files that you have written or changed"
        )
    return parser


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return path


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1 <= number <= 86_400:
        raise argparse.ArgumentTypeError(f"must be from 1 to 86400, not {text!r}")
    return number


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 256, not {text!r}")
    return int(text)


def _mark(options: argparse.Namespace) -> int:
    missing = [name for name in ("nbclient", "cloudpickle") if not importlib.util.find_spec(name)]
    if missing:
        return _fail(f"marking needs {' and '.join(missing)}: install the course's extra `mark`")
    from gradlab.exercises.marking import mark, submissions, tables

    out: Path = options.out
    read = [submissions.read(path, options.folder) for path in submissions.find(options.folder)]
    if not read:
        return _fail(f"there is no notebook in {options.folder}")
    if not options.overwrite:
        refuse_to_overwrite(out, tables.planned(read))
    out.mkdir(parents=True, exist_ok=True)
    marked = _with_a_bar(
        len(read),
        lambda step: mark.mark_all(
            options.folder, out / ".cache", options.jobs, options.seconds, step
        ),
    )
    write_files(out, tables.written(marked))
    unread = [one for one in marked if one.trouble]
    flagged = sum(bool(one.flags) for one in marked)
    count = sum(len(one.marks) for one in marked)
    right = sum(mark == "right" for one in marked for mark, _ in one.marks.values())
    print(f"{len(marked)} notebooks, {count} answers, {right} right. See {out / 'marks.csv'}.")
    if flagged:
        print(f"{flagged} of them have flags: the last column says what to look at.")
    for one in unread:
        print(f"{one.file}: {one.trouble}")
    return int(bool(unread))


def _learner(options: argparse.Namespace) -> int:
    from gradlab.exercises import handout

    texts = {}
    for name, notebook in handout.notebooks_of(options.source).items():
        mine, solutions = handout.learners_copy(notebook)
        texts[name] = handout.text_of(mine)
        texts[f"solutions/{Path(name).stem}.md"] = solutions
    _write(options, texts)
    print(f"{len(texts) // 2} notebooks in {options.folder}, their solutions in solutions/ there.")
    return 0


def _otter(options: argparse.Namespace) -> int:
    from gradlab.exercises import handout

    texts = {}
    for name, notebook in handout.notebooks_of(options.source).items():
        for _, call in handout.stubs(notebook):
            texts[f"{Path(name).stem}/{call.name}.py"] = handout.otter_test(call)
    _write(options, texts)
    print(f"{len(texts)} tests in {options.folder}, a folder for each notebook.")
    return 0


def _write(options: argparse.Namespace, texts: dict[str, str]) -> None:
    """Write into the folder of ``options``, unless something is in the way."""
    if not options.overwrite:
        refuse_to_overwrite(options.folder, texts)
    write_files(options.folder, texts)


def _with_a_bar(
    total: int, work: Callable[[Callable[[Any], None] | None], list[Marked]]
) -> list[Marked]:
    """Do the work, and show how far it is."""
    if importlib.util.find_spec("tqdm") is None:
        return work(None)
    from tqdm import tqdm

    with tqdm(total=total, unit="notebook", disable=None) as bar:
        return work(lambda marked: bar.update())


def _fail(message: str) -> int:
    print(f"python -m gradlab.exercises: error: {message}", file=sys.stderr)
    return 2


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands; returns its exit status."""
    options = _parser().parse_args(arguments)
    from gradlab.exercises.handout import Unsuitable

    try:
        return {"mark": _mark, "learner": _learner, "otter": _otter}[options.command](options)
    except (Refused, Unsuitable) as refused:
        return _fail(str(refused))
    except OSError as error:
        return _fail(f"{error.filename}: {(error.strerror or 'it cannot be written').lower()}")
    except KeyboardInterrupt:
        _fail("interrupted; the same command goes on where it was")
        return 130


if __name__ == "__main__":
    leave_with(main)
