"""An export in a process of its own, whatever becomes of that process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xpcs_dash.errors import NotFoundError, UnavailableError, UsageError, XpcsDashError
from xpcs_dash.logs import get_logger

__all__ = ["TIMEOUT_S", "ExportError", "run_export"]

log = get_logger(__name__)

TIMEOUT_S = 60.0
#: No export is this old (s): what it left behind may go.
DEBRIS_S = 600.0
CHILD = (sys.executable, "-m", "xpcs_dash.cli.export_child")
KINDS: Mapping[str, type[XpcsDashError]] = {
    "usage": UsageError,
    "not-found": NotFoundError,
    "unavailable": UnavailableError,
}
AGAIN = "try again, with fewer q-bins or another form"


class ExportError(XpcsDashError):
    """An export that could not be made because of what the file holds."""


def run_export(order: Mapping[str, Any], suffix: str, scratch: Path) -> bytes:
    """Make one export and return its bytes; nothing of it stays on the disk.

    Parameters
    ----------
    order : for `xpcs_dash.cli.export_child`, without ``parent`` and ``out``.
    suffix : form of the export.
    scratch : directory for what lies between; made where it is missing.

    Raises
    ------
    UsageError, NotFoundError, ExportError
        What the child says.
    UnavailableError
        Where the child was killed, took too long or broke.
    """
    with _folder(scratch) as folder:
        out = folder / f"export.{suffix}"
        _run({**order, "parent": os.getpid(), "out": str(out)})
        try:
            return out.read_bytes()
        except OSError as err:
            raise UnavailableError(f"The export is not there ({err.strerror}): {AGAIN}.") from None


def _run(order: Mapping[str, Any]) -> None:
    child = subprocess.Popen(  # noqa: S603 - a list, no shell; what is asked for goes through a pipe
        CHILD,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, complained = child.communicate(json.dumps(order) + "\n", timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"The export took longer than {TIMEOUT_S:g} s: {AGAIN}.") from None
    finally:
        _end(child)
    answer = _answer(said)
    if child.returncode == 0 and answer == {}:
        return
    if "error" in answer:
        raise KINDS.get(str(answer.get("kind")), ExportError)(str(answer["error"]))
    log.error("an export failed", code=child.returncode, stderr=complained[-4000:])
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise UnavailableError(
            f"The export was stopped from outside ({name}), perhaps for want of memory: {AGAIN}."
        )
    raise UnavailableError(f"The export broke off; the log of the server says more: {AGAIN}.")


def _answer(said: str) -> dict[str, Any]:
    try:
        found = json.loads(said.strip().rpartition("\n")[2])
    except ValueError:
        return {"none": True}
    return found if isinstance(found, dict) else {"none": True}


def _end(child: subprocess.Popen[str]) -> None:
    """Whatever of the child still runs ends here, with what it started itself."""
    if child.poll() is None:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            child.kill()
        child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


@contextmanager
def _folder(scratch: Path) -> Iterator[Path]:
    """A directory for one export; what killed servers left behind is thrown away first."""
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        sweep(scratch)
        made = tempfile.mkdtemp(dir=scratch)
    except OSError as err:
        raise UnavailableError(
            f"No export can be written in the state directory ({err.strerror}): free some space."
        ) from None
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sweep(scratch: Path) -> None:
    """Throw away what is older than any export can be."""
    limit = time.time() - DEBRIS_S
    for left in scratch.iterdir():
        try:
            if left.stat().st_mtime < limit:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:  # another process throws it away as well
            continue
