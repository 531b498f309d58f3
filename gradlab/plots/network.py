"""Figures of the notebooks 01 to 03: the network, its data, its units, its training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from gradlab import mlp
from gradlab.plots.style import BLACK, BLUE, GREY, SERIES, VERMILION, figure, house_style

__all__ = ["computation_graph", "sigmoid_slope", "training_curves"]

FORWARD = {"color": BLUE, "linestyle": "-"}
BACKWARD = {"color": VERMILION, "linestyle": (0, (4, 2))}


@house_style()
def training_curves(histories: Mapping[str, np.ndarray], ax: Axes | None = None) -> Axes:
    """Draw the loss against the step: every run thin, the median of a group thick.

    Parameters
    ----------
    histories
        For each name an array (runs, steps + 1) as :func:`gradlab.mlp.train` gives its rows, or
        (steps + 1,) for one run.
    """
    ax = ax or figure(7, 4)[1]
    for (name, losses), look in zip(histories.items(), SERIES, strict=False):
        losses = np.atleast_2d(losses)
        steps = np.arange(losses.shape[1])
        if len(losses) > 1:
            ax.plot(steps, losses.T, color=look["color"], linewidth=0.7, alpha=0.35)
        label = f"{name}, median of {len(losses)} runs" if len(losses) > 1 else name
        ax.plot(steps, np.median(losses, axis=0), markevery=len(steps) // 8, label=label, **look)
    ax.set(yscale="log", xlabel="step of gradient descent", ylabel="loss")
    ax.legend()
    return ax


@house_style()
def computation_graph(ax: Axes | None = None) -> Axes:
    """Draw the network as operations joined by arrays: forward above, backward below.

    A solid arrow carries a value from left to right, a dashed one its gradient from right to left;
    each is labelled with the array it carries and the array's shape.
    """
    ax = ax or figure(8, 4.2)[1]
    ax.set(xlim=(-0.35, 11.1), ylim=(0.3, 5.7))
    ax.axis("off")
    middle = 3.0
    for x, operation in [(2.6, "@ W1 + b1"), (5.1, "σ"), (7.4, "@ W2 + b2"), (9.9, "loss")]:
        box = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": BLACK}
        ax.text(x, middle, operation, ha="center", va="center", bbox=box, zorder=3)

    def label(x: float, y: float, array: str, shape: str, look: Mapping[str, object]) -> None:
        text = f"{array}\n{shape}"
        ax.text(x, y, text, ha="center", va="center", color=look["color"], linespacing=1.25)

    def arrow(start: tuple[float, float], end: tuple[float, float], look: Mapping) -> None:
        style = {"arrowstyle": "-|>,head_width=0.25,head_length=0.45", "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", end, start, arrowprops=style | {"linewidth": 1.8} | look)

    for left, right, array, gradient, shape in [
        (0.35, 1.50, "X", "", "(N, 2)"),
        (3.60, 4.75, "Z1", "dZ1", "(N, 5)"),
        (5.42, 6.40, "H", "dH", "(N, 5)"),
        (8.42, 9.42, "y_hat", "dy", "(N, 1)"),
    ]:
        centre = (left + right) / 2
        arrow((left, middle + 0.16), (right, middle + 0.16), FORWARD)
        label(centre, middle + 0.8, array, shape, FORWARD)
        if gradient:
            arrow((right, middle - 0.16), (left, middle - 0.16), BACKWARD)
            label(centre, middle - 0.8, gradient, shape, BACKWARD)
    for x, array, shape in [
        (2.1, "W1", "(2, 5)"),
        (3.1, "b1", "(1, 5)"),
        (6.9, "W2", "(5, 1)"),
        (7.9, "b2", "(1, 1)"),
    ]:
        arrow((x, middle + 1.75), (x, middle + 0.45), FORWARD)
        label(x, middle + 2.2, array, shape, FORWARD)
        arrow((x, middle - 0.45), (x, middle - 1.75), BACKWARD)
        label(x, middle - 2.2, f"d{array}", shape, BACKWARD)
    arrow((9.9, middle + 1.75), (9.9, middle + 0.45), FORWARD)
    label(9.9, middle + 2.2, "y", "(N, 1)", FORWARD)
    arrow((10.4, middle), (10.8, middle), FORWARD)
    ax.text(10.88, middle, "L", color=BLUE, va="center")
    ax.text(-0.35, middle + 2.2, "forward:\nvalues", color=BLUE, va="center")
    ax.text(-0.35, middle - 2.2, "backward:\ngradients", color=VERMILION, va="center")
    return ax


@house_style()
def sigmoid_slope(ax: Axes | None = None) -> Axes:
    """Draw the sigmoid H, its slope, and the formula H (1 - H) on points along it."""
    ax = ax or figure(7, 3.8)[1]
    z = np.linspace(-6, 6, 241)
    H = mlp.sigmoid(z)
    slope = np.gradient(H, z)
    points = slice(10, -1, 20)
    ax.plot(z, H, color=BLUE, label="H = σ(z)")
    ax.plot(z, slope, color=VERMILION, linestyle="--", label="slope of σ, measured on the curve")
    ax.plot(z[points], (H * (1 - H))[points], "o", color=BLACK, label="H (1 − H)")
    ax.axhline(0.25, color=GREY, linewidth=1, linestyle=":")
    ax.text(-6, 0.27, "1/4", color=GREY)
    ax.set(xlabel="z", ylabel="value", ylim=(-0.03, 1.05))
    ax.legend(loc="upper left")
    return ax
