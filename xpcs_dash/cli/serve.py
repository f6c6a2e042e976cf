"""``xpcs-dash serve``, ``demo``, ``replay`` and ``index``: the commands that follow a directory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from xpcs_dash.errors import UsageError

if TYPE_CHECKING:
    from xpcs_dash.acquisition.supervisor import Spec
    from xpcs_dash.settings import Settings

#: The processes of a dashboard.
PARTS = ("ingest", "web", "jobs")
#: The job process starts last: nobody waits for it, and its imports would hold up the first page.
JOBS_DELAY_S = 2.0
#: Housekeeping waits until what people wait for is done, and comes again every hour, s.
HOUSEKEEPING_DELAY_S, HOUSEKEEPING_S = 30.0, 3600.0

Host = Annotated[str | None, typer.Option(help="address to listen on; 0.0.0.0 for all of this machine")]
Port = Annotated[int | None, typer.Option(help="port to listen on; 0 takes a free one")]
Prefix = Annotated[str | None, typer.Option(help="path under which a proxy serves the dashboard, as /xpcs/")]
State = Annotated[Path | None, typer.Option(help="where catalogue, fits, masks and notes are kept")]
Config = Annotated[Path | None, typer.Option(help="TOML file with settings")]
Workers = Annotated[int | None, typer.Option(help="web worker processes")]
Mode = Annotated[str | None, typer.Option(help="auto, inotify or polling")]
Only = Annotated[str | None, typer.Option(help="run only these of ingest,web,jobs, comma separated")]
ReadOnly = Annotated[bool | None, typer.Option("--read-only", help="nobody may write through the web")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("serve", help="Watch a directory of result files and show it in the browser.")(serve)
    app.command("demo", help="Show a simulated beamline that writes a new file every few seconds.")(demo)
    app.command("replay", help="Show the files of a directory again, in the order in which they came.")(
        replay
    )
    app.command("index", help="Read what is new in a directory into the catalogue, then end.")(index)


def serve(
    root: Annotated[Path | None, typer.Argument(help="directory to watch, with all below it")] = None,
    host: Host = None,
    port: Port = None,
    url_prefix: Prefix = None,
    state_dir: State = None,
    config: Config = None,
    workers: Workers = None,
    watch_mode: Mode = None,
    read_only: ReadOnly = None,
    only: Only = None,
) -> None:
    """Run the dashboard until Ctrl-C or SIGTERM."""
    from xpcs_dash.settings import load_settings

    settings = load_settings(
        config,
        root=root,
        host=host,
        port=port,
        url_prefix=url_prefix,
        state_dir=state_dir,
        workers=workers,
        watch_mode=watch_mode,
        read_only=read_only,
    )
    run_dashboard(settings, parts=_parts(only))


def demo(
    interval: Annotated[float, typer.Option(help="seconds between two files", min=0.05)] = 4.0,
    seed: Annotated[int, typer.Option(help="the same seed gives the same files")] = 1,
    files: Annotated[int, typer.Option(help="files that are there at the start", min=0)] = 12,
    limit: Annotated[int, typer.Option(help="stop writing after so many files; 0: never", min=0)] = 0,
    directory: Annotated[
        Path | None, typer.Option(help="where the simulated files go; default: a temporary directory")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="directory for what was put into each file, as JSON; the files' own will do"),
    ] = None,
    host: Host = None,
    port: Port = None,
    url_prefix: Prefix = None,
    state_dir: State = None,
    config: Config = None,
    only: Only = None,
) -> None:
    """Simulate a beamline in a directory and serve it."""
    from xpcs_dash.acquisition.supervisor import Spec

    with _Scratch("xpcs-dash-demo-") as scratch:
        root = directory or scratch.path / "data"
        root.mkdir(parents=True, exist_ok=True)
        given = _settings(config, root, state_dir or scratch.path / "state", host, port, url_prefix)
        # nothing in it is worth a token
        settings = given.model_copy(update={"open_on_loopback": True})
        arguments: dict[str, Any] = {
            "interval_s": interval,
            "seed": seed,
            "backlog": files,
            "limit": limit,
        }
        if truth is not None:
            arguments["truth"] = str(truth.absolute())
        writer = Spec("simulator", "xpcs_dash.acquisition.simulator:run", arguments, once=True)
        run_dashboard(settings, [writer], _parts(only), fall_back_port=port is None)


def replay(
    source: Annotated[Path, typer.Argument(help="directory to show again; nothing in it is changed")],
    speed: Annotated[float, typer.Option(help="how many times faster than they came", min=0.001)] = 10.0,
    longest: Annotated[float, typer.Option(help="longest pause between two files, s", min=0.0)] = 30.0,
    loop: Annotated[bool, typer.Option("--loop", help="start again at the end")] = False,
    into: Annotated[
        Path | None, typer.Option(help="watched directory to fill; default: a temporary one")
    ] = None,
    host: Host = None,
    port: Port = None,
    url_prefix: Prefix = None,
    state_dir: State = None,
    config: Config = None,
    only: Only = None,
) -> None:
    """Feed existing files into a watched directory and serve it."""
    from xpcs_dash.acquisition.replay import plan
    from xpcs_dash.acquisition.supervisor import Spec

    with _Scratch("xpcs-dash-replay-") as scratch:
        root = into or scratch.path / "data"
        if root.resolve() == source.resolve() or root.resolve().is_relative_to(source.resolve()):
            raise UsageError(f"{root} lies inside {source}: choose another directory with --into.")
        root.mkdir(parents=True, exist_ok=True)
        settings = _settings(config, root, state_dir or scratch.path / "state", host, port, url_prefix)
        plan(source, settings.file_suffixes)
        arguments = {"source": str(source.resolve()), "speed": speed, "longest_s": longest, "loop": loop}
        feeder = Spec("replay", "xpcs_dash.acquisition.replay:run", arguments, once=True)
        run_dashboard(settings, [feeder], _parts(only), fall_back_port=port is None)


def index(
    root: Annotated[Path, typer.Argument(help="directory to read")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object, for scripts")] = False,
    state_dir: State = None,
    config: Config = None,
    limit: Annotated[
        float | None, typer.Option(help="seconds to wait for files that are not finished yet")
    ] = None,
) -> None:
    """Fill the catalogue without serving it."""
    from xpcs_dash.acquisition.service import index as run_index
    from xpcs_dash.acquisition.state import guard_of
    from xpcs_dash.cli.in_force import log_as_command
    from xpcs_dash.settings import load_settings

    settings = load_settings(config, root=root, state_dir=state_dir)
    log_as_command(settings)
    check_root(settings)
    with _Lock(settings):
        guard_of(settings).start()
        found = run_index(settings, limit)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    counts = found["files"]
    print(f"{found['root']}: {counts['ready']} ready, {counts['failed']} failed, {counts['waiting']} waiting")
    print(f"{found['read']} files read in {found['seconds']:.1f} s into {found['catalogue']}")
    for row in found["failed"]:
        print(f"  {row['state']}: {row['reason']}")


def run_dashboard(
    settings: Settings,
    extra: Sequence[Spec] = (),
    parts: Sequence[str] = PARTS,
    *,
    fall_back_port: bool = False,
) -> None:
    """Start the processes, print one URL when the web answers, and stay until told to stop.

    Parameters
    ----------
    settings : with ``root``.
    extra : processes beside the usual ones, such as the simulator.
    parts : which of `PARTS` to run.
    fall_back_port : take any free port where the wanted one is in use.

    Raises
    ------
    UsageError
        Directory, state directory, catalogue or port that cannot be used; a web that does not start.
    """
    from xpcs_dash.access.policy import Policy
    from xpcs_dash.access.tokens import ensure_own
    from xpcs_dash.acquisition.state import Watch, guard_of
    from xpcs_dash.acquisition.supervisor import Spec, Supervisor
    from xpcs_dash.database.catalogue import Catalogue
    from xpcs_dash.logs import configure_logging

    check_root(settings)
    Policy.of(settings)  # a proxy that must not be trusted is refused before anything starts
    configure_logging(settings.log_level, "serve", settings.log_format)
    token = ""
    if "web" in parts and not settings.read_only:
        token = ensure_own(settings.state_dir, settings.token.get_secret_value() if settings.token else "")
    listener = listen(settings, fall_back=fall_back_port) if "web" in parts else None
    with _Lock(settings) if "ingest" in parts else _Nothing():
        guard = guard_of(settings)
        guard.start()
        catalogue = Catalogue(settings.catalogue, settings.roots)
        specs = []
        if "ingest" in parts:
            specs.append(Spec("ingest", "xpcs_dash.acquisition.service:run"))
            specs.append(
                Spec(
                    "housekeeping",
                    "xpcs_dash.acquisition.housekeeping:run",
                    once=True,
                    every_s=HOUSEKEEPING_S,
                    delay_s=HOUSEKEEPING_DELAY_S,
                )
            )
        if listener is not None:
            fd = listener.fileno()
            specs.append(Spec("web", "xpcs_dash.wsgi:run", {"fd": fd}, fds=(fd,), one_thread=False))
        if "jobs" in parts:
            specs.append(Spec("jobs", "xpcs_dash.services:run_jobs", one_thread=False, delay_s=JOBS_DELAY_S))
        supervisor = Supervisor(settings, [*specs, *extra], catalogue)
        guard.on_index_lost = lambda: supervisor.restart("ingest")
        watch = Watch(guard, catalogue)
        waiter = None if listener is None else _Waiter(settings, listener, supervisor, token)

        def tick() -> None:
            watch()
            if waiter is not None:
                waiter()

        try:
            supervisor.run(tick)
        finally:
            catalogue.close()
            guard.stop()
            if listener is not None:
                listener.close()


class _Waiter:
    """Called by the supervisor ten times a second: prints the URL once the web answers."""

    def __init__(self, settings: Settings, listener: socket.socket, supervisor: Any, token: str = "") -> None:
        address, port = listener.getsockname()[:2]
        everywhere = address in ("0.0.0.0", "::")  # noqa: S104 - only compared
        local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
        shown = socket.gethostname() if everywhere else settings.host or local
        self.url = f"http://{_bracketed(shown)}:{port}{settings.url_prefix}"
        self._probe = f"http://{_bracketed(local)}:{port}{settings.url_prefix}health"
        self._link = f"{settings.public_url or self.url}?token={quote(token)}" if token else ""
        self._root, self._supervisor = settings.root, supervisor
        self._answered = False

    def __call__(self) -> None:
        if self._answered:
            return
        if self._supervisor.deaths("web") >= 3:
            raise UsageError("the web process ended three times while starting; its own messages are above.")
        if self._supervisor.running("web") and self._answers():
            self._answered = True
            print(f"xpcs-dash watches {self._root} and serves {self.url}", flush=True)
            if self._link:
                print(f"To change things there, open {self._link}", flush=True)

    def _answers(self) -> bool:
        from urllib.error import HTTPError, URLError
        from urllib.request import ProxyHandler, build_opener

        try:
            # no proxy: the request is to ourselves
            build_opener(ProxyHandler({})).open(self._probe, timeout=1.0).close()
        except HTTPError:
            # 503 is an answer: nothing has been indexed yet
            return True
        except (URLError, OSError):
            return False
        return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def check_root(settings: Settings) -> None:
    """Refuse a directory that is not there, with a sentence.

    Raises
    ------
    UsageError
    """
    root = settings.root
    if root is None:
        raise UsageError("no directory to watch; give it as an argument or as XPCS_DASH_ROOT.")
    if not root.exists():
        raise UsageError(f"{root} does not exist; create it or give another directory.")
    if not root.is_dir():
        raise UsageError(f"{root} is not a directory; give the directory that holds the result files.")
    if not os.access(root, os.R_OK | os.X_OK):
        raise UsageError(f"{root} may not be read by this user; change its permissions or the user.")
    check_state(settings.state_dir)


def check_state(state: Path) -> None:
    """Make sure that the state directory can be written and has room.

    Raises
    ------
    UsageError
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=state, prefix=".probe-") as probe:
            probe.write(bytes(65536))
            probe.flush()
    except OSError as err:
        reason = err.strerror or str(err)
        raise UsageError(
            f"the state directory {state} cannot be written ({reason}); choose another with --state-dir."
        ) from None
    free = shutil.disk_usage(state).free
    if free < 50 * 2**20:
        raise UsageError(
            f"the disk of the state directory {state} is full ({free / 2**20:.0f} MB free, 50 MB needed); "
            "free some or choose another with --state-dir."
        )


def listen(settings: Settings, *, fall_back: bool = False) -> socket.socket:
    """The listening socket; held by the supervisor, so a restart of the web process loses no connection.

    Raises
    ------
    UsageError
        Port in use, not allowed, or an address that this machine does not have.
    """
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(512)
    except OSError as err:
        found.close()
        if fall_back and err.errno == _IN_USE:
            return listen(settings.model_copy(update={"port": 0}))
        if err.errno == _IN_USE:
            raise UsageError(
                f"port {port} on {host} is in use, perhaps by another dashboard; choose another with --port, "
                "or --port 0 for a free one."
            ) from None
        raise UsageError(
            f"cannot listen on {host} port {port} ({err.strerror or err}); check --host and --port."
        ) from None
    return found


_IN_USE = 98 if sys.platform == "linux" else 48


class _Lock:
    """Keeps a second ingest away from the same state directory."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.state_dir / "ingest.lock"
        self._file: Any = None

    def __enter__(self) -> None:
        import fcntl

        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            other = self._file.read().strip()
            self._file.close()
            raise UsageError(
                f"another xpcs-dash (process {other or 'unknown'}) already fills the catalogue in "
                f"{self._path.parent}; use that one, or choose another place with --state-dir."
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


class _Scratch:
    """A temporary directory that goes away at the end, also after SIGTERM."""

    def __init__(self, prefix: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix))

    def __enter__(self) -> _Scratch:
        signal.signal(signal.SIGTERM, _interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _settings(
    config: Path | None, root: Path, state: Path, host: str | None, port: int | None, prefix: str | None
) -> Settings:
    from xpcs_dash.settings import load_settings

    return load_settings(config, root=root, state_dir=state, host=host, port=port, url_prefix=prefix)


def _parts(only: str | None) -> tuple[str, ...]:
    if only is None:
        return PARTS
    wanted = tuple(part.strip() for part in only.split(",") if part.strip())
    unknown = [part for part in wanted if part not in PARTS]
    if unknown or not wanted:
        raise UsageError(f"--only takes some of {', '.join(PARTS)}; found {only!r}.")
    return wanted
