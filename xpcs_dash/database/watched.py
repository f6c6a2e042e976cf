"""What is known of the file of one database, and whether it still is that file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xpcs_dash.database.engine import Place, place_of, sqlite_path
from xpcs_dash.database.schema import Found, Store, examine
from xpcs_dash.disk import write_whole

__all__ = ["Watched"]


@dataclass
class Watched:
    """One database and what was last seen of it.

    Attributes
    ----------
    store, url : which one, and where.
    directory : the state directory, in which the mark of the file is kept.
    place, size : of a SQLite file.
    stamp : time and size of the file when it was last looked through.
    next_check, again : when it is looked through again, and when a mending that failed is tried again, by
        `time.monotonic`.
    """

    store: Store
    url: str
    directory: Path
    place: Place = (None, None, None)
    size: int = 0
    stamp: tuple[int, int] = (0, 0)
    next_check: float = 0.0
    again: float = 0.0

    @property
    def path(self) -> Path | None:
        """The SQLite file; None for a server's database."""
        return sqlite_path(self.url)

    @property
    def flags(self) -> Path:
        """Directory in which others ask for a look at it."""
        path = self.path
        return path.parent if self.store.name == "index" and path is not None else self.directory

    @property
    def _mark(self) -> Path:
        return self.directory / f".{self.store.name}-is"

    def note(self, *, folded: bool = False) -> None:
        """Take what is there now for what is right, and leave word of it for another supervisor.

        Parameters
        ----------
        folded : nothing uses the file any more, and its log is empty: until it changes it need not be looked
            through again.
        """
        path = self.path
        if path is None:
            return
        self.place, (size, moment) = place_of(path), _stamp(path)
        self.size, self.stamp = size, (size, moment)
        if self.place[0] is not None:
            words = [*self.place[0], *((size, moment) if folded else ())]
            text = " ".join(map(str, words)) + "\n"
            write_whole(self._mark, lambda stream: stream.write(text.encode()))

    def _marked(self) -> list[int]:
        try:
            return [int(word) for word in self._mark.read_text().split()]
        except (OSError, ValueError):
            return []

    def is_as_left(self) -> bool:
        """Whether the file is the one that an orderly stop left, unchanged."""
        path = self.path
        if path is None:
            return False
        file = place_of(path)[0]
        return file is not None and self._marked() == [*file, *_stamp(path)]

    def mended_by_another(self) -> bool:
        """Whether the file that took the place of the one that was known is another supervisor's work."""
        path = self.path
        file = None if path is None else place_of(path)[0]
        if file is None or file == self.place[0] or self._marked()[:2] != list(file):
            return False
        return examine(self.store, self.url).state == "good"

    def changed(self) -> bool:
        """Whether the file was written to since it was last looked through; a server's may always be."""
        return self.path is None or _stamp(self.path) != self.stamp

    def looked_through(self) -> None:
        """Remember that it was looked through as it is now."""
        if self.path is not None:
            self.stamp = _stamp(self.path)

    def lost(self) -> Found | None:
        """What happened to the file; None where it is the one that was noted."""
        if self.path is None:
            return None
        place = place_of(self.path)
        if place[0] is None or place[0] != self.place[0]:
            return Found("damaged", detail="the file was deleted or replaced")
        # a log appears with the first connection, and stays
        if any(old is not None and new != old for new, old in zip(place[1:], self.place[1:], strict=True)):
            return Found("damaged", detail="its log was deleted or replaced")
        size = _stamp(self.path)[0]
        if size < self.size:
            return Found("damaged", detail="the file was cut off")
        self.place, self.size = place, size
        return None


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
