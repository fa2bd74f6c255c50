"""
What `auditlog db grant` gives: enough, and nothing that isn't needed.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from psycopg import sql

from auditlog.abc import DeadLetter, EventQuery
from auditlog.config import DatabaseConfig
from auditlog.errors import AuditLogError, ReadError, SinkSetupError
from auditlog.event import Actor, Outcome
from auditlog.postgres import (
    PostgresReader,
    PostgresSink,
    grant_roles,
    grant_sql,
    init_schema,
    upgrade_schema,
)
from auditlog.postgres.privileges import PRIVILEGES, _by_column
from auditlog.testing.services import create_database, drop_database
from tests.fix_postgres import role_maker
from tests.postgres_tools import (
    execute,
    make_record,
    make_records,
    opened,
    until,
)


TABLES = (
    "event",
    "entry",
    "tree",
    "delivery",
    "dead_letter",
    "schema_version",
)
CHANGES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")

INSERT = (
    "INSERT INTO audit.event (id, occurred_at, event_type, resource, outcome, "
    "body) VALUES (%s, now(), 'A.B', 'c/d', 'success', '{}')"
)


@pytest.fixture
def granted(database_url, make_role):
    """
    A database with tables, and one role of each kind.
    """
    init_schema(database_url)
    roles = {part: make_role(part) for part in PRIVILEGES}
    grant_roles(
        database_url, **{f"{part}s": [names(roles[part])] for part in roles}
    )
    return roles


@pytest.fixture(scope="module")
def shared(postgres_url):
    """
    As before, for all tests of single privileges; each gives back its own.
    """
    name = f"roles_{uuid4().hex}"
    url = create_database(postgres_url, name)
    init_schema(url)
    with role_maker(url) as make:
        roles = {part: make(part) for part in PRIVILEGES}
        grant_roles(
            url, **{f"{part}s": [names(roles[part])] for part in roles}
        )
        yield url, roles
    drop_database(postgres_url, name)


def names(config):
    return config.username


def as_role(config, query, *params):
    with psycopg.connect(**config.parameters(), autocommit=True) as conn:
        cursor = conn.execute(query, params or None)
        return cursor.fetchall() if cursor.description else []


def as_writer(config):
    """
    Store one, several and many, and find that they were there already.
    """
    batches = make_records(1), make_records(2), make_records(200)
    with closing(PostgresSink(config)) as sink:
        for batch in batches * 2:
            sink.write(batch)


def as_relay(config):
    """
    Number, read, hold the lease, move on, keep dead letters twice, give them
    out again, and say how it stands.
    """
    with closing(PostgresSink(config)) as journal:
        journal.size(timeout=5)
        letter = DeadLetter(
            record=journal.read(0, 9)[0], reason="no", attempts=1
        )
        lease = journal.lease("kafka")
        lease.renew()
        for _ in range(2):
            lease.advance(journal.position("kafka"), [letter])
        lease.release()
        journal.lease("kafka").release()
        (found,) = journal.dead_letters("kafka")
        journal.refused_again("kafka", found.record.index, "still no")
        journal.redriven("kafka", found.record.index)
        assert journal.status().relays


def as_reader(config):
    """
    Read all, and by everything that can be asked for, also with psql; see
    how the journal stands.
    """
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    query = EventQuery(
        since=long_ago,
        event_types=["*"],
        actors=["alice"],
        resources=["*"],
        outcomes=list(Outcome),
        tenants=["t"],
        text="alice",
        order="newest",
    )
    reader = PostgresReader(config)
    assert list(reader)
    assert list(reader.read(query))
    assert as_role(config, "SELECT idx, actor, body FROM audit.event_json")
    with closing(PostgresSink(config)) as journal:
        assert journal.status(relays=["kafka"]).relays


WORK = {"writer": as_writer, "relay": as_relay, "reader": as_reader}


def store_some(url):
    with closing(PostgresSink(url)) as sink:
        sink.write([make_record(actor=Actor(id="alice"), tenant="t")])
        sink.size(timeout=5)
        sink.write(make_records(1))


@pytest.mark.parametrize("part", PRIVILEGES)
def test_enough(granted, database_url, part):
    """
    Each role does all that it is there for.
    """
    store_some(database_url)

    WORK[part](granted[part])


# Which work needs a table, as our messages begin.
DOING = {
    ("writer", "event"): "store audit events",
    ("writer", "event_seq"): "store audit events",
    ("writer", "schema_version"): "store audit events",
    ("writer", ""): "store audit events",
    ("relay", "event"): "read the journal",
    ("relay", "event_seq"): "read the journal",
    ("relay", "entry"): "read the journal",
    ("relay", "tree"): "read the journal",
    ("relay", "schema_version"): "read the journal",
    ("relay", ""): "read the journal",
    ("relay", "delivery"): "(acquire|renew|advance|release) the lease",
    ("relay", "dead_letter"): "(advance the lease|(read|change) (a )?dead)",
    ("reader", "event"): "read audit events",
    ("reader", "entry"): "read audit events",
    ("reader", ""): "read audit events",
    ("reader", "schema_version"): "look at the journal",
    ("reader", "tree"): "look at the journal",
    ("reader", "delivery"): "look at the journal",
    ("reader", "dead_letter"): "look at the journal",
}
EACH = [
    pytest.param(part, each, id=f"{part}-{each}".replace(" ", "-"))
    for part, privileges in PRIVILEGES.items()
    for each in _by_column(privileges)
]


def statement(verb, each, direction, role):
    columns = [sql.Identifier(name) for name in each.columns]
    listed = sql.SQL(" ({})").format(sql.SQL(", ").join(columns))
    path = ("audit", each.name) if each.name else ("audit",)
    text = f"{verb} {each.action}{{}} ON {each.kind} {{}} {direction} {{}}"
    return sql.SQL(text).format(
        listed if columns else sql.SQL(""),
        sql.Identifier(*path),
        sql.Identifier(role),
    )


@pytest.mark.parametrize(("part", "each"), EACH)
def test_nothing_more_than_needed(shared, part, each):
    """
    Without any single one, some work fails; the message says the way out.
    """
    url, roles = shared
    role = names(roles[part])
    store_some(url)
    execute(url, "DELETE FROM audit.delivery")  # leases of those before
    execute(url, "DELETE FROM audit.dead_letter")
    execute(url, statement("REVOKE", each, "FROM", role))
    try:
        with pytest.raises((AuditLogError, psycopg.Error)) as caught:
            WORK[part](roles[part])
    finally:
        execute(url, statement("GRANT", each, "TO", role))

    if each.name == "event_json":  # which only people look at
        assert isinstance(caught.value, psycopg.errors.InsufficientPrivilege)
        return
    doing = DOING[part, each.name]
    expected = ReadError if doing == "read audit events" else SinkSetupError
    assert type(caught.value) is expected
    assert caught.match(f"^can't {doing} ")
    what = each.name or "schema audit"
    assert caught.match(rf"permission denied for .*{what} \(SQLSTATE 42501\)")
    assert caught.match(
        "; let the owner of the tables give this role what it lacks, "
        "with auditlog db grant$"
    )


@pytest.mark.parametrize("part", PRIVILEGES)
def test_nobody_changes_what_is_stored(granted, database_url, part):
    """
    No role may, even where the triggers are gone.
    """
    store_some(database_url)
    for table, column in (("event", "body"), ("entry", "leaf")):
        execute(database_url, f"DROP TRIGGER append_only ON audit.{table}")
        for query in (
            f"UPDATE audit.{table} SET {column} = {column}",
            f"DELETE FROM audit.{table}",
            f"TRUNCATE audit.{table}",
            f"DROP TABLE audit.{table} CASCADE",
            f"ALTER TABLE audit.{table} DISABLE TRIGGER ALL",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                as_role(granted[part], query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT body FROM audit.event",
        "SELECT event_type FROM audit.event",
        "SELECT count(*) FROM audit.entry",
        "SELECT count(*) FROM audit.dead_letter",
        "SELECT setval('audit.event_seq', 1)",
        "SELECT last_value FROM audit.event_seq",
        "INSERT INTO audit.event (recorded_at) VALUES (now())",
        "INSERT INTO audit.entry VALUES (1, gen_random_uuid(), '')",
        "UPDATE audit.tree SET size = 0",
        "UPDATE audit.delivery SET position = 0",
        "CREATE TABLE audit.mine ()",
        "INSERT INTO audit.schema_version VALUES (7)",
    ],
)
def test_writer_neither_reads_nor_forges(granted, query):
    """
    Not the events of others, not when they were stored, not the order.
    """
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role(granted["writer"], query)


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO audit.event (id) VALUES (gen_random_uuid())",
        "SELECT nextval('audit.event_seq')",
        "SELECT setval('audit.event_seq', 1)",
        "DELETE FROM audit.entry",
        "UPDATE audit.delivery SET epoch = 0",
        "DELETE FROM audit.dead_letter",
        "CREATE TABLE audit.mine ()",
        "INSERT INTO audit.schema_version VALUES (7)",
    ],
)
def test_relay_carries_on_and_no_more(granted, query):
    """
    It adds no event and makes nothing unhappen.
    """
    if "delivery" in query:
        query = query.replace("SET epoch = 0", "SET relay = 'x'")

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role(granted["relay"], query)


def test_reader_writes_nothing(granted):
    """
    There is no table, column or sequence that it may change.
    """
    config = granted["reader"]
    may = [
        (table, change)
        for table in (*TABLES, "event_json")
        for change in CHANGES
        if as_role(
            config,
            "SELECT has_table_privilege(%s, %s)",
            f"audit.{table}",
            change,
        )
        != [(False,)]
        or (
            change in {"INSERT", "UPDATE", "REFERENCES"}
            and as_role(
                config,
                "SELECT has_any_column_privilege(%s, %s)",
                f"audit.{table}",
                change,
            )
            != [(False,)]
        )
    ]

    assert may == []
    for query in (
        "SELECT nextval('audit.event_seq')",
        "CREATE TABLE audit.mine ()",
        "SELECT FROM audit.event FOR UPDATE",
        "BEGIN; LOCK TABLE audit.event IN ROW EXCLUSIVE MODE",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_role(config, query)


def test_public_gets_nothing(granted, database_url, make_role):
    """
    A role of no kind may not even name the tables.
    """
    assert (
        execute(
            database_url,
            "SELECT relname, acl FROM pg_class, aclexplode(relacl) AS acl "
            "WHERE relnamespace = 'audit'::regnamespace AND acl.grantee = 0",
        )
        == []
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role(make_role("nobody"), "SELECT count(*) FROM audit.event")


@pytest.mark.parametrize("whose", ["writer", "superuser", "prepared"])
def test_relay_sees_the_locks_of_all(granted, database_url, whose):
    """
    An open transaction holds the order back, whoever has it open.

    A relay that did not see its lock would number what comes after it and
    never come back for it.
    """
    late = str(uuid4())
    url = (
        psycopg.conninfo.make_conninfo(**granted["writer"].parameters())
        if whose == "writer"
        else database_url
    )
    with (
        closing(PostgresSink(granted["relay"])) as journal,
        closing(PostgresSink(granted["writer"])) as sink,
        psycopg.connect(url) as writing,
    ):
        if whose == "prepared":
            writing.tpc_begin("late")
        writing.execute(INSERT, [late])
        if whose == "prepared":
            writing.tpc_prepare()
        sink.write(make_records(3))

        assert journal.read(0, 10) == []
        assert journal.size() == 0
        (held,) = execute(
            database_url,
            "SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock' "
            "AND relation = 'audit.event'::regclass",
        )
        assert held == (1,)

        writing.tpc_commit() if whose == "prepared" else writing.commit()
        until(lambda: len(journal.read(0, 10)) == 4)
        assert late == str(journal.read(0, 1)[0].event_id)


def test_relay_says_who_holds_the_order_back(granted, caplog):
    """
    How old the transaction is may be hidden from it; which one is not.
    """
    with closing(PostgresSink(granted["relay"])) as journal:
        journal._order._warn_after = 0.0
        writer = psycopg.conninfo.make_conninfo(
            **granted["writer"].parameters()
        )
        with opened(writer, INSERT, str(uuid4())) as writing:
            until(lambda: journal.read(0, 1) == [] and caplog.records)

            assert f"(backend {writing.info.backend_pid})" in caplog.text


def test_role_that_does_not_exist(database_url, make_role):
    """
    All that don't are named, and the others get nothing.
    """
    init_schema(database_url)
    there = make_role("there")

    with pytest.raises(
        SinkSetupError, match=r"no role 'Absent', 'gone' in .*; create it"
    ):
        grant_roles(
            database_url,
            writers=[names(there), "Absent"],
            readers=["gone", "Absent"],
        )

    assert not_allowed(there)


def not_allowed(config):
    return as_role(
        config, "SELECT has_schema_privilege('audit', 'USAGE')"
    ) == [(False,)]


@pytest.mark.parametrize("name", ["public", "none", "", "a\0b"])
def test_name_of_no_role(name):
    """
    ``GRANT ... TO "public"`` means everybody, even in quotes.
    """
    with pytest.raises(SinkSetupError, match="is no role"):
        grant_sql(readers=[name])


def test_names_are_quoted(database_url, make_role):
    """
    Whatever stands in them; schema and roles alike.
    """
    config = DatabaseConfig(url=database_url, schema="Select")
    init_schema(config)
    odd = make_role('x"; DROP SCHEMA "Select" CASCADE; -- É')

    grant_roles(config, writers=[names(odd)], readers=[names(odd)])

    writer = DatabaseConfig(
        **{
            name: getattr(odd, name)
            for name in ("host", "port", "name", "username")
        },
        schema="Select",
    )
    as_writer(writer)
    assert len(list(PostgresReader(writer))) == 203


def test_the_sql_does_the_same(database_url, make_role):
    """
    A DBA may run it with psql.
    """
    init_schema(database_url)
    store_some(database_url)
    roles = {part: make_role(part) for part in PRIVILEGES}

    execute(
        database_url,
        grant_sql(**{f"{part}s": [names(roles[part])] for part in roles}),
    )

    for part, config in roles.items():
        WORK[part](config)


def test_database_that_not_everybody_may_connect_to(database_url, make_role):
    """
    The roles may then.
    """
    init_schema(database_url)
    writer = make_role("writer")
    name = database_url.rpartition("/")[2]
    execute(database_url, f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    with pytest.raises(SinkSetupError, match="permission denied for database"):
        as_writer(writer)

    grant_roles(database_url, writers=[names(writer)])

    as_writer(writer)


def test_one_that_may_not_grant(granted, database_url, make_role):
    """
    Not even a part, of which the server would only warn.
    """
    other = make_role("other")
    for options in ("", "WITH GRANT OPTION"):
        execute(
            database_url,
            f"GRANT USAGE ON SCHEMA audit TO {names(granted['writer'])} "
            f"{options}",
        )
        with pytest.raises(
            SinkSetupError, match="; run it as the owner of the tables"
        ):
            grant_roles(granted["writer"], writers=[names(other)])

        assert not_allowed(other)


def test_tables_that_are_absent(database_url, make_role):
    """
    There is nothing to grant yet.
    """
    with pytest.raises(SinkSetupError, match="auditlog db init"):
        grant_roles(database_url, writers=[names(make_role("early"))])


def test_role_that_may_not_create_the_tables(make_role):
    """
    Another one has to; the message says how.
    """
    poor = make_role("poor")
    creating = DatabaseConfig(
        host=poor.host, port=poor.port, name=poor.name, username=poor.username
    )

    for work in (init_schema, as_writer):
        with pytest.raises(
            SinkSetupError,
            match=r"can't create schema 'audit'.*42501.*auditlog db init, and "
            "then auditlog db grant",
        ):
            work(creating)


def test_owner_is_no_superuser(database_url, make_role):
    """
    One that may create a schema creates it, grants, and upgrades.
    """
    owner, writer = make_role("owner"), make_role("writer")
    name = database_url.rpartition("/")[2]
    execute(database_url, f"GRANT CREATE ON DATABASE {name} TO {names(owner)}")

    assert init_schema(owner)
    grant_roles(owner, writers=[names(writer)])

    as_writer(writer)
    assert upgrade_schema(owner) == ()
