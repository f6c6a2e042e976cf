"""Two-time matrices of a result in horizontal slabs, and what is stored beside them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.hdf5 import slabs
from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["read_slabs", "stored_g2"]


def read_slabs(xf: XpcsFile, label: int, rows: int) -> Iterator[slabs.Slab]:
    """Yield (first row, values (rows, N − first row) float32) of the upper triangle of one q-bin.

    Parameters
    ----------
    label : 1-based label of the dynamic map.
    rows : rows of a slab; the last one may hold fewer.

    Raises
    ------
    UsageError
        Where the file has no matrix for the label.
    UnreadableFile
        Where it is damaged.
    """
    position, record = xf._position(label), xf._raw.twotime
    assert record is not None  # _position has found a bin
    with xf._pool.open(xf.path, xf.key) as h5:
        yield from slabs.read_slabs(h5, record, position, xf.path, rows)


def stored_g2(xf: XpcsFile, label: int) -> NDArray[np.float64] | None:
    """(N,) stored mean of each diagonal of one q-bin, without reading its matrix; None where there is none.

    The column is the position of the label among the processed bins, not the label itself.
    """
    position, record = xf._position(label), xf._raw.twotime
    return None if record is None or record.g2 is None else record.g2[:, position]
