"""The explorer of the difference quotient: a secant that turns into the tangent, and then does not."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlab import mlp
from gradlab.data import paraboloid
from gradlab.explorers.frame import DPI, Explorer, Scene, selection, slider
from gradlab.plots import style

__all__ = ["secant_explorer"]

SEED = 0  # the network and the first weight are those of notebook 04
EPS = 10.0 ** np.arange(0.5, -16.25, -0.25)
WINDOW = 1.6  # half the width of the picture, in steps
POINTS = np.linspace(-WINDOW, WINDOW, 801)
METHODS = ("forward", "central")
WEIGHTS = {"W1[1, 1]": ("W1", 1, 1), "b1[0, 1]": ("b1", 0, 1), "W2[3, 0]": ("W2", 3, 0)}


def secant_explorer(dpi: float = DPI) -> Explorer:
    """See the loss along one weight, with its tangent and a secant, through a window ε wide.

    Parameters
    ----------
    dpi
        Pixels per inch of the picture: more for a projector, fewer for a slow line.

    Examples
    --------
    >>> from gradlab import explorers
    >>> explorer = explorers.secant_explorer()  # a widget: in a notebook it shows itself
    >>> sorted(explorer.controls)
    ['method', 'step', 'weight']
    """
    steps = {f"{eps:.1e}": i for i, eps in enumerate(EPS)}
    controls = {
        "step": slider("zoom in →  step ε", steps, 1),
        "method": selection("differences", {method: method for method in METHODS}, "forward"),
        "weight": selection("weight", {name: name for name in WEIGHTS}, "W1[1, 1]"),
    }
    return Explorer(
        _SecantScene(dpi),
        controls,
        task="zoom in until secant and tangent are one line, and then until the loss is no line at "
        "all. Where would you have stopped?",
        alt="The loss along one weight, curved like a bowl; the tangent at the weight and the secant "
        "of forward differences start together and part: with so large a step their slopes differ "
        "visibly.",
    )


class _SecantScene(Scene):
    width, height = 7.6, 4.9

    def build(self) -> None:
        X, y = paraboloid()
        self.loss = mlp.loss_function(X, y)
        self.params = mlp.init_params(seed=SEED)
        _, cache = mlp.forward(self.params, X)
        self.grads = mlp.backward(self.params, cache, y)

        ax = self.figure.add_axes((0.1, 0.13, 0.875, 0.77))
        ax.set(xlim=(-WINDOW, WINDOW), ylim=(-3.6, 3.6), yticks=range(-3, 4))
        ax.set_xticks([-1, 0, 1], ["w − ε", "w", "w + ε"], fontsize=13)
        ax.set_ylabel("change of the loss / (ε |dL/dw|)")
        self.title = self.moving(ax.text(0, 1.04, "", transform=ax.transAxes, fontsize=13))
        ax.axline((0, 0), slope=0, color=style.GREY, linewidth=0.8)
        tangent: dict[str, Any] = {"color": style.BLACK, "linestyle": (0, (1, 1)), "linewidth": 2.2}
        self.tangent = self.moving(*ax.plot([], [], **tangent, zorder=4))
        self.curve = self.moving(*ax.plot([], [], color=style.GREEN, linewidth=3, zorder=3))
        self.secants = {}
        for method in METHODS:
            series = {**style.METHODS[method], "linestyle": "--", "markersize": 10}
            self.secants[method] = (
                self.moving(*ax.plot([], [], **{**series, "marker": ""}, zorder=5)),
                self.moving(*ax.plot([], [], **{**series, "linestyle": ""}, zorder=6)),
            )
        looks = {
            **{method: {**style.METHODS[method], "linestyle": "--"} for method in METHODS},
            "tangent": tangent,
            "loss": {"color": style.GREEN, "linewidth": 3},
        }
        self.key_of = self.key(ax, looks, top=0.17, left=0.33)

    def update(self, step: int, method: str, weight: str) -> str:
        eps = EPS[step]
        name, row, column = WEIGHTS[weight]
        value, slope = self.params[name][row, column], self.grads[name][row, column]
        offsets = np.concatenate([POINTS, [-1, 0, 1]])
        stack = np.tile(self.params[name], (len(offsets), 1, 1))
        stack[:, row, column] += offsets * eps
        losses = self.loss({**self.params, name: stack})
        change = (losses - losses[-2]) / (eps * abs(slope))
        self.curve.set_data(POINTS, change[:-3])
        ends = np.array([-WINDOW, WINDOW])
        self.tangent.set_data(ends, np.sign(slope) * ends)
        back, here = (0, change[-2]) if method == "forward" else (-1, change[-3])
        secant = (change[-1] - here) / (1 - back)
        for shown, (line, dots) in self.secants.items():
            line.set_data(ends, here + secant * (ends - back))
            dots.set_data([back, 1], [here, change[-1]])
            line.set_visible(shown == method)
            dots.set_visible(shown == method)
        said = {"tangent": "tangent, by backpropagation", "loss": "loss"}
        self.key_of.show({method: f"secant, {method} difference", **said})
        self.title.set_text(f"the loss near w = {weight} = {value:.3f}, seen through ε = {eps:.1e}")
        error = abs(secant - np.sign(slope))
        return (
            f"Slope of the secant {secant * abs(slope):.6f}, of the tangent {slope:.6f}: relative "
            f"error {error:.1e}. Of {len(POINTS)} points of the curve, "
            f"{len(np.unique(losses[:-3]))} have a loss of their own."
        )
