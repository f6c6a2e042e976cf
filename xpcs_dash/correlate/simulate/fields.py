"""Speckle: complex Gaussian fields that decay as g1(t) = exp[-(t/τ)^γ], pixel by pixel.

For γ = 1 a field is a complex AR(1) process, exact and made frame by frame. For other γ the whole run is
made at once from its covariance: by embedding it in a circulant matrix, which is exact for γ <= 1 and where
the decay fits into a few runs, else by the eigenvectors of the covariance itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError

__all__ = ["Speckle", "first_order", "mode_weights", "other_orders", "speckle_taps", "taps_area"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

#: Frames that are handed on together.
BLOCK = 64
#: Equal modes that are simulated at most; below the contrast that they give, light without speckle is added.
MOST_MODES = 16
#: Lengths of the circulant matrix over the run's that are tried, and what its covariance may be wrong by.
EMBEDDINGS, EXACT = (2, 4, 8), 1e-6
#: Longest run whose covariance is diagonalised.
LONGEST = 2048


@dataclass(frozen=True, eq=False)
class Speckle:
    """What the fields of a detector are like.

    Attributes
    ----------
    tau : (H, W) relaxation times in frames; infinite where nothing moves.
    gamma : exponent of the decay.
    weights : (n_modes,) share of the intensity in each mode.
    arrested : share of the field that never changes.
    taps : weights by which neighbouring pixels share their field, along rows and columns alike.
    """

    tau: Floats
    gamma: float
    weights: Floats
    arrested: float
    taps: Floats


def mode_weights(contrast: float) -> tuple[Floats, float]:
    """Shares of independent modes whose speckle has this contrast, and the share of light without speckle.

    The contrast is Σ w². ``ceil(1/contrast)`` modes, all but one of them equal, give it exactly; where that
    would be very many, a few and flat light give it too.

    Raises
    ------
    UsageError
        Where the contrast is not between 0 and 1.
    """
    if not 0 <= contrast <= 1:
        raise UsageError(f"a contrast of {contrast:g} is impossible: give 0 to 1.")
    if contrast == 0:
        return np.empty(0), 1.0
    modes = int(np.ceil(1 / contrast - 1e-9))
    if modes > MOST_MODES:
        share = float(np.sqrt(contrast * MOST_MODES))
        return np.full(MOST_MODES, share / MOST_MODES), 1 - share
    if modes == 1:
        return np.ones(1), 0.0
    equal = modes - 1
    each = (equal + np.sqrt(max(0.0, equal * (modes * contrast - 1)))) / (equal * modes)
    return np.append(np.full(equal, each), max(0.0, 1 - equal * each)), 0.0


def taps_area(taps: Floats) -> float:
    """Pixels a speckle: Σ |μ|² over all distances on a plane, where μ is the correlation of the field."""
    correlation = np.correlate(taps, taps, mode="full") / np.dot(taps, taps)
    return float(np.sum(correlation**2) ** 2)


@cache
def _taps(pixels_per_speckle: float) -> tuple[float, ...]:
    low, high = 1e-3, 4.0 + pixels_per_speckle
    taps = np.ones(1)
    for _ in range(60):
        width = 0.5 * (low + high)
        reach = int(np.ceil(3.5 * width))
        taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
        low, high = (width, high) if taps_area(taps) < pixels_per_speckle else (low, width)
    return tuple(taps / np.sqrt(np.dot(taps, taps)))


def speckle_taps(pixels_per_speckle: float) -> Floats:
    """Gaussian weights that make speckle cover this many pixels, of unit square sum.

    Raises
    ------
    UsageError
        For less than one pixel a speckle, which a contrast describes.
    """
    if pixels_per_speckle < 1:
        raise UsageError(
            f"{pixels_per_speckle:g} pixels a speckle: give 1 or more; less lowers the contrast."
        )
    return np.ones(1) if pixels_per_speckle == 1 else np.array(_taps(float(pixels_per_speckle)))


@cache
def _quantiles() -> Singles:
    """65,536 equally likely values of a normal distribution: five times as fast as drawing them."""
    normal, n = NormalDist(), 1 << 16
    values = np.array([normal.inv_cdf((k + 0.5) / n) for k in range(n)])
    return np.asarray(values / np.sqrt(np.mean(values**2)), dtype=np.float32)


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Singles:
    """Normal numbers of unit variance."""
    size = int(np.prod(shape))
    bits = rng.integers(0, 1 << 64, -(-size // 4), dtype=np.uint64).view(np.uint16)[:size]
    return _quantiles().take(bits, mode="clip").reshape(shape)


def _smoothing(taps: Floats, length: int) -> Singles | None:
    """(length, length + len(taps) - 1) matrix that applies the taps; None where there is nothing to do."""
    if taps.size == 1:
        return None
    out = np.zeros((length, length + taps.size - 1), dtype=np.float32)
    for k in range(length):
        out[k, k : k + taps.size] = taps
    return out


def first_order(speckle: Speckle, slowing: Floats, seed: int) -> Iterator[Singles]:
    """Intensities of fields with γ = 1, in blocks of (frames, H, W); their mean is Σ weights.

    Parameters
    ----------
    slowing : (n_frames,) factor of the relaxation times in each frame.
    seed : of every draw.
    """
    rng = _generator(seed, 1)
    height, width = speckle.tau.shape
    more = speckle.taps.size - 1
    across, along = _smoothing(speckle.taps, height), _smoothing(speckle.taps, width)
    canvas = (speckle.weights.size, 2, height + more, width + more)

    def draw() -> Singles:
        noise = _normal(rng, canvas)
        if across is None or along is None:
            return noise
        return np.asarray(across @ noise @ along.T, dtype=np.float32)

    amplitude = np.sqrt(0.5 * speckle.weights).astype(np.float32)[:, None, None, None]
    moving = np.float32(np.sqrt(1 - speckle.arrested))
    rest = np.float32(np.sqrt(speckle.arrested)) * amplitude * draw() if speckle.arrested > 0 else None
    field = moving * amplitude * draw()
    keep, renew = _steps(speckle.tau, slowing[0], moving)
    block: list[Singles] = []
    for frame, slower in enumerate(slowing):
        if frame:
            if slower != slowing[frame - 1]:
                keep, renew = _steps(speckle.tau, slower, moving)
            noise = draw()
            noise *= renew * amplitude
            field *= keep
            field += noise
        seen = field if rest is None else field + rest
        block.append(np.einsum("mchw,mchw->hw", seen, seen))
        if len(block) == BLOCK or frame == slowing.size - 1:
            yield np.stack(block)
            block = []


def _steps(tau: Floats, slower: float, moving: np.float32) -> tuple[Singles, Singles]:
    """What stays of a field from one frame to the next, and how much is new."""
    keep = np.exp(-1 / (tau * slower))
    return keep.astype(np.float32), (moving * np.sqrt(-np.expm1(-2 / (tau * slower)))).astype(np.float32)


def other_orders(speckle: Speckle, slowing: Floats, seed: int) -> Iterator[Singles]:
    """Intensities of fields with any γ: as `first_order`, but the whole run is made first.

    Where relaxation times change, the field is made on an even grid of its own clock, ∫dt/slowing, of at most
    eight points a frame, and each frame takes the nearest point.
    """
    place, step = _clock(slowing)
    n = int(place[-1]) + 1
    height, width = speckle.tau.shape
    tau, ring = np.unique(speckle.tau, return_inverse=True)
    length, roots = _roots(tau / step, speckle.gamma, n)
    ring = ring.reshape(height, width)
    along, reach = _smoothing(speckle.taps, width), speckle.taps.size
    total = np.zeros((height, width, slowing.size), dtype=np.float32)
    moving, rest = np.sqrt(1 - speckle.arrested), np.sqrt(speckle.arrested)
    for mode, weight in enumerate(speckle.weights):
        still = _still(speckle, mode, seed)
        rows: deque[NDArray[np.complex64]] = deque(maxlen=reach)
        for row in range(height + reach - 1):
            noise = _normal(_generator(seed, 2, mode, row), (width + reach - 1, 2 * length))
            white = noise.view(np.complex64) * np.float32(np.sqrt(0.5))
            rows.append(white if along is None else along.astype(np.complex64) @ white)
            if len(rows) < reach:
                continue
            here = row - reach + 1
            mixed = sum(np.float32(tap) * part for tap, part in zip(speckle.taps, rows, strict=True))
            for k in np.unique(ring[here]):
                inside = np.flatnonzero(ring[here] == k)
                field = roots[k](np.asarray(mixed)[inside])[:, place]
                seen = moving * field + rest * still[here, inside, None]
                total[here, inside] += weight * (seen.real**2 + seen.imag**2)
    for start in range(0, slowing.size, BLOCK):
        yield np.ascontiguousarray(np.moveaxis(total[:, :, start : start + BLOCK], 2, 0))


def _still(speckle: Speckle, mode: int, seed: int) -> NDArray[np.complex64]:
    """(H, W) the field of the arrested part."""
    height, width = speckle.tau.shape
    across, along = _smoothing(speckle.taps, height), _smoothing(speckle.taps, width)
    more = speckle.taps.size - 1
    noise = _normal(_generator(seed, 3, mode), (2, height + more, width + more))
    if across is not None and along is not None:
        noise = np.asarray(across @ noise @ along.T, dtype=np.float32)
    return np.asarray((noise[0] + 1j * noise[1]) * np.sqrt(0.5), dtype=np.complex64)


def _clock(slowing: Floats) -> tuple[NDArray[np.int64], float]:
    """Place of each frame on the grid of the field's clock, and the grid's step in frames."""
    path = np.concatenate(([0.0], np.cumsum(1 / slowing[:-1])))
    if np.all(slowing == slowing[0]):
        return np.arange(slowing.size), float(1 / slowing[0])
    step = max(float(np.diff(path).min()), float(path[-1]) / (8 * slowing.size))
    return np.rint(path / step).astype(np.int64), step


Root = Callable[[NDArray[np.complex64]], NDArray[np.complex64]]


def _roots(tau: Floats, gamma: float, n: int) -> tuple[int, list[Root]]:
    """White numbers that a field of ``n`` points needs, and what turns them into one, for each ``tau``."""
    for factor in EMBEDDINGS:
        length = factor * (1 << int(np.ceil(np.log2(n))))
        found = [_embedded(value, gamma, n, length) for value in tau]
        if all(error < EXACT for _, error in found):
            return length, [_by_fft(scale, n) for scale, _ in found]
    if n > LONGEST:
        raise UsageError(
            f"a decay with exponent {gamma:g} that is as slow as the run of {n} frames cannot be simulated: "
            f"give an exponent of at most 1, or at most {LONGEST} frames."
        )
    return n, [_by_matrix(value, gamma, n) for value in tau]


def _decay(lag: Floats, tau: float, gamma: float) -> Floats:
    return np.asarray(np.exp(-((lag / tau) ** gamma)))


def _embedded(tau: float, gamma: float, n: int, length: int) -> tuple[Singles, float]:
    """Scale of each frequency of a circulant matrix that holds the covariance, and its largest error."""
    lag = np.arange(length, dtype=np.float64)
    wanted = _decay(np.minimum(lag, length - lag), tau, gamma)
    eigenvalues = np.clip(np.fft.fft(wanted).real, 0, None)
    given = np.fft.ifft(eigenvalues).real
    error = float(np.abs(given / given[0] - wanted)[:n].max())
    return np.sqrt(eigenvalues / given[0] / length).astype(np.float32), error


def _by_fft(scale: Singles, n: int) -> Root:
    return lambda white: np.fft.fft(white * scale, axis=1)[:, :n]


def _by_matrix(tau: float, gamma: float, n: int) -> Root:
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(np.float64)
    values, vectors = np.linalg.eigh(_decay(lag, tau, gamma))
    root = (vectors * np.sqrt(np.clip(values, 0, None))).astype(np.float32).T
    return lambda white: np.asarray(white.real @ root + 1j * (white.imag @ root), dtype=np.complex64)
