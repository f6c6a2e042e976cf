"""Colours, fonts and the Plotly templates: the figure side of ``assets/tokens.css``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sequential, unlabel_rgb

from xpcs_dash.figures.format import engineering, format_q, uncertain

__all__ = [
    "KIOSK_SCALE",
    "STATE_COLOURS",
    "STATE_SHAPES",
    "THEMES",
    "Tokens",
    "axis",
    "base_figure",
    "colormap",
    "css_gradient",
    "engineering",
    "format_q",
    "q_colours",
    "template",
    "tokens",
    "uncertain",
    "with_alpha",
]

#: The screen on the wall: type is this much larger.
KIOSK_SCALE = 1.5

FONT = 'Inter, system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif'
MONO = '"JetBrains Mono", ui-monospace, "DejaVu Sans Mono", monospace'


@dataclass(frozen=True)
class Tokens:
    """The design tokens of one theme, under the names of ``assets/tokens.css`` without ``--xd-``."""

    bg: str
    panel: str
    raised: str
    line: str
    text: str
    muted: str
    faint: str
    accent: str
    accent_ink: str
    ok: str
    warning: str
    alarm: str
    stale: str
    nodata: str
    grid: str


THEMES: dict[str, Tokens] = {
    "dark": Tokens(
        bg="#0d131d", panel="#141c29", raised="#1b2535", line="#263347", grid="#222d3e",
        text="#e3eaf4", muted="#93a4bb", faint="#5d6d84", accent="#54b8ff", accent_ink="#04233a",
        ok="#43b98c", warning="#e8a33d", alarm="#f2596c", stale="#9a86e8", nodata="#6f7f95",
    ),
    "light": Tokens(
        bg="#f4f6f9", panel="#ffffff", raised="#ffffff", line="#d6dee9", grid="#e5eaf1",
        text="#16202e", muted="#55657b", faint="#93a0b2", accent="#0a6ebd", accent_ink="#ffffff",
        ok="#1c8a62", warning="#a96a00", alarm="#c92a41", stale="#6650c4", nodata="#66758a",
    ),
}  # fmt: skip

#: State -> colour, for each theme. Colours of states are used for states only.
STATE_COLOURS: dict[str, dict[str, str]] = {
    name: {"ok": t.ok, "warning": t.warning, "alarm": t.alarm, "nodata": t.nodata, "stale": t.stale}
    for name, t in THEMES.items()
}

#: State -> the sign that goes with its colour, so that colour is never the only difference.
STATE_SHAPES: dict[str, str] = {"ok": "●", "warning": "▲", "alarm": "✕", "nodata": "◌", "stale": "◍"}


def tokens(theme: str = "dark") -> Tokens:
    """Tokens of a theme; an unknown name gives the dark one."""
    return THEMES.get(theme, THEMES["dark"])


def with_alpha(colour: str, alpha: float) -> str:
    """``rgba(…)`` of a ``#rrggbb`` colour; ``alpha`` between 0 and 1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


@cache
def colormap(name: str, n: int = 256) -> np.ndarray:
    """A named sequential map sampled at ``n`` places.

    Parameters
    ----------
    name : one of Plotly's sequential maps in lower case: "inferno", "viridis", "gray", "cividis", "turbo", …
    n : number of colours.

    Returns
    -------
    (n, 3) uint8 array, read-only.
    """
    known = {key.lower(): value for key, value in vars(sequential).items() if isinstance(value, list)}
    stops = known.get(name.lower(), known["inferno"])
    rgb = np.array([_rgb(colour) for colour in stops], dtype=np.float64)
    if name.lower() == "gray":  # Plotly's runs from black to white already, others keep their order
        rgb = rgb[np.argsort(rgb.sum(axis=1))]
    places = np.linspace(0.0, 1.0, n)
    table = np.stack([np.interp(places, np.linspace(0, 1, len(rgb)), rgb[:, k]) for k in range(3)], axis=1)
    table = np.rint(table).astype(np.uint8)
    table.setflags(write=False)
    return table


def _rgb(colour: str) -> tuple[float, ...]:
    if colour.startswith("#"):
        return tuple(float(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    return tuple(float(part) for part in unlabel_rgb(colour))


def q_colours(n: int, theme: str = "dark") -> list[str]:
    """``n`` colours from low to high q: viridis without the end that vanishes against the panel.

    Parameters
    ----------
    n : number of curves; 0 gives an empty list.
    theme : "dark" cuts the dark end, "light" the bright one.
    """
    low, high = (0.24, 1.0) if theme != "light" else (0.0, 0.84)
    table = colormap("viridis", 512)
    places = np.linspace(low, high, n) if n > 1 else np.array([(low + high) / 2])
    return ["#{:02x}{:02x}{:02x}".format(*table[round(float(p) * 511)]) for p in places[:n]]


def _axis(t: Tokens, scale: float) -> dict[str, Any]:
    return {
        "gridcolor": t.grid,
        "linecolor": t.line,
        "tickcolor": t.line,
        "zeroline": False,
        "showline": False,
        "ticklabelstandoff": 4,
        "ticks": "",
        "exponentformat": "power",
        "minexponent": 4,
        "automargin": False,
        "title": {"font": {"size": 13 * scale, "color": t.muted}, "standoff": 6},
        "tickfont": {"size": 12 * scale, "color": t.muted},
    }


@cache
def template(theme: str = "dark", scale: float = 1.0) -> go.layout.Template:
    """The Plotly template of a theme: transparent paper, the panel's grid, the font times ``scale``."""
    t = tokens(theme)
    layout = go.Layout(
        font={"family": FONT, "size": 12 * scale, "color": t.text},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=q_colours(8, theme),
        margin={"l": 64, "r": 14, "t": 10, "b": 44},
        xaxis=_axis(t, scale),
        yaxis=_axis(t, scale),
        hoverlabel={
            "bgcolor": t.raised,
            "bordercolor": t.line,
            "font": {"family": FONT, "size": 13 * scale, "color": t.text},
            "align": "left",
        },
        hovermode="closest",
        legend={
            "bgcolor": with_alpha(t.panel, 0.7),
            "font": {"size": 12 * scale, "color": t.text},
            "itemsizing": "constant",
        },
        colorscale={"sequential": _scale("inferno"), "sequentialminus": _scale("viridis")},
        coloraxis={
            "colorbar": {
                "outlinewidth": 0,
                "tickfont": {"color": t.muted, "size": 12 * scale},
                "thickness": 12,
            }
        },
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": t.faint, "activecolor": t.accent},
        newshape={"line": {"color": t.accent, "width": 2}},
        dragmode="zoom",
        separators=". ",
        title={"font": {"size": 13 * scale, "color": t.text}},
        annotationdefaults={"font": {"color": t.muted, "size": 12 * scale}, "showarrow": False},
        uirevision="keep",
    )
    return go.layout.Template(layout=layout)


def _scale(name: str) -> list[list[Any]]:
    table = colormap(name, 12)
    return [[float(i) / 11, "rgb({},{},{})".format(*map(int, rgb))] for i, rgb in enumerate(table)]


def css_gradient(name: str, stops: int = 12) -> str:
    """A colour map as a CSS gradient from low to high, for a scale beside a picture."""
    table = colormap(name, stops)
    return (
        "linear-gradient(90deg, " + ", ".join("rgb({} {} {})".format(*map(int, rgb)) for rgb in table) + ")"
    )


def axis(title: str, **changes: Any) -> dict[str, Any]:
    """An axis with a title; ``log=True`` gives a logarithmic one whose ticks are decades."""
    log = changes.pop("log", False)
    made: dict[str, Any] = {"title": {"text": title}}
    if log:
        made |= {"type": "log", "dtick": 1, "exponentformat": "power", "minor": {"showgrid": False}}
    return made | changes


def base_figure(theme: str = "dark", **layout: Any) -> go.Figure:
    """An empty figure in the theme, ready for traces.

    Parameters
    ----------
    theme : "dark" or "light".
    **layout : further keys of the layout.
    """
    return go.Figure(layout={"template": template(theme), **layout})


def decades(low: float, high: float) -> Sequence[float]:
    """Powers of ten from just below ``low`` to just above ``high`` (both > 0)."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    return [10.0**k for k in range(first, last + 1)]
