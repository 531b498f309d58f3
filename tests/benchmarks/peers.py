"""One gradient, checked by gradlab and by its peers: the same network, data and backward pass.

Each function takes a :class:`Case` and returns a check, a function without arguments: True says
that the gradient is right. What can be done once (a conversion, a trace) is done before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gradlab import check_gradients, mlp, numerical_gradient, structured_gradient

EPS = 1e-5
CUTOFF = 1e-7  # of the classical rule, for the checks that are loops and nothing else
Check = Callable[[], bool]


class Case(NamedTuple):
    """A network of D inputs, H hidden units and one output, its data and the gradient on trial."""

    params: dict[str, np.ndarray]
    X: np.ndarray
    y: np.ndarray
    grads: dict[str, np.ndarray]

    @classmethod
    def of(cls, D: int, H: int, N: int, seed: int = 0) -> Case:
        stream = np.random.RandomState(seed)
        X = stream.uniform(-1, 1, (N, D))
        y = np.mean(X**2, axis=1, keepdims=True)
        params = mlp.init_params((D, H, 1), stream)
        return cls(params, X, y, mlp.backward(params, mlp.forward(params, X)[1], y))

    @property
    def size(self) -> int:
        return sum(array.size for array in self.params.values())

    @property
    def loss(self) -> Callable:
        return mlp.loss_function(self.X, self.y)

    def flat(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([array.ravel() for array in arrays.values()])

    def arrays(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        ends = np.cumsum([array.size for array in self.params.values()])[:-1]
        parts = np.split(vector, ends)
        return {
            name: part.reshape(array.shape)
            for (name, array), part in zip(self.params.items(), parts, strict=True)
        }

    def accepts(self, numeric: dict[str, np.ndarray]) -> bool:
        return all(
            np.linalg.norm(a - numeric[name])
            <= CUTOFF * (np.linalg.norm(a) + np.linalg.norm(numeric[name]) + 1e-15)
            for name, a in self.grads.items()
        )


# -------------------------------------------------------------------- every entry, one by one


def plain_loop(case: Case) -> Check:
    """The loop of notebook 05, and of most courses."""
    loss, params = case.loss, case.params

    def check() -> bool:
        numeric = {}
        for name, array in params.items():
            numeric[name] = np.zeros_like(array)
            for index in np.ndindex(array.shape):
                original = array[index]
                array[index] = original + EPS
                above = loss(params)
                array[index] = original - EPS
                below = loss(params)
                array[index] = original
                numeric[name][index] = (above - below) / (2 * EPS)
        return case.accepts(numeric)

    return check


def gradlab_loop(case: Case, entries: int | None = None) -> Check:
    loss, params, grads = _some(case, entries)

    def check() -> bool:
        numeric = numerical_gradient(loss, params, eps=EPS, progress=False)
        return case._replace(grads=grads).accepts(numeric)

    return check


def gradlab_stacked(case: Case) -> Check:
    return lambda: case.accepts(
        numerical_gradient(case.loss, case.params, eps=EPS, vectorized=True, progress=False)
    )


def gradlab_check(case: Case, entries: int | None = None) -> Check:
    loss, params, grads = _some(case, entries)
    return lambda: check_gradients(loss, params, grads, progress=False).passed


def _some(case: Case, entries: int | None) -> tuple[Callable, dict, dict]:
    """The loss, the parameters and the gradient; or so many entries of W1, as views."""
    if entries is None:
        return case.loss, case.params, case.grads
    few = {"W1": case.params["W1"].reshape(-1)[:entries]}
    loss = case.loss
    return lambda _: loss(case.params), few, {"W1": case.grads["W1"].reshape(-1)[:entries]}


def gradlab_structured(case: Case) -> Check:
    return lambda: case.accepts(structured_gradient(case.params, case.X, case.y, EPS))


def scipy_3_point(case: Case, entries: int | None = None) -> Check:
    from scipy.optimize._numdiff import approx_derivative

    loss, start, exact = _flat(case, entries)
    return lambda: np.allclose(
        approx_derivative(loss, start, "3-point", abs_step=EPS), exact, rtol=1e-6, atol=1e-9
    )


def numdifftools_gradient(case: Case, entries: int | None = None) -> Check:
    import numdifftools

    loss, start, exact = _flat(case, entries)
    return lambda: np.allclose(numdifftools.Gradient(loss)(start), exact, rtol=1e-6, atol=1e-9)


def _flat(case: Case, entries: int | None) -> tuple[Callable, np.ndarray, np.ndarray]:
    """The loss of one vector, where to differentiate it, and its gradient there."""
    loss, whole = case.loss, case.flat(case.params)

    def of_some(vector: np.ndarray) -> float:
        if entries is None:
            return loss(case.arrays(vector))
        moved = whole.copy()
        moved[:entries] = vector
        return loss(case.arrays(moved))

    return of_some, whole[:entries], case.flat(case.grads)[:entries]


def sklearn_loop(case: Case, entries: int | None = None) -> Check:
    """As in scikit-learn's own test of its MLP: a flat vector; loss and gradient every time."""
    start, exact = case.flat(case.params), case.flat(case.grads)

    def loss_grad(vector: np.ndarray) -> tuple[float, np.ndarray]:
        params = case.arrays(vector)
        y_hat, cache = mlp.forward(params, case.X)
        return mlp.loss(y_hat, case.y), case.flat(mlp.backward(params, cache, case.y))

    def check() -> bool:
        numeric = np.zeros(len(start) if entries is None else entries)
        for i in range(len(numeric)):
            step = np.zeros(len(start))
            step[i] = EPS
            above, below = loss_grad(start + step)[0], loss_grad(start - step)[0]
            numeric[i] = (above - below) / (2 * EPS)
        return np.allclose(numeric, exact[: len(numeric)], rtol=1e-6, atol=1e-9)

    return check


def torch_slow(case: Case) -> Check:
    return _torch(case, fast_mode=False)


# --------------------------------------------------------------------- one random direction


def torch_fast(case: Case) -> Check:
    return _torch(case, fast_mode=True)


def _torch(case: Case, fast_mode: bool) -> Check:
    import torch

    X, y = torch.from_numpy(case.X), torch.from_numpy(case.y)
    inputs = [torch.from_numpy(a.copy()).requires_grad_() for a in case.params.values()]
    grads = [torch.from_numpy(a.copy()) for a in case.grads.values()]

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx, W1, b1, W2, b2):
            y_hat = torch.sigmoid(X @ W1 + b1) @ W2 + b2
            return 0.5 * torch.sum((y_hat - y) ** 2) / len(y)

        @staticmethod
        def backward(ctx, upstream):
            return tuple(upstream * grad for grad in grads)

    return lambda: torch.autograd.gradcheck(
        Loss.apply, inputs, fast_mode=fast_mode, raise_exception=False
    )


def jax_check_grads(case: Case) -> Check:
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    from jax.test_util import check_grads

    X, y = jnp.asarray(case.X), jnp.asarray(case.y)
    params = {name: jnp.asarray(array) for name, array in case.params.items()}
    grads = {name: jnp.asarray(array) for name, array in case.grads.items()}

    @jax.custom_vjp
    def loss(p):
        y_hat = jax.nn.sigmoid(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
        return 0.5 * jnp.sum((y_hat - y) ** 2) / len(y)

    def forward(p):
        return loss(p), None

    def backward(_, upstream):
        return (jax.tree.map(lambda grad: upstream * grad, grads),)

    loss.defvjp(forward, backward)
    return lambda: _raises_nothing(check_grads, loss, (params,), order=1, modes=["rev"])


def autograd_check_grads(case: Case) -> Check:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    loss = primitive(case.loss)
    defvjp(loss, lambda value, p: lambda up: {n: up * grad for n, grad in case.grads.items()})
    return lambda: _raises_nothing(check_grads(loss, modes=["rev"], order=1), case.params)


def _raises_nothing(check: Callable, *args: object, **kwargs: object) -> bool:
    try:
        check(*args, **kwargs)
    except AssertionError:
        return False
    return True


def gradlab_directions(case: Case) -> Check:
    def check() -> bool:
        loss, params, grads = case.loss, case.params, case.grads
        report = check_gradients(loss, params, grads, how="directions", progress=False)
        return report.verdict != "wrong"

    return check


# At the large sizes these check some entries only, and their time is extrapolated.
SAMPLED = {
    gradlab_loop: 500,
    gradlab_check: 500,
    scipy_3_point: 500,
    sklearn_loop: 500,
    numdifftools_gradient: 50,
}
EVERY_ENTRY = {
    "gradlab, `structured_gradient`": gradlab_structured,
    "gradlab, `numerical_gradient`": gradlab_loop,
    "gradlab, `vectorized=True`": gradlab_stacked,
    "gradlab, `check_gradients`": gradlab_check,
    "plain NumPy loop": plain_loop,
    "SciPy `approx_derivative`, 3-point": scipy_3_point,
    "torch `gradcheck`": torch_slow,
    "loop of scikit-learn's tests": sklearn_loop,
    "numdifftools `Gradient`": numdifftools_gradient,
}
ONE_DIRECTION = {
    'gradlab, `how="directions"`': gradlab_directions,
    "torch `gradcheck(fast_mode=True)`": torch_fast,
    "JAX `check_grads`, x64": jax_check_grads,
    "autograd `check_grads`": autograd_check_grads,
}
