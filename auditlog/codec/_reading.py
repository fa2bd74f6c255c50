"""
Bytes to events, whoever wrote them.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import uuid

from typing import Any

import attrs
import cattrs
import msgspec

from auditlog.errors import DecodingError
from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    JSONObject,
    Outcome,
    RequestContext,
    Resource,
)

from . import _uri, conduktor
from ._members import part_members
from ._parts import converter


_decode = msgspec.json.Decoder().decode

_UUID_LENGTH = 36
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d):(\d\d)(\.\d{1,9})?"
    r"([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)

# Given to the constructor when a record lacks them, so that an event that is
# read takes nothing over from the reader's own context.
_UNSET: dict[str, Any] = {
    "actor": None,
    "request": None,
    "tenant": None,
    "correlationId": None,
    "traceparent": None,
    "outcome": "unknown",
    "metadata": {},
}
_TRACING = {
    "correlationid": "correlationId",
    "causationid": "causationId",
    "traceparent": "traceparent",
}

# What another program's data may have in common with ours.
_SHARED: dict[str, Any] = {
    "actor": Actor,
    "resource": Resource,
    "outcome": Outcome,
    "code": str,
    "reason": str,
    "changes": tuple[Change, ...],
    "request": RequestContext,
    "tenant": str,
    "severity": str,
    "metadata": JSONObject,
}


@attrs.frozen(kw_only=True)
class Envelope:
    """
    What every audit event says about itself, in either dialect.

    Attributes:
        event_id: Its id.

        event_type: Its type in dotted form.

        occurred_at: When it happened, in UTC.

        source: The URI of its resource.

    .. versionadded:: 0.1.0
    """

    event_id: uuid.UUID
    event_type: str
    occurred_at: dt.datetime
    source: str = attrs.field(repr=False)


class _Head(msgspec.Struct):
    specversion: str
    id: str
    type: str
    time: str
    source: str


_decode_head = msgspec.json.Decoder(_Head).decode


def peek(body: bytes) -> Envelope:
    """
    Read the envelope of *body* without building the event.

    Raises:
        DecodingError:
            If *body* is no CloudEvents 1.0 object with a UUID and a time.
            What stands in ``data`` is not looked at.

    .. versionadded:: 0.1.0
    """
    try:
        head = _decode_head(body)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return _envelope(_parsed(body))
    return _envelope(msgspec.structs.asdict(head))


def decode(body: bytes) -> AuditEvent:
    """
    Return the event that *body* holds, in whichever dialect.

    Times are cut to microseconds. What is missing is unset, and a missing
    outcome is ``unknown``; nothing comes from :mod:`auditlog.context`. Where
    another program wrote ``data``, what is not of our form is in *metadata*,
    and the resource is taken from ``source``.

    Raises:
        DecodingError: If *body* is no audit event, whatever it is.

    .. versionadded:: 0.1.0
    """
    found = _parsed(body)
    envelope = _envelope(found)
    try:
        return _event(envelope, found)
    except cattrs.BaseValidationError as exc:
        mistake = cattrs.transform_error(exc, path="$.data")[0][:200]
        raise DecodingError(f"no audit event: {mistake}") from exc


def members(body: bytes) -> dict[str, Any]:
    """
    Return the JSON object that *body* is, in Python's own types.

    Raises:
        DecodingError: If *body* is no JSON object.

    .. versionadded:: 0.1.0
    """
    return _parsed(body)


def _event(envelope: Envelope, members: dict[str, Any]) -> AuditEvent:
    data = members.get("data")
    known = data if isinstance(data, dict) else {}
    event_type = known.get("eventType", envelope.event_type)
    if not isinstance(event_type, str) or not conduktor.same(
        conduktor.dotted(event_type), envelope.event_type
    ):
        raise DecodingError("'type' and 'data.eventType' disagree")
    fields = _own(members, known) if _is_own(known) else _foreign(members)
    fields["eventType"] = event_type
    fields["eventId"] = envelope.event_id
    fields["occurredAt"] = envelope.occurred_at
    return converter.structure({**_UNSET, **fields}, AuditEvent)


def _is_own(data: dict[str, Any]) -> bool:
    # This library always writes both, and no other is known to.
    return isinstance(data.get("resource"), dict) and isinstance(
        data.get("outcome"), str
    )


def _own(members: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    fields = {k: v for k, v in data.items() if v is not None}
    for attribute, member in _TRACING.items():
        if members.get(attribute) is not None:
            fields[member] = members[attribute]
    return fields


def _foreign(members: dict[str, Any]) -> dict[str, Any]:
    data = members.get("data")
    if not isinstance(data, dict):
        data = {k: members[k] for k in ("data", "data_base64") if k in members}
    others = dict(data)
    others.pop("eventType", None)
    fields = {}
    for attribute, member in _TRACING.items():
        if isinstance(members.get(attribute), str):
            fields[member] = members[attribute]
    for name, kind in _SHARED.items():
        if name in others and _fits(others[name], kind):
            fields[name] = others.pop(name)
    fields["metadata"] = {**others, **fields.get("metadata", {})}
    if "resource" not in fields:
        resource = _uri.resource_of(members["source"], members.get("subject"))
        fields["resource"] = msgspec.to_builtins(part_members(resource))
    return fields


def _fits(value: Any, kind: Any) -> bool:
    try:
        converter.structure(value, kind)
    except (cattrs.BaseValidationError, TypeError):
        return False
    return True


def _envelope(members: dict[str, Any]) -> Envelope:
    if members.get("specversion") != "1.0":
        raise DecodingError("no CloudEvents 1.0 object: 'specversion'")
    for name in ("id", "type", "time", "source"):
        if not isinstance(members.get(name), str) or not members[name]:
            raise DecodingError(f"no audit event: {name!r} must be text")
    return Envelope(
        event_id=_read_id(members["id"]),
        event_type=conduktor.dotted(members["type"]),
        occurred_at=_read_time(members["time"]),
        source=members["source"],
    )


def _read_id(text: str) -> uuid.UUID:
    try:
        if len(text) == _UUID_LENGTH:  # msgspec takes bare digits, too
            return msgspec.convert(text, uuid.UUID)
    except msgspec.ValidationError as exc:
        raise DecodingError("no audit event: 'id' is no UUID") from exc
    raise DecodingError("no audit event: 'id' is no UUID")


def _read_time(text: str) -> dt.datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        raise DecodingError("no audit event: 'time' is no RFC 3339 time")
    minute, second, fraction, zone = match.groups("")
    # A leap second has no datetime of its own: it is the next second.
    leap = second == "60"
    text = f"{minute}:{'59' if leap else second}{fraction}{zone.upper()}"
    try:
        time = dt.datetime.fromisoformat(text).astimezone(dt.UTC)
        return time + dt.timedelta(seconds=1) if leap else time
    except (ValueError, OverflowError) as exc:
        raise DecodingError("no audit event: 'time' does not exist") from exc


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        members = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        members = _parsed_leniently(body)
    except (TypeError, RecursionError) as exc:
        raise DecodingError(_NO_JSON) from exc
    if not isinstance(members, dict):
        raise DecodingError("no audit event: no JSON object")
    return members


def _parsed_leniently(body: bytes) -> Any:
    # The standard library takes what msgspec refuses: lone surrogates,
    # numbers beyond a double's range, a byte order mark.
    try:
        return json.loads(
            bytes(body),
            parse_int=_read_int,
            parse_float=_read_float,
            parse_constant=_refuse,
        )
    except (TypeError, ValueError, RecursionError) as exc:
        raise DecodingError(_NO_JSON) from exc


_NO_JSON = "no audit event: no JSON"


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _read_int(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:  # more digits than Python reads
        return text


def _read_float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text
