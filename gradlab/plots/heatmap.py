"""The heat map of a gradient check: how far each entry is off, in the shapes of the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colorbar import Colorbar
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from gradlab.plots.style import describe, figure, house_style, listed

__all__ = ["heat_map"]


class CheckedArray(Protocol):
    """What a report says of one array, as far as it is drawn."""

    @property
    def name(self) -> Any: ...
    @property
    def verdict(self) -> str: ...
    @property
    def gradient(self) -> np.ndarray | None: ...
    @property
    def differences(self) -> np.ndarray | None: ...
    @property
    def error_bars(self) -> np.ndarray | None: ...


# In error bars: up to 1 the entry agrees. Pale means agreement, dark means trouble, so that the
# map reads in grey as well.
BOUNDS = (0.0, 1.0, 10.0, 1e3, 1e5, np.inf)
COLOURS = ("#F7F7F7", "#FDD9B5", "#F4A261", "#D55E00", "#5A1E00")
LABELS = ("below 1", "to 10", "to 1,000", "to 100,000", "beyond")
FEW = 64  # entries: up to so many, each is drawn as a square of its own, with a sign
_MARK: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "fontsize": 12,
    "bbox": {"boxstyle": "circle,pad=0.1", "facecolor": "white", "edgecolor": "none"},
}


@house_style()
def heat_map(report: Mapping[Any, CheckedArray]) -> Figure:
    """Draw how far every entry of a gradient is off, in units of its error bar.

    Parameters
    ----------
    report
        Of :func:`gradlab.check_gradients` with ``how="entries"``.

    Returns
    -------
    Figure
        One panel for each array, in its own shape: a vector is a row; an array with more than two
        axes is laid out as a matrix with its last axis across. Entries beyond their error bar carry
        a cross, unless there are too many to draw one.

    Raises
    ------
    ValueError
        If the report has no entries: the loss could not be trusted, or directions were checked.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import check_gradients, plots
    >>> params = {"w": np.array([0.5, -1.0])}
    >>> report = check_gradients(lambda p: np.sum(np.sin(p["w"])), params, {"w": np.cos(params["w"])})
    >>> plots.heat_map(report).axes[0].get_title()
    'w: ok'
    """
    panels = [(array, off) for array in report.values() if (off := _off(array)) is not None]
    if not panels:
        raise ValueError(
            "this report has no single entries to draw: the check looked at random directions, or "
            "the loss could not be differentiated at all"
        )
    widths = [max(_matrix(off).shape[1], 2) for _, off in panels]
    page, axes = figure(
        9, 3.4, columns=len(panels), width_ratios=np.sqrt(widths).tolist(), squeeze=False
    )
    for axis, (array, off) in zip(axes[0], panels, strict=True):
        image = _panel(axis, array, off)
    axes[0][0].set_ylabel("first index")
    _key(page.colorbar(image, ax=axes[0].tolist(), spacing="uniform"))
    beyond = [f"{array.name} {np.count_nonzero(off > 1)} of {off.size}" for array, off in panels]
    describe(
        page,
        f"A heat map of the error of every entry, in units of its error bar. Entries that lie "
        f"outside their bar: {listed(beyond)}.",
    )
    return page


def _off(array: CheckedArray) -> np.ndarray | None:
    """How far each entry is off, in error bars; None if no single entry was looked at."""
    if array.gradient is None or array.differences is None or array.error_bars is None:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.abs(array.gradient - array.differences) / array.error_bars
    return np.asarray(np.where(np.isfinite(off), off, 1e299))


def _panel(axis: Axes, array: CheckedArray, entries: np.ndarray) -> QuadMesh:
    off = _matrix(entries)
    few = off.size <= FEW
    image = axis.pcolormesh(
        off,
        cmap=ListedColormap(COLOURS),
        norm=BoundaryNorm((*BOUNDS[:-1], 1e300), len(COLOURS)),
        edgecolors="#BBBBBB" if few else "none",
        linewidth=0.8 if few else 0,
        rasterized=not few,
    )
    axis.invert_yaxis()
    axis.set_title(f"{array.name}: {array.verdict}")
    axis.set_xlabel("last index" if entries.ndim else "")
    axis.grid(False)
    _few_ticks(axis, off.shape)
    if few:
        for row, column in np.argwhere(off > 1):
            axis.text(column + 0.5, row + 0.5, "×", **_MARK)
    return image


def _key(bar: Colorbar) -> None:
    """Words beside the colours, in the middle of each."""
    bar.set_ticks([])
    for i, label in enumerate(LABELS):
        middle = (i + 0.5) / len(COLOURS)
        bar.ax.text(1.2, middle, label, transform=bar.ax.transAxes, va="center", fontsize=10)
    bar.set_label("|analytic − numeric| in error bars", labelpad=66)


def _matrix(values: np.ndarray) -> np.ndarray:
    return np.reshape(values, (-1, values.shape[-1] if values.ndim else 1))


def _few_ticks(axis: Axes, shape: tuple[int, ...]) -> None:
    for setter, length in ((axis.set_yticks, shape[0]), (axis.set_xticks, shape[1])):
        indices = np.array(sorted({0, length - 1}) if length > 8 else range(length))
        setter(indices + 0.5, [str(index) for index in indices])
