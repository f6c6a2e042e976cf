"""Values that lie in other files: external raw storage and virtual datasets, read within the roots alone."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5d, h5f, h5p, h5s, h5t
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hdf5 import synthetic
from xpcs_dash.errors import XpcsDashError
from xpcs_dash.hdf5 import tree
from xpcs_dash.hdf5.datasets import NotReached
from xpcs_dash.hdf5.frames import find_frames, reduce_frames
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.results.opening import open_result

IMAGE = "/xpcs/temporal_mean/scattering_2d"
SELECTIONS = (
    np.s_[()],
    np.s_[...],
    np.s_[2:5],
    np.s_[1],
    np.s_[-1],
    np.s_[::3],
    np.s_[..., 0],
    np.s_[1:, 1:],
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "passwd").write_text("root:x:0:0:secret\n" * 1000)
    with h5py.File(tmp_path / "secret.h5", "w") as h5:
        h5["x"] = np.full((6, 4), 4711)
    for i in range(3):
        with h5py.File(tmp_path / "root" / f"part_{i}.h5", "w") as h5:
            h5["x"] = np.arange(24).reshape(6, 4) + 100 * i
            h5["deep/x"] = np.arange(24.0).reshape(2, 3, 4) + 1000 * i
            h5["out"] = h5py.ExternalLink("../secret.h5", "/x")
    return tmp_path / "root"


@pytest.fixture
def pool(root: Path) -> Iterator[HDF5ConnectionPool]:
    pool = HDF5ConnectionPool(idle_s=0, roots=[root])
    yield pool
    pool.close()


@contextmanager
def openings(path: Path) -> Iterator[list[int]]:
    """Every time that ``path`` is opened for reading in the block, as the system counts."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(path), 0x20) >= 0
    seen: list[int] = []
    try:
        yield seen
        try:
            data = os.read(watch, 4096)
        except BlockingIOError:
            data = b""
        seen += [mask for _, mask, _, _ in struct.iter_unpack("iIII", data)]
    finally:
        os.close(watch)


def virtual(
    path: Path, name: str, shape: tuple[int, ...], parts: dict[object, h5py.VirtualSource], **kw: object
) -> None:
    layout = h5py.VirtualLayout(shape, kw.pop("dtype", "i8"), kw.pop("maxshape", None))
    for place, source in parts.items():
        layout[list(place) if isinstance(place, tuple) else place] = source
    with h5py.File(path, "a", locking=False) as h5:
        h5.create_virtual_dataset(name, layout, **kw)


def raw(path: Path, name: str, shape: tuple[int, ...], dtype: str, files: list[tuple[str, int, int]]) -> None:
    with h5py.File(path, "a", locking=False) as h5:
        h5.create_dataset(name, shape=shape, dtype=dtype, external=files)


# -- external raw storage


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<u4", ">f4", "<f8", "S3", "bool"])
def test_raw_values_within_the_roots(root, pool, dtype):
    values = (np.arange(6 * 4) % 100).reshape(6, 4).astype(dtype)
    data = values.tobytes()
    (root / "one.raw").write_bytes(b"head" + data[:37])
    (root / "two.raw").write_bytes(data[37:] + b"tail")
    raw(root / "a.h5", "x", (6, 4), dtype, [("one.raw", 4, 37), ("two.raw", 0, h5f.UNLIMITED)])
    with pool.open(root / "a.h5") as h5:
        assert h5["x"].shape == (6, 4)
        for selection in SELECTIONS:
            assert np.array_equal(h5["x"][selection], values[selection])
        assert not h5.refused
    assert pool.stats().leased_now == 0


def test_raw_values_are_read_in_parts(root, pool, monkeypatch):
    monkeypatch.setattr("xpcs_dash.hdf5.outside.BLOCK_BYTES", 64)
    values = np.arange(600, dtype="<i4").reshape(50, 4, 3)
    (root / "v.raw").write_bytes(values.tobytes())
    raw(root / "a.h5", "x", values.shape, "<i4", [("v.raw", 0, values.nbytes)])
    with pool.open(root / "a.h5") as h5:
        for selection in (*SELECTIONS, np.s_[3:47:7, 1, ::2]):
            assert np.array_equal(h5["x"][selection], values[selection])


RAW_OUTWARDS = ("{}/passwd", "../passwd", "alias.raw", "/etc/passwd", "/proc/self/environ")


@pytest.mark.parametrize("name", RAW_OUTWARDS)
def test_raw_values_outside_the_roots_count_as_missing(root, pool, name, monkeypatch):
    monkeypatch.chdir(root.parent)
    (root / "alias.raw").symlink_to(root.parent / "passwd")
    raw(root / "a.h5", "x", (40,), "u1", [(name.format(root.parent), 0, h5f.UNLIMITED)])
    raw(root / "a.h5", "later", (40,), "u1", [("part_0.h5", 0, 30), (name.format(root.parent), 0, 10)])
    with openings(root.parent / "passwd") as opened, pool.open(root / "a.h5") as h5:
        for member in ("x", "later"):
            assert h5.get(member) is None
            assert member not in h5
            reason = h5.refused[f"/{member}"]
            assert reason.startswith("keeps its values in ")
            assert reason.endswith("which lies outside the watched directory, and is not read")
        shown = str(tree.children(h5)) + str(tree.find(h5, "o"))
        assert "secret" not in shown
        assert "missing: it keeps its values in" in shown
    assert opened == []


def test_what_opens_a_file_is_seen(root):
    """The check above would notice: HDF5 itself opens the file."""
    raw(root / "a.h5", "x", (40,), "u1", [(str(root.parent / "passwd"), 0, h5f.UNLIMITED)])
    with openings(root.parent / "passwd") as opened, h5py.File(root / "a.h5", locking=False) as h5:
        assert bytes(h5["x"][:4]) == b"root"
    assert opened


def test_raw_values_in_a_file_that_is_too_short_count_as_missing(root, pool):
    (root / "v.raw").write_bytes(bytes(39))
    raw(root / "a.h5", "x", (40,), "u1", [("v.raw", 0, h5f.UNLIMITED)])
    raw(root / "a.h5", "gone", (40,), "u1", [("no.raw", 0, 40)])
    with pool.open(root / "a.h5") as h5:
        assert h5.get("x") is h5.get("gone") is None
        assert h5.refused["/x"] == "keeps its values in v.raw, which is too short"
        assert h5.refused["/gone"] == "keeps its values in no.raw, which is not there"


def test_a_raw_file_that_is_exchanged_after_it_was_looked_at(root, pool):
    (root / "v.raw").write_bytes(bytes(40))
    raw(root / "a.h5", "x", (40,), "u1", [("v.raw", 0, 40)])
    with openings(root.parent / "passwd") as opened, pool.open(root / "a.h5") as h5:
        found = h5["x"]
        (root / "v.raw").unlink()
        (root / "v.raw").symlink_to("../passwd")
        with pytest.raises(NotReached, match="lies outside"):
            found[()]
    assert opened == []


def test_a_type_that_has_another_form_in_memory_is_refused(root, pool):
    (root / "v.raw").write_bytes(bytes(400))
    with h5py.File(root / "a.h5", "w") as h5:
        for name, kind in (("text", h5py.string_dtype()), ("pairs", np.dtype([("a", "i4"), ("b", "f8")]))):
            plan = h5p.create(h5p.DATASET_CREATE)
            plan.set_external(b"v.raw", 0, 400)
            h5d.create(h5.id, name.encode(), h5t.py_create(kind, logical=1), h5s.create_simple((2,)), plan)
    with pool.open(root / "a.h5") as h5:
        assert h5.get("text") is h5.get("pairs") is None
        assert set(h5.refused) == {"/text", "/pairs"}


# -- virtual datasets


def test_a_virtual_dataset_over_siblings(root, pool):
    parts = {np.s_[6 * i : 6 * i + 6]: h5py.VirtualSource(f"part_{i}.h5", "x", (6, 4)) for i in range(3)}
    virtual(root / "v.h5", "x", (18, 4), parts)
    absolute = {np.s_[:]: h5py.VirtualSource(str(root / "part_1.h5"), "x", (6, 4))}
    virtual(root / "v.h5", "absolute", (6, 4), absolute)
    with h5py.File(root / "v.h5", locking=False) as theirs, pool.open(root / "v.h5") as h5:
        for name in ("x", "absolute"):
            for selection in SELECTIONS:
                assert np.array_equal(h5[name][selection], theirs[name][selection])
        assert h5["x"][17, 3] == 223
        assert not h5.remarks()
    assert pool.stats().open_now == 0


VIRTUAL_OUTWARDS = {
    "relative": ("../secret.h5", "x"),
    "absolute": ("{}/secret.h5", "x"),
    "by a link of the file system": ("alias.h5", "x"),
    "by an external link in the source": ("part_0.h5", "out"),
    "by an external link in itself": (".", "away"),
    "by another virtual dataset": ("inner.h5", "x"),
}


@pytest.mark.parametrize("way", VIRTUAL_OUTWARDS)
def test_a_virtual_dataset_with_a_source_outside_counts_as_missing(root, pool, way):
    (root / "alias.h5").symlink_to("../secret.h5")
    virtual(root / "inner.h5", "x", (6, 4), {np.s_[:]: h5py.VirtualSource("../secret.h5", "x", (6, 4))})
    name, dataset = VIRTUAL_OUTWARDS[way]
    with h5py.File(root / "v.h5", "w", locking=False) as h5:
        h5["away"] = h5py.ExternalLink("../secret.h5", "/x")
    parts = {
        np.s_[:6]: h5py.VirtualSource("part_1.h5", "x", (6, 4)),
        np.s_[6:]: h5py.VirtualSource(name.format(root.parent), dataset, (6, 4)),
    }
    virtual(root / "v.h5", "x", (12, 4), parts)
    with openings(root.parent / "secret.h5") as opened, pool.open(root / "v.h5") as h5:
        assert h5.get("x") is None
        assert h5.refused["/x"].endswith("which lies outside the watched directory, and is not read")
        assert "4711" not in str(tree.children(h5))
    assert opened == []


def test_a_source_that_is_not_there_yet_gives_the_fill_value_and_a_remark(root, pool):
    parts = {
        np.s_[:6]: h5py.VirtualSource("part_1.h5", "x", (6, 4)),
        np.s_[6:12]: h5py.VirtualSource("later.h5", "x", (6, 4)),
        np.s_[12:]: h5py.VirtualSource("part_1.h5", "nothing", (6, 4)),
    }
    virtual(root / "v.h5", "x", (18, 4), parts, fillvalue=-3)
    with pool.open(root / "v.h5") as h5:
        assert h5["x"][0, 0] == 100
        assert np.all(h5["x"][6:] == -3)
        assert h5.remarks() == (
            "the object /x takes values from later.h5, which is not there: -3 stands in its place",
        )


def test_sources_with_other_shapes_and_types(root, pool):
    x, deep = h5py.VirtualSource("part_0.h5", "x", (6, 4)), (2, 3, 4)
    virtual(root / "v.h5", "columns", (6, 2), {np.s_[:]: x[:, 1:3]})
    x = h5py.VirtualSource("part_0.h5", "x", (6, 4))
    virtual(root / "v.h5", "steps", (3, 4), {np.s_[:]: x[::2]})
    virtual(
        root / "v.h5",
        "plane",
        (3, 4),
        {np.s_[:]: h5py.VirtualSource("part_1.h5", "deep/x", deep)[1]},
        dtype="f8",
    )
    virtual(
        root / "v.h5",
        "line",
        (12,),
        {np.s_[:]: h5py.VirtualSource("part_1.h5", "deep/x", deep)[1]},
        dtype="f4",
    )
    virtual(
        root / "v.h5", "small", (6, 4), {np.s_[:]: h5py.VirtualSource("part_2.h5", "x", (6, 4))}, dtype="u1"
    )
    virtual(
        root / "v.h5",
        "rows",
        (8, 4),
        {(0, 2, 3, 7): h5py.VirtualSource("part_2.h5", "x", (6, 4))[1:5]},
    )
    virtual(
        root / "v.h5", "chosen", (3, 4), {np.s_[:]: h5py.VirtualSource("part_2.h5", "x", (6, 4))[[0, 1, 5]]}
    )
    virtual(root / "v.h5", "nothing", (6, 4), {})
    with h5py.File(root / "v.h5", locking=False) as theirs, pool.open(root / "v.h5") as h5:
        for name in theirs:
            for selection in SELECTIONS if theirs[name].ndim > 1 else SELECTIONS[:6]:
                assert np.array_equal(h5[name][selection], theirs[name][selection]), (name, selection)
        assert h5["small"][5, 3] == 223
        assert not h5.remarks()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_grid_is_put_together_as_hdf5_does(root, pool, data):
    """Random combs in place and source, and random selections of them."""
    (root / "v.h5").unlink(missing_ok=True)
    shape, source_shape = (9, 8), (10, 7)
    with h5py.File(root / "s.h5", "w", locking=False) as h5:
        h5["x"] = np.arange(70).reshape(source_shape)
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_fill_value(np.array(-1))
    taken = np.zeros(shape, dtype=bool)
    for _ in range(data.draw(st.integers(1, 3))):
        place, source = [], []
        for n, m in zip(shape, source_shape, strict=True):
            count, block = data.draw(st.sampled_from([(1, 1), (1, 3), (2, 1), (3, 1), (2, 2), (1, 5)]))
            for extent, out in ((n, place), (m, source)):
                stride = data.draw(st.integers(block, block + 1))
                room = extent - ((count - 1) * stride + block)
                out.append((data.draw(st.integers(0, room)), count, stride, block))
        grid = [
            np.concatenate([np.arange(o + k * s, o + k * s + b) for k in range(c)]) for o, c, s, b in place
        ]
        if taken[np.ix_(*grid)].any():
            continue  # HDF5 leaves zeros in place of fill values where parts overlap
        taken[np.ix_(*grid)] = True
        spaces = []
        for extents, chosen in ((shape, place), (source_shape, source)):
            space = h5s.create_simple(extents)
            start, count, stride, block = zip(*chosen, strict=True)
            space.select_hyperslab(start, count, stride, block)
            spaces.append(space)
        plan.set_virtual(spaces[0], b"s.h5", b"x", spaces[1])
    with h5py.File(root / "v.h5", "w", locking=False) as h5:
        h5d.create(h5.id, b"x", h5t.NATIVE_INT64, h5s.create_simple(shape), plan)
    ranges = [
        data.draw(st.builds(slice, st.integers(0, n - 1), st.integers(0, n), st.integers(1, 4)))
        for n in shape
    ]
    with h5py.File(root / "v.h5", locking=False) as theirs, pool.open(root / "v.h5") as h5:
        for selection in ((), tuple(ranges)):
            assert np.array_equal(h5["x"][selection], theirs["x"][selection])


def growing(path: Path, name: str, filename: str, block: int, *, numbered: bool) -> None:
    """A virtual dataset that is as long as its sources."""
    space = h5s.create_simple((0, 4), (h5s.UNLIMITED, 4))
    space.select_hyperslab((0, 0), (h5s.UNLIMITED, 1), (block, 1), (block, 4))
    source = h5s.create_simple((6, 4), (6 if numbered else h5s.UNLIMITED, 4))
    if not numbered:
        source.select_hyperslab((1, 0), (h5s.UNLIMITED, 1), (block, 1), (block, 4))
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_virtual(space, filename.encode(), b"x", source)
    with h5py.File(path, "a", locking=False) as h5:
        h5d.create(
            h5.id, name.encode(), h5t.NATIVE_INT64, h5s.create_simple((0, 4), (h5s.UNLIMITED, 4)), plan
        )


def test_virtual_datasets_that_grow_with_their_sources(root, pool):
    growing(root / "v.h5", "numbered", "part_%b.h5", 6, numbered=True)
    growing(root / "v.h5", "long", "part_1.h5", 1, numbered=False)
    with h5py.File(root / "v.h5", locking=False) as theirs, pool.open(root / "v.h5") as h5:
        assert h5["numbered"].shape == theirs["numbered"].shape == (18, 4)
        assert h5["long"].shape == theirs["long"].shape == (5, 4)
        for name in ("numbered", "long"):
            for selection in SELECTIONS:
                assert np.array_equal(h5[name][selection], theirs[name][selection])
        assert not h5.remarks()


def test_a_growing_dataset_is_not_opened_outside_to_learn_its_shape(root, pool):
    for i in range(2):
        (root.parent / f"secret_{i}.h5").write_bytes((root.parent / "secret.h5").read_bytes())
    growing(root / "v.h5", "numbered", "../secret_%b.h5", 6, numbered=True)
    growing(root / "v.h5", "long", "../secret_0.h5", 1, numbered=False)
    with openings(root.parent / "secret_0.h5") as opened, pool.open(root / "v.h5") as h5:
        assert h5.get("numbered") is h5.get("long") is None
        assert list(h5.datasets()) == []
        assert "lies outside" in h5.refused["/numbered"]
    assert opened == []


def test_virtual_datasets_within_each_other_end(root, pool):
    virtual(root / "v.h5", "me", (6, 4), {np.s_[:]: h5py.VirtualSource("v.h5", "me", (6, 4))})
    virtual(root / "v.h5", "here", (6, 4), {np.s_[:]: h5py.VirtualSource(".", "here", (6, 4))})
    chain = root / "part_0.h5"
    for i in range(4):
        virtual(root / f"c{i}.h5", "x", (6, 4), {np.s_[:]: h5py.VirtualSource(chain.name, "x", (6, 4))})
        chain = root / f"c{i}.h5"
    with pool.open(root / "v.h5") as h5:
        assert h5.get("me") is h5.get("here") is None
        assert "more than 8 virtual datasets" in h5.refused["/me"]
    with pool.open(chain) as h5:
        assert h5["x"][5, 3] == 23


def test_virtual_datasets_that_branch_without_end_are_refused(root, pool, monkeypatch):
    monkeypatch.setattr("xpcs_dash.hdf5.lease.INNER_VISITS", 50)
    name = "part_0.h5"
    for i in range(6):
        parts = {np.s_[6 * k : 6 * k + 6]: h5py.VirtualSource(name, "x", (6, 4))[:6] for k in range(20)}
        virtual(root / f"b{i}.h5", "x", (120, 4), parts)
        name = f"b{i}.h5"
    with pool.open(root / name) as h5, pytest.raises(NotReached, match="more parts than are read"):
        h5["x"][()]


def test_what_claims_to_be_large_is_refused_before_memory_is_taken(root, pool):
    virtual(root / "v.h5", "x", (2**40, 4), {np.s_[:6]: h5py.VirtualSource("part_0.h5", "x", (6, 4))})
    with pool.open(root / "v.h5") as h5:
        assert list(h5["x"][5]) == [20, 21, 22, 23]
        with pytest.raises(NotReached, match="too large"):
            h5["x"][()]
        assert tree.node(h5, "/x").preview.startswith("0 1 2 3")


def test_a_source_smaller_than_its_place_says_so(root, pool):
    virtual(root / "v.h5", "x", (9, 4), {np.s_[:]: h5py.VirtualSource("part_0.h5", "x", (9, 4))[:9]})
    with pool.open(root / "v.h5") as h5, pytest.raises(OSError, match="does not fit"):
        h5["x"][()]


# -- what a person sees


def test_a_result_whose_image_lies_in_a_text_file(root, pool):
    path = root / "r.hdf"
    synthetic.aps(path)
    with h5py.File(path, "r+") as h5:
        shape = h5[IMAGE].shape
        del h5[IMAGE]
        h5.create_dataset(IMAGE, shape=shape, dtype="u1", external=[("../passwd", 0, h5f.UNLIMITED)])
    xf = open_result(path, pool)
    assert xf.saxs_2d is None
    where = "../passwd, which lies outside the watched directory, and is not read"
    assert f"The object {IMAGE} keeps its values in {where}." in xf.warnings


@pytest.mark.parametrize("kind", ["raw", "virtual", "link"])
def test_every_dataset_of_a_result_in_turn_lies_outside(root, pool, kind):
    """Whichever it is, it is not read; what is asked for is missing with the reason, or an error with it."""
    plain, path = root / "plain.hdf", root / "r.hdf"
    synthetic.aps(plain, **{name[6:].replace("/", "__"): v for name, v in synthetic.twotime().items()})
    names: list[str] = []
    with h5py.File(plain, locking=False) as h5:
        h5.visititems(lambda name, o: names.append(name) if isinstance(o, h5py.Dataset) else None)
    (root.parent / "values").write_bytes(np.full(100_000, 4711.0).tobytes())
    told = 0
    for i, name in enumerate(names):
        path.write_bytes(plain.read_bytes())
        with h5py.File(path, "r+") as h5, h5py.File(root.parent / "secret.h5", "a") as other:
            shape = h5[name].shape
            other[f"all/{i}"] = np.full(shape, 4711.0)
            del h5[name]
            if kind == "link":
                h5[name] = h5py.ExternalLink("../secret.h5", f"/all/{i}")
            elif kind == "raw":
                h5.create_dataset(name, shape=shape, dtype="f8", external=[("../values", 0, h5f.UNLIMITED)])
            elif shape:
                layout = h5py.VirtualLayout(shape, "f8")
                layout[...] = h5py.VirtualSource("../secret.h5", f"all/{i}", shape)
                h5.create_virtual_dataset(name, layout)
        outside = root.parent / ("values" if kind == "raw" else "secret.h5")
        with openings(outside) as opened:
            try:
                xf = open_result(path, pool)
                fields = [
                    getattr(xf, f) for f in ("g2", "g2_err", "t_el", "q", "saxs_1d", "saxs_2d", "int_t")
                ]
                fields += [xf.segments, xf.mask, xf.dqmap, xf.sqmap, xf.partial_g2]
                fields += [xf.twotime(label).c2_upper for label in xf.twotime_bins]
                said = str((xf.metadata, xf.warnings, xf.geometry))
                assert not any(np.any(field == 4711.0) for field in fields if field is not None), name
            except XpcsDashError as err:
                said = str(err)
        assert opened == [], name
        assert "4711" not in said, name
        told += "lies outside the watched directory" in said
    assert told > len(names) // 2


@pytest.mark.parametrize("kind", ["raw", "virtual", "link"])
def test_a_result_whose_arrays_lie_beside_it(root, pool, kind):
    plain, path = root / "plain.hdf", root / "r.hdf"
    synthetic.aps(plain)
    synthetic.aps(path)
    with h5py.File(path, "r+") as h5:
        names: list[str] = []
        h5.visititems(
            lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) and o.dtype.kind in "iuf" else None
        )
        for i, name in enumerate(names):
            values, attributes = h5[name][()], dict(h5[name].attrs)
            if np.ndim(values) == 0 and kind != "link":
                continue
            del h5[name]
            if kind == "link":
                h5[name] = h5py.ExternalLink("plain.hdf", f"/{name}")
                continue
            if kind == "raw":
                values.tofile(root / f"{i}.raw")
                h5.create_dataset(
                    name, shape=values.shape, dtype=values.dtype, external=[(f"{i}.raw", 0, h5f.UNLIMITED)]
                )
            else:
                layout = h5py.VirtualLayout(values.shape, values.dtype)
                layout[...] = h5py.VirtualSource("plain.hdf", name, values.shape)
                h5.create_virtual_dataset(name, layout)
            h5[name].attrs.update(attributes)
    ours, usual = open_result(path, pool), open_result(plain, pool)
    assert ours.warnings == usual.warnings
    for field in [
        "g2",
        "g2_err",
        "g2_sigma",
        "t_el",
        "q",
        "saxs_1d",
        "saxs_2d",
        "int_t",
        "segments",
        "mask",
        "dqmap",
        "sqmap",
    ]:
        assert np.array_equal(getattr(ours, field), getattr(usual, field), equal_nan=True), field
    assert ours.geometry == usual.geometry
    assert dict(ours.metadata) == dict(usual.metadata)


def test_frames_of_a_master_over_data_files(root, pool):
    frames = np.arange(3 * 2 * 4 * 5, dtype="u2").reshape(6, 4, 5)
    with h5py.File(root / "m_master.h5", "w") as h5:
        for i in range(3):
            with h5py.File(root / f"m_data_{i + 1:06}.h5", "w") as data:
                data["/entry/data/data"] = frames[2 * i : 2 * i + 2]
            h5[f"/entry/data/data_{i + 1:06}"] = h5py.ExternalLink(
                f"m_data_{i + 1:06}.h5", "/entry/data/data"
            )
    parts = {
        np.s_[2 * i : 2 * i + 2]: h5py.VirtualSource(f"m_data_{i + 1:06}.h5", "/entry/data/data", (2, 4, 5))
        for i in range(3)
    }
    virtual(root / "v_master.h5", "/entry/data/data", (6, 4, 5), parts, dtype="u2")
    for name in ("m_master.h5", "v_master.h5"):
        assert find_frames(root / name, pool).frames == 6
        image, used = reduce_frames(root / name, pool=pool)
        assert used == 6
        assert np.allclose(image, frames.mean(axis=0))
        image, used = reduce_frames(root / name, "max", 3, 1, pool)
        assert used == 3
        assert np.array_equal(image, frames[1:4].max(axis=0))


def test_a_gap_in_the_data_files_of_a_master_is_an_error(root, pool):
    with h5py.File(root / "m_master.h5", "w") as h5:
        for i in range(4):
            h5[f"/entry/data/data_{i + 1:06}"] = h5py.ExternalLink(
                f"m_data_{i + 1:06}.h5", "/entry/data/data"
            )
    for i in (0, 1):
        with h5py.File(root / f"m_data_{i + 1:06}.h5", "w") as data:
            data["/entry/data/data"] = np.zeros((2, 4, 5))
    assert find_frames(root / "m_master.h5", pool).frames == 4  # the last two are still to come
    (root / "m_data_000002.h5").rename(root / "m_data_000003.h5")
    with pytest.raises(XpcsDashError, match=r"data_000002 leads to m_data_000002\.h5, which is not there"):
        find_frames(root / "m_master.h5", pool)


def test_frames_outside_are_not_reduced(root, pool):
    (root.parent / "frames.raw").write_bytes(bytes(1000))
    raw(root / "f.h5", "/entry/data/data", (10, 10, 10), "u1", [("../frames.raw", 0, 1000)])
    with pytest.raises(XpcsDashError, match="no detector frames"):
        reduce_frames(root / "f.h5", pool=pool)
