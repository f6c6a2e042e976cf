"""Forms and lists of the mask page. Fields have names; the browser sends a form's fields as one action."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dash_bootstrap_components as dbc
from dash import dcc, html

from xpcs_dash.pages.mask.session import NUMBERS
from xpcs_dash.simplemask.draft import Draft
from xpcs_dash.simplemask.geometry import UNITS, Setting
from xpcs_dash.simplemask.operations import Operation
from xpcs_dash.simplemask.pixels import GAPS
from xpcs_dash.simplemask.shapes import numbers_of
from xpcs_dash.simplemask.versions import Version

MODES = {"out": "mask", "keep": "keep only", "back": "give back"}
MAPS = {"q": "q", "phi": "φ", "x": "x", "y": "y", "qx": "qx", "qy": "qy", "qz": "qz", "qr": "qr", "TTH": "2θ"}
#: Maps that can be turned and folded before they are cut.
ANGLES = ("phi", "TTH")
MAP_UNITS = {**UNITS, "intensity": "photons/px/frame", "phi": "°", "TTH": "°"}


def field(
    name: str, label: str, value: Any = None, unit: str = "", *, width: str = "6em", **given: Any
) -> html.Label:
    """A named number or text."""
    kind = given.pop("type", "number")
    step = {"step": given.pop("step", "any")} if kind == "number" else {}
    shown = f"{value:.7g}" if isinstance(value, float) else value
    control = dbc.Input(
        name=name,
        type=kind,
        value=shown,
        size="sm",
        style={"width": width},
        autoComplete="off",
        **step,
        **given,
    )
    return _labelled(label, control, unit)


def choice(name: str, label: str, options: Mapping[Any, str], value: Any = None) -> html.Label:
    """A named drop-down."""
    pairs = [{"value": key, "label": text} for key, text in options.items()]
    return _labelled(
        label, dbc.Select(name=name, options=pairs, value=value, size="sm", class_name="xd-select")
    )


def tick(name: str, label: str, value: bool = False) -> html.Div:
    """A named tick box."""
    return html.Div(dbc.Checkbox(name=name, label=label, value=value), className="xd-control")


def _labelled(label: str, control: Any, unit: str = "") -> html.Label:
    parts = [html.Span(label, className="xd-label"), control]
    return html.Label(
        [*parts, html.Span(unit, className="xd-unit")] if unit else parts, className="xd-control"
    )


def send(label: str, act: str, icon: str = "", *, primary: bool = False, **data: str) -> html.Button:
    """A button that sends the fields of its form (or its row) as an action."""
    sign = [html.I(className=f"bi {icon}", **{"aria-hidden": "true"})] if icon else []
    title = data.pop("title", "")
    attributes = {
        "data-act": act,
        **{f"data-{k}": v for k, v in data.items()},
        **({"title": title} if title else {}),
    }
    words = [html.Span(label)] if label else []
    kind = "xd-btn xd-btn-primary" if primary else "xd-btn"
    aria = {} if label else {"aria-label": title}
    return html.Button([*sign, *words], type="button", className=kind, **attributes, **aria)


def form(title: str, fields: Sequence[Any], button: Any, kind: str = "") -> html.Details:
    """A fold-out form for a new operation."""
    body = html.Div([*fields, button], className="xd-mask-form", **{"data-form": kind})
    return html.Details([html.Summary(title), body], className="xd-mask-fold")


# -- operations ----------------------------------------------------------------------------------------------
def operations(listed: Sequence[Operation], problems: Mapping[str, str]) -> list[Any]:
    """The list of operations, first to last."""
    if not listed:
        hint = "Nothing is masked. Draw on the image, or add a step below."
        return [html.P(hint, className="xd-mask-hint")]
    return [_row(o, problems.get(o.id), k, len(listed)) for k, o in enumerate(listed)]


def _row(o: Operation, problem: str | None, place: int, count: int) -> html.Details:
    word = MODES[str(o.params.get("mode", "out"))] if o.kind == "shape" else ""
    line = [
        send(
            "", "enable", "bi-eye" if o.enabled else "bi-eye-slash",
            value="" if o.enabled else "1", title="switch off" if o.enabled else "switch on",
        ),
        html.Span(o.name, className="xd-mask-name", title=o.name),
        html.Span(word, className="xd-mask-mode"),
        send("", "move", "bi-arrow-up", value="up", title="earlier")
        if place
        else html.Span(className="xd-mask-gap"),
        send("", "move", "bi-arrow-down", value="down", title="later")
        if place < count - 1
        else html.Span(className="xd-mask-gap"),
        send("", "delete", "bi-trash", title="delete"),
    ]  # fmt: skip
    body = [
        html.Div(
            [field("rename", "name", o.name, type="text", width="14em"), *edit_fields(o)],
            className="xd-mask-fields",
        ),
        send("Change", "edit", "bi-check2", title="apply these numbers"),
    ]
    if problem:
        body.insert(0, html.P(["▲ ", problem], className="xd-warning-line"))
    name = "xd-mask-op" + ("" if o.enabled else " xd-mask-off") + (" xd-mask-bad" if problem else "")
    return html.Details(
        [html.Summary(line), html.Div(body, className="xd-mask-form")],
        className=name,
        key=o.id,
        **{"data-op": o.id},
    )


def edit_fields(o: Operation) -> list[Any]:
    """The numbers of an operation that a person may change."""
    p = o.params
    if o.kind == "shape":
        numbers = numbers_of(p["shape"])
        fields: list[Any] = [choice("mode", "does", MODES, p.get("mode", "out"))]
        if "vertices" in numbers:
            text = "\n\n".join("\n".join(f"{x:g}, {y:g}" for x, y in ring) for ring in numbers["vertices"])
            fields.append(dbc.Textarea(name="vertices", value=text, rows=5, class_name="xd-mask-corners"))
        else:
            units = {"angle": "°"}
            fields += [field(k, k, float(v), units.get(k, "px")) for k, v in numbers.items()]
        if p["shape"].get("type") == "line" or "Z" not in str(p["shape"].get("path", "Z")):
            fields.append(field("width", "width", float(p.get("width", 3)), "px"))
        return fields
    return FIELDS[o.kind](p)


def _threshold(p: Mapping[str, Any]) -> list[Any]:
    unit = "ph/px/frame"
    return [field("low", "keep from", p.get("low"), unit), field("high", "below", p.get("high"), unit)]


def _hot_dead(p: Mapping[str, Any]) -> list[Any]:
    return [
        field("hot", "hot above", p.get("hot", 8), "σ"),
        field("dead", "dead below", p.get("dead", 8), "σ"),
    ]


def _outliers(p: Mapping[str, Any]) -> list[Any]:
    methods = {"mad": "median ± MAD", "percentile": "percentiles"}
    shapes = {"none": "none", "dilate": "grow", "erode": "shrink", "open": "open", "close": "close"}
    return [
        choice("method", "method", methods, p.get("method", "mad")),
        field("rings", "rings", p.get("rings", 100), step=1),
        field("cutoff", "cut-off", p.get("cutoff", 3.0), "MAD"),
        field("low", "from", p.get("low", 5.0), "%"),
        field("high", "to", p.get("high", 95.0), "%"),
        choice("morphology", "then", shapes, p.get("morphology", "none")),
        field("size", "by", p.get("size", 1), "px"),
    ]


def _ranges(p: Mapping[str, Any]) -> list[Any]:
    listed = [*p.get("conditions", ()), {}, {}][:2]
    fields: list[Any] = [choice("mode", "", {"keep": "keep", "out": "mask"}, p.get("mode", "keep"))]
    for k, c in zip(("", "2"), listed, strict=True):
        maps = {**({"": "—"} if k else {}), **MAPS, "intensity": "I"}
        fields += [
            *([choice("join", "", {"and": "and", "or": "or"}, c.get("join", "and"))] if k else []),
            tick(f"negate{k}", "not", bool(c.get("negate"))),
            choice(f"map{k}", "", maps, c.get("map", "" if k else "q")),
            field(f"low{k}", "from", c.get("low")),
            field(f"high{k}", "to", c.get("high")),
        ]
    return fields


def _gaps(p: Mapping[str, Any]) -> list[Any]:
    kinds = {"auto": "marked or silent", **{name: name for name in GAPS}}
    return [choice("detector", "detector", kinds, p.get("detector", "auto"))]


def _morphology(p: Mapping[str, Any]) -> list[Any]:
    kinds = {"dilate": "grow", "erode": "shrink", "open": "open", "close": "close"}
    return [
        choice("how", "masked area", kinds, p.get("how", "dilate")),
        field("size", "by", p.get("size", 1), "px"),
    ]


def _import(p: Mapping[str, Any]) -> list[Any]:
    return [tick("invert", "1 means masked", bool(p.get("invert")))]


def _pixels(p: Mapping[str, Any]) -> list[Any]:
    return [html.Span(f"{len(p.get('pixels') or ()):,} pixels", className="xd-label")]


FIELDS = {
    "threshold": _threshold,
    "hot_dead": _hot_dead,
    "outliers": _outliers,
    "range": _ranges,
    "gaps": _gaps,
    "morphology": _morphology,
    "import": _import,
    "pixels": _pixels,
}


def additions() -> list[Any]:
    """Forms for operations that are not drawn."""
    titles = {
        "threshold": "Threshold",
        "range": "Range of q, φ, …",
        "outliers": "Outliers per ring",
        "hot_dead": "Hot and dead pixels",
        "gaps": "Detector gaps",
        "morphology": "Grow or shrink",
    }
    return [
        form(title, FIELDS[kind]({}), send("Add", "add", "bi-plus-lg", kind=kind), kind)
        for kind, title in titles.items()
    ]


# -- geometry and partition ----------------------------------------------------------------------------------
def geometry_form(draft: Draft) -> list[Any]:
    """The numbers of the q-map with units and where each comes from."""
    g, setting = draft.geometry, Setting(**dict(draft.setting))
    names = {
        "energy_kev": ("energy", "keV", 1.0),
        "distance_m": ("distance", "m", 1.0),
        "pixel_m": ("pixel", "µm", 1e6),
        "bcx": ("beam x", "px", 1.0),
        "bcy": ("beam y", "px", 1.0),
    }
    rows = []
    for name in NUMBERS:
        label, unit, factor = names[name]
        value = g.get(name)
        shown = None if value is None else float(value) * factor
        origin = draft.origins.get(name, "not given")
        rows.append(
            html.Div(
                [
                    field(name, label, shown, unit, width="8em"),
                    html.Span(origin, className="xd-mask-origin", title=origin),
                ],
                className="xd-mask-number",
            )
        )
    modes = {"transmission": "transmission", "reflection": "reflection (grazing)"}
    forms = {"exact": "2k sin(α/2)", "legacy": "k sin α (older maps)"}
    sides = {"north": "up", "south": "down", "west": "left", "east": "right"}
    more = [
        choice("mode", "geometry", modes, setting.mode),
        choice("legacy_q", "q", forms, "legacy" if setting.legacy_q else "exact"),
        field("swing_h", "swing horizontal", setting.swing_h, "°"),
        field("swing_v", "vertical", setting.swing_v, "°"),
        field("incidence", "incidence", setting.incidence, "°"),
        choice("orientation", "surface normal", sides, setting.orientation),
    ]
    return [
        *rows,
        html.Div(more, className="xd-mask-fields"),
        send("Use this geometry", "geometry", "bi-check2", primary=True),
    ]


def partition_form(draft: Draft) -> list[Any]:
    """Two axes with their numbers of bins."""
    parts: list[Any] = []
    for k, axis in enumerate(draft.axes):
        fields = [
            choice(f"name{k}", f"axis {k + 1}", MAPS, axis.get("name")),
            field(f"dynamic{k}", "dynamic", axis.get("dynamic", 1), "bins", width="5em", step=1),
            field(f"static{k}", "static", axis.get("static", 1), "bins", width="5em", step=1),
            choice(f"scale{k}", "", {"linear": "linear", "log": "log"}, axis.get("scale", "linear")),
            field(
                f"edges{k}", "edges", " ".join(f"{e:g}" for e in axis.get("edges") or ()), type="text",
                width="11em", placeholder="whole range",
            ),
        ]  # fmt: skip
        if axis.get("name") in ANGLES:
            fields[-1:-1] = [
                field(f"offset{k}", "offset", axis.get("offset", 0.0), "°", width="5em"),
                field(f"fold{k}", "fold", axis.get("fold", 1), width="4em", step=1),
            ]
        parts.append(html.Div(fields, className="xd-mask-fields"))
    return [*parts, send("Cut", "partition", "bi-grid-3x3", primary=True)]


# -- versions ------------------------------------------------------------------------------------------------
def versions(listed: Iterable[Version], prefix: str, now: Mapping[str, str] | None = None) -> list[Any]:
    """Saved versions with what can be done with them.

    Parameters
    ----------
    now : public name -> version of what the files hold now; one that differs is told.
    """
    from datetime import datetime

    rows = []
    for v in listed:
        when = datetime.fromtimestamp(v.saved).astimezone().strftime("%Y-%m-%d %H:%M")
        links = [
            html.A(
                kind, href=f"{prefix}mask-data/version/{v.key}.{kind}", download="", className="xd-mask-link"
            )
            for kind in ("hdf", "tif", "npy")
        ]
        if v.has_partition:
            name = html.A(
                "partition",
                href=f"{prefix}mask-data/version/{v.key}.partition.hdf",
                download="",
                className="xd-mask-link",
            )
            links.insert(0, name)
        facts = f"{v.valid_pixels:,} px of {v.shape[0]} × {v.shape[1]} · {when}" + (
            f" · {v.owner}" if v.owner else ""
        )
        if v.of_version and (now or {}).get(v.ref, v.of_version) not in ("", v.of_version):
            facts += f" · {v.ref.partition('~')[0]} has been replaced since"
        if v.problem:
            rows.append(html.Div([html.Strong(v.name), html.Span(v.problem)], className="xd-mask-version"))
            continue
        rows.append(
            html.Div(
                [
                    html.Div([html.Strong(v.name), html.Span(facts, className="xd-mask-origin")]),
                    html.Div(
                        [
                            *links,
                            send("Restore", "restore", title="take this version up again"),
                            send("Compare", "compare", title="show where it differs"),
                        ],
                        className="xd-mask-fields",
                    ),
                ],
                className="xd-mask-version",
                **{"data-op": v.key},
            )
        )
    return rows or [html.P("No version is saved yet.", className="xd-mask-hint")]


def upload(id: str, words: str) -> dcc.Upload:  # noqa: A002 - Dash's own name
    """A place to drop a file."""
    return dcc.Upload(words, id=id, className="xd-mask-upload", max_size=48 * 2**20, multiple=False)
