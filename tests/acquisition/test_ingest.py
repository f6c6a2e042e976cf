"""What becomes of a file, whatever is done to it; with inotify and with polling alike."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from xpcs_dash.acquisition.readers import InlinePool, ReaderPool
from xpcs_dash.acquisition.reading import make_reader
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.kinds import MASK, METADATA, PARTITION, RAW
from xpcs_dash.hdf5.reach import OutOfReach
from xpcs_dash.results.door import Door
from xpcs_dash.results.identity import FileRef
from xpcs_dash.routes.index import FileIndex
from xpcs_dash.simplemask.files import write_mask

MODES = ["inotify", "polling"]


@pytest.fixture(params=MODES)
def live(beamline, request):
    beamline.start(watch_mode=request.param)
    beamline.until(lambda: beamline.ingest.scans > 0)
    return beamline


def test_a_file_written_in_place_becomes_ready(live):
    live.write("sub/a.hdf")
    live.until(lambda: live.states() == {"sub/a.hdf": "ready"})
    row = live.row("sub/a.hdf")
    assert (row.layout, row.kinds, row.name) == ("stub", ("multitau",), "a")
    assert row.size == 7
    assert live.catalogue.newest() == row


def test_a_temporary_name_is_ignored_until_the_rename(live):
    part = live.write("a.hdf.temp")
    live.write(".hidden.hdf")
    live.write("notes.txt")
    live.work(0.6)
    assert live.states() == {}
    part.rename(live.root / "a.hdf")
    live.until(lambda: live.states() == {"a.hdf": "ready"})
    assert live.reader.opened == [str(live.root / "a.hdf")]


def test_a_file_replaced_by_one_of_the_same_size_is_read_again(live):
    live.write("a.hdf", "one end")
    live.until(lambda: live.states() == {"a.hdf": "ready"})
    first = live.row("a.hdf")
    live.write("a.hdf.temp", "two end").replace(live.root / "a.hdf")
    live.until(lambda: len(live.reader.opened) == 2 and live.row("a.hdf").mtime_ns != first.mtime_ns)
    second = live.row("a.hdf")
    assert (second.ref, second.size, second.state) == (first.ref, first.size, "ready")
    assert second.ready_at > first.ready_at


def test_a_replacement_with_the_same_size_and_time_is_noticed_by_its_inode(beamline):
    beamline.start()
    path = beamline.write("a.hdf", "one end")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})
    stamp = path.stat()
    other = beamline.write("b.temp", "two end")
    os.utime(other, ns=(stamp.st_mtime_ns, stamp.st_mtime_ns))
    other.replace(path)
    beamline.until(lambda: len(beamline.reader.opened) == 2)


def test_a_touched_file_is_read_again_and_keeps_its_place(live):
    live.write("a.hdf")
    live.until(lambda: live.states() == {"a.hdf": "ready"})
    live.write("b.hdf", "other end")
    live.until(lambda: live.states().get("b.hdf") == "ready")
    before = live.row("a.hdf")
    os.utime(live.root / "a.hdf")
    live.until(lambda: live.row("a.hdf").mtime_ns != before.mtime_ns)
    assert live.row("a.hdf").state == "ready"
    assert live.catalogue.newest().name == "b"


def test_a_deleted_file_is_gone_and_comes_back_without_being_read(live):
    path = live.write("a.hdf")
    live.until(lambda: live.states() == {"a.hdf": "ready"})
    aside = live.base / "aside.hdf"
    path.rename(aside)
    live.until(lambda: live.states() == {"a.hdf": "gone"})
    assert live.catalogue.files() == []
    aside.rename(path)
    live.until(lambda: live.states() == {"a.hdf": "ready"})
    assert len(live.reader.opened) == 1


def test_a_directory_moved_in_about_and_out(live):
    outside = live.base / "outside"
    outside.mkdir()
    for k in range(3):
        (outside / f"f{k}.hdf").write_text(f"{k} end")
    outside.rename(live.root / "in")
    live.until(lambda: set(live.states().values()) == {"ready"} and len(live.states()) == 3)
    before = {row.name: row for row in live.catalogue.files()}
    (live.root / "in").rename(live.root / "moved")
    moved = {f"moved/f{k}.hdf": "ready" for k in range(3)} | {f"in/f{k}.hdf": "gone" for k in range(3)}
    live.until(lambda: live.states() == moved)
    for row in live.catalogue.files():
        assert row.ready_at == before[row.name].ready_at, "a move makes nothing newer"
        assert live.catalogue.get(before[row.name].ref).reason == f"It was moved: it is now {row.ref}."
    assert len(live.reader.opened) == 3, "a file that only moved is not read again"
    (live.root / "moved").rename(live.base / "out")
    live.until(lambda: set(live.states().values()) == {"gone"})


def test_a_truncated_file_is_retried_then_quarantined_and_delays_nobody(live):
    live.write("bad.hdf", "half of a fi")
    live.until(lambda: live.row("bad.hdf") is not None and "truncated" in (live.row("bad.hdf").reason or ""))
    assert live.row("bad.hdf").state == "waiting"
    live.write("good.hdf")
    live.until(lambda: live.states().get("good.hdf") == "ready")
    live.until(lambda: live.states()["bad.hdf"] == "failed")
    tries = live.reader.opened.count(str(live.root / "bad.hdf"))
    assert 2 <= tries <= 6, "tried again, with growing pauses"
    assert "truncated file" in live.row("bad.hdf").reason
    assert "given up" in live.row("bad.hdf").reason
    live.work(0.8)
    assert live.reader.opened.count(str(live.root / "bad.hdf")) == tries, "quarantine means rest"


def test_a_quarantined_file_is_read_on_request_and_when_it_is_repaired(live):
    live.write("bad.hdf", "half")
    live.until(lambda: live.states() == {"bad.hdf": "failed"})
    live.catalogue.request_retry(live.row("bad.hdf").ref)
    before = len(live.reader.opened)
    live.until(lambda: len(live.reader.opened) == before + 1)
    live.until(lambda: live.states() == {"bad.hdf": "failed"})
    live.write("bad.hdf", "whole end")
    live.until(lambda: live.states() == {"bad.hdf": "ready"})
    assert live.row("bad.hdf").reason is None


def test_a_file_of_another_kind_fails_soon_with_its_reason(live):
    live.write("raw.hdf", "raw end")
    live.until(lambda: live.states() == {"raw.hdf": "failed"})
    row = live.row("raw.hdf")
    assert row.reason == "raw.hdf: not a result file."
    assert row.flags == ("not-a-result",)


def test_a_file_deleted_while_it_waits_leaves_no_trace_in_the_list(live):
    path = live.write("bad.hdf", "half")
    live.until(lambda: live.states() == {"bad.hdf": "waiting"})
    path.unlink()
    live.until(lambda: live.states() == {"bad.hdf": "gone"})
    assert len(live.ingest.schedule) == 0


def test_a_file_that_grows_is_read_once_it_stands_still(beamline):
    beamline.start(settle_s=0.4)
    path = beamline.root / "slow.hdf"
    for k in range(8):
        with path.open("a") as f:
            f.write(f"part {k} ")
        beamline.work(0.12)
    assert beamline.reader.opened == []
    with path.open("a") as f:
        f.write("end")
    beamline.until(lambda: beamline.states() == {"slow.hdf": "ready"})
    assert len(beamline.reader.opened) == 1


def test_a_restart_reads_nothing_and_loses_nothing(beamline):
    beamline.start()
    for k in range(20):
        beamline.write(f"d{k % 3}/f{k}.hdf", f"{k} end")
    beamline.write("bad.hdf", "half")
    beamline.until(lambda: sorted(beamline.states().values()) == ["failed"] + ["ready"] * 20)
    opened, revision = len(beamline.reader.opened), beamline.catalogue.revision()
    beamline.stop()
    beamline.start()
    beamline.until(lambda: beamline.ingest.scans > 1)
    assert len(beamline.reader.opened) == opened
    assert beamline.catalogue.revision() == revision


def test_another_setting_of_coincidences_has_every_file_read_again(beamline):
    beamline.start()
    for name in ("a.hdf", "b.hdf"):
        beamline.write(name)
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready", "b.hdf": "ready"})
    beamline.reader.opened.clear()
    beamline.reader.min_coincidences = 30.0
    beamline.start(min_coincidences=30.0)
    assert beamline.states() == {"a.hdf": "ready", "b.hdf": "ready"}  # on the screen all the while
    beamline.until(lambda: len(beamline.reader.opened) == 2)
    beamline.until(lambda: {r.summary["min_coincidences"] for r in beamline.catalogue.files()} == {30.0})
    assert beamline.states() == {"a.hdf": "ready", "b.hdf": "ready"}
    beamline.reader.opened.clear()
    beamline.start(min_coincidences=30.0)
    beamline.until(lambda: beamline.ingest.scans > 0)
    beamline.until(lambda: beamline.ingest.idle)
    assert beamline.reader.opened == []


@pytest.mark.parametrize("fate", ["unchanged", "finished", "removed"])
def test_a_restart_takes_up_a_file_that_was_still_waiting(beamline, fate):
    beamline.start(retry_limit_s=60)
    beamline.write("slow.hdf", "half")
    beamline.until(lambda: beamline.states() == {"slow.hdf": "waiting"} and beamline.reader.opened)
    number = beamline.row("slow.hdf").ref
    beamline.stop()
    if fate == "finished":
        beamline.write("slow.hdf", "now it has its end")
    elif fate == "removed":
        (beamline.root / "slow.hdf").unlink()
    beamline.start(retry_limit_s=1 if fate == "unchanged" else 60)
    want = {"unchanged": "failed", "finished": "ready", "removed": "gone"}[fate]
    beamline.until(lambda: beamline.states() == {"slow.hdf": want})
    assert beamline.row("slow.hdf").ref == number
    assert not beamline.ingest._problems


def test_what_happened_while_nobody_watched_is_found_at_the_start(beamline):
    beamline.start()
    for name in ("keep", "change", "remove", "move"):
        beamline.write(f"{name}.hdf", f"{name} end")
    beamline.until(lambda: list(beamline.states().values()) == ["ready"] * 4)
    moved = beamline.row("move.hdf")
    beamline.stop()
    beamline.reader.opened.clear()
    beamline.write("change.hdf", "changed end")
    (beamline.root / "remove.hdf").unlink()
    (beamline.root / "move.hdf").rename(beamline.root / "there.hdf")
    beamline.write("new.hdf", "new end")
    beamline.start()
    want = {"keep": "ready", "change": "ready", "remove": "gone", "there": "ready", "new": "ready"}
    want["move"] = "gone"
    beamline.until(lambda: beamline.states() == {f"{k}.hdf": v for k, v in want.items()})
    beamline.until(lambda: len(beamline.reader.opened) == 2)
    assert {Path(p).stem for p in beamline.reader.opened} == {"change", "new"}
    there = beamline.row("there.hdf")  # another place, so another name; but no newer file
    assert there.ref == str(FileRef("data", "there.hdf")) != moved.ref
    assert there.ready_at == moved.ready_at


def test_ten_thousand_files_come_newest_first(beamline):
    now = time.time()
    for k in range(10_000):
        path = beamline.root / f"{k % 50}" / f"f{k:05d}.hdf"
        if k < 50:
            path.parent.mkdir()
        path.write_text("hdf end")
        os.utime(path, (now - 20_000 + k, now - 20_000 + k))
    beamline.start(rescan_s=5.0)
    beamline.until(lambda: len(beamline.reader.opened) >= 200, 120)
    newest = beamline.catalogue.newest()
    assert newest.name == "f09999", "the first page is useful at once"
    assert newest.ready_at == pytest.approx(now - 10_001, abs=0.01), "arrival of old files is their own time"
    assert [Path(p).stem for p in beamline.reader.opened[:3]] == ["f09999", "f09998", "f09997"]
    counts = beamline.catalogue.counts()
    assert counts["ready"] + counts["waiting"] == 10_000
    live = beamline.write("live.hdf")
    beamline.until(lambda: beamline.states_of(live) == "ready", 60)
    assert beamline.catalogue.newest().name == "live", "a new file does not queue behind the old ones"
    assert beamline.catalogue.counts()["waiting"] > 0


def test_an_overflow_of_the_event_queue_leads_to_a_walk(beamline):
    beamline.start(rescan_s=60.0)
    beamline.until(lambda: beamline.ingest.scans == 1)
    handler = beamline.ingest.watcher
    handler._observer.unschedule_all()  # events are lost from here on
    beamline.write("lost.hdf")
    beamline.work(0.4)
    assert beamline.states() == {}
    logging.getLogger("watchdog.observers.inotify_c").warning(
        "Inotify queue overflowed; filesystem events were lost"
    )
    beamline.until(lambda: beamline.states() == {"lost.hdf": "ready"})


def test_a_lost_event_is_made_good_by_the_next_walk(beamline):
    beamline.start()
    beamline.until(lambda: beamline.ingest.scans > 0)
    beamline.ingest.watcher._observer.unschedule_all()
    beamline.write("lost.hdf")
    beamline.until(lambda: beamline.states() == {"lost.hdf": "ready"})


def test_reading_files_does_not_cause_more_work(beamline):
    beamline.start(rescan_s=60.0)
    path = beamline.write("a.hdf")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})
    revision = beamline.catalogue.revision()
    for _ in range(5):
        path.read_bytes()
    beamline.work(0.5)
    assert len(beamline.reader.opened) == 1
    assert beamline.catalogue.revision() == revision


def test_a_root_that_vanishes_keeps_its_rows_and_is_followed_when_it_is_back(beamline):
    beamline.start()
    beamline.write("a.hdf")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})
    aside = beamline.base / "unmounted"
    beamline.root.rename(aside)
    beamline.until(lambda: "root" in beamline.ingest._problems)
    assert beamline.states() == {"a.hdf": "ready"}
    beamline.work(0.5)
    assert any("cannot be read" in text for text in beamline.ingest._problems.values())
    shutil.copytree(aside, beamline.root)
    beamline.until(lambda: not beamline.ingest._problems)
    (beamline.root / "b.hdf").write_text("b end")
    beamline.until(lambda: beamline.states().get("b.hdf") == "ready")


def test_links_that_leave_the_root_are_not_read(beamline):
    secret = beamline.base / "secret.hdf"
    secret.write_text("secret end")
    beamline.start()
    (beamline.root / "link.hdf").symlink_to(secret)
    beamline.until(lambda: beamline.states() == {"link.hdf": "failed"})
    assert beamline.reader.opened == []
    assert "outside the watched directory" in beamline.row("link.hdf").reason


def test_a_catalogue_that_cannot_be_written_for_a_while_loses_nothing(beamline, tmp_path):
    beamline.start()
    beamline.until(lambda: beamline.ingest.scans > 0)
    good = beamline.ingest.journal.catalogue
    broken = Catalogue(f"sqlite:///{tmp_path / 'other' / 'c.sqlite'}")
    with broken.write() as db:
        db.exec_driver_sql("DROP TABLE files")
    beamline.ingest.journal.catalogue = broken
    beamline.write("a.hdf")
    beamline.until(lambda: "catalogue" in beamline.ingest._problems)
    beamline.ingest.journal.catalogue = good
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})
    assert "catalogue" not in beamline.ingest._problems
    broken.close()


@pytest.mark.parametrize("noticed", [True, False])
def test_a_file_that_may_not_be_read_is_read_when_it_may(beamline, monkeypatch, noticed):
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, *a, **k: "closed" not in str(path) and real(path, *a, **k))
    beamline.start(retry_limit_s=0.3)
    path = beamline.write("closed.hdf")
    beamline.until(lambda: beamline.states() == {"closed.hdf": "failed"})
    assert "may not be read by this user" in beamline.row("closed.hdf").reason
    monkeypatch.setattr(os, "access", real)
    if noticed:
        path.chmod(0o644)
    beamline.until(lambda: beamline.states() == {"closed.hdf": "ready"})


def test_a_row_that_the_database_refuses_stops_no_other(beamline, monkeypatch):
    from xpcs_dash.acquisition import rows

    real = rows.apply

    def refuse(catalogue, changes, relate=None):
        changes = list(changes)
        if any(c.kind == "ready" and "odd" in c.path for c in changes):
            raise UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed")
        return real(catalogue, changes, relate)

    monkeypatch.setattr(rows, "apply", refuse)
    beamline.write("odd.hdf")
    beamline.write("good.hdf", "good end")
    beamline.start()
    beamline.until(lambda: beamline.states().get("good.hdf") == "ready")
    beamline.until(lambda: beamline.states().get("odd.hdf") == "failed")
    assert "odd.hdf cannot be stored" in beamline.row("odd.hdf").reason


def test_the_heartbeat_says_how_the_directory_is_watched(beamline):
    beamline.start(watch_mode="polling")
    beamline.until(lambda: "heartbeat" in beamline.catalogue.status())
    status = beamline.catalogue.status()
    assert (status["mode"], status["mode_reason"], status["root"]) == (
        "polling",
        "forced",
        str(beamline.root),
    )
    assert status["heartbeat"] == pytest.approx(time.time(), abs=5)


WRITER = """
import sys, time, h5py, numpy
with h5py.File(sys.argv[1], "w") as h5:
    data = h5.create_dataset("x", (0,), "f4", maxshape=(None,), chunks=(64,))
    print("open", flush=True)
    for k in range(int(sys.argv[2])):
        data.resize((64 * (k + 1),))
        data[64 * k:] = k
        h5.flush()
        time.sleep(0.1)
    print("closing", flush=True)
with h5py.File(sys.argv[1], "a") as h5:
    h5["done"] = 1
print("closed", flush=True)
"""


@pytest.mark.parametrize("mode", MODES)
def test_a_writer_that_holds_and_extends_its_file_is_never_blocked_nor_read(beamline, mode):
    pool = ReaderPool("xpcs_dash.acquisition.reading:make_reader", {}, n=1)
    beamline.start(pool=pool, watch_mode=mode, retry_limit_s=60.0)
    path = beamline.root / "held.hdf"
    command = [sys.executable, "-c", WRITER, str(path), "15"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "open\n"
        seen = set()
        while writer.poll() is None:
            beamline.ingest.step(0.05)
            if (row := beamline.row("held.hdf")) is not None:
                seen.add((row.state, row.reason or ""))
        assert writer.returncode == 0, "the writer opened its file again while it was watched"
        assert writer.stdout.read() == "closing\nclosed\n"
    assert {state for state, _ in seen} == {"waiting"}
    assert any("held open for writing" in reason for _, reason in seen)
    beamline.until(lambda: beamline.states() == {"held.hdf": "failed"})
    assert beamline.row("held.hdf").flags == ("not-a-result",)


def test_a_real_file_is_summarised_and_fitted_in_processes_of_their_own(beamline, sample):
    from xpcs_dash.acquisition.service import build_ingest

    beamline.ingest = build_ingest(beamline.settings, beamline.catalogue)
    beamline.ingest.start()
    shutil.copy(sample("A001_silica_multitau_results.hdf"), beamline.root / "a_results.hdf.temp")
    (beamline.root / "a_results.hdf.temp").rename(beamline.root / "a_results.hdf")
    beamline.until(lambda: beamline.states() == {"a_results.hdf": "ready"}, 30)
    row = beamline.row("a_results.hdf")
    assert (row.n_q, row.n_delay, row.n_frames, row.layout) == (12, 38, 2000, "aps_nexus")
    assert row.summary["contrast"] == pytest.approx(0.18, abs=0.02)
    beamline.until(lambda: beamline.ingest.idle, 60)
    found = beamline.catalogue.get(row.ref).summary
    assert found["diffusion"] == pytest.approx(1e6, rel=0.02)
    assert len(found["fit"]["tau"]) == 12


def test_inline_pool_turns_errors_into_reasons(beamline):
    def explode(path):
        raise ValueError("odd\nthing")

    pool = InlinePool(explode)
    pool.submit("/d/a.hdf")
    (outcome,) = pool.collect()
    assert outcome.failure.reason == "a.hdf: it could not be read (ValueError: odd thing)."
    assert not outcome.failure.transient


def averaged(live, name="Average_a_results.hdf"):
    folder = live.settings.averages_dir
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("average end")
    return path


def test_an_averaged_file_is_listed_but_is_never_the_newest(live):
    live.write("a.hdf")
    live.until(lambda: live.states() == {"a.hdf": "ready"})
    before = live.row("a.hdf")
    path = averaged(live)
    live.until(lambda: (row := live.catalogue.by_path(path)) is not None and row.state == "ready")
    row = live.catalogue.by_path(path)
    assert row.kinds == ("multitau", "average")
    assert live.catalogue.newest().ref == before.ref
    index = FileIndex(live.catalogue)
    index.refresh()
    assert index.newest().ref == before.ref
    assert index.arrived_after(0.0) == 1
    assert {found["ref"] for found in index.listing()} == {row.ref, before.ref}
    assert sorted(p.name for p in live.root.iterdir()) == ["a.hdf"]  # nothing is written beside the data
    path.unlink()
    live.until(lambda: live.catalogue.by_path(path).state == "gone")
    index.refresh()
    assert index.newest().ref == before.ref


def test_only_the_two_directories_are_opened(live, tmp_path):
    path = averaged(live)
    live.until(lambda: (row := live.catalogue.by_path(path)) is not None and row.state == "ready")
    ref = live.catalogue.by_path(path).ref
    assert ref == str(FileRef("made", f"averages/{path.name}"))
    door = Door(live.settings, live.catalogue.path_of)
    assert door.path(ref) == path
    elsewhere = tmp_path / "elsewhere.hdf"
    elsewhere.write_text("hdf end")
    path.unlink()
    path.symlink_to(elsewhere)
    with pytest.raises(OutOfReach, match="outside the watched directory"):
        door.path(ref)
    live.until(lambda: live.catalogue.by_path(path).state == "failed")


def test_files_are_compared_with_the_one_before_them_and_not_with_an_average(beamline, monkeypatch):
    seen = []
    beamline.configure()
    path = averaged(beamline)
    beamline.start()
    monkeypatch.setattr(beamline.ingest.journal, "_relate", lambda _, before: seen.append(before) or ())
    beamline.until(lambda: (row := beamline.catalogue.by_path(path)) is not None and row.state == "ready")
    assert seen == []
    beamline.write("a.hdf")
    beamline.until(lambda: beamline.states().get("a.hdf") == "ready")
    assert seen == [None]


def test_only_results_are_the_newest_and_are_compared(beamline, monkeypatch):
    beamline.start()
    seen = []
    monkeypatch.setattr(beamline.ingest.journal, "_relate", lambda *pair: seen.append(pair) or ())
    beamline.write("a.hdf", "1 end")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})
    for k in range(20):
        beamline.write(f"{k}_qmap.hdf", f"partition {k} end")
    beamline.until(lambda: list(beamline.states().values()).count("ready") == 21)
    assert len(seen) == 1
    newest, index = beamline.catalogue.newest(), FileIndex(beamline.catalogue)
    index.refresh()
    assert newest.name == index.newest().name == "a"
    assert index.arrived_after(0.0) == 1
    assert [row.name for row in beamline.catalogue.results(5)] == ["a"]
    assert [row["name"] for row in index.listing() if row.get("result")] == ["a"]
    beamline.write("b.hdf", "2 end")
    beamline.until(lambda: beamline.states().get("b.hdf") == "ready")
    assert seen[-1][1] == beamline.reader.summary(), "with the result before it, past many partitions"
    older = beamline.catalogue.results(5, before=beamline.row("b.hdf").ref)
    assert [row.name for row in older] == ["a"]


def beside_a_result(root, sample):
    """Files of each kind that belongs to an acquisition and is no result: name -> kind."""
    shutil.copy(sample("A001_silica_multitau_qmap.hdf"), root / "a_qmap.hdf")
    write_mask(root / "b_mask.hdf", np.ones((20, 30), np.int32))
    with h5py.File(root / "c_raw.h5", "w") as h5:
        h5["/entry/data/data"] = np.zeros((5, 20, 30), np.uint16)
    with h5py.File(root / "d_old_qmap.hdf", "w") as h5:
        h5["/data/dynamicMap"] = np.ones((20, 30), np.int32)
    with h5py.File(root / "e_meta.hdf", "w") as h5:
        h5["/entry/schema_version"] = 1.0
        h5["/entry/instrument/x"] = 1.0
    with h5py.File(root / "f_photons.h5", "w") as h5:
        for name in ("intensity", "pixel_index", "frame_pointer"):
            h5[name] = np.zeros(3)
    with h5py.File(root / "g_plain_mask.hdf", "w") as h5:
        h5["/mask"] = np.ones((20, 30), np.int32)
    return {
        "a_qmap.hdf": "partition", "b_mask.hdf": "mask", "c_raw.h5": "raw data", "f_photons.h5": "raw data",
        "d_old_qmap.hdf": "partition", "e_meta.hdf": "metadata", "g_plain_mask.hdf": "mask",
    }  # fmt: skip


def test_what_belongs_to_an_acquisition_and_is_no_result_is_no_failure(beamline, sample):
    kinds = beside_a_result(beamline.root, sample)
    shutil.copy(sample("A001_silica_multitau_results.hdf"), beamline.root / "z_results.hdf")
    beamline.write("broken.hdf", "no HDF5")
    for name in kinds:
        os.utime(beamline.root / name, (time.time() + 5, time.time() + 5))
    reader = make_reader()
    read = []
    pool = InlinePool(lambda path, fit=False: (read.append(path), reader(path, fit))[1])
    beamline.start(pool=pool)
    beamline.until(lambda: list(beamline.states().values()).count("ready") == 8, 30)
    beamline.until(lambda: beamline.states()["broken.hdf"] == "failed")
    assert {name: beamline.row(name).kinds for name in kinds} == {n: (k,) for n, k in kinds.items()}
    assert beamline.catalogue.newest().name == "z"
    assert beamline.catalogue.counts()["failed"] == 1
    index = FileIndex(beamline.catalogue)
    index.refresh()
    listed = {row["file"]: row for row in index.listing()}
    assert listed["c_raw.h5"]["note"] == (
        "c_raw.h5: this is a raw data file: 5 frames of 20 × 30 pixels; correlate it first."
    )
    assert [name for name, row in listed.items() if row.get("result")] == ["z_results.hdf"]
    assert set(kinds.values()) <= {MASK, METADATA, PARTITION, RAW}
    beamline.stop()
    read.clear()
    beamline.start(pool=pool)
    beamline.until(lambda: beamline.ingest.scans > 1)
    assert read == [], "a restart reads none of them again"
    for name in kinds:
        (beamline.root / name).rename(beamline.root / f"moved_{name}")
    beamline.until(lambda: list(beamline.states().values()).count("gone") == len(kinds))
    assert read == []
    assert "raw data file" in beamline.row("moved_c_raw.h5").summary["about"]


def test_a_result_in_the_place_of_raw_data_is_a_result_and_the_other_way_round(beamline, sample):
    reader = make_reader()
    beamline.start(pool=InlinePool(reader))
    beside_a_result(beamline.base, sample)
    for source, kinds, newest in (
        (beamline.base / "c_raw.h5", ("raw data",), None),
        (sample("A001_silica_multitau_results.hdf"), ("multitau",), "a"),
        (beamline.base / "c_raw.h5", ("raw data",), None),
    ):
        shutil.copy(source, beamline.base / "new")
        os.utime(beamline.base / "new")
        (beamline.base / "new").replace(beamline.root / "a_results.hdf")
        beamline.until(lambda kinds=kinds: (r := beamline.row("a_results.hdf")) and r.kinds == kinds, 30)
        found = beamline.catalogue.newest()
        assert (found.name if found else None) == newest
    row = beamline.row("a_results.hdf")
    assert (row.n_q, row.sample, row.flags, row.version) == (None, None, (), None)
