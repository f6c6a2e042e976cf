"""Plots that show whether a sampler converged, from the stored draws; light enough for the web process.

ArviZ-plots 1.3 draws the same kinds with Plotly 7, but is not used here: importing it takes 6 s of processor
time and 150 MB and pulls in JAX and Matplotlib, which a web process must not; once warm, one bin of 4 x 1000
draws takes 0.4 s (rank) and 0.06 to 0.13 s (others), against 0.3 to 2 ms here; and rank and energy fail on
draws that have a dimension of bins. The tests hold the numbers of these plots against ArviZ's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xpcs_dash.figures.draw_numbers import Draws, autocorrelation, density, rank_counts
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.theme import axis, q_colours, tokens, with_alpha

KINDS: dict[str, str] = {
    "trace": "Trace",
    "rank": "Rank",
    "autocorrelation": "Autocorrelation",
    "pair": "Pairs",
    "energy": "Energy",
    "prior": "Prior",
    "forest": "τ(q)",
}
"""The plots of the diagnostics panel, in the order of its tabs."""

WHAT_TO_SEE: dict[str, str] = {
    "trace": "Chains that lie on top of each other and do not drift have converged.",
    "rank": "Every chain should visit low and high values equally often: flat bars.",
    "autocorrelation": "Should fall to the grey band soon; a slow fall means few independent draws.",
    "pair": "A narrow ridge means that two parameters depend on each other; ✕ marks divergences.",
    "energy": "The two shapes should be equally wide; a narrow transition means a BFMI that is too small.",
    "prior": "Prior and posterior: where they look alike, the data have said nothing.",
    "forest": "Relaxation times with 94 % intervals; ▲ use with care, ✕ not usable.",
}


def _place(k: int) -> str:
    return "" if k == 0 else str(k + 1)


def _rows(
    titles: Sequence[str], x_title: str, y_title: str = "", **y_axis: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Layout of one row a title on a common x axis, and the axes that the traces of each row are put on."""
    layout: dict[str, Any] = {
        "annotations": [], "shapes": [], "showlegend": False, "margin": {"l": 66, "r": 12, "t": 22, "b": 42},
    }  # fmt: skip
    gap, n = 0.09, max(len(titles), 1)
    height = (1 - gap * (n - 1)) / n
    for k, title in enumerate(titles):
        top, tail, last = 1 - k * (height + gap), _place(k), k == n - 1
        layout[f"xaxis{tail}"] = {"anchor": f"y{tail}", "showticklabels": last} | (
            {"matches": "x"} if k else {}
        )
        layout[f"xaxis{tail}"]["title"] = {"text": x_title if last else ""}
        layout[f"yaxis{tail}"] = {"domain": [max(top - height, 0.0), top], "anchor": f"x{tail}", "nticks": 4}
        layout[f"yaxis{tail}"] |= y_axis
        layout["annotations"].append(_name(title, 0, top))
    if y_title:
        layout["annotations"].append(_beside(y_title))
    return layout, [{"type": "scatter", "xaxis": f"x{_place(k)}", "yaxis": f"y{_place(k)}"} for k in range(n)]


def _beside(text: str) -> dict[str, Any]:
    """Name of the y axis that all rows have."""
    return {
        "text": text, "x": 0, "xshift": -62, "xanchor": "left", "y": 0.5, "yanchor": "middle",
        "xref": "paper", "yref": "paper", "textangle": -90, "showarrow": False, "font": {"size": 12},
    }  # fmt: skip


def _expected(k: int, low: float, high: float, colour: str) -> dict[str, Any]:
    """The range in which a good sampler stays, behind row ``k``."""
    return {
        "type": "rect", "xref": f"x{_place(k)} domain", "yref": f"y{_place(k)}", "x0": 0, "x1": 1,
        "y0": low, "y1": high, "fillcolor": with_alpha(colour, 0.2), "line": {"width": 0}, "layer": "below",
    }  # fmt: skip


def _tick_format(title: str) -> str:
    """Seconds take a prefix; pure numbers are written out."""
    return ".3~s" if title.endswith("(s)") else ""


def _cells(n: int, columns: int, gap: tuple[float, float]) -> list[tuple[list[float], list[float]]]:
    rows = math.ceil(n / columns)
    width, height = (1 - gap[0] * (columns - 1)) / columns, (1 - gap[1] * (rows - 1)) / rows
    places = []
    for k in range(n):
        row, column = divmod(k, columns)
        left, top = column * (width + gap[0]), 1 - row * (height + gap[1])
        places.append(([left, min(left + width, 1.0)], [max(top - height, 0.0), top]))
    return places


def _name(text: str, left: float, top: float) -> dict[str, Any]:
    return {
        "text": text, "x": left, "y": top, "xref": "paper", "yref": "paper", "showarrow": False,
        "xanchor": "left", "yanchor": "bottom", "font": {"size": 12},
    }  # fmt: skip


def chain_colours(n: int, theme: str = "dark") -> list[str]:
    """One colour a chain; the same in every plot."""
    return q_colours(n, theme)


def figure_trace(
    draws: Mapping[str, Draws],
    theme: str = "dark",
    *,
    divergent: np.ndarray | None = None,
    log: Sequence[str] = (),
) -> Drawing:
    """Draws in the order in which they were made, one row a parameter.

    Parameters
    ----------
    draws : title (with unit) -> (n_chain, n_draw).
    theme : "dark" or "light".
    divergent : (n_chain, n_draw) bool; marked at the foot of each row.
    log : titles drawn on a log axis.
    """
    t = tokens(theme)
    data: list[dict[str, Any]] = []
    layout, places = _rows(list(draws), "draw")
    for k, (title, values) in enumerate(draws.items()):
        steps = pack(np.arange(1, values.shape[1] + 1), "i4")
        for chain, colour in enumerate(chain_colours(len(values), theme)):
            data.append(
                places[k]
                | {
                    "mode": "lines",
                    "x": steps,
                    "y": pack(values[chain], "f8"),
                    "line": {"color": with_alpha(colour, 0.75), "width": 0.8},
                    "hovertemplate": f"chain {chain + 1}, draw %{{x}}<br>%{{y:.4~s}}<extra></extra>",
                }
            )
        if divergent is not None and divergent.any():
            _, when = np.nonzero(divergent)
            data.append(
                places[k]
                | {
                    "mode": "markers",
                    "x": pack(when + 1, "i4"),
                    "y": pack(np.full(when.size, values.min()), "f8"),
                    "marker": {"symbol": "line-ns-open", "size": 9, "color": t.alarm},
                    "hovertemplate": "divergence at draw %{x}<extra></extra>",
                }
            )
        layout[f"yaxis{_place(k)}"] |= {
            "type": "log" if title in log else "linear",
            "tickformat": _tick_format(title),
        }
    return Drawing(data, layout, theme)


def figure_rank(draws: Mapping[str, Draws], theme: str = "dark", bins: int = 20) -> Drawing:
    """Rank histograms of each chain, one row a parameter, with the 95 % range of chains that agree.

    Parameters
    ----------
    draws : title -> (n_chain, n_draw).
    theme : "dark" or "light".
    bins : parts of the ranks.
    """
    data: list[dict[str, Any]] = []
    layout, places = _rows(list(draws), "rank among all draws", "draws / expected", rangemode="tozero")
    centres = pack((np.arange(bins) + 0.5) / bins)
    for k, values in enumerate(draws.values()):
        counts = rank_counts(values, bins)
        for chain, colour in enumerate(chain_colours(len(values), theme)):
            data.append(
                places[k]
                | {
                    "mode": "lines",
                    "line": {"shape": "hvh", "color": colour, "width": 1.4},
                    "x": centres,
                    "y": pack(counts[chain]),
                    "hovertemplate": f"chain {chain + 1}<br>%{{y:.2f}} × expected<extra></extra>",
                }
            )
        spread = 1.96 * math.sqrt(bins / values.shape[1] * (1 - 1 / bins))
        layout["shapes"].append(_expected(k, 1 - spread, 1 + spread, tokens(theme).nodata))
        layout[f"xaxis{_place(k)}"]["tickformat"] = ".0%"
    return Drawing(data, layout, theme)


def figure_autocorrelation(draws: Mapping[str, Draws], theme: str = "dark", lags: int = 100) -> Drawing:
    """Autocorrelation over lag, one row a parameter, with the 95 % range of independent draws."""
    data: list[dict[str, Any]] = []
    layout, places = _rows(
        list(draws), "lag (draws)", "autocorrelation", autorangeoptions={"include": [-0.3, 1.0]}
    )
    for k, values in enumerate(draws.values()):
        rho = autocorrelation(values, lags)
        for chain, colour in enumerate(chain_colours(len(values), theme)):
            data.append(
                places[k]
                | {
                    "mode": "lines",
                    "line": {"color": colour, "width": 1.3},
                    "x": pack(np.arange(rho.shape[1]), "i4"),
                    "y": pack(rho[chain]),
                    "hovertemplate": f"chain {chain + 1}, lag %{{x}}: %{{y:.2f}}<extra></extra>",
                }
            )
        spread = 1.96 / math.sqrt(values.shape[1])
        layout["shapes"].append(_expected(k, -spread, spread, tokens(theme).nodata))
    return Drawing(data, layout, theme)


def figure_pair(
    draws: Mapping[str, Draws],
    theme: str = "dark",
    *,
    divergent: np.ndarray | None = None,
    log: Sequence[str] = (),
    most: int = 1000,
) -> Drawing:
    """Every parameter against every other; divergences on top.

    Parameters
    ----------
    draws : title -> (n_chain, n_draw).
    divergent : (n_chain, n_draw) bool.
    theme : "dark" or "light".
    log : titles drawn on a log axis.
    most : draws shown; every n-th where there are more. Divergences are all shown.
    """
    t = tokens(theme)
    names = list(draws)
    flat = {name: draws[name].ravel() for name in names}
    n = max(len(names) - 1, 1)
    total = next(iter(flat.values())).size if flat else 0
    some = np.arange(0, total, max(1, total // most))
    bad = np.flatnonzero(divergent.ravel()) if divergent is not None else np.zeros(0, dtype=int)
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"showlegend": False, "margin": {"l": 70, "r": 12, "t": 10, "b": 50}}
    gap = 0.03
    size = (1 - gap * (n - 1)) / n
    k = 0
    for row in range(1, len(names)):
        for column in range(row):
            x, y = names[column], names[row]
            at = {"xaxis": f"x{_place(k)}", "yaxis": f"y{_place(k)}", "type": "scatter", "mode": "markers"}
            data.append(
                {
                    **at, "x": pack(flat[x][some], "f8"), "y": pack(flat[y][some], "f8"), "hoverinfo": "skip",
                    "marker": {"size": 3, "color": with_alpha(t.accent, 0.35)},
                }
            )  # fmt: skip
            if bad.size:
                data.append(
                    {
                        **at, "x": pack(flat[x][bad], "f8"), "y": pack(flat[y][bad], "f8"),
                        "marker": {"size": 7, "color": t.alarm, "symbol": "x-thin-open"},
                        "hovertemplate": "divergence<extra></extra>",
                    }
                )  # fmt: skip
            top = 1 - (row - 1) * (size + gap)
            left = column * (size + gap)
            foot, side = row == len(names) - 1, column == 0
            spans = [left, min(left + size, 1.0)], [max(top - size, 0.0), top]
            layout[f"xaxis{_place(k)}"] = _pair_axis(spans[0], f"y{_place(k)}", x, x in log, foot)
            layout[f"yaxis{_place(k)}"] = _pair_axis(spans[1], f"x{_place(k)}", y, y in log, side)
            k += 1
    return Drawing(data, layout, theme)


def _pair_axis(domain: list[float], anchor: str, title: str, log: bool, outer: bool) -> dict[str, Any]:
    return {
        "domain": domain, "anchor": anchor, "showticklabels": outer, "nticks": 4,
        "tickformat": _tick_format(title), "tickfont": {"size": 10},
        "title": {"text": title if outer else "", "font": {"size": 11}},
        "type": "log" if log else "linear",
    }  # fmt: skip


def figure_energy(energy: Draws, bfmi: Sequence[float] = (), theme: str = "dark") -> Drawing:
    """Marginal energy and energy transitions of each chain (Betancourt, arXiv:1604.00695).

    Parameters
    ----------
    energy : (n_chain, n_draw) Hamiltonian of each draw.
    bfmi : (n_chain,) for the title.
    theme : "dark" or "light".
    """
    t = tokens(theme)
    centred = (energy - energy.mean(axis=1, keepdims=True)).ravel()
    steps = np.diff(energy, axis=1).ravel()
    data = []
    for values, name, colour in (
        (centred, "energy", with_alpha(t.accent, 0.5)),
        (steps, "transition", with_alpha(t.stale, 0.5)),
    ):
        x, y = density(values)
        data.append(
            {
                "type": "scatter", "mode": "lines", "x": pack(x), "y": pack(y), "name": name,
                "fill": "tozeroy", "fillcolor": colour, "line": {"color": colour, "width": 1},
                "hoverinfo": "skip",
            }
        )  # fmt: skip
    text = ", ".join(f"{value:.2f}" for value in bfmi if math.isfinite(value))
    layout = {
        "xaxis": axis("energy minus its mean"), "yaxis": {
            "showticklabels": False, "rangemode": "tozero", "title": {"text": "density"},
        },
        "legend": {"x": 0.98, "xanchor": "right", "y": 0.98}, "margin": {"l": 40, "r": 12, "t": 22, "b": 42},
        "annotations": [_name(f"BFMI by chain: {text}", 0, 1)] if text else [], "showlegend": True,
    }  # fmt: skip
    return Drawing(data, layout, theme)


def figure_prior(
    draws: Mapping[str, Draws],
    priors: Mapping[str, tuple[np.ndarray, np.ndarray]],
    theme: str = "dark",
    *,
    log: Sequence[str] = (),
) -> Drawing:
    """Prior (outline) and posterior (filled) of each parameter.

    Parameters
    ----------
    draws : title -> (n_chain, n_draw).
    priors : title -> (x, density) of the prior; per unit of ln x for titles in ``log``.
    theme : "dark" or "light".
    log : titles on a log axis.
    """
    t = tokens(theme)
    columns = 1 if len(draws) == 1 else 2
    places = _cells(len(draws), columns, (0.08, 0.22))
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "annotations": [],
        "showlegend": True,
        "margin": {"l": 40, "r": 12, "t": 24, "b": 40},
    }
    layout["legend"] = {"x": 1, "xanchor": "right", "y": 1.0, "yanchor": "bottom", "orientation": "h"}
    for k, (title, values) in enumerate(draws.items()):
        at = {"xaxis": f"x{_place(k)}", "yaxis": f"y{_place(k)}", "type": "scatter", "mode": "lines"}
        on_log = title in log
        x, y = density(values.ravel(), log=on_log)
        data.append(
            {
                **at, "x": pack(x, "f8"), "y": pack(y), "fill": "tozeroy",
                "fillcolor": with_alpha(t.accent, 0.4), "line": {"color": t.accent, "width": 1.2},
                "name": "posterior", "showlegend": k == 0, "hoverinfo": "skip",
            }
        )  # fmt: skip
        low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
        if title in priors:
            px, py = priors[title]
            data.append(
                {
                    **at, "x": pack(px, "f8"), "y": pack(py),
                    "line": {"color": t.muted, "width": 1.4, "dash": "dash"},
                    "name": "prior", "showlegend": k == 0, "hoverinfo": "skip",
                }
            )  # fmt: skip
            # some of the prior stays in sight even where the posterior is a needle in it
            span = 3 * (math.log(high / low) if on_log and low > 0 else high - low)
            low, high = (
                (low * math.exp(-span), high * math.exp(span)) if on_log else (low - span, high + span)
            )
            low, high = max(low, float(px.min())), min(high, float(px.max()))
        (left, right), (bottom, top) = places[k]
        layout[f"xaxis{_place(k)}"] = {
            "domain": [left, right], "anchor": f"y{_place(k)}", "nticks": 5,
            "tickformat": _tick_format(title), "type": "log" if on_log else "linear",
            "autorangeoptions": {"include": [low, high], "clipmin": low, "clipmax": high},
        }  # fmt: skip
        layout[f"yaxis{_place(k)}"] = {
            "domain": [bottom, top], "anchor": f"x{_place(k)}", "showticklabels": False,
            "rangemode": "tozero", "title": {"text": "density" if left == 0 else ""},
        }  # fmt: skip
        layout["annotations"].append(_name(title, left, top))
    return Drawing(data, layout, theme)
