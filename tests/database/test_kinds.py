"""Which files follow each other in time."""

from __future__ import annotations

import pytest

from xpcs_dash.database.kinds import AVERAGE, MASK, METADATA, PARTITION, RAW, SAXS, holds_result, is_result


@pytest.mark.parametrize(
    ("kinds", "holds", "result"),
    [
        (("multitau",), True, True),
        (("twotime",), True, True),
        (("multitau", "twotime"), True, True),
        ((SAXS,), True, True),
        (("multitau", AVERAGE), True, False),
        ((PARTITION,), False, False),
        ((MASK,), False, False),
        ((RAW,), False, False),
        ((METADATA,), False, False),
        ((), False, False),
        (None, False, False),
    ],
)
def test_what_is_a_result(kinds, holds, result):
    assert (holds_result(kinds), is_result(kinds)) == (holds, result)
