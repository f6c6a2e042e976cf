"""The NeXus application definition NXxpcs, in every storage mode, with the units that the file names.

An entry may have any name: the root's ``default`` attribute names the one that is shown, else the first that
holds XPCS content is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile, SchemaError, UsageError
from xpcs_dash.hdf5.access import Reader, parse_time
from xpcs_dash.hdf5.handle import Dataset, Group, Handle
from xpcs_dash.hdf5.layouts import aps_nexus, own
from xpcs_dash.hdf5.layouts.aps_entry import name_parts
from xpcs_dash.hdf5.layouts.legacy_common import has_results, stored_shape
from xpcs_dash.hdf5.layouts.nexus import entries, members_of_class, scalar_text
from xpcs_dash.hdf5.layouts.tables import table_from_labels
from xpcs_dash.hdf5.records import BinTable, OpenFile, RawResult, StoredMatrix, TwoTimeRecord
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.hdf5.units import to_inverse_angstrom, to_kelvin, to_kev, to_metres, to_seconds

NAME = "nxxpcs"
TITLE = "NeXus NXxpcs"

_CONTENT = ("data/delay_difference", "twotime/two_time_corr_func")


def recognise(h5: Handle) -> bool:
    """True where an entry names the definition or holds its data, and no other layout's results are there."""
    if aps_nexus.recognise(h5) or own.recognise(h5):
        return False
    if any(has_results(h5, root) for root in ("/xpcs", "/exchange")):
        return False
    return bool(_entries(h5))


def _entries(h5: Handle) -> list[str]:
    """Paths of the entries with XPCS content, the one to show first."""
    found = entries(h5)
    full = [path for path in found if any(f"{path}/{name}" in h5 for name in _CONTENT)]
    named = [path for path in found if scalar_text(h5, f"{path}/definition") == "NXxpcs"]
    return full + [path for path in named if path not in full]


@dataclass(frozen=True)
class _Places:
    """Where the parts of one entry are."""

    entry: str
    instrument: str
    detector: str | None

    @property
    def data(self) -> str:
        return f"{self.entry}/data"

    @property
    def two(self) -> str:
        return f"{self.entry}/twotime"

    @property
    def masks(self) -> str:
        return f"{self.instrument}/masks"

    @property
    def beam(self) -> str:
        return f"{self.instrument}/incident_beam"


def _places(reader: Reader, entry: str) -> _Places:
    instrument = f"{entry}/instrument"
    if not reader.has(instrument):
        instrument = next(iter(members_of_class(reader.h5, entry, "NXinstrument")), instrument)
    return _Places(entry, instrument, _detector(reader, instrument))


def _detector(reader: Reader, instrument: str) -> str | None:
    """The detector's group, whatever its name."""
    found = members_of_class(reader.h5, instrument, "NXdetector")
    if found:
        return next((path for path in found if reader.has(f"{path}/frame_time")), found[0])
    group = reader.h5.get(instrument)
    names = list(group) if isinstance(group, Group) else []
    return next((f"{instrument}/{n}" for n in names if reader.has(f"{instrument}/{n}/frame_time")), None)


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

    def pixels(self, name: str, pixel_m: float | None) -> float | None:
        """A position on the detector in pixels; the definition gives it as a length, most files in pixels."""
        value = self.reader.scalar(name)
        unit = self.reader.attribute(name, "units")
        if value is None or unit is None or unit.lower().strip().startswith(("pix", "px", "au", "a.u")):
            return value
        try:
            length = to_metres(value, unit)
        except UsageError:
            return value
        return None if pixel_m is None else length / pixel_m


def read(source: OpenFile) -> RawResult:
    """Read header and 1-D data; see `xpcs_dash.hdf5.layouts.aps_nexus.read`."""
    reader = Reader(source)
    units = _Units(reader)
    found = _entries(source.h5)
    at = _places(reader, found[0])
    has_g2, has_c2 = reader.has(f"{at.data}/g2"), reader.has(f"{at.two}/two_time_corr_func")
    if not has_g2 and not has_c2:
        raise IncompleteFile(source.path, "this looks like NXxpcs but has no g2", "process it again")
    frame_time = units.number(f"{at.detector}/frame_time", "s", to_seconds) if at.detector else None
    dqmap = reader.stored(f"{at.masks}/dynamic_roi_map", "int32")
    shape = stored_shape(dqmap)
    average = f"{at.data}/frame_average"
    # some take it for the mean image, some for the mean of each frame
    is_image = len(_squeezed(reader.shape(average))) == 2
    saxs_2d = reader.stored(average, "float32", shape) if is_image else None
    geometry, complaints = _geometry(units, at, shape or stored_shape(saxs_2d))
    q, phi = _lists(reader, at)
    dynamic = _bins(reader, at, q, phi)
    delays, delay_s = _delays(reader, at, frame_time) if has_g2 else (None, None)
    n_delay = 0 if delay_s is None else delay_s.size
    static_q = _list(reader, f"{at.masks}/static_q_list")
    temperature = reader.scalar(f"{at.entry}/sample/temperature")
    scan, sample = name_parts(source.path.stem)
    number = reader.scalar(f"{at.entry}/scan_number")
    processes = [path for path in members_of_class(source.h5, "/", "NXprocess") if path != at.entry]
    return RawResult(
        layout=NAME,
        kinds=(("multitau",) if has_g2 else ()) + (("twotime",) if has_c2 else ()),
        dynamic=dynamic,
        static=None if static_q is None else _bins(reader, at, static_q, None),
        geometry=geometry,
        detector_shape=shape or stored_shape(saxs_2d),
        delay_frames=delays,
        delay_s=delay_s,
        g2=_curves(reader, f"{at.data}/g2", n_delay, dynamic.n) if has_g2 else None,
        g2_err=_curves(reader, f"{at.data}/g2_derr", n_delay, dynamic.n)
        if has_g2 and reader.has(f"{at.data}/g2_derr")
        else None,
        saxs_2d=saxs_2d,
        mask=None if dqmap is None else reader.stored(f"{at.masks}/dynamic_roi_map", "bool"),
        dqmap=dqmap,
        sqmap=reader.stored(f"{at.masks}/static_roi_map", "int32", shape),
        twotime=_twotime(reader, at, dynamic.n, frame_time) if has_c2 else None,
        frame_time_s=frame_time,
        exposure_s=units.number(f"{at.detector}/count_time", "s", to_seconds) if at.detector else None,
        start_time=parse_time(reader.text(f"{at.entry}/start_time")),
        end_time=parse_time(reader.text(f"{at.entry}/end_time")),
        sample=reader.text(f"{at.entry}/sample/name") or sample,
        scan=f"{number:g}"
        if number is not None
        else scalar_text(source.h5, f"{at.entry}/entry_identifier") or scan,
        temperature_k=None
        if temperature is None
        else reader.converted(f"{at.entry}/sample/temperature", temperature, "K", to_kelvin),
        metadata_groups=(at.entry, *processes),
        warnings=(*_others(found), *units.assumed, *complaints),
    )


def _others(found: list[str]) -> tuple[str, ...]:
    if len(found) < 2:
        return ()
    return (
        f"the file holds {len(found)} entries with XPCS results: {found[0]} is shown, "
        f"{', '.join(found[1:])} not",
    )


def _squeezed(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    shape = shape or ()
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _geometry(
    units: _Units, at: _Places, shape: tuple[int, int] | None
) -> tuple[GeometryMetadata | None, tuple[str, ...]]:
    detector = at.detector
    if detector is None:
        return None, ("no geometry: the file has no detector group",)
    pixel_m = units.number(f"{detector}/x_pixel_size", "m", to_metres)
    values = {
        "energy": units.number(f"{at.beam}/incident_energy", "keV", to_kev),
        "distance": units.number(f"{detector}/distance", "m", to_metres),
        "pixel size": pixel_m,
        "beam centre x": units.pixels(f"{detector}/beam_center_x", pixel_m),
        "beam centre y": units.pixels(f"{detector}/beam_center_y", pixel_m),
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


def _lists(reader: Reader, at: _Places) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """The q and, where the file gives it, φ of each label; the definition also allows pairs (q, φ)."""
    name = f"{at.masks}/dynamic_q_list"
    shape = reader.shape(name)
    if shape is None:
        raise reader.missing(name)
    phi = reader.optional_vector(f"{at.masks}/dynamic_phi_list")
    if len(shape) == 2 and shape[0] > 1 and shape[1] > 1:
        if shape[1] != 2:
            raise reader.wrong(name, "one q, or q and φ, for each bin", f"shape {shape}")
        pairs = reader.numbers(name)
        q = _inverse_angstrom(reader, name, pairs[:, 0])
        return q, pairs[:, 1].copy() if phi is None else phi
    found = _list(reader, name)
    if found is None:
        raise reader.missing(name)
    return found, phi


def _list(reader: Reader, name: str) -> NDArray[np.float64] | None:
    values = reader.optional_vector(name)
    return None if values is None else _inverse_angstrom(reader, name, values)


def _inverse_angstrom(reader: Reader, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.size == 0 or not np.all(np.isfinite(values)):
        raise reader.wrong(name, "at least one finite q", "none, or NaN")
    return values * reader.converted(name, 1.0, "1/angstrom", to_inverse_angstrom)


def _bins(reader: Reader, at: _Places, q: NDArray[np.float64], phi: NDArray[np.float64] | None) -> BinTable:
    try:
        return table_from_labels(q, phi)
    except SchemaError as err:
        raise reader.wrong(at.masks, err.expected, err.found) from None


def _delays(
    reader: Reader, at: _Places, frame_time: float | None
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
    """(frames or None, seconds)."""
    name = f"{at.data}/delay_difference"
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
    return stated or ("data_exchange_keys" if isinstance(reader.h5[name], Group) else "one_array")


def _numbered(reader: Reader, name: str) -> list[tuple[int, str]]:
    """(number, path) of the datasets of a group, in the order of the numbers their names end in."""
    group = reader.h5[name]
    if not isinstance(group, Group):
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
    if stored.ndim == 1 and n_q == 1:
        stored = stored[:, None]
    if stored.shape == (n_delay, n_q):
        return stored
    if stored.shape == (n_q, n_delay):
        return stored.T.copy()
    raise reader.wrong(name, f"shape ({n_delay}, {n_q}) or ({n_q}, {n_delay})", f"shape {stored.shape}")


def _twotime(reader: Reader, at: _Places, n_q: int, frame_time: float | None) -> TwoTimeRecord:
    name = f"{at.two}/two_time_corr_func"
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
    g2_name = f"{at.two}/g2_from_two_time_corr_func"
    plain = reader.has(g2_name) and isinstance(reader.h5[g2_name], Dataset)
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
