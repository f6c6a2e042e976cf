"""Every pair of writer and reader: what is not kept is said, and what is not said is kept.

Every public attribute of `XpcsFile` is compared, found by introspection, so that one that is added is
compared without further ado; a method that takes arguments must say below how it is compared.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.conftest import A001, A001_QMAP, A002, A003, BES, E0173, LLPS_MIDDLE, LLPS_STRONG, LLPS_WEAK
from tests.hdf5 import synthetic
from tests.hdf5.test_layouts import DIALECTS, nxxpcs
from tests.hdf5.test_layouts_elsewhere import chx, renamed, xana, xicam
from xpcs_dash.cli import main
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.schemas import G2Data, GeometryMetadata, MaskSchema, PartitionSchema, QMapSchema
from xpcs_dash.hdf5.writer import write_own
from xpcs_dash.results.convert import convert
from xpcs_dash.results.opening import open_result
from xpcs_dash.results.xpcs_file import XpcsFile

H, W = synthetic.H, synthetic.W
#: What a file is, not what it holds; and whether coincidences are kept or computed: they are compared anyway.
IDENTITY = {"key", "path", "layout", "map_key", "restated", "stored_coincidences"}
#: Attributes that a field of the record stands behind under another name.
BASE = {
    "stride": "stride_frame",
    "avg": "avg_frame",
    "reading_warnings": "warnings",
    "has_unnormalized": "unnormalized_g2",
    "unnormalized_g2()": "unnormalized_g2",
    "carried()": "metadata",
    **dict.fromkeys(
        ("twotime_bins", "twotime_shape", "c2_frame_time_s", "c2_stride", "c2_avg", "twotime()",
         "twotime_curves()", "twotime_block()"), "twotime"),
}  # fmt: skip
_COUNTING = {
    "g2",
    "g2_err",
    "delay_frames",
    "n_frames",
    "saxs_1d",
    "saxs_2d",
    "dqmap",
    "sqmap",
    "averaged_from",
}
#: What is computed, and from which fields: it may differ where one of them is said to.
COMPUTED = {
    **dict.fromkeys(
        ("photon_check", "photons", "coincidences", "g2_sigma", "trusted", "starved_points", "ring_intensity",
         "ring_table", "warnings"), _COUNTING),
    "nbytes": _COUNTING | {"partial_g2", "partial_g2_err", "segments", "twotime"},
    "zero_points": {"g2"},
}  # fmt: skip
#: Settings and means of access, which are no quantities of a file.
NO_QUANTITY = {"min_coincidences", "per_map"}


# -- comparison


def by_label(read: Callable[[XpcsFile, int], Any]) -> Callable[[XpcsFile], Any]:
    return lambda file: {label: read(file, label) for label in file.twotime_bins}


METHODS: dict[str, Callable[[XpcsFile], Any]] = {
    "twotime": by_label(lambda file, label: file.twotime(label)),
    "twotime_curves": by_label(lambda file, label: file.twotime_curves(label)),
    "twotime_block": by_label(lambda file, label: file.twotime_block(label, slice(2, 9), slice(0, 12))),
    "unnormalized_g2": lambda file: (
        [file.unnormalized_g2(k) for k in range(file.n_delay)] if file.has_unnormalized else None
    ),
    "carried": lambda file: {item.path: item for item in file.carried().items if item.value is not None},
}


def quantities(file: XpcsFile) -> dict[str, Any]:
    """Every public attribute and, under its name with brackets, what every method gives."""
    found: dict[str, Any] = {n: v for n, v in vars(file).items() if not n.startswith("_")}
    for name in dir(XpcsFile):
        member = inspect.getattr_static(XpcsFile, name)
        if name.startswith("_") or name in NO_QUANTITY:
            continue
        if isinstance(member, property | cached_property):
            found[name] = getattr(file, name)
        elif callable(member):
            assert name in METHODS, f"say in METHODS how {name} is compared"
            found[f"{name}()"] = METHODS[name](file)
    return {name: value for name, value in found.items() if name not in NO_QUANTITY | IDENTITY}


def same(a: Any, b: Any) -> bool:
    """Equal, numbers to the rounding of double precision."""
    if isinstance(a, np.ndarray):
        if not isinstance(b, np.ndarray) or a.shape != b.shape:
            return False
        if a.dtype.kind not in "f":
            return a.dtype.kind == b.dtype.kind and np.array_equal(a, b)
        return bool(np.allclose(a, b, rtol=1e-12, atol=0, equal_nan=True))
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a)
        )
    if isinstance(a, Mapping):
        return isinstance(b, Mapping) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return same(np.array(a), np.array(b))
    if isinstance(a, np.dtype) or a is None:
        return a == b
    return type(a) is type(b) and a == b


#: Metadata that the APS layout adds from the header, where other programs look for it; nothing else may be.
ADDED: dict[str, Callable[[XpcsFile], Any]] = {
    "/entry/schema_version": lambda _: "1.0",
    "/entry/start_time": lambda f: f.start_time.isoformat(sep=" ", timespec="microseconds"),
    "/entry/end_time": lambda f: f.end_time.isoformat(sep=" ", timespec="microseconds"),
    "/entry/sample/name": lambda f: f.sample,
    "/entry/sample/qnw1_temperature": lambda f: f.temperature_k - 273.15,
    "/entry/instrument/detector_1/frame_time": lambda f: f.frame_time_s,
    "/entry/instrument/detector_1/count_time": lambda f: f.exposure_s or f.frame_time_s,
    "/entry/instrument/detector_1/distance": lambda f: f.geometry.distance_m,
    "/entry/instrument/detector_1/x_pixel_size": lambda f: f.geometry.pixel_m,
    "/entry/instrument/detector_1/y_pixel_size": lambda f: f.geometry.pixel_m,
    "/entry/instrument/detector_1/beam_center_x": lambda f: f.geometry.bcx,
    "/entry/instrument/detector_1/beam_center_y": lambda f: f.geometry.bcy,
    "/entry/instrument/incident_beam/incident_energy": lambda f: f.geometry.energy_kev,
    "/xpcs/multitau/config/analysis_type": lambda _: "multitau",
    "/xpcs/multitau/config/stride_frame": lambda f: f.stride,
    "/xpcs/multitau/config/avg_frame": lambda f: f.avg,
    "/xpcs/twotime/config/analysis_type": lambda _: "twotime",
    "/xpcs/twotime/config/stride_frame": lambda f: f.c2_stride,
    "/xpcs/twotime/config/avg_frame": lambda f: f.c2_avg,
}


def without_additions(file: XpcsFile, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """``after`` without what the APS layout adds; whatever else is added stays and is found."""
    added = set(after["metadata"]) - set(before["metadata"])
    for name in added & set(ADDED):
        assert after["metadata"][name][0] == pytest.approx(ADDED[name](file)), name
    return after | {
        "metadata": {n: v for n, v in after["metadata"].items() if n not in added & set(ADDED)},
        "carried()": {n: v for n, v in after["carried()"].items() if n not in added & set(ADDED)},
    }


def check(before: XpcsFile, to: str, out: Path) -> tuple[XpcsFile, set[str]]:
    """Convert, and demand that the differences are those that are warned about. Returns what is warned of."""
    made = convert(before, to, out)
    after = open_result(made.path)
    assert after.layout == {"own": "xpcs_dash", "aps": "aps_nexus"}[to]
    warned = {name for loss in made.losses for name in loss.quantities}
    old, new = quantities(before), quantities(after)
    assert old.keys() == new.keys()
    new = without_additions(before, old, new)
    differ = {name for name in old if not same(old[name], new[name])}
    stored = {BASE.get(name, name) for name in differ - COMPUTED.keys()}
    assert stored == warned, f"{before.path.name} to {to}: {sorted(stored ^ warned)}"
    for name in differ & COMPUTED.keys():
        assert warned & COMPUTED[name], f"{before.path.name} to {to}: {name} differs without a word"
    for loss in made.losses:
        assert loss.sentence.endswith(".")
        assert "\n" not in loss.sentence
    return after, warned


# -- files


def everything(path: Path, **change: Any) -> None:
    """The present APS layout with every option set, under a name that speaks of another scan."""
    rng = np.random.default_rng(5)
    t, q = synthetic.delays(), np.array([0.004, 0.006, 0.008])
    shape = (5, t.size, 4)
    dynamic = synthetic.rings(4)
    curves = synthetic.g2_model(t * 1e-3, q[[0, 0, 1, 2]]).astype(np.float32)
    two = synthetic.twotime(n=20, bins=(4, 1), stride=4, average=5)
    data = {
        "/entry/definition": "NXxpcs",
        "/entry/schema_version": "1.1",
        "/entry/start_time": "2026-03-14 09:26:53.589793",
        "/entry/end_time": "2026-03-14 09:27:53",
        "/entry/scan_number": 7,
        "/entry/entry_identifier": "xpcs_20260314",
        "/entry/instrument/bluesky/scan_id": 1,
        "/entry/instrument/detector_1/frame_time": (np.array([[2e-5]], np.float32), {"units": "s"}),
        "/entry/instrument/detector_1/position_x": (-230.0, {"units": "mm", "offset": 3}),
        "/entry/instrument/detector_1/distance": 9.03,
        "/entry/instrument/incident_beam/incident_energy": (12.34, {"units": "keV"}),
        "/entry/instrument/attenuators/transmission": np.array([0.1, 1.0]),
        "/entry/sample/name": "Short sample description",
        "/entry/sample/qnw1_temperature": (np.array([[6.1]], np.float32), {"units": "C"}),
        "/entry/sample/gap": (np.float32(np.nan), {"unit": "mm"}),
        "/entry/sample/note": "φ = 30°",
        "/entry/user/names": np.array([b"A", "Ä".encode()], dtype=object),
        "/entry/user/many": np.arange(50, dtype=np.int16),
        "/entry/user/fixed": np.bytes_(b"abc"),
        "/xpcs/multitau/config/stride_frame": 2,
        "/xpcs/multitau/config/avg_frame": 3,
        "/xpcs/multitau/config/overwrite": True,
        "/xpcs/multitau/config/smooth": "sqmap",
        "/xpcs/multitau/config/num_partial_g2": 5,
        "/xpcs/multitau/config/raw": np.array([b"one.bin", b"two.bin"] * 5, dtype=object),
        "/xpcs/multitau/normalized_g2": curves,
        "/xpcs/multitau/normalized_g2_err": rng.random(curves.shape).astype(np.float32) * 1e-3,
        "/xpcs/multitau/normalized_g2_partial": np.where(
            rng.random(shape) < 0.1, np.nan, 1 + rng.random(shape)
        ).astype(np.float32),
        "/xpcs/multitau/normalized_g2_partial_err": rng.random(shape).astype(np.float32),
        "/xpcs/multitau/normalized_g2_partial_labels": np.array([50, 100, 150, 200, 250]),
        "/xpcs/multitau/unnormalized_G2": rng.random((t.size, 3, H, W)).astype(np.float32),
        "/xpcs/temporal_mean/scattering_2d": rng.random((1, H, W)).astype(np.float32),
        "/xpcs/temporal_mean/scattering_1d": rng.random((1, 16)).astype(np.float32),
        "/xpcs/temporal_mean/scattering_1d_segments": rng.random((8, 16)).astype(np.float32),
        "/xpcs/spatial_mean/intensity_vs_time": np.stack((np.arange(256.0), rng.random(256))).astype("f4"),
        # five cells of which one is empty, in two directions
        "/xpcs/qmap/dynamic_roi_map": dynamic.astype(np.uint8),
        "/xpcs/qmap/static_roi_map": synthetic.split(dynamic, 4),
        "/xpcs/qmap/mask": (dynamic > 0) & (rng.random((H, W)) < 0.9),
        "/xpcs/qmap/blemish": rng.random((H, W)) < 0.95,
        "/xpcs/qmap/dynamic_v_list_dim0": q,
        "/xpcs/qmap/dynamic_v_list_dim1": np.array([-45.0, 45.0]),
        "/xpcs/qmap/dynamic_num_pts": np.array([3, 2]),
        "/xpcs/qmap/dynamic_index_mapping": np.array([0, 1, 2, 5], np.uint8),
        "/xpcs/qmap/static_v_list_dim0": np.linspace(0.003, 0.009, 6),
        "/xpcs/qmap/static_v_list_dim1": np.linspace(-90, 90, 3),
        "/xpcs/qmap/static_num_pts": np.array([6, 3]),
        "/xpcs/qmap/static_index_mapping": np.delete(np.arange(18, dtype=np.uint8), [4, 9]),
        "/xpcs/qmap/source_file": "frames.bin",
        "/xpcs/rawdata_path": "/gdata/frames.bin",
        "/xpcs/notes/by_hand": "kept",
        **two,
        "/xpcs/twotime/config/smooth": "sqmap",
        "/xpcs/twotime/config/dq_selection": "all",
        **change,
    }
    synthetic.aps(path, **{name[1:].replace("/", "__"): value for name, value in data.items()})
    with h5py.File(path, "a") as h5:
        h5["/entry"].attrs["NX_class"] = "NXentry"
        h5["/entry/sample"].attrs["NX_class"] = "NXsample"


def bare(path: Path) -> None:
    """The least that the present layout can do with: no errors, no mask, no image, no exposure."""
    synthetic.aps(
        path,
        multitau__normalized_g2_err=None,
        qmap__mask=None,
        temporal_mean__scattering_2d=None,
        temporal_mean__scattering_1d=None,
        temporal_mean__scattering_1d_segments=None,
        spatial_mean__intensity_vs_time=None,
        entry__instrument__detector_1__count_time=None,
        entry__instrument__incident_beam__incident_energy=None,
        qmap__energy=None,
        entry__sample__name=None,
        entry__sample__qnw1_temperature=None,
        entry__start_time=None,
    )


def own(path: Path) -> None:
    """Our own layout, written by hand from its description with every option set, in double precision."""
    rng = np.random.default_rng(6)
    t, q, n = synthetic.delays(), np.array([0.004, 0.006, 0.008]), 20
    labels = synthetic.rings(3).astype(np.int32)
    g2 = synthetic.g2_model(t * 6e-3, q)
    upper = {label: np.triu(rng.random((n, n))).astype(np.float32) for label in (3, 1)}
    geometry = GeometryMetadata.from_metres(
        energy_kev=10.9, distance_m=5.1, pixel_m=7.5e-5, bcx=14.3, bcy=11.1, shape=(H, W)
    )
    q_map = np.full((H, W), 0.01)
    bins = {
        f"/xpcs/bins/{which}/{name}": (value, "")
        for which, n0 in (("dynamic", 3), ("static", 12))
        for name, value in {
            "axis0": np.linspace(0.004, 0.008, n0),
            "axis1": np.zeros(1),
            "index_mapping": np.arange(n0),
            "names": ["q", "phi"],
            "units": ["Å⁻¹", "deg"],
        }.items()
    }
    write_own(
        path,
        g2=G2Data(g2, rng.random(g2.shape) * 1e-3, t * 6e-3, q),
        qmap=QMapSchema(q_map, q_map, q_map, (labels > 0).astype(int), labels),
        geometry=geometry,
        provenance={"sample": "gel", "author": "A. Person", "start_time": "2026-03-14T09:26:53"},
        extra={
            **bins,
            "/xpcs/g2/delay_frames": (t, "frames"),
            "/xpcs/g2/partial_g2": (rng.random((4, *g2.shape)), ""),
            "/xpcs/g2/partial_g2_err": (rng.random((4, *g2.shape)), ""),
            "/xpcs/g2/partial_labels": (np.array([10.0, 20, 30, 40]), "frames"),
            "/xpcs/g2/unnormalized_g2": (rng.random((t.size, 3, H, W)).astype(np.float32), ""),
            "/xpcs/qmap/static_partition_map": (synthetic.split(labels, 4).astype(np.int32), ""),
            "/xpcs/qmap/blemish": (labels != 2, ""),
            "/xpcs/saxs/saxs_1d": (rng.random(12), ""),
            "/xpcs/saxs/saxs_2d": (rng.random((H, W)).astype(np.float32), ""),
            "/xpcs/saxs/segments": (rng.random((8, 12)), ""),
            "/xpcs/saxs/int_t": (np.stack((np.arange(256) * 6e-3, rng.random(256))), ""),
            "/xpcs/acquisition/frame_time_s": (1e-3, "s"),
            "/xpcs/acquisition/exposure_s": (9e-4, "s"),
            "/xpcs/acquisition/stride_frame": (2, ""),
            "/xpcs/acquisition/avg_frame": (3, ""),
            "/xpcs/acquisition/n_frames": (250, ""),
            "/xpcs/acquisition/temperature_k": (293.123456789, "K"),
            "/xpcs/acquisition/intensity_unit": ("counts", ""),
            "/xpcs/acquisition/warnings": (["the beam was weak"], ""),
            "/xpcs/acquisition/geometry_mismatch": (["energy"], ""),
            "/xpcs/two_time/bins": (np.array([3, 1], np.int32), ""),
            "/xpcs/two_time/dt_s": (0.0213, "s"),
            "/xpcs/two_time/stride_frame": (7, ""),
            "/xpcs/two_time/avg_frame": (3, ""),
            "/xpcs/two_time/g2": (rng.random((n, 2)), ""),
            "/xpcs/two_time/g2_segments": (rng.random((4, 5, 2)), ""),
            **{f"/xpcs/two_time/c2_{label:05d}": (matrix, "") for label, matrix in upper.items()},
            "/tables/fit/tau": (rng.random(3), "s"),
        },
    )


def own_curves(path: Path) -> None:
    """What an export holds: curves alone."""
    t = synthetic.delays() * 1e-3
    g2 = synthetic.g2_model(t, np.array([0.004, 0.006]))
    write_own(path, g2=G2Data(g2, np.full(g2.shape, 1e-3), t, [0.004, 0.006]), provenance={"view": "g2"})


def own_masks(path: Path) -> None:
    labels = synthetic.rings(3)
    write_own(
        path, mask=MaskSchema(labels > 0), partition=PartitionSchema(labels, 3, (1.0, 2.0, 3.0), (9, 9, 9))
    )


def nxxpcs_with_two_time(path: Path) -> None:
    n = 12
    full = np.random.default_rng(4).random((3, n, n))
    nxxpcs(path, entry__twotime__two_time_corr_func=full + full.transpose(0, 2, 1), entry__title="a run")
    renamed(path, "/xpcs_scan3")


def chx_with_two_time(path: Path) -> None:
    full = np.random.default_rng(3).random((20, 20, 3))
    chx(path, phi=True, g12b=full + full.transpose(1, 0, 2), tausb=np.arange(20) * 2e-3)


def legacy_with_two_time(dialect: str) -> Callable[[Path], None]:
    matrix = np.triu(np.random.default_rng(1).random((20, 20))).astype(np.float32)
    root = "/xpcs" if dialect == "aps_2025" else "/exchange"
    return lambda path: DIALECTS[dialect](path, **{f"{root}/C2T_all/g2_00003": matrix})


NAME = "B0146_S3_7_060C10p_att00_Rq0_00001_00050_results.hdf"
MADE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "everything": (everything, NAME),
    "averaged": (
        lambda path: everything(
            path, **{"/xpcs/average/file_list": np.array([b"a_results.hdf", b"b_results.hdf"], dtype=object),
                     "/xpcs/average/coincidences": np.ones((29, 4))}
        ),
        "Average_" + NAME,
    ),
    "bare": (bare, NAME),
    "own": (own, "own.h5"),
    "own curves": (own_curves, "curves.h5"),
    "own masks": (own_masks, "masks.h5"),
    "nxxpcs": (nxxpcs_with_two_time, "a.nxs"),
    "chx": (chx_with_two_time, "uid=c8a1fb1f_Res.h5"),
    "xana": (xana, "ferritin.h5"),
    "xicam": (lambda path: xicam(path, entry__metadata__exposure_period=1e-3), "xicam.nxs"),
    **{dialect: (legacy_with_two_time(dialect), NAME) for dialect in DIALECTS},
}  # fmt: skip
SAMPLES = (A001, A001_QMAP, A002, A003, LLPS_STRONG, LLPS_MIDDLE, LLPS_WEAK, E0173, BES)

_HASH = {"map_hash"}
_SINGLE = {"g2", "g2_err", "partial_g2", "partial_g2_err", "saxs_1d", "segments", "int_t", "twotime"}
#: What the APS layout cannot keep, file by file. Our own layout keeps everything.
LOST_IN_APS = {
    "own": _SINGLE | _HASH,
    "nxxpcs": {"g2_err"} | _HASH,
    "chx": {"g2"} | _HASH,
    "aps_legacy": {"g2_err"} | _HASH,
    "aps_2023": {"g2_err"} | _HASH,
    "aps_2025": {"g2_err"} | _HASH,
    BES: {"t_el"} | _HASH,
}
#: Files that the APS layout cannot take at all.
REFUSED = {
    A001_QMAP: "no correlation",
    "own curves": "without its map of q-bins",
    "own masks": "no correlation",
    "xana": "without its map of q-bins",
    "xicam": "without its map of q-bins",
}


@pytest.fixture
def source(request: pytest.FixtureRequest, sample: Callable[[str], Path], tmp_path: Path) -> XpcsFile:
    if request.param in SAMPLES:
        return open_result(sample(request.param))
    write, name = MADE[request.param]
    (tmp_path / "source").mkdir()
    write(tmp_path / "source" / name)
    return open_result(tmp_path / "source" / name)


@pytest.mark.parametrize("first", ["own", "aps"])
@pytest.mark.parametrize(
    ("source", "case"), [(case, case) for case in (*SAMPLES, *MADE)], indirect=["source"]
)
def test_what_is_not_said_is_kept(source, case, first, tmp_path):
    """From every layout to both, and from there to both again: four pairs of writer and reader."""
    expected = {"own": set(), "aps": LOST_IN_APS.get(case, set())}
    if first == "aps" and case in REFUSED:
        with pytest.raises(UsageError, match=REFUSED[case]):
            convert(source, first, tmp_path / "E0001_other_results.hdf")
        return
    once, warned = check(source, first, tmp_path / "E0001_other_results.hdf")
    assert warned == expected[first]
    for second in ("own", "aps"):
        out = tmp_path / f"F0002_{second}_results.hdf"
        if second == "aps" and case in REFUSED:
            with pytest.raises(UsageError, match=REFUSED[case]):
                convert(once, second, out)
            continue
        _, warned = check(once, second, out)
        # what was rounded once is not rounded again
        assert warned == (set() if first == "aps" else expected[second])


def test_the_command_says_each_loss_in_a_sentence_and_succeeds(tmp_path, capsys):
    own(tmp_path / "own.h5")
    with pytest.raises(SystemExit) as done:
        main(["convert", str(tmp_path / "own.h5"), "--to", "aps", "--out", str(tmp_path / "out.hdf")])
    assert done.value.code == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(tmp_path / "out.hdf")
    lines = err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("xpcs-dash: ") and line.endswith(".") for line in lines)
    assert any("g2, the errors of g2" in line and "single precision" in line for line in lines)
    assert any("did not hold the hash of the q-map" in line for line in lines)


def test_without_loss_the_command_is_silent(tmp_path, capsys):
    everything(tmp_path / NAME)
    with pytest.raises(SystemExit):
        main(["convert", str(tmp_path / NAME), "--to", "own", "--out", str(tmp_path / "out.h5")])
    assert capsys.readouterr().err == ""


def test_own_keeps_the_time_of_a_frame(tmp_path):
    """Stride and averaging make each delay six times as long; without them they are lost on the way back."""
    everything(tmp_path / NAME)
    before = open_result(tmp_path / NAME)
    own_file = open_result(convert(before, "own", tmp_path / "own.h5").path)
    again = open_result(convert(own_file, "aps", tmp_path / "again_results.hdf").path)
    assert again.t_el == pytest.approx(synthetic.delays() * 2e-5 * 6, rel=1e-12)
    assert again.c2_frame_time_s == pytest.approx(2e-5 * 20, rel=1e-12)
    with h5py.File(again.path, "r", locking=False) as h5:
        assert h5["/xpcs/twotime/config/stride_frame"][()] == 4
        assert h5["/xpcs/twotime/config/avg_frame"][()] == 5


def test_aps_to_aps_keeps_what_nobody_asked_for(tmp_path):
    """Types, attributes, lists, and what stands beside the result."""
    everything(tmp_path / NAME)
    made = convert(open_result(tmp_path / NAME), "aps", tmp_path / "again_results.hdf").path
    with h5py.File(tmp_path / NAME, locking=False) as a, h5py.File(made, locking=False) as b:
        names = (
            *("/entry/instrument/detector_1/frame_time", "/entry/instrument/bluesky/scan_id"),
            *("/entry/user/many", "/entry/user/fixed", "/entry/user/names"),
            *("/xpcs/multitau/config/raw", "/xpcs/multitau/config/overwrite"),
            *("/xpcs/qmap/source_file", "/xpcs/notes/by_hand"),
        )
        for name in names:
            assert b[name].dtype == a[name].dtype, name
            assert np.array_equal(b[name][()], a[name][()]), name
        assert dict(b["/entry/instrument/detector_1/position_x"].attrs) == {"units": "mm", "offset": 3}
        assert b["/entry/sample"].attrs["NX_class"] == "NXsample"
        assert b["/xpcs/qmap"].attrs["version"] == "0.4.5"
        assert b["/xpcs/multitau/unnormalized_G2"].shape == a["/xpcs/multitau/unnormalized_G2"].shape
    assert open_result(made).scan == "B0146"


def test_scan_and_sample_do_not_depend_on_the_new_name(tmp_path):
    synthetic.aps(tmp_path / "plain.hdf", entry__sample__name=None)
    before = open_result(tmp_path / "plain.hdf")
    assert (before.scan, before.sample) == (None, None)
    after = open_result(convert(before, "aps", tmp_path / "C0007_gel_a0001_results.hdf").path)
    assert (after.scan, after.sample) == (None, None)


@pytest.mark.parametrize("limit", ["LARGEST", "TOGETHER"])
def test_what_is_too_large_to_carry_is_named(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(f"xpcs_dash.hdf5.carried.{limit}", 10_000)
    synthetic.aps(tmp_path / "a.hdf", entry__instrument__pixel_mask=np.zeros((50, 50)))
    made = convert(open_result(tmp_path / "a.hdf"), "own", tmp_path / "b.h5")
    sentences = [loss.sentence for loss in made.losses]
    assert sentences == ["/entry/instrument/pixel_mask is not carried along, because it takes 0.02 MB."]


def test_bins_without_a_centre_survive(tmp_path):
    """An older file that marks a whole row of cells as empty knows no q of that row."""
    empty = np.repeat([0.004, np.nan, 0.008], 3)
    DIALECTS["aps_legacy"](
        tmp_path / NAME,
        **{
            "/xpcs/sqlist": empty[None],
            "/xpcs/sphilist": np.where(np.isnan(empty), np.nan, np.tile([-60.0, 0, 60], 3))[None],
            "/xpcs/sqspan": None,
            "/exchange/partition-mean-total": np.arange(1.0, 7)[None],
            "/exchange/partition-mean-partial": np.ones((10, 6)),
        },
    )
    before = open_result(tmp_path / NAME)
    assert np.isnan(before.static.axis0).tolist() == [False, True, False]
    for to in ("own", "aps"):
        after, _ = check(before, to, tmp_path / f"{to}_results.hdf")
        assert same(after.static, before.static)


def test_infinite_numbers_are_said_to_change(tmp_path):
    """Our own layout refuses infinities, so they become NaN."""
    g2 = np.ones((synthetic.delays().size, 3), np.float32)
    g2[3, 1] = np.inf
    synthetic.aps(tmp_path / "a.hdf", multitau__normalized_g2=g2)
    made = convert(open_result(tmp_path / "a.hdf"), "own", tmp_path / "b.h5")
    assert [(loss.quantities, loss.sentence) for loss in made.losses] == [
        (("g2",), "The layout of xpcs-dash could not keep g2 as in the source.")
    ]


def test_a_label_map_and_the_mask_in_it_are_not_mixed_up(tmp_path):
    """NXxpcs keeps both in one dataset."""
    nxxpcs(tmp_path / "a.nxs")
    xf = open_result(tmp_path / "a.nxs")
    assert xf.dqmap.dtype == np.int32
    assert xf.mask.dtype == np.bool_
    assert np.array_equal(xf.dqmap > 0, xf.mask)


def test_averages_keep_the_metadata_of_their_source(tmp_path):
    from xpcs_dash.analysis.averaging import average, to_result
    from xpcs_dash.hdf5.aps_writer import write_aps

    everything(tmp_path / NAME)
    first = open_result(tmp_path / NAME)
    running = average([tmp_path / NAME, tmp_path / NAME], open_result)
    made = open_result(write_aps(tmp_path / "Average_results.hdf", to_result(running)))
    kept = without_additions(made, quantities(first), quantities(made))
    assert same(kept["metadata"], first.metadata)
    assert (made.scan, made.sample, made.stride, made.avg) == ("B0146", first.sample, 2, 3)
    for to in ("own", "aps"):
        check(made, to, tmp_path / f"{to}.h5")
