"""No false alarms: a reduced run of the benchmark, in which 10,000 trials have none."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
from false_alarms import ALARMS, PRECISIONS, STATES, count, network, right_to_a_tenth

from gradlab import check_gradients


@pytest.mark.parametrize("how", ["entries", "directions"])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("state", STATES)
def test_right_gradients_raise_no_alarm_and_pass(state, precision, how):
    verdicts = count(state, precision, 12, how, first=20_000)
    assert not any(verdicts[alarm] for alarm in ALARMS)
    if precision == "float64" or state == "untrained":
        assert verdicts["right, passed"] >= 10


@pytest.mark.parametrize("how", ["entries", "directions"])
@pytest.mark.parametrize("state", STATES)
def test_a_right_float32_gradient_passes(state, how):
    verdicts = count(state, "float32", 25, how, first=30_000)
    missed = 2 if state == "saturated" else 0  # gradients that are zero prove nothing
    assert verdicts["right, passed"] >= verdicts["right"] - missed


@pytest.mark.parametrize(
    ("state", "seed", "how"),
    [
        ("trained", 13, "entries"),  # one sample: every step of the line rounded alike
        ("near minimum", 16, "entries"),  # on short lines only some parameters move in float32
        ("near minimum", 71, "entries"),
        ("near minimum", 912, "entries"),
        ("near minimum", 212, "directions"),  # rounded alike on one side only
        ("tiny weights", 417, "directions"),  # steps so long that the network saturates
        ("tiny weights", 475, "directions"),
    ],
)
def test_networks_that_once_raised_one(state, seed, how):
    loss, params, grads = network(state, "hidden float32", seed)
    assert check_gradients(loss, params, grads, how=how).verdict in ("ok", "undecided", "unused")


@pytest.mark.parametrize(
    ("precision", "seed"),
    [("float32", 283), ("float32", 403), ("float32", 469), ("hidden float32", 469)],
)
def test_coarse_error_bars_condemn_nobody_along_one_direction_in_four(precision, seed):
    loss, params, grads = network("trained", precision, seed)
    assert not right_to_a_tenth(loss, params, grads)  # rounding has eaten it: nobody can tell
    verdict = check_gradients(loss, params, grads, how="directions").verdict
    assert verdict in ("undecided", "untested")


@pytest.mark.parametrize("how", ["entries", "directions"])
@pytest.mark.parametrize("precision", ["float32", "hidden float32"])
@pytest.mark.parametrize("state", ["trained", "tiny weights", "near minimum"])
def test_what_is_called_ok_is_right_to_a_tenth(state, precision, how):
    called_wrong = 0
    for seed in range(40):
        loss, params, grads = network(state, precision, seed)
        name = list(grads)[seed % 4]
        grads[name] = (1.3 * grads[name]).astype(grads[name].dtype)
        report = check_gradients(loss, params, grads, how=how)
        assert not report or right_to_a_tenth(loss, params, grads)
        called_wrong += report[name].verdict == "wrong"
    assert called_wrong >= 25


@pytest.mark.parametrize("seed", [11, 50])
def test_longer_steps_decide_where_short_ones_cannot(seed):
    loss, params, grads = network("untrained", "hidden float32", seed)
    assert check_gradients(loss, params, grads).passed


@pytest.mark.parametrize("state", STATES)
def test_and_the_same_networks_raise_one_for_a_wrong_gradient(state):
    for seed in range(20_000, 20_006):
        loss, params, grads = network(state, "float64", seed)
        grads["W2"] = grads["W2"] * 1.01
        assert check_gradients(loss, params, grads)["W2"].verdict == "wrong"
