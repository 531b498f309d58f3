"""The structured gradient is the plain loop's, without its rounding error and without its cost."""

import numpy as np
import pytest
from problems import network

from gradlab import mlp, numerical_gradient, paraboloid, structured, structured_gradient

SIZES = (3, 4, 1)


def rounding_bar(params, X, y, eps, margin=4):
    """An error bar of the plain loop: the noise of two losses, over the step."""
    u = np.finfo(float).eps
    return margin * u * abs(mlp.loss_function(X, y)(params)) / eps


SHAPES = [
    ((1, 1, 1), 1),
    ((2, 5, 1), 20),
    ((3, 4, 2), 7),
    ((7, 3, 5), 2),
    ((2, 300, 1), 90),  # more units than fit in a block
    ((40, 3, 2), 600),  # more inputs than fit in a block
]


@pytest.mark.parametrize("eps", [1e-7, 1e-5, 1e-3, 0.1, 1.0])
@pytest.mark.parametrize(("sizes", "samples"), SHAPES)
def test_it_is_the_plain_loops_gradient_to_within_its_rounding_error(sizes, samples, eps):
    params, X, y = network(sizes, samples)
    # Independent of the noise of a sum of many samples: its error grows like its square root.
    margin = 4 + np.sqrt(samples)
    plain = numerical_gradient(mlp.loss_function(X, y), params, "central", eps)
    fast = structured_gradient(params, X, y, eps)
    for name in params:
        assert fast[name].shape == params[name].shape
        bar = rounding_bar(params, X, y, eps, margin)
        np.testing.assert_allclose(fast[name], plain[name], rtol=1e-13, atol=bar)


@pytest.mark.parametrize("spread", [1.0, 30.0, 1000.0])
@pytest.mark.parametrize("seed", range(5))
def test_with_a_short_step_only_the_truncation_error_is_left(seed, spread):
    """Against the complex step; for spread 30 and 1000 most of the hidden units are saturated."""
    params, X, y = network((3, 4, 2), 7, seed=seed, spread=spread)
    fast = structured_gradient(params, X, y, eps=1e-9)
    exact = numerical_gradient(mlp.loss_function(X, y), params, "complex")
    for name in params:
        size = np.abs(exact[name]).max()
        np.testing.assert_allclose(fast[name], exact[name], rtol=1e-12, atol=1e-13 * size + 1e-300)


def test_its_truncation_error_is_that_of_central_differences():
    """Halving a long step divides the error by four: it is a difference, not a derivative."""
    params, X, y = network(SIZES, 7, seed=3)
    exact = numerical_gradient(mlp.loss_function(X, y), params, "complex")
    errors = [
        np.linalg.norm(structured_gradient(params, X, y, eps)["W1"] - exact["W1"])
        for eps in (0.04, 0.02, 0.01)
    ]
    np.testing.assert_allclose(np.log2(errors[:-1]) - np.log2(errors[1:]), 2, atol=0.01)


def test_saturated_units_neither_overflow_nor_warn():
    params, X, y = network(SIZES, 7)
    params["b1"][...] = [[800, -800, 1e6, 0.0]]
    with np.errstate(all="raise", under="ignore"):
        fast = structured_gradient(params, X, y)
    assert all(np.isfinite(array).all() for array in fast.values())
    assert not fast["W1"][:, :3].any() and fast["W1"][:, 3].all()


def test_a_wrong_backward_pass_disagrees():
    params, X, y = network(SIZES, 7)
    _, cache = mlp.forward(params, X)
    grads = mlp.backward(params, cache, y)
    fast = structured_gradient(params, X, y)
    for name in params:
        np.testing.assert_allclose(fast[name], grads[name], rtol=1e-7)
        assert not np.allclose(fast[name], grads[name] * (1 + 1e-6), rtol=1e-7)


def test_blocks_of_any_size_give_the_same_numbers(monkeypatch):
    params, X, y = network((5, 6, 2), samples=11)
    expected = structured_gradient(params, X, y)
    for block in (1, 30, 100, 10**6):
        monkeypatch.setattr(structured, "BLOCK", block)
        found = structured_gradient(params, X, y)
        for name in params:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-13)


def test_single_precision_is_differentiated_in_double():
    params, X, y = network(SIZES, 7)
    single = {name: array.astype(np.float32) for name, array in params.items()}
    double = {name: array.astype(float) for name, array in single.items()}
    found, expected = structured_gradient(single, X, y), structured_gradient(double, X, y)
    for name in params:
        assert found[name].dtype == np.float64
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda a: a.update(eps=0), ValueError, "eps must be positive"),
        (lambda a: a.update(eps="small"), TypeError, "eps must be a positive number"),
        (lambda a: a.update(eps=1e3), ValueError, "take a smaller one"),
        (lambda a: a["params"].pop("b1"), ValueError, "must have W1, b1, W2 and b2"),
        (lambda a: a["params"].update(W3=np.ones(1)), ValueError, "must have W1, b1, W2 and b2"),
        (lambda a: a["params"].update(b1=np.ones(4)), ValueError, r"b1 must have shape \(1, 4\)"),
        (lambda a: a["params"].update(W2=np.ones((5, 1))), ValueError, r"W2 must .* \(4, 1\)"),
        (lambda a: a["params"].update(W1=np.ones(3)), ValueError, "must be matrices"),
        (lambda a: a["params"].update(W1=np.ones((3, 4), int)), TypeError, "int"),
        (lambda a: a.update(X=a["X"].T), ValueError, "X must have shape"),
        (lambda a: a.update(y=a["y"][:, 0]), ValueError, "y must have shape"),
        (lambda a: a.update(X=np.full((7, 3), np.nan)), ValueError, "finite"),
        (lambda a: a.update(X=np.ones((0, 3)), y=np.ones((0, 1))), ValueError, "at least one row"),
    ],
)
def test_bad_input_gets_one_sentence(change, error, said):
    params, X, y = network(SIZES, 7)
    arguments = {"params": params, "X": X, "y": y}
    change(arguments)
    with pytest.raises(error, match=said):
        structured_gradient(**arguments)


@pytest.mark.parametrize("shown", [True, False])
def test_a_large_network_shows_a_bar(shown, monkeypatch, capsys):
    monkeypatch.setattr("gradlab.differences.progress.PATIENCE", 0.0)
    X, y = paraboloid()
    structured_gradient(mlp.init_params(), X, y, progress=shown)
    said = capsys.readouterr()
    assert bool(said.err) == shown and said.out == ""
