from __future__ import annotations

import numpy as np
import pytest

from xpcs_dash.errors import UsageError
from xpcs_dash.fitting.models import MODELS, POWER_LAW, PriorSpec, Window, get_model


def test_the_factor_two_stands_outside_the_power() -> None:
    value = MODELS["stretched"].evaluate([2.0], [0.3, 1.0, 1.0, 2.0])
    assert value == pytest.approx(1.0 + 0.3 * np.exp(-2.0 * 2.0**2))


def test_the_double_model_is_a_squared_field() -> None:
    t, (c, b, t1, g1, t2, g2, f) = 0.4, (0.2, 1.01, 0.1, 0.8, 2.0, 1.3, 0.6)
    field = f * np.exp(-((t / t1) ** g1)) + (1 - f) * np.exp(-((t / t2) ** g2))
    assert MODELS["double"].evaluate([t], [c, b, t1, g1, t2, g2, f]) == pytest.approx(b + c * field**2)


def test_models_agree_where_they_meet() -> None:
    t = np.geomspace(1e-6, 10, 50)
    single = MODELS["single"].evaluate(t, [0.2, 1.0, 1e-2])
    np.testing.assert_allclose(MODELS["stretched"].evaluate(t, [0.2, 1.0, 1e-2, 1.0]), single, rtol=1e-12)
    np.testing.assert_allclose(
        MODELS["double"].evaluate(t, [0.2, 1.0, 1e-2, 1.0, 5.0, 1.0, 1.0]), single, rtol=1e-12
    )


@pytest.mark.parametrize("name", list(MODELS))
def test_numpy_and_jax_evaluate_the_same_formula(name: str) -> None:
    import jax.numpy as jnp

    spec, t = MODELS[name], np.geomspace(1e-6, 1, 40)
    lower, upper = spec.default_bounds(Window.of(t))
    params = spec.natural(0.4 * spec.coordinates(np.maximum(lower, 1e-3)) + 0.6 * spec.coordinates(upper))
    np.testing.assert_allclose(spec.evaluate(t, params, jnp), spec.evaluate(t, params), rtol=1e-12)


def test_bounds_follow_the_window_from_microseconds_to_minutes() -> None:
    for scale in (1e-6, 1.0, 100.0):
        lower, upper = MODELS["single"].default_bounds(Window(scale, 1e5 * scale))
        assert lower[2] < scale < 1e5 * scale < upper[2]


def test_compressed_decays_are_allowed() -> None:
    assert MODELS["stretched"]["gamma"].upper == 2.0


def test_power_law_of_free_diffusion() -> None:
    q = np.array([1e-3, 2e-3])
    np.testing.assert_allclose(POWER_LAW.evaluate(q, [1e6, 2.0]), 1 / (1e6 * q**2), rtol=1e-12)


def test_unknown_names_are_refused_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match="single, stretched, double"):
        get_model("triple")
    with pytest.raises(UsageError, match="contrast, baseline, tau"):
        MODELS["single"].index("beta")


def test_gamma_of_the_single_model_can_only_be_one() -> None:
    assert MODELS["single"].check_fixed({"gamma": 1.0}) == {}
    with pytest.raises(UsageError, match="gamma is held at 1"):
        MODELS["single"].check_fixed({"gamma": 1.5})


@pytest.mark.parametrize(("kind", "scale"), [("cauchy", 1.0), ("normal", 0.0), ("lognormal", np.nan)])
def test_priors_that_cannot_be_are_refused(kind: str, scale: float) -> None:
    with pytest.raises(UsageError):
        PriorSpec(kind, 1.0, scale)  # type: ignore[arg-type]
