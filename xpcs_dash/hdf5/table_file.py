"""Tables of numbers as HDF5: one group a table, one dataset a column, the unit as attribute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile
from xpcs_dash.hdf5.handle import Dataset, Group
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.hdf5.schemas import G2Data, GeometryMetadata
from xpcs_dash.hdf5.writer import atomic_hdf5, put, write_own

Columns = Mapping[str, tuple[NDArray[np.generic], str]]


def write_tables(
    path: Path,
    tables: Mapping[str, Columns],
    attributes: Mapping[str, str],
    g2: G2Data | None = None,
    geometry: GeometryMetadata | None = None,
) -> None:
    """Write tables atomically, in our own layout where there is a multi-tau ``g2``.

    The tables stand under ``/tables/<table>/<column>``; beside them then ``/xpcs/g2`` and ``/xpcs/metadata``
    of the source, so that the file opens wherever our own layout does.

    Parameters
    ----------
    tables : table -> column -> (values (n,), unit). A slash in a name becomes an underscore.
    attributes : texts for ``/xpcs/metadata``, such as the provenance.
    g2, geometry : of the file that the numbers are of.

    Raises
    ------
    WriteError
        Where the file cannot be written.
    """
    datasets = {
        f"/tables/{_plain(table)}/{_plain(column)}": (_storable(values), unit)
        for table, columns in tables.items()
        for column, (values, unit) in columns.items()
    }
    if g2 is not None:
        write_own(path, g2=g2, geometry=geometry, extra=datasets, provenance=attributes)
        return
    with atomic_hdf5(path) as h5:
        h5.require_group("/xpcs/metadata").attrs.update(attributes)
        for name, (values, unit) in datasets.items():
            put(h5, name, values, unit=unit)


def read_tables(path: Path) -> tuple[dict[str, dict[str, tuple[NDArray[np.generic], str]]], dict[str, str]]:
    """Read what `write_tables` wrote: the tables and the attributes.

    Raises
    ------
    IncompleteFile
        Where the file holds no tables.
    """
    with HDF5ConnectionPool().open(path) as h5, h5.in_words():
        if "tables" not in h5:
            raise IncompleteFile(
                path, "holds no exported table", "choose an HDF5 file that this program exported"
            )
        tables = {
            table: {
                column: (_values(dataset), str(dataset.attrs.get("units", "")))
                for column in group
                if isinstance(dataset := group[column], Dataset)
            }
            for table in h5["tables"]
            if isinstance(group := h5["tables"][table], Group)
        }
        return tables, {name: str(text) for name, text in h5["/xpcs/metadata"].attrs.items()}


def _storable(values: NDArray[np.generic]) -> Any:
    return values.tolist() if values.dtype.kind == "U" else values


def _values(dataset: Dataset) -> NDArray[np.generic]:
    values = np.asarray(dataset[()])
    return np.array([item.decode() for item in values]) if values.dtype.kind == "O" else values


def _plain(name: str) -> str:
    return name.replace("/", "_")
