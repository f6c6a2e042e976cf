"""What a file may reach: the directories in which files may lie, checked on what was opened, not on a name.

A name can be exchanged between a check and an opening: a directory for a link, a file for another. So a
path is first opened without reading rights (``O_PATH``: nothing is read, no device or pipe is woken), the
system is asked where that descriptor lies, and HDF5 is given the descriptor itself. What was checked is what
is read.

Inside a file, HDF5 follows names to other files by itself: external links, external raw storage, the sources
of virtual datasets. It is never let: see `xpcs_dash.hdf5.handle`, which opens each such file through here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xpcs_dash.errors import UnreadableFile

__all__ = ["MISSING", "Opened", "OutOfReach", "Reach", "look"]

#: Where the system shows the descriptors of this process as files that can be opened again.
_DESCRIPTORS = "/proc/self/fd" if Path("/proc/self/fd").is_dir() else "/dev/fd"
_LOOK = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_CLOEXEC

#: Reason of the error for a name that leads nowhere.
MISSING = "there is no such file"


class OutOfReach(UnreadableFile):
    """A file that lies outside the directories that may be read."""


@dataclass(frozen=True)
class Opened:
    """A regular file that was looked at: its descriptor, where it lies, and what the system says of it."""

    descriptor: int
    real: Path
    status: os.stat_result

    @property
    def name(self) -> str:
        """Name under which this very file is opened for reading, wherever its path leads by now."""
        return f"{_DESCRIPTORS}/{self.descriptor}"

    def close(self) -> None:
        """Give the descriptor back; what was opened by `name` stays open."""
        os.close(self.descriptor)


@dataclass(frozen=True)
class Reach:
    """The directories in which files may lie.

    Parameters
    ----------
    roots : directories; links on the way to them are followed.
    place : what to call them in a sentence.
    """

    roots: tuple[Path, ...]
    place: str = "the watched directory"

    @classmethod
    def of(cls, roots: Iterable[str | Path]) -> Reach:
        """Reach of a service that watches ``roots``."""
        return cls(tuple(Path(root) for root in roots))

    @classmethod
    def beside(cls, real: Path) -> Reach:
        """Reach of a file that somebody named: its own directory and what lies below."""
        return cls((real.parent,), "the directory of the file")

    def holds(self, real: Path) -> bool:
        """True where ``real``, a path without links, lies in one of the directories."""
        inside = f"{real}/"
        return any(top is not None and inside.startswith(top) for top in map(_real, self.roots))

    def open(self, path: Path) -> Opened:
        """Look at a file that must lie in one of the directories.

        Raises
        ------
        OutOfReach
            Where it lies elsewhere.
        UnreadableFile
            Where there is none.
        """
        found = look(path)
        if self.holds(found.real):
            return found
        found.close()
        raise self.refusal(path)

    def refusal(self, path: Path) -> OutOfReach:
        """The error for a file that lies elsewhere."""
        return OutOfReach(path, f"it lies outside {self.place}", "nothing outside it is read")


def look(path: Path) -> Opened:
    """Take hold of a regular file without reading it.

    Raises
    ------
    UnreadableFile
        Where there is none.
    """
    try:
        descriptor = os.open(path, _LOOK)
    except FileNotFoundError:
        raise UnreadableFile(path, MISSING, "check the path") from None
    except (OSError, ValueError) as err:
        reason = getattr(err, "strerror", None) or str(err)
        raise UnreadableFile(path, f"it cannot be opened ({reason})", "check your rights") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise UnreadableFile(path, f"this is {kind}", "give the path of an HDF5 file")
        return Opened(descriptor, _where(descriptor), status)
    except BaseException:
        os.close(descriptor)
        raise


def _where(descriptor: int) -> Path:
    """Path of what a descriptor holds, links resolved, as the system knows it."""
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    except OSError:
        import fcntl

        if not hasattr(fcntl, "F_GETPATH"):
            raise
        return Path(os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))


def _real(root: Path) -> str | None:
    """Where a directory lies, links resolved and with a slash at the end; None where there is none."""
    try:
        descriptor = os.open(root, _LOOK | os.O_DIRECTORY)
    except (OSError, ValueError):
        return None
    try:
        return f"{str(_where(descriptor)).rstrip('/')}/"
    finally:
        os.close(descriptor)
