"""What the stability page draws and lists."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from dash import html

from xpcs_dash.analysis import intensity, saxs
from xpcs_dash.analysis import views as derived
from xpcs_dash.analysis.stability import Report
from xpcs_dash.components.states import mark, warning_line
from xpcs_dash.components.views import Looked
from xpcs_dash.errors import UsageError
from xpcs_dash.figures import stability as figures
from xpcs_dash.figures.format import count, engineering, format_q, signed
from xpcs_dash.rules.steadiness import RULES, Verdict
from xpcs_dash.services import Services

FIRST_ONLY = "first file only"


def verdict_mark(verdict: Verdict) -> Any:
    """The verdict as sign, colour and word, with its rule as the tip."""
    return mark(verdict.severity, verdict.state, title=verdict.rule)


def segments(services: Services, seen: Looked, relative: bool, axes: str) -> tuple[Any, str]:
    """Figure of the time segments and its conditions."""
    xf = seen.xf
    report = derived.stability_report(services.kernel, seen.ref)
    if report.shapes is None or xf.static is None:
        raise UsageError("This file holds no time segments of I(q).")
    pixels = derived.static_pixels(services.kernel, seen.ref)
    lines = saxs.segment_lines(report.shapes.curves, xf.static, pixels)
    x, y = axes.split("-")
    fig = figures.figure_segments(
        xf.static.axis0, lines, seen.theme, relative=relative, x_log=x == "log", y_log=y == "log"
    )
    words = f"{len(lines)} segments, each by its own mean"
    return fig, f"{words} · {FIRST_ONLY}" if xf.averaged_from else words


def intensity_figure(services: Services, seen: Looked, window: Any) -> tuple[Any, str]:
    """I(t) with its moving average, and its conditions."""
    int_t = _int_t(seen)
    frames = int(window) if window else 1
    if not 1 <= frames <= int_t.shape[1]:
        raise UsageError(f"The moving average takes 1 to {count(int_t.shape[1])} frames in this file.")

    def compute(xf: Any) -> Any:
        t, y = xf.int_t
        plain = intensity.decimate(t, y)
        smooth = intensity.decimate(t, intensity.moving_average(y, frames)) if frames > 1 else None
        return plain, smooth

    plain, smooth = services.kernel.derived(seen.ref, "stability.int_t", (frames,), compute)
    fig = figures.figure_smoothed(plain, smooth, seen.theme, window=frames)
    step = seen.xf.processed_frame_time_s
    words = f"mean and range of {count(plain.width)} frames" if plain.width > 1 else "every frame"
    if step:
        words += f" ({engineering(plain.width * step, 's')})"
    return fig, f"{words} · {FIRST_ONLY}" if seen.xf.averaged_from else words


def spectrum_figure(services: Services, seen: Looked) -> tuple[Any, str]:
    """Spectrum of I(t) in Hz and its conditions."""
    _int_t(seen)
    step = seen.xf.processed_frame_time_s
    if step is None:
        raise UsageError("This file does not give the frame time: frequencies would be a guess.")

    def compute(xf: Any) -> Any:
        found = intensity.spectrum(xf.int_t[1], step)
        return intensity.decimate_spectrum(found), intensity.lines(found), float(found.frequency[-1])

    shown, peaks, top = services.kernel.derived(seen.ref, "stability.spectrum", (), compute)
    named = ", ".join(f"{engineering(f, 'Hz')} ({a:.2%})" for f, a in peaks) or "no line above noise"
    return figures.figure_spectrum(shown, peaks, seen.theme), f"to {engineering(top, 'Hz')} · {named}"


def _int_t(seen: Looked) -> Any:
    int_t = seen.xf.int_t
    if int_t is None or int_t.shape[1] == 0:
        raise UsageError("This file holds no intensity over time.")
    return int_t


def partials_figure(seen: Looked) -> tuple[Any, str]:
    """Cumulative partial g2 of the first chosen q-bin, and its conditions."""
    xf = seen.xf
    if xf.partial_g2 is None or not len(xf.partial_g2):
        raise UsageError(
            "This file holds no partial g2; the correlator writes them when asked for (num_partial_g2)."
        )
    label = seen.labels(range(1, xf.n_q + 1), (1,))[0]
    lines = xf.partial_g2[:, :, label - 1]
    good = np.isfinite(lines) & (lines != 0) & xf.trusted[:, label - 1]
    if not good.any():
        raise UsageError("The partial g2 of this file hold no usable point (no coincidences recorded).")
    fig = figures.figure_partials(xf.t_el, lines, good, partial_names(xf), seen.theme)
    return fig, f"bin {label}, q = {format_q(float(xf.q[label - 1]), xf.q_unit)} · cumulative"


def partial_names(xf: Any) -> list[str]:
    """Text of each cumulative partial: its frames where the file gives them, else its number."""
    n = len(xf.partial_g2)
    labels = xf.partial_labels
    if labels is not None and np.size(labels) == n and np.all(np.asarray(labels) > 0):
        return [f"0 … {count(int(v))} frames" for v in labels]
    return [f"first {k} of {n} parts" for k in range(1, n + 1)]


def verdict_panel(report: Report) -> Any:
    """Verdict, rule, notes, and the numbers of I(t)."""
    verdict = report.verdict
    rows: list[tuple[str, str]] = []
    if report.drift is not None:
        d = report.drift
        error = f" ± {d.relative_err:.2%}" if math.isfinite(d.relative_err) else ""
        rows += [
            ("mean I(t)", engineering(d.mean)),
            ("drift over the run", signed(f"{d.relative:+.2%}") + error),
            ("slope", "—" if d.slope_per_s is None else signed(f"{100 * d.slope_per_s:+.3g}") + " % per s"),
            (f"scatter of {RULES.blocks} blocks", f"{d.scatter:.2%}"),
            ("time without beam", f"{d.lost_share:.1%}"),
        ]
    if report.shapes is not None:
        s = report.shapes
        rows.append(("largest change of shape", _percent(_largest(s.excess), 2) + " %"))
        rows.append(("largest χ² against segment 1", s.chi2_why or f"{_largest(s.chi2):.2f}"))
    return [
        html.Div(
            [html.Strong(verdict_mark(verdict), id="stability-verdict"), html.Span(verdict.rule)],
            className="xd-views-verdict",
        ),
        html.Div([warning_line(note) for note in verdict.notes], className="xd-views-warnings"),
        html.Table(
            html.Tbody([html.Tr([html.Th(n), html.Td(v, className="xd-num")]) for n, v in rows]),
            className="xd-table",
        ),
        html.P(RULES.sentence, className="xd-views-note"),
    ]


def _largest(values: Any) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else float("nan")


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}" if math.isfinite(value) else "—"


def numbers_panel(report: Report, label: int) -> Any:
    """Tables per segment and per cumulative partial g2."""
    tables = []
    if report.shapes is not None:
        s = report.shapes
        rows = [
            [str(k + 1), _percent(s.total[k]), _percent(s.rms[k]), _percent(s.noise[k]), _plain(s.chi2[k])]
            for k in range(len(s.rms))
        ]
        tables.append(_table(["segment", "mean (%)", "RMS shape (%)", "noise (%)", "χ²"], rows))
    if report.partials is not None:
        p = report.partials
        rows = [
            [
                str(k + 1),
                count(int(p.frames[k])) if np.isfinite(p.frames[k]) else "not recorded",
                _plain(p.baseline[k, label - 1], 4),
                _plain(p.contrast[k, label - 1], 4),
            ]
            for k in range(len(p.baseline))
        ]
        tables.append(_table(["partial g₂", "frames", "baseline", f"contrast, bin {label}"], rows))
    if not tables:
        return html.P("This file holds neither time segments nor partial g₂.", className="xd-views-note")
    return tables


def _plain(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "—"


def _table(head: list[str], rows: list[list[str]]) -> Any:
    return html.Table(
        [
            html.Thead(
                html.Tr([html.Th(name, className="xd-num" if i else "") for i, name in enumerate(head)])
            ),
            html.Tbody(
                [
                    html.Tr([html.Td(v, className="xd-num" if i else "") for i, v in enumerate(row)])
                    for row in rows
                ]
            ),
        ],
        className="xd-table",
    )
