"""Recognise what a wrong gradient has in common with the right one."""

from __future__ import annotations

import numpy as np

__all__ = ["constant_ratio"]


def constant_ratio(answer: np.ndarray, truth: np.ndarray, rtol: float = 1e-4) -> float | None:
    """The factor ``c`` with ``answer = c * truth`` to within ``rtol``, or None.

    Parameters
    ----------
    answer, truth
        Of equal shape, with at least two entries that differ from zero: one number is a multiple
        of every other.
    rtol
        Relative to the largest entry of ``answer``.
    """
    if np.shape(answer) != np.shape(truth) or np.count_nonzero(truth) < 2:
        return None
    scale = np.vdot(truth, truth)
    ratio = float(np.vdot(truth, answer) / scale)
    largest = np.max(np.abs(answer))
    return ratio if np.all(np.abs(answer - ratio * truth) <= rtol * largest) else None
