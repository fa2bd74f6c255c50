"""
What tests do to a broker behind the back of what they test.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

import attrs

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import TopicPartition as Place
from kafka.admin import ConfigResource

from auditlog import AuditEvent, Resource
from auditlog.config import ClusterConfig
from auditlog.testing.contracts import make_record


THREADS = (
    "auditlog-network-thread",
    "auditlog-discarded",
    "kafka-io-auditlog",
)


CLUSTER = "my-kafka-cluster"


def make_event(n=0, **changes):
    """
    A topic of that number was created.
    """
    return AuditEvent(
        **{
            "event_type": "Kafka.Topic.Create",
            "resource": Resource(type="topic", id=str(n)),
            **changes,
        }
    )


def cluster_at(address, id="prod"):  # noqa: A002
    return ClusterConfig(id=id, bootstrap_servers=address)


def records(count, *, first=1, **changes):
    """
    *count* records with consecutive indexes.
    """
    return [
        attrs.evolve(make_record(**changes), index=n)
        for n in range(first, first + count)
    ]


def bulky(count, size):
    """
    *count* records, each of that many bytes and a bit.
    """
    return [
        attrs.evolve(make_record(metadata={"noise": noise(size)}), index=n)
        for n in range(1, count + 1)
    ]


def noise(size):
    """
    Text of that size that doesn't compress.
    """
    return os.urandom(size // 2).hex()


@contextlib.contextmanager
def admin(address):
    client = KafkaAdminClient(bootstrap_servers=address, client_id="tests")
    try:
        yield client
    finally:
        client.close()


def let_in(address, topic):
    """
    Let the topic take larger messages.
    """
    with admin(address) as client:
        config = {"max.message.bytes": "1000000"}
        client.alter_configs([ConfigResource("topic", topic, config)])


def create(address, topic, *, partitions=1, replicas=1, **config):
    config = {name.replace("_", "."): str(v) for name, v in config.items()}
    wanted = {
        "num_partitions": partitions,
        "replication_factor": replicas,
        "configs": config,
    }
    with admin(address) as client:
        client.create_topics({topic: wanted}, wait_for_metadata=True)


def delete(address, topic):
    with admin(address) as client:
        client.delete_topics([topic])
        # The broker that is asked next may not have heard of it.
        while not client.describe_topics([topic])[0]["error_code"]:
            pass


def describe(address, topic):
    with admin(address) as client:
        (found,) = client.describe_topics([topic])
    return found


def produce(address, topic, *messages, **settings):
    """
    Send *messages*, each the arguments of ``send()``, one after the other.
    """
    producer = KafkaProducer(
        bootstrap_servers=address, client_id="tests", **settings
    )
    try:
        return [
            producer.send(topic, **message).get(timeout=10)
            for message in messages
        ]
    finally:
        producer.close()


def consume(address, topic):
    """
    Everything in *topic*, partition by partition, as kafka-python gives it.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=address,
        client_id="tests",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        places = [
            Place(topic, number)
            for number in sorted(consumer.partitions_for_topic(topic))
        ]
        found = []
        for place in places:
            consumer.assign([place])
            end = consumer.end_offsets([place])[place]
            consumer.seek_to_beginning(place)
            while consumer.position(place) < end:
                for batch in consumer.poll(timeout_ms=500).values():
                    found += batch
        return found
    finally:
        consumer.close()


def client_threads():
    """
    The threads of our clients that still run.
    """
    return [t for t in threading.enumerate() if t.name in THREADS]


def wait_until_quiet(seconds=15):
    """
    The threads of our clients that still run after a while; best none.
    """
    deadline = time.monotonic() + seconds
    while client_threads() and time.monotonic() < deadline:
        time.sleep(0.05)
    return client_threads()
