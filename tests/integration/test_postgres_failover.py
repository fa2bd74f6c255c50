"""
A primary that dies, and a standby that takes its place.
"""

from __future__ import annotations

import psycopg
import pytest

from auditlog import (
    AuditLogPublisher,
    InMemorySink,
    PostgresReader,
    PostgresSink,
)
from auditlog.errors import ReadError
from auditlog.postgres import init_schema
from auditlog.postgres import statements as sql
from auditlog.testing.reader_contract import followed
from auditlog.testing.services import PostgresServer, TCPProxy
from tests.fix_services import running
from tests.kafka_tools import make_event
from tests.postgres_tools import execute, make_records, until
from tests.seen_failing import check


REPLICATED = {"wal_level": "replica", "max_wal_senders": "4"}


class Standby(PostgresServer):
    """
    A copy of another server, which follows it.
    """

    def __init__(self, address):
        super().__init__(config=REPLICATED)
        self._source = f"postgresql://postgres@{address}"

    def _prepare(self, supervisor):
        self._make_reachable(supervisor)
        code = supervisor.run(
            [
                *(self._program("pg_basebackup"), "--pgdata=data"),
                *(f"--dbname={self._source}", "--write-recovery-conf"),
                *("--checkpoint=fast", "--no-sync"),
            ]
        )
        assert code == 0


@pytest.fixture
def primary():
    with running(lambda: PostgresServer(config=REPLICATED)) as server:
        yield server


@pytest.fixture
def between(primary):
    """
    What the standby reaches the primary through.
    """
    with TCPProxy("127.0.0.1", primary.port) as proxy:
        yield proxy


@pytest.fixture
def standby(primary, between):
    """
    Follows the primary, which waits for it before it confirms a commit.
    """
    with running(lambda: Standby(between.address)) as server:
        execute(
            primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'"
        )
        execute(primary.url, "SELECT pg_reload_conf()")
        state = "SELECT sync_state FROM pg_stat_replication"
        until(lambda: execute(primary.url, state) == [("sync",)], 30)
        yield server


def either(primary, standby, name):
    """
    The URL of the database on whichever of both can be written to.
    """
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    rest = "target_session_attrs=read-write&connect_timeout=2"
    return f"postgresql://postgres@{hosts}/{name}?{rest}"


def is_waiting(url):
    # For events, that is: relays commit too.
    waits = (
        "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        " AND query LIKE 'INSERT INTO %event%'"
    )
    return bool(execute(url, waits))


def test_failover_loses_nothing_acknowledged(primary, between, standby):
    """
    What the standby did not have yet was not acknowledged; all of it is on
    the new primary, once and in one order, and relays go on.
    """
    init_schema(primary.create_database("app"))
    target = InMemorySink()
    publisher = AuditLogPublisher(
        PostgresSink(either(primary, standby, "app"), lease_ttl=2),
        relays={"target": target},
    )
    with publisher:
        before = [publisher.publish(make_event(n)) for n in range(20)]
        between.black_hole()
        late = [publisher.enqueue(make_event(n)) for n in range(20)]
        until(lambda: late[0].done() or is_waiting(primary.url))
        primary.kill()
        between.cut()
        execute(standby.url, "SELECT pg_promote()")
        after = [publisher.publish(make_event(0), timeout=30)]
        publisher.wait_delivered(30)
        found = publisher.sink.read(0, 99)

    ids = [each.event_id for each in (*before, *late, *after)]
    assert ids == [record.event_id for record in found]
    assert [*range(1, 42)] == [record.index for record in found]
    assert ids == list(dict.fromkeys(r.event_id for r in target.records))


def waits_for_its_own_disk_only(patch):
    """
    A commit is acknowledged whether or not the standby has it.
    """
    less = sql._DURABLY.replace("'off', 'on'", "'on', 'local'")
    assert less != sql._DURABLY
    patch.setattr(sql, "_DURABLY", less)
    sql.statements.cache_clear()


@pytest.fixture
def own_statements():
    """
    Statements that are made anew before and after.
    """
    sql.statements.cache_clear()
    yield
    sql.statements.cache_clear()


def test_variant_is_noticed(request, own_statements):
    """
    What only the old primary had is lost.
    """
    check(
        request,
        test_failover_loses_nothing_acknowledged,
        waits_for_its_own_disk_only,
        {},
    )


def count(url, table):
    """
    The rows that a standby has; none before it has the table.
    """
    try:
        ((found,),) = execute(url, f"SELECT count(*) FROM audit.{table}")
    except psycopg.Error:
        return 0
    return found


def test_standby_is_followed_by_index(primary, standby):
    """
    It doesn't know who is at it on the primary, so that an event comes as
    soon as it has an index, and not before.
    """
    url = primary.create_database("followed")
    there = url.replace(f":{primary.port}/", f":{standby.port}/")
    sink = PostgresSink(url)
    sink.write(first := make_records(2))
    until(lambda: count(there, "event") == 2, 30)
    reader = PostgresReader(there)
    with pytest.raises(ReadError, match=r"is a standby.*; run a relay, or"):
        reader.follow()

    sink.size(timeout=5)
    sink.write(make_records(1))
    until(lambda: count(there, "entry") == 2, 30)
    until(lambda: count(there, "event") == 3, 30)
    horizon = reader._horizon()
    sink.size(timeout=5)
    with followed(reader, limit=3) as events:
        found = list(events)
    sink.close()

    assert 2 == horizon
    assert [1, 2, 3] == [record.index for record in found]
    assert {r.event_id for r in first} == {r.event_id for r in found[:2]}
