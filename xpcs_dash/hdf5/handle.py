"""What the pool hands out: an open file with its groups and datasets, from which nothing leads astray.

A `Handle` is used like a read-only ``h5py.File`` (``h5["/a/b"]``, ``"/a" in h5``, ``h5.get(name)``), with
groups of the class `Group` and datasets of the class `Dataset`; `Handle.locate` gives the low-level object of
a name for fast reads. All opening by name in this package goes through it, because HDF5 by itself follows
names in a file to any other file:

- A name is opened with a list of link properties under which no external link can be followed. Names that
  stay within the file cost nothing more. Where a link was met, the path is walked link by link, and each
  other file is opened through `Reach`, so links of links are checked in the same way.
- A dataset whose values lie in other files (external raw storage, virtual datasets) is never read by HDF5,
  but by `xpcs_dash.hdf5.outside` and `xpcs_dash.hdf5.virtual`, again through `Reach`.

What leads elsewhere counts as missing, and `Handle.refused` says why. References and attributes hold nothing
but places in their own file. The variables HDF5_EXT_PREFIX and HDF5_VDS_PREFIX have no effect here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import h5py
from h5py import h5d, h5g, h5i, h5l, h5o, h5p, h5t

from xpcs_dash.errors import UnreadableFile, XpcsDashError
from xpcs_dash.hdf5.datasets import Dataset, NotReached, NotThere
from xpcs_dash.hdf5.lease import Lease
from xpcs_dash.hdf5.links import WITHIN, encoded, identity_of, kind_of, open_within, parts, text
from xpcs_dash.hdf5.outside import RawDataset
from xpcs_dash.hdf5.reach import MISSING, OutOfReach, Reach
from xpcs_dash.hdf5.records import token_of
from xpcs_dash.hdf5.virtual import VirtualDataset

__all__ = ["NOT_THERE", "Dataset", "Group", "Handle", "NamedType"]

#: End of the reason for what leads to a file that may be read and is not there.
NOT_THERE = "which is not there"
#: Other files whose state is remembered with a file, so that it is read anew when one of them changes.
MOST_OTHERS = 200
#: Links that may follow one another on the way to one object; HDF5 itself allows as many.
HOPS = 16

T = TypeVar("T")


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
        # a name that is no text, as in damaged files, comes as bytes and can name nothing here
        return (name for name in h5py.Group(self._group) if isinstance(name, str))

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
        return identity_of(self._group)

    def path_of(self, name: str) -> str:
        """Absolute path of a member."""
        return f"/{name.strip('/')}" if name.startswith("/") else f"{self.name.rstrip('/')}/{name}"

    def link(self, name: str) -> h5py.HardLink | h5py.SoftLink | h5py.ExternalLink | None:
        """How a direct member is linked; None where there is none."""
        group, member = self._group, encoded(name)
        kind = kind_of(group, member)
        if kind is None:
            return None
        target = None if kind == h5l.TYPE_HARD else group.links.get_val(member, lapl=WITHIN)
        if kind == h5l.TYPE_EXTERNAL and isinstance(target, tuple):
            return h5py.ExternalLink(text(target[0]), text(target[1]))
        return h5py.SoftLink(text(target)) if isinstance(target, bytes) else h5py.HardLink()

    def datasets(self, limit: int = 20_000) -> Iterator[Dataset]:
        """Every dataset below, each once, in the order of the tree; links to other files are followed.

        A dataset behind such a link can be read until the next one is asked for.
        """
        waiting = [(self, name) for name in reversed(list(self))]
        seen: set[tuple[int, int]] = set()
        while waiting and limit:
            limit -= 1
            group, name = waiting.pop()
            with suppress(KeyError, OSError, RuntimeError, ValueError):  # a damaged object
                link = group.link(name)
                if isinstance(link, h5py.SoftLink):
                    continue
                if isinstance(link, h5py.ExternalLink):
                    with group.apart() as alone:
                        found = alone.get(name)
                        if isinstance(found, Dataset):
                            yield found
                    if not isinstance(found, Group):
                        continue
                found = group.get(name)
                if found is None or (what := identity_of(found.id)) in seen:
                    continue
                seen.add(what)
                if isinstance(found, Dataset):
                    yield found
                elif isinstance(found, Group):
                    waiting += [(found, member) for member in reversed(list(found))]

    @contextmanager
    def apart(self) -> Iterator[Group]:
        """The same group; other files that are opened through it are closed at the end of the block."""
        with self.handle.scope() as handle:
            yield Group(handle, self._group, self.name)


class NamedType:
    """A type that was given a name."""

    def __init__(self, ident: h5t.TypeID) -> None:
        self.id = ident

    @property
    def attrs(self) -> h5py.AttributeManager:
        """Attributes of the type."""
        return h5py.Datatype(self.id).attrs


class Handle(Group):
    """One lease of an open file.

    Parameters
    ----------
    path : the file as it was asked for.
    real : where it lies, links resolved.
    h5 : the open file.
    reach : what its links may lead to.
    lend : opens another file on a lease.
    lease : where other files are kept open, and what was found out on the way.
    """

    def __init__(
        self, path: Path, real: Path, h5: h5py.File, reach: Reach, lend: Callable[..., Handle], lease: Lease
    ) -> None:
        super().__init__(self, h5.id, "/")
        self.path, self.real, self.reach, self.file, self.lease = path, real, reach, h5, lease
        self._lend = lend

    @property
    def _group(self) -> h5g.GroupID:
        return h5o.open(self.id, b"/", WITHIN)

    @property
    def refused(self) -> dict[str, str]:
        """What counts as missing because of where it leads, by path; the reasons are clauses."""
        return self.lease.refused

    @contextmanager
    def scope(self, deeper: int = 0) -> Iterator[Handle]:
        """The same file; other files that are opened through it are closed at the end of the block."""
        with self.lease.part(deeper) as lease:
            yield Handle(self.path, self.real, self.file, self.reach, self._lend, lease)

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """Whatever HDF5 raises in the block because the file is damaged becomes one sentence."""
        try:
            yield
        except XpcsDashError:
            raise
        except (ArithmeticError, KeyError, OSError, RuntimeError, TypeError, ValueError) as err:
            reason = " ".join(str(err).split())[:160] or type(err).__name__
            raise UnreadableFile(
                self.path, f"it cannot be read ({reason})", "it may be damaged: copy it again", transient=True
            ) from None

    def others(self) -> tuple[tuple[Path, str], ...]:
        """Path and token of each other file that a link led to so far; empty where there was none."""
        return tuple(islice(self.lease.others.items(), MOST_OTHERS))

    def remarks(self) -> tuple[str, ...]:
        """What counts as missing because of where it leads, and what is incomplete, as sentences."""
        found = {**self.lease.incomplete, **self.refused}
        return tuple(f"the object {path} {reason}" for path, reason in found.items())

    # -- from a name to an object

    def locate(self, name: str, start: Group | None = None) -> tuple[Handle, Any] | None:
        """The object of a name and the handle of the file it lies in; None where it is missing.

        What leads out of reach is missing too, and noted in `refused`.

        Returns
        -------
        Low-level objects of h5py, but a `Dataset` for one whose values lie in other files.

        Raises
        ------
        OSError, RuntimeError
            Where the file is damaged.
        """
        at = self if start is None else start
        try:
            return self._open(at, name)
        except KeyError:
            return None
        except NotReached as err:
            self.refused[at.path_of(name)] = str(err)
            return None

    def require(self, name: str) -> Group | Dataset | NamedType | None:
        """The object of an absolute name; None where it is missing.

        Raises
        ------
        NotReached
            Where it leads to what must not be read.
        """
        try:
            handle, found = self._open(self, name)
        except KeyError:
            return None
        return handle.wrap(found, self.path_of(name))

    def _checked(self, found: h5d.DatasetID, path: str) -> h5d.DatasetID | Dataset:
        """A dataset of this file, or a substitute where HDF5 would read its values from other files."""
        plan = found.get_create_plist()
        if plan.get_external_count():
            return RawDataset(self, found, path)
        return VirtualDataset(self, found, path) if plan.get_layout() == h5d.VIRTUAL else found

    def open_again(self, ident: h5d.DatasetID, access: h5p.PropDAID) -> h5d.DatasetID | None:
        """The same dataset with other properties of access; None where that cannot be done safely."""
        # this property list cannot forbid links to other files, so the name is one that holds no link
        parent, _, last = (h5i.get_name(ident) or b"").rpartition(b"/")
        group = h5o.open(self.id, parent or b"/", WITHIN)
        if not isinstance(group, h5g.GroupID) or kind_of(group, last) != h5l.TYPE_HARD:
            return None
        again = h5d.open(group, last, access)
        return again if identity_of(again) == identity_of(ident) else None

    def is_linked(self, name: str) -> bool:
        """True where a name stands for an object of this file itself, even if that cannot be opened."""
        parent, _, last = name.strip("/").rpartition("/")
        try:
            if not self.file.id.links.exists(encoded(name), lapl=WITHIN):
                return False
            at = h5o.open(self.id, b"/" + encoded(parent), WITHIN)
            return isinstance(at, h5g.GroupID) and kind_of(at, encoded(last)) == h5l.TYPE_HARD
        except (KeyError, OSError, RuntimeError, ValueError):
            return False

    def _open(self, at: Group, name: str) -> tuple[Handle, Any]:
        handle, found = self, open_within(at.id, encoded(name))
        if found is None:
            handle, found = self._walk(at.id, encoded(name))
        # what is stored in one piece is stored in this file; nearly all that a result holds is
        if isinstance(found, h5d.DatasetID) and found.get_offset() is None:
            return handle, handle._checked(found, at.path_of(name))
        return handle, found

    def _walk(self, at: Any, name: bytes, hops: int = HOPS) -> tuple[Handle, Any]:
        """Open a name one link at a time, each other file through what may be reached."""
        handle: Handle = self
        if name.startswith(b"/"):
            at = handle._group
        waiting = parts(name)
        while waiting:
            part = waiting.pop()
            if not isinstance(at, h5g.GroupID):
                raise KeyError(name)
            kind = kind_of(at, part)
            if kind is None:
                raise KeyError(name)
            if kind == h5l.TYPE_HARD:
                at = h5o.open(at, part, WITHIN)
                continue
            hops -= 1
            if hops < 0:
                raise NotReached(f"lies behind more than {HOPS} links in a row")
            if kind == h5l.TYPE_SOFT:
                target = at.links.get_val(part, lapl=WITHIN)
            elif kind == h5l.TYPE_EXTERNAL:
                filename, target = at.links.get_val(part, lapl=WITHIN)
                handle = handle.linked(text(filename))
                target = b"/" + target
            else:
                raise NotReached("is a link of an unknown kind")
            if target.startswith(b"/"):
                at = handle._group
            waiting += parts(target)
        return handle, at

    # -- other files

    def linked(self, filename: str, verb: str = "leads to") -> Handle:
        """Another file that this one names, open as long as this lease.

        Raises
        ------
        NotReached
            Where there is no such file, or it must not be read.
        """
        known = self.lease.linked.get((self.path, filename))
        if known is None:
            known = self.reached(filename, lambda path: self._lend(path, self.reach, self.lease), verb)
            self.lease.linked[self.path, filename] = known
        return known

    def reached(self, filename: str, open_: Callable[[Path], T], verb: str = "leads to") -> T:
        """Open another file that this one names.

        A relative name is looked for beside the file, where it was asked for and where that path leads to. Of
        an absolute name that leads nowhere, the last part is tried there too, as HDF5 does for files that
        were moved together.

        Parameters
        ----------
        filename : as it stands in this file.
        open_ : opens a path, or raises `UnreadableFile`.
        verb : how the sentence begins that says why not.

        Raises
        ------
        NotReached
            Where there is no such file, or it must not be read.
        """
        outside = f"{verb} {filename}, which lies outside {self.reach.place}, and is not read"
        reasons: list[NotReached] = []
        for candidate in self._candidates(filename):
            try:
                self.lease.others[candidate] = token_of(candidate)
                return open_(candidate)
            except OutOfReach:
                del self.lease.others[candidate]
                reasons.append(NotReached(outside))
                break
            except UnreadableFile as err:
                # whether there is anything outside is nobody's business
                if not self.reach.holds(Path(os.path.realpath(candidate))):
                    del self.lease.others[candidate]
                    reasons.append(NotReached(outside))
                elif err.reason == MISSING:
                    reasons.append(NotThere(f"{verb} {filename}, {NOT_THERE}"))
                else:
                    reasons.append(NotReached(f"{verb} {filename}, which cannot be read ({err.reason})"))
                    break
        raise reasons[0]

    def _candidates(self, filename: str) -> list[Path]:
        places = dict.fromkeys((self.path.parent, self.real.parent))
        if filename.startswith("/"):
            return [Path(filename), *(place / Path(filename).name for place in places)]
        return [place / filename for place in places]

    # -- from an object to what is handed out

    def wrap(self, found: Any, path: str) -> Group | Dataset | NamedType:
        """What is handed out for an object of this file."""
        if isinstance(found, Dataset):
            return found
        if isinstance(found, h5d.DatasetID):
            return Dataset(self, found, path)
        return NamedType(found) if isinstance(found, h5t.TypeID) else Group(self, found, path)
