"""Graphs that keep their zoom: made once, then only patched."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from textwrap import wrap
from typing import Any

from dash import Patch, dcc

from xpcs_dash.components.theme import current_theme
from xpcs_dash.figures.config import graph_config
from xpcs_dash.figures.drawing import Drawing

#: Keys of an axis that belong to the person who zooms. ``autorangeoptions`` may be set instead.
USER_KEYS = frozenset({"range", "autorange"})

#: Lists in a layout that stand for the figure's whole content: what the new figure lacks goes away.
LISTS = ("annotations", "shapes", "images", "updatemenus", "sliders")


#: Axes that are hidden while a graph has nothing to show: a grid from −1 to 6 says nothing.
AXES = ("xaxis", "yaxis")


def blank(**layout: Any) -> dict[str, Any]:
    """An empty figure in the theme of the request, its axes hidden unless ``layout`` has other ones."""
    hidden = {"xaxis": {"visible": False}, "yaxis": {"visible": False}}
    return Drawing([], hidden | layout, current_theme()).to_plotly_json()


def graph(
    id: Any,  # noqa: A002 - Dash's own name
    figure: Any = None,
    *,
    config: Mapping[str, Any] | None = None,
    filename: str | None = None,
    class_name: str = "",
    **style: Any,
) -> dcc.Graph:
    """Make a graph that fills its panel, with the shared configuration and an initial figure.

    Parameters
    ----------
    id : element id, ``<page>-<thing>``.
    figure : first figure; by default an empty one in the theme of the request.
    config : keys that differ from the shared configuration, such as ``{"scrollZoom": True}``.
    filename : name of the picture that the mode bar saves.
    class_name : further CSS classes.
    **style : CSS of the graph, such as ``height="320px"``; by default it takes the room it is given.
    """
    name = filename or (id if isinstance(id, str) else "xpcs-dash")
    return dcc.Graph(
        id=id,
        figure=figure if figure is not None else blank(),
        config=graph_config(name, **dict(config or {})),
        responsive=True,
        className=f"xd-graph {class_name}".strip(),
        style={"height": "100%", "width": "100%", "minHeight": 0, **style},
    )


def patch(fig: Any, *, keep: Collection[str] = (), reset: Collection[str] = ()) -> Patch:
    """Turn a figure into a change of the figure on the screen.

    All traces are replaced (arrays stay in their compact form), and of the layout what ``fig`` sets, save the
    axis ranges: zoom and pan belong to the person who looks. Annotations, shapes and images that ``fig`` does
    not have go away, unless named in ``keep``.

    Parameters
    ----------
    fig : Plotly figure.
    keep : lists of the layout to leave alone, such as ``("shapes",)`` where a person draws on the graph.
    reset : axes whose zoom is given up, such as ``("xaxis",)`` after a change from linear to log.
    """
    made = fig.to_plotly_json()
    change = Patch()
    change["data"] = made["data"]
    layout = change["layout"]
    given = made.get("layout", {})
    for key, value in given.items():
        if key in keep:
            continue
        if _is_axis(key) and isinstance(value, Mapping):
            for part, setting in value.items():
                if part not in USER_KEYS:
                    layout[key][part] = setting
        else:
            layout[key] = value
    for name in AXES:  # a message before this figure has hidden them
        if "visible" not in given.get(name, {}):
            layout[name]["visible"] = True
    for name in LISTS:
        if name not in given and name not in keep:
            layout[name] = []
    for name in reset:
        layout[name]["autorange"] = given.get(name, {}).get("autorange", True)
        layout[name]["range"] = given.get(name, {}).get("range")
    return change


def message(sentence: str, hint: str = "") -> Patch:
    """Change a graph into one sentence on an empty panel: what is missing and what to do about it."""
    text = _wrapped(sentence, 38) + (
        f"<br><span style='font-size:0.85em'>{_wrapped(hint, 46)}</span>" if hint else ""
    )
    change = Patch()
    change["data"] = []
    for name in AXES:
        change["layout"][name]["visible"] = False
    for name in LISTS:
        change["layout"][name] = []
    note = {"text": text, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False}
    change["layout"]["annotations"] = [{**note, "font": {"size": 14}, "align": "center"}]
    return change


def _wrapped(text: str, width: int) -> str:
    """Lines of at most ``width`` characters: Plotly breaks no line by itself."""
    return "<br>".join(wrap(text, width, break_long_words=False, break_on_hyphens=False))


def _is_axis(key: str) -> bool:
    return key.startswith(("xaxis", "yaxis"))
