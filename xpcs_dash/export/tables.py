"""Tables of numbers with names and units, and their CSV form."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile
from xpcs_dash.export.provenance import Provenance


@dataclass(frozen=True)
class Column:
    """One column: ``values`` (n,) in ``unit``; an empty unit means a pure number or text."""

    name: str
    unit: str
    values: NDArray[np.generic]

    @property
    def heading(self) -> str:
        """``name (unit)``, or the name alone."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class Table:
    """Columns of equal length under one name."""

    name: str
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        lengths = {column.values.shape for column in self.columns}
        if len(lengths) > 1 or any(column.values.ndim != 1 for column in self.columns):
            raise ValueError(f"table {self.name}: columns of shapes {sorted(lengths)}")

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        for column in self.columns:
            if column.name == name:
                return column.values
        raise KeyError(name)


def _text(value: object) -> str:
    # repr of a float is the shortest text that reads back to the same number
    if isinstance(value, np.bool_ | bool):
        return str(int(value))
    if isinstance(value, np.floating | float):
        return repr(float(value))
    return str(value)


def to_csv(tables: Sequence[Table], source: Provenance) -> str:
    """Text of tables: provenance as ``#`` lines, then for each its name and a header with units."""
    out = io.StringIO(newline="")
    for line in source.as_lines():
        out.write(f"# {line}\r\n")
    writer = csv.writer(out)
    for table in tables:
        out.write(f"# table: {table.name}\r\n")
        writer.writerow([column.heading for column in table.columns])
        writer.writerows(zip(*([_text(v) for v in column.values] for column in table.columns), strict=True))
    return out.getvalue()


def from_csv(path: Path) -> dict[str, dict[str, NDArray[np.generic]]]:
    """Read what `to_csv` wrote: table name -> heading -> values, float64 where all of a column are numbers.

    Raises
    ------
    IncompleteFile
        Where the text was not written by `to_csv`.
    """
    blocks: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# table: "):
            lines = blocks.setdefault(line.removeprefix("# table: "), [])
        elif lines is not None and line and not line.startswith("#"):
            lines.append(line)
    tables = {name: list(csv.reader(found)) for name, found in blocks.items()}
    if not tables or any(not found for found in tables.values()):
        raise IncompleteFile(path, "holds no exported table", "choose a CSV file that this program wrote")
    return {
        name: {heading: _values([row[k] for row in found[1:]]) for k, heading in enumerate(found[0])}
        for name, found in tables.items()
    }


def _values(texts: list[str]) -> NDArray[np.generic]:
    try:
        return np.array([float(text) for text in texts], dtype=np.float64)
    except ValueError:
        return np.array(texts)
