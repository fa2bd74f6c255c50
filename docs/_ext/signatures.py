"""
Let signatures and fields be read by people.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING, Any

from sphinx.domains.python import PyObject


if TYPE_CHECKING:
    from sphinx.application import Sphinx


# What attrs gives to a field whose default is made at each call.
MADE = re.compile(r"\bNOTHING\b")
# Typed keywords, which the text below names.
UNPACKED = re.compile(r": Unpack\[\w+\]")
# `time.time` is shown as `<built-in function time>`, others with an address.
FUNCTION = re.compile(
    r"<(?:built-in |bound )?(?:function|method) ([\w.]+)[^>]*>"
)


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Change what autodoc found, and what fields are called.
    """
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", tidy)
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    return {"parallel_read_safe": True, "version": "1"}


def tidy(
    _app: Sphinx,
    _what: str,
    _name: str,
    _obj: object,
    _options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """
    *signature* with defaults that mean something.
    """
    if signature is None:
        return signature, returns
    signature = UNPACKED.sub("", MADE.sub("...", signature))
    return FUNCTION.sub(r"\1", signature), returns
