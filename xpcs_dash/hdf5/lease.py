"""What one lease of a file keeps open and remembers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xpcs_dash.hdf5.datasets import NotReached

if TYPE_CHECKING:
    from xpcs_dash.hdf5.handle import Handle

__all__ = ["MOST_FILES", "Lease"]

#: Other files that one lease keeps open at most, so that no file can use up the descriptors of the process.
MOST_FILES = 100
#: Sources of virtual datasets within virtual datasets that one read looks at.
INNER_VISITS = 20_000


class Lease:
    """Other files that one lease keeps open, and what was found out on the way to them.

    Attributes
    ----------
    refused : what counts as missing because of where it leads, by path; shared by all parts of a lease.
    others : token of each other file that a link led to, by path; shared likewise.
    incomplete : what lacks a part that is not there, likewise.
    depth : virtual datasets within virtual datasets on the way here.
    visits : sources of such inner datasets that may still be looked at, in a list of one number.
    linked : files open by now, by the file that names them and the name.
    """

    depth: int
    visits: list[int]

    def __init__(self, parent: Lease | None = None, deeper: int = 0) -> None:
        self.refused: dict[str, str] = {} if parent is None else parent.refused
        self.others: dict[Path, str] = {} if parent is None else parent.others
        self.incomplete: dict[str, str] = {} if parent is None else parent.incomplete
        self.depth = deeper if parent is None else parent.depth + deeper
        self.visits = [INNER_VISITS] if parent is None else parent.visits
        self.linked: dict[tuple[Path, str], Handle] = {}
        self.files = ExitStack()

    def start(self) -> None:
        """Count visits anew, unless this is within a virtual dataset."""
        if not self.depth:
            self.visits[0] = INNER_VISITS

    def count(self) -> None:
        """Count one more source of a virtual dataset within another.

        Raises
        ------
        NotReached
            Where there were too many.
        """
        if self.depth > 1:
            self.visits[0] -= 1
            if self.visits[0] < 0:
                raise NotReached("is put together from more parts than are read")

    @contextmanager
    def part(self, deeper: int) -> Iterator[Lease]:
        """A lease within this one, for files that are needed for a moment."""
        inner = Lease(self, deeper)
        with inner.files:
            yield inner
