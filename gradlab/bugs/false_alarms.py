"""Right gradients that a classical check calls wrong: kinks, noise, precision, zeros.

The function of each entry is the right one: what is at fault is the way it was checked.
"""

from __future__ import annotations

import numpy as np

from gradlab import formats, mlp
from gradlab.bugs.entry import FALSE_ALARM, Bug
from gradlab.bugs.layers import OVERLAPPING, pooled
from gradlab.bugs.networks import (
    COURSE,
    RELU,
    Arrays,
    Network,
    Problem,
    batch_norm,
    draw,
    dropout,
    max_pool,
    on,
    rows_summed,
)
from gradlab.validation import Params


def relu_backward(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, Z1, H, y_hat = cache["X"], cache["Z1"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * (Z1 > 0)
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def on_the_kink(params: Arrays, X: np.ndarray, y: np.ndarray) -> None:
    """A sample of zeros and zero biases: every pre-activation of that sample is exactly 0."""
    X[0] = 0
    params["b1"][...] = 0


def near_the_kink(params: Arrays, X: np.ndarray, y: np.ndarray) -> None:
    """The pre-activation of one unit at the first sample is 5e-6, less than the step of 1e-5."""
    Z1 = X @ params["W1"] + params["b1"]
    params["b1"][0, 0] += 5e-6 - Z1[0, 0]


def tie_at_one_sample(params: Arrays, X: np.ndarray, y: np.ndarray) -> None:
    """The first two hidden units are equal at the first sample: their maximum has a kink."""
    Z1 = X[0] @ params["W1"]
    params["b1"][0, 1] = params["b1"][0, 0] + Z1[0] - Z1[1]


def mask_redrawn_by_forward(seed: int) -> Problem:
    """Dropout that draws a new mask whenever the loss is evaluated."""
    params, X, y = draw(seed)
    rng = np.random.RandomState(seed)

    def redrawn() -> Network:
        return dropout((rng.uniform(size=(len(y), 5)) < 0.6) / 0.6)

    grads = redrawn().at(params, X, y).grads
    return Problem(lambda p: redrawn().loss_function(X, y)(p), params, grads)


def integer_weights(seed: int) -> Problem:
    """W1 holds whole numbers, in an array of integers: a step of eps becomes 0, or 1."""
    params, X, y = draw(seed)
    params["W1"] = np.random.RandomState(seed).permutation(np.arange(-5, 6))[:10].reshape(2, 5)
    return COURSE.at(params, X, y)


def single_precision(seed: int) -> Problem:
    """Everything in float32."""
    params, X, y = draw(seed)
    params = {name: array.astype(np.float32) for name, array in params.items()}
    X, y = X.astype(np.float32), y.astype(np.float32)
    return COURSE.at(params, X, y)


def single_precision_inside(seed: int) -> Problem:
    """float64 outside, float32 inside: the loss casts what it is given."""
    params, X, y = draw(seed)
    loss = mlp.loss_function(X.astype(np.float32), y.astype(np.float32))

    def casting_loss(params: Params) -> float:
        return loss({name: array.astype(np.float32) for name, array in params.items()})

    return Problem(casting_loss, params, COURSE.at(params, X, y).grads)


def half_precision_backward(seed: int) -> Problem:
    """A right backward pass in bfloat16, for a loss in float64: every product is rounded."""
    params, X, y = draw(seed)
    p, inputs, targets = (_bfloat16(part) for part in (params, {"X": X}, {"y": y}))
    cache = {
        name: formats.rounded(a, "bfloat16") for name, a in mlp.forward(p, inputs["X"])[1].items()
    }
    grads = mlp.backward(p, cache, targets["y"])
    return Problem(mlp.loss_function(X, y), params, _bfloat16(grads))


def _bfloat16(arrays: Params) -> Arrays:
    return {name: formats.rounded(array, "bfloat16") for name, array in arrays.items()}


def tiny_weights(params: Arrays, X: np.ndarray, y: np.ndarray) -> None:
    """Weights of scale 1e-4: the gradient of W1 is tiny beside the loss."""
    params["W1"] *= 1e-4
    params["W2"] *= 1e-4


def at_a_minimum(params: Arrays, X: np.ndarray, y: np.ndarray) -> None:
    """The targets are what the network predicts: loss and gradient are exactly zero."""
    y[...] = mlp.forward(params, X)[0]


def bias_before_batch_norm(seed: int) -> Problem:
    """A bias that batch normalisation subtracts again: its gradient is exactly zero."""
    params, X, y = draw(seed)
    inner = {"gamma": np.ones((1, 5)), "beta": np.zeros((1, 5))}
    network = batch_norm()

    def centred(params: Params) -> Arrays:
        # W1 and b1 as one array: a column of ones in front of the inputs.
        return inner | {
            "W1": np.concatenate([params["b1"], params["W1"]], axis=-2),
            "W2": params["W2"],
            "b2": params["b2"],
        }

    X = np.hstack([np.ones((len(X), 1)), X])
    loss, _, grads = network.at(centred(params), X, y)
    dW1 = grads["W1"]
    return Problem(
        lambda p: loss(centred(p)),
        params,
        {"W1": dW1[1:], "b1": dW1[:1], "W2": grads["W2"], "b2": grads["b2"]},
    )


ENTRIES = (
    Bug(
        name="relu_at_zero",
        title="ReLU exactly at zero",
        wrong="Nothing: the loss has a kink here, and the difference reads half of each slope.",
        reported="trusthlt/nlp-with-deep-learning-lectures#4",
        function=relu_backward,
        kind=FALSE_ALARM,
        ordinary=on(RELU, relu_backward, prepare=on_the_kink),
        errors={"b1": 0.03},
        revealed_by="One-sided differences that disagree; or other data and random biases.",
        verdict="kink",
    ),
    Bug(
        name="relu_near_zero",
        title="ReLU within a step of zero",
        wrong="Nothing: the step of 1e-5 crosses a kink 5e-6 away.",
        reported="deeplearning4j/deeplearning4j#1280; chainer/chainer#2650",
        function=relu_backward,
        kind=FALSE_ALARM,
        ordinary=on(RELU, relu_backward, prepare=near_the_kink),
        errors={"W1": 0.003, "b1": 0.004},
        revealed_by="A smaller step, or another seed.",
        verdict="ok",
    ),
    Bug(
        name="max_pool_tie",
        title="A tie in max-pooling",
        wrong="Nothing: two units are equal at one sample, and either of them is a valid choice.",
        reported="facebookresearch/CrypTen#90; Theano/Theano#5404; tensorflow/tensorflow#4886",
        function=max_pool,
        kind=FALSE_ALARM,
        ordinary=pooled(OVERLAPPING, prepare=tie_at_one_sample),
        errors={"W1": 0.02, "b1": 0.01},
        revealed_by="One-sided differences that disagree; or weights without ties.",
        verdict="kink",
    ),
    Bug(
        name="random_forward",
        title="Dropout redrawn in every forward pass",
        wrong="Nothing in the gradient: the loss is another function at every call.",
        reported="torch/tutorials#25; HomericIntelligence/Odyssey#2090",
        function=mask_redrawn_by_forward,
        kind=FALSE_ALARM,
        ordinary=mask_redrawn_by_forward,
        errors={"W1": 1, "b1": 1, "W2": 1, "b2": 1},
        revealed_by="Evaluating the loss twice at one point.",
        verdict="random",
    ),
    Bug(
        name="integer_parameters",
        title="Integer parameters",
        wrong="Nothing in the gradient: an array of integers turns a step of eps into 0 or 1.",
        reported="oreilly-japan/deep-learning-from-scratch#51",
        function=integer_weights,
        kind=FALSE_ALARM,
        ordinary=integer_weights,
        errors={"W1": 1},
        revealed_by="Looking at the dtype before anything is evaluated.",
        verdict="refused",
    ),
    Bug(
        name="float32",
        title="float32 with a step for float64",
        wrong="Nothing: at eps = 1e-5 the difference of two float32 losses is mostly rounding.",
        reported="PaddlePaddle/Paddle#4283; chainer/chainer#3046; pytorch/pytorch#8659",
        function=mlp.backward,
        kind=FALSE_ALARM,
        ordinary=single_precision,
        errors={"W1": 0.07, "b1": 0.01, "W2": 0.002, "b2": 5e-4},
        revealed_by="A step near 1e-2; an error bar that knows the precision of the loss.",
        verdict="ok",
    ),
    Bug(
        name="float32_inside",
        title="float32 inside a float64 loss",
        wrong="Nothing: the loss casts its arguments, and rounds as float32 does.",
        reported="met in published NumPy code whose arrays look like float64",
        function=single_precision_inside,
        kind=FALSE_ALARM,
        ordinary=single_precision_inside,
        errors={"W1": 0.07, "b1": 0.01, "W2": 0.002, "b2": 5e-4},
        revealed_by="The noise of the loss, measured; the error over eps, shifted to the right.",
        verdict="ok",
    ),
    Bug(
        name="step_too_small",
        title="A step far too small",
        wrong="Nothing: at eps = 1e-10 rounding swamps the difference.",
        reported="pasteurlabs/tesseract-core#740; chainer/chainer#581",
        function=mlp.backward,
        kind=FALSE_ALARM,
        ordinary=on(COURSE),
        eps=1e-10,
        errors={"W1": 1e-5, "b1": 2e-6, "W2": 5e-7, "b2": 2e-7},
        revealed_by="The error over eps: it falls as the step grows.",
        verdict="ok",
    ),
    Bug(
        name="tiny_weights",
        title="Tiny weights",
        wrong="Nothing: the gradient of W1 is so small that rounding of the loss swamps it.",
        reported="karpathy/neuraltalk#19",
        function=mlp.backward,
        kind=FALSE_ALARM,
        ordinary=on(COURSE, prepare=tiny_weights),
        errors={"W1": 1e-6, "b1": 2e-7},
        revealed_by="An error bar: the difference of both is well within it.",
        verdict="ok",
    ),
    Bug(
        name="at_a_minimum",
        title="At a stationary point",
        wrong="Nothing: the gradient is exactly 0, and noise over noise reads as 1.",
        reported="no report known; checks after training, or on targets the network made",
        function=mlp.backward,
        kind=FALSE_ALARM,
        ordinary=on(COURSE, prepare=at_a_minimum),
        errors={"W1": 1, "b1": 1, "W2": 0.009, "b2": 0.003},
        revealed_by="A point away from the minimum: a zero gradient proves nothing.",
        verdict="untested",
    ),
    Bug(
        name="bias_before_batch_norm",
        title="A bias before batch norm",
        wrong="Nothing: the mean takes the bias away again, and its gradient is 0 plus rounding.",
        reported=(
            "compare torch/nn#744 and HomericIntelligence/Odyssey#3654: true gradients of zero"
        ),
        function=mlp.backward,
        kind=FALSE_ALARM,
        ordinary=bias_before_batch_norm,
        errors={"b1": 1},
        revealed_by="An absolute scale: analytic and numeric are both zero to within rounding.",
        verdict="unused",
    ),
)
