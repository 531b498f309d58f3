"""The Taylor-remainder test: slope 2 for a gradient that is right, 1 for one that is not."""

import contextlib
import copy
import math
import pickle

import numpy as np
import pytest
from problems import course

from gradlab import taylor_test


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("seed", range(20))
def test_a_right_gradient_has_slope_two(seed, dtype):
    loss, params, grads = course(seed, dtype, data=seed)
    result = taylor_test(loss, params, grads, seed=seed)
    assert result.slope == pytest.approx(2, abs=0.05)
    np.testing.assert_allclose(result, 2, atol=0.15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2"])
def test_a_wrong_gradient_has_slope_one(name, dtype):
    slopes = []
    for seed in range(5):
        loss, params, grads = course(seed, dtype, data=seed)
        wrong = taylor_test(loss, params, {**grads, name: -grads[name]}, seed=seed)
        # In a rare direction the array hardly counts: then float32, which has no room for smaller
        # steps, shows it at its smallest steps alone.
        assert np.min(wrong) < 1.1
        assert wrong.slope < 1.1 or dtype == np.float32
        slopes.append(wrong.slope)
    assert np.median(slopes) == pytest.approx(1, abs=0.05)


def test_small_mistakes_show_where_the_steps_are_small():
    """A ten-thousandth of one array shows in most directions, in 15 of 20 at the least."""
    slopes = []
    for seed in range(20):
        loss, params, grads = course(seed, data=seed)
        slopes.append(taylor_test(loss, params, {**grads, "W1": 1.0001 * grads["W1"]}, seed).slope)
    assert sum(slope < 1.5 for slope in slopes) >= 15


def test_the_two_orders_do_not_cancel():
    """On one side of this parabola the remainder of a wrong gradient passes through zero."""
    result = taylor_test(
        lambda p: float(p["x"][0] ** 2 + p["x"][0]), {"x": np.zeros(1)}, {"x": np.full(1, 0.99)}
    )
    assert result.slope == pytest.approx(1, abs=0.01)


def test_what_comes_back_is_an_array_of_slopes_with_what_they_come_from():
    loss, params, grads = course()
    result = taylor_test(loss, params, grads)
    assert result.shape == (len(result.steps) - 1,)
    assert (np.diff(result.steps) < 0).all() and result.remainders.shape == result.steps.shape
    halvings = np.log2(result.remainders[:-1] / result.remainders[1:])
    np.testing.assert_allclose(result, halvings)
    assert (abs(result - 2) < 0.1).all()


def test_a_linear_loss_leaves_no_remainder():
    result = taylor_test(lambda p: float(3 * p["x"][0]), {"x": np.ones(1)}, {"x": np.full(1, 3.0)})
    assert result.slope == math.inf and result.size == 0
    result = taylor_test(lambda p: float(3 * p["x"][0]), {"x": np.ones(1)}, {"x": np.full(1, 2.0)})
    assert result.slope == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_neither_the_scale_of_the_loss_nor_that_of_the_parameters_matters(scale):
    loss, params, grads = course()
    scaled = taylor_test(
        lambda p: scale * loss(p), params, {n: scale * g for n, g in grads.items()}
    )
    assert scaled.slope == pytest.approx(2, abs=0.05)
    large = {"w": scale * np.array([1.0, -2.0, 0.5])}

    def quartic(p):
        return float(np.sum((p["w"] / scale) ** 4))

    right = {"w": 4 * (large["w"] / scale) ** 3 / scale}
    assert taylor_test(quartic, large, right).slope == pytest.approx(2, abs=0.05)
    assert taylor_test(quartic, large, {"w": 1.1 * right["w"]}).slope == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("error", [ZeroDivisionError, MemoryError, KeyboardInterrupt])
def test_interrupted_it_leaves_everything_as_it_was(error):
    loss, params, grads = course()
    before = {name: array.tobytes() for name, array in params.items()}
    for last in range(1, 40):
        calls = iter(range(last))

        def failing(p, calls=calls):
            if next(calls, None) is None:
                raise error
            return loss(p)

        # Where it is the loss that fails, and only at points it was moved to, there is an answer.
        with (
            contextlib.suppress(ZeroDivisionError, ValueError)
            if error is ZeroDivisionError
            else (pytest.raises(error))
        ):
            taylor_test(failing, params, grads)
        assert {name: array.tobytes() for name, array in params.items()} == before


# Losses with a domain: a function of one number, its derivative, and numbers well inside.


def math_log(x):
    return math.log(x)  # raises where np.log warns


DOMAINS = {
    "log": (np.log, lambda x: 1 / x, (1e-6, 1.0)),
    "math.log": (math_log, lambda x: 1 / x, (1e-6, 1.0)),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x), (1e-6, 1.0)),
    "arcsin": (np.arcsin, lambda x: 1 / np.sqrt(1 - x**2), (-0.999, 0.999)),
    "logit": (lambda x: np.log(x / (1 - x)), lambda x: 1 / (x * (1 - x)), (0.001, 0.999)),
    "1/x": (lambda x: 1 / x if x > 0 else np.inf, lambda x: -1 / x**2, (1e-3, 1.0)),
    "exp": (lambda x: np.exp(1000 * x), lambda x: 1000 * np.exp(1000 * x), (0.5, 0.7)),
}


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("seed", range(25))
def test_at_the_edge_of_a_domain_it_tells_right_from_wrong(domain, seed):
    """A remainder that is no number says nothing: it is not below the noise."""
    function, derivative, (low, high) = DOMAINS[domain]
    stream = np.random.RandomState(seed)
    x = stream.uniform(low, high, 4)
    if seed % 2 and low > 0:
        x = low * (high / low) ** stream.uniform(size=4)
    right = np.array([derivative(each) for each in x])

    def loss(p):
        return float(sum(function(each) for each in p["x"]))

    assert taylor_test(loss, {"x": x}, {"x": right}, seed).slope == pytest.approx(2, abs=0.2)
    for wrong in (3 * right, -right, 0 * right, 1.1 * right):
        assert taylor_test(loss, {"x": x}, {"x": wrong}, seed).slope == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["W1", "b2"])
def test_a_gradient_that_is_not_finite_has_no_slope(bad, name):
    loss, params, grads = course()
    spoilt = {**grads, name: grads[name].copy()}
    spoilt[name].flat[0] = bad
    result = taylor_test(loss, params, spoilt)
    assert math.isnan(result.slope) and result.size == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_without_values_has_no_slope(value):
    x = np.array([0.3, 0.4])
    for loss in (lambda p: value, lambda p: 1.0 if p["x"][0] == 0.3 else value):
        assert math.isnan(taylor_test(loss, {"x": x}, {"x": np.ones(2)}).slope)


def test_if_every_step_makes_the_loss_raise_that_is_quoted():
    x = np.array([0.3, 0.4])

    def loss(p):
        if p["x"][0] != 0.3:
            raise ValueError("not on the grid")
        return 1.0

    with pytest.raises(ValueError, match="made the loss raise ValueError: not on the grid"):
        taylor_test(loss, {"x": x}, {"x": np.ones(2)})


@pytest.mark.parametrize("wrong", [0.5, 1.0, 3.0])
def test_in_a_domain_too_small_for_any_remainder_nothing_is_said(wrong):
    """Where the loss itself changes by no more than its noise, any gradient leaves no remainder."""
    x = np.array([0.3])

    def loss(p):
        return 1.0 + p["x"][0] if abs(p["x"][0] - 0.3) < 1e-14 else np.nan

    assert math.isnan(taylor_test(loss, {"x": x}, {"x": np.array([wrong])}).slope)


def test_on_one_side_of_a_point_it_works_as_well():
    x = np.array([1.0])  # the end of the domain

    def loss(p):
        if p["x"][0] > 1:
            raise ValueError("beyond the end")
        return float(np.exp(p["x"][0]))

    assert taylor_test(loss, {"x": x}, {"x": np.exp(x)}).slope == pytest.approx(2, abs=0.05)
    assert taylor_test(loss, {"x": x}, {"x": 1.1 * np.exp(x)}).slope == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))]
)
def test_it_can_be_copied_and_pickled(copied):
    loss, params, grads = course()
    result = taylor_test(loss, params, grads)
    again = copied(result)
    np.testing.assert_array_equal(again, result)
    assert again.slope == result.slope
    np.testing.assert_array_equal(again.steps, result.steps)
    np.testing.assert_array_equal(again.remainders, result.remainders)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"grads": {"w": np.ones(3)}}, ValueError, "shape"),
        ({"grads": [1, 2]}, TypeError, "grads must be a dict"),
        ({"loss": None}, TypeError, "loss must be a function"),
        ({"loss": lambda p: p["w"]}, TypeError, "one number"),
        ({"params": {"w": np.arange(2)}}, TypeError, "int64"),
        ({"seed": "x"}, TypeError, "seed must be a whole number"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, error, said):
    params = {"w": np.ones(2)}
    usual = {"loss": lambda p: np.sum(p["w"]), "params": params, "grads": {"w": np.ones(2)}}
    with pytest.raises(error, match=said):
        taylor_test(**{**usual, **arguments})


@pytest.mark.parametrize("shown", [True, False])
def test_a_slow_test_shows_a_bar(shown, monkeypatch, capsys):
    monkeypatch.setattr("gradlab.differences.progress.PATIENCE", 0.0)
    x = np.array([0.3, 1.2])
    taylor_test(lambda p: np.sum(np.exp(p["x"])), {"x": x}, {"x": np.exp(x)}, progress=shown)
    said = capsys.readouterr()
    assert bool(said.err) == shown and said.out == ""
