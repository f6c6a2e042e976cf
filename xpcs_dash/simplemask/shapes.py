"""The shapes drawn on the detector image: a pure reducer over the events that Plotly sends."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xpcs_dash.errors import UsageError
from xpcs_dash.simplemask.paths import format_path, parse_path

Shape = dict[str, Any]

#: What a shape is, as opposed to how it looks. ``angle`` (degrees) and ``width`` (pixels) are ours.
GEOMETRY_KEYS = ("type", "x0", "y0", "x1", "y1", "path", "name", "angle")
_KINDS = {"rect": "rectangle", "circle": "ellipse", "line": "line", "path": "polygon"}
#: Corners of the path as which a turned ellipse is drawn.
CORNERS = 72
#: Pixels that a corner may be off by rounding on its way through the browser.
_ROUNDING = 0.02
_INDEXED = re.compile(r"^shapes\[(\d+)\](?:\.(.+))?$")


def apply_relayout(shapes: Sequence[Mapping[str, Any]], event: Mapping[str, Any] | None) -> list[Shape]:
    """Shapes after one ``relayoutData`` event.

    The forms that Plotly sends are understood: the whole list after drawing or deleting (``shapes``), single
    attributes after moving or resizing (``shapes[2].x0``, ``shapes[0].path``), whole entries
    (``shapes[1]``: a shape, or None for deleted), and everything else (zoom, drag mode, autosize), which
    changes nothing. Entries without a type and a path, which Plotly sometimes sends, are dropped, and so
    are changes of shapes that do not exist.

    In a whole list an entry with nothing but a known ``name`` stands for the shape of that name as it was,
    so that a browser need not send what did not change. ``names`` ({index: name}) lets a browser say which
    shape it means by an index; the name wins where the two lists have drifted apart.

    Parameters
    ----------
    shapes : the shapes before; not changed.
    event : the event, or None.

    Returns
    -------
    A new list of new dicts that hold geometry and name only.
    """
    result = [_geometry(s) for s in shapes]
    if not event:
        return result
    if "shapes" in event:
        known = {s["name"]: s for s in result if s.get("name")}
        listed = event["shapes"] or []
        entries = listed.values() if isinstance(listed, Mapping) else listed
        result = [s for s in (_restore(entry, known) for entry in entries if entry) if _drawable(s)]
    names = event.get("names") or {}
    removed: set[int] = set()
    for key, value in event.items():
        match = _INDEXED.match(key)
        if match is None:
            continue
        index = _locate(result, int(match[1]), names)
        attribute = match[2]
        if attribute is None:
            _set_entry(result, removed, index, value)
        elif index < len(result) and attribute in GEOMETRY_KEYS:
            before = result[index]
            if attribute == "path" and _is_turned(before):
                result[index] = follow(before, {"type": "path", "path": value, "name": before.get("name")})
            else:
                result[index] = _geometry({**before, attribute: value})
    return [s for i, s in enumerate(result) if i not in removed and _drawable(s)]


def is_shape_event(event: Mapping[str, Any] | None) -> bool:
    """True where an event draws, changes or deletes a shape."""
    return bool(event) and any(k == "shapes" or _INDEXED.match(k) for k in event or {})


def kind_of(shape: Mapping[str, Any]) -> str:
    """The word for a shape: rectangle, ellipse, line, polygon."""
    word = _KINDS.get(str(shape.get("type")), "shape")
    if word == "polygon" and "Z" not in str(shape.get("path", "")).upper():
        return "line"
    return word


def numbers_of(shape: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers a person edits: corners of a rectangle, centre, half-axes and angle of an ellipse,
    vertices.
    """
    kind = shape.get("type")
    if kind == "path":
        parts = parse_path(str(shape["path"]))
        return {"vertices": [[[round(float(x), 3), round(float(y), 3)] for x, y in v] for v, _ in parts]}
    x0, y0, x1, y1 = (float(shape[k]) for k in ("x0", "y0", "x1", "y1"))
    if kind == "circle":
        return {
            "cx": (x0 + x1) / 2,
            "cy": (y0 + y1) / 2,
            "rx": abs(x1 - x0) / 2,
            "ry": abs(y1 - y0) / 2,
            "angle": float(shape.get("angle", 0.0) or 0.0),
        }
    return {"x0": x0, "y0": y0, "x1": x1, "y1": y1}


def with_numbers(shape: Mapping[str, Any], **numbers: Any) -> Shape:
    """The shape with some of the numbers of `numbers_of` changed.

    Raises
    ------
    UsageError
        Where a number is not finite, or names nothing that the shape has.
    """
    current = numbers_of(shape)
    unknown = set(numbers) - set(current)
    if unknown:
        raise UsageError(
            f"{kind_of(shape)} has no {', '.join(sorted(unknown))}; it has {', '.join(current)}."
        )
    merged = {**current, **numbers}
    changed = _geometry(shape)
    if "vertices" in merged:
        closed = [c for _, c in parse_path(str(shape["path"]))]
        rings = merged["vertices"]
        flags = (closed + [True] * len(rings))[: len(rings)]
        changed["path"] = "".join(
            format_path(np.array(r, dtype=float), c, decimals=3) for r, c in zip(rings, flags, strict=True)
        )
        return changed
    values = {k: float(v) for k, v in merged.items()}
    if not all(math.isfinite(v) for v in values.values()):
        raise UsageError(f"{kind_of(shape)}: every number must be finite.")
    if shape.get("type") == "circle":
        rx, ry = abs(values["rx"]), abs(values["ry"])
        changed |= {
            "x0": values["cx"] - rx,
            "x1": values["cx"] + rx,
            "y0": values["cy"] - ry,
            "y1": values["cy"] + ry,
        }
        changed.pop("angle", None)
        if values["angle"] % 180.0:
            changed["angle"] = values["angle"]
        return changed
    return {**changed, **values}


def drawn(shape: Mapping[str, Any]) -> Shape:
    """The shape as Plotly can draw it: a turned ellipse, which it does not know, becomes a path; see
    `follow`.
    """
    if not _is_turned(shape):
        return {k: v for k, v in shape.items() if k != "angle"}
    n = numbers_of(shape)
    turn = math.radians(n["angle"])
    t = np.linspace(0, 2 * np.pi, CORNERS + 1)[:-1]
    u, v = n["rx"] * np.cos(t), n["ry"] * np.sin(t)
    x = n["cx"] + u * math.cos(turn) - v * math.sin(turn)
    y = n["cy"] + u * math.sin(turn) + v * math.cos(turn)
    path = format_path(np.column_stack([x, y]), decimals=2)
    return {"type": "path", "path": path, **({"name": shape["name"]} if "name" in shape else {})}


def follow(before: Mapping[str, Any], after: Mapping[str, Any]) -> Shape:
    """A shape after the browser changed it; a turned ellipse that was moved or pulled stays one.

    The browser knows a turned ellipse as a path of 72 corners, moves it as a whole, and lets a person pull
    single corners. All corners moved alike: the ellipse has another centre. One corner pulled: the half-axis
    nearer to it grows or shrinks until the ellipse goes through the corner (both, in proportion, where that
    one alone cannot reach it). Anything else is the polygon that it looks like.

    Parameters
    ----------
    before : the shape as it was.
    after : what the browser says it is now.
    """
    shape = _geometry(after)
    if not _is_turned(before) or shape.get("type") != "path":
        return shape
    rings = [v for v, closed in parse_path(str(shape["path"])) if closed]
    corners = parse_path(str(drawn(before)["path"]))[0][0]
    if len(rings) != 1 or rings[0].shape != corners.shape:
        return shape
    step = rings[0] - corners
    shift = np.median(step, axis=0)
    off = np.hypot(*(step - shift).T) > 2 * _ROUNDING
    if not off.any():
        middle = step.mean(axis=0)
        n = numbers_of(before)
        if np.hypot(*middle) <= _ROUNDING:
            return dict(before)
        return with_numbers(before, cx=n["cx"] + float(middle[0]), cy=n["cy"] + float(middle[1]))
    if off.sum() == 1 and np.hypot(*shift) <= _ROUNDING:
        k = int(np.argmax(off))
        return _through(before, k, float(rings[0][k, 0]), float(rings[0][k, 1]))
    return shape


def _through(ellipse: Mapping[str, Any], corner: int, x: float, y: float) -> Shape:
    """The turned ellipse with the half-axis nearer to one of its corners changed so that it meets (x, y)."""
    n = numbers_of(ellipse)
    turn, t = math.radians(n["angle"]), 2 * math.pi * corner / CORNERS
    dx, dy = x - n["cx"], y - n["cy"]
    u, v = dx * math.cos(turn) + dy * math.sin(turn), dy * math.cos(turn) - dx * math.sin(turn)
    along = abs(math.cos(t)) >= abs(math.sin(t))
    name, across, rest = ("rx", u, v / n["ry"]) if along else ("ry", v, u / n["rx"])
    if abs(rest) < 0.95 and abs(across) > _ROUNDING:
        return with_numbers(ellipse, **{name: abs(across) / math.sqrt(1 - rest * rest)})
    scale = math.hypot(u / n["rx"], v / n["ry"])
    if scale == 0:
        return dict(ellipse)
    return with_numbers(ellipse, rx=n["rx"] * scale, ry=n["ry"] * scale)


def _is_turned(shape: Mapping[str, Any]) -> bool:
    return shape.get("type") == "circle" and bool(float(shape.get("angle", 0.0) or 0.0) % 180.0)


def _geometry(shape: Mapping[str, Any]) -> Shape:
    kept = {k: shape[k] for k in GEOMETRY_KEYS if shape.get(k) is not None}
    if "type" not in kept and "path" in kept:
        kept["type"] = "path"
    for key in ("x0", "y0", "x1", "y1"):
        if key in kept:
            try:
                kept[key] = float(kept[key])
            except (TypeError, ValueError):
                del kept[key]
    return kept


def _restore(entry: Any, known: Mapping[str, Shape]) -> Shape:
    if not isinstance(entry, Mapping):
        return {}
    shape = _geometry(entry)
    name = shape.get("name")
    if not _drawable(shape) and isinstance(name, str) and name in known:
        return dict(known[name])
    before = known.get(name) if isinstance(name, str) else None
    return shape if before is None else follow(before, shape)


def _drawable(shape: Mapping[str, Any]) -> bool:
    kind = shape.get("type")
    if kind == "path":
        return bool(shape.get("path"))
    return kind in _KINDS and all(math.isfinite(shape.get(k, math.nan)) for k in ("x0", "y0", "x1", "y1"))


def _locate(shapes: Sequence[Shape], index: int, names: Mapping[str, Any]) -> int:
    name = names.get(str(index))
    if name is None:
        return index
    return next((i for i, s in enumerate(shapes) if s.get("name") == name), len(shapes) + 1)


def _set_entry(result: list[Shape], removed: set[int], index: int, value: Any) -> None:
    if value is None or value == "remove":
        removed.add(index)
    elif isinstance(value, Mapping) and index <= len(result):
        shape = _geometry(value)
        if index == len(result):
            result.append(shape)
        else:
            result[index] = follow(result[index], shape)
