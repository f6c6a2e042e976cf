"""Which disks a directory stands on: files of a disk that was unmounted are not files that were deleted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Ground", "ground_of", "mount_points", "within"]


@dataclass(frozen=True)
class Ground:
    """What a watched directory stands on.

    Attributes
    ----------
    key : device and inode of the directory; None while it cannot be looked at.
    at : mount point of the disk that it lies on; empty where it cannot be told.
    below : mount points of disks below it.
    """

    key: tuple[int, int] | None = None
    at: str = ""
    below: frozenset[str] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "key": None if self.key is None else [str(n) for n in self.key],
            "at": self.at,
            "below": sorted(self.below),
        }

    @classmethod
    def from_dict(cls, data: Any) -> Ground | None:
        """The inverse of `to_dict`; None for what is none."""
        try:
            device, inode = data["key"]
            below = frozenset(str(point) for point in data["below"])
            return cls((int(device), int(inode)), str(data["at"]), below)
        except (TypeError, KeyError, ValueError):
            return None

    def unmounted(self, now: Ground) -> str | None:
        """Mount point of the disk that held the directory and holds it no longer, or None."""
        lost = self.at and now.at and self.at != now.at and Path(self.at).is_relative_to(now.at)
        return self.at if lost else None

    def away(self, now: Ground) -> frozenset[str]:
        """Mount points below the directory whose folder is still there and whose disk is not."""
        return frozenset(point for point in self.below - now.below if os.path.isdir(point))  # noqa: PTH112

    def followed_by(self, now: Ground, files: Mapping[str, Any]) -> Ground:
        """What to remember after a walk: disks that are away stay in mind until files lie in their folder."""
        away = self.away(now)
        if away:
            away = frozenset(p for p in away if not any(f.startswith(f"{p}{os.sep}") for f in files))
        return Ground(now.key, now.at, now.below | away)


def ground_of(root: str | Path, mounts: str | Path = "/proc/self/mounts") -> Ground:
    """What a directory stands on at this moment; never raises."""
    try:
        found = os.stat(root)  # noqa: PTH116 - this runs for every file that is gone
    except OSError:
        return Ground()
    target = os.path.realpath(root)
    points = [point for point, _ in mount_points(mounts)]
    at = max((p for p in points if within(target, p)), key=len, default="")
    below = frozenset(p for p in points if p != target and within(p, target))
    return Ground((found.st_dev, found.st_ino), at, below)


def mount_points(mounts: str | Path = "/proc/self/mounts") -> list[tuple[str, str]]:
    """Mount points with the type of their file system, in the order in which they were mounted.

    None where there is no such list.
    """
    try:
        text = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    return [(_plain(fields[1]), fields[2]) for line in text.splitlines() if len(fields := line.split()) > 2]


def _plain(point: str) -> str:
    """A mount point without the octal escapes of blanks and backslashes."""
    for escape, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(escape, letter)
    return point


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
