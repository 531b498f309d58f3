"""The judges of notebook 06: what a learner may answer, and what they are told."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import bugs, exercises
from gradlab.exercises import lesson06


def said(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out


def cases(**changes):
    return {"A": "1/N twice", "B": "bias averaged", "C": "H of another batch"} | changes


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (cases(A="missing 1/N"), "A: 'missing 1/N' spoils all four arrays"),
        (cases(B="1/N twice"), "B: '1/N twice' makes W1 and b1 too small"),
        (cases(C="sigma' left out"), 'C: "sigma\' left out" spoils W1 and b1 only'),
        (cases(C="wrong sign"), "C: 'wrong sign' shows a ratio of -1"),
        (cases(A="typo"), "Choose one of"),
        (cases(B=...), "Not attempted yet. B still to do; what is there is right."),
        ({"A": ..., "B": ..., "C": ...}, "Not attempted yet."),
        (cases(B=..., C="wrong sign"), "C: 'wrong sign' shows a ratio of -1"),
        ({"A": "missing 1/N", "B": ..., "C": ...}, "A: 'missing 1/N' spoils all four arrays"),
        ({"A": "1/N twice"}, "Not attempted yet. B, C still to do; what is there is right."),
        ({"a": "1/N twice"}, "a: none of the letters A, B, C"),
        ({}, "Not attempted yet."),
        (["1/N twice"], "A dict with the letters A, B, C"),
        (None, "Not attempted yet."),
        (cases(), "Right. All three"),
        (cases(A=" 1/n TWICE "), "Right. All three"),
    ],
)
def test_three_reports_three_bugs(capsys, answer, sentence):
    assert sentence in said(capsys, "06_fingerprint", answer)


def test_the_reports_fit_one_answer_only():
    for letter, name in lesson06.CASES.items():
        problem = lesson06.case(letter)
        expected = bugs.CATALOGUE[name].problem(seed=1)
        for array in expected.grads:
            assert np.array_equal(problem.grads[array], expected.grads[array])


RNG = np.random.RandomState(0)
FREE = RNG.uniform(-1, 1, (20, 2))
FIRST = FREE[:, :1]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (FREE, "by what is each row of dZ1 multiplied"),
        (FREE / FREE.sum(axis=0), "each column sums to 1"),
        (FREE / np.linalg.norm(FREE, axis=1, keepdims=True), "each row has length 1"),
        (np.hstack([FIRST, 3 - FIRST]), "every row sums to 3"),
        (np.hstack([FIRST, -FIRST]), "every row sums to 0"),
        (np.hstack([FIRST, 1 - FIRST]).T, "transpose it"),
        (np.full((20, 2), 0.5), "All samples are equal"),
        (np.array([[0.2, 0.8]]), "One sample is too easy"),
        (np.ones(20), "should have shape (20, 2)"),
        (np.full((20, 2), np.nan), "nan or infinity"),
        ("rows", "should be an array of numbers"),
        (..., "Not attempted yet."),
        (np.hstack([FIRST, 1 - FIRST]), "Right. Every row sums to 1"),
        (np.abs(FREE) / np.abs(FREE).sum(axis=1, keepdims=True), "Right. Every row sums to 1"),
    ],
)
def test_hide_a_bug(capsys, answer, sentence):
    assert sentence in said(capsys, "06_hide", answer)


def mysteries(**changes):
    key = {seed: bugs.answer(seed).family for seed in lesson06.MYSTERIES}
    return key | {int(seed[1:]): family for seed, family in changes.items()}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (mysteries(s11="factor"), "the same in all its entries, and positive. Is that"),
        (mysteries(s9="one entry"), "Mystery 9: with 'one entry', a single entry is wrong"),
        (mysteries(s12="slope"), "Mystery 12: with 'slope', W1 and b1 are wrong"),
        (mysteries(s10="updated"), "Mystery 10: with 'updated', W1 and b1 are wrong"),
        (mysteries(s14="gremlins"), "Choose one of 'factor'"),
        (mysteries(s14=...), "Not attempted yet. 14 still to do; what is there is right."),
        (dict.fromkeys(lesson06.MYSTERIES, ...), "Not attempted yet."),
        ({11: "sign"}, "9, 10, 12, 14 still to do; what is there is right."),
        ({9: "sign", 10: ...}, "Mystery 9: with 'sign'"),
        ({"9": "penalty"}, "10, 11, 12, 14 still to do"),
        ({"9": "sign"}, "Mystery 9: with 'sign'"),
        ({13: "sign"}, "13: none of the seeds 9, 10, 11, 12, 14"),
        (5, "A dict with the seeds 9, 10, 11, 12, 14"),
        (mysteries(), "Right. Five of five"),
    ],
)
def test_the_mysteries(capsys, answer, sentence):
    assert sentence in said(capsys, "06_mystery", answer)


def test_the_five_mysteries_are_of_five_families():
    assert len({bugs.answer(seed).family for seed in lesson06.MYSTERIES}) == 5


def unused(loss, y_hat, y):
    found = []
    for i in range(len(y)):
        nudged = y.copy()
        nudged[i] += 0.37
        if loss(y_hat, nudged) == loss(y_hat, y):
            found.append(i)
    return found


def without_putting_back(loss, y_hat, y):
    before, found = loss(y_hat, y), []
    for i in range(len(y)):
        y[i] += 1
        if loss(y_hat, y) == before:
            found.append(i)
    return found


def under_another_name(loss, y_hat, y):
    found = []
    for i in range(len(y)):
        nudged = y
        nudged[i] += 1
        if loss(y_hat, nudged) == loss(y_hat, y):
            found.append(i)
    return found


def within_a_tolerance(loss, y_hat, y):
    found = []
    for i in range(len(y)):
        nudged = y.copy()
        nudged[i] += 1e-6
        if np.isclose(loss(y_hat, nudged), loss(y_hat, y)):
            found.append(i)
    return found


def nudging(nudge, same):
    """A test of every sample that moves it with ``nudge`` and compares with ``same``."""

    def unused_samples(loss, y_hat, y):
        found = []
        for i in range(len(y)):
            nudged = y.copy()
            nudged[i] = nudge(y[i])
            if same(loss(y_hat, nudged), loss(y_hat, y)):
                found.append(i)
        return found

    return unused_samples


def equal(after, before):
    return after == before


def leaving_out(loss, y_hat, y):
    rest = (loss(np.delete(y_hat, i, axis=0), np.delete(y, i, axis=0)) for i in range(len(y)))
    return [i for i, value in enumerate(rest) if value == loss(y_hat, y)]


def raises(loss, y_hat, y):
    raise IndexError("off the end")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (without_putting_back, "For a loss that ignores [19] you return []. Compare"),
        (
            lambda loss, y_hat, y: [i for i in range(len(y)) if i not in unused(loss, y_hat, y)],
            "these are the samples it does use",
        ),
        (lambda loss, y_hat, y: [i + 1 for i in unused(loss, y_hat, y)], "counted from 0"),
        (lambda loss, y_hat, y: len(unused(loss, y_hat, y)), "not one number"),
        (lambda loss, y_hat, y: unused(loss, y_hat, y)[0], "not one number; this is 19"),
        (under_another_name, "one with two names"),
        (within_a_tolerance, "a tolerance swallow the nudge"),
        (nudging(lambda v: v + 1, equal), "The residual of sample 3 is 0.5: moved by 1"),
        (nudging(lambda v: v - 1, equal), "The residual of sample 14 is -0.5: moved by 1"),
        (nudging(lambda v: 0, equal), "The target of sample 16 is 0 already"),
        (nudging(lambda v: v + 0.37, lambda a, b: a - b < 1e-9), "is there an abs"),
        (nudging(lambda v: v + 1e-5, lambda a, b: abs(a - b) < 1e-7), "less tidy|larger nudge"),
        (nudging(lambda v: v + 1e-5, lambda a, b: abs(a - b) < 1e-9), "== in place of a tolerance"),
        (nudging(lambda v: v + np.inf, lambda a, b: not np.isinf(a)), "Right."),
        (leaving_out, "move one, leave none out"),
        (lambda loss, y_hat, y: [19], "ignores no sample you return [19]"),
        (lambda loss, y_hat, y: [True] * 20, "the numbers of the true ones"),
        (lambda loss, y_hat, y: [True] * 3, "A list of sample numbers such as [3, 7]"),
        (lambda loss, y_hat, y: "19", "A list of sample numbers such as [3, 7]"),
        (lambda loss, y_hat, y: [np.nan], "A list of sample numbers such as [3, 7]"),
        (raises, "IndexError: off the end"),
        (lambda loss, y_hat, y: None, "Not attempted yet. The function returns nothing so far."),
        ([19], "A function is asked for here"),
        (unused, "Right. It finds the sample"),
        (lambda *arguments: np.array(unused(*arguments), dtype=int), "Right."),
    ],
)
def test_which_samples_does_the_loss_use(capsys, answer, sentence):
    output = said(capsys, "06_unused_samples", answer)
    assert any(part in output for part in sentence.split("|")), output


def hunts(**changes):
    key = {seed: bugs.hunt(seed).answer for seed in lesson06.HUNTS}
    return key | {int(seed[1:]): given for seed, given in changes.items()}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (hunts(s17=12), "Case 17: line 12 feeds W1, b1, which is what is wrong, but other lines"),
        (hunts(s17=10), "Case 17: line 10 feeds b2; with a mistake in it b2 would be wrong too"),
        (hunts(s17=13), "line 13 feeds W1, and the wrong arrays are W1, b1: that is not all"),
        (hunts(s17=8), "line 8 feeds W1, W2, b1, b2; with a mistake in it W2, b2 would be wrong"),
        (hunts(s17=4), "line 4 is not a line of the gradient"),
        (hunts(s17=99), "numbered from 1 to 15; there is no 99"),
        (hunts(s17=(11, 12)), "line 12 feeds W1, b1"),
        (hunts(s17="kink"), "content at another draw: buy reseed. Is it?"),
        (hunts(s17="dH"), "Choose one of 'kink', 'dice', 'float32', 'dead units'"),
        (hunts(s17=11.0), "Give the number of a line, such as 12"),
        (hunts(s17=()), "Give the number of a line"),
        (hunts(s24=17), "Case 24: that is one of two wrong lines"),
        (hunts(s24=(17, 21)), "Case 24: line 21 feeds Wk"),
        (hunts(s25=13), "Case 25: that line is right. Does the check still complain"),
        (hunts(s25="dice"), "but not for that reason. If dice were all"),
        (hunts(s25="dead units"), "zeros are compared with zeros, and nothing is wrong"),
        (hunts(s25=...), "Not attempted yet. 25 still to do; what is there is right."),
        ({17: 12, 24: ..., 25: ...}, "Case 17: line 12 feeds"),
        ({3: 15}, "3: none of the seeds 17, 24, 25"),
        ("line 11", "A dict with the seeds 17, 24, 25"),
        (dict.fromkeys(lesson06.HUNTS, ...), "Not attempted yet."),
        (hunts(), "Right. All three."),
        (hunts(s17=[11], s24=(20, 17), s25=" Kink "), "Right. All three."),
        ({str(seed): given for seed, given in hunts().items()}, "Right. All three."),
    ],
)
def test_the_hunts(capsys, answer, sentence):
    assert sentence in said(capsys, "06_hunt", answer)


def test_the_three_hunts_are_of_three_kinds():
    answers = [bugs.hunt(seed).answer for seed in lesson06.HUNTS]
    assert [a if isinstance(a, str) else len(a) for a in answers] == [1, 2, "kink"]
