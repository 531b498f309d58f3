"""What the prose of notebooks 08 and 09 says in numbers, computed by the notebooks' own cells."""

from __future__ import annotations

import inspect
import math
import re

import nbformat
import numpy as np
import pytest
from check_notebooks import solution_code
from claims import run, sources
from execute_notebooks import notebook_paths

import gradlab
from gradlab import mlp

# ---------------------------------------------------------------------------- 08


@pytest.fixture(scope="module")
def scale():
    return sources("08")


@pytest.fixture(scope="module")
def large(scale):
    """The network of 16,401 parameters, and everything that the notebook makes of it."""
    space = run(scale, ["imports", "networks"], {})
    space["X"], space["y"], space["params"] = space["network"](80, 200)
    space["loss"] = mlp.loss_function(space["X"], space["y"])
    named = ["slope-along", "one-direction", "trials", "luck-figure", "power-predicted"]
    named += ["suspicious"]
    return run(scale, named, space)


def test_a_second_on_the_largest_of_the_four_networks_is_sixteen_hours_at_a_million(scale):
    assert "for inputs, hidden in [(2, 5), (8, 16), (20, 50), (40, 100)]:" in scale["cost-measured"]
    parameters = sum(array.size for array in mlp.init_params((40, 100, 1)).values())
    seconds = (1e6 / parameters) ** 2
    assert round(seconds / 3600) == 16
    assert 4.5 < math.log10(seconds) < 5  # almost five decades


def test_one_entry_of_W1_moves_one_column_and_the_prediction(scale):
    space = run(scale, ["imports", "what-moves-figure"], {})
    moved = {name: space["after"][name] != space["before"][name] for name in space["before"]}
    assert moved["H"][:, 2].all()
    assert not np.delete(moved["H"], 2, axis=1).any()
    assert moved["y_hat"].all()


def test_the_column_by_hand_agrees_to_the_rounding_error_of_a_difference(scale):
    space = run(scale, ["imports", "what-moves-figure", "column-by-hand"], {})
    off = np.abs(space["column"] - space["loop"])
    assert off.max() < 1e-10


def test_with_two_inputs_the_data_are_the_paraboloid(scale):
    X, y, _ = run(scale, ["imports", "networks"], {})["network"](2, 5)
    np.testing.assert_allclose(y, np.sum(X**2, axis=1, keepdims=True))


def test_the_large_network_has_16401_parameters_and_16000_of_them_are_W1(large):
    assert sum(array.size for array in large["params"].values()) == 16_401
    assert large["planted"].size == 16_000


def test_the_structured_gradient_is_the_loop_s_on_the_large_network(large):
    """On some entries of each array: the cell that compares all of them is not compared itself."""
    params, loss, h = large["params"], large["loss"], 1e-5
    structured = gradlab.structured_gradient(params, large["X"], large["y"], eps=h)
    for name, index in [("W1", (17, 42)), ("W1", (79, 0)), ("b1", (0, 5)), ("W2", (9, 0))]:
        nudge = np.zeros(params[name].shape)
        nudge[index] = h
        ahead, behind = (loss({**params, name: params[name] + way * nudge}) for way in (1, -1))
        assert abs((ahead - behind) / (2 * h) - structured[name][index]) < 1e-9


def test_a_slope_takes_four_evaluations(large):
    counted = []

    def loss(params):
        counted.append(params)
        return mlp.loss_function(large["X"], large["y"])(params)

    kept, large["loss"] = large["loss"], loss
    large["slope_along"](large["d"])
    large["loss"] = kept
    assert len(counted) == 4


def test_one_direction_notices_the_planted_error_and_not_the_correct_gradient(scale, large, capsys):
    run(scale, ["one-direction"], large)
    assert capsys.readouterr().out.split() == (
        "correct gradient, suspicious: False planted error, suspicious: True".split()
    )
    wrong = np.abs(np.sum(large["planted"] * large["d"]) - large["slope"])
    right = np.abs(np.sum(large["grads"]["W1"] * large["d"]) - large["slope"])
    assert right < 0.7 * large["bar"] < 100 * large["bar"] < wrong


def test_signs_miss_half_the_time_for_two_entries_and_in_six_per_cent_for_two_hundred():
    assert math.comb(2, 1) / 2**2 == 0.5
    assert round(100 * math.comb(200, 100) / 2**200) == 6


BAR, CUTOFF = "error bar of the noise", "cutoff 1e-3"


def strays(space):
    """By how many standard deviations the measured shares stray, where chance has a say."""
    for rule, shares in space["found"].items():
        chances = space["predicted"][rule]
        undecided = (chances > 0.02) & (chances < 0.98)
        deviation = np.sqrt(chances * (1 - chances) / 300)[undecided]
        yield from np.abs(shares - chances)[undecided] / deviation


def test_the_rules_give_up_six_decades_apart_and_as_predicted(scale, large):
    decades = np.log10(large["sizes"])
    gives_up = {rule: np.interp(0.5, shares, decades) for rule, shares in large["found"].items()}
    forgiven = 2e-3 * math.sqrt(16_000)
    assert round(forgiven, 2) == 0.25  # a quarter of a typical entry
    assert abs(gives_up[CUTOFF] - math.log10(forgiven)) < 0.15
    assert 5.5 <= gives_up[CUTOFF] - gives_up[BAR] <= 6.5
    assert np.mean(np.array(list(strays(large))) < 2) > 0.85
    assert "RandomState(8)" in scale["trials"] and "seed 1" in scale["more-directions"]
    other = dict(large)
    exec(scale["trials"].replace("RandomState(8)", "RandomState(1)"), other)
    run(scale, ["power-predicted"], other)
    assert max(strays(other)) > 2


def test_a_thousandth_is_missed_by_the_cutoff_and_seen_by_the_error_bar(large):
    shift = large["shifts"][1e-3]
    assert np.mean(shift < large["allowed"][CUTOFF]) > 0.99
    assert not np.any(shift < large["allowed"][BAR])


def test_the_formulas_are_those_of_a_gaussian_beyond_a_bar_and_of_two_gaussians():
    rng = np.random.RandomState(0)
    v, w = rng.normal(size=(2, 200_000))
    for q in (0.3, 1, 3):
        beyond = math.erfc(1 / (q * math.sqrt(2)))
        assert abs(np.mean(q * abs(v) > 1) - beyond) < 0.005
        assert abs(np.mean(q * abs(v) > abs(w)) - 2 / math.pi * math.atan(q)) < 0.005


def test_a_direction_of_the_explorer_costs_six_evaluations(scale):
    from gradlab.explorers import direction_explorer

    assert "A direction costs six evaluations there" in scale["more-directions"]
    said = direction_explorer().scene.update(size=28, count=1, entries=21)
    assert "evaluated 6 times" in said


def test_no_false_alarm_by_a_margin(large):
    off = np.abs(large["exact"] - large["slopes"])
    assert (off < 0.7 * large["bars"]).all()


def test_halving_finds_the_planted_entry_with_fourteen_questions(large, scale):
    space = {"np": np}
    exec(solution_code(scale["solution-halving"]), space)
    questions = []

    def counted(entries):
        questions.append(entries)
        return large["suspicious"](entries)

    found = space["find"](counted, large["planted"].size)
    assert np.unravel_index(found, large["planted"].shape) == (17, 42)
    assert len(questions) <= math.ceil(math.log2(16_000)) == 14


def test_directions_name_the_entry_for_about_a_hundredth_of_the_work(scale, large, capsys):
    run(scale, ["by-directions"], large)
    assert "at [17, 42]" in capsys.readouterr().out
    assert len(large["evaluations"]) < 0.015 * 2 * 16_401


def test_a_network_ten_times_as_large_sets_the_cutoffs_back_by_half_a_decade():
    from gradlab.explorers import direction

    def half(entries):
        """Per rule, the decade of the error that one direction finds every other time."""
        chances = direction._predicted(entries, 1)
        return {rule: np.log10(direction.ERRORS[np.argmax(p > 0.5)]) for rule, p in chances.items()}

    small, large = half(201), half(2001)
    bar, *cutoffs = small
    for rule in cutoffs:
        assert 0.25 <= large[rule] - small[rule] <= 0.75
    assert 0 < large[bar] - small[bar] <= 1.25
    assert large[bar] < small["cutoff 1e-7"] - 2


def test_a_billion_parameters_on_paper(scale, capsys):
    run(scale, ["imports", "billions-estimate"], {})
    printed = capsys.readouterr().out
    assert "25 years" in printed
    assert "33 halvings" in printed


@pytest.fixture(scope="module")
def kernels(scale):
    cells = ["imports", "block-kernel", "error-at", "overwriting-kernel", "sweep-over-lengths"]
    return run(scale, cells, {})


def test_the_first_kernel_is_right_at_multiples_of_its_block_and_its_twin_up_to_one(kernels):
    right = {
        name: [n for n, error in zip(kernels["lengths"], errors, strict=True) if error < 1e-8]
        for name, errors in kernels["errors"].items()
    }
    assert right["the first kernel"] == [32, 64, 96, 128]
    assert right["its twin"] == list(range(2, 33))
    assert min(max(errors) for errors in kernels["errors"].values()) > 0.1


def test_the_lengths_that_its_author_tried_say_nothing(scale, capsys):
    run(scale, ["imports", "block-kernel", "error-at"], {})
    assert capsys.readouterr().out.split("\n")[-2] == "{64: True, 128: True, 256: True}"


def test_the_twin_is_the_first_kernel_with_its_sum_overwritten(kernels):
    """And with its number of blocks right, so that each of them has one mistake."""
    source = sources("08")["block-kernel"]
    mended = source.replace("len(p) // block)", "-(-len(p) // block))")
    assert mended != source
    twin = mended.replace("inner += ", "inner = ")
    assert twin != mended
    right, overwritten = {"np": np}, {"np": np}
    exec(mended, right)
    exec(twin, overwritten)
    dp, p = np.random.RandomState(0).normal(size=(2, 50))
    np.testing.assert_allclose(right["softmax_backward"](dp, p), p * (dp - p @ dp))
    np.testing.assert_allclose(
        overwritten["softmax_backward"](dp, p), kernels["overwriting"](dp, p)
    )


# ---------------------------------------------------------------------------- 09


@pytest.fixture(scope="module")
def own():
    return sources("09")


def test_a_layer_and_its_run_are_printed_below_their_heading(own):
    ids = list(own)
    assert ids.index("foreign-source") > ids.index("attributes")
    assert "print" not in own["imports"]


def test_after_the_step_the_old_dict_measures_exactly_zero(own, capsys):
    space = run(own, ["imports", "adapter", "check-attributes", "check-after-step"], {})
    printed = capsys.readouterr().out
    report = space["check"](space["old"])
    assert not report.passed
    assert not any(report[name].differences.any() for name in report)
    assert "does not change at all" in report["W1"].hint
    verdicts = re.findall(r"^(?:before|after).*?: (\w+)", printed, re.MULTILINE)
    assert verdicts == ["ok", "wrong", "ok"]


def test_the_adapter_copies_nothing(own):
    space = run(own, ["imports", "adapter"], {})
    first, _ = space["network"]
    assert space["collect"]("W", "b")["W1"] is first.W


def test_ten_digits_survive_a_learning_rate_of_one_millionth(own):
    ran = ["imports", "adapter", "check-attributes", "check-after-step", "rate-against-error"]
    space = run(own, ran, {})
    errors = np.array(space["errors"])
    at = int(np.argmin(np.abs(np.log10(space["rates"]) + 6)))
    assert 2e-11 < errors[at] < 5e-10
    decades = np.log10(errors[0]) - np.log10(errors[at])
    assert 5.2 < decades < 6.8  # six decades of learning rate
    assert errors[-3:].max() < 1e-14


def test_scikit_learn_divides_alpha_by_the_number_of_samples(own, capsys):
    space = run(own, ["imports", "sklearn-check"], {})
    c = (space["grads"]["W1"] - space["numeric"]["W1"]) / space["params"]["W1"]
    np.testing.assert_allclose(c, 0.1 / 20, rtol=1e-5)
    assert "0.005 times the parameters" in space["report"]["W1"].hint
    run(own, ["penalty-check-code"], space)
    assert capsys.readouterr().out.count("ok         relative error below 1e-08") == 4


def test_all_outputs_move_when_one_sample_of_a_normalised_batch_does(own):
    space = run(own, ["imports", "batch-norm-figure"], {})
    assert np.abs(space["whole"]).min() > 0.05
    assert not space["alone"][1:].any()


def test_a_column_of_a_normalised_batch_of_eight_adds_up_to_8_beta(own):
    space = run(own, ["imports", "batch-norm-layer"], {})
    rng = np.random.RandomState(0)
    x, gamma, beta = rng.normal(size=(8, 3)), rng.normal(size=3), rng.normal(size=3)
    for moved, scale in [(x, gamma), (x + rng.normal(size=(8, 3)), gamma), (x, 2 * gamma)]:
        columns = space["batch_norm"](moved, scale, beta)[0].sum(axis=0)
        np.testing.assert_allclose(columns, 8 * beta, rtol=1e-12)


BLOCKS = ["imports", "batch-norm-layer", "check-layer", "check-batch-norm"]


@pytest.fixture(scope="module")
def blocks(own):
    return run(own, [*BLOCKS, "recurrent-cell", "recurrent-backward", "check-recurrent"], {})


def wrong_arrays(blocks, *layer):
    verdicts = blocks["check_layer"](*layer)
    return {name for name in verdicts if verdicts[name] != "ok"}


def test_each_published_mistake_is_wrong_in_the_arrays_that_the_text_names(blocks):
    foreign, in_time = blocks["foreign"], blocks["upstream_in_time"]
    cell, recurrent = blocks["cell"], blocks["recurrent"]
    overwritten = (recurrent, foreign.last_visit_wins, cell, in_time)
    assert wrong_arrays(blocks, *overwritten) == {"Wx", "Wh", "b"}
    constant = (blocks["batch_norm"], foreign.constant_statistics, blocks["inputs"])
    assert wrong_arrays(blocks, *constant, blocks["upstream"]) == {"x"}


def test_three_plus_signs_are_missing(own):
    from gradlab import foreign

    def loop(source):
        return source[source.index("    x, h, Wx, Wh") :].strip()

    right, overwritten = own["recurrent-backward"], inspect.getsource(foreign.last_visit_wins)
    assert right.count("+=") == 3
    assert loop(right).replace("+=", "=") == loop(overwritten)


def test_an_averaged_bias_gradient_fails_the_test_with_a_report_that_names_it(own, capsys):
    run(own, ["imports", "write-test", "run-project"], {})
    before, _, after = capsys.readouterr().out.partition("dout.mean")
    assert "1 passed" in before
    assert "1 failed" in after
    assert "1/6 of the right gradient" in after


@pytest.fixture(scope="module")
def regression(own):
    return run(own, ["imports", "sklearn-check", "own-problem"], {})


def test_scikit_learn_contradicts_itself_by_the_number_of_outputs_or_has_been_mended(regression):
    factors = {}
    for outputs in (1, 2, 7):
        own_loss, params, grads = regression["own_problem"](outputs)
        kept = {name: array.copy() for name, array in params.items()}
        numeric = gradlab.numerical_gradient(own_loss, params, progress=False)
        for name, array in params.items():
            assert array.tobytes() == kept[name].tobytes()
        ratios = np.concatenate([(grads[name] / numeric[name]).ravel() for name in params])
        factors[outputs] = np.mean(ratios)
        np.testing.assert_allclose(ratios, factors[outputs], rtol=1e-4)
    assert factors[1] == pytest.approx(1, rel=1e-6)
    contradicts = factors[2] == pytest.approx(2) and factors[7] == pytest.approx(7)
    mended = factors[2] == pytest.approx(1) and factors[7] == pytest.approx(1)
    assert contradicts or mended


def test_the_report_on_two_outputs_is_stored_as_the_text_reads_it(own):
    from check_notebooks import output_texts

    path = next(path for path in notebook_paths() if path.name.startswith("09"))
    cells = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
    stored = "".join(output_texts(cells["two-outputs-check"]))
    assert stored.count("it is twice the right gradient") == 4
    assert "Every array is twice the right gradient" in own["task-factor"]


def test_the_gradient_is_that_of_the_squared_norm_and_the_loss_its_mean_over_the_outputs(
    regression,
):
    """What the documentation writes; the loss holds unless it has been mended."""
    Y = np.random.RandomState(0).normal(size=(20, 3))
    X = regression["X"]
    model = regression["MLPRegressor"](
        hidden_layer_sizes=5, activation="logistic", alpha=0, random_state=0, **regression["sgd"]
    )
    model.partial_fit(X, Y)
    arrays = model.coefs_ + model.intercepts_
    params = dict(zip(["W1", "W2", "b1", "b2"], arrays, strict=True))
    foreign = regression["foreign"]
    grads = foreign.gradient_from_update(lambda: model.partial_fit(X, Y), params, 1)
    reported = model.loss_

    def documented(_):
        return np.sum((model.predict(X) - Y) ** 2) / (2 * len(X))

    gradlab.check_gradients(documented, params, grads).raise_if_failed()
    loss = documented(params)
    assert min(abs(reported - loss / 3), abs(reported - loss)) < 1e-12
