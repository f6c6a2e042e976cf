"""Saved masks and masks in use, as the record knows them; their arrays are files of the state directory.

A saved mask, and one in use, is on the disk and synced before the record hears of it: its own file is what
lasts, and the rows here say of which file, and which version of it, it was made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from xpcs_dash.database.record.store import Record, steady
from xpcs_dash.database.record.tables import IN_USE, MASKS

__all__ = ["InUse", "MaskList", "MaskRow"]


@dataclass(frozen=True)
class MaskRow:
    """One saved mask: key, name, who, when (s since the epoch), of which file and version, and its size."""

    key: str
    name: str
    owner: str
    saved: float
    ref: str
    version: str
    valid_pixels: int
    height: int
    width: int
    has_partition: bool


@dataclass(frozen=True)
class InUse:
    """What a browser uses in the viewer: "mask" or "partition", of which file, and since when."""

    kind: str
    ref: str
    version: str
    owner: str
    since: float


class MaskList:
    """Enter and look up masks.

    Parameters
    ----------
    record : where the rows are kept.
    """

    def __init__(self, record: Record) -> None:
        self._record = record

    @steady
    def saved(self, row: MaskRow) -> None:
        """Enter a mask whose files have just been stored."""
        with self._record.write() as db:
            self._record.act(db, "mask-saved", row.owner, row.__dict__)

    @steady
    def list(self) -> list[MaskRow]:
        """Saved masks, newest first."""
        with self._record.read() as db:
            found = db.execute(sa.select(MASKS).order_by(MASKS.c.saved.desc())).mappings()
            return [MaskRow(**{**row, "has_partition": bool(row["has_partition"])}) for row in found]

    @steady
    def used(self, scope: str, kind: str, ref: str = "", version: str = "", who: str = "") -> None:
        """Say what a browser uses from now on; an empty ``kind`` says that it uses nothing more.

        Parameters
        ----------
        scope : the browser's key; only its hash is kept, for whoever knows it has the browser's draft.
        """
        what = {"scope": _hash(scope), "kind": kind, "ref": ref, "version": version}
        with self._record.write() as db:
            self._record.act(db, "mask-used", who, what)

    @steady
    def in_use(self, scope: str) -> InUse | None:
        """What a browser uses, or None."""
        with self._record.read() as db:
            row = db.execute(sa.select(IN_USE).where(IN_USE.c.scope == _hash(scope))).mappings().first()
        return None if row is None else InUse(**{name: row[name] for name in InUse.__dataclass_fields__})


def _hash(scope: str) -> str:
    return hashlib.blake2b(scope.encode(), digest_size=12).hexdigest()
