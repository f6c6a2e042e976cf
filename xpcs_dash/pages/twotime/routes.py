"""Parts of C2 as pictures, at addresses that name file, bin, frames and colours."""

from __future__ import annotations

import math
from typing import Any

from flask import Blueprint, Response, request

from xpcs_dash.analysis import twotime
from xpcs_dash.analysis.views import triangle
from xpcs_dash.components.views import answer
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.twotime import picture_png
from xpcs_dash.pages.twotime.layout import COLOURS
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, open_to


def blueprint(services: Services) -> Blueprint:
    """Route ``/twotime-img/<file>/<token>/<label>.png``."""
    routes = Blueprint("xpcs_dash_twotime", __name__)

    @routes.get("/twotime-img/<ref>/<token>/<int:label>.png")
    @open_to(Role.VIEWER)
    def part(ref: str, token: str, label: int) -> Response:
        rows, columns = (_frames("r0"), _frames("r1")), (_frames("c0"), _frames("c1"))
        limits = (_float("lo"), _float("hi"))
        cmap = request.args.get("cmap", "viridis")
        cmap = cmap if cmap in COLOURS else "viridis"
        if rows[1] <= rows[0] or columns[1] <= columns[0]:
            raise UsageError("A picture of C2 needs rising frame ranges.")

        def make(xf: Any) -> bytes:
            data = triangle(services.kernel, ref, label)
            shown = twotime.picture(data, rows, columns, read=reader(xf, label))
            return picture_png(shown.values, limits, cmap)

        body = services.kernel.derived(ref, "twotime.png", (label, rows, columns, limits, cmap), make)
        return answer(body, "image/png", current=services.kernel.open(ref).key.token == token)

    return routes


def reader(xf: Any, label: int) -> Any:
    """Reads full resolution from the file, for zooms that the kept triangle is too coarse for."""
    return lambda rows, columns: xf.twotime_block(label, rows, columns)


def _frames(name: str) -> int:
    given = request.args.get(name, "")
    if not given.isdecimal() or len(given) > 9:
        raise UsageError(f"{name} must be a frame number.")
    return int(given)


def _float(name: str) -> float:
    try:
        value = float(request.args.get(name, ""))
    except ValueError:
        value = float("nan")
    if not math.isfinite(value):
        raise UsageError(f"{name} must be a number.")
    return value
