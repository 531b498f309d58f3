"""What the prose of notebooks 01 to 03 says, and no cell of them computes, holds."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from claims import run, says, sources
from scipy.optimize import least_squares

import gradlab
from gradlab import mlp, plots, worked
from gradlab.bugs import CATALOGUE, suspect_a, suspect_b
from gradlab.explorers.training import BUGS

X, y = gradlab.paraboloid()
N = len(y)


def trained(seed=0, backward=mlp.backward, steps=3000, learning_rate=0.5, **start):
    params = mlp.init_params(seed=seed) | start
    history = mlp.train(params, X, y, steps, learning_rate, backward)
    return params, history


def passes_every_gradient_check(loss, params, grads):
    return all(
        gradlab.check_gradients(loss, params, grads, cutoff=cutoff).passed
        for cutoff in (None, 1e-7)
    )


# ------------------------------------------------------------------------------------------- 01


def test_the_suspects_look_alike():
    says("01", "both return arrays of the right shapes, both fit on half a page")
    params = mlp.init_params(seed=0)
    _, cache = mlp.forward(params, X)
    for suspect in (suspect_a, suspect_b):
        assert len(inspect.getsource(suspect).splitlines()) < 20
        grads = suspect(params, cache, y)
        assert {name: g.shape for name, g in grads.items()} == {
            name: array.shape for name, array in params.items()
        }


def test_one_suspect_is_right_and_the_other_is_not():
    says("01", "One of them computes the gradient. The other has a mistake in it")
    params = mlp.init_params(seed=0)
    _, cache = mlp.forward(params, X)
    loss = mlp.loss_function(X, y)
    verdicts = [
        gradlab.check_gradients(loss, params, suspect(params, cache, y)).passed
        for suspect in (suspect_a, suspect_b)
    ]
    assert sorted(verdicts) == [False, True]


def test_the_medians_of_the_suspects_part_for_a_while_and_end_together():
    says("01", "B the lower, and end together")
    space = run(sources("01"), ["imports", "eight-runs", "train-suspects"], {})
    a, b = (np.median(space[suspect], axis=0) for suspect in "ab")
    assert np.all(b[900:1250] < 0.95 * a[900:1250])
    assert np.all(np.abs(b / a - 1)[1400:] < 0.05)


def test_the_loss_before_any_nudge():
    says("01", "the loss is about 0.1 at the start", "That is why 21 slopes")
    params = mlp.init_params(seed=0)
    assert 0.1 < mlp.loss_function(X, y)(params) < 0.15
    assert sum(array.size for array in params.values()) == 21


def test_a_nudge_agrees_to_three_digits():
    says("01", "Expect three or four equal digits", "nudge=1e-4")
    params = mlp.init_params(seed=0)
    loss = mlp.loss_function(X, y)
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    for name, index in {"W2": (2, 0), "b2": (0, 0), "W1": (0, 1), "b1": (0, 1)}.items():
        nudged = {key: array.copy() for key, array in params.items()}
        nudged[name][index] += 1e-4
        slope = (loss(nudged) - loss(params)) / 1e-4
        assert slope == pytest.approx(grads[name][index], rel=1e-3)
        assert slope != pytest.approx(grads[name][index], rel=1e-6)


def test_the_first_layer_has_the_smaller_slopes():
    says("01", "the slopes of the first layer came out smaller than those of the second")
    params = mlp.init_params(seed=0)
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    assert np.abs(grads["W1"]).max() < np.abs(grads["W2"]).min()
    H = mlp.sigmoid(np.linspace(-9, 9, 1001))
    assert np.max(H * (1 - H)) == 0.25


def test_a_sigmoid_may_be_made_up_for_by_weights():
    says("01", "at most a quarter of a gradient pass; weights may make up for it")
    params, _ = trained()
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    assert np.abs(grads["W1"]).max() > np.abs(grads["W2"]).max()


def test_the_two_layouts_are_each_other_transposed():
    says("01", "Each column of the table is the other one transposed")
    stream = np.random.RandomState(0)
    X_rows, W, b, dZ = (stream.normal(size=shape) for shape in ((7, 2), (2, 5), (1, 5), (7, 5)))
    X_columns, W_columns, b_column = X_rows.T, W.T, b.T
    assert np.allclose(W_columns @ X_columns + b_column, (X_rows @ W + b).T)
    assert np.allclose(dZ.T @ X_columns.T, (X_rows.T @ dZ).T)
    assert np.allclose(W_columns.T @ dZ.T, (dZ @ W.T).T)
    assert np.allclose(dZ.T.sum(axis=1, keepdims=True), dZ.sum(axis=0, keepdims=True).T)


def test_the_numbers_that_01_does_on_paper():
    says("01", "$z = 2\\cdot 1 + 2 = 4$ and $h = 4^2/2 = 8$", "stands at $8\\cdot(-\\frac12)$")
    seen = worked.values()
    assert (seen["Z1"][0, 0], seen["H"][0, 0], seen["dy"][0, 0]) == (4, 8, -0.5)
    params = worked.params()
    before = worked.forward(params)["L"]
    changes = []
    for nudge in (0.01, 0.001):
        params["W2"][0, 0] = 1 + nudge
        changes.append((worked.forward(params)["L"] - before) / nudge / seen["dW2"][0, 0])
    assert 0.9 < changes[0] < changes[1] < 1  # short of the promise, and less so for less


# ------------------------------------------------------------------------------------------- 02


def test_the_numbers_worked_out_by_hand():
    says("02", "near $(-0.25, 0.90)$", "near $0.94$ and $-0.52$")
    params = mlp.init_params(seed=0)
    assert np.round(X[0], 2).tolist() == [-0.25, 0.9]
    assert np.round(params["W1"][:, 0], 2).tolist() == [0.94, -0.52]
    assert not params["b1"].any()


def test_which_way_the_trained_units_face():
    says(
        "02",
        "One rises to the top, two to the lower right, and one rises to the right but has a "
        "negative weight, so it holds up the left. The fifth has nearly no weight.",
    )
    params, _ = trained()
    right, top = params["W1"]
    weights = params["W2"][:, 0]
    assert top[1] > 3 * abs(right[1])
    assert all(weights[:3] > 1)
    for unit in (0, 2):
        assert right[unit] > 0 > top[unit]
        assert 0.4 < -top[unit] / right[unit] < 2.5
    assert right[3] > 3 * abs(top[3])
    assert weights[3] < -1
    assert abs(weights[4]) < 0.1 * np.abs(weights[:4]).min()


def test_what_stands_above_the_map_of_a_unit():
    says("02", "its column of `H`, counted from 0, with its weight in `W2` beside it")
    params, _ = trained()
    titles = [ax.get_title() for ax in plots.hidden_units(params).axes]
    units = [f"H[:, {unit}] × {params['W2'][unit, 0]:.2f}" for unit in range(5)]
    assert titles == [*units, "y_hat"]


def test_a_flat_target_teaches_the_mean():
    says("02", "scores twice as badly as the constant", "teaches the network to say the mean")
    flat = y.ravel()
    constant = np.full_like(y, y.mean())

    def trapped(params):
        return np.mean(0.5 * (mlp.forward(params, X)[0] - flat) ** 2)

    perfect = np.mean(0.5 * (y - flat) ** 2)
    assert perfect == pytest.approx(2 * np.mean(0.5 * (constant - flat) ** 2))
    params = mlp.init_params(seed=0)
    grads = mlp.backward(params, mlp.forward(params, X)[1], constant)
    assert passes_every_gradient_check(trapped, params, grads)
    mlp.train(params, X, constant)
    assert np.abs(mlp.forward(params, X)[0] - y.mean()).max() < 0.02
    with pytest.raises(ValueError, match="agree in shape"):
        mlp.loss(y, flat)


def with_slip(seed):
    """Initial weights drawn with the variance where the standard deviation belongs."""
    params = mlp.init_params(seed=seed)
    params["W1"] *= np.sqrt(2 / 7)
    params["W2"] *= np.sqrt(2 / 6)
    return params


def test_no_gradient_check_sees_the_first_weights():
    says("02", "every gradient check passes, because forward and backward agree")
    equal = mlp.init_params(seed=0)
    equal["W1"][:] = equal["W2"][:] = 0.5
    for params in (with_slip(0), equal):
        grads = mlp.backward(params, mlp.forward(params, X)[1], y)
        assert passes_every_gradient_check(mlp.loss_function(X, y), params, grads)


def test_the_slip_costs_time():
    says("02", "Such a network takes longer to get going, and arrives")
    starts = {"meant": lambda seed: mlp.init_params(seed=seed), "slip": with_slip}
    arrival = {}
    for name, start in starts.items():
        losses = np.array([mlp.train(start(seed), X, y) for seed in range(5)])
        assert np.all(losses[:, -1] < 0.01)
        arrival[name] = np.median(np.argmax(losses < 0.01, axis=1))
    assert arrival["slip"] > 1.2 * arrival["meant"]


def test_the_best_that_one_unit_can_do():
    says("02", "the best that one sigmoid unit can do with these points is 0.041")

    def residuals(p):
        return (p[3] * mlp.sigmoid(X @ p[:2] + p[2]) + p[4] - y[:, 0]) / np.sqrt(2 * N)

    starts = np.random.RandomState(0).normal(0, 2, (30, 5))
    best = min(2 * least_squares(residuals, start).cost for start in starts)
    assert 0.0405 < best < 0.0415


def test_xavier_never_asks_for_a_variance_above_1():
    says("02", "is never above 1, so this slip always makes the weights too small")
    fans = [2 / (rows + columns) for rows in range(1, 9) for columns in range(1, 9)]
    assert all(fan <= np.sqrt(fan) and fan <= 1 for fan in fans)


def test_a_perfect_prediction_scores_exactly_twice():
    says("02", "half the square of $y_i - y_j$ is the variance of $y$")
    pairs = np.mean((y - y.ravel()) ** 2 / 2)
    assert pairs == pytest.approx(np.var(y), rel=1e-12)
    assert np.mean((y.mean() - y) ** 2 / 2) == pytest.approx(np.var(y) / 2, rel=1e-12)


def test_equal_units_stay_equal():
    says("02", "the columns of `dW1` are all equal, so are the entries of `dW2`", "the 0.0005")
    equal = mlp.init_params(seed=0)
    equal["W1"][:] = equal["W2"][:] = 0.5
    grads = mlp.backward(equal, mlp.forward(equal, X)[1], y)
    assert np.ptp(grads["W1"], axis=1).max() < 1e-15
    assert np.ptp(grads["W2"]) < 1e-15
    history = mlp.train(equal, X, y, steps=10000)
    assert history[-1] > 0.04
    assert np.ptp(equal["W1"], axis=1).max() < 1e-6
    assert np.all(equal["W1"][0] < 0) and np.all(equal["W1"][1] > 0)  # towards the upper left


def test_a_low_loss_before_training_promises_nothing():
    says("02", "is luck: it says next to nothing about the loss after it")
    histories = [trained(seed)[1] for seed in range(100)]  # all that the seed slider has
    before, after = np.transpose(histories)[[0, -1]]
    ranks = np.argsort(np.argsort([before, after]))
    assert abs(np.corrcoef(ranks)[0, 1]) < 0.2


# ------------------------------------------------------------------------------------------- 03


def test_zero_biases_hide_a_forgotten_bias():
    says("03", "a forward pass that forgets `b1` gives the right answer as long as `b1` is zero")

    def forgetful(params):
        return mlp.sigmoid(X @ params["W1"]) @ params["W2"] + params["b2"]

    params = mlp.init_params(seed=0)
    assert np.array_equal(forgetful(params), mlp.forward(params, X)[0])
    params["b1"] += 0.1
    assert not np.allclose(forgetful(params), mlp.forward(params, X)[0])


def test_the_shelf_is_the_best_plane():
    says("03", "gives a loss of 0.115", "No plane fits these points with a loss below 0.086")
    assert mlp.loss(np.full_like(y, y.mean()), y) == pytest.approx(0.115, abs=5e-4)
    plane = np.column_stack([X, np.ones(N)])
    coefficients = np.linalg.lstsq(plane, y, rcond=None)[0]
    best = mlp.loss(plane @ coefficients, y)
    assert 0.086 < best < 0.087
    _, history = trained(seed=1)
    assert np.all(np.abs(history[100:400] - best) < 0.004)


def test_twice_the_gradient_is_twice_the_learning_rate():
    says("03", "Twice the gradient is the right gradient at twice the learning rate")
    _, doubled = trained(seed=1, backward=CATALOGUE["factor_two"].function)
    _, faster = trained(seed=1, learning_rate=1.0)
    np.testing.assert_allclose(doubled, faster, rtol=1e-6)


def test_the_five_mistakes():
    says(
        "03",
        "three ended at a lower loss than the truth",
        "two of those fell at every step",
        "The first three of the list are harmless",
        "somebody has made and reported",
    )
    names = [
        "factor_two",
        "bias_forgotten",
        "bias_summed_to_scalar",
        "bias_averaged",
        "missing_derivative",
    ]
    _, right = trained(seed=1)
    losses = [trained(seed=1, backward=CATALOGUE[name].function)[1] for name in names]
    lower = [loss[-1] < right[-1] for loss in losses]
    assert lower == [True, True, True, False, False]
    assert sum(np.all(np.diff(loss) < 0) for loss in losses[:3]) == 2
    assert all(CATALOGUE[name].reported for name in names)


def test_four_of_the_ten_mistakes_learn_the_bowl_at_every_seed():
    says("03", "one of ten mistakes", "four of the ten mistakes learn the bowl at every seed")

    def learns(name, seed):
        backward = suspect_b if name == "updated_w2" else CATALOGUE[name].function
        with np.errstate(all="ignore"):  # the wrong sign sends the loss to infinity
            return trained(seed, backward)[1][-1] < 0.003

    learners = ("bias_forgotten", "factor_two", "clipped", "updated_w2")
    others = set(BUGS) - set(learners)
    assert len(BUGS) == 10
    assert all(learns(name, seed) for name in learners for seed in range(8))
    assert not any(learns(name, seed=3) for name in others)


def test_zeros_in_w2_hide_a_missing_slope():
    says("03", "agrees with the right one to the last digit")
    stream = np.random.RandomState(3)
    params = mlp.init_params(seed=stream)
    params["b1"] += stream.normal(size=(1, 5))
    params["W2"][:] = 0
    _, cache = mlp.forward(params, X)
    right = mlp.backward(params, cache, y)
    wrong = CATALOGUE["missing_derivative"].function(params, cache, y)
    assert all(np.array_equal(right[name], wrong[name]) for name in params)
