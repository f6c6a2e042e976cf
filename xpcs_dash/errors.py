"""Errors that reach a person: one sentence with the file, the reason and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from heapq import nlargest
from pathlib import Path

#: Names that are compared letter by letter.
_LIKELY = 40


class XpcsDashError(Exception):
    """Base of every error whose text may be shown to a user as it stands."""


class UsageError(XpcsDashError):
    """A request that cannot be carried out as given: an unknown q-bin, a bad range, a wrong unit."""


class NotFoundError(UsageError):
    """Something was asked for by its name, and there is nothing of this name here.

    Parameters
    ----------
    text : the sentence that a person reads; `not_found` writes one.
    nearest : names of what is here that come nearest to the name that was asked for.
    """

    def __init__(self, text: str, nearest: Iterable[str] = ()) -> None:
        self.nearest = tuple(nearest)
        super().__init__(text)


class UnavailableError(XpcsDashError):
    """Something that cannot be done at this moment, through no fault of the one who asks."""


def not_found(
    what: str, name: str, known: Iterable[str] = (), remedy: str = "", near: Sequence[str] | None = None
) -> NotFoundError:
    """The error for a name that is not here, with up to three names that come nearest.

    Parameters
    ----------
    what : what kind of thing was asked for, such as "file".
    name : what was asked for, as somebody wrote it.
    known : names of what is here.
    remedy : what to do where no name comes near, as a clause without a full stop; may be empty.
    near : the nearest names, where the caller has found them; None looks for them among ``known``.
    """
    near = nearest_names(name, known) if near is None else near
    name = shown(name, 80)
    if near:
        verb = "is" if len(near) == 1 else "are"
        remedy = f"the nearest {verb} {', '.join(map(shown, near))}"
    return NotFoundError(f"{name}: no {what} of this name here" + (f"; {remedy}." if remedy else "."), near)


def nearest_names(name: str, known: Iterable[str], many: int = 3) -> tuple[str, ...]:
    """Up to ``many`` of the names that come nearest to ``name``, capitals or not; the best first."""
    name = name[:500]
    wanted = _pairs(name.lower())
    # pairs of letters in common tell a few candidates out of many thousands in a fraction of a second
    likely = nlargest(_LIKELY, dict.fromkeys(known), key=lambda other: _likeness(wanted, other.lower()))
    by_lower = {candidate.lower(): candidate for candidate in reversed(likely)}
    return tuple(by_lower[found] for found in get_close_matches(name.lower(), by_lower, many, 0.6))


def _pairs(text: str) -> set[str]:
    return {text[k : k + 2] for k in range(max(1, len(text) - 1))}


def _likeness(wanted: set[str], other: str) -> float:
    pairs = _pairs(other)
    return len(wanted & pairs) / (len(wanted) + len(pairs))


def shown(text: str, limit: int = 200) -> str:
    """Somebody's text on one line: shortened, with what cannot be printed written as an escape."""
    short = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


class FileError(XpcsDashError):
    """A file that could not be used.

    Parameters
    ----------
    path : path of the file.
    reason : what is wrong, as a clause without a full stop.
    remedy : what the user can do about it, as a clause without a full stop; may be empty.
    transient : True where waiting may help (a file still being written).
    """

    def __init__(self, path: str | Path, reason: str, remedy: str = "", *, transient: bool = False) -> None:
        self.path = Path(path)
        self.reason = reason
        self.remedy = remedy
        self.transient = transient
        super().__init__(path, reason, remedy)

    def __str__(self) -> str:
        text = f"{shown(self.path.name)}: {self.reason}"
        return f"{text}; {self.remedy}." if self.remedy else f"{text}."

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), str(self.path), self.reason, self.remedy, self.transient))


def _rebuild(kind: type[FileError], path: str, reason: str, remedy: str, transient: bool) -> FileError:
    return kind(path, reason, remedy, transient=transient)


class UnreadableFile(FileError):
    """Truncated, locked, not HDF5, or gone."""


class UnknownLayout(FileError):
    """HDF5, but none of the layouts that we read.

    Parameters
    ----------
    known : what kind of file it is where that is known: "raw data", "partition", "mask" or "metadata". Such a
        file is no failure.
    """

    def __init__(self, path: str | Path, reason: str, remedy: str = "", known: str = "") -> None:
        super().__init__(path, reason, remedy)
        self.known = known

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (str(self.path), self.reason, self.remedy, self.known))


class IncompleteFile(FileError):
    """A known layout in which something required is missing or malformed."""


class SchemaError(XpcsDashError, ValueError):
    """A value that breaks a schema: names the field, what was expected and what was found."""

    def __init__(self, schema: str, field: str, expected: str, found: str) -> None:
        self.schema, self.field, self.expected, self.found = schema, field, expected, found
        super().__init__(schema, field, expected, found)

    def __str__(self) -> str:
        return f"{self.schema}.{self.field}: expected {self.expected}, found {self.found}"
