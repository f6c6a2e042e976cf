"""What is carried from one file into another as it stands: values, types and attributes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from h5py import h5o
from numpy.typing import NDArray

from xpcs_dash.hdf5.handle import Dataset, Group, Handle

__all__ = ["CARRIED", "Carried", "Gathered", "carry", "gather", "gather_group", "stated"]

#: Group of a converted file for what its layout has no place for, each under the path that it had.
CARRIED = "/xpcs/carried"
#: Bytes of the largest dataset that is carried along.
LARGEST = 64 * 2**20
#: Bytes of all datasets together that are carried along, because they are held in memory meanwhile.
TOGETHER = 512 * 2**20
_ERRORS = (KeyError, OSError, RuntimeError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True, eq=False)
class Carried:
    """One object of a file.

    Parameters
    ----------
    path : absolute path that it had.
    value : its values; None for a group.
    dtype : type as stored, which also says how strings are kept.
    attributes : name → value.
    """

    path: str
    value: NDArray[Any] | None = None
    dtype: Any = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Gathered:
    """What is carried, and the paths that are left behind, each with the reason as a clause."""

    items: tuple[Carried, ...] = ()
    left: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: Gathered) -> Gathered:
        have = {item.path for item in self.items}
        return Gathered(
            self.items + tuple(item for item in other.items if item.path not in have), self.left + other.left
        )


def stated(values: Mapping[str, tuple[Any, str]]) -> tuple[Carried, ...]:
    """Items from values with units, by path."""
    out = []
    for path, (value, unit) in values.items():
        array = np.asarray(value)
        dtype: Any = array.dtype
        if array.dtype.kind == "U":
            dtype = h5py.string_dtype()
            encoded = [text.encode() for text in array.reshape(-1).tolist()]
            array = np.empty(array.shape, dtype=object)
            array.reshape(-1)[:] = encoded
        out.append(Carried(path, array, dtype, {"units": unit} if unit else {}))
    return tuple(out)


def gather(h5: Handle, groups: Iterable[str], *, below: str = "", skip: Collection[str] = ()) -> Gathered:
    """Everything under some groups, attributes included; what lies in other files within reach counts too.

    Parameters
    ----------
    groups : paths; those that are missing count nothing.
    below : taken off the front of every path.
    skip : paths, with all that lies under them, that are passed over.
    """
    found = Gathered()
    seen: set[Any] = set()
    for name in groups:
        with suppress(*_ERRORS):
            group = h5.get(name)
            if isinstance(group, Group) and name not in skip:
                found += gather_group(group, name, below=below, skip=skip, seen=seen)
    return found


def gather_group(
    group: Group, name: str, *, below: str = "", skip: Collection[str] = (), seen: set[Any] | None = None
) -> Gathered:
    """The same for a group that is at hand, whose path is ``name``."""
    items: list[Carried] = []
    left: list[tuple[str, str]] = []
    room = TOGETHER
    for at, item in _walk(group, "" if name == "/" else name, skip, set() if seen is None else seen):
        path = at.removeprefix(below) or "/"
        if isinstance(item, Group):
            items.append(Carried(path, attributes=_attributes(item)))
            continue
        reason = _why_not(item, room)
        if not reason:
            try:
                values = np.asarray(item[()], dtype=object if item.dtype.kind == "O" else None)
                items.append(Carried(path, values, item.dtype, _attributes(item)))
                room -= int(values.nbytes)
                continue
            except _ERRORS:
                reason = "cannot be read"
        left.append((path, reason))
    return Gathered(tuple(items), tuple(left))


def _why_not(item: Dataset, room: int) -> str:
    """Why a dataset stays behind, as a clause; empty where it is taken."""
    if item.shape is None:
        return "is empty"
    if item.nbytes > min(LARGEST, room):
        return f"takes {item.nbytes / 1e6:.3g} MB"
    return "refers to places in its own file" if _refers(item.dtype) else ""


def _walk(
    group: Group, path: str, skip: Collection[str], seen: set[Any]
) -> Iterator[tuple[str, Group | Dataset]]:
    """The group and what is below it, in the order of the tree, each object once."""
    yield path or "/", group
    for name in group:
        member = f"{path}/{name}"
        with suppress(*_ERRORS):
            if member in skip or isinstance(group.link(name), h5py.SoftLink):
                continue
            item = group.get(name)
            if not isinstance(item, Group | Dataset):
                continue
            info = h5o.get_info(item.id)
            if (info.fileno, info.addr) in seen:
                continue
            seen.add((info.fileno, info.addr))
            if isinstance(item, Group):
                yield from _walk(item, member, skip, seen)
            else:
                yield member, item


def _refers(dtype: np.dtype[Any]) -> bool:
    """True for references, and for types that hold some."""
    if h5py.check_ref_dtype(dtype) is not None:
        return True
    if dtype.subdtype is not None:
        return _refers(dtype.subdtype[0])
    return dtype.names is not None and any(_refers(dtype[name]) for name in dtype.names)


def _attributes(item: Group | Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with suppress(*_ERRORS):
        for name in item.attrs:
            with suppress(*_ERRORS):
                value = item.attrs[name]
                if not _refers(np.asarray(value).dtype):
                    found[name] = value
    return found


def carry(h5: h5py.File, items: Iterable[Carried], below: str = "") -> None:
    """Write items; what the file holds already stays as it is.

    Parameters
    ----------
    below : put before every path.
    """
    for item in items:
        path = below + (item.path if item.path != "/" else "") or "/"
        with suppress(ValueError, KeyError, TypeError):  # a name that stands for something else here
            if item.value is None:
                target: h5py.Group | h5py.Dataset = h5.require_group(path)
            elif path in h5:
                continue
            else:
                big = item.value.size > 8192 and item.dtype.kind in "biuf"
                target = h5.create_dataset(
                    path, data=item.value, dtype=item.dtype, compression="lzf" if big else None
                )
            for name, value in item.attributes.items():
                if name not in target.attrs:
                    with suppress(OSError, RuntimeError, TypeError, ValueError):  # of a type without a name
                        target.attrs[name] = value
