"""The how-to *Add a model*, followed to the letter: its one file, put where it says, is used everywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "xpcs_dash"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-model.md"
SCRIPT = Path(__file__).with_name("use_a_new_model.py")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the package with the file of the page in it, and nothing else changed."""
    place = tmp_path_factory.mktemp("house")
    shutil.copytree(PACKAGE, place / "xpcs_dash", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "assets", place / "assets")
    page = PAGE.read_text()
    where = re.search(r"Save this as `(xpcs_dash/\S+\.py)`", page)
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert where is not None
    assert code is not None
    (place / where[1]).write_text(code[1])
    return place


def run(house: Path, *command: str) -> str:
    env = os.environ | {"PYTHONPATH": str(house), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=500, cwd=house, env=env, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_model_of_the_page_works_everywhere(house, tmp_path):
    """Batch in NumPy and JAX, NLSQ, NUTS, both fit pages, the diffusion page and an export."""
    said = json.loads(run(house, sys.executable, str(SCRIPT), str(tmp_path)).splitlines()[-1])
    truth = said["truth"]
    for way in ("batch numpy", "batch jax", "nlsq", "nuts", "stored"):
        rate, error = said[way]["rate"]
        assert abs(rate - truth["rate"]) < 5 * error, way
        pdi, error = said[way]["pdi"]
        assert abs(pdi - truth["pdi"]) < 5 * error, way
    assert said["batch jax"]["rate"][0] == pytest.approx(said["batch numpy"]["rate"][0], rel=1e-4)
    assert said["diffusion"] == pytest.approx(truth["diffusion"], rel=0.05)
    assert "cumulant" in said["offered"]
    assert said["figures"] == {"fit": True, "fits": True, "diffusion": True}
    assert {"rate", "rate_error", "pdi"} <= set(said["columns"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_line_takes_it_and_names_it(house, tmp_path):
    run(house, sys.executable, str(SCRIPT), str(tmp_path), "--only-file")
    file = str(next(tmp_path.glob("*.hdf")))
    cli = (sys.executable, "-m", "xpcs_dash")
    out = json.loads(run(house, *cli, "fit", file, "--model", "cumulant", "--json"))
    assert out["units"] == {"contrast": "", "baseline": "", "rate": "1/s", "pdi": ""}
    assert all(b["params"]["rate"] > 0 for b in out["bins"])
    table = tmp_path / "fit.csv"
    run(house, *cli, "export", file, "--figure", "fit", "--model", "cumulant", "--out", str(table))
    assert "rate" in table.read_text()
    done = subprocess.run(
        [*cli, "fit", file, "--model", "cumulants"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | {"PYTHONPATH": str(house)},
    )
    assert done.returncode == 1
    assert "cumulant" in done.stderr
