"""The NeXus application definition NXxpcs, in every storage mode, with the units that the file names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile, SchemaError, UsageError
from xpcs_dash.hdf5.access import Reader, decode, parse_time
from xpcs_dash.hdf5.layouts.aps_entry import name_parts
from xpcs_dash.hdf5.layouts.legacy_common import stored_shape
from xpcs_dash.hdf5.layouts.tables import table_from_labels
from xpcs_dash.hdf5.records import BinTable, OpenFile, RawResult, StoredMatrix, TwoTimeRecord
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.hdf5.units import to_inverse_angstrom, to_kelvin, to_kev, to_metres, to_seconds

NAME = "nxxpcs"
TITLE = "NeXus NXxpcs"

_DATA = "/entry/data"
_TWO = "/entry/twotime"
_MASKS = "/entry/instrument/masks"
_BEAM = "/entry/instrument/incident_beam"


def recognise(h5: h5py.File) -> bool:
    """True where the entry names the definition; files that also have ``/xpcs`` are of the APS layouts."""
    definition = h5.get("/entry/definition")
    named = (
        isinstance(definition, h5py.Dataset) and definition.shape == () and decode(definition[()]) == "NXxpcs"
    )
    return (named or f"{_DATA}/delay_difference" in h5) and "/xpcs" not in h5


class _Units:
    """Numbers with units; collects a warning for each that names none."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.assumed: list[str] = []

    def number(self, name: str, default: str, convert: Callable[[float, str], float]) -> float | None:
        value = self.reader.positive(name)
        if value is None:
            return None
        if self.reader.attribute(name, "units") is None:
            if default == "keV" and value > 500:
                default = "eV"
            self.assumed.append(f"{name} names no unit: {default} is assumed")
        return self.reader.converted(name, value, default, convert)


def read(source: OpenFile) -> RawResult:
    """Read header and 1-D data; see `xpcs_dash.hdf5.layouts.aps_nexus.read`."""
    reader = Reader(source)
    units = _Units(reader)
    has_g2, has_c2 = reader.has(f"{_DATA}/g2"), reader.has(f"{_TWO}/two_time_corr_func")
    if not has_g2 and not has_c2:
        raise IncompleteFile(source.path, "this looks like NXxpcs but has no g2", "process it again")
    detector = _detector(reader)
    frame_time = units.number(f"{detector}/frame_time", "s", to_seconds) if detector else None
    dqmap = reader.stored(f"{_MASKS}/dynamic_roi_map", "int32")
    shape = stored_shape(dqmap)
    saxs_2d = reader.stored(f"{_DATA}/frame_average", "float32", shape)
    geometry, complaints = _geometry(units, detector, shape or stored_shape(saxs_2d))
    q, phi = _list(reader, "dynamic_q_list"), reader.optional_vector(f"{_MASKS}/dynamic_phi_list")
    if q is None:
        raise reader.missing(f"{_MASKS}/dynamic_q_list")
    dynamic = _bins(reader, q, phi)
    delays, delay_s = _delays(reader, frame_time) if has_g2 else (None, None)
    n_delay = 0 if delay_s is None else delay_s.size
    static_q = _list(reader, "static_q_list")
    temperature = reader.scalar("/entry/sample/temperature")
    scan, sample = name_parts(source.path.stem)
    number = reader.scalar("/entry/scan_number")
    return RawResult(
        layout=NAME,
        kinds=(("multitau",) if has_g2 else ()) + (("twotime",) if has_c2 else ()),
        dynamic=dynamic,
        static=None if static_q is None else _bins(reader, static_q, None),
        geometry=geometry,
        detector_shape=shape or stored_shape(saxs_2d),
        delay_frames=delays,
        delay_s=delay_s,
        g2=_curves(reader, f"{_DATA}/g2", n_delay, dynamic.n) if has_g2 else None,
        g2_err=_curves(reader, f"{_DATA}/g2_derr", n_delay, dynamic.n)
        if reader.has(f"{_DATA}/g2_derr")
        else None,
        saxs_2d=saxs_2d,
        mask=None if dqmap is None else reader.stored(f"{_MASKS}/dynamic_roi_map", "bool"),
        dqmap=dqmap,
        sqmap=reader.stored(f"{_MASKS}/static_roi_map", "int32", shape),
        twotime=_twotime(reader, dynamic.n, frame_time) if has_c2 else None,
        frame_time_s=frame_time,
        exposure_s=units.number(f"{detector}/count_time", "s", to_seconds) if detector else None,
        start_time=parse_time(reader.text("/entry/start_time")),
        end_time=parse_time(reader.text("/entry/end_time")),
        sample=reader.text("/entry/sample/name") or sample,
        scan=f"{number:g}" if number is not None else scan,
        temperature_k=None
        if temperature is None
        else reader.converted("/entry/sample/temperature", temperature, "K", to_kelvin),
        metadata_groups=("/entry/instrument", "/entry/sample"),
        warnings=(*units.assumed, *complaints),
    )


def _detector(reader: Reader) -> str | None:
    """The detector's group, whatever its name."""
    group = reader.h5.get("/entry/instrument")
    if not isinstance(group, h5py.Group):
        return None
    for name in group:
        path = f"/entry/instrument/{name}"
        if reader.attribute(path, "NX_class") == "NXdetector":
            return path
    return next(
        (f"/entry/instrument/{n}" for n in group if reader.has(f"/entry/instrument/{n}/frame_time")), None
    )


def _geometry(
    units: _Units, detector: str | None, shape: tuple[int, int] | None
) -> tuple[GeometryMetadata | None, tuple[str, ...]]:
    reader = units.reader
    if detector is None:
        return None, ("no geometry: the file has no detector group",)
    values = {
        "energy": units.number(f"{_BEAM}/incident_energy", "keV", to_kev),
        "distance": units.number(f"{detector}/distance", "m", to_metres),
        "pixel size": units.number(f"{detector}/x_pixel_size", "m", to_metres),
        "beam centre x": reader.scalar(f"{detector}/beam_center_x"),
        "beam centre y": reader.scalar(f"{detector}/beam_center_y"),
    }
    missing = [name for name, value in values.items() if value is None]
    if missing or shape is None:
        return None, (f"no geometry: the file does not hold {', '.join(missing) or 'a detector image'}",)
    energy, distance, pixel, bcx, bcy = (float(value or 0.0) for value in values.values())
    try:
        found = GeometryMetadata.from_metres(
            energy_kev=energy, distance_m=distance, pixel_m=pixel, bcx=bcx, bcy=bcy, shape=shape
        )
    except SchemaError as err:
        return None, (f"no geometry: {err}",)
    return found, ()


def _list(reader: Reader, name: str) -> NDArray[np.float64] | None:
    path = f"{_MASKS}/{name}"
    values = reader.optional_vector(path)
    if values is None:
        return None
    if values.size == 0 or not np.all(np.isfinite(values)):
        raise reader.wrong(path, "at least one finite q", "none, or NaN")
    return values * reader.converted(path, 1.0, "1/angstrom", to_inverse_angstrom)


def _bins(reader: Reader, q: NDArray[np.float64], phi: NDArray[np.float64] | None) -> BinTable:
    try:
        return table_from_labels(q, phi)
    except SchemaError as err:
        raise reader.wrong(_MASKS, err.expected, err.found) from None


def _delays(
    reader: Reader, frame_time: float | None
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
    """(frames or None, seconds)."""
    name = f"{_DATA}/delay_difference"
    values = reader.vector(name)
    if values.size == 0 or not np.all(np.isfinite(values)) or np.any(np.diff(values) <= 0):
        raise reader.wrong(name, "rising delays", "none, or delays that repeat or fall")
    unit = reader.attribute(name, "units")
    if unit is not None:
        try:
            return None, values * to_seconds(1.0, unit)
        except UsageError:
            pass  # "frames" and the like
    if frame_time is None:
        raise IncompleteFile(
            reader.path, "it does not hold the frame time, so delays have no unit", "process it again"
        )
    return values, values * frame_time


def _mode(reader: Reader, name: str) -> str:
    stated = (reader.attribute(name, "storage_mode") or "").lower()
    if stated == "other":
        raise IncompleteFile(
            reader.path,
            f"{name} is stored in the mode 'other', which only its writer can read",
            "write it as one_array",
        )
    return stated or ("data_exchange_keys" if isinstance(reader.h5[name], h5py.Group) else "one_array")


def _numbered(reader: Reader, name: str) -> list[tuple[int, str]]:
    """(number, path) of the datasets of a group, in the order of the numbers their names end in."""
    group = reader.h5[name]
    if not isinstance(group, h5py.Group):
        raise reader.wrong(name, "one dataset for each q-bin", "a single dataset")
    found = []
    for member in group:
        digits = re.search(r"(\d+)$", member)
        if digits is not None:
            found.append((int(digits[1]), f"{name}/{member}"))
    if not found:
        raise reader.wrong(name, "datasets that are numbered by q-bin", "none")
    return sorted(found)


def _curves(reader: Reader, name: str, n_delay: int, n_q: int) -> NDArray[np.float64]:
    """(n_delay, n_q) whatever the storage mode."""
    if _mode(reader, name) == "data_exchange_keys":
        members = _numbered(reader, name)
        if len(members) != n_q:
            raise reader.wrong(name, f"{n_q} curves, one for each q-bin", f"{len(members)}")
        return np.stack([reader.vector(path, n_delay) for _, path in members], axis=1)
    stored = reader.numbers(name)
    while stored.ndim > 2 and stored.shape[0] == 1:
        stored = stored[0]
    if stored.shape == (n_delay, n_q):
        return stored
    if stored.shape == (n_q, n_delay):
        return stored.T.copy()
    raise reader.wrong(name, f"shape ({n_delay}, {n_q}) or ({n_q}, {n_delay})", f"shape {stored.shape}")


def _twotime(reader: Reader, n_q: int, frame_time: float | None) -> TwoTimeRecord:
    name = f"{_TWO}/two_time_corr_func"
    mode = _mode(reader, name)
    if mode == "data_exchange_keys":
        members = _numbered(reader, name)
        bins = tuple(number for number, _ in members)
        if min(bins) < 1 or max(bins) > n_q:
            if len(bins) > n_q:
                raise reader.wrong(name, f"at most {n_q} matrices", f"{len(bins)}")
            bins = tuple(range(1, len(members) + 1))
        matrices = tuple(StoredMatrix(path) for _, path in members)
        shape = reader.shape(members[0][1]) or ()
    else:
        full = reader.shape(name) or ()
        if len(full) != 3:
            raise reader.wrong(name, "three axes", f"shape {full}")
        last = mode == "one_array_q_last" or (mode == "one_array" and full[0] == full[1] != full[2])
        count, shape = (full[2], full[:2]) if last else (full[0], full[1:])
        if count > n_q:
            raise reader.wrong(name, f"at most {n_q} matrices", f"{count}")
        bins = tuple(range(1, count + 1))
        matrices = tuple(StoredMatrix(name, (i,), last) for i in range(count))
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise reader.wrong(name, "square matrices", f"shape {shape}")
    g2_name = f"{_TWO}/g2_from_two_time_corr_func"
    plain = reader.has(g2_name) and isinstance(reader.h5[g2_name], h5py.Dataset)
    baseline = reader.attribute(name, "baseline_reference")
    halves: dict[str, Literal["upper", "lower", "all"]] = {"upper_half": "upper", "lower_half": "lower"}
    return TwoTimeRecord(
        bins=bins,
        matrices=matrices,
        shape=(shape[0], shape[1]),
        dt_s=frame_time,
        g2=_curves(reader, g2_name, shape[0], len(bins)) if plain else None,
        populated=halves.get(reader.attribute(name, "populated_elements") or "all", "all"),
        flipped=reader.attribute(name, "time_origin_location") == "lower_left",
        baseline=0.0 if baseline is not None and float(baseline) == 0.0 else 1.0,
    )
