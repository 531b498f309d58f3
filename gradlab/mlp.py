"""The network of the course: 2-5-1, a sigmoid hidden layer, a linear output, squared error.

Everything is a plain function on a dict of arrays. ``forward`` and ``loss`` use ``@``, broadcasting
and reductions over the last two axes only, so that the same code evaluates one network, a whole
stack of perturbed networks, and a network with complex parameters.

Shapes: ``N`` samples, ``D`` inputs, ``H`` hidden units, ``K`` outputs; ``...`` stands for the axes
of a stack, usually none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradlab.data import random_stream

__all__ = [
    "backward",
    "forward",
    "init_params",
    "loss",
    "loss_function",
    "sigmoid",
    "train",
]

Params = Mapping[str, np.ndarray]
LossValue = Any  # a float for one network, an array for a stack: no type checker knows which
PARAMETER_NAMES = ("W1", "b1", "W2", "b2")


def init_params(
    sizes: tuple[int, int, int] = (2, 5, 1), seed: int | np.random.RandomState = 0
) -> dict[str, np.ndarray]:
    """Draw weights with the Xavier standard deviation; biases are zero.

    ``std = sqrt(2 / (fan_in + fan_out))``: Xavier Glorot and Yoshua Bengio, "Understanding the
    difficulty of training deep feedforward neural networks", *Proceedings of the 13th International
    Conference on Artificial Intelligence and Statistics*, PMLR 9, 2010, pages 249-256, equation 12.

    Parameters
    ----------
    sizes
        ``(D, H, K)``: inputs, hidden units, outputs, each at least 1.
    seed
        As in :func:`gradlab.paraboloid`. ``W1`` is drawn first, then ``W2``.

    Returns
    -------
    dict
        ``W1`` (D, H), ``b1`` (1, H), ``W2`` (H, K), ``b2`` (1, K), all float64.

    Raises
    ------
    TypeError, ValueError
        If ``sizes`` is not three whole numbers of at least 1, or ``seed`` is no seed.

    Examples
    --------
    >>> from gradlab import mlp
    >>> {name: array.shape for name, array in mlp.init_params((2, 5, 1)).items()}
    {'W1': (2, 5), 'b1': (1, 5), 'W2': (5, 1), 'b2': (1, 1)}
    """
    integers = (int, np.integer)
    if len(sizes) != 3 or not all(isinstance(n, integers) and n >= 1 for n in sizes):
        raise ValueError(
            f"sizes must be three whole numbers (inputs, hidden units, outputs), not {sizes!r}"
        )
    D, H, K = sizes
    rng = random_stream(seed)
    return {
        "W1": rng.normal(0.0, np.sqrt(2 / (D + H)), (D, H)),
        "b1": np.zeros((1, H)),
        "W2": rng.normal(0.0, np.sqrt(2 / (H + K)), (H, K)),
        "b2": np.zeros((1, K)),
    }


def sigmoid(z: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(-z))``, elementwise, without overflow, for real and complex ``z`` of any shape.

    Written as ``(1 + tanh(z / 2)) / 2``, which is the same function: ``exp(800)`` overflows, and a
    complex ``exp`` that overflows turns into nan.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import mlp
    >>> mlp.sigmoid(np.array([-800.0, 0.0, 800.0]))
    array([0. , 0.5, 1. ])
    """
    return 0.5 * (1 + np.tanh(0.5 * z))


def forward(params: Params, X: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Run the network: ``h = sigmoid(x W1 + b1)``, ``y_hat = h W2 + b2``.

    Parameters
    ----------
    params
        ``W1`` (..., D, H), ``b1`` (..., 1, H), ``W2`` (..., H, K), ``b2`` (..., 1, K).
    X
        (N, D).

    Returns
    -------
    y_hat : (..., N, K)
    cache : dict
        What :func:`backward` needs: ``X`` (N, D), ``H`` (..., N, H) and ``y_hat`` (..., N, K).

    Raises
    ------
    KeyError
        If a parameter is missing.
    ValueError
        If ``X`` is not a matrix with as many columns as ``W1`` has rows.

    Examples
    --------
    >>> from gradlab import mlp, paraboloid
    >>> X, y = paraboloid()
    >>> y_hat, cache = mlp.forward(mlp.init_params(), X)
    >>> y_hat.shape, cache["H"].shape
    ((20, 1), (20, 5))
    """
    missing = [name for name in PARAMETER_NAMES if name not in params]
    if missing:
        raise KeyError(f"params has no {', '.join(missing)}; it needs W1, b1, W2 and b2")
    if np.ndim(X) != 2 or np.shape(X)[1] != np.shape(params["W1"])[-2]:
        raise ValueError(
            f"X must have shape (N, {np.shape(params['W1'])[-2]}) to meet W1, not {np.shape(X)}"
        )
    H = sigmoid(X @ params["W1"] + params["b1"])
    y_hat = H @ params["W2"] + params["b2"]
    return y_hat, {"X": X, "H": H, "y_hat": y_hat}


def loss(y_hat: np.ndarray, y: np.ndarray) -> LossValue:
    """Half the squared error, averaged over the batch: ``1/N sum_i 1/2 |y_hat_i - y_i|**2``.

    Parameters
    ----------
    y_hat
        (..., N, K), real or complex. For a complex ``y_hat`` the square is the plain square, not
        the squared modulus: that is what the complex step needs.
    y
        (N, K).

    Returns
    -------
    float, or an array of shape (...) for a stack.

    Raises
    ------
    ValueError
        If the last two axes of ``y_hat`` are not the shape of ``y``. An (N, 1) prediction minus
        an (N,) target would quietly broadcast to (N, N).

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import mlp
    >>> mlp.loss(np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]]))
    2.5
    """
    if np.shape(y_hat)[-2:] != np.shape(y) or np.ndim(y) != 2:
        raise ValueError(
            f"y_hat and y must agree in shape (N, outputs); "
            f"y_hat is {np.shape(y_hat)} and y is {np.shape(y)}"
        )
    value = 0.5 * np.sum((y_hat - y) ** 2, axis=(-2, -1)) / len(y)
    return value.item() if value.ndim == 0 else value


def backward(params: Params, cache: Params, y: np.ndarray) -> dict[str, np.ndarray]:
    """The gradient of the batch loss, by backpropagation.

    ``dy = (y_hat - y) / N``, ``dW2 = H^T dy``, ``db2 = sum dy``, ``dH = dy W2^T``,
    ``dZ1 = dH * H * (1 - H)``, ``dW1 = X^T dZ1``, ``db1 = sum dZ1``: derived in notebook 01.

    Parameters
    ----------
    params, cache
        The parameters and the cache of one network, as :func:`forward` took and gave them.
    y
        (N, K).

    Returns
    -------
    dict
        ``W1``, ``b1``, ``W2``, ``b2``, each with the shape of the parameter of that name.

    Raises
    ------
    KeyError
        If ``cache`` or ``params`` lacks one of the arrays above.
    ValueError
        If ``y`` has another shape than the cached prediction.

    Examples
    --------
    >>> from gradlab import mlp, paraboloid
    >>> X, y = paraboloid()
    >>> params = mlp.init_params()
    >>> y_hat, cache = mlp.forward(params, X)
    >>> grads = mlp.backward(params, cache, y)
    >>> all(grads[name].shape == params[name].shape for name in params)
    True
    """
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    if np.shape(y) != np.shape(y_hat):
        raise ValueError(
            f"y must have the shape of the prediction, {np.shape(y_hat)}, not {np.shape(y)}"
        )
    dy = (y_hat - y) / len(y)
    dH = dy @ params["W2"].T
    dZ1 = dH * H * (1 - H)
    return {
        "W1": X.T @ dZ1,
        "b1": np.sum(dZ1, axis=0, keepdims=True),
        "W2": H.T @ dy,
        "b2": np.sum(dy, axis=0, keepdims=True),
    }


def loss_function(X: np.ndarray, y: np.ndarray) -> Callable[[Params], LossValue]:
    """The loss as a function of the parameters alone, with the data held fixed.

    Parameters
    ----------
    X, y
        (N, D) and (N, K).

    Returns
    -------
    callable
        ``loss(params)``: a float for one network, an array of shape (...) for a stack of them,
        complex for complex parameters. It can be pickled, so it can be sent to another process.

    Raises
    ------
    ValueError
        If ``X`` and ``y`` are not matrices with the same number of rows.

    Examples
    --------
    >>> from gradlab import mlp, paraboloid
    >>> X, y = paraboloid()
    >>> loss, params = mlp.loss_function(X, y), mlp.init_params()
    >>> loss(params) == mlp.loss(mlp.forward(params, X)[0], y)
    True
    """
    if np.ndim(X) != 2 or np.ndim(y) != 2 or len(X) != len(y):
        raise ValueError(
            f"X and y must be matrices with one row per sample; "
            f"X is {np.shape(X)} and y is {np.shape(y)}"
        )
    return _Loss(X, y)


class _Loss:
    """A class and not a closure, because closures cannot be pickled."""

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        self.X, self.y = X, y

    def __call__(self, params: Params) -> LossValue:
        y_hat, _ = forward(params, self.X)
        return loss(y_hat, self.y)


def train(
    params: dict[str, np.ndarray],
    X: np.ndarray,
    y: np.ndarray,
    steps: int = 3000,
    learning_rate: float = 0.5,
    backward: Callable[[Params, Params, np.ndarray], Params] = backward,
) -> np.ndarray:
    """Plain gradient descent on the whole batch; ``params`` is trained in place.

    Parameters
    ----------
    params
        Changed in place: pass a copy to keep the initial values.
    X, y
        (N, D) and (N, K).
    steps
        Number of updates, at least 0.
    learning_rate
        Positive and finite.
    backward
        The function that computes the gradient, to be replaced by one under suspicion.

    Returns
    -------
    (steps + 1,) float64
        The loss before the first update and after each one.

    Raises
    ------
    ValueError
        If ``steps`` is negative, or ``learning_rate`` is not positive and finite.

    Examples
    --------
    >>> from gradlab import mlp, paraboloid
    >>> X, y = paraboloid()
    >>> history = mlp.train(mlp.init_params(), X, y, steps=100)
    >>> history.shape, bool(history[-1] < history[0])
    ((101,), True)
    """
    if steps < 0:
        raise ValueError(f"steps must be 0 or more, not {steps}")
    if not 0 < learning_rate < np.inf:
        raise ValueError(f"learning_rate must be positive and finite, not {learning_rate}")
    history = np.empty(steps + 1)
    for step in range(steps):
        y_hat, cache = forward(params, X)
        history[step] = loss(y_hat, y)
        grads = backward(params, cache, y)
        for name, gradient in grads.items():
            params[name] -= learning_rate * gradient
    history[steps] = loss(forward(params, X)[0], y)
    return history
