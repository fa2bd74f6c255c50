"""
The columns of Arrow tables: their types, and how each is filled.

Names are those of CSV files with ``layout="events"``; what a reader knows of
a record stands behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from auditlog.codec._texts import changes_text, metadata_text, part_text


if TYPE_CHECKING:
    from auditlog.event import AuditEvent


Kind = Literal["text", "word", "time", "number", "small", "bytes", "headers"]
Fill = Callable[[Sequence[Any]], list[Any]]


class Column(NamedTuple):
    """
    What a column holds.

    Attributes:
        kind: Its type; a word is a text of which there are few.

        fill: Makes its values of what *of* says, one for each.

        of: Which part of each record is given to *fill*.
    """

    kind: Kind
    fill: Fill
    of: Literal["event", "actor", "resource", "request", "record", "origin"]


def _get(name: str) -> Fill:
    value = attrgetter(name)
    return lambda parts: [*map(value, parts)]


def _get_if_any(name: str) -> Fill:
    value = attrgetter(name)
    return lambda parts: [
        None if part is None else value(part) for part in parts
    ]


def _each(make: Callable[[Any], Any]) -> Fill:
    return lambda parts: [*map(make, parts)]


def _event_id(event: AuditEvent) -> str:
    return str(event.event_id)


def _outcome(event: AuditEvent) -> str:
    return event.outcome.value


def _on_behalf_of(actor: Any) -> str | None:
    return actor and part_text(actor.on_behalf_of)


def _parent(resource: Any) -> str | None:
    return part_text(resource.parent)


def _truncated(event: AuditEvent) -> str | None:
    return part_text(event.truncated)


def _headers(origin: Any) -> list[tuple[str, bytes | None]] | None:
    return origin and list(origin.headers)


EVENT_COLUMNS: dict[str, Column] = {
    "occurred_at": Column("time", _get("occurred_at"), "event"),
    "event_id": Column("text", _each(_event_id), "event"),
    "event_type": Column("word", _get("event_type"), "event"),
    "outcome": Column("word", _each(_outcome), "event"),
    "actor_type": Column("word", _get_if_any("type"), "actor"),
    "actor_id": Column("text", _get_if_any("id"), "actor"),
    "actor_name": Column("text", _get_if_any("name"), "actor"),
    "actor_email": Column("text", _get_if_any("email"), "actor"),
    "actor_on_behalf_of": Column("text", _each(_on_behalf_of), "actor"),
    "resource_type": Column("text", _get("type"), "resource"),
    "resource_id": Column("text", _get("id"), "resource"),
    "resource_name": Column("text", _get("name"), "resource"),
    "resource_parent": Column("text", _each(_parent), "resource"),
    "code": Column("text", _get("code"), "event"),
    "reason": Column("text", _get("reason"), "event"),
    "tenant": Column("text", _get("tenant"), "event"),
    "severity": Column("text", _get("severity"), "event"),
    "request_id": Column("text", _get_if_any("id"), "request"),
    "request_source_ip": Column("text", _get_if_any("source_ip"), "request"),
    "request_user_agent": Column("text", _get_if_any("user_agent"), "request"),
    "request_method": Column("text", _get_if_any("method"), "request"),
    "request_url": Column("text", _get_if_any("url"), "request"),
    "request_session_id": Column("text", _get_if_any("session_id"), "request"),
    "correlation_id": Column("text", _get("correlation_id"), "event"),
    "causation_id": Column("text", _get("causation_id"), "event"),
    "traceparent": Column("text", _get("traceparent"), "event"),
    "changes": Column("text", _each(changes_text), "event"),
    "metadata": Column("text", _each(metadata_text), "event"),
    "truncated": Column("text", _each(_truncated), "event"),
    "replaced": Column("number", _get("replaced"), "event"),
}
"""One per field of an event, as in CSV files."""

RECORD_COLUMNS: dict[str, Column] = {
    "index": Column("number", _get("index"), "record"),
    "recorded_at": Column("time", _get("recorded_at"), "record"),
    "topic": Column("word", _get_if_any("topic"), "origin"),
    "partition": Column("small", _get_if_any("partition"), "origin"),
    "offset": Column("number", _get_if_any("offset"), "origin"),
    "timestamp": Column("time", _get_if_any("timestamp"), "origin"),
    "key": Column("bytes", _get_if_any("key"), "origin"),
    "headers": Column("headers", _each(_headers), "origin"),
    "value": Column("bytes", _get("body"), "record"),
}
"""What a store or a topic knows of a record, and its body."""

COLUMNS = EVENT_COLUMNS | RECORD_COLUMNS

PLACE = ("index", "recorded_at", "topic", "partition", "offset")

LAYOUTS: dict[str, tuple[str, ...]] = {
    "events": (*EVENT_COLUMNS, *PLACE),
    "records": tuple(RECORD_COLUMNS),
}
