"""Patches keep what belongs to the person: zoom, and shapes where asked."""

from __future__ import annotations

from typing import Any

from xpcs_dash.components import graphs
from xpcs_dash.figures.theme import base_figure


def operations(change: Any) -> dict[tuple[Any, ...], Any]:
    """Location -> value of a patch's assignments."""
    return {tuple(o["location"]): o["params"]["value"] for o in change.to_plotly_json()["operations"]}


def test_patch__never_touches_ranges() -> None:
    figure = base_figure(
        xaxis={"range": [0, 1], "title": {"text": "τ (s)"}, "autorange": False},
        yaxis2={"range": [1, 2], "autorangeoptions": {"clipmin": 1.0}},
    )
    done = operations(graphs.patch(figure))
    assert done[("layout", "xaxis", "title")] == {"text": "τ (s)"}
    assert done[("layout", "yaxis2", "autorangeoptions")] == {"clipmin": 1.0}
    assert not [place for place in done if "range" in place or "autorange" in place]
    assert ("layout", "xaxis") not in done


def test_patch__resets_an_axis_when_asked() -> None:
    done = operations(graphs.patch(base_figure(xaxis={"type": "log"}), reset=("xaxis",)))
    assert done[("layout", "xaxis", "autorange")] is True
    assert done[("layout", "xaxis", "range")] is None


def test_patch__clears_what_the_new_figure_lacks_but_not_what_is_kept() -> None:
    done = operations(graphs.patch(base_figure(), keep=("shapes",)))
    assert done[("layout", "annotations")] == []
    assert ("layout", "shapes") not in done


def test_patch__arrays_travel_packed() -> None:
    import numpy as np

    figure = base_figure()
    figure.add_scatter(y=np.arange(100.0))
    (trace,) = operations(graphs.patch(figure))[("data",)]
    assert set(trace["y"]) >= {"bdata", "dtype"}


def test_message__one_sentence_and_no_traces() -> None:
    done = operations(graphs.message("This file holds no g2.", "Choose another."))
    assert done[("data",)] == []
    assert "no g2" in done[("layout", "annotations")][0]["text"]


def test_graph__has_the_shared_configuration_and_room() -> None:
    made = graphs.graph("g2-graph", config={"scrollZoom": True})
    assert made.config["showSendToCloud"] is False
    assert made.config["plotlyServerURL"] == ""
    assert made.config["scrollZoom"] is True
    assert made.figure is not None
