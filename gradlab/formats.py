"""Formats of floating-point numbers, and the course's loss computed in each of them.

A format is known by the bits of its significand. Low precision is emulated by rounding after every
operation, which is what arithmetic in a format does as long as nothing overflows; numbers stay in
float64 arrays, so that no machine needs to have the format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gradlab.mlp import Params

__all__ = ["BITS", "loss_function", "rounded", "unit_roundoff"]

# Of the significand, the leading one included: IEEE Computer Society, "IEEE standard for
# floating-point arithmetic", IEEE Std 754-2019, for the first three; bfloat16 is float32 with its
# last 16 bits cut off.
BITS: Mapping[str, int] = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}


def unit_roundoff(name: str) -> float:
    """The largest relative error of rounding to a format: half the distance from 1 to the next.

    Raises
    ------
    KeyError
        If ``name`` is none of the keys of ``BITS``.

    Examples
    --------
    >>> unit_roundoff("bfloat16")
    0.00390625
    """
    return 2.0 ** -BITS[name]


def rounded(a: np.ndarray, name: str) -> np.ndarray:
    """``a`` rounded to a format, to nearest and to even, in an array of float64 of its shape.

    The range of the exponent is that of float64: nothing overflows.

    Raises
    ------
    KeyError
        If ``name`` is none of the keys of ``BITS``.

    Examples
    --------
    >>> rounded(np.array([1.0, 1.001, 1.005]), "bfloat16")
    array([1.       , 1.       , 1.0078125])
    """
    a = np.asarray(a, dtype=np.float64)
    if BITS[name] == BITS["float64"]:
        return a
    significand, exponent = np.frexp(a)
    scale = 2.0 ** BITS[name]
    return np.asarray(np.ldexp(np.round(significand * scale) / scale, exponent))


def loss_function(X: np.ndarray, y: np.ndarray, name: str) -> Callable[[Params], float]:
    """The loss of the course's network, rounded to a format after every operation.

    Parameters
    ----------
    X, y
        (N, D) and (N, K).
    name
        A key of ``BITS``.

    Returns
    -------
    callable
        From parameters as in :func:`gradlab.mlp.forward` to a float.

    Raises
    ------
    KeyError
        If ``name`` is none of the keys of ``BITS``.
    """

    def r(a: np.ndarray) -> np.ndarray:
        return rounded(a, name)

    inputs, targets = r(X), r(y)

    def product(A: np.ndarray, B: np.ndarray) -> np.ndarray:
        total = np.zeros((len(A), B.shape[1]))
        for k in range(len(B)):  # one product and one sum at a time, as the format would
            total = r(total + r(A[:, k : k + 1] * B[k : k + 1]))
        return total

    def loss(params: Params) -> float:
        p = {key: r(array) for key, array in params.items()}
        Z1 = r(product(inputs, p["W1"]) + p["b1"])
        H = r(1 / r(1 + r(np.exp(-Z1))))
        y_hat = r(product(H, p["W2"]) + p["b2"])
        terms = r(r(y_hat - targets) ** 2).ravel()
        while len(terms) > 1:  # in pairs, as fast sums are added up
            odd, pairs = terms[len(terms) // 2 * 2 :], terms[: len(terms) // 2 * 2]
            terms = np.concatenate([r(pairs[::2] + pairs[1::2]), odd])
        return float(r(r(0.5 * terms) / len(targets))[0])

    return loss
