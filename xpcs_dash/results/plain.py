"""Statements as plain values of JSON, and back with a reason for what does not fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from xpcs_dash.errors import SchemaError

__all__ = ["At", "number", "rounded", "tree"]

_ENDLESS = {"inf": math.inf, "-inf": -math.inf}


def number(value: float | None) -> float | str | None:
    """A number for JSON: not a number is null, and an infinite one is a text, ``"inf"`` or ``"-inf"``."""
    if value is None or math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def rounded(value: Any, digits: int = 7) -> Any:
    """A scalar or a tuple of texts for JSON, numbers at ``digits`` digits; what is not finite is null."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def tree(value: Any) -> Any:
    """Mappings, sequences and scalars for JSON."""
    if isinstance(value, Mapping):
        return {str(name): tree(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [tree(item) for item in value]
    if isinstance(value, float):
        return number(value)
    return value


@dataclass(frozen=True)
class At:
    """Where in a statement we are: reads values, and refuses with the name of the field.

    Attributes
    ----------
    schema : name of the statement.
    prefix : the way to the present part of it.
    """

    schema: str
    prefix: str = ""

    def inside(self, name: str) -> At:
        """One step further in."""
        return At(self.schema, f"{self.prefix}{name}.")

    def refuse(self, name: str, expected: str, found: Any) -> SchemaError:
        """The error for one field."""
        text = repr(found)
        shown = text if len(text) <= 60 else f"{text[:59]}…"
        return SchemaError(self.schema, f"{self.prefix}{name}", expected, shown)

    def mapping(self, given: Any, kind: type | None = None, *, extra: bool = False) -> Mapping[str, Any]:
        """The values by name, with no others than those of ``kind`` unless ``extra``."""
        if not isinstance(given, Mapping):
            raise SchemaError(self.schema, self.prefix.rstrip(".") or "value", "an object", repr(given)[:60])
        if kind is not None and not extra:
            unknown = set(given) - {f.name for f in fields(kind)}
            if unknown:
                raise self.refuse(min(unknown), "no field of this name", given[min(unknown)])
        return given

    def number(self, values: Mapping[str, Any], name: str) -> float:
        """A number; null is NaN."""
        return self._number(name, values.get(name))

    def _number(self, name: str, found: Any) -> float:
        if found is None:
            return math.nan
        if isinstance(found, str) and found in _ENDLESS:
            return _ENDLESS[found]
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self.refuse(name, "a number, null, 'inf' or '-inf'", found)
        return float(found)

    def whole(self, values: Mapping[str, Any], name: str) -> int:
        """A whole number that is not negative."""
        found = values.get(name)
        if isinstance(found, bool) or not isinstance(found, int) or found < 0:
            raise self.refuse(name, "a whole number from 0", found)
        return found

    def text(self, values: Mapping[str, Any], name: str) -> str:
        """A text."""
        found = values.get(name)
        if not isinstance(found, str):
            raise self.refuse(name, "a text", found)
        return found

    def yes(self, values: Mapping[str, Any], name: str) -> bool:
        """True or false."""
        found = values.get(name)
        if not isinstance(found, bool):
            raise self.refuse(name, "true or false", found)
        return found

    def one_of(self, values: Mapping[str, Any], name: str, known: Sequence[str]) -> str:
        """One of the known words."""
        found = values.get(name)
        if found not in known:
            raise self.refuse(name, f"one of {', '.join(known)}", found)
        return str(found)

    def texts(self, values: Mapping[str, Any], name: str) -> tuple[str, ...]:
        """A list of texts."""
        found = values.get(name)
        if not isinstance(found, list | tuple) or not all(isinstance(item, str) for item in found):
            raise self.refuse(name, "a list of texts", found)
        return tuple(found)

    def table(self, values: Mapping[str, Any], name: str) -> dict[str, Any]:
        """An object with any names."""
        found = values.get(name)
        if not isinstance(found, Mapping):
            raise self.refuse(name, "an object", found)
        return dict(found)

    def square(self, values: Mapping[str, Any], name: str, size: int) -> tuple[tuple[float, ...], ...]:
        """(size, size) numbers."""
        found = values.get(name)
        rows = found if isinstance(found, list | tuple) else ()
        if len(rows) != size or any(not isinstance(r, list | tuple) or len(r) != size for r in rows):
            raise self.refuse(name, f"{size} rows of {size} numbers", found)
        return tuple(tuple(self._number(name, value) for value in row) for row in rows)

    def numbers(self, values: Mapping[str, Any], name: str, size: int) -> list[float]:
        """A list of ``size`` numbers."""
        found = values.get(name)
        if not isinstance(found, list | tuple) or len(found) != size:
            raise self.refuse(name, f"a list of {size} numbers", found)
        return [self._number(name, value) for value in found]

    def field(self, values: Mapping[str, Any], name: str, kind: str) -> Any:
        """A value of the type that a dataclass names for it."""
        found = values[name]
        if found is None:
            if "None" not in kind:
                raise self.refuse(name, kind, found)
            return None
        if kind.startswith("tuple"):
            return self.texts(values, name)
        if kind.startswith("str"):
            return self.text(values, name)
        if kind.startswith("int"):
            return self.whole(values, name)
        return self.number(values, name)
