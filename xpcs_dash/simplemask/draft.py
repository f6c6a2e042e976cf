"""What one browser session works on: the mask's operations, the geometry, the form of the partition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from xpcs_dash.errors import XpcsDashError
from xpcs_dash.simplemask.area_mask import AreaMask

__all__ = ["DamagedDraft", "Draft"]

#: What a text that is no draft raises when it is taken for one.
_NO_DRAFT = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, XpcsDashError)


class DamagedDraft(ValueError):
    """A text that is no draft."""


@dataclass(frozen=True)
class Draft:
    """What one browser session works on.

    Attributes
    ----------
    source : where the image comes from: {"kind": "result", "file": id} or {"kind": "file", "path", "how",
    "count"}
        or {"kind": "upload", "array", "name"}; empty before the start.
    area : the mask's operations with their history.
    geometry : energy_kev, distance_m, pixel_m, bcx, bcy; empty where unknown.
    origins : for each number of the geometry, where it comes from.
    setting : of the detector and the sample, see `Setting`.
    axes : the partition's form: two dicts for `Axis`.
    view : scale and percentiles of the picture.
    revision : rises with every change.
    copied : key of the shared copy, or the link to a file, that the draft began as.
    own : key of the copy of what the session worked on before that.
    note : sentence on what became of the draft while nobody changed it; goes with the next change.
    """

    source: Mapping[str, Any] = field(default_factory=dict)
    area: AreaMask = field(default_factory=lambda: AreaMask((1, 1)))
    geometry: Mapping[str, float] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    setting: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[Mapping[str, Any], Mapping[str, Any]] = (
        {"name": "q", "dynamic": 10, "static": 100},
        {"name": "phi", "dynamic": 1, "static": 1},
    )
    view: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 0
    copied: str = ""
    own: str = ""
    note: str = ""

    def changed(self, **fields: Any) -> Draft:
        """A copy with other fields and the next revision."""
        return replace(self, **{"note": "", **fields}, revision=self.revision + 1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "source": dict(self.source),
            "area": self.area.to_dict(),
            "geometry": dict(self.geometry),
            "origins": dict(self.origins),
            "setting": dict(self.setting),
            "axes": [dict(a) for a in self.axes],
            "view": dict(self.view),
            "revision": self.revision,
            "copied": self.copied,
            "own": self.own,
            "note": self.note,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Draft:
        """The inverse of `to_dict`.

        Raises
        ------
        DamagedDraft
            Where ``data`` is no draft.
        """
        try:
            return cls._from_dict(data)
        except _NO_DRAFT as err:
            raise DamagedDraft(str(err)) from err

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> Draft:
        axes = data.get("axes") or []
        parts = {
            name: dict(data.get(name) or {}) for name in ("source", "geometry", "origins", "setting", "view")
        }
        return cls(
            **parts,
            area=AreaMask.from_dict(data["area"]),
            axes=(dict(axes[0]), dict(axes[1])) if len(axes) == 2 else cls().axes,
            revision=int(data.get("revision", 0)),
            copied=str(data.get("copied", "")),
            own=str(data.get("own", "")),
            note=str(data.get("note", "")),
        )
