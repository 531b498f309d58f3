"""The judges of notebook 04: what a learner may answer, and what they are told."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import exercises


def said(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out


def gradient_by(step_up=1, step_down=1, divide=lambda rise, eps: rise / (2 * eps), restore=True):
    def numerical_gradient(loss, params, eps):
        gradient = {}
        for name, array in params.items():
            gradient[name] = np.zeros_like(array)
            for index in np.ndindex(array.shape):
                old = array[index]
                array[index] = old + step_up * eps
                ahead = loss(params)
                array[index] = old - step_down * eps
                behind = loss(params)
                if restore:
                    array[index] = old
                gradient[name][index] = divide(ahead - behind, eps)
        return gradient

    return numerical_gradient


def whole_arrays(loss, params, eps):
    gradient = {}
    for name, array in params.items():
        array += eps
        ahead = loss(params)
        array -= 2 * eps
        behind = loss(params)
        array += eps
        gradient[name] = np.full(array.shape, (ahead - behind) / (2 * eps))
    return gradient


def whole_rows(loss, params, eps):
    gradient = {}
    for name, array in params.items():
        gradient[name] = np.zeros_like(array)
        for row in range(len(array)):
            old = array[row].copy()
            array[row] = old + eps
            ahead = loss(params)
            array[row] = old - eps
            gradient[name][row] = (ahead - loss(params)) / (2 * eps)
            array[row] = old
    return gradient


def into_the_weights(loss, params, eps):
    gradient = params.copy()
    for name, array in params.items():
        for index in np.ndindex(array.shape):
            old = array[index]
            array[index] = old + eps
            ahead = loss(params)
            array[index] = old - eps
            gradient[name][index] = (ahead - loss(params)) / (2 * eps)
    return gradient


def put_back_by_adding(loss, params, eps):
    gradient = {}
    for name, array in params.items():
        gradient[name] = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            array[index] += eps
            ahead = loss(params)
            array[index] -= 2 * eps
            gradient[name][index] = (ahead - loss(params)) / (2 * eps)
            array[index] += eps
    return gradient


def on_copies(loss, params, eps):
    def moved(name, index, step):
        copies = {key: array.copy() for key, array in params.items()}
        copies[name][index] += step
        return loss(copies)

    return {
        name: np.reshape(
            [
                (moved(name, index, eps) - moved(name, index, -eps)) / (2 * eps)
                for index in np.ndindex(array.shape)
            ],
            array.shape,
        )
        for name, array in params.items()
    }


def wasteful(loss, params, eps):
    loss(params)
    return on_copies(loss, params, eps)


def loses_an_array(loss, params, eps):
    gradient = on_copies(loss, params, eps)
    del params["b2"]
    return gradient


def on_shallow_copies(loss, params, eps):
    gradient = {}
    for name, array in params.items():
        gradient[name] = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            moved = params.copy()
            moved[name][index] += eps
            ahead = loss(moved)
            moved = params.copy()
            moved[name][index] -= eps
            gradient[name][index] = (ahead - loss(moved)) / (2 * eps)
    return gradient


def on_shallow_copies_at_once(loss, params, eps):
    gradient = {name: np.zeros_like(array) for name, array in params.items()}
    for name, array in params.items():
        for index in np.ndindex(array.shape):
            plus, minus = params.copy(), params.copy()
            plus[name][index] += eps
            minus[name][index] -= eps
            gradient[name][index] = (loss(plus) - loss(minus)) / (2 * eps)
    return gradient


def on_a_copy_that_stays_at_home(loss, params, eps):
    gradient = {name: np.zeros_like(array) for name, array in params.items()}
    for name, array in params.items():
        moved = array.copy()
        for index in np.ndindex(array.shape):
            moved[index] += eps
            ahead = loss(params)
            moved[index] -= 2 * eps
            gradient[name][index] = (ahead - loss(params)) / (2 * eps)
    return gradient


def under_the_index(loss, params, eps):
    gradient = {name: np.zeros_like(array) for name, array in params.items()}
    for array in gradient_by()(loss, params, eps).values():
        for index in np.ndindex(array.shape):
            gradient[index] = array[index]
    return gradient


def walks_through_the_array(loss, params, eps):
    return {name: [loss(params) for _ in np.ndindex(array)] for name, array in params.items()}


def raises(loss, params, eps):
    raise RuntimeError("stuck")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (gradient_by(step_down=0, divide=lambda rise, eps: rise / eps), "forward difference"),
        (gradient_by(step_up=0, divide=lambda rise, eps: rise / eps), "backward difference"),
        (gradient_by(divide=lambda rise, eps: rise / eps), "2 eps apart"),
        (gradient_by(divide=lambda rise, eps: rise / 2 * eps), "brackets"),
        (gradient_by(step_down=0), "second loss is taken at the starting point"),
        (on_shallow_copies, "a copied dict still holds the same arrays"),
        (on_shallow_copies_at_once, "saw the same point every time"),
        (on_a_copy_that_stays_at_home, "saw the same point every time"),
        (under_the_index, "an entry under the key (0, 0)"),
        (walks_through_the_array, "np.ndindex wants array.shape"),
        (
            lambda loss, params, eps: loss(),
            "loss() missing 1 required positional argument: 'params'",
        ),
        (gradient_by(divide=lambda rise, eps: rise / 2e-5), "as if it had been 1e-05"),
        (gradient_by(divide=lambda rise, eps: rise / 2e-3), "as if it had been 1e-03"),
        (gradient_by(restore=False), "not put back"),
        (whole_arrays, "one entry at a time"),
        (whole_rows, "A whole row moves at once"),
        (into_the_weights, "holds the arrays of params themselves"),
        (put_back_by_adding, "does not come back bit for bit"),
        (loses_an_array, "b2 is not at the end what it was"),
        (lambda loss, params, eps: {k: 0 * a for k, a in params.items()}, "never evaluated"),
        (lambda loss, params, eps: gradient_by()(loss, params, 1e-5), "step is built in"),
        (gradient_by(divide=lambda rise, eps: -rise / (2 * eps)), "wrong sign"),
        (gradient_by(divide=lambda rise, eps: rise / (3 * eps)), "constant factor"),
        (lambda loss, params, eps: {"W1": params["W1"]}, "no b1, W2, b2"),
        (lambda loss, params, eps: [1, 2], "A dict"),
        (gradient_by(divide=lambda rise, eps: np.nan), "nan"),
        (raises, "RuntimeError: stuck"),
        (3, "A function is asked for"),
        (lambda loss, params, eps: None, "Not attempted yet"),
        (None, "Not attempted yet"),
        (gradient_by(), "Right. 42 evaluations"),
        (on_copies, "Right. 42 evaluations"),
        (wasteful, "Right. It takes 43 evaluations"),
    ],
)
def test_the_loop_over_every_entry(capsys, answer, sentence):
    assert sentence in said(capsys, "04_numerical_gradient", answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (4e-2, "Too large, by about 3.1 decades"),
        (1e-2, "Too large, by about 2.5 decades"),
        (1e-3, "Too large, by about 1.5 decades"),
        (1e-6, "Too small, by about 1.5 decades"),
        (1e-7, "Too small, by about 2.5 decades"),
        (3e-10, "Too small, by about 5.0 decades"),
        (-5, "looks like an exponent; the step itself would be 1e-5"),
        (-0.5, "has to be positive"),
        (0, "has to be positive"),
        (float("nan"), "is nan"),
        ([1e-5, 1e-4], "One number"),
        ("small", "A number is asked for"),
        (..., "Not attempted yet"),
        (1e-5, "Right. Within a factor of ten"),
        (1e-4, "Right. Within a factor of ten"),
    ],
)
def test_the_best_epsilon(capsys, answer, sentence):
    assert sentence in said(capsys, "04_best_epsilon", answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda T, R, p: (T / R) ** (1 / (p + 1)), "upside down"),
        (lambda T, R, p: (R / T) ** (1 / p), "p + 1, not p"),
        (lambda T, R, p: (R / (p * T)) ** (1 / (p + 1)), "where the sum of both errors is least"),
        (lambda T, R, p: R / T, "root is still missing"),
        (lambda T, R, p: (R / T) ** (1 / 2), "square root whatever p is"),
        (lambda T, R, p: (R / T) ** (1 / 3), "cube root whatever p is"),
        (lambda T, R, p: (R / T) ** (1 / (p + 2)), "For T = 0.2, R = 1e-15 and p = 2 you return"),
        (lambda T, R, p: (R / T) ** (1 / (p + 2)), "and the two should be equal"),
        (lambda T, R, p: (R / T) ** 1 / (p + 1), "exponent needs brackets"),
        (lambda T, R, p: R / T ** (1 / (p + 1)), "ratio needs brackets"),
        (lambda T, R, p: (R / T) ** (1 / p + 1), "/ binds before +"),
        (lambda T, R, p: (R / T) ** (p + 1), "its inverse, a root"),
        (lambda T, R, p: -1.0, "a step is positive"),
        (lambda T, R, p: np.inf, "divided by zero or overflowed"),
        (lambda T, R, p: ..., "Not attempted yet"),
        (lambda T, R, p: (R / T) ** (1 / (p + 1)), "Right. For p = 1 it is a square root"),
    ],
)
def test_where_the_lines_cross(capsys, answer, sentence):
    assert sentence in said(capsys, "04_crossing", answer)
