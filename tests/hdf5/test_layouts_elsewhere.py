"""Results of other facilities, on files written here from what their programs write, and precise refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.hdf5 import synthetic
from tests.hdf5.test_layouts import nxxpcs
from xpcs_dash.errors import IncompleteFile, UnknownLayout
from xpcs_dash.hdf5.layouts import LAYOUTS
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.results.opening import open_result

Q = np.array([0.004, 0.006, 0.008])
H, W = synthetic.H, synthetic.W


def only_layout(path: Path) -> str:
    """Name of the one layout that recognises a file."""
    with HDF5ConnectionPool(idle_s=0).open(path) as h5:
        names = [layout.NAME for layout in LAYOUTS if layout.recognise(h5)]
    assert len(names) == 1, names
    return names[0]


# -- NXxpcs under any name


def renamed(path: Path, to: str, *, nx_class: str | None = "NXentry", definition: bool = True) -> None:
    """Give the entry of an NXxpcs file another name, and its class."""
    with h5py.File(path, "a") as h5:
        h5.move("/entry", to)
        if nx_class is not None:
            h5[to].attrs["NX_class"] = nx_class
        if not definition:
            del h5[f"{to}/definition"]


@pytest.mark.parametrize("name", ["xpcs_scan3", "entry_0000", "1.1", "xpcs", "试样"])
@pytest.mark.parametrize("definition", [True, False])
def test_an_nxxpcs_entry_may_have_any_name(tmp_path, name, definition):
    nxxpcs(tmp_path / "entry.nxs")
    nxxpcs(tmp_path / "a.nxs")
    renamed(tmp_path / "a.nxs", f"/{name}", definition=definition)
    assert only_layout(tmp_path / "a.nxs") == "nxxpcs"
    xf, usual = open_result(tmp_path / "a.nxs"), open_result(tmp_path / "entry.nxs")
    assert np.array_equal(xf.g2, usual.g2)
    assert np.array_equal(xf.q, usual.q)
    assert xf.geometry == usual.geometry
    assert xf.temperature_k == usual.temperature_k
    assert xf.scan == "17"
    assert xf.metadata[f"/{name}/sample/temperature"] == (25.0, "C")


def test_an_entry_without_class_counts_where_it_is_called_entry(tmp_path):
    nxxpcs(tmp_path / "a.nxs")
    with h5py.File(tmp_path / "a.nxs", "a") as h5:
        assert "NX_class" not in h5["/entry"].attrs
    assert open_result(tmp_path / "a.nxs").layout == "nxxpcs"


@pytest.mark.parametrize("default", ["first", "second", "nowhere", None])
def test_the_default_attribute_names_the_entry_that_is_shown(tmp_path, default):
    nxxpcs(tmp_path / "a.nxs")
    renamed(tmp_path / "a.nxs", "/first")
    with h5py.File(tmp_path / "a.nxs", "a") as h5:
        h5.copy("/first", "/second")
        h5["/second/scan_number"][()] = 18
        # an entry without XPCS content is passed over, even where it comes first
        h5.create_group("/a_scan").attrs["NX_class"] = "NXentry"
        if default is not None:
            h5.attrs["default"] = default
    xf = open_result(tmp_path / "a.nxs")
    assert xf.scan == ("18" if default == "second" else "17")
    shown, hidden = ("/second", "/first") if default == "second" else ("/first", "/second")
    assert f"The file holds 2 entries with XPCS results: {shown} is shown, {hidden} not." in xf.warnings


def test_the_default_entry_without_content_gives_way(tmp_path):
    nxxpcs(tmp_path / "a.nxs")
    renamed(tmp_path / "a.nxs", "/xpcs_scan3")
    with h5py.File(tmp_path / "a.nxs", "a") as h5:
        h5.create_group("/raw").attrs["NX_class"] = "NXentry"
        h5.attrs["default"] = "raw"
    xf = open_result(tmp_path / "a.nxs")
    assert xf.scan == "17"
    assert not any("entries with" in text for text in xf.warnings)


def test_nxxpcs_as_a_subentry(tmp_path):
    nxxpcs(tmp_path / "a.nxs")
    with h5py.File(tmp_path / "a.nxs", "a") as h5:
        h5.move("/entry", "/held")
        h5.create_group("/scan").attrs["NX_class"] = "NXentry"
        h5.move("/held", "/scan/correlation")
        h5["/scan/correlation"].attrs["NX_class"] = "NXsubentry"
    assert open_result(tmp_path / "a.nxs").q == pytest.approx(Q)


def test_the_identifier_stands_for_the_scan_number(tmp_path):
    nxxpcs(tmp_path / "a.nxs", entry__scan_number=None, entry__entry_identifier="run 42")
    assert open_result(tmp_path / "a.nxs").scan == "run 42"


@pytest.mark.parametrize(("unit", "value"), [("mm", 12 * 0.055), ("m", 12 * 5.5e-5), ("pixels", 12.0)])
def test_the_beam_centre_may_be_a_length(tmp_path, unit, value):
    nxxpcs(tmp_path / "a.nxs", entry__instrument__lambda__beam_center_x=(value, {"units": unit}))
    assert open_result(tmp_path / "a.nxs").geometry.bcx == pytest.approx(12.0)


def test_pairs_of_q_and_phi(tmp_path):
    pairs = np.array([[0.04, 0.0], [0.04, 90.0], [0.08, 90.0]])
    nxxpcs(tmp_path / "a.nxs", entry__instrument__masks__dynamic_q_list=(pairs, {"units": "1/nm"}))
    xf = open_result(tmp_path / "a.nxs")
    assert xf.q == pytest.approx([0.004, 0.004, 0.008])
    assert xf.phi == pytest.approx([0, 90, 90])


def test_triples_of_q_are_refused(tmp_path):
    nxxpcs(tmp_path / "a.nxs", entry__instrument__masks__dynamic_q_list=np.ones((3, 3)))
    with pytest.raises(IncompleteFile, match=r"one q, or q and φ, for each bin, found shape \(3, 3\)"):
        open_result(tmp_path / "a.nxs")


def test_a_mean_of_each_frame_is_no_image(tmp_path):
    nxxpcs(tmp_path / "a.nxs", entry__data__frame_average=np.ones(300))
    xf = open_result(tmp_path / "a.nxs")
    assert xf.saxs_2d is None
    assert xf.g2.shape == (synthetic.delays().size, 3)


def test_an_aps_file_with_a_definition_stays_one(tmp_path):
    synthetic.aps(tmp_path / "a.hdf", entry__definition="NXxpcs")
    assert only_layout(tmp_path / "a.hdf") == "aps_nexus"


# -- NSLS-II CHX

TAUS = np.concatenate(([0], synthetic.delays())) * 1e-3
MD: dict[str, Any] = {
    "sample": "PS 100 nm", "uid": "c8a1fb1f-1960", "scan_id": 4711, "start_time": "2024-05-01 10:00:00",
    "frame_time": 1e-3, "count_time": 9e-4, "incident_wavelength": 1.2848, "detector_distance": 10.1,
    "x_pixel_size": 7.5e-5, "beam_center_x": 12.0, "beam_center_y": 11.0, "transmission": 0.2,
}  # fmt: skip


def chx(path: Path, *, md: dict[str, Any] | None = None, phi: bool = False, **change: Any) -> None:
    """Everything at the root, dictionaries as attributes of a dataset, as pyCHX writes it."""
    roi = synthetic.rings(3)
    g2 = synthetic.g2_model(TAUS, Q)
    g2[0] += 0.5
    data: dict[str, Any] = {
        "/md": (np.zeros(1, "i4"), MD if md is None else md),
        "/qval_dict": (
            np.zeros(1, "i4"),
            {str(k): np.array([q, 45.0 * k] if phi else [q]) for k, q in enumerate(Q)},
        ),
        "/taus": TAUS,
        "/g2": g2,
        "/roi_mask": roi,
        "/mask": np.ones((H, W), bool),
        "/pixel_mask": np.ones((H, W), np.int64),
        "/avg_img": roi * 0.5,
        "/imgsum": np.full(300, 900.0),
        "/bad_frame_list": np.array([3, 7]),
        "/q_saxs": np.array([np.nan, 0.002, 0.004, 0.006]),
        "/iq_saxs": np.array([np.nan, 3.0, 2.0, 1.0]),
        "/g2_fit_paras/axis0": np.zeros(3),
    }
    data.update({f"/{name}": value for name, value in change.items()})
    synthetic.write(path, data)


def test_chx_result(tmp_path):
    chx(tmp_path / "uid=c8a1fb1f_Res.h5")
    assert only_layout(tmp_path / "uid=c8a1fb1f_Res.h5") == "chx"
    xf = open_result(tmp_path / "uid=c8a1fb1f_Res.h5")
    assert xf.kinds == ("multitau",)
    assert xf.q == pytest.approx(Q)
    assert xf.t_el == pytest.approx(synthetic.delays() * 1e-3)
    assert np.array_equal(xf.delay_frames, synthetic.delays())
    assert xf.g2 == pytest.approx(synthetic.g2_model(TAUS, Q)[1:])
    assert any("delay 0 is left out" in text for text in xf.warnings)
    assert xf.geometry.energy_kev == pytest.approx(9.65, rel=1e-3)
    assert xf.geometry.distance_m == pytest.approx(10.1)
    assert xf.geometry.pixel_m == pytest.approx(7.5e-5)
    assert (xf.geometry.bcx, xf.geometry.bcy) == (12.0, 11.0)
    assert (xf.sample, xf.scan) == ("PS 100 nm", "4711")
    assert xf.start_time.isoformat() == "2024-05-01T10:00:00"
    assert xf.n_frames == 298
    assert np.array_equal(xf.dqmap, synthetic.rings(3))
    assert xf.mask.all()
    assert xf.saxs_1d == pytest.approx([3.0, 2.0, 1.0])
    assert xf.metadata["/md/transmission"] == (0.2, "")


def test_chx_bins_are_in_the_order_of_their_numbers(tmp_path):
    """Attributes come back in the order of their names: "10" before "2"."""
    q = np.linspace(0.001, 0.012, 12)
    listed = {str(k): np.array([value]) for k, value in enumerate(q)}
    chx(
        tmp_path / "a.h5",
        qval_dict=(np.zeros(1, "i4"), listed),
        g2=synthetic.g2_model(TAUS, q),
        roi_mask=synthetic.rings(12),
    )
    assert open_result(tmp_path / "a.h5").q == pytest.approx(q)


def test_chx_sectors(tmp_path):
    chx(tmp_path / "a.h5", phi=True)
    xf = open_result(tmp_path / "a.h5")
    assert xf.phi == pytest.approx([0, 45, 90])
    assert xf.q_labels[1] == "q=0.00600 Å⁻¹, φ=45.0 deg"


def test_chx_grazing_incidence(tmp_path):
    chx(tmp_path / "a.h5", phi=True, md={**MD, "beam_refl_center_x": 12.0})
    xf = open_result(tmp_path / "a.h5")
    assert xf.dynamic.names == ("qr", "qz")
    assert xf.dynamic.units == ("Å⁻¹", "Å⁻¹")


def test_chx_along_two_directions(tmp_path):
    chx(
        tmp_path / "a.h5",
        taus=None, g2=None, roi_mask=None, qval_dict=None,
        taus_v=TAUS, g2_v=synthetic.g2_model(TAUS, Q), roi_mask_v=synthetic.rings(3),
        taus_p=TAUS, g2_p=synthetic.g2_model(TAUS, Q), roi_mask_p=synthetic.rings(3),
        qval_dict_v=(np.zeros(1, "i4"), {str(k): [q] for k, q in enumerate(Q)}),
        qval_dict_p=(np.zeros(1, "i4"), {str(k): [q] for k, q in enumerate(Q)}),
    )  # fmt: skip
    xf = open_result(tmp_path / "a.h5")
    assert xf.n_q == 3
    assert "The file also holds g2_p, which are not shown." in xf.warnings


@pytest.mark.parametrize("alone", [False, True])
def test_chx_two_time(tmp_path, alone):
    """The q-bins lie along the last axis."""
    n = 20
    full = np.random.default_rng(3).normal(1.1, 0.01, (n, n, 3))
    full = (full + full.transpose(1, 0, 2)) / 2
    curves = np.stack([[np.diagonal(full[..., k], d).mean() for d in range(n)] for k in range(3)], axis=1)
    none = {"taus": None, "g2": None} if alone else {}
    chx(tmp_path / "a.h5", g12b=full, tausb=np.arange(n) * 2e-3, g2b=curves, **none)
    xf = open_result(tmp_path / "a.h5")
    assert xf.kinds == (("twotime",) if alone else ("multitau", "twotime"))
    assert xf.twotime_bins == (1, 2, 3)
    assert xf.c2_frame_time_s == pytest.approx(2e-3)
    two = xf.twotime(2)
    assert two.c2_upper == pytest.approx(np.triu(full[..., 1]), rel=1e-6)
    assert two.g2 == pytest.approx(curves[:, 1])


@pytest.mark.parametrize(
    ("key", "value", "kev"),
    [("wavelength", 1.2848, 9.65), ("eiger4m_single_photon_energy", 9650.0, 9.65), ("energy", "9.65", 9.65)],
)
def test_chx_energy_under_its_names(tmp_path, key, value, kev):
    md = {name: v for name, v in MD.items() if name != "incident_wavelength"} | {key: value}
    chx(tmp_path / "a.h5", md=md)
    assert open_result(tmp_path / "a.h5").energy_kev == pytest.approx(kev, rel=1e-3)


def test_chx_distance_in_millimetres(tmp_path):
    chx(tmp_path / "a.h5", md={**MD, "det_distance": 10100.0})
    assert open_result(tmp_path / "a.h5").geometry.distance_m == pytest.approx(10.1)


def test_chx_without_q_is_refused(tmp_path):
    chx(tmp_path / "a.h5", qval_dict=None)
    with pytest.raises(IncompleteFile, match="qval_dict is missing"):
        open_result(tmp_path / "a.h5")


# -- Xana results in HDF5


def xana(path: Path, repetitions: int | None = 4, **change: Any) -> dict[str, np.ndarray]:
    t, n = synthetic.delays() * 1e-3, 20
    rng = np.random.default_rng(1)
    lead = () if repetitions is None else (repetitions,)
    g2 = 1 + rng.random((*lead, 3, t.size)).astype(np.float32)
    c2 = rng.normal(1.1, 0.01, (*lead, 2, n, n)).astype(np.float32)
    c2 = (c2 + np.swapaxes(c2, -1, -2)) / 2
    data: dict[str, Any] = {
        "/xpcs/g2s/delay": t,
        "/xpcs/g2s/q": Q * 10,
        "/xpcs/g2s/g2s_filtered": g2,
        "/xpcs/g2s/g2s_err": np.full_like(g2, 1e-3),
        "/xpcs/ttcs/q": Q[[0, 2]] * 10,
        "/xpcs/ttcs/times": np.arange(n) * 5e-3,
        "/xpcs/ttcs/twotime_par": np.array([0, 2]),
        "/xpcs/ttcs/ttc_rep_qs_avg_filtered": c2,
        "/xpcs/scans": np.arange(8),
        "/saxs/q": np.linspace(0.01, 0.1, 7),
        "/saxs/I": np.arange(14.0).reshape(2, 7),
        "/elog/Temperature, K": "250",
    }
    data.update({"/" + name.replace("__", "/"): value for name, value in change.items()})
    synthetic.write(path, data)
    return {"g2": g2, "c2": c2}


@pytest.mark.parametrize("repetitions", [None, 1, 4])
def test_xana_results_in_hdf5(tmp_path, repetitions):
    made = xana(tmp_path / "ferritin_gly_50_0002.h5", repetitions)
    assert only_layout(tmp_path / "ferritin_gly_50_0002.h5") == "xana_export"
    xf = open_result(tmp_path / "ferritin_gly_50_0002.h5")
    first = made["g2"] if repetitions is None else made["g2"][0]
    assert xf.kinds == ("multitau", "twotime")
    assert xf.g2 == pytest.approx(first.T)
    assert xf.q == pytest.approx(Q)
    assert any("1/nm is assumed" in text for text in xf.warnings)
    assert xf.t_el == pytest.approx(synthetic.delays() * 1e-3)
    assert xf.twotime_bins == (1, 3)
    matrix = made["c2"][1] if repetitions is None else made["c2"][0, 1]
    assert xf.twotime(3).c2_upper == pytest.approx(np.triu(matrix))
    assert xf.c2_frame_time_s == pytest.approx(5e-3)
    assert xf.saxs_1d == pytest.approx(np.arange(14.0).reshape(2, 7).mean(axis=0))
    assert xf.temperature_k == 250.0
    assert any("4 repetitions" in text for text in xf.warnings) == (repetitions == 4)


def test_xana_units_that_are_named_are_honoured(tmp_path):
    xana(
        tmp_path / "a.h5",
        xpcs__g2s__q=(Q, {"units": "1/angstrom"}),
        xpcs__g2s__delay=(synthetic.delays() * 1.0, {"unit": "ms"}),
    )
    xf = open_result(tmp_path / "a.h5")
    assert xf.q == pytest.approx(Q)
    assert xf.t_el == pytest.approx(synthetic.delays() * 1e-3)
    assert not any("1/nm is assumed" in text for text in xf.warnings)


def test_xana_matrices_find_their_bin_by_q(tmp_path):
    xana(tmp_path / "a.h5", xpcs__ttcs__twotime_par=None)
    assert open_result(tmp_path / "a.h5").twotime_bins == (1, 3)


def test_xana_of_another_shape_is_refused(tmp_path):
    xana(tmp_path / "a.h5", xpcs__g2s__g2s_filtered=np.ones((3, 5)))
    with pytest.raises(IncompleteFile, match="g2s_filtered: expected shape"):
        open_result(tmp_path / "a.h5")


# -- the ancestor of the pilot


def xicam(path: Path, **change: Any) -> None:
    data: dict[str, Any] = {
        "/entry/XPCS/data/g2": synthetic.g2_model(synthetic.delays() * 1e-3, Q),
        "/entry/XPCS/data/g2_stderr": np.full((synthetic.delays().size, 3), 1e-3),
        "/entry/XPCS/data/tau": (synthetic.delays() * 1.0, {"units": "ms"}),
        "/entry/XPCS/instrument/mask/dqlist": Q,
        "/entry/SAXS_2D/data/I": np.ones((H, W)),
        "/entry/SAXS_1D/data/Q": np.linspace(0.001, 0.1, 7),
        "/entry/SAXS_1D/data/I": np.ones(7),
    }
    data.update({"/" + name.replace("__", "/"): value for name, value in change.items()})
    synthetic.write(path, data)


@pytest.mark.parametrize("frames", [False, True])
def test_ancestor_of_the_pilot(tmp_path, frames):
    change = {"entry__XPCS__data__tau": synthetic.delays(), "entry__metadata__exposure_period": 1e-3}
    xicam(tmp_path / "a.nxs", **(change if frames else {}))
    xf = open_result(tmp_path / "a.nxs")
    assert xf.layout == "bes_pilot"
    assert xf.t_el == pytest.approx(synthetic.delays() * 1e-3)
    assert xf.q == pytest.approx(Q)
    assert xf.g2_err == pytest.approx(np.full(xf.g2.shape, 1e-3))


def test_ancestor_without_frame_time_says_what_to_add(tmp_path):
    xicam(tmp_path / "a.nxs", entry__XPCS__data__tau=synthetic.delays())
    with pytest.raises(IncompleteFile, match="tau is in frames and the file does not hold the frame time"):
        open_result(tmp_path / "a.nxs")


# -- refusals


def databroker(path: Path, children: str) -> None:
    with h5py.File(path, "w") as h5:
        run = h5.create_group("c8a1fb1f-1960-49f8-927a-c29fca8aaafa")
        run.attrs["start"] = '{"uid": "c8a1fb1f", "scan_id": 3}'
        run.attrs[children] = "[]"
        run.create_dataset("primary/data/eiger4m_image", data=np.zeros((2, 4, 5)))
        h5.create_dataset("mask", data=np.ones((4, 5)))


@pytest.mark.parametrize("children", ["stop", "descriptors"])
def test_a_run_of_a_databroker_is_no_mask(tmp_path, children):
    databroker(tmp_path / "run.h5", children)
    with pytest.raises(UnknownLayout, match=r"run exported from a databroker.* no correlation"):
        open_result(tmp_path / "run.h5")


@pytest.mark.parametrize(
    ("left", "text"), [({}, "images and maps"), ({"spec_kmean": np.ones((3, 4))}, "speckle visibility")]
)
def test_a_chx_file_without_correlation_is_no_mask(tmp_path, left, text):
    chx(tmp_path / "a.h5", g2=None, taus=None, **left)
    with pytest.raises(UnknownLayout, match=f"NSLS-II CHX with {text} and without g2"):
        open_result(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("data", "attributes", "text"),
    [
        ({"/entry_0000/correlations/full/g2/lag": 1}, {"MagicString": "XPCSResultFile_v2.0"}, "ESRF ID02"),
        ({"/entry_0000/title": "XPCSResultFile", "/entry_0000/dynamix/x": 1}, {}, "ESRF ID02"),
        ({"/entry_0001/1_XPCS/results/g2": np.ones((3, 4))}, {}, "dahu"),
        ({"/train_resolved/correlation/g2": 1, "/utility/mask": 1}, {}, "European XFEL"),
        ({"/One-time correlation function/1-TCF": np.ones((4, 3))}, {}, "CATERETE"),
        ({"/Multi-tau/q = 0.01": np.ones(3)}, {}, "CATERETE"),
    ],
)
def test_results_of_other_facilities_are_named(tmp_path, data, attributes, text):
    synthetic.write(tmp_path / "a.h5", data)
    with h5py.File(tmp_path / "a.h5", "a") as h5:
        h5.attrs.update(attributes)
    with pytest.raises(UnknownLayout, match=f"{text}.*not read yet; write it as NXxpcs"):
        open_result(tmp_path / "a.h5")


@pytest.mark.parametrize("names", [("pixel_index", "frame_pointer"), ("time_index", "pixel_pointer")])
def test_a_list_of_photons_is_raw_data(tmp_path, names):
    synthetic.write(tmp_path / "a.h5", {f"/{n}": np.arange(3) for n in ("intensity", *names)})
    with pytest.raises(UnknownLayout, match="raw data file: a list of photons; correlate it first"):
        open_result(tmp_path / "a.h5")


def test_raw_frames_under_any_entry(tmp_path):
    synthetic.write(tmp_path / "a.h5", {"/scan_7/data/data": np.zeros((7, 4, 5), np.uint16)})
    with h5py.File(tmp_path / "a.h5", "a") as h5:
        h5["/scan_7"].attrs["NX_class"] = "NXentry"
    with pytest.raises(UnknownLayout, match="raw data file: 7 frames of 4 × 5 pixels"):
        open_result(tmp_path / "a.h5")


def test_what_stands_under_other_names_is_listed(tmp_path):
    synthetic.write(tmp_path / "a.h5", {"/xpcs/curves/tau": np.ones(3), "/xpcs/notes": "x"})
    with pytest.raises(
        UnknownLayout, match=r"under /xpcs \(curves, notes\).*if it is a result, write it as NX"
    ):
        open_result(tmp_path / "a.h5")
