"""Everyone can follow the course: words for every picture, and no meaning by colour alone.

Alt texts and headings are also rules of ``check_notebooks``, which ``test_notebooks`` breaks one by
one; the explorers' words are tested in ``test_explorers``.
"""

from __future__ import annotations

import html
import re
from itertools import combinations

import check_notebooks
import nbformat
import numpy as np
import pytest
from conftest import ROOT
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from PIL import Image

import gradlab
from gradlab import explorers, mlp, plots
from gradlab.plots import heatmap, network

X, y = gradlab.paraboloid()
PARAMS = mlp.init_params(seed=0)
GRADS = mlp.backward(PARAMS, mlp.forward(PARAMS, X)[1], y)
LOSS = mlp.loss_function(X, y)
PATHS = check_notebooks.notebook_paths()


# ------------------------------------------------------------------------------- words for pictures


def wordless(cell):
    """The pictures in a cell's outputs whose words do not reach every reader."""
    unseen = [out.data["text/html"] for out in cell.outputs if "text/html" in out.get("data", {})]
    for out in cell.outputs:
        if "image/png" in out.get("data", {}):
            alt = out.data.get("text/plain", "")
            of_the_page = out.metadata.get("image/png", {}).get("alt")
            if not alt or of_the_page != alt or not any(html.escape(alt) in one for one in unseen):
                yield alt


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_words_of_a_stored_picture_reach_pages_and_screen_readers(path):
    cells = check_notebooks.code_cells(nbformat.read(path, as_version=4))
    assert [alt for cell in cells for alt in wordless(cell)] == []


def test_a_picture_without_those_words_is_noticed():
    picture = {"image/png": "", "text/plain": "A line."}
    for alt, said in (("", "A line."), ("Another.", "A line."), ("A line.", "")):
        outputs = [
            nbformat.v4.new_output("display_data", picture, metadata={"image/png": {"alt": alt}}),
            nbformat.v4.new_output("display_data", {"text/html": f"<p>{said}</p>"}),
        ]
        assert list(wordless(nbformat.v4.new_code_cell(outputs=outputs))) == ["A line."]


def test_the_picture_of_the_readme_says_in_words_what_it_shows():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[([^\]]*)\]\((notebooks/images/[^)]+)\)", text)
    assert {path.name for path in (ROOT / "notebooks" / "images").iterdir()} == {
        path.rsplit("/", 1)[1] for _, path in pictures
    }
    for alt, path in pictures:
        assert len(alt.split()) >= 8
        assert Image.open(ROOT / path).info["Description"] == alt


HUE = re.compile(r"\b(blue|red|green|orange|yellow|purple|violet|pink|cyan|magenta|brown)\b")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_no_sentence_points_to_something_by_its_colour(path):
    notebook = nbformat.read(path, as_version=4)
    said = [cell.source for cell in check_notebooks.markdown_cells(notebook)]
    for cell in check_notebooks.code_cells(notebook):
        said += [cell.source, *check_notebooks.output_texts(cell)]
    assert [match[0] for text in said for match in HUE.finditer(text)] == []


# -------------------------------------------------------------------------------------- headings


def test_a_page_with_headings_out_of_order_is_noticed():
    good = "# Title\n\n## Part\n\n### Detail\n\n## Part\n\n```\n# a comment\n```\n"
    assert list(check_notebooks.heading_complaints(good)) == []
    for old, new in (("# Title", "## Title"), ("## Part", "# Part"), ("### D", "#### D")):
        assert list(check_notebooks.heading_complaints(good.replace(old, new, 1))) != []


# -------------------------------------------------------------------------------------- the palette

# Gustavo M. Machado, Manuel M. Oliveira and Leandro A. F. Fernandes, "A physiologically-based model
# for simulation of color vision deficiency", IEEE Transactions on Visualization and Computer
# Graphics 15 (6), 2009, pages 1291-1298: linear RGB, severity 1.
SIGHT = {
    "full": np.eye(3),
    "without long-wave cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without medium-wave cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "without short-wave cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
WHITE = np.sum(XYZ, axis=1)
PLAIN = 10  # CIELAB units; 2.3 can just be told apart side by side


def lab(colour, sight):
    """CIELAB coordinates (CIE 1976) of a colour as it looks to someone."""
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    t = XYZ @ np.clip(np.asarray(SIGHT[sight]) @ linear, 0, 1) / WHITE
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(colours, sight):
    return min(np.linalg.norm(lab(a, sight) - lab(b, sight)) for a, b in combinations(colours, 2))


@pytest.mark.parametrize("sight", SIGHT)
def test_the_colours_of_the_series_differ_to_everyone(sight):
    assert nearest([series["color"] for series in plots.SERIES], sight) > PLAIN


@pytest.mark.parametrize("sight", SIGHT)
def test_the_shades_of_the_heat_map_darken_to_everyone(sight):
    lightness = [lab(colour, sight)[0] for colour in heatmap.COLOURS]
    assert np.all(np.diff(lightness) < -5)


def test_a_palette_that_some_cannot_tell_apart_is_noticed():
    olive_and_red = ["#999900", "#CC6600"]
    assert nearest(olive_and_red, "full") > PLAIN
    assert nearest(olive_and_red, "without medium-wave cones") < PLAIN


# --------------------------------------------------------------------------------------- figures

STEPS = np.logspace(-6, -1, 12)
RULES = ("error bar of the noise", "cutoff 1e-7", "cutoff 1e-3")
RUNS = {name: np.geomspace(1, scale, 50) for name, scale in zip("abcdef", STEPS, strict=False)}
FIGURES = {
    "checking_cost": lambda: plots.checking_cost([10, 100], {"a": [1, 2], "b": [1, 3]}),
    "computation_graph": plots.computation_graph,
    "data_surface": lambda: plots.data_surface(X, y),
    "detection": lambda: plots.detection([1, 0.1], *2 * [dict.fromkeys(RULES, [1, 0.5])]),
    "error_bands": lambda: plots.error_bands({"W1": STEPS}, 1e-7, {"W1": 1e-3}),
    "error_curves": lambda: plots.error_curves(
        gradlab.error_curve(LOSS, PARAMS, GRADS, plots.METHODS, STEPS, vectorized=True)
    ),
    "entries_in_bars": lambda: plots.entries_in_bars(
        {"right": GRADS, "wrong": {**GRADS, "W1": -GRADS["W1"]}},
        GRADS,
        {name: np.full(g.shape, 1e-10) for name, g in GRADS.items()},
    ),
    "error_while_filling": lambda: plots.error_while_filling([0.9, 0.1], "W1", 1e-7),
    "noise_left_over": lambda: plots.noise_left_over(STEPS, np.sin(STEPS), 0.3, guess=1),
    "fingerprint_shapes": lambda: plots.fingerprint_shapes(STEPS, {"flat": ("a", STEPS)}, STEPS),
    "hidden_units": lambda: plots.hidden_units(PARAMS),
    "kernel_sizes": lambda: plots.kernel_sizes([2, 3], {"a": [1, 1e-9]}, 2, guess=2),
    "named_error_curves": lambda: plots.named_error_curves(STEPS, dict.fromkeys("abcdef", STEPS)),
    "one_sample_nudged": lambda: plots.one_sample_nudged({"a": np.ones(3), "b": np.zeros(3)}),
    "precision_law": lambda: plots.precision_law(
        STEPS, {"float64": STEPS, "float16": STEPS[::-1]}, {"float64": 1e-16, "float16": 5e-4}, 1e-2
    ),
    "recovered_gradient": lambda: plots.recovered_gradient([0.1, 1], [1e-3, 1e-4]),
    "secants": lambda: plots.secants(np.square, 1.0, (1, 0.5, 0.25, 0.1), 2.0),
    "shifts_and_allowances": lambda: plots.shifts_and_allowances(
        {1: np.ones(3)}, dict.fromkeys(RULES, np.ones(3))
    ),
    "shared_axis": lambda: plots.shared_axis(np.ones((2, 2)), np.ones((2, 1))),
    "sigmoid_slope": plots.sigmoid_slope,
    "staircase": lambda: plots.staircase(np.square, 1.0, 1e-14, 2.0),
    "taylor_remainders": lambda: plots.taylor_remainders(STEPS, {"a": STEPS, "b": STEPS}),
    "training_curves": lambda: plots.training_curves({**RUNS, "f": np.ones((2, 50)), "e": X.T}),
    "two_names": plots.two_names,
    "witnesses": lambda: plots.witnesses({"a": (0.2, 0.0), "b": (1.0, 16.0)}),
    "weight_histograms": lambda: plots.weight_histograms({"a": X, "b": y}),
}
MATRICES = {"blind_spots", "fingerprints", "heat_map", "what_moves"}  # see the signs in their cells
TOOLS = {
    "describe",
    "description",
    "figure",
    "house_style",
    "method_name",
    "png",
    "show",
}


def axes_of(drawn):
    drawn = drawn.flat[0] if isinstance(drawn, np.ndarray) else drawn
    return drawn.get_figure(root=True).axes if hasattr(drawn, "get_xlabel") else drawn.axes


def look(series):
    """What is left of a line or an outline without its colour."""
    marker = series.get_marker() if isinstance(series, Line2D) else ""
    dash = series._unscaled_dash_pattern  # get_linestyle calls every pattern of one's own "--"
    return marker, str(dash), series.get_linestyle() == "None", series.get_linewidth() >= 2.5


def colour(series):
    return to_rgb(series.get_color() if isinstance(series, Line2D) else series.get_edgecolor())


def alike(ax):
    """Pairs of series that differ in colour alone: those of the legend, and all lines drawn."""
    legend = ax.get_legend()
    in_legend = legend.legend_handles if legend else []
    lines = [line for line in ax.lines if len(line.get_xdata()) and line.get_linestyle() != "None"]
    for group in (in_legend, lines):
        for one, other in combinations(group, 2):
            if colour(one) != colour(other) and look(one) == look(other):
                yield one.get_label(), other.get_label()


def test_every_figure_is_looked_at():
    functions = {name for name in dir(plots) if callable(getattr(plots, name))}
    public = {
        name for name in functions if getattr(plots, name).__module__.startswith("gradlab.plots")
    }
    assert public == {*FIGURES} | MATRICES | TOOLS


def page_of(drawn):
    drawn = drawn.flat[0] if isinstance(drawn, np.ndarray) else drawn
    return drawn.get_figure(root=True)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_says_what_it_shows(name):
    words = plots.description(page_of(FIGURES[name]()))
    assert len(words.split()) >= 8 and words[0].isupper() and words.endswith(".")
    assert not re.search(r"<\w|\w+\(|\bnan\b|\binf\b", words) and not HUE.search(words)


def test_the_words_of_a_figure_follow_its_numbers():
    falls, rises = (plots.training_curves({"a": np.geomspace(1, end, 50)}) for end in (0.1, 10))
    assert "ends at 0.1 " in plots.description(falls)
    assert "ends at 10 " in plots.description(rises)
    for wrong, said in ((0, "W1 0 of 10"), (1, "W1 10 of 10")):
        page = report(W1=GRADS["W1"] + wrong).plot()
        assert said in plots.description(page)


@pytest.mark.parametrize("name", FIGURES)
def test_no_two_series_differ_by_colour_alone(name):
    assert [pair for ax in axes_of(FIGURES[name]()) for pair in alike(ax)] == []


def test_series_that_differ_by_colour_alone_are_noticed(monkeypatch):
    same = [{"color": c, "marker": "o", "linestyle": "-"} for c in (plots.BLUE, plots.VERMILION)]
    monkeypatch.setattr(network, "SERIES", same)
    two = {"a": RUNS["a"], "b": RUNS["b"]}
    assert list(alike(plots.training_curves(two)))
    assert list(alike(plots.weight_histograms(two)))


def contrast(colour, alpha=1.0):
    """Of a line with the white page behind it, as WCAG 2 defines it; 3 is what 1.4.11 asks."""
    channels = 1 - (1 - np.array(to_rgb(colour))) * (1 if alpha is None else alpha)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05)


def faint_lines(page):
    for ax in page.axes:
        for line in ax.lines:
            on_a_map = any(image.get_visible() for image in ax.images)
            if line.get_linestyle() != "None" and not on_a_map:
                if contrast(line.get_color(), line.get_alpha()) < 3:
                    yield line.get_label(), line.get_color()


@pytest.mark.parametrize("name", [*FIGURES, *explorers.__all__])
def test_no_line_is_fainter_than_3_to_1(name):
    page = page_of(FIGURES[name]()) if name in FIGURES else getattr(explorers, name)().scene.figure
    assert list(faint_lines(page)) == []
    assert contrast("white") == 1 and round(contrast("black")) == 21
    assert contrast("#E69F00") < 3 < min(contrast(look["color"]) for look in plots.SERIES)


def test_values_and_gradients_flow_along_different_dashes():
    assert network.FORWARD["linestyle"] != network.BACKWARD["linestyle"]
    drawn = [
        (text.arrow_patch.get_edgecolor(), text.arrow_patch.get_linestyle())
        for text in plots.computation_graph().texts
        if getattr(text, "arrow_patch", None)
    ]
    assert len({*drawn}) == len({dash for _, dash in drawn}) == 2


# --------------------------------------------------------------------------------- signs in cells


def report(**wrong):
    return gradlab.check_gradients(LOSS, PARAMS, {**GRADS, **wrong})


def test_the_heat_map_crosses_exactly_the_wrong_entries():
    off = GRADS["W1"].copy()
    off[1, 3] += 1
    panels = report(W1=off).plot().axes[:4]
    crosses = [(ax.get_title(), text.get_position()) for ax in panels for text in ax.texts]
    assert crosses == [("W1: wrong", (3.5, 1.5))]
    shades = [text.get_text() for text in report(W1=off).plot().axes[-1].texts]
    assert shades == list(heatmap.LABELS)


def test_the_matrices_say_in_every_cell_what_its_colour_says():
    found = {"a bug": {"x": "caught", "y": "warned", "z": "missed"}}
    ax = plots.blind_spots(found, ["x", "y", "z"])
    signs = [text.get_text() for text in ax.texts]
    assert len({*signs}) == 3
    for sign, word in zip(signs, found["a bug"].values(), strict=True):
        assert f"{sign} {word}" in ax.get_xlabel()
    table = plots.fingerprints({"a bug": {"W1": 0.25, "b1": 1e-9, "W2": np.inf}})
    assert [text.get_text() for text in table.texts] == ["0.2", "ok", "shape"]
    moved = plots.what_moves({"Z1": np.eye(2)}).axes[0].patches
    assert [bool(cell.get_hatch()) for cell in moved] == [True, False, False, True]


def test_a_report_says_its_verdicts_in_words_and_signs():
    page = report(W1=-GRADS["W1"])._repr_html_()
    assert re.findall(r">([^<\w]) (ok|wrong)</td>", page) == [("✗", "wrong"), *3 * [("✓", "ok")]]
    assert re.search(r"<caption[^>]*>Gradient check.*: wrong: W1</caption>", page)
    assert "color" not in page and "background" not in page
