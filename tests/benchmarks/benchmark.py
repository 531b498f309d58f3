"""gradlab against its peers: time, detection, false alarms, import. Writes the README's tables.

    pip install -e ".[peers,test]"        # torch's CPU build is enough
    python tests/benchmarks/benchmark.py [--quick] [--print] [--alarms 10000]

One process, one thread, one core; the same network, data and backward pass for everybody. Rounds
are interleaved, every tool once a round, and a figure is the median of its rounds, so that a busy
moment of the machine spoils one round of all tools and not all rounds of one. For the same reason
it is CPU time: on an idle machine that is the time on the clock, on a busy one it is closer to it.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import false_alarms
import numpy as np
import peers

ROOT = Path(__file__).resolve().parents[2]
SIZES = ((2, 5, 20), (20, 50, 200), (100, 200, 500), (784, 30, 100))
LARGE = 5_000  # parameters; beyond, fewer rounds, and all but three check some entries only
LARGE_ROUNDS = 3
FULL_AT_ANY_SIZE = (peers.gradlab_structured, peers.plain_loop, peers.torch_slow)
IMPORTS = (
    "numpy",
    "gradlab",
    "from gradlab import check_gradients",
    "autograd",
    "scipy.optimize",
    "jax",
    "sklearn",
    "torch",
)
MARKERS = re.compile(r"(?<=<!-- benchmark -->\n).*(?=<!-- /benchmark -->)", re.DOTALL)
COMMAND = "python tests/benchmarks/benchmark.py"
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}


# ------------------------------------------------------------------------------- measuring


def interleaved(checks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median CPU time of each check, in seconds."""
    times: dict[str, list[float]] = {name: [] for name in checks}
    for _ in range(rounds):
        for name, check in checks.items():
            start = cpu_seconds()
            check()
            times[name].append(cpu_seconds() - start)
    return {name: statistics.median(all_of_it) for name, all_of_it in times.items()}


def cpu_seconds() -> float:
    """The CPU time so far of this process and of its children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def exponentials(case: peers.Case) -> Callable[[], None]:
    """The floor that a structured check was measured against: 2 D H N exponentials, no more."""
    (D, H), N = case.params["W1"].shape, len(case.X)
    numbers = np.random.RandomState(0).normal(size=4096)
    space, passes = np.empty_like(numbers), -(-2 * D * H * N // len(numbers))

    def evaluate() -> None:
        for _ in range(passes):
            np.exp(numbers, out=space)

    return evaluate


def full_checks(size: tuple[int, int, int], rounds: int) -> dict[str, float]:
    """Seconds for a check of every entry, for each tool, and for the floor."""
    case = peers.Case.of(*size)
    checks, parts = {}, {}
    for name, make in peers.EVERY_ENTRY.items():
        if case.size <= LARGE or make in FULL_AT_ANY_SIZE:
            checks[name], parts[name] = make(case), 1.0
        elif make in peers.SAMPLED:
            checks[name] = make(case, entries=peers.SAMPLED[make])
            parts[name] = peers.SAMPLED[make] / case.size
    for name, check in checks.items():  # which also warms it up
        require(_too_slow_to_warm_up(case, name) or check(), f"{name} rejects a right gradient")
    times = interleaved({**checks, "floor": exponentials(case)}, rounds)
    return {name: seconds / parts.get(name, 1.0) for name, seconds in times.items()}


def _too_slow_to_warm_up(case: peers.Case, name: str) -> bool:
    """Whether a tool is too slow at this size to be run once more only to warm it up."""
    make = peers.EVERY_ENTRY[name]
    return case.size > LARGE and make in (peers.plain_loop, peers.torch_slow)


def direction_checks(size: tuple[int, int, int], rounds: int) -> dict[str, float]:
    """Seconds for a check along one random direction, for each tool."""
    checks = {name: make(peers.Case.of(*size)) for name, make in peers.ONE_DIRECTION.items()}
    for name, check in checks.items():
        require(check(), f"{name} rejects a right gradient")
    return interleaved(checks, rounds)


def detection(trials: int) -> dict[str, dict[float, float]]:
    """How often one wrong entry of 23,581 is seen, by tool and by the size of the error.

    The error is q times the root mean square of the gradient, in an entry drawn at random.
    """
    qs = (1.0, 0.1, 0.01, 1e-3, 1e-4)
    seen = {name: dict.fromkeys(qs, 0) for name in peers.ONE_DIRECTION}
    for trial in range(trials):
        case = peers.Case.of(784, 30, 100, seed=trial)
        exact = case.flat(case.grads)
        entry = np.random.RandomState(trial).randint(len(exact))
        for q in qs:
            wrong = exact.copy()
            wrong[entry] += q * np.sqrt(np.mean(exact**2))
            accused = case._replace(grads=case.arrays(wrong))
            for name, make in peers.ONE_DIRECTION.items():
                seen[name][q] += not make(accused)()
    return {name: {q: n / trials for q, n in by_q.items()} for name, by_q in seen.items()}


def import_times(rounds: int) -> dict[str, float]:
    """Seconds that an import takes beyond the start of Python."""

    def importing(what: str) -> Callable[[], object]:
        code = what if what.startswith("from ") or not what else f"import {what}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return lambda: subprocess.run([sys.executable, "-c", code], env=environment, check=True)

    checks = {what: importing(what) for what in ("", *IMPORTS)}
    interleaved(checks, 1)  # compiles what has not been compiled yet
    times = interleaved(checks, rounds)
    bare = times.pop("")
    return {what: seconds - bare for what, seconds in times.items()}


def require(condition: bool, complaint: str) -> None:
    if not condition:
        raise SystemExit(f"benchmark: {complaint}")


# ------------------------------------------------------------------------------- the tables


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def duration(seconds: float) -> str:
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def title(size: tuple[int, int, int]) -> str:
    D, H, N = size
    return f"D={D}, H={H}, N={N}"


def full_table(times: dict[tuple, dict[str, float]]) -> str:
    def cell(size: tuple, name: str) -> str:
        if name not in times[size]:
            return "–"
        seconds = times[size][name]
        sampled = count(size) > LARGE and peers.EVERY_ENTRY[name] not in FULL_AT_ANY_SIZE
        about = "~" if sampled else ""
        return f"{about}{duration(seconds)} ({ratio(times[size]['plain NumPy loop'] / seconds)})"

    def count(size: tuple) -> int:
        D, H, _ = size
        return D * H + 2 * H + 1

    names = peers.EVERY_ENTRY
    rows = [["parameters", *(f"{count(size):,}" for size in times)]]
    rows += [[name, *(cell(size, name) for size in times)] for name in names]
    floor = "structured check over 2 D H N exponentials"
    structured = "gradlab, `structured_gradient`"
    rows += [[floor, *(f"{t[structured] / t['floor']:.2g}" for t in times.values())]]
    return table(["every entry", *map(title, times)], rows)


def ratio(factor: float) -> str:
    return f"{factor:.0f}x" if factor >= 10 else f"{factor:.2g}x"


def direction_table(times: dict[tuple, dict[str, float]]) -> str:
    names = peers.ONE_DIRECTION
    rows = [[name, *(duration(times[size][name]) for size in times)] for name in names]
    return table(["one random direction", *map(title, times)], rows)


def detection_table(seen: dict[str, dict[float, float]]) -> str:
    qs = list(next(iter(seen.values())))
    rows = [[name, *(f"{100 * by_q[q]:.3g} %" for q in qs)] for name, by_q in seen.items()]
    return table(["one direction finds an error of", *(f"{q:g} rms" for q in qs)], rows)


def import_table(times: dict[str, float]) -> str:
    numpy = times["numpy"]
    row = [f"{seconds / numpy:.3g}" for seconds in times.values()]
    return table(["import", *(f"`{what}`" for what in times)], [["times NumPy's own", *row]])


def machine() -> str:
    names = ("numpy", "scipy", "numdifftools", "torch", "jax", "autograd", "scikit-learn")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"Python {platform.python_version()}, {versions}; one thread of {processor()}"


def processor() -> str:
    try:
        information = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"model name\s*:\s*(.*)", information)
    return found[1] if found else platform.machine()


def report(rounds: int, large_rounds: int, trials: int, alarm_trials: int) -> str:
    full, direction = speeds(rounds, large_rounds)
    say("imports")
    imports = import_times(rounds)
    say("detection")
    seen = detection(trials)
    say("false alarms")
    alarms, checked, passed = count_alarms(alarm_trials)
    return f"""
A check of a hand-written backward pass of the course's network (D inputs, H hidden units, one output,
N samples): median CPU time, and how many times faster than the plain loop.

{full_table(full)}
`~`: extrapolated from 500 entries, for numdifftools from 50. `structured_gradient` knows this network;
all the others take any loss. `check_gradients` also measures the noise and the curvature of the loss.

{direction_table(direction)}
What such a direction is worth: one wrong entry among 23,581, off by a multiple of the root mean
square of the gradient; {trials} trials each.

{detection_table(seen)}
False alarms of `check_gradients`: {alarms} in {checked:,} checks of right gradients, over untrained,
trained, saturated, tiny-weight and near-minimum networks in float64, in float32, and in float32 that
hides behind float64 parameters. Of the gradients whose rounding had left them right to a tenth in
each array, these passed: {passed}. The others are
`undecided`, `untested` or `unused`.

{import_table(imports)}
{machine()}.
Medians of {rounds} interleaved rounds, of {large_rounds} at the two large sizes. This command
measures it all again, on your machine, and rewrites this section:

```sh
{COMMAND}
```

"""


def speeds(rounds: int, large_rounds: int) -> tuple[dict, dict]:
    """By size, the seconds of each tool for every entry, and for one direction."""
    full, direction = {}, {}
    for size in SIZES:
        say(f"every entry, {title(size)}")
        D, H, _ = size
        full[size] = full_checks(size, large_rounds if D * H > LARGE else rounds)
        direction[size] = direction_checks(size, rounds)
        for name, seconds in {**full[size], **direction[size]}.items():
            say(f"    {name}: {duration(seconds)}")
    return full, direction


def count_alarms(trials: int) -> tuple[int, int, str]:
    """False alarms, checks, and what part of the right gradients passed in each precision."""
    each = -(-trials // (len(false_alarms.PRECISIONS) * len(false_alarms.STATES)))
    alarms, shares = 0, []
    for precision in false_alarms.PRECISIONS:
        found = sum(
            (false_alarms.count(state, precision, each) for state in false_alarms.STATES), Counter()
        )
        alarms += sum(found[verdict] for verdict in false_alarms.ALARMS)
        shares.append(f"{found['right, passed'] / found['right']:.1%} in {precision}")
    checked = each * len(false_alarms.PRECISIONS) * len(false_alarms.STATES)
    return alarms, checked, ", ".join(shares).replace("%", " %")


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds and trials, for a look")
    parser.add_argument("--alarms", type=int, default=10_000, help="checks for false alarms")
    parser.add_argument("--print", action="store_true", help="leave README.md as it is")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        # Libraries read these when they are loaded: once more from the start.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import torch

    torch.set_num_threads(1)
    text = report(3, 1, 10, 200) if options.quick else report(5, LARGE_ROUNDS, 200, options.alarms)
    if options.print:
        print(text)
        return 0
    readme = ROOT / "README.md"
    content = readme.read_text(encoding="utf-8")
    require(MARKERS.search(content) is not None, "README.md has no place for the tables")
    readme.write_text(MARKERS.sub(lambda _: text, content), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
