"""From a fit to what is said of each bin: the one place where numbers of fits become a `BinResult`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xpcs_dash.fitting.models import get_model
from xpcs_dash.results.estimate import Estimate, Origin, SigmaModel, interval, sigma_model
from xpcs_dash.results.statement import BinResult
from xpcs_dash.results.verdict import Verdict, verdict

if TYPE_CHECKING:
    from xpcs_dash.fitting.batch_result import BatchFit
    from xpcs_dash.fitting.diagnostics import FitDiagnostics
    from xpcs_dash.fitting.nlsq import NLSQResult
    from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["Place", "of_batch", "of_nlsq", "rows_of", "sampled_verdict"]

#: Flags of least squares that say something of the data, and hold after sampling too. Whether the sampler
#: converged and whether the model describes the data, it says itself.
_OF_THE_DATA = frozenset({"too_few_points", "no_decay", "incomplete_decay", "at_bound", "undetermined"})


@dataclass(frozen=True)
class Place:
    """What a fit does not know of its bins.

    Attributes
    ----------
    labels, q, phi : (n,) of the bins that were fitted; ``q_unit`` of q.
    sigma : errors that were asked for, "counting" or "file"; ``photons``: whether they can be counted.
    ref, version : the file.
    settings : in force, those that change numbers.
    request : what was asked for beside model and σ.
    """

    labels: Sequence[int]
    q: Sequence[float]
    phi: Sequence[float]
    q_unit: str = "Å⁻¹"
    sigma: str = "counting"
    photons: bool = True
    ref: str = ""
    version: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        xf: XpcsFile,
        labels: Sequence[int] | None = None,
        sigma: str = "counting",
        request: Mapping[str, Any] | None = None,
    ) -> Place:
        """Of the bins ``labels`` of an open file; None takes all. File and version are those of an index."""
        wanted = range(1, xf.n_q + 1) if labels is None else labels
        columns = [int(label) - 1 for label in wanted]
        return cls(
            labels=tuple(int(label) for label in wanted),
            q=tuple(float(xf.q[k]) for k in columns),
            phi=tuple(float(xf.phi[k]) for k in columns),
            q_unit=xf.q_unit,
            sigma=sigma,
            photons=bool(xf.photons),
            settings={"min_coincidences": xf.min_coincidences},
            request=dict(request or {}),
        )

    def origin(self, method: str, engine: str, **more: Any) -> Origin:
        """How a fit of these bins came about."""
        from xpcs_dash import __version__

        return Origin(method, engine, self.settings, self.request, {"xpcs-dash": __version__}, **more)

    def sigma_model(self, *, known: bool) -> SigmaModel:
        """Where the errors came from."""
        return sigma_model(self.sigma, photons=self.photons, known=known)


def of_batch(fit: BatchFit, place: Place, origin: Origin | None = None) -> tuple[BinResult, ...]:
    """Every bin of a batched fit."""
    made = origin or place.origin("batch", fit.engine)
    ends = {name: fit.interval(name) for name in fit.names}
    model = place.sigma_model(known=fit.sigma_known)
    return tuple(
        BinResult(
            label=int(place.labels[k]),
            q=float(place.q[k]),
            phi=float(place.phi[k]),
            model=fit.model,
            values={
                name: Estimate(
                    float(fit.values[k, j]),
                    float(fit.errors[k, j]),
                    float(ends[name][0][k]),
                    float(ends[name][1][k]),
                    fit.units[j],
                    bool(fit.fixed[j]),
                )
                for j, name in enumerate(fit.names)
            },
            covariance=rows_of(fit.covariance[k]),
            sigma_model=model,
            n_points=int(fit.n_points[k]),
            chi2_red=float(fit.chi2_red[k]),
            verdict=fit.verdict(k),
            ref=place.ref,
            version=place.version,
            q_unit=place.q_unit,
            origin=made,
        )
        for k in range(fit.n_q)
    )


def of_nlsq(result: NLSQResult, k: int, place: Place, known: bool = True) -> BinResult:
    """Bin number ``k`` of ``place``, fitted with nlsq; ``known``: whether g2 had errors."""
    dof = None if known else result.dof
    values = {}
    for p in get_model(result.model).parameters:
        value, sigma = result.values[p.name], result.errors[p.name]
        lower, upper = result.bounds[p.name]
        ends = interval(value, sigma, log=p.log, lower=lower, upper=upper, dof=dof)
        values[p.name] = Estimate(value, sigma, *ends, p.unit, lower == upper)
    return BinResult(
        label=int(place.labels[k]),
        q=float(place.q[k]),
        phi=float(place.phi[k]),
        model=result.model,
        values=values,
        covariance=rows_of(result.covariance),
        sigma_model=place.sigma_model(known=known),
        n_points=result.n_points,
        chi2_red=float(result.chi2_red),
        verdict=result.verdict,
        ref=place.ref,
        version=place.version,
        q_unit=place.q_unit,
        origin=place.origin("nlsq", "nlsq"),
    )


def sampled_verdict(found: FitDiagnostics, flags: Sequence[str]) -> Verdict:
    """The verdict on a sampled bin: its own checks, and what least squares said of the data."""
    codes = [flag for flag in flags if flag.partition(":")[0] in _OF_THE_DATA]
    if not found.converged:
        codes.insert(0, "not_converged")
    if found.misfit:
        codes.append("poor_fit")
    reasons = list(found.reasons)
    for flag in codes:
        clause = verdict((flag,)).reasons[0]
        if flag not in ("not_converged", "poor_fit") and clause not in reasons:
            reasons.append(clause)
    return verdict(codes, reasons)


def rows_of(matrix: Any) -> tuple[tuple[float, ...], ...]:
    """A matrix as plain rows; what is not finite is NaN."""
    return tuple(tuple(float(v) if math.isfinite(v) else math.nan for v in row) for row in matrix)
