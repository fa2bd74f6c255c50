"""
What nobody waits for lingers for a moment, so that a batch holds more.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from auditlog._engine import buffer
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
