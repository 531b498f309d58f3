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
    """
    ax = style.axes_or_new(ax)
    reach = 1.3 * max(steps)
    low = x - (reach if method == "central" else 0.45 * reach)
    line = np.linspace(low, x + reach, 200)
    ax.plot(line, [f(value) for value in line], color=style.GREY, linewidth=3, label="loss")
    for step, look in zip(steps, style.SERIES, strict=False):
        left = x - step if method == "central" else x
        rise_over_run = (f(x + step) - f(left)) / (x + step - left)
        secant = f(left) + rise_over_run * (line - left)
        label = f"secant, ε = {step:g}: slope {rise_over_run:.4f}"
        ax.plot(line, secant, color=look["color"], linestyle=look["linestyle"], linewidth=1.5)
        ax.plot([left, x + step], [f(left), f(x + step)], look["marker"], color=look["color"])
        ax.plot([], [], **{**look, "linewidth": 1.5}, label=label)
    tangent = f(x) + slope * (line - x)
    look = {"color": style.BLACK, "linestyle": style.SERIES[4]["linestyle"], "linewidth": 1.5}
    ax.plot(line, tangent, **look, label=f"tangent: slope {slope:.4f}")
    ax.plot([x], [f(x)], "o", color=style.BLACK, markersize=8)
    ax.set(xlabel=name, ylabel="loss", title=f"{style.method_name(method)} differences")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18))
    return ax


@style.house_style()
def error_curves(
    curve: ErrorCurve, methods: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Measured errors against epsilon, the two predicted lines of each method, and their meeting.

    Parameters
    ----------
    curve
        From :func:`gradlab.error_curve`.
    methods
        Which of its methods; by default all.
    ax
        Where to draw; by default on a new figure.
    """
    ax = style.axes_or_new(ax, width=8.5, height=4.8)
    for method in methods or curve.errors:
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
    bottom = min(np.min(values[values > 0]) for values in curve.errors.values())
    ax.set(xlabel="step ε", ylabel="relative error", ylim=(bottom / 30, 30))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


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
    return ax


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
    return ax


@style.house_style()
def error_while_filling(errors: Sequence[float], name: str, ax: Axes | None = None) -> Axes:
    """The relative error of an array that is still being filled, after each entry.

    Parameters
    ----------
    errors
        After the first entry, after the second …
    name
        Of the array.
    ax
        Where to draw; by default on a new figure.
    """
    ax = style.axes_or_new(ax, height=3)
    counts = np.arange(1, len(errors) + 1)
    ax.plot(counts, errors, **style.SERIES[0])
    ax.set(
        xlabel=f"entries of {name} filled so far",
        ylabel="relative error printed",
        xticks=counts,
        ylim=(-0.05, 1.05),
    )
    return ax


@style.house_style()
def taylor_remainders(
    steps: np.ndarray, remainders: Mapping[str, Sequence[float]], ax: Axes | None = None
) -> Axes:
    """What the linear prediction leaves over, against the step, beside lines of slope 1 and 2.

    Parameters
    ----------
    steps
        (m,), ascending.
    remainders
        For each gradient under test (m,) absolute remainders.
    ax
        Where to draw; by default on a new figure.
    """
    ax = style.axes_or_new(ax, width=8.5, height=4.4)
    for (name, values), look in zip(remainders.items(), style.SERIES, strict=False):
        ax.loglog(steps, _visible(values), **look, linewidth=1.3, markersize=5, label=name)
    top = max(np.max(values) for values in remainders.values())
    middle = np.sqrt(steps[0] * steps[-1])
    for power, dash in ((1, "-"), (2, "--")):
        line = 10 * top * middle / steps[-1] * (steps / middle) ** power
        ax.loglog(
            steps, line, color=style.GREY, linestyle=dash, linewidth=1, label=f"slope {power}"
        )
    bottom = min(np.nanmin(_visible(values)) for values in remainders.values())
    ax.set(xlabel="step h", ylabel="remainder", ylim=(bottom / 10, 30 * top))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def _visible(errors: ArrayLike) -> np.ndarray:
    """Errors for a logarithmic axis, which has no place for those that are exactly 0."""
    values = np.asarray(errors, dtype=float)
    return np.where(values > 0, values, np.nan)
