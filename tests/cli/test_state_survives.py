"""A dashboard whose databases are deleted, cut off, overwritten and killed while it runs, after every act of
a person: what is lost is counted, and it is nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import flask
import psutil
import pytest
from sqlalchemy.exc import SQLAlchemyError

from tests.cli.test_serve import get, running, until
from tests.conftest import A001
from tests.database import damage
from tests.database.test_guard import add_fit
from xpcs_dash.access import open_access
from xpcs_dash.database.record.fits import FitIndex
from xpcs_dash.database.record.masks import MaskList
from xpcs_dash.errors import UsageError
from xpcs_dash.pages.mask import bench_of, work
from xpcs_dash.pages.mask.session import start
from xpcs_dash.services import Services, build_services
from xpcs_dash.settings import load_settings
from xpcs_dash.shell.allow import CONFIG_KEY
from xpcs_dash.simplemask.store import new_key

#: What is done to both databases between two acts, in turn.
HARM = ["deleted", "truncated", "overwritten", "file_alone_deleted", "middle", "empty", "column", "replaced",
        "header", "log_deleted", "directory", "table"]  # fmt: skip


def press(url: str, output: str, trigger: str, **values: Any) -> dict[str, Any]:
    """Call a callback of the web process as a browser does, with ``id__property=value`` for what it reads."""
    listed = json.loads(urllib.request.urlopen(f"{url}_dash-dependencies", timeout=30).read())
    known = {name.replace("__", "."): value for name, value in values.items()}
    found = next(
        entry for entry in listed
        if output in entry["output"] and any(i["id"] == trigger for i in entry["inputs"])
    )  # fmt: skip

    def filled(entries: list[dict[str, str]]) -> list[dict[str, Any]]:
        return [{**e, "value": known.get(f"{e['id']}.{e['property']}".replace("-", "_"))} for e in entries]

    outputs = [
        dict(zip(("id", "property"), part.rsplit("@")[0].rsplit(".", 1), strict=True))
        for part in found["output"].strip(".").split("...")
    ]
    body = {
        "output": found["output"],
        "outputs": outputs if len(outputs) > 1 else outputs[0],
        "inputs": filled(found["inputs"]),
        "state": filled(found["state"]),
        "changedPropIds": [f"{trigger}.n_clicks"],
    }
    request = urllib.request.Request(
        f"{url}_dash-update-component", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"{}")


class People:
    """What people do, each act by its name; some through the web process, some as another web process."""

    def __init__(self, services: Services, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.services, self.url, self.session = services, url, new_key()
        self.index, self.jobs = FitIndex(services.record), services.jobs
        self.bench = bench_of(services)
        monkeypatch.setattr(work, "notify", lambda *_: None)  # it needs a running callback
        self.app = flask.Flask("people")
        self.app.config[CONFIG_KEY] = open_access(services.settings)
        self.long = 0
        self.spare = 0

    def review(self, button: str, note: str) -> None:
        press(self.url, "fits-done.data", button, **{f"{button.replace('-', '_')}__n_clicks": 1},
              fits_chosen__data="1", fits_note__value=note, fits_name__value="Ada")  # fmt: skip

    def accept(self) -> None:
        self.review("fits-accept", "as in the calibration")

    def reject(self) -> None:
        self.review("fits-reject", "the sample had moved")

    def flag(self) -> None:
        self.review("fits-flag", "look again: τ < 1 ms?")

    def delete_a_fit(self) -> None:
        press(self.url, "fits-deleted.data", "fits-delete", fits_delete__n_clicks=1, fits_chosen__data="2")

    def undo_the_deletion(self) -> None:
        press(self.url, "fits-done.data", "fits-undo", fits_undo__n_clicks=1, fits_deleted__data=[2])

    def submit_a_job(self) -> None:
        self.long = self.jobs.submit("sleep", {"seconds": 3000, "step": 0.2}, "a long night", owner="ada")
        until(lambda: self.jobs.get(self.long).state == "running", 90)

    def submit_another(self) -> None:
        self.spare = self.jobs.submit(
            "sleep", {"seconds": 1}, "next", owner="grace", files={"A001~0123456789": ""}
        )

    def move_a_job(self) -> None:
        self.jobs.set_priority(self.spare, 7, "ada")

    def cancel_a_job(self) -> None:
        self.jobs.cancel(self.spare, "ada")

    def retry_a_job(self) -> None:
        self.jobs.retry(self.spare, "ada")

    def clear_jobs(self) -> None:
        self.jobs.cancel(self.spare)
        assert self.jobs.clear(who="ada") == 1

    def open_a_picture(self) -> None:
        ref = self.services.catalogue.files()[0].ref
        with self.asking(), self.bench.store.editing(self.session) as held:
            held[0] = start(self.bench, self.session, held[0], {"kind": "result", "file": ref})

    def draw_a_mask(self) -> None:
        shape = {"type": "rect", "x0": 60.0, "y0": 60.0, "x1": 80.0, "y1": 90.0}
        action = {"act": "draw", "event": {"shapes[0]": shape}, "mode": "out"}
        with self.asking():
            work.perform(self.bench, self.session, action)

    def save_a_mask(self) -> None:
        with self.asking():
            work.save_version(self.bench, self.session, "before the night")

    def share_a_mask(self) -> None:
        self.shared = self.bench.store.share(self.session)

    def use_a_mask(self) -> None:
        with self.asking():
            work.apply_to_viewer(self.bench, self.session)

    def asking(self) -> Any:
        cookie = {"REMOTE_ADDR": "127.0.0.1", "HTTP_COOKIE": f"xd-mask={self.session}"}
        return self.app.test_request_context("/", environ_base=cookie)

    def acts(self) -> list[Callable[[], None]]:
        return [self.accept, self.reject, self.flag, self.delete_a_fit, self.undo_the_deletion,
                self.submit_a_job, self.submit_another, self.move_a_job, self.cancel_a_job, self.retry_a_job,
                self.clear_jobs, self.open_a_picture, self.draw_a_mask, self.save_a_mask, self.share_a_mask,
                self.use_a_mask]  # fmt: skip

    def made(self) -> dict[str, Any]:
        """Everything that people made so far, piece by piece."""
        pieces: dict[str, Any] = {}
        for row in [*self.index.list(), *self.index.list(deleted=True)]:
            pieces[f"fit {row.store_id}"] = (row.id, row.review, row.note, row.reviewer, row.deleted)
        for job in self.jobs.list():
            pieces[f"job {job.id}"] = (job.kind, job.title, job.owner, job.priority, job.ref, job.state)
        for mask in MaskList(self.services.record).list():
            pieces[f"mask {mask.key}"] = mask
        for version in self.bench.store.versions():
            pieces[f"version {version.key}"] = version
        pieces["in use"] = MaskList(self.services.record).in_use(self.session)
        applied = self.services.kernel.applied(self.session)
        pieces["applied"] = None if applied is None else (applied.token, int(applied.mask.sum()))
        pieces["draft"] = self.bench.store.load(self.session).to_dict()
        return pieces


@pytest.fixture
def dashboard(tmp_path, sample):
    root = tmp_path / "data"
    root.mkdir()
    shutil.copy(sample(A001), root / A001)
    return SimpleNamespace(
        base=tmp_path, root=root, state=tmp_path / "state",
        arguments=["serve", str(root), "--state-dir", str(tmp_path / "state"), "--port", "0"],
        settings=load_settings(root=root, state_dir=tmp_path / "state"),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_that_a_person_made_is_lost_whatever_happens_to_the_databases(dashboard, monkeypatch):
    with running(*dashboard.arguments, base=dashboard.base) as (_, url):
        until(lambda: get(f"{url}api/revision")[1]["counts"]["ready"] == 1)
        services = build_services(dashboard.settings)
        people, harm, lost = People(services, url, monkeypatch), cycle(HARM), {}
        for k in range(2):
            add_fit(people.index, dashboard.settings, f"20261124-00000{k}-ab")
        for k, act in enumerate(people.acts()):
            act()
            before, how = people.made(), next(harm)
            hurt_and_wait(dashboard, people, how, index=k % 4 == 3)
            if people.long:  # the dispatcher takes the job that it works on back at its next look
                until(lambda: people.jobs.get(people.long).state == "running")
            after = people.made()
            lost |= {f"{act.__name__}, {how}: {name}": (piece, after.get(name))
                     for name, piece in before.items() if after.get(name) != piece}  # fmt: skip
            assert get(f"{url}api/revision")[0] == 200
        assert lost == {}
        job = people.jobs.get(people.long)
        assert (job.state, job.attempts) == ("running", 1), "it went on, and was not started a second time"
        until(lambda: get(f"{url}api/revision")[1]["counts"]["ready"] == 1)
        told = [problem["text"] for problem in get(f"{url}api/revision")[1]["problems"]]
        assert any("The record was lost or damaged" in text and "restored from" in text for text in told)
        assert any("is built anew from its files" in text for text in told)
        services.close()
    kept = {path.name.split("-")[0] for path in (dashboard.state / "damaged").iterdir()}
    assert kept == {"record", "catalogue"}


def hurt_and_wait(dashboard: SimpleNamespace, people: People, how: str, *, index: bool) -> None:
    """Harm the record, and the index where asked, until the supervisor has put others in their place."""
    marks = [dashboard.state / ".record-is", *([dashboard.state / ".index-is"] if index else [])]
    before = [mark.read_text() for mark in marks]
    damage.RUNNING[how](dashboard.state / "record.sqlite")
    if index:
        damage.RUNNING[how](dashboard.state / "catalogue.sqlite")

    def mended() -> bool:
        with suppress(SQLAlchemyError, UsageError):  # an error tells the guard where nothing else does
            people.index.list()
            people.services.catalogue.files()
        return all(mark.read_text() != text for mark, text in zip(marks, before, strict=True))

    until(mended, 60)
    if index:
        until(lambda: people.services.catalogue.counts()["ready"] == 1, 60)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["deleted", "truncated", "header", "none"])
def test_a_dashboard_that_is_killed_with_its_databases_finds_everything_again(dashboard, monkeypatch, how):
    arguments = [*dashboard.arguments, "--only", "ingest,web"]
    held: list[Any] = []
    with pytest.raises(AssertionError):  # `running` tells of the end of the one that is killed
        work_until_killed(dashboard, arguments, monkeypatch, held)
    people, before = held
    for name in ("record.sqlite", "catalogue.sqlite"):
        if how != "none":
            damage.AT_REST[how](dashboard.state / name)
    with running(*arguments, base=dashboard.base) as (_, url):
        until(lambda: get(f"{url}api/revision")[1]["counts"]["ready"] == 1)
        again = build_services(dashboard.settings)
        people.services, people.index, people.jobs = again, FitIndex(again.record), again.jobs
        people.bench = bench_of(again)
        assert people.made() == before
        again.close()


def work_until_killed(dashboard: SimpleNamespace, arguments: list[str], monkeypatch: Any, held: list) -> None:
    with running(*arguments, base=dashboard.base) as (process, url):
        until(lambda: get(f"{url}api/revision")[1]["counts"]["ready"] == 1)
        services = build_services(dashboard.settings)
        people = People(services, url, monkeypatch)
        for k in range(2):
            add_fit(people.index, dashboard.settings, f"20261124-00000{k}-ab")
        for act in (people.accept, people.delete_a_fit, people.submit_another, people.open_a_picture,
                    people.draw_a_mask, people.save_a_mask, people.use_a_mask):  # fmt: skip
            act()
        held += [people, people.made()]
        services.close()
        for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            os.kill(each.pid, signal.SIGKILL)


def test_what_was_acted_on_while_the_record_was_gone_is_there_afterwards(dashboard, monkeypatch):
    """No supervisor, so nobody restores: the person is told, and nothing is half done."""
    services = build_services(dashboard.settings)
    people = People(services, "", monkeypatch)
    add_fit(people.index, dashboard.settings, "20261124-000000-ab")
    services.record.patience_s = 0.5
    damage.deleted(dashboard.state / "record.sqlite")
    with pytest.raises(Exception, match="xpcs-dash serve restores it"):
        people.index.set_review(1, "accepted", "", "ada")
    assert not (dashboard.state / "record.sqlite").exists(), "an empty record would hide the loss"
    services.close()
    with running(*dashboard.arguments, "--only", "ingest,web", base=dashboard.base):
        again = build_services(dashboard.settings)
        assert FitIndex(again.record).get(1).review == "open"
        FitIndex(again.record).set_review(1, "accepted", "", "ada")
        again.close()
    with closing(sqlite3.connect(dashboard.state / "record.sqlite")) as db:
        assert db.execute("SELECT review FROM fits").fetchall() == [("accepted",)]
