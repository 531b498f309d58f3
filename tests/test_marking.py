"""``python -m gradlab.exercises mark``: a class of submissions made by a script gets its marks."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from classroom import PECULIAR, Handed, bare, hand_in, handed, names_of

from gradlab.exercises import __main__ as cli
from gradlab.exercises.marking import flags, mark, submissions, tables
from gradlab.exercises.marking.submissions import Cell, Submission, draws_only, find, read, who

MIXED = dict.fromkeys(names_of("03"), "open") | {
    "03_output_layer": "right",
    "03_hidden_layer": "wrong",
    "03_backward": "right",
}
RIGHT_04 = dict.fromkeys(names_of("04"), "right")


def several(file: str, kinds: list[str], marks: dict[str, str]) -> Handed:
    """One notebook with several peculiarities that do not touch each other's exercises."""
    notebook, expected = bare("03", marks), dict(marks)
    for kind in kinds:
        peculiar = PECULIAR["03"][kind]
        peculiar.change(notebook)
        expected |= peculiar.marks
    return Handed(file, json.dumps(notebook), expected)


CLASS = [
    # Nothing of this changes a mark: cells without end, errors, floods, other people's magics.
    several(
        "Kopie von 03_backpropagation (1).ipynb",
        ["endless cell", "an error on the way", "magics", "files written", "floods", "Colab copy"]
        + ["check replaced", "helpers replaced", "says that all is solved"],
        MIXED,
    ),
    # A new kernel takes over behind each cell that ends its own, or its parent.
    several(
        "dead 3.ipynb",
        ["cell kills its parent", "does not listen", "answer cell leaves"],
        MIXED,
    ),
    several(
        "Zoë Müller/03_backpropagation.ipynb",
        ["stub deleted", "re-ordered", "a cell of its own"],
        MIXED,
    ),
    several("answers_03.ipynb", ["syntax error", "copied"], MIXED | {"03_falling_loss": "wrong"}),
    handed("Doe Jane_77_assignsubmission_file_04_finite_differences.ipynb", "04", RIGHT_04,
           "the package's own", make=bare),
    handed("cut_04_finite_differences.ipynb", "04", RIGHT_04, "truncated", make=bare),
    Handed("= 2+3.ipynb", "[]", {}),
]  # fmt: skip


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "gradlab.exercises", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of marks.csv, by their files."""
    return {row["File"].lstrip("'"): row for row in table(folder / "out" / "marks.csv")}


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """The class, marked once for all tests."""
    folder = tmp_path_factory.mktemp("class")
    hand_in(folder / "in", CLASS)
    done = run("mark", folder / "in", "-o", folder / "out", "--seconds", 3, "-j", 2)
    return folder, done


def test_every_mark_is_the_one_that_was_known(marked):
    folder, done = marked
    rows = rows_of(folder)
    assert set(rows) == {one.file for one in CLASS}, done.stderr
    found = {one.file: {name: rows[one.file][name] for name in one.marks} for one in CLASS}
    assert found == {one.file: one.marks for one in CLASS}
    for row in rows.values():
        marks = [row[name] for name in (*names_of("03"), *names_of("04")) if row[name]]
        assert row["Points"] == str(marks.count("right")) and row["Of"] == str(len(marks))


def test_what_a_human_should_see_is_flagged(marked):
    rows = {file: row["Flags"] for file, row in rows_of(marked[0]).items()}
    assert "numerical_gradient" in rows[CLASS[4].file]
    assert "is damaged or cut off" in rows["cut_04_finite_differences.ipynb"]
    assert "exercises.check =" in rows[CLASS[0].file] and "_solved" in rows[CLASS[0].file]
    assert "stands behind its check" in rows["Zoë Müller/03_backpropagation.ipynb"]
    assert "03_falling_loss is answered 2 times" in rows["answers_03.ipynb"]
    assert "03_backward is void" in rows["dead 3.ipynb"]


def test_learners_have_their_names(marked):
    rows = rows_of(marked[0])
    assert rows["Zoë Müller/03_backpropagation.ipynb"]["Student"] == "Zoë Müller"
    assert (rows[CLASS[4].file]["Student"], rows[CLASS[4].file]["ID"]) == ("Doe Jane", "77")
    assert rows["= 2+3.ipynb"]["Student"] == "'= 2+3"  # no formula for a spreadsheet


def test_a_gradebook_gets_numbers(marked):
    words = {row["Student"]: row for row in table(marked[0] / "out" / "marks.csv")}
    points = table(marked[0] / "out" / "points.csv")
    assert [*points[0]][:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert [row["Student"] for row in points] == [*words]
    for row in points:
        for name in (*names_of("03"), *names_of("04")):
            word = words[row["Student"]][name]
            assert row[name] == ("" if not word else str(int(word == "right")))
        assert row["Points"] == words[row["Student"]]["Points"]


def test_the_exercises_have_a_table_of_their_own(marked):
    rows = {row["Exercise"]: row for row in table(marked[0] / "out" / "items.csv")}
    assert list(rows) == [*names_of("03"), *names_of("04")]
    hidden = rows["03_hidden_layer"]
    known = [one.marks["03_hidden_layer"] for one in CLASS if "03_hidden_layer" in one.marks]
    assert [hidden["Right"], hidden["Wrong"], hidden["Open"], hidden["Void"]] == [
        str(known.count(word)) for word in ("right", "wrong", "open", "void")
    ]
    assert "What is the other factor?" in hidden["Sentence 1"]
    assert hidden["Times 1"] == str(known.count("wrong"))


def test_each_learner_gets_a_page(marked):
    out = marked[0] / "out"
    for one in CLASS:
        page = (out / tables.feedback_file(one.file)).read_text(encoding="utf-8")
        assert page.startswith("# ") and one.file in page
        for mark_of in one.marks.values() if "cut" not in one.file else []:
            assert f": {mark_of}\n" in page
    page = (out / tables.feedback_file(CLASS[0].file)).read_text(encoding="utf-8")
    assert "`while True:`: It did not come to its end within 3 seconds." in page
    assert "It prints without end." in page and "NameError" in page


def test_it_says_in_the_end_what_could_not_be_read(marked):
    _, done = marked
    assert done.returncode == 1
    assert "cut_04_finite_differences.ipynb: The file cannot be read" in done.stdout
    assert f"{len(CLASS)} notebooks" in done.stdout and "Traceback" not in done.stderr


def test_a_second_run_marks_only_what_has_changed(marked, capsys, monkeypatch):
    folder, _ = marked
    ran = []
    again = mark.Marked("", "", "", "", {})
    monkeypatch.setattr(mark, "mark_one", lambda one, seconds: ran.append(one.file) or again)
    before = (folder / "out" / "marks.csv").read_bytes()
    assert cli.main(["mark", str(folder / "in"), "-o", str(folder / "out"), "--seconds", "3"]) == 1
    assert ran == [] and (folder / "out" / "marks.csv").read_bytes() == before
    changed = folder / "in" / "dead 3.ipynb"
    text = changed.read_text(encoding="utf-8")
    changed.write_text(text + "\n", encoding="utf-8")
    mark.mark_all(folder / "in", folder / "out" / ".cache", 1, 3)
    assert ran == ["dead 3.ipynb"]
    changed.write_text(text, encoding="utf-8")


def test_nothing_of_the_instructor_s_is_overwritten(marked, capsys):
    folder, _ = marked
    command = ["mark", str(folder / "in"), "-o", str(folder / "out"), "--seconds", "3"]
    path = folder / "out" / "marks.csv"
    before = path.read_bytes()
    path.write_bytes(before + b"mine\n")
    assert cli.main(command) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "marks.csv" in said and "--overwrite" in said
    assert path.read_bytes().endswith(b"mine\n")
    assert cli.main([*command, "--overwrite"]) == 1
    assert path.read_bytes() == before


# ------------------------------------------------------------------------------------ the command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["grade"], "grade"),
        (["mark"], "FOLDER"),
        (["mark", "{here}"], "-o"),
        (["mark", "{here}/nowhere", "-o", "{here}/out"], "is no folder"),
        (["mark", "{here}", "-o", "{here}/out"], "no notebook in"),
        (["mark", "{here}", "-o", "{here}/out", "--seconds", "0"], "from 1"),
        (["mark", "{here}", "-o", "{here}/out", "--seconds", "nan"], "from 1"),
        (["mark", "{here}", "-o", "{here}/out", "-j", "0"], "from 1"),
        (["mark", "{here}/full", "-o", "{here}/full/a.ipynb"], "is a file"),
    ],
)
def test_a_bad_value_is_one_line_and_status_2(arguments, said, tmp_path, capsys):
    here = tmp_path / "here"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.ipynb").write_text("{}")
    here.mkdir()
    arguments = [
        text.replace("{here}/full", str(tmp_path / "full")).replace("{here}", str(here))
        for text in arguments
    ]
    try:
        status = cli.main(arguments)
    except SystemExit as stop:
        status = stop.code
    out, err = capsys.readouterr()
    assert status == 2 and out == "" and err.count("\n") == 1 and said in err
    assert not (here / "out").exists()


@pytest.mark.parametrize("command", [[], ["mark"]])
def test_help_explains(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main([*command, "--help"])
    out = capsys.readouterr().out
    assert stopped.value.code == 0 and "mark" in out
    if command:
        assert "Exit status" in out and "marks.csv" in out and "container" in out


def test_marking_without_its_libraries_says_what_to_install(tmp_path, capsys, monkeypatch):
    (tmp_path / "a.ipynb").write_text("{}")
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["mark", str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    assert "nbclient and cloudpickle" in capsys.readouterr().err


def test_the_package_needs_none_of_its_libraries():
    code = (
        "import sys, gradlab.exercises.__main__, gradlab.exercises.marking.tables\n"
        "import gradlab.exercises.marking.kernel, gradlab.exercises.marking.judge\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"nbclient", "cloudpickle", "nbformat", "tqdm", "IPython"} == set()


# --------------------------------------------------------------------------------- what is handed in


@pytest.mark.parametrize(
    ("file", "learner"),
    [
        ("03_backpropagation.ipynb", ("03_backpropagation", "")),
        ("anna 03_backpropagation (1).ipynb", ("anna", "")),
        ("Anna-Lena_03_backpropagation-Copy1.ipynb", ("Anna-Lena", "")),
        ("Kopie von 03_backpropagation (1).ipynb", ("Kopie von 03_backpropagation (1)", "")),
        ("Zoë Müller/03_backpropagation.ipynb", ("Zoë Müller", "")),
        ("O'Neill Ann_123_assignsubmission_file_backprop.ipynb", ("O'Neill Ann", "123")),
        ("Ann O_123_assignsubmission_file/backprop.ipynb", ("Ann O", "123")),
        ("doejane_LATE_45_6789_03_backpropagation.ipynb", ("doejane", "45")),
        ("doejane_45_6789_03_backpropagation-2.ipynb", ("doejane", "45")),
        ("s21.ipynb", ("s21", "")),
    ],
)
def test_names_are_read_from_files(file, learner):
    assert who(Path(file)) == learner


def test_checkpoints_and_solutions_are_no_submissions(tmp_path):
    for name in (
        "a.ipynb",
        ".ipynb_checkpoints/a.ipynb",
        "__MACOSX/._a.ipynb",
        "b/c.IPYNB",
        "d.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "folder.ipynb").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in find(tmp_path)]
    assert found == ["a.ipynb", "b/c.IPYNB"]


def test_two_files_of_one_notebook_are_two_rows():
    def one(file, lesson):
        name = f"{lesson}_array"
        call = submissions.Call(name, "x", 0)
        return Submission(Path(file), file, "anna", calls=[call])

    class_of_three = [one("a/x.ipynb", "03"), one("a/y.ipynb", "03"), one("a/z.ipynb", "04")]
    submissions.told_apart(class_of_three)
    assert [one.student for one in class_of_three] == ["anna (x.ipynb)", "anna (y.ipynb)", "anna"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('exercises.check("03_backward", backward)', [("03_backward", "backward")]),
        ("exercises.check('05_liar', (liar, arrays))", [("05_liar", "(liar, arrays)")]),
        ('check("03_backward", f)  # my own', [("03_backward", "f")]),
        ('gradlab.exercises.check(answer=f, name="03_backward")', [("03_backward", "f")]),
        ('if True:\n    exercises.check("03_backward", f(1))', [("03_backward", "f(1)")]),
        ('%time x = 1\nexercises.check("03_backward", x)', [("03_backward", "x")]),
        ('def f(:\n    pass\nexercises.check("03_backward", f)', [("03_backward", "f")]),
        ('# exercises.check("03_backward", f)', []),
        ('exercises.check(name, f)\nexercises.check("03_backward")\ncheck(3, 4)', []),
    ],
)
def test_answers_are_found_by_their_checks(source, found):
    assert [(call.name, call.expression) for call in submissions.calls_in(source, 0)] == found


@pytest.mark.parametrize(
    ("source", "draws"),
    [
        ("plots.show(plots.v_curve(curve))", True),
        ("explorers.epsilon_explorer()\n# slide it", True),
        ("plots.show(x)\ny = 1", False),
        ("figure = plots.v_curve(curve)", False),
        ("print(1)", False),
        ("def f(:", False),
        ("", False),
    ],
)
def test_only_figures_are_left_out(source, draws):
    assert draws_only(source) == draws


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("", "it is empty."),
        ('{"cells": [', "damaged or cut off"),
        ("[]", "it is no notebook"),
        ('{"cells": 3}', "it is no notebook"),
        ("[" * 100_000, "cannot be read"),
        (b"\xff\xfe\x00", "it is no text"),
    ],
)
def test_what_cannot_be_read_says_why(text, trouble, tmp_path):
    path = tmp_path / "my 03_x.IPYNB"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read(path, tmp_path)
    assert trouble in found.trouble and found.lessons == ["03"]


def test_a_damaged_file_still_says_which_notebook_it_was(tmp_path):
    path = tmp_path / "scan.ipynb"
    text = handed("x", "04", RIGHT_04, make=bare).text
    path.write_text(text[: len(text) - 5], encoding="utf-8")
    found = read(path, tmp_path)
    assert found.trouble and found.lessons == ["04"]


def test_old_and_odd_notebooks_are_read(tmp_path):
    path = tmp_path / "a.ipynb"
    call = 'exercises.check("03_backward", f)'
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["f = 1\n", call]}]}]}
    path.write_text("\ufeff" + json.dumps(old), encoding="utf-8")
    assert [one.name for one in read(path, tmp_path).calls] == ["03_backward"]
    path.write_text(json.dumps({"cells": [None, 3, {"cell_type": "code", "outputs": 5}]}))
    assert read(path, tmp_path).cells == [Cell("")]


def test_twins_are_flagged_unless_there_are_many():
    answer = "def f(a):\n" + "\n".join(f"    b{n} = a + {n}" for n in range(20)) + "\n    return b1"
    renamed = re.sub(r"\ba\b", "x", answer)

    def submission(name, code):
        source = f'{code}\nexercises.check("03_backward", f)'
        calls = list(submissions.calls_in(source, 0))
        return Submission(Path(name), name, name, cells=[Cell(source)], calls=calls)

    def flagged(codes):
        read = [submission(f"s{at}", code) for at, code in enumerate(codes)]
        results = [mark.Marked(one.file, one.student, "", "", {}) for one in read]
        flags.add_twins(read, results)
        return [one.flags for one in results]

    assert flagged([answer, renamed]) == [
        ["03_backward is that of s1 but for the names"],
        ["03_backward is that of s0 but for the names"],
    ]
    assert flagged([answer, answer]) == [[], []]  # as everybody's who copies the solution
    assert flagged([answer, renamed, answer, answer]) == [[]] * 4
