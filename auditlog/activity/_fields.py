"""
What events can be counted by, and told apart by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal


if TYPE_CHECKING:
    from collections.abc import Callable

    from auditlog.event import AuditEvent


TimeUnit = Literal[
    "second",
    "10 seconds",
    "minute",
    "10 minutes",
    "hour",
    "4 hours",
    "day",
    "week",
    "month",
    "year",
    "weekday",
    "hour_of_day",
]
EventField = Literal[
    "actor",
    "actor_type",
    "event_type",
    "outcome",
    "resource",
    "resource_type",
    "severity",
    "source_ip",
    "tenant",
    "weekday",
    "hour_of_day",
]


def actor(event: AuditEvent) -> str | None:
    """
    The id of who acted.
    """
    return event.actor.id if event.actor else None


def _actor_type(event: AuditEvent) -> str | None:
    return str(event.actor.type) if event.actor else None


def outcome(event: AuditEvent) -> str:
    """
    How it ended.
    """
    return event.outcome.value


def _resource(event: AuditEvent) -> str:
    return f"{event.resource.type}/{event.resource.id}"


def _source_ip(event: AuditEvent) -> str | None:
    return event.request.source_ip if event.request else None


FIELDS: dict[str, Callable[[AuditEvent], str | None]] = {
    "actor": actor,
    "actor_type": _actor_type,
    "event_type": lambda event: event.event_type,
    "outcome": outcome,
    "resource": _resource,
    "resource_type": lambda event: event.resource.type,
    "severity": lambda event: event.severity,
    "source_ip": _source_ip,
    "tenant": lambda event: event.tenant,
}
