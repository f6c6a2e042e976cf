"""Layout of the mask page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from xpcs_dash.components.controls import button, number, segmented, text, together, toolbar
from xpcs_dash.components.graphs import graph
from xpcs_dash.components.panel import panel
from xpcs_dash.components.selection import View
from xpcs_dash.components.states import empty, failed
from xpcs_dash.components.theme import current_theme
from xpcs_dash.errors import XpcsDashError
from xpcs_dash.figures.mask import DRAW_BUTTONS, figure_mask
from xpcs_dash.pages.mask import compare, forms, regroup
from xpcs_dash.pages.mask.session import Workbench, current_session, open_linked, start
from xpcs_dash.pages.mask.show import (
    centre_of,
    limits_of,
    listed_versions,
    overlay_url,
    picture_url,
    shapes_of,
    state_of,
)
from xpcs_dash.simplemask.draft import Draft

HINT = "Move over the image for x, y, I, q, φ and bins."
KEYS = (
    "V zoom · R rectangle · E ellipse · P polygon · F freehand · L line · "
    "X erase the active shape · Ctrl-Z undo"
)


def page_layout(bench: Workbench, query: Mapping[str, str]) -> Component:
    """The image with its tools on the left; steps, geometry, partition and versions on the right."""
    session = current_session()
    problem: str | None = None
    draft = bench.store.load(session)
    try:
        if query.get("copy"):
            draft = bench.store.adopt(session, query["copy"])
        if query.get("open") and not bench.services.settings.read_only:
            draft = open_linked(bench, session, query)
        if not draft.source:
            draft = first_picture(bench, session, draft, query)
    except XpcsDashError as err:
        problem = str(err)
    return html.Div(
        [
            tools(),
            *notices(draft, bench.services.settings.url_prefix),
            html.Div(
                [
                    panel(
                        "Mask",
                        [
                            html.Div(
                                stage(bench, session, draft, problem),
                                id="mask-stage",
                                className="xd-mask-stage",
                            ),
                            html.Div(HINT, id="mask-readout", className="xd-readout"),
                        ],
                        conditions=html.Span(id="mask-conditions"),
                        class_name="xd-mask-main",
                    ),
                    side(bench, draft),
                ],
                className="xd-mask-grid",
            ),
            dcc.Store(id="mask-action"),
            dcc.Store(id="mask-drawn"),
            dcc.Store(id="mask-compared"),
            dcc.Store(id="mask-refill"),
            dcc.Store(id="mask-state", data=state_of(bench, session, draft)),
            dcc.Store(id="mask-settled"),
            dcc.Store(id="mask-attached"),
            dcc.Download(id="mask-download"),
        ],
        className="xd-views xd-mask",
    )


def notices(draft: Draft, prefix: str) -> list[Component]:
    """What became of the draft without a person's doing, and where an earlier one is kept."""
    found: list[Component] = []
    if draft.note:
        found.append(html.P(["▲ ", draft.note], className="xd-warning-line", role="status"))
    if draft.own:
        link = html.A("the one you had before", href=f"{prefix}mask?copy={draft.own}")
        found.append(html.P(["This draft replaced another: ", link, " is kept."], role="status"))
    return found


def first_picture(bench: Workbench, session: str, draft: Draft, query: Mapping[str, str]) -> Draft:
    """The file that the address names, or the newest one, as the first picture."""
    wanted = View.from_query(query).files
    catalogue = bench.services.catalogue
    found = catalogue.find(wanted[0]) if wanted else catalogue.newest()
    ref = None if found is None else found.ref
    if ref is None or bench.services.settings.read_only:
        return draft
    with bench.store.editing(session) as held:
        if not held[0].source:
            held[0] = start(bench, session, held[0], {"kind": "result", "file": ref})
        return held[0]


def stage(bench: Workbench, session: str, draft: Draft, problem: str | None = None) -> Any:
    """The graph, or a sentence on why there is none."""
    if not draft.source:
        said = failed(problem) if problem else empty("No detector image is open.", "Open one under Files.")
        return _without_picture(said)
    theme = current_theme()
    try:
        image = bench.image(session, draft)
        limits = limits_of(image, draft)
        fig = figure_mask(
            picture_url(bench, session, draft, limits),
            overlay_url(bench, session, draft, theme),
            image.shape,
            centre_of(draft),
            shapes_of(draft, theme),
            theme,
            limits=limits,
            scale=str(draft.view.get("scale", "log")),
        )
    except XpcsDashError as err:
        return _without_picture(failed(err, "Open another image under Files."))
    return graph(
        "mask-graph",
        fig.to_plotly_json(),
        filename="mask",
        config={"modeBarButtonsToAdd": list(DRAW_BUTTONS), "scrollZoom": True},
    )


def _without_picture(said: Component) -> list[Component]:
    # the graph stays in the page, unseen: the callbacks that paint it need it there
    return [said, html.Div(graph("mask-graph"), hidden=True)]


def tools() -> Component:
    """Tools above the image."""
    return toolbar(
        segmented("mask-mode", "Draw to", {"out": "Mask", "keep": "Keep only", "back": "Give back"}, "out"),
        number(
            "mask-width",
            "Line",
            3,
            unit="px",
            minimum=0.5,
            width="4.5em",
            title="width of lines in detector pixels",
        ),
        button(
            "mask-polygon",
            "Polygon",
            icon="bi-bounding-box-circles",
            title="click corners, Enter or double click closes (P)",
        ),
        button("mask-undo", "Undo", icon="bi-arrow-counterclockwise", title="Ctrl-Z"),
        button("mask-redo", "Redo", icon="bi-arrow-clockwise", title="Ctrl-Y"),
        button("mask-clear", "Clear", icon="bi-x-lg", title="take all steps away; can be undone"),
        html.Span(id="mask-count", className="xd-mask-count", role="status"),
        segmented("mask-show", "Show", {"image": "Image", "bins": "Bins"}, "image"),
        segmented("mask-scale", "Scale", {"log": "log", "linear": "linear"}, "log"),
        together(
            number("mask-low", "from", 1, unit="%", minimum=0, maximum=100, width="4.2em"),
            number("mask-high", "to", 99.7, unit="%", minimum=0, maximum=100, width="4.8em"),
        ),
        button("mask-keys", "", icon="bi-keyboard", title=KEYS),
    )


def side(bench: Workbench, draft: Draft) -> Component:
    """Everything beside the image."""
    steps = [
        html.Div(id="mask-ops", className="xd-mask-ops"),
        html.Div(
            [
                *forms.additions(),
                forms.upload("mask-import", "Mask or pixel list: TIFF, NPY, HDF5, EDF, CBF, txt, csv, json"),
            ],
            className="xd-mask-add",
        ),
    ]
    geometry = [
        html.Div(forms.geometry_form(draft), id="mask-geometry", className="xd-mask-form"),
        html.Div(
            [
                button("mask-centre-symmetry", "Centre by symmetry", icon="bi-crosshair"),
                button("mask-centre-rings", "Centre by rings", icon="bi-bullseye"),
                button("mask-calibrate", "Calibrate on silver behenate", icon="bi-rulers"),
            ],
            className="xd-mask-fields",
        ),
        html.Div(id="mask-found", className="xd-mask-hint"),
    ]
    partition = [
        html.Div(forms.partition_form(draft), id="mask-partition", className="xd-mask-form"),
        html.Div(id="mask-checks", className="xd-mask-checks"),
        html.Div(graph("mask-bins-graph", filename="mask-bins"), className="xd-mask-plot"),
        html.Div(graph("mask-intensity-graph", filename="mask-intensity"), className="xd-mask-plot"),
        *regroup.section(),
    ]
    panes = {"Steps": steps, "Geometry": geometry, "Partition": partition, "Files": files(bench)}
    tabs = [
        html.Div([_tab(name, name == "Steps") for name in panes], className="xd-mask-tabs", role="tablist"),
        *[
            html.Div(
                content,
                className="xd-mask-tab" + (" xd-mask-shown" if name == "Steps" else ""),
                role="tabpanel",
                **{"data-pane": name.lower()},
            )
            for name, content in panes.items()
        ],
        dcc.Store(id="mask-tab", data="steps"),
    ]
    return panel("Make", tabs, controls=saving(), class_name="xd-mask-side")


def _tab(name: str, shown: bool) -> Component:
    """One tab; the browser switches it without asking."""
    given = {"data-tab": name.lower(), "aria-selected": "true" if shown else "false"}
    return html.Button(name, type="button", role="tab", className="xd-mask-tabname", **given)


def saving() -> Component:
    """What to do with the result."""
    return html.Div(
        [
            button(
                "mask-use",
                "Use in viewer",
                icon="bi-eye",
                title="I(q) of every file is shown with this mask too",
            ),
            button(
                "mask-save", "Save", icon="bi-save", primary=True, title="keep a named version on the server"
            ),
        ],
        className="xd-mask-fields",
    )


def files(bench: Workbench) -> list[Any]:
    """Open, download, versions."""
    kinds = {"mean": "mean", "max": "max"}
    have_root = bench.services.settings.root is not None
    return [
        html.H3("Open", className="xd-mask-head"),
        html.Div(
            [
                button(
                    "mask-open-current",
                    "Selected file",
                    icon="bi-file-earmark",
                    title="the file chosen in the file panel",
                ),
                forms.upload("mask-upload", "Drop an image: TIFF, EDF, CBF, NPY"),
            ],
            className="xd-mask-fields",
        ),
        html.Div(
            [
                text(
                    "mask-path",
                    "In the watched directory",
                    placeholder="raw/scan_0001.h5",
                    disabled=not have_root,
                ),
                segmented("mask-how", "frames", kinds, "mean"),
                number("mask-frames", "of the first", None, unit="frames", minimum=1, width="6em"),
                button("mask-open-path", "Open", icon="bi-folder2-open"),
            ],
            className="xd-mask-fields",
        ),
        html.H3("Take away", className="xd-mask-head"),
        html.Div(
            [
                button(
                    "mask-get-partition",
                    "Partition file",
                    icon="bi-download",
                    title="for boost_corr and pySimpleMask",
                ),
                button("mask-get-hdf", "Mask HDF5", icon="bi-download"),
                button(
                    "mask-get-own", "All (own layout)", icon="bi-download", title="mask, partition and q-map"
                ),
                button("mask-get-tif", "Mask TIFF", icon="bi-download"),
                button("mask-get-npy", "Mask NPY", icon="bi-download"),
                button("mask-link", "Link to a copy", icon="bi-link-45deg"),
            ],
            className="xd-mask-fields",
        ),
        html.Div(id="mask-linked", className="xd-mask-hint"),
        *compare.section(),
        html.H3("Versions", className="xd-mask-head"),
        text("mask-name", "Name", placeholder="name of the version"),
        html.Div(listed_versions(bench), id="mask-versions"),
    ]
