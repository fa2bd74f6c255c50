"""
confluent-kafka by hand: ``produce()`` of ready bytes, keys and headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import Producer
from harness import Run, Stopwatch

from auditlog.kafka.driver import BATCH_BYTES, LINGER
from peers.kafka_python import make_messages


if TYPE_CHECKING:
    from topics import Topic


class ByHand:
    """
    A producer with the same settings, on librdkafka; a context manager.
    """

    name = "confluent-kafka"
    settings = (
        "produce() of ready bytes with the same key and headers, a callback "
        "each, poll(0) after each and flush(); acks=all, idempotent, gzip, "
        f"batch.size={BATCH_BYTES}, linger.ms={LINGER * 1000:.0f}"
    )
    unfair = "librdkafka compresses and sends in a thread of C"

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._failed = 0
        self._producer = Producer(
            {
                "bootstrap.servers": topic.servers,
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "gzip",
                "batch.size": BATCH_BYTES,
                "linger.ms": LINGER * 1000,
            }
        )

    def store(self, number: int, /) -> Run:
        """
        Produce as many ready messages, and wait for all.
        """
        messages = make_messages(number)
        before = self._topic.size()
        watch = Stopwatch()
        with watch():
            for each in messages:
                self._produce(each)
            self._producer.flush()
        return watch.run(number, self._topic.size() - before - self._failed)

    def _produce(self, message: Any) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic.name,
                    message.value,
                    message.key,
                    headers=message.headers,
                    on_delivery=self._delivered,
                )
            except BufferError:  # full: its documentation says to poll
                self._producer.poll(0.01)
            else:
                self._producer.poll(0)
                return

    def _delivered(self, error: Any, _: Any) -> None:
        self._failed += error is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._producer.flush()
