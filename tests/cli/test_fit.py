from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import A001, E0173
from xpcs_dash.cli import main

Sample = Callable[[str], Path]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["fit", *argv])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_json_of_chosen_bins(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, str(sample(A001)), "--model", "stretched", "--q-bins", "1,4", "--json")
    bins = json.loads(out)["bins"]
    assert code == 0
    assert [b["bin"] for b in bins] == [1, 4]
    assert set(bins[0]["params"]) == {"contrast", "baseline", "tau", "gamma"}
    assert {"q", "phi", "errors", "chi2_red", "n_points", "flags"} <= set(bins[0])


def test_options_reach_the_fit(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--fix",
        "baseline=1.0",
        "--bounds",
        "tau=1e-3,1",
        "--start",
        "tau=0.1",
        "--delay-range",
        "0,0.5",
    ]
    _, out, _ = run(capsys, str(sample(A001)), "--q-bins", "3-5", *options, "--json")
    bins = json.loads(out)["bins"]
    assert len(bins) == 3
    assert all(b["params"]["baseline"] == 1.0 and b["errors"]["baseline"] == 0 for b in bins)
    assert bins[0]["n_points"] < 38


def test_errors_of_the_file_warn(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, str(sample(E0173)), "--sigma", "file", "--json")
    assert any("photon counting" in w for w in json.loads(out)["warnings"])


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (["--fix", "tauu=1"], 1, "contrast, baseline, tau"),
        (["--fix", "tau"], 2, "NAME=VALUE"),
        (["--bounds", "tau=1"], 2, "NAME=LO,HI"),
        (["--bounds", "tau=1,0.1"], 1, "lower"),
        (["--q-bins", "99"], 1, "bins are 1 to 12"),
        (["--q-bins", "a"], 2, "labels"),
        (["--model", "triple"], 1, "single, stretched, double"),
        (["--sigma", "guess"], 1, "counting or file"),
        (["--delay-range", "5,6"], 1, "no delay between"),
        (["--nonsense"], 2, "nonsense"),
    ],
)
def test_mistakes_are_one_clear_line(
    sample: Sample, capsys: pytest.CaptureFixture[str], options: list[str], code: int, word: str
) -> None:
    found, out, err = run(capsys, str(sample(A001)), *options)
    assert found == code
    assert out == ""
    assert word in err
    assert "Traceback" not in err
    if code == 1:
        assert err.count("\n") == 1


@pytest.mark.slow
def test_bayes(sample: Sample, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ["--q-bins", "4", "--bayes", "--samples", "400", "--warmup", "200", "--seed", "3"]
    places = ["--state-dir", str(tmp_path / "state"), "--save", str(tmp_path / "fits")]
    code, out, _ = run(capsys, str(sample(A001)), *options, *places, "--json")
    document = json.loads(out)
    found = document["bins"][0]
    assert code == 0
    assert found["converged"] is True
    assert found["hdi"]["tau"][0] < found["params"]["tau"] < found["hdi"]["tau"][1]
    assert document["seed"] == 3
    assert document["hdi_prob"] == 0.94
    assert Path(document["saved"]).is_file()
    assert found["divergences"] == 0
