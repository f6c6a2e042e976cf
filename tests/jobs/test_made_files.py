"""Fits, samplings, averages and new bins of everything that the list of files shows, averages among it."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.analysis.test_regroup import write_bins, write_source
from tests.conftest import A001, A003
from tests.web.filling import add_file
from xpcs_dash.analysis import made
from xpcs_dash.fits import files, run
from xpcs_dash.fits.request import FitRequest
from xpcs_dash.hdf5.reach import OutOfReach
from xpcs_dash.jobs.context import JobContext
from xpcs_dash.results.door import open_file
from xpcs_dash.results.fingerprint import fingerprint
from xpcs_dash.services import Services, build_services
from xpcs_dash.settings import load_settings

Sample = Callable[[str], Path]


def quiet() -> JobContext:
    return JobContext(1, 1, lambda _: None, lambda: False)


@pytest.fixture
def services(tmp_path: Path, sample: Sample) -> Iterator[Services]:
    """A directory with two results, and their average where averages are kept."""
    root = tmp_path / "data"
    root.mkdir()
    for name in (A001, A003):
        shutil.copy(sample(name), root / name)
    made = build_services(load_settings(root=root, state_dir=tmp_path / "state"))
    yield made
    made.close()


def averaged(services: Services) -> str:
    """Public name of the average, made as the job makes it."""
    settings = services.settings
    assert settings.root is not None
    out = settings.averages_dir / "Average_both_results.hdf"
    paths = [str(settings.root / name) for name in (A001, A003)]
    payload = made.prepare_average({"paths": paths, "out": str(out)}, settings)
    made.average(pickle.loads(pickle.dumps(payload)), quiet())
    return taken_in(services, out)


def taken_in(services: Services, path: Path) -> str:
    """Public name of a file, in the list with its version."""
    return add_file(services.catalogue, path, version=fingerprint(services.door.open(path)))


def test_an_average_is_fitted_and_sampled(services: Services) -> None:
    from xpcs_dash.pages.fit import sampling

    ref = averaged(services)
    request = FitRequest(labels=(1, 3))
    for kind in ("nlsq", "nuts"):
        job = sampling.submit(services, ref, kind, request, "ada")
        row = services.jobs.get(job)
        assert (row.ref, row.version) == (ref, services.catalogue.get(ref).version)
        payload = run.prepare(row.params, services.settings)
        assert payload["data"].labels.tolist() == [1, 3]
        assert payload["source"]["name"] == "Average_both"
        assert payload["source"]["settings"] == services.settings.numbers


def test_a_job_says_which_versions_of_which_files_it_works_on(services: Services) -> None:
    from xpcs_dash.pages.average import callbacks

    assert services.settings.root is not None
    refs = [taken_in(services, services.settings.root / name) for name in (A001, A003)]
    row = services.jobs.get(callbacks.submit(services, refs, None, "ada"))
    assert dict(zip(row.ref.split(","), row.version.split(","), strict=True)) == {
        ref: fingerprint(services.door.open(ref)) for ref in refs
    }
    assert made.prepare_average(row.params, services.settings)["paths"] == row.params["paths"]


def test_an_average_is_averaged_again(services: Services) -> None:
    ref = averaged(services)
    settings = services.settings
    assert settings.root is not None
    paths = [str(services.door.path(ref)), str(settings.root / A001)]
    out = settings.averages_dir / "again_results.hdf"
    payload = made.prepare_average({"paths": paths, "out": str(out)}, settings)
    assert made.average(payload, quiet())["sources"] == 3
    assert len(open_file(out, settings).averaged_from) == 3


def test_new_bins_of_a_file_that_was_made_here(services: Services, tmp_path: Path) -> None:
    place = services.settings.made_dir / "regrouped"
    place.mkdir(parents=True)
    source, bins = place / "pixels_results.hdf", tmp_path / "qmap.hdf"
    write_source(source)
    write_bins(source, bins)
    given = {"path": str(source), "partition": str(bins), "out": str(place / "new_results.hdf")}
    payload = made.prepare_regroup(given, services.settings)
    answer = made.regroup(pickle.loads(pickle.dumps(payload)), quiet())
    assert open_file(Path(answer["path"]), services.settings).n_q == answer["bins"]


@pytest.mark.parametrize("how", ["outside", "link", "link to a directory"])
def test_nothing_outside_is_read_by_any_job(
    services: Services, sample: Sample, tmp_path: Path, how: str
) -> None:
    root = services.settings.root
    assert root is not None
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_source(elsewhere / "x_results.hdf")
    path = elsewhere / "x_results.hdf"
    if how == "link":
        (root / "link_results.hdf").symlink_to(path)
        path = root / "link_results.hdf"
    elif how == "link to a directory":
        (root / "sub").symlink_to(elsewhere)
        path = root / "sub" / "x_results.hdf"
    bins = tmp_path / "qmap.hdf"
    write_bins(elsewhere / "x_results.hdf", bins)
    asked: list[tuple[Any, dict[str, Any]]] = [
        (run.prepare, {**FitRequest(labels=(1,)).to_params(), "path": str(path)}),
        (made.prepare_average, {"paths": [str(path)] * 2, "out": str(tmp_path / "o.hdf")}),
        (made.prepare_regroup, {"path": str(path), "partition": str(bins), "out": str(tmp_path / "o.hdf")}),
    ]
    for prepare, params in asked:
        with pytest.raises(OutOfReach, match="outside"):
            prepare(params, services.settings)
    # the worker looks once more: a link may have been laid meanwhile
    settings = services.settings.model_dump(mode="json")
    with pytest.raises(OutOfReach):
        made.regroup({**asked[2][1], "settings": settings}, quiet())
    with pytest.raises(OutOfReach):
        made.average({**asked[1][1], "settings": settings}, quiet())
    assert not (tmp_path / "o.hdf").exists()


def test_jobs_read_with_the_settings_of_the_dashboard(services: Services) -> None:
    assert services.settings.root is not None
    path = services.settings.root / A003
    limit = float(np.nanquantile(open_file(path, services.settings).coincidences, 0.5))
    other = services.settings.model_copy(update={"min_coincidences": limit})
    params = {**FitRequest(labels=(1, 5)).to_params(), "path": str(path)}
    plain, strict = (run.prepare(params, settings)["data"] for settings in (services.settings, other))
    assert strict.used.sum() < plain.used.sum()


def test_a_stored_fit_names_the_settings_that_it_was_made_with(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xpcs_dash.database.record.fits import FitIndex
    from xpcs_dash.pages.fit import sampling
    from xpcs_dash.pages.fits.views import provenance

    settings = services.settings.model_copy(update={"min_coincidences": 17.5})
    job = sampling.submit(services, averaged(services), "nlsq", FitRequest(labels=(1,)), "ada")
    params = services.jobs.get(job).params
    monkeypatch.setattr(files, "save", lambda *_: None)
    bins = [{"state": "ok", "chi2": 1.0, "label": 1}]
    answer = {
        "kind": "nlsq",
        "bins": bins,
        "result": None,
        "seconds": 0.1,
        "facts": {"versions": {"jax": "1"}},
    }
    source = run.prepare(params, settings)["source"]
    number = run.finish(params, {**answer, "source": source}, settings)["fit"]
    row = FitIndex(services.record).get(number)
    assert row.facts["settings"] == {"backend": "auto", "min_coincidences": 17.5}
    assert "min_coincidences 17.5" in provenance(row)
