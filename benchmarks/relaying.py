"""
A relay from PostgreSQL to Kafka, beside its two halves done by hand.

Ours gives new events their place in the order, reads them, sends them and
remembers how far it came. By hand, once only reads the same rows in pages, and
once only sends them; the slower of both is what counts.
"""

from __future__ import annotations

import time

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg

from harness import Run, Stopwatch, duel
from into_kafka import Topic, make_producer, send
from samples import make_records

from auditlog.kafka import KafkaSink
from auditlog.postgres import PostgresSink
from auditlog.relay import Relay


if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import Row
    from setting import Setting


NAME = "benchmarks"
SIZE = 500

PAGE = b"""
SELECT event.id, event.body, entry.idx, event.recorded_at
  FROM audit.entry JOIN audit.event ON event.id = entry.event_id
 WHERE entry.idx > %s
 ORDER BY entry.idx
 LIMIT %s
"""


def rows(setting: Setting) -> Iterator[Row]:
    """
    The relay beside either half.
    """
    cluster, url = setting.cluster(), setting.database()
    number = setting.events(10_000)
    journal = PostgresSink(url)
    topic = Topic(cluster, f"bench-{uuid4().hex}")
    sink = KafkaSink(cluster, topic.name)
    relay = Relay(journal, sink, name=NAME)
    relay.start()
    producer = make_producer(cluster)
    with psycopg.connect(url, autocommit=True) as connection:

        def ours() -> Run:
            return _relay(relay, topic, number)

        yield duel(
            "relay PostgreSQL to Kafka, only read the same rows",
            ours,
            lambda: _read(connection, number),
            rounds=setting.rounds,
        )
        yield duel(
            "relay PostgreSQL to Kafka, only kafka-python send()",
            ours,
            lambda: send(producer, topic, make_records(number)),
            rounds=setting.rounds,
            target=0.8,
        )
    producer.close()
    relay.stop(10)
    sink.close()
    journal.close()


def _relay(relay: Relay, topic: Topic, number: int) -> Run:
    records = make_records(number)
    before = topic.size()
    # One transaction: the relay sees all of them at one moment.
    relay.journal.write(records)
    end = relay.journal.size(timeout=10)
    watch = Stopwatch()
    with watch():
        relay.wake()
        while relay.journal.position(NAME) < end:
            time.sleep(0.005)
    return Run(watch.seconds, number, topic.size() - before)


def _read(connection: psycopg.Connection, number: int) -> Run:
    found = connection.execute(b"SELECT max(idx) FROM audit.entry").fetchone()
    assert found is not None
    last: int = found[0]
    place, arrived = last - number, 0
    watch = Stopwatch()
    with watch():
        while place < last:
            page: list[Any] = connection.execute(
                PAGE, (place, SIZE), binary=True
            ).fetchall()
            place = page[-1][2]
            arrived += len(page)
    return Run(watch.seconds, number, arrived)
