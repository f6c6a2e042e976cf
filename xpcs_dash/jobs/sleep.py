"""A job that only waits: shows on any installation that queue, progress, cancel and recovery work."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from xpcs_dash.errors import UsageError
from xpcs_dash.jobs.context import JobContext, here


def run(params: Mapping[str, Any], ctx: JobContext) -> dict[str, Any]:
    """Wait ``seconds`` in ``steps`` steps and say which process did it.

    Raises
    ------
    UsageError
        Where ``fail`` gives a sentence, after the waiting.
    JobCancelled
        When somebody asked to stop.
    """
    seconds, steps = float(params.get("seconds", 1.0)), int(params.get("steps", 20))
    for step in range(steps):
        ctx.check()
        time.sleep(seconds / steps)
        ctx.progress((step + 1) / steps, f"waited {seconds * (step + 1) / steps:.1f} s", step=step + 1)
    if params.get("fail"):
        raise UsageError(str(params["fail"]))
    return {"worker": here(), "marker": params.get("marker")}
