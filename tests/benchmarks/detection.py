"""How small an error in one entry of 23,581 does one random direction find?

    python tests/benchmarks/detection.py [--trials 300]

Each trial adds q times the root mean square of the gradient to one entry, drawn at random, of a
784-30-1 network's right gradient, and runs check_gradients(how="directions"). Counted are the
trials that are called wrong, and those in which the bisection names the entry.
"""

from __future__ import annotations

import argparse

import numpy as np

from gradlab import check_gradients, mlp

SIZES = (784, 30, 1)
SAMPLES = 100


def trial(q: float, seed: int) -> tuple[bool, bool, int]:
    """Whether the error was seen, whether its entry was named, and the evaluations it took."""
    stream = np.random.RandomState(seed)
    X = stream.uniform(-1, 1, (SAMPLES, SIZES[0]))
    y = np.sum(X[:, :2] ** 2, axis=1, keepdims=True)
    params = mlp.init_params(SIZES, stream)
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    sizes = {name: gradient.size for name, gradient in grads.items()}
    rms = np.sqrt(sum(np.sum(g**2) for g in grads.values()) / sum(sizes.values()))
    entry = stream.randint(sum(sizes.values()))  # every one equally likely, whatever its array
    ends = np.cumsum(list(sizes.values()))
    which = int(np.searchsorted(ends, entry, side="right"))
    name = list(sizes)[which]
    entry -= ends[which] - sizes[name]
    index = tuple(int(i) for i in np.unravel_index(entry, grads[name].shape))
    grads[name][index] += q * rms
    loss, evaluations = mlp.loss_function(X, y), 0

    def counted(params):
        nonlocal evaluations
        evaluations += 1
        return loss(params)

    report = check_gradients(counted, params, grads, how="directions", progress=False)
    found = report[name].verdict == "wrong"
    return found, found and report[name].worst_index == index, evaluations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=300)
    options = parser.parse_args()
    print(f"{'q':>7} {'detected':>9} {'entry named':>12} {'evaluations':>12}")
    for q in (1.0, 0.1, 0.01, 1e-3, 1e-4):
        found, named, evaluations = zip(*(trial(q, s) for s in range(options.trials)), strict=True)
        print(
            f"{q:7g} {np.mean(found):9.1%} {np.mean(named):12.1%} {np.median(evaluations):12.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
