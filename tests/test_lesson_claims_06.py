"""What the prose of notebook 06 says, and no cell of it computes, holds."""

from __future__ import annotations

import numpy as np
import pytest
from claims import says

import gradlab
from gradlab import bugs, mlp
from gradlab.bugs.hunter import feeds
from gradlab.bugs.networks import COURSE, RELU, draw


def ratios(seed):
    """Analytic over numeric, array by array, of a mystery on a network of its own."""
    problem = bugs.course_problem(bugs.mystery(seed), seed)
    report = gradlab.check_gradients(*problem)
    clues = {}
    for name, array in report.items():
        if array.verdict == "wrong":
            a, n = np.atleast_2d(array.gradient), np.atleast_2d(array.differences)
            clues[name] = (a, n, np.asarray(problem.params[name]))
    return clues


def same(values):
    return np.ptp(values) < 1e-4 * np.max(np.abs(values))


def diagnosis(seed):
    """What the printed evidence says, without any further experiment."""
    clues = ratios(seed)
    if set(clues) == {"W1", "b1"}:
        rows = np.vstack([clues[name][0] / clues[name][1] for name in ("W1", "b1")])
        return "updated" if all(same(column) for column in rows.T) else "slope"
    if len(clues) == 4:
        return "output"
    ((a, n, parameter),) = clues.values()
    off = np.abs(a / n - 1) > 1e-4
    if np.count_nonzero(off) == 1:
        return "one entry"
    if same(a / n):
        return "factor" if a.flat[0] / n.flat[0] > 0 else "sign"
    return "penalty" if same((a - n) / parameter) else "clipping"


@pytest.mark.parametrize("deal", range(10))
def test_the_clues_decide_every_mystery_on_its_own_network(deal):
    says("06", "all ratios of one hidden unit agree, in both rows of `W1` and in `b1`")
    for seed in range(8 * deal, 8 * deal + 8):
        family = bugs.answer(seed).family
        assert diagnosis(seed) == family, seed


def test_zero_output_weights_still_part_updated_from_slope():
    says("06", "but the W2 of one step later is not")

    def zero_w2(params, X, y):
        params["W2"][...] = 0

    for seed in range(40):
        family = bugs.answer(seed).family
        if family in ("updated", "slope"):
            problem = bugs.course_problem(bugs.mystery(seed), seed, prepare=zero_w2)
            verdict = gradlab.check_gradients(*problem)["W1"].verdict
            assert (verdict == "wrong") == (family == "updated")


def test_the_height_of_a_floor_is_half_the_relative_error():
    says("06", "its height is half the relative error of the gradient")
    problem = bugs.SHAPES["floor"][1](0)
    floor = np.median(bugs.sweep(problem, np.logspace(-8, -5, 7)))
    right = bugs.course_problem(seed=0).grads
    gap = np.sqrt(sum(np.sum((problem.grads[name] - right[name]) ** 2) for name in right))
    size = np.sqrt(sum(np.sum(right[name] ** 2) for name in right))
    assert floor == pytest.approx(gap / size / 2, rel=0.01)


def rounded(a, bits):
    """``a`` with a mantissa of ``bits`` bits."""
    mantissa, exponent = np.frexp(a)
    return np.ldexp(np.round(mantissa * 2**bits) / 2**bits, exponent)


@pytest.mark.parametrize(("bits", "decade"), [(24, -8), (11, -4), (8, -3)])
def test_a_right_gradient_of_low_precision_has_a_floor(bits, decade):
    says("06", "float32 leaves a floor at 1e-8, float16 at 1e-4, bfloat16 at 1e-3")
    floors = []
    for seed in range(5):
        loss, params, grads = bugs.course_problem(seed=seed)
        low = {name: rounded(g, bits) for name, g in grads.items()}
        floors.append(np.median(bugs.sweep((loss, params, low), np.logspace(-6, -5, 4))))
    assert abs(np.log10(np.median(floors)) - decade) < 0.5


def test_a_nudge_of_one_may_only_turn_the_sign():
    says("06", "that only turns the sign of the difference, and its square stays")
    labels = np.array([[0.0], [1.0]])
    predictions = np.full((2, 1), 0.5)
    moved = labels + np.array([[1.0], [0.0]])
    assert mlp.loss(predictions, moved) == mlp.loss(predictions, labels)


def test_every_mystery_has_a_network_of_its_own():
    first = [draw(seed)[0]["W1"] for seed in range(40)]
    assert len({array.tobytes() for array in first}) == 40


def test_right_code_is_best_near_2e_5():
    says("06", "Right code draws the V of notebook 04, lowest near ε = 2e-5")
    steps = np.logspace(-7, -3, 25)
    best = [
        steps[np.argmin(bugs.sweep(bugs.course_problem(seed=seed), steps))] for seed in range(5)
    ]
    assert 5e-6 < np.median(best) < 1e-4


def test_besides_the_v_four_of_the_shapes_belong_to_right_gradients():
    """Right means: what the network's own backward pass gives, up to the format that it is in."""
    says("06", "Besides the V, four of the seven gradients are right")
    right = set()
    for shape, (_, problem_of) in bugs.SHAPES.items():
        _, params, grads = problem_of(0)
        network = {"cliff": RELU}.get(shape, COURSE)
        _, X, y = draw(0)
        truth = network.at(params, X, y).grads
        if shape == "pinned" or all(
            np.allclose(
                grads[name], truth[name], rtol=0.03, atol=0.01 * np.max(np.abs(truth[name]))
            )
            for name in truth
        ):
            right.add(shape)  # of the dice any gradient is right for some throw
    assert right - {"floor"} == {"V", "coarse", "shifted", "cliff", "pinned"}


def test_the_first_case_goes_as_it_is_told():
    says(
        "06",
        "`W1`, `b1`, `g` and `c` are wrong, and all of them come from `dA`",
        "which multiplies by 1 − H where the slope of a tanh is 1 − H²",
    )
    case = bugs.hunt(3)
    before = case.check()
    assert set(before.wrong) == {"W1", "b1", "g", "c"}
    frozen = case.freeze("dH")
    for name, array in before.analytic.items():
        np.testing.assert_allclose(frozen.analytic[name], array, rtol=1e-6)
    assert case.answer == (15,)
    assert "dA = dH * (1 - H)" in case.code


def test_the_hints_of_the_three_hunts():
    says(
        "06",
        'Hint 3</summary>\n\n17: `freeze("dH")` brings both arrays right',
        "after `reseed()` all is well",
        "In 24 no single line feeds the wrong arrays and spares the right ones",
    )
    one, two, none = (bugs.hunt(seed) for seed in (17, 24, 25))
    assert set(one.check().wrong) == {"W1", "b1"} and not one.freeze("dH").wrong
    wrong = set(two.check().wrong)
    assert all(arrays != wrong for arrays in feeds(two.code).values())
    assert none.check().wrong and not none.reseed().wrong


def test_a_gradient_in_bfloat16_is_judged_by_its_own_digits():
    says("06", "It passes the *coarse* one because it sees in the numbers")
    for seed in range(10):
        loss, params, grads = bugs.SHAPES["coarse"][1](seed)
        assert gradlab.check_gradients(loss, params, grads).verdict == "ok"
        spoilt = {**grads, "W1": -grads["W1"]}
        assert gradlab.check_gradients(loss, params, spoilt)["W1"].verdict == "wrong"
