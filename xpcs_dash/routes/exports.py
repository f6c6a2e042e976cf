"""Downloads: any view of a file as a figure for paper or as numbers, and averaged result files.

A figure is drawn in a process of its own, which does what the command line does: so the web process never
loads Matplotlib, a slow figure never holds up a page, and both ways give the same file.
"""

from __future__ import annotations

import threading
from pathlib import Path

from flask import Blueprint, Response, request

from xpcs_dash.components.downloads import attach, send_kept
from xpcs_dash.errors import UnavailableError, UsageError, shown
from xpcs_dash.export import VIEWS
from xpcs_dash.results.identity import display_name
from xpcs_dash.routes.export_process import TIMEOUT_S, run_export
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, open_to

FORMATS = {
    "pdf": "application/pdf",
    "svg": "image/svg+xml",
    "png": "image/png",
    "csv": "text/csv; charset=utf-8",
    "h5": "application/x-hdf5",
}
AT_ONCE = 2


def download_name(path: Path, view: str, q: str, suffix: str) -> str:
    """File name that says file, view and q-bins: ``A001_g2_q1-4.pdf``."""
    bins = "_q" + q.replace(",", "-") if q else ""
    return f"{display_name(path)}_{view}{bins}.{suffix}"


def blueprint(services: Services) -> Blueprint:
    """``/export/<ref>/<view>.<format>`` and ``/averages/<name>``."""
    routes = Blueprint("xpcs_dash_exports", __name__)
    settings = services.settings
    slots = threading.BoundedSemaphore(AT_ONCE)

    @routes.get("/export/<ref>/<view>.<suffix>")
    @open_to(Role.VIEWER)
    def export(ref: str, view: str, suffix: str) -> Response:
        if view not in VIEWS or suffix not in FORMATS:
            asked = shown(f"{view}.{suffix}", 80)
            raise UsageError(f"{asked}: choose one of {', '.join(VIEWS)} as {', '.join(FORMATS)}.")
        xf = services.kernel.open(ref)
        order = {
            "settings": settings.model_dump(mode="json"),
            "path": str(xf.path),
            "view": view,
            "query": request.args.to_dict(),
            "url": _page(view),
        }
        if not slots.acquire(timeout=TIMEOUT_S):
            raise UnavailableError("Too many exports at once: try again in a minute.")
        try:
            body = run_export(order, suffix, settings.state_dir / "exports")
        finally:
            slots.release()
        made = Response(body, mimetype=FORMATS[suffix])
        made.headers["Cache-Control"] = "no-store"
        return attach(made, download_name(xf.path, view, request.args.get("q", ""), suffix))

    @routes.get("/averages/<name>")
    @open_to(Role.VIEWER)
    def averaged(name: str) -> Response:
        return send_kept(settings.averages_dir, name, "averaged file")

    return routes


def _page(view: str) -> str:
    """Address of the page that shows the same; the browser sends the one it stands on."""
    return request.args.get("url") or request.referrer or f"{request.host_url}{view}"
