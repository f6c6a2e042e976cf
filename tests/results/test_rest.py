"""What is read when a file is opened, and what only when it is asked for."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

from tests.conftest import A001, A002
from xpcs_dash import open_result
from xpcs_dash.errors import IncompleteFile, UnreadableFile
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.results.door import Door
from xpcs_dash.settings import Settings

LATE = ("sample", "start_time", "geometry", "geometry_mismatch", "temperature_k", "partial_g2", "warnings")


@pytest.fixture
def copy(sample, tmp_path):
    return shutil.copyfile(sample(A001), tmp_path / "copy_results.hdf")


@pytest.fixture
def looked(monkeypatch):
    """Names of everything that is looked for in a file."""
    names, real = [], Handle.locate
    monkeypatch.setattr(Handle, "locate", lambda self, name, *a: names.append(name) or real(self, name, *a))
    return names


@pytest.mark.parametrize("name", [A001, A002])
def test_curves_need_neither_times_nor_geometry(sample, looked, name):
    xf = open_result(sample(name), HDF5ConnectionPool(idle_s=0.0))
    assert xf.coincidences.shape == xf.g2.shape == xf.g2_sigma.shape == (xf.t_el.size, xf.q.size)
    assert not [n for n in looked if n.startswith(("/entry/sample", "/entry/start")) or "partial" in n]
    before = len(looked)
    assert xf.sample
    assert len(looked) > before
    after = len(looked)
    assert xf.geometry is not None
    assert xf.start_time is not None
    assert len(looked) == after, "the rest is read at once"


def test_what_is_wrong_with_the_rest_is_said_when_it_is_asked_for(copy):
    with h5py.File(copy, "r+") as h5:
        del h5["/xpcs/multitau/normalized_g2_partial"]
        h5["/xpcs/multitau/normalized_g2_partial"] = np.ones((4, 3, 2))
    xf = open_result(copy)
    assert np.isfinite(xf.coincidences).all()
    with pytest.raises(IncompleteFile, match="normalized_g2_partial: expected shape"):
        _ = xf.sample


@pytest.mark.parametrize("name", LATE)
def test_the_rest_of_a_file_that_was_replaced_is_not_that_of_its_successor(copy, sample, name):
    xf = open_result(copy, HDF5ConnectionPool(idle_s=0.0))
    shutil.copyfile(sample(A002), copy.with_suffix(".new")).replace(copy)
    assert xf.q.size == 12
    with pytest.raises(UnreadableFile, match="replaced after it had been opened"):
        getattr(xf, name)


def test_a_link_that_only_the_rest_follows_makes_a_change_of_its_target_a_change(copy, tmp_path):
    target = tmp_path / "sample.h5"

    def name(text):
        with h5py.File(target, "w") as h5:
            h5["name"] = text

    name("first")
    with h5py.File(copy, "r+") as h5:
        del h5["/entry/sample/name"]
        h5["/entry/sample/name"] = h5py.ExternalLink("sample.h5", "/name")
    door = Door(Settings(root=tmp_path, state_dir=tmp_path / "state"), idle_s=0.0)
    assert door.open(copy).sample == "first"
    name("second")
    assert door.open(copy).sample == "second"
