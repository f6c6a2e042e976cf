"""Where two masks or partitions differ."""

from __future__ import annotations

import numpy as np
import pytest

from xpcs_dash.errors import UsageError
from xpcs_dash.simplemask.compare import Marked, compare

MASK = np.ones((10, 20), bool)
LABELS = np.repeat(np.arange(1, 5), 5)[None, :] * np.ones((10, 1), int)


def test_equal_masks_and_bins():
    found = compare(Marked("draft", MASK, LABELS, LABELS), Marked("qmap.hdf", MASK, LABELS, LABELS))
    assert [int(found.of(what).sum()) for what in ("mask", "dynamic", "static")] == [0, 0, 0]
    assert found.sentences == (
        "The mask is the same as that of qmap.hdf, pixel for pixel.",
        "4 dynamic bins here and in qmap.hdf; every pixel valid in both has the same label.",
        "4 static bins here and in qmap.hdf; every pixel valid in both has the same label.",
    )


def test_counts_say_on_which_side():
    other = MASK.copy()
    other[0] = False
    mine = MASK.copy()
    mine[9, :3] = False
    merged = np.where(other, np.minimum(LABELS, 3), 0)
    found = compare(Marked("draft", mine, np.where(mine, LABELS, 0)), Marked("old", other, merged))
    assert found.mask.sum() == 23
    assert found.sentences[0] == (
        "23 pixels of the mask differ (11.50 %): 20 are valid only here, 3 only in old."
    )
    # the last 5 columns of the 9 rows that are valid in both
    assert found.sentences[1] == (
        "4 dynamic bins here, 3 in old; 45 of 177 pixels valid in both have another label."
    )
    assert found.dynamic.sum() == 45 + 20 + 3
    assert found.of("dynamic") is found.dynamic
    with pytest.raises(UsageError, match="no static bins"):
        found.of("static")


def test_a_mask_without_bins_says_so():
    found = compare(Marked("draft", MASK, LABELS), Marked("mask.tif", MASK))
    assert found.dynamic is None
    assert found.sentences[1] == "mask.tif has no dynamic bins to compare."


def test_another_detector_is_refused():
    with pytest.raises(UsageError, match=r"5 × 20 pixels, this one has 10 × 20"):
        compare(Marked("draft", MASK), Marked("small", MASK[:5]))
