"""Files that stand in for samples of other people, which may not be handed on: same layouts, same oddities.

They are written with plain h5py from the description of the layouts, and what is in them is drawn from
stated laws with a fixed seed, so their truth is known: see `Known`. Nothing of the product makes them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

LLPS_STRONG = "llps_Average_B0147_S3_7_300C10p_att00_Rq0_01251_01313_results.hdf"
LLPS_MIDDLE = "llps_Average_B0147_S3_7_300C10p_att00_Rq0_00801_00950_results.hdf"
LLPS_WEAK = "llps_Average_B0146_S3_7_060C10p_att00_Rq0_00001_00050_results.hdf"
E0173 = "llps_E0173_H06-c6c5-4_a0009_f100000_r00001_results.hdf"
BES = "bes_B009_Aerogel_1mm_025C_att1_Lq0_001_0001-10000.nxs"

HC = 12.39841984  # keV Å
N_FRAMES, FRAME_TIME_S = 100_000, 2e-5
CONTRAST = 0.16


@dataclass(frozen=True)
class Known:
    """What is known of one file, by counting what is in it with loops of our own or from its description.

    Attributes
    ----------
    files : how many were averaged; 0 for one acquisition.
    zeros, starved : points of g2 that are 0; that expect fewer than ten coincidences.
    predicted : zeros that counting expects.
    first : g2 and its error at the first delay of the first q-bin.
    q : centres of the first and of the last dynamic bin, Å⁻¹.
    shape : of the detector.
    statics : static bins with pixels.
    cells : place of some static labels in the grid of q and φ.
    ring : static label -> centres (q, φ), and mean q of its pixels.
    span : smallest and largest q of the used pixels, with q = k sin α.
    scale : I(q) over the image, where the two disagree; else 1.
    segments : sum of the segments over I(q).
    used : share of the pixels that the mask leaves.
    map_hash : as the file states it.
    """

    files: int = 0
    zeros: int = 0
    starved: int = 0
    predicted: float = 0.0
    first: tuple[float, float] = (0.0, 0.0)
    q: tuple[float, float] = (0.0, 0.0)
    shape: tuple[int, int] = (0, 0)
    statics: int = 0
    cells: dict[int, tuple[int, int]] = field(default_factory=dict)
    ring: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    span: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    segments: float = 0.0
    used: float = 0.0
    map_hash: str = ""


_Q = (0.0037637686035959274, 0.03306626528321657)
_LABELS: dict[str, Any] = {
    "q": _Q, "shape": (512, 1024), "statics": 1476, "cells": {700: (87, 3), 1476: (269, 0)},
    "ring": {700: (0.0130617, -22.49, 0.0130622)}, "span": (0.003200259, 0.0336297748),
}  # fmt: skip
#: What was found in the real files with other programs, once.
REAL = {
    LLPS_STRONG: Known(54, 33, 132, 30, (1.1388868, 0.009231445), **_LABELS),
    LLPS_MIDDLE: Known(131, 40, 292, scale=2.6, **_LABELS),
    LLPS_WEAK: Known(43, 314, 772, 333, **_LABELS),
    E0173: Known(
        0, 471, 959, 479, (1.1994059, 0.030238451), (0.0030430598119718945, 0.04999652465543676),
        (1676, 2100), 360, segments=0.982, map_hash="2d55f5e494cb4b71c7b33ae1e2ef094b9f4f7b5e",
    ),
    BES: Known(q=(0.00199916, 0.05896644), shape=(516, 1556), used=0.9662),
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What a stand-in for a multi-tau result is drawn from.

    Attributes
    ----------
    seed : of every draw.
    shape, centre, pixel_m, distance_m, energy_kev : of the q-map (rows, columns; x, y).
    span : q of the used pixels, Å⁻¹.
    bins, rings, sectors : dynamic bins of q, static bins of q and of φ.
    first : coincidences at the first delay, at the first, a quarter, half, three quarters and the last bin.
    diffusion : Å²/s.
    files : names of the files averaged.
    scale : I(q) over the image.
    """

    seed: int
    shape: tuple[int, int]
    centre: tuple[float, float]
    pixel_m: float
    distance_m: float
    energy_kev: float
    span: tuple[float, float]
    bins: int
    rings: int
    sectors: int
    first: tuple[float, ...]
    diffusion: float
    files: tuple[str, ...] = ()
    temperature_c: float = 20.0
    start: str = "2025-03-29 18:02:23.107048"
    scale: float = 1.0


def _averaged(seed: int, number: int, first: tuple[float, ...], diffusion: float, **more: Any) -> Plan:
    files = tuple(f"B{seed}_S3_{k:05d}_results.hdf" for k in range(1, number + 1))
    return Plan(
        seed, (512, 1024), (581.5, 235.5), 76e-6, 7.8, 10.945, (0.0032, 0.03363), 27, 270, 8, first,
        diffusion, files, start="2022-03-07 00:08:07", **more,
    )  # fmt: skip


def plans() -> dict[str, Plan]:
    """What each stand-in for a multi-tau result is drawn from, by name."""
    return {
        LLPS_STRONG: _averaged(147, 54, (16e3, 900, 70, 3.5, 0.1), 1.2e5, temperature_c=30.0),
        LLPS_MIDDLE: _averaged(148, 131, (130, 40, 9, 0.8, 0.05), 2e5, temperature_c=28.44, scale=2.6),
        LLPS_WEAK: _averaged(146, 43, (0.87, 0.65, 0.3, 0.05, 0.004), 1e7, temperature_c=6.0),
        E0173: Plan(
            173, (419, 525), (419.375, 210.375), 300e-6, 11.6, 12.34, (0.002372, 0.050668), 36, 360, 1,
            (2200, 9, 0.6, 0.08, 0.01), 2e6,
        ),
    }  # fmt: skip


def delays() -> np.ndarray:
    """61 delays in frames: 1 … 4, then (5, 6, 7, 8) · 2^k, below the last whole sum of 2^k frames."""
    found, step = [1, 2, 3, 4], 1
    while 5 * step < N_FRAMES // step * step:
        found += [x * step for x in (5, 6, 7, 8) if x * step < N_FRAMES // step * step]
        step *= 2
    return np.array(found)


def pairs(lags: np.ndarray) -> np.ndarray:
    """Products of a frame and a later one that go into each delay, with the frames that a level adds up."""
    levels = [0 if k < 8 else (k - 4) // 4 for k in range(lags.size)]
    return np.array([(N_FRAMES - lag) * 2.0**level for lag, level in zip(lags, levels, strict=True)])


@dataclass
class _Map:
    """q and φ of the pixels, and their labels."""

    q: np.ndarray
    phi: np.ndarray
    mask: np.ndarray
    dynamic: np.ndarray
    static: np.ndarray
    cells: np.ndarray  # place in the grid of each static label
    axes: dict[str, np.ndarray]


def _map(plan: Plan) -> _Map:
    """Cut the detector as the maker of partitions does: equal steps of q and φ, labels in order, no gaps."""
    rows, columns = np.indices(plan.shape)
    up, right = plan.centre[1] - rows, columns - plan.centre[0]
    angle = np.arctan(np.hypot(up, right) * plan.pixel_m / plan.distance_m)
    q = 2 * math.pi * plan.energy_kev / HC * np.sin(angle)
    phi = np.degrees(np.arctan2(up, right))
    mask = (q > plan.span[0]) & (q < plan.span[1])
    third = plan.shape[1] // 3
    mask[:, third : third + 4] = False  # between modules
    mask[(up < 0) & (np.abs(right) < plan.shape[1] / 100)] = False  # the beam stop's arm
    dead = np.random.default_rng(plan.seed).integers(0, mask.size, mask.size // 2000)
    mask.ravel()[dead] = False

    def cut(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        edges = np.linspace(values[mask].min(), values[mask].max(), count + 1)
        number = np.digitize(np.round(values, 12), np.round(edges, 12)) - 1
        return np.clip(number, 0, count - 1), (edges[1:] + edges[:-1]) / 2

    fine, static_q = cut(q, plan.rings)
    sector, static_phi = cut(phi, plan.sectors)
    coarse, dynamic_q = cut(q, plan.bins)
    cell = np.where(mask, fine * plan.sectors + sector, -1)
    cells = np.unique(cell[mask])
    label = np.zeros(plan.rings * plan.sectors + 1, int)
    label[cells] = np.arange(1, cells.size + 1)
    axes = {
        "static_v_list_dim0": static_q,
        "static_v_list_dim1": static_phi if plan.sectors > 1 else np.zeros(1),
        "dynamic_v_list_dim0": dynamic_q,
        "dynamic_v_list_dim1": np.zeros(1),
    }
    per_bin = plan.rings // plan.bins
    dynamic = np.where(mask, fine // per_bin + 1, 0)
    assert np.array_equal(dynamic[mask], coarse[mask] + 1)
    return _Map(q, phi, mask, dynamic, np.where(mask, label[cell], 0), cells, axes)


def _intensity(plan: Plan, m: _Map) -> np.ndarray:
    """(H, W) photons per pixel and frame that make the planned coincidences."""
    pixels = np.bincount(m.dynamic.ravel(), minlength=plan.bins + 1)[1:]
    at = np.linspace(0, 1, len(plan.first))
    wanted = np.exp(np.interp(np.linspace(0, 1, plan.bins), at, np.log(plan.first)))
    level = np.sqrt(wanted / pixels / N_FRAMES / max(1, len(plan.files)))
    centres = m.axes["dynamic_v_list_dim0"]
    return np.exp(np.interp(m.q, centres, np.log(level)))


def _means(labels: np.ndarray, image: np.ndarray) -> np.ndarray:
    return np.bincount(labels.ravel(), image.ravel())[1:] / np.bincount(labels.ravel())[1:]


def _multitau(path: Path, plan: Plan) -> Known:
    """Draw and write one result of the present layout."""
    rng = np.random.default_rng(plan.seed)
    m, lags, files = _map(plan), delays(), max(1, len(plan.files))
    true = _intensity(plan, m)
    image = (rng.poisson(np.where(m.mask, true, 0) * N_FRAMES * files) / (N_FRAMES * files)).astype(
        np.float32
    )
    rings, dynamic_of = _means(m.static, image), np.zeros(m.cells.size, int)
    dynamic_of[m.static[m.mask] - 1] = m.dynamic[m.mask] - 1
    pixels = np.bincount(m.static.ravel())[1:]

    def coincidences(ring: np.ndarray) -> np.ndarray:
        rate = np.zeros(plan.bins)
        for s in range(ring.size):
            rate[dynamic_of[s]] += pixels[s] * float(ring[s]) ** 2
        return files * pairs(lags)[:, None] * rate

    drawn_from = coincidences(_means(m.static, true))
    q = m.axes["dynamic_v_list_dim0"]
    model = 1 + CONTRAST * np.exp(-2 * lags[:, None] * FRAME_TIME_S * plan.diffusion * q**2)
    found = rng.poisson(model * drawn_from)
    g2 = found / drawn_from
    # the spread over pixels, which is far too small where most pixels saw no coincidence
    shared = np.clip(np.sqrt(drawn_from / np.bincount(m.dynamic.ravel())[1:]), 0.02, 0.9)
    error = np.where(found > 0, np.sqrt(np.maximum(found, 1)) / drawn_from * shared, 0.0)

    curve = _means(m.static, image) * plan.scale
    edges = np.arange(13) * (8183 if not plan.files else N_FRAMES // 12)
    frames = np.diff(edges)
    per_frame = _means(m.static, true)[None, :] * pixels * frames[:, None]
    tilt = 1 + 0.117 * ((edges[1:] + edges[:-1]) / 2 / N_FRAMES - 0.5)
    segments = rng.poisson(per_frame * tilt[:, None]) / pixels
    segments = segments if plan.files else segments / N_FRAMES  # averages keep sums of their first file
    beam = 1 + 0.117 * (np.arange(N_FRAMES) / N_FRAMES - 0.5)
    level = float(image[m.mask].mean())
    counts = rng.poisson(level * m.mask.sum() * beam) / m.mask.sum()
    counts *= (2.7 if plan.files else 1.0) * level / counts.mean()
    _write_multitau(path, plan, m, {
        "g2": g2.astype(np.float32), "error": error.astype(np.float32), "lags": lags, "image": image,
        "curve": curve, "segments": segments, "counts": counts,
    })  # fmt: skip
    expected = coincidences(rings if plan.files else curve.astype(np.float32))
    some = [1, m.cells.size // 2 + 3, m.cells.size]
    return Known(
        files=len(plan.files),
        zeros=int(np.sum(found == 0)),
        starved=int(np.sum(expected < 10)),
        predicted=float(np.sum(np.exp(-expected))),
        first=(float(np.float32(g2[0, 0])), float(np.float32(error[0, 0]))),
        q=(float(q[0]), float(q[-1])),
        shape=plan.shape,
        statics=int(m.cells.size),
        cells={k: divmod(int(m.cells[k - 1]), plan.sectors) for k in some},
        ring={k: _centre(m, plan, k) for k in some},
        span=(float(m.q[m.mask].min()), float(m.q[m.mask].max())),
        scale=plan.scale,
        segments=float(np.median(segments.sum(axis=0) / curve)),
        used=float(m.mask.mean()),
        map_hash=_hash(plan),
    )


def _hash(plan: Plan) -> str:
    return hashlib.sha1(repr((plan.shape, plan.centre, plan.span)).encode()).hexdigest()


def _centre(m: _Map, plan: Plan, label: int) -> tuple[float, float, float]:
    i, j = divmod(int(m.cells[label - 1]), plan.sectors)
    axes = m.axes["static_v_list_dim0"], m.axes["static_v_list_dim1"]
    return float(axes[0][i]), float(axes[1][j]), float(m.q[m.static == label].mean())


def _write_multitau(path: Path, plan: Plan, m: _Map, made: dict[str, np.ndarray]) -> None:
    one = plan.files != ()

    def odd(value: float) -> Any:
        """Averages hold some scalars as tables."""
        return np.full((1, 1), value, np.float32) if one else value

    entry: dict[str, Any] = {
        "start_time": plan.start, "end_time": "2025-03-29 18:02:27.107054", "beamline": "APS-8-ID-I",
        "scan_number": 1, "entry_identifier": "xpcs_20240214_120000",
        "instrument/detector_1/frame_time": odd(FRAME_TIME_S),
        "instrument/detector_1/count_time": FRAME_TIME_S, "instrument/detector_1/detector_name": "rigaku3M",
        "instrument/detector_1/distance": 9.03001335, "instrument/detector_1/x_pixel_size": 7.5e-05,
        "instrument/detector_1/y_pixel_size": 7.5e-05, "instrument/detector_1/beam_center_x": 1677.5,
        "instrument/detector_1/beam_center_y": 841.5, "instrument/bluesky/scan_id": 1,
        "instrument/incident_beam/incident_energy": 12.339109324708671,
        "instrument/monochromator/energy": 1.0, "instrument/monochromator/wavelength": 1.0,
        "sample/qnw1_temperature": odd(plan.temperature_c),
        "sample/qnw_lakeshore": 300.2, "sample/short_description": "Short sample description",
        "user/name": "John Doe", "user/proposal_id": "none",
    }  # fmt: skip
    if not one:  # the same detector as that of the q-map, only further away
        entry |= {
            "instrument/detector_1/x_pixel_size": plan.pixel_m,
            "instrument/detector_1/y_pixel_size": plan.pixel_m,
            "instrument/detector_1/beam_center_x": plan.centre[0],
            "instrument/detector_1/beam_center_y": plan.centre[1],
        }  # fmt: skip
    config: dict[str, Any] = {
        "analysis_type": "multitau", "avg_frame": 1, "stride_frame": 1, "begin_frame": 0, "end_frame": -1,
        "smooth": "sqmap", "save_G2": False, "qmap": "/simulated/qmap.hdf",
        "raw": [f.replace("_results.hdf", ".bin") for f in plan.files] if one else "/simulated/raw.bin",
        **({"num_partial_g2": 0, "normalize_frame": True} if one else {}),
    }  # fmt: skip
    labels = {"dynamic_roi_map": m.dynamic.astype(np.uint8), "static_roi_map": m.static.astype(np.uint16)}
    with h5py.File(path, "w") as h5:
        for name in ("definition", "schema_version"):
            h5.create_group(f"entry/{name}")  # groups where others have texts
        for name, value in entry.items():
            h5[f"entry/{name}"] = value
        for name, value in config.items():
            h5[f"xpcs/multitau/config/{name}"] = value
        h5["xpcs/multitau/delay_list"] = made["lags"]
        h5["xpcs/multitau/normalized_g2"] = made["g2"]
        h5["xpcs/multitau/normalized_g2_err"] = made["error"]
        for name, array in {**labels, "mask": m.mask}.items():
            h5.create_dataset(f"xpcs/qmap/{name}", data=array, compression="lzf", chunks=(64, 128))
        for name, axis in m.axes.items():
            h5[f"xpcs/qmap/{name}"] = axis
            which = ("q", "Å⁻¹") if name.endswith("0") else ("phi", "deg")
            h5[f"xpcs/qmap/{name}"].attrs.update({"name": which[0], "unit": which[1], "size": str(axis.size)})
        qmap = {
            "beam_center_x": plan.centre[0], "beam_center_y": plan.centre[1], "energy": plan.energy_kev,
            "detector_distance": plan.distance_m, "pixel_size": plan.pixel_m,
            "dynamic_num_pts": np.array([plan.bins, 1]),
            "static_num_pts": np.array([plan.rings, plan.sectors]),
            "dynamic_index_mapping": np.arange(plan.bins, dtype=np.uint8),
            "static_index_mapping": m.cells.astype(np.uint16),
            "map_names": ["q", "phi"], "map_units": ["Å⁻¹", "deg"], "source_file": "/simulated/source.hdf",
        }  # fmt: skip
        for name, value in qmap.items():
            h5[f"xpcs/qmap/{name}"] = value
        h5["xpcs/qmap"].attrs.update({"hash": _hash(plan), "version": "0.2.0.post7+g7329249"})
        if one:
            h5["xpcs/average/file_list"] = list(plan.files)
        h5["xpcs/rawdata_path"] = f"/simulated/{path.name.removesuffix('_results.hdf')}.bin"
        means = "xpcs/temporal_mean"
        h5[f"{means}/scattering_1d"] = made["curve"][None].astype(np.float32)
        h5[f"{means}/scattering_1d_segments"] = made["segments"].astype(np.float32)
        h5.create_dataset(f"{means}/scattering_2d", data=made["image"][None], compression="lzf")
        times = np.stack([np.arange(N_FRAMES), made["counts"]]).astype(np.float32)
        h5.create_dataset("xpcs/spatial_mean/intensity_vs_time", data=times, compression="lzf")


def _pilot(path: Path) -> Known:
    """A gel that does not decay in the window, as the NeXus pilot of 2020 stores it."""
    rng, shape = np.random.default_rng(9), (516, 1556)
    q = np.linspace(0.00199916, 0.05896644, 27)
    band = np.broadcast_to(np.arange(shape[1]) * 27 // shape[1] + 1, shape)
    labels = np.where(rng.random(shape) < 0.034, 0, band).astype(np.uint32)
    t = np.array([1, 2, 3, 4, *(x << k for k in range(11) for x in (5, 6, 7, 8))]) * 5e-4
    error = np.full((t.size, 27), 2.2e-3)
    g2 = 1.08 + error * rng.standard_normal(error.shape)
    static_q = np.linspace(q[0] - 1e-3, q[-1] + 1e-3, 270)
    temperature = 23.86300087
    notes: dict[str, Any] = {
        "energy": 10.97, "distance": 3930.0, "exposure_period": 5e-4, "exposure_time": 5e-4,
        "adu_per_photon": 1.0,
        "x_pixel_size": 0.055, "y_pixel_size": 0.055, "sample_temperature_A": temperature,
        "sample_thickness": 1.0, "gain": np.uint32(1), "x_dimension": np.uint32(shape[1]),
    }  # fmt: skip
    texts = {
        "start_time": "Tue Feb 18 15:30:30 2020", "end_time": "Tue Feb 18 15:30:45 2020",
        "datafilename": f"{path.stem}.imm", "geometry": "TRANSMISSION", "manufacturer": "LAMBDA",
    }  # fmt: skip
    with h5py.File(path, "w") as h5:
        h5.attrs.update({"HDF5_Version": "1.10.4", "default": "entry", "file_name": path.name})
        for name, kind in (
            ("entry", "NXentry"), ("entry/XPCS", "NXprocess"), ("entry/XPCS/data", "NXdata"),
            ("entry/SAXS_1D", "NXsubentry"), ("entry/SAXS_2D", "NXsubentry"), ("entry/metadata", "NXnote"),
        ):  # fmt: skip
            h5.require_group(name).attrs["NX_class"] = kind
        data = h5["entry/XPCS/data"]
        for name, array, unit in (
            ("g2", g2.astype(np.float32), "scale"), ("g2_errors", error.astype(np.float32), "scale"),
            ("t_el", t.astype(np.float32), "s"), ("ql_dyn", q, "1/angstrom"),
        ):  # fmt: skip
            data.create_dataset(name, data=array, compression="gzip").attrs["units"] = unit
        data.create_dataset("masks/mask/mask", data=labels, compression="gzip")
        data["masks/mask/mask_names"] = np.array([f"q{k}" for k in range(27)], "S")
        data["masks/mask/usage"] = "Selective"
        image = rng.poisson(200, shape) / 3000
        masked = (labels == 0).astype(np.int64)  # 1 marks what is masked
        h5.create_dataset("entry/SAXS_2D/data/I", data=image.astype(np.float32), compression="gzip")
        h5.create_dataset("entry/SAXS_2D/data/mask", data=masked, compression="gzip")
        h5["entry/SAXS_1D/data/I"] = (0.07 * (static_q / static_q[0]) ** -1.5).astype(np.float32)
        h5["entry/SAXS_1D/data/Q"] = static_q
        h5["entry/SAXS_1D/data/Q"].attrs["units"] = "1/angstrom"
        for name, value in notes.items():
            h5[f"entry/metadata/{name}"] = np.atleast_1d(value)
        for name, text in texts.items():
            h5[f"entry/metadata/{name}"] = text
    return Known(q=(float(q[0]), float(q[-1])), shape=shape, used=float(np.mean(labels > 0)))


def makers() -> dict[str, Callable[[Path], Known]]:
    """How each stand-in is made, by the name of the file for which it stands in."""
    drawn = {name: (lambda path, plan=plan: _multitau(path, plan)) for name, plan in plans().items()}
    return {**drawn, BES: _pilot}
