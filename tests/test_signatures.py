"""Every signature is recognised, and none where there is none."""

import re

import numpy as np
import pytest

from gradlab.checking.signatures import (
    constant_ratio,
    describe,
    describe_pattern,
    recognise,
)

STREAM = np.random.RandomState(0)
TRUTH, PARAMETER = STREAM.normal(size=(2, 3, 4))
SQUARE = STREAM.normal(size=(3, 3))
ONE_OFF = TRUTH + (np.arange(12).reshape(3, 4) == 5)

CASES = {
    "twice": (2 * TRUTH, "ratio", "twice the right gradient"),
    "half": (TRUTH / 2, "ratio", "half the right gradient"),
    "minus": (-TRUTH, "ratio", "minus the right gradient: a sign flipped"),
    "minus twice": (-2 * TRUTH, "ratio", "minus twice"),
    "times N": (20 * TRUTH, "ratio", "20 times.*average over a batch of 20 missing"),
    "over N": (TRUTH / 20, "ratio", "1/20 of the right gradient: averaged over a batch of 20"),
    "a constant": (0.37 * TRUTH, "ratio", "0.37 times the right gradient"),
    "zero": (0 * TRUTH, "zero", "zero everywhere"),
    "reordered": (TRUTH.T.reshape(3, 4), "transposed", "transposed"),
    "reversed": (TRUTH[::-1], "reordered", "another order"),
    "total": (np.full((3, 4), TRUTH.sum()), "total", "summed over every axis"),
    "L2": (TRUTH - 0.1 * PARAMETER, "decay", "-0.1 times the parameters.*regularisation"),
    "L1": (TRUTH + 0.1 * np.sign(PARAMETER), "sign decay", "L1"),
    "shifted": (TRUTH + 0.5, "shifted", "same number, 0.5"),
    "one entry": (ONE_OFF, "partly", r"only the entry \[1, 1\] is off"),
    "a column": (TRUTH + PARAMETER * (np.arange(4) == 2), "partly", "column 2 are off"),
    "small": (TRUTH * (1 + 1e-6 * PARAMETER), "small", "log\\(y \\+ 1e-7\\)"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_mistake_is_known_by_its_signature(case, scale):
    answer, kind, sentence = CASES[case]
    if kind in ("decay", "sign decay") and scale != 1:
        sentence = "regularisation"
    if kind == "shifted" and scale != 1:
        sentence = "same number"
    signature = recognise(scale * answer, scale * TRUTH, PARAMETER)
    assert signature.kind == kind
    assert re.search(sentence, describe(signature))


def test_a_square_matrix_transposed():
    assert recognise(SQUARE.T, SQUARE).kind == "transposed"


def test_what_has_no_signature_gets_none():
    assert recognise(PARAMETER, TRUTH) is None
    assert describe(None) == ""
    assert recognise(np.full((3, 4), np.nan), TRUTH) is None
    assert recognise(TRUTH.ravel(), TRUTH) is None


def test_a_single_number_speaks_only_when_its_ratio_is_telling():
    truth = np.array([0.7])
    assert recognise(20 * truth, truth).value == pytest.approx(20)
    assert recognise(-truth, truth).kind == "ratio"
    assert recognise(2.1 * truth, truth) is None


def test_noise_in_the_truth_does_not_hide_the_signature():
    noisy = TRUTH * (1 + 1e-6 * PARAMETER)
    assert recognise(20 * TRUTH, noisy).value == pytest.approx(20, rel=1e-4)


def test_constant_ratio_survives_extreme_scales():
    assert constant_ratio(3e-200 * TRUTH, 1e-200 * TRUTH) == pytest.approx(3)
    assert constant_ratio(3e200 * TRUTH, 1e200 * TRUTH) == pytest.approx(3)


def test_the_set_of_wrong_arrays_says_where_to_look():
    names = ["W1", "b1", "W2", "b2"]
    assert "in front of W2 are wrong (W1, b1)" in describe_pattern(["W1", "b1"], names)
    assert "Only b1 is wrong" in describe_pattern(["b1"], names)
    assert describe_pattern(["W1", "b2"], names) == ""
    assert describe_pattern(names, names) == describe_pattern([], names) == ""
