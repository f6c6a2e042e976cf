"""Name files by ref and version, number revisions within a generation.

`facts` of the migration: ``refs`` (number of a file -> ref), ``moved`` (pairs of directories, old and new, of
files that were made here) and ``gone`` (tables that now are in the record).
"""

import secrets

import sqlalchemy as sa
from alembic import context, op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep every row whose file has a name now; ingest reads all of them again for their versions."""
    facts = context.config.attributes["xpcs_dash"]
    refs = {int(number): str(ref) for number, ref in facts.get("refs", {}).items()}
    moved = [(str(old), str(new)) for old, new in facts.get("moved", ())]
    op.add_column("files", sa.Column("ref", sa.String(120), nullable=False, server_default=""))
    op.add_column("files", sa.Column("version", sa.String(32)))
    files = sa.table("files", *(sa.column(name) for name in ("id", "path", "ref", "size", "state", "name")))
    db = op.get_bind()
    for row in db.execute(sa.select(files.c.id, files.c.path)).all():
        ref = refs.get(int(row.id))
        if ref is None:
            db.execute(files.delete().where(files.c.id == row.id))
            continue
        path = row.path
        for old, new in moved:
            if path.startswith(f"{old}/"):
                path = new + path[len(old) :]
        # a size that no file has: what is on disk differs, so it is read again, and is shown meanwhile
        db.execute(files.update().where(files.c.id == row.id).values(ref=ref, path=path, size=-1))
    op.create_index("files_ref", "files", ["ref"], unique=True)
    meta = sa.table("catalogue_meta", sa.column("name"), sa.column("number"), sa.column("value", sa.JSON))
    db.execute(meta.delete().where(meta.c.name.in_(("schema", "generation"))))
    db.execute(meta.insert().values(name="generation", number=0, value=secrets.token_hex(4)))
    for name in facts.get("gone", ()):
        op.drop_table(name)


def downgrade() -> None:
    """An index is built anew instead."""
    raise NotImplementedError("an index is built anew and not led back")
