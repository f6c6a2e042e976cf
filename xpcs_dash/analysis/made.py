"""The jobs that make files of files: averages, and g2 recomputed for the bins of another partition.

`prepare_…` runs in the dispatcher. The worker reads the files itself, through a door like the dashboard's, so
it must see the directory and the state directory under the same paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from xpcs_dash.errors import UsageError

if TYPE_CHECKING:
    from xpcs_dash.settings import Settings

__all__ = ["Context", "average", "prepare_average", "prepare_regroup", "regroup"]


class Context(Protocol):
    """What a job sees of the outside: `xpcs_dash.jobs.context.JobContext`."""

    def check(self) -> None:
        """Raise where somebody asked the job to stop."""

    def cancelled(self) -> bool:
        """True once somebody asked the job to stop."""

    def progress(
        self, fraction: float, message: str | None = None, *, force: bool = False, **detail: Any
    ) -> None:
        """Report how far the job is, 0 to 1, with a sentence and numbers to show."""


def prepare_average(params: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
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


def average(payload: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Average ``paths`` into ``out``, which viewers of the field open.

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
    from xpcs_dash.analysis import averaging
    from xpcs_dash.hdf5.aps_writer import write_aps
    from xpcs_dash.results.door import Door
    from xpcs_dash.settings import Settings

    door = Door(Settings(**payload["settings"]))
    paths = [Path(path) for path in payload["paths"]]
    out = Path(payload["out"])

    def on_file(number: int) -> None:
        ctx.check()
        ctx.progress(number / (len(paths) + 1), f"{number} of {len(paths)} files", files=number)

    running = averaging.average(paths, door.open, on_file)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_aps(out, averaging.to_result(running))
    ctx.progress(1.0, f"wrote {out.name}", force=True, files=len(paths))
    return {"path": str(out), "files": len(paths), "sources": len(running.sources)}


def prepare_regroup(params: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """What the worker needs: the file, looked at through the door, and the settings in force.

    Raises
    ------
    FileError
        Where it is gone or lies outside what may be read.
    """
    from xpcs_dash.results.door import Door

    path = Door(settings).key(Path(params["path"])).path
    return {**params, "path": str(path), "settings": settings.model_dump(mode="json")}


def regroup(payload: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
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
