"""Ingest as a process, and a single pass over a directory."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any

from xpcs_dash.acquisition.fits import FitQueue
from xpcs_dash.acquisition.ingest import Ingest
from xpcs_dash.acquisition.processes import ONE_THREAD
from xpcs_dash.acquisition.readers import ReaderPool
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.logs import get_logger
from xpcs_dash.settings import Settings

log = get_logger(__name__)

READ = "xpcs_dash.acquisition.reading:make_reader"
FIT = "xpcs_dash.acquisition.fits:make_fitter"
#: Processes that read files; two keep two cores busy and leave one file's trouble to one of them.
READERS = 2
#: Seconds after which a read, and a fit, is given up.
READ_LIMIT_S, FIT_LIMIT_S = 30.0, 120.0


def build_ingest(settings: Settings, catalogue: Catalogue, *, fits: bool = True) -> Ingest:
    """Ingest with its reader processes."""
    from xpcs_dash.rules.table import flags_beside

    os.environ.update(ONE_THREAD)
    options = {"settings": settings.model_dump(mode="json")}
    pool = ReaderPool(READ, options, READERS, READ_LIMIT_S)
    pool.start()
    queue = FitQueue(ReaderPool(FIT, options, 1, FIT_LIMIT_S, niceness=10)) if fits else None
    return Ingest(settings, catalogue, pool, queue, flags_beside)


def run(settings: Settings) -> None:
    """Follow the directory until SIGTERM; the ingest process of ``serve``."""
    stopping = False

    def stop(*_: Any) -> None:
        nonlocal stopping
        stopping = True
        with contextlib.suppress(NameError):
            ingest.watcher.hints.wake()

    signal.signal(signal.SIGTERM, stop)
    catalogue = Catalogue(settings.catalogue, settings.roots)
    ingest = build_ingest(settings, catalogue)
    log.info("watching", root=str(settings.root))
    ingest.run(lambda: stopping)
    catalogue.close()


def index(settings: Settings, limit_s: float | None = None) -> dict[str, Any]:
    """Read what is new or changed in the directory once, then return counts and reasons.

    Parameters
    ----------
    settings : with ``root``.
    limit_s : give up after so many seconds; files that are being written would otherwise be waited for.
    """
    catalogue = Catalogue(settings.catalogue, settings.roots)
    ingest = build_ingest(settings, catalogue)
    started = time.monotonic()
    limit = settings.retry_limit_s + 5.0 if limit_s is None else limit_s
    ingest.start()
    try:
        last_progress, done = started, -1
        while True:
            ingest.step(0.2)
            now = time.monotonic()
            if ingest.reads + ingest.fitted > done:
                done, last_progress = ingest.reads + ingest.fitted, now
            if ingest.idle or now - last_progress > limit:
                break
    finally:
        ingest.stop()
    failed = catalogue.files(states=("failed", "waiting"))
    found = {
        "root": str(settings.root),
        "catalogue": catalogue.url,
        "files": catalogue.counts(),
        "read": ingest.reads,
        "seconds": round(time.monotonic() - started, 3),
        "failed": [{"path": row.path, "state": row.state, "reason": row.reason} for row in failed],
    }
    catalogue.close()
    return found
