from dataclasses import replace

import numpy as np
import pytest
from dash import html

from xpcs_dash.analysis.diffusion import fit_every_bin, hydrodynamic_radius, points_of
from xpcs_dash.analysis.quality import fit_summary, summarise
from xpcs_dash.database.files import FileRow
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.diffusion import figure_parameter
from xpcs_dash.figures.format import uncertain
from xpcs_dash.pages.diffusion import views
from xpcs_dash.results.said import said_of
from xpcs_dash.results.verdict import BIN_FLAGS, verdict


def test_tau_of_the_sample_follows_minus_two(viewed):
    made = views.series(viewed, viewed.look(1), "single", "tau")
    assert made[0].law.b == pytest.approx(-2, abs=0.05)
    text = str(views.law_table(made))
    assert "Å²/s" in text
    assert "A001" in text


def test_several_files_in_one_figure(viewed):
    made = views.series(viewed, viewed.look(1, 3), "single", "tau")
    fig = figure_parameter(made).to_figure()
    assert {t.name for t in fig.data if t.mode == "markers"} >= {
        "A001_silica_multitau",
        "A003_silica_diluted",
    }
    assert fig.layout.yaxis.type == "log"


def test_points_that_do_not_count_are_open_or_crosses_and_have_no_bars(viewed):
    (one,) = views.series(viewed, viewed.look(5), "single", "tau")
    statuses = set(one.points.status)
    assert "bound" in statuses
    fig = figure_parameter([one]).to_figure()
    for trace in fig.data:
        if trace.marker.symbol == "circle-open":
            assert trace.error_y.array is None
            break
    else:
        pytest.fail("no open points")
    assert "with a flag" in views.summary([one])
    good = one.points.usable
    drawn = next(t for t in fig.data if t.marker.symbol == "circle")
    assert viewed.numbers(drawn.x).size == good.sum()


def test_failed_bins_are_marked_and_not_drawn_as_values(viewed):
    from xpcs_dash.analysis.diffusion import Points
    from xpcs_dash.figures.diffusion import Series

    q = np.array([1e-3, 2e-3, 3e-3])
    points = Points(
        np.arange(1, 4),
        q,
        np.array([1.0, np.nan, 0.2]),
        np.array([0.1, np.nan, 0.02]),
        ("ok", "failed", "ok"),
    )
    fig = figure_parameter([Series("f", points, None, "#54b8ff")]).to_figure()
    crosses = [t for t in fig.data if t.marker.symbol == "x-thin"]
    assert len(crosses) == 1
    assert viewed.numbers(crosses[0].x).tolist() == [2e-3]


def test_the_table_says_why_a_bin_does_not_count(viewed):
    text = str(views.value_table(viewed, viewed.look(5), "single"))
    assert "no decay in the window" in text
    assert "● good" in text


def test_the_range_of_the_power_law(viewed):
    full = views.series(viewed, viewed.look(1), "single", "tau")[0].law
    part = views.series(viewed, viewed.look(1), "single", "tau", views.limits(0.004, None))[0].law
    assert part.n < full.n
    with pytest.raises(UsageError, match="rise"):
        views.limits(0.2, 0.1)


def test_the_stretched_model_gives_gamma(viewed):
    (one,) = views.series(viewed, viewed.look(1), "stretched", "gamma")
    good = np.array(one.points.status) == "ok"
    assert np.median(one.points.value[good]) == pytest.approx(1.0, abs=0.1)
    figure_parameter([one], parameter="gamma").to_figure()


@pytest.mark.parametrize("number", ["1", "5"])
def test_the_fit_of_ingest_is_shown_where_it_is_of_this_model_and_file(viewed, monkeypatch, number):
    xf = viewed.kernel.open(number)
    now = views.batch(viewed, number, "single")
    stored = {**summarise(xf).to_json(), "fit": fit_summary(xf)["fit"]}
    row = FileRow(number, str(xf.path), "x", xf.key.mtime_ns, xf.key.size, "ready", summary=stored)
    kept = said_of(row).bins
    monkeypatch.setattr(viewed.catalogue, "get", lambda _: row)
    viewed.kernel.cache.clear()
    found = views.batch(viewed, number, "single")
    assert repr(found) == repr(kept)  # of which some are not a number
    for one, other in zip(found, now, strict=True):
        for name in other.names:
            pair = [(e.value, e.sigma, e.low, e.high) for e in (one[name], other[name])]
            np.testing.assert_allclose(*pair, rtol=1e-5)
        assert one.verdict == other.verdict
    assert views.batch(viewed, number, "stretched")[0].model == "stretched"
    monkeypatch.setattr(viewed.catalogue, "get", lambda _: replace(row, size=row.size + 1))
    viewed.kernel.cache.clear()
    assert repr(views.batch(viewed, number, "single")) != repr(kept)  # the catalogue speaks of other contents


def test_the_radius_needs_a_viscosity_and_a_temperature(viewed):
    seen = viewed.look(1)
    (one,) = made = views.series(viewed, seen, "single", "tau")
    assert "R_h" not in str(views.law_table(made))
    found = [part for piece in views.law_table(made, [298.15], 0.89) for part in piece._traverse()]
    text = views.radius(one.law, 298.15, 0.89)
    assert "R_h" in [part.children for part in found if isinstance(part, html.Th)]
    assert text in [part.children for part in found if isinstance(part, html.Td)]
    value = hydrodynamic_radius(one.law.d, 298.15, 0.89e-3)  # 24.8 µm
    assert text == str(uncertain(value, value * one.law.d_err / one.law.d, "nm"))
    assert views.radius(one.law, None, 0.89) == "—"
    assert views.temperatures(viewed, seen, 300) == [300.0]
    assert views.temperatures(viewed, seen, None) == [viewed.kernel.open("1").temperature_k]
    with pytest.raises(UsageError, match="above zero"):
        views.law_table(made, [300.0], -1.0)


@pytest.mark.parametrize("flag", sorted(BIN_FLAGS))
def test_a_bin_with_a_flag_is_no_good_point_of_any_parameter(viewed, flag):
    bins = list(views.batch(viewed, "1", "single"))
    before = points_of(bins, "tau")
    assert before.status[2] == "ok"
    bins[2] = replace(bins[2], verdict=verdict([flag]))
    for parameter in bins[2].names:
        after = points_of(bins, parameter)
        assert after.status[2] == ("bound" if verdict([flag]).has_curve else "failed")
        assert not after.usable[2]
    assert after.label.tolist() == [b.label for b in bins]


def test_a_time_that_the_data_do_not_determine_is_no_good_point(viewed):
    fit = fit_every_bin(viewed.kernel.open("1"))
    errors = fit.errors.copy()
    tau = list(fit.names).index("tau")
    errors[3, tau] = 1.01 * fit.values[3, tau]
    vague = replace(fit, errors=errors)
    assert fit.good[3]
    assert not vague.good[3]
    assert vague.flags(3) == ("undetermined:tau",)
    assert vague.verdict(3).state == "alarm"
