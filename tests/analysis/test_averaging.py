import itertools
import shutil
import time

import h5py
import numpy as np
import pytest

from tests.conftest import A001, A003, E0173, LLPS_STRONG
from xpcs_dash import open_result
from xpcs_dash.analysis import crew
from xpcs_dash.analysis.averaging import (
    AcceptRule,
    Levels,
    RunningAverage,
    average,
    measure,
    refusal,
    to_result,
)
from xpcs_dash.errors import UnreadableFile, UsageError
from xpcs_dash.hdf5.aps_writer import write_aps
from xpcs_dash.results.numbers import Siblings, numbers_of


@pytest.fixture
def pair(sample):
    # the two samples share detector, q-map and delays
    return [sample(A001), sample(A003)]


def test_mean_error_and_coincidences(pair):
    first, second = map(open_result, pair)
    mean = average(pair, open_result).result()
    np.testing.assert_allclose(mean.g2, (first.g2 + second.g2) / 2, rtol=1e-14)
    np.testing.assert_allclose(mean.g2_err, np.sqrt(first.g2_err**2 + second.g2_err**2) / 2, rtol=1e-14)
    np.testing.assert_allclose(mean.coincidences, first.coincidences + second.coincidences, rtol=1e-14)
    np.testing.assert_allclose(mean.saxs_2d, (first.saxs_2d + second.saxs_2d.astype(float)) / 2, rtol=1e-6)


def test_errors_of_unequal_files_are_not_the_mean_error_over_root_n(pair):
    first, second = map(open_result, pair)
    mean = average(pair, open_result).result()
    peers = (first.g2_err + second.g2_err) / 2 / np.sqrt(2)
    assert np.max(np.abs(mean.g2_err / peers - 1)) > 0.01


def test_written_average_reads_back_with_its_file_list(pair, tmp_path):
    running = average(pair, open_result)
    out = write_aps(tmp_path / "Average_A001_results.hdf", to_result(running))
    back, first = open_result(out), open_result(pair[0])
    assert back.layout == "aps_nexus"
    assert back.averaged_from == tuple(path.name for path in pair)
    assert (
        back.saxs_2d.shape == first.saxs_2d.shape
    )  # the leading axis of the layout is not part of the image
    np.testing.assert_allclose(back.g2, running.result().g2, rtol=1e-6)
    np.testing.assert_allclose(back.t_el, first.t_el)
    np.testing.assert_allclose(back.q, first.q)
    # twice the files at the mean intensity: the expectation scales with the number of files
    ring = np.asarray(back.saxs_1d) ** 2 / np.asarray(first.saxs_1d) ** 2
    assert back.coincidences[0, 0] / first.coincidences[0, 0] == pytest.approx(2 * ring[:10].mean(), rel=0.05)


def test_an_average_of_averages_names_every_file(sample):
    running = RunningAverage()
    xf = open_result(sample(LLPS_STRONG))
    running.add(xf)
    running.add(xf)
    assert running.sources == xf.averaged_from * 2


def test_files_that_do_not_belong_together_are_refused(sample):
    running = RunningAverage()
    running.add(open_result(sample(A001)))
    with pytest.raises(UsageError, match="differ from those of A001"):
        running.add(open_result(sample(E0173)))


def test_nothing_accepted_is_said():
    with pytest.raises(UsageError, match="No file was accepted"):
        RunningAverage().result()


def test_accept_rule_names_its_reason(sample):
    levels = measure(open_result(sample(A001)), 1, 10)
    assert levels.baseline == pytest.approx(1.0, abs=0.01)
    assert levels.contrast == pytest.approx(0.2, abs=0.02)
    assert refusal(levels, AcceptRule(1)) == ""
    assert "outside 1.1 to 1.2" in refusal(levels, AcceptRule(1, low=1.1, high=1.2))
    assert refusal(Levels("x", problem="truncated"), AcceptRule()) == "truncated"
    assert "no trusted point" in refusal(Levels("x"), AcceptRule())


def test_bad_rules_and_bins_are_refused(sample):
    with pytest.raises(UsageError, match="below"):
        AcceptRule(low=1.0, high=1.0)
    with pytest.raises(UsageError, match="choose 1 to 12"):
        measure(open_result(sample(A001)), 13, 10)


def test_starved_points_do_not_enter_the_baseline(sample):
    # last bin of the photon-starved file: zeros are there, and the peers' mean of the last delays is far off
    xf = open_result(sample(E0173))
    column = int(np.argmax((~xf.trusted).sum(axis=0)))
    levels = measure(xf, column + 1, xf.t_el.size)
    raw = xf.g2[:, column].mean()
    assert abs(levels.baseline - 1.0) < abs(raw - 1.0)
    assert levels.baseline == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_order_does_not_matter(pair, order):
    mean = average([pair[k] for k in order], open_result).result()
    expected = average(pair, open_result).result()
    np.testing.assert_allclose(mean.g2, expected.g2, rtol=1e-13)


# -- files that are read for their numbers alone, and processes that help


NAMES = ("g2", "g2_err", "coincidences", "saxs_1d", "saxs_2d", "segments", "int_t")


def change(path, name, value):
    with h5py.File(path, "r+") as h5:
        attributes = dict(h5[name].attrs)
        del h5[name]
        h5[name] = value
        h5[name].attrs.update(attributes)


@pytest.fixture
def series(sample, tmp_path):
    """Files of one measurement whose numbers differ."""
    paths = [tmp_path / f"s{k}_results.hdf" for k in range(6)]
    for k, path in enumerate(paths):
        shutil.copyfile(sample((A001, A003)[k % 2]), path)
        with h5py.File(path, "r+") as h5:
            for name in ("multitau/normalized_g2", "multitau/normalized_g2_err"):
                h5[f"xpcs/{name}"][()] *= 1 + 0.01 * k
            for name in ("scattering_1d", "scattering_1d_segments", "scattering_2d"):
                h5[f"xpcs/temporal_mean/{name}"][()] *= 1 + 0.001 * k
            if k == 3:  # a correlator leaves out what it could not compute
                h5["xpcs/multitau/normalized_g2"][5, 2] = np.nan
                h5["xpcs/temporal_mean/scattering_2d"][0, 10, 20] = np.nan
    return paths


def plain_mean(paths):
    """The average as its definition has it, from files opened one by one."""
    files = [open_result(path) for path in paths]
    found = {name: np.nanmean([np.float64(getattr(xf, name)) for xf in files], axis=0) for name in NAMES}
    found["g2_err"] = np.sqrt(np.nansum([xf.g2_err**2 for xf in files], axis=0)) / len(files)
    found["coincidences"] = np.nansum([xf.coincidences for xf in files], axis=0)
    return found


def assert_is_mean(running, paths):
    for name, expected in plain_mean(paths).items():
        np.testing.assert_allclose(getattr(running.result(), name), expected, rtol=1e-12, err_msg=name)
    assert running.paths == tuple(paths)
    assert running.sources == tuple(path.name for path in paths)


def test_numbers_alone_are_those_of_the_open_file(series):
    siblings = Siblings(open_result(series[0]))
    for path in series:
        found, whole = siblings.read(path), numbers_of(open_result(path))
        assert found is not None
        for name in (*NAMES, "path", "sources"):
            np.testing.assert_array_equal(getattr(found, name), getattr(whole, name), err_msg=name)


def test_the_mean_is_the_mean_of_the_files(series):
    opened = []
    running = average(series, lambda path: opened.append(path) or open_result(path), alone=True)
    assert_is_mean(running, series)
    assert opened == series[:1], "further files are read for their numbers alone"


OTHER = {
    "delays": lambda p: change(p, "/xpcs/multitau/delay_list", np.arange(1, 39)),
    "another stride": lambda p: change(p, "/xpcs/multitau/config/stride_frame", 2),
    "another frame time": lambda p: change(p, "/entry/instrument/detector_1/frame_time", 0.5),
    "q": lambda p: change(p, "/xpcs/qmap/dynamic_v_list_dim0", np.linspace(0.1, 0.2, 12)),
    "map": lambda p: change(p, "/xpcs/qmap/dynamic_roi_map", np.ones((192, 256), np.uint8)),
}


@pytest.mark.parametrize("what", OTHER)
def test_a_file_that_differs_in_more_than_its_numbers_is_refused(series, what):
    OTHER[what](series[1])
    assert Siblings(open_result(series[0])).read(series[1]) is None
    with pytest.raises(UsageError, match=r"s1_results.hdf: .* s0_results.hdf; average them apart"):
        average(series, open_result, alone=True)


def test_maps_that_are_stored_in_another_way_are_the_same_maps(series):
    with h5py.File(series[1], "r") as h5:
        labels = h5["/xpcs/qmap/dynamic_roi_map"][()]
    change(series[1], "/xpcs/qmap/dynamic_roi_map", labels)
    assert_is_mean(average(series, open_result, alone=True), series)


def test_a_lying_map_hash_does_not_let_another_map_in(series):
    with h5py.File(series[2], "r") as h5:
        labels = np.roll(h5["/xpcs/qmap/dynamic_roi_map"][()], 7, axis=1)
    change(series[2], "/xpcs/qmap/dynamic_roi_map", labels)
    assert open_result(series[2]).map_hash == open_result(series[0]).map_hash
    with pytest.raises(UsageError, match="another q-map"):
        average([series[0], series[2]], open_result, alone=True)


@pytest.fixture
def helped(monkeypatch):
    """However little there is to do, two helpers come."""
    monkeypatch.setattr(crew, "cores", lambda: 3)
    monkeypatch.setattr(crew, "WORTH_STARTING_S", 1e-9)
    monkeypatch.setattr(crew, "FILES", 1)
    yield
    crew._end_idle()


def many(series, times=6):
    """The same files under many names, so that helpers get some before all are done."""
    found = []
    for k in range(times):
        found += [shutil.copyfile(p, p.with_name(f"m{k}_{p.name}")) for p in series]
    return found


def test_helpers_give_the_same_mean_and_stay_for_the_next_one(series, helped):
    paths = many(series)
    seen = []
    for _ in range(2):
        running = average(paths, open_result, slowly(seen))
        assert_is_mean(running, paths)
        assert len(crew._IDLE) == 2
    assert seen[-1] == len(paths)


def slowly(seen):
    def on_file(number):
        seen.append(number)
        time.sleep(0.05)  # a helper takes a moment to start

    return on_file


def test_what_a_killed_helper_did_is_done_again(series, helped, monkeypatch):
    paths, helpers = many(series), []
    start = crew._start
    monkeypatch.setattr(crew, "_start", lambda: helpers.append(start()) or helpers[-1])

    def kill_one(number):
        time.sleep(0.05)
        if helpers and helpers[0].done:
            helpers[0].process.kill()

    assert_is_mean(average(paths, open_result, kill_one), paths)
    assert helpers[0].process.poll() is not None


def test_helpers_open_nothing_outside_the_roots_and_leave_odd_files_to_us(series, helped, tmp_path):
    from xpcs_dash.hdf5.pool import HDF5ConnectionPool

    pool = HDF5ConnectionPool(roots=[tmp_path])
    paths = many(series, 3)
    averaged = write_aps(
        tmp_path / "Average_results.hdf", to_result(average(series, open_result, alone=True))
    )
    outside = tmp_path.parent / f"{tmp_path.name}_outside.hdf"
    shutil.copyfile(series[0], outside)
    opened = []

    def open_file(path):
        opened.append(path)
        return open_result(path, pool)

    running = average([*paths, averaged], open_file, slowly([]))
    assert running.sources == tuple(p.name for p in (*paths, *series))
    assert opened == [paths[0], averaged]
    with pytest.raises(UnreadableFile, match="outside"):
        average([*paths, outside], open_file, slowly([]))


def test_a_file_that_does_not_belong_ends_the_work_wherever_it_is_read(series, helped):
    paths = many(series, 3)
    OTHER["q"](paths[-1])
    with pytest.raises(UsageError, match="its q-bins differ"):
        average(paths, open_result, slowly([]))


def test_a_cancelled_average_ends_its_helpers(series, helped, monkeypatch):
    helpers = []
    start = crew._start
    monkeypatch.setattr(crew, "_start", lambda: helpers.append(start()) or helpers[-1])

    class Cancelled(Exception):
        pass

    def cancel(number):
        if helpers:
            raise Cancelled

    with pytest.raises(Cancelled):
        average(many(series), open_result, cancel)
    assert len(helpers) == 2
    assert all(helper.process.wait(5) is not None for helper in helpers)
