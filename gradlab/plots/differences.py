"""The figures of notebooks 04, 05 and 07: secants, error curves, staircases, thresholds, kinks.

Each function draws data that its caller has computed, or a function of one variable that its caller
hands over, onto an axes, and returns the axes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from gradlab.curves import ErrorCurve
from gradlab.plots import style

__all__ = [
    "error_bands",
    "error_curves",
    "error_while_filling",
    "named_error_curves",
    "secants",
    "staircase",
    "taylor_remainders",
]

STAR: dict[str, Any] = {
    "color": style.BLACK,
    "marker": "*",
    "markerfacecolor": style.YELLOW,
    "linestyle": "none",
}


@style.house_style()
def secants(
    f: Callable[[float], float],
    x: float,
    steps: Sequence[float],
    slope: float,
    method: str = "forward",
    name: str = "the weight",
    ax: Axes | None = None,
) -> Axes:
    """Secants of ``f`` near ``x`` and the tangent that they turn into.

    Parameters
    ----------
    f
        The loss as a function of one number.
    x
        Where the slope is wanted.
    steps
        One secant for each, at most four, in the units of ``x``.
    slope
        Of the tangent.
    method
        "forward": through ``x`` and ``x + step``; "central": through ``x - step`` and ``x + step``.
    name
        What moves along the horizontal axis.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> ax = plots.secants(np.exp, 0.0, steps=[1.0, 0.5], slope=1.0, name="w")
    >>> ax.get_xlabel()
    'w'
    """
    ax = style.axes_or_new(ax)
    reach = 1.3 * max(steps)  # the same to both sides, so that a slope is one angle in all panels
    line = np.linspace(x - reach, x + reach, 200)
    ax.plot(line, [f(value) for value in line], color=style.GREY, linewidth=3, label="loss")
    slopes = []
    for step, look in zip(steps, style.SERIES, strict=False):
        left = x - step if method == "central" else x
        rise_over_run = (f(x + step) - f(left)) / (x + step - left)
        slopes.append(f"{rise_over_run:.4f} for ε = {step:g}")
        secant = f(left) + rise_over_run * (line - left)
        label = f"secant, ε = {step:g}: slope {rise_over_run:.4f}"
        ax.plot(line, secant, color=look["color"], linestyle=look["linestyle"], linewidth=1.5)
        ax.plot([left, x + step], [f(left), f(x + step)], look["marker"], color=look["color"])
        ax.plot([], [], **{**look, "linewidth": 1.5}, label=label)
    tangent = f(x) + slope * (line - x)
    look = {"color": style.BLACK, "linestyle": style.SERIES[4]["linestyle"], "linewidth": 1.5}
    ax.plot(line, tangent, **look, label=f"tangent: slope {slope:.4f}")
    ax.plot([x], [f(x)], "o", color=style.BLACK, markersize=8)
    _mark_distances(ax, x, steps, both=method == "central")
    ax.set(xlabel=name, ylabel="loss", title=f"{style.method_name(method)} differences")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18))
    style.describe(
        ax,
        f"The loss as a function of {name}, a curve, with its tangent of slope {slope:.4f} and the "
        f"secants of {style.method_name(method)} differences. Slopes of the secants: "
        f"{style.listed(slopes)}.",
    )
    return ax


def _mark_distances(ax: Axes, x: float, steps: Sequence[float], both: bool) -> None:
    """An arrow as long as each step, below the curves."""
    low, high = ax.dataLim.intervaly
    for row, (step, look) in enumerate(zip(steps, style.SERIES, strict=False), start=1):
        height = low - 0.07 * row * (high - low)
        arrow = {"arrowstyle": "<->", "color": look["color"], "shrinkA": 0, "shrinkB": 0}
        for end in (x + step, x - step) if both else (x + step,):
            ax.annotate("", (end, height), (x, height), arrowprops=arrow)
        ax.text(x + step, height, f"  ε = {step:g}", va="center", fontsize=10)
    ax.set_ylim(low - 0.07 * (len(steps) + 0.7) * (high - low), high + 0.05 * (high - low))


@style.house_style()
def error_curves(
    curve: ErrorCurve,
    methods: Sequence[str] | None = None,
    guess: object = None,
    ax: Axes | None = None,
) -> Axes:
    """Measured errors against epsilon, the two predicted lines of each method, and their meeting.

    Parameters
    ----------
    curve
        From :func:`gradlab.error_curve`.
    methods
        Which of its methods; by default all.
    guess
        A step that somebody chose, drawn if it is a number on the axis.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> from gradlab import bugs, error_curve, plots
    >>> ax = plots.error_curves(error_curve(*bugs.course_problem(), methods="central"))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('step ε', 'relative error')
    """
    ax = style.axes_or_new(ax, width=8.5, height=4.8)
    chosen = list(methods or curve.errors)
    for method in chosen:
        look = style.method_series(method)
        measured, predicted = curve.errors[method], curve.predicted(method)
        ax.loglog(
            curve.eps,
            _visible(measured),
            look["marker"],
            color=look["color"],
            markersize=5,
            markerfacecolor="white",
            label=f"{style.method_name(method)}: measured",
        )
        for part in (curve.truncation[method], curve.rounding[method]):
            ax.loglog(
                curve.eps,
                _visible(part),
                color=look["color"],
                linestyle=look["linestyle"],
                linewidth=1.2,
                zorder=4,
            )
        ax.plot([], [], color=look["color"], linestyle=look["linestyle"], label="  predicted")
        if 0 < np.argmin(predicted) < len(predicted) - 1:
            least = np.argmin(predicted)
            ax.plot([curve.eps[least]], [predicted[least]], **STAR, markersize=13, zorder=5)
    ax.plot([], [], **STAR, markersize=11, label="predicted best ε")
    mine = guess if isinstance(guess, int | float) and 1e-300 < guess < 1e300 else None
    if mine is not None:
        look = {"color": style.BLACK, "linestyle": ":", "linewidth": 2}
        ax.axvline(mine, **look, label=f"your step: {mine:.1e}")
    _name_the_lines(ax, curve, chosen[-1])
    bottom = min(np.min(values[values > 0]) for values in curve.errors.values())
    ax.set(xlabel="step ε", ylabel="relative error", ylim=(bottom / 30, 30))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    style.describe(
        ax,
        f"Relative error against the step on logarithmic axes. "
        f"{' '.join(_error_curve_in_words(curve, method) for method in chosen)} "
        f"The lines predicted for truncation and rounding run through the measured points."
        f"{'' if mine is None else f' A vertical line marks the step {mine:.1e}.'}",
    )
    return ax


def _name_the_lines(ax: Axes, curve: ErrorCurve, method: str) -> None:
    """Write beside the two predicted lines of a method which error each of them is."""
    for name, part, quantile in (
        ("rounding", curve.rounding[method], 0.34),
        ("truncation", curve.truncation[method], 0.84),
    ):
        place = int(quantile * (len(part) - 1))
        if np.isfinite(part[place]) and part[place] > 0:
            ax.annotate(
                name,
                (curve.eps[place], part[place]),
                (-6 if name == "rounding" else 6, -4),
                textcoords="offset points",
                ha="right" if name == "rounding" else "left",
                va="top",
                fontsize=11,
            )


def _error_curve_in_words(curve: ErrorCurve, method: str) -> str:
    name, predicted = style.method_name(method).capitalize(), curve.predicted(method)
    least = int(np.argmin(predicted))
    slope = curve.slopes(method).truncation
    right = f"slope {slope:.0f}" if np.isfinite(slope) else "no slope to be read"
    if least == 0:
        return f"{name}: falls with {right} to rounding, and stays there at every smaller step."
    # Not the nearest power of ten: two neighbouring steps may tie, and noise decides between them.
    below = int(np.floor(np.log10(curve.eps[least]) + 1e-9))
    return (
        f"{name}: a V, best at a step between 1e{below} and 1e{below + 1} with an error of about "
        f"{style.decade(predicted[least])}, with {right} on its right."
    )


@style.house_style()
def staircase(
    f: Callable[[float], float],
    x: float,
    reach: float,
    slope: float,
    ax: Axes | None = None,
) -> Axes:
    """The loss under the microscope: what ``f`` returns within ``reach`` of ``x``, and the tangent.

    Parameters
    ----------
    f
        The loss as a function of one number.
    x
        The middle of the picture.
    reach
        Half its width: near ``1e-14`` a loss of float64 shows its steps.
    slope
        Of the tangent.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> plots.staircase(np.exp, 0.0, reach=1e-15, slope=1.0).get_xlabel()
    'distance moved'
    """
    ax = style.axes_or_new(ax)
    points = np.unique(x + np.linspace(-reach, reach, 601))
    heights = np.array([f(point) for point in points]) - f(x)
    unit = np.spacing(f(x))
    ax.plot(points - x, heights / unit, ".", color=style.BLUE, markersize=3, label="computed loss")
    ax.plot(
        points - x,
        slope * (points - x) / unit,
        color=style.VERMILION,
        linestyle="--",
        label="what mathematics says",
    )
    ax.set(
        xlabel="distance moved",
        ylabel="change of the loss,\nin steps of float64",
        xlim=(-reach, reach),
    )
    ax.legend(loc="upper left" if slope > 0 else "upper right")
    style.describe(
        ax,
        f"The computed loss over a width of {2 * reach:.0e}: a ragged staircase whose flat steps are "
        f"a few units of float64 above and below the straight line that mathematics predicts.",
    )
    return ax


@style.house_style()
def named_error_curves(
    eps: np.ndarray,
    errors: Mapping[str, np.ndarray],
    ax: Axes | None = None,
) -> Axes:
    """Relative error against epsilon, one curve for each name.

    Parameters
    ----------
    eps
        (m,), the steps.
    errors
        For each name (m,) relative errors; those that are exactly 0 are left out.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> eps = np.logspace(-9, 0, 10)
    >>> ax = plots.named_error_curves(eps, {"right": eps**2 + 1e-16 / eps, "wrong": 0 * eps + 0.3})
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['right', 'wrong']
    """
    ax = style.axes_or_new(ax)
    for (name, values), look in zip(errors.items(), style.SERIES, strict=False):
        ax.loglog(
            eps,
            _visible(values),
            **look,
            linewidth=1.3,
            markersize=4,
            markevery=max(1, len(eps) // 40),
            label=name,
        )
    ax.set(xlabel="step ε", ylabel="relative error")
    ax.legend(loc="best")
    style.describe(
        ax,
        f"Relative error against the step on logarithmic axes, a curve for each name. "
        f"{' '.join(_named_curve_in_words(name, eps, values) for name, values in errors.items())}",
    )
    return ax


def _named_curve_in_words(name: str, eps: ArrayLike, errors: ArrayLike) -> str:
    """The ends of a curve and its lowest stretch, in decades."""
    seen = np.asarray(errors) > 0
    if not seen.any():
        return f"{name}: no error at any step."
    steps, values = np.asarray(eps)[seen], np.asarray(errors, dtype=float)[seen]
    left, right = (
        f"{style.decade(values[end])} at a step of {style.decade(steps[end])}" for end in (0, -1)
    )
    # A single lucky error at the bottom is noise: the middle one of three in a row is less so.
    rows = [np.median(values[max(i - 1, 0) : i + 2]) for i in range(len(values))]
    least = int(np.argmin(rows))
    if values[-1] < 10 * rows[least]:
        return f"{name}: falls from {left} all the way to {right}."
    lowest = f"{style.decade(rows[least])} near a step of {style.decade(steps[least])}"
    return f"{name}: {left}, lowest, about {lowest}, and {right}."


@style.house_style()
def error_bands(
    errors: Mapping[str, np.ndarray],
    cutoff: float,
    marked: Mapping[str, float] | None = None,
    marked_as: str = "published",
    ax: Axes | None = None,
) -> Axes:
    """One row of dots for each array: its relative errors, and on which side of a cutoff they lie.

    Parameters
    ----------
    errors
        For each array the relative errors of many checks.
    cutoff
        The relative error at which a check is said to fail.
    marked
        For each array one more relative error, drawn larger.
    marked_as
        What that one is called.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> errors = {"W1": np.array([1e-10, 3e-10]), "b2": np.array([1e-12, 2e-12])}
    >>> plots.error_bands(errors, cutoff=1e-7).get_xlabel()
    'relative error'
    """
    ax = style.axes_or_new(ax, height=3.2)
    rows = range(len(errors))
    for row, values in zip(rows, errors.values(), strict=True):
        lift = np.linspace(-0.22, 0.22, len(values))  # so that dots do not hide one another
        ax.plot(values, row + lift, ".", color=style.BLUE, markersize=5)
    ax.plot([], [], ".", color=style.BLUE, label="recomputed")
    if marked:
        places = [marked[name] for name in errors]
        ax.plot(places, rows, "D", color=style.VERMILION, markersize=8, label=marked_as)
    ax.axvline(cutoff, color=style.BLACK, linestyle="--", label=f"cutoff {cutoff:g}")
    ax.set_xscale("log")
    ax.set(xlabel="relative error", yticks=rows, yticklabels=errors, ylim=(len(errors) - 0.5, -0.5))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    rows_in_words = [
        f"{name} mostly between 1e{decade:d} and 1e{decade + 1:d}"
        for name, values in errors.items()
        if (median := float(np.median(values))) > 0
        for decade in [int(np.floor(np.log10(median)))]
    ]
    beside = f" Beside them one value each, {marked_as}." if marked else ""
    style.describe(
        ax,
        f"Relative errors of many checks, a row of dots for each array, beside a cutoff of "
        f"{cutoff:g}: {style.listed(rows_in_words or ['no error'])}.{beside}",
    )
    return ax


@style.house_style()
def error_while_filling(
    errors: Sequence[float], name: str, cutoff: float | None = None, ax: Axes | None = None
) -> Axes:
    """The relative error of an array that is still being filled, after each entry.

    Parameters
    ----------
    errors
        After the first entry, after the second …
    name
        Of the array.
    cutoff
        The relative error at which a check is said to fail; drawn as a line.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> from gradlab import plots
    >>> plots.error_while_filling([0.9, 0.5, 1e-10], "W2", cutoff=1e-7).get_ylabel()
    'relative error printed'
    """
    ax = style.axes_or_new(ax, height=3.4)
    counts = np.arange(1, len(errors) + 1)
    ax.semilogy(counts, _visible(errors), **style.SERIES[0])
    if cutoff is not None:
        ax.axhline(cutoff, color=style.BLACK, linestyle="--", label=f"cutoff {cutoff:g}")
        ax.legend(loc="lower left")
    ax.set(
        xlabel=f"entries of {name} filled so far",
        ylabel="relative error printed",
        xticks=counts,
        ylim=(None, 5),
    )
    *filling, full = errors
    below = "" if cutoff is None else f", {'below' if full < cutoff else 'above'} the cutoff"
    style.describe(
        ax,
        f"The relative error printed after each of the {len(errors)} entries of {name}, on a "
        f"logarithmic axis: {filling[0]:.1g} after the first, {filling[-1]:.1g} after the last but "
        f"one, and then a fall of {'many decades' if full < 1e-4 * filling[-1] else 'little'} to the "
        f"last{below}.",
    )
    return ax


@style.house_style()
def taylor_remainders(
    steps: np.ndarray, remainders: Mapping[str, Sequence[float]], ax: Axes | None = None
) -> Axes:
    """What the linear prediction leaves over, against the step, with its slopes written on it.

    Parameters
    ----------
    steps
        (m,), ascending.
    remainders
        For each gradient under test (m,) absolute remainders.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> h = np.logspace(-4, -1, 10)
    >>> ax = plots.taylor_remainders(h, {"right": h**2, "wrong": h})
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('step h', 'remainder')
    """
    ax = style.axes_or_new(ax, width=8, height=4)
    for (name, values), look in zip(remainders.items(), style.SERIES, strict=False):
        ax.loglog(steps, _visible(values), **look, linewidth=1.3, markersize=5, label=name)
    top = max(np.max(values) for values in remainders.values())
    written: list[float] = []  # heights of the slopes on the right, where curves may coincide
    for values in remainders.values():
        left, right = (np.asarray(values)[piece] for piece in (slice(1, 4), slice(-5, -2)))
        _write_slope(ax, steps[1:4], left)
        if all(abs(np.log10(right[-1] / height)) > 0.3 for height in written):
            _write_slope(ax, steps[-5:-2], right)
            written.append(right[-1])
    bottom = min(np.nanmin(_visible(values)) for values in remainders.values())
    ax.set(xlabel="step h", ylabel="remainder", ylim=(bottom / 10, 30 * top))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    told = (_slopes_in_words(name, steps, values) for name, values in remainders.items())
    style.describe(ax, f"Taylor remainders against the step on logarithmic axes. {' '.join(told)}")
    return ax


def _write_slope(ax: Axes, steps: np.ndarray, remainders: np.ndarray) -> None:
    """A short line just below a stretch of a curve, of the whole-numbered slope that it has."""
    if len(steps) < 2 or not (remainders > 0).all():
        return
    heights, places = np.log10(remainders), np.log10(steps)
    slope = round(float(np.polyfit(places, heights, 1)[0]))
    below = 10 ** (heights.mean() - 0.55 + slope * (places[[0, -1]] - places.mean()))
    ax.loglog(steps[[0, -1]], below, color=style.GREY, linewidth=1, label=f"_slope {slope}")
    ax.annotate(
        f"slope {slope}",
        (steps[-1], below[-1]),
        xytext=(4, -9),
        textcoords="offset points",
        fontsize=9,
    )


def _slopes_in_words(name: str, steps: np.ndarray, remainders: Sequence[float]) -> str:
    """The slope of a remainder among the largest steps, and two decades further down."""
    heights, places = np.log10(_visible(remainders)), np.log10(steps)
    slopes = [
        round(float(np.polyfit(places[piece], heights[piece], 1)[0]))
        for piece in (slice(-5, -2), slice(-9, -6))
        if np.isfinite(heights[piece]).sum() == 3
    ]
    if not slopes:
        return f"{name}: too few remainders to see a slope."
    large, smaller = slopes[0], slopes[-1]
    if large == smaller:
        return f"{name}: slope {large}."
    return f"{name}: slope {large} among the largest steps, slope {smaller} further down."


def _visible(errors: ArrayLike) -> np.ndarray:
    """Errors for a logarithmic axis, which has no place for those that are exactly 0."""
    values = np.asarray(errors, dtype=float)
    return np.where(values > 0, values, np.nan)
