"""Error bars of g2 of the first part of a run: as wide as the drawn coincidences scatter."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from tests.pages.conftest import numbers
from tests.pages.live_fixture import current, fill, ref
from xpcs_dash.acquisition import beamline, simulator
from xpcs_dash.components.views import look
from xpcs_dash.pages.g2.view import Options, make


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The partial view of a photon-starved simulated run, and the curves that were put in."""
    folder = tmp_path_factory.mktemp("partial")
    runs = (beamline.plan_run(n, 1) for n in range(5000))
    run = next(r for r in runs if r.partial and not r.event and r.sample.brightness < 0.01)
    path = simulator.write_file(folder, run.number, 1, datetime(2026, 3, 1))
    services = fill(folder, [path], fit=False)
    seen = look(services, current(ref(path.name), q=[1, 5, 9]))
    view = make(services, seen, Options.parse({"view": "partial"}))
    tau, gamma = beamline.relaxation(run, beamline.detector().dynamic.q)
    yield view, run, tau, gamma
    services.close()


def curves(view):
    """(q-bin, delays, g2, bars, whether the points count) of each drawn curve with bars."""
    for trace in view.drawing.data:
        if "error_y" in trace:
            yield trace


def test_bars_hold_the_curve_that_was_put_in(shown):
    view, run, tau, gamma = shown
    pulls, panels = [], {}
    for trace in curves(view):
        label = [1, 5, 9][panels.setdefault(trace["xaxis"], len(panels))]
        t, g2, bar = (numbers(v) for v in (trace["x"], trace["y"], trace["error_y"]["array"]))
        model = 1 + run.sample.contrast * np.exp(-2 * (t / tau[label - 1]) ** gamma)
        good = np.isfinite(g2) & np.isfinite(bar) & (bar > 0)
        pulls.append(((g2 - model) / bar)[good])
    found = np.concatenate(pulls)
    assert found.size > 100
    # the bars of the file hold a part of the counting noise already: both together are up to √2 too wide
    assert 0.65 < np.std(found) < 1.2


def test_bars_of_a_quarter_of_the_run_are_twice_those_of_the_whole(shown):
    view, _, _, _ = shown
    first_panel = [t for t in curves(view) if t["xaxis"] == next(curves(view))["xaxis"]]
    by_delay = [dict(zip(numbers(t["x"]), numbers(t["error_y"]["array"]), strict=True)) for t in first_panel]
    both = sorted(set(by_delay[0]) & set(by_delay[-1]))[:6]
    ratio = [by_delay[0][t] / by_delay[-1][t] for t in both]
    parts = len(first_panel)
    assert np.median(ratio) == pytest.approx(np.sqrt(parts), rel=0.15)
