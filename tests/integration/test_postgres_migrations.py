"""
Upgrades of the tables: as a whole or not at all.
"""

from __future__ import annotations

import pytest

from auditlog.errors import SinkSetupError
from auditlog.postgres import PostgresSink, init_schema, upgrade_schema
from auditlog.postgres.driver import lend
from auditlog.postgres.migrations import migrate
from auditlog.postgres.schema import VERSION
from auditlog.postgres.statements import migration_sql
from tests.postgres_tools import (
    execute,
    in_thread,
    make_records,
    opened,
    until,
)


ADD = "ALTER TABLE audit.event ADD COLUMN made_up text;"
FAIL = "CREATE TABLE audit.half (); SELECT 1 / 0;"


@pytest.fixture
def url(database_url):
    init_schema(database_url)
    return database_url


def versions(url):
    query = "SELECT version FROM audit.schema_version ORDER BY version"
    return [version for (version,) in execute(url, query)]


def run(url, steps):
    with lend("a test", url, "upgrade the tables") as lent:
        return migrate(lent, steps)


def exists(url, table):
    return execute(url, "SELECT to_regclass(%s)::text", f"audit.{table}") != [
        (None,)
    ]


def test_every_version_has_its_migration():
    """
    From any version that there ever was to that of the tables.
    """
    for version in range(2, VERSION + 1):
        assert migration_sql(version, "audit")


def test_nothing_to_do(url):
    """
    As long as there is one version only.
    """
    assert upgrade_schema(url) == ()
    assert versions(url) == [1]


def test_one_after_the_other(url):
    """
    In their order, each once, with the events that were there.
    """
    with_events = PostgresSink(url)
    with_events.write(make_records(2))
    steps = {3: "CREATE TABLE audit.third (a text)", 2: ADD}

    assert run(url, steps) == (2, 3)
    assert run(url, steps) == ()

    assert versions(url) == [1, 2, 3]
    assert exists(url, "third")
    assert execute(
        url, "SELECT count(made_up), count(*) FROM audit.event"
    ) == [(0, 2)]


def test_one_that_fails_half_way(url):
    """
    It leaves nothing behind; those before it stay, those after don't run.
    """
    steps = {2: ADD, 3: FAIL, 4: "CREATE TABLE audit.fourth ()"}

    with pytest.raises(
        SinkSetupError, match=r"can't upgrade the tables .*22012"
    ):
        run(url, steps)

    assert versions(url) == [1, 2]
    assert not exists(url, "half")
    assert not exists(url, "fourth")
    assert run(url, {2: ADD, 3: "CREATE TABLE audit.half ()"}) == (3,)


def test_two_at_a_time(url):
    """
    Take turns; the second finds nothing to do.
    """
    joins = [in_thread(lambda: run(url, {2: ADD})) for _ in range(4)]

    assert sorted(join() for join in joins) == [(), (), (), (2,)]


def test_it_waits_for_who_creates_or_upgrades(url):
    """
    The lock is the one of the creation.
    """
    waiting = (
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    )
    with opened(url, "SELECT pg_advisory_xact_lock(418581342580)"):
        join = in_thread(lambda: run(url, {2: ADD}))
        until(lambda: execute(url, waiting))

        assert versions(url) == [1]
    assert join() == (2,)


def test_role_that_does_not_own_the_tables(url, make_role):
    """
    Only an owner may; nothing is changed.
    """
    role = make_role("app")
    execute(url, f"GRANT USAGE ON SCHEMA audit TO {role.username}")
    execute(url, f"GRANT ALL ON audit.schema_version TO {role.username}")

    with pytest.raises(
        SinkSetupError,
        match=r"can't upgrade schema 'audit' .* to version 2: must be owner "
        r"of table event \(SQLSTATE 42501\); run it as the owner",
    ):
        run(role, {2: ADD})

    assert versions(url) == [1]


def test_tables_that_are_newer(url):
    """
    Are never taken back.
    """
    execute(url, "INSERT INTO audit.schema_version VALUES (7)")

    with pytest.raises(SinkSetupError, match=r"version 7.* knows 1; install"):
        upgrade_schema(url)


def test_tables_that_are_absent(database_url):
    """
    Are not created by an upgrade.
    """
    with pytest.raises(SinkSetupError, match="; run auditlog db init"):
        upgrade_schema(database_url)

    assert not exists(database_url, "event")


def test_tables_that_are_older_take_no_events(url):
    """
    The sink says what to do, instead of failing in a statement.
    """
    execute(url, "DELETE FROM audit.schema_version")

    with pytest.raises(
        SinkSetupError, match=r"version 0.* needs 1; .*auditlog db upgrade"
    ):
        PostgresSink(url).write(make_records(1))
