"""Numbers rounded to a format, and the law of the best step that notebook 07 draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradlab
from gradlab import formats, mlp

X, y = gradlab.paraboloid()
FINITE = st.floats(-1e30, 1e30, allow_subnormal=False)


@given(FINITE)
def test_rounding_to_float32_is_a_cast(value):
    if abs(value) > 1e-30:
        assert formats.rounded(np.array(value), "float32") == np.float64(np.float32(value))


@given(st.floats(-6e4, 6e4))
def test_rounding_to_float16_is_a_cast(value):
    if abs(value) > 1e-4:
        assert formats.rounded(np.array(value), "float16") == np.float64(np.float16(value))


@given(st.floats(1, 2))
def test_bfloat16_is_float32_with_its_last_bits_rounded_away(value):
    kept = formats.rounded(np.array(value), "bfloat16")
    assert np.float32(kept).view(np.uint32) & 0xFFFF == 0
    assert abs(kept - value) <= formats.unit_roundoff("bfloat16")


@pytest.mark.parametrize("name", formats.BITS)
def test_the_unit_roundoff_is_half_the_distance_to_the_next_number(name):
    u = formats.unit_roundoff(name)
    assert formats.rounded(np.array(1 + 2 * u), name) == 1 + 2 * u
    assert name == "float64" or formats.rounded(np.array(1 + 0.99 * u), name) == 1


@pytest.mark.parametrize("name", formats.BITS)
def test_the_loss_in_a_format_is_the_loss_up_to_its_rounding(name):
    params = mlp.init_params(seed=0)
    exact = mlp.loss_function(X, y)(params)
    found = formats.loss_function(X, y, name)(params)
    assert abs(found - exact) < 20 * formats.unit_roundoff(name) * exact
    assert found == formats.rounded(np.array(found), name)


def test_an_unknown_format_is_refused():
    with pytest.raises(KeyError, match="fp4"):
        formats.rounded(np.ones(2), "fp4")
