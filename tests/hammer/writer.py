"""
A process that publishes in every way there is, and notes what it was told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time

import psycopg

from auditlog import (
    AuditEvent,
    AuditLogPublisher,
    PostgresSink,
    Resource,
    SpoolSink,
)
from auditlog.config import DatabaseConfig
from auditlog.errors import AuditLogError, BufferFullError
from tests.hammer.notes import ATTEMPTED, DOOMED, ORDERED, Notes


ORDER = "INSERT INTO orders VALUES (%s)"

# Seconds to wait for an answer: shorter than some faults.
PATIENCE = 1.5


def database(url, *, pooled):
    return DatabaseConfig(url=url, connection_timeout=2, prepare=not pooled)


class Writer:
    """
    One process of an application.

    Args:
        pooled: Whether *url* leads to a pooler.

        slow: Longest pause inside a transaction, in seconds.

        poison: How many of its events are too large for the topic.

        spool: Where events are kept while the database is away, if anywhere.
    """

    def __init__(
        self,
        url,
        path,
        *,
        seed,
        pooled=False,
        slow=0.03,
        poison=0.0,
        spool=None,
    ):
        self.url = url
        self.notes = Notes(path)
        self.chance = random.Random(seed)
        self.slow = slow
        self.poison = poison
        self.connection = None
        self.pending = []
        self.ended = False
        self.threshold = None if pooled else 5
        sink = PostgresSink(database(url, pooled=pooled), timeout=PATIENCE)
        self.publisher = AuditLogPublisher(
            sink,
            fallback=SpoolSink(spool) if spool else None,
            fallback_after=PATIENCE / 3,
        )

    def run(self):
        ways = [self.publish, self.enqueue, self.gather, self.transact]
        while not self.ended:
            self.chance.choices(ways, [3, 3, 1, 4])[0]()
            self.settle()
            # Of its other work; the machine is there for others, too.
            time.sleep(self.chance.random() * 0.02)

    def end(self, *_):
        self.ended = True

    def event(self, mark=ATTEMPTED):
        is_poisoned = self.chance.random() < self.poison
        size = 20_000 if is_poisoned else 80
        event = AuditEvent(
            event_type="App.Order.Place",
            resource=Resource(type="order", id=str(self.chance.randrange(50))),
            metadata={"noise": self.chance.randbytes(size).hex()},
        )
        self.notes.attempt(event, mark)
        if is_poisoned:
            self.notes.poison(event)
        return event

    def publish(self):
        """
        Again and again, with the same id, until it is stored.
        """
        event = self.event()
        while not self.ended:
            with contextlib.suppress(AuditLogError):
                self.publisher.publish(event, timeout=PATIENCE)
                self.notes.acknowledge(event.event_id)
                return

    def enqueue(self):
        for _ in range(self.chance.randint(1, 20)):
            event = self.event()
            with contextlib.suppress(BufferFullError):
                self.pending.append(self.publisher.enqueue(event))
                self.notes.accept(event)

    def settle(self):
        done = [each for each in self.pending if each.done()]
        self.pending = [each for each in self.pending if not each.done()]
        stored = [each.event_id for each in done if not each.exception()]
        if stored:
            self.notes.acknowledge(*stored)

    def gather(self):
        """
        Some tasks at once, of which one may be cancelled.
        """
        asyncio.run(self._gather())

    async def _gather(self):
        events = [self.event() for _ in range(self.chance.randint(1, 8))]
        tasks = [
            asyncio.create_task(
                self.publisher.publish_async(each, timeout=PATIENCE)
            )
            for each in events
        ]
        if self.chance.random() < 0.3:
            await asyncio.sleep(self.chance.random() * 0.01)
            tasks[0].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        stored = [
            event.event_id
            for event, outcome in zip(events, found, strict=True)
            if not isinstance(outcome, BaseException)
        ]
        if stored:
            self.notes.acknowledge(*stored)

    def transact(self):
        """
        A transaction with an order for each event; some roll back.
        """
        doomed = self.chance.random() < 0.2
        try:
            connection = self.connected()
            events = self._order(connection, DOOMED if doomed else ORDERED)
            if doomed:
                connection.rollback()
                return
            connection.commit()
        except (psycopg.Error, AuditLogError):
            self.disconnect()
        else:
            self.notes.acknowledge(*events)

    def _order(self, connection, mark):
        events = []
        for _ in range(self.chance.randint(1, 3)):
            event = self.event(mark)
            self.publisher.publish_in(connection, event)
            connection.execute(ORDER, [str(event.event_id)])
            events.append(event.event_id)
            time.sleep(self.chance.random() * self.slow)
        if self.chance.random() < 0.2:
            connection.execute("SAVEPOINT doubt")
            self.publisher.publish_in(connection, self.event(DOOMED))
            connection.execute("ROLLBACK TO SAVEPOINT doubt")
        return events

    def connected(self):
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(
                self.url, connect_timeout=2, prepare_threshold=self.threshold
            )
        return self.connection

    def disconnect(self):
        if self.connection is not None:
            self.connection.close()

    def close(self, timeout):
        """
        Store what is left; note that it is, if so it was said.
        """
        try:
            self.publisher.close(timeout)
        except AuditLogError:
            self.settle()
        else:
            self.settle()
            self.notes.closed()
        self.disconnect()


class HastyWriter(Writer):
    """
    Takes what was enqueued for stored.
    """

    def enqueue(self):
        super().enqueue()
        self.notes.acknowledge(*(each.event_id for each in self.pending))


class RudeWriter(Writer):
    """
    Drains nothing at its end.
    """

    def close(self, timeout):
        self.notes.closed()
        os._exit(0)


KINDS = {"writer": Writer, "hasty": HastyWriter, "rude": RudeWriter}


def main(url, path, *, kind="writer", **options):
    """
    Write until SIGTERM.
    """
    writer = KINDS[kind](url, path, **options)
    signal.signal(signal.SIGTERM, writer.end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    writer.run()
    writer.close(20)
