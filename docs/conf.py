"""Sphinx configuration."""

from xpcs_dash import __version__

project = "xpcs-dash"
author = "the xpcs-dash developers"
copyright = "the xpcs-dash developers, Apache-2.0"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"xpcs-dash {version}"
suppress_warnings = ["myst.xref_missing"]
