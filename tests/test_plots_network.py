"""The figures of notebooks 01 to 03 show what they are given, legibly."""

from __future__ import annotations

import io
import warnings
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

import gradlab
from gradlab import mlp, plots
from gradlab.exercises.lesson03 import WRONG_PASSES
from gradlab.plots import network

X, y = gradlab.paraboloid()
PARAMS = mlp.init_params(seed=0)
HISTORIES = {"one": np.geomspace(1, 1e-3, 101), "two": np.geomspace(1, 1e-2, 303).reshape(3, 101)}
NAMES = ("right gradient", *WRONG_PASSES)  # as notebook 03 draws them
FIGURES = {
    "training_curves": lambda: plots.training_curves(HISTORIES).figure,
    "many_curves": lambda: plots.training_curves(dict.fromkeys(NAMES, HISTORIES["one"])).figure,
    "computation_graph": lambda: plots.computation_graph().figure,
    "sigmoid_slope": lambda: plots.sigmoid_slope().figure,
    "data_surface": lambda: plots.data_surface(X, y),
    "hidden_units": lambda: plots.hidden_units(PARAMS),
    "weight_histograms": lambda: plots.weight_histograms({"a": PARAMS["W1"]}).figure,
}


@pytest.fixture(params=FIGURES)
def page(request):
    return FIGURES[request.param]()


def written(page):
    """Every visible text of a figure with the box it takes on the page."""
    page.canvas.draw()
    boxes = {}
    for ax in page.axes:
        texts = [*ax.texts, ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label]
        if ax.get_legend():
            texts += ax.get_legend().get_texts()
        boxes |= {
            (text.get_text(), id(text)): text.get_window_extent()
            for text in texts
            if text.get_text().strip() and text.get_visible()
        }
    return boxes


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_the_same_way_twice(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (plots.png(FIGURES[name](), alt="A figure.") for _ in range(2))
    assert first == second
    assert len(first) < 60_000
    colours = Image.open(io.BytesIO(first)).convert("RGB").getcolors(1 << 20)
    assert len(colours) > 10


def test_no_text_leaves_the_page(page):
    width, height = page.get_size_inches() * page.dpi
    for (text, _), box in written(page).items():
        assert box.x0 >= -1 and box.x1 <= width + 1, text
        assert box.y0 >= -1 and box.y1 <= height + 1, text


def test_axes_are_labelled(page):
    for ax in page.axes:
        if ax.axison and ax.get_visible():
            shared = ax.get_subplotspec() and not ax.get_subplotspec().is_last_row()
            assert ax.get_xlabel() or shared
            assert ax.get_ylabel() or not ax.get_subplotspec().is_first_col()


def test_a_figure_can_be_drawn_into_axes_of_ones_own():
    for draw in (
        lambda ax: plots.training_curves(HISTORIES, ax),
        plots.computation_graph,
        plots.sigmoid_slope,
        lambda ax: plots.weight_histograms({"a": PARAMS["W1"]}, ax),
    ):
        _, ax = plots.figure()
        assert draw(ax) is ax


def test_training_curves_show_the_median_and_every_run():
    ax = plots.training_curves(HISTORIES)
    curves = [line.get_ydata() for line in ax.lines]
    assert len(curves) == 1 + 3 + 1
    np.testing.assert_array_equal(curves[0], HISTORIES["one"])
    np.testing.assert_array_equal(curves[1:4], HISTORIES["two"])
    np.testing.assert_array_equal(curves[4], np.median(HISTORIES["two"], axis=0))
    assert ax.get_yscale() == "log"
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["one", "two, median of 3 runs"]


def test_series_differ_by_more_than_their_colour():
    ax = plots.training_curves({name: HISTORIES["one"] for name in "abcdef"})
    looks = [(line.get_marker(), line.get_linestyle()) for line in ax.lines]
    assert len({marker for marker, _ in looks}) == 6
    edges = plots.weight_histograms({"a": PARAMS["W1"], "b": 2 * PARAMS["W1"]}).patches
    assert len({patch.get_linestyle() for patch in edges}) == 2


def test_more_curves_than_looks_are_refused():
    with pytest.raises(ValueError, match="at most 6"):
        plots.training_curves({str(k): HISTORIES["one"] for k in range(7)})


def test_the_graph_names_every_array_and_its_shape():
    texts = {text for text, _ in written(FIGURES["computation_graph"]())}
    _, cache = mlp.forward(PARAMS, X)
    arrays = {**PARAMS, "X": X, "H": cache["H"], "y_hat": cache["y_hat"], "y": y}
    arrays["Z1"] = arrays["H"]
    for name, array in arrays.items():
        rows, columns = array.shape
        shape = f"({'N' if rows == len(X) else rows}, {columns})"
        assert f"{name}\n{shape}" in texts
        gradient = {"y_hat": "dy"}.get(name, f"d{name}")
        assert name in ("X", "y") or f"{gradient}\n{shape}" in texts


def test_no_two_labels_of_the_graph_overlap():
    boxes = written(FIGURES["computation_graph"]())
    for (one, first), (two, second) in combinations(boxes.items(), 2):
        assert not first.overlaps(second), (one, two)


def test_the_formula_for_the_slope_lies_on_the_measured_slope():
    curve, slope, points = plots.sigmoid_slope().lines[:3]
    assert np.array_equal(curve.get_ydata(), mlp.sigmoid(curve.get_xdata()))
    on_curve = np.interp(points.get_xdata(), slope.get_xdata(), slope.get_ydata())
    np.testing.assert_allclose(points.get_ydata(), on_curve, atol=2e-3)


def test_the_data_are_where_they_are():
    side, above = sorted(plots.data_surface(X, y).axes, key=lambda ax: ax.name)
    dots = [c for c in side.collections + above.collections if hasattr(c, "_offsets3d")]
    assert len(dots) == 1
    np.testing.assert_array_equal(np.column_stack(dots[0]._offsets3d), np.column_stack([X, y]))


@pytest.mark.parametrize("hidden", [1, 5, 6])
def test_a_map_for_each_unit_and_one_for_the_output(hidden):
    params = mlp.init_params((2, hidden, 1), seed=0)
    shown = [ax for ax in plots.hidden_units(params).axes if ax.get_visible()]
    titles = [ax.get_title() for ax in shown]
    assert len(titles) == hidden + 1
    assert titles[0] == f"H[:, 0] × {params['W2'][0, 0]:.2f}"
    assert titles[-1] == "y_hat"


def test_a_flat_network_can_be_drawn():
    flat = {name: 0 * array for name, array in PARAMS.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.png(plots.hidden_units(flat))


def test_a_grid_covers_the_square():
    x1, x2 = network.square()
    assert (x1.min(), x1.max(), x2.min(), x2.max()) == (-1, 1, -1, 1)
