"""Every claim of the catalogue is run: the class of each bug, its figures, its witness."""

import functools
import inspect

import numpy as np
import pytest

from gradlab import check_gradients, mlp, paraboloid
from gradlab.bugs import (
    CATALOGUE,
    CAUGHT,
    FALSE_ALARM,
    HIDDEN,
    INVISIBLE,
    networks,
    suspect_a,
    suspect_b,
)
from gradlab.checking import relative_error

SEEDS = range(20)
SEEDS_OF_THE_REAL_CHECK = (0, 7, 13)

every_bug = pytest.mark.parametrize("bug", CATALOGUE.values(), ids=CATALOGUE.keys())


def central_difference(loss, array, params, eps):
    numeric = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        old = array[index]
        array[index] = old + eps
        up = loss(params)
        array[index] = old - eps
        down = loss(params)
        array[index] = old
        numeric[index] = (up - down) / (2 * eps)
    return numeric


def classical_errors(problem, eps=1e-5):
    """The relative error of every array, as in the exercise; inf where the shapes differ."""
    loss, params, grads = problem
    return {
        name: relative_error(grads[name], central_difference(loss, array, params, eps))
        if np.shape(grads[name]) == array.shape
        else np.inf
        for name, array in params.items()
    }


def classical_pass(errors, cutoff=1e-7):
    return all(error < cutoff for error in errors.values())


def verdict(problem):
    try:
        return check_gradients(*problem).verdict
    except (TypeError, ValueError):
        return "refused"


def test_there_are_at_least_thirty_bugs_that_a_check_meets_and_ten_that_none_sees():
    kinds = [bug.kind for bug in CATALOGUE.values()]
    assert set(kinds) == {CAUGHT, HIDDEN, INVISIBLE, FALSE_ALARM}
    assert kinds.count(CAUGHT) + kinds.count(HIDDEN) >= 30
    assert kinds.count(INVISIBLE) >= 10


@every_bug
def test_an_entry_says_what_where_and_how(bug):
    assert CATALOGUE[bug.name] is bug
    for text in (bug.wrong, bug.revealed_by):
        assert text.endswith(".")
    assert bug.title and bug.reported
    assert len(bug.wrong) <= 95 and len(bug.title) <= 50
    if bug.kind != FALSE_ALARM:
        assert len(inspect.getsource(bug.function).splitlines()) <= 20
    assert (bug.kind == HIDDEN) == bool(bug.hidden_by) == (bug.hiding is not None)
    assert (bug.kind == INVISIBLE) == (bug.witness is not None)


@functools.cache
def ordinary_errors(name):
    """Of the twenty seeds; cached, because two tests look at them."""
    bug = CATALOGUE[name]
    return [classical_errors(bug.problem(seed), bug.eps) for seed in SEEDS]


@every_bug
def test_the_classical_check_finds_what_the_class_says(bug):
    found = ordinary_errors(bug.name)
    assert {classical_pass(errors) for errors in found} == {bug.kind == INVISIBLE}
    if bug.hiding is not None:
        for seed in SEEDS:
            errors = classical_errors(bug.problem(seed, "hiding"))
            assert classical_pass(errors, bug.hiding_cutoff), (seed, errors)


@every_bug
def test_the_figures_quoted_are_those_measured(bug):
    found = ordinary_errors(bug.name)
    median = {name: np.median([errors[name] for errors in found]) for name in found[0]}
    assert set(bug.errors) == {name for name, error in median.items() if error >= 1e-7}
    for name, quoted in bug.errors.items():
        if bug.kind == FALSE_ALARM:  # much of it is rounding: the order of magnitude
            assert quoted / 4 < median[name] < quoted * 4, name
        else:
            assert f"{median[name]:.0e}" == f"{quoted:.0e}", name


@every_bug
@pytest.mark.parametrize("seed", SEEDS_OF_THE_REAL_CHECK)
def test_check_gradients_says_what_the_entry_says(bug, seed):
    assert verdict(bug.problem(seed)) in bug.verdict.split(" or ")
    if bug.hiding is not None:
        assert verdict(bug.problem(seed, "hiding")) in bug.hiding_verdict.split(" or ")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tie_is_a_kink_at_every_seed(seed):
    """At some of them the curvature cancels the jump of the slope, at one of the steps."""
    assert verdict(CATALOGUE["max_pool_tie"].problem(seed)) == "kink"


@pytest.mark.parametrize(
    "bug", [bug for bug in CATALOGUE.values() if bug.kind == INVISIBLE], ids=lambda bug: bug.name
)
def test_the_witness_tells_the_wrong_program_from_the_right_one(bug):
    measured = np.array([bug.witness(seed) for seed in SEEDS], dtype=float)
    with_bug, without = measured.T
    assert bug.witness.__doc__
    # One threshold for all seeds: the user of a witness has only one program to look at.
    apart = max(with_bug) < min(without) or max(without) < min(with_bug)
    assert apart, (with_bug, without)
    assert np.all(np.maximum(with_bug, without) > 1.5 * np.minimum(with_bug, without))


@every_bug
def test_a_problem_is_reproducible_and_another_seed_is_another_problem(bug):
    first, again, other = bug.problem(3), bug.problem(3), bug.problem(4)
    for name, array in first.params.items():
        assert np.array_equal(array, again.params[name])
        assert np.array_equal(first.grads[name], again.grads[name])
    assert any(
        not np.array_equal(getattr(first, part)[name], getattr(other, part)[name])
        for part in ("params", "grads")
        for name in first.params
    )


@every_bug
def test_the_loss_takes_a_stack_of_parameters(bug):
    if bug.name in ("random_forward", "integer_parameters"):
        pytest.skip("no stack of this one")
    for setting in bug.settings:
        loss, params, _ = bug.problem(5, setting)
        scales = np.array([1.0, 1.1, 0.7]).reshape(3, 1, 1)
        stack = {
            name: (array * scales if array.ndim == 2 else array * scales[:, 0])
            for name, array in params.items()
        }
        singles = [loss({name: array[i] for name, array in stack.items()}) for i in range(3)]
        np.testing.assert_allclose(loss(stack), singles, rtol=1e-5)


def test_a_setting_that_a_bug_does_not_have_is_named():
    with pytest.raises(ValueError, match="factor_two has no setting 'hiding'; it has 'ordinary'"):
        CATALOGUE["factor_two"].problem(0, "hiding")


# --- The networks the bugs live in ----------------------------------------------------------------


def right_problems(seed):
    rng = np.random.RandomState(seed)
    for network in (
        networks.COURSE,
        networks.TANH,
        networks.RELU,
        networks.GELU,
        networks.l2(0.1, ("W1", "b1", "W2", "b2")),
        networks.l1(0.1),
        networks.residual(1.0),
        networks.dropout((rng.uniform(size=(20, 5)) < 0.6) / 0.6),
    ):
        yield networks.course_problem(network.backward, seed, network=network)
    params, X, y = networks.draw(seed, sizes=(2, 5, 3))
    yield networks.SOFTMAX.at(params, X, np.eye(3)[np.arange(20) % 3])
    params, X, y = networks.draw(seed)
    yield networks.TIED.at({"W1": params["W1"], "b1": params["b1"], "b2": np.ones((1, 2))}, X, X)
    normalised = {"W1": params["W1"], "gamma": params["W2"].T.copy(), "beta": params["b1"]}
    yield networks.batch_norm().at(normalised | {"W2": params["W2"], "b2": params["b2"]}, X, y)
    windows = np.array([(0, 1), (1, 2), (2, 3), (3, 4)])
    yield networks.max_pool(windows).at(params | {"W2": params["W2"][:4].copy()}, X, y)


@pytest.mark.parametrize("seed", (0, 1, 3, 4, 5))  # at 2 a weight is 5e-6: the kink of L1
def test_every_variation_comes_with_a_right_backward_pass(seed):
    for problem in right_problems(seed):
        errors = classical_errors(problem)
        assert classical_pass(errors), errors


# --- The suspects ---------------------------------------------------------------------------------


def a_point(seed):
    params, X, y = networks.draw(seed)
    return params, mlp.forward(params, X)[1], y


def test_suspect_a_is_right_and_suspect_b_uses_the_updated_w2():
    params, cache, y = a_point(0)
    right, liar = suspect_a(params, cache, y), suspect_b(params, cache, y)
    updated = CATALOGUE["updated_w2"].function(params, cache, y, learning_rate=0.5)
    for name, gradient in mlp.backward(params, cache, y).items():
        assert np.array_equal(right[name], gradient)
        np.testing.assert_allclose(liar[name], updated[name], rtol=1e-13)
        assert np.array_equal(liar[name], gradient) == (name in ("W2", "b2"))


def test_both_suspects_train_to_the_same_median_loss():
    def last_losses(suspect):
        for seed in range(8):
            rng = np.random.RandomState(seed)
            X, y = paraboloid(20, rng)
            params = mlp.init_params(seed=rng)
            yield mlp.train(params, X, y, 3000, 0.5, backward=suspect)[-1]

    a, b = np.array(list(last_losses(suspect_a))), np.array(list(last_losses(suspect_b)))
    assert f"{np.median(a):.4f}" == f"{np.median(b):.4f}" == "0.0021"
    assert np.sum(b < a) == 3
