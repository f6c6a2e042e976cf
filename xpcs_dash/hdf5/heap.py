"""A check of stored strings before HDF5 reads them.

Strings of variable length live in heaps of their own inside the file. The library walks a damaged heap for
ever, with every other read of the process waiting for it, so the heap is walked here first, with bounds.
"""

from __future__ import annotations

import os
import struct

import h5py
from h5py import h5d, h5t

__all__ = ["strings_are_sound"]

_HEADER = struct.Struct("<4sB3xQ")  # signature, version, size of the collection
_OBJECT = struct.Struct("<HH4xQ")  # number, references, size
_REFERENCE = struct.Struct("<IQI")  # length, address of the collection, number
#: Strings of longer lists are not read by anything that shows or searches them.
MANY = 100_000


def strings_are_sound(h5: h5py.File, dataset: h5d.DatasetID) -> bool:
    """False where the heap of a dataset of strings is damaged, or where the file could not be looked at.

    Datasets that hold no strings of variable length, and layouts in which the references have no fixed place,
    pass.
    """
    kind = dataset.get_type()
    if not (isinstance(kind, h5t.TypeStringID) and kind.is_variable_str()):
        return True
    offset, count = dataset.get_offset(), dataset.get_space().get_simple_extent_npoints()
    if offset is None or count == 0:
        return True
    if count > MANY:
        return False
    if h5.driver != "sec2":
        return True  # another file driver, as for files in memory: nothing to look at
    try:
        handle = h5.id.get_vfd_handle()
        stored = os.pread(handle, count * _REFERENCE.size, offset)
        if len(stored) != count * _REFERENCE.size:
            return False
        addresses = {address for _, address, _ in _REFERENCE.iter_unpack(stored) if address}
        size = os.fstat(handle).st_size
        return all(_is_sound(handle, address, size) for address in addresses)
    except (OSError, TypeError, ValueError, OverflowError):
        return True  # the read itself will say what is wrong


def _is_sound(handle: int, address: int, file_size: int) -> bool:
    head = os.pread(handle, _HEADER.size, address) if address < file_size else b""
    if len(head) != _HEADER.size:
        return False
    signature, version, size = _HEADER.unpack(head)
    if signature != b"GCOL" or version != 1 or size < 4096 or address + size > file_size:
        return False
    block = os.pread(handle, size, address)
    place = _HEADER.size
    while place + _OBJECT.size <= len(block):
        number, _, length = _OBJECT.unpack_from(block, place)
        # number 0 is the free rest, whose length counts its own header
        step = length if number == 0 else _OBJECT.size + (length + 7) // 8 * 8
        if step < _OBJECT.size and number == 0 and length != 0:
            return False
        if step == 0 or place + step > len(block):
            return False
        place += step
    return True
