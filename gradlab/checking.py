"""Is a gradient right? Judged by the error bar of each difference, not by a magic cutoff."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gradlab import differences, validation
from gradlab.noise import loss_noise
from gradlab.report import ArrayReport, GradientCheckError, Report

__all__ = ["GradientCheckError", "Report", "check_gradients", "relative_error"]

Params = Mapping[str, np.ndarray]


def relative_error(analytic: np.ndarray, numeric: np.ndarray) -> float:
    """The measure of the exercise: ``|a - n| / (|a| + |n| + 1e-15)``, in the 2-norm."""
    analytic, numeric = np.ravel(analytic), np.ravel(numeric)
    scale = np.linalg.norm(analytic) + np.linalg.norm(numeric) + 1e-15
    return float(np.linalg.norm(analytic - numeric) / scale)


def check_gradients(
    loss: Callable,
    params: Params,
    grads: Params | Callable,
    method: str = "central",
    eps: float | None = None,
    cutoff: float | None = None,
    how: str = "entries",
    workers: int | Callable = 1,
    progress: bool = True,
) -> Report:
    """Compare a gradient with differences of its loss, and judge it by their error bars."""
    arrays = validation.require_parameters(params)
    validation.require_loss(loss)
    validation.require_method(method, differences.METHODS)
    eps = validation.require_step(eps)
    gradients = validation.require_gradients(grads(params) if callable(grads) else grads, arrays)
    with differences.restored(params):
        value = validation.loss_value(loss(params))
        again = validation.loss_value(loss(params))
        noise = loss_noise(loss, params)
        numeric = differences.numerical_gradient(
            loss, params, method, eps, workers=workers, progress=progress
        )
    steps = differences.entry_steps(arrays, method, eps)
    found = {}
    for name, a in gradients.items():
        n = numeric[name]
        error = relative_error(a, n)
        bars = 8 * (2 * noise.level / steps[name]) if method != "complex" else 1e-13 * np.abs(a)
        bars = bars + 1e-7 * np.abs(n) + 1e-9 * np.abs(n).max(initial=0)
        excess = np.abs(a - n) / np.where(bars > 0, bars, 1)
        wrong = bool((excess > 1).any()) or (cutoff is not None and error >= cutoff)
        verdict = "wrong" if wrong else "ok"
        if value != again:
            verdict = "random"
        elif not (np.isfinite(value) and np.isfinite(a).all() and np.isfinite(n).all()):
            verdict = "nonfinite"
        elif not a.any() and verdict == "ok":
            verdict = "untested" if n.any() else "unused"
        worst = np.unravel_index(int(np.argmax(excess)), a.shape)
        found[name] = ArrayReport(
            name, verdict, "", error, tuple(map(int, worst)), a, n, np.broadcast_to(bars, a.shape)
        )
    return Report(found)
