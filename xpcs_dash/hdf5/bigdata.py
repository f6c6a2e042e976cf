"""Reading of the arrays that are not read when a file is opened."""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5d, h5s
from numpy.typing import NDArray

from xpcs_dash.errors import UnreadableFile
from xpcs_dash.hdf5.access import decode
from xpcs_dash.hdf5.handle import Group, Handle
from xpcs_dash.hdf5.records import Stored, TwoTimeRecord
from xpcs_dash.hdf5.schemas import frozen_array

__all__ = [
    "flat_metadata",
    "read_block",
    "read_matrix",
    "read_plane",
    "read_stored",
    "stored_digest",
    "time_axis",
]


def _select(h5: Handle, name: str, selection: Any, path: Path) -> NDArray[Any]:
    try:
        return np.asarray(h5[name][selection])
    except (KeyError, OSError, RuntimeError, ValueError, TypeError) as err:
        reason = " ".join(str(err).split())
        raise UnreadableFile(
            path,
            f"{name} cannot be read ({reason[:160]})",
            "it may be damaged: copy it again",
            transient=True,
        ) from None


def _whole(h5: Handle, name: str, path: Path) -> NDArray[Any]:
    """Everything in a dataset; numbers that lie in this file without the detour through h5py's own class."""
    try:
        found = h5.locate(name)
        dataset = None if found is None else found[1]
        if isinstance(dataset, h5d.DatasetID) and dataset.shape and dataset.dtype.kind in "biuf":
            values: NDArray[Any] = np.empty(dataset.shape, dataset.dtype)
            dataset.read(h5s.ALL, h5s.ALL, values)
            return values
    except (OSError, RuntimeError, ValueError, TypeError):
        pass  # below it fails again, and says how
    return _select(h5, name, (), path)


def read_stored(h5: Handle, stored: Stored, path: Path) -> NDArray[Any]:
    """Read an array that a layout described."""
    dataset = _whole(h5, stored.path, path)
    array = dataset.reshape(stored.shape[::-1] if stored.transpose else stored.shape)
    if stored.transpose:
        array = array.T
    if stored.dtype.endswith("bool"):
        return frozen_array(np.ascontiguousarray((array != 0) == (stored.dtype == "bool")), np.bool_)
    with np.errstate(invalid="ignore", over="ignore"):  # damaged bytes make any number
        return frozen_array(np.ascontiguousarray(array), np.dtype(stored.dtype))


def stored_digest(h5: Handle, *maps: Stored | None) -> str | None:
    """Digest of arrays as they are stored, without unpacking them: equal digests mean equal arrays.

    Nothing that a file says about its own contents takes part. Chunks are read as they lie in the file, which
    takes a tenth of the time of decompressing them.

    Returns
    -------
    Thirty-two hexadecimal digits; None where an array is not stored in this file alone or cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        for stored in maps:
            if stored is None:
                digest.update(b"none")
                continue
            found = h5.locate(stored.path)
            if found is None or found[0] is not h5 or not isinstance(found[1], h5d.DatasetID):
                return None  # missing, or in another file, which changes by itself
            dataset = found[1]
            layout = dataset.get_create_plist()
            kind = layout.get_layout()
            if kind == h5d.VIRTUAL or layout.get_external_count():
                return None
            shape = dataset.shape
            filters = [layout.get_filter(i) for i in range(layout.get_nfilters())]
            form = (stored.shape, stored.dtype, stored.transpose, shape, dataset.get_type().encode(), filters)
            digest.update(repr(form).encode())
            if kind != h5d.CHUNKED:
                values: NDArray[Any] = np.empty(shape, dataset.dtype)
                dataset.read(h5s.ALL, h5s.ALL, values)
                digest.update(values.tobytes())
                continue
            number = _digest_chunks(digest, dataset)
            if number < math.prod(-(-n // m) for n, m in zip(shape, layout.get_chunk(), strict=True)):
                empty = np.zeros(1, dataset.dtype)  # what stands in chunks that are not stored
                layout.get_fill_value(empty)
                digest.update(empty.tobytes())
    except (KeyError, OSError, RuntimeError, ValueError, TypeError, AttributeError):
        return None  # a damaged map shares nothing; reading it will say what is wrong
    return digest.hexdigest()


def _digest_chunks(digest: Any, dataset: h5d.DatasetID) -> int:
    """Take in the chunks of a dataset as they lie in the file; returns how many there are."""
    places: list[tuple[int, ...]] = []
    dataset.chunk_iter(lambda chunk: places.append(chunk.chunk_offset))
    chunks = [(place, *dataset.read_direct_chunk(place)) for place in places]
    digest.update(repr([(place, mask, len(data)) for place, mask, data in chunks]).encode())
    for _, _, data in chunks:
        digest.update(data)
    return len(chunks)


def time_axis(int_t: NDArray[np.float64], step_s: float | None) -> NDArray[np.float64]:
    """Replace the frame numbers of row 0 by seconds.

    Parameters
    ----------
    int_t : (2, n) as stored; float32 frame numbers repeat above 2^24, so they are counted anew where they are
        plain.
    step_s : seconds from sample to sample; None where row 0 holds seconds already.
    """
    if step_s is None:
        return int_t
    index = int_t[0]
    n = index.size
    counted = np.arange(n, dtype=np.float64)
    start = float(index[0]) if n and np.isfinite(index[0]) else 0.0
    # frame numbers are float32 in the file: from 2^24 on they are rounded, to steps of `rounding`
    rounding = abs(float(index[-1])) * 2.0**-23 if n else 0.0
    plain = not np.all(np.isfinite(index))
    plain = plain or bool(np.all(np.abs(index - start - counted) <= max(0.5, rounding)))
    return frozen_array(np.stack(((counted if plain else index - start) * step_s, int_t[1])), np.float64)


def _upper(block: NDArray[Any], record: TwoTimeRecord) -> NDArray[np.float32]:
    """The upper triangle of a stored matrix whatever half the file holds."""
    with np.errstate(invalid="ignore", over="ignore"):  # damaged bytes make any number
        values = np.asarray(block, dtype=np.float32)
    if record.flipped:
        values = values[::-1]
    upper = np.triu(values)
    if record.populated != "upper" or record.flipped:
        # which half is filled depends on where the origin is: take whatever there is
        lower = np.tril(values).T
        upper = np.where(upper != 0, upper, lower)
    values = upper
    if record.baseline == 0.0:
        values[np.triu_indices(values.shape[0])] += np.float32(1.0)
    return values


def read_matrix(h5: Handle, record: TwoTimeRecord, position: int, path: Path) -> NDArray[np.float32]:
    """(N, N) float32 upper triangle with the diagonal of one matrix; uncorrelated frames give 1."""
    matrix = record.matrices[position]
    selection: Any = ()
    if matrix.plane is not None:
        selection = (Ellipsis, *matrix.plane) if matrix.last else (*matrix.plane, Ellipsis)
    values = _select(h5, matrix.path, selection, path)
    if values.dtype.kind not in "biuf":
        raise UnreadableFile(
            path, f"{matrix.path}: expected numbers, found type {values.dtype}", "process it again"
        )
    if values.shape != record.shape:
        raise UnreadableFile(
            path, f"{matrix.path}: expected shape {record.shape}, found {values.shape}", "process it again"
        )
    return frozen_array(np.ascontiguousarray(_upper(values, record)), np.float32)


def read_block(
    h5: Handle, record: TwoTimeRecord, position: int, rows: slice, cols: slice, path: Path
) -> NDArray[np.float32]:
    """A block of the full matrix, float32; only the parts of the file that it needs are read."""
    n = record.shape[0]
    r0, r1, _ = slice(rows.start, rows.stop).indices(n)
    c0, c1, _ = slice(cols.start, cols.stop).indices(n)
    matrix = record.matrices[position]
    if matrix.plane is not None or record.flipped or record.populated != "upper" or record.baseline == 0.0:
        upper = read_matrix(h5, record, position, path)
        above = upper[r0:r1, c0:c1]
        below = upper[c0:c1, r0:r1].T
    else:
        empty = np.zeros((max(0, r1 - r0), max(0, c1 - c0)), dtype=np.float32)
        # above the diagonal the block itself holds values, below it the mirrored one
        above = _select(h5, matrix.path, np.s_[r0:r1, c0:c1], path) if r0 < c1 else empty
        below = _select(h5, matrix.path, np.s_[c0:c1, r0:r1], path).T if c0 < r1 else empty
    over = np.arange(r0, r1)[:, None] <= np.arange(c0, c1)[None, :]
    return np.where(over, above, below).astype(np.float32, copy=False)


def read_plane(h5: Handle, name: str, index: int, path: Path) -> NDArray[np.float32]:
    """One delay of the per-pixel G2: (3, H, W) float32."""
    with np.errstate(invalid="ignore", over="ignore"):  # damaged bytes make any number
        return frozen_array(_select(h5, name, index, path), np.float32)


def flat_metadata(h5: Handle, group: str, longest: int = 4) -> dict[str, tuple[Any, str]]:
    """Scalars and short lists under ``group`` as name → (value, unit)."""
    found: dict[str, tuple[Any, str]] = {}
    with suppress(OSError, RuntimeError, KeyError, ValueError):  # a damaged group: keep what could be read
        root = h5.get(group)
        if not isinstance(root, Group):
            return found
        for item in root.datasets():
            with suppress(OSError, RuntimeError, TypeError, ValueError, KeyError):
                if item.shape is None or item.size > longest:
                    continue
                value = item[()]
                unit = decode(item.attrs.get("units", item.attrs.get("unit", "")))
                found[item.name] = (_plain(value), unit)
    return found


def _plain(value: Any) -> Any:
    """Python number, text or list of them."""
    array = np.asarray(value)
    if array.size == 1:
        item = array.reshape(-1)[0]
        return (
            decode(item)
            if isinstance(item, bytes | str)
            else item.item()
            if hasattr(item, "item")
            else decode(item)
        )
    return [_plain(item) for item in array.reshape(-1)]
