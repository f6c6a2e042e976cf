"""Reading ``NAME=VALUE`` and lists from the command line; malformed ones are usage errors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import typer

from xpcs_dash.errors import UsageError, shown

__all__ = ["delays", "labels", "number_pairs", "numbers", "read_labels", "texts"]

#: More labels than any map has.
MOST_LABELS = 1_000_000


def _number(option: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise typer.BadParameter(f"{option}: {text!r} is not a number.") from None
    if not math.isfinite(value):
        raise typer.BadParameter(f"{option}: {text!r} is not a finite number.")
    return value


def _split(option: str, given: Sequence[str] | None, shape: str) -> list[tuple[str, str]]:
    out = []
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise typer.BadParameter(f"{option}: expected {shape}, found {text!r}.")
        out.append((name.strip(), value))
    return out


def texts(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """``["backend=numpy"]`` as ``{"backend": "numpy"}``."""
    return {name: value.strip() for name, value in _split(option, given, "NAME=VALUE")}


def numbers(option: str, given: Sequence[str] | None) -> dict[str, float]:
    """``["tau=1e-3"]`` as ``{"tau": 0.001}``."""
    return {name: _number(option, value) for name, value in _split(option, given, "NAME=VALUE")}


def number_pairs(option: str, given: Sequence[str] | None) -> dict[str, tuple[float, float]]:
    """``["tau=1e-5,1"]`` as ``{"tau": (1e-05, 1.0)}``."""
    out = {}
    for name, value in _split(option, given, "NAME=LO,HI"):
        parts = value.split(",")
        if len(parts) != 2:
            raise typer.BadParameter(f"{option}: expected NAME=LO,HI, found {name}={value!r}.")
        out[name] = (_number(option, parts[0]), _number(option, parts[1]))
    return out


def delays(text: str | None) -> tuple[float, float] | None:
    """``"1e-4,1"`` as a pair; None where not given."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2:
        raise typer.BadParameter(f"--delay-range: expected LO,HI, found {text!r}.")
    return _number("--delay-range", parts[0]), _number("--delay-range", parts[1])


def labels(text: str | None) -> tuple[int, ...] | None:
    """As `read_labels`, for an option of a command."""
    try:
        return read_labels(text)
    except UsageError as err:
        raise typer.BadParameter(f"--{err}") from None


def read_labels(text: str | None) -> tuple[int, ...] | None:
    """``"1,4-6"`` as ``(1, 4, 5, 6)``; None where not given. Repeated labels count once.

    Raises
    ------
    UsageError
        For anything else.
    """
    if text is None or not text.strip():
        return None
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low = int(first)
            high = int(last) if dash else low
        except ValueError:
            raise UsageError(f"q-bins: expected labels like 1,4 or 2-7, found {shown(text, 80)!r}.") from None
        if not 1 <= low <= high <= MOST_LABELS:
            raise UsageError(f"q-bins: {shown(part.strip(), 80)!r} is not a range of labels from 1.")
        found.extend(range(low, high + 1))
        if len(found) > MOST_LABELS:
            raise UsageError(f"q-bins: {shown(text, 80)!r} names too many labels.")
    return tuple(dict.fromkeys(found))
