"""The q-map page: partitions, fields and masks as pictures, pixels per bin as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xpcs_dash.figures.detector import figure_detector
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.images import full_palette, palette_png, to_index
from xpcs_dash.figures.theme import axis, colormap, tokens

#: What the page can draw -> (name, unit of the colour bar).
MAPS: dict[str, tuple[str, str]] = {
    "dynamic": ("Dynamic", "dynamic label"),
    "static": ("Static", "static label"),
    "q": ("q", "q (Å⁻¹)"),
    "phi": ("φ", "φ (°)"),
    "mask": ("Mask", ""),
    "scattering": ("Scattering", "photons/pixel/frame"),
    "difference": ("Difference", ""),
}


def striped_palette(name: str = "viridis") -> np.ndarray:
    """(256, 3) uint8: entry 0 masked; odd and even labels in two shades, so that neighbouring bins part."""
    colours = colormap(name, 127).astype(np.float64)
    table = np.zeros((256, 3), dtype=np.uint8)
    table[1:255:2] = np.rint(0.35 * 255 * 0.12 + 0.93 * colours).clip(0, 255)
    table[2:256:2] = np.rint(0.66 * colours)
    return table


def partition_png(labels: np.ndarray, n_bins: int, colours: str = "viridis") -> bytes:
    """A label map (H, W) as a picture; label 0 is transparent."""
    step = np.arange(n_bins + 1)
    place = (step - 1) * 126 // max(n_bins - 1, 1)
    lookup = np.where(step > 0, 1 + 2 * place + step % 2, 0).astype(np.uint8)
    return palette_png(lookup[np.clip(labels, 0, n_bins)], striped_palette(colours), flat=True)


def field_png(
    values: np.ndarray, mask: np.ndarray | None, limits: tuple[float, float], colours: str
) -> bytes:
    """A smooth field (H, W), linear between ``limits``; masked pixels are transparent."""
    return palette_png(to_index(values, mask, "linear", limits), full_palette(colours), flat=True)


def mask_png(mask: np.ndarray) -> bytes:
    """Used pixels in one even colour, masked ones transparent."""
    palette = np.array([[0, 0, 0], [72, 130, 176]], dtype=np.uint8)
    return palette_png(mask.astype(np.uint8), palette, flat=True)


#: Index -> meaning and colour of a difference of two label maps.
DIFFERENCE: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("masked in both", (0, 0, 0)),
    ("same bin", (58, 80, 107)),
    ("another bin", (230, 159, 0)),
    ("only here", (86, 180, 233)),
    ("only in the other", (204, 121, 167)),
)


def difference_index(here: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(H, W) uint8 index into `DIFFERENCE` for two label maps of the same shape."""
    index = np.where(here == other, 1, 2).astype(np.uint8)
    index[(here == 0) & (other == 0)] = 0
    index[(here > 0) & (other == 0)] = 3
    index[(here == 0) & (other > 0)] = 4
    return index


def difference_png(here: np.ndarray, other: np.ndarray) -> bytes:
    """Where two label maps of the same shape disagree."""
    palette = np.array([colour for _, colour in DIFFERENCE], dtype=np.uint8)
    return palette_png(difference_index(here, other), palette, flat=True)


def figure_qmap(
    source: str,
    shape: tuple[int, int],
    centre: tuple[float, float] | None,
    theme: str = "dark",
    *,
    kind: str = "dynamic",
    limits: tuple[float, float] | None = None,
    colours: str = "viridis",
    overlay: str | None = None,
) -> Drawing:
    """One map over the detector, with the beam centre and the borders of the selected bins.

    Parameters
    ----------
    source, overlay : URLs of PNGs.
    shape : (H, W).
    centre : (x, y) px or None.
    kind : key of `MAPS`.
    limits : of the colour bar, or None for none.
    """
    scale = "log" if kind == "scattering" else "linear"
    drawn = figure_detector(
        source,
        shape,
        centre,
        theme,
        overlay=overlay,
        limits=limits,
        scale=scale,
        colours=colours,
        unit=MAPS[kind][1],
    )
    whole_domain(drawn)
    if kind == "difference":
        drawn.data += [_swatch(name, rgb) for name, rgb in DIFFERENCE[1:]]
        drawn.layout |= {"showlegend": True, "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom"}}
        drawn.layout["margin"] |= {"t": 36}
    return drawn


def whole_domain(drawn: Drawing) -> None:
    """Give a picture the whole panel again before its square pixels shrink it.

    Dash writes the domain that was fitted to the last picture back into the figure, from where it would count
    as asked for, and shrink with every new shape of detector.
    """
    for name in ("xaxis", "yaxis"):
        drawn.layout[name]["domain"] = [0, 1]


def _swatch(name: str, rgb: tuple[int, int, int]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [None],
        "y": [None],
        "name": name,
        "hoverinfo": "skip",
        "marker": {"symbol": "square", "size": 11, "color": "rgb({},{},{})".format(*rgb)},
    }


def figure_bins(
    pixels: np.ndarray,
    names: Sequence[str],
    small: np.ndarray,
    selected: Sequence[int] = (),
    theme: str = "dark",
) -> Drawing:
    """Pixels of each bin as bars; small bins in the warning colour with a mark, selected ones in the accent.

    Parameters
    ----------
    pixels : (n,) pixels of label 1…n.
    names : (n,) text of each label.
    small : (n,) bool.
    selected : labels.
    """
    t = tokens(theme)
    label = np.arange(1, pixels.size + 1)
    chosen = np.isin(label, np.asarray(selected, dtype=int))
    colours = [t.accent if c else t.warning if s else t.faint for c, s in zip(chosen, small, strict=True)]
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "x": label.tolist(),
            "y": pack(pixels, "i4"),
            "customdata": list(names),
            "marker": {"color": colours, "line": {"width": 0}},
            "showlegend": False,
            "hovertemplate": "bin %{x}<br>%{customdata}<br>%{y:,} pixels<extra></extra>",
        }
    ]
    if small.any():
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": label[small].tolist(),
                "y": pack(pixels[small], "i4"),
                "marker": {"symbol": "triangle-up", "size": 8, "color": t.warning},
                "hoverinfo": "skip",
                "showlegend": False,
                "cliponaxis": False,
            }
        )
    layout = {
        "xaxis": axis("label"),
        "yaxis": axis("pixels", rangemode="tozero", tickformat="~s"),
        "bargap": 0.15 if pixels.size < 80 else 0,
        "margin": {"l": 60, "r": 12, "t": 8, "b": 42},
        "hovermode": "closest",
    }
    return Drawing(data, layout, theme)
