"""Every signature is recognised, and none where there is none."""

import re

import numpy as np
import pytest

from gradlab.checking.signatures import (
    constant_ratio,
    describe,
    describe_pattern,
    is_staircase,
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


# ------------------------------------------------------------- with an error bar for each entry


def drawn(seed, shape=(3, 4)):
    stream = np.random.RandomState(seed)
    return stream.normal(size=shape), stream.normal(size=shape), stream


def measured(truth, bars, stream):
    """The right gradient as differences show it: off by less than its error bars."""
    return truth + bars * stream.uniform(-0.9, 0.9, truth.shape)


def mixed_units(stream, shape):
    return 10.0 ** stream.uniform(-6, 6, shape)


MISTAKES = {
    "log": lambda t, p: t * p,
    "exp": lambda t, p: t * np.exp(-p),
    "tangent": lambda t, p: t - np.sum(t * p) / np.sum(p * p) * p,
    "decay": lambda t, p: t - 0.3 * p,
    "sign decay": lambda t, p: t + 0.2 * np.sign(p),
    "centred": lambda t, p: t - t.mean(),
    "shifted": lambda t, p: t + 0.5,
    "total": lambda t, p: np.full(t.shape, t.sum()),
    "reordered": lambda t, p: t[::-1],
    "partly": lambda t, p: t * (1 + 0.5 * (np.arange(t.size).reshape(t.shape) % 5 == 1)),
    "zero": lambda t, p: 0 * t,
}


@pytest.mark.parametrize("kind", MISTAKES)
@pytest.mark.parametrize("seed", range(20))
def test_a_mistake_is_known_within_the_error_bars(kind, seed):
    truth, parameter, stream = drawn(seed)
    bars = 1e-7 * stream.uniform(0.1, 1, truth.shape)
    answer = MISTAKES[kind](truth, parameter)
    signature = recognise(answer, measured(truth, bars, stream), parameter, bars=bars)
    assert signature.kind == kind and describe(signature)


RATIOS = [-1, 2, -2, 0.5, -0.5, 3, 20, -5, 1 / 3, 1 / 20, -1 / 7]


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("coarse", [1e-9, 1e-5, 1e-3])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_ratio_is_known_to_be_the_number_that_it_is(ratio, coarse, mixed, seed):
    """Also in an array of mixed units; and -1 is a flipped sign, not "-0.9994 times"."""
    truth, parameter, stream = drawn(seed)
    if mixed:
        truth *= mixed_units(stream, truth.shape)
    bars = coarse * np.abs(truth)
    signature = recognise(ratio * truth, measured(truth, bars, stream), parameter, bars=bars)
    assert signature == ("ratio", pytest.approx(ratio, rel=1e-12), ())
    assert "in every entry" not in describe(signature)


@pytest.mark.parametrize("seed", range(40))
def test_no_hint_where_the_numbers_are_too_coarse(seed):
    """What is known to a few per cent is no whole number, and has no order."""
    truth, parameter, stream = drawn(seed)
    bars = stream.choice([0.05, 0.3, 1.0]) * np.abs(truth).max() * np.ones(truth.shape)
    for answer in (20 * truth, truth / 20, 3.1 * truth, truth.T.reshape(3, 4), truth + 0.5):
        said = describe(recognise(answer, measured(truth, bars, stream), parameter, bars=bars))
        assert said == ""


@pytest.mark.parametrize("seed", range(40))
def test_one_of_two_entries_off_is_no_ratio(seed):
    """Although the other one may be so small that it fits any."""
    _, parameter, stream = drawn(seed, (2,))
    truth = np.array([10.0 ** stream.uniform(-9, -3), 1.0])
    for bars in (1e-9 * truth, np.full(2, 1e-9), np.full(2, 1e-3)):
        seen = measured(truth, bars, stream)
        signature = recognise(truth * [1, 1 / 3], seen, parameter, bars=bars)
        assert signature is None or signature == (
            "partly",
            pytest.approx(np.nan, nan_ok=True),
            ((1,),),
        )
        if bars[0] < 1e-3 * truth[0]:
            assert (
                describe(signature) == "only the entry [1] is off, the rest of the array is right"
            )


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (6, 6)])
def test_a_symmetric_matrix_is_known_by_its_diagonal(seed, shape):
    truth, _, stream = drawn(seed, shape)
    truth = truth + truth.T
    bars = 1e-8 * np.abs(truth).max() * np.ones(shape)
    diagonal = np.eye(shape[0], dtype=bool)
    for factor, word in ((2, "twice"), (0.5, "half")):
        said = measured(truth, bars, stream)
        off = recognise(np.where(diagonal, truth, factor * truth), said, truth, bars=bars)
        assert off == ("symmetric", factor, ()) and "symmetric matrix" in describe(off)
        assert word in describe(off)
        on = recognise(np.where(diagonal, factor * truth, truth), said, truth, bars=bars)
        assert on.kind == "diagonal" and word in describe(on)
    other = recognise(
        np.where(diagonal, truth, 1.7 * truth), measured(truth, bars, stream), bars=bars
    )
    assert other is None or other.kind == "partly"


@pytest.mark.parametrize("parameter", [0.05, 0.2, 0.1, 3.0, 20.0, -0.3])
@pytest.mark.parametrize("shape", [(), (1,), (4,)])
def test_the_derivative_to_a_logarithm_is_no_average(parameter, shape):
    """At s = 0.05 it is a twentieth of the right one, and no batch of 20."""
    truth = np.full(shape, 1.7) + 0.1 * np.arange(4)[: np.prod(shape, dtype=int)].reshape(shape)
    bars = 1e-9 * truth
    signature = recognise(truth * parameter, truth, np.full(shape, parameter), bars=bars)
    assert signature.kind == "log" and "logarithm" in describe(signature)
    other = recognise(truth * parameter, truth, np.full(shape, 0.77), bars=bars)
    assert other is None or other.kind == "ratio"


def test_a_factor_two_at_a_parameter_of_two_stays_the_factor_two():
    assert recognise(2 * TRUTH, TRUTH, np.full((3, 4), 2.0)) == ("ratio", 2.0, ())
    assert recognise(np.array([1.4]), np.array([0.7]), np.array([2.0])) == ("ratio", 2.0, ())


@pytest.mark.parametrize("n", [3, 7])
def test_outputs_are_told_from_a_batch(n):
    for ratio in (n, 1 / n, -n, -1 / n):
        signature = recognise(ratio * TRUTH, TRUTH, PARAMETER)
        assert "outputs" not in describe(signature) and f"batch of {n}" in describe(signature)
        assert f"over {n} outputs, or over a batch of {n}," in describe(signature, sizes={5, n})
        assert "outputs" not in describe(signature, sizes={5, 2})


# -------------------------------------------------------------------------------- staircases

LINE = np.linspace(-1, 1, 16)
STAIRS = {
    "round": lambda t: np.round(1.3 * t),
    "count": lambda t: np.mean(np.add.outer(t, [-0.41, 0.13, 0.77]) > 0, axis=1),
    "floor of a square": lambda t: np.floor(2 * t**2),
    "sign": lambda t: 1e-9 * np.sign(t - 0.05),
}
NO_STAIRS = {
    "smooth": np.sin,
    "constant": np.zeros_like,
    "relu": lambda t: np.maximum(t - 0.3, 0),
    "two relus": lambda t: np.maximum(t - 0.3, 0) + np.maximum(-t - 0.5, 0),
    "noise": lambda t: 1e-16 * np.random.RandomState(0).randint(0, 2, t.size),
    "sawtooth": lambda t: t - np.round(t),
    "nan": lambda t: np.where(t > 0, np.nan, 0.0),
}


@pytest.mark.parametrize("shape", [*STAIRS, *NO_STAIRS])
def test_a_staircase_is_flat_but_for_jumps(shape):
    values = {**STAIRS, **NO_STAIRS}[shape](LINE)
    assert is_staircase(values, 1e-16) == (shape in STAIRS)
    assert not is_staircase(values, 1e-1) or shape not in NO_STAIRS
    assert not is_staircase(values[:3], 1e-16)


def test_what_made_a_hint_fail_once():
    """Coarse numbers, of which the best ratio was 0; and an answer of nothing beside the truth."""
    assert describe(recognise(np.array([1e-9, -1e-9]), np.array([4.0, 4.0]), np.ones(2))) == ""
    assert (
        describe(recognise(np.array([1e-9, -1e-9]), np.array([4.0, -4.0]), np.ones(2), 1.0)) == ""
    )
    assert (
        recognise(np.zeros(0), np.zeros(0)) is None and recognise(np.zeros(2), np.ones(3)) is None
    )


# ---------------------------------------------------------------------------- layers in a row


def test_the_set_of_wrong_arrays_says_where_to_look():
    names = ["W1", "b1", "W2", "b2"]
    assert "in front of W2 are wrong (W1, b1)" in describe_pattern(["W1", "b1"], names)
    assert "Only b1 is wrong" in describe_pattern(["b1"], names)
    assert describe_pattern(["W1", "b2"], names) == ""
    assert describe_pattern(names, names) == describe_pattern([], names) == ""


LAYERS = [
    ["W1", "b1", "W2", "b2", "W3", "b3"],
    ["w_0", "b_0", "w_1", "b_1", "w_2", "b_2"],
    ["layers[0].W", "layers[0].b", "layers[1].W", "layers[1].b", "layers[2].W", "layers[2].b"],
    ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"],
    ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc10.weight", "fc10.bias"],
    [
        "layers[0][0]",
        "layers[0][1]",
        "layers[1][0]",
        "layers[1][1]",
        "layers[2][0]",
        "layers[2][1]",
    ],
]


@pytest.mark.parametrize("names", LAYERS, ids=lambda names: names[0])
def test_layers_in_a_row_are_known_by_their_names(names):
    for count in (2, 4):
        said = describe_pattern(names[:count], names)
        assert f"All arrays in front of {names[count]} are wrong" in said and "error signal" in said
    assert "the error signal behind it serves the others" in describe_pattern(names[1:2], names)
    for wrong in (names[2:4], names[1:3], names[3:]):
        assert describe_pattern(wrong, names) == ""


NO_LAYERS = [
    ["rotation", "shift", "focal"],
    ["Q", "K", "V", "O"],
    ["Wq", "Wk", "Wv", "Wo"],
    ["W_x", "W_h", "b"],
    ["beta0", "beta1", "beta2"],
    ["x1", "x2", "x3"],
    ["mean", "log_sigma", "weights"],
    ["W2", "b2", "W1", "b1"],  # from the output to the input
    [0, 1, 2, 3],
    ["a", ("b", 1), None],
]


@pytest.mark.parametrize("names", NO_LAYERS, ids=lambda names: str(names[0]))
def test_what_is_no_row_of_layers_is_not_called_one(names):
    for count in range(1, len(names)):
        for wrong in (names[:count], names[count:]):
            assert "error signal" not in describe_pattern(wrong, names)
    only = describe_pattern(names[1:2], names)
    assert only == f"Only {names[1]} is wrong: look at the line that computes this gradient."
