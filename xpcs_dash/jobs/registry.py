"""Which kinds of jobs exist and where their functions live.

The functions are named, not imported: the web and the dispatcher must not import what a worker computes with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from xpcs_dash.errors import UsageError


@dataclass(frozen=True)
class Kind:
    """One kind of job, as names ``module:function``.

    A worker may sit on another machine that sees neither the catalogue nor the data: `prepare` and `finish`
    run in the dispatcher, `run` on the worker, and only plain data travel between them.

    Attributes
    ----------
    run : ``f(params, ctx) -> dict``, executed by a worker.
    prepare : ``f(params, settings) -> dict``, or None; its answer takes the place of ``params`` in `run`.
    finish : ``f(params, answer, settings) -> dict``, or None; its answer is the result in the job list.
    restartable : False where doing it twice would do harm; such a job becomes interrupted, not queued again.
    """

    run: str
    prepare: str | None = None
    finish: str | None = None
    restartable: bool = True


KINDS: dict[str, Kind] = {
    "nlsq": Kind(
        run="xpcs_dash.jobs.kinds.fit:run_nlsq",
        prepare="xpcs_dash.jobs.kinds.fit:prepare",
        finish="xpcs_dash.jobs.kinds.fit:finish",
    ),
    "nuts": Kind(
        run="xpcs_dash.jobs.kinds.fit:run_nuts",
        prepare="xpcs_dash.jobs.kinds.fit:prepare",
        finish="xpcs_dash.jobs.kinds.fit:finish",
    ),
    "average": Kind(run="xpcs_dash.jobs.kinds.average:run", prepare="xpcs_dash.jobs.kinds.average:prepare"),
    "regroup": Kind(run="xpcs_dash.jobs.kinds.regroup:run", prepare="xpcs_dash.jobs.kinds.regroup:prepare"),
    "sleep": Kind(run="xpcs_dash.jobs.kinds.sleep:run"),
}


def find(kind: str) -> Kind:
    """The kind of that name.

    Raises
    ------
    UsageError
        Where there is none.
    """
    try:
        return KINDS[kind]
    except KeyError:
        raise UsageError(
            f"no kind of job is called {kind!r}; there are {', '.join(sorted(KINDS))}."
        ) from None


def resolve(name: str) -> Callable[..., Any]:
    """The function that ``module:function`` names; imports the module."""
    module, _, attribute = name.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), attribute)
    return function
