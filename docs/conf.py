"""
How Sphinx builds the documentation.
"""

from __future__ import annotations

import importlib.metadata


project = "auditlog"
author = "The auditlog authors"
copyright = "The auditlog authors"  # noqa: A001 - Sphinx calls it so
release = importlib.metadata.version("auditlog-publisher")
version = release.rpartition(".")[0]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
# What pages include begins with an underscore.
exclude_patterns = ["_build", "**/_*.md"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"auditlog {release}"

autoclass_content = "class"
autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Words in single backticks are names; most are linked, all look like code.
default_role = "code"

nitpicky = True
# The standard library: a build needs no network, and so no inventory of it.
nitpick_ignore = [
    ("py:class", "functools.partial"),
    ("py:class", "UUID"),
    ("py:class", "datetime"),
    ("py:class", "datetime.datetime"),
    ("py:class", "logging.Logger"),
    ("py:class", "uuid.UUID"),
    ("py:func", "asyncio.to_thread"),
]
# Types of fields, by the private modules that they stand in.
nitpick_ignore_regex = [("py:class", r"auditlog\.event\._.*")]
