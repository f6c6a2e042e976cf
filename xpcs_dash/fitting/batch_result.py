"""What a batched fit gives: numbers, errors and flags of every bin, and what the flags mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.fitting.models import ModelSpec, get_model

__all__ = ["FLAG_SENTENCES", "BatchFit", "flag_sentence"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: What each flag means, for people. ``at_bound`` is followed by the parameters: ``at_bound:tau``.
FLAG_SENTENCES: dict[str, str] = {
    "too_few_points": "too few trustworthy points for this model",
    "no_decay": "no decay in the window: the data do not tell a decay from a constant",
    "incomplete_decay": "the decay does not fit into the window, so tau and contrast depend on each other",
    "at_bound": "a parameter stands at its bound",
    "not_converged": "the fit did not converge",
    "poor_fit": "the model does not describe the data (χ² is too large)",
}


def flag_sentence(flag: str) -> str:
    """A flag as a clause for people; ``at_bound:tau`` names the parameter."""
    name, _, which = flag.partition(":")
    return f"{which} stands at its bound" if which else FLAG_SENTENCES[name]


@dataclass(frozen=True)
class BatchFit:
    """Fits of the ``n_q`` bins of one file with one model.

    Attributes
    ----------
    model : name of the model; ``names``, ``units``: its parameters.
    values, errors : (n_q, n_par) in the parameters' units; errors are one standard deviation, 0 where
        fixed, NaN where the data do not determine them.
    covariance : (n_q, n_par, n_par) of the parameters.
    lower, upper : (n_q, n_par) bounds used.
    fixed : (n_par,) True where the parameter was held.
    chi2, chi2_red, chi2_flat : (n_q,) sum of squared residuals in units of sigma; per degree of freedom;
        and of the best constant. NaN without enough points.
    scale : (n_q,) factor by which the residuals exceed sigma, ``sqrt(chi2_red)``: near 1 when the errors
        are right.
    n_points, dof, steps : (n_q,) points used, degrees of freedom, iterations.
    at_bound : (n_q, n_par); ``no_decay``, ``incomplete_decay``, ``not_converged``, ``too_few_points``,
        ``poor_fit``: (n_q,).
    sigma_known : False where no errors were given: the errors then come from the scatter of the residuals.
    engine, seconds : ``jax`` or ``numpy``, and how long the whole call took.
    """

    model: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    values: FloatArray
    errors: FloatArray
    covariance: FloatArray
    lower: FloatArray
    upper: FloatArray
    fixed: BoolArray
    chi2: FloatArray
    chi2_red: FloatArray
    chi2_flat: FloatArray
    scale: FloatArray
    n_points: NDArray[np.int64]
    dof: NDArray[np.int64]
    steps: NDArray[np.int64]
    at_bound: BoolArray
    no_decay: BoolArray
    incomplete_decay: BoolArray
    not_converged: BoolArray
    too_few_points: BoolArray
    poor_fit: BoolArray
    sigma_known: bool
    engine: str
    seconds: float

    @property
    def spec(self) -> ModelSpec:
        """Description of the model."""
        return get_model(self.model)

    @property
    def n_q(self) -> int:
        """Number of bins."""
        return len(self.values)

    @property
    def determined(self) -> BoolArray:
        """(n_q, n_par) parameters that are not held, whose standard error is smaller than the whole range
        between their bounds, on the axis of the fit. Others have one value of many.
        """
        spec = self.spec
        spread = self.errors / np.where(spec.log, self.values, 1.0)
        with np.errstate(invalid="ignore"):
            known = spread <= spec.coordinates(self.upper) - spec.coordinates(self.lower)
        return np.asarray(known & ~self.fixed)

    @property
    def good(self) -> BoolArray:
        """(n_q,) bins whose tau may be used in a trend or a power law: none of the disqualifying flags."""
        tau = [k for k, n in enumerate(self.names) if n.startswith("tau")]
        bad = self.too_few_points | self.no_decay | self.incomplete_decay | self.not_converged
        return np.asarray(
            ~bad & ~self.at_bound[:, tau].any(axis=1) & (self.determined | self.fixed)[:, tau].all(axis=1)
        )

    def __getitem__(self, name: str) -> FloatArray:
        """(n_q,) values of one parameter."""
        return self.values[:, self.spec.index(name)]

    def error(self, name: str) -> FloatArray:
        """(n_q,) standard errors of one parameter."""
        return self.errors[:, self.spec.index(name)]

    def interval(self, name: str, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """(n_q,), (n_q,) ends of the confidence interval of one parameter.

        Formed on a log axis for relaxation times, with Student's t where the errors come from the scatter;
        clipped to the bounds.
        """
        from scipy.stats import norm, t

        k = self.spec.index(name)
        value, error = self.values[:, k], self.errors[:, k]
        tail = 0.5 + level / 2
        wide = norm.ppf(tail) if self.sigma_known else t.ppf(tail, np.maximum(self.dof, 1))
        if self.spec.parameters[k].log:
            factor = np.exp(np.minimum(wide * error / value, 700.0))
            lo, hi = value / factor, value * factor
        else:
            lo, hi = value - wide * error, value + wide * error
        return np.maximum(lo, self.lower[:, k]), np.minimum(hi, self.upper[:, k])

    def curve(self, t: ArrayLike) -> FloatArray:
        """(n_t, n_q) fitted g2 at the delays ``t`` (s); NaN for bins with too few points."""
        out = np.asarray(self.spec.evaluate(np.asarray(t, dtype=float), self.values), dtype=float).T
        return np.where(self.too_few_points, np.nan, out)

    def flags(self, k: int) -> tuple[str, ...]:
        """Flags of bin ``k`` (0-based position): ``("no_decay", "at_bound:tau")``; empty when all is well."""
        found = [
            name
            for name in ("too_few_points", "no_decay", "incomplete_decay", "not_converged", "poor_fit")
            if getattr(self, name)[k]
        ]
        found += [f"at_bound:{name}" for name, hit in zip(self.names, self.at_bound[k], strict=True) if hit]
        return tuple(found)

    def reasons(self, k: int) -> tuple[str, ...]:
        """The flags of bin ``k`` as sentences."""
        return tuple(flag_sentence(flag) for flag in self.flags(k))

    def params(self, k: int) -> dict[str, float]:
        """Parameters of bin ``k`` by name, those that the model holds (gamma = 1) included."""
        return dict(zip(self.names, map(float, self.values[k]), strict=True)) | dict(self.spec.constants)
