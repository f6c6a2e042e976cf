"""Pictures and compact arrays of the maps, at addresses that name the contents and may be kept for good."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
from flask import Blueprint, Response, request

from xpcs_dash.analysis.views import nested_labels
from xpcs_dash.components.views import ARRAY, answer
from xpcs_dash.errors import UsageError
from xpcs_dash.figures import qmap as figures
from xpcs_dash.figures.images import outline_png
from xpcs_dash.figures.theme import tokens
from xpcs_dash.pages.qmap.fields import field_of, labels_of
from xpcs_dash.pages.qmap.layout import COLOURS
from xpcs_dash.results.xpcs_file import XpcsFile
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, open_to


def map_png(xf: XpcsFile, kind: str, cmap: str) -> bytes:
    """Picture of one map."""
    if kind in ("dynamic", "static"):
        table = xf.dynamic if kind == "dynamic" else xf.static
        labels = labels_of(xf, kind)
        return figures.partition_png(labels, table.n if table is not None else int(labels.max()), cmap)
    if kind == "mask":
        if xf.mask is None:
            raise UsageError(f"{xf.path.name} holds no mask.")
        return figures.mask_png(xf.mask)
    values, limits = field_of(xf, kind)
    return figures.field_png(values, xf.mask, limits, cmap)


def prepare(services: Services, ref: str, query: Mapping[str, str]) -> None:
    """Leave the label map's picture that the page will ask for in the kernel's cache."""
    kind, cmap = query.get("map", "dynamic"), query.get("cmap", "viridis")
    if kind in ("dynamic", "static", "q", "phi", "mask") and cmap in COLOURS:
        services.kernel.derived(ref, f"map.{kind}", (cmap,), lambda xf: map_png(xf, kind, cmap))


def encode_intensity(image: Any, frames: int | None) -> tuple[dict[str, Any], bytes]:
    """The scattering image in two byte planes (low bytes, then high bytes) of 16-bit codes.

    Returns
    -------
    How to decode, and the planes: ``counts`` (value = code·scale, exact) where the image times the number of
    frames is whole numbers, else ``log`` (value = exp(offset + (code − 1)·scale), 0 for code 0; to 0.03 %).
    """
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if frames:
        counts = values * frames
        whole = np.rint(counts)
        if whole.max(initial=0) < 65536 and whole.min(initial=0) >= 0 and np.abs(counts - whole).max() < 0.02:
            return {"kind": "counts", "scale": 1.0 / frames}, _planes(whole.astype(np.uint16))
    positive = values[values > 0]
    if not positive.size:
        return {"kind": "counts", "scale": 1.0}, _planes(np.zeros(values.shape, np.uint16))
    low, high = float(np.log(positive.min())), float(np.log(positive.max()))
    scale = max((high - low) / 65534, 1e-12)
    code = np.zeros(values.shape, np.uint16)
    code[values > 0] = np.rint((np.log(positive) - low) / scale + 1)
    return {"kind": "log", "offset": low, "scale": scale}, _planes(code)


def _planes(code: Any) -> bytes:
    # the high bytes of photon counts are nearly all zero: apart, they pack to almost nothing
    return (code & 0xFF).astype(np.uint8).tobytes() + (code >> 8).astype(np.uint8).tobytes()


def describe(xf: XpcsFile) -> dict[str, Any]:
    """What the cursor's read-out needs besides the arrays."""
    nested = nested_labels(xf)
    shape = xf.geometry.shape if xf.geometry is not None else xf.detector_shape
    found: dict[str, Any] = {"shape": shape, "nested": nested, "q_unit": xf.q_unit}
    if xf.geometry is not None:
        g = xf.geometry
        found["geometry"] = {
            "bcx": g.bcx,
            "bcy": g.bcy,
            "pixel": g.pixel_m,
            "distance": g.distance_m,
            "k0": g.k0,
        }
    for name, table in (("dynamic", xf.dynamic), ("static", xf.static)):
        if table is not None:
            found[name] = {"n": table.n, "q": table.q, "phi": table.phi if table.num_pts[1] > 1 else None}
    if xf.saxs_2d is not None:
        found["intensity"] = encode_intensity(xf.saxs_2d, xf.n_frames)[0]
    found["files"] = {"static": xf.sqmap is not None, "dynamic": xf.dqmap is not None and nested is None}
    return found


def blueprint(services: Services) -> Blueprint:
    """Routes ``/map/<file>/<token>/<name>``."""
    routes = Blueprint("xpcs_dash_qmap", __name__)

    def kept(
        ref: str, token: str, name: str, params: tuple[Any, ...], make: Callable[[XpcsFile], bytes]
    ) -> Any:
        body = services.kernel.derived(ref, f"map.{name}", params, make)
        return body, services.kernel.open(ref).key.token == token

    def picture(ref: str, token: str, name: str, params: tuple[Any, ...], make: Any) -> Response:
        body, current = kept(ref, token, name, params, make)
        return answer(body, "image/png", current=current)

    @routes.get("/map/<ref>/<token>/<any(dynamic, static, q, phi, mask):kind>.png")
    @open_to(Role.VIEWER)
    def map_picture(ref: str, token: str, kind: str) -> Response:
        cmap = request.args.get("cmap", "viridis")
        cmap = cmap if cmap in COLOURS else "viridis"
        return picture(ref, token, kind, (cmap,), lambda xf: map_png(xf, kind, cmap))

    @routes.get("/map/<ref>/<token>/borders.png")
    @open_to(Role.VIEWER)
    def borders(ref: str, token: str) -> Response:
        chosen = tuple(int(part) for part in request.args.get("q", "").split(",") if part.isdecimal())[:64]
        theme = "light" if request.args.get("theme") == "light" else "dark"
        colour = tokens(theme).accent if theme == "light" else "#ffffff"
        return picture(
            ref,
            token,
            "borders",
            (chosen, colour),
            lambda xf: outline_png(labels_of(xf, "dynamic"), colour, chosen),
        )

    @routes.get("/map/<ref>/<token>/difference.png")
    @open_to(Role.VIEWER)
    def difference(ref: str, token: str) -> Response:
        other = request.args.get("other", "")
        which = "static" if request.args.get("which") == "static" else "dynamic"
        if not other:
            raise UsageError("A difference needs the name of the other file.")
        against = services.kernel.open(other)
        return picture(
            ref,
            token,
            "difference",
            (against.key.token, which),
            lambda xf: difference_picture(xf, against, which),
        )

    @routes.get("/map/<ref>/<token>/meta.json")
    @open_to(Role.VIEWER)
    def meta(ref: str, token: str) -> Response:
        body, current = kept(
            ref,
            token,
            "meta",
            (),
            lambda xf: orjson.dumps(describe(xf), option=orjson.OPT_SERIALIZE_NUMPY),
        )
        return answer(body, "application/json", current=current)

    @routes.get("/map/<ref>/<token>/<any(static, dynamic, intensity):name>.bin")
    @open_to(Role.VIEWER)
    def array(ref: str, token: str, name: str) -> Response:
        # made from what the file's cache holds; the browser keeps it, and no cache of ours a second copy
        xf = services.kernel.open(ref)
        current = xf.key.token == token
        if name != "intensity":
            return answer(np.asarray(labels_of(xf, name), dtype="<u2").tobytes(), ARRAY, current=current)
        if xf.saxs_2d is None:
            raise UsageError(f"{xf.path.name} holds no scattering image.")
        return answer(encode_intensity(xf.saxs_2d, xf.n_frames)[1], ARRAY, current=current)

    return routes


def difference_picture(here: XpcsFile, other: XpcsFile, which: str) -> bytes:
    """Where the maps of two files disagree.

    Raises
    ------
    UsageError
        For detectors of different shape.
    """
    a, b = labels_of(here, which), labels_of(other, which)
    if a.shape != b.shape:
        raise UsageError(f"The maps have different shapes: {a.shape} and {b.shape} pixels.")
    return figures.difference_png(a, b)
