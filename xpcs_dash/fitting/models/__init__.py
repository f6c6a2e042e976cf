"""The models of g2, one file each: every module of this package with a ``MODEL`` is one.

Definition of g2 used everywhere (Siegert relation with the factor 2 *outside* the power):

    g2(τ) = baseline + contrast · |g1(τ)|²
    single, stretched   |g1|² = exp[-2 (τ/tau)^gamma]        gamma = 1, or 0 < gamma <= 2
    double              g1 = f·exp[-(τ/tau1)^gamma1] + (1-f)·exp[-(τ/tau2)^gamma2]
    power law           tau(q) = 1 / (D q^n)

A new model is a new file; the how-to *Add a model* writes one.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from xpcs_dash.errors import UsageError
from xpcs_dash.fitting.models.double import double_exp_model
from xpcs_dash.fitting.models.power_law import POWER_LAW, power_law_model
from xpcs_dash.fitting.models.single import single_exp_model
from xpcs_dash.fitting.models.spec import (
    Exchange,
    Grid,
    ModelSpec,
    ParamSpec,
    PriorSpec,
    Relaxation,
    Window,
    parameter_table,
)
from xpcs_dash.fitting.models.stretched import stretched_exp_model

__all__ = [
    "DEFAULT",
    "FORMULA",
    "MODELS",
    "POWER_LAW",
    "Exchange",
    "Grid",
    "ModelSpec",
    "ParamSpec",
    "PriorSpec",
    "Relaxation",
    "Window",
    "double_exp_model",
    "get_model",
    "model_names",
    "parameter_table",
    "power_law_model",
    "single_exp_model",
    "stretched_exp_model",
]

#: Printed beside every fit.
FORMULA = "g2(τ) = baseline + contrast·|g1(τ)|²,  |g1|² = exp[-2(τ/τc)^γ]"

#: The model that is taken where nobody chooses one.
DEFAULT = "single"


def _found() -> Mapping[str, ModelSpec]:
    """Models by name: those with few parameters first."""
    modules = (import_module(f"{__name__}.{item.name}") for item in pkgutil.iter_modules(__path__))
    made = [module.MODEL for module in modules if isinstance(getattr(module, "MODEL", None), ModelSpec)]
    made.sort(key=lambda spec: (len(spec.parameters), spec.name))
    return MappingProxyType({spec.name: spec for spec in made})


MODELS = _found()


def get_model(name: str | ModelSpec) -> ModelSpec:
    """Model by name.

    Raises
    ------
    UsageError
        Unknown name; says which there are.
    """
    if isinstance(name, ModelSpec):
        return name
    if name not in MODELS:
        raise UsageError(f"unknown model {name!r}; use {', '.join(MODELS)}.")
    return MODELS[name]


def model_names() -> dict[str, str]:
    """Name -> what a person reads, for every list to choose from."""
    return {name: name for name in MODELS}
