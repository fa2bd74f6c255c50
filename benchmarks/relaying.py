"""
A relay from PostgreSQL to Kafka, beside its two halves done by hand.

Ours gives new events their place in the order, reads them, sends them and
remembers how far it came. By hand, once only reads the same rows in pages, and
once only sends them; the slower of both is what counts.
"""

from __future__ import annotations

import threading
import time

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from harness import CPU, RATE, Contender, Run, Stopwatch, compare
from peers import invite
from samples import make_records
from topics import Topic

from auditlog.kafka import KafkaSink
from auditlog.postgres import PostgresSink
from auditlog.relay import Relay


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness import Row
    from setting import Setting

    from auditlog.abc import Record
    from auditlog.config import ClusterConfig


NAME = "benchmarks"
SIZE = 500
# Records that are stored in one transaction.
PART = 10_000

PAGE = b"""
SELECT event.id, event.body, entry.idx, event.recorded_at
  FROM audit.entry JOIN audit.event ON event.id = entry.event_id
 WHERE entry.idx > %s
 ORDER BY entry.idx
 LIMIT %s
"""


class HeldSink(KafkaSink):
    """
    A topic whose first write is held back, so that a relay has begun when the
    clock does: it looks at the end of the topic then, once.
    """

    def __init__(self, cluster: ClusterConfig, topic: str) -> None:
        super().__init__(cluster, topic)
        self.waits = threading.Event()
        self.go_on = threading.Event()

    def write(self, records: Sequence[Record], /) -> None:
        """
        Send *records*, once it may.
        """
        self.waits.set()
        self.go_on.wait()
        super().write(records)


def rows(setting: Setting) -> Iterator[Row]:
    """
    The relay beside either half; with very many events in a thorough run.
    """
    yield from _contest(setting, setting.events(30_000), setting.rounds)
    if setting.full:
        yield from _contest(setting, setting.many, 3)


def _contest(setting: Setting, number: int, rounds: int) -> Iterator[Row]:
    cluster, url = setting.cluster(), setting.database()
    with ExitStack() as stack:
        topic = Topic(cluster)
        stack.callback(topic.close)
        journal = PostgresSink(url)
        stack.callback(journal.close)
        sink = HeldSink(cluster, topic.name)
        stack.callback(sink.close)
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        yield from compare(
            f"relay {number:,} events from PostgreSQL to Kafka",
            Contender(
                name="auditlog",
                run=partial(_relay, journal, sink, topic, number),
                settings="a Relay that has read a first batch",
            ),
            Contender(
                name="psycopg, only reads",
                run=partial(_read, connection, number),
                settings="the same rows in pages of 500, binary",
            ),
            invite(
                *(stack, "kafka_python", "ByHand", number, topic),
                targets={"": 0.8},
            ),
            rounds=rounds,
            measures=(RATE, CPU),
        )


def _relay(
    journal: PostgresSink, sink: HeldSink, topic: Topic, number: int
) -> Run:
    before = topic.size()
    for start in range(0, number, PART):
        journal.write(make_records(min(PART, number - start)))
    end = journal.size(timeout=60)
    relay = Relay(journal, sink, name=NAME)
    sink.go_on.clear()
    sink.waits.clear()
    relay.start()
    sink.waits.wait(60)
    watch = Stopwatch()
    with watch():
        sink.go_on.set()
        while journal.position(NAME) < end:
            time.sleep(0.02)
    relay.stop(10)
    return watch.run(number, topic.size() - before)


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
    return watch.run(number, arrived)
