"""Finding one's way in a NeXus file by classes rather than by names, which are free."""

from __future__ import annotations

from xpcs_dash.hdf5.access import decode
from xpcs_dash.hdf5.handle import Dataset, Group, Handle

__all__ = ["entries", "members_of_class", "scalar_text"]

_ERRORS = (KeyError, OSError, RuntimeError, ValueError, TypeError, AttributeError)


def _class_of(item: object) -> str:
    try:
        return decode(item.attrs.get("NX_class", "")) if isinstance(item, Group) else ""
    except _ERRORS:
        return ""


def members_of_class(h5: Handle, group: str, nx_class: str) -> list[str]:
    """Paths of the groups directly below ``group`` whose ``NX_class`` is the one asked for."""
    try:
        parent = h5.get(group)
        if not isinstance(parent, Group):
            return []
        names = list(parent)
    except _ERRORS:
        return []
    base = "" if group == "/" else group
    found = []
    for name in names:
        try:
            item = parent.get(name)
        except _ERRORS:
            continue
        if _class_of(item) == nx_class:
            found.append(f"{base}/{name}")
    return found


def scalar_text(h5: Handle, name: str) -> str | None:
    """The text of a dataset with one value; None where there is none."""
    try:
        item = h5.get(name)
        if not isinstance(item, Dataset) or item.shape is None or item.size != 1:
            return None
        return decode(item[()]) or None
    except _ERRORS:
        return None


def entries(h5: Handle) -> list[str]:
    """Paths of the entries and their subentries: those that ``default`` attributes name come first.

    ``/entry`` counts even where it states no class, as many files leave that out.
    """
    found = members_of_class(h5, "/", "NXentry")
    if "/entry" not in found and isinstance(h5.get("/entry"), Group):
        found.insert(0, "/entry")
    found = _default_first(h5, "/", found)
    out = []
    for path in found:
        below = _default_first(h5, path, members_of_class(h5, path, "NXsubentry"))
        out += [path, *below]
    return out


def _default_first(h5: Handle, group: str, found: list[str]) -> list[str]:
    try:
        default = decode(h5[group].attrs.get("default", ""))
    except _ERRORS:
        return found
    first = f"{'' if group == '/' else group}/{default.strip('/')}"
    return [path for path in found if path == first] + [path for path in found if path != first]
