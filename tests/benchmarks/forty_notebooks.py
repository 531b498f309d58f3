"""Forty whole notebooks with every peculiarity and attack, marked: every mark right, and how fast.

    python tests/benchmarks/forty_notebooks.py [--seconds 20] [--jobs 2]

Fourteen notebooks are of 03, thirteen of 04, thirteen of 06. What they must get is known before.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("", "tools")]

from classroom import ATTACKS, PATHS, PECULIAR, WRONG, Handed, hand_in, handed, names_of  # noqa: E402

from gradlab.exercises.marking import mark  # noqa: E402

MOST_OF_03, MOST_OF_04, MOST_OF_06 = 14, 13, 13


def the_class(attacks: bool) -> list[Handed]:
    """Forty submissions; with ``attacks`` those of 03 are the attacks, else the peculiar ones."""
    kinds = [kind for kind in PECULIAR["03"] if (kind in ATTACKS) == attacks]
    chosen = {
        "03": kinds if attacks else kinds[-MOST_OF_03:],
        "04": [*PECULIAR["04"], *[""] * MOST_OF_04][:MOST_OF_04],
        "06": [*PECULIAR["06"], *[""] * MOST_OF_06][:MOST_OF_06],
    }
    if not attacks:
        chosen["04"] = chosen["04"][:MOST_OF_04]
    found = []
    for lesson, peculiar in chosen.items():
        for number, kind in enumerate(peculiar):
            words = itertools.islice(
                itertools.cycle(("right", "wrong", "open", "right", "right")), number, None
            )
            marks = dict(zip(names_of(lesson), words, strict=False))
            marks = {n: "open" if m == "wrong" and n not in WRONG else m for n, m in marks.items()}
            file = f"learner {number:02d} {kind}_{PATHS[lesson].name}"
            found.append(handed(file, lesson, marks, kind))
    return found


def main() -> int:
    """Mark the class; status 1 if a mark is not the one that was known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--attacks", action="store_true", help="the attacks in whole notebooks")
    options = parser.parse_args()
    submissions = the_class(options.attacks)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        hand_in(here / "in", submissions)
        begin = time.monotonic()
        marked = mark.mark_all(here / "in", here / "cache", options.jobs, options.seconds)
        wall = time.monotonic() - begin
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {one.file: one for one in marked}
    wrong, unflagged, count = [], [], 0
    for one in submissions:
        result = found[one.file]
        for name, known in one.marks.items():
            count += 1
            mark_of, sentence = result.marks.get(name, ("missing", ""))
            if mark_of != known:
                wrong.append(f"{one.file}, {name}: {mark_of}, not {known}: {sentence}")
        if one.flag not in " | ".join([result.trouble, *result.flags]):
            unflagged.append(f"{one.file}: no flag {one.flag!r}")
    cpu = usage.ru_utime + usage.ru_stime
    print(f"{len(submissions)} notebooks, {count} marks, {count - len(wrong)} as known")
    print(f"{wall:.0f} s with {options.jobs} at once, {cpu:.0f} s of processor time")
    print(*wrong, *unflagged, sep="\n")
    return int(bool(wrong or unflagged))


if __name__ == "__main__":
    sys.exit(main())
