"""The instructor's guide and the glossary say what the notebooks and the package say."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys

import check_notebooks
import nbformat
import numpy as np
import pytest
from conftest import ROOT

import gradlab
from gradlab import bugs, exercises
from gradlab.checking.report import VERDICTS

GUIDE = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "notebooks" / "GLOSSARY.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^\*\*(.+?)\*\* — (.+) \((\d\d(?:, \d\d)*)\)\.$", GLOSSARY, re.MULTILINE)
PROSE = {
    path.name[:2]: "\n".join(
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.id != "setup"
    )
    for path in check_notebooks.notebook_paths()
}


def minutes(head: str) -> int:
    """The time that a notebook's head states, as "about an hour and a quarter" or "75 minutes"."""
    stated = re.search(r"\*\*Time\*\* (?:about )?([^.]+)\.", head)[1]
    if found := re.fullmatch(r"(\d+) minutes", stated):
        return int(found[1])
    hours = {
        "an hour": 60,
        "an hour and a quarter": 75,
        "an hour and a half": 90,
        "two hours": 120,
        "two and a half hours": 150,
    }
    return hours[stated]


def test_the_syllabus_says_what_the_notebooks_say():
    rows = re.findall(
        r"^\| \[(\w+)\]\(\1\.ipynb\) \| ([^|]+) \| (\d+) \|", GUIDE, flags=re.MULTILINE
    )
    said = {}
    for path in check_notebooks.notebook_paths():
        head = nbformat.read(path, as_version=4).cells[0].source
        title = re.sub(r"^# \d\. ", "", head.splitlines()[0])
        said[path.stem] = (title, str(minutes(head)))
    assert {name: (title, time) for name, title, time in rows} == said


def test_the_guide_lists_every_exercise(capsys):
    for lesson in exercises.LESSONS:
        exercises.progress(lesson)
    titles = re.findall(r"^  (?:to do|solved) +(.+)$", capsys.readouterr().out, re.MULTILINE)
    listed = re.findall(r"^\| (\d+\.\d [^|]+) \|", GUIDE, flags=re.MULTILINE)
    assert listed == titles != []


def test_sections_that_the_plans_name_exist():
    named = re.findall(r"\*([A-Z][^*|]+)\*(?= \||,| and)", GUIDE.split("## Plans")[1])
    headings = [text for prose in PROSE.values() for _, text in check_notebooks.headings(prose)]
    missing = [name for name in named if not any(text.startswith(name) for text in headings)]
    assert missing in ([], ["File, Save a copy in Drive"])
    assert len(named) > 5


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL))
def test_code_of_the_guide_runs(block, capsys):
    exec(compile(block, "README.md", "exec"), {})
    assert "wrong" in capsys.readouterr().out


SEEDS = re.search(r"python -m gradlab\.bugs --seeds (\d+)-(\d+)", GUIDE)


def test_the_key_of_a_class_is_one_command():
    command = [sys.executable, *SEEDS[0].split()[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 30


def test_notebook_06_gives_none_of_the_class_s_mysteries_away():
    shown = re.findall(r"(?:evidence|mystery|answer)\((\d+)|^ +(\d+): ", PROSE["06"], re.MULTILINE)
    assert {"6", "9", "14"} <= {a or b for a, b in shown}
    assert max(int(a or b) for a, b in shown) < int(SEEDS[1])


@pytest.fixture(scope="module")
def notebook_06():
    """The names that the cell ``evidence`` of notebook 06 defines."""
    path = next(path for path in check_notebooks.notebook_paths() if path.name.startswith("06"))
    cells = {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}
    names = {"np": np, "gradlab": gradlab, "bugs": bugs}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(cells["evidence"], names)
    return names


def diagnosis(seed, notebook):
    """The family of a mystery, by what notebook 06 prints about it and by nothing else."""

    with contextlib.redirect_stdout(io.StringIO()) as text, np.errstate(all="ignore"):
        notebook["evidence"](seed)
    wrong = {}
    for line in text.getvalue().splitlines():
        if found := re.match(r"(\w\d)  wrong$", line):
            clues = wrong[found[1]] = []
        elif found := re.match(r"    (.{20})(.+)$", line):
            row = np.array(found[2].split(), float)
            clues.append([row]) if found[1].strip() else clues[-1].append(row)
    if len(wrong) == 4:
        return "output"
    if len(wrong) == 2:
        ratios = np.vstack([clues[1] for clues in wrong.values()])
        return "updated" if np.ptp(ratios, axis=0).max() < 0.01 else "slope"
    (clues,) = wrong.values()
    _, ratios, excess = map(np.array, clues)
    if np.ptp(ratios) < 0.01:
        return "sign" if ratios.flat[0] < 0 else "factor"
    if np.ptp(excess) < 0.01:
        return "penalty"
    return "one entry" if np.sum(np.abs(ratios - 1) > 0.002) == 1 else "clipping"


def test_what_notebook_06_prints_is_all_that_a_diagnosis_needs(notebook_06):
    seeds = range(int(SEEDS[1]), int(SEEDS[2]) + 1)
    families = {seed: bugs.answer(seed).family for seed in seeds}
    assert {seed: diagnosis(seed, notebook_06) for seed in seeds} == families
    assert len(set(families.values())) == 8


# ------------------------------------------------------------------------------------- glossary


def test_terms_stand_once_and_in_order():
    names = [name.lower() for name, _, _ in TERMS]
    assert names == sorted(set(names)) and len(names) > 30
    assert len(names) == GLOSSARY.count("\n**")


@pytest.mark.parametrize(("term", "lessons"), [(name, lessons) for name, _, lessons in TERMS])
def test_the_notebook_that_is_named_uses_the_term(term, lessons):
    words = r"[\s_-]+".join(map(re.escape, re.split(r"[ -]", term)))
    for lesson in lessons.split(", "):
        assert re.search(words, PROSE[lesson], re.IGNORECASE), f"{lesson} does not say {term}"


def test_verdicts_are_the_package_s_own():
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", GLOSSARY, re.MULTILINE)) == VERDICTS
    assert re.findall(r"^\| `(\w+)`", GLOSSARY, re.MULTILINE) == list(VERDICTS)


def test_the_number_of_exercises_in_the_changelog():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d\.\d) ", GUIDE, flags=re.MULTILINE)
    assert f"with {len(listed)}\n  exercises" in changelog
