"""The process in which the web makes one export: ``python -m xpcs_dash.cli.export_child``.

What to make comes as one line of JSON on stdin: ``parent`` (its process id), ``settings`` (those in force),
``path``, ``view``, ``out``, ``query`` and ``url``. What came of it goes as one line of JSON to stdout:
``{}``, or ``error`` with the sentence and ``kind`` of the error. It does what the command does, with the
settings of the dashboard, and dies with the process that started it.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from xpcs_dash.errors import NotFoundError, UsageError, XpcsDashError

__all__ = ["main"]


def main() -> int:
    """Read the order, carry it out, say what came of it."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    from xpcs_dash.acquisition.processes import ONE_THREAD, end_with_parent

    end_with_parent(int(order["parent"]), signal.SIGKILL)
    import os

    os.environ.update(ONE_THREAD)
    try:
        make(order)
    except XpcsDashError as err:
        print(json.dumps({"error": " ".join(str(err).split()), "kind": kind_of(err)}))
        return 1
    except MemoryError:
        said = "There is not enough memory for this export: choose fewer q-bins, or try again in a moment."
        print(json.dumps({"error": said, "kind": "unavailable"}))
        return 1
    print("{}")
    return 0


def make(order: dict[str, Any]) -> None:
    """Write the export that the order describes."""
    from xpcs_dash.backend import use_backend
    from xpcs_dash.cli.export_request import ExportRequest
    from xpcs_dash.export.write import export
    from xpcs_dash.logs import configure_logging
    from xpcs_dash.results.door import open_file
    from xpcs_dash.settings import Settings

    settings = Settings(**order["settings"])
    configure_logging(settings.log_level, "export", settings.log_format)
    use_backend(settings.backend)
    options = ExportRequest.from_query(order["query"]).options(order["view"])
    xf = open_file(Path(order["path"]), settings)
    export(xf, order["view"], Path(order["out"]), options, settings, order["url"])


def kind_of(err: XpcsDashError) -> str:
    """How the route answers: "not-found", "usage" or "file"."""
    if isinstance(err, NotFoundError):
        return "not-found"
    return "usage" if isinstance(err, UsageError) else "file"


if __name__ == "__main__":
    sys.exit(main())
