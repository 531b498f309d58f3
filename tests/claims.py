"""What ties a sentence of a notebook to the test that confirms it."""

from __future__ import annotations

import nbformat
from conftest import ROOT


def sources(number):
    """The source of every cell of notebook ``number``, "01" to "09", by its id."""
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    return {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}


def says(number, *phrases):
    """A sentence that is rewritten takes its test along."""
    text = "\n".join(sources(number).values())
    for phrase in phrases:
        assert phrase in text, f"notebook {number} does not say {phrase!r}"


def run(cells, names, namespace):
    """Execute the named ones of ``cells``, in this order."""
    for name in names:
        exec(compile(cells[name], f"<cell {name}>", "exec"), namespace)
    return namespace
