"""The problems that many tests look at, and what they ask of an answer."""

from __future__ import annotations

import numpy as np

from gradlab import mlp, paraboloid


def course(seed=0, dtype=np.float64, data=42):
    """The network of the course on its data: the loss, fresh parameters and their gradient.

    ``seed`` draws the parameters and ``data`` the samples; ``dtype`` is that of both, while the
    gradient is computed in float64.
    """
    X, y = (array.astype(dtype) for array in paraboloid(seed=data))
    params = {name: array.astype(dtype) for name, array in mlp.init_params(seed=seed).items()}
    exact = {name: array.astype(float) for name, array in params.items()}
    return mlp.loss_function(X, y), params, gradient(exact, X.astype(float), y.astype(float))


def network(sizes=(2, 5, 1), samples=20, seed=0, spread=1.0):
    """Parameters with biases that are not zero, and random data to fit: params, X, y."""
    stream = np.random.RandomState(seed)
    params = mlp.init_params(sizes, stream)
    for name in ("b1", "b2"):
        params[name] += spread * stream.normal(size=params[name].shape)
    params["W1"] *= spread
    return params, stream.normal(size=(samples, sizes[0])), stream.normal(size=(samples, sizes[2]))


def gradient(params, X, y):
    _, cache = mlp.forward(params, X)
    return mlp.backward(params, cache, y)


def problem(params, X, y):
    """What a check takes: the loss, the point, and the right gradient there."""
    return mlp.loss_function(X, y), params, gradient(params, X, y)


def verdicts(report):
    return {name: array.verdict for name, array in report.items()}


def bits(params):
    return {name: array.tobytes() for name, array in params.items()}
