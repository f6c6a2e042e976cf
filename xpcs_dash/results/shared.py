"""Derived results that several web processes share: files in the state directory, or Redis.

The stores are flask-caching's; values are written by `xpcs_dash.results.codec`, never by pickle. A store that
does not answer costs speed and nothing else: it is left alone for a while, and everything is computed.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import xpcs_dash
from xpcs_dash.errors import UsageError
from xpcs_dash.logs import get_logger
from xpcs_dash.results.codec import NotPlain, decode, encode

if TYPE_CHECKING:
    from xpcs_dash.settings import Settings

__all__ = ["SharedCache", "SharedStatistics", "open_shared"]

log = get_logger(__name__)

#: Seconds that a result is kept, and results in the directory above which some are thrown away.
KEEP_S, MOST = 7 * 86400, 1000
#: Larger results are computed again rather than shared, bytes.
LARGEST = 4 * 2**20
#: Seconds that a store which failed is left alone, and that one request to it may take.
REST_S, TIMEOUT_S = 30.0, 0.5


class PlainSerializer:
    """What flask-caching's stores write values with: bytes as they are, never pickle."""

    def dumps(self, value: Any, protocol: int = 0) -> bytes:  # noqa: ARG002 - the store's own signature
        """Bytes of a value; whole numbers, with which stores count, as text."""
        return str(value).encode() if isinstance(value, int) else b"!" + bytes(value)

    def loads(self, data: bytes | None) -> Any:
        """The inverse of `dumps`; None for nothing and for what is none of ours."""
        if not data:
            return None
        if data[:1] == b"!":
            return data[1:]
        return int(data) if data.isdigit() and len(data) < 20 else None

    def dump(self, value: Any, stream: IO[bytes], protocol: int = 0) -> None:
        """Write a value to a file."""
        stream.write(self.dumps(value, protocol))

    def load(self, stream: IO[bytes]) -> Any:
        """Read a value from a file."""
        return self.loads(stream.read(LARGEST + 2))


@dataclass(frozen=True)
class SharedStatistics:
    """Counts of this process since its start.

    Attributes
    ----------
    hits, misses : results that were there, and were not.
    stored : results that were put there.
    refused : results that are too large or have no form without pickle.
    failures : times that the store did not answer.
    """

    hits: int = 0
    misses: int = 0
    stored: int = 0
    refused: int = 0
    failures: int = 0


class SharedCache:
    """A store behind `get` and `set` that never fails.

    Parameters
    ----------
    backend : one of flask-caching's stores, or anything with its ``get`` and ``set``.
    place : what to call it in the log.
    made_with : text of everything beside the file and the parameters that changes results; part of each key.
    """

    def __init__(self, backend: Any, place: str, made_with: str = "") -> None:
        self._backend, self._place = backend, place
        # another version of the program may compute otherwise
        self._prefix = f"xpcs-dash:{xpcs_dash.__version__}:{made_with}:"
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(SharedStatistics.__dataclass_fields__, 0)
        self._rests_until = 0.0

    def get(self, key: str) -> Any:
        """The value, or None."""
        data = self._ask(lambda: self._backend.get(self._prefix + key))
        if isinstance(data, bytes):
            try:
                found = decode(data)
            except NotPlain:
                pass
            else:
                self._count("hits")
                return found
        self._count("misses")
        return None

    def set(self, key: str, value: Any, timeout: int | None = None) -> bool:
        """Keep a value; False where it is not kept."""
        try:
            data = encode(value)
        except NotPlain:
            self._count("refused")
            return False
        if len(data) > LARGEST:
            self._count("refused")
            return False
        kept = bool(self._ask(lambda: self._backend.set(self._prefix + key, data, timeout or KEEP_S)))
        if kept:
            self._count("stored")
        return kept

    def stats(self) -> SharedStatistics:
        """Counts since the start of this process."""
        with self._lock:
            return SharedStatistics(**self._counts)

    def _ask(self, question: Any) -> Any:
        if time.monotonic() < self._rests_until:
            return None
        try:
            return question()
        except Exception as err:  # whatever a store raises: the answer is computed instead
            self._count("failures")
            self._rests_until = time.monotonic() + REST_S
            log.warning(
                "the store of shared results does not answer; they are computed without it",
                place=self._place,
                reason=type(err).__name__,
            )
            return None

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1


def open_shared(settings: Settings) -> SharedCache:
    """The store that the settings name: Redis by ``cache_url``, else files in the state directory.

    Raises
    ------
    UsageError
        Where ``cache_url`` is no address of Redis, or the package for it is not installed.
    """
    if settings.cache_url:
        return SharedCache(_redis(settings.cache_url), "Redis", repr(settings.numbers))
    files = _files(settings.state_dir / "cache")
    return SharedCache(files, "the cache in the state directory", repr(settings.numbers))


def _plain(store: Any) -> Any:
    """The class of one of flask-caching's stores that writes no pickle."""
    return type(store.__name__, (store,), {"serializer": PlainSerializer()})


def _files(directory: Path) -> Any:
    from flask_caching.backends import FileSystemCache

    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    made: Any = _plain(FileSystemCache)(str(directory), threshold=MOST, default_timeout=KEEP_S)
    return made


def _redis(url: str) -> Any:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise UsageError(
            f"cache_url: {url.partition('://')[0]}:// is no address of Redis; give redis://host:6379/0."
        )
    try:
        import redis
        from flask_caching.backends import RedisCache
    except ImportError:
        raise UsageError(
            "cache_url needs the package redis: install xpcs-dash[cluster], or leave the setting out."
        ) from None
    client = redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)

    made: Any = _plain(RedisCache)(host=client, default_timeout=KEEP_S)
    return made
