"""The layout of APS 8-ID of 2019 to 2023: ``/exchange``, ``/measurement`` and maps under ``/xpcs``."""

from __future__ import annotations

import dataclasses

from xpcs_dash.hdf5.access import Reader, parse_time
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.layouts.aps_entry import name_parts
from xpcs_dash.hdf5.layouts.legacy_common import (
    Instrument,
    has_results,
    make_geometry,
    read_legacy,
    stored_shape,
)
from xpcs_dash.hdf5.records import OpenFile, RawResult

NAME = "aps_legacy"
TITLE = "APS 8-ID result of 2019 to 2023"

_DETECTOR = "/measurement/instrument/detector"
_ACQUISITION = "/measurement/instrument/acquisition"
_TRANSITION = "/entry/instrument/bluesky/metadata/t0"


def recognise(h5: Handle) -> bool:
    """True for results under ``/exchange``, or the root that the file names, with maps under ``/xpcs``."""
    if _TRANSITION in h5 or "/xpcs/multitau" in h5 or "/xpcs/twotime" in h5:
        return False
    return has_results(h5, "/exchange") or ("/xpcs/Version" in h5 and "/xpcs/output_data" in h5)


def read(source: OpenFile) -> RawResult:
    """Read header and 1-D data; see `xpcs_dash.hdf5.layouts.aps_nexus.read`."""
    reader = Reader(source)
    root = (reader.text("/xpcs/output_data") or "/exchange").rstrip("/")
    root = root if root.startswith("/") else f"/{root}"
    shape = stored_shape(reader.stored("/xpcs/dqmap", "int32"))
    values = {
        "energy": reader.positive("/measurement/instrument/source_begin/energy"),
        "distance": reader.positive(f"{_DETECTOR}/distance"),
        "pixel_size": reader.positive(f"{_DETECTOR}/x_pixel_size"),
        "bcx": reader.scalar(f"{_ACQUISITION}/beam_center_x"),
        "bcy": reader.scalar(f"{_ACQUISITION}/beam_center_y"),
    }
    shift = tuple(
        (reader.scalar(f"{_ACQUISITION}/stage_{axis}") or 0.0)
        - (reader.scalar(f"{_ACQUISITION}/stage_zero_{axis}") or 0.0)
        for axis in ("x", "z")
    )
    geometry, warnings = make_geometry(values, shape, (shift[0], shift[1]))
    instrument = Instrument(
        reader.positive(f"{_DETECTOR}/exposure_period"),
        reader.positive(f"{_DETECTOR}/exposure_time"),
        geometry,
        warnings,
    )
    scan, sample = name_parts(source.path.stem)
    return dataclasses.replace(
        read_legacy(reader, NAME, root, "/xpcs", instrument),
        scan=scan,
        sample=sample,
        start_time=parse_time(reader.text("/measurement/instrument/source_begin/datetime")),
    )
