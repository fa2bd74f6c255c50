"""
sqlalchemy-audit-trail, into PostgreSQL.
"""

from __future__ import annotations

from typing import Any, Self

from audit_trail import Actor, AuditEvent, AuditTrail, Severity, event
from audit_trail.migrations import create_audit_tables
from harness import Run, Stopwatch
from samples import make_parts
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, sessionmaker


SIZE = 500


class TopicEvent(AuditEvent):  # type: ignore[misc]
    """
    What is audited.
    """

    CREATED = event("topic.created", Severity.INFO)


class OneByOne:
    """
    ``log()`` as in its README: the session commits each event.
    """

    name = "sqlalchemy-audit-trail"
    settings = "log() of a domain event, a session and a commit for each"
    unfair = ""
    size = 1
    schema = "trail"

    def __init__(self, url: str) -> None:
        self._engine = create_engine(
            url.replace("postgresql:", "postgresql+psycopg:")
        )
        self._sessions = sessionmaker(self._engine, class_=self._class())
        self._trail = AuditTrail(
            self._engine, schema=self.schema, events=[TopicEvent]
        )
        self._trail.install(self._sessions)
        with self._engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {self.schema}"))
            create_audit_tables(
                connection, self._trail.tables, self._trail.severities
            )
        self._trail.maintenance.ensure_partitions()

    def _class(self) -> type[Session]:
        return type("AuditedSession", (Session,), {})

    def store(self, number: int, /) -> Run:
        """
        Log as many events.
        """
        events = [make_parts() for _ in range(number)]
        before = self._stored()
        watch = Stopwatch()
        with watch():
            for start in range(0, number, self.size):
                self._log(events[start : start + self.size])
        return watch.run(number, self._stored() - before)

    def _log(self, events: list[dict[str, Any]]) -> None:
        with self._sessions() as session:
            for parts in events:
                actor, resource = parts["actor"], parts["resource"]
                self._trail.log(
                    session,
                    TopicEvent.CREATED,
                    target=(resource["type"], resource["id"]),
                    payload=parts["request"]
                    | parts["metadata"]
                    | {"parent": resource["parent"]},
                    actor=Actor(
                        type=actor["type"],
                        id=actor["id"],
                        label=actor["email"],
                    ),
                )
            session.commit()

    def _stored(self) -> int:
        with self._engine.connect() as connection:
            found = connection.execute(
                text(f"SELECT count(*) FROM {self.schema}.audit_activity")
            )
            return int(found.scalar_one())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._trail.dispose()
        self._engine.dispose()


class ByTransaction(OneByOne):
    """
    500 events in one session and one commit.
    """

    name = "sqlalchemy-audit-trail, 500 a transaction"
    settings = "log() of a domain event, 500 in a session and a commit"
    size = SIZE
    schema = "trail_by_many"
