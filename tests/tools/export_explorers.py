"""Export the explorers as data: everything they can show, for a page in which no Python runs.

An explorer is a function from the values of its controls to a picture and a few words. So it is
called here with all of its values, and what it has drawn and said is written down: where the lines
run, which texts stand where, the sentence below. No explorer is written a second time: whatever is
in ``gradlab.explorers`` comes through, as long as it is drawn with the kinds of artists that
:func:`_still` knows, and the page's one renderer (notebooks/site/static/explorers.js) draws them.

What keeps the files small: a quantity is stored for those controls alone that it depends on, found
by comparing; sentences are taken apart into their wording and their numbers; curves are whole
numbers of a 2000th of the axis, a third of a pixel, and their differences; and a map of what a
network computes is stored as the network's parameters. Words are exact, to the letter.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import itertools
import json
import math
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from matplotlib import colors
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.lines import AxLine, Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

ROOT = Path(__file__).resolve().parents[2]
UNITS = 2000  # of an axis: positions are whole numbers of them
FAR = 3 * UNITS  # what lies further outside is drawn as if it were here
SHADES = 100  # of a colour map
FINE = 512  # steps of a network's parameter to 1: a shade is a hundredth of the height
BROKEN = -30_000  # a point that is not there: NaN
SMOOTH = 200  # points: longer lines lose those that would not be seen
# Of the seeds 0 to 99 those that a page has room for: all of them would be a megabyte.
KEPT = {("fingerprint", "seed"): range(20), ("error_bar", "seed"): range(30, 50)}
PROBES = 100
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
SWITCHES = (widgets.Checkbox, widgets.ToggleButton)

Leaf = str | int | tuple[int, ...]


class ExportError(Exception):
    """An explorer has something that the page cannot draw; it says what."""


# ------------------------------------------------------------------------------------- controls


@dataclass(frozen=True)
class Dial:
    """A control: what it is, and what it can be set to."""

    name: str
    kind: str
    label: str
    values: list[object]
    texts: list[str]
    start: int

    @property
    def switch(self) -> bool:
        return self.kind in ("tick", "button")

    def described(self) -> dict[str, object]:
        about = {"name": self.name, "kind": self.kind, "label": self.label, "start": self.start}
        return about if self.switch else {**about, "options": self.texts}


def dial(name: str, control: widgets.Widget, kept: range | None = None) -> Dial:
    """A control of ipywidgets as a dial; of whole numbers only those ``kept``, if there are many."""
    label = control.description
    if isinstance(control, SWITCHES):
        kind = "tick" if isinstance(control, widgets.Checkbox) else "button"
        return Dial(name, kind, label, [False, True], [], int(control.value))
    if isinstance(control, widgets.IntSlider):
        values = list(kept or range(control.min, control.max + 1))
        texts = [str(value) for value in values]
        return Dial(name, "slider", label, values, texts, values.index(control.value))
    if isinstance(control, (widgets.SelectionSlider, widgets.Dropdown)):
        kind = "menu" if isinstance(control, widgets.Dropdown) else "slider"
        pairs = [
            option if isinstance(option, tuple) else (str(option), option)
            for option in control.options
        ]
        texts, values = map(list, zip(*pairs, strict=True))
        return Dial(name, kind, label, values, texts, values.index(control.value))
    raise ExportError(f"the page has no control like {type(control).__name__} ({name})")


# ----------------------------------------------------------------------------------- what moves


def place(ax: Axes, artist: Artist, axis: str, values: Iterable[float]) -> tuple[int, ...]:
    """Positions along "x" or "y", from the lower end of the axis, in units."""
    values = np.asarray(list(values), float)
    index = "xy".index(axis)
    if artist.get_transform().contains_branch_seperately(ax.transData)[index]:
        along = getattr(ax, f"{axis}axis").get_transform()
        with np.errstate(all="ignore"):
            low, high = along.transform(np.asarray(getattr(ax, f"get_{axis}lim")(), float))
            values = (along.transform(values) - low) / (high - low)
    with np.errstate(all="ignore"):
        units = np.round(np.clip(np.nan_to_num(values, nan=0) * UNITS, -FAR, FAR)).astype(int)
    return tuple(np.where(np.isnan(values), BROKEN, units).tolist())


def thinned(x: Sequence[int], y: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A long line without the points that lie within a unit of the line between its neighbours."""
    points = np.column_stack([x, y])
    if len(points) < SMOOTH or BROKEN in y:
        return tuple(x), tuple(y)
    keep = np.zeros(len(points), bool)
    keep[[0, -1]] = True
    spans = [(0, len(points) - 1)]
    while spans:
        low, high = spans.pop()
        if high - low < 2:
            continue
        between = points[low + 1 : high]
        along = points[high] - points[low]
        share = np.clip((between - points[low]) @ along / max(along @ along, 1), 0, 1)
        off = np.abs(between - points[low] - share[:, None] * along).max(axis=1)
        worst = int(off.argmax())
        if off[worst] > 1:
            middle = low + 1 + worst
            keep[middle] = True
            spans += [(low, middle), (middle, high)]
    return tuple(points[keep, 0].tolist()), tuple(points[keep, 1].tolist())


def shades(image: AxesImage) -> tuple[int, ...]:
    """An image as numbers of shades, from 0 to ``SHADES - 1``, row by row; -1 where nothing is."""
    values = np.ma.asarray(image.norm(np.ma.masked_invalid(image.get_array())))
    numbers = np.clip(np.floor(values.filled(0) * SHADES), 0, SHADES - 1).astype(int)
    return tuple(np.where(np.ma.getmaskarray(values), -1, numbers).ravel().tolist())


def network_numbers(params: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    """The parameters of a small network as whole numbers; those of a runaway are kept in bounds."""
    flat = np.concatenate([np.ravel(params[name]) for name in ("W1", "b1", "W2", "b2")])
    with np.errstate(all="ignore"):
        numbers = np.clip(np.nan_to_num(flat, nan=0) * FINE, -1e6, 1e6).round().astype(int)
    return tuple(np.where(np.isnan(flat), BROKEN, numbers).tolist())


def taken_apart(text: str) -> tuple[str, list[str]]:
    """A text as its wording, with a # for every number, and its numbers."""
    return NUMBER.sub("#", text), NUMBER.findall(text)


class Witness:
    """What one explorer shows and says for the values of its controls, as leaves by name."""

    def __init__(self, explorer: object) -> None:
        self.scene = explorer.scene
        self.moving = list(self.scene._moving)
        self.curves: dict[tuple, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def __call__(self, values: Mapping[str, object]) -> dict[str, Leaf]:
        lines = self.scene.update(**values).split("\n")
        leaves: dict[str, Leaf] = {"lines": len(lines)}
        for number, line in enumerate(lines):
            self._text(leaves, f"w{number}", line)
        for number, artist in enumerate(self.moving):
            self._artist(leaves, f"a{number}", artist)
        return leaves

    def _curve(
        self, ax: Axes, line: Line2D, x: np.ndarray, y: np.ndarray
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """A curve in units; most are drawn again and again."""
        x, y = np.asarray(x, float), np.asarray(y, float)
        key = id(line), x.tobytes(), y.tobytes()
        if key not in self.curves:
            self.curves[key] = thinned(place(ax, line, "x", x), place(ax, line, "y", y))
        return self.curves[key]

    @staticmethod
    def _text(leaves: dict[str, Leaf], name: str, text: str) -> None:
        wording, numbers = taken_apart(text)
        leaves[f"{name}.t"] = wording
        for place_, value in enumerate(numbers):
            leaves[f"{name}.t{place_}"] = value

    def _artist(self, leaves: dict[str, Leaf], name: str, artist: Artist) -> None:
        leaves[f"{name}.v"] = int(artist.get_visible())
        if not artist.get_visible():  # where it is does not matter, and may be left from before
            return
        ax = artist.axes
        if isinstance(artist, Line2D):
            x, y = getattr(artist, "whole", artist.get_data())
            leaves[f"{name}.x"], leaves[f"{name}.y"] = self._curve(ax, artist, x, y)
            leaves[f"{name}.l"] = json.dumps(line_look(artist))  # some change their colour
            if hasattr(artist, "whole"):  # of which the line is the beginning
                leaves[f"{name}.u"] = place(ax, artist, "x", artist.get_xdata()[-1:])
        elif isinstance(artist, Text):
            x, y = artist.get_position()
            leaves[f"{name}.x"] = place(ax, artist, "x", [x])
            leaves[f"{name}.y"] = place(ax, artist, "y", [y])
            self._text(leaves, name, plain(artist.get_text()))
            leaves[f"{name}.c"] = colors.to_hex(artist.get_color())
        elif isinstance(artist, AxesImage):
            if hasattr(artist, "network"):
                leaves[f"{name}.n"] = network_numbers(artist.network[0])
            else:
                leaves[f"{name}.z"] = shades(artist)
        elif isinstance(artist, Patch):
            outline = artist.get_transform().transform_path(artist.get_path())
            corners = artist.axes.transAxes.inverted().transform(outline.to_polygons()[0]) * UNITS
            leaves[f"{name}.x"], leaves[f"{name}.y"] = (
                tuple(np.round(side).astype(int).tolist()) for side in corners.T
            )
            leaves[f"{name}.c"] = colors.to_hex(artist.get_facecolor())
        elif not isinstance(artist, PathCollection):  # whose dots stay
            raise ExportError(f"the page cannot move a {type(artist).__name__}")


# --------------------------------------------------------------------------------------- tables


@dataclass
class Table:
    """A leaf for every value of the controls that it depends on."""

    axes: tuple[int, ...]  # numbers of the dials
    ids: np.ndarray  # numbers into the distinct values, one axis for each of those dials
    distinct: list[Leaf]

    @classmethod
    def of(cls, column: Sequence[Leaf | None], shape: tuple[int, ...]) -> Table:
        """From the leaf of every combination, in the order of ``itertools.product``."""
        known: dict[Leaf | None, int] = {}
        ids = np.array([known.setdefault(value, len(known)) for value in column]).reshape(shape)
        axes = list(range(len(shape)))
        for axis in reversed(range(len(shape))):
            if np.all(ids == ids.take([0], axis)):
                ids = ids.take(0, axis)
                axes.remove(axis)
        return cls(tuple(axes), ids, list(known))

    def at(self, state: Sequence[int]) -> Leaf | None:
        return self.distinct[self.ids[tuple(state[axis] for axis in self.axes)]]


def packed(numbers: Iterable[int]) -> str:
    """Whole numbers as letters: small ones are one letter, and gzip finds what repeats."""
    letters = []
    for number in numbers:
        rest = 2 * number if number >= 0 else -2 * number - 1
        while rest >= 46:
            rest, digit = divmod(rest, 46)
            letters.append(digit + 46)
        letters.append(rest)
    return "".join(chr(35 + letter) if letter != 57 else "!" for letter in letters)  # no backslash


def differences(numbers: Sequence[int]) -> list[int]:
    return np.diff(np.asarray(numbers, int), prepend=0).tolist()


def smaller(*candidates: tuple[str, ...]) -> tuple[str, ...]:
    return min(candidates, key=lambda parts: len(zlib.compress("".join(parts[1:]).encode(), 6)))


def written(table: Table) -> dict[str, object]:
    """A table as the page reads it: ``a`` the dials, ``i`` the ids, and the distinct values."""
    if not table.axes:
        return {"k": table.distinct[int(table.ids)]}
    order = range(len(table.axes))
    kind = {type(value) for value in table.distinct if value is not None}
    if kind == {str} or not kind:
        values: dict[str, object] = {"s": ["" if v is None else v for v in table.distinct]}
        return {"a": table.axes, "i": packed(differences(table.ids.ravel())), **values}
    if kind == {int}:
        numbers = [0 if v is None else v for v in table.distinct]
        return {"a": table.axes, "i": packed(differences(table.ids.ravel())), "d": numbers}
    # Curves: the order in which they are stored is the one in which they change least.
    best: tuple[str, ...] | None = None
    for axes in itertools.permutations(order):
        ids = table.ids.transpose(axes)
        turned: dict[int, int] = {}
        renamed = [turned.setdefault(i, len(turned)) for i in ids.ravel().tolist()]
        curves = [table.distinct[i] or () for i in turned]
        back = packed(
            differences(np.array(renamed).reshape(ids.shape).transpose(np.argsort(axes)).ravel())
        )
        choice = smaller(*((mode, back, *code) for mode, code in coded(curves).items()))
        best = choice if best is None else smaller(best, choice)
    assert best is not None
    mode, back, lengths, body = best
    return {"a": table.axes, "i": back, "m": mode, "l": lengths, "c": body}


def coded(curves: Sequence[Sequence[int]]) -> dict[str, tuple[str, str]]:
    """Curves in letters, as (lengths, points): "r" by differences along each, "c" from the last."""
    lengths = packed(differences([len(curve) for curve in curves]))
    ways = {"r": (lengths, packed(itertools.chain(*map(differences, curves))))}
    if len({len(curve) for curve in curves}) == 1 and len(curves) > 1:
        block = np.array(curves, int)
        steps = np.diff(block, axis=0, prepend=np.zeros_like(block[:1]))
        ways["c"] = lengths, packed(steps.T.ravel().tolist())
        ways["b"] = lengths, packed(np.diff(steps, axis=1, prepend=0).ravel().tolist())
    return ways


@dataclass
class Tables:
    """All leaves of an explorer, for every setting of its switches.

    The switches (ticks and buttons) multiply quickly, and most of what they do is show and hide.
    So a setting of them has a table of its own only where what is there is not there already, in
    another setting or for another leaf: else it points to it.
    """

    dials: list[Dial]
    tables: list[Table] = field(default_factory=list)
    cases: dict[tuple[int, ...], dict[str, int]] = field(default_factory=dict)

    def at(self, state: Sequence[int]) -> dict[str, Leaf | None]:
        """The leaves for a state, from the tables."""
        switches = tuple(state[i] for i, one in enumerate(self.dials) if one.switch)
        turns = [state[i] for i, one in enumerate(self.dials) if not one.switch]
        return {name: self.tables[i].at(turns) for name, i in self.cases[switches].items()}


def tabulated(witness: Witness, dials: list[Dial]) -> Tables:
    """Ask the witness for everything."""
    result = Tables(dials)
    switches = [one for one in dials if one.switch]
    turns = [one for one in dials if not one.switch]
    shape = tuple(len(one.values) for one in turns)
    # All ticked first: what one setting hides, another has shown.
    settings = sorted(itertools.product((1, 0), repeat=len(switches)), key=lambda s: -sum(s))
    everywhere = list(itertools.product(*map(range, shape)))
    # The first dial, the one that is moved most, turns fastest: what depends on the others alone,
    # such as a network that was trained, an explorer has kept from the call before.
    near = [state[::-1] for state in itertools.product(*map(range, shape[::-1]))]
    places = np.arange(len(everywhere)).reshape(shape[::-1]).T.ravel().tolist()
    stream = np.random.RandomState(0)
    few = stream.permutation(len(everywhere))[:PROBES].tolist()

    def leaves(setting: tuple[int, ...], state: tuple[int, ...]) -> dict[str, Leaf]:
        values = {one.name: bool(on) for one, on in zip(switches, setting, strict=True)}
        values |= {one.name: one.values[i] for one, i in zip(turns, state, strict=True)}
        return witness(values)

    numbers: dict[tuple, int] = {}  # of the tables, by what is in them
    looks: dict[tuple, dict[str, int]] = {}  # what the probes see: the tables by leaf

    def keep(name: str, column: list[Leaf | None]) -> int:
        table = Table.of(column, shape)
        content = (table.axes, table.ids.tobytes(), tuple(table.distinct))
        if content not in numbers:
            numbers[content] = len(result.tables)
            result.tables.append(table)
        look = tuple(column[i] for i in few)
        looks.setdefault(look, {}).setdefault(name, numbers[content])
        return numbers[content]

    for setting in settings:
        probed = [leaves(setting, everywhere[i]) for i in few]
        names = list(dict.fromkeys(itertools.chain(*probed)))
        seen = {name: tuple(leaf.get(name) for leaf in probed) for name in names}
        if all(seen[name] in looks or len({*seen[name]}) == 1 for name in names):
            case = {}
            for name, look in seen.items():
                if look not in looks:
                    keep(name, [look[0]] * len(everywhere))
                case[name] = looks[look].get(name, next(iter(looks[look].values())))
        else:
            full = [leaves(setting, state) for state in near]
            full = [full[i] for i in places]
            names = list(dict.fromkeys(itertools.chain(*full)))
            case = {name: keep(name, [leaf.get(name) for leaf in full]) for name in names}
        result.cases[setting] = case
    return result


# --------------------------------------------------------------------------------- what stays


_SUPERSCRIPTS = str.maketrans("0123456789-−+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻⁺")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def plain(text: str) -> str:
    """A label in which formulas are written in letters: ``$10^{-3}$`` is 10⁻³.

    Raises
    ------
    ExportError
        If a formula has more to it than letters can say.
    """

    def formula(match: re.Match) -> str:
        inner = match[1]
        inner = re.sub(r"\\math\w+\{((?:[^{}]|\{[^{}]*\})*)\}", r"\1", inner)
        inner = re.sub(r"\\hat\s*\{?(\w)\}?", "\\1\u0302", inner)
        inner = re.sub(r"\^\{?([-−+]?\d+)\}?", lambda m: m[1].translate(_SUPERSCRIPTS), inner)
        inner = re.sub(r"_\{?(\d+)\}?", lambda m: m[1].translate(_SUBSCRIPTS), inner)
        if re.search(r"[\\{}_^]", inner):
            raise ExportError(f"the page cannot write the formula {match[0]}")
        return inner

    return re.sub(r"\$([^$]*)\$", formula, text)


def pixels(points: float) -> float:
    """From points to pixels of the page."""
    return round(points * 100 / 72, 2)


def line_look(line: Line2D) -> dict[str, object]:
    """How a line and its markers look: only what is drawn."""
    look: dict[str, object] = {}
    if line.get_linestyle() not in ("None", "none", "", " ") and line.get_linewidth():
        look |= {"stroke": colors.to_hex(line.get_color()), "width": pixels(line.get_linewidth())}
        _, dashes = line._dash_pattern
        if dashes:
            look["dashes"] = [pixels(length) for length in dashes]
    if line.get_marker() not in ("None", "none", "", " ", None):
        look |= {
            "marker": str(line.get_marker()),
            "size": pixels(line.get_markersize()),
            "fill": _colour(line.get_markerfacecolor()),
            "edge": _colour(line.get_markeredgecolor()),
            "edgeWidth": pixels(line.get_markeredgewidth()),
        }
    if line.get_alpha() is not None:
        look["alpha"] = line.get_alpha()
    return look


def _colour(colour: object) -> str:
    return "none" if isinstance(colour, str) and colour == "none" else colors.to_hex(colour)


def palette(image: AxesImage) -> str:
    """The shades of an image's colour map, six letters each."""
    shades_ = image.cmap((np.arange(SHADES) + 0.5) / SHADES)
    return "".join(colors.to_hex(shade)[1:] for shade in shades_)


def ticks(ax: Axes, axis: str) -> list[tuple[int, str]]:
    """The labelled places along an axis."""
    side = getattr(ax, f"{axis}axis")
    low, high = sorted(getattr(ax, f"get_{axis}lim")())
    line = Line2D([], [], transform=ax.transData)
    pairs = zip(side.get_majorticklocs(), side.get_majorticklabels(), strict=False)
    return [
        (place(ax, line, axis, [value])[0], plain(label.get_text()))
        for value, label in pairs
        if low <= value <= high
    ]


def panel(ax: Axes) -> dict[str, object]:
    """The axes themselves: box, ticks, names."""
    box = ax.get_position()
    about: dict[str, object] = {
        "box": [round(v, 4) for v in (box.x0, 1 - box.y1, box.width, box.height)]
    }
    bar = getattr(ax, "_colorbar", None)
    if bar is not None:
        about["bar"] = palette(bar.mappable)
        about["ticks"] = ticks(ax, "y")
        about["label"] = plain(bar.ax.get_ylabel() or bar.ax.get_xlabel())
        return about
    if ax.axison:
        about |= {
            "x": ticks(ax, "x"),
            "y": ticks(ax, "y"),
            "xlabel": plain(ax.get_xlabel()),
            "ylabel": plain(ax.get_ylabel()),
            "sides": [name for name, spine in ax.spines.items() if spine.get_visible()],
            "grid": [
                bool(getattr(ax, f"{axis}axis").get_gridlines())
                and getattr(ax, f"{axis}axis").get_gridlines()[0].get_visible()
                for axis in "xy"
            ],
        }
    title = plain(ax.get_title())
    if title:
        about["title"] = title
    legend = ax.get_legend()
    if legend is not None and legend.get_visible():
        about["legend"] = legend_entries(legend)
    return about


def legend_entries(legend: Legend) -> dict[str, object]:
    """The title of a legend, and how each of its samples looks."""
    return {
        "title": plain(legend.get_title().get_text()),
        "entries": [
            {"label": plain(text.get_text()), **line_look(handle)}
            for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True)
        ],
    }


def still(artist: Artist, ax: Axes) -> dict[str, object] | None:
    """How an artist looks, and where it is if it stays; None for what shows nothing.

    Raises
    ------
    ExportError
        If it is of a kind that the page cannot draw.
    """
    about: dict[str, object]
    if isinstance(artist, AxLine):
        ((x, y), slope) = artist._xy1, artist._slope
        if slope != 0:
            raise ExportError("the page draws only horizontal endless lines")
        about = {"kind": "line", **line_look(artist)}
        return about | {"x": [-FAR, FAR], "y": list(place(ax, artist, "y", [y, y]))}
    if isinstance(artist, Line2D):
        about = {"kind": "line", **line_look(artist)}
        x, y = thinned(
            place(ax, artist, "x", artist.get_xdata()), place(ax, artist, "y", artist.get_ydata())
        )
        return about | {"x": x, "y": y}
    if isinstance(artist, Text):
        about = {
            "kind": "text",
            "size": pixels(artist.get_fontsize()),
            "ha": artist.get_ha(),
            "va": artist.get_va(),
            "fill": colors.to_hex(artist.get_color()),
            "text": plain(artist.get_text()),
        }
        if artist.get_weight() in ("bold", 700):
            about["bold"] = True
        if artist.get_transform() == ax.transAxes:
            about["above"] = bool(artist.get_position()[1] >= 1)
        x, y = artist.get_position()
        if artist.get_text() == "" and not artist.get_animated():
            return None
        return about | {"x": place(ax, artist, "x", [x]), "y": place(ax, artist, "y", [y])}
    if isinstance(artist, AxesImage):
        extent = artist.get_extent()
        line = Line2D([], [], transform=ax.transData)
        about = {
            "kind": "image",
            "rows": artist.get_array().shape[0],
            "x": place(ax, line, "x", extent[:2]),
            "y": place(ax, line, "y", extent[2:]),
            "smooth": artist.get_interpolation() != "nearest",
            "upwards": artist.origin == "lower",
            "palette": palette(artist),
        }
        if hasattr(artist, "network"):
            return about | {"unit": artist.network[1], "clim": artist.get_clim()}
        return about | {"z": shades(artist)}
    if isinstance(artist, PathCollection):
        x, y = np.asarray(artist.get_offsets()).T
        line = Line2D([], [], transform=artist.get_offset_transform())
        artist.update_scalarmappable()
        return {
            "kind": "dots",
            "size": pixels(math.sqrt(artist.get_sizes()[0])),
            "fills": [colors.to_hex(colour) for colour in artist.get_facecolors()],
            "edge": colors.to_hex(artist.get_edgecolors()[0]),
            "edgeWidth": pixels(artist.get_linewidths()[0]),
            "x": place(ax, line, "x", x),
            "y": place(ax, line, "y", y),
        }
    if isinstance(artist, Patch):
        outline = artist.get_transform().transform_path(artist.get_path()).to_polygons()
        corners = ax.transAxes.inverted().transform(outline[0]) * UNITS
        return {
            "kind": "area",
            "fill": colors.to_hex(artist.get_facecolor()),
            "alpha": 1 if artist.get_alpha() is None else artist.get_alpha(),
            "edge": colors.to_hex(artist.get_edgecolor()),
            "edgeWidth": pixels(artist.get_linewidth()),
            "x": np.round(corners[:, 0]).astype(int).tolist(),
            "y": np.round(corners[:, 1]).astype(int).tolist(),
        }
    raise ExportError(f"the page cannot draw a {type(artist).__name__}")


def parts(ax: Axes) -> list[Artist]:
    """What was drawn into axes, without the axes themselves."""
    return [*ax.images, *ax.patches, *ax.collections, *ax.lines, *ax.texts]


def description(explorer: object, tables: Tables) -> dict[str, object]:
    """Everything that the page needs to know."""
    scene = explorer.scene
    figure = scene.figure
    panels, items = [], []
    for number, ax in enumerate(figure.axes):
        panels.append(panel(ax))
        if "bar" in panels[-1]:
            continue
        for artist in parts(ax):
            moves = scene._moving.index(artist) if artist in scene._moving else None
            if moves is None and not artist.get_visible():
                continue
            about = still(artist, ax)
            if about is None or (moves is None and about["kind"] == "line" and not about["x"]):
                continue
            about |= (
                {"panel": number, "z": artist.get_zorder()}
                if "z" not in about
                else {"panel": number, "pixels": about["z"], "z": artist.get_zorder()}
            )
            if moves is not None:
                about["moves"] = moves
            items.append(about)
    items.sort(key=lambda about: about["z"])  # as matplotlib lays them over each other
    for text in figure.texts:  # the name of the axes above it, or a heading of the nearest below
        x, y = text.get_position()
        if y < min(ax.get_position().y0 for ax in figure.axes):
            for about in panels:
                about["xlabel"] = plain(text.get_text())
            continue
        under = [
            (abs(box.y1 - y) + abs((box.x0 + box.x1) / 2 - x), number)
            for number, box in enumerate(ax.get_position() for ax in figure.axes)
        ]
        panels[min(under)[1]]["title"] = plain(text.get_text())
    for legend in figure.legends:
        panels[0]["legend"] = legend_entries(legend)
    players = [child for child in _children(explorer) if isinstance(child, widgets.Play)]
    about = {
        "task": explorer.task,
        "alt": explorer.alt,
        "size": [round(100 * scene.width), round(100 * scene.height)],
        "lines": scene.text_lines,
        "controls": [one.described() for one in tables.dials],
        "panels": panels,
        "items": items,
        "tables": [written(table) for table in tables.tables],
        "cases": {"".join(map(str, case)): leaves for case, leaves in tables.cases.items()},
    }
    if players:
        about["play"] = players[0].interval
    return about


def _children(box: widgets.Widget) -> Iterable[widgets.Widget]:
    for child in getattr(box, "children", ()):
        yield child
        yield from _children(child)


def exported(name: str) -> tuple[object, Tables]:
    """An explorer by the name of its function, and everything it can show."""
    from gradlab import explorers

    explorer = getattr(explorers, name)()
    short = name.removesuffix("_explorer")
    dials = [
        dial(key, control, KEPT.get((short, key))) for key, control in explorer.controls.items()
    ]
    return explorer, tabulated(Witness(explorer), dials)


def export(name: str, folder: Path) -> Path:
    """Write the data of one explorer; nothing is done if the package has not changed since."""
    short = name.removesuffix("_explorer")
    target, stamp = folder / f"{short}.js", folder / f"{short}.stamp"
    sources = sorted((ROOT / "gradlab").rglob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in [Path(__file__), *sources]))
    if target.exists() and stamp.exists() and stamp.read_text() == digest.hexdigest():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    about = description(*exported(name))
    text = json.dumps(about, ensure_ascii=False, separators=(",", ":"))
    target.write_text(f'gradlabExplorer("{short}",{text});\n', encoding="utf-8")
    stamp.write_text(digest.hexdigest())
    return target


def export_all(names: Sequence[str], folder: Path) -> None:
    """Write the data of all explorers, two at a time, the long ones first."""
    long = ("training_explorer", "fingerprint_explorer", "epsilon_explorer")
    order = sorted(names, key=lambda name: long.index(name) if name in long else len(long))
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        list(pool.map(export, order, itertools.repeat(folder)))
