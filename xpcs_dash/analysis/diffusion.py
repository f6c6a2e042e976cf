"""Relaxation time against q: a weighted power law, and the diffusion coefficient where it is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError

if TYPE_CHECKING:
    from xpcs_dash.fitting.batch_result import BatchFit
    from xpcs_dash.results.statement import BinResult
    from xpcs_dash.results.xpcs_file import XpcsFile

Floats = NDArray[np.float64]
Status = Literal["ok", "bound", "failed"]


@dataclass(frozen=True)
class Points:
    """Fitted values of one parameter against q.

    Attributes
    ----------
    label : (n,) 1-based q-bin labels.
    q : (n,) Å⁻¹.
    value, error : (n,) in the parameter's unit; NaN where the fit failed.
    status : (n,) "ok" where the bin is good, "failed" where it has no fit, else "bound".
    """

    label: NDArray[np.int64]
    q: Floats
    value: Floats
    error: Floats
    status: tuple[str, ...]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(n,) points of good bins that a further fit on log axes can take."""
        return np.asarray(
            (np.array(self.status) == "ok")
            & np.isfinite(self.value)
            & np.isfinite(self.error)
            & (self.value > 0)
            & (self.error > 0)
            & (self.q > 0)
        )


@dataclass(frozen=True)
class PowerLaw:
    """τ = a·q^b, fitted as log τ = log a + b·log q with weights (τ/σ)².

    Attributes
    ----------
    log_a, b : with q in Å⁻¹ and τ in s.
    log_a_err, b_err : standard errors, scaled up by √χ² where the scatter exceeds the error bars.
    chi2 : reduced χ²; NaN for two points.
    n : points used.
    d, d_err : diffusion coefficient in Å²/s from a fit with b = −2; None where b is not compatible with it.
    covariance : of (log a, b).
    log_q0 : mean log q, about which the line is best known.
    """

    log_a: float
    b: float
    log_a_err: float
    b_err: float
    chi2: float
    n: int
    d: float | None
    d_err: float | None
    covariance: tuple[tuple[float, float], tuple[float, float]]
    log_q0: float

    @property
    def a(self) -> float:
        """Prefactor: seconds·Å^b."""
        return float(np.exp(self.log_a))

    def tau(self, q: Floats) -> Floats:
        """Fitted relaxation time at ``q``."""
        return np.asarray(np.exp(self.log_a + self.b * np.log(q)))

    def band(self, q: Floats) -> tuple[Floats, Floats]:
        """Limits of one standard error of the line at ``q``."""
        x = np.log(np.asarray(q, float))
        (aa, ab), (_, bb) = self.covariance
        spread = np.sqrt(np.maximum(aa + 2 * ab * x + bb * x * x, 0.0))
        middle = self.log_a + self.b * x
        return np.asarray(np.exp(middle - spread)), np.asarray(np.exp(middle + spread))


def fit_every_bin(xf: XpcsFile, model: str = "single", backend: str = "numpy") -> BatchFit:
    """Fit of all q-bins of a file with the model's own bounds: ingest, pages and exports take this one.

    Raises
    ------
    UsageError
        Where the file holds no multi-tau g2.
    """
    from xpcs_dash.fitting.batch import fit_all_q

    if xf.n_delay == 0 or xf.g2.size == 0:
        raise UsageError(f"{xf.path.name} holds no multi-tau g₂, so there is nothing to fit.")
    # without any error of g2 the scale of the noise is taken from the scatter
    sigma = xf.g2_sigma if np.isfinite(xf.g2_sigma).any() else None
    return fit_all_q(xf.t_el, xf.g2, sigma, xf.trusted, model=model, backend=backend)


def statements_of(xf: XpcsFile, model: str = "single", backend: str = "numpy") -> tuple[BinResult, ...]:
    """What `fit_every_bin` says of each bin."""
    from xpcs_dash.fitting.statements import Place, of_batch

    return of_batch(fit_every_bin(xf, model, backend), Place.of(xf))


def points_of(bins: Sequence[BinResult], parameter: str) -> Points:
    """One parameter of fitted bins against q, with a status for each bin; see `Verdict`.

    Parameters
    ----------
    bins : of one file.
    parameter : one of the fit's names.
    """
    values = [b[parameter] for b in bins]
    return Points(
        np.array([b.label for b in bins], dtype=np.int64),
        np.array([b.q for b in bins], dtype=np.float64),
        np.array([v.value for v in values], dtype=np.float64),
        np.array([v.sigma for v in values], dtype=np.float64),
        tuple("ok" if b.good else "bound" if b.verdict.has_curve else "failed" for b in bins),
    )


def times_of(bins: Sequence[BinResult]) -> Points:
    """Relaxation times (s) of fitted bins against q, as the model makes them of its parameters."""
    from xpcs_dash.fitting.models import get_model

    how = get_model(bins[0].model).relaxation
    found = points_of(bins, how.parameter)
    value, error = how.times(found.value, found.error)
    return replace(found, value=value, error=error)


def power_law(points: Points, q_range: tuple[float, float] | None = None, slack: float = 0.2) -> PowerLaw:
    """Fit τ = a·q^b to the points that are good.

    Parameters
    ----------
    points : relaxation times in s.
    q_range : only points inside (Å⁻¹); None takes all.
    slack : b counts as diffusive where |b + 2| is below this or below two standard errors.

    Raises
    ------
    UsageError
        For fewer than two usable points.

    Notes
    -----
    With g2 − 1 ∝ exp(−2τ/τc) and diffusion, τc = 1/(D·q²), so D = 1/a for b = −2 (Å²/s). D comes from a fit
    of its own with b fixed, because a and b of the free fit are almost fully correlated.
    """
    use = points.usable
    if q_range is not None:
        use &= (points.q >= q_range[0]) & (points.q <= q_range[1])
    if use.sum() < 2:
        raise UsageError(
            f"A power law needs two good relaxation times; {int(use.sum())} of {use.size} bins have one."
        )
    x, y = np.log(points.q[use]), np.log(points.value[use])
    weight = (points.value[use] / points.error[use]) ** 2
    x0 = float((weight * x).sum() / weight.sum())
    sxx = float((weight * (x - x0) ** 2).sum())
    if sxx <= 0:
        raise UsageError("A power law needs two different q values.")
    y0 = float((weight * y).sum() / weight.sum())
    b = float((weight * (x - x0) * (y - y0)).sum()) / sxx
    rest = y - y0 - b * (x - x0)
    n = int(use.sum())
    chi2 = float((weight * rest**2).sum() / (n - 2)) if n > 2 else float("nan")
    scale = max(chi2, 1.0) if np.isfinite(chi2) else 1.0
    var_b, var_y0 = scale / sxx, scale / float(weight.sum())
    var_a, cov = var_y0 + x0**2 * var_b, -x0 * var_b
    b_err = float(np.sqrt(var_b))
    d = d_err = None
    if abs(b + 2.0) <= max(slack, 2.0 * b_err):
        log_d = -float((weight * (y + 2.0 * x)).sum() / weight.sum())
        apart = y + 2.0 * x + log_d
        spread = float((weight * apart**2).sum() / (n - 1))
        d = float(np.exp(log_d))
        d_err = d * float(np.sqrt(max(spread, 1.0) / weight.sum()))
    return PowerLaw(
        y0 - b * x0, b, float(np.sqrt(var_a)), b_err, chi2, n, d, d_err, ((var_a, cov), (cov, var_b)), x0
    )


BOLTZMANN = 1.380649e-23


def hydrodynamic_radius(d_a2_s: float, temperature_k: float, viscosity_pa_s: float) -> float:
    """Stokes-Einstein radius in nm for a diffusion coefficient in Å²/s.

    Raises
    ------
    UsageError
        Where a value is not above zero.
    """
    if not (d_a2_s > 0 and temperature_k > 0 and viscosity_pa_s > 0):
        raise UsageError("A radius needs a positive D, temperature and viscosity.")
    return BOLTZMANN * temperature_k / (6 * np.pi * viscosity_pa_s * d_a2_s * 1e-20) * 1e9
