"""The figures of notebook 06: fingerprints of bugs, and the settings that hide them.

Each function draws what its caller has measured, and returns the axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from gradlab.plots import style

__all__ = ["blind_spots", "fingerprint_shapes", "fingerprints", "witnesses"]

FOUND = {
    "caught": {"symbol": "●", "color": style.BLUE, "shade": "#D6E8F4"},
    "warned": {"symbol": "◐", "color": style.BLACK, "shade": "#FBF6CE"},
    "missed": {"symbol": "✕", "color": style.VERMILION, "shade": "#F9DFCC"},
}


@style.house_style()
def fingerprints(
    errors: Mapping[str, Mapping[str, float]], cutoff: float = 1e-7, ax: Axes | None = None
) -> Axes:
    """The relative error of every array (columns) under every bug (rows).

    Parameters
    ----------
    errors
        For each bug, by title, the relative error of each array; ``inf``: the shape does not fit.
    cutoff
        An error below it is written as "ok".
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> from gradlab import plots
    >>> ax = plots.fingerprints({"missing 1/N": {"W1": 0.9, "b2": 0.9}, "no bug": {"W1": 1e-10, "b2": 1e-11}})
    >>> [text.get_text() for text in ax.texts]
    ['0.9', '0.9', 'ok', 'ok']
    """
    names = list(next(iter(errors.values())))
    values = np.array([[row[name] for name in names] for row in errors.values()])
    ax = style.axes_or_new(ax, 7, 1.1 + 0.36 * len(errors))
    drawn = np.clip(values, 1e-12, 1)
    image = ax.imshow(drawn, norm=LogNorm(1e-12, 1), cmap="cividis", aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        text = "ok" if value < cutoff else "shape" if np.isinf(value) else f"{value:.1g}"
        ax.text(j, i, text, ha="center", va="center", color="white" if value < 1e-5 else "black")
    _grid(ax, list(errors), names)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.9, pad=0.02)
    bar.set_label("relative error")
    style.describe(
        ax, _fingerprints_in_words(dict(zip(errors, values, strict=True)), names, cutoff)
    )
    return ax


def _fingerprints_in_words(
    errors: Mapping[str, np.ndarray], names: Sequence[str], cutoff: float
) -> str:
    """Which bugs spoil which arrays, those with the same fingerprint together."""
    spoilt: dict[str, list[str]] = {}
    for title, row in errors.items():
        arrays = [name for name, off in zip(names, row >= cutoff, strict=True) if off]
        spoilt.setdefault(style.listed(arrays) if arrays else "no array", []).append(title)
    rows = "; ".join(f"{arrays}: {', '.join(titles)}" for arrays, titles in spoilt.items())
    return f"A table of {len(errors)} bugs and the arrays whose gradients they spoil. {rows}."


@style.house_style()
def fingerprint_shapes(
    steps: np.ndarray,
    curves: Mapping[str, tuple[str, np.ndarray]],
    reference: np.ndarray,
) -> np.ndarray:
    """Relative error over epsilon, a panel for each shape; the curve of right code behind each.

    Parameters
    ----------
    steps
        (E,) the steps.
    curves
        For the name of each shape: what has it, and its errors (E,).
    reference
        (E,) the errors of right code.

    Returns
    -------
    (rows, columns) array of axes
        Three to a row; four, if that leaves fewer of them empty.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> steps = np.logspace(-9, 0, 10)
    >>> right = steps**2 + 1e-16 / steps
    >>> curves = {"V": ("right code", right), "flat": ("no derivative", np.full(10, 0.3))}
    >>> plots.fingerprint_shapes(steps, curves, reference=right).shape
    (1, 3)
    """
    columns = min((3, 4), key=lambda width: -len(curves) % width)
    rows = -(-len(curves) // columns)
    _, panels = style.figure(
        (2.8 if columns == 3 else 2.3) * columns,
        2.5 * rows,
        rows,
        columns,
        sharex=True,
        sharey=True,
    )
    panels = np.atleast_2d(panels)
    for empty in panels.flat[len(curves) :]:
        empty.set_axis_off()
    for ax, (shape, (who, errors)) in zip(panels.flat, curves.items(), strict=False):
        if errors is not reference:
            ax.loglog(steps, reference, color="#8C8C8C", linewidth=4, label="right code")
        ax.loglog(steps, errors, color=style.BLUE, marker="o", markersize=4, linewidth=1.5)
        ax.set_title(f"{shape}\n", fontweight="bold")
        ax.text(0.5, 1.03, who, transform=ax.transAxes, ha="center", fontsize=9)
        ax.set(ylim=(1e-12, 3), yticks=[1e-12, 1e-9, 1e-6, 1e-3, 1], xticks=[1e-9, 1e-6, 1e-3, 1])
        ax.tick_params(which="minor", length=0)
    for ax in panels.flat[len(curves) - columns : len(curves)]:
        ax.set_xlabel("step ε")
        ax.tick_params(labelbottom=True)
    for ax in panels[:, 0]:
        ax.set_ylabel("relative error")
    if len(curves) > 1:
        panels.flat[1].legend(loc="upper left", bbox_to_anchor=(0, 0.88), frameon=False)
    told = (_shape_in_words(shape, *curve, reference) for shape, curve in curves.items())
    style.describe(
        panels.flat[0].figure,
        f"The error against ε on logarithmic axes, a panel for each shape, with the curve of right "
        f"code behind it. {' '.join(told)}",
    )
    return panels


def _shape_in_words(shape: str, who: str, errors: np.ndarray, reference: np.ndarray) -> str:
    """Where a curve has its lowest point, beside that of right code."""
    if errors is reference:
        return f"{shape}: {who}, a V down to about {style.decade(np.nanmin(errors))}."
    return f"{shape}: {who}, no lower than about {style.decade(np.nanmin(errors))}."


@style.house_style()
def blind_spots(
    found: Mapping[str, Mapping[str, str]], settings: Sequence[str], ax: Axes | None = None
) -> Axes:
    """Which setting of the check (columns) catches, warns about or misses which bug (rows).

    Parameters
    ----------
    found
        For each bug, by title, and each setting "caught", "warned" or "missed".
    settings
        The columns, from left to right.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> from gradlab import plots
    >>> found = {"missing 1/N": {"N = 20": "caught", "N = 1": "missed"}}
    >>> ax = plots.blind_spots(found, settings=["N = 20", "N = 1"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['missing 1/N']
    """
    ax = style.axes_or_new(ax, 8.4, 2.2 + 0.34 * len(found))
    for i, row in enumerate(found.values()):
        for j, setting in enumerate(settings):
            look = FOUND[row[setting]]
            ax.fill_between([j - 0.5, j + 0.5], i - 0.5, i + 0.5, color=look["shade"], linewidth=0)
            ax.text(j, i, look["symbol"], ha="center", va="center", color=look["color"], size=14)
    ax.set(xlim=(-0.5, len(settings) - 0.5), ylim=(len(found) - 0.5, -0.5))
    _grid(ax, list(found), [setting.replace(", ", ",\n") for setting in settings], rotation=40)
    legend = "     ".join(f"{look['symbol']} {name}" for name, look in FOUND.items())
    ax.set_xlabel(legend, labelpad=10)
    columns = {setting: [row[setting] for row in found.values()] for setting in settings}
    told = (
        f"{setting}: {', '.join(f'{marks.count(name)} {name}' for name in FOUND if name in marks)}"
        for setting, marks in columns.items()
    )
    style.describe(
        ax, f"{len(found)} bugs in {len(settings)} settings of the check. {'; '.join(told)}."
    )
    return ax


@style.house_style()
def witnesses(found: Mapping[str, tuple[float, float]], ax: Axes | None = None) -> Axes:
    """What gives away each program that passes every check: two dots to a row, wrong and right.

    Parameters
    ----------
    found
        For each program, by title: what its witness measures in the code with the mistake, and in
        the code without.
    ax
        Where to draw; by default on a new figure.

    Examples
    --------
    >>> from gradlab import plots
    >>> ax = plots.witnesses({"uphill": (1.2, 0.8)})
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['uphill']
    """
    ax = style.axes_or_new(ax, 8, 1.3 + 0.32 * len(found))
    floor = 1e-3  # a logarithmic axis has no place for 0, nor for what is 0 but for rounding
    looks: tuple[dict[str, Any], ...] = (
        {"marker": "X", "color": style.VERMILION, "label": "with the mistake"},
        {"marker": "o", "color": style.BLUE, "label": "without"},
    )
    rows = np.arange(len(found))
    ends = np.clip(np.array(list(found.values()), dtype=float), floor, None)
    ax.hlines(rows, ends.min(axis=1), ends.max(axis=1), color="#B5B5B5", linewidth=2)
    for values, look in zip(ends.T, looks, strict=True):
        ax.plot(values, rows, linestyle="none", markersize=9, **look)
    ax.set_xscale("log")
    ticks = [floor, 1e-2, 1e-1, 1, 10]
    ax.set_xticks(ticks, ["0", *(f"{tick:g}" for tick in ticks[1:])])
    ax.tick_params(which="minor", length=0)
    ax.set(yticks=rows, yticklabels=list(found), ylim=(len(found) - 0.4, -0.6))
    ax.set_xlabel("what the witness of each row measures")
    ax.legend(loc="upper left", bbox_to_anchor=(0, 1.13), ncols=2, frameon=False)
    told = "; ".join(
        f"{title}: {' and '.join(f'{value:.2g}' if value > floor else '0' for value in pair)}"
        for title, pair in found.items()
    )
    style.describe(
        ax, f"For each program that passes every check, two measurements, with and without: {told}."
    )
    return ax


def _grid(ax: Axes, rows: list[str], columns: list[str], rotation: float = 0) -> None:
    """Names along both sides of a matrix, and white lines between its cells."""
    ax.set_xticks(
        range(len(columns)), columns, rotation=rotation, ha="left" if rotation else "center"
    )
    ax.set_yticks(range(len(rows)), rows)
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    ax.grid(visible=False)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.set_axisbelow(False)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
