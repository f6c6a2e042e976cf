"""Low-level steps along the links in one file, none of which HDF5 can follow to another file."""

from __future__ import annotations

import atexit
import threading
from typing import Any

from h5py import h5fd, h5g, h5o, h5p

__all__ = ["WITHIN", "encoded", "identity_of", "kind_of", "open_within", "parts", "text"]


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
#: Properties for every opening by name: no external link can be followed.
WITHIN = _links_within()


def open_within(at: Any, name: bytes) -> Any | None:
    """The object of a name, or None where the way to it leads through a link to another file.

    Raises
    ------
    KeyError
        Where it is missing.
    OSError, RuntimeError
        Where the file is damaged.
    """
    _NOTHING.forget()
    try:
        return h5o.open(at, name, WITHIN)
    except (KeyError, OSError, RuntimeError, SystemError):
        if not _NOTHING.met:
            raise
    return None


def kind_of(group: h5g.GroupID, member: bytes) -> int | None:
    """Kind of link of a direct member; None where there is none."""
    links = group.links
    return links.get_info(member, lapl=WITHIN).type if links.exists(member, lapl=WITHIN) else None


def identity_of(ident: Any) -> tuple[int, int]:
    """What is the same for every name of one object: number of its open file, address in it."""
    info = h5o.get_info(ident)
    return info.fileno, info.addr


def parts(path: bytes) -> list[bytes]:
    """Parts of a path, the last one first."""
    return [part for part in reversed(path.split(b"/")) if part and part != b"."]


def encoded(name: str) -> bytes:
    """A name as it stands in the file; the inverse of `text`."""
    return name.encode("utf-8", "surrogateescape")


def text(name: bytes) -> str:
    """A name of a file or object as text, every byte kept."""
    return name.decode("utf-8", "surrogateescape")
