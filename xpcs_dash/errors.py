"""Errors that reach a person: one sentence with the file, the reason and the remedy."""

from __future__ import annotations

from pathlib import Path


class XpcsDashError(Exception):
    """Base of every error whose text may be shown to a user as it stands."""


class UsageError(XpcsDashError):
    """A request that cannot be carried out as given: an unknown q-bin, a bad range, a wrong unit."""


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
        text = f"{self.path.name}: {self.reason}"
        return f"{text}; {self.remedy}." if self.remedy else f"{text}."

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), str(self.path), self.reason, self.remedy, self.transient))


def _rebuild(kind: type[FileError], path: str, reason: str, remedy: str, transient: bool) -> FileError:
    return kind(path, reason, remedy, transient=transient)


class UnreadableFile(FileError):
    """Truncated, locked, not HDF5, or gone."""


class UnknownLayout(FileError):
    """HDF5, but none of the layouts that we read."""


class IncompleteFile(FileError):
    """A known layout in which something required is missing or malformed."""


class SchemaError(XpcsDashError, ValueError):
    """A value that breaks a schema: names the field, what was expected and what was found."""

    def __init__(self, schema: str, field: str, expected: str, found: str) -> None:
        self.schema, self.field, self.expected, self.found = schema, field, expected, found
        super().__init__(schema, field, expected, found)

    def __str__(self) -> str:
        return f"{self.schema}.{self.field}: expected {self.expected}, found {self.found}"
