"""The measured noise is that of the loss, and the probe's step balances it."""

import numpy as np
import problems
import pytest

import gradlab
from gradlab import mlp
from gradlab.differences import noise

U = np.finfo(float).eps / 2


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
        loss, params, _ = problems.course(seed)
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
    loss, params, _ = problems.course()
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
    loss, params, _ = problems.course()
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


def stairs(width):
    """The parameter rounded to a multiple of ``width``, squared."""
    return lambda params: float(np.sum((np.round(params["x"] / width) * width) ** 2))


@pytest.mark.parametrize("point", [0.3, 0.7, 1.1, 1.9])
@pytest.mark.parametrize("width", [1e-9, 2.0**-24, 1e-7, 3e-7])
def test_a_staircase_is_noise(width, point):
    level = noise.loss_noise(stairs(width), {"x": np.array([point])}).level
    worst = 2 * point * width / 2  # the slope, times half the width of a step
    assert worst / noise.SAFETY < level < 4 * worst


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_staircase_is_noise_even_where_every_point_of_the_line_climbs_as_many_stairs(steps):
    spacing = noise.SPACINGS[0] * abs(np.random.RandomState(0).standard_normal())
    worst = width = spacing / (steps + 0.01)
    level = noise.loss_noise(stairs(width), {"x": np.array([1.0])}).level
    assert worst / noise.SAFETY < level < 4 * worst


def test_noise_is_measured_where_the_loss_moves_if_it_stands_still_at_the_point():
    def loss(params):  # a small number left over from large ones in float32, zero below 1.2
        left = np.float32(100) + np.float32(params["x"].sum() - 1.2) - np.float32(100)
        return max(float(left), 0.0)

    assert loss({"x": np.array([1.0])}) == 0
    worst = np.spacing(np.float32(100)) / 2
    assert worst / noise.SAFETY < noise.loss_noise(loss, {"x": np.array([1.0])}).level < 4 * worst


def test_a_loss_that_never_moves_has_only_its_own_rounding():
    assert noise.loss_noise(lambda params: 1 / 3, {"x": np.ones(3)}).level < 1e-15


@pytest.mark.parametrize("exponent", [-290, -160, 160, 290])
def test_nothing_over_or_underflows(exponent):
    loss, params, _ = problems.course()
    scale = 10.0**exponent
    one = noise.loss_noise(loss, params)
    other = noise.loss_noise(lambda params: scale * loss(params), params)
    assert 0.2 < other.level / (scale * one.level) < 5
    assert noise.rms(np.array([3.0, 4.0]) * scale) == pytest.approx(scale * np.sqrt(12.5))
