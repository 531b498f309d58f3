"""Guesses: written down before a cell is run, kept beside what came out, and never marked.

A guess has a name that begins with the number of its notebook, ``"04 best step"``. :func:`guess`
writes it down, :func:`guessed` gives it to a figure that draws it, :func:`came_out` says what the
answer was, and :func:`guesses` lists them at the end.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from gradlab.exercises.feedback import blank, described

__all__ = ["came_out", "guess", "guessed", "guesses", "written"]

_guesses: dict[str, Any] = {}
_outcomes: dict[str, Any] = {}


def guess(name: str, value: Any = ...) -> Any:
    """Write a guess down and return it, so that a figure can draw it.

    Parameters
    ----------
    name
        A few words that begin with the number of the notebook, such as ``"04 best step"``.
    value
        A number, a word, or a short list of them; a later guess replaces an earlier one. ``...``
        stands for none yet, and takes back an earlier one.

    Returns
    -------
    The value, or None if there is none.

    Raises
    ------
    ValueError
        If the name does not begin with the number of a notebook.

    Examples
    --------
    >>> from gradlab import exercises
    >>> exercises.guess("04 best step", 1e-8)
    1e-08
    """
    lesson_of(name)
    if blank(value):
        _guesses.pop(name, None)
        print("No guess yet: write one in place of the dots, or go on without.")
        return None
    try:
        kept = plain(value)
    except TypeError:
        print(f"A guess is a number, a word, or a short list of them; this is {described(value)}.")
        return None
    _guesses[name] = kept
    return kept


def guessed(name: str) -> Any:
    """The guess of that name, or None if there is none.

    Raises
    ------
    ValueError
        If the name does not begin with the number of a notebook.

    Examples
    --------
    >>> from gradlab import exercises
    >>> exercises.guess("04 best step", 1e-8)
    1e-08
    >>> exercises.guessed("04 best step")
    1e-08
    """
    lesson_of(name)
    return _guesses.get(name)


def came_out(name: str, value: Any) -> None:
    """Say what came out, beside the guess of that name; without a guess nothing is printed.

    Parameters
    ----------
    name
        As :func:`guess` was given it.
    value
        What the cell has found: a number, a word, or a short list of them.

    Raises
    ------
    ValueError
        If the name does not begin with the number of a notebook.
    TypeError
        If the value is anything else.

    Examples
    --------
    >>> from gradlab import exercises
    >>> exercises.guess("04 best step", 1e-8)
    1e-08
    >>> exercises.came_out("04 best step", 1e-5)
    Your guess: 1e-08. It came out as 1e-05.
    """
    lesson_of(name)
    _outcomes[name] = plain(value)
    if name in _guesses:
        print(f"Your guess: {written(_guesses[name])}. It came out as {written(_outcomes[name])}.")


def guesses(lesson: str, line: bool = False) -> None:
    """Print the guesses of a notebook beside what came out. There are no marks for them.

    Parameters
    ----------
    lesson
        The number of the notebook, ``"01"`` to ``"10"``.
    line
        Print one line of JSON instead, name to guess: what a class sends to its instructor, who
        reads all the lines at once, for instance with ``pandas.read_json(file, lines=True)``.

    Raises
    ------
    ValueError
        If there is no such notebook.

    Examples
    --------
    >>> from gradlab import exercises
    >>> exercises.guess("04 best step", 1e-8)
    1e-08
    >>> exercises.guesses("04", line=True)
    {"04 best step": 1e-08}
    """
    if not isinstance(lesson, str) or not re.fullmatch(r"\d\d", lesson):
        raise ValueError(f"lesson must be the number of a notebook, such as '04', not {lesson!r}")
    own = {name: value for name, value in _guesses.items() if name.startswith(f"{lesson} ")}
    if line:
        print(json.dumps(own, ensure_ascii=False))
        return
    if not own:
        print("No guesses written down in this notebook.")
        return
    print("Your guesses, and what came out:")
    names = {name: name[len(lesson) :].strip() for name in own}
    width = max(map(len, names.values()))
    for name, words in names.items():
        outcome = written(_outcomes[name]) if name in _outcomes else "see the cell after the guess"
        print(f"  {words:{width}}   {written(own[name])}   ->   {outcome}")


def plain(value: Any) -> Any:
    """A guess as JSON can hold it: bool, int, float, str, or a list of them.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    raise TypeError(f"a number, a word, or a short list of them, not {described(value)}")


def written(value: Any) -> str:
    """A guess, or what came out, as the list shows it: numbers to four digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(written, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {written(part)}" for name, part in value.items())
    return str(value)


def lesson_of(name: str) -> str:
    """The number of the notebook that a guess belongs to.

    Raises
    ------
    ValueError
        If its name does not begin with one.
    """
    if not isinstance(name, str) or not re.match(r"\d\d ", name):
        raise ValueError(
            f"a guess is named by its notebook and a few words, such as '04 best step', not {name!r}"
        )
    return name[:2]
