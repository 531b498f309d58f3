"""What the prose of notebooks 04, 05 and 07 says, and no cell of them computes, holds."""

from __future__ import annotations

import inspect
import re
import sys

import numpy as np
import pytest
from check_notebooks import solution_code
from claims import run, says, sources

import gradlab
from gradlab import mlp
from gradlab.bugs import CATALOGUE, suspect_a, suspect_b
from gradlab.bugs.layers import draw_mask
from gradlab.bugs.networks import RELU, draw, dropout, l2
from gradlab.checking import relative_error
from gradlab.exercises.trial import cases

U = 2.0**-53
X, y = gradlab.paraboloid()
LOSS = mlp.loss_function(X, y)


def gradient(params, loss=LOSS):
    return mlp.backward(params, mlp.forward(params, loss.X)[1], loss.y)


def along(step, name="W1", index=(1, 1)):
    """The loss of the notebooks' network with one entry moved by ``step``."""
    params = mlp.init_params(seed=0)
    params[name][index] += step
    return LOSS(params)


def off(eps):
    slope = gradient(mlp.init_params(seed=0))["W1"][1, 1]
    return abs((along(eps) - along(-eps)) / (2 * eps) - slope)


# ------------------------------------------------------------------------------------------- 04


def test_the_hints_about_the_best_epsilon():
    says("04", "with a loss of 0.135, by about 1.5e-17")
    assert U * along(0) == pytest.approx(1.5e-17, rel=0.01)
    says(
        "04",
        "At ε = 0.001 the truncation error is about 3e-10",
        "Rounding at 0.001 is about 1.5e-14",
        "At 1e-4: about 3e-12 against 1.5e-13. At 1e-5: about 3e-14 against 1.5e-12",
        "its loss, about 0.135",
    )
    assert along(0) == pytest.approx(0.135, abs=5e-4)
    assert off(1e-3) == pytest.approx(3e-10, rel=0.15)
    for eps, truncation, rounding in (
        (1e-3, 3e-10, 1.5e-14),
        (1e-4, 3e-12, 1.5e-13),
        (1e-5, 3e-14, 1.5e-12),
    ):
        third = off(1e-2) / 1e-4  # L'''/6
        assert third * eps**2 == pytest.approx(truncation, rel=0.15)
        assert U * along(0) / eps == pytest.approx(rounding, rel=0.01)


def test_the_rounding_error_is_about_u_times_the_loss_over_the_step():
    says("04", r"\frac{2u|L|}{\varepsilon}\ \text{(forward)}")
    for eps in np.logspace(-10, -7, 4):
        errors = [off(eps * factor) * factor for factor in np.linspace(1, 2, 50)]
        assert 0.2 < np.median(errors) / (U * along(0) / eps) < 2


def test_rise_over_run_agrees_to_three_digits():
    says("04", "Three digits.", "The output shows five of them")
    slope = gradient(mlp.init_params(seed=0))["W1"][1, 1]
    off_by = abs((along(1e-3) - along(0)) / 1e-3 / slope - 1)
    assert 1e-4 < off_by < 1e-3


def test_the_errors_shrink_by_ten_and_by_a_hundred():
    says("04", "Ten and a hundred.")
    slope = gradient(mlp.init_params(seed=0))["W1"][1, 1]
    forward = [abs((along(eps) - along(0)) / eps - slope) for eps in (0.1, 0.01, 0.001)]
    central = [off(eps) for eps in (0.1, 0.01, 0.001)]
    np.testing.assert_allclose(np.divide(forward[:-1], forward[1:]), 10, rtol=0.05)
    np.testing.assert_allclose(np.divide(central[:-1], central[1:]), 100, rtol=0.05)


def test_the_distance_between_two_neighbours_is_twice_u():
    says("04", "`np.finfo(float).eps` is the distance between two neighbours, twice as much")
    assert np.finfo(float).eps == 2 * U


def test_the_rounding_of_the_weight_is_the_smaller_part():
    """Taking the step that was really taken changes little of the error at 1e-5."""
    says("04", "Here it is the smaller part")
    params = mlp.init_params(seed=0)
    w, slope = params["W1"][1, 1], gradient(params)["W1"][1, 1]
    rng = np.random.RandomState(0)
    asked, taken = [], []
    for eps in 1e-5 * rng.uniform(1, 2, 200):
        rise = along(eps) - along(-eps)
        step = ((w + eps) - (w - eps)) / 2
        asked.append(rise / (2 * eps) - slope)
        taken.append(rise / (2 * step) - slope)
    assert np.std(np.subtract(asked, taken)) < 0.2 * np.std(asked)


def test_the_star_stands_left_of_the_crossing_by_a_factor_of_0_8():
    says("04", "a little to the left of the crossing, by a factor of 0.8")
    assert (1 / 2) ** (1 / 3) == pytest.approx(0.8, abs=0.01)  # (R/2T)^(1/3) over (R/T)^(1/3)
    params = mlp.init_params(seed=0)
    curve = gradlab.error_curve(LOSS, params, gradient(params), vectorized=True)
    truncation, rounding = curve.truncation["central"], curve.rounding["central"]
    crossing = curve.eps[np.argmin(np.abs(np.log(truncation / rounding)))]
    assert curve.eps[np.argmin(curve.predicted("central"))] <= crossing


def test_central_is_some_three_thousand_times_as_good_at_its_best():
    says("04", "some three thousand times as good, for one more evaluation per entry")
    params = mlp.init_params(seed=0)
    curve = gradlab.error_curve(LOSS, params, gradient(params), vectorized=True)
    ratio = np.min(curve.predicted("forward")) / np.min(curve.predicted("central"))
    assert 2000 < ratio < 5000


@pytest.mark.parametrize(
    ("method", "low", "high"), [("forward", 1e-8, 1e-7), ("central", 3e-12, 3e-11)]
)
def test_the_bottoms_of_the_two_vs(method, low, high):
    says("04", "A few 1e-8 forward, about 1e-11 central", "61 steps from 1e-15 to 1")
    params = mlp.init_params(seed=0)
    curve = gradlab.error_curve(LOSS, params, gradient(params), vectorized=True)
    assert len(curve.eps) == 61
    assert curve.eps[[0, -1]] == pytest.approx([1e-15, 1])
    assert low < curve.best(method).error < high


def test_the_rules_of_thumb_for_the_step():
    says("04", "near 1e-5 whenever", "the best step is near 1e-8")
    says("04", "from seed to seed the best step hardly moves")
    best = {"central": [], "forward": []}
    for seed in range(8):
        params = mlp.init_params(seed=seed)
        curve = gradlab.error_curve(LOSS, params, gradient(params), vectorized=True)
        for method, steps in best.items():
            steps.append(curve.best(method).eps)
    assert 2e-6 < min(best["central"]) and max(best["central"]) < 2e-4
    assert 1e-9 < min(best["forward"]) and max(best["forward"]) < 1e-7
    assert max(best["central"]) < 10 * min(best["central"])
    assert max(best["forward"]) < 30 * min(best["forward"])


def test_a_step_of_one_is_larger_than_nearly_all_of_the_weights():
    says("04", "At ε = 1, a step larger than nearly all of the weights")
    entries = np.concatenate([array.ravel() for array in mlp.init_params(seed=0).values()])
    assert np.sum(np.abs(entries) >= 1) == 1


def test_what_is_left_of_the_error_at_a_step_of_one():
    says("04", "Five per cent for `W1`, and for `W2` less than 1e-14")
    params = mlp.init_params(seed=0)
    grads = gradient(params)
    numeric = gradlab.numerical_gradient(LOSS, params, eps=1.0, vectorized=True)
    error = {k: np.linalg.norm(numeric[k] - g) / np.linalg.norm(g) for k, g in grads.items()}
    assert error["W1"] == pytest.approx(0.05, rel=0.1)
    assert max(error["W2"], error["b2"]) < 1e-14


def test_a_gradient_of_21_entries_takes_42_evaluations():
    says("04", "a gradient of 21 entries takes 42", "42")
    code = solution_code(sources("04")["solution-numerical-gradient"])
    solution, calls = {"np": np}, []
    exec(code, solution)
    params = mlp.init_params(seed=0)
    solution["numerical_gradient"](lambda p: calls.append(1) or LOSS(p), params, 1e-5)
    assert len(calls) == 42


def test_the_loss_is_a_parabola_behind_the_sigmoid_only():
    says("04", "the loss is a **parabola** in each of their entries")
    for name, parabola in (("W1", False), ("b1", False), ("W2", True), ("b2", True)):
        values = [along(step, name, (0, 0)) for step in (0.0, 0.5, 1.0, 1.5)]
        assert (abs(np.diff(values, 3)[0]) < 1e-14) == parabola


# ------------------------------------------------------------------------------------------- 05


@pytest.fixture(scope="module")
def exercise():
    """The exercise with its own numbers, and the relative errors of 200 orders of its samples."""
    stream = np.random.RandomState(42)
    X, y = gradlab.paraboloid(20, stream)
    params = {
        "W1": stream.normal(0, 2 / 7, (2, 5)),
        "b1": np.zeros((1, 5)),
        "W2": stream.normal(0, 2 / 6, (5, 1)),
        "b2": np.zeros((1, 1)),
    }
    loss = mlp.loss_function(X, y)
    analytic = gradient(params, loss)
    errors = {name: [] for name in params}
    for seed in range(200):
        order = np.random.RandomState(seed).permutation(20)
        shuffled = mlp.loss_function(X[order], y[order])
        numeric = gradlab.numerical_gradient(shuffled, params, eps=1e-5, vectorized=True)
        for name in params:
            errors[name].append(relative_error(analytic[name], numeric[name]))
    return loss, params, analytic, errors


PUBLISHED = {"W1": 1.8299e-10, "b1": 3.4248e-11, "W2": 5.8844e-12, "b2": 1.0700e-12}


@pytest.mark.parametrize(("name", "published"), PUBLISHED.items())
def test_the_published_figures_lie_among_ours_and_in_the_same_decade(exercise, name, published):
    says("05", f"{published:.4e} for `{name}`", "each handed-on value sits among them")
    errors = exercise[-1][name]
    assert min(errors) < published < max(errors)
    assert np.floor(np.log10(np.median(errors))) == np.floor(np.log10(published))


def test_one_number_has_only_a_few_errors_and_ten_have_many(exercise):
    says("05", "`b2` is a single number")
    errors = exercise[-1]
    assert len(np.unique(np.round(np.log10(errors["b2"]), 6))) < 20
    assert len(np.unique(np.round(np.log10(errors["W1"]), 6))) > 150


def test_at_this_step_the_error_is_nearly_all_rounding(exercise):
    says("05", "the error is nearly all rounding", "some thirty times smaller than `dW2`")
    says("05", "Expect about 1e-10 for `W1`, 1e-11 for `b1` and a few 1e-12 for `W2` and `b2`")
    loss, params, analytic, errors = exercise
    for name, a in analytic.items():
        rounding = U * loss(params) / 1e-5 * np.sqrt(a.size)
        assert 0.2 < np.median(errors[name]) / (rounding / (2 * np.linalg.norm(a))) < 2
    for name, low, high in (
        ("W1", 5e-11, 1e-9),
        ("b1", 5e-12, 1e-10),
        ("W2", 5e-13, 2e-11),
        ("b2", 1e-13, 1e-11),
    ):
        assert low < np.median(errors[name]) < high
    sizes = {name: np.linalg.norm(a) for name, a in analytic.items()}
    assert sizes["W2"] / sizes["W1"] == pytest.approx(30, rel=0.15)


def test_what_relative_errors_say():
    says("05", "A relative error near 1 means a wrong sign or a missing array, one third a factor")
    n = np.array([0.3, -2.0, 1.0])
    assert relative_error(-n, n) == pytest.approx(1)
    assert relative_error(0 * n, n) == pytest.approx(1)
    assert relative_error(2 * n, n) == pytest.approx(1 / 3)


def test_the_famous_exercise_fails_its_own_rule():
    """Its network, and this time its own backward pass instead of fourth-order differences."""
    says("05", "its own noise is 1.2e-7", "compares with **2e-7**")
    rng = np.random.RandomState(1)
    x, labels = rng.randn(4, 3), np.array([[1, 1, 0]])
    shapes = {"W1": (5, 4), "b1": (5, 1), "W2": (3, 5), "b2": (3, 1), "W3": (1, 3), "b3": (1, 1)}
    params = {name: rng.randn(*shape) for name, shape in shapes.items()}

    def forward(p):
        A1 = np.maximum(0, p["W1"] @ x + p["b1"])
        A2 = np.maximum(0, p["W2"] @ A1 + p["b2"])
        return A1, A2, 1 / (1 + np.exp(-(p["W3"] @ A2 + p["b3"])))

    def loss(p):
        a = forward(p)[-1]
        return -np.mean(labels * np.log(a) + (1 - labels) * np.log(1 - a))

    A1, A2, a = forward(params)
    d3 = (a - labels) / 3
    d2 = params["W3"].T @ d3 * (A2 > 0)
    d1 = params["W2"].T @ d2 * (A1 > 0)
    parts = (d1 @ x.T, d1.sum(1), d2 @ A1.T, d2.sum(1), d3 @ A2.T, d3.sum(1))
    analytic = np.concatenate([part.ravel() for part in parts])

    def error(**settings):
        numeric = gradlab.numerical_gradient(loss, params, **settings)
        return relative_error(analytic, np.concatenate([n.ravel() for n in numeric.values()]))

    assert error(eps=1e-7) == pytest.approx(1.2e-7, rel=0.05)
    assert error(eps=1e-4) < 1e-9
    assert error(method="central4", eps=1e-3) < 1e-9  # the truth of the notebook


def test_a_larger_loss_is_judged_alike(exercise):
    says("05", "bar and gradient grow together", "the differences grow by 1000, and so do the bars")
    loss, params, analytic, _ = exercise
    wrong = {**analytic, "W1": 1.001 * analytic["W1"]}
    for factor in (1e-3, 1, 1e3):
        for grads, verdict in ((analytic, "ok"), (wrong, "wrong")):
            scaled = {name: factor * g for name, g in grads.items()}
            report = gradlab.check_gradients(lambda p, f=factor: f * loss(p), params, scaled)
            assert report.verdict == verdict


def test_the_report_says_where_the_liar_went_wrong(exercise):
    says("05", "look at the step that carries the error signal back past `W2`")
    loss, params, _, _ = exercise
    lie = suspect_b(params, mlp.forward(params, loss.X)[1], loss.y)
    report = gradlab.check_gradients(loss, params, lie)
    assert "look at the step that carries the error signal back past W2" in report.hint


NOTEBOOK_05 = ("imports", "settings-network", "numeric-loop")
BARS = ("left-over", "two-steps", "bars")


@pytest.fixture(scope="module")
def notebook_05():
    """What the cells of notebook 05 have defined by its last exercises."""
    return run(sources("05"), (*NOTEBOOK_05, *BARS), {})


def test_a_line_for_each_array_is_printed_and_matches(capsys, notebook_05):
    """The cell is not compared by nbval, because its digits are noise; here its decades are."""
    run(sources("05"), ("check-arrays",), dict(notebook_05))
    lines = capsys.readouterr().out.splitlines()
    for line, (name, decade) in zip(
        lines, {"W1": 1.8e-10, "b1": 3.4e-11, "W2": 5.9e-12, "b2": 1.1e-12}.items(), strict=True
    ):
        found = re.fullmatch(rf"{name}: relative error (\S+)   match", line)
        assert abs(np.log10(float(found[1]) / decade)) < 1


def test_the_pattern_of_the_liar_is_the_confession(notebook_05):
    says("05", "`W2` and `b2` of the liar are right, so `dy` and `H` are", "took four numbers")
    n = notebook_05
    lie = suspect_b(n["params"], n["cache"], n["y"])
    wrong = [k for k in lie if relative_error(lie[k], n["numeric"][k]) > 1e-7]
    assert wrong == ["W1", "b1"]


@pytest.mark.parametrize("entry", [("W1", (0, 3)), ("b1", (0, 0)), ("W2", (2, 0)), None])
def test_what_a_line_leaves_over_is_a_few_roundings(notebook_05, entry):
    """Along all entries at once, as in the notebook, and along one alone it is the same."""
    says("05", "No shape, only a cloud, a few $u|L|$ wide")
    loss, params = notebook_05["loss"], notebook_05["params"]
    if entry is not None:
        (name, index), whole = entry, loss

        def loss(p):
            moved = params[name].copy()
            moved[index] = p[name][index]
            return whole({**params, name: moved})

    t, left = notebook_05["left_over"](loss, params)
    assert len(t) == 200 and np.ptp(t) == pytest.approx(2e-9)
    largest = np.max(np.abs(left)) / (U * loss(params))
    assert 1.5 < largest < 6
    assert abs(np.corrcoef(left[:-1], left[1:])[0, 1]) < 0.4  # no shape is left in it


def test_the_change_is_three_times_the_truncation_error(notebook_05):
    says("05", "the change is **three** times the error", "the truncation error fills a third")
    f, w = notebook_05["along"], notebook_05["params"]["W1"][1, 1]
    slope = notebook_05["analytic"]["W1"][1, 1]
    difference = notebook_05["difference"]
    for eps, tolerance in ((0.1, 0.02), (0.01, 1e-3)):
        once, twice = difference(f, w, eps), difference(f, w, 2 * eps)
        assert (twice - once) / (once - slope) == pytest.approx(3, rel=tolerance)


def test_twenty_one_bars_judge_both_suspects(notebook_05):
    says("05", "All bars are alike: at this step rounding rules", "Suspect A lies inside, 21 times")
    says("05", "the smallest is off by more than a hundred million times its bar")
    n = notebook_05
    found, bars = n["differences_and_bars"](n["loss"], n["params"])
    lengths = np.concatenate([bar.ravel() for bar in bars.values()])
    assert lengths.max() < 2.5 * lengths.min()
    assert sum(bar.size for bar in bars.values()) == 21
    for suspect, guilty in ((suspect_a, ()), (suspect_b, ("W1", "b1"))):
        gradient = suspect(n["params"], n["cache"], n["y"])
        for name, bar in bars.items():
            off = np.abs(gradient[name] - found[name]) / bar
            assert np.all(off > 1e8) if name in guilty else np.all(off <= 1)


def test_the_bars_hold_from_seed_to_seed_at_every_step_up_to_a_tenth(notebook_05):
    """So that a bar is more than luck: 13 networks, 57 steps, 21 entries, and not one outside."""
    for seed in (42, *range(12)):
        stream = np.random.RandomState(seed)
        X, y = gradlab.paraboloid(20, stream)
        params = {
            "W1": stream.normal(0, 2 / 7, (2, 5)),
            "b1": np.zeros((1, 5)),
            "W2": stream.normal(0, 2 / 6, (5, 1)),
            "b2": np.zeros((1, 1)),
        }
        loss = mlp.loss_function(X, y)
        right = gradient(params, loss)
        noise = np.max(np.abs(notebook_05["left_over"](loss, params)[1]))
        for eps in np.logspace(-15, -1, 57):
            once, twice = (
                gradlab.numerical_gradient(loss, params, eps=h, vectorized=True)
                for h in (eps, 2 * eps)
            )
            for name, n in once.items():
                bar = noise / eps + np.abs(twice[name] - n)
                assert np.all(np.abs(right[name] - n) <= bar), (seed, eps, name)


def test_beyond_a_step_of_one_the_bars_accuse_the_right_gradient(notebook_05):
    says("05", "With ε near 2 the bars accuse A, who is right", "beyond a step of 1, look at A")
    n = notebook_05
    for eps, accused in ((1.0, False), (10**0.25, True), (10**0.5, True)):
        found, bars = n["differences_and_bars"](n["loss"], n["params"], eps)
        outside = [np.abs(n["analytic"][name] - found[name]) > bars[name] for name in bars]
        assert any(map(np.any, outside)) == accused


def test_bars_grow_and_shrink_as_the_text_says(notebook_05):
    says("05", "they grow as 1/ε", "grow as ε², those of `W2` and `b2` go on shrinking")
    n = notebook_05
    lengths = {
        eps: n["differences_and_bars"](n["loss"], n["params"], eps)[1]
        for eps in (1e-9, 1e-8, 1e-2, 1e-1)
    }
    for name in ("W1", "b1", "W2"):
        assert np.median(lengths[1e-9][name] / lengths[1e-8][name]) == pytest.approx(10, rel=0.4)
    for name in n["params"]:
        ratio = np.median(lengths[1e-1][name] / lengths[1e-2][name])
        assert ratio == pytest.approx(100, rel=0.2) if name in ("W1", "b1") else ratio < 0.3


def test_small_steps_make_the_bars_swallow_every_lie(notebook_05):
    says("05", "How small must it be before they have swallowed every lie?")
    n = notebook_05
    lie = suspect_b(n["params"], n["cache"], n["y"])
    found, bars = n["differences_and_bars"](n["loss"], n["params"], 1e-16)
    assert all(np.all(np.abs(lie[name] - found[name]) <= bars[name]) for name in bars)


def test_the_trial_is_what_the_text_says():
    says("05", "14 wrong gradients, eight of them out of the catalogue of notebook 06, and 6 right")
    every = cases()
    assert sum(bool(case.wrong) for case in every) == 14
    assert sum(not case.wrong for case in every) == 6
    source = inspect.getsource(sys.modules[cases.__module__])
    names = set(re.findall(r'_bug\("(\w+)"|CATALOGUE\["(\w+)"\]', source))
    used = {a or b for a, b in names}
    assert len(used) == 8 and used <= set(CATALOGUE)


def test_a_check_of_twenty_lines():
    says("05", "a check of twenty lines let none of 14 bugs through")
    cells = sources("05")
    lines = [
        line
        for text in (
            cells["left-over"],
            cells["bars"],
            solution_code(cells["solution-gradient-check"]),
        )
        for line in text.splitlines()
        if line.strip() and not line.strip().startswith('"""')
    ]
    assert len(lines) <= 20


@pytest.mark.parametrize(
    ("old", "new", "accused"),
    [
        ("* H * (1 - H)", "* H * (1 - H)", []),
        ("* H * (1 - H)", "* H", ["W1", "b1", "W2", "b2"]),
        ("/ len(y)", "", ["W1", "b1", "W2", "b2", "W3", "b3"]),
        ("upstream.sum(axis=0", "upstream.mean(axis=0", ["b1", "b2", "b3"]),
    ],
)
def test_the_referee_is_the_learners_own_check(notebook_05, old, new, accused):
    """Both exercises solved, and then a mistake in the backward pass."""
    says("05", "a referee: your own check of exercise 5.5")
    cells = sources("05")
    names = run(cells, ("deep-network",), dict(notebook_05))
    exec(solution_code(cells["solution-gradient-check"]), names)
    page = solution_code(cells["solution-any-depth"])
    assert old in page
    exec(page.replace(old, new), names)
    assert names["referee"]() == accused


def test_the_saturated_network_has_hardly_any_gradient_in_w1(notebook_05):
    says("05", "`W1` has hardly any gradient left")
    n = run(sources("05"), ("saturated",), dict(notebook_05))
    assert np.max(np.abs(n["right"]["W1"])) < 1e-6 < np.max(np.abs(n["right"]["W2"]))


# ------------------------------------------------------------------------------------------- 07


def test_the_complex_step_is_as_good_as_backpropagation():
    says("07", "right to the last digits", "stays near 1e-16")
    params = mlp.init_params(seed=0)
    numeric = gradlab.numerical_gradient(LOSS, params, method="complex", eps=1e-20)
    for name, analytic in gradient(params).items():
        assert relative_error(analytic, numeric[name]) < 1e-15


def test_the_complex_step_errs_as_much_as_the_central_difference_to_the_other_side():
    says("07", "with the other sign")
    params = mlp.init_params(seed=0)
    truth = gradient(params)["W1"]
    central, sideways = (
        gradlab.numerical_gradient(LOSS, params, method=method, eps=1e-2)["W1"] - truth
        for method in ("central", "complex")
    )
    np.testing.assert_allclose(sideways, -central, rtol=0.02, atol=1e-10)


def test_best_errors_of_the_higher_orders():
    says(
        "07",
        "Expect errors of about 1e-11, 1e-13 and less than that",
        "With every order the best step moves to the right",
    )
    params = mlp.init_params(seed=0)
    methods = ("central", "central4", "richardson")
    curve = gradlab.error_curve(LOSS, params, gradient(params), methods, vectorized=True)
    central, fourth, sixth = (curve.best(method) for method in methods)
    assert 3e-12 < central.error < 3e-11
    assert 3e-14 < fourth.error < 5e-13
    assert sixth.error < fourth.error
    assert central.eps < fourth.eps < sixth.eps


def test_what_the_complex_step_stops_at_and_what_it_passes():
    says("07", "`max` at least stops with an error", "lets the larger number through whole")
    with pytest.raises(TypeError):
        max(1.5 + 1e-20j, 0)
    assert np.maximum(1.5 + 1e-20j, 0) == 1.5 + 1e-20j
    says("07", "alone it gives minus the derivative", "where the real parts are equal, it decides")
    assert np.imag(np.conj(1.5 + 1e-20j) * 3) / 1e-20 == pytest.approx(-3)
    assert np.imag(np.maximum(1e-20j, 0)) > 0 and np.imag(np.minimum(1e-20j, 0)) == 0
    w = np.array([0.5, -1.5, 2.0]) + 1e-20j
    for dropped in (abs(w), w.real, np.linalg.norm(w), np.vdot(w, w), w.conj().T @ w):
        assert not np.any(np.imag(dropped))


def test_float32_has_half_a_billion_times_the_rounding_error():
    says("07", "half a billion", "The cube root of 2**29 is about 800", "two digits are left")
    assert 2.0**-24 / U == 2**29
    assert 2**29 == pytest.approx(0.5e9, rel=0.1)
    assert (2**29) ** (1 / 3) == pytest.approx(800, rel=0.02)
    data = [a.astype(np.float32) for a in (X, y)]
    params = {name: a.astype(np.float32) for name, a in mlp.init_params(seed=0).items()}
    loss = mlp.loss_function(*data)
    curve = gradlab.error_curve(
        loss, params, gradient(params, loss), "central", np.logspace(-5, -4, 5)
    )
    assert 1e-3 < np.median(curve.errors["central"]) < 1e-1
    assert gradlab.error_curve(loss, params, gradient(params, loss)).best("central").error > 1e-7


def test_in_float32_the_error_bars_grow_and_right_code_passes():
    says("07", "the error bars grow with the measured noise, and what is right still passes")
    data = [a.astype(np.float32) for a in (X, y)]
    params = {name: a.astype(np.float32) for name, a in mlp.init_params(seed=0).items()}
    loss = mlp.loss_function(*data)
    right = gradient(params, loss)

    def rounding_inside(p):
        return loss({name: array.astype(np.float32) for name, array in p.items()})

    cast_up, inside = (gradlab.check_gradients(f, params, right) for f in (loss, rounding_inside))
    assert cast_up.passed
    assert "computed in float64" in str(cast_up)
    assert inside.passed
    double = mlp.init_params(seed=0)
    in_float64 = gradlab.check_gradients(LOSS, double, gradient(double))
    for name in params:
        assert np.median(inside[name].error_bars) > 1000 * np.median(in_float64[name].error_bars)
    wrong = {**right, "W1": 1.1 * right["W1"]}
    assert gradlab.check_gradients(rounding_inside, params, wrong)["W1"].verdict == "wrong"


def test_a_small_mistake_hides_at_large_steps():
    says("07", "The tiny mistake hides at large steps", "a slope of one and a half")
    params = mlp.init_params(seed=0)
    grads = gradient(params)
    wrong = {**grads, "W1": 1.001 * grads["W1"]}
    stream = np.random.RandomState(2)
    v = {name: stream.normal(size=array.shape) for name, array in params.items()}
    gv = sum(np.sum(wrong[name] * v[name]) for name in params)
    steps = 10.0 ** np.arange(-7, 0.1, 0.5)
    remainders = [
        abs(LOSS({name: params[name] + h * v[name] for name in params}) - LOSS(params) - h * gv)
        for h in steps
    ]
    slopes = np.diff(np.log10(remainders)) / 0.5
    assert slopes[0] == pytest.approx(1, abs=0.1)
    assert slopes[9:11] == pytest.approx(2, abs=0.2)
    assert np.any(np.abs(slopes - 1.5) < 0.25)


def test_without_a_kink_nothing_is_truncated():
    says("07", "Below it the loss is a parabola in every entry")
    for seed in range(20):
        loss, params, grads = RELU.at(*draw(seed))
        numeric = gradlab.numerical_gradient(loss, params, eps=1e-4, vectorized=True)
        assert max(relative_error(grads[name], numeric[name]) for name in grads) < 1e-9


def dicing(seed=0):
    stream = np.random.RandomState(seed)

    def loss(params):
        mask = draw_mask(stream.randint(10**6), (20, 5), keep=0.8)
        return dropout(mask).loss_function(X, y)(params)

    return loss


def test_two_masks_differ_in_the_loss_by_a_few_hundredths():
    says("07", "typically differ in the loss by 0.03")
    params, loss = mlp.init_params(seed=0), dicing()
    losses = [loss(params) for _ in range(200)]
    assert np.median(np.abs(np.diff(losses))) == pytest.approx(0.03, rel=0.3)


def test_a_central_difference_of_dice_is_in_the_thousands():
    says("07", "Thousands, for a `dW2` whose entries are below 0.1")
    params = mlp.init_params(seed=0)
    numeric = gradlab.numerical_gradient(dicing(seed=18), params, eps=1e-5)
    assert np.all(np.abs(numeric["W2"]) > 1000)
    assert np.all(np.abs(gradient(params)["W2"]) < 0.1)


def test_asleep_a_mistake_is_caught_only_if_it_puts_no_zero_there():
    says("07", "Only those that do not put zeros there", "A forgotten mask returns something")
    params, X, y = draw(3)
    params["b1"][:] = -10
    right = RELU.at(params, X, y)
    dy = (RELU.forward(params, X)[0] - y) / len(y)
    dH = dy @ params["W2"].T
    Z1 = X @ params["W1"] + params["b1"]
    masked = {
        "sign": -dH * (Z1 > 0),
        "factor": 20 * dH * (Z1 > 0),
        "wrong W2": dy @ (params["W2"] + 1).T * (Z1 > 0),
    }
    caught = {
        "forgotten": dH,
        "not strict": dH * (np.maximum(Z1, 0) >= 0),
        "leaky": dH * np.where(Z1 > 0, 1, 0.1),
    }
    for mistakes, verdict in ((masked, "untested"), (caught, "wrong")):
        for name, dZ1 in mistakes.items():
            grads = right.grads | {"W1": X.T @ dZ1}
            report = gradlab.check_gradients(right.loss, params, grads)
            assert report["W1"].verdict == verdict, name


@pytest.mark.parametrize(
    ("strength", "below_the_cutoff", "verdict"),
    [(1e3, False, "wrong"), (1e6, True, "close"), (1e8, True, "ok"), (1e14, True, "ok")],
)
def test_a_penalty_hides_from_a_cutoff_first(strength, below_the_cutoff, verdict):
    says("07", "from a cutoff long before it hides it from the error bars")
    says("07", "At a million it is below a cutoff of 1e-7, and outside the error bars all the same")
    params = mlp.init_params(seed=0)
    problem = l2(strength).at(params, X, y)
    wrong = {**problem.grads, "W1": problem.grads["W1"] + 0.1 * gradient(params)["W1"]}
    found = gradlab.check_gradients(problem.loss, params, wrong)["W1"]
    assert (found.relative_error < 1e-7) == below_the_cutoff
    assert found.verdict == verdict
    says(
        "07", "calls **close**, says the size, and lets pass", "With `tolerance=0` it says `wrong`"
    )
    strict = gradlab.check_gradients(problem.loss, params, wrong, tolerance=0)["W1"]
    assert strict.verdict == {"close": "wrong"}.get(verdict, verdict)


def test_a_penalty_divides_the_relative_error_by_its_strength():
    says("07", "From λ = 1 on the relative error falls as 1/λ")
    params = mlp.init_params(seed=0)
    errors = []
    for strength in (1, 10, 1e3):
        right = l2(strength).at(params, X, y).grads["W1"]
        errors.append(strength * relative_error(right + 0.1 * gradient(params)["W1"], right))
    np.testing.assert_allclose(errors, errors[-1], rtol=0.1)
