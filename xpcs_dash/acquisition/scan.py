"""What is in the directory now: a walk with ``scandir``, and what kind of file system it lies on."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

#: File systems on which inotify does not see what other hosts write.
NETWORK_TYPES = frozenset(
    {
        "9p", "afs", "afpfs", "beegfs", "beegfs_nodev", "ceph", "cifs", "coda", "dvs", "fhgfs", "glusterfs",
        "gpfs",
        "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "vboxsf",
        "virtiofs", "wekafs",
    }
)  # fmt: skip


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
    unreadable : directory -> reason; what lies below them is unknown, not gone.
    root_error : why the root itself could not be read, or None.
    device : device number of the root.
    """

    files: dict[str, Stat] = field(default_factory=dict)
    directories: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    root_error: str | None = None
    root_key: tuple[int, int] | None = None


def is_candidate(name: str, suffixes: Sequence[str]) -> bool:
    """Whether a file name is one to look at: a known suffix, no dot file, nothing temporary.

    The APS writer gives every file its final name only when it is complete; until then it ends in ``.temp``.
    """
    return not name.startswith((".", "~", "#")) and name.lower().endswith(tuple(s.lower() for s in suffixes))


def is_text(path: str) -> bool:
    """Whether a path is valid UTF-8; what is not can be stored in no database and shown on no page."""
    return path.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in path)


def clean(value: Any) -> Any:
    """Texts as every database and browser takes them: no NUL, no half characters; through lists and dicts."""
    if isinstance(value, str):
        return value if value.isascii() and "\0" not in value else _clean_text(value)
    if isinstance(value, dict):
        return {clean(name): clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def _clean_text(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "backslashreplace").decode("utf-8")


def stat_of(path: str | Path) -> Stat | None:
    """Identity of a regular file, or None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - this runs for every event
    except (FileNotFoundError, NotADirectoryError):
        return None
    return as_stat(found) if stat.S_ISREG(found.st_mode) else None


def as_stat(found: os.stat_result) -> Stat:
    """Reduce a ``stat`` result; the inode is folded to 63 bits, which every database can hold."""
    return Stat(found.st_ino & 0x7FFF_FFFF_FFFF_FFFF, found.st_mtime_ns, found.st_size)


def walk(root: str | Path, suffixes: Sequence[str]) -> Scan:
    """Find all candidate files below ``root``. Dot directories and links to directories are not entered."""
    result = Scan()
    endings = tuple(s.lower() for s in suffixes)
    try:
        found = os.stat(root)  # noqa: PTH116
        result.root_key = (found.st_dev, found.st_ino)
    except OSError as err:
        result.root_error = err.strerror or str(err)
        return result
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
                    name = entry.name
                    if name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    elif name.lower().endswith(endings) and is_candidate(name, suffixes):
                        _add(result, entry)
        except FileNotFoundError as err:
            if folder == os.fspath(root):
                result.root_error = err.strerror or str(err)
        except OSError as err:
            reason = err.strerror or str(err)
            if folder == os.fspath(root):
                result.root_error = reason
            else:
                result.unreadable[folder] = reason
    return result


def _add(result: Scan, entry: os.DirEntry[str]) -> None:
    if not is_text(entry.name):
        result.unreadable[clean(entry.path)] = "its name is not valid UTF-8"
        return
    try:
        found = entry.stat()
    except OSError:
        # gone between the listing and the look, or a dangling link
        return
    if stat.S_ISREG(found.st_mode):
        result.files[entry.path] = as_stat(found)


def file_system(path: str | Path, mounts: str | Path = "/proc/mounts") -> str | None:
    """Type of the file system that holds ``path``, such as ``nfs4``; None where it cannot be told."""
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    target = Path(path).resolve()
    best, kind = -1, None
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        # blanks and backslashes in mount points are written as octal escapes
        point = fields[1].encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")
        # the last mount on the same point hides the earlier ones
        if len(point) >= best and target.is_relative_to(point):
            best, kind = len(point), fields[2]
    return kind


def needs_polling(kind: str | None) -> bool:
    """Whether changes on this type of file system may come without an inotify event."""
    if kind is None:
        return True
    # every FUSE file system (sshfs among them) may change behind the kernel's back
    return kind in NETWORK_TYPES or kind.startswith("fuse") or kind == "sshfs"
