"""Entry point of every process that the supervisor starts: ``python -m xpcs_dash.acquisition.child``.

What to run comes as one line of JSON on stdin, so that no address with a password shows in the list of
processes. The kernel ends a child whose parent dies.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from xpcs_dash.acquisition.processes import ONE_THREAD, end_with_parent
from xpcs_dash.logs import configure_logging


def main() -> int:
    """Read the order, run it."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    end_with_parent(int(order["parent"]), signal.SIGTERM)
    # an interrupt in the terminal goes to the supervisor, which stops its children in order
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if order.get("one_thread", True):
        os.environ.update(ONE_THREAD)

    from xpcs_dash.acquisition.readers import resolve
    from xpcs_dash.errors import XpcsDashError
    from xpcs_dash.settings import Settings

    settings = Settings(**order["settings"])
    configure_logging(settings.log_level, order["name"], settings.log_format)
    try:
        resolve(order["target"])(settings, **order.get("args", {}))
    except XpcsDashError as err:
        sys.stderr.write(f"xpcs-dash {order['name']}: {' '.join(str(err).split())}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
