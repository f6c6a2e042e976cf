"""What kinds of files there are, and which of them follow each other in time.

One place decides what "newest", "previous" and "next" range over, and what trends and comparisons look at.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["AVERAGE", "MASK", "METADATA", "PARTITION", "RAW", "SAXS", "holds_result", "is_result"]

#: Among the kinds of a file that was averaged here.
AVERAGE = "average"
#: A result without a correlation.
SAXS = "saxs"
#: Files that belong to an acquisition and are no results.
PARTITION, MASK, RAW, METADATA = "partition", "mask", "raw data", "metadata"
_RESULTS = frozenset({"multitau", "twotime", SAXS})


def holds_result(kinds: Iterable[str] | None) -> bool:
    """Whether a file of these kinds holds what was measured: curves, maps of correlation, or an image."""
    return not _RESULTS.isdisjoint(kinds or ())


def is_result(kinds: Iterable[str] | None) -> bool:
    """Whether a file of these kinds is one of the acquisition's results.

    Only such a file can be the newest one, follow or precede another, stand in a trend and be compared with
    the one before it. Averages hold results and stand beside the acquisition; partitions, masks and raw data
    hold none.
    """
    found = tuple(kinds or ())
    return AVERAGE not in found and holds_result(found)
