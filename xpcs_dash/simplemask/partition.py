"""Cutting a detector into bins along any two of its maps.

Each axis is cut once, into its static bins; a dynamic bin is a whole number of neighbouring static bins. So
nesting holds by construction, and everything after the two cuts is arithmetic on cells, not on pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.schemas import PartitionSchema
from xpcs_dash.simplemask.digitise import Float, bin_numbers, fold_angle
from xpcs_dash.simplemask.geometry import UNITS

Int = NDArray[np.int32]

#: Bins with fewer pixels are mentioned among the checks.
FEW_PIXELS = 20


@dataclass(frozen=True)
class Axis:
    """How one map is cut.

    Attributes
    ----------
    name : map: q, phi, x, y or any other of `compute_maps`.
    dynamic, static : number of bins; the static number is raised to a multiple of the dynamic one.
    scale : linear or log (equal steps of the logarithm; pixels whose value is not positive fall out).
    offset : degrees added to an angle before it is cut; angles only.
    fold : number of equal sectors of the circle laid over each other; angles only.
    edges : explicit rising edges of the dynamic bins, dynamic + 1 of them; None cuts the range of the valid
    pixels.
    """

    name: str
    dynamic: int = 1
    static: int = 1
    scale: Literal["linear", "log"] = "linear"
    offset: float = 0.0
    fold: int = 1
    edges: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.edges is not None:
            edges = tuple(float(e) for e in self.edges)
            if len(edges) < 2 or not np.isfinite(edges).all() or np.any(np.diff(edges) <= 0):
                raise UsageError(f"{self.name}: explicit edges must be at least two rising numbers.")
            object.__setattr__(self, "edges", edges)
            object.__setattr__(self, "dynamic", len(edges) - 1)
            if self.scale == "log" and edges[0] <= 0:
                raise UsageError(f"{self.name}: the edges of logarithmic bins must be positive.")
        for count, word in ((self.dynamic, "dynamic"), (self.static, "static")):
            if not 1 <= count <= 100_000 or count != int(count):
                raise UsageError(
                    f"{self.name}: the number of {word} bins must be 1 to 100,000, found {count}."
                )
        if self.scale not in ("linear", "log"):
            raise UsageError(f"{self.name}: scale {self.scale!r} is unknown; use linear or log.")
        if self.fold < 1 or self.fold != int(self.fold):
            raise UsageError(
                f"{self.name}: the symmetry fold must be a whole number from 1, found {self.fold}."
            )

    @property
    def multiple(self) -> int:
        """Static bins in one dynamic bin."""
        return max(1, math.ceil(self.static / self.dynamic))

    @property
    def is_angle(self) -> bool:
        """True for maps in degrees, which wrap at ±180."""
        return UNITS.get(self.name) == "deg"


@dataclass(frozen=True, eq=False)
class Bins:
    """The bins of one map, dynamic or static, in the terms of a partition file.

    Attributes
    ----------
    roi_map : (H, W) int32; 0 masked, 1 … K the populated bins in order.
    num_pts : grid (n0, n1) of the two axes, empty bins included.
    v_list : centres (n0,) and (n1,) float64.
    index_mapping : (K,) int64; element k is the cell i0·n1 + i1 of label k + 1.
    counts : (K,) int64 pixels of each label.
    """

    roi_map: Int
    num_pts: tuple[int, int]
    v_list: tuple[Float, Float]
    index_mapping: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Partition(PartitionSchema):
    """A partition with its dynamic and its static bins; as `PartitionSchema` it is the dynamic one.

    Attributes
    ----------
    dynamic, static : the two sets of bins.
    names, units : of the two axes.
    checks : what a person should know before correlating with it, as sentences.
    """

    dynamic: Bins = field(kw_only=True)
    static: Bins = field(kw_only=True)
    names: tuple[str, str] = field(kw_only=True)
    units: tuple[str, str] = field(kw_only=True)
    checks: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def mask(self) -> Int:
        """(H, W) int32, 1 where a pixel lies in a bin."""
        return (self.dynamic.roi_map > 0).astype(np.int32)

    def payload(self) -> dict[str, Any]:
        """What the signal ``qmap_exported`` carries."""
        return {
            "partition_map": np.array(self.partition_map, dtype=np.int32),
            "num_pts": self.num_pts,
            "val_list": list(self.val_list),
            "num_list": list(self.num_list),
        }

    def static_schema(self) -> PartitionSchema:
        """The static bins as a `PartitionSchema`."""
        return _schema(self.static)


def generate_partition(
    maps: Mapping[str, NDArray[Any]],
    mask: NDArray[Any],
    axis0: Axis,
    axis1: Axis,
    few_pixels: int = FEW_PIXELS,
) -> Partition:
    """Cut the valid pixels into bins along two maps.

    Parameters
    ----------
    maps : name -> (H, W), as `compute_maps` gives them.
    mask : (H, W), 0 masked.
    axis0, axis1 : usually q and phi, or x and y.
    few_pixels : bins with fewer pixels are mentioned among the checks.

    Returns
    -------
    `Partition`. Linear centres are mid-points of the edges, logarithmic ones their geometric mean, those of
    a folded angle the mean angle of the bin's pixels in the first sector.

    Raises
    ------
    UsageError
        Where no pixel is valid, a map is missing, or no pixel falls into any bin.
    """
    valid = np.asarray(mask) > 0
    for axis in (axis0, axis1):
        if axis.name not in maps:
            raise UsageError(f"map {axis.name!r} is not among the maps of this geometry: {', '.join(maps)}.")
        if maps[axis.name].shape != valid.shape:
            raise UsageError(
                f"the mask of shape {valid.shape} does not fit the map {axis.name} "
                f"of shape {maps[axis.name].shape}."
            )
    where = np.flatnonzero(valid)
    if where.size == 0:
        raise UsageError("no pixel is valid: the mask leaves nothing to cut into bins.")
    cut0, cut1 = _cut(axis0, maps[axis0.name], where), _cut(axis1, maps[axis1.name], where)
    n0, n1 = cut0.static, cut1.static
    cell = _cells(cut0, cut1, n1, where.size)
    counts = np.bincount(cell, minlength=n0 * n1 + 1)[: n0 * n1]  # the last cell collects what lies in no bin
    if not counts.any():
        raise UsageError(f"no valid pixel lies inside the edges of {axis0.name} and {axis1.name}.")
    populated = np.flatnonzero(counts)
    labels = np.zeros(n0 * n1 + 1, dtype=np.int32)
    labels[populated] = np.arange(1, populated.size + 1, dtype=np.int32)

    i0, i1 = np.divmod(populated, n1)
    grid = (axis0.dynamic, axis1.dynamic)
    dynamic_cell = (i0 // axis0.multiple) * grid[1] + i1 // axis1.multiple
    dynamic_populated, inverse = np.unique(dynamic_cell, return_inverse=True)
    to_dynamic = np.zeros(populated.size + 1, dtype=np.int32)
    to_dynamic[1:] = inverse + 1

    static_map = _scatter(labels[cell], where, valid.shape)
    static = Bins(
        static_map, (n0, n1), (cut0.centres_static, cut1.centres_static), populated, counts[populated]
    )
    dynamic = Bins(
        to_dynamic[static_map],
        grid,
        (cut0.centres_dynamic, cut1.centres_dynamic),
        dynamic_populated,
        np.bincount(inverse, weights=counts[populated]).astype(np.int64),
    )
    dropped = where.size - int(counts.sum())
    checks = (*_adjustments((axis0, axis1)), *describe(dynamic, static, dropped, few_pixels))
    base = _schema(dynamic)
    return Partition(
        base.partition_map,
        base.num_pts,
        base.val_list,
        base.num_list,
        dynamic=dynamic,
        static=static,
        names=(axis0.name, axis1.name),
        units=(UNITS.get(axis0.name, ""), UNITS.get(axis1.name, "")),
        checks=checks,
    )


def _schema(bins: Bins) -> PartitionSchema:
    values = bins.v_list[0][bins.index_mapping // bins.num_pts[1]]
    return PartitionSchema(
        partition_map=bins.roi_map,
        num_pts=len(bins.counts),
        val_list=tuple(values.tolist()),
        num_list=tuple(bins.counts.tolist()),
    )


def label_values(bins: Bins) -> tuple[Float, Float]:
    """Centres (K,) of each label along the two axes."""
    i0, i1 = np.divmod(bins.index_mapping, bins.num_pts[1])
    return bins.v_list[0][i0], bins.v_list[1][i1]


@dataclass(frozen=True, eq=False)
class _Cut:
    """Static bin numbers (n_valid,) from 0, -1 for no bin, or None where there is but one bin; and the
    centres.
    """

    number: NDArray[np.int32] | None
    static: int
    centres_static: Float
    centres_dynamic: Float


def _cut(axis: Axis, values: NDArray[Any], where: NDArray[np.int64]) -> _Cut:
    v = np.asarray(values, dtype=np.float64).ravel()
    v = v if where.size == v.size else v[where]
    original = v
    if axis.is_angle and (axis.offset or axis.fold > 1):
        v = fold_angle(v, axis.offset, axis.fold)
    static = axis.dynamic * axis.multiple
    if axis.edges is None:
        low, high = _range(axis, v)
        dynamic_edges = _spaced(low, high, axis.dynamic, axis.scale)
        edges = _spaced(low, high, static, axis.scale)
    else:
        dynamic_edges = np.array(axis.edges)
        pieces = [
            _spaced(a, b, axis.multiple, axis.scale)[:-1]
            for a, b in zip(axis.edges[:-1], axis.edges[1:], strict=True)
        ]
        edges = np.append(np.concatenate(pieces), axis.edges[-1])
    whole = axis.edges is None and axis.scale == "linear"
    number = None if static == 1 and whole else bin_numbers(v, edges, axis.scale, axis.edges is None)
    centres = (_centres(edges, axis.scale), _centres(dynamic_edges, axis.scale))
    if axis.is_angle and axis.fold > 1:
        cells = np.zeros(v.shape, np.int32) if number is None else number
        centres = (
            _sector_means(original, v, cells, static, axis),
            _sector_means(original, v, cells // axis.multiple, axis.dynamic, axis),
        )
    return _Cut(number, static, *centres)


def _range(axis: Axis, v: Float) -> tuple[float, float]:
    if axis.scale == "log":
        v = v[v > 0]
        if v.size == 0:
            raise UsageError(f"{axis.name} is nowhere positive, so it cannot be cut logarithmically.")
    low, high = float(v.min()), float(v.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UsageError(f"map {axis.name} holds values that are not finite.")
    return low, high


def _spaced(low: float, high: float, count: int, scale: str) -> Float:
    if scale == "log":
        return np.logspace(math.log10(low), math.log10(high), count + 1)
    return np.linspace(low, high, count + 1)


def _centres(edges: Float, scale: str) -> Float:
    middle: Float = np.sqrt(edges[1:] * edges[:-1]) if scale == "log" else (edges[1:] + edges[:-1]) / 2
    return middle


def _sector_means(angle: Float, folded: Float, cells: NDArray[np.int32], count: int, axis: Axis) -> Float:
    """Mean original angle of each bin over the first sector, or over all sectors where that one is masked."""
    turned = np.mod(angle + axis.offset + 180.0, 360.0) - 180.0
    first = (turned >= 0) & (turned < 360.0 / axis.fold)
    result = _middle(folded, cells, count)
    for chosen in (slice(None), first):
        number = np.bincount(cells[chosen], minlength=count)
        mean = np.bincount(cells[chosen], weights=angle[chosen], minlength=count) / np.maximum(number, 1)
        result = np.where(number > 0, mean, result)
    return result


def _middle(values: Float, cells: NDArray[np.int32], count: int) -> Float:
    return np.full(count, float(values.mean()) if cells.size else 0.0)


def _cells(cut0: _Cut, cut1: _Cut, n1: int, size: int) -> NDArray[np.int32]:
    """Static cell of every valid pixel; n0·n1 for pixels in no bin."""
    numbers = [cut.number for cut in (cut0, cut1)]
    cell = np.zeros(size, dtype=np.int32) if numbers[0] is None else numbers[0] * np.int32(n1)
    if numbers[1] is not None:
        cell = cell + numbers[1]
    for number in numbers:
        if number is not None and int(number.min()) < 0:
            cell = np.where(number < 0, np.int32(cut0.static * n1), cell)
    return cell


def _scatter(values: Int, where: NDArray[np.int64], shape: tuple[int, ...]) -> Int:
    if where.size == math.prod(shape):
        return values.reshape(shape)
    out = np.zeros(math.prod(shape), dtype=np.int32)
    out[where] = values
    return out.reshape(shape)


def _adjustments(axes: tuple[Axis, Axis]) -> list[str]:
    return [
        f"static {a.name} bins raised from {a.static} to {a.dynamic * a.multiple}, a multiple of the "
        f"{a.dynamic} dynamic ones."
        for a in axes
        if a.dynamic * a.multiple != a.static
    ]


def describe(dynamic: Bins, static: Bins, dropped: int = 0, few_pixels: int = FEW_PIXELS) -> list[str]:
    """Sentences on empty bins, bins with few pixels, and pixels in no bin."""
    said: list[str] = []
    if dropped:
        said.append(f"{dropped:,} valid pixels lie in no bin and are masked.")
    for bins, word in ((dynamic, "dynamic"), (static, "static")):
        total = bins.num_pts[0] * bins.num_pts[1]
        empty = total - len(bins.counts)
        if empty:
            said.append(f"{empty:,} of {total:,} {word} bins hold no pixel and get no label.")
        small = int(np.count_nonzero(bins.counts < few_pixels))
        if small:
            least = bins.counts.min()
            said.append(f"{small:,} {word} bins hold fewer than {few_pixels} pixels (the smallest {least}).")
    return said


def check_nesting(
    dynamic_map: NDArray[Any], static_map: NDArray[Any], mask: NDArray[Any] | None = None
) -> list[str]:
    """Sentences on what is wrong with two label maps (H, W) from elsewhere; empty where all is well.

    Every static bin must lie in one dynamic bin, both maps (and the mask) must cover the same pixels, and
    labels must run from 1 without gaps: the correlator relies on all three.
    """
    said: list[str] = []
    dynamic, static = np.asarray(dynamic_map).ravel(), np.asarray(static_map).ravel()
    if dynamic.size != static.size:
        return [f"the dynamic map has {dynamic.size:,} pixels and the static map {static.size:,}."]
    differing = int(np.count_nonzero((dynamic > 0) != (static > 0)))
    if differing:
        said.append(f"{differing:,} pixels lie in a bin of one map and in none of the other.")
    if mask is not None:
        off = int(np.count_nonzero((np.asarray(mask).ravel() > 0) != (dynamic > 0)))
        if off:
            said.append(f"{off:,} pixels are valid but in no dynamic bin, or in one but masked.")
    width = int(dynamic.max(initial=0)) + 1
    pairs = np.bincount(
        static.astype(np.int64) * width + dynamic, minlength=(int(static.max(initial=0)) + 1) * width
    )
    met = pairs.reshape(-1, width)[1:, 1:] > 0
    torn = int(np.count_nonzero(met.sum(axis=1) > 1))
    if torn:
        said.append(
            f"{torn:,} static bins lie in more than one dynamic bin, which the correlator does not accept."
        )
    for present, word in ((met.any(axis=0), "dynamic"), (met.any(axis=1), "static")):
        gaps = int(np.count_nonzero(~present))
        if gaps:
            said.append(f"{gaps:,} {word} labels are used by no pixel.")
    return said
