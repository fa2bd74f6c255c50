"""
A value at a path in the body, as SQL.
"""

from __future__ import annotations

import json

from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from auditlog._field_path import FieldPath
    from auditlog.query import Value


# A body without a backslash has names and text as they are, so that one
# without such bytes can't match, and most need not be parsed; one with NUL
# bytes may be UTF-16. What stands behind \u may be what PostgreSQL has no text
# for, and would raise an error.
_CLAUSE = r"""
CASE WHEN NOT ({needles})
      AND position('\x5c'::bytea IN event.body) = 0
      AND position('\x00'::bytea IN event.body) = 0 THEN false
     WHEN position('\x5c75'::bytea IN event.body) > 0 THEN {unknown}
     ELSE {parsed} END
"""
_NEEDLE = """EXISTS (
    SELECT FROM unnest(%({})b::bytea[]) AS needle
     WHERE position(needle IN event.body) > 0)"""

# A number with a fraction has many spellings of one value, and so many
# digits that Python doesn't read them as a number.
_PARSED = """coalesce((
    SELECT CASE json_typeof(found)
           WHEN 'string' THEN found #>> '{{}}' = ANY (%({name}_texts)b::text[])
           WHEN 'number' THEN
                found #>> '{{}}' = ANY (%({name}_numbers)b::text[])
                OR (found #>> '{{}}' ~ '[.eE]' OR
                    length(found #>> '{{}}') > {digits}) AND {unknown}
           ELSE found #>> '{{}}' = ANY (%({name}_words)b::text[])
                OR json_typeof(found) = 'null' AND %({name}_null)b
           END
      FROM (SELECT {steps} AS found OFFSET 0) AS at), false)"""


_DIGITS = 255


def field_clause(
    path: FieldPath,
    values: Sequence[Value],
    name: str,
    params: dict[str, Any],
    *,
    unknown: str,
    exact: bool,
) -> str:
    """
    The condition that one of *values* stands at *path*.

    Args:
        path: Names and indexes.

        values: The values.

        name: What the parameters' names begin with.

        params: Where the parameters go.

        unknown: What it is where PostgreSQL can't tell.

        exact: Whether to parse bodies, which may fail for strange ones.
    """
    needles = [
        _needles(f"{name}_name", _names(path), params),
        _needles(f"{name}_value", _spellings(values), params),
    ]
    steps = _steps(path, name, params) if exact else None
    parsed = unknown
    if steps is not None:
        _set_values(values, name, params)
        parsed = _PARSED.format(
            steps=steps, name=name, unknown=unknown, digits=_DIGITS
        )
    return _CLAUSE.format(
        needles=" AND ".join(needles), unknown=unknown, parsed=parsed
    )


def _needles(
    name: str, needles: list[bytes] | None, params: dict[str, Any]
) -> str:
    if needles is None:
        return "true"
    params[name] = needles
    return _NEEDLE.format(name)


def _names(path: FieldPath) -> list[bytes] | None:
    names = [step for step in path if isinstance(step, str)]
    return [_quoted(names[-1])] if names else None


def _spellings(values: Iterable[Value]) -> list[bytes] | None:
    """
    What a body holds at least that has one of *values*, if that is known.
    """
    found = []
    for value in values:
        if isinstance(value, str):
            found.append(_quoted(value))
        elif value is None or isinstance(value, bool):
            found.append(json.dumps(value).encode())
        else:
            return None
    return found


def _quoted(text: str) -> bytes:
    return b'"%b"' % text.encode("utf-8", "surrogatepass")


def _steps(path: FieldPath, name: str, params: dict[str, Any]) -> str | None:
    steps = ["convert_from(event.body, 'UTF8')::json"]
    for place, step in enumerate(path):
        if isinstance(step, str) and not _is_text(step):
            return None
        params[f"{name}_step_{place}"] = step
        kind = "text" if isinstance(step, str) else "int"
        steps.append(f"%({name}_step_{place})b::{kind}")
    return " -> ".join(steps)


def _set_values(
    values: Iterable[Value], name: str, params: dict[str, Any]
) -> None:
    texts, numbers, words = [], [], []
    for value in values:
        if isinstance(value, str):
            texts += [value] if _is_text(value) else []
        elif isinstance(value, bool):
            words.append(json.dumps(value))
        elif value is not None:
            numbers += _whole(value)
    params |= {
        f"{name}_texts": texts,
        f"{name}_numbers": numbers,
        f"{name}_words": words,
        f"{name}_null": None in values,
    }


def _whole(value: float) -> list[str]:
    number = int(value)
    if number != value or abs(number) >= 10**_DIGITS:
        return []
    return [str(number)] if number else ["0", "-0"]


def _is_text(text: str) -> bool:
    """
    Whether PostgreSQL has such text.
    """
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
