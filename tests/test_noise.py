"""The measured noise is that of the loss, and the probe's step balances it."""

import numpy as np
import pytest

import gradlab
from gradlab import mlp, noise

U = np.finfo(float).eps / 2


def course(seed=0):
    X, y = gradlab.paraboloid()
    return mlp.loss_function(X, y), mlp.init_params(seed=seed)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("level", [1e-12, 1e-6, 1e-3])
def test_difference_noise_finds_the_noise_that_was_put_in(level, seed):
    x = np.linspace(0, 1e-4, 9)
    values = np.sin(3 * x) + level * np.random.RandomState(seed).normal(size=9)
    assert 0.3 * level < noise.difference_noise(values) < 3 * level


def test_a_smooth_table_shows_no_noise():
    x = np.linspace(0, 1, 9)
    assert noise.difference_noise(np.exp(3 * x)) is None


def test_noise_of_a_clean_loss_is_about_one_roundoff():
    ratios = []
    for seed in range(20):
        loss, params = course(seed)
        ratios.append(noise.loss_noise(loss, params).level / (U * loss(params)))
    assert 0.7 < np.median(ratios) < 2


def test_hidden_float32_shows():
    X, y = gradlab.paraboloid()
    params = mlp.init_params()

    def loss(params):
        single = {name: array.astype(np.float32) for name, array in params.items()}
        return float(mlp.loss(mlp.forward(single, X.astype(np.float32))[0], y.astype(np.float32)))

    measured = noise.loss_noise(loss, params)
    assert 1e-9 < measured.relative < 1e-6
    assert (
        noise.probe(
            loss, params, {"W1": noise.random_direction((2, 5))}, loss(params), measured
        ).step
        > 1e-3
    )


@pytest.mark.parametrize("factor", [1e-12, 1e-6, 1e6, 1e12])
def test_noise_and_step_follow_the_scale_of_the_loss(factor):
    loss, params = course()
    one, other = (noise.loss_noise(f, params) for f in (loss, lambda params: factor * loss(params)))
    assert 0.2 < other.level / (factor * one.level) < 5
    assert 0.2 < other.relative / one.relative < 5


@pytest.mark.parametrize("length", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_the_step_follows_the_scale_of_the_parameters(length):
    def loss(params):
        return float(np.sum(np.exp(np.sin(params["x"] / length))))

    params = {"x": length * np.array([0.3, -1.2, 2.0])}
    measured = noise.loss_noise(loss, params)
    direction = {"x": noise.random_direction((3,))}
    found = noise.probe(loss, params, direction, loss(params), measured)
    assert 1e-7 * length < found.step < 1e-3 * length
    assert found.answers


def test_a_minimum_is_not_taken_for_float32():
    loss, params = course()
    params = {name: array.copy() for name, array in params.items()}
    X, _ = gradlab.paraboloid()
    y = mlp.forward(params, X)[0] + 1e-7 * np.random.RandomState(0).normal(size=(20, 1))
    measured = noise.loss_noise(mlp.loss_function(X, y), params)
    assert measured.relative > 1e-12 and measured.unit < 1e-14


def test_line_losses_put_the_arrays_back_and_mark_what_leaves_the_domain():
    params = {"x": np.array([0.1, 0.2])}
    before = params["x"].tobytes()
    values = noise.line_losses(
        lambda p: float(np.log(p["x"]).sum()), params, {"x": np.ones(2)}, (0.0, -1.0, 1.0)
    )
    assert np.isfinite(values).tolist() == [True, False, True]
    assert params["x"].tobytes() == before


def test_zero_loss_has_noise_all_the_same():
    measured = noise.loss_noise(lambda p: 0.0, {"x": np.ones(3)})
    assert measured.level > 0


@pytest.mark.parametrize("frequency", [1e2, 1e4, 1e6])
def test_a_fast_oscillation_is_not_taken_for_noise(frequency):
    def loss(params):
        return float(np.sin(frequency * params["x"]).sum())

    for point in ([0.0, 1.0], [0.3, 1.2], [2.0, -1.0]):
        # The argument of the sine is rounded to u times its size.
        assert noise.loss_noise(loss, {"x": np.array(point)}).level < 100 * U * frequency
