"""Foreign code: what notebook 09 checks without having written it, and a way to its gradient.

``Layer`` and ``run`` are a network that keeps its arrays in its own way. ``gradient_from_update``
gets a gradient out of code that only ever hands out moved parameters. The rest are three mistakes
of published code, re-created from what their reports say; each takes the gradient of the loss with
respect to a layer's output, and what the layer's forward pass has kept, and returns the gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gradlab import mlp
from gradlab.bugs import networks

__all__ = [
    "Layer",
    "constant_statistics",
    "gradient_from_update",
    "last_visit_wins",
    "run",
    "softmax",
    "softmax_diagonal",
]


class Layer:
    """A layer that keeps its parameters in attributes, and their gradients beside them."""

    def __init__(self, W: np.ndarray, b: np.ndarray) -> None:
        self.W, self.b = W, b

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return x W + b, and keep x for the backward pass."""
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Set dW and db, and return the gradient with respect to x."""
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0, keepdims=True)
        return dout @ self.W.T

    def step(self, learning_rate: float) -> None:
        """Move W and b against their gradients."""
        self.W = self.W - learning_rate * self.dW
        self.b = self.b - learning_rate * self.db


def run(network: Sequence[Layer], X: np.ndarray, y: np.ndarray) -> float:
    """Go forward and back through two layers with a tanh between them; return the loss."""
    first, second = network
    H = np.tanh(first.forward(X))
    y_hat = second.forward(H)
    dH = second.backward((y_hat - y) / len(y))
    first.backward(dH * (1 - H**2))
    return mlp.loss(y_hat, y)


def gradient_from_update(
    step: Callable[[], object], params: Mapping[str, np.ndarray], learning_rate: float
) -> dict[str, np.ndarray]:
    """The gradient behind one step of plain gradient descent; the parameters are put back.

    Parameters
    ----------
    step
        Takes no argument and changes the arrays of ``params`` in place.
    params
        The arrays themselves, not copies. They are as before when this returns, or raises.
    learning_rate
        That of the step. Only rounding error counts, and it is divided by the learning rate: a
        large one is good.

    Raises
    ------
    ValueError
        If the learning rate is not positive, or if the step changes none of the arrays.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import foreign
    >>> w = np.array([1.0, 2.0])
    >>> def step():
    ...     w[...] -= 0.1 * 2 * w  # descends the loss w.w with a learning rate of 0.1
    >>> foreign.gradient_from_update(step, {"w": w}, learning_rate=0.1)["w"].round(9)
    array([2., 4.])
    >>> w
    array([1., 2.])
    """
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, not {learning_rate!r}")
    old = {name: array.copy() for name, array in params.items()}
    try:
        step()
        grads = {name: (old[name] - array) / learning_rate for name, array in params.items()}
    finally:
        for name, array in params.items():
            array[...] = old[name]
    if not any(grad.any() for grad in grads.values()):
        raise ValueError(
            "step() changes none of these arrays: hand in the arrays that it works on, not copies, "
            "and let it write into them rather than replace them"
        )
    return grads


def softmax(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities of scores (..., K), row by row, twice: as output and for the way back."""
    P = networks.softmax(Z)
    return P, P


def softmax_diagonal(dP: np.ndarray, P: np.ndarray) -> dict[str, np.ndarray]:
    """Of a softmax, with the derivative of a sigmoid (deeplearning4j/libnd4j#440)."""
    return {"Z": dP * P * (1 - P)}


def constant_statistics(dout: np.ndarray, cache: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """Of a batch normalisation whose mean and variance stand still (facebookresearch/CrypTen#143).

    The forward pass has kept x_hat (N, D), gamma (D,) and the standard deviation (D,).
    """
    x_hat, gamma, std = cache
    return {
        "x": dout * gamma / std,
        "gamma": (dout * x_hat).sum(axis=0),
        "beta": dout.sum(axis=0),
    }


def last_visit_wins(dh: np.ndarray, cache: tuple) -> dict[str, np.ndarray]:
    """Of a recurrent cell whose every step overwrites the gradients (compare sony/nnabla#532)."""
    x, h, Wx, Wh = cache
    grads = {"x": np.zeros_like(x), "h0": 0, "Wx": 0, "Wh": 0, "b": 0}
    for t in reversed(range(len(x))):
        dz = (dh[t] + grads["h0"]) * (1 - h[t + 1] ** 2)
        grads["x"][t] = dz @ Wx.T
        grads["h0"] = dz @ Wh.T
        grads["Wx"] = x[t].T @ dz
        grads["Wh"] = h[t].T @ dz
        grads["b"] = dz.sum(axis=0)
    return grads
