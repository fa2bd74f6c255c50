"""
Writing into PostgreSQL: once, durably, and each event for itself.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time

from uuid import uuid4

import psycopg
import pytest

from auditlog.abc import Record
from auditlog.config import DatabaseConfig
from auditlog.errors import (
    DuplicateEventError,
    EventRefusedError,
    PartialWriteError,
    SinkUnavailableError,
)
from auditlog.postgres import PostgresSink
from auditlog.postgres.batch import _columns, _parts
from auditlog.testing.contracts import make_conflict
from tests.postgres_tools import (
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
    "VALUES (%s, now(), 'A.B.C', 'a/b', 'success', %s)"
)


def test_row_holds_the_body_its_leaf_and_readable_columns(sink, database_url):
    """
    The table can be read without this library.
    """
    record = make_record(tenant="north")

    sink.write([record])

    ((columns, body, leaf),) = execute(
        database_url,
        "SELECT (event_type, actor, resource, outcome, tenant)::text, body, "
        "leaf = sha256('\\x00'::bytea || body) FROM audit.event",
    )
    assert columns == "(Contract.Thing.Create,,thing/1,success,north)"
    assert body == record.body
    assert leaf


def test_same_id_twice_in_one_batch(sink, database_url):
    """
    With the same body it is one row and no error; of two bodies the first
    stays, and the id is refused.
    """
    first, second, other = make_record(), make_record(), make_record()

    sink.write([first, first])
    with pytest.raises(PartialWriteError) as caught:
        sink.write([second, make_conflict(second), other])

    failed = caught.value.failed
    assert [second.event_id] == list(failed)
    assert isinstance(failed[second.event_id], DuplicateEventError)
    assert caught.value.stored == (other.event_id,)
    rows = execute(database_url, "SELECT body FROM audit.event ORDER BY seq")
    assert [(r.body,) for r in (first, second, other)] == rows


def test_first_of_many_with_the_same_id_stays(sink):
    """
    However many come in one batch.
    """
    firsts = [make_record(event_id=uuid4()) for _ in range(40)]
    others = [make_conflict(each) for each in firsts for _ in range(3)]
    random.Random(7).shuffle(others)

    with pytest.raises(PartialWriteError) as caught:
        sink.write([*firsts, *others])

    assert len(caught.value.failed) == 40
    assert [r.body for r in firsts] == [r.body for r in sink.read(0, 200)]


def test_batch_keeps_its_order_whatever_the_ids(sink):
    """
    Ids of others don't grow with time; the order is that of the batch.
    """
    records = [make_record(event_id=uuid4()) for _ in range(50)]

    sink.write(records)

    ids = [record.event_id for record in records]
    assert ids != sorted(ids)
    assert ids == [record.event_id for record in sink.read(0, 100)]


def test_order_of_a_batch_of_many_parts(sink):
    """
    Whether ids grow from one part to the next or not.
    """
    records = make_records(600)
    records[5], records[6] = records[6], records[5]
    records[120], records[140] = records[140], records[120]

    sink.write(records)
    sink.write(others := [make_record(event_id=uuid4()) for _ in range(400)])

    expected = [record.event_id for record in (*records, *others)]
    assert expected == [record.event_id for record in sink.read(0, 2000)]


def test_same_id_in_two_parts(sink):
    """
    The first stays, and the other is told.
    """
    records = make_records(300)
    last = records[15]
    records.insert(16, make_conflict(last))
    assert len([*_parts(records, "1s")]) == 6

    with pytest.raises(PartialWriteError) as caught:
        sink.write(records)

    assert [last.event_id] == list(caught.value.failed)
    assert [r.body for r in records if r is not records[16]] == [
        r.body for r in sink.read(0, 400)
    ]


@pytest.mark.parametrize("place", [0, 200, 299])
def test_conflict_in_any_part_names_that_event_only(sink, place):
    """
    All others are stored, and what was there already is no failure.
    """
    records = make_records(300)
    sink.write([make_conflict(records[place]), *records[130:140]])

    with pytest.raises(PartialWriteError) as caught:
        sink.write(records)

    assert [records[place].event_id] == list(caught.value.failed)
    assert len(caught.value.stored) == 299
    assert len(sink.read(0, 400)) == 300


def test_statement_that_the_server_was_told_to_forget(sink, database_url):
    """
    As psycopg does after a rollback: it is prepared again.
    """
    sink.write(make_records(1))
    with sink._lend("look") as connection:
        for _ in range(7):  # from then on psycopg has one of its own
            connection.ask("SELECT %(number)s::int", number=1)
        with pytest.raises(psycopg.Error):
            connection.execute("BEGIN; SELECT 1 / 0")

    sink.write(make_records(1))
    sink.write(make_records(2))

    assert len(stored_ids(database_url)) == 4


def test_part_that_is_refused_takes_the_others_with_it(sink, database_url):
    """
    They are one transaction: at no moment only some of them are seen.
    """
    records = make_records(300)
    execute(
        database_url,
        "ALTER TABLE audit.event ADD CONSTRAINT no_secret CHECK "
        "(tenant <> 'canary')",
    )
    records.append(make_record(tenant="canary"))

    with sink._lend("look") as connection, pytest.raises(psycopg.Error):
        connection.pour(
            sink._sql["begin_many"],
            sink._sql["insert_many"],
            _parts(records, "1s"),
        )

    assert connection.closed
    assert stored_ids(database_url) == set()


def test_part_that_cannot_be_made_takes_the_others_with_it(sink, database_url):
    """
    What the server has by then is rolled back.
    """

    def values():
        yield from _parts(make_records(128), "1s")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), sink._lend("look") as connection:
        connection.pour(
            sink._sql["begin_many"], sink._sql["insert_many"], values()
        )

    assert stored_ids(database_url) == set()


def test_backend_that_ends_between_two_parts(
    sink, database_url, monkeypatch, caplog
):
    """
    Nothing is stored; writing again stores all of it once.
    """
    records = make_records(300)
    made = []

    def kill(part):
        if len(made) == 1:
            until(lambda: writers(database_url))
            execute(database_url, f"SELECT {KILL} FROM {OTHERS}")
        made.append(part)
        return _columns(part)

    monkeypatch.setattr("auditlog.postgres.batch._columns", kill)
    with pytest.raises(SinkUnavailableError):
        sink.write(records)
    monkeypatch.undo()

    assert len(made) > 1
    assert [] == caplog.records
    assert stored_ids(database_url) == set()
    sink.write(records)
    assert len(stored_ids(database_url)) == 300


KILL = "pg_terminate_backend(pid)"
OTHERS = (
    "pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid()"
)


def writers(url):
    """
    Who has written an event and is still open.
    """
    return execute(
        url,
        "SELECT 1 FROM pg_locks WHERE mode = 'RowExclusiveLock' AND granted "
        "AND relation = 'audit.event'::regclass",
    )


def test_client_that_vanished_between_two_parts_is_noticed(sink, database_url):
    """
    For the length of the transaction the server looks for it.
    """
    execute(
        database_url,
        "ALTER TABLE audit.event ADD CONSTRAINT watched CHECK ("
        "(current_setting('tcp_keepalives_idle'), "
        "current_setting('tcp_keepalives_interval'), "
        "current_setting('tcp_keepalives_count')) = ('30', '10', '3'))",
    )

    sink.write(make_records(300))

    assert len(stored_ids(database_url)) == 300
    with sink._lend("look") as connection:
        assert connection.ask("SHOW tcp_keepalives_idle") != [("30",)]


def test_failure_of_a_part_is_not_hidden_nor_logged(
    sink, database_url, monkeypatch, caplog
):
    """
    Neither by what the server skipped for it, nor by psycopg's complaints.
    """
    execute(
        database_url,
        "ALTER TABLE audit.event ADD CONSTRAINT no_secret CHECK "
        "(tenant <> 'canary')",
    )
    bad = make_record(tenant="canary")
    records = [bad, *make_records(300)]
    assert len([*_parts(records, "1s")]) == 6

    def slowly(part):
        time.sleep(0.05)  # the server fails before the last part is sent
        return _columns(part)

    monkeypatch.setattr("auditlog.postgres.batch._columns", slowly)
    with pytest.raises(PartialWriteError) as caught:
        sink.write(records)

    assert "no_secret" in str(caught.value.failed[bad.event_id])
    assert len(stored_ids(database_url)) == 300
    assert [] == caplog.records


def test_fault_in_making_a_part_hides_what_the_server_said(
    sink, database_url, monkeypatch, caplog
):
    """
    Which quotes the event that it refused before.
    """
    execute(
        database_url,
        "ALTER TABLE audit.event ADD CONSTRAINT no_secret CHECK "
        "(tenant <> 'canary')",
    )
    records = [make_record(tenant="canary"), *make_records(300)]

    def fail(part):
        if part[0] is records[0]:
            return _columns(part)
        time.sleep(0.1)  # the server's answer is there by then
        raise ZeroDivisionError

    monkeypatch.setattr("auditlog.postgres.batch._columns", fail)
    with pytest.raises(ZeroDivisionError):
        sink.write(records)
    monkeypatch.undo()

    assert [] == caplog.records
    assert stored_ids(database_url) == set()
    sink.write(records[1:])


@pytest.mark.parametrize("place", [0, 5, 7])
def test_search_that_takes_too_long_claims_nothing(
    sink, database_url, monkeypatch, place
):
    """
    What it did not come to is neither stored nor refused; it goes on with
    the next write, and comes to an end.
    """
    execute(
        database_url,
        "ALTER TABLE audit.event ADD CONSTRAINT no_secret CHECK "
        "(tenant <> 'canary')",
    )
    monkeypatch.setattr("auditlog.postgres.batch._SEARCH", 0.0)
    left = make_records(7)
    bad = make_record(tenant="canary")
    left.insert(place, bad)
    good = {record.event_id for record in left} - {bad.event_id}

    failed = {}
    for _ in range(8):
        with pytest.raises(PartialWriteError) as caught:
            sink.write(left)
        assert set(caught.value.stored) <= stored_ids(database_url)
        failed |= caught.value.failed
        done = {*caught.value.stored, *failed}
        left = [each for each in left if each.event_id not in done]
        if bad.event_id in failed:
            break

    if left:
        sink.write(left)
    assert [bad.event_id] == list(failed)
    assert good == stored_ids(database_url)


def waiting_for_others(url):
    """
    The number of backends that wait for another transaction's row.
    """
    return len(
        execute(
            url,
            "SELECT 1 FROM pg_stat_activity WHERE datname = "
            "current_database() AND wait_event = 'transactionid'",
        )
    )


@pytest.mark.parametrize("count", [9, 400])
def test_opposite_orders_are_both_stored(sink, database_url, count):
    """
    Two write the same events in opposite orders, and both meet a third in
    the middle: going on, one gives way to the other where it has to.
    """
    backwards = PostgresSink(database_url)
    backwards.size()
    records = make_records(count)
    middle = records[count // 2]
    with opened(database_url, INSERT, middle.event_id, b"{}") as third:
        joins = [
            in_thread(lambda: sink.write(records)),
            in_thread(lambda: backwards.write(records[::-1])),
        ]
        until(lambda: waiting_for_others(database_url) == 2)
        third.rollback()
        for join in joins:
            join()

    assert len(stored_ids(database_url)) == count
    backwards.close()


def test_conflict_in_a_race_is_told(sink, database_url):
    """
    The other event of the id was in an open transaction when this began.
    """
    record = make_record()
    with opened(database_url, INSERT, record.event_id, b"{}") as other:
        join = in_thread(lambda: sink.write([record]))
        until(lambda: waiting_for_others(database_url))
        other.commit()
        with pytest.raises(PartialWriteError) as caught:
            join()

    assert [record.event_id] == list(caught.value.failed)


@pytest.mark.parametrize("place", [0, 150, 299])
def test_event_held_by_an_open_transaction_delays_no_other(
    sink, database_url, place
):
    """
    It is neither stored nor failed; all others are stored.
    """
    records = make_records(300)
    held = records[place]
    with opened(database_url, INSERT, held.event_id, held.body) as other:
        with pytest.raises(PartialWriteError) as caught:
            sink.write(records)

        others = {r.event_id for r in records if r is not held}
        assert others == set(caught.value.stored)
        assert caught.value.failed == {}
        with pytest.raises(SinkUnavailableError, match="55P03"):
            sink.write([held])
        other.commit()

    sink.write(records)
    assert len(stored_ids(database_url)) == 300


def test_search_for_what_holds_a_batch_up_ends(
    sink, database_url, monkeypatch
):
    """
    When its time is up, the rest is not decided on.
    """
    monkeypatch.setattr("auditlog.postgres.batch._SEARCH", 0.0)
    records = make_records(10)
    with (
        opened(database_url, INSERT, records[3].event_id, b"{}"),
        pytest.raises(SinkUnavailableError, match="55P03"),
    ):
        sink.write(records)

    assert stored_ids(database_url) == set()


def test_locked_table_is_told_in_bounded_time(sink, database_url):
    """
    Nothing is stored, and the search for a culprit ends.
    """
    with (
        opened(database_url, "LOCK TABLE audit.event"),
        pytest.raises(SinkUnavailableError),
    ):
        PostgresSink(database_url, timeout=1.0).write(make_records(100))


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("tenant <> 'canary'", "SQLSTATE 23514, constraint 'no_secret'"),
        ("tenant::date < 'infinity'", "SQLSTATE 22007"),
    ],
)
def test_event_that_a_constraint_refuses_is_refused_alone(
    sink, database_url, check, said
):
    """
    The message names SQLSTATE and constraint, and no value of the event.
    """
    execute(
        database_url,
        f"ALTER TABLE audit.event ADD CONSTRAINT no_secret CHECK ({check})",
    )
    records = make_records(30)
    records.insert(17, bad := make_record(tenant="canary"))

    with pytest.raises(PartialWriteError) as caught:
        sink.write(records)

    (failed,) = caught.value.failed.items()
    assert failed[0] == bad.event_id
    assert isinstance(failed[1], EventRefusedError)
    assert said in str(failed[1])
    assert "canary" not in str(failed[1])
    assert len(stored_ids(database_url)) == 30


def test_body_that_is_no_event_is_refused_alone(sink, database_url):
    """
    Whatever its bytes.
    """
    good = make_record()
    bad = [
        Record(event_id=uuid4(), body=body)
        for body in (
            *(b"", b"{}", b"\xff", b'{"a":"\\u0000"}', b"[" * 100_000),
            re.sub(rb'("time":")....', rb"\g<1>0000", good.body),
            re.sub(rb'("time":"....)-..-..', rb"\1-02-30", good.body),
        )
    ]

    with pytest.raises(PartialWriteError) as caught:
        sink.write([*bad, good])

    assert {r.event_id for r in bad} == set(caught.value.failed)
    assert {good.event_id} == stored_ids(database_url)


@pytest.mark.parametrize("count", [1, 20, 300])
def test_unknown_commit_outcome(
    proxied_database_url, database_proxy, database_url, count
):
    """
    The connection is cut after the server had the statement and before the
    client had the answer; a retry stores once.
    """
    sink = PostgresSink(proxied_database_url)
    sink.write(make_records(1))
    records = make_records(count)
    database_proxy.watch(
        records[0].body[:60], lambda: database_proxy.stall("down")
    )
    join = in_thread(lambda: sink.write(records))
    until(lambda: len(stored_ids(database_url)) == count + 1)

    database_proxy.cut()
    with pytest.raises(SinkUnavailableError):
        join()
    database_proxy.restore()
    sink.write(records)

    assert len(stored_ids(database_url)) == count + 1
    sink.close()


@pytest.mark.parametrize("count", [1, 300, 30_000])
def test_server_that_does_not_answer_is_given_up(
    proxied_database_url, database_proxy, count
):
    """
    A black hole neither answers nor ends the connection.
    """
    sink = PostgresSink(
        DatabaseConfig(url=proxied_database_url, connection_timeout=2),
        timeout=0.3,
    )
    sink.write(make_records(1))
    records = make_records(count)
    database_proxy.black_hole()

    with pytest.raises(SinkUnavailableError, match=r"no answer within 0\.3 s"):
        sink.write(records)
    with pytest.raises(SinkUnavailableError, match="timeout"):
        sink.write(make_records(1))

    database_proxy.restore()
    sink.write(make_records(1))
    sink.close()


def test_connection_that_the_server_ended_is_not_used_again(
    sink, database_url
):
    """
    After a restart of the server the next write just works.
    """
    sink.write(make_records(1))
    execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
        "datname = current_database() AND pid <> pg_backend_pid()",
    )
    until(lambda: not sink._connections._idle[0].is_fit())

    sink.write(make_records(1))

    assert len(stored_ids(database_url)) == 2


@pytest.mark.parametrize("count", [1, 20, 150])
def test_write_is_durable_where_the_default_is_not(sink, database_url, count):
    """
    synchronous_commit = off, set for the database, is overruled.
    """
    (name,) = execute(database_url, "SELECT current_database()")[0]
    execute(
        database_url, f"ALTER DATABASE {name} SET synchronous_commit = off"
    )
    careless = PostgresSink(database_url)
    careless.size()

    with psycopg.connect(database_url, autocommit=True) as watcher:
        lost = 0
        for _ in range(20):
            careless.write(make_records(count))
            ((behind,),) = watcher.execute(
                "SELECT pg_current_wal_insert_lsn() "
                "> pg_current_wal_flush_lsn()"
            ).fetchall()
            lost += behind

    # The server writes a little of its own from time to time.
    assert lost <= 2
    careless.close()


def test_settings_end_with_the_statement(sink):
    """
    Nothing leaks into the next user of a pooler's connection.
    """
    sink.write(make_records(1))

    with sink._lend("look") as connection:
        for name in ("lock_timeout", "statement_timeout"):
            assert connection.ask(f"SHOW {name}") == [("0",)]


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_any_default_isolation(sink, database_url, level):
    """
    Writers and the order work whatever the database's default is.
    """
    (name,) = execute(database_url, "SELECT current_database()")[0]
    execute(
        database_url,
        f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'",
    )
    strict = PostgresSink(database_url)
    record = make_record()
    strict.write([record])

    with pytest.raises(PartialWriteError) as caught:
        strict.write([make_conflict(record), *make_records(3)])

    assert [record.event_id] == list(caught.value.failed)
    assert len(strict.read(0, 10)) == 4
    strict.close()


def test_without_prepared_statements(database_url):
    """
    ``prepare=False`` leaves nothing on the server.
    """
    sink = PostgresSink(DatabaseConfig(url=database_url, prepare=False))
    for count in (2, 300) * 6:
        sink.write(make_records(count))
        sink.read(0, 1)

    with sink._lend("look") as connection:
        found = connection.ask("SELECT name FROM pg_prepared_statements")

    assert found == []
    sink.close()


def test_connections_tell_their_name_unless_the_url_does(database_url):
    """
    A DBA sees whose they are.
    """

    def name(url):
        sink = PostgresSink(url)
        with sink._lend("look") as connection:
            ((found,),) = connection.ask("SHOW application_name")
        sink.close()
        return found

    assert name(database_url) == "auditlog"
    assert name(f"{database_url}?application_name=orders") == "orders"


def test_forked_child_has_connections_of_its_own(sink, database_url):
    """
    It stores, and leaves the parent's connection alone, even when it ends.
    """
    sink.write(make_records(1))
    record = make_record()
    if (child := os.fork()) == 0:
        try:
            sink.write([record])
            sink.close()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    idle = sink._connections._idle[0]

    sink.write(make_records(1))

    assert record.event_id in stored_ids(database_url)
    assert sink._connections._idle[0] is idle


def test_threads_share_a_sink(sink, database_url):
    """
    Each has a connection, few are kept; all of theirs is stored.
    """

    def write_some():
        for _ in range(20):
            sink.write(make_records(random.randint(1, 5)))

    threads = [threading.Thread(target=write_some) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 <= len(sink._connections._idle) <= 4
    assert len(stored_ids(database_url)) == sink.size(timeout=5)


def test_closed_sink_keeps_no_connection(sink):
    """
    It may still be asked, as by a relay that ends late.
    """
    sink.write(make_records(1))

    sink.close()
    sink.write(make_records(1))

    assert not sink._connections._idle
