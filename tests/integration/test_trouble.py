"""
Bad input and trouble, as an application meets them, on the real services.
"""

from __future__ import annotations

import json
import logging

import pytest

from auditlog import (
    AuditLogConfig,
    AuditLogPublisher,
    ClusterConfig,
    ClusterRegistry,
    CSVExporter,
    DatabaseConfig,
    JSONExporter,
    KafkaReader,
    KafkaSink,
    PostgresReader,
    PostgresSink,
)
from auditlog.errors import (
    DeliveryTimeoutError,
    DuplicateEventError,
    EncodingError,
    InvalidEventError,
    SinkSetupError,
    SinkTimeoutError,
)
from tests.kafka_tools import (
    CLUSTER,
    create,
    delete,
    make_event,
    noise,
    produce,
)
from tests.postgres_tools import execute, until


def ids(reader):
    return [record.event_id for record in reader]


@pytest.fixture
def cluster(bootstrap_servers):
    return ClusterConfig(id=CLUSTER, bootstrap_servers=bootstrap_servers)


@pytest.fixture
def config(database_url, topic):
    return AuditLogConfig.from_mapping(
        {
            "database": {"url": database_url},
            "audit_log_publisher": {"cluster": CLUSTER, "topicName": topic},
        }
    )


@pytest.fixture
def publisher(config, cluster):
    """
    From events to table and topic.
    """
    with AuditLogPublisher.from_config(
        config, clusters=ClusterRegistry([cluster])
    ) as publisher:
        yield publisher


@pytest.fixture
def errors(caplog):
    """
    A function that tells the messages of our ERROR lines so far.
    """
    caplog.set_level(logging.INFO, "auditlog")
    return lambda: [
        each.getMessage()
        for each in caplog.records
        if each.levelno == logging.ERROR and each.name == "auditlog.kafka"
    ]


# Bad input


def itself():
    """
    A list that holds itself.
    """
    value = []
    value.append(value)
    return value


def deep(levels):
    value = None
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [float("nan"), object(), itself(), deep(100_000)],
    ids=["nan", "foreign object", "cycle", "deep"],
)
def test_value_without_a_form_costs_only_its_own_event(
    publisher, database_url, value
):
    """
    It is refused with its path before anything is stored; what is published
    around it is stored.
    """
    publisher.publish(first := make_event(1))

    with pytest.raises(EncodingError) as caught:
        publisher.publish(make_event(2, metadata={"a": {"b": [0, value]}}))
    publisher.publish(last := make_event(3))

    assert caught.value.path.startswith("$.metadata.a.b[1]")
    stored = ids(PostgresReader(database_url))
    assert [first.event_id, last.event_id] == stored


def test_what_is_no_event_costs_only_itself(publisher, database_url):
    """
    An empty type, or nothing of ours at all.
    """
    publisher.publish(first := make_event(1))

    with pytest.raises(InvalidEventError, match="event_type"):
        publisher.publish(make_event(2, event_type=""))
    with pytest.raises(InvalidEventError, match="got dict"):
        publisher.publish({"event_type": "Kafka.Topic.Create"})
    publisher.publish(last := make_event(3))

    stored = ids(PostgresReader(database_url))
    assert [first.event_id, last.event_id] == stored


def test_hostile_text_and_5_mb_reach_table_and_topic(
    publisher, database_url, cluster, topic
):
    """
    In their documented forms, which PostgreSQL's jsonb takes too.
    """
    events = [
        make_event(1),
        make_event(2, metadata={"text": "a\ud800b\0c"}),
        make_event(3, metadata={"noise": noise(5_000_000)}),
        make_event(4),
    ]

    for event in events:
        publisher.publish(event)
    publisher.wait_delivered(60)

    table = [record.body for record in PostgresReader(database_url)]
    assert table == [record.body for record in KafkaReader(cluster, topic)]
    data = [json.loads(body)["data"] for body in table]
    assert {"text": "a\ufffdb\ufffdc"} == data[1]["metadata"]
    assert (2, True) == (data[1]["replaced"], "truncated" in data[2])
    assert max(map(len, table)) <= 65_535


def test_same_id_with_another_body_costs_only_itself(publisher, database_url):
    """
    The same event again is a success, and one row.
    """
    publisher.publish(event := make_event(1))
    publisher.publish(event)
    another = make_event(2, event_id=event.event_id)

    receipts = [
        publisher.enqueue(each)
        for each in (make_event(3), another, make_event(4))
    ]
    with pytest.raises(DuplicateEventError, match=str(event.event_id)):
        receipts[1].result(10)
    publisher.flush()

    stored = [r.event.resource.id for r in PostgresReader(database_url)]
    assert ["1", "3", "4"] == stored


# PostgreSQL away


def test_database_that_is_away_and_comes_back(
    proxied_database_url, database_proxy, database_url
):
    """
    publish() tells the reason in time; the same event again is one row.
    """
    database_proxy.refuse()
    event = make_event()
    with AuditLogPublisher(PostgresSink(proxied_database_url)) as publisher:
        with pytest.raises(SinkTimeoutError, match="connection failed"):
            publisher.publish(event, timeout=0.5)
        database_proxy.restore()
        publisher.publish(event, timeout=60)
        publisher.publish(event)

        database_proxy.cut()
        publisher.publish(last := make_event(2), timeout=60)

    stored = ids(PostgresReader(database_url))
    assert [event.event_id, last.event_id] == stored


# Kafka away


def test_cluster_that_is_away_at_first(
    config, kafka_server, kafka_proxy, topic, errors, caplog
):
    """
    It has a line of its own with the true reason; the application doesn't
    notice, and the events wait.
    """
    kafka_proxy.refuse()
    address = kafka_proxy.address
    cluster = ClusterConfig(id=CLUSTER, bootstrap_servers=address)
    with AuditLogPublisher.from_config(
        config, clusters=ClusterRegistry([cluster])
    ) as publisher:
        for n in range(5):
            publisher.publish(make_event(n))
        until(errors)
        with pytest.raises(DeliveryTimeoutError):
            publisher.wait_delivered(0.1)

        kafka_proxy.restore()
        publisher.wait_delivered(60)

    assert errors()[0] == (
        f"Failed to publish audit log event: Unreachable. {address} refuses "
        "connections; start the broker, or correct host and port"
    )
    assert "works again after" in caplog.text
    assert ids(PostgresReader(config.database)) == ids(
        KafkaReader(cluster, topic)
    )


def test_cluster_that_goes_away_later(
    database_url, kafka_server, kafka_proxy, topic, errors
):
    """
    A connection that worked and ends makes the same line.
    """
    address = kafka_proxy.address
    cluster = ClusterConfig(id=CLUSTER, bootstrap_servers=address)
    sink = KafkaSink(cluster, topic, delivery_timeout=1.0)
    with AuditLogPublisher(
        PostgresSink(database_url), relays={"topic": sink}
    ) as publisher:
        publisher.publish(make_event(0))
        publisher.wait_delivered(60)
        kafka_proxy.refuse()
        kafka_proxy.cut()
        for n in range(1, 5):
            publisher.publish(make_event(n))
        until(errors, timeout=30)
        assert 5 == len(ids(PostgresReader(database_url)))

        kafka_proxy.restore()
        publisher.wait_delivered(60)

    assert f"Unreachable. {address} refuses connections" in errors()[0]
    assert ids(PostgresReader(database_url)) == list(
        dict.fromkeys(ids(KafkaReader(cluster, topic)))
    )


def test_topic_that_is_deleted_while_running(
    publisher, database_url, cluster, topic, bootstrap_servers, errors
):
    """
    It is said, created again, and gets what comes from then on.
    """
    publisher.publish(make_event(0))
    publisher.wait_delivered(60)
    delete(bootstrap_servers, topic)

    later = [make_event(n) for n in range(1, 5)]
    for event in later:
        publisher.publish(event)
    publisher.wait_delivered(60)

    assert f"Topic {topic!r} is not there any more" in errors()[0]
    assert 5 == len(ids(PostgresReader(database_url)))
    assert [event.event_id for event in later] == ids(
        KafkaReader(cluster, topic)
    )


def test_event_that_the_broker_does_not_take_is_told(
    config, cluster, topic, bootstrap_servers, caplog
):
    """
    The application is unharmed, and the log says which event, and why.
    """
    create(bootstrap_servers, topic, max_message_bytes=4_000)
    with AuditLogPublisher.from_config(
        config, clusters=ClusterRegistry([cluster])
    ) as publisher:
        publisher.publish(make_event(1, metadata={"noise": noise(20_000)}))
        publisher.publish(last := make_event(2))
        publisher.wait_delivered(60)

    (line,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "dead letters, the first, index 1, because:" in line.getMessage()
    assert 2 == len(ids(PostgresReader(config.database)))
    assert [last.event_id] == ids(KafkaReader(cluster, topic))


def test_unknown_cluster_has_a_second_line_with_those_that_are_known(
    config, bootstrap_servers, caplog
):
    """
    The first is the product's, word for word; both have the same extras.
    """
    other = ClusterConfig(id="other", bootstrap_servers=bootstrap_servers)
    with AuditLogPublisher.from_config(
        config, clusters=ClusterRegistry([other])
    ) as publisher:
        publisher.publish(make_event())
        until(lambda: len(caplog.records) >= 2)

    error, warning = caplog.records[:2]
    assert (logging.ERROR, logging.WARNING) == (error.levelno, warning.levelno)
    assert "auditlog.kafka" == error.name == warning.name
    assert warning.getMessage().endswith("; known cluster IDs: other")
    for line in (error, warning):
        assert ("other",) == line.auditlog_known_clusters
        assert 1 == line.auditlog_waiting


def test_count_of_what_waits_grows(config, errors):
    """
    Also by events that have no place in the order yet.
    """
    with AuditLogPublisher.from_config(
        config, clusters=ClusterRegistry()
    ) as publisher:
        publisher.publish(make_event())
        until(errors)
        for n in range(4):
            publisher.publish(make_event(n))

        (relay,) = publisher.relays.values()
        assert 5 == relay._waiting()


def test_what_a_caller_was_told_does_not_wait(database_url, caplog):
    """
    Then no line says that it does.
    """
    execute(database_url, "CREATE SCHEMA audit")
    sink = PostgresSink(DatabaseConfig(url=database_url, create_schema=False))
    publisher = AuditLogPublisher(sink)
    with publisher, pytest.raises(SinkSetupError):
        publisher.publish(make_event())

    (line,) = caplog.records
    assert logging.ERROR == line.levelno


# Foreign records


@pytest.mark.parametrize("exporter", [JSONExporter(), CSVExporter()])
def test_foreign_records_in_a_topic_are_shown_in_the_report(
    publisher, cluster, topic, bootstrap_servers, tmp_path, exporter
):
    """
    Each with its place and reason; the events around them are exported.
    """
    publisher.publish(make_event(1))
    publisher.wait_delivered(60)
    produce(
        bootstrap_servers,
        topic,
        {"key": b"k", "value": None},
        {"value": b"{"},
        {"value": b"null"},
        {"value": b"\xff"},
        {"value": b'{"a":' * 5_000},
    )
    publisher.publish(make_event(2))
    publisher.wait_delivered(60)

    report = exporter.export(KafkaReader(cluster, topic), tmp_path / "out")

    assert 2 == report.rows
    assert {"no value": 1, "not an audit event": 4} == report.skipped
    assert [f"{topic}[0]@{n}" for n in (1, 2, 3, 4, 5)] == [
        each.place for each in report.skipped_first
    ]
