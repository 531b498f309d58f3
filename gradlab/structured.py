"""The whole numerical gradient of the course's network, in O(N) work for each parameter.

The plain loop runs the whole network twice for every entry. Yet moving ``W1[i, j]`` by a step moves
one column of ``Z1`` only, by ``delta_n = eps x_ni``, and ``y_hat`` follows along one row of ``W2``.
Written out, with ``r = y_hat - y`` and ``h = sigmoid(z)``, the two losses differ by

    L(+eps) - L(-eps) = 1/N sum_n (h+ - h-) (r_n . w_j + 1/2 |w_j|**2 (h+ + h- - 2 h)),

where ``h+-`` is ``sigmoid(z_nj +- delta_n)`` and ``w_j`` the row of ``W2``: O(N). The addition theorem
of the hyperbolic functions gives both combinations of sigmoids without cancellation, and from
exponentials of ``z`` and of ``delta`` that are computed once:

    m = h+ - h-      = sinh(delta) / (cosh(delta) + cosh(z)),
    h+ + h- - 2 h    = -tanh(z/2) tanh(delta/2) m.

No derivative is taken anywhere: this is the same central difference as the plain loop's, truncation
error included. Only its rounding error is smaller, because the two losses are never subtracted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradlab import mlp, validation
from gradlab.differences.progress import Progress

__all__ = ["structured_gradient"]

BLOCK = 2**14  # numbers in a block, 128 kB: the four blocks in use stay in the cache of a core
LARGEST_STEP = 300.0  # cosh still fits in float64, with room for a sum


def structured_gradient(
    params: Mapping[str, np.ndarray],
    X: np.ndarray,
    y: np.ndarray,
    eps: float | None = 1e-5,
    progress: bool = True,
) -> dict[str, np.ndarray]:
    """The numerical gradient by central differences of the loss of :mod:`gradlab.mlp`.

    The numbers of ``numerical_gradient(mlp.loss_function(X, y), params, "central", eps)``, to
    within the rounding error of those, in 1/N to 1/(D H) of the time. See the head of this module
    for the derivation.

    Parameters
    ----------
    params
        ``W1`` (D, H), ``b1`` (1, H), ``W2`` (H, K), ``b2`` (1, K).
    X, y
        (N, D) and (N, K).
    eps
        The step, positive, in the units of the parameters; None for 1e-5.
    progress
        Whether to show a progress bar when it takes longer than a second.

    Returns
    -------
    dict
        An array for each parameter, of its shape, in float64.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used as it is: an unknown or missing parameter, a shape, a value.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import mlp, numerical_gradient, paraboloid, structured_gradient
    >>> params, (X, y) = mlp.init_params(), paraboloid()
    >>> fast = structured_gradient(params, X, y, eps=1e-3)
    >>> slow = numerical_gradient(mlp.loss_function(X, y), params, eps=1e-3)
    >>> all(np.allclose(fast[name], slow[name], rtol=1e-9) for name in params)
    True
    """
    step = validation.require_step(1e-5 if eps is None else eps)
    W1, b1, W2, X, y = _require_network(params, X, y)
    y_hat, cache = mlp.forward(params, X)
    H, r = cache["H"].astype(float), y_hat - y
    inputs = np.column_stack([X, np.ones(len(X))])  # a bias is the weight of a constant input
    reach = step * np.abs(inputs).max()
    if not reach <= LARGEST_STEP:
        raise ValueError(
            f"eps = {step:.3g} moves a hidden unit by {reach:.3g}, far beyond anything that a "
            f"difference could approximate; take a smaller one or rescale X"
        )
    delta, Z, pull = map(np.ascontiguousarray, (step * inputs.T, (X @ W1 + b1).T, W2 @ r.T))
    with Progress(W1.size + b1.size, progress) as bar:
        rise = _hidden_rise(delta, Z, pull, np.sum(W2**2, axis=1), bar)
    rise /= 2 * step * len(X)
    # In W2 and b2 the loss is a quadratic, whose central difference is free of truncation error:
    # ((r + eps h)**2 - (r - eps h)**2) / (4 eps) = r h.
    return {
        "W1": rise[:, :-1].T.copy(),
        "b1": rise[:, -1:].T.copy(),
        "W2": H.T @ r / len(X),
        "b2": np.sum(r, axis=0, keepdims=True) / len(X),
    }


def _hidden_rise(
    delta: np.ndarray, Z: np.ndarray, pull: np.ndarray, weight: np.ndarray, bar: Progress
) -> np.ndarray:
    """``N (L(+eps) - L(-eps))`` for every weight into a hidden unit, (H, D).

    Parameters
    ----------
    delta
        (D, N), how far each sample moves a hidden unit when the weight from an input moves by eps.
    Z
        (H, N), the inputs of the hidden units.
    pull
        (H, N), ``r . w``: how the loss answers to each hidden unit, to first order.
    weight
        (H,), ``|w|**2``: to second order.
    bar
        Counts the weights that are done.
    """
    inputs, samples = delta.shape
    units = len(Z)
    with np.errstate(over="ignore"):  # cosh(z) = inf: a saturated unit, which does not move at all
        cosh_z = np.cosh(Z)
    bend = -0.5 * weight[:, None] * np.tanh(Z / 2)
    rows = min(inputs, max(1, BLOCK // samples))
    many = min(units, max(1, BLOCK // (rows * samples)))
    rise = np.empty((units, inputs, 1))
    space = np.empty((many, rows, samples))
    for i in range(0, inputs, rows):
        d = delta[i : i + rows]
        sinh, cosh, tanh_half = np.sinh(d), np.cosh(d), np.tanh(d / 2)
        for j in range(0, units, many):
            some = slice(j, j + many)
            m = space[: len(Z[some]), : len(d)]
            np.add(cosh, cosh_z[some, None], out=m)
            np.divide(sinh, m, out=m)
            first = m @ pull[some, :, None]
            np.multiply(m, m, out=m)
            np.multiply(m, tanh_half, out=m)
            rise[some, i : i + rows] = first + m @ bend[some, :, None]
            bar.advance(first.size)
    return rise[:, :, 0]


def _require_network(
    params: Mapping[str, np.ndarray], X: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, ...]:
    """``W1, b1, W2, X, y`` in float64, if together they are a network of :mod:`gradlab.mlp`."""
    arrays = validation.require_parameters(params)
    names = mlp.PARAMETER_NAMES
    if set(arrays) != set(names):
        raise ValueError(f"params must have W1, b1, W2 and b2, not {', '.join(map(str, arrays))}")
    W1, b1, W2, b2 = (arrays[name].astype(float) for name in names)
    if W1.ndim != 2 or W2.ndim != 2:
        raise ValueError(f"W1 and W2 must be matrices, not of shapes {W1.shape} and {W2.shape}")
    (D, H), K = W1.shape, W2.shape[1]
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    wanted = {"b1": (1, H), "W2": (H, K), "b2": (1, K), "X": (len(X), D), "y": (len(X), K)}
    for (name, shape), array in zip(wanted.items(), (b1, W2, b2, X, y), strict=True):
        if array.shape != shape:
            raise ValueError(
                f"{name} must have shape {shape} to fit W1 {W1.shape}, W2 and X, not {array.shape}"
            )
    if not (np.isfinite(X).all() and np.isfinite(y).all()) or not len(X):
        raise ValueError("X and y must have at least one row, and finite entries only")
    return W1, b1, W2, X, y
