"""What is called good: one verdict on the numbers of a bin, which everybody asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["BIN_FLAGS", "NO_CURVE", "UNUSABLE", "State", "Verdict", "flag_sentence", "verdict"]

State = Literal["ok", "warning", "alarm"]

#: What each flag of a bin means, for people. Some are followed by the parameter that they concern:
#: ``at_bound:tau``.
BIN_FLAGS: dict[str, str] = {
    "too_few_points": "too few trustworthy points for this model",
    "no_decay": "no decay in the window: the data do not tell a decay from a constant",
    "incomplete_decay": "the decay does not fit into the window, so tau and contrast depend on each other",
    "not_converged": "the fit did not converge",
    "poor_fit": "the model does not describe the data (χ² is too large)",
    "at_bound": "a parameter stands at its bound",
    "undetermined": "the data do not determine a parameter",
}
#: Flags with which the numbers of a bin must not be used at all; with the others they are used with care.
UNUSABLE = frozenset({"too_few_points", "no_decay", "not_converged", "poor_fit", "undetermined"})
#: Flags with which there is no curve that could be drawn.
NO_CURVE = frozenset({"too_few_points", "not_converged"})
#: Flags with which a number has no meaning, right or wrong.
_NO_NUMBER = NO_CURVE | {"no_decay", "undetermined"}


def flag_sentence(flag: str) -> str:
    """A flag as a clause for people; ``at_bound:tau`` names the parameter. An unknown one is its own name."""
    name, _, which = flag.partition(":")
    if which and name == "at_bound":
        return f"{which} stands at its bound"
    if which and name == "undetermined":
        return f"the data do not determine {which}"
    return BIN_FLAGS.get(name, name.replace("_", " "))


@dataclass(frozen=True)
class Verdict:
    """Whether the numbers of a bin may be used, and why not.

    Attributes
    ----------
    flags : codes out of `BIN_FLAGS`, the worst first.
    reasons : the same as clauses for people; more than one where a check has several parts.
    """

    flags: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Nothing is wrong: the fit converged, describes the data, and stands at no bound; a decay was
        measured, and the data determine every parameter of it. No other meaning of "good" exists.
        """
        return not self.flags and not self.reasons

    @property
    def names(self) -> frozenset[str]:
        """The flags without their parameters."""
        return frozenset(flag.partition(":")[0] for flag in self.flags)

    @property
    def state(self) -> State:
        """``ok`` where it is good, ``alarm`` where the numbers must not be used, else ``warning``."""
        if self.good:
            return "ok"
        # a reason without a flag is a check that nobody named: not to be used either
        return "alarm" if self.names & UNUSABLE or not self.flags else "warning"

    @property
    def has_curve(self) -> bool:
        """Whether there is a curve to draw; solid only where it is good."""
        return not self.names & NO_CURVE

    @property
    def has_numbers(self) -> bool:
        """Whether the numbers say anything; a trend may show them, marked where they are not good."""
        return not self.names & _NO_NUMBER

    @property
    def sentence(self) -> str:
        """``good``, or all reasons."""
        return "; ".join(self.reasons or map(flag_sentence, self.flags)) or "good"


def verdict(flags: Iterable[str], reasons: Sequence[str] | None = None) -> Verdict:
    """The verdict that follows from flags.

    Parameters
    ----------
    flags : codes out of `BIN_FLAGS`.
    reasons : clauses for people; by default those of the flags.
    """
    found = tuple(dict.fromkeys(flags))
    return Verdict(found, tuple(map(flag_sentence, found)) if reasons is None else tuple(reasons))
