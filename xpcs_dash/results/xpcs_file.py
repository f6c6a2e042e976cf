"""XpcsFile: one result file, immutable; header and 1-D data at once, big arrays when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5 import bigdata
from xpcs_dash.hdf5.as_read import AS_READ
from xpcs_dash.hdf5.carried import Gathered, gather, stated
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.hdf5.record import read_record
from xpcs_dash.hdf5.records import FileKey, OpenFile, RawResult, Stored, TwoTime
from xpcs_dash.hdf5.schemas import frozen_array
from xpcs_dash.results import counting
from xpcs_dash.results.cache import DataCache
from xpcs_dash.results.header import ResultHeader

__all__ = ["XpcsFile"]

T = TypeVar("T")

#: What a script may hold of big arrays when it brings no cache of its own.
PRIVATE_CACHE_BYTES = 256 * 2**20


class XpcsFile(ResultHeader):
    """One result file.

    Everything is NumPy, read-only and in the units named; what the file does not hold is None or empty.
    Shapes: n_delay delays, n_q dynamic bins, n_static static bins, n_seg segments, (H, W) detector. Column k
    of an array over q belongs to bin label k + 1.
    """

    _pool: HDF5ConnectionPool
    _cache: DataCache
    min_coincidences: float

    def __init__(
        self,
        key: FileKey,
        raw: RawResult,
        pool: HDF5ConnectionPool,
        cache: DataCache | None = None,
        min_coincidences: float = 10.0,
    ) -> None:
        super().__init__(key, raw)
        self._put("_pool", pool)
        self._put("_cache", DataCache(PRIVATE_CACHE_BYTES) if cache is None else cache)
        self._put("min_coincidences", float(min_coincidences))

    # -- what is read when it is asked for

    @cached_property
    def _raw(self) -> RawResult:
        """The whole record. Opening reads what curves and counting need; names, times, geometry follow."""
        early = self._early
        if early.rest is None:
            return early
        with self._pool.open(self.path, self.key) as h5:
            whole = read_record(OpenFile(self.path, self.key, h5), early.rest)
            if h5.others():
                # from now on a change of these files is a change of this one
                self._put("_key", replace(self.key, others=h5.others()))
        return whole

    def _image(self, stored: Stored | None) -> Any:
        if stored is None:
            return None
        # one dataset may be read as two things, such as a label map and the mask that it implies
        name = f"{stored.path}:{stored.dtype}"
        return self._load(name, lambda h5: bigdata.read_stored(h5, stored, self.path))

    def _load(self, name: str, read: Callable[[Handle], T]) -> T:
        def load() -> T:
            with self._pool.open(self.path, self.key) as h5:
                return read(h5)

        return self._cache.get((self.key.token, name), load)

    @property
    def saxs_2d(self) -> NDArray[np.float32] | None:
        """(H, W) float32 photons per pixel and frame, read when asked for."""
        image: NDArray[np.float32] | None = self._image(self._early.saxs_2d)
        return image

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """(H, W) bool, True where a pixel is used; read when asked for."""
        image: NDArray[np.bool_] | None = self._image(self._early.mask)
        return image

    @property
    def blemish(self) -> NDArray[np.bool_] | None:
        """(H, W) bool, False where the detector itself spoils a pixel; read when asked for."""
        image: NDArray[np.bool_] | None = self._image(self._early.blemish)
        return image

    @property
    def dqmap(self) -> NDArray[np.int32] | None:
        """(H, W) int32 dynamic labels, 0 masked; read when asked for."""
        image: NDArray[np.int32] | None = self._image(self._early.dqmap)
        return image

    @property
    def sqmap(self) -> NDArray[np.int32] | None:
        """(H, W) int32 static labels, 0 masked; read when asked for."""
        image: NDArray[np.int32] | None = self._image(self._early.sqmap)
        return image

    @property
    def int_t(self) -> NDArray[np.float64] | None:
        """(2, n_frames) row 0 time in s, row 1 photons per pixel and frame; read when asked for."""
        raw, stored = self._early, self._early.int_t
        if stored is None:
            return None
        step = None if raw.int_t_in_seconds else self.processed_frame_time_s

        def read(h5: Handle) -> NDArray[np.float64]:
            return bigdata.time_axis(bigdata.read_stored(h5, stored, self.path), step)

        return self._load(stored.path, read)

    # -- what files with the same label maps share

    @cached_property
    def map_key(self) -> str:
        """Digest of the label maps as stored: where it is the same, the maps are the same.

        It rests on the bytes of the maps, not on `map_hash`, which is what the file says of itself.
        """
        with self._pool.open(self.path, self.key) as h5:
            return bigdata.stored_digest(h5, self._early.dqmap, self._early.sqmap) or self.key.token

    def per_map(self, name: Hashable, load: Callable[[], T]) -> T:
        """What follows from the label maps alone, computed once for all files that have the same ones.

        Parameters
        ----------
        name : of what is computed; holds everything it depends on besides the maps.
        load : computes it from this file.
        """
        return self._cache.get((name, self.map_key), load)

    # -- counting statistics

    @cached_property
    def ring_table(self) -> counting.RingTable | None:
        """Pixels shared by static rings and dynamic bins; None where the file has no label maps."""
        raw = self._early
        dynamic, static = raw.dynamic, raw.static
        if dynamic is None or raw.dqmap is None:
            return None
        rings = raw.sqmap if raw.sqmap is not None and static is not None else raw.dqmap
        n_static = static.n if static is not None and raw.sqmap is not None else dynamic.n

        def load() -> counting.RingTable:
            return counting.ring_table(self._image(rings), self._image(raw.dqmap), n_static, dynamic.n)

        return self.per_map(("ring-table", n_static, dynamic.n), load)

    @cached_property
    def ring_intensity(self) -> NDArray[np.float64] | None:
        """(n_static,) photons per pixel and frame of each ring that counting statistics rest on.

        A single file stores it as `saxs_1d`. Averaging tools average some fields and copy others, so in
        averaged files it is taken from the detector image, as for files without `saxs_1d`.
        """
        raw, table = self._early, self.ring_table
        if table is None:
            return None
        by_static = raw.sqmap is not None and raw.static is not None
        if raw.saxs_1d is not None and by_static and not raw.averaged_from:
            return raw.saxs_1d
        if raw.saxs_2d is None:
            return raw.saxs_1d if by_static else None
        labels = self.sqmap if by_static else self.dqmap
        if labels is None or self.saxs_2d is None:
            return None
        return counting.ring_means(labels, self.saxs_2d, table.n_static)

    @cached_property
    def _counting(self) -> tuple[NDArray[np.float64], counting.PhotonCheck]:
        """Expected coincidences and the model's own check; NaN and a reason where it cannot be applied."""
        raw = self._early
        unknown = np.full(self.g2.shape, np.nan)

        def without(reason: str) -> tuple[NDArray[np.float64], counting.PhotonCheck]:
            return unknown, counting.PhotonCheck(False, reason, float("nan"), self.zero_points, float("nan"))

        if raw.g2 is None:
            return without("there is no multi-tau g2")
        if raw.coincidences is not None:
            return raw.coincidences, counting.check_photons(raw.g2, raw.coincidences, np.ones(1), raw.g2_err)
        if raw.delay_frames is None or raw.n_frames is None:
            return without("the file does not say how many frames were correlated")
        table, intensity = self.ring_table, self.ring_intensity
        if table is None or intensity is None:
            return without("the file has no label maps or no intensity")
        return counting.counted(
            raw.g2, raw.g2_err, raw.delay_frames, raw.n_frames, table, intensity, len(raw.averaged_from)
        )

    @property
    def photon_check(self) -> counting.PhotonCheck:
        """The counting model's verdict on its own assumption, with its figures."""
        return self._counting[1]

    @property
    def photons(self) -> bool:
        """True where the stored intensity is in photons, so that the counting error model holds."""
        return self.photon_check.photons

    @cached_property
    def coincidences(self) -> NDArray[np.float64]:
        """(n_delay, n_q) coincidences expected behind each point of g2; NaN where they cannot be known."""
        expected, check = self._counting
        return frozen_array(expected if check.photons else np.full(expected.shape, np.nan), np.float64)

    @cached_property
    def g2_sigma(self) -> NDArray[np.float64]:
        """(n_delay, n_q) standard error of g2: the file's and photon counting together.

        Where the intensity is not in photons it is the file's error alone, and `warnings` says so.
        """
        if not self.photons:
            return self.g2_err
        return frozen_array(counting.g2_sigma(self.g2_err, self.coincidences), np.float64)

    @cached_property
    def trusted(self) -> NDArray[np.bool_]:
        """(n_delay, n_q) points of g2 to show strongly and to fit."""
        finite = np.isfinite(self.g2)
        if self.photons:
            return frozen_array(finite & (self.coincidences >= self.min_coincidences), np.bool_)
        return frozen_array(finite & np.isfinite(self.g2_err) & (self.g2_err > 0), np.bool_)

    @property
    def starved_points(self) -> int | None:
        """Points with fewer than `min_coincidences` coincidences; None where that cannot be known."""
        return int(np.count_nonzero(self.coincidences < self.min_coincidences)) if self.photons else None

    # -- texts

    @cached_property
    def metadata(self) -> Mapping[str, tuple[Any, str]]:
        """Scalars and short texts of the file: name → (value, unit)."""
        raw = self._raw
        found = dict(raw.metadata)
        if raw.metadata_groups or raw.carried_group is not None:
            with self._pool.open(self.path, self.key) as h5:
                for group in raw.metadata_groups:
                    found.update(bigdata.flat_metadata(h5, group))
                if raw.carried_group is not None:
                    carried = bigdata.flat_metadata(h5, raw.carried_group)
                    found.update({n.removeprefix(raw.carried_group): v for n, v in carried.items()})
        return found

    def carried(self, *, rest: bool = False) -> Gathered:
        """What a conversion takes along as it stands: the metadata, with types and attributes.

        Parameters
        ----------
        rest : also everything else that the file holds beside what this class reads.
        """
        raw = self._raw
        with self._pool.open(self.path, self.key) as h5:
            found = gather(h5, raw.metadata_groups) + Gathered(stated(raw.metadata))
            if raw.carried_group is not None:
                held = gather(h5, (raw.carried_group,), below=raw.carried_group)
                found += Gathered(tuple(item for item in held.items if item.path != "/"), held.left)
            if rest:
                beside = {AS_READ, *raw.metadata_groups, raw.carried_group or ""}
                found += gather(h5, ("/",), skip=raw.places | beside)
        return found

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know about this file, one sentence each."""
        raw = self._raw
        texts = list(raw.warnings)
        if raw.g2 is not None and not self.photons:
            texts.append(
                f"counting statistics cannot be used, because {self.photon_check.reason}: "
                "the errors of g2 are those of the file and may be far too small"
            )
        if raw.g2 is not None and np.all(np.isnan(self.g2_err)):
            texts.append("the file holds no errors of g2")
        if raw.averaged_from:
            texts.append(
                f"averaged from {len(raw.averaged_from)} files: intensity over time and the segments "
                "are those of the first file only, and intensities of different kinds do not share one scale"
            )
            ratio = self._scale_ratio()
            if not 0.9 < ratio < 1 / 0.9:
                texts.append(
                    f"I(q) is {ratio:.2g} times the detector image averaged over the same rings (median): "
                    "expected coincidences rest on the image"
                )
        return tuple(_sentence(text) for text in texts)

    def _scale_ratio(self) -> float:
        """Median of `saxs_1d` over the ring means of the image; 1 where one of them is missing."""
        stored, rings = self._early.saxs_1d, self.ring_intensity
        if stored is None or rings is None or stored.shape != rings.shape:
            return 1.0
        both = np.isfinite(stored) & np.isfinite(rings) & (rings > 0)
        return float(np.median(stored[both] / rings[both])) if both.any() else 1.0

    # -- two-time and per-pixel

    def _position(self, label: int) -> int:
        if label not in self.twotime_bins:
            have = ", ".join(map(str, self.twotime_bins)) or "none"
            raise UsageError(
                f"{self.path.name}: there is no two-time matrix for the q-bin {label}; there are: {have}."
            )
        return self.twotime_bins.index(label)

    def twotime(self, label: int) -> TwoTime:
        """Two-time correlation of the q-bin ``label`` (1-based, of the dynamic map).

        Raises
        ------
        UsageError
            Where the file has no matrix for it.
        """
        position, record = self._position(label), self._early.twotime
        assert record is not None  # _position has found a bin

        def read(h5: Handle) -> NDArray[np.float32]:
            return bigdata.read_matrix(h5, record, position, self.path)

        g2, segments = self.twotime_curves(label)
        return TwoTime(label, self._load(f"c2:{position}", read), record.dt_s, g2, segments)

    def twotime_curves(self, label: int) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """What is stored beside the matrix of one q-bin, without reading that.

        Returns
        -------
        (N,) mean of each diagonal and (M, n_segments) the same in equal blocks; None where absent.
        """
        position, record = self._position(label), self._early.twotime
        assert record is not None  # _position has found a bin
        g2, segments = record.g2, record.g2_segments
        return (
            None if g2 is None else frozen_array(g2[:, position], np.float64),
            None if segments is None else frozen_array(segments[:, :, position], np.float64),
        )

    def twotime_block(self, label: int, rows: slice, cols: slice) -> NDArray[np.float32]:
        """A block of the full (symmetric) matrix of one q-bin, reading only what it needs: float32."""
        position, record = self._position(label), self._early.twotime
        assert record is not None  # _position has found a bin
        with self._pool.open(self.path, self.key) as h5:
            return bigdata.read_block(h5, record, position, rows, cols, self.path)

    @property
    def has_unnormalized(self) -> bool:
        """True where the file holds G2, IP and IF of each pixel."""
        return self._early.unnormalized_g2 is not None

    def unnormalized_g2(self, delay_index: int) -> NDArray[np.float32]:
        """(3, H, W) float32 G2, IP and IF of each pixel at one delay.

        Raises
        ------
        UsageError
            Where the file does not hold them, or the delay does not exist.
        """
        name = self._early.unnormalized_g2
        if name is None:
            raise UsageError(f"{self.path.name}: it was processed without the per-pixel G2.")
        if not 0 <= delay_index < self.n_delay:
            raise UsageError(
                f"{self.path.name}: there is no delay {delay_index}; there are 0 to {self.n_delay - 1}."
            )
        with self._pool.open(self.path, self.key) as h5:
            return bigdata.read_plane(h5, name, delay_index, self.path)


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else text
