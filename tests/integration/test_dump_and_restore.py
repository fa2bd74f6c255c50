"""
A journal that is dumped and restored somewhere else.
"""

from __future__ import annotations

import logging
import subprocess

from contextlib import closing
from uuid import uuid4

import psycopg
import pytest

from auditlog import KafkaSink, PostgresSink, Relay
from auditlog.abc import DeadLetter
from auditlog.errors import JournalError, SinkSetupError
from auditlog.postgres import inspect_database
from auditlog.testing.services import PostgresServer
from tests.fix_services import running
from tests.integration.test_postgres_variants import believes_the_sequence
from tests.kafka_tools import cluster_at, consume
from tests.postgres_tools import execute, make_records, until
from tests.seen_failing import against, check
from tests.unit.test_publisher_variants import delivers_a_restored_journal


@pytest.fixture(scope="module")
def new_server():
    """
    Another cluster, which knows nothing of the transactions of the first.
    """
    with running(PostgresServer) as server:
        yield server


@pytest.fixture
def own(postgres_server):
    """
    A database of a server whose `pg_dump` is at hand.
    """
    return postgres_server.create_database(f"dumped_{uuid4().hex}")


@pytest.fixture
def dump(postgres_server):
    """
    A function that dumps a database as SQL.
    """
    program = postgres_server.psql.with_name("pg_dump")

    def dump(url, *options):
        done = subprocess.run(
            [program, *options, url], capture_output=True, check=True
        )
        return done.stdout

    return dump


@pytest.fixture
def restore(postgres_server):
    """
    A function that runs SQL in a database.
    """

    def restore(url, script):
        options = ["-q", "-v", "ON_ERROR_STOP=1", "-d", url]
        subprocess.run(
            [postgres_server.psql, *options],
            input=script,
            capture_output=True,
            check=True,
        )
        return url

    return restore


LETTER = "too large for the topic"


@pytest.fixture
def left(own):
    """
    What is in the journal: five events with a place, of which three were
    delivered but for one, two without, and one of an open transaction.
    """
    with closing(PostgresSink(own)) as sink:
        sink.write(records := make_records(5))
        found = sink.read(0, 9)
        lease = sink.lease("topic")
        lease.advance(3, [DeadLetter(record=found[1], reason=LETTER)])
        lease.release()
        sink.write(more := make_records(2))
        with psycopg.connect(own) as connection:
            sink.write_in(connection, make_records(1))
            yield records + more
            connection.rollback()


def bodies(records):
    return [record.body for record in records]


def test_dump_goes_on_in_a_new_cluster(left, own, dump, restore, new_server):
    """
    Order, positions, dead letters and triggers are as they were, what comes
    next comes behind, and nothing is held back by a transaction of then.
    """
    url = restore(new_server.create_database(uuid4().hex), dump(own))

    with closing(PostgresSink(url)) as sink:
        sink.write(new := make_records(3))
        found = sink.read(0, 99)
        position = sink.position("topic")
        (letter,) = sink.dead_letters("topic")
        states = {each.state for each in inspect_database(url)}

    assert [*range(1, 11)] == [record.index for record in found]
    assert bodies(left + new) == bodies(found)
    assert (3, 2, LETTER) == (position, letter.record.index, letter.reason)
    assert "failed" not in states
    with pytest.raises(psycopg.Error, match="append-only"):
        execute(url, "DELETE FROM audit.event")


def test_tables_without_their_sequence_are_refused(
    left, own, dump, restore, new_server
):
    """
    Writers and relays say so, no event is blamed, and what is said to do
    makes all of them go on.
    """
    less = dump(own, "--exclude-table-data=audit.event_seq")
    url = restore(new_server.create_database(uuid4().hex), less)

    with closing(PostgresSink(url)) as sink:
        with pytest.raises(SinkSetupError, match="sequence is behind its"):
            sink.write(new := make_records(1))
        with pytest.raises(JournalError, match="stands at 1") as caught:
            sink.read(0, 99)
        execute(url, str(caught.value).rpartition("; ")[2])
        sink.write(new)
        found = sink.read(0, 99)

    assert bodies(left + new) == bodies(found)


@pytest.fixture
def relay_to(bootstrap_servers, topic):
    """
    A function that begins to relay a journal to the topic.
    """
    relays = []

    def relay_to(journal):
        sink = KafkaSink(cluster_at(bootstrap_servers), topic)
        relays.append(Relay(journal, sink, name="topic"))
        relays[-1].start()
        return relays[-1]

    yield relay_to
    for each in relays:
        each.stop(5)
        each.sink.close()
        each.journal.close()


def test_journal_restored_behind_its_topic_is_refused(
    own, dump, restore, new_server, relay_to, bootstrap_servers, topic, caplog
):
    """
    Nothing more comes into the topic: its indexes would be given again, to
    other events.
    """
    caplog.set_level(logging.ERROR, "auditlog")
    journal = PostgresSink(own)
    journal.write(make_records(3))
    before = dump(own)
    journal.write(make_records(2))
    relay = relay_to(journal)
    until(lambda: relay.delivered == 5, 60)
    relay.stop(5)

    url = restore(new_server.create_database(uuid4().hex), before)
    restored = PostgresSink(url)
    restored.write(make_records(1))
    again = relay_to(restored)
    until(lambda: again.delivered or "older copy" in caplog.text, 60)

    assert "holds index 5, the journal only 4" in caplog.text
    assert 5 == len(consume(bootstrap_servers, topic))


@pytest.mark.parametrize(
    ("test", "variant", "given"),
    [
        against(
            test_tables_without_their_sequence_are_refused,
            believes_the_sequence,
        ),
        against(
            test_journal_restored_behind_its_topic_is_refused,
            delivers_a_restored_journal,
        ),
    ],
)
def test_variant_is_noticed(request, test, variant, given):
    """
    What is promised of ours does not hold there, and its test says so.
    """
    check(request, test, variant, given)
