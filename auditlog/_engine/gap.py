"""
What is left of events that were dropped: how many, and when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs

from auditlog._engine.own import own_event
from auditlog.event import Outcome


if TYPE_CHECKING:
    from datetime import datetime

    from auditlog.event import AuditEvent


@attrs.frozen
class Gap:
    """
    Events that were dropped, one after the other.
    """

    count: int
    first: datetime
    last: datetime

    @classmethod
    def of(cls, event: AuditEvent) -> Self:
        """
        That of *event* alone.
        """
        return cls(1, event.occurred_at, event.occurred_at)

    def __add__(self, more: Gap) -> Gap:
        """
        That of the events of both.
        """
        return Gap(
            self.count + more.count,
            min(self.first, more.first),
            max(self.last, more.last),
        )

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
                "count": self.count,
                "first": self.first,
                "last": self.last,
            },
        )
