"""Shot noise on the diagonal of a two-time matrix shows in no picture of it, however it is averaged."""

from __future__ import annotations

import numpy as np
import pytest

from xpcs_dash.analysis import twotime

NOISE = 50.0


def matrix(n):
    """A decay that is smooth next to the diagonal, and a diagonal far above it."""
    i = np.arange(n)
    smooth = 1 + 0.3 * np.exp(-np.abs(i[:, None] - i) / 9.0) + 0.001 * (i[:, None] + i)
    noisy = smooth.astype(np.float32)
    noisy[i, i] = NOISE
    return noisy


def by_loops(values, factor):
    """Diagonal replaced by the mean of C[i-1, i] and C[i, i+1], then means of blocks, one by one."""
    full, n = values.astype(np.float64), len(values)
    for i in range(n):
        full[i, i] = np.mean([values[k, k + 1] for k in (i - 1, i) if 0 <= k < n - 1])
    m = -(-n // factor)
    blocks = np.zeros((m, m))
    for a in range(m):
        for b in range(m):
            blocks[a, b] = full[a * factor : (a + 1) * factor, b * factor : (b + 1) * factor].mean()
    return blocks


def slabs(values, rows=64):
    upper = np.triu(values)
    return [(r, upper[r : r + rows, r:]) for r in range(0, len(values), rows)]


@pytest.mark.parametrize(("n", "budget", "factor"), [(192, 400_000, 1), (192, 60_000, 2), (200, 20_000, 4)])
@pytest.mark.parametrize("shown", [1, 2, 4])
def test_kept_blocks_hold_no_shot_noise(n, budget, factor, shown):
    values = matrix(n)
    data = twotime.build(slabs(values), n, budget=budget, screen=n // 8)
    assert data.factor == factor
    step = max(shown, factor)
    picture = twotime.picture(data, pixels=-(-n // step))
    assert picture.factor == step
    np.testing.assert_allclose(picture.values, by_loops(values, step), rtol=1e-5)
    np.testing.assert_allclose(data.overview, by_loops(values, data.overview_factor), rtol=1e-5)
    assert picture.values.max() < 2
    assert data.shot == pytest.approx(NOISE)


@pytest.mark.parametrize("step", [1, 2, 4])
@pytest.mark.parametrize("columns", [(64, 128), (40, 104), (100, 164)])
def test_a_zoom_that_is_read_from_the_file_and_averaged_holds_none_either(step, columns):
    n = 256
    values = matrix(n)
    data = twotime.build(slabs(values), n, budget=1_500, screen=16)
    assert data.factor > step
    zoom = twotime.picture(
        data, (64, 128), columns, pixels=64 // step, read=lambda rows, cols: values[rows, cols]
    )
    assert (zoom.factor, zoom.rows, zoom.columns) == (step, (64, 128), columns)
    full = by_loops(values, 1)
    expected = twotime.block_mean(full[64:128, slice(*columns)].astype(np.float32), step)
    np.testing.assert_allclose(zoom.values, expected, rtol=1e-5)
    assert zoom.values.max() < 2


def test_one_element_of_the_diagonal_is_no_shot_noise():
    values = matrix(128)
    data = twotime.build(slabs(values), 128, budget=1_500, screen=16)
    for k in (0, 70, 127):
        zoom = twotime.picture(
            data, (k, k + 1), (k, k + 1), pixels=16, read=lambda rows, cols: values[rows, cols]
        )
        assert zoom.values == pytest.approx(by_loops(values, 1)[k, k], rel=1e-5)
