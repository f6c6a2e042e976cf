"""The tables of the job list: one row a job, one row for the dispatcher that works on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa

STATES = ("queued", "running", "done", "failed", "cancelled", "interrupted")
FINAL = ("done", "failed", "cancelled", "interrupted")

METADATA = sa.MetaData()

JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("title", sa.String(400), nullable=False),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("progress", sa.Float, nullable=False, default=0.0),
    sa.Column("detail", sa.Text, nullable=False, default="{}"),
    sa.Column("message", sa.Text, nullable=False, default=""),
    sa.Column("result", sa.Text, nullable=False, default="{}"),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("owner", sa.String(200), nullable=False, default=""),
    sa.Column("priority", sa.Integer, nullable=False, default=0),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("worker", sa.String(200), nullable=False, default=""),
    sa.Column("updated", sa.Float, nullable=False),
    # an id is never given out twice: it stands in URLs and in the provenance of fits
    sqlite_autoincrement=True,
)

DISPATCHER = sa.Table(
    "jobs_dispatcher",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("token", sa.String(64), nullable=False),
    sa.Column("host", sa.String(200), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("beat", sa.Float, nullable=False),
    sa.Column("status", sa.Text, nullable=False, default="{}"),
)


@dataclass(frozen=True)
class JobRow:
    """One job as every browser sees it.

    Attributes
    ----------
    state : ``queued``, ``running``, ``done``, ``failed``, ``cancelled`` or ``interrupted``.
    progress : 0 to 1.
    detail : what the job last said of itself, for example ``{"r_hat": 1.03, "draws": 400}``.
    message : one sentence for a person; the reason where the job failed.
    result : what the job returned; empty until it is done.
    created, started, finished, updated : seconds since the epoch.
    attempts : how often a worker took it up; more than 1 after a worker or the dispatcher died.
    worker : ``host:pid`` of the worker process that runs it.
    """

    id: int
    kind: str
    title: str
    params: dict[str, Any]
    state: str
    progress: float
    detail: dict[str, Any]
    message: str
    result: dict[str, Any]
    created: float
    started: float | None
    finished: float | None
    owner: str
    priority: int
    attempts: int = 0
    cancel_requested: bool = False
    worker: str = ""
    updated: float = 0.0

    @property
    def final(self) -> bool:
        """True where nothing more will happen to the job by itself."""
        return self.state in FINAL


@dataclass(frozen=True)
class DispatcherStatus:
    """The last sign of life of the process that hands jobs to workers.

    Attributes
    ----------
    alive : True where the sign is younger than ten seconds.
    age_s : seconds since the sign; None where there never was one.
    workers : one mapping a worker process: address, pid, host, memory_mb, job.
    scheduler : address of the Dask scheduler.
    message : one sentence where something is wrong.
    """

    alive: bool
    age_s: float | None
    host: str = ""
    pid: int | None = None
    scheduler: str = ""
    message: str = ""
    workers: tuple[dict[str, Any], ...] = field(default=())


def dump(value: Mapping[str, Any]) -> str:
    """JSON text of a mapping; NumPy scalars and arrays are allowed, not-a-number becomes null."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode()


def load(text: str | None) -> dict[str, Any]:
    """Mapping of a JSON text; empty where there is none."""
    return dict(orjson.loads(text)) if text else {}


def to_row(record: sa.Row[Any]) -> JobRow:
    """The record of the table as the frozen row that pages and the dispatcher use."""
    values = dict(record._mapping)
    for name in ("params", "detail", "result"):
        values[name] = load(values[name])
    values["cancel_requested"] = bool(values["cancel_requested"])
    return JobRow(**values)
