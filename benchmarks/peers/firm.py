"""
firm-audit, into PostgreSQL.
"""

from __future__ import annotations

from typing import Any, Self

from firm.audit import AuditLog
from harness import Run, Stopwatch
from samples import make_parts
from sqlalchemy import text


SIZE = 500


def call() -> dict[str, Any]:
    """
    The sample event as arguments of ``record()``.
    """
    parts = make_parts()
    return {
        "action": parts["event_type"],
        "subject": (parts["resource"]["type"], parts["resource"]["id"]),
        "actor": (parts["actor"]["type"], parts["actor"]["id"]),
        "data": parts["metadata"] | {"parent": parts["resource"]["parent"]},
        "correlation_id": parts["correlation_id"],
        "context": parts["request"] | {"email": parts["actor"]["email"]},
    }


class OneByOne:
    """
    ``record()`` as in its README: a transaction for each event.
    """

    name = "firm-audit"
    settings = "record() as in its README: a transaction for each event"
    unfair = ""

    def __init__(self, url: str) -> None:
        self.log = AuditLog(database_url=url)

    def store(self, number: int, /) -> Run:
        """
        Record as many events.
        """
        calls = [call() for _ in range(number)]
        before = self._stored()
        watch = Stopwatch()
        with watch():
            self.record(calls)
        return watch.run(number, self._stored() - before)

    def record(self, calls: list[dict[str, Any]]) -> None:
        """
        Each in its own transaction.
        """
        for each in calls:
            self.log.record(**each)

    def _stored(self) -> int:
        with self.log.engine.connect() as connection:
            found = connection.execute(
                text("SELECT count(*) FROM firm_audit_events")
            )
            return int(found.scalar_one())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.log.close()


class ByTransaction(OneByOne):
    """
    ``record(conn=…)``, with 500 events in one transaction.
    """

    name = "firm-audit, 500 a transaction"
    settings = "record(conn=…), 500 events in the caller's transaction"
    unfair = ""

    def record(self, calls: list[dict[str, Any]]) -> None:
        """
        By the 500.
        """
        for start in range(0, len(calls), SIZE):
            with self.log.engine.begin() as connection:
                for each in calls[start : start + SIZE]:
                    self.log.record(conn=connection, **each)
