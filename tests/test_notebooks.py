"""Every notebook keeps the course's rules, and every rule can be broken."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys

import check_notebooks
import nbformat
import pytest
from check_notebooks import RULES
from conftest import ROOT
from execute_notebooks import notebook_paths
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from set_address import FOLDED, SETUP_CELL, current_slug

NAMES = [
    "01_derivation",
    "02_forward_pass",
    "03_backpropagation",
    "04_finite_differences",
    "05_gradient_check",
    "06_bug_hunt",
    "07_sharper_tools",
    "08_checking_at_scale",
    "09_check_your_own",
]
PATHS = notebook_paths()
by_name = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def test_the_course_is_complete():
    assert [path.stem for path in PATHS] == NAMES


@by_name
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule, path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert list(rule(notebook, path)) == []


# ------------------------------------------------------------------ a rule that no one can break
# would be none. This notebook keeps them all, and each change below breaks one.


def printed(text):
    return new_output("stream", name="stdout", text=text)


def lesson():
    slug = current_slug()
    badge = check_notebooks.BADGE.format(slug=slug, name="01_derivation.ipynb")
    picture = {
        "image/png": "",
        "text/plain": "A curve that falls to the right and then stays flat.",
    }
    hint = "A hint. " * 5 + "\n\n# Not in the outline"
    folds = "".join(
        f"<details><summary>Hint {n}</summary>\n\n{hint}\n\n</details>\n" for n in (1, 2, 3)
    )
    folds += "<details><summary>Solution</summary>\n\n```python\nanswer = 2\n```\n\n</details>"
    stub = '# How many?\nanswer = ...\nexercises.check("01_{}", answer)'
    cells = [
        new_markdown_cell(
            f"# 1. Is it right?\n\n{badge}\n\nYou will be able to … Time … Before this …", id="head"
        ),
        new_code_cell(SETUP_CELL.format(slug=slug), id="setup", metadata=FOLDED),
        new_code_cell("import gradlab", id="imports"),
        new_markdown_cell(
            "## A part\n\n```python\n# no heading\n```\n\n### A part of it", id="part"
        ),
        new_code_cell("plots.show(ax)", id="curve", outputs=[new_output("display_data", picture)]),
    ]
    for number, name in enumerate(("one", "two"), start=1):
        cells += [
            new_markdown_cell(f"### Exercise 1.{number}: a task", id=f"task-{name}"),
            new_code_cell(
                stub.format(name), id=f"exercise-{name}", outputs=[printed("Not attempted yet.")]
            ),
            new_markdown_cell(folds, id=f"solution-{name}"),
        ]
    none_yet = "No guess yet: write one in place of the dots, or go on without.\n"
    cells += [
        new_markdown_cell("How many?", id="talk-1"),
        new_code_cell(
            'exercises.guess("01 how many", ...)', id="guess-one", outputs=[printed(none_yet)]
        ),
        new_code_cell(
            "print(4)",
            id="step-1",
            metadata=copy.deepcopy(check_notebooks.ANSWER),
            outputs=[printed("4")],
        ),
        new_markdown_cell("Now go on.", id="talk-2"),
        new_code_cell("print(a)", id="step-2", outputs=[printed("1")]),
    ]
    cells += [
        new_markdown_cell(
            "## What you have seen\n\nIt.\n\n"
            "## Can you say it without looking?\n\n<details>…</details>",
            id="summary",
        ),
        new_code_cell(
            'exercises.progress("01")\nexercises.guesses("01")',
            id="progress",
            outputs=[printed("0 of 2")],
        ),
        new_markdown_cell("## Further reading\n\nA book.\n\n## Next\n\nMore.", id="next"),
    ]
    notebook = new_notebook(cells=cells)
    for count, cell in enumerate(check_notebooks.code_cells(notebook), start=1):
        cell.execution_count = count
    return notebook


def cell_of(notebook, name):
    return next(cell for cell in notebook.cells if cell.id == name)


def change(name, old, new):
    def apply(notebook):
        cell = cell_of(notebook, name)
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return apply


def output(name, new):
    return lambda notebook: cell_of(notebook, name).update(outputs=[new])


def strip(notebook):
    for cell in check_notebooks.code_cells(notebook):
        cell.outputs = []


def picture(alt):
    return new_output("display_data", {"image/png": "", "text/plain": alt})


BREAKS = {
    "executed": [
        strip,
        lambda notebook: cell_of(notebook, "imports").update(execution_count=None),
        lambda notebook: cell_of(notebook, "imports").update(execution_count=7),
    ],
    "clean_outputs": [
        lambda notebook: notebook.metadata.update(widgets={}),
        output("imports", new_output("error", ename="KeyError", evalue="", traceback=[])),
        output("imports", new_output("stream", name="stderr", text="Warning")),
        output("imports", new_output("display_data", {check_notebooks.WIDGET_VIEW: {}})),
        lambda notebook: cell_of(notebook, "imports").metadata.update(execution={}),
    ],
    "no_noise": [
        output("imports", printed(text))
        for text in (
            "error 1.83e-10",
            "error 1.8299e-10",
            "2.000000e-17",
            "[1.23e-09 0]",
            "0.00000000012345",
            "0.30000000000000004",
            "<function f at 0x7f2a1c0d3e50>",
        )
    ]
    + [output("imports", new_output("display_data", {"text/html": "<td>1.234e-12</td>"}))],
    "stable_ids": [
        lambda notebook, name=name: cell_of(notebook, "part").update(id=name)
        for name in ("3f2a9c1e", "Part", "part one", "head")
    ],
    "short_code": [change("imports", "import gradlab", "a = 1\n" * 21), change("imports", "import gradlab", "")],
    "plain_code": [
        change("imports", "import gradlab", line)
        for line in ("import matplotlib.pyplot as plt", "%matplotlib inline", "interact(f)")
    ],
    "head": [
        change("head", "# 1. ", "# 2. "),
        change("head", "right?", "right"),
        change("head", "Time", "Tim"),
        change("head", "01_derivation.ipynb", "02_forward_pass.ipynb"),
        change("setup", "gradlab", "other"),
        lambda notebook: notebook.cells.insert(1, notebook.cells.pop(2)),
    ],
    "foot": [
        change("progress", "01", "02"),
        change("summary", "<details>", ""),
        change("summary", "What you have seen", "Summary"),
        change("next", "Further reading", "Books"),
        lambda notebook: notebook.cells.pop(),
    ],
    "alt_texts": [
        output("curve", picture("<Figure size 640x480 with 1 Axes>")),
        output("curve", picture("A curve.")),
        output("curve", picture("")),
        output("curve", picture("VBox(children=(FloatSlider(value=1.0, a=2), b=3, c=4, d=5, e=6, f=7))")),
        output("curve", new_output("display_data", {"image/png": ""})),
        change("part", "## A part\n", "## A part\n![](curve.png)\n"),
        change("part", "## A part\n", '## A part\n<img src="curve.png">\n'),
    ],
    "headings_in_order": [
        change("part", "## A part", "# A part"),
        change("part", "## A part", "### A part"),
        change("head", "# 1.", "## 1."),
    ],
    "exercises_numbered": [
        change("task-two", "1.2", "1.3"),
        change("task-two", "a task", "A task"),
        lambda notebook: cell_of(notebook, "exercise-one").update(id="task-one"),
    ],
    "exercises_complete": [
        change("exercise-one", "exercises.check", "check"),
        change("exercise-one", "01_one", "02_one"),
        output("exercise-one", printed("Right.")),
        change("solution-one", "```python", "```"),
        change("solution-one", "Hint 3", "Tip"),
        change("solution-one", "</details>\n<details>", "<details>"),
        lambda notebook: cell_of(notebook, "solution-one").update(id="answer-one"),
    ],
    "guesses_written_down": [
        change("guess-one", "01 how", "02 how"),
        change("guess-one", "...)", "3)"),
        change("guess-one", "...)", "...)\na = 1"),
        change("guess-one", "...)", '...)\nexercises.guess("01 how many", ...)'),
        lambda notebook: cell_of(notebook, "guess-one").update(id="ask-one"),
        output("guess-one", printed("3")),
        change("progress", "guesses", "guesse"),
    ],
    "answers_folded": [
        lambda notebook: cell_of(notebook, "step-1").metadata.clear(),
        lambda notebook: cell_of(notebook, "step-1").metadata.pop("tags"),
        lambda notebook: cell_of(notebook, "step-1").metadata.pop("jupyter"),
        lambda notebook: cell_of(notebook, "step-2").metadata.update(check_notebooks.ANSWER),
        lambda notebook: cell_of(notebook, "step-1").update(outputs=[]),
        lambda notebook: notebook.cells.insert(
            1 + notebook.cells.index(cell_of(notebook, "guess-one")), new_markdown_cell("It is 4.")
        ),
        change("curve", "plots.show(ax)", 'plots.show(ax, alt="It falls.")'),
    ],
}  # fmt: skip


@pytest.fixture
def lesson_path(tmp_path):
    path = tmp_path / "01_derivation.ipynb"
    nbformat.write(lesson(), path)
    return path


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_notebook_keeps_the_rule(rule, lesson_path):
    assert list(rule(lesson(), lesson_path)) == []


@pytest.mark.parametrize(
    ("rule", "damage"),
    [
        pytest.param(getattr(check_notebooks, rule), damage, id=f"{rule}-{number}")
        for rule, damages in BREAKS.items()
        for number, damage in enumerate(damages, start=1)
    ],
)
def test_the_rule_can_be_broken(rule, damage, lesson_path):
    notebook = lesson()
    damage(notebook)
    assert list(rule(notebook, lesson_path)) != []


def test_a_heavy_notebook_is_noticed(lesson_path):
    lesson_path.write_bytes(b" " * (check_notebooks.MOST_BYTES + 1))
    assert list(check_notebooks.small(lesson(), lesson_path)) != []


def test_the_pace_is_told_and_not_judged(lesson_path, capsys):
    assert check_notebooks.main(["--pace", str(lesson_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("01_derivation.ipynb: 19 cells, 9 of them code") and "1 guesses" in said


def test_every_rule_is_broken_by_a_test():
    assert {rule.__name__ for rule in RULES} == {*BREAKS, "small"}


def test_results_that_are_no_noise_are_let_through(lesson_path):
    notebook = lesson()
    said = "loss 0.314061, slope 2.00, error below 1e-9, about 2e-10, eps 1.00e-05, 0.00012345"
    cell_of(notebook, "imports").outputs = [printed(said)]
    assert list(check_notebooks.no_noise(notebook, lesson_path)) == []


# ---------------------------------------------------------------------------- nbval is strict here


def printed_by(cell):
    return [out for out in cell.get("outputs", []) if out.output_type == "stream"]


def run_strictly(path):
    """Run one notebook in a process of its own, with the options of the full command."""
    environment = {key: text for key, text in os.environ.items() if "XDIST" not in key}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "--nbval"]
        + ["--nbval-current-env", "-p", "no:cacheprovider", f"--rootdir={path.parent}", path.name],
        cwd=path.parent,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("tampered", [False, True], ids=["as stored", "tampered"])
def test_a_tampered_number_fails(tmp_path, tampered):
    """The beginning of a real notebook, up to the first number that it prints."""
    notebook = nbformat.read(PATHS[1], as_version=4)
    with_number = [any(re.search(r"\d", out.text) for out in printed_by(c)) for c in notebook.cells]
    notebook.cells = notebook.cells[: with_number.index(True) + 1]
    if tampered:
        for out in printed_by(notebook.cells[-1]):
            out.text = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), out.text)
    path = tmp_path / "copy.ipynb"
    nbformat.write(notebook, path)
    done = run_strictly(path)
    assert done.returncode == int(tampered), done.stdout
    assert ("1 failed" in done.stdout) == tampered


# ------------------------------------------------------------------------- nothing answers a guess


# Guesses whose answering cell shows evidence again that the cells above have bought.
BOUGHT_BEFORE = {"guess-line"}


def told(cell):
    """What a reader sees of a cell without running or unfolding anything."""
    yield cell.source
    if cell.cell_type == "code" and cell.metadata != check_notebooks.ANSWER:
        yield from check_notebooks.output_texts(cell)


@by_name
def test_every_guess_finds_its_answer_and_nothing_says_it_before(path):
    """Run with a guess in every cell: what came out stands nowhere above, nor in the cell itself."""
    cells = nbformat.read(path, as_version=4).cells
    asked = [i for i, cell in enumerate(cells) if "exercises.guess(" in cell.source]
    assert asked
    for i in asked:
        answer = cells[i + 1]
        assert answer.metadata == check_notebooks.ANSWER
        printed = " ".join(check_notebooks.output_texts(answer))
        # Measured numbers: three decimals or more, and not an input that the cell itself spells out.
        measured = set(re.findall(r"(?<![\d.])\d+\.\d{3,}(?:e-?\d+)?", printed))
        measured -= set(re.findall(r"\d+\.\d+", answer.source))
        seen = " ".join(text for cell in cells[: i + 2] for text in told(cell))
        if len(measured) > 1 and cells[i].id not in BOUGHT_BEFORE:  # one alone may be evidence
            assert not all(number in seen for number in measured), (cells[i].id, measured)
