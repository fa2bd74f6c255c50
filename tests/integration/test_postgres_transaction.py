"""
Events in transactions of the application's own, whatever it connects with.
"""

from __future__ import annotations

import asyncio
import contextlib

from uuid import uuid4

import django
import psycopg
import pytest
import sqlalchemy

from django.conf import settings
from django.db import ConnectionHandler, connections, transaction
from psycopg.rows import dict_row
from sqlalchemy import text
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_scoped_session,
    create_async_engine,
)
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from auditlog import (
    Actor,
    AuditLogPublisher,
    InMemorySink,
    PostgresSink,
    Resource,
    codec,
)
from auditlog.errors import (
    ConfigError,
    DuplicateEventError,
    EventRefusedError,
    PublisherClosedError,
    SinkError,
    SinkSetupError,
    TransactionError,
)
from auditlog.postgres import init_schema
from auditlog.testing.services import create_database, drop_database
from tests.kafka_tools import make_event
from tests.postgres_tools import execute


TEXT = "\u2028 é \U0001f600 %s :name 'quoted' \\n"


@pytest.fixture
def url(database_url):
    """
    A database with our tables and one of the application's.
    """
    init_schema(database_url)
    execute(database_url, "CREATE TABLE orders (id text PRIMARY KEY)")
    return database_url


@pytest.fixture
def publisher(url):
    with AuditLogPublisher(PostgresSink(url)) as publisher:
        yield publisher


@pytest.fixture
def stored(url):
    """
    The bodies in the table, and the orders, as another transaction sees them.
    """

    def stored():
        bodies = execute(url, "SELECT body FROM audit.event ORDER BY seq")
        orders = execute(url, "SELECT id FROM orders ORDER BY id")
        return [bytes(b) for (b,) in bodies], [o for (o,) in orders]

    return stored


def event():
    return make_event(metadata={"text": TEXT}, reason=TEXT)


ORDER = "INSERT INTO orders VALUES ('1')"


# Each way gives `(connection, order, commit)`, and ends without a commit.


@contextlib.contextmanager
def by_psycopg(url):
    with psycopg.connect(url) as connection:
        yield connection, lambda: connection.execute(ORDER), connection.commit
        connection.rollback()


@contextlib.contextmanager
def by_psycopg_with_rows_of_its_own(url):
    with psycopg.connect(
        url, row_factory=dict_row, cursor_factory=psycopg.ClientCursor
    ) as connection:
        yield connection, lambda: connection.execute(ORDER), connection.commit
        connection.rollback()


@contextlib.contextmanager
def engine(url, driver):
    made = sqlalchemy.create_engine(url.replace("postgresql", driver))
    yield made
    made.dispose()


def by_sqlalchemy(driver):
    @contextlib.contextmanager
    def connect(url):
        with engine(url, driver) as made, made.connect() as connection:
            yield (
                connection,
                lambda: connection.execute(text(ORDER)),
                connection.commit,
            )

    return connect


@contextlib.contextmanager
def by_session(url):
    with engine(url, "postgresql+psycopg") as made, Session(made) as session:
        yield session, lambda: session.execute(text(ORDER)), session.commit


@contextlib.contextmanager
def by_scoped_session(url):
    with engine(url, "postgresql+psycopg2") as made:
        session = scoped_session(sessionmaker(made))
        yield session, lambda: session.execute(text(ORDER)), session.commit
        session.remove()


@contextlib.contextmanager
def by_django(url):
    with django_connection(url) as connection:
        connection.set_autocommit(False)
        cursor = connection.cursor()
        yield connection, lambda: cursor.execute(ORDER), connection.commit
        connection.rollback()
        connection.set_autocommit(True)


@contextlib.contextmanager
def django_connection(url):
    parts = psycopg.conninfo.conninfo_to_dict(url)
    if not settings.configured:
        settings.configure(DATABASES={}, USE_TZ=True)
        django.setup()
    handler = ConnectionHandler(
        {
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts["dbname"],
                "USER": parts["user"],
                "HOST": parts["host"],
                "PORT": parts["port"],
            }
        }
    )
    connection = handler["default"]
    connections["audit_test"] = connection
    connection.alias = "audit_test"
    try:
        yield connection
    finally:
        connection.close()
        del connections["audit_test"]


WAYS = {
    "psycopg": by_psycopg,
    "psycopg, rows as dicts": by_psycopg_with_rows_of_its_own,
    "sqlalchemy, psycopg": by_sqlalchemy("postgresql+psycopg"),
    "sqlalchemy, psycopg2": by_sqlalchemy("postgresql+psycopg2"),
    "sqlalchemy, pg8000": by_sqlalchemy("postgresql+pg8000"),
    "session": by_session,
    "scoped session": by_scoped_session,
    "django": by_django,
}

every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


@every_way
def test_commits_with_the_business_row(url, publisher, stored, way):
    """
    Nothing is there before the commit, event and order after it, and the
    event's bytes are those that any other way would store.
    """
    published = event()
    with way(url) as (connection, order, commit):
        order()
        assert publisher.publish_in(connection, published) is None
        before = stored()
        commit()

    assert before == ([], [])
    assert stored() == ([codec.encode(published)], ["1"])


@every_way
def test_vanishes_with_the_business_row(url, publisher, stored, way):
    """
    A rollback leaves neither.
    """
    with way(url) as (connection, order, _):
        order()
        publisher.publish_in(connection, event())

    assert stored() == ([], [])


@every_way
def test_same_event_again_and_another_with_its_id(url, publisher, stored, way):
    """
    The same event is stored once; another under its id is refused, and the
    caller's transaction can go on.
    """
    published = event()
    other = make_event(event_id=published.event_id, reason="other")
    with way(url) as (connection, order, commit):
        publisher.publish_in(connection, published)
        publisher.publish_in(connection, published)
        with pytest.raises(DuplicateEventError, match=str(other.event_id)):
            publisher.publish_in(connection, other)
        order()
        commit()
    publisher.publish(published)

    assert stored() == ([codec.encode(published)], ["1"])


@every_way
def test_failed_transaction_refused(url, publisher, stored, way):
    """
    In a transaction that has failed nothing can be written, and that is said.
    """
    with way(url) as (connection, order, _):
        order()
        with pytest.raises(Exception, match="orders_pkey"):
            order()
        with pytest.raises(TransactionError, match="roll it back"):
            publisher.publish_in(connection, event())

    assert stored() == ([], [])


@every_way
def test_relays_carry_it_on(url, way):
    """
    What was committed reaches the relay's sink, as any other event.
    """
    target = InMemorySink()
    published = event()
    with AuditLogPublisher(PostgresSink(url), relays={"r": target}) as one:
        with way(url) as (connection, _, commit):
            one.publish_in(connection, published)
            commit()
        one.wait_delivered(30)

        assert [r.body for r in target.records] == [codec.encode(published)]


def test_no_connection_of_its_own(url, publisher):
    """
    Only the caller's connection is used.
    """
    with psycopg.connect(url) as connection:
        publisher.publish_in(connection, event())
        (others,) = execute(
            url,
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = "
            "'auditlog'",
        )
        connection.rollback()

    assert others == (0,)


# Savepoints


def test_savepoints_of_psycopg(url, publisher, stored):
    """
    An event in a savepoint that is rolled back is gone, others are not.
    """
    kept, gone = event(), event()
    with psycopg.connect(url) as connection:
        publisher.publish_in(connection, kept)
        with connection.transaction(force_rollback=True):
            publisher.publish_in(connection, gone)

    assert stored()[0] == [codec.encode(kept)]


def test_savepoints_of_sqlalchemy(url, publisher, stored):
    """
    As above, with a nested transaction of a session.
    """
    kept, gone = event(), event()
    with engine(url, "postgresql+psycopg") as made, Session(made) as session:
        publisher.publish_in(session, kept)
        nested = session.begin_nested()
        publisher.publish_in(session, gone)
        nested.rollback()
        session.commit()

    assert stored()[0] == [codec.encode(kept)]


def test_atomic_of_django(url, publisher, stored):
    """
    As above, with nested atomic blocks.
    """
    kept, gone = event(), event()
    atomic = transaction.atomic(using="audit_test")
    with django_connection(url) as connection, atomic:
        publisher.publish_in(connection, kept)
        with contextlib.suppress(ZeroDivisionError), atomic:
            publisher.publish_in(connection, gone)
            raise ZeroDivisionError

    assert stored()[0] == [codec.encode(kept)]


def test_explicit_transaction_in_autocommit_mode(url, publisher, stored):
    """
    A connection in autocommit mode has a transaction inside of
    ``transaction()``.
    """
    published = event()
    connection = psycopg.connect(url, autocommit=True)
    with connection, connection.transaction():
        publisher.publish_in(connection, published)

    assert stored()[0] == [codec.encode(published)]


# Event loops


@contextlib.asynccontextmanager
async def by_async_psycopg(url):
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield connection, lambda: connection.execute(ORDER), connection.commit
        await connection.rollback()


def by_async_sqlalchemy(driver):
    @contextlib.asynccontextmanager
    async def connect(url):
        made = create_async_engine(url.replace("postgresql", driver))
        async with made.connect() as connection:
            yield (
                connection,
                lambda: connection.execute(text(ORDER)),
                connection.commit,
            )
        await made.dispose()

    return connect


def by_async_session(driver, *, scoped=False):
    @contextlib.asynccontextmanager
    async def connect(url):
        made = create_async_engine(url.replace("postgresql", driver))
        session = AsyncSession(made)
        if scoped:
            session = async_scoped_session(
                lambda: AsyncSession(made), scopefunc=lambda: 1
            )
        yield session, lambda: session.execute(text(ORDER)), session.commit
        await session.close()
        await made.dispose()

    return connect


ASYNC_WAYS = {
    "psycopg": by_async_psycopg,
    "sqlalchemy, psycopg": by_async_sqlalchemy("postgresql+psycopg"),
    "sqlalchemy, asyncpg": by_async_sqlalchemy("postgresql+asyncpg"),
    "session, asyncpg": by_async_session("postgresql+asyncpg"),
    "session, psycopg": by_async_session("postgresql+psycopg"),
    "scoped": by_async_session("postgresql+asyncpg", scoped=True),
}

every_async_way = pytest.mark.parametrize(
    "way", ASYNC_WAYS.values(), ids=ASYNC_WAYS.keys()
)


@every_async_way
def test_commits_in_an_event_loop(url, publisher, stored, way):
    """
    As in threads: with the business row, once, and not without it.
    """
    published, gone = event(), event()
    other = make_event(event_id=published.event_id, reason="other")

    async def main():
        async with way(url) as (connection, order, commit):
            await order()
            await publisher.publish_in_async(connection, published)
            await publisher.publish_in_async(connection, published)
            with pytest.raises(DuplicateEventError):
                await publisher.publish_in_async(connection, other)
            before = stored()
            await commit()
            await publisher.publish_in_async(connection, gone)
        return before

    assert asyncio.run(main()) == ([], [])
    assert stored() == ([codec.encode(published)], ["1"])


# Refused


def refused(publisher, connection):
    with pytest.raises(TransactionError) as caught:
        publisher.publish_in(connection, event())
    return str(caught.value)


def test_autocommit_refused(url, publisher, stored):
    """
    In autocommit mode the event would not go with the business row.
    """
    said = []
    with psycopg.connect(url, autocommit=True) as connection:
        said.append(refused(publisher, connection))
    for driver in ("psycopg", "psycopg2", "pg8000"):
        made = sqlalchemy.create_engine(
            url.replace("postgresql", f"postgresql+{driver}"),
            isolation_level="AUTOCOMMIT",
        )
        with made.connect() as connection:
            said.append(refused(publisher, connection))
        made.dispose()
        with engine(url, f"postgresql+{driver}") as made:
            options = {"isolation_level": "AUTOCOMMIT"}
            with made.connect().execution_options(**options) as connection:
                said.append(refused(publisher, connection))
    with django_connection(url) as connection:
        said.append(refused(publisher, connection))

    assert len(said) == 8
    assert all("autocommit mode" in each for each in said), said
    assert stored() == ([], [])


def test_autocommit_refused_in_an_event_loop(url, publisher, stored):
    """
    As above, for async engines.
    """

    async def main():
        for driver in ("asyncpg", "psycopg"):
            made = create_async_engine(
                url.replace("postgresql", f"postgresql+{driver}"),
                isolation_level="AUTOCOMMIT",
            )
            async with made.connect() as connection:
                with pytest.raises(TransactionError, match="autocommit"):
                    await publisher.publish_in_async(connection, event())
            await made.dispose()

    asyncio.run(main())
    assert stored() == ([], [])


def test_pipelines(url, publisher, stored):
    """
    In a pipeline there is a transaction only if one was begun, also where
    nothing is known of it yet.
    """
    published = event()
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.pipeline():
            connection.execute("SELECT 1")
            assert "autocommit mode" in refused(publisher, connection)
        with connection.pipeline(), connection.transaction():
            publisher.publish_in(connection, published)

    assert stored()[0] == [codec.encode(published)]


def test_pipelines_in_an_event_loop(url, publisher, stored):
    """
    As above.
    """
    published = event()

    async def main():
        connection = await psycopg.AsyncConnection.connect(
            url, autocommit=True
        )
        async with connection, connection.pipeline():
            await connection.execute("SELECT 1")
            with pytest.raises(TransactionError, match="autocommit"):
                await publisher.publish_in_async(connection, event())
            async with connection.transaction():
                await publisher.publish_in_async(connection, published)

    asyncio.run(main())

    assert stored()[0] == [codec.encode(published)]


def test_cursors_of_any_kind(url, publisher, stored):
    """
    What the caller reads with is of no matter.
    """
    first, second = event(), event()
    with psycopg.connect(url, cursor_factory=psycopg.RawCursor) as connection:
        publisher.publish_in(connection, first)
    with engine(url, "postgresql+psycopg2") as made, made.connect() as plain:
        options = {"stream_results": True, "yield_per": 10}
        publisher.publish_in(plain.execution_options(**options), second)
        plain.commit()

    assert stored()[0] == [codec.encode(first), codec.encode(second)]


def test_things_that_only_make_connections_refused(url, publisher):
    """
    An engine, or a factory of sessions, has no transaction.
    """
    with engine(url, "postgresql+psycopg") as made:
        for thing in (made, sessionmaker(made)):
            assert "give a psycopg Connection" in refused(publisher, thing)


def test_no_content_hangs_on_the_error(url, publisher):
    """
    SQLAlchemy's own error quotes all values; it does not come along.
    """
    execute(url, "DROP TABLE audit.event CASCADE")
    with engine(url, "postgresql+psycopg") as made, made.connect() as plain:
        with pytest.raises(SinkSetupError, match="42P01") as caught:
            publisher.publish_in(plain, make_event(actor=Actor(id="c4n4ry")))
        plain.rollback()

    exc = caught.value
    while exc is not None:
        assert "c4n4ry" not in repr(exc)
        assert "c4n4ry" not in str(exc)
        exc = exc.__cause__ or exc.__context__


def test_closed_refused(url, publisher):
    """
    A closed connection, of each kind.
    """
    connection = psycopg.connect(url)
    connection.close()
    assert "closed" in refused(publisher, connection)
    with engine(url, "postgresql+psycopg") as made:
        connection = made.connect()
        connection.close()
        assert "closed" in refused(publisher, connection)


def test_broken_connection_refused(url, publisher):
    """
    One that the server ended is told so, not taken for a fault of the event.
    """
    with psycopg.connect(url) as connection:
        pid = connection.info.backend_pid
        connection.commit()
        execute(url, "SELECT pg_terminate_backend(%s)", pid)
        with pytest.raises(SinkError):
            publisher.publish_in(connection, event())
        said = refused(publisher, connection)
        assert "closed" in said or "broken" in said


def test_other_databases_refused(url, postgres_url, publisher):
    """
    SQLite, and a PostgreSQL database without our tables.
    """
    made = sqlalchemy.create_engine("sqlite://")
    with made.connect() as connection:
        assert "leads to sqlite" in refused(publisher, connection)
    made.dispose()
    name = f"other_{uuid4().hex}"
    with psycopg.connect(create_database(postgres_url, name)) as connection:
        with pytest.raises(SinkSetupError, match="42P01"):
            publisher.publish_in(connection, event())
        connection.rollback()
    drop_database(postgres_url, name)


@pytest.fixture
def other(postgres_url):
    """
    Another database with tables for events.
    """
    name = f"other_{uuid4().hex}"
    init_schema(made := create_database(postgres_url, name))
    yield made
    drop_database(postgres_url, name)


@pytest.mark.parametrize(
    "way", [by_psycopg, by_sqlalchemy("postgresql+pg8000")]
)
def test_audit_log_of_another_database_refused(url, other, publisher, way):
    """
    Nothing is put there, once the sink has seen its own database; the
    transaction can go on.
    """
    publisher.publish(event())
    execute(other, "CREATE TABLE orders (id text PRIMARY KEY)")
    with way(other) as (connection, order, commit):
        order()
        said = refused(publisher, connection)
        commit()

    assert "the publisher's events are in 'test_" in said
    assert "leads to database 'other_" in said
    assert [] == execute(other, "SELECT id FROM audit.event")
    assert [("1",)] == execute(other, "SELECT id FROM orders")
    execute(other, "DROP SCHEMA audit CASCADE")
    with way(other) as (connection, _, _):
        said = refused(publisher, connection)
    assert "leads to a database without the tables of the audit log" in said


@pytest.mark.parametrize("thing", [None, "postgresql://h/d", object()])
def test_other_things_refused(publisher, thing):
    """
    What is no connection at all is answered with what would be one.
    """
    assert "give a psycopg Connection, an SQLAlchemy" in refused(
        publisher, thing
    )


def test_sync_and_async_taken_for_each_other(url, publisher):
    """
    Each names the other.
    """

    async def main():
        connection = await psycopg.AsyncConnection.connect(url)
        assert "use publish_in_async()" in refused(publisher, connection)
        await connection.close()

    asyncio.run(main())
    with psycopg.connect(url) as connection:
        with pytest.raises(TransactionError, match=r"use publish_in\(\)"):
            asyncio.run(publisher.publish_in_async(connection, event()))
        connection.rollback()
    with (
        django_connection(url) as connection,
        pytest.raises(TransactionError, match="sync_to_async"),
    ):
        asyncio.run(publisher.publish_in_async(connection, event()))


def test_sink_that_has_no_transactions(url):
    """
    Only a sink in a database can join a transaction.
    """
    with (
        AuditLogPublisher(InMemorySink()) as publisher,
        psycopg.connect(url) as connection,
        pytest.raises(ConfigError, match="use PostgresSink"),
    ):
        publisher.publish_in(connection, event())


def test_closed_publisher(url, publisher):
    """
    As every other call.
    """
    publisher.close()
    with (
        psycopg.connect(url) as connection,
        pytest.raises(PublisherClosedError),
    ):
        publisher.publish_in(connection, event())


def test_errors_name_the_state_and_no_content(url, publisher):
    """
    A refusal by the server is told by its SQLSTATE, for every driver alike.
    """
    execute(
        url,
        "ALTER TABLE audit.event ADD CONSTRAINT no CHECK (actor = 'never')",
    )
    for way in WAYS.values():
        with way(url) as (connection, _, _):
            with pytest.raises(EventRefusedError, match="23514") as caught:
                publisher.publish_in(
                    connection, make_event(actor=Actor(id="c4n4ry"))
                )
            assert "c4n4ry" not in str(caught.value)


# Scopes


@every_way
def test_scope_commits_and_vanishes_with_the_transaction(
    url, publisher, stored, way
):
    """
    The success of a scope is the transaction's, its failure is not: the
    rollback cannot erase it.
    """

    def record(connection):
        return publisher.record(
            "App.Order.Place",
            resource=Resource(type="order", id="1"),
            connection=connection,
        )

    with way(url) as (connection, order, _), record(connection):
        order()
    assert stored() == ([], [])

    with way(url) as (connection, order, commit):
        with record(connection):
            order()
        commit()
    again = pytest.raises(Exception, match="orders_pkey")
    with way(url) as (connection, order, _), again, record(connection):
        order()

    bodies, orders = stored()
    outcomes = [codec.decode(body).outcome for body in bodies]
    assert (outcomes, orders) == (["success", "failure"], ["1"])


@every_async_way
def test_scope_in_an_event_loop(url, publisher, stored, way):
    """
    As above.
    """

    def record(connection):
        return publisher.record(
            "App.Order.Place",
            resource=Resource(type="order", id="1"),
            connection=connection,
        )

    async def main():
        async with way(url) as (connection, order, commit):
            async with record(connection):
                await order()
            await commit()
        async with way(url) as (connection, order, _):
            with pytest.raises(Exception, match="orders_pkey"):
                async with record(connection):
                    await order()

    asyncio.run(main())

    outcomes = [codec.decode(body).outcome for body in stored()[0]]
    assert outcomes == ["success", "failure"]
