"""NUTS of all selected bins in compiled chunks, with progress, early stop and cancel; and the least-squares
stage alone.

    result = sample_g2(data, FitConfig(model="stretched", seed=1), progress=print)
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import cpu_count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError, XpcsDashError
from xpcs_dash.fitting.batch import BatchFit, fit_all_q
from xpcs_dash.fitting.coordinates import Coordinates
from xpcs_dash.fitting.data import FitData
from xpcs_dash.fitting.diagnostics import THRESHOLDS, diagnose, posterior_predictive_p
from xpcs_dash.fitting.engine import CHUNK, Draws, g2_sampler
from xpcs_dash.fitting.models import get_model
from xpcs_dash.fitting.probabilistic import (
    NOISE,
    CurveData,
    PriorNumbers,
    prior_numbers,
    resolve_priors,
    structure_of,
)
from xpcs_dash.fitting.progress import BinProgress, ChainProgress, NutsProgress, bin_state, chain_state
from xpcs_dash.fitting.results import FitConfig, FitResult, Source
from xpcs_dash.fitting.runtime import pad_size, require_x64
from xpcs_dash.fitting.solvers import DELAYS

__all__ = ["FitCancelled", "NutsProgress", "compile_usual", "fit_g2", "sample_g2"]

FloatArray = NDArray[np.float64]

#: Seconds of sampling between reports of R-hat and effective sample sizes; more where a report takes longer,
#: so that no more time goes into reports than into draws.
REPORT_S = 0.7
#: Early stop asks for this many times the required effective sample size, and half the draws.
EARLY_MARGIN = 2.0
#: Models with this many parameters are fitted in milliseconds without a compiled program, which takes seconds
#: to compile when it is needed first.
QUICK_IN_NUMPY = 4

#: Delays of a multi-tau result of a detector with some 10⁵ frames; any number with the same padding will do.
USUAL_DELAYS = 61


class FitCancelled(XpcsDashError):
    """Somebody asked the fit to stop."""


Progress = Callable[[NutsProgress], None]


def _least_squares(data: FitData, config: FitConfig, backend: str) -> BatchFit:
    return fit_all_q(
        data.t,
        data.g2,
        data.sigma,
        data.trusted,
        config.model,
        config.fixed,
        config.bounds,
        config.start,
        backend,
    )


def fit_g2(
    data: FitData, config: FitConfig, source: Source | None = None, backend: str = "auto"
) -> FitResult:
    """The least-squares stage alone, as a `FitResult` without samples."""
    begun = time.perf_counter()
    fit = _least_squares(data, config, backend)
    return FitResult(
        data=data,
        config=config,
        warm_start=fit,
        seconds=time.perf_counter() - begun,
        source=source or Source(),
    )


def sample_g2(
    data: FitData,
    config: FitConfig,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    source: Source | None = None,
) -> FitResult:
    """Least squares, then NUTS started from it, then diagnostics.

    Parameters
    ----------
    progress : called with `NutsProgress` at once, after the first chunk and then about every 0.7 s.
    cancelled : asked between chunks, so that a stop takes less than a second.

    Raises
    ------
    FitCancelled
        Where ``cancelled`` answered True.
    UsageError
        Unknown names, impossible bounds or priors, too few draws, nothing left to fit.
    """
    begun = time.perf_counter()
    spec = get_model(config.model)
    if config.chains < 2 or config.samples < 50 or config.warmup < 50:
        raise UsageError("sampling needs at least 2 chains, 50 draws and 50 warm-up steps.")
    report = progress or (lambda _: None)
    report(NutsProgress("compiling", 0.0, 0))
    fit = _least_squares(data, config, "numpy" if len(spec.parameters) <= QUICK_IN_NUMPY else "jax")
    if fit.too_few_points.all():
        raise UsageError("no bin has enough trustworthy points for this model; choose other bins or delays.")
    if fit.fixed.all():
        raise UsageError("every parameter is fixed; leave one free to sample it.")
    seed = secrets.randbits(31) if config.seed is None else int(config.seed)
    priors = resolve_priors(spec, fit, data.window, config.priors)
    run = _Run(data, replace(config, seed=seed), fit, priors)
    draws, stopped = run.go(report, cancelled or (lambda: False))
    samples = run.parameters(draws["eps"])
    use = data.used
    diagnostics = []
    for k in range(data.n_q):
        params = _full(samples, fit, k)
        sigma = np.ones(int(use[:, k].sum())) if data.sigma is None else data.sigma[use[:, k], k]
        noise = samples[NOISE][k].ravel() if NOISE in samples else None
        p = posterior_predictive_p(spec, params, data.t[use[:, k]], data.g2[use[:, k], k], sigma, noise, seed)
        diagnostics.append(
            diagnose(
                {n: x[k] for n, x in samples.items()},
                draws["diverging"][k],
                draws["energy"][k],
                draws["steps"][k],
                p,
                config.max_tree_depth,
                fit.flags(k),
                fit.sigma_known,
            )
        )
    drawn = draws["eps"].shape[2]
    report(NutsProgress("done", 1.0, drawn, (), chain_state(draws, drawn)))
    return FitResult(
        data=data,
        config=config,
        warm_start=fit,
        samples=samples,
        stats={
            "diverging": draws["diverging"],
            "energy": draws["energy"],
            "n_steps": draws["steps"],
            "acceptance_rate": draws["accept"],
            "lp": -draws["potential"],
        },
        diagnostics=tuple(diagnostics),
        priors=tuple(priors),
        seed=seed,
        stopped_early=stopped,
        seconds=time.perf_counter() - begun,
        source=source or Source(),
    )


def compile_usual() -> None:
    """Make the sampler of the default configuration ready, for files with more than eight bins."""
    t = np.geomspace(1e-5, 1.0, USUAL_DELAYS)
    sigma = np.full((t.size, 9), 0.01)
    g2 = 1.0 + 0.2 * np.exp(-2.0 * t / 1e-2)[:, None] + 0.0 * sigma
    labels, q = np.arange(1, 10), np.linspace(1e-3, 1e-2, 9)
    data = FitData(t, g2, sigma, sigma > 0, q, np.zeros(9), labels)
    config = FitConfig(seed=0)
    fit = _least_squares(data, config, "numpy")
    priors = resolve_priors(get_model(config.model), fit, data.window, config.priors)
    _Run(data, config, fit, priors).compile()


def next_report(began: float, ended: float) -> float:
    """When a report is due again after one from ``began`` to ``ended`` (s)."""
    return ended + max(REPORT_S, ended - began)


def _full(samples: dict[str, FloatArray], fit: BatchFit, k: int) -> FloatArray:
    size = next(iter(samples.values()))[k].size
    return np.stack(
        [
            samples[n][k].ravel() if n in samples else np.full(size, fit.values[k, j])
            for j, n in enumerate(fit.names)
        ],
        axis=-1,
    )


class _Block:
    """Some bins that advance together in one compiled program."""

    def __init__(self, start: tuple[Any, ...], data: Any, whitening: Any) -> None:
        self.start, self.data, self.whitening = start, data, whitening
        self.state: Any = None
        self.kept: list[Any] = []


class _Run:
    """One sampling run: padded data in blocks, advanced in chunks."""

    def __init__(self, data: FitData, config: FitConfig, fit: BatchFit, priors: list[dict[str, Any]]) -> None:
        self.data, self.config, self.fit = data, config, fit
        self.spec = get_model(config.model)
        structure = structure_of(self.spec, fit, priors[0])
        self.coordinates = Coordinates(self.spec, structure)
        self.curves, self.numbers = self._arrays(priors)
        self.whitening = self.coordinates.whitening(fit.values, self.curves, self.numbers)
        self.chunk = CHUNK
        self.warm_chunks = -(-config.warmup // CHUNK)
        self.chunks = -(-config.samples // CHUNK)
        self.sampler = g2_sampler(
            structure, self.warm_chunks * CHUNK, config.target_accept, config.max_tree_depth
        )
        self.blocks = self._blocks()
        self.converted: list[dict[str, FloatArray]] = []

    def _arrays(self, priors: list[dict[str, Any]]) -> tuple[CurveData, PriorNumbers]:
        data, n_q = self.data, self.data.n_q
        use = data.used.T
        width = pad_size(data.t.size, DELAYS)

        def padded(values: Any, fill: float) -> FloatArray:
            out = np.full((n_q, width), fill)
            out[:, : data.t.size] = np.where(use, values, fill)
            return out

        sigma = np.ones_like(data.g2) if data.sigma is None else data.sigma
        t = np.full((n_q, width), 1.0)
        t[:, : data.t.size] = np.where(data.t > 0, data.t, 1.0)
        curves = CurveData(t, padded(data.g2.T, 1.0), padded(sigma.T, 1.0), padded(1.0, 0.0) > 0)
        numbers = [prior_numbers(self.spec, self.fit, k, priors[k]) for k in range(n_q)]
        return curves, PriorNumbers(*(np.stack(c) for c in zip(*numbers, strict=True)))

    def _blocks(self) -> list[_Block]:
        n_q = self.data.n_q
        size = 1 if n_q == 1 else 4 if n_q <= 8 else 8
        blocks = []
        for first in range(0, n_q, size):
            # the last block is filled up with its own last bin, whose twin is dropped
            columns = np.minimum(np.arange(first, first + size), n_q - 1)
            curves = CurveData(*(a[columns] for a in self.curves))
            numbers = PriorNumbers(*(a[columns] for a in self.numbers))
            whitening = tuple(a[columns] for a in self.whitening)
            start = self._starts(self.data.labels[columns], curves, numbers, whitening)
            blocks.append(_Block(start, (curves, numbers), whitening))
        return blocks

    def _starts(
        self, labels: NDArray[np.int64], curves: Any, numbers: Any, whitening: Any
    ) -> tuple[Any, ...]:
        """Where each chain begins: eps about the mode, a posterior's width wide, the raw keys of its
        randomness, potential and slope; leading axes (label, chain).

        A chain's randomness depends on the seed, its bin and its number, not on what else is sampled.
        """
        chains, dim = self.config.chains, self.coordinates.dim
        eps, keys = np.empty((len(labels), chains, dim)), np.empty((len(labels), chains, 2), np.uint32)
        for i, label in enumerate(labels):
            for chain in range(chains):
                rng = np.random.default_rng([self.config.seed or 0, int(label), chain])
                eps[i, chain] = rng.standard_normal(dim)
                keys[i, chain] = rng.integers(0, 2**32, 2, dtype=np.uint32)
        mode, root = (np.repeat(a, chains, axis=0) for a in whitening)
        v = mode + np.einsum("cij,cj->ci", root, eps.reshape(-1, dim))
        data = CurveData(*(np.repeat(a, chains, axis=0) for a in curves))
        prior = PriorNumbers(*(np.repeat(a, chains, axis=0) for a in numbers))
        potential = self.coordinates.potential(v, data, prior).reshape(len(labels), chains)
        slope = np.einsum("cij,ci->cj", root, self.coordinates.gradient(v, data, prior))
        return eps, keys, potential, slope.reshape(eps.shape)

    def compile(self) -> None:
        """Take the first chunk, and forget it."""
        block = self.blocks[0]
        with self.sampler.compiling:
            self.sampler.advance(self.sampler.begin(*block.start), block.data, block.whitening)

    def go(self, report: Progress, cancelled: Callable[[], bool]) -> tuple[dict[str, Any], bool]:
        """All draws, by name (n_q, chain, draw, ...), and whether it stopped early."""
        jax = require_x64()

        def advance(block: _Block) -> None:
            if cancelled():
                raise FitCancelled("the fit was cancelled.")
            if block.state is None:
                block.state = self.sampler.begin(*block.start)
            block.state, draws = self.sampler.advance(block.state, block.data, block.whitening)
            block.kept.append(jax.tree.map(np.asarray, draws))

        total = self.warm_chunks + self.chunks
        due, stopped = 0.0, False
        with self.sampler.compiling:
            advance(self.blocks[0])  # compiles before the threads start
        with ThreadPoolExecutor(min(len(self.blocks), cpu_count() or 1)) as pool:
            for done in range(1, total + 1):
                waiting = self.blocks[1:] if done == 1 else self.blocks
                list(pool.map(advance, waiting))
                drawn = max(done - self.warm_chunks, 0) * self.chunk
                now = time.monotonic()
                if now >= due or done in (1, self.warm_chunks):
                    bins = self._state() if drawn >= 100 else ()
                    phase = "sampling" if drawn else "warm-up"
                    report(NutsProgress(phase, done / total, drawn, bins, self._chains(drawn)))
                    if self._enough(bins, drawn):
                        stopped = done < total
                        break
                    due = next_report(now, time.monotonic())
                if done == self.warm_chunks:
                    for block in self.blocks:
                        block.kept.clear()
        return self._gather(), stopped

    def _enough(self, bins: tuple[BinProgress, ...], drawn: int) -> bool:
        return (
            self.config.early_stop
            and len(bins) == self.data.n_q
            and drawn >= self.config.samples / 2
            and all(
                b.r_hat < THRESHOLDS.r_hat and b.ess > EARLY_MARGIN * THRESHOLDS.ess and b.divergences == 0
                for b in bins
            )
        )

    def _chains(self, drawn: int) -> tuple[ChainProgress, ...]:
        names = ("diverging", "accept", "steps")
        if drawn:
            return chain_state(self._gather(names), drawn)
        last = {n: np.concatenate([getattr(b.kept[-1], n) for b in self.blocks]) for n in names}
        return chain_state({n: a[: self.data.n_q] for n, a in last.items()}, 0)

    def _gather(self, names: tuple[str, ...] = Draws._fields) -> dict[str, Any]:
        n_q = self.data.n_q
        out = {}
        for name in names:
            parts = [np.concatenate([getattr(d, name) for d in b.kept], axis=2) for b in self.blocks]
            out[name] = np.concatenate(parts)[:n_q, :, : self.config.samples]
        return out

    def _state(self) -> tuple[BinProgress, ...]:
        samples = self._samples()
        diverging = self._gather(("diverging",))["diverging"]
        return tuple(
            bin_state(int(label), {n: x[k] for n, x in samples.items()}, int(diverging[k].sum()))
            for k, label in enumerate(self.data.labels)
        )

    def _samples(self) -> dict[str, FloatArray]:
        """Sampled parameters so far; the curves of each chunk are evaluated once."""
        for i in range(len(self.converted), len(self.blocks[0].kept)):
            eps = np.concatenate([b.kept[i].eps for b in self.blocks])[: self.data.n_q]
            self.converted.append(self.parameters(eps))
        return {
            n: np.concatenate([c[n] for c in self.converted], axis=2)[:, :, : self.config.samples]
            for n in self.converted[0]
        }

    def parameters(self, eps: FloatArray) -> dict[str, FloatArray]:
        """Sampled parameters (n_q, chain, draw) of whitened draws (n_q, chain, draw, dim)."""
        both = []
        for k, (mode, root) in enumerate(zip(*self.whitening, strict=True)):
            # one bin at a time: the curve of every draw is in memory
            data, numbers = (
                CurveData(*(a[k] for a in self.curves)),
                PriorNumbers(*(a[k] for a in self.numbers)),
            )
            both.append(self.coordinates.values(mode + eps[k] @ root.T, data, numbers))
        params, noise = (np.stack(column) for column in zip(*both, strict=True))
        out = {
            name: np.ascontiguousarray(params[..., k])
            for k, name in enumerate(self.spec.names)
            if not self.fit.fixed[k]
        }
        if self.coordinates.structure.noise:
            out[NOISE] = noise
        return out
