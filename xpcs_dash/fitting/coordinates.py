"""Unconstrained coordinates of one g2 posterior, in NumPy: start, mode, curvature, and the way back to
parameters.

NumPyro maps a bounded site to the real line by ``s = lo + (hi - lo)·sigmoid(u)``. The same map is written
here once more so that start values, whitening and the conversion of draws need no compiled program; a test
holds both together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.fitting.models import ModelSpec
from xpcs_dash.fitting.newton import newton_step, next_damping
from xpcs_dash.fitting.probabilistic import NOISE, NOISE_SCALE, CurveData, PriorNumbers, Structure

__all__ = ["Coordinates"]

FloatArray = NDArray[np.float64]

_MODE_STEPS = 60
#: Largest standard deviation, in unconstrained coordinates, that the whitening believes.
_WIDEST = 4.0


@dataclass(frozen=True)
class Coordinates:
    """The sampled sites of one model structure, as a flat vector of unconstrained numbers."""

    spec: ModelSpec
    structure: Structure

    @property
    def free(self) -> tuple[int, ...]:
        """Indices of the sampled parameters, those that bound others first."""
        order = [k for k, kind in enumerate(self.structure.kinds) if kind is not None]
        if self.spec.ordered:
            first = self.spec.index(self.spec.ordered[0])
            order.sort(key=lambda k: k == first)
        return tuple(order)

    def on_log(self, k: int) -> bool:
        """True where the site of parameter ``k`` is its logarithm."""
        kind = self.structure.kinds[k]
        return kind == "lognormal" or (kind == "uniform" and self.spec.parameters[k].log)

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sampled sites in the order of the vector."""
        names = [("log_" if self.on_log(k) else "") + self.spec.names[k] for k in self.free]
        return (*names, f"log_{NOISE}") if self.structure.noise else tuple(names)

    @property
    def dim(self) -> int:
        """Length of the vector."""
        return len(self.sites)

    def _limits(self, k: int, numbers: PriorNumbers, values: dict[int, Any]) -> tuple[Any, Any]:
        """Bounds of the site of parameter ``k``, on its own axis."""
        lo, hi = numbers.lower[..., k], numbers.upper[..., k]
        if self.spec.ordered and self.spec.names[k] == self.spec.ordered[0]:
            second = values.get(
                self.spec.index(self.spec.ordered[1]),
                numbers.lower[..., self.spec.index(self.spec.ordered[1])],
            )
            hi = np.where(np.real(second) < hi, second, hi)
        if self.structure.kinds[k] == "halfnormal":
            lo = np.maximum(lo, 0.0)
        return (np.log(lo), np.log(hi)) if self.on_log(k) else (lo, hi)

    def values(self, u: NDArray[Any], numbers: PriorNumbers) -> tuple[NDArray[Any], Any, Any]:
        """Parameters (..., n_par), noise scale and log prior (...), with the volume of the map, at ``u``."""
        found: dict[int, Any] = {}
        log_prior: Any = np.zeros(u.shape[:-1], dtype=u.dtype)
        for i, k in enumerate(self.free):
            lo, hi = self._limits(k, numbers, found)
            # written so that neither end overflows
            sign = np.where(np.real(u[..., i]) < 0, 1.0, -1.0)
            small = np.exp(sign * u[..., i])
            share = np.where(sign > 0, small, 1.0) / (1.0 + small)
            site = lo + (hi - lo) * share
            log_prior = log_prior + np.log(hi - lo) + sign * u[..., i] - 2.0 * np.log1p(small)
            log_prior = log_prior + self._log_density(k, site, lo, hi, numbers)
            found[k] = np.exp(site) if self.on_log(k) else site
        columns = [found.get(k, numbers.lower[..., k]) for k in range(len(self.spec.names))]
        params = np.stack(np.broadcast_arrays(*columns), axis=-1)
        noise: Any = np.ones(u.shape[:-1])
        if self.structure.noise:
            off = u[..., -1] - np.log(numbers.noise)
            log_prior = log_prior - 0.5 * (off / NOISE_SCALE) ** 2
            noise = np.exp(u[..., -1])
        return params, noise, log_prior

    def _log_density(self, k: int, site: Any, lo: Any, hi: Any, numbers: PriorNumbers) -> Any:
        """Log prior density of a site, up to a constant of the data; bounds that move do count."""
        kind = self.structure.kinds[k]
        if kind == "uniform":
            return -np.log(hi - lo)
        scale = numbers.scale[..., k]
        centre: Any = 0.0 if kind == "halfnormal" else numbers.loc[..., k]
        if kind == "lognormal":
            centre = np.log(centre)
        out = -0.5 * ((site - centre) / scale) ** 2
        if self.spec.ordered and self.spec.names[k] == self.spec.ordered[0]:
            out = out - np.log(_normal_mass((lo - centre) / scale, (hi - centre) / scale))
        return out

    def potential(self, u: NDArray[Any], data: CurveData, numbers: PriorNumbers) -> Any:
        """(n_c,) minus log posterior at ``u`` (n_c, dim), up to a constant; real or complex."""
        params, noise, log_prior = self.values(u, numbers)
        weight = np.where(data.mask, 1.0 / data.sigma, 0.0)
        rest = (data.y - self.spec.evaluate(data.t, params)) * weight / noise[..., None]
        out = 0.5 * np.sum(rest * rest, axis=-1) - log_prior
        if self.structure.noise:
            out = out + data.mask.sum(axis=-1) * np.log(noise)
        return out

    def gradient(self, u: FloatArray, data: CurveData, numbers: PriorNumbers) -> FloatArray:
        """(n_c, dim) derivative of `potential`, by complex steps."""
        out = np.empty_like(u)
        for k in range(u.shape[1]):
            moved = u.astype(complex)
            moved[:, k] += 1e-30j
            out[:, k] = np.imag(self.potential(moved, data, numbers)) / 1e-30
        return out

    def hessian(self, u: FloatArray, data: CurveData, numbers: PriorNumbers) -> FloatArray:
        """(n_c, dim, dim) second derivative, by central differences of `gradient`."""
        columns = []
        for k in range(u.shape[1]):
            shift = np.zeros(u.shape[1])
            shift[k] = 1e-5
            ahead, behind = self.gradient(u + shift, data, numbers), self.gradient(u - shift, data, numbers)
            columns.append((ahead - behind) / 2e-5)
        out = np.stack(columns, axis=-1)
        return np.asarray(0.5 * (out + out.transpose(0, 2, 1)))

    def start(self, params: FloatArray, numbers: PriorNumbers) -> FloatArray:
        """(n_c, dim) coordinates of parameters (n_c, n_par), kept a hundredth of the range inside."""
        out = np.empty((len(params), self.dim))
        found: dict[int, Any] = {}
        for i, k in enumerate(self.free):
            lo, hi = self._limits(k, numbers, found)
            value = np.maximum(params[:, k], 1e-300)
            site = np.log(value) if self.on_log(k) else params[:, k]
            share = np.clip((site - lo) / np.maximum(hi - lo, 1e-300), 0.01, 0.99)
            out[:, i] = np.log(share) - np.log1p(-share)
            inside = lo + (hi - lo) * share
            found[k] = np.exp(inside) if self.on_log(k) else inside
        if self.structure.noise:
            out[:, -1] = np.log(numbers.noise)
        return out

    def whitening(
        self, params: FloatArray, data: CurveData, numbers: PriorNumbers
    ) -> tuple[FloatArray, FloatArray]:
        """Mode (n_c, dim) found from ``params``, and a root (n_c, dim, dim) of the inverse curvature there.

        ``u = mode + root @ eps`` makes a nearly Gaussian posterior nearly a unit sphere in eps.
        """
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            u = self._mode(self.start(params, numbers), data, numbers)
            curvature = np.nan_to_num(self.hessian(u, data, numbers), nan=0.0, posinf=0.0, neginf=0.0)
        values, vectors = np.linalg.eigh(curvature)
        return u, vectors / np.sqrt(np.maximum(np.abs(values), _WIDEST**-2))[:, None, :]

    def _mode(self, u: FloatArray, data: CurveData, numbers: PriorNumbers) -> FloatArray:
        cost = np.asarray(self.potential(u, data, numbers))
        damping, live = np.zeros(len(u)), np.arange(len(u))
        for _ in range(_MODE_STEPS):
            d, p = CurveData(*(x[live] for x in data)), PriorNumbers(*(x[live] for x in numbers))
            g, h = self.gradient(u[live], d, p), self.hessian(u[live], d, p)
            usable = np.isfinite(g).all(axis=1) & np.isfinite(h).all(axis=(1, 2))
            h = np.where(usable[:, None, None], h, np.eye(u.shape[1]))
            g = np.where(usable[:, None], g, 0.0)
            values, vectors = np.linalg.eigh(h)
            move, decrement, predicted, floor = newton_step(np, g, values, vectors, damping[live])
            trial = u[live] + move
            new = np.asarray(self.potential(trial, d, p))
            better = new <= cost[live]
            damping[live] = next_damping(np, damping[live], better, cost[live] - new, predicted, floor)
            take = live[better]
            u[take], cost[take] = trial[better], new[better]
            live = live[decrement > 1e-3]  # a hundredth of a standard deviation is near enough
            if live.size == 0:
                break
        return u


def _normal_mass(a: Any, b: Any) -> Any:
    """Probability of a unit normal between ``a`` (real) and ``b`` (real, or on a complex step)."""
    from scipy.special import ndtr

    mass = ndtr(np.real(b)) - ndtr(np.real(a))
    slope = np.exp(-0.5 * np.real(b) ** 2) / np.sqrt(2.0 * np.pi)
    return (
        np.maximum(mass, 1e-300) + 1j * slope * np.imag(b) if np.iscomplexobj(b) else np.maximum(mass, 1e-300)
    )
