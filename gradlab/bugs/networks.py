"""The networks that the bugs of the catalogue live in: the course's own, and small variations.

A variation changes one thing: the activation, a penalty, a mask, a normalisation, the output layer
or the way weights are shared. Each comes with its right backward pass, so that a bug can be read
against the code it breaks. As in :mod:`gradlab.mlp`, forward passes and losses accept a stack of
perturbed parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gradlab import mlp
from gradlab.data import paraboloid, random_stream
from gradlab.differences.sweep import Loss, Params

Arrays = dict[str, np.ndarray]
Backward = Callable[[Params, Params, np.ndarray], Params]
Prepare = Callable[[Arrays, np.ndarray, np.ndarray], None]


class Problem(NamedTuple):
    """What a gradient check is given: a loss, the point, and the gradient under suspicion there."""

    loss: Loss
    params: Arrays
    grads: Params


def _no_penalty(params: Params) -> float:
    return 0.0


@dataclass(frozen=True)
class Network:
    """A forward pass, its loss, and the backward pass that belongs to them.

    ``forward(params, X)`` gives the prediction and the cache, ``output_loss(y_hat, y)`` the loss of
    a batch; ``penalty(params)`` is added to it.
    """

    forward: Callable[[Params, np.ndarray], tuple[np.ndarray, Arrays]]
    backward: Backward
    output_loss: Callable[[np.ndarray, np.ndarray], float | np.ndarray] = mlp.loss
    penalty: Callable[[Params], float | np.ndarray] = _no_penalty

    def loss_function(self, X: np.ndarray, y: np.ndarray) -> Loss:
        """The loss as a function of the parameters alone."""
        return lambda params: self.output_loss(self.forward(params, X)[0], y) + self.penalty(params)

    def at(
        self,
        params: Arrays,
        X: np.ndarray,
        y: np.ndarray,
        backward: Backward | None = None,
    ) -> Problem:
        """The problem of checking ``backward`` (by default the right one) at ``params``."""
        _, cache = self.forward(params, X)
        grads = (backward or self.backward)(params, cache, y)
        return Problem(self.loss_function(X, y), params, grads)


def draw(
    seed: int | np.random.RandomState = 0,
    samples: int = 20,
    sizes: tuple[int, int, int] = (2, 5, 1),
) -> tuple[Arrays, np.ndarray, np.ndarray]:
    """Parameters, inputs and targets to check at: ``params``, ``X`` (N, 2), ``y`` (N, 1).

    The biases are random too: where a bias is zero, a mistake in its penalty cannot show.
    """
    rng = random_stream(seed)
    X, y = paraboloid(samples, rng)
    params = mlp.init_params(sizes, rng)
    for name in ("b1", "b2"):
        params[name] = rng.normal(0.0, 0.5, params[name].shape)
    return params, X, y


def course_problem(
    backward: Backward = mlp.backward,
    seed: int = 0,
    samples: int = 20,
    sizes: tuple[int, int, int] = (2, 5, 1),
    prepare: Prepare | None = None,
    network: Network | None = None,
) -> Problem:
    """The problem of checking ``backward`` on the course's network, at a random point.

    Parameters
    ----------
    backward
        ``(params, cache, y) -> grads``, as :func:`gradlab.mlp.backward`.
    seed
        Draws the data and the parameters.
    samples, sizes
        As in :func:`gradlab.paraboloid` and :func:`gradlab.mlp.init_params`.
    prepare
        ``prepare(params, X, y)`` may change the drawn arrays in place before they are used.
    network
        Another network with the parameters W1, b1, W2, b2.

    Returns
    -------
    Problem
        ``(loss, params, grads)``, ready for :func:`gradlab.check_gradients`.

    Examples
    --------
    >>> from gradlab import bugs, check_gradients
    >>> loss, params, grads = bugs.course_problem(bugs.CATALOGUE["wrong_sign"].function)
    >>> check_gradients(loss, params, grads).verdict
    'wrong'
    """
    params, X, y = draw(seed, samples, sizes)
    if prepare is not None:
        prepare(params, X, y)
    return (network or COURSE).at(params, X, y, backward)


def on(
    network: Network, backward: Backward | None = None, **changes: Any
) -> Callable[[int], Problem]:
    """A function from a seed to the problem of checking ``backward`` on ``network``.

    ``backward`` is the network's own by default; ``changes`` are those of :func:`course_problem`.
    """
    backward = backward or network.backward
    return lambda seed: course_problem(backward, seed, network=network, **changes)


def dense(activation: Callable, derivative: Callable) -> Network:
    """The course's network with another activation; ``derivative(Z1)`` is that of the activation."""

    def forward(params: Params, X: np.ndarray) -> tuple[np.ndarray, Arrays]:
        Z1 = X @ params["W1"] + params["b1"]
        H = activation(Z1)
        y_hat = H @ params["W2"] + params["b2"]
        return y_hat, {"X": X, "Z1": Z1, "H": H, "y_hat": y_hat}

    def backward(params: Params, cache: Params, y: np.ndarray) -> Arrays:
        X, Z1, H, y_hat = cache["X"], cache["Z1"], cache["H"], cache["y_hat"]
        dy = (y_hat - y) / len(y)
        dZ1 = dy @ params["W2"].T * derivative(Z1)
        return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}

    return Network(forward, backward)


def gelu(z: np.ndarray) -> np.ndarray:
    """The tanh form of GELU.

    GELU itself, z times the distribution function of a standard Gaussian: Dan Hendrycks and Kevin
    Gimpel, "Gaussian error linear units (GELUs)", arXiv:1606.08415, 2016. The tanh form: The
    PyTorch contributors, "torch.nn.functional.gelu", *PyTorch documentation*, approximate="tanh".
    """
    return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))


def gelu_slope(z: np.ndarray) -> np.ndarray:
    """The derivative of :func:`gelu`."""
    inner = np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))
    chain = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * z**2)
    return 0.5 * (1 + inner) + 0.5 * z * (1 - inner**2) * chain


COURSE = Network(mlp.forward, mlp.backward)
TANH = dense(np.tanh, lambda Z1: 1 - np.tanh(Z1) ** 2)
RELU = dense(lambda Z1: np.maximum(Z1, 0), lambda Z1: Z1 > 0)
GELU = dense(gelu, gelu_slope)


def penalised(penalty: Callable, slope: Callable, names: tuple[str, ...] = ("W1", "W2")) -> Network:
    """The course's network with ``penalty(a)`` summed over all entries of the arrays ``names``."""

    def total(params: Params) -> float | np.ndarray:
        return sum(np.sum(penalty(params[name]), axis=(-2, -1)) for name in names)

    def backward(params: Params, cache: Params, y: np.ndarray) -> Arrays:
        grads = mlp.backward(params, cache, y)
        for name in names:
            grads[name] = grads[name] + slope(params[name])
        return grads

    return Network(mlp.forward, backward, penalty=total)


def l2(strength: float, names: tuple[str, ...] = ("W1", "W2")) -> Network:
    """With ``strength / 2 * w**2`` for every weight."""
    return penalised(lambda w: strength / 2 * w**2, lambda w: strength * w, names)


def l1(strength: float) -> Network:
    """With ``strength * |w|`` for every weight."""
    return penalised(lambda w: strength * np.abs(w), lambda w: strength * np.sign(w))


def dropout(mask: np.ndarray) -> Network:
    """The course's network with its hidden units multiplied by ``mask`` (N, H), held fixed.

    The mask holds 0 and 1 / keep, so that nothing needs rescaling at test time.
    """

    def forward(params: Params, X: np.ndarray) -> tuple[np.ndarray, Arrays]:
        y_hat, cache = mlp.forward(params, X)
        H = cache["H"]
        y_hat = (H * mask) @ params["W2"] + params["b2"]
        return y_hat, {"X": X, "H": H, "mask": mask, "y_hat": y_hat}

    def backward(params: Params, cache: Params, y: np.ndarray) -> Arrays:
        X, H, mask, y_hat = cache["X"], cache["H"], cache["mask"], cache["y_hat"]
        dy = (y_hat - y) / len(y)
        dH = dy @ params["W2"].T * mask
        dZ1 = dH * H * (1 - H)
        dW2 = (H * mask).T @ dy
        return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": dW2, "b2": rows_summed(dy)}

    return Network(forward, backward)


def batch_norm(statistics: tuple[np.ndarray, np.ndarray] | None = None) -> Network:
    """Batch normalisation before the sigmoid; parameters W1, gamma, beta, W2, b2.

    Sergey Ioffe and Christian Szegedy, "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", *Proceedings of the 32nd International Conference on Machine
    Learning*, PMLR 37, 2015, pages 448-456. ``statistics`` is the mean and standard deviation to
    use at test time; without it they are those of the batch.
    """

    def forward(params: Params, X: np.ndarray) -> tuple[np.ndarray, Arrays]:
        Z1 = X @ params["W1"]
        mean, std = batch_statistics(Z1) if statistics is None else statistics
        Zn = (Z1 - mean) / std
        H = mlp.sigmoid(params["gamma"] * Zn + params["beta"])
        y_hat = H @ params["W2"] + params["b2"]
        return y_hat, {"X": X, "Zn": Zn, "std": std, "H": H, "y_hat": y_hat}

    def backward(params: Params, cache: Params, y: np.ndarray) -> Arrays:
        X, Zn, std, H, y_hat = (cache[name] for name in ("X", "Zn", "std", "H", "y_hat"))
        dy = (y_hat - y) / len(y)
        dA = dy @ params["W2"].T * H * (1 - H)
        dZn = dA * params["gamma"]
        dZ1 = (dZn - np.mean(dZn, axis=0) - Zn * np.mean(dZn * Zn, axis=0)) / std
        return {
            "W1": X.T @ dZ1,
            "gamma": rows_summed(dA * Zn),
            "beta": rows_summed(dA),
            "W2": H.T @ dy,
            "b2": rows_summed(dy),
        }

    return Network(forward, backward)


def batch_statistics(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over the batch, (..., 1, H) each."""
    mean = np.mean(Z, axis=-2, keepdims=True)
    return mean, np.sqrt(np.mean((Z - mean) ** 2, axis=-2, keepdims=True) + 1e-5)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities of the classes, along the last axis."""
    exponentials = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return exponentials / np.sum(exponentials, axis=-1, keepdims=True)


def cross_entropy(p: np.ndarray, y: np.ndarray) -> float | np.ndarray:
    """``-1/N sum_i log p_i[class of i]``; ``y`` (N, K) is one-hot."""
    return -np.sum(y * np.log(p), axis=(-2, -1)) / len(y)


def softmax_forward(params: Params, X: np.ndarray) -> tuple[np.ndarray, Arrays]:
    """The course's network with a softmax on its outputs."""
    scores, cache = mlp.forward(params, X)
    p = softmax(scores)
    return p, {"X": X, "H": cache["H"], "p": p}


def softmax_backward(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    """The gradient of the cross-entropy of the softmax."""
    X, H, p = cache["X"], cache["H"], cache["p"]
    dscores = (p - y) / len(y)
    dZ1 = dscores @ params["W2"].T * H * (1 - H)
    return {
        "W1": X.T @ dZ1,
        "b1": rows_summed(dZ1),
        "W2": H.T @ dscores,
        "b2": rows_summed(dscores),
    }


SOFTMAX = Network(softmax_forward, softmax_backward, cross_entropy)


def tied_forward(params: Params, X: np.ndarray) -> tuple[np.ndarray, Arrays]:
    """An autoencoder whose decoder is the encoder transposed; parameters W1, b1, b2."""
    H = mlp.sigmoid(X @ params["W1"] + params["b1"])
    X_hat = H @ np.swapaxes(params["W1"], -1, -2) + params["b2"]
    return X_hat, {"X": X, "H": H, "X_hat": X_hat}


def tied_backward(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    """W1 is used twice, and its gradient is the sum of both uses."""
    X, H, X_hat = cache["X"], cache["H"], cache["X_hat"]
    dX_hat = (X_hat - y) / len(y)
    dW1 = dX_hat.T @ H
    dZ1 = dX_hat @ params["W1"] * H * (1 - H)
    dW1 = dW1 + X.T @ dZ1
    return {"W1": dW1, "b1": rows_summed(dZ1), "b2": rows_summed(dX_hat)}


TIED = Network(tied_forward, tied_backward)


def residual(skip: float) -> Network:
    """``relu(Z1) + skip * Z1`` as the hidden layer: a skip connection around the activation."""

    def forward(params: Params, X: np.ndarray) -> tuple[np.ndarray, Arrays]:
        Z1 = X @ params["W1"] + params["b1"]
        H = np.maximum(Z1, 0) + skip * Z1
        y_hat = H @ params["W2"] + params["b2"]
        return y_hat, {"X": X, "Z1": Z1, "H": H, "y_hat": y_hat, "skip": skip}

    def backward(params: Params, cache: Params, y: np.ndarray) -> Arrays:
        X, Z1, H, y_hat = (cache[name] for name in ("X", "Z1", "H", "y_hat"))
        dy = (y_hat - y) / len(y)
        dH = dy @ params["W2"].T
        dZ1 = dH * (Z1 > 0) + skip * dH
        return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}

    return Network(forward, backward)


def max_pool(windows: np.ndarray) -> Network:
    """The largest hidden unit of each window; ``windows`` (P, width) holds unit numbers, W2 (P, 1)."""

    def forward(params: Params, X: np.ndarray) -> tuple[np.ndarray, Arrays]:
        H = mlp.sigmoid(X @ params["W1"] + params["b1"])
        P = np.max(H[..., windows], axis=-1)
        y_hat = P @ params["W2"] + params["b2"]
        return y_hat, {"X": X, "H": H, "P": P, "windows": windows, "y_hat": y_hat}

    def backward(params: Params, cache: Params, y: np.ndarray) -> Arrays:
        X, H, P, windows, y_hat = (cache[name] for name in ("X", "H", "P", "windows", "y_hat"))
        dy = (y_hat - y) / len(y)
        dP = dy @ params["W2"].T
        dH = np.zeros_like(H)
        rows = np.arange(len(y))
        for j, window in enumerate(windows):
            winner = window[np.argmax(H[:, window], axis=1)]
            dH[rows, winner] += dP[:, j]
        dZ1 = dH * H * (1 - H)
        return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": P.T @ dy, "b2": rows_summed(dy)}

    return Network(forward, backward)


def rows_summed(dZ: np.ndarray) -> np.ndarray:
    """The gradient of a bias: the sum over the batch, kept as a row."""
    return np.sum(dZ, axis=0, keepdims=True)


def concatenated(loss: Loss, params: Arrays, grads: Params) -> Problem:
    """The same problem with all the arrays laid end to end in one, as some checks have it."""
    bounds = np.cumsum([params[name].size for name in params])[:-1]

    def loss_of_vector(vector: Params) -> float | np.ndarray:
        parts = np.split(vector["all"], bounds, axis=-1)
        return loss(
            {
                name: part.reshape(part.shape[:-1] + params[name].shape)
                for name, part in zip(params, parts, strict=True)
            }
        )

    def end_to_end(arrays: Params) -> Arrays:
        return {"all": np.concatenate([arrays[name].ravel() for name in params])}

    return Problem(loss_of_vector, end_to_end(params), end_to_end(grads))
