"""The catalogue on SQLite, and on PostgreSQL where a server is given."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from xpcs_dash.acquisition.rows import Change, apply, load
from xpcs_dash.acquisition.scan import Stat
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.files import display_name, meta_table
from xpcs_dash.errors import NotFoundError, UsageError
from xpcs_dash.results.identity import FileRef

POSTGRES = os.environ.get("XPCS_DASH_TEST_POSTGRES")


@pytest.fixture(params=["sqlite", "postgresql"])
def catalogue(request, tmp_path):
    if request.param == "postgresql":
        if POSTGRES is None:
            pytest.skip("XPCS_DASH_TEST_POSTGRES names no server")
        wipe = sa.create_engine(POSTGRES)
        with wipe.begin() as db:
            db.execute(sa.text("DROP TABLE IF EXISTS files, catalogue_meta, index_version"))
        wipe.dispose()
        found = Catalogue(POSTGRES, {"run": tmp_path})
    else:
        found = Catalogue(f"sqlite:///{tmp_path / 'state' / 'c.sqlite'}", {"run": tmp_path})
    yield found
    found.close()


def ready(path: str, at: float, **columns) -> list[Change]:
    stat = Stat(int(at * 10), int(at * 1e9), 100)
    values = {"layout": "aps_nexus", "kinds": ["multitau"], "summary": {"a": float("nan")}, **columns}
    new = Change("waiting", path, stat, at, {"new": True, "reason": "It has been seen."})
    return [new, Change("ready", path, stat, at, values)]


def test_revision_rises_with_every_change(catalogue):
    assert catalogue.revision() == 0
    assert catalogue.bump() == 1
    first = apply(catalogue, ready("/d/a.hdf", 1.0))
    second = apply(catalogue, ready("/d/b.hdf", 2.0))
    assert (first, second, catalogue.revision()) == (2, 3, 3)
    assert [row.path for row in catalogue.files(since_revision=first)] == ["/d/b.hdf"]


def test_rows_come_newest_first_and_in_pages(catalogue):
    for k in (3, 1, 2, 2):
        path = f"/d/{k}.hdf"
        apply(catalogue, ready(path if catalogue.by_path(path) is None else "/d/2b.hdf", float(k)))
    rows = catalogue.files()
    assert [row.name for row in rows] == ["3", "2b", "2", "1"]
    assert [row.name for row in catalogue.files(limit=2)] == ["3", "2b"]
    assert [row.name for row in catalogue.files(before=rows[1].ref)] == ["2", "1"]
    assert catalogue.newest().name == "3"
    assert [row.ref for row in catalogue.get_many([rows[3].ref, "none~0000000000", rows[0].ref])] == [
        rows[3].ref,
        rows[0].ref,
    ]


def test_numbers_that_are_not_finite_are_stored_as_null(catalogue):
    apply(catalogue, ready("/d/a.hdf", 1.0))
    assert catalogue.newest().summary == {"a": None}


def test_gone_files_are_told_only_to_those_who_ask_for_changes(catalogue):
    apply(catalogue, ready("/d/a.hdf", 1.0))
    before = catalogue.revision()
    apply(catalogue, [Change("gone", "/d/a.hdf")])
    assert catalogue.files() == []
    assert [row.state for row in catalogue.files(since_revision=before)] == ["gone"]
    assert catalogue.counts() == {"waiting": 0, "ready": 0, "failed": 0, "gone": 1}
    assert catalogue.newest() is None


def test_a_touched_file_keeps_its_place_and_a_rewritten_one_becomes_the_newest(catalogue):
    apply(catalogue, ready("/d/a.hdf", 1.0, content="x"))
    apply(catalogue, ready("/d/b.hdf", 2.0, content="y"))
    touched = ready("/d/a.hdf", 3.0, content="x")[1]
    apply(catalogue, [touched])
    assert catalogue.newest().name == "b"
    assert catalogue.by_path("/d/a.hdf").mtime_ns == touched.stat.mtime_ns
    apply(catalogue, [ready("/d/a.hdf", 4.0, content="z")[1]])
    assert catalogue.newest().name == "a"


def test_the_fit_is_part_of_a_single_row_and_not_of_lists(catalogue):
    apply(catalogue, ready("/d/a.hdf", 1.0, flags=["no-decay", "map-changed"]))
    row = catalogue.newest()
    assert catalogue.get(row.ref).summary["fit"] is None
    values = {"fit": {"tau": [1.0]}, "summary": {"n_good": 1}, "flags": ["scatter-high"]}
    apply(catalogue, [Change("fit", "/d/a.hdf", Stat(0, row.mtime_ns, 0), values=values)])
    found = catalogue.get(row.ref)
    assert found.summary["fit"] == {"tau": [1.0]}
    assert found.flags == ("map-changed", "scatter-high")
    assert "fit" not in catalogue.newest().summary
    assert catalogue.newest().summary["n_good"] == 1


def test_files_whose_fit_is_missing_are_known_at_the_next_start(catalogue):
    apply(catalogue, ready("/d/a.hdf", 1.0))
    apply(catalogue, ready("/d/b.hdf", 2.0))
    apply(catalogue, [Change("fit", "/d/b.hdf", Stat(20, int(2e9), 100), values={"fit": {}})])
    known = load(catalogue, 10.0)
    assert {path: row.has_fit for path, row in known.items()} == {"/d/a.hdf": False, "/d/b.hdf": True}
    assert known["/d/a.hdf"].stat == Stat(10, int(1e9), 100)


def test_a_fit_of_an_older_version_is_dropped(catalogue):
    apply(catalogue, ready("/d/a.hdf", 1.0))
    apply(catalogue, [Change("fit", "/d/a.hdf", Stat(0, 5, 0), values={"fit": {}, "summary": {"n_good": 9}})])
    assert "n_good" not in catalogue.newest().summary


def test_neighbours_are_compared_whatever_the_order_of_reading(catalogue):
    def relate(summary, previous):
        return ["map-changed"] if previous is not None and summary["m"] != previous["m"] else []

    for path, at, kind in (("/d/c.hdf", 3.0, 2), ("/d/a.hdf", 1.0, 1), ("/d/b.hdf", 2.0, 2)):
        apply(catalogue, ready(path, at, summary={"m": kind, "flags": []}), relate)
    assert {row.name: row.flags for row in catalogue.files()} == {"a": (), "b": ("map-changed",), "c": ()}


def test_unknown_files_are_refused(catalogue):
    with pytest.raises(NotFoundError, match="no file of this name"):
        catalogue.get("77")
    with pytest.raises(NotFoundError, match="no file of this name"):
        catalogue.request_retry("77")


def test_a_file_is_found_by_its_name_or_by_its_stem(catalogue, tmp_path):
    for k, name in enumerate(("a/gel_01_results.hdf", "b/gel_01_results.hdf", "gel_02_results.hdf")):
        apply(catalogue, ready(str(tmp_path / name), float(k)))
    one = FileRef("run", "a/gel_01_results.hdf")
    assert catalogue.find(str(one)).path == str(tmp_path / one.path)
    assert catalogue.path_of(str(one)) == tmp_path / one.path
    assert catalogue.find("gel_02").ref == catalogue.find("gel_02_results.hdf").ref
    with pytest.raises(NotFoundError, match="several files are called gel_01") as found:
        catalogue.find("gel_01")
    assert str(one) in str(found.value)
    assert str(FileRef("run", "b/gel_01_results.hdf")) in str(found.value)
    with pytest.raises(NotFoundError, match=r"gel_03: no file of this name here; the nearest .*gel_02~"):
        catalogue.find("gel_03")
    # the hash of another place never finds a file of the same stem
    with pytest.raises(NotFoundError, match=r"the nearest .*gel_02~"):
        catalogue.find("gel_02~0000000000")


def test_retry_requests_are_taken_once(catalogue):
    apply(catalogue, ready("/d/a.hdf", 1.0))
    catalogue.request_retry(catalogue.newest().ref)
    assert catalogue.take_retries() == ["/d/a.hdf"]
    assert catalogue.take_retries() == []


def test_status_merges_the_reports_of_all_processes(catalogue):
    assert catalogue.status() == {}
    catalogue.set_status("ingest", {"mode": "inotify", "root": "/d"})
    catalogue.set_status("processes", {"web": {"state": "running"}})
    catalogue.set_status("ingest", {"mode": "polling", "root": "/d"})
    before = catalogue.revision()
    assert catalogue.status() == {"mode": "polling", "root": "/d", "processes": {"web": {"state": "running"}}}
    assert catalogue.revision() == before


def test_many_threads_write_without_losing_a_revision(catalogue):
    threads = [threading.Thread(target=lambda: [catalogue.bump() for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalogue.revision() == 80


def test_readers_are_not_held_up_by_a_running_write(catalogue):
    apply(catalogue, ready("/d/a.hdf", 1.0))
    other = Catalogue(catalogue.url if POSTGRES is None or "sqlite" in catalogue.url else POSTGRES)
    with catalogue.write() as db:
        db.execute(sa.update(meta_table).where(meta_table.c.name == "revision").values(number=99))
        assert other.newest().name == "a"
        assert other.revision() != 99
    assert other.revision() == 99
    other.close()


@pytest.mark.parametrize(("schema", "sentence"), [("0001", "older version"), ("9999", "newer version")])
def test_a_catalogue_of_another_schema_is_left_as_it_is(catalogue, monkeypatch, schema, sentence):
    monkeypatch.setattr("xpcs_dash.database.schema.PATIENCE_S", 0.2)
    apply(catalogue, ready("/d/a.hdf", 1.0))
    with catalogue.write() as db:
        db.execute(sa.text("UPDATE index_version SET version_num = :n"), {"n": schema})
    with pytest.raises(UsageError, match=sentence):
        Catalogue(catalogue.url)
    assert [row.name for row in catalogue.files()] == ["a"]


@pytest.mark.parametrize(
    "url", ["sqlite:////proc/none/c.sqlite", "postgresql+nodriver://u:secret@h/d", "junk"]
)
def test_a_catalogue_that_cannot_be_used_is_one_sentence_without_password(url):
    with pytest.raises(UsageError) as caught:
        Catalogue(url)
    assert "cannot be used" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_names_are_shown_without_suffix_and_results():
    assert display_name(Path("/d/A1_results.hdf")) == "A1"
    assert display_name("/d/A1_results.v2.h5") == "A1_results.v2"
