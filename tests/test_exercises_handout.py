"""The learner's edition: no outputs, no solutions, and nothing else changed. And Otter's tests."""

from __future__ import annotations

import ast
import copy
import json
import re
import sys
import types

import nbformat
import pytest
from check_notebooks import code_cells, with_solutions
from execute_notebooks import notebook_paths

from gradlab.exercises import __main__ as cli
from gradlab.exercises import handout

PATHS = notebook_paths()


def editions(path):
    original = json.loads(path.read_text(encoding="utf-8"))
    return original, *handout.learners_copy(original)


def source(cell):
    return "".join(cell["source"])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_has_no_outputs_no_solutions_and_all_hints(path):
    original, mine, page = editions(path)
    nbformat.validate(nbformat.from_dict(mine))
    text = "\n".join(source(cell) for cell in mine["cells"])
    assert "<summary>Solution</summary>" not in text
    assert text.count("<summary>Hint") == json.dumps(original).count("<summary>Hint") > 0
    assert text.count("<details>") == text.count("</details>")
    for cell in mine["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_nothing_else_is_changed(path):
    """So its unsolved cells are those that are run, unsolved, wherever the notebooks are."""
    original, mine, _ = editions(path)
    again = copy.deepcopy(mine)
    for before, after in zip(original["cells"], again["cells"], strict=True):
        if before["cell_type"] == "code":
            after |= {name: before[name] for name in ("outputs", "execution_count")}
        elif "<summary>Solution</summary>" in source(before):
            kept, _, rest = source(before).partition("<details><summary>Solution</summary>")
            rest = rest.partition("</details>")[2]
            assert source(after).split() == (kept + rest).split()
            after["source"] = before["source"]
    assert again == original


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_with_the_solutions_put_back_it_is_the_solved_notebook(path):
    """Which ``test_notebooks_solved.py`` runs, and finds right in every exercise."""
    original, mine, page = editions(path)
    solved = nbformat.reads(json.dumps(handout.put_back(mine, page)), as_version=4)
    expected = with_solutions(nbformat.read(path, as_version=4))
    assert [cell.source for cell in code_cells(solved)] == [
        cell.source for cell in code_cells(expected)
    ]
    names = [call.name for _, call in handout.stubs(mine)]
    assert re.findall(r"^## .* \(`(\w+)`\)$", page, re.MULTILINE) == names
    assert names == [call.name for _, call in handout.stubs(original)]


def test_it_runs_unsolved(tmp_path):
    """One of them, literally; of the others the cells are the same as in the course's."""
    from execute_notebooks import execute

    _, mine, _ = editions(PATHS[1])
    ran = execute(nbformat.reads(handout.text_of(mine), as_version=4), tmp_path)
    said = [
        "".join(out.text for out in cell.outputs if out.output_type == "stream")
        for cell in code_cells(ran)
        if "exercises.check(" in cell.source
    ]
    assert said and all(text.startswith("Not attempted yet.") for text in said)


def test_a_solution_that_is_missing_is_named():
    _, mine, page = editions(PATHS[0])
    with pytest.raises(handout.Unsuitable, match="no solution of 01_"):
        handout.put_back(mine, page.replace("```python", "```"))


def test_the_command_writes_both(tmp_path, capsys):
    folder = tmp_path / "class"
    command = ["learner", str(folder), "--from", str(PATHS[0].parent)]
    assert cli.main(command) == 0
    assert {path.name for path in folder.glob("*.ipynb")} == {path.name for path in PATHS}
    assert {path.stem for path in (folder / "solutions").iterdir()} == {p.stem for p in PATHS}
    assert cli.main(command) == 0  # what the command wrote it may write again
    (folder / PATHS[0].name).write_text("my notes")
    assert cli.main(command) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and PATHS[0].name in said
    assert (folder / PATHS[0].name).read_text() == "my notes"


@pytest.mark.parametrize("command", ["learner", "otter"])
def test_a_bad_value_is_one_line_and_status_2(command, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "11_x.ipynb").write_text("{")
    (tmp_path / "file").write_text("")
    for arguments, said in [
        (["x", "--from", str(tmp_path / "empty")], "no notebook of the course"),
        (["x", "--from", str(tmp_path / "bad")], "cannot be read as a notebook"),
        ([str(tmp_path / "file"), "--from", str(PATHS[0].parent)], "is a file"),
        (["x", "--from", str(tmp_path / "nowhere")], "is no folder"),
    ]:
        try:
            status = cli.main([command, *arguments])
        except SystemExit as stop:
            status = stop.code
        error = capsys.readouterr().err
        assert status == 2 and error.count("\n") == 1 and said in error
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--help"])
    assert stopped.value.code == 0 and "Exit status" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------ otter


@pytest.fixture
def otter(monkeypatch):
    """What a test file needs of Otter-Grader; `.ci/run otter` tries them with Otter itself."""
    module = types.ModuleType("otter.test_files")
    module.test_case = lambda **options: lambda function: function
    monkeypatch.setitem(sys.modules, "otter", types.ModuleType("otter"))
    monkeypatch.setitem(sys.modules, "otter.test_files", module)


def test_each_exercise_has_a_test_that_asks_its_judge(otter, tmp_path):
    assert cli.main(["otter", str(tmp_path), "--from", str(PATHS[0].parent)]) == 0
    files = sorted(tmp_path.glob("*/*.py"))
    asked = [call.name for path in PATHS for _, call in handout.stubs(editions(path)[1])]
    assert [path.stem for path in files] == sorted(asked)
    for path in files:
        names: dict = {}
        exec(compile(path.read_text(encoding="utf-8"), path.name, "exec"), names)
        assert (names["name"], names["points"], names["OK_FORMAT"]) == (path.stem, 1, False)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        (test,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        blank = [...] * len(test.args.args)
        with pytest.raises(AssertionError, match="^Not "):
            names[test.name](*blank)


def test_a_right_answer_passes_its_otter_test(otter):
    _, mine, _ = editions(PATHS[4])
    call = next(call for _, call in handout.stubs(mine) if call.name == "05_liar")
    names: dict = {}
    exec(handout.otter_test(call), names)
    names["test_liar"](arrays=["W1", "b1"], liar="B")
    with pytest.raises(AssertionError, match="^Not yet. .*suspect A"):
        names["test_liar"](arrays=["W1", "b1"], liar="A")
