"""Files that are no results, in a real browser: they blank no screen, nothing steps onto them, and what masks
are made of opens on the Mask page.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.browser.conftest import Dashboard
from tests.browser.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

DATA = Path(__file__).parents[1] / "data"


def test_partitions_and_raw_data_stand_beside_the_results(
    dashboard: Dashboard, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    first = dashboard.add(DATA / "A001_silica_multitau_results.hdf")
    second = dashboard.add(DATA / "A003_silica_diluted_results.hdf")
    wall = open_page(f"{dashboard.url}?kiosk=1")
    until(wall, f"() => xd.state.current && xd.state.current.files[0].ref === '{second}'")
    partition = dashboard.add(DATA / "A001_silica_multitau_qmap.hdf")
    with h5py.File(tmp_path / "frames.h5", "w") as h5:
        h5["/entry/data/data"] = np.arange(4 * 60 * 80, dtype=np.uint16).reshape(4, 60, 80)
    raw = dashboard.add(tmp_path / "frames.h5")
    files = open_page(f"{dashboard.url}files?file={second}")
    until(files, "() => xd.grid('files-grid') && xd.grid('files-grid').getDisplayedRowCount() === 4")
    assert wall.evaluate("() => xd.state.current.files[0].ref") == second
    assert dashboard.get("/api/revision")["newest"]["ref"] == second
    assert dashboard.get("/api/revision")["counts"]["failed"] == 0

    # the next of the newest result is nothing, its previous one a result
    until(files, f"() => xd.state.current && xd.state.current.files[0].ref === '{second}'")
    files.keyboard.press("n")
    until(files, "() => document.body.textContent.includes('This is the newest file.')")
    files.keyboard.press("p")
    until(files, f"() => xd.state.current.files[0].ref === '{first}'")

    # raw data say what they are; a click does not leave the result
    row = files.locator("#files-grid .ag-row", has_text="this is a raw data file: 4 frames of 60 × 80")
    row.wait_for()
    row.locator("[col-id=sample]").click()
    until(files, "() => document.body.textContent.includes('frames: frames.h5: this is a raw data file')")
    assert files.evaluate("() => xd.state.current.files[0].ref") == first

    # a partition opens on the Mask page with its bins, and once only
    link = files.locator(f"#files-grid a.xd-link[href*='open={partition.split('~')[0]}']")
    link.click()
    until(files, "() => location.pathname.endsWith('/mask') && document.querySelector('#mask-graph .plotly')")
    until(files, "() => document.getElementById('mask-count').textContent.includes('of 49,152 px valid')")
    assert files.evaluate("() => document.getElementById('mask-conditions').textContent").startswith(
        "A001_silica_multitau_qmap.hdf"
    )
    assert partition in files.url or partition.replace("~", "%7E") in files.url
    assert raw != partition
