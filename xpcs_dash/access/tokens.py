"""Tokens: the one that ``serve`` leaves in the state directory, and named ones, kept as digests."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from xpcs_dash.access.policy import Role, Who
from xpcs_dash.errors import UsageError, not_found
from xpcs_dash.logs import get_logger

log = get_logger(__name__)

#: The token of whoever runs the dashboard, as text.
OWN = "token"
#: The named tokens.
NAMED = "tokens.json"
SHORTEST = 16
_NAME = re.compile(r"[\w.+@-]{1,64}")


@dataclass(frozen=True)
class NamedToken:
    """One named token.

    Attributes
    ----------
    name : whose it is.
    role : of its holder.
    digest : SHA-256 of the token, which is long and random: no salt could make it harder to guess.
    made, revoked : seconds since the epoch; 0 while it is good.
    """

    name: str
    role: str
    digest: str
    made: float
    revoked: float = 0.0


class Tokens:
    """The tokens of one state directory, read anew when a file changes. Safe to share among threads."""

    def __init__(self, state_dir: Path) -> None:
        self._state, self._lock = state_dir, threading.Lock()
        self._seen: Any = None
        self._holders: dict[str, Who] = {}

    def find(self, token: str) -> Who | None:
        """To whom a token belongs; None for one that is not known, or was revoked."""
        seen = (_stamp(self._state / OWN), _stamp(self._state / NAMED))
        with self._lock:
            if seen != self._seen:
                self._holders = self._read()
                self._seen = seen
            return self._holders.get(digest(token))

    def _read(self) -> dict[str, Who]:
        own = read_own(self._state)
        found = {digest(own): Who(Role.OPERATOR)} if own else {}
        try:
            rows = listed(self._state)
        except UsageError as err:
            log.warning("the tokens cannot be read", reason=str(err))
            rows = []
        for row in rows:
            if not row.revoked and row.role.upper() in Role.__members__:
                found[row.digest] = Who(Role[row.role.upper()], row.name)
        return found


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_own(state_dir: Path) -> str:
    """The token that ``serve`` left, or an empty text."""
    try:
        return (state_dir / OWN).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def ensure_own(state_dir: Path, given: str = "") -> str:
    """Leave the token of whoever runs the dashboard in ``state_dir``, for its user alone; return it.

    One that is there stays, so that browsers which know it need no new link; delete the file for another.

    Raises
    ------
    UsageError
        For a ``given`` one that could be guessed, or a file that cannot be written.
    """
    if given and (len(given) < SHORTEST or not given.isascii() or not given.isprintable() or " " in given):
        raise UsageError(f"XPCS_DASH_TOKEN: take {SHORTEST} characters or more, without spaces or accents.")
    known = read_own(state_dir)
    token = given or (known if len(known) >= SHORTEST else "") or secrets.token_urlsafe(32)
    _write(state_dir / OWN, f"{token}\n")
    return token


def listed(state_dir: Path) -> list[NamedToken]:
    """All named tokens, those that were revoked among them, oldest first.

    Raises
    ------
    UsageError
        For a file that was damaged: nobody is let in by a guess.
    """
    path = state_dir / NAMED
    try:
        return [NamedToken(**row) for row in json.loads(path.read_text())["tokens"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as err:
        raise UsageError(
            f"{path} cannot be read ({type(err).__name__}): delete it and create the tokens again."
        ) from None


def create(state_dir: Path, name: str, role: str = "operator") -> str:
    """Make a token and return it; only its digest is kept.

    Raises
    ------
    UsageError
        For a name that is taken or no name, or a role that there is not.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name[:80]!r}: a token's name has letters, digits and . + @ - _, at most 64.")
    roles = [r.word for r in Role]
    if role not in roles:
        raise not_found("role", role, roles)
    token = secrets.token_urlsafe(32)
    with _editing(state_dir) as rows:
        if any(row.name == name and not row.revoked for row in rows):
            raise UsageError(f"There is a token {name} already: revoke it first, or take another name.")
        rows.append(NamedToken(name, role, digest(token), time.time()))
    return token


def revoke(state_dir: Path, name: str) -> None:
    """Let a token be worth nothing from now on.

    Raises
    ------
    NotFoundError
    """
    with _editing(state_dir) as rows:
        good = [i for i, row in enumerate(rows) if row.name == name and not row.revoked]
        if not good:
            raise not_found("token", name, [row.name for row in rows if not row.revoked])
        for i in good:
            rows[i] = replace(rows[i], digest="", revoked=time.time())


@contextmanager
def _editing(state_dir: Path) -> Iterator[list[NamedToken]]:
    import fcntl

    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / f".{NAMED}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = listed(state_dir)
        yield rows
        text = json.dumps({"schema": 1, "tokens": [asdict(row) for row in rows]}, indent=1)
        _write(state_dir / NAMED, f"{text}\n")


def _write(path: Path, text: str) -> None:
    """Put a file in place whole, and readable by its user alone from its first moment."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as err:
        new.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written ({err.strerror or err}): check the directory.") from None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
