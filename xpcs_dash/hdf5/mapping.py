"""The parts of a virtual dataset as coordinates along axes: what HDF5 calls selections, without HDF5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from h5py import h5s
from numpy.typing import NDArray

from xpcs_dash.hdf5.datasets import NotReached

__all__ = ["Axis", "Mapping", "as_index", "axes_of", "paired", "runs"]

Numbers = NDArray[np.int64]
#: Larger coordinates are refused: they belong to no real array.
FARTHEST = 2**62
#: Coordinates of a selection that is no comb, along one axis.
MOST_LISTED = 10_000_000


@dataclass(frozen=True, eq=False)
class Axis:
    """Coordinates along one axis: blocks at equal distances, or a list.

    Parameters
    ----------
    start, stride, block : first coordinate, distance of neighbouring blocks, and their length.
    n : number of coordinates; None where they go on for as long as there are values.
    listed : the coordinates, rising, where they are no comb.
    """

    start: int
    stride: int
    block: int
    n: int | None
    listed: Numbers | None = None

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.n or 0

    @property
    def end(self) -> int:
        """One more than the last coordinate; 0 where there is none."""
        if not self.size:
            return 0
        if self.listed is not None:
            return int(self.listed[-1]) + 1
        blocks, rest = divmod(self.size - 1, self.block)
        return self.start + blocks * self.stride + rest + 1

    def below(self, extent: int) -> Axis:
        """The coordinates below ``extent`` alone."""
        if self.listed is not None or extent <= self.start:
            return replace(self, n=0)
        blocks, rest = divmod(extent - self.start, self.stride)
        return replace(self, n=blocks * self.block + min(rest, self.block))

    def at(self, positions: Numbers) -> Numbers:
        """Coordinates by their position."""
        if self.listed is not None:
            return self.listed[positions]
        blocks, rest = np.divmod(positions, self.block)
        return np.asarray(self.start + blocks * self.stride + rest, dtype=np.int64)

    def within(self, wanted: range) -> tuple[Numbers, Numbers]:
        """Which of the wanted coordinates are on this axis.

        Returns
        -------
        Positions on this axis, and positions in ``wanted``.
        """
        first = max(0, -((wanted.start - self.start) // wanted.step)) if self.size else 0
        stop = max(first, min(len(wanted), -((wanted.start - self.end) // wanted.step))) if self.size else 0
        where = np.arange(first, stop, dtype=np.int64)
        coordinates = wanted.start + where * wanted.step
        if self.listed is not None:
            at = np.searchsorted(self.listed, coordinates)
            ok = self.listed[np.minimum(at, self.size - 1)] == coordinates
        else:
            blocks, rest = np.divmod(coordinates - self.start, self.stride)
            at, ok = blocks * self.block + rest, rest < self.block
        ok &= (at >= 0) & (at < self.size)
        return at[ok], where[ok]


@dataclass(frozen=True, eq=False)
class Mapping:
    """One part of a virtual dataset: where it stands, and which values of which dataset it takes.

    Parameters
    ----------
    filename, dataset : of the source; ``.`` stands for the same file.
    place : coordinates in the virtual dataset.
    source : coordinates in the source, as many; None for all of it.
    """

    filename: str
    dataset: str
    place: tuple[Axis, ...]
    source: tuple[Axis, ...] | None

    @property
    def growing(self) -> int | None:
        """The axis along which the part goes on for as long as there are values."""
        return next((i for i, axis in enumerate(self.place) if axis.n is None), None)

    @property
    def numbered(self) -> bool:
        """True where the growing part stands for one source after another, with a number in the name."""
        bounded = self.source is None or all(axis.n is not None for axis in self.source)
        return self.growing is not None and bounded

    def one(self, number: int) -> Mapping:
        """The part of one of the numbered sources."""
        growing = self.growing
        assert growing is not None
        axis = self.place[growing]
        place = list(self.place)
        place[growing] = Axis(axis.start + number * axis.stride, axis.stride, axis.block, axis.block)
        return Mapping(
            _filled(self.filename, number), _filled(self.dataset, number), tuple(place), self.source
        )

    def plain(self) -> Mapping:
        """The part of a single source, with the names that are meant."""
        return replace(
            self, filename=self.filename.replace("%%", "%"), dataset=self.dataset.replace("%%", "%")
        )

    def grown(self, shape: Sequence[int]) -> Mapping:
        """The growing part for a source of ``shape``."""
        growing, source = self.growing, self.source
        if growing is None or source is None:
            return self
        along = next(i for i, axis in enumerate(source) if axis.n is None)
        if along >= len(shape):
            raise NotReached("does not fit one of its sources")
        cut = source[along].below(shape[along])
        place, values = list(self.place), list(source)
        place[growing], values[along] = replace(place[growing], n=cut.n), cut
        return replace(self, place=tuple(place), source=tuple(values))


def _filled(name: str, number: int) -> str:
    """A name with its number in place of ``%b``; ``%%`` stands for a percent sign."""
    return "%".join(part.replace("%b", str(number)) for part in name.split("%%"))


def axes_of(space: h5s.SpaceID) -> tuple[Axis, ...] | None:
    """A selection of HDF5 along each axis; None for all of an array of unknown shape.

    Raises
    ------
    NotReached
        For selections that are no grid.
    """
    kind = space.get_select_type()
    dims = tuple(int(n) for n in space.get_simple_extent_dims())
    if kind == h5s.SEL_ALL:
        return tuple(Axis(0, 1, 1, n) for n in dims) or None
    if kind == h5s.SEL_NONE:
        return tuple(Axis(0, 1, 1, 0) for _ in dims)
    if kind != h5s.SEL_HYPERSLABS:
        raise NotReached("is put together from single points, which are not read")
    axes = _comb(space) if space.is_regular_hyperslab() else _lists(space)
    if any(axis.end > FARTHEST or axis.start > FARTHEST for axis in axes):
        raise NotReached("is put together from places that no array has")
    return axes


def _comb(space: h5s.SpaceID) -> tuple[Axis, ...]:
    axes = []
    for start, stride, count, block in zip(*space.get_regular_hyperslab(), strict=True):
        if block == h5s.UNLIMITED:
            axes.append(Axis(start, 1, 1, None))
        elif count == h5s.UNLIMITED:
            axes.append(Axis(start, stride, block, None))
        else:
            # a single block has any stride
            axes.append(Axis(start, max(stride, block) if count == 1 else stride, block, count * block))
    return tuple(axes)


def _lists(space: h5s.SpaceID) -> tuple[Axis, ...]:
    """A union of blocks that is a grid all the same, such as a choice of rows."""
    if space.get_select_hyper_nblocks() > MOST_LISTED // 100:
        raise NotReached("is put together from more blocks than are read")
    blocks = np.asarray(space.get_select_hyper_blocklist(), dtype=np.int64)
    axes, total = [], 1
    for axis in range(blocks.shape[2]):
        spans = np.unique(blocks[:, :, axis], axis=0)
        if int(np.sum(spans[:, 1] - spans[:, 0] + 1, dtype=object)) > MOST_LISTED:
            raise NotReached("is put together from more blocks than are read")
        listed = np.unique(np.concatenate([np.arange(low, high + 1) for low, high in spans]))
        axes.append(Axis(int(listed[0]), 1, 1, listed.size, listed))
        total *= listed.size
    if total != space.get_select_npoints():
        raise NotReached("is put together from blocks that form no grid, which are not read")
    return tuple(axes)


def paired(place: Sequence[Axis], source: Sequence[Axis]) -> list[int | None] | None:
    """For each axis of the source the axis of the place that it follows, None for one of length 1.

    Returns None where the two have other shapes, apart from axes of length 1.
    """
    wide = [i for i, axis in enumerate(place) if axis.size != 1]
    out: list[int | None] = []
    for axis in source:
        if axis.size == 1:
            out.append(None)
            continue
        if not wide or place[wide[0]].size != axis.size:
            return None
        out.append(wide.pop(0))
    return None if wide else out


def runs(coordinates: Numbers) -> list[slice]:
    """Rising coordinates as slices, as few as there are stretches of neighbours or one even step."""
    steps = np.diff(coordinates)
    if steps.size == 0 or np.all(steps == steps[0]):
        step = int(steps[0]) if steps.size else 1
        return [slice(int(coordinates[0]), int(coordinates[-1]) + 1, step)]
    breaks = np.flatnonzero(steps != 1) + 1
    return [slice(int(part[0]), int(part[-1]) + 1, 1) for part in np.split(coordinates, breaks)]


def as_index(where: Sequence[Numbers]) -> tuple[Any, ...]:
    """An index of NumPy for positions along each axis, of slices where they are even."""
    parts = [runs(axis) for axis in where]
    if all(len(part) == 1 for part in parts):
        return tuple(part[0] for part in parts)
    return np.ix_(*where)
