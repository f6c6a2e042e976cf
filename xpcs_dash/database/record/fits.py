"""The list of stored fits: what the review desk filters, and what people said of each fit.

The results themselves are files in the state directory; here is what a list, a table and a badge need of
them, so that no file is opened to show two hundred fits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from xpcs_dash.database.record.store import Record, steady
from xpcs_dash.database.record.tables import FITS, dump, load
from xpcs_dash.disk import make_folder, write_whole
from xpcs_dash.errors import NotFoundError, UsageError

__all__ = ["REVIEWS", "ROW_SUFFIX", "SAID", "FitIndex", "FitRow", "keep_row", "kept_rows", "overall"]

REVIEWS = ("open", "accepted", "rejected", "flagged")
#: Columns that people fill; never in the file beside a fit.
SAID = ("review", "note", "reviewer", "reviewed", "deleted", "updated")
#: End of the name of the file that holds the row of a fit.
ROW_SUFFIX = ".row.json"
#: Before what version 0.1.0 took for the version of a file: a token of path and time stamp.
OLD_TOKEN = "0.1.0:"  # noqa: S105 - no secret


@dataclass(frozen=True)
class FitRow:
    """One stored fit.

    Attributes
    ----------
    store_id : name of the result in the store.
    kind : "nlsq" or "nuts".
    ref, version : the file that was fitted, and what it held then; empty where that is not known.
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
    ref: str
    version: str
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
    record : where the rows are kept.
    """

    def __init__(self, record: Record) -> None:
        self._record = record

    @steady
    def add(self, /, **values: Any) -> int:
        """Enter a stored fit and return its number; the same ``store_id`` twice gives the number it has."""
        now = time.time()
        values["bins"] = dump({"bins": values["bins"]})
        for name in ("request", "facts"):
            values[name] = dump(values.get(name, {}))
        row = {"created": now, "review": "open", "note": "", "reviewer": "", "deleted": False, **values}
        with self._record.write() as connection:
            known = connection.execute(
                sa.select(FITS.c.id).where(FITS.c.store_id == row["store_id"])
            ).scalar_one_or_none()
            if known is not None:
                return int(known)
            inserted = connection.execute(FITS.insert().values(**row, updated=now))
            key = inserted.inserted_primary_key
            assert key is not None
            # the row lies beside the numbers before the table has it: a lost table is filled from there
            keep_row(self._record.directory, {**row, "id": int(key[0])})
            return int(key[0])

    @steady
    def get(self, fit_id: int | str) -> FitRow:
        """The fit with this number, deleted or not.

        Raises
        ------
        UsageError
            Where there is none.
        """
        wanted = int(fit_id) if str(fit_id).isdigit() else -1
        with self._record.read() as connection:
            record = connection.execute(sa.select(FITS).where(FITS.c.id == wanted)).first()
        if record is None:
            raise NotFoundError(f"there is no stored fit {fit_id}; look for it on the page Fits.")
        return _row(record)

    @steady
    def list(
        self,
        *,
        kind: str | None = None,
        model: str | None = None,
        review: str | None = None,
        text: str = "",
        ref: str | None = None,
        deleted: bool = False,
        limit: int = 300,
    ) -> list[FitRow]:
        """Stored fits, newest first.

        Parameters
        ----------
        kind, model, review, ref : only these, where given.
        text : every word must occur in the file's name, sample, note, owner or reviewer.
        deleted : those that were deleted, in place of those that were not.
        limit : at most so many.
        """
        chosen = sa.select(FITS).where(FITS.c.deleted.is_(deleted)).order_by(FITS.c.id.desc()).limit(limit)
        for column, value in ((FITS.c.kind, kind), (FITS.c.model, model), (FITS.c.review, review)):
            if value:
                chosen = chosen.where(column == value)
        if ref is not None:
            chosen = chosen.where(FITS.c.ref == ref)
        for word in text.split():
            columns = (FITS.c.name, FITS.c.sample, FITS.c.note, FITS.c.owner, FITS.c.reviewer)
            chosen = chosen.where(sa.or_(*(column.icontains(word, autoescape=True) for column in columns)))
        with self._record.read() as connection:
            return [_row(record) for record in connection.execute(chosen)]

    @steady
    def stamp(self) -> str:
        """Short text that changes whenever any fit changes."""
        with self._record.read() as connection:
            n, updated = connection.execute(sa.select(sa.func.count(), sa.func.max(FITS.c.updated))).one()
        return f"{n}-{updated or 0:.6f}"

    @steady
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
        what = {
            "store_id": row.store_id,
            "review": verdict,
            "note": note.strip()[:4000],
            "reviewer": reviewer.strip()[:200],
            "reviewed": time.time(),
        }
        with self._record.write() as db:
            self._record.act(db, "fit-reviewed", reviewer.strip()[:200], what)
        return self.get(fit_id)

    @steady
    def delete(self, fit_ids: Sequence[int], who: str = "") -> None:
        """Take fits off the lists; `restore` brings them back, their files stay."""
        self._mark(fit_ids, who, deleted=True)

    @steady
    def restore(self, fit_ids: Sequence[int], who: str = "") -> None:
        """Undo `delete`."""
        self._mark(fit_ids, who, deleted=False)

    @steady
    def purge(self, fit_id: int, who: str = "") -> None:
        """Remove a fit that was deleted for good, with its files."""
        row = self.get(fit_id)
        if not row.deleted:
            raise UsageError(f"fit {fit_id} is not deleted; only a deleted one is removed for good.")
        with self._record.write() as db:
            self._record.act(db, "fit-purged", who, {"store_id": row.store_id})
        remove_files(self._record.directory, row.store_id)

    @steady
    def names(self) -> set[str]:
        """Names in the store of all fits, deleted ones among them."""
        with self._record.read() as db:
            return set(db.scalars(sa.select(FITS.c.store_id)))

    @steady
    def unversioned(self) -> Sequence[tuple[int, str, str]]:
        """Number, file and token of the fits whose version is only known as version 0.1.0 told it."""
        query = sa.select(FITS.c.id, FITS.c.ref, FITS.c.version).where(FITS.c.version.startswith(OLD_TOKEN))
        with self._record.read() as db:
            return [(int(i), ref, token.removeprefix(OLD_TOKEN)) for i, ref, token in db.execute(query)]

    @steady
    def set_version(self, fit_id: int, version: str) -> None:
        """Say which version of its file a fit of version 0.1.0 is of."""
        row = self.get(fit_id)
        with self._record.write() as db:
            self._record.act(db, "fit-versioned", "", {"store_id": row.store_id, "version": version})

    def _mark(self, fit_ids: Sequence[int], who: str, *, deleted: bool) -> None:
        names = [self.get(fit_id).store_id for fit_id in fit_ids]
        with self._record.write() as db:
            for name in names:
                self._record.act(db, "fit-deleted", who, {"store_id": name, "deleted": deleted})


def remove_files(directory: Path, store_id: str) -> None:
    """Remove the files of a fit; the row goes last, so that what is left is known for what it is."""
    folder = directory / "fits"
    for path in [*folder.glob(f"{store_id}.*"), folder / f"{store_id}{ROW_SUFFIX}"]:
        if not path.name.endswith(ROW_SUFFIX):
            path.unlink(missing_ok=True)
    (folder / f"{store_id}{ROW_SUFFIX}").unlink(missing_ok=True)


def keep_row(directory: Path, row: Mapping[str, Any]) -> None:
    """Write the row of a fit beside its files; what people say of it is in the journal, and not here."""
    folder = directory / "fits"
    make_folder(folder)
    content = dump({name: value for name, value in row.items() if name not in SAID}).encode()
    write_whole(folder / f"{row['store_id']}{ROW_SUFFIX}", lambda stream: stream.write(content))


def kept_rows(directory: Path) -> Iterator[dict[str, Any]]:
    """Rows of the fits whose files are there, as `keep_row` wrote them; damaged ones are left out."""
    for path in sorted((directory / "fits").glob(f"[!.]*{ROW_SUFFIX}")):
        try:
            row = load(path.read_text())
        except (OSError, ValueError):
            continue
        if row.get("store_id") == path.name.removesuffix(ROW_SUFFIX):
            yield {name: value for name, value in row.items() if name in FITS.c}


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
    if made["version"].startswith(OLD_TOKEN):
        made["version"] = ""  # it says nothing of what the file held
    return FitRow(**made)
