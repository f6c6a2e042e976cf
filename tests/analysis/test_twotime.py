import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import A002, DATA
from xpcs_dash import open_result
from xpcs_dash.analysis import aging, twotime
from xpcs_dash.analysis.kernel import ViewerKernel
from xpcs_dash.analysis.views import triangle
from xpcs_dash.errors import UsageError
from xpcs_dash.results.door import Door
from xpcs_dash.results.twotime_slabs import read_slabs, stored_g2
from xpcs_dash.settings import Settings


def slabs(matrix, rows):
    upper = np.triu(matrix).astype(np.float32)
    return [(r, upper[r : r + rows, r:]) for r in range(0, len(matrix), rows)]


def symmetric(n, seed=0):
    m = np.random.default_rng(seed).normal(1.2, 0.1, (n, n)).astype(np.float32)
    return np.triu(m) + np.triu(m, 1).T


def corrected(matrix):
    """The full matrix with each diagonal element replaced by the mean of its neighbours, the slow way."""
    full, n = matrix.copy(), len(matrix)
    for i in range(n):
        around = [matrix[j, j + 1] for j in (i - 1, i) if 0 <= j < n - 1]
        full[i, i] = np.mean(around)
    return full


@settings(deadline=None)
@given(st.integers(2, 90), st.sampled_from([7, 16, 64, 100]), st.integers(0, 5))
def test_any_slabs_give_back_the_matrix_with_its_diagonal_corrected(n, rows, seed):
    matrix = symmetric(n, seed)
    data = twotime.build(slabs(matrix, rows), n)
    np.testing.assert_allclose(twotime.picture(data, pixels=n).values, corrected(matrix), rtol=1e-5)
    means = [np.diagonal(corrected(matrix), k).mean() for k in range(n)]
    np.testing.assert_allclose(data.diagonals, means, rtol=1e-4)
    assert data.shot == pytest.approx(np.trace(matrix) / n, rel=1e-4)


def test_the_diagonal_is_corrected_before_blocks_are_averaged():
    # slicing first makes "neighbours" that are several frames apart
    n = 64
    i = np.arange(n)
    matrix = (1 + 0.3 * np.exp(-np.abs(i[:, None] - i[None, :]) / 2.0)).astype(np.float32)
    matrix[i, i] = 9.0  # shot noise
    data = twotime.build(slabs(matrix, 64), n, screen=16)
    assert data.overview_factor == 4
    np.testing.assert_allclose(data.overview, twotime.block_mean(corrected(matrix), 4), rtol=1e-5)
    assert data.overview.max() < 1.3


def test_a_zoom_shows_the_frames_that_were_asked_for():
    matrix = symmetric(300)
    data = twotime.build(slabs(matrix, 64), 300, screen=50)
    assert data.overview.shape == (50, 50)
    zoom = twotime.picture(data, (30, 70), (200, 245), pixels=50)
    assert (zoom.rows, zoom.columns, zoom.factor) == ((30, 70), (200, 245), 1)
    np.testing.assert_allclose(zoom.values, corrected(matrix)[30:70, 200:245], rtol=1e-5)
    below = twotime.picture(data, (200, 245), (30, 70), pixels=50)
    np.testing.assert_allclose(below.values, zoom.values.T, rtol=1e-6)
    middle = twotime.picture(data, (11, 140), (100, 260), pixels=50)
    assert middle.factor == 4
    assert middle.rows == (8, 140)
    np.testing.assert_allclose(
        middle.values, twotime.block_mean(corrected(matrix)[8:140, 100:260], 4), rtol=1e-5
    )


def test_a_matrix_above_the_budget_is_kept_in_blocks_and_read_again_for_zooms():
    matrix = symmetric(256)
    data = twotime.build(slabs(matrix, 64), 256, budget=40_000, screen=32)
    assert data.factor == 4
    assert sum(part.nbytes for _, part in data.slabs) <= 40_000
    asked = []

    def read(rows, columns):
        asked.append((rows, columns))
        return matrix[rows, columns]

    zoom = twotime.picture(data, (100, 130), (90, 120), pixels=32, read=read)
    assert asked == [(slice(100, 130), slice(89, 121))]  # with the neighbours of the diagonal
    assert zoom.factor == 1
    off = ~np.eye(256, dtype=bool)[100:130, 90:120]
    np.testing.assert_allclose(zoom.values[off], matrix[100:130, 90:120][off], rtol=1e-6)
    assert abs(zoom.values[~off] - 1.2).max() < 0.5
    assert twotime.picture(data, (100, 130), (90, 120), pixels=32).factor == 4


def test_plans_and_pictures_agree():
    data = twotime.build(slabs(symmetric(200), 64), 200, screen=40)
    for rows, columns in (((0, 200), (0, 200)), ((3, 77), (50, 90)), ((190, 260), (-5, 12))):
        p, shown = twotime.plan(data, rows, columns, 40), twotime.picture(data, rows, columns, 40)
        assert (p.rows, p.columns, p.factor) == (shown.rows, shown.columns, shown.factor)
        assert shown.values.shape == (
            -(-(p.rows[1] - p.rows[0]) // p.factor),
            -(-(p.columns[1] - p.columns[0]) // p.factor),
        )


def test_the_stored_diagonals_of_a_real_file_are_the_computed_ones(sample):
    xf = open_result(sample(A002))
    for label in xf.twotime_bins:
        data = twotime.build(read_slabs(xf, label, 64), 400)
        assert twotime.compare_diagonals(data, stored_g2(xf, label)) < 1e-5
        other = xf.twotime_bins[label % len(xf.twotime_bins)]
        assert twotime.compare_diagonals(data, stored_g2(xf, other)) > 1e-3


def test_a_label_is_not_a_position():
    # matrices are numbered by position among the processed bins: of bins 3 and 7, c2_00002 is label 7
    assert twotime.position_of(7, (3, 7)) == 1
    with pytest.raises(UsageError, match="3, 7"):
        twotime.position_of(2, (3, 7))


def ages(sample, label, n=8):
    xf = open_result(sample(A002))
    data = twotime.build(read_slabs(xf, label, 64), 400)
    parts = aging.age_slices(data, n)
    return xf, data, parts, aging.fit_slices(parts, xf.c2_frame_time_s)


@pytest.mark.parametrize("label", [3, 4, 5])
def test_relaxation_grows_with_age_as_the_truth_of_the_sample_says(sample, label):
    truth = json.loads((DATA / "A002_gel_aging_both_truth.json").read_text())
    xf, _, _, fits = ages(sample, label)
    run = truth["frames"] * truth["dt_s"]
    good = [f for f in fits if f.status == "ok"]
    assert len(good) >= 6
    tau = np.array([f.tau_s for f in good])
    assert np.all(np.diff(tau) > 0)
    slow = [1 + truth["aging"] * f.age_s / run for f in good]
    expected = np.array(slow) / (truth["D_A2_per_s"] * xf.q[label - 1] ** 2)
    np.testing.assert_allclose(tau, expected, rtol=0.16)
    assert np.median([f.contrast for f in good]) == pytest.approx(truth["contrast"], rel=0.05)


def test_slow_bins_are_marked_where_the_decay_is_longer_than_the_window(sample):
    _, _, _, fits = ages(sample, 1)
    assert "window" in {f.status for f in fits}


def test_slices_and_cuts_average_exactly_the_pairs_of_their_age():
    n = 60
    i = np.arange(n)
    matrix = (i[:, None] + i[None, :]).astype(np.float32) / 2  # C2 = age itself
    data = twotime.build(slabs(matrix, 16), n)
    for part in aging.age_slices(data, 4)[1:3]:  # the first and last one end with the run
        inside = part.lag < 10
        np.testing.assert_allclose(part.g2[inside], part.age, atol=0.6)
        assert part.lag.min() == 1
    cut = aging.age_cut(data, 30, 1)
    np.testing.assert_allclose(cut.g2, 30, atol=0.51)
    assert cut.lag.max() > 50
    counted = sum(int(part.pairs.sum()) for part in aging.age_slices(data, 4))
    assert counted == n * (n - 1) // 2  # every pair once


def test_stationarity_tells_aging_from_a_steady_sample(sample):
    _, _, parts, _ = ages(sample, 5)
    old = aging.stationarity(parts)
    n = 400
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    noise = np.random.default_rng(0).normal(0, 0.01, (n, n))
    steady = 1 + 0.25 * np.exp(-lag / 60.0) + (noise + noise.T) / 2
    still = aging.stationarity(aging.age_slices(twotime.build(slabs(steady, 64), n), 8))
    assert still.score > 0.99
    assert old.score < 0.92


def test_the_score_is_the_ratio_by_which_tau_changes_over_the_run(sample):
    _, _, parts, fits = ages(sample, 5)
    good = [f.tau_s for f in fits if f.status == "ok"]
    old = aging.stationarity(parts, fits=fits)
    assert old.ages == len(good) >= 6
    assert max(good) / min(good) > 3
    assert old.score == pytest.approx(min(good) / max(good), rel=0.15)
    assert old.score < 0.4


@pytest.mark.parametrize("factor", [1.0, 1.5, 4.0, 0.25])
def test_the_score_of_a_drift_is_its_size_and_noise_alone_costs_little(factor):
    rng = np.random.default_rng(0)
    tau = np.geomspace(1.0, factor, 8) * np.exp(rng.normal(0, 0.03, 8))
    fits = [aging.AgeFit(float(k), float(v), 0.03 * float(v), 0.2, 1.0) for k, v in enumerate(tau)]
    score = aging.stationarity([], fits=fits).score
    assert score == pytest.approx(min(factor, 1 / factor), abs=0.08)
    assert aging.stationarity([], fits=fits[:2]) is None


def test_the_kernel_builds_a_triangle_once_and_refuses_other_bins(sample, tmp_path):
    kernel = ViewerKernel(Door(Settings(state_dir=tmp_path), lambda _: sample(A002)))
    assert triangle(kernel, "one", 2) is triangle(kernel, "one", 2)
    with pytest.raises(UsageError, match="q-bin 9"):
        triangle(kernel, "one", 9)


def test_limits_leave_the_diagonal_out():
    matrix = np.full((50, 50), 1.1, np.float32)
    matrix[0, 40] = matrix[40, 0] = 5.0
    data = twotime.build(slabs(matrix, 64), 50)
    low, high = twotime.colour_limits(data, 1, 99)
    assert low < high < 2
