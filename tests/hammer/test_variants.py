"""
What is wrong on purpose: each variant meets the same situation as ours, and
the oracle tells them apart.

The naive reader is in `test_hammer`, beside ours in the same round.
"""

from __future__ import annotations

import signal
import time

import psycopg
import pytest

from auditlog import PostgresSink, Relay
from auditlog.postgres.connections import Connection
from auditlog.postgres.order import Order
from auditlog.testing.contracts import make_record
from tests.hammer.arena import position, store
from tests.hammer.bench import holder
from tests.hammer.look import look, prepare
from tests.hammer.notes import Noted, read_notes
from tests.hammer.oracle import violations
from tests.hammer.relaying import NAME, topic_sink
from tests.hammer.variants import (
    AdvisoryJournal,
    BackwardOrder,
    BisectingSink,
)
from tests.kafka_tools import create, noise
from tests.postgres_tools import execute, make_records, until


INSERT = (
    "INSERT INTO audit.event "
    "(id, occurred_at, event_type, resource, outcome, body) "
    "VALUES (gen_random_uuid(), now(), 'A.B.C', 'a/b', 'success', '{}')"
)
# A busy machine is slow, not broken.
LONG = 60


# The order


@pytest.mark.parametrize(
    ("kind", "lost"), [(Order, 0), (BackwardOrder, 1)], ids=["ours", "variant"]
)
def test_lock_holders_before_the_sequence(
    database_url, monkeypatch, kind, lost
):
    """
    A writer that comes between the two looks, and commits after a later one,
    is passed over if the sequence is looked at last.
    """
    sink = PostgresSink(database_url)
    sink.write(make_records(1))
    sink._order = kind(sink._sql, schema="audit", logger=sink.logger)
    slow = psycopg.connect(database_url)
    asked = []

    def ask(connection, query, ask=Connection.ask, **params):
        if query in {sink._sql["state"], sink._sql["writers"]}:
            asked.append(query)
            if len(asked) == 2:
                slow.execute(INSERT)
                execute(database_url, INSERT)
        return ask(connection, query, **params)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "ask", ask)
        sink.read(0, 10)
    slow.commit()
    slow.close()
    until(lambda: len(sink.read(0, 10)) >= 3 - lost)

    stored = {each for (each,) in execute(database_url, IDS)}
    assert lost == len(stored - {r.event_id for r in sink.read(0, 10)})
    sink.close()


IDS = "SELECT id FROM audit.event"


# The lease


@pytest.mark.parametrize(
    ("kind", "is_replaced"),
    [(PostgresSink, True), (AdvisoryJournal, False)],
    ids=["ours", "variant"],
)
def test_lock_of_a_session_as_lease(database_url, kind, is_replaced):
    """
    Who is frozen keeps the session, and so the lock, for as long as one
    looks.
    """
    frozen = kind(database_url, lease_ttl=0.3)
    other = kind(database_url, lease_ttl=0.3)
    assert frozen.lease(NAME)
    assert not other.lease(NAME)

    deadline = time.monotonic() + (LONG if is_replaced else 1.5)
    while not (lease := other.lease(NAME)) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert is_replaced == (lease is not None)
    frozen.close()
    other.close()


@pytest.mark.parametrize("kind", ["relay", "unfenced"])
def test_lease_without_a_fence(bench, arena, kind):
    """
    A holder that was frozen comes back to a batch that others have delivered
    long ago; without the fence it takes the position back to there.
    """
    noted = Noted()
    arena.write(make_records(5), noted)
    bench.broker.pause()
    frozen = arena.relay(kind)
    until(lambda: bench.broker_proxy.connections, LONG)
    frozen.freeze()
    bench.broker.resume()
    other = arena.relay("relay")
    until(lambda: arena.position() == 5, LONG)
    arena.write(make_records(3), noted)
    until(lambda: arena.position() == 8, LONG)

    frozen.thaw()
    other.kill()
    arena.write(make_records(2), noted)
    until(lambda: arena.position() == 10, LONG)

    found = violations(noted, arena.look())
    if kind == "relay":
        assert found == []
    else:
        assert found == ["1 move of the position backwards: (8, 5)"]


# The relay


@pytest.mark.parametrize("kind", ["relay", "eager"])
def test_position_before_delivery(bench, arena, kind):
    """
    A relay is killed while the broker does not answer; what it had taken for
    delivered is lost.
    """
    noted = Noted()
    arena.write(make_records(20), noted)
    bench.broker.pause()
    killed = arena.relay(kind)
    until(lambda: bench.broker_proxy.connections, LONG)
    if kind == "eager":
        until(lambda: arena.position() == 20, LONG)
    killed.kill()
    bench.broker.resume()

    arena.relay("relay")
    arena.write(make_records(1), noted)
    until(lambda: arena.position() == 21, LONG)

    found = violations(noted, arena.look())
    if kind == "relay":
        assert found == []
    else:
        assert len(found) == 2
        assert found[0].startswith("20 acknowledged, not in the topic: ")
        assert found[1].startswith("20 index that never appeared")


def test_kill_between_delivery_and_position(arena):
    """
    What the topic has, and the position does not know of, comes again: one
    batch at most, with the same bytes.
    """
    noted = Noted()
    killed = arena.relay("relay")
    until(lambda: holder(arena.url) == killed.pid, LONG)
    with psycopg.connect(arena.url) as connection:
        connection.execute("SELECT * FROM audit.delivery FOR UPDATE")
        arena.write(make_records(100), noted)
        until(lambda: len(arena.look().messages) == 100, LONG)
        killed.kill()
        # What it asked for last would be done once the row is free.
        until(lambda: execute(arena.url, WAITING) == [(0,)], LONG)
    arena.relay("relay")
    until(lambda: arena.position() == 100, LONG)

    seen = arena.look()
    assert violations(noted, seen) == []
    assert 100 < len(seen.messages) <= 200


WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.mark.parametrize("kind", ["ours", "bisecting"])
def test_bisecting_on_one_producer(
    database_url, bootstrap_servers, topic, kind
):
    """
    One event is too large for the topic; a producer that has met it gives
    the same answer for innocent ones.
    """
    prepare(database_url)
    create(bootstrap_servers, topic, max_message_bytes=9_000)
    noted = Noted()
    records = make_records(100)
    records[50] = make_record(metadata={"noise": noise(40_000)})
    noted.poisoned.add(str(records[50].event_id))
    store(database_url, records, noted)
    if kind == "ours":
        sink = topic_sink(bootstrap_servers, topic)
    else:
        sink = BisectingSink(bootstrap_servers, topic)
    journal = PostgresSink(database_url)
    relay = Relay(journal, sink, name=NAME)
    relay.start()
    until(lambda: position(database_url) == 100, LONG)
    relay.stop(20)
    sink.close()
    journal.close()

    seen = look(database_url, bootstrap_servers, topic)
    found = violations(noted, seen)
    if kind == "ours":
        assert found == []
        assert seen.dead == {51}
    else:
        assert any("of an event that is not poisoned" in f for f in found)
        assert len(seen.dead) > 1


# The writer


@pytest.mark.parametrize("kind", ["writer", "hasty"])
def test_acknowledged_before_the_commit(bench, arena, kind):
    """
    A writer is killed while the database does not answer; what was taken was
    not stored, and somebody may have been told that it was.
    """
    bench.database_proxy.stall("up")
    writer = arena.writer(kind)
    wanted = "\n> " if kind == "writer" else "\n+ "
    until(lambda: wanted in arena.notes(), LONG)
    writer.kill()
    bench.heal()

    noted = read_notes(arena.folder)
    found = [
        each
        for each in violations(noted, arena.look())
        if "not stored" in each
    ]
    assert noted.attempted
    assert bool(found) == (kind == "hasty")


@pytest.mark.parametrize("kind", ["writer", "rude"])
def test_end_without_draining(bench, arena, kind):
    """
    A writer ends while events of its own wait for the database.
    """
    bench.database_proxy.stall("up")
    writer = arena.writer(kind)
    until(lambda: "\n> " in arena.notes(), LONG)
    writer.signal(signal.SIGTERM)
    if kind == "rude":
        writer.process.join(LONG)
    bench.heal()
    writer.process.join(LONG)

    noted = read_notes(arena.folder)
    found = [
        each
        for each in violations(noted, arena.look())
        if "not stored" in each
    ]
    assert writer.process.exitcode == 0
    assert noted.promised
    assert bool(found) == (kind == "rude")
