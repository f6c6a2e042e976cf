"""The ``/entry`` part of APS files: times, sample, and the geometry to check the q-map against."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xpcs_dash.errors import SchemaError
from xpcs_dash.hdf5.access import Reader
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.hdf5.units import to_kelvin, to_kev, to_metres, to_seconds

__all__ = [
    "DETECTOR",
    "Entry",
    "GeometryFound",
    "name_parts",
    "read_entry",
    "read_frame_time",
    "read_geometry",
]

DETECTOR = "/entry/instrument/detector_1"
_ENERGY = "/entry/instrument/incident_beam/incident_energy"
#: Above this relative difference of two sources of the geometry a warning is shown.
DISAGREEMENT = 0.005
_PLACEHOLDERS = {"", "none", "unknown", "short sample description", "full sample description", "sample"}
_NAME = re.compile(r"(?:^|_)(?P<scan>[A-Z]{1,2}\d{3,5})_(?P<sample>.+?)(?:_(?:att|a)\d+.*|_results.*)?$")


@dataclass(frozen=True)
class Entry:
    """Scalars of ``/entry``; None where absent."""

    frame_time_s: float | None
    exposure_s: float | None
    sample: str | None
    scan: str | None
    temperature_k: float | None


@dataclass(frozen=True)
class GeometryFound:
    """The geometry, the fields in which the two sources disagree, and sentences for a person."""

    geometry: GeometryMetadata | None
    mismatch: tuple[str, ...]
    warnings: tuple[str, ...]
    energy_kev: float | None = None
    distance_m: float | None = None


def name_parts(stem: str) -> tuple[str | None, str | None]:
    """(scan, sample) from a file name of the beamline's form ``<scan>_<sample>_a<n>_f<n>_r<n>``."""
    found = _NAME.search(stem)
    return (found["scan"], found["sample"]) if found else (None, None)


def read_entry(reader: Reader, frame_time_s: float | None = None) -> Entry:
    """Read what ``/entry`` says about frames and sample; not again ``frame_time_s`` where it is known."""
    scan, sample = name_parts(reader.path.stem)
    for name in (
        "/entry/sample/name",
        "/entry/instrument/bluesky/metadata/sample",
        "/entry/sample/short_description",
    ):
        text = reader.text(name)
        if text and text.lower() not in _PLACEHOLDERS:
            sample = text
            break
    if scan is None:
        number = reader.first("/entry/instrument/bluesky/scan_id", "/entry/scan_number")
        scan = None if number is None else _whole(reader.scalar(number)) or reader.text(number)
    return Entry(
        frame_time_s=read_frame_time(reader) if frame_time_s is None else frame_time_s,
        exposure_s=_with_unit(reader, f"{DETECTOR}/count_time", "s"),
        sample=sample,
        scan=scan,
        temperature_k=_temperature(reader),
    )


def read_frame_time(reader: Reader) -> float | None:
    """Seconds from frame to frame of the detector."""
    return _with_unit(reader, f"{DETECTOR}/frame_time", "s")


def _whole(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _temperature(reader: Reader) -> float | None:
    """The first temperature of the sample; the QNW controllers speak °C unless the file says otherwise."""
    for name, unit in (("temperature", "K"), ("qnw1_temperature", "C")):
        path = f"/entry/sample/{name}"
        value = reader.scalar(path)
        if value is not None:
            return reader.converted(path, value, unit, to_kelvin)
    return None


def _with_unit(reader: Reader, name: str, default: str) -> float | None:
    return reader.quantity(name, default, {"keV": to_kev, "s": to_seconds, "m": to_metres}[default])


#: field: (path in the q-map, path in /entry, unit of both)
_SOURCES = {
    "energy": ("energy", _ENERGY, "keV"),
    "distance": ("detector_distance", f"{DETECTOR}/distance", "m"),
    "pixel_size": ("pixel_size", f"{DETECTOR}/x_pixel_size", "m"),
    "beam_center_x": ("beam_center_x", f"{DETECTOR}/beam_center_x", "px"),
    "beam_center_y": ("beam_center_y", f"{DETECTOR}/beam_center_y", "px"),
}


def read_geometry(reader: Reader, qmap: str, shape: tuple[int, int] | None) -> GeometryFound:
    """Geometry from the q-map, the calibrated one; ``/entry`` only where the q-map is silent, and said so."""
    values: dict[str, float] = {}
    mismatch, fallbacks, warnings = [], [], []
    for field, (name, entry, unit) in _SOURCES.items():
        path = f"{qmap}/{name}"
        if unit == "px":
            mine, nominal = reader.scalar(path), reader.scalar(entry)
        else:
            mine, nominal = _with_unit(reader, path, unit), _with_unit(reader, entry, unit)
        if mine is None and nominal is not None:
            fallbacks.append(field)
        elif mine is not None and nominal is not None and _differ(mine, nominal, unit):
            mismatch.append(field)
            warnings.append(
                f"{_TEXT[field]} is {mine:.6g} {unit} in the q-map but {nominal:.6g} {unit} in /entry; "
                "the q-map's is used"
            )
        value = mine if mine is not None else nominal
        if value is not None:
            values[field] = value
    if fallbacks:
        names = ", ".join(_TEXT[field] for field in fallbacks)
        warnings.append(f"the q-map does not hold {names}: taken from /entry, which is nominal")
    missing = [_TEXT[field] for field in _SOURCES if field not in values]
    if shape is None or missing:
        warnings.append(f"no geometry: the file does not hold {', '.join(missing) or 'a detector image'}")
        return GeometryFound(
            None, tuple(mismatch), tuple(warnings), values.get("energy"), values.get("distance")
        )
    pixel = values["pixel_size"]
    distance = values["distance"]
    if pixel > 5e-3:  # a pixel of centimetres: the mask tools of one viewer write millimetres
        warnings.append(
            f"the q-map's lengths are millimetres (pixel {pixel:g}); they were converted to metres"
        )
        pixel, distance = pixel / 1e3, distance / 1e3 if distance > 100 else distance
    geometry, complaint = _build(values, distance, pixel, shape)
    return GeometryFound(geometry, tuple(mismatch), (*warnings, *complaint), values["energy"], distance)


_TEXT = {
    "energy": "the energy",
    "distance": "the detector distance",
    "pixel_size": "the pixel size",
    "beam_center_x": "the beam centre x",
    "beam_center_y": "the beam centre y",
}


def _build(
    values: dict[str, float], distance: float, pixel: float, shape: tuple[int, int]
) -> tuple[GeometryMetadata | None, tuple[str, ...]]:
    bcx, bcy = values["beam_center_x"], values["beam_center_y"]
    try:
        geometry = GeometryMetadata.from_metres(
            energy_kev=values["energy"], distance_m=distance, pixel_m=pixel, bcx=bcx, bcy=bcy, shape=shape
        )
    except SchemaError as err:
        return None, (f"no geometry: {err}",)
    if abs(bcx) > 5 * shape[1] or abs(bcy) > 5 * shape[0]:
        return geometry, (f"the beam centre ({bcx:.6g}, {bcy:.6g}) px lies far outside the detector",)
    return geometry, ()


def _differ(mine: float, nominal: float, unit: str) -> bool:
    difference = abs(mine - nominal)
    if unit == "px" and difference < 0.25:
        return False
    return difference > DISAGREEMENT * abs(mine)
