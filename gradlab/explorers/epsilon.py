"""The explorer of the step: how far a difference is off, for every epsilon."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from gradlab import mlp
from gradlab.curves import ErrorCurve, error_curve
from gradlab.data import paraboloid
from gradlab.explorers.frame import (
    DPI,
    HALO,
    Explorer,
    Scene,
    button,
    counter,
    rough,
    slider,
    tick,
)
from gradlab.plots import style

__all__ = ["epsilon_explorer"]

METHODS = ("forward", "central", "central4")
EPS = np.logspace(-15, 0, 61)


def epsilon_explorer(dpi: float = DPI) -> Explorer:
    """See the error of a numerical gradient over epsilon, measured and predicted; find its least.

    Parameters
    ----------
    dpi
        Pixels per inch of the picture: more for a projector, fewer for a slow line.

    Examples
    --------
    >>> from gradlab import explorers
    >>> explorer = explorers.epsilon_explorer()  # a widget: in a notebook it shows itself
    >>> sorted(explorer.controls)
    ['central', 'central4', 'curve', 'forward', 'reveal', 'seed', 'step']
    """
    steps = {f"{eps:.1e}": i for i, eps in enumerate(EPS)}
    controls = {
        "step": slider("step ε", steps, steps["1.0e-02"]),
        "seed": counter("seed of the network", 0, 99, 0),
        **{method: tick(style.method_name(method), method != "central4") for method in METHODS},
        "curve": tick("the whole curve", True),
        "reveal": button("This ε is my guess: reveal the best"),
    }
    return Explorer(
        _EpsilonScene(dpi),
        controls,
        task="guess the best ε for central differences, move there, then reveal it. Next untick the "
        "curve, take another seed, and find it from the number below alone.",
        alt="Relative error of the numerical gradient against the step ε, both on logarithmic axes. "
        "Measured points lie on predicted lines, and each formula makes a V: towards large ε the "
        "truncation error rises, with slope 1 for forward and slope 2 for central differences; "
        "towards small ε the rounding error rises as 1/ε. The V of central differences is deeper. "
        "A vertical line marks the chosen step, 1e-2, far to the right of both lowest points.",
    )


@lru_cache(maxsize=128)
def _curve(seed: int) -> ErrorCurve:
    X, y = paraboloid()
    params = mlp.init_params(seed=seed)
    _, cache = mlp.forward(params, X)
    grads = mlp.backward(params, cache, y)
    return error_curve(mlp.loss_function(X, y), params, grads, METHODS, EPS, vectorized=True)


class _EpsilonScene(Scene):
    width, height = 7.6, 4.5
    text_lines = 3

    def build(self) -> None:
        ax = self.figure.add_axes((0.105, 0.135, 0.87, 0.835))
        ax.set(xscale="log", yscale="log", xlim=(5e-16, 2), ylim=(1e-14, 9))
        ax.set(xlabel="step ε", ylabel="relative error of the gradient")
        ax.set_xticks(10.0 ** np.arange(-15, 1, 3))
        ax.set_yticks(10.0 ** np.arange(-14, 1, 2))
        ax.minorticks_off()
        self.chosen = self.moving(ax.axvline(1, color=style.GREY, linewidth=1.5, zorder=2))
        self.measured, self.predicted, self.here, self.best = {}, {}, {}, {}
        for method in METHODS:
            series = style.METHODS[method]
            dots = {**series, "linestyle": "", "markersize": 4.5}
            line = {"color": series["color"], "linestyle": series["linestyle"], "linewidth": 1.5}
            here = {**dots, **HALO, "markersize": 11}
            best = {**dots, "marker": "*", "markersize": 22, "markeredgecolor": "black"}
            self.predicted[method] = self.moving(*ax.plot([], [], **line, zorder=3))
            self.measured[method] = self.moving(*ax.plot([], [], **dots, zorder=4))
            self.best[method] = self.moving(*ax.plot([], [], **best, zorder=5))
            self.here[method] = self.moving(*ax.plot([], [], **here, zorder=6))
        self.key_of = self.key(ax, {method: style.METHODS[method] for method in METHODS}, top=0.19)
        beside: dict[str, Any] = {"transform": ax.transAxes, "fontsize": 11}
        self.about = self.moving(ax.text(0.02, 0.24, "", **beside))

    def update(self, step: int, seed: int, curve: bool, reveal: bool, **chosen: bool) -> str:
        data, eps = _curve(seed), EPS[step]
        methods = [method for method in METHODS if chosen[method]]
        self.chosen.set_xdata([eps, eps])
        for method in METHODS:
            shown = method in methods
            self.here[method].set_data([eps], [data.errors[method][step]])
            self.here[method].set_visible(shown)
            self.measured[method].set_data(EPS, data.errors[method])
            self.measured[method].set_visible(shown and (curve or reveal))
            self.predicted[method].set_data(EPS, data.predicted(method))
            self.predicted[method].set_visible(shown and (curve or reveal))
            self.best[method].set_data(*([value] for value in data.best(method)))
            self.best[method].set_visible(shown and reveal)
        self.key_of.show({method: style.method_name(method) for method in methods})
        drawn = methods and (curve or reveal)
        self.about.set_text("points measured, lines predicted" if drawn else "")
        if not methods:
            return "Tick a formula to see its error."
        if reveal:
            return "\n".join(_comparison(data, method, step) for method in methods)
        errors = (
            f"{style.method_name(method)} {data.errors[method][step]:.1e}" for method in methods
        )
        hidden = "" if curve else " The curve is hidden."
        return f"With ε = {eps:.1e} the relative error is: {'; '.join(errors)}.{hidden}"


def _comparison(data: ErrorCurve, method: str, step: int) -> str:
    """The chosen step beside the best one, as a sentence."""
    best = data.best(method)
    theory = EPS[np.argmin(data.predicted(method))]
    quarters = step - int(np.argmin(data.errors[method]))  # of a decade: the grid of EPS
    if step == np.argmin(data.errors[method]):
        yours = "That is where you are."
    else:
        times = data.errors[method][step] / best.error
        size = "large" if quarters > 0 else "small"
        unit = "decade" if abs(quarters) == 4 else "decades"
        yours = (
            f"Yours is {abs(quarters) / 4:g} {unit} too {size}: {rough(times)} times that error."
        )
    name = style.method_name(method).capitalize()
    return f"{name}: least error {best.error:.1e} at ε = {best.eps:.1e} (theory: {theory:.1e}). {yours}"
