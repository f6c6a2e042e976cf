"""Whatever a file holds, opening it gives a result or one clear sentence: never a traceback, never a hang."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import A001, A002
from tests.hdf5 import synthetic
from xpcs_dash.errors import FileError, IncompleteFile, UnknownLayout, UnreadableFile, XpcsDashError
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.results.opening import open_result
from xpcs_dash.results.xpcs_file import XpcsFile

RELAXED = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def use(path: Path) -> XpcsFile:
    """Open a file and look at everything in it."""
    xf = open_result(path, HDF5ConnectionPool(idle_s=0))
    names = "g2 g2_err g2_sigma t_el coincidences trusted q phi q_labels saxs_1d saxs_2d int_t segments mask"
    for name in [*names.split(), "dqmap", "sqmap", "geometry", "metadata", "warnings", "partial_g2"]:
        getattr(xf, name)
    for label in xf.twotime_bins:
        xf.twotime(label)
    return xf


def outcome(path: Path) -> XpcsFile | str:
    """The result, or the text of the error, which must be one line."""
    try:
        return use(path)
    except XpcsDashError as err:
        text = str(err)
    if "\n" in text or not text.startswith(path.name):
        pytest.fail(f"not one sentence about {path.name}: {text}")
    return text


def one_sentence(path: Path, kind: type[FileError] = FileError) -> str:
    """The error of opening ``path``, which must be one line that names the file."""
    with pytest.raises(kind) as caught:
        use(path)
    text = str(caught.value)
    assert text.startswith(path.name)
    assert "\n" not in text
    assert "Traceback" not in text
    assert text.endswith(".")
    return text


@pytest.fixture
def with_two_time(tmp_path: Path) -> Path:
    path = tmp_path / "full.hdf"
    two = {name[6:].replace("/", "__"): value for name, value in synthetic.twotime().items()}
    synthetic.aps(path, **two)
    return path


# -- what is no result file


def test_nothing_there(tmp_path):
    assert "no such file" in one_sentence(tmp_path / "a.hdf", UnreadableFile)


def test_a_name_that_is_no_text_is_passed_over(tmp_path):
    synthetic.aps(tmp_path / "a.hdf")
    with h5py.File(tmp_path / "a.hdf", "a") as h5:
        kind, space = h5py.h5t.NATIVE_INT32, h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5d.create(h5["/entry/sample"].id, b"temp\xe9rature", kind, space)
    assert "/entry/sample/name" in use(tmp_path / "a.hdf").metadata


def test_empty_file(tmp_path):
    (tmp_path / "a.hdf").touch()
    assert "empty" in one_sentence(tmp_path / "a.hdf", UnreadableFile)


def test_text_file(tmp_path):
    (tmp_path / "a.hdf").write_text("q, g2\n1, 2\n" * 100)
    text = one_sentence(tmp_path / "a.hdf", UnreadableFile)
    assert "not an HDF5 file" in text


def test_directory(tmp_path):
    (tmp_path / "a.hdf").mkdir()
    assert "directory" in one_sentence(tmp_path / "a.hdf", UnreadableFile)


def test_named_pipe_does_not_hang(tmp_path):
    import os

    os.mkfifo(tmp_path / "a.hdf")
    assert "regular file" in one_sentence(tmp_path / "a.hdf", UnreadableFile)


def test_dangling_link(tmp_path):
    (tmp_path / "a.hdf").symlink_to(tmp_path / "gone.hdf")
    one_sentence(tmp_path / "a.hdf", UnreadableFile)


def test_zeros_that_a_writer_has_reserved(tmp_path):
    (tmp_path / "a.hdf").write_bytes(bytes(4096))
    with pytest.raises(UnreadableFile) as caught:
        use(tmp_path / "a.hdf")
    assert caught.value.transient


def test_hdf5_of_another_kind(tmp_path):
    with h5py.File(tmp_path / "a.hdf", "w") as h5:
        h5["/measurement_of_something"] = np.arange(5)
    one_sentence(tmp_path / "a.hdf", UnknownLayout)


# -- truncated and damaged


@pytest.fixture(scope="session")
def small_bytes(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("small") / "a.hdf"
    two = {name[6:].replace("/", "__"): value for name, value in synthetic.twotime().items()}
    synthetic.aps(path, **two)
    return path.read_bytes()


@RELAXED
@given(data=st.data())
def test_truncated_at_any_byte(tmp_path, small_bytes, data):
    size = data.draw(st.integers(0, len(small_bytes) - 1))
    path = tmp_path / "a.hdf"
    path.write_bytes(small_bytes[:size])
    with pytest.raises(UnreadableFile) as caught:
        use(path)
    assert caught.value.transient or not small_bytes[:size].startswith(b"\x89HDF\r\n\x1a\n")


@pytest.mark.parametrize("size", [1, 7, 8, 9, 47, 48, 95, 96, 97, 511, 512, 2047, 2048])
def test_truncated_within_the_header(tmp_path, small_bytes, size):
    (tmp_path / "a.hdf").write_bytes(small_bytes[:size])
    one_sentence(tmp_path / "a.hdf", UnreadableFile)


@RELAXED
@given(
    start=st.floats(0, 1, exclude_max=True),
    length=st.sampled_from([1, 16, 512]),
    fill=st.sampled_from([0, 255, 170]),
)
def test_damaged_bytes(tmp_path, small_bytes, start, length, fill):
    damaged = bytearray(small_bytes)
    at = int(start * len(damaged))
    damaged[at : at + length] = bytes([fill]) * len(damaged[at : at + length])
    (tmp_path / "a.hdf").write_bytes(bytes(damaged))
    assert outcome(tmp_path / "a.hdf")


def test_damaged_text_does_not_hang(tmp_path, small_bytes):
    """HDF5 walks a damaged heap of strings for ever: every damaged heap must be noticed before."""
    at = small_bytes.index(b"GCOL")
    for place in (at + 4, at + 8, at + 16, at + 24, at + 25):
        for value in (0, 255):
            damaged = bytearray(small_bytes)
            damaged[place : place + 8] = bytes([value]) * 8
            (tmp_path / "a.hdf").write_bytes(bytes(damaged))
            assert outcome(tmp_path / "a.hdf")


# -- missing, misshapen, mistyped

REQUIRED = (
    "/xpcs/multitau/delay_list",
    "/xpcs/qmap/dynamic_v_list_dim0",
    "/entry/instrument/detector_1/frame_time",
)


@pytest.mark.parametrize("name", REQUIRED)
def test_missing_required(tmp_path, name):
    synthetic.aps(tmp_path / "a.hdf", **{name[1:].replace("/", "__"): None})
    assert name.rsplit("/", 1)[1] in one_sentence(tmp_path / "a.hdf", IncompleteFile)


def test_no_correlation_yet(tmp_path):
    synthetic.aps(tmp_path / "a.hdf", multitau__normalized_g2=None)
    with pytest.raises(IncompleteFile) as caught:
        use(tmp_path / "a.hdf")
    assert caught.value.transient


def _names(path: Path) -> list[str]:
    found: list[str] = []
    with h5py.File(path, "r") as h5:
        h5.visititems(lambda name, item: found.append("/" + name) if isinstance(item, h5py.Dataset) else None)
    return sorted(found)


CHANGES: dict[str, Callable[[np.ndarray], Any]] = {
    "missing": lambda _: None,
    "text": lambda _: "not a number",
    "texts": lambda _: np.array([b"a", b"b", b"c"]),
    "scalar": lambda _: np.float64(3.5),
    "empty": lambda _: np.empty(0),
    "longer": lambda value: np.resize(np.atleast_1d(value), np.atleast_1d(value).shape[0] + 1),
    "one axis more": lambda value: np.stack((np.atleast_1d(value),) * 2),
    "transposed": lambda value: np.swapaxes(np.atleast_2d(value), -1, -2),
    "nan": lambda value: np.full(np.shape(value), np.nan),
    "infinite": lambda value: np.full(np.shape(value), np.inf),
    "negative": lambda value: -np.abs(np.asarray(value, dtype=float)) - 1,
    "huge": lambda value: np.full(np.shape(value), 1e300),
    "zero": lambda value: np.zeros(np.shape(value)),
    "complex": lambda value: np.zeros(np.shape(value), dtype=complex),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_dataset_changed(with_two_time, tmp_path, change):
    """One dataset after another is left out, mistyped, misshapen: a result or one sentence."""
    path = tmp_path / "changed.hdf"
    for name in _names(with_two_time):
        path.write_bytes(with_two_time.read_bytes())
        with h5py.File(path, "a") as h5:
            value = h5[name][()]
            if isinstance(value, bytes) or np.asarray(value).dtype.kind in "OS":
                new = None if change == "missing" else 3.5
            else:
                new = CHANGES[change](value)
            del h5[name]
            if new is not None:
                h5[name] = new
            elif change == "missing" and name.endswith("scattering_2d"):
                h5.create_group(name)  # a group where a dataset should be
        xf = outcome(path)
        if isinstance(xf, XpcsFile):
            assert xf.g2.shape == (xf.n_delay, len(xf.q)) == xf.g2_sigma.shape, name


def test_no_q_bins(tmp_path):
    synthetic.aps(
        tmp_path / "a.hdf",
        qmap__dynamic_v_list_dim0=np.empty(0),
        qmap__dynamic_index_mapping=np.empty(0, dtype=int),
        qmap__dynamic_num_pts=np.array([0, 1]),
        multitau__normalized_g2=np.empty((synthetic.delays().size, 0)),
    )
    assert "q-bin" in one_sentence(tmp_path / "a.hdf", IncompleteFile)


def test_wrong_shape_names_what_was_expected_and_found(tmp_path):
    n = synthetic.delays().size
    synthetic.aps(tmp_path / "a.hdf", multitau__normalized_g2=np.ones((3, n)))
    text = one_sentence(tmp_path / "a.hdf", IncompleteFile)
    assert f"expected shape ({n}, 3), found shape (3, {n})" in text


def test_text_where_numbers_should_be(tmp_path):
    synthetic.aps(tmp_path / "a.hdf", multitau__delay_list=np.array([b"one", b"two"]))
    assert "expected numbers, found text" in one_sentence(tmp_path / "a.hdf", IncompleteFile)


def test_nan_in_g2_is_a_point_without_a_number(tmp_path):
    g2 = synthetic.g2_model(synthetic.delays() * 1e-3, np.array([0.004, 0.006, 0.008]))
    g2[3, 1] = np.nan
    synthetic.aps(tmp_path / "a.hdf", multitau__normalized_g2=g2)
    xf = use(tmp_path / "a.hdf")
    assert not xf.trusted[3, 1]
    assert xf.trusted[3, 0]


def test_map_cells_out_of_range(tmp_path):
    synthetic.aps(tmp_path / "a.hdf", qmap__dynamic_index_mapping=np.array([0, 1, 99]))
    assert "99" in one_sentence(tmp_path / "a.hdf", IncompleteFile)


def test_labels_beyond_the_table_do_not_crash_the_statistics(tmp_path):
    labels = synthetic.rings(3)
    labels[5, 5] = 200
    synthetic.aps(tmp_path / "a.hdf", qmap__dynamic_roi_map=labels)
    assert use(tmp_path / "a.hdf").ring_table.dynamic_pixels().size == 3


def test_a_header_that_claims_petabytes(tmp_path):
    synthetic.aps(tmp_path / "a.hdf", multitau__normalized_g2=None)
    with h5py.File(tmp_path / "a.hdf", "a") as h5:
        h5.create_dataset("/xpcs/multitau/normalized_g2", shape=(10**8, 10**7), dtype="f4", chunks=(100, 100))
    one_sentence(tmp_path / "a.hdf", IncompleteFile)


@pytest.mark.parametrize("name", [A001, A002])
def test_real_files_truncated(sample, tmp_path, name):
    data = sample(name).read_bytes()
    for part in (0.1, 0.5, 0.9, 0.999):
        (tmp_path / "a.hdf").write_bytes(data[: int(len(data) * part)])
        with pytest.raises(UnreadableFile) as caught:
            use(tmp_path / "a.hdf")
        assert caught.value.transient
