"""
Events by which a publisher tells of its start and its end.
"""

from __future__ import annotations

import gc
import os
import socket

import pytest

from auditlog import codec
from auditlog.codec import conduktor
from auditlog.context import bind
from auditlog.errors import EventRefusedError, SinkTimeoutError
from auditlog.event import Actor, AuditEvent, Outcome, Resource
from auditlog.memory import InMemorySink
from auditlog.publisher import AuditLogPublisher
from auditlog.testing.faults import FaultySink
from tests.postgres_tools import in_thread, until


START, STOP = "AuditLog.Publisher.Start", "AuditLog.Publisher.Stop"


def make_event(n=0):
    return AuditEvent(
        event_type="A.B.C", resource=Resource(type="thing", id=str(n))
    )


@pytest.fixture
def stored():
    return InMemorySink()


@pytest.fixture
def sink(stored):
    return FaultySink(stored)


def opened(sink, **options):
    return AuditLogPublisher(
        sink, name="web", lifecycle_events=True, **options
    )


def types(sink):
    return [event.event_type for event in sink.events]


def test_start_comes_first_and_stop_last(stored):
    """
    Both tell of the process, and of nobody who happens to be here.
    """
    with (
        bind(actor=Actor(id="alice"), tenant="acme", correlation_id="c"),
        opened(stored) as publisher,
    ):
        publisher.enqueue(make_event(1))
        publisher.publish(make_event(2))

    assert [START, "A.B.C", "A.B.C", STOP] == types(stored)
    for event in (stored.events[0], stored.events[-1]):
        assert event.metadata.plain() == {
            "pid": os.getpid(),
            "host": socket.gethostname(),
        }
        assert ("publisher", "web", Outcome.SUCCESS) == (
            event.resource.type,
            event.resource.id,
            event.outcome,
        )
        assert (event.actor, event.tenant, event.correlation_id) == (None,) * 3


def test_nobody_asked(stored):
    """
    By default a publisher says nothing of itself.
    """
    with AuditLogPublisher(stored) as publisher:
        publisher.publish(make_event())

    assert ["A.B.C"] == types(stored)


def test_who_publishes_nothing_never_started(stored):
    """
    Building a publisher starts nothing and stores nothing, nor does closing.
    """
    publisher = opened(stored)
    publisher.flush()
    publisher.close()

    assert publisher._thread is None
    assert [] == types(stored)
    assert publisher.stats().accepted == 0


def test_start_takes_no_room_from_others(sink, stored):
    """
    The smallest buffer takes the first event as without it.
    """
    sink.stall()
    publisher = opened(sink, max_events=1, overflow="raise")

    receipt = publisher.enqueue(make_event())
    sink.flow()

    receipt.result(5)
    publisher.close()
    assert [START, "A.B.C", STOP] == types(stored)


def test_gap_is_told_before_the_stop(sink, stored):
    """
    What was dropped until the end stands before the end.
    """
    publisher = opened(sink, max_events=2, overflow="drop")
    sink.stall()
    for n in range(4):
        publisher.enqueue(make_event(n))
    sink.flow()
    publisher.close()

    told = [t for t in types(stored) if t != "A.B.C"]
    assert [START, "AuditLog.Event.Drop", STOP] == told


def test_second_close_tells_nothing(stored):
    """
    A publisher stops once.
    """
    publisher = opened(stored)
    publisher.publish(make_event())
    publisher.close()
    publisher.close()

    assert types(stored).count(STOP) == 1
    assert publisher.stats().waiting == 0


def test_close_does_not_wait_for_its_stop(sink, stored):
    """
    A sink that hangs keeps nobody who has nothing left to store: close ends
    long before its timeout, and no event is missed.
    """
    publisher = opened(sink)
    publisher.publish(make_event())
    sink.stall()

    join = in_thread(lambda: publisher.close(timeout=3600))

    join()
    assert publisher.stats().closed
    assert [START, "A.B.C"] == types(stored)
    sink.flow()


def test_close_does_not_wait_at_all_for_a_sink_that_fails(
    sink, stored, monkeypatch
):
    """
    Nor for a moment, as it is known not to work.
    """
    monkeypatch.setattr("auditlog.publisher.LAST_WORDS", 3600)
    publisher = opened(sink)
    publisher.publish(make_event(1))
    sink.fail(times=100_000)
    receipt = publisher.enqueue(make_event(2))
    until(lambda: publisher._buffer.last_error)
    publisher._buffer.withdraw(receipt, SinkTimeoutError("too late"))
    until(lambda: not publisher._buffer.events)

    in_thread(lambda: publisher.close(timeout=3600))()

    assert [START, "A.B.C"] == types(stored)


def test_events_are_missed_but_not_the_stop(sink):
    """
    What a close could not store is counted without its own event.
    """
    publisher = opened(sink)
    sink.stall()
    publisher.enqueue(make_event())
    with pytest.raises(SinkTimeoutError, match=r"^2 events are not stored"):
        publisher.close(timeout=0.05)
    sink.flow()


def test_stop_that_is_refused_raises_nothing(sink, caplog):
    """
    Nobody handed it over who could do anything about it; the log tells.
    """
    publisher = opened(sink)
    publisher.publish(make_event())
    sink.refuse(
        lambda record: (
            EventRefusedError("no")
            if record.event.event_type == STOP
            else None
        )
    )

    publisher.close()

    assert "Refused for good: 1 audit events" in caplog.text


def test_dropped_publisher_that_has_nothing_pending_is_no_warning(stored):
    """
    The event of its end is none that somebody forgot.
    """
    publisher = opened(stored)
    publisher.publish(make_event())
    del publisher
    gc.collect()

    assert [START, "A.B.C"] == types(stored)


@pytest.mark.parametrize("name", ["cloudevents", "conduktor"])
def test_every_codec_writes_them(stored, name):
    """
    They read back as they were.
    """
    with opened(stored, codec=name) as publisher:
        publisher.publish(make_event())

    first = codec.decode(stored.records[0].body)
    assert START == first.event_type
    assert START not in conduktor.EVENT_TYPES
