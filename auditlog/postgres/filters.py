"""
An :class:`auditlog.EventQuery` as SQL.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditlog.abc import EventQuery


_CLAUSES = {
    "since": "event.occurred_at >= %(since)b",
    "until": "event.occurred_at < %(until)b",
    # The columns collate as "C", so that only ASCII letters fold.
    "event_types": "event.event_type ILIKE ANY (%(event_types)b::text[])",
    "actors": "event.actor = ANY (%(actors)b::text[])",
    "resources": "event.resource LIKE ANY (%(resources)b::text[])",
    "outcomes": "event.outcome = ANY (%(outcomes)b::text[])",
    "tenants": "event.tenant = ANY (%(tenants)b::text[])",
    "text": "position(%(text)b::bytea IN event.body) > 0",
}
_PATTERNS = {"event_types", "resources"}

_HOSTILE = re.compile("[\0\ud800-\udfff]")

# What means more to LIKE than to a glob, and what means the same.
_LIKE = str.maketrans(
    {"\\": "\\\\", "%": "\\%", "_": "\\_", "*": "%", "?": "_"}
)


def filters(query: EventQuery) -> tuple[str, dict[str, Any]]:
    """
    A condition on ``event`` with exactly the meaning of *query*, and its
    parameters.
    """
    given = {
        name: value
        for name in _CLAUSES
        if (value := getattr(query, name)) is not None
    }
    where = " AND ".join(_CLAUSES[name] for name in given) or "true"
    return where, {
        name: _parameter(name, value) for name, value in given.items()
    }


def _parameter(name: str, value: Any) -> object:
    if name == "text":
        return value.encode()
    if not isinstance(value, tuple):
        return value
    texts = list(_storable(value))
    return (
        [each.translate(_LIKE) for each in texts]
        if name in _PATTERNS
        else texts
    )


def _storable(texts: Iterable[str]) -> Iterable[str]:
    """
    Those that a column can hold; no event has any other.
    """
    return (str(text) for text in texts if not _HOSTILE.search(text))
