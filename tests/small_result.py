"""A small result file with known truth, written in milliseconds: what tests change one thing of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xpcs_dash.hdf5.aps_writer import ApsResult, write_aps
from xpcs_dash.hdf5.records import BinTable
from xpcs_dash.hdf5.schemas import GeometryMetadata

SHAPE = (30, 40)
N_Q, RINGS = 4, 2
FRAMES, FRAME_TIME_S = 4000, 1e-3
DELAYS = np.array([1, 2, 3, 4, *(x << level for level in range(7) for x in (5, 6, 7, 8))])
GEOMETRY = GeometryMetadata.from_metres(
    energy_kev=10.0, distance_m=5.0, pixel_m=75e-6, bcx=-5.5, bcy=14.5, shape=SHAPE
)
#: Truth: contrast, and the diffusion coefficient in Å²/s.
CONTRAST, DIFFUSION = 0.2, 4.0e7


def maps(n_q: int = N_Q) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """q in Å⁻¹, static and dynamic labels, (30, 40) each."""
    row, column = np.mgrid[: SHAPE[0], : SHAPE[1]]
    q = np.asarray(GEOMETRY.q_at(column, row))
    edges = np.linspace(q.min(), q.max() * (1 + 1e-9), n_q * RINGS + 1)
    static = np.digitize(q, edges).astype(np.int32)
    return q, static, ((static - 1) // RINGS + 1).astype(np.int32)


def small(
    seed: int = 0, photons: float = 0.5, n_q: int = N_Q, contrast: Any = CONTRAST, **changes: Any
) -> ApsResult:
    """A diffusing sample: coincidences are drawn, so g2 scatters as photons do.

    Parameters
    ----------
    seed : of every draw.
    photons : per pixel and frame, the same everywhere.
    n_q : dynamic bins, each of two static ones.
    contrast : one, or one for each bin.
    changes : other fields of `ApsResult`.
    """
    rng = np.random.default_rng(seed)
    q, static, dynamic = maps(n_q)
    edges = np.linspace(q.min(), q.max(), n_q * RINGS + 1)
    fine, coarse = 0.5 * (edges[1:] + edges[:-1]), edges[::RINGS]
    tables = [
        BinTable((c.size, 1), c, np.zeros(1), np.arange(c.size))
        for c in (fine, 0.5 * (coarse[1:] + coarse[:-1]))
    ]
    tau = 1 / (DIFFUSION * tables[1].axis0 ** 2)
    model = 1 + np.asarray(contrast) * np.exp(-2 * DELAYS[:, None] * FRAME_TIME_S / tau)
    pixels = np.bincount(dynamic.ravel())[1:]
    level = np.concatenate(([0], np.log2(np.diff(DELAYS)).astype(int)))
    expected = ((FRAMES - DELAYS) * 2.0**level)[:, None] * pixels * photons**2
    g2 = rng.poisson(model * expected) / expected
    image = rng.poisson(photons * FRAMES, SHAPE) / FRAMES
    means = np.bincount(static.ravel(), image.ravel())[1:] / np.bincount(static.ravel())[1:]
    made = ApsResult(
        dynamic=tables[1],
        static=tables[0],
        geometry=GEOMETRY,
        dqmap=dynamic,
        sqmap=static,
        frame_time_s=FRAME_TIME_S,
        delay_frames=DELAYS,
        g2=g2,
        g2_err=np.sqrt(model / expected),
        saxs_2d=image,
        saxs_1d=means,
        int_t=rng.poisson(photons * image.size, FRAMES) / image.size,
        sample="latex",
    )
    return replace(made, **changes)


def write_small(path: Path, seed: int = 0, **given: Any) -> Path:
    """Write `small`."""
    return write_aps(path, small(seed, **given))
