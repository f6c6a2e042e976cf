"""The index's tables: one row a file, and a revision that rises with every change."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from xpcs_dash.errors import UsageError

__all__ = [
    "FULL_COLUMNS", "METADATA", "PRESENT", "ROW_COLUMNS", "STATES", "FileRow", "Revision", "State",
    "bump_in", "display_name", "files_table", "meta_table", "new_generation_in", "to_row",
]  # fmt: skip

State = Literal["waiting", "ready", "failed", "gone"]
STATES: tuple[State, ...] = ("waiting", "ready", "failed", "gone")
#: States of files that are there.
PRESENT: tuple[State, ...] = ("waiting", "ready", "failed")

METADATA = sa.MetaData()
# "not there" is NULL, which a query can ask for, and not the JSON text "null"
_JSON = sa.JSON(none_as_null=True)
files_table = sa.Table(
    "files",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("path", sa.Text, nullable=False, unique=True),
    sa.Column("ref", sa.String(120), nullable=False),
    sa.Column("version", sa.String(32)),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("inode", sa.BigInteger, nullable=False, default=0),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("layout", sa.String(64)),
    sa.Column("kinds", _JSON, nullable=False, default=list),
    sa.Column("sample", sa.Text),
    sa.Column("scan", sa.Text),
    sa.Column("start_time", sa.String(40)),
    sa.Column("n_q", sa.Integer),
    sa.Column("n_delay", sa.Integer),
    sa.Column("n_frames", sa.Integer),
    sa.Column("temperature_k", sa.Float),
    sa.Column("flags", _JSON, nullable=False, default=list),
    sa.Column("warnings", _JSON, nullable=False, default=list),
    sa.Column("summary", _JSON),
    sa.Column("fit", _JSON),
    sa.Column("content", sa.String(64)),
    sa.Column("first_seen", sa.Float, nullable=False),
    sa.Column("ready_at", sa.Float),
    sa.Column("sort_at", sa.Float, nullable=False),
    sa.Column("retry", sa.Integer, nullable=False, default=0),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Index("files_ref", "ref", unique=True),
    sa.Index("files_order", "sort_at", "id"),
    sa.Index("files_state", "state", "sort_at", "id"),
    sa.Index("files_revision", "revision"),
    sa.Index("files_retry", "retry"),
)
meta_table = sa.Table(
    "catalogue_meta",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False, default=0),
    sa.Column("value", _JSON),
)


class Revision(NamedTuple):
    """State of the catalogue: ``n`` rises with every change; a rebuild begins another ``generation``.

    Numbers of two generations say nothing about each other. As text it is ``generation.n``.
    """

    generation: str
    n: int

    def __str__(self) -> str:
        return f"{self.generation}.{self.n}"

    @classmethod
    def parse(cls, text: str) -> Revision:
        """The inverse of ``str``; a bare number belongs to no generation.

        Raises
        ------
        UsageError
            For any other text.
        """
        generation, _, number = text.rpartition(".")
        if not number.isdecimal() or len(number) > 15 or len(generation) > 40:
            raise UsageError(f"since={text[:40]!r} is no revision; take the one of an earlier answer.")
        return cls(generation, int(number))


@dataclass(frozen=True)
class FileRow:
    """One file of the watched directory as the catalogue knows it.

    Attributes
    ----------
    ref : public name, which follows from where the file lies; see `xpcs_dash.results.identity`.
    version : fingerprint of its g2, delays and maps; None until it has been read.
    path : absolute path.
    name : file name without suffix and without ``_results``.
    mtime_ns, size : of the version that the row describes.
    state : "waiting", "ready", "failed" or "gone".
    reason : sentence for a person where the state is not "ready".
    summary : what `analysis.quality.summarise` found, JSON-able. `Catalogue.get`, `get_many` add
        the fit of every q under ``"fit"`` (None until it is done); lists of files leave it out: it is long.
    first_seen : when ingest first saw the file, s since the epoch.
    ready_at : when this version of the file arrived, s since the epoch; the order of "newest".
    revision : revision of the catalogue at which this row last changed.
    """

    ref: str
    path: str
    name: str
    mtime_ns: int
    size: int
    state: State
    reason: str | None = None
    layout: str | None = None
    kinds: tuple[str, ...] = ()
    sample: str | None = None
    scan: str | None = None
    start_time: datetime | None = None
    n_q: int | None = None
    n_delay: int | None = None
    n_frames: int | None = None
    temperature_k: float | None = None
    version: str | None = None
    flags: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    summary: dict[str, Any] | None = None
    first_seen: float = 0.0
    ready_at: float | None = None
    revision: int = 0


def display_name(path: str | Path) -> str:
    """File name without its suffix and without ``_results``."""
    return Path(path).stem.removesuffix("_results")


ROW_COLUMNS = [files_table.c[name] for name in FileRow.__dataclass_fields__]
FULL_COLUMNS = [*ROW_COLUMNS, files_table.c.fit]


def to_row(found: sa.RowMapping) -> FileRow:
    """The record of the table as the frozen row that everybody else uses."""
    values = dict(found)
    if "fit" in values:
        fit = values.pop("fit")
        values["summary"] = None if values["summary"] is None else {**values["summary"], "fit": fit}
    for name in ("kinds", "flags", "warnings"):
        values[name] = tuple(values[name] or ())
    values["start_time"] = datetime.fromisoformat(values["start_time"]) if values["start_time"] else None
    return FileRow(**values)


def new_generation_in(db: sa.Connection) -> None:
    """Say that the rows were made anew: whoever kept some of them throws them away."""
    db.execute(sa.delete(meta_table).where(meta_table.c.name == "generation"))
    db.execute(sa.insert(meta_table).values(name="generation", number=0, value=secrets.token_hex(4)))


_BUMP = (
    sa.update(meta_table)
    .where(meta_table.c.name == "revision")
    .values(number=meta_table.c.number + 1)
    .returning(meta_table.c.number)
)


def bump_in(db: sa.Connection) -> int:
    """Raise the revision inside a running transaction and return it."""
    return int(db.execute(_BUMP).scalar_one())
