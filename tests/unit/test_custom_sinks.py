"""
Sinks that behave as nobody should: what the publisher makes of them.
"""

from __future__ import annotations

import asyncio
import threading
import time

from uuid import uuid4

import pytest

from auditlog.errors import (
    BufferFullError,
    EventRefusedError,
    PartialWriteError,
    PublisherClosedError,
    SinkError,
    SinkTimeoutError,
    SinkUnavailableError,
)
from auditlog.memory import InMemorySink
from auditlog.publisher import AuditLogPublisher
from auditlog.testing import SinkContract
from tests.oracle import make_event


class UnrulySink:
    """
    Does to its first batches what it is told to, and then stores.
    """

    def __init__(self, *deeds):
        self.deeds = [*deeds]
        self.stored = InMemorySink()

    def write(self, records):
        if self.deeds:
            self.deeds.pop(0)(records)
        self.stored.write(records)

    @property
    def ids(self):
        return [event.event_id for event in self.stored.events]


def raising(error):
    def deed(records):
        raise error

    return deed


class OwnError(BaseException):
    """
    No `Exception`, as some libraries' cancellations aren't.
    """


ANYTHING = [
    ValueError("secret-canary"),
    OSError("secret-canary"),
    MemoryError(),
    RecursionError(),
    StopIteration(),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    asyncio.CancelledError(),
    OwnError("secret-canary"),
    ExceptionGroup("secret-canary", [ValueError("secret-canary")]),
    SinkUnavailableError("away"),
]


def name_of(error):
    return type(error).__name__


@pytest.mark.parametrize("error", ANYTHING, ids=name_of)
def test_event_stays_whatever_a_sink_raises(error, caplog):
    """
    It is stored as soon as the sink works, and so is what comes later; the
    log names the sink's class, or has its own words.
    """
    sink = UnrulySink(raising(error))
    with AuditLogPublisher(sink) as publisher:
        first = publisher.enqueue(make_event(1))
        first.result(20)
        second = publisher.publish(make_event(2))

    assert [first.event_id, second.event_id] == sink.ids
    ours = isinstance(error, SinkError)
    said = "away" if ours else f"UnrulySink raised {name_of(error)}"
    assert f"Failed to publish audit log event: {said}" in caplog.text
    assert "secret-canary" not in caplog.text


@pytest.mark.parametrize(
    "error",
    [e for e in ANYTHING if not isinstance(e, OSError | SinkError)],
    ids=name_of,
)
def test_caller_hears_of_a_foreign_error_at_once(error):
    """
    With the names of the sink's class and of the error's.
    """
    sink = UnrulySink(raising(error))
    publisher = AuditLogPublisher(sink)

    with publisher, pytest.raises(SinkError) as caught:
        publisher.publish(make_event(), timeout=60)

    assert f"UnrulySink raised {name_of(error)}" == str(caught.value)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", ANYTHING, ids=name_of)
def test_relay_goes_on_whatever_its_sink_raises(error, caplog):
    """
    Its thread lives on, and the event arrives.
    """
    sink = UnrulySink(raising(error))
    with AuditLogPublisher(InMemorySink(), relays={"r": sink}) as publisher:
        receipt = publisher.publish(make_event())
        publisher.wait_delivered(20)

    assert [receipt.event_id] == sink.ids
    assert "secret-canary" not in caplog.text


def lie(stored, failed):
    """
    A deed that makes such a `PartialWriteError` from the ids it got.
    """

    def deed(records):
        ids = [record.event_id for record in records]
        raise PartialWriteError(stored(ids), failed(ids))

    return deed


def nothing(ids):
    return ()


STRANGE = {
    "nothing at all": lie(nothing, lambda ids: {}),
    "strangers stored": lie(lambda ids: [uuid4()], lambda ids: {}),
    "strangers refused": lie(
        nothing, lambda ids: {uuid4(): EventRefusedError("no")}
    ),
    "no ids": lie(lambda ids: [1, None, "x"], lambda ids: {None: None}),
    "no hashes": lie(lambda ids: [[], {}], lambda ids: {}),
    "no collections": lie(lambda ids: None, lambda ids: None),
}


@pytest.mark.parametrize("deed", STRANGE.values(), ids=STRANGE)
def test_lie_that_decides_on_no_event_costs_none(deed, caplog):
    """
    A `PartialWriteError` about nothing that was given is a fault of the sink,
    which is named; the events are written again.
    """
    sink = UnrulySink(deed, deed)
    with AuditLogPublisher(sink) as publisher:
        receipt = publisher.enqueue(make_event())
        receipt.result(20)

    assert [receipt.event_id] == sink.ids
    assert "UnrulySink" in caplog.text


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("because", PartialWriteError),
        (None, PartialWriteError),
        (ValueError("secret-canary"), ValueError),
        (SystemExit(1), PartialWriteError),
    ],
)
def test_refusal_without_a_proper_reason_is_told_as_one(reason, cause, caplog):
    """
    The caller gets an error of ours that names the sink, with its cause, and
    nobody a text that may quote an event.
    """
    sink = UnrulySink(lie(nothing, lambda ids: dict.fromkeys(ids, reason)))
    with AuditLogPublisher(sink) as publisher:
        with pytest.raises(EventRefusedError, match="UnrulySink") as caught:
            publisher.publish(make_event())
        later = publisher.publish(make_event())

    assert [later.event_id] == sink.ids
    assert isinstance(caught.value.__cause__, cause)
    assert "secret-canary" not in f"{caught.value} {caplog.text}"


def test_event_both_stored_and_refused_is_stored():
    """
    The answer that costs nobody an event is believed.
    """
    deed = lie(
        lambda ids: ids,
        lambda ids: dict.fromkeys(ids, EventRefusedError("no")),
    )
    with AuditLogPublisher(UnrulySink(deed)) as publisher:
        publisher.publish(make_event())


def test_sink_that_hangs_harms_nobody_but_its_callers():
    """
    They are told in time which sink it is; what there is no room for is
    refused, close() is bounded, and other publishers work.
    """
    hung = threading.Event()
    sink = UnrulySink(lambda records: hung.wait(60))
    publisher = AuditLogPublisher(sink, max_events=2, overflow="raise")
    try:
        with pytest.raises(SinkTimeoutError, match="UnrulySink didn't"):
            publisher.publish(make_event(), timeout=0.1)
        publisher.enqueue(make_event())
        with pytest.raises(BufferFullError, match="UnrulySink"):
            publisher.enqueue(make_event())
        with AuditLogPublisher(InMemorySink()) as other:
            other.publish(make_event())
        with pytest.raises(SinkTimeoutError, match="not stored in Unruly"):
            publisher.close(timeout=0.1)
    finally:
        hung.set()


def test_sink_that_hangs_when_it_is_closed(caplog):
    """
    Keeps neither its caller waiting nor the other sinks open.
    """
    hung = threading.Event()

    class Clinging(InMemorySink):
        def close(self):
            hung.wait(60)

    class Polite(InMemorySink):
        closed = False

        def close(self):
            self.closed = True

    publisher = AuditLogPublisher(
        Clinging(), relays={"a": Clinging(), "b": (polite := Polite())}
    )
    publisher.publish(make_event())
    began = time.monotonic()
    try:
        publisher.close(timeout=0.1)
    finally:
        hung.set()

    assert time.monotonic() - began < 30
    assert polite.closed
    assert "Clinging can't be closed: close() didn't answer" in caplog.text


class EagerSink(InMemorySink):
    """
    Returns before anything is stored.
    """

    def write(self, records):
        records = [*records]
        later = super().write
        threading.Timer(0.2, lambda: later(records)).start()


class ContractOfEagerSink(SinkContract):
    __test__ = False

    def make_sink(self):
        return EagerSink()

    def read_back(self, sink):
        return sink.events


def test_contract_notices_a_sink_that_returns_too_early():
    """
    At work nobody can tell: that is what the contract is for.
    """
    with pytest.raises(AssertionError):
        ContractOfEagerSink().test_event_is_stored_on_return()


def test_publish_after_close_names_event_and_publisher():
    """
    Closed twice is closed once; what comes later is refused, in each way.
    """
    sink = InMemorySink()
    publisher = AuditLogPublisher(sink, name="orders")
    publisher.close()
    publisher.close()
    event = make_event()

    async def publish():
        await publisher.publish_async(event)

    for call in (
        lambda: publisher.publish(event),
        lambda: publisher.enqueue(event),
        lambda: asyncio.run(publish()),
    ):
        with pytest.raises(PublisherClosedError) as caught:
            call()
        assert f"{event.event_id}: publisher 'orders' is closed" in str(
            caught.value
        )
    assert [] == sink.events


def test_publish_where_no_thread_can_be_started(monkeypatch):
    """
    As in Python 3.12 once the main thread has ended: the caller's thread
    stores it, and what was queued before.
    """

    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    sink = UnrulySink()
    publisher = AuditLogPublisher(sink)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    first = publisher.enqueue(make_event(1))
    second = publisher.publish(make_event(2))
    third = publisher.enqueue(make_event(3))
    publisher.flush(5)
    publisher.close()

    assert [first.event_id, second.event_id, third.event_id] == sink.ids


def test_interrupt_in_the_callers_thread_is_the_callers(monkeypatch):
    """
    There Ctrl-C is no fault of the sink, and isn't tried again.
    """

    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    sink = UnrulySink(raising(KeyboardInterrupt()))
    publisher = AuditLogPublisher(sink)
    monkeypatch.setattr(threading.Thread, "start", refuse)

    with pytest.raises(KeyboardInterrupt):
        publisher.publish(make_event(1))

    assert [] == sink.ids
