"""
All that is known of one event, for a person.
"""

from __future__ import annotations

import sys

from typing import TYPE_CHECKING, Any

import click

from auditlog.event import JSONArray, JSONObject
from auditlog.profiles._line import json_text

from .line import Liner, columns, padded, raw_line
from .stdout import Stdout, is_terminal
from .visible import visible


if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from auditlog.abc import EventQuery, Reader, Record
    from auditlog.event import Actor, AuditEvent, Resource


# Names in an event are as long as who wrote them pleased.
_WIDEST = 40


def find(reader: Reader, event_id: UUID, query: EventQuery) -> Record | None:
    """
    The event of that id among those of *query*.

    Raises:
        ReadError: If the source can't be read.
    """
    by_id = getattr(reader, "find", None)
    if by_id is not None:
        found: Record | None = by_id(event_id)
        return found if found and query.matches(found) else None
    events = reader.read(query)
    return next((each for each in events if each.event_id == event_id), None)


def print_event(record: Record, *, as_json: bool, colour: bool) -> None:
    """
    Print *record*.

    Raises:
        DecodingError: If it is no audit event.
    """
    if as_json:
        line = raw_line(record, seen=is_terminal())
    else:
        text = "\n".join([*_lines(record, colour=colour), ""])
        encoding = sys.stdout.encoding or "ascii"
        line = text.encode(encoding, "backslashreplace")
    Stdout().write(line)


def _lines(record: Record, *, colour: bool) -> Iterator[str]:
    event = record.event
    outcome = Liner(colour=colour).outcome(event.outcome)
    yield f"{outcome.rstrip()} {visible(event.event_type)}"
    members = [
        (visible(name), visible(str(value)))
        for name, value in _members(record, event)
        if value is not None
    ]
    width = min(max(columns(name) for name, _ in members), _WIDEST)
    for name, value in members:
        label = padded(name, width)
        yield f"  {click.style(label, dim=True) if colour else label}  {value}"


def _members(record: Record, event: AuditEvent) -> Iterator[tuple[str, Any]]:
    yield "id", record.event_id
    yield "occurred at", _time(event.occurred_at)
    yield "recorded at", record.recorded_at and _time(record.recorded_at)
    yield "index", record.index
    yield "place", record.origin
    yield from _actor("actor", event.actor)
    yield from _resource("resource", event.resource)
    for name in ("code", "reason", "severity", "tenant"):
        yield name, getattr(event, name)
    yield from _request(event)
    yield from (
        (f"change {each.path}", f"{_json(each.old)} → {_json(each.new)}")
        for each in event.changes
    )
    yield from (
        (f"metadata.{name}", _json(value))
        for name, value in event.metadata.items()
    )


def _request(event: AuditEvent) -> Iterator[tuple[str, Any]]:
    if event.request is not None:
        names = ("source_ip", "user_agent", "method", "url", "id")
        for name in (*names, "session_id"):
            label = name.replace("_", " ")
            yield f"request {label}", getattr(event.request, name)
    for name in ("correlation_id", "causation_id", "traceparent"):
        yield name.replace("_", " "), getattr(event, name)
    if event.truncated is not None:
        yield "cut from", f"{event.truncated.original_size} bytes"


def _actor(label: str, actor: Actor | None) -> Iterator[tuple[str, Any]]:
    if actor is None:
        return
    known = [actor.name, actor.email and f"<{actor.email}>"]
    names = " ".join(each for each in known if each)
    yield label, f"{actor.id} ({actor.type}) {names}".rstrip()
    yield from _actor("on behalf of", actor.on_behalf_of)


def _resource(
    label: str, resource: Resource | None
) -> Iterator[tuple[str, Any]]:
    if resource is None:
        return
    name = f" {resource.name}" if resource.name else ""
    yield label, f"{resource.type}/{resource.id}{name}"
    yield from _resource("in", resource.parent)


def _json(value: Any) -> str:
    if isinstance(value, JSONArray | JSONObject):
        return bytes(value).decode()
    return value if isinstance(value, str) else json_text(value)


def _time(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}Z"
