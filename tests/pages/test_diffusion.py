from types import SimpleNamespace

import numpy as np
import pytest
from dash import html

from xpcs_dash.analysis.diffusion import hydrodynamic_radius, points_of
from xpcs_dash.analysis.quality import fit_summary
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.diffusion import figure_parameter
from xpcs_dash.figures.format import uncertain
from xpcs_dash.fits.ingested import StoredFit
from xpcs_dash.pages.diffusion import views


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
    assert "at a bound" in views.summary([one])
    good = one.points.good
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
    row = SimpleNamespace(
        ref=number, name="x", summary=fit_summary(xf), mtime_ns=xf.key.mtime_ns, size=xf.key.size
    )
    monkeypatch.setattr(viewed.catalogue, "get", lambda _: row)
    viewed.kernel.cache.clear()
    stored = views.batch(viewed, number, "single")
    assert isinstance(stored, StoredFit)
    np.testing.assert_allclose(stored.values, now.values, rtol=1e-5)
    np.testing.assert_allclose(stored.errors, now.errors, rtol=1e-5)
    for k in range(now.n_q):
        assert stored.reasons(k) == now.reasons(k)
    for parameter in now.names:
        assert points_of(stored, xf.q, parameter).status == points_of(now, xf.q, parameter).status
    assert not isinstance(views.batch(viewed, number, "stretched"), StoredFit)
    row.size += 1  # the catalogue speaks of other contents
    viewed.kernel.cache.clear()
    assert not isinstance(views.batch(viewed, number, "single"), StoredFit)


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


def test_a_bin_that_the_model_does_not_describe_is_no_good_point(viewed):
    from dataclasses import replace

    fit = views.batch(viewed, "1", "single")
    poor = np.zeros(fit.n_q, bool)
    poor[2] = True
    judged = replace(fit, poor_fit=poor)
    q = np.linspace(1e-3, 1e-2, fit.n_q)
    before, after = (points_of(f, q, "tau") for f in (fit, judged))
    assert before.status[2] == "ok"
    assert after.status[2] == "bound"
    assert not after.good[2]


def test_a_time_that_the_data_do_not_determine_is_no_good_point(viewed):
    from dataclasses import replace

    fit = views.batch(viewed, "1", "single")
    errors = fit.errors.copy()
    errors[3, list(fit.names).index("tau")] = 1e9 * fit.values[3, list(fit.names).index("tau")]
    vague = replace(fit, errors=errors)
    q = np.linspace(1e-3, 1e-2, fit.n_q)
    assert not vague.good[3]
    assert points_of(vague, q, "tau").status[3] == "bound"
    assert points_of(vague, q, "contrast").status[3] == "ok"
    labels = np.arange(5, 5 + fit.n_q)
    assert points_of(vague, q, "tau", labels).label.tolist() == labels.tolist()
