"""What the second edition of notebook 07 says, and no cell of it computes, holds."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from claims import says

import gradlab
from gradlab import bugs, formats, mlp
from gradlab.bugs.networks import COURSE

X, y = gradlab.paraboloid()


@functools.cache
def best(name, seed):
    """The best step and the least relative error of a central difference in a format."""
    params = mlp.init_params(seed=seed)
    p = {key: formats.rounded(array, name) for key, array in params.items()}
    right = COURSE.at(p, formats.rounded(X, name), formats.rounded(y, name)).grads
    steps = np.logspace(-6, 0.25, 19)
    errors = bugs.sweep(bugs.Problem(formats.loss_function(X, y, name), p, right), steps)
    return steps[np.argmin(errors)], errors.min()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_step_is_a_cube_root_of_u_and_the_least_error_its_square(seed):
    says("07", "the best step is $u^{1/3}$, the least error its square, $u^{2/3}$")
    u = np.array([formats.unit_roundoff(name) for name in formats.BITS])
    steps, errors = np.array([best(name, seed) for name in formats.BITS]).T
    assert np.polyfit(np.log(u), np.log(steps), 1)[0] == pytest.approx(1 / 3, abs=0.04)
    assert np.polyfit(np.log(u), np.log(errors), 1)[0] == pytest.approx(2 / 3, abs=0.05)
    assert np.all((1 < steps / u ** (1 / 3)) & (steps / u ** (1 / 3) < 10))
    assert np.all((0.1 < errors / u ** (2 / 3)) & (errors / u ** (2 / 3) < 1))


def test_a_difference_in_bfloat16_knows_about_two_digits():
    says("07", "One percent, with a step of nearly 1", "about two digits, however you choose")
    step, error = best("bfloat16", 0)
    assert 0.3 < step < 1.5
    assert 3e-3 < error < 3e-2


def test_the_bits_and_roundoffs_of_the_formats():
    says("07", "**float16** has 11 bits, $u$ = 5e-4", "has 8: $u$ = 4e-3")
    assert (formats.BITS["float16"], formats.BITS["bfloat16"]) == (11, 8)
    assert formats.unit_roundoff("float16") == pytest.approx(5e-4, rel=0.05)
    assert formats.unit_roundoff("bfloat16") == pytest.approx(4e-3, rel=0.05)


def test_a_step_of_1e_4_is_lost_in_16_bits():
    says("07", "With the fixed 1e-4 of today x + ε *is* x there")
    for name in ("float16", "bfloat16"):
        assert formats.rounded(np.array(1 + 1e-4), name) == 1


def test_the_adjoint_test_cannot_see_what_both_directions_share():
    says("07", "What the test cannot see is a mistake that both directions share")
    params = mlp.init_params(seed=0)
    H = mlp.forward(params, X)[1]["H"]
    wrong_slope = H * (1 - H) ** 2
    rng = np.random.RandomState(0)
    u, dW1 = rng.normal(size=H.shape), rng.normal(size=(2, 5))
    forward = np.sum(u * ((X @ dW1) * wrong_slope))
    backward = np.sum((X.T @ (u * wrong_slope)) * dW1)
    assert forward == pytest.approx(backward, rel=1e-12)


def hessian(seed):
    """The matrix of second derivatives of the course's loss, by differences of the gradient."""
    params = mlp.init_params(seed=seed)
    names = list(params)

    def flat(arrays):
        return np.concatenate([arrays[name].ravel() for name in names])

    def gradient(vector):
        parts = np.split(vector, np.cumsum([params[name].size for name in names])[:-1])
        p = {n: part.reshape(params[n].shape) for n, part in zip(names, parts, strict=True)}
        return flat(mlp.backward(p, mlp.forward(p, X)[1], y))

    at, eps = flat(params), 1e-5
    return np.array([(gradient(at + e) - gradient(at - e)) / (2 * eps) for e in eps * np.eye(21)])


def test_the_hessian_is_symmetric_so_its_product_is_a_gradient():
    says("07", "the Hessian is symmetric", "that of the number $g\\cdot v$")
    H = hessian(0)
    np.testing.assert_allclose(H, H.T, atol=1e-9)


def test_without_the_terms_of_the_error_it_is_the_gauss_newton_product():
    """J' J v / N, with J the slopes of the predictions by the complex step."""
    says(
        "07", "Leave out all three terms that contain the error itself", "the Gauss-Newton product"
    )
    params = mlp.init_params(seed=0)
    H = mlp.forward(params, X)[1]["H"]
    slope, rng = H * (1 - H), np.random.RandomState(0)
    v = {name: rng.normal(size=a.shape) for name, a in params.items()}
    RH = slope * (X @ v["W1"] + v["b1"])
    Rdy = (RH @ params["W2"] + H @ v["W2"] + v["b2"]) / len(y)
    RdZ1 = Rdy @ params["W2"].T * slope
    remains = {"W1": X.T @ RdZ1, "b1": RdZ1.sum(0), "W2": H.T @ Rdy, "b2": Rdy.sum(0)}
    columns, direction = [], []
    for name, array in params.items():
        for index in np.ndindex(array.shape):
            moved = {key: a.astype(complex) for key, a in params.items()}
            moved[name][index] += 1e-20j
            columns.append(mlp.forward(moved, X)[0].imag.ravel() / 1e-20)
            direction.append(v[name][index])
    J = np.array(columns).T
    expected = J.T @ (J @ direction) / len(y)
    found = np.concatenate([remains[name].ravel() for name in params])
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)


def test_a_rounded_layer_is_a_staircase_with_the_value_of_its_surrogate():
    says("07", "has the same value at that point")
    params = mlp.init_params(seed=0)
    H = mlp.forward(params, X)[1]["H"]
    Q = np.round(4 * H) / 4
    assert np.array_equal(H + (Q - H), Q) or np.allclose(H + (Q - H), Q, atol=1e-15)


def test_the_penalty_passes_the_cutoff_near_nine_thousand():
    """The guess asks for a power of ten; the place itself is not next to one."""
    params = mlp.init_params(seed=0)
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    error = 0.1 * np.linalg.norm(grads["W1"]) / (2 * np.linalg.norm(params["W1"]))
    assert 5e3 < error / 1e-7 < 9.9e3
