"""
What nobody waits for lingers for a moment, so that a batch holds more.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from auditlog._engine import buffer
from auditlog._engine.receipt import Gate
from auditlog.errors import BufferFullError
from auditlog.memory import InMemorySink
from auditlog.publisher import AuditLogPublisher
from auditlog.testing.faults import FaultySink
from tests.unit.test_publisher import make_event
from tests.unit.test_relay import wait_until


@pytest.fixture
def stored():
    return InMemorySink()


@pytest.fixture
def sink(stored):
    return FaultySink(stored)


@pytest.fixture
def publisher(sink):
    with AuditLogPublisher(sink) as publisher:
        yield publisher


def lingering(publisher, sink, monkeypatch):
    """
    Two events that linger in the buffer, for ever if nobody wants them.
    """
    monkeypatch.setattr(buffer, "LINGER", 3600.0)
    publisher.publish(make_event(0))
    receipts = [publisher.enqueue(make_event(n)) for n in (1, 2)]
    assert 1 == len(sink.batches)
    return receipts


def publish_one(publisher, _):
    publisher.publish(make_event(3))


def flush(publisher, _):
    publisher.flush(10)


def close(publisher, _):
    publisher.close(10)


def ask_receipt(_, receipts):
    receipts[-1].result(10)


def await_receipt(_, receipts):
    async def wait():
        await asyncio.wait_for(receipts[-1], 10)

    asyncio.run(wait())


@pytest.mark.parametrize(
    "want", [publish_one, flush, close, ask_receipt, await_receipt]
)
def test_whoever_waits_ends_it(publisher, sink, stored, monkeypatch, want):
    """
    What was enqueued waits for more to come, until somebody waits for it;
    then it goes in one batch.
    """
    receipts = lingering(publisher, sink, monkeypatch)

    want(publisher, receipts)

    assert ["0", "1", "2"] == [e.resource.id for e in stored.events][:3]
    assert 2 == len(sink.batches)


def test_it_ends_by_itself(publisher, sink, stored, monkeypatch):
    """
    After a short time, that is.
    """
    monkeypatch.setattr(buffer, "LINGER", 0.1)
    publisher.publish(make_event(0))

    publisher.enqueue(make_event(1))
    publisher.enqueue(make_event(2))

    wait_until(lambda: len(stored.events) == 3)
    assert 2 == len(sink.batches)


def test_enough_for_a_batch_ends_it(sink, stored, monkeypatch):
    """
    There is nothing to wait for then.
    """
    monkeypatch.setattr(buffer, "LINGER", 3600.0)
    with AuditLogPublisher(sink, batch_events=3) as publisher:
        publisher.publish(make_event(0))

        for n in (1, 2, 3):
            publisher.enqueue(make_event(n))

        wait_until(lambda: len(stored.events) == 4)
        assert 2 == len(sink.batches)


@pytest.mark.parametrize("overflow", ["block", "raise"])
def test_full_buffer_ends_it(sink, stored, monkeypatch, overflow):
    """
    Whoever needs room gets it.
    """
    monkeypatch.setattr(buffer, "LINGER", 3600.0)
    with AuditLogPublisher(
        sink, max_events=2, overflow=overflow, overflow_timeout=10
    ) as publisher:
        publisher.publish(make_event(0))
        publisher.enqueue(make_event(1))
        publisher.enqueue(make_event(2))

        with contextlib.suppress(BufferFullError):
            publisher.enqueue(make_event(3))

        wait_until(lambda: len(stored.events) >= 3)


def make_buffer(**options):
    return buffer.Buffer(
        sink="x", name="x", max_bytes=10**6, **{"max_events": 9, **options}
    )


def test_handler_that_enqueues_within_publish(monkeypatch):
    """
    It comes first, and what is waited for does not linger behind it.
    """
    monkeypatch.setattr(buffer, "LINGER", 3600.0)
    inside = [make_event(2)]

    def clock():
        if inside:
            made.offer(inside.pop(), weight=1, urgent=False)
        return 0.0

    made = make_buffer(clock=clock)
    made._took_at = 0.0
    made.offer(make_event(1), weight=1, urgent=True)

    assert 0.0 == made._pause()


@contextlib.contextmanager
def taking(made):
    """
    What the worker takes next, which has answered two and finds a third.
    """
    for n in (1, 2):
        made.offer(make_event(n), weight=1, urgent=True)
    made.store(made.take(9, 10**6), "x")
    made.offer(make_event(3), weight=1, urgent=True)
    taken = []
    worker = threading.Thread(
        target=lambda: taken.extend(made.take(9, 10**6)), daemon=True
    )
    worker.start()
    yield taken
    worker.join(10)
    assert not worker.is_alive()


def test_callers_that_come_again_share_the_next_batch(monkeypatch):
    """
    With those who came meanwhile, so that nobody waits for two writes.
    """
    monkeypatch.setattr(buffer, "AGAIN", 3600.0)
    made = make_buffer()

    with taking(made) as taken:
        wait_until(lambda: taken or made._worker is not None)
        for n in (4, 5):
            made.offer(make_event(n), weight=1, urgent=True)

    assert 3 == len(taken)


def test_callers_that_do_not_come_again_are_not_waited_for():
    """
    Not for long: who came meanwhile is stored.
    """
    with taking(make_buffer()) as taken:
        wait_until(lambda: taken)

    assert 1 == len(taken)


def test_close_waits_for_no_caller(monkeypatch):
    """
    Nobody can come again.
    """
    monkeypatch.setattr(buffer, "AGAIN", 3600.0)
    made = make_buffer()

    with taking(made) as taken:
        made.close()

    assert 1 == len(taken)


def test_full_buffer_wakes_a_worker_that_was_not_told():
    """
    Whoever was to tell it may have been interrupted before.
    """
    made = make_buffer(max_events=1)
    made.offer(make_event(1), weight=1, urgent=True)
    made._worker = Gate()

    assert made.offer(make_event(2), weight=1, urgent=True) is None
    assert made._worker.wait(0)


def test_drop_wakes_a_worker_that_has_nothing(publisher, stored):
    """
    What filled the buffer may be gone when an event is dropped; the gap is
    told all the same.
    """
    publisher.publish(make_event(0))
    wait_until(lambda: publisher._buffer._worker is not None)

    publisher._buffer.drop(make_event(1), BufferFullError("full"))

    wait_until(lambda: len(stored.events) == 2)
    assert "AuditLog.Event.Drop" == stored.events[1].event_type
