"""Fitted curves, relaxation times and the map of bins as figures."""

from __future__ import annotations

from base64 import b64decode

import numpy as np
import pytest

from xpcs_dash.figures.bins import figure_bins
from xpcs_dash.figures.fit import FitPanel, TauPoint, figure_fit, figure_tau
from xpcs_dash.figures.g2 import Curve


def plain(packed):
    values = np.frombuffer(b64decode(packed["bdata"]), dtype=packed["dtype"])
    return values.reshape([int(n) for n in packed["shape"].split(",")]) if "shape" in packed else values


def panel(k: int = 0, state: str = "ok", n: int = 30) -> FitPanel:
    t = np.geomspace(1e-5, 1, n)
    fit = 1 + 0.2 * np.exp(-2 * t / 1e-2)
    curve = Curve(
        name=f"q{k}", t=t, g2=fit + 0.001, sigma=np.full(n, 0.002), coincidences=np.full(n, 1e4),
        counted=np.ones(n, bool), fit_t=t, fit_g2=fit,
    )  # fmt: skip
    used = t > 1e-4
    residuals = np.where(used, 0.5, np.nan)
    return FitPanel(f"q{k}", curve, used, residuals, "χ² 0.9", state, band=(t, fit - 0.01, fit + 0.01))


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("n", [0, 1, 2, 5, 27])
def test_every_panel_has_residuals_on_the_same_delays(n, theme):
    figure = figure_fit([panel(k) for k in range(n)], theme, delay_range=(1e-4, 1.0)).to_figure()
    residuals = [trace for trace in figure.data if trace.hovertemplate and "residual" in trace.hovertemplate]
    assert len(residuals) == n
    for k, trace in enumerate(residuals):
        assert plain(trace.y).shape == (int(panel().used.sum()),)
        upper = figure.layout[f"yaxis{2 * k + 1}" if k else "yaxis"].domain
        lower = figure.layout[f"yaxis{2 * k + 2}"].domain
        assert lower[1] < upper[0]
        assert figure.layout[trace.xaxis.replace("x", "xaxis")].type == "log"


def test_points_outside_the_delay_range_are_faint_and_say_so():
    figure = figure_fit([panel()]).to_figure()
    faint = [trace for trace in figure.data if trace.hovertemplate and "not fitted" in trace.hovertemplate]
    assert plain(faint[0].x).max() <= 1e-4
    assert faint[0].error_y.array is None


def test_a_fit_that_fails_carries_its_sign():
    good, bad = (figure_fit([panel(state=s)]).to_figure().layout.annotations[0].text for s in ("ok", "alarm"))
    assert "●" in good
    assert "✕" in bad


def test_the_shade_leaves_the_fitted_range_free():
    figure = figure_fit([panel()], delay_range=(1e-4, 1e-2)).to_figure()
    shaded = [(s.x0, s.x1) for s in figure.layout.shapes if s.type == "rect"]
    assert shaded[0][1] == 1e-4
    assert shaded[1][0] == 1e-2


def test_relaxation_times_that_are_not_numbers_are_left_out_and_states_keep_their_sign():
    points = [
        TauPoint(0.01, 1e-3, 9e-4, 1.1e-3),
        TauPoint(0.02, np.nan, np.nan, np.nan),
        TauPoint(0.03, 1e-4, 1e-6, 1e-2, "alarm", "R-hat 1.2"),
    ]
    figure = figure_tau(
        points, line=(np.array([0.01, 0.03]), np.array([1e-3, 1e-4])), line_name="n = 2"
    ).to_figure()
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    assert [len(plain(trace.x)) for trace in marks] == [1, 1]
    assert marks[0].marker.symbol != marks[1].marker.symbol
    assert marks[1].customdata[0][0] == "R-hat 1.2"


@pytest.mark.parametrize(
    ("taus", "least", "first"),
    [((0.02, 0.4), 3, "10 ms"), ((1e-6, 100.0), 3, "1 µs"), ((1e-3, 1e-3), 3, "500 µs")],
)
def test_times_are_marked_with_their_unit(taus, least, first):
    points = [TauPoint(0.01 * (k + 1), tau, 0.9 * tau, 1.1 * tau) for k, tau in enumerate(taus)]
    axis = figure_tau(points).to_figure().layout.yaxis
    assert least <= len(axis.ticktext) == len(axis.tickvals) <= 8
    assert axis.ticktext[0].replace("\N{NO-BREAK SPACE}", " ") == first


def test_every_row_of_panels_names_its_two_axes():
    figure = figure_fit([panel(k) for k in range(5)], columns=2).to_figure()
    names = [a.text for a in figure.layout.annotations if a.textangle == -90]
    assert names == ["g₂", "resid. (σ)"] * 3


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_map_of_bins_tells_the_label_of_a_cell(theme):
    labels = np.array([[0, 1, 1], [2, 2, 3]])
    heat = figure_bins(labels, [2], 4, theme).to_figure().data[0]
    assert np.array_equal(plain(heat.customdata), labels)
    z = plain(heat.z)
    assert z[1, 0] > z[1, 2] > z[0, 1] > z[0, 0] == 0
    assert heat.dx == heat.dy == 4
    places = [stop[0] for stop in heat.colorscale]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, 1)
