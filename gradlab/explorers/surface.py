"""Colour maps of what a network computes over the square of its two inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.image import AxesImage

from gradlab import mlp
from gradlab.explorers.frame import Scene

__all__ = [
    "DOTS",
    "HEIGHTS",
    "PLANE",
    "SQUARE",
    "as_image",
    "fill",
    "height_bar",
    "samples",
    "surface",
    "surface_axes",
]

GRID = np.linspace(-1, 1, 41)
PLANE = np.stack(np.meshgrid(GRID, GRID), axis=-1).reshape(-1, 2)
SQUARE: dict[str, Any] = {"extent": (-1, 1, -1, 1), "origin": "lower", "interpolation": "bilinear"}
HEIGHTS: dict[str, Any] = {
    "vmin": -1,
    "vmax": 2,
    "cmap": "viridis",
}  # what lies beyond keeps the last colour
DOTS: dict[str, Any] = {"s": 52, "edgecolors": "white", "linewidths": 1.3}


def surface_axes(ax: Axes, title: str) -> AxesImage:
    """Prepare axes for a map of heights over the inputs, and give back the image to fill."""
    ax.set(title=title, xlabel="$x_1$", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    ax.grid(False)
    return ax.imshow(as_image(np.zeros(len(PLANE))), **SQUARE, **HEIGHTS)


def samples(ax: Axes, X: np.ndarray, y: np.ndarray) -> PathCollection:
    """Draw the samples as dots, in the colours of their heights."""
    return ax.scatter(X[:, 0], X[:, 1], c=y, **HEIGHTS, **DOTS)


def height_bar(scene: Scene, image: AxesImage, box: tuple[float, float, float, float]) -> None:
    """Draw the colour bar of a map of heights in ``box``."""
    scene.colour_bar(image, box, [-1, 0, 1, 2], "height", extend="both")


def fill(
    image: AxesImage,
    values: np.ndarray,
    params: Mapping[str, np.ndarray],
    unit: int | None = None,
) -> None:
    """Show values at ``PLANE``, and note whose they are.

    ``values`` are the output of the network of ``params``, or those of its hidden ``unit``. The
    web site keeps the 21 parameters instead of a picture for every value of the controls.
    """
    image.set_data(as_image(values))
    image.network = params, unit  # type: ignore[attr-defined]  # a note for the site, on purpose


def surface(params: Mapping[str, np.ndarray]) -> np.ndarray:
    """The output of the network over the square, as an image."""
    return as_image(mlp.forward(params, PLANE)[0])


def as_image(values: np.ndarray) -> np.ndarray:
    """Values at ``PLANE`` as rows and columns."""
    return values.reshape(len(GRID), len(GRID))
