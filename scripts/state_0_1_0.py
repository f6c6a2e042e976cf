"""Make a state directory as version 0.1.0 leaves it, for the tests of migrations and restores.

It runs the code of 0.1.0 itself, so it must find that version first on PYTHONPATH:

    git worktree add ../v010 47a98a1
    PYTHONPATH=../v010 python scripts/state_0_1_0.py tests/data/state-0.1.0

The dashboard of that version watches a directory of copies of the samples; fits, reviews, masks, averages and
jobs are made through its own functions, as its pages call them. ``about.json`` beside the archive says where
the directories were and what must be found again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import flask

PLACE = Path("/tmp/xpcs-dash-0.1.0")
SAMPLES = Path(__file__).resolve().parents[1] / "tests" / "data"
A001, A002, A003 = (
    "A001_silica_multitau_results.hdf",
    "A002_gel_aging_both_results.hdf",
    "A003_silica_diluted_results.hdf",
)
#: Place below the watched directory -> sample; the same name stands in two folders.
FILES = {A001: A001, f"night1/{A002}": A002, f"night1/{A003}": A003, f"night2/{A001}": A001}
SESSION = "state-of-version-0-1-0-session"
#: Seconds since the epoch of the first file; one more a minute.
FIRST = 1_760_000_000


def main(target: Path) -> None:
    shutil.rmtree(PLACE, ignore_errors=True)
    root, state = PLACE / "data", PLACE / "state"
    for k, (place, sample) in enumerate(FILES.items()):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SAMPLES / sample, root / place)
        os.utime(root / place, (FIRST + 60 * k,) * 2)
    command = [
        sys.executable,
        "-m",
        "xpcs_dash",
        "serve",
        str(root),
        "--state-dir",
        str(state),
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            process.stdout.readline()
            about = fill(root, state)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    pack(state, target, about)


def until(condition, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(condition)
        time.sleep(0.2)


def fill(root: Path, state: Path) -> dict:
    from xpcs_dash.jobs.fit_index import FitIndex

    from xpcs_dash.services import build_services
    from xpcs_dash.settings import load_settings

    services = build_services(load_settings(root=root, state_dir=state))
    catalogue, jobs = services.catalogue, services.jobs
    until(lambda: catalogue.counts()["ready"] == len(FILES))
    until(lambda: all(catalogue.get(row.id).summary["fit"] for row in catalogue.files()))
    numbers = {place: catalogue.by_path(str(root / place)).id for place in FILES}
    fits = make_fits(services, numbers)
    index = FitIndex(catalogue.engine)
    index.set_review(fits["accepted"], "accepted", "contrast agrees with the calibration", "ada")
    index.set_review(fits["rejected"], "rejected", "the sample had moved", "grace")
    index.set_review(fits["flagged"], "flagged", "look again at q-bin 3: τ < 1 ms?", "ada")
    index.set_review(fits["sampled"], "accepted", "", "grace") if index.get(
        fits["sampled"]
    ).state == "ok" else index.set_review(fits["sampled"], "accepted", "few draws, good enough", "grace")
    index.delete([fits["deleted"]])
    masks = make_masks(services, numbers)
    averaged = jobs.submit(
        "average",
        {
            "paths": [str(root / A001), str(root / f"night2/{A001}")],
            "out": str(services.settings.averages_dir / "Average_A001_results.hdf"),
        },
        "Average of 2 files",
        owner="ada",
    )
    failed = jobs.submit("average", {"paths": [str(root / A001)], "out": "none"}, "Average of 1 files")
    until(lambda: jobs.get(averaged).final and jobs.get(failed).final)
    until(lambda: catalogue.counts()["ready"] == len(FILES) + 1)
    average = services.settings.averages_dir / "Average_A001_results.hdf"
    until(lambda: catalogue.get(catalogue.by_path(str(average)).id).summary.get("fit") is not None)
    numbers["Average_A001_results.hdf"] = catalogue.by_path(str(average)).id
    stopped = jobs.submit("sleep", {"seconds": 60}, "Sleep for a minute")
    until(lambda: jobs.get(stopped).state == "running")
    jobs.cancel(stopped)
    until(lambda: jobs.get(stopped).final)
    rows = {row.id: row for row in [*index.list(), *index.list(deleted=True)]}
    about = {
        "place": str(PLACE),
        "root": str(root),
        "state": str(state),
        "first": FIRST,
        "files": FILES,
        "numbers": numbers,
        "fits": {
            name: {
                "id": rows[i].id,
                "store_id": rows[i].store_id,
                "file_id": rows[i].file_id,
                "kind": rows[i].kind,
                "review": rows[i].review,
                "note": rows[i].note,
                "reviewer": rows[i].reviewer,
                "deleted": rows[i].deleted,
            }
            for name, i in fits.items()
        },
        "jobs": {str(row.id): [row.kind, row.state] for row in jobs.list()},
        **masks,
    }
    catalogue.close()
    return about


def make_fits(services, numbers: dict[str, int]) -> dict[str, int]:
    from xpcs_dash.jobs.kinds.fit_request import FitRequest

    from xpcs_dash.pages.fit.sampling import submit

    small = FitRequest(labels=(3,), chains=2, draws=60, warmup=100, seed=5)
    wanted = {
        "accepted": (A001, "nlsq", FitRequest(labels=(1, 3, 6))),
        "rejected": (f"night1/{A002}", "nlsq", FitRequest(model="stretched", labels=(1, 2))),
        "flagged": (f"night1/{A003}", "nlsq", FitRequest(labels=(2, 3), sigma="file")),
        "open": (f"night2/{A001}", "nlsq", FitRequest(labels=(4,), fixed={"baseline": 1.0})),
        "deleted": (A001, "nlsq", FitRequest(labels=(1,))),
        "sampled": (f"night2/{A001}", "nuts", small),
    }
    jobs = {
        name: submit(services, numbers[place], kind, request, "ada")
        for name, (place, kind, request) in wanted.items()
    }
    until(lambda: all(services.jobs.get(job).final for job in jobs.values()))
    return {name: int(services.jobs.get(job).result["fit"]) for name, job in jobs.items()}


def make_masks(services, numbers: dict[str, int]) -> dict:
    from xpcs_dash.components.roles import CONFIG_KEY

    from xpcs_dash.pages.mask import bench_of, work
    from xpcs_dash.pages.mask.session import start

    work.notify = lambda *_: None  # a toast needs a running callback
    app = flask.Flask("masks")
    app.config[CONFIG_KEY] = services.settings
    bench = bench_of(services)
    cookie = {"HTTP_COOKIE": f"xd-mask={SESSION}"}
    with app.test_request_context("/", environ_base={"REMOTE_ADDR": "127.0.0.1", **cookie}):
        with bench.store.editing(SESSION) as held:
            held[0] = start(bench, SESSION, held[0], {"kind": "result", "file": numbers[A001]})
        shape = {"type": "rect", "x0": 60.0, "y0": 60.0, "x1": 80.0, "y1": 90.0}
        work.perform(bench, SESSION, {"act": "draw", "event": {"shapes[0]": shape}, "mode": "out"})
        work.perform(
            bench, SESSION, {"act": "partition", "fields": {"name0": "q", "dynamic0": "6", "static0": "30"}}
        )
        work.save_version(bench, SESSION, "before the night")
        work.perform(bench, SESSION, {"act": "add", "kind": "threshold", "fields": {"low": 0.001}})
        work.apply_to_viewer(bench, SESSION)
        shared = bench.store.share(SESSION)
        draft = bench.store.load(SESSION)
    version = bench.store.versions()[0]
    return {
        "session": SESSION,
        "draft_revision": draft.revision,
        "shared": shared,
        "version": {"key": version.key, "name": version.name, "valid_pixels": version.valid_pixels},
    }


def pack(state: Path, target: Path, about: dict) -> None:
    for part in ("jax-cache", "dask"):
        shutil.rmtree(state / part, ignore_errors=True)
    with sqlite3.connect(state / "catalogue.sqlite") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    target.mkdir(parents=True, exist_ok=True)
    (target / "about.json").write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n")
    with tarfile.open(target / "state.tar.xz", "w:xz") as archive:
        archive.add(state, "state")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
