"""What jobs may call. The queue knows no kinds: it carries dotted names, and calls only those it was given.

The names come from the composition root, `xpcs_dash.services`. They are named, not imported: the web and the
dispatcher must not import what a worker computes with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from xpcs_dash.errors import UsageError

__all__ = ["Task", "Tasks", "resolve"]


@dataclass(frozen=True)
class Task:
    """One thing that jobs do, as names ``module:function``.

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


@dataclass(frozen=True)
class Tasks:
    """The tasks that a list of jobs may hold, by the name that stands in the list.

    Attributes
    ----------
    by_name : name in the list -> what it calls.
    warm : ``f() -> None``, which a new worker calls before its first job, or None.
    """

    by_name: Mapping[str, Task] = field(default_factory=dict)
    warm: str | None = None

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def find(self, name: str) -> Task:
        """The task of that name.

        Raises
        ------
        UsageError
            Where there is none.
        """
        try:
            return self.by_name[name]
        except KeyError:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise UsageError(f"no kind of job is called {name!r}; there are {known}.") from None

    @property
    def callable_names(self) -> frozenset[str]:
        """All dotted names that may be called."""
        given = [(t.run, t.prepare, t.finish) for t in self.by_name.values()]
        return frozenset(name for names in [*given, (self.warm,)] for name in names if name is not None)


def resolve(name: str, allowed: Collection[str]) -> Callable[..., Any]:
    """The function that ``module:function`` names; imports the module.

    Raises
    ------
    UsageError
        Where the name is none of ``allowed``; nothing is imported then.
    """
    if name not in allowed:
        raise UsageError(f"{name!r} is not among what jobs may call; the job was made by another version.")
    module, _, attribute = name.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), attribute)
    return function
