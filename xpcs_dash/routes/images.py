"""Detector images as palette PNG, cached by every browser for good: the address names the file's contents."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from flask import Blueprint, Response, request

from xpcs_dash.components.views import FOREVER
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.images import Scale, detector_png, palette_png
from xpcs_dash.results.xpcs_file import XpcsFile
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, open_to

COLOURMAPS = ("inferno", "viridis", "gray", "magma", "cividis", "turbo", "plasma")

Params = tuple[Any, ...]


def scattering(xf: XpcsFile, scale: str, cmap: str, low: float | None, high: float | None) -> bytes:
    """Time-averaged image; masked pixels are transparent."""
    if xf.saxs_2d is None:
        raise UsageError(f"{xf.path.name} holds no detector image.")
    limits = (low, high) if low is not None and high is not None else None
    shown: Scale = "linear" if scale == "linear" else "log"
    return detector_png(xf.saxs_2d, xf.mask, shown, limits, cmap)


def labels(xf: XpcsFile, which: str, cmap: str) -> bytes:
    """Bins of the dynamic or static map, neighbouring labels told apart by colour; label 0 is transparent."""
    found = xf.dqmap if which == "dynamic" else xf.sqmap
    if found is None:
        raise UsageError(f"{xf.path.name} holds no {which} q-map.")
    top = max(1, int(found.max()))
    index = np.where(found > 0, 1 + ((found.astype(np.int64) - 1) * 254) // max(1, top - 1), 0)
    return palette_png(np.minimum(index, 255).astype(np.uint8), cmap)


def blueprint(services: Services) -> Blueprint:
    """Routes ``/img/<ref>/<token>/<name>.png``."""
    routes = Blueprint("xpcs_dash_images", __name__)

    def answer(
        ref: str, token: str, name: str, params: Params, make: Callable[[XpcsFile], bytes]
    ) -> Response:
        xf = services.kernel.open(ref)
        etag = f"{xf.key.token}-{name}-{zlib.crc32(repr(params).encode()):x}"
        current = token == xf.key.token
        if current and etag in request.if_none_match:
            return Response(status=304, headers={"ETag": f'"{etag}"'})
        png = services.kernel.derived(ref, f"img.{name}", params, make)
        made = Response(png, mimetype="image/png")
        made.set_etag(etag)
        # another token stands for contents that are gone: show what is there now, remember nothing
        made.headers["Cache-Control"] = FOREVER if current else "no-store"
        return made

    @routes.get("/img/<ref>/<token>/scattering.png")
    @open_to(Role.VIEWER)
    def scattering_png(ref: str, token: str) -> Response:
        scale, cmap = _choice("scale", ("log", "linear")), _choice("cmap", COLOURMAPS)
        low, high = _number("lo"), _number("hi")
        return answer(
            ref,
            token,
            "scattering",
            (scale, cmap, low, high),
            lambda xf: scattering(xf, scale, cmap, low, high),
        )

    @routes.get("/img/<ref>/<token>/<any(dynamic, static):which>.png")
    @open_to(Role.VIEWER)
    def labels_png(ref: str, token: str, which: str) -> Response:
        cmap = _choice("cmap", ("viridis", *COLOURMAPS))
        return answer(ref, token, which, (cmap,), lambda xf: labels(xf, which, cmap))

    return routes


def _choice(name: str, allowed: tuple[str, ...]) -> str:
    given = request.args.get(name, allowed[0])
    if given not in allowed:
        raise UsageError(f"{name}={given[:40]!r} is not one of {', '.join(dict.fromkeys(allowed))}.")
    return given


def _number(name: str) -> float | None:
    given = request.args.get(name)
    if given is None or given == "":
        return None
    try:
        value = float(given)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise UsageError(f"{name}={given[:40]!r} is not a number.")
    return value
