"""What becomes of an export whose process is killed, hangs or breaks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import A001
from tests.web.filling import add_file
from xpcs_dash.errors import UnavailableError
from xpcs_dash.routes import export_process
from xpcs_dash.services import Services
from xpcs_dash.web import create_app

Sample = Callable[[str], Path]


@pytest.fixture
def asks(services: Services, sample: Sample) -> Callable[..., Any]:
    """Asks for one export of a file in the watched directory."""
    assert services.settings.root is not None
    path = services.settings.root / A001
    shutil.copy(sample(A001), path)
    file = add_file(services.catalogue, path)
    server = create_app(services, pages=()).server
    return lambda name="g2.csv", query="q=1": server.test_client().get(f"/export/{file}/{name}?{query}")


def left(services: Services) -> list[Path]:
    """What exports left in the state directory."""
    folder = services.settings.state_dir / "exports"
    return list(folder.iterdir()) if folder.is_dir() else []


def broken(answer: Any, services: Services) -> str:
    """The sentence of an export that came to nothing; nothing is left of it."""
    assert answer.status_code in (500, 503)
    assert answer.is_json
    assert "Traceback" not in answer.text
    assert left(services) == []
    sentence: str = answer.json["error"]
    assert sentence.endswith(".")
    return sentence


CODE = {
    "killed": "import os, signal; print('half'); os.kill(os.getpid(), signal.SIGKILL)",
    "crashed": "import os; os.abort()",
    "raised": "raise ValueError('inside')",
    "memory": "raise MemoryError",
    "silent": "raise SystemExit(3)",
    "idle": "print('{}')",
    "babbles": "print('hello')",
    "deaf": "import os; os.close(0)",
}


@pytest.mark.parametrize("how", CODE)
def test_a_child_that_comes_to_nothing_is_one_sentence(
    services: Services, asks: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(export_process, "CHILD", (sys.executable, "-c", CODE[how]))
    sentence = broken(asks(), services)
    assert ("stopped from outside" in sentence) is (how in ("killed", "crashed"))
    assert "inside" not in sentence


def test_a_child_that_hangs_is_ended_with_what_it_started(
    services: Services, asks: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = (
        "import subprocess, sys, time, pathlib; p = subprocess.Popen([sys.executable, '-c', "
        f"'import time; time.sleep(99)']); pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(p.pid)); "
        "time.sleep(99)"
    )
    monkeypatch.setattr(export_process, "CHILD", (sys.executable, "-c", code))
    monkeypatch.setattr(export_process, "TIMEOUT_S", 2.0)
    assert "longer than 2 s" in broken(asks(), services)
    end = time.monotonic() + 10
    pid = int((tmp_path / "pid").read_text())
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_real_export_that_is_killed_half_way(services: Services, asks: Callable[..., Any]) -> None:
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(asks("g2.pdf")))
    others = {child.pid for child in psutil.Process().children()}  # of tests before this one
    asking.start()
    end = time.monotonic() + 30
    while not (made := {child.pid for child in psutil.Process().children()} - others):
        assert time.monotonic() < end
        time.sleep(0.01)
    os.kill(made.pop(), signal.SIGKILL)
    asking.join(30)
    assert "stopped from outside (SIGKILL)" in broken(found[0], services)
    assert asks().status_code == 200  # the next one is made


def test_what_the_child_says_decides_the_code(asks: Callable[..., Any]) -> None:
    assert asks(query="q=99").status_code == 400
    assert "no q-bin 99" in asks(query="q=99").json["error"]
    assert asks(query="tmin=x").json["error"] == "tmin='x' is not a number."
    assert asks("twotime.csv", "").status_code == 409
    assert asks("nonsense.csv").status_code == 400


def test_what_a_killed_server_left_is_swept(services: Services, asks: Callable[..., Any]) -> None:
    folder = services.settings.state_dir / "exports"
    (folder / "old").mkdir(parents=True)
    (folder / "old" / "export.pdf").write_bytes(b"half")
    (folder / "new").mkdir()
    os.utime(folder / "old", (1e9, 1e9))
    assert asks().status_code == 200
    assert [path.name for path in left(services)] == ["new"]


def test_a_state_directory_without_room_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("in the way")
    with pytest.raises(UnavailableError, match="free some space"):
        export_process.run_export({}, "csv", tmp_path / "exports")


def test_an_export_ends_with_the_server_that_asked_for_it(
    services: Services, asks: Callable[..., Any], tmp_path: Path
) -> None:
    order = {
        "settings": services.settings.model_dump(mode="json"),
        "path": str(services.settings.root / A001),  # type: ignore[operator]
        "view": "g2",
        "query": {},
        "url": "",
    }
    scratch = services.settings.state_dir / "exports"
    code = (
        "import json, sys; from pathlib import Path; from xpcs_dash.routes.export_process import run_export; "
        "run_export(json.loads(sys.argv[1]), 'pdf', Path(sys.argv[2]))"
    )
    server = subprocess.Popen([sys.executable, "-c", code, json.dumps(order), str(scratch)])
    end = time.monotonic() + 60
    while not (children := psutil.Process(server.pid).children()):
        assert time.monotonic() < end
        assert server.poll() is None
        time.sleep(0.005)
    server.kill()
    server.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    for path in left(services):
        os.utime(path, (1e9, 1e9))
    assert asks().status_code == 200
    assert left(services) == []
