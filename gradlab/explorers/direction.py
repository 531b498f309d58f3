"""The explorer of random directions: how likely they are to run into one wrong entry."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from gradlab import mlp
from gradlab.data import paraboloid
from gradlab.differences.noise import SAFETY, loss_noise
from gradlab.explorers.frame import DPI, HALO, Explorer, Scene, selection, slider
from gradlab.plots import style

__all__ = ["direction_explorer"]

ERRORS = np.logspace(-12, 1, 53)  # of one entry, in units of the rms gradient
COUNTS = (1, 2, 3, 5, 10, 20, 50, 100, 200)
HIDDEN = {21: 5, 201: 50, 2001: 500}  # hidden units by the number of parameters
DRAWN = {21: 4000, 201: 2000, 2001: 400}  # directions, as many as a blink of an eye allows
RULES = {"error bar of the noise": None, "cutoff 1e-7": 1e-7, "cutoff 1e-3": 1e-3}
TRIALS = 400
STEP = 1e-3


def direction_explorer(dpi: float = DPI) -> Explorer:
    """See the chance that k random directions find one wrong entry, against the size of its error.

    Parameters
    ----------
    dpi
        Pixels per inch of the picture: more for a projector, fewer for a slow line.

    Examples
    --------
    >>> from gradlab import explorers
    >>> explorer = explorers.direction_explorer()  # a widget: in a notebook it shows itself
    >>> sorted(explorer.controls)
    ['count', 'entries', 'size']
    """
    sizes = {f"{size:.0e}" if i % 4 == 0 else f"{size:.1e}": i for i, size in enumerate(ERRORS)}
    controls = {
        "size": slider("planted error", sizes, 28),
        "count": slider("directions k", {str(k): k for k in COUNTS}, 1),
        "entries": selection("parameters", {f"{n:,}": n for n in HIDDEN}, 201),
    }
    return Explorer(
        _DirectionScene(dpi),
        controls,
        task="plant an error of 1e-3 and find out how many directions each rule needs to be nearly "
        "sure of it. What does a network ten times as large do to the three?",
        alt="The chance that one random direction finds one wrong entry, against the size of its "
        "error relative to the rms gradient: three curves rise from 0 to 1. The rule with an error "
        "bar from the noise of the loss rises first, near 1e-10; the relative cutoff of 1e-7 needs "
        "errors more than ten thousand times as large, and that of 1e-3 again ten thousand times "
        "larger ones. Measured points lie on the predicted lines.",
    )


class Slopes(NamedTuple):
    """Slopes along random directions, in units of the rms gradient."""

    directions: np.ndarray  # (DRAWN, entries)
    exact: np.ndarray  # (DRAWN,), and so are the next two
    numeric: np.ndarray
    bar: np.ndarray


@lru_cache
def _slopes(entries: int) -> Slopes:
    """The slope along each direction by backpropagation, and by differences with an error bar."""
    X, y = paraboloid()
    params = mlp.init_params((2, HIDDEN[entries], 1), seed=0)
    _, cache = mlp.forward(params, X)
    grads = mlp.backward(params, cache, y)
    loss = mlp.loss_function(X, y)
    rng = np.random.RandomState(0)
    directions = {
        name: rng.standard_normal((DRAWN[entries], *array.shape)) for name, array in params.items()
    }

    def along(h: float) -> np.ndarray:
        up, down = (
            loss({name: array + sign * h * directions[name] for name, array in params.items()})
            for sign in (1, -1)
        )
        return (up - down) / (2 * h)

    h = STEP / math.sqrt(entries)
    fine, middle, coarse = along(h), along(2 * h), along(4 * h)
    numeric = (4 * fine - middle) / 3
    truncation = np.abs(numeric - (4 * middle - coarse) / 3) / 10  # a sixteenth would be left
    noise = loss_noise(loss, params).level / h
    flat = np.concatenate([directions[name].reshape(DRAWN[entries], -1) for name in params], axis=1)
    gradient = np.concatenate([grads[name].ravel() for name in params])
    rms = np.sqrt(np.mean(gradient**2))
    bar = SAFETY * noise + truncation
    return Slopes(flat, flat @ gradient / rms, numeric / rms, bar / rms)


@lru_cache
def _measured(entries: int, count: int) -> dict[str, np.ndarray]:
    """For each rule, the share of trials in which one of ``count`` directions finds the error."""
    slopes = _slopes(entries)
    rng = np.random.RandomState(1)
    chosen = rng.randint(DRAWN[entries], size=(TRIALS, count))
    entry = rng.randint(entries, size=(TRIALS, 1))
    spoilt = slopes.directions[chosen, entry]
    numeric, bar = slopes.numeric[chosen], slopes.bar[chosen]
    shares: dict[str, list[float]] = {rule: [] for rule in RULES}
    for size in ERRORS:
        given = slopes.exact[chosen] + size * spoilt
        off = np.abs(given - numeric)
        scale = np.abs(given) + np.abs(numeric)
        for rule, cutoff in RULES.items():
            found = off > (bar if cutoff is None else cutoff * scale)
            shares[rule].append(found.any(axis=1).mean())
    return {rule: np.array(share) for rule, share in shares.items()}


def _predicted(entries: int, count: int) -> dict[str, np.ndarray]:
    """The chance for each rule.

    Along a Gaussian direction v the error of size q in entry i shows as ``q v_i``, which is normal.
    It exceeds a fixed bar b with the chance ``1 - erf(b / (q sqrt 2))``. A cutoff c compares it with
    ``2 c |g . v|``, normal too, ``sqrt(n)`` times as wide as one entry; the ratio of the two is a
    Cauchy variable if there are enough entries for the two to be independent, hence
    ``1 - 2/pi arctan(2 c sqrt(n) / q)``.
    """
    bar = np.median(_slopes(entries).bar)
    missed = {}
    for rule, cutoff in RULES.items():
        if cutoff is None:
            missed[rule] = np.array([math.erf(bar / (size * math.sqrt(2))) for size in ERRORS])
        else:
            missed[rule] = 2 / np.pi * np.arctan(2 * cutoff * math.sqrt(entries) / ERRORS)
    return {rule: 1 - miss**count for rule, miss in missed.items()}


class _DirectionScene(Scene):
    width, height = 7.6, 4.7

    def build(self) -> None:
        ax = self.figure.add_axes((0.105, 0.13, 0.87, 0.715))
        ax.set(xscale="log", xlim=(5e-13, 20), ylim=(-0.03, 1.05))
        ax.set(xlabel="error of one entry / rms gradient", ylabel="chance to find it")
        ax.set_xticks(10.0 ** np.arange(-12, 2, 2))
        ax.minorticks_off()
        self.title = self.moving(ax.text(0, 1.12, "", transform=ax.transAxes, fontsize=13))
        self.chosen = self.moving(ax.axvline(1, color=style.GREY, linewidth=1.5))
        self.predicted, self.measured, self.here, samples = {}, {}, {}, []
        for rule, series in style.RULES.items():
            dots = {**series, "linestyle": "", "markersize": 4.5}
            here = {**dots, **HALO, "markersize": 12}
            self.predicted[rule] = self.moving(*ax.plot([], [], **{**series, "marker": ""}))
            self.measured[rule] = self.moving(*ax.plot([], [], **dots))
            self.here[rule] = self.moving(*ax.plot([], [], **here))
            samples += ax.plot([], [], **series, label=rule)
        beyond: dict[str, Any] = {
            "loc": "lower left",
            "bbox_to_anchor": (-0.01, 0.99),
            "frameon": False,
        }
        ax.legend(handles=samples, ncols=3, columnspacing=1.6, **beyond)

    def update(self, size: int, count: int, entries: int) -> str:
        measured, predicted = _measured(entries, count), _predicted(entries, count)
        self.chosen.set_xdata([ERRORS[size]] * 2)
        for rule in RULES:
            self.predicted[rule].set_data(ERRORS, predicted[rule])
            self.measured[rule].set_data(ERRORS, measured[rule])
            self.here[rule].set_data([ERRORS[size]], [measured[rule][size]])
        directions = "1 direction" if count == 1 else f"{count} directions"
        self.title.set_text(
            f"{directions}, one wrong entry of {entries:,}: points measured, lines predicted"
        )
        found = ", ".join(f"{rule} in {measured[rule][size] * TRIALS:.0f}" for rule in RULES)
        return (
            f"An error of {ERRORS[size]:.1e}, in {TRIALS} trials, is found by {found}. The "
            f"loss was evaluated {6 * count:,} times; entry by entry it takes {2 * entries:,}."
        )
