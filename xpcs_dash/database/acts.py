"""The journal of acts: one line for everything that a person did, on the disk before a table knows of it.

A line is the CRC-32 of the rest in hexadecimal, a space, and a JSON object. It can be read without this
program. A line that was torn by a power cut, or damaged later, fails its checksum and is left out; the lines
around it stay good.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from xpcs_dash.disk import make_folder, sync_folder
from xpcs_dash.errors import UsageError

__all__ = ["UNDONE", "Act", "Journal", "new_act"]

#: An act that says of others that they did not come about after all.
UNDONE = "undone"


@dataclass(frozen=True)
class Act:
    """One thing that was done.

    Attributes
    ----------
    id : tells two acts apart; the record keeps the ids of those that its tables hold.
    at : s since the epoch.
    kind : one of `xpcs_dash.database.record.apply.APPLY`.
    who : name of the person, or of the process; empty where nobody said.
    what : JSON-able values.
    """

    id: str
    at: float
    kind: str
    who: str = ""
    what: Mapping[str, Any] = field(default_factory=dict)


def new_act(kind: str, who: str, what: Mapping[str, Any]) -> Act:
    """An act of this moment with an id of its own."""
    now = time.time()
    return Act(f"{int(now * 1e6):014x}-{secrets.token_hex(6)}", now, kind, who, dict(what))


class Journal:
    """Appends acts to one file and reads them back; any number of processes may append.

    The file is opened anew each time, so that one that was deleted or moved aside is made again.

    Parameters
    ----------
    path : made, with its directory, at the first act.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, *acts: Act) -> None:
        """Write acts and wait until the disk has them; all or none.

        Raises
        ------
        UsageError
            Where the disk is full or the file cannot be written; nothing of it is kept then.
        """
        body = b"".join(_line(act) for act in acts)
        try:
            make_folder(self.path.parent)
            new = not self.path.exists()
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                _write_whole(handle, body)
            finally:
                os.close(handle)
            if new:
                sync_folder(self.path.parent)
        except OSError as err:
            raise UsageError(
                f"{self.path.name}: this cannot be kept now ({err.strerror or err}), so nothing was changed; "
                "free some space in the state directory or mend its permissions, and try again."
            ) from err

    def read(self) -> list[Act]:
        """Acts in the order in which they were written, without damaged lines and what was undone."""
        found = [act for line in self._lines() if (act := _parsed(line)) is not None]
        undone = {str(name) for act in found if act.kind == UNDONE for name in act.what.get("ids", ())}
        return [act for act in found if act.kind != UNDONE and act.id not in undone]

    def damaged(self) -> int:
        """Number of lines that cannot be read; a torn last one is among them."""
        return sum(_parsed(line) is None for line in self._lines())

    def _lines(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as stream:
                yield from (line for line in stream if line.strip())
        except FileNotFoundError:
            return


def _line(act: Act) -> bytes:
    record = {"id": act.id, "at": act.at, "kind": act.kind, "who": act.who, "what": act.what}
    body = orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parsed(line: bytes) -> Act | None:
    check, _, body = line.strip().partition(b" ")
    try:
        if int(check, 16) != zlib.crc32(body):
            return None
        found = orjson.loads(body)
        return Act(str(found["id"]), float(found["at"]), str(found["kind"]), found["who"], found["what"])
    except (ValueError, KeyError, TypeError):
        return None


def _write_whole(handle: int, body: bytes) -> None:
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        body = b"\n" + body  # the last line was torn: do not let it spoil this one
    try:
        done = 0
        while done < len(body):
            done += os.write(handle, body[done:])
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise
