"""
kafka-python by hand: ``send()`` of ready bytes, keys and headers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Self

from harness import Run, Stopwatch
from kafka import KafkaProducer
from samples import make_records

from auditlog.kafka.driver import BATCH_BYTES, LINGER
from auditlog.kafka.records import Message, Writer


if TYPE_CHECKING:
    from collections.abc import Iterable

    from topics import Topic


# Answers that are waited for at most, so that memory stays flat.
WAITING = 20_000


class ByHand:
    """
    A producer with the settings that `KafkaSink` uses; a context manager.
    """

    name = "kafka-python"
    settings = (
        "send() of ready bytes with the same key and headers; acks=all, "
        f"idempotent, gzip, batch_size={BATCH_BYTES}, "
        f"linger_ms={LINGER * 1000:.0f}"
    )
    unfair = ""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._producer = make_producer(topic.servers)

    def store(self, number: int, /) -> Run:
        """
        Send as many ready messages, and wait for all.
        """
        messages = make_messages(number)
        before = self._topic.size()
        watch = Stopwatch()
        with watch():
            self._send(messages)
        return watch.run(number, self._topic.size() - before)

    def _send(self, messages: Iterable[Message]) -> None:
        send, topic = self._producer.send, self._topic.name
        waiting: deque[Any] = deque()
        for each in messages:
            waiting.append(
                send(topic, each.value, key=each.key, headers=each.headers)
            )
            if len(waiting) > WAITING:
                waiting.popleft().get()
        self._producer.flush()
        for future in waiting:
            future.get()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._producer.close()


def make_messages(number: int) -> list[Message]:
    """
    As many messages as `KafkaSink` makes them.
    """
    return list(map(Writer("resource").message, make_records(number)))


def make_producer(servers: str) -> Any:
    """
    A producer with the settings that `KafkaSink` uses.
    """
    return KafkaProducer(
        bootstrap_servers=servers,
        enable_idempotence=True,
        acks="all",
        compression_type="gzip",
        batch_size=BATCH_BYTES,
        linger_ms=int(LINGER * 1000),
        max_in_flight_requests_per_connection=5,
        metrics_enabled=False,
    )
