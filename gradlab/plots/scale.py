"""The figures of notebooks 08 and 09: what a check costs, what it finds, what an adapter must do.

Each function draws data that its caller has computed onto an axes and returns the axes, or the
figure where there are several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gradlab.plots import style

__all__ = [
    "checking_cost",
    "one_sample_nudged",
    "recovered_gradient",
    "two_names",
    "what_moves",
]


@style.house_style()
def checking_cost(
    parameters: Sequence[int],
    costs: Mapping[str, Sequence[float]],
    reach: float = 1e6,
    ax: Axes | None = None,
) -> Axes:
    """The time of one check against the number of parameters, carried on to a larger network.

    Parameters
    ----------
    parameters
        (n,) sizes of the networks, ascending.
    costs
        For each way of checking, (n,) times in units of your choice: each is divided by the first
        time of the first way.
    reach
        The number of parameters up to which the first way is carried on, with slope 2.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> from gradlab import plots
    >>> plots.checking_cost([21, 201], {"the loop": [1e-3, 1e-1]}).get_xlabel()
    'number of parameters'
    """
    ax = style.axes_or_new(ax, 7, 4.2)
    first, cost = next(iter(costs.items()))
    for (name, times), look in zip(costs.items(), style.SERIES, strict=False):
        ax.loglog(parameters, np.asarray(times) / cost[0], **look, label=name)
    line = np.array([parameters[-1], reach])
    carried_on = cost[-1] / cost[0] * (line / parameters[-1]) ** 2
    ax.loglog(line, carried_on, ":", color=style.BLACK, label="slope 2: the loop, carried on")
    ax.loglog(line[1:], carried_on[1:], "o", color=style.BLACK, markerfacecolor="white")
    ax.set(
        xlabel="number of parameters",
        ylabel=f"time of one check\n({first}, {parameters[0]} parameters = 1)",
    )
    ax.legend(loc="upper left")
    style.describe(
        ax,
        f"The time of a check against the number of parameters, both axes logarithmic, for "
        f"{style.listed(costs)}. A dotted line of slope 2 carries {first} on to {reach:,.0f} "
        f"parameters.",
    )
    return ax


@style.house_style()
def what_moves(changes: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """The entries of each layer that a nudge of one parameter moves, as a row of matrices.

    Parameters
    ----------
    changes
        For each layer, in the order of the forward pass, the (N, units) change of its values. An
        entry is drawn as moved if it is not exactly zero.
    title
        What was nudged.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> page = plots.what_moves({"Z1": np.array([[0.0, 1e-3]]), "y_hat": np.array([[2e-4]])})
    >>> [ax.get_title() for ax in page.axes]
    ['Z1', 'y_hat']
    """
    widths = [matrix.shape[1] for matrix in changes.values()]
    page, all_axes = style.figure(
        6, 4, columns=len(widths), width_ratios=[width + 1.5 for width in widths], sharey=True
    )
    for ax, (name, matrix) in zip(np.atleast_1d(all_axes), changes.items(), strict=True):
        for (row, column), change in np.ndenumerate(matrix):
            ax.add_patch(_cell(row, column, bool(change)))
        rows, columns = matrix.shape
        ax.set(
            xlim=(-0.5, columns - 0.5),
            ylim=(rows - 0.5, -0.5),
            title=name,
            xlabel="column",
            xticks=range(columns),
        )
        ax.grid(False)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    np.atleast_1d(all_axes)[0].set(ylabel="sample", yticks=range(0, rows, 5))
    page.suptitle(title, fontsize=13)
    moved = (
        f"{np.count_nonzero(matrix.any(axis=0))} of {matrix.shape[1]} columns of {name}"
        for name, matrix in changes.items()
    )
    nudged = f" after this: {title}" if title else ""
    style.describe(
        page, f"The entries of each layer that moved{nudged}, as matrices: {style.listed(moved)}."
    )
    return page


def _cell(row: int, column: int, moved: bool) -> Rectangle:
    look: dict[str, Any] = {"facecolor": "#F2F2F2"}
    if moved:
        look = {"facecolor": style.VERMILION, "hatch": "///"}
    return Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, edgecolor="white", **look)


@style.house_style()
def recovered_gradient(
    rates: Sequence[float],
    errors: Sequence[float],
    digits_at: Mapping[float, object] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The relative error of a gradient that was recovered from an update, by learning rate.

    Parameters
    ----------
    rates
        (n,) learning rates.
    errors
        (n,) relative errors; zeros are left out.
    digits_at
        For a learning rate, how many digits somebody guessed would survive there.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> from gradlab import plots
    >>> plots.recovered_gradient([1e-9, 1.0], [1e-7, 1e-16]).get_xlabel()
    'learning rate of the step'
    """
    ax = style.axes_or_new(ax, 7, 3.6)
    seen = np.asarray(errors) > 0
    drawn = np.asarray(rates)[seen], np.asarray(errors)[seen]
    ax.loglog(*drawn, **style.SERIES[0])
    for rate, guess in (digits_at or {}).items():
        for digits in style.numbers_in(guess):
            star: dict[str, Any] = {"color": style.BLACK, "markersize": 14, "label": "your guess"}
            ax.plot(rate, 10.0 ** -np.clip(digits, 0, 20), "*", **star)
            ax.legend(loc="upper right")
    ax.set(xlabel="learning rate of the step", ylabel="relative error of\nthe recovered gradient")
    first, last = (
        f"{style.decade(drawn[1][end])} at a rate of {style.decade(drawn[0][end])}"
        for end in (0, -1)
    )
    style.describe(
        ax,
        f"The relative error of the recovered gradient against the learning rate, on logarithmic "
        f"axes: from {first} to {last}.",
    )
    return ax


@style.house_style()
def one_sample_nudged(changes: Mapping[str, np.ndarray], ax: Axes | None = None) -> Axes:
    """How far the output of every sample in a batch moves when the input of one is nudged.

    Parameters
    ----------
    changes
        For each function, the (N,) changes of its outputs, per unit of the nudge.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> changes = {"a layer": np.array([1.0, 0.0]), "batch norm": np.array([0.5, -0.5])}
    >>> [text.get_text() for text in plots.one_sample_nudged(changes).get_legend().get_texts()]
    ['a layer', 'batch norm']
    """
    ax = style.axes_or_new(ax, 7, 3.4)
    shift = np.linspace(-0.12, 0.12, len(changes))
    for (name, change), look, aside in zip(changes.items(), style.SERIES, shift, strict=False):
        samples = np.arange(len(change)) + aside
        ax.vlines(samples, 0, change, color=look["color"], linewidth=1.5)
        ax.plot(samples, change, look["marker"], color=look["color"], label=name)
    ax.axhline(0, color=style.BLACK, linewidth=0.9)
    ax.set(
        xlabel="sample of the batch (sample 0 is nudged)",
        ylabel="change of its output,\nper unit of the nudge",
        xticks=range(len(change)),
    )
    ax.margins(y=0.15)
    ax.legend(loc="best")
    moved = (
        f"{np.count_nonzero(change)} of {len(change)} outputs with {name}"
        for name, change in changes.items()
    )
    style.describe(ax, f"Sample 0 is nudged, and it moves {style.listed(moved)}.")
    return ax


@style.house_style()
def two_names() -> Figure:
    """Why rebinding an attribute cuts the checker off: names and the arrays that they stand for.

    Examples
    --------
    >>> from gradlab import plots
    >>> [ax.get_title() for ax in plots.two_names().axes]
    ['One array, two names', 'After layer.W = layer.W − …']
    """
    page, (before, after) = style.figure(7.5, 2.9, columns=2)
    _names_and_arrays(before, "One array, two names", (("the array", 0.5),), layer_at=0.5)
    _names_and_arrays(
        after,
        "After layer.W = layer.W − …",
        (("a new array:\nthe loss reads it", 0.75), ("the old array:\nthe check nudges it", 0.25)),
        layer_at=0.75,
    )
    style.describe(
        page,
        "Before the step layer.W and params['W'] point to one array. After it the loss reads a new "
        "array through layer.W, and the check nudges the old one through params['W'].",
    )
    return page


def _names_and_arrays(
    ax: Axes, title: str, arrays: Sequence[tuple[str, float]], layer_at: float
) -> None:
    """Two names on the left, each with an arrow to the height at which its array stands."""
    params_at = arrays[-1][1]
    for name, height, target, colour in (
        ("layer.W", 0.75, layer_at, style.BLUE),
        ('params["W"]', 0.25, params_at, style.VERMILION),
    ):
        ax.text(0.0, height, name, family="monospace", va="center", fontsize=12, color=colour)
        ax.annotate(
            "",
            xy=(0.58, target),
            xytext=(0.36, height),
            arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.8},
        )
    for label, height in arrays:
        ax.text(
            0.62,
            height,
            label,
            va="center",
            fontsize=10.5,
            bbox={"boxstyle": "round,pad=0.5", "facecolor": "#F2F2F2", "edgecolor": "#444444"},
        )
    ax.set(xlim=(0, 1), ylim=(0, 1), title=title)
    ax.axis("off")
