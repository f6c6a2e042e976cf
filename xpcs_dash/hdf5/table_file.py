"""Tables of numbers as HDF5: one group a table, one dataset a column, the unit as attribute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.hdf5.writer import atomic_hdf5, put

Columns = Mapping[str, tuple[NDArray[np.generic], str]]


def write_tables(path: Path, tables: Mapping[str, Columns], attributes: Mapping[str, str]) -> None:
    """Write tables atomically.

    Parameters
    ----------
    tables : table -> column -> (values (n,), unit). A slash in a name becomes an underscore.
    attributes : texts for the root of the file, such as the provenance.

    Raises
    ------
    WriteError
        Where the file cannot be written.
    """
    with atomic_hdf5(path) as h5:
        for name, value in attributes.items():
            h5.attrs[name] = value
        for table, columns in tables.items():
            for column, (values, unit) in columns.items():
                text = values.dtype.kind == "U"
                put(
                    h5,
                    f"tables/{_plain(table)}/{_plain(column)}",
                    values.tolist() if text else values,
                    unit=unit,
                )


def read_tables(path: Path) -> tuple[dict[str, dict[str, tuple[NDArray[np.generic], str]]], dict[str, str]]:
    """Read what `write_tables` wrote: the tables and the attributes.

    Raises
    ------
    IncompleteFile
        Where the file holds no tables.
    """
    with HDF5ConnectionPool().open(path) as h5:
        if "tables" not in h5:
            raise IncompleteFile(
                path, "holds no exported table", "choose an HDF5 file that this program exported"
            )
        tables = {
            table: {
                column: (_values(dataset), str(dataset.attrs.get("units", "")))
                for column, dataset in group.items()
            }
            for table, group in h5["tables"].items()
        }
        return tables, {name: str(text) for name, text in h5.attrs.items()}


def _values(dataset: object) -> NDArray[np.generic]:
    values = np.asarray(dataset[()])  # type: ignore[index]
    return np.array([item.decode() for item in values]) if values.dtype.kind == "O" else values


def _plain(name: str) -> str:
    return name.replace("/", "_")
