"""
Link names of the standard library to its documentation, without a network.

An inventory of Python's documentation would have to be downloaded. Its
addresses follow from the names, though, so that none is needed.
"""

from __future__ import annotations

import importlib
import sys

from typing import TYPE_CHECKING, Any

from docutils import nodes


if TYPE_CHECKING:
    from sphinx.application import Sphinx


PYTHON = "https://docs.python.org/3/library"
# Where names are looked for that stand alone in an annotation.
MODULES = (
    "collections.abc",
    "typing",
    "contextlib",
    "datetime",
    "functools",
    "os",
    "pathlib",
    "types",
    "uuid",
)
# Classes of no page, and what they are to their users.
KNOWN_AS = {
    "InMemoryLease": "Lease",
    "PostgresLease": "Lease",
    "SpoolLease": "Lease",
}


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Ask here for what no page describes.
    """
    app.connect("missing-reference", find)
    return {"parallel_read_safe": True, "version": "1"}


def find(
    app: Sphinx, env: Any, node: nodes.Element, shown: nodes.TextElement
) -> nodes.Node | None:
    """
    A link for *node*, or None if its name is not known here either.
    """
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"]
    return ours(app, env, node, shown) or theirs(name, shown)


def ours(
    app: Sphinx, env: Any, node: nodes.Element, shown: nodes.TextElement
) -> nodes.Node | None:
    """
    A link to the one class of this name, wherever it was defined.
    """
    name = node["reftarget"].rpartition(".")[2]
    name = KNOWN_AS.get(name, name)
    found = {
        (entry.docname, entry.node_id)
        for path, entry in env.domains.python_domain.objects.items()
        if path.rpartition(".")[2] == name and is_type(entry, node)
    }
    if len(found) != 1:
        return None
    ((page, anchor),) = found
    uri = app.builder.get_relative_uri(node["refdoc"], page)
    return link(f"{uri}#{anchor}", shown, internal=True)


def is_type(entry: Any, node: nodes.Element) -> bool:
    """
    Whether *entry* may be meant in an annotation.
    """
    return node["reftype"] == "class" and entry.objtype in {
        "class",
        "data",
        "exception",
        "type",
    }


def theirs(name: str, shown: nodes.TextElement) -> nodes.Node | None:
    """
    A link to the standard library's documentation, if it has *name*.
    """
    module, found = split(name)
    if module is None:
        return None
    return link(f"{PYTHON}/{module}.html#{module}.{found}", shown)


def split(name: str) -> tuple[str | None, str]:
    """
    The module of *name*, and what it is called there.
    """
    module, _, rest = name.rpartition(".")
    for candidate in [module] if module else MODULES:
        if has(candidate, rest):
            return candidate, rest
    return None, rest


def has(module: str, name: str) -> bool:
    """
    Whether the standard library's *module* has *name*.
    """
    if module.partition(".")[0] not in sys.stdlib_module_names:
        return False
    return hasattr(importlib.import_module(module), name)


def link(
    uri: str, shown: nodes.TextElement, *, internal: bool = False
) -> nodes.Node:
    """
    A link that looks as *shown*.
    """
    return nodes.reference("", "", shown, refuri=uri, internal=internal)
