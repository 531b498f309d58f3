"""A hunter who cannot do sums: it reads which line feeds which array, buys evidence, and decides.

It knows nothing about gradients, nor what a line should read. That it solves every case shows that
the evidence on sale decides; what it pays is what a case costs at most to somebody who thinks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gradlab.bugs.hunt import Evidence, Hunt

__all__ = ["feeds", "solve", "suspects"]

Answer = tuple[int, ...] | str
CHANGED = 1e-6  # relative: far above the errors of the differences, far below a planted mistake


def feeds(code: str) -> dict[int, frozenset[str]]:
    """For each line of the gradient, by its number, the arrays of the result that it feeds.

    That is all that this hunter reads off the code: which names a line uses, and which it makes.

    Examples
    --------
    >>> feeds('''def f(p, X, y):
    ...     L = np.sum((X @ p["W"] - y) ** 2)
    ...     dout = 2 * (X @ p["W"] - y)
    ...     dW = X.T @ dout
    ...     return L, {"W": dW}''')
    {3: frozenset({'W'}), 4: frozenset({'W'})}
    """
    lines = code.splitlines()
    first = 1 + next(n for n, text in enumerate(lines) if re.match(r"\s+L = ", text))
    made = {n: lines[n].split(" = ")[0].strip() for n in range(first, len(lines) - 1)}
    returned = set(re.findall(r": (d\w+)", lines[-1]))
    reaches: dict[str, set[str]] = {name: {name} & returned for name in made.values()}
    for n in sorted(made, reverse=True):
        used = set(re.findall(r"\bd\w+", lines[n].split(" = ", 1)[1])) - {made[n]}
        for name in used & set(reaches):
            reaches[name] |= reaches[made[n]]
    return {n + 1: frozenset(name[1:] for name in reaches[made[n]]) for n in made}


def suspects(code: str, table: Evidence) -> set[Answer]:
    """The answers that one table of ratios leaves open: a wrong line, two of them, or none.

    Lines are under suspicion if the arrays that they feed are those that are wrong, as far as the
    table can tell: where zeros are compared with zeros it cannot. Which of the lines on one path is
    wrong no ratio says, since whatever one of them spoils, the next could spoil in the same way.
    """
    left: set[Answer] = set(_explaining(table.wrong, feeds(code), table.empty))
    ratios = [ratio for name in table.wrong if (ratio := table.ratios(name)).size]
    scattered = all(np.ptp(ratio) > 1e-5 * np.max(np.abs(ratio)) for ratio in ratios)
    if "rng" in code and scattered:
        left.add("dice")
    if "float32" in code and scattered:
        left.add("float32")
    if "np.maximum" in code:
        # A kink spoils what one unit has a share in, and leaves the other units alone.
        one_unit = all(np.any(np.abs(ratio - 1) < 1e-5) for ratio in ratios)
        if table.wrong and one_unit:
            left.add("kink")
        if table.empty and not table.wrong:
            left.add("dead units")
    return left


def solve(case: Hunt) -> Answer | None:
    """Buy evidence until one answer is left, and return it; ``None`` if none is.

    First whatever may make right code look wrong is taken out of the way: dice are held, float32 is
    lifted to float64, a ReLU is looked at elsewhere. If a check is content then, that was the
    reason. If not, gradients are frozen where that parts the remaining suspects best.
    """
    table = case.check()
    if "rng" in case.code and table.wrong:
        table = case.hold()
        if not table.wrong:
            return "dice"
    if "float32" in case.code and table.wrong:
        table = case.float64()
        if not table.wrong:
            return "float32"
    if "np.maximum" in case.code:
        silent = bool(table.empty)
        table = case.reseed()
        if not table.wrong:
            return "dead units" if silent else "kink"
    fed = feeds(case.code)
    above = _put_right_down_to(case)
    left = _explaining(table.wrong, fed)
    names = list(case.freezable)
    while len(left) > 1 and names:
        best = min(names, key=lambda name: _largest_part(left, above[name], fed))
        if _largest_part(left, above[best], fed) == len(left):
            break
        names.remove(best)
        seen = _outcome(case.freeze(best), table)
        left = [lines for lines in left if _expected(lines, above[best], fed) == seen]
    return left[0] if len(left) == 1 else None


def _put_right_down_to(case: Hunt) -> dict[str, frozenset[int]]:
    """For each gradient that can be frozen, the lines that are put right along with it."""
    lines = case.code.splitlines()
    names = case.freezable
    at = {name: n for n, text in enumerate(lines, 1) for name in names if f" {name} = " in text}
    return {name: frozenset(at[one] for one in names[: k + 1]) for k, name in enumerate(names)}


def _explaining(
    wrong: Iterable[str], fed: Mapping[int, frozenset[str]], unknown: Iterable[str] = ()
) -> list[tuple[int, ...]]:
    """One line, or two of which neither hides behind the other, that spoil just these arrays.

    Of the arrays in ``unknown`` nobody can say whether they are spoilt.
    """
    spoilt, open_ones = frozenset(wrong), frozenset(unknown)

    def fits(arrays: frozenset[str]) -> bool:
        return bool(arrays) and spoilt <= arrays and arrays - spoilt <= open_ones

    single = [(n,) for n, arrays in fed.items() if fits(arrays)]
    pairs = [
        (m, n)
        for m, n in combinations(fed, 2)
        if fits(fed[m] | fed[n]) and fed[m] - fed[n] and fed[n] - fed[m]
    ]
    return [*single, *pairs]


def _expected(
    lines: tuple[int, ...], above: frozenset[int], fed: Mapping[int, frozenset[str]]
) -> tuple[frozenset[str], frozenset[str]]:
    """What is still wrong, and what changes, when the lines ``above`` are put right."""
    still = frozenset[str]().union(*(fed[n] for n in lines if n not in above))
    changed = frozenset[str]().union(*(fed[n] for n in lines if n in above))
    return still, changed


def _outcome(frozen: Evidence, before: Evidence) -> tuple[frozenset[str], frozenset[str]]:
    changed = frozenset(
        name
        for name, array in frozen.analytic.items()
        if np.linalg.norm(array - before.analytic[name]) > CHANGED * np.linalg.norm(array)
    )
    return frozenset(frozen.wrong), changed


def _largest_part(
    left: list[tuple[int, ...]], above: frozenset[int], fed: Mapping[int, frozenset[str]]
) -> int:
    """How many suspects may be left, at worst, after the lines ``above`` have been put right."""
    outcomes = [_expected(lines, above, fed) for lines in left]
    return max(outcomes.count(outcome) for outcome in outcomes)
