"""From fits to statements: the verdict on a sampled bin."""

from __future__ import annotations

import pytest

from xpcs_dash.fitting.diagnostics import FitDiagnostics
from xpcs_dash.fitting.statements import sampled_verdict


def checked(*, converged: bool = True, misfit: bool = False, reasons: tuple[str, ...] = ()) -> FitDiagnostics:
    passed = converged and not misfit and not reasons
    return FitDiagnostics({}, {}, {}, 0, 1.0, 0, 3, 0.5, converged, misfit, passed, reasons)


def test_a_bin_that_passes_every_check_is_good() -> None:
    assert sampled_verdict(checked(), ()).good


@pytest.mark.parametrize("flag", ["at_bound:tau", "incomplete_decay", "no_decay", "undetermined:tau"])
def test_what_least_squares_says_of_the_data_holds_after_sampling(flag: str) -> None:
    found = sampled_verdict(checked(), (flag,))
    assert not found.good
    assert found.flags == (flag,)
    assert len(found.reasons) == 1


@pytest.mark.parametrize("flag", ["not_converged", "poor_fit"])
def test_the_sampler_says_itself_whether_it_converged_and_whether_the_model_fits(flag: str) -> None:
    assert sampled_verdict(checked(), (flag,)).good
    failed = checked(converged=flag != "not_converged", misfit=flag == "poor_fit", reasons=("R-hat is 1.2",))
    found = sampled_verdict(failed, ())
    assert (found.flags, found.reasons, found.state) == ((flag,), ("R-hat is 1.2",), "alarm")
