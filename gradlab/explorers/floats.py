"""The explorer of floating point: the numbers there are around a weight, and where a step lands."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from gradlab.explorers.frame import DPI, HALO, Explorer, Scene, selection, slider
from gradlab.plots import style

__all__ = ["float_explorer"]

EPS = 10.0 ** np.arange(-17, -0.125, 0.25)
THETAS = (0.001, 0.1, 1.0, 3.0, 100.0)
WINDOW = 2.2  # half the width of the picture, in steps or in gaps between numbers
MOST_TICKS = 150  # that can be told apart


class Format(NamedTuple):
    """A format of floating point: the bits of its significand, and its smallest number's power."""

    digits: int
    least: int

    def spacing(self, value: float) -> float:
        """The distance to the next number above ``value``."""
        return math.ldexp(1.0, max(math.frexp(value)[1] - self.digits, self.least))

    def rounded(self, values: Any) -> np.ndarray:
        """The nearest numbers of the format, ties to even; the float64 of NumPy holds them all."""
        values = np.asarray(values, dtype=float)
        units = np.maximum(np.frexp(values)[1] - self.digits, self.least)
        return np.asarray(np.ldexp(np.rint(np.ldexp(values, -units)), units))


# IEEE 754-2019, section 3.3: binary64, binary32 and binary16. bfloat16 has the exponent of binary32
# and 8 bits of its significand. The numbers of this picture are far from the largest ones.
TYPES = {
    "float64": Format(53, -1074),
    "float32": Format(24, -149),
    "float16": Format(11, -24),
    "bfloat16": Format(8, -133),
}


def float_explorer(dpi: float = DPI) -> Explorer:
    """See the floating-point numbers around θ, and the ones that θ + ε and θ - ε turn into.

    Parameters
    ----------
    dpi
        Pixels per inch of the picture: more for a projector, fewer for a slow line.

    Examples
    --------
    >>> from gradlab import explorers
    >>> explorer = explorers.float_explorer()  # a widget: in a notebook it shows itself
    >>> sorted(explorer.controls)
    ['precision', 'step', 'theta']
    """
    steps = {f"{eps:.1e}": i for i, eps in enumerate(EPS)}
    controls = {
        "step": slider("step ε", steps, steps["1.0e-07"]),
        "precision": selection("precision", {name: name for name in TYPES}, "float32"),
        "theta": selection("weight θ", {f"{theta:g}": theta for theta in THETAS}, 1.0),
    }
    return Explorer(
        _FloatScene(dpi),
        controls,
        task="find the largest ε for which θ + ε is still θ, in each of the four formats. Is it the "
        "same for every θ? Then set ε to 1e-4, a step that some checks take whatever the format, "
        "and see what bfloat16 makes of it.",
        alt="Above, a line with a tick for every float32 number around 1, and lines from 1 - ε, 1 "
        "and 1 + ε to the ticks they are stored as: with ε = 1e-7 they miss what was asked for, and "
        "the ticks below 1 are twice as dense as those above. Below, how far the step taken is off, "
        "against ε, for four formats: it grows as 1/ε towards small ε and stays at 100 % where the "
        "step is lost, last in float64, about nine decades earlier in float32, four more in float16, "
        "and first of all in bfloat16.",
    )


class _FloatScene(Scene):
    width, height = 7.6, 5.4

    def build(self) -> None:
        top = self.figure.add_axes((0.165, 0.62, 0.81, 0.3))
        top.set(xlim=(-WINDOW, WINDOW), ylim=(-0.45, 1.35), xticks=[])
        top.set_yticks([1, 0], ["asked for", "stored as"])
        top.tick_params(left=False)
        top.spines["left"].set_visible(False)
        top.spines["bottom"].set_visible(False)
        top.grid(False)
        self.title = self.moving(top.text(0, 1.08, "", transform=top.transAxes, fontsize=13))
        self.span = self.moving(
            top.text(0.5, -0.02, "", transform=top.transAxes, ha="center", va="top", fontsize=11)
        )
        many: dict[str, Any] = {"color": style.GREY, "alpha": 0.55, "linewidth": 0}
        self.band = self.moving(top.axhspan(-0.3, 0.3, **many))
        ticks: dict[str, Any] = {
            "color": style.GREY,
            "marker": "|",
            "linestyle": "",
            "markersize": 42,
        }
        self.ticks = self.moving(*top.plot([], [], **ticks, markeredgewidth=1.8))
        self.drops, self.asked, self.stored = [], [], []
        for marker in ("<", "o", ">"):
            dot: dict[str, Any] = {"marker": marker, "linestyle": "", "markersize": 13}
            dot["color"] = style.BLACK
            self.drops.append(self.moving(*top.plot([], [], color=style.BLACK, linewidth=1.5)))
            self.asked.append(self.moving(*top.plot([], [], **dot, markerfacecolor="white")))
            self.stored.append(self.moving(*top.plot([], [], **dot)))

        below = self.figure.add_axes((0.165, 0.115, 0.81, 0.4))
        below.set(xscale="log", yscale="log", xlim=(5e-18, 2), ylim=(1e-15, 9))
        below.set(xlabel="step ε", ylabel="error of the\nstep taken")
        below.set_xticks(10.0 ** np.arange(-15, 1, 3))
        below.set_yticks(10.0 ** np.arange(-15, 1, 3))
        below.minorticks_off()
        self.chosen = self.moving(below.axvline(1, color=style.GREY, linewidth=1.5))
        self.errors, self.here = {}, {}
        for name, series in style.FORMATS.items():
            small = {**series, "markersize": 4.5, "linewidth": 1.2, "label": name}
            big = {**series, **HALO, "markersize": 12}
            self.errors[name] = self.moving(*below.plot([], [], **small))
            self.here[name] = self.moving(*below.plot([], [], **big))
        samples = [
            below.plot([], [], **series, label=name)[0] for name, series in style.FORMATS.items()
        ]
        below.legend(handles=samples, loc="lower left")

    def update(self, step: int, precision: str, theta: float) -> str:
        eps, kind = float(EPS[step]), TYPES[precision]
        center = float(kind.rounded(theta))
        gap = kind.spacing(center)
        reach = WINDOW * max(eps, gap)
        around = _neighbours(kind, center, reach)
        self.ticks.set_data(around / max(eps, gap), np.zeros(len(around)))
        self.ticks.set_visible(len(around) > 0)
        self.band.set_visible(len(around) == 0)
        taken = []
        for drop, asked, stored, offset in zip(
            self.drops, self.asked, self.stored, (-eps, 0, eps), strict=True
        ):
            landed = float(kind.rounded(center + kind.rounded(offset))) - center
            taken.append(landed)
            x = np.array([offset, landed]) / max(eps, gap)
            drop.set_data(x, [1, 0])
            asked.set_data(x[:1], [1])
            stored.set_data(x[1:], [0])
        self.title.set_text(
            f"{precision} at θ = {theta:g}: the next number above is {gap:.1e} away"
        )
        count = f"{len(around)}" if len(around) else f"about {2 * reach / gap:.0e}"
        self.span.set_text(f"{count} numbers from θ − {reach:.1e} to θ + {reach:.1e}")
        self.chosen.set_xdata([eps, eps])
        for name, line in self.errors.items():
            off = _step_errors(name, theta)
            line.set_data(EPS, off)
            self.here[name].set_data([eps], [off[step]])
            self.here[name].set_visible(name == precision)
        distance = taken[2] - taken[0]
        if distance == 0:
            return (
                "θ + ε and θ − ε are both stored as θ: the two losses are equal, and the quotient is "
                "0 whatever the gradient."
            )
        still = ""
        if taken[2] == 0 or taken[0] == 0:
            lost, kept = ("θ + ε", "θ − ε") if taken[2] == 0 else ("θ − ε", "θ + ε")
            still = f"{lost} is stored as θ itself, {kept} is not. "
        return (
            f"{still}From θ − ε to θ + ε is 2ε = {2 * eps:.3e}; between the numbers they are stored as "
            f"it is {distance:.3e}: an error of {abs(distance / (2 * eps) - 1):.2g} of the step."
        )


def _neighbours(kind: Format, center: float, reach: float) -> np.ndarray:
    """Offsets of the numbers within ``reach`` of ``center``; none if there are too many to draw."""
    if 2 * reach / kind.spacing(center) > MOST_TICKS:
        return np.empty(0)
    densest = kind.spacing(center - reach)  # below a power of 2 they are twice as dense
    count = int(reach / densest) + 1
    numbers = kind.rounded(center + densest * np.arange(-count, count + 1))
    offsets = np.unique(numbers) - center
    return offsets[np.abs(offsets) <= reach]


@lru_cache
def _step_errors(name: str, theta: float) -> np.ndarray:
    """How far the distance between θ + ε and θ - ε, as stored, is from 2ε, relatively."""
    kind = TYPES[name]
    center, steps = kind.rounded(theta), kind.rounded(EPS)
    taken = kind.rounded(center + steps) - kind.rounded(center - steps)
    return np.abs(taken / (2 * EPS) - 1)
