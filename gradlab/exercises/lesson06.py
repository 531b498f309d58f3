"""The exercises of notebook 06: recognise a bug, hide a bug, catch what no gradient check sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradlab import mlp
from gradlab.bugs import CATALOGUE, FAMILIES, Problem, answer, networks
from gradlab.differences import relative_error
from gradlab.exercises import exercise
from gradlab.exercises.feedback import (
    NotAttempted,
    Wrong,
    attempted,
    call,
    choice,
    described,
    real_array,
)

CASES = {"A": "mean_twice", "B": "bias_averaged", "C": "other_batch"}
SHOWS = {
    "missing 1/N": "spoils all four arrays, each by the factor N",
    "1/N twice": "makes W1 and b1 too small by the factor N, and leaves W2 and b2 right",
    "bias averaged": "makes b1 and b2 too small by the factor N, and leaves both weights right",
    "wrong sign": "shows a ratio of -1 wherever it sits",
    "sigma' left out": "spoils W1 and b1 only, without a common ratio",
    "H of another batch": "spoils everything that is computed from H, and only that",
}
TITLES = {
    "mean_twice": "1/N twice",
    "bias_averaged": "bias averaged",
    "other_batch": "H of another batch",
}

MYSTERIES = (9, 10, 11, 12, 14)
SAMPLES = 20


def case(letter: str) -> Problem:
    """A problem with a bug that is not named, for exercise 6.1."""
    return CATALOGUE[CASES[letter]].problem(seed=1)


@exercise("06_fingerprint", "6.1 Three reports, three bugs")
def judge_fingerprint(answers: Any) -> str:
    guesses = _dict(answers, tuple(CASES), "letters")
    for letter, name in CASES.items():
        guess = choice(guesses[letter], tuple(SHOWS))
        if guess != TITLES[name]:
            raise Wrong(f"{letter}: {guess!r} {SHOWS[guess]}; compare that with the report.")
    return "All three from four numbers each; nobody has read a line of code."


@exercise("06_hide", "6.2 Hide a bug")
def judge_hide(X: Any) -> str:
    attempted(X)
    try:
        X = real_array(X)
    except (TypeError, ValueError):
        raise Wrong(f"X should be an array of numbers; this is {described(X)}.") from None
    if X.ndim == 2 and X.shape[0] == 2 and X.shape[1] != 2:
        raise Wrong(f"X has shape {X.shape}: a row for each sample is asked for, so transpose it.")
    if X.ndim != 2 or X.shape[1] != 2 or not len(X):
        raise Wrong(f"X should have shape (20, 2), a row for each sample; it has {X.shape}.")
    if not np.isfinite(X).all():
        raise Wrong("X contains nan or infinity.")
    if len(X) < 2:
        raise Wrong("One sample is too easy: take 20 of them.")
    if np.allclose(X, X[0]):
        raise Wrong("All samples are equal; keep them different, so that X looks harmless.")
    error = _error_of_bias_through_inputs(X)
    if error < 1e-7:
        return "Every row sums to 1, and the bug has vanished: shares of a whole do that."
    raise Wrong(_why_it_shows(X, error))


def _error_of_bias_through_inputs(X: np.ndarray) -> float:
    params, _, _ = networks.draw(0)
    y = np.sum(X**2, axis=1, keepdims=True)
    bug = CATALOGUE["bias_through_inputs"].function
    cache = mlp.forward(params, X)[1]
    return relative_error(bug(params, cache, y)["b1"], mlp.backward(params, cache, y)["b1"])


def _why_it_shows(X: np.ndarray, error: float) -> str:
    rows = X.sum(axis=1)
    if np.allclose(X.sum(axis=0), 1):
        return "Here each column sums to 1. Which sum does the bug put in place of the 1?"
    if np.allclose(np.linalg.norm(X, axis=1), 1):
        return "Here each row has length 1. Is it the squares that the bug adds up?"
    if np.allclose(rows, rows[0]):
        return (
            f"Close: every row sums to {rows[0]:.3g}, so db1 comes out at {rows[0]:.3g} times the "
            f"right one. Which sum would make that a 1?"
        )
    return (
        f"The relative error of b1 is {error:.1g}. Write the buggy db1 as a sum over the samples: "
        f"by what is each row of dZ1 multiplied?"
    )


@exercise("06_mystery", "6.3 Five mysteries")
def judge_mystery(answers: Any) -> str:
    guesses = _dict(answers, MYSTERIES, "seeds")
    for seed in MYSTERIES:
        guess = choice(guesses[seed], tuple(FAMILIES))
        if guess != answer(seed).family:
            raise Wrong(
                f"Mystery {seed}: with {guess!r}, {FAMILIES[guess].evidence}. Is that what you see?"
            )
    return "Five of five. Any other seed is another mystery, and answer(seed) its solution."


@exercise("06_unused_samples", "6.4 Which samples does the loss use?")
def judge_unused_samples(function: Any) -> str:
    params, X, y = networks.draw(0)
    y_hat, _ = mlp.forward(params, X)
    for ignored in ([19], [], [0, 1, 2], [4, 11]):
        found = call(function, _loss_that_ignores(ignored), y_hat, y)
        _judge_indices(found, ignored, len(y))
    return "It finds the sample that an off-by-one lost, which no gradient check can do."


def _loss_that_ignores(rows: list[int]) -> Callable[[np.ndarray, np.ndarray], float]:
    def loss(y_hat: np.ndarray, y: np.ndarray) -> float:
        if len(y_hat) != SAMPLES or len(y) != SAMPLES:
            raise ValueError(f"this loss takes all {SAMPLES} samples: move one, leave none out")
        errors = np.delete(y_hat - y, rows, axis=0)
        return float(0.5 * np.sum(errors**2) / len(y))

    return loss


def _judge_indices(found: Any, ignored: list[int], N: int) -> None:
    if isinstance(found, (set, range)):
        found = sorted(found)
    try:
        values = np.asarray(found)
        if values.dtype == bool and values.size == N:
            raise Wrong(
                "That is True or False for every sample; return the numbers of the true ones."
            )
        if values.dtype == bool or (values.size and values.dtype.kind not in "iu"):
            raise TypeError
        indices = sorted(int(i) for i in np.atleast_1d(values))
    except (TypeError, ValueError):
        raise Wrong(
            f"A list of sample numbers such as [3, 7] is asked for; this is {described(found)}."
        ) from None
    if values.ndim == 0:
        raise Wrong(f"A list of sample numbers is asked for, not one number; this is {values}.")
    if indices == ignored:
        return
    where = f"For a loss that ignores {ignored or 'no sample'} you return {indices}"
    if indices == [i for i in range(N) if i not in ignored]:
        raise Wrong(f"{where}: these are the samples it does use.")
    if ignored and indices == [i + 1 for i in ignored]:
        raise Wrong(f"{where}: samples are counted from 0.")
    if indices == list(range(N)):
        raise Wrong(
            f"For a loss that ignores {ignored or 'no sample'} you return every sample. Is it two "
            f"arrays that you compare, or one with two names? And may a tolerance swallow the nudge?"
        )
    if not indices:
        raise Wrong(
            f"{where}. Compare each nudged loss with the loss before, and take the nudge back."
        )
    raise Wrong(f"{where}. A sample is unused if moving it leaves the loss exactly as it was.")


def _dict(answers: Any, keys: tuple, kind: str) -> Mapping:
    """Read a dict with an answer for each of ``keys``; ``...`` stands for none yet."""
    attempted(answers)
    if not isinstance(answers, Mapping):
        raise Wrong(f"A dict with the {kind} {_listed(keys)} is asked for.")
    missing = [key for key in keys if key not in answers]
    if missing:
        raise Wrong(f"The dict has no {_listed(missing)} yet.")
    open_ones = [key for key in keys if answers[key] is None or answers[key] is ...]
    if open_ones:
        raise NotAttempted(
            "" if len(open_ones) == len(keys) else f"{_listed(open_ones)} still to do."
        )
    return answers


def _listed(keys: Any) -> str:
    return ", ".join(map(str, keys))
