"""A simulated XPCS beamline: what a run of a few seconds on a small detector would give.

Counts are drawn, not noise added: the coincidences behind each point of g2 are Poisson numbers with the mean
that counting statistics expect, so errors, zeros and the reader's model of them belong together as in real
files. A beam that is not steady enters I(t) and the baseline of g2 by the same intensity curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.hdf5.aps_writer import ApsResult, ApsTwoTime
from xpcs_dash.hdf5.records import BinTable
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.results import counting

Floats = NDArray[np.float64]

SHAPE = (256, 512)
N_DYNAMIC, RINGS_PER_BIN = 18, 4
N_FRAMES, FRAME_TIME_S = 4096, 1e-3
N_SEGMENTS, N_PARTIAL = 8, 4
#: Files in which the temperature ramp goes up and down once, and its ends in kelvin.
RAMP_FILES, RAMP_K = 48, (283.15, 323.15)
BOLTZMANN = 1.380649e-23


@dataclass(frozen=True)
class Sample:
    """A sample of the simulated beam time.

    Attributes
    ----------
    radius_nm, viscosity_pa_s, activation_k : hydrodynamic radius; viscosity at 298 K and its Arrhenius
        temperature. They give D by Stokes and Einstein.
    brightness : photons per pixel and frame at q = 0.004 Å⁻¹.
    contrast : of the speckle.
    gamma : exponent of the decay: 1 diffusion, above 1 a gel.
    gels : whether it may turn into a gel.
    """

    name: str
    radius_nm: float
    viscosity_pa_s: float
    activation_k: float
    brightness: float
    contrast: float
    gamma: float = 1.0
    gels: bool = False

    def diffusion(self, temperature_k: float) -> float:
        """Diffusion coefficient in Å²/s."""
        viscosity = self.viscosity_pa_s * math.exp(self.activation_k * (1 / temperature_k - 1 / 298.15))
        return BOLTZMANN * temperature_k / (6 * math.pi * viscosity * self.radius_nm * 1e-9) * 1e20


SAMPLES = (
    Sample("silica R=75nm in glycerol", 75.0, 0.9, 7000.0, 0.60, 0.19),
    Sample("latex R=55nm in PPG", 55.0, 0.35, 5200.0, 0.35, 0.17),
    Sample("clay 3% pH10", 40.0, 1.4, 2500.0, 0.45, 0.18, gels=True),
    Sample("protein 40mg/ml dilute", 22.0, 0.8, 6000.0, 0.006, 0.16),
)


@dataclass(frozen=True)
class Run:
    """What happens in one file; a pure function of its number and the seed (see `plan_run`).

    Attributes
    ----------
    event : "", "beam dump", "gelation" or "radiation damage".
    gel : 0 a liquid, 1 a gel; grows after a gelation.
    """

    number: int
    sample: Sample
    temperature_k: float
    event: str = ""
    gel: float = 0.0
    partial: bool = False
    twotime: bool = False


@dataclass(frozen=True, eq=False)
class Detector:
    """Geometry and partition, the same for all files."""

    geometry: GeometryMetadata
    dynamic: BinTable
    static: BinTable
    dqmap: NDArray[np.int32]
    sqmap: NDArray[np.int32]
    table: counting.RingTable

    @property
    def used(self) -> NDArray[np.bool_]:
        """(H, W) pixels inside the partition."""
        return np.asarray(self.dqmap > 0)


@cache
def detector() -> Detector:
    """256 x 512 pixels of 75 µm, 5 m from the sample, with a gap, a beam stop and dead pixels."""
    height, width = SHAPE
    geometry = GeometryMetadata.from_metres(
        energy_kev=10.9, distance_m=5.0, pixel_m=75e-6, bcx=88.3, bcy=131.6, shape=SHAPE
    )
    rows, columns = np.indices(SHAPE)
    q = geometry.q_at(columns, rows)
    use = (q > 1.2e-3) & (q < 0.0265)
    use[:, 255:257] = False
    use[(rows > geometry.bcy) & (np.abs(columns - geometry.bcx) < 3)] = False
    dead = np.random.default_rng(2).integers(0, height * width, 60)
    use.ravel()[dead] = False
    n_static = N_DYNAMIC * RINGS_PER_BIN
    edges = np.linspace(q[use].min(), q[use].max() * (1 + 1e-9), n_static + 1)
    sqmap = np.where(use, np.clip(np.digitize(q, edges), 1, n_static), 0).astype(np.int32)
    dqmap = np.where(use, (sqmap - 1) // RINGS_PER_BIN + 1, 0).astype(np.int32)
    coarse = edges[::RINGS_PER_BIN]
    phi = np.array([0.0])
    dynamic = BinTable((N_DYNAMIC, 1), 0.5 * (coarse[1:] + coarse[:-1]), phi, np.arange(N_DYNAMIC))
    static = BinTable((n_static, 1), 0.5 * (edges[1:] + edges[:-1]), phi, np.arange(n_static))
    table = counting.ring_table(sqmap, dqmap, n_static, N_DYNAMIC)
    return Detector(geometry, dynamic, static, dqmap, sqmap, table)


def delays(n_frames: int) -> NDArray[np.int64]:
    """Multi-tau delays in frames with four delays a level, as the correlator of the beamline makes them."""
    found, level = [1, 2, 3, 4], 0
    while True:
        reach = (n_frames >> level) << level
        new = [x << level for x in (5, 6, 7, 8) if (x << level) < reach]
        found += new
        if len(new) < 4:
            return np.array(found)
        level += 1


def temperature(number: int) -> float:
    """Temperature ramp in kelvin: up and down in steps, a triangle over `RAMP_FILES` files."""
    phase = (number // len(SAMPLES)) * len(SAMPLES) % RAMP_FILES / RAMP_FILES
    return RAMP_K[0] + (RAMP_K[1] - RAMP_K[0]) * (1 - abs(2 * phase - 1))


def plan_run(number: int, seed: int) -> Run:
    """Decide what happens in one file. The same number and seed always give the same."""
    rng = np.random.default_rng([seed, number, 7])
    sample = SAMPLES[number % len(SAMPLES)]
    run = Run(number, sample, temperature(number))
    cycle, place = divmod(number, RAMP_FILES)
    if sample.gels:
        # it gels at some point of each cycle and stays a gel until a fresh one is loaded
        onset = int(np.random.default_rng([seed, cycle, 11]).integers(12, 30))
        gel = float(np.clip((place - onset) / 12, 0.0, 1.0))
        run = replace(run, gel=gel, event="gelation" if 0 < gel < 0.5 else "")
    luck = rng.random()
    if not run.event and luck < 0.06:
        run = replace(run, event="beam dump" if luck < 0.025 else "radiation damage")
    return replace(run, partial=bool(rng.random() < 0.15), twotime=bool(rng.random() < 0.08))


def relaxation(run: Run, q: Floats) -> tuple[Floats, float]:
    """Relaxation times in s at each q, and the exponent of the decay."""
    tau = 1.0 / (run.sample.diffusion(run.temperature_k) * q**2)
    gamma = run.sample.gamma
    if run.gel > 0:
        # arrested: slower by up to a factor 40, ballistic (1/q) and compressed
        gelled = 40.0 * tau[0] * q[0] / q
        tau = tau ** (1 - run.gel) * gelled**run.gel
        gamma = 1.0 + 0.5 * run.gel
    return tau, gamma


def profile(run: Run, q: Floats) -> Floats:
    """Scattered photons per pixel and frame: a Guinier-Porod curve and a flat background."""
    rg = run.sample.radius_nm * 10.0 * math.sqrt(3 / 5)
    scale = 0.004
    guinier = np.exp(-((q * rg) ** 2) / 3)
    q1 = math.sqrt(6.0) / rg
    porod = math.exp(-2.0) * (np.maximum(q, 1e-9) / q1) ** -4.0
    shape = np.where(q < q1, guinier, porod)
    at = math.exp(-((scale * rg) ** 2) / 3) if scale < q1 else math.exp(-2.0) * (scale / q1) ** -4.0
    return np.asarray(run.sample.brightness * (shape / at + 0.02))


def beam(run: Run, rng: np.random.Generator) -> Floats:
    """(n_frames,) intensity of the beam, mean about 1: a slow ripple, and what the event does to it."""
    t = np.linspace(0.0, 1.0, N_FRAMES, endpoint=False)
    ripple = 1 + 0.004 * np.sin(2 * np.pi * (3 * t + rng.random())) + 0.003 * np.sin(2 * np.pi * 31 * t)
    if run.event == "beam dump":
        ripple = np.where(t > rng.uniform(0.45, 0.8), 0.0, ripple)
    elif run.event == "radiation damage":
        ripple = ripple * (1 + 0.25 * t)
    return np.asarray(ripple)


def beam_correlation(m: Floats, lags: NDArray[np.int64]) -> Floats:
    """(n_delay,) baseline that the beam alone gives: ⟨m(t)m(t+τ)⟩ / (⟨m(t)⟩⟨m(t+τ)⟩)."""
    found = np.ones(lags.size)
    for i, lag in enumerate(lags):
        before, after = m[:-lag], m[lag:]
        norm = before.mean() * after.mean()
        found[i] = (before * after).mean() / norm if norm > 0 else 1.0
    return found


def make_result(run: Run, seed: int, start: datetime) -> ApsResult:
    """Draw one file.

    Parameters
    ----------
    run : what happens.
    seed : together with the run's number decides every photon.
    start : start of the acquisition.
    """
    det = detector()
    rng = np.random.default_rng([seed, run.number, 13])
    m = beam(run, rng)
    rings = profile(run, det.static.q)
    drawn = _intensities(run, det, rings, m, rng)
    lags = delays(N_FRAMES)
    tau, gamma = relaxation(run, det.dynamic.q)
    t = lags[:, None] * FRAME_TIME_S
    decay = np.exp(-2 * (t / tau) ** gamma)
    model = (1 + run.sample.contrast * decay) * beam_correlation(m, lags)[:, None]
    rate = counting.coincidence_rate(det.table, rings * m.mean())
    expected = counting.expected_coincidences(lags, N_FRAMES, rate)
    g2, g2_err = _count(model, expected, det, rng)
    partial = _partials(model, rate, lags, det, rng) if run.partial else {}
    n_gel = "gel" if run.gel > 0.5 else "sol"
    return ApsResult(
        dynamic=det.dynamic,
        static=det.static,
        geometry=det.geometry,
        dqmap=det.dqmap,
        sqmap=det.sqmap,
        frame_time_s=FRAME_TIME_S,
        exposure_s=0.98 * FRAME_TIME_S,
        delay_frames=lags,
        g2=g2,
        g2_err=g2_err,
        **partial,
        **drawn,
        twotime=_twotime(run, tau, gamma, rng) if run.twotime else None,
        start_time=start,
        end_time=start + timedelta(seconds=N_FRAMES * FRAME_TIME_S),
        sample=run.sample.name,
        scan=str(1000 + run.number // 12),
        temperature_c=run.temperature_k - 273.15,
        raw_path=f"/simulated/{file_name(run)[: -len('_results.hdf')]}.bin",
        extra={
            "/entry/user/proposal": ("simulated", ""),
            "/entry/sample/state": (n_gel if run.sample.gels else "liquid", ""),
        },
    )


def file_name(run: Run) -> str:
    """Name in the style of the beamline: sample, number, temperature."""
    letter = "ABCD"[run.number % len(SAMPLES)]
    short = run.sample.name.split()[0]
    celsius = round(10 * (run.temperature_k - 273.15))
    return f"{letter}{run.number:05d}_{short}_{celsius:03d}C_a0001_f{N_FRAMES:06d}_r00001_results.hdf"


def _intensities(
    run: Run, det: Detector, rings: Floats, m: Floats, rng: np.random.Generator
) -> dict[str, Any]:
    """Detector image, I(q), its segments and I(t), all from drawn photons."""
    pixels = det.table.static_pixels()
    n_static, edges = pixels.size, np.linspace(0, N_FRAMES, N_SEGMENTS + 1).astype(int)
    segments = np.empty((N_SEGMENTS, n_static))
    for k, (a, b) in enumerate(pairwise(edges)):
        shape = np.ones(n_static)
        if run.event == "radiation damage":
            # aggregates scatter at small q, more and more
            shape += 0.5 * (k / (N_SEGMENTS - 1)) * np.exp(-((det.static.q / 0.004) ** 2))
        # the correlator divides the sum over a segment's frames by all frames
        segments[k] = rng.poisson(rings * shape * pixels * m[a:b].sum()) / pixels / N_FRAMES
    per_ring = np.concatenate(([0.0], segments.sum(axis=0)))
    image = rng.poisson(per_ring[det.sqmap] * N_FRAMES) / N_FRAMES
    saxs_1d = counting.ring_means(det.sqmap, image, n_static)
    n_used = float(pixels.sum())
    mean = float((rings * pixels).sum() / n_used)
    return {
        "saxs_2d": image.astype(np.float32),
        "saxs_1d": saxs_1d,
        "segments": segments,
        "int_t": rng.poisson(mean * n_used * m) / n_used,
    }


def _count(model: Floats, expected: Floats, det: Detector, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """g2 from drawn coincidences, and errors as the correlator gives them."""
    found = rng.poisson(model * expected)
    safe = np.maximum(expected, 1e-300)
    g2 = np.where(expected > 0, found / safe, 0.0)
    # the spread over pixels divided by √N: right where each pixel has seen coincidences, else too small
    per_pixel = expected / det.table.dynamic_pixels()
    error = np.sqrt(found) / safe * np.clip(np.sqrt(per_pixel), 0.02, 1.0)
    return g2, np.where(found > 0, error, 0.0)


def _partials(
    model: Floats, rate: Floats, lags: NDArray[np.int64], det: Detector, rng: np.random.Generator
) -> dict[str, Any]:
    """Cumulative g2 over the first quarter, half, … of the frames; NaN where a delay does not fit yet."""
    ends = np.linspace(0, N_FRAMES, N_PARTIAL + 1).astype(int)[1:]
    values = np.full((N_PARTIAL, *model.shape), np.nan)
    errors = values.copy()
    for k, end in enumerate(ends):
        fits = lags < end
        expected = counting.expected_coincidences(lags[fits], int(end), rate)
        values[k, fits], errors[k, fits] = _count(model[fits], expected, det, rng)
    return {"partial_g2": values, "partial_g2_err": errors, "partial_labels": ends - 1}


def _twotime(run: Run, tau: Floats, gamma: float, rng: np.random.Generator) -> ApsTwoTime:
    """Two-time matrices of three bins over 256 averaged frames; a gel ages while one looks."""
    n, bins = 256, (4, 9, 14)
    step = N_FRAMES // n
    age = np.arange(n) * step * FRAME_TIME_S
    matrices = []
    for label in bins:
        slow = tau[label - 1] * (1 + 2.0 * run.gel * age / age[-1])
        rate = 1.0 / slow
        path = np.concatenate(([0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(age))))
        lag = np.abs(path[:, None] - path[None, :])
        c2 = 1 + run.sample.contrast * np.exp(-2 * lag**gamma)
        noise = np.triu(rng.normal(0.0, 0.01, (n, n)))
        matrices.append(np.triu(c2 + noise).astype(np.float32))
    return ApsTwoTime(bins, matrices, avg_frame=step)
