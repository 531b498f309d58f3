"""The mysteries: broken, catchable, different from each other, and silent about themselves."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

from gradlab import check_gradients, mlp
from gradlab.bugs import FAMILIES, answer, course_problem, mystery, networks
from gradlab.bugs.__main__ import main, seed_list

ARRAYS = {"all": {"W1", "b1", "W2", "b2"}, "W1 and b1": {"W1", "b1"}}


def wrong_arrays(seed, point=0):
    params, X, y = networks.draw(point)
    _, cache = mlp.forward(params, X)
    right, found = mlp.backward(params, cache, y), mystery(seed)(params, cache, y)
    assert {name: array.shape for name, array in found.items()} == {
        name: array.shape for name, array in params.items()
    }
    return {
        name
        for name in right
        if np.linalg.norm(found[name] - right[name]) > 1e-3 * np.linalg.norm(right[name])
    }


@pytest.mark.parametrize("seed", range(1, 41))
def test_the_check_at_its_defaults_catches_it_in_the_arrays_of_the_answer(seed):
    report = check_gradients(*course_problem(mystery(seed), seed % 5))
    where = answer(seed).where
    assert report.verdict == "wrong"
    assert {name for name in report if report[name].verdict == "wrong"} == ARRAYS.get(
        where, {where}
    )


def test_every_mystery_is_broken_by_far_more_than_noise():
    for seed in range(400):
        where = answer(seed).where
        assert wrong_arrays(seed, point=seed % 20) == ARRAYS.get(where, {where})


def test_every_family_and_place_turns_up_in_a_class_of_two_hundred():
    seen = {(answer(seed).family, answer(seed).where) for seed in range(200)}
    assert seen == {(name, place) for name, family in FAMILIES.items() for place in family.places}


def test_any_eight_seeds_from_a_multiple_of_eight_hold_each_family_once():
    for start in (0, 8, 800, 2**31):
        assert {answer(seed).family for seed in range(start, start + 8)} == set(FAMILIES)


def test_the_same_seed_gives_the_same_numbers_and_no_two_seeds_do():
    params, X, y = networks.draw(0)
    _, cache = mlp.forward(params, X)

    def numbers(seed):
        grads = mystery(seed)(params, cache, y)
        return np.concatenate([grads[name].ravel() for name in params]).tobytes()

    assert numbers(17) == numbers(17)
    assert len({numbers(seed) for seed in range(2000)}) == 2000


def test_it_runs_on_a_network_of_any_size():
    for seed in range(16):
        grads = course_problem(mystery(seed), sizes=(2, 1, 1)).grads
        assert {name: array.shape for name, array in grads.items()} == {
            "W1": (2, 1),
            "b1": (1, 1),
            "W2": (1, 1),
            "b2": (1, 1),
        }


def test_it_neither_changes_the_parameters_nor_the_cache():
    for seed in range(50):
        params, X, y = networks.draw(seed)
        _, cache = mlp.forward(params, X)
        before = [array.tobytes() for array in (*params.values(), *cache.values(), y)]
        mystery(seed)(params, cache, y)
        assert before == [array.tobytes() for array in (*params.values(), *cache.values(), y)]


def test_its_name_its_repr_and_its_source_say_nothing():
    names, sources = set(), set()
    for seed in range(40):
        backward = mystery(seed)
        names.add((backward.__name__, backward.__qualname__, repr(backward).split(" at ")[0]))
        sources.add(inspect.getsource(backward))
        for family in FAMILIES:
            assert family not in repr(backward) + inspect.getsource(backward)
    assert len(names) == len(sources) == 1


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", None, np.random.RandomState(1)])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises((TypeError, ValueError), match="seed"):
        mystery(seed)


def test_the_key_is_printed_a_line_for_each_seed(capsys):
    main(["--seeds", "1-30"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 30
    assert lines[6].split(maxsplit=1) == ["7", str(answer(7))]


def test_the_key_from_the_command_line():
    run = subprocess.run(
        [sys.executable, "-m", "gradlab.bugs", "--seeds", "4, 8-9"], capture_output=True, text=True
    )
    assert run.returncode == 0 and run.stderr == ""
    assert [line.split()[0] for line in run.stdout.splitlines()] == ["4", "8", "9"]


def test_a_list_of_seeds_keeps_its_order_and_drops_repeats():
    assert seed_list("5,1-3,2") == [5, 1, 2, 3]


@pytest.mark.parametrize("seeds", ["", "x", "1-", "5-2", "-3", "1.5", "1-99999999", "4294967296"])
def test_a_bad_list_of_seeds_is_one_line_and_status_2(seeds, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([f"--seeds={seeds}"])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.count("\n") == 1 and "--seeds" in error
