"""The two backward passes of the course's story. Do not read on before notebook 05.

Both train to the same loss: over the seeds 0 to 7, with data and weights from one stream (``rng =
np.random.RandomState(seed)``, ``X, y = paraboloid(20, rng)``, ``params = init_params(seed=rng)``)
and 3,000 steps at a learning rate of 0.5, the median of the last loss is 0.0021 for either.
"""

from __future__ import annotations

import numpy as np

from gradlab.validation import Params


def suspect_a(params: Params, cache: Params, y: np.ndarray) -> dict[str, np.ndarray]:
    """The gradient of the course's loss: one of two answers. Shapes as in ``mlp.backward``."""
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dH = dy @ params["W2"].T
    dZ1 = dH * H * (1 - H)
    return {
        "W1": X.T @ dZ1,
        "b1": np.sum(dZ1, axis=0, keepdims=True),
        "W2": H.T @ dy,
        "b2": np.sum(dy, axis=0, keepdims=True),
    }


def suspect_b(params: Params, cache: Params, y: np.ndarray) -> dict[str, np.ndarray]:
    """The gradient of the course's loss: one of two answers. Shapes as in ``mlp.backward``."""
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dW2 = H.T @ dy
    W2 = params["W2"] - 0.5 * dW2
    dH = dy @ W2.T
    dZ1 = dH * H * (1 - H)
    return {
        "W1": X.T @ dZ1,
        "b1": np.sum(dZ1, axis=0, keepdims=True),
        "W2": dW2,
        "b2": np.sum(dy, axis=0, keepdims=True),
    }
