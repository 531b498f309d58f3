"""Random directions: as sharp as the entries, and the guilty entry is named."""

import numpy as np
import pytest
from problems import network, problem, verdicts

from gradlab import check_gradients


def wide(seed=0, sizes=(40, 20, 1)):
    return problem(*network(sizes, samples=50, seed=seed))


def test_the_right_gradient_passes():
    for seed in range(10):
        assert check_gradients(*wide(seed), how="directions").passed


@pytest.mark.parametrize("q", [1.0, 1e-2, 1e-4])
def test_one_wrong_entry_is_found_and_named(q):
    for seed in range(10):
        loss, params, grads = wide(seed)
        index = (7 + seed, 3)
        grads["W1"][index] += q * np.sqrt(np.mean(grads["W1"] ** 2))
        report = check_gradients(loss, params, grads, how="directions")
        assert verdicts(report) == {"W1": "wrong", "b1": "ok", "W2": "ok", "b2": "ok"}
        array = report["W1"]
        assert array.worst_index == index and array.analytic == grads["W1"][index]
        assert abs(array.analytic - array.numeric) > array.error_bar


def test_a_constant_error_does_not_cancel():
    for seed in range(20):
        loss, params, grads = wide(seed)
        grads["W1"] += 1e-3
        array = check_gradients(loss, params, grads, how="directions")["W1"]
        assert array.verdict == "wrong" and array.worst_index is not None


def test_a_few_evaluations_at_any_size():
    counts = []
    for sizes in ((10, 5, 1), (200, 50, 1)):
        loss, params, grads = wide(sizes=sizes)
        calls = []
        check_gradients(
            lambda p, loss=loss, calls=calls: calls.append(1) or loss(p),
            params,
            grads,
            how="directions",
        )
        counts.append(len(calls))
    assert max(counts) < 160  # 61 and 10,101 parameters
    assert abs(counts[0] - counts[1]) < 40


def test_the_hint_comes_from_a_few_entries():
    loss, params, grads = wide()
    report = check_gradients(loss, params, {**grads, "W1": 50 * grads["W1"]}, how="directions")
    assert "50 times the right gradient" in report["W1"].hint
    assert "Only W1 is wrong" in str(report)
    report = check_gradients(
        loss, params, {**grads, "W1": grads["W1"] - 0.1 * params["W1"]}, how="directions"
    )
    assert "regularisation" in report["W1"].hint


def test_small_arrays_and_other_verdicts():
    params = {"x": np.array(0.4), "y": np.ones(1), "unused": np.ones(3), "still": np.zeros(2)}

    def loss(p):
        return float(np.sin(p["x"]) + p["y"][0] ** 3 + np.sum(p["still"] ** 2))

    grads = {"x": np.cos(0.4), "y": np.array([3.0]), "unused": np.zeros(3), "still": np.zeros(2)}
    report = check_gradients(loss, params, grads, how="directions")
    assert verdicts(report) == {"x": "ok", "y": "ok", "unused": "unused", "still": "untested"}
    grads["y"] = np.array([-3.0])
    grads["unused"] = np.ones(3)
    report = check_gradients(loss, params, grads, how="directions")
    assert verdicts(report) == {"x": "ok", "y": "wrong", "unused": "wrong", "still": "untested"}
    assert report["y"].worst_index == (0,)


@pytest.mark.parametrize("exponent", [-12, 12])
def test_the_scale_of_the_loss_changes_nothing(exponent):
    loss, params, grads = wide()
    scale = 10.0**exponent
    grads["W2"][3] *= 1.001
    report = check_gradients(
        lambda p: scale * loss(p),
        params,
        {n: scale * g for n, g in grads.items()},
        how="directions",
    )
    assert verdicts(report) == {"W1": "ok", "b1": "ok", "W2": "wrong", "b2": "ok"}
    assert report["W2"].worst_index == (3, 0)


def test_cutoff_nan_and_kinks():
    loss, params, grads = wide()
    assert check_gradients(loss, params, grads, how="directions", cutoff=1e-7).passed
    grads["b1"][0, 2] = np.nan
    report = check_gradients(loss, params, grads, how="directions")
    assert report["b1"].verdict == "nonfinite" and report["b1"].worst_index == (0, 2)
    x = np.array([0.0, 0.7, -0.3])
    report = check_gradients(
        lambda p: float(np.sum(np.maximum(p["x"], 0))),
        {"x": x},
        {"x": (x > 0) * 1.0},
        how="directions",
    )
    assert report["x"].verdict == "kink" and report["x"].worst_index == (0,)


@pytest.mark.parametrize("how", ["entries", "directions"])
@pytest.mark.parametrize("shown", [True, False])
def test_a_check_that_takes_longer_than_our_patience_shows_a_bar(how, shown, monkeypatch, capsys):
    monkeypatch.setattr("gradlab.differences.progress.PATIENCE", 0.0)
    params = {"a": np.ones(9), "b": np.ones(9)}
    grads = {name: 2 * array for name, array in params.items()}
    check_gradients(
        lambda p: sum(np.sum(x**2) for x in p.values()), params, grads, how=how, progress=shown
    )
    said = capsys.readouterr()
    assert bool(said.err) == shown and said.out == ""
