"""Gradients from packages that are no part of this project, judged rightly.

Each case is a loss and its gradient as scikit-learn or SciPy compute them; each is also tried with
a mistake put in, and must then be called wrong.
"""

import numpy as np
import pytest

from gradlab import check_gradients

scipy_optimize = pytest.importorskip("scipy.optimize")
pytest.importorskip("sklearn")

X = np.random.RandomState(0).normal(size=(30, 4))
SCORES = X @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.3
LABELS = (SCORES > 0).astype(float)
CLASSES = np.digitize(SCORES, [-1, 1])


def rosenbrock():
    x = np.array([-1.2, 1.0, 0.7, 1.3])
    return lambda p: scipy_optimize.rosen(p["x"]), {"x": x}, {"x": scipy_optimize.rosen_der(x)}


def logistic_loss():
    from sklearn._loss import HalfBinomialLoss
    from sklearn.linear_model._linear_loss import LinearModelLoss

    model = LinearModelLoss(base_loss=HalfBinomialLoss(), fit_intercept=True)
    coef = np.random.RandomState(1).normal(size=5)

    def both(coef):
        return model.loss_gradient(coef, X, LABELS, l2_reg_strength=0.1)

    return lambda p: both(p["coef"])[0], {"coef": coef}, {"coef": both(coef)[1].copy()}


def multinomial_loss():
    from sklearn._loss import HalfMultinomialLoss
    from sklearn.linear_model._linear_loss import LinearModelLoss

    model = LinearModelLoss(base_loss=HalfMultinomialLoss(n_classes=3), fit_intercept=True)
    coef = np.asfortranarray(np.random.RandomState(2).normal(size=(3, 5)))
    y = CLASSES.astype(float)
    return (
        lambda p: model.loss(p["coef"], X, y, l2_reg_strength=0.1),
        {"coef": coef},
        {"coef": model.gradient(coef, X, y, l2_reg_strength=0.1)},
    )


def multilayer_perceptron(dtype=np.float64):
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=(6,), activation="tanh", alpha=0.1, max_iter=5, random_state=0
    )
    inputs, y = X.astype(dtype), SCORES.astype(dtype)
    with pytest.warns(Warning, match="converge"):
        model.fit(inputs, y)
    names = [f"W{i}" for i in (1, 2)] + [f"b{i}" for i in (1, 2)]
    arrays = [*model.coefs_, *model.intercepts_]  # the model reads its own arrays
    params = dict(zip(names, arrays, strict=True))
    units = [X.shape[1], 6, 1]

    def both():
        activations = [inputs] + [np.empty((len(X), n), dtype) for n in units[1:]]
        deltas = [np.empty_like(a) for a in activations[1:]]
        coef_grads = [np.empty((i, o), dtype) for i, o in zip(units, units[1:], strict=False)]
        intercept_grads = [np.empty(n, dtype) for n in units[1:]]
        value, coefs, intercepts = model._backprop(
            inputs, y.reshape(-1, 1), None, activations, deltas, coef_grads, intercept_grads
        )
        return float(value), [*coefs, *intercepts]

    return lambda _: both()[0], params, dict(zip(names, both()[1], strict=True))


def multilayer_perceptron_float32():
    return multilayer_perceptron(np.float32)


def gaussian_process():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    kernel = ConstantKernel(1.3) * RBF([0.7, 1.0, 2.0, 1.5]) + WhiteKernel(0.1)
    model = GaussianProcessRegressor(kernel, optimizer=None).fit(X, SCORES)
    theta = model.kernel_.theta.copy()
    gradient = model.log_marginal_likelihood(theta, eval_gradient=True)[1]
    return (
        lambda p: model.log_marginal_likelihood(p["theta"]),
        {"theta": theta},
        {"theta": gradient},
    )


def huber():
    from sklearn.linear_model._huber import _huber_loss_and_gradient

    w = np.array([0.8, -1.5, 0.2, 0.1, 0.2, 1.1])  # coefficients, intercept, scale
    arguments = (X, SCORES, 1.35, 0.01, np.ones(len(X)))
    return (
        lambda p: _huber_loss_and_gradient(p["w"], *arguments)[0],
        {"w": w},
        {"w": _huber_loss_and_gradient(w, *arguments)[1]},
    )


def neighbourhood_components():
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    model = NeighborhoodComponentsAnalysis(n_components=2)
    model.n_iter_ = 0
    same = CLASSES[:, np.newaxis] == CLASSES[np.newaxis, :]
    A = np.random.RandomState(3).normal(size=8)

    def both(A):
        value, gradient = model._loss_grad_lbfgs(A.copy(), X, same, sign=-1.0)
        return value, gradient

    return lambda p: float(both(p["A"])[0]), {"A": A}, {"A": both(A)[1].copy()}


CASES = [
    rosenbrock,
    logistic_loss,
    multinomial_loss,
    multilayer_perceptron,
    multilayer_perceptron_float32,
    gaussian_process,
    huber,
    neighbourhood_components,
]


@pytest.mark.parametrize("how", ["entries", "directions"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_right_gradient_of_somebody_elses_passes(case, how):
    loss, params, grads = case()
    assert check_gradients(loss, params, grads, how=how).passed


@pytest.mark.parametrize("how", ["entries", "directions"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_mistake_in_one_of_its_entries_does_not(case, how):
    loss, params, grads = case()
    name = next(iter(grads))
    grads[name] = grads[name].copy()
    single = grads[name].dtype == np.float32  # whose noise hides one part in a hundred
    grads[name].flat[2] *= 3 if single else 1.01
    report = check_gradients(loss, params, grads, how=how)
    assert [n for n in report if report[n].verdict == "wrong"] == [name]
    assert report[name].worst_index == np.unravel_index(2, grads[name].shape)


def hinge_loss(coef):
    """The hinge loss as scikit-learn's metric computes it, and its usual subgradient."""
    from sklearn.metrics import hinge_loss as metric

    signs = np.where(LABELS > 0, 1.0, -1.0)
    margin = signs * (X @ coef)
    gradient = -(X * signs[:, None])[margin < 1].sum(axis=0) / len(X)
    return float(metric(LABELS, X @ coef)), gradient


def test_scikit_learns_hinge_loss_beside_and_at_its_kink():
    coef = np.array([0.5, -1.0, 0.2, 0.1])
    assert check_gradients(
        lambda p: hinge_loss(p["coef"])[0], {"coef": coef}, {"coef": hinge_loss(coef)[1]}
    ).passed
    sample = X[3] * (1 if LABELS[3] > 0 else -1)
    at_kink = sample / (sample @ sample)  # the margin of this sample is 1
    report = check_gradients(
        lambda p: hinge_loss(p["coef"])[0], {"coef": at_kink}, {"coef": hinge_loss(at_kink)[1]}
    )
    assert report.verdict == "kink"
