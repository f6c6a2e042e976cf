from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import A001, A002, E0173, LLPS_STRONG
from xpcs_dash import open_result
from xpcs_dash.analysis import stability
from xpcs_dash.analysis.saxs import pixel_counts


def steady(n=20_000, level=100.0, seed=0):
    return np.random.default_rng(seed).poisson(level, n).astype(float)


def same(_k, _q):
    return 1.0


def segments(change, n_seg=10, seed=0, counts=4e5, share=0.1):
    """Segments as multi-tau writers scale them, with photons counted; ``change(k)`` multiplies I(q)."""
    rng = np.random.default_rng(seed)
    base = 10 * np.exp(-np.linspace(0, 2, 80))
    ideal = np.array([base * change(k / (n_seg - 1), np.linspace(0, 1, 80)) for k in range(n_seg)])
    photons = rng.poisson(ideal * counts / 10)
    return photons * share / (counts / 10), photons.astype(float)


def test_a_steady_beam_is_stable():
    found = stability.drift(steady(), 2.0)
    assert abs(found.relative) < 4 * found.relative_err
    compared = stability.shapes(*segments(same))
    verdict = stability.judge(found, compared)
    assert verdict.state == "stable"
    assert verdict.severity == "ok"
    assert compared.chi2[1:].mean() == pytest.approx(1.0, abs=0.25)


def test_a_drifting_beam_drifts_by_what_it_drifted():
    y = steady() * np.linspace(1.0, 1.2, 20_000)
    found = stability.drift(y, 4.0)
    assert found.relative == pytest.approx(0.2 / 1.1, rel=0.05)
    assert found.slope_per_s == pytest.approx(found.relative / 4.0)
    verdict = stability.judge(found, None)
    assert verdict.state == "drifting"
    assert "limit ±5%" in verdict.rule


def test_a_beam_that_goes_away_is_lost_whatever_else_moved():
    y = steady()
    y[15_000:16_000] = 0
    found = stability.drift(y, 1.0)
    assert found.lost_share == pytest.approx(0.05)
    assert stability.judge(found, None).state == "beam lost"
    assert stability.judge(stability.drift(np.zeros(100), 1.0), None).state == "beam lost"


def test_a_shape_that_keeps_changing_is_damage_and_one_that_comes_back_is_not():
    growing = stability.shapes(*segments(lambda k, q: 1 + 0.3 * k * (q - 0.5)))
    assert stability.judge(stability.drift(steady(), 1.0), growing).state == "damaged"
    passing = stability.shapes(*segments(lambda k, q: 1 + 0.4 * (abs(k - 0.45) < 0.06) * (q - 0.5)))
    assert stability.judge(stability.drift(steady(), 1.0), passing).state == "drifting"


def test_noise_alone_is_no_change_of_shape_even_without_counts():
    raw, photons = segments(same, counts=300)
    assert stability.shapes(raw, photons).rms[1:].min() > stability.RULES.shape
    for counts in (photons, None):
        assert (
            stability.judge(stability.drift(steady(), 1.0), stability.shapes(raw, counts)).state == "stable"
        )


def test_segments_are_compared_by_shape_whatever_their_scale():
    raw, _ = segments(same)
    scaled = raw * np.linspace(0.2, 300, 10)[:, None]
    np.testing.assert_allclose(stability.shapes(raw).rms, stability.shapes(scaled).rms, atol=1e-12)
    np.testing.assert_allclose(np.nanmean(stability.shapes(scaled).curves, axis=1), 1.0)


def test_without_anything_the_verdict_is_unknown():
    assert stability.judge(None, None).state == "unknown"
    assert stability.judge(None, None).severity == "nodata"


def test_segments_of_a_real_multitau_file_add_up_to_most_of_the_curve(sample):
    xf = open_result(sample(E0173))
    pixels = pixel_counts(xf.sqmap, xf.static.n)
    total = (xf.segments.sum(axis=0) * pixels).sum() / (xf.saxs_1d * pixels).sum()
    assert total == pytest.approx(0.982, abs=0.002)
    counts = stability.segment_counts(xf.segments, xf.saxs_1d, pixels, xf.n_frames)
    # the photons of all segments are those of the image, less what the segments leave out
    assert counts.sum() / (xf.saxs_2d[xf.sqmap > 0].sum(dtype=float) * xf.n_frames) == pytest.approx(
        0.982, abs=0.01
    )


def test_counts_of_true_means_and_of_fields_that_do_not_belong_together():
    pixels, curve = np.full(5, 100), np.full(5, 2.0)
    means = np.tile(curve, (4, 1))
    counts = stability.segment_counts(means, curve, pixels, 1000)
    assert counts[0, 0] == 2.0 * 100 * 250
    assert stability.segment_counts(means / 500, curve, pixels, 1000) is None


def test_the_single_file_drifts_and_its_counting_errors_are_right(sample):
    report = stability.report(open_result(sample(E0173)))
    assert report.verdict.state == "drifting"
    assert report.drift.relative == pytest.approx(0.117, abs=0.01)
    assert np.nanmedian(report.shapes.chi2) == pytest.approx(1.15, abs=0.2)
    assert report.first_file_only == ()


def test_an_averaged_file_says_what_comes_from_its_first_file(sample):
    report = stability.report(open_result(sample(LLPS_STRONG)))
    assert report.first_file_only == ("I(t)", "segments of I(q)")
    assert "first file only" in report.verdict.notes[0]
    assert np.isnan(report.shapes.chi2).all()
    assert "first file" in report.shapes.chi2_why


def test_files_with_less_still_get_an_answer(sample):
    assert stability.verdict(open_result(sample(A001))).state == "stable"
    assert stability.verdict(open_result(sample(A002))).state in ("stable", "drifting")
    nothing = SimpleNamespace(int_t=None, segments=None, partial_g2=None, averaged_from=())
    assert stability.verdict(nothing).state == "unknown"


def test_levels_of_cumulative_partials():
    t = np.arange(1, 21)
    curve = 1.05 + 0.2 * np.exp(-t / 2.0)
    partial = np.stack([curve, curve])[:, :, None].repeat(2, axis=2)
    partial[0, 15:] = np.nan  # no data yet
    partial[1, :, 1] = 0.0
    found = stability.partial_levels(partial, None, np.array([0.0, 500.0]), window=3)
    assert found.baseline[1, 0] == pytest.approx(1.05, abs=1e-3)
    assert found.contrast[1, 0] == pytest.approx(curve[:3].mean() - 1.05, abs=1e-3)
    assert np.isnan(found.baseline[1, 1])
    assert np.isnan(found.frames[0])
    assert found.frames[1] == 500
