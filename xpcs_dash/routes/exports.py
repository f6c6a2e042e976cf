"""Downloads: any view of a file as a figure for paper or as numbers, and averaged result files.

A figure is drawn by the command line in a process of its own, so that the web process never loads Matplotlib,
a slow figure never holds up a page, and both ways give the same file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request, send_file

from xpcs_dash.errors import UsageError, XpcsDashError, not_found
from xpcs_dash.export.views import VIEWS

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile
    from xpcs_dash.services import Services

FORMATS = {
    "pdf": "application/pdf",
    "svg": "image/svg+xml",
    "png": "image/png",
    "csv": "text/csv; charset=utf-8",
    "h5": "application/x-hdf5",
}
#: Query names that become options of the command line, letter for letter.
OPTIONS = ("model", "sigma", "tmin", "tmax", "par", "q0", "q1", "column", "width-mm", "height-mm")
AT_ONCE = 2
TIMEOUT_S = 60


def download_name(xf: XpcsFile, view: str, q: str, suffix: str) -> str:
    """File name that says file, view and q-bins: ``A001_g2_q1-4.pdf``."""
    stem = xf.path.stem.removesuffix("_results")
    bins = "_q" + q.replace(",", "-") if q else ""
    return f"{stem}_{view}{bins}.{suffix}"


def blueprint(services: Services) -> Blueprint:
    """``/export/<file id>/<view>.<format>`` and ``/averages/<name>``."""
    routes = Blueprint("xpcs_dash_exports", __name__)
    slots = threading.BoundedSemaphore(AT_ONCE)

    @routes.get("/export/<int:file_id>/<view>.<suffix>")
    def export(file_id: int, view: str, suffix: str) -> Response:
        if view not in VIEWS or suffix not in FORMATS:
            raise UsageError(f"{view}.{suffix}: choose one of {', '.join(VIEWS)} as {', '.join(FORMATS)}.")
        xf = services.kernel.open(file_id)
        q = request.args.get("q", "")
        if not slots.acquire(timeout=TIMEOUT_S):
            raise UsageError("Too many exports at once: try again in a minute.")
        try:
            body = _run(xf.path, view, suffix, q)
        finally:
            slots.release()
        name = download_name(xf, view, q, suffix)
        made = Response(body, mimetype=FORMATS[suffix])
        made.headers.set("Content-Disposition", "attachment", filename=name)
        made.headers["Cache-Control"] = "no-store"
        return made

    @routes.get("/averages/<name>")
    def averaged(name: str) -> Response:
        folder = services.settings.averages_dir.resolve()
        path = (folder / name).resolve()
        if path.parent != folder or not path.is_file():
            raise not_found("averaged file", name, (found.name for found in folder.glob("*.hdf")))
        return send_file(path, as_attachment=True)

    return routes


def _run(path: Path, view: str, suffix: str, q: str) -> bytes:
    options = [f"--{name}={request.args[name]}" for name in OPTIONS if request.args.get(name)]
    if q:
        options.append(f"--q-bins={q}")
    with tempfile.TemporaryDirectory(prefix="xpcs-dash-export-") as folder:
        out = Path(folder) / f"export.{suffix}"
        command = [sys.executable, "-m", "xpcs_dash", "export", str(path)]
        command += [f"--figure={view}", f"--out={out}", f"--url={_page(view)}", *options]
        try:
            done = subprocess.run(  # noqa: S603 - a list, no shell; every value is checked by the command itself
                command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise UsageError(f"The export took longer than {TIMEOUT_S} s: choose fewer q-bins.") from None
        if done.returncode != 0:
            raise ExportError(done.stderr.strip().splitlines()[-1].removeprefix("xpcs-dash: "))
        return out.read_bytes()


class ExportError(XpcsDashError):
    """An export that could not be made, in the words of the command line."""


def _page(view: str) -> str:
    """Address of the page that shows the same; the browser sends the one it stands on."""
    return request.args.get("url") or request.referrer or f"{request.host_url}{view}"
