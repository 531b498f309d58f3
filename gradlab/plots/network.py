"""Figures of the notebooks 01 to 03: the network, its data, its units, its training."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gradlab import mlp
from gradlab.plots.style import (
    BLACK,
    BLUE,
    GREY,
    SERIES,
    VERMILION,
    axes_or_new,
    describe,
    figure,
    house_style,
    listed,
)

__all__ = [
    "computation_graph",
    "data_surface",
    "hidden_units",
    "shared_axis",
    "sigmoid_slope",
    "training_curves",
    "weight_histograms",
]

FORWARD = {"color": BLUE, "linestyle": "-"}
GUESS: dict[str, Any] = {"color": BLACK, "linestyle": (0, (1, 1.2)), "linewidth": 1.6}
BACKWARD = {"color": VERMILION, "linestyle": (0, (4, 2))}


@house_style()
def training_curves(
    histories: Mapping[str, np.ndarray],
    ax: Axes | None = None,
    guessed_step: Any = None,
    guessed_loss: Any = None,
) -> Axes:
    """Draw the loss against the step: every run thin, the median of a group thick.

    Parameters
    ----------
    histories
        For each name an array (runs, steps + 1) as :func:`gradlab.mlp.train` gives its rows, or
        (steps + 1,) for one run. At most six.
    ax
        Where to draw; by default on a new figure.
    guessed_step, guessed_loss
        A learner's guess, drawn as a line of its own if it is a number that the axes can show.

    Raises
    ------
    ValueError
        If there are more names than looks to tell them apart.

    Examples
    --------
    >>> from gradlab import mlp, paraboloid, plots
    >>> history = mlp.train(mlp.init_params(), *paraboloid(), steps=100)
    >>> ax = plots.training_curves({"one run": history})
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('step of gradient descent', 'loss')
    """
    if len(histories) > len(SERIES):
        raise ValueError(f"at most {len(SERIES)} curves can be told apart, not {len(histories)}")
    ax = axes_or_new(ax, 7, 4)
    for (name, losses), look in zip(histories.items(), SERIES, strict=False):
        losses = np.atleast_2d(losses)
        steps = np.arange(losses.shape[1])
        if len(losses) > 1:
            faint = {"linewidth": 0.4, "linestyle": look["linestyle"]}
            ax.plot(steps, losses.T, color=look["color"], **faint)
        label = f"{name}, median of {len(losses)} runs" if len(losses) > 1 else name
        ax.plot(steps, np.median(losses, axis=0), markevery=len(steps) // 8, label=label, **look)
    ax.set(yscale="log", xlabel="step of gradient descent", ylabel="loss")
    if is_number(guessed_step):
        ax.axvline(guessed_step, **GUESS, label="your guess")
    if is_number(guessed_loss) and guessed_loss > 0:
        ax.axhline(guessed_loss, **GUESS, label="your guess")
    if len(histories) > 2:  # inside the axes it would hide a curve
        small = {"ncols": 3, "fontsize": 10, "columnspacing": 1.2, "handlelength": 2.4}
        ax.legend(loc="lower left", bbox_to_anchor=(-0.1, 1), frameon=False, **small)
    else:
        ax.legend()
    told = "; ".join(_course(name, losses) for name, losses in histories.items())
    describe(ax, f"The loss at every step on a logarithmic axis: {told}.")
    return ax


def is_number(guess: Any) -> bool:
    """Whether a guess is one finite number, so that a figure can draw it."""
    return (
        isinstance(guess, int | float) and not isinstance(guess, bool) and bool(np.isfinite(guess))
    )


def _course(name: str, losses: np.ndarray) -> str:
    """Where a curve begins, passes and ends."""
    middle = np.median(np.atleast_2d(losses), axis=0)
    runs = len(np.atleast_2d(losses))
    name = f"{name}, the median of {runs} runs," if runs > 1 else name
    last = len(middle) - 1
    passes = "".join(f", {middle[k]:.2g} after {k} steps" for k in (last // 30, last // 3) if k)
    return f"{name} begins at {middle[0]:.2g}{passes} and ends at {middle[-1]:.2g} after {last}"


@house_style()
def computation_graph(ax: Axes | None = None) -> Axes:
    """Draw the network as operations joined by arrays: forward above, backward below.

    A solid arrow carries a value from left to right, a dashed one its gradient from right to left;
    each is labelled with the array it carries and the array's shape.

    Examples
    --------
    >>> from gradlab import plots
    >>> labels = [text.get_text() for text in plots.computation_graph().texts]
    >>> "@ W1 + b1" in labels
    True
    """
    ax = axes_or_new(ax, 8, 4.2)
    ax.set(xlim=(-0.35, 11.1), ylim=(0.3, 5.7))
    ax.axis("off")
    middle = 3.0
    for x, operation in [(2.6, "@ W1 + b1"), (5.1, "σ"), (7.4, "@ W2 + b2"), (9.9, "loss")]:
        box = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": BLACK}
        ax.text(x, middle, operation, ha="center", va="center", bbox=box, zorder=3)

    def label(x: float, y: float, array: str, shape: str, look: Mapping[str, Any]) -> None:
        text = f"{array}\n{shape}"
        ax.text(x, y, text, ha="center", va="center", color=look["color"], linespacing=1.25)

    def arrow(start: tuple[float, float], end: tuple[float, float], look: dict[str, Any]) -> None:
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
    describe(
        ax,
        "The network as a chain of four operations. Forward: X (N, 2), Z1 (N, 5), H (N, 5), "
        "y_hat (N, 1), then the loss L. Backward: dy, dH, dZ1, and dW2, db2, dW1, db1, each with the "
        "shape of the array whose gradient it is.",
    )
    return ax


@house_style()
def shared_axis(
    left: np.ndarray, right: np.ndarray, names: tuple[str, str, str] = ("Hᵀ", "dy", "dW2")
) -> Figure:
    """Draw a matrix product whose sum runs over the samples: columns meeting rows.

    Parameters
    ----------
    left
        (n, N): a column for each sample.
    right
        (N, m): a row for each sample.
    names
        Of the two factors and of the product.

    Returns
    -------
    Figure
        The three matrices with their numbers; what belongs to one sample has one shade and hatch.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> page = plots.shared_axis(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    >>> "11" in [text.get_text() for text in page.axes[0].texts]
    True
    """
    page, ax = figure(7.4, 2.6, layout=None)
    ax.set_position((0, 0, 1, 1))
    ax.axis("off")
    product = left @ right
    looks: tuple[dict[str, Any], ...] = (
        {"facecolor": "#D6E8F4", "hatch": ""},
        {"facecolor": "#F9DFCC", "hatch": "//"},
    )
    x, tallest = 0.4, max(len(left), len(right))
    for matrix, name, sign in zip((left, right, product), names, ("@", "=", ""), strict=True):
        rows, columns = matrix.shape
        top = (tallest + rows) / 2
        for (i, j), value in np.ndenumerate(matrix):
            sample = j if matrix is left else i
            look: dict[str, Any] = (
                {"facecolor": "white"} if matrix is product else looks[sample % 2]
            )
            cell = Rectangle((x + j, top - i - 1), 1, 1, edgecolor="#888888", linewidth=1, **look)
            ax.add_patch(cell)
            box = {"facecolor": look["facecolor"], "edgecolor": "none", "pad": 1.5}
            written = _number(value).strip("()")
            ax.text(x + j + 0.5, top - i - 0.5, written, ha="center", va="center", bbox=box)
        axes = (rows, "N") if matrix is left else ("N", columns)
        sizes = (rows, columns) if matrix is product else axes
        shape = f"{name}  ({sizes[0]}, {sizes[1]})"
        ax.text(x + columns / 2, top + 0.35, shape, ha="center")
        x += columns + 0.75
        if sign:
            ax.text(x - 0.1, tallest / 2, sign, ha="center", va="center", fontsize=15)
            x += 0.55
    sums = "; ".join(
        " + ".join(f"{_number(a)} · {_number(b)}" for a, b in zip(row, column, strict=True))
        for row in left
        for column in right.T
    )
    ax.text(0.4, -0.55, "plain: sample 0     hatched: sample 1", va="center", fontsize=11)
    ax.set(xlim=(0, x), ylim=(-1, tallest + 1), aspect="equal")
    describe(
        page,
        f"The product {names[0]} @ {names[1]} = {names[2]} with its numbers: {sums}. Every sum runs "
        f"over the samples, the axis along which columns of the left matrix meet rows of the right.",
    )
    return page


def _number(value: float) -> str:
    """A number as it stands on paper, in brackets if it is negative."""
    written = str(Fraction(float(value)).limit_denominator(64))
    return f"({written})" if value < 0 else written


@house_style()
def sigmoid_slope(ax: Axes | None = None, guess: Any = None) -> Axes:
    """Draw the sigmoid H, its slope, and the formula H (1 - H) on points along it.

    ``guess`` is where a learner expects the largest slope: z and height, drawn as a star.

    Examples
    --------
    >>> from gradlab import plots
    >>> len(plots.sigmoid_slope().get_legend_handles_labels()[1])
    3
    """
    ax = axes_or_new(ax, 7, 3.8)
    z = np.linspace(-6, 6, 241)
    H = mlp.sigmoid(z)
    slope = np.gradient(H, z)
    points = slice(10, -1, 20)
    ax.plot(z, H, color=BLUE, label="H = σ(z)")
    ax.plot(z, slope, color=VERMILION, linestyle="--", label="slope of σ, measured on the curve")
    ax.plot(z[points], (H * (1 - H))[points], "o", color=BLACK, label="H (1 − H)")
    ax.axhline(0.25, color=GREY, linewidth=1, linestyle=":")
    ax.text(-6, 0.27, "1/4", color=GREY)
    if isinstance(guess, list | tuple) and len(guess) == 2 and all(map(is_number, guess)):
        ax.plot(*([part] for part in guess), "*", color=BLACK, markersize=15, label="your guess")
    ax.set(xlabel="z", ylabel="value", ylim=(-0.03, 1.05))
    ax.legend(loc="upper left")
    describe(
        ax,
        "The sigmoid rises from 0 to 1. Its measured slope is a hump with its top, 1/4, at z = 0, "
        "and points computed as H (1 - H) lie on the hump.",
    )
    return ax


@house_style()
def data_surface(X: np.ndarray, y: np.ndarray) -> Figure:
    """Draw samples (N, 2) and their heights (N, 1) on the paraboloid, from the side and from above.

    Examples
    --------
    >>> from gradlab import paraboloid, plots
    >>> len(plots.data_surface(*paraboloid()).axes)
    2
    """
    page, (flat, above) = figure(7.6, 3.7, columns=2)
    flat.remove()
    side = page.add_subplot(1, 2, 1, projection="3d")
    x1, x2 = square()
    height = x1**2 + x2**2
    side.plot_wireframe(x1, x2, height, rcount=13, ccount=13, color=GREY, linewidth=0.5)
    side.scatter(*X.T, y[:, 0], color=VERMILION, depthshade=False, s=28)
    side.set(xlabel="x1", ylabel="x2", zlabel="y", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    side.set_zticks([0, 1, 2])
    side.view_init(elev=22, azim=-60)
    side.set_box_aspect((4, 4, 3), zoom=0.95)
    # Two sets: some releases of matplotlib cannot label part of one at given places.
    _, labelled = (
        above.contour(x1, x2, height, levels=levels, colors=BLUE, linewidths=1.2)
        for levels in (np.arange(0.25, 2, 0.5), np.arange(0.5, 2, 0.5))
    )
    on_the_diagonal = [(np.sqrt(level / 2),) * 2 for level in labelled.levels]  # no sample there
    above.clabel(labelled, fontsize=9, manual=on_the_diagonal)
    above.scatter(*X.T, color=VERMILION, s=28, zorder=3)
    as_map(above)
    describe(
        page,
        f"Left: a bowl-shaped surface over the square with {len(X)} points on it. Right: the same "
        f"points from above, between the circles of equal height. They do not fill the square evenly.",
    )
    return page


@house_style()
def hidden_units(params: Mapping[str, np.ndarray]) -> Figure:
    """Draw what each hidden unit, and the network as a whole, says at every point of the square.

    Parameters
    ----------
    params
        Of a network with two inputs and one output, in the shapes of
        :func:`gradlab.mlp.init_params`.

    Examples
    --------
    >>> from gradlab import mlp, plots
    >>> len(plots.hidden_units(mlp.init_params()).axes)
    6
    """
    x1, x2 = square()
    y_hat, cache = mlp.forward(params, np.column_stack([x1.ravel(), x2.ravel()]))
    units = cache["H"].T
    rows = -(-(len(units) + 1) // 3)
    page, axes = figure(7.6, 2.55 * rows, rows, 3, sharex=True, sharey=True, squeeze=False)
    for number, (ax, values) in enumerate(zip(axes.flat, [*units, y_hat.T], strict=False)):
        values = values.reshape(x1.shape)
        is_unit = number < len(units)
        # As in the explorers: hidden values from 0 to 1, heights on one scale for all networks.
        low, high, cmap = (0, 1, "cividis") if is_unit else (-1, 2, "viridis")
        levels = np.linspace(low, high, 11 if is_unit else 13)
        ax.contourf(x1, x2, values, levels, cmap=cmap, vmin=low, vmax=high, extend="both")
        lines = ax.contour(
            x1,
            x2,
            values,
            levels[::2],
            colors=["white" if level < (low + high) / 2 else BLACK for level in levels[::2]],
            linewidths=0.8,
        )
        ax.clabel(lines, fontsize=9)
        name = f"H[:, {number}] × {params['W2'][number, 0]:.2f}" if is_unit else "y_hat"
        ax.set_title(name, fontsize=11)
        as_map(ax)
        ax.label_outer()
    for ax in axes.flat[len(units) + 1 :]:
        ax.set_visible(False)
    describe(page, _units_in_words(params, y_hat))
    return page


def _units_in_words(params: Mapping[str, np.ndarray], y_hat: np.ndarray) -> str:
    """Which way each unit rises, and where the output is lowest."""
    ways = {
        f"H[:, {number}] rises {_way(*weights)}, weight {weight:+.2f}"
        for number, (weights, weight) in enumerate(
            zip(params["W1"].T, params["W2"][:, 0], strict=True)
        )
    }
    x1, x2 = (axis.ravel() for axis in square())
    lowest, highest = (
        f"{y_hat[at, 0]:.2f}, near ({round(x1[at], 1) + 0.0:.1f}, {round(x2[at], 1) + 0.0:.1f})"
        for at in (np.argmin(y_hat), np.argmax(y_hat))
    )
    return (
        f"Maps of the square, one for each hidden unit: {'; '.join(sorted(ways))}. The last map is "
        f"the output: lowest, {lowest}; highest, {highest}."
    )


def _way(right: float, up: float) -> str:
    """The direction of a vector on a map, in words."""
    eighth = round(np.arctan2(up, right) / (np.pi / 4)) % 8
    return (
        "to the right",
        "to the upper right",
        "to the top",
        "to the upper left",
        "to the left",
        "to the lower left",
        "to the bottom",
        "to the lower right",
    )[eighth]


@house_style()
def weight_histograms(draws: Mapping[str, np.ndarray], ax: Axes | None = None) -> Axes:
    """Draw how often each size of weight comes up, one outline for each way of drawing them.

    The arrays may have any shape; what lies beyond -2 and 2 is left out.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> draws = np.random.RandomState(0).normal(0, 0.5, 1000)
    >>> plots.weight_histograms({"std 1/2": draws}).get_xlabel()
    'weight'
    """
    ax = axes_or_new(ax, 7, 3.6)
    edges = np.linspace(-2, 2, 81)
    for (name, weights), look in zip(draws.items(), SERIES, strict=False):
        ax.hist(
            np.ravel(weights),
            edges.tolist(),
            density=True,
            histtype="step",
            color=look["color"],
            linestyle=look["linestyle"],
            linewidth=2,
            label=name,
        )
    ax.set(xlabel="weight", ylabel="density", xlim=(-2, 2))
    ax.legend()
    spreads = listed(f"{np.std(drawn):.2f} for {name}" for name, drawn in draws.items())
    describe(
        ax,
        f"Histograms of weights around zero, one outline for each way of drawing them. Their standard deviations are {spreads}.",
    )
    return ax


def square(points: int = 61) -> tuple[np.ndarray, ...]:
    """A grid over the square that the samples are drawn from."""
    line = np.linspace(-1, 1, points)
    return tuple(np.meshgrid(line, line))


def as_map(ax: Axes) -> None:
    ax.set(xlabel="x1", ylabel="x2", xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    ax.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    ax.grid(visible=False)
