"""The list of files as version 0.1.0 kept it."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of 0.1.0."""
    json = sa.JSON(none_as_null=True)
    op.create_table(
        "files",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("path", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("inode", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("layout", sa.String(64)),
        sa.Column("kinds", json, nullable=False),
        sa.Column("sample", sa.Text),
        sa.Column("scan", sa.Text),
        sa.Column("start_time", sa.String(40)),
        sa.Column("n_q", sa.Integer),
        sa.Column("n_delay", sa.Integer),
        sa.Column("n_frames", sa.Integer),
        sa.Column("temperature_k", sa.Float),
        sa.Column("flags", json, nullable=False),
        sa.Column("warnings", json, nullable=False),
        sa.Column("summary", json),
        sa.Column("fit", json),
        sa.Column("content", sa.String(64)),
        sa.Column("first_seen", sa.Float, nullable=False),
        sa.Column("ready_at", sa.Float),
        sa.Column("sort_at", sa.Float, nullable=False),
        sa.Column("retry", sa.Integer, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    for name, columns in (
        ("order", ["sort_at", "id"]),
        ("state", ["state", "sort_at", "id"]),
        ("revision", ["revision"]),
        ("retry", ["retry"]),
    ):
        op.create_index(f"files_{name}", "files", columns)
    op.create_table(
        "catalogue_meta",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("value", json),
    )


def downgrade() -> None:
    """There is nothing before the first schema."""
    raise NotImplementedError("there is no schema before 0001")
