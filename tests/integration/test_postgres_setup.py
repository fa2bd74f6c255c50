"""
The schema, permissions, and servers that are not as they should be.
"""

from __future__ import annotations

import subprocess
import sys

from contextlib import closing
from traceback import format_exception

import psycopg
import pytest

from auditlog.config import AuditLogConfig, DatabaseConfig, DatabaseHost
from auditlog.errors import (
    ConfigError,
    ReadError,
    SinkSetupError,
    SinkUnavailableError,
)
from auditlog.postgres import PostgresReader, PostgresSink, schema_sql
from auditlog.testing.services import free_port
from tests.postgres_tools import (
    as_role,
    execute,
    in_thread,
    make_record,
    make_records,
    opened,
    stored_ids,
)


def tables(url, schema="audit"):
    return {
        row[0]
        for row in execute(
            url,
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND "
            "relnamespace = to_regnamespace(%s)",
            schema,
        )
    }


ALL = {
    "dead_letter",
    "delivery",
    "entry",
    "event",
    "event_json",
    "schema_version",
    "tree",
}


def test_constructor_neither_connects_nor_needs_a_server():
    """
    What is wrong with the address is told by the first call.
    """
    url = f"postgresql://u:canary@127.0.0.1:{free_port()}/app"
    sink, reader = PostgresSink(url), PostgresReader(url)

    with pytest.raises(SinkUnavailableError, match=r"127\.0\.0\.1") as caught:
        sink.write(make_records(1))
    with pytest.raises(ReadError):
        list(reader)
    assert "canary" not in repr((sink, reader)) + str(caught.value)


def test_wrong_url_is_told_at_once_without_its_text():
    """
    libpq quotes what it does not understand, which may be a password.
    """
    secret = "can" + "ary"
    for url in (secret, f"postgresql://u:p@h/d?{secret}=1"):
        with pytest.raises(ConfigError) as caught:
            PostgresSink(url)

        assert secret not in "".join(format_exception(caught.value))


@pytest.mark.parametrize("make", [PostgresSink, PostgresReader])
def test_no_database_at_all_is_told_at_once(make):
    """
    As when ``config.database`` is passed on and nobody set it.
    """
    with pytest.raises(ConfigError, match=r"NoneType.*database\.url"):
        make(AuditLogConfig().database)


def test_absent_schema_is_created(database_url, caplog):
    """
    By whatever is called first, with one line in the log.
    """
    caplog.set_level("INFO", "auditlog.postgres")

    assert PostgresSink(database_url).position("kafka") == 0

    assert tables(database_url) == ALL
    assert "created schema 'audit'" in caplog.text


def test_schema_of_another_name(database_url):
    """
    Two logs in one database know nothing of each other.
    """
    first, second = (
        PostgresSink(DatabaseConfig(url=database_url, schema=name))
        for name in ("first_log", "Second")
    )

    first.write(make_records(2))
    second.write(make_records(1))

    assert (len(first.read(0, 9)), len(second.read(0, 9))) == (2, 1)
    assert tables(database_url, "audit") == set()


def test_empty_schema_made_by_an_administrator_is_used(database_url):
    """
    A role that may not create schemas may be given one.
    """
    execute(database_url, "CREATE SCHEMA audit")
    config = as_role(
        database_url,
        f"app_{database_url[-12:]}",
        "CREATE, USAGE ON SCHEMA audit",
    )

    PostgresSink(config).write(make_records(1))

    assert tables(database_url) == ALL


def test_schema_that_may_not_be_created(database_url):
    """
    Nothing is created, and the message says both ways out.
    """
    config = DatabaseConfig(url=database_url, create_schema=False)

    with pytest.raises(
        SinkSetupError, match=r"database\.create_schema.*schema_sql\(\)"
    ):
        PostgresSink(config).write(make_records(1))

    assert tables(database_url) == set()


def test_schema_created_by_hand(database_url):
    """
    The SQL runs as it is, and the result is the same.
    """
    execute(database_url, schema_sql())
    config = DatabaseConfig(url=database_url, create_schema=False)

    PostgresSink(config).write(make_records(1))

    assert tables(database_url) == ALL


def test_two_processes_that_create_at_once(database_url):
    """
    One creates, the others find it; all store.
    """
    sinks = [PostgresSink(database_url) for _ in range(6)]
    joins = [in_thread(lambda s=s: s.write(make_records(1))) for s in sinks]
    for join in joins:
        join()

    assert sinks[0].size(timeout=5) == 6
    assert execute(
        database_url, "SELECT version FROM audit.schema_version"
    ) == [(1,)]


def test_schema_of_a_newer_version_is_left_alone(database_url):
    """
    The message names both versions; nothing is written.
    """
    PostgresSink(database_url).size()
    execute(database_url, "INSERT INTO audit.schema_version VALUES (7)")

    with pytest.raises(SinkSetupError, match=r"version 7, this auditlog .* 1"):
        PostgresSink(database_url).write(make_records(1))

    assert execute(database_url, "SELECT * FROM audit.event") == []


def test_tables_of_others_are_left_alone(database_url):
    """
    A schema of that name may have been there before.
    """
    execute(database_url, "CREATE SCHEMA audit")
    execute(database_url, "CREATE TABLE audit.tree (leaves int)")

    with pytest.raises(SinkSetupError, match=r"42P07.*database\.schema"):
        PostgresSink(database_url).write(make_records(1))

    assert tables(database_url) == {"tree"}


def test_tables_dropped_while_running(database_url):
    """
    Told once, then created anew; where that isn't allowed it is told always.
    """
    sink = PostgresSink(database_url)
    strict = PostgresSink(
        DatabaseConfig(url=database_url, create_schema=False)
    )
    sink.write(make_records(1))
    strict.write(make_records(1))
    execute(database_url, "DROP SCHEMA audit CASCADE")

    for _ in range(2):
        with pytest.raises(SinkSetupError, match=r"schema_sql\(\)"):
            strict.write(make_records(1))
    with pytest.raises(SinkSetupError, match="42P01"):
        sink.write(make_records(1))
    sink.write(make_records(1))

    assert sink.size(timeout=5) == 1


def test_database_in_another_encoding(postgres_url, database_url):
    """
    Not every event could be stored there.
    """
    name = f"latin_{database_url[-12:]}"
    execute(
        postgres_url,
        f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' "
        "TEMPLATE template0",
    )
    sink = PostgresSink(f"{database_url.rpartition('/')[0]}/{name}")
    try:
        with pytest.raises(SinkSetupError, match=r"LATIN1.*UTF8"):
            sink.write(make_records(1))
    finally:
        sink.close()
        execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET leaf = leaf",
        "DELETE FROM {}",
        "DELETE FROM {} WHERE false",
        "TRUNCATE {}",
    ],
)
@pytest.mark.parametrize("table", ["audit.event", "audit.entry"])
def test_tables_are_append_only(database_url, table, statement):
    """
    Even for a superuser.
    """
    sink = PostgresSink(database_url)
    sink.write(make_records(1))
    sink.read(0, 1)
    if table == "audit.event":
        statement = statement.replace("leaf", "body")

    with pytest.raises(psycopg.Error, match="append-only"):
        execute(database_url, statement.format(table))


def test_read_only_server(database_url):
    """
    Somebody has to do something about it; the way out is said.
    """
    PostgresSink(database_url).size()
    readonly = (
        f"{database_url}?options=-c%20default_transaction_read_only%3Don"
    )
    sink = PostgresSink(readonly)

    with pytest.raises(
        SinkSetupError, match=r"25006.*target_session_attrs=read-write"
    ):
        sink.write(make_records(1))

    assert not sink._connections._idle


def test_role_without_permission(database_url):
    """
    The message names what it may not do.
    """
    PostgresSink(database_url).size()
    config = as_role(
        database_url,
        f"poor_{database_url[-12:]}",
        "USAGE ON SCHEMA audit",
        "SELECT ON audit.schema_version",
    )

    with pytest.raises(
        SinkSetupError,
        match=r"permission denied for table event \(SQLSTATE 42501\)",
    ):
        PostgresSink(config).write(make_records(1))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("/test_", "/nowhere_"), "does not exist"),
        (("postgres@", "nobody_here@"), "does not exist"),
    ],
)
def test_refused_connection_needs_mending(database_url, change, error):
    """
    Waiting does not create a database or a role.
    """
    with pytest.raises(SinkSetupError, match=error):
        PostgresSink(database_url.replace(*change)).write(make_records(1))


def test_database_that_takes_no_more_connections(postgres_url, database_url):
    """
    That passes by itself.
    """
    PostgresSink(database_url).size()
    name = database_url.rpartition("/")[2]
    config = as_role(database_url, f"one_{database_url[-12:]}")
    execute(postgres_url, f"ALTER DATABASE {name} CONNECTION LIMIT 1")

    with (
        opened(config.url.reveal(), "SELECT 1"),
        pytest.raises(SinkUnavailableError, match="too many connections"),
    ):
        PostgresSink(config).write(make_records(1))


def test_backend_that_is_shut_down_in_the_middle(database_url):
    """
    57P01: trying again helps.
    """
    sink = PostgresSink(database_url)
    sink.size()
    with opened(database_url, "LOCK TABLE audit.event"):
        join = in_thread(lambda: sink.write(make_records(1)))
        while not execute(
            database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
            "datname = current_database() AND wait_event_type = 'Lock'",
        ):
            pass
        with pytest.raises(SinkUnavailableError, match="57P01"):
            join()


def test_psql_shows_the_rows(postgres_server):
    """
    For the one who has a shell and nothing of ours.
    """
    url = postgres_server.create_database("shown_by_psql")
    sink = PostgresSink(url)
    sink.write(make_records(2))
    sink.read(0, 1)

    def psql(query):
        command = [postgres_server.psql, url, "-At", "-F,", "-c", query]
        return subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout.splitlines()

    assert (
        psql("SELECT event_type, resource, outcome FROM audit.event")
        == ["Contract.Thing.Create,thing/1,success"] * 2
    )
    assert psql(
        "SELECT idx, body->>'specversion', body#>>'{data,metadata,n}' "
        "FROM audit.event_json ORDER BY idx"
    ) == ["1,1.0,0", "2,1.0,1"]
    sink.close()


def test_building_loads_no_driver():
    """
    Importing does not, and a missing one is told with the way out.
    """
    script = """
import sys
import auditlog.postgres
assert "psycopg" not in sys.modules
sys.modules["psycopg"] = None
try:
    auditlog.postgres.PostgresSink("postgresql://h/d")
except ImportError as exc:
    print(exc)
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
    )

    assert result.stdout == (
        "PostgresSink needs an extra: "
        'pip install "auditlog-publisher[postgres]"\n'
    )


def test_encoding_of_the_connection_is_ours(database_url):
    """
    Whatever the URL asks for.
    """
    mark = "&" if "?" in database_url else "?"
    url = f"{database_url}{mark}client_encoding=latin1"

    with closing(PostgresSink(url)) as sink:
        sink.write([record := make_record(tenant="Nörd ☃")])
        (found,) = sink.read(0, 10)

    assert record.body == found.body
    assert [("Nörd ☃",)] == execute(
        database_url, "SELECT tenant FROM audit.event"
    )


@pytest.mark.parametrize("form", ["jdbc", "parts", "parts over a URL"])
def test_other_forms_of_an_address(database_url, form):
    """
    All lead to the same database.
    """
    given = DatabaseConfig(url=database_url).parameters()
    parts = {
        "hosts": (
            DatabaseHost(host="127.0.0.1", port=1),
            DatabaseHost(host=given["host"], port=int(given["port"])),
        ),
        "name": given["dbname"],
        "username": given["user"],
    }
    config = {
        "jdbc": DatabaseConfig(
            url=f"jdbc:postgresql://{given['host']}:{given['port']}/"
            f"{given['dbname']}?user={given['user']}"
            "&targetServerType=preferPrimary&reWriteBatchedInserts=true"
        ),
        "parts": DatabaseConfig(**parts),
        "parts over a URL": DatabaseConfig(
            url="postgresql://nobody:pw@127.0.0.1:1/none?sslmode=disable",
            **parts,
        ),
    }[form]

    with closing(PostgresSink(config)) as sink:
        sink.write(records := make_records(2))

    assert {each.event_id for each in records} == stored_ids(database_url)
