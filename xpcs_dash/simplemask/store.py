"""Drafts on the server's disk: one a browser session, and shared copies. What cannot be read is never taken
for empty, and nothing is written over it.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.disk import (
    file_lock,
    keep_aside,
    keep_before,
    write_whole,
)
from xpcs_dash.errors import NotFoundError, UsageError
from xpcs_dash.simplemask.draft import DamagedDraft, Draft
from xpcs_dash.simplemask.versions import VersionStore, is_key, new_key

__all__ = ["DraftStore"]

#: Days after which a draft that nobody touched is thrown away.
KEEP_DAYS = 90


class DraftStore(VersionStore):
    """Drafts and versions below one directory; several processes may use it at once.

    A draft is kept in two revisions: where the last one is damaged, the one before it takes its place, and
    the damaged file is kept beside them.

    Parameters
    ----------
    directory : made when something is first stored.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._locks: dict[str, Lock] = {}
        self._guard = Lock()

    # -- drafts ----------------------------------------------------------------------------------------------
    def load(self, session: str) -> Draft:
        """The draft of a session; an empty one only where there is none.

        Raises
        ------
        DraftError
            Where it cannot be read now.
        """
        path = self._path("drafts", session)
        with self._said("read"), suppress(DamagedDraft):
            found = self._read(path)
            if found is not None:
                return found
            if not _before(path).exists():
                return Draft()
        with self._alone(session):
            return self._load(session)

    def save(self, session: str, draft: Draft) -> None:
        """Store a session's draft, atomically and synced.

        Raises
        ------
        DraftError
            Where it cannot be stored, or what is there cannot be read.
        """
        self._path("drafts", session)
        with self._alone(session):
            self._load(session)
            self._store(session, draft)

    @contextmanager
    def editing(self, session: str) -> Iterator[list[Draft]]:
        """Change a draft: a list with the draft, whose element is stored at the end if it was replaced.

        Changes of one session wait for each other, so that fast drawing loses nothing.
        """
        with self._alone(session):
            held = [self._load(session)]
            before = held[0]
            yield held
            if held[0] is not before:
                self._store(session, held[0])

    def share(self, session: str) -> str:
        """Store a copy of a draft under a key of its own, which a link can carry."""
        return self.keep(session, self.load(session))

    def adopt(self, session: str, key: str) -> Draft:
        """Make a shared copy the session's draft, unless it already began as that copy.

        What the session worked on before is kept as a copy of its own.

        Raises
        ------
        UsageError
            Where the copy does not exist or is damaged.
        """
        with self.editing(session) as held:
            current = held[0]
            if current.copied == key:
                return current
            shared = self._shared(key)
            own = self.keep(session, current) if current.area.operations else ""
            for name, array in self.load_arrays(key).items():
                self.put_array(session, name, array)
            held[0] = replace(shared, copied=key, own=own, note="", revision=current.revision + 1)
            return held[0]

    def _shared(self, key: str) -> Draft:
        try:
            with self._said("read"):
                found = self._read(self._path("shared", key)) if is_key(key) else None
        except DamagedDraft as err:
            raise UsageError("the mask of this link is damaged and cannot be opened.") from err
        if found is None:
            raise NotFoundError("this link leads to a mask that is no longer there.")
        return found

    def keep(self, session: str, draft: Draft) -> str:
        """Store a draft of a session under a key of its own; gives the key."""
        key = new_key()
        for name, array in self.load_arrays(session).items():
            self.put_array(key, name, array)
        with self._said("stored"):
            self._write(self._path("shared", key), replace(draft, copied="", own="", note=""))
        return key

    def _load(self, session: str) -> Draft:
        """The draft, or what can be restored of it; for who holds the lock."""
        path = self._path("drafts", session)
        before, damaged = _before(path), True
        with self._said("read"):
            try:
                found = self._read(path)
                if found is not None:
                    return found
                damaged = False
            except DamagedDraft:
                pass
            try:
                last = self._read(before)
            except DamagedDraft:
                last = None
                keep_aside(before)
            if last is None and not damaged:
                return Draft()
            words = "The draft of your mask was " + ("damaged" if damaged else "missing")
            if damaged:
                words += f"; the damaged file is kept as {self._shown(keep_aside(path))}"
            if last is None:
                restored = Draft(note=f"{words}. There is no earlier copy: the mask begins anew.")
            else:
                note = f"{words}. The copy before your last change was restored."
                restored = replace(last, revision=last.revision + 2, note=note)
            self._write(path, restored)
            return restored

    def _store(self, session: str, draft: Draft) -> None:
        path = self._path("drafts", session)
        with self._said("stored"):
            keep_before(path, _before(path))
            self._write(path, draft)

    @contextmanager
    def _alone(self, session: str) -> Iterator[None]:
        with self._guard:
            lock = self._locks.setdefault(session, Lock())
        held = file_lock(self._path("drafts", session).with_suffix(".lock"))
        with lock:
            with self._said("stored"):
                self._make(self.directory / "drafts")
                held.__enter__()
            try:
                yield
            finally:
                held.__exit__(None, None, None)

    # -- arrays ----------------------------------------------------------------------------------------------
    def put_array(self, session: str, name: str, array: NDArray[Any]) -> str:
        """Store an imported mask or image beside a draft; gives the name."""
        folder = self._path("arrays", session).with_suffix("")
        with self._said("stored"):
            self._make(folder)
            write_whole(
                folder / f"{_safe(name)}.npy", lambda stream: np.save(stream, array, allow_pickle=False)
            )
        return _safe(name)

    def load_arrays(self, session: str) -> dict[str, NDArray[Any]]:
        """All arrays of a draft, read from disk only where they are looked at; damaged ones are left out."""
        folder = self._path("arrays", session).with_suffix("")
        arrays: dict[str, NDArray[Any]] = {}
        with self._said("read"):
            for path in sorted(folder.glob("[!.]*.npy")) if folder.is_dir() else ():
                # an image or a step that needs the damaged one says that it is not there
                with suppress(ValueError, EOFError, FileNotFoundError):
                    arrays[path.stem] = np.load(path, mmap_mode="r", allow_pickle=False)
        return arrays

    # -- disk ------------------------------------------------------------------------------------------------
    def forget_old(self, now: float | None = None) -> int:
        """Throw away drafts that nobody touched for `KEEP_DAYS`, with all that belongs to them; gives how
        many.
        """
        folder = self.directory / "drafts"
        limit = (time.time() if now is None else now) - KEEP_DAYS * 86400
        with self._said("read"):
            old = [path for path in folder.glob("*.json") if is_key(path.stem) and _older(path, limit)]
        for path in old:
            with self._alone(path.stem), self._said("stored"):
                if not _older(path, limit):
                    continue
                shutil.rmtree(self._path("arrays", path.stem).with_suffix(""), ignore_errors=True)
                for part in folder.glob(f"{path.stem}.*"):
                    part.unlink(missing_ok=True)
        return len(old)

    def _path(self, kind: str, key: str) -> Path:
        if not is_key(key):
            raise UsageError("this session is not known; load the page again.")
        return self.directory / kind / f"{key}.json"

    def _read(self, path: Path) -> Draft | None:
        """A draft, None where there is none; `DamagedDraft` or an OSError where it cannot be had."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            self._check_there()
            return None
        self._seen = True
        try:
            data: Mapping[str, Any] = json.loads(content)
        except (ValueError, RecursionError) as err:
            raise DamagedDraft(str(err)) from err
        return Draft.from_dict(data)

    def _write(self, path: Path, draft: Draft) -> None:
        content = json.dumps(draft.to_dict(), separators=(",", ":")).encode()
        self._make(path.parent)
        write_whole(path, lambda stream: stream.write(content))

    def _shown(self, aside: Path) -> str:
        # the first letters of the key find the file and open no session
        return f"{self.directory / 'drafts'}/{aside.name[:6]}…{aside.suffix}"


def _before(path: Path) -> Path:
    """Where the revision before the last one of a draft is kept."""
    return path.with_suffix(".before")


def _older(path: Path, limit: float) -> bool:
    try:
        return path.stat().st_mtime < limit
    except FileNotFoundError:
        return False


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "array"
