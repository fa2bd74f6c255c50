"""
Publisher to Kafka, beside kafka-python's own ``send()`` of ready bytes.

Keys, headers and the producer's settings are the same on both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from harness import Run, Stopwatch, duel
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from samples import make_events, make_records

from auditlog.kafka import KafkaSink
from auditlog.kafka.driver import BATCH_BYTES, LINGER
from auditlog.kafka.records import Message, Writer
from auditlog.publisher import AuditLogPublisher


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness import Row
    from setting import Setting

    from auditlog.abc import Record
    from auditlog.config import ClusterConfig


def rows(setting: Setting) -> Iterator[Row]:
    """
    The contest.
    """
    cluster = setting.cluster()
    topic = Topic(cluster, f"bench-{uuid4().hex}")
    number = setting.events(10_000)
    with AuditLogPublisher(KafkaSink(cluster, topic.name)) as publisher:
        producer = make_producer(cluster)
        yield duel(
            "publisher into Kafka, kafka-python send()",
            lambda: _publish(publisher, topic, number),
            lambda: send(producer, topic, make_records(number)),
            rounds=setting.rounds,
            target=0.9,
        )
        producer.close()


def _publish(publisher: AuditLogPublisher, topic: Topic, number: int) -> Run:
    events = make_events(number)
    before = topic.size()
    watch = Stopwatch()
    with watch():
        for event in events:
            publisher.enqueue(event)
        publisher.flush()
    return Run(watch.seconds, number, topic.size() - before)


def send(producer: Any, topic: Topic, records: Sequence[Record]) -> Run:
    """
    Send the same messages without us, all at once, and wait for all.
    """
    messages = list(map(Writer("resource").message, records))
    before = topic.size()
    watch = Stopwatch()
    with watch():
        futures = [_send(producer, topic.name, each) for each in messages]
        producer.flush()
        for future in futures:
            future.get()
    return Run(watch.seconds, len(messages), topic.size() - before)


def _send(producer: Any, topic: str, message: Message) -> Any:
    return producer.send(
        topic, message.value, key=message.key, headers=message.headers
    )


def make_producer(cluster: ClusterConfig) -> Any:
    """
    A producer with the settings that `KafkaSink` uses.
    """
    return KafkaProducer(
        bootstrap_servers=list(cluster.bootstrap_servers),
        enable_idempotence=True,
        acks="all",
        compression_type="gzip",
        batch_size=BATCH_BYTES,
        linger_ms=int(LINGER * 1000),
        max_in_flight_requests_per_connection=5,
        metrics_enabled=False,
    )


class Topic:
    """
    A topic with one partition, whose records are counted by its end.
    """

    def __init__(self, cluster: ClusterConfig, name: str) -> None:
        self.name = name
        self._place = TopicPartition(name, 0)
        self._consumer = KafkaConsumer(
            bootstrap_servers=list(cluster.bootstrap_servers), group_id=None
        )

    def size(self) -> int:
        """
        How many records it holds; 0 if it does not exist.
        """
        if self.name not in self._consumer.topics():
            return 0
        ends = self._consumer.end_offsets([self._place])
        return int(ends[self._place])
