"""The reverse mode of JAX and PyTorch, and rules written for it by hand, right and wrong."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import check_autodiff

STREAM = np.random.RandomState(4)
X, V = STREAM.standard_normal((4, 5)), STREAM.standard_normal(5)
PRECISIONS = ("float32", "bfloat16")


def verdicts(report):
    return {name: array.verdict for name, array in report.items()}


# ----------------------------------------------------------------------------------- JAX


@pytest.fixture(scope="module")
def jax():
    return pytest.importorskip("jax")


def rms_norm_of_jax(jax, mean=True, upstream=True):
    """An RMSNorm with its rule written by hand, and a mistake in it if asked for."""

    def scale(x):
        return jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-6)

    @jax.custom_vjp
    def rms_norm(x, weight):
        return x * scale(x) * weight

    def backward(kept, u):
        x, weight = kept
        u = u if upstream else jax.numpy.ones_like(u)
        s, d = scale(x), u * weight
        inner = (d * x).mean(-1, keepdims=True) if mean else (d * x).sum(-1, keepdims=True)
        return s * d - s**3 * x * inner, (u * x * s).sum(0)

    rms_norm.defvjp(lambda x, weight: (rms_norm(x, weight), (x, weight)), backward)
    return rms_norm


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("fault", "guilty"),
    [({}, set()), ({"mean": False}, {"x"}), ({"upstream": False}, {"x", "weight"})],
)
def test_a_custom_vjp_is_judged_rightly(jax, precision, fault, guilty):
    inputs = [jax.numpy.asarray(each, precision) for each in (X, V)]
    report = check_autodiff(rms_norm_of_jax(jax, **fault), *inputs)
    assert verdicts(report) == {n: "wrong" if n in guilty else "ok" for n in ("x", "weight")}
    assert "computed in float64" in str(report)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_attention_of_jax_is_right_also_when_it_is_compiled(jax, precision):
    @jax.jit
    def attention(q, k, v):
        return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5, axis=-1) @ v

    inputs = [jax.numpy.asarray(each, precision) for each in (X, X[::-1], X + 1)]
    assert verdicts(check_autodiff(attention, *inputs)) == dict.fromkeys("qkv", "ok")


def test_a_gradient_that_is_stopped_in_jax_is_found(jax):
    report = check_autodiff(lambda x: x * jax.lax.stop_gradient(x), jax.numpy.asarray(V))
    assert report.verdict == "wrong" and "half the right gradient" in str(report)


def test_pytrees_whole_numbers_and_several_outputs_of_jax(jax):
    jnp = jax.numpy

    def function(params, tokens):
        rows = params["table"][tokens]
        return jnp.tanh(rows @ params["layers"][0]), (rows.sum(), tokens + 1)

    params = {"table": jnp.asarray(X), "layers": [jnp.asarray(X[:2].T)]}
    report = check_autodiff(function, params, jnp.array([0, 2, 2]))
    assert verdicts(report) == {"params.table": "ok", "params.layers[0]": "ok"}


def test_arrays_of_numpy_do_for_a_function_of_jax(jax):
    report = check_autodiff(jax.nn.silu, V)
    assert report.passed and not jax.config.jax_enable_x64


# ------------------------------------------------------------------------------- PyTorch


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch


def precisions_of(torch, *more):
    pytest.importorskip("ml_dtypes")
    return [getattr(torch, name) for name in (*PRECISIONS, *more)]


def test_an_autograd_function_is_judged_rightly(torch):
    class Swish(torch.autograd.Function):
        factor = 1.0

        @staticmethod
        def forward(ctx, x, beta):
            ctx.save_for_backward(x, beta)
            return x * torch.sigmoid(beta * x)

        @staticmethod
        def backward(ctx, u):
            x, beta = ctx.saved_tensors
            s = torch.sigmoid(beta * x)
            slope = s + beta * x * s * (1 - s)
            return u * slope, (u * Swish.factor * x**2 * s * (1 - s)).sum()

    for dtype in precisions_of(torch, "float64"):
        inputs = torch.tensor(V, dtype=dtype), torch.tensor(1.5, dtype=dtype)
        Swish.factor = 1.0
        assert verdicts(check_autodiff(Swish.apply, *inputs)) == {"x": "ok", "beta": "ok"}
        Swish.factor = 2.0
        assert verdicts(check_autodiff(Swish.apply, *inputs)) == {"x": "ok", "beta": "wrong"}


def test_a_module_is_checked_with_its_parameters_and_its_inputs(torch):
    for dtype in precisions_of(torch, "float64"):
        net = torch.nn.Sequential(
            torch.nn.Linear(5, 4), torch.nn.LayerNorm(4), torch.nn.GELU(), torch.nn.Linear(4, 2)
        ).to(dtype)
        before = {name: each.clone() for name, each in net.state_dict().items()}
        report = check_autodiff(net, torch.tensor(X, dtype=dtype))
        names = ["0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias", "input"]
        assert verdicts(report) == dict.fromkeys(names, "ok"), report
        assert all(torch.equal(each, before[name]) for name, each in net.state_dict().items())
        assert all(each.grad is None for each in net.parameters())


def test_running_statistics_are_left_alone(torch):
    norm = torch.nn.BatchNorm1d(5)
    assert check_autodiff(norm, torch.tensor(X, dtype=torch.float32)).passed
    assert torch.equal(norm.running_mean, torch.zeros(5)) and norm.num_batches_tracked == 0


def test_a_recurrent_cell_and_an_embedding_of_torch(torch):
    x, h = torch.tensor(X, dtype=torch.float32), torch.zeros(4, 3) + 0.5
    report = check_autodiff(torch.nn.GRUCell(5, 3), x, h)
    assert report.passed and list(report)[-2:] == ["input", "hx"]
    assert check_autodiff(torch.nn.LSTM(5, 3), x).passed  # which returns a tuple in a tuple
    report = check_autodiff(torch.nn.Embedding(6, 3), torch.tensor([0, 2, 2]))
    assert report.passed and list(report) == ["weight"]


def test_a_tied_weight_counts_twice(torch):
    class Tied(torch.nn.Module):
        def __init__(self, detached):
            super().__init__()
            self.inner = torch.nn.Linear(5, 5, bias=False)
            self.detached = detached

        def forward(self, x):
            weight = self.inner.weight
            again = weight.detach() if self.detached else weight
            return torch.tanh(self.inner(x)) @ again

    x = torch.tensor(X, dtype=torch.float32)
    assert check_autodiff(Tied(False), x).passed
    assert verdicts(check_autodiff(Tied(True), x)) == {"inner.weight": "wrong", "x": "ok"}


def test_dropout_is_random_and_said_to_be(torch):
    assert check_autodiff(torch.nn.Dropout(), torch.tensor(X)).verdict == "random"


def test_a_path_that_is_cut_is_a_gradient_of_zeros(torch):
    def function(x, y):
        return x * y.detach()

    x, y = torch.tensor(V), torch.tensor(V + 1)
    assert verdicts(check_autodiff(function, x, y)) == {"x": "ok", "y": "wrong"}
    report = check_autodiff(lambda x, y: x**2, x, y)
    assert verdicts(report) == {"x": "ok", "y": "unused"} and not report["y"].gradient.any()
    with pytest.raises(TypeError, match="nothing that PyTorch could differentiate"):
        check_autodiff(lambda x: x.detach(), x)


# ----------------------------------------------------------------------------- of neither


def test_a_function_of_neither_library_is_told_where_to_go():
    with pytest.raises(TypeError, match="for a derivative of your own there is check_vjp"):
        check_autodiff(np.sin, V)
    with pytest.raises(TypeError, match="function must be a function, not a float"):
        check_autodiff(3.0, V)
