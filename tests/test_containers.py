"""The same regression, handed in in every way that people hold their parameters."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import pytest

from gradlab import check_gradients, containers, error_curve, numerical_gradient, taylor_test

STREAM = np.random.RandomState(0)
X = STREAM.standard_normal((20, 3))
Y = (STREAM.standard_normal(20) > 0).astype(float)
W, B = 0.5 * STREAM.standard_normal(3), 0.5 * STREAM.standard_normal(1)


class Params(NamedTuple):
    w: object
    b: object


def value(w, b, xp=np):
    """Mean logistic loss; in the precision of the parameters."""
    x, y = (xp.asarray(each, dtype=w.dtype) for each in (X, Y))
    z = x @ w + b
    return (xp.logaddexp(0 * z, z) - y * z).mean()


def gradient(w, b):
    off = (1 / (1 + np.exp(-(X @ np.asarray(w) + np.asarray(b)))) - Y) / len(Y)
    return (X.T @ off).astype(w.dtype), off.sum(keepdims=True).astype(w.dtype)


# What can be wrong with it; the names of the arrays that then are.
FAULTS = {
    "right": (lambda w, b: (w, b), ""),
    "sign": (lambda w, b: (-w, b), "w"),
    "a sum, not a mean": (lambda w, b: (len(Y) * w, len(Y) * b), "wb"),
    "one entry": (lambda w, b: (w + 0.3 * np.eye(3, dtype=w.dtype)[1] * w[1], b), "w"),
    "zero": (lambda w, b: (w, 0 * b), "b"),
    "twice": (lambda w, b: (w, 2 * b), "b"),
    "shuffled": (lambda w, b: (w[::-1].copy(), b), "w"),
}


# Each way: the loss, the parameters, the gradient from (w, b), and the names of w and b in a report.
def as_dict(w, b):
    return (
        lambda p: value(p["w"], p["b"]),
        {"w": w, "b": b},
        dict(zip("wb", gradient(w, b), strict=True)),
    )


def as_array(w, b):
    joined = np.concatenate([w, b])
    return lambda x: value(x[:3], x[3:]), joined, np.concatenate(gradient(w, b))


def as_list(w, b):
    return lambda p: value(*p), [w, b], list(gradient(w, b))


def as_nested(w, b):
    dw, db = gradient(w, b)
    given = {"layers": [{"W": w}], "rest": (b, None)}
    grads = {"layers": [{"W": dw}], "rest": (db, None)}
    return lambda p: value(p["layers"][0]["W"], p["rest"][0]), given, grads


def as_named_tuple(w, b):
    return lambda p: value(p.w, p.b), Params(w, b), lambda p: Params(*gradient(p.w, p.b))


def as_jax(w, b):
    jnp = pytest.importorskip("jax.numpy")
    grads = {name: jnp.asarray(each) for name, each in zip("wb", gradient(w, b), strict=True)}
    given = {"w": jnp.asarray(w), "b": jnp.asarray(b)}
    return lambda p: value(p["w"], p["b"], jnp), given, grads


def as_torch(w, b):
    torch = pytest.importorskip("torch")
    grads = [torch.tensor(each) for each in gradient(w, b)]
    given = [torch.tensor(each, requires_grad=True) for each in (w, b)]
    return lambda p: value(*p, torch), given, grads


WAYS = {
    "dict": (as_dict, ("w", "b")),
    "array": (as_array, ("x",)),
    "list": (as_list, ("[0]", "[1]")),
    "nested": (as_nested, ("layers[0].W", "rest[0]")),
    "NamedTuple": (as_named_tuple, ("w", "b")),
    "JAX": (as_jax, ("w", "b")),
    "torch": (as_torch, ("[0]", "[1]")),
}
TWELVE = [(way, float) for way in WAYS if way != "JAX"]
TWELVE += [(way, np.float32) for way in ("dict", "array", "nested", "JAX", "torch")]


def faulted(grads, names, fault):
    """The same structure with the fault in it."""
    if isinstance(grads, np.ndarray):
        return np.concatenate(fault(grads[:3], grads[3:]))
    flat = containers.Container(grads)
    dw, db = (np.asarray(flat.arrays[name]) for name in names)
    return flat.pack(dict(zip(names, fault(dw, db), strict=True)))


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize(("way", "dtype"), [*TWELVE, ("value and gradient", float)])
def test_the_same_verdicts_in_whatever_way_it_is_handed_in(way, dtype, name):
    make, names = WAYS["NamedTuple" if way == "value and gradient" else way]
    loss, params, grads = make(W.astype(dtype), B.astype(dtype))
    fault, wrong = FAULTS[name]
    given = faulted(grads(params) if callable(grads) else grads, names, fault)
    if way == "value and gradient":
        report = check_gradients(lambda p: (loss(p), given), params, True)
    else:
        report = check_gradients(loss, params, given)
    assert tuple(report) == names
    found = [array.verdict for array in report.values()]
    if names == ("x",):
        assert found == ["wrong" if wrong else "ok"]
    else:
        assert found == ["wrong" if key in wrong else "ok" for key in "wb"]


def test_all_entries_are_put_back_bit_for_bit_whatever_the_loss_does():
    given = {"layers": [{"W": W.copy()}], "rest": (B.copy(), None)}
    alias = given["layers"][0]["W"]
    before = alias.tobytes(), given["rest"][0].tobytes()
    calls = []

    def loss(p):
        calls.append(alias.copy())
        p["layers"][0]["W"] = p["layers"][0]["W"] + 0.0  # its own list and dict, not the caller's
        if len(calls) == 9:
            raise KeyboardInterrupt
        return value(p["layers"][0]["W"], p["rest"][0])

    dw, db = gradient(W, B)
    with pytest.raises(KeyboardInterrupt):
        check_gradients(loss, given, {"layers": [{"W": dw}], "rest": [db, None]})
    assert given["layers"][0]["W"] is alias
    assert (alias.tobytes(), given["rest"][0].tobytes()) == before
    assert any(not np.array_equal(call, W) for call in calls)  # moved in place: a layer sees it


def test_a_dict_of_numpy_arrays_is_left_as_it_is():
    def loss(p):
        return 0.0

    params, grads = {"w": W}, {"w": W}
    assert all(
        one is other
        for one, other in zip(
            containers.unpacked(loss, params, grads), (loss, params, grads), strict=True
        )
    )


def test_a_loss_that_reads_a_torch_module_sees_it_move():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    x = torch.tensor(X, dtype=torch.float32)
    before = {name: each.detach().clone() for name, each in layer.named_parameters()}

    def loss(_=None):
        return (layer(x) ** 2).mean()

    loss().backward()
    grads = {name: each.grad for name, each in layer.named_parameters()}
    assert check_gradients(loss, dict(layer.named_parameters()), grads).passed
    assert not check_gradients(
        loss, dict(layer.named_parameters()), {**grads, "bias": grads["bias"] * 1.1}
    )
    assert all(torch.equal(each, before[name]) for name, each in layer.named_parameters())


def test_a_jax_loss_gets_arrays_of_jax_and_a_torch_loss_tensors_of_their_type():
    jax = pytest.importorskip("jax")
    torch = pytest.importorskip("torch")
    seen = set()

    def loss(p):
        seen.add(tuple(type(each).__name__ for each in p))
        return float(p[0][0]) ** 2 + float(p[1][0]) ** 2

    given = (jax.numpy.ones(1), torch.ones(1, dtype=torch.float64))
    assert check_gradients(loss, given, ([2.0], [2.0])).passed
    assert seen == {(type(given[0]).__name__, "Tensor")}


@pytest.mark.parametrize("library", ["jax", "torch"])
def test_bfloat16_needs_no_settings(library):
    if library == "jax":
        jnp = pytest.importorskip("jax.numpy")
        given = jnp.asarray(W, dtype=jnp.bfloat16)
        slope = jnp.cos(given)
        loss = lambda x: jnp.sin(x).sum()  # noqa: E731
    else:
        torch = pytest.importorskip("torch")
        pytest.importorskip("ml_dtypes")
        given = torch.tensor(W, dtype=torch.bfloat16)
        slope = torch.cos(given)
        loss = lambda x: torch.sin(x).sum()  # noqa: E731
    assert check_gradients(loss, given, slope).passed
    assert check_gradients(loss, given, 1.5 * slope).verdict == "wrong"


def test_a_difference_comes_back_in_the_structure_of_the_parameters():
    given = [{"W": W.copy()}, Params(B.copy(), None)]

    def loss(p):
        return value(p[0]["W"], p[1].w)

    dw, db = gradient(W, B)
    for method in ("central", "richardson", "forward"):
        found = numerical_gradient(loss, given, method=method)
        assert type(found[1]) is Params and found[1].b is None
        np.testing.assert_allclose(found[0]["W"], dw, rtol=1e-6)
        np.testing.assert_allclose(found[1].w, db, rtol=1e-6)
    one = numerical_gradient(lambda x: np.sum(x**3), W, method="complex")
    np.testing.assert_allclose(one, 3 * W**2, rtol=1e-14)


def test_an_array_does_for_the_taylor_test_and_the_error_curve():
    x = np.array([0.3, 1.2])
    assert round(taylor_test(lambda x: np.sum(np.exp(x)), x, np.exp).slope, 1) == 2.0
    both = lambda x: (np.sum(np.exp(x)), 2 * np.exp(x))  # noqa: E731
    assert round(taylor_test(both, x, True).slope, 1) == 1.0
    curve = error_curve(lambda x: np.sum(np.exp(x)), x, np.exp, methods=["central"])
    assert round(curve.slopes("central").truncation, 1) == 2.0


@pytest.mark.parametrize(
    ("params", "grads", "error", "said"),
    [
        (3.0, 1.0, TypeError, "params must be an array, or a dict, list or tuple"),
        ([1.0, 2.0], [1.0, 2.0], TypeError, r"a list of float; pass np.array\(params\)"),
        ([W, 3.0], [W, 1.0], TypeError, r"params\['\[1\]'\] must be a NumPy array.*not a float"),
        ([W, B], [W], ValueError, "grads has 1 items, but params has 2"),
        ([W, B], {"w": W}, TypeError, "grads is a dict, but params has a list there"),
        ([{"W": W}], [[W]], TypeError, r"grads at \[0\] is a list, but params has a dict"),
        ({"a": [W]}, {"b": [W]}, ValueError, r"grads has no 'a\[0\]' and has 'b'"),
        ({"a": [W]}, {"a": [None]}, TypeError, r"None for 'a\[0\]'"),
        ({"a.b": W, "a": {"b": B}}, {}, ValueError, "two arrays whose path reads 'a.b'"),
        ([W, W], [W, W], ValueError, "share memory"),
        (W, B, ValueError, r"grads\['x'\] has shape \(1,\)"),
        (np.arange(3), W, TypeError, r"params\['x'\] has dtype int64"),
        (W, True, TypeError, r"must return \(value, gradient\), not a float"),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(params, grads, error, said):
    with pytest.raises(error, match=said):
        check_gradients(lambda p: 0.0, params, grads)


def test_a_torch_loss_gets_the_tensors_that_were_handed_in():
    torch = pytest.importorskip("torch")
    given, seen = torch.tensor(W), set()

    def loss(x):
        seen.add(id(x))
        return (x**2).sum()

    assert check_gradients(loss, given, 2 * given).passed
    assert seen == {id(given)}


def test_a_module_is_told_what_to_pass():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"pass dict\(module.named_parameters\(\)\)"):
        check_gradients(lambda p: 0.0, torch.nn.Linear(2, 3), {})


def test_a_loss_that_returns_a_pair_is_told_of_true():
    with pytest.raises(TypeError, match="pass grads=True"):
        check_gradients(lambda x: (np.sum(x), np.ones(3)), W, np.ones(3))


def test_other_kinds_of_dict_keep_their_type():
    given = OrderedDict(b=[B.copy()], w=[W.copy()])
    seen = set()

    def loss(p):
        seen.add((type(p), tuple(p)))
        return value(p["w"][0], p["b"][0])

    dw, db = gradient(W, B)
    assert check_gradients(loss, given, {"w": [dw], "b": [db]}).passed
    assert seen == {(OrderedDict, ("b", "w"))}


def test_neither_library_is_imported_for_it():
    code = (
        "import sys, numpy as np, gradlab; gradlab.check_gradients(lambda p: p[0].sum(),"
        " [np.ones(2)], [np.ones(2)]).raise_if_failed(); print({'jax', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
