"""What a browser needs to know every second: the answer of ``/api/revision``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from xpcs_dash.database.files import FileRow
from xpcs_dash.routes.index import FileIndex, arrival, key_of
from xpcs_dash.rules.table import worst
from xpcs_dash.services import Services

#: Ingest that has not said anything for this long (s) is taken for dead.
HEARTBEAT_LIMIT_S = 15.0
#: How long the strip tells of a database that was restored, s.
NOTICE_S = 12 * 3600.0


def live_state(
    services: Services, index: FileIndex, names: Sequence[str] = (), after: float | None = None
) -> dict[str, Any]:
    """Everything the health strip and the selection of one browser need.

    Parameters
    ----------
    names : the files that this browser has pinned, as its address names them.
    after : arrival of the newest file at the time of pinning, s since the epoch.
    """
    now = time.time()
    revision = index.refresh()
    status = index.status()
    newest = index.newest()
    state: dict[str, Any] = {
        "revision": str(revision),
        "server_time": now,
        "counts": index.counts(),
        "newest": None
        if newest is None
        else {
            "ref": newest.ref,
            "version": newest.version,
            "key": key_of(newest),
            "name": newest.name,
            "t": arrival(newest),
            "mtime": newest.mtime_ns / 1e9,
            "flags": list(newest.flags),
        },
        "watch": watch_state(status, now),
        "jobs": _job_counts(services),
    }
    problems = find_problems(status, now)
    state["problems"] = problems
    state["state"] = overall(state["counts"], problems, newest)
    if names:
        state["pinned"] = [index.pinned(name) for name in names]
    if after is not None:
        state["n_new"] = index.arrived_after(after)
    return state


def watch_state(status: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Mode and root of the watcher, and whether ingest is alive; no value that changes every second."""
    beat = status.get("heartbeat")
    return {
        "root": status.get("root"),
        "mode": status.get("mode"),
        "mode_reason": status.get("mode_reason"),
        "alive": beat is not None and now - float(beat) < HEARTBEAT_LIMIT_S,
        "seen": beat is not None,
    }


def find_problems(status: Mapping[str, Any], now: float) -> list[dict[str, str]]:
    """What is wrong with the dashboard itself, worst first: ``{"state": "alarm"|"warning", "text": …}``.

    The sentences name moments, not durations: a text that changed every second would reach every browser
    as news.
    """
    found: list[dict[str, str]] = []
    watch = watch_state(status, now)
    if not watch["seen"]:
        text = "No process watches the directory yet; new files are not noticed."
        found.append({"state": "alarm", "text": text})
    elif not watch["alive"]:
        since = time.strftime("%d %b %H:%M:%S", time.localtime(float(status["heartbeat"])))
        text = f"The watcher has been silent since {since}; new files are not noticed."
        found.append({"state": "alarm", "text": text})
    found += [{"state": "warning", "text": str(text)} for text in status.get("problems") or ()]
    if watch["alive"] and status.get("progress"):
        done, total = status["progress"]
        text = f"The list of files is being filled: {done:,} of {total:,} files are done."
        found.append({"state": "warning", "text": text})
    found += _notices(status.get("state"), now)
    found += _process_problems(status.get("processes"))
    return found


def _notices(state: Any, now: float) -> list[dict[str, str]]:
    """What became of the databases lately, by the supervisor."""
    listed = state.get("notices", ()) if isinstance(state, Mapping) else ()
    return [
        {
            "state": "warning",
            "text": f"{time.strftime('%d %b %H:%M:%S', time.localtime(notice['at']))}: {notice['text']}",
        }
        for notice in listed
        if now - float(notice["at"]) < NOTICE_S
    ]


def _process_problems(processes: Any) -> list[dict[str, str]]:
    """Sentences on the processes that the supervisor restarts; it reports a mapping name -> {state, …}."""
    if not isinstance(processes, Mapping):
        return []
    listed = processes.get("processes", processes)
    if not isinstance(listed, Mapping):
        return []
    found = []
    for name, about in listed.items():
        state = about.get("state") if isinstance(about, Mapping) else about
        if isinstance(state, str) and state not in ("running", "ok", "starting", "done", "stopped"):
            found.append({"state": "warning", "text": f"Process {name}: {state}."})
    return found


def overall(counts: Mapping[str, int], problems: Sequence[Mapping[str, str]], newest: FileRow | None) -> str:
    """One state for the whole screen: alarm, warning, nodata or ok (a browser adds "stale" by the clock)."""
    gravest = None if newest is None else worst(newest.flags)
    if gravest == "alarm" or any(problem["state"] == "alarm" for problem in problems):
        return "alarm"
    if newest is None:
        return "nodata"
    return "warning" if problems or gravest == "warning" or counts.get("failed") else "ok"


def _job_counts(services: Services) -> dict[str, int]:
    try:
        counts = services.jobs.counts()
    except AttributeError:  # a deployment without jobs
        return {"queued": 0, "running": 0}
    return {name: counts.get(name, 0) for name in ("queued", "running")}


def health(services: Services, index: FileIndex) -> tuple[dict[str, Any], int]:
    """Body and HTTP status of ``/health``: 503 where data cannot arrive or cannot be shown."""
    now = time.time()
    checks: dict[str, Any] = {}
    try:
        checks["catalogue"] = {"ok": True, "revision": str(index.refresh())}
        status = index.status()
    except Exception as err:  # whatever the database raises: the answer is the same
        checks["catalogue"] = {"ok": False, "reason": type(err).__name__}
        return {"status": "down", "checks": checks, "server_time": now}, 503
    watch = watch_state(status, now)
    beat = status.get("heartbeat")
    checks["ingest"] = {
        "ok": watch["alive"],
        "age_s": None if beat is None else round(now - float(beat), 1),
        "mode": watch["mode"],
    }
    checks["dispatcher"] = _dispatcher(services)
    good = checks["ingest"]["ok"]
    degraded = not checks["dispatcher"]["ok"]
    text = "down" if not good else "degraded" if degraded else "ok"
    return {"status": text, "checks": checks, "server_time": now}, 200 if good else 503


def _dispatcher(services: Services) -> dict[str, Any]:
    try:
        found = services.jobs.dispatcher()
    except AttributeError:
        return {"ok": False, "reason": "no job process"}
    return {"ok": found.alive, "age_s": found.age_s, "workers": len(found.workers), "message": found.message}
