from types import SimpleNamespace

import pytest

from tests.conftest import A001, A002
from xpcs_dash.analysis.kernel import ViewerKernel
from xpcs_dash.errors import UsageError
from xpcs_dash.pages.metadata.callbacks import difference_rows, search_rows, toggle, tree_rows
from xpcs_dash.results.door import Door
from xpcs_dash.settings import Settings


@pytest.fixture
def services(sample, tmp_path):
    paths = {"1": sample(A001), "2": sample(A002)}
    return SimpleNamespace(kernel=ViewerKernel(Door(Settings(state_dir=tmp_path), paths.__getitem__)))


def test_only_open_groups_show_their_members(services):
    closed = tree_rows(services, "1", frozenset())
    assert [row["path"] for row in closed] == ["/entry", "/xpcs"]
    assert closed[0]["shown"].strip().startswith("▸")
    opened = tree_rows(services, "1", frozenset({"/xpcs", "/xpcs/multitau"}))
    paths = [row["path"] for row in opened]
    assert "/xpcs/multitau/delay_list" in paths
    assert "/xpcs/qmap/mask" not in paths
    assert next(row for row in opened if row["path"] == "/xpcs/multitau/normalized_g2")["shape"] == "38 × 12"


def test_search_shows_full_paths(services):
    rows = search_rows(services, "1", "detector_distance")
    assert "/xpcs/qmap/detector_distance" in [row["shown"] for row in rows]


def test_difference_needs_two_files(services):
    with pytest.raises(UsageError, match="Select two files"):
        difference_rows(services, ("1",))
    rows = difference_rows(services, ("1", "2"))
    assert {"path", "left", "right", "what"} == set(rows[0])
    assert any(row["what"] == "only in the right file" for row in rows)


def test_toggle():
    assert toggle("", "/a") == "/a"
    assert toggle("/a,/b", "/a") == "/b"
    assert toggle("/a", "/a/b") == "/a,/a/b"
