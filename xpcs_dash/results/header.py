"""The header and the 1-D data of a result file as plain attributes."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.hdf5.records import BinTable, FileKey, RawResult
from xpcs_dash.hdf5.schemas import GeometryMetadata, frozen_array

__all__ = ["ResultHeader"]


class ResultHeader:
    """What is known of a file once it has been opened; see `xpcs_dash.results.xpcs_file.XpcsFile`."""

    _key: FileKey
    #: What was read when the file was opened; `_raw` is the whole record, read on demand.
    _early: RawResult

    def __init__(self, key: FileKey, raw: RawResult) -> None:
        self._put("_key", key)
        self._put("_early", raw)

    @cached_property
    def _raw(self) -> RawResult:
        raise NotImplementedError

    def _put(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an XpcsFile cannot be changed: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"an XpcsFile cannot be changed: {name}")

    def __repr__(self) -> str:
        return f"<XpcsFile {self.path.name}: {self.layout}, {', '.join(self.kinds) or 'no correlation'}>"

    # -- identity

    @property
    def key(self) -> FileKey:
        """Identity of the contents that were read."""
        return self._key

    @property
    def path(self) -> Path:
        """Absolute path."""
        return self._key.path

    @property
    def layout(self) -> str:
        """Name of the file layout."""
        return self._early.layout

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of "multitau" and "twotime", those that the file holds."""
        return self._early.kinds

    @property
    def nbytes(self) -> int:
        """Bytes that this object holds (big arrays are in the cache and counted there).

        With room for ten partial g2 and their errors, which may be read later.
        """
        raw = self._early
        parts = () if raw.g2 is None else (raw.g2,) * 20
        arrays = (raw.g2, raw.g2_err, raw.saxs_1d, raw.segments, *parts)
        two = raw.twotime
        extra = (two.g2, two.g2_segments) if two is not None else ()
        return 40_000 + 3 * sum(int(a.nbytes) for a in (*arrays, *extra) if a is not None)

    # -- partition

    @property
    def dynamic(self) -> BinTable | None:
        """Bins of g2 and C2."""
        return self._early.dynamic

    @property
    def static(self) -> BinTable | None:
        """Bins of I(q)."""
        return self._early.static

    @property
    def n_q(self) -> int:
        """Number of dynamic bins."""
        return 0 if self.dynamic is None else self.dynamic.n

    @property
    def q(self) -> NDArray[np.float64]:
        """(n_q,) centre of each dynamic bin along the first axis of the map, `q_unit`."""
        return np.empty(0) if self.dynamic is None else self.dynamic.q

    @property
    def phi(self) -> NDArray[np.float64]:
        """(n_q,) centre of each dynamic bin along the second axis, degrees."""
        return np.empty(0) if self.dynamic is None else self.dynamic.phi

    @property
    def q_labels(self) -> list[str]:
        """Text of each dynamic bin."""
        return [] if self.dynamic is None else list(self.dynamic.labels)

    @property
    def q_unit(self) -> str:
        """Unit of `q`."""
        return "" if self.dynamic is None else self.dynamic.units[0]

    @property
    def geometry(self) -> GeometryMetadata | None:
        """Geometry of the q-map."""
        return self._raw.geometry

    @property
    def energy_kev(self) -> float | None:
        """Photon energy, known also where the geometry is not complete."""
        return self._raw.energy_kev if self.geometry is None else self.geometry.energy_kev

    @property
    def distance_m(self) -> float | None:
        """Sample to detector, known also where the geometry is not complete."""
        return self._raw.distance_m if self.geometry is None else self.geometry.distance_m

    @property
    def geometry_mismatch(self) -> tuple[str, ...]:
        """Fields in which the q-map and the nominal geometry differ by more than 0.5 %."""
        return self._raw.geometry_mismatch

    @property
    def reading_warnings(self) -> tuple[str, ...]:
        """What was odd when the file was read, as clauses, before anything is judged by counting."""
        return self._raw.warnings

    @property
    def restated(self) -> bool:
        """True for a converted file that says itself how its source was read."""
        return self._raw.restated

    @property
    def detector_shape(self) -> tuple[int, int] | None:
        """(rows, columns)."""
        return self._early.detector_shape

    @property
    def map_hash(self) -> str | None:
        """Hash of the q-map, as its maker wrote it."""
        return self._early.map_hash

    # -- multi-tau

    @property
    def delay_frames(self) -> NDArray[np.float64]:
        """(n_delay,) delays in frames after stride and averaging."""
        frames = self._early.delay_frames
        return np.empty(0) if frames is None else frozen_array(frames, np.float64)

    @cached_property
    def t_el(self) -> NDArray[np.float64]:
        """(n_delay,) delays in seconds."""
        raw = self._early
        if raw.delay_s is not None:
            return frozen_array(raw.delay_s, np.float64)
        if raw.delay_frames is None or self.g2_frame_time_s is None:
            return np.empty(0)
        return frozen_array(raw.delay_frames * self.g2_frame_time_s, np.float64)

    @property
    def n_delay(self) -> int:
        """Number of delays."""
        return 0 if self._early.g2 is None else int(self._early.g2.shape[0])

    @property
    def g2(self) -> NDArray[np.float64]:
        """(n_delay, n_q); exactly 0 where no coincidence was recorded, NaN where there is no number."""
        return self._table(self._early.g2)

    @cached_property
    def g2_err(self) -> NDArray[np.float64]:
        """(n_delay, n_q) errors of the file; NaN where it has none."""
        if self._early.g2_err is None:
            return frozen_array(np.full(self.g2.shape, np.nan), np.float64)
        return self._table(self._early.g2_err)

    def _table(self, values: NDArray[np.float64] | None) -> NDArray[np.float64]:
        return np.empty((0, self.n_q)) if values is None else frozen_array(values, np.float64)

    @property
    def stored_coincidences(self) -> NDArray[np.float64] | None:
        """(n_delay, n_q) coincidences that the file itself holds; None where they are computed."""
        return self._early.coincidences

    @property
    def zero_points(self) -> int:
        """Points of g2 that are exactly 0."""
        return int(np.count_nonzero(self.g2 == 0))

    @property
    def partial_g2(self) -> NDArray[np.float64] | None:
        """(n_seg, n_delay, n_q) g2 of the frames up to each of `partial_labels`: cumulative, not slices."""
        return self._raw.partial_g2

    @property
    def partial_g2_err(self) -> NDArray[np.float64] | None:
        """Errors of `partial_g2`."""
        return self._raw.partial_g2_err

    @property
    def partial_labels(self) -> NDArray[np.float64] | None:
        """(n_seg,) frame pairs behind each cumulative g2."""
        return self._raw.partial_labels

    # -- intensity

    @property
    def saxs_1d(self) -> NDArray[np.float64] | None:
        """(n_static,) photons per pixel and frame of each static bin; `static.expand` puts it on the grid."""
        return self._early.saxs_1d

    @property
    def segments(self) -> NDArray[np.float64] | None:
        """(n_seg, n_static) as `saxs_1d` for each stretch of time; divide by the mean, the scale varies."""
        return self._early.segments

    @property
    def intensity_unit(self) -> str:
        """Unit of the intensities."""
        return self._early.intensity_unit

    # -- time and provenance

    @property
    def frame_time_s(self) -> float | None:
        """Seconds from frame to frame of the detector."""
        return self._early.frame_time_s

    @property
    def exposure_s(self) -> float | None:
        """Seconds of exposure of one frame."""
        return self._raw.exposure_s

    @property
    def stride(self) -> int:
        """Every how many frames were used."""
        return self._early.stride_frame

    @property
    def avg(self) -> int:
        """How many frames were averaged into one."""
        return self._early.avg_frame

    @property
    def g2_frame_time_s(self) -> float | None:
        """Seconds of one unit of `delay_frames`."""
        raw = self._early
        return None if raw.frame_time_s is None else raw.frame_time_s * raw.stride_frame * raw.avg_frame

    @property
    def processed_frame_time_s(self) -> float | None:
        """Seconds from sample to sample of `int_t`."""
        return self.g2_frame_time_s

    @property
    def c2_frame_time_s(self) -> float | None:
        """Seconds from row to row of the two-time matrices, from their own settings."""
        return None if self._early.twotime is None else self._early.twotime.dt_s

    @property
    def c2_stride(self) -> int:
        """Every how many frames were used for the two-time matrices."""
        return 1 if self._early.twotime is None else self._early.twotime.stride_frame

    @property
    def c2_avg(self) -> int:
        """How many frames were averaged into one row of the two-time matrices."""
        return 1 if self._early.twotime is None else self._early.twotime.avg_frame

    @property
    def n_frames(self) -> int | None:
        """Frames that were correlated, after stride and averaging."""
        return self._early.n_frames

    @property
    def averaged_from(self) -> tuple[str, ...]:
        """Files that an averaged file was made of; empty for a single acquisition."""
        return self._early.averaged_from

    @property
    def start_time(self) -> datetime | None:
        """Start of the acquisition; without a zone where the file gives none."""
        return self._raw.start_time

    @property
    def end_time(self) -> datetime | None:
        """End of the acquisition."""
        return self._raw.end_time

    @property
    def sample(self) -> str | None:
        """Name of the sample."""
        return self._raw.sample

    @property
    def scan(self) -> str | None:
        """Scan identifier."""
        return self._raw.scan

    @property
    def temperature_k(self) -> float | None:
        """Temperature of the sample, K."""
        return self._raw.temperature_k

    @property
    def raw_path(self) -> str | None:
        """Where the raw data was when it was processed."""
        return self._raw.raw_path

    # -- two-time

    @property
    def twotime_bins(self) -> tuple[int, ...]:
        """Labels of the q-bins that have a two-time matrix, in the order of the file."""
        return () if self._early.twotime is None else self._early.twotime.bins

    @property
    def twotime_shape(self) -> tuple[int, int] | None:
        """(N, N) of the matrices."""
        return None if self._early.twotime is None else self._early.twotime.shape
