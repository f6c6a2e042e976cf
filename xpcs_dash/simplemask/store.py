"""Drafts and named versions on the server's disk: one draft a browser session, shared copies, saved
versions.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.simplemask.area_mask import AreaMask

#: Days after which a draft that nobody touched is thrown away.
KEEP_DAYS = 90
_KEY = re.compile(r"^[A-Za-z0-9_-]{16,64}$")


@dataclass(frozen=True)
class Draft:
    """What one browser session works on.

    Attributes
    ----------
    source : where the image comes from: {"kind": "result", "file": id} or {"kind": "file", "path", "how",
    "count"}
        or {"kind": "upload", "array", "name"}; empty before the start.
    area : the mask's operations with their history.
    geometry : energy_kev, distance_m, pixel_m, bcx, bcy; empty where unknown.
    origins : for each number of the geometry, where it comes from.
    setting : of the detector and the sample, see `Setting`.
    axes : the partition's form: two dicts for `Axis`.
    view : scale and percentiles of the picture.
    revision : rises with every change.
    copied : key of the shared copy that the draft began as.
    """

    source: Mapping[str, Any] = field(default_factory=dict)
    area: AreaMask = field(default_factory=lambda: AreaMask((1, 1)))
    geometry: Mapping[str, float] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    setting: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[Mapping[str, Any], Mapping[str, Any]] = (
        {"name": "q", "dynamic": 10, "static": 100},
        {"name": "phi", "dynamic": 1, "static": 1},
    )
    view: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 0
    copied: str = ""

    def changed(self, **fields: Any) -> Draft:
        """A copy with other fields and the next revision."""
        return replace(self, **fields, revision=self.revision + 1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "source": dict(self.source),
            "area": self.area.to_dict(),
            "geometry": dict(self.geometry),
            "origins": dict(self.origins),
            "setting": dict(self.setting),
            "axes": [dict(a) for a in self.axes],
            "view": dict(self.view),
            "revision": self.revision,
            "copied": self.copied,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Draft:
        """The inverse of `to_dict`."""
        empty = cls()
        axes = data.get("axes") or []
        return cls(
            source=data.get("source", {}),
            area=AreaMask.from_dict(data["area"]),
            geometry=data.get("geometry", {}),
            origins=data.get("origins", {}),
            setting=data.get("setting", {}),
            axes=(axes[0], axes[1]) if len(axes) == 2 else empty.axes,
            view=data.get("view", {}),
            revision=int(data.get("revision", 0)),
            copied=str(data.get("copied", "")),
        )


@dataclass(frozen=True)
class Version:
    """A saved version: key, name, time (s since 1970), who, and what it holds."""

    key: str
    name: str
    saved: float
    owner: str
    valid_pixels: int
    shape: tuple[int, int]
    has_partition: bool


def new_key() -> str:
    """A key that cannot be guessed, for sessions and copies."""
    return secrets.token_urlsafe(24)


def is_key(text: object) -> bool:
    """True for texts of the form that `new_key` gives; nothing else becomes part of a path."""
    return isinstance(text, str) and bool(_KEY.match(text))


class DraftStore:
    """Drafts and versions below one directory; several processes may use it at once.

    Parameters
    ----------
    directory : made when something is first stored.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._locks: dict[str, Lock] = {}
        self._guard = Lock()

    # -- drafts ----------------------------------------------------------------------------------------------
    def load(self, session: str) -> Draft:
        """The draft of a session; an empty one where there is none or it cannot be read."""
        return self._read("drafts", session) or Draft()

    def save(self, session: str, draft: Draft) -> None:
        """Store a session's draft, atomically."""
        self._write(self._path("drafts", session), draft)

    @contextmanager
    def editing(self, session: str) -> Iterator[list[Draft]]:
        """Change a draft: a list with the draft, whose element is stored at the end if it was replaced.

        Changes of one session wait for each other, so that fast drawing loses nothing.
        """
        with self._guard:
            lock = self._locks.setdefault(session, Lock())
        with lock, _file_lock(self._path("drafts", session).with_suffix(".lock")):
            held = [self.load(session)]
            before = held[0]
            yield held
            if held[0] is not before:
                self.save(session, held[0])

    def share(self, session: str) -> str:
        """Store a copy of a draft under a key of its own, which a link can carry."""
        key = new_key()
        self._write(self._path("shared", key), replace(self.load(session), copied=""))
        for array in self.load_arrays(session).items():
            self.put_array(key, *array)
        return key

    def adopt(self, session: str, key: str) -> Draft:
        """Make a shared copy the session's draft, unless it already began as that copy.

        Raises
        ------
        UsageError
            Where the copy does not exist.
        """
        current = self.load(session)
        if current.copied == key:
            return current
        shared = self._read("shared", key) if is_key(key) else None
        if shared is None:
            raise UsageError("this link leads to a mask that is no longer there.")
        for array in self.load_arrays(key).items():
            self.put_array(session, *array)
        adopted = replace(shared, copied=key, revision=current.revision + 1)
        self.save(session, adopted)
        return adopted

    # -- arrays ----------------------------------------------------------------------------------------------
    def put_array(self, session: str, name: str, array: NDArray[Any]) -> str:
        """Store an imported mask or image beside a draft; gives the name."""
        folder = self._path("arrays", session).with_suffix("")
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{_safe(name)}.npy"
        temp = target.with_name(f".{target.name}.{secrets.token_hex(4)}.temp")
        with temp.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
        temp.replace(target)
        return _safe(name)

    def load_arrays(self, session: str) -> dict[str, NDArray[Any]]:
        """All arrays of a draft, read from disk only where they are looked at."""
        folder = self._path("arrays", session).with_suffix("")
        found = sorted(folder.glob("[!.]*.npy")) if folder.is_dir() else []
        return {p.stem: np.load(p, mmap_mode="r", allow_pickle=False) for p in found}

    # -- versions --------------------------------------------------------------------------------------------
    def save_version(
        self, name: str, owner: str, draft: Draft, mask: NDArray[Any], partition: Path | None
    ) -> Version:
        """Keep a mask (and the partition file made from it) under a name.

        Raises
        ------
        UsageError
            For an empty name.
        """
        name = " ".join(name.split())[:80]
        if not name:
            raise UsageError("give the version a name.")
        key = new_key()
        folder = self.directory / "versions" / key
        folder.mkdir(parents=True)
        np.save(folder / "mask.npy", np.asarray(mask, dtype=np.uint8), allow_pickle=False)
        if partition is not None:
            partition.replace(folder / "partition.hdf")
        info = {
            "name": name,
            "owner": owner,
            "saved": time.time(),
            "valid_pixels": int(np.count_nonzero(mask)),
            "shape": list(mask.shape),
            "draft": draft.to_dict(),
        }
        _atomic_text(folder / "version.json", json.dumps(info))
        return self._version(folder)

    def versions(self) -> list[Version]:
        """All versions, newest first."""
        folder = self.directory / "versions"
        found = [p.parent for p in folder.glob("*/version.json")] if folder.is_dir() else []
        return sorted((self._version(p) for p in found), key=lambda v: v.saved, reverse=True)

    def version_mask(self, key: str) -> NDArray[np.int32]:
        """(H, W) int32 mask of a version."""
        mask: NDArray[np.int32] = np.load(self._version_folder(key) / "mask.npy").astype(np.int32)
        return mask

    def version_partition(self, key: str) -> Path | None:
        """Partition file of a version, or None."""
        path = self._version_folder(key) / "partition.hdf"
        return path if path.is_file() else None

    def version_draft(self, key: str) -> Draft:
        """The draft from which a version was saved."""
        data = json.loads((self._version_folder(key) / "version.json").read_text())
        return Draft.from_dict(data["draft"])

    def _version_folder(self, key: str) -> Path:
        folder = self.directory / "versions" / key if is_key(key) else None
        if folder is None or not folder.is_dir():
            raise UsageError("this version is no longer there.")
        return folder

    def _version(self, folder: Path) -> Version:
        data = json.loads((folder / "version.json").read_text())
        return Version(
            folder.name,
            data["name"],
            data["saved"],
            data["owner"],
            data["valid_pixels"],
            (data["shape"][0], data["shape"][1]),
            (folder / "partition.hdf").is_file(),
        )

    # -- disk ------------------------------------------------------------------------------------------------
    def forget_old(self, now: float | None = None) -> int:
        """Throw drafts away that nobody touched for `KEEP_DAYS`; gives how many."""
        folder = self.directory / "drafts"
        limit = (time.time() if now is None else now) - KEEP_DAYS * 86400
        old = [p for p in folder.glob("*.json") if p.stat().st_mtime < limit] if folder.is_dir() else []
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _path(self, kind: str, key: str) -> Path:
        if not is_key(key):
            raise UsageError("this session is not known; load the page again.")
        return self.directory / kind / f"{key}.json"

    def _read(self, kind: str, key: str) -> Draft | None:
        try:
            return Draft.from_dict(json.loads(self._path(kind, key).read_text()))
        except (OSError, ValueError, KeyError, TypeError, IndexError, UsageError):
            return None

    def _write(self, path: Path, draft: Draft) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _atomic_text(path, json.dumps(draft.to_dict(), separators=(",", ":")))


def _atomic_text(path: Path, text: str) -> None:
    temp = path.with_name(f".{path.name}.{secrets.token_hex(4)}.temp")
    temp.write_text(text)
    temp.replace(path)


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """One process at a time; the lock goes with the process that holds it."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "array"
