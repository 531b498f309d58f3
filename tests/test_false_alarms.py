"""No false alarms: a reduced run of the benchmark, in which 10,000 trials have none."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
from false_alarms import ALARMS, STATES, count, network

from gradlab import check_gradients


@pytest.mark.parametrize("how", ["entries", "directions"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("state", STATES)
def test_right_gradients_raise_no_alarm(state, dtype, how):
    verdicts = count(state, dtype, 12, how, first=20_000)
    assert not any(verdicts[alarm] for alarm in ALARMS)
    if dtype is np.float64:
        assert verdicts["ok"] >= 10


@pytest.mark.parametrize("state", STATES)
def test_and_the_same_networks_raise_one_for_a_wrong_gradient(state):
    for seed in range(20_000, 20_006):
        loss, params, grads = network(state, np.float64, seed)
        grads["W2"] = grads["W2"] * 1.01
        assert check_gradients(loss, params, grads)["W2"].verdict == "wrong"
