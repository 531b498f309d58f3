"""Guesses: written down, given to figures, listed beside what came out, never marked."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gradlab import exercises
from gradlab.exercises import guessing as module


@pytest.fixture(autouse=True)
def blank_sheet(monkeypatch):
    monkeypatch.setattr(module, "_guesses", {})
    monkeypatch.setattr(module, "_outcomes", {})


@pytest.mark.parametrize(
    "value", [1e-8, 3, 0, False, "it bends", [1, 2.5], {"up": 1}, np.float64(2.5), np.arange(3)]
)
def test_a_guess_comes_back_and_is_kept(value, capsys):
    kept = exercises.guess("04 best step", value)
    assert np.all(kept == value) and np.all(exercises.guessed("04 best step") == value)
    assert capsys.readouterr().out == ""
    assert json.dumps(kept)


def test_a_later_guess_replaces_an_earlier_one_and_dots_take_it_back(capsys):
    exercises.guess("04 factor", 2)
    exercises.guess("04 factor", 4)
    assert exercises.guessed("04 factor") == 4
    assert exercises.guess("04 factor", ...) is None
    assert exercises.guessed("04 factor") is None
    assert capsys.readouterr().out.startswith("No guess yet: write one in place of the dots")


def test_what_is_no_guess_gets_a_sentence_and_keeps_the_earlier_one(capsys):
    exercises.guess("04 factor", 2)
    for value in (print, 1j, {1, 2}, [object()]):
        assert exercises.guess("04 factor", value) is None
        assert "A guess is a number, a word, or a short list" in capsys.readouterr().out
    assert exercises.guessed("04 factor") == 2


@pytest.mark.parametrize("name", ["factor", "04", "4 factor", "04_factor", 4, ""])
@pytest.mark.parametrize("call", ["guess", "came_out"])
def test_a_guess_without_its_notebook_is_refused(name, call):
    with pytest.raises(ValueError, match="named by its notebook and a few words"):
        getattr(exercises, call)(name, 1)
    with pytest.raises(ValueError, match="named by its notebook and a few words"):
        exercises.guessed(name)


def test_what_came_out_is_told_only_to_whoever_has_guessed(capsys):
    exercises.came_out("04 factor", 4.00012)
    assert capsys.readouterr().out == ""
    exercises.guess("04 factor", 2)
    exercises.came_out("04 factor", 4.00012)
    assert capsys.readouterr().out == "Your guess: 2. It came out as 4.\n"


def test_the_list_shows_ones_own_guesses_and_no_others(capsys):
    exercises.came_out("04 slope", 2)
    exercises.guesses("04")
    assert capsys.readouterr().out == "No guesses written down in this notebook.\n"
    exercises.guess("04 factor", [10, 100])
    exercises.guess("04 shape", "a V")
    exercises.guess("05 digits", 3)
    exercises.came_out("04 factor", (10, 100.0))
    assert capsys.readouterr().out.startswith("Your guess")
    exercises.guesses("04")
    assert capsys.readouterr().out.splitlines() == [
        "Your guesses, and what came out:",
        "  factor   10, 100   ->   10, 100",
        "  shape    a V   ->   see the cell after the guess",
    ]


def test_a_class_sends_one_line_each(capsys):
    exercises.guess("04 factor", 10)
    exercises.guess("04 shape", "two\nlines")
    exercises.guesses("04", line=True)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert json.loads(said) == {"04 factor": 10, "04 shape": "two\nlines"}


@pytest.mark.parametrize("lesson", ["4", 4, "factor", ""])
def test_the_list_needs_a_notebook(lesson):
    with pytest.raises(ValueError, match="lesson must be the number of a notebook"):
        exercises.guesses(lesson)
