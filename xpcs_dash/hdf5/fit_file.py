"""The HDF5 file of one stored fit: named groups of arrays, and texts; their meaning is not known here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile
from xpcs_dash.hdf5.handle import Group
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.hdf5.writer import atomic_hdf5

__all__ = ["FIT_FILE_VERSION", "read_fit_file", "write_fit_file"]

FIT_FILE_VERSION = "1"

Arrays = Mapping[str, Mapping[str, NDArray[Any]]]


def write_fit_file(path: Path, groups: Arrays, texts: Mapping[str, str]) -> None:
    """Write ``/fit/<group>/<name>`` arrays and ``/fit/text/<name>``, atomically.

    Parameters
    ----------
    groups : group name -> dataset name -> array (numbers or bool).
    texts : name -> text (JSON, usually).

    Raises
    ------
    WriteError
        The directory is missing, not writable or full.
    """
    with atomic_hdf5(path) as h5:
        root = h5.create_group("fit")
        root.attrs["version"] = FIT_FILE_VERSION
        for group, arrays in groups.items():
            parent = root.create_group(group)
            for name, array in arrays.items():
                # draws do not compress well; a light filter keeps the write fast
                big = array.size > 8192
                parent.create_dataset(
                    name, data=array, **({"compression": "lzf", "shuffle": True} if big else {})
                )
        for name, text in texts.items():
            # as a dataset: attributes are limited to 64 kB
            root.create_dataset(f"text/{name}", data=text, dtype=h5py.string_dtype())


def read_fit_file(path: Path) -> tuple[dict[str, dict[str, NDArray[Any]]], dict[str, str]]:
    """Groups of arrays and texts, as given to `write_fit_file`.

    Raises
    ------
    FileError
        Gone, unreadable, or not a stored fit.
    """
    pool = HDF5ConnectionPool(idle_s=0.1, limit=1)
    try:
        with pool.open(path) as h5, h5.in_words():
            root = h5.get("fit")
            if not isinstance(root, Group) or "text" not in root:
                raise IncompleteFile(path, "it is not a stored fit", "choose a file made by this program")
            groups = {
                group: {name: np.asarray(root[group][name][()]) for name in root[group]}
                for group in root
                if group != "text"
            }
            texts = {name: _text(root["text"][name][()]) for name in root["text"]}
    finally:
        pool.close()
    return groups, texts


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
