"""New bins for an old result: intensities, expected coincidences, g2 from the per-pixel G2."""

from __future__ import annotations

import numpy as np
import pytest

import xpcs_dash
from tests.conftest import A001
from xpcs_dash.analysis.applied import AppliedStore, intensity_with
from xpcs_dash.analysis.rebin import bin_intensity, rebin, regroup_g2
from xpcs_dash.errors import SchemaError, UsageError

RNG = np.random.default_rng(0)


def test_bin_intensity_is_the_mean_of_each_label():
    labels = np.array([[0, 1, 1], [2, 2, 0]])
    found = bin_intensity(np.array([[9.0, 1, 3], [5, np.nan, 7]]), labels, 3)
    assert found.pixels.tolist() == [2, 1, 0]
    assert found.mean[:2].tolist() == [2, 5]
    assert np.isnan(found.mean[2])


def test_own_maps_give_the_files_own_numbers(sample):
    xf = xpcs_dash.open_result(sample(A001))
    made = rebin(xf.saxs_2d, xf.dqmap, xf.sqmap, xf.n_frames)
    assert np.allclose(made.static.mean, xf.saxs_1d, rtol=1e-5)
    assert np.allclose(made.coincidences, xf.coincidences[0], rtol=1e-4)
    assert np.isnan(rebin(xf.saxs_2d, xf.dqmap, xf.sqmap).coincidences).all()


def plain_g2(planes, dynamic, static):
    """The writer's own loop, bin by bin."""
    g2, err = [], []
    for G2, IP, IF in planes:
        norm = np.where(IP * IF == 0, 1e8, IP * IF)
        row, sigma = [], []
        for d in range(1, dynamic.max() + 1):
            rings = []
            for s in np.unique(static[dynamic == d]):
                a, b, c = (v[static == s].mean() for v in (G2, IP, IF))
                rings.append(a / (b * c if b * c else 1e8))
            pixel = (G2 / norm)[dynamic == d]
            row.append(np.mean(rings))
            sigma.append(pixel.std(ddof=1) / np.sqrt(pixel.size))
        g2.append(row)
        err.append(sigma)
    return np.array(g2), np.array(err)


def test_regrouped_g2_is_the_writers():
    shape = (12, 15)
    dynamic = RNG.integers(0, 3, shape)
    static = np.where(dynamic > 0, 2 * dynamic - RNG.integers(0, 2, shape), 0)
    planes = [RNG.poisson(2.0, (3, *shape)).astype(np.float32) for _ in range(4)]
    planes[2][:, static == 1] = 0  # a ring without photons
    seen = []
    found = regroup_g2(lambda k: planes[k], 4, dynamic, static, seen.append)
    g2, err = plain_g2([p.astype(float) for p in planes], dynamic, static)
    assert np.allclose(found.g2, g2)
    assert np.allclose(found.g2_err, err)
    assert seen == [0.25, 0.5, 0.75, 1.0]


def test_regrouping_needs_pixels():
    with pytest.raises(UsageError, match="no valid pixel"):
        regroup_g2(lambda _: np.ones((3, 2, 2)), 1, np.zeros((2, 2), int), np.ones((2, 2), int))


def test_applied_masks_belong_to_one_browser(tmp_path, sample):
    xf = xpcs_dash.open_result(sample(A001))
    store = AppliedStore(tmp_path)
    assert store.get("one") is None
    mask = xf.mask.astype(np.int32)
    mask[:96] = 0
    store.put_mask(mask, "one")
    assert store.get("two") is None
    again = AppliedStore(tmp_path).get("one")  # another process sees it too
    assert np.array_equal(again.mask, mask)
    q, y, kind = intensity_with(xf, again)
    assert kind == "mask"
    assert q.size == y.size
    assert not np.allclose(y, xf.saxs_1d[: y.size], rtol=1e-6)
    half = bin_intensity(xf.saxs_2d, np.where(mask > 0, xf.sqmap, 0), xf.static.n)
    assert np.allclose(y, half.mean[half.pixels > 0])
    store.clear("one")
    assert store.get("one") is None


def test_applied_partition(tmp_path, sample):
    xf = xpcs_dash.open_result(sample(A001))
    store = AppliedStore(tmp_path)
    labels = (xf.dqmap > 0).astype(np.int32)
    payload = {"partition_map": labels, "num_pts": 1, "val_list": [0.005], "num_list": [int(labels.sum())]}
    store.put_partition({**payload, "static_map": labels, "static_list": [0.005]}, "one")
    q, y, kind = intensity_with(xf, store.get("one"))
    assert kind == "partition"
    assert q.tolist() == [0.005]
    assert y[0] == pytest.approx(float(xf.saxs_2d[labels > 0].mean()), rel=1e-6)
    with pytest.raises(SchemaError):
        store.put_partition({**payload, "num_pts": 0, "val_list": []}, "one")
    with pytest.raises(SchemaError):
        store.put_mask(np.full((2, 2), 7), "one")


def test_a_mask_for_another_detector_says_so(tmp_path, sample):
    store = AppliedStore(tmp_path)
    store.put_mask(np.ones((3, 4)), "one")
    with pytest.raises(UsageError, match="3 × 4"):
        intensity_with(xpcs_dash.open_result(sample(A001)), store.get("one"))
