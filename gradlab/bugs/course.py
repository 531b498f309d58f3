"""Bugs in the backward pass of the course's network: arithmetic, the chain, the biases, shapes.

The functions with a bug are exhibits, here and in the modules beside this one: they are written as
their authors would have written them, but for the type hints, and the comment marks the line that
is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from gradlab import mlp
from gradlab.bugs.entry import CAUGHT, HIDDEN, Bug
from gradlab.bugs.networks import (
    COURSE,
    Arrays,
    Backward,
    Problem,
    concatenated,
    course_problem,
    on,
    rows_summed,
)
from gradlab.validation import Params

# --- Arithmetic: a factor, a sign -----------------------------------------------------------------


def missing_mean(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = y_hat - y  # not divided by N
    dZ1 = dy @ params["W2"].T * H * (1 - H)
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def mean_twice(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * H * (1 - H) / len(y)  # dy was divided already
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def factor_two(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = 2 * (y_hat - y) / len(y)  # the loss has a 1/2
    dZ1 = dy @ params["W2"].T * H * (1 - H)
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def wrong_sign(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y - y_hat) / len(y)  # the other way round
    dZ1 = dy @ params["W2"].T * H * (1 - H)
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def one_wrong_sign(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * H * (1 - H)
    return {"W1": -X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


# --- The chain through the hidden layer -----------------------------------------------------------


def derivative_of_activation(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    slope = mlp.sigmoid(H) * (1 - mlp.sigmoid(H))  # H is activated already
    dZ1 = dy @ params["W2"].T * slope
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def derivative_of_preactivation(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    Z1 = X @ params["W1"] + params["b1"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * Z1 * (1 - Z1)  # a (1 - a) wants the activation
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def missing_derivative(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T  # without H * (1 - H)
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def updated_w2(params: Params, cache: Params, y: np.ndarray, learning_rate: float = 0.1) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dW2 = H.T @ dy
    W2 = params["W2"] - learning_rate * dW2  # updated before it is used
    dZ1 = dy @ W2.T * H * (1 - H)
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": dW2, "b2": rows_summed(dy)}


def gradient_for_weight(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dW2 = H.T @ dy
    dZ1 = dy @ dW2.T * H * (1 - H)  # dW2 where W2 belongs
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": dW2, "b2": rows_summed(dy)}


# --- Biases and shapes ----------------------------------------------------------------------------


def bias_not_summed(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * H * (1 - H)
    return {"W1": X.T @ dZ1, "b1": dZ1, "W2": H.T @ dy, "b2": rows_summed(dy)}


def bias_averaged(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * H * (1 - H)
    return {
        "W1": X.T @ dZ1,
        "b1": np.mean(dZ1, axis=0, keepdims=True),  # dy was divided already
        "W2": H.T @ dy,
        "b2": np.mean(dy, axis=0, keepdims=True),
    }


def bias_summed_to_scalar(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * H * (1 - H)
    db1 = np.full(params["b1"].shape, np.sum(dZ1))  # summed over the units too
    return {"W1": X.T @ dZ1, "b1": db1, "W2": H.T @ dy, "b2": rows_summed(dy)}


def bias_through_inputs(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * H * (1 - H)
    dW1 = X.T @ dZ1
    return {"W1": dW1, "b1": rows_summed(dW1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def bias_forgotten(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * H * (1 - H)
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": np.zeros((1, 1))}


def weights_transposed(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * H * (1 - H)
    return {"W1": dZ1.T @ X, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


# --- State: what an earlier call left behind ------------------------------------------------------


def clipped(params: Params, cache: Params, y: np.ndarray, limit: float = 0.01) -> Arrays:
    grads = mlp.backward(params, cache, y)
    return {name: np.clip(gradient, -limit, limit) for name, gradient in grads.items()}


class NotZeroed:
    def __init__(self) -> None:
        self.grads: Arrays = {}

    def __call__(self, params: Params, cache: Params, y: np.ndarray) -> Arrays:
        for name, gradient in mlp.backward(params, cache, y).items():
            self.grads[name] = self.grads.get(name, 0) + gradient  # added to the last call's
        return dict(self.grads)


def other_batch(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    _, last = mlp.forward(params, np.roll(X, 1, axis=0))
    H = last["H"]  # the activations of another batch
    dZ1 = dy @ params["W2"].T * H * (1 - H)
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


# --- The settings ---------------------------------------------------------------------------------


def zero_w2(params: Arrays, X: np.ndarray, y: np.ndarray) -> None:
    """The output weights start at zero, as some initialisations have it."""
    params["W2"][...] = 0


def rows_sum_to_one(params: Arrays, X: np.ndarray, y: np.ndarray) -> None:
    """Inputs whose features are shares of a whole."""
    X[:, 1] = 1 - X[:, 0]


def output_layer(problem: Problem) -> Problem:
    """The same problem for W2 and b2 alone: the hidden layer is left out of the check."""
    loss, params, grads = problem
    hidden = {name: params[name] for name in ("W1", "b1")}
    names = ("W2", "b2")
    return Problem(
        lambda output: loss({**hidden, **output}),
        {name: params[name] for name in names},
        {name: grads[name] for name in names},
    )


def concatenated_and_saturated(backward: Backward) -> Callable[[int], Problem]:
    """Saturated hidden units, and one relative error for all the arrays laid end to end."""

    def saturate(params: Arrays, X: np.ndarray, y: np.ndarray) -> None:
        params["b1"] += 25

    def problem(seed: int) -> Problem:
        loss, params, grads = course_problem(backward, seed, prepare=saturate)
        return concatenated(loss, params, grads)

    return problem


def second_call(calls: int) -> Callable[[int], Problem]:
    """Call a backward pass with a memory ``calls`` times, and check what the last call gives."""

    def problem(seed: int) -> Problem:
        backward = NotZeroed()
        for _ in range(calls - 1):
            course_problem(backward, seed)
        return course_problem(backward, seed)

    return problem


ENTRIES = (
    Bug(
        name="missing_mean",
        title="Missing 1/N",
        wrong="The loss is a mean over the batch, the gradient is that of the sum.",
        reported="dennybritz/nn-from-scratch#13; hunkim/DeepLearningZeroToAll#173",
        function=missing_mean,
        kind=HIDDEN,
        ordinary=on(COURSE, missing_mean),
        hiding=on(COURSE, missing_mean, samples=1),
        hidden_by="a batch of one sample",
        errors={"W1": 0.9, "b1": 0.9, "W2": 0.9, "b2": 0.9},
        revealed_by="Any batch of two or more: every array is too large by the factor N.",
    ),
    Bug(
        name="mean_twice",
        title="1/N applied twice",
        wrong="The hidden layer divides by N although dy was divided already.",
        reported="community.deeplearning.ai/t/63071; deeplearning4j/deeplearning4j#366",
        function=mean_twice,
        kind=HIDDEN,
        ordinary=on(COURSE, mean_twice),
        hiding=on(COURSE, mean_twice, samples=1),
        hidden_by="a batch of one sample",
        errors={"W1": 0.9, "b1": 0.9},
        revealed_by="A batch of two or more: W1 and b1 are too small by the factor N, W2 and b2 fit.",
    ),
    Bug(
        name="factor_two",
        title="Factor 2",
        wrong="The gradient of the plain square, for a loss with a 1/2 in it.",
        reported="compare davisking/dlib#1169 and Open-Deep-ML/DML-OpenProblem#54: the 2 is missing",
        function=factor_two,
        kind=CAUGHT,
        ordinary=on(COURSE, factor_two),
        errors={"W1": 0.3, "b1": 0.3, "W2": 0.3, "b2": 0.3},
        revealed_by="The ratio analytic to numeric is 2 in every entry.",
    ),
    Bug(
        name="wrong_sign",
        title="Wrong sign everywhere",
        wrong="dy is target minus prediction: the gradient points downhill.",
        reported="dennybritz/nn-from-scratch#11; dragen1860/Deep-Learning-with-TensorFlow-book#134",
        function=wrong_sign,
        kind=CAUGHT,
        ordinary=on(COURSE, wrong_sign),
        errors={"W1": 1, "b1": 1, "W2": 1, "b2": 1},
        revealed_by="The ratio analytic to numeric is -1 in every entry.",
    ),
    Bug(
        name="one_wrong_sign",
        title="Wrong sign in one array",
        wrong="dW1 has a minus where the other arrays have none.",
        reported="iamtrask/Grokking-Deep-Learning, chapter 10, 'kernels -='",
        function=one_wrong_sign,
        kind=HIDDEN,
        ordinary=on(COURSE, one_wrong_sign),
        hiding=concatenated_and_saturated(one_wrong_sign),
        hidden_by="saturated hidden units, and one relative error over all arrays laid end to end",
        hiding_verdict="wrong",
        errors={"W1": 1},
        revealed_by="One relative error per array.",
    ),
    Bug(
        name="derivative_of_activation",
        title="Derivative of the activated value",
        wrong="sigma' is a function of Z1, and is given H = sigma(Z1).",
        reported="dwhitena/gophernet#6; davidrmiller/neural2d#40",
        function=derivative_of_activation,
        kind=CAUGHT,
        ordinary=on(COURSE, derivative_of_activation),
        errors={"W1": 0.1, "b1": 0.03},
        revealed_by="W1 and b1 are wrong, W2 and b2 right: the fault lies between dH and dZ1.",
    ),
    Bug(
        name="derivative_of_preactivation",
        title="a(1 - a) of the pre-activation",
        wrong="The shortcut a(1 - a) is a function of H, and is given Z1.",
        reported="BoltzmannEntropy/interviews.ai#15",
        function=derivative_of_preactivation,
        kind=HIDDEN,
        ordinary=on(COURSE, derivative_of_preactivation),
        hiding=lambda seed: output_layer(course_problem(derivative_of_preactivation, seed)),
        hidden_by="a check of the output layer alone",
        errors={"W1": 0.9, "b1": 0.9},
        revealed_by="A check of every array, the first layer's above all.",
    ),
    Bug(
        name="missing_derivative",
        title="σ′ left out",
        wrong="dZ1 is dH: the factor H(1 - H) is missing.",
        reported=(
            "Bot-Academy/NeuralNetworkFromScratch#3; blog.primen.dk/numerical-gradient-checking"
        ),
        function=missing_derivative,
        kind=HIDDEN,
        ordinary=on(COURSE, missing_derivative),
        hiding=on(COURSE, missing_derivative, prepare=zero_w2),
        hidden_by="output weights that start at zero: dH is zero, and 0 = 0 proves nothing",
        errors={"W1": 0.6, "b1": 0.6},
        revealed_by="Random weights in every layer.",
        hiding_verdict="unused",
    ),
    Bug(
        name="updated_w2",
        title="The already updated W2",
        wrong="W2 is updated first, and dH is computed with the new W2.",
        reported=(
            "joelgrus/data-science-from-scratch#31; CodingTrain/Toy-Neural-Network-JS#72; "
            "VikParuchuri/zero_to_gpt#12; kim-marcel/basic_neural_network#7"
        ),
        function=updated_w2,
        kind=HIDDEN,
        ordinary=on(COURSE, updated_w2),
        hiding=on(COURSE, partial(updated_w2, learning_rate=1e-8)),
        hidden_by="a tiny learning rate, 1e-8, against a fixed cutoff of 1e-7",
        errors={"W1": 0.05, "b1": 0.05},
        revealed_by="A learning rate of ordinary size; or a check judged by its error bars alone.",
        hiding_verdict="wrong or close",
    ),
    Bug(
        name="gradient_for_weight",
        title="dW2 in place of W2",
        wrong="dH is computed with the gradient of W2 instead of W2.",
        reported="community.deeplearning.ai/t/402919",
        function=gradient_for_weight,
        kind=CAUGHT,
        ordinary=on(COURSE, gradient_for_weight),
        errors={"W1": 0.7, "b1": 0.7},
        revealed_by="W1 and b1 are wrong, W2 and b2 right.",
    ),
    Bug(
        name="bias_not_summed",
        title="Bias gradient not summed",
        wrong="db1 keeps a row for each sample.",
        reported="jimfleming/differentiation#1; mlpack/mlpack#3679",
        function=bias_not_summed,
        kind=HIDDEN,
        ordinary=on(COURSE, bias_not_summed),
        hiding=on(COURSE, bias_not_summed, samples=1),
        hidden_by="a batch of one sample: the sum has one term, and the shape fits",
        errors={"b1": np.inf},
        revealed_by="The shape, (20, 5) against (1, 5), if the check compares shapes.",
        verdict="refused",
    ),
    Bug(
        name="bias_averaged",
        title="Bias gradient averaged",
        wrong="The mean over the batch instead of the sum: dy was divided by N already.",
        reported="kvfrans/notes#5",
        function=bias_averaged,
        kind=HIDDEN,
        ordinary=on(COURSE, bias_averaged),
        hiding=on(COURSE, bias_averaged, samples=1),
        hidden_by="a batch of one sample",
        errors={"b1": 0.9, "b2": 0.9},
        revealed_by="Both biases are too small by the factor N, the weights fit.",
    ),
    Bug(
        name="bias_summed_to_scalar",
        title="Bias gradient summed over the units too",
        wrong="One sum over the whole of dZ1, spread over the units by broadcasting.",
        reported="rasbt/stat453-deep-learning-ss21#5",
        function=bias_summed_to_scalar,
        kind=HIDDEN,
        ordinary=on(COURSE, bias_summed_to_scalar),
        hiding=on(COURSE, bias_summed_to_scalar, sizes=(2, 1, 1)),
        hidden_by="a single hidden unit",
        errors={"b1": 0.6},
        revealed_by="Two units or more: all entries of db1 are equal.",
    ),
    Bug(
        name="bias_through_inputs",
        title="Bias gradient through the inputs",
        wrong="db1 sums the rows of dW1 = X^T dZ1 instead of those of dZ1.",
        reported="rust0258/Deeplearning.ai-Natural-Language-Processing-Specialization#64",
        function=bias_through_inputs,
        kind=HIDDEN,
        ordinary=on(COURSE, bias_through_inputs),
        hiding=on(COURSE, bias_through_inputs, prepare=rows_sum_to_one),
        hidden_by="inputs whose rows sum to 1",
        errors={"b1": 1},
        revealed_by="Generic inputs.",
    ),
    Bug(
        name="bias_forgotten",
        title="Bias gradient forgotten",
        wrong="db2 stays zero.",
        reported="blog.primen.dk/numerical-gradient-checking",
        function=bias_forgotten,
        kind=CAUGHT,
        ordinary=on(COURSE, bias_forgotten),
        errors={"b2": 1},
        revealed_by="The analytic value is exactly 0, the numeric one is not.",
    ),
    Bug(
        name="weights_transposed",
        title="dW1 transposed",
        wrong="dZ1^T X instead of X^T dZ1.",
        reported="iamtrask/Grokking-Deep-Learning#22; nntrainer/nntrainer#705",
        function=weights_transposed,
        kind=CAUGHT,
        ordinary=on(COURSE, weights_transposed),
        errors={"W1": np.inf},
        revealed_by="The shape, (5, 2) against (2, 5).",
        verdict="refused",
    ),
    Bug(
        name="weights_transposed_square",
        title="dW1 transposed, square",
        wrong="dZ1^T X instead of X^T dZ1, where both have the shape (2, 2).",
        reported="iamtrask/Grokking-Deep-Learning#22; nntrainer/nntrainer#705",
        function=weights_transposed,
        kind=CAUGHT,
        ordinary=on(COURSE, weights_transposed, sizes=(2, 2, 1)),
        errors={"W1": 0.4},
        revealed_by="The shape fits, the values do not; the diagonal does.",
    ),
    Bug(
        name="clipped",
        title="Gradient clipped inside backward",
        wrong="backward returns the clipped gradient, which is no longer the loss's.",
        reported="Andrej Karpathy, min-char-rnn, lossFun",
        function=clipped,
        kind=HIDDEN,
        ordinary=on(COURSE, clipped),
        hiding=on(COURSE, partial(clipped, limit=5.0)),
        hidden_by="a limit of 5, above every entry of the gradient",
        errors={"W1": 0.4, "b1": 0.8, "W2": 1, "b2": 1},
        revealed_by="A point with a large gradient: all wrong entries have the same size.",
    ),
    Bug(
        name="not_zeroed",
        title="Gradients not zeroed",
        wrong="Each backward call adds to what the last one left.",
        reported="karpathy/micrograd#53; karpathy/micrograd#102",
        function=NotZeroed,
        kind=HIDDEN,
        ordinary=second_call(2),
        hiding=second_call(1),
        hidden_by="checking the first backward call of a fresh process",
        errors={"W1": 0.3, "b1": 0.3, "W2": 0.3, "b2": 0.3},
        revealed_by="Calling backward twice: the second answer is twice the first.",
    ),
    Bug(
        name="other_batch",
        title="Activations of another batch",
        wrong="The cache holds H of another batch than X and y.",
        reported="no report known; a validation batch between forward and backward does it",
        function=other_batch,
        kind=HIDDEN,
        ordinary=on(COURSE, other_batch),
        hiding=on(COURSE, other_batch, samples=1),
        hidden_by="a batch of one sample, when every batch is the same",
        errors={"W1": 0.1, "b1": 0.007, "W2": 0.01},
        revealed_by="Samples that differ: everything that uses H is wrong, b2 is right.",
    ),
)
