"""The network of the course, its loss and its backpropagation."""

import pickle

import numpy as np
import pytest
from problems import gradient, network

from gradlab import mlp, numerical_gradient, paraboloid


@pytest.mark.parametrize("seed", range(25))
def test_backpropagation_agrees_with_the_complex_step(seed):
    sizes = [(2, 5, 1), (3, 4, 2), (1, 1, 1), (6, 2, 3)][seed % 4]
    params, X, y = network(sizes, samples=20 - seed % 7, seed=seed)
    analytic = gradient(params, X, y)
    numeric = numerical_gradient(mlp.loss_function(X, y), params, "complex", vectorized=True)
    for name in params:
        error = np.linalg.norm(analytic[name] - numeric[name])
        assert error <= 1e-14 * np.linalg.norm(numeric[name])


def test_the_exercise_is_reproduced_to_the_decade():
    """Published: 1.8299e-10, 3.4248e-11, 5.8844e-12, 1.0700e-12; the digits are rounding noise.

    Its weights have the Xavier variance where the standard deviation belongs: its slip.
    """
    stream = np.random.RandomState(42)
    X, y = paraboloid(20, stream)
    params = {
        "W1": stream.normal(0, 2 / (2 + 5), (2, 5)),
        "b1": np.zeros((1, 5)),
        "W2": stream.normal(0, 2 / (5 + 1), (5, 1)),
        "b2": np.zeros((1, 1)),
    }
    analytic = gradient(params, X, y)
    numeric = numerical_gradient(mlp.loss_function(X, y), params, "central", eps=1e-5)
    published = {"W1": 1.8299e-10, "b1": 3.4248e-11, "W2": 5.8844e-12, "b2": 1.0700e-12}
    for name, figure in published.items():
        a, n = analytic[name], numeric[name]
        error = np.linalg.norm(a - n) / (np.linalg.norm(a) + np.linalg.norm(n) + 1e-15)
        assert figure / 10 < error < figure * 10


def test_a_stack_is_the_networks_one_by_one():
    params, X, y = network()
    loss = mlp.loss_function(X, y)
    shifts = np.linspace(-1, 1, 7)
    stack = {name: array + shifts[:, None, None] for name, array in params.items()}
    one_by_one = [loss({name: array + shift for name, array in params.items()}) for shift in shifts]
    np.testing.assert_allclose(loss(stack), one_by_one, rtol=1e-14)


def test_the_loss_is_the_one_written_on_paper():
    params, X, y = network(samples=4)
    total = 0.0
    for x, target in zip(X, y, strict=True):
        h = 1 / (1 + np.exp(-(x @ params["W1"] + params["b1"][0])))
        total += 0.5 * np.sum((h @ params["W2"] + params["b2"][0] - target) ** 2)
    loss = mlp.loss_function(X, y)(params)
    assert type(loss) is float
    assert loss == pytest.approx(total / 4, rel=1e-14)


def test_the_sigmoid_neither_overflows_nor_warns():
    z = np.array([-800.0, -30.0, 0.0, 30.0, 800.0])
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_allclose(mlp.sigmoid(z), [0, 0, 0.5, 1, 1], atol=1e-12)
        assert np.isfinite(mlp.sigmoid(z + 1e-20j)).all()


def test_the_weights_have_the_xavier_standard_deviation():
    params = mlp.init_params((300, 200, 100), seed=1)
    assert np.std(params["W1"]) == pytest.approx(np.sqrt(2 / 500), rel=0.01)
    assert np.std(params["W2"]) == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    assert not params["b1"].any() and not params["b2"].any()


def test_training_lowers_the_loss_in_place():
    X, y = paraboloid()
    params = mlp.init_params(seed=0)
    before = {name: array.copy() for name, array in params.items()}
    history = mlp.train(params, X, y, steps=200, learning_rate=0.5)
    assert history.shape == (201,)
    assert history[0] == mlp.loss_function(X, y)(before)
    assert history[-1] == mlp.loss_function(X, y)(params) < 0.7 * history[0]


def test_training_uses_the_backward_pass_that_it_is_given():
    X, y = paraboloid()
    params = mlp.init_params(seed=0)
    calls = []

    def standing_still(params, cache, y):
        calls.append(1)
        return {name: np.zeros_like(array) for name, array in params.items()}

    history = mlp.train(params, X, y, steps=3, backward=standing_still)
    assert len(calls) == 3 and len(set(history)) == 1


def test_the_loss_function_can_be_sent_to_another_process():
    params, X, y = network()
    loss = mlp.loss_function(X, y)
    assert pickle.loads(pickle.dumps(loss))(params) == loss(params)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda p, X, y: mlp.init_params((2, 5)), ValueError, "three whole numbers"),
        (lambda p, X, y: mlp.init_params((2, 0, 1)), ValueError, "three whole numbers"),
        (lambda p, X, y: mlp.init_params((2, 5.0, 1)), ValueError, "three whole numbers"),
        (lambda p, X, y: mlp.forward({"W1": p["W1"], "W2": p["W2"]}, X), KeyError, "b1, b2"),
        (lambda p, X, y: mlp.forward(p, X.T), ValueError, "X must have shape"),
        (lambda p, X, y: mlp.forward(p, X[0]), ValueError, "X must have shape"),
        (lambda p, X, y: mlp.loss(y, y[:, 0]), ValueError, "agree in shape"),
        (lambda p, X, y: mlp.loss(y[:, 0], y), ValueError, "agree in shape"),
        (lambda p, X, y: mlp.loss_function(X, y[:-1]), ValueError, "one row per sample"),
        (lambda p, X, y: mlp.loss_function(X, y[:, 0]), ValueError, "one row per sample"),
        (lambda p, X, y: mlp.backward(p, mlp.forward(p, X)[1], y[:, 0]), ValueError, "shape"),
        (lambda p, X, y: mlp.train(p, X, y, steps=-1), ValueError, "steps"),
        (lambda p, X, y: mlp.train(p, X, y, learning_rate=0), ValueError, "learning_rate"),
        (lambda p, X, y: mlp.train(p, X, y, learning_rate=np.nan), ValueError, "learning_rate"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_changed(call, error, said):
    params, X, y = network()
    before = {name: array.copy() for name, array in params.items()}
    with pytest.raises(error, match=said):
        call(params, X, y)
    for name, array in before.items():
        np.testing.assert_array_equal(params[name], array)
