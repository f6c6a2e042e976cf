"""A result file for other bins from the per-pixel G2, by hand, as a job and from the command line."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest

from xpcs_dash.analysis import made
from xpcs_dash.analysis.regroup import regroup_result, why_not
from xpcs_dash.cli import main
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.aps_writer import ApsResult, write_aps
from xpcs_dash.hdf5.partition_file import read_partition
from xpcs_dash.hdf5.records import BinTable
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.jobs.context import JobCancelled, JobContext
from xpcs_dash.results.opening import open_result
from xpcs_dash.settings import Settings
from xpcs_dash.simplemask.files import from_result, save_partition
from xpcs_dash.simplemask.kernel import SimpleMaskKernel
from xpcs_dash.simplemask.partition import Axis

SHAPE = (30, 40)
DELAYS = np.array([1, 2, 3, 5, 8])
GEOMETRY = GeometryMetadata.from_metres(
    energy_kev=10.0, distance_m=5.0, pixel_m=75e-6, bcx=19.5, bcy=14.5, shape=SHAPE
)


def table(n: int) -> BinTable:
    q = np.linspace(0.001, 0.002, n)
    return BinTable((n, 1), q, np.zeros(1), np.arange(n), ("q", "phi"), ("1/Angstrom", "deg"))


def write_source(path, *, with_pixels: bool = True):
    """A small result file; returns its planes (n_delay, 3, H, W)."""
    rng = np.random.default_rng(7)
    mean = rng.uniform(0.5, 2.0, SHAPE)
    planes = np.empty((DELAYS.size, 3, *SHAPE), np.float32)
    for k in range(DELAYS.size):
        planes[k, 1] = mean * rng.uniform(0.9, 1.1, SHAPE)
        planes[k, 2] = mean * rng.uniform(0.9, 1.1, SHAPE)
        planes[k, 0] = planes[k, 1] * planes[k, 2] * (1 + 0.3 * np.exp(-k / 2))
    planes[:, 1:, 3, 4] = 0  # a pixel without photons
    column = np.arange(SHAPE[1])[None, :] * np.ones((SHAPE[0], 1), int)
    labels = 1 + (column >= 20).astype(np.int32)
    flat = np.ones((DELAYS.size, 2))
    write_aps(
        path,
        ApsResult(
            dynamic=table(2), static=table(2), geometry=GEOMETRY, dqmap=labels, sqmap=labels,
            frame_time_s=1e-3, delay_frames=DELAYS, g2=flat, g2_err=0.01 * flat, saxs_2d=mean,
            int_t=np.ones(200), unnormalized_g2=planes if with_pixels else None, sample="latex",
            partial_g2=flat[None], partial_labels=np.array([200]),
        ),
    )  # fmt: skip
    return planes, mean


def write_bins(source, path, **axis):
    kernel = SimpleMaskKernel.start(from_result(open_result(source)))
    partition = kernel.partition(Axis("q", 4, 12), Axis("phi", 2, 2))
    save_partition(path, partition, kernel.geometry)
    return read_partition(path)


def by_hand(planes, record):
    """g2 and error bin by bin with loops, in float64."""
    g2, err = (np.zeros((len(planes), record.dynamic.n)) for _ in range(2))
    for k, (G2, IP, IF) in enumerate(planes.astype(np.float64)):
        for label in range(1, record.dynamic.n + 1):
            inside = record.dynamic_map == label
            rings = []
            for ring in np.unique(record.static_map[inside]):
                seen = record.static_map == ring
                rings.append(G2[seen].mean() / (IP[seen].mean() * IF[seen].mean()))
            norm = IP[inside] * IF[inside]
            single = G2[inside] / np.where(norm == 0, 1e8, norm)
            g2[k, label - 1] = np.mean(rings)
            err[k, label - 1] = single.std(ddof=1) / np.sqrt(inside.sum())
    return g2, err


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "run_results.hdf"
    planes, mean = write_source(path)
    record = write_bins(path, tmp_path / "qmap.hdf")
    return path, tmp_path / "qmap.hdf", record, planes, mean


def check(out, record, planes, mean):
    found = open_result(out)
    g2, err = by_hand(planes, record)
    np.testing.assert_allclose(found.g2, g2, rtol=2e-6)
    np.testing.assert_allclose(found.g2_err, err, rtol=2e-5)
    np.testing.assert_array_equal(found.dqmap, record.dynamic_map)
    np.testing.assert_array_equal(found.q, record.dynamic.q)
    np.testing.assert_allclose(found.t_el, DELAYS * 1e-3)
    assert found.saxs_1d[0] == pytest.approx(mean[record.static_map == 1].mean(), rel=1e-6)
    assert found.sample == "latex"
    assert found.partial_g2 is None
    assert not found.has_unnormalized


def test_file_for_other_bins_is_the_direct_computation(source, tmp_path):
    path, _, record, planes, mean = source
    assert record.dynamic.n == 8
    shares = []
    out = write_aps(tmp_path / "new_results.hdf", regroup_result(open_result(path), record, shares.append))
    check(out, record, planes, mean)
    assert shares == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_command_line(source, tmp_path, capsys):
    path, bins, record, planes, mean = source
    out = tmp_path / "cli_results.hdf"
    words = ["mask", "regroup", str(path), "--partition", str(bins), "--out", str(out), "--json"]
    with contextlib.suppress(SystemExit):
        main(words)
    assert json.loads(capsys.readouterr().out) == {"file": str(out), "bins": 8, "delays": 5}
    check(out, record, planes, mean)


def test_the_job_reports_and_stops(source, tmp_path):
    path, bins, record, planes, mean = source
    out = tmp_path / "state" / "job_results.hdf"
    asked_for = {"path": str(path), "partition": str(bins), "out": str(out)}
    given = made.prepare_regroup(asked_for, Settings(root=path.parent, state_dir=tmp_path / "elsewhere"))
    reports = []
    answer = made.regroup(
        given, JobContext(1, 1, lambda text: reports.append(json.loads(text)), lambda: False)
    )
    assert answer == {"path": str(out), "bins": 8, "delays": 5}
    assert reports[0]["message"] == "1 of 5 delays"
    assert reports[-1]["progress"] == 1.0
    check(out, record, planes, mean)

    out.unlink()
    asked = iter([False, False, True])
    with pytest.raises(JobCancelled):
        made.regroup(given, JobContext(1, 1, reports.append, lambda: next(asked)))
    assert not out.exists()


def test_a_file_without_the_pixels_says_so(tmp_path):
    path = tmp_path / "plain_results.hdf"
    write_source(path, with_pixels=False)
    record = write_bins(path, tmp_path / "qmap.hdf")
    assert "save_G2" in why_not(open_result(path))
    with pytest.raises(UsageError, match="process it again with save_G2"):
        regroup_result(open_result(path), record)


def test_a_partition_of_another_detector_is_refused(source, tmp_path):
    path, _, record, _, _ = source
    from dataclasses import replace

    small = replace(record, dynamic_map=record.dynamic_map[:-1], static_map=record.static_map[:-1])
    with pytest.raises(UsageError, match="29 × 40"):
        regroup_result(open_result(path), small)
