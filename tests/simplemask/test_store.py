"""Drafts, shared copies and versions on disk."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from xpcs_dash.errors import UsageError
from xpcs_dash.simplemask.area_mask import AreaMask
from xpcs_dash.simplemask.draft import Draft
from xpcs_dash.simplemask.operations import Operation
from xpcs_dash.simplemask.store import DraftStore
from xpcs_dash.simplemask.versions import DraftError, is_key, new_key

RECT = {"type": "rect", "x0": 0, "y0": 0, "x1": 3, "y1": 3}


def a_draft():
    area = AreaMask((20, 30)).add(Operation("shape", {"shape": RECT}))
    area = area.add(Operation("threshold", {"high": 5}))
    return Draft(
        source={"kind": "result", "file": 7},
        area=area.undo(),
        geometry={"energy_kev": 10.0, "bcx": 3.5},
        origins={"energy_kev": "typed in"},
        axes=({"name": "q", "dynamic": 3, "static": 9, "edges": (1.0, 2.0)}, {"name": "phi"}),
        revision=4,
    )


def test_drafts_survive_a_restart(tmp_path):
    session = new_key()
    DraftStore(tmp_path).save(session, a_draft())
    found = DraftStore(tmp_path).load(session)
    assert found.area.operations[0].params == a_draft().area.operations[0].params
    assert len(found.area.future) == 1
    assert found.geometry == {"energy_kev": 10.0, "bcx": 3.5}
    assert found.revision == 4


def test_sessions_do_not_see_each_other(tmp_path):
    store = DraftStore(tmp_path)
    one, two = new_key(), new_key()
    store.save(one, a_draft())
    assert store.load(two) == Draft()


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "a" * 100, "short", "with space ..........", None])
def test_nothing_but_a_key_becomes_a_path(tmp_path, key):
    assert not is_key(key)
    with pytest.raises(UsageError):
        DraftStore(tmp_path).save(key or "", a_draft())
    assert not list(tmp_path.iterdir())


def test_changes_at_the_same_time_lose_nothing(tmp_path):
    store, session = DraftStore(tmp_path), new_key()
    store.save(session, Draft(area=AreaMask((20, 30))))

    def add():
        for _ in range(5):
            with store.editing(session) as held:
                held[0] = held[0].changed(area=held[0].area.add(Operation("shape", {"shape": RECT})))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.load(session).area.operations) == 20
    assert store.load(session).revision == 20


def test_an_error_while_editing_changes_nothing(tmp_path):
    store, session = DraftStore(tmp_path), new_key()
    store.save(session, a_draft())
    with pytest.raises(UsageError), store.editing(session) as held:
        held[0] = held[0].changed(area=held[0].area.remove("nothing"))
    assert store.load(session).revision == 4


def test_a_shared_copy_is_a_copy(tmp_path):
    store, mine, yours = DraftStore(tmp_path), new_key(), new_key()
    store.save(mine, a_draft())
    store.put_array(mine, "imported", np.eye(3))
    link = store.share(mine)
    adopted = store.adopt(yours, link)
    assert len(adopted.area.operations) == 1
    assert np.array_equal(store.load_arrays(yours)["imported"], np.eye(3))
    store.save(yours, adopted.changed(area=adopted.area.clear()))
    assert store.adopt(yours, link).area.operations == ()  # opening the link again does not undo the work
    assert len(store.load(mine).area.operations) == 1
    with pytest.raises(UsageError, match="no longer there"):
        store.adopt(yours, new_key())


def test_versions(tmp_path):
    store = DraftStore(tmp_path)
    mask = np.ones((20, 30), np.int32)
    mask[:2] = 0
    partition = tmp_path / "made.hdf"
    partition.write_bytes(b"x")
    saved = store.save_version("  beam  stop ", "anna", a_draft(), mask, partition)
    assert (saved.name, saved.valid_pixels, saved.shape) == ("beam stop", 540, (20, 30))
    assert saved.has_partition
    assert [v.name for v in DraftStore(tmp_path).versions()] == ["beam stop"]
    assert np.array_equal(store.version_mask(saved.key), mask)
    assert store.version_partition(saved.key).read_bytes() == b"x"
    assert store.version_draft(saved.key).revision == 4
    with pytest.raises(UsageError, match="name"):
        store.save_version("  ", "", a_draft(), mask, None)
    with pytest.raises(UsageError):
        store.version_mask("../drafts")


def a_session(store, edits=3):
    """A session with a few edits; its key and the path of its draft."""
    session = new_key()
    for _ in range(edits):
        with store.editing(session) as held:
            area = held[0].area if held[0].revision else AreaMask((20, 30))
            held[0] = held[0].changed(area=area.add(Operation("shape", {"shape": RECT})))
    return session, store.directory / "drafts" / f"{session}.json"


def one_more(store, session):
    with store.editing(session) as held:
        held[0] = held[0].changed(area=held[0].area.add(Operation("shape", {"shape": RECT})))


@pytest.mark.parametrize(
    "code", [errno.EIO, errno.EMFILE, errno.ESTALE, errno.EACCES, errno.ETIMEDOUT, errno.EISDIR]
)
def test_a_draft_that_cannot_be_read_now_is_neither_empty_nor_written_over(tmp_path, monkeypatch, code):
    store = DraftStore(tmp_path)
    session, path = a_session(store)
    content, real = path.read_bytes(), Path.read_bytes

    def read(self):
        if self.parent.name == "drafts":
            raise OSError(code, os.strerror(code), str(self))
        return real(self)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", read)
        calls = [
            lambda: store.load(session),
            lambda: one_more(store, session),
            lambda: store.save(session, Draft()),
            lambda: store.share(session),
            lambda: store.adopt(session, new_key()),
        ]
        for call in calls:
            with pytest.raises(DraftError, match="nothing was changed") as raised:
                call()
            assert os.strerror(code) in str(raised.value)
            assert session not in str(raised.value), "the key of a session is a secret"
    assert path.read_bytes() == content
    assert len(store.load(session).area.operations) == 3
    assert not (tmp_path / "shared").exists()


DAMAGES = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda _: b"",
    "zeros": lambda text: bytes(len(text)),
    "no JSON": lambda text: b"\xff" + text,
    "another JSON": lambda _: b"[1, 2]",
    "a hole": lambda text: text.replace(b'"area"', b'"hole"'),
    "no mapping": lambda text: text.replace(b'"source":{}', b'"source":5'),
    "unknown step": lambda text: text.replace(b'"kind":"shape"', b'"kind":"witch"'),
    "deep": lambda _: b"[" * 200_000,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("first", ["load", "edit"])
def test_a_damaged_draft_is_kept_aside_and_the_one_before_it_restored(tmp_path, damage, first):
    store = DraftStore(tmp_path)
    session, path = a_session(store)
    bad = DAMAGES[damage](path.read_bytes())
    path.write_bytes(bad)
    if first == "load":
        found = DraftStore(tmp_path).load(session)
        assert len(found.area.operations) == 2
        assert "The copy before your last change was restored" in found.note
        assert found.revision > 3, "the browser takes it for news"
        assert store.load(session) == found, "restored once"
    one_more(store, session)
    found = store.load(session)
    assert len(found.area.operations) == 3
    assert found.note == ""
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == bad


def test_where_both_copies_are_damaged_both_are_kept_and_it_is_said(tmp_path):
    store = DraftStore(tmp_path)
    session, path = a_session(store)
    before = path.with_suffix(".before")
    path.write_text("{")
    before.write_text("{{")
    found = store.load(session)
    assert "the mask begins anew" in found.note
    assert sorted(p.read_text() for p in path.parent.glob("*.damaged-*")) == ["{", "{{"]


def test_a_draft_that_went_missing_is_restored(tmp_path):
    store = DraftStore(tmp_path)
    session, path = a_session(store)
    path.unlink()
    found = store.load(session)
    assert (len(found.area.operations), "missing" in found.note) == (2, True)


def test_a_restoration_that_cannot_be_stored_changes_nothing(tmp_path, monkeypatch):
    store = DraftStore(tmp_path)
    session, path = a_session(store)
    path.write_text("{")

    def full(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(DraftError, match="Read-only"):
        one_more(store, session)
    assert path.read_text() == "{"


def test_a_full_disk_leaves_the_draft_as_it_was(tmp_path, monkeypatch):
    store = DraftStore(tmp_path)
    session, path = a_session(store)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(DraftError, match="No space left"):
            one_more(store, session)
    assert len(store.load(session).area.operations) == 3
    assert not list(path.parent.glob(".*.temp")), "no debris"


def test_a_disk_that_was_unmounted_does_not_make_a_draft_empty(tmp_path):
    store = DraftStore(tmp_path / "mask")
    session, _ = a_session(store)
    (tmp_path / "mask").rename(tmp_path / "unmounted")
    with pytest.raises(DraftError, match="mount its disk"):
        store.load(session)
    with pytest.raises(DraftError, match="mount its disk"):
        one_more(store, session)
    assert not (tmp_path / "mask").exists()
    (tmp_path / "unmounted").rename(tmp_path / "mask")
    assert len(store.load(session).area.operations) == 3


def test_drafts_are_synced_before_they_take_their_name(tmp_path, monkeypatch):
    store = DraftStore(tmp_path)
    session, path = a_session(store)
    done, fsync, rename = [], os.fsync, Path.replace

    def sync(handle):
        done.append(("sync", str(Path(f"/proc/self/fd/{handle}").readlink())))
        fsync(handle)

    def name(self, target):
        done.append(("name", str(target)))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", name)
    one_more(store, session)
    at = done.index(("name", str(path)))
    assert done[at - 1][0] == "sync"
    assert f".{path.name}." in done[at - 1][1], "the new content, before it takes the name"
    assert done[at + 1] == ("sync", str(path.parent)), "and the name, after it"


def test_a_draft_without_hard_links_keeps_its_last_revision_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    store = DraftStore(tmp_path)
    session, path = a_session(store)
    path.write_text("{")
    assert len(store.load(session).area.operations) == 2


def test_taking_up_a_link_keeps_what_one_worked_on(tmp_path):
    store = DraftStore(tmp_path)
    mine, _ = a_session(store)
    store.put_array(mine, "imported", np.eye(3))
    theirs, _ = a_session(store, 1)
    adopted = store.adopt(mine, store.share(theirs))
    assert len(adopted.area.operations) == 1
    back = store.adopt(new_key(), adopted.own)
    assert len(back.area.operations) == 3
    assert np.array_equal(store.load_arrays(adopted.own)["imported"], np.eye(3))


def test_a_damaged_link_says_so_and_takes_nothing(tmp_path):
    store = DraftStore(tmp_path)
    mine, _ = a_session(store)
    link = store.share(mine)
    (tmp_path / "shared" / f"{link}.json").write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        store.adopt(mine, link)
    assert len(store.load(mine).area.operations) == 3


def test_a_damaged_version_spoils_no_other(tmp_path):
    store, mask = DraftStore(tmp_path), np.ones((4, 5), np.int32)
    good = store.save_version("good", "", a_draft(), mask, None)
    bad = store.save_version("bad", "", a_draft(), mask, None)
    (tmp_path / "versions" / bad.key / "version.json").write_text("{")
    (tmp_path / "versions" / bad.key / "mask.npy").write_bytes(b"")
    assert [(v.key, bool(v.problem)) for v in store.versions()] == [(good.key, False), (bad.key, True)]
    for call in (store.version_mask, store.version_draft):
        with pytest.raises(UsageError, match="damaged"):
            call(bad.key)


def test_a_version_is_stored_whole_or_not_at_all(tmp_path, monkeypatch):
    store = DraftStore(tmp_path)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(json, "dumps", full)
    with pytest.raises(DraftError, match="No space"):
        store.save_version("x", "", a_draft(), np.ones((4, 5)), None)
    assert store.versions() == []
    assert not list((tmp_path / "versions").iterdir())


def test_old_drafts_go(tmp_path):
    store = DraftStore(tmp_path)
    store.save(new_key(), a_draft())
    assert store.forget_old() == 0
    session, _ = a_session(store)
    store.put_array(session, "imported", np.eye(3))
    assert store.forget_old(now=9e9) == 2
    assert not list((tmp_path / "drafts").iterdir())
    assert not list((tmp_path / "arrays").iterdir())
    assert store.load(session) == Draft()


def test_history_is_stored_once(tmp_path):
    area = AreaMask((20, 30))
    for _ in range(50):
        area = area.add(Operation("shape", {"shape": RECT}))
    text = json.dumps(area.to_dict())
    assert len(json.loads(text)["pool"]) == 50  # 51 states of up to 50 operations
