"""A simulated XPCS beamline: what a run of a few seconds on a small detector would give.

Speckle makes g2 scatter as in simulated frames (see `scatter`), and counts are drawn, not noise added: the
coincidences behind each point of g2 are Poisson numbers. Errors are those that the facility writes, the
spread over pixels. A beam that is not steady enters I(t) and the baseline of g2 by the same intensity curve.
What was put in is known: `truth`.
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

from xpcs_dash.acquisition import scatter
from xpcs_dash.correlate.delays import Delays, multitau_delays
from xpcs_dash.correlate.simulate.events import Ageing, BeamDump, Damage, Event, IntensityDrift, slowing_curve
from xpcs_dash.correlate.simulate.truth import Truth
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


def events(run: Run, seed: int) -> tuple[Event, ...]:
    """What happens to beam and sample in one file, with its numbers."""
    if run.event == "beam dump":
        return (BeamDump(float(np.random.default_rng([seed, run.number, 17]).uniform(0.45, 0.8))),)
    if run.event == "radiation damage":
        return IntensityDrift(0.25), Damage(growth=0.5, below_q=0.004)
    return (Ageing(1 + 2.0 * run.gel),) if run.gel > 0 else ()


def beam(run: Run, seed: int) -> Floats:
    """(n_frames,) intensity of the beam, mean about 1: a slow ripple, and what the events do to it."""
    t = np.linspace(0.0, 1.0, N_FRAMES, endpoint=False)
    phase = np.random.default_rng([seed, run.number, 19]).random()
    m = 1 + 0.004 * np.sin(2 * np.pi * (3 * t + phase)) + 0.003 * np.sin(2 * np.pi * 31 * t)
    for event in events(run, seed):
        m = m * event.beam(t)
    return np.asarray(m)


def truth(run: Run, seed: int) -> Truth:
    """What was put into one file."""
    det, m = detector(), beam(run, seed)
    tau, gamma = relaxation(run, det.dynamic.q)
    happened = events(run, seed)
    return Truth(
        seed=seed,
        n_frames=N_FRAMES,
        frame_time_s=FRAME_TIME_S,
        q=tuple(det.dynamic.q.tolist()),
        tau_s=tuple(tau.tolist()),
        photons=tuple(of_bins(det, profile(run, det.static.q)).tolist()),
        contrast=run.sample.contrast,
        gamma=gamma,
        diffusion=run.sample.diffusion(run.temperature_k) if run.gel == 0 else None,
        events=tuple(event.to_dict() for event in happened),
        beam=tuple(float(part.mean()) for part in np.array_split(m, 64)),
        slowing=tuple(float(part.mean()) for part in np.array_split(slowing_curve(happened, m), 64)),
    )


def of_bins(det: Detector, rings: Floats) -> Floats:
    """(n_dynamic,) mean over the pixels of each bin."""
    sums = np.bincount(det.table.dynamic - 1, det.table.pixels * rings[det.table.static - 1])
    return np.asarray(sums / det.table.dynamic_pixels())


def decay(delays: Delays, tau: Floats, gamma: float, slowing: Floats) -> Floats:
    """(n_delay, n_q) |g1|², averaged over a run in which relaxation times ``tau`` grow by ``slowing``."""
    path = np.concatenate(([0.0], np.cumsum(FRAME_TIME_S / slowing)))
    out = np.empty((delays.n, tau.size))
    for k, lag in enumerate(delays.frames):
        starts = np.unique(np.linspace(0, slowing.size - lag, 1 if np.ptp(slowing) == 0 else 40).astype(int))
        passed = path[starts + lag] - path[starts]
        out[k] = np.exp(-2 * (passed[:, None] / tau) ** gamma).mean(axis=0)
    return out


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
    m = beam(run, seed)
    rings = profile(run, det.static.q)
    drawn = _intensities(det, events(run, seed), rings, m, rng)
    delays = multitau_delays(N_FRAMES)
    tau, gamma = relaxation(run, det.dynamic.q)
    slowing = slowing_curve(events(run, seed), m)
    ideal = 1 + run.sample.contrast * decay(delays, tau, gamma, slowing)
    shine = beam_correlation(m, delays.frames)[:, None]
    runs = tau / (N_FRAMES * FRAME_TIME_S)
    pixels = det.table.dynamic_pixels()
    error = scatter.speckle_error(runs, run.sample.contrast, pixels, rng)
    rate = counting.coincidence_rate(det.table, rings * m.mean())
    g2 = _count((ideal + error) * shine, delays, rate, rng)
    bright = of_bins(det, rings) * m.mean()
    g2_err = scatter.file_errors(ideal * shine, delays, bright, pixels, runs, run.sample.contrast, rng)
    partial = _partials(run, error, m, slowing, rate, rng) if run.partial else {}
    n_gel = "gel" if run.gel > 0.5 else "sol"
    return ApsResult(
        dynamic=det.dynamic,
        static=det.static,
        geometry=det.geometry,
        dqmap=det.dqmap,
        sqmap=det.sqmap,
        frame_time_s=FRAME_TIME_S,
        exposure_s=0.98 * FRAME_TIME_S,
        delay_frames=delays.frames,
        g2=g2,
        g2_err=g2_err,
        **partial,
        **drawn,
        twotime=_twotime(run, tau, gamma, slowing, rng) if run.twotime else None,
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
    det: Detector, happened: tuple[Event, ...], rings: Floats, m: Floats, rng: np.random.Generator
) -> dict[str, Any]:
    """Detector image, I(q), its segments and I(t), all from drawn photons."""
    pixels = det.table.static_pixels()
    n_static, edges = pixels.size, np.linspace(0, N_FRAMES, N_SEGMENTS + 1).astype(int)
    segments = np.empty((N_SEGMENTS, n_static))
    for k, (a, b) in enumerate(pairwise(edges)):
        shape = np.ones(n_static)
        for event in happened:
            # aggregates scatter at small q, more and more
            shape = shape * event.scattering(det.static.q, np.array([k / (N_SEGMENTS - 1)]))[0]
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


def _count(model: Floats, delays: Delays, rate: Floats, rng: np.random.Generator) -> Floats:
    """g2 from drawn coincidences; 0 where none is found."""
    expected = scatter.pairs_of_frames(delays)[:, None] * rate
    found = rng.poisson(np.maximum(model, 0) * expected)
    return np.where(expected > 0, found / np.maximum(expected, 1e-300), 0.0)


def _partials(
    run: Run, error: Floats, m: Floats, slowing: Floats, rate: Floats, rng: np.random.Generator
) -> dict[str, Any]:
    """Cumulative g2 over the first quarter, half, … of the frames; NaN where a delay does not fit yet.

    A part of a run sees fewer speckles: the error of the whole grows as 1/√length.
    """
    det = detector()
    tau, gamma = relaxation(run, det.dynamic.q)
    bright, pixels = of_bins(det, profile(run, det.static.q)), det.table.dynamic_pixels()
    ends = np.linspace(0, N_FRAMES, N_PARTIAL + 1).astype(int)[1:]
    values = np.full((N_PARTIAL, *error.shape), np.nan)
    errors = values.copy()
    for k, end in enumerate(ends):
        part = multitau_delays(int(end))
        fits = slice(part.n)
        shine = beam_correlation(m[:end], part.frames)[:, None]
        ideal = 1 + run.sample.contrast * decay(part, tau, gamma, slowing[:end])
        seen = ideal + error[fits] * np.sqrt(N_FRAMES / end)
        runs = tau / (end * FRAME_TIME_S)
        values[k, fits] = _count(seen * shine, part, rate, rng)
        errors[k, fits] = scatter.file_errors(
            ideal * shine, part, bright, pixels, runs, run.sample.contrast, rng
        )
    return {"partial_g2": values, "partial_g2_err": errors, "partial_labels": ends - 1}


def _twotime(run: Run, tau: Floats, gamma: float, slowing: Floats, rng: np.random.Generator) -> ApsTwoTime:
    """Two-time matrices of three bins over 256 averaged frames; a gel ages while one looks."""
    n, bins = 256, (4, 9, 14)
    step = N_FRAMES // n
    age = np.arange(n) * step * FRAME_TIME_S
    matrices = []
    for label in bins:
        slow = tau[label - 1] * slowing[::step]
        rate = 1.0 / slow
        path = np.concatenate(([0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(age))))
        lag = np.abs(path[:, None] - path[None, :])
        c2 = 1 + run.sample.contrast * np.exp(-2 * lag**gamma)
        noise = np.triu(rng.normal(0.0, 0.01, (n, n)))
        matrices.append(np.triu(c2 + noise).astype(np.float32))
    return ApsTwoTime(bins, matrices, avg_frame=step)
