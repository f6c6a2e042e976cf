"""A mirror of the catalogue in memory, so that a poll costs one short query and no row is read twice."""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.files import FileRow, Revision
from xpcs_dash.database.kinds import is_result
from xpcs_dash.errors import NotFoundError
from xpcs_dash.results.said import said_of, table_of

#: Fields of a `FileStatement` that the list shows as a note.
NOTES = {"about", "fit_pending", "fit_error"}


def key_of(row: FileRow) -> str:
    """Short text that changes whenever the contents of the file change."""
    return f"{row.mtime_ns:x}-{row.size:x}"


def arrival(row: FileRow) -> float:
    """When the file arrived, s since the epoch: the order of "newest"."""
    return row.ready_at if row.ready_at is not None else row.first_seen


def describe(row: FileRow, root: str | None = None) -> dict[str, Any]:
    """One file as the JSON API and the tables of the pages show it; what is unknown is left out."""
    folder = row.path.rsplit("/", 1)[0]
    if root and (folder + "/").startswith(root.rstrip("/") + "/"):
        folder = folder[len(root.rstrip("/")) + 1 :]
    known = {
        "ref": row.ref,
        "version": row.version,
        "key": key_of(row),
        "name": row.name,
        "file": row.path.rsplit("/", 1)[-1],
        "folder": folder,
        "state": row.state,
        "reason": row.reason,
        "layout": row.layout,
        "kinds": list(row.kinds),
        "result": True if row.state == "ready" and is_result(row.kinds) else None,
        "note": note_of(row),
        "sample": row.sample,
        "scan": row.scan,
        "start": row.start_time.isoformat() if row.start_time else None,
        "n_q": row.n_q,
        "n_delay": row.n_delay,
        "n_frames": row.n_frames,
        "temperature_k": row.temperature_k,
        "flags": list(row.flags),
        "warnings": list(row.warnings),
        "size": row.size,
        "mtime": row.mtime_ns / 1e9,
        "t": arrival(row),
        "revision": row.revision,
    }
    return {name: value for name, value in known.items() if value is not None and value != []}


def note_of(row: FileRow) -> str | None:
    """What a ready file is that is no result, or why its curves have no fit; None where all is well."""
    # most rows have no note, and there are many rows: those are not read as a whole
    if row.state != "ready" or not row.summary or not NOTES & row.summary.keys():
        return None
    said = said_of(row).file
    if said is None:
        return None
    if said.fit_error is not None:
        return f"its curves could not be fitted: {said.fit_error}"
    return said.about or said.fit_pending


def whole(row: FileRow, root: str | None = None) -> dict[str, Any]:
    """One file with everything that is said of it.

    ``summary`` is the `FileStatement`, with the bins as columns over q under ``fit``; ``bins`` are the same
    as one `BinResult` each; ``problem`` says why one of them cannot be used, where that is so.
    """
    said = said_of(row)
    summary = None
    if said.file is not None:
        summary = {**said.file.to_json(), "fit": table_of(said.bins) if said.bins else None}
    found = {
        **describe(row, root),
        "summary": summary,
        "bins": [one.to_json() for one in said.bins],
        "first_seen": row.first_seen,
        "ready_at": row.ready_at,
    }
    return {**found, "problem": said.problem} if said.problem else found


class FileIndex:
    """All files of the catalogue, kept up to date by reading what changed since the last look.

    Safe to share among threads. A change is seen at the next call: nothing runs in the background.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._rows: dict[str, FileRow] = {}
        self._json: dict[str, dict[str, Any]] = {}
        self._order: list[tuple[float, str]] = []  # (arrival, ref) of ready files, ascending
        self._counts: dict[str, int] = {}
        self._revision: Revision | None = None
        self._root: str | None = None
        self._status: dict[str, Any] = {}
        self._status_read = 0.0
        self._unknown: dict[str, str] = {}
        self._unknown_at: Revision | None = None

    def refresh(self) -> Revision:
        """Take over what changed in the catalogue and return its revision."""
        revision = self._catalogue.stamp()
        if revision == self._revision:
            return revision
        with self._lock:
            before = self._revision
            if before is not None and (revision.generation != before.generation or revision.n < before.n):
                self._forget()  # the catalogue was built anew
            if revision != self._revision:
                self._root = self._root or (str(self._catalogue.root) if self._catalogue.root else None)
                known = None if self._revision is None else self._revision.n
                rows = self._catalogue.files(since_revision=known)
                self._take(rows)
                self._revision = revision
        return revision

    def _forget(self) -> None:
        self._rows, self._json, self._order, self._counts, self._revision = {}, {}, [], {}, None

    def _take(self, rows: Iterable[FileRow]) -> None:
        changed = False
        for row in rows:
            old = self._rows.get(row.ref)
            if old == row:
                continue
            changed = True
            if old is not None and old.state == "ready" and is_result(old.kinds):
                self._order.remove((arrival(old), old.ref))
            if row.state == "gone":
                self._rows.pop(row.ref, None)
                self._json[row.ref] = {"ref": row.ref, "state": "gone", "revision": row.revision}
                continue
            self._rows[row.ref] = row
            self._json[row.ref] = describe(row, self._root)
            if row.state == "ready" and is_result(row.kinds):
                bisect.insort(self._order, (arrival(row), row.ref))
        if changed:
            self._counts = {"waiting": 0, "ready": 0, "failed": 0}
            for row in self._rows.values():
                self._counts[row.state] = self._counts.get(row.state, 0) + 1

    def newest(self) -> FileRow | None:
        """The ready result that arrived last; see `is_result`."""
        with self._lock:
            return self._rows.get(self._order[-1][1]) if self._order else None

    def counts(self) -> dict[str, int]:
        """Number of files in each state."""
        with self._lock:
            return {"waiting": 0, "ready": 0, "failed": 0, **self._counts}

    def arrived_after(self, moment: float) -> int:
        """Number of ready results that arrived after ``moment`` (s since the epoch)."""
        with self._lock:
            return len(self._order) - bisect.bisect_right(self._order, (moment, "\U0010ffff"))

    def get(self, ref: str) -> FileRow | None:
        """Row of a file that is there, or None."""
        with self._lock:
            return self._rows.get(ref)

    def pinned(self, name: str) -> dict[str, Any]:
        """What a browser must know of a file that its address names: the file, or why there is none."""
        row = self.get(name)
        if row is None:
            try:
                row = self._named(name)
            except NotFoundError as err:
                return {"asked": name, "error": str(err)}
        known = {"ref": row.ref, "key": key_of(row), "version": row.version, "state": row.state}
        return {"asked": name, "name": row.name, **known}

    def _named(self, name: str) -> FileRow:
        """Look a name up that is no public name of a file which is there; errors are kept for a revision."""
        if self._unknown_at != self._revision or len(self._unknown) > 1000:
            self._unknown, self._unknown_at = {}, self._revision
        if name in self._unknown:
            raise NotFoundError(self._unknown[name])
        try:
            return self._catalogue.find(name)
        except NotFoundError as err:
            self._unknown[name] = str(err)
            raise

    def listing(
        self, since: int | None = None, states: frozenset[str] | None = None, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Files as JSON-able mappings, newest first.

        Parameters
        ----------
        since : only what changed after this revision, files that are gone among them.
        states : only these states.
        limit : at most so many.
        """
        with self._lock:
            found = list(self._json.values())
        if since is not None:
            found = [row for row in found if row["revision"] > since]
        else:
            found = [row for row in found if row["state"] != "gone"]
        if states is not None:
            found = [row for row in found if row["state"] in states]
        found.sort(key=lambda row: (row.get("t", 0.0), row["ref"]), reverse=True)
        return found[:limit] if limit is not None else found

    def status(self, max_age_s: float = 0.5) -> Mapping[str, Any]:
        """What ingest and the supervisor last reported, read at most twice a second."""
        now = time.monotonic()
        if now - self._status_read > max_age_s:
            self._status = self._catalogue.status()
            self._status_read = now
        return self._status
