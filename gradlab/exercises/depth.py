"""A network of any number of layers: what the empty page of notebook 05 is judged by.

Sigmoid in every layer but the last, which is linear; the loss is that of :mod:`gradlab.mlp`. The
parameters are ``W1``, ``b1``, ``W2``, ``b2`` and so on, a layer after the other.
"""

from __future__ import annotations

import numpy as np

from gradlab import mlp

__all__ = ["backward", "forward", "init_params", "loss_function"]

Params = dict[str, np.ndarray]


def init_params(sizes: tuple[int, ...], seed: int) -> Params:
    """Weights (sizes[l - 1], sizes[l]) with the Xavier spread, and biases (1, sizes[l]) that are not 0."""
    stream = np.random.RandomState(seed)
    params: Params = {}
    for layer, (rows, columns) in enumerate(zip(sizes, sizes[1:], strict=False), start=1):
        params[f"W{layer}"] = stream.normal(0, np.sqrt(2 / (rows + columns)), (rows, columns))
        params[f"b{layer}"] = stream.normal(0, 0.5, (1, columns))
    return params


def layers(params: Params) -> int:
    """How many layers there are."""
    return len(params) // 2


def forward(params: Params, X: np.ndarray) -> list[np.ndarray]:
    """What each layer gives: ``X`` (N, D), the hidden layers, and the prediction (N, K) at the end."""
    given = [X]
    for layer in range(1, layers(params) + 1):
        Z = given[-1] @ params[f"W{layer}"] + params[f"b{layer}"]
        given.append(Z if layer == layers(params) else mlp.sigmoid(Z))
    return given


def backward(params: Params, X: np.ndarray, y: np.ndarray) -> Params:
    """The gradient of the loss, an array for each parameter, in the order of ``params``."""
    given = forward(params, X)
    upstream = (given[-1] - y) / len(y)
    grads: Params = {}
    for layer in range(layers(params), 0, -1):
        if layer < layers(params):
            upstream = upstream * given[layer] * (1 - given[layer])
        grads[f"W{layer}"] = given[layer - 1].T @ upstream
        grads[f"b{layer}"] = np.sum(upstream, axis=0, keepdims=True)
        upstream = upstream @ params[f"W{layer}"].T
    return {name: grads[name] for name in params}


class loss_function:
    """The loss as a function of the parameters alone; a class, because closures cannot be pickled."""

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        self.X, self.y = X, y

    def __call__(self, params: Params) -> float:
        return float(mlp.loss(forward(params, self.X)[-1], self.y))
