"""How every figure of the course looks, and how it is shown: palette, series, page, PNG, alt text.

Nothing here goes through pyplot and nobody's ``rcParams`` are changed for longer than a call: a
learner who has a style of their own keeps it, and the course's figures look the same all the same.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal
from weakref import WeakKeyDictionary

import matplotlib.style
import numpy as np
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, PngImagePlugin

from gradlab.differences.formulas import label_of

__all__ = [
    "BLACK",
    "BLUE",
    "BROWN",
    "FORMATS",
    "GREEN",
    "GREY",
    "METHODS",
    "ORANGE",
    "PURPLE",
    "RULES",
    "SERIES",
    "SKY",
    "VERMILION",
    "YELLOW",
    "describe",
    "description",
    "figure",
    "house_style",
    "method_name",
    "png",
    "show",
]

# Masataka Okabe and Kei Ito, "Color Universal Design (CUD): how to make figures and presentations
# that are friendly to colorblind people", J*FLY Data Depository for Drosophila Researchers, 2008:
# told apart with the common colour-vision deficiencies. Yellow, orange and sky are for areas only,
# they are too faint for a line on white.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#767676"
BROWN = "#7A4A12"  # not theirs: a sixth line, where orange would have 2.2 to 1 against white

# A series is known by colour, by marker and by dash, so that any one of the three is enough.
SERIES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "marker": "o", "linestyle": "-"},
    {"color": VERMILION, "marker": "s", "linestyle": "--"},
    {"color": GREEN, "marker": "^", "linestyle": "-."},
    {"color": PURPLE, "marker": "D", "linestyle": ":"},
    {"color": BLACK, "marker": "v", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    {"color": BROWN, "marker": "P", "linestyle": (0, (8, 2))},
)

# The same difference formula looks the same in every figure of the course, and so do the same
# format of floating point and the same rule that judges a difference.
FORMATS = {
    "float64": SERIES[0],
    "float32": SERIES[1],
    "float16": SERIES[2],
    "bfloat16": SERIES[3],
}
RULES = {
    "error bar of the noise": SERIES[0],
    "cutoff 1e-7": SERIES[1],
    "cutoff 1e-3": SERIES[2],
}
METHODS: dict[str, dict[str, Any]] = {
    "forward": SERIES[1],
    "central": SERIES[0],
    "central4": SERIES[2],
    "complex": SERIES[4],
    "richardson": SERIES[3],
}
_STYLE: dict[str, Any] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # it comes with matplotlib: the same on every machine
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "axes.titlepad": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "lines.linewidth": 2,
    "lines.markersize": 6,
    "lines.markeredgewidth": 0.8,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
}
# What a figure, or one axes of it, shows in words: see `describe`.
_WORDS: WeakKeyDictionary[Figure | Axes, str] = WeakKeyDictionary()

SCREEN_DPI = 100
_STILL_DPI = 130  # stills are stored denser than they are shown, for dense screens

# The usual way to leave a sentence to screen readers and take no room on the screen.
_UNSEEN = (
    "position:absolute;width:1px;height:1px;margin:-1px;padding:0;border:0;overflow:hidden;"
    "clip:rect(0,0,0,0);white-space:nowrap"
)


@contextmanager
def house_style() -> Iterator[None]:
    """The style of the course for the length of a ``with`` block, whatever the user's own is.

    Matplotlib reads its settings when an artist is made, so a plot function that makes artists
    draws inside this block, or is decorated with ``@house_style()``.

    Examples
    --------
    >>> from gradlab import plots
    >>> page, ax = plots.figure()
    >>> with plots.house_style():
    ...     line, = ax.plot([0, 1], [0, 1])
    >>> line.get_linewidth()
    2.0
    """
    with matplotlib.style.context(["default", _STYLE]):
        yield


def method_name(method: str) -> str:
    """The name of a difference formula as figures and readouts write it.

    Raises
    ------
    KeyError
        If there is no such formula.

    Examples
    --------
    >>> from gradlab import plots
    >>> plots.method_name("central4")
    'central, 4th order'
    """
    return label_of(method)


def method_series(method: str) -> dict[str, Any]:
    """Colour, marker and dash of a difference formula; those of the last series for a new one."""
    return METHODS.get(method, SERIES[-1])


def figure(
    width: float = 7,
    height: float = 4,
    rows: int = 1,
    columns: int = 1,
    layout: Literal["constrained", "compressed", "tight"] | None = "constrained",
    **subplots: Any,
) -> tuple[Figure, Any]:
    """Make a figure in the style of the course, without pyplot.

    Parameters
    ----------
    width, height
        In inches; an inch is 100 pixels on the page. 7 inches fill a notebook's column.
    rows, columns
        Number of axes.
    layout
        matplotlib's layout engine; ``None`` for a figure whose axes are placed by hand.
    **subplots
        Passed to ``Figure.subplots``: ``sharex``, ``sharey``, ``width_ratios``, ``subplot_kw`` …

    Returns
    -------
    figure, axes
        As ``pyplot.subplots`` gives them: one axes, or an array of them.

    Examples
    --------
    >>> from gradlab import plots
    >>> page, axes = plots.figure(7, 3, columns=2, sharey=True)
    >>> axes.shape
    (2,)
    """
    with house_style():
        page = Figure(figsize=(width, height), dpi=SCREEN_DPI, layout=layout)
        FigureCanvasAgg(page)
        return page, page.subplots(rows, columns, **subplots)


def axes_or_new(ax: Axes | None, width: float = 7, height: float = 4) -> Axes:
    """``ax`` itself if there is one, otherwise that of a new :func:`figure`."""
    return figure(width, height)[1] if ax is None else ax


def describe(figure_or_axes: Figure | Axes, words: str) -> None:
    """Give a figure, or one axes of it, the sentences that say what it shows.

    Whatever draws a figure describes it too, from the numbers that it draws: so the words are true
    of any data, and no cell has to spell out an answer beside the call that shows it.

    Parameters
    ----------
    figure_or_axes
        A figure; or an axes, for a function that draws one panel of somebody's figure.
    words
        What is seen and what it means. They replace earlier ones.

    Raises
    ------
    TypeError, ValueError
        If there is no figure, or there are no words.

    Examples
    --------
    >>> from gradlab import plots
    >>> page, ax = plots.figure()
    >>> plots.describe(page, "Empty axes.")
    >>> plots.description(page)
    'Empty axes.'
    """
    _whole_figure(figure_or_axes)
    _WORDS[figure_or_axes] = alt_text(words)


def description(figure_or_axes: Figure | Axes) -> str:
    """The words of a figure, or those of its axes one after the other; empty if nobody gave any.

    Raises
    ------
    TypeError
        If there is no figure.

    Examples
    --------
    >>> from gradlab import plots
    >>> page, ax = plots.figure()
    >>> plots.description(page)
    ''
    """
    page = _whole_figure(figure_or_axes)
    of_axes = (_WORDS.get(ax, "") for ax in page.axes)
    return _WORDS.get(page) or " ".join(words for words in of_axes if words)


def listed(words: Iterable[str]) -> str:
    """Words as a sentence has them: one; one and two; one, two and three."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def decade(value: float) -> str:
    """A number as its power of ten, which is all that a reader takes from a logarithmic axis."""
    return f"1e{round(np.log10(value)):d}"


def numbers_in(guess: object) -> np.ndarray:
    """The finite numbers of what somebody guessed, which may be anything: a figure can draw these.

    Examples
    --------
    >>> from gradlab.plots.style import numbers_in
    >>> numbers_in([32, "all others", 64]).tolist()
    [32.0, 64.0]
    """
    parts = guess if isinstance(guess, list | tuple) else [guess]
    kept = (one for one in parts if isinstance(one, int | float) and not isinstance(one, bool))
    return np.array([float(one) for one in kept if abs(one) < 1e300])


def png(figure_or_axes: Figure | Axes, dpi: float = _STILL_DPI, alt: str | None = None) -> bytes:
    """Draw a figure as a small PNG: a palette image, equal bytes for equal figures.

    Neither a date nor the name of a program is stored in it; ``alt`` is, as its description: by
    default the figure's own words. The resolution ``dpi`` is in pixels per inch.

    Raises
    ------
    TypeError
        If there is no figure.

    Examples
    --------
    >>> from gradlab import plots
    >>> page, ax = plots.figure()
    >>> plots.png(page)[1:4]
    b'PNG'
    """
    page = _whole_figure(figure_or_axes)
    screen_dpi = page.dpi
    with house_style():
        try:
            page.set_dpi(dpi)
            canvas = FigureCanvasAgg(page)
            canvas.draw()
        finally:
            page.set_dpi(screen_dpi)
    words = description(page) if alt is None else alt
    return packed(Image.fromarray(np.asarray(canvas.buffer_rgba())), words)


def packed(pixels: Image.Image, alt: str = "") -> bytes:
    """Pixels as a small PNG: a palette of 256 colours, with ``alt`` as its description."""
    description = PngImagePlugin.PngInfo()
    if alt:
        description.add_itxt("Description", alt)
    buffer = io.BytesIO()
    # Median cut keeps the pale grid in its own grey, and shaded areas without visible bands.
    indexed = pixels.convert("RGB").quantize(
        method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    indexed.save(buffer, "png", optimize=True, pnginfo=description)
    return buffer.getvalue()


def show(figure_or_axes: Figure | Axes, alt: str | None = None) -> None:
    """Display a figure together with the sentences that say what it shows.

    Parameters
    ----------
    figure_or_axes
        A figure, or any axes of it: the whole figure is shown.
    alt
        What is seen and what it means, for whoever does not see it; by default the words that the
        figure brings along, as all figures of the course do. They are the output's plain text
        (terminals, GitHub's diffs), the picture's ``alt`` where the page has room for one, and an
        unseen line after the picture for screen readers: JupyterLab gives pictures no ``alt``.

    Raises
    ------
    TypeError
        If there is no figure, or ``alt`` is not a string.
    ValueError
        If ``alt`` is empty, or the figure has no words of its own.

    Examples
    --------
    >>> from gradlab import plots
    >>> page, ax = plots.figure()
    >>> plots.show(page, alt="Empty axes.")  # a notebook shows the figure, a terminal the words
    Empty axes.
    """
    page = _whole_figure(figure_or_axes)
    if alt is None:
        alt = description(page)
    picture = png(page, alt=alt_text(alt))
    if not InteractiveShell.initialized():  # a plain script: there is nothing to show it on
        print(alt)
        return
    data, metadata = still(picture, alt, width=page.get_figwidth())
    display(data, metadata=metadata, raw=True)
    display({"text/html": unseen_text(alt)}, raw=True)


def still(picture: bytes, alt: str, width: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data and the metadata of a notebook output that shows a PNG, ``width`` inches wide."""
    data = {"image/png": base64.b64encode(picture).decode("ascii"), "text/plain": alt}
    return data, {"image/png": {"width": round(width * SCREEN_DPI), "alt": alt}}


def unseen_text(text: str) -> str:
    """HTML that only a screen reader notices."""
    return f'<p style="{_UNSEEN}">{html.escape(text)}</p>'


def alt_text(alt: str) -> str:
    """``alt`` itself, or an error that says what is wrong with it."""
    if not isinstance(alt, str):
        raise TypeError(f"alt must be a sentence that describes the figure, not {alt!r}")
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the figure shows")
    return alt


def _whole_figure(figure_or_axes: Figure | Axes) -> Figure:
    if isinstance(figure_or_axes, np.ndarray) and figure_or_axes.size:
        figure_or_axes = figure_or_axes.flat[0]
    if isinstance(figure_or_axes, Artist):
        page = figure_or_axes.figure
        if page is not None:
            return page.figure
    raise TypeError(f"expected a figure or its axes, not {type(figure_or_axes).__name__}")
