"""The explorer of bugs: which arrays a mistake spoils, and how that depends on epsilon."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm

from gradlab.bugs import CATALOGUE, INVISIBLE, Problem, course_problem
from gradlab.checking import check_gradients
from gradlab.differences import FORMULAS, difference, entry_losses, moved
from gradlab.explorers.frame import DPI, Explorer, Scene, counter, selection
from gradlab.plots import style

__all__ = ["fingerprint_explorer"]

EPS = np.logspace(-12, 0, 49)
CHECKED = int(np.argmin(np.abs(EPS - 1e-5)))
CUTOFF = 1e-7
CELLS = (5, 21)  # room for the heat maps of all arrays side by side
NEARBY = 2  # of EPS to either side: half a decade
RIGHT = "nothing is wrong"


def fingerprint_explorer(dpi: float = DPI) -> Explorer:
    """See the error of every array over epsilon, and of every entry, for any bug of the catalogue.

    Parameters
    ----------
    dpi
        Pixels per inch of the picture: more for a projector, fewer for a slow line.

    Examples
    --------
    >>> from gradlab import explorers
    >>> explorer = explorers.fingerprint_explorer()  # a widget: in a notebook it shows itself
    >>> sorted(explorer.controls)
    ['bug', 'seed', 'setting']
    """
    menu = {"(no bug)": RIGHT}
    menu |= {
        bug.title: name
        for name, bug in CATALOGUE.items()
        if bug.kind != INVISIBLE and bug.verdict != "refused"
    }
    controls = {
        "bug": selection("bug", menu, "bias_through_inputs"),
        "setting": selection("setting", {s: s for s in ("ordinary", "hiding")}, "ordinary"),
        "seed": counter("seed", 0, 99, 0),
    }
    return Explorer(
        _FingerprintScene(dpi),
        controls,
        task="find a bug that spoils one array only, one that spoils them all by the same factor, "
        "and one that is no bug at all. What in the picture gave each away?",
        alt="Above, the relative error of each parameter array against ε: the curve of b1 stays flat "
        "near 1 whatever ε is, those of W1, W2 and b2 fall to far below 1e-7. Below, a heat map in "
        "the shape of the arrays: every entry of b1 is crossed out, and no other.",
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


def relative_errors(a: np.ndarray, n: np.ndarray, axes: tuple[int, ...] = ()) -> np.ndarray:
    """:func:`gradlab.differences.relative_error` of many pairs at once.

    ``axes`` are those of one array, whatever else is a pair of its own: by default every entry.
    """

    def norm(values: np.ndarray) -> np.ndarray:
        return np.sqrt(np.sum(values**2, axis=axes))

    return norm(a - n) / (norm(a) + norm(n) + 1e-15)


def _entry_bars(n: np.ndarray) -> np.ndarray:
    """How far each difference may be off: as far as its neighbours with other steps lie away.

    Longer steps show its truncation, shorter ones its rounding; ten times that is a generous bar.
    """
    near = n[CHECKED - NEARBY : CHECKED + NEARBY + 1]
    return 10 * np.max(np.abs(near - n[CHECKED]), axis=0) + 1e-15


@lru_cache(maxsize=512)
def _verdict(bug: str, setting: str, seed: int) -> str:
    """What ``check_gradients`` says: the catalogue knows, where it does not depend on the seed."""
    if bug == RIGHT:
        return "ok"
    known = CATALOGUE[bug].verdict if setting == "ordinary" else CATALOGUE[bug].hiding_verdict
    if " or " not in known:
        return known
    return check_gradients(*_problem(bug, setting, seed), progress=False).verdict


class _FingerprintScene(Scene):
    width, height, text_lines = 7.6, 5.6, 4

    def build(self) -> None:
        ax = self.figure.add_axes((0.105, 0.425, 0.775, 0.505))
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
        looks = {str(number): series for number, series in enumerate(style.SERIES[:5])}
        self.key_of = self.key(ax, looks, top=0.95, left=1.02)
        self.curves, self.above = [], []
        for series in looks.values():
            small = {**series, "markersize": 4.5, "linewidth": 1.4}
            self.curves.append(self.moving(*ax.plot([], [], **small)))

        rows, columns = CELLS
        below = self.figure.add_axes((0.04, 0.02, 0.82, 0.25))
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
        self.colour_bar(self.map, (0.88, 0.03, 0.02, 0.22), ticks).minorticks_off()
        beside: dict[str, Any] = {"fontsize": 11, "va": "top"}
        self.figure.text(
            0.04, 0.32, "relative error of each entry; ×: beyond its error bar", **beside
        )

    def update(self, bug: str, setting: str, seed: int) -> str:
        entry = CATALOGUE.get(bug)
        hides = entry is not None and setting in entry.settings
        pairs = _gradients(bug, setting if hides else "ordinary", seed)
        cells, left, errors = np.full(CELLS, np.nan), 0, {}
        crossed = np.zeros(CELLS, dtype=bool)
        self.key_of.show({str(number): name for number, name in enumerate(pairs)})
        for i, (curve, above) in enumerate(zip(self.curves, self.above, strict=True)):
            for artist in (curve, above):
                artist.set_visible(i < len(pairs))
            if i >= len(pairs):
                continue
            array, (a, n) = list(pairs.items())[i]
            curves = relative_errors(a[None], n, tuple(range(1, n.ndim)))
            errors[array] = curves[CHECKED]
            curve.set_data(EPS, np.maximum(curves, 1e-15))
            block = np.atleast_2d(relative_errors(a, n[CHECKED]))
            place = slice(block.shape[0]), slice(left, left + block.shape[1])
            cells[place] = np.maximum(block, 1e-12)
            crossed[place] = np.atleast_2d(~(np.abs(a - n[CHECKED]) <= _entry_bars(n)))
            above.set_text(array)
            above.set_x(left - 0.5)
            left += block.shape[1] + 1
        if entry is None:
            self.title.set_text(f"Nothing wrong, {setting} setting")
        else:
            where = f"{setting} setting" if hides else "nothing known that hides it"
            self.title.set_text(f"{entry.title}, {where}")
        self.map.set_data(np.ma.masked_invalid(cells))
        y, x = np.nonzero(crossed)
        self.crosses.set_data(x, y)
        said = _verdict(bug, setting if hides else "ordinary", seed)
        judged = f"Seed {seed}, ε = 1e-5: {_judged(errors)} check_gradients says: {said}."
        return "\n".join([*_story(bug, setting), judged])


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
    failed = [name for name, error in errors.items() if not error <= CUTOFF]
    verdict = f"{', '.join(failed)} above the cutoff" if failed else "all below the cutoff"
    return f"{said}; {verdict}."
