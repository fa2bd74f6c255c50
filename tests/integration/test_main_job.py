"""
The main job on real services: into the table, into the topic, in order, and
nothing lost, whatever is killed on the way.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import time

from uuid import UUID

import pytest

from auditlog import (
    AuditLogConfig,
    AuditLogPublisher,
    ClusterConfig,
    ClusterRegistry,
    EventQuery,
    KafkaReader,
    PostgresReader,
)
from auditlog.errors import DeliveryTimeoutError
from tests.kafka_tools import CLUSTER, create, make_event, noise
from tests.postgres_tools import until


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
def clusters(cluster):
    return ClusterRegistry([cluster])


def bodies(reader, query=None):
    return [record.body for record in reader.read(query)]


def test_bytes_are_the_same_in_table_and_topic(
    config, clusters, cluster, topic
):
    """
    In the same order too, and each record says its index.
    """
    with AuditLogPublisher.from_config(config, clusters=clusters) as publisher:
        for n in range(1_000):
            publisher.enqueue(make_event(n))
        publisher.wait_delivered(60)

    table = list(PostgresReader(config.database))
    in_topic = list(KafkaReader(cluster, topic))
    assert len(table) == 1_000
    assert [r.body for r in table] == [r.body for r in in_topic]
    assert [r.event_id for r in table] == [r.event_id for r in in_topic]
    assert [*range(1, 1_001)] == [
        int(dict(r.origin.headers)["audit-index"]) for r in in_topic
    ]


def test_unknown_cluster_is_said_and_recovers_in_order(
    config, cluster, topic, caplog
):
    """
    The product's line, at once and with the number waiting; the events stay
    in the journal until the cluster appears.
    """
    clusters = ClusterRegistry()
    with AuditLogPublisher.from_config(config, clusters=clusters) as publisher:
        with caplog.at_level(logging.ERROR, "auditlog.kafka"):
            for n in range(20):
                publisher.publish(make_event(n))
            until(lambda: caplog.records, timeout=60)
        with pytest.raises(DeliveryTimeoutError):
            publisher.wait_delivered(0.2)
        clusters.add(cluster)
        publisher.wait_delivered(60)

    line = caplog.records[0]
    assert line.name == "auditlog.kafka"
    assert line.getMessage() == (
        "Failed to publish audit log event: Not found. "
        "Could not find cluster my-kafka-cluster"
    )
    assert line.auditlog_known_clusters == ()
    assert 1 <= line.auditlog_waiting <= 20
    assert bodies(PostgresReader(config.database)) == bodies(
        KafkaReader(cluster, topic)
    )


def test_event_that_is_too_large_costs_only_itself(
    config, clusters, cluster, topic, bootstrap_servers
):
    """
    It stays in the table, a placeholder takes its index, the rest goes on.
    """
    create(bootstrap_servers, topic, max_message_bytes=4_000)
    with AuditLogPublisher.from_config(config, clusters=clusters) as publisher:
        events = [make_event(n) for n in range(9)]
        events[4] = make_event(4, metadata={"noise": noise(20_000)})
        for event in events:
            publisher.enqueue(event)
        publisher.wait_delivered(60)
        (relay,) = publisher.relays.values()

        assert (relay.delivered, relay.dead) == (8, 1)

    found = [r.event_id for r in KafkaReader(cluster, topic)]
    assert [e.event_id for e in events if e is not events[4]] == found
    skipped = [
        item
        for item in KafkaReader(cluster, topic).scan(EventQuery())
        if hasattr(item, "reason")
    ]
    assert [s.reason for s in skipped] == ["placeholder of a dead letter"]
    assert len(bodies(PostgresReader(config.database))) == 9


def test_topic_only_publishes_to_the_broker(clusters, cluster, topic):
    """
    Without a database, publish() returns after the broker's acknowledgement.
    """
    config = AuditLogConfig.from_mapping(
        {"audit_log_publisher": {"cluster": CLUSTER, "topicName": topic}}
    )
    with AuditLogPublisher.from_config(config, clusters=clusters) as publisher:
        publisher.publish(event := make_event(), timeout=30)
        in_topic = list(KafkaReader(cluster, topic))
        publisher.wait_delivered()

    assert [event] == [record.event for record in in_topic]


def test_extra_sink_has_a_relay_of_its_own(config, clusters, cluster, topic):
    """
    A custom sink that fails for ever delays neither table nor topic.
    """

    class Broken:
        def write(self, records):
            raise OSError

    seen = []

    class Print:
        def write(self, records):
            seen.extend(record.event.resource.id for record in records)

    publisher = AuditLogPublisher.from_config(
        config, clusters=clusters, sinks={"broken": Broken(), "print": Print()}
    )
    publisher.publish(make_event(7))
    until(lambda: seen, timeout=60)
    until(lambda: publisher.relays[f"{CLUSTER}/{topic}"].delivered, timeout=60)

    assert len(bodies(KafkaReader(cluster, topic))) == 1
    with pytest.raises(DeliveryTimeoutError, match="1 for relay 'broken'"):
        publisher.wait_delivered(0.5)
    publisher.close()
    assert seen == ["7"]


SCRIPT = """
import os, sys
from auditlog import *

config = AuditLogConfig.from_env()
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
publisher = AuditLogPublisher.from_config(config)
n = 0
while True:
    event = AuditEvent(
        event_type="A.B.C", resource=Resource(type="thing", id=str(n))
    )
    receipt = publisher.publish(event, timeout=60)
    os.write(out, f"{event.event_id}\\n".encode())
    os.fsync(out)
    n += 1
"""


def test_nothing_acknowledged_is_lost_when_processes_are_killed(
    config, cluster, clusters, topic, database_url, tmp_path
):
    """
    Two processes publish and relay; they are killed again and again at any
    moment. What publish() returned for is in the table, and in the topic, in
    the table's order, whoever shipped it.
    """
    acknowledged = tmp_path / "acknowledged"
    env = {
        **os.environ,
        "CDK_DATABASE_URL": database_url,
        "CDK_AUDITLOGPUBLISHER_CLUSTER": CLUSTER,
        "CDK_AUDITLOGPUBLISHER_TOPICNAME": topic,
        "CDK_CLUSTERS_0_ID": CLUSTER,
        "CDK_CLUSTERS_0_NAME": "x",
        "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": cluster.bootstrap_servers[0],
    }

    def start():
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SCRIPT), acknowledged],
            env=env,
            stderr=subprocess.DEVNULL,
        )

    processes = [start(), start()]
    for round_ in range(6):
        time.sleep(1.2 + 0.17 * round_)
        victim = processes.pop(0)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        processes.append(start())
    time.sleep(1.5)
    for process in processes:
        process.kill()
        process.wait()

    acked = {UUID(line) for line in acknowledged.read_text().split()}
    # The dead holder's lease runs out after 15 s.
    with AuditLogPublisher.from_config(config, clusters=clusters) as publisher:
        publisher.publish(make_event())
        publisher.wait_delivered(60)

    table = [r.event_id for r in PostgresReader(config.database)]
    in_topic = [r.event_id for r in KafkaReader(cluster, topic)]
    first_appearances = list(dict.fromkeys(in_topic))
    assert len(acked) > 20
    assert acked <= set(table)
    assert table == first_appearances
