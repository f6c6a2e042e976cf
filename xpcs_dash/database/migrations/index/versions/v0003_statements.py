"""Keep what is said of a file and of its bins in one versioned form.

The numbers of a file get the number of their schema. The fits of its bins had neither intervals nor
covariance, and another meaning of good: they go, and ingest fits the curves again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: Number of the schema of the statements that this script writes.
SCHEMA = 1
#: What a fit had added to the numbers of a file.
FITTED = ("tau", "tau_err", "diffusion", "diffusion_err", "chi2_red", "n_good")


def upgrade() -> None:
    """Number the statements about files, and leave those about bins to ingest."""
    json = sa.JSON(none_as_null=True)
    files = sa.table("files", sa.column("id"), sa.column("summary", json))
    db = op.get_bind()
    known = db.execute(sa.select(files.c.id, files.c.summary).where(files.c.summary.isnot(None))).all()
    for row in known:
        kept = {name: value for name, value in row.summary.items() if name not in FITTED} | {"schema": SCHEMA}
        if any(name in row.summary for name in FITTED):
            kept["fit_pending"] = "its curves are fitted again"
        db.execute(files.update().where(files.c.id == row.id).values(summary=kept))
    db.execute(sa.text("UPDATE files SET fit = NULL"))


def downgrade() -> None:
    """An index is built anew instead."""
    raise NotImplementedError("an index is built anew and not led back")
