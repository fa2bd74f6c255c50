"""
The fields of an event as flat texts, without building the event.

Only for bodies of the very form in which this library writes CloudEvents: a
body is decoded and encoded again, and has to be the same. Whatever isn't, is
:func:`auditlog.codec.decode`'s to read, which takes several times as long.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid  # noqa: TC003 - msgspec looks it up

from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from auditlog.errors import InvalidEventError
from auditlog.event._event import checked_type
from auditlog.event._parts import MAX_CHAIN
from auditlog.event._plain import MAX_DEPTH
from auditlog.event._text import are_attributes

from . import conduktor


# Where NUL stands in a text, reading replaces it.
_NUL = b"\\u0000"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Part(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    pass


class _Actor(_Part):
    id: _Text
    type: _Text
    name: str | None = None
    email: str | None = None
    on_behalf_of: _Actor | None = None


class _Nobody(_Part):
    id: None = None
    type: None = None
    name: None = None
    email: None = None
    on_behalf_of: None = None


class _Resource(_Part):
    type: _Text
    id: _Text
    name: str | None = None
    parent: _Resource | None = None


class _Request(_Part):
    id: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None
    method: str | None = None
    url: str | None = None
    session_id: str | None = None


class _Change(_Part):
    path: _Text
    old: Any
    new: Any


class _Data(_Part, kw_only=True):
    event_type: str
    actor: _Actor | None = None
    resource: _Resource
    outcome: Literal["success", "failure", "denied", "attempt", "unknown"]
    code: str | None = None
    reason: str | None = None
    changes: list[_Change] | None = None
    request: _Request | None = None
    tenant: str | None = None
    severity: str | None = None
    metadata: dict[str, Any]


class _Body(_Part, kw_only=True, rename=None):
    specversion: Literal["1.0"]
    id: uuid.UUID
    time: str
    type: str
    source: _Text
    subject: str
    datacontenttype: Literal["application/json"]
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    data: _Data


_decode = msgspec.json.Decoder(_Body).decode
_encode = msgspec.json.Encoder(order="deterministic").encode

_NO_REQUEST = _Request()
_NO_ACTOR = _Nobody()


class Cells(NamedTuple):
    """
    An event's fields, those with members of their own as compact JSON.

    Null is None; *changes* and *metadata* are null where there are none.
    """

    occurred_at: dt.datetime
    event_id: str
    event_type: str
    outcome: str
    actor_type: str | None
    actor_id: str | None
    actor_name: str | None
    actor_email: str | None
    actor_on_behalf_of: str | None
    resource_type: str
    resource_id: str
    resource_name: str | None
    resource_parent: str | None
    code: str | None
    reason: str | None
    tenant: str | None
    severity: str | None
    request_id: str | None
    request_source_ip: str | None
    request_user_agent: str | None
    request_method: str | None
    request_url: str | None
    request_session_id: str | None
    correlation_id: str | None
    causation_id: str | None
    traceparent: str | None
    changes: str | None
    metadata: str | None
    truncated: None
    replaced: int


def cells_of(body: bytes) -> Cells | None:
    """
    The fields of the event in *body*; None if only `decode()` can tell.
    """
    try:
        read = _decode(body)
        if not _is_ours(read, body):
            return None
        time = dt.datetime.fromisoformat(read.time)
    except (msgspec.DecodeError, ValueError, RecursionError, TypeError):
        return None
    return _cells(read, time)


def _is_ours(read: _Body, body: bytes) -> bool:
    data = read.data
    return (
        _encode(read) == body
        and body.find(_NUL) < 0
        # Not deeper than that, whatever stands in between.
        and body.count(b"{") + body.count(b"[") <= MAX_DEPTH
        and read.type == data.event_type
        and conduktor.dotted(read.type) == read.type
        and _is_type(read.type)
        and data.changes != []
        and _TIME.fullmatch(read.time) is not None
        and are_attributes(
            read.correlationid, read.causationid, read.traceparent
        )
        and _is_short(data.resource, "parent")
        and _is_short(data.actor, "on_behalf_of")
    )


def _is_type(text: str) -> bool:
    try:
        return bool(checked_type(text))
    except InvalidEventError:
        return False


def _is_short(part: Any, link: str) -> bool:
    length = 0
    while part is not None:
        length += 1
        part = getattr(part, link)
    return length <= MAX_CHAIN


def _json(value: object) -> str | None:
    return _encode(value).decode() if value else None


def _cells(read: _Body, time: dt.datetime) -> Cells:
    data = read.data
    actor = data.actor or _NO_ACTOR
    resource = data.resource
    request = data.request or _NO_REQUEST
    return Cells(
        time,
        str(read.id),
        data.event_type,
        data.outcome,
        actor.type,
        actor.id,
        actor.name,
        actor.email,
        _json(actor.on_behalf_of),
        resource.type,
        resource.id,
        resource.name,
        _json(resource.parent),
        data.code,
        data.reason,
        data.tenant,
        data.severity,
        request.id,
        request.source_ip,
        request.user_agent,
        request.method,
        request.url,
        request.session_id,
        read.correlationid,
        read.causationid,
        read.traceparent,
        _json(data.changes),
        _json(data.metadata),
        None,
        0,
    )
