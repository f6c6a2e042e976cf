from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xpcs_dash.correlate.dense import correlate_dense, picked_frames
from xpcs_dash.correlate.rings import Partition, to_bins
from xpcs_dash.errors import UsageError

GOLDEN = Path(__file__).parents[1] / "data" / "multitau_golden.npz"


def by_loops(frames: np.ndarray) -> tuple[list[int], list[np.ndarray]]:
    """Multi-tau as one would explain it: loops over delays and frames, sums of frames made anew each time."""
    n = len(frames)
    delays, found = [], []
    candidates = [(k, 1) for k in range(1, 9)] + [
        (k << s, 1 << s) for s in range(1, 30) for k in (5, 6, 7, 8)
    ]
    for delay, width in candidates:
        if delay >= n // width * width:
            break
        sums = [sum(frames[i * width + j].astype(float) for j in range(width)) for i in range(n // width)]
        step = delay // width
        products, late, early = 0.0, 0.0, 0.0
        for i in range(len(sums) - step):
            products = products + sums[i] * sums[i + step]
            late = late + sums[i + step]
            early = early + sums[i]
        pairs = len(sums) - step
        delays.append(delay)
        found.append(np.array([products / pairs / width**2, late / pairs / width, early / pairs / width]))
    return delays, found


@pytest.mark.parametrize("n_frames", [5, 8, 37, 64, 101])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_equals_loops_to_twelve_digits(n_frames: int, kind: type) -> None:
    rng = np.random.default_rng(n_frames)
    frames = (rng.poisson(0.7, (n_frames, 130)) * (1 if kind is np.uint8 else 0.37)).astype(kind)
    delays, wanted = by_loops(frames)
    found = correlate_dense(frames)
    assert found.delays.frames.tolist() == delays
    np.testing.assert_allclose(found.unnormalized(), np.array(wanted), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.mean, frames.mean(axis=0, dtype=float), rtol=1e-12)
    np.testing.assert_allclose(found.intensity, frames.mean(axis=1, dtype=float), rtol=1e-12)


def test_equals_what_the_facilitys_program_makes_of_the_same_frames() -> None:
    golden = np.load(GOLDEN)
    used = golden["static"] > 0
    found = correlate_dense(golden["frames"][:, used])
    np.testing.assert_array_equal(found.delays.frames, golden["delays"])
    np.testing.assert_allclose(found.unnormalized(), golden["G2"], rtol=1e-12)
    np.testing.assert_allclose(found.mean, golden["mean"], rtol=1e-12)
    np.testing.assert_allclose(found.segments, golden["segments"], rtol=1e-12)
    np.testing.assert_allclose(found.intensity, golden["intensity"], rtol=1e-12)
    partition = Partition.from_maps(golden["static"][used], golden["dynamic"][used])
    bins = to_bins(found, partition)
    np.testing.assert_allclose(bins.g2, golden["g2"], rtol=1e-12)
    np.testing.assert_allclose(bins.g2_err, golden["g2_err"], rtol=1e-12)


def test_frames_that_fill_no_sum_count_only_where_they_do() -> None:
    frames = np.zeros((19, 1))
    frames[18] = 1000.0  # the last frame is not in a sum of two
    found = correlate_dense(frames)
    first, later = found.delays.level == 0, found.delays.level > 0
    assert np.all(found.IP[first] > 0)
    assert np.all(found.IP[later] == 0)


def test_normalisation_takes_the_means_of_the_very_frames_in_the_products() -> None:
    ramp = np.linspace(1.0, 3.0, 200)[:, None]
    found = correlate_dense(ramp)
    late = [ramp[k:].mean() for k in (1, 5, 8)]
    early = [ramp[:-k].mean() for k in (1, 5, 8)]
    np.testing.assert_allclose(found.IP[[0, 4, 7], 0], late)
    np.testing.assert_allclose(found.IF[[0, 4, 7], 0], early)


def test_stride_leaves_out_and_average_takes_the_mean() -> None:
    frames = np.arange(25.0)[:, None]
    np.testing.assert_allclose(picked_frames(frames, stride=3)[:, 0], np.arange(0, 24, 3))
    # frames 1, 3 | 5, 7 | …: first every second, then the mean of two; what fills no group is cut off
    np.testing.assert_allclose(picked_frames(frames, begin=1, stride=2, average=2)[:, 0], np.arange(2, 25, 4))
    found = correlate_dense(np.full((64, 3), 2), stride=2, average=4)
    assert found.delays.n_frames == 8
    np.testing.assert_allclose(found.mean, 2.0)


def test_frames_divided_by_their_mean_know_nothing_of_the_beam() -> None:
    rng = np.random.default_rng(0)
    beam = 1 + 0.5 * np.sin(np.arange(300) / 20)
    frames = rng.poisson(50 * beam[:, None], (300, 500))
    partition = Partition.from_maps(np.ones(500, int), np.ones(500, int))
    raw = to_bins(correlate_dense(frames), partition).g2[0, 0]
    divided = to_bins(correlate_dense(frames, divide_frames=True), partition).g2[0, 0]
    assert raw > 1.1
    assert divided == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"stride": 0}, "must be at least 1"),
        ({"begin": 40}, "nothing to correlate"),
        ({}, "cannot be correlated"),
    ],
)
def test_what_cannot_be_correlated_is_refused_in_a_sentence(given: dict[str, int], reason: str) -> None:
    frames = np.ones((40, 3)) if given else np.ones((40, 3, 3))
    with pytest.raises(UsageError, match=reason):
        correlate_dense(frames, **given)
