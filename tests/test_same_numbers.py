"""The page, the export and the command give the same numbers, whatever the settings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import A001, A002, A003, E0173
from tests.web.filling import add_file
from xpcs_dash import open_result
from xpcs_dash.components.views import look
from xpcs_dash.export.tables import from_csv
from xpcs_dash.fits.request import FitRequest
from xpcs_dash.pages.diffusion import views as diffusion
from xpcs_dash.pages.fit.live import live_fit
from xpcs_dash.pages.fit.request import read_controls, read_given
from xpcs_dash.services import Services, build_services
from xpcs_dash.settings import Settings, load_settings
from xpcs_dash.web import create_app

Sample = Callable[[str], Path]

#: Settings that change no number: where things are, who may do what, how much and how often.
NO_NUMBERS = {
    "root", "root_name", "state_dir", "host", "port", "url_prefix", "public_url", "trust_proxy",
    "proxies", "proxy_secret", "catalogue_url",
    "record_url", "cache_url", "scheduler", "workers", "threads", "job_workers", "watch_mode", "rescan_s",
    "settle_s", "retry_limit_s", "file_suffixes", "data_cache_mb", "operators", "admins", "user_header",
    "read_only", "token", "open_on_loopback",
    "log_level", "log_format",
}  # fmt: skip


def starving(path: Path) -> str:
    """A limit of coincidences that masks a good part of the points of the first bins of a file."""
    return repr(float(np.nanquantile(open_result(path).coincidences[:, :5], 0.4)))


#: For each setting that changes numbers, another value than its default, for one file.
OTHER: dict[str, Callable[[Path], str]] = {
    "min_coincidences": starving,
    "backend": lambda _: "numpy",
}
#: Settings of which nothing but rounding may depend.
ROUNDING = {"backend"}


def test_every_setting_is_known_to_change_numbers_or_not_to() -> None:
    known = set(Settings.model_fields)
    marked = set(Settings().numbers)
    unknown = known - marked - NO_NUMBERS
    assert not unknown, f"{unknown}: mark it with NUMBERS in the settings, or list it above"
    assert not marked & NO_NUMBERS
    assert set(OTHER) == marked, "a setting that changes numbers needs a value to try here"


class Bench:
    """One file in a watched directory, and the settings of its dashboard."""

    def __init__(self, base: Path, source: Path, **settings: Any) -> None:
        self.root = base / "data"
        self.root.mkdir(parents=True)
        self.path = self.root / source.name
        shutil.copy(source, self.path)
        self.settings = load_settings(root=self.root, state_dir=base / "state", **settings)
        self.services: Services = build_services(self.settings)
        self.file: Any = add_file(self.services.catalogue, self.path)
        self.server = create_app(self.services, pages=()).server
        self.base = base

    def looked(self) -> Any:
        with self.server.test_request_context():
            current = {"files": [{"ref": self.file, "key": "k"}], "follow": False, "q": None}
            return look(self.services, current)

    def page(self, request: FitRequest) -> dict[str, np.ndarray]:
        """Parameters on the Fit page."""
        _, fit = live_fit(self.services, self.looked(), request)
        return {name: fit[name] for name in fit.names} | {"n_points": fit.n_points}

    def exported(self, view: str, **query: Any) -> tuple[dict[str, Any], str]:
        """Tables of an export through the web, and its text."""
        answer = self.server.test_client().get(f"/export/{self.file}/{view}.csv", query_string=query)
        assert answer.status_code == 200, answer.text
        out = self.base / "web.csv"
        out.write_bytes(answer.data)
        return from_csv(out), answer.data.decode()

    def command(self, *words: str, env: dict[str, str] | None = None) -> str:
        """What a command prints."""
        clean = {name: text for name, text in os.environ.items() if not name.startswith("XPCS_DASH_")}
        done = subprocess.run(
            [sys.executable, "-m", "xpcs_dash", *words],
            capture_output=True, text=True, timeout=120, env={**clean, **(env or {})}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(source: Path, **settings: Any) -> Bench:
        made.append(Bench(tmp_path / f"bench{len(made)}", source, **settings))
        return made[-1]

    yield make
    for found in made:
        found.services.close()


def by_heading(table: dict[str, Any], name: str) -> np.ndarray:
    """A column, whatever its unit."""
    return next(np.asarray(v) for heading, v in table.items() if heading.partition(" (")[0] == name)


def recorded(text: str) -> dict[str, str]:
    """The record of where a CSV comes from."""
    lines = [line[2:].strip() for line in text.splitlines() if line.startswith("# ")]
    return dict(line.split(": ", 1) for line in lines if ": " in line)


LABELS = (1, 3, 5)


@pytest.mark.parametrize("setting", sorted(OTHER))
@pytest.mark.parametrize("name", [A003, E0173])
def test_a_setting_reaches_every_way_to_a_number(
    sample: Sample, bench: Callable[..., Bench], setting: str, name: str
) -> None:
    source = sample(name)
    value = OTHER[setting](source)
    plain = bench(source).page(FitRequest(labels=LABELS))
    made = bench(source, texts={setting: value})
    page = made.page(FitRequest(labels=LABELS))
    if setting not in ROUNDING:
        assert not np.array_equal(page["n_points"], plain["n_points"])
        assert np.abs(page["tau"] / plain["tau"] - 1).max() > 1e-6
    bins = ",".join(map(str, LABELS))
    # the export of the page
    tables, text = made.exported("fit", q=bins)
    for parameter in ("tau", "contrast", "baseline", "n_points"):
        np.testing.assert_array_equal(by_heading(tables["fit"], parameter), page[parameter])
    assert recorded(text)[f"settings.{setting}"] == str(made.settings.numbers[setting])
    # the command, told in each of the three ways
    config = made.base / "settings.toml"
    config.write_text(f"{setting} = {value if setting != 'backend' else json.dumps(value)}\n")
    ways = (
        (("--set", f"{setting}={value}"), {}),
        (("--config", str(config)), {}),
        ((), {f"XPCS_DASH_{setting.upper()}": value}),
    )
    out = made.base / "command.csv"
    for words, env in ways:
        made.command(
            "export", str(made.path), "--figure=fit", f"--q-bins={bins}", f"--out={out}", *words, env=env
        )
        written = out.read_text(encoding="utf-8")
        assert from_csv(out)["fit"].keys() == tables["fit"].keys()
        for heading, column in from_csv(out)["fit"].items():
            np.testing.assert_array_equal(column, tables["fit"][heading])
        assert recorded(written)[f"settings.{setting}"] == str(made.settings.numbers[setting])
    fitted = json.loads(made.command("fit", str(made.path), "--q-bins", bins, "--json", *ways[0][0]))
    assert fitted["settings"][setting] == made.settings.numbers[setting]
    assert [b["n_points"] for b in fitted["bins"]] == page["n_points"].tolist()
    np.testing.assert_allclose([b["params"]["tau"] for b in fitted["bins"]], page["tau"], rtol=1e-6)
    facts = json.loads(made.command("inspect", str(made.path), "--json", *ways[0][0]))
    assert facts["starved_points"] == made.looked().xf.starved_points


PARAMETERS = "gamma.fixed:0.9,contrast.lower:0,tau.lower:1e-5"


@pytest.mark.parametrize("model", ["single", "stretched"])
@pytest.mark.parametrize("sigma", ["counting", "file"])
def test_the_choices_of_the_fit_page_mean_the_same_everywhere(
    sample: Sample, bench: Callable[..., Bench], model: str, sigma: str
) -> None:
    made = bench(sample(A001))
    t = made.looked().xf.t_el
    low, high = float(t[2]) * 0.999, float(t[-6]) * 1.001
    par = PARAMETERS if model == "stretched" else "contrast.upper:0.5"
    request = read_controls(model, sigma, (low, high), read_given(par), labels=LABELS)
    page = made.page(request)
    query = {"q": "1,3,5", "model": model, "sigma": sigma, "tmin": repr(low), "tmax": repr(high), "par": par}
    tables, text = made.exported("fit", **query)
    np.testing.assert_array_equal(by_heading(tables["fit"], "tau"), page["tau"])
    assert recorded(text)["parameters.sigma"] == sigma
    words = [word for name, value in request.fixed.items() for word in ("--fix", f"{name}={value}")]
    for name, (lower, upper) in request.bounds.items():
        # the command takes both ends; an open one is the model's own
        ends = (lower if np.isfinite(lower) else -1.0, upper if np.isfinite(upper) else 100 * high)
        words += ["--bounds", f"{name}={ends[0]!r},{ends[1]!r}"]
    options = ["--q-bins=1,3,5", f"--model={model}", f"--sigma={sigma}", f"--delay-range={low!r},{high!r}"]
    fitted = json.loads(made.command("fit", str(made.path), *options, *words, "--json"))
    np.testing.assert_allclose([b["params"]["tau"] for b in fitted["bins"]], page["tau"], rtol=1e-4)
    assert [b["n_points"] for b in fitted["bins"]] == page["n_points"].tolist()


@pytest.mark.parametrize("name", [A001, A002, E0173])
@pytest.mark.parametrize("model", ["single", "stretched", "double"])
def test_the_diffusion_page_and_its_export_agree(
    sample: Sample, bench: Callable[..., Bench], name: str, model: str
) -> None:
    made = bench(sample(name))
    parameter = "tau1" if model == "double" else "tau"
    (shown,) = diffusion.series(made.services, made.looked(), model, "tau" if model != "double" else "tau1")
    tables, _ = made.exported("diffusion", model=model)
    np.testing.assert_array_equal(by_heading(tables["fit"], parameter), shown.points.value)
    law = tables.get("power law tau = a q^b")
    if model != "double":
        assert (law is None) == (shown.law is None)
        if shown.law is not None and law is not None:
            assert float(law["b"][0]) == shown.law.b
            assert int(law["bins used"][0]) == int(shown.points.usable.sum())


def test_a_fit_that_ingest_made_with_other_settings_is_not_shown(
    sample: Sample, bench: Callable[..., Bench]
) -> None:
    from tests.web.filling import change_file
    from xpcs_dash.acquisition.reading import with_fit
    from xpcs_dash.analysis.quality import fit_summary, summarise

    source = sample(A003)
    made = bench(source, texts={"min_coincidences": starving(source)})
    old = open_result(made.path)
    columns = with_fit(summarise(old).to_json(), (), fit_summary(old))
    change_file(made.services.catalogue, made.file, fit=columns["fit"], summary=columns["summary"])
    now = diffusion.batch(made.services, made.file, "single")
    tables, _ = made.exported("diffusion")
    tau = [b["tau"].value for b in now]
    np.testing.assert_array_equal(by_heading(tables["fit"], "tau"), tau)
    assert not np.allclose(tau, columns["fit"]["tau"], rtol=1e-6)


def test_a_range_of_delays_scales_the_bounds_alike(sample: Sample, bench: Callable[..., Bench]) -> None:
    """A decay that is slower than the chosen delays ends at the bound, which follows from the delays."""
    made = bench(sample(A002))
    t = made.looked().xf.t_el
    high = float(t[6]) * 1.001
    _, fit = live_fit(made.services, made.looked(), FitRequest(labels=(1, 2, 3, 4, 5), delay=(0.0, high)))
    assert fit.at_bound.any()
    tables, _ = made.exported("fit", q="1-5", tmax=repr(high))
    np.testing.assert_array_equal(by_heading(tables["fit"], "tau"), fit["tau"])
    words = ["--q-bins=1-5", f"--delay-range=0,{high!r}", "--json"]
    fitted = json.loads(made.command("fit", str(made.path), *words))
    np.testing.assert_allclose([b["params"]["tau"] for b in fitted["bins"]], fit["tau"], rtol=1e-6)
