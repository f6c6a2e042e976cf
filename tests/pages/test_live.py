import numpy as np
import pytest

from tests.conftest import A001, A002, A003, LLPS_STRONG
from tests.pages.live_fixture import current, fill, ref
from xpcs_dash.components.selection import Selection
from xpcs_dash.components.views import look
from xpcs_dash.database.files import FileRow
from xpcs_dash.pages.live import PAGE, callbacks, numbers, view
from xpcs_dash.pages.live.layout import layout
from xpcs_dash.results.said import said_of
from xpcs_dash.results.statement import FileStatement

ONE, TWO, THREE = map(ref, (A001, A003, A002))


@pytest.fixture(scope="module")
def services(sample, tmp_path_factory):
    found = fill(tmp_path_factory.mktemp("live"), [sample(A001), sample(A003), sample(A002)])
    yield found
    found.close()


def plain(text):
    return str(text).replace("\N{NO-BREAK SPACE}", " ")


def row(**values):
    """A row of the index that says this of its file."""
    base = {"q": 0.01, "q_unit": "Å⁻¹", "intensity_unit": "u", "intensity_source": "s", "averaged_from": 0}
    said = FileStatement(**(base | values)).to_json()
    return FileRow("f~0123456789", "/d/f.hdf", "f", 1, 2, "ready", summary=said)


def test_the_head_says_what_the_file_is(services):
    facts = {name: plain(value) for name, value in view.facts_of(services.kernel.open(ONE))}
    assert facts["frames"] == "2,000 × 1.00 ms"
    assert facts["energy · distance"] == "10.000 keV · 5.00 m"
    assert facts["temperature"] == "25.0 °C"
    text = str(callbacks.head(services, Selection((ONE,), ("k",))))
    assert "silica" in text


def test_warnings_stand_in_the_head_and_lead_to_the_details(sample, tmp_path):
    services = fill(tmp_path, [sample(LLPS_STRONG)], fit=False)
    text = str(callbacks.head(services, Selection((ref(LLPS_STRONG),), ("k",))))
    assert "xd-warning-line" in text
    assert f"/metadata?file={ref(LLPS_STRONG)}" in text
    services.close()


def test_g2_shows_five_q_with_fits_and_the_files_before_behind(services):
    fit = said_of(services.catalogue.get(TWO)).bins
    drawing, colours, words = view.g2_view(services, look(services, current(TWO)), fit, True)
    assert len(colours) == 5
    assert sum(trace["showlegend"] for trace in drawing.data) == 5
    behind = [t for t in drawing.data if t["name"].startswith("A001")]
    assert len(behind) == 5
    assert drawing.data.index(behind[-1]) < 5  # drawn first, so they lie behind
    assert words == "5 of 12 q · σ with counting · ≥ 10 coincidences · line: fit, dotted where it is not good"
    drawing.to_figure()


def test_earlier_files_with_another_map_are_not_behind(services):
    drawing, _, _ = view.g2_view(services, look(services, current(THREE)), (), True)
    shown, here = {t["name"] for t in drawing.data}, services.kernel.open(THREE)
    other = services.kernel.open(TWO)
    close = [k for k in range(here.n_q) if np.min(np.abs(other.q / here.q[k] - 1)) <= 0.03]
    assert len([name for name in shown if name.startswith("A003")]) <= len(close)


def test_the_detector_comes_by_address_with_the_borders_of_the_chosen_bins(services):
    drawing, limits = view.detector_view(services, look(services, current(ONE, q=[2, 3])))
    picture, borders = drawing.layout["images"]
    assert picture["source"].startswith(f"/img/{ONE}/")
    assert "q=2,3" in borders["source"]
    assert (picture["x"], picture["y"]) != (borders["x"], borders["y"])  # or Plotly draws one of them only
    assert limits[0] < limits[1]
    assert drawing.to_figure().layout.yaxis.autorange == "reversed"


def test_intensity_keeps_its_extremes_and_says_what_a_step_is(services):
    drawing, words = view.intensity_view(services, look(services, current(ONE)))
    assert len(drawing.data) == 3
    assert plain(words) == "mean and range per 4.0 ms"


def test_intensity_of_an_averaged_file_says_whose_it_is(sample, tmp_path):
    services = fill(tmp_path, [sample(LLPS_STRONG)], fit=False)
    _, words = view.intensity_view(services, look(services, current(ref(LLPS_STRONG))))
    assert "first of 54 files only" in words
    services.close()


def test_numbers_of_the_last_files(services):
    rows = view.rows_until(services, TWO, 30)
    assert [row.ref for row in rows] == [ONE, TWO]
    found = {quantity.key: trend for quantity, trend in numbers.trends_of(rows)}
    assert set(found) == {"intensity", "contrast", "baseline", "tau"}
    assert found["tau"].unit == "ms"
    assert len(found["contrast"].values) == 2
    _, shown, title, at = callbacks.trends(rows, "dark", 1.0)
    assert title == "Last 2 files"
    assert len(shown) == 4
    assert "at q = " in at


def test_files_at_another_q_or_of_another_kind_are_no_trend():
    unread = FileRow("f~0123456789", "/d/f.hdf", "f", 1, 2, "waiting")
    others = [row(q=0.02), row(averaged_from=9), row(intensity_unit="v"), row(q=None), unread]
    rows = [row(q=0.0101), *others, row()]
    assert numbers.comparable(rows) == [rows[0], rows[-1]]
    assert numbers.comparable([]) == []


def test_a_drift_is_said_with_its_size():
    values = np.array([1.0, 1.01, 0.99, 1.0, 1.2, 1.4, 1.5, 1.52])
    assert numbers.drift(values, np.full(8, 0.01)) == pytest.approx(0.5, abs=0.05)
    assert numbers.drift(values, np.full(8, 0.5)) is None  # within the errors
    assert numbers.drift(np.full(8, 2.0), np.zeros(8)) is None
    assert numbers.drift(values[:4], np.zeros(4)) is None
    rows = [row(contrast=float(v), contrast_err=0.01) for v in values]
    [(quantity, trend)] = numbers.trends_of(rows)
    assert trend.state == "warning"
    assert numbers.words_of(quantity, trend)[0].startswith("▲ contrast +")


def test_a_relaxation_time_that_is_not_determined_is_no_number():
    assert numbers.trends_of([row(tau=1.0, tau_err=5.0, tau_flags=("undetermined:tau",), n_good=0)]) == []


def test_a_relaxation_time_of_a_bin_that_is_not_good_is_marked():
    [(quantity, good)] = numbers.trends_of([row(tau=1.0, tau_err=0.1, n_good=1)])
    assert (good.state, good.doubt) == ("ok", "")
    [(_, doubtful)] = numbers.trends_of([row(tau=1.0, tau_err=0.1, tau_flags=("poor_fit",), n_good=0)])
    assert doubtful.values.tolist() == [1.0]
    assert doubtful.state == "warning"
    assert "does not describe the data" in doubtful.doubt
    assert numbers.words_of(quantity, doubtful)[0] == "▲ τ, not good"


def test_an_empty_directory_says_what_is_awaited(tmp_path):
    services = fill(tmp_path, [])
    assert "No process watches the directory yet" in str(callbacks.waiting(services))
    services.catalogue.set_status("ingest", {"heartbeat": 1.0, "root": str(tmp_path), "mode": "inotify"})
    text = str(callbacks.waiting(services))
    assert str(tmp_path) in text
    assert "Watched by inotify" in text
    services.close()


def test_the_layout_has_the_ids_that_others_hold_on_to(services):
    text = str(layout(services, {"kiosk": "1", "combine": "0"}))
    for name in ("live-g2", "live-detector", "live-intensity", "live-trends", "live-qbar"):
        assert f"id='{name}'" in text
    assert "data=1.5" in text
    assert PAGE.path == "/"
