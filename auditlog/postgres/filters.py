"""
An :class:`auditlog.EventQuery` as SQL.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING, Any

from .fields import field_clause


if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditlog.query import EventQuery


_CLAUSES = {
    "since": "event.occurred_at >= %({})b",
    "until": "event.occurred_at < %({})b",
    # The columns collate as "C", so that only ASCII letters fold.
    "event_types": "event.event_type ILIKE ANY (%({})b::text[])",
    "actors": "event.actor = ANY (%({})b::text[])",
    "resources": "event.resource LIKE ANY (%({})b::text[])",
    "outcomes": "event.outcome = ANY (%({})b::text[])",
    "tenants": "event.tenant = ANY (%({})b::text[])",
    "text": "position(%({})b::bytea IN event.body) > 0",
}
_TIMES = {"since", "until"}
_PATTERNS = {"event_types", "resources"}

_HOSTILE = re.compile("[\0\ud800-\udfff]")

# What means more to LIKE than to a glob, and what means the same.
_LIKE = str.maketrans(
    {"\\": "\\\\", "%": "\\%", "_": "\\_", "*": "%", "?": "_"}
)


class Filters:
    r"""
    A condition on ``event`` with the meaning of a query, and its parameters.

    It is true for whatever matches. What it can't tell for sure it leaves to
    :meth:`.EventQuery.matches`: bodies with ``\u`` escapes, numbers with a
    fraction, and, if not *exact*, which values stand at a path.

    Attributes:
        sql: The condition.

        times: The part of it that is about times.

        params: The parameters of both.

        is_certain: Whether it is true for nothing else.
    """

    def __init__(self, query: EventQuery, *, exact: bool = True) -> None:
        self.params: dict[str, Any] = {}
        self._exact = exact
        self.is_certain = _is_certain(query)
        self.times = self._joined(query, _TIMES)
        self.sql = self._condition(query, "", unknown="true")

    def _condition(
        self, query: EventQuery, prefix: str, *, unknown: str
    ) -> str:
        clauses = [self._joined(query, _CLAUSES, prefix)]
        clauses += [
            field_clause(
                path,
                values,
                f"{prefix}where_{place}",
                self.params,
                unknown=unknown,
                exact=self._exact,
            )
            for place, (path, values) in enumerate(query.paths)
        ]
        if query.exclude is not None:
            # What can't be told for sure must not be left out here.
            other = "false" if unknown == "true" else "true"
            inner = self._condition(
                query.exclude, f"{prefix}exclude_", unknown=other
            )
            clauses.append(f"({inner}) IS NOT TRUE")
        return " AND ".join(clauses)

    def _joined(
        self, query: EventQuery, names: Iterable[str], prefix: str = ""
    ) -> str:
        clauses = []
        for name in sorted(names):
            value = getattr(query, name)
            if value is not None:
                self.params[prefix + name] = _parameter(name, value)
                clauses.append(_CLAUSES[name].format(prefix + name))
        return " AND ".join(clauses) or "true"


def _is_certain(query: EventQuery) -> bool:
    excluded = query.exclude
    return not query.paths and (excluded is None or _is_certain(excluded))


def _parameter(name: str, value: Any) -> object:
    if name == "text":
        return value.encode("utf-8", "surrogatepass")
    if not isinstance(value, tuple):
        return value
    texts = list(storable(value))
    return (
        [each.translate(_LIKE) for each in texts]
        if name in _PATTERNS
        else texts
    )


def storable(texts: Iterable[str]) -> Iterable[str]:
    """
    Those that a column can hold; no event has any other.
    """
    return (str(text) for text in texts if not _HOSTILE.search(text))
