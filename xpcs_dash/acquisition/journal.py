"""Changes on their way into the catalogue: kept until they are stored, whatever the database does."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from xpcs_dash.acquisition import rows
from xpcs_dash.acquisition.reading import failed_fit
from xpcs_dash.acquisition.rows import Change, Relate
from xpcs_dash.acquisition.scan import Stat, clean
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.logs import get_logger

log = get_logger(__name__)

#: What a database raises for a value that it will never take.
REFUSED = (DataError, IntegrityError)
#: Passes after which changes that cannot be stored together are stored one by one.
TOGETHER = 3


class Journal:
    """Collects changes and stores them together.

    Parameters
    ----------
    catalogue : where they go.
    problems : sentences for the health strip, by subject; this adds and removes its own.
    relate : flags that compare a file with the one before it.
    """

    def __init__(self, catalogue: Catalogue, problems: dict[str, str], relate: Relate | None = None) -> None:
        self.catalogue, self._problems, self._relate = catalogue, problems, relate
        self._changes: list[Change] = []
        self._failed = 0
        self._stored = float("-inf")

    def add(self, *changes: Change) -> None:
        """Note changes; `flush` stores them."""
        self._changes += changes

    def flush(self, gather_s: float = 0.0) -> None:
        """Store everything that was noted, in one transaction.

        Parameters
        ----------
        gather_s : not yet, where something was stored less than so many seconds ago.
        """
        now = time.monotonic()
        if not self._changes or now - self._stored < gather_s:
            return
        self._stored = now
        try:
            rows.apply(self.catalogue, self._changes, self._relate)
        except SQLAlchemyError as err:
            if isinstance(err, REFUSED):
                self._store_singly()
                return
            # a full disk, a database that is away: nothing is forgotten, the next pass tries again
            self._complain("the catalogue cannot be written", err)
            self._failed += 1
            if self._failed >= TOGETHER and self._writable():
                self._store_singly()
            time.sleep(0.5)
            return
        except Exception:
            log.exception("changes cannot be stored together")
            self._store_singly()
            return
        self._failed = 0
        self._problems.pop("catalogue", None)
        self._changes.clear()

    def _writable(self) -> bool:
        """Whether the database takes anything at all: then one of the changes is at fault."""
        try:
            self.catalogue.bump()
        except SQLAlchemyError:
            return False
        return True

    def _store_singly(self) -> None:
        """One change that cannot be stored must not stop all others; its file is set aside."""
        todo, self._changes, self._failed = self._changes, [], 0
        for at, change in enumerate(todo):
            try:
                rows.apply(self.catalogue, [change], self._relate)
            except Exception as err:
                if isinstance(err, SQLAlchemyError) and not isinstance(err, REFUSED) and not self._writable():
                    # the database went away meanwhile
                    self._changes += todo[at:]
                    return
                if not self._stored_alone(change):
                    self._refuse(change, err)
        self._problems.pop("catalogue", None)

    def _stored_alone(self, change: Change) -> bool:
        """Store a change without comparing its file with others, which may be what failed."""
        if self._relate is None:
            return False
        try:
            rows.apply(self.catalogue, [change])
        except Exception:
            return False
        return True

    def _refuse(self, change: Change, error: Exception) -> None:
        """Store the reason instead of the change."""
        log.error("a change cannot be stored", kind=change.kind, path=change.path, reason=str(error))
        path, stat = change.new_path or change.path, change.stat or Stat(0, 0, 0)
        reason = clean(f"{Path(path).name} cannot be stored ({type(error).__name__}).")
        instead = Change("failed", path, stat, change.sort_at or time.time(), {"reason": reason})
        if change.kind in ("fit", "unfitted"):
            instead = Change("fit", path, stat, values=failed_fit(reason))
        try:
            rows.apply(self.catalogue, [instead])
        except Exception:
            log.exception("nor can the reason")
            self._problems["refused"] = reason

    def take_retries(self) -> Iterable[str]:
        """Paths for which somebody asked for another read."""
        try:
            return self.catalogue.take_retries()
        except SQLAlchemyError as err:
            self._complain("the catalogue cannot be used", err)
            return ()

    def report(self, status: Mapping[str, Any]) -> None:
        """Store the heartbeat."""
        try:
            self.catalogue.set_status("ingest", status)
        except SQLAlchemyError as err:
            self._complain("the heartbeat cannot be written", err)

    def _complain(self, what: str, err: SQLAlchemyError) -> None:
        sentence = f"{what}: {getattr(err, 'orig', None) or err}"
        self._problems["catalogue"] = f"{sentence}."
        log.error(sentence)
