"""The door: the one way from the name of a file to its contents.

    door = Door(settings, catalogue.path_of)
    door.open("A001_silica~3f2a90c1d4")          # a public name
    door.open(Path("/data/run/A001_results.hdf"))  # a path, checked like the path of any name

What a file is called, where it may lie and with which settings its numbers are computed is decided here and
nowhere else, so that a page, an export, a job and a command that name the same file show the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from xpcs_dash.errors import NotFoundError
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.hdf5.reach import Reach
from xpcs_dash.hdf5.records import FileKey, file_key
from xpcs_dash.results.cache import DataCache
from xpcs_dash.results.identity import FileRef, ref_of
from xpcs_dash.results.opening import open_result
from xpcs_dash.results.xpcs_file import XpcsFile
from xpcs_dash.settings import Settings

__all__ = ["Door", "Resolver", "open_file"]

#: Public name -> path; raises `NotFoundError` for names that it does not know.
Resolver = Callable[[str], Path]


class Door:
    """Opens result files for one set of settings, and keeps what it opened. Safe to share among threads.

    Parameters
    ----------
    settings : the roots, the bound of the cache and the smallest number of coincidences come from here.
    resolve : public name -> path; None where files are only asked for by path.
    roots : what may be read, by name; by default what the settings say.
    idle_s : seconds that a file which nobody reads stays open; 0 for files that others are still writing.
    cache : where opened files stay; None makes one as large as the settings say.
    """

    def __init__(
        self,
        settings: Settings,
        resolve: Resolver | None = None,
        roots: Mapping[str, Path] | None = None,
        idle_s: float = 3.0,
        cache: DataCache | None = None,
    ) -> None:
        self.settings = settings
        if roots is None and settings.root is not None:
            roots = settings.roots
        #: What may be read; None: everything, for a command on a file, which has its user's rights.
        self.reach = None if roots is None else Reach.of(roots.values())
        self.pool = HDF5ConnectionPool(idle_s, roots=None if roots is None else roots.values())
        self.cache = DataCache(settings.data_cache_mb * 1_000_000) if cache is None else cache
        self._resolve = resolve

    def path(self, target: FileRef | str | Path) -> Path:
        """Path of a file, which lies below the roots; what is opened is checked once more, on its descriptor.

        Parameters
        ----------
        target : a public name (text), its parts (`FileRef`), or a path (`Path`).

        Raises
        ------
        NotFoundError
            A name that no file has.
        OutOfReach
            Where it lies outside the roots, or a link leads out of them.
        """
        if isinstance(target, FileRef):
            top = self.settings.roots.get(target.root)
            if top is None:
                raise NotFoundError(f"no file of this name here: {target}; {target.root} is not watched.")
            target = top / target.path
        elif isinstance(target, str):
            if self._resolve is None:
                raise NotFoundError(f"no file of this name here: {target[:100]}; give its path.")
            target = self._resolve(target)
        if self.reach is not None and not self.reach.holds(target.resolve()):
            raise self.reach.refusal(target)
        return target

    def ref(self, path: Path) -> FileRef:
        """Identity of the file at ``path``."""
        return ref_of(path, self.settings.roots)

    def key(self, target: FileRef | str | Path) -> FileKey:
        """Identity of the contents that a file has now.

        Raises
        ------
        FileError
            Where it is gone or lies outside the roots.
        """
        return file_key(self.path(target))

    def open(self, target: FileRef | str | Path) -> XpcsFile:
        """The result, as it is on disk now: a replaced file is read anew, an unchanged one is remembered.

        Raises
        ------
        NotFoundError
            A name that no file has.
        FileError
            Where it lies outside the roots, is gone, or cannot be read.
        """
        path = self.path(target)
        found = self.cache.get(("file", file_key(path).token), lambda: self._read(path))
        if found.key.others and (now := found.key.now()).token != found.key.token:
            # a file that it links to has changed
            found = self.cache.get(("file", now.token), lambda: self._read(path))
        return found

    def read(self, target: FileRef | str | Path) -> XpcsFile:
        """Like `open`, but anew and not remembered: for ingest and averages, which need each file once."""
        return self._read(self.path(target))

    def _read(self, path: Path) -> XpcsFile:
        return open_result(path, self.pool, self.settings.min_coincidences, self.cache)


def open_file(target: FileRef | str | Path, settings: Settings, resolve: Resolver | None = None) -> XpcsFile:
    """Open one file as `Door.open` does; for commands and jobs, which open a file once."""
    return Door(settings, resolve).open(target)
