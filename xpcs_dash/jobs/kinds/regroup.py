"""The job that recomputes g2 for the bins of another partition from the per-pixel G2 of a file.

`prepare` runs in the dispatcher. The worker reads the file itself, through a door like the dashboard's, so
it must see the directory and the state directory under the same paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpcs_dash.jobs.context import JobContext

if TYPE_CHECKING:
    from xpcs_dash.settings import Settings


def prepare(params: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """What the worker needs: the file, looked at through the door, and the settings in force.

    Raises
    ------
    FileError
        Where it is gone or lies outside what may be read.
    """
    from xpcs_dash.results.door import Door

    path = Door(settings).key(Path(params["path"])).path
    return {**params, "path": str(path), "settings": settings.model_dump(mode="json")}


def run(payload: Mapping[str, Any], ctx: JobContext) -> dict[str, Any]:
    """Recompute g2 of the file ``path`` for the bins of the file ``partition`` and write it to ``out``.

    Returns
    -------
    dict
        ``path`` of the new file, ``bins`` and ``delays`` in it.

    Raises
    ------
    UsageError
        Where the file has no per-pixel G2, or the partition belongs to another detector.
    JobCancelled
        When somebody asked to stop; nothing is written then.
    """
    from xpcs_dash.analysis.regroup import regroup_result
    from xpcs_dash.hdf5.aps_writer import write_aps
    from xpcs_dash.hdf5.partition_file import read_partition
    from xpcs_dash.results.door import open_file
    from xpcs_dash.settings import Settings

    settings = Settings(**payload["settings"])
    file, out = open_file(Path(payload["path"]), settings), Path(payload["out"])

    def one_delay(share: float) -> None:
        ctx.check()
        done = round(share * file.n_delay)
        ctx.progress(0.98 * share, f"{done} of {file.n_delay} delays", delays=done)

    made = regroup_result(file, read_partition(Path(payload["partition"])), one_delay)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_aps(out, made)
    ctx.progress(1.0, f"wrote {out.name}", force=True, delays=file.n_delay)
    return {"path": str(out), "bins": made.dynamic.n, "delays": file.n_delay}
