"""
Where events are while their sink is away, and how they come back.
"""

from __future__ import annotations

import gc
import logging
import shutil
import threading
import time

from contextlib import suppress
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from auditlog.errors import (
    ConfigError,
    EventRefusedError,
    PartialWriteError,
    SinkSetupError,
    SinkTimeoutError,
    SinkUnavailableError,
)
from auditlog.fallback import Fallback
from auditlog.memory import InMemorySink
from auditlog.publisher import AuditLogPublisher
from auditlog.spool import SpoolSink
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
def spool(tmp_path):
    spool = SpoolSink(tmp_path / "spool")
    yield spool
    spool.close()


@pytest.fixture
def make_publisher(sink, spool):
    made = []

    def make(**options):
        options = {"fallback": spool, "fallback_after": 0.2, **options}
        made.append(publisher := AuditLogPublisher(sink, **options))
        return publisher

    yield make
    sink.flow()
    sink.refuse(lambda _: None)
    for publisher in made:
        publisher.close(timeout=5)


def away(_):
    return SinkUnavailableError("told to be away")


def numbers(stored):
    return [int(event.resource.id) for event in stored.events]


def come_back(sink, publisher):
    sink.refuse(lambda _: None)
    publisher.hurry()
    publisher.wait_delivered(10)


class TestStoring:
    def test_events_are_kept_and_moved_back(
        self, make_publisher, sink, stored, spool
    ):
        """
        The receipt says where an event is; once the sink is back it has all,
        in order, with the same bytes, and what comes then goes there.
        """
        publisher = make_publisher()
        events = [make_event(n) for n in range(5)]
        receipts = [publisher.publish(events[0])]

        sink.refuse(away)
        receipts += [publisher.publish(events[n]) for n in (1, 2, 3)]
        kept = [record.body for record in spool.read(0, 10)]
        come_back(sink, publisher)
        receipts.append(publisher.publish(events[4]))

        first, second = "FaultySink", "SpoolSink"
        expected = [first, second, second, second, first]
        assert expected == [receipt.sink for receipt in receipts]
        assert [0, 1, 2, 3, 4] == numbers(stored)
        assert kept == [record.body for record in stored.records][1:4]

    @pytest.mark.parametrize(
        "error",
        [
            SinkSetupError("no table"),
            RuntimeError("a bug"),
            OSError(),
            SystemExit(),
        ],
    )
    def test_whatever_a_sink_raises(self, make_publisher, sink, stored, error):
        """
        Everything but a refusal of the event means that the sink is away.
        """
        publisher = make_publisher()
        sink.refuse(lambda _: error)

        receipt = publisher.publish(make_event())
        come_back(sink, publisher)

        assert "SpoolSink" == receipt.sink
        assert [0] == numbers(stored)

    def test_sink_that_hangs(self, make_publisher, sink, stored):
        """
        A write that takes too long is not waited for; it may go on, and the
        events are there once.
        """
        publisher = make_publisher()
        sink.stall()

        receipt = publisher.publish(make_event(0), timeout=5)
        publisher.publish(make_event(1), timeout=5)
        with pytest.raises(SinkTimeoutError, match="2 events wait in Spool"):
            publisher.wait_delivered(0.1)
        sink.flow()
        publisher.wait_delivered(10)

        assert "SpoolSink" == receipt.sink
        assert [0, 1] == numbers(stored)

    def test_lost_answer_stores_once(self, make_publisher, sink, stored):
        """
        What was stored without an answer is moved too, and there once.
        """
        publisher = make_publisher()
        sink.forget_answer()

        receipt = publisher.publish(make_event())
        publisher.wait_delivered(10)

        assert "SpoolSink" == receipt.sink
        assert 2 == len(sink.batches)
        assert [0] == numbers(stored)

    def test_refused_event_is_refused(self, make_publisher, sink):
        """
        A refusal is no reason to keep an event elsewhere.
        """
        publisher = make_publisher()
        sink.refuse(lambda _: EventRefusedError("never"))

        with pytest.raises(EventRefusedError):
            publisher.publish(make_event())

    def test_neither_takes_it(self, make_publisher, sink, stored, tmp_path):
        """
        The caller hears of both; the event is stored when one is back.
        """
        (tmp_path / "spool").write_text("no folder")
        publisher = make_publisher()
        sink.refuse(away)

        receipt = publisher.enqueue(make_event())
        with pytest.raises(
            SinkTimeoutError,
            match=r"FaultySink is away, .*SpoolSink can't take its place",
        ):
            publisher.publish(make_event(1), timeout=1)
        sink.refuse(lambda _: None)
        publisher.hurry()

        assert "FaultySink" == receipt.result(10).sink
        assert 0 in numbers(stored)


class Impatient(Fallback):
    """
    A broken one: uses the sink again although older events wait.
    """

    def _holds(self):
        return False


def flap(publisher, sink, stored):
    """
    A sink that is away for every second event.
    """

    def is_odd(record):
        return int(record.event.resource.id) % 2

    sink.refuse(lambda record: away(record) if is_odd(record) else None)
    for n in range(20):
        publisher.publish(make_event(n))
    come_back(sink, publisher)
    return numbers(stored)


class TestOrder:
    def test_flapping_sink(self, make_publisher, sink, stored):
        """
        Nothing comes before what was published earlier.
        """
        assert list(range(20)) == flap(make_publisher(), sink, stored)

    def test_rule_is_needed(self, make_publisher, sink, stored, monkeypatch):
        """
        Without the rule that new events wait behind old ones they would.
        """
        monkeypatch.setattr("auditlog.publisher.Fallback", Impatient)

        found = flap(make_publisher(), sink, stored)

        assert list(range(20)) != found
        assert list(range(20)) == sorted(found)

    def test_events_of_an_earlier_process_come_first(
        self, make_publisher, sink, stored
    ):
        """
        What was left is moved without a new event, and before it.
        """
        sink.refuse(away)
        first = make_publisher()
        first.publish(make_event(0))
        first.close()

        second = make_publisher()
        receipt = second.publish(make_event(1))
        come_back(sink, second)

        assert "SpoolSink" == receipt.sink
        assert [0, 1] == numbers(stored)

    def test_nothing_has_to_be_published(self, make_publisher, sink, stored):
        """
        A publisher that is only built moves what is left.
        """
        sink.refuse(away)
        first = make_publisher()
        first.publish(make_event(0))
        first.close()
        sink.refuse(lambda _: None)

        make_publisher()

        wait_until(lambda: numbers(stored) == [0])


class TestTrouble:
    def test_poison_becomes_a_dead_letter(
        self, make_publisher, sink, stored, spool
    ):
        """
        What the sink refuses for good, once it is back, blocks nothing.
        """
        publisher = make_publisher()
        sink.refuse(away)
        for n in range(3):
            publisher.publish(make_event(n))

        def poison(record):
            if record.event.resource.id == "1":
                return EventRefusedError("never")
            return None

        sink.refuse(poison)
        publisher.hurry()
        publisher.wait_delivered(10)

        assert [0, 2] == numbers(stored)
        (letter,) = spool.dead_letters("fallback")
        assert "1" == letter.record.event.resource.id

    def test_unusable_fallback_harms_nothing(
        self, make_publisher, stored, tmp_path, caplog
    ):
        """
        As long as the sink works, one line says that it isn't protected.
        """
        (tmp_path / "spool").write_text("no folder")
        publisher = make_publisher()

        for n in range(3):
            publisher.publish(make_event(n))

        assert [0, 1, 2] == numbers(stored)
        told = [record.getMessage() for record in caplog.records]
        (line,) = [line for line in told if line.startswith("SpoolSink")]
        assert "SpoolSink can't be used should FaultySink be away" in line

    def test_outage_is_told_once(self, make_publisher, sink, caplog):
        """
        One line when it begins and one when it is over, beside the relay's.
        """
        caplog.set_level(logging.INFO)
        publisher = make_publisher()
        sink.refuse(away)
        for n in range(3):
            publisher.publish(make_event(n))
        come_back(sink, publisher)
        publisher.publish(make_event(3))

        told = [record.getMessage() for record in caplog.records]
        begin, end = [line for line in told if line.startswith("FaultySink")]
        assert begin == (
            "FaultySink is away, audit events are kept in SpoolSink until it "
            "is back: told to be away"
        )
        assert "FaultySink has all events again" == end

    def test_disk_that_hangs(self, make_publisher, stored, tmp_path):
        """
        A sink that works is held up once at most, and so is the end.
        """
        answers = threading.Event()

        class Frozen(SpoolSink):
            def _open(self):
                answers.wait(60)
                return super()._open()

        frozen = Frozen(tmp_path / "spool")
        publisher = make_publisher(fallback=frozen, fallback_after=0.3)

        began = time.monotonic()
        receipts = [publisher.publish(make_event(n)) for n in range(20)]
        publisher.close(timeout=1)
        took = time.monotonic() - began
        answers.set()

        assert ["FaultySink"] * 20 == [receipt.sink for receipt in receipts]
        assert [*range(20)] == numbers(stored)
        assert took < 20 * 0.3

    def test_part_that_was_kept_comes_first(
        self, make_publisher, sink, stored, tmp_path
    ):
        """
        What the journal took of a batch before it was full is not overtaken.
        """

        class Full(SpoolSink):
            def write(self, records):
                first, *others = records
                super().write([first])
                if others:
                    stored = [first.event_id]
                    raise PartialWriteError(stored, {})

        spool = Full(tmp_path / "part")
        publisher = make_publisher(fallback=spool)
        publisher.publish(make_event(0))
        sink.refuse(away)
        receipts = [publisher.enqueue(make_event(n)) for n in (1, 2)]
        receipts[0].result(10)
        sink.refuse(lambda r: away(r) if r.event.resource.id == "1" else None)
        receipts[1].result(10)
        come_back(sink, publisher)

        assert [0, 1, 2] == numbers(stored)

    def test_answer_that_comes_late_changes_nothing(
        self, make_publisher, sink, stored, tmp_path
    ):
        """
        What a disk that hung tells of the time before is not believed.
        """
        answers, asked = threading.Event(), threading.Event()

        class Late(SpoolSink):
            def size(self, *, timeout=None):
                found = super().size(timeout=timeout)
                if (
                    threading.current_thread().name
                    == "auditlog-lane-p-fallback"
                ):
                    asked.set()
                    answers.wait(60)
                return found

        spool = Late(tmp_path / "late")
        publisher = make_publisher(fallback=spool, name="p")
        sink.refuse(away)
        first = publisher.publish(make_event(0))
        assert asked.is_set()
        answers.set()
        wait_until(lambda: not publisher._fallback._second_lane.is_busy)
        sink.refuse(lambda r: away(r) if r.event.resource.id == "0" else None)
        second = publisher.publish(make_event(1))
        come_back(sink, publisher)

        assert ["Late", "Late"] == [first.sink, second.sink]
        assert [0, 1] == numbers(stored)

    def test_stats_count_what_is_kept(self, make_publisher, sink):
        """
        It is stored, and waits; the relay that moves it says why.
        """
        publisher = make_publisher()
        publisher.publish(make_event(0))
        sink.refuse(away)
        publisher.publish(make_event(1))
        publisher.publish(make_event(2))
        (relay,) = publisher.stats().relays
        wait_until(lambda: publisher.stats().relays[0].last_error)

        assert "fallback" == relay.name
        assert 2 == publisher.stats().kept
        assert 3 == publisher.stats().stored
        come_back(sink, publisher)
        assert 0 == publisher.stats().kept

    def test_stats_leave_a_closed_folder_to_others(
        self, make_publisher, sink, spool, tmp_path
    ):
        """
        What is kept is counted from memory, and the folder not opened again.
        """
        publisher = make_publisher()
        sink.refuse(away)
        publisher.publish(make_event())
        folder = spool.folder

        publisher.close()

        assert 1 == publisher.stats().kept
        other = SpoolSink(tmp_path / "spool")
        assert folder == other.folder
        other.close()

    def test_nothing_is_written_behind_a_close(
        self, make_publisher, sink, spool
    ):
        """
        A worker that waits for a sink longer than the close gives up.
        """
        publisher = make_publisher(fallback_after=0.5)
        sink.stall()
        receipt = publisher.enqueue(make_event())
        sink.arrived.acquire(timeout=10)

        with pytest.raises(SinkTimeoutError):
            publisher.close(timeout=0.05)
        publisher._thread.join(10)

        assert receipt.exception(0)
        assert spool._spool is None

    def test_close_within_a_close(self, make_publisher, monkeypatch):
        """
        A signal handler that closes too does not wait for its own thread.
        """
        publisher = make_publisher()
        publisher.publish(make_event())
        lane = publisher._fallback._lane
        put = lane._jobs.put

        def interrupted(job):
            monkeypatch.setattr(lane, "_jobs", SimpleQueue())
            publisher.close()
            put(job)

        monkeypatch.setattr(lane, "_jobs", SimpleNamespace(put=interrupted))
        publisher.close()

        assert publisher.stats().closed

    def test_folder_that_somebody_deletes(
        self, make_publisher, sink, spool, caplog, tmp_path
    ):
        """
        Nobody says that all events have arrived.
        """
        publisher = make_publisher()
        sink.refuse(away)
        publisher.publish(make_event())
        # Away at first: the relay may write a file meanwhile.
        shutil.rmtree(spool.folder.rename(tmp_path / "deleted"))
        with suppress(SinkSetupError):
            publisher.publish(make_event())
        publisher.publish(make_event())

        told = [record.getMessage() for record in caplog.records]
        assert any("was emptied behind our back" in line for line in told)
        assert not any("has all events again" in line for line in told)

    def test_publisher_that_is_dropped_leaves_no_thread(self, sink, spool):
        """
        Neither its own, nor its relay's, nor those that call the sink.
        """
        before = {*threading.enumerate()}
        publisher = AuditLogPublisher(sink, fallback=spool)
        publisher.publish(make_event())
        ours = {*threading.enumerate()} - before

        del publisher
        gc.collect()
        for thread in ours:
            thread.join(10)

        assert ours
        assert not any(thread.is_alive() for thread in ours)

    def test_close_leaves_what_cannot_be_moved(
        self, make_publisher, sink, spool
    ):
        """
        Closing takes no longer for it, and the events stay.
        """
        publisher = make_publisher()
        sink.refuse(away)
        publisher.publish(make_event())

        publisher.close(timeout=5)

        assert 1 == len(spool.read(0, 10))
        assert 0 == spool.position("fallback")

    @pytest.mark.parametrize(
        "fallback", [object(), FaultySink(None), InMemorySink()]
    )
    def test_fallback_has_to_be_a_journal(self, sink, fallback):
        """
        Or nothing could be moved back.
        """
        with pytest.raises(ConfigError, match="only this process writes to"):
            AuditLogPublisher(sink, fallback=fallback)

    def test_sink_is_no_fallback_of_itself(self, spool):
        """
        It would be away with itself.
        """
        with pytest.raises(ConfigError, match="only this process writes to"):
            AuditLogPublisher(spool, fallback=spool)

    def test_some_time_is_needed(self, sink, spool):
        """
        Or every write would count as failed.
        """
        with pytest.raises(ConfigError, match="must be more than 0"):
            AuditLogPublisher(sink, fallback=spool, fallback_after=0)

    def test_sink_that_publishes_within_its_write(self, make_publisher):
        """
        Is refused, rather than waiting for itself.
        """
        publisher = make_publisher()
        heard = []

        class Vain:
            def write(self, _):
                try:
                    publisher.publish(make_event())
                except Exception as exc:
                    heard.append(str(exc))
                    raise

        publisher._fallback._sink = Vain()
        receipt = publisher.publish(make_event())

        assert "SpoolSink" == receipt.sink
        assert "from within its write" in heard[0]
