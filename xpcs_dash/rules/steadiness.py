"""Did beam and sample stay the same: the thresholds, and the verdict from the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

State = Literal["stable", "drifting", "damaged", "beam lost", "unknown"]
SEVERITY: dict[str, str] = {
    "stable": "ok",
    "drifting": "warning",
    "damaged": "alarm",
    "beam lost": "alarm",
    "unknown": "nodata",
}


@dataclass(frozen=True)
class Rules:
    """Thresholds of the verdict; all of them are shown beside it.

    Attributes
    ----------
    drift : relative change of I(t) over the run, from a straight line, that counts as drift.
    shape : RMS relative change of the shape of I(q) against the first segment, noise taken off, that counts.
    sigmas : a drift must also be this many standard errors.
    lost_level : stretches of I(t) below this fraction of its median count as lost beam …
    lost_share : … when they make up this share of the run.
    growth : correlation of the shape change with time from which it counts as progressive (damage).
    blocks : I(t) is judged in this many equal stretches.
    """

    drift: float = 0.05
    shape: float = 0.03
    sigmas: float = 4.0
    lost_level: float = 0.2
    lost_share: float = 0.01
    growth: float = 0.7
    blocks: int = 100

    @property
    def sentence(self) -> str:
        """The thresholds as people read them."""
        return (
            f"Rules: beam lost below {self.lost_level:.0%} of the median for {self.lost_share:.0%} of the "
            f"run; damaged when the shape of I(q) changes by more than {self.shape:.0%} beyond noise and "
            f"keeps growing; drifting when it changes without growing, or I(t) by more than {self.drift:.0%}."
        )


RULES = Rules()


@dataclass(frozen=True)
class Verdict:
    """The judgement of one file.

    Attributes
    ----------
    state : one word.
    rule : the sentence with the numbers that made it.
    notes : what limits it, such as fields that come from the first file of an average only.
    severity : "ok", "warning", "alarm" or "nodata".
    """

    state: State
    rule: str
    notes: tuple[str, ...] = ()

    @property
    def severity(self) -> str:
        """State colour to draw it in."""
        return SEVERITY[self.state]


class Moved(Protocol):
    """How I(t) moved: relative change over the run with its error, and the share of the run without beam."""

    @property
    def relative(self) -> float:
        """Fitted change from the first to the last frame, divided by the mean."""

    @property
    def relative_err(self) -> float:
        """Its standard error."""

    @property
    def lost_share(self) -> float:
        """Share of the run without beam."""


def judge(
    moved: Moved | None, change: float | None, growth: float | None, *, segments: bool, rules: Rules = RULES
) -> Verdict:
    """The verdict from the numbers: lost beam, then damage, then drift, then stable.

    Parameters
    ----------
    moved : of I(t), or None where the file has none.
    change, growth : largest change of the shape of I(q) beyond noise, and its correlation with time.
    segments : whether the file has segments of I(q) to compare.
    """
    if moved is None and not segments:
        return Verdict("unknown", "neither I(t) nor time segments of I(q) are in the file")
    if moved is not None and moved.lost_share >= rules.lost_share:
        return Verdict(
            "beam lost",
            f"I(t) is below {rules.lost_level:.0%} of its median for {moved.lost_share:.0%} of the run "
            f"(limit {rules.lost_share:.0%})",
        )
    if change is not None and change > rules.shape:
        grows = growth is not None and growth >= rules.growth
        text = f"the shape of I(q) changed by {change:.1%} RMS beyond noise (limit {rules.shape:.0%})"
        if grows:
            return Verdict("damaged", f"{text} and keeps growing with time (correlation {growth:.2f})")
        return Verdict("drifting", f"{text}, without growing steadily")
    if moved is not None and abs(moved.relative) > max(rules.drift, rules.sigmas * moved.relative_err):
        return Verdict(
            "drifting", f"I(t) changed by {moved.relative:+.1%} over the run (limit ±{rules.drift:.0%})"
        )
    parts = []
    if moved is not None:
        parts.append(f"I(t) changed by {moved.relative:+.2%} (limit ±{rules.drift:.0%})")
    if change is not None:
        parts.append(f"the shape of I(q) by {change:.2%} RMS beyond noise (limit {rules.shape:.0%})")
    if not parts:
        return Verdict("unknown", "the segments hold too few photons to compare")
    return Verdict("stable", ", ".join(parts))
