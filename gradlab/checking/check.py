"""Is a gradient right? Judged by the error bars of the differences, not by a magic cutoff."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping

import numpy as np

from gradlab import differences, validation
from gradlab.checking.directions import check_directions
from gradlab.checking.entries import check_entries
from gradlab.checking.error_bars import Problem, gradient_unit
from gradlab.checking.report import ArrayReport, Report
from gradlab.checking.signatures import describe_pattern
from gradlab.differences.noise import UNIT, loss_noise
from gradlab.differences.sweep import Loss, Params, Sweep, restored
from gradlab.differences.workers import require_workers

__all__ = ["check_gradients"]

HOW = ("entries", "directions")
REPEATABLE = 64 * UNIT  # threads may add up in another order


def check_gradients(
    loss: Loss,
    params: Params,
    grads: Params | Callable[[Params], Params],
    method: str = "central",
    eps: float | None = None,
    cutoff: float | None = None,
    how: str = "entries",
    workers: int | Callable = 1,
    progress: bool = True,
) -> Report:
    """Compare a gradient with differences of its loss, and judge it by their error bars.

    The rounding noise of the loss is measured first. It says which step to take in each array, and
    how far a difference can be off. An entry outside its error bar is looked at again with other
    steps, and is called wrong only if two of them agree on it. So nothing depends on the units of
    the loss, float32 is not held to the standard of float64, and no cutoff needs to be chosen.

    Parameters
    ----------
    loss
        ``loss(params)`` returns one real number, and the same one each time.
    params
        Floating-point arrays of any shape and memory order, by name. They are perturbed in place,
        because a layer may hold them under another name, and put back bit for bit, whatever
        happens. If they are float32 and the loss computes in float64 when given float64, it is
        given copies in float64.
    grads
        The gradient under test: arrays with the names and shapes of ``params``, or a function
        that computes them from ``params``, which is called once. They are copied.
    method
        "forward", "central", "central4", "complex" or "richardson", as in
        :func:`gradlab.numerical_gradient`.
    eps
        The step, in the units of the parameters. By default every array gets its own, from the
        noise and the curvature of the loss; methods other than "central" have steps of their own.
    cutoff
        A relative error that no array may reach: the classical rule, on top of the error bars.
    how
        "entries" compares every entry. "directions" compares one random direction in each array,
        or four where the error bars are coarse, which takes a few evaluations at any size, and
        searches for the guilty entry only if one does not agree; it has its own formula and steps,
        so ``method`` and ``eps`` stay as they are.
    workers, progress
        As in :func:`gradlab.numerical_gradient`.

    Returns
    -------
    Report
        An :class:`gradlab.checking.report.ArrayReport` for each array; true only if all of them are ok.

        ========== ============================================================================
        ok         the gradient lies within the error bars of the differences, and these leave no
                   more than a tenth of it in doubt, in the 2-norm over the array
        untested   the gradient is zero and right, but the loss does change farther away: a
                   stationary point, dead units. A wrong backward pass can return zeros too
        unused     however far this array is moved, the loss does not change beyond its rounding
                   noise: it is not used, or what it adds is taken out again, as by batch norm
        undecided  the error bars are too wide to say
        kink       the slopes to both sides differ however short the step, as at a ReLU's zero
        wrong      the gradient lies outside the error bars, at two steps at least
        nonfinite  the loss or the gradient is nan or infinite
        random     the loss does not return the same number twice
        ========== ============================================================================

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used as it is: by name, and before anything is moved.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import check_gradients
    >>> params = {"w": np.array([0.5, -1.0]), "c": np.array([0.1])}
    >>> def loss(p):
    ...     return np.sum(np.sin(p["w"])) + p["c"][0] ** 3
    >>> def gradient(p):
    ...     return {"w": np.cos(p["w"]), "c": 2 * p["c"] ** 2}  # it should be 3 times
    >>> report = check_gradients(loss, params, gradient)
    >>> report.passed
    False
    >>> {name: array.verdict for name, array in report.items()}
    {'w': 'ok', 'c': 'wrong'}
    """
    arrays = validation.require_parameters(params)
    validation.require_loss(loss)
    validation.require_method(method, differences.METHODS)
    validation.require_method(how, HOW, "how")
    eps = validation.require_step(eps)
    cutoff = validation.require_step(cutoff, "cutoff")
    workers = require_workers(workers)
    if how == "directions" and (method, eps) != ("central", None):
        raise ValueError('how="directions" has its own formula and steps: leave method and eps out')
    title = _title(method, eps, how)
    gradients, notes = _copied_gradients(grads, params, arrays)
    with restored(params):
        center = Sweep(loss, params, {}, (), False).center()
        verdict = _untrustworthy(loss, params, center)
        if verdict:
            return Report(_all_arrays(arrays, verdict), title, notes=notes, cutoff=cutoff)
        if (wide := _widened(loss, params, float(center))) is not params:
            notes.append("the differences of these float32 parameters were computed in float64.")
        noise = loss_noise(loss, wide)
        unit = gradient_unit(gradients, arrays, noise)
        center_wide, level = validation.loss_value(loss(wide)), noise.level
        if wide is not params:  # what float32 makes of the loss, and so of the gradient
            level = max(loss_noise(loss, params).level, abs(center - center_wide))
        problem = Problem(loss, wide, gradients, center_wide, noise, unit, float(level))
        if how == "entries":
            found = check_entries(problem, method, eps, workers, progress)
        else:
            found = check_directions(problem, progress)
        if _untrustworthy(loss, params, center):
            found = _all_arrays(arrays, "random")
    if cutoff is not None:
        found = {name: _held_to(cutoff, array) for name, array in found.items()}
    wrong = [name for name, array in found.items() if array.verdict == "wrong"]
    return Report(found, title, describe_pattern(wrong, list(found)), notes, cutoff)


def _copied_gradients(
    grads: Params | Callable[[Params], Params], params: Params, arrays: Params
) -> tuple[dict, list[str]]:
    """Copies of the gradients, and notes on what is peculiar about arrays or gradients."""
    notes = [
        f"{name} has shape {array.shape}, so no entries, and was skipped."
        for name, array in arrays.items()
        if not array.size
    ]
    if callable(grads) and not isinstance(grads, Mapping):
        before = {name: array.copy() for name, array in arrays.items()}
        with restored(params):
            gradients = validation.require_gradients(grads(params), arrays)
            changed = [
                name
                for name, array in arrays.items()
                if params[name] is not array or array.tobytes() != before[name].tobytes()
            ]
        notes += [f"the gradient function changed {name}; that was undone." for name in changed]
    else:
        gradients = validation.require_gradients(grads, arrays)
    return gradients, notes


def _untrustworthy(loss: Loss, params: Params, center: float) -> str:
    """Why this loss cannot be differentiated: "nonfinite", "random", or "" if it can."""
    again = validation.loss_value(loss(params))
    if not math.isfinite(center) and not math.isfinite(again):
        return "nonfinite"
    return "" if abs(again - center) <= REPEATABLE * abs(center) else "random"


def _all_arrays(arrays: Params, verdict: str) -> dict[Hashable, ArrayReport]:
    hint = _SAID_OF_LOSS[verdict]
    return {
        name: ArrayReport(name, array.shape, verdict, hint)
        for name, array in arrays.items()
        if array.size
    }


_SAID_OF_LOSS = {
    "nonfinite": "the loss itself is nan or infinite at these parameters",
    "random": "the loss returned two values for the same parameters: fix the seed of its random "
    "numbers, such as a dropout mask, and let it keep no state from call to call",
}


def _widened(loss: Loss, params: Params, center: float) -> Params:
    """The parameters in float64, if the loss then computes in float64; otherwise as they are.

    A difference of float32 losses has at best five digits, one of float64 losses ten; the point,
    and so the gradient, is the same. If the loss does not read its argument, or casts it back to
    float32, its own precision is what there is.
    """
    if all(array.dtype.itemsize >= 8 for array in params.values()):
        return params
    stream = np.random.RandomState(2)
    away = {
        name: array * (1 + stream.choice([-1, 1], array.shape).astype(array.dtype) / 32)
        for name, array in params.items()
    }
    with restored(params) as arrays:
        for name, array in arrays.items():
            array[...] = away[name]
        held = validation.loss_value(loss(params))
    try:
        given = validation.loss_value(loss({n: array.astype(float) for n, array in away.items()}))
    except TypeError:
        return params
    wide = {name: array.astype(float) for name, array in params.items()}
    change = given - validation.loss_value(loss(wide))
    unseen = 64 * np.finfo(np.float32).eps * (abs(held) + abs(center))
    same = abs(change - (held - center)) <= 0.01 * abs(change) + unseen
    return wide if change and same and loss_noise(loss, wide).unit < 1e-9 else params


def _held_to(cutoff: float, array: ArrayReport) -> ArrayReport:
    """The array judged by the classical rule as well."""
    if array.verdict != "ok" or array.relative_error < cutoff:
        return array
    return array._replace(
        verdict="undecided",
        hint="the relative error is not below the cutoff, yet every entry lies within its error "
        "bar: with this method and this step the differences are not that accurate",
    )


def _title(method: str, eps: float | None, how: str) -> str:
    if how == "directions":
        return "Gradient check (random directions)"
    return f"Gradient check ({differences.title_of(method)}{f', eps = {eps:g}' if eps else ''})"
