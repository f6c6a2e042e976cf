"""From the numbers of a solver to a fit that says how far it can be trusted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.fitting.batch_result import BatchFit
from xpcs_dash.fitting.models import ModelSpec
from xpcs_dash.fitting.solvers import Solution

__all__ = ["AT_BOUND", "POOR_FIT_P", "Input", "answer", "judge"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: Chance to call a constant a decay; small, because tau is searched over the whole window.
NO_DECAY_P = 1e-3
#: Chance to call a right model wrong.
POOR_FIT_P = 1e-4
#: Part of |g1|² that must be gone at the last delay, or be left at the first.
INCOMPLETE_REST = 0.35
#: Part of |g1|² that must change between the first and the last delay; less is a slope, not a decay.
VISIBLE_CHANGE = 0.25
#: Gain in χ², relative to 1 + χ², below which a decay describes nothing.
NOTHING = 1e-9
#: Distance to a bound, as a part of the range, within which a parameter is at it.
AT_BOUND = 1e-3


class Input(NamedTuple):
    """The curves of one file, ready to fit; unused points have weight 0."""

    t: FloatArray  # (n_t,) s
    y: FloatArray  # (n_c, n_t)
    weight: FloatArray  # (n_c, n_t) 1/σ
    lower: FloatArray  # (n_c, n_par)
    upper: FloatArray  # (n_c, n_par)
    start: FloatArray  # (n_c, n_par)
    sigma_known: bool


def judge(
    spec: ModelSpec, sol: Solution, inp: Input, fixed: BoolArray, engine: str, seconds: float
) -> BatchFit:
    """Errors, goodness of fit and flags of the curves of one file."""
    from scipy.special import chdtrc, fdtrc

    params, covariance = answer(spec, sol, inp, fixed)
    flat = flat_chi2(spec, inp)
    flat_free = 0 if fixed[spec.index("baseline")] else 1
    n_free = int((~fixed).sum())
    n_points = (inp.weight > 0).sum(axis=1).astype(np.int64)
    dof = n_points - n_free
    few = dof < 1
    safe_dof = np.maximum(dof, 1)
    chi2 = np.where(few, np.nan, sol.chi2)
    chi2_red = chi2 / safe_dof
    if not inp.sigma_known:
        covariance = covariance * np.nan_to_num(chi2_red, nan=1.0)[:, None, None]
    errors = np.sqrt(np.maximum(np.einsum("cpp->cp", covariance), 0.0))
    errors = np.where(np.isfinite(np.einsum("cpp->cp", covariance)), errors, np.nan)
    errors[few] = np.nan
    at_bound = _at_bound(spec, params, inp.lower, inp.upper) & ~fixed & ~few[:, None]

    extra = max(n_free - flat_free, 1)
    noise = np.maximum(np.nan_to_num(chi2_red, nan=1.0), 1.0 if inp.sigma_known else 1e-300)
    with np.errstate(invalid="ignore"):
        p_flat = fdtrc(extra, safe_dof, np.maximum(flat - sol.chi2, 0.0) / extra / noise)
        if inp.sigma_known:
            p_flat = np.where(noise > 1.0, p_flat, chdtrc(extra, np.maximum(flat - sol.chi2, 0.0)))
        poor = np.asarray(chdtrc(safe_dof, np.nan_to_num(chi2)) < POOR_FIT_P) & ~few & inp.sigma_known
    first, last = _ends(spec, params, inp)
    no_decay = ~few & ((p_flat > NO_DECAY_P) | (first - last < VISIBLE_CHANGE))
    incomplete = (last > INCOMPLETE_REST) | (first < INCOMPLETE_REST)
    return BatchFit(
        model=spec.name,
        names=spec.names,
        units=spec.units,
        values=params,
        errors=errors,
        covariance=covariance,
        lower=inp.lower,
        upper=inp.upper,
        fixed=fixed,
        chi2=chi2,
        chi2_red=chi2_red,
        chi2_flat=np.where(few, np.nan, flat),
        scale=np.sqrt(chi2_red),
        n_points=n_points,
        dof=dof,
        steps=sol.steps.astype(np.int64),
        at_bound=at_bound,
        no_decay=no_decay,
        incomplete_decay=incomplete & ~few & ~no_decay,
        not_converged=~sol.converged & ~few,
        too_few_points=few,
        poor_fit=poor,
        sigma_known=inp.sigma_known,
        engine=engine,
        seconds=seconds,
    )


def answer(spec: ModelSpec, sol: Solution, inp: Input, fixed: BoolArray) -> tuple[FloatArray, FloatArray]:
    """(n_c, n_par) parameters as they are reported, and (n_c, n_par, n_par) their covariance where σ is
    known: decays in order, one answer where the data allow many.
    """
    params, normal = _in_order(spec, sol.params, sol.normal, inp)
    params, nothing = _settle(spec, params, sol.chi2, inp)
    covariance = covariance_of(normal, ~fixed)
    covariance[np.ix_(nothing, ~fixed, ~fixed)] = np.nan
    return params, covariance


def covariance_of(normal: FloatArray, free: BoolArray) -> FloatArray:
    """(n_c, n_par, n_par) covariance from JᵀJ: its inverse over the free parameters, 0 elsewhere, NaN
    where singular.
    """
    out = np.zeros_like(normal)
    index = np.flatnonzero(free)
    if index.size == 0 or len(normal) == 0:
        return out
    part = normal[:, index[:, None], index]
    # parameters differ by decades: scale to a unit diagonal before judging singularity
    diagonal = np.sqrt(np.einsum("cpp->cp", part))
    usable = (diagonal > 0).all(axis=1) & np.isfinite(part).all(axis=(1, 2))
    scale = np.where(usable[:, None], diagonal, 1.0)
    scaled = np.where(usable[:, None, None], part / scale[:, :, None] / scale[:, None, :], np.eye(index.size))
    values, vectors = np.linalg.eigh(scaled)
    usable &= values[:, 0] > 1e-12
    inverse = np.einsum("cik,ck,cjk->cij", vectors, 1.0 / np.maximum(values, 1e-12), vectors)
    inverse = inverse / scale[:, :, None] / scale[:, None, :]
    out[:, index[:, None], index] = np.where(usable[:, None, None], inverse, np.nan)
    return out


def _in_order(
    spec: ModelSpec, params: FloatArray, normal: FloatArray, inp: Input
) -> tuple[FloatArray, FloatArray]:
    """Decays that may change places with the faster first; the formula is symmetric under the exchange.

    Where a bound or a fixed value holds for one of the decays alone, it says which is which: there they stay
    as they are.
    """
    if spec.exchange is None:
        return params, normal
    first, second = (spec.index(n) for n in spec.exchange.pairs[0])
    swap = params[:, first] > params[:, second]
    order = np.arange(len(spec.names))
    for a, b in spec.exchange.pairs:
        i, j = spec.index(a), spec.index(b)
        order[i], order[j] = j, i
    mirrored = [spec.index(n) for n in spec.exchange.complement]
    turned = params[:, order].copy()
    turned[:, mirrored] = 1.0 - turned[:, mirrored]
    room = 1e-9 * np.abs(turned)
    swap &= ((inp.lower - room <= turned) & (turned <= inp.upper + room)).all(axis=1)
    sign = np.where(np.isin(np.arange(len(order)), mirrored), -1.0, 1.0)
    turned_normal = normal[:, order][:, :, order] * sign[:, None] * sign
    return (
        np.where(swap[:, None], turned, params),
        np.where(swap[:, None, None], turned_normal, normal),
    )


def _snap(spec: ModelSpec, params: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Parameters within a millionth of the range from a bound, which solvers only approach, put on it."""
    z, lo, hi = spec.coordinates(params), spec.coordinates(lower), spec.coordinates(upper)
    room = 1e-6 * (hi - lo)
    return np.asarray(np.where(z - lo <= room, lower, np.where(hi - z <= room, upper, params)))


def _at_bound(spec: ModelSpec, params: FloatArray, lower: FloatArray, upper: FloatArray) -> BoolArray:
    z, lo, hi = spec.coordinates(params), spec.coordinates(lower), spec.coordinates(upper)
    room = AT_BOUND * (hi - lo)
    return np.asarray((z - lo <= room) | (hi - z <= room))


def flat_chi2(spec: ModelSpec, inp: Input) -> FloatArray:
    """(n_c,) χ² of the best constant inside the baseline's bounds."""
    off = (inp.y - _constant(spec, inp)[:, None]) * inp.weight
    return np.asarray(np.einsum("ct,ct->c", off, off))


def _constant(spec: ModelSpec, inp: Input) -> FloatArray:
    """(n_c,) best constant inside the baseline's bounds."""
    k, w2 = spec.index("baseline"), inp.weight**2
    mean = 1.0 + (w2 * (inp.y - 1.0)).sum(axis=1) / np.maximum(w2.sum(axis=1), 1e-300)
    return np.asarray(np.clip(mean, inp.lower[:, k], inp.upper[:, k]))


def _settle(
    spec: ModelSpec, params: FloatArray, chi2: FloatArray, inp: Input
) -> tuple[FloatArray, BoolArray]:
    """One answer where the data allow many, so that every method gives the same.

    Parameters within a millionth of their range from a bound, which solvers only approach, are put on it. A
    curve that no decay describes better than a constant gets contrast 0, the constant as baseline, and shape
    parameters in the middle of their bounds (gamma 1): the data say nothing about them, and their errors are
    NaN.

    Returns
    -------
    (n_c, n_par) parameters, and (n_c,) True where there is nothing but a constant.
    """
    c, b = spec.index("contrast"), spec.index("baseline")
    flat = flat_chi2(spec, inp)
    none = (flat - chi2 <= NOTHING * (1.0 + flat)) & (inp.lower[:, c] <= 0.0) & (inp.upper[:, c] > 0.0)
    out = _snap(spec, params, inp.lower, inp.upper)
    if none.any():
        middle = 0.5 * (spec.coordinates(inp.lower) + spec.coordinates(inp.upper))
        for k, p in enumerate(spec.parameters):
            if p.prior.loc is not None and not p.log:
                middle[:, k] = p.prior.loc
        constant = np.clip(spec.natural(middle), inp.lower, inp.upper)
        constant[:, c], constant[:, b] = 0.0, _constant(spec, inp)
        out[none] = constant[none]
    return out, np.asarray(none)


def _ends(spec: ModelSpec, params: FloatArray, inp: Input) -> tuple[FloatArray, FloatArray]:
    """(n_c,), (n_c,) |g1|² at the first and at the last used delay."""
    used = inp.weight > 0
    first = inp.t[np.argmax(used, axis=1)]
    last = inp.t[used.shape[1] - 1 - np.argmax(used[:, ::-1], axis=1)]
    unit = params.copy()
    unit[:, spec.index("contrast")], unit[:, spec.index("baseline")] = 1.0, 0.0
    ends = np.asarray(spec.evaluate(np.stack([first, last], axis=1), unit))
    return ends[:, 0], ends[:, 1]
