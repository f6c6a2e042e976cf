"""The NumPyro model of one g2 curve, made from a `ModelSpec`, and the coordinates in which it is sampled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.fitting.batch import BatchFit
from xpcs_dash.fitting.models import ModelSpec, PriorSpec, Window

__all__ = ["NOISE", "CurveData", "PriorNumbers", "Structure", "g2_model", "prior_numbers", "resolve_priors"]

FloatArray = NDArray[np.float64]

#: Name of the sampled noise scale of data without errors.
NOISE = "noise"
#: Width, in natural logarithm, of its prior about the scatter of the residuals.
NOISE_SCALE = 2.0


@dataclass(frozen=True)
class Structure:
    """What a compiled sampler depends on, besides array sizes.

    Attributes
    ----------
    model : name of the model.
    kinds : prior kind of each parameter, None where it is held fixed.
    noise : True where the data have no errors and their scale is sampled.
    """

    model: str
    kinds: tuple[str | None, ...]
    noise: bool


class CurveData(NamedTuple):
    """One curve, padded: mask False leaves a point out."""

    t: Any  # (n_t,) s
    y: Any  # (n_t,)
    sigma: Any  # (n_t,)
    mask: Any  # (n_t,) bool


class PriorNumbers(NamedTuple):
    """Numbers of the priors of one curve: an edited prior compiles nothing new."""

    lower: Any  # (n_par,) bounds in the parameter's unit; the value where fixed
    upper: Any  # (n_par,)
    loc: Any  # (n_par,) in the parameter's unit
    scale: Any  # (n_par,)
    noise: Any  # () centre of the noise scale


def g2_model(spec: ModelSpec, structure: Structure) -> Callable[[CurveData, PriorNumbers], None]:
    """NumPyro model of one curve.

    Sites are named as the parameters; ``log_<name>`` is what is sampled for a log-normal prior. Of the two
    times of the double model the second is drawn first and bounds the first, so that the two decays cannot
    change places, unless bounds or fixed values say which is which.
    """
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    order = list(spec.parameters)
    if spec.ordered:
        order.sort(key=lambda p: p.name == spec.ordered[0])  # type: ignore[index]

    def draw(k: int, kind: str, numbers: PriorNumbers, ceiling: Any) -> Any:
        p = spec.parameters[k]
        lower, upper, loc, scale = (numbers.lower[k], numbers.upper[k], numbers.loc[k], numbers.scale[k])
        if ceiling is not None:
            orders = spec.orders(numbers.lower, numbers.upper)
            upper = jnp.where(orders, jnp.minimum(upper, ceiling), upper)
        on_log = kind == "lognormal" or (kind == "uniform" and p.log)
        if on_log:
            lower, upper = jnp.log(lower), jnp.log(upper)
        if kind == "uniform":
            prior: Any = dist.Uniform(lower, upper)
        elif kind == "halfnormal":
            prior = dist.TruncatedNormal(0.0, scale, low=jnp.maximum(lower, 0.0), high=upper)
        else:
            centre = jnp.log(loc) if on_log else loc
            prior = dist.TruncatedNormal(centre, scale, low=lower, high=upper)
        if on_log:
            return numpyro.deterministic(p.name, jnp.exp(numpyro.sample(f"log_{p.name}", prior)))
        return numpyro.sample(p.name, prior)

    def model(data: CurveData, numbers: PriorNumbers) -> None:
        values: dict[str, Any] = {}
        for p in order:
            k = spec.index(p.name)
            kind = structure.kinds[k]
            ceiling = values[spec.ordered[1]] if spec.ordered and p.name == spec.ordered[0] else None
            values[p.name] = numbers.lower[k] if kind is None else draw(k, kind, numbers, ceiling)
        mean = spec.evaluate(data.t, jnp.stack([jnp.asarray(values[n]) for n in spec.names]), jnp)
        sigma = data.sigma
        if structure.noise:
            log_noise = numpyro.sample(f"log_{NOISE}", dist.Normal(jnp.log(numbers.noise), NOISE_SCALE))
            sigma = sigma * numpyro.deterministic(NOISE, jnp.exp(log_noise))
        with numpyro.handlers.mask(mask=data.mask):
            numpyro.sample("g2", dist.Normal(mean, sigma), obs=data.y)

    return model


def resolve_priors(
    spec: ModelSpec, fit: BatchFit, window: Window, changes: Mapping[str, PriorSpec] | None = None
) -> list[dict[str, PriorSpec]]:
    """The priors of every bin with their data-scaled centres filled in, to be shown and recorded.

    A log-normal prior without a centre is put about the fitted value; about the middle of the window on a log
    axis where the bin shows no usable decay.

    Raises
    ------
    UsageError
        A prior for an unknown parameter, or a log-normal one with a centre that is not positive.
    """
    base = spec.priors(changes)
    out = []
    usable = fit.good
    for k in range(fit.n_q):
        priors = {}
        for j, name in enumerate(fit.names):
            prior = base[name]
            loc = prior.loc
            if loc is None and prior.kind in ("lognormal", "normal"):
                fitted = float(fit.values[k, j])
                p = spec.parameters[j]
                loc = fitted if usable[k] or not p.scaled else p.middle(window)
            if prior.kind == "lognormal" and not (loc is not None and loc > 0):
                raise UsageError(f"the log-normal prior of {name} needs a positive centre, found {loc}.")
            priors[name] = PriorSpec(prior.kind, loc, prior.scale)
        out.append(priors)
    return out


def prior_numbers(spec: ModelSpec, fit: BatchFit, k: int, priors: Mapping[str, PriorSpec]) -> PriorNumbers:
    """The numbers of `resolve_priors` for bin ``k``, with its bounds."""
    loc = [0.0 if priors[n].loc is None else float(priors[n].loc) for n in spec.names]  # type: ignore[arg-type]
    lower = fit.lower[k].copy()
    for j, p in enumerate(spec.parameters):
        if priors[p.name].kind == "lognormal" and lower[j] <= 0:
            lower[j] = 1e-12 * max(fit.upper[k, j], 1e-300)
    noise = float(np.nan_to_num(fit.scale[k], nan=1.0)) or 1.0
    return PriorNumbers(
        lower,
        fit.upper[k].copy(),
        np.array(loc),
        np.array([priors[n].scale for n in spec.names]),
        np.array(noise),
    )


def structure_of(spec: ModelSpec, fit: BatchFit, priors: Mapping[str, PriorSpec]) -> Structure:
    """Which compiled sampler serves these priors."""
    kinds = tuple(
        None if held else priors[name].kind for name, held in zip(spec.names, fit.fixed, strict=True)
    )
    return Structure(spec.name, kinds, not fit.sigma_known)
