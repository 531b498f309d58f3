"""The foreign code of notebook 09 is right or wrong exactly where its docs say so."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import check_gradients, foreign, mlp, paraboloid


@pytest.fixture
def network():
    W1, b1, W2, b2 = mlp.init_params(seed=1).values()
    return [foreign.Layer(W1, b1), foreign.Layer(W2, b2)]


def test_the_network_has_the_gradient_of_its_loss(network):
    X, y = paraboloid()
    foreign.run(network, X, y)
    params = {f"{a}{i}": getattr(layer, a) for i, layer in enumerate(network) for a in "Wb"}
    grads = {f"{a}{i}": getattr(layer, f"d{a}") for i, layer in enumerate(network) for a in "Wb"}
    check_gradients(lambda _: foreign.run(network, X, y), params, grads).raise_if_failed()


def test_a_layer_rebinds_its_arrays_in_a_step(network):
    first, _ = network
    foreign.run(network, *paraboloid())
    W, expected = first.W, first.W - 0.1 * first.dW
    first.step(0.1)
    assert first.W is not W
    np.testing.assert_array_equal(first.W, expected)


# ---------------------------------------------------------------------- the gradient of an update


def descend(params, grads, learning_rate):
    def step():
        for name, array in params.items():
            array -= learning_rate * grads[name]

    return step


@pytest.fixture
def params():
    return mlp.init_params(seed=2)


def test_the_gradient_comes_back_and_the_parameters_stay(params):
    rng = np.random.RandomState(0)
    grads = {name: rng.normal(size=array.shape) for name, array in params.items()}
    arrays, before = dict(params), {name: array.copy() for name, array in params.items()}
    found = foreign.gradient_from_update(descend(params, grads, 0.5), params, 0.5)
    for name, array in params.items():
        np.testing.assert_allclose(found[name], grads[name], atol=1e-14)
        assert array is arrays[name]
        assert array.tobytes() == before[name].tobytes()


def test_the_parameters_stay_even_if_the_step_fails(params):
    before = params["W1"].copy()

    def step():
        params["W1"] += 1
        raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        foreign.gradient_from_update(step, params, 1)
    np.testing.assert_array_equal(params["W1"], before)


def test_a_step_on_other_arrays_is_refused(network):
    foreign.run(network, *paraboloid())
    params = {"W1": network[0].W}
    with pytest.raises(ValueError, match="changes none of these arrays"):
        foreign.gradient_from_update(lambda: network[0].step(1), params, 1)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_learning_rate_that_is_not_positive_is_refused(params, rate):
    with pytest.raises(ValueError, match="learning_rate must be positive"):
        foreign.gradient_from_update(lambda: pytest.fail("was called"), params, rate)


# ------------------------------------------------------------------------ the published mistakes


def test_softmax_is_safe_for_large_scores():
    P, kept = foreign.softmax(np.array([[1000.0, 1000.0, 0.0]]))
    np.testing.assert_allclose(P, [[0.5, 0.5, 0.0]])
    assert kept is P


def test_the_diagonal_is_that_of_the_jacobian_and_not_all_of_it():
    Z = np.random.RandomState(0).normal(size=(1, 3))
    P, _ = foreign.softmax(Z)
    jacobian = np.diag(P[0]) - P.T @ P
    dP = np.random.RandomState(1).normal(size=(1, 3))
    (found,) = foreign.softmax_diagonal(dP, P)["Z"]
    np.testing.assert_allclose(found, np.diag(jacobian) * dP[0])
    assert not np.allclose(found, jacobian @ dP[0])


# ------------------------------------------------------------------------------- a test of a test


def test_pytest_says_how_many_passed_and_why_the_others_failed():
    files = {
        "half.py": "HALF = 0.5\n",
        "test_half.py": "import half\ndef test(): assert half.HALF < 1",
    }
    assert foreign.run_pytest(files) == "1 passed"
    count, *why = foreign.run_pytest(files | {"half.py": "HALF = 2\n"}).splitlines()
    assert count == "1 failed"
    assert "assert 2 < 1" in why[0]


def test_the_reader_s_own_settings_of_pytest_have_no_say(monkeypatch, tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --from-a-folder-above")
    (tmp_path / "conftest.py").write_text("raise SystemExit('from a folder above')")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PYTEST_ADDOPTS", "--from-the-environment")
    assert foreign.run_pytest({"test_it.py": "def test(): pass"}) == "1 passed"


def test_the_reasons_may_be_in_any_script(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    assert "élan" in foreign.run_pytest({"test_it.py": "def test(): assert not 'élan'"})


def test_no_pytest_is_said_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "pytest.py").write_text("raise SystemExit('no pytest here')")
    with pytest.raises(RuntimeError, match="is it installed.*no pytest here"):
        foreign.run_pytest({"test_nothing.py": ""})
