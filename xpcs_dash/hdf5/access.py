"""Reading datasets with errors that name the file, the dataset, what was expected and what was found.

Result files hold dozens of small datasets, and a live display opens many files, so small reads go through
h5py's low-level interface, which takes a third of the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5s, h5t
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile, UnreadableFile, UsageError
from xpcs_dash.hdf5.datasets import Dataset
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.heap import DamagedText, StoredTexts
from xpcs_dash.hdf5.records import OpenFile, Stored

__all__ = ["Reader", "decode", "parse_time"]

#: More elements than any eagerly read array has; a damaged header can claim anything.
EAGER_LIMIT = 20_000_000
_NUMBERS = (h5t.INTEGER, h5t.FLOAT)
#: Texts of variable length in memory.
_TEXT = h5t.py_create(h5py.string_dtype())
_OPEN_ERRORS = (KeyError, ValueError, TypeError, OSError, RuntimeError, AttributeError)


def decode(value: Any) -> str:
    """Text of a stored string, whatever its encoding or wrapping."""
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size else ""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").rstrip("\0").strip()
    return str(value).strip()


def parse_time(text: str | None) -> datetime | None:
    """A stored time, or None where it cannot be understood; times without a zone stay without."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in ("%a %b %d %H:%M:%S %Y", "%Y/%m/%d %H:%M:%S", "%m/%d/%Y %H:%M:%S"):
        try:
            return datetime.strptime(text, form)  # the files give local time without a zone
        except ValueError:
            continue
    return None


def _shortest(value: float) -> float:
    """A float32 of 2e-05 means 2e-05, not 1.99999995e-05: its shortest decimal form."""
    return float(str(np.float32(value)))


def _small(dataset: h5d.DatasetID | Dataset) -> float | None:
    """One number stored in one piece of at most eight bytes; None where it is something else.

    Most of what a file holds is such numbers, and to ask for shape and type takes longer than to read.
    """
    if isinstance(dataset, Dataset):
        return None
    size = dataset.get_storage_size()
    if size > 8 or dataset.get_offset() is None:
        return None
    # eight bytes are at most eight numbers
    found = np.full(8, np.nan)
    try:
        dataset.read(h5s.ALL, h5s.ALL, found, h5t.NATIVE_DOUBLE)
    except (OSError, RuntimeError, TypeError, ValueError):
        return None
    value = float(found[0])
    if not math.isnan(found[1]) or math.isnan(value) or (size == 4 and abs(value) >= 2**24):
        return None
    return _shortest(value) if size == 4 and value != int(value) else value


class Reader:
    """Typed access to one open file. What it has found once it does not look for again."""

    def __init__(self, source: OpenFile) -> None:
        self.path = source.path
        self.h5 = source.h5
        self._found: dict[str, tuple[Handle, Any] | None] = {}
        self._texts: dict[str, tuple[str, ...] | None] = {}
        self._heaps: dict[Handle, StoredTexts] = {}

    def _locate(self, name: str) -> tuple[Handle, Any] | None:
        if name not in self._found:
            self._found[name] = self.h5.locate(name)
        return self._found[name]

    # -- existence

    def has(self, name: str) -> bool:
        """True where ``name`` leads to an object."""
        try:
            return self._locate(name) is not None
        except _OPEN_ERRORS:
            return False

    def first(self, *names: str) -> str | None:
        """The first of ``names`` that exists."""
        return next((name for name in names if self.has(name)), None)

    def _open(self, name: str) -> h5d.DatasetID | Dataset | None:
        try:
            found = self._locate(name)
        except _OPEN_ERRORS:
            found = None
        if found is not None and isinstance(found[1], h5d.DatasetID | Dataset):
            return found[1]
        if found is not None or (name not in self.h5.refused and self.h5.is_linked(name)):
            raise IncompleteFile(
                self.path, f"{name} is not a readable dataset", "the file may be damaged: process it again"
            )
        return None

    def missing(self, name: str) -> IncompleteFile:
        """The error for a required dataset that is not there."""
        reason = self.h5.refused.get(name)
        if reason is not None:
            return IncompleteFile(
                self.path, f"the dataset {name} {reason}", "put the file that it needs there"
            )
        return IncompleteFile(
            self.path, f"the dataset {name} is missing", "wait until the file is finished or process it again"
        )

    def wrong(self, name: str, expected: str, found: str) -> IncompleteFile:
        """The error for a dataset that is not what the layout says."""
        return IncompleteFile(
            self.path, f"{name}: expected {expected}, found {found}", "process the file again"
        )

    # -- reading

    def _load(self, name: str, dataset: h5d.DatasetID | Dataset, *, double: bool = False) -> NDArray[Any]:
        """The whole dataset; ``double``: as float64, converted while it is read."""
        shape = dataset.shape
        if shape is None:
            raise self.wrong(name, "values", "an empty dataset")
        if math.prod(shape) > EAGER_LIMIT:
            raise self.wrong(name, f"at most {EAGER_LIMIT} values", f"shape {shape}")
        try:
            if isinstance(dataset, Dataset):
                return np.asarray(dataset[()])
            out: NDArray[Any] = np.empty(shape, np.float64 if double else dataset.dtype)
            if out.size and double:
                dataset.read(h5s.ALL, h5s.ALL, out, h5t.NATIVE_DOUBLE)
            elif out.size:
                dataset.read(h5s.ALL, h5s.ALL, out)
        except (OSError, RuntimeError, TypeError, ValueError) as err:
            raise UnreadableFile(
                self.path,
                f"{name} cannot be read ({str(err).splitlines()[0]})",
                "it may be truncated or still being copied",
                transient=True,
            ) from None
        return out

    def raw(self, name: str) -> NDArray[Any] | None:
        """The dataset as stored, or None where it is missing."""
        dataset = self._open(name)
        return None if dataset is None else self._load(name, dataset)

    def optional(self, name: str) -> NDArray[np.float64] | None:
        """Numbers as float64 in their stored shape, or None where the dataset is missing."""
        dataset = self._open(name)
        if dataset is None:
            return None
        if self._numeric(name, dataset):
            return self._load(name, dataset, double=True)
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(self._load(name, dataset), dtype=np.float64)

    def _numeric(self, name: str, dataset: h5d.DatasetID | Dataset) -> bool:
        """Check that a dataset holds numbers or truth values; True where HDF5 converts them to float64."""
        if isinstance(dataset, h5d.DatasetID) and dataset.get_type().get_class() in _NUMBERS:
            return True
        kind = dataset.dtype
        if kind.kind not in "biuf":
            raise self.wrong(name, "numbers", "text" if kind.kind in "OSU" else f"type {kind}")
        return False

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Numbers as float64; an error where the dataset is missing."""
        found = self.optional(name)
        if found is None:
            raise self.missing(name)
        return found

    def vector(self, name: str, size: int | None = None) -> NDArray[np.float64]:
        """1-D numbers: files that a viewer rewrote hold them as (1, N)."""
        return self._sized(name, self.numbers(name).ravel(), size)

    def optional_vector(self, name: str, size: int | None = None) -> NDArray[np.float64] | None:
        """Like `vector`, None where the dataset is missing."""
        found = self.optional(name)
        return None if found is None else self._sized(name, found.ravel(), size)

    def _sized(self, name: str, values: NDArray[np.float64], size: int | None) -> NDArray[np.float64]:
        if size is not None and values.size != size:
            raise self.wrong(name, f"{size} values", f"{values.size}")
        return values

    def integers(self, name: str, size: int | None = None) -> NDArray[np.int64]:
        """1-D whole numbers."""
        values = self.vector(name, size)
        # written so that a value that is no number fails both
        if not ((np.abs(values) <= 2**53) & (values == np.rint(values))).all():
            raise self.wrong(name, "whole numbers", "fractions or values that are not finite")
        return values.astype(np.int64)

    def shaped(
        self, name: str, shape: tuple[int, ...], *, required: bool = True
    ) -> NDArray[np.float64] | None:
        """Numbers of exactly ``shape``; leading axes of length 1 in the file are dropped first."""
        found = self.numbers(name) if required else self.optional(name)
        if found is None:
            return None
        while found.ndim > len(shape) and found.shape[0] == 1:
            found = found[0]
        if found.shape != shape:
            raise self.wrong(name, f"shape {shape}", f"shape {found.shape}")
        return found

    def scalar(self, name: str) -> float | None:
        """One number, unwrapped from (1, 1); None where missing, not a number, or not finite."""
        try:
            dataset = self._open(name)
            if dataset is None:
                return None
            value = _small(dataset)
            if value is None and dataset.dtype.kind in "biuf":
                values = self._load(name, dataset)
                value = values.item() if values.size == 1 else None
                value = _shortest(value) if value is not None and values.dtype == np.float32 else value
        except (IncompleteFile, UnreadableFile):
            return None
        return float(value) if value is not None and math.isfinite(value) else None

    def positive(self, name: str) -> float | None:
        """One number above 0, or None."""
        value = self.scalar(name)
        return value if value is not None and value > 0 else None

    def quantity(self, name: str, default: str, convert: Callable[[float, str], float]) -> float | None:
        """One number above 0 in the unit of ``convert``; ``default`` is its unit where none is stored."""
        value = self.positive(name)
        return None if value is None else self.converted(name, value, default, convert)

    def converted(
        self, name: str, value: float, default: str, convert: Callable[[float, str], float]
    ) -> float:
        """``value`` of ``name`` in the unit of ``convert``."""
        unit = self.attribute(name, "units") or default
        try:
            return convert(value, unit)
        except UsageError:
            raise self.wrong(name, f"a unit like {default}", repr(unit)) from None

    def factor(self, name: str) -> int:
        """A stride or averaging factor: a whole number from 1; 1 where missing."""
        value = self.scalar(name)
        return int(value) if value is not None and value >= 1 else 1

    def text(self, name: str) -> str | None:
        """One string, or None where missing or empty."""
        found = self._strings(name)
        return (found[0] if found else "") or None

    def texts(self, name: str) -> tuple[str, ...]:
        """Every string of a 1-D dataset; empty where missing."""
        return self._strings(name) or ()

    def _strings(self, name: str) -> tuple[str, ...] | None:
        if name not in self._texts:
            try:
                found = self._locate(name)
            except _OPEN_ERRORS:
                return None
            if found is None or not isinstance(found[1], h5d.DatasetID | Dataset):
                return None
            self._texts[name] = self._decoded(name, *found)
        return self._texts[name]

    def _decoded(self, name: str, handle: Handle, dataset: h5d.DatasetID | Dataset) -> tuple[str, ...] | None:
        if handle not in self._heaps:
            self._heaps[handle] = StoredTexts(handle.file)
        try:
            plain = isinstance(dataset, h5d.DatasetID)
            values: Any = self._heaps[handle].read(dataset) if plain else None
        except DamagedText:
            raise UnreadableFile(
                self.path, f"the text in {name} is damaged", "copy the file again", transient=True
            ) from None
        if values is None:
            if dataset.shape is None:
                return None
            values = self._load(name, dataset).reshape(-1)
        return tuple(decode(value) for value in values)

    def attribute(self, name: str, attribute: str) -> str | None:
        """An attribute as text, or None."""
        try:
            located = self._locate(name)
            if located is None:
                return None
            owner = located[1].id if isinstance(located[1], Dataset) else located[1]
            if not h5a.exists(owner, attribute.encode()):
                return None
            found = h5a.open(owner, attribute.encode())
            value: NDArray[Any] = np.empty((), object)
            try:
                found.read(value, _TEXT)
            except (OSError, TypeError):  # not the usual form, one text of variable length
                value = np.empty(found.shape, found.dtype)
                found.read(value)
        except _OPEN_ERRORS:
            return None
        return decode(value) or None

    # -- big arrays

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a dataset as stored, without reading it; None where missing."""
        dataset = self._open(name)
        return None if dataset is None or dataset.shape is None else tuple(dataset.shape)

    def stored(
        self, name: str, dtype: str, shape: tuple[int, int] | None = None, *, transposable: bool = False
    ) -> Stored | None:
        """Describe a 2-D array that is read later; None where missing.

        Raises
        ------
        IncompleteFile
            Where it holds no numbers or has another shape than ``shape``.
        """
        dataset = self._open(name)
        if dataset is None:
            return None
        self._numeric(name, dataset)
        found = tuple(dataset.shape or ())
        while len(found) > 2 and found[0] == 1:
            found = found[1:]
        if len(found) != 2 or 0 in found:
            raise self.wrong(name, "an image", f"shape {tuple(dataset.shape or ())}")
        if shape is None or found == shape:
            return Stored(name, found, dtype)
        if transposable and found[::-1] == shape:
            return Stored(name, shape, dtype, transpose=True)
        raise self.wrong(name, f"shape {shape}", f"shape {found}")
