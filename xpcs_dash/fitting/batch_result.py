"""What a batched fit gives: numbers, errors and flags of every bin, and what the flags mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.fitting.models import ModelSpec, get_model
from xpcs_dash.results.estimate import LEVEL, interval
from xpcs_dash.results.verdict import BIN_FLAGS as FLAG_SENTENCES
from xpcs_dash.results.verdict import Verdict, flag_sentence, verdict

__all__ = ["FLAG_SENTENCES", "BatchFit", "determined", "flag_sentence"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def determined(
    spec: ModelSpec, values: FloatArray, errors: FloatArray, lower: FloatArray, upper: FloatArray
) -> BoolArray:
    """(…, n_par) parameters that the data determine; others have one value of many.

    On the axis of the fit the standard error is smaller than the whole range between the bounds, and on a log
    axis smaller than 1: the number is known within a factor of e.
    """
    spread = errors / np.where(spec.log, values, 1.0)
    room = spec.coordinates(upper) - spec.coordinates(lower)
    with np.errstate(invalid="ignore"):
        return np.asarray(spread <= np.where(spec.log, np.minimum(room, 1.0), room))


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

    @cached_property
    def determined(self) -> BoolArray:
        """(n_q, n_par) parameters that are not held and that the data determine; see `determined`."""
        known = determined(self.spec, self.values, self.errors, self.lower, self.upper)
        return np.asarray(known & ~self.fixed)

    @cached_property
    def undetermined(self) -> BoolArray:
        """(n_q, n_par) free parameters that the data leave open, in bins that have a fit and a decay."""
        fitted = ~(self.too_few_points | self.no_decay | self.not_converged)
        return np.asarray(~self.determined & ~self.fixed & fitted[:, None])

    def verdict(self, k: int) -> Verdict:
        """Whether the numbers of bin ``k`` may be used, and why not."""
        return verdict(self.flags(k))

    @cached_property
    def good(self) -> BoolArray:
        """(n_q,) bins whose numbers may be used as they stand; see `Verdict.good`."""
        return np.array([self.verdict(k).good for k in range(self.n_q)], dtype=bool)

    def __getitem__(self, name: str) -> FloatArray:
        """(n_q,) values of one parameter."""
        return self.values[:, self.spec.index(name)]

    def error(self, name: str) -> FloatArray:
        """(n_q,) standard errors of one parameter."""
        return self.errors[:, self.spec.index(name)]

    def interval(self, name: str, level: float = LEVEL) -> tuple[FloatArray, FloatArray]:
        """(n_q,), (n_q,) ends of the confidence interval of one parameter.

        Formed on a log axis for relaxation times, with Student's t where the errors come from the scatter;
        clipped to the bounds. See `results.estimate.interval`.
        """
        k = self.spec.index(name)
        log = self.spec.parameters[k].log
        ends = [
            interval(
                float(self.values[i, k]),
                float(self.errors[i, k]),
                log=log,
                lower=float(self.lower[i, k]),
                upper=float(self.upper[i, k]),
                dof=None if self.sigma_known else int(self.dof[i]),
                level=level,
            )
            for i in range(self.n_q)
        ]
        both = np.array(ends, dtype=np.float64).reshape(-1, 2)
        return both[:, 0], both[:, 1]

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
        open_ones = zip(self.names, self.undetermined[k] & ~self.at_bound[k], strict=True)
        found += [f"undetermined:{name}" for name, hit in open_ones if hit]
        return tuple(found)

    def reasons(self, k: int) -> tuple[str, ...]:
        """The flags of bin ``k`` as sentences."""
        return self.verdict(k).reasons

    def params(self, k: int) -> dict[str, float]:
        """Parameters of bin ``k`` by name, those that the model holds (gamma = 1) included."""
        return dict(zip(self.names, map(float, self.values[k]), strict=True)) | dict(self.spec.constants)
