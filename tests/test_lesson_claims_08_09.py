"""What the prose of notebooks 08 and 09 says in numbers, computed by the notebooks' own cells."""

from __future__ import annotations

import inspect
import math
import re

import nbformat
import numpy as np
import pytest
from conftest import ROOT

import gradlab
from gradlab import mlp


def cells(name):
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    return {cell.id: cell.source for cell in notebook.cells}


def run(sources, names, namespace):
    for name in names:
        exec(compile(sources[name], f"<cell {name}>", "exec"), namespace)
    return namespace


def solution(markdown):
    return markdown.split("```python\n")[1].split("\n```")[0]


# ---------------------------------------------------------------------------- 08


@pytest.fixture(scope="module")
def scale():
    return cells("08_checking_at_scale")


@pytest.fixture(scope="module")
def large(scale):
    """The network of 16,401 parameters, and everything that the notebook makes of it."""
    space = run(scale, ["imports"], {})
    space["X"], space["y"], space["params"] = space["network"](80, 200)
    space["loss"] = mlp.loss_function(space["X"], space["y"])
    return run(scale, ["slope-along", "one-direction", "trials", "power-figure"], space)


def test_one_entry_of_W1_moves_one_column_and_the_prediction(scale):
    space = run(scale, ["imports", "what-moves-figure"], {})
    moved = {name: space["after"][name] != space["before"][name] for name in space["before"]}
    for name in ("Z1", "H"):
        assert moved[name][:, 2].all()
        assert not np.delete(moved[name], 2, axis=1).any()
    assert moved["y_hat"].all()


def test_the_column_by_hand_agrees_to_the_rounding_error_of_a_difference(scale):
    space = run(scale, ["imports", "what-moves-figure", "column-by-hand"], {})
    off = np.abs(space["column"] - space["loop"]["W1"][:, 2])
    assert off.max() < 1e-10


def test_with_two_inputs_the_data_are_the_paraboloid(scale):
    X, y, _ = run(scale, ["imports"], {})["network"](2, 5)
    np.testing.assert_allclose(y, np.sum(X**2, axis=1, keepdims=True))


def test_the_large_network_has_16401_parameters_and_entry_3442_is_W1_17_42(large):
    assert large["gradient"].size == 16_401
    marked = {name: np.zeros(array.shape) for name, array in large["params"].items()}
    marked["W1"][17, 42] = 1
    assert large["flat"](marked).argmax() == 3442


def test_a_slope_takes_five_evaluations(large):
    counted = []

    def loss(params):
        counted.append(params)
        return mlp.loss_function(large["X"], large["y"])(params)

    kept, large["loss"] = large["loss"], loss
    large["slope_along"](large["directions"][0])
    large["loss"] = kept
    assert len(counted) == 5


def test_signs_miss_half_the_time_for_two_entries_and_in_six_per_cent_for_two_hundred():
    assert math.comb(2, 1) / 2**2 == 0.5
    assert round(100 * math.comb(200, 100) / 2**200) == 6


def test_the_rules_give_up_six_decades_apart_and_as_predicted(large):
    sizes = np.array(large["sizes"])
    gives_up = {}
    for rule, shares in large["found"].items():
        np.testing.assert_allclose(shares, large["predicted"][rule], atol=0.1)
        gives_up[rule] = sizes[np.array(shares) > 0.5].min()
    assert 0.1 <= gives_up["relative error above 1e-3"] < 1
    apart = gives_up["relative error above 1e-3"] / gives_up["outside the error bar"]
    assert 5.5 <= math.log10(apart) <= 6.5


def test_no_false_alarm_by_a_margin(large):
    off = np.abs(large["directions"] @ large["gradient"] - large["slopes"])
    assert (off < 0.7 * large["bars"]).all()


def test_halving_finds_the_planted_entry_with_fifteen_questions(large, scale):
    space = {"np": np}
    exec(solution(scale["solution-halving"]), space)
    questions = []

    def counted(entries):
        questions.append(entries)
        return large["suspicious"](entries)

    assert space["find"](counted, large["gradient"].size) == 3442
    assert len(questions) <= math.ceil(math.log2(16_401)) == 15


def test_directions_name_the_entry_for_about_a_hundredth_of_the_work(scale, large):
    run(scale, ["by-directions"], large)
    assert large["report"]["W1"].worst_index == (17, 42)
    assert large["evaluations"] < 0.015 * 2 * 16_401


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
    run(scale, ["billions-estimate"], {"np": np})
    printed = capsys.readouterr().out
    assert "25 years" in printed
    assert "33 halvings" in printed


# ---------------------------------------------------------------------------- 09


@pytest.fixture(scope="module")
def own():
    return cells("09_check_your_own")


def test_after_the_step_the_old_dict_measures_exactly_zero(own, capsys):
    space = run(own, ["imports", "adapter", "check-attributes"], {})
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
    space = run(own, ["imports", "adapter", "check-attributes", "rate-against-error"], {})
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


def test_the_sum_of_a_normalised_batch_cannot_be_moved(own):
    space = run(own, ["imports", "batch-norm-layer"], {})
    rng = np.random.RandomState(0)
    x, gamma, beta = rng.normal(size=(8, 3)), rng.normal(size=3), rng.normal(size=3)
    sums = [
        space["batch_norm"](x + move, gamma, beta)[0].sum() for move in (0, rng.normal(size=(8, 3)))
    ]
    assert sums[0] == pytest.approx(sums[1], rel=1e-12)


BLOCKS = ["imports", "batch-norm-layer", "check-layer", "check-batch-norm"]


@pytest.fixture(scope="module")
def blocks(own):
    return run(own, [*BLOCKS, "recurrent-cell", "recurrent-backward", "re-create"], {})


def wrong_arrays(blocks, capsys, *layer):
    blocks["check_layer"](*layer)
    return {name for name, verdict in eval(capsys.readouterr().out).items() if verdict != "ok"}


def test_each_published_mistake_is_wrong_in_the_arrays_that_the_text_names(blocks, capsys):
    foreign, in_time = blocks["foreign"], blocks["upstream_in_time"]
    cell, recurrent = blocks["cell"], blocks["recurrent"]
    overwritten = (recurrent, foreign.last_visit_wins, cell, in_time)
    assert wrong_arrays(blocks, capsys, *overwritten) == {"Wx", "Wh", "b"}
    constant = (blocks["batch_norm"], foreign.constant_statistics, blocks["inputs"])
    assert wrong_arrays(blocks, capsys, *constant, blocks["upstream"]) == {"x"}


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
