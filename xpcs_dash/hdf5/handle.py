"""What the pool hands out: an open file with its groups and datasets, from which nothing leads astray.

A `Handle` is used like a read-only ``h5py.File`` (``h5["/a/b"]``, ``"/a" in h5``, ``h5.get(name)``), with
groups of the class `Group` and datasets of the class `Dataset`; `Handle.locate` gives the low-level object of
a name for fast reads. All opening by name in this package goes through it, because HDF5 by itself follows
names in a file to any other file:

- A name is opened with a list of link properties under which no external link can be followed. Names that
  stay within the file cost nothing more. Where a link was met, the path is walked link by link, and each
  other file is opened through `Reach`, so links of links are checked in the same way.
- A dataset whose values lie in other files (external raw storage, virtual datasets) is never read by HDF5.

What leads elsewhere counts as missing, and `Handle.refused` says why. References and attributes hold nothing
but places in their own file. The variables HDF5_EXT_PREFIX and HDF5_VDS_PREFIX have no effect here.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5fd, h5g, h5i, h5l, h5o, h5p, h5t

from xpcs_dash.errors import UnreadableFile
from xpcs_dash.hdf5.heap import strings_are_sound
from xpcs_dash.hdf5.reach import MISSING, OutOfReach, Reach

__all__ = ["Dataset", "Group", "Handle", "NamedType", "NotReached"]

#: Links that may follow one another on the way to one object; HDF5 itself allows as many.
HOPS = 16


class NotReached(Exception):  # says what happened; never leaves this package
    """An object counts as missing, for the reason given as a clause."""


class _Nothing:
    """An empty file for HDF5 to open instead of the target of an external link; remembers that it tried."""

    def __init__(self) -> None:
        self.local = threading.local()

    def seek(self, *_: int) -> int:
        self.local.met = True
        return 0

    def tell(self) -> int:
        return 0

    def readinto(self, buffer: memoryview) -> int:
        buffer[:] = bytes(len(buffer))
        return len(buffer)

    def forget(self) -> None:
        self.local.met = False

    @property
    def met(self) -> bool:
        return bool(getattr(self.local, "met", False))


def _links_within() -> h5p.PropLAID:
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fileobj_driver(h5fd.fileobj_driver, _NOTHING)
    links = h5p.create(h5p.LINK_ACCESS)
    links.set_elink_fapl(access)
    access.close()
    # the list holds a Python object, which HDF5 must not release after the end of the interpreter
    atexit.register(links.close)
    return links


_NOTHING = _Nothing()
_WITHIN = _links_within()


class Group:
    """A group, read-only."""

    def __init__(self, handle: Handle, ident: Any, name: str) -> None:
        self.handle, self.id, self.name = handle, ident, name

    def get(self, name: str) -> Group | Dataset | NamedType | None:
        """The object of a name, absolute or within this group; None where it is missing.

        Raises
        ------
        OSError, RuntimeError
            Where the file is damaged.
        """
        found = self.handle.locate(name, self)
        return None if found is None else found[0].wrap(found[1], self.path_of(name))

    def __getitem__(self, name: str) -> Any:
        found = self.get(name)
        if found is None:
            raise KeyError(f"there is no {self.path_of(name)}")
        return found

    def __contains__(self, name: str) -> bool:
        return self.handle.locate(name, self) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(h5py.Group(self._group))

    def __len__(self) -> int:
        return len(h5py.Group(self._group))

    @property
    def _group(self) -> h5g.GroupID:
        return self.id

    @property
    def attrs(self) -> h5py.AttributeManager:
        """Attributes of the group."""
        return h5py.Group(self._group).attrs

    @property
    def identity(self) -> tuple[int, int]:
        """The same for every name of this group while its file is open."""
        return _identity(self._group)

    def path_of(self, name: str) -> str:
        """Absolute path of a member."""
        return f"/{name.strip('/')}" if name.startswith("/") else f"{self.name.rstrip('/')}/{name}"

    def link(self, name: str) -> h5py.HardLink | h5py.SoftLink | h5py.ExternalLink | None:
        """How a direct member is linked; None where there is none."""
        group, member = self._group, name.encode()
        kind = _kind(group, member)
        if kind is None:
            return None
        target = None if kind == h5l.TYPE_HARD else group.links.get_val(member, lapl=_WITHIN)
        if kind == h5l.TYPE_EXTERNAL and isinstance(target, tuple):
            return h5py.ExternalLink(_text(target[0]), _text(target[1]))
        return h5py.SoftLink(_text(target)) if isinstance(target, bytes) else h5py.HardLink()

    def datasets(self, limit: int = 20_000) -> Iterator[Dataset]:
        """Every dataset below, each once, in the order of the tree; links to other files are followed."""
        waiting = [(self, name) for name in reversed(list(self))]
        seen: set[tuple[int, int]] = set()
        while waiting and len(seen) < limit:
            group, name = waiting.pop()
            found = None if isinstance(group.link(name), h5py.SoftLink) else group.get(name)
            if found is None:
                continue
            identity = _identity(found.id)
            if identity in seen:
                continue
            seen.add(identity)
            if isinstance(found, Dataset):
                yield found
            elif isinstance(found, Group):
                waiting += [(found, member) for member in reversed(list(found))]


class NamedType:
    """A type that was given a name."""

    def __init__(self, ident: h5t.TypeID) -> None:
        self.id = ident

    @property
    def attrs(self) -> h5py.AttributeManager:
        """Attributes of the type."""
        return h5py.Datatype(self.id).attrs


class Dataset:
    """A dataset whose values lie in its own file."""

    def __init__(self, handle: Handle, ident: h5d.DatasetID, name: str) -> None:
        self.handle, self.id, self.name = handle, ident, name

    @property
    def _plain(self) -> h5py.Dataset:
        return h5py.Dataset(self.id)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Its shape; None where it is empty."""
        shape: tuple[int, ...] | None = self.id.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its values."""
        kind: np.dtype[Any] = self.id.dtype
        return kind

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape or ())

    @property
    def size(self) -> int:
        """Number of values."""
        shape = self.shape
        return 0 if shape is None else int(np.prod(shape, dtype=object))

    @property
    def nbytes(self) -> int:
        """Bytes of its values in memory."""
        return self.size * self.dtype.itemsize

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of a chunk; None where it is stored in one piece."""
        chunks: tuple[int, ...] | None = self._plain.chunks
        return chunks

    @property
    def attrs(self) -> h5py.AttributeManager:
        """Attributes of the dataset."""
        return self._plain.attrs

    def __getitem__(self, selection: Any) -> Any:
        if self.dtype.kind == "O" and not strings_are_sound(self.handle.file, self.id):
            raise OSError("its text is damaged")
        return self._plain[selection]

    def with_cache(self, limit: int) -> Dataset:
        """The same dataset, for reading in horizontal slabs, each of its chunks unpacked once.

        Parameters
        ----------
        limit : bytes of unpacked chunks to hold; one chunk is always held, however large the writer made it.
        """
        chunks, shape = self.chunks, self.shape
        if not chunks or not shape or len(shape) != 2:
            return self
        block = chunks[0] * chunks[1] * self.dtype.itemsize
        access = h5p.create(h5p.DATASET_ACCESS)
        access.set_chunk_cache(1009, max(block, min(block * -(-shape[1] // chunks[1]), limit)), 1.0)
        # this property list cannot forbid links to other files, so the name is one that holds no link
        parent, _, last = (h5i.get_name(self.id) or b"").rpartition(b"/")
        group = h5o.open(self.handle.id, parent or b"/", _WITHIN)
        if _kind(group, last) != h5l.TYPE_HARD:
            return self
        again = h5d.open(group, last, access)
        return Dataset(self.handle, again, self.name) if _identity(again) == _identity(self.id) else self


class Handle(Group):
    """One lease of an open file.

    Parameters
    ----------
    path : the file as it was asked for.
    real : where it lies, links resolved.
    h5 : the open file.
    reach : what its links may lead to.
    lend : opens another file for as long as this lease lasts.
    refused : what was found to lead elsewhere so far, by path; the reasons are clauses.
    """

    def __init__(
        self,
        path: Path,
        real: Path,
        h5: h5py.File,
        reach: Reach,
        lend: Callable[[Handle, Path], Handle],
        refused: dict[str, str] | None = None,
    ) -> None:
        super().__init__(self, h5.id, "/")
        self.path, self.real, self.reach, self.file = path, real, reach, h5
        self.refused: dict[str, str] = {} if refused is None else refused
        self._lend = lend

    @property
    def _group(self) -> h5g.GroupID:
        return h5o.open(self.id, b"/", _WITHIN)

    def refusals(self) -> tuple[str, ...]:
        """What was found to lead elsewhere so far, as sentences."""
        return tuple(f"the object {path} {reason}" for path, reason in self.refused.items())

    # -- from a name to an object

    def locate(self, name: str, start: Group | None = None) -> tuple[Handle, Any] | None:
        """The low-level object of a name and the handle of the file it lies in; None where it is missing.

        What leads out of reach is missing too, and noted in `refused`.

        Raises
        ------
        OSError, RuntimeError
            Where the file is damaged.
        """
        at = self if start is None else start
        try:
            found = self._open(at, name)
            if isinstance(found[1], h5d.DatasetID):
                self._check(found)
        except KeyError:
            return None
        except NotReached as err:
            self.refused[at.path_of(name)] = str(err)
            return None
        return found

    def is_linked(self, name: str) -> bool:
        """True where a name stands for an object of this file itself, even if that cannot be opened."""
        parent, _, last = name.strip("/").rpartition("/")
        try:
            at = h5o.open(self.id, b"/" + parent.encode(), _WITHIN)
            return isinstance(at, h5g.GroupID) and _kind(at, last.encode()) == h5l.TYPE_HARD
        except (KeyError, OSError, RuntimeError, ValueError):
            return False

    def _open(self, at: Group, name: str) -> tuple[Handle, Any]:
        _NOTHING.forget()
        try:
            return self, h5o.open(at.id, name.encode(), _WITHIN)
        except (KeyError, OSError, RuntimeError, SystemError):
            if not _NOTHING.met:
                raise
        return self._walk(at.id, name.encode())

    def _check(self, found: tuple[Handle, h5d.DatasetID]) -> None:
        """Refuse datasets whose values lie in other files."""
        if found[1].get_offset() is not None:
            return  # stored in one piece in this file
        plan = found[1].get_create_plist()
        if plan.get_external_count():
            target = _text(plan.get_external(0)[0])
            raise NotReached(f"keeps its values in {target}, which is not read")
        if plan.get_layout() == h5d.VIRTUAL:
            raise NotReached("keeps its values in other files, which are not read")

    def _walk(self, at: Any, name: bytes, hops: int = HOPS) -> tuple[Handle, Any]:
        """Open a name one link at a time, each other file through what may be reached."""
        handle: Handle = self
        if name.startswith(b"/"):
            at = handle._group
        waiting = _parts(name)
        while waiting:
            part = waiting.pop()
            if not isinstance(at, h5g.GroupID):
                raise KeyError(name)
            kind = _kind(at, part)
            if kind is None:
                raise KeyError(name)
            if kind == h5l.TYPE_HARD:
                at = h5o.open(at, part, _WITHIN)
                continue
            hops -= 1
            if hops < 0:
                raise NotReached(f"lies behind more than {HOPS} links in a row")
            if kind == h5l.TYPE_SOFT:
                target = at.links.get_val(part, lapl=_WITHIN)
            elif kind == h5l.TYPE_EXTERNAL:
                filename, target = at.links.get_val(part, lapl=_WITHIN)
                handle = handle.linked(_text(filename))
                target = b"/" + target
            else:
                raise NotReached("is a link of an unknown kind")
            if target.startswith(b"/"):
                at = handle._group
            waiting += _parts(target)
        return handle, at

    # -- other files

    def linked(self, filename: str) -> Handle:
        """Another file that this one names, open for as long as this lease lasts.

        A relative name is looked for beside the file, where it was asked for and where that path leads to. Of
        an absolute name that leads nowhere, the last part is tried there too, as HDF5 does for files that
        were moved together.

        Raises
        ------
        NotReached
            Where there is no such file, or it must not be read.
        """
        outside = f"leads to {filename}, which lies outside {self.reach.place}, and is not read"
        reasons = []
        for candidate in self._candidates(filename):
            try:
                return self._lend(self, candidate)
            except OutOfReach:
                reasons.append(outside)
                break
            except UnreadableFile as err:
                # whether there is anything outside is nobody's business
                if not self.reach.holds(Path(os.path.realpath(candidate))):
                    reasons.append(outside)
                elif err.reason == MISSING:
                    reasons.append(f"leads to {filename}, which is not there")
                else:
                    reasons.append(f"leads to {filename}, which cannot be read ({err.reason})")
                    break
        raise NotReached(reasons[0])

    def _candidates(self, filename: str) -> list[Path]:
        places = dict.fromkeys((self.path.parent, self.real.parent))
        if filename.startswith("/"):
            return [Path(filename), *(place / Path(filename).name for place in places)]
        return [place / filename for place in places]

    # -- from an object to what is handed out

    def wrap(self, ident: Any, path: str) -> Group | Dataset | NamedType:
        """What is handed out for a low-level object of this file."""
        if isinstance(ident, h5d.DatasetID):
            return Dataset(self, ident, path)
        return NamedType(ident) if isinstance(ident, h5t.TypeID) else Group(self, ident, path)


def _kind(group: h5g.GroupID, member: bytes) -> int | None:
    """Kind of link of a direct member; None where there is none."""
    links = group.links
    return links.get_info(member, lapl=_WITHIN).type if links.exists(member, lapl=_WITHIN) else None


def _identity(ident: Any) -> tuple[int, int]:
    """What is the same for every name of one object: number of its open file, address in it."""
    info = h5o.get_info(ident)
    return info.fileno, info.addr


def _parts(path: bytes) -> list[bytes]:
    """Parts of a path, the last one first."""
    return [part for part in reversed(path.split(b"/")) if part and part != b"."]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
