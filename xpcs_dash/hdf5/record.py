"""Reading of a record with every mishap turned into a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from xpcs_dash.errors import FileError, IncompleteFile, UnreadableFile, XpcsDashError
from xpcs_dash.hdf5.records import OpenFile, RawResult

__all__ = ["read_record"]


def read_record(source: OpenFile, read: Callable[[OpenFile], RawResult]) -> RawResult:
    """What ``read`` makes of an open file, with a warning for each object that leads out of reach.

    Raises
    ------
    XpcsDashError
        One sentence with the file, the reason and the remedy; ``transient`` says whether waiting may help.
    """
    try:
        raw = read(source)
        refused = source.h5.remarks()
        return replace(raw, warnings=tuple(dict.fromkeys((*raw.warnings, *refused)))) if refused else raw
    except FileError as err:
        refused = source.h5.remarks()
        if not refused or "and is not read" in err.reason:
            raise
        # what is missing may be missing because it must not be read
        err.reason = f"{err.reason} ({refused[0]})"
        raise
    except XpcsDashError:
        raise
    except MemoryError:
        raise IncompleteFile(
            source.path, "its header asks for more memory than there is", "process it again"
        ) from None
    except (
        Exception
    ) as err:  # a damaged file can make the library raise anything: it must become one sentence
        reason = " ".join(str(err).split()) or type(err).__name__
        raise UnreadableFile(
            source.path,
            f"it cannot be read ({reason[:200]})",
            "it may be damaged: copy it again",
            transient=True,
        ) from err
