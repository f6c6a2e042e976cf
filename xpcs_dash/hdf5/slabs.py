"""A two-time matrix read in horizontal slabs, each compressed block of the file unpacked once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UnreadableFile
from xpcs_dash.hdf5 import bigdata
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.records import TwoTimeRecord

__all__ = ["Slab", "read_slabs"]

Slab = tuple[int, NDArray[np.float32]]

#: Unpacked blocks that HDF5 may hold while it reads; one block is always held, however large the writer made
#: it.
BLOCK_CACHE = 128 * 2**20


def read_slabs(h5: Handle, record: TwoTimeRecord, position: int, path: Path, rows: int) -> Iterator[Slab]:
    """Yield (first row, values (rows, N − first row) float32) of the upper triangle of one matrix.

    Writers store these matrices in blocks of up to 16,384 × 16,384 values. HDF5 would unpack such a block
    anew for every slab, because it exceeds the default cache of 1 MB; here the cache of this one dataset is
    sized to it.

    Raises
    ------
    UnreadableFile
        Where the file is damaged.
    """
    n = record.shape[0]
    matrix = record.matrices[position]
    plain = (
        matrix.plane is None and not record.flipped and record.populated != "lower" and record.baseline != 0.0
    )
    if not plain:
        whole = bigdata.read_matrix(h5, record, position, path)
        for r0 in range(0, n, rows):
            yield r0, whole[r0 : r0 + rows, r0:]
        return
    dataset = _open(h5, matrix.path, path)
    for r0 in range(0, n, rows):
        try:
            values = np.asarray(dataset[r0 : r0 + rows, r0:], dtype=np.float32)
        except (OSError, RuntimeError, ValueError) as err:
            raise _damaged(path, matrix.path, err) from None
        if record.populated == "all":
            values = np.triu(values)
        yield r0, values


def _open(h5: Handle, name: str, path: Path) -> Any:
    try:
        return h5[name].with_cache(BLOCK_CACHE)
    except (KeyError, OSError, RuntimeError, ValueError) as err:
        raise _damaged(path, name, err) from None


def _damaged(path: Path, name: str, err: Exception) -> UnreadableFile:
    reason = " ".join(str(err).split())[:160]
    return UnreadableFile(
        path, f"{name} cannot be read ({reason})", "it may be damaged: copy it again", transient=True
    )
