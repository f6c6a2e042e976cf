"""What is thrown away, when, and what stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from tests.database.old_state import unpack
from tests.database.test_guard import add_fit
from xpcs_dash.acquisition import housekeeping
from xpcs_dash.acquisition.housekeeping import part_sizes, sweep
from xpcs_dash.acquisition.state import guard_of
from xpcs_dash.database.backup import backups
from xpcs_dash.database.catalogue import Catalogue, files_table
from xpcs_dash.database.record import open_record
from xpcs_dash.database.record.fits import FitIndex
from xpcs_dash.database.schema import RECORD
from xpcs_dash.settings import load_settings
from xpcs_dash.simplemask.store import DraftStore, new_key

DAY = 86400.0


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "data").mkdir()
    made = load_settings(root=tmp_path / "data", state_dir=tmp_path / "state")
    guard_of(made).start()
    return made


def age(path: Path, days: float) -> Path:
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))
    return path


def left(settings) -> set[str]:
    """Files below the state directory, without databases, locks and marks."""
    folders = ("fits", "mask", "made", "applied", "regrouped")
    found = [p for name in folders for p in (settings.state_dir / name).rglob("*") if p.is_file()]
    return {str(p.relative_to(settings.state_dir)) for p in found if p.suffix != ".lock"}


def test_drafts_that_nobody_touched_for_months_go_with_all_that_is_theirs(settings):
    store = DraftStore(settings.state_dir / "mask")
    old, new = new_key(), new_key()
    for key in (old, new):
        with store.editing(key) as held:
            held[0] = held[0].changed(view={"scale": "log"})
        store.put_array(key, "image", np.zeros((2, 2)))
    shared = store.share(old)
    age(settings.state_dir / "mask" / "drafts" / f"{old}.json", 91)
    age(settings.state_dir / "mask" / "drafts" / f"{new}.json", 89)
    assert sweep(settings).drafts == 1
    assert store.load(old).revision == 0
    assert list(store.load_arrays(old)) == []
    assert store.load(new).revision == 1
    assert list(store.load_arrays(new)) == ["image"]
    assert store.adopt(new_key(), shared).view == {"scale": "log"}, "a link that somebody was given stays"


def test_fits_that_were_deleted_go_after_their_time_and_cannot_come_back(settings):
    record = open_record(settings)
    index = FitIndex(record)
    names = [f"20261124-00000{k}-ab" for k in range(3)]
    kept, young, old = (add_fit(index, settings, name) for name in names)
    for name in names:
        (settings.state_dir / "fits" / f"{name}.nc").write_bytes(b"a tree")
        (settings.state_dir / "fits" / f"{name}.plots.npz").write_bytes(b"draws")
    index.set_review(old, "rejected", "moved", "ada")
    index.delete([old])
    now = time.time()
    assert sweep(settings, now + 29 * DAY).fits == 0
    index.delete([young])
    record.close()
    # one was deleted a moment before the other: only the first is old enough at this moment
    assert sweep(settings, now + 30 * DAY).fits == 1
    record = open_record(settings)
    rows = [*FitIndex(record).list(), *FitIndex(record).list(deleted=True)]
    assert sorted(row.id for row in rows) == [kept, young]
    assert not any(names[2] in path for path in left(settings))
    assert sum(names[1] in path for path in left(settings)) == 4
    record.close()
    for path in settings.state_dir.glob("record.sqlite*"):
        path.unlink()
    guard_of(settings).start()
    record = open_record(settings)
    rows = [*FitIndex(record).list(), *FitIndex(record).list(deleted=True)]
    assert sorted((row.id, row.deleted) for row in rows) == [(kept, False), (young, True)]
    record.close()


def test_a_fit_that_is_not_deleted_is_never_purged(settings):
    record = open_record(settings)
    number = add_fit(FitIndex(record), settings, "20261124-000000-ab")
    with pytest.raises(Exception, match="not deleted"):
        FitIndex(record).purge(number)
    assert FitIndex(record).get(number).store_id == "20261124-000000-ab"
    record.close()


def test_debris_of_killed_jobs_is_swept_once_it_is_a_day_old(settings):
    state = settings.state_dir
    record = open_record(settings)
    add_fit(FitIndex(record), settings, "20261124-000000-ab")
    record.close()
    debris = ["fits/.x.h5.ab12.temp", "fits/20261124-9-z.plots.part", "made/averages/.y.hdf.cd34.temp",
              "applied/.z.npz.ef56.temp", "mask/drafts/.q.json.0011.temp", "fits/20261124-111111-cd.h5",
              "fits/20261124-111111-cd.nc"]  # fmt: skip
    stays = ["made/averages/Average_results.hdf", "fits/notes.txt", "fits/20261124-000000-ab.nc"]
    for name in [*debris, *stays]:
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_bytes(b"x")
    (state / "mask" / "tmpabcd").mkdir()
    before = left(settings)
    assert sweep(settings).debris == 0
    assert left(settings) == before, "somebody may be writing them at this moment"
    for name in [*debris, *stays]:
        age(state / name, 1.1)
    age(state / "mask" / "tmpabcd", 1.1)
    assert sweep(settings).debris == len(debris) + 1
    assert before - left(settings) == set(debris)
    assert not (state / "mask" / "tmpabcd").exists()


def test_fits_of_0_1_0_whose_rows_could_not_be_read_are_not_swept(tmp_path):
    import sqlite3
    from contextlib import closing

    old = unpack(tmp_path)
    gone = old.about["fits"]["accepted"]["store_id"]
    with closing(sqlite3.connect(old.state / "catalogue.sqlite")) as db:
        db.execute("DELETE FROM fits WHERE store_id = ?", (gone,))
        db.commit()
    guard_of(old.settings).start()
    for path in (old.state / "fits").glob(f"{gone}.*"):
        age(path, 100)
    sweep(old.settings)
    assert (old.state / "fits" / f"{gone}.h5").exists()


def test_masks_in_use_of_browsers_whose_cookie_has_expired_go(settings):
    folder = settings.state_dir / "applied"
    folder.mkdir()
    for name, days in (("old", 401), ("new", 399)):
        age_of = folder / f"{name}.npz"
        age_of.write_bytes(b"x")
        age(age_of, days)
    assert sweep(settings).applied == 1
    assert [p.stem for p in folder.iterdir()] == ["new"]


def test_a_backup_is_made_a_day_and_five_are_kept(settings, monkeypatch):
    from xpcs_dash.database import backup

    assert sweep(settings).backup
    assert not sweep(settings).backup
    monkeypatch.setattr(backup, "age_s", lambda *_: 0.96 * DAY)
    for _ in range(7):
        assert sweep(settings).backup
    kept = backups(RECORD, settings.state_dir)
    assert len(kept) == 5
    assert kept == sorted(kept, reverse=True)


def test_what_one_part_meets_keeps_no_other_from_its_work(settings, monkeypatch):
    def broken(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(housekeeping, "back_up", broken)
    (settings.state_dir / "fits").mkdir()
    age_of = settings.state_dir / "fits" / ".x.temp"
    age_of.write_bytes(b"x")
    age(age_of, 2)
    found = sweep(settings)
    assert found.problems == ("backup: the disk is full",)
    assert found.debris == 1


def test_fits_of_0_1_0_get_the_version_of_their_file_where_it_is_still_the_same(tmp_path):
    old = unpack(tmp_path)
    guard_of(old.settings).start()
    catalogue = Catalogue(old.settings.catalogue, old.settings.roots)
    replaced = old.ref("night1/A002_gel_aging_both_results.hdf")
    for row in catalogue.files():
        stat = Path(row.path).stat()
        changed = 1 if row.ref == replaced else 0
        with catalogue.write() as db:  # as ingest stores it once it has read the file again
            db.execute(
                files_table.update().where(files_table.c.ref == row.ref).values(
                    version=f"v-{row.name}", size=stat.st_size, mtime_ns=stat.st_mtime_ns + changed
                )
            )  # fmt: skip
    catalogue.close()
    record = open_record(old.settings)
    assert housekeeping.adopt_versions(old.settings, record) == len(old.about["fits"]) - 1
    versions = {row.ref: row.version for row in FitIndex(record).list()}
    assert versions.pop(replaced) == "", "whether it is the same is not known"
    assert set(versions.values()) == {"v-A001_silica_multitau", "v-A003_silica_diluted"}
    assert housekeeping.adopt_versions(old.settings, record) == 0
    record.close()


def test_sizes_are_told_by_part(settings):
    (settings.state_dir / "fits").mkdir()
    (settings.state_dir / "fits" / "a.h5").write_bytes(bytes(3_000_000))
    sizes = part_sizes(settings.state_dir)
    assert next(iter(sizes.items())) == ("fits", 3_000_000)
    assert {"record.sqlite", "catalogue.sqlite"} <= set(sizes)
    assert part_sizes(settings.state_dir / "nowhere") == {}
