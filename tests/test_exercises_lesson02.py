"""The judges of notebook 02: what a learner may answer, and what they are told."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import exercises, mlp


def said(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out


def forward(b1=1, b2=1, hidden=mlp.sigmoid, output=lambda z: z):
    def network(params, X):
        H = hidden(X @ params["W1"] + b1 * params["b1"])
        return output(H @ params["W2"] + b2 * params["b2"])

    return network


W1, W2 = np.ones((2, 5)), np.ones((5, 1))  # as the notebook has them when the exercise is done


def broken(params, X):
    return X @ params["W3"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (forward(b1=0), "Where is b1?"),
        (forward(b2=0), "Where is b2?"),
        (forward(hidden=lambda z: z), "no sigmoid"),
        (forward(output=mlp.sigmoid), "output layer is linear"),
        (forward(hidden=lambda z: 1 / (1 + np.exp(z))), "other sign in the exponent"),
        (forward(hidden=np.tanh), "tanh in the hidden layer"),
        (forward(hidden=lambda z: 1 / 1 + np.exp(-z)), "Mind the brackets"),
        (lambda params, X: X @ params["W1"] + params["b1"], "That is Z1"),
        (lambda params, X: mlp.forward(params, X)[1]["H"], "One layer is still to come"),
        (lambda params, X: mlp.sigmoid(X @ W1) @ W2, "reads W1, W2 from the notebook"),
        (lambda params, X: X @ params["W2"], "here 3 meets 4"),
        (lambda params, X: X * params["W1"], "shapes (6,3) and (3,4) cannot be combined entry by"),
        (forward(output=np.ravel), "Keep the column, shape (6, 1): exercise 2.2 shows why"),
        (mlp.forward, "y_hat alone"),
        (forward(output=lambda z: z.T), "transpose it"),
        (forward(output=lambda z: np.nan * z), "nan"),
        (forward(output=lambda z: 2 * z), "constant factor"),
        (forward(output=lambda z: z + (z > np.median(z))), "3 of 6 entries of y_hat are right"),
        (broken, "KeyError: 'W3'"),
        ([1, 2], "A function is asked for"),
        (lambda params, X: ..., "Not attempted yet"),
        (None, "Not attempted yet"),
        (forward(), "Right. It agrees with mlp.forward"),
    ],
)
def test_the_forward_pass(capsys, answer, sentence):
    assert sentence in said(capsys, "02_forward", answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((20, 1), "the shape that was meant"),
        ((20,), "two flat arrays"),
        ((1, 20), "now stretch the column"),
        ((40,), "end to end"),
        ((20, 2), "side by side"),
        ((5, 5), "It is not (5, 5)"),
        ("error", "NumPy does not refuse"),
        (400, "A shape such as"),
        ("(20, 20)", "A shape such as"),
        ((20.0, 20.0), "A shape such as"),
        (..., "Not attempted yet"),
        (None, "Not attempted yet"),
        ((20, 20), "Right. Every prediction is compared with every target"),
        ([20, 20], "Right. Every prediction"),
    ],
)
def test_a_column_minus_a_flat_array(capsys, answer, sentence):
    assert sentence in said(capsys, "02_broadcast", answer)


def test_the_truth_about_broadcasting_is_numpys():
    assert (np.zeros((20, 1)) - np.zeros(20)).shape == (20, 20)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda i, o: 2 / (i + o), "That is the variance"),
        (lambda i, o: (2 / (i + o)) ** 2, "variance squared"),
        (lambda i, o: np.sqrt(2 / i), "inputs only"),
        (lambda i, o: np.sqrt(1 / i), "inputs only"),
        (lambda i, o: np.sqrt(6 / (i + o)), "uniform draw"),
        (lambda i, o: np.sqrt(1 / (i + o)), "factor 2"),
        (lambda i, o: np.sqrt((i + o) / 2), "Upside down"),
        (lambda i, o: np.sqrt(2) / (i + o), "whole fraction"),
        (lambda i, o: 2 / np.sqrt(i + o), "whole fraction"),
        (lambda i, o: np.sqrt(2 / i + o), "Mind the brackets"),
        (lambda i, o: 2 / i + o, "Mind the brackets"),
        (lambda i, o: np.sqrt(2 / (i * o)), "added, not multiplied"),
        (lambda i, o: np.sqrt(2 / 7), "For fan_in = 5 and fan_out = 1"),
        (lambda i, o: 1.0, "squared, it should be 0.2857"),
        (lambda i, o: np.inf, "overflowed"),
        (lambda i, o: [1, 2], "One number"),
        (lambda i: i, "TypeError"),
        (0.53, "A function is asked for"),
        (lambda i, o: ..., "Not attempted yet"),
        (lambda i, o: np.sqrt(2 / (i + o)), "Right. The square root of the variance"),
    ],
)
def test_the_spread_of_the_first_weights(capsys, answer, sentence):
    assert sentence in said(capsys, "02_xavier", answer)


def test_every_exercise_can_be_solved(capsys):
    exercises.check("02_forward", forward())
    exercises.check("02_broadcast", (20, 20))
    exercises.check("02_xavier", lambda i, o: np.sqrt(2 / (i + o)))
    exercises.progress("02")
    assert "3 of 3 exercises solved" in capsys.readouterr().out


def unpacks_the_keys(params, X):
    W1, b1, W2, b2 = params
    return mlp.sigmoid(X @ W1 + b1) @ W2 + b2


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            lambda p, X: 1 / (1 + np.exp(-X @ p["W1"] + p["b1"])) @ p["W2"] + p["b2"],
            "-X @ W1 + b1 turns the sign of X @ W1 alone",
        ),
        (lambda p, X: mlp.sigmoid(X @ p["W1"]) @ p["W2"], "Neither bias is there"),
        (
            lambda p, X: (mlp.sigmoid(X @ p["W1"]) + p["b1"]) @ p["W2"] + p["b2"],
            "b1 comes after the sigmoid",
        ),
        (lambda p, X: (X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"], "this network is a plane"),
        (lambda X, p: mlp.forward(p, X)[0], "called as forward(params, X)"),
        (unpacks_the_keys, "unpacked gives its keys"),
    ],
)
def test_slips_of_the_forward_pass(answer, sentence):
    assert sentence in exercises.verdict("02_forward", answer).sentence


def test_the_shape_is_not_given_away_to_whoever_hands_in_the_array():
    mark, sentence = exercises.verdict("02_broadcast", np.ones((20, 20)))
    assert mark == "wrong" and "(20, 20)" not in sentence and "predict its shape" in sentence


def test_a_power_of_one_half_is_a_root_only_with_its_brackets():
    said = exercises.verdict("02_xavier", lambda a, b: (2 / (a + b)) ** 1 / 2).sentence
    assert "A root is ** 0.5" in said
