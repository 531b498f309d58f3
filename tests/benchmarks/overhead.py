"""What check_gradients costs over the loop that everybody writes, and what its import costs.

    python tests/benchmarks/overhead.py [--rounds 15]

The same network (20 inputs, 50 hidden units, 200 samples: 1,101 parameters), one thread, rounds
interleaved, medians. The loop evaluates a central difference at every entry and nothing else.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from gradlab import check_gradients, mlp

IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def plain_loop(loss, params, grads, eps=1e-5):
    """The check of a hundred tutorials."""
    for name, array in params.items():
        numeric = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            old = array[index]
            array[index] = old + eps
            up = loss(params)
            array[index] = old - eps
            down = loss(params)
            array[index] = old
            numeric[index] = (up - down) / (2 * eps)
        a, n = np.linalg.norm(grads[name]), np.linalg.norm(numeric)
        assert np.linalg.norm(grads[name] - numeric) / (a + n + 1e-15) < 1e-6


def seconds(function, *arguments) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def import_seconds(module: str) -> float:
    command = [sys.executable, "-c", IMPORT.format(module)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    stream = np.random.RandomState(0)
    X = stream.uniform(-1, 1, (200, 20))
    y = np.sum(X[:, :2] ** 2, axis=1, keepdims=True)
    params = mlp.init_params((20, 50, 1), 0)
    loss, grads = mlp.loss_function(X, y), mlp.backward(params, mlp.forward(params, X)[1], y)
    times = np.array(
        [
            [
                seconds(plain_loop, loss, params, grads),
                seconds(check_gradients, loss, params, grads),
            ]
            for _ in range(rounds)
        ]
    )
    loop, check = np.median(times, axis=0)
    print(
        f"plain loop {loop * 1e3:.0f} ms, check_gradients {check * 1e3:.0f} ms: {check / loop:.2f}x"
    )
    modules = ("numpy", "gradlab", "gradlab.checking")
    found = np.array([[import_seconds(module) for module in modules] for _ in range(rounds)])
    numpy, lazy, all_of_it = np.median(found, axis=0)
    print(
        f"import numpy {numpy * 1e3:.0f} ms; gradlab {lazy / numpy:.2f}x; "
        f"with everything that check_gradients needs {all_of_it / numpy:.2f}x"
    )


if __name__ == "__main__":
    main()
