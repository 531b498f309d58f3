"""The rules that every notebook of the course keeps, and a command that says who breaks one.

    python tests/tools/check_notebooks.py                      all of them
    python tests/tools/check_notebooks.py notebooks/04_*.ipynb  the named ones
    python tests/tools/check_notebooks.py --pace                how long and how dense they are

A rule is a function from a notebook (and its path) to its complaints, one sentence each.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import nbformat
from execute_notebooks import WIDGET_VIEW, notebook_paths
from nbformat import NotebookNode
from set_address import FOLDED, SETUP_CELL, current_slug

FOOT = {
    "summary": ["What you have seen", "Can you say it without looking?"],
    "progress": [],
    "next": ["Further reading", "Next"],
}
MOST_LINES = 20
MOST_BYTES = 300_000
# A cell that answers a guess: stored executed, its output folded until somebody runs it.
ANSWER = {"jupyter": {"outputs_hidden": True}, "tags": ["answer"]}
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{slug}/blob/main/notebooks/{name})"
)

Rule = Callable[[NotebookNode, Path], Iterator[str]]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def _prose(notebook: NotebookNode) -> str:
    return "\n".join(cell.source for cell in markdown_cells(notebook))


def unfolded(markdown: str) -> str:
    """What a reader sees before opening any fold."""
    return re.sub(r"<details>.*?</details>", "", markdown, flags=re.DOTALL)


def output_texts(cell: NotebookNode) -> Iterator[str]:
    """Everything in the cell's outputs that a reader reads."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        for kind, text in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield text


# ------------------------------------------------------------------------------ stored outputs


def executed(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """nbval compares nothing in a notebook that was stripped of its outputs, and passes it."""
    for count, cell in enumerate(code_cells(notebook), start=1):
        if cell.execution_count != count:
            yield f"cell {cell.id!r} has execution count {cell.execution_count}, not {count}"
    if not any(text.strip() for cell in code_cells(notebook) for text in output_texts(cell)):
        yield "no cell has an output"


def clean_outputs(notebook: NotebookNode, path: Path) -> Iterator[str]:
    if "widgets" in notebook.metadata:
        yield "widget state is stored"
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"cell {cell.id!r} stores an error, {output.ename}"
            if output.get("name") == "stderr":
                yield f"cell {cell.id!r} wrote to stderr"
            if WIDGET_VIEW in output.get("data", {}):
                yield f"cell {cell.id!r} stores a live widget"
        usual = (FOLDED,) if cell.id == "setup" else ({}, ANSWER)
        if cell.metadata not in usual and set(cell.metadata) != {"tags"}:
            yield f"cell {cell.id!r} stores metadata: {', '.join(cell.metadata)}"


_NOISE = re.compile(
    r"\d\.?\d{2,}e-(?:09|[1-9]\d+)"  # three digits and more of something below 1e-8
    r"|(?<![\d.])0?\.0{8,}\d{3,}"  # the same, written out
    r"|(?<![\d.])\d*\.\d*(?:\d{15})\b"  # 15 decimals: the last ones are rounding
    r"|\b0x[0-9a-f]{6,}\b"  # an address in memory
)


def no_noise(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for cell in code_cells(notebook):
        for text in output_texts(cell):
            for match in _NOISE.finditer(text):
                yield f"cell {cell.id!r} prints digits that differ between machines: {match[0]}"


def small(notebook: NotebookNode, path: Path) -> Iterator[str]:
    if path.stat().st_size > MOST_BYTES:
        yield f"{path.stat().st_size / 1000:.0f} kB is more than {MOST_BYTES / 1000:.0f}"


# --------------------------------------------------------------------------------------- cells


def stable_ids(notebook: NotebookNode, path: Path) -> Iterator[str]:
    ids = [cell.id for cell in notebook.cells]
    for repeated in {name for name in ids if ids.count(name) > 1}:
        yield f"the id {repeated!r} is given twice"
    for name in ids:
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or re.fullmatch(
            r"(?=.*\d)[0-9a-f]{8}", name
        ):
            yield f"the id {name!r} says nothing: name the cell's subject, such as 'forward-pass'"


def short_code(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for cell in code_cells(notebook):
        lines = len(cell.source.splitlines())
        if lines > MOST_LINES:
            yield f"cell {cell.id!r} has {lines} lines, more than {MOST_LINES}"
        if not cell.source.strip():
            yield f"cell {cell.id!r} is empty"


def pace(notebook: NotebookNode) -> str:
    """How long a notebook is and how dense: to be read, and no rule. A subject needs what it needs."""
    code = code_cells(notebook)
    lines = median(len(cell.source.splitlines()) for cell in code)
    seen = len(unfolded(_prose(notebook)).split())
    return (
        f"{len(notebook.cells)} cells, {len(code)} of them code, half of these with {lines:g} lines "
        f"or more; {seen} words in sight, {seen / len(code):.0f} to a code cell; "
        f"{len(_guess_names(notebook))} guesses"
    )


def plain_code(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Nothing that fails on Colab or under nbval, and no figure that bypasses its alt text."""
    banned = r"pyplot|%matplotlib|%autoreload|\binteract|widgets\.Output|\bplt\."
    for cell in code_cells(notebook):
        if match := re.search(banned, cell.source):
            yield f"cell {cell.id!r} uses {match[0]}"


def head(notebook: NotebookNode, path: Path) -> Iterator[str]:
    ids = [cell.id for cell in notebook.cells]
    if ids[:3] != ["head", "setup", "imports"]:
        yield f"begins with {ids[:3]}, not head, setup, imports"
    opening, setup = notebook.cells[:2]
    if not re.match(rf"# {int(path.name[:2])}\. [^\n]*\?\n", opening.source):
        yield f"does not begin with '# {int(path.name[:2])}. ' and its question"
    for phrase in ("You will be able to", "Time", "Before this"):
        if phrase not in opening.source:
            yield f"its head does not say {phrase!r}"
    if BADGE.format(slug=current_slug(), name=path.name) not in opening.source:
        yield "its head has no Colab badge that leads to it"
    if setup.source != SETUP_CELL.format(slug=current_slug()):
        yield "its setup cell is not the course's: run tests/tools/set_address.py"


def foot(notebook: NotebookNode, path: Path) -> Iterator[str]:
    last = notebook.cells[-len(FOOT) :]
    if [cell.id for cell in last] != list(FOOT):
        yield f"ends with {[cell.id for cell in last]}, not {list(FOOT)}"
    for cell in last:
        found = [text for _, text in headings(cell.source)] if cell.cell_type == "markdown" else []
        if found != FOOT.get(cell.id, found):
            yield f"its cell {cell.id!r} is headed {found}, not {FOOT[cell.id]}"
        if cell.id == "progress" and f'exercises.progress("{path.name[:2]}")' not in cell.source:
            yield f'its progress cell does not call exercises.progress("{path.name[:2]}")'
        if cell.id == "summary" and "<details>" not in cell.source:
            yield "its recall questions have no folded answers"


# ------------------------------------------------------------------------------------- guesses

_GUESS = re.compile(r"\bexercises\.guess\((.*)\)")


def _guess_names(notebook: NotebookNode) -> list[str]:
    """What the notebook's guesses are called, in their order."""
    calls = (call for cell in code_cells(notebook) for call in _GUESS.findall(cell.source))
    return [match[1] for call in calls if (match := re.match(r"[\"']([^\"']*)[\"']", call))]


def _asks(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and bool(_GUESS.search(cell.source))


def guesses_written_down(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A guess is a cell of its own, named after its notebook, and empty as it is stored."""
    names = _guess_names(notebook)
    for name in {name for name in names if names.count(name) > 1}:
        yield f"the guess {name!r} is asked for twice"
    for name in names:
        if not name.startswith(f"{path.name[:2]} "):
            yield f"the guess {name!r} is not named after its notebook, '{path.name[:2]} …'"
    for cell in filter(_asks, notebook.cells):
        if not cell.id.startswith("guess-"):
            yield f"the cell {cell.id!r} asks for a guess: name it 'guess-…'"
        for line in cell.source.splitlines():
            if line.strip() and not line.startswith("#") and not line.rstrip().endswith(", ...)"):
                yield f"the cell {cell.id!r} does more than ask for a guess: {line!r}"
        if not all(text.startswith("No guess yet") for text in output_texts(cell)):
            yield f"the cell {cell.id!r} is stored with a guess"
    if names and f'exercises.guesses("{path.name[:2]}")' not in notebook.cells[-2].source:
        yield f'its progress cell does not list the guesses: exercises.guesses("{path.name[:2]}")'


def answers_folded(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """What answers a guess is the one cell below it, with its output folded, and nothing before it.

    The source of the answering cell stands open, so no alt text may be in it: a figure brings its
    own words.
    """
    for above, cell in pairwise(notebook.cells):
        folded = cell.cell_type == "code" and cell.metadata == ANSWER
        if _asks(above) and not _asks(cell) and not folded:
            yield f"the cell {cell.id!r} answers the guess above it, and its output is not folded"
        if "answer" in cell.metadata.get("tags", ()) or cell.metadata.get("jupyter", {}).get(
            "outputs_hidden"
        ):
            if not folded:
                yield f"the cell {cell.id!r} is folded or tagged as an answer, but not both"
            elif not cell.outputs:
                yield f"the cell {cell.id!r} is to answer a guess, and shows nothing"
            elif not _asks(above):
                yield f"the cell {cell.id!r} answers a guess, and the cell above it asks for none"
    for cell in code_cells(notebook):
        if re.search(r"\balt\s*=", cell.source):
            yield f"cell {cell.id!r} has an alt text in its source: the figure brings its own"


# ------------------------------------------------------------------------------- accessibility


def alt_texts(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for cell in code_cells(notebook):
        for output in cell.outputs:
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                alt = data.get("text/plain", "")
                if len(alt.split()) < 8 or re.search(r"<\w|\b[A-Z]\w+\(", alt):
                    yield f"cell {cell.id!r} shows a picture with the alt text {alt[:60]!r}"
    for cell in markdown_cells(notebook):
        yield from (f"cell {cell.id!r}: {said}" for said in pictures_without_alt(cell.source))


def pictures_without_alt(markdown: str) -> Iterator[str]:
    for picture in re.findall(r"!\[\s*\]\([^)]*\)|<img(?![^>]*\balt=\"[^\"]+\")[^>]*>", markdown):
        yield f"a picture without alt text: {picture}"


def headings_in_order(notebook: NotebookNode, path: Path) -> Iterator[str]:
    yield from heading_complaints(_prose(notebook))


def headings(markdown: str) -> list[tuple[int, str]]:
    """Level and text of every heading, code blocks apart."""
    prose = re.sub(r"^(```|~~~).*?^\1", "", markdown, flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^(#{1,6}) +(.+?) *$", prose, flags=re.MULTILINE)
    return [(len(marks), text) for marks, text in found]


def heading_complaints(markdown: str) -> Iterator[str]:
    levels = headings(unfolded(markdown))
    if [level for level, _ in levels].count(1) != 1 or levels[0][0] != 1:
        yield "needs one first-level heading, at its beginning"
    for (above, _), (level, text) in pairwise(levels):
        if level > above + 1:
            yield f"the heading {text!r} skips a level"


# ----------------------------------------------------------------------------------- exercises


def _stubs(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.id.startswith("exercise-")]


def exercises_numbered(notebook: NotebookNode, path: Path) -> Iterator[str]:
    count = len(_stubs(notebook))
    if not 2 <= count <= 7:
        yield f"has {count} exercises"
    titles = re.findall(r"^### Exercise (\d\.\d): (\S)", _prose(notebook), re.MULTILINE)
    expected = [f"{int(path.name[:2])}.{number + 1}" for number in range(count)]
    if [number for number, _ in titles] != expected:
        yield f"the exercises are headed {[number for number, _ in titles]}, not {expected}"
    for number, initial in titles:
        if initial.isupper():
            yield f"the title of exercise {number} begins with a capital after its colon"


def exercises_complete(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A stub that runs unsolved, and three hints and a solution folded under it."""
    by_id = {cell.id: cell for cell in notebook.cells}
    for stub in _stubs(notebook):
        name = stub.id
        last = stub.source.strip().splitlines()[-1]
        if not re.match(rf'exercises\.check\("{path.name[:2]}_\w+", .+\)$', last):
            yield f"the last line of {name!r} does not hand the answer to exercises.check"
        said = "".join(output_texts(stub))
        if not said.startswith("Not attempted yet"):
            yield f"the stub {name!r} is stored with {said[:60]!r}"
        solution = by_id.get(name.replace("exercise-", "solution-", 1))
        if solution is None:
            yield f"{name!r} has no solution cell"
            continue
        if solution_code(solution.source) is None:
            yield f"the solution of {name!r} has no folded python block"
        hints = re.findall(r"<summary>Hint \d</summary>", solution.source)
        if len(hints) != 3:
            yield f"{name!r} has {len(hints)} hints, not 3"
        if solution.source.count("<details>") != solution.source.count("</details>"):
            yield f"a fold of the solution of {name!r} is not closed"


def solution_code(markdown: str) -> str | None:
    """The code that replaces everything in the stub but its last line."""
    folded = re.search(
        r"<summary>Solution</summary>\s*\n\n.*?```python\n(.*?)\n```", markdown, flags=re.DOTALL
    )
    return folded[1] if folded else None


def with_solutions(notebook: NotebookNode) -> NotebookNode:
    """A copy of the notebook with every solution pasted over its stub."""
    solved = nbformat.from_dict(notebook)
    by_id = {cell.id: cell for cell in solved.cells}
    for name, cell in by_id.items():
        if name.startswith("exercise-"):
            code = solution_code(by_id[name.replace("exercise-", "solution-", 1)].source)
            cell.source = f"{code}\n{cell.source.strip().splitlines()[-1]}"
    return solved


RULES: tuple[Rule, ...] = (
    executed,
    clean_outputs,
    no_noise,
    small,
    stable_ids,
    short_code,
    plain_code,
    head,
    foot,
    alt_texts,
    headings_in_order,
    exercises_numbered,
    exercises_complete,
    guesses_written_down,
    answers_folded,
)


def main(arguments: list[str] | None = None) -> int:
    named = list(sys.argv[1:] if arguments is None else arguments)
    only_pace = "--pace" in named
    if only_pace:
        named.remove("--pace")
    found = 0
    for path in map(Path, named) if named else notebook_paths():
        notebook = nbformat.read(path, as_version=4)
        if only_pace:
            print(f"{path.name}: {pace(notebook)}")
            continue
        for rule in RULES:
            for complaint in rule(notebook, path):
                found += 1
                print(f"{path.name}: {complaint}")
    if not only_pace:
        print(f"{found} complaints" if found else "Every rule is kept")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
