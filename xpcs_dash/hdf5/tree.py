"""The tree of any HDF5 file: listed a group at a time, searched, and compared between two files.

What a link leads to is shown where it may be read; elsewhere the link stands with the reason why not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from xpcs_dash.errors import NotFoundError, UsageError
from xpcs_dash.hdf5.handle import Dataset, Group, Handle

__all__ = ["Difference", "Node", "children", "difference", "find", "node"]

#: Values of an array that a preview shows, and characters that it may take.
PREVIEW_VALUES, PREVIEW_CHARS = 8, 240
#: Arrays up to this many bytes are compared value by value; larger ones by shape and type only.
COMPARE_BYTES = 4_000_000
#: Objects visited at most by a search or a comparison.
VISIT_LIMIT = 20_000

#: What HDF5 raises where a file is damaged.
_DAMAGE = (ArithmeticError, KeyError, OSError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Node:
    """One object of the tree.

    Attributes
    ----------
    path : absolute path in the file, ``/entry/sample``.
    kind : "group", "dataset" or "link" (broken, or to what must not be read).
    shape, dtype : of a dataset; empty texts for others.
    unit : attribute ``units``, or "".
    preview : value of a scalar, first values of an array, number of members of a group, target of a link.
    attributes : the other attributes as text.
    """

    path: str
    kind: str
    shape: str = ""
    dtype: str = ""
    unit: str = ""
    preview: str = ""
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rsplit("/", 1)[-1] or "/"

    @property
    def level(self) -> int:
        """Depth below the root; its members have 0."""
        return self.path.count("/") - 1


@dataclass(frozen=True)
class Difference:
    """One path at which two files differ; ``left`` or ``right`` is None where it is missing."""

    path: str
    left: str | None
    right: str | None
    what: str


def node(h5: Handle, path: str) -> Node:
    """Describe one object.

    Raises
    ------
    UsageError
        Where there is no such path.
    """
    clean = "/" + path.strip("/")
    if clean == "/":
        with h5.in_words():
            return _describe(h5, "/")
    parent, _, name = clean.rpartition("/")
    with h5.in_words():
        group = _group(h5, parent or "/")
        if group.link(name) is None:
            raise NotFoundError(f"there is no {clean} in this file.")
        return _member(group, name, clean)


def children(h5: Handle, path: str = "/") -> list[Node]:
    """Members of a group, groups first, each in order of name.

    Raises
    ------
    UsageError
        Where there is no such group.
    """
    with h5.in_words():
        return _members(_group(h5, path), path)


def find(h5: Handle, text: str, limit: int = 300) -> list[Node]:
    """Objects whose path, value or attribute holds ``text``, without regard to case."""
    wanted = text.strip().lower()
    if not wanted:
        return []
    hits = []
    for found in _walk(h5):
        words = (found.path, found.preview, *(value for _, value in found.attributes))
        if any(wanted in word.lower() for word in words):
            hits.append(found)
            if len(hits) >= limit:
                break
    return hits


def difference(left: Handle, right: Handle) -> list[Difference]:
    """Paths at which two files differ: missing, of another shape, type, unit or value."""
    ours = {n.path: n for n in _walk(left) if n.kind != "group"}
    theirs = {n.path: n for n in _walk(right) if n.kind != "group"}
    out = []
    for path in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(path), theirs.get(path)
        if a is None or b is None:
            side = "left" if b is None else "right"
            out.append(Difference(path, _shown(a), _shown(b), f"only in the {side} file"))
            continue
        what = _unlike(a, b, left, right)
        if what:
            out.append(Difference(path, _shown(a), _shown(b), what))
    return out


def _unlike(a: Node, b: Node, left: Handle, right: Handle) -> str:
    for name, one, other in (("kind", a.kind, b.kind), ("shape", a.shape, b.shape), ("unit", a.unit, b.unit)):
        if one != other:
            return name
    if a.kind != "dataset":
        return "target" if a.preview != b.preview else ""
    if a.preview != b.preview:
        return "value"
    with left.apart() as ours, right.apart() as theirs:
        first, second = ours.get(a.path), theirs.get(b.path)
        if not isinstance(first, Dataset) or not isinstance(second, Dataset):
            return ""  # named types
        if max(first.nbytes, second.nbytes) > COMPARE_BYTES:
            return ""
        both_float = first.dtype.kind == "f" == second.dtype.kind
        try:
            same = np.array_equal(first[()], second[()], equal_nan=both_float)
        except _DAMAGE:
            return "values that cannot be read"
    return "" if same else "values"


def _shown(found: Node | None) -> str | None:
    if found is None:
        return None
    text = f"{found.preview} {found.unit}".strip()
    return f"{found.shape} {text}".strip() if found.shape else text


def _walk(h5: Handle) -> Iterator[Node]:
    """Every object below the root; a group that was met before is shown and not entered again."""
    waiting, seen, entered = ["/"], 0, set()
    while waiting:
        path = waiting.pop()
        try:
            group = _group(h5, path)
            if group.identity in entered:
                continue
            entered.add(group.identity)
            members = _members(group, path)
        except (NotFoundError, *_DAMAGE):  # it stands among the members of its parent all the same
            continue
        for found in members:
            seen += 1
            if seen > VISIT_LIMIT:
                return
            yield found
            if found.kind == "group":
                waiting.append(found.path)


def _group(h5: Handle, path: str) -> Group:
    found = h5 if path.strip("/") == "" else h5.get(path)
    if found is None:
        raise NotFoundError(f"there is no group {path} in this file.")
    if not isinstance(found, Group):
        raise UsageError(f"{path} is not a group.")
    return found


def _members(group: Group, path: str) -> list[Node]:
    base = "/" + path.strip("/")
    prefix = "" if base == "/" else base
    found = [_member(group, name, f"{prefix}/{name}") for name in group]
    return sorted(found, key=lambda n: (n.kind != "group", n.name.lower()))


def _member(group: Group, name: str, path: str) -> Node:
    link = None
    with group.apart() as alone, suppress(*_DAMAGE):
        link = alone.link(name)
        found = alone.get(name)
        if found is not None:
            return _describe(found, path)
    reason = group.handle.refused.get(group.path_of(name))
    if reason is not None:
        return Node(path, "link", preview=f"missing: it {reason}")
    if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
        return Node(path, "link", preview=f"link to {link.path}, broken")
    return Node(path, "dataset", preview="unreadable: the file is damaged")


def _describe(found: Any, path: str) -> Node:
    attributes = {str(key): _attribute(found, key) for key in found.attrs}
    unit = attributes.pop("units", "")
    rest = tuple(sorted(attributes.items()))
    if isinstance(found, Group):
        return Node(path, "group", unit=unit, preview=f"{len(found)} members", attributes=rest)
    if not isinstance(found, Dataset):
        return Node(path, "dataset", dtype="a named type", attributes=rest)
    shape = " × ".join(f"{n:,}" for n in found.shape) if found.shape else ""
    return Node(path, "dataset", shape, _type_of(found), unit, _preview(found), rest)


def _attribute(found: Any, key: str) -> str:
    try:
        return _text(found.attrs[key])
    except (OSError, TypeError, ValueError):
        return "unreadable"


def _type_of(dataset: Dataset) -> str:
    return "text" if h5py.check_string_dtype(dataset.dtype) else str(dataset.dtype)


def _preview(dataset: Dataset) -> str:
    if dataset.shape is None:
        return "empty"
    try:
        if dataset.shape == ():
            return _text(dataset[()])
        if 0 in dataset.shape:
            return "no values"
        if dataset.size <= PREVIEW_VALUES:
            return _text(dataset[()])
        first = dataset[(0,) * (dataset.ndim - 1) + (slice(0, PREVIEW_VALUES),)]
    except (OSError, TypeError, ValueError):
        return "unreadable: its compression filter is missing, or the file is damaged"
    return _text(first) + " …"


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, np.ndarray):
        flat = value.ravel()
        if flat.size == 1:
            return _text(flat[0])
        value = " ".join(_text(item) for item in flat[: 4 * PREVIEW_VALUES])
    elif isinstance(value, np.floating | float):
        value = f"{float(value):.8g}"
    text = " ".join(str(value).split())
    return text if len(text) <= PREVIEW_CHARS else text[: PREVIEW_CHARS - 1] + "…"
