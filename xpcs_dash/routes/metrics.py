"""``/metrics`` for Prometheus. Each app has a registry of its own, so several live in one process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import psutil
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from xpcs_dash.results.shared import SharedCache
from xpcs_dash.routes.index import FileIndex
from xpcs_dash.routes.live import watch_state
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, open_to

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)


class DashboardCollector:
    """Reads the figures when somebody asks for them."""

    def __init__(self, services: Services, index: FileIndex) -> None:
        self._services, self._index = services, index

    def collect(self) -> Iterator[Any]:
        """Every gauge and counter of the dashboard."""
        index, now = self._index, time.time()
        yield _gauge("revision", "Revision of the catalogue", index.refresh().n)
        files = GaugeMetricFamily("xpcs_dash_files", "Files of the catalogue by state", labels=["state"])
        for state, n in index.counts().items():
            files.add_metric([state], n)
        yield files
        newest = index.newest()
        if newest is not None:
            yield _gauge("newest_age_seconds", "Age of the newest data", now - newest.mtime_ns / 1e9)
        status = index.status()
        yield _gauge("ingest_up", "1 where ingest is alive", int(watch_state(status, now)["alive"]))
        for name in ("queue", "rate", "scan_s"):
            if isinstance(status.get(name), int | float):
                yield _gauge(f"ingest_{name}", f"{name} as ingest reports it", status[name])
        yield from self._jobs()
        yield from self._caches()
        yield _gauge(
            "resident_memory_bytes", "Resident memory of this web process", psutil.Process().memory_info().rss
        )

    def _jobs(self) -> Iterator[Any]:
        counts: dict[str, int] = getattr(self._services.jobs, "counts", dict)()
        jobs = GaugeMetricFamily("xpcs_dash_jobs", "Jobs by state", labels=["state"])
        for state, n in counts.items():
            jobs.add_metric([state], n)
        yield jobs

    def _caches(self) -> Iterator[Any]:
        cache = getattr(self._services.kernel, "cache", None)
        if cache is None:
            return
        stats = cache.stats()
        for name in ("hits", "misses", "evictions"):
            counter = CounterMetricFamily(f"xpcs_dash_cache_{name}", f"{name} of the data cache")
            counter.add_metric([], getattr(stats, name))
            yield counter
        shared = getattr(self._services.kernel, "store", None)
        if isinstance(shared, SharedCache):
            for name, n in asdict(shared.stats()).items():
                text = f"{name} of the results that web processes share"
                counter = CounterMetricFamily(f"xpcs_dash_shared_cache_{name}", text)
                counter.add_metric([], n)
                yield counter
        yield _gauge("cache_bytes", "Bytes held by the data cache", stats.nbytes)
        yield _gauge("cache_limit_bytes", "Bound of the data cache", stats.max_bytes)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"xpcs_dash_{name}", text, value=value)


def measure(server: Flask, services: Services, index: FileIndex, prefix: str) -> None:
    """Time every request and serve ``/metrics``."""
    registry = CollectorRegistry()
    registry.register(DashboardCollector(services, index))
    durations = Histogram(
        "xpcs_dash_request_duration_seconds",
        "Time the server took for a request",
        labelnames=["kind"],
        buckets=BUCKETS,
        registry=registry,
    )

    @server.before_request
    def start() -> None:
        g.xd_started = time.perf_counter()

    @server.after_request
    def stop(answer: Response) -> Response:
        started = g.pop("xd_started", None)
        if started is not None:
            spent = time.perf_counter() - started
            durations.labels(_kind(request.path, prefix)).observe(spent)
            answer.headers.setdefault("Server-Timing", f"app;dur={spent * 1000:.1f}")
        return answer

    @open_to(Role.VIEWER)
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    server.add_url_rule(f"{prefix}metrics", "xpcs_dash_metrics", metrics)


def _kind(path: str, prefix: str) -> str:
    rest = path.removeprefix(prefix)
    if rest.startswith("_dash-update-component"):
        return "callback"
    first = rest.split("/", 1)[0]
    return (
        first
        if first in ("api", "img", "assets", "health", "metrics")
        else "dash"
        if first[:5] == "_dash"
        else "page"
    )
