"""
What is left of events that were dropped: how many, and when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditlog.event import AuditEvent, Outcome, Resource


if TYPE_CHECKING:
    from datetime import datetime


class Gap:
    """
    Events that were dropped, one after the other.
    """

    def __init__(self) -> None:
        self._times: list[datetime] = []  # the first and the last
        self._count = 0

    def add(self, occurred_at: datetime) -> None:
        """
        One more, which happened then.
        """
        times = [*self._times, occurred_at]
        self._times = [min(times), max(times)]
        self._count += 1

    def event(self, publisher: str) -> AuditEvent:
        """
        The event that stands in their place.
        """
        return AuditEvent(
            event_type="AuditLog.Event.Drop",
            resource=Resource(type="publisher", id=publisher),
            outcome=Outcome.FAILURE,
            code="BUFFER_FULL",
            reason="events were dropped because the buffer was full",
            metadata={
                "count": self._count,
                "first": self._times[0],
                "last": self._times[1],
            },
            # Not those of whoever happens to be here.
            actor=None,
            request=None,
            tenant=None,
            correlation_id=None,
            traceparent=None,
        )
