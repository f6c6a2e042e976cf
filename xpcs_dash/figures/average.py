"""The accept band: one baseline a file, and which of them are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xpcs_dash.figures.theme import axis, base_figure, tokens

if TYPE_CHECKING:
    import plotly.graph_objects as go


def figure_baselines(
    names: Sequence[str],
    baselines: Sequence[float],
    errors: Sequence[float],
    taken: Sequence[bool],
    band: tuple[float, float],
    theme: str = "dark",
) -> go.Figure:
    """Draw the baseline of each file with its error and the accept band.

    Taken files are filled circles, refused ones open crosses: the shape says it without the colour.
    """
    t = tokens(theme)
    figure = base_figure(theme)
    number = list(range(1, len(names) + 1))
    for wanted, colour, symbol, word in ((True, t.ok, "circle", "taken"), (False, t.alarm, "x", "left out")):
        chosen = [k for k, used in enumerate(taken) if bool(used) is wanted]
        figure.add_scatter(
            x=[number[k] for k in chosen],
            y=[baselines[k] for k in chosen],
            error_y={"type": "data", "array": [errors[k] for k in chosen], "thickness": 1, "width": 0},
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 8},
            name=word,
            text=[names[k] for k in chosen],
            hovertemplate="%{text}<br>baseline %{y:.4f}<extra>" + word + "</extra>",
        )
    figure.update_layout(
        xaxis=axis("file in order of selection", rangemode="tozero", dtick=max(1, len(names) // 10)),
        yaxis=axis("baseline of g₂", autorangeoptions={"include": list(band)}),
        shapes=[
            {
                "type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": band[0], "y1": band[1],
                "fillcolor": t.ok, "opacity": 0.12, "line": {"width": 0}, "layer": "below",
            }
        ],
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
    return figure
