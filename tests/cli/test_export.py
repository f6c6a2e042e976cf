import subprocess
import sys

import pytest

from tests.conftest import A001
from xpcs_dash.cli.export import parse_bins
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
        (["--figure", "g2", "--out", "x.png", "--q-bins", "one"], 1, "give labels such as"),
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
    assert parse_bins(None) is None
    assert parse_bins("1,4-6,4") == (1, 4, 5, 6)
    with pytest.raises(UsageError):
        parse_bins("3-")
