"""
Paths to a member of a body, such as ``data.metadata.cluster``.
"""

from __future__ import annotations

import json
import re

from typing import TYPE_CHECKING, Any

from auditlog.errors import QueryError


if TYPE_CHECKING:
    from collections.abc import Iterator

    FieldPath = tuple[str | int, ...]


_STEP = re.compile(
    r"""
      \[ (?P<index> 0 | [1-9][0-9]{0,8} ) \]
    | \[ (?P<quoted> "(?:[^"\\]|\\.)*" ) \]
    | (?P<name> [^.\[\]"]+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_FORMS = (
    'write data.metadata.cluster, data.changes[0].path or data["odd.name"]'
)


def parse_path(text: str) -> FieldPath:
    """
    The names and indexes that *text* leads through.

    Raises:
        QueryError: If *text* is no path, with the place of the mistake.
    """
    steps: list[str | int] = []
    place = 0
    while place < len(text) or not steps:
        if text[place : place + 1] == "." and steps:
            place += 1
            step = _STEP.match(text, place)
            step = step if step and step["name"] else None
        else:
            step = _STEP.match(text, place)
            if step and step["name"] and steps:
                step = None
        if step is None:
            raise _mistake(text, place)
        steps.append(_value(text, step))
        place = step.end()
    return tuple(steps)


def _value(text: str, step: re.Match[str]) -> str | int:
    if step["index"]:
        return int(step["index"])
    if not step["quoted"]:
        return step["name"]
    try:
        name: str = json.loads(step["quoted"])
    except ValueError:
        raise _mistake(text, step.start("quoted")) from None
    return name


def _mistake(text: str, place: int) -> QueryError:
    found = repr(text[place]) if place < len(text) else "the end"
    return QueryError(
        f"where[{text!r}] is no path: a name or an index must stand at "
        f"character {place + 1} (got {found}); {_FORMS}"
    )


def values_at(path: FieldPath, value: Any) -> Iterator[Any]:
    """
    What stands at *path* in the JSON *value*, or nothing.

    A name leads into objects only, an index into arrays only.
    """
    for step in path:
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return
        elif not isinstance(value, list) or step >= len(value):
            return
        value = value[step]
    yield value
