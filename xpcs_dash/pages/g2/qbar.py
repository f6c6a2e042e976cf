"""The bar of q-bins: one small key for each bin, those on the screen in the colour of their curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dash import html

from xpcs_dash.pages.g2.curves import name_of_bin

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile


def qbar(xf: XpcsFile | None, shown: Mapping[int, str], chosen: bool) -> list[Any]:
    """Keys of all q-bins; a click shows or hides one, a double click shows it alone (``assets/qbar.js``).

    Parameters
    ----------
    xf : the file; None or one without g2 gives no keys.
    shown : label -> colour of its curve.
    chosen : True where a person chose the bins; offers the way back to the page's own choice.
    """
    if xf is None or not xf.n_delay:
        return []
    keys = [
        html.Button(
            "",
            type="button",
            className="xd-qkey",
            title=f"{label}: {name_of_bin(xf, label)}",
            style={"background": shown[label]} if label in shown else {},
            **{"data-q": str(label), "aria-pressed": "true" if label in shown else "false",
               "aria-label": name_of_bin(xf, label)},
        )
        for label in range(1, xf.n_q + 1)
    ]  # fmt: skip
    back = html.Button(
        "auto", type="button", className="xd-qauto", title="the page's own choice of q",
        **{"data-q": "auto", "aria-pressed": "false" if chosen else "true"},
    )  # fmt: skip
    return [*keys, back]
