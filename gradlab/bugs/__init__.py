"""Real backpropagation bugs: a catalogue to run, suspects to judge, mysteries to solve.

``CATALOGUE[name]`` is a :class:`Bug`; ``suspect_a`` and ``suspect_b`` are the two backward passes
of the course's story; ``mystery(seed)`` is a broken backward pass without a name, ``hunt(seed)`` a
case with code to read and evidence to buy. ``fingerprint``
and ``sweep`` measure what any of them leaves behind.
"""

from __future__ import annotations

from gradlab.bugs import blindspots, course, false_alarms, invisible, layers, variations
from gradlab.bugs.entry import CAUGHT, FALSE_ALARM, HIDDEN, INVISIBLE, Bug
from gradlab.bugs.fingerprints import SHAPES, fingerprint, sweep
from gradlab.bugs.hunt import INNOCENT, PRICES, Hunt, hunt
from gradlab.bugs.mystery import FAMILIES, Diagnosis, answer, mystery
from gradlab.bugs.networks import Problem, course_problem
from gradlab.bugs.suspects import suspect_a, suspect_b

__all__ = [
    "CATALOGUE",
    "CAUGHT",
    "FALSE_ALARM",
    "FAMILIES",
    "HIDDEN",
    "INNOCENT",
    "INVISIBLE",
    "PRICES",
    "SHAPES",
    "Bug",
    "Diagnosis",
    "Hunt",
    "Problem",
    "answer",
    "blindspots",
    "course_problem",
    "fingerprint",
    "hunt",
    "mystery",
    "suspect_a",
    "suspect_b",
    "sweep",
]

CATALOGUE: dict[str, Bug] = {
    bug.name: bug
    for family in (course, variations, layers, false_alarms, invisible)
    for bug in family.ENTRIES
}
