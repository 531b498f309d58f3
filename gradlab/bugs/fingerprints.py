"""The fingerprint of a bug: its relative error over the arrays, and over the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from gradlab.bugs import course, false_alarms
from gradlab.bugs.networks import COURSE, RELU, Problem, on
from gradlab.differences import numerical_gradient, relative_error
from gradlab.validation import Params

__all__ = ["SHAPES", "fingerprint", "sweep"]

# What each shape of the error over the step is a sign of, and an example of it.
SHAPES: Mapping[str, tuple[str, Callable[[int], Problem]]] = {
    "V": ("right code", on(COURSE)),
    "flat": ("no σ′", on(COURSE, course.missing_derivative)),
    "floor": (
        "updated W2, rate 0.001",
        on(COURSE, partial(course.updated_w2, learning_rate=0.001)),
    ),
    "coarse": ("right code, backward in bfloat16", false_alarms.half_precision_backward),
    "shifted": ("float32 inside the loss", false_alarms.single_precision_inside),
    "cliff": (
        "a ReLU 5e-6 from its kink",
        on(RELU, prepare=false_alarms.near_the_kink),
    ),
    "pinned": ("dropout redrawn in every call", false_alarms.mask_redrawn_by_forward),
}


def fingerprint(problem: Problem, eps: float = 1e-5) -> dict[str, float]:
    """The relative error of every array, by the rule of the exercise.

    ``|a - n| / (|a| + |n| + 1e-15)``, with n from central differences of step ``eps``.

    Raises
    ------
    TypeError, ValueError
        If the problem cannot be checked: see :func:`gradlab.numerical_gradient`.

    Examples
    --------
    >>> from gradlab import bugs
    >>> errors = bugs.fingerprint(bugs.CATALOGUE["bias_forgotten"].problem())
    >>> [name for name, error in errors.items() if error > 1e-7]
    ['b2']
    """
    loss, params, grads = problem
    numeric = numerical_gradient(loss, params, eps=eps, progress=False)
    return {name: relative_error(grads[name], numeric[name]) for name in params}


def sweep(problem: Problem, steps: np.ndarray) -> np.ndarray:
    """The relative error over all the arrays laid end to end, (E,), for ``steps`` (E,).

    Raises
    ------
    TypeError, ValueError
        If the problem cannot be checked: see :func:`gradlab.numerical_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import bugs
    >>> errors = bugs.sweep(bugs.course_problem(), np.array([1e-1, 1e-5, 1e-13]))
    >>> bool(errors[1] < errors[0] < errors[2])
    True
    """
    loss, params, grads = problem

    def end_to_end(arrays: Params) -> np.ndarray:
        return np.concatenate([np.ravel(arrays[name]) for name in params])

    return np.array(
        [
            relative_error(
                end_to_end(grads),
                end_to_end(numerical_gradient(loss, params, eps=eps, progress=False)),
            )
            for eps in steps
        ]
    )
