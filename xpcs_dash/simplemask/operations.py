"""The operations a mask is made of. Each is a plain record and a pure function from the mask so far to the
next.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.simplemask import pixels
from xpcs_dash.simplemask.drawing_tools import MODES, DrawingTools
from xpcs_dash.simplemask.shapes import kind_of

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Operation:
    """One step of a mask.

    Attributes
    ----------
    kind : one of `KINDS`.
    params : JSON-able; which keys a kind takes is said at its function.
    name : what the list shows; a person may change it.
    enabled : False leaves the step out without forgetting it.
    id : stable and unique.
    """

    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    enabled: bool = True
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"mask operation {self.kind!r} is unknown; use one of {', '.join(KINDS)}.")
        if not self.name:
            object.__setattr__(self, "name", _default_name(self.kind, self.params))

    def changed(self, **fields: Any) -> Operation:
        """A copy with other fields."""
        return replace(self, **fields)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "enabled": self.enabled,
            "params": dict(self.params),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Operation:
        """The inverse of `to_dict`."""
        known = {k: data[k] for k in ("id", "kind", "name", "enabled", "params") if k in data}
        return cls(**known)


@dataclass(frozen=True, eq=False)
class Context:
    """What operations look at.

    Attributes
    ----------
    shape : (H, W).
    image : (H, W) float, intensity; None where there is none.
    maps : name -> (H, W), or a function that finds a map by name.
    arrays : name -> (H, W) masks that "import" operations refer to.
    frames : number of frames behind the image, for photon statistics; 0 where unknown.
    cache : results of steps that look at the whole image, by what they depend on; shared between
    computations.
    """

    shape: tuple[int, int]
    image: NDArray[Any] | None = None
    maps: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    frames: int = 0
    cache: dict[Any, Bool] = field(default_factory=dict)

    def intensity(self) -> NDArray[Any]:
        """The image, or a sentence on why there is none."""
        if self.image is None:
            raise UsageError("there is no detector image to look at; open one first.")
        return self.image

    def map(self, name: str) -> NDArray[Any]:
        """One map; ``intensity`` is the image itself."""
        if name == "intensity":
            return self.intensity()
        try:
            return self.maps[name]
        except KeyError:
            raise UsageError(
                f"map {name!r} is not known; the geometry gives {', '.join(self.maps) or 'none'}."
            ) from None

    def remembered(self, key: Any, compute: Callable[[], Bool]) -> Bool:
        """A result computed once for each key."""
        if key not in self.cache:
            if len(self.cache) >= 24:
                self.cache.pop(next(iter(self.cache)))
            self.cache[key] = compute()
        return self.cache[key]


def apply_operation(mask: Bool, operation: Operation, context: Context) -> None:
    """Change ``mask`` (H, W) in place by one operation."""
    KINDS[operation.kind](mask, operation.params, context)


def _shape(mask: Bool, p: Mapping[str, Any], context: Context) -> None:
    """``shape``: a Plotly shape; ``mode``: out, keep or back; ``width``: of lines, px."""
    tools = DrawingTools(context.shape)
    mode = str(p.get("mode", "out"))
    if mode not in MODES:
        raise UsageError(f"drawing mode {mode!r} is unknown; use one of {', '.join(MODES)}.")
    tools.apply(mask, tools.from_plotly(p["shape"], float(p.get("width", 1.0))), mode)


def _threshold(mask: Bool, p: Mapping[str, Any], context: Context) -> None:
    """Keep ``low`` <= I < ``high``; either may be None."""
    image = context.intensity()
    if p.get("low") is not None:
        mask &= image >= float(p["low"])
    if p.get("high") is not None:
        mask &= image < float(p["high"])


def _hot_dead(mask: Bool, p: Mapping[str, Any], context: Context) -> None:
    """``hot``: standard deviations above the neighbourhood, ``dead``: below; None leaves either out."""
    hot, dead = p.get("hot", 8.0), p.get("dead", 8.0)
    key = ("hot_dead", id(context.image), hot, dead, context.frames)
    mask &= ~context.remembered(
        key, lambda: pixels.hot_or_dead(context.intensity(), hot, dead, context.frames)
    )


def _outliers(mask: Bool, p: Mapping[str, Any], context: Context) -> None:
    """Per ring of ``map``: ``method`` mad (``cutoff``) or percentile (``low``, ``high``); then
    ``morphology``.
    """
    rings = context.map(str(p.get("map", "q")))
    bad = pixels.ring_outliers(
        context.intensity(),
        mask,
        rings,
        int(p.get("rings", 100)),
        method=str(p.get("method", "mad")),
        cutoff=float(p.get("cutoff", 3.0)),
        low=float(p.get("low", 5.0)),
        high=float(p.get("high", 95.0)),
    )
    bad = pixels.morphology(bad, str(p.get("morphology", "none")), int(p.get("size", 1)))
    mask &= ~bad


def _ranges(mask: Bool, p: Mapping[str, Any], context: Context) -> None:
    """``conditions``: [{map, low, high, join: and|or, negate}]; ``mode``: keep or out."""
    chosen = pixels.conditions(p.get("conditions") or (), context.map, context.shape)
    mask &= chosen if p.get("mode", "keep") == "keep" else ~chosen


def _import(mask: Bool, p: Mapping[str, Any], context: Context) -> None:
    """``array``: name of an imported mask, 0 masked; ``invert``: 1 masked instead."""
    name = str(p.get("array"))
    if name not in context.arrays:
        raise UsageError("the imported mask of this step is no longer there; import it again.")
    valid = np.asarray(context.arrays[name]) > 0
    if valid.shape != context.shape:
        raise UsageError(f"an imported mask has shape {valid.shape}, the detector {context.shape}.")
    mask &= ~valid if p.get("invert") else valid


def _pixel_list(mask: Bool, p: Mapping[str, Any], context: Context) -> None:
    """``pixels``: [[x, y], …], columns and rows; those off the detector are left out."""
    xy = np.asarray(p.get("pixels") or [], dtype=np.int64).reshape(-1, 2)
    on = (xy >= 0).all(axis=1) & (xy[:, 0] < context.shape[1]) & (xy[:, 1] < context.shape[0])
    mask[xy[on, 1], xy[on, 0]] = False


def _gaps(mask: Bool, p: Mapping[str, Any], context: Context) -> None:
    """``detector``: auto (marker values, and whole rows or columns without a count), or a name of
    `pixels.GAPS`.
    """
    which = str(p.get("detector", "auto"))
    if which == "auto":
        key = ("gaps", id(context.image))
        mask &= ~context.remembered(key, lambda: pixels.automatic_gaps(context.intensity()))
    else:
        mask &= ~pixels.named_gaps(which, context.shape)


def _morphology(mask: Bool, p: Mapping[str, Any], context: Context) -> None:  # noqa: ARG001
    """``how``: dilate, erode, open or close, of what is masked; ``size`` px."""
    mask[...] = ~pixels.morphology(~mask, str(p.get("how", "dilate")), int(p.get("size", 1)))


#: kind -> function that applies it.
KINDS: dict[str, Callable[[Bool, Mapping[str, Any], Context], None]] = {
    "shape": _shape,
    "threshold": _threshold,
    "hot_dead": _hot_dead,
    "outliers": _outliers,
    "range": _ranges,
    "import": _import,
    "pixels": _pixel_list,
    "gaps": _gaps,
    "morphology": _morphology,
}

_WORDS = {
    "threshold": "Threshold",
    "hot_dead": "Hot and dead pixels",
    "outliers": "Outliers per ring",
    "range": "Range",
    "import": "Imported mask",
    "pixels": "Pixel list",
    "gaps": "Detector gaps",
    "morphology": "Grow or shrink",
}


def _default_name(kind: str, params: Mapping[str, Any]) -> str:
    return kind_of(params.get("shape", {})).capitalize() if kind == "shape" else _WORDS[kind]
