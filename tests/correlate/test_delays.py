from __future__ import annotations

import numpy as np
import pytest

from xpcs_dash.correlate.delays import multitau_delays
from xpcs_dash.errors import UsageError
from xpcs_dash.results.counting import delay_levels


def test_delays_of_a_short_run_are_these() -> None:
    found = multitau_delays(50)
    assert found.frames.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40]
    assert found.level.tolist() == [0] * 8 + [1] * 4 + [2] * 4 + [3]
    # 50 frames are 25 pairs, 12 fours and 6 eights: what does not fill the last one is cut off
    assert found.pairs.tolist() == [49, 48, 47, 46, 45, 44, 43, 42, 20, 19, 18, 17, 7, 6, 5, 4, 1]


@pytest.mark.parametrize("n_frames", [5, 6, 17, 100, 1000, 4095, 4096, 100_000])
def test_every_delay_rests_on_a_product_and_the_reader_tells_its_level(n_frames: int) -> None:
    found = multitau_delays(n_frames)
    assert np.all(np.diff(found.frames) > 0)
    assert np.all(found.pairs >= 1)
    assert np.all(found.frames >> found.level << found.level == found.frames)
    np.testing.assert_array_equal(delay_levels(found.frames), found.level)


def test_the_longest_run_that_was_measured_has_the_delays_of_its_file() -> None:
    found = multitau_delays(100_000)
    assert found.n == 61
    assert found.frames[-1] * 2e-5 == pytest.approx(1.6384)


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(UsageError, match="4 frames are too few"):
        multitau_delays(4)
