"""What a fit leaves behind: samples, diagnostics, warm start, configuration and versions."""

from __future__ import annotations

import datetime as dt
import getpass
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.fitting.batch import BatchFit
from xpcs_dash.fitting.data import FitData
from xpcs_dash.fitting.diagnostics import FitDiagnostics, hdi
from xpcs_dash.fitting.loo import Loo, loo
from xpcs_dash.fitting.models import ModelSpec, PriorSpec, get_model
from xpcs_dash.fitting.probabilistic import NOISE
from xpcs_dash.fitting.statements import Place, of_batch, rows_of, sampled_verdict
from xpcs_dash.results.estimate import LEVEL, Estimate

if TYPE_CHECKING:
    from xpcs_dash.results.statement import BinResult
    from xpcs_dash.results.verdict import Verdict

__all__ = ["FitConfig", "FitResult", "Source", "software_versions", "who"]

FloatArray = NDArray[np.float64]

HDI_PROB = LEVEL


@dataclass(frozen=True)
class FitConfig:
    """Everything that decides a fit besides the data; JSON-able through `to_dict`.

    Attributes
    ----------
    model, sigma, labels, delay_range : what is fitted (see `fitting.data.fit_data`); labels None means all
        bins.
    fixed, bounds, start, priors : by parameter name.
    chains, samples, warmup, seed, target_accept, max_tree_depth : of the sampler; samples and warm-up per
        chain. A seed None draws one, which the result records.
    early_stop : stop before ``samples`` once every bin passes the thresholds with a margin.
    """

    model: str = "single"
    sigma: str = "counting"
    labels: tuple[int, ...] | None = None
    delay_range: tuple[float, float] | None = None
    fixed: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    start: Mapping[str, float] = field(default_factory=dict)
    priors: Mapping[str, PriorSpec] = field(default_factory=dict)
    chains: int = 4
    samples: int = 1000
    warmup: int = 500
    seed: int | None = None
    target_accept: float = 0.8
    max_tree_depth: int = 8
    early_stop: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers."""
        out = asdict(self)
        out["priors"] = {name: asdict(prior) for name, prior in self.priors.items()}
        return out

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FitConfig:
        """Inverse of `to_dict`; lists become tuples, unknown names are refused."""
        given = dict(values)
        given["priors"] = {n: PriorSpec(**p) for n, p in (given.get("priors") or {}).items()}
        given["bounds"] = {n: (float(b[0]), float(b[1])) for n, b in (given.get("bounds") or {}).items()}
        for name in ("labels", "delay_range"):
            if given.get(name) is not None:
                given[name] = tuple(given[name])
        return cls(**given)


@dataclass(frozen=True)
class Source:
    """Where the data came from: path, file key, hash of the fitted numbers, hash of the q-map."""

    path: str = ""
    key: str = ""
    content_hash: str = ""
    map_hash: str = ""


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fit that somebody ran, of the bins in ``data``.

    Attributes
    ----------
    samples : sampled parameter (and ``noise``) -> (n_q, chain, draw); empty for a least-squares fit.
    stats : ``diverging``, ``energy``, ``n_steps``, ``acceptance_rate``, ``lp`` -> (n_q, chain, draw).
    diagnostics : one per bin; empty for a least-squares fit.
    warm_start : the least-squares fit of the same data.
    priors : per bin, with the centres that were taken from the data.
    seed, stopped_early, seconds : of the sampling.
    created, user, versions : when (ISO, UTC), who, and with which software.
    """

    data: FitData
    config: FitConfig
    warm_start: BatchFit
    samples: dict[str, FloatArray] = field(default_factory=dict)
    stats: dict[str, NDArray[Any]] = field(default_factory=dict)
    diagnostics: tuple[FitDiagnostics, ...] = ()
    priors: tuple[dict[str, PriorSpec], ...] = ()
    seed: int = 0
    stopped_early: bool = False
    seconds: float = 0.0
    source: Source = field(default_factory=Source)
    created: str = field(default_factory=lambda: dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
    user: str = field(default_factory=lambda: who())
    versions: dict[str, str] = field(default_factory=lambda: software_versions())

    @property
    def spec(self) -> ModelSpec:
        """The model."""
        return get_model(self.config.model)

    @property
    def bayesian(self) -> bool:
        """True where the posterior was sampled."""
        return bool(self.samples)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FitResult):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    __hash__ = None  # type: ignore[assignment]

    def verdict(self, k: int) -> Verdict:
        """Whether the numbers of bin ``k`` may be used, and why not."""
        least = self.warm_start
        return sampled_verdict(self.diagnostics[k], least.flags(k)) if self.bayesian else least.verdict(k)

    def passed(self, k: int) -> bool:
        """True where the number of bin ``k`` may be shown without a badge."""
        return self.verdict(k).good

    def reasons(self, k: int) -> tuple[str, ...]:
        """Why bin ``k`` did not pass, as sentences."""
        return self.verdict(k).reasons

    def draws(self, k: int) -> FloatArray:
        """(chain·draw, n_par) posterior draws of bin ``k``, fixed parameters included."""
        size = next(iter(self.samples.values()))[k].size
        columns = [
            self.samples[name][k].ravel()
            if name in self.samples
            else np.full(size, self.warm_start.values[k, j])
            for j, name in enumerate(self.spec.names)
        ]
        return np.stack(columns, axis=-1)

    @cached_property
    def summary(self) -> tuple[dict[str, dict[str, float]], ...]:
        """Per bin and parameter: mean, sd, median, hdi_lo, hdi_hi (94 % highest density interval)."""
        out = []
        for k in range(self.data.n_q):
            row = {}
            for name, x in self.samples.items():
                low, high = hdi(x[k], HDI_PROB)
                row[name] = {
                    "mean": float(x[k].mean()),
                    "sd": float(x[k].std(ddof=1)),
                    "median": float(np.median(x[k])),
                    "hdi_lo": low,
                    "hdi_hi": high,
                }
            out.append(row)
        return tuple(out)

    def bands(self, k: int, t: ArrayLike, prob: float = 0.94) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lower end, median and upper end, each (n_t,), of the posterior of the curve of bin ``k``."""
        draws = self.draws(k)
        take = np.linspace(0, len(draws) - 1, min(1000, len(draws))).astype(int)
        curves = np.asarray(self.spec.evaluate(np.asarray(t, dtype=float), draws[take]))
        low, middle, high = np.quantile(curves, [0.5 - prob / 2, 0.5, 0.5 + prob / 2], axis=0)
        return low, middle, high

    def place(self) -> Place:
        """What the data themselves say of their bins; who opened the file knows more."""
        data = self.data
        return Place(data.labels.tolist(), data.q.tolist(), data.phi.tolist(), sigma=self.config.sigma)

    def bins(self, place: Place | None = None) -> tuple[BinResult, ...]:
        """What is said of each bin: the posterior where it was sampled, else least squares.

        Everything that leaves is taken from here.
        """
        where, fit = place or self.place(), self.warm_start
        if not self.bayesian:
            return of_batch(fit, where, where.origin("batch", fit.engine, made=self.created))
        least = of_batch(fit, where, where.origin("nuts", "numpyro", made=self.created))
        return tuple(self._sampled(k, found) for k, found in enumerate(least))

    def _sampled(self, k: int, least: BinResult) -> BinResult:
        """Median, spread and interval of the draws in place of least squares; held numbers stay."""
        values = dict(least.values)
        for name, found in self.summary[k].items():
            if name in values:
                ends = found["hdi_lo"], found["hdi_hi"]
                values[name] = Estimate(found["median"], found["sd"], *ends, values[name].unit)
        covariance = rows_of(np.atleast_2d(np.cov(self.draws(k), rowvar=False)))
        return replace(least, values=values, covariance=covariance, verdict=self.verdict(k))

    def rows(self, place: Place | None = None) -> list[dict[str, Any]]:
        """One JSON-able dictionary per bin, as ``xpcs-dash fit --json`` prints; None for undetermined.

        ``params`` and ``errors`` are those of least squares; ``statement`` is the whole `BinResult`.
        """
        return [self._row(k, said) for k, said in enumerate(self.bins(place))]

    def _row(self, k: int, said: BinResult) -> dict[str, Any]:
        fit = self.warm_start
        errors = dict(zip(fit.names, map(float, fit.errors[k]), strict=True))
        row: dict[str, Any] = {
            "bin": said.label,
            "q": _plain(said.q),
            "phi": _plain(said.phi),
            "params": {n: _plain(v) for n, v in fit.params(k).items()},
            "errors": {n: _plain(v) for n, v in errors.items()} | dict.fromkeys(self.spec.constants, 0.0),
            "chi2_red": _plain(said.chi2_red),
            "scale": _plain(fit.scale[k]),
            "n_points": said.n_points,
            "good": said.good,
            "flags": list(said.verdict.flags),
            "reasons": list(said.verdict.reasons),
            "statement": said.to_json(),
        }
        if self.bayesian:
            found = self.diagnostics[k]
            row |= {
                "posterior": {
                    n: {s: _plain(v) for s, v in numbers.items()} for n, numbers in self.summary[k].items()
                },
                "hdi": {n: [_plain(v["hdi_lo"]), _plain(v["hdi_hi"])] for n, v in self.summary[k].items()},
                "r_hat": {n: _plain(v) for n, v in found.r_hat.items()},
                "ess_bulk": {n: _plain(v) for n, v in found.ess_bulk.items()},
                "ess_tail": {n: _plain(v) for n, v in found.ess_tail.items()},
                "divergences": found.divergences,
                "bfmi": _plain(found.bfmi),
                "tree_depth": found.tree_depth,
                "predictive_p": _plain(found.predictive_p),
                "misfit": found.misfit,
                "converged": found.converged,
                "passed": said.good,
                "seconds": self.seconds,
                "seed": self.seed,
            }
        return row

    def datatree(self) -> Any:
        """ArviZ `DataTree` with the groups posterior, sample_stats, observed_data and constant_data.

        Dimensions: chain, draw, q_bin (labels of the dynamic map), delay (s).
        """
        import xarray as xr

        coords = {"q_bin": self.data.labels}
        groups: dict[str, Any] = {}
        if self.bayesian:
            for group, arrays in (("posterior", self.samples), ("sample_stats", self.stats)):
                groups[group] = xr.Dataset(
                    {n: (("chain", "draw", "q_bin"), np.moveaxis(a, 0, -1)) for n, a in arrays.items()},
                    coords=coords,
                )
            groups["posterior"] = groups["posterior"].assign_coords(
                chain=np.arange(self.config.chains), draw=np.arange(groups["posterior"].sizes["draw"])
            )
        axes = coords | {"delay": self.data.t}
        shape = ("delay", "q_bin")
        groups["observed_data"] = xr.Dataset({"g2": (shape, self.data.g2)}, coords=axes)
        constant: dict[str, Any] = {
            "trusted": (shape, self.data.trusted),
            "q": (("q_bin",), self.data.q),
            "phi": (("q_bin",), self.data.phi),
        }
        if self.data.sigma is not None:
            constant["sigma"] = (shape, self.data.sigma)
        # whoever opens the draws alone must see which bins may not be used, and why
        constant["passed"] = ("q_bin", np.array([self.passed(k) for k in range(self.data.n_q)]))
        constant["reasons"] = ("q_bin", np.array(["; ".join(self.reasons(k)) for k in range(self.data.n_q)]))
        groups["constant_data"] = xr.Dataset(constant, coords=axes)
        tree = xr.DataTree.from_dict(groups)
        tree.attrs = {
            "model": self.config.model,
            "formula": self.spec.formula,
            "created_at": self.created,
            "inference_library": "numpyro" if self.bayesian else self.warm_start.engine,
            "inference_library_version": self.versions.get("numpyro", ""),
            "seed": self.seed,
        }
        return tree

    def loo(self, k: int) -> Loo:
        """Leave-one-out cross-validation of bin ``k``, to compare models of the same points."""
        size = next(iter(self.samples.values()))[k].size
        effective = [v for v in self.diagnostics[k].ess_bulk.values() if math.isfinite(v)]
        return loo(self.log_likelihood(k)[0], float(np.mean(effective)) / size if effective else 1.0)

    def log_likelihood(self, k: int) -> tuple[FloatArray, NDArray[np.intp]]:
        """(chain, draw, n) pointwise log likelihood of bin ``k``, and the indices of the n delays."""
        use = np.flatnonzero(self.data.used[:, k])
        sigma = np.ones(use.size) if self.data.sigma is None else self.data.sigma[use, k]
        scale = np.ones(1) if NOISE not in self.samples else self.samples[NOISE][k].reshape(-1, 1)
        sigma = sigma * scale
        rest = (
            self.data.g2[use, k] - np.asarray(self.spec.evaluate(self.data.t[use], self.draws(k)))
        ) / sigma
        out = -0.5 * rest * rest - np.log(sigma) - 0.5 * math.log(2.0 * math.pi)
        shape = next(iter(self.samples.values()))[k].shape
        return np.asarray(out).reshape(*shape, use.size), use


def software_versions() -> dict[str, str]:
    """Versions of what computes a fit."""
    names = ("xpcs-dash", "numpy", "scipy", "jax", "optimistix", "nlsq", "numpyro", "arviz-stats", "xarray")
    out = {}
    for name in names:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "source tree" if name == "xpcs-dash" else "not installed"
    return out


def who() -> str:
    """Name of the user that runs this process; empty where the system does not know it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and a.shape == b.shape
            and a.dtype == b.dtype
            and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
        )
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, (FitData, BatchFit, FitDiagnostics, FitConfig)) and type(a) is type(b):
        return all(_same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(a == b)
