"""The detector image with its q-map: the picture comes by URL, the figure itself is a kilobyte."""

from __future__ import annotations

import math
from typing import Any

from xpcs_dash.figures.curve import fixed_auto
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.images import layout_image
from xpcs_dash.figures.theme import axis, colormap, tokens


def colour_bar(limits: tuple[float, float], scale: str, colours: str, unit: str) -> dict[str, Any]:
    """A trace without points that carries the colour bar of a picture.

    Parameters
    ----------
    limits : values of the lowest and the highest colour.
    scale : "log" or "linear"; on "log" the bar is labelled at powers of ten.
    colours : name of the colour map.
    unit : title of the bar.
    """
    low, high = limits
    stops = [[i / 31, "rgb({},{},{})".format(*map(int, rgb))] for i, rgb in enumerate(colormap(colours, 32))]
    bar: dict[str, Any] = {
        "title": {"text": unit, "side": "right", "font": {"size": 12}},
        "thickness": 10,
        "outlinewidth": 0,
        "x": 1.01,
        "xpad": 0,
        "len": 1,
        "ypad": 0,
        "exponentformat": "power",
    }
    if scale == "log":
        low, high = math.log10(max(low, 1e-300)), math.log10(max(high, 1e-300))
        whole = list(range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1))
        if len(whole) >= 2:
            bar |= {"tickvals": whole, "ticktext": [f"10<sup>{k}</sup>".replace("-", "−") for k in whole]}
        else:
            steps = [low + (high - low) * i / 3 for i in range(4)]
            bar |= {"tickvals": steps, "ticktext": [f"{10.0**v:.2g}" for v in steps]}
    marker = {
        "color": [low],
        "cmin": low,
        "cmax": high,
        "colorscale": stops,
        "showscale": True,
        "colorbar": bar,
    }
    return {
        "type": "scatter", "mode": "markers", "x": [None], "y": [None], "marker": marker,
        "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip


def figure_detector(
    source: str | None,
    shape: tuple[int, int],
    centre: tuple[float, float] | None = None,
    theme: str = "dark",
    *,
    overlay: str | None = None,
    limits: tuple[float, float] | None = None,
    scale: str = "log",
    colours: str = "inferno",
    unit: str = "photons/pixel/frame",
) -> Drawing:
    """The detector image in pixels.

    Parameters
    ----------
    source : URL of the palette PNG; None leaves the axes empty.
    shape : (H, W) in pixels.
    centre : (x, y) of the direct beam, marked with a cross; None where it is not known.
    theme : "dark" or "light".
    overlay : URL of a transparent PNG with the borders of the q-bins, or None.
    limits : values of the lowest and the highest colour, for the colour bar; None leaves it out.
    scale, colours, unit : of the colour bar.
    """
    t = tokens(theme)
    height, width = shape
    images = [layout_image(source, shape)] if source else []
    if overlay:
        # Plotly tells images apart by their place alone: at exactly the same one, the second is not drawn
        images.append(layout_image(overlay, shape) | {"x": -0.5 + 1e-6})
    data: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "markers", "hoverinfo": "skip", "showlegend": False,
            "x": pack([centre[0]]) if centre else [], "y": pack([centre[1]]) if centre else [],
            "marker": {"symbol": "cross-thin", "size": 14, "line": {"color": t.accent, "width": 2}},
        }
    ]  # fmt: skip
    if limits is not None:
        data.append(colour_bar(limits, scale, colours, unit))
    raised = {
        "type": "rect", "xref": "x", "yref": "y",
        "x0": -0.5, "y0": -0.5, "x1": width - 0.5, "y1": height - 0.5,
        "fillcolor": t.raised if theme != "light" else t.grid, "line": {"width": 0}, "layer": "below",
    }  # fmt: skip
    layout = {
        # limits rather than ranges: a zoom survives the next file, a first look shows the whole detector
        "xaxis": axis(
            "x (px)", showgrid=False, constrain="domain", exponentformat="none", nticks=6, tickangle=0
        )
        | {"autorangeoptions": fixed_auto(-0.5, width - 0.5)},
        "yaxis": axis("y (px)", showgrid=False, scaleanchor="x", constrain="domain", exponentformat="none")
        | {"autorange": "reversed", "autorangeoptions": fixed_auto(-0.5, height - 0.5)},
        "images": images,
        "shapes": [raised],
        "margin": {"l": 54, "r": 76 if limits is not None else 12, "t": 8, "b": 42},
        "showlegend": False,
        "dragmode": "pan",
        "hovermode": False,
    }
    return Drawing(data, layout, theme)
