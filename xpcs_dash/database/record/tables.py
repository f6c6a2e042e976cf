"""The tables of the record.

Files are named by ``ref`` (where the file lies) and ``version`` (what it held), both as text: neither depends
on an index that may be built anew. A change here needs a migration in ``database/migrations/record``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa

__all__ = ["ACTS", "ALIASES", "DISPATCHER", "FITS", "IN_USE", "JOBS", "MASKS", "METADATA", "dump", "load"]

METADATA = sa.MetaData()

FITS = sa.Table(
    "fits",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("store_id", sa.String(200), nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("ref", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.String(80), nullable=False, default=""),
    sa.Column("name", sa.String(400), nullable=False),
    sa.Column("sample", sa.String(200), nullable=False, default=""),
    sa.Column("model", sa.String(32), nullable=False),
    sa.Column("sigma", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("n_q", sa.Integer, nullable=False),
    sa.Column("n_good", sa.Integer, nullable=False),
    sa.Column("chi2", sa.Float),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("bins", sa.Text, nullable=False),
    sa.Column("facts", sa.Text, nullable=False, default="{}"),
    sa.Column("job_id", sa.Integer),
    sa.Column("owner", sa.String(200), nullable=False, default=""),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("seconds", sa.Float),
    sa.Column("review", sa.String(16), nullable=False, default="open"),
    sa.Column("note", sa.Text, nullable=False, default=""),
    sa.Column("reviewer", sa.String(200), nullable=False, default=""),
    sa.Column("reviewed", sa.Float),
    sa.Column("deleted", sa.Boolean, nullable=False, default=False),
    sa.Column("updated", sa.Float, nullable=False),
    sqlite_autoincrement=True,
)

JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("title", sa.String(400), nullable=False),
    sa.Column("ref", sa.Text, nullable=False, default=""),
    sa.Column("version", sa.Text, nullable=False, default=""),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("progress", sa.Float, nullable=False, default=0.0),
    sa.Column("detail", sa.Text, nullable=False, default="{}"),
    sa.Column("message", sa.Text, nullable=False, default=""),
    sa.Column("result", sa.Text, nullable=False, default="{}"),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("owner", sa.String(200), nullable=False, default=""),
    sa.Column("priority", sa.Integer, nullable=False, default=0),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("worker", sa.String(200), nullable=False, default=""),
    sa.Column("updated", sa.Float, nullable=False),
    # an id is never given out twice: it stands in URLs and in the provenance of fits
    sqlite_autoincrement=True,
)

DISPATCHER = sa.Table(
    "jobs_dispatcher",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("token", sa.String(64), nullable=False),
    sa.Column("host", sa.String(200), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("beat", sa.Float, nullable=False),
    sa.Column("status", sa.Text, nullable=False, default="{}"),
)

#: Saved masks; their arrays are files of the state directory.
MASKS = sa.Table(
    "masks",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("owner", sa.String(200), nullable=False, default=""),
    sa.Column("saved", sa.Float, nullable=False),
    sa.Column("ref", sa.Text, nullable=False, default=""),
    sa.Column("version", sa.String(80), nullable=False, default=""),
    sa.Column("valid_pixels", sa.BigInteger, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("has_partition", sa.Boolean, nullable=False, default=False),
)

#: The mask or partition that a browser uses in the viewer, by the hash of the browser's key.
IN_USE = sa.Table(
    "masks_in_use",
    METADATA,
    sa.Column("scope", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("ref", sa.Text, nullable=False, default=""),
    sa.Column("version", sa.String(80), nullable=False, default=""),
    sa.Column("owner", sa.String(200), nullable=False, default=""),
    sa.Column("since", sa.Float, nullable=False),
)

#: Row number of a file in a catalogue of version 0.1.0 -> its name, for links of that time.
ALIASES = sa.Table(
    "aliases",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("ref", sa.Text, nullable=False),
)

#: Acts of the journal that the tables hold already; a replay leaves these out.
ACTS = sa.Table(
    "acts",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
)


def dump(value: Mapping[str, Any]) -> str:
    """JSON text of a mapping; NumPy scalars and arrays are allowed, not-a-number becomes null."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode()


def load(text: str | None) -> dict[str, Any]:
    """Mapping of a JSON text; empty where there is none."""
    return dict(orjson.loads(text)) if text else {}
