"""Exports, the metadata tree and an average, as a person makes them in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Dashboard
from xpcs_dash import open_result
from xpcs_dash.components.downloads import disposition
from xpcs_dash.export.tables import from_csv

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

OpenPage = Callable[..., Any]


def ids(dashboard: Dashboard) -> dict[str, int]:
    """Name of each file -> its number."""
    return {row["name"]: row["ref"] for row in dashboard.get("/api/files")["files"]}


def export(page: Any, panel: str, entry: str) -> Any:
    """Choose an entry of the export menu of the panel that holds ``panel``."""
    holder = page.locator(".xd-panel", has=page.locator(panel))
    holder.locator(".xd-export button.dropdown-toggle").click()
    with page.expect_download(timeout=90_000) as download:
        holder.get_by_text(entry, exact=True).click()
    return download.value


def test_g2_is_exported_for_paper_as_numbers_and_as_shown(
    filled_dashboard: Dashboard, open_page: OpenPage, tmp_path: Path
) -> None:
    number = ids(filled_dashboard)["A001_silica_multitau"]
    page = open_page(f"{filled_dashboard.url}g2?file={number}&q=2,5")
    page.wait_for_selector("#g2-graph .scatterlayer .trace", state="attached")

    paper = export(page, "#g2-graph", "PDF for paper")
    assert paper.suggested_filename == "A001_silica_multitau_g2_q2-5.pdf"
    assert Path(paper.path()).read_bytes().startswith(b"%PDF")

    numbers = export(page, "#g2-graph", "numbers as CSV")
    numbers.save_as(tmp_path / "g2.csv")
    table = from_csv(tmp_path / "g2.csv")["g2"]
    assert sorted(set(table["q_bin"])) == [2, 5]
    xf = open_result(filled_dashboard.root / "A001_silica_multitau_results.hdf")
    assert list(table["g2"][: xf.t_el.size]) == list(xf.g2[:, 1])
    assert f"url: {page.url}" in (tmp_path / "g2.csv").read_text()

    picture = export(page, "#g2-graph", "picture as shown, SVG")
    assert picture.suggested_filename == "A001_silica_multitau_g2_q2-5.svg"
    assert b"<svg" in Path(picture.path()).read_bytes()[:200]


def test_an_export_that_cannot_be_made_says_why(filled_dashboard: Dashboard, open_page: OpenPage) -> None:
    number = ids(filled_dashboard)["A001_silica_multitau"]
    page = open_page(f"{filled_dashboard.url}g2?file={number}&q=99")
    page.watched.expect_failures = True
    holder = page.locator(".xd-panel", has=page.locator("#g2-graph"))
    holder.locator(".xd-export button.dropdown-toggle").click()
    holder.get_by_text("numbers as CSV", exact=True).click()
    page.wait_for_selector(".xd-toast:has-text('there is no q-bin 99; choose from 1 to 12')")


def test_the_tree_opens_searches_and_compares(filled_dashboard: Dashboard, open_page: OpenPage) -> None:
    found = ids(filled_dashboard)
    first, second = found["A001_silica_multitau"], found["A003_silica_diluted"]
    page = open_page(f"{filled_dashboard.url}metadata?file={first},{second}")
    row = page.locator("#metadata-grid [col-id=shown]")
    row.get_by_text("multitau", exact=False).first.click()
    row.get_by_text("normalized_g2", exact=False).first.wait_for()
    assert "multitau" in page.url

    page.fill("#metadata-search", "incident_energy")
    page.press("#metadata-search", "Enter")
    row.get_by_text("/entry/instrument/incident_beam/incident_energy", exact=True).wait_for()
    assert "search=incident_energy" in page.url

    page.get_by_text("difference of two files").click()
    page.locator("#metadata-grid [col-id=path]").get_by_text("/xpcs/multitau/normalized_g2").first.wait_for()
    assert re.match(r"\d+ differences", page.text_content("#metadata-conditions"))


def test_an_average_leaves_out_what_was_unticked_and_can_be_downloaded(
    busy_dashboard: Dashboard, open_page: OpenPage, tmp_path: Path
) -> None:
    found = ids(busy_dashboard)
    samples = ("A001_silica_multitau", "A002_gel_aging_both", "A003_silica_diluted")
    chosen = ",".join(str(found[name]) for name in samples)
    page = open_page(f"{busy_dashboard.url}average?file={chosen}")
    page.wait_for_selector("#average-conditions:has-text('of 3 files')")
    # the gel has another detector and decays too slowly: it must not go in
    gel = page.locator("#average-grid .ag-row", has_text="A002")
    box = gel.locator("input[type=checkbox]")
    if box.is_checked():
        box.click()
    page.wait_for_selector("#average-conditions:has-text('2 of 3 files taken')")
    page.fill("#average-name", "both")
    page.click("#average-run")
    link = page.locator("#average-state a:has-text('Download')")
    link.wait_for(timeout=90_000)
    with page.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "both_results.hdf")
    averaged = open_result(tmp_path / "both_results.hdf")
    assert set(averaged.averaged_from) == {
        "A001_silica_multitau_results.hdf",
        "A003_silica_diluted_results.hdf",
    }
    page.reload()  # the job is in the address: its result is still there
    link.wait_for()


@pytest.mark.parametrize(
    "name", ["试样 α_g2.csv", "it's 100%;#_.csv", "a b_g2.csv", "A001_g2_q1-4.pdf", "e\u0301.csv"]
)
def test_a_download_gets_the_name_that_the_server_gives_it(
    filled_dashboard: Dashboard, open_page: OpenPage, name: str
) -> None:
    page = open_page(f"{filled_dashboard.url}files")
    page.wait_for_function("() => window.xd && window.xd.savedAs")
    assert page.evaluate("(text) => window.xd.savedAs(text, 'x')", disposition(name)) == name
    for odd in ("", "attachment", "attachment; filename*=UTF-8''%E8%AF"):
        assert page.evaluate("(text) => window.xd.savedAs(text, 'x')", odd) == "x"
