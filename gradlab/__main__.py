"""Solve the exercise of the course in the terminal: ``python -m gradlab``."""

from __future__ import annotations

import argparse
import math
from typing import NoReturn

import numpy as np

from gradlab import check_gradients, mlp, paraboloid
from gradlab.data import random_stream
from gradlab.differences import METHODS
from gradlab.terminal import leave_with

CUTOFF = 1e-7
SAMPLES = 20


class _Parser(argparse.ArgumentParser):
    """One line and status 2 for a bad value; argparse puts the whole usage in front of it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help explains)\n")


def _seed(text: str) -> int:
    try:
        number = int(text)
        random_stream(number)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 0 to 2**32 - 1, not {text!r}"
        ) from None
    return number


def _step(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive, finite number, not {text!r}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m gradlab",
        description=(
            "Check the hand-written gradient of a 2-5-1 network on 20 points of y = x1^2 + x2^2 "
            "against finite differences, entry by entry. A parameter array matches when its "
            f"relative error |a - n| / (|a| + |n| + 1e-15) is below {CUTOFF:g}."
        ),
        epilog=(
            "Exit status: 0 if every array matches, 1 if one does not, 2 for a bad value. Below "
            "1e-9 the digits of a relative error are rounding noise: only their power of ten is "
            "the same on every machine."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("--seed", type=_seed, default=42, help="of data and weights (default: 42)")
    parser.add_argument("--eps", type=_step, default=1e-5, help="step size (default: 1e-5)")
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="central",
        metavar="METHOD",
        help=f"difference formula: {', '.join(METHODS)} (default: central)",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the exercise, print a line per parameter array, and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    stream = random_stream(options.seed)
    X, y = paraboloid(SAMPLES, stream)
    params = mlp.init_params(seed=stream)
    _, cache = mlp.forward(params, X)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # a huge step: the verdict says it
            report = check_gradients(
                mlp.loss_function(X, y),
                params,
                mlp.backward(params, cache, y),
                method=options.method,
                eps=options.eps,
                cutoff=CUTOFF,
            )
    except ValueError as error:  # a step too small to change any parameter
        parser.error(str(error))
    print(
        f"Gradient check: {options.method} differences, eps = {options.eps:g}, "
        f"{SAMPLES} samples, seed {options.seed}"
    )
    for name in params:
        array = report[name]
        match = "matches" if array.verdict == "ok" else "DOES NOT MATCH"
        print(f"  {name}  relative error {array.relative_error:.4e}  {match}")
    if report.passed:
        print(f"Every array matches: each relative error is below {CUTOFF:g}.")
    else:
        print(f"Not every array matches (cutoff {CUTOFF:g}).")
    return 0 if report.passed else 1


if __name__ == "__main__":
    leave_with(main)
