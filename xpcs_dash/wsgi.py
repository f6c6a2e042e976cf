"""The web process of ``xpcs-dash serve``: gunicorn with threads, on a socket that the supervisor holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

if TYPE_CHECKING:
    from xpcs_dash.settings import Settings

#: Gunicorn's heartbeat file lies in memory: a disk that stalls must not make workers look dead.
MEMORY = "/dev/shm"  # noqa: S108


class _Log(Logger):
    """Gunicorn's records take the way of all others, in the form that this process was given."""

    def setup(self, cfg: Any) -> None:
        """Leave the records to the root logger."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True


class DashboardServer(BaseApplication):
    """Gunicorn configured from our settings instead of its own command line.

    Parameters
    ----------
    settings : of the dashboard.
    fd : listening socket, inherited.
    """

    def __init__(self, settings: Settings, fd: int) -> None:
        self._settings, self._fd = settings, fd
        super().__init__()

    def load_config(self) -> None:
        """One process with threads for each of ``workers``; the application is built in the worker."""
        options: dict[str, Any] = {
            "bind": f"fd://{self._fd}",
            "workers": self._settings.workers,
            "threads": self._settings.threads,
            "worker_class": "gthread",
            "worker_tmp_dir": MEMORY if Path(MEMORY).is_dir() else None,
            "timeout": 120,
            "graceful_timeout": 3,
            "keepalive": 75,
            "preload_app": False,
            "proc_name": "xpcs-dash web",
            "loglevel": "warning",
            "accesslog": None,
            "logger_class": _Log,
            "control_socket_disable": True,
            "forwarded_allow_ips": "127.0.0.1,::1",
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """Build the application; runs in the worker process, after the fork."""
        from xpcs_dash.services import build_services
        from xpcs_dash.web import create_app

        return create_app(build_services(self._settings)).server


def run(settings: Settings, fd: int) -> None:
    """Serve until SIGTERM."""
    DashboardServer(settings, fd).run()
