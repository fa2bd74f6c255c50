"""
A whole audit log in a script: publish, wait until it is delivered, export.

Run it with the settings of the README in the environment:

    pip install "auditlog-publisher[postgres,kafka]"
    python script.py
"""

from __future__ import annotations

from auditlog import (
    Actor,
    AuditEvent,
    AuditLogConfig,
    AuditLogPublisher,
    Change,
    CSVExporter,
    EventQuery,
    JSONExporter,
    KafkaReader,
    Outcome,
    PostgresReader,
    Resource,
    context,
)


PRODUCTION = Resource(type="kafkacluster", id="production")


def topic(name: str) -> Resource:
    """
    A topic on the production cluster.
    """
    return Resource(type="topic", id=name, parent=PRODUCTION)


def make_events() -> list[AuditEvent]:
    """
    What Alice did this morning.
    """
    alice = Actor(id="alice", email="alice@example.com")
    with context.bind(actor=alice, correlation_id="morning"):
        return [
            AuditEvent(
                event_type="Kafka.Topic.Create",
                resource=topic("website-orders"),
                metadata={"name": "website-orders", "partitions": 3},
            ),
            AuditEvent(
                event_type="Kafka.Topic.Update",
                resource=topic("website-orders"),
                changes=[Change(path="retention.ms", old=-1, new=86_400_000)],
            ),
            AuditEvent(
                event_type="Kafka.Topic.Delete",
                resource=topic("payments"),
                outcome=Outcome.DENIED,
                code="missing_permission",
            ),
        ]


def main() -> None:
    """
    Publish, read back and export.
    """
    config = AuditLogConfig.from_env()
    assert config.database is not None

    with AuditLogPublisher.from_config(config) as publisher:
        for event in make_events():
            publisher.publish(event)
        publisher.wait_delivered(timeout=30)
    print("stored in the table and delivered to the topic")

    table = PostgresReader(config.database)
    for record in table.read(EventQuery(outcomes=["denied"])):
        print("denied:", record.event.event_type, record.event.resource.id)

    cluster = config.cluster(config.publisher.cluster or "")
    events = KafkaReader(cluster, config.publisher.topic_name or "")
    print(JSONExporter().export(events, "audit.jsonl"))
    print(CSVExporter().export(events, "audit.csv"))


if __name__ == "__main__":
    main()
