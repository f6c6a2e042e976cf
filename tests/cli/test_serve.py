"""The commands that follow a directory, as processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from xpcs_dash.cli import main, serve
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.errors import UsageError
from xpcs_dash.settings import load_settings

COMMAND = [sys.executable, "-m", "xpcs_dash"]


@contextmanager
def running(*arguments: str, base: Path):
    """A dashboard; yields its process and URL. Whatever is left of it afterwards is a failure."""
    log = (base / "log").open("w")
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=log, text=True) as process:
        family: set[int] = set()
        try:
            line = process.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, (line, (base / "log").read_text())
            family = {p.pid for p in psutil.Process(process.pid).children(recursive=True)}
            yield process, found[0]
            family |= {p.pid for p in psutil.Process(process.pid).children(recursive=True)}
        finally:
            process.terminate()
            code = process.wait(30)
            log.close()
        assert code == 0, (base / "log").read_text()
        until(lambda: not [pid for pid in family if is_alive(pid)])


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition, seconds=40.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def get(url: str) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as err:
        return err.code, json.loads(err.read())


def test_a_directory_is_served_and_its_processes_survive_each_others_death(tmp_path, sample):
    root, state = tmp_path / "data", tmp_path / "state"
    root.mkdir()
    arguments = ["serve", str(root), "--state-dir", str(state), "--port", "0", "--url-prefix", "xpcs"]
    with running(*arguments, "--only", "ingest,web", base=tmp_path) as (process, url):
        assert url.endswith("/xpcs/")
        shutil.copy(sample("A001_silica_multitau_results.hdf"), root / "a_results.hdf.temp")
        (root / "a_results.hdf.temp").rename(root / "a_results.hdf")
        until(lambda: get(f"{url}api/revision")[1]["counts"]["ready"] == 1)

        catalogue = Catalogue(f"sqlite:///{state / 'catalogue.sqlite'}")
        first = catalogue.status()["processes"]["ingest"]["pid"]
        os.kill(first, signal.SIGKILL)
        until(lambda: catalogue.status()["processes"]["ingest"]["pid"] not in (first, None))
        shutil.copy(sample("A003_silica_diluted_results.hdf"), root / "b_results.hdf")
        until(lambda: get(f"{url}api/revision")[1]["counts"]["ready"] == 2)

        web = catalogue.status()["processes"]["web"]["pid"]
        psutil.Process(web).kill()
        status, _ = get(f"{url}api/revision")
        assert status == 200, "the supervisor holds the socket: the request waits for the new web process"
        catalogue.close()

        other = subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert other.returncode == 1
        assert re.fullmatch(
            r"xpcs-dash: another xpcs-dash \(process \d+\) already fills .*--state-dir\.\n", other.stderr
        )
        assert str(process.pid) in other.stderr


def test_the_link_that_serve_prints_makes_an_operator_and_being_here_does_not(tmp_path, monkeypatch):
    monkeypatch.setenv("XPCS_DASH_OPEN_ON_LOOPBACK", "false")
    monkeypatch.setenv("XPCS_DASH_PUBLIC_URL", "https://beamline/xpcs/")
    root, kept = tmp_path / "data", tmp_path / "state" / "token"
    root.mkdir()
    (root / "a.hdf").write_bytes(b"no HDF5")
    arguments = ["serve", str(root), "--state-dir", str(kept.parent), "--port", "0", "--only", "ingest,web"]
    with running(*arguments, base=tmp_path) as (process, url):
        token = kept.read_text().strip()
        line = process.stdout.readline()
        assert line == f"To change things there, open https://beamline/xpcs/?token={token}\n"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        until(lambda: get(f"{url}api/files")[1]["files"] != [])
        (row,) = get(f"{url}api/files")[1]["files"]
        codes = []
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {token}"}):
            path = f"{url}api/files/{row['ref']}/retry"
            request = urllib.request.Request(path, b"", headers, method="POST")
            try:
                codes.append(urllib.request.urlopen(request, timeout=20).status)
            except urllib.error.HTTPError as err:
                codes.append(err.code)
        assert codes == [403, 403, 202]
    assert token not in (tmp_path / "log").read_text()


def test_a_demo_serves_simulated_files_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    known = tmp_path / "known"
    arguments = ["demo", "--port", "0", "--files", "3", "--interval", "0.5", "--only", "ingest,web"]
    with running(*arguments, "--truth", str(known), base=tmp_path) as (_, url):
        until(lambda: get(f"{url}api/revision")[1]["counts"]["ready"] > 4)
    truths = [json.loads(path.read_text()) for path in known.rglob("*_truth.json")]
    assert len(truths) > 4
    assert all(len(told["q"]) == len(told["tau_s"]) == 18 for told in truths)
    assert [p for p in (tmp_path / "scratch").iterdir() if p.name.startswith("xpcs-dash")] == []


def test_a_replay_shows_what_a_directory_holds(tmp_path, sample):
    source = tmp_path / "old"
    source.mkdir()
    for name in ("A001_silica_multitau_results.hdf", "A003_silica_diluted_results.hdf"):
        shutil.copy(sample(name), source / name)
    arguments = ["replay", str(source), "--speed", "1e9", "--port", "0", "--only", "ingest,web"]
    with running(*arguments, base=tmp_path) as (_, url):
        until(lambda: get(f"{url}api/revision")[1]["counts"]["ready"] == 2)


def test_index_reads_once_and_says_what_it_found(tmp_path, sample, capsys):
    root = tmp_path / "data"
    root.mkdir()
    shutil.copy(sample("A001_silica_multitau_results.hdf"), root / "a_results.hdf")
    (root / "bad_results.hdf").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    os.utime(root / "bad_results.hdf", (1e9, 1e9))
    arguments = ["index", str(root), "--state-dir", str(tmp_path / "state"), "--json"]
    run_command(arguments)
    found = json.loads(capsys.readouterr().out)
    assert found["files"] == {"waiting": 0, "ready": 1, "failed": 1, "gone": 0}
    assert found["failed"][0]["reason"].startswith("bad_results.hdf: ")
    run_command(arguments)
    assert json.loads(capsys.readouterr().out)["read"] == 0
    run_command(arguments[:-1])
    assert "1 ready, 1 failed" in capsys.readouterr().out


def run_command(arguments: list[str], code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert (ended.value.code or 0) == code


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{tmp}/none"], "does not exist"),
        (["{tmp}/file"], "is not a directory"),
        (["{tmp}/data", "--state-dir", "{tmp}/data/state"], "inside the watched directory"),
        (["{tmp}/data", "--state-dir", "{tmp}/file/state"], "the state directory .* cannot be written"),
        (["{tmp}/data", "--state-dir", "{tmp}/s", "--port", "{used}"], r"port \d+ on 127.0.0.1 is in use"),
        (["{tmp}/data", "--state-dir", "{tmp}/s", "--host", "203.0.113.7"], "cannot listen on 203.0.113.7"),
        (["{tmp}/data", "--state-dir", "{tmp}/s", "--only", "web,cake"], "--only takes some of"),
        (["{tmp}/data", "--config", "{tmp}/none.toml"], "no such settings file"),
        ([], "no directory to watch"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(tmp_path, capsys, monkeypatch, arguments, sentence):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    (tmp_path / "data").mkdir()
    (tmp_path / "file").write_text("x")
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        words = {"tmp": tmp_path, "used": used.getsockname()[1]}
        run_command(["serve", *(a.format(**words) for a in arguments)], 1)
    error = capsys.readouterr().err
    assert re.fullmatch(f"xpcs-dash: .*{sentence}.*\n", error), error


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UsageError, match=r"full \(10 MB free"):
        serve.check_state(tmp_path / "state")


def test_two_directories_do_not_share_a_catalogue_by_accident(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    roots = [tmp_path / "a" / "data", tmp_path / "b" / "data"]
    places = {load_settings(root=root).catalogue for root in roots}
    assert len(places) == 2
    assert load_settings(root=roots[0]).catalogue in places


def test_the_demo_takes_another_port_where_the_usual_one_is_in_use(tmp_path):
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        settings = load_settings(state_dir=tmp_path, port=used.getsockname()[1])
        with serve.listen(settings, fall_back=True) as found:
            assert found.getsockname()[1] != settings.port


def test_doctor_reports_and_fails_where_something_is_wrong(tmp_path, capsys):
    root = tmp_path / "data"
    root.mkdir()
    run_command(["doctor", str(root), "--state-dir", str(tmp_path / "s"), "--port", "0", "--json"])
    found = {line["name"]: line for line in json.loads(capsys.readouterr().out)}
    assert {line["state"] for line in found.values()} <= {"ok", "warning"}
    assert "0 files in 1 folders" in found["directory"]["text"]
    run_command(["doctor", str(tmp_path / "none"), "--state-dir", str(tmp_path / "s"), "--port", "0"], 1)
    assert "FAILED" in capsys.readouterr().out
