"""False alarms of check_gradients on right gradients: how many in 10,000 trials?

    python tests/benchmarks/false_alarms.py [--trials 10000] [--how entries]

A trial draws a network in the state named, and checks its right gradient with the defaults. The
table counts trials by the report's verdict. An alarm is a verdict of ``wrong``, ``kink``,
``random`` or ``nonfinite``: on these smooth, deterministic losses all four are false. ``undecided``
is not an alarm, but it is not an answer either.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from gradlab import check_gradients, mlp

STATES = ("untrained", "trained", "saturated", "tiny weights", "near minimum")
ALARMS = ("wrong", "kink", "random", "nonfinite")


def network(state: str, dtype: type, seed: int):
    """A loss, its parameters and its right gradient, for a network of random size and data."""
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
    return mlp.loss_function(X, y), params, mlp.backward(params, mlp.forward(params, X)[1], y)


def count(state: str, dtype: type, trials: int, how: str = "entries", first: int = 0) -> Counter:
    """The verdicts of so many trials."""
    verdicts = Counter()
    for seed in range(first, first + trials):
        loss, params, grads = network(state, dtype, seed)
        verdicts[check_gradients(loss, params, grads, how=how, progress=False).verdict] += 1
    return verdicts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--how", choices=("entries", "directions"), default="entries")
    options = parser.parse_args()
    each = -(-options.trials // (2 * len(STATES)))
    total = alarms = 0
    print(f"{'network':14} {'precision':9} {'trials':>7} {'alarms':>7}  verdicts")
    for state in STATES:
        for dtype in (np.float64, np.float32):
            verdicts = count(state, dtype, each, options.how)
            false = sum(verdicts[verdict] for verdict in ALARMS)
            told = ", ".join(f"{verdict} {n}" for verdict, n in verdicts.most_common())
            print(f"{state:14} {np.dtype(dtype).name:9} {each:7} {false:7}  {told}", flush=True)
            total, alarms = total + each, alarms + false
    print(f"{alarms} false alarms in {total} trials")


if __name__ == "__main__":
    main()
