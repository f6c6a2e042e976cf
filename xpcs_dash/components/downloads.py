"""Names of downloads: any file name travels, and arrives as the person knows it (RFC 6266, RFC 8187)."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from urllib.parse import quote

from flask import Response, send_file

from xpcs_dash.errors import not_found

__all__ = ["attach", "disposition", "safe_name", "send_kept"]

#: What no file system takes in a name, or what ends a header, a quoted text or a folder.
_NO_NAME = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u2028\u2029\ud800-\udfff]')
#: Bytes in a name that every file system takes.
_LONGEST = 200
#: What may stand unescaped in an extended parameter.
_ATTR_CHAR = "!#$&+-.^_`|~"


def safe_name(name: str) -> str:
    """The name with what no file system takes replaced by ``_``; a long one loses the end of its stem."""
    clean = _NO_NAME.sub("_", name).strip(" .") or "download"
    stem, dot, suffix = clean.rpartition(".")
    if not dot:
        stem, suffix = clean, ""
    room = _LONGEST - len((dot + suffix).encode())
    while len(stem.encode()) > room:
        stem = stem[:-1]
    return f"{stem}{dot}{suffix}"


def disposition(name: str) -> str:
    """Value of ``Content-Disposition`` for a download of this name.

    The plain parameter holds ASCII alone, for programs that know nothing better; browsers take the extended
    one, which holds the name itself.
    """
    clean = safe_name(name)
    plain = "".join(_plain(letter) for letter in unicodedata.normalize("NFC", clean))
    plain = re.sub(r"[^\w .+,=@~()\[\]{}'-]", "_", plain, flags=re.ASCII)
    value = f'attachment; filename="{plain}"'
    return value if plain == clean else f"{value}; filename*=UTF-8''{quote(clean, safe=_ATTR_CHAR)}"


def _plain(letter: str) -> str:
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "_"


def attach(answer: Response, name: str) -> Response:
    """Let a browser save an answer under this name."""
    answer.headers["Content-Disposition"] = disposition(name)
    return answer


def send_kept(folder: Path, name: str, what: str) -> Response:
    """A result file that was made here, as a download.

    Parameters
    ----------
    folder : where such files are kept; a name leads to nothing outside it.
    name : of the file.
    what : what kind of file it is, for the sentence where there is none.

    Raises
    ------
    NotFoundError
        Where there is no such file.
    """
    try:
        place = folder.resolve()
        path = (place / name).resolve()
        there = path.parent == place and path.is_file()
    except (OSError, ValueError):  # no name that a file can have
        there = False
    if not there:
        raise not_found(what, name, (found.name for found in folder.glob("*_results.hdf")))
    return attach(send_file(path, mimetype="application/x-hdf5", max_age=0), path.name)
