"""Whatever happens during a check, the caller's arrays are bit for bit what they were."""

import numpy as np
import pytest
from problems import bits

from gradlab import check_gradients, numerical_gradient

STREAM = np.random.RandomState(0)


class Boom(Exception):
    pass


def parameters(dtype=np.float64):
    stream = np.random.RandomState(1)
    whole = stream.normal(size=(4, 6)).astype(dtype)
    return {
        "strided": whole[::2, ::3],
        "fortran": np.asfortranarray(stream.normal(size=(2, 2)).astype(dtype)),
        "scalar": np.array(0.3, dtype),
        "negative zero": np.array([-0.0, 1e-310], dtype),
    }


def smooth(params):
    return float(
        sum(np.sum(np.sin(a.astype(float)) + a.astype(float) ** 2) for a in params.values())
    )


def gradient(params):
    return {n: np.cos(a.astype(float)) + 2 * a.astype(float) for n, a in params.items()}


def check(evaluate, params, wrong=False, **arguments):
    grads = gradient(params)
    if wrong:
        grads = {name: g + 0.1 for name, g in grads.items()}
    check_gradients(evaluate, params, grads, progress=False, **arguments)


WAYS = [
    {},
    {"wrong": True},
    {"how": "directions", "wrong": True},
    {"method": "central4", "eps": 1e-3},
]


def evaluations(**way):
    calls = []
    check(lambda params: calls.append(1) or smooth(params), parameters(), **way)
    return len(calls)


def assert_survives(error, fatal, **way):
    """An error at the evaluation of number ``fatal`` leaves no trace.

    What is no fault of the point ends the check; an exception of the loss's own need not.
    """
    params, calls = parameters(), []
    before, arrays = bits(params), dict(params)

    def loss(params):
        calls.append(1)
        if len(calls) == fatal:
            raise error("in the middle")
        return smooth(params)

    try:
        check(loss, params, **way)
        assert error is Boom and len(calls) > fatal
    except error as raised:
        assert str(raised) == "in the middle"
    assert bits(params) == before
    assert all(params[name] is array for name, array in arrays.items())


@pytest.mark.parametrize("way", WAYS)
def test_an_error_at_any_evaluation_leaves_the_parameters_as_they_were(way):
    for fatal in range(1, evaluations(**way) + 1):
        assert_survives(Boom, fatal, **way)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("way", WAYS)
def test_so_does_an_error_of_any_kind(error, way):
    total = evaluations(**way)
    for fatal in (1, 2, total // 3, 2 * total // 3, total):
        assert_survives(error, fatal, **way)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.longdouble])
def test_a_check_that_ends_well_leaves_them_too(dtype):
    params = parameters(dtype)
    before = bits(params)
    check_gradients(smooth, params, gradient(params))
    assert bits(params) == before


def test_the_neighbours_of_a_view_are_not_touched():
    whole = STREAM.normal(size=(4, 6))
    before = whole.copy()
    params = {"view": whole[1:3, 1:5:2]}
    assert check_gradients(smooth, params, gradient(params)).passed
    assert np.array_equal(whole, before)


def test_layers_that_alias_the_arrays_are_followed():
    class Layer:
        def __init__(self):
            self.W = STREAM.normal(size=(3, 2))

        def loss(self):
            return float(np.sum(np.tanh(self.W) ** 2))

        def gradient(self):
            return 2 * np.tanh(self.W) * (1 - np.tanh(self.W) ** 2)

    layer = Layer()
    assert check_gradients(lambda _: layer.loss(), {"W": layer.W}, {"W": layer.gradient()}).passed


def test_gradients_in_buffers_that_are_used_again_are_copied():
    buffer = {"x": np.empty(3)}
    x = np.array([0.1, 0.2, 0.3])

    def loss(params):
        buffer["x"][...] = 7  # as a framework does that clears or reuses its gradients
        return float(np.sum(params["x"] ** 2))

    def grads(params):
        buffer["x"][...] = 2 * params["x"]
        return buffer

    assert check_gradients(loss, {"x": x}, grads).passed
    buffer["x"][...] = 2 * x
    assert check_gradients(loss, {"x": x}, buffer).passed


def test_a_gradient_function_is_called_once_and_what_it_changes_is_undone():
    calls = []
    x = np.array([0.1, 0.2])
    before = x.tobytes()

    def step(params):
        calls.append(1)
        gradient = {"x": 2 * params["x"]}
        params["x"] -= 0.5 * gradient["x"]  # it updates the parameters as well
        return gradient

    report = check_gradients(lambda p: float(np.sum(p["x"] ** 2)), {"x": x}, step)
    assert report.passed and calls == [1] and x.tobytes() == before
    assert "the gradient function changed x; that was undone" in str(report)


def test_a_gradient_function_that_fails_half_way_leaves_the_parameters():
    x = np.array([0.1, 0.2])
    before = x.tobytes()

    def fails(params):
        params["x"][0] = 5
        raise Boom

    with pytest.raises(Boom):
        check_gradients(smooth, {"x": x}, fails)
    assert x.tobytes() == before


def test_a_loss_that_changes_its_parameters_is_refused():
    x = np.array([0.1, 0.2])
    before = x.tobytes()

    def loss(params):
        params["x"] *= 0.5
        return float(np.sum(params["x"] ** 2))

    with pytest.raises(ValueError, match=r"the loss changes params\['x'\]"):
        check_gradients(loss, {"x": x}, {"x": 2 * x})
    assert x.tobytes() == before


def test_a_loss_that_rebinds_an_entry_is_refused_and_the_dict_is_put_right():
    x = np.array([0.1, 0.2])
    params = {"x": x}

    def loss(params):
        params["x"] = params["x"] * 0.5
        return float(np.sum(params["x"] ** 2))

    with pytest.raises(ValueError, match=r"the loss changes params\['x'\]"):
        check_gradients(loss, params, {"x": 2 * x})
    assert params["x"] is x and x.tolist() == [0.1, 0.2]


def test_warnings_of_the_users_loss_are_not_made_by_us():
    x = np.array([1e-8, 0.5])
    with np.errstate(all="raise"):
        report = check_gradients(lambda p: float(np.log(p["x"]).sum()), {"x": x}, {"x": 1 / x})
    assert report.passed


def cube_sum(params):
    return np.sum(params["x"] ** 3)


def square_sum(params):
    return float(np.sum(params["x"] ** 2))


def test_workers_give_the_same_verdicts():
    x = np.linspace(0.1, 1, 40)
    one = check_gradients(square_sum, {"x": x}, {"x": 2 * x})
    two = check_gradients(square_sum, {"x": x}, {"x": 2 * x}, workers=map)
    assert one.passed and two.passed
    assert np.array_equal(one["x"].differences, two["x"].differences)


@pytest.mark.parametrize("method", ["forward", "central", "central4", "complex", "richardson"])
def test_with_a_step_of_ones_own_it_compares_with_the_numbers_of_numerical_gradient(method):
    x = {"x": np.array([0.1, 0.2, -0.7])}
    report = check_gradients(cube_sum, x, {"x": 3 * x["x"] ** 2}, method=method, eps=1e-4)
    numeric = numerical_gradient(cube_sum, x, method, eps=1e-4)
    assert np.array_equal(report["x"].differences, numeric["x"])
