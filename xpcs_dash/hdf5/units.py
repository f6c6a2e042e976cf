"""Units as files spell them."""

from __future__ import annotations

from xpcs_dash.errors import UsageError

__all__ = ["to_inverse_angstrom", "to_kelvin", "to_kev", "to_metres", "to_seconds"]

_METRES = {
    "m": 1.0, "meter": 1.0, "metre": 1.0, "meters": 1.0, "metres": 1.0,
    "cm": 1e-2, "mm": 1e-3, "millimeter": 1e-3, "millimetre": 1e-3, "millimeters": 1e-3,
    "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "micron": 1e-6, "microns": 1e-6, "micrometer": 1e-6, "nm": 1e-9,
}  # fmt: skip
_SECONDS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "millisecond": 1e-3,
    "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "microsecond": 1e-6, "microseconds": 1e-6, "ns": 1e-9, "min": 60.0,
}  # fmt: skip
_KEV = {"kev": 1.0, "ev": 1e-3, "mev": 1e3, "j": 1.0 / 1.602176634e-16}
_INVERSE_ANGSTROM = {
    "1/angstrom": 1.0, "angstrom^-1": 1.0, "angstrom-1": 1.0, "1/a": 1.0, "a^-1": 1.0, "a-1": 1.0, "å⁻¹": 1.0,
    "1/å": 1.0, "å^-1": 1.0, "å-1": 1.0, "inv_angstrom": 1.0,
    "1/nm": 0.1, "nm^-1": 0.1, "nm-1": 0.1, "nm⁻¹": 0.1,
    "1/m": 1e-10, "m^-1": 1e-10, "m-1": 1e-10, "1/um": 1e-4, "um^-1": 1e-4,
}  # fmt: skip


def _factor(unit: str, table: dict[str, float], what: str) -> float:
    # NFC would turn the Ångström sign into Å; both occur
    key = unit.strip().lower().replace(" ", "").replace("\u212b".lower(), "å")
    if key not in table:
        raise UsageError(f"the unit {unit!r} is not a unit of {what} that we know.")
    return table[key]


def to_metres(value: float, unit: str) -> float:
    """A length in metres."""
    return value * _factor(unit, _METRES, "length")


def to_seconds(value: float, unit: str) -> float:
    """A time in seconds."""
    return value * _factor(unit, _SECONDS, "time")


def to_kev(value: float, unit: str) -> float:
    """A photon energy in keV."""
    return value * _factor(unit, _KEV, "energy")


def to_inverse_angstrom(value: float, unit: str) -> float:
    """A momentum transfer in Å⁻¹."""
    return value * _factor(unit, _INVERSE_ANGSTROM, "momentum transfer")


def to_kelvin(value: float, unit: str) -> float:
    """A temperature in K."""
    name = unit.strip().lower().replace("°", "").replace("deg", "").strip("_ ")
    if name in ("c", "celsius"):
        return value + 273.15
    if name in ("f", "fahrenheit"):
        return (value - 32) / 1.8 + 273.15
    if name in ("", "k", "kelvin"):
        return value
    raise UsageError(f"the unit {unit!r} is not a unit of temperature that we know.")
