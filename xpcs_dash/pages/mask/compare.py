"""Comparing the draft with another mask or partition: a saved version, the file's own, or an upload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from dash import Dash, Input, Output, State, ctx, html
from dash.exceptions import PreventUpdate

from xpcs_dash.components.controls import button, segmented
from xpcs_dash.errors import NotFoundError, UsageError, XpcsDashError
from xpcs_dash.hdf5.partition_file import read_partition
from xpcs_dash.pages.mask import forms
from xpcs_dash.pages.mask.session import Workbench, result_of
from xpcs_dash.pages.mask.uploads import uploaded
from xpcs_dash.shell.allow import Role, open_to
from xpcs_dash.simplemask.compare import Difference, Marked, compare
from xpcs_dash.simplemask.draft import Draft
from xpcs_dash.simplemask.files import read_mask_or_partition

#: Names of the uploaded other's arrays beside the draft.
UPLOADS = {"mask": "compare-mask", "dynamic": "compare-dynamic", "static": "compare-static"}
WHAT = {"mask": "Mask", "dynamic": "Dynamic bins", "static": "Static bins"}


def section() -> list[Any]:
    """The part of the page where one chooses what to compare with."""
    return [
        html.H3("Compare", className="xd-mask-head"),
        html.Div(
            [
                button("mask-compare-own", "The file's own", icon="bi-file-earmark-diff",
                       title="mask and bins of the result file that is open"),
                forms.upload("mask-compare-file", "Drop another mask or partition file"),
                segmented("mask-compare-what", "Show", WHAT, "mask"),
                button("mask-compare-stop", "Stop", icon="bi-x-lg", title="hide the difference"),
            ],
            className="xd-mask-fields",
        ),
        html.Div(id="mask-compared-said", className="xd-mask-checks", role="status"),
    ]  # fmt: skip


def other_of(bench: Workbench, session: str, draft: Draft, other: str) -> Marked:
    """What ``other`` names: ``version:<key>``, ``own`` or ``upload:<name of the file>``.

    Raises
    ------
    UsageError
        Where it is not there.
    """
    kind, _, name = other.partition(":")
    if kind == "version":
        mask, path = bench.store.version_mask(name) > 0, bench.store.version_partition(name)
        title = next((v.name for v in bench.store.versions() if v.key == name), "the version")
        record = None if path is None else read_partition(path)
        if record is None:
            return Marked(title, mask)
        return Marked(title, mask, record.dynamic_map, record.static_map)
    if kind == "upload":
        arrays = bench.store.load_arrays(session)
        if UPLOADS["mask"] not in arrays:
            raise NotFoundError("the file to compare with is no longer there; drop it again.")
        labels = (arrays.get(UPLOADS[which]) for which in ("dynamic", "static"))
        maps = [np.asarray(found) if found is not None and found.size > 1 else None for found in labels]
        return Marked(name, np.asarray(arrays[UPLOADS["mask"]]) > 0, maps[0], maps[1])
    file = result_of(bench, draft)
    if file is None or file.mask is None:
        raise UsageError("The open image comes with no mask of its own to compare with.")
    return Marked(file.path.name, file.mask, file.dqmap, file.sqmap)


def differing(bench: Workbench, session: str, draft: Draft, other: str) -> Difference:
    """Where the draft differs from another mask or partition."""
    there = other_of(bench, session, draft, other)
    mask, _ = bench.mask(session, draft)
    here = Marked("the draft", mask)
    if there.dynamic is not None:
        try:
            made = bench.partition(session, draft)
            here = Marked("the draft", mask, made.dynamic.roi_map, made.static.roi_map)
        except XpcsDashError:  # without a geometry the draft has a mask and no bins, and the sentences say so
            pass
    return compare(here, there)


def keep_upload(bench: Workbench, session: str, content: str, name: str) -> str:
    """Store an uploaded mask or partition beside the draft; gives its name for `other_of`."""

    def read(path: Path) -> tuple[Any, Any, Any]:
        mask, record = read_mask_or_partition(path)
        return (mask, None, None) if record is None else (mask, record.dynamic_map, record.static_map)

    mask, dynamic, static = uploaded(content, name, read)
    bench.store.put_array(session, UPLOADS["mask"], np.asarray(mask, dtype=np.uint8))
    for which, labels in (("dynamic", dynamic), ("static", static)):
        kept = np.zeros(1, np.int32) if labels is None else np.asarray(labels, dtype=np.int32)
        bench.store.put_array(session, UPLOADS[which], kept)
    return f"upload:{Path(name).name}"


def register_compare(app: Dash, bench: Workbench, session_of: Any) -> None:
    """Add the callbacks of the comparison."""

    @app.callback(
        Output("mask-compared", "data"),
        Input("mask-compare-own", "n_clicks"),
        Input("mask-compare-file", "contents"),
        Input("mask-compare-stop", "n_clicks"),
        State("mask-compare-file", "filename"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR, look=("mask-compare-own", "mask-compare-stop"))
    def choose(_own: Any, content: Any, _stop: Any, name: Any) -> Any:
        if not any(t["value"] for t in ctx.triggered):
            raise PreventUpdate
        if ctx.triggered_id == "mask-compare-stop":
            return None
        if ctx.triggered_id == "mask-compare-file":
            return {"other": keep_upload(bench, session_of(), content, str(name)), "n": len(content)}
        return {"other": "own"}

    @app.callback(
        Output("mask-compared-said", "children"),
        Input("mask-compared", "data"),
        Input("mask-compare-what", "value"),
        Input("mask-settled", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def say(compared: Any, what: str, _settled: Any) -> Any:
        if not compared:
            return []
        session = session_of()
        try:
            found = differing(bench, session, bench.store.load(session), str(compared["other"]))
            lines = [html.P(sentence) for sentence in found.sentences]
            found.of(what)
        except XpcsDashError as err:
            text = str(err)
            return html.P(["▲ ", text[:1].upper() + text[1:]], className="xd-warning-line")
        where = "mask differs" if what == "mask" else f"{what} bins differ"
        return [html.P(f"Orange on the image: where the {where}."), *lines]
