"""Reading one more file of a measurement of which another file has been read: only what differs.

Files of one measurement share delays, bins and maps, and an average needs neither their geometry nor their
texts. What is the same is compared, not read into records again, which takes a third of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from h5py import h5d, h5s, h5t
from numpy.typing import NDArray

from xpcs_dash.errors import FileError, SchemaError
from xpcs_dash.hdf5.access import Reader
from xpcs_dash.hdf5.bigdata import stored_digest
from xpcs_dash.hdf5.layouts import aps_entry, aps_nexus
from xpcs_dash.hdf5.records import OpenFile, RawResult, Stored

__all__ = ["Again", "read_again"]

_NUMBERS = (h5t.INTEGER, h5t.FLOAT)
_MULTITAU = "/xpcs/multitau"
_QMAP = "/xpcs/qmap"
_MEAN = "/xpcs/temporal_mean"
_INT_T = "/xpcs/spatial_mean/intensity_vs_time"


@dataclass(frozen=True, eq=False)
class Again:
    """The numbers of one file; shapes as in `RawResult`.

    Attributes
    ----------
    int_t : (2, n_frames) as stored.
    saxs_2d : (H, W) float32; the array that was given, filled.
    frame_time_s : seconds from sample to sample of ``int_t``.
    map_key : digest of the label maps as they are stored.
    """

    g2: NDArray[np.float64]
    g2_err: NDArray[np.float64] | None
    saxs_1d: NDArray[np.float64] | None
    segments: NDArray[np.float64] | None
    int_t: NDArray[np.float64] | None
    saxs_2d: NDArray[np.float32] | None
    n_frames: int | None
    frame_time_s: float
    map_key: str


def read_again(source: OpenFile, like: RawResult, image: NDArray[np.float32] | None) -> Again | None:
    """Read the numbers of a file that is laid out as ``like``; None where it is not, or holds something else.

    Whoever gets None opens the file as a whole, and learns what is the matter with it.

    Parameters
    ----------
    like : a file of the present APS layout that is no average and whose g2 was correlated from frames.
    image : where the detector image goes, of its shape; None leaves it out.
    """
    reader = Reader(source)
    try:
        return _read(reader, like, image)
    except (FileError, SchemaError, OSError, RuntimeError, ValueError, TypeError, KeyError):
        return None


def _read(reader: Reader, like: RawResult, image: NDArray[np.float32] | None) -> Again | None:
    frame_step = (like.stride_frame, like.avg_frame)
    if like.layout != aps_nexus.NAME or like.dynamic is None or like.g2 is None or like.averaged_from:
        return None
    if reader.has("/xpcs/average/file_list") or reader.has("/xpcs/as_read"):
        return None
    # with the label maps, which are compared elsewhere, these fix q
    same = (
        (f"{_QMAP}/dynamic_v_list_dim0", like.dynamic.axis0),
        (f"{_QMAP}/dynamic_num_pts", np.asarray(like.dynamic.num_pts)),
        (f"{_QMAP}/dynamic_index_mapping", like.dynamic.index_mapping),
        (f"{_MULTITAU}/delay_list", like.delay_frames),
    )
    if not all(_is(reader, name, known) for name, known in same):
        return None
    settings, frame_time = f"{_MULTITAU}/config", aps_entry.read_frame_time(reader)
    if (reader.factor(f"{settings}/stride_frame"), reader.factor(f"{settings}/avg_frame")) != frame_step:
        return None
    key = stored_digest(reader.h5, like.dqmap, like.sqmap)
    if frame_time is None or key is None:
        return None
    if image is not None and not _fill(reader, f"{_MEAN}/scattering_2d", image):
        return None
    int_t = _table(reader, _INT_T, like.int_t)
    return Again(
        g2=_present(_table(reader, f"{_MULTITAU}/normalized_g2", like.g2)),
        g2_err=_table(reader, f"{_MULTITAU}/normalized_g2_err", like.g2_err),
        saxs_1d=_table(reader, f"{_MEAN}/scattering_1d", like.saxs_1d),
        segments=_table(reader, f"{_MEAN}/scattering_1d_segments", like.segments),
        int_t=int_t,
        saxs_2d=image,
        n_frames=None if int_t is None else int_t.shape[-1],
        frame_time_s=frame_time * like.stride_frame * like.avg_frame,
        map_key=key,
    )


class _Differs(ValueError):
    """A dataset is missing, or stored in another shape, or has no counterpart."""


def _present(values: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if values is None:
        raise _Differs
    return values


def _is(reader: Reader, name: str, known: NDArray[Any] | None) -> bool:
    found = _table(reader, name, known)
    return found is not None and np.array_equal(found, known if known is not None else ())


def _table(reader: Reader, name: str, known: NDArray[Any] | Stored | None) -> NDArray[np.float64] | None:
    """Numbers of the shape of ``known``; None where both are missing."""
    found = reader.h5.locate(name)
    if found is None and known is None:
        return None
    if found is None or known is None or not isinstance(found[1], h5d.DatasetID):
        raise _Differs
    dataset = found[1]
    if (
        dataset.shape not in (known.shape, (1, *known.shape))
        or dataset.get_type().get_class() not in _NUMBERS
    ):
        raise _Differs
    out = np.empty(known.shape)
    dataset.read(h5s.ALL, h5s.ALL, out, h5t.NATIVE_DOUBLE)
    return out


def _fill(reader: Reader, name: str, image: NDArray[np.float32]) -> bool:
    found = reader.h5.locate(name)
    if found is None or not isinstance(found[1], h5d.DatasetID):
        return False
    dataset = found[1]
    if dataset.shape not in (image.shape, (1, *image.shape)):
        return False
    if dataset.get_type().get_class() not in _NUMBERS:
        return False
    dataset.read(h5s.ALL, h5s.ALL, image, h5t.NATIVE_FLOAT)
    return True
