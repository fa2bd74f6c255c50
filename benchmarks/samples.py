"""
The one event that all contests are run with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from auditlog import codec
from auditlog.abc import Record
from auditlog.event import Actor, AuditEvent, RequestContext, Resource


if TYPE_CHECKING:
    from collections.abc import Sequence


AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"


def make_event() -> AuditEvent:
    """
    A topic was created: actor, nested resource, request and metadata.
    """
    return AuditEvent(
        event_type="Kafka.Topic.Create",
        actor=Actor(id="alice", type="user", email="alice@example.com"),
        resource=Resource(
            type="topic",
            id="website-orders",
            parent=Resource(type="kafkacluster", id="production"),
        ),
        request=RequestContext(
            id="req-8f14e45f", source_ip="192.0.2.17", user_agent=AGENT
        ),
        correlation_id="import-2026-11-23",
        metadata={
            "name": "website-orders",
            "cluster": "production",
            "partitions": 3,
        },
    )


def make_attributes() -> dict[str, Any]:
    """
    The same event as OpenTelemetry wants it: flat attributes and no body.
    """
    return {
        "event.id": str(uuid4()),
        "actor.id": "alice",
        "actor.type": "user",
        "actor.email": "alice@example.com",
        "resource.type": "topic",
        "resource.id": "website-orders",
        "resource.parent.type": "kafkacluster",
        "resource.parent.id": "production",
        "outcome": "success",
        "request.id": "req-8f14e45f",
        "request.source_ip": "192.0.2.17",
        "request.user_agent": AGENT,
        "correlation_id": "import-2026-11-23",
        "metadata.name": "website-orders",
        "metadata.cluster": "production",
        "metadata.partitions": 3,
    }


def make_parts() -> dict[str, Any]:
    """
    The same event as plain Python, for those who have a shape of their own.
    """
    return {
        "event_type": "Kafka.Topic.Create",
        "actor": {"id": "alice", "type": "user", "email": "alice@example.com"},
        "resource": {
            "type": "topic",
            "id": "website-orders",
            "parent": "kafkacluster/production",
        },
        "request": {
            "id": "req-8f14e45f",
            "source_ip": "192.0.2.17",
            "user_agent": AGENT,
        },
        "correlation_id": "import-2026-11-23",
        "metadata": {
            "name": "website-orders",
            "cluster": "production",
            "partitions": 3,
        },
    }


def make_events(number: int) -> list[AuditEvent]:
    """
    As many new events.
    """
    return [make_event() for _ in range(number)]


def make_records(number: int) -> list[Record]:
    """
    As many new events, encoded.
    """
    return [
        Record(event_id=event.event_id, body=codec.encode(event))
        for event in make_events(number)
    ]


class NullSink:
    """
    Stores nothing and counts.
    """

    def __init__(self) -> None:
        self.arrived = 0

    def write(self, records: Sequence[Record], /) -> None:
        """
        Count *records*.
        """
        self.arrived += len(records)
