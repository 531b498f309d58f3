"""Layers, Jacobians and Hessians as they are published, right and with one mistake each."""

from __future__ import annotations

import re

import numpy as np
import pytest
from conftest import ROOT
from scipy import optimize, special

from gradlab import check_adjoint, check_vjp
from gradlab.testing import run_pytest

pytest_plugins = "pytester"

STREAM = np.random.RandomState(1)


def draw(*shape):
    return STREAM.standard_normal(shape)


# Each case: the function, its vjp, a wrong vjp, the inputs, the inputs whose gradient is then wrong.


def normalised(x, eps):
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    return (x - x.mean(axis=-1, keepdims=True)) / std, std


def layer_norm(x, gamma, beta, eps):  # Ba, Kiros and Hinton (2016)
    return normalised(x, eps)[0] * gamma + beta


def layer_norm_back(u, x, gamma, beta, eps, statistics=True):
    x_hat, std = normalised(x, eps)
    d = u * gamma
    if statistics:
        d = d - d.mean(-1, keepdims=True) - x_hat * (d * x_hat).mean(-1, keepdims=True)
    return d / std, (u * x_hat).sum(axis=0), u.sum(axis=0), None


def attention(q, k, v):  # scaled dot products, Vaswani et al. (2017)
    return special.softmax(q @ k.T / np.sqrt(q.shape[1]), axis=-1) @ v


def attention_back(u, q, k, v, scaled=True):
    scale = np.sqrt(q.shape[1])
    p = special.softmax(q @ k.T / scale, axis=-1)
    dp = u @ v.T
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True)) / (scale if scaled else 1)
    return ds @ k, ds.T @ q, p.T @ u


def rms_norm(x, weight):  # Zhang and Sennrich (2019)
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6) * weight


def rms_norm_back(u, x, weight, mean=True):
    r = 1 / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6)
    d = u * weight
    inner = (d * x).mean(-1, keepdims=True) if mean else (d * x).sum(-1, keepdims=True)
    return r * d - r**3 * x * inner, (u * x * r).sum(axis=0)


def gru_gates(x, h, W, U):
    z, r = np.split(special.expit(x @ W[0] + h @ U[0]), 2, axis=-1)
    return z, r, np.tanh(x @ W[1] + (r * h) @ U[1])


def gru_cell(x, h, params):  # Cho et al. (2014)
    z, _, n = gru_gates(x, h, params["W"], params["U"])
    return (1 - z) * n + z * h


def gru_cell_back(u, x, h, params, reset=True):
    W, U = params["W"], params["U"]
    z, r, n = gru_gates(x, h, W, U)
    dn = u * (1 - z) * (1 - n**2)
    drh = dn @ U[1].T
    gates = np.concatenate([u * (h - n) * z * (1 - z), drh * h * r * (1 - r)], axis=-1)
    dW = [x.T @ gates, x.T @ dn]
    dU = [h.T @ gates, (r * h).T @ dn if reset else h.T @ dn]
    return gates @ W[0].T + dn @ W[1].T, u * z + drh * r + gates @ U[0].T, {"W": dW, "U": dU}


COUNTS, DESIGN = np.random.RandomState(2).poisson(2.0, 15), np.random.RandomState(3).randn(15, 3)


def poisson_score(beta):  # of a generalised linear model: statsmodels calls it so
    return DESIGN.T @ (COUNTS - np.exp(DESIGN @ beta))


def poisson_hessian(u, beta):
    return -DESIGN.T @ (np.exp(DESIGN @ beta) * (DESIGN @ u))


def softmax(x):
    return special.softmax(x, axis=-1)


def softmax_back(u, x):
    p = softmax(x)
    return p * (u - (u * p).sum(axis=-1, keepdims=True))


def cholesky(a):
    return np.linalg.cholesky((a + a.T) / 2)


def cholesky_back(u, a, half=True):  # Murray (2016)
    lower = cholesky(a)
    phi = np.tril(lower.T @ u)
    phi[np.diag_indices_from(phi)] *= 0.5 if half else 1.0
    inverse = np.linalg.inv(lower)
    s = inverse.T @ phi @ inverse
    return (s + s.T) / 2


def logistic_terms(w):  # margins as in scikit-learn's HalfBinomialLoss
    return np.logaddexp(0, DESIGN @ w) - 0.5 * (DESIGN @ w)


CASES = {
    "layer norm": (
        layer_norm,
        layer_norm_back,
        lambda *a: layer_norm_back(*a, statistics=False),
        (draw(4, 5), draw(5), draw(5), 1e-5),
        ["x"],
    ),
    "attention": (
        attention,
        attention_back,
        lambda *a: attention_back(*a, scaled=False),
        (draw(4, 3), draw(5, 3), draw(5, 2)),
        ["q", "k"],
    ),
    "RMSNorm": (
        rms_norm,
        rms_norm_back,
        lambda *a: rms_norm_back(*a, mean=False),
        (draw(3, 4), draw(4)),
        ["x"],
    ),
    "GRU cell": (
        gru_cell,
        gru_cell_back,
        lambda *a: gru_cell_back(*a, reset=False),
        (draw(2, 3), draw(2, 4), {"W": [draw(3, 8), draw(3, 4)], "U": [draw(4, 8), draw(4, 4)]}),
        ["params.U[1]"],
    ),
    "Hessian of Poisson regression": (
        poisson_score,
        poisson_hessian,
        lambda u, beta: -poisson_hessian(u, beta),
        (0.3 * draw(3),),
        ["beta"],
    ),
    "SciPy's Rosenbrock Hessian": (
        optimize.rosen_der,
        lambda u, x: optimize.rosen_hess(x) @ u,
        lambda u, x: np.triu(optimize.rosen_hess(x)) @ u,
        (draw(5),),
        ["x"],
    ),
    "SciPy's Rosenbrock Hessian-vector product": (
        optimize.rosen_der,
        lambda u, x: optimize.rosen_hess_prod(x, u),
        lambda u, x: optimize.rosen_hess_prod(x, x),
        (draw(5),),
        ["x"],
    ),
    "softmax": (
        softmax,
        softmax_back,
        lambda u, x: softmax(x) * (1 - softmax(x)) * u,
        (draw(3, 4),),
        ["x"],
    ),
    "Cholesky": (
        cholesky,
        cholesky_back,
        lambda u, a: cholesky_back(u, a, half=False),
        (np.cov(draw(4, 20)),),
        ["a"],
    ),
    "logistic loss, term by term": (
        logistic_terms,
        lambda u, w: DESIGN.T @ (u * (special.expit(DESIGN @ w) - 0.5)),
        lambda u, w: DESIGN.T @ (special.expit(DESIGN @ w) - 0.5),  # upstream taken for ones
        (draw(3),),
        ["w"],
    ),
}


def typed(inputs, dtype):
    """The inputs with their arrays in another precision."""
    if isinstance(inputs, np.ndarray):
        return inputs.astype(dtype)
    if isinstance(inputs, (list, tuple)):
        return type(inputs)(typed(each, dtype) for each in inputs)
    if isinstance(inputs, dict):
        return {name: typed(each, dtype) for name, each in inputs.items()}
    return inputs


@pytest.mark.parametrize("dtype", [float, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_a_published_function_is_judged_rightly(name, dtype):
    function, right, wrong, inputs, guilty = CASES[name]
    inputs = typed(inputs, dtype)
    report = check_vjp(function, right, *inputs)
    assert report.passed, report
    report = check_vjp(function, wrong, *inputs)
    assert [n for n, array in report.items() if array.verdict == "wrong"] == guilty, report
    assert not report.passed and all(report[n].verdict == "ok" for n in set(report) - set(guilty))


@pytest.mark.parametrize("name", CASES)
def test_a_random_direction_sees_it_as_well(name):
    function, right, wrong, inputs, guilty = CASES[name]
    assert check_vjp(function, right, *inputs, how="directions").passed
    report = check_vjp(function, wrong, *inputs, how="directions")
    assert [n for n, array in report.items() if array.verdict == "wrong"] == guilty


def test_a_layer_with_a_cache_is_asked_right_after_its_forward_pass():
    class Dense:
        def __init__(self, W):
            self.W = W

        def forward(self, x, W):
            self.x = x.copy()
            return np.tanh(x @ self.W)

        def backward(self, dy):
            dz = dy * (1 - np.tanh(self.x @ self.W) ** 2)
            return dz @ self.W.T, self.x.T @ dz

    layer, x = Dense(draw(3, 2)), draw(4, 3)
    before = layer.W.copy(), x.copy()
    report = check_vjp(layer.forward, lambda u, x, W: layer.backward(u), x, layer.W)
    assert report.passed and list(report) == ["x", "W"]
    assert not check_vjp(layer.forward, lambda u, x, W: (u @ W.T, W * 0), x, layer.W).passed
    np.testing.assert_array_equal(layer.W, before[0])
    np.testing.assert_array_equal(x, before[1])


def test_several_outputs_of_very_different_size_are_all_looked_at():
    def function(x):
        return 1e9 * np.sin(x), (1e-3 * np.cos(x), len(x))

    def vjp(u, x, factor=1.0):
        big, (small, whole) = u
        assert whole is None
        return 1e9 * big * np.cos(x) - factor * 1e-3 * small * np.sin(x)

    x = draw(4)
    assert check_vjp(function, vjp, x).passed
    assert check_vjp(function, lambda u, x: vjp(u, x, 1.01), x).verdict == "wrong"


def test_the_upstream_gradient_is_drawn_by_the_seed_and_never_ones():
    seen = []

    def vjp(u, x):
        seen.append(u.copy())
        return u * np.cos(x)

    for seed in (0, 0, 1):
        assert check_vjp(np.sin, vjp, np.array([0.3, 1.1]), seed=seed).passed
    assert np.array_equal(seen[0], seen[1]) and not np.array_equal(seen[0], seen[2])
    assert all(np.ptp(u) for u in seen)


def test_what_changes_its_inputs_is_undone_and_said():
    def vjp(u, x):
        gradient = u * np.cos(x)
        x *= 2
        return gradient

    x = np.array([0.3, 1.1])
    report = check_vjp(np.sin, vjp, x)
    assert report.passed and "changed x; that was undone" in str(report)
    np.testing.assert_array_equal(x, [0.3, 1.1])


def test_an_input_without_a_gradient_is_held_still_and_said():
    def embed(tokens, table, scale):
        return table[tokens] * scale

    def vjp(u, tokens, table, scale):
        grad = np.zeros_like(table)
        np.add.at(grad, tokens, u * scale)
        return None, grad, None

    report = check_vjp(embed, vjp, np.array([0, 2, 2]), draw(3, 2), np.array(2.0))
    assert report.passed and list(report) == ["table"]
    assert report.notes == ("scale has no gradient, and was held still.",)


@pytest.mark.parametrize(
    ("function", "vjp", "inputs", "error", "said"),
    [
        (None, np.sin, (np.ones(2),), TypeError, "function must be a function, not None"),
        (np.sin, 3.0, (np.ones(2),), TypeError, "vjp must be a function, not a float"),
        (np.add, lambda u, a, b: u, (np.ones(2),) * 2, TypeError, "one gradient for each of the 2"),
        (np.add, lambda u, a, b: (u,), (np.ones(2),) * 2, ValueError, "1 gradients for 2 inputs"),
        (np.sin, lambda u, x: None, (np.ones(2),), TypeError, "there is nothing to check"),
        (np.sin, lambda u, x: u, (3.0,), TypeError, "x is a float, which cannot be moved"),
        (lambda x: x + 1j, lambda u, x: u, (np.ones(2),), TypeError, "imaginary part"),
        (lambda x: None, lambda u, x: u, (np.ones(2),), TypeError, "function must return"),
        (np.sin, lambda u, x: u[:1], (np.ones(2),), ValueError, r"grads\['x'\] has shape \(1,\)"),
    ],
)
def test_bad_input_gets_one_sentence(function, vjp, inputs, error, said):
    with pytest.raises(error, match=said):
        check_vjp(function, vjp, *inputs)


@pytest.mark.parametrize("dtype", [float, np.float32])
def test_the_adjoint_test_is_to_roundoff_in_the_precision_at_hand(dtype):
    x, W = draw(40, 30).astype(dtype), draw(30, 20).astype(dtype)

    def function(x, W):
        return np.tanh(x @ W)

    def jvp(tangents, x, W, factor=1.0):
        dx, dW = tangents
        return (1 - np.tanh(x @ W) ** 2) * (factor * dx @ W + x @ dW)

    def vjp(u, x, W):
        d = u * (1 - np.tanh(x @ W) ** 2)
        return d @ W.T, x.T @ d

    report = check_adjoint(function, jvp, vjp, x, W)
    assert report.passed and list(report) == ["x", "W"]
    off = 2000 * float(np.finfo(dtype).eps)
    report = check_adjoint(function, lambda *a: jvp(*a, factor=dtype(1 + off)), vjp, x, W)
    assert [array.verdict for array in report.values()] == ["wrong", "ok"]
    assert "one of jvp and vjp is wrong" in str(report)


def test_the_adjoint_test_does_not_mistake_zeros_for_proof():
    report = check_adjoint(np.sin, lambda v, x: 0 * v, lambda u, x: 0 * u, np.ones(3))
    assert report.verdict == "untested" and not report.passed


def test_the_adjoint_of_scipys_rosenbrock_hessian_is_itself():
    def product(v, x):
        return optimize.rosen_hess_prod(x, v)

    x = draw(6)
    assert check_adjoint(optimize.rosen_der, product, product, x).passed
    assert not check_adjoint(
        optimize.rosen_der, product, lambda u, x: np.tril(optimize.rosen_hess(x)) @ u, x
    )


def test_a_failing_assertion_shows_the_whole_report(pytester):
    pytester.makepyfile(
        """
        import numpy as np
        from gradlab import check_vjp

        def test_sine():
            assert check_vjp(np.sin, lambda u, x: -u * np.cos(x), np.array([0.3, 1.1]))
        """
    )

    def said(*plugins):
        # By its entry point the plug-in may be there already.
        done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:gradlab", *plugins)
        done.assert_outcomes(failed=1)
        return done.stdout.str()

    report = check_vjp(np.sin, lambda u, x: -u * np.cos(x), np.array([0.3, 1.1]))
    assert str(report) in said("-p", "gradlab.pytest_plugin")
    assert str(report) not in said()  # or the plug-in would not be needed


def test_the_test_of_the_readme_over_awkward_sizes_passes_and_can_fail():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.search(r"<!-- awkward sizes -->\n```python\n(.*?)```", readme, re.DOTALL)[1]
    assert run_pytest({"test_squares.py": code}) == "5 passed"
    faulty = code.replace(
        "np.repeat(u, BLOCK)[: len(x)]", "np.resize(np.repeat(u, BLOCK)[:BLOCK], len(x))"
    )
    assert run_pytest({"test_squares.py": faulty}).startswith("2 failed, 3 passed")


def test_pytest_is_told_where_the_plug_in_is():
    entry = 'pytest11 = { gradlab = "gradlab.pytest_plugin" }'
    assert entry in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
