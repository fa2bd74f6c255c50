"""
GELF 1.1: what Graylog reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from auditlog.codec import event_uri

from ._base import Profile
from ._line import clipped_bytes
from ._parts import (
    as_text,
    changes_of,
    ip_of,
    metadata_of,
    present,
    seconds,
    summary,
)
from ._scale import level_of


if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditlog.event import AuditEvent

    from ._given import Given


# Lucene refuses a longer term, and Graylog then the whole message.
_TERM_BYTES = 32_766

# 128 chunks of 8,192 bytes, each with a head of 12.
_UDP_BYTES = 128 * (8_192 - 12)


@attrs.frozen(kw_only=True)
class GELF(Profile):
    """
    GELF 1.1: one flat object of texts and numbers.

    A value that is longer than Graylog can index ends in ``…`` and counts
    as cut.

    Attributes:
        host: Which machine or service the events come from.

    .. versionadded:: 0.1.0
    """

    name: ClassVar[str] = "gelf"
    schema: ClassVar[str] = "1.1"

    host: str = "auditlog"
    max_line_bytes: int | None = _UDP_BYTES

    def _members(self, found: Given) -> Mapping[str, Any]:
        event = found.event
        members = {
            "event_id": str(event.event_id),
            "event_type": event.event_type,
            "outcome": event.outcome.value,
            "code": event.code,
            "reason": event.reason,
            "severity": event.severity,
            **_who(event),
            **_what(event),
            **_where(event),
            "tenant": event.tenant,
            "correlation_id": event.correlation_id,
            "causation_id": event.causation_id,
            "traceparent": event.traceparent,
            "journal_index": found.index,
            "body_sha256": found.digest,
            "truncated_from_bytes": event.truncated
            and event.truncated.original_size,
        }
        return {
            "version": self.schema,
            "host": self.host,
            "short_message": summary(event),
            "timestamp": seconds(event.occurred_at),
            "level": level_of(event).syslog,
            **{f"_{name}": value for name, value in present(members).items()},
        }

    def _fitting(self, members: Mapping[str, Any]) -> Mapping[str, Any]:
        fitting = {
            name: clipped_bytes(value, _TERM_BYTES)
            if isinstance(value, str)
            else value
            for name, value in members.items()
        }
        return members if fitting == members else fitting


def _who(event: AuditEvent) -> dict[str, Any]:
    actor = event.actor
    if actor is None:
        return {}
    effective = actor.on_behalf_of
    return {
        "actor_id": actor.id,
        "actor_type": actor.type,
        "actor_name": actor.name,
        "actor_email": actor.email,
        "on_behalf_of": effective and effective.id,
    }


def _what(event: AuditEvent) -> dict[str, Any]:
    resource = event.resource
    return {
        "resource_type": resource.type,
        "resource_id": resource.id,
        "resource_name": resource.name,
        "resource_uri": event_uri(event),
        "changes": as_text(changes_of(event)),
        "metadata": as_text(metadata_of(event)),
    }


def _where(event: AuditEvent) -> dict[str, Any]:
    request = event.request
    if request is None:
        return {}
    return {
        "source_ip": ip_of(event),
        "user_agent": request.user_agent,
        "http_method": request.method,
        "url": request.url,
        "request_id": request.id,
        "session_hash": request.session_id,
    }
