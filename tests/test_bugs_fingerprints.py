"""What notebook 06 says about fingerprints and blind spots, over more seeds than it shows."""

import functools

import numpy as np
import pytest
from claims import says

from gradlab import check_gradients, mlp, plots
from gradlab.bugs import (
    CATALOGUE,
    FAMILIES,
    INVISIBLE,
    SHAPES,
    blindspots,
    course_problem,
    fingerprint,
    sweep,
)
from gradlab.bugs.blindspots import BUGS

STEPS = np.logspace(-11, 0, 23)
SEEDS = range(3)


@functools.cache
def curve(shape, seed):
    return sweep(SHAPES[shape][1](seed), STEPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_code_draws_a_v(seed):
    errors = curve("V", seed)
    least = int(np.argmin(errors))
    assert errors[least] < 1e-10 and 1e-6 < STEPS[least] < 1e-3
    assert min(errors[0], errors[-1]) > 1e4 * errors[least]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_wrong_gradient_is_flat(seed):
    errors = curve("flat", seed)[:-2]
    assert errors.min() > 0.1 and errors.max() < 1.1 * errors.min()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_height_of_the_floor_is_the_error_of_the_gradient(seed):
    loss, params, grads = SHAPES["floor"][1](seed)
    right = course_problem(seed=seed).grads
    gap = np.sqrt(sum(np.sum((grads[name] - right[name]) ** 2) for name in params))
    size = np.sqrt(sum(np.sum(grads[name] ** 2) for name in params))
    floor = np.median(curve("floor", seed))
    assert 1e-5 < floor < 1e-3
    assert floor == pytest.approx(gap / (2 * size), rel=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_right_gradient_in_low_precision_has_a_floor_as_high_as_its_rounding(seed):
    coarse, right = curve("coarse", seed), curve("V", seed)
    middle = (STEPS > 1e-8) & (STEPS < 1e-3)
    assert 2.0**-11 < np.median(coarse[middle]) < 2.0**-7
    assert np.ptp(np.log10(coarse[middle])) < 0.1 and right.min() < 1e-10


@pytest.mark.parametrize("seed", SEEDS)
def test_single_precision_shifts_the_v_up_and_to_the_right(seed):
    single, double = curve("shifted", seed), curve("V", seed)
    assert single.min() > 1e3 * double.min()
    assert STEPS[np.argmin(single)] > 100 * STEPS[np.argmin(double)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kink_is_a_cliff_at_its_distance(seed):
    errors = curve("cliff", seed)
    below, above = errors[STEPS < 5e-6], errors[(STEPS > 5e-6) & (STEPS < 1e-3)]
    assert below[-1] < 1e-10 and above.min() > 1e4 * below[-1]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_loss_is_pinned_near_one(seed):
    assert curve("pinned", seed)[STEPS < 1e-3].min() > 0.9


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_verdicts_on_the_shapes(shape, seed):
    wanted = {"flat": {"wrong"}, "floor": {"wrong"}, "pinned": {"random"}}
    wanted["cliff"] = {"ok", "kink", "undecided"}
    assert check_gradients(*SHAPES[shape][1](seed)).verdict in wanted.get(shape, {"ok"})
    passes = max(fingerprint(SHAPES[shape][1](seed)).values()) < 1e-7
    assert passes == (shape == "V")


@pytest.mark.parametrize("factor", [20, 0.05, 2, -1, -3])
def test_the_relative_error_of_a_factor(factor):
    def scaled(params, cache, y):
        return {name: factor * g for name, g in mlp.backward(params, cache, y).items()}

    for error in fingerprint(course_problem(scaled)).values():
        assert error == pytest.approx(abs(factor - 1) / (abs(factor) + 1), rel=1e-6)


# --- The blind-spot matrix ------------------------------------------------------------------------

AVERAGING = {
    "missing 1/N",
    "1/N applied twice",
    "bias gradient averaged",
    "bias gradient not summed",
}
MISSED = {
    "random point, 20 samples": set(),
    "one sample": AVERAGING,
    "one hidden unit": {"bias gradient a scalar"},
    "rows of X sum to 1": {"bias gradient through X"},
    "zero biases": {"L2 of the biases forgotten"},
    "zero W2": set(),
    "penalty off": {"L2 gradient forgotten", "L2 of the biases forgotten"},
    "W2 and b2 only": {
        "1/N applied twice",
        "bias gradient not summed",
        "bias gradient a scalar",
        "bias gradient through X",
        "wrong sign in W1",
        "σ′ left out",
        "updated W2, rate 0.5",
        "updated W2, rate 0.001",
    },
}
WARNED_BY_ZERO_W2 = {
    "1/N applied twice",
    "bias gradient a scalar",
    "bias gradient through X",
    "wrong sign in W1",
    "σ′ left out",
}


def found(problem):
    try:
        verdict = check_gradients(*problem).verdict
    except ValueError:
        return "caught"
    return {"wrong": "caught", "ok": "missed"}.get(verdict, "warned")


@pytest.mark.parametrize("seed", (1, 2))
@pytest.mark.parametrize("name", blindspots.SETTINGS)
def test_each_setting_misses_what_the_notebook_says(name, seed):
    verdicts = {
        title: found(blindspots.SETTINGS[name](backward, network, seed))
        for title, (backward, network) in blindspots.BUGS.items()
    }
    assert {title for title, what in verdicts.items() if what == "missed"} == MISSED[name]
    assert {title for title, what in verdicts.items() if what == "warned"} == (
        WARNED_BY_ZERO_W2 if name == "zero W2" else set()
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_first_layer_behind_zero_weights_has_no_error_and_is_unused(seed):
    says("06", "A relative error of 0 looks like perfection; our check says `unused`")
    problem = blindspots.SETTINGS["zero W2"](*BUGS["σ′ left out"], seed)
    errors, report = fingerprint(problem), check_gradients(*problem)
    for name in ("W1", "b1"):
        assert errors[name] == 0 and report[name].verdict == "unused"
    assert not report.passed


def test_the_counts_in_the_prose():
    says("06", "Here are twelve bugs in eight settings", "The catalogue has twelve such programs")
    says("06", "drawn by the seed from eight families")
    assert (len(BUGS), len(blindspots.SETTINGS), len(FAMILIES)) == (12, 8, 8)
    assert sum(bug.kind == INVISIBLE for bug in CATALOGUE.values()) == 12


# --- The figures ----------------------------------------------------------------------------------


def test_the_table_of_fingerprints_writes_ok_below_the_cutoff():
    ax = plots.fingerprints({"a bug": {"W1": 0.25, "b1": 1e-9, "W2": np.inf}})
    assert [text.get_text() for text in ax.texts] == ["0.2", "ok", "shape"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["W1", "b1", "W2"]


def test_every_shape_gets_a_panel_with_its_name():
    curves = {shape: (who, np.full(3, 0.5)) for shape, (who, _) in SHAPES.items()}
    panels = plots.fingerprint_shapes(np.logspace(-3, 0, 3), curves, np.full(3, 0.1))
    assert [ax.get_title().strip() for ax in panels.flat if ax.axison] == list(SHAPES)


def test_the_matrix_shows_one_symbol_for_each_cell():
    table = {"a": {"x": "caught", "y": "missed"}, "b": {"x": "warned", "y": "missed"}}
    ax = plots.blind_spots(table, ["x", "y"])
    assert [text.get_text() for text in ax.texts] == ["●", "✕", "◐", "✕"]


def test_the_fingerprint_of_an_entry_is_its_figure():
    errors = fingerprint(CATALOGUE["factor_two"].problem())
    assert {name: round(error, 1) for name, error in errors.items()} == CATALOGUE[
        "factor_two"
    ].errors
