"""How browser tests wait: for what they want to see, never for a time."""

from __future__ import annotations

from typing import Any


def until(page: Any, expression: str, argument: Any = None, timeout: float = 60_000) -> None:
    """Wait until a JavaScript function, given ``argument``, answers with something true.

    Parameters
    ----------
    page : of Playwright.
    expression : ``"(argument) => …"``.
    timeout : ms.
    """
    # a page that is still being drawn lacks the element that is read: that is "not yet", no error
    patient = f"""(argument) => {{
        try {{ return ({expression})(argument); }}
        catch (error) {{ if (error instanceof TypeError) return false; throw error; }}
    }}"""
    page.wait_for_function(patient, arg=argument, timeout=timeout)
