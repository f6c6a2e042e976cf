"""Index and record on a PostgreSQL server: migrated, backed up, damaged and restored like files."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests.database.old_state import unpack
from tests.database.test_guard import Guarded, add_files, content, until, work
from tests.database.test_migrations import reviews, wanted
from xpcs_dash.acquisition.state import guard_of
from xpcs_dash.database import backup
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.engine import open_engine, writing
from xpcs_dash.database.migrate import upgrade
from xpcs_dash.database.record import open_record
from xpcs_dash.database.record.fits import FitIndex
from xpcs_dash.database.record.jobs import JobList
from xpcs_dash.database.record.tables import ALIASES
from xpcs_dash.database.schema import INDEX, RECORD, examine
from xpcs_dash.errors import UsageError
from xpcs_dash.settings import load_settings

POSTGRES = os.environ.get("XPCS_DASH_TEST_POSTGRES")
pytestmark = pytest.mark.skipif(POSTGRES is None, reason="XPCS_DASH_TEST_POSTGRES names no server")


@pytest.fixture
def url(request):
    """A database of this test's own on the server."""
    name = f"xd_{os.getpid()}_{abs(hash(request.node.name)) % 10**8}"
    admin = sa.create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    with admin.connect() as db:
        db.execute(sa.text(f"CREATE DATABASE {name}"))
    yield sa.make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as db:
        db.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def settings(tmp_path, url):
    root = tmp_path / "data"
    root.mkdir()
    return load_settings(root=root, state_dir=tmp_path / "state", catalogue_url=url)


def run(url: str, *statements: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as db:
        for statement in statements:
            db.execute(sa.text(statement))
    engine.dispose()


#: What can happen to tables on a server.
HARM = {
    "table": ["DROP TABLE fits"],
    "tables": ["DROP TABLE fits, jobs, acts, masks, masks_in_use, aliases, jobs_dispatcher, record_version"],
    "column": ["ALTER TABLE fits DROP COLUMN note"],
    "schema": ["DROP TABLE record_version"],
}


def test_both_stores_share_the_servers_database_and_leave_each_other_alone(settings):
    guard_of(settings).start()
    assert settings.record == settings.catalogue
    add_files(settings)
    record = open_record(settings)
    work(record, settings)
    assert [examine(store, settings.record).state for store in (RECORD, INDEX)] == ["good", "good"]
    before = content(record)
    run(settings.catalogue, "DROP TABLE files")
    guard = guard_of(settings)
    guard.start()
    assert "is built anew" in guard.notices[0].text
    assert content(record) == before
    catalogue = Catalogue(settings.catalogue, settings.roots)
    assert catalogue.counts()["ready"] == 0
    catalogue.close()
    record.close()


@pytest.mark.parametrize("backed_up", [True, False])
@pytest.mark.parametrize("how", HARM)
def test_a_damaged_record_is_restored_whole_at_the_start(settings, how, backed_up):
    guard_of(settings).start()
    record = open_record(settings)
    work(record, settings)
    if backed_up:
        kept = backup.make(RECORD, settings.record, settings.state_dir, "daily")
        assert kept.name.endswith(".jsonl.gz")
        FitIndex(record).set_review(1, "accepted", "after the backup", "ada")
    before = content(record)
    run(settings.record, *HARM[how])
    guard = guard_of(settings)
    guard.start()
    assert ("the backup of" in guard.notices[0].text) == backed_up
    assert content(record) == before
    assert JobList(record).add("sleep", {}, "next") == max(row[0] for row in before["jobs"]) + 1
    engine = open_engine(settings.record)
    aside = [name for name in sa.inspect(engine).get_schema_names() if name.startswith("xpcs_dash_damaged_")]
    engine.dispose()
    assert len(aside) == (how != "tables")
    record.close()


@pytest.mark.parametrize("how", HARM)
def test_a_record_that_is_damaged_in_use_is_restored_and_work_goes_on(settings, how):
    guard = guard_of(settings)
    guard.start()
    record, other = open_record(settings), open_record(settings)
    work(record, settings)
    before = content(record)
    with Guarded(guard):
        run(settings.record, *HARM[how])
        FitIndex(record).set_review(1, "accepted", f"after {how}", "ada")
        added = JobList(other).add("sleep", {"n": 1}, f"after {how}")
        guard_sees = lambda: FitIndex(other).list() is not None and guard.notices  # noqa: E731
        until(guard_sees, 40)
    after = content(record)
    assert after == content(other)
    assert after["fits"][0][2:5] == ("accepted", f"after {how}", "ada")
    assert after["fits"][1:] == before["fits"][1:]
    assert [row for row in after["jobs"] if row[0] != added] == before["jobs"]
    for each in (record, other):
        each.close()


def test_a_damaged_backup_is_passed_over_for_an_older_one(settings):
    guard_of(settings).start()
    record = open_record(settings)
    work(record, settings)
    good = backup.make(RECORD, settings.record, settings.state_dir, "daily")
    bad = backup.make(RECORD, settings.record, settings.state_dir, "daily")
    bad.write_bytes(bad.read_bytes()[:-40])
    before = content(record)
    run(settings.record, *HARM["tables"])
    guard = guard_of(settings)
    guard.start()
    assert f"not good: {bad.name}" in guard.notices[0].text
    assert good.name not in guard.notices[0].text
    assert content(record) == before
    record.close()


def test_fits_and_reviews_of_0_1_0_on_a_server_are_found_again(tmp_path, url):
    old = unpack(tmp_path, catalogue_url=url)
    as_0_1_0(url, old.state / "catalogue.sqlite")
    guard_of(old.settings).start()
    record = open_record(old.settings)
    assert reviews(record) == wanted(old)
    assert {str(job.id): [job.kind, job.state] for job in JobList(record).list()} == old.about["jobs"]
    with record.read() as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(ALIASES)) == len(old.about["numbers"])
    catalogue = Catalogue(url, old.settings.roots)
    assert {row.ref for row in catalogue.files()} == {old.ref(place) for place in old.about["numbers"]}
    catalogue.close()
    before = content(record)
    kinds = [path.name.split("Z-")[1] for path in backup.backups(RECORD, old.state)]
    assert kinds == ["after-0002.jsonl.gz", "before-0002.jsonl.gz"]
    # even the backup of the old schema can be restored, with the names of files that were kept for it
    backup.backups(RECORD, old.state)[0].unlink()
    run(url, *HARM["tables"])
    guard_of(old.settings).start()
    assert content(record) == before
    assert reviews(record) == wanted(old)
    record.close()


def as_0_1_0(url: str, source) -> None:
    """Put the tables of a SQLite catalogue of 0.1.0 on a server, as that version would have made them."""
    engine = open_engine(url)
    with writing(engine) as db:
        for store in (INDEX, RECORD):
            upgrade(db, store, "0001")
            db.execute(sa.text(f"DROP TABLE {store.version_table}"))
        found = sa.MetaData()
        found.reflect(db)
        with closing(sqlite3.connect(source)) as old:
            old.row_factory = sqlite3.Row
            for table in found.sorted_tables:
                for row in old.execute(f"SELECT * FROM {table.name}"):
                    db.execute(table.insert().values(**typed(table, dict(row))))
                if "id" in table.c and table.name != "jobs_dispatcher":
                    last = f"(SELECT max(id) FROM {table.name})"
                    db.execute(
                        sa.text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {last})")
                    )
    engine.dispose()


def typed(table: sa.Table, row: dict) -> dict:
    for column in table.c:
        value = row.get(column.name)
        if value is not None and isinstance(column.type, sa.Boolean):
            row[column.name] = bool(value)
        if value is not None and isinstance(column.type, sa.JSON):
            row[column.name] = json.loads(value)
    return row


def test_fits_of_0_1_0_on_a_server_can_move_to_a_record_of_their_own(tmp_path, url):
    old = unpack(tmp_path, catalogue_url=url, record_url=f"sqlite:///{tmp_path / 'own.sqlite'}")
    as_0_1_0(url, old.state / "catalogue.sqlite")
    guard_of(old.settings).start()
    record = open_record(old.settings)
    assert reviews(record) == wanted(old)
    record.close()
    engine = open_engine(url)
    assert not {"fits", "jobs"} & set(sa.inspect(engine).get_table_names())
    engine.dispose()


def test_a_newer_schema_on_a_server_is_refused(settings):
    guard_of(settings).start()
    run(settings.record, "UPDATE record_version SET version_num = '0099'")
    with pytest.raises(UsageError, match="schema 0099, which a newer version of xpcs-dash made"):
        guard_of(settings).start()


def test_a_server_that_does_not_answer_is_one_sentence_and_no_damage(settings):
    gone = settings.model_copy(update={"catalogue_url": "postgresql+psycopg://u:secret@127.0.0.1:1/none"})
    with pytest.raises(UsageError, match="cannot be reached") as caught:
        guard_of(gone).start()
    assert "secret" not in str(caught.value)
