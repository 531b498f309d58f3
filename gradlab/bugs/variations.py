"""Bugs in small variations of the network: activations, penalties, a bias left out."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from gradlab import mlp
from gradlab.bugs.entry import CAUGHT, HIDDEN, Bug
from gradlab.bugs.networks import (
    COURSE,
    GELU,
    RELU,
    TANH,
    Arrays,
    Network,
    Problem,
    course_problem,
    l1,
    l2,
    on,
    rows_summed,
)
from gradlab.validation import Params

# --- Activations ----------------------------------------------------------------------------------


def tanh_for_derivative(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * H  # tanh itself; its derivative is 1 - H**2
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def relu_tests_output(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * (H >= 0)  # the output of a ReLU is never negative
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def relu_of_gradient(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = np.maximum(dy @ params["W2"].T, 0) * (H > 0)  # the gradient is clipped as well
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def gelu_exact_derivative(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, Z1, H, y_hat = cache["X"], cache["Z1"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    cumulative = 0.5 * (1 + np.vectorize(math.erf)(Z1 / np.sqrt(2)))
    density = np.exp(-(Z1**2) / 2) / np.sqrt(2 * np.pi)
    dZ1 = dy @ params["W2"].T * (cumulative + Z1 * density)  # of the erf form, not the tanh form
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def all_active(params: Arrays, X: np.ndarray, y: np.ndarray) -> None:
    """Every ReLU on: positive weights and biases on positive inputs."""
    X[...] = np.abs(X)
    params["W1"][...] = np.abs(params["W1"])
    params["b1"][...] = np.abs(params["b1"]) + 0.1


def all_dead(params: Arrays, X: np.ndarray, y: np.ndarray) -> None:
    """Every ReLU off, at every sample."""
    params["b1"] -= 10


# --- Penalties ------------------------------------------------------------------------------------


def penalty_forgotten(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    return mlp.backward(params, cache, y)  # the loss has an L2 term


def penalty_not_in_loss(
    params: Params, cache: Params, y: np.ndarray, strength: float = 0.1
) -> Arrays:
    grads = mlp.backward(params, cache, y)
    for name in ("W1", "W2"):
        grads[name] = grads[name] + strength * params[name]  # the loss has no L2 term
    return grads


def bias_penalty_forgotten(
    params: Params, cache: Params, y: np.ndarray, strength: float = 0.1
) -> Arrays:
    grads = mlp.backward(params, cache, y)
    for name in ("W1", "W2"):  # the loss penalises b1 and b2 too
        grads[name] = grads[name] + strength * params[name]
    return grads


def l1_as_l2(params: Params, cache: Params, y: np.ndarray, strength: float = 0.1) -> Arrays:
    grads = mlp.backward(params, cache, y)
    for name in ("W1", "W2"):
        grads[name] = grads[name] + strength * params[name]  # the slope of |w| is sign(w)
    return grads


def l1_halved_in_loss(
    params: Params, cache: Params, y: np.ndarray, strength: float = 0.1
) -> Arrays:
    grads = mlp.backward(params, cache, y)
    for name in ("W1", "W2"):
        grads[name] = grads[name] + strength * np.sign(params[name])  # the loss has strength / 2
    return grads


def penalty_per_sample(
    params: Params, cache: Params, y: np.ndarray, strength: float = 0.1
) -> Arrays:
    grads = mlp.backward(params, cache, y)
    for name in ("W1", "W2"):  # the loss adds the penalty once for each sample
        grads[name] = grads[name] + strength * params[name]
    return grads


def penalty_times_samples(seed: int, samples: int = 20) -> Problem:
    """The problem of a loss that adds its penalty inside the loop over the samples."""
    network = l2(0.1 * samples)
    return course_problem(penalty_per_sample, seed, samples, network=network)


def zero_biases(params: Arrays, X: np.ndarray, y: np.ndarray) -> None:
    """Biases as they are initialised."""
    params["b1"][...] = 0
    params["b2"][...] = 0


# --- A parameter that is never used ---------------------------------------------------------------


def forward_without_bias(params: Params, X: np.ndarray) -> tuple[np.ndarray, Arrays]:
    H = mlp.sigmoid(X @ params["W1"])  # b1 is not added
    y_hat = H @ params["W2"] + params["b2"]
    return y_hat, {"X": X, "H": H, "y_hat": y_hat}


def no_bias_gradient(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    return mlp.backward(params, cache, y) | {"b1": np.zeros_like(params["b1"])}


WITHOUT_BIAS = Network(forward_without_bias, no_bias_gradient)


ENTRIES = (
    Bug(
        name="tanh_for_derivative",
        title="tanh' returns tanh",
        wrong="The derivative of tanh is 1 - tanh**2; this one is tanh itself.",
        reported="andersbll/nnet#4",
        function=tanh_for_derivative,
        kind=CAUGHT,
        ordinary=on(TANH, tanh_for_derivative),
        errors={"W1": 0.6, "b1": 0.7},
        revealed_by="W1 and b1 are wrong, W2 and b2 right.",
    ),
    Bug(
        name="relu_tests_output",
        title="ReLU' tests the output with >=",
        wrong="The slope is 1 where the output is >= 0, which is everywhere.",
        reported="iamtrask/Grokking-Deep-Learning#9; iamtrask/Grokking-Deep-Learning#13",
        function=relu_tests_output,
        kind=HIDDEN,
        ordinary=on(RELU, relu_tests_output),
        hiding=on(RELU, relu_tests_output, prepare=all_active),
        hidden_by="inputs and weights for which every unit is active",
        errors={"W1": 0.5, "b1": 0.3},
        revealed_by="Units that are off for some samples.",
    ),
    Bug(
        name="relu_of_gradient",
        title="ReLU applied to the gradient",
        wrong="Negative entries of dH are set to zero along with those of inactive units.",
        reported="exacity/deeplearningbook-chinese#127, a translation that said so",
        function=relu_of_gradient,
        kind=HIDDEN,
        ordinary=on(RELU, relu_of_gradient),
        hiding=on(RELU, relu_of_gradient, prepare=all_dead),
        hidden_by="units that are all off: 0 = 0 proves nothing",
        errors={"W1": 0.3, "b1": 0.2},
        revealed_by="A point at which units are active.",
        hiding_verdict="unused",
    ),
    Bug(
        name="gelu_exact_derivative",
        title="GELU: derivative of the other form",
        wrong="The forward pass uses the tanh approximation, the derivative belongs to the erf form.",
        reported="ddbourgin/numpy-ml, GELU.grad",
        function=gelu_exact_derivative,
        kind=HIDDEN,
        ordinary=on(GELU, gelu_exact_derivative),
        hiding=on(GELU, gelu_exact_derivative),
        hidden_by="a cutoff of 1e-2",
        hiding_cutoff=1e-2,
        errors={"W1": 2e-4, "b1": 1e-4},
        revealed_by="A cutoff near the noise: the error is small and does not depend on eps.",
        hiding_verdict="wrong",
    ),
    Bug(
        name="penalty_forgotten",
        title="L2 gradient forgotten",
        wrong="The loss has an L2 penalty, the gradient has not.",
        reported="Artelnics/opennn#241",
        function=penalty_forgotten,
        kind=HIDDEN,
        ordinary=on(l2(0.1), penalty_forgotten),
        hiding=on(l2(0.0), penalty_forgotten),
        hidden_by="a check with the penalty switched off",
        errors={"W1": 0.8, "W2": 0.05},
        revealed_by="lambda > 0: the difference is proportional to the weights.",
    ),
    Bug(
        name="penalty_not_in_loss",
        title="L2 term in the gradient only",
        wrong="The gradient has the L2 term, the loss has not.",
        reported="0809zheng/CS231n-assignment2019, linear_svm.py, svm_loss_vectorized",
        function=penalty_not_in_loss,
        kind=HIDDEN,
        ordinary=on(COURSE, penalty_not_in_loss),
        hiding=on(COURSE, partial(penalty_not_in_loss, strength=5e-6)),
        hidden_by="the small lambda that the course in question sets, 5e-6, and a cutoff of 1e-2",
        hiding_cutoff=1e-2,
        errors={"W1": 0.8, "W2": 0.05},
        revealed_by="A larger lambda: the difference is proportional to the weights.",
        hiding_verdict="wrong",
    ),
    Bug(
        name="bias_penalty_forgotten",
        title="Bias penalty forgotten",
        wrong="The loss penalises weights and biases, the gradient only weights.",
        reported="Burton2000/CS231n-2017#9",
        function=bias_penalty_forgotten,
        kind=HIDDEN,
        ordinary=on(l2(0.1, ("W1", "b1", "W2", "b2")), bias_penalty_forgotten),
        hiding=on(l2(0.1, ("W1", "b1", "W2", "b2")), bias_penalty_forgotten, prepare=zero_biases),
        hidden_by="zero biases, as they are initialised",
        errors={"b1": 0.2, "b2": 0.01},
        revealed_by="Random biases.",
    ),
    Bug(
        name="l1_as_l2",
        title="L1 with the gradient of L2",
        wrong="The loss has lambda |w|, the gradient lambda w.",
        reported="rasbt/python-machine-learning-book, code/optional-py-scripts/ch12.py",
        function=l1_as_l2,
        kind=HIDDEN,
        ordinary=on(l1(0.1), l1_as_l2),
        hiding=on(l1(0.0), partial(l1_as_l2, strength=0.0)),
        hidden_by="a check with the penalty switched off",
        errors={"W1": 0.4, "W2": 0.08},
        revealed_by="lambda > 0.",
    ),
    Bug(
        name="l1_halved_in_loss",
        title="L1 halved in the loss only",
        wrong="The loss has lambda/2 |w|, the gradient lambda sign(w).",
        reported="rasbt/python-machine-learning-book, chapter 12",
        function=l1_halved_in_loss,
        kind=HIDDEN,
        ordinary=on(l1(0.05), l1_halved_in_loss),
        hiding=on(l1(0.0), partial(l1_halved_in_loss, strength=0.0)),
        hidden_by="a check with the penalty switched off, as its own gradient check had it",
        errors={"W1": 0.3, "W2": 0.06},
        revealed_by="lambda > 0: the difference is the same size in every weight.",
    ),
    Bug(
        name="penalty_per_sample",
        title="Penalty once per sample",
        wrong="The loss adds the penalty inside the loop over the samples.",
        reported="MichalDanielDobrzanski/DeepLearningPython, network2.py",
        function=penalty_per_sample,
        kind=HIDDEN,
        ordinary=penalty_times_samples,
        hiding=partial(penalty_times_samples, samples=1),
        hidden_by="a batch of one sample",
        errors={"W1": 0.9, "W2": 0.6},
        revealed_by="Two samples or more: the difference is proportional to the weights.",
    ),
    Bug(
        name="bias_never_used",
        title="Bias missing from the forward pass",
        wrong="The forward pass never adds b1.",
        reported="compare ddbourgin/numpy-ml#42, an LSTM in which a gate used another gate's bias",
        function=forward_without_bias,
        kind=HIDDEN,
        ordinary=on(WITHOUT_BIAS, mlp.backward),
        hiding=on(WITHOUT_BIAS, no_bias_gradient),
        hidden_by="a backward pass that agrees: db1 = 0, and 0/0 passes",
        errors={"b1": 1},
        revealed_by="Asking whether every parameter changes the loss: the verdict 'unused'.",
        hiding_verdict="unused",
    ),
)
