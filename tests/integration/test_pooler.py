"""
Behind a pooler that lends connections for a transaction each.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile

from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from auditlog import AuditLogPublisher, PostgresSink
from auditlog.config import DatabaseConfig
from auditlog.errors import SinkSetupError
from auditlog.testing.services import free_port
from tests.hammer.arena import Arena
from tests.hammer.bench import holder
from tests.hammer.notes import Noted
from tests.hammer.oracle import violations
from tests.hammer.relaying import NAME
from tests.hammer.variants import AdvisoryJournal
from tests.kafka_tools import make_event
from tests.pooler import Pooler
from tests.postgres_tools import (
    in_thread,
    make_records,
    stored_ids,
    until,
)


# Fewer than clients, so that they have to share.
SIZE = 2
# Debian's is not on every PATH.
PGBOUNCER = shutil.which("pgbouncer") or shutil.which(
    "pgbouncer", path="/usr/sbin"
)
INI = """
[databases]
* = host={host} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
"""


@contextlib.contextmanager
def pgbouncer(host, port):
    """
    The real one, where there is one; the port that it listens on.
    """
    own_port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        ini = Path(folder, "pgbouncer.ini")
        ini.write_text(
            INI.format(host=host, port=port, own_port=own_port, size=SIZE)
        )
        Path(folder).chmod(0o755)
        # It refuses to run as root.
        user = "nobody" if os.geteuid() == 0 else None
        process = subprocess.Popen(
            [PGBOUNCER, "--quiet", ini],
            user=user,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: answers(own_port))
            yield own_port
        finally:
            process.kill()
            process.wait(20)


def answers(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


@contextlib.contextmanager
def ours(host, port):
    with Pooler(host, port, size=SIZE) as pooler:
        yield pooler.port


without = pytest.mark.skipif(PGBOUNCER is None, reason="there is no pgbouncer")


@pytest.fixture(
    params=[ours, pytest.param(pgbouncer, marks=without)],
    ids=lambda make: make.__name__,
)
def route(request, postgres_url):
    """
    A function that makes a database's URL lead through a pooler.
    """
    address = urlsplit(postgres_url)
    with request.param(address.hostname, address.port) as port:

        def through(url):
            user, at, _ = urlsplit(url).netloc.rpartition("@")
            netloc = f"{user}{at}127.0.0.1:{port}"
            return urlsplit(url)._replace(netloc=netloc).geturl()

        yield through


@pytest.fixture
def pooled(route, database_url):
    """
    The test's database, through the pooler.
    """
    return route(database_url)


def config(url):
    return DatabaseConfig(url=url, prepare=False)


def connect(url, **options):
    return psycopg.connect(url, prepare_threshold=None, **options)


def backend(connection):
    return connection.execute("SELECT pg_backend_pid()").fetchone()[0]


# The poolers themselves


def test_connection_is_kept_for_a_transaction(pooled):
    """
    Two that are open at a time have one each.
    """
    with connect(pooled) as one, connect(pooled) as other:
        first, second = backend(one), backend(other)

        assert first != second
        assert (first, second) == (backend(one), backend(other))


def test_connection_goes_to_the_next_one(pooled):
    """
    With it goes what its session has, such as a lock.
    """
    with (
        connect(pooled, autocommit=True) as one,
        connect(pooled, autocommit=True) as other,
    ):
        for each in (one, other):
            found = each.execute("SELECT pg_try_advisory_lock(1)")
            assert found.fetchone() == (True,)

        assert backend(one) == backend(other)


def test_more_clients_than_connections_wait(pooled):
    """
    Nobody is refused, and who vanishes in a transaction leaves it undone.
    """
    with connect(pooled) as one, connect(pooled) as other:
        one.execute("CREATE TABLE half (x int)")
        backend(other)
        join = in_thread(lambda: connect(pooled).close())
        one.close()
        join()
        other.rollback()

        found = other.execute("SELECT to_regclass('half')").fetchone()
        assert found == (None,)


def test_options_at_the_start_are_refused(pooled):
    """
    Most settings can't be given by a client of a pooler.
    """
    with pytest.raises(psycopg.OperationalError, match="startup parameter"):
        connect(pooled, options="-c statement_timeout=1000")


# What is built on them


def test_publisher_writes(pooled, database_url):
    """
    One by one, by the hundred, and in a transaction of the application.
    """
    with (
        AuditLogPublisher(PostgresSink(config(pooled))) as publisher,
        AuditLogPublisher(PostgresSink(config(pooled))) as second,
    ):
        events = [make_event(n) for n in range(600)]
        publisher.publish(events[0])
        for event in events[1:598]:
            (publisher if event.event_id.int % 2 else second).enqueue(event)
        publisher.flush()
        second.flush()
        with connect(pooled) as connection:
            publisher.publish_in(connection, events[598])
            connection.rollback()
            publisher.publish_in(connection, events[599])

    expected = {event.event_id for event in events} - {events[598].event_id}
    assert expected == stored_ids(database_url)


def test_prepared_statements_are_what_must_be_off(pooled):
    """
    They stay with a connection, and are not known to the next.
    """
    sink = PostgresSink(DatabaseConfig(url=pooled, prepare=True))

    def ask_by_turns():
        for _ in range(20):
            sink.position("topic")
            with connect(pooled) as connection:
                backend(connection)
                sink.position("topic")

    with pytest.raises(SinkSetupError, match=r"set database\.prepare to f"):
        ask_by_turns()
    sink.close()


def test_journal_is_read_in_order(pooled):
    """
    Also where a transaction through the pooler holds it back.
    """
    sink = PostgresSink(config(pooled))
    sink.write(make_records(2))
    assert len(sink.read(0, 10)) == 2
    with AuditLogPublisher(PostgresSink(config(pooled))) as publisher:
        with connect(pooled) as connection:
            publisher.publish_in(connection, make_event())
            sink.write(make_records(2))
            held = len(sink.read(0, 10))

        assert held == 2
        assert [r.index for r in sink.read(0, 10)] == [1, 2, 3, 4, 5]
    sink.close()


@pytest.mark.parametrize(
    ("kind", "holders"),
    [(PostgresSink, 1), (AdvisoryJournal, 2)],
    ids=["ours", "variant"],
)
def test_one_holder_at_a_time(pooled, kind, holders):
    """
    An advisory lock belongs to a session, and that to whoever borrows it.
    """
    journals = [kind(config(pooled)) for _ in range(2)]

    leases = [each.lease(NAME) for each in journals]

    assert holders == sum(lease is not None for lease in leases)
    for each in journals:
        each.close()


def test_frozen_holder(postgres_url, bootstrap_servers, route, tmp_path):
    """
    Two relays compete, whoever holds is frozen, again and again: the position
    never goes back, and nothing is skipped.
    """
    noted = Noted()
    arena = Arena(
        postgres_url, bootstrap_servers, tmp_path, route=route, pooled=True
    )
    with contextlib.closing(arena):
        relays = [arena.relay("relay"), arena.relay("publisher")]
        for count in range(1, 4):
            frozen = arena.holding(relays)
            frozen.freeze()
            arena.write(make_records(50), noted)
            until(lambda n=count: arena.position() == 50 * n, 60)
            assert holder(arena.url) != frozen.pid
            frozen.thaw()

        seen = arena.look()
        assert violations(noted, seen) == []
        assert len(seen.stored) == 150
