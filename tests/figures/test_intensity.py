import numpy as np
import pytest

from tests.pages.conftest import numbers
from xpcs_dash.analysis.intensity import decimate
from xpcs_dash.figures.intensity import figure_intensity, scale_of


def test_a_single_bright_frame_is_seen():
    y = np.full(100_000, 2e-5)
    y[54_321] = 9e-4
    drawn = figure_intensity(decimate(np.arange(100_000) * 2e-5, y, 600), unit="ph/px/frame")
    low, high, mean = drawn.data
    assert numbers(high["y"]).max() == pytest.approx(900)
    assert numbers(low["y"]).max() == pytest.approx(20)
    assert len(numbers(mean["x"])) <= 600
    assert drawn.layout["yaxis"]["title"]["text"] == "10⁻⁶ ph/px/frame"
    assert drawn.layout["yaxis"]["autorangeoptions"]["include"][1] >= 900
    drawn.to_figure()


def test_a_short_run_is_drawn_frame_by_frame_without_a_band():
    drawn = figure_intensity(decimate(np.arange(50.0), np.arange(50.0), 600))
    assert len(drawn.data) == 1


def test_no_series_gives_empty_axes_and_a_note_stands_in_the_panel():
    assert figure_intensity(None).data == []
    drawn = figure_intensity(None, note="first file only")
    assert drawn.layout["annotations"][0]["text"] == "first file only"


@pytest.mark.parametrize(("top", "text"), [(3e-5, "10⁻⁶ "), (4e-3, "10⁻³ "), (0.4, ""), (5e-8, "10⁻⁹ ")])
def test_count_rates_are_shown_between_one_and_a_thousand(top, text):
    factor, prefix = scale_of(np.array([0.0, top]))
    assert prefix == text
    assert prefix == "" or 1 <= top * factor < 1000
