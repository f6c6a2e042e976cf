"""Rows and reports as ingest writes them, for tests that need no watcher."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.files import bump_in, files_table
from xpcs_dash.results.identity import display_name, ref_of


def add_file(
    catalogue: Catalogue, path: Path, state: str = "ready", arrived: float | None = None, **more: Any
) -> str:
    """Write one row as ingest would, and return its public name."""
    moment = time.time() if arrived is None else arrived
    stat = path.stat() if path.exists() else None
    row: dict[str, Any] = {
        "path": str(path),
        "name": display_name(path),
        "ref": str(ref_of(path, catalogue.roots)),
        "inode": stat.st_ino if stat else 0,
        "mtime_ns": stat.st_mtime_ns if stat else int(moment * 1e9),
        "size": stat.st_size if stat else 1000,
        "state": state,
        "kinds": ["multitau"],
        "flags": [],
        "warnings": [],
        "first_seen": moment,
        "ready_at": moment if state == "ready" else None,
        "sort_at": moment,
        "retry": 0,
        **more,
    }
    with catalogue.write() as db:
        row["revision"] = bump_in(db)
        db.execute(sa.insert(files_table).values(row))
        return str(row["ref"])


def change_file(catalogue: Catalogue, ref: str, **values: Any) -> None:
    """Change a row as ingest would."""
    with catalogue.write() as db:
        values["revision"] = bump_in(db)
        db.execute(sa.update(files_table).where(files_table.c.ref == ref).values(values))


def beat(catalogue: Catalogue, root: Path, age_s: float = 0.0, **more: Any) -> None:
    """Report as ingest does."""
    report = {"heartbeat": time.time() - age_s, "root": str(root), "mode": "inotify", "problems": [], **more}
    catalogue.set_status("ingest", report)
