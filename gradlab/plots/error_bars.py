"""The figures of notebook 05 about error bars: the noise of a loss, and a bar for every entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradlab.plots import style

__all__ = ["entries_in_bars", "noise_left_over"]

Arrays = Mapping[str, np.ndarray]


@style.house_style()
def noise_left_over(
    distances: np.ndarray,
    left: np.ndarray,
    unit: float,
    guess: object = None,
    ax: Axes | None = None,
) -> Axes:
    """What is left of losses near by when a straight line is taken out of them.

    Parameters
    ----------
    distances
        (m,), how far the parameters were moved.
    left
        (m,), the rest of each loss, in the units of the loss.
    unit
        One rounding of the loss, u|L|: what the rest is drawn in units of.
    guess
        How large somebody expected the rest to be, in those units; drawn if it is a number.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> distances = np.linspace(-1e-9, 1e-9, 5)
    >>> left = 1e-16 * np.array([1, -1, 0, 2, -1])
    >>> plots.noise_left_over(distances, left, unit=1e-16).get_ylabel()
    'left over, in u|L|'
    """
    ax = style.axes_or_new(ax, height=3.4)
    rest = left / unit
    largest = float(np.max(np.abs(rest)))
    guess = float(guess) if isinstance(guess, int | float) else None
    ax.plot(distances, rest, ".", color=style.BLUE, markersize=4, label="one loss")
    ax.axhspan(-largest, largest, color=style.YELLOW, alpha=0.35, zorder=0)
    for sign in (1, -1):
        ax.axhline(
            sign * largest,
            color=style.BLACK,
            linestyle="--",
            linewidth=1.2,
            label=f"the largest: {largest:.1f} u|L|" if sign > 0 else None,
        )
        if guess is not None:
            ax.axhline(
                sign * guess,
                color=style.VERMILION,
                linestyle=":",
                label=f"your guess: {guess:g} u|L|" if sign > 0 else None,
            )
    reach = 1.25 * max(largest, guess or 0)
    ax.set(
        xlabel="distance moved",
        ylabel="left over, in u|L|",
        ylim=(-reach, reach),
        xlim=(distances[0], distances[-1]),
    )
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    beside = "" if guess is None else f" Lines at {guess:g} mark the guess."
    style.describe(
        ax,
        f"What is left of {len(rest)} losses near by when a straight line is taken out of them: a "
        f"cloud of dots without any shape, all within {_few(largest)} roundings u|L| of "
        f"zero.{beside}",
    )
    return ax


def _few(count: float) -> str:
    """A number of roundings, as coarsely as it is the same on every machine."""
    return "a few" if 1.5 <= count < 10 else f"about {style.decade(count)}"


@style.house_style()
def entries_in_bars(gradients: Mapping[str, Arrays], numeric: Arrays, bars: Arrays) -> Figure:
    """Every entry of one or more gradients beside its difference, with the bar of that difference.

    Parameters
    ----------
    gradients
        For each name the gradient under test, an array for each parameter: a panel each.
    numeric
        The differences, in the same shapes.
    bars
        The error bars of the differences, in the same shapes, positive.

    Returns
    -------
    Figure
        A row for each entry. Zero is the difference, a line to both sides its bar, and a mark the
        analytic value: a dot inside the bar, a cross outside. The axis is logarithmic to both sides
        of zero, but for a short piece in the middle.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> numeric, bars = {"w": np.array([1.0, 2.0])}, {"w": np.array([1e-9, 1e-9])}
    >>> gradients = {"A": {"w": np.array([1.0, 2.0])}, "B": {"w": np.array([1.0, 2.2])}}
    >>> len(plots.entries_in_bars(gradients, numeric, bars).axes)
    2
    """
    width = np.concatenate([np.ravel(bars[name]) for name in numeric])
    linear = 10.0 ** np.floor(np.log10(np.min(width)))
    offs = {
        who: np.concatenate([np.ravel(gradient[name] - numeric[name]) for name in numeric])
        for who, gradient in gradients.items()
    }
    top = 10 * max(float(np.max(width)), *(float(np.max(np.abs(off))) for off in offs.values()))
    labels = list(_entry_names(numeric))
    page, panels = style.figure(
        9, 1.2 + 0.21 * len(labels), columns=len(gradients), sharey=True, squeeze=False
    )
    for ax, (who, off) in zip(panels[0], offs.items(), strict=True):
        _rows(ax, off, width, linear, top)
        ax.set(title=who, yticks=range(len(labels)), yticklabels=labels)
        ax.tick_params(axis="y", labelsize=9)
    panels[0][0].set_ylim(len(labels) - 0.5, -0.5)
    panels[0][-1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    style.describe(page, " ".join([_ROWS_IN_WORDS, *_counts_in_words(offs, width, labels)]))
    return page


_ROWS_IN_WORDS = (
    "A row for each entry: the difference in the middle with its error bar to both sides, and a mark "
    "for the analytic value."
)


def _rows(ax: Axes, off: np.ndarray, width: np.ndarray, linear: float, top: float) -> None:
    rows = np.arange(len(off))
    ax.hlines(rows, -width, width, color=style.BLUE, linewidth=3, label="error bar")
    ax.plot([], [], color=style.BLUE, linewidth=3)
    inside = np.abs(off) <= width
    ax.plot(off[inside], rows[inside], "o", color=style.BLACK, markersize=5, label="inside")
    ax.plot(off[~inside], rows[~inside], "X", color=style.VERMILION, markersize=8, label="outside")
    ax.axvline(0, color=style.GREY, linewidth=0.8)
    ax.set_xscale("symlog", linthresh=linear, linscale=0.7)
    ax.set(xlim=(-top, top), xlabel="analytic − numeric")
    highest, lowest = int(np.log10(top)), int(np.log10(linear))
    decades = np.arange(highest - 1, lowest + 2, -max(3, (highest - lowest) // 2))[::-1]
    names = [f"1e{decade}" for decade in decades]
    ticks = 10.0**decades
    ax.set_xticks([*-ticks[::-1], 0, *ticks], [*(f"−{name}" for name in names[::-1]), "0", *names])
    ax.minorticks_off()


def _entry_names(arrays: Arrays) -> Iterator[str]:
    for name, array in arrays.items():
        for index in np.ndindex(np.shape(array)):
            yield f"{name}[{', '.join(map(str, index))}]" if index else name


def _counts_in_words(
    offs: Mapping[str, np.ndarray], width: np.ndarray, labels: list[str]
) -> Iterator[str]:
    for who, off in offs.items():
        outside = [label for label, out in zip(labels, np.abs(off) > width, strict=True) if out]
        if not outside:
            yield f"{who}: all {len(labels)} marks lie inside."
            continue
        arrays = style.listed(dict.fromkeys(label.partition("[")[0] for label in outside))
        yield f"{who}: {len(outside)} of {len(labels)} marks lie far outside, all of {arrays}."
