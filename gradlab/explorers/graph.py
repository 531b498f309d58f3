"""The explorer of the worked network: a change runs right, a gradient runs left, edge by edge."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.text import Text

from gradlab import worked
from gradlab.explorers.frame import DPI, Explorer, Scene, selection, slider
from gradlab.plots import style

__all__ = ["graph_explorer"]

NUDGED = {
    "W1[0, 0]": ("W1", 0, 0),
    "W1[0, 1]": ("W1", 0, 1),
    "b1[0, 0]": ("b1", 0, 0),
    "b1[0, 1]": ("b1", 0, 1),
    "W2[0, 0]": ("W2", 0, 0),
    "W2[1, 0]": ("W2", 1, 0),
    "b2[0, 0]": ("b2", 0, 0),
}
NUDGES = (1.0, 0.1, 0.01, 0.001)
CHANGE, GRADIENT = "the change, to the right", "the gradient, to the left"
LAYERS = ("Z1", "H", "y_hat", "L")
COLUMNS = {"X": 0.7, "Z1": 3.1, "H": 5.4, "y_hat": 7.7, "L": 9.5}
STOPS = 4  # of the way, in either direction


def graph_explorer(dpi: float = DPI) -> Explorer:
    """Nudge a parameter of the worked network, and follow the change, or the gradient, edge by edge.

    Parameters
    ----------
    dpi
        Pixels per inch of the picture: more for a projector, fewer for a slow line.

    Examples
    --------
    >>> from gradlab import explorers
    >>> explorer = explorers.graph_explorer()  # a widget: in a notebook it shows itself
    >>> sorted(explorer.controls)
    ['nudge', 'nudged', 'stop', 'what']
    """
    controls = {
        "nudged": selection("value to nudge", {name: name for name in NUDGED}, "W2[0, 0]"),
        "nudge": slider("by", {f"{nudge:g}": nudge for nudge in NUDGES}, 0.01),
        "what": selection("follow", {what: what for what in (CHANGE, GRADIENT)}, CHANGE),
        "stop": slider("edges passed", {str(stop): stop for stop in range(STOPS + 1)}, STOPS),
    }
    return Explorer(
        _GraphScene(dpi),
        controls,
        task="set the edges passed to 0, say which number comes next, and take a step. Then follow "
        "the gradient back to the same value: why do the two meet?",
        alt="The worked network as a graph, a row for each sample: input, two hidden sums, two hidden "
        "values, prediction, and one loss for both. The weight W2[0, 0] stands between the samples, "
        "with a path to the prediction of each. Nudged by a hundredth, it moves both predictions, and "
        "the loss by the sum of what arrives along the two paths.",
    )


def _places() -> dict[tuple[str, int, int], tuple[float, float]]:
    """Where each value stands: name of its array, sample, column."""
    places = {}
    for sample, middle in enumerate((4.7, 1.5)):
        places["X", sample, 0] = COLUMNS["X"], middle
        places["y_hat", sample, 0] = COLUMNS["y_hat"], middle
        for unit, height in enumerate((middle + 0.72, middle - 0.72)):
            places["Z1", sample, unit] = COLUMNS["Z1"], height
            places["H", sample, unit] = COLUMNS["H"], height
    places["L", 0, 0] = COLUMNS["L"], 3.1
    return places


PLACES = _places()
EDGES = [
    *((("X", i, 0), ("Z1", i, j)) for i in (0, 1) for j in (0, 1)),
    *((("Z1", i, j), ("H", i, j)) for i in (0, 1) for j in (0, 1)),
    *((("H", i, j), ("y_hat", i, 0)) for i in (0, 1) for j in (0, 1)),
    *((("y_hat", i, 0), ("L", 0, 0)) for i in (0, 1)),
]
GRADIENT_OF = {"Z1": "dZ1", "H": "dH", "y_hat": "dy"}


class _GraphScene(Scene):
    width, height, text_lines = 7.6, 4.9, 4

    def build(self) -> None:
        ax = self.figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, 10.2), ylim=(-0.3, 6.6))
        ax.set_axis_off()
        seen = worked.forward(worked.params())
        arrays = {"X": worked.X, **seen, "L": np.reshape(seen["L"], (1, 1))}
        small: dict[str, Any] = {"ha": "center", "va": "center"}
        for name, title in zip(
            COLUMNS, ("X", "Z1 = X W1 + b1", "H = Z1² / 2", "y_hat", "L"), strict=True
        ):
            ax.text(COLUMNS[name], 6.35, title, fontsize=11.5, **small)
        for sample, height in enumerate((4.7, 1.5)):
            ax.text(0.08, height + 0.95, f"sample {sample}", fontsize=11)
        for start, end in EDGES:
            (x0, y0), (x1, y1) = PLACES[start], PLACES[end]
            ax.plot([x0, x1], [y0, y1], color=style.GREY, linewidth=1, zorder=1)
        # Nodes never change, but they stand in front of arrows that do: so they are drawn again too.
        node: dict[str, Any] = {"marker": "o", "markersize": 31, "markerfacecolor": "white"}
        for (name, sample, column), (x, height) in PLACES.items():
            self.moving(*ax.plot([x], [height], **node, color=style.BLACK, mew=1, zorder=3))
            value = worked.fraction(arrays[name][sample, column])
            self.moving(ax.text(x, height, value, fontsize=13, zorder=5, **small))

        self.edges = {}
        for edge in EDGES:
            (x0, y0), (x1, y1) = PLACES[edge[0]], PLACES[edge[1]]
            self.edges[edge] = self._arrow((x0, y0), (x1, y1), ax)
        self.fork = [self._arrow((0, 0), (1, 1), ax) for _ in (0, 1)]
        self.box = self.moving(
            *ax.plot([], [], marker="s", markersize=34, markerfacecolor="white", zorder=4)
        )
        self.box_text = self.moving(ax.text(0, 0, "", fontsize=11, zorder=6, **small))
        self.box_below = self.moving(ax.text(0, 0, "", fontsize=11.5, zorder=6, **small))
        self.below: dict[tuple[str, int, int], Text] = {}
        for spot, (x, height) in PLACES.items():
            if spot[0] != "X":
                text = ax.text(
                    x,
                    height - (0.62 if spot[0] == "L" else 0.5),
                    "",
                    fontsize=11.5,
                    zorder=6,
                    **small,
                )
                self.below[spot] = self.moving(text)

    def _arrow(
        self, start: tuple[float, float], end: tuple[float, float], ax: Any
    ) -> tuple[Line2D, Line2D]:
        """A line that is passed, and the head in its middle."""
        line = self.moving(*ax.plot(*zip(start, end, strict=True), linewidth=3, zorder=2))
        head = self.moving(*ax.plot([], [], linestyle="", markersize=11, zorder=2))
        return line, head

    def _pass(
        self,
        arrow: tuple[Line2D, Line2D],
        start: tuple[float, float],
        end: tuple[float, float],
        back: bool,
        shown: bool,
    ) -> None:
        line, head = arrow
        colour = style.VERMILION if back else style.BLUE
        dash: tuple[float, tuple[float, ...]] = (0, (3, 1.2)) if back else (0, ())
        line.set_data(*zip(start, end, strict=True))
        share = 0.45 if back else 0.55
        head.set_data(*([a + share * (b - a)] for a, b in zip(start, end, strict=True)))
        head.set_marker("<" if back else ">")
        for artist in arrow:
            artist.set_color(colour)
            artist.set_visible(shown)
        line.set_linestyle(dash if back else "-")

    def update(self, nudged: str, nudge: float, what: str, stop: int) -> str:
        name, row, column = NUDGED[nudged]
        params = worked.params()
        value = params[name][row, column]
        entry = "Z1" if name in ("W1", "b1") else "y_hat"
        unit = column if entry == "Z1" else 0
        x = (COLUMNS["X"] if entry == "Z1" else COLUMNS["H"]) + 1.15
        ends = [PLACES[entry, sample, unit] for sample in (0, 1)]
        back = what == GRADIENT
        colour = style.VERMILION if back else style.BLUE
        self.box.set_data([x], [3.1])
        self.box.set_color(style.BLACK)
        self.box_text.set_position((x, 3.1))
        self.box_text.set_text(f"{name}\n{worked.fraction(value)}")

        before = worked.forward(params)
        params[name][row, column] += nudge
        after = worked.forward(params)
        changes = {layer: np.atleast_2d(after[layer] - before[layer]) for layer in LAYERS}
        grads = worked.backward(worked.params())
        reached, joined = _reached(entry, stop, back)
        if ("L", 1) not in reached and not back:  # what has come through sample 0 so far
            changes["L"] = np.array([[_through_sample_0(before, after)]])
        for spot, text in self.below.items():
            layer, sample, place = spot
            on_path = (layer, sample) in reached and (layer in ("y_hat", "L") or place == unit)
            text.set_color(colour)
            text.set_text("")
            if on_path and back:
                told = 1.0 if layer == "L" else grads[GRADIENT_OF[layer]][sample, place]
                text.set_text(worked.fraction(told))
            elif on_path:
                text.set_text(_signed(changes[layer][sample, place]))
        for edge, arrow in self.edges.items():
            (left, sample, here), (right, _, _) = edge
            on_path = (
                (left == "y_hat" or (left != "X" and here == unit))
                and (left, sample) in reached
                and (right, sample) in reached
            )
            self._pass(arrow, PLACES[edge[0]], PLACES[edge[1]], back, on_path)
        for sample, (arrow, end) in enumerate(zip(self.fork, ends, strict=True)):
            self._pass(arrow, (x, 3.1), end, back, sample in joined)
            if sample not in joined:  # the way is there, and waits
                arrow[0].set_visible(True)
                arrow[0].set_color(style.GREY)
                arrow[0].set_linestyle((0, (1, 1.5)))
        self.box_below.set_position((x, 2.5))
        self.box_below.set_color(colour)
        gradient = float(grads[f"d{name}"][row, column])
        parts = [
            _factors(name, row, sample)[1]
            * float(grads["dZ1" if entry == "Z1" else "dy"][sample, unit])
            for sample in (0, 1)
        ]
        arrived = worked.fraction(sum(parts[sample] for sample in joined)) if joined else ""
        self.box_below.set_text(arrived if back else _signed(nudge))
        if back:
            return _told_backward(name, nudged, row, unit, entry, stop, grads)
        return _told_forward(name, nudged, row, unit, nudge, stop, changes, gradient)


def _reached(entry: str, stop: int, back: bool) -> tuple[set[tuple[str, int]], set[int]]:
    """What has a number after so many edges: layers with their samples, and paths of the fork.

    A parameter of the first layer has four layers before it, which both samples pass together. One
    of the second has two, so there the samples take turns: four edges either way.
    """
    both = (0, 1)
    if entry == "Z1":
        layers = LAYERS[STOPS - 1 - stop if stop < STOPS else 0 :] if back else LAYERS[:stop]
        reached = {(layer, sample) for layer in layers for sample in both}
        return reached, set(both if (stop == STOPS if back else stop >= 1) else ())
    predictions = {("y_hat", sample) for sample in both[:stop]}
    passed = set(both[: max(stop - 2, 0)])
    if back:
        return predictions | {("L", 0), ("L", 1)}, passed
    return predictions | {("L", sample) for sample in passed}, set(both[:stop])


def _through_sample_0(before: worked.Arrays, after: worked.Arrays) -> float:
    """How far the loss has moved because the prediction of sample 0 did."""
    errors = [float(seen["y_hat"][0, 0] - worked.y[0, 0]) for seen in (before, after)]
    return (errors[1] ** 2 - errors[0] ** 2) / 2 / len(worked.y)


def _signed(value: float) -> str:
    return f"{value:+.3g}"


def _factors(name: str, row: int, sample: int) -> tuple[str, float]:
    """What a parameter is multiplied with on its way into a sample."""
    seen = worked.forward(worked.params())
    if name == "W1":
        return f"X[{sample}, 0]", float(worked.X[sample, row])
    if name == "W2":
        return f"H[{sample}, {row}]", float(seen["H"][sample, row])
    return "1", 1.0


def _times(name: str, row: int, sample: int) -> str:
    what, factor = _factors(name, row, sample)
    return "1 times" if what == "1" else f"{what} = {worked.fraction(factor)} times"


def _told_forward(
    name: str,
    nudged: str,
    row: int,
    unit: int,
    nudge: float,
    stop: int,
    changes: dict[str, np.ndarray],
    gradient: float,
) -> str:
    if stop == 0:
        return f"{nudged} moves by {nudge:g}. Two paths lead from it, one into each sample."
    moved, promised = float(changes["L"][0, 0]), gradient * nudge
    first_layer = name in ("W1", "b1")
    if not first_layer and stop < 3:
        sample = stop - 1
        return f"Sample {sample}: the prediction moves by {_times(name, row, sample)} the nudge."
    if not first_layer and stop == 3:
        return f"Through the prediction of sample 0 the loss moves by {moved:+.3g}. Sample 1 is to come."
    layer = LAYERS[stop - 1]
    if layer == "Z1":
        told = "; in ".join(f"sample {i}: {_times(name, row, i)} the nudge" for i in (0, 1))
        return f"Two paths, each with a factor of its own. In {told}."
    if layer == "H":
        seen = worked.forward(worked.params())["Z1"][:, unit]
        slopes = " and ".join(worked.fraction(slope) for slope in seen)
        return (
            f"The slope of Z1² / 2 is Z1 itself: about {slopes} times what arrived. About, because "
            f"over a nudge that is not tiny the square bends."
        )
    if layer == "y_hat":
        weight = worked.fraction(worked.params()["W2"][unit, 0])
        return f"Each prediction moves by W2[{unit}, 0] = {weight} times what arrived."
    return (
        f"Both predictions move the loss, and the two changes add up to {moved:+.3g}. The gradient "
        f"promised {worked.fraction(gradient)} times {nudge:g}, which is {promised:+.3g}."
    )


def _told_backward(
    name: str, nudged: str, row: int, unit: int, entry: str, stop: int, grads: worked.Arrays
) -> str:
    if stop == 0:
        return "Begin at the loss: moved by 1, it moves by 1."
    if entry == "y_hat" and stop < 3:
        told = worked.fraction(grads["dy"][stop - 1, 0])
        return (
            f"dy of sample {stop - 1} = (y_hat − y) / N = {told}: half the distance of its prediction "
            f"to the target, N being 2."
        )
    if entry == "y_hat" and stop == 3:
        what, factor = _factors(name, row, 0)
        times = "" if what == "1" else f"{worked.fraction(factor)} · "
        return (
            f"Back along the path of sample 0: {times}({worked.fraction(grads['dy'][0, 0])}). The path "
            f"of sample 1 is to come."
        )
    if stop == STOPS:
        upstream = "dZ1" if entry == "Z1" else "dy"
        parts = []
        for sample in (0, 1):
            what, factor = _factors(name, row, sample)
            arriving = worked.fraction(grads[upstream][sample, unit])
            parts.append(arriving if what == "1" else f"{worked.fraction(factor)} · ({arriving})")
        total = worked.fraction(grads[f"d{name}"][row, unit if name in ("W1", "b1") else 0])
        return (
            f"Along the path of each sample, {upstream} times the factor the parameter had there; "
            f"and two paths add up: {parts[0]} + {parts[1]} = {total}, the gradient of {nudged}."
        )
    layer = LAYERS[STOPS - 1 - stop]
    if layer == "y_hat":
        return (
            "dy = (y_hat − y) / N: of each prediction half its distance to the target, N being 2."
        )
    if layer == "H":
        weight = worked.fraction(worked.params()["W2"][unit, 0])
        return f"dH = dy W2ᵀ: dy times the weight on the way, W2[{unit}, 0] = {weight}. One path, no sum."
    slopes = " and ".join(map(worked.fraction, worked.forward(worked.params())["Z1"][:, unit]))
    return f"dZ1 = dH times the slope of the unit, which is Z1: {slopes}."
