"""
Events by which a publisher tells of itself.
"""

from __future__ import annotations

import os
import socket

from typing import TYPE_CHECKING

from auditlog.event import AuditEvent, Outcome, Resource


if TYPE_CHECKING:
    from collections.abc import Mapping


def own_event(
    publisher: str,
    event_type: str,
    *,
    outcome: Outcome = Outcome.SUCCESS,
    code: str | None = None,
    reason: str | None = None,
    metadata: Mapping[str, object],
) -> AuditEvent:
    """
    An event about the publisher of that name, and about nobody else.
    """
    return AuditEvent(
        event_type=event_type,
        resource=Resource(type="publisher", id=publisher),
        outcome=outcome,
        code=code,
        reason=reason,
        metadata=metadata,
        # Not those of whoever happens to be here.
        actor=None,
        request=None,
        tenant=None,
        correlation_id=None,
        traceparent=None,
    )


def lifecycle_event(publisher: str, action: str) -> AuditEvent:
    """
    That the publisher did *action*, ``Start`` or ``Stop``, in this process.
    """
    return own_event(
        publisher,
        f"AuditLog.Publisher.{action}",
        metadata={"pid": os.getpid(), "host": socket.gethostname()},
    )
