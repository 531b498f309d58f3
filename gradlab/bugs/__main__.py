"""Print the answer key of a class: ``python -m gradlab.bugs --seeds 1-30``."""

from __future__ import annotations

import argparse
from typing import NoReturn

from gradlab.bugs.mystery import answer
from gradlab.terminal import leave_with

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


def main(arguments: list[str] | None = None) -> None:
    """Print one line for each seed."""
    parser = _Parser(
        prog="python -m gradlab.bugs",
        usage="%(prog)s [-h] --seeds SEEDS",
        description="Print the answer key of the mystery backward passes, a line for each seed.",
    )
    parser.add_argument("--seeds", type=seed_list, required=True, help="such as 1-30 or 4,8,15-20")
    for seed in parser.parse_args(arguments).seeds:
        print(f"{seed:>6}  {answer(seed)}")


if __name__ == "__main__":
    leave_with(main)
