"""Answers checked, with feedback that recognises the common mistakes.

The exercises of notebook ``NN`` live in ``lessonNN.py``: one judge each, registered under a name that
begins with the number of its notebook. :func:`verdict` finds the judge and returns what it says;
:func:`check` prints it and remembers what is solved; :func:`progress` shows it. Guesses have no
judge: :func:`guess` writes one down, :func:`guesses` lists them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from gradlab.exercises.feedback import NotAttempted, Wrong, watching_arguments
from gradlab.exercises.guessing import came_out, guess, guessed, guesses

__all__ = [
    "Exercise",
    "Verdict",
    "came_out",
    "check",
    "exercise",
    "guess",
    "guessed",
    "guesses",
    "progress",
    "solved",
    "verdict",
]

LESSONS = tuple(f"{number:02d}" for number in range(1, 10))


class Exercise(NamedTuple):
    """One exercise: its registered name, its title, and the judge of its answers."""

    name: str
    title: str
    judge: Callable[[Any], str]


class Verdict(NamedTuple):
    """What a judge says: ``mark`` is ``"right"``, ``"wrong"`` or ``"open"``; then the sentence."""

    mark: str
    sentence: str


_registered: dict[str, Exercise] = {}
_solved: set[str] = set()


def exercise(name: str, title: str) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    """Register a judge under ``name``, such as ``"03_hidden_layer"``.

    The judge takes the learner's answer and returns the sentence for a right one; it raises
    ``Wrong`` or ``NotAttempted`` (:mod:`gradlab.exercises.feedback`) otherwise.

    Examples
    --------
    >>> from gradlab.exercises import exercise, feedback
    >>> @exercise("11_half", "11.1 A half")
    ... def judge(answer):
    ...     if feedback.number(answer, "the half") != 0.5:
    ...         raise feedback.Wrong("Half of one, not of two.")
    ...     return "One of two."
    >>> judge(1 / 2)
    'One of two.'
    """

    def register(judge: Callable[[Any], str]) -> Callable[[Any], str]:
        _registered[name] = Exercise(name, title, judge)
        return judge

    return register


def verdict(name: str, answer: Any) -> Verdict:
    """Judge an answer, print nothing and remember nothing: for a marker, and for tests.

    Parameters
    ----------
    name
        The exercise, as the notebook's stub names it.
    answer
        Anything. ``...`` or ``None``, or a function that returns one of them, is not attempted
        yet: ``open``. Whatever else it is, the answer is a sentence and never a traceback.

    Returns
    -------
    Verdict
        ``mark`` and ``sentence``; a tuple, so that it can be unpacked.

    Raises
    ------
    ValueError
        If there is no exercise of that name.

    Examples
    --------
    >>> verdict("05_factor_two", 1 / 3).mark
    'right'
    >>> verdict("05_factor_two", ...)
    Verdict(mark='open', sentence='Not attempted yet.')
    """
    found = _find(name)
    with watching_arguments() as changed:
        try:
            sentence = found.judge(answer)
        except NotAttempted as missing:
            return Verdict("open", f"Not attempted yet. {missing}".rstrip())
        except Wrong as wrong:
            beside = f" (Your function also changes {', '.join(changed)}.)" if changed else ""
            return Verdict("wrong", f"Not yet. {wrong}{beside}")
        except Exception as error:  # an answer that no judge foresaw is still an answer
            unread = f"The answer could not be read ({type(error).__name__}: {error})."
            return Verdict("wrong", f"Not yet. {unread}")
    if changed:
        return Verdict("wrong", f"Not yet. {changed.said}")
    return Verdict("right", f"Right. {sentence}")


def check(name: str, answer: Any) -> None:
    """Judge an answer, print the sentence about it and remember whether it was right.

    Parameters
    ----------
    name, answer
        As in :func:`verdict`.

    Raises
    ------
    ValueError
        If there is no exercise of that name.

    Examples
    --------
    >>> from gradlab import exercises
    >>> exercises.check("05_factor_two", ...)
    Not attempted yet.
    """
    mark, sentence = verdict(name, answer)
    (_solved.add if mark == "right" else _solved.discard)(name)
    print(sentence)


def progress(lesson: str) -> None:
    """Print which exercises of a notebook stand solved.

    Parameters
    ----------
    lesson
        The number of the notebook, ``"01"`` to ``"09"``.

    Raises
    ------
    ValueError
        If there is no such notebook.

    Examples
    --------
    >>> from gradlab import exercises
    >>> exercises.progress("01")  # doctest: +ELLIPSIS
    0 of 5 exercises solved in this notebook.
      to do   1.1 Two nudges at once
      ...
    """
    exercises = exercises_of(lesson)
    done = [solved(one.name) for one in exercises]
    print(f"{sum(done)} of {len(exercises)} exercises solved in this notebook.")
    for one, is_done in zip(exercises, done, strict=True):
        print(f"  {'solved ' if is_done else 'to do  '} {one.title}")


def solved(name: str) -> bool:
    """Whether the last answer to an exercise was right, so that a later cell may build on it.

    Raises
    ------
    ValueError
        If there is no exercise of that name.

    Examples
    --------
    >>> from gradlab import exercises
    >>> exercises.check("05_factor_two", ...)
    Not attempted yet.
    >>> exercises.solved("05_factor_two")
    False
    """
    return _find(name).name in _solved


def _find(name: str) -> Exercise:
    names = [one.name for one in exercises_of(str(name)[:2])]
    if name not in names:
        raise ValueError(
            f"there is no exercise {name!r}; notebook {name[:2]} has {', '.join(names)}"
        )
    return _registered[name]


def exercises_of(lesson: str) -> list[Exercise]:
    """The exercises of a notebook, in the order in which they were registered.

    Raises
    ------
    ValueError
        If there is no such notebook.
    """
    if lesson not in LESSONS:
        raise ValueError(f"lesson must be '01' to '09', not {lesson!r}")
    importlib.import_module(f"gradlab.exercises.lesson{lesson}")
    return [one for one in _registered.values() if one.name.startswith(lesson)]
