"""A network in whole numbers, to be worked out on paper: two samples, two hidden units.

Its units are half the square of what reaches them, so the slope of a unit is its own input. With the
numbers below every value and every gradient is a whole number, a half or a quarter: exact in
float64 too, so that paper and computer can be compared to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

__all__ = ["X", "backward", "forward", "fraction", "params", "values", "y"]

Arrays = dict[str, np.ndarray]

X = np.array([[2.0], [-1.0]])  # (2, 1): a row for each sample
y = np.array([[8.0], [0.5]])


def params() -> Arrays:
    """The weights and biases of the worked network, as fresh arrays.

    Returns
    -------
    dict
        ``W1`` (1, 2), ``b1`` (1, 2), ``W2`` (2, 1), ``b2`` (1, 1).

    Examples
    --------
    >>> params()["W2"].tolist()
    [[1.0], [2.0]]
    """
    return {
        "W1": np.array([[1.0, -1.0]]),
        "b1": np.array([[2.0, 1.0]]),
        "W2": np.array([[1.0], [2.0]]),
        "b2": np.array([[-2.0]]),
    }


def forward(params: Mapping[str, np.ndarray], X: np.ndarray = X, y: np.ndarray = y) -> Arrays:
    """Every value from the inputs to the loss, under the names of the course.

    Returns
    -------
    dict
        ``Z1`` and ``H`` (N, 2), ``y_hat`` (N, 1), ``L`` ().

    Examples
    --------
    >>> float(forward(params())["L"])
    1.25
    """
    Z1 = X @ params["W1"] + params["b1"]
    H = Z1**2 / 2
    y_hat = H @ params["W2"] + params["b2"]
    return {"Z1": Z1, "H": H, "y_hat": y_hat, "L": np.sum((y_hat - y) ** 2 / 2) / len(y)}


def backward(params: Mapping[str, np.ndarray], X: np.ndarray = X, y: np.ndarray = y) -> Arrays:
    """Every gradient from the loss back to the parameters, in the order of the derivation.

    Returns
    -------
    dict
        ``dy`` (N, 1), ``dW2`` (2, 1), ``db2`` (1, 1), ``dH`` and ``dZ1`` (N, 2), ``dW1`` (1, 2),
        ``db1`` (1, 2).

    Examples
    --------
    >>> backward(params())["dW1"].tolist()
    [[-5.0, -2.0]]
    """
    seen = forward(params, X, y)
    dy = (seen["y_hat"] - y) / len(y)
    dH = dy @ params["W2"].T
    dZ1 = dH * seen["Z1"]
    return {
        "dy": dy,
        "dW2": seen["H"].T @ dy,
        "db2": np.sum(dy, axis=0, keepdims=True),
        "dH": dH,
        "dZ1": dZ1,
        "dW1": X.T @ dZ1,
        "db1": np.sum(dZ1, axis=0, keepdims=True),
    }


def values() -> Arrays:
    """All numbers of the worked network, forward and backward, by name."""
    return {**forward(params()), **backward(params())}


def fraction(value: float) -> str:
    """A number as it stands on paper: ``-7/2`` for -3.5.

    Examples
    --------
    >>> fraction(-3.5), fraction(4.0)
    ('-7/2', '4')
    """
    return str(Fraction(float(value)).limit_denominator(1000))
