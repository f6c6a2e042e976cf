"""Order in which pending files are looked at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xpcs_dash.acquisition.readiness import Pending
from xpcs_dash.acquisition.scan import Stat
from xpcs_dash.acquisition.schedule import Schedule


def item(name: str, due: float, sort_at: float = 0.0, attempts: int = 0) -> Pending:
    return Pending(name, Stat(1, 1, 1), 0.0, due, sort_at, attempts=attempts)


def test_newest_first_and_new_before_failed():
    schedule = Schedule()
    for found in (
        item("old", 0, 1),
        item("new", 0, 3),
        item("failed", 0, 9, attempts=2),
        item("late", 5, 99),
    ):
        schedule.put(found)
    assert schedule.next_due() == 0
    assert [schedule.take(1).path for _ in range(2)] == ["new", "old"]
    assert schedule.take(1, retries=False) is None
    assert schedule.take(1).path == "failed"
    assert schedule.take(1) is None
    assert schedule.next_due() == 5


def test_putting_again_moves_and_dropping_forgets():
    schedule = Schedule()
    first, second = item("a", 0), item("b", 0)
    schedule.put(first)
    schedule.put(second)
    first.due = 10
    schedule.put(first)
    schedule.drop("b")
    assert schedule.take(1) is None
    assert len(schedule) == 1
    assert schedule.take(11) is first
    assert schedule.take(11) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 10), st.booleans()), max_size=60))
def test_nothing_is_lost_or_given_out_twice(steps):
    schedule, wanted = Schedule(), {}
    for name, due, drop in steps:
        if drop:
            schedule.drop(str(name))
            wanted.pop(str(name), None)
        else:
            wanted[str(name)] = item(str(name), due, sort_at=due)
            schedule.put(wanted[str(name)])
    taken = []
    while (found := schedule.take(11.0)) is not None:
        taken.append(found)
    assert {id(f) for f in taken} == {id(w) for w in wanted.values()}
    assert len(taken) == len(wanted)
    assert [f.sort_at for f in taken] == sorted((f.sort_at for f in taken), reverse=True)


def test_progress_counts_from_when_the_queue_was_last_empty():
    schedule = Schedule()
    for name in ("a", "b", "c"):
        schedule.put(item(name, 0.0))
    schedule.put(schedule.items["a"])
    assert schedule.progress == (0, 3)
    schedule.drop("a")
    schedule.put(item("d", 0.0))
    assert schedule.progress == (1, 4)
    for name in ("b", "c", "d"):
        schedule.drop(name)
    assert schedule.progress == (4, 4)
    schedule.put(item("e", 0.0))
    assert schedule.progress == (0, 1)
