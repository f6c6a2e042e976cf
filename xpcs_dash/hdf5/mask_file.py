"""Masks in HDF5 files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile
from xpcs_dash.hdf5.handle import Dataset
from xpcs_dash.hdf5.pool import HDF5ConnectionPool, default_pool
from xpcs_dash.hdf5.schemas import MaskSchema
from xpcs_dash.hdf5.writer import atomic_hdf5, put

__all__ = ["read_mask_hdf5", "write_mask_hdf5"]

#: Where masks are looked for, in this order; each is 0 for masked.
PATHS = (
    "/simplemask/mask/mask",
    "/mask",
    "/qmap/mask",
    "/xpcs/qmap/mask",
    "/xpcs/mask",
    "/data/mask",
    "/entry/instrument/masks/mask",
)


def write_mask_hdf5(path: str | Path, mask: MaskSchema, *, overwrite: bool = True) -> Path:
    """Write a mask as ``/simplemask/mask/mask`` (int32) and, for other programs, ``/mask`` (uint8, 1 valid).

    Raises
    ------
    WriteError
        Where the file cannot be written.
    """
    with atomic_hdf5(path, overwrite=overwrite) as h5:
        group = h5.create_group("/simplemask/mask")
        put(group, "mask", mask.mask)
        group.attrs["version"], group.attrs["description"] = mask.version, mask.description
        plain = put(h5, "mask", mask.mask.astype(np.uint8))
        plain.attrs["shape"], plain.attrs["version"] = np.asarray(mask.mask.shape), mask.version
    return Path(path)


def read_mask_hdf5(path: str | Path, pool: HDF5ConnectionPool | None = None) -> NDArray[np.int32]:
    """A mask (H, W) int32, 0 masked and 1 valid, from any HDF5 file in which one is found.

    Raises
    ------
    FileError
        Where the file cannot be read or holds no mask.
    """
    with (pool or default_pool()).open(path) as h5, h5.in_words():
        for name in PATHS:
            found = h5.get(name)
            if isinstance(found, Dataset) and found.dtype.kind in "biuf":
                array = np.asarray(found[()])
                while array.ndim > 2 and array.shape[0] == 1:
                    array = array[0]
                if array.ndim == 2:
                    valid: NDArray[np.int32] = (np.nan_to_num(array) > 0).astype(np.int32)
                    return valid
    raise IncompleteFile(path, "it holds no mask", f"a mask is looked for at {', '.join(PATHS)}")
