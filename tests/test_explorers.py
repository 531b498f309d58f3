"""The explorers without a browser: values in, picture and words out.

What a real JupyterLab makes of them is tested in ``tests/browser``.
"""

from __future__ import annotations

import base64
import html
import importlib
import io
import os
import pkgutil
import re
import subprocess
import sys
from functools import lru_cache
from itertools import product
from pathlib import Path

import ipywidgets as widgets
import nbformat
import numpy as np
import pytest
from claims import run, sources
from nbconvert import HTMLExporter
from PIL import Image
from traitlets import TraitError

from gradlab import explorers, mlp, plots, worked
from gradlab.data import paraboloid
from gradlab.differences import relative_error
from gradlab.explorers import (
    direction,
    epsilon,
    error_bars,
    fingerprint,
    floats,
    graph,
    secant,
    training,
)
from gradlab.explorers.frame import rough
from gradlab.plots import style

NAMES = sorted(explorers.__all__)
VIEW = "application/vnd.jupyter.widget-view+json"


@lru_cache
def opened(name):
    explorer = getattr(explorers, name)()
    explorer.as_it_opens = explorer.values
    return explorer


def make(name):
    """The explorer of that name with its controls as they are at first: made once, then reset."""
    explorer = opened(name)
    for key, value in explorer.as_it_opens.items():
        explorer.controls[key].value = value
    return explorer


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def words(explorer):
    return re.sub(r"<[^>]+>", " ", explorer.readout.value).strip()


def shown(warnings):
    """What Python would print: it keeps deprecations inside of packages to itself."""
    return [w for w in warnings if not issubclass(w.category, DeprecationWarning)]


def others(control):
    """Values that a control may take, from both ends of its range."""
    if isinstance(control, widgets.IntSlider):
        return [control.max, control.min, 7]
    if isinstance(control, (widgets.Checkbox, widgets.ToggleButton)):
        return [not control.value, control.value]
    values = [value for _, value in control.options]
    return [values[-1], values[0], values[len(values) // 2]]


def test_every_explorer_that_is_written_is_offered():
    written = set()
    for found in pkgutil.iter_modules(explorers.__path__):
        module = importlib.import_module(f"gradlab.explorers.{found.name}")
        written |= {name for name in vars(module) if name.endswith("_explorer")}
    assert written == set(NAMES) and len(NAMES) >= 7


def test_every_control_changes_the_picture_and_the_words_stay_good(name, capfd, recwarn):
    explorer = make(name)
    assert 'role="status"' in explorer.readout.value
    for key, control in explorer.controls.items():
        pictures = set()
        for value in others(control):
            control.value = value
            pictures.add(bytes(explorer.picture.value))
            assert words(explorer)
            assert "nan" not in words(explorer)
        assert len(pictures) > 1, key
    out, err = capfd.readouterr()
    assert out == err == ""
    assert not shown(recwarn)


def test_equal_values_give_equal_pictures_whatever_came_before(name):
    walked, fresh = make(name), getattr(explorers, name)()
    rng = np.random.RandomState(0)
    for _ in range(8):
        control = list(walked.controls.values())[rng.randint(len(walked.controls))]
        control.value = others(control)[rng.randint(2)]
    for key, control in fresh.controls.items():
        control.value = walked.controls[key].value
    assert bytes(fresh.picture.value) == bytes(walked.picture.value)
    assert fresh.readout.value == walked.readout.value


def test_the_picture_is_a_png_of_the_size_that_the_page_shows(name):
    explorer = make(name)
    image = Image.open(io.BytesIO(explorer.picture.value))
    assert image.format == "PNG"
    assert explorer.picture.layout.width == f"{image.width}px"
    dense = getattr(explorers, name)(dpi=150)
    assert Image.open(io.BytesIO(dense.picture.value)).width == 1.5 * image.width
    assert dense.picture.layout.width == explorer.picture.layout.width


def test_the_fixed_palette_keeps_the_picture(name):
    explorer = make(name)
    shown = np.asarray(Image.open(io.BytesIO(explorer.picture.value)).convert("RGB"), dtype=int)
    drawn = np.asarray(explorer.pixels, dtype=int)
    assert np.abs(shown - drawn).mean() < 2


def test_no_wrong_value_can_be_entered(name):
    """Sliders and menus hold listed values only; a number typed beside a counter is clamped."""
    explorer = make(name)
    tries = product(explorer.controls.values(), ["nonsense", -1, 1e9, float("nan")])
    for control, wrong in tries:
        before = control.value
        try:
            control.value = wrong
        except (TraitError, TypeError, ValueError):
            assert control.value == before
        else:
            assert isinstance(control, widgets.IntSlider)
            assert control.min <= control.value <= control.max


def test_controls_are_of_kinds_that_a_keyboard_operates_in_ipywidgets_7_and_8(name):
    kinds = (
        widgets.SelectionSlider,
        widgets.IntSlider,
        widgets.Dropdown,
        widgets.Checkbox,
        widgets.ToggleButton,
    )
    for control in make(name).controls.values():
        assert isinstance(control, kinds)
        assert control.description
        assert not getattr(control, "disabled", False)


def test_where_no_kernel_runs_there_is_a_picture_and_a_sentence(name):
    explorer = make(name)
    data, metadata = explorer._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain", VIEW}
    assert data[VIEW]["model_id"] == explorer.model_id
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert still.info == {"Description": data["text/plain"]}
    assert metadata["image/png"]["alt"] == data["text/plain"]
    assert len(data["text/plain"].split()) > 25
    assert len(data["image/png"]) < 50_000
    np.testing.assert_allclose(still.convert("RGB"), explorer.pixels, atol=120)


def test_it_displays_itself_once_in_a_notebook_of_either_generation(name, monkeypatch):
    """IPython asks ``_ipython_display_`` first, which only ipywidgets 7 defines by itself."""
    from gradlab.explorers import frame

    displayed = []
    monkeypatch.setattr(frame, "display", lambda data, **rest: displayed.append(data))
    monkeypatch.setattr(frame.InteractiveShell, "initialized", lambda: True)
    make(name)._ipython_display_()
    assert [sorted(data) for data in displayed] == [
        sorted([VIEW, "image/png", "text/plain"]),
        ["text/html"],
    ]


def test_a_plain_script_gets_the_sentence(name, capsys):
    explorer = make(name)
    explorer._ipython_display_()
    assert capsys.readouterr().out == f"{explorer.alt}\n"


def test_the_stored_sentence_is_the_same_on_every_machine(name):
    """No measured digits in it: decades at most, and only those of the controls or of a cutoff."""
    alt = make(name).alt
    assert not re.search(r"\d\.\d", alt), alt


def test_explorers_leave_the_users_settings_and_pyplot_alone():
    code = """
import matplotlib
matplotlib.rcParams["font.size"] = 31
before = dict(matplotlib.rcParams)
from gradlab import explorers
for name in explorers.__all__:
    getattr(explorers, name)()
assert dict(matplotlib.rcParams) == before
import sys
assert "matplotlib.pyplot" not in sys.modules
"""
    environment = {**os.environ, "MPLBACKEND": "agg"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


# ------------------------------------------------------------------- what is drawn is what is so


def test_epsilon_reads_out_the_error_of_the_numerical_gradient():
    from gradlab import numerical_gradient

    explorer = make("epsilon_explorer")
    explorer.controls["seed"].value = 3
    explorer.controls["step"].value = step = 40
    X, y = paraboloid()
    params = mlp.init_params(seed=3)
    loss = mlp.loss_function(X, y)
    exact = mlp.backward(params, mlp.forward(params, X)[1], y)
    numeric = numerical_gradient(loss, params, eps=epsilon.EPS[step], vectorized=True)
    off = np.sqrt(sum(np.sum((numeric[name] - exact[name]) ** 2) for name in params))
    size = np.sqrt(sum(np.sum(exact[name] ** 2) for name in params))
    (said,) = re.findall(r"central ([\d.e+-]+\d)", words(explorer))
    assert float(said) == pytest.approx(off / size, rel=0.06)


def test_epsilon_keeps_the_best_step_to_itself_until_it_is_asked():
    explorer = make("epsilon_explorer")
    assert "least" not in words(explorer)
    explorer.controls["reveal"].value = True
    assert "Central: least error" in words(explorer)
    assert "decades too large" in words(explorer)
    data = epsilon._curve(0)
    for away, said in ((4, "1 decade too large"), (5, "1.25 decades too large")):
        explorer.controls["step"].value = int(np.argmin(data.errors["central"])) + away
        assert f"Yours is {said}" in words(explorer)
    explorer.controls["step"].value = 0
    assert re.search(r"decades too small: \d\.\de\d+ times that error", words(explorer))
    explorer.controls["step"].value = int(np.argmin(data.errors["central"]))
    assert re.search(r"Central: [^.]*[^C]*That is where you are", words(explorer))


def test_epsilon_without_a_formula_asks_for_one():
    explorer = make("epsilon_explorer")
    for method in epsilon.METHODS:
        explorer.controls[method].value = False
    assert words(explorer) == "Tick a formula to see its error."


def test_epsilons_curves_are_within_reach_of_the_axes_for_every_seed():
    scene = make("epsilon_explorer").scene
    low, high = scene.figure.axes[0].get_ylim()
    for seed in range(0, 100, 9):
        for errors in epsilon._curve(seed).errors.values():
            assert low < errors.min() and errors.max() < high


def test_error_bars_are_those_that_notebook_05_builds():
    stream = np.random.RandomState(error_bars.SEED)
    X, y = paraboloid(20, stream)
    params = {
        "W1": stream.normal(0, 2 / 7, (2, 5)),
        "b1": np.zeros((1, 5)),
        "W2": stream.normal(0, 2 / 6, (5, 1)),
        "b2": np.zeros((1, 1)),
    }
    names = run(sources("05"), ("imports", "left-over", "bars"), {})
    for eps in (1e-7, 1e-5, 1e-1):
        step = int(np.argmin(np.abs(np.log(error_bars.EPS / eps))))
        shown = error_bars._bars(error_bars.SEED, step)
        _, bars = names["differences_and_bars"](mlp.loss_function(X, y), params, eps)
        expected = np.concatenate([bar.ravel() for bar in bars.values()])
        np.testing.assert_allclose(shown.width, expected, rtol=0.6)


def test_error_bars_say_how_many_lie_outside():
    explorer = make("error_bar_explorer")
    step = explorer.controls["step"]

    def at(eps):
        step.value = int(np.argmin(np.abs(np.log(error_bars.EPS / eps))))
        return words(explorer)

    assert "A: every analytic value lies inside its bar" in at(1e-5)
    assert "B: 15 of 21 analytic values lie outside" in at(1e-5)
    assert "rounding rules in 21 of 21, truncation in 0" in at(1e-5)
    assert "rounding rules in 6 of 21, truncation in 15" in at(1e-1)
    assert "B: every analytic value lies inside its bar" in at(1e-16)
    assert re.search(r"A: \d+ of 21 analytic values lie outside", at(3))


def test_error_bars_and_what_lies_outside_fit_the_axes_for_every_seed():
    for seed in (*range(0, 100, 9), error_bars.SEED):
        for step in range(0, len(error_bars.EPS), 4):
            bars = error_bars._bars(seed, step)
            assert bars.width.max() < error_bars.TOP
            assert all(np.abs(off).max() < error_bars.TOP for off in bars.off.values())


def test_secant_meets_the_tangent_and_then_the_staircase():
    explorer = make("secant_explorer")

    def error(eps):
        explorer.controls["step"].value = int(np.argmin(np.abs(np.log(secant.EPS / eps))))
        return float(re.search(r"relative\s+error ([\d.e+-]+\d)", words(explorer))[1])

    assert error(2) > 0.5
    assert error(1e-7) < 1e-4
    assert error(1e-16) > 0.5
    assert "3 have a loss" in words(explorer) or "1 have a loss" in words(explorer)


def test_central_secant_is_exact_along_an_output_weight():
    """The loss is quadratic in W2, so the secant of central differences is parallel to the tangent."""
    explorer = make("secant_explorer")
    explorer.controls["weight"].value = "W2[3, 0]"
    explorer.controls["method"].value = "central"
    assert float(re.search(r"error ([\d.e+-]+\d)", words(explorer))[1]) < 1e-12


def lands(kind, numbers):
    """Those numbers as stored in a format that NumPy or ml_dtypes has."""
    return np.asarray(numbers, dtype=float).astype(kind).astype(float)


KINDS = {"float16": np.float16, "float32": np.float32, "float64": np.float64}


@pytest.mark.parametrize("name", floats.TYPES)
def test_floats_are_rounded_as_the_format_rounds(name):
    kind = KINDS.get(name) or pytest.importorskip("ml_dtypes").bfloat16
    stream = np.random.RandomState(0)
    numbers = stream.normal(size=4000) * 10.0 ** stream.uniform(-9, 3, 4000)
    ties = lands(kind, numbers) * (1 + 0.5 ** floats.TYPES[name].digits)
    for values in (numbers, ties, np.zeros(1), np.ones(1)):
        np.testing.assert_array_equal(floats.TYPES[name].rounded(values), lands(kind, values))
    for value in (1.0, 0.001, 100.0, 0.75):
        stored = lands(kind, [value])[0]
        above = floats.TYPES[name].spacing(stored)
        assert above == float(np.spacing(np.asarray(stored).astype(kind)))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("theta", floats.THETAS)
def test_floats_neighbours_are_all_the_numbers_there_are(name, theta):
    kind = KINDS[name]
    center = kind(theta)
    reach = 9 * float(np.spacing(center))
    number, expected = center, []
    while float(center) - float(number) <= reach:
        expected.insert(0, float(number) - float(center))
        number = np.nextafter(number, kind(-np.inf))
    number = np.nextafter(center, kind(np.inf))
    while float(number) - float(center) <= reach:
        expected.append(float(number) - float(center))
        number = np.nextafter(number, kind(np.inf))
    found = floats._neighbours(floats.TYPES[name], float(center), reach)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "precision, lost",
    [("float32", 2e-8), ("float64", 3e-17), ("float16", 2e-4), ("bfloat16", 1.9e-3)],
)
def test_floats_lose_a_step_that_is_too_small(precision, lost):
    explorer = make("float_explorer")
    explorer.controls["precision"].value = precision
    step = explorer.controls["step"]
    step.value = int(np.searchsorted(floats.EPS, lost)) - 1
    assert "both stored as θ" in words(explorer)
    step.value = int(np.searchsorted(floats.EPS, 8 * lost))
    assert "error of" in words(explorer)


def test_floats_say_which_side_is_lost():
    explorer = make("float_explorer")
    explorer.controls["precision"].value = "float64"
    explorer.controls["step"].value = int(np.argmin(np.abs(floats.EPS - 5.6e-17)))
    assert "2ε = 1.125e-16" in words(explorer)
    assert "θ + ε is stored as θ itself, θ − ε is not." in words(explorer)


def test_floats_step_of_1e_4_is_lost_in_bfloat16():
    explorer = make("float_explorer")
    explorer.controls["precision"].value = "bfloat16"
    explorer.controls["step"].value = int(np.argmin(np.abs(floats.EPS - 1e-4)))
    assert "both stored as θ" in words(explorer)


def test_network_shows_the_networks_own_output():
    from gradlab.explorers.surface import PLANE, surface

    params = mlp.init_params(seed=5)
    image = surface(params)
    y_hat, _ = mlp.forward(params, PLANE)
    assert image[0, 0] == pytest.approx(mlp.forward(params, np.array([[-1.0, -1.0]]))[0][0, 0])
    assert image[-1, 0] == pytest.approx(mlp.forward(params, np.array([[-1.0, 1.0]]))[0][0, 0])
    assert image.size == y_hat.size


def test_network_names_its_hidden_units_as_the_figure_of_notebook_02_does():
    maps = plots.hidden_units(mlp.init_params(seed=0)).axes[:5]
    labels = [text.get_text() for text in make("network_explorer").scene.weights]
    assert [ax.get_title() for ax in maps] == labels
    assert labels[0] == f"H[:, 0] × {mlp.init_params(seed=0)['W2'][0, 0]:.2f}"


def test_network_scale_says_what_saturation_does():
    explorer = make("network_explorer")
    explorer.controls["scale"].value = 0.01
    assert "0.50 to 0.50" in words(explorer)
    explorer.controls["scale"].value = 30
    assert "0.00 to 1.00" in words(explorer)


def test_training_follows_the_courses_own_training():
    X, y = paraboloid()
    params = mlp.init_params(seed=2)
    history = mlp.train(params, X, y, 3000, 0.5)
    losses, snapshots = training._trained(None, 2)
    np.testing.assert_array_equal(losses, history)
    for name in params:
        np.testing.assert_array_equal(snapshots[-1][name], params[name])


@pytest.mark.parametrize("bug", training.BUGS)
def test_every_bug_trains_to_the_end_without_a_warning(bug, recwarn):
    explorer = make("training_explorer")
    explorer.controls["bug"].value = bug
    explorer.controls["step"].value = len(training.STEPS) - 1
    assert "3,000 steps" in words(explorer)
    assert not shown(recwarn)


@pytest.mark.parametrize("bug", training.BUGS)
def test_no_loss_runs_under_the_legend(bug):
    explorer = make("training_explorer")
    explorer.scene.update(len(training.STEPS) - 1, bug, seed=1)
    ax = explorer.scene.losses["right"].axes
    legend = ax.get_legend().get_window_extent()
    for line in (*explorer.scene.losses.values(), *explorer.scene.here.values()):
        at = np.clip(line.get_xydata(), 1e-9, 1e9)
        assert not legend.count_contains(ax.transData.transform(at))


def test_fingerprint_agrees_with_the_classical_check():
    from gradlab import numerical_gradient
    from gradlab.bugs import CATALOGUE

    loss, params, grads = CATALOGUE["updated_w2"].problem(4)
    numeric = numerical_gradient(loss, params, eps=1e-5, vectorized=True)
    pairs = fingerprint._gradients("updated_w2", "ordinary", 4)
    assert fingerprint.EPS[fingerprint.CHECKED] == pytest.approx(1e-5, rel=1e-12)
    for name, (given, swept) in pairs.items():
        np.testing.assert_array_equal(given, grads[name])
        np.testing.assert_allclose(swept[fingerprint.CHECKED], numeric[name], atol=1e-10)


def test_fingerprint_has_something_to_say_for_the_whole_menu(recwarn):
    explorer = make("fingerprint_explorer")
    menu = [bug for _, bug in explorer.controls["bug"].options]
    said = {explorer.scene.update(bug, "ordinary", 0) for bug in menu}
    assert len(menu) == len(said) >= 40
    hidden = [explorer.scene.update(bug, "hiding", 0) for bug in menu]
    assert sum("Here hidden by" in line for line in hidden) >= 20
    assert not shown(recwarn)


@pytest.mark.parametrize("bug", ["factor_two", "relu_kink", "bias_through_inputs"])
@pytest.mark.parametrize("setting", ["ordinary", "hiding"])
def test_fingerprint_tells_the_checks_own_verdict(bug, setting):
    from gradlab import check_gradients
    from gradlab.bugs import CATALOGUE

    entry = CATALOGUE.get(bug) or next(b for b in CATALOGUE.values() if "kink" in b.verdict)
    explorer = make("fingerprint_explorer")
    for seed in (0, 21, 60):
        said = explorer.scene.update(entry.name, setting, seed)
        where = setting if setting in entry.settings else "ordinary"
        verdict = check_gradients(*entry.problem(seed, where)).verdict
        assert said.endswith(f"check_gradients says: {verdict}.")


def test_fingerprint_crosses_no_entry_of_right_code():
    """With a cutoff for single entries it once did, where an entry is nearly zero."""
    scene = make("fingerprint_explorer").scene
    for seed in (0, 33, 78):
        scene.update(fingerprint.RIGHT, "ordinary", seed)
        assert len(scene.crosses.get_xdata()) == 0
    scene.update("wrong_sign", "ordinary", 33)
    assert len(scene.crosses.get_xdata()) == 21


def test_a_legend_lists_what_is_drawn_and_nothing_else():
    scene = make("epsilon_explorer").scene

    def listed():
        return [text.get_text() for _, _, text in scene.key_of.rows if text.get_visible()]

    ticks = {method: method == "central4" for method in epsilon.METHODS}
    scene.update(10, 0, True, False, **ticks)
    assert listed() == ["central, 4th order"]
    assert scene.about.get_text()
    scene.update(10, 0, False, False, **dict.fromkeys(epsilon.METHODS, False))
    assert listed() == [] and not scene.about.get_text()
    scene = make("secant_explorer").scene
    scene.update(0, "central", "W1[1, 1]")
    assert listed() == ["secant, central difference", "tangent, by backpropagation", "loss"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.26, "1.3"),
        (14.2, "14"),
        (2345, "2,300"),
        (20223791025, "2.0e10"),
        (0.5, "0.5"),
        (99999, "100,000"),
    ],
)
def test_a_rough_number_has_two_digits(value, said):
    assert rough(value) == said


def test_the_errors_of_fingerprint_are_relative_errors_all_at_once():
    a, n = np.random.RandomState(0).normal(size=(2, 3, 4, 5))
    each, rows = fingerprint.relative_errors(a, n), fingerprint.relative_errors(a, n, (1, 2))
    for i in range(3):
        assert rows[i] == pytest.approx(relative_error(a[i], n[i]))
        assert each[i, 1, 2] == pytest.approx(relative_error(a[i, 1, 2], n[i, 1, 2]))


def test_fingerprint_of_a_random_loss_never_comes_near():
    """Evaluated as one stack it would draw its mask once, and look reproducible."""
    (given, swept), *_ = fingerprint._gradients("random_forward", "ordinary", 0).values()
    errors = fingerprint.relative_errors(given[None], swept, tuple(range(1, swept.ndim)))
    assert errors[fingerprint.EPS < 1e-3].min() > 0.99


def test_direction_measures_what_it_predicts():
    """The prediction takes the slope for independent of one entry: it is, where entries are many."""
    for entries in direction.HIDDEN:
        for count in (1, 10):
            measured = direction._measured(entries, count)
            predicted = direction._predicted(entries, count)
            for rule in ("cutoff 1e-7", "cutoff 1e-3"):
                assert np.abs(measured[rule] - predicted[rule]).max() < 0.1
            bar = "error bar of the noise"
            assert measured[bar][0] == 0  # no false alarm
            assert measured[bar][-1] > 0.97


def test_more_directions_find_more():
    for entries in direction.HIDDEN:
        few, many = (direction._measured(entries, count) for count in (1, 20))
        for rule in few:
            assert many[rule].mean() > few[rule].mean()


def test_alt_must_be_a_sentence():
    from gradlab.explorers.frame import Explorer

    with pytest.raises(ValueError, match="alt is empty"):
        Explorer(make("float_explorer").scene, {}, task="", alt=" ")


def test_series_in_a_picture_differ_in_more_than_colour():
    for series in (style.METHODS, training.SERIES, style.FORMATS, style.RULES):
        for key in ("color", "marker", "linestyle"):
            assert len({str(look[key]) for look in series.values()}) == len(series)
    assert style.SERIES[0]["color"] != style.SERIES[1]["color"]


# ------------------------------------------------------------------- as stored in the notebooks


@lru_cache
def stored():
    """The cells of the notebooks that show an explorer: name of the notebook, cell."""
    paths = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9]*.ipynb"))
    return [
        (path.stem, name, cell)
        for path in paths
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
        for name in re.findall(r"explorers\.(\w+_explorer)\(", cell.source)
    ]


def test_every_explorer_stands_in_a_notebook():
    assert sorted({name for _, name, _ in stored()}) == NAMES


def test_every_stored_explorer_is_the_picture_that_it_opens_with(name):
    """Text only: the bytes of a PNG depend on matplotlib's version."""
    for _, _, cell in (place for place in stored() if place[1] == name):
        still, unseen = cell.outputs
        assert set(still.data) == {"image/png", "text/plain"}
        assert still.data["text/plain"] == make(name).alt == still.metadata["image/png"]["alt"]
        assert Image.open(io.BytesIO(base64.b64decode(still.data["image/png"]))).width >= 700
        assert html.escape(make(name).alt) in unseen.data["text/html"]


def test_the_page_that_nbconvert_makes_shows_every_explorer():
    notebook = nbformat.v4.new_notebook(cells=[cell for _, _, cell in stored()])
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert len(re.findall(r'<img[^>]* src="data:image/png;base64', page)) == len(stored())


# --------------------------------------------------------------------------- the worked network


def graph_at(nudged, nudge, what, stop):
    explorer = make("graph_explorer")
    for name, value in (("nudged", nudged), ("nudge", nudge), ("what", what), ("stop", stop)):
        explorer.controls[name].value = value
    return explorer


@pytest.mark.parametrize("nudged", graph.NUDGED)
def test_in_the_graph_the_change_and_the_gradient_meet(nudged):
    """A thousandth is short: the change is the gradient times the nudge, to three digits."""
    name, *index = graph.NUDGED[nudged]
    gradient = worked.values()[f"d{name}"][*index]
    said = words(graph_at(nudged, 0.001, graph.CHANGE, graph.STOPS))
    (moved,) = re.findall(r"add up to ([-+][\d.e-]+\d)\.", said)
    assert float(moved) == pytest.approx(0.001 * gradient, rel=0.03)
    assert f"promised {worked.fraction(gradient)} times 0.001" in said
    said = words(graph_at(nudged, 0.001, graph.GRADIENT, graph.STOPS))
    assert f"= {worked.fraction(gradient)}, the gradient of {nudged}" in said


def test_the_graph_shows_the_numbers_of_the_worked_network():
    shown = {
        text.get_text()
        for text in graph_at("W1[0, 1]", 0.01, graph.GRADIENT, 4).scene.below.values()
    }
    seen = worked.values()
    expected = [*seen["dy"][:, 0], *seen["dH"][:, 1], *seen["dZ1"][:, 1], 1.0]
    assert shown - {""} == {worked.fraction(value) for value in expected}


@pytest.mark.parametrize("what", [graph.CHANGE, graph.GRADIENT])
@pytest.mark.parametrize("nudged", ["W1[0, 0]", "b2[0, 0]"])
def test_the_graph_is_passed_edge_by_edge(what, nudged):
    passed, said = [], []
    for stop in range(graph.STOPS + 1):
        explorer = graph_at(nudged, 0.1, what, stop)
        lines = [arrow[0].get_visible() for arrow in explorer.scene.edges.values()]
        passed.append(sum(lines))
        said.append(words(explorer))
    assert passed[0] == 0 and passed == sorted(passed) and passed[-1] > 0
    assert len(set(said)) >= 3
