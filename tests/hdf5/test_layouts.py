"""The other layouts, on files written here from their description, and the refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.conftest import A001, A001_QMAP, A002, BES, E0173
from tests.hdf5 import synthetic
from xpcs_dash.errors import IncompleteFile, UnknownLayout
from xpcs_dash.hdf5.layouts import LAYOUTS
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.results.opening import open_result

Q = np.array([0.004, 0.006, 0.008])
T = synthetic.delays()
H, W = synthetic.H, synthetic.W


def curves() -> np.ndarray:
    return synthetic.g2_model(T * 1e-3, Q).astype(np.float32)


# -- legacy 8-ID and its transition dialects


def legacy(
    path: Path, results: str = "/exchange", maps: str = "/xpcs", config: str = "/xpcs", **change: Any
) -> None:
    """Nine cells of a 3 × 3 static grid, of which two are empty (NaN), and three dynamic bins."""
    dynamic = synthetic.rings(3)
    phis = np.tile([-60.0, 0.0, 60.0], 3)
    phis[[4, 8]] = np.nan
    data: dict[str, Any] = {
        f"{results}/tau": T[None],
        f"{results}/norm-0-g2": curves(),
        f"{results}/norm-0-stderr": np.full((T.size, 3), 1e-3),
        f"{results}/pixelSum": np.full((H, W), 0.5),
        f"{results}/partition-mean-total": np.arange(1.0, 8.0)[None],
        f"{results}/partition-mean-partial": np.ones((10, 7)),
        f"{results}/frameSum": np.stack((np.arange(1, 301), np.full(300, 0.5))),
        f"{maps}/dqmap": dynamic,
        f"{maps}/sqmap": synthetic.split(dynamic, 2),
        f"{maps}/mask": (dynamic > 0).astype(np.uint8),
        f"{maps}/dqlist": Q[None],
        f"{maps}/sqlist": np.repeat([0.004, 0.006, 0.008], 3)[None],
        f"{maps}/sphilist": phis[None],
        f"{maps}/dphilist": np.zeros((1, 3)),
        f"{maps}/snoq": 3,
        f"{maps}/snophi": 3,
        f"{maps}/dnoq": 3,
        f"{maps}/dnophi": 1,
        f"{maps}/sqspan": np.array([[0.003, 0.005, 0.007, 0.009]]),
        f"{config}/avg_frames": 2,
        f"{config}/stride_frames": 3,
    }
    if results == "/exchange":
        data["/xpcs/Version"] = "1.0"
        data["/xpcs/analysis_type"] = "Multitau"
    data.update(change)
    synthetic.write(path, data)


def measurement(**change: Any) -> dict[str, Any]:
    detector, acquisition = "/measurement/instrument/detector", "/measurement/instrument/acquisition"
    return {
        "/xpcs/output_data": "/exchange",
        f"{detector}/exposure_period": np.array([[1e-3]]),
        f"{detector}/exposure_time": 9e-4,
        f"{detector}/distance": 3930.0,
        f"{detector}/x_pixel_size": 0.055,
        f"{detector}/y_pixel_size": 0.055,
        f"{acquisition}/beam_center_x": 10.0,
        f"{acquisition}/beam_center_y": 12.0,
        f"{acquisition}/stage_x": 1.11,
        f"{acquisition}/stage_zero_x": 1.0,
        f"{acquisition}/stage_z": 0.0,
        f"{acquisition}/stage_zero_z": 0.055,
        "/measurement/instrument/source_begin/energy": 10.97,
        **change,
    }


def transition(**change: Any) -> dict[str, Any]:
    group = "/entry/instrument/bluesky/metadata"
    values = {
        "t0": 1e-3,
        "t1": 9e-4,
        "bcx": 12.0,
        "bcy": 11.0,
        "ccdx": 0.0,
        "ccdx0": 0.0,
        "ccdy": 0.0,
        "ccdy0": 0.0,
        "det_dist": 3930.0,
        "pix_dim_x": 0.055,
        "pix_dim_y": 0.055,
        "X_energy": 10.97,
    }
    return {**{f"{group}/{name}": value for name, value in values.items()}, **change}


def entry() -> dict[str, Any]:
    detector = "/entry/instrument/detector_1"
    return {
        f"{detector}/frame_time": 1e-3,
        f"{detector}/count_time": 9e-4,
        f"{detector}/distance": 3.93,
        f"{detector}/x_pixel_size": 5.5e-5,
        f"{detector}/beam_center_x": 12.0,
        f"{detector}/beam_center_y": 11.0,
        "/entry/instrument/incident_beam/incident_energy": 10.97,
        "/entry/schema_version": "1.0",
    }


DIALECTS = {
    "aps_legacy": lambda path, **change: legacy(path, **measurement(), **change),
    "aps_2023": lambda path, **change: legacy(path, **transition(), **change),
    "aps_2025": lambda path, **change: legacy(path, "/xpcs", "/xpcs/qmap", "/xpcs", **entry(), **change),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_old_dialects(tmp_path, dialect):
    DIALECTS[dialect](tmp_path / "a.hdf")
    xf = open_result(tmp_path / "a.hdf")
    assert xf.layout == dialect
    assert xf.kinds == ("multitau",)
    assert np.array_equal(xf.g2, curves())
    assert xf.t_el == pytest.approx(T * 6e-3)
    assert xf.frame_time_s == pytest.approx(1e-3)
    assert xf.q == pytest.approx(Q)
    assert xf.geometry.energy_kev == pytest.approx(10.97)
    assert xf.geometry.distance_m == pytest.approx(3.93)
    assert xf.geometry.pixel_m == pytest.approx(5.5e-5)
    assert xf.int_t.shape == (2, 300)
    assert xf.int_t[0, 1] == pytest.approx(6e-3)
    assert xf.segments.shape == (10, 7)
    assert np.array_equal(xf.mask, synthetic.rings(3) > 0)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_empty_cells_marked_by_nan(tmp_path, dialect):
    """Compressed values go to the cells whose φ is a number; q comes from the edges."""
    DIALECTS[dialect](tmp_path / "a.hdf")
    xf = open_result(tmp_path / "a.hdf")
    assert xf.static.num_pts == (3, 3)
    full = xf.static.expand(xf.saxs_1d)
    assert np.isnan(full[1, 1])
    assert np.isnan(full[2, 2])
    assert full[1] == pytest.approx([4, np.nan, 5], nan_ok=True)
    assert full[2, 1] == pytest.approx(7)
    assert xf.static.axis0 == pytest.approx([0.004, 0.006, 0.008])
    assert xf.static.phi[:3] == pytest.approx([-60, 0, 60])


def test_legacy_beam_centre_follows_the_motors(tmp_path):
    legacy(tmp_path / "a.hdf", **measurement())
    geometry = open_result(tmp_path / "a.hdf").geometry
    assert geometry.bcx == pytest.approx(10 + 0.11 / 0.055)
    assert geometry.bcy == pytest.approx(12 - 1)


def test_absurd_motor_positions_are_not_applied(tmp_path):
    legacy(tmp_path / "a.hdf", **measurement(**{"/measurement/instrument/acquisition/stage_x": -230.0}))
    xf = open_result(tmp_path / "a.hdf")
    assert xf.geometry.bcx == 10.0
    assert any("motor" in text for text in xf.warnings)


def test_legacy_follows_the_root_that_the_file_names(tmp_path):
    change = measurement(**{"/xpcs/output_data": "/exchange_2"})
    legacy(tmp_path / "a.hdf", "/exchange_2", **change, **{"/xpcs/Version": "1.0"})
    xf = open_result(tmp_path / "a.hdf")
    assert xf.layout == "aps_legacy"
    assert xf.g2.shape == (T.size, 3)


def test_legacy_transposed_image(tmp_path):
    image = np.arange(H * W, dtype=np.float32).reshape(H, W)
    legacy(tmp_path / "a.hdf", **measurement(), **{"/exchange/pixelSum": image.T.copy()})
    assert np.array_equal(open_result(tmp_path / "a.hdf").saxs_2d, image)


def test_legacy_c2_numbers_are_labels(tmp_path):
    """Unlike in the present layout the number of a matrix is its q-bin here."""
    n = 20
    matrix = np.triu(np.random.default_rng(1).normal(1.1, 0.1, (n, n))).astype(np.float32)
    full = np.tile(np.arange(3.0), (n, 1))
    partials = np.tile(np.arange(3.0), (n // 5, 5, 1))
    legacy(
        tmp_path / "a.hdf",
        **measurement(),
        **{"/exchange/C2T_all/g2_00003": matrix, "/exchange/g2full": full, "/exchange/g2partials": partials},
    )
    xf = open_result(tmp_path / "a.hdf")
    assert xf.kinds == ("multitau", "twotime")
    assert xf.twotime_bins == (3,)
    assert np.array_equal(xf.twotime(3).c2_upper, matrix)
    assert xf.twotime(3).g2[0] == 2.0
    assert xf.twotime(3).g2_segments.shape == (4, 5)
    assert xf.twotime(3).dt_s == pytest.approx(6e-3)


def test_legacy_column_mismatch_is_refused(tmp_path):
    """Four q for three columns of g2, none of them empty: no guess which is which."""
    four = {"/xpcs/dqlist": np.array([[1, 2, 3, 4.0]]), "/xpcs/dphilist": np.zeros((1, 4)), "/xpcs/dnoq": 4}
    legacy(tmp_path / "a.hdf", **measurement(), **four)
    with pytest.raises(IncompleteFile, match="3 bins"):
        open_result(tmp_path / "a.hdf")


def test_legacy_empty_dynamic_cell(tmp_path):
    """Four cells, one of them empty, three columns: each column has the q of its own cell."""
    legacy(
        tmp_path / "a.hdf",
        **measurement(),
        **{
            "/xpcs/dqlist": np.array([[0.004, np.nan, 0.006, 0.008]]),
            "/xpcs/dphilist": np.array([[0.0, np.nan, 0.0, 0.0]]),
            "/xpcs/dnoq": 4,
        },
    )
    assert open_result(tmp_path / "a.hdf").q == pytest.approx(Q)


# -- NXxpcs


def nxxpcs(
    path: Path, *, g2: Any = None, attrs: dict[str, dict[str, Any]] | None = None, **change: Any
) -> None:
    detector = "/entry/instrument/lambda"
    data: dict[str, Any] = {
        "/entry/definition": "NXxpcs",
        "/entry/start_time": "2024-05-01T10:00:00",
        "/entry/scan_number": 17,
        "/entry/data/g2": curves() if g2 is None else g2,
        "/entry/data/g2_derr": np.full((T.size, 3), 1e-3),
        "/entry/data/delay_difference": T,
        "/entry/data/frame_average": np.full((H, W), 0.5),
        f"{detector}/frame_time": (1.0, {"units": "ms"}),
        f"{detector}/count_time": (0.9, {"units": "ms"}),
        f"{detector}/distance": (3930.0, {"units": "mm"}),
        f"{detector}/x_pixel_size": (55.0, {"units": "um"}),
        f"{detector}/beam_center_x": 12.0,
        f"{detector}/beam_center_y": 11.0,
        "/entry/instrument/incident_beam/incident_energy": (10_970.0, {"units": "eV"}),
        "/entry/instrument/masks/dynamic_roi_map": synthetic.rings(3),
        "/entry/instrument/masks/static_roi_map": synthetic.split(synthetic.rings(3), 4),
        "/entry/instrument/masks/dynamic_q_list": (Q * 10, {"units": "1/nm"}),
        "/entry/sample/temperature": (25.0, {"units": "C"}),
    }
    data.update({"/" + name.replace("__", "/"): value for name, value in change.items()})
    synthetic.write(path, data)
    with h5py.File(path, "a") as h5:
        h5[detector].attrs["NX_class"] = "NXdetector"
        for name, values in (attrs or {}).items():
            h5[name].attrs.update(values)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("stated", [False, True])
def test_nxxpcs_one_array(tmp_path, turned, stated):
    g2 = curves().T.copy() if turned else curves()
    attrs = {"/entry/data/g2": {"storage_mode": "one_array"}} if stated else {}
    nxxpcs(tmp_path / "a.nxs", g2=g2, attrs=attrs)
    xf = open_result(tmp_path / "a.nxs")
    assert xf.layout == "nxxpcs"
    assert np.array_equal(xf.g2, curves())
    assert xf.t_el == pytest.approx(T * 1e-3)
    assert xf.q == pytest.approx(Q)
    assert xf.q_unit == "Å⁻¹"
    assert xf.geometry.energy_kev == pytest.approx(10.97)
    assert xf.geometry.distance_m == pytest.approx(3.93)
    assert xf.geometry.pixel_m == pytest.approx(5.5e-5)
    assert xf.temperature_k == pytest.approx(298.15)
    assert xf.scan == "17"
    assert not any("names no unit" in text for text in xf.warnings)


def test_nxxpcs_one_dataset_for_each_bin(tmp_path):
    nxxpcs(tmp_path / "a.nxs")
    with h5py.File(tmp_path / "a.nxs", "a") as h5:
        for name in ("g2", "g2_derr"):
            values = h5[f"/entry/data/{name}"][()]
            del h5[f"/entry/data/{name}"]
            # written in an order that is neither that of the numbers nor of the alphabet
            for k in (2, 0, 1):
                h5[f"/entry/data/{name}/q_{9 + k}"] = values[:, k]
            h5[f"/entry/data/{name}"].attrs["storage_mode"] = "data_exchange_keys"
    assert np.array_equal(open_result(tmp_path / "a.nxs").g2, curves())


def test_nxxpcs_other_storage_is_refused(tmp_path):
    nxxpcs(tmp_path / "a.nxs", attrs={"/entry/data/g2": {"storage_mode": "other"}})
    with pytest.raises(IncompleteFile, match="other"):
        open_result(tmp_path / "a.nxs")


def test_nxxpcs_without_g2(tmp_path):
    nxxpcs(tmp_path / "a.nxs")
    with h5py.File(tmp_path / "a.nxs", "a") as h5:
        del h5["/entry/data/g2"]
    with pytest.raises(IncompleteFile, match="looks like NXxpcs but has no g2"):
        open_result(tmp_path / "a.nxs")


def test_nxxpcs_without_units_assumes_and_says_so(tmp_path):
    nxxpcs(
        tmp_path / "a.nxs",
        entry__instrument__lambda__distance=3.93,
        entry__instrument__incident_beam__incident_energy=10_970.0,
    )
    xf = open_result(tmp_path / "a.nxs")
    assert xf.geometry.distance_m == pytest.approx(3.93)
    assert xf.geometry.energy_kev == pytest.approx(10.97)
    assert sum("names no unit" in text for text in xf.warnings) == 2


def test_nxxpcs_unknown_unit_is_refused(tmp_path):
    nxxpcs(tmp_path / "a.nxs", entry__instrument__lambda__distance=(3.93, {"units": "furlong"}))
    with pytest.raises(IncompleteFile, match="furlong"):
        open_result(tmp_path / "a.nxs")


def test_nxxpcs_phi_of_each_bin(tmp_path):
    nxxpcs(
        tmp_path / "a.nxs",
        entry__instrument__masks__dynamic_q_list=np.array([0.004, 0.004, 0.008]),
        entry__instrument__masks__dynamic_phi_list=np.array([0.0, 90.0, 90.0]),
    )
    xf = open_result(tmp_path / "a.nxs")
    assert xf.q == pytest.approx([0.004, 0.004, 0.008])
    assert xf.phi == pytest.approx([0, 90, 90])


@pytest.mark.parametrize("mode", ["one_array_q_first", "one_array_q_last", "data_exchange_keys"])
@pytest.mark.parametrize("populated", ["all", "upper_half", "lower_half"])
@pytest.mark.parametrize("origin", ["upper_left", "lower_left"])
@pytest.mark.parametrize("baseline", [0, 1])
def test_nxxpcs_two_time_in_every_form(tmp_path, mode, populated, origin, baseline):
    n = 12
    rng = np.random.default_rng(4)
    full = rng.normal(1.2, 0.05, (3, n, n))
    full = (full + full.transpose(0, 2, 1)) / 2
    expected = np.stack([np.triu(m) for m in full])
    stored = full - (1 - baseline)
    keep = {"all": np.ones((n, n), bool), "upper_half": np.triu(np.ones((n, n), bool))}
    stored = np.where(keep.get(populated, np.tril(np.ones((n, n), bool))), stored, 0)
    if origin == "lower_left":
        stored = stored[:, ::-1]
    name = "/entry/twotime/two_time_corr_func"
    data: dict[str, Any] = {}
    if mode == "one_array_q_first":
        data[name] = stored
    elif mode == "one_array_q_last":
        data[name] = np.moveaxis(stored, 0, -1)
    else:
        data = {f"{name}/g2_{k + 1:05d}": stored[k] for k in range(3)}
    nxxpcs(tmp_path / "a.nxs", **{key[1:].replace("/", "__"): value for key, value in data.items()})
    with h5py.File(tmp_path / "a.nxs", "a") as h5:
        h5[name].attrs.update(
            storage_mode=mode,
            populated_elements=populated,
            time_origin_location=origin,
            baseline_reference=baseline,
        )
    xf = open_result(tmp_path / "a.nxs")
    assert xf.kinds == ("multitau", "twotime")
    assert xf.twotime_bins == (1, 2, 3)
    two = xf.twotime(2)
    assert two.dt_s == pytest.approx(1e-3)
    assert two.c2_upper == pytest.approx(expected[1], rel=1e-6)
    block = xf.twotime_block(2, slice(3, 9), slice(0, 5))
    assert block == pytest.approx(full[1][3:9, 0:5], rel=1e-6)


# -- the pilot, partition files, real samples


def test_pilot(sample):
    xf = open_result(sample(BES))
    assert xf.layout == "bes_pilot"
    assert (xf.n_delay, xf.n_q) == (48, 27)
    assert xf.t_el[0] == pytest.approx(5e-4)
    assert xf.t_el[-1] == pytest.approx(4.096)
    assert xf.q[[0, -1]] == pytest.approx([0.00199916, 0.05896644], rel=1e-5)
    assert 1.05 < np.median(xf.g2) < 1.11
    assert xf.energy_kev == pytest.approx(10.97)
    assert xf.distance_m == pytest.approx(3.93)
    assert xf.temperature_k == pytest.approx(297.013, abs=1e-3)
    assert xf.detector_shape == (516, 1556)
    assert xf.mask.mean() == pytest.approx(0.9662, abs=1e-3)
    assert np.all(xf.mask[xf.dqmap > 0])
    assert xf.start_time.isoformat() == "2020-02-18T15:30:30"
    assert not xf.photons
    assert np.array_equal(xf.g2_sigma, xf.g2_err)


def test_partition_file(sample):
    partition, result = open_result(sample(A001_QMAP)), open_result(sample(A001))
    assert partition.layout == "simplemask"
    assert partition.kinds == ()
    assert partition.n_delay == 0
    assert np.array_equal(partition.dqmap, result.dqmap)
    assert np.array_equal(partition.sqmap, result.sqmap)
    assert partition.q == pytest.approx(result.q)
    assert partition.geometry == result.geometry
    assert partition.map_hash == result.map_hash


def test_partition_file_in_millimetres(sample, tmp_path):
    """One viewer writes its partitions in mm; taken for metres the map would be off a thousand times."""
    (tmp_path / "a.hdf").write_bytes(sample(A001_QMAP).read_bytes())
    with h5py.File(tmp_path / "a.hdf", "a") as h5:
        h5["/qmap/pixel_size"][...] = 0.075
        h5["/qmap/detector_distance"][...] = 5000.0
    xf = open_result(tmp_path / "a.hdf")
    assert xf.geometry.pixel_m == pytest.approx(7.5e-5)
    assert xf.geometry.distance_m == pytest.approx(5.0)
    assert any("millimetres" in text for text in xf.warnings)


def test_every_file_is_recognised_by_one_layout_only(sample, tmp_path):
    files = [sample(name) for name in (A001, A002, A001_QMAP)]
    for dialect, write in DIALECTS.items():
        write(tmp_path / f"{dialect}.hdf")
        files.append(tmp_path / f"{dialect}.hdf")
    nxxpcs(tmp_path / "n.nxs")
    files.append(tmp_path / "n.nxs")
    for path in files:
        with HDF5ConnectionPool(idle_s=0).open(path) as h5:
            assert sum(layout.recognise(h5) for layout in LAYOUTS) == 1, path.name


@pytest.mark.parametrize("name", [BES, E0173])
def test_third_party_files_are_recognised_by_one_layout_only(sample, name):
    with HDF5ConnectionPool(idle_s=0).open(sample(name)) as h5:
        assert sum(layout.recognise(h5) for layout in LAYOUTS) == 1


# -- refusals


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"/entry/data/data": np.zeros((7, 4, 5), np.uint16)}, "raw data file: 7 frames of 4 × 5 pixels"),
        ({"/exchange/data": np.zeros((7, 4, 5), np.uint16)}, "raw data file: 7 frames of 4 × 5 pixels"),
        ({"/data/dynamicMap": np.zeros((4, 5))}, "partition file of the older kind"),
        ({"/mask": np.ones((4, 5))}, "mask file"),
        ({"/entry/schema_version": "1", "/entry/start_time": "now"}, "metadata file"),
        ({"/xpcs/something": 1}, r"under /xpcs \(something\) is no result"),
        ({"/banana": 1}, "holds banana"),
    ],
)
def test_refusals_say_what_the_file_is(tmp_path, data, text):
    synthetic.write(tmp_path / "a.hdf", data)
    with pytest.raises(UnknownLayout, match=text) as caught:
        open_result(tmp_path / "a.hdf")
    assert str(caught.value).startswith("a.hdf: ")
    assert "\n" not in str(caught.value)


def test_empty_hdf5(tmp_path):
    synthetic.write(tmp_path / "a.hdf", {})
    with pytest.raises(UnknownLayout, match="nothing"):
        open_result(tmp_path / "a.hdf")
