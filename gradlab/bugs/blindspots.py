"""Bugs and settings for the blind-spot matrix: every bug can be checked in every setting.

A setting is a choice that somebody makes before a check and that looks harmless. It turns a
backward pass and its network into a problem to check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gradlab.bugs import course, variations
from gradlab.bugs.networks import COURSE, Backward, Network, Problem, course_problem, l2

__all__ = ["BUGS", "SETTINGS"]

PENALISED = l2(0.1, ("W1", "b1", "W2", "b2"))

BUGS: Mapping[str, tuple[Backward, Network]] = {
    "missing 1/N": (course.missing_mean, COURSE),
    "1/N applied twice": (course.mean_twice, COURSE),
    "bias gradient averaged": (course.bias_averaged, COURSE),
    "bias gradient not summed": (course.bias_not_summed, COURSE),
    "bias gradient a scalar": (course.bias_summed_to_scalar, COURSE),
    "bias gradient through X": (course.bias_through_inputs, COURSE),
    "wrong sign in W1": (course.one_wrong_sign, COURSE),
    "σ′ left out": (course.missing_derivative, COURSE),
    "updated W2, rate 0.5": (partial(course.updated_w2, learning_rate=0.5), COURSE),
    "updated W2, rate 0.001": (partial(course.updated_w2, learning_rate=0.001), COURSE),
    "L2 gradient forgotten": (variations.penalty_forgotten, PENALISED),
    "L2 of the biases forgotten": (variations.bias_penalty_forgotten, PENALISED),
}

Setting = Callable[[Backward, Network, int], Problem]


def _drawn(**changes: Any) -> Setting:
    """Check at a random point, with ``changes`` to how it is drawn."""
    return lambda backward, network, seed: course_problem(
        backward, seed, network=network, **changes
    )


def _penalty_off(backward: Backward, network: Network, seed: int) -> Problem:
    if backward is variations.bias_penalty_forgotten:
        backward = partial(backward, strength=0.0)
    return course_problem(backward, seed)


def _output_layer(backward: Backward, network: Network, seed: int) -> Problem:
    return course.output_layer(course_problem(backward, seed, network=network))


SETTINGS: Mapping[str, Setting] = {
    "random point, 20 samples": _drawn(),
    "one sample": _drawn(samples=1),
    "one hidden unit": _drawn(sizes=(2, 1, 1)),
    "rows of X sum to 1": _drawn(prepare=course.rows_sum_to_one),
    "zero biases": _drawn(prepare=variations.zero_biases),
    "zero W2": _drawn(prepare=course.zero_w2),
    "penalty off": _penalty_off,
    "W2 and b2 only": _output_layer,
}
