"""
What a publisher says of itself, without asking anybody.
"""

from __future__ import annotations

import json
import threading

import attrs
import pytest

from auditlog._engine.buffer import Buffer
from auditlog.errors import (
    EventRefusedError,
    PartialWriteError,
    SinkSetupError,
    SinkTimeoutError,
    SinkUnavailableError,
)
from auditlog.event import AuditEvent, Resource
from auditlog.memory import InMemorySink
from auditlog.publisher import AuditLogPublisher
from auditlog.stats import PublisherStats
from auditlog.testing.clock import FakeClock
from auditlog.testing.faults import FaultySink


def make_event(n=0, **changes):
    return AuditEvent(
        event_type="App.Invoice.Approve",
        resource=Resource(type="invoice", id=str(n)),
        **changes,
    )


def until(condition):
    pause = threading.Event()
    for _ in range(4000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it never came true")


@pytest.fixture
def sink():
    return FaultySink(InMemorySink())


@pytest.fixture
def publisher(sink):
    publisher = AuditLogPublisher(sink, name="web", max_events=3)
    yield publisher
    sink.flow()
    publisher.close(timeout=5)


def balanced(stats):
    decided = stats.stored + stats.refused + stats.given_up
    return stats.accepted == decided + stats.waiting


def test_new_publisher_has_nothing_to_tell(publisher):
    """
    Before the first event all is zero, and nothing was started for it.
    """
    stats = publisher.stats()

    assert (
        PublisherStats(
            name="web",
            closed=False,
            accepted=0,
            stored=0,
            refused=0,
            given_up=0,
            dropped=0,
            waiting=0,
            waiting_bytes=0,
        )
        == stats
    )
    assert publisher._thread is None


def test_waiting_events_are_counted_with_their_age(publisher, sink):
    """
    Those at the sink wait too, and the oldest of all tells the age.
    """
    clock = publisher._buffer._clock = FakeClock()
    sink.stall()
    publisher.enqueue(make_event(1))
    sink.arrived.acquire()
    clock.advance(7)
    publisher.enqueue(make_event(2))
    clock.advance(5)

    stats = publisher.stats()

    assert (2, 12.0) == (stats.waiting, stats.oldest_age)
    assert publisher._buffer.bytes == stats.waiting_bytes > 0
    sink.flow()
    publisher.flush()
    after = publisher.stats()
    assert (0, 0, None, 2) == (
        after.waiting,
        after.waiting_bytes,
        after.oldest_age,
        after.stored,
    )


def test_age_is_that_of_what_is_not_decided_yet():
    """
    Of a batch at the sink, one may be refused and another still wait.
    """
    buffer = Buffer(
        sink="x", max_events=9, max_bytes=10**6, name="web", clock=FakeClock()
    )
    first = buffer.offer(make_event(1), weight=1, urgent=False)
    buffer._clock.advance(5)
    buffer.offer(make_event(2), weight=1, urgent=False)
    buffer.start(buffer.take(9, 10**6))
    buffer.refuse(first, EventRefusedError("no"))
    buffer._clock.advance(2)

    assert buffer.counts().oldest_age == 2


def test_each_event_is_counted_once(stored_or_not):
    """
    Stored, refused, given up and waiting together are what was accepted.
    """
    publisher, sink = stored_or_not
    publisher.publish(make_event(1))
    refused = publisher.enqueue(make_event("refused"))
    refused.exception(5)
    sink.stall()
    at_sink = publisher.enqueue(make_event(2))
    sink.arrived.acquire()
    with pytest.raises(SinkTimeoutError):
        publisher.publish(make_event(3), timeout=0)
    publisher.enqueue(make_event(4))

    stats = publisher.stats()

    assert (5, 1, 1, 1, 2) == (
        stats.accepted,
        stats.stored,
        stats.refused,
        stats.given_up,
        stats.waiting,
    )
    assert balanced(stats)
    sink.flow()
    at_sink.result(5)


@pytest.fixture
def stored_or_not():
    def refused(record):
        is_meant = record.event.resource.id == "refused"
        return EventRefusedError("no") if is_meant else None

    sink = FaultySink(InMemorySink())
    sink.refuse(refused)
    publisher = AuditLogPublisher(sink)
    yield publisher, sink
    sink.flow()
    publisher.close(timeout=5)


def test_counts_are_exact_with_many_threads(sink):
    """
    Eight threads that publish and drop at once leave no event uncounted.
    """
    publisher = AuditLogPublisher(sink, max_events=50, overflow="drop")

    def work():
        for n in range(300):
            publisher.enqueue(make_event(n))
            assert balanced(publisher.stats())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    publisher.close()

    stats = publisher.stats()
    gaps = sum(e.event_type == "AuditLog.Event.Drop" for e in sink.sink.events)
    assert stats.accepted - gaps + stats.dropped == 2400
    assert stats.stored == stats.accepted == len(sink.sink.events)


def test_last_error_outlives_the_trouble(publisher, sink):
    """
    It can be read when the sink works again, with its age; how long it fails
    is said only while it does.
    """
    sink.fail(SinkUnavailableError("database 'a' is away"), times=10_000)
    publisher.enqueue(make_event())
    until(lambda: publisher.stats().last_error)
    failures = publisher._worker.failures
    clock = failures._clock = FakeClock(failures._clock() + 100)

    failing = publisher.stats()
    failures._kept = (failures._kept[0], clock.now)
    sink.flow()
    sink._faults.clear()
    publisher.hurry()
    publisher.flush()
    clock.advance(9)
    after = publisher.stats()

    assert "database 'a' is away" == failing.last_error
    assert failing.failing_for >= 99
    assert ("database 'a' is away", 0.0) == (
        after.last_error,
        after.failing_for,
    )
    assert after.last_error_age >= 9


def test_last_error_is_one_line_without_content(publisher, sink):
    """
    Of a foreign error only the class is told, as it may quote an event.
    """
    sink.fail(ValueError("Key (id)=(c4n4ry)\nalready exists"))
    publisher.enqueue(make_event())
    publisher.flush()
    foreign = publisher.stats().last_error
    sink.fail(SinkUnavailableError("away\n  for long"))
    publisher.enqueue(make_event())
    publisher.flush()

    assert ("FaultySink raised ValueError", "away for long") == (
        foreign,
        publisher.stats().last_error,
    )


def test_refused_event_is_the_last_error(stored_or_not):
    """
    Also where nobody looked at its receipt.
    """
    publisher, _ = stored_or_not
    publisher.enqueue(make_event("refused"))
    with pytest.raises(PartialWriteError):
        publisher.flush()

    assert "no" == publisher.stats().last_error


class Untouchable(InMemorySink):
    """
    A journal that can't be asked any more, once it is told so.
    """

    away = False

    def __getattribute__(self, name):
        if name != "away" and not name.startswith("_") and self.away:
            if name == "held_back":  # a number at hand, no question
                return 0.0
            raise AssertionError(f"{name} was asked for")
        return super().__getattribute__(name)


def test_nobody_is_asked(sink):
    """
    Neither the journal, nor a relay's sink, nor a lock that a write holds.
    """
    journal = Untouchable()
    publisher = AuditLogPublisher(journal, relays={"x": sink})
    sink.stall()
    publisher.publish(make_event())
    sink.arrived.acquire()
    journal.away = True

    stats = publisher.stats()

    assert (1, "x", True, 0) == (
        stats.stored,
        stats.relays[0].name,
        stats.relays[0].holding,
        stats.relays[0].delivered,
    )
    journal.away = False
    sink.flow()
    publisher.close()


def test_relay_tells_how_it_is_doing():
    """
    What it delivered, what it made a dead letter and why, and that it keeps
    up; a relay that stands by has no position and no lag.
    """
    journal = InMemorySink()
    sink = FaultySink(InMemorySink())
    publisher = AuditLogPublisher(journal, relays={"x": sink})
    sink.fail(EventRefusedError("too large"))
    publisher.publish(make_event(1))
    publisher.wait_delivered()
    publisher.publish(make_event(2))
    publisher.wait_delivered()
    until(lambda: publisher.stats().relays[0].delivered == 1)
    standby = AuditLogPublisher(journal, relays={"x": sink})

    (relay,) = publisher.stats().relays
    (other,) = standby.stats().relays

    assert (True, True, 1, 1, 2, "too large", 0.0) == (
        relay.running,
        relay.holding,
        relay.delivered,
        relay.dead,
        relay.position,
        relay.last_error,
        relay.failing_for,
    )
    assert relay.lag is not None
    assert 0 <= relay.last_error_age < 60
    assert (False, None, None) == (other.holding, other.position, other.lag)
    standby.close()
    publisher.close()


def test_lag_grows_while_a_relay_is_stuck():
    """
    It is the time since there was nothing left to deliver.
    """
    sink = FaultySink(InMemorySink())
    publisher = AuditLogPublisher(InMemorySink(), relays={"x": sink})
    sink.stall()
    publisher.publish(make_event())
    sink.arrived.acquire()
    relay = publisher.relays["x"]
    relay._through_at -= 100

    stuck = publisher.stats().relays[0].lag
    sink.flow()
    publisher.wait_delivered()
    until(lambda: publisher.stats().relays[0].lag < 50)

    assert stuck >= 100
    publisher.close()


def test_relay_that_lost_its_lease_does_not_fail_for_ever():
    """
    Whether the sink works is known to who writes to it, not to who did once.
    """
    sink = FaultySink(InMemorySink())
    publisher = AuditLogPublisher(InMemorySink(), relays={"x": sink})
    sink.fail(times=10_000)
    publisher.publish(make_event())
    until(lambda: publisher.stats().relays[0].failing_for > 0)
    relay = publisher.relays["x"]
    holding, relay._lease = relay._lease, None

    assert publisher.stats().relays[0].failing_for == 0
    relay._lease = holding
    sink._faults.clear()
    publisher.close()


def test_order_is_held_back_as_a_relay_here_sees_it():
    """
    Nobody else looks on, so that the number would grow for ever.
    """

    class Held(InMemorySink):
        held_back = 31.0

    reads = Held()
    with AuditLogPublisher(reads, relays={"x": InMemorySink()}) as publisher:
        until(lambda: publisher.stats().relays[0].holding)
        assert publisher.stats().held_back == 31.0
    with AuditLogPublisher(Held()) as writes:
        assert writes.stats().held_back == 0


def test_can_be_called_after_close(publisher):
    """
    A health endpoint may be asked while the application ends.
    """
    publisher.publish(make_event())
    publisher.close()

    stats = publisher.stats()

    assert (True, 1, 0) == (stats.closed, stats.stored, stats.waiting)


def test_what_a_close_gives_up_is_counted(sink):
    """
    It is neither stored nor waits any more.
    """
    publisher = AuditLogPublisher(sink)
    sink.stall()
    publisher.enqueue(make_event())
    with pytest.raises(SinkTimeoutError):
        publisher.close(timeout=0)

    stats = publisher.stats()

    assert (1, 0, 1, 0) == (
        stats.accepted,
        stats.stored,
        stats.given_up,
        stats.waiting,
    )
    sink.flow()


def test_setup_error_gives_an_event_back(publisher, sink):
    """
    Its caller was told, so that it doesn't wait any more.
    """
    sink.fail(SinkSetupError("no table"))
    with pytest.raises(SinkSetupError):
        publisher.publish(make_event())

    stats = publisher.stats()

    assert (1, 0, "no table") == (
        stats.given_up,
        stats.waiting,
        stats.last_error,
    )


def test_all_of_it_has_a_json_form():
    """
    A health endpoint returns it as it is.
    """
    sink = InMemorySink()
    with AuditLogPublisher(sink, relays={"x": InMemorySink()}) as publisher:
        publisher.publish(make_event())
        text = json.dumps(attrs.asdict(publisher.stats()))

    assert json.loads(text)["relays"][0]["name"] == "x"
