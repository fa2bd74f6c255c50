"""
LEEF 2.0: the Log Event Extended Format of QRadar.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from auditlog.codec import event_uri

from ._base import Profile
from ._line import clipped
from ._parts import (
    as_text,
    changes_of,
    ip_of,
    metadata_of,
    milliseconds,
    present,
)
from ._scale import level_of
from ._verbs import module_of, verb_of


if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditlog.event import AuditEvent

    from ._given import Given


_HEADER = ("vendor", "product", "version", "eventId")
_LENGTHS = {"usrName": 255}

# Nothing can be escaped, so what would end a field or a line goes.
_BREAKS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")


@attrs.frozen(kw_only=True)
class LEEF(Profile):
    """
    LEEF 2.0, one event a line, without a syslog header.

    Attributes are divided by tabs, which the header says. The format has no
    escapes: control characters become blanks, and ``|`` becomes ``/``, for
    QRadar reads it as the end of a field. An attribute that is longer than
    the format allows ends in ``…`` and counts as cut.

    .. versionadded:: 0.1.0
    """

    name: ClassVar[str] = "leef"
    schema: ClassVar[str] = "2.0"
    suffix: ClassVar[str] = ".leef"
    is_json: ClassVar[bool] = False

    max_line_bytes: int | None = 4_096

    def _members(self, found: Given) -> Mapping[str, Any]:
        event = found.event
        members = {
            "vendor": self.vendor,
            "product": self.product,
            "version": self.product_version,
            "eventId": event.event_type,
            "devTime": milliseconds(event.occurred_at),
            "cat": module_of(event.event_type),
            "sev": level_of(event).cef,
            **_login(event),
            "outcome": event.outcome.value,
            "code": event.code,
            "reason": event.reason,
            **_who(event),
            "resource": event_uri(event),
            "resourceType": event.resource.type,
            "resourceName": event.resource.name,
            **_where(event),
            "tenant": event.tenant,
            "eventUuid": str(event.event_id),
            "correlationId": event.correlation_id,
            "causationId": event.causation_id,
            "traceparent": event.traceparent,
            "journalIndex": found.index,
            "bodySha256": found.digest,
            **_data(event),
        }
        return present({k: _clean(v) for k, v in members.items()})

    def _fitting(self, members: Mapping[str, Any]) -> Mapping[str, Any]:
        fitting = {
            name: clipped(value, _LENGTHS[name]) if name in _LENGTHS else value
            for name, value in members.items()
        }
        return members if fitting == members else fitting

    def _encode(self, members: Mapping[str, Any]) -> bytes:
        header = [str(members.get(name, " ")) for name in _HEADER]
        attributes = [
            f"{name}={value}"
            for name, value in members.items()
            if name not in _HEADER
        ]
        line = ("LEEF:2.0", *header, "x09", "\t".join(attributes))
        return "|".join(line).encode()


def _login(event: AuditEvent) -> dict[str, Any]:
    verb = verb_of(event.event_type)
    if verb not in {"login", "logout"}:
        return {}
    name = "isLoginEvent" if verb == "login" else "isLogoutEvent"
    return {name: "true"}


def _who(event: AuditEvent) -> dict[str, Any]:
    actor = event.actor
    if actor is None:
        return {}
    effective = actor.on_behalf_of
    return {
        "usrName": actor.id,
        "usrDisplayName": actor.name,
        "usrType": actor.type,
        "usrEmail": actor.email,
        "onBehalfOf": effective and effective.id,
    }


def _where(event: AuditEvent) -> dict[str, Any]:
    request = event.request
    if request is None:
        return {}
    return {
        "src": ip_of(event),
        "url": request.url,
        "httpMethod": request.method,
        "userAgent": request.user_agent,
        "requestId": request.id,
        "sessionHash": request.session_id,
    }


def _data(event: AuditEvent) -> dict[str, Any]:
    truncated = event.truncated
    return {
        "truncatedFromBytes": truncated and truncated.original_size,
        "changes": as_text(changes_of(event)),
        "metadata": as_text(metadata_of(event)),
    }


def _clean(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.isprintable():
        value = _BREAKS.sub(" ", value)
    return value.replace("|", "/").strip()
