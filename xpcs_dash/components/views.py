"""What the pages of one file share: the file, its addresses, and answers that may be kept for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from dash import Patch
from flask import Response

from xpcs_dash.components.graphs import blank, graph
from xpcs_dash.components.selection import Selection, View
from xpcs_dash.components.states import empty, failed
from xpcs_dash.components.theme import current_theme
from xpcs_dash.errors import NotFoundError, UsageError, XpcsDashError

if TYPE_CHECKING:
    from xpcs_dash.figures.drawing import Drawing
    from xpcs_dash.results.xpcs_file import XpcsFile
    from xpcs_dash.services import Services

#: Type of the bytes of an array; unlike a download it is packed on its way.
ARRAY = "application/vnd.xpcs-dash.array"
#: Address that names the contents of a file: its answer never changes.
FOREVER = "private, max-age=31536000, immutable"


class NoFileError(UsageError):
    """There is no file to look at yet."""


@dataclass(frozen=True)
class Looked:
    """The primary file of a selection, open, with the theme of the browser that looks.

    Attributes
    ----------
    selection : what is on the screen.
    ref : public name of the primary file.
    xf : the primary file.
    theme : "dark" or "light".
    prefix : URL prefix with slashes at both ends.
    """

    selection: Selection
    ref: str
    xf: XpcsFile
    theme: str
    prefix: str

    def url(self, kind: str, name: str, **query: Any) -> str:
        """Address below ``/<kind>/<file>/<token>/`` with the query names that are not None."""
        given = {key: value for key, value in query.items() if value is not None}
        tail = f"?{urlencode(given, safe=',')}" if given else ""
        return f"{self.prefix}{kind}/{quote(self.ref)}/{self.xf.key.token}/{name}{tail}"

    def labels(self, allowed: Sequence[int], fallback: Sequence[int] = ()) -> tuple[int, ...]:
        """Chosen q-bins that the file has, or ``fallback`` where there is none of them."""
        have = set(allowed)
        chosen = tuple(label for label in self.selection.q or () if label in have)
        return chosen or tuple(fallback)


def look(services: Services, current: Any) -> Looked:
    """Open the primary file of ``shell-current``.

    Raises
    ------
    NoFileError
        While there is no file.
    NotFoundError
        Where the address names one that is not here.
    FileError
        Where it cannot be read.
    """
    selection = Selection.parse(current)
    if selection.primary is None:
        raise nothing_to_show(selection)
    xf = services.kernel.open(selection.primary)
    return Looked(selection, selection.primary, xf, current_theme(), services.settings.url_prefix)


def nothing_to_show(selection: Selection) -> UsageError:
    """The reason why a selection is empty: a name that no file has, or no file at all yet."""
    if selection.missing:
        return NotFoundError(selection.missing[0])
    return NoFileError("No result file yet; the page fills when the first one arrives.")


def nothing_here(selection: Selection, hint: str = "The page fills when the first one arrives.") -> Any:
    """The empty state of a page: what is missing, and what to do."""
    reason = nothing_to_show(selection)
    if isinstance(reason, NotFoundError):
        return failed(reason, "Choose a file in the list, or follow the newest one (l).")
    return empty("No result file yet.", hint)


def first_look(services: Services, query: Mapping[str, str]) -> Looked | None:
    """Open the file that a page is about to show, for its layout; None where the callbacks have to look."""
    view = View.from_query(query)
    names = view.files
    if names is None:
        newest = services.catalogue.newest()
        names = () if newest is None else (newest.ref,)
    try:
        refs = [services.catalogue.find(name).ref for name in names]
        given = {"files": [{"ref": ref} for ref in refs], "q": list(view.q or ()), "follow": not view.files}
        return look(services, given)
    except XpcsDashError:
        return None


def detector_graph(
    id: str,  # noqa: A002 - Dash's own name
    filename: str,
    *,
    upwards: bool = False,
    first: tuple[Drawing, tuple[int, int]] | None = None,
) -> Any:
    """A graph for pictures: square pixels, and rows counted downwards unless ``upwards``.

    Which way an axis runs belongs to its range, which later changes leave alone; so it is set at the start.

    Parameters
    ----------
    id, filename : of the graph.
    upwards : rows are counted upwards.
    first : what the graph shows from the start, and the detector's shape (H, W): a picture that comes with
        the page is drawn before the first callback has answered.
    """
    square = {"constrain": "domain", "showgrid": False, "visible": first is not None}
    axes: dict[str, Any] = {
        "xaxis": square,
        "yaxis": square | {"scaleanchor": "x", "autorange": True if upwards else "reversed"},
    }
    if first is None:
        return graph(id, blank(**axes, dragmode="pan"), filename=filename)
    drawing, shape = first
    for name, ends in zip(("xaxis", "yaxis"), detector_frame(shape), strict=True):
        axes[name] = axes[name] | drawing.layout.get(name, {}) | {"autorange": False, "range": list(ends)}
    shown = blank(**({"dragmode": "pan"} | drawing.layout | axes))
    return graph(id, shown | {"data": drawing.data}, filename=filename)


def framed(change: Patch, x: Sequence[float], y: Sequence[float], before: Any) -> tuple[Patch, list[float]]:
    """Show the whole picture where its extent is another than ``before``; else leave the zoom alone.

    The ranges are set rather than left automatic: a figure without points has nothing to go by, and padded
    outlines near a limit would shift the picture.

    Parameters
    ----------
    change : patch of the figure.
    x, y : first and last value of each axis, in the order in which it runs.
    before : what this function returned last, kept in a store.
    """
    extent = [float(v) for v in (*x, *y)]
    if before != extent:
        for name, ends in (("xaxis", x), ("yaxis", y)):
            change["layout"][name]["autorange"] = False
            change["layout"][name]["range"] = list(ends)
    return change, extent


def frame_of(first: tuple[Drawing, tuple[int, int]] | None) -> list[float] | None:
    """What `framed` will return for the picture that a graph starts with, for the store of its extent."""
    if first is None:
        return None
    x, y = detector_frame(first[1])
    return [*x, *y]


def detector_frame(shape: tuple[int, int]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ends of the axes of a detector image (H, W): pixel centres on integers, rows downwards."""
    return (-0.5, shape[1] - 0.5), (shape[0] - 0.5, -0.5)


def name_of(services: Services, ref: str) -> str:
    """Short name of a file of the catalogue."""
    return str(services.catalogue.get(ref).name)


def answer(body: bytes, mimetype: str, *, current: bool, **headers: str) -> Response:
    """A response of a data route; Flask-Compress packs what `web.PACKED` names.

    Parameters
    ----------
    body : content.
    mimetype : its type; `ARRAY` for the bytes of an array.
    current : True where the address carries the token of the file's present contents: kept for good then.
    **headers : further headers, with ``_`` for ``-``.
    """
    made = Response(body, mimetype=mimetype)
    made.headers["Cache-Control"] = FOREVER if current else "no-store"
    for name, value in headers.items():
        made.headers[name.replace("_", "-")] = value
    return made
