"""What a layout hands over: frozen records, the same for every file layout."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.errors import SchemaError, UnreadableFile, UsageError
from xpcs_dash.hdf5.reach import MISSING
from xpcs_dash.hdf5.schemas import GeometryMetadata, frozen_array

if TYPE_CHECKING:
    from xpcs_dash.hdf5.handle import Handle

__all__ = [
    "BinTable",
    "FileKey",
    "OpenFile",
    "RawResult",
    "Stored",
    "StoredMatrix",
    "TwoTime",
    "TwoTimeRecord",
    "file_key",
    "key_of",
    "token_of",
]


@dataclass(frozen=True)
class FileKey:
    """Identity of the contents of a file: a replaced or rewritten file has another key.

    Parameters
    ----------
    path, inode, mtime_ns, size : of the file.
    others : path and token of each other file that its links lead to, as far as these were followed; an empty
        token where there was none. They count in `token` alone.
    """

    path: Path
    inode: int
    mtime_ns: int
    size: int
    others: tuple[tuple[Path, str], ...] = field(default=(), compare=False)

    @cached_property
    def token(self) -> str:
        """Sixteen hexadecimal digits for URLs and cache keys."""
        text = f"{self.path}\0{self.inode}\0{self.mtime_ns}\0{self.size}"
        if self.others:
            text += "".join(f"\0{path}\0{token}" for path, token in self.others)
        return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).hexdigest()

    def now(self) -> FileKey:
        """The same with the other files as they are now."""
        return replace(self, others=tuple((path, token_of(path)) for path, _ in self.others))


def token_of(path: Path) -> str:
    """Token of the file at ``path``; empty where there is none."""
    try:
        return file_key(path).token
    except UnreadableFile:
        return ""


def file_key(path: str | Path) -> FileKey:
    """Stat a file.

    Raises
    ------
    UnreadableFile
        Where there is no such file, or it is a directory.
    """
    path = Path(path)
    try:
        found = path.stat()
    except FileNotFoundError:
        raise UnreadableFile(path, MISSING, "check the path") from None
    except (OSError, ValueError) as err:
        reason = getattr(err, "strerror", None) or str(err)
        raise UnreadableFile(
            path, f"it cannot be looked at ({reason})", "check the path and your rights"
        ) from None
    if not stat.S_ISREG(found.st_mode):
        kind = "a directory" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise UnreadableFile(path, f"this is {kind}", "give the path of an HDF5 result file")
    return key_of(path, found)


def key_of(path: Path, status: os.stat_result) -> FileKey:
    """Identity of the contents of the file at ``path``, of which the system says ``status``."""
    return FileKey(path.absolute(), status.st_ino, status.st_mtime_ns, status.st_size)


@dataclass(frozen=True)
class OpenFile:
    """An open file as a layout sees it."""

    path: Path
    key: FileKey
    h5: Handle


@dataclass(frozen=True, eq=False)
class BinTable:
    """One partition of the detector: the full grid and which of its cells hold pixels.

    Column k of a compressed array belongs to label k + 1 of the label map and to cell ``index_mapping[k]`` of
    the grid, from which its q and φ follow. Cells without pixels have no label and no column.

    Parameters
    ----------
    num_pts : (n0, n1), bins along the two axes.
    axis0, axis1 : (n0,), (n1,) float64, centres along the axes, empty bins included.
    index_mapping : (n,) int64, 0-based flat cell of each label.
    names, units : of the two axes.
    """

    num_pts: tuple[int, int]
    axis0: NDArray[np.float64]
    axis1: NDArray[np.float64]
    index_mapping: NDArray[np.int64]
    names: tuple[str, str] = ("q", "phi")
    units: tuple[str, str] = ("Å⁻¹", "deg")

    def __post_init__(self) -> None:
        n0, n1 = (int(n) for n in self.num_pts)
        object.__setattr__(self, "num_pts", (n0, n1))
        for name, size in (("axis0", n0), ("axis1", n1)):
            axis = frozen_array(getattr(self, name), np.float64)
            if axis.shape != (size,):
                raise SchemaError("BinTable", name, f"{size} bin centres", f"{axis.size}")
            object.__setattr__(self, name, axis)
        cells = frozen_array(self.index_mapping, np.int64)
        if cells.ndim != 1 or cells.size == 0:
            raise SchemaError("BinTable", "index_mapping", "at least one bin", "none")
        if cells.min() < 0 or cells.max() >= n0 * n1:
            found = int(cells.max() if cells.max() >= n0 * n1 else cells.min())
            raise SchemaError("BinTable", "index_mapping", f"cells 0 to {n0 * n1 - 1}", f"the cell {found}")
        if np.unique(cells).size != cells.size:
            raise SchemaError("BinTable", "index_mapping", "each cell once", "a cell that occurs twice")
        object.__setattr__(self, "index_mapping", cells)

    @property
    def n(self) -> int:
        """Number of bins that hold pixels."""
        return int(self.index_mapping.size)

    @cached_property
    def q(self) -> NDArray[np.float64]:
        """(n,) centre along axis 0 of each label."""
        return frozen_array(self.axis0[self.index_mapping // self.num_pts[1]], np.float64)

    @cached_property
    def phi(self) -> NDArray[np.float64]:
        """(n,) centre along axis 1 of each label."""
        return frozen_array(self.axis1[self.index_mapping % self.num_pts[1]], np.float64)

    @cached_property
    def labels(self) -> list[str]:
        """Text for each label, as ``q=0.00376 Å⁻¹`` or ``q=0.00376 Å⁻¹, φ=-22.5 deg``."""
        first = [_bin_text(self.names[0], value, self.units[0]) for value in self.q]
        if self.num_pts[1] <= 1:
            return first
        second = [_bin_text(self.names[1], value, self.units[1]) for value in self.phi]
        return [f"{a}, {b}" for a, b in zip(first, second, strict=True)]

    def cell(self, label: int) -> tuple[int, int]:
        """Grid cell (i0, i1) of a 1-based label.

        Raises
        ------
        UsageError
            For a label that the map does not have.
        """
        if not 1 <= label <= self.n:
            raise UsageError(f"there is no bin {label}: the map has the bins 1 to {self.n}.")
        i0, i1 = divmod(int(self.index_mapping[label - 1]), self.num_pts[1])
        return i0, i1

    def expand(self, values: ArrayLike) -> NDArray[np.float64]:
        """Put compressed values on the full grid: (…, n) → (…, n0, n1) float64, NaN in empty cells."""
        values = np.asarray(values, dtype=np.float64)
        if values.shape[-1:] != (self.n,):
            raise SchemaError("BinTable", "values", f"{self.n} along the last axis", f"shape {values.shape}")
        n0, n1 = self.num_pts
        full = np.full((*values.shape[:-1], n0 * n1), np.nan)
        full[..., self.index_mapping] = values
        return full.reshape(*values.shape[:-1], n0, n1)


def _bin_text(name: str, value: float, unit: str) -> str:
    if name == "q":
        return f"q={value:.5f} {unit}".rstrip()
    if name == "phi":
        return f"φ={value:.1f} {unit}".rstrip()
    digits = 1 if name in ("x", "y") else 3
    return f"{name}={value:.{digits}f} {unit}".rstrip()


@dataclass(frozen=True)
class Stored:
    """One big array of the file, read when it is asked for.

    Parameters
    ----------
    path : dataset inside the file.
    shape : of the array as handed out, without leading axes of length 1 and after transposing.
    dtype : type as handed out; "bool" means "not zero", "not bool" means "zero".
    transpose : rows and columns are exchanged in the file.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    transpose: bool = False


@dataclass(frozen=True)
class StoredMatrix:
    """One two-time matrix in the file: a dataset, or a plane of one."""

    path: str
    plane: tuple[int, ...] | None = None
    last: bool = False  # the plane index is the last axis rather than the first


@dataclass(frozen=True, eq=False)
class TwoTimeRecord:
    """The two-time part of a file.

    Parameters
    ----------
    bins : dynamic label of each matrix, in the order of the file.
    matrices : where each one is.
    shape : (N, N).
    dt_s : seconds between neighbouring frames of the matrices, or None if the file does not say.
    g2 : (N, n) diagonal means by position, or None.
    g2_segments : (M, n_segments, n) by position, or None.
    stride_frame, avg_frame : every how many frames were used, and how many were averaged into one.
    populated : which half the file holds.
    flipped : the time origin is at the lower left.
    baseline : what uncorrelated frames give in the file: 1, or 0 where it was subtracted.
    """

    bins: tuple[int, ...]
    matrices: tuple[StoredMatrix, ...]
    shape: tuple[int, int]
    dt_s: float | None
    g2: NDArray[np.float64] | None = None
    g2_segments: NDArray[np.float64] | None = None
    stride_frame: int = 1
    avg_frame: int = 1
    populated: Literal["upper", "lower", "all"] = "upper"
    flipped: bool = False
    baseline: float = 1.0


@dataclass(frozen=True, eq=False)
class TwoTime:
    """Two-time correlation of one q-bin.

    Parameters
    ----------
    label : 1-based label of the dynamic map.
    c2_upper : (N, N) float32, upper triangle with the diagonal; 0 below it.
    dt_s : seconds per frame of the matrix, or None.
    g2 : (N,) stored mean of each diagonal, or None; element 0 is the uncorrected diagonal.
    g2_segments : (M, n_segments) the same in equal blocks along the diagonal, or None.
    """

    label: int
    c2_upper: NDArray[np.float32]
    dt_s: float | None
    g2: NDArray[np.float64] | None
    g2_segments: NDArray[np.float64] | None

    def full(self) -> NDArray[np.float32]:
        """(N, N) float32 with both halves; the diagonal counts once."""
        full = self.c2_upper + self.c2_upper.T
        diagonal = np.arange(full.shape[0])
        full[diagonal, diagonal] = self.c2_upper[diagonal, diagonal]
        return full


def _no_metadata() -> Mapping[str, tuple[Any, str]]:
    return {}


@dataclass(frozen=True, eq=False)
class RawResult:
    """One result file as every layout reports it. What a file does not hold is None or empty, never invented.

    Shapes: n_delay delays, n_q dynamic bins, n_static static bins, n_seg segments, (H, W) detector.
    """

    layout: str
    kinds: tuple[str, ...]
    dynamic: BinTable | None = None
    static: BinTable | None = None
    geometry: GeometryMetadata | None = None
    energy_kev: float | None = None  # where there is no geometry
    distance_m: float | None = None
    detector_shape: tuple[int, int] | None = None
    map_hash: str | None = None

    delay_frames: NDArray[np.float64] | None = None  # (n_delay,)
    delay_s: NDArray[np.float64] | None = None  # (n_delay,) where the file gives seconds itself
    g2: NDArray[np.float64] | None = None  # (n_delay, n_q)
    g2_err: NDArray[np.float64] | None = None
    coincidences: NDArray[np.float64] | None = None  # (n_delay, n_q) where the file holds them
    partial_g2: NDArray[np.float64] | None = None  # (n_seg, n_delay, n_q), cumulative
    partial_g2_err: NDArray[np.float64] | None = None
    partial_labels: NDArray[np.float64] | None = None  # (n_seg,) frames

    saxs_1d: NDArray[np.float64] | None = None  # (n_static,)
    segments: NDArray[np.float64] | None = None  # (n_seg, n_static)

    saxs_2d: Stored | None = None
    mask: Stored | None = None
    blemish: Stored | None = None
    dqmap: Stored | None = None
    sqmap: Stored | None = None
    int_t: Stored | None = None  # (2, n_frames): index or time, photons per pixel and frame
    int_t_in_seconds: bool = False
    unnormalized_g2: str | None = None  # dataset (n_delay, 3, H, W)
    twotime: TwoTimeRecord | None = None

    frame_time_s: float | None = None  # raw
    exposure_s: float | None = None
    stride_frame: int = 1
    avg_frame: int = 1
    n_frames: int | None = None
    averaged_from: tuple[str, ...] = ()

    start_time: datetime | None = None
    end_time: datetime | None = None
    sample: str | None = None
    scan: str | None = None
    temperature_k: float | None = None
    raw_path: str | None = None

    metadata_groups: tuple[str, ...] = ()
    carried_group: str | None = None  # what an earlier file said, under its own paths
    restated: bool = False  # a converted file that says itself how its source was read
    metadata: Mapping[str, tuple[Any, str]] = field(default_factory=_no_metadata)
    geometry_mismatch: tuple[str, ...] = ()
    intensity_unit: str = "photons/pixel/frame"
    warnings: tuple[str, ...] = ()

    #: Reads what was left out at first, and returns the whole record; None where this is the whole record.
    rest: Callable[[OpenFile], RawResult] | None = None

    def __post_init__(self) -> None:
        for name, value in list(vars(self).items()):
            if isinstance(value, np.ndarray):
                object.__setattr__(self, name, frozen_array(value, value.dtype))

    @property
    def places(self) -> frozenset[str]:
        """Datasets of the arrays that are read when they are asked for."""
        found = {
            v.path for v in (getattr(self, n) for n in self.__dataclass_fields__) if isinstance(v, Stored)
        }
        if self.unnormalized_g2 is not None:
            found.add(self.unnormalized_g2)
        if self.twotime is not None:
            found.update(matrix.path for matrix in self.twotime.matrices)
        return frozenset(found)
