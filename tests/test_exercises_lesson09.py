"""The answers to the exercises of notebook 09: the wrong ones get the sentence that helps."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import exercises
from gradlab.exercises import lesson09


def said(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out.strip()


# ---------------------------------------------------------------------------- 9.1


def recover(step, params, learning_rate):
    old = {name: array.copy() for name, array in params.items()}
    step()
    grads = {name: (old[name] - array) / learning_rate for name, array in params.items()}
    for name, array in params.items():
        array[...] = old[name]
    return grads


def recovered(formula, put_back=True):
    def answer(step, params, learning_rate):
        old = {name: array.copy() for name, array in params.items()}
        step()
        grads = {name: formula(old[name], array, learning_rate) for name, array in params.items()}
        for name, array in params.items():
            if put_back:
                array[...] = old[name]
        return grads

    return answer


def without_a_copy(step, params, learning_rate):
    old = dict(params)
    step()
    return {name: (old[name] - array) / learning_rate for name, array in params.items()}


def without_a_step(step, params, learning_rate):
    return {name: (array.copy() - array) / learning_rate for name, array in params.items()}


def stepping_too_late(step, params, learning_rate):
    old = {name: array.copy() for name, array in params.items()}
    grads = {name: (old[name] - array) / learning_rate for name, array in params.items()}
    step()
    for name, array in params.items():
        array[...] = old[name]
    return grads


def stepping_twice(step, params, learning_rate):
    step()
    return recover(step, params, learning_rate)


def stepping_for_each_array(step, params, learning_rate):
    grads = {}
    for name, array in params.items():
        old = array.copy()
        step()
        grads[name] = (old - array) / learning_rate
    return grads


def keeping_references(step, params, learning_rate):
    arrays = list(params.values())
    old = [array.copy() for array in arrays]
    step()
    moved = [array.copy() for array in arrays]
    for array, kept in zip(arrays, old, strict=True):
        np.copyto(array, kept)
    return {
        name: (kept - now) / learning_rate
        for name, kept, now in zip(params, old, moved, strict=True)
    }


def rebinding(step, params, learning_rate):
    old = {name: array.copy() for name, array in params.items()}
    step()
    grads = {name: (old[name] - array) / learning_rate for name, array in params.items()}
    params.update(old)
    return grads


def failing(step, params, learning_rate):
    raise RuntimeError("no such model")


@pytest.mark.parametrize("answer", [recover, keeping_references])
def test_update_right(capsys, answer):
    assert said(capsys, "09_update", answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (without_a_copy, "the same array"),
        (without_a_step, "step() is not called"),
        (stepping_too_late, "the difference is taken before step() is called"),
        (stepping_twice, "step() is called 2 times"),
        (stepping_for_each_array, "call it once, for all arrays"),
        (recovered(lambda old, new, rate: (new - old) / rate), "wrong sign"),
        (recovered(lambda old, new, rate: old - new), "divide it by the learning rate"),
        (recovered(lambda old, new, rate: new - old), "new minus old"),
        (recovered(lambda old, new, rate: (old - new) / 0.1), "take the one that is handed in"),
        (recovered(lambda old, new, rate: (old - new) * rate), "a division is due"),
        (recovered(lambda old, new, rate: old.copy()), "from before the step"),
        (recovered(lambda old, new, rate: new.copy()), "from after the step"),
        (
            recovered(lambda old, new, rate: (old - new) / rate, put_back=False),
            "put the old values",
        ),
        (recovered(lambda old, new, rate: ((old - new) / rate).T), "W has"),
        (rebinding, "rebinds"),
        (failing, "RuntimeError: no such model"),
        (lambda step, params: None, "TypeError"),
        (lambda step, params, rate: step(params), "TypeError: step() takes 0"),
        (lambda step, params, learning_rate: [1, 2], "A dict with W, b"),
        (3, "A function is asked for"),
    ],
)
def test_update_wrong(capsys, answer, sentence):
    output = said(capsys, "09_update", answer)
    assert output.startswith("Not yet.")
    assert sentence in output


@pytest.mark.parametrize("answer", [None, ..., lambda step, params, learning_rate: ...])
def test_update_not_attempted(capsys, answer):
    assert said(capsys, "09_update", answer).startswith("Not attempted yet.")


# ---------------------------------------------------------------------------- 9.2


def test_penalty_right(capsys):
    assert said(capsys, "09_penalty", np.float64(0.005 * (1 + 1e-9))).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (0.1, "that the model was given"),
        (-0.005, "wrong sign"),
        (0.0025, "half of it"),
        (0.01, "twice as much"),
        (20, "divided by"),
        (200.0, "take the difference over W"),
        (0, "no penalty at all"),
        (-2.3e-11, "that of a bias"),
        (0.05, "half of the alpha"),
        (2.0, "alpha times the number of samples"),
        (0.3, "0.3 is not it"),
        (np.full((2, 5), 0.005), "one of them"),
        (np.nan, "divided by zero"),
        ("alpha / N", "A number is asked for"),
    ],
)
def test_penalty_wrong(capsys, answer, sentence):
    output = said(capsys, "09_penalty", answer)
    assert output.startswith("Not yet.")
    assert sentence in output


def test_penalty_not_attempted(capsys):
    assert said(capsys, "09_penalty", ...).startswith("Not attempted yet.")


# ---------------------------------------------------------------------------- 9.3


def softmax(Z, axis=1):
    P = np.exp(Z - Z.max(axis=axis, keepdims=True))
    return P / P.sum(axis=axis, keepdims=True)


def one_hot(Z, labels):
    return np.eye(Z.shape[1])[labels]


def gradient(Z, labels):
    return (softmax(Z) - one_hot(Z, labels)) / len(Z)


def overflowing(Z, labels):
    P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    return (P - one_hot(Z, labels)) / len(Z)


def subtracting_at(where):
    def answer(Z, labels):
        P = softmax(Z)
        P[where(Z, labels)] -= 1
        return P / len(Z)

    return answer


def test_softmax_right(capsys):
    assert said(capsys, "09_softmax", gradient).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda Z, k: softmax(Z) - one_hot(Z, k), "the sum over the samples"),
        (lambda Z, k: -gradient(Z, k), "The sign is wrong"),
        (lambda Z, k: one_hot(Z, k) - softmax(Z), "and the loss is the mean over the samples"),
        (lambda Z, k: (softmax(Z) - one_hot(Z, k)) / 20, "here N is len(Z)"),
        (lambda Z, k: softmax(Z), "the label has not had its say"),
        (lambda Z, k: softmax(Z) / len(Z), "the label has not had its say"),
        (lambda Z, k: softmax(Z) - one_hot(Z, k) / len(Z), "division by N is due for P"),
        (lambda Z, k: softmax(Z) / len(Z) - one_hot(Z, k), "The 1 is not divided"),
        (lambda Z, k: gradient(Z, k) * softmax(Z) * (1 - softmax(Z)), "once more"),
        (lambda Z, k: -one_hot(Z, k) * (1 - softmax(Z)) / len(Z), "entries off its diagonal"),
        (lambda Z, k: -one_hot(Z, k) / softmax(Z) / len(Z), "with respect to P"),
        (lambda Z, k: -one_hot(Z, k) / softmax(Z), "and the mean"),
        (subtracting_at(lambda Z, k: k), "P[labels] takes whole rows"),
        (subtracting_at(lambda Z, k: (slice(None), k)), "P[:, labels] takes whole columns"),
        (lambda Z, k: (softmax(Z) - k[:, None]) / len(Z), "not an amount"),
        (lambda Z, k: (softmax(Z) + one_hot(Z, k)) / len(Z), "which sign"),
        (lambda Z, k: softmax(Z) * (1 - softmax(Z)), "P (1 - P) is the derivative of a sigmoid"),
        (lambda Z, k: softmax(Z) * (1 - softmax(Z)) / len(Z), "P (1 - P) / N has"),
        (lambda Z, k: (softmax(Z, axis=None) - one_hot(Z, k)) / len(Z), "over all of Z"),
        (lambda Z, k: -np.log(softmax(Z)[range(4), k]).mean(), "the loss itself"),
        (lambda Z, k: -np.log(softmax(Z)[range(4), k]), "the loss of each sample"),
        (lambda Z, k: gradient(Z, k) / Z.shape[1], "every entry of Z"),
        (lambda Z, k: (softmax(Z) - one_hot(Z, k)) / Z.shape[1], "that of the classes"),
        (lambda Z, k: (softmax(Z, axis=0) - one_hot(Z, k)) / len(Z), "over the classes"),
        (lambda Z, k: gradient(Z, k).T, "transpose it"),
        (overflowing, "overflows"),
        (lambda Z, k: overflowing(Z - Z.max(), k), "subtract from each row its own maximum"),
        (lambda Z, k: overflowing(Z - Z.mean(), k), "subtract from each row its own maximum"),
        (lambda Z, k: overflowing(Z - Z.max(axis=0), k), "the same within a row"),
        (lambda Z, k: overflowing(Z - Z.max(axis=1), k), "(4,3) and (4,) cannot be combined"),
        (lambda Z, k: Z / 0, "nan or infinity"),
        (lambda Z, k: "P - 1", "should be an array of numbers"),
        (7, "A function is asked for"),
    ],
)
def test_softmax_wrong(capsys, answer, sentence):
    with np.errstate(all="ignore"):
        output = said(capsys, "09_softmax", answer)
    assert output.startswith("Not yet.")
    assert sentence in output


def test_softmax_not_attempted(capsys):
    assert said(capsys, "09_softmax", lambda Z, k: None).startswith("Not attempted yet.")


# ---------------------------------------------------------------------------- 9.4


def test_factor_right(capsys):
    assert said(capsys, "09_factor", np.float64(7 * (1 + 1e-9))).startswith("Right. Seven times")


def test_in_a_scikit_learn_that_has_been_mended_the_factor_is_one(capsys, monkeypatch):
    monkeypatch.setattr(lesson09, "scikit_learn_s_factor", lambda: 1.0)
    assert "has been mended" in said(capsys, "09_factor", 1.0)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (2, "with two outputs"),
        (1 / 7, "turn it round"),
        (0.75, "the relative error"),
        (6.0, "(a - n) / n"),
        (20, "the number of samples"),
        (49, "take the mean"),
        (-7, "against the gradient"),
        (3, "3 is not it"),
        (np.full(7, 7.0), "give one of them"),
        ("K", "A number is asked for"),
        (np.nan, "divided by zero"),
    ],
)
def test_factor_wrong(capsys, answer, sentence):
    output = said(capsys, "09_factor", answer)
    assert output.startswith("Not yet.")
    assert sentence in output


def test_a_factor_of_one_is_wrong_where_the_measured_one_is_not(capsys, monkeypatch):
    monkeypatch.setattr(lesson09, "scikit_learn_s_factor", lambda: 7.0)
    assert "A factor of 1 is a right gradient" in said(capsys, "09_factor", 1)


@pytest.mark.parametrize("outputs", [1, 2, 7])
def test_the_factor_of_the_installed_scikit_learn_is_one_or_the_number_of_outputs(outputs):
    factor = lesson09.scikit_learn_s_factor(outputs)
    assert min(abs(factor - 1), abs(factor - outputs)) < 1e-6


def test_factor_not_attempted(capsys):
    assert said(capsys, "09_factor", ...).startswith("Not attempted yet.")
