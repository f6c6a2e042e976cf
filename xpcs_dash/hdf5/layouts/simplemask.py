"""Partition files of pySimpleMask: the group ``/qmap`` that goes into the correlation."""

from __future__ import annotations

from xpcs_dash.hdf5.access import Reader
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.layouts import aps_entry
from xpcs_dash.hdf5.layouts.aps_nexus import read_bins
from xpcs_dash.hdf5.layouts.legacy_common import stored_shape
from xpcs_dash.hdf5.records import OpenFile, RawResult

NAME = "simplemask"
TITLE = "pySimpleMask partition"

_QMAP = "/qmap"


def recognise(h5: Handle) -> bool:
    """True for a partition that stands by itself."""
    return f"{_QMAP}/dynamic_roi_map" in h5 and "/xpcs" not in h5


def read(source: OpenFile) -> RawResult:
    """Read the partition: maps, bins and geometry; there is no correlation in such a file."""
    reader = Reader(source)
    dqmap = reader.stored(f"{_QMAP}/dynamic_roi_map", "int32")
    shape = stored_shape(dqmap)
    found = aps_entry.read_geometry(reader, _QMAP, shape)
    has_static = reader.has(f"{_QMAP}/static_v_list_dim0")
    return RawResult(
        layout=NAME,
        kinds=(),
        dynamic=read_bins(reader, _QMAP, "dynamic"),
        static=read_bins(reader, _QMAP, "static") if has_static else None,
        geometry=found.geometry,
        energy_kev=found.energy_kev,
        distance_m=found.distance_m,
        detector_shape=shape,
        map_hash=reader.attribute(_QMAP, "hash"),
        mask=reader.stored(f"{_QMAP}/mask", "bool", shape),
        blemish=reader.stored(f"{_QMAP}/blemish", "bool", shape),
        dqmap=dqmap,
        sqmap=reader.stored(f"{_QMAP}/static_roi_map", "int32", shape),
        raw_path=reader.text(f"{_QMAP}/source_file"),
        metadata_groups=(_QMAP,),
        geometry_mismatch=found.mismatch,
        warnings=found.warnings,
    )
