import h5py
import numpy as np
import pytest

from tests.conftest import A001, A002, A003
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5 import tree
from xpcs_dash.hdf5.pool import HDF5ConnectionPool


@pytest.fixture
def odd(tmp_path):
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as h5:
        h5["secret"] = 42
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "odd.h5"
    with h5py.File(path, "w") as h5:
        h5["away"] = h5py.ExternalLink(str(outside), "/")
        h5["broken"] = h5py.SoftLink("/nowhere")
        h5["sneaky"] = h5py.SoftLink("/away/secret")
        h5["loop"] = h5py.SoftLink("/loop")
        h5["empty"] = h5py.Empty("f4")
        h5["none"] = np.zeros((0, 3))
        h5["words"] = ["Å⁻¹", "deg"]
        h5["g/x"] = np.arange(100.0)
        h5["g/x"].attrs["units"] = "mm"
        h5["g/x"].attrs["note"] = np.array([1, 2])
        h5.create_dataset("compound", data=np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]))
    with HDF5ConnectionPool(idle_s=0, roots=[tmp_path / "in"]).open(path) as handle:
        yield handle


def test_members_of_a_real_file(sample):
    with HDF5ConnectionPool().open(sample(A001)) as h5:
        top = tree.children(h5)
        assert [n.name for n in top] == ["entry", "xpcs"]
        assert all(n.kind == "group" and n.level == 0 for n in top)
        found = {n.name: n for n in tree.children(h5, "/xpcs/multitau")}
        assert found["normalized_g2"].shape == "38 × 12"
        assert found["normalized_g2"].dtype == "float32"
        assert found["config"].kind == "group"


def test_links_that_lead_outside_are_shown_and_not_followed(odd):
    found = {n.name: n for n in tree.children(odd)}
    assert found["away"].kind == "link"
    assert "outside.h5, which lies outside the watched directory, and is not read" in found["away"].preview
    assert "broken" in found["broken"].preview
    with pytest.raises(UsageError):
        tree.children(odd, "/away")
    assert "outside" in found["sneaky"].preview
    assert found["loop"].kind == "link"
    assert not any("42" in n.preview for n in tree.find(odd, "secret"))


def test_previews(odd):
    found = {n.name: n for n in tree.children(odd)}
    assert found["words"].preview == "Å⁻¹ deg"
    assert found["empty"].preview == "empty"
    assert found["none"].preview == "no values"
    x = tree.node(odd, "/g/x")
    assert (x.unit, x.preview) == ("mm", "0 1 2 3 4 5 6 7 …")
    assert x.attributes == (("note", "1 2"),)


def test_search_looks_at_paths_values_and_attributes(odd, sample):
    assert [n.path for n in tree.find(odd, "DEG")] == ["/words"]
    assert [n.path for n in tree.find(odd, "1 2")] == ["/g/x"]
    with HDF5ConnectionPool().open(sample(A001)) as h5:
        assert any(n.path.endswith("incident_energy") for n in tree.find(h5, "incident_energy"))
        assert len(tree.find(h5, "a", limit=5)) == 5


def test_difference(sample):
    pool = HDF5ConnectionPool()
    with pool.open(sample(A001)) as a, pool.open(sample(A003)) as b, pool.open(sample(A002)) as c:
        assert tree.difference(a, a) == []
        paths = {d.path: d.what for d in tree.difference(a, b)}
        assert paths["/xpcs/multitau/normalized_g2"] == "value"
        assert "/xpcs/qmap/dynamic_roi_map" not in paths  # equal values, compared in full
        two = {d.path: d for d in tree.difference(a, c)}
        assert two["/xpcs/twotime/processed_bins"].what == "only in the right file"
        assert two["/xpcs/multitau/normalized_g2"].what == "shape"


def test_bad_paths_are_refused(odd):
    for bad in ("/no", "/words", "/g/x/y"):
        with pytest.raises(UsageError):
            tree.children(odd, bad)
    with pytest.raises(UsageError, match="there is no /g/none"):
        tree.node(odd, "g/none")
