"""The one box of the dashboard: a border, a title line, a view."""

from __future__ import annotations

from typing import Any

from dash import html

from xpcs_dash.components.export import export_menu


def panel(
    title: Any,
    children: Any,
    *,
    conditions: Any = None,
    id: Any = None,  # noqa: A002 - Dash's own name
    controls: Any = None,
    export: tuple[str | None, str] | None = None,
    class_name: str = "",
    **style: Any,
) -> html.Section:
    """Make a panel.

    Parameters
    ----------
    title : the view's name, left in the title line.
    children : the view.
    conditions : what the view stands for (which q, which σ, which unit), right in the title line. A text, or
        a component with an id where a callback fills it.
    id : id of the panel; the body gets no id.
    controls : controls of this view, between title and conditions; hidden in kiosk mode.
    export : view of the export menu (None: only the picture as shown) and id of the graph.
    class_name : further CSS classes.
    **style : CSS of the panel, such as ``gridArea="g2"``.
    """
    line = [html.H2(title, className="xd-panel-title")]
    if controls is not None:
        line.append(html.Div(controls, className="xd-panel-controls xd-not-kiosk"))
    line.append(html.Div(conditions, className="xd-panel-conditions"))
    if export is not None:
        line.append(export_menu(*export))
    body = children if isinstance(children, list) else [children]
    given = {} if id is None else {"id": id}
    return html.Section(
        [html.Header(line, className="xd-panel-head"), html.Div(body, className="xd-panel-body")],
        className=f"xd-panel {class_name}".strip(),
        style=style,
        **given,
    )


def facts(pairs: Any, id: Any = None) -> html.Dl:  # noqa: A002 - Dash's own name
    """A line of small labelled values: ``[("sample", "S3_7"), ("temperature", "30.0 °C")]``."""
    children = [html.Div([html.Dt(name), html.Dd(value)]) for name, value in pairs]
    return html.Dl(children, className="xd-facts", **({} if id is None else {"id": id}))
