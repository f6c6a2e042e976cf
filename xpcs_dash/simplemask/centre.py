"""Where the beam hits the detector, found from the image; with the uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.schemas import GeometryMetadata

Float = NDArray[np.float64]

#: Repeat distance of silver behenate in Å; its rings lie at n · 2π / d.
SILVER_BEHENATE = 58.380


@dataclass(frozen=True)
class Centre:
    """A beam centre in pixels (x column, y row) with standard errors, and how it was found."""

    x: float
    y: float
    sigma_x: float
    sigma_y: float
    method: str


@dataclass(frozen=True)
class Calibration:
    """A geometry refined on the rings of a standard, with standard errors.

    Attributes
    ----------
    geometry : the geometry with the refined centre and distance.
    sigma_x, sigma_y : of the centre, px.
    sigma_distance : of the distance, mm.
    rings : orders that were found.
    points : points on rings that were used.
    residual : root mean square distance of the points from their rings, px.
    """

    geometry: GeometryMetadata
    sigma_x: float
    sigma_y: float
    sigma_distance: float
    rings: tuple[int, ...]
    points: int
    residual: float


def centre_by_symmetry(image: NDArray[Any], mask: NDArray[Any], least_overlap: float = 0.3) -> Centre:
    """Centre about which the image looks the same when it is turned by 180°.

    The turned image is laid over the image at every shift, and the shift taken at which the pixels that are
    valid in both correlate best (masked normalised correlation, by FFT). The four interleaved quarter
    images are treated each for itself; their scatter is the uncertainty.

    Parameters
    ----------
    image : (H, W) intensity.
    mask : (H, W), 0 masked.
    least_overlap : share of the greatest overlap below which a shift is not considered.

    Raises
    ------
    UsageError
        Where fewer than 400 valid pixels hold any intensity.
    """
    valid = (np.asarray(mask) > 0) & np.isfinite(image)
    values = np.where(valid, np.maximum(np.nan_to_num(image), 0), 0).astype(np.float64)
    if np.count_nonzero(values) < 400:
        raise UsageError("too few pixels with intensity to find a centre of symmetry.")
    # the root makes the noise of photon counts equal everywhere, so that the bright core does not decide
    # alone
    root = np.sqrt(values)
    found = []
    for row in (0, 1):
        for column in (0, 1):
            part, inside = root[row::2, column::2], valid[row::2, column::2]
            y, x = _symmetry_peak(part, inside, least_overlap)
            found.append((2 * x + column, 2 * y + row))
    points = np.array(found)
    mean, spread = points.mean(axis=0), points.std(axis=0, ddof=1) / 2
    return Centre(float(mean[0]), float(mean[1]), float(spread[0]), float(spread[1]), "symmetry")


def _symmetry_peak(values: Float, valid: NDArray[np.bool_], least_overlap: float) -> tuple[float, float]:
    """(y, x) of the centre of symmetry: half the shift at which the image agrees with its turned self."""
    from scipy import fft

    h, w = values.shape
    size = (fft.next_fast_len(2 * h - 1, real=True), fft.next_fast_len(2 * w - 1, real=True))
    m = valid.astype(np.float64)
    f = np.where(valid, values - values[valid].mean(), 0.0)
    ft, mt, st = (fft.rfft2(a, size, workers=-1) for a in (f, m, f * f))
    both, overlap, total, square = (
        fft.irfft2(p, size, workers=-1)[: 2 * h - 1, : 2 * w - 1]
        for p in (ft * ft, mt * mt, ft * mt, st * mt)
    )
    enough = overlap > least_overlap * overlap.max()
    n = np.maximum(overlap, 1.0)
    spread = square - total * total / n
    floor = 1e-9 * float(spread.max())
    agreement = np.where(
        enough & (spread > floor), (both - total * total / n) / np.maximum(spread, floor), -1.0
    )
    peak = np.unravel_index(int(np.argmax(agreement)), agreement.shape)
    top, left = _refine(agreement, (int(peak[0]), int(peak[1])))
    return top / 2, left / 2


def _refine(surface: Float, peak: tuple[int, int], reach: int = 2) -> tuple[float, float]:
    """The top of a paraboloid through the neighbourhood of a maximum."""
    row, column = peak
    rows = slice(max(0, row - reach), row + reach + 1)
    columns = slice(max(0, column - reach), column + reach + 1)
    block = surface[rows, columns]
    y, x = np.mgrid[rows.start : rows.start + block.shape[0], columns.start : columns.start + block.shape[1]]
    u, v = (y - row).ravel().astype(float), (x - column).ravel().astype(float)
    good = block.ravel() > -1
    if np.count_nonzero(good) < 6:
        return float(row), float(column)
    design = np.column_stack([np.ones_like(u), u, v, u * u, u * v, v * v])[good]
    c = np.linalg.lstsq(design, block.ravel()[good], rcond=None)[0]
    hessian = np.array([[2 * c[3], c[4]], [c[4], 2 * c[5]]])
    if np.linalg.det(hessian) <= 0 or hessian[0, 0] >= 0:
        return float(row), float(column)
    shift = np.linalg.solve(hessian, -c[1:3])
    return (
        (row + float(shift[0]), column + float(shift[1])) if np.abs(shift).max() <= reach else (row, column)
    )


def centre_by_rings(
    image: NDArray[Any], mask: NDArray[Any], guess: tuple[float, float], rings: int = 200
) -> Centre:
    """Centre about which the intensity varies least along circles; needs a guess (x, y) within some pixels.

    The uncertainty comes from the scatter of four interleaved sets of pixels.

    Raises
    ------
    UsageError
        Where the search runs away from the guess or too few pixels are valid.
    """
    from scipy.optimize import minimize

    valid = (np.asarray(mask) > 0) & np.isfinite(image)
    where = np.flatnonzero(valid)
    if where.size < 400:
        raise UsageError("too few valid pixels to find a centre from rings.")
    rng = np.random.default_rng(0)
    where = rng.permutation(where)[:240_000]
    y, x = np.divmod(where, image.shape[1])
    values = np.sqrt(np.maximum(np.asarray(image, dtype=np.float64).ravel()[where], 0))

    def search(part: slice) -> Float:
        px, py, v = x[part].astype(float), y[part].astype(float), values[part]

        def variance(c: Float) -> float:
            radius = np.hypot(px - c[0], py - c[1])
            # linear shares in two neighbouring rings keep the sum smooth in c
            scaled = radius * (rings / (radius.max() + 1.0))
            ring = scaled.astype(np.int64)
            high = scaled - ring
            n = np.bincount(ring, 1 - high, rings + 2) + np.bincount(ring + 1, high, rings + 2)
            total = np.bincount(ring, (1 - high) * v, rings + 2) + np.bincount(ring + 1, high * v, rings + 2)
            mean = total / np.maximum(n, 1e-12)
            return float(np.mean((v - (1 - high) * mean[ring] - high * mean[ring + 1]) ** 2))

        start = np.array([[guess[0], guess[1]], [guess[0] + 4, guess[1]], [guess[0], guess[1] + 4]])
        options = {"initial_simplex": start, "xatol": 2e-3, "fatol": 0.0, "maxiter": 200}
        result = minimize(variance, start[0], method="Nelder-Mead", options=options)
        return np.asarray(result.x, dtype=np.float64)

    points = np.array([search(slice(k, None, 4)) for k in range(4)])
    mean, spread = points.mean(axis=0), points.std(axis=0, ddof=1) / 2
    if math.hypot(mean[0] - guess[0], mean[1] - guess[1]) > 0.25 * max(image.shape):
        raise UsageError("the search for rings ran away from the guess; give a closer one.")
    return Centre(float(mean[0]), float(mean[1]), float(spread[0]), float(spread[1]), "rings")


def calibrate(
    image: NDArray[Any],
    mask: NDArray[Any],
    geometry: GeometryMetadata,
    spacing: float = SILVER_BEHENATE,
    sectors: int = 36,
    rounds: int = 4,
) -> Calibration:
    """Refine centre and distance together on the rings of a standard.

    In each sector the maximum near each expected ring is fitted; centre and distance follow from all those
    points by least squares, and the search repeats from there with narrower windows.

    Parameters
    ----------
    image, mask : (H, W).
    geometry : start, right within some pixels and about 10 % of the distance.
    spacing : repeat distance of the standard in Å (silver behenate 58.380).

    Raises
    ------
    UsageError
        Where fewer than 12 points on rings are found.
    """
    valid = (np.asarray(mask) > 0) & np.isfinite(image)
    now = geometry
    for turn in range(rounds):
        window = 0.12 if turn == 0 else 0.05 if turn == 1 else 0.03
        found = _ring_points(np.asarray(image, dtype=np.float64), valid, now, spacing, sectors, window)
        if len(found) < 12:
            raise UsageError(
                f"only {len(found)} points on rings of the standard were found: "
                "check energy, distance and centre."
            )
        now, covariance, residual, kept = _fit_rings(found, now, spacing)
    orders = tuple(sorted({int(n) for n in kept[:, 2]}))
    sx, sy, sl = (float(s) for s in np.sqrt(np.diag(covariance)))
    return Calibration(now, sx, sy, sl, orders, len(kept), residual)


def _radius(order: Any, geometry: GeometryMetadata, spacing: float, distance: float) -> Any:
    """Radius in pixels of a ring: r = L tan 2θ with Bragg's n λ = 2 d sin θ."""
    sine = np.asarray(order) * geometry.lambda_ / (2 * spacing)
    return distance * np.tan(2 * np.arcsin(np.clip(sine, -1, 1))) / geometry.pix_dim


def _ring_points(
    image: Float, valid: NDArray[np.bool_], g: GeometryMetadata, spacing: float, sectors: int, window: float
) -> Float:
    """Points (x, y, order) on rings, one for each ring and sector in which a maximum stands out."""
    where = np.flatnonzero(valid)
    y, x = np.divmod(where, image.shape[1])
    dx, dy, values = x - g.bcx, y - g.bcy, image.ravel()[where]
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    sector = ((angle + np.pi) / (2 * np.pi) * sectors).astype(np.int64) % sectors
    points: list[tuple[float, float, float]] = []
    last = int(2 * spacing / g.lambda_)
    for order in range(1, min(last, 30) + 1):
        expected = float(_radius(order, g, spacing, g.det_dist))
        half = max(3.0, window * float(_radius(1, g, spacing, g.det_dist)) * min(order, 2))
        if expected - half > radius.max():
            break
        near = np.abs(radius - expected) <= half
        for k in np.unique(sector[near]):
            chosen = near & (sector == k)
            peak = _peak(radius[chosen], values[chosen], expected - half, expected + half)
            if peak is not None:
                middle = math.atan2(float(np.sin(angle[chosen]).mean()), float(np.cos(angle[chosen]).mean()))
                points.append((g.bcx + peak * math.cos(middle), g.bcy + peak * math.sin(middle), order))
    return np.array(points).reshape(-1, 3)


def _peak(radius: Float, values: Float, low: float, high: float) -> float | None:
    """Position of a maximum that stands out of its window, or None."""
    bins = max(5, int(high - low))
    place = np.clip(((radius - low) / (high - low) * bins).astype(np.int64), 0, bins - 1)
    n = np.bincount(place, minlength=bins)
    if np.count_nonzero(n) < bins:
        return None
    profile = np.bincount(place, values, bins) / n
    spread = np.bincount(place, values * values, bins) / n - profile**2
    noise = np.sqrt(np.maximum(spread, 0.0) / n)
    base = float(np.percentile(profile, 25))
    top = int(np.argmax(profile))
    if top in (0, bins - 1) or profile[top] - base < 5 * float(np.median(noise)):
        return None
    weight = np.clip(profile - (base + profile[top]) / 2, 0, None)
    weight[: max(0, top - bins // 4)] = 0
    weight[top + bins // 4 + 1 :] = 0
    centres = low + (np.arange(bins) + 0.5) * (high - low) / bins
    return float(np.sum(weight * centres) / np.sum(weight))


def _fit_rings(
    points: Float, g: GeometryMetadata, spacing: float
) -> tuple[GeometryMetadata, Float, float, Float]:
    from dataclasses import replace

    from scipy.optimize import least_squares

    def misfit(p: Float, use: Float) -> Float:
        away = np.hypot(use[:, 0] - p[0], use[:, 1] - p[1])
        return np.asarray(away - _radius(use[:, 2], g, spacing, p[2]), dtype=np.float64)

    start = np.array([g.bcx, g.bcy, g.det_dist])
    scale = np.array([1.0, 1.0, g.det_dist / 1000])
    first = least_squares(misfit, start, x_scale=scale, loss="soft_l1", args=(points,))
    off = np.abs(misfit(first.x, points))
    kept = points[off <= max(3 * 1.4826 * float(np.median(off)), 0.25)]
    result = least_squares(misfit, first.x, x_scale=scale, args=(kept,))
    free = max(1, len(kept) - 3)
    square = float(np.sum(result.fun**2)) / free
    covariance = square * np.linalg.pinv(result.jac.T @ result.jac)
    refined = replace(g, bcx=float(result.x[0]), bcy=float(result.x[1]), det_dist=float(result.x[2]))
    return refined, covariance, math.sqrt(square), kept
