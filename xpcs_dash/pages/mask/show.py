"""Addresses, limits and numbers that the mask page shows."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import numpy as np

from xpcs_dash.errors import XpcsDashError
from xpcs_dash.figures.images import percentile_limits
from xpcs_dash.figures.mask import styled_shapes
from xpcs_dash.pages.mask import forms
from xpcs_dash.pages.mask.session import NUMBERS, Workbench
from xpcs_dash.simplemask.draft import Draft
from xpcs_dash.simplemask.files import DetectorImage


def state_of(bench: Workbench, session: str, draft: Draft, **more: Any) -> dict[str, Any]:
    """Content of the store ``mask-state``: what changed, in short texts."""
    try:
        source = bench.token(draft, session)
    except XpcsDashError:
        source = ""
    known = all(draft.geometry.get(name) is not None for name in NUMBERS)
    return {"rev": draft.revision, "src": source, "geometry": known, **more}


def limits_of(image: DetectorImage, draft: Draft) -> tuple[float, float]:
    """Colour limits from the percentiles of the pixels that the file does not mask."""
    low, high = float(draft.view.get("low", 1.0)), float(draft.view.get("high", 99.7))
    scale = "linear" if draft.view.get("scale") == "linear" else "log"
    low, high = (low, high) if low < high else (1.0, 99.7)
    return percentile_limits(image.image, image.mask, scale, low, high)


def url(bench: Workbench, name: str, **query: Any) -> str:
    """Address of one of the page's data routes."""
    return f"{bench.services.settings.url_prefix}mask-data/{name}?{urlencode(query)}"


def picture_url(bench: Workbench, session: str, draft: Draft, limits: tuple[float, float]) -> str:
    """Address of the detector picture."""
    scale = draft.view.get("scale", "log")
    token = bench.token(draft, session)
    return url(bench, "image.png", k=token, scale=scale, lo=f"{limits[0]:.6g}", hi=f"{limits[1]:.6g}")


def overlay_url(bench: Workbench, session: str, draft: Draft, theme: str) -> str:
    """Address of the mask's overlay."""
    return url(bench, "overlay.png", k=bench.digest(session, draft), theme=theme)


def bins_url(bench: Workbench, session: str, draft: Draft) -> str:
    """Address of the picture of the bins."""
    return url(bench, "bins.png", k=bench.partition_key(session, draft))


def centre_of(draft: Draft) -> tuple[float, float] | None:
    """Beam centre (x, y) or None."""
    x, y = draft.geometry.get("bcx"), draft.geometry.get("bcy")
    return None if x is None or y is None else (float(x), float(y))


def shapes_of(draft: Draft, theme: str) -> list[dict[str, Any]]:
    """Entries of ``layout.shapes`` for the drawn operations."""
    drawn = [o for o in draft.area.operations if o.kind == "shape"]
    modes = [str(o.params.get("mode", "out")) for o in drawn]
    return styled_shapes(draft.area.drawings(), modes, [o.enabled for o in drawn], theme)


def count_text(mask: np.ndarray) -> str:
    """Valid pixels as the page shows them."""
    valid = int(np.count_nonzero(mask))
    return f"{valid:,} of {mask.size:,} px valid ({100 * valid / mask.size:.2f} %)"


def listed_versions(bench: Workbench) -> list[Any]:
    """The saved versions, each with what became of the file that it was drawn on."""
    found = bench.store.versions()
    now = bench.services.catalogue.versions({v.ref for v in found if v.ref})
    return forms.versions(found, bench.services.settings.url_prefix, now)
