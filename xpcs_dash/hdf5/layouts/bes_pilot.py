"""The pilot of 2020 for NeXus XPCS files: ``/entry/XPCS``, ``/entry/SAXS_1D`` and ``/entry/SAXS_2D``.

Xi-cam wrote its ancestor, with other names for delays, errors and q.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile, UsageError
from xpcs_dash.hdf5.access import Reader, parse_time
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.layouts.aps_entry import name_parts
from xpcs_dash.hdf5.layouts.legacy_common import make_geometry, stored_shape
from xpcs_dash.hdf5.layouts.nexus import members_of_class
from xpcs_dash.hdf5.layouts.tables import table_from_labels, whole_frames
from xpcs_dash.hdf5.records import BinTable, OpenFile, RawResult
from xpcs_dash.hdf5.units import to_inverse_angstrom, to_kelvin, to_seconds

NAME = "bes_pilot"
TITLE = "NeXus XPCS pilot of 2020"

_DATA = "/entry/XPCS/data"
_META = "/entry/metadata"
_MASK = "/entry/XPCS/instrument/mask"
#: Names that the pilot uses, then those of its ancestor.
_Q = (f"{_DATA}/ql_dyn", f"{_MASK}/dqlist")
_ERRORS = (f"{_DATA}/g2_errors", f"{_DATA}/g2_stderr")


def recognise(h5: Handle) -> bool:
    """True for the process group of the pilot."""
    return _DATA in h5


def read(source: OpenFile) -> RawResult:
    """Read header and 1-D data; see `xpcs_dash.hdf5.layouts.aps_nexus.read`."""
    reader = Reader(source)
    frame_time = _frame_time(reader)
    delays = _delays(reader, frame_time)
    listed = reader.first(*_Q) or _Q[0]
    q = reader.vector(listed) * _unit(reader, listed, "1/angstrom")
    if q.size == 0 or not np.all(np.isfinite(q)):
        raise reader.wrong(listed, "at least one finite q", "none, or NaN")
    shape = (delays.size, q.size)
    dqmap = reader.stored(f"{_DATA}/masks/mask/mask", "int32")
    detector = stored_shape(dqmap)
    saxs_2d = reader.stored("/entry/SAXS_2D/data/I", "float32", detector)
    values = {
        "energy": reader.positive(f"{_META}/energy"),
        "distance": reader.positive(f"{_META}/distance"),
        "pixel_size": reader.positive(f"{_META}/x_pixel_size"),
        "bcx": reader.scalar(f"{_META}/beam_center_x"),
        "bcy": reader.scalar(f"{_META}/beam_center_y"),
    }
    geometry, warnings = make_geometry(values, detector or stored_shape(saxs_2d))
    static, saxs_1d = _static(reader)
    temperature = reader.scalar(f"{_META}/sample_temperature_A")
    scan, sample = name_parts(source.path.stem)
    return RawResult(
        layout=NAME,
        kinds=("multitau",),
        dynamic=table_from_labels(q),
        static=static,
        geometry=geometry,
        energy_kev=values["energy"],
        distance_m=None if values["distance"] is None else values["distance"] / 1e3,
        detector_shape=detector or stored_shape(saxs_2d),
        delay_frames=whole_frames(delays, frame_time),
        delay_s=delays,
        g2=reader.shaped(f"{_DATA}/g2", shape),
        g2_err=reader.shaped(reader.first(*_ERRORS) or _ERRORS[0], shape, required=False),
        saxs_1d=saxs_1d,
        saxs_2d=saxs_2d,
        # 1 marks what is masked in this file
        mask=reader.stored("/entry/SAXS_2D/data/mask", "not bool", detector),
        dqmap=dqmap,
        frame_time_s=frame_time,
        exposure_s=reader.positive(f"{_META}/exposure_time"),
        start_time=parse_time(reader.text(f"{_META}/start_time")),
        end_time=parse_time(reader.text(f"{_META}/end_time")),
        sample=sample,
        scan=scan,
        temperature_k=None if temperature is None else to_kelvin(temperature, "C"),
        raw_path=reader.text(f"{_META}/datafilename"),
        metadata_groups=(_META, "/entry/sample"),
        warnings=warnings,
    )


def _frame_time(reader: Reader) -> float | None:
    found = reader.positive(f"{_META}/exposure_period")
    if found is not None:
        return found
    for detector in members_of_class(reader.h5, "/entry/instrument", "NXdetector"):
        value = reader.quantity(f"{detector}/frame_time", "s", to_seconds)
        if value is not None:
            return value
    return None


def _delays(reader: Reader, frame_time: float | None) -> NDArray[np.float64]:
    """Delays in s. The ancestor's ``tau`` counts frames, unless it names a unit of time."""
    name = f"{_DATA}/t_el"
    if reader.has(name) or not reader.has(f"{_DATA}/tau"):
        delays = reader.vector(name) * _unit(reader, name, "s")
    else:
        name = f"{_DATA}/tau"
        unit = reader.attribute(name, "units")
        try:
            step = to_seconds(1.0, unit or "")
        except UsageError:
            if frame_time is None:
                raise IncompleteFile(
                    reader.path,
                    f"{name} is in frames and the file does not hold the frame time",
                    "give tau a unit of time, or add /entry/metadata/exposure_period",
                ) from None
            step = frame_time
        delays = reader.vector(name) * step
    if delays.size == 0 or not np.all(np.isfinite(delays)) or np.any(np.diff(delays) <= 0):
        raise reader.wrong(name, "rising delays", "none, or delays that repeat or fall")
    return delays


def _unit(reader: Reader, name: str, default: str) -> float:
    convert = to_seconds if default == "s" else to_inverse_angstrom
    return reader.converted(name, 1.0, default, convert)


def _static(reader: Reader) -> tuple[BinTable | None, NDArray[np.float64] | None]:
    name = "/entry/SAXS_1D/data/Q"
    q = reader.optional_vector(name)
    if q is None or q.size == 0 or not np.all(np.isfinite(q)):
        return None, None
    intensity = reader.optional_vector("/entry/SAXS_1D/data/I", q.size)
    return table_from_labels(q * _unit(reader, name, "1/angstrom")), intensity
