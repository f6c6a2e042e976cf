"""Numbers as text: no more digits than the uncertainty allows, engineering exponents, always the unit."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Units that take SI prefixes; every other unit gets a power of ten.
PREFIXABLE = frozenset({"s", "m", "Hz", "eV", "B", "Pa", "A", "V", "W"})
_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MINUS = "\N{MINUS SIGN}"
NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Number:
    """A number ready to be shown: the parts may be set in different type.

    Attributes
    ----------
    value : digits, such as ``2.79``.
    sigma : digits of the uncertainty on the same exponent, or "".
    unit : exponent and unit, such as ``·10⁻³ Å⁻¹`` or ``ms``; "" where there is none.
    """

    value: str
    sigma: str = ""
    unit: str = ""

    def __str__(self) -> str:
        joint = "" if self.unit.startswith("·") else NBSP
        core = f"{self.value} ± {self.sigma}" if self.sigma else self.value
        if self.sigma and self.unit.startswith("·"):
            core = f"({core})"
        return f"{core}{joint}{self.unit}" if self.unit else core


def superscript(power: int) -> str:
    """``-3`` -> ``⁻³``."""
    return str(power).translate(_SUPERSCRIPT)


def signed(text: str) -> str:
    """Replace the hyphen of a negative number by a minus sign."""
    return text.replace("-", MINUS)


def _exponent(value: float) -> int:
    """Power of ten, a multiple of three, that leaves 1 … 999.

    The margin keeps 0.9999999 of a step together with the step itself.
    """
    return math.floor(math.log10(abs(value)) / 3 + 1e-9) * 3


def _tail(power: int, unit: str) -> str:
    if unit in PREFIXABLE and power in _PREFIXES:
        return _PREFIXES[power] + unit
    if power == 0:
        return unit
    return f"·10{superscript(power)}" + (f"{NBSP}{unit}" if unit else "")


def _digits(value: float, significant: int) -> str:
    """Fixed-point text of ``value`` with so many significant digits."""
    if value == 0:
        return "0"
    places = significant - 1 - math.floor(math.log10(abs(value)))
    return signed(f"{round(value, places):.{max(0, places)}f}")


def number(value: float | None, unit: str = "", digits: int = 3) -> Number:
    """A value in engineering form, without an uncertainty.

    Parameters
    ----------
    value : the number; None and non-finite values become an em dash.
    unit : ``s``, ``Å⁻¹``, …; seconds, metres, hertz, electronvolts take a prefix, other units a power of ten.
        Values of a unit without prefix stay as they are between 0.01 and 10,000.
    digits : significant digits.
    """
    if value is None or not math.isfinite(value):
        return Number("—", "", "")
    if value == 0:
        return Number("0", "", unit)
    plain = unit not in PREFIXABLE and 0.01 <= abs(value) < 10_000
    # rounding may carry into the next decade: 999.9 µs shown with three digits is 1.00 ms
    rounded = float(f"{value:.{digits - 1}e}")
    power = 0 if plain else _exponent(rounded)
    return Number(_digits(rounded / 10.0**power, digits), "", _tail(power, unit))


def engineering(value: float | None, unit: str = "", digits: int = 3) -> str:
    """`number` as one string: ``20.0 µs``, ``3.76·10⁻³ Å⁻¹``, ``—`` for no value."""
    return str(number(value, unit, digits))


def uncertain(value: float | None, sigma: float | None, unit: str = "") -> Number:
    """A value with its standard uncertainty, rounded to what the uncertainty allows.

    The uncertainty keeps one digit, or two where the first is a 1 or 2; the value ends at the same place.

    Parameters
    ----------
    value, sigma : number and standard deviation in ``unit``; without a usable ``sigma`` see `number`.
    unit : as in `number`.
    """
    if value is None or not math.isfinite(value) or sigma is None or not math.isfinite(sigma) or sigma <= 0:
        return number(value, unit)
    leading = math.floor(math.log10(sigma))
    significant = 2 if sigma / 10.0**leading < 2.95 else 1
    place = significant - 1 - leading  # decimals that the value keeps
    if abs(sigma) >= abs(value) * 1e3 and value != 0:
        return number(value, unit)
    size = max(abs(round(value, place)), sigma)
    plain = unit not in PREFIXABLE and 0.01 <= size < 10_000
    power = 0 if plain else _exponent(size)
    decimals = max(0, place + power)
    scale = 10.0**power
    return Number(
        signed(f"{round(value / scale, place + power):.{decimals}f}"),
        f"{round(sigma / scale, place + power):.{decimals}f}",
        _tail(power, unit),
    )


def format_q(q: float | None, unit: str = "Å⁻¹", digits: int = 3) -> str:
    """A wave vector with its unit; small ones with the exponent -3, as in ``3.76·10⁻³ Å⁻¹``."""
    if q is None or not math.isfinite(q):
        return "—"
    if unit in {"Å⁻¹", "1/Å", "A^-1", "nm⁻¹"} and 1e-4 <= abs(q) < 0.1:
        scaled = q * 1e3
        decimals = max(0, min(3, digits - 1 - math.floor(math.log10(abs(scaled)))))
        return f"{signed(f'{scaled:.{decimals}f}')}·10⁻³{NBSP}{unit}"
    return engineering(q, unit, digits)


def format_bin(q: float, phi: float | None = None, unit: str = "Å⁻¹") -> str:
    """Name of a q-bin: ``q = 3.76·10⁻³ Å⁻¹`` and ``, φ = 22.5°`` where the map is split in angle."""
    text = f"q = {format_q(q, unit)}"
    return text if phi is None or not math.isfinite(phi) else f"{text}, φ = {signed(f'{phi:.1f}')}°"


def count(value: int) -> str:
    """An integer with thin groups of thousands: ``100,000``."""
    return signed(f"{value:,}")


def percent(fraction: float, digits: int = 0) -> str:
    """``0.083`` -> ``8 %``; what is above zero never shows as ``0 %``."""
    if 0 < fraction < 0.5 * 10.0 ** (-2 - digits):
        return f"< {10.0**-digits:.{digits}f}{NBSP}%"
    return f"{100 * fraction:.{digits}f}{NBSP}%"


def temperature(kelvin: float | None) -> str:
    """A temperature in degrees Celsius, as beamlines set it; — where it is not known."""
    return (
        "—" if kelvin is None or not math.isfinite(kelvin) else f"{signed(f'{kelvin - 273.15:.1f}')}{NBSP}°C"
    )
