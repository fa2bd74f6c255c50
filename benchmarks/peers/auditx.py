"""
auditx-connector, with a connection and a transaction for each event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import psycopg

from auditx_connector import (
    AuditConnectorConfig,
    AuditService,
    CanonicalAuditEnvelope,
    DefaultIdempotencyKeyFactory,
    KafkaAuditPublisher,
    KafkaConfig,
    PostgresAuditPublisher,
    PostgresConfig,
)
from harness import Run, Stopwatch
from samples import make_parts


if TYPE_CHECKING:
    from topics import Topic


# It ships no statement for its table: these are the columns that it names.
TABLE = """
CREATE TABLE auditx_event (
    event_id text PRIMARY KEY, event_time timestamptz, event_type text,
    severity text, source text, service_name text, service_version text,
    environment text, session_id text, conversation_id text, group_id text,
    interaction_id text, trace_id text, span_id text,
    idempotency_key text UNIQUE, business_keys jsonb, extra_map jsonb,
    tags jsonb, actor jsonb, error_map jsonb, event_payload jsonb
)
"""

OPTIONS = AuditConnectorConfig(enabled=True, enforce_idempotency=True)


def make_envelope() -> CanonicalAuditEnvelope:
    """
    The sample event as auditx-connector has it.
    """
    parts = make_parts()
    return CanonicalAuditEnvelope(
        event_type=parts["event_type"],
        actor=parts["actor"],
        business_keys=parts["resource"],
        extra_map=parts["request"] | parts["metadata"],
        trace_id=parts["correlation_id"],
        # Without one of its own, an event is taken for one that is there.
        idempotency_key=str(uuid4()),
    )


class IntoPostgres:
    """
    Its publisher ``ASYNC_DB``; a context manager.
    """

    name = "auditx-connector"
    settings = (
        "PostgresAuditPublisher as in its README; it opens a connection for "
        "each event and has no other way"
    )
    unfair = ""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(TABLE)
        self._service = AuditService(
            PostgresAuditPublisher(
                PostgresConfig(dsn=url, table="auditx_event"),
                OPTIONS,
                DefaultIdempotencyKeyFactory(),
            )
        )

    def store(self, number: int, /) -> Run:
        """
        Publish as many ready envelopes.
        """
        envelopes = [make_envelope() for _ in range(number)]
        before = self._stored()
        watch = Stopwatch()
        with watch():
            for envelope in envelopes:
                self._service.publish_envelope(envelope)
        return watch.run(number, self._stored() - before)

    def _stored(self) -> int:
        found: Any = self._connection.execute(
            "SELECT count(*) FROM auditx_event"
        ).fetchone()
        return int(found[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.close()


class IntoKafka:
    """
    Its publisher ``KAFKA``, a new one for each round, as only closing flushes.
    """

    name = "auditx-connector"
    settings = "KafkaAuditPublisher as in its README, then close()"
    unfair = (
        "it never asks what became of a record, has no headers, and sends "
        "uncompressed"
    )

    def __init__(self, topic: Topic) -> None:
        self._topic = topic

    def store(self, number: int, /) -> Run:
        """
        Publish as many ready envelopes, and close.
        """
        envelopes = [make_envelope() for _ in range(number)]
        publisher = KafkaAuditPublisher(
            KafkaConfig(self._topic.servers, self._topic.name),
            OPTIONS,
            DefaultIdempotencyKeyFactory(),
        )
        service = AuditService(publisher)
        before = self._topic.size()
        watch = Stopwatch()
        with watch():
            for envelope in envelopes:
                service.publish_envelope(envelope)
            publisher.close()
        return watch.run(number, self._topic.size() - before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass
