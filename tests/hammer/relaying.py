"""
A process that relays, and competes with others.
"""

from __future__ import annotations

import signal

import auditlog.relay

from auditlog import AuditLogPublisher, PostgresSink
from auditlog.config import ClusterConfig, TopicConfig
from auditlog.kafka import KafkaSink
from tests.hammer import variants
from tests.hammer.writer import PATIENCE, database


NAME = "kafka"
# Seconds; short, so that a frozen holder is replaced within a round.
TTL = 1.0
STANDBY = 0.2
LONGEST_PAUSE = 0.5
# The deadline of a batch is longer than most faults. With small requests,
# several are on their way to a partition at a time, and can be overtaken.
PROPERTIES = "request.timeout.ms=2000\nbatch.size=4096"
DELIVERY = 3.0


def journal(url, *, pooled=False, kind=PostgresSink):
    return kind(database(url, pooled=pooled), timeout=PATIENCE, lease_ttl=TTL)


def topic_sink(address, topic, *, partitions=3):
    cluster = ClusterConfig(
        id="prod", bootstrap_servers=address, properties=PROPERTIES
    )
    return KafkaSink(
        cluster,
        topic,
        topic_config=TopicConfig(partition=partitions),
        delivery_timeout=DELIVERY,
    )


def make(url, address, topic, *, pooled, kind, batch_events):
    """
    A relay, and what is to be closed after it.
    """
    source = journal(url, pooled=pooled, kind=variants.journal_of(kind))
    sink = topic_sink(address, topic)
    if kind == "publisher":
        publisher = AuditLogPublisher(source, relays={NAME: sink})
        return publisher.relays[NAME], publisher.close
    relay = variants.relay_of(kind)(
        source, sink, name=NAME, batch_events=batch_events
    )
    relay.start()
    return relay, lambda: relay.stop(10)


def main(url, address, topic, *, pooled=False, kind="relay", batch_events=512):
    """
    Relay until SIGTERM, which the caller has blocked.
    """
    auditlog.relay.STANDBY = STANDBY
    relay, close = make(
        url,
        address,
        topic,
        pooled=pooled,
        kind=kind,
        batch_events=batch_events,
    )
    for patience in (relay._reading, relay._writing):
        patience.longest = LONGEST_PAUSE
    signal.sigwait({signal.SIGTERM})
    close()
