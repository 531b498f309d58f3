"""The explorer of error bars: 21 differences with their bars, and two gradients to judge by them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from matplotlib.lines import Line2D

from gradlab import mlp
from gradlab.bugs import suspect_a, suspect_b
from gradlab.data import paraboloid
from gradlab.differences import numerical_gradient
from gradlab.explorers.frame import DPI, Explorer, Scene, counter, slider
from gradlab.plots import style

__all__ = ["error_bar_explorer"]

EPS = 10.0 ** np.arange(-16, 1.25, 0.25)
SEED = 42  # the exercise's own, as in notebook 05
NEARBY = np.linspace(-1e-9, 1e-9, 200)
SHAPES = {"W1": (2, 5), "b1": (1, 5), "W2": (5, 1), "b2": (1, 1)}
ENTRIES = [
    f"{name}[{', '.join(map(str, index))}]"
    for name, shape in SHAPES.items()
    for index in np.ndindex(shape)
]
SUSPECTS = {"A": suspect_a, "B": suspect_b}
LINEAR, TOP = 1e-13, 30.0  # the axis is linear up to the one and ends at the other


class _Bars(NamedTuple):
    """For each entry: the two parts of its bar, and how far each suspect is from the difference."""

    rounding: float
    change: np.ndarray
    off: dict[str, np.ndarray]

    @property
    def width(self) -> np.ndarray:
        return self.rounding + self.change


def error_bar_explorer(dpi: float = DPI) -> Explorer:
    """See the error bars of 21 differences breathe with the step, and two suspects judged by them.

    Parameters
    ----------
    dpi
        Pixels per inch of the picture: more for a projector, fewer for a slow line.

    Examples
    --------
    >>> from gradlab import explorers
    >>> explorer = explorers.error_bar_explorer()  # a widget: in a notebook it shows itself
    >>> sorted(explorer.controls)
    ['seed', 'step']
    """
    steps = {f"{eps:.1e}": i for i, eps in enumerate(EPS)}
    controls = {
        "step": slider("step ε", steps, steps["1.0e-05"]),
        "seed": counter("seed of the network", 0, 99, SEED),
    }
    return Explorer(
        _BarScene(dpi),
        controls,
        task="make the step smaller until the bars have swallowed every lie of B. Then larger: which "
        "bars grow, which do not, and from which step on is A accused, who is right?",
        alt="Two panels with a row for each of the 21 entries: the numeric value in the middle with "
        "its error bar, all bars about equally short at a step of 1e-5. For suspect A every analytic "
        "value is a dot inside its bar. For suspect B those of W2 and b2 are, and those of W1 and b1 "
        "are crosses far outside.",
    )


@lru_cache(maxsize=512)
def _bars(seed: int, step: int) -> _Bars:
    stream = np.random.RandomState(seed)
    X, y = paraboloid(20, stream)
    params = {
        "W1": stream.normal(0, 2 / (2 + 5), (2, 5)),
        "b1": np.zeros((1, 5)),
        "W2": stream.normal(0, 2 / (5 + 1), (5, 1)),
        "b2": np.zeros((1, 1)),
    }
    loss = mlp.loss_function(X, y)
    _, cache = mlp.forward(params, X)
    eps = EPS[step]
    once, twice = (
        _flat(numerical_gradient(loss, params, eps=h, vectorized=True)) for h in (eps, 2 * eps)
    )
    stack = {name: array + NEARBY[:, None, None] for name, array in params.items()}
    rise = loss(stack) - loss(params)
    line = np.polyval(np.polyfit(NEARBY, rise, 1), NEARBY)
    off = {who: _flat(suspect(params, cache, y)) - once for who, suspect in SUSPECTS.items()}
    return _Bars(float(np.max(np.abs(rise - line))) / eps, np.abs(twice - once), off)


def _flat(arrays: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([arrays[name].ravel() for name in SHAPES])


LOOKS: dict[str, dict[str, Any]] = {
    "rounding": {"color": style.BLUE, "linewidth": 4.5},
    "change": {"color": style.GREEN, "linewidth": 4.5, "linestyle": (0, (1, 0.4))},
    "inside": {"marker": "o", "color": style.BLACK, "markersize": 5, "linestyle": ""},
    "outside": {"marker": "X", "color": style.VERMILION, "markersize": 9, "linestyle": ""},
}
NAMES = {
    "rounding": "error bar, rounding rules",
    "change": "error bar, truncation rules",
    "inside": " analytic value inside",
    "outside": " analytic value outside",
}


class _BarScene(Scene):
    width, height = 7.6, 5.6
    text_lines = 3

    def build(self) -> None:
        rows = np.arange(len(ENTRIES))
        decades = np.array([1e-9, 1e-4, 1.0])
        self.artists: dict[tuple[str, str], Line2D] = {}
        self.keys = []
        for who, left, listed in (
            ("A", 0.135, ("rounding", "change")),
            ("B", 0.565, ("inside", "outside")),
        ):
            ax = self.figure.add_axes((left, 0.115, 0.42, 0.825))
            ax.set_xscale("symlog", linthresh=LINEAR, linscale=0.5)
            ax.set(xlim=(-TOP, TOP), ylim=(len(rows) + 2.2, -0.6), title=f"suspect {who}")
            ax.set_xlabel("analytic − numeric", fontsize=11)
            ax.set_xticks([*-decades[::-1], 0, *decades], self._labels(decades), fontsize=9)
            ax.set_yticks(rows, ENTRIES if who == "A" else [], fontsize=9)
            ax.minorticks_off()
            ax.axvline(0, color=style.GREY, linewidth=0.8)
            for name, look in LOOKS.items():
                order = 3 if name in ("rounding", "change") else 5
                self.artists[who, name] = self.moving(*ax.plot([], [], **look, zorder=order))
            looks = {name: LOOKS[name] for name in listed}
            self.keys.append(self.key(ax, looks, top=0.083, left=0.1))

    @staticmethod
    def _labels(decades: np.ndarray) -> list[str]:
        names = [f"1e{np.log10(decade):.0f}" if decade < 1 else "1" for decade in decades]
        return [*(f"−{name}" for name in names[::-1]), "0", *names]

    def update(self, step: int, seed: int) -> str:
        bars = _bars(seed, step)
        width, rows = bars.width, np.arange(len(ENTRIES))
        ruled = bars.change > bars.rounding
        drawn = set()
        for who, off in bars.off.items():
            inside = np.abs(off) <= width
            for name, chosen in (("rounding", ~ruled), ("change", ruled)):
                self.artists[who, name].set_data(*_segments(rows[chosen], width[chosen]))
                drawn |= {name} if chosen.any() else set()
            for name, chosen in (("inside", inside), ("outside", ~inside)):
                self.artists[who, name].set_data(off[chosen], rows[chosen])
                drawn |= {name} if chosen.any() else set()
        for key in self.keys:
            key.show({name: NAMES[name] for name in NAMES if name in drawn})
        return "\n".join(
            [
                f"With ε = {EPS[step]:.1e} the bars reach from {width.min():.0e} to "
                f"{width.max():.0e}; rounding rules in {np.sum(~ruled)} of {len(rows)}, truncation "
                f"in {np.sum(ruled)}.",
                *(_verdict(who, off, width) for who, off in bars.off.items()),
            ]
        )


def _segments(rows: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One line from -width to width in each row, broken between the rows."""
    broken = np.full(len(rows), np.nan)
    return (
        np.stack([-width, width, broken], axis=1).ravel(),
        np.stack([rows, rows, broken], axis=1).ravel(),
    )


def _verdict(who: str, off: np.ndarray, width: np.ndarray) -> str:
    outside = np.abs(off) > width
    if not outside.any():
        return f"{who}: every analytic value lies inside its bar."
    times = np.max(np.abs(off) / width)
    factor = f"{times:.0e}" if times >= 1000 else f"{times:.2g}"
    return (
        f"{who}: {np.sum(outside)} of {len(off)} analytic values lie outside, the worst "
        f"{factor} times the length of its bar away."
    )
