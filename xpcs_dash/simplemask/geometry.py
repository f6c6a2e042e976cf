"""What a q-map is computed from besides `GeometryMetadata`: the setting of the detector and of the sample."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

from xpcs_dash.errors import UsageError

Orientation = Literal["north", "west", "south", "east"]

#: Units of the maps, as result files write them.
UNITS = {
    "q": "Å⁻¹",
    "qx": "Å⁻¹",
    "qy": "Å⁻¹",
    "qz": "Å⁻¹",
    "qr": "Å⁻¹",
    "phi": "deg",
    "TTH": "deg",
    "tth": "deg",
    "alpha_f": "deg",
    "x": "pixel",
    "y": "pixel",
}


@dataclass(frozen=True)
class Setting:
    """How detector and sample stand.

    Attributes
    ----------
    mode : transmission, or reflection (grazing incidence).
    legacy_q : True takes q = k sin α, as maps made before pySimpleMask 0.4 do; False the exact 2 k sin(α/2).
    swing_h, swing_v : angles in degrees by which the detector arm is swung horizontally and vertically
    about the
        sample, horizontal axis first; transmission only. The beam centre is then where the direct beam
        would hit the detector at zero swing.
    incidence : grazing angle of incidence in degrees; reflection only.
    orientation : side of the detector to which the surface normal points; reflection only.
    """

    mode: Literal["transmission", "reflection"] = "transmission"
    legacy_q: bool = False
    swing_h: float = 0.0
    swing_v: float = 0.0
    incidence: float = 0.14
    orientation: Orientation = "north"

    def __post_init__(self) -> None:
        if self.mode not in ("transmission", "reflection"):
            raise UsageError(f"mode {self.mode!r} is unknown; use transmission or reflection.")
        if self.orientation not in ("north", "west", "south", "east"):
            raise UsageError(f"orientation {self.orientation!r} is unknown; use north, west, south or east.")
        for name in ("swing_h", "swing_v", "incidence"):
            value = getattr(self, name)
            if not math.isfinite(value) or abs(value) >= 90:
                raise UsageError(f"{name} must be an angle within ±90 degrees, found {value}.")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def maps(self) -> tuple[str, ...]:
        """Names of the maps that this setting gives."""
        if self.mode == "reflection":
            return ("q", "phi", "TTH", "tth", "alpha_f", "qx", "qy", "qz", "qr", "x", "y")
        return ("q", "phi", "TTH", "qx", "qy", "qz", "qr", "x", "y")

    def rotation(self) -> tuple[float, ...]:
        """Row-major 3 x 3 rotation from detector to laboratory axes (x right, y down, z along the beam)."""
        ch, sh = math.cos(math.radians(self.swing_h)), math.sin(math.radians(self.swing_h))
        cv, sv = math.cos(math.radians(self.swing_v)), math.sin(math.radians(self.swing_v))
        # Ry(h) Rx(v): the horizontal motor carries the vertical one
        return (ch, -sh * sv, -sh * cv, 0.0, cv, -sv, sh, ch * sv, ch * cv)
