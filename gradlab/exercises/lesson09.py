"""The exercises of notebook 09: check your own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gradlab.bugs.networks import softmax
from gradlab.exercises import exercise
from gradlab.exercises.feedback import (
    NotAttempted,
    Wrong,
    attempted,
    call,
    number,
    same_array,
    same_arrays,
)

ALPHA, SAMPLES = 0.1, 20


@exercise("09_update", "9.1 The gradient from an update")
def judge_update(answer: Any) -> str:
    if not callable(attempted(answer)):
        call(answer)  # says what is asked for
    rng = np.random.RandomState(9)
    slope = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    before = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    rate, calls = 0.25, 0

    def gradient_at(name: str, array: np.ndarray) -> np.ndarray:
        return slope[name] + array / 4  # so that a second step is not the first one again

    gradient = {name: gradient_at(name, array) for name, array in before.items()}
    after = {name: array - rate * gradient[name] for name, array in before.items()}
    params = {name: array.copy() for name, array in before.items()}
    arrays = dict(params)

    def step() -> None:
        nonlocal calls
        calls += 1
        for name, array in arrays.items():
            array -= rate * gradient_at(name, array)

    step.__qualname__ = "step"  # what a TypeError calls it
    grads = call(partial(answer, step, params, rate))
    arrays_now = {name: array.copy() for name, array in arrays.items()}
    if not calls and _all_zero(grads, before):
        raise Wrong(
            "step() is not called. Call it between the two values of the parameters that you compare."
        )
    if _all_zero(grads, before) and not _reads_after_the_step(answer, before, rate):
        raise Wrong(
            "Every gradient is zero: the difference is taken before step() is called. Keep the old "
            "values, then step, then subtract."
        )
    if calls > 1 and not _close(grads, gradient):
        raise Wrong(
            f"step() is called {calls} times, and each call moves the parameters from where the one "
            f"before has left them: call it once, for all arrays."
        )
    _judge_recovered(grads, gradient, before, after, rate)
    if any(params.get(name) is not array for name, array in arrays.items()):
        raise Wrong(
            "The gradients are right, but params now holds other arrays: params[name] = … rebinds "
            "the name, while params[name][...] = … writes into the array that the code under test "
            "reads."
        )
    if _equal(arrays_now, after):
        raise Wrong(
            "The gradients are right, but the parameters stay where the step took them: put the "
            "old values back."
        )
    if not _equal(arrays_now, before):
        raise Wrong("The gradients are right, but the parameters are not put back as they were.")
    return "Old minus new over the learning rate, and the parameters are where they were."


def _judge_recovered(grads: Any, gradient: dict, before: dict, after: dict, rate: float) -> None:
    variants: dict[str, Callable[[str], np.ndarray]] = {
        "{} is zero. After the step, old and new are the same array: keep a copy of the old values, "
        "not a second name for them.": lambda name: np.zeros_like(gradient[name]),
        "{} has the wrong sign: a step goes down, against the gradient.": (
            lambda name: -gradient[name]
        ),
        "{} is the length of the step; divide it by the learning rate.": (
            lambda name: rate * gradient[name]
        ),
        "{} is divided by 0.1, whatever the learning rate: take the one that is handed in.": (
            lambda name: rate / 0.1 * gradient[name]
        ),
        "{} is new minus old, the step itself: mind the sign, and divide by the learning rate.": (
            lambda name: -rate * gradient[name]
        ),
        "{} is multiplied by the learning rate, where a division is due.": (
            lambda name: rate**2 * gradient[name]
        ),
        "{} holds the parameters from before the step; their difference to the new ones is what "
        "you want.": lambda name: before[name],
        "{} holds the parameters from after the step; take the difference to the old ones.": (
            lambda name: after[name]
        ),
    }
    mistakes = {
        name: {sentence.format(name): wrong(name) for sentence, wrong in variants.items()}
        for name in gradient
    }
    same_arrays(grads, gradient, mistakes)


def _reads_after_the_step(answer: Any, before: dict, rate: float) -> bool:
    """Whether the arrays are looked at after the step: one that writes nan shows in the answer."""
    arrays = {name: array.copy() for name, array in before.items()}

    def step() -> None:
        for array in arrays.values():
            array[...] = np.nan

    return not _all_zero(call(partial(answer, step, dict(arrays), rate)), before)


def _close(grads: Any, truth: dict) -> bool:
    try:
        same_arrays(grads, truth)
    except (Wrong, NotAttempted):
        return False
    return True


def _equal(arrays: dict, others: dict) -> bool:
    return all(np.array_equal(arrays[name], others[name]) for name in others)


def _all_zero(grads: Any, like: dict) -> bool:
    try:
        return all(not np.any(np.asarray(grads[name], dtype=float)) for name in like)
    except (TypeError, KeyError, ValueError, IndexError):
        return False


@exercise("09_penalty", "9.2 What scikit-learn does with alpha")
def judge_penalty(answer: Any) -> str:
    if isinstance(answer, np.ndarray) and answer.size > 1:
        raise Wrong("That is one value for each weight; they are all alike, so give one of them.")
    value = number(answer, "c")
    truth = ALPHA / SAMPLES
    mistakes = {
        "That is the alpha that the model was given. Measure what arrives in the gradient.": ALPHA,
        "That is half of the alpha that the model was given. Measure what arrives in the "
        "gradient.": ALPHA / 2,
        "That is alpha times the number of samples. Measure what arrives in the gradient: is it "
        "more than alpha, or less?": ALPHA * SAMPLES,
        "The right size, and the wrong sign: subtract the gradient without the penalty from the "
        "one with it.": -truth,
        "That is half of it: the derivative of c/2 times the sum of squares is c·W, without "
        "the 1/2.": truth / 2,
        "That is twice as much: the derivative of c/2 times the sum of squares is c·W.": 2 * truth,
        "That is the number that alpha is divided by. What is left of alpha?": SAMPLES,
        "That is W over the difference: take the difference over W.": 1 / truth,
        "There is no penalty at all in that number: is one of the two gradients compared with "
        "itself, or is it that of a bias?": 0.0,
    }
    if np.isclose(value, truth, rtol=1e-4, atol=0):
        return (
            "It is alpha divided by the number of samples, 0.1 / 20: the penalty is averaged over "
            "the batch together with the squared error."
        )
    for sentence, wrong in mistakes.items():
        if np.isclose(value, wrong, rtol=1e-4, atol=1e-7):
            raise Wrong(sentence)
    raise Wrong(
        f"{value:.4g} is not it. What does the penalty add to an entry of the gradient of W1, and "
        f"how many times the entry of W1 is that?"
    )


@exercise("09_softmax", "9.3 Softmax with cross-entropy")
def judge_softmax(answer: Any) -> str:
    rng = np.random.RandomState(3)
    Z, labels = rng.normal(size=(4, 3)), np.array([2, 0, 1, 1])
    truth = _softmax_gradient(Z, labels)
    same_array(call(answer, Z, labels), truth, "dZ", _softmax_mistakes(Z, labels))
    for changed in (Z + 1000.0, Z - 1000.0):
        with np.errstate(all="ignore"):
            large = call(answer, changed, labels)
        if not np.isfinite(np.asarray(large, dtype=float)).all():
            raise Wrong(
                "Right for small scores, but with scores near 1000 exp overflows: subtract the "
                "maximum of each row first, which leaves the probabilities as they are."
            )
        same_array(large, truth, "dZ at scores near 1000")
    apart = Z + 1000.0 * np.arange(len(Z))[:, None]  # no row's probabilities change
    with np.errstate(all="ignore"):
        spread = call(answer, apart, labels)
    if not np.isfinite(np.asarray(spread, dtype=float)).all():
        raise Wrong(
            "Right as long as all rows have scores of one size. With rows near 0, 1000, 2000 and "
            "3000, one maximum for all of Z leaves zeros in the lower rows, and 0/0: subtract from "
            "each row its own maximum, axis=1 with keepdims=True."
        )
    same_array(spread, truth, "dZ with rows near 0, 1000, 2000 and 3000")
    return "Probabilities minus a one in the right place, over N, and safe for large scores."


def _softmax_mistakes(Z: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """For each common mistake the sentence that helps, and the array that the mistake gives."""
    N, K = Z.shape
    P, truth, ones = softmax(Z), _softmax_gradient(Z, labels), np.eye(K)[labels]
    by_columns, at_once = (np.exp(Z) / np.exp(Z).sum(axis=axis) for axis in (0, None))
    rows, columns = P.copy(), P.copy()
    rows[labels] -= 1
    columns[:, labels] -= 1
    losses = -np.log(P[np.arange(N), labels])
    shifted = softmax(Z - Z.max(axis=0))
    return {
        "Z.max(axis=0) takes another number from each column, and that changes the probabilities: "
        "the shift has to be the same within a row, axis=1.": (shifted - ones) / N,
        "This is the gradient of the sum over the samples; the loss is their mean.": N * truth,
        "The sign is wrong: a higher score for the right class lowers the loss.": -truth,
        "The sign is wrong, since a higher score for the right class lowers the loss; and the loss "
        "is the mean over the samples.": -N * truth,
        "This divides by 20, the number of samples in the course's data; here N is len(Z).": (
            N / 20 * truth
        ),
        "These are the probabilities; the label has not had its say yet.": P,
        "These are the probabilities over N; the label has not had its say yet.": P / N,
        "The 1 is subtracted before the division by N is due for P: (P - 1) / N, not P / N - 1 "
        "or P - 1 / N.": P - ones / N,
        "The 1 is not divided by N: (P - 1) / N, not P / N - 1.": P / N - ones,
        "The 1 is added here; which sign has the second term of the loss?": (P + ones) / N,
        "P[labels] takes whole rows; in each row the 1 is subtracted from one entry.": rows / N,
        "P[:, labels] takes whole columns; in each row the 1 is subtracted from one entry.": (
            columns / N
        ),
        "A label is the number of a class, not an amount: it says where the 1 goes.": (
            (P - labels[:, None]) / N
        ),
        "P - 1 is multiplied by P (1 - P) once more. That factor has cancelled on the way; and the "
        "derivative of a softmax is not that of a sigmoid.": truth * P * (1 - P),
        "P (1 - P) is the derivative of a sigmoid, and no label has its say in it.": P * (1 - P),
        "P (1 - P) / N has the derivative of a sigmoid, and no label has its say in it.": (
            P * (1 - P) / N
        ),
        "This is the derivative of -log P times P (1 - P) alone: the softmax's Jacobian has "
        "entries off its diagonal too, since every score moves every probability.": (
            -ones / P * P * (1 - P) / N
        ),
        "This is the gradient with respect to P, not yet with respect to Z: the softmax is still "
        "to come.": -ones / P / N,
        "This is the gradient of the sum over the samples with respect to P: the softmax is still "
        "to come, and the mean.": -ones / P,
        "This is the loss itself, not its gradient.": losses.mean(),
        "This is the loss of each sample; the gradient has the shape of Z.": losses,
        "The mean is over the samples, and this divides by every entry of Z.": truth / K,
        "N is the number of samples, the rows of Z; this divides by that of the classes.": (
            N / K * truth
        ),
        "The probabilities add up to 1 over the samples here; they should over the classes, "
        "axis=1.": (by_columns - ones) / N,
        "The probabilities add up to 1 over all of Z here; they should in each row.": (
            (at_once - ones) / N
        ),
    }


def _softmax_gradient(Z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    P = softmax(Z)
    P[np.arange(len(Z)), labels] -= 1
    return P / len(Z)


OUTPUTS = 7


@exercise("09_factor", "9.4 By which factor?")
def judge_factor(answer: Any) -> str:
    if isinstance(answer, np.ndarray) and answer.size > 1:
        raise Wrong("That is one factor for each entry; they are all alike, so give one of them.")
    value = number(answer, "the factor")
    if np.isclose(value, OUTPUTS, rtol=1e-4):
        return (
            "Seven times with seven outputs: the loss is averaged over the outputs too, and the "
            "gradient is not."
        )
    if np.isclose(value, 1, rtol=1e-4) and np.isclose(scikit_learn_s_factor(), 1, rtol=1e-4):
        return "Your scikit-learn has been mended: its gradient is that of its own loss."
    mistakes = {
        "That is the factor with two outputs; ask with seven.": 2,
        "That is the numeric gradient over scikit-learn's: turn it round.": 1 / OUTPUTS,
        "A factor of 1 is a right gradient. Is an array divided by itself, or asked with one "
        "output?": 1,
        "That is the relative error, |a - n| / (|a| + |n|); the factor is a / n.": (
            (OUTPUTS - 1) / (OUTPUTS + 1)
        ),
        "That is by how much the gradient is larger, (a - n) / n; the factor is a / n.": OUTPUTS
        - 1,
        "That is the number of samples, by which both of them divide.": SAMPLES,
        "That is the sum over the outputs of b2; they are all alike, so take the mean.": OUTPUTS**2,
        "The size is right, and the sign is not: a step goes down, against the gradient.": -OUTPUTS,
    }
    for sentence, wrong in mistakes.items():
        if np.isclose(value, wrong, rtol=1e-4):
            raise Wrong(sentence)
    raise Wrong(
        f"{value:.4g} is not it. Divide an array of grads by the same array of "
        f"numerical_gradient(own_loss, params), for a problem with seven outputs."
    )


def scikit_learn_s_factor(outputs: int = OUTPUTS) -> float:
    """By how much the gradient of the installed MLPRegressor exceeds that of its own loss."""
    from sklearn.neural_network import MLPRegressor

    X, Y = np.zeros((SAMPLES, 2)), np.ones((SAMPLES, outputs)).squeeze()
    sgd = {"solver": "sgd", "momentum": 0, "learning_rate_init": 1, "batch_size": SAMPLES}
    model = MLPRegressor(hidden_layer_sizes=1, alpha=0, random_state=0, **sgd)
    model.partial_fit(X, Y)
    weights, bias = model.coefs_[-1], model.intercepts_[-1]

    def loss_at(prediction: float) -> float:
        weights[...], bias[...] = 0, prediction
        model.partial_fit(X, Y)  # sets loss_ to the loss before its step
        return model.loss_

    slope = (loss_at(0.5) - loss_at(-0.5)) / outputs  # a parabola: exact, and alike in each output
    loss_at(0)
    return float(-bias[0] / slope)
