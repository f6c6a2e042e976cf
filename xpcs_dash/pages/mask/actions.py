"""What a person does on the mask page, as pure functions from one draft to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from xpcs_dash.errors import UsageError
from xpcs_dash.pages.mask.session import NUMBERS
from xpcs_dash.simplemask.draft import Draft
from xpcs_dash.simplemask.drawing_tools import MODES
from xpcs_dash.simplemask.geometry import Setting
from xpcs_dash.simplemask.operations import Operation
from xpcs_dash.simplemask.partition import Axis
from xpcs_dash.simplemask.paths import format_path
from xpcs_dash.simplemask.shapes import numbers_of, with_numbers

Action = Mapping[str, Any]


def apply_action(draft: Draft, action: Action) -> Draft:
    """The draft after one action; the same draft where nothing changed.

    Parameters
    ----------
    draft : before.
    action : ``act`` says which of `ACTIONS`; the rest is what it needs.

    Raises
    ------
    UsageError
        For an action that does not exist or whose numbers make no sense.
    """
    act = str(action.get("act"))
    if act not in ACTIONS:
        raise UsageError(f"the mask page has no action {act!r}.")
    return ACTIONS[act](draft, action)


def _area(draft: Draft, area: Any) -> Draft:
    return draft if area == draft.area else draft.changed(area=area)


def _draw(draft: Draft, a: Action) -> Draft:
    mode = a.get("mode") if a.get("mode") in MODES else "out"
    return _area(draft, draft.area.relayout(a.get("event"), str(mode), _positive(a.get("width"), 3.0)))


def _undo(draft: Draft, _: Action) -> Draft:
    return _area(draft, draft.area.undo())


def _redo(draft: Draft, _: Action) -> Draft:
    return _area(draft, draft.area.redo())


def _clear(draft: Draft, _: Action) -> Draft:
    return _area(draft, draft.area.clear())


def _delete(draft: Draft, a: Action) -> Draft:
    return _area(draft, draft.area.remove(str(a.get("id"))))


def _rename(draft: Draft, a: Action) -> Draft:
    return _area(draft, draft.area.rename(str(a.get("id")), str(a.get("value") or "")))


def _enable(draft: Draft, a: Action) -> Draft:
    return _area(draft, draft.area.enable(str(a.get("id")), bool(a.get("value"))))


def _move(draft: Draft, a: Action) -> Draft:
    op_id = str(a.get("id"))
    place = next((i for i, o in enumerate(draft.area.operations) if o.id == op_id), 0)
    return _area(draft, draft.area.move(op_id, place + (1 if a.get("value") == "down" else -1)))


def _edit(draft: Draft, a: Action) -> Draft:
    """Other numbers of an operation: those of its shape, its mode and width, or its parameters."""
    op_id, fields = str(a.get("id")), dict(a.get("fields") or {})
    operation = draft.area.find(op_id)
    params = dict(operation.params)
    if operation.kind == "shape":
        mode = str(fields.pop("mode", params.get("mode", "out")))
        if mode not in MODES:
            raise UsageError(f"drawing mode {mode!r} is unknown; use one of {', '.join(MODES)}.")
        params["mode"] = mode
        if "width" in fields:
            params["width"] = _positive(fields.pop("width"), 3.0)
        known = numbers_of(params["shape"])
        if "vertices" in fields:
            fields["vertices"] = _vertices(fields["vertices"])
        numbers = {k: (v if k == "vertices" else _number(v, k)) for k, v in fields.items() if k in known}
        params["shape"] = with_numbers(params["shape"], **numbers)
    else:
        params = OPERATIONS[operation.kind]({**fields, "_": params})
    return _area(draft, draft.area.edit(op_id, params=params))


def _add(draft: Draft, a: Action) -> Draft:
    kind, fields = str(a.get("kind")), dict(a.get("fields") or {})
    if kind not in OPERATIONS:
        raise UsageError(f"there is no mask operation {kind!r}.")
    params = OPERATIONS[kind](fields)
    return _area(draft, draft.area.add(Operation(kind, params, name=_title(kind, params))))


def _geometry(draft: Draft, a: Action) -> Draft:
    fields = dict(a.get("fields") or {})
    geometry, origins = dict(draft.geometry), dict(draft.origins)
    for name in NUMBERS:
        if name in fields:
            value = None if fields[name] in (None, "") else _number(fields[name], name)
            factor = {"pixel_m": 1e-6}.get(name, 1.0) if a.get("display", True) else 1.0
            value = None if value is None else value * factor
            if value is not None and name not in ("bcx", "bcy") and value <= 0:
                raise UsageError(f"{name.split('_')[0]} must be positive.")
            if value != geometry.get(name):
                if (
                    value is not None
                    and geometry.get(name) is not None
                    and math.isclose(value, geometry[name])
                ):
                    continue  # the form shows fewer digits than the file gave
                geometry[name] = value  # type: ignore[assignment]
                origins[name] = str(a.get("origin") or "typed in")
    setting = _setting(draft, fields)
    if (geometry, setting) == (dict(draft.geometry), dict(draft.setting)):
        return draft
    return draft.changed(geometry=geometry, origins=origins, setting=setting)


def _setting(draft: Draft, fields: Mapping[str, Any]) -> dict[str, Any]:
    setting = {**Setting(**dict(draft.setting)).to_dict()}
    for name in ("mode", "orientation"):
        if fields.get(name):
            setting[name] = str(fields[name])
    for name in ("swing_h", "swing_v", "incidence"):
        if fields.get(name) not in (None, ""):
            setting[name] = _number(fields[name], name)
    if "legacy_q" in fields:
        setting["legacy_q"] = fields["legacy_q"] in (True, "true", "legacy")
    return Setting(**setting).to_dict()


def _partition(draft: Draft, a: Action) -> Draft:
    fields = dict(a.get("fields") or {})
    axes = []
    for k in (0, 1):
        before = dict(draft.axes[k])
        axis = {
            "name": str(fields.get(f"name{k}") or before["name"]),
            "dynamic": _whole(fields.get(f"dynamic{k}"), before.get("dynamic", 1)),
            "static": _whole(fields.get(f"static{k}"), before.get("static", 1)),
            "scale": str(fields.get(f"scale{k}") or "linear"),
        }
        if axis["name"] in ("phi", "tth", "TTH", "alpha_f"):
            axis["offset"] = _number(fields.get(f"offset{k}") or 0, "offset")
            axis["fold"] = _whole(fields.get(f"fold{k}"), 1)
        edges = _edges(fields.get(f"edges{k}"))
        if edges:
            axis["edges"] = edges
        Axis(**axis)
        axes.append(axis)
    if axes[0]["name"] == axes[1]["name"]:
        raise UsageError("the two axes of a partition must be different maps.")
    new = (axes[0], axes[1])
    return draft if new == tuple(map(dict, draft.axes)) else draft.changed(axes=new)


def _view(draft: Draft, a: Action) -> Draft:
    fields = dict(a.get("fields") or {})
    view = dict(draft.view)
    if fields.get("scale") in ("log", "linear"):
        view["scale"] = fields["scale"]
    for name, default in (("low", 1.0), ("high", 99.7)):
        if name in fields:
            view[name] = min(100.0, max(0.0, _number(fields[name] or default, name)))
    return draft if view == dict(draft.view) else draft.changed(view=view)


def _polygon(draft: Draft, a: Action) -> Draft:
    """A polygon from typed or clicked corners."""
    rings = _vertices(a.get("vertices"))
    path = "".join(format_path(np.array(ring, dtype=float), decimals=2) for ring in rings)
    return _draw(draft, {**a, "event": {f"shapes[{_count(draft)}]": {"type": "path", "path": path}}})


def _count(draft: Draft) -> int:
    return sum(o.kind == "shape" for o in draft.area.operations)


#: What a person can do -> how the draft follows.
ACTIONS: dict[str, Callable[[Draft, Action], Draft]] = {
    "draw": _draw,
    "polygon": _polygon,
    "undo": _undo,
    "redo": _redo,
    "clear": _clear,
    "delete": _delete,
    "rename": _rename,
    "enable": _enable,
    "move": _move,
    "edit": _edit,
    "add": _add,
    "geometry": _geometry,
    "partition": _partition,
    "view": _view,
}


# -- operations from forms -----------------------------------------------------------------------------------
def _threshold(f: Mapping[str, Any]) -> dict[str, Any]:
    low, high = _optional(f.get("low"), "low"), _optional(f.get("high"), "high")
    if low is None and high is None:
        raise UsageError("give the threshold a lower or an upper bound.")
    return {"low": low, "high": high}


def _hot_dead(f: Mapping[str, Any]) -> dict[str, Any]:
    return {"hot": _optional(f.get("hot"), "hot"), "dead": _optional(f.get("dead"), "dead")}


def _outliers(f: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "map": str(f.get("map") or "q"),
        "rings": _whole(f.get("rings"), 100),
        "method": str(f.get("method") or "mad"),
        "cutoff": _positive(f.get("cutoff"), 3.0),
        "low": _number(f.get("low") or 5, "low"),
        "high": _number(f.get("high") or 95, "high"),
        "morphology": str(f.get("morphology") or "none"),
        "size": _whole(f.get("size"), 1),
    }


def _ranges(f: Mapping[str, Any]) -> dict[str, Any]:
    conditions = []
    for k in ("", "2"):
        if k and not f.get("map2"):
            continue
        condition = {
            "map": str(f.get(f"map{k}") or "q"),
            "low": _optional(f.get(f"low{k}"), "low"),
            "high": _optional(f.get(f"high{k}"), "high"),
            "negate": bool(f.get(f"negate{k}")),
            "join": str(f.get("join") or "and"),
        }
        conditions.append(condition)
    return {"conditions": conditions, "mode": "out" if f.get("mode") == "out" else "keep"}


def _gaps(f: Mapping[str, Any]) -> dict[str, Any]:
    return {"detector": str(f.get("detector") or "auto")}


def _morphology(f: Mapping[str, Any]) -> dict[str, Any]:
    return {"how": str(f.get("how") or "dilate"), "size": _whole(f.get("size"), 1)}


def _import(f: Mapping[str, Any]) -> dict[str, Any]:
    before = dict(f.get("_") or {})
    return {"array": str(f.get("array") or before.get("array")), "invert": bool(f.get("invert"))}


def _pixels(f: Mapping[str, Any]) -> dict[str, Any]:
    before = dict(f.get("_") or {})
    return {"pixels": f.get("pixels") or before.get("pixels") or []}


#: Operation -> its parameters from the fields of a form.
OPERATIONS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "threshold": _threshold,
    "hot_dead": _hot_dead,
    "outliers": _outliers,
    "range": _ranges,
    "gaps": _gaps,
    "morphology": _morphology,
    "import": _import,
    "pixels": _pixels,
}


def _title(kind: str, p: Mapping[str, Any]) -> str:
    if kind == "threshold":
        low, high = p["low"], p["high"]
        return (
            f"I < {high:g}" if low is None else f"I ≥ {low:g}" if high is None else f"{low:g} ≤ I < {high:g}"
        )
    if kind == "range":
        words = {"q": "q", "phi": "φ"}
        parts = [
            f"{words.get(c['map'], c['map'])} {_show(c['low'])}…{_show(c['high'])}" for c in p["conditions"]
        ]
        return f" {p['conditions'][-1]['join']} ".join(parts)[:60]
    return ""


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


# -- numbers -------------------------------------------------------------------------------------------------
def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{name} must be a number, found {value!r}.") from None
    if not math.isfinite(number):
        raise UsageError(f"{name} must be finite.")
    return number


def _optional(value: Any, name: str) -> float | None:
    return None if value in (None, "") else _number(value, name)


def _positive(value: Any, default: float) -> float:
    number = default if value in (None, "") else _number(value, "the width or cut-off")
    if number <= 0:
        raise UsageError("the width or cut-off must be positive.")
    return number


def _whole(value: Any, default: Any) -> int:
    number = _number(default if value in (None, "") else value, "a count")
    if number != int(number) or number < 1:
        raise UsageError(f"a count must be a whole number from 1, found {value}.")
    return int(number)


def _edges(text: Any) -> tuple[float, ...]:
    parts = str(text or "").replace(",", " ").replace(";", " ").split()
    return tuple(_number(part, "an edge") for part in parts)


def _vertices(given: Any) -> list[list[list[float]]]:
    """Rings of corners from nested lists, or from text: one ``x, y`` a line, a blank line between rings."""
    if isinstance(given, str):
        rings, ring = [], []
        for line in [*given.splitlines(), ""]:
            pair = line.replace(",", " ").split()
            if len(pair) == 2:
                ring.append([_number(p, "a corner") for p in pair])
            elif not pair:
                rings.append(ring)
                ring = []
            else:
                raise UsageError(f"a corner is two numbers, found {line!r}.")
        given = [r for r in rings if r]
    if not given or any(len(ring) < 2 for ring in given):
        raise UsageError("a polygon needs at least three corners, a line two.")
    return [[[float(x), float(y)] for x, y in ring] for ring in given]
