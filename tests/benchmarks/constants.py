"""What breaks if a constant of the checker is half as large, or twice as large?

    python tests/benchmarks/constants.py [--write] [--only SAFETY ...]

A fixed sample of gradients, right ones and ones with a mistake planted, is checked entry by entry and
along directions: networks, mixed units, coarse formats, rounded losses, oscillations, kinks, float32
in hiding, a layer of ReLU. Then every constant is set to half and to twice its value, and the sample
checked again. What a cell says is what has changed: gradients that are right and are called wrong
now (false alarms), or right and not passed (lost); wrong ones that pass now (let by), or are only
left undecided (missed); and by how much the number of evaluations has changed, from one per cent
on. In brackets, what became better. A dash is a constant on which nothing in this sample hangs
either way. ``--write`` puts the table into .github/CONTRIBUTING.md, between its markers.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradlab import check_gradients, mlp, paraboloid

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "benchmarks"), str(ROOT / "tests")]

import false_alarms  # noqa: E402
import test_trust as kinds  # noqa: E402

PAGE = ROOT / ".github" / "CONTRIBUTING.md"
BEGIN, END = "<!-- constants: begin -->\n", "<!-- constants: end -->\n"
HOWS = ("entries", "directions")
PASSES = ("ok", "close")
FALSE = ("wrong", "random", "nonfinite")

NOISE, PROBLEM, VERDICTS = "differences.noise", "checking.problem", "checking.verdicts"
BARS, ENTRIES, DIRECTIONS = "checking.error_bars", "checking.entries", "checking.directions"
NETWORKS = {"saturated": 31, "near minimum": 34}  # by their seeds
CONSTANTS: tuple[tuple[str, str, str], ...] = (
    (
        NOISE,
        "SAFETY",
        "noise is seldom eight times its standard deviation; half as much again is added",
    ),
    (NOISE, "SUSPICIOUS", "chosen: most losses have less noise than that"),
    (
        NOISE,
        "DISTINCT",
        "chosen: what only one of two lines shows is no noise, and noise differs by less",
    ),
    (
        NOISE,
        "SPACINGS",
        "the first changes a number in float32; the others where that is too long, or short",
    ),
    (
        NOISE,
        "SHORTER",
        "a hundredth and a ten-thousandth of the first spacing: an oscillation is smooth there",
    ),
    (NOISE, "CLOSE", "below the roundoff of float32, far above that of float64"),
    (NOISE, "OTHER_SPACING", "the golden ratio: no ratio of small numbers is near"),
    (NOISE, "INCOMMENSURATE", "a prime, so that no stair is met again"),
    (NOISE, "TELLING_PART", "the chance of eight steps within a fiftieth of a multiple is 1e-11"),
    (NOISE, "QUANTUM", "room: four losses are in the difference of two steps, each rounded"),
    (NOISE, "NEGLIGIBLE", "half the exponents of float64"),
    (NOISE, "AGREE", "chosen: two measurements of nine points each seldom lie further apart"),
    (NOISE, "FAR", "decades up to the size of the parameters, and one beyond"),
    (NOISE, "START", "truncation h**2 stands above rounding u / h at u**(1/5)"),
    (NOISE, "MOST_STRIDES", "chosen: a walk of a few decades, and a search by halves after it"),
    (NOISE, "PLAINLY", "chosen: a bias before batch norm moves the loss by less"),
    (NOISE, "SETTLED", "chosen: the next term is then about a per cent of the first"),
    (NOISE, "CLEAR_SLOPE", "half the digits of a slope in float64"),
    (NOISE, "KINKED", "half way between 1, for a kink, and 1/2, for a curve"),
    (NOISE, "PART_OF_BEST", "truncation a quarter, rounding twice: other directions bend more"),
    (NOISE, "NEAR", "truncation there is 64 times that at the step, and still the first term"),
    (NOISE, "SHORTENED", "chosen: a few of them cross all decades"),
    (NOISE, "LENGTHENED", "chosen: a decade"),
    (
        NOISE,
        "SEARCHED",
        "chosen: the middle of the first search lies two decades down",
    ),
    (NOISE, "ROOM", "chosen: two strides, and room before a parameter changes its sign"),
    (NOISE, "FARTHER", "chosen: two decades beyond the longest stride that makes sense"),
    (PROBLEM, "TELLING", "chosen: by chance one number in sixteen, at least, is round"),
    (PROBLEM, "UNUSABLE", "chosen: noise of more than three digits' worth is not rounding"),
    (PROBLEM, "HIDDEN", "between the roundoffs of float32, 6e-8, and of float64, 1e-16"),
    (PROBLEM, "FEW", "chosen: fewer are a vector to start from, more a matrix of weights"),
    (PROBLEM, "DECADES", "chosen: terms a thousand times smaller show badly beside the others"),
    (PROBLEM, "LEAST_TERM", "chosen: smaller terms do not show beside the largest"),
    (PROBLEM, "AWAY", "2**19 roundoffs of float32: a change of which rounding is no part"),
    (PROBLEM, "AS_HELD", "chosen: room for rounding errors that add up in a sum"),
    (PROBLEM, "SAME", "chosen: to a per cent two changes are the same"),
    (BARS, "MANY_ULPS", "a step is then what was asked for, to a part in 256"),
    (BARS, "LADDER", "from 16 times the step, down until rounding has eaten it"),
    (BARS, "AS_ASKED", "a step is divided by, so the slope would be off by as much"),
    (BARS, "TRUNCATION", "16/15 where one term is left; the rest for a series unsettled"),
    (BARS, "OWN", "chosen: room for rounding errors of sums of a thousand terms, its root"),
    (BARS, "STORED", "chosen: one rounding when stored, and room for a few factors stored before"),
    (BARS, "COARSE_FORMAT", "between the roundoffs of float16, 5e-4, and of float32, 6e-8"),
    (VERDICTS, "RESOLVED", "what ok promises: a mistake of a tenth would have been seen"),
    (VERDICTS, "UNSEEN", "the same tenth, of one entry beside its array"),
    (VERDICTS, "ROUGH", "chosen: a hint, and no verdict"),
    (VERDICTS, "OWN_PART", "chosen: a thousandth of an entry is no error of a tolerance"),
    (
        VERDICTS,
        "STAYS",
        "the jump of a curve falls to a quarter at the next rung, that of a kink stays",
    ),
    (VERDICTS, "CLEAR", "chosen: four rungs, a factor of 64 in the step"),
    (VERDICTS, "CLEARLY", "so that STAYS can be told from rounding"),
    (ENTRIES, "FIRST_LOOKS", "chosen: one wrong entry is enough, and a look costs 22 evaluations"),
    (ENTRIES, "SHARP", "chosen: one entry may well bend that much more than its array"),
    (ENTRIES, "LONGER", "chosen: at 32 times the step rounding is 32 times less"),
    (ENTRIES, "MATTERS", "that of the planted errors: no term below a thousandth is promised"),
    (ENTRIES, "TINY", "chosen: three decades below its neighbours"),
    (ENTRIES, "SINGLE", "chosen: between the power 0, of one entry, and 1/2, of many alike"),
    (ENTRIES, "RAW_ROUNDING", "chosen: no cancellation there, so the rounding of a sum"),
    (DIRECTIONS, "FIRST", "three strides: a Richardson extrapolation, and one to compare with"),
    (DIRECTIONS, "STEPS", "three decades down and one up"),
    (DIRECTIONS, "OTHER_STEPS", "the longer half of these"),
    (DIRECTIONS, "ACROSS", "chosen: room for a direction of little curvature"),
    (DIRECTIONS, "SAMPLE", "chosen: numbers enough to recognise a function by"),
    (DIRECTIONS, "NOT_OFF", "chosen: smaller mistakes have no name"),
    (DIRECTIONS, "MOST", "the majority"),
    (DIRECTIONS, "SEARCHES", "chosen: errors that cancel with some signs do not with others"),
    (DIRECTIONS, "COARSE", "chosen: three digits of a slope"),
    (DIRECTIONS, "SEEN_BY_NINE_IN_TEN", "nine in ten, as the report says"),
    ("checking.check", "SCATTER", "some sixteen roundoffs of float32, for sums in another order"),
)


class Case(NamedTuple):
    """A gradient to be checked; ``right`` says whether it ought to pass."""

    loss: Callable[[Any], Any]
    params: dict[str, np.ndarray]
    gradient: dict[str, np.ndarray]
    right: bool
    kink: bool = False


class Outcome(NamedTuple):
    verdict: str
    evaluations: int


def vector(loss: Callable, x: np.ndarray, right: np.ndarray, factor: float = 1.1) -> Iterator[Case]:
    """The right gradient of a vector, and one with a mistake in its last entry."""
    wrong = right.copy()
    wrong[-1] *= factor
    yield Case(loss, {"x": x}, {"x": right}, True)
    yield Case(loss, {"x": x}, {"x": wrong}, False)


def network(loss: Callable, params: dict, grads: dict, factor: float = 1.5) -> Iterator[Case]:
    """The right gradient of a network, and one with a factor on the weights of its first layer."""
    kind = grads["W1"].dtype
    wrong = {**grads, "W1": (factor * grads["W1"].astype(float)).astype(kind)}
    yield Case(loss, params, grads, True)
    yield Case(loss, params, wrong, False)


def relu_layer(inputs: int, units: int) -> Iterator[Case]:
    """A layer of ReLU; its right gradient, one without the mask, and one at a kink."""
    stream = np.random.RandomState(4)
    X, W = stream.normal(size=(12, inputs)), stream.normal(size=(inputs, units))
    weights = stream.normal(size=(12, units))

    def loss(p: dict) -> float:
        return float(np.sum(weights * np.maximum(X @ p["W"], 0)))

    yield Case(loss, {"W": W}, {"W": X.T @ (weights * (X @ W > 0))}, True)
    yield Case(loss, {"W": W}, {"W": X.T @ weights}, False)
    x = np.array([0.0, 0.4, -0.7])
    yield Case(
        lambda p: float(np.sum(np.abs(p["x"]) + p["x"] ** 2)),
        {"x": x},
        {"x": np.sign(x) + 2 * x},
        False,
        kink=True,
    )
    near = np.array([1e-7, 0.4])  # a kink on the way
    right = np.sign(near) + np.cos(near)
    yield from vector(lambda p: float(np.sum(np.abs(p["x"]) + np.sin(p["x"]))), near, right)


def sample() -> list[Case]:
    """The gradients that every value of a constant is tried on; always the same ones."""
    found: list[Case] = []
    for state, seed in NETWORKS.items():
        for precision in false_alarms.PRECISIONS:
            found += network(*false_alarms.network(state, precision, seed))
    for make in kinds.VECTORS.values():
        found += vector(*make())
    found += network(*kinds.mixed_network(1))
    X, y = paraboloid(seed=2)
    params = mlp.init_params(seed=2)
    plain, right = mlp.loss_function(X, y), mlp.backward(params, mlp.forward(params, X)[1], y)
    for name in ("float32", "float16"):
        rounded = {n: g.astype(name).astype(float) for n, g in right.items()}
        found += network(plain, params, rounded, 2.0)
    for make in (kinds.soft_sign, kinds.small_constant, kinds.fixed_point):
        found += vector(*make())
    x, weights = np.random.RandomState(5).normal(size=4), np.arange(1, 5)
    for rounded_to in kinds.ROUNDED.values():
        found += vector(
            lambda p, to=rounded_to: to(float(np.sum(weights * np.sin(p["x"])))),
            x,
            weights * np.cos(x),
            -1.0,
        )
    for frequency in (1e5, 1e7):
        found += vector(
            lambda p, f=frequency: float(np.sum(p["x"] ** 2 + 1e-3 * np.sin(f * p["x"]))),
            x,
            2 * x + 1e-3 * frequency * np.cos(frequency * x),
        )
    found += relu_layer(8, 12)
    small = {"a": np.float32(1e4) * x.astype("f4"), "b": x.astype("f4")}
    slopes = {"a": np.ones(4, "f4"), "b": np.cos(small["b"])}
    for factor in (1.0, 1.05):
        found.append(
            Case(
                lambda p: float(np.sum(p["a"]) + np.sum(np.sin(p["b"]))),
                small,
                {**slopes, "b": slopes["b"] * np.float32(factor)},
                factor == 1.0,
            )
        )
    return found


def checked(cases: list[Case]) -> list[Outcome]:
    """The verdicts on the sample, each gradient looked at both ways."""
    outcomes = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in cases:
            for how in HOWS:
                try:
                    report = check_gradients(
                        case.loss, case.params, case.gradient, how=how, progress=False
                    )
                    outcomes.append(Outcome(report.verdict, report.evaluations))
                except (ArithmeticError, IndexError, TypeError, ValueError) as error:
                    outcomes.append(Outcome(type(error).__name__, 0))
    return outcomes


def kind_of(case: Case, verdict: str) -> str:
    """What a verdict on a case is: "" if it is the one that there should be."""
    if verdict[0].isupper():
        return "errors"
    if case.right:
        wanted = verdict in PASSES
        return "" if wanted else "false alarms" if verdict in FALSE else "lost"
    if case.kink:
        return "" if verdict == "kink" else "let by" if verdict in PASSES else "missed"
    return "" if verdict == "wrong" else "let by" if verdict in PASSES else "missed"


def changes(cases: list[Case], before: list[Outcome], after: list[Outcome]) -> str:
    """What a constant's other value has changed, in a few words."""
    worse, better = Counter[str](), Counter[str]()
    twice = [case for case in cases for _ in HOWS]
    for case, old, new in zip(twice, before, after, strict=True):
        was, is_now = kind_of(case, old.verdict), kind_of(case, new.verdict)
        if was != is_now:
            worse[is_now] += bool(is_now)
            better[was] += bool(was)
    words = [f"{n} {what}" for what, n in sorted(worse.items()) if n]
    words += [f"({n} {what} fewer)" for what, n in sorted(better.items()) if n]
    calls = [sum(each.evaluations for each in outcomes) for outcomes in (before, after)]
    share = calls[1] / calls[0] - 1
    if abs(share) >= 0.01:
        words.append(f"{share:+.0%} evaluations")
    return ", ".join(words) or "–"


def scaled(value: Any, factor: float) -> Any:
    """A constant times a factor: entry by entry, whole if it is whole, a ladder by its length."""
    if isinstance(value, tuple):
        return tuple(scaled(each, factor) for each in value)
    if isinstance(value, int):
        return max(1, math.ceil(value * factor))
    return value * factor


def holders(module: str, name: str) -> Iterator[Any]:
    """The modules that hold a constant: its own, and those that import it by its name."""
    own = importlib.import_module(f"gradlab.{module}")
    value = getattr(own, name)
    for other in list(sys.modules.values()):
        if (getattr(other, "__name__", "") or "").startswith("gradlab"):
            if vars(other).get(name) is value:
                yield other


def with_value(module: str, name: str, value: Any, cases: list[Case]) -> list[Outcome]:
    """The verdicts on the sample while a constant has another value."""
    places = list(holders(module, name))
    old = getattr(places[0], name)
    try:
        for place in places:
            setattr(place, name, value)
        return checked(cases)
    finally:
        for place in places:
            setattr(place, name, old)


def shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.min():.3g} … {value.max():.3g}"
    if isinstance(value, tuple):
        return f"{min(value):.3g} … {max(value):.3g}"
    return f"{value:.4g}"


def rows(only: list[str]) -> Iterator[str]:
    """The lines of the table, in Markdown."""
    cases = sample()
    before = checked(cases)
    counts = Counter(kind_of(c, o.verdict) for c, o in zip(cases * 1, before[::2], strict=True))
    right = sum(case.right for case in cases)
    calls = sum(each.evaluations for each in before)
    told = ", ".join(f"{n} {what}" for what, n in sorted(counts.items()) if what) or "none amiss"
    yield (
        f"{right} right gradients and {len(cases) - right} that are not, each looked at in two "
        f"ways, with {calls:,} evaluations; entry by entry, as the constants are: {told}."
    )
    yield ""
    yield "| constant | value | how it was found | halved | doubled |"
    yield "| --- | --- | --- | --- | --- |"
    for module, name, found in CONSTANTS:
        if only and name not in only:
            continue
        value = getattr(importlib.import_module(f"gradlab.{module}"), name)
        halved, doubled = (
            changes(cases, before, with_value(module, name, scaled(value, factor), cases))
            for factor in (0.5, 2.0)
        )
        where = module.rpartition(".")[2]
        yield f"| `{where}.{name}` | {shown(value)} | {found} | {halved} | {doubled} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into CONTRIBUTING.md")
    parser.add_argument("--only", nargs="*", default=[], help="names of constants")
    options = parser.parse_args()
    lines = []
    for line in rows(options.only):
        print(line, flush=True)
        lines.append(line)
    if options.write:
        text = PAGE.read_text()
        start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
        PAGE.write_text(text[:start] + "\n" + "\n".join(lines) + "\n\n" + text[end:])


if __name__ == "__main__":
    main()
