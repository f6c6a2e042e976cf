"""Convergence: the table of checks with its sentences, and the plots of the draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import Input, Output, State, html

from xpcs_dash.components.errors import guarded
from xpcs_dash.components.graphs import message
from xpcs_dash.components.views import look
from xpcs_dash.database.record.fits import FitRow
from xpcs_dash.figures import diagnostics
from xpcs_dash.figures.fit import figure_tau
from xpcs_dash.pages.fit import tables
from xpcs_dash.pages.fit.controls import CONTROLS
from xpcs_dash.pages.fit.draws import Draws, load_draws, prior_curves
from xpcs_dash.pages.fit.live import view_on_screen
from xpcs_dash.pages.fit.shown import stored
from xpcs_dash.shell.allow import Role, open_to

if TYPE_CHECKING:
    from dash import Dash

    from xpcs_dash.components.views import Looked
    from xpcs_dash.services import Services

HIDDEN = {"display": "none"}
NOT_CHECKED = "Not sampled. Sample checks R-hat, sample sizes, divergences, BFMI and misfit of every bin."
NOT_SAMPLED = "No draws yet: Sample starts NUTS from the fit and fills this plot."


def verdict_rows(row: FitRow) -> list[tables.Verdict]:
    """The checks of every sampled bin of a stored fit."""
    return [
        tables.Verdict(
            label=entry["label"],
            name=f"q = {entry['q']:.4g}",
            state="ok" if entry.get("converged") else "alarm",
            checks={
                name: (check_text(name, *pair), pair[1]) for name, pair in entry.get("checks", {}).items()
            },
            reasons=tuple(entry["reasons"]),
        )
        for entry in row.bins
    ]


def check_text(name: str, value: float | None, _passed: bool | None) -> str:
    """Value of one check as text; what could not be computed says so and counts as failed."""
    if value is None:
        return "not computed"
    if name in ("ess_bulk", "ess_tail", "divergences"):
        return f"{value:.0f}"
    return f"{value:.3f}" if name == "r_hat" else f"p = {value:.2g}" if name == "misfit" else f"{value:.2f}"


def figure_of(kind: str, row: FitRow, draws: Draws, position: int, theme: str) -> Any:
    """One plot of the draws of the bin at ``position``."""
    titled, log = draws.of_bin(position), draws.log_titles
    divergent = draws.divergent[position] if draws.divergent is not None else None
    if kind == "trace":
        return diagnostics.figure_trace(titled, theme, divergent=divergent)
    if kind == "rank":
        return diagnostics.figure_rank(titled, theme)
    if kind == "autocorrelation":
        return diagnostics.figure_autocorrelation(titled, theme)
    if kind == "pair":
        return diagnostics.figure_pair(titled, theme, divergent=divergent, log=log)
    if kind == "energy":
        if draws.energy is None:
            return None
        bfmi = () if draws.bfmi is None else draws.bfmi[position]
        return diagnostics.figure_energy(draws.energy[position], bfmi, theme)
    return diagnostics.figure_prior(titled, prior_curves(row, draws, position), theme, log=log)


def register_plots(app: Dash, services: Services) -> None:
    """Add the callbacks of the convergence panel."""

    @app.callback(
        Output("fit-diagnostics", "children"),
        Output("fit-plot-bin", "options"),
        Output("fit-plot-bin", "value"),
        Output("fit-plot-bin", "style"),
        Input("fit-shown", "data"),
        State("fit-plot-bin", "value"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=4)
    def show_verdicts(shown: Any, chosen: Any) -> Any:
        row = stored(services, shown)
        if row is None or row.kind != "nuts":
            return html.P(NOT_CHECKED, className="xd-muted fit-note fit-not-sampled"), [], None, HIDDEN
        options = [{"value": str(b["label"]), "label": f"bin {b['label']}"} for b in row.bins]
        values = [option["value"] for option in options]
        keep = chosen if chosen in values else worst(row)
        return tables.verdicts(verdict_rows(row)), options, keep, {}

    @app.callback(
        Output("fit-plot-graph", "figure"),
        Output("fit-plot-note", "children"),
        Input("fit-plot", "value"),
        Input("fit-plot-bin", "value"),
        Input("shell-current", "data"),
        Input("fit-shown", "data"),
        CONTROLS,
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def show_plot(kind: str, label: Any, current: Any, shown: Any, given: Any) -> Any:
        looked = look(services, current)
        note = diagnostics.WHAT_TO_SEE.get(kind, "")
        if kind == "forest":
            view = view_on_screen(services, looked, shown, given)
            drawing = figure_tau(view.points, looked.theme, unit=looked.xf.q_unit)
            return drawing.to_plotly_json(), note
        return plot_of_draws(services, looked, kind, label, shown), note


def plot_of_draws(services: Services, looked: Looked, kind: str, label: Any, shown: Any) -> Any:
    """A plot of the stored draws, or the sentence why there is none."""
    row = stored(services, shown)
    draws = load_draws(services.settings, row) if row is not None and row.kind == "nuts" else None
    if row is None or draws is None:
        return message(NOT_SAMPLED)
    labels = [b["label"] for b in row.bins]
    position = labels.index(int(label)) if str(label).isdigit() and int(label) in labels else 0
    drawing = figure_of(kind, row, draws, position, looked.theme)
    if drawing is None:
        return message("The energies of this fit were not stored.")
    # another plot has other axes: the figure is sent whole
    return drawing.to_plotly_json()


def worst(row: FitRow) -> str:
    """Label of the bin to look at first: one that fails, or else the first."""
    failing = [b["label"] for b in row.bins if not b.get("converged")]
    return str((failing or [b["label"] for b in row.bins])[0])
