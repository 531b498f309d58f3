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
import peers

IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def seconds(check) -> float:
    start = time.perf_counter()
    assert check()
    return time.perf_counter() - start


def import_seconds(module: str) -> float:
    command = [sys.executable, "-c", IMPORT.format(module)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    case = peers.Case.of(20, 50, 200)
    checks = (peers.plain_loop(case), peers.gradlab_check(case))
    times = np.array([[seconds(check) for check in checks] for _ in range(rounds)])
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
