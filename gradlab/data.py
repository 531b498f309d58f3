"""The data set of the course: a paraboloid sampled at random points."""

from __future__ import annotations

import operator

import numpy as np

__all__ = ["paraboloid", "random_stream"]


def paraboloid(
    samples: int = 20, seed: int | np.random.RandomState = 42
) -> tuple[np.ndarray, np.ndarray]:
    """Sample ``y = x1**2 + x2**2`` with ``x1, x2 ~ Uniform(-1, 1)``.

    Parameters
    ----------
    samples
        Number of points ``n``, at least 1.
    seed
        Seed of NumPy's legacy stream, whose numbers are the same in every NumPy version; or a
        ``RandomState`` to draw from, so that what is drawn next continues the same stream.

    Returns
    -------
    X : (n, 2) float64
        The points.
    y : (n, 1) float64
        Their heights: a column, so that it matches the network's output shape.

    Raises
    ------
    TypeError
        If ``samples`` is not a whole number or ``seed`` is neither a whole number nor a
        ``RandomState``.
    ValueError
        If ``samples`` is less than 1 or ``seed`` is out of range.

    Examples
    --------
    >>> from gradlab import paraboloid
    >>> X, y = paraboloid()
    >>> X.shape, y.shape
    ((20, 2), (20, 1))
    """
    try:
        samples = operator.index(samples)
    except TypeError:
        raise TypeError(f"samples must be a whole number, not {samples!r}") from None
    if samples < 1:
        raise ValueError(f"samples must be at least 1, not {samples}")
    X = random_stream(seed).uniform(-1, 1, (samples, 2))
    y = np.sum(X**2, axis=1, keepdims=True)
    return X, y


def random_stream(seed: int | np.random.RandomState) -> np.random.RandomState:
    """The legacy random stream for ``seed``; a ``RandomState`` is passed through.

    Raises
    ------
    TypeError, ValueError
        If ``seed`` is not a whole number from 0 to 2**32 - 1 or a ``RandomState``.
    """
    if isinstance(seed, np.random.RandomState):
        return seed
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed must be a whole number or a RandomState, not {seed!r}") from None
    if not 0 <= number < 2**32:
        raise ValueError(f"seed must lie between 0 and 2**32 - 1, not {number}")
    return np.random.RandomState(number)
