"""
Parse YAML safely; the only module that imports PyYAML.
"""

from __future__ import annotations

import yaml

from .files import UnreadableError


# An alias costs a few bytes and stands for all that it points to, so the
# document is measured as if each were written out.
_MAX_NODES = 100_000
_MAX_DEPTH = 64


def parse(text: str) -> object:
    """
    The one document of *text*, made of plain values only.

    Raises:
        UnreadableError:
            If it is no YAML, has several documents, tags, duplicate keys or
            circular aliases, or is unreasonably large or deep.
    """
    try:
        # In pure Python: the C parser would overflow the stack.
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {}, 0)
        return loader.construct_document(node)
    except UnreadableError:
        raise
    except yaml.MarkedYAMLError as exc:
        place = _place(exc.problem_mark)
    except Exception:  # noqa: BLE001
        # Among them RecursionError, and whatever int() and date() say.
        place = ""
    raise UnreadableError(f"is not valid YAML{place}")


def _measure(node: yaml.Node, sizes: dict[yaml.Node, int], depth: int) -> int:
    if node not in sizes:
        if depth > _MAX_DEPTH:
            raise UnreadableError(f"is nested too deeply{_at(node)}")
        sizes[node] = _MAX_NODES  # until known; a circle meets it
        sizes[node] = 1 + sum(
            _measure(child, sizes, depth + 1) for child in _children(node)
        )
    if sizes[node] >= _MAX_NODES:
        raise UnreadableError(f"has too many or circular aliases{_at(node)}")
    return sizes[node]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        _refuse_duplicates(node)
        return [child for pair in node.value for child in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _refuse_duplicates(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise UnreadableError(f"has a key twice{_at(key)}")
            seen.add(key.value)


def _at(node: yaml.Node) -> str:
    return _place(node.start_mark)


def _place(mark: yaml.Mark | None) -> str:
    if mark is None:
        return ""
    return f": line {mark.line + 1}, column {mark.column + 1}"
