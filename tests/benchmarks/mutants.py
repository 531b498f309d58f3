"""Would the tests notice if the checker were another one? A sample of its mutants, drawn by seed.

    python tests/benchmarks/mutants.py [--sample 150] [--seed 1] [--folder build/mutants]

cosmic-ray lists every mutant of ``gradlab/checking`` and ``gradlab/differences``: a number one more
or less, ``<`` for ``<=``, ``and`` for ``or``, a sign, a loop that does not run. Of these the ones
that no test could tell are left out, in the annotations, and the ones that every test would, as a
float shifted by a float; and of the rest so many places are drawn, and one mutant at each. Each is
tried in a copy of this folder by a selection of tests that takes under a minute when nothing fails.
A mutant lives if all of them pass. A run that is broken off goes on where it was: same folder, same
seed. A run that takes longer than ``--seconds`` has lost its way, and counts as killed by the clock.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkItem, WorkResult

ROOT = Path(__file__).parents[2]
ROOMS = ("gradlab/checking", "gradlab/differences")
TESTS = (  # the quick ones first, because the first that fails ends a run
    "verdicts",
    "noise",
    "differences",
    "directions",
    "signatures",
    "vjp",
    "trust",
    "checking",
    "workers",
)
ARITHMETIC = ("Add", "Sub", "Mul", "Div")  # what a float can be replaced by without a TypeError
BITS = ("BitAnd", "BitOr", "BitXor")
LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", "build", ".*_cache", ".hypothesis")


def annotated(path: Path) -> set[tuple[int, int]]:
    """The places of a module, as (line, column), that lie within annotations."""
    hints: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            hints.append(node.returns)
        elif isinstance(node, (ast.arg, ast.AnnAssign)):
            hints.append(node.annotation)
    return {
        (part.lineno, column)
        for hint in hints
        if hint is not None
        for part in ast.walk(hint)
        if isinstance(part, ast.expr)
        for column in range(part.col_offset, (part.end_col_offset or 0) + 1)
    }


def tells(mutant: MutationSpec) -> bool:
    """Whether a mutant is one that a test may or may not see; not one that raises a TypeError."""
    kind, *operands = mutant.operator_name.removeprefix("core/").split("_")
    if kind == "ReplaceUnaryOperator":
        return operands[1:] != ["Invert"]
    if kind != "ReplaceBinaryOperator":
        return True
    return any(set(operands) <= set(each) for each in (ARITHMETIC, BITS))


def drawn(items: tuple[WorkItem, ...], sample: int, seed: int, folder: Path) -> list[WorkItem]:
    """So many mutants, one at a place, in the order in which they stand in the package."""

    def place(mutant: MutationSpec) -> tuple:
        return str(mutant.module_path), mutant.start_pos, mutant.end_pos

    def order(mutant: MutationSpec) -> tuple:
        arguments = json.dumps(mutant.operator_args, sort_keys=True)
        return *place(mutant), mutant.operator_name, arguments, mutant.occurrence

    hints = {path: annotated(folder / path) for path in {i.mutations[0].module_path for i in items}}
    mutants = sorted(
        (
            each
            for item in items
            for each in item.mutations
            if tells(each) and each.start_pos not in hints[each.module_path]
        ),
        key=order,
    )
    places = [list(group) for _, group in groupby(mutants, key=place)]
    stream = random.Random(seed)
    chosen = sorted(stream.sample(range(len(places)), min(sample, len(places))))
    print(f"{len(mutants)} mutants at {len(places)} places, {len(chosen)} drawn by seed {seed}")
    return [WorkItem.single(f"{k:04}", stream.choice(places[k])) for k in chosen]


def prepared(folder: Path, sample: int, seed: int, seconds: float) -> Path:
    """The session's database, in a copy of this folder; an old one if there is one."""
    session = folder / f"seed-{seed}.sqlite"
    if session.exists():
        return session
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT, dirs_exist_ok=True)
    tests = " ".join(f"tests/test_{name}.py" for name in TESTS)
    command = f"{sys.executable} -m pytest -o addopts= -p no:cacheprovider -q -x {tests}"
    (folder / "mutants.toml").write_text(
        "[cosmic-ray]\n"
        f"module-path = {json.dumps(ROOMS)}\n"
        f"timeout = {seconds}\n"
        'excluded-modules = ["gradlab/checking/autodiff.py"]\n'
        f"test-command = {json.dumps(command)}\n"
        '[cosmic-ray.distributor]\nname = "local"\n'
    )
    run_in(folder, sys.executable, *command.split()[1:])  # all of it passes before anything changes
    run_in(folder, "cosmic-ray", "init", "mutants.toml", "all.sqlite")
    with use_db(str(folder / "all.sqlite"), WorkDB.Mode.open) as everything:
        items = drawn(everything.work_items, sample, seed, folder)
    with use_db(str(session)) as few:
        few.add_work_items(items)
    return session


def run_in(folder: Path, *command: str) -> None:
    # No bytecode: a mutant is as long as what it replaces, and may be written in the same second.
    quiet = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # or each of them is imported for every mutant
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(folder),
    }
    subprocess.run(command, cwd=folder, env={**os.environ, **quiet}, check=True)


def outcome(result: WorkResult) -> str:
    if result.test_outcome == TestOutcome.SURVIVED:
        return "alive"
    return "killed by the clock" if "timeout" in (result.output or "")[:200] else "killed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "mutants")
    parser.add_argument("--report", action="store_true", help="only say what is known by now")
    options = parser.parse_args()
    folder = options.folder.resolve()
    session = prepared(folder, options.sample, options.seed, options.seconds)
    if not options.report:
        run_in(folder, "cosmic-ray", "exec", "mutants.toml", session.name)
    with use_db(str(session), WorkDB.Mode.open) as few:
        done = sorted(few.completed_work_items, key=lambda each: each[0].job_id)
        total = few.num_work_items
    for _, result in done:
        if outcome(result) == "alive":
            print(f"\n{result.diff}")
    counts = Counter(outcome(result) for _, result in done)
    print(f"{len(done)} of {total} mutants:", *(f"{n} {each}," for each, n in counts.items()))


if __name__ == "__main__":
    main()
