"""Masks, images and partitions in files: what people bring, and what they take away."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import FileError, UnknownLayout, UnreadableFile, UsageError
from xpcs_dash.hdf5.frames import reduce_frames
from xpcs_dash.hdf5.mask_file import read_mask_hdf5, write_mask_hdf5
from xpcs_dash.hdf5.partition_file import NoPartition, PartitionRecord, read_partition, write_partition
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.hdf5.records import BinTable
from xpcs_dash.hdf5.schemas import GeometryMetadata, MaskSchema, QMapSchema
from xpcs_dash.hdf5.writer import write_own
from xpcs_dash.results.xpcs_file import XpcsFile
from xpcs_dash.simplemask.partition import Partition
from xpcs_dash.simplemask.plain_images import read_array

HDF5_SUFFIXES = (".h5", ".hdf", ".hdf5", ".nxs")
IMAGE_SUFFIXES = (".tif", ".tiff", ".edf", ".cbf", ".npy")
#: Formats in which a mask can be saved.
MASK_FORMATS = ("hdf", "tif", "npy")


@dataclass(frozen=True, eq=False)
class DetectorImage:
    """A starting point for a mask.

    Attributes
    ----------
    image : (H, W) float32; NaN where the detector gives no value.
    name : what to call it.
    frames : frames behind it, 0 where unknown.
    geometry : where the file gives it.
    source : where the geometry's numbers come from, as a person would say it.
    mask : (H, W) bool, the file's own mask, or None.
    axes : how the file cuts the detector, as two dicts for `Axis`; empty where it does not say.
    """

    image: NDArray[np.float32]
    name: str
    frames: int = 0
    geometry: GeometryMetadata | None = None
    source: str = ""
    mask: NDArray[np.bool_] | None = field(default=None)
    axes: tuple[dict[str, Any], ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return (self.image.shape[0], self.image.shape[1])


def from_result(xf: XpcsFile) -> DetectorImage:
    """The time-averaged image of a result file with its geometry and mask; of a partition its bins, of a mask
    its pixels.

    Raises
    ------
    UsageError
        Where the file holds no image.
    """
    if not xf.kinds and xf.saxs_2d is None:
        shown = xf.mask if xf.dqmap is None else xf.dqmap
        if shown is not None:
            axes = () if xf.dynamic is None or xf.static is None else axes_of(xf.dynamic, xf.static)
            image, name = shown.astype(np.float32), xf.path.name
            return DetectorImage(image, name, 0, xf.geometry, f"q-map of {name}", xf.mask, axes)
    if xf.saxs_2d is None:
        raise UsageError(f"{xf.path.name} holds no scattering image to draw a mask on.")
    return DetectorImage(
        xf.saxs_2d, xf.path.name, xf.n_frames or 0, xf.geometry, f"q-map of {xf.path.name}", xf.mask
    )


def axes_of(dynamic: BinTable, static: BinTable) -> tuple[dict[str, Any], ...]:
    """The form of a partition from its bins, as two dicts for `Axis`.

    Bins of equal steps, or of equal ratios, get their edges back; of others only the number is known.
    """
    found = []
    for k in (0, 1):
        centres = (dynamic.axis0, dynamic.axis1)[k]
        axis: dict[str, Any] = {"name": dynamic.names[k]}
        axis |= {"dynamic": dynamic.num_pts[k], "static": static.num_pts[k]}
        scale, edges = _edges_of(centres)
        if edges is not None and dynamic.names[k] != "phi":
            axis |= {"scale": scale, "edges": [float(edge) for edge in edges]}
        found.append(axis)
    return tuple(found)


def _edges_of(centres: NDArray[np.float64]) -> tuple[str, NDArray[np.float64] | None]:
    """Scale and edges of bins with these centres; no edges where the steps are not regular."""
    if centres.size < 2 or not np.all(np.diff(centres) > 0):
        return "linear", None
    for scale, to, back in (("linear", np.asarray, np.asarray), ("log", np.log, np.exp)):
        if scale == "log" and centres[0] <= 0:
            break
        steps = np.diff(to(centres))
        if np.ptp(steps) <= 1e-6 * steps.mean():
            first = to(centres)[0] - steps.mean() / 2
            return scale, back(first + steps.mean() * np.arange(centres.size + 1))
    return "linear", None


def read_image(
    path: str | Path,
    open_file: Callable[[Path], XpcsFile],
    how: str = "mean",
    count: int | None = None,
    pool: HDF5ConnectionPool | None = None,
) -> DetectorImage:
    """A detector image from a result file, raw HDF5 frames, TIFF, EDF, CBF or NPY.

    Parameters
    ----------
    path : the file.
    open_file : opens a result file; `Door.open`.
    how, count : "mean" or "max" of the first ``count`` frames; for raw frames.
    pool : says what may be read, for files that are no results; None is for a file that a person named.

    Raises
    ------
    FileError
        Where the file cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() in HDF5_SUFFIXES:
        try:
            return from_result(open_file(path))
        except (UnknownLayout, UsageError):
            image, frames = reduce_frames(path, "max" if how == "max" else "mean", count, pool=pool)
            return DetectorImage(image, path.name, frames if how == "mean" else 0)
    array = read_array(path, None if pool is None else pool.reach)
    if array.ndim != 2:
        raise UnreadableFile(path, f"it holds an array of shape {array.shape}", "an image has two axes")
    return DetectorImage(array.astype(np.float32), path.name)


def read_mask_or_partition(path: str | Path) -> tuple[NDArray[np.bool_], PartitionRecord | None]:
    """The valid pixels (H, W) of a mask or partition file, and its partition where it carries one.

    Raises
    ------
    FileError
        Where the file cannot be read or holds neither.
    """
    path = Path(path)
    if path.suffix.lower() in HDF5_SUFFIXES:
        try:
            record = read_partition(path)
        except NoPartition:
            pass
        else:
            return record.mask, record
    return read_mask(path) > 0, None


def read_mask(path: str | Path) -> NDArray[np.int32]:
    """A mask (H, W) int32, 0 masked and 1 valid (what is not 0), from HDF5, TIFF, EDF, CBF or NPY.

    Raises
    ------
    FileError
        Where the file cannot be read or holds no mask.
    """
    path = Path(path)
    if path.suffix.lower() in HDF5_SUFFIXES:
        return read_mask_hdf5(path)
    array = read_array(path)
    if array.ndim != 2:
        raise FileError(path, f"it holds an array of shape {array.shape}", "a mask has two axes")
    valid: NDArray[np.int32] = (np.nan_to_num(array) > 0).astype(np.int32)
    return valid


def write_mask(path: str | Path, mask: NDArray[Any], description: str = "") -> Path:
    """Write a mask, 0 masked and 1 valid, in the format that the name's ending says: hdf, tif or npy.

    Raises
    ------
    UsageError
        For another ending.
    FileError
        Where the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in HDF5_SUFFIXES:
        return write_mask_hdf5(path, MaskSchema(np.asarray(mask, np.int32), description))
    try:
        path.write_bytes(mask_bytes(mask, suffix.lstrip(".")))
    except OSError as err:
        raise FileError(path, f"it cannot be written ({err.strerror})", "choose another place") from None
    return path


def mask_bytes(mask: NDArray[Any], kind: str) -> bytes:
    """A mask as the bytes of a ``tif`` or ``npy`` file; uint8 in TIFF, int32 in NPY."""
    if kind == "npy":
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(mask, dtype=np.int32))
        return buffer.getvalue()
    if kind in ("tif", "tiff"):
        return _tiff(np.asarray(mask, dtype=np.uint8))
    raise UsageError(f"a mask can be saved as {', '.join(MASK_FORMATS)}, not as {kind!r}.")


def _tiff(image: NDArray[np.uint8]) -> bytes:
    """An uncompressed grey TIFF of one strip."""
    h, w = image.shape
    entries = [
        (256, 4, w),  # width
        (257, 4, h),  # length
        (258, 3, 8),  # bits per sample
        (259, 3, 1),  # no compression
        (262, 3, 1),  # black is zero
        (273, 4, 8),  # offset of the only strip
        (277, 3, 1),  # samples per pixel
        (278, 4, h),  # rows per strip
        (279, 4, h * w),  # bytes of the strip
        (339, 3, 1),  # unsigned whole numbers
    ]
    padding = h * w % 2
    directory = len(entries).to_bytes(2, "little")
    for tag, kind, value in entries:
        directory += tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + (1).to_bytes(4, "little")
        directory += value.to_bytes(4, "little")
    head = b"II*\0" + (8 + h * w + padding).to_bytes(4, "little")
    strip: bytes = np.ascontiguousarray(image).tobytes()
    body: bytes = head + strip + b"\0" * padding + directory + bytes(4)
    return body


def partition_record(
    partition: Partition,
    geometry: GeometryMetadata,
    blemish: NDArray[Any] | None = None,
    source_file: str = "",
) -> PartitionRecord:
    """A partition in the terms of its file."""
    dynamic, static = (
        BinTable(b.num_pts, b.v_list[0], b.v_list[1], b.index_mapping, partition.names, partition.units)
        for b in (partition.dynamic, partition.static)
    )
    mask = partition.dynamic.roi_map > 0
    return PartitionRecord(
        dynamic=dynamic,
        static=static,
        dynamic_map=partition.dynamic.roi_map,
        static_map=partition.static.roi_map,
        mask=mask,
        blemish=mask if blemish is None else np.asarray(blemish) > 0,
        geometry=geometry,
        source_file=source_file,
    )


def save_partition(
    path: str | Path,
    partition: Partition,
    geometry: GeometryMetadata,
    blemish: NDArray[Any] | None = None,
    source_file: str = "",
) -> Path:
    """Write a partition file for the correlator; see `write_partition`."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        release = version("xpcs-dash")
    except PackageNotFoundError:  # run from a checkout that was not installed
        release = "0"
    record = partition_record(partition, geometry, blemish, source_file)
    return write_partition(path, record, version=f"xpcs-dash {release}")


def save_own(
    path: str | Path, mask: NDArray[Any], partition: Partition, qmap: QMapSchema, geometry: GeometryMetadata
) -> Path:
    """Write our own layout: ``/simplemask/{mask,partition}``, ``/xpcs/qmap`` and the geometry."""
    schema = MaskSchema(np.asarray(mask, dtype=np.int32))
    return write_own(path, mask=schema, partition=partition, qmap=qmap, geometry=geometry)
