"""The small map on which bins are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.g2 import fixed_auto
from xpcs_dash.figures.theme import colormap, tokens, with_alpha


def figure_bins(
    labels: np.ndarray,
    chosen: Sequence[int],
    stride: int,
    theme: str = "dark",
) -> Drawing:
    """The dynamic bins on the detector, small; the chosen ones bright. A click on one gives its label.

    Parameters
    ----------
    labels : (h, w) every ``stride``-th pixel of the dynamic map, 0 where masked.
    chosen : labels that are selected.
    stride : how many detector pixels one cell stands for.
    theme : "dark" or "light".
    """
    t = tokens(theme)
    n = max(int(labels.max(initial=0)), 1)
    # 0: masked, 1..n: plain bins, n+1..2n: chosen bins, so that one colour scale does both
    picked = np.isin(labels, np.asarray(list(chosen), dtype=labels.dtype)) & (labels > 0)
    z = labels.astype(np.float32) + np.where(picked, n, 0)
    table = colormap("viridis", 256)
    low, high = (62, 255) if theme != "light" else (0, 214)
    stops: list[list[Any]] = [[0.0, t.raised if theme != "light" else t.grid], [0.5 / (2 * n), t.line]]
    for k in range(n):
        stops.append([(k + 0.5) / (2 * n), with_alpha(t.faint, 0.35 + 0.25 * (k % 2))])
        stops.append([(k + 1.5) / (2 * n) - 1e-9, with_alpha(t.faint, 0.35 + 0.25 * (k % 2))])
    for k in range(n):
        rgb = table[round(low + (high - low) * k / max(n - 1, 1))]
        colour = "rgb({},{},{})".format(*map(int, rgb))
        stops.append([(n + k + 0.5) / (2 * n), colour])
        stops.append([min((n + k + 1.5) / (2 * n) - 1e-9, 1.0), colour])
    h, w = labels.shape
    heat = {
        "type": "heatmap", "z": pack(z), "zmin": 0, "zmax": 2 * n, "colorscale": stops, "showscale": False,
        "x0": 0, "dx": stride, "y0": 0, "dy": stride, "customdata": pack(labels, "i4"),
        "hovertemplate": "q-bin %{customdata}<extra></extra>",
    }  # fmt: skip
    layout = {
        "xaxis": {"visible": False, "autorangeoptions": fixed_auto(-0.5 * stride, (w - 0.5) * stride)},
        "yaxis": {
            "visible": False, "autorange": "reversed", "scaleanchor": "x", "constrain": "domain",
            "autorangeoptions": fixed_auto(-0.5 * stride, (h - 0.5) * stride),
        },
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "dragmode": False,
    }  # fmt: skip
    return Drawing([heat], layout, theme)
