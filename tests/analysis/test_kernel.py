import shutil
import threading

import numpy as np
import pytest

from tests.conftest import A001, A003
from xpcs_dash.analysis.kernel import ViewerKernel
from xpcs_dash.errors import NotFoundError, UnreadableFile, not_found
from xpcs_dash.results.door import Door
from xpcs_dash.settings import Settings


@pytest.fixture
def folder(sample, tmp_path):
    shutil.copy(sample(A001), tmp_path / "one.hdf")
    return tmp_path


@pytest.fixture
def kernel(folder):
    def resolve(name):
        if name != "one":
            raise not_found("file", name)
        return folder / "one.hdf"

    return ViewerKernel(Door(Settings(state_dir=folder), resolve))


def test_an_unchanged_file_is_read_once(kernel):
    assert kernel.open("one") is kernel.open("one")
    assert kernel.pool.stats().opened == 1


def test_a_replaced_file_is_read_anew(kernel, folder, sample):
    before = kernel.open("one")
    shutil.copy(sample(A003), folder / "next")
    (folder / "next").replace(folder / "one.hdf")
    after = kernel.open("one")
    assert after.key.token != before.key.token
    assert not np.array_equal(after.g2, before.g2)


def test_only_the_catalogue_leads_to_files(kernel):
    with pytest.raises(NotFoundError, match="no file of this name"):
        kernel.open("seven")


def test_a_file_that_is_gone_is_one_sentence(kernel, folder):
    (folder / "one.hdf").unlink()
    with pytest.raises(UnreadableFile, match=r"one\.hdf: there is no such file"):
        kernel.open("one")


def test_derived_results_are_kept_by_file_name_and_parameters(kernel):
    calls = []

    def compute(xf):
        calls.append(xf.path.name)
        return float(xf.g2.mean())

    first = kernel.derived("one", "mean", (1, "a"), compute)
    assert kernel.derived("one", "mean", (1, "a"), compute) == first
    assert len(calls) == 1
    kernel.derived("one", "mean", (2, "a"), compute)
    kernel.derived("one", "other", (1, "a"), compute)
    assert len(calls) == 3


def test_derived_results_of_a_replaced_file_are_forgotten(kernel, folder, sample):
    mean = kernel.derived("one", "mean", (), lambda xf: float(xf.g2.mean()))
    shutil.copy(sample(A003), folder / "next")
    (folder / "next").replace(folder / "one.hdf")
    assert kernel.derived("one", "mean", (), lambda xf: float(xf.g2.mean())) != mean


def test_arrays_cannot_be_keys(kernel):
    with pytest.raises(TypeError):
        kernel.derived("one", "mean", (np.zeros(3),), lambda _: 0)


def test_requests_for_the_same_result_wait_for_one_computation(kernel):
    calls, started = [], threading.Barrier(6)

    def compute(xf):
        calls.append(1)
        threading.Event().wait(0.05)
        return xf.n_q

    def ask():
        started.wait()
        answers.append(kernel.derived("one", "slow", (), compute))

    answers: list[int] = []
    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [12] * 6
    assert len(calls) == 1


def test_a_shared_store_answers_another_process(folder, sample, monkeypatch):
    monkeypatch.setattr("xpcs_dash.analysis.kernel.WORTH_SHARING_S", 0.0)

    class Store(dict):
        def set(self, key, value, timeout=None):
            self[key] = value

    store = Store()
    make = lambda: ViewerKernel(Door(Settings(state_dir=folder), lambda _: folder / "one.hdf"), store)  # noqa: E731
    assert make().derived("one", "n", (3,), lambda xf: xf.n_q) == 12
    assert len(store) == 1
    assert make().derived("one", "n", (3,), lambda _: pytest.fail("computed again")) == 12


def test_combined_curves_hold_enough_coincidences_and_keep_the_mean(kernel):
    xf = kernel.open("one")
    curves = kernel.combined("one", minimum=1e7)
    assert len(curves) == xf.n_q
    for k, curve in enumerate(curves):
        assert curve.enough.all()
        assert curve.n_points.sum() == xf.n_delay
        weight = xf.coincidences[:, k]
        mean = (weight * xf.g2[:, k]).sum() / weight.sum()
        assert (curve.coincidences * curve.g2).sum() / curve.coincidences.sum() == pytest.approx(mean)
    assert kernel.combined("one") is kernel.combined("one")
