"""The job behind *Average*: several result files become one, which viewers of the field open.

`prepare` runs in the dispatcher. The worker reads the files itself, through a door like the dashboard's, so
it must see the directory and the state directory under the same paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpcs_dash.errors import UsageError
from xpcs_dash.jobs.context import JobContext

if TYPE_CHECKING:
    from xpcs_dash.settings import Settings


def prepare(params: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """What the worker needs: the files, each looked at through the door, and the settings in force.

    Raises
    ------
    UsageError
        Fewer than two files.
    FileError
        Where one is gone or lies outside what may be read.
    """
    from xpcs_dash.results.door import Door

    door = Door(settings)
    paths = [str(door.key(Path(path)).path) for path in params["paths"]]
    if len(paths) < 2:
        raise UsageError("An average needs two files at least: choose more in the file list.")
    return {"paths": paths, "out": params["out"], "settings": settings.model_dump(mode="json")}


def run(payload: Mapping[str, Any], ctx: JobContext) -> dict[str, Any]:
    """Average ``paths`` into ``out``.

    Returns
    -------
    dict
        ``path`` of the new file, ``files`` averaged, ``sources`` behind them.

    Raises
    ------
    UsageError
        Files that do not belong together.
    JobCancelled
        When somebody asked to stop; nothing is written then.
    """
    from xpcs_dash.analysis.averaging import average, to_result
    from xpcs_dash.hdf5.aps_writer import write_aps
    from xpcs_dash.results.door import Door
    from xpcs_dash.settings import Settings

    door = Door(Settings(**payload["settings"]))
    paths = [Path(path) for path in payload["paths"]]
    out = Path(payload["out"])

    def on_file(number: int) -> None:
        ctx.check()
        ctx.progress(number / (len(paths) + 1), f"{number} of {len(paths)} files", files=number)

    running = average(paths, door.open, on_file)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_aps(out, to_result(running))
    ctx.progress(1.0, f"wrote {out.name}", force=True, files=len(paths))
    return {"path": str(out), "files": len(paths), "sources": len(running.sources)}
