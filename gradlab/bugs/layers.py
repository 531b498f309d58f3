"""Bugs in the layers of larger networks: softmax, batch norm, dropout, shared and pooled values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradlab.bugs.entry import CAUGHT, HIDDEN, Bug
from gradlab.bugs.networks import (
    SOFTMAX,
    TIED,
    Arrays,
    Backward,
    Network,
    Prepare,
    Problem,
    batch_norm,
    batch_statistics,
    draw,
    dropout,
    max_pool,
    on,
    residual,
    rows_summed,
    softmax_forward,
)
from gradlab.validation import Params

# --- Softmax --------------------------------------------------------------------------------------


def softmax_diagonal(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, p = cache["X"], cache["H"], cache["p"]
    dp = -y / p / len(y)
    dscores = dp * p * (1 - p)  # only the diagonal of the Jacobian diag(p) - p p^T
    dZ1 = dscores @ params["W2"].T * H * (1 - H)
    return {
        "W1": X.T @ dZ1,
        "b1": rows_summed(dZ1),
        "W2": H.T @ dscores,
        "b2": rows_summed(dscores),
    }


def softmax_twice(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, p = cache["X"], cache["H"], cache["p"]
    dscores = (p - y) * p * (1 - p) / len(y)  # p - y has the softmax in it already
    dZ1 = dscores @ params["W2"].T * H * (1 - H)
    return {
        "W1": X.T @ dZ1,
        "b1": rows_summed(dZ1),
        "W2": H.T @ dscores,
        "b2": rows_summed(dscores),
    }


def softmax_wrong_loss(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, p = cache["X"], cache["H"], cache["p"]
    dp = (-y / p + (1 - y) / (1 - p)) / len(y)  # of the cross-entropy class by class ...
    dscores = dp * p * (1 - p)  # ... and the diagonal alone: together p - y, of another loss
    dZ1 = dscores @ params["W2"].T * H * (1 - H)
    return {
        "W1": X.T @ dZ1,
        "b1": rows_summed(dZ1),
        "W2": H.T @ dscores,
        "b2": rows_summed(dscores),
    }


def per_class_cross_entropy(p: np.ndarray, y: np.ndarray) -> float | np.ndarray:
    """``-1/N sum (y log p + (1 - y) log(1 - p))``: one binary cross-entropy for each class."""
    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p), axis=(-2, -1)) / len(y)


def classify(backward: Backward, network: Network = SOFTMAX) -> Callable[[int], Problem]:
    """A function from a seed to a problem with three classes, a few samples of each."""

    def problem(seed: int) -> Problem:
        params, X, y = draw(seed, sizes=(2, 5, 3))
        return network.at(params, X, np.eye(3)[np.arange(len(y)) % 3], backward)

    return problem


# --- Batch normalisation --------------------------------------------------------------------------


def batch_norm_constant_statistics(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, Zn, std, H, y_hat = (cache[name] for name in ("X", "Zn", "std", "H", "y_hat"))
    dy = (y_hat - y) / len(y)
    dA = dy @ params["W2"].T * H * (1 - H)
    dZ1 = dA * params["gamma"] / std  # as if mean and std did not depend on W1
    return {
        "W1": X.T @ dZ1,
        "gamma": rows_summed(dA * Zn),
        "beta": rows_summed(dA),
        "W2": H.T @ dy,
        "b2": rows_summed(dy),
    }


def batch_norm_missing_gamma(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, Zn, std, H, y_hat = (cache[name] for name in ("X", "Zn", "std", "H", "y_hat"))
    dy = (y_hat - y) / len(y)
    dA = dy @ params["W2"].T * H * (1 - H)
    dZn = dA  # without gamma
    dZ1 = (dZn - np.mean(dZn, axis=0) - Zn * np.mean(dZn * Zn, axis=0)) / std
    return {
        "W1": X.T @ dZ1,
        "gamma": rows_summed(dA * Zn),
        "beta": rows_summed(dA),
        "W2": H.T @ dy,
        "b2": rows_summed(dy),
    }


def normalised(
    backward: Backward, test_time: bool = False, gamma_of_one: bool = False
) -> Callable[[int], Problem]:
    """A function from a seed to a problem with batch normalisation."""

    def problem(seed: int) -> Problem:
        params, X, y = draw(seed)
        gamma = np.ones((1, 5)) if gamma_of_one else np.abs(params["W2"].T) + 0.5
        params = {
            "W1": params["W1"],
            "gamma": gamma,
            "beta": params["b1"],
            "W2": params["W2"],
            "b2": params["b2"],
        }
        statistics = batch_statistics(X @ params["W1"]) if test_time else None
        return batch_norm(statistics).at(params, X, y, backward)

    return problem


# --- Dropout --------------------------------------------------------------------------------------


def mask_forgotten(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, mask, y_hat = cache["X"], cache["H"], cache["mask"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dH = dy @ params["W2"].T  # not multiplied by the mask
    dZ1 = dH * H * (1 - H)
    dW2 = (H * mask).T @ dy
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": dW2, "b2": rows_summed(dy)}


def mask_redrawn(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, mask, y_hat = cache["X"], cache["H"], cache["mask"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    redrawn = np.random.RandomState(len(y)).permutation(mask.ravel()).reshape(mask.shape)
    dH = dy @ params["W2"].T * redrawn  # not the mask of the forward pass
    dZ1 = dH * H * (1 - H)
    dW2 = (H * mask).T @ dy
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": dW2, "b2": rows_summed(dy)}


def derivative_after_mask(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, mask, y_hat = cache["X"], cache["H"], cache["mask"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dropped = H * mask  # dropout has rescaled the cached activation in place
    dH = dy @ params["W2"].T * mask
    dZ1 = dH * dropped * (1 - dropped)
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": dropped.T @ dy, "b2": rows_summed(dy)}


def draw_mask(seed: int, shape: tuple[int, ...], keep: float = 0.6) -> np.ndarray:
    """A dropout mask of 0 and 1 / keep."""
    return (np.random.RandomState(seed).uniform(size=shape) < keep) / keep


def with_mask(backward: Backward, keep: float = 0.6) -> Callable[[int], Problem]:
    """A function from a seed to a problem with dropout; the mask is drawn once and held."""

    def problem(seed: int) -> Problem:
        params, X, y = draw(seed)
        return dropout(draw_mask(seed, (len(y), 5), keep)).at(params, X, y, backward)

    return problem


# --- Shared values --------------------------------------------------------------------------------


def tied_overwritten(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, X_hat = cache["X"], cache["H"], cache["X_hat"]
    dX_hat = (X_hat - y) / len(y)
    grads = {"W1": dX_hat.T @ H, "b2": rows_summed(dX_hat)}
    dZ1 = dX_hat @ params["W1"] * H * (1 - H)
    grads["W1"] = X.T @ dZ1  # should be added to what stands there
    grads["b1"] = rows_summed(dZ1)
    return grads


def autoencoder(seed: int) -> Problem:
    """The problem of an autoencoder with tied weights: the target is the input."""
    params, X, _ = draw(seed)
    params = {"W1": params["W1"], "b1": params["b1"], "b2": params["b1"][:, :2].copy()}
    return TIED.at(params, X, X, tied_overwritten)


def upstream_overwritten(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, Z1, H, y_hat = (cache[name] for name in ("X", "Z1", "H", "y_hat"))
    dy = (y_hat - y) / len(y)
    dH = dy @ params["W2"].T
    through_relu = dH
    through_relu[Z1 <= 0] = 0  # the same memory: dH has lost these entries too
    dZ1 = through_relu + cache["skip"] * dH
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def max_pool_overwritten(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, P, windows, y_hat = (cache[name] for name in ("X", "H", "P", "windows", "y_hat"))
    dy = (y_hat - y) / len(y)
    dP = dy @ params["W2"].T
    dH = np.zeros_like(H)
    rows = np.arange(len(y))
    for j, window in enumerate(windows):
        winner = window[np.argmax(H[:, window], axis=1)]
        dH[rows, winner] = dP[:, j]  # a unit may win in two windows
    dZ1 = dH * H * (1 - H)
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": P.T @ dy, "b2": rows_summed(dy)}


def pooled(
    windows: tuple[tuple[int, ...], ...],
    backward: Backward | None = None,
    prepare: Prepare | None = None,
) -> Callable[[int], Problem]:
    """A function from a seed to a problem with max-pooling over windows of the hidden units."""
    units = np.array(windows)

    def problem(seed: int) -> Problem:
        params, X, y = draw(seed, sizes=(2, units.max() + 1, 1))
        params["W2"] = params["W2"][: len(units)].copy()
        if prepare is not None:
            prepare(params, X, y)
        return max_pool(units).at(params, X, y, backward)

    return problem


OVERLAPPING = ((0, 1), (1, 2), (2, 3), (3, 4))
SIDE_BY_SIDE = ((0, 1), (2, 3))


ENTRIES = (
    Bug(
        name="softmax_diagonal",
        title="Softmax Jacobian without its off-diagonal",
        wrong="dscores = dp * p(1 - p): the other classes' share is missing.",
        reported="deeplearning4j/libnd4j#440; eriklindernoren/ML-From-Scratch#125",
        function=softmax_diagonal,
        kind=CAUGHT,
        ordinary=classify(softmax_diagonal),
        errors={"W1": 0.3, "b1": 0.7, "W2": 0.6, "b2": 0.6},
        revealed_by="All arrays are wrong, b2 most plainly: only the true class gets a gradient.",
    ),
    Bug(
        name="softmax_twice",
        title="Softmax differentiated twice",
        wrong="p - y is multiplied by p(1 - p) once more.",
        reported="mnielsen/neural-networks-and-deep-learning#77, which proposed it for a sigmoid",
        function=softmax_twice,
        kind=CAUGHT,
        ordinary=classify(softmax_twice),
        errors={"W1": 0.7, "b1": 0.7, "W2": 0.7, "b2": 0.7},
        revealed_by="All arrays are wrong, the fault sits at the output.",
    ),
    Bug(
        name="softmax_wrong_loss",
        title="Two softmax mistakes that cancel",
        wrong="The gradient is that of the plain cross-entropy; the loss reported is another.",
        reported="eriklindernoren/ML-From-Scratch#98, on the loss reported",
        function=softmax_wrong_loss,
        kind=HIDDEN,
        ordinary=classify(
            softmax_wrong_loss,
            Network(softmax_forward, softmax_wrong_loss, per_class_cross_entropy),
        ),
        hiding=classify(softmax_wrong_loss),
        hidden_by="a check against the plain cross-entropy",
        errors={"W1": 0.2, "b1": 0.2, "W2": 0.2, "b2": 0.2},
        revealed_by="A check against the loss that the code itself reports.",
    ),
    Bug(
        name="batch_norm_constant_statistics",
        title="Batch norm: statistics as constants",
        wrong="Mean and variance are treated as if they did not depend on the inputs.",
        reported="facebookresearch/CrypTen#143",
        function=batch_norm_constant_statistics,
        kind=HIDDEN,
        ordinary=normalised(batch_norm_constant_statistics),
        hiding=normalised(batch_norm_constant_statistics, test_time=True),
        hidden_by="a check in evaluation mode, where they are constants",
        errors={"W1": 0.6},
        revealed_by="A check in training mode.",
    ),
    Bug(
        name="batch_norm_missing_gamma",
        title="Batch norm: gamma missing",
        wrong="The gradient is passed on without the factor gamma.",
        reported="denizyuret/Knet.jl#288",
        function=batch_norm_missing_gamma,
        kind=HIDDEN,
        ordinary=normalised(batch_norm_missing_gamma),
        hiding=normalised(batch_norm_missing_gamma, gamma_of_one=True),
        hidden_by="gamma = 1, as it is initialised",
        errors={"W1": 0.1},
        revealed_by="A random gamma.",
    ),
    Bug(
        name="mask_forgotten",
        title="Dropout mask forgotten in backward",
        wrong="The gradient flows through units that were dropped.",
        reported="ddbourgin/numpy-ml#94; rohitg00/ai-engineering-from-scratch#17",
        function=mask_forgotten,
        kind=HIDDEN,
        ordinary=with_mask(mask_forgotten),
        hiding=with_mask(mask_forgotten, keep=1.0),
        hidden_by="a check in test mode, where nothing is dropped",
        errors={"W1": 0.3, "b1": 0.1},
        revealed_by="A check in training mode with the mask held fixed.",
    ),
    Bug(
        name="mask_redrawn",
        title="Dropout mask redrawn in backward",
        wrong="Backward draws a mask of its own.",
        reported="pytorch/pytorch#190717",
        function=mask_redrawn,
        kind=HIDDEN,
        ordinary=with_mask(mask_redrawn),
        hiding=with_mask(mask_redrawn, keep=1.0),
        hidden_by="a check in test mode, where nothing is dropped",
        errors={"W1": 0.4, "b1": 0.2},
        revealed_by="A check in training mode with the mask held fixed.",
    ),
    Bug(
        name="derivative_after_mask",
        title="Derivative of the rescaled activation",
        wrong="Dropout rescales H in place, and H(1 - H) is computed afterwards.",
        reported="iamtrask/Grokking-Deep-Learning, chapter 9, tanh2deriv(layer_1)",
        function=derivative_after_mask,
        kind=HIDDEN,
        ordinary=with_mask(derivative_after_mask),
        hiding=with_mask(derivative_after_mask, keep=1.0),
        hidden_by="a check in test mode, where nothing is rescaled",
        errors={"W1": 0.6, "b1": 0.5},
        revealed_by="A check in training mode with the mask held fixed.",
    ),
    Bug(
        name="tied_overwritten",
        title="Shared weight: gradient overwritten",
        wrong="W1 is used twice, and the second use overwrites the gradient of the first.",
        reported="sony/nnabla#532; NVIDIA/TransformerEngine#3437",
        function=tied_overwritten,
        kind=CAUGHT,
        ordinary=autoencoder,
        errors={"W1": 1},
        revealed_by="The shared array is wrong, the others right.",
    ),
    Bug(
        name="upstream_overwritten",
        title="Upstream gradient overwritten",
        wrong="The ReLU zeroes entries of the gradient it was handed, which a skip connection needs.",
        reported="oreilly-japan/deep-learning-from-scratch, common/layers.py, Relu",
        function=upstream_overwritten,
        kind=HIDDEN,
        ordinary=on(residual(1.0), upstream_overwritten),
        hiding=on(residual(0.0), upstream_overwritten),
        hidden_by="a plain chain, in which nobody reads the gradient again",
        errors={"W1": 0.2, "b1": 0.2},
        revealed_by="A skip connection, or any second reader of the same array.",
    ),
    Bug(
        name="max_pool_overwritten",
        title="Max-pooling: = instead of +=",
        wrong="A unit that wins in two windows keeps the gradient of the last one only.",
        reported="0809zheng/CS231n-assignment2019#19; FluxML/Flux.jl#1197",
        function=max_pool_overwritten,
        kind=HIDDEN,
        ordinary=pooled(OVERLAPPING, max_pool_overwritten),
        hiding=pooled(SIDE_BY_SIDE, max_pool_overwritten),
        hidden_by="windows that do not overlap",
        errors={"W1": 0.2, "b1": 0.2},
        revealed_by="Overlapping windows.",
    ),
)
