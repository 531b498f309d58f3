"""An exam of mysteries: for each learner two broken backward passes, as data and not as a program.

What a learner gets are the gradients that their backward passes return at several points, to three
digits. That is enough for a diagnosis by hand, and too coarse for the sentences of a report, which
would name some of the mistakes and not others. Where the mistakes are drawn from is a secret of the
instructor: without it nobody can print the key, although the whole program is public.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from gradlab import mlp
from gradlab.bugs.mystery import FAMILIES
from gradlab.bugs.networks import draw

__all__ = ["Question", "files_of", "key", "learners", "numbers", "paper", "points"]

EASY = ("factor", "sign", "output", "penalty", "one entry")  # the gradients alone show them
HARD = ("updated", "slope", "clipping")  # they want an experiment, or a second look
DIGITS = 3  # of a gradient; a report's sentences need four that are right
POINTS = 3
MOST_LEARNERS = 10_000


class Question(NamedTuple):
    """One of a learner's two mysteries, with its answer. ``part`` is ``"A"`` or ``"B"``."""

    part: str
    family: str
    where: str
    amount: float

    @property
    def sentence(self) -> str:
        """The answer in words."""
        return FAMILIES[self.family].sentence.format(where=self.where, amount=self.amount)


def learners(text: str) -> list[str]:
    """The names in a list, one a line; of a table with commas or tabs the first column.

    Raises
    ------
    ValueError
        If there is none, or one stands there twice.
    """
    rows = csv.reader(line.split("\t")[0] for line in text.lstrip("\ufeff").splitlines())
    names = [row[0].strip() for row in rows if row and row[0].strip()]
    if not names:
        raise ValueError("there is no learner in the list")
    if len(names) > MOST_LEARNERS:
        raise ValueError(f"the list has more than {MOST_LEARNERS} learners")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is twice in the list")
    return names


def paper(secret: bytes, name: str, place: int) -> tuple[Question, Question]:
    """The two mysteries of a learner, an easy one and a hard one.

    Parameters
    ----------
    secret
        The instructor's.
    name
        The learner's: it draws the numbers.
    place
        In the list, from 0: it deals the families, so that each comes equally often.
    """
    return (
        _question(secret, name, "A", _dealt(secret, EASY, place)),
        _question(secret, name, "B", _dealt(secret, HARD, place)),
    )


def _dealt(secret: bytes, families: tuple[str, ...], place: int) -> str:
    """Like cards: among any five, or three, from the beginning of a deal each comes once."""
    deal, card = divmod(place, len(families))
    order = _stream(secret, "deal", families[0], str(deal)).permutation(len(families))
    return families[order[card]]


def _question(secret: bytes, name: str, part: str, family: str) -> Question:
    stream = _stream(secret, "question", name, part)
    places = FAMILIES[family].places
    where = places[stream.randint(len(places))]
    return Question(part, family, where, stream.uniform(*FAMILIES[family].amounts))


def _stream(secret: bytes, *words: str) -> np.random.RandomState:
    digest = hmac.new(secret, "\0".join(words).encode("utf-8"), hashlib.sha256).digest()
    return np.random.RandomState(np.frombuffer(digest, dtype="<u4"))


def points(
    secret: bytes, name: str
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]]:
    """The points at which a learner gets gradients: parameters, ``X`` (20, 2) and ``y`` (20, 1)."""
    stream = _stream(secret, "points", name)
    for _ in range(POINTS):
        yield draw(stream)


def numbers(secret: bytes, name: str, questions: tuple[Question, ...]) -> dict[str, np.ndarray]:
    """All that a learner gets, by names such as ``A1_dW1``: question, point, array.

    ``W1_1`` to ``y_3`` are the points. With a ``z``, as in ``A1z_dW1``, the gradients are those at
    the same point with W2 set to zero.
    """
    data: dict[str, np.ndarray] = {}
    for number, (params, X, y) in enumerate(points(secret, name), start=1):
        data |= {f"{array}_{number}": value for array, value in params.items()}
        data |= {f"X_{number}": X, f"y_{number}": y}
        for mark, at in (("", params), ("z", params | {"W2": np.zeros_like(params["W2"])})):
            _, cache = mlp.forward(at, X)
            for one in questions:
                grads = FAMILIES[one.family].backward(at, cache, y, one.where, one.amount)
                for array, value in grads.items():
                    data[f"{one.part}{number}{mark}_d{array}"] = rounded(value)
    return data


def rounded(array: np.ndarray) -> np.ndarray:
    """To ``DIGITS`` digits each, as a log would have them."""
    return np.array([float(f"{x:.{DIGITS}g}") for x in np.ravel(array)]).reshape(np.shape(array))


def key(papers: Mapping[str, tuple[Question, ...]]) -> str:
    """The answers of a class, as CSV: two rows a learner."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["learner", "mystery", "family", "arrays", "amount", "in words"])
    for name, questions in papers.items():
        for one in questions:
            cell = f"'{name}" if name.startswith(("=", "+", "-", "@")) else name
            row = [cell, one.part, one.family, one.where, f"{one.amount:.4g}", one.sentence]
            table.writerow(row)
    return text.getvalue()


def files_of(names: list[str]) -> dict[str, str]:
    """For each learner a name that every system takes for a folder, no two alike."""
    taken: set[str] = set()
    found = {}
    for name in names:
        plain = unicodedata.normalize("NFC", name)
        plain = re.sub(r"[^\w.@-]+", "_", plain).strip("._") or "learner"
        candidate, count = plain, 1
        while candidate.casefold() in taken:
            count += 1
            candidate = f"{plain}_{count}"
        taken.add(candidate.casefold())
        found[name] = candidate
    return found


def npz(data: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as the contents of a file for :func:`numpy.load`."""
    file = io.BytesIO()
    np.savez_compressed(file, **data)  # type: ignore[arg-type]
    return file.getvalue()


# ------------------------------------------------------------------------------------- for learners

SHEET = """\
# Answer sheet

Name:

| | A | B |
| --- | --- | --- |
| Which arrays are wrong? | | |
| Which family is it? | | |
| The number in the mistake, roughly | | |
| The numbers that rule the other families out | | |

A point for each cell of the table; the last row is the one that counts.

The families:

"""

CELLS: tuple[tuple[str, str], ...] = (
    (
        "markdown",
        "# Two mysteries\n\nTwo people have each written a backward pass of the course's network, "
        "and each has one mistake in it. You do not get their programs. You get what these returned "
        "at three points, to three digits, and once more at the same points with `W2` set to zero. "
        "`numerical` below gives you the gradient as finite differences measure it. Compare, and "
        "fill in the answer sheet for A and for B.",
    ),
    (
        "code",
        "import numpy as np\n\nimport gradlab\nfrom gradlab import mlp\n\n"
        'data = np.load("mystery.npz")\nnames = ("W1", "b1", "W2", "b2")',
    ),
    (
        "markdown",
        "`numerical(1)` is measured at the first point, `numerical(1, zero_w2=True)` at the same "
        'one with `W2` at zero; `handed_in("A", 1)` is what backward pass A returned there. Both '
        "are dicts with the arrays `W1`, `b1`, `W2`, `b2`.",
    ),
    (
        "code",
        "def point(number, zero_w2=False):\n"
        '    params = {name: data[f"{name}_{number}"] for name in names}\n'
        "    if zero_w2:\n"
        '        params["W2"] = np.zeros_like(params["W2"])\n'
        '    return params, data[f"X_{number}"], data[f"y_{number}"]\n\n\n'
        "def numerical(number, zero_w2=False):\n"
        "    params, X, y = point(number, zero_w2)\n\n"
        "    def loss(params):\n"
        "        return mlp.loss(mlp.forward(params, X)[0], y)\n\n"
        "    return gradlab.numerical_gradient(loss, params)\n\n\n"
        "def handed_in(who, number, zero_w2=False):\n"
        '    mark = "z" if zero_w2 else ""\n'
        '    return {name: data[f"{who}{number}{mark}_d{name}"] for name in names}',
    ),
    ("markdown", "## A"),
    (
        "code",
        'right, theirs = numerical(1), handed_in("A", 1)\nfor name in names:\n'
        '    print(name, "difference", np.round(theirs[name] - right[name], 4).ravel())',
    ),
    ("markdown", "## B"),
    ("code", 'right, theirs = numerical(1), handed_in("B", 1)'),
)


def sheet() -> str:
    """The answer sheet, with the families that it may be, in Markdown."""
    words = {"where": "an array", "amount": "c"}
    lines = []
    for name, family in FAMILIES.items():
        sentence = re.sub(r":\.\d+f", "", family.sentence).format(**words)
        lines.append(f"- **{name}**: {sentence}")
    return SHEET + "\n".join(lines) + "\n"


def notebook() -> str:
    """The notebook to diagnose the mysteries in, as the text of its file."""
    cells = []
    for number, (kind, source) in enumerate(CELLS):
        cell: dict[str, object] = {"cell_type": kind, "id": f"exam-{number}", "metadata": {}}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell | {"source": source})
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
