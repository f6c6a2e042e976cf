"""The job behind *Average*: several result files become one, which viewers of the field open.

The worker reads the files itself, so it must see the directory and the state directory under the same paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpcs_dash.errors import UsageError
from xpcs_dash.jobs.context import JobContext


def run(params: Mapping[str, Any], ctx: JobContext) -> dict[str, Any]:
    """Average ``paths`` into ``out``.

    Returns
    -------
    dict
        ``path`` of the new file, ``files`` averaged, ``sources`` behind them.

    Raises
    ------
    UsageError
        Fewer than two files, or files that do not belong together.
    JobCancelled
        When somebody asked to stop; nothing is written then.
    """
    from xpcs_dash.analysis.averaging import average, to_result
    from xpcs_dash.hdf5.aps_writer import write_aps
    from xpcs_dash.results.opening import open_result

    paths = [Path(path) for path in params["paths"]]
    out = Path(params["out"])
    if len(paths) < 2:
        raise UsageError("An average needs two files at least: choose more in the file list.")

    def on_file(number: int) -> None:
        ctx.check()
        ctx.progress(number / (len(paths) + 1), f"{number} of {len(paths)} files", files=number)

    running = average(paths, open_result, on_file)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_aps(out, to_result(running))
    ctx.progress(1.0, f"wrote {out.name}", force=True, files=len(paths))
    return {"path": str(out), "files": len(paths), "sources": len(running.sources)}
