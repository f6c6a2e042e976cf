"""The how-tos are carried out word by word in a copy of the product, and what they promise is there."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from tests.docs.how_to import DOCS, Checkout, blocks
from xpcs_dash.export.tables import from_csv

PAGES = sorted((DOCS / "how-to").glob("add-*.md"))

OPENED = """
import json, sys
import xpcs_dash
xf = xpcs_dash.open_result(sys.argv[1])
print(json.dumps([xpcs_dash.__file__, xf.layout, list(xf.q), xf.g2.tolist(), list(xf.t_el)]))
"""

VISITED = """
import json, sys
from pathlib import Path
from tests.pages.live_fixture import current, fill
from tests.small_result import write_small
from tests.web.plain_browser import PlainBrowser
from xpcs_dash.web import create_app
folder = Path(sys.argv[1])
folder.mkdir()
services = fill(folder, [write_small(folder / "a_results.hdf", photons=0.5)])
browser = PlainBrowser(create_app(services).server.test_client())
rail = json.dumps(browser.get("/_dash-layout").json)
browser.put("shell-current", "data", current(services.catalogue.files()[0].ref))
answers = []
for per in ("pixel", "frame"):
    browser.open("/brightness", {"per": per})
    words = browser.callback("brightness-words.children")
    said = browser.fire(words, words.inputs[0]).json["response"]["brightness-words"]["children"]
    answers.append([browser.shown["brightness-per"]["value"], said])
services.close()
print(json.dumps(["/brightness" in rail and "Brightness" in rail, answers]))
"""


@pytest.fixture
def copy(tmp_path, sample):
    return Checkout(tmp_path / "copy", sample)


def test_every_how_to_of_the_house_is_there():
    assert {"add-a-layout.md", "add-a-page.md", "add-an-export.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_how_to_touches_one_file_of_ours_at_the_most(page):
    changed = {b.argument.split(" after: ")[0] for b in blocks(page) if b.action in ("insert", "append")}
    assert len(changed) <= 1, f"{page.name} has its reader edit {sorted(changed)}"


def test_a_layout_is_added(copy):
    assert copy.follow(DOCS / "how-to" / "add-a-layout.md") == [
        "xpcs_dash/hdf5/layouts/__init__.py",
        "xpcs_dash/hdf5/layouts/my_lab.py",
    ]
    lag, q = np.array([0.5, 1.0, 2.0]), np.array([0.1, 0.2])
    g2 = 1 + np.outer([0.1, 0.3], [1.0, 0.5, 0.0])
    with h5py.File(copy.folder / "new.h5", "w") as f:
        f["/lab/lag"], f["/lab/q"], f["/lab/g2"] = lag, q, g2
    where, layout, found_q, found_g2, found_lag = json.loads(copy.python(OPENED, "new.h5").splitlines()[-1])
    assert where.startswith(str(copy.folder))
    assert layout == "my_lab"
    np.testing.assert_allclose(found_q, q / 10)  # 1/nm where the file names no unit
    np.testing.assert_allclose(found_g2, g2.T)
    np.testing.assert_allclose(found_lag, lag)


def test_a_page_is_added(copy):
    copy.follow(DOCS / "how-to" / "add-a-page.md")
    in_rail, answers = json.loads(copy.python(VISITED, copy.folder / "visit").splitlines()[-1])
    assert in_rail
    assert [per for per, _ in answers] == ["pixel", "frame"]
    assert answers[0][1] == "0.4999 photons/pixel/frame"
    assert answers[1][1] == "599.9 photons in a frame"


def test_an_export_is_added(copy):
    copy.follow(DOCS / "how-to" / "add-an-export.md")
    assert (copy.folder / "counts.pdf").read_bytes().startswith(b"%PDF")
    table = from_csv(copy.folder / "counts.csv")["counts"]
    code = "import xpcs_dash, sys; print(xpcs_dash.open_result(sys.argv[1]).int_t.shape[1])"
    assert table["frames"].sum() == int(copy.python(code, "A001_results.hdf"))
    assert "time_range (s)" in (copy.folder / "counts.csv").read_text(encoding="utf-8")
