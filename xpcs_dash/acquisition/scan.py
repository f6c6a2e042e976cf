"""What is in the directory now: a walk with ``scandir``, and what kind of file system it lies on."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from xpcs_dash.acquisition.mounts import Ground, ground_of, mount_points, within

#: File systems on which inotify does not see what other hosts write.
NETWORK_TYPES = frozenset(
    {
        "9p", "afs", "afpfs", "beegfs", "beegfs_nodev", "ceph", "cifs", "coda", "dvs", "fhgfs", "glusterfs",
        "gpfs",
        "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "vboxsf",
        "virtiofs", "wekafs",
    }
)  # fmt: skip


#: Errors of links in a circle and of names that are too long to exist: there is no such file.
NOWHERE = frozenset({errno.ELOOP, errno.ENAMETOOLONG})


class Stat(NamedTuple):
    """What identifies one version of a file's content."""

    inode: int
    mtime_ns: int
    size: int


@dataclass
class Scan:
    """Result of one walk.

    Attributes
    ----------
    files : path -> what was found.
    directories : number of directories visited.
    unreadable : directory or file -> reason; they, and what lies below them, are unknown, not gone.
    root_error : why the root itself could not be read, or None.
    ground : what the root stood on at the end of the walk.
    """

    files: dict[str, Stat] = field(default_factory=dict)
    directories: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    root_error: str | None = None
    ground: Ground = field(default_factory=Ground)


def is_candidate(name: str, suffixes: Sequence[str]) -> bool:
    """Whether a file name is one to look at: a known suffix, no dot file, nothing temporary.

    The APS writer gives every file its final name only when it is complete; until then it ends in ``.temp``.
    """
    return not name.startswith((".", "~", "#")) and name.lower().endswith(tuple(s.lower() for s in suffixes))


def is_text(path: str) -> bool:
    """Whether a path is valid UTF-8; what is not can be stored in no database and shown on no page."""
    return path.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in path)


_PLAIN = frozenset({float, int, bool})


def clean(value: Any) -> Any:
    """Texts as every database and browser takes them: no NUL, no half characters; through lists and dicts."""
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        return value if value.isascii() and "\0" not in value else _clean_text(value)
    if isinstance(value, dict):
        return {clean(name): clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) in _PLAIN else clean(item) for item in value]
    return value


def _clean_text(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "backslashreplace").decode("utf-8")


def stat_of(path: str | Path) -> Stat | None:
    """Identity of a regular file, or None where there is none.

    Raises
    ------
    OSError
        Where it cannot be told: rights, a stale mount, an I/O error.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - this runs for every event
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as err:
        if err.errno in NOWHERE:
            return None
        raise
    return as_stat(found) if stat.S_ISREG(found.st_mode) else None


def is_gone(path: str | Path) -> bool:
    """Whether nothing at all, not even a link, is at ``path``; what cannot be looked at is not gone."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def as_stat(found: os.stat_result) -> Stat:
    """Reduce a ``stat`` result; the inode is folded to 63 bits, which every database can hold."""
    return Stat(found.st_ino & 0x7FFF_FFFF_FFFF_FFFF, found.st_mtime_ns, found.st_size)


def may_read(path: str | Path) -> bool:
    """Whether this process, with the rights that it has now, may read a file."""
    return os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)


def walk(root: str | Path, suffixes: Sequence[str]) -> Scan:
    """Find all candidate files below ``root``. Dot directories and links to directories are not entered.

    Never raises: what cannot be looked at is named in ``unreadable``, so that nobody takes it for gone.
    """
    result = Scan()
    endings = tuple(s.lower() for s in suffixes)
    todo = [os.fspath(root)]
    while todo:
        folder = todo.pop()
        if not is_text(folder):
            result.unreadable[clean(folder)] = "its name is not valid UTF-8"
            continue
        result.directories += 1
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        _take(result, todo, entry, endings, suffixes)
        except OSError as err:
            reason = err.strerror or str(err)
            if folder == os.fspath(root):
                result.root_error = reason
            elif not isinstance(err, FileNotFoundError):
                result.unreadable[folder] = reason
    # after the walk: a disk that went away in the middle of it is noticed
    result.ground = ground_of(root)
    if result.ground.key is None and result.root_error is None:
        result.root_error = "it cannot be looked at any more"
    return result


def _take(
    result: Scan, todo: list[str], entry: os.DirEntry[str], endings: tuple[str, ...], suffixes: Sequence[str]
) -> None:
    try:
        # some file systems do not say what an entry is, and asking may fail
        if entry.is_dir(follow_symlinks=False):
            todo.append(entry.path)
        elif entry.name.lower().endswith(endings) and is_candidate(entry.name, suffixes):
            _add(result, entry)
    except OSError as err:
        # gone between the listing and the look, or a link that leads nowhere or in a circle
        if not isinstance(err, FileNotFoundError) and err.errno not in NOWHERE:
            result.unreadable[clean(entry.path)] = err.strerror or str(err)


def _add(result: Scan, entry: os.DirEntry[str]) -> None:
    if not is_text(entry.name):
        result.unreadable[clean(entry.path)] = "its name is not valid UTF-8"
        return
    found = entry.stat()
    if stat.S_ISREG(found.st_mode):
        result.files[entry.path] = as_stat(found)


def file_system(path: str | Path, mounts: str | Path = "/proc/self/mounts") -> str | None:
    """Type of the file system that holds ``path``, such as ``nfs4``; None where it cannot be told."""
    target = os.path.realpath(path)
    best, kind = -1, None
    for point, found in mount_points(mounts):
        # the last mount on the same point hides the earlier ones
        if len(point) >= best and within(target, point):
            best, kind = len(point), found
    return kind


def needs_polling(kind: str | None) -> bool:
    """Whether changes on this type of file system may come without an inotify event."""
    if kind is None:
        return True
    # every FUSE file system (sshfs among them) may change behind the kernel's back
    return kind in NETWORK_TYPES or kind.startswith("fuse") or kind == "sshfs"
