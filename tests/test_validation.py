"""Bad input is refused by name, before anything is evaluated."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from gradlab import check_gradients, numerical_gradient, validation

BASE = np.arange(6.0)


def read_only() -> np.ndarray:
    array = np.ones(3)
    array.flags.writeable = False
    return array


BAD_PARAMS = {
    "numbers": ([1.0, 2.0], TypeError, r"not a list of float; pass np.array\(params\)"),
    "a function": (print, TypeError, "must be an array, or a dict, list or tuple of arrays, not a"),
    "empty": ({}, ValueError, "no entries"),
    "only zero-size": ({"W": np.ones((0, 3))}, ValueError, "no entries"),
    "a number": ({"W": 1.0}, TypeError, r"params\['W'\] must be a NumPy array.*not a float"),
    "a list of numbers": ({"W": [1.0]}, TypeError, "not a list"),
    "masked": ({"W": np.ma.array([1.0])}, TypeError, r"params\['W'\].*MaskedArray"),
    "integers": ({"W": np.arange(3)}, TypeError, r"params\['W'\] has dtype int.*rounded away"),
    "unsigned": ({"W": np.ones(3, np.uint8)}, TypeError, "uint8.*rounded away"),
    "booleans": ({"W": np.ones(3, bool)}, TypeError, r"params\['W'\] has dtype bool"),
    "complex": ({"W": np.ones(3, complex)}, TypeError, "two arrays"),
    "objects": ({"W": np.array([1.0, None])}, TypeError, r"params\['W'\] has dtype object"),
    "text": ({"W": np.array(["a"])}, TypeError, r"params\['W'\] has dtype <U1"),
    "read-only": ({"W": read_only()}, ValueError, r"params\['W'\] is read-only"),
    "broadcast": ({"W": np.broadcast_to(np.ones(3), (2, 3))}, ValueError, "read-only"),
    "self-overlapping": (
        {"W": as_strided(np.ones(5), (3, 2), (8, 8))},
        ValueError,
        r"params\['W'\] is a view in which several entries share memory",
    ),
    "interleaved overlap": (
        {"W": as_strided(np.ones(20), (3, 3), (16, 24))},
        None,  # offsets 0, 2, 4, 3, 5, 7, 6, 8, 10: no two equal
        "",
    ),
    "interleaved and shared": (
        {"W": as_strided(np.ones(20), (4, 3), (16, 24))},
        ValueError,
        "share memory",  # 3 * 2 == 2 * 3
    ),
    "nan": ({"W": np.array([[1.0, np.nan]])}, ValueError, r"params\['W'\]\[0, 1\] is nan"),
    "infinite": ({"W": np.array([np.inf])}, ValueError, r"params\['W'\]\[0\] is inf"),
    "nan in 0-d": ({"W": np.array(np.nan)}, ValueError, r"params\['W'\] is nan"),
    "the same twice": ({"A": BASE, "B": BASE}, ValueError, r"\['A'\] and params\['B'\] share"),
    "overlapping": ({"A": BASE[:4], "B": BASE[3:]}, ValueError, r"\['A'\] and params\['B'\] share"),
    "side by side": ({"A": BASE[::2], "B": BASE[1::2]}, None, ""),
    "any order": ({"A": np.ones((3, 4)).T[::-1], "B": np.array(2.0)}, None, ""),
}


def never(params):
    raise AssertionError("the loss was evaluated")


@pytest.mark.parametrize("case", BAD_PARAMS)
@pytest.mark.parametrize("function", ["check", "difference"])
def test_params_are_refused_by_name_before_any_evaluation(case, function):
    params, error, sentence = BAD_PARAMS[case]
    if error is None:
        validation.require_parameters(params)
        return
    with pytest.raises(error, match=sentence):
        if function == "check":
            check_gradients(never, params, params)
        else:
            numerical_gradient(never, params)


BAD_GRADS = {
    "missing": ({"W": np.ones((2, 3))}, ValueError, "grads has no 'b'; it must have the names"),
    "unknown": (
        {"W": np.ones((2, 3)), "b": np.ones((1, 3)), "c": 1.0},
        ValueError,
        "grads has 'c', which params has not",
    ),
    "broadcasts": (
        {"W": np.ones((2, 3)), "b": np.ones(3)},
        ValueError,
        r"grads\['b'\] has shape \(3,\), but params\['b'\] has shape \(1, 3\)",
    ),
    "a number": ({"W": np.ones((2, 3)), "b": 1.0}, ValueError, "summed over every axis"),
    "transposed": ({"W": np.ones((3, 2)), "b": np.ones((1, 3))}, ValueError, "transposed"),
    "not summed": ({"W": np.ones((2, 3)), "b": np.ones((20, 3))}, ValueError, "sum over the batch"),
    "complex": ({"W": np.ones((2, 3)) * 1j, "b": np.ones((1, 3))}, TypeError, "real numbers"),
    "objects": ({"W": np.full((2, 3), None), "b": np.ones((1, 3))}, TypeError, "real numbers"),
    "a list": ([np.ones((2, 3)), np.ones((1, 3))], TypeError, "dict of arrays"),
    "None": (None, TypeError, "not None"),
}


@pytest.mark.parametrize("case", BAD_GRADS)
@pytest.mark.parametrize("called", [False, True])
def test_grads_are_refused_by_name_before_any_evaluation(case, called):
    grads, error, sentence = BAD_GRADS[case]
    params = {"W": np.ones((2, 3)), "b": np.ones((1, 3))}
    with pytest.raises(error, match=sentence):
        check_gradients(never, params, (lambda p: grads) if called else grads)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (np.ones(3), r"one number, not an array of shape \(3,\)"),
        (np.ones((1, 2)), r"one number, not an array of shape \(1, 2\)"),
        (np.ones((1, 0)), r"one number, not an array of shape \(1, 0\)"),
        (np.ones((1, 1)) * 1j, "real number, not the complex"),
        ([1.0], "one number"),
        (1j, "real number, not the complex"),
        (np.complex128(1), "real number, not the complex"),
        (None, "one number, not None"),
        ("0.5x", "one number, not a str"),
    ],
)
def test_a_loss_that_is_no_real_number_is_refused(value, sentence):
    with pytest.raises(TypeError, match=sentence):
        check_gradients(lambda p: value, {"W": np.ones(3)}, {"W": np.ones(3)})


@pytest.mark.parametrize("value", [1, 1.5, np.float32(1.5), np.array(1.5), np.int64(3), np.inf])
def test_a_loss_may_be_any_real_scalar(value):
    assert validation.loss_value(value) == value


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1, 1, 1)])
@pytest.mark.parametrize("dtype", [float, np.float32, np.longdouble, int])
def test_an_array_of_one_entry_is_one_number(shape, dtype):
    assert validation.loss_value(np.full(shape, 3, dtype)) == 3
    assert validation.single(np.full(shape, 3, dtype)).dtype == dtype


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_larger_than_any_float_is_infinite(sign):
    assert validation.loss_value(sign * 10**400) == sign * np.inf
    assert validation.loss_value(Fraction(sign * 10**400, 3)) == sign * np.inf


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"eps": 0}, ValueError, "eps must be positive"),
        ({"eps": -1e-5}, ValueError, "eps must be positive"),
        ({"eps": np.nan}, ValueError, "eps must be positive and finite, not nan"),
        ({"eps": 10**400}, ValueError, "eps must be positive and finite, not inf"),
        ({"eps": "small"}, TypeError, "eps must be a positive number, not 'small'"),
        ({"cutoff": 0}, ValueError, "cutoff must be positive"),
        ({"cutoff": "1e-7x"}, TypeError, "cutoff must be a positive number"),
        ({"method": "backward"}, ValueError, "unknown method 'backward'; choose one of 'forward'"),
        ({"how": "randomly"}, ValueError, "unknown how 'randomly'; choose one of 'entries'"),
        ({"how": "directions", "eps": 1e-5}, ValueError, "leave method and eps out"),
        ({"workers": 0}, ValueError, "workers must be at least 1"),
        ({"eps": 1e-30}, ValueError, r"too small for params\['W'\]\[0\]"),
    ],
)
def test_the_other_arguments_are_refused_by_name(arguments, error, sentence):
    params = {"W": np.ones(3)}
    with pytest.raises(error, match=sentence):
        check_gradients(lambda p: float(np.sum(p["W"] ** 2)), params, dict(params), **arguments)


def test_a_loss_must_be_callable():
    with pytest.raises(TypeError, match="loss must be a function of the parameters, not a float"):
        check_gradients(0.5, {"W": np.ones(3)}, {"W": np.ones(3)})


class Fresh(dict):
    """Hands out a copy of an array each time, as a property that computes it would."""

    def __getitem__(self, name):
        return dict.__getitem__(self, name).copy()


def test_a_mapping_that_hands_out_copies_is_refused():
    with pytest.raises(ValueError, match=r"params\['W'\] is a new array each time.*dict\(params\)"):
        check_gradients(never, Fresh(W=np.ones(3)), {"W": np.ones(3)})


WHOLE = np.arange(4 * 60.0).reshape(4, 60)


@pytest.mark.parametrize("many", [3, 40])
def test_of_many_arrays_the_two_that_share_memory_are_found(many):
    """Neighbours, columns of one matrix (whose stretches of memory overlap), and pieces of both."""
    apart = {n: np.ones(3) for n in range(many)}
    columns = {n: WHOLE[:, n] for n in range(many)}
    backwards = {n: WHOLE[::-1, n] for n in range(many)}
    for params in (apart, columns, backwards):
        assert validation.require_parameters(params).keys() == params.keys()
        another = {**params, "again": params[many - 2][1:]}
        with pytest.raises(ValueError, match=rf"params\[{many - 2}\] and params\['again'\] share"):
            validation.require_parameters(another)
        first = {"first": params[many - 1][:2], **params}
        with pytest.raises(ValueError, match=rf"params\['first'\] and params\[{many - 1}\] share"):
            validation.require_parameters(first)


def test_arrays_of_several_precisions_side_by_side_share_nothing():
    buffer = np.zeros(400, np.uint8)
    records = buffer.view([("a", "f4"), ("b", "f8"), ("c", "f2"), ("d", "V6")])
    params = {}
    for start in range(8):
        params |= {(name, start): records[name][start::8] for name in "abc"}
    assert len(validation.require_parameters(params)) == 24
    params["half"] = buffer[2:4].view("f2")
    with pytest.raises(ValueError, match=r"params\[\('a', 0\)\] and params\['half'\] share"):
        validation.require_parameters(params)
