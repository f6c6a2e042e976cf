import subprocess
import sys

import pytest

from tests.conftest import A001
from xpcs_dash.cli.export_request import ExportRequest, asked, range_of
from xpcs_dash.cli.values import read_labels
from xpcs_dash.errors import UsageError


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "xpcs_dash", *words], capture_output=True, text=True, timeout=120
    )


def test_export_prints_the_path_that_it_wrote(sample, tmp_path):
    out = tmp_path / "g2.pdf"
    done = run("export", str(sample(A001)), "--figure", "g2", "--out", str(out), "--q-bins", "1,3-5")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(out), "")
    assert out.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--figure", "g2", "--out", "x.gif"], 1, "choose a name that ends in"),
        (["--figure", "twotime", "--out", "x.png"], 1, "holds no two-time"),
        (["--figure", "g2", "--out", "x.png", "--q-bins", "one"], 2, "expected labels like"),
        (["--figure", "g2"], 2, "--out"),
    ],
)
def test_mistakes_are_one_line(sample, tmp_path, words, code, sentence):
    done = run("export", str(sample(A001)), *[str(tmp_path / w) if w.startswith("x.") else w for w in words])
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert code == 2 or done.stderr.count("\n") == 1


def test_bins():
    assert read_labels(None) is read_labels(" ") is None
    assert read_labels("1,4-6,4") == (1, 4, 5, 6)
    for bad in ("3-", "one", "0", "5-2", "1-99999999999", "1-900000,1-900000", "1;\n2"):
        with pytest.raises(UsageError) as caught:
            read_labels(bad)
        assert str(caught.value).isprintable()


def test_the_query_of_an_address_means_what_the_options_mean():
    query = {
        "q": "1,4-6",
        "tmin": "1e-3",
        "width-mm": "100",
        "title": "1",
        "url": "http://x/",
        "nonsense": "7",
    }
    asked_for = ExportRequest.from_query(query)
    assert asked_for == ExportRequest(q="1,4-6", tmin=1e-3, width_mm=100.0, title=True)
    options = asked_for.options("fit")
    assert (options.q_bins, options.delay, options.title) == ((1, 4, 5, 6), (1e-3, float("inf")), True)
    assert options.size.width_mm == 100.0
    for name in ("tmin", "q0", "height-mm"):
        for value in ("x", "nan", "inf"):
            with pytest.raises(UsageError, match="is not a number"):
                ExportRequest.from_query({name: value})


def test_the_settings_of_the_fit_page_are_understood():
    made = asked(1e-3, None, "gamma.fixed:0.8,tau.lower:1e-4,contrast.value:0.1", "stretched")
    assert made["delay"] == (1e-3, float("inf"))
    assert made["fixed"] == {"gamma": 0.8}
    assert made["bounds"] == {"tau": (1e-4, float("inf"))}
    assert made["start"] == {"contrast": 0.1}
    assert asked(None, None, "", "single") == {"delay": None}


@pytest.mark.parametrize("par", ["tau", "tau.lower:1,nonsense", "gamma2.fixed:1", "tau.lower:2,tau.upper:1"])
def test_settings_that_mean_nothing_are_refused(par):
    with pytest.raises(UsageError):
        asked(None, None, par, "single")
    with pytest.raises(UsageError, match="below the last"):
        range_of("delay", 2.0, 1.0)


def test_a_fit_is_exported_with_the_ranges_of_the_page(sample, tmp_path):
    out = tmp_path / "fit.csv"
    words = ["--q-bins=1", "--model=stretched", "--tmin=0.001", "--tmax=1", "--par=gamma.fixed:0.9"]
    done = run("export", str(sample(A001)), "--figure", "fit", "--out", str(out), *words)
    assert done.returncode == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    assert "parameters.fixed: {'gamma': 0.9}" in text
    low, high = text.split("parameters.delay_range (s): [")[1].split("]")[0].split(", ")
    assert 0.001 <= float(low) < float(high) <= 1
