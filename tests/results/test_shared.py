"""The store that web processes share: hits in another process, no pickle, no harm when it is gone."""

import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import replace

import numpy as np
import pytest

from tests.browser.conftest import start_dashboard, stop_dashboard
from tests.conftest import A001
from xpcs_dash.analysis.kernel import ViewerKernel
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.aps_writer import write_aps
from xpcs_dash.results import shared
from xpcs_dash.results.convert import aps_result
from xpcs_dash.results.door import Door
from xpcs_dash.results.opening import open_result
from xpcs_dash.results.shared import SharedCache, open_shared
from xpcs_dash.settings import Settings

REDIS = shutil.which("redis-server")


@pytest.fixture
def settings(tmp_path):
    return Settings(state_dir=tmp_path / "state")


def test_a_value_is_there_for_the_next_process(settings):
    value = {"x": np.arange(5.0), "png": b"\x89PNG"}
    assert open_shared(settings).set("k", value)
    code = (
        "import sys; from xpcs_dash.settings import Settings;"
        "from xpcs_dash.results.shared import open_shared;"
        "found = open_shared(Settings(state_dir=sys.argv[1]));"
        "print(found.get('k')['x'].tolist(), found.get('other'), found.stats().hits, found.stats().misses)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(settings.state_dir)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[0.0, 1.0, 2.0, 3.0, 4.0] None 1 1"


def test_nothing_in_the_directory_is_pickle(settings, monkeypatch):
    def never(*_, **__):
        raise AssertionError("pickle was used")

    for name in ("dump", "dumps", "load", "loads"):
        monkeypatch.setattr(f"pickle.{name}", never)
    store = open_shared(settings)
    assert store.set("k", (1, "two"))
    assert store.get("k") == (1, "two")
    files = [path for path in (settings.state_dir / "cache").iterdir() if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(
            path.read_bytes()[:4] + b"cposix\nsystem\n(S'true'\ntR."
        )  # a pickle that runs something
    assert store.get("k") is None
    assert oct((settings.state_dir / "cache").stat().st_mode & 0o777) == "0o700"


def test_other_settings_give_other_results(tmp_path):
    state = tmp_path / "state"
    open_shared(Settings(state_dir=state)).set("k", 1)
    assert open_shared(Settings(state_dir=state)).get("k") == 1
    assert open_shared(Settings(state_dir=state, min_coincidences=3)).get("k") is None


def test_what_has_no_plain_form_or_is_too_large_is_computed_each_time(settings, monkeypatch):
    store = open_shared(settings)
    assert not store.set("k", object())
    monkeypatch.setattr(shared, "LARGEST", 100)
    assert not store.set("k", b"x" * 200)
    assert store.get("k") is None
    assert store.stats().refused == 2


class Dead:
    def __init__(self):
        self.asked = 0

    def get(self, key):
        self.asked += 1
        raise ConnectionError("away")

    set = get


def test_a_store_that_is_gone_is_left_alone_for_a_while(monkeypatch):
    dead = Dead()
    store = SharedCache(dead, "Redis")
    assert store.get("a") is None
    assert store.get("b") is None
    assert not store.set("a", 1)
    assert dead.asked == 1
    monkeypatch.setattr(shared, "REST_S", 0.0)
    store._rests_until = 0.0
    assert store.get("a") is None
    assert dead.asked == 2
    assert store.stats().failures == 2


def test_an_address_that_is_none_is_said_at_the_start(tmp_path):
    with pytest.raises(UsageError, match="no address of Redis"):
        open_shared(Settings(state_dir=tmp_path, cache_url="http://x"))


def test_the_kernel_shares_what_took_time(settings, sample):
    store = open_shared(settings)
    make = lambda: ViewerKernel(Door(settings, lambda _: sample(A001)), open_shared(settings))  # noqa: E731

    def slow(xf):
        time.sleep(0.02)
        return xf.n_q

    assert make().derived("one", "slow", (), slow) == 12
    assert make().derived("one", "slow", (), lambda _: pytest.fail("computed again")) == 12
    assert make().derived("one", "quick", (), lambda xf: xf.n_q) == 12
    assert store.get("nothing") is None


@pytest.fixture
def redis(tmp_path):
    """Address of a Redis server of its own, and the process."""
    if REDIS is None:
        pytest.skip("there is no redis-server (apt-get install redis-server)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0", process
    process.kill()
    process.wait()


def test_redis_holds_results_and_its_death_costs_speed_only(redis, tmp_path):
    url, process = redis
    first = open_shared(Settings(state_dir=tmp_path / "a", cache_url=url))
    other = open_shared(Settings(state_dir=tmp_path / "b", cache_url=url))
    assert first.set("k", np.arange(3))
    assert other.get("k").tolist() == [0, 1, 2]
    process.kill()
    process.wait()
    began = time.perf_counter()
    assert all(other.get("k") is None for _ in range(50))
    assert time.perf_counter() - began < 5 * shared.TIMEOUT_S
    assert other.stats().failures == 1


@pytest.mark.slow
def test_a_second_web_worker_finds_what_the_first_one_made(tmp_path, sample):
    root = tmp_path / "data"
    root.mkdir()
    small = aps_result(open_result(sample(A001)))
    large = {
        name: np.kron(getattr(small, name), np.ones((8, 8), np.int32))
        for name in ("dqmap", "sqmap", "saxs_2d")
    }
    geometry = replace(small.geometry, shape=large["dqmap"].shape)
    whole = replace(small, mask=None, blemish=None, geometry=geometry, **large)
    write_aps(root / "a_results.hdf", whole)
    dashboard = start_dashboard(root, tmp_path / "state", "--workers", "2", "--only", "ingest,web")
    try:
        dashboard.wait_for(lambda answer: answer["counts"]["ready"] == 1)
        ref = dashboard.get("/api/files")["files"][0]["ref"]

        def hits() -> float:
            with urllib.request.urlopen(f"{dashboard.url}metrics", timeout=10) as answer:
                return float(re.search(r"shared_cache_hits_total ([0-9.]+)", answer.read().decode())[1])

        def ask(number: int) -> None:
            address = f"{dashboard.url}img/{ref}/x/scattering.png?lo=1&hi={number}"
            urllib.request.urlopen(address, timeout=10).read()

        end, found, number = time.monotonic() + 60, 0.0, 1
        while not found and time.monotonic() < end:
            number += 1
            ask(number)  # one worker makes the picture, then both are asked for it
            threads = [threading.Thread(target=ask, args=(number,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            found = max(hits() for _ in range(12))
        assert found >= 1, dashboard.log[-10:]
    finally:
        stop_dashboard(dashboard)
