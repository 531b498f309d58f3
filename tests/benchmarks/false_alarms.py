"""False alarms of check_gradients on right gradients: how many in 10,000 trials?

    python tests/benchmarks/false_alarms.py [--trials 10000] [--how entries]

A trial draws a network in the state named, and checks its right gradient with the defaults: in
float64, in float32, or in float32 that hides behind float64 parameters. The table counts trials by
the report's verdict. An alarm is a verdict of ``wrong``, ``kink``, ``random`` or ``nonfinite``: on
these smooth, deterministic losses all four are false. ``undecided`` is not an alarm, but it is not
an answer either; so the last column says how many passed of the gradients that are, with all their
rounding, right to a tenth in each array.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import NamedTuple

import numpy as np

from gradlab import check_gradients, mlp

STATES = ("untrained", "trained", "saturated", "tiny weights", "near minimum")
PRECISIONS = ("float64", "float32", "hidden float32")
ALARMS = ("wrong", "kink", "random", "nonfinite")


class HiddenFloat32(NamedTuple):
    """A loss that casts its parameters to float32, and what it returns back to float64."""

    loss: object

    def __call__(self, params) -> float:
        return float(self.loss({name: array.astype(np.float32) for name, array in params.items()}))


def network(state: str, precision: str, seed: int):
    """A loss, its parameters and its right gradient, for a network of random size and data."""
    dtype = np.float64 if precision == "float64" else np.float32
    stream = np.random.RandomState(seed)
    D, H, K = stream.randint(1, 5), stream.randint(1, 7), stream.randint(1, 3)
    N = int(stream.choice([1, 5, 20, 60]))
    X = (stream.uniform(-1, 1, (N, D)) * 10 ** stream.uniform(-1, 1)).astype(dtype)
    y = (np.sum(X**2, axis=1, keepdims=True) * stream.uniform(0.5, 2, K)).astype(dtype)
    params = mlp.init_params((D, H, K), stream)
    params["b1"] += stream.normal(0, 0.5, params["b1"].shape)
    factor = {"saturated": stream.uniform(5, 30), "tiny weights": 1e-3}.get(state, 1.0)
    params = {name: (array * factor).astype(dtype) for name, array in params.items()}
    if state == "trained":
        mlp.train(params, X, y, 100, 0.1 / (1 + np.abs(X).max()))
    if state == "near minimum":
        # A target that the network meets but for a residual of 1e-1 to 1e-6.
        y_hat, _ = mlp.forward(params, X)
        y = (y_hat + 10 ** stream.uniform(-6, -1) * stream.normal(size=y_hat.shape)).astype(dtype)
    loss, grads = mlp.loss_function(X, y), gradient(params, X, y)
    if precision == "hidden float32":
        loss, params, grads = HiddenFloat32(loss), in_float64(params), in_float64(grads)
    return loss, params, grads


def gradient(params, X: np.ndarray, y: np.ndarray):
    return mlp.backward(params, mlp.forward(params, X)[1], y)


def in_float64(arrays):
    return {name: array.astype(float) for name, array in arrays.items()}


def right_to_a_tenth(loss, params, grads) -> bool:
    """Whether rounding left each array of a gradient within a tenth of the one in float64."""
    inner = getattr(loss, "loss", loss)
    exact = gradient(in_float64(params), inner.X.astype(float), inner.y.astype(float))
    return all(
        np.linalg.norm(grads[name] - array) <= 0.1 * np.linalg.norm(array)
        for name, array in exact.items()
    )


def count(state: str, precision: str, trials: int, how: str = "entries", first: int = 0) -> Counter:
    """The verdicts of so many trials; and under "right" and "right, passed" those of right ones."""
    verdicts = Counter()
    for seed in range(first, first + trials):
        loss, params, grads = network(state, precision, seed)
        report = check_gradients(loss, params, grads, how=how, progress=False)
        right = right_to_a_tenth(loss, params, grads)
        verdicts.update(
            {report.verdict: 1, "right": right, "right, passed": right and bool(report)}
        )
    return verdicts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--how", choices=("entries", "directions"), default="entries")
    options = parser.parse_args()
    each = -(-options.trials // (len(PRECISIONS) * len(STATES)))
    total = alarms = 0
    print(f"{'network':14}{'precision':16}{'trials':>7}{'alarms':>7}{'passed':>8}  verdicts")
    for state in STATES:
        for precision in PRECISIONS:
            verdicts = count(state, precision, each, options.how)
            false = sum(verdicts[verdict] for verdict in ALARMS)
            passed = verdicts.pop("right, passed") / verdicts.pop("right")
            told = ", ".join(f"{verdict} {n}" for verdict, n in verdicts.most_common())
            print(f"{state:14}{precision:16}{each:7}{false:7}{passed:8.1%}  {told}", flush=True)
            total, alarms = total + each, alarms + false
    print(f"{alarms} false alarms in {total} trials")


if __name__ == "__main__":
    main()
