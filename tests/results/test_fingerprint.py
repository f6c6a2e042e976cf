"""The fingerprint of a result: values count, storage and what a file says of itself do not."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

from tests.conftest import A001, A002, A003
from xpcs_dash import open_result
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.results.cache import DataCache
from xpcs_dash.results.fingerprint import fingerprint

G2, DELAYS = "/xpcs/multitau/normalized_g2", "/xpcs/multitau/delay_list"
DYNAMIC, STATIC = "/xpcs/qmap/dynamic_roi_map", "/xpcs/qmap/static_roi_map"


@pytest.fixture
def copy(sample, tmp_path):
    def make(name=A001, as_name="copy_results.hdf"):
        return shutil.copyfile(sample(name), tmp_path / as_name)

    return make


@pytest.fixture
def shared():
    """Opens files one after the other as ingest does: one pool and one cache for all."""
    pool, cache = HDF5ConnectionPool(idle_s=0.0), DataCache(64 * 2**20)
    return lambda path: open_result(path, pool, cache=cache)


def rewrite(path, name, change, **storage):
    with h5py.File(path, "r+") as h5:
        values = change(h5[name][()])
        attributes = dict(h5[name].attrs)
        del h5[name]
        h5.create_dataset(name, data=values, **storage).attrs.update(attributes)


def test_it_is_sixteen_hexadecimal_digits_and_the_same_for_a_copy(sample, copy):
    found = fingerprint(open_result(sample(A001)))
    assert len(found) == 16
    assert int(found, 16)
    assert fingerprint(open_result(copy())) == found


def test_every_sample_has_its_own(sample):
    assert len({fingerprint(open_result(sample(name))) for name in (A001, A002, A003)}) == 3


@pytest.mark.parametrize(
    "storage",
    [{}, {"compression": "gzip", "chunks": (17, 29)}, {"chunks": (192, 256), "shuffle": True}],
    ids=["contiguous", "gzip", "shuffled"],
)
def test_other_compression_is_the_same_result(copy, shared, storage):
    first, second = copy(), copy(as_name="other_results.hdf")
    for name in (DYNAMIC, STATIC):
        rewrite(second, name, lambda values: values, **storage)
    rewrite(second, G2, lambda values: values.astype(np.float64), chunks=(10, 12), compression="lzf")
    assert fingerprint(shared(second)) == fingerprint(shared(first))


@pytest.mark.parametrize("name", [G2, DELAYS, DYNAMIC, STATIC])
def test_one_other_value_is_another_result(copy, shared, name):
    """Also where the file still names the old map by its hash, and after the old map has been cached."""
    first, second = copy(), copy(as_name="other_results.hdf")

    def change(values):
        values = values.copy()
        if name in (DYNAMIC, STATIC):
            pixel = np.flatnonzero(values > 1)[0]
            values.flat[pixel] -= 1
        else:
            values.flat[-1] *= 2
        return values

    rewrite(second, name, change, chunks=None if name in (G2, DELAYS) else (48, 128))
    a, b = shared(first), shared(second)
    assert a.map_hash == b.map_hash
    assert fingerprint(a) != fingerprint(b)


def test_fields_beside_g2_do_not_count(copy, shared):
    path = copy()
    before = fingerprint(shared(path))
    rewrite(path, f"{G2}_err", lambda values: 2 * values)
    rewrite(path, "/xpcs/temporal_mean/scattering_1d", lambda values: 2 * values)
    assert fingerprint(shared(path)) == before


def test_a_result_without_multitau_is_told_by_its_two_time_part(copy, shared):
    path = copy(A002)
    with h5py.File(path, "r+") as h5:
        del h5["/xpcs/multitau/normalized_g2"]
    before = fingerprint(shared(path))
    rewrite(path, "/xpcs/twotime/normalized_g2", lambda values: values * 1.01)
    assert fingerprint(shared(path)) != before


def test_maps_are_read_once_for_all_files_that_share_them(copy, shared, monkeypatch):
    from xpcs_dash.hdf5 import bigdata

    read = []
    real = bigdata.read_stored
    monkeypatch.setattr(bigdata, "read_stored", lambda h5, s, path: read.append(s.path) or real(h5, s, path))
    for k in range(3):
        fingerprint(shared(copy(as_name=f"f{k}_results.hdf")))
    assert read == [DYNAMIC, STATIC]


def test_a_lying_map_hash_does_not_give_a_file_the_rings_of_another(copy, shared):
    """Two maps of equal size under one hash: expected coincidences follow the map, not the hash."""
    first, second = copy(), copy(as_name="other_results.hdf")
    rewrite(second, DYNAMIC, lambda values: np.roll(values, 20, axis=1))
    rewrite(first, DYNAMIC, lambda values: values)
    one, other = shared(first), shared(second)
    assert one.map_hash == other.map_hash
    np.testing.assert_array_equal(other.ring_table.pixels, open_result(second).ring_table.pixels)
    assert not np.array_equal(one.ring_table.dynamic_pixels(), other.ring_table.dynamic_pixels()) or (
        one.ring_table.pixels.size != other.ring_table.pixels.size
    )
