"""Every folded solution, pasted over its stub, is right: the notebooks run with all of them."""

from __future__ import annotations

import nbformat
import pytest
from check_notebooks import output_texts, with_solutions
from execute_notebooks import execute, notebook_paths


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_every_solution_is_right(path):
    solved = with_solutions(nbformat.read(path, as_version=4))
    execute(solved, path.parent)
    said = {
        cell.id: "".join(output_texts(cell))
        for cell in solved.cells
        if cell.id.startswith("exercise-")
    }
    assert (
        said and {name: text for name, text in said.items() if not text.startswith("Right")} == {}
    )
