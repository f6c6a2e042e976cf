"""A scene as the result file that the facility would make of it."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.correlate.dense import correlate_dense
from xpcs_dash.correlate.rings import Partition, ring_means, to_bins
from xpcs_dash.correlate.simulate.frames import simulate
from xpcs_dash.correlate.simulate.scene import Scene
from xpcs_dash.hdf5.aps_writer import ApsResult
from xpcs_dash.hdf5.records import BinTable

__all__ = ["result_of"]

#: When simulated runs begin, so that the same scene gives the same file.
BEGUN = datetime(2025, 1, 1, 12)


def result_of(
    scene: Scene,
    *,
    stride: int = 1,
    average: int = 1,
    keep_pixels: bool = False,
    start: datetime = BEGUN,
    sample: str = "simulated",
) -> ApsResult:
    """Simulate a scene, correlate it, and put together the file.

    Parameters
    ----------
    stride, average : frames left out and averaged before correlating.
    keep_pixels : store G2, IP and IF of each pixel too.
    start, sample : as the file states them.
    """
    frames = simulate(scene).reshape(scene.n_frames, -1)
    used = np.flatnonzero(scene.dynamic.ravel() > 0)
    found = correlate_dense(frames[:, used], stride=stride, average=average)
    static, dynamic = (labels.ravel()[used].astype(np.int64) for labels in (scene.static, scene.dynamic))
    partition = Partition(static, dynamic, scene.q_static.size, scene.q_dynamic.size)
    bins = to_bins(found, partition)

    def image(values: NDArray[np.float64]) -> NDArray[np.float64]:
        whole = np.zeros((*values.shape[:-1], scene.dynamic.size))
        whole[..., used] = values
        return whole.reshape(*values.shape[:-1], *scene.shape)

    return ApsResult(
        dynamic=_table(scene.q_dynamic),
        static=_table(scene.q_static),
        geometry=scene.geometry,
        dqmap=scene.dynamic,
        sqmap=scene.static,
        frame_time_s=scene.frame_time_s,
        delay_frames=found.delays.frames,
        g2=bins.g2,
        g2_err=bins.g2_err,
        stride_frame=stride,
        avg_frame=average,
        saxs_2d=image(found.mean),
        saxs_1d=ring_means(found.mean[None], partition)[0],
        segments=ring_means(found.segments, partition),
        int_t=found.intensity,
        unnormalized_g2=image(found.unnormalized()) if keep_pixels else None,
        start_time=start,
        end_time=start + timedelta(seconds=scene.n_frames * scene.frame_time_s),
        sample=sample,
    )


def _table(q: NDArray[np.float64]) -> BinTable:
    return BinTable((q.size, 1), q, np.array([0.0]), np.arange(q.size))
