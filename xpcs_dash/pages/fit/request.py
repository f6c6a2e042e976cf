"""What a person asks for on the Fit page, read from its controls."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xpcs_dash.errors import UsageError
from xpcs_dash.fits.request import FitRequest
from xpcs_dash.fitting.models import MODELS

FIELDS = ("fixed", "value", "lower", "upper", "prior", "loc", "scale")
"""What can be set for each parameter, in the order of the page."""


def read_controls(
    model: str,
    sigma: str,
    delay: Sequence[float | None],
    parameters: Iterable[tuple[str, str, Any]],
    sampler: Mapping[str, Any] | None = None,
    labels: Sequence[int] = (),
) -> FitRequest:
    """Make a request of what stands in the controls.

    Parameters
    ----------
    model, sigma : values of the two choices.
    delay : (first, last) in s; an empty field follows the data.
    parameters : (parameter name, field of `FIELDS`, value) of every field of the table.
    sampler : chains, draws, warmup, seed; empty ones take their default.
    labels : chosen bins.

    Raises
    ------
    UsageError
        A fixed parameter without a value, one bound without the other in the wrong order, and the like.
    """
    if model not in MODELS:
        raise UsageError(f"there is no model called {model}; choose {', '.join(MODELS)}.")
    table: dict[str, dict[str, Any]] = {}
    for name, what, value in parameters:
        if name in MODELS[model].names:
            table.setdefault(name, {})[what] = value
    fixed: dict[str, float] = {}
    start: dict[str, float] = {}
    bounds: dict[str, tuple[float, float]] = {}
    priors: dict[str, tuple[str, float | None, float]] = {}
    for name, given in table.items():
        value = _number(given.get("value"))
        if given.get("fixed"):
            if value is None:
                raise UsageError(
                    f"{name} is held fixed without a value: fill in the value at which to hold it."
                )
            fixed[name] = value
        elif value is not None:
            start[name] = value
        low, high = _number(given.get("lower")), _number(given.get("upper"))
        if low is not None or high is not None:
            bounds[name] = (-math.inf if low is None else low, math.inf if high is None else high)
            if bounds[name][0] >= bounds[name][1]:
                raise UsageError(f"bounds of {name}: the lower one must be below the upper one.")
        prior = _prior(MODELS[model][name].prior, given)
        if prior is not None:
            priors[name] = prior
    low, high = (_number(value) for value in delay)
    wanted = None if low is None and high is None else (low or 0.0, math.inf if high is None else high)
    if wanted is not None and wanted[0] >= wanted[1]:
        raise UsageError("delay range: the first delay must be below the last one.")
    numbers = {key: int(value) for key, value in (sampler or {}).items() if _number(value) is not None}
    return FitRequest(
        model=model,
        labels=tuple(labels),
        sigma="file" if sigma == "file" else "counting",
        delay=wanted,
        fixed=fixed,
        start=start,
        bounds=bounds,
        priors=priors,
        **numbers,
    )


def write_given(request: FitRequest) -> str | None:
    """What somebody set in the table of parameters, as text of an address; None where nothing is set.

    ``tau.fixed:0.001,gamma.lower:0.8,contrast.prior:normal``; the inverse is `read_given`.
    """
    parts: list[tuple[str, str, str | float | None]] = []
    parts += [(name, "fixed", value) for name, value in request.fixed.items()]
    parts += [(name, "value", value) for name, value in request.start.items()]
    for name, (low, high) in request.bounds.items():
        parts += [(name, "lower", low), (name, "upper", high)]
    for name, (kind, loc, scale) in request.priors.items():
        parts += [(name, "prior", kind), (name, "loc", loc), (name, "scale", scale)]
    texts = [
        f"{name}.{what}:{value if isinstance(value, str) else f'{value:.8g}'}"
        for name, what, value in parts
        if isinstance(value, str) or (value is not None and math.isfinite(value))
    ]
    return ",".join(texts) or None


def read_given(text: str | None) -> list[tuple[str, str, Any]]:
    """(parameter, field, value) triples for `read_controls`, from the text of an address."""
    found: list[tuple[str, str, Any]] = []
    for part in (text or "").split(","):
        match = re.fullmatch(r"(\w+)\.(\w+):(\S+)", part.strip())
        if match is None or match[2] not in FIELDS:
            continue
        name, what, value = match.groups()
        if what == "fixed":
            found += [(name, "fixed", True), (name, "value", value)]
        else:
            found.append((name, what, value))
    return found


def _prior(default: Any, given: Mapping[str, Any]) -> tuple[str, float | None, float] | None:
    kind = given.get("prior") or default.kind
    if kind not in ("lognormal", "normal", "halfnormal", "uniform"):
        raise UsageError(f"there is no prior called {kind}.")
    loc, scale = _number(given.get("loc")), _number(given.get("scale"))
    if kind == default.kind and loc is None and scale is None:
        return None
    if scale is not None and scale <= 0:
        raise UsageError("the width of a prior must be positive.")
    return kind, (default.loc if loc is None and kind == default.kind else loc), scale or default.scale


def _number(value: Any) -> float | None:
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{value!r} is not a number.") from None
    return number if math.isfinite(number) else None


def parse_bins(text: str | None, n: int) -> tuple[int, ...]:
    """Labels of a text like ``1-5, 9, 12-``; empty for an empty text.

    Raises
    ------
    UsageError
        Where the text is not such a list, or names a bin that the file does not have.
    """
    found: list[int] = []
    for part in re.split(r"[,;\s]+", (text or "").strip()):
        if not part:
            continue
        match = re.fullmatch(r"(\d*)\s*(?:[-–:]\s*(\d*))?", part)
        if match is None or not any(match.groups()):
            raise UsageError(f"{part!r} is no q-bin or range of bins; write for example 1-5, 9.")
        first = int(match[1] or 1)
        last = first if "-" not in part and "–" not in part and ":" not in part else int(match[2] or n)
        if not (1 <= first <= last <= n):
            raise UsageError(f"q-bins {part}: this file has the bins 1 to {n}.")
        found += range(first, last + 1)
    return tuple(dict.fromkeys(found))


def write_bins(labels: Sequence[int]) -> str:
    """Inverse of `parse_bins`: ``1-5, 9``."""
    ordered = sorted(set(labels))
    runs: list[list[int]] = []
    for label in ordered:
        if runs and label == runs[-1][1] + 1:
            runs[-1][1] = label
        else:
            runs.append([label, label])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
