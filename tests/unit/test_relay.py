"""
The relay over journals and sinks in memory.
"""

from __future__ import annotations

import logging
import threading
import time

import pytest

from auditlog.errors import (
    ClusterNotFoundError,
    DeliveryTimeoutError,
    EventRefusedError,
    LeaseLostError,
    PartialWriteError,
    SinkSetupError,
    SinkTimeoutError,
    SinkUnavailableError,
)
from auditlog.memory import InMemorySink
from auditlog.publisher import AuditLogPublisher
from auditlog.relay import Relay
from auditlog.testing.contracts import make_record
from auditlog.testing.faults import FaultySink
from tests.unit.test_publisher import make_event


@pytest.fixture
def journal():
    return InMemorySink()


@pytest.fixture
def target():
    return InMemorySink()


@pytest.fixture
def sink(target):
    return FaultySink(target)


@pytest.fixture
def relay(journal, sink):
    relay = Relay(journal, sink, name="topic", batch_events=10)
    yield relay
    sink.flow()
    relay.stop(5)


def fill(journal, count):
    records = [make_record(metadata={"n": n}) for n in range(count)]
    journal.write(records)
    return [record.event_id for record in records]


def wait_until(condition, timeout=10.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def ids(target):
    return [record.event_id for record in target.records]


class TestDelivery:
    def test_everything_arrives_in_order(self, journal, target, relay):
        """
        What was in the journal before, and what comes later.
        """
        expected = fill(journal, 25)
        relay.start()
        wait_until(lambda: journal.position("topic") == 25)

        expected += fill(journal, 25)
        relay.wake()
        wait_until(lambda: relay.delivered == 50)

        assert 50 == journal.position("topic")
        assert expected == ids(target)

    def test_bytes_are_the_journals(self, journal, target, relay):
        """
        Nobody serializes again.
        """
        fill(journal, 3)
        relay.start()
        wait_until(lambda: journal.position("topic") == 3)

        assert [r.body for r in journal.records] == [
            r.body for r in target.records
        ]

    def test_resumes_where_the_last_one_stopped(self, journal, sink, target):
        """
        A second relay of the name goes on behind the first.
        """
        expected = fill(journal, 5)
        first = Relay(journal, sink, name="topic")
        first.start()
        wait_until(lambda: journal.position("topic") == 5)
        first.stop(5)
        expected += fill(journal, 5)

        second = Relay(journal, sink, name="topic")
        second.start()
        wait_until(lambda: journal.position("topic") == 10)
        second.stop(5)

        assert expected == ids(target)
        assert [5, 5] == [len(batch) for batch in sink.batches]

    def test_failure_is_tried_again_with_the_same_bytes(
        self, journal, sink, target, relay
    ):
        """
        At least once: the batch comes again until it is stored.
        """
        expected = fill(journal, 3)
        sink.fail(times=2)
        sink.fail(SinkSetupError("no permission"))
        sink.forget_answer()
        relay.start()
        wait_until(lambda: journal.position("topic") == 3)

        assert expected == ids(target)
        assert 5 == len(sink.batches)
        assert all(batch == sink.batches[0] for batch in sink.batches)

    def test_one_of_two_ships(self, journal, sink, target):
        """
        Two relays of one name: the second stands by.
        """
        expected = fill(journal, 100)
        relays = [
            Relay(journal, sink, name="topic", batch_events=7)
            for _ in range(2)
        ]
        for relay in relays:
            relay.start()
        wait_until(lambda: journal.position("topic") == 100)

        assert 1 == sum(relay.holding for relay in relays)
        for relay in relays:
            relay.stop(5)
        assert expected == ids(target)
        assert 100 == sum(len(batch) for batch in sink.batches)

    def test_frozen_holder_is_replaced_and_fenced(
        self, target, monkeypatch, caplog
    ):
        """
        A holder that stalls past its lease can't move the position back.
        """
        monkeypatch.setattr("auditlog.relay.STANDBY", 0.01)
        journal = InMemorySink(lease_ttl=0.1)
        expected = fill(journal, 5)
        stalled = FaultySink(target)
        stalled.stall()
        frozen = Relay(journal, stalled, name="topic")
        # A frozen process renews nothing.
        frozen._keep_lease = lambda: None
        frozen.start()
        stalled.arrived.acquire()

        healthy = Relay(journal, target, name="topic")
        healthy.start()
        wait_until(lambda: journal.position("topic") == 5)
        expected += fill(journal, 5)
        healthy.wake()
        wait_until(lambda: journal.position("topic") == 10)
        with caplog.at_level(logging.INFO, "auditlog.relay"):
            stalled.flow()
            wait_until(lambda: caplog.messages)

        assert not frozen.holding
        assert caplog.messages[0].startswith("relay 'topic' stands by: ")
        assert (0, 10) == (frozen.delivered, healthy.delivered)
        assert 10 == journal.position("topic")
        assert expected == ids(target)
        for relay in (frozen, healthy):
            relay.stop(5)


class TestRefusal:
    def test_poison_event_costs_one_event(
        self, journal, sink, target, relay, caplog
    ):
        """
        It becomes a dead letter with its bytes; the others go on, in order.
        """
        expected = fill(journal, 9)
        poison = expected[4]
        sink.refuse(
            lambda r: (
                EventRefusedError("too large")
                if r.event_id == poison
                else None
            )
        )
        with caplog.at_level(logging.ERROR, "auditlog.relay"):
            relay.start()
            wait_until(lambda: journal.position("topic") == 9)
            relay.stop(5)

        (letter,) = journal.dead_letters("topic")
        assert (poison, 5, "too large") == (
            letter.record.event_id,
            letter.record.index,
            letter.reason,
        )
        assert letter.record.body == journal.records[4].body
        assert [i for i in expected if i != poison] == ids(target)
        assert (8, 1) == (relay.delivered, relay.dead)
        (line,) = caplog.messages
        assert line == (
            "relay 'topic' made 1 audit events dead letters, the first, "
            "index 5, because: too large"
        )

    def test_placeholder_comes_before_the_letter(self, journal, sink, relay):
        """
        An event is given up only once its place in the sink is taken.
        """
        fill(journal, 3)
        sink.refuse(lambda _: EventRefusedError("no"))
        placed = []
        failures = [OSError("away"), OSError("away")]

        def write_placeholders(letters):
            if failures:
                raise failures.pop()
            assert journal.position("topic") == len(placed)
            placed.extend(letter.record.index for letter in letters)

        sink.write_placeholders = write_placeholders
        relay.start()
        wait_until(lambda: journal.position("topic") == 3)

        assert [1, 2, 3] == placed
        assert 3 == len(journal.dead_letters("topic"))

    def test_answer_that_names_the_refused(self, journal, sink, target, relay):
        """
        Those become dead letters at once, those that are stored as well are
        delivered, and what is behind comes again.
        """
        expected = fill(journal, 6)

        def fault(records):
            target.write([records[0], records[2]])
            no = EventRefusedError("no")
            stored = [expected[0], expected[2]]
            raise PartialWriteError(stored, dict.fromkeys(expected[1:3], no))

        sink._faults.append(fault)
        relay.start()
        wait_until(lambda: journal.position("topic") == 6)
        relay.stop(5)

        (letter,) = journal.dead_letters("topic")
        assert (expected[1], "no") == (letter.record.event_id, letter.reason)
        assert [expected[0], *expected[2:]] == ids(target)
        assert [6, 3] == [len(batch) for batch in sink.batches]
        assert (5, 1) == (relay.delivered, relay.dead)

    def test_half_written_batch_is_completed(
        self, journal, sink, target, relay
    ):
        """
        The position moves over what is stored; the rest comes again.
        """
        expected = fill(journal, 8)
        sink.half_write()
        relay.start()
        wait_until(lambda: journal.position("topic") == 8)

        assert expected == ids(target)
        assert [8, 4] == [len(batch) for batch in sink.batches]


class TestTrouble:
    def test_restored_journal_is_refused(self, journal, sink, relay, caplog):
        """
        A sink that is ahead of its journal gets nothing.
        """
        fill(journal, 3)
        sink.last_index = lambda: 4
        with caplog.at_level(logging.ERROR, "auditlog.relay"):
            relay.start()
            wait_until(lambda: caplog.records)
        relay.stop(0.2)

        assert (
            "the sink of relay 'topic' holds index 4, the journal only 3: it "
            "was restored from an older copy, or another journal is relayed "
            "there; relay to a new topic, or restore the newer journal"
        ) in caplog.text
        assert [] == sink.batches

    def test_sink_that_is_ahead_of_the_position_gets_it_again(
        self, journal, sink, target, relay
    ):
        """
        The last relay may have ended before it told how far it had come.
        """
        expected = fill(journal, 3)
        sink.last_index = lambda: 3
        relay.start()
        wait_until(lambda: journal.position("topic") == 3)

        assert expected == ids(target)

    def test_journal_that_fails_is_told(
        self, journal, target, relay, monkeypatch, caplog
    ):
        """
        Also where the journal has no logger of its own.
        """
        fill(journal, 1)
        read, broken = journal.read, [SinkUnavailableError("disk away")]

        def failing(after, limit):
            if broken:
                raise broken.pop()
            return read(after, limit)

        monkeypatch.setattr(journal, "read", failing)
        relay.start()
        wait_until(lambda: target.records)

        assert [
            (logging.ERROR, "Failed to publish audit log event: disk away"),
            (
                logging.WARNING,
                "relay 'topic' keeps the events that wait and tries again",
            ),
        ] == [
            (record.levelno, record.getMessage())
            for record in caplog.records
            if record.name == "auditlog.relay"
        ]

    def test_lease_that_cannot_be_released_is_told(
        self, journal, relay, caplog
    ):
        """
        To whoever wonders why the next relay has to wait for its end.
        """
        relay.start()
        wait_until(lambda: relay.holding)

        def release():
            raise SinkUnavailableError("away")

        relay._lease.release = release
        with caplog.at_level(logging.DEBUG, "auditlog.relay"):
            relay.stop(5)

        assert ["relay 'topic' keeps its lease: away"] == caplog.messages

    def test_unknown_cluster_line(self, journal, sink, relay, caplog):
        """
        The product's text, with the number waiting beside it.
        """
        fill(journal, 3)
        sink.logger = logging.getLogger("auditlog.kafka")
        relay._reset()
        sink.fail(ClusterNotFoundError("my-kafka-cluster", ["a", "b"]))
        with caplog.at_level(logging.DEBUG, "auditlog.kafka"):
            relay.start()
            wait_until(lambda: journal.position("topic") == 3)
        wait_until(lambda: "works again" in caplog.text)

        error, second, again = caplog.records
        assert "ERROR" == error.levelname
        assert error.getMessage() == (
            "Failed to publish audit log event: Not found. "
            "Could not find cluster my-kafka-cluster"
        )
        assert (3, ("a", "b")) == (
            error.auditlog_waiting,
            error.auditlog_known_clusters,
        )
        assert "3 events that wait" in second.getMessage()
        assert "known cluster IDs: a, b" in second.getMessage()
        assert "works again" in again.getMessage()

    def test_hurry_cuts_the_pause_short(self, journal, sink, target, relay):
        """
        What was mended is used at once.
        """
        fill(journal, 1)
        sink.fail(times=8)
        relay.start()
        wait_until(lambda: len(sink.batches) >= 3)

        def delivered():
            relay.hurry()
            return len(target.records) == 1

        wait_until(delivered, timeout=3)

    def test_fault_of_ours_does_not_end_delivery(
        self, journal, sink, target, relay, monkeypatch, caplog
    ):
        """
        A relay that meets a bug begins again.
        """
        monkeypatch.setattr("auditlog.relay.STANDBY", 0.01)
        fill(journal, 1)
        broken = [ZeroDivisionError("bug")]
        original = relay._ship

        def ship(lease):
            if broken:
                raise broken.pop()
            original(lease)

        monkeypatch.setattr(relay, "_ship", ship)
        with caplog.at_level(logging.ERROR, "auditlog.relay"):
            relay.start()
            wait_until(lambda: len(target.records) == 1)

        assert "begins again" in caplog.text

    def test_relay_that_was_stopped_can_be_started(
        self, journal, target, relay
    ):
        """
        Stopped and started again, it goes on where it was.
        """
        fill(journal, 2)
        relay.start()
        wait_until(lambda: journal.position("topic") == 2)
        relay.stop(5)

        fill(journal, 2)
        relay.start()
        wait_until(lambda: journal.position("topic") == 4)

        assert 4 == len(target.records)


class Naps:
    """
    Stands in for what a relay waits for: keeps how long, and never waits.
    """

    def __init__(self, woken):
        self.seconds = []
        self._woken = woken

    def wait(self, seconds):
        self.seconds.append(seconds)
        return len(self.seconds) in self._woken

    def set(self):
        pass

    def clear(self):
        pass


class TestPauses:
    def test_idle_relay_looks_ever_more_rarely(self, journal, relay):
        """
        From every 50 ms to every second, and at once after news.
        """
        naps = relay._news = Naps(woken={8})
        relay._lease = lease = journal.lease("topic")
        looks = []

        def read(after, limit):
            looks.append(after)
            if len(looks) == 11:
                relay._ended.set()
            return []

        journal.read = read
        relay._ship(lease)

        rising = [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
        assert [*rising, 0.05, 0.1, 0.2] == naps.seconds

    def test_busy_relay_does_not_pause(self, journal, target, relay):
        """
        While there is something to read, it reads on; then it begins with
        short pauses again.
        """
        naps = relay._news = Naps(woken=())
        fill(journal, 25)
        relay._lease = lease = journal.lease("topic")
        pages = [journal.read(0, 0), journal.read(0, 10), journal.read(10, 10)]
        pages += [[], []]

        def read(after, limit):
            if len(pages) == 1:
                relay._ended.set()
            return pages.pop(0)

        journal.read = read
        relay._ship(lease)

        assert [0.05, 0.05, 0.1] == naps.seconds
        assert 20 == len(target.records)


class TestThreads:
    def test_they_are_named_and_keep_no_process_alive(self, journal, relay):
        """
        Who looks at a process's threads finds them by the relay's name.
        """
        before = {*threading.enumerate()}
        relay.start()
        wait_until(lambda: relay.holding)

        found = {*threading.enumerate()} - before
        assert {"auditlog-relay-topic", "auditlog-lease-topic"} == {
            thread.name for thread in found
        }
        assert all(thread.daemon for thread in found)

    def test_lease_is_renewed_three_times_before_it_ends(
        self, journal, relay, monkeypatch, caplog
    ):
        """
        Two renewals may fail; without a lease there is nothing to renew.
        """
        relay._ended = naps = Naps(woken={3})
        monkeypatch.setattr("auditlog.relay.STANDBY", 7.0)
        renewals = []

        def renew():
            renewals.append(len(naps.seconds))
            relay._lease = None

        relay._lease = journal.lease("topic")
        relay._lease.renew = renew
        with caplog.at_level(logging.DEBUG, "auditlog.relay"):
            relay._keep_lease()

        assert [5.0, 7.0, 7.0] == naps.seconds
        assert [1] == renewals
        assert [] == caplog.records

    def test_without_a_lease_nothing_is_written(self, journal, sink, relay):
        """
        Another relay writes the same by then, and what comes behind it.
        """
        fill(journal, 1)
        lease = journal.lease("topic")

        with pytest.raises(
            LeaseLostError, match=r"^another holder has the lease 'topic'$"
        ):
            relay._write(lease, journal.read(0, 1))

        assert [] == sink.batches

    def test_lease_of_before_is_not_renewed(self, journal, relay):
        """
        That it is lost by then says nothing of the one that came after it.
        """
        before, after = journal.lease("topic"), journal.lease("other")
        naps = relay._ended = Naps(woken={2})
        renewals = []

        def wait(seconds):
            relay._lease = after
            return Naps.wait(naps, seconds)

        relay._lease, naps.wait = before, wait
        before.renew = lambda: renewals.append("before")
        after.renew = lambda: renewals.append("after")
        relay._keep_lease()

        assert [] == renewals


class TestWaiting:
    def test_what_was_delivered_does_not_wait(self, journal, relay):
        """
        Only what is behind the position counts.
        """
        fill(journal, 9)
        relay._lease = journal.lease("topic")
        relay._lease.advance(4)

        assert 5 == relay._waiting()

    def test_nobody_knows_without_a_lease(self, journal, relay):
        """
        Another process may deliver it meanwhile.
        """
        fill(journal, 9)

        assert relay._waiting() is None

    @pytest.mark.parametrize("held_back", [False, True])
    def test_stored_counts_even_without_an_index(
        self, journal, relay, held_back
    ):
        """
        All that is stored waits; what an open transaction holds back can't
        be counted, and is not waited for.
        """

        def size(*, timeout=None):
            if timeout is None:
                return 3
            assert 0.0 == timeout
            if held_back:
                raise SinkTimeoutError("held back")
            return 7

        journal.size = size
        relay._lease = journal.lease("topic")

        assert (3 if held_back else 7) == relay._waiting()

    def test_journal_that_is_away_counts_nothing(self, journal, relay):
        """
        The log line goes out all the same.
        """

        def size(*, timeout=None):
            raise SinkUnavailableError("away")

        journal.size = size
        relay._lease = journal.lease("topic")

        assert relay._waiting() is None


class TestPublisherWithRelays:
    def test_wait_delivered(self, journal, sink, target):
        """
        What was stored before the call has passed every relay.
        """
        second = InMemorySink()
        with AuditLogPublisher(
            journal, relays={"topic": sink, "second": second}
        ) as publisher:
            for n in range(20):
                publisher.enqueue(make_event(n))
            publisher.wait_delivered(timeout=30)

            assert 20 == len(target.records) == len(second.records)

    def test_slow_sink_delays_nobody_else(self, journal, sink):
        """
        One relay stalls; publish() and the other relay don't care.
        """
        sink.stall()
        fast = InMemorySink()
        publisher = AuditLogPublisher(
            journal, relays={"slow": sink, "fast": fast}
        )
        publisher.publish(make_event())
        wait_until(lambda: len(fast.records) == 1)

        with pytest.raises(DeliveryTimeoutError, match="1 for relay 'slow'"):
            publisher.wait_delivered(timeout=0.2)
        sink.flow()
        publisher.close()

    def test_relays_may_run_elsewhere(self, journal, target):
        """
        With run_relays=False another process delivers.
        """
        publisher = AuditLogPublisher(
            journal, relays={"topic": target}, run_relays=False
        )
        publisher.publish(make_event())
        with pytest.raises(DeliveryTimeoutError):
            publisher.wait_delivered(timeout=0.05)

        elsewhere = Relay(journal, target, name="topic")
        elsewhere.start()
        publisher.wait_delivered(timeout=10)
        elsewhere.stop(5)
        publisher.close()

        assert 1 == len(target.records)

    def test_close_delivers_what_a_short_script_published(
        self, journal, target
    ):
        """
        A script that publishes and ends leaves nothing behind.
        """
        with AuditLogPublisher(journal, relays={"topic": target}) as publisher:
            publisher.enqueue(make_event())

        assert 1 == len(target.records)

    def test_close_is_bounded_by_a_stalled_relay(self, journal, sink):
        """
        What isn't delivered stays in the journal.
        """
        sink.stall()
        publisher = AuditLogPublisher(journal, relays={"topic": sink})
        publisher.publish(make_event())
        sink.arrived.acquire()

        publisher.close(timeout=0.2)

        assert 0 == journal.position("topic")
        sink.flow()

    def test_threads_end(self, journal, target):
        """
        Nothing runs on after close().
        """
        before = set(threading.enumerate())

        with AuditLogPublisher(journal, relays={"topic": target}) as publisher:
            publisher.publish(make_event())

        wait_until(lambda: set(threading.enumerate()) <= before)


class TestOddities:
    def test_answer_that_skips_the_first_backs_off(self, journal):
        """
        No step forward is a failure: no busy loop, and it can be stopped.
        """
        calls = []

        class Skipping:
            def write(self, records):
                calls.append(len(records))
                raise PartialWriteError([r.event_id for r in records[1:]], {})

        fill(journal, 3)
        relay = Relay(journal, Skipping(), name="topic")
        relay.start()
        time.sleep(0.3)

        assert relay.stop(5)
        assert len(calls) < 50
        assert journal.position("topic") == 0

    def test_cleared_journal_is_relayed_from_its_start(
        self, target, monkeypatch
    ):
        """
        A relay that runs doesn't keep the position of what was forgotten.
        """
        monkeypatch.setattr("auditlog.relay.STANDBY", 0.1)
        journal = InMemorySink(lease_ttl=0.3)
        relay = Relay(journal, target, name="topic")
        relay.start()
        fill(journal, 5)
        wait_until(lambda: journal.position("topic") == 5)

        journal.clear()
        expected = fill(journal, 3)

        wait_until(lambda: journal.position("topic") == 3)
        assert expected == ids(target)[5:]
        relay.stop(5)

    def test_lease_is_renewed_after_a_foreign_error(
        self, journal, target, caplog
    ):
        """
        A journal that raises something else once keeps being asked.
        """
        lease = InMemorySink(lease_ttl=0.03).lease("topic")
        calls = []

        def renew():
            calls.append(1)
            raise OSError

        lease.renew = renew
        relay = Relay(journal, target, name="topic")
        relay._lease = lease
        keeper = threading.Thread(target=relay._keep_lease)

        with caplog.at_level(logging.DEBUG, "auditlog.relay"):
            keeper.start()
            wait_until(lambda: len(calls) > 2)
            relay.stop()
            keeper.join(5)

        assert {"relay 'topic' can't renew: OSError"} == {
            record.getMessage() for record in caplog.records
        }
