"""Changes on their way into the catalogue: kept until they are stored, whatever the database does."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from xpcs_dash.acquisition import rows
from xpcs_dash.acquisition.rows import Change, Relate
from xpcs_dash.database.catalogue import Catalogue

log = logging.getLogger(__name__)

#: What a database raises for a value that it will never take.
REFUSED = (DataError, IntegrityError, UnicodeError, ValueError, TypeError)


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

    def add(self, *changes: Change) -> None:
        """Note changes; `flush` stores them."""
        self._changes += changes

    def flush(self) -> None:
        """Store everything that was noted, in one transaction."""
        if not self._changes:
            return
        try:
            rows.apply(self.catalogue, self._changes, self._relate)
        except REFUSED as err:
            log.exception("a row was refused")
            self._store_singly(err)
            return
        except SQLAlchemyError as err:
            # a full disk, a database that is away: nothing is forgotten, the next pass tries again
            self._complain("the catalogue cannot be written", err)
            time.sleep(0.5)
            return
        self._problems.pop("catalogue", None)
        self._changes.clear()

    def _store_singly(self, error: Exception) -> None:
        """One change that the database refuses must not stop all others."""
        todo, self._changes = self._changes, []
        for change in todo:
            try:
                rows.apply(self.catalogue, [change], self._relate)
            except REFUSED:
                reason = f"{Path(change.path).name} cannot be stored ({type(error).__name__})."
                self._problems["refused"] = reason
            except SQLAlchemyError:
                self._changes.append(change)

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
        log.error("%s", sentence)
