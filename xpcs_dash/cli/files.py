"""The result file that somebody names on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from xpcs_dash.errors import NotFoundError, nearest_names, not_found

if TYPE_CHECKING:
    from xpcs_dash.results.identity import FileRef
    from xpcs_dash.results.xpcs_file import XpcsFile
    from xpcs_dash.settings import Settings

__all__ = ["find_file", "open_given"]

#: Names that are listed where several files are meant.
LISTED = 5


def open_given(file: Path, settings: Settings) -> XpcsFile:
    """Open a result file with the settings in force.

    A file below the roots of the settings is opened as the dashboard opens it. Any other is opened with the
    rights of the person, and reaches what lies beside it.

    Parameters
    ----------
    file : a path, or the name of a file below the roots; see `find_file`.

    Raises
    ------
    NotFoundError
        Where there is no such file, with the nearest names.
    FileError
        Where it cannot be read.
    """
    from xpcs_dash.results.door import Door

    path, door = find_file(file, settings), Door(settings)
    if door.reach is not None and not door.reach.holds(path.resolve()):
        door = Door(settings.model_copy(update={"root": None}))
    return door.open(path)


def find_file(file: Path, settings: Settings) -> Path:
    """Path of the file that somebody means: what lies there, else the file below the roots of this name.

    Names are what addresses and lists show: ``A001_silica~3f2a90c1d4``, or the stem alone where one file has
    it.

    Raises
    ------
    NotFoundError
        Where no file is called so (with the nearest names), or several are (with their public names).
    """
    path = file.expanduser().absolute()
    if path.exists():
        return path
    from xpcs_dash.results.identity import display_name

    text, named = str(file), display_name(file)
    known = dict(_below(settings)) if len(file.parts) == 1 else {}
    found = [ref for ref in known if text == str(ref) or named == ref.name]
    if len(found) == 1:
        return known[found[0]]
    if found:
        listed = ", ".join(map(str, found[:LISTED])) + (", …" if len(found) > LISTED else "")
        raise NotFoundError(f"several files are called {named}: say which one of {listed}.")
    stems = {ref.name: str(ref) for ref in known}
    near = [stems[name] for name in nearest_names(named, stems)]
    if not near:
        near = list(nearest_names(path.name, _beside(path)))
    raise not_found("file", path.name if near else text, (), "check the name and the directory", near)


def _below(settings: Settings) -> Iterator[tuple[FileRef, Path]]:
    """Every file that the settings let the dashboard list."""
    from xpcs_dash.acquisition.scan import walk
    from xpcs_dash.results.identity import ref_of

    if settings.root is None:
        return
    for top in settings.roots.values():
        for path in walk(top, settings.file_suffixes).files:
            yield ref_of(path, settings.roots), Path(path)


def _beside(path: Path) -> list[str]:
    try:
        return [other.name for other in path.parent.iterdir()]
    except OSError:
        return []
