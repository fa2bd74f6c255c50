"""
Let long names in tables break where people would break them.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING, Any

from docutils import nodes


if TYPE_CHECKING:
    from sphinx.application import Sphinx


LONG = 20
# Not before the suffix of a file.
PART = re.compile(r".+?(?:::|[/_,=]+(?=\w)|\.(?=\w)(?!py\b)|$)")


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Look at each page when it is written.
    """
    app.connect("doctree-resolved", split_names)
    return {"parallel_read_safe": True, "version": "1"}


def split_names(_app: Sphinx, page: nodes.document, _name: str) -> None:
    """
    Tell the browser where the long names in the tables of *page* may break.
    """
    for entry in page.findall(nodes.entry):
        for name in [*entry.findall(nodes.literal)]:
            if len(name.astext()) > LONG:
                name.children = [*parts(name)]


def parts(name: nodes.literal) -> list[nodes.Node]:
    """
    The parts of *name*, with a place to break behind each.
    """
    found = PART.findall(name.astext())
    return [
        node
        for part in found
        for node in (nodes.Text(part), nodes.raw("", "<wbr>", format="html"))
    ][:-1]
