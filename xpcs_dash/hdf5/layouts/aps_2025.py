"""The second transition dialect of APS 8-ID (early 2025): old names under ``/xpcs`` and ``/xpcs/qmap``."""

from __future__ import annotations

import dataclasses

from xpcs_dash.hdf5.access import Reader, parse_time
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.layouts import aps_entry
from xpcs_dash.hdf5.layouts.legacy_common import Instrument, has_results, read_legacy, stored_shape
from xpcs_dash.hdf5.records import OpenFile, RawResult

NAME = "aps_2025"
TITLE = "APS 8-ID result of early 2025"


def recognise(h5: Handle) -> bool:
    """True for results of the old names directly under ``/xpcs``."""
    return has_results(h5, "/xpcs") and "/xpcs/multitau" not in h5 and "/xpcs/twotime" not in h5


def read(source: OpenFile) -> RawResult:
    """Read header and 1-D data; see `xpcs_dash.hdf5.layouts.aps_nexus.read`."""
    reader = Reader(source)
    shape = stored_shape(reader.stored("/xpcs/qmap/dqmap", "int32"))
    found = aps_entry.read_geometry(reader, "/xpcs/qmap", shape)
    entry = aps_entry.read_entry(reader)
    instrument = Instrument(
        entry.frame_time_s, entry.exposure_s, found.geometry, found.warnings, found.mismatch
    )
    return dataclasses.replace(
        read_legacy(reader, NAME, "/xpcs", "/xpcs/qmap", instrument),
        scan=entry.scan,
        sample=entry.sample,
        temperature_k=entry.temperature_k,
        start_time=parse_time(reader.text("/entry/start_time")),
        end_time=parse_time(reader.text("/entry/end_time")),
    )
