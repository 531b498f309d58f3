"""The explorer of the forward pass: what a freshly drawn network computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlab import mlp
from gradlab.data import paraboloid
from gradlab.explorers.frame import DPI, Explorer, Scene, counter, slider
from gradlab.explorers.surface import (
    PLANE,
    SQUARE,
    as_image,
    fill,
    height_bar,
    samples,
    surface_axes,
)

__all__ = ["network_explorer"]

SCALES = (0.01, 0.03, 0.1, 0.3, 0.5, 1, 2, 3, 5, 10, 30)


def network_explorer(dpi: float = DPI) -> Explorer:
    """See what the network computes before training, for any seed and any size of its weights.

    Parameters
    ----------
    dpi
        Pixels per inch of the picture: more for a projector, fewer for a slow line.

    Examples
    --------
    >>> from gradlab import explorers
    >>> explorer = explorers.network_explorer()  # a widget: in a notebook it shows itself
    >>> sorted(explorer.controls)
    ['scale', 'seed']
    """
    controls = {
        "seed": counter("seed", 0, 99, 0),
        "scale": slider("size of the weights, × Xavier", {f"{s:g}": s for s in SCALES}, 1),
    }
    return Explorer(
        _NetworkScene(dpi),
        controls,
        task="find a size of the weights at which the five hidden units say the same thing, and one "
        "at which they only say 0 or 1.",
        alt="Colour maps over the square of the two inputs. Above, the bowl that the data come from "
        "beside the output of an untrained network, with the 20 samples as dots: the two do not "
        "look alike. Below, the five hidden units, each a gentle slope from one side to the other.",
    )


class _NetworkScene(Scene):
    width, height = 7.6, 5.1

    def build(self) -> None:
        X, y = paraboloid()
        self.X, self.y = X, y
        self.loss = mlp.loss_function(X, y)
        page = self.figure

        data = page.add_axes((0.075, 0.435, 0.335, 0.5))
        surface_axes(data, "the data:  $x_1^2 + x_2^2$").set_data(
            as_image(np.sum(PLANE**2, axis=1))
        )
        data.set_ylabel("$x_2$", labelpad=-6)
        samples(data, X, y)
        network = page.add_axes((0.49, 0.435, 0.335, 0.5))
        self.surface = self.moving(surface_axes(network, "the network:  $\\hat y$"))
        self.moving(samples(network, X, y))
        height_bar(self, self.surface, (0.86, 0.435, 0.022, 0.5))

        self.units, self.weights = [], []
        blank = as_image(np.zeros(len(PLANE)))
        for unit in range(5):
            ax = page.add_axes((0.075 + 0.152 * unit, 0.05, 0.132, 0.197))
            ax.set(xticks=[], yticks=[])
            above: dict[str, Any] = {"transform": ax.transAxes, "ha": "center", "fontsize": 10}
            self.weights.append(self.moving(ax.text(0.5, 1.06, "", **above)))
            self.units.append(
                self.moving(ax.imshow(blank, **SQUARE, vmin=0, vmax=1, cmap="cividis"))
            )
        self.colour_bar(self.units[0], (0.86, 0.05, 0.022, 0.197), [0, 0.5, 1], "hidden value")

    def update(self, seed: int, scale: float) -> str:
        params = mlp.init_params(seed=seed)
        for name in ("W1", "W2"):
            params[name] *= scale
        y_hat, cache = mlp.forward(params, PLANE)
        fill(self.surface, y_hat, params)
        for unit, values in enumerate(cache["H"].T):
            fill(self.units[unit], values, params, unit)
            self.weights[unit].set_text(f"H[:, {unit}] × {params['W2'][unit, 0]:.2f}")
        _, seen = mlp.forward(params, self.X)
        slopes = mlp.backward(params, seen, self.y)
        H = cache["H"]
        return (
            f"Loss {self.loss(params):.3g}. The hidden units give {H.min():.2f} to {H.max():.2f}, "
            f"of a possible 0 to 1; the gradient of W1 has the norm "
            f"{np.linalg.norm(slopes['W1']):.1e}."
        )
