"""
The publisher over sinks in memory: what it promises whatever the sink is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import sys
import threading
import time

from types import ModuleType
from uuid import uuid4

import attrs
import pytest

from auditlog import codec
from auditlog._engine import buffer
from auditlog._engine.receipt import Gate
from auditlog.context import bind
from auditlog.errors import (
    BufferFullError,
    ConfigError,
    DuplicateEventError,
    EncodingError,
    EventRefusedError,
    InvalidEventError,
    PartialWriteError,
    PublisherClosedError,
    SinkError,
    SinkSetupError,
    SinkTimeoutError,
    SinkUnavailableError,
)
from auditlog.event import Actor, AuditEvent, RequestContext, Resource
from auditlog.memory import InMemorySink
from auditlog.publisher import AuditLogPublisher
from auditlog.testing.faults import FaultySink
from tests.postgres_tools import in_thread, until


def make_event(n=0, **changes):
    return AuditEvent(
        **{
            "event_type": "App.Invoice.Approve",
            "resource": Resource(type="invoice", id=str(n)),
            **changes,
        }
    )


@pytest.fixture
def stored():
    return InMemorySink()


@pytest.fixture
def sink(stored):
    return FaultySink(stored)


@pytest.fixture
def publisher(sink):
    publisher = AuditLogPublisher(sink)
    yield publisher
    sink.flow()
    publisher.close(timeout=5)


def ids(events):
    return [event.event_id for event in events]


class TestPublish:
    def test_event_is_in_the_sink_on_return(self, publisher, stored):
        """
        publish() returns after the sink did, and says where the event is.
        """
        event = make_event()

        receipt = publisher.publish(event)

        assert [event] == stored.events
        assert (event.event_id, "FaultySink") == (
            receipt.event_id,
            receipt.sink,
        )

    def test_sink_gets_the_codecs_bytes(self, publisher, stored):
        """
        What is stored is the event's one serialized form.
        """
        publisher.publish(event := make_event(metadata={"a": [1, 2.5]}))

        assert codec.encode(event) == stored.records[0].body

    def test_transient_failure_is_tried_again(self, publisher, sink, stored):
        """
        A caller doesn't notice trouble that passes within its timeout.
        """
        sink.fail(times=3)

        publisher.publish(event := make_event())

        assert [event] == stored.events
        assert len(sink.batches) == 4

    def test_unknown_outcome_is_stored_once(self, publisher, sink, stored):
        """
        The answer was lost, the write comes again with the same id.
        """
        sink.forget_answer()

        publisher.publish(event := make_event())

        assert [event] == stored.events

    def test_timeout_withdraws_what_was_not_handed_over(
        self, publisher, sink, stored
    ):
        """
        An event whose caller gave up before the sink saw it is not stored.
        """
        sink.stall()
        first = publisher.enqueue(make_event(1))
        sink.arrived.acquire()

        with pytest.raises(SinkTimeoutError, match=r"within 0\.05 s"):
            publisher.publish(make_event(2), timeout=0.05)
        sink.flow()
        publisher.flush()

        assert first.done()
        assert ["1"] == [e.resource.id for e in stored.events]

    def test_timeout_tells_the_reason(self, publisher, sink):
        """
        The error of a caller holds why the sink didn't take the event.
        """
        sink.fail(SinkUnavailableError("the network is gone"), times=1000)

        with pytest.raises(SinkTimeoutError, match="network is gone") as info:
            publisher.publish(make_event(), timeout=0.3)

        assert isinstance(info.value.__cause__, SinkUnavailableError)
        assert isinstance(info.value, TimeoutError)

    def test_withdrawn_event_is_not_tried_again(self, publisher, sink, stored):
        """
        After the caller's time is up, a failed write is not repeated.
        """
        sink.fail(times=2)
        sink.stall()
        error = []

        def call():
            try:
                publisher.publish(make_event(), timeout=2)
            except SinkTimeoutError as exc:
                error.append(exc)

        thread = threading.Thread(target=call)
        thread.start()
        sink.arrived.acquire()
        thread.join()
        sink.flow()
        publisher.flush()

        assert len(error) == 1
        assert [] == stored.events
        assert 1 == len(sink.batches)

    def test_setup_error_is_told_at_once(self, publisher, sink):
        """
        Nobody waits for a schema that somebody has to create.
        """
        sink.fail(SinkSetupError("no schema"))
        before = time.monotonic()

        with pytest.raises(SinkSetupError, match="no schema"):
            publisher.publish(make_event(), timeout=60)

        assert time.monotonic() - before < 30

    def test_foreign_error_of_a_sink_is_told_at_once(self, publisher, sink):
        """
        A bug in a custom sink is no outage; its text isn't repeated.
        """
        sink.fail(ValueError("secret-canary"))

        with pytest.raises(SinkError, match="raised ValueError") as info:
            publisher.publish(make_event(), timeout=60)

        assert "secret-canary" not in str(info.value)
        assert isinstance(info.value.__cause__, ValueError)

    def test_conflict_concerns_that_event_alone(self, publisher, stored):
        """
        Same id, other content: DuplicateEventError; same content: success.
        """
        publisher.publish(event := make_event())
        other = make_event(event_id=event.event_id, reason="other")

        with pytest.raises(DuplicateEventError):
            publisher.publish(other)
        publisher.publish(event)

        assert [event] == stored.events

    def test_what_is_no_event_is_refused(self, publisher):
        """
        A dict is not an event.
        """
        with pytest.raises(InvalidEventError, match="got dict"):
            publisher.publish({"event_type": "A.B.C"})

    def test_concurrent_callers_share_a_write(self, sink, stored):
        """
        What comes while one write is under way goes into the next one.
        """
        sink.stall()
        with AuditLogPublisher(sink) as publisher:
            threads = [
                threading.Thread(
                    target=publisher.publish, args=[make_event(n)]
                )
                for n in range(20)
            ]
            threads[0].start()
            sink.arrived.acquire()
            for thread in threads[1:]:
                thread.start()
            while publisher._buffer.events < 20:
                time.sleep(0.001)
            sink.flow()
            for thread in threads:
                thread.join()

        assert [1, 19] == [len(batch) for batch in sink.batches]
        assert 20 == len(stored.events)

    def test_many_threads_keep_their_own_order(self, publisher, stored):
        """
        Whatever the others do, one thread's events stay in order.
        """

        def run(name):
            for n in range(50):
                publisher.publish(make_event(n, tenant=name))

        threads = [
            threading.Thread(target=run, args=[str(i)]) for i in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        for i in range(8):
            own = [e for e in stored.events if e.tenant == str(i)]
            assert [str(n) for n in range(50)] == [e.resource.id for e in own]


class TestCodec:
    def test_event_that_has_no_body_is_refused_to_its_caller(self, stored):
        """
        At the call, whatever the sink does; those around it are stored.
        """
        with AuditLogPublisher(stored, codec="conduktor") as publisher:
            publisher.enqueue(make_event(1))
            for take in (publisher.enqueue, publisher.publish):
                with pytest.raises(EncodingError, match="three parts"):
                    take(make_event(2, event_type="Login"))
            publisher.enqueue(make_event(3))

        assert ["1", "3"] == [e.resource.id for e in stored.events]
        assert b"AuditLogEventType(App,Invoice,Approve)" in (
            stored.records[0].body
        )

    def test_fault_of_the_codec_costs_one_event(
        self, stored, monkeypatch, caplog
    ):
        """
        The worker goes on, the event's receipt tells what happened, and
        nobody blames the sink.
        """
        codec_ = codec.codec_named("cloudevents")

        class Faulty:
            check = codec_.check

            def encode(self, event):
                if event.resource.id == "2":
                    raise ZeroDivisionError
                return codec_.encode(event)

        monkeypatch.setattr(codec, "codec_named", lambda _: Faulty())
        publisher = AuditLogPublisher(stored)
        receipts = [publisher.enqueue(make_event(n)) for n in (1, 2, 3)]
        with pytest.raises(PartialWriteError, match="has no body"):
            publisher.close()

        assert [True, False, True] == [r.exception() is None for r in receipts]
        assert ["1", "3"] == [e.resource.id for e in stored.events]
        refused = receipts[1].event_id
        (line,) = caplog.records
        assert line.getMessage() == (
            "Refused for good: 1 audit events of publisher 'default', the "
            f"first, {refused}, because: event {refused} has no body: "
            "ZeroDivisionError"
        )
        assert [str(refused)] == line.auditlog_event_ids

    def test_event_given_up_by_close_is_not_refused_as_well(
        self, sink, monkeypatch, caplog
    ):
        """
        Though the codec fails on it: the sink's own trouble is told.
        """

        class Faulty:
            def check(self, event):
                pass

            def encode(self, event):
                raise ZeroDivisionError

        monkeypatch.setattr(codec, "codec_named", lambda _: Faulty())
        publisher = AuditLogPublisher(sink)
        sink.stall()
        sink.fail(SinkUnavailableError("server away"))
        receipt = publisher.enqueue(make_event())
        sink.arrived.acquire(timeout=5)
        with pytest.raises(SinkTimeoutError):
            publisher.close(timeout=0.1)
        sink.flow()
        publisher.close(timeout=5)
        publisher._thread.join(5)
        publisher._raise_unseen()

        assert isinstance(receipt.exception(), SinkTimeoutError)
        assert "Refused for good" not in caplog.text

    def test_what_is_tried_again_is_not_encoded_again(
        self, sink, stored, monkeypatch
    ):
        """
        Trouble costs no more work the longer it lasts.
        """
        codec_ = codec.codec_named("cloudevents")
        encoded = []

        class Counting:
            check = codec_.check

            def encode(self, event):
                encoded.append(event)
                return codec_.encode(event)

        monkeypatch.setattr(codec, "codec_named", lambda _: Counting())
        sink.fail(times=3)
        with AuditLogPublisher(sink) as publisher:
            publisher.publish(event := make_event())

        assert [event] == stored.events == encoded
        assert len(sink.batches) == 4


class TestPublishAsync:
    def test_tasks_share_writes_and_all_are_stored(self, publisher, stored):
        """
        A thousand tasks on one loop are all confirmed.
        """

        async def main():
            await asyncio.gather(
                *(publisher.publish_async(make_event(n)) for n in range(1000))
            )

        asyncio.run(main())

        assert 1000 == len(stored.events)

    def test_loop_is_not_blocked(self, publisher, sink):
        """
        While the sink stalls, other tasks run.
        """
        sink.stall()
        ticks = 0

        async def main():
            nonlocal ticks
            task = asyncio.create_task(publisher.publish_async(make_event()))
            while not sink.batches:
                await asyncio.sleep(0.001)
            for _ in range(10):
                await asyncio.sleep(0)
                ticks += 1
            assert not task.done()
            sink.flow()
            await task

        asyncio.run(main())

        assert 10 == ticks

    def test_cancelled_task_withdraws_its_event(self, publisher, sink, stored):
        """
        Cancelling before the sink saw the event leaves nothing of it.
        """
        sink.stall()

        async def main():
            first = asyncio.create_task(publisher.publish_async(make_event(1)))
            while not sink.batches:
                await asyncio.sleep(0.001)
            second = asyncio.create_task(
                publisher.publish_async(make_event(2))
            )
            await asyncio.sleep(0.01)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            sink.flow()
            await first

        asyncio.run(main())
        publisher.flush()

        assert ["1"] == [e.resource.id for e in stored.events]

    def test_timeout(self, publisher, sink):
        """
        The deadline holds in a loop too.
        """
        sink.stall()

        async def main():
            with pytest.raises(SinkTimeoutError):
                await publisher.publish_async(make_event(), timeout=0.05)

        asyncio.run(main())

    def test_waits_for_room_without_blocking(self, sink, stored):
        """
        A full buffer makes tasks wait; all get through afterwards.
        """
        sink.stall()

        async def main(publisher):
            tasks = [
                asyncio.create_task(publisher.publish_async(make_event(n)))
                for n in range(10)
            ]
            await asyncio.sleep(0.05)
            sink.flow()
            await asyncio.gather(*tasks)
            await publisher.flush_async()
            await publisher.wait_delivered_async()

        async def run():
            async with AuditLogPublisher(sink, max_events=2) as publisher:
                await main(publisher)

        asyncio.run(run())

        assert 10 == len(stored.events)


class TestEnqueue:
    def test_receipt_resolves(self, publisher, stored):
        """
        enqueue() returns at once; its receipt tells when it is stored.
        """
        receipt = publisher.enqueue(event := make_event())

        assert event.event_id == receipt.result(timeout=5).event_id
        assert receipt.done()
        assert receipt.exception() is None
        assert [event] == stored.events

    def test_receipt_is_awaitable(self, publisher):
        """
        A receipt can be awaited, before and after it is decided.
        """

        async def main():
            receipt = publisher.enqueue(make_event())
            return await receipt, await receipt

        first, second = asyncio.run(main())

        assert first == second

    def test_result_waits_as_long_as_it_takes(self, publisher, sink):
        """
        Without a timeout, until the event is decided on.
        """
        sink.stall()
        receipt = publisher.enqueue(make_event())
        joined = in_thread(receipt.result)
        until(lambda: receipt._waiters)

        sink.flow()

        assert receipt.event_id == joined().event_id

    def test_result_times_out_and_the_event_stays(
        self, publisher, sink, stored
    ):
        """
        Giving up waiting for a receipt doesn't give the event up.
        """
        sink.stall()
        receipt = publisher.enqueue(make_event())

        with pytest.raises(SinkTimeoutError):
            receipt.result(timeout=0.05)
        sink.flow()
        publisher.flush()

        assert 1 == len(stored.events)

    def test_full_buffer_blocks_then_raises(self, sink):
        """
        Nothing is dropped quietly: the caller is told.
        """
        sink.stall()
        publisher = AuditLogPublisher(
            sink, max_events=3, overflow_timeout=0.05
        )
        receipts = [publisher.enqueue(make_event(n)) for n in range(3)]

        with pytest.raises(BufferFullError, match="3 events wait"):
            publisher.enqueue(make_event())
        sink.flow()
        publisher.close()

        assert all(r.exception() is None for r in receipts)

    def test_full_buffer_lets_in_when_there_is_room(self, sink, stored):
        """
        A caller that blocks goes on as soon as something is stored.
        """
        sink.stall()
        with AuditLogPublisher(
            sink, max_events=1, overflow_timeout=60
        ) as publisher:
            publisher.enqueue(make_event(1))
            timer = threading.Timer(0.05, sink.flow)
            timer.start()
            publisher.enqueue(make_event(2))
            timer.join()

        assert 2 == len(stored.events)

    def test_overflow_raise_does_not_wait(self, sink):
        """
        overflow="raise" raises at once.
        """
        sink.stall()
        publisher = AuditLogPublisher(
            sink, max_events=1, overflow="raise", overflow_timeout=3600
        )
        publisher.enqueue(make_event())

        with pytest.raises(BufferFullError):
            publisher.enqueue(make_event())
        sink.flow()
        publisher.close()

    def test_overflow_drop_counts_and_tells(self, sink, stored, caplog):
        """
        overflow="drop" never waits: what it gave up is counted exactly, each
        receipt fails, and an event in its place tells how many, from when to
        when.
        """
        sink.stall()
        publisher = AuditLogPublisher(
            sink, name="web", max_events=3, overflow="drop"
        )
        events = [make_event(n) for n in range(10)]
        receipts = [publisher.enqueue(each) for each in events]
        sink.flow()
        publisher.flush()
        publisher.enqueue(make_event(10))
        publisher.close()

        found = stored.events
        assert [e.resource.id for e in found] == ["0", "1", "2", "web", "10"]
        gap = found[3]
        assert (gap.event_type, gap.outcome, gap.code, gap.reason) == (
            "AuditLog.Event.Drop",
            "failure",
            "BUFFER_FULL",
            "events were dropped because the buffer was full",
        )
        assert gap.metadata["count"] == publisher.dropped == 7
        times = [
            each.occurred_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            for each in (events[3], events[-1])
        ]
        assert [gap.metadata["first"], gap.metadata["last"]] == times
        assert [type(r.exception(0)) for r in receipts] == [
            *[type(None)] * 3,
            *[BufferFullError] * 7,
        ]
        with pytest.raises(BufferFullError):
            receipts[3].result()
        assert caplog.text.count("'web' drops events") == 1

    def test_gap_stands_before_what_came_after_it(self, sink, stored):
        """
        Each gap has its place between what came before and what came after.
        """
        sink.stall()
        publisher = AuditLogPublisher(sink, max_events=2, overflow="drop")
        for n in range(3):
            publisher.enqueue(make_event(n))
        sink.flow()
        publisher.flush()
        sink.stall()
        for n in range(3, 8):
            publisher.enqueue(make_event(n))
        sink.flow()
        publisher.close()

        counts = [
            e.metadata.get("count", e.resource.id) for e in stored.events
        ]
        assert counts == ["0", "1", 1, "3", "4", 3]

    def test_flush_adds_one_gap_at_most(self, sink):
        """
        Dropping and flushing in turn does not fill the memory.
        """
        sink.stall()
        publisher = AuditLogPublisher(sink, max_events=2, overflow="drop")
        for n in range(50):
            publisher.enqueue(make_event(n))
            with contextlib.suppress(SinkTimeoutError):
                publisher.flush(0)

        assert publisher._buffer.events <= 3
        sink.flow()
        publisher.close()

    def test_drop_after_close_is_refused(self, sink):
        """
        What nobody would tell of any more is the caller's again.
        """
        publisher = AuditLogPublisher(sink, max_events=1, overflow="drop")
        publisher.close()

        with pytest.raises(PublisherClosedError):
            publisher._drop(make_event(), BufferFullError("full"))
        assert publisher.dropped == 0

    def test_gap_has_nobody_elses_context(self, sink, stored):
        """
        It is not the act of whoever happened to publish next.
        """
        sink.stall()
        publisher = AuditLogPublisher(sink, max_events=1, overflow="drop")
        context = {
            "actor": Actor(id="alice"),
            "request": RequestContext(source_ip="192.0.2.1"),
            "tenant": "acme",
            "correlation_id": "c",
            "traceparent": f"00-{'1' * 32}-{'2' * 16}-01",
        }
        with bind(**context):
            publisher.enqueue(make_event(1))
            publisher.enqueue(make_event(2))
            sink.flow()
            publisher.close()

        told = [attrs.asdict(each, recurse=False) for each in stored.events]
        assert context == {name: told[0][name] for name in context}
        assert dict.fromkeys(context) == {
            name: told[-1][name] for name in context
        }

    def test_drops_of_many_threads_are_counted_exactly(self, sink, stored):
        """
        Stored and dropped together are all that was enqueued.
        """
        publisher = AuditLogPublisher(sink, max_events=50, overflow="drop")

        def work():
            for n in range(500):
                publisher.enqueue(make_event(n))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        publisher.close()

        gaps = [
            e.metadata["count"]
            for e in stored.events
            if e.event_type == "AuditLog.Event.Drop"
        ]
        assert sum(gaps) == publisher.dropped
        assert len(stored.events) - len(gaps) + sum(gaps) == 4000

    def test_never_blocks_in_an_event_loop(self, sink):
        """
        With a running loop a full buffer raises instead of blocking it.
        """
        sink.stall()
        publisher = AuditLogPublisher(
            sink, max_events=1, overflow_timeout=3600
        )

        async def main():
            publisher.enqueue(make_event())
            with pytest.raises(BufferFullError):
                publisher.enqueue(make_event())

        asyncio.run(main())
        sink.flow()
        publisher.close()

    def test_asyncio_that_is_being_imported_is_no_loop(
        self, sink, monkeypatch
    ):
        """
        The worker imports it, at the moment when the buffer is full.
        """
        sink.stall()
        publisher = AuditLogPublisher(sink, max_events=1, overflow_timeout=10)
        publisher.enqueue(make_event())
        sink.arrived.acquire()
        monkeypatch.setitem(sys.modules, "asyncio", ModuleType("asyncio"))

        joined = in_thread(lambda: publisher.enqueue(make_event()))
        until(lambda: publisher._buffer._watchers)
        sink.flow()

        assert joined().exception(10) is None
        publisher.close()

    def test_refusal_of_an_event_that_waited_for_room_is_told(self, sink):
        """
        By flush(), as of any event whose receipt nobody has looked at.
        """
        sink.stall()
        publisher = AuditLogPublisher(sink, max_events=1, overflow_timeout=10)
        publisher.enqueue(make_event(1))
        sink.arrived.acquire()
        joined = in_thread(lambda: publisher.enqueue(make_event(2)))
        until(lambda: publisher._buffer._watchers)
        sink.refuse(
            lambda record: (
                EventRefusedError("no")
                if record.event.resource.id == "2"
                else None
            )
        )
        sink.flow()
        receipt = joined()

        with pytest.raises(PartialWriteError) as caught:
            publisher.flush()
        assert {receipt.event_id} == caught.value.failed.keys()
        publisher.close()

    def test_bytes_are_bounded(self, sink):
        """
        Few large events fill the buffer as well; one alone always fits.
        """
        sink.stall()
        publisher = AuditLogPublisher(sink, max_bytes=10_000, overflow="raise")
        publisher.enqueue(make_event(metadata={"x": "x" * 20_000}))

        with pytest.raises(BufferFullError):
            publisher.enqueue(make_event())
        sink.flow()
        publisher.close()

    def test_room_comes_back(self, publisher, stored):
        """
        Ten times the buffer's size goes through it.
        """
        publisher._buffer.max_events = 100

        for n in range(1_000):
            publisher.enqueue(make_event(n))
        publisher.flush()

        assert [str(n) for n in range(1_000)] == [
            e.resource.id for e in stored.events
        ]
        assert (0, 0) == (publisher._buffer.events, publisher._buffer.bytes)


class TestIsolation:
    def test_refused_event_costs_only_itself(self, publisher, sink, stored):
        """
        A sink that refuses a whole batch loses one event, not the batch.
        """
        sink.refuse(
            lambda record: (
                EventRefusedError("poison")
                if record.event.resource.id == "3"
                else None
            )
        )

        sink.stall()
        receipts = [publisher.enqueue(make_event(n)) for n in range(6)]
        sink.flow()
        with pytest.raises(
            PartialWriteError, match="1 events refused"
        ) as info:
            publisher.flush()

        assert ["0", "1", "2", "4", "5"] == [
            e.resource.id for e in stored.events
        ]
        assert [receipts[3].event_id] == list(info.value.failed)
        assert isinstance(receipts[3].exception(), EventRefusedError)

    def test_refusal_that_was_seen_is_not_told_by_flush(self, publisher, sink):
        """
        flush() tells of refusals that nobody looked at, once.
        """
        sink.refuse(lambda _: EventRefusedError("poison"))
        seen = publisher.enqueue(make_event(1))
        assert seen.exception(timeout=5) is not None
        publisher.flush()

        publisher.enqueue(make_event(2))
        with pytest.raises(PartialWriteError):
            publisher.flush()
        publisher.flush()

    def test_half_written_batch_is_completed(self, publisher, sink, stored):
        """
        What a sink didn't decide on comes again.
        """
        sink.half_write()
        sink.half_write()
        sink.stall()
        for n in range(8):
            publisher.enqueue(make_event(n))
        sink.flow()
        publisher.flush()

        assert [str(n) for n in range(8)] == [
            e.resource.id for e in stored.events
        ]

    def test_conflict_within_a_batch(self, publisher, sink, stored):
        """
        The same id twice in the queue: the first wins, the second is told.
        """
        sink.stall()
        publisher.enqueue(make_event(0))
        first = make_event(1)
        won = publisher.enqueue(first)
        lost = publisher.enqueue(make_event(2, event_id=first.event_id))
        sink.flow()

        assert won.exception(timeout=5) is None
        assert isinstance(lost.exception(timeout=5), DuplicateEventError)
        assert ["0", "1"] == [e.resource.id for e in stored.events]

    def test_refusals_are_logged_once_a_batch(self, publisher, sink, caplog):
        """
        A burst of refusals is one line with their number.
        """
        sink.refuse(
            lambda r: (
                None if r.event.resource.id == "0" else EventRefusedError("no")
            )
        )
        sink.stall()
        publisher.enqueue(make_event(0))
        sink.arrived.acquire()
        for n in range(1, 6):
            publisher.enqueue(make_event(n))
        with caplog.at_level(logging.ERROR, "auditlog"):
            sink.flow()
            with pytest.raises(PartialWriteError):
                publisher.flush()

        (line,) = [r.getMessage() for r in caplog.records]
        assert "5 audit events" in line


class TestEnding:
    def test_close_stores_what_is_queued_and_refuses_later_events(
        self, sink, stored
    ):
        """
        Closing stores what is queued; later events are refused, not lost.
        """
        publisher = AuditLogPublisher(sink, name="orders")
        for n in range(100):
            publisher.enqueue(make_event(n))

        publisher.close()

        assert 100 == len(stored.events)
        with pytest.raises(PublisherClosedError, match="'orders' is closed"):
            publisher.enqueue(make_event())
        with pytest.raises(PublisherClosedError):
            publisher.publish(make_event())

    def test_close_twice(self, sink):
        """
        The second close does nothing.
        """
        publisher = AuditLogPublisher(sink)
        publisher.publish(make_event())

        publisher.close()
        publisher.close()

        assert 1 == sink.closed

    def test_close_of_an_unused_publisher(self, sink):
        """
        No worker was started, none is waited for.
        """
        AuditLogPublisher(sink).close()

        assert 1 == sink.closed

    def test_close_is_bounded_and_tells_what_is_left(self, sink):
        """
        A sink that never answers doesn't hold close() for ever; receipts of
        what is left fail.
        """
        sink.stall()
        publisher = AuditLogPublisher(sink)
        first = publisher.enqueue(make_event(1))
        sink.arrived.acquire()
        later = [publisher.enqueue(make_event(n)) for n in range(3)]

        with pytest.raises(SinkTimeoutError, match="4 events are not stored"):
            publisher.close(timeout=0.1)

        sink.flow()
        for receipt in (first, *later):
            with pytest.raises(SinkTimeoutError, match="not confirmed"):
                receipt.result(timeout=0)

    def test_close_tries_at_once_what_was_backing_off(self, sink, stored):
        """
        close() doesn't sit out a back-off of half a minute.
        """
        publisher = AuditLogPublisher(sink)
        sink.fail(times=4)
        publisher.enqueue(make_event())
        publisher.close(timeout=30)

        assert 1 == len(stored.events)

    def test_flush_tells_how_many_are_left(self, publisher, sink):
        """
        flush() is bounded too.
        """
        sink.stall()
        publisher.enqueue(make_event())

        with pytest.raises(SinkTimeoutError, match="1 events are not stored"):
            publisher.flush(timeout=0.05)

    def test_flush_of_nothing(self, publisher):
        """
        An empty publisher is flushed.
        """
        publisher.flush(timeout=0)
        publisher.wait_delivered(timeout=0)

    def test_publisher_that_is_dropped_still_stores(self, stored):
        """
        Dropping a publisher with events pending warns and stores them.
        """
        sink = FaultySink(stored)
        sink.stall()
        publisher = AuditLogPublisher(sink)
        receipt = publisher.enqueue(make_event())

        kept = [publisher]
        del publisher
        with pytest.warns(ResourceWarning, match="events pending"):
            kept.clear()
        sink.flow()

        assert receipt.exception(timeout=5) is None
        assert 1 == len(stored.events)

    def test_failing_close_of_a_sink_is_logged(self, caplog):
        """
        A sink that can't be closed doesn't keep the publisher open.
        """

        class Stubborn(InMemorySink):
            def close(self):
                raise OSError("no")

        with caplog.at_level(logging.WARNING, "auditlog"):
            AuditLogPublisher(Stubborn()).close()

        assert "can't be closed" in caplog.text


class TestShape:
    def test_repr_is_one_line_with_state(self, sink):
        """
        A notebook shows what is going on.
        """
        with AuditLogPublisher(sink, name="orders") as publisher:
            assert (
                "<AuditLogPublisher 'orders' queued=0 closed=False>"
                == repr(publisher)
            )

    def test_repr_of_a_receipt_has_its_state(self, publisher, sink):
        """
        Which event it is, and what became of it.
        """
        sink.stall()
        pending = publisher.enqueue(event := make_event())
        expected = f"<PendingReceipt {event.event_id} "
        assert f"{expected}pending>" == repr(pending)
        sink.flow()
        pending.result(timeout=10)
        sink.refuse(lambda _: EventRefusedError("no"))
        refused = publisher.enqueue(make_event())

        assert isinstance(refused.exception(timeout=10), EventRefusedError)
        assert f"{expected}stored>" == repr(pending)
        assert repr(refused).endswith(" EventRefusedError>")

    def test_sink_can_be_a_class_with_write(self, capsys):
        """
        A custom sink, whole.
        """

        class PrintSink:
            def write(self, records):
                for record in records:
                    print(record.event.event_type, len(record.body))

        with AuditLogPublisher(PrintSink()) as publisher:
            publisher.publish(make_event())

        assert "App.Invoice.Approve" in capsys.readouterr().out

    def test_publisher_in_one_line(self):
        """
        A publisher that is never assigned stores its event.
        """
        sink = InMemorySink()

        AuditLogPublisher(sink).publish(make_event(7))

        assert "7" == sink.events[0].resource.id

    @pytest.mark.parametrize(
        "option", ["max_events", "max_bytes", "batch_events", "batch_bytes"]
    )
    def test_bounds_are_checked(self, sink, option):
        """
        A bound of 0 could store nothing.
        """
        with pytest.raises(
            ConfigError, match=f"'{option}' must be at least 1"
        ):
            AuditLogPublisher(sink, **{option: 0})

    def test_relays_need_a_journal(self):
        """
        A sink that can't be read back feeds no relay.
        """

        class PrintSink:
            def write(self, records):
                pass

        with pytest.raises(ConfigError, match="PrintSink isn't"):
            AuditLogPublisher(PrintSink(), relays={"x": InMemorySink()})


class TestUnderAttack:
    """
    What callers, signal handlers, finalizers and odd sinks may do.
    """

    def test_giving_up_frees_memory(self, sink, publisher):
        """
        Calls that time out behind a sink that hangs leave nothing behind.
        """
        sink.stall()
        publisher.enqueue(make_event())
        sink.arrived.acquire()

        for n in range(20):
            with pytest.raises(SinkTimeoutError):
                publisher.publish(make_event(n), timeout=0)

        assert not publisher._buffer._queue

    def test_waiting_for_room_leaves_nothing(self, sink):
        """
        Nor do calls that found no room in time.
        """
        sink.stall()
        publisher = AuditLogPublisher(sink, max_events=1)
        publisher.enqueue(make_event())

        for n in range(20):
            with pytest.raises(SinkTimeoutError):
                publisher.publish(make_event(n), timeout=0)

        assert not publisher._buffer._watchers
        sink.flow()
        publisher.close()

    def test_flush_waits_for_its_own_events(self, sink, publisher):
        """
        An event that was withdrawn neither counts nor stands in for another.
        """
        sink.stall()
        publisher.enqueue(make_event(1))
        sink.arrived.acquire()

        with pytest.raises(SinkTimeoutError):
            publisher.publish(make_event(2), timeout=0.05)
        with pytest.raises(SinkTimeoutError, match="1 events are not stored"):
            publisher.flush(0.1)

    def test_answer_about_other_events_backs_off(self):
        """
        A sink that decides on nothing it was given isn't asked in a loop.
        """
        calls = []

        class Confused:
            def write(self, records):
                calls.append(len(records))
                raise PartialWriteError([uuid4()], {})

        publisher = AuditLogPublisher(Confused())
        receipt = publisher.enqueue(make_event())

        assert not receipt.wait(0.3)
        assert len(calls) < 50
        with pytest.raises(SinkTimeoutError):
            publisher.close(0)

    def test_every_caller_hears_of_a_wrong_setup_at_once(self, caplog):
        """
        No call waits for the back-off of one that failed before it, and a
        burst is told once, without saying that it works again.
        """
        caplog.set_level(logging.INFO)

        class Broken:
            def write(self, records):
                raise SinkSetupError("no table")

        publisher = AuditLogPublisher(Broken())
        for n in range(30):
            with pytest.raises(SinkSetupError):
                publisher.publish(make_event(n))
        publisher.close()

        failed = "Failed to publish audit log event: no table"
        assert 1 == caplog.messages.count(failed)
        assert "works again" not in caplog.text

    def test_raising_log_handler_costs_no_event(self, sink, stored):
        """
        Neither a failure nor a refusal that can't be logged ends the worker.
        """

        class Broken(logging.Handler):
            def emit(self, record):
                raise ValueError

        logger, handler = logging.getLogger("auditlog"), Broken()
        logger.addHandler(handler)
        try:
            sink.fail(times=2)
            publisher = AuditLogPublisher(sink)
            publisher.enqueue(make_event(1))
            publisher.flush(5)
            publisher.publish(first := make_event(2))
            twin = attrs.evolve(first, event_type="Other.Thing.Done")
            with pytest.raises(DuplicateEventError):
                publisher.publish(twin)
            publisher.publish(make_event(3))
            publisher.close()
        finally:
            logger.removeHandler(handler)

        assert ["1", "2", "3"] == [e.resource.id for e in stored.events]

    @pytest.mark.parametrize(
        "timeout", [math.inf, 1e10, threading.TIMEOUT_MAX]
    )
    def test_no_timeout_is_too_long(self, sink, stored, timeout):
        """
        Longer than a thread can wait means as long as it can.
        """
        sink.stall()
        publisher = AuditLogPublisher(sink, max_events=1)
        threading.Timer(0.1, sink.flow).start()

        publisher.publish(make_event(1), timeout=timeout)
        publisher.enqueue(make_event(2)).result(timeout)
        publisher.flush(timeout)
        publisher.close(timeout)

        assert 2 == len(stored.events)

    def test_sink_cannot_wait_for_itself(self, stored):
        """
        Within a write, what would wait for that write raises at once.
        """
        heard = []

        class Curious(InMemorySink):
            def write(self, records):
                for wait in (
                    lambda: publisher.publish(make_event()),
                    publisher.flush,
                    publisher.close,
                ):
                    try:
                        wait()
                    except SinkError as exc:
                        heard.append(str(exc))
                super().write(records)

        publisher = AuditLogPublisher(Curious())
        publisher.publish(make_event())
        publisher.close()

        why = "can't wait for Curious from within its write"
        assert [True] * 3 == [why in each for each in heard]

    def test_signal_while_the_worker_is_woken(self, publisher, monkeypatch):
        """
        A handler that raises there doesn't leave the worker asleep.
        """
        publisher.publish(make_event(1))
        while publisher._buffer._worker is None:
            time.sleep(0.001)

        def interrupted(gate):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Gate, "open", interrupted)
            with pytest.raises(KeyboardInterrupt):
                publisher.enqueue(make_event(2))
        publisher.enqueue(make_event(3))

        publisher.flush(5)

    def test_finalizer_while_the_worker_goes_to_sleep(
        self, publisher, monkeypatch
    ):
        """
        An event that a finalizer enqueues in the worker isn't overlooked.
        """
        publisher.publish(make_event(1))
        late = []

        class Finalizing(Gate):
            def __init__(self):
                super().__init__()
                if threading.current_thread() is publisher._thread:
                    monkeypatch.undo()
                    late.append(publisher.enqueue(make_event(2)))

        monkeypatch.setattr(buffer, "Gate", Finalizing)
        publisher.publish(make_event(3))
        time.sleep(0.1)

        assert late[0].wait(5)

    def test_thread_that_cannot_be_started(self, publisher, monkeypatch):
        """
        A process at its limit of threads publishes once it has one again.
        """

        def full(thread):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", full)
            first = publisher.enqueue(make_event(1))

        publisher.publish(make_event(2))

        assert first.done()

    def test_close_tries_again_often(self, sink, stored, monkeypatch):
        """
        A sink that is back before the timeout still gets the events.
        """
        sink.fail(times=2)
        # The longest pause that there can be.
        monkeypatch.setattr(
            "tenacity.wait_random_exponential.__call__", lambda *_: 30.0
        )
        publisher = AuditLogPublisher(sink)
        publisher.enqueue(event := make_event())

        publisher.close(timeout=5)

        assert [event] == stored.events
