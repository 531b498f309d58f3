"""The exercises of notebook 06: recognise a bug, hide a bug, catch what no gradient check sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradlab import mlp
from gradlab.bugs import CATALOGUE, FAMILIES, INNOCENT, Hunt, Problem, answer, hunt, networks
from gradlab.bugs.hunter import feeds
from gradlab.differences import relative_error
from gradlab.exercises import exercise
from gradlab.exercises.feedback import (
    NotAttempted,
    Wrong,
    attempted,
    blank,
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
HUNTS = (17, 24, 25)
EXPERIMENTS = {
    "kink": "If a kink were all, the check would be content at another draw: buy reseed.",
    "dice": "If dice were all, the check would be content once they are held: buy hold.",
    "float32": "If single precision were all, the check would be content in float64: buy float64.",
    "dead units": "Where units are dead, zeros are compared with zeros, and nothing is wrong.",
}

SAMPLES = 20
RESIDUALS = {3: 0.5, 6: 0.0, 9: 1e-4, 14: -0.5}  # prediction minus target of four samples of 6.4
ZERO_TARGET = 16


def case(letter: str) -> Problem:
    """A problem with a bug that is not named, for exercise 6.1."""
    return CATALOGUE[CASES[letter]].problem(seed=1)


@exercise("06_fingerprint", "6.1 Three reports, three bugs")
def judge_fingerprint(answers: Any) -> str:
    guesses, open_ones = _dict(answers, tuple(CASES), "letters")
    for letter, given in guesses.items():
        guess = choice(given, tuple(SHOWS))
        if guess != TITLES[CASES[letter]]:
            raise Wrong(f"{letter}: {guess!r} {SHOWS[guess]}; compare that with the report.")
    _all_done(open_ones)
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
    guesses, open_ones = _dict(answers, MYSTERIES, "seeds")
    for seed, given in guesses.items():
        guess = choice(given, tuple(FAMILIES))
        if guess != answer(seed).family:
            raise Wrong(
                f"Mystery {seed}: with {guess!r}, {FAMILIES[guess].evidence}. Is that what you see?"
            )
    _all_done(open_ones)
    return "Five of five. Any other seed is another mystery, and answer(seed) its solution."


@exercise("06_hunt", "6.4 Three hunts")
def judge_hunt(answers: Any) -> str:
    guesses, open_ones = _dict(answers, HUNTS, "seeds")
    for seed, given in guesses.items():
        _judge_case(hunt(seed), _verdict_on_code(given))
    _all_done(open_ones)
    return "All three. The rest of the 2**32 cases is yours: bugs.hunt(seed) with any other seed."


def _verdict_on_code(given: Any) -> tuple[int, ...] | str:
    """Read a line number, two of them, or why the code is right."""
    if isinstance(given, str):
        return choice(given, tuple(INNOCENT))
    numbers = tuple(given) if isinstance(given, (tuple, list, set)) else (given,)
    if not numbers or not all(
        isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in numbers
    ):
        raise Wrong(
            f"Give the number of a line, such as 12, two of them, such as (12, 15), or one of "
            f"{', '.join(map(repr, INNOCENT))}; this is {described(given)}."
        )
    return tuple(sorted({int(n) for n in numbers}))


def _judge_case(case: Hunt, given: tuple[int, ...] | str) -> None:
    truth = case.answer
    if given == truth:
        return
    where = f"Case {case.seed}"
    if isinstance(given, str):
        if isinstance(truth, str):
            raise Wrong(
                f"{where}: the code is right, but not for that reason. {EXPERIMENTS[given]}"
            )
        raise Wrong(f"{where}: {EXPERIMENTS[given]} Is it?")
    fed, last = feeds(case.code), len(case.code.splitlines())
    for number in given:
        if not 1 <= number <= last:
            raise Wrong(f"{where}: its lines are numbered from 1 to {last}; there is no {number}.")
        if number not in fed:
            raise Wrong(
                f"{where}: line {number} is not a line of the gradient. A check compares the "
                f"gradient with whatever loss the lines down to L compute."
            )
    if isinstance(truth, str):
        raise Wrong(
            f"{where}: that line is right. Does the check still complain with other parameters, "
            f"with the dice held, in float64?"
        )
    if set(given) < set(truth):
        raise Wrong(f"{where}: that is one of two wrong lines.")
    spoilt = frozenset[str]().union(*(fed[n] for n in truth))
    for number in given:
        if number not in truth:
            raise Wrong(_why_not_that_line(case, number, fed[number], spoilt))


def _why_not_that_line(case: Hunt, number: int, fed: frozenset[str], spoilt: frozenset[str]) -> str:
    said = f"Case {case.seed}: line {number} feeds {_listed(sorted(fed))}"
    if fed - spoilt:
        return (
            f"{said}; with a mistake in it {_listed(sorted(fed - spoilt))} would be wrong too. Look "
            f"at a table that no trap disturbs."
        )
    if fed != spoilt:
        return (
            f"{said}, and the wrong arrays are {_listed(sorted(spoilt))}: that is not all of them."
        )
    return (
        f"{said}, which is what is wrong, but other lines feed just the same. Freeze the gradient "
        f"that it makes: what is still wrong then comes from below, and what has not changed, from "
        f"no line above."
    )


@exercise("06_unused_samples", "6.5 Which samples does the loss use?")
def judge_unused_samples(function: Any) -> str:
    y_hat, y = _predictions()
    for ignored in ([19], [], [0, 1, 2], [4, 11]):
        found = call(function, _loss_that_ignores(ignored), y_hat, y)
        _judge_indices(found, ignored, y_hat, y)
    return "It finds the sample that an off-by-one lost, which no gradient check can do."


def _predictions() -> tuple[np.ndarray, np.ndarray]:
    """Predictions and targets at which a careless nudge goes unnoticed, (20, 1) each.

    The residuals have both signs; some are 0 or next to it, two are half of a whole nudge, and one
    target is 0 already.
    """
    params, X, y = networks.draw(0)
    y_hat, _ = mlp.forward(params, X)
    y_hat[::2] += 2.5
    for i, residual in RESIDUALS.items():
        y[i] = np.ceil(8 * y[i]) / 8  # so that y, y + 1 and their residuals are exact
        y_hat[i] = y[i] + residual
    y_hat[ZERO_TARGET] -= y[ZERO_TARGET]
    y[ZERO_TARGET] = 0
    return y_hat, y


def _loss_that_ignores(rows: list[int]) -> Callable[[np.ndarray, np.ndarray], float]:
    def loss(y_hat: np.ndarray, y: np.ndarray) -> float:
        if len(y_hat) != SAMPLES or len(y) != SAMPLES:
            raise ValueError(f"this loss takes all {SAMPLES} samples: move one, leave none out")
        errors = np.delete(y_hat - y, rows, axis=0)
        return float(0.5 * np.sum(errors**2) / len(y))

    return loss


def _judge_indices(found: Any, ignored: list[int], y_hat: np.ndarray, y: np.ndarray) -> None:
    N = len(y)
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
    missed = [i for i in indices if i not in ignored]
    residual = {i: float(y_hat[i, 0] - y[i, 0]) for i in range(N)}
    if missed and set(ignored) <= set(indices):
        raise Wrong(f"{where}. {_why_it_seems_unused(missed, residual, y)}")
    if not indices:
        raise Wrong(
            f"{where}. Compare each nudged loss with the loss before, and take the nudge back."
        )
    raise Wrong(f"{where}. A sample is unused if moving it leaves the loss exactly as it was.")


def _why_it_seems_unused(missed: list[int], residual: dict[int, float], y: np.ndarray) -> str:
    """Used samples that were called unused: which nudge, or which comparison, does that."""
    i, size = missed[0], abs(residual[missed[0]])
    if set(missed) <= {3, 14}:
        return (
            f"The residual of sample {i} is {residual[i]:g}: moved by 1 it only turns its sign, and "
            f"its square stays. Move it by a less tidy number."
        )
    if missed == [ZERO_TARGET]:
        return f"The target of sample {i} is 0 already, so setting it to 0, or multiplying it, moves nothing."
    if all((residual[k] > 0) == (residual[i] > 0) for k in missed) and len(missed) > 4:
        return (
            "There the nudge moves the loss to the other side than elsewhere: is there an abs around "
            "the difference?"
        )
    if size < 1e-3:
        return (
            f"The residual of sample {i} is {residual[i]:g}, so a small nudge moves the loss by next "
            f"to nothing: a larger nudge, and == in place of a tolerance."
        )
    return "A sample is unused if moving it leaves the loss exactly as it was."


def _dict(answers: Any, keys: tuple, kind: str) -> tuple[dict, list]:
    """Read a dict with an answer for each of ``keys``: those given, and the keys still open.

    ``...`` stands for none yet; an entry that is not there at all is open too.
    """
    attempted(answers)
    if not isinstance(answers, Mapping):
        raise Wrong(f"A dict with the {kind} {_listed(keys)} is asked for.")
    known = {str(key): key for key in keys}
    strangers = [key for key in answers if str(key).strip() not in known]
    if strangers:
        raise Wrong(f"{_listed(strangers)}: none of the {kind} {_listed(keys)}.")
    found = {known[str(key).strip()]: answer for key, answer in answers.items()}
    given = {key: found[key] for key in keys if not blank(found.get(key))}
    if not given:
        raise NotAttempted
    return given, [key for key in keys if key not in given]


def _all_done(open_ones: list) -> None:
    if open_ones:
        raise NotAttempted(f"{_listed(open_ones)} still to do; what is there is right.")


def _listed(keys: Any) -> str:
    return ", ".join(map(str, keys))
