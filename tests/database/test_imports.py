"""Alembic belongs to the supervisor: no process that it starts may load it."""

from __future__ import annotations

import subprocess
import sys

import pytest

WEB = "from xpcs_dash.web import create_app; create_app(services)"
PROCESSES = {
    "web": f"from xpcs_dash.services import build_services; services = build_services(settings); {WEB}",
    "ingest": "from xpcs_dash.acquisition.service import build_ingest; from xpcs_dash.database.catalogue "
    "import Catalogue; build_ingest(settings, Catalogue(settings.catalogue, settings.roots)).stop()",
    "jobs": "import xpcs_dash.jobs.dispatcher, xpcs_dash.jobs.worker, xpcs_dash.jobs.cluster; from "
    "xpcs_dash.database.record import open_record; open_record(settings).close()",
    "worker": "import xpcs_dash.jobs.worker, xpcs_dash.fits.run, xpcs_dash.analysis.made",
    "housekeeping": "from xpcs_dash.acquisition.housekeeping import run; run(settings)",
}


@pytest.mark.parametrize("process", PROCESSES)
def test_no_process_but_the_supervisor_loads_alembic(tmp_path, process):
    (tmp_path / "data").mkdir()
    code = (
        "import sys; from pathlib import Path; from xpcs_dash.settings import load_settings; "
        "settings = load_settings(root=Path(sys.argv[1]), state_dir=Path(sys.argv[2])); "
        f"{PROCESSES[process]}; print([m for m in ('alembic', 'mako') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "data"), str(tmp_path / "state")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_scripts_of_migrations_are_found_wherever_the_package_is(tmp_path):
    from importlib.resources import files

    for store in ("index", "record"):
        scripts = files("xpcs_dash") / "database" / "migrations" / store / "versions"
        assert {"0001", "0002"} <= {path.name[1:5] for path in scripts.iterdir() if path.name.startswith("v")}
