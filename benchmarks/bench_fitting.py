"""How fast fits are: batch against a loop of scipy's curve_fit, many files, NUTS warm and cold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result

SHARED = Path(os.environ.get("XPCS_DASH_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
E0173 = SHARED / "llps_E0173_H06-c6c5-4_a0009_f100000_r00001_results.hdf"


def best(call: Callable[[], Any], repeats: int) -> float:
    """Shortest of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return min(times)


def curves() -> tuple[Any, str]:
    """36 bins of E0173, or simulated ones of the same size and starvation."""
    from xpcs_dash.fitting.data import FitData, fit_data

    if E0173.is_file():
        from xpcs_dash import open_result

        return fit_data(open_result(E0173)), "E0173"
    rng = np.random.default_rng(0)
    t = np.geomspace(2e-5, 1.6, 61)
    count = np.geomspace(2, 2e3, 61)[:, None] * np.ones(36)
    model = 1 + 0.3 * np.exp(-2 * t[:, None] / rng.uniform(1e-3, 1e-1, 36))
    labels = np.arange(1, 37)
    g2 = rng.poisson(count * model) / count
    return FitData(t, g2, count**-0.5, count >= 10, labels * 1e-3, 0.0 * labels, labels), "simulated"


def decays(n_q: int, n_t: int = 61) -> Any:
    """Bins of a diffusing sample with 1 % noise."""
    from xpcs_dash.fitting.data import FitData

    rng = np.random.default_rng(1)
    t = np.geomspace(2e-5, 1.6, n_t)
    q = np.geomspace(3e-3, 3e-2, n_q)
    sigma = np.full((n_t, n_q), 0.01)
    g2 = 1 + 0.25 * np.exp(-2 * 1e5 * q**2 * t[:, None]) + sigma * rng.standard_normal((n_t, n_q))
    return FitData(t, g2, sigma, np.ones((n_t, n_q), dtype=bool), q, 0 * q, np.arange(1, n_q + 1))


def scipy_loop(data: Any, fit: Any) -> None:
    """The usual loop: one `curve_fit` with bounds per bin, from the middle of the bounds."""
    from scipy.optimize import curve_fit

    def model(t: np.ndarray, contrast: float, baseline: float, tau: float) -> np.ndarray:
        return baseline + contrast * np.exp(-2 * t / tau)

    for k in range(data.n_q):
        use = data.trusted[:, k]
        if fit.too_few_points[k]:
            continue
        lower, upper = fit.lower[k], fit.upper[k]
        start = [0.2, 1.0, float(np.sqrt(lower[2] * upper[2]))]
        try:
            curve_fit(
                model,
                data.t[use],
                data.g2[use, k],
                p0=start,
                sigma=data.sigma[use, k],
                bounds=(lower, upper),
                absolute_sigma=True,
            )
        except RuntimeError:
            continue  # it gave up; the time counts all the same


def bench_batch(quick: bool) -> list[Result]:
    from xpcs_dash.fitting.batch import Curves, fit_all_q, fit_files

    data, name = curves()

    def batch() -> Any:
        return fit_all_q(data.t, data.g2, data.sigma, data.trusted, "single", backend="jax")

    fit = batch()
    repeats = 5 if quick else 20
    warm = best(batch, repeats)
    loop = best(lambda: scipy_loop(data, fit), 1 if quick else 3)
    n = 100 if quick else 1000
    many = decays(27)
    files = [Curves(many.t, many.g2, many.sigma, many.trusted)] * n
    fit_files(files[:10], "single", backend="jax")
    seconds = best(lambda: fit_files(files, "single", backend="jax"), 1 if quick else 2)
    scaled = seconds * 1000 / n
    light = best(
        lambda: fit_all_q(data.t, data.g2, data.sigma, data.trusted, "single", backend="numpy"), repeats
    )
    return [
        Result("batch fit of 36 q, warm", 1e3 * warm, "ms", "<= 15", warm <= 15e-3, name),
        Result("batch against a loop of curve_fit", loop / warm, "x", ">= 20", loop >= 20 * warm, name),
        Result("the same without JAX", 1e3 * light, "ms", note=name),
        Result("1,000 files x 27 q", scaled, "s", "<= 3", scaled <= 3.0, f"from {n} files"),
    ]


def bench_nuts(quick: bool) -> list[Result]:
    """NUTS in a process of its own: cold first (nothing compiled, nothing cached), then warm."""
    with tempfile.TemporaryDirectory() as cache:
        worker = [sys.executable, "-m", "benchmarks.bench_fitting", cache, str(int(quick))]
        answer = subprocess.run(worker, check=True, capture_output=True, text=True, timeout=1200)
    found = json.loads(answer.stdout.splitlines()[-1])
    rows = [
        ("NUTS 4 x 1000, one q, warm", "one_warm", 3.0),
        ("NUTS 4 x 1000, 27 q, warm", "many_warm", 10.0),
        ("NUTS 4 x 1000, 27 q, cold worker", "many_cold", 25.0),
        ("first draws after the click, cold worker", "first_cold", 8.0),
        ("first draws after the click, warm worker", "first_warm", 1.0),
    ]
    return [
        Result(title, found[key], "s", f"<= {limit:g}", found[key] <= limit)
        for title, key, limit in rows
        if key in found
    ]


def nuts_worker(cache: Path, quick: bool) -> dict[str, float]:
    """What the separate process measures."""
    from xpcs_dash.fitting.results import FitConfig
    from xpcs_dash.fitting.runtime import configure_jax
    from xpcs_dash.fitting.sampling import NutsProgress, sample_g2

    configure_jax(cache)
    config = FitConfig(model="single", seed=1, early_stop=False)

    def timed(n_q: int) -> tuple[float, float]:
        begun, first = time.perf_counter(), []

        def seen(p: NutsProgress) -> None:
            if p.phase != "compiling" and not first:
                first.append(time.perf_counter() - begun)

        sample_g2(decays(n_q), config, seen)
        return time.perf_counter() - begun, first[0]

    out: dict[str, float] = {}
    out["many_cold"], out["first_cold"] = timed(27)
    out["many_warm"], out["first_warm"] = timed(27)
    if not quick:
        timed(1)
        out["one_warm"], _ = timed(1)
    return out


def run(quick: bool = False) -> list[Result]:
    """All figures of this area."""
    return [*bench_batch(quick), *bench_nuts(quick)]


if __name__ == "__main__":
    print(json.dumps(nuts_worker(Path(sys.argv[1]), bool(int(sys.argv[2])))))
