"""What is simulated: a partition, a sample, a run. And a partition of rings to begin with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.correlate.simulate.events import Event
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.schemas import GeometryMetadata

__all__ = ["Scene", "ring_scene"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scene:
    """One run to simulate; the same scene always gives the same photons.

    Attributes
    ----------
    geometry : of the detector, of shape (H, W).
    static, dynamic : (H, W) int32 labels, 0 unused.
    q_static, q_dynamic : Å⁻¹, of the labels.
    photons : (n_static,) per pixel and frame in a steady beam of 1.
    tau_s : (n_static,) relaxation times in s, infinite where nothing moves.
    contrast, gamma : g2 = 1 + contrast·|g1|², |g1| = exp[-(t/τ)^γ].
    arrested : share f of the field that never changes: g1 = f + (1 − f)·exp[-(t/τ)^γ].
    pixels_per_speckle : Σ|μ|² over neighbours; 1 makes every pixel a speckle of its own.
    events : what happens; see `events`.
    seed : of the fields and the photons. The fields do not depend on the photons: the same seed at another
        flux shows the same speckle.
    diffusion : Å²/s where the relaxation times are 1/(D·q²), for the truth.
    """

    geometry: GeometryMetadata
    static: NDArray[np.int32]
    dynamic: NDArray[np.int32]
    q_static: Floats
    q_dynamic: Floats
    photons: Floats
    tau_s: Floats
    contrast: float = 0.2
    gamma: float = 1.0
    arrested: float = 0.0
    pixels_per_speckle: float = 1.0
    n_frames: int = 4096
    frame_time_s: float = 1e-3
    events: tuple[Event, ...] = ()
    seed: int = 0
    diffusion: float | None = None

    def __post_init__(self) -> None:
        n = self.q_static.size
        if self.photons.shape != (n,) or self.tau_s.shape != (n,):
            raise UsageError(f"{n} rings need as many intensities and relaxation times.")
        if not np.all(self.tau_s > 0) or not np.all(self.photons >= 0):
            raise UsageError("relaxation times must be above 0 and intensities not below.")
        if not 0 < self.gamma <= 2 or not 0 <= self.arrested <= 1:
            raise UsageError("give an exponent above 0 and up to 2, and an arrested share of 0 to 1.")

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        height, width = self.static.shape
        return int(height), int(width)

    def rings_at(self, rows: int = 0, columns: int = 0) -> NDArray[np.int64]:
        """(H, W) ring, from 0, that scatters into each pixel when the centre lies that many pixels away.

        Where it has not moved these are the static labels; pixels without one take the ring nearest in q.
        """
        y, x = np.indices(self.shape)
        q = self.geometry.q_at(x - columns, y - rows)
        order = np.argsort(self.q_static, kind="stable")
        centres = self.q_static[order]
        nearest = order[np.searchsorted(0.5 * (centres[1:] + centres[:-1]), np.asarray(q))]
        labelled = (self.static > 0) & (rows == 0) & (columns == 0)
        return np.asarray(np.where(labelled, self.static - 1, nearest), dtype=np.int64)


def ring_scene(
    shape: tuple[int, int] = (100, 120),
    *,
    bins: int = 6,
    rings: int = 2,
    photons: float | Callable[[Floats], Floats] = 0.3,
    diffusion: float | None = None,
    tau_s: float | Floats = 0.05,
    by_ring: bool = False,
    **more: Any,
) -> Scene:
    """Concentric bins beside the beam, each of equal rings.

    Parameters
    ----------
    shape : of the detector.
    bins, rings : dynamic bins, and static rings in each.
    photons : per pixel and frame, or a function of q in Å⁻¹ that gives them.
    diffusion : Å²/s; relaxation times are then 1/(D·q²).
    tau_s : relaxation time, or one for each bin, where ``diffusion`` is not given.
    by_ring : each ring decays with its own q's time. Else all rings of a bin decay alike, and the bin's truth
        is exact.
    more : other fields of `Scene`.
    """
    height, width = shape
    geometry = GeometryMetadata.from_metres(
        energy_kev=10.0, distance_m=5.0, pixel_m=75e-6, bcx=-0.25 * width, bcy=0.5 * height - 0.5, shape=shape
    )
    y, x = np.indices(shape)
    q = np.asarray(geometry.q_at(x, y))
    edges = np.linspace(q.min(), q.max() * (1 + 1e-9), bins * rings + 1)
    static = np.digitize(q, edges).astype(np.int32)
    q_static, coarse = 0.5 * (edges[1:] + edges[:-1]), edges[::rings]
    q_dynamic = 0.5 * (coarse[1:] + coarse[:-1])
    of_bins = np.repeat(np.arange(bins), rings)
    if diffusion is not None:
        tau = 1 / (diffusion * (q_static if by_ring else q_dynamic[of_bins]) ** 2)
    else:
        tau = np.broadcast_to(np.asarray(tau_s, dtype=np.float64), (bins,))[of_bins]
    brightness = photons(q_static) if callable(photons) else np.full(q_static.size, float(photons))
    return Scene(
        geometry=geometry,
        static=static,
        dynamic=((static - 1) // rings + 1).astype(np.int32),
        q_static=q_static,
        q_dynamic=q_dynamic,
        photons=brightness,
        tau_s=tau,
        diffusion=diffusion,
        **more,
    )
