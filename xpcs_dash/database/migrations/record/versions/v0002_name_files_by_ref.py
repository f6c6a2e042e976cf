"""Name files by ref and version; keep masks, what is in use, old numbers of files, and which acts are done.

`facts` of the migration: ``refs`` (number of a file in the catalogue of 0.1.0 -> ref) and ``moved`` (pairs of
directories, old and new, of files that were made here).
"""

from typing import Any

import orjson
import sqlalchemy as sa
from alembic import context, op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: Before a token of version 0.1.0, which followed from path and time stamp and not from what a file holds.
OLD_TOKEN = "0.1.0:"  # noqa: S105 - no secret


def upgrade() -> None:
    """Add what is new, translate what names files, drop the rest."""
    facts = context.config.attributes["xpcs_dash"]
    refs = {int(number): str(ref) for number, ref in facts.get("refs", {}).items()}
    moved = [(str(old), str(new)) for old, new in facts.get("moved", ())]
    _add()
    db = op.get_bind()
    if refs:
        db.execute(
            sa.table("aliases", sa.column("number"), sa.column("ref")).insert(),
            [{"number": number, "ref": ref} for number, ref in sorted(refs.items())],
        )
    _translate_fits(db, refs)
    _translate_jobs(db, refs, moved)
    op.drop_index("ix_fits_file_id", "fits")
    op.drop_column("fits", "file_id")
    op.drop_column("fits", "file_token")
    op.create_index("ix_fits_ref", "fits", ["ref"])


def _add() -> None:
    op.add_column("fits", sa.Column("ref", sa.Text, nullable=False, server_default=""))
    op.add_column("fits", sa.Column("version", sa.String(80), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("ref", sa.Text, nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("version", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "masks",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("saved", sa.Float, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("version", sa.String(80), nullable=False),
        sa.Column("valid_pixels", sa.BigInteger, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("has_partition", sa.Boolean, nullable=False),
    )
    op.create_table(
        "masks_in_use",
        sa.Column("scope", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("version", sa.String(80), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("since", sa.Float, nullable=False),
    )
    op.create_table(
        "aliases",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ref", sa.Text, nullable=False),
    )
    op.create_table(
        "acts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
    )


def _translate_fits(db: sa.Connection, refs: dict[int, str]) -> None:
    fits = sa.table("fits", *(sa.column(name) for name in ("id", "file_id", "file_token", "ref", "version")))
    for row in db.execute(sa.select(fits.c.id, fits.c.file_id, fits.c.file_token)).all():
        version = f"{OLD_TOKEN}{row.file_token}" if row.file_token else ""
        values = {"ref": refs.get(int(row.file_id), ""), "version": version}
        db.execute(fits.update().where(fits.c.id == row.id).values(**values))


def _translate_jobs(db: sa.Connection, refs: dict[int, str], moved: list[tuple[str, str]]) -> None:
    jobs = sa.table("jobs", *(sa.column(name) for name in ("id", "params", "result", "ref")))
    for row in db.execute(sa.select(jobs.c.id, jobs.c.params, jobs.c.result)).all():
        params, result = (_moved(orjson.loads(text or "{}"), moved) for text in (row.params, row.result))
        ref = refs.get(params.pop("file_id", -1), "")
        if ref:
            params["ref"] = ref
        values = {
            "params": orjson.dumps(params).decode(),
            "result": orjson.dumps(result).decode(),
            "ref": ref,
        }
        db.execute(jobs.update().where(jobs.c.id == row.id).values(**values))


def _moved(value: Any, moved: list[tuple[str, str]]) -> Any:
    """JSON content with the directories of files that were made here replaced."""
    if isinstance(value, dict):
        return {key: _moved(entry, moved) for key, entry in value.items()}
    if isinstance(value, list):
        return [_moved(entry, moved) for entry in value]
    for old, new in moved if isinstance(value, str) else ():
        if value.startswith(f"{old}/"):
            return new + value[len(old) :]
    return value


def downgrade() -> None:
    """A record is never led back."""
    raise NotImplementedError("the record of 0.1.0 is among the backups")
