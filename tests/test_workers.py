"""More than one process: the same numbers, clear errors, and arrays left as they were."""

import os
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import numpy as np
import pytest
from problems import bits, course

from gradlab import check_gradients, numerical_gradient


def assert_same_bits(found, expected):
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


# At the top of the module, so that they can be pickled.


def failing(params):
    if params["b2"][0, 0] != 0:
        raise ZeroDivisionError("in a worker")
    return float(np.sum(params["W1"]))


def dying(params):
    if params["b2"][0, 0] != 0:
        os._exit(1)
    return float(np.sum(params["W1"]))


class Holding:
    """A loss that reads the arrays that its layers hold, whatever it is given."""

    def __init__(self, loss, params, given=()):
        self.loss, self.held, self.given = loss, params, given

    def __call__(self, params):
        return self.loss({**self.held, **{name: params[name] for name in self.given}})


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize("method", ["forward", "central4", "complex"])
def test_a_map_of_any_make_gives_the_same_numbers(method, processes):
    loss, params, _ = course()
    before = bits(params)
    one = numerical_gradient(loss, params, method)
    with ThreadPoolExecutor(2) as threads, ThreadPool(2) as pool:
        for workers in (map, threads.map, pool.map, pool.imap, processes.map):
            assert_same_bits(numerical_gradient(loss, params, method, workers=workers), one)
    assert bits(params) == before


@pytest.mark.parametrize("how", ["right", "wrong"])
def test_a_check_says_the_same_with_workers(how, processes):
    loss, params, _ = course()
    grads = numerical_gradient(loss, params, "complex")
    if how == "wrong":
        grads["W1"] *= 1.01
    before = bits(params)
    one = check_gradients(loss, params, grads)
    for workers in (2, map, processes.map):
        report = check_gradients(loss, params, grads, workers=workers)
        assert str(report) == str(one)
        assert_same_bits(
            {name: report[name].differences for name in report},
            {name: one[name].differences for name in one},
        )
    assert one.passed == (how == "right")
    assert bits(params) == before


@pytest.mark.parametrize("workers", [2, -1])
def test_a_number_of_processes_gives_the_same_numbers(workers):
    loss, params, _ = course(seed=1)
    params["W1"] = np.asfortranarray(params["W1"])
    one = numerical_gradient(loss, params)
    assert_same_bits(numerical_gradient(loss, params, workers=workers), one)


def test_stacks_can_be_spread_as_well(processes):
    loss, params, _ = course()
    one = numerical_gradient(loss, params, "richardson", vectorized=True)
    several = numerical_gradient(loss, params, "richardson", vectorized=True, workers=processes.map)
    assert_same_bits(several, one)


def test_it_really_is_other_processes(processes):
    """Of the 43 evaluations for 21 entries only the first few are made here, to look at the loss."""
    loss, params, _ = course()
    counting = _Late(loss)
    numerical_gradient(counting, params)
    assert counting.calls == 43
    for workers in (2, processes.map):
        counting = _Late(loss)
        numerical_gradient(counting, params, workers=workers)
        assert counting.calls == 4


def test_a_thread_does_not_see_what_another_one_moves():
    """Each loss looks while the other thread is in the middle of one too."""
    params = {"a": np.zeros(1), "b": np.zeros(1)}
    both = threading.Barrier(2, timeout=20)
    moved = []

    def loss(p):
        if threading.current_thread() is threading.main_thread():
            return float(p["a"][0] + p["b"][0])
        both.wait()
        moved.append(int(p["a"][0] != 0) + int(p["b"][0] != 0))
        both.wait()
        return float(p["a"][0] + p["b"][0])

    with ThreadPoolExecutor(2) as pool:
        numerical_gradient(loss, params, "forward", workers=pool.map)
    assert moved == [1, 1]


def test_a_lambda_cannot_be_sent(processes):
    loss, params, _ = course()
    before = bits(params)
    for workers in (2, processes.map):
        with pytest.raises(TypeError, match="cannot be sent to another process"):
            numerical_gradient(lambda p: loss(p), params, workers=workers)
    assert bits(params) == before


@pytest.mark.parametrize("given", [(), ("W1", "b1", "b2")])
@pytest.mark.parametrize("workers", [2, map])
def test_a_loss_that_reads_other_arrays_is_refused(given, workers):
    loss, params, _ = course()
    before = bits(params)
    holding = Holding(loss, params, given)
    assert_same_bits(numerical_gradient(holding, params), numerical_gradient(loss, params))
    with pytest.raises(TypeError, match="reads arrays other than its argument"):
        numerical_gradient(holding, params, workers=workers)
    assert bits(params) == before


def test_an_exception_in_a_worker_arrives(processes):
    _, params, _ = course()
    before = bits(params)
    for workers in (2, processes.map, map):
        with pytest.raises(ZeroDivisionError, match="in a worker"):
            numerical_gradient(_Late(failing), params, workers=workers)
    assert bits(params) == before


def test_a_worker_that_dies_leaves_the_arrays_alone():
    _, params, _ = course()
    before = bits(params)
    with pytest.raises(RuntimeError, match="a worker process died"):
        numerical_gradient(_Late(dying), params, workers=2)
    assert bits(params) == before


class _Late:
    """Harmless for the first few calls, so that only a worker gets into trouble."""

    def __init__(self, loss):
        self.loss, self.calls = loss, 0

    def __call__(self, params):
        self.calls += 1
        return float(np.sum(params["W1"])) if self.calls < 5 else self.loss(params)

    def __setstate__(self, state):
        self.__dict__.update(state, calls=5)


def test_a_map_that_loses_blocks_is_noticed():
    loss, params, _ = course()
    with pytest.raises(ValueError, match="returned the results of 20 tasks of 21"):
        numerical_gradient(loss, params, workers=lambda task, blocks: map(task, blocks[:-1]))


def test_a_local_dask_cluster_gives_the_same_numbers():
    distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    loss, params, _ = course()
    one = numerical_gradient(loss, params)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):

        def dask_map(task, blocks):
            return client.gather(client.map(task, blocks))

        assert_same_bits(numerical_gradient(loss, params, workers=dask_map), one)
        # Dask pickles more than pickle can: a lambda may go.
        assert_same_bits(numerical_gradient(lambda p: loss(p), params, workers=dask_map), one)
        exact = numerical_gradient(loss, params, "complex")
        assert check_gradients(loss, params, exact, workers=dask_map).passed
