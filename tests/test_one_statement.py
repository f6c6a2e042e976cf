"""One bin and one file say the same wherever they are shown or written."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

import xpcs_dash
from tests.conftest import A001
from tests.pages.live_fixture import current, fill, ref
from xpcs_dash.components.views import look
from xpcs_dash.export.tables import from_csv
from xpcs_dash.export.views import ViewOptions, find_view
from xpcs_dash.export.write import export
from xpcs_dash.figures.fit import figure_fit
from xpcs_dash.figures.format import uncertain
from xpcs_dash.figures.publication import PageSize
from xpcs_dash.fits.request import FitRequest
from xpcs_dash.hdf5.table_file import read_tables
from xpcs_dash.pages.diffusion import views as diffusion
from xpcs_dash.pages.fit.live import live_fit
from xpcs_dash.pages.fit.preview import view_of
from xpcs_dash.pages.g2 import view as g2
from xpcs_dash.pages.live import callbacks as live
from xpcs_dash.pages.live import numbers
from xpcs_dash.pages.live import view as wall
from xpcs_dash.results.said import bins_from, said_of
from xpcs_dash.results.statement import BinResult, FileStatement
from xpcs_dash.services import Services
from xpcs_dash.web import create_app

#: A bin that is good in one file; in the other the model is far off in every bin.
LABEL = 3
PARTS = ("value", "sigma", "low", "high")


class Place:
    """One file in an index, and one of its bins."""

    def __init__(self, services: Services, name: str, label: int) -> None:
        self.services, self.name, self.label = services, name, label
        self.ref = ref(name)
        self.path = services.settings.root / name
        said = said_of(services.catalogue.get(self.ref))
        assert said.problem == ""
        bin_, file = said.bin(label), said.file
        assert bin_ is not None
        assert file is not None
        self.bin, self.file = bin_, file

    @property
    def xf(self) -> Any:
        return self.services.kernel.open(self.ref)

    def looked(self) -> Any:
        return look(self.services, current(self.ref, q=[self.label]))

    def command(self, *words: str) -> Any:
        line = [sys.executable, "-m", "xpcs_dash", *words]
        done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module", params=["good", "misfit"])
def place(
    request: pytest.FixtureRequest, sample: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    name = f"{request.param}_results.hdf"
    path = tmp_path_factory.mktemp("source") / name
    shutil.copy(sample(A001), path)
    if request.param == "misfit":
        with h5py.File(path, "r+") as h5:
            g2 = h5["/xpcs/multitau/normalized_g2"]
            g2[...] = g2[()] + 0.04 * (np.arange(g2.shape[0]) % 2)[:, None]
    services = fill(tmp_path_factory.mktemp("one"), [path])
    yield Place(services, name, LABEL)
    services.close()


def agree(found: BinResult, wanted: BinResult) -> None:
    """Same value, interval, covariance, points, σ model and verdict."""
    assert (found.label, found.model, found.names) == (wanted.label, wanted.model, wanted.names)
    for name in wanted.names:
        for part in PARTS:
            pair = getattr(found[name], part), getattr(wanted[name], part)
            np.testing.assert_allclose(*pair, rtol=2e-6, err_msg=f"{name}.{part}")
    np.testing.assert_allclose(found.covariance, wanted.covariance, rtol=2e-5)
    np.testing.assert_allclose(found.chi2_red, wanted.chi2_red, rtol=2e-6)
    facts = ("n_points", "sigma_model", "verdict", "ref", "version", "q_unit")
    for fact in facts:
        assert getattr(found, fact) == getattr(wanted, fact), fact


def same_file(found: FileStatement, wanted: FileStatement) -> None:
    for f in fields(FileStatement):
        one, other = getattr(found, f.name), getattr(wanted, f.name)
        assert one == (pytest.approx(other, rel=2e-6) if isinstance(other, float) else other), f.name


def row_of_table(table: dict[str, Any], label: int) -> dict[str, Any]:
    """The row of a bin in an exported table, by name without the unit."""
    plain = {heading.partition(" (")[0]: values for heading, values in table.items()}
    k = int(np.flatnonzero(np.asarray(plain["q_bin"]) == label)[0])
    return {name: values[k] for name, values in plain.items()}


def check_row(row: dict[str, Any], wanted: BinResult) -> None:
    for name in wanted.names:
        for tail, part in (("", "value"), ("_error", "sigma"), ("_low", "low"), ("_high", "high")):
            np.testing.assert_allclose(row[name + tail], getattr(wanted[name], part), rtol=2e-6)
    assert bool(row["good"]) is wanted.good
    assert str(row["flags"]) == wanted.verdict.sentence
    assert str(row["sigma_model"]) == wanted.sigma_model
    assert int(row["n_points"]) == wanted.n_points


def test_the_two_samples_differ_in_their_verdict(place: Place) -> None:
    good = place.name.startswith("good")
    assert (place.bin.good, place.file.tau_verdict.good) == (good, good)
    assert place.bin.verdict.flags == (() if good else ("poor_fit",))
    assert place.file.n_good == (12 if good else 0)


def test_csv(place: Place, tmp_path: Path) -> None:
    out = export(place.xf, "fit", tmp_path / "x.csv", ViewOptions(), place.services.settings)
    check_row(row_of_table(from_csv(out)["fit"], place.label), place.bin)
    out = export(place.xf, "diffusion", tmp_path / "y.csv", ViewOptions(), place.services.settings)
    check_row(row_of_table(from_csv(out)["fit"], place.label), place.bin)


def test_hdf5_and_the_provenance_in_it(place: Place, tmp_path: Path) -> None:
    out = export(place.xf, "fit", tmp_path / "x.h5", ViewOptions(), place.services.settings)
    tables, attributes = read_tables(out)
    table = {name: values for name, (values, _) in tables["fit"].items()}
    row = row_of_table(table, place.label)
    texts = {n: v.decode() if isinstance(v, bytes) else v for n, v in row.items()}
    check_row(texts, place.bin)
    said = {b["label"]: b for b in json.loads(attributes["provenance"])["bins"]}
    agree(BinResult.from_json(said[place.label]), place.bin)


def test_json_of_the_server(place: Place) -> None:
    client = create_app(place.services, pages=()).server.test_client()
    answer = client.get(f"/api/files/{place.ref}").json
    agree(BinResult.from_json(answer["bins"][place.label - 1]), place.bin)
    same_file(
        FileStatement.from_json(answer["summary"], ref=place.ref, version=answer["version"]), place.file
    )
    columns = answer["summary"]["fit"]
    agree(bins_from(columns, answer["ref"], answer["version"])[place.label - 1], place.bin)
    k = columns["label"].index(place.label)
    assert columns["good"][k] is place.bin.good
    assert columns["tau"][k] == place.bin["tau"].value
    listed = next(f for f in client.get("/api/files").json["files"] if f["ref"] == place.ref)
    assert tuple(listed.get("flags", ())) == place.file.flags


def test_json_of_the_commands(place: Place) -> None:
    told = place.command("inspect", str(place.path), "--json")
    found = BinResult.from_json(told["bins"][place.label - 1])
    agree(found.of(place.ref, place.bin.version), place.bin)
    assert found.version == place.bin.version
    same_file(FileStatement.from_json(told["summary"], ref=place.ref), place.file)
    told = place.command("fit", str(place.path), "--json", "--q-bins", str(place.label))
    [row] = told["bins"]
    agree(BinResult.from_json(row["statement"]).of(place.ref, place.bin.version), place.bin)
    assert row["good"] is place.bin.good
    assert tuple(row["reasons"]) == place.bin.verdict.reasons
    np.testing.assert_allclose(row["params"]["tau"], place.bin["tau"].value, rtol=2e-6)


def test_a_notebook(place: Place) -> None:
    xf = xpcs_dash.open_result(place.path)
    [found] = xpcs_dash.fit_bins(xf, labels=[place.label])
    agree(found.of(place.ref, place.bin.version), place.bin)
    said = xpcs_dash.statement_of(xf).to_json() | {"ref": place.ref, "version": place.bin.version}
    same_file(FileStatement.from_json(said), place.file)


def test_the_fit_page(place: Place) -> None:
    request = FitRequest(labels=(place.label,))
    data, fit = live_fit(place.services, place.looked(), request)
    shown = view_of(place.xf, data, fit, request, "dark")
    [line] = shown.lines
    assert (line.state, line.reasons) == (place.bin.verdict.state, place.bin.verdict.reasons)
    for name, (value, low, high, sigma) in line.values.items():
        wanted = place.bin[name]
        np.testing.assert_allclose(
            (value, sigma, low, high), (wanted.value, wanted.sigma, wanted.low, wanted.high), rtol=2e-6
        )
    [point] = shown.points
    assert point.state == place.bin.verdict.state
    np.testing.assert_allclose(
        (point.low, point.high), (place.bin["tau"].low, place.bin["tau"].high), rtol=2e-6
    )

    lines = [t for t in figure_fit(shown.panels).to_figure().data if t.mode == "lines" and t.line.dash]
    assert {t.line.dash for t in lines} == {dash_of(place.bin)}


def dash_of(said: BinResult) -> str:
    return "solid" if said.good else "dot"


def fitted_lines(figure: go.Figure) -> list[go.Scatter]:
    return [t for t in figure.data if t.mode == "lines" and t.line.dash in ("solid", "dot")]


@pytest.mark.parametrize("kind", ["panels", "overlay"])
def test_the_g2_page_draws_solid_what_is_good(place: Place, kind: str) -> None:
    made = g2.make(place.services, place.looked(), g2.Options(view=kind))
    [line] = fitted_lines(made.drawing.to_figure())
    assert line.line.dash == dash_of(place.bin)
    names = ("contrast", "baseline", "tau")
    contrast, baseline, tau = (place.bin[name].value for name in names)
    t, y = (np.frombuffer(base64.b64decode(a["bdata"]), a["dtype"]) for a in (line.x, line.y))
    np.testing.assert_allclose(y, baseline + contrast * np.exp(-2 * t / tau), rtol=1e-4)
    assert "dotted where it is not good" in made.words


def test_the_live_page_and_the_wall(place: Place) -> None:
    drawing, _, _ = wall.g2_view(
        place.services, place.looked(), said_of(place.services.catalogue.get(place.ref)).bins, False
    )
    assert drawing is not None
    lines = fitted_lines(drawing.to_figure())
    assert dash_of(place.bin) in {t.line.dash for t in lines}
    rows = wall.rows_until(place.services, place.ref, 5)
    found = {quantity.key: (quantity, trend) for quantity, trend in numbers.trends_of(rows)}
    for key, (quantity, trend) in found.items():
        wanted = place.file.quantity(key)
        assert trend.values[-1] == wanted.value
        np.testing.assert_array_equal(trend.sigmas[-1], wanted.sigma)
        _, value, sigma, _ = numbers.words_of(quantity, trend)
        shown = uncertain(wanted.value, wanted.sigma, quantity.unit)
        assert (value, sigma) == (shown.value, shown.sigma)
    assert ("tau" in found) is place.file.tau_verdict.has_numbers
    if "tau" in found:
        assert (found["tau"][1].doubt == "") is place.file.tau_verdict.good
    _, shown, _, _ = live.trends(rows, "dark", 1.5)
    assert len(shown) == len(found)


def test_the_diffusion_page(place: Place) -> None:
    [series] = diffusion.series(place.services, place.looked(), "single", "tau")
    k = series.points.label.tolist().index(place.label)
    assert (series.points.status[k] == "ok") is place.bin.good
    assert (series.points.value[k], series.points.error[k]) == (
        place.bin["tau"].value,
        place.bin["tau"].sigma,
    )
    table = diffusion.value_table(place.services, place.looked(), "single")
    cells = [cell.children for cell in table.children[1].children[k].children]
    assert cells[0] == str(place.label)
    assert cells[-1][2:] == place.bin.verdict.sentence
    tau = place.bin["tau"]
    assert str(uncertain(tau.value, tau.sigma, "s")) in cells


def test_the_publication_figure_and_what_travels_in_it(place: Place, tmp_path: Path) -> None:
    options = ViewOptions(q_bins=(place.label,))
    figure = find_view("fit").draw(place.xf, options, PageSize(85, 64))
    [axes] = figure.axes
    line = max(axes.lines, key=lambda found: found.get_zorder())
    assert line.get_linestyle() == ("-" if place.bin.good else ":")
    contrast, baseline, tau = (place.bin[name].value for name in ("contrast", "baseline", "tau"))
    t, y = line.get_data()
    np.testing.assert_allclose(y, baseline + contrast * np.exp(-2 * np.asarray(t) / tau), rtol=1e-5)
    [entry] = [text.get_text() for text in axes.get_legend().get_texts()]
    named = re.findall(r"\[(.*)\]", entry)
    flags = ", ".join(flag.replace("_", " ") for flag in place.bin.verdict.flags)
    assert named == ([flags] if flags else [])
    out = export(place.xf, "fit", tmp_path / "x.png", options, place.services.settings)
    with Image.open(out) as picture:
        record = next(json.loads(text) for text in picture.text.values() if '"bins"' in text)
    [said] = record["bins"]
    agree(BinResult.from_json(said), place.bin)
