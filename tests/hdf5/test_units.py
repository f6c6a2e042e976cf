"""Units as files spell them, times as files write them, and the guard of stored text."""

from __future__ import annotations

from datetime import datetime

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.access import decode, parse_time
from xpcs_dash.hdf5.heap import DamagedText, StoredTexts, strings_are_sound
from xpcs_dash.hdf5.layouts.aps_entry import name_parts
from xpcs_dash.hdf5.layouts.tables import table_from_cells, table_from_labels
from xpcs_dash.hdf5.units import to_inverse_angstrom, to_kelvin, to_kev, to_metres, to_seconds


@pytest.mark.parametrize(
    ("convert", "value", "unit", "expected"),
    [
        (to_metres, 5000, "mm", 5.0),
        (to_metres, 5, "m", 5.0),
        (to_metres, 75, "µm", 7.5e-5),
        (to_metres, 75, "um", 7.5e-5),
        (to_seconds, 20, "us", 2e-5),
        (to_seconds, 1.5, "S", 1.5),
        (to_kev, 10_000, "eV", 10.0),
        (to_kev, 10, "keV", 10.0),
        (to_inverse_angstrom, 1, "1/nm", 0.1),
        (to_inverse_angstrom, 0.01, "Å⁻¹", 0.01),
        (to_inverse_angstrom, 0.01, "\u212b⁻¹", 0.01),
        (to_inverse_angstrom, 1e8, "1/m", 0.01),
        (to_kelvin, 25, "°C", 298.15),
        (to_kelvin, 25, "degC", 298.15),
        (to_kelvin, 300, "K", 300),
        (to_kelvin, 77, "F", 298.15),
    ],
)
def test_units(convert, value, unit, expected):
    assert convert(value, unit) == pytest.approx(expected)


@pytest.mark.parametrize("convert", [to_metres, to_seconds, to_kev, to_inverse_angstrom, to_kelvin])
def test_unknown_units_are_refused(convert):
    with pytest.raises(UsageError, match="furlong"):
        convert(1.0, "furlong")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-14 09:26:53.000000", datetime(2026, 3, 14, 9, 26, 53)),
        ("2020-02-18T15:30:45", datetime(2020, 2, 18, 15, 30, 45)),
        ("Tue Feb 18 15:30:30 2020", datetime(2020, 2, 18, 15, 30, 30)),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times(text, expected):
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("E0173_H06-c6c5-4_a0009_f100000_r00001_results", ("E0173", "H06-c6c5-4")),
        ("Average_B0147_S3_7_300C10p_att00_Rq0_00801_00950_results", ("B0147", "S3_7_300C10p")),
        ("A001_silica_multitau_results", ("A001", "silica_multitau")),
        ("notes", (None, None)),
    ],
)
def test_names_of_the_beamline(stem, expected):
    assert name_parts(stem) == expected


@given(st.one_of(st.text(max_size=20), st.binary(max_size=20)))
def test_any_stored_text_becomes_text(value):
    assert isinstance(decode(value), str)
    assert isinstance(decode(np.array([value], dtype=object)), str)


def test_sound_text_passes_and_damaged_text_does_not(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as h5:
        h5.create_dataset("text", data=["one", "two" * 50, ""], dtype=h5py.string_dtype())
        h5["number"] = 1
        h5["fixed"] = np.array([b"abc"])
    with h5py.File(path, "r", locking=False) as h5:
        assert all(strings_are_sound(h5, h5[name].id) for name in ("text", "number", "fixed"))
    data = bytearray(path.read_bytes())
    at = data.index(b"GCOL")
    data[at + 24 : at + 32] = b"\xff" * 8  # the size of the first string
    path.write_bytes(bytes(data))
    with h5py.File(path, "r", locking=False) as h5:
        assert not strings_are_sound(h5, h5["text"].id)
        assert strings_are_sound(h5, h5["number"].id)


@pytest.mark.parametrize("before", [0, 512])
def test_texts_are_those_that_the_library_reads(tmp_path, before):
    path = tmp_path / "a.h5"
    texts = ["one", "two" * 50, "", "Å⁻¹", "other"]
    with h5py.File(path, "w", userblock_size=before) as h5:
        h5.create_dataset("text", data=texts, dtype=h5py.string_dtype())
        h5.create_dataset("table", data=np.array(texts[:4], object).reshape(2, 2), dtype=h5py.string_dtype())
        h5["one"], h5["fixed"], h5["number"] = "only", np.array([b"abc"]), 1
        h5.create_dataset("never", (3,), h5py.string_dtype())
        h5.create_dataset("chunked", data=texts, dtype=h5py.string_dtype(), chunks=(2,))
    with h5py.File(path, "r", locking=False) as h5:
        stored = StoredTexts(h5)
        for name in ("text", "table", "one"):
            assert stored.read(h5[name].id) == list(np.ravel(h5[name][()]))
        assert all(stored.read(h5[name].id) is None for name in ("fixed", "number", "never", "chunked"))


def test_a_text_that_its_heap_does_not_hold_is_damaged(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as h5:
        h5.create_dataset("text", data=["one", "two"], dtype=h5py.string_dtype())
        place = h5["text"].id.get_offset()
    data = bytearray(path.read_bytes())
    data[place + 12] = 77  # the number of the first string in the heap
    path.write_bytes(bytes(data))
    with h5py.File(path, "r", locking=False) as h5, pytest.raises(DamagedText):
        StoredTexts(h5).read(h5["text"].id)


def test_text_in_memory_passes():
    with h5py.File("memory", "w", driver="core", backing_store=False) as h5:
        h5["text"] = "Å"
        assert strings_are_sound(h5, h5["text"].id)


def test_tables_from_lists():
    bins = table_from_labels(np.array([0.1, 0.1, 0.2]), np.array([0.0, 90.0, 0.0]))
    assert bins.q.tolist() == [0.1, 0.1, 0.2]
    assert bins.phi.tolist() == [0, 90, 0]
    twins = table_from_labels(np.array([0.1, 0.1]), np.array([5.0, 5.0]))
    assert twins.q.tolist() == [0.1, 0.1]
    nan = np.nan
    cells = table_from_cells(np.array([1, 1, 2, 2.0]), np.array([0, 9, nan, 9.0]), (2, 2), 3)
    assert cells is not None
    assert cells.q.tolist() == [1, 1, 2]
    assert cells.phi.tolist() == [0, 9, 9]
    assert table_from_cells(np.array([1, 1, 2, 2.0]), np.array([0, 9, nan, 9.0]), (2, 2), 4) is None
    assert table_from_cells(np.full(2, nan), None, (2, 1), None) is None
