"""Pieces of the job list: progress of each chain, and the verdict of a fit that is done."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from xpcs_dash.pages.jobs import views


def job(state="running", detail=None, result=None, **more):
    given = {
        "id": 3, "kind": "nuts", "title": "Sample", "params": {"ref": 1}, "state": state, "progress": 0.5,
        "detail": detail or {}, "message": "", "result": result or {}, "created": 0.0, "started": 0.0,
        "finished": 1.0, "owner": "", "priority": 0, "worker": "host:12",
    }  # fmt: skip
    return SimpleNamespace(**given | more)


CHAINS = [
    {"chain": 0, "draws": 50, "divergences": 0, "accept": 0.91, "steps": 6.5},
    {"chain": 1, "draws": 25, "divergences": 3, "accept": 0.72, "steps": 14.0},
]


def test_each_chain_has_a_line():
    body = views.chain_table({"chains": CHAINS, "total": 100}).children[1].children
    texts = [str(row) for row in body]
    assert len(texts) == 2
    assert "'width': '50%'" in texts[0]
    assert "'width': '25%'" in texts[1]
    assert "0.91" in texts[0]
    assert "6.5" in texts[0]
    assert "xd-warning" not in texts[0]
    assert "xd-warning" in texts[1]  # divergences carry their sign


@pytest.mark.parametrize("detail", [{}, {"chains": []}, {"chains": [0.5, 0.5]}, {"chains": None}])
def test_a_job_that_tells_nothing_of_its_chains_has_no_lines(detail):
    assert views.chain_table(detail) == []
    assert views.progress(job(detail=detail))


def test_a_chain_that_tells_only_a_part_is_no_error():
    text = str(views.chain_table({"chains": [{"draws": 3}, {"chain": 1, "accept": float("nan")}]}))
    assert text.count("—") == 7


@pytest.mark.parametrize(
    ("result", "state", "words"),
    [({"good": 3, "bins": 3}, "ok", "3 of 3 bins good"), ({"good": 1, "bins": 3}, "warning", "1 of 3"),
     ({"good": 0, "bins": 3}, "alarm", "0 of 3")],
)  # fmt: skip
def test_a_job_that_is_done_says_whether_its_fit_is_good(result, state, words):
    row = job("done", result=result)
    for shown in (views.progress(row), views.table([row], "/", may_write=True)):
        assert words in str(shown)
        assert f"xd-mark xd-{state}" in str(shown)


def test_other_jobs_have_no_verdict():
    assert views.verdict(job("done", result={"fit": "3"})) == []
    assert views.verdict(job("running", result={"good": 1, "bins": 1})) == []
