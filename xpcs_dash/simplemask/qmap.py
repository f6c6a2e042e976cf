"""Per-pixel maps of q, angles and positions from the geometry.

The formulas are written once for the two array backends. Sines and cosines of the scattering angle come
from the components of the scattered ray, so that only φ and the angles themselves need a transcendental
function.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.hdf5.schemas import GeometryMetadata, QMapSchema
from xpcs_dash.simplemask.geometry import Setting

Float = NDArray[np.float64]
BackendName = Literal["auto", "jax", "numpy"]

_DEGREES = 180.0 / math.pi


def compute_maps(
    geometry: GeometryMetadata, setting: Setting | None = None, backend: BackendName = "auto"
) -> dict[str, Float]:
    """All maps of a detector.

    Parameters
    ----------
    geometry : beam centre (px), distance (mm), wavelength (Å), pixel (mm), shape.
    setting : transmission by default; see `Setting`.
    backend : "jax" compiles the formulas, "numpy" evaluates them plainly; "auto" decides as `get_backend`
    does.

    Returns
    -------
    name -> (H, W) float64, read-only. q, qx, qy, qz, qr in Å⁻¹; phi, TTH (and in reflection tth, alpha_f) in
    degrees; x, y in pixels. φ is 0 to the right and +90 up on the screen. With k = 2π/λ and the scattering
    angle α: q = 2 k sin(α/2), or k sin α where the setting asks for the older form; qx = k sin α cos φ, qy
    = k sin α sin φ, qr = k sin α, qz = k (cos α - 1). Reflection uses the exact exit angles of a surface
    tilted by the angle of incidence: sin α_f = ŝ·n, tan 2θ = ŝ·y / ŝ·e with n the normal and e the beam's
    direction in the surface.
    """
    setting = setting or Setting()
    h, w = geometry.shape
    x, y = np.arange(w, dtype=np.float64), np.arange(h, dtype=np.float64)
    across, down = (x - geometry.bcx) * geometry.pix_dim, (y - geometry.bcy) * geometry.pix_dim
    if setting.mode == "transmission":
        formula, kind = _transmission, "legacy" if setting.legacy_q else "exact"
        numbers = (geometry.det_dist, geometry.k0, *setting.rotation())
    else:
        formula, kind = _reflection, setting.orientation
        numbers = (geometry.det_dist, geometry.k0, math.radians(setting.incidence))
    values = _evaluate(formula, kind, backend)(across[None, :], down[:, None], np.array(numbers))
    maps = dict(zip(setting.maps, (*values, *np.broadcast_arrays(x[None, :], y[:, None])), strict=True))
    for name, value in maps.items():
        maps[name] = np.asarray(value)
        maps[name].flags.writeable = False
    return maps


def compute_qmap(
    geometry: GeometryMetadata,
    setting: Setting | None = None,
    mask: NDArray[Any] | None = None,
    partition_map: NDArray[Any] | None = None,
    backend: BackendName = "auto",
) -> QMapSchema:
    """The q-map of a detector as `QMapSchema`.

    Parameters
    ----------
    geometry, setting, backend : as in `compute_maps`.
    mask : (H, W), 0 masked; by default every pixel is valid.
    partition_map : (H, W) integer labels; by default the mask itself, one bin.

    Returns
    -------
    `QMapSchema` with sqmap and dqmap both q per pixel in Å⁻¹ and phis in degrees.
    """
    maps = compute_maps(geometry, setting, backend)
    valid = np.ones(geometry.shape, np.int32) if mask is None else (np.asarray(mask) > 0).astype(np.int32)
    labels = valid if partition_map is None else partition_map
    return QMapSchema(
        sqmap=maps["q"],
        dqmap=maps["q"],
        phis=maps["phi"],
        mask=valid,
        partition_map=np.asarray(labels, np.int32),
    )


def _transmission(xp: Any, kind: str, across: Any, down: Any, numbers: Any) -> tuple[Any, ...]:
    dist, k0 = numbers[0], numbers[1]
    rxx, rxy, rxz, ryx, ryy, ryz, rzx, rzy, rzz = (numbers[i] for i in range(2, 11))
    x = rxx * across + rxy * down + rxz * dist
    y = ryx * across + ryy * down + ryz * dist
    z = rzx * across + rzy * down + rzz * dist
    square = x * x + y * y
    length = xp.sqrt(square + z * z)
    radius = xp.sqrt(square)
    sine, cosine = radius / length, z / length
    qr = k0 * sine
    # 2 sin(α/2) = sin α / cos(α/2): exact also where 1 - cos α would cancel
    q = qr if kind == "legacy" else qr / xp.sqrt(0.5 * (1.0 + cosine))
    # -(1 - cos α) = -sin²α / (1 + cos α)
    qz = -qr * sine / (1.0 + cosine)
    phi = xp.arctan2(-y, x) * _DEGREES
    tth = xp.arctan2(radius, z) * _DEGREES
    return q, phi, tth, k0 * x / length, -k0 * y / length, qz, qr


def _reflection(xp: Any, kind: str, across: Any, down: Any, numbers: Any) -> tuple[Any, ...]:
    dist, k0, incidence = numbers[0], numbers[1], numbers[2]
    up = -down
    turned = {"north": (up, across), "west": (-across, up), "south": (-up, -across), "east": (across, -up)}
    v, h = turned[kind]
    square = v * v + h * h
    length = xp.sqrt(square + dist * dist)
    ci, si = xp.cos(incidence), xp.sin(incidence)
    sin_f = (v * ci - dist * si) / length
    cos_f = xp.sqrt(xp.maximum(0.0, 1.0 - sin_f * sin_f))
    tth = xp.arctan2(h + 0.0 * v, dist * ci + v * si)
    qx = k0 * (cos_f * xp.cos(tth) - ci)
    qy = k0 * cos_f * xp.sin(tth)
    qz = k0 * (si + sin_f)
    qr2 = qx * qx + qy * qy
    phi = xp.arctan2(v + 0.0 * h, h + 0.0 * v) * _DEGREES
    angle = xp.arctan2(xp.sqrt(square), dist) * _DEGREES
    q = xp.sqrt(qr2 + qz * qz)
    return q, phi, angle, tth * _DEGREES, xp.arcsin(sin_f) * _DEGREES, qx, qy, qz, xp.sqrt(qr2)


Formula = Callable[..., tuple[Any, ...]]


def _evaluate(formula: Formula, kind: str, backend: BackendName) -> Callable[..., tuple[Any, ...]]:
    from xpcs_dash.backend import get_backend

    if get_backend(backend).name == "jax":
        return _compiled(formula, kind)
    return lambda *args: _in_blocks(formula, kind, *args)


def _in_blocks(formula: Formula, kind: str, across: Float, down: Float, numbers: Float) -> tuple[Float, ...]:
    """The formulas over some rows at a time, so that what lies between stays in the processor's cache."""
    height, width = down.shape[0], across.shape[1]
    rows = max(1, 32_768 // width)
    if height <= 2 * rows:
        return formula(np, kind, across, down, numbers)
    count = len(formula(np, kind, across, down[:1], numbers))
    made = tuple(np.empty((height, width)) for _ in range(count))

    def fill(start: int) -> None:
        part = slice(start, start + rows)
        for out, values in zip(made, formula(np, kind, across, down[part], numbers), strict=True):
            out[part] = values

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(fill, range(0, height, rows)))
    return made


@lru_cache(maxsize=16)
def _compiled(formula: Formula, kind: str) -> Callable[..., tuple[Any, ...]]:
    from xpcs_dash.backend import ensure_numpy, get_backend

    get_backend("jax")  # switches JAX to 64 bits
    import jax
    import jax.numpy as jnp

    run = jax.jit(lambda across, down, numbers: formula(jnp, kind, across, down, numbers))
    return lambda *args: tuple(ensure_numpy(v) for v in run(*args))


class LazyMaps(Mapping[str, Float]):
    """The maps of a geometry, computed when one is asked for; only those asked for stay in memory.

    A detector of 4 megapixels has seven maps of 32 MB each, of which most work needs two.
    """

    def __init__(self, geometry: GeometryMetadata, setting: Setting | None = None) -> None:
        self.geometry, self.setting = geometry, setting or Setting()
        self._kept: dict[str, Float] = {}
        self._lock = Lock()

    def __getitem__(self, name: str) -> Float:
        if name not in self.setting.maps:
            raise KeyError(name)
        with self._lock:
            if name not in self._kept:
                maps = compute_maps(self.geometry, self.setting)
                wanted = {name, *self._kept, "q", "phi"}
                self._kept = {key: value for key, value in maps.items() if key in wanted}
            return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.setting.maps)

    def __len__(self) -> int:
        return len(self.setting.maps)
