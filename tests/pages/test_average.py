from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import A001, A003
from xpcs_dash import open_result
from xpcs_dash.analysis.averaging import AcceptRule
from xpcs_dash.analysis.kernel import ViewerKernel
from xpcs_dash.analysis.made import average, prepare_average
from xpcs_dash.components.selection import Selection
from xpcs_dash.errors import UsageError
from xpcs_dash.jobs.context import JobCancelled
from xpcs_dash.pages.average.callbacks import entries_to_rows, job_line, measure_some, output_name, rule_of
from xpcs_dash.results.door import Door
from xpcs_dash.settings import Settings


@pytest.fixture
def services(sample, tmp_path):
    damaged = tmp_path / "damaged.hdf"
    damaged.write_bytes(b"not HDF5")
    paths = {"1": sample(A001), "2": sample(A003), "3": damaged}
    kernel = ViewerKernel(Door(Settings(state_dir=tmp_path), paths.__getitem__))
    return SimpleNamespace(kernel=kernel, settings=kernel.settings)


SELECTION = Selection(("1", "2", "3"), ("a", "b", "c"))


def measured(services, label=1):
    entries = []
    for _ in range(5):  # several rounds, as the page's clock gives them
        entries = measure_some(services, SELECTION, label, 10, entries)
    return entries


def test_rows_say_what_the_rule_says(services):
    rows = entries_to_rows(measured(services), AcceptRule(), {})
    assert [row["taken"] for row in rows] == [True, True, False]
    assert rows[0]["verdict"] == "● accepted"
    assert "damaged.hdf" in rows[2]["verdict"]


def test_a_person_overrules_the_rule_but_not_a_damaged_file(services):
    rows = entries_to_rows(measured(services), AcceptRule(), {"1": False, "3": True})
    assert [row["taken"] for row in rows] == [False, True, False]


def test_another_bin_is_measured_anew(services):
    first, other = measured(services, 1), measured(services, 5)
    assert first[0]["baseline"] != other[0]["baseline"]
    assert "no q-bin 99" in measured(services, 99)[0]["problem"]


def test_output_names():
    assert output_name("", "B1_results.hdf") == "Average_B1_results.hdf"
    assert output_name("", "试样 α_results.hdf") == "Average_试样 α_results.hdf"
    assert output_name("", 'new\nline "x" #1_results.hdf') == "Average_new_line _x_ _1_results.hdf"
    assert len(output_name("", "x" * 240 + "_results.hdf")) < 150
    assert output_name("mine.hdf", "x.hdf") == "mine_results.hdf"
    for bad in ("../up", "a/b", ".hidden", "x" * 200):
        with pytest.raises(UsageError, match="cannot be a file name"):
            output_name(bad, "x.hdf")


def test_an_incomplete_rule_is_explained():
    with pytest.raises(UsageError, match="two limits"):
        rule_of(1, 10, None, 1.05)


class Context:
    def __init__(self, cancel_after=99):
        self.cancel_after, self.reports = cancel_after, []

    def progress(self, fraction, message=None, **detail):
        self.reports.append(fraction)

    def check(self):
        if len(self.reports) >= self.cancel_after:
            raise JobCancelled("stopped")


def test_the_job_writes_a_file_that_opens(sample, tmp_path):
    ctx, out = Context(), tmp_path / "averages" / "Average_x_results.hdf"
    answer = average(prepared([sample(A001), sample(A003)], out), ctx)
    assert answer == {"path": str(out), "files": 2, "sources": 2}
    assert open_result(out).averaged_from == (A001, A003)
    assert ctx.reports == sorted(ctx.reports)
    assert ctx.reports[-1] == 1.0


def test_a_cancelled_job_writes_nothing(sample, tmp_path):
    out = Path(tmp_path / "x_results.hdf")
    with pytest.raises(JobCancelled):
        average(prepared([sample(A001)] * 3, out), Context(cancel_after=1))
    assert not list(tmp_path.iterdir())


def test_one_file_is_no_average(sample, tmp_path):
    with pytest.raises(UsageError, match="two files"):
        prepared([sample(A001)], tmp_path / "x.hdf")


def prepared(paths, out):
    """What the dispatcher gives to the worker."""
    settings = Settings(root=paths[0].parent, state_dir=out.parent / "state")
    return prepare_average({"paths": [str(path) for path in paths], "out": str(out)}, settings)


def test_a_finished_average_is_opened_from_the_page_as_soon_as_it_is_listed():
    row = SimpleNamespace(
        state="done",
        progress=1.0,
        message="",
        result={"path": "/s/averages/x_results.hdf", "files": 2, "sources": 2},
    )
    links = lambda made: [part.href for part in made._traverse() if getattr(part, "href", None)]  # noqa: E731
    assert links(job_line(row, "/p/")) == ["/p/averages/x_results.hdf"]
    row.result["path"] = "/s/averages/试 #1_results.hdf"
    assert links(job_line(row, "/p/")) == ["/p/averages/%E8%AF%95%20%231_results.hdf"]
    row.result["path"] = "/s/averages/x_results.hdf"
    assert links(job_line(row, "/p/", "x~7")) == ["/p/g2?file=x~7", "/p/averages/x_results.hdf"]
