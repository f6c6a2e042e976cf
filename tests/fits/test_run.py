"""The jobs behind Fit and Sample, without Dask: what goes in, what comes out, what is kept."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import orjson
import pytest

from tests.conftest import A001
from xpcs_dash.database.record import open_record
from xpcs_dash.database.record.fits import FitIndex
from xpcs_dash.errors import UsageError
from xpcs_dash.fits import files, run
from xpcs_dash.fits.request import FitRequest
from xpcs_dash.fits.store import load_fit
from xpcs_dash.hdf5.reach import OutOfReach
from xpcs_dash.jobs.context import JobCancelled, JobContext
from xpcs_dash.pages.fit.draws import load_draws
from xpcs_dash.pages.fit.plots import figure_of
from xpcs_dash.settings import Settings


@pytest.fixture
def settings(tmp_path, sample):
    return Settings(state_dir=tmp_path, root=sample(A001).parent)


@pytest.fixture
def params(sample):
    request = FitRequest(labels=(3, 6), chains=2, draws=100, warmup=100, seed=5)
    return {
        **request.to_params(),
        "path": str(sample(A001)),
        "ref": "A001~0f0f0f0f0f",
        "name": "A001",
        "owner": "ada",
    }


class Told:
    """A context that remembers what it was told, and stops when asked to."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.reports: list[dict] = []
        self.context = JobContext(1, 1, lambda text: self.reports.append(orjson.loads(text)), self.stop)
        self.stop_after = stop_after

    def stop(self) -> bool:
        return len(self.reports) >= self.stop_after


def test_what_travels_to_a_worker_is_plain_and_complete(params, settings):
    payload = pickle.loads(pickle.dumps(run.prepare(params, settings)))
    assert payload["data"].labels.tolist() == [3, 6]
    assert payload["config"].seed == 5
    assert payload["source"] | {"token": "", "version": ""} == {
        "token": "",
        "version": "",
        "name": "A001",
        "sample": "",
        "owner": "ada",
        "settings": {"backend": "auto", "min_coincidences": 10.0},
    } | {"sample": payload["source"]["sample"]}


def test_a_path_outside_the_watched_directory_is_refused(params, tmp_path):
    with pytest.raises(OutOfReach, match="outside"):
        run.prepare(params, Settings(state_dir=tmp_path / "s", root=tmp_path / "other"))


def test_preparing_and_listing_need_no_jax():
    code = (
        "import sys, xpcs_dash.fits.run, xpcs_dash.fits.store, xpcs_dash.fitting.results,"
        " xpcs_dash.jobs.dispatcher;"
        "print([m for m in ('jax', 'numpyro', 'nlsq', 'arviz', 'arviz_stats') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_worker_begins_with_what_takes_long_to_import():
    code = (
        "import sys; from xpcs_dash.fitting import sampling; from xpcs_dash.fits import run;"
        "sampling.compile_usual = lambda: None; run.warm(); before = set(sys.modules);"
        "from arviz_stats.base import array_stats; print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nlsq_is_kept_with_its_source_and_can_be_loaded(params, settings):
    told = Told()
    answer = run.run_nlsq(run.prepare(params, settings), told.context)
    assert told.reports[-1]["progress"] == 1.0
    number = run.finish(params, answer, settings)["fit"]
    record = open_record(settings)
    row = FitIndex(record).get(number)
    record.close()
    assert (row.kind, row.state, row.n_q, row.owner) == ("nlsq", "ok", 2, "ada")
    q, tau = row.bins[0]["q"], row.bins[0]["values"]["tau"][0]
    assert 1 / (tau * q**2) == pytest.approx(1e6, rel=0.05)
    kept = load_fit(files.folder(settings.state_dir), row.store_id)
    assert kept == answer["result"]
    assert kept.source.path == params["path"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nuts_reports_is_judged_and_kept_with_its_draws(params, settings):
    told = Told()
    answer = run.run_nuts(run.prepare(params, settings), told.context)
    assert [r["progress"] for r in told.reports] == sorted(r["progress"] for r in told.reports)
    assert any(r["detail"].get("draws") for r in told.reports)
    chains = told.reports[-1]["detail"]["chains"]
    assert [(c["chain"], c["draws"]) for c in chains] == [(0, 100), (1, 100)]
    assert sum(c["divergences"] for c in chains) == sum(d.divergences for d in answer["result"].diagnostics)
    number = run.finish(params, answer, settings)["fit"]
    record = open_record(settings)
    row = FitIndex(record).get(number)
    record.close()
    entry = row.bins[0]
    # 200 draws cannot hold 400 effective ones: the gate says no, and says why
    assert entry["state"] == "alarm"
    assert entry["checks"]["ess_bulk"][1] is False
    assert any("effective sample size" in reason for reason in entry["reasons"])
    assert entry["elpd_loo"] == pytest.approx(answer["result"].loo(0).total)
    points = np.array(entry["elpd_points"], dtype=float)
    assert np.array_equal(np.isfinite(points), answer["result"].data.used[:, 0])
    assert np.nansum(points) == pytest.approx(entry["elpd_loo"], abs=0.01)
    assert (entry["pareto_bad"] > 0) == (entry["pareto_k"] > answer["result"].loo(0).limit)
    value, low, high, _ = entry["values"]["tau"]
    assert low < value < high
    plots = files.load_plots(settings.state_dir, row.store_id)
    assert plots["draws/tau"].shape == (2, 2, 100)
    assert plots["bfmi"].shape == (2, 2)
    assert plots["bfmi"].min(axis=1).tolist() == [b["checks"]["bfmi"][0] for b in row.bins]
    shown = load_draws(settings, row)
    assert "BFMI" in figure_of("energy", row, shown, 0, "dark").to_figure().layout.annotations[0].text
    assert (plots["curve"][:, 0] <= plots["curve"][:, 1]).all()
    again = run.run_nuts(run.prepare(params, settings), Told().context)
    assert np.array_equal(again["result"].samples["tau"], answer["result"].samples["tau"])
    with pytest.raises(JobCancelled):
        run.run_nuts(run.prepare(params, settings), Told(stop_after=2).context)


def test_names_of_stored_fits_are_no_paths(tmp_path):
    with pytest.raises(UsageError):
        files.load_plots(tmp_path, "../../etc/passwd")
    assert files.load_plots(tmp_path, "20261122-abcd") is None
