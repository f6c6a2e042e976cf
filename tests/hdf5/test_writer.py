"""Atomic writing, our own layout, the APS layout, and conversion between them."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.conftest import A001, A001_QMAP, A002, BES, E0173, LLPS_STRONG
from tests.hdf5 import synthetic
from xpcs_dash.errors import SchemaError, UsageError
from xpcs_dash.hdf5.aps_writer import ApsResult, ApsTwoTime, write_aps
from xpcs_dash.hdf5.records import BinTable
from xpcs_dash.hdf5.schemas import G2Data, GeometryMetadata, MaskSchema, PartitionSchema, QMapSchema
from xpcs_dash.hdf5.writer import WriteError, atomic_hdf5, put, write_own
from xpcs_dash.results.convert import aps_result, convert
from xpcs_dash.results.opening import open_result

RELAXED = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
GEOMETRY = GeometryMetadata.from_metres(
    energy_kev=10, distance_m=5, pixel_m=7.5e-5, bcx=14.5, bcy=11, shape=(synthetic.H, synthetic.W)
)


def simple_result() -> ApsResult:
    t = synthetic.delays()
    q = np.array([0.004, 0.006, 0.008])
    g2 = synthetic.g2_model(t * 1e-3, q)
    labels = synthetic.rings(3)
    return ApsResult(
        dynamic=BinTable((3, 1), q, np.zeros(1), np.arange(3)),
        geometry=GEOMETRY,
        dqmap=labels,
        frame_time_s=1e-3,
        delay_frames=t,
        g2=g2,
        g2_err=np.full(g2.shape, 1e-3),
        saxs_2d=labels * 0.5,
        int_t=np.ones(256),
    )


# -- atomic


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, in_memory):
    path = tmp_path / "a.h5"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_hdf5(path, in_memory=in_memory) as h5:  # noqa: PT012
        h5["x"] = 1
        _ = 1 / 0
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_name_appears_only_with_the_whole_file(tmp_path, in_memory):
    path = tmp_path / "a.h5"
    with atomic_hdf5(path, in_memory=in_memory) as h5:
        h5["x"] = np.arange(5)
        assert not path.exists()
        assert all(p.name.endswith(".temp") and p.name.startswith(".") for p in tmp_path.iterdir())
    with h5py.File(path, "r", locking=False) as h5:
        assert list(h5["x"]) == [0, 1, 2, 3, 4]
    assert list(tmp_path.iterdir()) == [path]


def test_existing_file_is_not_replaced_unless_allowed(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"old")
    with pytest.raises(WriteError, match="exists already"), atomic_hdf5(path, overwrite=False) as h5:
        h5["x"] = 1
    assert path.read_bytes() == b"old"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(WriteError, match="exists already"), atomic_hdf5(path, overwrite=False) as h5:  # noqa: PT012
        h5["x"] = 1
        path.write_bytes(b"somebody else's")
    assert path.read_bytes() == b"somebody else's"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_directory(tmp_path):
    with pytest.raises(WriteError, match="does not exist"), atomic_hdf5(tmp_path / "no" / "a.h5") as h5:
        h5["x"] = 1


@pytest.mark.parametrize("in_memory", [True, False])
def test_full_disk_is_one_sentence_without_debris(tmp_path, in_memory):
    """A limit on the size of files stands for the full disk; HDF5 must not take the process down with it."""
    script = textwrap.dedent(f"""
        import resource, signal, sys
        import numpy as np
        from xpcs_dash.errors import XpcsDashError
        from xpcs_dash.hdf5.writer import atomic_hdf5
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            with atomic_hdf5({str(tmp_path / "a.h5")!r}, in_memory={in_memory}) as h5:
                h5["x"] = np.random.default_rng(0).random(1_000_000)
        except XpcsDashError as err:
            print(err)
            sys.exit(1)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 1, done.stderr
    assert len(done.stdout.strip().splitlines()) == 1
    assert "cannot be written" in done.stdout
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000
    assert signal.SIGXFSZ


def test_no_space_left_names_the_remedy(tmp_path, monkeypatch):
    import errno
    import os

    def full(_handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("xpcs_dash.hdf5.writer.os.fsync", full)
    with (
        pytest.raises(WriteError, match="no space left on the disk; free some space"),
        atomic_hdf5(tmp_path / "a.h5") as h5,
    ):
        h5["x"] = 1
    assert list(tmp_path.iterdir()) == []


def test_text_and_units(tmp_path):
    with atomic_hdf5(tmp_path / "a.h5") as h5:
        put(h5, "a/text", "Å⁻¹")
        put(h5, "a/list", ["q", "φ"])
        put(h5, "a/number", 1.5, unit="mm")
        put(h5, "a/big", np.zeros((3, 100, 100)))
    with h5py.File(tmp_path / "a.h5", "r", locking=False) as h5:
        assert h5["a/text"].asstr()[()] == "Å⁻¹"
        assert list(h5["a/list"].asstr()[()]) == ["q", "φ"]
        assert h5["a/number"].attrs["units"] == "mm"
        assert h5["a/big"].compression == "lzf"


# -- our own layout

finite = st.floats(-1e3, 1e3, width=32)


@st.composite
def g2_data(draw) -> G2Data:
    n_delay, n_q = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    cell = st.one_of(finite, st.just(float("nan")))
    steps = draw(hnp.arrays(np.float64, n_delay, elements=st.floats(1e-6, 1e3)))
    return G2Data(
        draw(hnp.arrays(np.float64, (n_delay, n_q), elements=cell)),
        draw(
            hnp.arrays(
                np.float64, (n_delay, n_q), elements=st.one_of(st.floats(0, 1e3), st.just(float("nan")))
            )
        ),
        np.cumsum(steps),
        draw(hnp.arrays(np.float64, n_q, elements=st.floats(1e-6, 10), unique=True)),
    )


@RELAXED
@given(data=g2_data())
def test_own_layout_round_trip(tmp_path, data):
    path = write_own(tmp_path / "a.h5", g2=data)
    xf = open_result(path)
    assert xf.layout == "xpcs_dash"
    assert xf.kinds == ("multitau",)
    assert np.array_equal(xf.g2, data.g2, equal_nan=True)
    assert np.array_equal(xf.g2_err, data.g2_err, equal_nan=True)
    assert np.array_equal(xf.t_el, data.delay_times)
    assert np.array_equal(xf.q, data.q_values)


def test_own_layout_paths_are_the_documented_ones(tmp_path):
    q = np.full((4, 5), 0.01)
    labels = np.ones((4, 5), int)
    geometry = GeometryMetadata(2, 1.5, 5000, 1.24, 0.075, (4, 5))
    write_own(
        tmp_path / "a.h5",
        g2=G2Data(np.ones((2, 1)), np.zeros((2, 1)), [1e-3, 2e-3], [0.01]),
        qmap=QMapSchema(q, q, q, labels, labels),
        geometry=geometry,
        mask=MaskSchema(labels),
        partition=PartitionSchema(labels, 1, (0.01,), (20,)),
        provenance={"sample": "gel"},
    )
    with h5py.File(tmp_path / "a.h5", "r", locking=False) as h5:
        assert set(h5["/xpcs/qmap"]) == {"sqmap", "dqmap", "phis", "mask", "partition_map"}
        assert set(h5["/xpcs/g2"]) == {"g2", "g2_err", "delay_times", "q_values"}
        assert set(h5["/simplemask"]) == {"mask", "partition"}
        attributes = h5["/xpcs/metadata"].attrs
        assert {"bcx", "bcy", "det_dist", "lambda_", "pix_dim", "shape"} <= set(attributes)
        assert attributes["det_dist"] == 5000
    xf = open_result(tmp_path / "a.h5")
    assert xf.geometry == geometry
    assert xf.sample == "gel"
    assert xf.mask.all()
    assert np.array_equal(xf.dqmap, labels)


def test_mask_alone(tmp_path):
    mask = np.eye(6, dtype=int)
    write_own(tmp_path / "a.h5", mask=MaskSchema(mask))
    xf = open_result(tmp_path / "a.h5")
    assert xf.kinds == ()
    assert np.array_equal(xf.mask, mask == 1)


@pytest.mark.parametrize("word", ["xpcs_dash", "seed_xpcs"])
def test_files_of_the_first_version_are_read_though_they_name_the_layout_otherwise(tmp_path, word):
    write_own(tmp_path / "a.h5", g2=G2Data(np.ones((2, 1)), np.zeros((2, 1)), [1e-3, 2e-3], [0.01]))
    with h5py.File(tmp_path / "a.h5", "r+", locking=False) as h5:
        assert h5.attrs["layout"] == "xpcs_dash"
        h5.attrs["layout"] = word
    xf = open_result(tmp_path / "a.h5")
    assert xf.layout == "xpcs_dash"
    assert xf.n_q == 1


def test_nothing_to_write(tmp_path):
    with pytest.raises(UsageError, match="nothing to write"):
        write_own(tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


# -- the APS layout


def test_aps_round_trip(tmp_path):
    result = simple_result()
    xf = open_result(write_aps(tmp_path / "a_results.hdf", result))
    assert xf.layout == "aps_nexus"
    assert xf.warnings == ()
    assert np.array_equal(xf.g2, np.asarray(result.g2, np.float32))
    assert xf.geometry == GEOMETRY
    assert np.array_equal(xf.mask, result.dqmap > 0)
    assert len(xf.map_hash) == 64


@st.composite
def aps_results(draw) -> ApsResult:
    """A result with any grid, some of whose cells are empty, and any labels."""
    n0, n1 = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    cells = draw(st.lists(st.integers(0, n0 * n1 - 1), min_size=1, max_size=n0 * n1, unique=True))
    n_q, n_delay = len(cells), draw(st.integers(1, 6))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    labels = draw(hnp.arrays(np.int64, (height, width), elements=st.integers(0, n_q)))
    delays = np.cumsum(draw(hnp.arrays(np.int64, n_delay, elements=st.integers(1, 50))))
    number = st.floats(0, 3, width=32)
    return ApsResult(
        dynamic=BinTable((n0, n1), np.linspace(0.001, 0.1, n0), np.linspace(-90, 90, n1), np.array(cells)),
        geometry=GeometryMetadata(1, 2, 5000, 1.24, 0.075, (height, width)),
        dqmap=labels,
        frame_time_s=draw(st.floats(1e-7, 10)),
        delay_frames=delays,
        g2=draw(hnp.arrays(np.float64, (n_delay, n_q), elements=number)),
        g2_err=draw(hnp.arrays(np.float64, (n_delay, n_q), elements=number)),
        stride_frame=draw(st.integers(1, 5)),
        avg_frame=draw(st.integers(1, 5)),
        saxs_2d=draw(hnp.arrays(np.float64, (height, width), elements=number)),
        int_t=np.ones(int(delays[-1]) + 5),
    )


@RELAXED
@given(result=aps_results())
def test_any_aps_result_reads_back(tmp_path, result):
    xf = open_result(write_aps(tmp_path / "a_results.hdf", result))
    assert np.array_equal(xf.g2, result.g2)
    assert np.array_equal(xf.g2_err, result.g2_err)
    assert np.array_equal(xf.dqmap, result.dqmap)
    assert np.array_equal(xf.q, result.dynamic.q)
    assert np.array_equal(xf.phi, result.dynamic.phi)
    step = result.frame_time_s * result.stride_frame * result.avg_frame
    assert xf.t_el == pytest.approx(result.delay_frames * step, rel=1e-12)
    assert xf.g2_sigma.shape == xf.trusted.shape == xf.g2.shape
    assert np.array_equal(xf.saxs_2d, result.saxs_2d.astype(np.float32))


def test_aps_is_written_under_temp_first(tmp_path, monkeypatch):
    seen: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: (seen.append(self.name), replace(self, to))[1])
    write_aps(tmp_path / "a_results.hdf", simple_result())
    assert seen == ["a_results.hdf.temp"]


def test_what_the_desktop_viewers_need_is_there(tmp_path):
    """Members of the q-map without which a viewer fails, in the types that it expects."""
    write_aps(tmp_path / "a_results.hdf", simple_result())
    with h5py.File(tmp_path / "a_results.hdf", "r", locking=False) as h5:
        qmap = h5["/xpcs/qmap"]
        assert {"hash", "version"} <= set(qmap.attrs)
        assert {"mask", "dynamic_roi_map", "dynamic_v_list_dim0", "dynamic_v_list_dim1", "dynamic_num_pts",
                "dynamic_index_mapping", "beam_center_x", "beam_center_y", "detector_distance", "pixel_size",
                "energy", "map_names", "map_units"} <= set(qmap)  # fmt: skip
        assert qmap["dynamic_roi_map"].dtype == np.uint8
        assert qmap["mask"].dtype == bool
        assert qmap["detector_distance"][()] == pytest.approx(5.0)
        assert h5["/xpcs/temporal_mean/scattering_2d"].shape == (1, synthetic.H, synthetic.W)
        assert h5["/xpcs/multitau/delay_list"].dtype == np.int64
        assert h5["/xpcs/multitau/normalized_g2"].dtype == np.float32
        assert h5["/entry/instrument/detector_1/frame_time"][()] == 1e-3
        assert h5["/entry/instrument/incident_beam/incident_energy"][()] == pytest.approx(10)


def test_two_time_curves_are_computed_where_they_are_missing(tmp_path):
    two = synthetic.twotime(n=20, bins=(3, 1))
    result = simple_result()
    matrices = [two[f"/xpcs/twotime/correlation_map/c2_{k:05d}"] for k in (1, 2)]
    import dataclasses

    result = dataclasses.replace(result, twotime=ApsTwoTime((3, 1), matrices, stride_frame=2))
    xf = open_result(write_aps(tmp_path / "a.hdf", result))
    assert xf.twotime_bins == (3, 1)
    assert xf.twotime(1).g2 == pytest.approx(two["/xpcs/twotime/normalized_g2"][:, 1], rel=1e-6)
    assert xf.twotime(3).g2_segments == pytest.approx(
        two["/xpcs/twotime/normalized_g2_segments"][:, :, 0], rel=1e-6
    )
    assert xf.c2_frame_time_s == pytest.approx(2e-3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("g2", np.ones((2, 3))),
        ("saxs_2d", np.ones((3, 3))),
        ("mask", np.ones((3, 3), bool)),
        ("g2_err", np.ones(4)),
    ],
)
def test_wrong_shapes_are_refused_before_anything_is_written(field, value):
    import dataclasses

    with pytest.raises(SchemaError, match=rf"ApsResult\.{field}: expected shape"):
        dataclasses.replace(simple_result(), **{field: value})


# -- conversion

NAMES = (
    *("g2", "g2_err", "g2_sigma", "t_el", "q", "phi", "coincidences", "partial_g2"),
    *("saxs_1d", "saxs_2d", "int_t", "segments", "dqmap", "sqmap", "mask"),
)


@pytest.mark.parametrize("name", [A001, A002, LLPS_STRONG, E0173])
@pytest.mark.parametrize("to", ["own", "aps"])
def test_conversion_keeps_every_number(sample, tmp_path, name, to):
    before = open_result(sample(name))
    after = open_result(convert(before, to, tmp_path / "out.hdf").path)
    assert after.layout == {"own": "xpcs_dash", "aps": "aps_nexus"}[to]
    assert after.kinds == before.kinds
    for what in NAMES:
        old, new = getattr(before, what), getattr(after, what)
        if old is None:
            assert new is None, what
        else:
            assert np.allclose(new, old, rtol=1e-12, atol=0, equal_nan=True), what
    for what in (
        "sample",
        "start_time",
        "averaged_from",
        "map_hash",
        "starved_points",
        "zero_points",
        "q_labels",
    ):
        assert getattr(after, what) == getattr(before, what), what
    assert after.temperature_k == pytest.approx(before.temperature_k)
    for field in ("bcx", "bcy", "det_dist", "lambda_", "pix_dim"):
        assert getattr(after.geometry, field) == pytest.approx(getattr(before.geometry, field), rel=1e-12)
    for label in before.twotime_bins:
        old, new = before.twotime(label), after.twotime(label)
        assert np.array_equal(old.c2_upper, new.c2_upper)
        assert np.allclose(old.g2, new.g2)
        assert new.dt_s == pytest.approx(old.dt_s)


def test_conversion_of_the_pilot(sample, tmp_path):
    before = open_result(sample(BES))
    after = open_result(convert(before, "aps", tmp_path / "out.hdf").path)
    assert np.allclose(after.g2, before.g2)
    assert after.t_el == pytest.approx(before.t_el, rel=1e-5)
    assert after.temperature_k == pytest.approx(before.temperature_k)
    own = open_result(convert(before, "own", tmp_path / "own.hdf").path)
    assert np.array_equal(own.dqmap, before.dqmap)


def test_conversion_there_and_back(sample, tmp_path):
    before = open_result(sample(A001))
    own = open_result(convert(before, "own", tmp_path / "own.h5").path)
    again = open_result(convert(own, "aps", tmp_path / "aps.hdf").path)
    assert np.array_equal(again.g2, before.g2)
    assert np.allclose(again.coincidences, before.coincidences)
    assert again.static.num_pts == before.static.num_pts


def test_conversion_refuses_what_it_cannot_do(sample, tmp_path):
    with pytest.raises(UsageError, match="no correlation"):
        aps_result(open_result(sample(A001_QMAP)))
    xf = open_result(sample(A001))
    with pytest.raises(UsageError, match="choose own or aps"):
        convert(xf, "matlab", tmp_path / "x")
    (tmp_path / "x.hdf").touch()
    with pytest.raises(WriteError, match="exists already"):
        convert(xf, "aps", tmp_path / "x.hdf")
    with pytest.raises(UsageError, match="in place"):
        convert(xf, "aps", xf.path, overwrite=True)
