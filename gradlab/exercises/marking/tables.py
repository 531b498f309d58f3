"""What a marker writes: two tables of the class, one of the exercises, a page for each learner."""

from __future__ import annotations

import csv
import io
from collections import Counter

from gradlab.exercises.marking.mark import Marked, known, plain
from gradlab.exercises.marking.submissions import Submission

CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
MARKS = ("right", "wrong", "open", "void")
MOST_SENTENCES = 3


def rows_of(marked: list[Marked]) -> dict[str, list[Marked]]:
    """The files of each learner, in order."""
    rows: dict[str, list[Marked]] = {}
    for one in marked:
        rows.setdefault(one.student, []).append(one)
    return rows


def columns_of(marked: list[Marked]) -> list[str]:
    """The exercises that the class was asked, in the order of the course."""
    return [name for name in known() if any(name in one.marks for one in marked)]


def marks(marked: list[Marked], points: bool = False) -> str:
    """The table of the class, a row a learner and a column an exercise, as CSV.

    Its first columns are those that Canvas wants; Moodle takes any. With ``points`` there are ones
    and noughts in place of the words, for a gradebook that takes nothing else.
    """
    columns = columns_of(marked)
    after = [] if points else ["Points", "Of", "File", "Flags"]
    table = [[*CANVAS, *columns, *(["Points"] if points else []), *after]]
    for student, files in rows_of(marked).items():
        found = {name: mark for one in files for name, (mark, _) in one.marks.items()}
        total = sum(mark == "right" for mark in found.values())
        number = next((one.number for one in files if one.number), "")
        row = [student, number, "", "", ""]
        if points:
            row += [str(int(found[name] == "right")) if name in found else "" for name in columns]
            row += [str(total)]
        else:
            flags = [flag for one in files for flag in [*filter(None, [one.trouble]), *one.flags]]
            row += [found.get(name, "") for name in columns]
            row += [str(total), str(len(found)), ", ".join(one.file for one in files)]
            row += ["; ".join(flags)]
        table.append(row)
    return _csv(table)


def items(marked: list[Marked]) -> str:
    """A row an exercise: how many had it right, and the commonest sentences for the others."""
    head = ["Exercise", "Title", "Answers", *(word.capitalize() for word in MARKS), "Share right"]
    for number in range(1, MOST_SENTENCES + 1):
        head += [f"Sentence {number}", f"Times {number}"]
    table = [head]
    for name, title in known().items():
        found = [one.marks[name] for one in marked if name in one.marks]
        if not found:
            continue
        count = Counter(mark for mark, _ in found)
        share = f"{count['right'] / len(found):.2f}"
        said = [sentence for mark, sentence in found if mark == "wrong"]
        alike = Counter(map(plain, said)).most_common(MOST_SENTENCES)
        row = [name, title, str(len(found)), *(str(count[word]) for word in MARKS), share]
        for pattern, times in alike:
            row += [next(text for text in said if plain(text) == pattern), str(times)]
        table.append(row + [""] * (len(head) - len(row)))
    return _csv(table)


def page(one: Marked) -> str:
    """The feedback for a learner, in Markdown."""
    titles = known()
    right = sum(mark == "right" for mark, _ in one.marks.values())
    lines = [f"# {one.student}", "", f"{one.file}: {right} of {len(one.marks)} right."]
    if one.trouble:
        lines += ["", one.trouble]
    else:
        for name, (mark, sentence) in one.marks.items():
            lines += ["", f"## {titles[name]}: {mark}", "", sentence]
    if one.stopped:
        lines += ["", "## Cells that stopped", ""]
        lines += [f"- {line}" for line in one.stopped]
    return "\n".join(lines) + "\n"


def feedback_file(file: str) -> str:
    """Where the feedback for a submitted file goes."""
    return f"feedback/{file.rsplit('.', 1)[0]}.md"


def planned(read: list[Submission]) -> list[str]:
    """The files that will be written."""
    return ["marks.csv", "points.csv", "items.csv", *(feedback_file(one.file) for one in read)]


def written(marked: list[Marked]) -> dict[str, str]:
    """Every file to write, with its text."""
    tables = {
        "marks.csv": marks(marked),
        "points.csv": marks(marked, points=True),
        "items.csv": items(marked),
    }
    return tables | {feedback_file(one.file): page(one) for one in marked}


def _csv(table: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [[_cell(cell) for cell in row] for row in table]
    )
    return text.getvalue()


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
