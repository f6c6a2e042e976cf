"""How the source of a converted file was read, stated in the group ``/xpcs/as_read`` of the APS layout.

That layout tells scan and sample from the file's name and derives much else from places that mean other
things in other layouts. A file that was converted, averaged or regrouped therefore says how its source was
read, and is read in that way again, whatever it is called.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import h5py

from xpcs_dash.hdf5.access import Reader
from xpcs_dash.hdf5.records import RawResult

__all__ = ["ALWAYS", "AS_READ", "FIELDS", "restore", "state"]

AS_READ = "/xpcs/as_read"
#: Fields that the APS layout takes from the file's name.
ALWAYS = ("scan", "sample")
#: Further fields that other layouts keep in other places.
FIELDS = (*ALWAYS, "frame_time_s", "exposure_s", "start_time", "end_time", "temperature_k", "n_frames",
          "energy_kev", "distance_m", "intensity_unit", "geometry_mismatch", "warnings")  # fmt: skip
_WITHOUT = "without"
_DT = "c2_frame_time_s"
_COINCIDENCES = "coincidences"
_TIMES = ("start_time", "end_time")
_LISTS = ("geometry_mismatch", "warnings")


def state(h5: h5py.File, values: Mapping[str, Any], without: tuple[str, ...] = ()) -> None:
    """Write the statements.

    Parameters
    ----------
    values : field of `RawResult` → value, of `FIELDS`; also ``c2_frame_time_s`` and ``coincidences``.
    without : further fields that the source did not have, whatever the file holds for other readers.
    """
    group = h5.require_group(AS_READ)
    missing = list(without)
    for name, value in values.items():
        if value is None:
            missing.append(name)
        elif name in _TIMES:
            group.attrs[name] = value.isoformat()
        elif name in _LISTS:
            if value:
                group.create_dataset(name, data=list(value), dtype=h5py.string_dtype())
            else:
                missing.append(name)
        elif name == _COINCIDENCES:
            group.create_dataset(name, data=value)
        else:
            group.attrs[name] = value
    group.create_dataset(
        _WITHOUT, data=sorted(set(missing)), dtype=h5py.string_dtype(), shape=(len(set(missing)),)
    )


def restore(reader: Reader, raw: RawResult) -> RawResult:
    """``raw`` with the fields that the file states."""
    if not reader.has(AS_READ):
        return raw
    changes: dict[str, Any] = {"restated": True}
    stored = reader.h5[AS_READ].attrs
    for name in FIELDS:
        if name in _LISTS:
            texts = reader.texts(f"{AS_READ}/{name}")
            if texts:
                changes[name] = texts
        elif name in stored:
            changes[name] = _value(name, stored[name])
    if raw.g2 is not None:
        changes[_COINCIDENCES] = reader.shaped(f"{AS_READ}/{_COINCIDENCES}", raw.g2.shape, required=False)
    known = {f.name for f in dataclasses.fields(RawResult)}
    for name in reader.texts(f"{AS_READ}/{_WITHOUT}"):
        if name in known:
            changes[name] = () if name in _LISTS else None
    if raw.twotime is not None and _DT in stored:
        changes["twotime"] = dataclasses.replace(raw.twotime, dt_s=float(stored[_DT]))
    return dataclasses.replace(raw, **changes)


def _value(name: str, value: Any) -> Any:
    if name in _TIMES:
        return datetime.fromisoformat(str(value))
    if name == "n_frames":
        return int(value)
    return value if isinstance(value, str) else float(value)
