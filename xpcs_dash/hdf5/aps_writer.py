"""Writing of result files in the present APS 8-ID layout, from plain arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import SchemaError
from xpcs_dash.hdf5 import as_read
from xpcs_dash.hdf5.carried import Carried, carry
from xpcs_dash.hdf5.records import BinTable
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.hdf5.writer import Planes, atomic_hdf5, put, put_planes

__all__ = ["ApsResult", "ApsTwoTime", "map_hash", "write_aps"]


def _nothing() -> Mapping[str, tuple[Any, str]]:
    return {}


@dataclass(frozen=True, eq=False)
class ApsTwoTime:
    """Two-time part of a file to write.

    Parameters
    ----------
    bins : 1-based dynamic labels, in the order of ``matrices``.
    matrices : (N, N) each; the upper triangle with the diagonal is stored.
    g2 : (N, n) mean of each diagonal; None has it computed.
    g2_segments : (N // 5, 5, n) the same in five blocks along the diagonal; None has it computed.
    stride_frame, avg_frame : pre-processing factors of the two-time correlation.
    compute : False leaves out means that are None instead.
    """

    bins: Sequence[int]
    matrices: Sequence[NDArray[np.floating]]
    g2: NDArray[np.floating] | None = None
    g2_segments: NDArray[np.floating] | None = None
    stride_frame: int = 1
    avg_frame: int = 1
    compute: bool = True


@dataclass(frozen=True, eq=False)
class ApsResult:
    """One result to write; what is None is left out of the file.

    Parameters
    ----------
    dynamic, static : partitions; column k of an array over bins belongs to label k + 1.
    geometry : of the q-map; also written as the nominal one. None where it is not known.
    dqmap, sqmap : (H, W) labels, 0 masked.
    mask : (H, W) bool; None takes ``dqmap > 0``, but for a file made from another one, ``as_read``.
    blemish : (H, W) bool, False where the detector itself spoils a pixel.
    frame_time_s, exposure_s : seconds from frame to frame, and of exposure.
    delay_frames : (n_delay,) whole numbers.
    g2, g2_err : (n_delay, n_q).
    partial_g2, partial_g2_err, partial_labels : (n_seg, n_delay, n_q) cumulative, and (n_seg,) frames.
    saxs_2d : (H, W) photons per pixel and frame.
    saxs_1d : (n_static,); segments : (n_seg, n_static).
    int_t : (n_frames,) photons per pixel and frame.
    int_t_index : (n_frames,) the frames that these belong to; None counts them from 0.
    unnormalized_g2 : (n_delay, 3, H, W) G2, IP, IF of each pixel, or its planes one by one.
    temperature_c : °C.
    averaged_from : file list of an averaged result.
    extra : further datasets, path in the file → (value, unit); they win over what this writer would write.
    config : further entries of the correlation settings.
    carried : what an earlier file said, to the places that it had there; it wins over what this writer would
        write to ``/entry`` and to the settings.
    rest : what else that file held; here this writer wins.
    as_read : how that file was read, where this one would be read differently; see `xpcs_dash.hdf5.as_read`.
        What is None then counts as missing, although other readers find a substitute.
    """

    dynamic: BinTable
    geometry: GeometryMetadata | None
    dqmap: NDArray[np.integer]
    frame_time_s: float
    static: BinTable | None = None
    sqmap: NDArray[np.integer] | None = None
    mask: NDArray[np.bool_] | None = None
    blemish: NDArray[np.bool_] | None = None
    exposure_s: float | None = None
    delay_frames: NDArray[np.integer] | NDArray[np.floating] | None = None
    g2: NDArray[np.floating] | None = None
    g2_err: NDArray[np.floating] | None = None
    partial_g2: NDArray[np.floating] | None = None
    partial_g2_err: NDArray[np.floating] | None = None
    partial_labels: NDArray[np.floating] | None = None
    stride_frame: int = 1
    avg_frame: int = 1
    saxs_2d: NDArray[np.floating] | None = None
    saxs_1d: NDArray[np.floating] | None = None
    segments: NDArray[np.floating] | None = None
    int_t: NDArray[np.floating] | None = None
    int_t_index: NDArray[np.floating] | None = None
    unnormalized_g2: NDArray[np.floating] | Planes | None = None
    twotime: ApsTwoTime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    sample: str | None = None
    scan: str | None = None
    temperature_c: float | None = None
    raw_path: str | None = None
    averaged_from: Sequence[str] = ()
    map_hash: str | None = None
    extra: Mapping[str, tuple[Any, str]] = field(default_factory=_nothing)
    config: Mapping[str, Any] = field(default_factory=dict)
    carried: Sequence[Carried] = ()
    rest: Sequence[Carried] = ()
    as_read: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        n_q = self.dynamic.n
        shape = np.shape(self.dqmap) if self.geometry is None else tuple(self.geometry.shape)
        n_static = None if self.static is None else self.static.n
        n_delay = None if self.delay_frames is None else int(np.size(self.delay_frames))
        table = (n_delay, n_q)
        expected: dict[str, tuple[int | None, ...]] = {
            "dqmap": shape,
            "sqmap": shape,
            "mask": shape,
            "blemish": shape,
            "saxs_2d": shape,
            "delay_frames": (None,),
            "g2": table,
            "g2_err": table,
            "partial_g2": (None, *table),
            "partial_g2_err": (None, *table),
            "partial_labels": (None,),
            "saxs_1d": (n_static,),
            "segments": (None, n_static),
            "int_t": (None,),
            "int_t_index": (None if self.int_t is None else int(np.size(self.int_t)),),
            "unnormalized_g2": (n_delay, 3, *shape),
        }
        for name, want in expected.items():
            value = getattr(self, name)
            if value is None:
                continue
            found = np.shape(value)
            if len(found) != len(want) or any(
                w is not None and w != f for w, f in zip(want, found, strict=True)
            ):
                text = "(" + ", ".join("any" if w is None else str(w) for w in want) + ")"
                raise SchemaError("ApsResult", name, f"shape {text}", f"shape {found}")
        if self.g2 is not None and self.delay_frames is None:
            raise SchemaError("ApsResult", "delay_frames", "the delays of g2", "none")
        if self.frame_time_s <= 0:
            raise SchemaError("ApsResult", "frame_time_s", "a positive time in s", repr(self.frame_time_s))
        if self.g2 is None and self.twotime is None:
            raise SchemaError("ApsResult", "g2", "a multi-tau g2 or two-time matrices", "neither")


def map_hash(result: ApsResult) -> str:
    """SHA-256 over the partition: 64 hexadecimal digits that files with the same q-map share."""
    digest = hashlib.sha256()
    digest.update(repr(result.geometry).encode())
    for labels in (result.dqmap, result.sqmap):
        if labels is not None:
            digest.update(np.ascontiguousarray(labels, dtype=np.int32).tobytes())
    for table in (result.dynamic, result.static):
        if table is not None:
            digest.update(table.axis0.tobytes() + table.axis1.tobytes() + table.index_mapping.tobytes())
    return digest.hexdigest()


def write_aps(
    path: str | Path,
    result: ApsResult,
    *,
    overwrite: bool = True,
    temp_suffix: str = ".temp",
    in_memory: bool = True,
) -> Path:
    """Write one result file: first ``<name>.temp``, then renamed, as the correlator of the beamline does.

    Parameters
    ----------
    path : file to make; its name should end in ``_results.hdf``.
    result : the arrays.
    overwrite : False refuses to replace an existing file.
    temp_suffix : what the name carries until the file is complete.
    in_memory : False streams to the disk, for files that do not fit into memory.

    Returns
    -------
    The path.

    Raises
    ------
    WriteError
        Where the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(path.name + temp_suffix)
    with atomic_hdf5(path, overwrite=overwrite, temporary=temporary, in_memory=in_memory) as h5:
        h5.attrs["default"] = "entry"
        carry(h5, result.carried)
        _write_entry(h5, result)
        _write_qmap(h5, result)
        _write_means(h5, result)
        if result.g2 is not None:
            _write_multitau(h5, result)
        if result.twotime is not None:
            _write_twotime(h5, result.twotime)
        if result.raw_path is not None:
            put(h5, "/xpcs/rawdata_path", result.raw_path)
        if result.averaged_from:
            put(h5, "/xpcs/average/file_list", list(result.averaged_from))
        for name, (value, unit) in result.extra.items():
            if name in h5:
                del h5[name]
            put(h5, name, value, unit=unit)
        carry(h5, result.rest)
        if result.as_read is not None:
            missing = tuple(name for name in ("geometry", "exposure_s") if getattr(result, name) is None)
            as_read.state(h5, result.as_read, missing)
    return path


def _add(h5: h5py.File, name: str, value: Any, unit: str = "") -> None:
    """Store a value unless it was carried over already."""
    if name not in h5:
        put(h5, name, value, unit=unit)


def _write_entry(h5: h5py.File, result: ApsResult) -> None:
    entry = h5.require_group("entry")
    entry.attrs["NX_class"] = "NXentry"
    _add(h5, "/entry/schema_version", "1.0")
    for name, time in (("start_time", result.start_time), ("end_time", result.end_time)):
        if time is not None:
            _add(h5, f"/entry/{name}", time.isoformat(sep=" ", timespec="microseconds"))
    geometry, detector = result.geometry, "/entry/instrument/detector_1"
    _add(h5, f"{detector}/frame_time", float(result.frame_time_s), unit="s")
    # the viewers do not open files without an exposure
    _add(h5, f"{detector}/count_time", float(result.exposure_s or result.frame_time_s), unit="s")
    if geometry is not None:
        _add(h5, f"{detector}/distance", geometry.distance_m, unit="m")
        _add(h5, f"{detector}/x_pixel_size", geometry.pixel_m, unit="m")
        _add(h5, f"{detector}/y_pixel_size", geometry.pixel_m, unit="m")
        _add(h5, f"{detector}/beam_center_x", geometry.bcx, unit="pixel")
        _add(h5, f"{detector}/beam_center_y", geometry.bcy, unit="pixel")
        _add(h5, "/entry/instrument/incident_beam/incident_energy", geometry.energy_kev, unit="keV")
    if result.sample is not None:
        _add(h5, "/entry/sample/name", result.sample)
    if result.temperature_c is not None and "/entry/sample/temperature" not in h5:
        _add(h5, "/entry/sample/qnw1_temperature", float(result.temperature_c), unit="C")
    if result.scan is not None and result.as_read is None:  # a source's scan need not be one of bluesky's
        scan = int(result.scan) if result.scan.isdigit() else result.scan
        _add(h5, "/entry/instrument/bluesky/scan_id", scan)


def _smallest(labels: NDArray[np.integer]) -> NDArray[np.unsignedinteger]:
    top = int(labels.max(initial=0))
    dtype = np.uint8 if top < 2**8 else np.uint16 if top < 2**16 else np.uint32
    return np.asarray(labels).astype(dtype)


def _write_qmap(h5: h5py.File, result: ApsResult) -> None:
    group = h5.create_group("/xpcs/qmap")
    geometry = result.geometry
    mask = result.dqmap > 0 if result.mask is None and result.as_read is None else result.mask
    if mask is not None:
        put(group, "mask", np.asarray(mask, dtype=bool))
    if result.blemish is not None:
        put(group, "blemish", np.asarray(result.blemish, dtype=bool))
    put(group, "dynamic_roi_map", _smallest(result.dqmap))
    if result.sqmap is not None:
        put(group, "static_roi_map", _smallest(result.sqmap))
    for which, table in (("dynamic", result.dynamic), ("static", result.static)):
        if table is None:
            continue
        for i, axis in enumerate((table.axis0, table.axis1)):
            dataset = put(group, f"{which}_v_list_dim{i}", axis)
            dataset.attrs["name"], dataset.attrs["unit"] = table.names[i], table.units[i]
            dataset.attrs["size"] = axis.size
        put(group, f"{which}_num_pts", np.asarray(table.num_pts, dtype=np.int64))
        put(group, f"{which}_index_mapping", _smallest(table.index_mapping))
    static = result.static or result.dynamic
    if (static.names, static.units) == (result.dynamic.names, result.dynamic.units):
        put(group, "map_names", list(result.dynamic.names))
        put(group, "map_units", list(result.dynamic.units))
    if geometry is not None:
        put(group, "beam_center_x", geometry.bcx)
        put(group, "beam_center_y", geometry.bcy)
        put(group, "detector_distance", geometry.distance_m)
        put(group, "pixel_size", geometry.pixel_m)
        put(group, "energy", geometry.energy_kev)
    held = {item.path: item for item in result.rest}
    if "/xpcs/qmap/source_file" not in held:
        put(group, "source_file", result.raw_path or "unknown")
    group.attrs["hash"] = result.map_hash or map_hash(result)
    if "/xpcs/qmap" not in held or "version" not in held["/xpcs/qmap"].attributes:
        group.attrs["version"] = "xpcs-dash"


def _write_means(h5: h5py.File, result: ApsResult) -> None:
    if result.saxs_2d is not None:
        put(h5, "/xpcs/temporal_mean/scattering_2d", np.asarray(result.saxs_2d, dtype=np.float32)[None])
    if result.saxs_1d is not None:
        put(h5, "/xpcs/temporal_mean/scattering_1d", np.asarray(result.saxs_1d, dtype=np.float32)[None])
    if result.segments is not None:
        put(h5, "/xpcs/temporal_mean/scattering_1d_segments", np.asarray(result.segments, dtype=np.float32))
    if result.int_t is not None:
        values = np.asarray(result.int_t, dtype=np.float32)
        index = np.arange(values.size) if result.int_t_index is None else np.asarray(result.int_t_index)
        # the correlator counts frames in single precision; other times need more
        dtype = np.float32 if np.array_equal(index, np.rint(index)) else np.float64
        put(h5, "/xpcs/spatial_mean/intensity_vs_time", np.stack((index.astype(dtype), values)))


def _write_config(
    h5: h5py.File, group: str, kind: str, stride: int, avg: int, config: Mapping[str, Any]
) -> None:
    defaults: dict[str, Any] = {
        "analysis_type": kind,
        "stride_frame": np.int64(stride),
        "avg_frame": np.int64(avg),
    }
    for name, value in {**defaults, **config}.items():
        _add(h5, f"{group}/config/{name}", value)


def _write_multitau(h5: h5py.File, result: ApsResult) -> None:
    group = "/xpcs/multitau"
    _write_config(h5, group, "multitau", result.stride_frame, result.avg_frame, result.config)
    put(h5, f"{group}/delay_list", np.asarray(result.delay_frames, dtype=np.int64))
    arrays = {
        "normalized_g2": result.g2,
        "normalized_g2_err": result.g2_err,
        "normalized_g2_partial": result.partial_g2,
        "normalized_g2_partial_err": result.partial_g2_err,
        "normalized_g2_partial_labels": result.partial_labels,
    }
    for name, values in arrays.items():
        if values is not None:
            stored = np.asarray(values)
            whole = name.endswith("labels") and np.array_equal(stored, np.rint(stored))
            put(h5, f"{group}/{name}", stored.astype(np.int64 if whole else np.float32))
    if result.unnormalized_g2 is not None:
        put_planes(h5, f"{group}/unnormalized_G2", result.unnormalized_g2)


def diagonal_means(upper: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) mean of each diagonal of an upper triangle."""
    n = upper.shape[0]
    rows, cols = np.triu_indices(n)
    total = np.bincount(cols - rows, np.asarray(upper, dtype=np.float64)[rows, cols], minlength=n)
    return np.asarray(total / np.arange(n, 0, -1), dtype=np.float64)


def _write_twotime(h5: h5py.File, two: ApsTwoTime) -> None:
    group = "/xpcs/twotime"
    if len(two.bins) != len(two.matrices) or not two.bins:
        raise SchemaError(
            "ApsTwoTime", "matrices", f"one matrix for each of {len(two.bins)} bins", str(len(two.matrices))
        )
    _write_config(h5, group, "twotime", two.stride_frame, two.avg_frame, {})
    curves, blocks = [], []
    for number, matrix in enumerate(two.matrices, start=1):
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise SchemaError("ApsTwoTime", "matrices", "square matrices", f"shape {matrix.shape}")
        upper = np.triu(np.asarray(matrix, dtype=np.float32))
        put(h5, f"{group}/correlation_map/c2_{number:05d}", upper)
        if two.g2 is None and two.compute:
            curves.append(diagonal_means(upper))
        if two.g2_segments is None and two.compute:
            m = upper.shape[0] // 5
            parts = [diagonal_means(upper[i * m : (i + 1) * m, i * m : (i + 1) * m]) for i in range(5)]
            blocks.append(np.stack(parts, axis=1))
    put(h5, f"{group}/processed_bins", np.asarray(two.bins, dtype=np.int32))
    g2 = np.stack(curves, axis=1) if curves else two.g2
    segments = np.stack(blocks, axis=2) if blocks else two.g2_segments
    for name, values in (("normalized_g2", g2), ("normalized_g2_segments", segments)):
        if values is not None:
            put(h5, f"{group}/{name}", np.asarray(values, dtype=np.float32))
