"""The explorer of training: an honest and a buggy backward pass, step by step, side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import ipywidgets as widgets
import numpy as np

from gradlab import mlp
from gradlab.bugs import CATALOGUE
from gradlab.data import paraboloid
from gradlab.explorers.frame import DPI, HALO, Explorer, Scene, beginning, selection, slider
from gradlab.explorers.surface import PLANE, fill, height_bar, samples, surface_axes
from gradlab.plots import style

__all__ = ["training_explorer"]

LEARNING_RATE = 0.5
STEPS = np.concatenate([np.arange(10), np.arange(10, 100, 10), np.arange(100, 3001, 50)])
BUGS = (
    "bias_forgotten",
    "factor_two",
    "clipped",
    "updated_w2",
    "bias_averaged",
    "bias_through_inputs",
    "mean_twice",
    "missing_derivative",
    "one_wrong_sign",
    "wrong_sign",
)
SERIES = {"right": style.SERIES[0], "buggy": style.SERIES[1]}


def training_explorer(dpi: float = DPI) -> Explorer:
    """See the same network trained with a right and with a buggy gradient, step by step.

    Parameters
    ----------
    dpi
        Pixels per inch of the picture: more for a projector, fewer for a slow line.

    Examples
    --------
    >>> from gradlab import explorers
    >>> explorer = explorers.training_explorer()  # a widget: in a notebook it shows itself
    >>> sorted(explorer.controls)
    ['bug', 'seed', 'step']
    """
    start = int(np.searchsorted(STEPS, 1000))
    step = slider("step", {f"{k:,}": i for i, k in enumerate(STEPS)}, start)
    play = widgets.Play(value=start, max=len(STEPS) - 1, interval=120)
    widgets.jslink((play, "value"), (step, "index"))
    controls = {
        "step": step,
        "bug": selection("bug", {CATALOGUE[name].title: name for name in BUGS}, BUGS[0]),
        "seed": selection("seed", {str(seed): seed for seed in range(8)}, 0),
    }
    return Explorer(
        _TrainingScene(dpi),
        controls,
        task="play each bug to the end, and say from the loss alone which of them you would have "
        "noticed, had you not seen the honest curve beside it.",
        alt="Above, what two networks compute after 1,000 steps of training, one with the right "
        "gradient and one for which a bias gradient was forgotten: two bowls, hard to tell apart. "
        "Below, the two losses over the steps: they fall together, and nothing says which is buggy.",
        beside=[play],
    )


@lru_cache(maxsize=64)
def _trained(bug: str | None, seed: int) -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
    """The loss after every step, and the parameters after each of ``STEPS``."""
    X, y = paraboloid()
    params = mlp.init_params(seed=seed)
    losses, snapshots = [], []
    with np.errstate(all="ignore"):  # some bugs send the loss to infinity, which is the point
        for steps in np.diff(STEPS, prepend=0):
            history = mlp.train(params, X, y, int(steps), LEARNING_RATE, _backward(bug))
            losses.append(history[:-1])
            snapshots.append({name: array.copy() for name, array in params.items()})
    return np.concatenate([*losses, history[-1:]]), snapshots


def _backward(bug: str | None) -> Callable:
    if bug is None:
        return mlp.backward
    if bug == "updated_w2":  # it updates W2 with the learning rate that it is trained with
        return partial(CATALOGUE[bug].function, learning_rate=LEARNING_RATE)
    return CATALOGUE[bug].function


class _TrainingScene(Scene):
    width, height = 7.6, 5.6

    def build(self) -> None:
        X, y = paraboloid()
        page = self.figure
        self.maps, self.losses, self.here = {}, {}, {}
        for left, which, label in ((0.075, "right", "$x_2$"), (0.49, "buggy", "")):
            ax = page.add_axes((left, 0.5, 0.305, 0.414))
            ax.set_ylabel(label, labelpad=-6)
            self.maps[which] = self.moving(surface_axes(ax, f"{which} gradient"))
            self.moving(samples(ax, X, y))
        height_bar(self, self.maps["right"], (0.86, 0.5, 0.022, 0.414))

        ax = page.add_axes((0.105, 0.1, 0.87, 0.28))
        ax.set(yscale="log", xlim=(-40, 3050), ylim=(1e-4, 9), xlabel="steps", ylabel="loss")
        ax.set_xticks([0, 1000, 2000, 3000], ["0", "1,000", "2,000", "3,000"])
        ax.set_yticks([1e-4, 1e-2, 1])
        ax.minorticks_off()
        legend = []
        for (which, series), size in zip(SERIES.items(), (16, 9), strict=True):
            line = {**series, "marker": ""}
            dot = {**series, **HALO, "markersize": size}
            self.losses[which] = self.moving(*ax.plot([], [], **line))
            self.here[which] = self.moving(*ax.plot([], [], **dot))
            legend += ax.plot([], [], **series, label=f"{which} gradient")
        ax.legend(handles=legend, loc="upper right", ncols=2)  # no curve comes by there

    def update(self, step: int, bug: str, seed: int) -> str:
        now = {}
        for which, name in (("right", None), ("buggy", bug)):
            losses, snapshots = _trained(name, seed)
            with np.errstate(all="ignore"):
                y_hat, _ = mlp.forward(snapshots[step], PLANE)
                fill(self.maps[which], y_hat, snapshots[step])
            now[which] = losses[STEPS[step]]
            beginning(self.losses[which], np.arange(len(losses)), losses, STEPS[step] + 1)
            self.here[which].set_data([STEPS[step]], [now[which]])
        said = {k: f"{v:.2g}" if v < 1e6 else "beyond all bounds" for k, v in now.items()}
        return (
            f"After {STEPS[step]:,} steps the loss is {said['right']} with the right gradient and "
            f"{said['buggy']} with the buggy one. The bug: {CATALOGUE[bug].wrong}"
        )
