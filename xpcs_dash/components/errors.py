"""Errors become sentences on the page, and never a traceback."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dash import ctx, no_update, set_props
from dash.exceptions import PreventUpdate
from sqlalchemy.exc import SQLAlchemyError

from xpcs_dash.components import graphs, states
from xpcs_dash.errors import UnavailableError, XpcsDashError
from xpcs_dash.logs import get_logger

log = get_logger(__name__)


def foreseen(err: BaseException) -> XpcsDashError | None:
    """The error as a sentence of ours where we know what it means; None where nobody foresaw it.

    A database that is away, or is being restored, is no fault of the program: one line in the log is enough.
    """
    if isinstance(err, XpcsDashError):
        return err
    if isinstance(err, SQLAlchemyError):
        log.warning("the database cannot be used", reason=str(getattr(err, "orig", None) or err))
        kind = type(err).__name__
        return UnavailableError(f"The database cannot be used now ({kind}): try again in a moment.")
    return None


def guarded[**P](fn: Callable[P, Any] | None = None, *, outputs: int = 1, figure: bool = False) -> Any:
    """Make a callback show our errors where its result would stand.

    The first output gets the designed message; further ones keep what they have.

    Parameters
    ----------
    fn : function that returns a component (or, with ``figure``, a patch of a graph).
    outputs : number of outputs of the callback.
    figure : True where the first output is a graph's figure.
    """

    def decorate(inner: Callable[P, Any]) -> Callable[P, Any]:
        @functools.wraps(inner)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                return inner(*args, **kwargs)
            except PreventUpdate:
                raise
            except Exception as err:
                known = foreseen(err)
                if known is None:
                    log.exception("a callback failed", callback=inner.__qualname__)
                name = f"This view could not be made ({type(err).__name__}); the log of the server says more."
                shown = graphs.message(str(known or name)) if figure else states.failed(known or err)
            return shown if outputs == 1 else (shown, *[no_update] * (outputs - 1))

        return call

    return decorate if fn is None else decorate(fn)


def notify(sentence: str, kind: str = "info") -> None:
    """Show a short message in the corner of the page; for use inside a callback.

    Parameters
    ----------
    sentence : what happened.
    kind : "ok", "info", "warning" or "alarm".
    """
    set_props("shell-toast", {"data": {"text": sentence, "kind": kind}})


def on_error(err: Exception) -> Any:
    """Handle an error that no callback handled itself: tell the person, leave the page as it is."""
    known = foreseen(err)
    if known is not None:
        notify(str(known), "alarm")
    else:
        log.error("a callback failed", exc_info=err)
        notify(f"Something went wrong in the server ({type(err).__name__}); its log says more.", "alarm")
    return no_update if ctx.outputs_list else None  # Dash refuses any answer of a callback without outputs
