"""The list of stored fits: what the review desk filters, and what people said of each fit.

The results themselves are files in the state directory; here is what a list, a table and a badge need of
them, so that no file is opened to show two hundred fits.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from xpcs_dash.database.engine import create_tables, writing
from xpcs_dash.errors import NotFoundError, UsageError
from xpcs_dash.jobs.table import dump, load

REVIEWS = ("open", "accepted", "rejected", "flagged")

METADATA = sa.MetaData()
FITS = sa.Table(
    "fits",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("store_id", sa.String(200), nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("file_id", sa.Integer, nullable=False, index=True),
    sa.Column("file_token", sa.String(64), nullable=False, default=""),
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


@dataclass(frozen=True)
class FitRow:
    """One stored fit.

    Attributes
    ----------
    store_id : name of the result in the store.
    kind : "nlsq" or "nuts".
    file_token : version of the file that was fitted.
    state : ok where every bin passed, warning where some did, alarm where none did.
    chi2 : median of the reduced χ² of the bins.
    request : what was asked for, seed included.
    bins : one mapping a bin: label, q, phi, state, reasons, chi2, values {name: [value, low, high, sigma]}
        and, after sampling, checks.
    facts : seconds, versions, seed and what else a comparison shows.
    review : open, accepted, rejected or flagged; with ``note``, ``reviewer`` and ``reviewed``.
    """

    id: int
    store_id: str
    kind: str
    file_id: int
    file_token: str
    name: str
    sample: str
    model: str
    sigma: str
    state: str
    n_q: int
    n_good: int
    chi2: float | None
    request: dict[str, Any]
    bins: list[dict[str, Any]]
    facts: dict[str, Any]
    job_id: int | None
    owner: str
    created: float
    seconds: float | None
    review: str
    note: str
    reviewer: str
    reviewed: float | None
    deleted: bool
    updated: float


class FitIndex:
    """Add, list, review and delete stored fits.

    Parameters
    ----------
    engine : the catalogue's engine; the table is created there.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        create_tables(engine, METADATA)

    def add(self, **values: Any) -> int:
        """Enter a stored fit and return its number; the same ``store_id`` twice gives the number it has."""
        now = time.time()
        values["bins"] = dump({"bins": values["bins"]})
        for name in ("request", "facts"):
            values[name] = dump(values.get(name, {}))
        row = {"created": now, "review": "open", "note": "", "reviewer": "", "deleted": False, **values}
        with writing(self._engine) as connection:
            known = connection.execute(
                sa.select(FITS.c.id).where(FITS.c.store_id == row["store_id"])
            ).scalar_one_or_none()
            if known is not None:
                return int(known)
            inserted = connection.execute(FITS.insert().values(**row, updated=now))
            key = inserted.inserted_primary_key
            assert key is not None
            return int(key[0])

    def get(self, fit_id: int | str) -> FitRow:
        """The fit with this number, deleted or not.

        Raises
        ------
        UsageError
            Where there is none.
        """
        wanted = int(fit_id) if str(fit_id).isdigit() else -1
        with self._engine.connect() as connection:
            record = connection.execute(sa.select(FITS).where(FITS.c.id == wanted)).first()
        if record is None:
            raise NotFoundError(f"there is no stored fit {fit_id}; look for it on the page Fits.")
        return _row(record)

    def list(
        self,
        *,
        kind: str | None = None,
        model: str | None = None,
        review: str | None = None,
        text: str = "",
        file_id: int | None = None,
        deleted: bool = False,
        limit: int = 300,
    ) -> list[FitRow]:
        """Stored fits, newest first.

        Parameters
        ----------
        kind, model, review, file_id : only these, where given.
        text : every word must occur in the file's name, sample, note, owner or reviewer.
        deleted : those that were deleted, in place of those that were not.
        limit : at most so many.
        """
        chosen = sa.select(FITS).where(FITS.c.deleted.is_(deleted)).order_by(FITS.c.id.desc()).limit(limit)
        for column, value in ((FITS.c.kind, kind), (FITS.c.model, model), (FITS.c.review, review)):
            if value:
                chosen = chosen.where(column == value)
        if file_id is not None:
            chosen = chosen.where(FITS.c.file_id == file_id)
        for word in text.split():
            columns = (FITS.c.name, FITS.c.sample, FITS.c.note, FITS.c.owner, FITS.c.reviewer)
            chosen = chosen.where(sa.or_(*(column.icontains(word, autoescape=True) for column in columns)))
        with self._engine.connect() as connection:
            return [_row(record) for record in connection.execute(chosen)]

    def stamp(self) -> str:
        """Short text that changes whenever any fit changes."""
        with self._engine.connect() as connection:
            n, updated = connection.execute(sa.select(sa.func.count(), sa.func.max(FITS.c.updated))).one()
        return f"{n}-{updated or 0:.6f}"

    def set_review(self, fit_id: int, verdict: str, note: str, reviewer: str) -> FitRow:
        """Accept, reject or flag a fit; ``open`` takes that back.

        Raises
        ------
        UsageError
            For another verdict, without a name, or where a fit that failed is accepted without a note.
        """
        if verdict not in REVIEWS:
            raise UsageError(f"a fit is {', '.join(REVIEWS)}; not {verdict!r}.")
        row = self.get(fit_id)
        if not reviewer.strip():
            raise UsageError("a review needs the name of who made it.")
        if verdict == "accepted" and row.state != "ok" and not note.strip():
            raise UsageError("this fit fails checks in some bins: say in the note why it is accepted.")
        return self._change(
            fit_id,
            review=verdict,
            note=note.strip()[:4000],
            reviewer=reviewer.strip()[:200],
            reviewed=time.time(),
        )

    def delete(self, fit_ids: Sequence[int]) -> None:
        """Take fits off the lists; `restore` brings them back, their files stay."""
        for fit_id in fit_ids:
            self._change(fit_id, deleted=True)

    def restore(self, fit_ids: Sequence[int]) -> None:
        """Undo `delete`."""
        for fit_id in fit_ids:
            self._change(fit_id, deleted=False)

    def _change(self, fit_id: int, **values: Any) -> FitRow:
        with writing(self._engine) as connection:
            connection.execute(
                FITS.update().where(FITS.c.id == int(fit_id)).values(**values, updated=time.time())
            )
        return self.get(fit_id)


def overall(states: Sequence[str]) -> str:
    """State of a fit from the states of its bins: ok only where every bin is."""
    if states and all(state == "ok" for state in states):
        return "ok"
    return "warning" if any(state == "ok" for state in states) else "alarm"


def _row(record: sa.Row[Any]) -> FitRow:
    values = record._mapping
    made = {item.name: values[item.name] for item in fields(FitRow)}
    made["request"], made["facts"] = load(made["request"]), load(made["facts"])
    made["bins"] = load(made["bins"]).get("bins", [])
    made["deleted"] = bool(made["deleted"])
    return FitRow(**made)
