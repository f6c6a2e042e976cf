"""How soon a real ``xpcs-dash serve`` answers while a worker samples 27 bins."""

from __future__ import annotations

import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from benchmarks.bench_pages import SMALL, p95, sample
from benchmarks.result import Result

LARGE = "llps_Average_B0147_S3_7_300C10p_att00_Rq0_01251_01313_results.hdf"
LIMIT_MS = 100.0


def run(quick: bool = False) -> Iterator[Result]:
    """Yield the 95th percentiles of three kinds of requests, each on a connection of its own."""
    from tests.browser.conftest import start_dashboard, stop_dashboard

    path = sample(LARGE) or sample(SMALL)
    assert path is not None
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "data").mkdir()
        dashboard = start_dashboard(base / "data", base / "state")
        try:
            number = dashboard.add(path, "run_results.hdf")
            curve = g2_request(dashboard.url, number)
            calls: dict[str, Callable[[], bytes]] = {
                "/api/revision": lambda: fetch(dashboard.url + "api/revision"),
                "/health": lambda: fetch(dashboard.url + "health"),
                "change of file on the g2 page": lambda: fetch(
                    dashboard.url + "_dash-update-component", curve
                ),
            }
            answers = [call() for call in calls.values()]  # imports
            if b'"g2-graph"' not in answers[-1]:
                raise RuntimeError(f"the g2 page answered {answers[-1][:200]!r}")
            idle = {name: timed(call, 5 if quick else 40) for name, call in calls.items()}
            sampling = start_sampling(base, path, number)
            busy: dict[str, list[float]] = {name: [] for name in calls}
            for _ in range(10 if quick else 80):
                state = sampling()
                if state["state"] != "running" or not state["detail"].get("draws"):
                    raise RuntimeError(f"the worker does not sample: {state}")
                for name, call in calls.items():
                    busy[name] += timed(call, 1)
                time.sleep(0.02)
        finally:
            stop_dashboard(dashboard)
    for name, times in busy.items():
        value = p95(times)
        before, after, worst = statistics.median(idle[name]), statistics.median(times), max(times)
        note = f"median {after:.1f} (idle {before:.1f}), longest {worst:.0f} ms, {path.name[:24]}"
        yield Result(f"while sampling: {name}, p95", value, "ms", f"<= {LIMIT_MS:g}", value <= LIMIT_MS, note)


def fetch(url: str, body: bytes | None = None) -> bytes:
    """Answer of a route."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: bytes = answer.read()
    return found


def timed(call: Callable[[], bytes], repeats: int) -> list[float]:
    """Milliseconds of each call."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append((time.perf_counter() - begin) * 1e3)
    return times


def g2_request(url: str, number: int) -> bytes:
    """What a browser sends to the g2 page when the file changes."""
    from xpcs_dash.pages.g2.callbacks import CONTROLS

    rule = next(
        r for r in orjson.loads(fetch(url + "_dash-dependencies")) if "g2-graph.figure" in r["output"]
    )
    options: dict[str, Any] = {
        "view": "panels",
        "combine": False,
        "fit": True,
        "common": True,
        "delay": "log",
    }
    values = {name: options.get(key) for name, key in CONTROLS.items()} | {
        "shell-current": {"files": [{"id": number, "key": "k"}], "follow": False, "q": None, "n_new": 0},
        "shell-theme": "dark",
    }

    def filled(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"id": e["id"], "property": e["property"], "value": values.get(e["id"])} for e in entries]

    outputs = []
    for text in rule["output"].strip(".").split("..."):
        place, _, what = text.rpartition(".")
        outputs.append({"id": place, "property": what.partition("@")[0]})
    body = {
        "output": rule["output"],
        "outputs": outputs,
        "inputs": filled(rule["inputs"]),
        "state": filled(rule["state"]),
        "changedPropIds": ["shell-current.data"],
    }
    return orjson.dumps(body)


def start_sampling(base: Path, path: Path, number: int) -> Callable[[], dict[str, Any]]:
    """Queue a long job as the Fit page does, wait for its first draws; a function that tells its state."""
    from xpcs_dash.fits.request import FitRequest
    from xpcs_dash.services import build_services
    from xpcs_dash.settings import Settings

    services = build_services(Settings(state_dir=base / "state", root=base / "data"))
    request = FitRequest(chains=4, draws=50_000, warmup=500, seed=1)
    params = request.to_params() | {
        "path": str(base / "data" / "run_results.hdf"),
        "ref": number,
        "name": path.stem,
        "owner": "",
    }
    job = services.jobs.submit("nuts", params, "NUTS while pages are asked for")

    def state() -> dict[str, Any]:
        row = services.jobs.get(job)
        return {"state": row.state, "detail": row.detail, "message": row.message}

    end = time.monotonic() + 180
    while not state()["detail"].get("draws") and time.monotonic() < end:
        time.sleep(0.1)
    return state
