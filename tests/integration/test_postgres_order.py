"""
The order of the journal: nothing lost, no gap, whoever commits when.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time

import psycopg
import pytest

from auditlog.errors import JournalError, SinkTimeoutError
from auditlog.postgres import PostgresSink, order
from auditlog.postgres.connections import Connection
from auditlog.testing.clock import FakeClock
from tests.postgres_tools import (
    NaiveReader,
    execute,
    in_thread,
    make_record,
    make_records,
    opened,
    stored_ids,
    until,
)


@pytest.fixture
def sink(database_url):
    sink = PostgresSink(database_url)
    sink.size()
    yield sink
    sink.close()


INSERT = (
    "INSERT INTO audit.event "
    "(id, occurred_at, event_type, resource, outcome, body) "
    "VALUES (gen_random_uuid(), now(), 'A.B.C', 'a/b', 'success', '{}')"
)


def counting(asked):
    execute = Connection.execute

    def counted(self, *args, **kwargs):
        asked.append(args)
        return execute(self, *args, **kwargs)

    return counted


XMAX = "SELECT pg_snapshot_xmax(pg_current_snapshot())"


class JournalReader:
    def __init__(self, sink):
        self.sink, self.records = sink, []

    def poll(self):
        self.records += self.sink.read(len(self.records), 1000)

    @property
    def seen(self):
        return {record.event_id for record in self.records}

    def check_gapless(self):
        indexes = [record.index for record in self.records]
        assert indexes == [*range(1, len(indexes) + 1)]


def write_at_random(url, stop, seed):
    """
    Transactions of some rows, of random length; every fifth rolls back.
    """
    chance = random.Random(seed)
    with psycopg.connect(url) as connection:
        while not stop.is_set():
            for _ in range(chance.randint(1, 3)):
                connection.execute(INSERT)
                time.sleep(chance.random() * 0.01)
            if chance.random() < 0.2:
                connection.rollback()
            else:
                connection.commit()


def test_event_of_a_slow_transaction_is_not_passed_over(sink, database_url):
    """
    It drew its number first and commits last; a naive reader loses it.
    """
    naive, journal = NaiveReader(database_url), JournalReader(sink)
    with opened(database_url, INSERT) as slow:
        sink.write(make_records(3))
        naive.poll()
        journal.poll()
        slow.commit()
    naive.poll()
    journal.poll()

    every = stored_ids(database_url)
    assert len(every - naive.seen) == 1
    assert every == journal.seen
    journal.check_gapless()
    naive.connection.close()


def test_only_what_is_open_holds_back(sink, database_url):
    """
    What was numbered before the open one has its place already.
    """
    sink.write(make_records(2))
    assert len(sink.read(0, 10)) == 2
    with opened(database_url, INSERT):
        sink.write(make_records(2))
        assert len(sink.read(0, 10)) == 2

    assert len(sink.read(0, 10)) == 4


def test_writers_that_overlap_without_end_do_not_hold_back_for_ever(
    sink, database_url
):
    """
    At no moment is there no writer, yet each ends: what all of those began
    with is numbered.
    """
    sink.write(make_records(1))
    first = psycopg.connect(database_url)
    first.execute(INSERT)
    sizes = []
    for _ in range(5):
        second = psycopg.connect(database_url)
        second.execute(INSERT)
        sink.read(0, 1)
        first.commit()
        first.close()
        sink.read(0, 1)
        sizes.append(sink.size())
        first = second
    first.close()

    assert sizes == sorted(set(sizes))
    assert sizes[-1] >= 5


def test_strangers_hold_nothing_back(sink, database_url, postgres_url):
    """
    Neither do transactions without an audit event, in this database or
    another, nor those that only read ours.
    """
    execute(database_url, "CREATE TABLE stranger (x int)")
    with (
        opened(database_url, "INSERT INTO stranger VALUES (1)"),
        opened(database_url, "SELECT * FROM audit.event FOR UPDATE"),
        opened(postgres_url, "SELECT txid_current()"),
    ):
        sink.write(make_records(2))

        assert [r.index for r in sink.read(0, 10)] == [1, 2]


@pytest.mark.parametrize("when", ["before", "after"])
def test_two_phase_transaction_is_waited_for(sink, database_url, when):
    """
    Prepared before or after it was seen first; also without its session.
    """
    with psycopg.connect(database_url) as connection:
        connection.tpc_begin(f"audit-{database_url[-8:]}")
        connection.execute(INSERT)
        if when == "after":
            sink.read(0, 10)
        connection.tpc_prepare()
        sink.write(make_records(2))
        held = [*sink.read(0, 10), *sink.read(0, 10)]
        connection.tpc_commit()

    assert held == []
    assert [r.index for r in sink.read(0, 10)] == [1, 2, 3]


def test_nothing_is_lost_under_load(sink, database_url):
    """
    Eight writers with random lengths and rollbacks, two that read and number
    at the same time; the naive reader loses some.
    """
    other = PostgresSink(database_url)
    readers = [JournalReader(sink), JournalReader(other)]
    naive = NaiveReader(database_url)
    stop = threading.Event()
    joins = [
        in_thread(lambda s=seed: write_at_random(database_url, stop, s))
        for seed in range(8)
    ]
    ended = threading.Event()

    def poll():
        while not ended.is_set():
            readers[1].poll()

    joins.append(in_thread(poll))
    deadline = time.monotonic() + 60
    every = set()
    while time.monotonic() < deadline:
        for _ in range(20):
            readers[0].poll()
            naive.poll()
        every = stored_ids(database_url)
        # Long enough for the mistake to show.
        naive.poll()
        if len(every) > 400 and every - naive.seen:
            break
    stop.set()
    for join in joins[:-1]:
        join()
    sink.size(timeout=20)
    ended.set()
    joins[-1]()
    for _ in range(100):
        readers[0].poll()
        readers[1].poll()
        naive.poll()

    every = stored_ids(database_url)
    assert every - naive.seen
    for reader in readers:
        assert every == reader.seen
        reader.check_gapless()
    assert readers[0].records == readers[1].records
    naive.connection.close()
    other.close()


def test_two_that_number_do_not_wait_for_each_other(sink, database_url):
    """
    While one is at it, another reads what has a place.
    """
    sink.write(make_records(2))
    sink.read(0, 10)
    sink.write(make_records(2))
    with opened(database_url, "SELECT * FROM audit.tree FOR UPDATE"):
        assert [r.index for r in sink.read(0, 10)] == [1, 2]

    assert [r.index for r in sink.read(0, 10)] == [1, 2, 3, 4]


def test_large_backlog_is_numbered_in_parts(sink, monkeypatch):
    """
    No transaction grows with the backlog.
    """
    monkeypatch.setattr("auditlog.postgres.order._LIMIT", 10)
    sink.write(make_records(25))

    sizes = []
    for _ in range(4):
        sink.read(0, 1)
        sizes.append(sink.size())

    assert sizes == [10, 20, 25, 25]
    assert [r.index for r in sink.read(0, 100)] == [*range(1, 26)]


def test_size_waits_for_what_was_stored_before(sink, database_url):
    """
    An open transaction makes it raise, its end lets it return.
    """
    with opened(database_url, INSERT) as slow:
        sink.write(make_records(2))
        with pytest.raises(
            SinkTimeoutError,
            match="^the order of events is held back after 0.05 s by an open "
            r"transaction that wrote one; commit it or roll it back$",
        ):
            sink.size(timeout=0.05)
        join = in_thread(lambda: sink.size(timeout=20))
        slow.commit()

        assert join() == 3


def test_size_does_not_wait_for_what_comes_later(sink, database_url):
    """
    A transaction that writes after the call is not waited for.
    """
    with opened(database_url, INSERT) as slow:
        join = in_thread(lambda: sink.size(timeout=20))
        time.sleep(0.05)
        with opened(database_url, INSERT):
            slow.commit()

            assert join() == 1


def test_rollbacks_leave_no_gap(sink, database_url):
    """
    Their numbers are burnt, no index is.
    """
    for _ in range(3):
        with opened(database_url, INSERT):
            pass
        sink.write(make_records(1))

    assert [r.index for r in sink.read(0, 10)] == [1, 2, 3]
    with opened(database_url, INSERT):
        pass
    assert sink.size(timeout=1) == 3


def test_warning_tells_who_holds_back(sink, database_url, caplog):
    """
    Once, with the age, the backend and the same as structured values.
    """
    sink._order._warn_after = 0.1
    with opened(database_url, INSERT) as slow, caplog.at_level("WARNING"):
        pid = slow.info.backend_pid
        sink.write(make_records(1))
        sink.read(0, 1)
        time.sleep(0.12)
        assert sink.held_back == 0 or sink.held_back > 0.1
        sink.read(0, 1)
        sink.read(0, 1)
        assert sink.held_back > 0.1
    sink.read(0, 1)

    (record,) = caplog.records
    assert record.name == "auditlog.postgres"
    assert record.levelno == logging.WARNING
    assert re.match(
        "the order of audit events is held back by a transaction that wrote "
        rf"one and is open for \d+ s \(backend {pid}\); ",
        record.getMessage(),
    )
    assert record.auditlog_held_by == [f"backend {pid}"]
    assert record.auditlog_held_back > 0.1
    assert sink.held_back == 0


def test_order_that_another_process_went_on_with_is_not_held_back(
    sink, database_url
):
    """
    Whoever looks next sees that nothing is in the way any more.
    """
    other = PostgresSink(database_url)
    with opened(database_url, INSERT) as slow:
        sink.write(make_records(1))
        sink.read(0, 9)
        assert sink.held_back > 0
        slow.commit()
    assert 2 == len(other.read(0, 9))
    other.close()

    assert [] == sink.read(2, 9)
    assert 0 == sink.held_back


class TestAlarm:
    """
    A clock of ours, so that nobody waits for half a minute.
    """

    @pytest.fixture(autouse=True)
    def _clock(self, sink):
        self.clock = sink._order._clock = FakeClock()

    def look(self, sink, after=0.0):
        self.clock.advance(after)
        sink.read(0, 1)

    def test_comes_after_30_s_and_every_30_s(self, sink, database_url, caplog):
        """
        By default, and not more often, however often somebody looks.
        """
        with opened(database_url, INSERT):
            self.look(sink)
            counts = []
            for after in (29.9, 0.1, 1, 28.9, 0.1, 29, 1):
                self.look(sink, after)
                counts.append(len(caplog.records))

        assert [0, 1, 1, 1, 2, 2, 3] == counts

    def test_comes_at_once_if_the_transaction_is_old_already(
        self, sink, database_url, caplog, monkeypatch
    ):
        """
        Who begins to look late doesn't wait as long again: the age is that
        of the transaction, as the server knows it.
        """
        sink._order._warn_after = 0.3
        monkeypatch.setattr(order, "_ASK_AFTER", 0.01)
        with opened(database_url, INSERT) as slow:
            until(
                lambda: slow.execute(
                    "SELECT clock_timestamp() - xact_start > '0.3 s' "
                    "FROM pg_stat_activity WHERE pid = pg_backend_pid()"
                ).fetchone()[0]
            )
            self.look(sink)
            assert [] == caplog.records
            self.look(sink, 0.02)

        (record,) = caplog.records
        assert record.auditlog_held_back > 0.3

    def test_writers_that_are_quick_are_not_asked_for(
        self, sink, database_url, monkeypatch
    ):
        """
        A look costs as much as before while transactions last for less than
        a second, and then asks every 5 s who it is.
        """
        asked = []
        monkeypatch.setattr(
            order, "holders", lambda *args: asked.append(args) or []
        )
        counts = []
        with opened(database_url, INSERT):
            for after in (0, 0.9, 0.2, 1, 3.5, 0.6, 4):
                self.look(sink, after)
                counts.append(len(asked))

        assert [0, 0, 1, 1, 1, 2, 2] == counts

    def test_says_what_to_do(self, sink, database_url, caplog):
        """
        Which backend, of which application, and how to end it.
        """
        url = f"{database_url}?application_name=nightly"
        with opened(url, INSERT) as slow:
            self.look(sink)
            self.look(sink, 31)
            pid = slow.info.backend_pid

        (record,) = caplog.records
        text = record.getMessage()
        assert f"for 31 s (backend {pid} of 'nightly')" in text
        assert text.endswith(
            "; commit it or roll it back, or SELECT "
            f"pg_terminate_backend({pid})"
        )


def test_warning_tells_of_a_prepared_transaction(sink, database_url, caplog):
    """
    It has no backend, but a name to end it by.
    """
    sink._order._warn_after = 0.05
    name = f"audit-{database_url[-8:]}"
    with psycopg.connect(database_url) as connection:
        connection.tpc_begin(name)
        connection.execute(INSERT)
        connection.tpc_prepare()
        sink.read(0, 1)
        time.sleep(0.06)
        sink.read(0, 1)
        connection.tpc_rollback()

    (record,) = caplog.records
    assert [f"prepared transaction {name}"] == record.auditlog_held_by
    assert record.getMessage().endswith(f": ROLLBACK PREPARED '{name}'")


def test_sequence_restored_without_its_table_is_refused(sink, database_url):
    """
    Numbers would be given again that were passed already.
    """
    sink.write(make_records(5))
    sink.read(0, 1)
    execute(database_url, "SELECT setval('audit.event_seq', 2)")

    with pytest.raises(
        JournalError, match=r"event_seq stands at 2, but events up to 5 "
    ) as caught:
        sink.read(0, 1)

    execute(database_url, str(caught.value).rpartition("; ")[2])
    sink.write(make_records(1))
    assert len(sink.read(0, 10)) == 6


def test_table_restored_with_its_sequence_goes_on(sink, database_url):
    """
    A dump restored elsewhere continues where it was, without its order too.
    """
    sink.write(make_records(5))
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT setval('audit.event_seq', 1000)")
        connection.commit()

    sink.write([last := make_record()])

    assert [r.index for r in sink.read(0, 10)] == [*range(1, 7)]
    assert sink.read(5, 1)[0].event_id == last.event_id


def test_marks_of_another_server_are_forgotten(sink, database_url):
    """
    After a fail-over behind a pooler, what was known is not true any more.
    """
    with opened(database_url, INSERT):
        sink.write(make_records(1))
        sink.read(0, 1)
        (connection,) = sink._connections._idle
        (mark,) = connection.marks
        mark.server = mark.server.replace(year=2000)
        mark.drawn = 10**6
        mark.writers = set()

        assert sink.read(0, 1) == []
        assert [m.drawn for m in connection.marks] == [2]


def test_idle_poll_is_one_statement_that_writes_nothing(
    sink, database_url, monkeypatch
):
    """
    Not even a transaction id, for hours.
    """
    sink.write(make_records(1))
    after = sink.read(0, 1)[0].index
    before = execute(database_url, XMAX)
    asked = []
    monkeypatch.setattr(Connection, "execute", counting(asked))

    for _ in range(20):
        sink.read(after, 100)
    monkeypatch.undo()

    assert len(asked) == 20
    assert before == execute(database_url, XMAX)


def test_poll_sees_new_events_at_once(sink):
    """
    Without writers in between, what was stored is read by the next call.
    """
    for size in range(1, 6):
        sink.write(make_records(1))

        assert len(sink.read(0, 10)) == size
    until(lambda: sink.held_back == 0)
