"""The judges of notebook 05: what a learner may answer, and what they are told."""

from __future__ import annotations

import numpy as np
import pytest

import gradlab
from gradlab import exercises, mlp
from gradlab.bugs import suspect_b
from gradlab.exercises import depth
from gradlab.exercises.lesson05 import SIZES

norm = np.linalg.norm


def said(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out


def right(a, n):
    return norm(a - n) / (norm(a) + norm(n) + 1e-15)


def entrywise(a, n):
    return abs(a - n) / (abs(a) + abs(n) + 1e-15)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda a, n: norm(a - n), "absolute error"),
        (lambda a, n: norm(a - n) / norm(a), "analytic array alone"),
        (lambda a, n: norm(a - n) / norm(n), "numeric array alone"),
        (lambda a, n: norm(a - n) / max(norm(a), norm(n)), "larger of the two"),
        (lambda a, n: norm(a - n) / norm(a + n), "sum of the norms"),
        (lambda a, n: norm(a - n) / norm(a) + norm(n) + 1e-15, "brackets are missing"),
        (lambda a, n: 2 * norm(a - n) / (norm(a) + norm(n)), "mean of the two sizes"),
        (lambda a, n: norm(a - n) / (norm(a) * norm(n) + 1e-15), "product of the two sizes"),
        (lambda a, n: (norm(a) - norm(n)) / (norm(a) + norm(n)), "norm of the difference"),
        (lambda a, n: abs(norm(a) - norm(n)) / (norm(a) + norm(n)), "norm of the difference"),
        (lambda a, n: np.sum((a - n) ** 2) / (np.sum(a**2) + np.sum(n**2)), "square roots"),
        (lambda a, n: np.sum(abs(a - n)) / (np.sum(abs(a)) + np.sum(abs(n))), "2-norm"),
        (lambda a, n: np.mean(entrywise(a, n)), "mean over the entries"),
        (lambda a, n: np.max(entrywise(a, n)), "largest over the entries"),
        (lambda a, n: norm(a - n, 2) / (norm(a, 2) + norm(n, 2)), "leave the 2 out"),
        (lambda a, n: entrywise(a, n), "One number is asked for"),
        (lambda a, n: norm(a - n) / (norm(a) + norm(n)), "you divide 0 by 0"),
        (lambda a, n: (norm(a - n) + 1e-15) / (norm(a) + norm(n) + 1e-15), "zeros, which agree"),
        (lambda a, n: 0.5, "you return 0.5"),
        (lambda a, n: a @ n, "stopped with ValueError"),
        ("norm", "A function is asked for"),
        (lambda a, n: ..., "Not attempted yet"),
        (lambda a, n: norm(a - n) / (norm(a) + norm(n) + 1e-8), "denominator is 1e-08"),
        (lambda a, n: norm(a - n) / (norm(a) + norm(n) + 1e-5), "denominator is 1e-05"),
        (lambda a, n: norm(a - n) / (norm(a) + norm(n) - 1e-15), "subtracted where it should"),
        (right, "Right. And where both arrays are zero"),
    ],
)
def test_the_relative_error(capsys, answer, sentence):
    assert sentence in said(capsys, "05_relative_error", answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (1, "wrong sign"),
        (2, "exceeds 1"),
        (0.5, "adds the numeric"),
        (2 / 3, "numerator is too large"),
        (0, "agree"),
        (33.3, "exceeds 1"),
        (-1 / 3, "never negative"),
        (0.3, "two digits"),
        (0.25, "Put a = 2n"),
        (float("inf"), "overflowed"),
        ("a third", "A number is asked for"),
        ("1/3", "write the number without the quotes"),
        (None, "Not attempted yet"),
        (1 / 3, "Right. One third"),
        (0.33, "Right. One third"),
    ],
)
def test_what_a_relative_error_says(capsys, answer, sentence):
    assert sentence in said(capsys, "05_factor_two", answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (("A", ["W1"]), "All four errors of suspect A are far below the cutoff"),
        (("B", ["W1"]), "at least one more"),
        (("B", ["W1", "b1", "W2"]), "at least one that matches"),
        (("B", ["W2", "b2"]), "at least one that matches"),
        (("B", ["W1", "W2"]), "at least one that matches"),
        (("B", 3), "as a list of names"),
        (("B", ["W3"]), "Choose one of 'W1', 'b1', 'W2', 'b2'; this is the text 'W3'"),
        (("B", ["dH"]), "this is the text 'dH'"),
        (("C", ["W1"]), "Choose one of 'A', 'B'; this is the text 'C'"),
        ("B", "Two things"),
        ((..., ...), "Not attempted yet"),
        (("B", ...), "Not attempted yet. Name the arrays"),
        (("suspect_b", ("b1", "W1")), "Right. Suspect B"),
        (("B", "W1 and b1"), "Right. Suspect B"),
        (("B", ["dW1", "db1"]), "Right. Suspect B"),
        (("B", [suspect_b]), "Choose one of 'W1'"),
    ],
)
def test_the_liar(capsys, answer, sentence):
    assert sentence in said(capsys, "05_liar", answer)


# --------------------------------------------------------------------------- the error bar


def central(f, x, step):
    return (f(x + step) - f(x - step)) / (2 * step)


def change(f, x, eps):
    return central(f, x, 2 * eps) - central(f, x, eps)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda f, x, eps, noise: abs(change(f, x, eps)), "The noise is missing"),
        (lambda f, x, eps, noise: noise / eps, "Only the noise is in it"),
        (lambda f, x, eps, noise: noise / eps + change(f, x, eps), "abs is missing"),
        (
            lambda f, x, eps, noise: noise / (2 * eps) + abs(change(f, x, eps)),
            "twice the noise, ov",
        ),
        (
            lambda f, x, eps, noise: 2 * noise / eps + abs(change(f, x, eps)),
            "that leaves noise/eps",
        ),
        (lambda f, x, eps, noise: noise * eps + abs(change(f, x, eps)), "divided by the step, not"),
        (lambda f, x, eps, noise: noise + abs(change(f, x, eps)), "not yet that of the difference"),
        (
            lambda f, x, eps, noise: noise / eps + abs(change(f, x, eps)) / 3,
            "Take the whole change",
        ),
        (lambda f, x, eps, noise: noise / eps + abs(change(f, x, eps / 2)), "three quarters"),
        (
            lambda f, x, eps, noise: (
                noise / eps
                + abs((f(x + 2 * eps) - f(x - 2 * eps)) / (2 * eps) - central(f, x, eps))
            ),
            "divided by 4 eps",
        ),
        (
            lambda f, x, eps, noise: np.hypot(noise / eps, change(f, x, eps)),
            "not the root of their squares",
        ),
        (
            lambda f, x, eps, noise: max(noise / eps, abs(change(f, x, eps))),
            "not the larger one",
        ),
        (lambda f, x, eps, noise: central(f, x, eps), "That is the difference itself"),
        (
            lambda f, x, eps, noise: (
                noise / eps + abs((f(x + 2 * eps) - f(x - 2 * eps)) - (f(x + eps) - f(x - eps)))
            ),
            "units of a slope",
        ),
        (lambda f, x, eps, noise: -noise / eps - 1, "never negative"),
        (lambda f, x, eps, noise: 1.3, "you return 1.3 at eps = 0.01"),
        (lambda f, x, eps, noise: (1, 2), "One number is asked for"),
        (lambda f, x, eps: 1, "takes 3 positional arguments but 4 were given"),
        (1e-11, "A function is asked for"),
        (lambda f, x, eps, noise: ..., "Not attempted yet"),
        (lambda f, x, eps, noise: noise / eps + abs(change(f, x, eps)), "Right. "),
        (lambda f, x, eps, noise: noise / eps + 4 * abs(change(f, x, eps / 2)), "Right. "),
    ],
)
def test_the_error_bar(capsys, answer, sentence):
    assert sentence in said(capsys, "05_error_bar", answer)


# --------------------------------------------------------------------------- the empty page


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(params, X, output=lambda Z: Z, hidden=sigmoid, bias=1, last_bias=1):
    given, count = [X], len(params) // 2
    for layer in range(1, count + 1):
        Z = given[-1] @ params[f"W{layer}"] + params[f"b{layer}"] * (
            last_bias if layer == count else bias
        )
        given.append(output(Z) if layer == count else hidden(Z))
    return given[-1], (params, given)


def backward(params, cache, y, mean=1, slope=lambda H, before: H * (1 - H), last=False, order=1):
    _, given = cache
    count = len(params) // 2
    upstream = (given[-1] - y) / len(y) ** mean
    if last:
        upstream = upstream * given[-1] * (1 - given[-1])
    grads = {}
    for layer in range(count, 0, -1):
        if layer < count:
            upstream = upstream * slope(given[layer], given[layer - 1])
        grads[f"W{layer}"] = given[layer - 1].T @ upstream
        grads[f"b{layer}"] = upstream.sum(0, keepdims=True)
        upstream = upstream @ params[f"W{layer}"].T
    return grads


def two_layers(params, X):
    H = sigmoid(X @ params["W1"] + params["b1"])
    return H @ params["W2"] + params["b2"], (params, [X, H, H @ params["W2"] + params["b2"]])


def skips_the_middle(params, X):
    count = len(params) // 2
    if count < 3 or params[f"W{count}"].shape[0] != params["W1"].shape[1]:
        return forward(params, X)
    H = sigmoid(X @ params["W1"] + params["b1"])
    return H @ params[f"W{count}"] + params[f"b{count}"], None


def slope_before(H, before):
    return before * (1 - before) if before.shape == H.shape else H * (1 - H)


def averages(params, cache, y):
    grads = backward(params, cache, y)
    return {name: g / (len(y) if name[0] == "b" else 1) for name, g in grads.items()}


def one_wrong(name, change):
    def wrong(params, cache, y):
        grads = backward(params, cache, y)
        return {**grads, name: change(grads[name])} if name in grads else grads

    return wrong


def flattens(params, cache, y):
    return {name: g.ravel() for name, g in backward(params, cache, y).items()}


def backward_of_two(params, cache, y):
    grads = backward(params, cache, y)
    return {name: grads[name] for name in ("W1", "b1", "W2", "b2")}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((forward, backward), "Right. From one layer to four, every array is right"),
        ((..., ...), "Not attempted yet"),
        ((forward, ...), "Not attempted yet"),
        (
            (forward, lambda params, cache, y: ...),
            "Not attempted yet. The function returns nothing",
        ),
        ((lambda params, X: ..., backward), "Not attempted yet. The function returns nothing"),
        (forward, "Two functions are asked for, forward and backward; this is"),
        ((lambda params, X: forward(params, X)[0], backward), "forward returns two things"),
        ((two_layers, backward), "With three layers, 3-4-4-2: y"),
        ((skips_the_middle, backward), "between the first and the last are skipped"),
        ((lambda p, X: forward(p, X, output=sigmoid), backward), "no sigmoid there"),
        ((lambda p, X: forward(p, X, hidden=lambda Z: Z), backward), "want a sigmoid each"),
        ((lambda p, X: forward(p, X, bias=0), backward), "biases of the hidden layers are missing"),
        ((lambda p, X: forward(p, X, last_bias=0), backward), "lost its bias"),
        ((lambda X, p: forward(p, X), backward), "Your function stopped with"),
        ((forward, lambda p, c, y: backward(p, c, y, mean=0)), "the 1/N of the mean is missing"),
        ((forward, lambda p, c, y: backward(p, c, y, mean=2)), "stands there twice"),
        (
            (forward, lambda p, c, y: backward(p, c, y, slope=lambda H, before: 1)),
            "dW2, db2 are right. The slope of the sigmoid, H (1 - H), is missing on the way. Look at "
            "the step that carries the error signal back past W2",
        ),
        (
            (forward, lambda p, c, y: backward(p, c, y, slope=slope_before)),
            "The slope H (1 - H) is taken of the layer before",
        ),
        ((forward, one_wrong("W2", lambda g: g.T)), "the right numbers"),
        ((forward, lambda p, c, y: backward(p, c, y, last=True)), "linear last layer has no H"),
        (
            (forward, one_wrong("W3", lambda g: -g)),
            "With three layers, 3-4-4-2: every entry of dW3",
        ),
        ((forward, one_wrong("b1", lambda g: 2 * g)), "dW1 is right, so the error signal of this"),
        ((forward, one_wrong("W1", lambda g: g.T)), "transpose it"),
        ((forward, averages), "dW2 is right. The 1/N of the mean stands there twice"),
        ((forward, flattens), "dW2 has shape (5,)"),
        ((forward, backward_of_two), "With three layers, 3-4-4-2: the dict has no W3, b3"),
        (
            (forward, lambda p, c, y: list(backward(p, c, y).values())),
            "returns a dict of gradients",
        ),
        ((forward, lambda p, c, y: backward(c, p, y)), "Your function stopped with"),
    ],
)
def test_the_empty_page(capsys, answer, sentence):
    with np.errstate(all="ignore"):
        assert sentence.lower() in said(capsys, "05_any_depth", answer).lower()


def test_a_network_of_any_depth_is_that_of_the_course_at_two_layers():
    X, y = gradlab.paraboloid()
    params = depth.init_params((2, 5, 1), seed=1)
    expected = mlp.backward(params, mlp.forward(params, X)[1], y)
    for name, gradient in depth.backward(params, X, y).items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-12)
    assert depth.loss_function(X, y)(params) == mlp.loss_function(X, y)(params)


@pytest.mark.parametrize("sizes", SIZES)
def test_its_gradient_stands_up_to_differences(sizes):
    stream = np.random.RandomState(0)
    X, y = stream.normal(size=(7, sizes[0])), stream.normal(size=(7, sizes[-1]))
    params = depth.init_params(sizes, seed=2)
    assert gradlab.check_gradients(
        depth.loss_function(X, y), params, depth.backward(params, X, y)
    ).passed
