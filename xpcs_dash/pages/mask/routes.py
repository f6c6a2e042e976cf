"""Pictures, hover data and downloads of the mask page, each from the draft of the browser that asks."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import orjson
from flask import Blueprint, Response, request, send_file

from xpcs_dash.components.downloads import send_kept
from xpcs_dash.components.scope import browser_scope
from xpcs_dash.components.views import ARRAY, answer
from xpcs_dash.errors import UsageError, XpcsDashError
from xpcs_dash.figures.images import detector_png
from xpcs_dash.figures.mask import overlay_png
from xpcs_dash.figures.qmap import partition_png
from xpcs_dash.figures.theme import tokens
from xpcs_dash.pages.mask.compare import differing
from xpcs_dash.pages.mask.regroup import folder
from xpcs_dash.pages.mask.session import Workbench
from xpcs_dash.pages.qmap.routes import encode_intensity
from xpcs_dash.shell.allow import Role, open_to
from xpcs_dash.simplemask.draft import Draft
from xpcs_dash.simplemask.files import mask_bytes
from xpcs_dash.simplemask.geometry import Setting


def blueprint(bench: Workbench) -> Blueprint:
    """Routes below ``/mask-data``."""
    routes = Blueprint("xpcs_dash_mask", __name__, url_prefix="/mask-data")

    _add_pictures(routes, bench)
    _add_arrays(routes, bench)
    _add_versions(routes, bench)
    _add_regrouped(routes, bench)
    return routes


def _draft(bench: Workbench) -> tuple[str, Draft]:
    session = browser_scope()
    if not session:
        raise UsageError("this browser has no mask yet; open the mask page first.")
    return session, bench.store.load(session)


def _add_pictures(routes: Blueprint, bench: Workbench) -> None:
    @routes.get("/image.png")
    @open_to(Role.VIEWER)
    def image() -> Response:
        session, now = _draft(bench)
        opened = bench.image(session, now)
        limits = (_float("lo", 0.1), _float("hi", 1.0))
        scale = "linear" if request.args.get("scale") == "linear" else "log"
        body = detector_png(opened.image, None, scale, limits)
        return answer(body, "image/png", current=request.args.get("k") == bench.token(now, session))

    @routes.get("/overlay.png")
    @open_to(Role.VIEWER)
    def overlay() -> Response:
        session, now = _draft(bench)
        mask, _ = bench.mask(session, now)
        theme = "light" if request.args.get("theme") == "light" else "dark"
        colour = tokens(theme).line if theme == "light" else "#3d4c63"
        body = overlay_png(~mask, colour, 215)
        return answer(body, "image/png", current=request.args.get("k") == bench.digest(session, now))

    @routes.get("/bins.png")
    @open_to(Role.VIEWER)
    def bins() -> Response:
        session, now = _draft(bench)
        made = bench.partition(session, now)
        body = partition_png(made.dynamic.roi_map, made.num_pts)
        return answer(body, "image/png", current=request.args.get("k") == bench.partition_key(session, now))

    @routes.get("/difference.png")
    @open_to(Role.VIEWER)
    def difference() -> Response:
        session, now = _draft(bench)
        mask, _ = bench.mask(session, now)
        try:
            found = differing(bench, session, now, request.args.get("other", ""))
            shown = found.of(request.args.get("what", "mask"))
        except XpcsDashError:  # the sentences beside the image say why there is nothing to see
            shown = np.zeros_like(mask)
        return answer(overlay_png(shown, "#e69f00", 255), "image/png", current=False)


def _add_arrays(routes: Blueprint, bench: Workbench) -> None:
    @routes.get("/meta.json")
    @open_to(Role.VIEWER)
    def meta() -> Response:
        session, now = _draft(bench)
        opened = bench.image(session, now)
        found: dict[str, Any] = {
            "shape": opened.shape,
            "intensity": encode_intensity(opened.image, opened.frames)[0],
        }
        kernel = bench.kernel(session, now)
        if kernel.geometry is not None:
            g, setting = kernel.geometry, Setting(**dict(now.setting))
            found["geometry"] = {
                "bcx": g.bcx, "bcy": g.bcy, "pixel": g.pix_dim, "distance": g.det_dist, "k0": g.k0,
                "rotation": setting.rotation(), **setting.to_dict(),
            }  # fmt: skip
        body = orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)
        return answer(body, "application/json", current=False)

    @routes.get("/intensity.bin")
    @open_to(Role.VIEWER)
    def intensity() -> Response:
        session, now = _draft(bench)
        opened = bench.image(session, now)
        body = encode_intensity(opened.image, opened.frames)[1]
        return answer(body, ARRAY, current=request.args.get("k") == bench.token(now, session), X_Array="<u2")

    @routes.get("/<any(dynamic, static):which>.bin")
    @open_to(Role.VIEWER)
    def labels(which: str) -> Response:
        session, now = _draft(bench)
        made = bench.partition(session, now)
        values = (made.dynamic if which == "dynamic" else made.static).roi_map
        kind = "<u2" if int(values.max(initial=0)) < 65536 else "<u4"
        current = request.args.get("k") == bench.partition_key(session, now)
        return answer(values.astype(kind).tobytes(), ARRAY, current=current, X_Array=kind)


def _add_versions(routes: Blueprint, bench: Workbench) -> None:
    @routes.get("/version/<key>.<any(hdf, tif, npy):kind>")
    @open_to(Role.VIEWER)
    def version(key: str, kind: str) -> Response:
        mask = bench.store.version_mask(key)
        return send_file(
            io.BytesIO(mask_file(mask, kind)),
            mimetype="application/octet-stream",
            as_attachment=True,
            download_name=f"mask.{kind}",
        )

    @routes.get("/version/<key>.partition.hdf")
    @open_to(Role.VIEWER)
    def partition(key: str) -> Response:
        path = bench.store.version_partition(key)
        if path is None:
            raise UsageError("this version was saved without a partition.")
        return send_file(
            path, mimetype="application/x-hdf5", as_attachment=True, download_name="qmap.hdf", max_age=0
        )


def _add_regrouped(routes: Blueprint, bench: Workbench) -> None:
    @routes.get("/regrouped/<name>")
    @open_to(Role.VIEWER)
    def regrouped(name: str) -> Response:
        return send_kept(folder(bench), name, "recomputed file")


def mask_file(mask: np.ndarray, kind: str) -> bytes:
    """A mask as the bytes of a file."""
    if kind != "hdf":
        return mask_bytes(mask, kind)
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from xpcs_dash.simplemask.files import write_mask

    with TemporaryDirectory() as folder:
        return write_mask(Path(folder) / "mask.hdf", mask).read_bytes()


def _float(name: str, default: float) -> float:
    value = request.args.get(name, default, type=float)
    return float(value) if value is not None and np.isfinite(value) else default
