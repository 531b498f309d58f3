"""What a class gets before the deadline: the notebooks without outputs and without solutions.

The solutions go into pages of their own, one for each notebook, to be handed out later. A notebook
is read and written as the JSON that it is, so that nothing else in it changes.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradlab
from gradlab.exercises.marking.mark import known
from gradlab.exercises.marking.submissions import Call, calls_in

__all__ = ["Unsuitable", "learners_copy", "notebooks_of", "put_back", "stubs"]

_SOLUTION = re.compile(
    r"\n*<details>\s*<summary>Solution</summary>(?P<text>.*?)</details>[ \t]*", re.DOTALL
)
_SECTION = re.compile(r"^## .*\(`(\d\d_\w+)`\)$", re.MULTILINE)
_CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Unsuitable(Exception):
    """A folder or a file will not do; the message says which, and what to do."""


def notebooks_of(folder: Path | None) -> dict[str, dict[str, Any]]:
    """The course's notebooks in a folder: the name of the file and its contents.

    Parameters
    ----------
    folder
        By default ``notebooks`` beside the package, or in the current folder.

    Raises
    ------
    Unsuitable
        If there are none, or one cannot be read.
    """
    beside = Path(gradlab.__file__).resolve().parents[1] / "notebooks"
    places = [folder] if folder is not None else [beside, Path("notebooks"), Path(".")]
    for place in places:
        found = sorted(place.glob("[0-9][0-9]_*.ipynb"))
        if found:
            return {path.name: _read(path) for path in found}
    where = places[0] if folder is not None else "the current folder"
    raise Unsuitable(
        f"there is no notebook of the course in {where}; name their folder with --from"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(notebook["cells"], list)
    except (OSError, ValueError, KeyError, TypeError, AssertionError):
        raise Unsuitable(f"{path} cannot be read as a notebook") from None
    return notebook


def text_of(notebook: dict[str, Any]) -> str:
    """A notebook as a file has it."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def learners_copy(notebook: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Take the outputs and the folded solutions out of a notebook; hints stay.

    Returns
    -------
    tuple
        The notebook for learners, and its solutions as a page of Markdown.
    """
    mine = copy.deepcopy(notebook)
    heading = _title(mine)
    page, name = [f"# Solutions: {heading}"], ""
    titles = known()
    for cell in mine["cells"]:
        source = _source(cell)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            name = next((call.name for call in calls_in(source, 0)), name)
            continue
        for solution in _SOLUTION.finditer(source):
            page += [f"## {titles.get(name, name)} (`{name}`)", solution["text"].strip()]
        _set(cell, _SOLUTION.sub("", source))
    return mine, "\n\n".join(page) + "\n"


def put_back(notebook: dict[str, Any], page: str) -> dict[str, Any]:
    """A copy of a notebook with the solutions of a page in its stubs, above their checks.

    Raises
    ------
    Unsuitable
        If an exercise has no solution on the page.
    """
    solved = copy.deepcopy(notebook)
    parts = _SECTION.split(page)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    for cell, call in stubs(solved):
        code = _CODE.search(found.get(call.name, ""))
        if code is None:
            raise Unsuitable(f"the page has no solution of {call.name}")
        check = _source(cell).strip().splitlines()[-1]
        _set(cell, f"{code[1].rstrip()}\n{check}")
    return solved


def stubs(notebook: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Call]]:
    """The cells of a notebook that check an answer, with the call that does."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            for call in calls_in(_source(cell), 0):
                yield cell, call


def _title(notebook: dict[str, Any]) -> str:
    first = _source(notebook["cells"][0]).strip() if notebook["cells"] else ""
    return first.splitlines()[0].lstrip("# ") if first else ""


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _set(cell: dict[str, Any], text: str) -> None:
    """In the form that the cell has already: one text, or a list of lines."""
    cell["source"] = text if isinstance(cell["source"], str) else text.splitlines(keepends=True)


def otter_test(call: Call) -> str:
    """A test for Otter-Grader: one point for a right answer, the judge's sentence for another."""
    names = ", ".join(sorted(call.names))
    return f'''from otter.test_files import test_case

OK_FORMAT = False

name = "{call.name}"
points = 1


@test_case(points=1, hidden=False)
def test_{call.name.partition("_")[2]}({names}):
    from gradlab.exercises import verdict

    found = verdict("{call.name}", {call.expression})
    assert found.mark == "right", found.sentence
'''
