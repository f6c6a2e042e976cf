import numpy as np
import pytest

from tests.pages.conftest import numbers
from xpcs_dash.figures.theme import STATE_COLOURS, tokens
from xpcs_dash.figures.trends import Trend, figure_trends


def trend(values, **changes):
    values = np.asarray(values, dtype=float)
    names = tuple(f"run{k}" for k in range(values.size))
    return Trend("contrast", "", values, np.full(values.size, 0.002), names, **changes)


def test_each_number_has_a_row_and_the_newest_file_is_at_the_right():
    drawn = figure_trends([trend([0.1, 0.11, 0.12]), trend([1.0, 1.0, 1.0])])
    assert numbers(drawn.data[0]["x"]).tolist() == [-2, -1, 0]
    tops = [drawn.layout[name]["domain"] for name in ("yaxis", "yaxis2")]
    assert tops[0][0] > tops[1][1]
    drawn.to_figure()


def test_a_flat_trend_looks_flat():
    low, high = figure_trends([trend([0.15, 0.1501, 0.15])]).layout["yaxis"]["autorangeoptions"]["include"]
    assert high - low > 0.005


def test_state_colours_are_for_states_only():
    calm, warned = figure_trends([trend([1, 2]), trend([1, 2], state="warning")]).data
    assert calm["line"]["color"] == tokens("dark").accent
    assert warned["line"]["color"] == STATE_COLOURS["dark"]["warning"]


def test_gaps_scale_and_no_data():
    drawn = figure_trends([trend([1e-3, np.nan, 2e-3], scale=1e3)])
    assert numbers(drawn.data[0]["y"])[[0, 2]] == pytest.approx([1.0, 2.0])
    assert figure_trends([]).data == []
    assert figure_trends([trend([np.nan])]).layout["yaxis"]["autorangeoptions"]["include"][0] < 0.5
