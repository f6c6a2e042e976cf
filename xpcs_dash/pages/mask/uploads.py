"""Files that a person drops on the page, read through a temporary file that goes away again."""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from pathlib import Path
from typing import Any

from xpcs_dash.components.downloads import safe_name
from xpcs_dash.errors import UsageError, XpcsDashError


def decoded(content: str) -> bytes:
    """The bytes of an upload.

    Raises
    ------
    UsageError
        Where they arrived damaged.
    """
    try:
        return base64.b64decode(str(content).partition(",")[2], validate=True)
    except (ValueError, binascii.Error):
        raise UsageError("the upload arrived damaged; try again.") from None


def uploaded(content: str, name: str, read: Any) -> Any:
    """What ``read`` makes of an upload; errors speak of the file by the name that the person knows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / safe_name(re.split(r"[/\\]", name)[-1])
        path.write_bytes(decoded(content))
        try:
            return read(path)
        except XpcsDashError as err:
            # libraries name the whole path, which means nothing to the person
            raise UsageError(str(err).replace(f"{folder}/", "")) from None
