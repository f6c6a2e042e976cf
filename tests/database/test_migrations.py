"""From version 0.1.0 to the present, and what is newer than the program."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests.database.old_state import unpack
from xpcs_dash.acquisition.state import guard_of
from xpcs_dash.database import migrate
from xpcs_dash.database.backup import backups
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.engine import open_engine, writing
from xpcs_dash.database.record import open_record
from xpcs_dash.database.record.fits import FitIndex
from xpcs_dash.database.record.jobs import JobList
from xpcs_dash.database.record.tables import ALIASES
from xpcs_dash.database.schema import INDEX, RECORD, examine
from xpcs_dash.errors import UsageError
from xpcs_dash.simplemask.store import DraftStore


@pytest.fixture
def old(tmp_path):
    return unpack(tmp_path)


def reviews(record) -> dict:
    index = FitIndex(record)
    rows = [*index.list(), *index.list(deleted=True)]
    return {row.store_id: (row.id, row.ref, row.review, row.note, row.reviewer, row.deleted) for row in rows}


def wanted(old) -> dict:
    return {
        fit["store_id"]: (
            fit["id"],
            old.ref(old.place(fit["file_id"])),
            fit["review"],
            fit["note"],
            fit["reviewer"],
            fit["deleted"],
        )
        for fit in old.about["fits"].values()
    }


def test_fits_and_reviews_of_0_1_0_are_found_again_under_the_names_of_their_files(old):
    guard_of(old.settings).start()
    record = open_record(old.settings)
    assert reviews(record) == wanted(old)
    row = FitIndex(record).get(old.about["fits"]["accepted"]["id"])
    assert row.version == "", "a token of path and time stamp says nothing of what the file held"
    assert len(FitIndex(record).unversioned()) == len(old.about["fits"])
    assert row.bins[0]["values"]["tau"][0] > 0
    jobs = {str(job.id): [job.kind, job.state] for job in JobList(record).list()}
    assert jobs == old.about["jobs"]
    first = JobList(record).get(1)
    assert (first.ref, first.params["ref"]) == (row.ref, row.ref)
    with record.read() as db:
        names = dict(db.execute(sa.select(ALIASES.c.number, ALIASES.c.ref)).all())
    assert names == {number: old.ref(place) for place, number in old.about["numbers"].items()}
    record.close()


def test_numbers_of_0_1_0_are_never_given_out_again(old):
    guard_of(old.settings).start()
    record = open_record(old.settings)
    last = max(int(number) for number in old.about["jobs"])
    assert JobList(record).add("sleep", {}, "new") == last + 1
    record.close()


def test_averages_and_the_files_of_masks_are_found_at_their_new_places(old):
    guard_of(old.settings).start()
    average = old.settings.averages_dir / "Average_A001_results.hdf"
    assert average.is_file()
    assert not (old.state / "averages").exists()
    catalogue = Catalogue(old.settings.catalogue, old.settings.roots)
    assert {row.ref for row in catalogue.files()} == {old.ref(place) for place in old.about["numbers"]}
    assert catalogue.path_of(old.ref(average.name)) == average
    catalogue.close()
    record = open_record(old.settings)
    done = next(job for job in JobList(record).list(kind="average") if job.state == "done")
    assert done.result["path"] == str(average)
    store = DraftStore(old.state / "mask")
    a001 = old.ref("A001_silica_multitau_results.hdf")
    assert store.load(old.about["session"]).source == {"kind": "result", "file": a001}
    assert store.load(old.about["session"]).revision == old.about["draft_revision"]
    version = store.versions()[0]
    assert (version.key, version.valid_pixels) == (
        old.about["version"]["key"],
        old.about["version"]["valid_pixels"],
    )
    assert store.version_draft(version.key).source["file"] == a001
    assert store.version_partition(version.key).is_file()
    with record.read() as db:
        found = db.execute(sa.text("SELECT key, name, ref, has_partition FROM masks")).one()
    assert tuple(found) == (version.key, "before the night", a001, 1)
    record.close()


def test_a_directory_that_is_mounted_elsewhere_keeps_the_names_of_its_files(tmp_path):
    old = unpack(tmp_path / "before")
    moved = tmp_path / "after"
    moved.mkdir()
    (tmp_path / "before" / "data").rename(moved / "data")
    settings = old.settings.model_copy(update={"root": moved / "data"})
    guard_of(settings).start()
    record = open_record(settings)
    assert reviews(record) == wanted(old)
    record.close()


def test_a_second_start_changes_nothing(old):
    guard_of(old.settings).start()
    kept = sorted(path.name for path in (old.state / "backups").iterdir())
    lines = (old.state / "journal" / "acts.jsonl").read_text()
    again = guard_of(old.settings)
    again.start()
    assert again.notices == []
    assert sorted(path.name for path in (old.state / "backups").iterdir()) == kept
    assert (old.state / "journal" / "acts.jsonl").read_text() == lines


def test_what_came_from_0_1_0_can_be_restored_from_its_journal_and_files_alone(old):
    guard_of(old.settings).start()
    record = open_record(old.settings)
    before, jobs = reviews(record), [(j.id, j.state, j.ref) for j in JobList(record).list()]
    record.close()
    for path in [*old.state.glob("record.sqlite*"), *backups(RECORD, old.state)]:
        path.unlink()
    guard = guard_of(old.settings)
    guard.start()
    assert "entries of the journal, the files of 6 fits" in guard.notices[0].text
    record = open_record(old.settings)
    assert reviews(record) == before
    assert [(j.id, j.state, j.ref) for j in JobList(record).list()] == jobs
    with record.read() as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(ALIASES)) == len(old.about["numbers"])
    record.close()


def test_the_database_of_0_1_0_is_backed_up_before_it_is_changed(old):
    guard_of(old.settings).start()
    [kept] = backups(INDEX, old.state)
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("SELECT count(*) FROM fits WHERE review != 'open'").fetchone() == (4,)
    assert "before-" in kept.name
    with closing(sqlite3.connect(old.state / "catalogue.sqlite")) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables & {"fits", "jobs", "jobs_dispatcher"} == set()


@pytest.mark.parametrize("damage", ["fits", "page"])
def test_of_a_damaged_database_of_0_1_0_what_can_be_read_is_taken_over(old, damage):
    path = old.state / "catalogue.sqlite"
    with closing(sqlite3.connect(path)) as db:
        size = db.execute("PRAGMA page_size").fetchone()[0]
        [[page]] = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'files'").fetchall()
        [[fits]] = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'fits'").fetchall()
    with path.open("r+b") as stream:
        stream.seek(((fits if damage == "fits" else page) - 1) * size)
        stream.write(b"\xff" * size)
    guard = guard_of(old.settings)
    guard.start()
    assert list((old.state / "damaged").glob("catalogue-*.sqlite"))
    record = open_record(old.settings)
    found = reviews(record)
    if damage == "page":
        said = {name: row[2:] for name, row in wanted(old).items()}
        assert {name: row[2:] for name, row in found.items()} == said
    assert any("built anew" in notice.text for notice in guard.notices)
    record.close()


@pytest.mark.parametrize("store", [RECORD, INDEX])
def test_scripts_lead_to_the_tables_of_this_program(tmp_path, store):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    url = f"sqlite:///{tmp_path / 'x.sqlite'}"
    engine = open_engine(url)
    with writing(engine) as db:
        migrate.upgrade(db, store)
    assert examine(store, url).state == "good"
    assert migrate.head_of(store) == store.head
    with engine.connect() as db:
        context = MigrationContext.configure(db, opts={"version_table": store.version_table})
        assert compare_metadata(context, store.metadata) == []
    engine.dispose()


@pytest.mark.parametrize("name", ["catalogue", "record"])
def test_a_newer_schema_is_refused_in_a_sentence_and_left_as_it_is(old, name):
    guard_of(old.settings).start()
    path, store = old.state / f"{name}.sqlite", RECORD if name == "record" else INDEX
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"UPDATE {store.version_table} SET version_num = '0099'")
        db.commit()
    with pytest.raises(UsageError, match=r"schema 0099, which a newer version of xpcs-dash made"):
        guard_of(old.settings).start()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute(f"SELECT version_num FROM {store.version_table}").fetchone() == ("0099",)
    open_it = open_record if store is RECORD else lambda s: Catalogue(s.catalogue, s.roots)
    with pytest.raises(UsageError, match="newer version"):
        open_it(old.settings)


def test_a_migration_that_fails_leaves_the_record_as_it_was(old, monkeypatch):
    def broken(*_args, **_more):
        raise sa.exc.OperationalError("ALTER", {}, Exception("disk full"))

    url = f"sqlite:///{old.state / 'record.sqlite'}"
    engine = open_engine(url)
    with writing(engine) as db:
        migrate.upgrade(db, RECORD, "0001")
        db.execute(sa.text("INSERT INTO jobs_dispatcher VALUES (1, 't', 'h', 1, 0.0, '{}')"))
    engine.dispose()
    monkeypatch.setattr("xpcs_dash.database.legacy.say_again", broken)
    with pytest.raises(sa.exc.OperationalError):
        guard_of(old.settings).start()
    assert examine(RECORD, url).schema == "0001"
    assert len(backups(RECORD, old.state)) == 1


def test_old_links_and_jobs_survive_as_text(old):
    guard_of(old.settings).start()
    text = (old.state / "journal" / "acts.jsonl").read_text()
    lines = [json.loads(line.split(" ", 1)[1]) for line in text.splitlines()]
    kinds = {line["kind"] for line in lines}
    assert kinds == {"fit-reviewed", "fit-deleted", "job-submitted", "job-ended", "file-named"}
