"""What the older APS layouts share: results under one root, maps and lists under another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile, SchemaError
from xpcs_dash.hdf5.access import Reader
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.layouts.tables import centres, table_from_cells
from xpcs_dash.hdf5.records import BinTable, RawResult, Stored, StoredMatrix, TwoTimeRecord
from xpcs_dash.hdf5.schemas import GeometryMetadata

_TEXT = {"pixel_size": "pixel size", "bcx": "beam centre x", "bcy": "beam centre y"}
__all__ = ["Instrument", "has_results", "make_geometry", "read_legacy"]


@dataclass(frozen=True)
class Instrument:
    """What a dialect says about beam and detector."""

    frame_time_s: float | None
    exposure_s: float | None
    geometry: GeometryMetadata | None
    warnings: tuple[str, ...] = ()
    mismatch: tuple[str, ...] = ()


def has_results(h5: Handle, root: str) -> bool:
    """True where ``root`` holds results under the old names."""
    return f"{root}/norm-0-g2" in h5 or f"{root}/C2T_all" in h5


def make_geometry(
    values: dict[str, float | None], shape: tuple[int, int] | None, shift: tuple[float, float] = (0.0, 0.0)
) -> tuple[GeometryMetadata | None, tuple[str, ...]]:
    """Geometry from numbers that may be in mm or m.

    Parameters
    ----------
    values : energy (keV), distance and pixel_size (mm or m: a pixel above 1e-3 is in mm, as is a distance
        above 100), bcx, bcy (px).
    shape : (H, W).
    shift : of the beam centre by the motors, in the unit of the pixel size.
    """
    missing = [_TEXT.get(name, name) for name, value in values.items() if value is None]
    if missing or shape is None:
        return None, (f"no geometry: the file does not hold {', '.join(missing) or 'a detector image'}",)
    energy, distance, pixel, bcx, bcy = (
        float(values[n] or 0) for n in ("energy", "distance", "pixel_size", "bcx", "bcy")
    )
    warnings: tuple[str, ...] = ()
    dx, dy = (moved / pixel if pixel else 0.0 for moved in shift)
    if abs(bcx + dx) > 3 * shape[1] or abs(bcy + dy) > 3 * shape[0]:
        warnings = ("the detector's motor positions would put the beam far outside; they are not applied",)
        dx = dy = 0.0
    try:
        geometry = GeometryMetadata.from_metres(
            energy_kev=energy,
            distance_m=distance / 1e3 if distance > 100 else distance,
            pixel_m=pixel / 1e3 if pixel > 1e-3 else pixel,
            bcx=bcx + dx,
            bcy=bcy + dy,
            shape=shape,
        )
    except SchemaError as err:
        return None, (*warnings, f"no geometry: {err}")
    return geometry, warnings


def read_legacy(
    reader: Reader, layout: str, results: str, maps: str, instrument: Instrument, config: str = "/xpcs"
) -> RawResult:
    """Read results of the old names.

    Parameters
    ----------
    results : group of ``norm-0-g2``, ``tau``, ``pixelSum`` and the rest.
    maps : group of ``dqmap``, ``sqmap``, ``mask`` and the lists.
    config : group of ``avg_frames`` and ``stride_frames``.
    """
    multitau = reader.has(f"{results}/norm-0-g2")
    twotime = reader.has(f"{results}/C2T_all")
    if not multitau and not twotime:
        raise IncompleteFile(
            reader.path, f"{results} holds neither g2 nor two-time matrices", "process it again"
        )
    g2 = _table(reader, f"{results}/norm-0-g2") if multitau else None
    dynamic = _bins(reader, maps, "d", None if g2 is None else g2.shape[1])
    saxs_1d = reader.optional_vector(f"{results}/partition-mean-total")
    static = _bins(reader, maps, "s", None if saxs_1d is None else saxs_1d.size, required=False)
    scale = reader.positive("/measurement/sample/absolute_cross_section_scale")
    dqmap = reader.stored(f"{maps}/dqmap", "int32")
    shape = None if dqmap is None else (dqmap.shape[0], dqmap.shape[1])
    delays = None
    if g2 is not None:
        delays = reader.vector(f"{results}/tau", g2.shape[0])
        if not np.all(np.isfinite(delays)) or delays[0] < 0 or np.any(np.diff(delays) <= 0):
            raise reader.wrong(
                f"{results}/tau", "rising delays in frames", "delays that repeat, fall, or are not numbers"
            )
    if instrument.frame_time_s is None:
        raise IncompleteFile(
            reader.path, "it does not hold the frame time, so delays have no unit", "process it again"
        )
    stride, average = reader.factor(f"{config}/stride_frames"), reader.factor(f"{config}/avg_frames")
    int_t = reader.stored(f"{results}/frameSum", "float64")
    segments = reader.optional(f"{results}/partition-mean-partial")
    if segments is not None and saxs_1d is not None and segments.shape[-1] != saxs_1d.size:
        raise reader.wrong(
            f"{results}/partition-mean-partial", f"{saxs_1d.size} bins", f"shape {segments.shape}"
        )
    saxs_2d = reader.stored(f"{results}/pixelSum", "float32", shape, transposable=True)
    return RawResult(
        layout=layout,
        kinds=(("multitau",) if multitau else ()) + (("twotime",) if twotime else ()),
        dynamic=dynamic,
        static=static,
        geometry=instrument.geometry,
        detector_shape=shape or (None if saxs_2d is None else (saxs_2d.shape[0], saxs_2d.shape[1])),
        map_hash=None,
        delay_frames=delays,
        g2=g2,
        g2_err=None if g2 is None else reader.shaped(f"{results}/norm-0-stderr", g2.shape, required=False),
        saxs_1d=saxs_1d,
        segments=None if segments is None else np.atleast_2d(segments),
        saxs_2d=saxs_2d,
        mask=reader.stored(f"{maps}/mask", "bool", shape, transposable=True),
        dqmap=dqmap,
        sqmap=reader.stored(f"{maps}/sqmap", "int32", shape, transposable=True),
        int_t=int_t if int_t is not None and int_t.shape[0] == 2 else None,
        n_frames=None if int_t is None else int_t.shape[1],
        twotime=_twotime(reader, results, dynamic, instrument.frame_time_s, stride, average)
        if twotime
        else None,
        frame_time_s=instrument.frame_time_s,
        exposure_s=instrument.exposure_s,
        stride_frame=stride,
        avg_frame=average,
        metadata_groups=("/measurement", "/entry"),
        geometry_mismatch=instrument.mismatch,
        warnings=(*instrument.warnings, *_scale_warning(scale)),
    )


def _scale_warning(scale: float | None) -> tuple[str, ...]:
    if scale is None or scale == 1.0:
        return ()
    return (
        f"the file names a factor of {scale:g} to absolute cross sections; intensities are shown without it",
    )


def _table(reader: Reader, name: str) -> NDArray[np.float64]:
    stored = reader.numbers(name)
    while stored.ndim > 2 and stored.shape[0] == 1:
        stored = stored[0]
    if stored.ndim == 1:
        stored = stored[:, None]
    if stored.ndim != 2 or 0 in stored.shape:
        raise reader.wrong(name, "delays × q-bins", f"shape {stored.shape}")
    return stored


def _bins(
    reader: Reader, maps: str, which: str, columns: int | None, *, required: bool = True
) -> BinTable | None:
    """Bins from the lists; ``which`` is "d" (dynamic) or "s" (static)."""
    q = reader.optional_vector(f"{maps}/{which}qlist")
    if q is None or q.size == 0:
        if required:
            raise reader.missing(f"{maps}/{which}qlist")
        return None
    phi = reader.optional_vector(f"{maps}/{which}philist")
    n_q, n_phi = reader.scalar(f"{maps}/{which}noq"), reader.scalar(f"{maps}/{which}nophi")
    shape = (int(n_q), int(n_phi)) if n_q and n_phi else (q.size, 1)
    axes = (
        centres(reader.optional_vector(f"{maps}/{which}qspan"), shape[0]),
        centres(reader.optional_vector(f"{maps}/{which}phispan"), shape[1]) if shape[1] > 1 else None,
    )
    try:
        table = table_from_cells(q, phi, shape, columns, axes)
    except SchemaError as err:
        raise reader.wrong(f"{maps}/{which}qlist", err.expected, err.found) from None
    if table is None:
        if not required:
            return None
        filled = int(np.count_nonzero(np.isfinite(q)))
        raise reader.wrong(f"{maps}/{which}qlist", f"{columns} bins, as g2", f"{filled}")
    return table


def _twotime(
    reader: Reader, results: str, dynamic: BinTable | None, frame_time_s: float, stride: int, average: int
) -> TwoTimeRecord:
    """Here the number of a matrix is the label of its q-bin."""
    group = f"{results}/C2T_all"
    try:
        names = [name for name in reader.h5[group] if name.startswith("g2_") and name[3:].isdigit()]
    except (TypeError, AttributeError, RuntimeError):
        raise reader.wrong(group, "a group of matrices", "something else") from None
    if not names:
        raise reader.missing(f"{group}/g2_00001")
    names.sort(key=lambda name: int(name[3:]))
    labels = [int(name[3:]) for name in names]
    n_q = dynamic.n if dynamic is not None else max(labels)
    if labels[0] < 1 or labels[-1] > n_q:
        raise reader.wrong(group, f"matrices of the bins 1 to {n_q}", f"{names[0]} to {names[-1]}")
    shape = reader.shape(f"{group}/{names[0]}") or ()
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise reader.wrong(f"{group}/{names[0]}", "a square matrix", f"shape {shape}")
    columns = [label - 1 for label in labels]
    g2, segments = reader.optional(f"{results}/g2full"), reader.optional(f"{results}/g2partials")
    fits = g2 is not None and g2.ndim == 2 and g2.shape[0] == shape[0] and g2.shape[1] > max(columns)
    split = segments is not None and segments.ndim == 3 and segments.shape[2] > max(columns)
    return TwoTimeRecord(
        bins=tuple(labels),
        matrices=tuple(StoredMatrix(f"{group}/{name}") for name in names),
        shape=(shape[0], shape[1]),
        dt_s=frame_time_s * stride * average,
        g2=g2[:, columns] if fits and g2 is not None else None,
        g2_segments=segments[:, :, columns] if split and segments is not None else None,
        stride_frame=stride,
        avg_frame=average,
    )


def stored_shape(stored: Stored | None) -> tuple[int, int] | None:
    """(H, W) of an image, or None."""
    return None if stored is None else (stored.shape[0], stored.shape[1])
