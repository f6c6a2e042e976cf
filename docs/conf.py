"""Sphinx configuration."""

from __future__ import annotations

import re
from typing import Any

from xpcs_dash import __version__

project = "xpcs-dash"
author = "the xpcs-dash developers"
copyright = "the xpcs-dash developers, Apache-2.0"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"xpcs-dash {version}"
suppress_warnings = ["myst.xref_missing", "ref.python"]  # the latter: one name in two modules

autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": False}
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
default_role = "py:obj"

_UNDERLINED = re.compile(r"^-{3,}$")
_DESCRIBED = re.compile(r"^(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*) : (.+)$")


def described(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:  # noqa: ARG001
    """Give ``name : what it is`` of our docstrings, whose types stand in the signature, numpydoc's form."""
    section, made = "", []
    for k, line in enumerate(lines):
        if k + 1 < len(lines) and _UNDERLINED.match(lines[k + 1]):
            section = line.strip()
        found = _DESCRIBED.match(line) if section in ("Parameters", "Attributes") else None
        text = line if found is None else found[2]
        text = re.sub(r"(?<!`)\|(?!`)", r"\\|", text) if "``" not in text else text
        made += [found[1], f"    {text}"] if found else [text]
    lines[:] = made


def setup(app: Any) -> None:
    """Register what is above."""
    app.connect("autodoc-process-docstring", described, priority=100)
