"""
How Sphinx builds the documentation.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import sys

from pathlib import Path


HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "auditlog"
author = "The auditlog authors"
copyright = "The auditlog authors"  # noqa: A001 - Sphinx calls it so
release = importlib.metadata.version("auditlog-publisher")
version = release.rpartition(".")[0]

extensions = [
    "foreign_names",
    "long_names",
    "signatures",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
# What pages include begins with an underscore.
exclude_patterns = ["_build", "_ext", "**/_*.md"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Tests run the notebooks and compare; here they show what they hold.
nb_execution_mode = "off"
for notebook in (HERE.parent / "examples").glob("*.ipynb"):
    shutil.copy2(notebook, HERE / "examples")

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"auditlog {release}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False

autoclass_content = "class"
autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 79
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Words in single backticks are names; most are linked, all look like code.
default_role = "code"

nitpicky = True
# Names for types that the text beside them tells, and types of others.
nitpick_ignore = [
    ("py:class", "Buffer"),  # of collections.abc, since Python 3.12
    ("py:class", "Direction"),
    ("py:class", "EventField"),
    ("py:class", "Fields"),
    ("py:class", "Figure"),  # of matplotlib
    ("py:class", "Moment"),
    ("py:class", "Part"),
    ("py:class", "Start"),
    ("py:class", "TimeUnit"),
    ("py:class", "Value"),
    ("py:class", "auditlog.event._event.T"),
]
nitpick_ignore_regex = [("py:class", r"(pa|pd|pl)\.\w+")]
