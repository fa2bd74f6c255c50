"""
What several profiles take from an event.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import json
import re

from typing import TYPE_CHECKING, Any

import msgspec

from auditlog import codec
from auditlog.codec._members import part_members


if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditlog.event import AuditEvent

    from ._given import Given


_encode = msgspec.json.Encoder().encode

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-.*")
_USERS = {"account", "principal", "serviceaccount", "user", "useraccount"}


def milliseconds(time: dt.datetime) -> int:
    """
    Since 1970, rounded down.
    """
    return (time - _EPOCH) // dt.timedelta(milliseconds=1)


def seconds(time: dt.datetime) -> float:
    """
    Since 1970, exact to the microsecond between the years 1684 and 2255.
    """
    return (time - _EPOCH) / dt.timedelta(seconds=1)


def iso(time: dt.datetime) -> str:
    """
    UTC with six fraction digits and ``Z``.
    """
    utc = time.astimezone(dt.UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='microseconds')}Z"


def ip_of(event: AuditEvent) -> str | None:
    """
    The address that the request came from, if it is one.
    """
    text = event.request.source_ip if event.request else None
    return _ip(text) if text else None


@functools.lru_cache(maxsize=1024)
def _ip(text: str) -> str | None:
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        return None
    # An interface of the machine that said so means nothing elsewhere, and
    # Elasticsearch refuses it.
    return address.partition("%")[0]


def trace_of(event: AuditEvent) -> tuple[str, str] | None:
    """
    The ids of trace and span, if there is a W3C trace context.
    """
    match = _TRACEPARENT.fullmatch(event.traceparent or "")
    return None if match is None else (match[1], match[2])


def changes_of(event: AuditEvent) -> msgspec.Raw | None:
    """
    The changes as a JSON array.
    """
    if not event.changes:
        return None
    return msgspec.Raw(_encode([*map(part_members, event.changes)]))


def metadata_of(event: AuditEvent) -> msgspec.Raw | None:
    """
    The metadata as a JSON object.
    """
    return msgspec.Raw(bytes(event.metadata)) if event.metadata else None


def as_text(json_value: msgspec.Raw | None) -> str | None:
    """
    A JSON value as text, for formats that don't nest.
    """
    return None if json_value is None else bytes(json_value).decode()


def plain(members: Any) -> Any:
    """
    What msgspec writes, as dicts, lists and scalars.
    """
    return _loads(_encode(members))


def body_of(found: Given) -> Any:
    """
    The members of the body, whoever wrote it.
    """
    try:
        return msgspec.json.decode(found.body)
    except (msgspec.DecodeError, ValueError):
        # It refuses what the codec takes: lone surrogates, a byte order
        # mark, numbers without end. The event has none of them.
        return _loads(codec.encode(found.event))


def _loads(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.ValidationError:
        # It counts the minus sign of an integer of 4,300 digits as one more.
        return json.loads(data)


def is_user(event: AuditEvent) -> bool:
    """
    Whether the resource is somebody who can act.
    """
    kind = event.resource.type.replace("_", "").replace("-", "")
    return kind.lower() in _USERS


def is_group(event: AuditEvent) -> bool:
    """
    Whether the resource is a group of users.
    """
    return event.resource.type.lower() in {"group", "usergroup"}


def summary(event: AuditEvent) -> str:
    """
    One sentence for people: who did what to what, and how it ended.
    """
    actor = event.actor
    who = "" if actor is None else f" by {actor.name or actor.id}"
    what = f"{event.event_type} {event.resource.type}/{event.resource.id}"
    return f"{what}{who}: {event.outcome.value}"


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    """
    *members* without what is None, empty text, or empty itself.

    Zero and false stay.
    """
    return {
        name: value
        for name, value in members.items()
        if value is not None and value not in ("", {}, [])
    }
