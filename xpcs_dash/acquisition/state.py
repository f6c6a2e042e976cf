"""The guard of a dashboard's databases, with what it must know of settings and names of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.guard import Guard
from xpcs_dash.errors import XpcsDashError
from xpcs_dash.logs import get_logger
from xpcs_dash.results.identity import MADE, FileRef, ref_of
from xpcs_dash.settings import Settings

__all__ = ["Watch", "guard_of", "old_names"]

log = get_logger(__name__)


def guard_of(settings: Settings, on_index_lost: Callable[[], None] = lambda: None) -> Guard:
    """The guard of the databases that the settings name."""
    return Guard(settings.catalogue, settings.record, settings.state_dir, old_names(settings), on_index_lost)


def old_names(settings: Settings) -> Callable[[str, str | None], str | None]:
    """A function that names a file of version 0.1.0 by its path and the directory that was watched then."""

    def name(path: str, watched: str | None) -> str | None:
        place = Path(path)
        if any(place.is_relative_to(top) for top in settings.roots.values()):
            return str(ref_of(place, settings.roots))
        if watched is not None and place.is_relative_to(watched):
            # the directory is mounted elsewhere now, or another one is watched
            below = place.relative_to(watched).as_posix()
            return str(FileRef(_root_name(settings, Path(watched)), below))
        if place.parent.name == "averages":
            return str(FileRef(MADE, f"averages/{place.name}"))
        return None

    return name


def _root_name(settings: Settings, watched: Path) -> str:
    now = settings.root
    if now is not None and now.name == watched.name:
        return next(name for name in settings.roots if name != MADE)
    return watched.name or "root"


class Watch:
    """Called by the supervisor ten times a second: looks after the databases, and reports what happened."""

    def __init__(self, guard: Guard, catalogue: Catalogue) -> None:
        self._guard, self._catalogue = guard, catalogue
        self._told: object = None

    def __call__(self) -> None:
        """Look once, and report what is new."""
        self._guard.look()
        # an index that was built anew has forgotten what it was told
        told = (self._guard.generation, tuple(self._guard.notices))
        if told == self._told:
            return
        said = {"notices": [{"at": notice.at, "text": notice.text} for notice in self._guard.notices]}
        try:
            self._catalogue.set_status("state", said)
        except (SQLAlchemyError, XpcsDashError) as err:
            log.warning("notices cannot be stored", reason=str(getattr(err, "orig", err)))
            return
        self._told = told
