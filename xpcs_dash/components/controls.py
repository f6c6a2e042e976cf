"""Small labelled controls that look alike on every page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dash_bootstrap_components as dbc
from dash import dcc, html

Options = Sequence[str] | Mapping[Any, str] | Iterable[tuple[Any, str]]


def labelled(
    label: str, control: Any, *, unit: str = "", title: str = "", class_name: str = ""
) -> html.Label:
    """A control with its name before it and its unit after it."""
    parts: list[Any] = [html.Span(label, className="xd-label")] if label else []
    parts.append(control)
    if unit:
        parts.append(html.Span(unit, className="xd-unit"))
    given = {"title": title} if title else {}
    return html.Label(parts, className=f"xd-control {class_name}".strip(), **given)


def select(
    id: Any,  # noqa: A002 - Dash's own name
    label: str,
    options: Options,
    value: Any = None,
    *,
    title: str = "",
    **attributes: Any,
) -> html.Label:
    """A drop-down of the browser's own: fast, keyboard-friendly, one choice. Values arrive as text."""
    pairs = [{"value": key, "label": text} for key, text in _pairs(options)]
    control = dbc.Select(id=id, options=pairs, value=value, size="sm", class_name="xd-select", **attributes)
    return labelled(label, control, title=title)


def multi_select(
    id: Any,  # noqa: A002 - Dash's own name
    label: str,
    options: Options,
    value: Sequence[Any] | None = None,
    *,
    placeholder: str = "",
    title: str = "",
    **attributes: Any,
) -> html.Label:
    """A searchable drop-down of several choices."""
    pairs = [{"value": key, "label": text} for key, text in _pairs(options)]
    control = dcc.Dropdown(
        id=id,
        options=pairs,
        value=value,
        multi=True,
        placeholder=placeholder,
        className="xd-dropdown",
        **attributes,
    )
    return labelled(label, control, title=title, class_name="xd-control-wide")


def segmented(
    id: Any,  # noqa: A002 - Dash's own name
    label: str,
    options: Options,
    value: Any = None,
    *,
    title: str = "",
    **attributes: Any,
) -> html.Div:
    """Two to five choices side by side, one of them pressed (property ``value``)."""
    pairs = [{"value": key, "label": text} for key, text in _pairs(options)]
    control = dbc.RadioItems(
        id=id,
        options=pairs,
        value=value,
        inline=True,
        class_name="xd-segmented",
        input_class_name="btn-check",
        label_class_name="xd-segment",
        label_checked_class_name="xd-segment-on",
        **attributes,
    )
    name = [html.Span(label, className="xd-label")] if label else []
    given = {"title": title} if title else {}
    # not a <label>: a click on the name would press the first choice
    return html.Div([*name, control], className="xd-control", role="group", **{"aria-label": label}, **given)


def switch(
    id: Any,  # noqa: A002 - Dash's own name
    label: str,
    value: bool = False,
    *,
    title: str = "",
    **attributes: Any,
) -> html.Div:
    """On or off (property ``value``, a bool)."""
    control = dbc.Switch(id=id, label=label, value=value, class_name="xd-switch", **attributes)
    return html.Div(control, className="xd-control", **({"title": title} if title else {}))


def number(
    id: Any,  # noqa: A002 - Dash's own name
    label: str,
    value: float | int | None = None,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    step: float | str = "any",
    title: str = "",
    width: str = "6.5em",
    **attributes: Any,
) -> html.Label:
    """A number with its unit; the value arrives when the person leaves the field or presses Enter."""
    limits = {"min": minimum, "max": maximum}
    control = dbc.Input(
        id=id,
        type="number",
        value=value,
        step=step,
        debounce=True,
        size="sm",
        class_name="xd-number",
        style={"width": width},
        **{key: limit for key, limit in limits.items() if limit is not None},
        **attributes,
    )
    return labelled(label, control, unit=unit, title=title)


def text(
    id: Any,  # noqa: A002 - Dash's own name
    label: str,
    value: str = "",
    *,
    placeholder: str = "",
    title: str = "",
    **attributes: Any,
) -> html.Label:
    """A line of text; the value arrives when the person leaves the field or presses Enter."""
    control = dbc.Input(
        id=id,
        type="text",
        value=value,
        placeholder=placeholder,
        debounce=True,
        size="sm",
        class_name="xd-text",
        **attributes,
    )
    return labelled(label, control, title=title)


def button(
    id: Any,  # noqa: A002 - Dash's own name
    label: str,
    *,
    icon: str = "",
    primary: bool = False,
    danger: bool = False,
    title: str = "",
    **attributes: Any,
) -> html.Button:
    """A button with a word and, before it, an icon (Bootstrap icon class)."""
    kind = "xd-btn-primary" if primary else "xd-btn-danger" if danger else ""
    sign = [html.I(className=f"bi {icon}", **{"aria-hidden": "true"})] if icon else []
    extra = {"title": title} if title else {}
    return html.Button(
        [*sign, html.Span(label)],
        id=id,
        type="button",
        className=f"xd-btn {kind}".strip(),
        **extra,
        **attributes,
    )


def together(*children: Any) -> html.Span:
    """Controls that belong to each other, such as the ends of a range: a full line never parts them."""
    return html.Span(list(children), className="xd-together")


def toolbar(*children: Any, id: Any = None) -> html.Div:  # noqa: A002 - Dash's own name
    """The page's controls in one line, hidden in kiosk mode."""
    return html.Div(
        list(children),
        className="xd-toolbar xd-not-kiosk",
        role="toolbar",
        **({} if id is None else {"id": id}),
    )


def _pairs(options: Options) -> list[tuple[Any, str]]:
    if isinstance(options, Mapping):
        return list(options.items())
    return [(item, item) if isinstance(item, str) else (item[0], item[1]) for item in options]
