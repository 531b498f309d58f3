"""The exercises of notebook 02: the forward pass, a shape to predict, the Xavier spread."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlab import mlp
from gradlab.exercises import exercise
from gradlab.exercises.feedback import (
    Wrong,
    call,
    in_this_order,
    number,
    only_arguments,
    same_array,
    shape,
)


@exercise("02_forward", "2.1 The forward pass as a function")
def judge_forward(answer: Any) -> str:
    stream = np.random.RandomState(2)
    params = mlp.init_params((3, 4, 1), seed=stream)
    params["b1"] += stream.normal(size=(1, 4))  # zeros would hide a bias that is left out
    params["b2"] += stream.normal(size=(1, 1))
    X = stream.uniform(-1, 1, (6, 3))
    W1, b1, W2, b2 = (params[name] for name in ("W1", "b1", "W2", "b2"))
    y_hat, cache = mlp.forward(params, X)
    only_arguments(answer)
    in_this_order(answer, "forward(params, X)", params, X)
    said = call(answer, params, X)
    if isinstance(said, tuple):
        raise Wrong("The function returns several things; y_hat alone is asked for.")
    same_array(
        said,
        y_hat,
        "y_hat",
        mistakes={
            "Where is b1? With zero biases nobody would notice; here they are not zero.": (
                mlp.sigmoid(X @ W1) @ W2 + b2
            ),
            "Where is b2? With zero biases nobody would notice; here they are not zero.": (
                cache["H"] @ W2
            ),
            "Neither bias is there. With zero biases nobody would notice; here they are not zero.": (
                mlp.sigmoid(X @ W1) @ W2
            ),
            "b1 comes after the sigmoid. It belongs to the weighted sum that goes into it.": (
                (mlp.sigmoid(X @ W1) + b1) @ W2 + b2
            ),
            "Mind the brackets: -X @ W1 + b1 turns the sign of X @ W1 alone.": (
                mlp.sigmoid(X @ W1 - b1) @ W2 + b2
            ),
            "The hidden layer has no sigmoid: whatever the weights, this network is a plane.": (
                (X @ W1 + b1) @ W2 + b2
            ),
            "The output layer is linear: the sigmoid is for the hidden layer alone.": (
                mlp.sigmoid(y_hat)
            ),
            "The sigmoid is 1 / (1 + exp(-z)); yours has the other sign in the exponent.": (
                (1 - cache["H"]) @ W2 + b2
            ),
            "That is tanh in the hidden layer; this network uses the sigmoid.": (
                np.tanh(X @ W1 + b1) @ W2 + b2
            ),
            "Mind the brackets: 1 / 1 + e is (1 / 1) + e.": (
                (1 + np.exp(-(X @ W1 + b1))) @ W2 + b2
            ),
            "That is Z1. The sigmoid and the output layer are still to come.": X @ W1 + b1,
            "That is H. One layer is still to come.": cache["H"],
            "The numbers are right, in a flat array. Keep the column, shape (6, 1): "
            "exercise 2.2 shows why.": y_hat.ravel(),
        },
    )
    return "It agrees with mlp.forward on a network with other sizes and biases that are not zero."


@exercise("02_broadcast", "2.2 A column minus a flat array")
def judge_broadcast(answer: Any) -> str:
    if isinstance(answer, str) and answer.strip().lower() == "error":
        raise Wrong(
            "NumPy does not refuse: there is a rule for shapes that differ. Give the shape as a "
            "tuple, such as (20, 2)."
        )
    if isinstance(answer, np.ndarray):
        raise Wrong(
            "That is the difference itself. Take it away again, and predict its shape: a tuple, "
            "such as (20, 2)."
        )
    given = shape(answer, "the difference")
    for wrong, sentence in [
        ((20, 1), "That is the shape that was meant. Line the two shapes up at their last axis."),
        ((20,), "That would need two flat arrays. One of these is a column."),
        ((1, 20), "The flat array is read as a row (1, 20); now stretch the column to match it."),
        ((40,), "Nothing is joined end to end in a subtraction."),
        ((40, 1), "Nothing is joined end to end in a subtraction."),
        ((20, 2), "Nothing is put side by side in a subtraction."),
    ]:
        if given == wrong:
            raise Wrong(sentence)
    if given != (20, 20):
        raise Wrong(f"It is not {given}. Write (20,) as (1, 20), then stretch every axis of 1.")
    return "Every prediction is compared with every target: 400 differences where 20 were meant."


@exercise("02_xavier", "2.3 The spread of the first weights")
def judge_xavier(answer: Any) -> str:
    fan_in, fan_out = np.array([(2, 5), (5, 1), (30, 10)]).T
    fans = fan_in + fan_out
    said = np.array(
        [
            number(call(answer, int(rows), int(columns)), "the standard deviation")
            for rows, columns in zip(fan_in, fan_out, strict=True)
        ]
    )
    for wrong, sentence in [
        (2 / fans, "That is the variance. normal() asks for the standard deviation."),
        (4 / fans**2, "That is the variance squared: go the other way."),
        (np.sqrt(2 / fan_in), "That looks at the inputs only; Xavier counts both fans."),
        (np.sqrt(1 / fan_in), "That looks at the inputs only; Xavier counts both fans."),
        (np.sqrt(6 / fans), "That is the limit of a uniform draw. This draw is normal."),
        (np.sqrt(1 / fans), "A factor 2 is missing under the root."),
        (np.sqrt(fans / 2), "Upside down: more connections want smaller weights."),
        (1 / fans, "That is half the fraction: ** 1/2 is (… ** 1) / 2. A root is ** 0.5."),
        (np.sqrt(2) / fans, "The root belongs over the whole fraction."),
        (2 / np.sqrt(fans), "The root belongs over the whole fraction."),
        (np.sqrt(2 / fan_in + fan_out), "Mind the brackets: 2 / a + b is (2 / a) + b."),
        (2 / fan_in + fan_out, "Mind the brackets: 2 / a + b is (2 / a) + b."),
        (np.sqrt(2 / (fan_in * fan_out)), "The two fans are added, not multiplied."),
    ]:
        if np.allclose(said, wrong):
            raise Wrong(sentence)
    if not np.allclose(said, np.sqrt(2 / fans)):
        first = np.argmin(np.isclose(said, np.sqrt(2 / fans)))
        raise Wrong(
            f"For fan_in = {fan_in[first]} and fan_out = {fan_out[first]} it gives "
            f"{said[first]:.4g}; squared, it should be {2 / fans[first]:.4g}."
        )
    return "The square root of the variance: for the (2, 5) weights about 0.53, not 0.29."
