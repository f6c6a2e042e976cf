"""The first transition dialect of APS 8-ID (2023): old results, instrument scalars in a NeXus entry."""

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

NAME = "aps_2023"
TITLE = "APS 8-ID result of 2023"

_SCALARS = "/entry/instrument/bluesky/metadata"


def recognise(h5: Handle) -> bool:
    """True for results under ``/exchange`` with the frame time among the run's metadata."""
    return f"{_SCALARS}/t0" in h5 and has_results(h5, "/exchange")


def read(source: OpenFile) -> RawResult:
    """Read header and 1-D data; see `xpcs_dash.hdf5.layouts.aps_nexus.read`."""
    reader = Reader(source)
    shape = stored_shape(reader.stored("/xpcs/dqmap", "int32"))
    values = {
        "energy": reader.positive(f"{_SCALARS}/X_energy"),
        "distance": reader.positive(f"{_SCALARS}/det_dist"),
        "pixel_size": reader.positive(f"{_SCALARS}/pix_dim_x"),
        "bcx": reader.scalar(f"{_SCALARS}/bcx"),
        "bcy": reader.scalar(f"{_SCALARS}/bcy"),
    }
    moved = [
        (reader.scalar(f"{_SCALARS}/{now}") or 0.0) - (reader.scalar(f"{_SCALARS}/{zero}") or 0.0)
        for now, zero in (("ccdx", "ccdx0"), ("ccdy", "ccdy0"))
    ]
    geometry, warnings = make_geometry(values, shape, (moved[0], moved[1]))
    instrument = Instrument(
        reader.positive(f"{_SCALARS}/t0"), reader.positive(f"{_SCALARS}/t1"), geometry, warnings
    )
    scan, sample = name_parts(source.path.stem)
    return dataclasses.replace(
        read_legacy(reader, NAME, "/exchange", "/xpcs", instrument),
        scan=scan,
        sample=sample,
        start_time=parse_time(reader.text("/entry/start_time")),
    )
