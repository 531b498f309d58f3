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
