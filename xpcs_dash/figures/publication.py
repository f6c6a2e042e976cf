"""Figures for papers, drawn by Matplotlib: sizes in millimetres, embedded fonts, colour-blind-safe.

Each function takes plain arrays and returns a Matplotlib figure; `save` writes it, with its provenance in the
metadata. Matplotlib is imported when a figure is drawn, never at import.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A Matplotlib figure, for modules that pass one on and must not know Matplotlib.
type PaperFigure = Figure

MM_PER_INCH = 25.4

#: Widths of a single and a double column in millimetres, as most journals of the field have them.
COLUMNS_MM = {"single": 85.0, "double": 178.0}


@dataclass(frozen=True)
class PageSize:
    """Width and height of a figure in millimetres."""

    width_mm: float
    height_mm: float

    def __post_init__(self) -> None:
        for name, value in (("width", self.width_mm), ("height", self.height_mm)):
            if not 20.0 <= value <= 1000.0:
                raise UsageError(f"figure {name} {value:g} mm: choose between 20 and 1000 mm.")

    @classmethod
    def preset(cls, column: str, height_mm: float | None = None, aspect: float = 0.75) -> PageSize:
        """Size for a column preset, with ``height_mm`` or width x ``aspect``."""
        if column not in COLUMNS_MM:
            raise UsageError(f"column {column!r}: choose one of {', '.join(COLUMNS_MM)}.")
        width = COLUMNS_MM[column]
        return cls(width, height_mm if height_mm is not None else width * aspect)


@dataclass(frozen=True)
class Curve:
    """One curve with error bars; points that are not ``trusted`` are drawn faintly and without bars.

    The line ``fit`` is solid where it is ``sure``, that is good, and dotted elsewhere.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    label: str = ""
    sigma: NDArray[np.float64] | None = None
    trusted: NDArray[np.bool_] | None = None
    fit: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    sure: bool = True


@dataclass(frozen=True)
class AxisText:
    """Label and scale of an axis."""

    label: str
    log: bool = False


#: Fonts for letters that ours lacks, in titles and units; those that are installed are used.
FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Noto Sans",
)
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "legend.fontsize": 6.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.6,
    "lines.linewidth": 0.9,
    "lines.markersize": 2.6,
    "errorbar.capsize": 0,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType, embedded: journals refuse Type 3
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "savefig.dpi": 600,
}


@contextmanager
def _canvas(size: PageSize, **subplots: Any) -> Iterator[tuple[Figure, Any]]:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({**STYLE, "font.family": _families()}):
        figure = Figure(
            figsize=(size.width_mm / MM_PER_INCH, size.height_mm / MM_PER_INCH), layout="constrained"
        )
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(**subplots)


@cache
def _families() -> list[str]:
    """Our font, then those of this machine that have the letters which it lacks."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return [STYLE["font.family"], *(name for name in FALLBACKS if name in installed)]


def curve_colours(count: int) -> list[tuple[float, float, float, float]]:
    """Colours along viridis without its lightest end, which vanishes on white paper."""
    import matplotlib as mpl

    return [tuple(c) for c in mpl.colormaps["viridis"](np.linspace(0.0, 0.85, max(count, 1)))]


def curves(
    data: Sequence[Curve], x: AxisText, y: AxisText, size: PageSize, *, title: str = "", lines: bool = False
) -> Figure:
    """Draw curves over one pair of axes.

    Raises
    ------
    UsageError
        Where there is nothing to draw.
    """
    if not data:
        raise UsageError("There is no curve to draw: choose at least one q-bin.")
    with _canvas(size) as (figure, axes):
        for curve, colour in zip(data, curve_colours(len(data)), strict=True):
            _draw(axes, curve, colour, lines)
        axes.set(
            xlabel=x.label,
            ylabel=y.label,
            xscale="log" if x.log else "linear",
            yscale="log" if y.log else "linear",
            title=title,
        )
        _follow_trusted(axes, data, y.log)
        for one, text in ((axes.xaxis, x), (axes.yaxis, y)):
            if text.log:
                _label_decades(one)
        labelled = [curve for curve in data if curve.label]
        if labelled:
            axes.legend(ncols=1 + len(labelled) // 9, handletextpad=0.3, columnspacing=0.8)
        return figure


def _draw(axes: Axes, curve: Curve, colour: Any, lines: bool) -> None:
    trusted = np.isfinite(curve.y) if curve.trusted is None else curve.trusted & np.isfinite(curve.y)
    faint = ~trusted & np.isfinite(curve.y)
    if faint.any():
        axes.plot(curve.x[faint], curve.y[faint], "o", color=colour, alpha=0.15, mew=0, zorder=1)
    sigma = None if curve.sigma is None else curve.sigma[trusted]
    style = {"color": colour, "label": curve.label or None, "zorder": 3}
    if lines:
        axes.plot(curve.x[trusted], curve.y[trusted], "-", **style)
    else:
        axes.errorbar(curve.x[trusted], curve.y[trusted], sigma, fmt="o", elinewidth=0.5, mew=0, **style)
    if curve.fit is not None:
        axes.plot(*curve.fit, "-" if curve.sure else ":", color=colour, zorder=4)


def _label_decades(axis: Any) -> None:
    # Short ranges get 1, 2 and 5 of each decade; Matplotlib's own labels would overlap.
    from matplotlib.ticker import LogFormatterSciNotation, LogLocator, NullFormatter

    low, high = sorted(abs(v) for v in axis.get_view_interval())
    if low > 0 and high / low < 300:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(LogFormatterSciNotation(minor_thresholds=(np.inf, np.inf)))
    axis.set_minor_formatter(NullFormatter())


def _follow_trusted(axes: Axes, data: Sequence[Curve], log: bool) -> None:
    # The y range follows the points that count; faint ones may leave it.
    kept = [c.y[c.trusted & np.isfinite(c.y)] for c in data if c.trusted is not None]
    values = np.concatenate(kept) if kept else np.empty(0)
    if values.size < 2 or log:
        return
    low, high = float(values.min()), float(values.max())
    margin = 0.08 * (high - low) or 0.05
    axes.set_ylim(low - margin, high + margin)


def image(
    values: NDArray[Any],
    size: PageSize,
    *,
    x: str,
    y: str,
    colour_label: str,
    extent: tuple[float, float, float, float] | None = None,
    limits: tuple[float, float] | None = None,
    log: bool = False,
    cmap: str = "inferno",
    origin: str = "upper",
    marker: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """Draw an image (H, W) with a colour bar; NaN is shown in grey.

    Parameters
    ----------
    extent : left, right, bottom, top of the outer pixel edges, in the units of the axis labels.
    limits : colour limits; default: 0.5 and 99.5 percentile.
    marker : position of a cross, such as the beam centre.
    """
    import matplotlib as mpl
    from matplotlib.colors import LogNorm, Normalize

    shown = np.asarray(values, dtype=float)
    finite = shown[np.isfinite(shown) & ((shown > 0) | (not log))]
    if not finite.size:
        raise UsageError("There is nothing to draw: every pixel is masked or empty.")
    low, high = limits if limits is not None else np.percentile(finite, (0.5, 99.5))
    if not high > low:
        high = low * 1.0001 if low > 0 else low + 1.0
    if log:
        shown = np.where(shown <= 0, low, shown)  # no photon is the darkest colour; grey means masked
    with _canvas(size) as (figure, axes):
        colours = mpl.colormaps[cmap].with_extremes(bad="0.8")
        norm = LogNorm(low, high, clip=True) if log else Normalize(low, high)
        shown_image = axes.imshow(
            shown,
            cmap=colours,
            norm=norm,
            origin=origin,
            extent=extent,
            interpolation="nearest",
            rasterized=True,
        )
        if marker is not None:
            axes.plot(*marker, "+", color="#54b8ff", ms=7, mew=1)
        axes.set(xlabel=x, ylabel=y, title=title)
        figure.colorbar(shown_image, ax=axes, label=colour_label, shrink=0.9)
        return figure


def save(figure: Figure, path: Path, provenance: str) -> None:
    """Write PDF, SVG or PNG, the kind taken from the suffix, with ``provenance`` in the file's metadata.

    The size on paper is the figure's own: nothing is cropped. Written under a temporary name and renamed.

    Raises
    ------
    UsageError
        For any other suffix.
    """
    import matplotlib as mpl

    kind = path.suffix.lower().lstrip(".")
    metadata: dict[str, Any] = {
        "pdf": {"Subject": provenance, "Creator": "xpcs-dash"},
        "svg": {"Description": provenance, "Creator": "xpcs-dash"},
        "png": {"Description": provenance, "Software": "xpcs-dash"},
    }.get(kind, {})
    if not metadata:
        raise UsageError(
            f"{path.name}: a figure is written as .pdf, .svg or .png, not as {path.suffix or 'no suffix'}."
        )
    partial = path.with_name(f".{path.name}.partial")
    try:
        with mpl.rc_context(STYLE), warnings.catch_warnings():
            # a letter that no font on this machine has is drawn as a box
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
            figure.savefig(partial, format=kind, metadata=metadata)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
