"""
How a journal in PostgreSQL stands, and who holds it back.
"""

from __future__ import annotations

import os

from contextlib import closing

import psycopg
import pytest

from auditlog.abc import DeadLetter
from auditlog.errors import SinkSetupError
from auditlog.postgres import PostgresSink, grant_roles
from auditlog.testing.services import drop_database
from tests.postgres_tools import execute, make_records, opened, until


INSERT = (
    "INSERT INTO audit.event (id, occurred_at, event_type, resource, outcome, "
    "body) VALUES (gen_random_uuid(), now(), 'A.B', 'c/d', 'success', '{}')"
)


@pytest.fixture
def sink(database_url):
    with closing(PostgresSink(database_url)) as sink:
        sink.size()
        yield sink


def test_empty(sink):
    """
    Nothing is stored, nobody relays, nothing is in the way.
    """
    found = sink.status()

    assert (0, 0, None, None, (), None) == (
        found.size,
        found.waiting,
        found.waiting_age,
        found.oldest_age,
        found.relays,
        found.held_back,
    )
    assert found.stored_bytes is None
    assert found.where.startswith("database 'test_")


def test_what_nobody_numbered_is_behind_too(sink):
    """
    While no relay runs events get no index; they are behind all the same.
    """
    sink.write(make_records(3))
    sink.read(0, 10)
    sink.lease("a").advance(2)
    sink.write(make_records(4))

    found = sink.status(relays=["new"])

    assert (3, 4) == (found.size, found.waiting)
    assert [("a", 2, 5), ("new", 0, 7)] == [
        (each.relay, each.position, each.behind) for each in found.relays
    ]
    old, new = (each.oldest_age for each in found.relays)
    assert found.oldest_age == new >= old >= found.waiting_age > 0


def test_age_when_only_new_events_are_left(sink):
    """
    It is that of the oldest without an index.
    """
    sink.write(make_records(1))
    sink.read(0, 1)
    sink.lease("a").advance(1)
    sink.write(make_records(2))

    found = sink.status()

    assert found.relays[0].oldest_age == found.waiting_age == found.oldest_age


def test_a_look_changes_nothing(sink, database_url):
    """
    It gives no index, makes no relay and no transaction id.
    """
    sink.write(make_records(3))
    before = execute(
        database_url, "SELECT pg_snapshot_xmax(pg_current_snapshot())"
    )

    for _ in range(3):
        sink.status(relays=["a"])

    assert sink.size() == 0
    assert [] == execute(database_url, "SELECT * FROM audit.delivery")
    assert before == execute(
        database_url, "SELECT pg_snapshot_xmax(pg_current_snapshot())"
    )


def test_lease_is_told_with_its_holder(sink):
    """
    As long as it lasts, by the server's clock.
    """
    lease = sink.lease("a")
    held = sink.status().relays[0]
    lease.release()
    free = sink.status().relays[0]

    assert held.holder.endswith(f"/{os.getpid()}")
    assert 0 < held.expires_in <= 15
    assert (free.holder, free.expires_in) == (None, None)


def test_lease_that_ran_out_is_nobodys(sink, database_url):
    """
    Its holder was frozen or is gone.
    """
    sink.lease("a")
    execute(
        database_url,
        "UPDATE audit.delivery SET expires_at = now() - interval '1 s'",
    )

    (relay,) = sink.status().relays

    assert (relay.holder, relay.expires_in) == (None, None)


def test_dead_letters_that_are_undelivered_are_counted(sink):
    """
    Of each relay its own; those that were re-driven are kept, and no trouble.
    """
    sink.write(make_records(3))
    records = sink.read(0, 3)
    letters = [DeadLetter(record=each, reason="no") for each in records]
    sink.lease("a").advance(3, letters)
    sink.lease("b").advance(3, letters[:1])
    sink.redriven("a", 2)

    counts = {r.relay: r.dead_letters for r in sink.status().relays}

    assert {"a": 2, "b": 1} == counts


def test_transaction_that_holds_back_is_named(sink, database_url):
    """
    With its age, backend and application; only one that wrote an event.
    """
    execute(database_url, "CREATE TABLE stranger (x int)")
    url = f"{database_url}?application_name=nightly"
    with (
        opened(database_url, "INSERT INTO stranger VALUES (1)"),
        opened(database_url, "SELECT * FROM audit.event FOR UPDATE"),
    ):
        assert sink.status().held_back is None
        with opened(url, INSERT) as slow, opened(database_url, INSERT):
            sink.write(make_records(2))
            until(lambda: sink.status().held_back.age > 0.05)
            found = sink.status()
            pid = slow.info.backend_pid

    assert (pid, "nightly", None) == (
        found.held_back.pid,
        found.held_back.application_name,
        found.held_back.prepared,
    )
    assert f"backend {pid} of 'nightly'" == found.held_back.who
    assert 2 == found.waiting
    assert sink.status().held_back is None


def test_prepared_transaction_is_named(sink, database_url):
    """
    It has no backend, and is ended by its name.
    """
    name = f"o'{database_url[-8:]}"
    with psycopg.connect(database_url) as connection:
        connection.tpc_begin(name)
        connection.execute(INSERT)
        connection.tpc_prepare()
        held = sink.status().held_back
        connection.tpc_rollback()

    assert (name, None) == (held.prepared, held.pid)
    assert held.age > 0
    assert held.way_out.endswith(f"ROLLBACK PREPARED 'o''{name[2:]}'")


def test_other_databases_hold_nothing_back(sink, database_url, postgres_url):
    """
    Not even a copy of ours, whose table has the same number.
    """
    sink.close()
    ours = database_url.rpartition("/")[2]
    copy = f"{ours}_copy"
    execute(postgres_url, f"CREATE DATABASE {copy} TEMPLATE {ours}")
    with opened(database_url.replace(ours, copy), INSERT):
        found = PostgresSink(database_url).status().held_back
    drop_database(postgres_url, copy)

    assert found is None


@pytest.mark.parametrize("part", ["relay", "reader"])
def test_least_role_sees_all_but_the_age(sink, database_url, make_role, part):
    """
    Which backend it is may be seen by all; since when, and what it is called,
    by members of the role or of pg_read_all_stats.
    """
    role = make_role(part)
    grant_roles(database_url, **{f"{part}s": [role.username]})
    sink.write(make_records(2))
    with (
        opened(database_url, INSERT) as slow,
        closing(PostgresSink(role)) as looking,
    ):
        hidden = looking.status(relays=["a"])
        execute(database_url, f"GRANT pg_read_all_stats TO {role.username}")
        seen = looking.status().held_back
        pid = slow.info.backend_pid

    assert (2, pid, None, None) == (
        hidden.waiting,
        hidden.held_back.pid,
        hidden.held_back.age,
        hidden.held_back.application_name,
    )
    assert hidden.waiting_age > 0
    assert (pid, True) == (seen.pid, seen.age > 0)


def test_writer_may_not_look(sink, database_url, make_role):
    """
    It has no business there; the message says what it lacks.
    """
    role = make_role("writer")
    grant_roles(database_url, writers=[role.username])

    with (
        closing(PostgresSink(role)) as looking,
        pytest.raises(SinkSetupError, match=r"^can't look at the journal "),
    ):
        looking.status()
