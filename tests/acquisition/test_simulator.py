"""The simulated beamline: its files are what the product believes of real ones."""

from __future__ import annotations

import threading
from datetime import datetime

import numpy as np
import pytest

from xpcs_dash import open_result
from xpcs_dash.acquisition import beamline, simulator
from xpcs_dash.analysis.quality import fit_summary, summarise
from xpcs_dash.correlate.simulate.truth import Truth

START = datetime(2026, 3, 1, 12, 0, 0)


def first(condition) -> beamline.Run:
    return next(run for run in (beamline.plan_run(n, 1) for n in range(2000)) if condition(run))


def written(tmp_path, run: beamline.Run):
    return open_result(simulator.write_file(tmp_path, run.number, 1, START))


def test_the_same_seed_gives_the_same_file_and_another_one_does_not():
    runs = [beamline.make_result(beamline.plan_run(5, seed), seed, START) for seed in (3, 3, 4)]
    assert np.array_equal(runs[0].g2, runs[1].g2)
    assert np.array_equal(runs[0].saxs_2d, runs[1].saxs_2d)
    assert not np.array_equal(runs[0].g2, runs[2].g2)


def test_scatter_and_errors_agree_with_the_counting_model(tmp_path):
    run = first(lambda r: r.sample.brightness < 0.01 and not r.event)
    xf = written(tmp_path, run)
    assert xf.photons
    assert xf.zero_points == pytest.approx(xf.photon_check.zeros_predicted, abs=12)
    tau, gamma = beamline.relaxation(run, xf.q)
    model = 1 + run.sample.contrast * np.exp(-2 * (xf.t_el[:, None] / tau) ** gamma)
    # where counting dominates; a mean of products is as uncertain as its own size says
    counted = (xf.coincidences > 30) & (xf.coincidences < 2000)
    pulls = ((xf.g2 - model) * np.sqrt(xf.coincidences / model))[counted]
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.25)


@pytest.mark.parametrize("name", ["silica", "latex"])
def test_a_fit_finds_the_diffusion_that_was_put_in(tmp_path, name):
    run = first(lambda r: r.sample.name.startswith(name) and not r.event and r.temperature_k < 305)
    xf = written(tmp_path, run)
    found = fit_summary(xf)["summary"]
    known = beamline.truth(run, 1)
    assert found["diffusion"] == pytest.approx(known.diffusion, rel=0.04)
    assert xf.temperature_k == pytest.approx(run.temperature_k, abs=0.01)
    assert summarise(xf).flags == ()


def test_intensities_belong_together(tmp_path):
    xf = written(tmp_path, first(lambda r: not r.event and r.sample.brightness > 0.1))
    mean = summarise(xf).intensity
    assert xf.int_t[1].mean() == pytest.approx(mean, rel=0.005)
    assert xf.saxs_2d[xf.mask].mean() == pytest.approx(mean, rel=1e-4)
    assert xf.segments.sum(axis=0) == pytest.approx(xf.saxs_1d, rel=0.1)


@pytest.mark.parametrize(
    ("event", "flag"), [("beam dump", "beam-lost"), ("radiation damage", "shape-change")]
)
def test_events_show_up_as_flags(tmp_path, event, flag):
    run = first(lambda r: r.event == event and r.sample.brightness > 0.1)
    assert flag in summarise(written(tmp_path, run)).flags


def test_a_gel_is_slower_than_the_liquid_it_was():
    runs = [r for r in (beamline.plan_run(n, 1) for n in range(beamline.RAMP_FILES)) if r.sample.gels]
    assert [r.gel for r in runs] == sorted(r.gel for r in runs)
    assert any(r.event == "gelation" for r in runs)
    q = beamline.detector().dynamic.q
    liquid, gel = runs[0], runs[-1]
    assert beamline.relaxation(gel, q)[0].min() > 5 * beamline.relaxation(liquid, q)[0].min()


def test_a_gel_that_ages_decays_later_in_longer_parts_and_the_truth_says_so():
    run = beamline.plan_run(46, 1)
    known = beamline.truth(run, 1)
    assert known.events == ({"event": "Ageing", "slowing_by": 3.0},)
    assert known.slowing[0] < 1.1 < 2.9 < known.slowing[-1]
    tau, steady = np.array([0.05, 0.3]), np.ones(4096)
    ages = np.linspace(1.0, 3.0, 4096)
    part, whole = beamline.multitau_delays(1024), beamline.multitau_delays(4096)
    early = beamline.decay(part, tau, 1.0, ages[:1024])
    late = beamline.decay(whole, tau, 1.0, ages)
    at = int(np.flatnonzero(part.frames == 64)[0])
    assert np.all(late[at] > early[at] + 0.05)
    same = np.exp(-2 * whole.frames[:, None] * beamline.FRAME_TIME_S / tau)
    np.testing.assert_allclose(beamline.decay(whole, tau, 1.0, steady), same, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("event", "names"), [
    ("beam dump", ["BeamDump"]), ("radiation damage", ["IntensityDrift", "Damage"]), ("", []),
])  # fmt: skip
def test_the_truth_tells_what_happened(event, names):
    run = first(lambda r: r.event == event and r.gel == 0)
    known = beamline.truth(run, 1)
    assert [e["event"] for e in known.events] == names
    made = beamline.make_result(run, 1, START)
    blocks = made.int_t.reshape(64, -1).mean(axis=1)
    np.testing.assert_allclose(blocks / blocks[:8].mean(), known.beam / np.mean(known.beam[:8]), atol=0.02)


def test_partial_and_two_time_files_are_read_back(tmp_path):
    xf = written(tmp_path, first(lambda r: r.partial and r.twotime))
    assert xf.kinds == ("multitau", "twotime")
    assert xf.partial_g2.shape == (beamline.N_PARTIAL, xf.n_delay, xf.n_q)
    assert np.isnan(xf.partial_g2[0, -1]).all()
    assert xf.twotime(xf.twotime_bins[0]).g2.size == 256


def test_the_truth_lies_beside_each_file_that_is_kept(tmp_path, monkeypatch):
    data, known = tmp_path / "data", tmp_path / "known"
    monkeypatch.setattr(simulator, "KEEP", 2)
    simulator.follow(data, 0.0, 1, backlog=2, limit=1, stopping=threading.Event(), truth=known)
    files = sorted(data.rglob("*.hdf"))
    assert len(files) == 2
    assert {simulator.truth_path(data, path, known) for path in files} == set(known.rglob("*.json"))
    xf = open_result(files[0])
    told = Truth.from_json(simulator.truth_path(data, files[0], known).read_text())
    assert told.q == pytest.approx(xf.q)
    assert told.n_frames * told.frame_time_s == pytest.approx(4.096)
    bright = xf.coincidences > 1e4
    assert np.abs(xf.g2 - told.g2(xf.t_el))[bright].max() < 0.15


def test_the_writer_goes_on_where_it_stopped_and_leaves_only_whole_files(tmp_path, monkeypatch):
    stopping = threading.Event()
    assert simulator.follow(tmp_path, 0.0, 1, backlog=3, limit=2, stopping=stopping) == 2
    assert simulator.follow(tmp_path, 0.0, 1, backlog=3, limit=1, stopping=stopping) == 1
    names = sorted(path.name[:6] for path in tmp_path.rglob("*.hdf"))
    assert names == ["A00000", "A00004", "B00001", "B00005", "C00002", "D00003"]
    assert [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".hdf"] == []
    monkeypatch.setattr(simulator, "KEEP", 4)
    simulator.follow(tmp_path, 0.0, 1, backlog=3, limit=1, stopping=stopping)
    assert len(list(tmp_path.rglob("*.hdf"))) == 4
