"""The present APS 8-ID result layout: results and q-map under ``/xpcs``, the acquisition under ``/entry``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile, SchemaError
from xpcs_dash.hdf5 import as_read
from xpcs_dash.hdf5.access import Reader, parse_time
from xpcs_dash.hdf5.carried import CARRIED
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.layouts import aps_entry
from xpcs_dash.hdf5.records import BinTable, OpenFile, RawResult, Stored, StoredMatrix, TwoTimeRecord

NAME = "aps_nexus"
TITLE = "APS 8-ID NeXus result"

_QMAP = "/xpcs/qmap"
_MULTITAU = "/xpcs/multitau"
_TWOTIME = "/xpcs/twotime"
_G2 = f"{_MULTITAU}/normalized_g2"
_C2 = f"{_TWOTIME}/correlation_map"
_MAP_TEXT = {"dqmap": "map of the dynamic bins", "sqmap": "map of the static bins", "mask": "mask"}


def recognise(h5: Handle) -> bool:
    """True for the present layout; older dialects keep results directly under ``/xpcs`` or ``/exchange``."""
    return _MULTITAU in h5 or _TWOTIME in h5 or f"{_QMAP}/dynamic_roi_map" in h5


def read(source: OpenFile) -> RawResult:
    """Read bins, curves and I(q); big arrays are described, and names, times and geometry left to `rest_of`.

    Raises
    ------
    IncompleteFile
        Where a required dataset is missing or malformed.
    """
    reader = Reader(source)
    kinds = tuple(kind for kind, name in (("multitau", _G2), ("twotime", _C2)) if reader.has(name))
    if not kinds:
        raise IncompleteFile(
            source.path,
            "it holds neither a multi-tau g2 nor two-time matrices",
            "wait until the correlation has finished or process it again",
            transient=True,
        )
    warnings: list[str] = []
    dynamic = read_bins(reader, _QMAP, "dynamic")
    static = read_bins(reader, _QMAP, "static") if reader.has(f"{_QMAP}/static_v_list_dim0") else None
    maps = {
        name: reader.stored(f"{_QMAP}/{stored}", dtype)
        for name, stored, dtype in (
            ("dqmap", "dynamic_roi_map", "int32"),
            ("sqmap", "static_roi_map", "int32"),
            ("mask", "mask", "bool"),
            ("blemish", "blemish", "bool"),
        )
    }
    shape = _common_shape(reader, maps)
    saxs_2d = reader.stored("/xpcs/temporal_mean/scattering_2d", "float32", shape, transposable=True)
    if shape is None and saxs_2d is not None:
        shape = (saxs_2d.shape[0], saxs_2d.shape[1])
    warnings += [
        f"the q-map holds no {_MAP_TEXT[name]}"
        for name, stored in maps.items()
        if stored is None and name in _MAP_TEXT and not (name == "sqmap" and static is None)
    ]
    averaged = reader.texts("/xpcs/average/file_list")
    frame_time_s = aps_entry.read_frame_time(reader)
    if frame_time_s is None:
        raise reader.missing(f"{aps_entry.DETECTOR}/frame_time")
    multitau = _read_multitau(reader, dynamic.n) if "multitau" in kinds else _MultiTau()
    int_t, n_frames = _read_int_t(reader)
    config = _MULTITAU if "multitau" in kinds else _TWOTIME
    raw = RawResult(
        layout=NAME,
        kinds=kinds,
        dynamic=dynamic,
        static=static,
        detector_shape=shape,
        map_hash=reader.attribute(_QMAP, "hash"),
        delay_frames=multitau.delay_frames,
        g2=multitau.g2,
        g2_err=multitau.g2_err,
        unnormalized_g2=multitau.unnormalized_g2,
        saxs_1d=_static_vector(reader, static),
        segments=_segments(reader, static),
        saxs_2d=saxs_2d,
        mask=maps["mask"],
        blemish=maps["blemish"],
        dqmap=maps["dqmap"],
        sqmap=maps["sqmap"],
        int_t=int_t,
        n_frames=n_frames,
        twotime=_read_twotime(reader, frame_time_s, dynamic.n) if "twotime" in kinds else None,
        frame_time_s=frame_time_s,
        stride_frame=reader.factor(f"{config}/config/stride_frame"),
        avg_frame=reader.factor(f"{config}/config/avg_frame"),
        averaged_from=averaged,
        metadata_groups=("/entry", f"{_MULTITAU}/config", f"{_TWOTIME}/config"),
        carried_group=CARRIED,
        warnings=tuple(warnings),
    )
    # a file that says itself how its source was read says that of everything
    if reader.has(as_read.AS_READ):
        return as_read.restore(reader, _with_rest(reader, raw))
    return replace(raw, rest=partial(rest_of, raw))


def rest_of(raw: RawResult, source: OpenFile) -> RawResult:
    """``raw``, as `read` made it of the same file, with what was left out: a page that shows a curve, or an
    average of many files, needs none of it, and it is half of what takes time.
    """
    return _with_rest(Reader(source), raw)


def _with_rest(reader: Reader, raw: RawResult) -> RawResult:
    geometry = aps_entry.read_geometry(reader, _QMAP, raw.detector_shape)
    entry = aps_entry.read_entry(reader, raw.frame_time_s)
    parts = _Partial() if raw.g2 is None else _read_partial(reader, raw.g2.shape)
    return replace(
        raw,
        rest=None,
        geometry=geometry.geometry,
        energy_kev=geometry.energy_kev,
        distance_m=geometry.distance_m,
        geometry_mismatch=geometry.mismatch,
        warnings=(*raw.warnings, *geometry.warnings),
        partial_g2=parts.g2,
        partial_g2_err=parts.g2_err,
        partial_labels=parts.labels,
        exposure_s=entry.exposure_s,
        start_time=parse_time(reader.text("/entry/start_time")),
        end_time=parse_time(reader.text("/entry/end_time")),
        sample=entry.sample,
        scan=entry.scan,
        temperature_k=entry.temperature_k,
        raw_path=reader.text("/xpcs/rawdata_path"),
    )


def read_bins(reader: Reader, group: str, which: str) -> BinTable:
    """Read one partition of a q-map group: ``which`` is "dynamic" or "static"."""
    if not reader.has(group):
        raise IncompleteFile(
            reader.path,
            f"the q-map {group} is missing, so its curves belong to no q",
            "process the file again",
        )
    axis0 = reader.vector(f"{group}/{which}_v_list_dim0")
    axis1 = reader.optional_vector(f"{group}/{which}_v_list_dim1")
    axis1 = np.zeros(1) if axis1 is None or axis1.size == 0 else axis1
    if axis0.size == 0:
        raise reader.wrong(f"{group}/{which}_v_list_dim0", "at least one q-bin", "none")
    num_pts = _num_pts(reader, group, which, axis0.size, axis1.size)
    mapping = f"{group}/{which}_index_mapping"
    cells = reader.integers(mapping) if reader.has(mapping) else np.arange(num_pts[0] * num_pts[1])
    names, units = _axis_names(reader, group, which)
    try:
        table = BinTable(num_pts, axis0, axis1, cells, names, units)
    except SchemaError as err:
        raise reader.wrong(f"{group}/{which}_{err.field}", err.expected, err.found) from None
    # rows without pixels may have no centre, and a whole axis may be unknown
    for number, axis, used in ((0, axis0, table.q), (1, axis1, table.phi)):
        unknown = number == 1 and np.all(np.isnan(axis))
        if np.any(np.isinf(axis)) or not (unknown or np.all(np.isfinite(used))):
            raise reader.wrong(f"{group}/{which}_v_list_dim{number}", "finite bin centres", "NaN or infinity")
    return table


def _num_pts(reader: Reader, group: str, which: str, n0: int, n1: int) -> tuple[int, int]:
    """The grid; older files hold one number, and the axes decide where nothing is stored."""
    name = f"{group}/{which}_num_pts"
    if not reader.has(name):
        return n0, n1
    stored = reader.integers(name)
    if (stored.size == 1 and stored[0] in (n0, n0 * n1)) or tuple(stored) == (n0, n1):
        return n0, n1
    raise reader.wrong(name, f"[{n0}, {n1}], the lengths of the axes", str(stored.tolist()))


def _axis_names(reader: Reader, group: str, which: str) -> tuple[tuple[str, str], tuple[str, str]]:
    names = reader.texts(f"{group}/map_names")
    units = reader.texts(f"{group}/map_units")
    if len(names) != 2 or len(units) != 2:
        axes = [f"{group}/{which}_v_list_dim{i}" for i in (0, 1)]
        names = tuple(
            reader.attribute(axis, "name") or default
            for axis, default in zip(axes, ("q", "phi"), strict=True)
        )
        units = tuple(
            reader.attribute(axis, "unit") or default
            for axis, default in zip(axes, ("Å⁻¹", "deg"), strict=True)
        )
    return (names[0], names[1]), (units[0], units[1])


def _common_shape(reader: Reader, maps: dict[str, Stored | None]) -> tuple[int, int] | None:
    shapes = {name: stored.shape for name, stored in maps.items() if stored is not None}
    if len(set(shapes.values())) > 1:
        text = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise reader.wrong(_QMAP, "maps of one shape", text)
    first = next(iter(shapes.values()), None)
    return None if first is None else (first[0], first[1])


@dataclass(frozen=True, eq=False)
class _MultiTau:
    delay_frames: NDArray[np.float64] | None = None
    g2: NDArray[np.float64] | None = None
    g2_err: NDArray[np.float64] | None = None
    unnormalized_g2: str | None = None


@dataclass(frozen=True, eq=False)
class _Partial:
    g2: NDArray[np.float64] | None = None
    g2_err: NDArray[np.float64] | None = None
    labels: NDArray[np.float64] | None = None


def _read_multitau(reader: Reader, n_q: int) -> _MultiTau:
    delays = reader.vector(f"{_MULTITAU}/delay_list")
    if delays.size == 0 or not np.all(np.isfinite(delays)) or delays[0] < 0 or np.any(np.diff(delays) <= 0):
        found = "none" if delays.size == 0 else "delays that repeat, fall, or are not numbers"
        raise reader.wrong(f"{_MULTITAU}/delay_list", "rising delays in frames", found)
    shape = (delays.size, n_q)
    g2 = reader.shaped(_G2, shape)
    g2_err = reader.shaped(f"{_G2}_err", shape, required=False)
    return _MultiTau(delays, g2, g2_err, _unnormalized(reader, delays.size))


def _read_partial(reader: Reader, shape: tuple[int, ...]) -> _Partial:
    """g2 of parts of the run; ``shape`` is that of g2."""
    name = reader.first(f"{_G2}_partial", f"{_G2}_segments")
    if name is None:
        return _Partial()
    values = reader.numbers(name)
    if values.ndim != 3 or values.shape[1:] != shape:
        raise reader.wrong(name, f"shape (segments, {shape[0]}, {shape[1]})", f"shape {values.shape}")
    return _Partial(
        values,
        reader.shaped(f"{name}_err", values.shape, required=False),
        reader.optional_vector(f"{name}_labels", values.shape[0]),
    )


def _unnormalized(reader: Reader, n_delay: int) -> str | None:
    """The per-pixel G2: a dataset here, or in older files an external link that may lead nowhere."""
    for name in (f"{_MULTITAU}/unnormalized_G2", f"{_MULTITAU}/unnormalized_g2"):
        shape = reader.shape(name) if reader.has(name) else None
        if shape is not None and len(shape) == 4 and shape[:2] == (n_delay, 3):
            return name
    return None


def _read_int_t(reader: Reader) -> tuple[Stored | None, int | None]:
    name = "/xpcs/spatial_mean/intensity_vs_time"
    shape = reader.shape(name)
    if shape is None:
        return None, None
    if len(shape) == 1:
        return None, int(shape[0])
    stored = reader.stored(name, "float64")
    if stored is None or stored.shape[0] != 2:
        raise reader.wrong(name, "shape (2, frames)", f"shape {shape}")
    return stored, int(stored.shape[1])


def _static_vector(reader: Reader, static: BinTable | None) -> NDArray[np.float64] | None:
    name = "/xpcs/temporal_mean/scattering_1d"
    return reader.optional_vector(name, static.n if static is not None else None)


def _segments(reader: Reader, static: BinTable | None) -> NDArray[np.float64] | None:
    name = "/xpcs/temporal_mean/scattering_1d_segments"
    stored = reader.optional(name)
    if stored is None:
        return None
    while stored.ndim > 2 and stored.shape[0] == 1:
        stored = stored[0]
    if stored.ndim != 2 or (static is not None and stored.shape[1] != static.n):
        n = "static bins" if static is None else static.n
        raise reader.wrong(name, f"shape (segments, {n})", f"shape {stored.shape}")
    return stored


def _read_twotime(reader: Reader, frame_time_s: float, n_q: int) -> TwoTimeRecord:
    """The matrices are numbered in order of processing; ``processed_bins`` says which q-bin each one is."""
    try:
        names = sorted(name for name in reader.h5[_C2] if name.startswith("c2_") and name[3:].isdigit())
    except (TypeError, AttributeError, RuntimeError):
        raise reader.wrong(_C2, "a group of matrices", "something else") from None
    if not names:
        raise reader.missing(f"{_C2}/c2_00001")
    names.sort(key=lambda name: int(name[3:]))
    processed = reader.integers(f"{_TWOTIME}/processed_bins")
    positions = [int(name[3:]) - 1 for name in names]
    if positions[-1] >= processed.size or positions[0] < 0:
        raise reader.wrong(f"{_TWOTIME}/processed_bins", f"a bin for {names[-1]}", f"{processed.size} bins")
    if processed.min() < 1 or processed.max() > n_q:
        raise reader.wrong(f"{_TWOTIME}/processed_bins", f"bins 1 to {n_q}", f"{processed.tolist()[:8]}")
    shape = reader.shape(f"{_C2}/{names[0]}") or ()
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise reader.wrong(f"{_C2}/{names[0]}", "a square matrix", f"shape {shape}")
    n = shape[0]
    g2 = _by_position(reader, f"{_TWOTIME}/normalized_g2", processed.size, positions, 2)
    segments = _by_position(reader, f"{_TWOTIME}/normalized_g2_segments", processed.size, positions, 3)
    if g2 is not None and g2.shape[0] != n:
        raise reader.wrong(f"{_TWOTIME}/normalized_g2", f"{n} delays, as the matrices", f"{g2.shape[0]}")
    stride = reader.factor(f"{_TWOTIME}/config/stride_frame")
    averaged = reader.factor(f"{_TWOTIME}/config/avg_frame")
    return TwoTimeRecord(
        bins=tuple(int(processed[p]) for p in positions),
        matrices=tuple(StoredMatrix(f"{_C2}/{name}") for name in names),
        shape=(n, n),
        dt_s=frame_time_s * stride * averaged,
        g2=g2,
        g2_segments=segments,
        stride_frame=stride,
        avg_frame=averaged,
    )


def _by_position(
    reader: Reader, name: str, n_processed: int, positions: list[int], ndim: int
) -> NDArray[np.float64] | None:
    stored = reader.optional(name)
    if stored is None:
        return None
    if stored.ndim != ndim or stored.shape[-1] != n_processed:
        raise reader.wrong(name, f"{ndim} axes, the last of length {n_processed}", f"shape {stored.shape}")
    return stored[..., positions]
