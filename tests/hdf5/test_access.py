"""The reader of small datasets: every form in which a number, a table or a text may be stored."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from xpcs_dash.errors import IncompleteFile
from xpcs_dash.hdf5.access import Reader
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.hdf5.records import OpenFile, file_key


@pytest.fixture
def reading(tmp_path):
    """Write datasets with h5py, then read them: ``reading(write, use)``."""
    path, pool = tmp_path / "a.h5", HDF5ConnectionPool(idle_s=0.0)

    def run(write, use):
        with h5py.File(path, "w") as h5:
            write(h5)
        with pool.open(path) as h5:
            return use(Reader(OpenFile(path, file_key(path), h5)))

    return run


SCALARS = {
    "float64": (np.float64(2e-5), 2e-5),
    "float32": (np.float32(2e-5), 2e-5),
    "float32 of a whole number": (np.float32(3), 3.0),
    "large float32": (np.float32(123456789.0), float(str(np.float32(123456789.0)))),
    "float16": (np.float16(0.1), float(np.float16(0.1))),
    "big-endian": (np.array(2e-5, ">f4"), 2e-5),
    "int32": (np.int32(-16777217), -16777217.0),
    "uint8": (np.uint8(200), 200.0),
    "int64": (np.int64(2**53 + 2), 2.0**53 + 2),
    "bool": (np.bool_(True), 1.0),
    "table of one": (np.array([[5.5]]), 5.5),
    "float32 table of one": (np.array([[2e-5]], np.float32), 2e-5),
    "two": (np.array([1.0, 2.0], np.float32), None),
    "eight": (np.arange(8, dtype=np.uint8), None),
    "none": (np.empty(0), None),
    "nan": (np.float64("nan"), None),
    "nan32": (np.float32("nan"), None),
    "inf32": (np.float32("inf"), None),
    "text": ("2.5", None),
    "short text": (np.bytes_(b"2"), None),
    "complex": (np.complex64(1 + 2j), None),
}


@pytest.mark.parametrize("name", SCALARS)
def test_a_number_is_the_same_however_it_is_stored(reading, name):
    stored, expected = SCALARS[name]
    chunked = np.ndim(stored) > 0 and np.size(stored) > 0

    def write(h5):
        h5["x"] = stored
        if chunked:
            h5.create_dataset("y", data=stored, chunks=True, compression="gzip")

    assert reading(write, lambda r: r.scalar("x")) == expected
    if chunked:
        assert reading(write, lambda r: r.scalar("y")) == expected


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8", ">f8", "i1", "u2", ">i4", "u8", "bool"])
@pytest.mark.parametrize("storage", [{}, {"chunks": (2, 2)}, {"chunks": (4, 3), "compression": "lzf"}])
def test_a_table_is_the_same_however_it_is_stored(reading, dtype, storage):
    values = np.arange(12).reshape(4, 3).astype(dtype)
    found = reading(lambda h5: h5.create_dataset("x", data=values, **storage), lambda r: r.numbers("x"))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values.astype(np.float64))


def test_numbers_that_are_none_keep_their_kind(reading):
    values = np.array([np.nan, np.inf, -np.inf, 0.0], np.float32)
    found = reading(lambda h5: h5.create_dataset("x", data=values), lambda r: r.numbers("x"))
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("values", [["a", "b"], np.array([b"abc"]), np.array([1 + 2j])])
def test_what_is_no_number_is_refused(reading, values):
    with pytest.raises(IncompleteFile, match="expected numbers"):
        reading(lambda h5: h5.create_dataset("x", data=values), lambda r: r.numbers("x"))


def test_complex_numbers_of_hdf5_itself_are_refused(reading):
    def write(h5):
        kind, space = h5py.h5t.COMPLEX_IEEE_F32LE, h5py.h5s.create_simple((2,))
        h5py.h5d.create(h5.id, b"x", kind, space)

    with pytest.raises(IncompleteFile, match="expected numbers"):
        reading(write, lambda r: r.numbers("x"))


@pytest.mark.parametrize("bad", [[1.5, 2.0], [np.nan, 1.0], [np.inf, 1.0], [2.0**60, 1.0]])
def test_whole_numbers_are_whole(reading, bad):
    with pytest.raises(IncompleteFile, match="whole numbers"):
        reading(lambda h5: h5.create_dataset("x", data=bad), lambda r: r.integers("x"))
    good = reading(lambda h5: h5.create_dataset("x", data=[3.0, -1.0]), lambda r: r.integers("x"))
    assert good.tolist() == [3, -1]
    assert good.dtype == np.int64


@pytest.mark.parametrize(
    "value",
    ["Å⁻¹", np.bytes_(b"mm"), np.array(["m"], h5py.string_dtype()), np.array([b"keV"]), "", np.float64(2.5)],
)
def test_an_attribute_is_text_in_every_form(reading, value):
    def write(h5):
        h5["x"] = 1.0
        h5["x"].attrs["units"] = value

    expected = value if isinstance(value, str) else np.ravel(value)[0]
    expected = expected.decode() if isinstance(expected, bytes) else str(expected)
    assert reading(write, lambda r: r.attribute("x", "units")) == (expected or None)
    assert reading(write, lambda r: r.attribute("x", "other")) is None


def test_an_object_is_looked_for_once(reading, monkeypatch):
    from xpcs_dash.hdf5.handle import Handle

    asked, real = [], Handle.locate
    monkeypatch.setattr(Handle, "locate", lambda self, name, *a: asked.append(name) or real(self, name, *a))

    def write(h5):
        h5["x"] = 2.0
        h5["x"].attrs["units"] = "m"
        h5["t"] = "text"

    def use(r):
        return (
            [r.has("x"), r.scalar("x"), r.attribute("x", "units"), r.shape("x"), r.has("no"), r.text("no")],
            [r.text("t"), r.texts("t")],
        )

    assert reading(write, use) == ([True, 2.0, "m", (), False, None], ["text", ("text",)])
    assert asked == ["x", "no", "t"]
