"""Acts and tables together: what is in one is in the other, whatever breaks between them."""

from __future__ import annotations

import json
import sqlite3

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tests.database.test_guard import add_fit, content, work
from xpcs_dash.acquisition.state import guard_of
from xpcs_dash.database import backup
from xpcs_dash.database.acts import Act
from xpcs_dash.database.engine import open_engine, place_of
from xpcs_dash.database.record import Record, open_record
from xpcs_dash.database.record.apply import APPLY
from xpcs_dash.database.record.fits import FitIndex
from xpcs_dash.database.record.jobs import JobList
from xpcs_dash.database.record.masks import MaskList, MaskRow
from xpcs_dash.database.restore import catch_up
from xpcs_dash.database.schema import RECORD
from xpcs_dash.errors import UsageError
from xpcs_dash.settings import load_settings


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "data").mkdir()
    return load_settings(root=tmp_path / "data", state_dir=tmp_path / "state")


@pytest.fixture
def record(settings):
    guard_of(settings).start()
    made = open_record(settings)
    yield made
    made.close()


def test_every_kind_of_act_is_replayed_to_the_same_tables(record, settings):
    work(record, settings)
    index, jobs, masks = FitIndex(record), JobList(record), MaskList(record)
    index.delete([2])
    index.purge(2)
    index.delete([1])
    index.restore([1])
    jobs.cancel(jobs.add("sleep", {}, "gone"))
    jobs.clear(who="ada")
    masks.saved(MaskRow("k" * 20, "beam stop", "ada", 1.0, "A~0123456789", "v", 5, 2, 3, False))
    masks.used("a browser's key", "mask", "A~0123456789", "v", "ada")
    masks.used("another's", "partition")
    masks.used("another's", "")
    with record.write() as db:
        record.act(db, "file-named", "", {"number": 7, "ref": "A~0123456789"})
        record.act(db, "fit-versioned", "", {"store_id": "20261124-000000-ab", "version": "new"})
    assert {act.kind for act in record.journal.read()} == set(APPLY), "a kind of act is not tested"
    before = everything(record)
    fresh = Record(
        f"sqlite:///{settings.state_dir / 'other.sqlite'}", settings.state_dir.parent / "elsewhere"
    )
    fresh.journal = record.journal
    with fresh.write() as db:
        catch_up(db, settings.state_dir)
    with fresh.write() as db:
        again = catch_up(db, settings.state_dir)
    assert (again.acts, again.fits, again.masks) == (0, 0, 0), "a second replay changes nothing"
    after = everything(fresh)
    fresh.close()
    assert after == before


def everything(record) -> dict[str, list]:
    """Rows of all tables but what a dispatcher says of itself and the moments of changes."""
    passing = {"updated", "started", "progress", "attempts", "worker", "detail", "finished"}
    found = {}
    with record.read() as db:
        for table in RECORD.metadata.sorted_tables:
            columns = [column for column in table.c if column.name not in passing]
            if table.name not in ("jobs_dispatcher",):
                found[table.name] = sorted(map(str, db.execute(sa.select(*columns)).all()))
    return found


def test_an_act_that_reached_the_journal_and_not_the_table_is_there_after_the_next_start(record, settings):
    number = add_fit(FitIndex(record), settings, "20261124-000000-ab")
    name = FitIndex(record).get(number).store_id
    said = {"store_id": name, "review": "accepted", "note": "", "reviewer": "ada", "reviewed": 1.0}
    record.journal.append(Act("a-crash-came-here", 1.0, "fit-reviewed", "ada", said))
    record.close()
    guard = guard_of(settings)
    guard.start()
    assert "1 entry of the journal" in guard.notices[0].text
    again = open_record(settings)
    assert FitIndex(again).get(number).review == "accepted"
    again.close()


def test_a_change_that_fails_for_another_reason_is_taken_back_in_the_journal(record, settings):
    index = FitIndex(record)
    number = add_fit(index, settings, "20261124-000000-ab")

    def refuse(*_):
        raise OperationalError("COMMIT", {}, sqlite3.OperationalError("database or disk is full"))

    sa.event.listen(record.engine, "commit", refuse)
    with pytest.raises(OperationalError):
        index.set_review(number, "accepted", "", "ada")
    sa.event.remove(record.engine, "commit", refuse)
    assert index.get(number).review == "open"
    record.close()
    guard_of(settings).start()
    again = open_record(settings)
    assert FitIndex(again).get(number).review == "open", "what the person was told failed does not come back"
    again.close()


def test_nothing_changes_where_the_journal_cannot_be_written(record, settings):
    index = FitIndex(record)
    number = add_fit(index, settings, "20261124-000000-ab")
    record.journal.path.unlink(missing_ok=True)
    record.journal.path.mkdir(parents=True)
    with pytest.raises(UsageError, match="nothing was changed"):
        index.set_review(number, "accepted", "", "ada")
    with pytest.raises(UsageError, match="nothing was changed"):
        JobList(record).add("sleep", {}, "t")
    assert index.get(number).review == "open"
    assert JobList(record).list() == []


def test_an_act_of_a_newer_version_is_kept_for_it(record, settings):
    record.journal.append(Act("x", 1.0, "alarm-acknowledged", "ada", {"alarm": 3}))
    record.close()
    guard = guard_of(settings)
    guard.start()
    assert guard.notices == []
    assert [act.kind for act in record.journal.read()] == ["alarm-acknowledged"]
    again = open_record(settings)
    with again.read() as db:
        assert db.execute(sa.text("SELECT count(*) FROM acts")).scalar() == 0
    again.close()


def test_an_act_that_cannot_be_repeated_keeps_back_no_other(record, settings):
    number = add_fit(FitIndex(record), settings, "20261124-000000-ab")
    record.journal.append(
        Act("odd", 1.0, "fit-reviewed", "", {"store_id": 3}),
        Act("good", 2.0, "fit-deleted", "", {"store_id": "20261124-000000-ab", "deleted": True}),
    )
    record.close()
    guard_of(settings).start()
    again = open_record(settings)
    assert FitIndex(again).get(number).deleted
    again.close()


def test_a_restore_begins_from_the_newest_good_backup(record, settings):
    work(record, settings)
    older = backup.make(RECORD, settings.record, settings.state_dir, "daily")
    FitIndex(record).set_review(1, "accepted", "between", "ada")
    newer = backup.make(RECORD, settings.record, settings.state_dir, "daily")
    before = content(record)
    record.close()
    newer.write_bytes(newer.read_bytes()[:5000])
    (settings.state_dir / "record.sqlite").write_bytes(b"")
    for end in ("-wal", "-shm"):
        (settings.state_dir / f"record.sqlite{end}").unlink()
    guard = guard_of(settings)
    guard.start()
    assert "restored from the backup of" in guard.notices[0].text
    assert f"not good: {newer.name}" in guard.notices[0].text
    assert older.exists()
    again = open_record(settings)
    assert content(again) == before
    again.close()


def test_a_backup_is_taken_while_others_write(record, settings):
    work(record, settings)
    with record.write() as db:
        db.execute(sa.text("UPDATE fits SET note = 'not yet'"))
        kept = backup.make(RECORD, settings.record, settings.state_dir, "daily")
    assert backup.check(RECORD, kept).state == "good"
    engine = open_engine(f"sqlite:///{kept}")
    with engine.connect() as db:
        assert "not yet" not in set(db.scalars(sa.text("SELECT note FROM fits")))
    engine.dispose()


def test_a_backup_that_fails_leaves_nothing_behind(record, settings, monkeypatch):
    monkeypatch.setattr(backup, "_copy_file", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(UsageError, match="could not be backed up"):
        backup.make(RECORD, settings.record, settings.state_dir, "daily")
    assert list((settings.state_dir / "backups").iterdir()) == []


def test_a_connection_to_a_file_that_was_replaced_is_dropped_and_harms_not_the_new_one(record, settings):
    path = settings.state_dir / "record.sqlite"
    work(record, settings)
    before = content(record)
    guard = guard_of(settings)
    with record.read() as old:  # open while the file under it is exchanged
        assert old.execute(sa.text("SELECT count(*) FROM fits")).scalar() == 3
        guard._restore(type("Found", (), {"detail": "a test"})())
        place = place_of(path)
        FitIndex(record).set_review(1, "accepted", "in the new one", "ada")
        now = place_of(path)
    assert now[0] == place[0]
    record.engine.dispose()  # the old connection is closed: it must not take the log of the new file along
    assert place_of(path) == now
    after = content(record)
    assert after["fits"][0][2:4] == ("accepted", "in the new one")
    assert (after["fits"][1:], after["jobs"]) == (before["fits"][1:], before["jobs"])


def test_a_stopped_dashboard_leaves_whole_files(settings):
    guard = guard_of(settings)
    guard.start()
    record = open_record(settings)
    work(record, settings)
    before = content(record)
    record.close()
    guard.stop()
    copy = settings.state_dir / "copy.sqlite"
    copy.write_bytes((settings.state_dir / "record.sqlite").read_bytes())
    engine = open_engine(f"sqlite:///{copy}")
    with engine.connect() as db:
        assert db.execute(sa.text("SELECT count(*) FROM fits")).scalar() == len(before["fits"])
    engine.dispose()


def lose(settings) -> None:
    """Let the record's file be gone."""
    for end in ("", "-wal", "-shm"):
        (settings.state_dir / f"record.sqlite{end}").unlink(missing_ok=True)


def test_who_comes_from_the_pool_finds_the_new_file(record, settings):
    work(record, settings)  # leaves a connection in the pool
    guard_of(settings)._restore(type("Found", (), {"detail": "a test"})())
    FitIndex(record).set_review(2, "flagged", "in the new one", "ada")
    fresh = open_record(settings)
    assert FitIndex(fresh).get(2).review == "flagged"
    fresh.close()


def test_a_job_that_was_running_waits_again_after_a_restore(record, settings):
    number = JobList(record).add("sleep", {}, "long")
    with record.write() as db:
        db.execute(sa.text("UPDATE jobs SET state = 'running', worker = 'here:1'"))
    backup.make(RECORD, settings.record, settings.state_dir, "daily")
    record.close()
    lose(settings)
    guard_of(settings).start()
    again = open_record(settings)
    row = JobList(again).get(number)
    assert (row.state, row.worker) == ("queued", "")
    again.close()


def test_fits_of_two_machines_with_one_number_are_both_kept(record, settings):
    index = FitIndex(record)
    number = add_fit(index, settings, "20261124-000000-ab")
    backup.make(RECORD, settings.record, settings.state_dir, "daily")
    theirs = next((settings.state_dir / "fits").glob("*.row.json"))
    other = theirs.with_name("20261125-000000-cd.row.json")
    other.write_text(theirs.read_text().replace("20261124-000000-ab", "20261125-000000-cd"))
    for path in (settings.state_dir / "fits").glob("20261124-000000-ab.*"):
        if not path.name.endswith(".row.json"):
            path.with_name(path.name.replace("20261124-000000-ab", "20261125-000000-cd")).write_bytes(b"")
    record.close()
    lose(settings)
    guard_of(settings).start()
    again = open_record(settings)
    rows = {row.store_id: row.id for row in FitIndex(again).list()}
    assert rows["20261124-000000-ab"] == number
    assert len(set(rows.values())) == 2
    assert set(rows) == {"20261124-000000-ab", "20261125-000000-cd"}
    again.close()


def test_saved_masks_that_lie_on_the_disk_come_back_with_a_restore(record, settings):
    folder = settings.state_dir / "mask" / "versions" / ("k" * 20)
    folder.mkdir(parents=True)
    info = {"name": "beam stop", "owner": "ada", "saved": 3.0, "ref": "A~0123456789", "version": "v"}
    (folder / "version.json").write_text(json.dumps({**info, "valid_pixels": 5, "shape": [2, 3]}))
    (folder.parent / "damaged").mkdir()
    (folder.parent / "damaged" / "version.json").write_text("{")
    record.close()
    lose(settings)
    guard_of(settings).start()
    again = open_record(settings)
    (row,) = MaskList(again).list()
    assert (row.key, row.name, row.owner, row.ref, row.height, row.width) == (
        "k" * 20, "beam stop", "ada", "A~0123456789", 2, 3
    )  # fmt: skip
    again.close()
