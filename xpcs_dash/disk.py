"""Files that survive: written whole and synced, kept aside where they are damaged."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["file_lock", "keep_aside", "keep_before", "make_folder", "sync_folder", "write_whole"]


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace a file in one step: whoever reads it, even after a power cut, finds the old content or the new.

    Parameters
    ----------
    write : puts the content into the stream that it is given.
    """
    temp = _temporary(path)
    try:
        with temp.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temp.replace(path)
    except BaseException:
        with suppress(OSError):
            temp.unlink()
        raise
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a directory and those above it, and sync what names them."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        sync_folder(folder.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a directory last."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as err:
        # some network file systems cannot sync a directory, and need not
        if err.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise
    finally:
        os.close(handle)


def keep_before(path: Path, before: Path) -> None:
    """Give the present content of ``path`` a second name, which outlives the next `write_whole`."""
    if not path.exists():
        return
    temp = _temporary(before)
    try:
        os.link(path, temp)
    except OSError:
        # a file system without hard links
        content = path.read_bytes()
        write_whole(before, lambda stream: stream.write(content))
        return
    try:
        temp.replace(before)
    finally:
        # where both were one file already, replacing does nothing and leaves the new name
        with suppress(OSError):
            temp.unlink()


def keep_aside(path: Path) -> Path:
    """Rename a damaged file, so that nothing overwrites it; gives the new name."""
    stamp = time.strftime("%Y%m%dT%H%M%S")
    aside = path.with_name(f"{path.stem}.damaged-{stamp}-{secrets.token_hex(2)}")
    path.rename(aside)
    sync_folder(path.parent)
    return aside


@contextmanager
def file_lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """One process at a time; the lock goes with the process that holds it.

    Parameters
    ----------
    shared : let others in that ask for a shared lock as well, and keep out who asks for one of his own.
    """
    handle = _locked(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def _locked(path: Path, how: int) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, how)
            with suppress(FileNotFoundError):
                # housekeeping may have taken the file away while this one waited for it
                if path.stat().st_ino == os.fstat(handle).st_ino:
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.temp")
