"""The figure of notebook 07 about formats: four Vs, and the two powers of u that they obey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from gradlab.plots import style

__all__ = ["precision_law"]


@style.house_style()
def precision_law(
    eps: np.ndarray,
    errors: Mapping[str, np.ndarray],
    units: Mapping[str, float],
    guess: float | None = None,
) -> np.ndarray:
    """The V of a central difference in several formats; its best steps and errors against u.

    Parameters
    ----------
    eps
        (m,), the steps.
    errors
        For each format (m,) relative errors.
    units
        For each format its unit roundoff u.
    guess
        Somebody's guess of the best step in the last format, if there is one.

    Returns
    -------
    (2,) array of axes
        The Vs; and the best step and the least error against u, with lines of slope 1/3 and 2/3.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import plots
    >>> eps, units = np.logspace(-9, 0, 28), {"float64": 1.1e-16, "float32": 6e-8}
    >>> errors = {name: eps**2 + u / eps for name, u in units.items()}
    >>> plots.precision_law(eps, errors, units).shape
    (2,)
    """
    page, (left, right) = style.figure(9, 4, columns=2)
    best: dict[str, tuple[float, float]] = {}
    for (name, values), look in zip(errors.items(), style.SERIES, strict=False):
        seen = np.where(np.asarray(values) > 0, values, np.nan)
        left.loglog(eps, seen, **look, linewidth=1.3, markersize=4, label=name)
        least = int(np.nanargmin(seen))
        best[name] = (float(eps[least]), float(seen[least]))
    if guess is not None:
        left.axvline(guess, color=style.BLACK, linestyle=":", label=f"your guess, {guess:g}")
    left.set(xlabel="step ε", ylabel="relative error", title="the V in each format")
    left.set_ylim(bottom=min(lowest for _, lowest in best.values()) / 1e4)
    left.legend(loc="lower left", fontsize=10, ncols=2)
    u = np.array([units[name] for name in best])
    steps, lowest = (np.array(column) for column in zip(*best.values(), strict=True))
    for values, power, shape in (
        (steps, 1 / 3, {"marker": "s", "color": style.VERMILION}),
        (lowest, 2 / 3, {"marker": "o", "color": style.BLUE}),
    ):
        _law(right, u, values, power, shape)
    for name, x in zip(best, u, strict=True):
        right.annotate(name, (x, 2e-17), ha="center", va="bottom", fontsize=10, rotation=90)
    right.set(xlabel="unit roundoff u", title="one law", ylim=(1e-17, 1e5), xlim=(1e-18, 1))
    right.legend(loc="upper left", fontsize=10)
    told = "; ".join(
        f"{name}, {style.decade(error)} at a step near {style.decade(step)}"
        for name, (step, error) in best.items()
    )
    style.describe(
        page,
        f"Left, relative error against the step on logarithmic axes: a V for each format, with its "
        f"lowest point further up and to the right the coarser the format: {told}. Right, the best "
        f"steps against u lie along a line of slope one third, the least errors along one of slope "
        f"two thirds.",
    )
    return np.array([left, right])


def _law(
    ax: Axes, u: np.ndarray, values: np.ndarray, power: float, shape: Mapping[str, Any]
) -> None:
    """Measured points, and the line ``c u**power`` that runs through their middle."""
    c = np.exp(np.mean(np.log(values / u**power)))
    name, exponent = ("best ε", "1/3") if power < 0.5 else ("least error", "2/3")
    ends = np.array([1e-18, 1.0])
    ax.loglog(u, values, **shape, linestyle="none", markersize=8, label=f"{name}, measured")
    ax.loglog(
        ends,
        c * ends**power,
        color=shape["color"],
        linestyle="--" if power < 0.5 else "-",
        linewidth=1.3,
        label=f"{c:.1g} · u to the power {exponent}",
    )
