"""The order of things: what is refused, measured, looked at and reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from gradlab import containers, differences, validation
from gradlab.checking.directions import check_directions
from gradlab.checking.entries import check_entries
from gradlab.checking.problem import Case, format_roundoff, gradient_roundoffs
from gradlab.checking.report import ArrayReport, Report
from gradlab.checking.signatures import STAIRCASE, describe_pattern, on_a_staircase
from gradlab.checking.verdicts import PASSING, Verdict, hint_for
from gradlab.differences.progress import Progress
from gradlab.differences.sweep import Guarded, Params, Sweep, as_plain, restored, total_size
from gradlab.differences.workers import require_workers

__all__ = ["check_gradients"]

HOW = ("entries", "directions")
# Of the loss, from call to call: threads add up in another order each time, in float32 it may be.
SCATTER = 1e-6


def check_gradients(
    loss: Callable[[Any], Any],
    params: Any,
    grads: Any,
    method: str = "central",
    eps: float | None = None,
    cutoff: float | None = None,
    how: str = "entries",
    workers: int | Callable = 1,
    progress: bool = True,
    tolerance: float = 1e-6,
    gradient_precision: str | float | None = None,
) -> Report:
    """Compare a gradient with differences of its loss, and judge it by their error bars.

    The rounding noise of the loss is measured first. It says which step to take in each array, and
    how far a difference can be off. An entry outside its error bar is looked at again with other
    steps, and is called wrong only if two of them agree on it. Every entry is moved and judged in
    units of its own size. So nothing depends on the units of the loss or of the parameters, float32
    is not held to the standard of float64, and no cutoff needs to be chosen.

    Parameters
    ----------
    loss
        ``loss(params)`` returns one real number, and the same one each time.
    params
        Floating-point arrays of any shape and memory order, by name. They are perturbed in place,
        because a layer may hold them under another name, and put back bit for bit, whatever
        happens. If they are float32 and the loss computes in float64 when given float64, it is
        given copies in float64. Instead of a dict it may be one array, which a report calls "x";
        or nested lists, tuples, dicts and NamedTuples of arrays, which it calls by their paths,
        as in "layers[0].W"; and the arrays may be PyTorch's, moved in place as well, or JAX's,
        which never change, so that the loss gets new ones. The loss always gets what it was
        written for.
    grads
        The gradient under test: the same structure with arrays of the same shapes, or a function
        that computes it from ``params``, which is called once. They are copied. True if the loss
        returns ``(value, gradient)``.
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
    tolerance
        An entry outside its error bar that is off by no more than this part of its size is
        ``close`` and passes: the loss may be solved to a tolerance, or a function approximated. Its
        size is that of its gradient, or the root mean square of its array where that is larger, in
        the units of the entries; and an entry that is off by more than a thousandth of itself is
        never close. 0 leaves the error bars alone to judge.
    gradient_precision
        The format in which the gradient was computed, where that shows neither in its type nor in
        its numbers: "tf32", "bfloat16", "float16", "float32" or a unit roundoff.

    Returns
    -------
    Report
        An :class:`gradlab.checking.ArrayReport` for each array; true only if all of them are ok.

        ========== ============================================================================
        ok         the gradient lies within the error bars of the differences, and these leave no
                   more than a tenth of it in doubt, in the 2-norm over the array and in the
                   units of its entries
        close      outside the error bars, but by no more than the tolerance
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

    One array, and a loss that returns its gradient as well:

    >>> print(check_gradients(lambda x: (np.sum(x**3), 3 * x**2), np.array([1.0, 2.0]), True))
    Gradient check (central differences): passed
      x  (2,)  ok
    """
    loss, params, grads = containers.unpacked(loss, params, grads)
    arrays = validation.require_parameters(params)
    validation.require_loss(loss)
    validation.require_method(method, differences.METHODS)
    validation.require_method(how, HOW, "how")
    eps = validation.require_step(eps)
    cutoff = validation.require_step(cutoff, "cutoff")
    tolerance = validation.require_step(tolerance, "tolerance") if tolerance else 0.0
    stated = format_roundoff(gradient_precision)
    workers = require_workers(workers)
    if how == "directions" and (method, eps) != ("central", None):
        raise ValueError('how="directions" has its own formula and steps: leave method and eps out')
    gradients, given, notes = _copied_gradients(grads, params, arrays)
    roundoff = gradient_roundoffs(given, gradients, arrays, stated)
    loss, params = as_plain(loss, params)
    found: dict[Hashable, ArrayReport]
    with restored(params), Progress(_expected(arrays, how), progress) as bar:
        guarded = Guarded(loss, bar)
        center = float(Sweep(guarded, params, {}, (), False).center())
        scatter, verdict = _reproduced(guarded, params, center)
        if verdict:
            found = _all_arrays(arrays, verdict)
        else:
            case = Case.of(guarded, params, gradients, roundoff, center, scatter)
            if case.point is not params:
                notes.append(_WIDENED.format(_narrow_types(arrays)))
            if how == "entries":
                found = check_entries(case, method, eps, workers, tolerance)
            else:
                found = check_directions(case, tolerance)
            found = {name: _on_a_staircase(case, array) for name, array in found.items()}
            if _reproduced(guarded, params, center)[1]:
                found = _all_arrays(arrays, "random")
    if cutoff is not None:
        found = {name: _held_to(cutoff, array) for name, array in found.items()}
    if guarded.failure is not None:
        notes.append(f"{guarded.failure}; it counted as no number there.")
    wrong = [name for name, array in found.items() if array.verdict == "wrong"]
    pattern = describe_pattern(wrong, list(found))
    title = _title(method, eps, how)
    return Report(found, title, pattern, notes, cutoff, guarded.evaluations)


def _expected(arrays: Params, how: str) -> int:
    """About how many evaluations a clean check takes."""
    each = 8 * len(arrays)
    return 24 + each + (2 * total_size(arrays) if how == "entries" else 0)


def _copied_gradients(
    grads: Params | Callable[[Params], Params], params: Params, arrays: Params
) -> tuple[dict, dict, list[str]]:
    """Copies of the gradients, the types they were given in, and notes on what is peculiar."""
    notes = [
        f"{name} has shape {array.shape}, so no entries, and was skipped."
        for name, array in arrays.items()
        if not array.size
    ]
    changed = []
    if callable(grads) and not isinstance(grads, Mapping):
        before = {name: array.copy() for name, array in arrays.items()}
        with restored(params):
            given = grads(params)
            gradients = validation.require_gradients(given, arrays)
            changed = [
                name
                for name, array in arrays.items()
                if params[name] is not array or array.tobytes() != before[name].tobytes()
            ]
    else:
        given = grads
        gradients = validation.require_gradients(given, arrays)
    notes += [f"the gradient function changed {name}; that was undone." for name in changed]
    return gradients, {name: np.asarray(given[name]).dtype for name in arrays}, notes


def _reproduced(loss: Guarded, params: Params, center: float) -> tuple[float, Verdict | None]:
    """By how much the loss differs when asked again, and the verdict if that ends the check.

    A sum whose order changes from call to call scatters by rounding, and that is noise as any.
    """
    again = validation.loss_value(loss(params))
    if not math.isfinite(center) and not math.isfinite(again):
        return 0.0, "nonfinite"
    scatter = abs(again - center)
    return scatter, None if scatter <= SCATTER * abs(center) else "random"


def _all_arrays(arrays: Params, verdict: Verdict) -> dict[Hashable, ArrayReport]:
    hint = _NO_LOSS if verdict == "nonfinite" else hint_for(verdict)
    return {
        name: ArrayReport(name, array.shape, verdict, hint)
        for name, array in arrays.items()
        if array.size
    }


_NO_LOSS = "the loss itself is nan or infinite at these parameters"
_WIDENED = "the differences of these {} parameters were computed in float64."


def _narrow_types(arrays: Params) -> str:
    names = {str(array.dtype): 0 for array in arrays.values() if array.dtype.itemsize < 8}
    return " and ".join(names)


def _on_a_staircase(case: Case, array: ArrayReport) -> ArrayReport:
    """The array with the hint that its loss is a staircase, if that is why it does not pass."""
    if array.verdict not in ("wrong", "undecided", "kink", "unused"):
        return array
    if not on_a_staircase(case.loss, case.point, array.name, case.noise.level):
        return array
    return array._replace(hint=STAIRCASE)


def _held_to(cutoff: float, array: ArrayReport) -> ArrayReport:
    """The array judged by the classical rule as well."""
    if array.verdict not in PASSING or array.relative_error < cutoff:
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
