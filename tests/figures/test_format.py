import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpcs_dash.figures.format import (
    count,
    engineering,
    format_bin,
    format_q,
    number,
    percent,
    temperature,
    uncertain,
)

NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2e-5, "s", "20.0 µs"),
        (9.9996e-4, "s", "1.00 ms"),
        (1.6384, "s", "1.64 s"),
        (0.0, "s", "0 s"),
        (2.441e-5, "photons/pixel/frame", "24.4·10⁻⁶ photons/pixel/frame"),
        (-3.2e-9, "m", "−3.20 nm"),
        (7.8, "m", "7.80 m"),
        (0.152, "", "0.152"),
        (float("nan"), "s", "—"),
        (None, "s", "—"),
    ],
)
def test_engineering(value, unit, text):
    assert engineering(value, unit).replace(NBSP, " ") == text


@pytest.mark.parametrize(
    ("value", "sigma", "unit", "text"),
    [
        (0.15234, 0.0041, "", "0.152 ± 0.004"),
        (2.79e-3, 6e-5, "s", "2.79 ± 0.06 ms"),
        (24.4e-6, 0.3e-6, "ph", "(24.4 ± 0.3)·10⁻⁶ ph"),
        (123456, 2345, "Å²/s", "(123.5 ± 2.3)·10³ Å²/s"),
        (-0.5, 0.026, "", "−0.500 ± 0.026"),
        (1.0, float("nan"), "", "1.00"),
    ],
)
def test_no_more_digits_than_the_uncertainty_allows(value, sigma, unit, text):
    assert str(uncertain(value, sigma, unit)).replace(NBSP, " ") == text


@given(st.floats(1e-12, 1e12), st.floats(1e-6, 0.5))
def test_value_and_uncertainty_end_at_the_same_decimal(value, relative):
    shown = uncertain(value, value * relative, "s")
    decimals = [len(text.partition(".")[2]) for text in (shown.value, shown.sigma)]
    assert decimals[0] == decimals[1]


@given(st.floats(1e-14, 1e13))
def test_engineering_form_reads_back(value):
    powers = {"fs": -15, "ps": -12, "ns": -9, "µs": -6, "ms": -3, "s": 0, "ks": 3, "Ms": 6, "Gs": 9, "Ts": 12}
    shown = number(value, "s", digits=4)
    assert float(shown.value) * 10.0 ** powers[shown.unit] == pytest.approx(value, rel=6e-4)
    assert 1 <= float(shown.value) < 1000.5


def test_q_and_bins():
    assert format_q(0.0037637686).replace(NBSP, " ") == "3.76·10⁻³ Å⁻¹"
    assert format_q(0.033066).replace(NBSP, " ") == "33.1·10⁻³ Å⁻¹"
    assert format_bin(0.0037637686, -22.49).replace(NBSP, " ") == "q = 3.76·10⁻³ Å⁻¹, φ = −22.5°"
    assert format_bin(0.0037637686, None).replace(NBSP, " ") == "q = 3.76·10⁻³ Å⁻¹"


def test_small_things():
    assert count(100000) == "100,000"
    assert percent(0.083).replace(NBSP, " ") == "8 %"
    assert percent(0.0004).replace(NBSP, " ") == "< 1 %"
    assert temperature(303.15).replace(NBSP, " ") == "30.0 °C"
    assert temperature(None) == "—"
