"""What a file is that none of the layouts recognises."""

from __future__ import annotations

import h5py

from xpcs_dash.errors import UnknownLayout
from xpcs_dash.hdf5.records import OpenFile

__all__ = ["explain"]

_RAW = (
    "/entry/data/data",
    "/exchange/data",
    "/entry/instrument/detector/data",
    "/entry/data/data_000001",
    "/entry/data/raw",
)


def explain(source: OpenFile) -> UnknownLayout:
    """The refusal, with what the file seems to be and what to do with it."""
    h5, path = source.h5, source.path
    for name in _RAW:
        dataset = h5.get(name)
        if isinstance(dataset, h5py.Dataset) and dataset.ndim >= 2:
            frames = f"{dataset.shape[0]} frames" if dataset.ndim > 2 else "one frame"
            size = " × ".join(str(n) for n in dataset.shape[-2:])
            return UnknownLayout(
                path, f"this is a raw data file: {frames} of {size} pixels", "correlate it first"
            )
    if "/data/dynamicMap" in h5:
        return UnknownLayout(
            path,
            "this is a partition file of the older kind, which goes into a correlation",
            "open its result",
        )
    if "/mask" in h5:
        return UnknownLayout(path, "this is a mask file", "load it on the mask page")
    if "/entry/schema_version" in h5 or "/entry/instrument" in h5:
        return UnknownLayout(
            path, "this is a metadata file of an acquisition, without results", "open the file of its results"
        )
    if "/exchange" in h5 or "/xpcs" in h5:
        return UnknownLayout(path, "this looks like an XPCS file but has no results", "process it again")
    if str(h5.attrs.get("creator", "")) == "xpcs-dash":
        return UnknownLayout(
            path, "this is a file of ours but no result", "open it on the page that wrote it"
        )
    names = ", ".join(list(h5)[:6]) or "nothing"
    return UnknownLayout(
        path,
        f"this HDF5 file is no XPCS result of a kind that we read: it holds {names}",
        "give a result file",
    )
