from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from xpcs_dash import logs
from xpcs_dash.acquisition.readers import ReaderPool
from xpcs_dash.logs import configure_logging, current_logging, get_logger

HOUSE = Path(logs.__file__).parent


def test_a_line_has_time_level_process_logger_and_the_facts(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "ingest")
    get_logger("xpcs_dash.acquisition.scan").warning("a file waits", path="a b.h5", tries=3)
    logging.getLogger("alembic.runtime").warning("running %s", "upgrade")
    ours, theirs = capsys.readouterr().err.splitlines()
    time = r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"
    assert re.fullmatch(
        f'{time} level=warning process=ingest logger=acquisition.scan event="a file waits" '
        'path="a b.h5" tries=3',
        ours,
    )
    assert re.fullmatch(
        f'{time} level=warning process=ingest logger=alembic.runtime event="running upgrade"', theirs
    )


def test_json_is_one_object_a_line_with_the_traceback_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "web", "json")
    try:
        raise ValueError("bad\nnews")
    except ValueError:
        get_logger("xpcs_dash.web").exception("a request failed", path=Path("/x"), process="other")
        logging.getLogger("other").exception("elsewhere")
    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert (ours["level"], ours["process"], ours["logger"]) == ("error", "web", "web")
    assert (ours["event"], ours["path"], ours["process_"]) == ("a request failed", "/x", "other")
    assert all("ValueError: bad\nnews" in line["exception"] for line in (ours, theirs))


def test_text_prints_a_traceback_below_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "jobs")
    try:
        raise ValueError("bad news")
    except ValueError:
        get_logger("xpcs_dash.jobs").exception("a job failed", job=3)
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith('event="a job failed" job=3')
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "ValueError: bad news"


def test_the_level_decides_and_no_name_of_a_file_steers_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("warning", "serve")
    log = get_logger("xpcs_dash.acquisition")
    log.info("not this")
    log.warning("odd name", path="a\x1b[31m\r\nb.h5 100 %s")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert r"a\x1b[31m\r\nb.h5 100 %s" in said


def test_a_script_that_configures_nothing_keeps_its_stdout(tmp_path: Path) -> None:
    code = "from xpcs_dash.logs import get_logger; get_logger('xpcs_dash.x').warning('no fit yet', path='a')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "no fit yet" in done.stderr


def test_processes_that_a_process_starts_log_like_it(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "complaining.py").write_text(
        "from xpcs_dash.logs import get_logger\n"
        "def make():\n"
        "    return lambda path: get_logger('xpcs_dash.x').warning('from a reader', path=path)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    configure_logging("info", "ingest", "json")
    told = current_logging()
    assert told == logs.Logging("info", "json")
    pool = ReaderPool("complaining:make", {}, n=1)
    try:
        pool.submit("a.h5")
        while not pool.collect():
            pass
    finally:
        pool.close()
    (line,) = [json.loads(text) for text in capfd.readouterr().err.splitlines() if "from a reader" in text]
    assert (line["process"], line["path"]) == ("reader", "a.h5")


def test_every_module_takes_its_logger_from_one_place() -> None:
    others = {
        "acquisition/watcher.py",
        "fitting/nlsq.py",
        "logs.py",
    }  # they listen to other packages' records
    for path in sorted(HOUSE.rglob("*.py")):
        name, text = str(path.relative_to(HOUSE)), path.read_text()
        if name not in others:
            assert not re.search(r"^\s*(import|from) (logging|structlog)\b", text, re.M), name
        assert "getLogger(__name__)" not in text, name
