"""The table of the checker's constants is whole: every one is in it, and what it says of them is so."""

from __future__ import annotations

import ast
import importlib
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

import constants  # noqa: E402

# Names and formats, and what follows from mathematics; nobody would halve them.
NO_TUNING = {
    "CENTRAL", "FORMATS", "HOW", "OF_A_SAMPLE", "OTHERS", "PASSING", "POINTS", "SHOWN", "SIDES",
    "SYMBOLS", "TINIEST", "UNIT", "VERDICTS",
}  # fmt: skip
READ_BY_NOTHING: set[str] = set()
MODULES = sorted({module for module, _, _ in constants.CONSTANTS})


def names_of(module: str) -> set[str]:
    """The constants that a module defines: names in capitals."""
    tree = ast.parse((ROOT / "gradlab" / f"{module.replace('.', '/')}.py").read_text())
    return {
        name.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for name in ast.walk(target)
        if isinstance(name, ast.Name) and name.id.isupper() and not name.id.startswith("_")
    }


@pytest.mark.parametrize("module", MODULES)
def test_every_constant_stands_in_the_table_and_is_used(module):
    listed = {name for where, name, _ in constants.CONSTANTS if where == module}
    assert names_of(module) - NO_TUNING - READ_BY_NOTHING == listed
    package = "".join(path.read_text() for path in (ROOT / "gradlab").rglob("*.py"))
    assert not [name for name in listed if package.count(name) < 2]


def test_the_page_holds_a_row_for_each_with_the_value_it_has():
    page = constants.PAGE.read_text()
    table = page[page.index(constants.BEGIN) : page.index(constants.END)]
    for module, name, found in constants.CONSTANTS:
        value = getattr(importlib.import_module(f"gradlab.{module}"), name)
        where = module.rpartition(".")[2]
        assert f"| `{where}.{name}` | {constants.shown(value)} | {found} |" in table, name


def test_another_value_reaches_all_who_imported_it_and_is_taken_back(monkeypatch):
    from gradlab.checking import entries, error_bars
    from gradlab.differences import noise

    monkeypatch.setattr(constants, "checked", lambda _: (noise.SAFETY, error_bars.SAFETY))
    assert constants.with_value("differences.noise", "SAFETY", 3.0, []) == (3.0, 3.0)
    assert noise.SAFETY == error_bars.SAFETY == entries.SAFETY == 12.0


def test_changes_are_counted_by_what_they_do_to_whom():
    right = constants.Case(None, {}, {}, True)
    wrong = right._replace(right=False)

    def said(case, old, new, calls=10):
        outcomes = [2 * [constants.Outcome(each, n)] for each, n in ((old, 10), (new, calls))]
        return constants.changes([case], *outcomes)

    assert said(right, "ok", "close") == "–"
    assert said(right, "ok", "wrong") == "2 false alarms"
    assert said(right, "ok", "undecided", 12) == "2 lost, +20% evaluations"
    assert said(wrong, "wrong", "ok") == "2 let by"
    assert said(wrong, "undecided", "wrong") == "(2 missed fewer)"
