"""Which file is meant: a name that follows from where the file lies, and from nothing else.

A row number depends on the order in which a catalogue met its files; a path depends on where a directory is
mounted. The public name of a file, its ``ref``, depends on the configured name of its root and on the path
below that root. So it is the same after a catalogue was rebuilt, in another installation that watches the
same directory, and in a link from last year.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xpcs_dash.database.files import display_name
from xpcs_dash.settings import MADE

__all__ = ["MADE", "FileRef", "display_name", "is_ref", "ref_of"]

#: Letters of the hash: with a million files of one stem, two share a name once in a million catalogues.
_DIGITS = 10
#: Longest stem in a name; the hash tells longer ones apart.
_STEM = 80
_ODD = re.compile(r"[^\w.+-]+")
_REF = re.compile(rf"^[\w.+-]{{1,{_STEM}}}~[0-9a-f]{{{_DIGITS}}}$")


def is_ref(text: object) -> bool:
    """True for a text of the form ``stem~hash``."""
    return isinstance(text, str) and _REF.match(text) is not None


@dataclass(frozen=True, order=True)
class FileRef:
    """Identity of one file.

    Attributes
    ----------
    root : configured name of the root; `MADE` for files that were made here.
    path : path below the root, with forward slashes.
    """

    root: str
    path: str

    @property
    def name(self) -> str:
        """Name for people: the file's name without its suffix and without ``_results``."""
        return display_name(self.path)

    @property
    def hash(self) -> str:
        """Hash of root and path, hexadecimal."""
        text = f"{self.root}\0{self.path}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, digest_size=_DIGITS // 2).hexdigest()

    def __str__(self) -> str:
        """Public name ``stem~hash``: safe in addresses, lists with commas, headers and file names."""
        stem = _ODD.sub("_", self.name)[:_STEM] or "file"
        return f"{stem}~{self.hash}"


def ref_of(path: str | Path, roots: Mapping[str, Path]) -> FileRef:
    """Identity of the file at ``path``; one that lies below none of ``roots`` is told by its whole path.

    Parameters
    ----------
    path : absolute path as the watcher found it; links are not followed, because a link below the root is a
        place below the root.
    roots : name -> directory. Where one lies within another, the inner one counts.
    """
    places = sorted(roots.items(), key=lambda item: len(item[1].parts), reverse=True)
    for name, top in places:
        if Path(path).is_relative_to(top):
            return FileRef(name, Path(path).relative_to(top).as_posix())
    return FileRef("", Path(path).as_posix())
