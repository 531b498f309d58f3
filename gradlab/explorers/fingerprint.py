"""The explorer of bugs: which arrays a mistake spoils, and how that depends on epsilon."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm

from gradlab.bugs import CATALOGUE, INVISIBLE, Problem, course_problem
from gradlab.differences import FORMULAS, difference, entry_losses, moved
from gradlab.explorers.frame import DPI, Explorer, Scene, counter, selection
from gradlab.plots import style

__all__ = ["fingerprint_explorer"]

EPS = np.logspace(-12, 0, 49)
CHECKED = int(np.argmin(np.abs(EPS - 1e-5)))
CUTOFF = 1e-7
CELLS = (5, 21)  # room for the heat maps of all arrays side by side
RIGHT = "nothing is wrong"


def fingerprint_explorer(dpi: float = DPI) -> Explorer:
    """See the error of every array over epsilon, and of every entry, for any bug of the catalogue.

    Parameters
    ----------
    dpi
        Pixels per inch of the picture: more for a projector, fewer for a slow line.
    """
    menu = {"(no bug)": RIGHT}
    menu |= {
        bug.title: name
        for name, bug in CATALOGUE.items()
        if bug.kind != INVISIBLE and bug.verdict != "refused"
    }
    controls = {
        "bug": selection("bug", menu, "updated_w2", width=400),
        "setting": selection("setting", {s: s for s in ("ordinary", "hiding")}, "ordinary"),
        "seed": counter("seed", 0, 99, 0),
    }
    return Explorer(
        _FingerprintScene(dpi),
        controls,
        task="find a bug that spoils one array only, one that spoils them all by the same factor, "
        "and one that is no bug at all. What in the picture gave each away?",
        alt="Above, the relative error of each parameter array against ε: the curves of W2 and b2 "
        "fall from both sides to far below 1e-7, those of W1 and b1 stay flat above 1e-2 whatever ε "
        "is. Below, a heat map in the shape of the arrays: every entry of W1 and b1 is crossed out.",
    )


@lru_cache(maxsize=256)
def _gradients(bug: str, setting: str, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each array its gradient as given, and the numerical one for every one of ``EPS``."""
    loss, params, grads = _problem(bug, setting, seed)
    ones = {name: np.ones(array.shape) for name, array in params.items()}
    offsets = np.concatenate([EPS, -EPS])
    # A loss that is random would draw once for a whole stack, and seem reproducible.
    stacked = bug != "random_forward"
    losses = entry_losses(loss, params, ones, offsets, vectorized=stacked, progress=False)
    pairs = {}
    for name, array in params.items():
        steps = EPS.reshape(-1, *[1] * array.ndim)
        points = {sign: moved(array, steps, sign) for sign in (1.0, -1.0)}
        values = dict(zip((1.0, -1.0), np.split(losses[name], 2), strict=True))
        pairs[name] = grads[name], difference(FORMULAS["central"], values, points)
    return pairs


def _problem(bug: str, setting: str, seed: int) -> Problem:
    if bug == RIGHT:
        return course_problem(seed=seed)
    return CATALOGUE[bug].problem(seed, setting)


def _entry_errors(a: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The relative error of each entry."""
    return np.abs(a - n) / (np.abs(a) + np.abs(n) + 1e-15)


def _array_errors(a: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The relative error of a whole array against each of several, laid along the first axis."""
    axes = tuple(range(1, n.ndim))
    size = np.linalg.norm(a) + np.sqrt(np.sum(n**2, axis=axes))
    return np.sqrt(np.sum((a - n) ** 2, axis=axes)) / (size + 1e-15)


class _FingerprintScene(Scene):
    width, height, text_lines = 7.6, 5.9, 3

    def build(self) -> None:
        ax = self.figure.add_axes((0.105, 0.45, 0.87, 0.485))
        ax.set(xscale="log", yscale="log", xlim=(7e-13, 1.5), ylim=(1e-14, 9))
        ax.set(xlabel="step ε of central differences", ylabel="relative error")
        ax.set_xticks(10.0 ** np.arange(-12, 1, 2))
        ax.set_yticks(10.0 ** np.arange(-14, 1, 2))
        ax.minorticks_off()
        self.title = self.moving(ax.text(0, 1.03, "", transform=ax.transAxes, fontsize=13))
        ax.axhline(CUTOFF, color=style.GREY, linewidth=1.2, linestyle=(0, (6, 3)))
        ax.text(1.3, CUTOFF * 1.5, "cutoff 1e-7", ha="right", color=style.GREY, fontsize=11)
        ax.axvline(EPS[CHECKED], color=style.GREY, linewidth=1.2, linestyle=(0, (6, 3)))
        ax.text(EPS[CHECKED] * 1.3, 2.2, "ε of the map below", color=style.GREY, fontsize=11)
        self.curves, self.samples, self.names, self.above = [], [], [], []
        for i, series in enumerate(style.SERIES[:5]):
            height = 0.36 - 0.075 * i
            small = {**series, "markersize": 4.5, "linewidth": 1.4}
            sample = {**series, "transform": ax.transAxes}
            beside: dict[str, Any] = {"transform": ax.transAxes, "va": "center", "fontsize": 12}
            self.curves.append(self.moving(*ax.plot([], [], **small)))
            self.samples.append(self.moving(*ax.plot([0.02, 0.05, 0.08], [height] * 3, **sample)))
            self.names.append(self.moving(ax.text(0.095, height, "", **beside)))

        rows, columns = CELLS
        below = self.figure.add_axes((0.04, 0.03, 0.8, 0.285))
        below.set_axis_off()
        self.map = self.moving(
            below.imshow(
                np.full(CELLS, np.nan), norm=LogNorm(1e-12, 1), cmap="cividis", aspect="auto"
            )
        )
        below.set(xlim=(-0.6, columns - 0.4), ylim=(rows - 0.4, -1.1))
        self.crosses = self.moving(
            *below.plot([], [], marker="x", linestyle="", color="black", markersize=9, mew=2)
        )
        for _ in self.curves:
            self.above.append(self.moving(below.text(0, -0.65, "", fontsize=11, va="bottom")))
        ticks = [1e-12, 1e-8, 1e-4, 1]
        self.colour_bar(self.map, (0.87, 0.03, 0.02, 0.285), ticks).minorticks_off()
        self.figure.text(0.87, 0.335, "entry by entry", fontsize=11, ha="center")

    def update(self, bug: str, setting: str, seed: int) -> str:
        entry = CATALOGUE.get(bug)
        hides = entry is not None and setting in entry.settings
        pairs = _gradients(bug, setting if hides else "ordinary", seed)
        cells, left, errors = np.full(CELLS, np.nan), 0, {}
        artists = zip(self.curves, self.samples, self.names, self.above, strict=True)
        for i, (curve, sample, name, above) in enumerate(artists):
            for artist in (curve, sample, name, above):
                artist.set_visible(i < len(pairs))
            if i >= len(pairs):
                continue
            array, (a, n) = list(pairs.items())[i]
            curves = _array_errors(a, n)
            errors[array] = curves[CHECKED]
            curve.set_data(EPS, np.maximum(curves, 1e-15))
            name.set_text(array)
            block = np.atleast_2d(_entry_errors(a, n[CHECKED]))
            cells[: block.shape[0], left : left + block.shape[1]] = np.maximum(block, 1e-12)
            above.set_text(array)
            above.set_x(left - 0.5)
            left += block.shape[1] + 1
        if entry is None:
            self.title.set_text(f"Nothing wrong, {setting} setting")
        else:
            where = f"{setting} setting" if hides else "nothing known that hides it"
            self.title.set_text(f"{entry.title}, {where}")
        self.map.set_data(np.ma.masked_invalid(cells))
        y, x = np.nonzero(np.nan_to_num(cells) > CUTOFF)
        self.crosses.set_data(x, y)
        return "\n".join([*_story(bug, setting), f"Seed {seed}, ε = 1e-5: {_judged(errors)}"])


def _story(bug: str, setting: str) -> list[str]:
    if bug == RIGHT:
        return ["The gradient is right."]
    entry = CATALOGUE[bug]
    if setting == "ordinary":
        return [entry.wrong]
    if setting in entry.settings:
        return [entry.wrong, f"Here hidden by {entry.hidden_by}."]
    return [entry.wrong, "Nothing is known to hide it: this is its ordinary setting."]


def _judged(errors: dict[str, float]) -> str:
    said = ", ".join(f"{name} {error:.0e}" for name, error in errors.items())
    failed = [name for name, error in errors.items() if error > CUTOFF]
    verdict = f"{', '.join(failed)} above the cutoff" if failed else "all below the cutoff"
    return f"{said}; {verdict}."
