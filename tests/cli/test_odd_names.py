"""Every command on files with every name that a file can have."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import A001
from tests.web.odd_names import ODD
from xpcs_dash.cli import main
from xpcs_dash.export.tables import from_csv

Sample = Callable[[str], Path]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize("stem", [*ODD, "a$b$c_{x}^y \\frac", "100%"])
def test_every_command_takes_every_name(
    sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str], stem: str
) -> None:
    path = tmp_path / f"{stem}_results.hdf"
    shutil.copy(sample(A001), path)
    file = str(path)
    code, out, err = run(capsys, "inspect", file, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["n_q"] == 12
    code, out, err = run(capsys, "fit", file, "--q-bins", "1", "--json", "--save", str(tmp_path / "fits"))
    assert (code, err) == (0, "")
    assert Path(json.loads(out)["saved"]).is_file()
    for suffix in ("pdf", "csv"):
        made = tmp_path / f"{stem}.{suffix}"
        words = ["--figure", "g2", "--q-bins", "1", "--title", "--out", str(made)]
        code, _, err = run(capsys, "export", file, *words)
        assert (code, err) == (0, ""), suffix
        assert made.is_file()
    assert from_csv(tmp_path / f"{stem}.csv")["g2"]["q_bin"].tolist() == [1.0] * 38
    converted = tmp_path / f"{stem}_own.hdf"
    assert run(capsys, "convert", file, "--to", "own", "--out", str(converted))[0] == 0
    assert run(capsys, "inspect", str(converted), "--json")[0] == 0
    bins = tmp_path / f"{stem}_qmap.hdf"
    code, _, err = run(capsys, "mask", "build", "--from", file, "--out", str(bins))
    assert (code, err) == (0, "")
    assert run(capsys, "mask", "show", str(bins), "--json")[0] == 0
