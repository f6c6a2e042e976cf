"""Drafts, shared copies and versions on disk."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from xpcs_dash.errors import UsageError
from xpcs_dash.simplemask.area_mask import AreaMask
from xpcs_dash.simplemask.operations import Operation
from xpcs_dash.simplemask.store import Draft, DraftStore, is_key, new_key

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


def test_a_damaged_draft_is_an_empty_one(tmp_path):
    store, session = DraftStore(tmp_path), new_key()
    store.save(session, a_draft())
    path = tmp_path / "drafts" / f"{session}.json"
    path.write_text(path.read_text()[:50])
    assert store.load(session) == Draft()


def test_old_drafts_go(tmp_path):
    store = DraftStore(tmp_path)
    store.save(new_key(), a_draft())
    assert store.forget_old() == 0
    assert store.forget_old(now=9e9) == 1


def test_history_is_stored_once(tmp_path):
    area = AreaMask((20, 30))
    for _ in range(50):
        area = area.add(Operation("shape", {"shape": RECT}))
    text = json.dumps(area.to_dict())
    assert len(json.loads(text)["pool"]) == 50  # 51 states of up to 50 operations
