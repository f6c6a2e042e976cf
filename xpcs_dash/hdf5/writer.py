"""Atomic writing: a reader sees the old file or the whole new one, and a failure leaves nothing behind."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from xpcs_dash.errors import FileError, UsageError, XpcsDashError
from xpcs_dash.hdf5.carried import CARRIED, Carried, carry
from xpcs_dash.hdf5.schemas import G2Data, GeometryMetadata, MaskSchema, PartitionSchema, QMapSchema

__all__ = [
    "OWN_LAYOUT",
    "OWN_LAYOUT_VERSION",
    "Planes",
    "WriteError",
    "atomic_hdf5",
    "put",
    "put_planes",
    "write_own",
]

#: Name of the layout; files before version 0.2 carry "seed_xpcs" there, and nothing depends on it.
OWN_LAYOUT = "xpcs_dash"
OWN_LAYOUT_VERSION = "1"
#: Datasets with more elements are chunked and compressed.
COMPRESS_ABOVE = 8192


class WriteError(FileError):
    """A file that could not be written."""


@contextmanager
def atomic_hdf5(
    path: str | Path, *, overwrite: bool = True, temporary: str | Path | None = None, in_memory: bool = True
) -> Iterator[h5py.File]:
    """Write an HDF5 file that appears under its name only when it is complete.

    Parameters
    ----------
    path : the file to make.
    overwrite : False refuses to replace an existing file.
    temporary : name to write under until then; by default a dot file ending in ``.temp`` beside ``path``, so
        that watchers leave it alone and the final rename stays within one file system.
    in_memory : build the file in memory and write it in one go, so that HDF5 itself never meets a full disk.
        False streams to the disk, for files that do not fit.

    Raises
    ------
    WriteError
        The directory is missing or not writable, the disk is full, or the file exists and may not be
        replaced.
    """
    path = Path(path)
    if path.is_dir():
        raise WriteError(path, "it cannot be written: there is a directory of this name", "give a file name")
    if not overwrite and path.exists():
        raise WriteError(path, "it exists already", "choose another name or allow overwriting")
    temp = (
        Path(temporary)
        if temporary is not None
        else path.with_name(f".{path.name}.{secrets.token_hex(4)}.temp")
    )
    try:
        if in_memory:
            with h5py.File(temp.name, "w", driver="core", backing_store=False) as h5:
                yield h5
                h5.flush()
                image = h5.id.get_file_image()
            with temp.open("wb") as stream:
                stream.write(image)
                stream.flush()
                os.fsync(stream.fileno())
        else:
            with h5py.File(temp, "w", locking=False) as h5:
                yield h5
            with temp.open("rb") as stream:
                os.fsync(stream.fileno())
        if overwrite:
            temp.replace(path)
        else:
            _rename_new(temp, path)
        _sync_directory(path.parent)
    except BaseException as err:
        with suppress(OSError):
            temp.unlink()
        if isinstance(err, XpcsDashError):
            raise
        failure = _explain(path, err)
        if failure is None:
            raise
        raise failure from None


def _rename_new(temp: Path, path: Path) -> None:
    """Give ``temp`` its name unless somebody else took it meanwhile."""
    try:
        os.link(temp, path)
    except FileExistsError:
        raise WriteError(path, "it exists already", "choose another name or allow overwriting") from None
    except OSError:  # a file system without hard links
        temp.replace(path)
    else:
        temp.unlink()


def _sync_directory(directory: Path) -> None:
    with suppress(OSError):  # not every file system can
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _explain(path: Path, err: BaseException) -> WriteError | None:
    """A sentence for failures of the file system; None for anything else."""
    if not isinstance(err, OSError | RuntimeError):
        return None
    number = getattr(err, "errno", None)
    text = " ".join(str(err).split())
    directory = path.parent
    if not directory.is_dir():
        return WriteError(
            path, f"it cannot be written: the directory {directory} does not exist", "make it first"
        )
    full = number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text or "quota" in text.lower()
    if not full and isinstance(err, RuntimeError):
        with suppress(OSError):
            full = shutil.disk_usage(directory).free < 2**20
    if full:
        return WriteError(
            path, "it cannot be written: no space left on the disk", "free some space and try again"
        )
    if number == errno.EFBIG:
        return WriteError(
            path, "it cannot be written: files may not be that large here", "ask for a larger limit"
        )
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return WriteError(
            path, "it cannot be written: permission denied", "choose a directory you may write to"
        )
    if isinstance(err, OSError):
        reason = err.strerror or text or type(err).__name__
        return WriteError(path, f"it cannot be written ({reason[:160]})", "check the disk and try again")
    return None


def put(parent: h5py.Group, name: str, value: Any, unit: str = "", *, compress: bool = True) -> h5py.Dataset:
    """Store one value: text as UTF-8, large arrays chunked by their last two axes and lzf-compressed.

    Parameters
    ----------
    parent : group or file.
    name : path below it; groups on the way are made.
    value : text, number, list of texts, or array.
    unit : stored as the attribute ``units`` where given.
    """
    if isinstance(value, str):
        dataset = parent.create_dataset(name, data=value, dtype=h5py.string_dtype())
    elif isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        dataset = parent.create_dataset(name, data=list(value), dtype=h5py.string_dtype())
    else:
        array = np.asarray(value)
        if compress and array.size > COMPRESS_ABOVE:
            chunks = (1,) * max(0, array.ndim - 2) + tuple(min(n, 16_384) for n in array.shape[-2:])
            dataset = parent.create_dataset(name, data=array, chunks=chunks, compression="lzf")
        else:
            dataset = parent.create_dataset(name, data=array)
    if unit:
        dataset.attrs["units"] = unit
    return dataset


class Planes(Protocol):
    """Planes along a first axis that are had one at a time, because all together do not fit into memory."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102

    def __getitem__(self, index: int, /) -> Any: ...


def put_planes(parent: h5py.Group, name: str, planes: Planes) -> h5py.Dataset:
    """Store single-precision planes, reading and writing one at a time."""
    shape = tuple(planes.shape)
    chunks = (1,) * max(0, len(shape) - 2) + tuple(max(1, min(n, 16_384)) for n in shape[-2:])
    dataset = parent.create_dataset(name, shape, np.float32, chunks=chunks, compression="lzf")
    for index in range(shape[0]):
        dataset[index] = planes[index]
    return dataset


def write_own(
    path: str | Path,
    *,
    g2: G2Data | None = None,
    qmap: QMapSchema | None = None,
    geometry: GeometryMetadata | None = None,
    mask: MaskSchema | None = None,
    partition: PartitionSchema | None = None,
    extra: Mapping[str, tuple[Any, str]] | None = None,
    provenance: Mapping[str, str] | None = None,
    source: Mapping[str, str] | None = None,
    carried: Sequence[Carried] | None = None,
    rest: Sequence[Carried] = (),
    planes: Mapping[str, Planes] | None = None,
    leave_out: Collection[str] = (),
    overwrite: bool = True,
    in_memory: bool = True,
) -> Path:
    """Write the product's own layout.

    Parameters
    ----------
    path : file to make, atomically.
    g2 : to ``/xpcs/g2/{g2,g2_err,delay_times,q_values}``.
    qmap : to ``/xpcs/qmap/{sqmap,dqmap,phis,mask,partition_map}``.
    geometry : to the attributes of ``/xpcs/metadata``.
    mask, partition : to ``/simplemask/mask`` and ``/simplemask/partition``.
    extra : further datasets, path → (value, unit); a value that is a function is called when its turn comes,
        so that big arrays need not all be held at once.
    provenance : texts that become attributes of ``/xpcs/metadata``.
    source : texts on the file that this one was converted from, attributes of the root.
    carried : metadata of that file, to ``/xpcs/carried``; None where nothing was converted.
    rest : what else that file held, to the places that it had there.
    planes : datasets that are written plane by plane, by path.
    leave_out : paths among those above that are not written.
    overwrite : False refuses to replace an existing file.
    in_memory : False streams to the disk, for files that do not fit into memory.

    Returns
    -------
    The path.

    Raises
    ------
    UsageError
        Where there is nothing to write.
    WriteError
        Where the file cannot be written.
    """
    if g2 is None and qmap is None and mask is None and partition is None:
        raise UsageError(f"{Path(path).name}: there is nothing to write: neither g2 nor a map nor a mask.")
    with atomic_hdf5(path, overwrite=overwrite, in_memory=in_memory) as h5:
        h5.attrs["creator"] = "xpcs-dash"
        h5.attrs["layout"] = OWN_LAYOUT
        h5.attrs["layout_version"] = OWN_LAYOUT_VERSION
        _put_maps(h5, qmap, mask, partition, leave_out)
        if g2 is not None:
            _put_g2(h5, g2, leave_out)
        metadata = h5.require_group("/xpcs/metadata")
        if geometry is not None:
            for name in ("bcx", "bcy", "det_dist", "lambda_", "pix_dim"):
                metadata.attrs[name] = getattr(geometry, name)
            metadata.attrs["shape"] = np.asarray(geometry.shape, dtype=np.int64)
        for name, text in (provenance or {}).items():
            metadata.attrs[name] = text
        for name, (value, unit) in (extra or {}).items():
            put(h5, name, value() if callable(value) else value, unit=unit)
        for name, each in (planes or {}).items():
            put_planes(h5, name, each)
        h5.attrs.update(source or {})
        if carried is not None:
            h5.require_group(CARRIED)
            carry(h5, carried, below=CARRIED)
        carry(h5, rest)
    return Path(path)


def _put_maps(
    h5: h5py.File,
    qmap: QMapSchema | None,
    mask: MaskSchema | None,
    partition: PartitionSchema | None,
    leave_out: Collection[str],
) -> None:
    if qmap is not None:
        for name, unit in (("sqmap", "1/angstrom"), ("dqmap", "1/angstrom"), ("phis", "deg")):
            put(h5, f"/xpcs/qmap/{name}", getattr(qmap, name), unit=unit)
        if "/xpcs/qmap/mask" not in leave_out:
            put(h5, "/xpcs/qmap/mask", qmap.mask)
        put(h5, "/xpcs/qmap/partition_map", qmap.partition_map)
    if mask is not None:
        group = h5.create_group("/simplemask/mask")
        put(group, "mask", mask.mask)
        group.attrs["version"], group.attrs["description"] = mask.version, mask.description
    if partition is not None:
        group = h5.create_group("/simplemask/partition")
        put(group, "partition_map", partition.partition_map)
        put(group, "val_list", np.asarray(partition.val_list, dtype=np.float64))
        put(group, "num_list", np.asarray(partition.num_list, dtype=np.int64))
        group.attrs["num_pts"], group.attrs["version"] = partition.num_pts, "1"


def _put_g2(h5: h5py.File, g2: G2Data, leave_out: Collection[str]) -> None:
    put(h5, "/xpcs/g2/g2", g2.g2)
    if "/xpcs/g2/g2_err" not in leave_out:
        put(h5, "/xpcs/g2/g2_err", g2.g2_err)
    put(h5, "/xpcs/g2/delay_times", g2.delay_times, unit="s")
    put(h5, "/xpcs/g2/q_values", g2.q_values, unit="1/angstrom")
