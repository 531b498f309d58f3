"""Broken backward passes for homework and exams, each reproducible from its seed.

A mystery is one mistake of a family below, at a place and with a number that its seed draws. The
numbers are continuous, so that no two seeds give the same gradients. The families are dealt evenly,
so that a class gets a fair mixture. Every mystery is broken: a right one is never among them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gradlab import mlp
from gradlab.bugs.networks import Arrays, Backward, rows_summed
from gradlab.data import random_stream
from gradlab.validation import Params

__all__ = ["FAMILIES", "Diagnosis", "answer", "mystery"]

STREAM = 6  # a new number makes new mysteries of all seeds


@dataclass(frozen=True)
class Diagnosis:
    """The answer to a mystery.

    Attributes
    ----------
    seed
        The seed of the mystery.
    family
        A key of ``FAMILIES``.
    where
        The arrays whose gradient is wrong: ``"W1"``, ``"b1"``, ``"W2"``, ``"W1 and b1"`` or
        ``"all"``.
    amount
        The number in the mistake: the sentence of its family says what it is.
    """

    seed: int
    family: str
    where: str
    amount: float

    def __str__(self) -> str:
        sentence = FAMILIES[self.family].sentence.format(where=self.where, amount=self.amount)
        return f"{self.family}, {self.where}: {sentence}"


@dataclass(frozen=True)
class Family:
    """One kind of mistake: where it can sit, the range of its number, what it does and shows."""

    sentence: str
    evidence: str
    places: tuple[str, ...]
    amounts: tuple[float, float]
    backward: Callable[[Params, Params, np.ndarray, str, float], Arrays]


def factor(params: Params, cache: Params, y: np.ndarray, where: str, amount: float) -> Arrays:
    grads = mlp.backward(params, cache, y)
    grads[where] = amount * grads[where]
    return grads


def sign(params: Params, cache: Params, y: np.ndarray, where: str, amount: float) -> Arrays:
    grads = mlp.backward(params, cache, y)
    grads[where] = -amount * grads[where]
    return grads


def output(params: Params, cache: Params, y: np.ndarray, where: str, amount: float) -> Arrays:
    return {name: amount * g for name, g in mlp.backward(params, cache, y).items()}


def penalty(params: Params, cache: Params, y: np.ndarray, where: str, amount: float) -> Arrays:
    grads = mlp.backward(params, cache, y)
    grads[where] = grads[where] + amount * params[where]
    return grads


def updated(params: Params, cache: Params, y: np.ndarray, where: str, amount: float) -> Arrays:
    dW2 = mlp.backward(params, cache, y)["W2"]
    return mlp.backward(dict(params) | {"W2": params["W2"] - amount * dW2}, cache, y)


def slope(params: Params, cache: Params, y: np.ndarray, where: str, amount: float) -> Arrays:
    X, H = cache["X"], cache["H"]
    grads = mlp.backward(params, cache, y)
    dH = (cache["y_hat"] - y) / len(y) @ params["W2"].T
    dZ1 = dH * (H * (1 - H) + amount)
    return grads | {"W1": X.T @ dZ1, "b1": rows_summed(dZ1)}


def clipping(params: Params, cache: Params, y: np.ndarray, where: str, amount: float) -> Arrays:
    grads = mlp.backward(params, cache, y)
    second_largest = np.sort(np.abs(grads[where]), axis=None)[-2:][0]
    limit = amount * second_largest
    grads[where] = np.clip(grads[where], -limit, limit)
    return grads


def one_entry(params: Params, cache: Params, y: np.ndarray, where: str, amount: float) -> Arrays:
    grads = mlp.backward(params, cache, y)
    grads[where] = grads[where].copy()
    largest = np.unravel_index(np.argmax(np.abs(grads[where])), grads[where].shape)
    grads[where][largest] *= amount
    return grads


FAMILIES: Mapping[str, Family] = {
    "factor": Family(
        "the gradient of {where} is {amount:.3f} times the right one",
        "one array is wrong, and the ratio analytic to numeric is the same in all its entries, "
        "and positive",
        ("W1", "b1", "W2"),
        (1.5, 4.0),
        factor,
    ),
    "sign": Family(
        "the gradient of {where} is -{amount:.3f} times the right one",
        "one array is wrong, and the ratio is the same in all its entries, and negative",
        ("W1", "b1", "W2"),
        (0.5, 2.0),
        sign,
    ),
    "output": Family(
        "dy, and with it everything, is {amount:.3f} times the right one",
        "all arrays are wrong, with one ratio",
        ("all",),
        (1.5, 4.0),
        output,
    ),
    "penalty": Family(
        "{amount:.4f} times {where} is added to its gradient, and the loss has no such penalty",
        "one array is wrong, and analytic minus numeric is proportional to the parameter itself",
        ("W1", "W2"),
        (0.01, 0.1),
        penalty,
    ),
    "updated": Family(
        "dH is computed with W2 after a step of learning rate {amount:.3f}",
        "W1 and b1 are wrong with a ratio for each hidden unit, the same in both rows of W1 and in b1",
        ("W1 and b1",),
        (0.1, 0.9),
        updated,
    ),
    "slope": Family(
        "sigma' is H (1 - H) + {amount:.3f}",
        "W1 and b1 are wrong, and the ratios of one hidden unit differ between the rows of W1 and b1",
        ("W1 and b1",),
        (0.02, 0.2),
        slope,
    ),
    "clipping": Family(
        "the gradient of {where} is clipped at {amount:.3f} times its second-largest entry",
        "one array is wrong, in its largest entries only, and these have one size",
        ("W1", "W2"),
        (0.3, 0.8),
        clipping,
    ),
    "one entry": Family(
        "the largest entry of the gradient of {where} is {amount:.3f} times the right one",
        "a single entry is wrong",
        ("W1", "b1", "W2"),
        (1.2, 3.0),
        one_entry,
    ),
}


def answer(seed: int) -> Diagnosis:
    """The answer key of ``mystery(seed)``.

    Raises
    ------
    TypeError, ValueError
        If ``seed`` is not a whole number from 0 to 2**32 - 1.

    Examples
    --------
    >>> from gradlab import bugs
    >>> bugs.answer(3).family
    'slope'
    """
    if isinstance(seed, np.random.RandomState):
        raise TypeError("the seed of a mystery must be a whole number, so that it has one answer")
    random_stream(seed)  # refuses anything else that is not a seed
    number = operator.index(seed)
    # Dealt like cards: among any eight seeds from a multiple of eight, each family comes once.
    deal, card = divmod(number, len(FAMILIES))
    family = tuple(FAMILIES)[np.random.RandomState([deal, STREAM]).permutation(len(FAMILIES))[card]]
    # Two words, because the first numbers of neighbouring seeds of one word are correlated.
    rng = np.random.RandomState([number, STREAM])
    places = FAMILIES[family].places
    where = places[rng.randint(len(places))]
    amount = rng.uniform(*FAMILIES[family].amounts)
    return Diagnosis(number, family, where, amount)


def mystery(seed: int) -> Backward:
    """A backward pass of the course's network with a mistake in it.

    Its name, its ``repr`` and its source say nothing about the mistake; ``python -m gradlab.bugs
    --seeds 1-30`` prints the answers, for a learner who knows the seed as well: where that matters,
    hand out gradients and not seeds. The check at its default settings always calls it ``wrong``.

    Parameters
    ----------
    seed
        A whole number from 0 to 2**32 - 1. The same seed gives the same mistake everywhere; two
        seeds never give the same numbers.

    Returns
    -------
    callable
        ``(params, cache, y) -> grads``, shapes as in :func:`gradlab.mlp.backward`.

    Raises
    ------
    TypeError, ValueError
        If ``seed`` is not such a number.

    Examples
    --------
    >>> from gradlab import bugs, check_gradients
    >>> check_gradients(*bugs.course_problem(bugs.mystery(3))).verdict
    'wrong'
    """
    secret = answer(seed)
    spoiled = FAMILIES[secret.family].backward

    def backward(params: Params, cache: Params, y: np.ndarray) -> Arrays:
        return spoiled(params, cache, y, secret.where, secret.amount)

    return backward
