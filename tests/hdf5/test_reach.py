"""Nothing that a file says leads out of the directories that may be read, whatever way it says so."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.hdf5 import synthetic
from xpcs_dash.errors import UnreadableFile, XpcsDashError
from xpcs_dash.hdf5 import tree
from xpcs_dash.hdf5.handle import Group, Handle
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.hdf5.reach import OutOfReach
from xpcs_dash.results.opening import open_result

SECRET = 4711.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "below").mkdir(parents=True)
    with h5py.File(tmp_path / "secret.h5", "w") as h5:
        h5["x"] = np.full(5, SECRET)
        h5["g/x"] = np.full(5, SECRET)
    (tmp_path / "passwd").write_text("root:4711:0:\n" * 100)
    with h5py.File(tmp_path / "root" / "raw.h5", "w") as h5:
        h5["x"] = np.arange(5.0)
        h5["g/x"] = np.arange(5.0) + 1
        h5["g/x"].attrs["units"] = "mm"
        h5["out"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/x")
        h5["soft"] = h5py.SoftLink("/out")
        h5["back"] = h5py.ExternalLink("a.h5", "/own")
    return tmp_path / "root"


@pytest.fixture
def pool(root: Path) -> Iterator[HDF5ConnectionPool]:
    pool = HDF5ConnectionPool(idle_s=0, roots=[root])
    yield pool
    pool.close()


def write(root: Path, name: str = "a.h5", **links: object) -> Path:
    path = root / name
    with h5py.File(path, "w") as h5:
        h5["own"] = np.arange(3.0)
        for member, target in links.items():
            h5[member.replace("__", "/")] = target
    return path


#: Way out -> file and object that an external link names; {} stands for the directory above the root.
OUTWARDS = {
    "absolute": ("{}/secret.h5", "/x"),
    "relative": ("../secret.h5", "/x"),
    "by a detour": ("below/../../secret.h5", "/x"),
    "through a file that may be read": ("raw.h5", "/out"),
    "through its soft link": ("raw.h5", "/soft"),
    "by a link of the file system": ("alias.h5", "/x"),
    "by the system's list of open files": ("/proc/self/cwd/secret.h5", "/x"),
}


@pytest.mark.parametrize("way", OUTWARDS)
def test_an_external_link_out_of_the_roots_counts_as_missing(root, pool, way, monkeypatch):
    monkeypatch.chdir(root.parent)
    (root / "alias.h5").symlink_to(root.parent / "secret.h5")
    name, target = OUTWARDS[way]
    link = h5py.ExternalLink(name.format(root.parent), target)
    path = write(root, x=link, soft=h5py.SoftLink("/x"))
    with pool.open(path) as h5:
        assert "x" not in h5
        assert h5.get("/x") is None
        assert h5.get("soft") is None
        with pytest.raises(KeyError):
            h5["x"]
        assert set(h5.refused) == {"/x", "/soft"}
        for reason in h5.refused.values():
            assert reason.endswith("which lies outside the watched directory, and is not read")
        found = {node.name: node for node in tree.children(h5)}
        assert found["x"].kind == "link"
        assert "4711" not in str(list(found.values()))
        assert not tree.find(h5, "4711")


def test_a_group_out_of_the_roots_counts_as_missing_with_all_below(root, pool):
    path = write(root, g=h5py.ExternalLink("../secret.h5", "/"))
    with pool.open(path) as h5:
        assert h5.get("g/x") is None
        assert h5.get("g/g/x") is None
        assert h5.get("/g") is None
        assert "lies outside" in h5.refused["/g/x"]


def test_whether_something_is_there_outside_is_not_told(root, pool):
    path = write(
        root,
        there=h5py.ExternalLink("../secret.h5", "/x"),
        gone=h5py.ExternalLink("../nothing.h5", "/x"),
        folder=h5py.ExternalLink("/etc", "/x"),
        text=h5py.ExternalLink("/etc/passwd", "/x"),
    )
    with pool.open(path) as h5:
        assert [h5.get(name) for name in ("there", "gone", "folder", "text")] == [None] * 4
        reasons = [text.replace("leads to ", "").split(", ", 1)[1] for text in h5.refused.values()]
        assert len(reasons) == 4
        assert len(set(reasons)) == 1


def test_links_within_the_roots_are_followed(root, pool):
    path = write(
        root / "below",
        "b.h5",
        x=h5py.ExternalLink("../raw.h5", "/x"),
        absolute=h5py.ExternalLink(str(root / "raw.h5"), "/g/x"),
        g=h5py.ExternalLink("../raw.h5", "/g"),
        soft=h5py.SoftLink("/g/x"),
        back=h5py.ExternalLink("../raw.h5", "/back"),
        me=h5py.ExternalLink("b.h5", "/own"),
    )
    write(root, "a.h5")
    with pool.open(path) as h5:
        assert list(h5["x"][()]) == [0, 1, 2, 3, 4]
        for name in ("absolute", "g/x", "soft"):
            assert list(h5[name][1:3]) == [2, 3]
        assert h5["g/x"].attrs["units"] == "mm"
        assert list(h5["me"][()]) == list(h5["back"][()]) == [0, 1, 2]
        assert isinstance(h5["g"], Group)
        assert list(h5["g"]) == ["x"]
        assert not h5.refused
        found = {node.path: node for node in tree.find(h5, "/")}
        assert found["/g/x"].preview == "1 2 3 4 5"
        assert found["/g/x"].unit == "mm"
    assert pool.stats().open_now == 0


def test_of_an_absolute_name_that_leads_nowhere_the_last_part_counts(root, pool):
    path = write(root, x=h5py.ExternalLink("/moved/since/raw.h5", "/x"))
    with pool.open(path) as h5:
        assert list(h5["x"][()]) == [0, 1, 2, 3, 4]
    # but never in place of a file that is there
    (root / "secret.h5").write_bytes((root / "raw.h5").read_bytes())
    path = write(root, x=h5py.ExternalLink(str(root.parent / "secret.h5"), "/x"))
    with pool.open(path) as h5:
        assert h5.get("x") is None


def test_a_copy_by_hard_link_is_a_file_of_the_roots(root, pool):
    os.link(root.parent / "secret.h5", root / "copy.h5")
    with pool.open(write(root, x=h5py.ExternalLink("copy.h5", "/x"))) as h5:
        assert h5["x"][0] == SECRET


def test_links_that_lead_in_circles_end(root, pool):
    with h5py.File(root / "c.h5", "w") as h5:
        h5["a"] = h5py.ExternalLink("c.h5", "/a")
        h5["b"] = h5py.ExternalLink("d.h5", "/b")
        h5["all"] = h5py.ExternalLink("c.h5", "/")
    with h5py.File(root / "d.h5", "w") as h5:
        h5["b"] = h5py.ExternalLink("c.h5", "/b")
    with pool.open(root / "c.h5") as h5:
        assert h5.get("a") is None
        assert h5.get("b") is None
        assert "more than 16 links" in h5.refused["/a"]
        assert isinstance(h5.get("all/all/all"), Group)
        assert list(h5.datasets()) == []
        assert [node.path for node in tree.find(h5, "a")]
    assert pool.stats().leased_now == 0


def test_a_link_to_what_is_no_hdf5_file(root, pool):
    (root / "text.h5").write_text("abc")
    os.mkfifo(root / "pipe.h5")
    path = write(root, **{n: h5py.ExternalLink(f"{n}.h5", "/x") for n in ("text", "pipe", "gone", "below")})
    with pool.open(path) as h5:
        for name, reason in (("text", "not an HDF5"), ("pipe", "regular file"), ("gone", "not there")):
            assert h5.get(name) is None
            assert reason in h5.refused[f"/{name}"]


def test_the_file_itself_must_lie_in_the_roots(root, pool):
    (root / "alias.h5").symlink_to(root.parent / "secret.h5")
    for path in (root.parent / "secret.h5", root / "alias.h5", root / ".." / "secret.h5"):
        with pytest.raises(OutOfReach, match="outside the watched directory"), pool.open(path):
            pass
    (root / "inner.h5").symlink_to("raw.h5")
    with pool.open(root / "inner.h5") as h5:
        assert list(h5["x"][()]) == [0, 1, 2, 3, 4]


def test_a_file_that_a_script_names_reaches_its_own_directory(root):
    pool = HDF5ConnectionPool(idle_s=0)
    path = write(
        root,
        x=h5py.ExternalLink("raw.h5", "/x"),
        away=h5py.ExternalLink("../secret.h5", "/x"),
    )
    with pool.open(path) as h5:
        assert list(h5["x"][()]) == [0, 1, 2, 3, 4]
        assert h5.get("away") is None
        assert "lies outside the directory of the file" in h5.refused["/away"]


def test_a_shared_handle_is_checked_for_each_pool_that_leases_it(root):
    pool = HDF5ConnectionPool(idle_s=60, roots=[root])
    path = write(root, away=h5py.ExternalLink("../secret.h5", "/x"))
    with HDF5ConnectionPool(idle_s=60).open(root.parent / "secret.h5") as h5:
        assert h5["x"][0] == SECRET
        with pool.open(path) as ours:
            assert ours.get("away") is None
    pool.close()


def test_variables_of_hdf5_have_no_effect(root, pool, monkeypatch):
    monkeypatch.setenv("HDF5_EXT_PREFIX", str(root.parent))
    with pool.open(write(root, x=h5py.ExternalLink("secret.h5", "/x"))) as h5:
        assert h5.get("x") is None


@pytest.fixture
def often() -> Iterator[None]:
    """Threads take turns every 50 µs."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("what", ["file", "directory"])
def test_an_exchange_between_check_and_opening_is_noticed(root, pool, what, often):
    """A thread turns a name inwards and outwards thousands of times; nothing from outside is ever read."""
    inside, outside = root / "real", root.parent / "away"
    for folder, value in ((inside, 1.0), (outside, SECRET)):
        folder.mkdir()
        with h5py.File(folder / "t.h5", "w") as h5:
            h5["x"] = np.full(5, value)
    link = root / ("t.h5" if what == "file" else "turning")
    targets = [folder / "t.h5" if what == "file" else folder for folder in (inside, outside)]
    target = "t.h5" if what == "file" else "turning/t.h5"
    path = write(root, x=h5py.ExternalLink(target, "/x"))
    link.symlink_to(targets[0])
    over = threading.Event()
    turns = 0

    def turn() -> None:
        nonlocal turns
        while not over.is_set():
            for at in targets:
                (root / "next").symlink_to(at)
                (root / "next").rename(link)
                turns += 1

    thread = threading.Thread(target=turn)
    thread.start()
    seen: set[object] = set()
    try:
        reads = 0
        while reads < 150 or turns < 2000:
            reads += 1
            try:
                with pool.open(path) as h5:
                    found = h5.get("x")
                    seen.add("missing" if found is None else float(found[0]))
                with pool.open(root / target) as h5:
                    seen.add(float(h5["x"][0]))
            except UnreadableFile:
                seen.add("missing")
    finally:
        over.set()
        thread.join()
    assert seen == {1.0, "missing"}


def test_a_result_says_what_it_does_not_read(root, pool):
    path = root / "r.hdf"
    synthetic.aps(path)
    with h5py.File(path, "r+") as h5:
        del h5["/xpcs/temporal_mean/scattering_2d"]
        h5["/xpcs/temporal_mean/scattering_2d"] = h5py.ExternalLink("../secret.h5", "/x")
    xf = open_result(path, pool)
    assert xf.saxs_2d is None
    assert any(
        "The object /xpcs/temporal_mean/scattering_2d leads to ../secret.h5, which lies outside the watched "
        "directory, and is not read." in text
        for text in xf.warnings
    )


def test_a_result_without_its_g2_says_where_that_led(root, pool):
    path = root / "r.hdf"
    synthetic.aps(path)
    with h5py.File(path, "r+") as h5:
        del h5["/xpcs/multitau/normalized_g2"]
        h5["/xpcs/multitau/normalized_g2"] = h5py.ExternalLink("../secret.h5", "/x")
    with pytest.raises(XpcsDashError, match=r"normalized_g2 leads to \.\./secret.h5, which lies outside"):
        open_result(path, pool)


def test_handles_are_not_for_writing(root, pool):
    with pool.open(root / "raw.h5") as h5:
        assert isinstance(h5, Handle)
        assert not hasattr(h5, "create_dataset")
