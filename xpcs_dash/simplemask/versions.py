"""Named versions of masks on the server's disk. What is damaged says so and takes nothing else along."""

from __future__ import annotations

import errno
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.disk import make_folder, sync_folder, write_whole
from xpcs_dash.errors import NotFoundError, UnavailableError, UsageError, XpcsDashError
from xpcs_dash.simplemask.draft import Draft

__all__ = ["DraftError", "Version", "VersionStore", "is_key", "new_key"]

_KEY = re.compile(r"^[A-Za-z0-9_-]{16,64}$")


class DraftError(UnavailableError):
    """A draft that cannot be read or stored now. What lies on disk is as it was."""


@dataclass(frozen=True)
class Version:
    """A saved version: key, name, time (s since 1970), who, and what it holds.

    ``problem`` says why a damaged one cannot be taken up again; else it is empty. ``ref`` and ``of_version``
    name the result file that it was drawn on, and what that held.
    """

    key: str
    name: str
    saved: float
    owner: str
    valid_pixels: int
    shape: tuple[int, int]
    has_partition: bool
    problem: str = ""
    ref: str = ""
    of_version: str = ""


def new_key() -> str:
    """A key that cannot be guessed, for sessions and copies."""
    return secrets.token_urlsafe(24)


def is_key(text: object) -> bool:
    """True for texts of the form that `new_key` gives; nothing else becomes part of a path."""
    return isinstance(text, str) and bool(_KEY.match(text))


class VersionStore:
    """Saved versions below one directory.

    Parameters
    ----------
    directory : made when something is first stored.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._seen = False

    def save_version(
        self,
        name: str,
        owner: str,
        draft: Draft,
        mask: NDArray[Any],
        partition: Path | None,
        *,
        ref: str = "",
        of_version: str = "",
    ) -> Version:
        """Keep a mask (and the partition file made from it) under a name: all of it or, on an error, nothing.

        Parameters
        ----------
        ref, of_version : public name and version of the result file that it was drawn on; empty where none.

        Raises
        ------
        UsageError
            For an empty name.
        DraftError
            Where it cannot be stored.
        """
        name = " ".join(name.split())[:80]
        if not name:
            raise UsageError("give the version a name.")
        info = {
            "name": name,
            "owner": owner,
            "saved": time.time(),
            "valid_pixels": int(np.count_nonzero(mask)),
            "shape": list(mask.shape),
            "ref": ref,
            "version": of_version,
            "draft": draft.to_dict(),
        }
        folder = self.directory / "versions" / new_key()
        made = folder.with_name(f".{folder.name}.temp")
        pixels = np.asarray(mask, dtype=np.uint8)
        with self._said("stored"):
            self._make(made)
            try:
                write_whole(made / "mask.npy", lambda stream: np.save(stream, pixels, allow_pickle=False))
                if partition is not None:
                    content = partition.read_bytes()
                    write_whole(made / "partition.hdf", lambda stream: stream.write(content))
                write_whole(made / "version.json", lambda stream: stream.write(json.dumps(info).encode()))
                made.rename(folder)
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
            sync_folder(folder.parent)
        return self._version(folder)

    def versions(self) -> list[Version]:
        """All versions, newest first; a damaged one says what is wrong with it."""
        folder = self.directory / "versions"
        with self._said("read"):
            found = [p.parent for p in folder.glob("[!.]*/version.json")] if folder.is_dir() else []
        return sorted((self._version(p) for p in found), key=lambda v: v.saved, reverse=True)

    def version_mask(self, key: str) -> NDArray[np.int32]:
        """(H, W) int32 mask of a version."""
        with self._of_version():
            mask: NDArray[np.int32] = np.load(self._version_folder(key) / "mask.npy").astype(np.int32)
        return mask

    def version_partition(self, key: str) -> Path | None:
        """Partition file of a version, or None."""
        path = self._version_folder(key) / "partition.hdf"
        return path if path.is_file() else None

    def version_draft(self, key: str) -> Draft:
        """The draft from which a version was saved."""
        with self._of_version():
            data = json.loads((self._version_folder(key) / "version.json").read_bytes())
            return Draft.from_dict(data["draft"])

    @contextmanager
    def _of_version(self) -> Iterator[None]:
        with self._said("read"):
            try:
                yield
            except (ValueError, KeyError, TypeError, EOFError) as err:
                raise UsageError("this version is damaged and cannot be opened.") from err

    def _version_folder(self, key: str) -> Path:
        folder = self.directory / "versions" / key if is_key(key) else None
        if folder is None or not folder.is_dir():
            raise NotFoundError("this version is no longer there.")
        return folder

    def _version(self, folder: Path) -> Version:
        partition = (folder / "partition.hdf").is_file()
        try:
            with self._of_version():
                data = json.loads((folder / "version.json").read_bytes())
                shape = (int(data["shape"][0]), int(data["shape"][1]))
                about = str(data["name"]), float(data["saved"]), str(data["owner"])
                size = int(data["valid_pixels"]), shape, partition
                drawn_on = str(data.get("ref", "")), str(data.get("version", ""))
                return Version(folder.name, *about, *size, "", *drawn_on)
        except XpcsDashError as err:
            return Version(folder.name, "A version", 0.0, "", 0, (0, 0), partition, str(err))

    def _check_there(self) -> None:
        """A directory that was there and is not is a disk that was unmounted, and not an empty draft."""
        self._seen = self._seen or self.directory.is_dir()
        if self._seen and not self.directory.is_dir():
            raise FileNotFoundError(
                errno.ENOENT,
                f"{self.directory} is no longer there; mount its disk again, or make it anew to begin empty",
            )

    def _make(self, folder: Path) -> None:
        self._check_there()
        make_folder(folder)
        self._seen = True

    @contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """Errors of the disk as a sentence; the session's key, which is a secret, is in none."""
        try:
            yield
        except OSError as err:
            raise DraftError(
                f"The masks in {self.directory} cannot be {what} now ({err.strerror or type(err).__name__}); "
                "nothing was changed. Try again once this is mended."
            ) from err
