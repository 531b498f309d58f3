"""The data set is the exercise's, number for number."""

import numpy as np
import pytest

from gradlab import paraboloid


def test_the_points_are_those_of_the_exercise():
    X, y = paraboloid(samples=20, seed=42)
    expected = np.random.RandomState(42).uniform(-1, 1, (20, 2))
    np.testing.assert_array_equal(X, expected)
    np.testing.assert_array_equal(y[:, 0], expected[:, 0] ** 2 + expected[:, 1] ** 2)
    # The stream itself, in case a NumPy release should ever change it.
    assert X[0].tolist() == [-0.250919762305275, 0.9014286128198323]
    assert X[-1].tolist() == [0.3684660530243138, -0.1196950125207974]


def test_a_column_of_heights():
    X, y = paraboloid(samples=3)
    assert X.shape == (3, 2) and y.shape == (3, 1)
    assert X.dtype == y.dtype == np.float64


def test_a_stream_goes_on_where_the_data_ended():
    stream = np.random.RandomState(42)
    X, _ = paraboloid(20, stream)
    expected = np.random.RandomState(42)
    np.testing.assert_array_equal(X, expected.uniform(-1, 1, (20, 2)))
    assert stream.normal() == expected.normal()


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"samples": 0}, ValueError, "at least 1"),
        ({"samples": 2.5}, TypeError, "whole number"),
        ({"samples": "20"}, TypeError, "whole number"),
        ({"seed": -1}, ValueError, "between 0"),
        ({"seed": 2**32}, ValueError, "between 0"),
        ({"seed": 0.5}, TypeError, "RandomState"),
        ({"seed": None}, TypeError, "RandomState"),
    ],
)
def test_bad_arguments_are_named(arguments, error, said):
    with pytest.raises(error, match=said):
        paraboloid(**arguments)
