"""The frame of every explorer: controls, a picture and a line of words, in one box.

What makes it fast: the figure is built once, everything that stays is drawn once and saved, and a
move of a control only draws what moves over it and packs the pixels as a PNG with a fixed palette.
The browser holds back what it sends while the kernel is busy, so that the newest value wins; the
picture and the line of words are always made together, from the values of all controls at once.

Figures are plain ``widgets.Image``: they need no extension, in JupyterLab and in Colab.
"""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import ipywidgets as widgets
import numpy as np
import traitlets
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colorbar import Colorbar
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from gradlab.plots import style

__all__ = [
    "DPI",
    "HALO",
    "Explorer",
    "Key",
    "Scene",
    "beginning",
    "button",
    "counter",
    "rough",
    "selection",
    "slider",
    "tick",
]

DPI = style.SCREEN_DPI
HALO: dict[str, Any] = {
    "markeredgecolor": "white",
    "markeredgewidth": 1.5,
}  # lifts a marker off its curve
_Artist = TypeVar("_Artist", bound=Artist)
_VIEW = "application/vnd.jupyter.widget-view+json"


def _palette() -> Image.Image:
    """256 colours for every picture: an eighth of the time and half of the bytes of true colour.

    They are the colour maps in use, greys, and the colours of the series fading into the white
    beside them.
    """
    fading = np.linspace(0, 1, 5, endpoint=False)[:, None]
    series = np.array([to_rgb(series["color"]) for series in style.SERIES])
    colours = [np.linspace(0, 1, 16)[:, None] * [1, 1, 1]]
    colours += [colour + fading * (1 - colour) for colour in series if colour.any()]
    colours.append(colormaps["cividis"](np.linspace(0, 1, 70))[:, :3])
    left = 256 - sum(map(len, colours))
    colours.append(colormaps["viridis"](np.linspace(0, 1, left))[:, :3])
    image = Image.new("P", (1, 1))
    image.putpalette(np.round(255 * np.concatenate(colours)).astype(np.uint8).tobytes())
    return image


_PALETTE = _palette()


class Scene:
    """A figure of which only some artists move.

    A scene is a function from the values of the controls to a picture and a sentence, spread over a
    constructor, which makes the artists, and :meth:`update`, which places those that move. Nothing
    of an earlier value may be left after ``update``: equal values give equal pictures.

    A subclass makes its axes and its still artists in ``build``, hands every artist that moves to
    :meth:`moving`, and places them in ``update``.
    """

    width, height = 7.6, 4.2  # inches, of 100 pixels on the page
    text_lines = 2  # of words; the room for them is kept, so that nothing below jumps

    def __init__(self, dpi: float = DPI) -> None:
        with style.house_style():
            self.figure = Figure(figsize=(self.width, self.height), dpi=dpi)
            self._canvas = FigureCanvasAgg(self.figure)
            self._moving: list[Artist] = []
            self.build()
            self._moving.sort(key=lambda artist: artist.get_zorder())
            self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(self.figure.bbox)

    def build(self) -> None:
        """Make the axes, the artists that stay and those that move."""
        raise NotImplementedError

    def update(self, *args: Any, **values: Any) -> str:
        """Place what moves for these values, and say what is seen in a sentence or a few lines."""
        raise NotImplementedError

    def moving(self, artist: _Artist) -> _Artist:
        """Note that this artist moves, and give it back."""
        artist.set_animated(True)
        self._moving.append(artist)
        return artist

    def key(
        self, ax: Axes, looks: Mapping[str, Mapping[str, Any]], top: float, left: float = 0.02
    ) -> Key:
        """A legend of those series alone that are drawn just now: see :class:`Key`."""
        return Key(self, ax, looks, top, left)

    def colour_bar(
        self,
        image: AxesImage,
        box: tuple[float, float, float, float],
        ticks: Sequence[float],
        label: str = "",
        **options: Any,
    ) -> Colorbar:
        """Draw the colour bar of an image in ``box``; it stays even if the image moves.

        ``options`` are those of ``Figure.colorbar``.
        """
        bar = self.figure.colorbar(image, cax=self.figure.add_axes(box), **options)
        bar.set_ticks(ticks)
        bar.set_label(label)
        if bar.solids is not None:
            bar.solids.set_animated(False)  # which they have taken over from the image
        return bar

    def pixels(self) -> Image.Image:
        """The picture as it was last updated."""
        self._canvas.restore_region(self._background)
        renderer = self._canvas.get_renderer()
        for artist in self._moving:
            artist.draw(renderer)
        size = self._canvas.get_width_height()
        return Image.frombuffer("RGBA", size, self._canvas.buffer_rgba()).convert("RGB")


class Key:
    """A legend that lists what is drawn just now, and nothing else.

    The rows are lines and texts of the axes, in places counted from its lower left corner.

    Parameters
    ----------
    scene, ax
        Where it stands; its rows are among what moves.
    looks
        For each series, by name, how its line is drawn.
    top, left
        The place of the first row, in parts of the axes' height and width.
    """

    def __init__(
        self,
        scene: Scene,
        ax: Axes,
        looks: Mapping[str, Mapping[str, Any]],
        top: float,
        left: float = 0.02,
    ) -> None:
        self.top = top
        box = ax.get_position()
        width, height = box.width * scene.width, box.height * scene.height
        self.step, long = 0.23 / height, 0.21 / width  # inches
        self.rows: list[tuple[str, Line2D, Text]] = []
        spots = [left, left + long, left + 2 * long]
        beside: dict[str, Any] = {"transform": ax.transAxes, "va": "center", "fontsize": 11.5}
        free: dict[str, Any] = {"transform": ax.transAxes, "clip_on": False, "zorder": 7}
        for name, look in looks.items():
            line = scene.moving(*ax.plot(spots, [top] * 3, **{**look, **free}))
            text = scene.moving(ax.text(spots[-1] + long / 2, top, "", zorder=7, **beside))
            self.rows.append((name, line, text))

    def show(self, labels: Mapping[str, str]) -> None:
        """Show the series with these names, under these labels, from the top down."""
        count = 0
        for name, line, text in self.rows:
            for artist in (line, text):
                artist.set_visible(name in labels)
            if name not in labels:
                continue
            height = self.top - count * self.step
            line.set_ydata([height] * 3)
            text.set_y(height)
            text.set_text(labels[name])
            count += 1


class _Picture(widgets.Image):
    """An image with a name for screen readers: ipywidgets gives it no ``alt``, but 8 gives a title.

    The view of a tooltip asks for the description, which an image lacks; hence an empty one here.
    """

    description = traitlets.Unicode("").tag(sync=True)
    tooltip = traitlets.Unicode("").tag(sync=True)


# ipywidgets 8 returns every new value to the browser before it acts on it, for the sake of other
# browsers on the same kernel. That costs a sixth of the time until the new picture is there.


class _SelectionSlider(widgets.SelectionSlider):
    index = traitlets.Int(None, allow_none=True).tag(sync=True, echo_update=False)


class _IntSlider(widgets.IntSlider):
    value = traitlets.CInt(0).tag(sync=True, echo_update=False)


class Explorer(widgets.VBox):
    """Controls around a scene, drawn again whenever one of them changes.

    Parameters
    ----------
    scene
        What is drawn.
    controls
        The controls by the name of the value that they give to ``scene.update``.
    task
        What to try, in a sentence.
    alt
        What the opening picture shows, for whoever does not see it. It is stored with the notebook:
        no digits of it may differ between machines.
    beside
        Widgets that move the controls, shown before them.

    Attributes
    ----------
    controls, picture, readout
        The widgets: a dict, an ``Image`` and an ``HTML``.
    task, alt
        As they were given.
    pixels
        The picture, unpacked.
    """

    def __init__(
        self,
        scene: Scene,
        controls: Mapping[str, widgets.Widget],
        task: str,
        alt: str,
        beside: Sequence[widgets.Widget] = (),
    ) -> None:
        self.scene = scene
        self.controls = dict(controls)
        self.alt = style.alt_text(alt)
        self.task = task
        self.picture = _Picture(
            format="png",
            tooltip="The line below the picture says what it shows",
            layout=widgets.Layout(width=f"{round(scene.width * DPI)}px", max_width="100%"),
        )
        self.readout = widgets.HTML()
        self._redraw()
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        _lined_up(self.controls.values())
        # One to a row: a slider of full width can be set with a mouse, and reads on a phone.
        column = widgets.VBox([*beside, *self.controls.values()])
        column.add_class("gradlab-controls")
        super().__init__(
            [
                widgets.HTML(f'<p style="line-height:1.4;margin:4px 0"><b>Try:</b> {task}</p>'),
                column,
                self.picture,
                self.readout,
            ],
            layout=widgets.Layout(max_width=f"{round(scene.width * DPI) + 20}px"),
        )

    @property
    def values(self) -> dict[str, Any]:
        """The values of the controls."""
        return {name: control.value for name, control in self.controls.items()}

    def _redraw(self, change: object = None) -> None:
        words = self.scene.update(**self.values)
        self.pixels = self.scene.pixels()
        buffer = io.BytesIO()
        indexed = self.pixels.quantize(palette=_PALETTE, dither=Image.Dither.NONE)
        indexed.save(buffer, "png", compress_level=1)
        self.picture.value = buffer.getvalue()
        height = f"line-height:1.4;min-height:{1.4 * self.scene.text_lines:.1f}em"
        lines = html.escape(words).replace("\n", "<br>")
        self.readout.value = f'<div role="status" aria-live="polite" style="{height}">{lines}</div>'

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> tuple:
        """The live view, and beside it a still picture for where no kernel runs."""
        picture = style.packed(self.pixels, self.alt)
        data, metadata = style.still(picture, self.alt, self.scene.width)
        data[_VIEW] = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return data, metadata

    def _ipython_display_(self, **_: object) -> None:
        # ipywidgets 7 would display itself without the still picture, and 8 has no such method.
        if not InteractiveShell.initialized():
            print(self.alt)
            return
        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)
        display({"text/html": style.unseen_text(f"As it opens: {self.alt}")}, raw=True)


def beginning(line: Line2D, x: np.ndarray, y: np.ndarray, count: int) -> None:
    """Show the first ``count`` points of a curve, and note the whole of it for the web site."""
    line.set_data(x[:count], y[:count])
    line.whole = x, y  # type: ignore[attr-defined]  # a note for the site, on purpose


def slider(description: str, options: Mapping[str, Any], value: Any) -> widgets.Widget:
    """A slider over listed values: an arrow key is a step, and no other value can be entered."""
    return _SelectionSlider(options=list(options.items()), value=value, **_described(description))


def counter(description: str, low: int, high: int, value: int) -> widgets.Widget:
    """A slider over whole numbers: what is typed beside it is kept between ``low`` and ``high``."""
    return _IntSlider(value, low, high, **_described(description))


def selection(description: str, options: Mapping[str, Any], value: Any) -> widgets.Widget:
    """A menu of listed values."""
    return widgets.Dropdown(options=list(options.items()), value=value, **_described(description))


def tick(description: str, value: bool) -> widgets.Checkbox:
    """A box to be ticked."""
    layout = widgets.Layout(width="98%", height="24px", margin="0 2px")
    return widgets.Checkbox(value, description=description, indent=False, layout=layout)


def button(description: str) -> widgets.ToggleButton:
    """A button that stays pressed until it is pressed again."""
    layout = widgets.Layout(width="98%")
    return widgets.ToggleButton(False, description=description, layout=layout)


# As ipywidgets 8 and 7 call it.
_TOOLTIP = "tooltip" if widgets.IntSlider.class_traits().get("tooltip") else "description_tooltip"


def _described(description: str) -> dict[str, Any]:
    return {
        "description": description,
        _TOOLTIP: description,  # all the name that ipywidgets lets the handle of a slider have
        "layout": widgets.Layout(width="98%"),
    }


def _lined_up(controls: Iterable[widgets.Widget]) -> None:
    """Let the sliders and menus of an explorer begin below one another."""
    described = [
        one for one in controls if not isinstance(one, widgets.Checkbox | widgets.ToggleButton)
    ]
    longest = max((len(one.description) for one in described), default=0)
    for one in described:
        one.style.description_width = f"{0.55 * longest + 1:.1f}em"


def rough(value: float) -> str:
    """A number to two digits, as a reader keeps it: 1.3, 14, 2,300, 2.0e10."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return (
            f"{float(f'{value:.1e}'):,.4g}"
            if abs(value) < 1000
            else f"{float(f'{value:.1e}'):,.0f}"
        )
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(power)}"
