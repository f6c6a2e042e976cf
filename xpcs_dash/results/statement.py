"""What we say about a bin and about a file: made once, stored once; everything that leaves derives from it.

Pages, tables, exports, the JSON interface and the command line take their numbers from a `BinResult` or a
`FileStatement`, so they cannot disagree. Both have a form in JSON that carries the number of its schema, and
is validated when it is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from xpcs_dash.results import plain
from xpcs_dash.results.estimate import (
    LEVEL,
    REVIEWS,
    SIGMA_MODELS,
    Estimate,
    Origin,
    Review,
    SigmaModel,
    interval,
    sigma_model,
)
from xpcs_dash.results.verdict import Verdict, verdict

__all__ = [
    "FITTED",
    "LEVEL",
    "REVIEWS",
    "SCHEMA",
    "SIGMA_MODELS",
    "BinResult",
    "Estimate",
    "FileStatement",
    "Origin",
    "Review",
    "SigmaModel",
    "interval",
    "sigma_model",
]

#: Number of the schema of both statements. What was stored with another one is made anew.
SCHEMA = 1
#: Fields of a `FileStatement` that the fits of its bins add.
FITTED = ("tau", "tau_err", "tau_flags", "diffusion", "diffusion_err", "chi2_red", "n_good")
#: Fields that its JSON leaves out where there is nothing to say.
_ONLY_WHERE_KNOWN = frozenset({"ref", "version", "about", "fit_pending", "fit_error"})


@dataclass(frozen=True)
class BinResult:
    """All that is said about one bin of one file.

    Attributes
    ----------
    ref, version : the file, and the fingerprint of what it held; empty where it lies outside an index.
    label, q, phi, q_unit : 1-based label of the dynamic map; where the bin lies, φ in degrees.
    model : name of the model of g2.
    values : parameter -> `Estimate`, in the order of the model.
    covariance : of the parameters, in the same order; NaN where it is not known.
    sigma_model : one of `SIGMA_MODELS`.
    n_points : points that took part.
    chi2_red : χ² per degree of freedom.
    verdict : whether it may be used, and why not.
    review, origin : what somebody said of it, and how it came about.
    schema : see `SCHEMA`.
    """

    label: int
    q: float
    phi: float
    model: str
    values: Mapping[str, Estimate]
    covariance: tuple[tuple[float, ...], ...]
    sigma_model: SigmaModel
    n_points: int
    chi2_red: float
    verdict: Verdict
    ref: str = ""
    version: str = ""
    q_unit: str = "Å⁻¹"
    review: Review = field(default_factory=Review)
    origin: Origin = field(default_factory=Origin)
    schema: int = SCHEMA

    @property
    def good(self) -> bool:
        """Whether the numbers may be used as they stand; see `Verdict.good`."""
        return self.verdict.good

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters in the order of the covariance."""
        return tuple(self.values)

    def __getitem__(self, name: str) -> Estimate:
        """One parameter."""
        return self.values[name]

    def of(self, ref: str, version: str | None) -> BinResult:
        """The same, about the file of this name and version."""
        return replace(self, ref=ref, version=version or "")

    def to_json(self) -> dict[str, Any]:
        """Plain values, at full precision."""
        return {
            "schema": self.schema,
            "ref": self.ref,
            "version": self.version,
            "label": self.label,
            "q": plain.number(self.q),
            "phi": plain.number(self.phi),
            "q_unit": self.q_unit,
            "model": self.model,
            "values": {name: estimate.to_json() for name, estimate in self.values.items()},
            "level": LEVEL,
            "covariance": [[plain.number(v) for v in row] for row in self.covariance],
            "sigma_model": self.sigma_model,
            "n_points": self.n_points,
            "chi2_red": plain.number(self.chi2_red),
            "verdict": verdict_json(self.verdict),
            "review": self.review.to_json(),
            "provenance": self.origin.to_json(),
        }

    @classmethod
    def from_json(cls, given: Any) -> BinResult:
        """Inverse of `to_json`.

        Raises
        ------
        SchemaError
            Where it is none of ours: names the field, what was expected there and what was found.
        """
        at = plain.At("BinResult")
        values = at.mapping(given, extra=True)
        check_schema(at, values)
        if at.number(values, "level") != LEVEL:
            raise at.refuse("level", f"{LEVEL}", values["level"])
        parameters = at.table(values, "values")
        estimates = {n: Estimate.from_json(v, at.inside(f"values.{n}")) for n, v in parameters.items()}
        return cls(
            label=at.whole(values, "label"),
            q=at.number(values, "q"),
            phi=at.number(values, "phi"),
            model=at.text(values, "model"),
            values=estimates,
            covariance=at.square(values, "covariance", len(estimates)),
            sigma_model=cast("SigmaModel", at.one_of(values, "sigma_model", SIGMA_MODELS)),
            n_points=at.whole(values, "n_points"),
            chi2_red=at.number(values, "chi2_red"),
            verdict=verdict_from(values.get("verdict"), at.inside("verdict")),
            ref=at.text(values, "ref"),
            version=at.text(values, "version"),
            q_unit=at.text(values, "q_unit"),
            review=Review.from_json(values.get("review"), at.inside("review")),
            origin=Origin.from_json(values.get("provenance"), at.inside("provenance")),
        )


def verdict_json(found: Verdict) -> dict[str, Any]:
    """A verdict as plain values, with what follows from it."""
    return {
        "good": found.good,
        "state": found.state,
        "flags": list(found.flags),
        "reasons": list(found.reasons),
    }


def verdict_from(given: Any, at: plain.At) -> Verdict:
    """Inverse of `verdict_json`; refuses a "good" that does not follow from its flags."""
    values = at.mapping(given, extra=True)
    found = verdict(at.texts(values, "flags"), at.texts(values, "reasons"))
    if values.get("good") is not found.good:
        raise at.refuse("good", f"{found.good}, which follows from its flags", values.get("good"))
    return found


def check_schema(at: plain.At, values: Mapping[str, Any]) -> None:
    """Refuse what was written with another schema."""
    found = values.get("schema")
    if found != SCHEMA or isinstance(found, bool):
        expected = f"{SCHEMA}: it was written by another version, and is made anew when the file is read"
        raise at.refuse("schema", expected, found)


@dataclass(frozen=True)
class FileStatement:
    """All scalars of one file, and its flags.

    Attributes
    ----------
    ref, version : the file, and the fingerprint of what it holds.
    intensity : mean scattering per pixel and frame, over the pixels of the map, in ``intensity_unit``.
    intensity_source : where it was taken from.
    q_label, q : the bin whose contrast stands for the file (1-based label; in ``q_unit``).
    contrast, baseline : of that bin, from the ends of its curve without a model, with standard errors.
    decays : share of the bins whose short end stands above the long end by more than three errors.
    points, trusted_points, zero_points, starved_points, starved_fraction : of g2.
    min_coincidences : the setting by which points are starved.
    n_q, n_delay, n_twotime : bins, delays, two-time matrices.
    drift, drift_err : relative change of I(t) over the run, from a straight line; ``drift_per_s`` the same
        per second.
    lost_share : share of the run without beam.
    stability : word of `analysis.stability.judge`, with the rule in ``stability_rule``.
    duration_s : frames times frame time.
    map_hash : of the q-map.
    averaged_from : number of files averaged, 0 for a single acquisition.
    geometry_mismatch : fields that disagree.
    sample, temperature_k : name and temperature of the sample.
    tau, tau_err, tau_flags : of the bin ``q_label``, out of its `BinResult`: the flags are those of its
        verdict.
    diffusion, diffusion_err : Å²/s, median of 1/(τ q²) over the good bins.
    chi2_red : median over the bins.
    n_good : bins that are good; None while the curves are not fitted.
    flags : codes; those that compare it with the file before included where it comes from an index.
    about, fit_pending, fit_error : what it is where it is no result; why its curves are not fitted yet, or
        cannot be.
    schema : see `SCHEMA`.
    """

    ref: str = ""
    version: str = ""
    intensity: float | None = None
    intensity_source: str | None = None
    intensity_unit: str | None = None
    q_label: int | None = None
    q: float | None = None
    q_unit: str | None = None
    contrast: float | None = None
    contrast_err: float | None = None
    baseline: float | None = None
    baseline_err: float | None = None
    decays: float | None = None
    points: int = 0
    trusted_points: int = 0
    zero_points: int = 0
    starved_points: int | None = None
    starved_fraction: float | None = None
    min_coincidences: float | None = None
    n_q: int = 0
    n_delay: int = 0
    n_twotime: int = 0
    drift: float | None = None
    drift_err: float | None = None
    drift_per_s: float | None = None
    lost_share: float | None = None
    stability: str | None = None
    stability_rule: str | None = None
    duration_s: float | None = None
    map_hash: str | None = None
    averaged_from: int = 0
    geometry_mismatch: tuple[str, ...] = ()
    sample: str | None = None
    temperature_k: float | None = None
    tau: float | None = None
    tau_err: float | None = None
    tau_flags: tuple[str, ...] = ()
    diffusion: float | None = None
    diffusion_err: float | None = None
    chi2_red: float | None = None
    n_good: int | None = None
    flags: tuple[str, ...] = ()
    about: str | None = None
    fit_pending: str | None = None
    fit_error: str | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        # one way to say that a number is not known, in memory as in JSON
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, float) and not math.isfinite(value):
                object.__setattr__(self, f.name, None)

    @property
    def fitted(self) -> bool:
        """Whether its curves are fitted."""
        return self.n_good is not None

    @property
    def tau_verdict(self) -> Verdict:
        """The verdict on the bin of which τ is."""
        return verdict(self.tau_flags)

    def quantity(self, name: str) -> Estimate:
        """A number with its standard error; NaN for what the file lacks, and for τ where it says nothing."""
        value, sigma = getattr(self, name), getattr(self, f"{name}_err", None)
        if name == "tau" and not self.tau_verdict.has_numbers:
            value = sigma = None
        known = math.nan if value is None else float(value), math.nan if sigma is None else float(sigma)
        return Estimate(*known, *interval(*known, log=name == "tau"))

    def to_json(self) -> dict[str, Any]:
        """Plain values at seven digits; what is not finite is null, and so is what is not known."""
        made = {f.name: plain.rounded(getattr(self, f.name)) for f in fields(self)}
        left_out = () if self.fitted else FITTED
        return {
            name: value
            for name, value in made.items()
            if name not in left_out and not (name in _ONLY_WHERE_KNOWN and value in (None, ""))
        }

    @classmethod
    def from_json(
        cls,
        given: Any,
        *,
        ref: str | None = None,
        version: str | None = None,
        flags: Iterable[str] | None = None,
    ) -> FileStatement:
        """Inverse of `to_json`.

        Parameters
        ----------
        ref, version, flags : where it is kept beside them; by default what it says itself.

        Raises
        ------
        SchemaError
            Where it is none of ours: names the field, what was expected there and what was found.
        """
        at = plain.At("FileStatement")
        values = at.mapping(given, extra=True)
        check_schema(at, values)
        known = {name: at.field(values, name, kind) for name, kind in _KINDS.items() if name in values}
        beside = {"ref": ref, "version": version, "flags": None if flags is None else tuple(flags)}
        known |= {name: value for name, value in beside.items() if value is not None}
        return cls(**known)


_KINDS = {f.name: str(f.type) for f in fields(FileStatement)}
