"""``xpcs-dash doctor``: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from xpcs_dash.errors import XpcsDashError

if TYPE_CHECKING:
    from xpcs_dash.database.schema import Found
    from xpcs_dash.settings import Settings

PACKAGES = (
    "dash",
    "plotly",
    "h5py",
    "numpy",
    "jax",
    "numpyro",
    "nlsq",
    "arviz-stats",
    "distributed",
    "sqlalchemy",
    "alembic",
    "watchdog",
)


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    state : "ok", "warning" or "failed".
    text : what was found, and what to do about it where it is not ok.
    """

    name: str
    state: Literal["ok", "warning", "failed"]
    text: str


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", help="Check this machine, a directory and a running dashboard.")(doctor)


def doctor(
    root: Annotated[Path | None, typer.Argument(help="directory to watch")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object, for scripts")] = False,
    state_dir: Annotated[Path | None, typer.Option(help="as for serve")] = None,
    port: Annotated[int | None, typer.Option(help="as for serve")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings")] = None,
) -> None:
    """Print the findings; exit 1 where something has failed."""
    from xpcs_dash.cli.in_force import log_as_command
    from xpcs_dash.settings import load_settings

    settings = load_settings(config, root=root, state_dir=state_dir, port=port)
    log_as_command(settings)
    findings = list(examine(settings))
    if as_json:
        print(json.dumps([asdict(found) for found in findings], ensure_ascii=False, indent=2))
    else:
        marks = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}
        for found in findings:
            print(f"{marks[found.state]}  {found.name}: {found.text}")
    if any(found.state == "failed" for found in findings):
        raise typer.Exit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, in the order of the report."""
    checks: tuple[tuple[str, Callable[[Settings], Finding]], ...] = (
        ("Python", _python),
        ("packages", _packages),
        ("state directory", _state),
        ("state", _sizes),
        ("catalogue", _catalogue),
        ("record", _record),
        ("directory", _root),
        ("watching", _watching),
        ("inotify limits", _limits),
        ("open files", _descriptors),
        ("port", _port),
        ("dashboard", _running),
        ("memory", _memory),
    )
    for name, check in checks:
        try:
            yield check(settings)
        except XpcsDashError as err:
            yield Finding(name, "failed", " ".join(str(err).split()))
        except Exception as err:  # the doctor must always finish
            yield Finding(name, "failed", f"could not be checked: {type(err).__name__}: {err}")


def _python(_settings: Settings) -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} at {sys.executable}, {os.cpu_count()} cores")


def _packages(_settings: Settings) -> Finding:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(
            "packages", "failed", f"missing: {', '.join(missing)}; run make venv or pip install xpcs-dash"
        )
    return Finding("packages", "ok", ", ".join(found))


def _state(settings: Settings) -> Finding:
    from xpcs_dash.acquisition.scan import file_system
    from xpcs_dash.cli.serve import check_state

    check_state(settings.state_dir)
    free = shutil.disk_usage(settings.state_dir).free / 2**30
    kind = file_system(settings.state_dir)
    text = f"{settings.state_dir}, {free:.1f} GB free, {kind}"
    if settings.catalogue_url is None and _is_network(kind):
        return Finding(
            "state directory", "warning", f"{text}; SQLite is unsafe there: choose a local --state-dir"
        )
    if free < 1.0:
        return Finding("state directory", "warning", f"{text}; free some space")
    return Finding("state directory", "ok", text)


def _is_network(kind: str | None) -> bool:
    from xpcs_dash.acquisition.scan import needs_polling

    return kind is not None and needs_polling(kind)


def _catalogue(settings: Settings) -> Finding:
    from xpcs_dash.database.catalogue import Catalogue
    from xpcs_dash.database.schema import INDEX, examine, where

    shown, found = where(settings.catalogue), examine(INDEX, settings.catalogue)
    if found.state != "good":
        return _not_good("catalogue", shown, found, "builds it anew from the files")
    catalogue = Catalogue(settings.catalogue, settings.roots)
    try:
        counts = catalogue.counts()
        text = ", ".join(f"{n} {state}" for state, n in counts.items())
        return Finding("catalogue", "ok", f"{shown}: {text}, revision {catalogue.stamp()}")
    finally:
        catalogue.close()


def _record(settings: Settings) -> Finding:
    from xpcs_dash.database.backup import age_s, backups
    from xpcs_dash.database.record.store import journal_of
    from xpcs_dash.database.schema import RECORD, examine, where

    shown, found = where(settings.record), examine(RECORD, settings.record)
    if found.state != "good":
        return _not_good("record", shown, found, "restores it from its backup and its journal")
    age = age_s(RECORD, settings.state_dir)
    n = len(backups(RECORD, settings.state_dir))
    kept = f"{n} backup(s), the last {age / 3600:.0f} h old" if age is not None else "no backup yet"
    damaged = journal_of(settings.state_dir).damaged()
    if damaged:
        text = f"{shown}: {kept}; {damaged} line(s) of the journal cannot be read, the others are whole"
        return Finding("record", "warning", text)
    if age is not None and age > 3 * 86400:
        return Finding("record", "warning", f"{shown}: {kept}; does xpcs-dash serve run, has the disk room?")
    return Finding("record", "ok", f"{shown}: {kept}")


def _not_good(name: str, shown: str, found: Found, remedy: str) -> Finding:
    if found.state == "missing":
        return Finding(name, "ok", f"{shown}: not there yet; xpcs-dash serve makes it, or {remedy}")
    if found.state == "older":
        return Finding(name, "ok", f"{shown}: of an older version; xpcs-dash serve brings it up to date")
    if found.state == "newer":
        return Finding(name, "failed", f"{shown}: schema {found.schema} of a newer version; start that one")
    return Finding(name, "failed", f"{shown}: damaged ({found.detail}); xpcs-dash serve {remedy}")


def _sizes(settings: Settings) -> Finding:
    from xpcs_dash.acquisition.housekeeping import part_sizes

    sizes = part_sizes(settings.state_dir)
    text = ", ".join(f"{name} {_bytes(size)}" for name, size in sizes.items())
    return Finding("state", "ok", f"{_bytes(sum(sizes.values()))}: {text or 'nothing yet'}")


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _root(settings: Settings) -> Finding:
    from xpcs_dash.acquisition.scan import walk
    from xpcs_dash.cli.serve import check_root

    if settings.root is None:
        return Finding("directory", "warning", "none given; add the directory to watch to check it as well")
    check_root(settings)
    started = time.perf_counter()
    scan = walk(settings.root, settings.file_suffixes)
    seconds = time.perf_counter() - started
    text = (
        f"{settings.root}: {len(scan.files)} files in {scan.directories} folders, walk {seconds * 1e3:.0f} ms"
    )
    if scan.unreadable:
        folder, reason = next(iter(scan.unreadable.items()))
        return Finding(
            "directory", "warning", f"{text}; {len(scan.unreadable)} cannot be read ({folder}: {reason})"
        )
    if seconds > settings.rescan_s:
        return Finding(
            "directory", "warning", f"{text}; that is slow: watch a smaller directory or raise rescan_s"
        )
    return Finding("directory", "ok", text)


def _watching(settings: Settings) -> Finding:
    from xpcs_dash.acquisition.scan import file_system, needs_polling

    if settings.root is None:
        return Finding("watching", "warning", "no directory given")
    kind = file_system(settings.root)
    if settings.watch_mode == "inotify" and needs_polling(kind):
        return Finding(
            "watching", "warning", f"inotify is forced on {kind}, which does not see other hosts' files"
        )
    mode = settings.watch_mode
    mode = ("polling" if needs_polling(kind) else "inotify") if mode == "auto" else mode
    return Finding("watching", "ok", f"{mode} on {kind}, and a walk every {settings.rescan_s:g} s")


def _limits(settings: Settings) -> Finding:
    from xpcs_dash.acquisition.scan import walk

    base = Path("/proc/sys/fs/inotify")
    if not base.is_dir():
        return Finding("inotify limits", "warning", "not available here: directories are polled")
    found = {name: int((base / name).read_text()) for name in ("max_user_watches", "max_user_instances")}
    text = f"{found['max_user_watches']} folders, {found['max_user_instances']} watchers for each user"
    folders = 0 if settings.root is None else walk(settings.root, ()).directories
    if folders > 0.8 * found["max_user_watches"]:
        return Finding(
            "inotify limits", "warning", f"{text}, {folders} needed; raise fs.inotify.max_user_watches"
        )
    return Finding("inotify limits", "ok", text)


def _descriptors(_settings: Settings) -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 512:
        return Finding(
            "open files", "warning", f"{soft} for each process is little; raise it with ulimit -n 1024"
        )
    return Finding("open files", "ok", f"{soft} for each process")


def _port(settings: Settings) -> Finding:
    from xpcs_dash.cli.serve import listen

    if _answer(settings) is not None:
        return Finding("port", "ok", f"{settings.port} on {settings.host} is in use by a running dashboard")
    listen(settings).close()
    return Finding("port", "ok", f"{settings.port} on {settings.host} is free")


def _answer(settings: Settings) -> dict[str, object] | None:
    from urllib.error import HTTPError, URLError
    from urllib.request import ProxyHandler, build_opener

    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    url = f"http://{host}:{settings.port}{settings.url_prefix}health"
    try:
        body = build_opener(ProxyHandler({})).open(url, timeout=2.0).read()
    except HTTPError as err:
        body = err.read()
    except (URLError, OSError):
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "checks" in found else None


def _running(settings: Settings) -> Finding:
    found = _answer(settings)
    where = f"{settings.host}:{settings.port}"
    if found is None:
        return Finding("dashboard", "ok", f"none answers at {where}; start one with xpcs-dash serve")
    if found.get("status") == "ok":
        return Finding("dashboard", "ok", f"one answers at {where} on {socket.gethostname()} and is well")
    return Finding(
        "dashboard", "warning", f"one answers at {where} and says: {json.dumps(found.get('checks'))}"
    )


def _memory(_settings: Settings) -> Finding:
    memory = Path("/proc/meminfo")
    if not memory.exists():
        return Finding("memory", "warning", "cannot be told on this system")
    rows = dict(line.split(":", 1) for line in memory.read_text().splitlines() if ":" in line)
    free = int(rows.get("MemAvailable", "0 kB").split()[0]) / 2**20
    state: Literal["ok", "warning"] = "ok" if free > 1.5 else "warning"
    note = "" if state == "ok" else "; sampling needs about 1.5 GB"
    return Finding("memory", state, f"{free:.1f} GB available{note}")
