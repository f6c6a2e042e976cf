"""How every process logs: one form on stderr for our records, by structlog, and for those of other packages.

Modules take their logger from `get_logger` and say an event and its facts::

    log = get_logger(__name__)
    log.warning("job lost its worker", job=12, state="queued")

`configure_logging`, called once a process, decides how that is written. Where nobody called it (a script that
uses the package), records go to the standard library's logging like those of any package.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["LogFormat", "Logging", "configure_logging", "current_logging", "get_logger"]

LogFormat = Literal["text", "json"]

#: Packages that say more than anybody reads.
NOISY = ("watchdog", "distributed", "matplotlib", "fontTools", "alembic")

#: What each line begins with.
FIRST = ("time", "level", "process", "logger", "event")


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; cheap, and follows what is configured later."""
    if not structlog.is_configured():
        _configure()  # structlog's own default writes to stdout, which belongs to answers
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def configure_logging(level: str, process: str, form: LogFormat = "text") -> None:
    """Log to stderr, one line a record, with the time, the level and the name of the process.

    Parameters
    ----------
    level : "debug", "info", "warning" or "error".
    process : name of this process: "serve", "ingest", "web", "jobs", "worker", …
    form : "text" for ``key=value`` with tracebacks below, "json" for one object a line.
    """
    Logging(level, form).begin(process)


@dataclass(frozen=True)
class Logging:
    """How a process logs, for the processes that it starts itself: those get no settings."""

    level: str
    form: LogFormat

    def begin(self, process: str) -> None:
        """Log like this from here on, under the name of this process."""
        _configure()
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Form(process, self))
        logging.basicConfig(level=self.level.upper(), handlers=[handler], force=True)
        # distributed configures its own loggers when it is imported
        os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")
        for noisy in NOISY:
            logging.getLogger(noisy).setLevel(logging.WARNING)


def current_logging() -> Logging | None:
    """How this process logs; None where `configure_logging` was not called."""
    forms = [handler.formatter for handler in logging.getLogger().handlers]
    return next((form.told for form in forms if isinstance(form, _Form)), None)


class _Form(structlog.stdlib.ProcessorFormatter):
    def __init__(self, process: str, told: Logging) -> None:
        json = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        super().__init__(
            processors=[
                _placed(process),
                self.remove_processors_meta,
                structlog.processors.format_exc_info,
                json if told.form == "json" else _as_text,
            ]
        )
        self.told = told


def _configure() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _placed(process: str) -> Processor:
    """Adds what the record knows: when, how grave, which process, and whose logger it is."""

    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        record: logging.LogRecord = event["_record"]
        when = datetime.fromtimestamp(record.created).astimezone()  # with the offset: local, and unambiguous
        placed: dict[str, Any] = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": process,
            "logger": record.name.removeprefix("xpcs_dash."),
        }
        return placed | {f"{name}_" if name in placed else name: value for name, value in event.items()}

    return add


_PAIRS = structlog.processors.LogfmtRenderer(key_order=FIRST, drop_missing=True, bool_as_flag=False)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _as_text(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """``key=value`` on one line; a traceback stands below it as Python prints it."""
    traceback = event.pop("exception", None)
    # a file may be called anything: no name of one steers a terminal
    line = _CONTROL.sub(lambda found: repr(found[0])[1:-1], _PAIRS(logger, method, event))
    return f"{line}\n{traceback}" if traceback else line
