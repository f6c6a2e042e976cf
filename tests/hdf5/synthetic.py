"""Small result files written with plain h5py from the description of the layouts, not by the product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

H, W = 24, 30
FRAME_TIME = 1e-3


def delays(n_frames: int = 256) -> np.ndarray:
    """Four delays a level: 1 … 4, then (5, 6, 7, 8)·2^L below the number of frames."""
    found = [1, 2, 3, 4]
    level = 0
    while 5 * 2**level < n_frames:
        found += [x * 2**level for x in (5, 6, 7, 8) if x * 2**level < n_frames]
        level += 1
    return np.array(found, dtype=np.int64)


def rings(n: int, first_row: int = 2) -> np.ndarray:
    """Label map (H, W) of n horizontal bands; the rows above ``first_row`` are masked."""
    labels = np.zeros((H, W), dtype=np.uint16)
    for k, rows in enumerate(np.array_split(np.arange(first_row, H), n)):
        labels[rows] = k + 1
    return labels


def split(labels: np.ndarray, parts: int) -> np.ndarray:
    """Each band cut into vertical parts: the static map of a dynamic one."""
    column = np.minimum(np.arange(W) * parts // W, parts - 1)
    return np.where(labels > 0, (labels.astype(int) - 1) * parts + column[None, :] + 1, 0).astype(np.uint16)


def g2_model(t: np.ndarray, q: np.ndarray, contrast: float = 0.2, diffusion: float = 1e5) -> np.ndarray:
    return 1 + contrast * np.exp(-2 * diffusion * np.outer(t, q**2))


def aps(path: Path, **change: Any) -> dict[str, Any]:
    """Write a multi-tau file of the present layout; returns every dataset that was written.

    ``change`` replaces (or with None leaves out) datasets, by path with ``/`` as ``__``; paths below
    ``/xpcs`` may leave that out.
    """
    t = delays()
    n_q, n_static = 3, 12
    q = np.array([0.004, 0.006, 0.008])
    dynamic = rings(n_q)
    static = split(dynamic, 4)
    curves = g2_model(t * FRAME_TIME, q)
    data: dict[str, Any] = {
        "/entry/schema_version": "1.0",
        "/entry/start_time": "2026-03-14 09:26:53.000000",
        "/entry/instrument/detector_1/frame_time": FRAME_TIME,
        "/entry/instrument/detector_1/count_time": 9e-4,
        "/entry/instrument/detector_1/distance": 5.0,
        "/entry/instrument/detector_1/x_pixel_size": 7.5e-5,
        "/entry/instrument/detector_1/y_pixel_size": 7.5e-5,
        "/entry/instrument/detector_1/beam_center_x": 14.5,
        "/entry/instrument/detector_1/beam_center_y": 11.0,
        "/entry/instrument/incident_beam/incident_energy": 10.0,
        "/entry/sample/name": "latex",
        "/entry/sample/qnw1_temperature": 25.0,
        "/xpcs/qmap/mask": dynamic > 0,
        "/xpcs/qmap/dynamic_roi_map": dynamic.astype(np.uint8),
        "/xpcs/qmap/static_roi_map": static,
        "/xpcs/qmap/dynamic_v_list_dim0": q,
        "/xpcs/qmap/dynamic_v_list_dim1": np.array([0.0]),
        "/xpcs/qmap/static_v_list_dim0": q,
        "/xpcs/qmap/static_v_list_dim1": np.array([-135.0, -45.0, 45.0, 135.0]),
        "/xpcs/qmap/dynamic_num_pts": np.array([n_q, 1]),
        "/xpcs/qmap/static_num_pts": np.array([n_q, 4]),
        "/xpcs/qmap/dynamic_index_mapping": np.arange(n_q, dtype=np.uint8),
        "/xpcs/qmap/static_index_mapping": np.arange(n_static, dtype=np.uint8),
        "/xpcs/qmap/beam_center_x": 14.5,
        "/xpcs/qmap/beam_center_y": 11.0,
        "/xpcs/qmap/detector_distance": 5.0,
        "/xpcs/qmap/pixel_size": 7.5e-5,
        "/xpcs/qmap/energy": 10.0,
        "/xpcs/qmap/map_names": np.array([b"q", b"phi"], dtype=object),
        "/xpcs/qmap/map_units": np.array(["Å⁻¹".encode(), b"deg"], dtype=object),
        "/xpcs/multitau/delay_list": t,
        "/xpcs/multitau/normalized_g2": curves.astype(np.float32),
        "/xpcs/multitau/normalized_g2_err": np.full(curves.shape, 1e-3, np.float32),
        "/xpcs/multitau/config/stride_frame": 1,
        "/xpcs/multitau/config/avg_frame": 1,
        "/xpcs/temporal_mean/scattering_2d": (dynamic[None] * 0.5).astype(np.float32),
        "/xpcs/temporal_mean/scattering_1d": np.repeat([0.5, 1.0, 1.5], 4)[None].astype(np.float32),
        "/xpcs/temporal_mean/scattering_1d_segments": np.ones((8, n_static), np.float32),
        "/xpcs/spatial_mean/intensity_vs_time": np.stack((np.arange(256.0), np.ones(256))).astype(np.float32),
    }
    data.update(named(change))
    write(path, data)
    with h5py.File(path, "a") as h5:
        if "/xpcs/qmap" in h5:
            h5["/xpcs/qmap"].attrs["hash"] = "0" * 64
            h5["/xpcs/qmap"].attrs["version"] = "0.4.5"
    return data


def named(change: dict[str, Any]) -> dict[str, Any]:
    """Keyword names to paths."""
    found = {}
    for name, value in change.items():
        path = "/" + name.replace("__", "/")
        known = ("/entry", "/xpcs", "/exchange", "/measurement")
        found[path if path.startswith(known) else f"/xpcs{path}"] = value
    return found


def twotime(
    n: int = 20, bins: tuple[int, ...] = (3, 1), stride: int = 2, average: int = 3, tau: float = 0.05
) -> dict[str, Any]:
    """Datasets of the two-time part: upper triangles numbered in order of processing."""
    step = FRAME_TIME * stride * average
    index = np.arange(n)
    data: dict[str, Any] = {
        "/xpcs/twotime/processed_bins": np.array(bins, dtype=np.int32),
        "/xpcs/twotime/config/stride_frame": stride,
        "/xpcs/twotime/config/avg_frame": average,
    }
    curves, blocks = [], []
    for number, label in enumerate(bins, start=1):
        lag = np.abs(index[:, None] - index[None, :]) * step
        full = 1 + 0.1 * label * np.exp(-2 * lag / tau) + 0.01 * index[:, None] * index[None, :] / n**2
        data[f"/xpcs/twotime/correlation_map/c2_{number:05d}"] = np.triu(full).astype(np.float32)
        curves.append([np.diagonal(full, k).mean() for k in range(n)])
        m = n // 5
        parts = [full[i * m : (i + 1) * m, i * m : (i + 1) * m] for i in range(5)]
        blocks.append([[np.diagonal(part, k).mean() for part in parts] for k in range(m)])
    data["/xpcs/twotime/normalized_g2"] = np.array(curves, dtype=np.float32).T
    data["/xpcs/twotime/normalized_g2_segments"] = np.moveaxis(np.array(blocks, dtype=np.float32), 0, 2)
    return data


def write(path: Path, data: dict[str, Any]) -> None:
    """Write datasets; None leaves one out, a tuple (value, attributes) gives it attributes."""
    with h5py.File(path, "w") as h5:
        for name, value in data.items():
            if value is None:
                continue
            attributes = {}
            if isinstance(value, tuple):
                value, attributes = value
            dataset = h5.create_dataset(name, data=value)
            dataset.attrs.update(attributes)
