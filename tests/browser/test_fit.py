"""Fits in a real browser: fit, sample, cancel, reload, a killed worker, review in a second browser."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import Dashboard

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

OpenPage = Callable[..., Any]
SLOW = 90_000


@pytest.fixture(scope="module")
def filled_dashboard(own_dashboard: Dashboard) -> Dashboard:
    """One of our own: fits are counted, and a worker is killed."""
    return own_dashboard


def query(page: Any) -> dict[str, str]:
    """Query of the page's address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def fit_page(dashboard: Dashboard, open_page: OpenPage, query: str = "", **options: Any) -> Any:
    """The Fit page of the sample with the diffusing silica, drawn."""
    files = dashboard.get("/api/files")["files"]
    wanted = next(row["ref"] for row in files if row["file"].startswith("A001"))
    page = open_page(f"{dashboard.url}fit?file={wanted}{query}", **options)
    page.set_default_timeout(60_000)
    page.wait_for_selector("#fit-table table")
    page.wait_for_selector("#fit-graph .main-svg")
    return page


def few_draws(page: Any, draws: int, warmup: int = 100) -> None:
    """Set a short sampling."""
    for name, value in (("draws", draws), ("warmup", warmup)):
        page.fill(f"#fit-{name}", str(value))
        page.press(f"#fit-{name}", "Tab")


def wait_state(page: Any, words: str, timeout: float = SLOW) -> None:
    """Wait until the progress line says one of these words."""
    page.wait_for_function(
        "(words) => new RegExp(words).test(document.querySelector('#fit-progress').innerText)",
        arg=words,
        timeout=timeout,
    )


def test_live_fit_follows_the_controls(filled_dashboard: Dashboard, open_page: OpenPage) -> None:
    page = fit_page(filled_dashboard, open_page)
    assert page.locator("#fit-table tbody tr").count() == 6
    assert "χ²" in page.inner_text("#fit-graph")
    page.click("#fit-model label:has-text('stretched')")
    page.wait_for_selector("#fit-table th:has-text('gamma')")
    row = "#fit-params tr[data-parameter='gamma']"
    page.wait_for_selector(row)
    page.fill("#fit-bins", "2-4")
    page.press("#fit-bins", "Enter")
    page.wait_for_function("() => document.querySelectorAll('#fit-table tbody tr[data-label]').length === 3")
    assert query(page)["q"] == "2,3,4"
    # a parameter that is held stands at the value that the page shows
    page.fill(f"{row} input[type=number] >> nth=0", "1")
    page.press(f"{row} input[type=number] >> nth=0", "Tab")
    page.check(f"{row} input[type=checkbox]")
    page.wait_for_selector("#fit-table td:has-text('held')")
    # bounds the wrong way round are refused with a sentence, and nothing else changes
    for place, value in (("1", "3"), ("2", "2")):
        page.fill(f"#fit-params tr[data-parameter='tau'] input[type=number] >> nth={place}", value)
        page.press(f"#fit-params tr[data-parameter='tau'] input[type=number] >> nth={place}", "Tab")
    page.wait_for_selector("#fit-table:has-text('the lower one must be below the upper one')")
    page.fill("#fit-params tr[data-parameter='tau'] input[type=number] >> nth=1", "1e-6")
    page.press("#fit-params tr[data-parameter='tau'] input[type=number] >> nth=1", "Tab")
    page.wait_for_selector("#fit-table td:has-text('held')")
    # the table stands in the address: a second browser shows the same
    page.wait_for_function(
        "() => (new URLSearchParams(location.search).get('par') || '').includes('tau.lower')"
    )
    second = open_page(page.url)
    second.wait_for_selector("#fit-table td:has-text('held')")
    assert second.input_value(f"{row} input[type=number] >> nth=0") == "1"
    assert second.is_checked(f"{row} input[type=checkbox]")
    assert second.inner_text("#fit-table") == page.inner_text("#fit-table")
    page.click("#fit-sigma label:has-text('file')")
    page.wait_for_selector("#fit-warnings:has-text('cannot be trusted')")


def test_dragging_on_the_plot_sets_the_delays(filled_dashboard: Dashboard, open_page: OpenPage) -> None:
    page = fit_page(filled_dashboard, open_page, "&q=5")
    page.click("#fit-drag label:has-text('sets delays')")
    page.wait_for_function(
        "() => document.querySelector('#fit-graph .js-plotly-plot').layout.dragmode === 'select'"
    )
    box = page.locator("#fit-graph .nsewdrag").first.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], y, steps=8)
    page.mouse.up()
    page.wait_for_function("() => document.querySelector('#fit-tmin').value !== ''")
    low, high = (float(page.input_value(f"#fit-{name}")) for name in ("tmin", "tmax"))
    assert 1e-3 < low < high < 2
    page.wait_for_selector("#fit-warnings:has-text('left out')")
    page.wait_for_function("() => new URLSearchParams(location.search).has('tmin')")


def test_a_fit_is_kept_reviewed_and_opened_in_a_second_browser(
    filled_dashboard: Dashboard, open_page: OpenPage
) -> None:
    page = fit_page(filled_dashboard, open_page, "&q=2,5")
    page.click("#fit-run")
    page.wait_for_function("() => new URLSearchParams(location.search).has('fit')", timeout=SLOW)
    page.wait_for_selector("#fit-table caption:has-text('stored fit')")
    number = query(page)["fit"]

    desk = open_page(f"{filled_dashboard.url}fits?fits={number}")
    desk.wait_for_selector("#fits-detail table.fit-table")
    desk.click("#fits-accept")
    desk.wait_for_selector(".xd-toast:has-text('name')")
    desk.fill("#fits-name", "Ada")
    desk.fill("#fits-note", "clean decay")
    desk.click("#fits-accept")
    desk.wait_for_selector("#fits-detail:has-text('accepted')")
    assert "Ada" in desk.inner_text("#fits-detail")

    second = open_page(f"{filled_dashboard.url}fits?review=accepted&fits={number}")
    second.wait_for_selector("#fits-detail:has-text('clean decay')")
    second.click("#fits-open")
    second.wait_for_selector("#fit-table caption:has-text('stored fit')")
    assert query(second)["q"] == "2,5"
    assert second.inner_text("#fit-table") == page.inner_text("#fit-table")

    # a verdict is changed by somebody else, in the second browser; the first one sees it
    second.goto(f"{filled_dashboard.url}fits?fits={number}")
    second.wait_for_selector("#fits-detail:has-text('clean decay')")
    second.wait_for_selector(f".ag-row-selected[row-id='{number}']")
    second.fill("#fits-name", "Grace")
    for button, word, note in (("flag", "flagged", "odd tail"), ("reject", "rejected", "beam was lost")):
        second.fill("#fits-note", note)
        second.click(f"#fits-{button}")
        desk.wait_for_selector(f"#fits-detail:has-text('{word}'):has-text('{note}'):has-text('Grace')")

    # the same request with the same seed gives the same numbers; the two are compared
    desk.click("#fits-again")
    desk.wait_for_selector(".xd-toast:has-text('with seed')")
    desk.wait_for_function("() => document.querySelector('#fits-count').innerText.startsWith('2')")
    newest = int(number) + 1
    desk.click(f".ag-row[row-id='{newest}'] .ag-cell[col-id='model']", modifiers=["Control"])
    desk.wait_for_selector("#fits-detail th:has-text('difference')")
    apart = desk.locator("#fits-detail table:last-of-type tbody tr td:last-child").all_inner_texts()
    assert len(apart) == 6
    assert all("0.0 σ" in text for text in apart)
    desk.click(f".ag-row[row-id='{number}'] .ag-cell[col-id='model']")
    desk.wait_for_function(f"() => new URLSearchParams(location.search).get('fits') === '{number}'")

    desk.click("#fits-delete")
    desk.wait_for_selector("#fits-undo")
    desk.wait_for_function("() => document.querySelector('#fits-count').innerText.startsWith('1')")
    second.wait_for_function("() => document.querySelector('#fits-count').innerText.startsWith('1')")
    desk.click("#fits-undo")
    desk.wait_for_function("() => document.querySelector('#fits-count').innerText.startsWith('2')")
    desk.wait_for_selector(f".ag-row[row-id='{number}']:has-text('rejected')")


def test_sampling_is_followed_found_again_after_a_reload_and_judged(
    filled_dashboard: Dashboard, open_page: OpenPage
) -> None:
    page = fit_page(filled_dashboard, open_page, "&q=3,6")
    few_draws(page, 12000, 500)  # long enough to be seen while it runs
    page.click("#fit-sample")
    wait_state(page, r"running")
    page.wait_for_selector("#fit-chain-lines tbody tr:nth-child(4)", timeout=SLOW)
    page.wait_for_function("() => new URLSearchParams(location.search).has('job')")
    job = query(page)["job"]
    page.reload()
    page.wait_for_selector("#fit-progress .xd-mark", timeout=SLOW)
    assert query(page)["job"] == job
    wait_state(page, r"done")
    page.wait_for_selector("#fit-diagnostics table.fit-lights")
    heads = page.inner_text("#fit-diagnostics thead")
    assert all(name in heads for name in ("R-hat", "ESS bulk", "ESS tail", "divergent", "BFMI", "misfit"))
    assert page.locator("#fit-diagnostics tbody tr[data-label]").count() == 2
    assert page.locator("#fit-chain-lines tbody tr").count() == 0
    assert "94 % HDI" in page.inner_text("#fit-table caption")
    for name in ("Trace", "Rank", "Autocorrelation", "Pairs", "Energy", "Prior", "τ(q)"):
        page.click(f"#fit-plot label:text-is('{name}')")
        page.wait_for_function(
            "() => { const g = document.querySelector('#fit-plot-graph .js-plotly-plot');"
            " return g && g.data && g.data.length > 0 && g._fullLayout; }"
        )


def test_a_running_sampling_is_cancelled_and_a_killed_worker_does_not_lose_it(
    filled_dashboard: Dashboard, open_page: OpenPage
) -> None:
    page = fit_page(filled_dashboard, open_page, "&q=3,6")
    few_draws(page, 20000, 500)
    page.click("#fit-sample")
    wait_state(page, r"running[\s\S]*draws")
    page.click("#fit-cancel")
    wait_state(page, r"cancelled", timeout=5_000)

    page.click("#fit-sample")
    wait_state(page, r"running[\s\S]*draws")
    number = query(page)["job"]
    jobs = open_page(f"{filled_dashboard.url}jobs")
    row = jobs.locator(f"tr[data-job='{number}']")
    row.wait_for()
    pid = int(row.locator(".jobs-pid").inner_text())
    os.kill(pid, signal.SIGKILL)
    jobs.wait_for_selector(f"tr[data-job='{number}']:has-text('worker process died')", timeout=SLOW)
    jobs.wait_for_function(
        f"() => /running/.test(document.querySelector(\"tr[data-job='{number}']\").innerText)"
        f" && Number(document.querySelector(\"tr[data-job='{number}'] .jobs-pid\").innerText) > 0"
        f" && document.querySelector(\"tr[data-job='{number}'] .jobs-pid\").innerText !== '{pid}'",
        timeout=SLOW,
    )
    jobs.click(f"tr[data-job='{number}'] button:has-text('Cancel')")
    jobs.wait_for_selector(f"tr[data-job='{number}'][data-state='cancelled']")
    jobs.click(f"tr[data-job='{number}'] button:has-text('Retry')")
    jobs.wait_for_selector(f"tr[data-job='{number}']:not([data-state='cancelled'])")
    jobs.click(f"tr[data-job='{number}'] button:has-text('Cancel')")
    assert re.match(r"tcp://127\.0\.0\.1:\d+", jobs.inner_text("#jobs-scheduler"))
