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
# 1:00:00 is a number of base 60, which PyYAML reads in quadratic time.
_MAX_DIGITS = 100
_INT = "tag:yaml.org,2002:int"


class _Loader(yaml.SafeLoader):
    """
    Gives up before a large document has taken its time.
    """

    nodes = 0

    def compose_node(
        self, parent: yaml.Node | None, index: int
    ) -> yaml.Node | None:
        """
        Count what was written.
        """
        self.nodes += 1
        if self.nodes > _MAX_NODES:
            raise UnreadableError(f"has more than {_MAX_NODES} values")
        return super().compose_node(parent, index)


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
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {}, 0)
        return loader.construct_document(node)
    except UnreadableError:
        raise
    except yaml.MarkedYAMLError as exc:
        wrong = _reason(exc) + _place(exc.problem_mark)
    except yaml.reader.ReaderError as exc:
        wrong = f"holds a control character, as number {exc.position + 1}"
    except RecursionError:
        wrong = "is nested too deeply"
    except Exception:  # noqa: BLE001
        # Among them whatever int() and date() say.
        wrong = "is not valid YAML"
    raise UnreadableError(wrong)


def _reason(exc: yaml.MarkedYAMLError) -> str:
    if exc.context == "expected a single document in the stream":
        return "has several documents, of which only one can count"
    if f"{exc.problem}".startswith("could not determine a constructor"):
        return "has a tag, where only plain values may be"
    return "is not valid YAML"


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
    if node.tag == _INT and len(node.value) > _MAX_DIGITS:
        raise UnreadableError(f"has a number that is too long{_at(node)}")
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
