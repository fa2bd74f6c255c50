"""
What a look at a database finds, and that it finds what is wrong.
"""

from __future__ import annotations

import re
import time

import pytest

from auditlog.config import DatabaseConfig
from auditlog.errors import ConfigError
from auditlog.findings import Finding
from auditlog.postgres import (
    grant_roles,
    init_schema,
    inspect_database,
)
from auditlog.postgres.statements import known_objects, statements
from auditlog.testing.services import free_port
from tests.postgres_tools import execute


CHECKS = [
    "database.connection",
    "database.server",
    "database.clock",
    "database.schema",
    "database.tables",
    "database.append_only",
    "database.indexes",
    "database.owner",
    "database.writer",
    "database.relay",
    "database.reader",
]


@pytest.fixture
def url(database_url):
    init_schema(database_url)
    return database_url


def look(database, **options):
    """
    The findings by the last part of their names.
    """
    found = inspect_database(database, **options)
    assert CHECKS == [each.check for each in found]
    return {each.check.partition(".")[2]: each for each in found}


def states(found):
    return {name: each.state for name, each in found.items()}


def test_all_is_well(url):
    """
    Only that the role may do everything is worth a warning.
    """
    found = look(url)

    assert states(found) == {
        name.partition(".")[2]: "warning" if name == "database.owner" else "ok"
        for name in CHECKS
    }
    assert (
        "as role 'postgres' to database 'test_" in found["connection"].detail
    )
    assert re.match(
        r"PostgreSQL \d\d.*, encoding UTF8$", found["server"].detail
    )
    assert "'audit' has version 1" in found["schema"].detail


def test_what_is_known_is_what_is_made(database_url):
    """
    Whatever the schema is called.
    """
    for schema in ("audit", "Select"):
        init_schema(DatabaseConfig(url=database_url, schema=schema))
        query = statements(schema)["objects"].replace("%(schema)s", "%s")

        assert known_objects() == dict(execute(database_url, query, schema)), (
            schema
        )


def test_looking_changes_nothing(database_url):
    """
    The tables are not created, even where an application would.
    """
    found = look(database_url)

    assert found["schema"] == Finding(
        "database.schema",
        "warning",
        "schema 'audit' has no tables yet; the first event creates them",
        (
            "leave it for a trial; else run auditlog db init as their owner, "
            "and auditlog db grant for the role that applications connect as"
        ),
    )
    assert found["tables"].state == found["writer"].state == "skipped"
    assert found["connection"].state == "ok"
    assert execute(database_url, "SELECT to_regnamespace('audit')::text") == [
        (None,)
    ]


def test_tables_that_nobody_would_create(database_url):
    """
    Their absence is a fault only where the first event does not create them.
    """
    config = DatabaseConfig(url=database_url, create_schema=False)

    (found,) = [
        each
        for each in inspect_database(config)
        if each.check == "database.schema"
    ]

    assert found.state == "failed"
    assert found.way_out == "run auditlog db init"


def test_what_others_added_is_left_to_them(url):
    """
    An index for searches, for instance.
    """
    execute(url, "CREATE INDEX mine ON audit.event (actor)")
    execute(url, "ALTER TABLE audit.delivery ADD COLUMN mine text")
    execute(url, "CREATE TABLE audit.others ()")

    assert "failed" not in states(look(url)).values()


@pytest.mark.parametrize(
    ("change", "check", "detail"),
    [
        (
            "ALTER TABLE audit.event DISABLE TRIGGER append_only",
            "append_only",
            "trigger event.append_only is not as it was made: .* disabled",
        ),
        (
            "ALTER TABLE audit.entry ENABLE REPLICA TRIGGER append_only",
            "append_only",
            "trigger entry.append_only is not as it was made: .* disabled",
        ),
        (
            "DROP TRIGGER append_only ON audit.entry",
            "append_only",
            "trigger entry.append_only is absent",
        ),
        (
            (
                "DROP TRIGGER append_only ON audit.event; CREATE TRIGGER "
                "append_only BEFORE DELETE ON audit.event EXECUTE FUNCTION "
                "audit.refuse_change()"
            ),
            "append_only",
            "trigger event.append_only is not as it was made",
        ),
        (
            (
                "CREATE OR REPLACE FUNCTION audit.refuse_change() RETURNS "
                "trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
            ),
            "append_only",
            "function refuse_change is not as it was made",
        ),
        (
            "DROP INDEX audit.event_occurred_at",
            "indexes",
            "index event_occurred_at is absent",
        ),
        (
            (
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = "
                "'audit.event_occurred_at'::regclass"
            ),
            "indexes",
            "index event_occurred_at is not as it was made: .* invalid",
        ),
        (
            "DROP TABLE audit.dead_letter",
            "tables",
            "table dead_letter is absent",
        ),
        (
            "ALTER TABLE audit.delivery SET UNLOGGED",
            "tables",
            "table delivery is not as it was made: 'r u'",
        ),
        (
            "ALTER TABLE audit.event ALTER body DROP NOT NULL",
            "tables",
            "column event.body is not as it was made: 'bytea'",
        ),
        (
            "ALTER TABLE audit.event ENABLE ROW LEVEL SECURITY",
            "tables",
            "table event is not as it was made: .*row security",
        ),
        (
            "ALTER SEQUENCE audit.event_seq CACHE 20",
            "tables",
            "sequence event_seq is not as it was made: .* 20 at a time",
        ),
        (
            "ALTER TABLE audit.event DROP CONSTRAINT event_seq_once",
            "tables",
            "constraint event.event_seq_once is absent",
        ),
    ],
)
def test_each_thing_that_is_wrong(url, change, check, detail):
    """
    Is named, with a way out.
    """
    execute(url, change)

    found = look(url)

    assert found[check].state == "failed"
    assert found[check].way_out
    assert re.search(detail, found[check].detail)
    indexed = {check, "indexes"} if "CONSTRAINT" in change else {check}
    if change.startswith("DROP TABLE"):
        indexed = {check, "indexes"}
    assert indexed == {
        name
        for name, each in found.items()
        if each.state == "failed" and name not in {"writer", "relay", "reader"}
    }


@pytest.mark.parametrize(
    ("change", "detail", "way_out"),
    [
        (
            "INSERT INTO audit.schema_version VALUES (7)",
            "has version 7, this auditlog knows 1",
            "install the newer auditlog-publisher",
        ),
        (
            "DELETE FROM audit.schema_version",
            "has version 0, this auditlog needs 1",
            "let the owner of the tables run auditlog db upgrade",
        ),
    ],
)
def test_another_version(url, change, detail, way_out):
    """
    Newer or older: what is in it can't be judged then.
    """
    execute(url, change)

    found = look(url)

    assert found["schema"].state == "failed"
    assert found["schema"].detail.endswith(detail)
    assert found["schema"].way_out.startswith(way_out)
    assert found["tables"].state == "skipped"


@pytest.mark.parametrize("part", ["writer", "relay", "reader"])
def test_role_of_one_kind(url, make_role, part):
    """
    It is one thing, and need not be another unless that is asked for.
    """
    role = make_role("one")
    grant_roles(url, **{f"{part}s": [role.username]})
    others = {"writer", "relay", "reader"} - {part}

    found = look(role)
    wanting = look(role, needs=["writer", "relay", "reader"])

    assert "failed" not in states(found).values()
    assert found["owner"].state == found[part].state == "ok"
    assert {found[other].state for other in others} == {"skipped"}
    assert {wanting[other].state for other in others} == {"failed"}
    assert wanting[part].state == "ok"
    assert found["schema"].state == "ok"
    assert found["tables"].state == "ok"


def test_role_that_is_nothing(url, make_role):
    """
    The message names what it lacks and the command that gives it.
    """
    role = make_role("poor")

    found = look(role)

    assert {found[part].state for part in ("writer", "relay", "reader")} == {
        "failed"
    }
    assert found["writer"] == Finding(
        "database.writer",
        "failed",
        f"role '{role.username}' is no writer: it lacks USAGE on the schema, "
        "SELECT (version) on schema_version, INSERT (seq, id, occurred_at, "
        "event_type, actor, resource, outcome, tenant, body) on event and 2 "
        "more",
        "let the owner of the tables run auditlog db grant --writer "
        f"{role.username}",
    )


def test_one_column_that_is_missing(url, make_role):
    """
    Is named alone.
    """
    role = make_role("app")
    grant_roles(url, writers=[role.username])
    execute(url, f"REVOKE SELECT (leaf) ON audit.event FROM {role.username}")

    found = look(role)

    assert found["writer"].detail.endswith(
        "is no writer: it lacks SELECT (leaf) on event"
    )


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (3600, "1 h ahead of"),
        (-6, "6 s behind"),
        (90, "90 s ahead of"),
        (-900, "15 min behind"),
    ],
)
def test_clock_that_is_wrong(database_url, ours, said):
    """
    By how much, and which way, is told; the rest is looked at all the same.
    """
    found = look(database_url, clock=lambda: time.time() + ours)["clock"]

    assert found.state == "warning"
    assert f"this machine's clock is {said} that of the" in found.detail
    assert "NTP" in found.way_out


def test_time_on_the_way_is_no_difference(database_url):
    """
    An answer may have taken its time in either direction.
    """
    now = time.time()
    moments = iter([now - 20, now + 20])

    found = look(database_url, clock=lambda: next(moments))["clock"]

    assert found.state == "ok"


def test_small_difference_is_none(database_url):
    """
    Two machines never agree to the second.
    """
    found = look(database_url, clock=lambda: time.time() - 3)["clock"]

    assert found.state == "ok"


def test_role_that_may_not_create(database_url, make_role):
    """
    The way out is a role that may, and what to grant to this one.
    """
    role = make_role("app")

    found = look(role)

    assert found["schema"].state == "failed"
    assert found["schema"].way_out == (
        "let a role that may create them run auditlog db init, and then "
        f"auditlog db grant --writer {role.username} --relay {role.username}"
    )


def test_catalog_that_may_not_be_read(url, make_role):
    """
    What could not be looked at is the check that failed, each once.
    """
    role = make_role("app")
    execute(url, "REVOKE SELECT ON pg_catalog.pg_trigger FROM PUBLIC")

    found = look(role)

    assert found["connection"].state == found["clock"].state == "ok"
    assert found["schema"].state == "failed"
    assert "permission denied for table pg_trigger" in found["schema"].detail
    assert found["tables"] == Finding(
        "database.tables",
        "skipped",
        "not looked at: database.schema failed",
    )


def test_server_that_is_not_there():
    """
    The same checks, and no secret.
    """
    url = f"postgresql://u:c4n4ry@127.0.0.1:{free_port()}/app"

    found = look(url)

    assert states(found) == {
        name.partition(".")[2]: "failed"
        if name == "database.connection"
        else "skipped"
        for name in CHECKS
    }
    assert "127.0.0.1" in found["connection"].detail
    assert found["connection"].way_out == (
        "start the server, or correct host and port in database.url"
    )
    assert "c4n4ry" not in str(found)


def test_database_in_another_encoding(postgres_url, database_url):
    """
    The way out is to create another one.
    """
    name = f"latin_{database_url[-12:]}"
    execute(
        postgres_url,
        f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' "
        "TEMPLATE template0",
    )
    try:
        found = look(f"{database_url.rpartition('/')[0]}/{name}")
    finally:
        execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")

    assert found["server"].state == "failed"
    assert found["server"].way_out == "create one with ENCODING 'UTF8'"


def test_no_database():
    """
    Is a mistake of the caller.
    """
    with pytest.raises(ConfigError):
        inspect_database(None)
