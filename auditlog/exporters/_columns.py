"""
The columns of CSV files: what each holds, and how it is written.

A dot in a name stands for nesting; files have the exporter's *separator* in
its place.
"""

from __future__ import annotations

import base64
import datetime as dt

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from auditlog.codec._texts import changes_text, metadata_text, part_text
from auditlog.errors import DecodingError
from auditlog.event import JSONArray, JSONObject


if TYPE_CHECKING:
    from auditlog.codec._cells import Cells


BASE64 = "base64:"

_encode = msgspec.json.Encoder().encode


# Writes one cell from a record, its event (None where no column needs it) and
# a function that makes a cell of any text that isn't ours.
Text = Callable[[str | None], str]
Column = Callable[[Any, Any, Text], str]


def time_text(time: dt.datetime | None) -> str:
    """
    UTC with six fraction digits and ``Z``; null for None.
    """
    if time is None:
        return ""

    utc = time if time.tzinfo is dt.UTC else time.astimezone(dt.UTC)
    return f"{utc.isoformat(timespec='microseconds')[:-6]}Z"


def key_text(key: bytes | None) -> str | None:
    """
    A Kafka key as text; one that is no UTF-8 as ``base64:…``.
    """
    if key is None:
        return None

    try:
        text = key.decode()
    except UnicodeDecodeError:
        text = BASE64
    if text.startswith(BASE64):
        return BASE64 + base64.b64encode(key).decode()
    return text


def headers_text(
    headers: Sequence[tuple[str, bytes | None]],
) -> str | None:
    """
    Headers as JSON, pairs in their order; values as keys are written.
    """
    if not headers:
        return None

    return _encode(
        [[name, key_text(value)] for name, value in headers]
    ).decode()


def body_text(body: bytes) -> str:
    """
    The body as text.

    Raises:
        DecodingError: If it is no UTF-8.
    """
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        raise DecodingError("not UTF-8") from exc


def metadata_column(key: str) -> Column:
    """
    The column that holds *key* of every event's metadata.
    """

    def column(_: Any, event: Any, text: Text, /) -> str:
        value = event.metadata.get(key)
        if value is None or isinstance(value, str):
            return text(value)
        if isinstance(value, JSONObject | JSONArray):
            return text(bytes(value).decode())
        return _encode(value).decode()

    return column


def _number(number: int | None) -> str:
    return "" if number is None else str(number)


def _actor(name: str) -> Column:
    return lambda _, event, text: text(getattr(event.actor, name, None))


def _request(name: str) -> Column:
    return lambda _, event, text: text(getattr(event.request, name, None))


EVENT_COLUMNS: dict[str, Column] = {
    "occurred_at": lambda _, event, __: time_text(event.occurred_at),
    "event_id": lambda _, event, __: str(event.event_id),
    "event_type": lambda _, event, text: text(event.event_type),
    "outcome": lambda _, event, __: event.outcome.value,
    "actor.type": _actor("type"),
    "actor.id": _actor("id"),
    "actor.name": _actor("name"),
    "actor.email": _actor("email"),
    "actor.on_behalf_of": lambda _, event, text: text(
        part_text(event.actor and event.actor.on_behalf_of)
    ),
    "resource.type": lambda _, event, text: text(event.resource.type),
    "resource.id": lambda _, event, text: text(event.resource.id),
    "resource.name": lambda _, event, text: text(event.resource.name),
    "resource.parent": lambda _, event, text: text(
        part_text(event.resource.parent)
    ),
    "code": lambda _, event, text: text(event.code),
    "reason": lambda _, event, text: text(event.reason),
    "tenant": lambda _, event, text: text(event.tenant),
    "severity": lambda _, event, text: text(event.severity),
    "request.id": _request("id"),
    "request.source_ip": _request("source_ip"),
    "request.user_agent": _request("user_agent"),
    "request.method": _request("method"),
    "request.url": _request("url"),
    "request.session_id": _request("session_id"),
    "correlation_id": lambda _, event, text: text(event.correlation_id),
    "causation_id": lambda _, event, text: text(event.causation_id),
    "traceparent": lambda _, event, text: text(event.traceparent),
    "changes": lambda _, event, text: text(changes_text(event)),
    "metadata": lambda _, event, text: text(metadata_text(event)),
    "truncated": lambda _, event, text: text(part_text(event.truncated)),
    "replaced": lambda _, event, __: _number(event.replaced or None),
}
"""One per field of an event, in the order of ``layout="events"``."""


def event_cells(fields: Cells, text: Text) -> list[str]:
    """
    What `EVENT_COLUMNS` write, from *fields* that are texts already.
    """
    return [
        time_text(fields.occurred_at),
        fields.event_id,
        text(fields.event_type),
        fields.outcome,
        *map(text, fields[4:29]),
        _number(fields.replaced or None),
    ]


JSON_COLUMNS = {
    "actor.on_behalf_of",
    "resource.parent",
    "changes",
    "metadata",
    "truncated",
}

STORE_COLUMNS: dict[str, Column] = {
    "index": lambda record, _, __: _number(record.index),
    "recorded_at": lambda record, _, __: time_text(record.recorded_at),
    "value": lambda record, _, text: text(body_text(record.body)),
}
"""What a store knows of a record, and its body."""

ORIGIN_COLUMNS: dict[str, Column] = {
    "topic": lambda record, _, text: text(record.origin.topic),
    "partition": lambda record, _, __: str(record.origin.partition),
    "offset": lambda record, _, __: str(record.origin.offset),
    "timestamp": lambda record, _, __: time_text(record.origin.timestamp),
    "key": lambda record, _, text: text(key_text(record.origin.key)),
    "headers": lambda record, _, text: text(
        headers_text(record.origin.headers)
    ),
}
"""What only records of a Kafka topic have."""

COLUMNS = EVENT_COLUMNS | STORE_COLUMNS | ORIGIN_COLUMNS

LAYOUTS = {
    "events": tuple(EVENT_COLUMNS),
    "records": ("timestamp", "partition", "offset", "key", "value"),
}
