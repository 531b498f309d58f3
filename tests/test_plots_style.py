"""The look of the figures, and what of it reaches a page, a terminal and a screen reader."""

from __future__ import annotations

import base64
import io
import re

import matplotlib
import nbformat
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from nbconvert import HTMLExporter
from PIL import Image

from gradlab import plots
from gradlab.plots import style

with style.house_style():
    GRID = matplotlib.rcParams["grid.color"]


@pytest.fixture
def outputs(monkeypatch):
    """What a notebook would get from ``show``, one ``(data, metadata)`` per output."""
    shown = []

    def keep(data, metadata=None, raw=False):
        assert raw
        shown.append((data, metadata or {}))

    monkeypatch.setattr(style, "display", keep)
    monkeypatch.setattr(style.InteractiveShell, "initialized", lambda: True)
    return shown


def line():
    _, ax = plots.figure(4, 3)
    ax.plot([0, 1], [0, 1], **plots.SERIES[0])
    return ax


def luminance(colour):
    channels = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_series_differ_in_colour_and_in_marker_and_in_dash():
    for key in ("color", "marker", "linestyle"):
        assert len({str(series[key]) for series in plots.SERIES}) == len(plots.SERIES)


def test_methods_have_a_name_and_a_series_each():
    assert len({str(series) for series in plots.METHODS.values()}) == len(plots.METHODS)
    assert len({plots.method_name(method) for method in plots.METHODS}) == len(plots.METHODS)


def test_text_and_the_main_series_stand_out_from_white():
    """WCAG 2.2: 4.5 to 1 for text, 3 to 1 for what carries meaning in a picture."""
    contrast = {
        name: 1.05 / (luminance(getattr(plots, name)) + 0.05)
        for name in plots.__dict__
        if name in {"GREY", "BLACK", "BLUE", "VERMILION", "GREEN"}
    }
    assert contrast["GREY"] >= 4.5
    assert min(contrast.values()) >= 3


def test_the_users_own_settings_neither_change_nor_shine_through():
    plain = plots.png(line())
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 40, "lines.color": "red"}):
        before = dict(matplotlib.rcParams)
        assert plots.png(line()) == plain
        assert dict(matplotlib.rcParams) == before


def test_figures_stay_clear_of_pyplot():
    import matplotlib.pyplot as plt

    plots.png(line())
    assert plt.get_fignums() == []


def test_equal_figures_give_equal_bytes_that_carry_the_alt_text_alone():
    first, second = (plots.png(line(), alt="A line.") for _ in range(2))
    assert first == second
    assert Image.open(io.BytesIO(first)).info == {"Description": "A line."}


def test_png_keeps_the_figures_size_and_resolution():
    ax = line()
    dpi = ax.figure.dpi
    width, height = Image.open(io.BytesIO(plots.png(ax, dpi=200))).size
    assert (width, height) == (800, 600)
    assert ax.figure.dpi == dpi


def test_the_colours_of_a_figure_survive_its_palette():
    """The grid was once as pink as the palest of the lines, and the legend's frame with it."""
    _, ax = plots.figure(7, 4)
    steps = np.logspace(-6, 0, 25)
    for number, series in enumerate(plots.SERIES[:4]):
        ax.loglog(steps, steps ** (number - 1), label=f"line {number}", **series)
    ax.plot(1e-3, 1, "*", color="#F0E442", markersize=14)
    ax.legend()
    drawn = np.asarray(Image.open(io.BytesIO(plots.png(ax))).convert("RGB")).astype(int)
    for colour in [line.get_color() for line in ax.lines] + [GRID]:
        off = np.abs(drawn - 255 * np.array(to_rgb(colour))).max(axis=-1)
        assert np.sum(off <= 3) > (1000 if colour == GRID else 50), colour


@pytest.mark.parametrize("pick", [lambda ax: ax, lambda ax: ax.figure, lambda ax: np.array([[ax]])])
def test_show_gives_the_picture_its_alt_text_everywhere(outputs, pick):
    alt = "A line rises from 0 < 1 to 1."
    plots.show(pick(line()), alt=alt)
    (data, metadata), (unseen, _) = outputs
    assert data["text/plain"] == alt
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.info["Description"] == alt
    assert metadata["image/png"] == {"width": 400, "alt": alt}
    assert "A line rises from 0 &lt; 1 to 1." in unseen["text/html"]


@pytest.mark.parametrize("template", ["lab", "classic"])
def test_a_page_made_of_the_notebook_says_it_in_words(outputs, template):
    plots.show(line(), alt="A rising line.")
    cell = nbformat.v4.new_code_cell(
        outputs=[
            nbformat.v4.new_output("display_data", data=data, metadata=metadata)
            for data, metadata in outputs
        ]
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    page, _ = HTMLExporter(template_name=template).from_notebook_node(notebook)
    assert re.search(r'<p style="[^"]*">A rising line.</p>', page)
    if template == "classic":  # the other one has no room for it
        assert re.search(r'<img[^>]*alt="A rising line."', page)


def test_a_plain_script_gets_the_sentence(capsys):
    plots.show(line(), alt="A rising line.")
    assert capsys.readouterr().out == "A rising line.\n"


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_figure_without_words_is_refused(alt):
    with pytest.raises(ValueError, match="say in a sentence what the figure shows"):
        plots.show(line(), alt=alt)


def test_alt_text_must_be_text():
    with pytest.raises(TypeError, match="alt must be a sentence"):
        plots.show(line(), alt=3)


def test_a_figure_brings_its_own_words(outputs):
    ax = line()
    with pytest.raises(ValueError, match="say in a sentence what the figure shows"):
        plots.show(ax)
    plots.describe(ax, "A rising line.")
    plots.show(ax.figure)
    assert outputs[0][0]["text/plain"] == "A rising line."
    assert Image.open(io.BytesIO(plots.png(ax))).info["Description"] == "A rising line."


def test_the_words_of_a_page_are_those_of_its_panels_or_its_own():
    page, (left, right) = plots.figure(8, 3, columns=2)
    plots.describe(left, "Left.")
    plots.describe(right, "Right.")
    assert plots.description(right) == plots.description(page) == "Left. Right."
    plots.describe(page, "Both.")
    assert plots.description(left) == "Both."


@pytest.mark.parametrize("thing", ["figure", None])
def test_words_need_a_figure(thing):
    with pytest.raises(TypeError, match="expected a figure or its axes"):
        plots.describe(thing, "A line.")


@pytest.mark.parametrize("thing", [None, "figure", 3, np.array([])])
def test_what_is_no_figure_is_refused(thing):
    with pytest.raises(TypeError, match="expected a figure or its axes"):
        plots.show(thing, alt="Nothing.")
