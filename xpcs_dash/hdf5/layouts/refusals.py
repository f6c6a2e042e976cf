"""What a file is that none of the layouts recognises."""

from __future__ import annotations

from collections.abc import Callable

from xpcs_dash.errors import UnknownLayout
from xpcs_dash.hdf5.access import decode
from xpcs_dash.hdf5.handle import Dataset, Group, Handle
from xpcs_dash.hdf5.layouts.nexus import entries, scalar_text
from xpcs_dash.hdf5.records import OpenFile

__all__ = ["explain"]

_RAW = (
    "/entry/data/data",
    "/exchange/data",
    "/entry/instrument/detector/data",
    "/entry/data/data_000001",
    "/entry/data/raw",
)
_ERRORS = (KeyError, OSError, RuntimeError, ValueError, TypeError, AttributeError)
#: What to do with a result of another facility.
_AS_NEXUS = "write it as NXxpcs, which is read"


def explain(source: OpenFile) -> UnknownLayout:
    """The refusal, with what the file seems to be and what to do with it."""
    h5, path = source.h5, source.path
    for look in (_other_facility, _chx, _documents, _raw, _map_or_mask, _without_results):
        found = look(h5)
        if found is not None:
            return UnknownLayout(path, *found)
    names = ", ".join(list(h5)[:6]) or "nothing"
    return UnknownLayout(
        path,
        f"this HDF5 file is no XPCS result of a kind that we read: it holds {names}",
        "give a result file",
    )


#: Reason, remedy, and what kind of file it is where it is no failure.
Found = tuple[str, str] | tuple[str, str, str] | None


def _attribute(h5: Handle, group: str, name: str) -> str:
    try:
        return decode(h5[group].attrs.get(name, ""))
    except _ERRORS:
        return ""


def _other_facility(h5: Handle) -> Found:
    """Results whose layouts are known and not read."""
    for recognise, what in _FACILITIES:
        if recognise(h5):
            return f"this is {what}, which is not read yet", _AS_NEXUS
    return None


def _id02(h5: Handle) -> bool:
    title = scalar_text(h5, "/entry_0000/title") or ""
    return _attribute(h5, "/", "MagicString").startswith("XPCSResultFile") or title == "XPCSResultFile"


def _dahu(h5: Handle) -> bool:
    return any(f"{name}/1_XPCS/results" in h5 for name in h5 if name.startswith("entry"))


def _midtools(h5: Handle) -> bool:
    return "/train_resolved/correlation" in h5


def _caterete(h5: Handle) -> bool:
    known = (
        "One-time correlation function/1-TCF",
        "One-time correlation/1-TCF",
        "Multi-tau Correlation/Multi-tau",
        "Two-time correlation function/2-TCF",
    )
    if any(name in h5 for name in known):
        return True
    try:
        return any(name.startswith("q = ") for name in h5["Multi-tau"])
    except _ERRORS:
        return False


def _sparse(h5: Handle) -> bool:
    times = {"pixel_index", "frame_pointer"}, {"time_index", "pixel_pointer"}
    return "intensity" in h5 and any(all(name in h5 for name in pair) for pair in times)


_FACILITIES: tuple[tuple[Callable[[Handle], bool], str], ...] = (
    (_id02, "a result of ESRF ID02 (XPCSResultFile)"),
    (_dahu, "a result of the XPCS plug-in of ESRF (dahu)"),
    (_midtools, "a result of midtools at the European XFEL (MID)"),
    (_caterete, "a result of Sirius CATERETE"),
)


def _chx(h5: Handle) -> Found:
    """Exports of NSLS-II CHX without g2: see `xpcs_dash.hdf5.layouts.chx`."""
    if "/md" not in h5 or not any(name in h5 for name in ("/avg_img", "/qval_dict", "/roi_mask", "/imgsum")):
        return None
    what = "speckle visibility" if "/spec_kmean" in h5 else "images and maps"
    return (
        f"this is a file of NSLS-II CHX with {what} and without g2",
        "export it again with the one-time or two-time correlation",
    )


def _documents(h5: Handle) -> Found:
    """Runs exported from a databroker by suitcase: one group a run, its documents as attributes."""
    for name in h5:
        try:
            item = h5.get(name)
            attributes = set(item.attrs) if isinstance(item, Group) else set()
        except _ERRORS:
            continue
        if {"start", "stop"} <= attributes or {"start", "descriptors"} <= attributes:
            return (
                "this is a run exported from a databroker, its readings and images and no correlation",
                "open the result of its analysis",
            )
    return None


def _raw(h5: Handle) -> Found:
    if _sparse(h5):
        return "this is a raw data file: a list of photons", "correlate it first", "raw data"
    for name in (*_RAW, *(f"{entry}/data/data" for entry in entries(h5))):
        dataset = h5.get(name)
        shape = (dataset.shape or ()) if isinstance(dataset, Dataset) else ()
        if len(shape) >= 2:
            frames = f"{shape[0]} frames" if len(shape) > 2 else "one frame"
            size = " × ".join(str(n) for n in shape[-2:])
            return f"this is a raw data file: {frames} of {size} pixels", "correlate it first", "raw data"
    return None


def _map_or_mask(h5: Handle) -> Found:
    if "/data/dynamicMap" in h5:
        what = "this is a partition file of the older kind, which goes into a correlation"
        return what, "open its result", "partition"
    if "/mask" in h5:
        return "this is a mask file", "load it on the mask page", "mask"
    return None


def _without_results(h5: Handle) -> Found:
    if "/entry/schema_version" in h5 or "/entry/instrument" in h5:
        return (
            "this is a metadata file of an acquisition, without results",
            "open the file of its results",
            "metadata",
        )
    for root in ("/xpcs", "/exchange"):
        if root in h5:
            return (
                f"what it holds under {root} ({_members(h5, root)}) is no result under a name that we know",
                f"if it is a result, {_AS_NEXUS}; else process it again",
            )
    if str(h5.attrs.get("creator", "")) == "xpcs-dash":
        return "this is a file of ours but no result", "open it on the page that wrote it"
    return None


def _members(h5: Handle, group: str) -> str:
    try:
        return ", ".join(list(h5[group])[:6]) or "nothing"
    except _ERRORS:
        return "no group"
