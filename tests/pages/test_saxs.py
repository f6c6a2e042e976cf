import re

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.conftest import E0173
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.saxs import figure_profile, figure_ring, region_shapes
from xpcs_dash.pages.saxs import PAGE
from xpcs_dash.pages.saxs.layout import backgrounds, layout
from xpcs_dash.pages.saxs.views import Wanted, colour_limits, image, parse_region, profile_curves, ring_figure


def test_the_image_comes_by_address_with_its_limits(viewed, sample):
    fig, words = image(viewed, viewed.look(5), "log", "inferno", (1, 99.7), "")
    made = fig.to_figure()
    source = made.layout.images[0].source
    assert source.startswith(f"/img/5/{viewed.kernel.open('5').key.token}/scattering.png?")
    assert "lo=" in source
    assert made.layout.images[0].x == -0.5
    assert made.layout.images[0].sizex == sample.known(E0173).shape[1]
    assert len(str(fig.to_plotly_json())) < 60_000
    assert "masked" in words


def test_limits_by_percentile_are_checked(viewed):
    with pytest.raises(UsageError, match="percentiles"):
        image(viewed, viewed.look(1), "log", "inferno", (50, 20), "")


def test_one_curve_per_file_and_one_line_per_sector(viewed):
    curves, words = profile_curves(viewed, viewed.look(1, 3), Wanted())
    assert [c.name for c in curves] == ["A001_silica_multitau", "A003_silica_diluted"]
    assert "pixels" in words
    sectors, _ = profile_curves(viewed, viewed.look(4), Wanted(lines="sectors"))
    assert len(sectors) == 8
    assert all(c.x.size == 270 for c in sectors)


def test_weighting_with_pixels_differs_from_equal_sectors(viewed):
    weighted = profile_curves(viewed, viewed.look(4), Wanted())[0][0].y
    plain = profile_curves(viewed, viewed.look(4), Wanted(lines="plain"))[0][0].y
    assert np.nanmax(np.abs(weighted / plain - 1)) > 1e-3


def test_normalised_curves_start_at_one_and_fall(viewed):
    (curve,), _ = profile_curves(viewed, viewed.look(1), Wanted(norm="i0"))
    assert curve.y[0] == 1
    assert np.nanmin(curve.y) < 0.5


def test_sampling_keeps_all_lines(viewed):
    curves, _ = profile_curves(viewed, viewed.look(4), Wanted(lines="sectors", step=3))
    assert len(curves) == 8
    assert {c.x.size for c in curves} == {c.y.size for c in curves} == {90}


def test_a_background_is_subtracted_or_refused(viewed):
    (plain,), _ = profile_curves(viewed, viewed.look(1), Wanted())
    (less,), words = profile_curves(viewed, viewed.look(1), Wanted(background="3", weight=0.5))
    (other,), _ = profile_curves(viewed, viewed.look(3), Wanted())
    good = np.isfinite(less.y)
    np.testing.assert_allclose(less.y[good], (plain.y - 0.5 * other.y)[good])
    assert "0.5" in words
    with pytest.raises(UsageError, match="q-bins"):
        profile_curves(viewed, viewed.look(1), Wanted(background="2"))


def test_a_region_gives_a_curve_in_q_and_one_in_phi(viewed):
    region = "30, 80, -60, 60"
    curves, _ = profile_curves(viewed, viewed.look(1), Wanted(region=region))
    assert curves[-1].name == "region"
    assert curves[-1].x.size > 10
    fig, words = ring_figure(viewed, viewed.look(1), region)
    assert len(fig.to_figure().data) == 1
    assert "px" in words


def test_regions_are_read_or_refused():
    assert parse_region("") is None
    assert parse_region("20, 10").r1 == 20
    assert parse_region("20,10").full
    for text in ("1", "a, b", "1,2,3", "nan, 2", "5,5"):
        with pytest.raises(UsageError):
            parse_region(text)


def test_outlines_close_and_a_ring_has_a_hole():
    (sector,) = region_shapes(parse_region("10, 20, 0, 90"), (100.0, 50.0), (100, 200))
    assert sector["path"].count("Z") == 1
    assert "100.00,30.00" in sector["path"]  # 90 degrees is up: a smaller row
    (ring,) = region_shapes(parse_region("10, 20"), (100.0, 50.0), (100, 200))
    assert ring["path"].count("Z") == 2
    (beyond,) = region_shapes(parse_region("10, 500"), (100.0, 50.0), (100, 200))
    places = np.array([p.split(",") for p in re.findall(r"[-0-9.]+,[-0-9.]+", beyond["path"])], float)
    assert places.min() > -0.5  # an outline outside the detector would shift the picture
    assert places[:, 0].max() < 199.5
    assert places[:, 1].max() < 99.5
    figure_ring(np.arange(3.0), np.ones(3), np.ones(3, int)).to_figure()


def test_axes_are_named_with_their_units(viewed):
    curves, _ = profile_curves(viewed, viewed.look(1), Wanted(norm="q2"))
    made = figure_profile(curves, normalisation="q2").to_figure()
    assert "Å⁻¹" in made.layout.xaxis.title.text
    assert "I·q²" in made.layout.yaxis.title.text
    assert made.layout.yaxis.type == "log"
    assert figure_profile(curves, y_log=False).to_figure().layout.yaxis.type == "linear"


def test_the_address_sets_the_controls_and_nonsense_does_not(viewed):
    text = str(
        layout(viewed, {"norm": "q4", "region": "5, 50", "lo": "nan", "lines": "<script>"}).to_plotly_json()
    )
    assert "q4" in text
    assert "5, 50" in text
    assert "<script>" not in text
    assert list(backgrounds(viewed))[:2] == ["none", "1"]


def test_the_page_opens_with_its_picture(viewed, sample):
    height, width = sample.known(E0173).shape
    made = layout(viewed, {"file": "5", "cmap": "viridis"})
    graph = next(part for part in made._traverse() if getattr(part, "id", None) == "saxs-graph")
    shown = go.Figure(graph.figure).layout
    assert f"/img/5/{viewed.kernel.open('5').key.token}/scattering.png" in shown.images[0].source
    assert "viridis" in shown.images[0].source
    assert shown.xaxis.range == (-0.5, width - 0.5)
    assert shown.yaxis.range == (height - 0.5, -0.5)
    assert shown.xaxis.visible
    assert shown.xaxis.title.text == "x (px)"
    frame = next(part for part in made._traverse() if getattr(part, "id", None) == "saxs-frame")
    assert frame.data == [-0.5, width - 0.5, height - 0.5, -0.5]
    empty = layout(viewed, {})
    assert next(part for part in empty._traverse() if getattr(part, "id", None) == "saxs-frame").data is None


def test_what_the_page_will_ask_for_is_made_beforehand(viewed):
    PAGE.prepare(viewed, "1", {"scale": "linear"})
    low, high = colour_limits(viewed, "1", "linear", (1.0, 99.7))

    def late(_):
        raise AssertionError("it was not made")

    png = viewed.kernel.derived("1", "img.scattering", ("linear", "inferno", low, high), late)
    assert png.startswith(b"\x89PNG")
    source = image(viewed, viewed.look(1), "linear", "inferno", (1.0, 99.7), "")[0].to_plotly_json()
    assert f"lo={low}&hi={high}" in source["layout"]["images"][0]["source"]


def test_i_of_q_has_the_error_of_its_photons(viewed):
    xf = viewed.kernel.open("1")
    (plain,), words = profile_curves(viewed, viewed.look(1), Wanted())
    assert xf.photons
    assert "photon counting" in words
    photons = plain.y / plain.sigma**2 * plain.y  # (I/σ)² is the number of photons
    pixels = np.bincount(xf.sqmap.ravel(), minlength=xf.static.n + 1)[1:]
    expected = np.nansum(xf.static.expand(pixels * xf.saxs_1d * xf.n_frames), axis=1)
    good = np.isfinite(photons)
    np.testing.assert_allclose(photons[good], expected[good], rtol=1e-6)
    for norm in ("q2", "q4", "i0"):
        (scaled,), _ = profile_curves(viewed, viewed.look(1), Wanted(norm=norm))
        np.testing.assert_allclose(scaled.sigma / scaled.y, plain.sigma / plain.y)
    (less,), _ = profile_curves(viewed, viewed.look(1), Wanted(background="3", weight=0.5))
    assert np.all(less.sigma[np.isfinite(less.sigma)] > plain.sigma[np.isfinite(less.sigma)])
    (other,), _ = profile_curves(viewed, viewed.look(1), Wanted(lines="plain"))
    assert other.sigma is None
