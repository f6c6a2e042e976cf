"""Nothing that a file says leads out of the directories that may be read, whatever way it says so."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5pl

from tests.hdf5 import synthetic
from xpcs_dash.errors import UnreadableFile, XpcsDashError
from xpcs_dash.hdf5 import handle, tree
from xpcs_dash.hdf5.handle import Group, Handle
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.hdf5.reach import OutOfReach
from xpcs_dash.results.door import Door
from xpcs_dash.results.opening import open_result
from xpcs_dash.settings import Settings

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


def test_links_to_more_files_than_are_open_at_once(root, pool):
    n = 130
    with h5py.File(root / "many.h5", "w") as h5:
        for i in range(n):
            with h5py.File(root / f"n{i:03}.h5", "w") as other:
                other["x"] = np.full(3, i)
                other["g/y"] = i
            h5[f"data/x{i:03}"] = h5py.ExternalLink(f"n{i:03}.h5", "/x")
            h5[f"groups/g{i:03}"] = h5py.ExternalLink(f"n{i:03}.h5", "/g")
    with pool.open(root / "many.h5") as h5:
        assert [found[0] for found in h5["data"].datasets()] == list(range(n))
        assert [node.preview for node in tree.children(h5, "/data")][-1] == "129 129 129"
        assert len(tree.find(h5, "x", limit=1000)) == n
        assert tree.difference(h5, h5) == []
    with pool.open(root / "many.h5") as h5:
        kept = [h5.get(f"data/x{i:03}") for i in range(n)]
        assert kept[99][0] == 99
        assert kept[100] is None
        assert "more than 100 files are needed at once" in h5.refused["/data/x100"]
    assert pool.stats().open_now == 0


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
    for name in ("HDF5_EXT_PREFIX", "HDF5_VDS_PREFIX", "HDF5_EXTFILE_PREFIX"):
        monkeypatch.setenv(name, str(root.parent))
    path = write(root, x=h5py.ExternalLink("secret.h5", "/x"))
    layout = h5py.VirtualLayout((5,), "f8")
    layout[:] = h5py.VirtualSource("secret.h5", "x", (5,))
    with h5py.File(path, "a", locking=False) as h5:
        h5.create_virtual_dataset("v", layout, fillvalue=-1)
        h5.create_dataset("r", shape=(5,), dtype="u1", external=[("passwd", 0, 5)])
    with pool.open(path) as h5:
        assert h5.get("x") is h5.get("r") is None
        assert list(h5["v"][()]) == [-1] * 5


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


def test_a_script_may_name_more_directories(root):
    path = root / "below" / "r.hdf"
    synthetic.aps(path)
    with h5py.File(path, "r+") as h5, h5py.File(root / "image.h5", "w") as other:
        other["x"] = h5["/xpcs/temporal_mean/scattering_2d"][()]
        del h5["/xpcs/temporal_mean/scattering_2d"]
        h5["/xpcs/temporal_mean/scattering_2d"] = h5py.ExternalLink("../image.h5", "/x")
    xf = open_result(path)
    assert xf.saxs_2d is None
    assert any("lies outside the directory of the file" in text for text in xf.warnings)
    assert open_result(path, roots=[root]).saxs_2d is not None


def test_a_file_is_read_anew_when_one_that_it_links_to_changes(root, tmp_path):
    path, image = root / "r.hdf", "/xpcs/temporal_mean/scattering_2d"
    synthetic.aps(path)
    with h5py.File(path, "r+") as h5:
        values = h5[image][()]
        del h5[image]
        h5[image] = h5py.ExternalLink("image.h5", "/x")
    door = Door(Settings(root=root, state_dir=tmp_path / "state"))
    first = door.open(path)
    assert first.saxs_2d is None
    assert door.open(path) is first
    for factor in (1, 2):
        with h5py.File(root / "new.h5", "w", locking=False) as h5:
            h5["x"] = factor * values
        (root / "new.h5").rename(root / "image.h5")
        found = door.open(path)
        assert found.key.token != first.key.token
        assert np.array_equal(found.saxs_2d, np.float32(factor * values[0]))
        assert door.open(path) is found
        first = found


def test_no_filter_is_loaded_from_a_watched_directory(root):
    (root / "plugins").mkdir()
    h5pl.append(os.fsencode(root / "plugins"))
    before = h5pl.size()
    HDF5ConnectionPool(roots=[root.parent / "elsewhere"])
    assert h5pl.size() == before
    HDF5ConnectionPool(roots=[root])
    assert os.fsencode(root / "plugins") not in [h5pl.get(i) for i in range(h5pl.size())]


def test_references_and_attributes_stay_in_their_file(root, pool):
    with h5py.File(root / "a.h5", "w") as h5:
        h5["away"] = h5py.ExternalLink("../secret.h5", "/x")
        h5["own"] = np.arange(4.0)
        h5["refs"] = np.array([h5["own"].ref, h5["/"].ref], dtype=h5py.ref_dtype)
        h5["own"].attrs["to"] = h5["own"].ref
        h5["own"].attrs["part"] = h5["own"].regionref[1:3]
        h5["type"] = np.dtype([("a", "i4")])
        h5["type"].attrs["note"] = "named"
    with pool.open(root / "a.h5") as h5:
        shown = str(tree.children(h5)) + str(tree.find(h5, "e"))
        assert "4711" not in shown
        assert "named" in shown


#: Calls of h5py that open something by a name, in any module but those that look where the name leads.
BY_NAME = re.compile(
    r"""h5[do]\.open\(|h5g\.open\(|open_by_|exists_by_name|visititems|\.visit\(|dereference\(
    |h5py\.File\([^)]*"r|h5py\.(Group|Dataset)\(|getlink=|h5l\.|\.virtual_sources|h5f\.open\(""",
    re.VERBOSE,
)
SAFE = {"links.py", "handle.py", "datasets.py", "pool.py"}


def test_no_other_module_opens_by_name_past_the_handle():
    package = Path(handle.__file__).parent
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in package.rglob("*.py")
        if path.name not in SAFE
        for line in path.read_text().splitlines()
        if BY_NAME.search(line)
    ]
    assert found == []
    assert any(BY_NAME.search(line) for line in (package / "handle.py").read_text().splitlines())


def test_handles_are_not_for_writing(root, pool):
    with pool.open(root / "raw.h5") as h5:
        assert isinstance(h5, Handle)
        assert not hasattr(h5, "create_dataset")
