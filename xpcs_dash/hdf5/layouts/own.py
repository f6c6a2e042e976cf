"""The product's own layout: ``/xpcs/{g2,qmap,metadata}`` and ``/simplemask``, written by
`xpcs_dash.hdf5.writer`.

Beyond those groups a converted file keeps ``/xpcs/bins`` (the grids), ``/xpcs/saxs``, ``/xpcs/two_time``,
``/xpcs/acquisition`` and, in ``/xpcs/carried``, the metadata of its source under the paths that they had.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile, SchemaError
from xpcs_dash.hdf5.access import Reader, decode, parse_time
from xpcs_dash.hdf5.carried import CARRIED
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.records import BinTable, OpenFile, RawResult, Stored, StoredMatrix, TwoTimeRecord
from xpcs_dash.hdf5.schemas import G2Data, GeometryMetadata
from xpcs_dash.hdf5.units import to_inverse_angstrom, to_seconds

NAME = "xpcs_dash"
TITLE = "xpcs-dash file"

_G2 = "/xpcs/g2"
_QMAP = "/xpcs/qmap"
_BINS = "/xpcs/bins"
_SAXS = "/xpcs/saxs"
_TWO = "/xpcs/two_time"
_RUN = "/xpcs/acquisition"
_META = "/xpcs/metadata"
_PHOTONS = "photons/pixel/frame"


def recognise(h5: Handle) -> bool:
    """True for files with our g2 group, our kind of q-map, or a mask or partition of the mask page."""
    return f"{_G2}/g2" in h5 or f"{_QMAP}/partition_map" in h5 or "/simplemask" in h5 or _TWO in h5


def read(source: OpenFile) -> RawResult:
    """Read header and 1-D data; see `xpcs_dash.hdf5.layouts.aps_nexus.read`."""
    reader = Reader(source)
    dynamic, curves = _read_g2(reader)
    static = _read_bins(reader, "static")
    labels = _labels(reader)
    maps = {
        "dqmap": labels,
        "sqmap": reader.stored(f"{_QMAP}/static_partition_map", "int32"),
        "mask": _mask(reader),
        "blemish": reader.stored(f"{_QMAP}/blemish", "bool"),
        "saxs_2d": reader.stored(f"{_SAXS}/saxs_2d", "float32"),
    }
    shapes = {stored.shape for stored in maps.values() if stored is not None}
    if len(shapes) > 1:
        raise reader.wrong(_QMAP, "maps of one shape", ", ".join(map(str, sorted(shapes))))
    geometry, complaints = _geometry(reader)
    twotime = _read_twotime(reader)
    if dynamic is None:
        dynamic = _partition_bins(reader)
    kinds = (("multitau",) if curves is not None else ()) + (("twotime",) if twotime is not None else ())
    if not kinds and not shapes:
        raise IncompleteFile(source.path, "it holds no g2, no map and no mask", "write it again")
    if kinds and dynamic is None:
        raise reader.missing(f"{_BINS}/dynamic/axis0")
    int_t = reader.stored(f"{_SAXS}/int_t", "float64")
    attributes = _attributes(reader)
    converted = reader.has(CARRIED)
    shape = next(iter(shapes), None)
    return RawResult(
        layout=NAME,
        kinds=kinds,
        dynamic=dynamic,
        static=static,
        geometry=geometry,
        energy_kev=reader.scalar(f"{_RUN}/energy_kev"),
        distance_m=reader.scalar(f"{_RUN}/distance_m"),
        detector_shape=None if shape is None else (shape[0], shape[1]),
        map_hash=attributes.get("map_hash"),
        delay_frames=reader.optional_vector(
            f"{_G2}/delay_frames", None if curves is None else curves.delay_times.size
        ),
        delay_s=None if curves is None else curves.delay_times,
        g2=None if curves is None else curves.g2,
        g2_err=None if curves is None or not reader.has(f"{_G2}/g2_err") else curves.g2_err,
        coincidences=None
        if curves is None
        else reader.shaped(f"{_G2}/coincidences", curves.g2.shape, required=False),
        partial_g2=_partial(reader, curves, f"{_G2}/partial_g2"),
        partial_g2_err=_partial(reader, curves, f"{_G2}/partial_g2_err"),
        partial_labels=reader.optional_vector(f"{_G2}/partial_labels"),
        saxs_1d=reader.optional_vector(f"{_SAXS}/saxs_1d", None if static is None else static.n),
        segments=reader.optional(f"{_SAXS}/segments"),
        saxs_2d=maps["saxs_2d"],
        mask=maps["mask"],
        blemish=maps["blemish"],
        dqmap=maps["dqmap"],
        sqmap=maps["sqmap"],
        int_t=int_t,
        int_t_in_seconds=True,
        unnormalized_g2=_unnormalized(reader, curves),
        twotime=twotime,
        frame_time_s=reader.positive(f"{_RUN}/frame_time_s"),
        exposure_s=reader.positive(f"{_RUN}/exposure_s"),
        stride_frame=reader.factor(f"{_RUN}/stride_frame"),
        avg_frame=reader.factor(f"{_RUN}/avg_frame"),
        n_frames=_frames(reader, int_t),
        averaged_from=reader.texts(f"{_RUN}/averaged_from"),
        start_time=parse_time(attributes.get("start_time")),
        end_time=parse_time(attributes.get("end_time")),
        sample=attributes.get("sample"),
        scan=attributes.get("scan"),
        temperature_k=reader.scalar(f"{_RUN}/temperature_k"),
        raw_path=attributes.get("raw_path"),
        # a converted file has the metadata of its source
        metadata_groups=() if converted else (_RUN,),
        carried_group=CARRIED,
        metadata={} if converted else {f"{_META}/{name}": (v, "") for name, v in attributes.items()},
        geometry_mismatch=reader.texts(f"{_RUN}/geometry_mismatch"),
        intensity_unit=reader.text(f"{_RUN}/intensity_unit") or _PHOTONS,
        warnings=(*reader.texts(f"{_RUN}/warnings"), *complaints),
    )


def _frames(reader: Reader, int_t: Stored | None) -> int | None:
    stored = reader.scalar(f"{_RUN}/n_frames")
    if stored is not None and stored >= 1:
        return int(stored)
    return None if int_t is None else int(int_t.shape[1])


def _unnormalized(reader: Reader, curves: G2Data | None) -> str | None:
    name = f"{_G2}/unnormalized_g2"
    shape = reader.shape(name)
    if shape is None or curves is None:
        return None
    if len(shape) != 4 or shape[:2] != (curves.delay_times.size, 3):
        raise reader.wrong(name, f"shape ({curves.delay_times.size}, 3, rows, columns)", f"shape {shape}")
    return name


def _attributes(reader: Reader) -> dict[str, str]:
    if not reader.has(_META):
        return {}
    found = reader.h5[_META].attrs
    return {name: decode(value) for name, value in found.items() if np.size(value) == 1}


def _read_g2(reader: Reader) -> tuple[BinTable | None, G2Data | None]:
    """The curves, checked by their schema, and the bins they belong to."""
    if not reader.has(f"{_G2}/g2"):
        return _read_bins(reader, "dynamic"), None
    name = reader.first(f"{_G2}/q_values", f"{_G2}/q_list")
    if name is None:
        raise reader.missing(f"{_G2}/q_values")
    q = reader.vector(name)
    q = q * to_inverse_angstrom(1.0, reader.attribute(name, "units") or "1/angstrom")
    times = f"{_G2}/delay_times"
    delays = reader.vector(times) * to_seconds(1.0, reader.attribute(times, "units") or "s")
    g2 = reader.numbers(f"{_G2}/g2")
    g2_err = reader.optional(f"{_G2}/g2_err")
    try:
        curves = G2Data(g2, np.full(g2.shape, np.nan) if g2_err is None else g2_err, delays, q)
    except SchemaError as err:
        raise reader.wrong(f"{_G2}/{err.field}", err.expected, err.found) from None
    if q.size == 0 or delays.size == 0:
        raise reader.wrong(f"{_G2}/g2", "at least one q-bin and one delay", f"shape {g2.shape}")
    bins = _read_bins(reader, "dynamic")
    if bins is None:
        bins = BinTable((q.size, 1), q, np.zeros(1), np.arange(q.size))
    elif bins.n != q.size:
        raise reader.wrong(f"{_BINS}/dynamic", f"{q.size} bins, as g2", f"{bins.n}")
    return bins, curves


def _read_bins(reader: Reader, which: str) -> BinTable | None:
    group = f"{_BINS}/{which}"
    if not reader.has(group):
        return None
    axis0, axis1 = reader.vector(f"{group}/axis0"), reader.vector(f"{group}/axis1")
    cells = reader.integers(f"{group}/index_mapping")
    names, units = reader.texts(f"{group}/names"), reader.texts(f"{group}/units")
    named: dict[str, Any] = {}
    if len(names) == 2 and len(units) == 2:
        named = {"names": (names[0], names[1]), "units": (units[0], units[1])}
    try:
        return BinTable((axis0.size, axis1.size), axis0, axis1, cells, **named)
    except SchemaError as err:
        raise reader.wrong(f"{group}/{err.field}", err.expected, err.found) from None


def _partition_bins(reader: Reader) -> BinTable | None:
    """The bins of a partition made on the mask page."""
    name = "/simplemask/partition/val_list"
    values = reader.optional_vector(name)
    if values is None or values.size == 0 or not np.all(np.isfinite(values)):
        return None
    return BinTable((values.size, 1), values, np.zeros(1), np.arange(values.size))


def _labels(reader: Reader) -> Stored | None:
    name = reader.first(f"{_QMAP}/partition_map", "/simplemask/partition/partition_map")
    return None if name is None else reader.stored(name, "int32")


def _mask(reader: Reader) -> Stored | None:
    """Masks are groups with a dataset; older files hold the dataset itself."""
    name = reader.first(f"{_QMAP}/mask", "/simplemask/mask/mask", "/simplemask/mask")
    return None if name is None else reader.stored(name, "bool")


def _partial(reader: Reader, curves: G2Data | None, name: str) -> NDArray[np.float64] | None:
    stored = reader.optional(name)
    if stored is None:
        return None
    if curves is None or stored.ndim != 3 or stored.shape[1:] != curves.g2.shape:
        raise reader.wrong(name, "shape (segments, delays, q)", f"shape {stored.shape}")
    return stored


def _geometry(reader: Reader) -> tuple[GeometryMetadata | None, tuple[str, ...]]:
    if not reader.has(_META):
        return None, ()
    found = reader.h5[_META].attrs
    names = ("bcx", "bcy", "det_dist", "lambda_", "pix_dim", "shape")
    missing = [name for name in names if name not in found]
    if len(missing) == len(names):
        return None, ()
    if missing:
        return None, (f"no geometry: {_META} lacks {', '.join(missing)}",)
    try:
        values = {name: found[name] for name in names[:-1]}
        return GeometryMetadata(**values, shape=tuple(np.asarray(found["shape"]).tolist())), ()
    except (SchemaError, TypeError, ValueError) as err:
        return None, (f"no geometry: {err}",)


def _read_twotime(reader: Reader) -> TwoTimeRecord | None:
    if not reader.has(_TWO):
        return None
    bins = reader.integers(f"{_TWO}/bins")
    paths = [f"{_TWO}/c2_{label:05d}" for label in bins]
    shape = reader.shape(paths[0]) if paths else None
    if shape is None:
        raise reader.missing(paths[0] if paths else f"{_TWO}/bins")
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise reader.wrong(paths[0], "a square matrix", f"shape {shape}")
    return TwoTimeRecord(
        bins=tuple(int(label) for label in bins),
        matrices=tuple(StoredMatrix(path) for path in paths),
        shape=(shape[0], shape[1]),
        dt_s=reader.positive(f"{_TWO}/dt_s"),
        g2=reader.shaped(f"{_TWO}/g2", (shape[0], bins.size), required=False),
        g2_segments=reader.optional(f"{_TWO}/g2_segments"),
        stride_frame=reader.factor(f"{_TWO}/stride_frame"),
        avg_frame=reader.factor(f"{_TWO}/avg_frame"),
    )
