"""Values without pickle: what goes in comes out, and nothing else comes in."""

import contextlib
import pickle
import struct
from dataclasses import dataclass

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xpcs_dash.analysis.g2 import Combined
from xpcs_dash.results.codec import NotPlain, decode, encode

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=10)
    | st.binary(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=6) | st.integers(0, 9), inner, max_size=4)
    ),
    max_leaves=15,
)
arrays = hnp.arrays(
    st.sampled_from(["f4", "f8", "i2", "i8", "u1", "?", "c16", "U3", "S4"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(plain)
def test_plain_values_come_back_as_they_were(value):
    found = decode(encode(value))
    assert found == value
    assert type(found) is type(value)


@given(arrays)
def test_arrays_come_back_with_type_and_shape(array):
    found = decode(encode({"x": (array, float("nan"))}))["x"][0]
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)


def test_dataclasses_of_this_package_come_back():
    made = Combined(*(np.arange(3.0) for _ in range(4)), np.array([True, False, True]), np.array([1, 2, 3]))
    found = decode(encode((made,)))[0]
    assert isinstance(found, Combined)
    np.testing.assert_array_equal(found.enough, made.enough)
    np.testing.assert_array_equal(found.t, made.t)


@dataclass(frozen=True)
class Foreign:
    x: int = 1


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()]), Foreign(), lambda: 1, [print]])
def test_everything_else_is_refused(value):
    with pytest.raises(NotPlain):
        encode(value)


def forged(header) -> bytes:
    text = orjson.dumps(header)
    return b"xd1\0" + struct.pack("<2Q", len(text), 0) + text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"xd1\0",
        pickle.dumps(1),
        encode([1, 2, b"abc"])[:-1],
        encode([1]) + b"x",
        b"xd1\0" + struct.pack("<2Q", 2**60, 0),
        b"xd1\0" + struct.pack("<2Q", 2, 2**40),
        forged({"c": ["os", "system", ["true"]]}),
        forged({"c": ["xpcs_dash.results.codec", "encode", [1]]}),
        forged({"c": ["xpcs_dash.results.codec", "NotPlain", ["x"]]}),
        forged({"c": ["xpcs_dash.analysis.g2", "Combined", [1]]}),
        forged({"c": ["xpcs_dash.no_such", "Thing", []]}),
        forged({"a": [0, "O", [1], False]}),
        forged({"z": 1}),
        forged({"t": [1], "d": []}),
    ],
)
def test_bytes_that_are_none_of_ours_give_an_error_and_nothing_else(data):
    with pytest.raises(NotPlain):
        decode(data)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_our_error(data):
    for text in (data, b"xd1\0" + data):
        with contextlib.suppress(NotPlain):
            decode(text)
