"""Images in files that hold nothing else: TIFF, EDF, CBF, NPY.

A file is read through one descriptor and understood by what it begins with, so that none of the many formats
behind these endings can name another file: HDF5 under the name of a picture, or an EDF header whose values
lie elsewhere.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UnreadableFile
from xpcs_dash.hdf5.reach import Reach, look

__all__ = ["read_array"]

#: First bytes -> module and class of fabio that reads what follows.
_FORMATS = (
    (rb"(II\*\0|MM\0\*)", "tifimage", "TifImage"),
    (rb"###CBF", "cbfimage", "CbfImage"),
    (rb"\s*\{", "edfimage", "EdfImage"),
)
_ELSEWHERE = re.compile(rb"EDF_BinaryFileName", re.IGNORECASE)


def read_array(path: Path, reach: Reach | None = None) -> NDArray[Any]:
    """The array of an image file.

    Parameters
    ----------
    path : the file.
    reach : where it must lie; None: anywhere.

    Raises
    ------
    FileError
        Where it lies elsewhere or is not an image that can be read.
    """
    found = look(path) if reach is None else reach.open(path)
    try:
        data = Path(found.name).read_bytes()
    except OSError as err:
        raise UnreadableFile(path, f"it cannot be opened ({err.strerror})", "check your rights") from None
    finally:
        found.close()
    if path.suffix.lower() == ".npy":
        try:
            return np.asarray(np.lib.format.read_array(io.BytesIO(data), allow_pickle=False))
        except (OSError, ValueError, EOFError) as err:
            raise UnreadableFile(path, f"not a NumPy array ({err})", "save it with numpy.save") from None
    return _by_fabio(path, data)


def _by_fabio(path: Path, data: bytes) -> NDArray[Any]:
    form = next(((m, c) for start, m, c in _FORMATS if re.match(start, data)), None)
    if form is None:
        raise UnreadableFile(
            path, "it begins like none of the images that can be read", "give TIFF, EDF, CBF or NPY"
        )
    if form[1] == "EdfImage" and _ELSEWHERE.search(data):
        raise UnreadableFile(
            path, "its values lie in another file, which is not read", "save them in one file"
        )
    from importlib import import_module

    from fabio.fabioutils import BytesIO  # with the lock that its readers ask for

    reader = getattr(import_module(f"fabio.{form[0]}"), form[1])()
    try:
        return np.array(reader.read(BytesIO(data)).data)
    except Exception as err:  # fabio raises whatever its many readers do
        reason = " ".join(str(err).split())[:160] or type(err).__name__
        raise UnreadableFile(
            path, f"not an image that can be read ({reason})", "give TIFF, EDF, CBF or NPY"
        ) from None
