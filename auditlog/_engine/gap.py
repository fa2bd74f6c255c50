"""
What is left of events that were dropped: how many, and when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditlog._engine.own import own_event
from auditlog.event import Outcome


if TYPE_CHECKING:
    from datetime import datetime

    from auditlog.event import AuditEvent


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
        return own_event(
            publisher,
            "AuditLog.Event.Drop",
            outcome=Outcome.FAILURE,
            code="BUFFER_FULL",
            reason="events were dropped because the buffer was full",
            metadata={
                "count": self._count,
                "first": self._times[0],
                "last": self._times[1],
            },
        )
