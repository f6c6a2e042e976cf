"""The one configuration that every graph of the dashboard uses."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

#: Nothing leaves the browser: no chart studio, no "Share chart" button, no logo that links elsewhere.
GRAPH_CONFIG: MappingProxyType[str, Any] = MappingProxyType(
    {
        "showSendToCloud": False,
        "plotlyServerURL": "",
        "displaylogo": False,
        "responsive": True,
        "scrollZoom": False,
        "doubleClick": "reset+autosize",
        "modeBarButtonsToRemove": [
            "sendDataToCloud",
            "sendChartToCloud",
            "editInChartStudio",
            "select2d",
            "lasso2d",
        ],
        "toImageButtonOptions": {"format": "svg", "filename": "xpcs-dash", "scale": 2},
    }
)


def graph_config(filename: str = "xpcs-dash", **changes: Any) -> dict[str, Any]:
    """`GRAPH_CONFIG` as a dictionary of its own, with the name that a saved picture gets.

    Parameters
    ----------
    filename : name of the picture that the mode bar saves, without its suffix.
    **changes : other keys of Plotly's configuration, such as ``scrollZoom=True``.
    """
    picture = dict(GRAPH_CONFIG["toImageButtonOptions"], filename=filename)
    return {**GRAPH_CONFIG, "toImageButtonOptions": picture, **changes}
