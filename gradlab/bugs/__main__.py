"""Mysteries for a class: ``python -m gradlab.bugs --seeds 1-30`` prints the key of thirty.

``python -m gradlab.bugs exam --learners FILE`` writes an exam whose key nobody else can print.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path
from typing import NoReturn

from gradlab.bugs.mystery import answer
from gradlab.terminal import Refused, leave_with, refuse_to_overwrite, write_files

MOST_SEEDS = 10_000


def seed_list(text: str) -> list[int]:
    """The seeds in ``"1-30"`` or ``"4,8,15-20"``, in order, each once."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of seeds such as 1-30 or 4,8")
        start, stop = int(first), int(last or first)
        if stop < start or stop >= 2**32:
            raise argparse.ArgumentTypeError(
                f"{part.strip()!r} must run upwards, from 0 to at most 2**32 - 1"
            )
        if len(seeds) + stop - start >= MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"{text!r} has more than {MOST_SEEDS} seeds")
        seeds.extend(range(start, stop + 1))
    return list(dict.fromkeys(seeds))


class _Parser(argparse.ArgumentParser):
    """One line and status 2 for a bad value; argparse puts the whole usage in front of it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Print one line for each seed, or write an exam; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["exam"]:
        return _exam(arguments[1:])
    parser = _Parser(
        prog="python -m gradlab.bugs",
        usage="%(prog)s [-h] --seeds SEEDS",
        description="Print the answer key of the mystery backward passes, a line for each seed.",
        epilog="An exam, with a secret key: python -m gradlab.bugs exam --help.",
    )
    parser.add_argument("--seeds", type=seed_list, required=True, help="such as 1-30 or 4,8,15-20")
    for seed in parser.parse_args(arguments).seeds:
        print(f"{seed:>6}  {answer(seed)}")
    return 0


def _exam(arguments: list[str]) -> int:
    """Write a folder for each learner of a list, and the key."""
    parser = _Parser(
        prog="python -m gradlab.bugs exam",
        description=(
            "Write an exam into OUT. OUT/learners gets a folder for each learner: two mysteries as "
            "data, an easy one and a hard one, a notebook to diagnose them in and an answer sheet. "
            "OUT/KEY.csv has the answers, and OUT is for you alone: hand out what is in learners/."
        ),
        epilog=(
            "The mysteries are drawn from the file SECRET, which is made if it is not there. Keep "
            "it: with the same secret and the same list the same exam comes out. Exit status: 0, "
            "or 2 for a bad value."
        ),
    )
    parser.add_argument(
        "--learners", type=Path, required=True, metavar="FILE", help="a name a line"
    )
    parser.add_argument("-o", "--out", type=Path, default=Path("exam"), help="default: exam")
    parser.add_argument(
        "--secret", type=Path, default=Path("exam-secret.txt"), help="default: exam-secret.txt"
    )
    parser.add_argument("--overwrite", action="store_true", help="also files that you have changed")
    options = parser.parse_args(arguments)
    from gradlab.bugs import exam

    try:
        names = exam.learners(options.learners.read_text(encoding="utf-8"))
        secret = _secret(options.secret)
        papers = {name: exam.paper(secret, name, at) for at, name in enumerate(names)}
        files: dict[str, str | bytes] = {"KEY.csv": exam.key(papers)}
        for name, folder in exam.files_of(names).items():
            data = exam.numbers(secret, name, papers[name])
            files[f"learners/{folder}/mystery.npz"] = exam.npz(data)
            files[f"learners/{folder}/exam.ipynb"] = exam.notebook()
            files[f"learners/{folder}/answer_sheet.md"] = exam.sheet()
        if not options.overwrite:
            refuse_to_overwrite(options.out, files)
        write_files(options.out, files)
    except UnicodeDecodeError:
        parser.error(f"{options.learners} is no text in UTF-8")
    except (Refused, ValueError) as refused:
        parser.error(str(refused))
    except OSError as error:
        parser.error(f"{error.filename}: {(error.strerror or 'it cannot be used').lower()}")
    print(
        f"{len(names)} exams in {options.out / 'learners'}; the key is {options.out / 'KEY.csv'}."
    )
    print(f"They were drawn from {options.secret}: keep it, and keep it to yourself.")
    return 0


def _secret(path: Path) -> bytes:
    """What the file holds; a new secret if there is no file."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    secret = path.read_bytes().strip()
    if len(secret) < 16:
        raise ValueError(f"the secret in {path} is too short: 16 characters are the least")
    return secret


if __name__ == "__main__":
    leave_with(main)
