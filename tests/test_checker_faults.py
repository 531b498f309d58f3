"""What the first edition got wrong around the check itself: safety of the data, domains, words.

Each test stands for a kind, so it runs over a family of cases, not over one example.
"""

import copy
import math
import pickle
import subprocess
import sys
import warnings
from collections.abc import Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradlab import check_gradients, numerical_gradient, taylor_test
from gradlab.checking.report import VERDICTS, ArrayReport, GradientCheckError, Report
from gradlab.checking.signatures import describe, describe_pattern, recognise
from gradlab.differences import entry_losses
from gradlab.differences.noise import line_losses
from gradlab.differences.sweep import Guarded, restored
from gradlab.terminal import CLOSED_PIPE

HOWS = ["entries", "directions"]


def bits(params):
    return {name: (array.tobytes(), array.flags.writeable) for name, array in params.items()}


def everything(loss, params, grads):
    """Each of the functions that move parameters, to be called."""
    return {
        "entries": lambda: check_gradients(loss, params, grads),
        "directions": lambda: check_gradients(loss, params, grads, how="directions"),
        "differences": lambda: numerical_gradient(loss, params),
        "workers": lambda: numerical_gradient(loss, params, workers=map),
        "taylor": lambda: taylor_test(loss, params, grads),
    }


FUNCTIONS = list(everything(None, None, None))


# ------------------------------------------------------------------------ B: safety of the data


class Views(Mapping):
    """Named views of one flat vector, made afresh at every access."""

    def __init__(self, shapes, vector):
        self.shapes, self.vector = shapes, vector

    def __getitem__(self, name):
        start = 0
        for other, shape in self.shapes.items():
            size = math.prod(shape)
            if other == name:
                return self.vector[start : start + size].reshape(shape)
            start += size
        raise KeyError(name)

    def __iter__(self):
        return iter(self.shapes)

    def __len__(self):
        return len(self.shapes)


class SettableViews(Views, MutableMapping):
    def __setitem__(self, name, value):
        self[name][...] = value

    def __delitem__(self, name):
        raise TypeError("these views cannot be deleted")


def sines(params):
    return float(sum(np.sum(np.sin(array)) for array in params.values()))


@pytest.mark.parametrize("views", [Views, SettableViews])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_mapping_of_fresh_views_is_moved_and_put_back(views, function):
    vector = np.random.RandomState(0).normal(size=9)
    params = views({"W": (2, 3), "b": (3,)}, vector)
    before = vector.tobytes()
    grads = {name: np.cos(array) for name, array in params.items()}
    result = everything(sines, params, grads)[function]()
    assert vector.tobytes() == before
    if function in HOWS:
        assert result.passed
    elif function == "taylor":
        assert result.slope == pytest.approx(2, abs=0.1)
    else:
        np.testing.assert_allclose(result["b"], grads["b"], rtol=1e-8)


@pytest.mark.parametrize("views", [Views, SettableViews])
@pytest.mark.parametrize("fatal", range(1, 40, 3))
def test_of_fresh_views_every_one_is_put_back_when_the_loss_ends_it_all(views, fatal):
    vector = np.random.RandomState(0).normal(size=9)
    params, before = views({"W": (2, 3), "b": (3,)}, vector), vector.tobytes()
    calls = iter(range(fatal))

    def loss(p):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return sines(p)

    with pytest.raises(KeyboardInterrupt):
        check_gradients(loss, params, {name: np.zeros(a.shape) for name, a in params.items()})
    assert vector.tobytes() == before


def test_all_values_are_restored_before_anything_is_said():
    """Also those behind an array that has become read-only, or whose entry cannot be set."""
    params = {name: np.full(2, 0.1) for name in "abcd"}
    arrays = dict(params)

    class Fixed(Views):
        def __init__(self):
            pass

        def __getitem__(self, name):
            return params[name]

        def __iter__(self):
            return iter(params)

        def __len__(self):
            return len(params)

    with pytest.raises(RuntimeError, match="cannot be undone"), restored(Fixed()):
        for array in arrays.values():
            array += 1
        params["b"] = np.zeros(2)
        params["c"].flags.writeable = False
    for array in arrays.values():
        assert array.tolist() == [0.1, 0.1] and array.flags.writeable


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_shape_or_a_type_that_was_changed_in_place_is_put_back(order):
    params = {n: np.array(np.arange(6.0).reshape(2, 3) / 10, order=order) for n in "abc"}
    before, shapes = bits(params), {name: a.strides for name, a in params.items()}
    with restored(params):
        params["a"].shape = (6,) if order == "C" else (2, 3, 1)
        params["b"].resize((3, 5) if order == "C" else (2, 3), refcheck=False)
        params["c"].dtype = np.int64
        params["c"] += 1
    assert bits(params) == before and params["c"].dtype == float
    assert {name: a.strides for name, a in params.items()} == shapes


def test_what_cannot_be_undone_does_not_hide_what_has_happened():
    x, views = np.full(2, 0.1), Views({"x": (2,)}, np.full(2, 0.3))
    with pytest.raises(KeyboardInterrupt) as caught, restored(views), restored({"x": x}):
        x += 1
        views.vector = np.zeros(2)
        raise KeyboardInterrupt
    assert "cannot be undone" in caught.value.__notes__[0] and x.tolist() == [0.1, 0.1]


def read_only(params):
    for array in params.values():
        array.flags.writeable = False


def rebinding(params):
    for name in params:
        params[name] = params[name] + 1


def deleting(params):
    del params["b"]


def adding(params):
    params["cache"] = params["a"] * 2


def shifting(params):
    for array in params.values():
        array += 1


MESSES = [read_only, rebinding, deleting, adding, shifting]


@pytest.mark.parametrize("mess", MESSES)
@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("late", [0, 1, 2, 5, 17])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_whatever_a_loss_does_to_its_parameters_is_undone(mess, error, late, function):
    params = {name: np.linspace(0.1, 0.9, 3) for name in "abc"}
    before, order, own = bits(params), list(params), {n: id(a) for n, a in params.items()}
    calls = iter(range(late))

    def loss(p):
        value = sines(p)
        if next(calls, None) is None:
            mess(p)
            if error is not None:
                raise error("in the middle")
        return value

    try:
        everything(loss, params, {name: np.cos(a) for name, a in params.items()})[function]()
    except (ValueError, KeyboardInterrupt, KeyError) as raised:
        if error is None and isinstance(raised, ValueError):
            assert str(raised).startswith(("the loss changes", "the loss makes", "the loss adds"))
    assert (bits(params), list(params)) == (before, order)
    assert {name: id(array) for name, array in params.items()} == own


@pytest.mark.parametrize("mess", MESSES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_a_loss_does_to_its_parameters_is_told_by_name(mess, function):
    params = {name: np.linspace(0.1, 0.9, 3) for name in "abc"}

    def loss(p):
        value = sines(p)
        mess(p)
        return value

    grads = {name: np.cos(a) for name, a in params.items()}
    with pytest.raises(ValueError, match=r"the loss (changes|makes) params\['|adds 'cache'"):
        everything(loss, params, grads)[function]()


# Losses that work in place, and yet leave the parameters as they were at the point itself.


def symmetrise(params):
    W = params["W"]
    W[...] = (W + W.T) / 2
    return float(np.sum(np.sin(W)))


def symmetrise_anew(params):
    params["W"] = (params["W"] + params["W"].T) / 2
    return float(np.sum(np.sin(params["W"])))


def normalise(params):
    params["v"] /= np.abs(params["v"]).max()
    return float(np.sum(np.sin(params["v"])))


def tie(params):
    params["U"][...] = params["W"][0]
    return float(np.sum(np.sin(params["W"])) + np.sum(params["U"] ** 3))


def clip(params):
    np.clip(params["v"], -1, 1, out=params["v"])
    return float(np.sum(params["v"] ** 2))


def cast(params):
    params["v"][...] = params["v"].astype(np.float32)
    return float(np.sum(params["v"] ** 2))


def sort(params):
    params["ties"].sort()
    return float(np.sum(params["ties"] * np.arange(4)))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("loss", [symmetrise, symmetrise_anew, normalise, tie, clip, cast, sort])
@pytest.mark.parametrize("seed", range(5))
def test_a_loss_that_works_in_place_is_told_though_the_point_stays(loss, function, seed):
    stream = np.random.RandomState(seed)
    W = stream.normal(size=(4, 4))
    params = {
        "W": (W + W.T) / 2,
        "v": np.array([0.5, -1.0, 0.25, 1.0]),
        "ties": np.full(4, 0.3),
    }
    params["U"] = params["W"][0].copy()
    loss(params)
    before = bits(params)
    grads = {name: np.ones(array.shape) for name, array in params.items()}
    with pytest.raises(ValueError, match=r"the loss changes params\['(W|v|U|ties)'\]"):
        everything(loss, params, grads)[function]()
    assert bits(params) == before


def cubes(params):
    return float(np.sum(params["x"] ** 3) + np.sum(params["y"] ** 2))


def reversed_map(task, blocks):
    return [task(block) for block in reversed(blocks)]


def shuffled_map(task, blocks):
    order = np.random.RandomState(0).permutation(len(blocks))
    done = {n: task(blocks[n]) for n in order}
    return [done[n] for n in np.random.RandomState(1).permutation(len(blocks))]


@pytest.mark.parametrize("answer", [None, 3.0, np.zeros(2)])
def test_a_map_that_answers_something_else_is_refused(answer):
    with pytest.raises(TypeError, match="workers must hand out what each task returns"):
        numerical_gradient(
            sines, {"x": np.ones(3)}, workers=lambda task, blocks: [answer for _ in blocks]
        )


@pytest.mark.parametrize("mapper", [reversed_map, shuffled_map, "imap_unordered", "as completed"])
@pytest.mark.parametrize("method", ["central", "richardson", "complex"])
def test_a_map_that_answers_out_of_order_gives_the_same_numbers(mapper, method):
    def loss(p):
        return np.sum(p["x"] ** 3) + np.sum(p["y"] ** 2)

    params = {"x": np.linspace(0.1, 1, 40), "y": np.linspace(2, 3, 30).reshape(5, 6)}
    expected = numerical_gradient(loss, params, method)
    with ThreadPool(3) as pool, ThreadPoolExecutor(3) as threads:
        if mapper == "imap_unordered":
            mapper = pool.imap_unordered
        elif mapper == "as completed":

            def mapper(task, blocks):
                from concurrent.futures import as_completed

                waiting = [threads.submit(task, block) for block in blocks]
                return (done.result() for done in as_completed(waiting[::-1]))

        found = numerical_gradient(loss, params, method, workers=mapper)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


# --------------------------------------------------------------------- D: the edge of a domain


def raising(error):
    def loss(p):
        if np.any(p["x"] > 1):
            raise error
        return float(np.sum(p["x"] ** 2))

    return loss


ERRORS = [
    ValueError("A value in x_new is above the interpolation range."),
    ValueError("expected a nonnegative input, got -1e-09"),  # Python 3.14 for math.log
    IndexError("index 7 is out of bounds"),
    KeyError("1.01"),
    RuntimeWarning("invalid value encountered in log"),
    np.linalg.LinAlgError("Matrix is not positive definite"),
    AssertionError(),
    RuntimeError("solver did\n  not converge"),
    TypeError("must be real number, not complex"),
    FloatingPointError("underflow"),
    type("MyError", (Exception,), {})("mine"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_exception_of_a_guarded_loss_at_a_moved_point_is_no_number(error):
    x = np.array([0.2, 1.0, 0.7])
    loss, before = Guarded(raising(error)), x.tobytes()
    losses = entry_losses(loss, {"x": x}, {"x": np.full(3, 0.01)}, (-1, 1), progress=False)["x"]
    assert np.isnan(losses).tolist() == [[False] * 3, [False, True, False]]
    said = " ".join(str(error).split())
    words = type(error).__name__ + (f": {said.removesuffix('.')}" if said else "")
    assert str(loss.failure) == f"moving x by 1e-02 made the loss raise {words}"
    assert loss.evaluations == 7
    line = line_losses(loss, {"x": x}, {"x": np.array([0.0, 0.5, 0])}, (0, -0.1, 0.1))
    assert np.isnan(line).tolist() == [False, False, True]
    assert str(loss.failure) == f"moving x by 5e-02 made the loss raise {words}"
    assert x.tobytes() == before


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("workers", [1, map])
def test_numerical_gradient_raises_it_and_says_what_was_moved(error, workers):
    x = np.array([0.2, 1.0, 0.7])
    with pytest.raises(type(error)) as caught:
        numerical_gradient(raising(error), {"x": x}, eps=0.01, workers=workers)
    assert "had moved an entry of params['x'] by 1e-02" in caught.value.__notes__[-1]
    assert x.tolist() == [0.2, 1.0, 0.7]
    caught.value.__notes__.clear()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
def test_what_is_no_fault_of_the_point_passes(error):
    loss, x = Guarded(raising(error("enough"))), np.array([0.2, 1.0, 0.7])
    with pytest.raises(error, match="enough"):
        entry_losses(loss, {"x": x}, {"x": np.full(3, 0.01)}, (1,), progress=False)
    with pytest.raises(error, match="enough"):
        line_losses(loss, {"x": x}, {"x": np.ones(3)}, (0.1,))
    assert x.tolist() == [0.2, 1.0, 0.7]


def test_what_is_no_number_is_refused_at_a_moved_point_too():
    loss = Guarded(lambda p: 1.0 if p["x"][0] == 0.5 else None)
    with pytest.raises(TypeError, match="the loss must return one number, not None"):
        entry_losses(loss, {"x": np.full(1, 0.5)}, {"x": np.ones(1)}, (1,), progress=False)
    with pytest.raises(TypeError, match="the loss must return one number, not None"):
        line_losses(loss, {"x": np.full(1, 0.5)}, {"x": np.ones(1)}, (0.1,))


def test_the_failure_comes_back_from_workers():
    loss = Guarded(raising(IndexError("beyond")))
    params, steps = {"x": np.array([0.2, 1.0, 0.7])}, {"x": np.full(3, 0.01)}
    losses = entry_losses(loss, params, steps, (1,), workers=pickling_map, progress=False)["x"]
    assert np.isnan(losses).tolist() == [[False, True, False]]
    assert str(loss.failure) == "moving x by 1e-02 made the loss raise IndexError: beyond"


def pickling_map(task, blocks):
    """As the map of a pool: nothing comes back that was not pickled."""
    return [pickle.loads(pickle.dumps(_Apart(task)(block))) for block in blocks]


class _Apart:
    """The task in another process: with a loss of its own, which shares nothing."""

    def __init__(self, task):
        guard = Guarded(task.sweep.loss.loss)
        self.task = type(task)(task.sweep._replace(loss=guard))

    def __call__(self, block):
        return self.task(block)


def test_warnings_at_a_moved_point_are_not_the_users():
    x = np.array([1e-9, 0.5])
    loss = Guarded(lambda p: float(np.sum(np.log(p["x"]))))
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        losses = entry_losses(loss, {"x": x}, {"x": np.full(2, 1e-6)}, (-1, 1), progress=False)["x"]
        line = line_losses(loss, {"x": x}, {"x": np.ones(2)}, (-1e-6, 1e-6))
    assert np.isnan(losses[0, 0]) and np.isfinite(losses[1]).all()
    assert np.isnan(line).tolist() == [True, False]


def test_a_loss_that_fails_in_the_middle_of_work_in_place_spoils_nothing_after_it():
    def loss(p):
        p["y"] += 1  # and takes it back, if it gets as far
        if p["x"][1] > 1:
            raise ValueError("beyond")
        p["y"] -= 1
        return float(np.sum(p["x"] ** 2) + np.sum(p["y"] ** 2))

    params = {"x": np.array([0.25, 1.0, 0.75]), "y": np.array([0.5, 2.0])}
    steps = {name: np.full(array.shape, 2.0**-10) for name, array in params.items()}
    losses = entry_losses(Guarded(loss), params, steps, (1, -1), progress=False)
    h = 2.0**-10
    assert np.isnan(losses["x"]).tolist() == [[False, True, False], [False] * 3]
    right = {n: a.reshape(-1, 1) + np.array([h, -h]) for n, a in params.items()}
    rest = loss(params)
    for name, there in right.items():
        expected = rest - params[name].reshape(-1, 1) ** 2 + there**2
        found = losses[name].T
        assert np.array_equal(found[np.isfinite(found)], expected[np.isfinite(found)])


# ----------------------------------------------------------------------- D: shapes and numbers


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1, 1, 1)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_loss_may_return_an_array_of_one_entry(shape, dtype, function):
    params = {"x": np.array([0.3, 0.7, 1.1], dtype)}

    def loss(p):
        return np.sum(p["x"] ** 2).reshape(shape)

    exact = {"x": 2 * params["x"]}
    found = everything(loss, params, exact)[function]()
    same = everything(lambda p: np.sum(p["x"] ** 2), params, exact)[function]()
    if function in HOWS:
        assert found.passed and str(found) == str(same)
    elif function == "taylor":
        np.testing.assert_array_equal(found, same)
    else:
        np.testing.assert_array_equal(found["x"], same["x"])


@pytest.mark.parametrize("method", ["complex", "central4"])
def test_a_complex_loss_too(method):
    params = {"x": np.array([0.3, 0.7])}
    found = numerical_gradient(lambda p: np.sum(p["x"] ** 2, keepdims=True), params, method)
    np.testing.assert_allclose(found["x"], [0.6, 1.4], rtol=1e-9)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("method", ["central", "complex", "richardson"])
@pytest.mark.parametrize("workers", [1, map])
def test_matrices_are_moved_and_handed_on_as_matrices(method, workers):
    """A product of matrices is written ``M * v``, so the loss must get matrices."""
    M, v = np.matrix([[1.0, 2.0], [3.0, 4.0]]), np.matrix([[0.5], [0.25]])
    before = M.tobytes(), v.tobytes()

    def loss(p):
        return (p["M"] * p["v"]).T * (p["M"] * p["v"])

    found = numerical_gradient(loss, {"M": M, "v": v}, method, workers=workers)
    exact = {"M": 2 * (M * v) * v.T, "v": 2 * M.T * M * v}
    for name, array in exact.items():
        assert type(found[name]) is np.ndarray
        np.testing.assert_allclose(found[name], np.asarray(array), rtol=1e-8)
    assert (M.tobytes(), v.tobytes()) == before


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("huge", [10**400, -(10**400)])
def test_a_huge_integer_is_no_finite_loss(how, huge):
    report = check_gradients(lambda p: huge, {"x": np.ones(2)}, {"x": np.ones(2)}, how=how)
    assert report.verdict == "nonfinite"


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("factor", [1, 2])
def test_matrices_are_checked(how, factor):
    M, v = np.matrix([[1.0, 2.0], [3.0, 4.0]]), np.matrix([[0.5], [0.25]])

    def loss(p):
        return (p["M"] * p["v"]).T * (p["M"] * p["v"])

    def grads(p):
        assert type(p["M"]) is np.matrix
        return {"M": 2 * factor * (p["M"] * p["v"]) * p["v"].T, "v": 2 * p["M"].T * p["M"] * p["v"]}

    report = check_gradients(loss, {"M": M, "v": v}, grads, how=how)
    assert (report["M"].verdict, report["v"].verdict) == ("ok" if factor == 1 else "wrong", "ok")


# ------------------------------------------------------- D: the edge of a domain, in a whole check


def lookup(p):
    """Defined up to 1 and no farther, as an interpolation or a table is."""
    if np.any(p["x"] > 1):
        raise IndexError("beyond the end of the table")
    return float(np.sum(np.exp(p["x"])))


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-7])
def test_near_the_edge_of_a_domain_shorter_steps_are_taken(how, distance):
    x = np.array([0.2, 1 - distance, 0.7])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_gradients(lookup, {"x": x}, {"x": np.exp(x)}, how=how).passed
        for wrong in (np.exp(x) * [1, 1.1, 1], np.exp(x) * [1, -1, 1]):
            assert not check_gradients(lookup, {"x": x}, {"x": wrong}, how=how).passed


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("method", ["central", "central4", "richardson", "forward"])
def test_where_no_step_helps_a_sentence_says_what_was_moved_and_quotes_the_exception(how, method):
    def loss(p):
        if p["x"][0] != 0.25:
            raise ValueError("not on the grid.")
        return 1.0

    x = np.array([0.25])
    method = "central" if how == "directions" else method
    report = check_gradients(loss, {"x": x}, {"x": np.ones(1)}, method=method, how=how)
    assert not report.passed
    said = " ".join(str(report).split())
    assert "moving x by" in said and "made the loss raise ValueError: not on the grid" in said


@pytest.mark.parametrize("how", HOWS)
def test_an_exception_at_the_point_itself_is_the_users(how):
    def loss(p):
        raise ValueError("wrong shapes")

    with pytest.raises(ValueError, match="wrong shapes") as caught:
        check_gradients(loss, {"x": np.ones(1)}, {"x": np.ones(1)}, how=how)
    assert not hasattr(caught.value, "__notes__")


# ---------------------------------------------------------------- E: hints, in a whole check


def told(loss, params, grads, how="entries"):
    report = check_gradients(loss, params, grads, how=how)
    assert report.verdict == "wrong"
    return " ".join(str(report).split())


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("s", [0.05, 0.2, 0.125])
def test_a_derivative_to_log_s_is_told_from_an_average(how, s):
    params = {"s": np.array(s)}
    said = told(lambda p: float(3 * np.sin(p["s"])), params, {"s": 3 * np.cos(s) * s}, how)
    assert "logarithm" in said and "batch" not in said


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("seed", range(3))
def test_a_projection_onto_a_sphere_is_no_regularisation(how, seed):
    v = np.random.RandomState(seed).normal(size=6)
    v /= np.linalg.norm(v)
    g = 5 * v + np.cos(v)

    def loss(p):
        return float(2.5 * np.sum(p["v"] ** 2) + np.sum(np.sin(p["v"])))

    said = told(loss, {"v": v}, {"v": g - (g @ v) * v}, how)
    assert "sphere" in said and "regularisation" not in said


@pytest.mark.parametrize("seed", range(3))
def test_a_symmetric_matrix_counted_once_is_known(seed):
    A = np.random.RandomState(seed).normal(size=(4, 4))
    S = A @ A.T + np.eye(4)
    inverse = np.linalg.inv(S)
    grads = {"S": 2 * inverse - np.diag(np.diag(inverse))}
    assert "symmetric matrix" in told(lambda p: np.linalg.slogdet(p["S"])[1], {"S": S}, grads)


@pytest.mark.parametrize("how", HOWS)
def test_outputs_are_told_from_a_batch_in_a_check(how):
    stream = np.random.RandomState(0)
    X, Y, W = (stream.normal(size=shape) for shape in ((20, 4), (20, 3), (4, 3)))

    def loss(p):
        return float(np.mean((X @ p["W"] - Y) ** 2) / 2)

    said = told(loss, {"W": W}, {"W": X.T @ (X @ W - Y) / 20}, how)
    assert "average over 3 outputs, or over a batch of 3, missing?" in said


@pytest.mark.parametrize("how", HOWS)
def test_a_staircase_is_called_one(how):
    stream = np.random.RandomState(0)
    X, W, y = stream.normal(size=(20, 4)), stream.normal(size=(4, 3)), stream.randint(0, 3, 20)
    losses = {
        "argmax": lambda p: float(np.mean(np.argmax(X @ p["W"], axis=1) != y)),
        "round": lambda p: float(np.sum(np.round(p["W"] * 10))),
    }
    for loss in losses.values():
        report = check_gradients(loss, {"W": W}, {"W": np.ones((4, 3))}, how=how)
        assert not report.passed and "the loss is a staircase here" in " ".join(str(report).split())
    smooth = check_gradients(lambda p: np.sum(np.sin(p["W"])), {"W": W}, {"W": W}, how=how)
    assert "staircase" not in str(smooth)


@pytest.mark.parametrize("how", HOWS)
def test_parameters_that_are_no_layers_are_not_called_so(how):
    params = {name: np.linspace(0.2, 0.8, 3) for name in ("rotation", "shift", "focal")}
    grads = {name: np.cos(array) for name, array in params.items()}
    grads["rotation"], grads["shift"] = 1.5 * grads["rotation"], 1.5 * grads["shift"]
    assert "error signal" not in told(sines, params, grads, how)


# ------------------------------------------------------------------------------ D: the report


def report_of(factor=1.0, how="entries"):
    stream = np.random.RandomState(0)
    params = {"W": stream.normal(size=(3, 4)), "b": stream.normal(size=3)}

    def loss(p):
        return float(np.sum(np.sin(p["W"])) + np.sum(p["b"] ** 2))

    grads = {"W": np.cos(params["W"]) * factor, "b": 2 * params["b"]}
    return check_gradients(loss, params, grads, how=how)


SPOILT = np.where(np.arange(12).reshape(3, 4) == 5, np.nan, 1.0)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("factor", [1.0, 2.0, SPOILT, 0.0])
def test_reports_are_compared_copied_and_pickled(how, factor):
    report = report_of(factor, how)
    assert report == report_of(factor, how)
    assert not report != report_of(factor, how)
    assert report != report_of(1.5, how) and not report == report_of(1.5, how)
    assert report != dict(report) and report != str(report) and report is not None
    assert report["W"] == report_of(factor, how)["W"] and report["W"] != report["b"]
    assert report["W"] != tuple(report["W"])
    for again in (pickle.loads(pickle.dumps(report)), copy.copy(report), copy.deepcopy(report)):
        assert again == report and str(again) == str(report)
        assert again._repr_html_() == report._repr_html_()
        assert (again.passed, again.verdict) == (report.passed, report.verdict)
    with pytest.raises(TypeError, match="unhashable"):
        hash(report)


def test_a_failed_check_can_be_pickled():
    with pytest.raises(GradientCheckError) as caught:
        report_of(2.0).raise_if_failed()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(report_of(2.0))


def test_a_report_says_how_many_entries_are_off_and_the_worst_three():
    factor = np.ones((3, 4))
    for index, wrong in {(1, 2): 3.0, (0, 0): 1.2, (2, 3): -1.5, (2, 1): 0.7}.items():
        factor[index] = wrong
    for count, indices in ((4, []), (3, [(2, 1)]), (2, [(2, 1), (2, 3)])):
        for index in indices:
            factor[index] = 1
        report = report_of(factor)
        array = report["W"]
        off = np.abs(array.gradient - array.differences)
        assert len(array.outside) == count and array.outside[0] == array.worst_index
        assert [off[index] for index in array.outside] == sorted(off[off > 1e-3], reverse=True)
        assert f"{count} of 12 entries are off; next [" in " ".join(str(report).split())
        assert array.others.count("analytic") == min(count, 3) - 1
        assert array.others in report._repr_html_()
    factor[0, 0] = 1
    assert report_of(factor)["W"].others == "" and len(report_of(factor)["W"].outside) == 1
    assert report_of(2.0)["W"].others.startswith("all 12 entries are off; next [")
    assert report_of()["W"].outside == [] and report_of(2.0)["b"].others == ""


def test_of_entries_equally_far_off_the_order_does_not_hang_on_rounding():
    noise = 1e-9 * np.random.RandomState(0).normal(size=(3, 4))
    array = ArrayReport(
        "W", (3, 4), "wrong", "", 0.5, (0, 0), 1.0, 0.0, 1e-8,
        np.ones((3, 4)), noise, np.full((3, 4), 1e-8),
    )  # fmt: skip
    assert array.outside == [(i, j) for i in range(3) for j in range(4)]


any_float = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(any_float, any_float, any_float, st.sampled_from(sorted(VERDICTS)))
@settings(max_examples=500, deadline=None)
def test_the_text_of_a_finding_never_fails(analytic, numeric, bar, verdict):
    bar = abs(bar)
    whole = np.array([analytic, numeric]), np.array([numeric, analytic]), np.full(2, bar)
    for index, arrays in (((0,), whole), ((1,), (None,) * 3), (None, whole)):
        array = ArrayReport("x", (2,), verdict, "", 0.1, index, analytic, numeric, bar, *arrays)
        report = Report({"x": array})
        assert max(map(len, str(report).splitlines())) <= 140
        assert report == pickle.loads(pickle.dumps(report)) and report._repr_html_()


def test_a_value_is_told_apart_from_a_huge_one():
    array = ArrayReport("x", (1,), "wrong", "", 1.0, (0,), 1e300, -5e-324, 1e-323)
    assert "analytic 1e+300, numeric 0" in array.finding
    array = array._replace(numeric=1.0, error_bar=5e-324)
    assert "analytic 1e+300, numeric 1," in array.finding


# ------------------------------------------------------------------------- D: closed pipes


@pytest.mark.parametrize("command", [["gradlab"], ["gradlab.bugs", "--seeds", "1-2000"]])
def test_a_reader_that_has_had_enough_gets_no_traceback(command):
    process = subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == CLOSED_PIPE and said == ""


def test_a_command_that_is_read_to_the_end_keeps_its_status():
    for arguments, status in (([], 0), (["--eps", "3"], 1), (["--eps", "x"], 2)):
        done = subprocess.run([sys.executable, "-m", "gradlab", *arguments], capture_output=True)
        assert done.returncode == status


# --------------------------------------------------------------------------- D: a hint never fails

numbers = st.floats(width=64) | st.sampled_from([0.0, -0.0, 1.0, 2.0, 1e-9, 5e-324, 1e308, -1e-160])
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@st.composite
def oddities(draw):
    """A wrong gradient, a right one, parameters and error bars, of shapes that mostly fit."""
    shape = draw(shapes)
    arrays = [draw(hnp.arrays(float, shape, elements=numbers)) for _ in range(4)]
    if draw(st.booleans()):  # or with something in common
        factor = draw(numbers)
        with np.errstate(all="ignore"):
            arrays[0] = draw(st.sampled_from([arrays[1] * factor, arrays[1] + factor * arrays[2]]))
    if draw(st.integers(0, 9)) == 0:
        arrays[draw(st.integers(0, 3))] = draw(hnp.arrays(float, draw(shapes), elements=numbers))
    return arrays


@given(oddities(), st.booleans(), st.booleans(), st.sampled_from([0.0, 1e-4, 1.0, np.inf, np.nan]))
@settings(max_examples=500, deadline=None)
def test_a_hint_never_fails(arrays, with_parameter, with_bars, rtol):
    answer, truth, parameter, bars = arrays
    signature = recognise(
        answer,
        truth,
        parameter if with_parameter else None,
        rtol,
        bars if with_bars and bars.shape == truth.shape else None,
    )
    said = describe(signature, sizes=truth.shape)
    assert isinstance(said, str) and "nan" not in said.split() and "inf" not in said.split()
    if signature is not None:
        assert said


names = st.text() | st.integers() | st.none() | st.tuples(st.integers()) | st.floats()


@given(st.lists(names, unique=True, max_size=6), st.data())
@settings(max_examples=300, deadline=None)
def test_the_pattern_never_fails(names, data):
    wrong = [name for name in names if data.draw(st.booleans())]
    assert isinstance(describe_pattern(wrong, names), str)
