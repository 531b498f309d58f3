"""The figures of notebook 08 about luck and about sizes: what a direction sees, where a kernel fails.

Each function draws data that its caller has computed onto a new figure, and describes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gradlab.plots import style

__all__ = ["detection", "kernel_sizes", "shifts_and_allowances"]

_BINS = np.arange(-10, 2.01, 0.15)  # decades


@style.house_style()
def shifts_and_allowances(
    shifts: Mapping[float, np.ndarray], allowed: Mapping[str, np.ndarray]
) -> Figure:
    """How far an error shifts g·d, and how much each rule lets pass, as histograms over directions.

    A panel for each size of the error. Where the shift is smaller than what a rule allows, that
    rule misses the error along this direction: the two histograms overlap, and the overlap is
    shaded.

    Parameters
    ----------
    shifts
        For each size of the error, (k,) sizes of the shift of g·d along k directions.
    allowed
        For each rule, (k,) differences that it allows along the same directions. All in the same
        unit, the root mean square entry of the gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> stream = np.random.RandomState(0)
    >>> shifts = {0.1: 0.1 * np.abs(stream.normal(size=50))}
    >>> allowed = {"cutoff 1e-3": 2e-3 * np.abs(stream.normal(size=50))}
    >>> len(plots.shifts_and_allowances(shifts, allowed).axes)
    1
    """
    page, panels = style.figure(
        7.2, 1.35 * len(shifts) + 1.1, rows=len(shifts), sharex=True, sharey=True
    )
    told = []
    for ax, (size, shift) in zip(np.atleast_1d(panels), shifts.items(), strict=True):
        moved = _histogram(shift)
        ax.stairs(moved, _BINS, fill=True, color="#D9D9D9")
        ax.stairs(moved, _BINS, color=style.BLACK, linewidth=1.6)
        shares = []
        for rule, allowance in allowed.items():
            look, lets_pass = style.RULES[rule], _histogram(allowance)
            ax.stairs(
                lets_pass,
                _BINS,
                color=look["color"],
                linestyle=look["linestyle"],
                linewidth=1.8,
            )
            ax.stairs(
                np.minimum(moved, lets_pass),
                _BINS,
                fill=True,
                facecolor="none",
                edgecolor=look["color"],
                hatch="////",
                linewidth=0,
            )
            shares.append(f"{100 * np.mean(shift < allowance):.0f} % ({rule})")
        missed = f"error {size:g}, missed: {', '.join(shares)}"
        ax.set_title(missed, fontsize=11, loc="left")
        told.append(missed)
        ax.set(yticks=[], ylim=(0, None), xlim=(_BINS[0], _BINS[-1]))
        ax.grid(False, axis="y")
    ax.set_xticks(range(-10, 3, 2), [f"1e{decade}" for decade in range(-10, 3, 2)])
    ax.set_xlabel("size along one direction / rms gradient")
    page.supylabel("directions", fontsize=12)
    handles: list[Patch | Line2D] = [
        Patch(facecolor="#D9D9D9", edgecolor=style.BLACK, label="shift of g·d by the error")
    ]
    handles += [
        Line2D(
            [],
            [],
            color=style.RULES[rule]["color"],
            linestyle=style.RULES[rule]["linestyle"],
            label=f"allowed: {rule}",
        )
        for rule in allowed
    ]
    page.legend(
        handles=handles, loc="outside upper center", ncols=3, columnspacing=1.4, fontsize=10
    )
    style.describe(
        page,
        f"Histograms of the shift of g·d by an error in one entry, and of what each rule allows, "
        f"over the same directions. The smaller the error, the further left its shift: "
        f"{'; '.join(told)}.",
    )
    return page


def _histogram(values: np.ndarray) -> np.ndarray:
    decades = np.log10(np.maximum(values, 1e-300))
    return np.histogram(np.clip(decades, _BINS[0], _BINS[-1]), _BINS)[0]


@style.house_style()
def detection(
    sizes: Sequence[float],
    found: Mapping[str, Sequence[float]],
    predicted: Mapping[str, Sequence[float]],
    trials: int | None = None,
    guess: object = None,
    ax: Axes | None = None,
) -> Axes:
    """How often a check along one random direction notices an error in one entry.

    Parameters
    ----------
    sizes
        (n,) planted errors, in units of the root mean square entry of the gradient.
    found
        For each rule, (n,) shares of the trials in which it raised the alarm, from 0 to 1.
    predicted
        For each rule, (n,) probabilities of an alarm.
    trials
        The number of trials behind each share: a band shows how far the shares may stray from the
        prediction, two standard deviations to either side.
    guess
        Sizes at which the learner expects the rules to notice every other error.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> from gradlab import plots
    >>> shares = {"cutoff 1e-3": [0.1, 0.9]}
    >>> plots.detection([1e-2, 1.0], found=shares, predicted=shares).get_ylabel()
    'chance to find it'
    """
    ax, told = style.axes_or_new(ax, 7, 4), []
    for rule, shares in found.items():
        look, chances = style.RULES[rule], np.asarray(predicted[rule])
        if trials is not None:
            stray = 2 * np.sqrt(chances * (1 - chances) / trials)
            band = {"color": look["color"], "alpha": 0.18, "linewidth": 0}
            ax.fill_between(sizes, chances - stray, chances + stray, **band)
        ax.plot(sizes, shares, look["marker"], color=look["color"])
        line = {"color": look["color"], "linestyle": look["linestyle"], "linewidth": 1.2}
        ax.plot(sizes, chances, **line)
        ax.plot([], [], **{**look, "linewidth": 1.2}, label=rule)
        told.append(f"the {rule} {_half_in_words(sizes, shares)}")
    mine = style.numbers_in(guess)
    mine = mine[mine > 0]
    if mine.size:
        star: dict[str, Any] = {"color": style.BLACK, "markersize": 14, "label": "your guess"}
        ax.plot(mine, np.full(mine.shape, 0.5), "*", **star)
    ax.set(
        xscale="log",
        ylim=(-0.04, 1.05),
        xlabel="error of one entry / rms gradient",
        ylabel="chance to find it",
    )
    ax.set_title("points measured, lines and bands predicted", fontsize=12, loc="left", pad=28)
    beyond: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 0.99)}
    ax.legend(ncols=3, columnspacing=1.6, frameon=False, **beyond)
    style.describe(
        ax,
        f"How likely one direction is to notice an error in one entry, against the size of the "
        f"error, measured and predicted: {style.listed(told)}.",
    )
    return ax


def _half_in_words(sizes: Sequence[float], shares: Sequence[float]) -> str:
    """The size from which on a rule notices every other error."""
    enough = [size for size, share in zip(sizes, shares, strict=True) if share >= 0.5]
    return f"notices half of them from {min(enough):.0e} on" if enough else "never notices half"


@style.house_style()
def kernel_sizes(
    lengths: Sequence[int],
    errors: Mapping[str, Sequence[float]],
    block: int,
    guess: object = None,
) -> Figure:
    """The relative error of block kernels against the length of their input.

    Parameters
    ----------
    lengths
        (n,) lengths, ascending.
    errors
        For each kernel, (n,) relative errors of its gradient; a panel for each.
    block
        The length of a block; its multiples are marked.
    guess
        Lengths at which the learner expected the first kernel to be right.

    Examples
    --------
    >>> from gradlab import plots
    >>> page = plots.kernel_sizes([31, 32, 33], {"rows": [0.1, 1e-16, 0.1]}, block=32)
    >>> [ax.get_title(loc="left") for ax in page.axes]
    ['rows']
    """
    page, panels = style.figure(7.2, 1.9 * len(errors) + 0.6, rows=len(errors), sharex=True)
    sizes, told = np.asarray(lengths), []
    for number, (ax, (name, measured)) in enumerate(
        zip(np.atleast_1d(panels), errors.items(), strict=True)
    ):
        error = np.maximum(measured, 1e-16)  # an exact zero has no place on the axis
        right = error < 1e-6
        for multiple in range(block, lengths[-1] + 1, block):
            ax.axvline(multiple, color=style.GREY, linewidth=0.9, linestyle=":")
        _points(ax, sizes[~right], error[~right], style.SERIES[1], "wrong")
        _points(ax, sizes[right], error[right], style.SERIES[0], "right")
        mine = style.numbers_in(guess) if number == 0 else np.empty(0)
        if mine.size:
            star: dict[str, Any] = {"color": style.BLACK, "markersize": 12, "label": "your guess"}
            ax.plot(mine, np.full(mine.shape, 1e-5), "*", **star)
        ax.set(yscale="log", ylim=(1e-17, 30), ylabel="relative error")
        ax.set_title(name, fontsize=12, loc="left")
        ax.set_yticks([1e-15, 1e-10, 1e-5, 1])
        ax.minorticks_off()
        told.append(f"{name[:1].upper()}{name[1:]} is right at {_runs(sizes[right])}")
    ax.set(
        xlabel=f"length of the input (dotted: multiples of the block of {block})",
        xticks=range(0, lengths[-1] + 1, block // 2),
    )
    beside: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.01, 0.98)}
    first = np.atleast_1d(panels)[0]
    first.legend(fontsize=10.5, ncols=3, columnspacing=1.4, frameon=False, **beside)
    style.describe(
        page,
        f"The relative error of a gradient against the length of its input, from {lengths[0]} to "
        f"{lengths[-1]}. {'. '.join(told)}. At all other lengths they are wrong.",
    )
    return page


def _points(ax: Axes, x: np.ndarray, y: np.ndarray, look: dict, label: str) -> None:
    ax.plot(x, y, look["marker"], color=look["color"], markersize=4, label=label)


def _runs(lengths: np.ndarray) -> str:
    """Whole numbers in words, neighbours as a range: 2 to 32, 64 and 96."""
    if not len(lengths):
        return "none of them"
    breaks = np.flatnonzero(np.diff(lengths) > 1) + 1
    runs = np.split(lengths, breaks)
    return style.listed(f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
