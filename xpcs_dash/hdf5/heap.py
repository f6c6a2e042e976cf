"""Stored strings, taken from the file's heaps without HDF5.

Strings of variable length live in heaps of their own inside the file. The library walks a damaged heap for
ever, with every other read of the process waiting for it, so heaps are walked here, with bounds; the strings
of a file are then all at hand, where the library would read its heap anew for each.
"""

from __future__ import annotations

import os
import struct

import h5py
from h5py import h5d, h5t

__all__ = ["DamagedText", "StoredTexts", "strings_are_sound"]

_HEADER = struct.Struct("<4sB3xQ")  # signature, version, size of the collection
_OBJECT = struct.Struct("<HH4xQ")  # number, references, size
_REFERENCE = struct.Struct("<IQI")  # length, address of the collection, number
#: Strings of longer lists are not read by anything that shows or searches them.
MANY = 100_000


class DamagedText(Exception):  # says what happened; never leaves this package
    """A heap of strings is damaged, or holds less than it should."""


class StoredTexts:
    """The strings of variable length of one open file.

    Parameters
    ----------
    h5 : the file; only one that lies on a disk can be looked at, others are left to the library.
    """

    def __init__(self, h5: h5py.File) -> None:
        self._heaps: dict[int, dict[int, bytes]] = {}
        self._handle: int | None = None
        if h5.driver == "sec2":
            self._handle = h5.id.get_vfd_handle()
            self._size = os.fstat(self._handle).st_size
            plan = h5.id.get_create_plist()
            # addresses in the file count from the end of what precedes its HDF5 part
            self._base = plan.get_userblock()
            if plan.get_sizes() != (8, 8):
                self._handle = None

    def read(self, dataset: h5d.DatasetID) -> list[bytes] | None:
        """Its strings in the order of the file; None where the library has to read them.

        That is where they have a fixed length, where the references to them have no fixed place, and where
        the file could not be looked at.

        Raises
        ------
        DamagedText
            Where reading them with the library might never end.
        """
        kind = dataset.get_type()
        if not (isinstance(kind, h5t.TypeStringID) and kind.is_variable_str()):
            return None
        offset, count = dataset.get_offset(), dataset.get_space().get_simple_extent_npoints()
        if offset is None or count == 0 or dataset.get_storage_size() == 0:
            return None
        if count > MANY:
            raise DamagedText
        if self._handle is None:
            return None
        try:
            stored = os.pread(self._handle, count * _REFERENCE.size, offset)
            if len(stored) != count * _REFERENCE.size:
                raise DamagedText
            return [self._string(*found) for found in _REFERENCE.iter_unpack(stored)]
        except (OSError, TypeError, ValueError, OverflowError):
            return None  # the read itself will say what is wrong

    def _string(self, length: int, address: int, number: int) -> bytes:
        if address == 0:
            return b""
        heap = self._heaps.get(address)
        if heap is None:
            heap = self._heaps[address] = self._collection(address + self._base)
        text = heap.get(number)
        if text is None or len(text) < length:
            raise DamagedText
        return text[:length].partition(b"\0")[0]

    def _collection(self, address: int) -> dict[int, bytes]:
        """Objects of one heap by their number."""
        assert self._handle is not None  # `read` has looked
        head = os.pread(self._handle, _HEADER.size, address) if address < self._size else b""
        if len(head) != _HEADER.size:
            raise DamagedText
        signature, version, size = _HEADER.unpack(head)
        if signature != b"GCOL" or version != 1 or size < 4096 or address + size > self._size:
            raise DamagedText
        block = os.pread(self._handle, size, address)
        found, place, first, end = {}, _HEADER.size, _OBJECT.size, len(block)
        while place + first <= end:
            number, _, length = _OBJECT.unpack_from(block, place)
            # number 0 is the free rest, whose length counts its own header
            step = length if number == 0 else first + (length + 7) // 8 * 8
            if (step < first and number == 0 and length != 0) or step == 0 or place + step > end:
                raise DamagedText
            if number:
                found[number] = block[place + first : place + first + length]
            place += step
        return found


def strings_are_sound(h5: h5py.File, dataset: h5d.DatasetID) -> bool:
    """False where the heap of a dataset of strings is damaged, or where the file could not be looked at.

    Datasets that hold no strings of variable length, and layouts in which the references have no fixed place,
    pass.
    """
    try:
        StoredTexts(h5).read(dataset)
    except DamagedText:
        return False
    return True
