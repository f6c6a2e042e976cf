"""What the q-map page draws over the detector."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpcs_dash.components.views import Looked, name_of
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.format import count, percent
from xpcs_dash.figures.images import percentile_limits
from xpcs_dash.figures.qmap import difference_index, figure_qmap
from xpcs_dash.pages.qmap.fields import field_of, labels_of
from xpcs_dash.services import Services


def shape_of(xf: Any) -> tuple[int, int]:
    """Rows and columns of the detector.

    Raises
    ------
    UsageError
        Where the file holds no map.
    """
    shape: tuple[int, int] | None = xf.geometry.shape if xf.geometry is not None else xf.detector_shape
    if shape is None:
        raise UsageError("This file holds no q-map; none is invented.")
    return shape


def draw(services: Services, seen: Looked, kind: str, cmap: str) -> tuple[Any, str]:
    """Figure of one map and its conditions."""
    xf = seen.xf
    shape = shape_of(xf)
    centre = (xf.geometry.bcx, xf.geometry.bcy) if xf.geometry is not None else None
    chosen = seen.labels(range(1, xf.n_q + 1)) if xf.dqmap is not None else ()
    overlay = (
        seen.url("map", "borders.png", q=",".join(map(str, chosen)), theme=seen.theme) if chosen else None
    )
    limits: tuple[float, float] | None = None
    colours = cmap
    words = f"{count(shape[0])} × {count(shape[1])} px"
    if kind == "scattering":
        if xf.saxs_2d is None:
            raise UsageError("This file holds no scattering image.")
        colours = "inferno"
        limits = services.kernel.derived(
            seen.ref, "limits", ("log", 1.0, 99.7), lambda f: percentile_limits(f.saxs_2d, f.mask)
        )
        source = seen.url("img", "scattering.png", scale="log", cmap=colours, lo=limits[0], hi=limits[1])
        words = f"log · 1 to 99.7 % · {words}"
    elif kind == "difference":
        source, words = _difference(services, seen)
    else:
        source = seen.url("map", f"{kind}.png", cmap=cmap)
        if kind in ("q", "phi"):
            limits = _field_limits(services, seen.ref, kind)
        elif kind != "mask":
            labels_of(xf, kind)
            table = xf.dynamic if kind == "dynamic" else xf.static
            limits = (1.0, float(table.n)) if table is not None else None
            words = f"{table.n if table else '?'} bins · {words}"
    fig = figure_qmap(
        source, shape, centre, seen.theme, kind=kind, limits=limits, colours=colours, overlay=overlay
    )
    return fig, words


def _field_limits(services: Services, ref: str, kind: str) -> tuple[float, float]:
    return services.kernel.derived(ref, "field.limits", (kind,), lambda xf: field_of(xf, kind)[1])


def _difference(services: Services, seen: Looked) -> tuple[str, str]:
    ids = seen.selection.refs
    if len(ids) < 2:
        raise UsageError("Choose two files in the file panel to see where their dynamic maps differ.")
    other = services.kernel.open(ids[1])
    here, there = labels_of(seen.xf, "dynamic"), labels_of(other, "dynamic")
    if here.shape != there.shape:
        raise UsageError(
            f"The detectors differ: {seen.xf.path.name} has {here.shape} pixels, "
            f"{other.path.name} {there.shape}."
        )
    share = float(np.mean(difference_index(here, there) > 1))
    words = f"dynamic map against {name_of(services, ids[1])} · {percent(share, 1)} of the pixels differ"
    return seen.url("map", "difference.png", other=ids[1], which="dynamic", t=other.key.token), words
