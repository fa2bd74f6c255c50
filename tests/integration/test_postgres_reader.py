"""
Reading from PostgreSQL, beyond what the contract of readers holds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import attrs
import pytest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditlog import codec
from auditlog.abc import EventQuery, Record, Skipped
from auditlog.errors import ReadError
from auditlog.event import Actor, AuditEvent, Outcome, Resource
from auditlog.postgres import PostgresReader, PostgresSink
from tests.postgres_tools import as_role, execute, make_records, opened


@pytest.fixture
def sink(database_url):
    sink = PostgresSink(database_url)
    sink.size()
    yield sink
    sink.close()


def ids(records):
    return [record.event_id for record in records]


def test_records_are_those_that_were_stored(sink, database_url):
    """
    Same id and bytes; UTC whatever the server's zone; an index once a relay
    has read.
    """
    records = make_records(3)
    sink.write(records)
    sink.read(0, 10)
    sink.write(more := make_records(1))

    found = list(PostgresReader(database_url))

    assert ids(records + more) == ids(found)
    assert [r.body for r in records + more] == [r.body for r in found]
    assert [r.index for r in found] == [1, 2, 3, None]
    for record in found:
        assert record.recorded_at.tzinfo is UTC
        age = datetime.now(UTC) - record.recorded_at
        assert timedelta() < age < timedelta(minutes=5)


def test_no_transaction_is_open_between_pages(sink, database_url):
    """
    A slow export holds nothing up on the server.
    """
    sink.write(make_records(10))
    events = iter(PostgresReader(database_url, page_size=3))
    for _ in range(4):
        next(events)

    states = execute(
        database_url,
        "SELECT state, backend_xmin FROM pg_stat_activity WHERE datname = "
        "current_database() AND pid <> pg_backend_pid()",
    )

    assert set(states) == {("idle", None)}


def test_reading_survives_a_restart_between_pages(sink, database_url):
    """
    A page needs no state on the server.
    """
    sink.write(records := make_records(10))
    reader = PostgresReader(database_url, page_size=3)
    events = iter(reader)
    found = [next(events) for _ in range(3)]
    execute(
        database_url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE "
        "datname = current_database() AND pid <> pg_backend_pid()",
    )

    found += events

    assert ids(records) == ids(found)


def test_without_tables(database_url):
    """
    The reader creates nothing, and says what is missing and the way out.
    """
    with pytest.raises(ReadError, match=r"42P01.*schema_sql\(\)"):
        PostgresReader(database_url).read().scan()

    assert (
        execute(
            database_url, "SELECT 1 FROM pg_namespace WHERE nspname = 'audit'"
        )
        == []
    )


def test_role_that_may_only_select(sink, database_url):
    """
    It needs two tables; without them it says so.
    """
    sink.write(make_records(2))
    tail = database_url[-12:]
    usage = "USAGE ON SCHEMA audit"
    reader = as_role(
        database_url,
        f"reads_{tail}",
        usage,
        "SELECT ON audit.event, audit.entry",
    )
    nobody = as_role(database_url, f"blind_{tail}", usage)

    assert len(list(PostgresReader(reader))) == 2
    with pytest.raises(ReadError, match="42501"):
        list(PostgresReader(nobody))


def test_numbering_never_moves_by_reading(sink, database_url):
    """
    A reader changes nothing.
    """
    sink.write(make_records(2))

    list(PostgresReader(database_url))

    assert sink.size() == 0


def test_what_is_not_committed_is_not_read(sink, database_url):
    """
    Nor does it hold anything back.
    """
    with opened(database_url, "SELECT nextval('audit.event_seq')"):
        sink.write(make_records(2))

        assert len(list(PostgresReader(database_url))) == 2


def test_row_that_is_no_event_is_skipped(sink, database_url):
    """
    Somebody else may have inserted it.
    """
    sink.write(make_records(1))
    execute(
        database_url,
        "INSERT INTO audit.event (id, occurred_at, event_type, resource, "
        "outcome, body) VALUES (gen_random_uuid(), now(), 'A.B.C', 'a/b', "
        "'success', '{}')",
    )

    query = EventQuery(outcomes="success")
    found = list(PostgresReader(database_url).scan(query))

    assert [type(item) for item in found] == [Record, Skipped]


def test_far_times(sink, database_url):
    """
    The first and the last moment that Python knows, in any zone.
    """
    west, east = timezone(timedelta(hours=-12)), timezone(timedelta(hours=14))
    first = datetime.min.replace(tzinfo=UTC)
    last = datetime.max.replace(tzinfo=UTC)
    records = []
    for time in (first, last):
        event = AuditEvent(
            event_type="A.B.C",
            resource=Resource(type="a", id="b"),
            occurred_at=time,
        )
        body = codec.encode(event)
        records.append(Record(event_id=event.event_id, body=body))
    sink.write(records)
    reader = PostgresReader(database_url)

    for since in (first, datetime.min.replace(tzinfo=east)):
        for until in (None, last, datetime.max.replace(tzinfo=west)):
            query = EventQuery(since=since, until=until)
            expected = [r for r in records if query.matches(r)]
            assert ids(expected) == ids(reader.read(query))


# Few letters, so that filters hit; and all that is special somewhere.
LETTERS = (
    "aAbBkKiI.%_\\*?[]^$|(){}+-'\"\n \u0130\u0131\u212a\u00c4\u00e4\U0001f600"
)
hostile = st.text(
    st.sampled_from(LETTERS),
    max_size=6,
)
words = hostile.filter(bool)
parts = words.map(lambda s: "".join(s.split()).replace(".", "") or "x")
texts = hostile | st.sampled_from(["\0", "a\0b", "\ud800"])
times = st.integers(0, 5).map(
    lambda n: datetime(2026, 1, 5, 11, tzinfo=UTC) + timedelta(0, n)
)
events = st.builds(
    AuditEvent,
    event_type=st.lists(parts, min_size=1, max_size=3).map(".".join),
    resource=st.builds(Resource, type=words, id=words),
    actor=st.none() | st.builds(Actor, id=words),
    tenant=st.none() | hostile,
    outcome=st.sampled_from(Outcome),
    occurred_at=times,
    event_id=st.builds(uuid4),
)


def several(values):
    return st.none() | st.lists(values, max_size=3)


queries = st.builds(
    EventQuery,
    since=st.none() | times,
    until=st.none() | times,
    event_types=several(texts),
    actors=several(texts),
    resources=several(texts),
    outcomes=several(st.sampled_from(Outcome)),
    tenants=several(texts),
    text=st.none() | hostile,
    order=st.sampled_from(["oldest", "newest"]),
    limit=st.none() | st.integers(0, 5),
)


@st.composite
def near(draw, record, query):
    """
    *query* with patterns that fit *record*, or nearly do.
    """

    def bent(value):
        place = draw(st.integers(0, len(value) - 1))
        new = draw(st.sampled_from([value[place], *"?*_%\\x"]))
        bent = value[:place] + new + value[place + 1 :]
        return [draw(st.sampled_from([value.swapcase(), bent]))]

    resource = record.event.resource
    return attrs.evolve(
        query,
        **draw(
            st.sampled_from(
                [
                    {},
                    {"event_types": bent(record.event.event_type)},
                    {"resources": bent(f"{resource.type}/{resource.id}")},
                ]
            )
        ),
    )


@settings(
    max_examples=250,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_condition_in_sql_is_the_query(shared, data):
    """
    PostgreSQL leaves out nothing that matches, and nothing else.
    """
    sink, reader = shared
    batch = data.draw(st.lists(events, min_size=1, max_size=4))
    records = [
        Record(event_id=event.event_id, body=codec.encode(event))
        for event in batch
    ]
    sink.write(records)
    query = data.draw(st.just(EventQuery()) | queries)
    query = data.draw(near(data.draw(st.sampled_from(records)), query))

    fetched = reader._pages(query, *reader._bounds(query))

    expected = [r for r in records if query.matches(r)]
    if query.order == "newest":
        expected.reverse()
    ours = set(ids(records))
    assert ids(expected) == [each for each in ids(fetched) if each in ours]


@pytest.fixture
def shared(sink, database_url):
    return sink, PostgresReader(database_url, page_size=7)
