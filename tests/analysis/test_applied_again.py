"""A mask that is applied anew is the one that counts, in every process that looks."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.small_result import maps, write_small
from xpcs_dash.analysis.kernel import ViewerKernel
from xpcs_dash.results.door import Door
from xpcs_dash.settings import Settings

SCOPE = "a-browser-of-a-test"


@pytest.fixture
def kernels(tmp_path):
    """Viewers of two web processes on one state directory, on a file whose image rises from row to row."""
    row = np.mgrid[:30, :40][0]
    path = write_small(tmp_path / "a_results.hdf", saxs_2d=1.0 + row)
    return [ViewerKernel(Door(Settings(state_dir=tmp_path / "state"), lambda _: path)) for _ in range(2)]


def by_hand(mask):
    """I of each static ring over the pixels that the mask leaves."""
    _, static, _ = maps()
    image = 1.0 + np.mgrid[:30, :40][0]
    seen = np.unique(static[mask > 0])
    return [image[(static == ring) & (mask > 0)].mean() for ring in seen]


def half(upper):
    mask = np.zeros((30, 40), np.int32)
    mask[slice(0, 15) if upper else slice(15, 30)] = 1
    return mask


def profile(kernel):
    return kernel.intensity_with("a", kernel.applied(SCOPE))[1]


def test_a_second_mask_replaces_the_first_in_every_view(kernels):
    here, there = kernels
    for upper in (True, False, True):
        here.apply_mask(half(upper), SCOPE)
        for kernel in (here, there):
            np.testing.assert_allclose(profile(kernel), by_hand(half(upper)), rtol=1e-6)


def test_a_mask_after_a_partition_and_a_partition_after_a_mask(kernels):
    here, there = kernels
    _, static, _ = maps()
    labels = np.where(half(False) > 0, static, 0)
    payload = {
        "partition_map": labels, "num_pts": 8, "num_list": np.bincount(labels.ravel())[1:].tolist(),
        "val_list": list(range(8)), "static_map": labels, "static_list": list(range(8)),
    }  # fmt: skip
    here.apply_mask(half(True), SCOPE)
    profile(there)
    here.apply_qmap_result(payload, SCOPE)
    assert there.intensity_with("a", there.applied(SCOPE))[2] == "partition"
    np.testing.assert_allclose(profile(there), by_hand(half(False)), rtol=1e-6)
    here.apply_mask(half(True), SCOPE)
    assert there.intensity_with("a", there.applied(SCOPE))[2] == "mask"
    here.forget_applied(SCOPE)
    assert there.applied(SCOPE) is None


def test_two_masks_within_one_tick_of_the_file_system_clock(kernels, tmp_path):
    """Time stamps of files have steps of milliseconds; two clicks or two scripts may fall into one."""
    here, there = kernels
    tokens = []
    for upper in (True, False):
        here.apply_mask(half(upper), SCOPE)
        for path in (tmp_path / "state" / "applied").iterdir():
            os.utime(path, ns=(10**18, 10**18))
        np.testing.assert_allclose(profile(there), by_hand(half(upper)), rtol=1e-6)
        tokens.append(there.applied(SCOPE).token)
    assert tokens[0] != tokens[1]


def test_scopes_do_not_share_a_token(kernels):
    here, _ = kernels
    here.apply_mask(half(True), "one")
    here.apply_mask(half(False), "two")
    assert here.applied("one").token != here.applied("two").token
    for scope, upper in (("one", True), ("two", False), ("one", True)):
        found = here.intensity_with("a", here.applied(scope))[1]
        np.testing.assert_allclose(found, by_hand(half(upper)), rtol=1e-6)
