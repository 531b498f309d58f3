"""``python -m gradlab.bugs exam``: fair, secret, and to be solved by hand."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter

import nbformat
import numpy as np
import pytest
from check_notebooks import code_cells

from gradlab import check_gradients, mlp
from gradlab.bugs import FAMILIES, exam
from gradlab.bugs.__main__ import main

SECRET = b"not to be told to anybody"
CLASS = [f"learner {number}" for number in range(40)]


def papers(secret=SECRET, names=CLASS):
    return {name: exam.paper(secret, name, at) for at, name in enumerate(names)}


def test_everybody_gets_an_easy_one_and_a_hard_one_and_each_family_comes_equally_often():
    dealt = [Counter(paper[part].family for paper in papers().values()) for part in (0, 1)]
    assert dealt[0] == dict.fromkeys(exam.EASY, 8)
    assert set(dealt[1]) == set(exam.HARD) and max(dealt[1].values()) <= 14
    assert {*exam.EASY, *exam.HARD} == set(FAMILIES)


def test_the_secret_decides_and_no_two_learners_get_the_same_numbers():
    assert papers() == papers()
    assert papers() != papers(b"another secret of the instructor")
    amounts = [one.amount for paper in papers().values() for one in paper]
    assert len(set(amounts)) == len(amounts)


def test_a_name_that_is_added_at_the_end_changes_nothing_before_it():
    more = papers(names=[*CLASS, "a latecomer"])
    assert {name: more[name] for name in CLASS} == papers()


def at(data, part, number, zero=""):
    """The numeric gradient at a point of the exam, and what the learner was given."""
    params = {name: data[f"{name}_{number}"].copy() for name in ("W1", "b1", "W2", "b2")}
    if zero:
        params["W2"][:] = 0
    X, y = data[f"X_{number}"], data[f"y_{number}"]
    right = mlp.backward(params, mlp.forward(params, X)[1], y)
    given = {name: data[f"{part}{number}{zero}_d{name}"] for name in params}
    return params, right, given, lambda params: mlp.loss(mlp.forward(params, X)[0], y)


def off(given, right):
    """The entries that are off by more than the digits left out, for each array."""
    return {
        name: np.abs(given[name] - right[name]) > 0.006 * np.abs(right[name]) + 1e-12
        for name in right
    }


def diagnosis(data, part):
    """The family, by what the exam's notebook shows and by nothing else."""
    params, right, given, _ = at(data, part, 1)
    wrong = {name: entries for name, entries in off(given, right).items() if entries.any()}
    if len(wrong) == 4:
        return "output"
    if len(wrong) == 2:
        _, right_z, given_z, _ = at(data, part, 1, "z")
        return "updated" if off(given_z, right_z)["W1"].any() else "slope"
    ((name, entries),) = wrong.items()
    ratios = given[name] / right[name]
    if np.ptp(ratios) < 0.02 * np.abs(ratios).max():
        return "sign" if ratios.ravel()[0] < 0 else "factor"
    if np.count_nonzero(entries) == 1:
        return "one entry"
    excess = (given[name] - right[name]) / params[name]
    if np.ptp(excess) < 0.2 * np.abs(excess).max():
        return "penalty"
    return "clipping"


def test_what_is_handed_out_is_all_that_a_diagnosis_needs():
    for name, paper in papers().items():
        data = exam.numbers(SECRET, name, paper)
        assert {one.part: diagnosis(data, one.part) for one in paper} == {
            one.part: one.family for one in paper
        }


def test_a_report_says_that_it_is_wrong_and_does_not_say_how():
    """Its sentences name some mistakes and not others, which would be no fair exam."""
    told = r"times|sign|transposed|clipp|multiple|entr(?:y|ies) (?:is|are)|penalt|factor|decay"
    for name, paper in [*papers().items()][:15]:
        data = exam.numbers(SECRET, name, paper)
        for one in paper:
            params, _, given, loss = at(data, one.part, 1)
            report = check_gradients(loss, params, given)
            assert not report.passed
            for array in report:
                assert not re.search(told, str(report[array].hint)), str(report)


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "class.txt").write_text("Zoë Müller\nBo/b\nbo_B\n=1+1\n\n", encoding="utf-8")
    assert main(["exam", "--learners", "class.txt"]) == 0
    return tmp_path / "exam"


def test_a_folder_for_each_learner_and_the_key(written):
    folders = sorted(path.name for path in (written / "learners").iterdir())
    assert folders == ["1_1", "Bo_b", "Zoë_Müller", "bo_B_2"]
    for folder in folders:
        files = {path.name for path in (written / "learners" / folder).iterdir()}
        assert files == {"mystery.npz", "exam.ipynb", "answer_sheet.md"}
    rows = list(csv.DictReader(io.StringIO((written / "KEY.csv").read_text(encoding="utf-8"))))
    assert [row["learner"] for row in rows[::2]] == ["Zoë Müller", "Bo/b", "bo_B", "'=1+1"]
    assert [row["mystery"] for row in rows] == ["A", "B"] * 4


def test_nothing_in_a_learner_s_folder_gives_the_answer(written):
    folder = written / "learners" / "Bo_b"
    for path in folder.iterdir():
        assert (written.parent / "exam-secret.txt").read_bytes().strip() not in path.read_bytes()
    other = written / "learners" / "bo_B_2"
    for name in ("exam.ipynb", "answer_sheet.md"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_the_same_secret_gives_the_same_exam(written):
    before = {path: path.read_bytes() for path in written.rglob("*") if path.is_file()}
    assert main(["exam", "--learners", "class.txt"]) == 0
    assert {path: path.read_bytes() for path in written.rglob("*") if path.is_file()} == before


def test_the_learner_s_notebook_runs_and_shows_the_difference(written, monkeypatch, capsys):
    folder = written / "learners" / "Zoë_Müller"
    monkeypatch.chdir(folder)
    notebook = nbformat.read(folder / "exam.ipynb", as_version=4)
    nbformat.validate(notebook)
    names: dict = {}
    for cell in code_cells(notebook):
        exec(cell.source, names)
    data = np.load(folder / "mystery.npz")
    assert capsys.readouterr().out.count("difference") == 4
    for part in "AB":
        _, right, given, _ = at(data, part, 2, "z")
        numeric, theirs = names["numerical"](2, zero_w2=True), names["handed_in"](part, 2, True)
        for name in right:
            np.testing.assert_allclose(numeric[name], right[name], atol=1e-8)
            assert np.array_equal(theirs[name], given[name])


def test_the_sheet_names_every_family(written):
    sheet = (written / "learners" / "Bo_b" / "answer_sheet.md").read_text(encoding="utf-8")
    assert re.findall(r"^- \*\*(.+)\*\*:", sheet, re.MULTILINE) == list(FAMILIES)


def test_what_has_been_changed_is_not_overwritten(written, capsys):
    (written / "KEY.csv").write_text("my notes")
    with pytest.raises(SystemExit) as stopped:
        main(["exam", "--learners", "class.txt"])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.count("\n") == 1 and "KEY.csv" in error
    assert (written / "KEY.csv").read_text() == "my notes"
    assert main(["exam", "--learners", "class.txt", "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "no learner"),
        (b"a\nb\na\n", "'a' is twice"),
        (b"\xff\xfe", "no text"),
        (None, "no such file"),
    ],
)
def test_a_bad_list_is_one_line_and_status_2(text, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "class.txt").write_bytes(text)
    with pytest.raises(SystemExit) as stopped:
        main(["exam", "--learners", "class.txt"])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.count("\n") == 1 and said in error
    assert not (tmp_path / "exam").exists()


def test_a_secret_that_can_be_guessed_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "class.txt").write_text("a")
    (tmp_path / "exam-secret.txt").write_text("1234")
    with pytest.raises(SystemExit):
        main(["exam", "--learners", "class.txt"])
    assert "too short" in capsys.readouterr().err


def test_a_table_gives_its_first_column():
    assert exam.learners('\ufeff"Müller, Zoë",12\nBo\t13\n') == ["Müller, Zoë", "Bo"]


def test_help_explains(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["exam", "--help"])
    out = capsys.readouterr().out
    assert stopped.value.code == 0
    for word in ("--learners", "KEY.csv", "--secret", "Exit status"):
        assert word in out
