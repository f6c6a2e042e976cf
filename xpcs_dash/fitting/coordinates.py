"""Unconstrained coordinates of one g2 posterior, in NumPy: start, mode, curvature, and the way back to
parameters.

NumPyro maps a bounded site to the real line by ``s = lo + (hi - lo)·sigmoid(u)``. The same map is written
here once more so that start values, whitening and the conversion of draws need no compiled program; a test
holds both together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

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


class _Point(NamedTuple):
    """A posterior at one place: what `Coordinates` computes on the way to its density."""

    values: dict[int, Any]  # parameters by index
    e: Any  # (..., n_t) decay of contrast 1 on no baseline
    weight: Any  # (..., n_t) 1/σ², 0 where left out
    noise: Any  # (...) or None where errors are known
    log_prior: Any  # (...) with all volumes
    u: Any  # (..., dim)
    volume: Any  # (...) of the straightening alone


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

    @property
    def straight(self) -> dict[str, int]:
        """Places in the vector of the parameters in which model and site are linear: see `straighten`."""
        return {
            self.spec.names[k]: i
            for i, k in enumerate(self.free)
            if self.spec.names[k] in ("contrast", "baseline") and not self.on_log(k)
        }

    def straighten(self, v: Any, data: CurveData, numbers: PriorNumbers, xp: Any = np) -> tuple[Any, Any]:
        """NumPyro's unconstrained coordinates (..., dim) of ``v`` (..., dim), and the log volume (...).

        In many curves contrast and baseline follow the relaxation time along a bent, narrow valley: a decay
        that ends outside the window may be slower if its contrast is larger. Given the relaxation time, both
        are known in closed form, mean and width; ``v`` is counted from there in units of that width, which
        makes the valley straight. What is sampled stays the same, because the volume is accounted for.
        """
        point = self._at(v, data, numbers, xp)
        return point.u, point.volume

    def _at(self, v: Any, data: CurveData, numbers: PriorNumbers, xp: Any) -> _Point:
        places, names = self.straight, self.spec.names
        columns = [v[..., i] for i in range(self.dim)]
        volume = log_prior = xp.zeros_like(columns[0])
        found: dict[int, Any] = {}

        def take(i: int, k: int) -> Any:
            value, site, size = self._value(k, columns[i], numbers, found, xp)
            lo, hi = self._limits(k, numbers, found, xp)
            found[k] = value
            return size + self._log_density(k, site, lo, hi, numbers, xp)

        for i, k in enumerate(self.free):
            if names[k] not in places:
                log_prior = log_prior + take(i, k)
        noise: Any = None
        weight = xp.where(data.mask, 1.0 / (data.sigma * data.sigma), 0.0)
        if self.structure.noise:
            off = columns[-1] - xp.log(numbers.noise)
            log_prior = log_prior - 0.5 * (off / NOISE_SCALE) ** 2
            noise = xp.exp(columns[-1])
            weight = weight / (noise * noise)[..., None]
        unit = {"contrast": 1.0, "baseline": 0.0}
        shape = [unit.get(n, found.get(k, numbers.lower[..., k])) for k, n in enumerate(names)]
        wide = [xp.broadcast_to(xp.asarray(x), columns[0].shape) for x in shape]
        e = self.spec.evaluate(data.t, xp.stack(wide, axis=-1), xp)
        for name in unit:
            if name in places:
                i, k = places[name], self.spec.index(name)
                columns[i], size = self._counted(name, columns[i], e, weight, data, numbers, found, xp)
                volume = volume + size
                log_prior = log_prior + take(i, k)
        for k in range(len(names)):
            found.setdefault(k, numbers.lower[..., k])
        return _Point(found, e, weight, noise, log_prior + volume, xp.stack(columns, axis=-1), volume)

    def _counted(
        self,
        name: str,
        v: Any,
        e: Any,
        weight: Any,
        data: CurveData,
        numbers: PriorNumbers,
        found: dict[int, Any],
        xp: Any,
    ) -> tuple[Any, Any]:
        """Unconstrained coordinate of contrast or baseline, given ``found``, and its log volume."""
        k, base = self.spec.index(name), self.spec.index("baseline")
        lo, hi = numbers.lower[..., k], numbers.upper[..., k]
        centre, prior = self._precision(k, numbers)
        prior = prior + 1.0 / (hi - lo) ** 2  # never wider than the bounds
        total = xp.sum(weight, axis=-1)
        if name == "baseline":
            contrast = self.spec.index("contrast")
            amplitude = found.get(contrast, numbers.lower[..., contrast])
            precision = total + prior
            pull = xp.sum(weight * (data.y - amplitude[..., None] * e), axis=-1)
        elif "baseline" in self.straight:
            other, stiff = self._precision(base, numbers)
            stiff = total * stiff / (total + stiff)
            mean_e, mean_y = (xp.sum(weight * a, axis=-1) / total for a in (e, data.y))
            off = (e - mean_e[..., None]) * weight
            precision = prior + xp.sum(off * e, axis=-1) + stiff * mean_e * mean_e
            pull = xp.sum(off * data.y, axis=-1) + stiff * mean_e * (mean_y - other)
        else:
            precision = prior + xp.sum(weight * e * e, axis=-1)
            floor = found.get(base, numbers.lower[..., base])
            pull = xp.sum(weight * e * (data.y - floor[..., None]), axis=-1)
        middle, width = (pull + prior * centre) / precision, 1.0 / xp.sqrt(precision)
        below, above = _above_zero(middle - lo, width, xp), _above_zero(hi - middle, width, xp)
        scale = 1.0 / xp.sqrt(1.0 + (below / width) ** 2) + 1.0 / xp.sqrt(1.0 + (above / width) ** 2)
        return xp.log(below) - xp.log(above) + scale * v, xp.log(scale)

    def _precision(self, k: int, numbers: PriorNumbers) -> tuple[Any, Any]:
        """Centre and inverse variance of the prior of parameter ``k`` where it is normal; else none."""
        kind, scale = self.structure.kinds[k], numbers.scale[..., k]
        if kind == "uniform":
            return 0.5 * (numbers.lower[..., k] + numbers.upper[..., k]), 1e-12 / scale**2
        return (0.0 if kind == "halfnormal" else numbers.loc[..., k]), 1.0 / scale**2

    def _value(
        self, k: int, u: Any, numbers: PriorNumbers, values: dict[int, Any], xp: Any = np
    ) -> tuple[Any, Any, Any]:
        """Parameter ``k`` at its unconstrained coordinate, its site, and log volume of that map."""
        lo, hi = self._limits(k, numbers, values, xp)
        # written so that neither end overflows
        sign = xp.where(xp.real(u) < 0, 1.0, -1.0)
        small = xp.exp(sign * u)
        site = lo + (hi - lo) * xp.where(sign > 0, small, 1.0) / (1.0 + small)
        volume = xp.log(hi - lo) + sign * u - 2.0 * xp.log1p(small)
        return (xp.exp(site) if self.on_log(k) else site), site, volume

    def _limits(self, k: int, numbers: PriorNumbers, values: dict[int, Any], xp: Any = np) -> tuple[Any, Any]:
        """Bounds of the site of parameter ``k``, on its own axis."""
        lo, hi = numbers.lower[..., k], numbers.upper[..., k]
        if self.spec.ordered and self.spec.names[k] == self.spec.ordered[0]:
            second = values.get(
                self.spec.index(self.spec.ordered[1]),
                numbers.lower[..., self.spec.index(self.spec.ordered[1])],
            )
            orders = self.spec.orders(numbers.lower, numbers.upper)
            hi = xp.where(orders & (xp.real(second) < hi), second, hi)
        if self.structure.kinds[k] == "halfnormal":
            lo = xp.maximum(lo, 0.0)
        return (xp.log(lo), xp.log(hi)) if self.on_log(k) else (lo, hi)

    def values(
        self, v: NDArray[Any], data: CurveData, numbers: PriorNumbers
    ) -> tuple[FloatArray, FloatArray]:
        """Parameters (..., n_par) and noise scale (...) at ``v`` (..., dim)."""
        point = self._at(v, data, numbers, np)
        params = np.stack(
            np.broadcast_arrays(*(point.values[k] for k in range(len(self.spec.names)))), axis=-1
        )
        return params, np.ones(v.shape[:-1]) if point.noise is None else point.noise

    def _log_density(self, k: int, site: Any, lo: Any, hi: Any, numbers: PriorNumbers, xp: Any) -> Any:
        """Log prior density of a site, up to a constant of the data; bounds that move do count."""
        kind = self.structure.kinds[k]
        if kind == "uniform":
            return -xp.log(hi - lo)
        scale = numbers.scale[..., k]
        centre: Any = 0.0 if kind == "halfnormal" else numbers.loc[..., k]
        if kind == "lognormal":
            centre = xp.log(centre)
        out = -0.5 * ((site - centre) / scale) ** 2
        if self.spec.ordered and self.spec.names[k] == self.spec.ordered[0]:
            out = out - xp.log(_normal_mass((lo - centre) / scale, (hi - centre) / scale, xp))
        return out

    def potential(self, v: Any, data: CurveData, numbers: PriorNumbers, xp: Any = np) -> Any:
        """(...) minus log posterior at ``v`` (..., dim), up to a constant; real or complex."""
        point = self._at(v, data, numbers, xp)
        contrast, baseline = (point.values[self.spec.index(n)][..., None] for n in ("contrast", "baseline"))
        rest = data.y - baseline - contrast * point.e
        out = 0.5 * xp.sum(rest * rest * point.weight, axis=-1) - point.log_prior
        if point.noise is not None:
            out = out + data.mask.sum(axis=-1) * xp.log(point.noise)
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
        """(n_c, dim) coordinates of parameters (n_c, n_par), kept a hundredth of the range inside.

        Contrast and baseline start where the others put them.
        """
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
        out[:, list(self.straight.values())] = 0.0
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


def _above_zero(x: Any, width: Any, xp: Any) -> Any:
    """``x`` where it is well above zero, a smooth positive number where it is not: the mean, roughly, of what
    lies above zero of a normal distribution about ``x``.
    """
    root = xp.sqrt(x * x + 4.0 * width * width)
    right = xp.real(x) > 0
    # written so that neither branch subtracts what is nearly equal, nor divides by zero
    return xp.where(right, 0.5 * (x + root), 2.0 * width * width / (root - xp.where(right, 0.0 * x, x)))


def _normal_mass(a: Any, b: Any, xp: Any) -> Any:
    """Probability of a unit normal between ``a`` (real) and ``b`` (real, or on a complex step)."""
    if xp is not np:
        from jax.scipy.special import ndtr as smooth_ndtr

        return xp.maximum(smooth_ndtr(b) - smooth_ndtr(a), 1e-300)
    from scipy.special import ndtr

    mass = np.maximum(ndtr(np.real(b)) - ndtr(np.real(a)), 1e-300)
    slope = np.exp(-0.5 * np.real(b) ** 2) / np.sqrt(2.0 * np.pi)
    return mass + 1j * slope * np.imag(b) if np.iscomplexobj(b) else mass
