"""The exercises of notebook 03: the backward pass, by layers and whole, and the falling loss."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from gradlab import mlp
from gradlab.bugs import CATALOGUE
from gradlab.checking.signatures import constant_ratio
from gradlab.data import paraboloid
from gradlab.exercises import exercise
from gradlab.exercises.feedback import (
    NotAttempted,
    Wrong,
    call,
    in_this_order,
    number,
    only_arguments,
    same_array,
    same_arrays,
    watching_arguments,
)

N = 6
WRONG_PASSES = (
    "factor_two",
    "bias_forgotten",
    "bias_summed_to_scalar",
    "bias_averaged",
    "missing_derivative",
)


def odd_problem() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Parameters, cache and targets without a zero in them, in sizes that no two axes share."""
    stream = np.random.RandomState(3)
    params = mlp.init_params((3, 4, 2), seed=stream)
    params["b1"] += stream.normal(size=(1, 4))
    params["b2"] += stream.normal(size=(1, 2))
    X, y = stream.uniform(-1, 1, (N, 3)), stream.normal(size=(N, 2))
    return params, mlp.forward(params, X)[1], y


def wrong_factors(name: str, truth: np.ndarray) -> dict[str, np.ndarray]:
    return {
        f"{name} is {N} times too large. The loss is an average: where does its 1/N enter?": (
            N * truth
        ),
        **divided_again(name, truth),
        f"{name} is twice too large. The loss has a 1/2 for its square.": 2 * truth,
        f"{name} is half of what it should be. The 1/2 of the loss cancels against the square, and "
        f"N counts samples, not entries.": truth / 2,
        f"{name} points the other way: prediction minus target, or target minus prediction?": (
            -truth
        ),
    }


def divided_again(name: str, truth: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{name} is divided by N a second time: dy has the 1/N in it already.": truth / N}


def wrong_bias(name: str, dZ: np.ndarray, upstream: str) -> dict[str, np.ndarray]:
    rows = np.sum(dZ, axis=0, keepdims=True)
    return {
        f"{name} has a row for each sample still. All samples share one row of biases.": dZ,
        f"{name} is an average; {upstream} was divided by N already.": rows / N,
        f"{name} has lost its first axis: a bias is a row, (1, {dZ.shape[1]}). See keepdims.": (
            rows[0]
        ),
        f"{name} is summed over the units too. Each unit keeps a bias of its own.": np.sum(dZ),
        f"{name} is summed over the units too. Each unit keeps its own bias.": (
            np.full_like(rows, np.sum(dZ))
        ),
        f"{name} is summed over the units, sample by sample. Which axis holds the samples?": (
            np.sum(dZ, axis=1, keepdims=True)
        ),
        f"{name} is summed over the units. Which axis holds the samples?": (np.sum(dZ, axis=1)),
    }


def one_by_one(said: Any, truth: Mapping, mistakes: Mapping) -> None:
    """As ``same_arrays``, for a dict that is filled from the top: says how far it is right."""
    if isinstance(said, Mapping):
        done: list[str] = []
        for name in truth:
            if said.get(name, ...) is ... or said[name] is None:
                right = f"So far right: {', '.join(done)}. Next: {name}." if done else ""
                raise NotAttempted(right)
            same_array(said[name], truth[name], name, mistakes.get(name))
            done.append(name)
    same_arrays(said, truth)


@exercise("03_output_layer", "3.1 The output layer")
def judge_output_layer(answer: Any) -> str:
    params, cache, y = odd_problem()
    H, y_hat = cache["H"], cache["y_hat"]
    only_arguments(answer)
    said = call(answer, H, y_hat, y)
    dy = (y_hat - y) / N
    truth = {"dy": dy, "dW2": H.T @ dy, "db2": np.sum(dy, axis=0, keepdims=True)}
    one_by_one(
        said,
        truth,
        mistakes={
            "dy": {
                "dy is divided by 20. This batch has another length.": (y_hat - y) / 20,
                "dy is divided by the number of outputs. N counts the samples: the rows.": (
                    (y_hat - y) / y.shape[1]
                ),
                "Mind the brackets: y_hat - y / N divides y alone.": y_hat - y / N,
                "dy has a square in it. The derivative of a square is not a square.": (
                    (y_hat - y) ** 2 / N
                ),
                **wrong_factors("dy", dy),
            },
            "dW2": wrong_factors("dW2", truth["dW2"]),
            "db2": {**wrong_bias("db2", dy, "dy"), **wrong_factors("db2", truth["db2"])},
        },
    )
    return "All three arrays agree, value by value, on a batch with another length and two outputs."


@exercise("03_hidden_layer", "3.2 The hidden layer")
def judge_hidden_layer(answer: Any) -> str:
    params, cache, y = odd_problem()
    X, H, W2 = cache["X"], cache["H"], params["W2"]
    dy = (cache["y_hat"] - y) / N
    only_arguments(answer)
    said = call(answer, X, H, W2, dy)
    if isinstance(said, Mapping):
        refuse_one_array_with_two_names(said)
    dH = dy @ W2.T
    dZ1 = dH * H * (1 - H)
    truth = {
        "dH": dH,
        "dZ1": dZ1,
        "dW1": X.T @ dZ1,
        "db1": np.sum(dZ1, axis=0, keepdims=True),
    }
    one_by_one(
        said,
        truth,
        mistakes={
            "dH": divided_again("dH", dH),
            "dZ1": {
                "dZ1 has the wrong sign. Is the slope of a sigmoid ever negative?": -dZ1,
                **wrong_slopes("dZ1", dH, H),
                **divided_again("dZ1", dZ1),
            },
            "dW1": {
                "dW1 is made from dH. The gradient has to pass the sigmoid first.": X.T @ dH,
                **divided_again("dW1", truth["dW1"]),
            },
            "db1": {
                "db1 is made from dH. The gradient has to pass the sigmoid first.": (
                    np.sum(dH, axis=0, keepdims=True)
                ),
                "db1 is the sum of dW1. A bias does not see the inputs: sum dZ1.": (
                    np.sum(truth["dW1"], axis=0, keepdims=True)
                ),
                **wrong_bias("db1", dZ1, "dy"),
            },
        },
    )
    return "All four arrays agree, value by value."


def wrong_slopes(name: str, dH: np.ndarray, H: np.ndarray) -> dict[str, np.ndarray]:
    twice = mlp.sigmoid(H)
    return {
        f"Mind the brackets: dH * H * 1 - H takes H away at the end; {name} is dH * H * (1 - H).": (
            dH * H - H
        ),
        f"{name} is dH itself: the slope of the sigmoid is missing.": dH,
        f"{name} is the slope of the sigmoid alone: the upstream gradient is missing.": H * (1 - H),
        f"{name} has the sigmoid applied twice: H is its output already.": dH * twice * (1 - twice),
        f"{name} has only H of the slope. What is the other factor?": dH * H,
        f"{name} has only 1 - H of the slope. What is the other factor?": dH * (1 - H),
        f"{name} has the slope of tanh in it. Here H comes out of a sigmoid.": dH * (1 - H**2),
    }


@exercise("03_backward", "3.3 The whole backward pass")
def judge_backward(answer: Any) -> str:
    params, cache, y = odd_problem()
    X, H, W2 = cache["X"], cache["H"], params["W2"]
    truth = mlp.backward(params, cache, y)
    only_arguments(answer)
    in_this_order(answer, "backward(params, cache, y)", params, cache, y)
    with watching_arguments() as changed:
        said = call(answer, params, cache, y)
    if isinstance(said, Mapping):
        for name in truth:
            if f"d{name}" in said and name not in said:
                raise Wrong(f"Name each gradient after its parameter: '{name}', not 'd{name}'.")
        updated = {
            name: params[name] - said[name] for name in truth if steps(said.get(name), params[name])
        }
        if len(updated) == len(truth) and np.ptp([*rates(updated, truth)]) < 1e-9:
            raise Wrong(
                "These are updated parameters: W minus the learning rate times dW. Return the "
                "gradient, and leave the update to training."
            )
        twenty = {name: truth[name] * N / 20 for name in truth}
        if all(
            steps(said.get(name), one) and np.allclose(said[name], one)
            for name, one in twenty.items()
        ):
            raise Wrong("Every gradient is divided by 20 somewhere. This batch has another length.")
    dy = (cache["y_hat"] - y) / N
    dH = dy @ W2.T
    dZ1 = dH * H * (1 - H)
    through_gradient = dy @ truth["W2"].T * H * (1 - H)
    refuse_updated_weights(said, truth, X.T @ through_gradient)
    same_arrays(
        said,
        truth,
        mistakes={
            "W1": {
                **{said: X.T @ wrong for said, wrong in wrong_slopes("dZ1", dH, H).items()},
                "W1 looks as if dW2 stood where W2 belongs.": X.T @ through_gradient,
                **wrong_factors("W1", truth["W1"]),
            },
            "b1": {
                "b1 is made from dH. The gradient has to pass the sigmoid first.": (
                    np.sum(dH, axis=0, keepdims=True)
                ),
                **wrong_bias("b1", dZ1, "dy"),
                **wrong_factors("b1", truth["b1"]),
            },
            "W2": wrong_factors("W2", truth["W2"]),
            "b2": {**wrong_bias("b2", dy, "dy"), **wrong_factors("b2", truth["b2"])},
        },
    )
    if changed:
        raise Wrong(
            f"The gradient is right, but your function changes {', '.join(changed)}: leave the update "
            f"to training, and whatever the cache holds to its owner."
        )
    single = [name for name in truth if np.asarray(said[name]).dtype == np.float32]
    if single:
        return (
            f"Every value agrees, to the seven digits of float32, which {', '.join(single)} came in. "
            f"The parameters are float64: notebook 07 shows what that costs a gradient check."
        )
    return "Four gradients, each with the shape of its parameter, and every value agrees."


def steps(value: Any, like: np.ndarray) -> bool:
    """Whether a value is an array of numbers with the shape of another."""
    return isinstance(value, np.ndarray) and value.shape == like.shape and value.dtype.kind == "f"


def rates(moves: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> list[float]:
    """By how many gradients each parameter was moved; nan where it was moved otherwise."""
    found = [constant_ratio(moves[name], truth[name]) for name in moves]
    return [np.nan if rate is None or rate == 0 else rate for rate in found]


def refuse_one_array_with_two_names(said: Mapping) -> None:
    """``dZ1 = dH`` makes no copy: what is done to the one in place is done to the other."""
    dH, dZ1 = said.get("dH"), said.get("dZ1")
    if isinstance(dH, np.ndarray) and isinstance(dZ1, np.ndarray) and np.shares_memory(dH, dZ1):
        raise Wrong(
            "dH and dZ1 are one array with two names: dZ1 = dH makes no copy, so *= changes both. "
            "Write dZ1 = dH * H * (1 - H)."
        )


def refuse_updated_weights(said: Any, truth: Mapping, direction: np.ndarray) -> None:
    """An updated W2 shifts dW1 by a multiple, minus the learning rate, of a known array."""
    try:
        shift = np.asarray(said["W1"], dtype=float) - truth["W1"]
    except (TypeError, ValueError, KeyError, IndexError):
        return
    if np.shape(shift) != direction.shape or not np.isfinite(shift).all():
        return
    rate = constant_ratio(shift, direction)
    if rate is not None and rate < -1e-6:
        raise Wrong(
            "W1 looks as if W2 had been updated before it was used. The gradient belongs to the "
            "weights that made the prediction."
        )


@exercise("03_falling_loss", "3.4 How far to trust a falling loss")
def judge_falling_loss(answer: Any) -> str:
    guess = number(answer, "the count")
    if guess != round(guess) or not 0 <= guess <= len(WRONG_PASSES):
        raise Wrong(f"There are {len(WRONG_PASSES)} of them: a whole number from 0 to 5.")
    truth = wrong_passes_that_end_lower()
    if guess == 0:
        raise Wrong("None: so one would hope. Some wrong gradients do better than that.")
    if guess < truth:
        raise Wrong("More than that. A wrong gradient may point downhill all the same.")
    if guess > truth:
        raise Wrong("Not quite so many. Some of these mistakes do hold the network back.")
    return f"{truth} of the {len(WRONG_PASSES)} end lower than the right gradient does."


@exercise("03_weighted", "3.5 A line of your own")
def judge_weighted(answer: Any) -> str:
    stream = np.random.RandomState(5)
    y_hat, y = stream.normal(size=(2, N, 2))
    weights = stream.uniform(0.2, 3, size=(N, 1))
    only_arguments(answer)
    said = call(answer, y_hat, y, weights)
    truth = weights * (y_hat - y) / N
    same_array(
        said,
        truth,
        "dy",
        mistakes={
            "The weights are missing: that is dy of the plain loss.": (y_hat - y) / N,
            "The weight stands in front of the square, not inside it: it is not squared.": (
                weights**2 * (y_hat - y) / N
            ),
            "The sum is divided by N here, not by the sum of the weights.": (
                weights * (y_hat - y) / np.sum(weights)
            ),
            "dy has a square in it. The derivative of a square is not a square.": (
                weights * (y_hat - y) ** 2 / N
            ),
            "The weight multiplies the whole error, the target too: mind the brackets.": (
                (weights * y_hat - y) / N
            ),
            "The weight is a factor of the loss, so it is one of its slope: do not divide.": (
                (y_hat - y) / weights / N
            ),
            "dy is divided by 20. This batch has another length.": weights * (y_hat - y) / 20,
            **wrong_factors("dy", truth),
        },
    )
    return (
        "The weight of a sample is a factor of its slope. Everything further back stays as it is."
    )


@lru_cache
def wrong_passes_that_end_lower() -> int:
    """Train with the right gradient and each wrong one, from the notebook's start, and count."""
    X, y = paraboloid()

    def final_loss(backward: Any) -> float:
        return mlp.train(mlp.init_params(seed=1), X, y, backward=backward)[-1]

    right = final_loss(mlp.backward)
    return sum(final_loss(CATALOGUE[name].function) < right for name in WRONG_PASSES)
