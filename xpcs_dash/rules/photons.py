"""What stands behind the errors of g2: photons that were counted, or the file's word alone."""

from __future__ import annotations


def sigma_words(photons: bool) -> str:
    """Where σ comes from, for the line of conditions above a plot."""
    return "σ with photon counting" if photons else "σ of the file: intensity is not in photons"


def sigma_words_short(photons: bool) -> str:
    """The same where there is little room."""
    return "σ with counting" if photons else "σ of the file alone"


def fit_note(photons: bool) -> str | None:
    """What must be said of a fit that asked for counting; None where it got it."""
    if photons:
        return None
    return "Photon counting cannot be used for this file; the errors are those of the file alone."
