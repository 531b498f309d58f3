"""The networks that the bugs of the catalogue live in: the course's own, and small variations.

A variation changes one thing: the activation, a penalty, a mask, a normalisation, the output layer
or the way weights are shared. Each comes with its right backward pass, so that a bug can be read
against the code it breaks. As in :mod:`gradlab.mlp`, forward passes and losses accept a stack of
perturbed parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradlab import mlp
from gradlab.data import paraboloid, random_stream

Params = Mapping[str, np.ndarray]
Backward = Callable[[Params, Params, np.ndarray], Mapping[str, np.ndarray]]
Prepare = Callable[[dict[str, np.ndarray], np.ndarray, np.ndarray], None]


class Problem(NamedTuple):
    """What a gradient check is given: a loss, the point, and the gradient under suspicion there."""

    loss: Callable[[Params], float | np.ndarray]
    params: dict[str, np.ndarray]
    grads: Mapping[str, np.ndarray]


def _no_penalty(params: Params) -> float:
    return 0.0


@dataclass(frozen=True)
class Network:
    """A forward pass, its loss, and the backward pass that belongs to them.

    ``forward(params, X)`` gives the prediction and the cache, ``output_loss(y_hat, y)`` the loss of
    a batch; ``penalty(params)`` is added to it.
    """

    forward: Callable[[Params, np.ndarray], tuple[np.ndarray, dict[str, np.ndarray]]]
    backward: Backward
    output_loss: Callable[[np.ndarray, np.ndarray], float | np.ndarray] = mlp.loss
    penalty: Callable[[Params], float | np.ndarray] = _no_penalty

    def loss_function(self, X: np.ndarray, y: np.ndarray) -> Callable[[Params], float | np.ndarray]:
        """The loss as a function of the parameters alone."""
        return lambda params: self.output_loss(self.forward(params, X)[0], y) + self.penalty(params)

    def at(
        self,
        params: dict[str, np.ndarray],
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
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
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
    """
    params, X, y = draw(seed, samples, sizes)
    if prepare is not None:
        prepare(params, X, y)
    return (network or COURSE).at(params, X, y, backward)


COURSE = Network(mlp.forward, mlp.backward)


def concatenated(loss, params: dict[str, np.ndarray], grads: Mapping[str, np.ndarray]) -> Problem:
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

    def end_to_end(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"all": np.concatenate([arrays[name].ravel() for name in params])}

    return Problem(loss_of_vector, end_to_end(params), end_to_end(grads))
