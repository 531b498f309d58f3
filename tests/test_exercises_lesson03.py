"""The judges of notebook 03: what a learner may answer, and what they are told."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import exercises, mlp
from gradlab.bugs import CATALOGUE, suspect_b


def said(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out


def rows(dZ):
    return np.sum(dZ, axis=0, keepdims=True)


def output_layer(
    error=lambda y_hat, y: (y_hat - y) / len(y), weights=lambda H, dy: H.T @ dy, bias=rows
):
    def layer(H, y_hat, y):
        dy = error(y_hat, y)
        return {"dy": dy, "dW2": weights(H, dy), "db2": bias(dy)}

    return layer


def raises(*arguments):
    raise RuntimeError("stuck")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (output_layer(lambda y_hat, y: y_hat - y), "dy is 6 times too large"),
        (output_layer(lambda y_hat, y: (y_hat - y) / 20), "dy is divided by 20"),
        (output_layer(lambda y_hat, y: (y - y_hat) / len(y)), "dy points the other way"),
        (output_layer(lambda y_hat, y: 2 * (y_hat - y) / len(y)), "The loss has a 1/2"),
        (output_layer(lambda y_hat, y: (y_hat - y) / len(y) ** 2), "dy is divided by N a second"),
        (output_layer(lambda y_hat, y: (y_hat - y) / len(y) / 2), "1/2 of the loss cancels"),
        (output_layer(lambda y_hat, y: (y_hat - y) / y.size), "N counts samples, not entries"),
        (output_layer(lambda y_hat, y: (y_hat - y) ** 2 / len(y)), "dy has a square in it"),
        (output_layer(lambda y_hat, y: np.mean(y_hat - y)), "@ needs an array on both sides"),
        (output_layer(weights=lambda H, dy: dy @ H), "here 2 meets 6"),
        (output_layer(weights=lambda H, dy: dy.T @ H), "transpose it"),
        (output_layer(weights=lambda H, dy: H.T @ dy / len(dy)), "dW2 is divided by N a second"),
        (output_layer(weights=lambda H, dy: H @ dy), "stopped with ValueError"),
        (output_layer(bias=lambda dy: dy), "db2 has a row for each sample still"),
        (output_layer(bias=lambda dy: np.mean(dy, axis=0, keepdims=True)), "db2 is an average"),
        (output_layer(bias=lambda dy: np.sum(dy, axis=0)), "keepdims"),
        (output_layer(bias=np.sum), "summed over the units too"),
        (
            output_layer(bias=lambda dy: np.sum(dy, axis=1)),
            "db2 is summed over the units. Which axis",
        ),
        (output_layer(bias=lambda dy: 0 * rows(dy)), "Every entry of db2 is zero"),
        (output_layer(bias=lambda dy: np.nan * rows(dy)), "nan"),
        (output_layer(bias=lambda dy: "sum"), "array of numbers"),
        (output_layer(bias=lambda dy: ...), "Not attempted yet. So far right: dy, dW2. Next: db2"),
        (output_layer(*[lambda *_: ...] * 3), "Not attempted yet.\n"),
        (lambda H, y_hat, y: [1, 2, 3], "A dict with dy, dW2, db2"),
        (raises, "RuntimeError: stuck"),
        (lambda H: H, "TypeError"),
        (7, "A function is asked for"),
        (None, "Not attempted yet"),
        (output_layer(), "Right. All three arrays agree"),
    ],
)
def test_the_output_layer(capsys, answer, sentence):
    assert sentence in said(capsys, "03_output_layer", answer)


def hidden_layer(
    back=lambda dy, W2: dy @ W2.T,
    slope=lambda H: H * (1 - H),
    weights=lambda X, dH, dZ1: X.T @ dZ1,
    bias=lambda X, dH, dZ1: rows(dZ1),
):
    def layer(X, H, W2, dy):
        dH = back(dy, W2)
        dZ1 = dH * slope(H)
        return {"dH": dH, "dZ1": dZ1, "dW1": weights(X, dH, dZ1), "db1": bias(X, dH, dZ1)}

    return layer


def forgets_the_upstream_gradient(X, H, W2, dy):
    return hidden_layer()(X, H, W2, dy) | {"dZ1": H * (1 - H)}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (hidden_layer(back=lambda dy, W2: -dy @ W2.T), "dH has the right size and the wrong sign"),
        (hidden_layer(back=lambda dy, W2: dy @ W2.T / len(dy)), "dH is divided by N a second"),
        (hidden_layer(slope=lambda H: H * (H - 1)), "Is the slope of a sigmoid ever negative?"),
        (hidden_layer(back=lambda dy, W2: dy @ W2), "stopped with ValueError"),
        (hidden_layer(slope=lambda H: 1), "slope of the sigmoid is missing"),
        (
            hidden_layer(slope=lambda H: mlp.sigmoid(H) * (1 - mlp.sigmoid(H))),
            "sigmoid applied twice",
        ),
        (hidden_layer(slope=lambda H: H), "only H of the slope"),
        (hidden_layer(slope=lambda H: 1 - H), "only 1 - H of the slope"),
        (hidden_layer(slope=lambda H: 1 - H**2), "slope of tanh"),
        (hidden_layer(weights=lambda X, dH, dZ1: X.T @ dH), "dW1 is made from dH"),
        (hidden_layer(weights=lambda X, dH, dZ1: dZ1.T @ X), "transpose it"),
        (hidden_layer(weights=lambda X, dH, dZ1: X.T @ dZ1 / len(X)), "dW1 is divided by N"),
        (hidden_layer(bias=lambda X, dH, dZ1: rows(dH)), "db1 is made from dH"),
        (hidden_layer(bias=lambda X, dH, dZ1: rows(X.T @ dZ1)), "db1 is the sum of dW1"),
        (hidden_layer(bias=lambda X, dH, dZ1: dZ1), "db1 has a row for each sample"),
        (hidden_layer(bias=lambda X, dH, dZ1: rows(dZ1) / len(X)), "db1 is an average"),
        (hidden_layer(bias=lambda X, dH, dZ1: rows(dZ1)[0]), "keepdims"),
        (hidden_layer(bias=lambda X, dH, dZ1: np.sum(dZ1)), "summed over the units too"),
        (
            hidden_layer(bias=lambda X, dH, dZ1: np.full((1, 4), np.sum(dZ1))),
            "summed over the units too",
        ),
        (
            hidden_layer(bias=lambda X, dH, dZ1: np.sum(dZ1, axis=1, keepdims=True)),
            "db1 is summed over the units, sample by sample",
        ),
        (forgets_the_upstream_gradient, "the upstream gradient is missing"),
        (hidden_layer(weights=lambda *_: ...), "So far right: dH, dZ1. Next: dW1"),
        (hidden_layer(bias=lambda *_: None), "So far right: dH, dZ1, dW1. Next: db1"),
        (lambda X, H, W2, dy: {}, "Not attempted yet"),
        (raises, "RuntimeError: stuck"),
        (None, "Not attempted yet"),
        (hidden_layer(), "Right. All four arrays agree"),
    ],
)
def test_the_hidden_layer(capsys, answer, sentence):
    assert sentence in said(capsys, "03_hidden_layer", answer)


X = np.ones((20, 2))  # as the notebook has it when the exercise is done


def bias_from(name):
    def backward(params, cache, y):
        dy = (cache["y_hat"] - y) / len(y)
        layer = hidden_layer()(cache["X"], cache["H"], params["W2"], dy)
        return mlp.backward(params, cache, y) | {"b1": rows(layer[name])}

    return backward


def bug(name):
    return CATALOGUE[name].function


def with_bias(b1):
    return lambda params, cache, y: mlp.backward(params, cache, y) | {"b1": b1}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (bug("missing_mean"), "6 times too large"),
        (bug("mean_twice"), "divided by N a second time"),
        (bug("factor_two"), "The loss has a 1/2"),
        (bug("wrong_sign"), "points the other way"),
        (bug("one_wrong_sign"), "points the other way"),
        (bug("derivative_of_activation"), "sigmoid applied twice"),
        (bug("missing_derivative"), "slope of the sigmoid is missing"),
        (bug("updated_w2"), "W2 had been updated before it was used"),
        (suspect_b, "W2 had been updated before it was used"),
        (bug("gradient_for_weight"), "dW2 stood where W2 belongs"),
        (bug("bias_not_summed"), "b1 has a row for each sample"),
        (bug("bias_averaged"), "b1 is an average"),
        (bug("bias_summed_to_scalar"), "b1 is summed over the units too"),
        (bug("weights_transposed"), "transpose it"),
        (
            lambda params, cache, y: mlp.backward(params, cache, y) | {"b2": np.zeros((1, 2))},
            "Every entry of b2 is zero",
        ),
        (with_bias(np.full((1, 4), np.nan)), "nan"),
        (with_bias(np.ones((1, 4))), "entries of b1 are right"),
        (with_bias("b1"), "array of numbers"),
        (with_bias(...), "Not attempted yet"),
        (
            lambda params, cache, y: {
                f"d{k}": v for k, v in mlp.backward(params, cache, y).items()
            },
            "'W1', not 'dW1'",
        ),
        (
            lambda params, cache, y: output_layer()(cache["H"], cache["y_hat"], y),
            "'W2', not 'dW2'",
        ),
        (lambda params, cache, y: {"W1": X.T @ cache["H"]}, "reads X from the notebook"),
        (bias_from("dH"), "b1 is made from dH"),
        (lambda params, cache, y: {"W1": "?", "b1": 0, "W2": 0, "b2": 0}, "array of numbers"),
        (lambda params, cache, y: {"W1": params["W1"]}, "no b1, W2, b2"),
        (lambda params, cache, y: [1, 2, 3, 4], "A dict with W1"),
        (raises, "RuntimeError: stuck"),
        ("backward", "A function is asked for"),
        (lambda params, cache, y: ..., "Not attempted yet"),
        (None, "Not attempted yet"),
        (mlp.backward, "Right. Four gradients"),
    ],
)
def test_the_whole_backward_pass(capsys, answer, sentence):
    assert sentence in said(capsys, "03_backward", answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (0, "so one would hope"),
        (1, "More than that"),
        (2, "More than that"),
        (4, "Not quite so many"),
        (5, "Not quite so many"),
        (6, "a whole number from 0 to 5"),
        (2.5, "a whole number from 0 to 5"),
        (-1, "a whole number from 0 to 5"),
        (float("nan"), "nan"),
        ("three", "A number is asked for"),
        ([3, 3], "One number"),
        (..., "Not attempted yet"),
        (None, "Not attempted yet"),
        (3, "Right. 3 of the 5 end lower"),
    ],
)
def test_how_far_to_trust_a_falling_loss(capsys, answer, sentence):
    assert sentence in said(capsys, "03_falling_loss", answer)


def test_every_exercise_can_be_solved(capsys):
    exercises.check("03_output_layer", output_layer())
    exercises.check("03_hidden_layer", hidden_layer())
    exercises.check("03_backward", mlp.backward)
    exercises.check("03_falling_loss", 3)
    exercises.check("03_weighted", lambda y_hat, y, w: w * (y_hat - y) / len(y))
    exercises.progress("03")
    assert "5 of 5 exercises solved" in capsys.readouterr().out


# ---------------------------------------------------------------- slips that once passed unrecognised


def with_dy(dy_of):
    def answer(H, y_hat, y):
        dy = dy_of(y_hat, y)
        return {"dy": dy, "dW2": H.T @ dy, "db2": np.sum(dy, axis=0, keepdims=True)}

    return answer


def dZ1_of(make):
    def answer(X, H, W2, dy):
        dH = dy @ W2.T
        dZ1 = make(dH, H)
        return {"dH": dH, "dZ1": dZ1, "dW1": X.T @ dZ1, "db1": rows(dZ1)}

    return answer


def in_place(dH, H):
    dZ1 = dH
    dZ1 *= H * (1 - H)
    return dZ1


def spoils_H(dH, H):
    H *= 1 - H
    return dH * H


def trains(params, cache, y):
    g = mlp.backward(params, cache, y)
    params["W2"] -= 0.5 * g["W2"]
    return g


def steps_instead(params, cache, y):
    return {name: params[name] - 0.1 * g for name, g in mlp.backward(params, cache, y).items()}


def hard_coded(params, cache, y):
    return {name: g * len(y) / 20 for name, g in mlp.backward(params, cache, y).items()}


def in_single(params, cache, y):
    return {name: g.astype(np.float32) for name, g in mlp.backward(params, cache, y).items()}


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        (
            "output_layer",
            with_dy(lambda y_hat, y: (y_hat - y) / y.shape[1]),
            "N counts the samples",
        ),
        ("output_layer", with_dy(lambda y_hat, y: y_hat - y / len(y)), "y_hat - y / N divides y"),
        ("hidden_layer", dZ1_of(lambda dH, H: dH * H * 1 - H), "takes H away at the end"),
        ("hidden_layer", dZ1_of(in_place), "one array with two names"),
        ("hidden_layer", dZ1_of(spoils_H), "your function changes H on the way"),
        ("backward", trains, "The gradient is right, but your function changes params['W2']"),
        ("backward", steps_instead, "These are updated parameters"),
        ("backward", hard_coded, "divided by 20 somewhere"),
        ("backward", in_single, "Right. Every value agrees, to the seven digits of float32"),
        ("backward", lambda cache, params, y: mlp.backward(params, cache, y), "another order"),
        ("weighted", lambda y_hat, y, w: w * (y_hat - y) / len(y), "Right. The weight of a sample"),
        ("weighted", lambda y_hat, y, w: (y_hat - y) / len(y), "The weights are missing"),
        ("weighted", lambda y_hat, y, w: w**2 * (y_hat - y) / len(y), "it is not squared"),
        (
            "weighted",
            lambda y_hat, y, w: w * (y_hat - y) / np.sum(w),
            "not by the sum of the weights",
        ),
        ("weighted", lambda y_hat, y, w: (w * y_hat - y) / len(y), "mind the brackets"),
        ("weighted", lambda y_hat, y, w: w * (y_hat - y), "6 times too large"),
        ("weighted", lambda y_hat, y, w: w * (y - y_hat) / len(y), "points the other way"),
        ("weighted", lambda y_hat, y, w: ..., "returns nothing so far"),
    ],
)
def test_slips_are_recognised(name, answer, sentence):
    assert sentence in exercises.verdict(f"03_{name}", answer).sentence
