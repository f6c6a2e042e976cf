import itertools

import numpy as np
import pytest

from tests.conftest import A001, A003, E0173, LLPS_STRONG
from xpcs_dash import open_result
from xpcs_dash.analysis.averaging import (
    AcceptRule,
    Levels,
    RunningAverage,
    average,
    measure,
    refusal,
    to_result,
)
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.aps_writer import write_aps


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
