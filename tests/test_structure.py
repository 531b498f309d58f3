"""The package is a column: what stands on a floor imports from the floors below it, and no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "gradlab"

# From the ground up; a room is a module or a folder of gradlab. See .github/CONTRIBUTING.md.
FLOORS = (
    ("data", "pytest_plugin", "terminal", "testing", "timing", "validation", "worked"),
    ("containers",),
    ("differences", "mlp"),
    ("curves", "formats", "structured"),
    ("plots",),
    ("checking",),
    ("bugs",),
    ("foreign", "worked"),
    ("exercises", "explorers"),
    ("__init__", "__main__"),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.Module) -> Iterator[str]:
    """The rooms that a module imports from when it is imported itself."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "gradlab":
            names = [f"gradlab.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for name in names:
            if name.startswith("gradlab."):
                yield name.split(".")[1]


def arrows_up(path: Path, text: str) -> list[str]:
    room = room_of(path)
    return [
        f"{room} imports {other}"
        for other in imported(ast.parse(text))
        if other != room and LEVEL.get(other, -1) >= LEVEL[room]
    ]


def test_every_room_has_a_floor():
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")}
    assert rooms == set(LEVEL)


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_it_imports_from_below(path):
    assert arrows_up(path, path.read_text(encoding="utf-8")) == []


def test_an_arrow_up_is_noticed():
    path = PACKAGE / "differences" / "noise.py"
    assert arrows_up(path, "from gradlab.checking import report") == [
        "differences imports checking"
    ]
    assert arrows_up(path, "from gradlab import curves") == ["differences imports curves"]
    assert arrows_up(path, "from gradlab import validation") == []
