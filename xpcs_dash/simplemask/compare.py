"""Where two masks or two partitions of one detector differ, as maps and as sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError

Bool = NDArray[np.bool_]
Labels = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Marked:
    """A mask with its bins where it has any.

    Attributes
    ----------
    name : as a sentence calls it.
    mask : (H, W) bool, True for valid pixels.
    dynamic, static : (H, W) labels, 0 masked, or None.
    """

    name: str
    mask: Bool
    dynamic: Labels | None = None
    static: Labels | None = None


@dataclass(frozen=True, eq=False)
class Difference:
    """What `compare` found.

    Attributes
    ----------
    mask : (H, W) bool, True where one is valid and the other is not.
    dynamic, static : (H, W) bool, True where the labels differ; None where one side has none.
    sentences : the same as counts.
    """

    mask: Bool
    dynamic: Bool | None
    static: Bool | None
    sentences: tuple[str, ...]

    def of(self, what: str) -> Bool:
        """The map called mask, dynamic or static.

        Raises
        ------
        UsageError
            Where there is none.
        """
        if what not in ("mask", "dynamic", "static"):
            raise UsageError(f"{what!r} cannot be compared; choose mask, dynamic or static.")
        found: Bool | None = getattr(self, what)
        if found is None:
            raise UsageError(f"one of the two has no {what} bins to compare.")
        return found


def compare(here: Marked, there: Marked) -> Difference:
    """Compare a mask, and its bins, with another.

    Parameters
    ----------
    here, there : on detectors of the same shape.

    Raises
    ------
    UsageError
        Where the shapes differ.
    """
    if here.mask.shape != there.mask.shape:
        ours, theirs = (" × ".join(map(str, m.mask.shape)) for m in (here, there))
        raise UsageError(f"{there.name} is for a detector of {theirs} pixels, this one has {ours}.")
    differs = here.mask != there.mask
    only_here = int(np.count_nonzero(here.mask & ~there.mask))
    only_there = int(np.count_nonzero(differs)) - only_here
    sentences = [f"The mask is the same as that of {there.name}, pixel for pixel."]
    if only_here or only_there:
        sentences = [
            f"{only_here + only_there:,} pixels of the mask differ ({_share(differs)}): "
            f"{only_here:,} are valid only here, {only_there:,} only in {there.name}."
        ]
    maps: dict[str, Bool | None] = {}
    for kind in ("dynamic", "static"):
        maps[kind], sentence = _labels(kind, getattr(here, kind), getattr(there, kind), there.name)
        sentences.append(sentence)
    return Difference(differs, maps["dynamic"], maps["static"], tuple(s for s in sentences if s))


def _labels(kind: str, here: Labels | None, there: Labels | None, name: str) -> tuple[Bool | None, str]:
    if here is None and there is None:
        return None, ""
    if here is None or there is None:
        where = "The draft" if here is None else name
        return None, f"{where} has no {kind} bins to compare."
    differs: Bool = here != there
    both = (here > 0) & (there > 0)
    other = int(np.count_nonzero(differs & both))
    ours, theirs = int(here.max(initial=0)), int(there.max(initial=0))
    bins = f"{ours:,} {kind} bins here and in {name}" if ours == theirs else (
        f"{ours:,} {kind} bins here, {theirs:,} in {name}"
    )  # fmt: skip
    total = int(np.count_nonzero(both))
    if not other:
        return differs, f"{bins}; every pixel valid in both has the same label."
    return differs, f"{bins}; {other:,} of {total:,} pixels valid in both have another label."


def _share(differs: Bool) -> str:
    share = 100 * float(differs.mean())
    return f"{share:.2f} %" if share >= 0.01 else "less than 0.01 %"
