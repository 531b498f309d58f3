"""The error curve of the differences, and the theory drawn over it."""

import math

import numpy as np
import pytest
from problems import course

from gradlab import error_curve, mlp, numerical_gradient
from gradlab.differences import FORMULAS, METHODS


@pytest.mark.parametrize("seed", range(30))
def test_slopes_and_least_errors_are_those_of_theory(seed):
    curve = error_curve(*course(seed, data=seed), methods=METHODS, vectorized=True)
    for method in METHODS:
        order = FORMULAS[method].order if method in FORMULAS else 2
        best, slopes = curve.best(method), curve.slopes(method)
        assert slopes.truncation == pytest.approx(order, abs=0.02 * order)
        if method == "complex":
            assert best.error < 1e-15 and abs(slopes.rounding) < 0.3
            continue
        assert slopes.rounding == pytest.approx(-1, abs=0.15)
        predicted = curve.predicted(method)
        assert 1 / 3 < best.error / predicted.min() < 3
        # The bottom is flat: the two steps agree to within a decade.
        assert abs(math.log10(best.eps / curve.eps[predicted.argmin()])) <= 1


def test_the_prediction_holds_along_both_branches():
    """Over ten seeds the median ratio of measured to predicted is within a factor 2 of 1."""
    curves = [error_curve(*course(seed, data=seed), vectorized=True) for seed in range(10)]
    for method in ("forward", "central"):
        ratio = np.array([curve.errors[method] / curve.predicted(method) for curve in curves])
        usable = np.median([curve.predicted(method) for curve in curves], axis=0) < 0.01
        medians = np.median(ratio, axis=0)[usable]
        assert len(medians) > 20
        assert ((medians > 1 / 2) & (medians < 2)).all()


def test_the_two_lines_add_up_to_the_prediction():
    curve = error_curve(*course(), vectorized=True)
    T, R = curve.truncation["central"], curve.rounding["central"]
    np.testing.assert_allclose(T / curve.eps**2, T[0] / curve.eps[0] ** 2)
    np.testing.assert_allclose(R * curve.eps, R[0] * curve.eps[0])
    np.testing.assert_allclose(curve.predicted("central"), np.hypot(T, R))


def test_a_point_of_the_curve_is_the_error_of_the_gradient_with_that_step():
    loss, params, exact = course()
    curve = error_curve(loss, params, exact, METHODS, eps=[1e-7, 1e-5, 1e-3], vectorized=True)
    size = np.linalg.norm(np.concatenate([g.ravel() for g in exact.values()]))
    for method in METHODS:
        for eps, error in zip(curve.eps, curve.errors[method], strict=True):
            numeric = numerical_gradient(loss, params, method, eps, vectorized=True)
            gaps = [(numeric[name] - exact[name]).ravel() for name in exact]
            assert error == pytest.approx(np.linalg.norm(np.concatenate(gaps)) / size, rel=1e-9)


def test_one_by_one_or_in_stacks_it_is_the_same_curve():
    loss, params, exact = course()
    stacked = error_curve(loss, params, exact, vectorized=True)
    plain = error_curve(loss, params, exact)
    truncated = stacked.truncation["central"] > 10 * stacked.rounding["central"]
    for method in ("forward", "central"):
        np.testing.assert_allclose(
            plain.errors[method][truncated], stacked.errors[method][truncated], rtol=0.1
        )
        assert plain.best(method).error == pytest.approx(stacked.best(method).error, rel=2)


def test_the_truncation_factors_are_those_of_the_taylor_series():
    """For exp every derivative at 0 is 1, so that T is the factor itself."""
    curve = error_curve(
        lambda p: np.exp(p["x"][0]), {"x": np.zeros(1)}, {"x": np.ones(1)}, METHODS, eps=[1.0]
    )
    factors = {
        "forward": 1 / 2,
        "central": 1 / 6,
        "central4": 1 / 30,
        "richardson": 1 / 64 / 5040,
        "complex": 1 / 6,
    }
    for method, factor in factors.items():
        assert curve.truncation[method][0] == pytest.approx(factor, rel=1e-5)


def test_the_gradient_may_be_a_function():
    loss, params, exact = course()
    curve = error_curve(loss, params, lambda p: exact, ["central"], eps=[1e-5])
    assert list(curve.errors) == ["central"]
    assert curve.best("central") == (1e-5, curve.errors["central"][0])


def test_single_precision_has_its_own_curve():
    loss, params, exact = course()
    single = {name: array.astype(np.float32) for name, array in params.items()}
    loss = mlp.loss_function(loss.X.astype(np.float32), loss.y.astype(np.float32))
    curve = error_curve(loss, single, exact, vectorized=True)
    best = curve.best("central")
    assert 1e-3 < best.eps < 0.1 and 1e-7 < best.error < 1e-4
    assert 1 / 4 < best.error / curve.predicted("central").min() < 4


def test_too_few_points_have_no_slope():
    curve = error_curve(*course(), eps=[1e-5, 1e-4], vectorized=True)
    assert all(map(math.isnan, curve.slopes("central")))
    with pytest.raises(KeyError, match="no curve for 'complex'"):
        curve.best("complex")


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"methods": ["central", "secant"]}, ValueError, "unknown method 'secant'"),
        ({"eps": [1e-5, 0]}, ValueError, "eps must be positive"),
        ({"eps": [1e-5, np.nan]}, ValueError, "eps must be positive"),
        ({"eps": []}, ValueError, "vector of steps"),
        ({"eps": [[1e-5]]}, ValueError, "vector of steps"),
        ({"eps": "small"}, TypeError, "vector of steps"),
        ({"grads": {"w": np.ones(3)}}, ValueError, "shape"),
        ({"grads": {}}, ValueError, "has no 'w'"),
        ({"grads": {"w": np.zeros(2)}}, ValueError, "zero everywhere"),
        ({"loss": lambda p: np.nan}, ValueError, "the loss is nan"),
        ({"loss": lambda p: p["w"]}, TypeError, "one number"),
        ({"params": {"w": np.arange(2)}}, TypeError, "int64"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, error, said):
    params = {"w": np.ones(2)}
    usual = {"loss": lambda p: np.sum(p["w"]), "params": params, "grads": {"w": np.ones(2)}}
    with pytest.raises(error, match=said):
        error_curve(**{**usual, **arguments})
    assert params["w"].tolist() == [1, 1]
