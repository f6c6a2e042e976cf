"""Virtual datasets: put together here from their sources, each opened through what may be reached.

HDF5 would open the sources by name itself, and show fill values for those that it cannot open. Here a virtual
dataset of which one source must not be read counts as missing. A source that is not there yet gives the
dataset's fill value, as in HDF5.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d
from numpy.typing import NDArray

from xpcs_dash.hdf5.datasets import READ_LIMIT, Dataset, NotReached, NotThere, Selection, Substitute
from xpcs_dash.hdf5.mapping import Axis, Mapping, as_index, axes_of, paired, runs

if TYPE_CHECKING:
    from xpcs_dash.hdf5.handle import Handle

__all__ = ["VirtualDataset"]

#: Virtual datasets whose sources are virtual again, one within the other.
DEPTH = 8
#: Parts of one dataset, and numbered sources of one part, at most.
MOST_PARTS = 100_000
#: Sources that are opened when a dataset is looked at; the others are opened when they are read.
LOOKED_AT = 64


class VirtualDataset(Substitute):
    """A dataset put together from parts of others.

    Raises
    ------
    NotReached
        Where a source must not be read, or the parts are described in a way that is not understood.
    """

    def __init__(self, handle: Handle, ident: h5d.DatasetID, name: str) -> None:
        super().__init__(handle, ident, name)
        if handle.lease.depth >= DEPTH:
            raise NotReached(f"lies behind more than {DEPTH} virtual datasets")
        handle.lease.start()
        plan = ident.get_create_plist()
        count = plan.get_virtual_count()
        if count > MOST_PARTS:
            raise NotReached(f"is put together from {count} parts, more than are read")
        stated = [_mapping(plan, i) for i in range(count)]
        growing = [m for m in stated if m.growing is not None]
        self._parts = [part for mapping in stated for part in self._bounded(mapping)]
        if growing:
            # HDF5 would open the sources to tell the shape
            sizes = list(plan.get_virtual_vspace(0).get_simple_extent_dims())
            for axis in {m.growing for m in growing}:
                if axis is not None:
                    sizes[axis] = max((part.place[axis].end for part in self._parts), default=0)
            self._shape: tuple[int, ...] | None = tuple(int(n) for n in sizes)
        else:
            self._shape = ident.shape
        self._fill = np.zeros(1, self.dtype)
        plan.get_fill_value(self._fill)
        self._lows = np.array([part.place[0].start if part.place else 0 for part in self._parts])
        self._ends = np.array([part.place[0].end if part.place else 1 for part in self._parts])
        self._look_at_sources()

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Its shape, by the sources that are there where it grows with them."""
        return self._shape

    # -- what it is made of

    def _bounded(self, mapping: Mapping) -> Iterator[Mapping]:
        """The parts that a mapping stands for with the sources that are there."""
        if mapping.growing is None:
            yield mapping
        elif mapping.numbered:
            for number in range(MOST_PARTS):
                part = mapping.one(number)
                with self._source(part) as source:
                    if source is None:
                        return
                yield part
        else:
            with self._source(mapping) as source:
                if source is not None:
                    yield mapping.grown(source.shape or ())

    def _look_at_sources(self) -> None:
        """Refuse the dataset where one of its sources must not be read."""
        for filename in {part.filename for part in self._parts} - {"."}:
            try:
                self.handle.reached(filename, self.handle.reach.open, "takes values from").close()
            except NotThere as err:
                if not self.handle.lease.depth:
                    self.handle.lease.incomplete[self.name] = f"{err}: {self._fill[0]} stands in its place"
        seen = {(part.filename, part.dataset): part for part in self._parts}
        for part in list(seen.values())[:LOOKED_AT]:
            with self._source(part):
                pass

    @contextmanager
    def _source(self, part: Mapping) -> Iterator[Dataset | None]:
        """The dataset that a part takes its values from; None where it is not there."""
        with self.handle.scope(deeper=1) as inner:
            inner.lease.count()
            try:
                other = inner if part.filename == "." else inner.linked(part.filename, "takes values from")
            except NotThere:
                yield None
                return
            found = other.require(part.dataset)
            if found is not None and not isinstance(found, Dataset):
                raise NotReached(f"takes values from {part.dataset} in {part.filename}, which is no dataset")
            yield found

    # -- its values

    def read(self, wanted: Selection) -> NDArray[Any]:
        """Values of a selection, with all axes; parts outside it are not opened."""
        self.handle.lease.start()
        out: NDArray[Any] = np.full(wanted.full, self._fill[0], self.dtype)
        if not out.size:
            return out
        rows = wanted.ranges[0] if wanted.ranges else range(1)
        for i in np.flatnonzero((self._ends > rows[0]) & (self._lows <= rows[-1])):
            self._copy(self._parts[i], wanted, out)
        return out

    def _copy(self, part: Mapping, wanted: Selection, out: NDArray[Any]) -> None:
        found = [axis.within(r) for axis, r in zip(part.place, wanted.ranges, strict=True)]
        if any(positions.size == 0 for positions, _ in found):
            return
        with self._source(part) as source:
            if source is None:
                return
            values = _values(part, source, [positions for positions, _ in found])
        shape = tuple(positions.size for positions, _ in found)
        out[as_index([where for _, where in found])] = _converted(values, out.dtype).reshape(shape)


def _mapping(plan: Any, i: int) -> Mapping:
    place = axes_of(plan.get_virtual_vspace(i))
    mapping = Mapping(
        filename=os.fsdecode(plan.get_virtual_filename(i)),
        dataset=os.fsdecode(plan.get_virtual_dsetname(i)),
        place=() if place is None else place,
        source=axes_of(plan.get_virtual_srcspace(i)),
    )
    many = sum(axis.n is None for axis in mapping.place), sum(axis.n is None for axis in mapping.source or ())
    if max(many) > 1 or many == (0, 1):
        raise NotReached("is put together in a way that is not read")
    return mapping if mapping.numbered else mapping.plain()


def _values(part: Mapping, source: Dataset, positions: list[NDArray[np.int64]]) -> NDArray[Any]:
    """Values of the source at positions along the axes of the place."""
    shape = source.shape or ()
    axes = part.source if part.source is not None else tuple(Axis(0, 1, 1, n) for n in shape)
    misfit = f"does not fit its source {part.dataset} in {part.filename}"
    if len(axes) != len(shape) or any(a.end > n for a, n in zip(axes, shape, strict=True)):
        raise NotReached(misfit)
    pairs = paired(part.place, axes)
    if pairs is not None:
        first = np.zeros(1, dtype=np.int64)
        return _taken(
            source, [a.at(first if p is None else positions[p]) for a, p in zip(axes, pairs, strict=True)]
        )
    sizes = tuple(axis.size for axis in part.place)
    if np.prod(sizes, dtype=object) != np.prod([a.size for a in axes], dtype=object):
        raise NotReached(misfit)
    # the same values in another shape: all of them are needed to tell which is which
    whole = _taken(source, [axis.at(np.arange(_counted(axis.size), dtype=np.int64)) for axis in axes])
    return whole.reshape(sizes)[np.ix_(*positions)]


def _counted(n: int) -> int:
    if n > READ_LIMIT:
        raise NotReached("takes more values from one source than are read at once")
    return n


def _taken(source: Dataset, coordinates: list[NDArray[np.int64]]) -> NDArray[Any]:
    """Values of a dataset on a grid of coordinates, read row by row where these have gaps."""
    if not coordinates:
        return np.asarray(source[()])
    inner = [runs(c) for c in coordinates[1:]]
    box = tuple(part[0] if len(part) == 1 else slice(part[0].start, part[-1].stop) for part in inner)
    size = (
        np.prod([len(range(b.start, b.stop, b.step or 1)) for b in box], dtype=object) * coordinates[0].size
    )
    if size * source.dtype.itemsize > READ_LIMIT:
        raise NotReached("takes more values from one source than are read at once")
    values = np.concatenate([np.asarray(source[(rows, *box)]) for rows in runs(coordinates[0])])
    for axis, (part, wanted) in enumerate(zip(inner, coordinates[1:], strict=True), start=1):
        if len(part) > 1:
            values = np.take(values, wanted - wanted[0], axis=axis)
    return values


def _converted(values: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    """Values in the type of the virtual dataset; numbers beyond its range become its ends, as in HDF5."""
    if kind.kind in "iu" and values.dtype != kind and values.dtype.kind in "iuf":
        ends = np.iinfo(kind)
        values = np.clip(values, ends.min, ends.max) if not np.can_cast(values.dtype, kind) else values
    with np.errstate(invalid="ignore", over="ignore"):
        return values.astype(kind, copy=False)
