"""What is looked at: the selected files and q-bins, as the URL and the shell's stores carry them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

#: More files than this in one URL is a mistake, and would break proxies.
MAX_FILES = 200

#: Query names that belong to the shell; the others belong to the page.
SHELL_QUERY = ("file", "v", "q", "kiosk")


@dataclass(frozen=True)
class View:
    """What the URL asks for.

    Attributes
    ----------
    files : names in the order of choice, or None for "follow the newest": public names, and what a person
        typed in their place.
    q : 1-based labels of the dynamic map, or None for "the page's choice".
    """

    files: tuple[str, ...] | None = None
    q: tuple[int, ...] | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> View:
        """Read ``file=latest|A001~0f3c2b1a9d,…`` and ``q=1,4``; what is malformed is left out."""
        files = _names(query.get("file", ""))[:MAX_FILES]
        q = _whole_numbers(query.get("q", ""))
        return cls(files or None, q or None)

    def to_query(self) -> dict[str, str]:
        """Write the inverse of `from_query`; ``latest`` is written out, so a link says what it means."""
        query = {"file": ",".join(self.files) if self.files else "latest"}
        if self.q:
            query["q"] = ",".join(map(str, self.q))
        return query

    def to_store(self) -> dict[str, Any]:
        """Content of the store ``shell-view``."""
        return {"file": list(self.files) if self.files else "latest", "q": list(self.q) if self.q else None}


@dataclass(frozen=True)
class Selection:
    """What is on the screen: the content of the store ``shell-current``.

    Attributes
    ----------
    refs : public names, the primary file first; empty while there is no file.
    keys : one short text per file that changes when the file's content changes.
    q : chosen labels of the dynamic map, or None for "the page's choice".
    follow : True where the newest file is followed.
    missing : a sentence for each name that was asked for and that no file has.
    """

    refs: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    q: tuple[int, ...] | None = None
    follow: bool = True
    missing: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any] | None) -> Selection:
        """Read the content of ``shell-current``; None and malformed entries give an empty selection."""
        data = data or {}
        files = [f for f in _items(data.get("files")) if isinstance(f, Mapping) and f.get("ref")]
        q = tuple(label for label in _items(data.get("q")) if _is_id(label))
        return cls(
            refs=tuple(str(f["ref"]) for f in files),
            keys=tuple(str(f.get("key", "")) for f in files),
            q=q or None,
            follow=bool(data.get("follow", True)),
            missing=tuple(str(said) for said in _items(data.get("missing"))),
        )

    @property
    def primary(self) -> str | None:
        """Name of the first file, or None while there is none."""
        return self.refs[0] if self.refs else None

    @property
    def empty(self) -> bool:
        """True while there is no file to show."""
        return not self.refs


def choose(file: str | Iterable[str] | None = None, q: Iterable[int] | None = None) -> dict[str, Any]:
    """Value for ``Output("shell-select", "data", allow_duplicate=True)``.

    Parameters
    ----------
    file : one public name, several, or "latest"; None leaves the files as they are.
    q : labels of the dynamic map; empty for "the page's choice"; None leaves them as they are.
    """
    wanted: dict[str, Any] = {}
    if file is not None:
        wanted["file"] = file if file == "latest" else [file] if isinstance(file, str) else list(file)
    if q is not None:
        wanted["q"] = [int(label) for label in q] or None
    return wanted


def href(prefix: str, path: str, view: View | None = None, **params: str) -> str:
    """Address of a page with a view and page parameters; relative to the host, with the URL prefix."""
    query = {**(view.to_query() if view else {}), **params}
    text = urlencode(query, safe=",")
    return f"{prefix.rstrip('/')}{path}" + (f"?{text}" if text else "")


def _whole_numbers(text: str) -> tuple[int, ...]:
    parts = (part.strip() for part in text.split(","))
    found = (int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 16)
    return tuple(dict.fromkeys(number for number in found if number > 0))


def _names(text: str) -> tuple[str, ...]:
    names = dict.fromkeys(part.strip()[:200] for part in text.split(","))
    return tuple(name for name in names if name and name != "latest")


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else ()


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
