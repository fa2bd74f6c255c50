"""
Reading from PostgreSQL, beyond what the contract of readers holds.
"""

from __future__ import annotations

import contextlib
import gc
import json
import re
import warnings

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import attrs
import pytest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditlog import codec
from auditlog.abc import EventQuery, Record, Skipped
from auditlog.errors import DecodingError, ReadError
from auditlog.event import Actor, AuditEvent, Outcome, Resource
from auditlog.postgres import PostgresReader, PostgresSink
from auditlog.testing.reader_contract import followed
from tests.postgres_tools import (
    as_role,
    execute,
    in_thread,
    make_record,
    make_records,
    opened,
    until,
)
from tests.strategies import json_values, scalars


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
        for end in (None, last, datetime.max.replace(tzinfo=west)):
            query = EventQuery(since=since, until=end)
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
    metadata=st.dictionaries(
        st.sampled_from(["a", "b", "é", 'c."d"', "\x1f", "0"]),
        json_values(max_leaves=4),
        max_size=4,
    ),
)


def several(values):
    return st.none() | st.lists(values, max_size=3)


steps = st.sampled_from(
    [".a", ".é", "[0]", "[1]", '["0"]', '["c.\\"d\\""]', '["\\u001f"]', '[""]']
)
paths = st.sampled_from(["data.metadata", "data.actor", "data", ""]).flatmap(
    lambda root: st.lists(steps, min_size=1, max_size=2).map(
        lambda found: (root + "".join(found)).removeprefix(".")
    )
)
wheres = st.dictionaries(paths, st.lists(scalars(), max_size=3), max_size=2)
filters = {
    "since": st.none() | times,
    "until": st.none() | times,
    "event_types": several(texts),
    "actors": several(texts),
    "resources": several(texts),
    "outcomes": several(st.sampled_from(Outcome)),
    "tenants": several(texts),
    "text": st.none() | texts,
    "where": st.none() | wheres,
}
excluded = st.builds(EventQuery, **filters).filter(lambda query: query.filters)
queries = st.builds(
    EventQuery,
    **filters,
    exclude=st.none() | excluded,
    order=st.sampled_from(["oldest", "newest"]),
    limit=st.none() | st.integers(0, 5),
)


def places_in(value, path):
    """
    The paths of all scalars in a JSON *value*, with these.
    """
    if isinstance(value, dict):
        for name, each in value.items():
            yield from places_in(each, f"{path}[{json.dumps(name)}]")
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from places_in(each, f"{path}[{place}]")
    else:
        yield path, value


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
    data = codec.members(record.body)["data"]
    places = [*places_in(data["metadata"], "data.metadata")]
    places = places or [*places_in(data, "data")]
    path, value = draw(st.sampled_from(places))
    value = draw(st.sampled_from([value, [value, None], str(value), True, 0]))
    return attrs.evolve(
        query,
        **draw(
            st.sampled_from(
                [
                    {},
                    {"event_types": bent(record.event.event_type)},
                    {"resources": bent(f"{resource.type}/{resource.id}")},
                    *[{"where": {path: value}}] * 3,
                    *[{"exclude": EventQuery(where={path: value})}] * 2,
                    {"exclude": EventQuery(tenants="x", exclude=query)}
                    if query.filters
                    and (query.last or query.limit) is None
                    and query.order == "oldest"
                    else {},
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

    expected = [r for r in records if query.matches(r)]
    if query.order == "newest":
        expected.reverse()
    ours = set(ids(records))
    exact = [each for each in fetched(reader, query) if each in ours]
    loose = [
        each for each in fetched(reader, query, exact=False) if each in ours
    ]
    if any(map(is_uncertain, records)):
        missing = set(ids(expected)) - set(exact)
        assert not missing
    else:
        assert ids(expected) == exact
    assert not set(ids(expected)) - set(loose)


def fetched(reader, query, *, exact=True):
    """
    What PostgreSQL alone finds.
    """
    rows = reader._page(query, 1, 10**9, 10**6, exact=exact, what="page")
    return [row[0] for row in rows]


def is_uncertain(record):
    """
    Whether a body has escapes, or numbers of many spellings.
    """
    return re.search(rb"\\u|\d[.eE]|\d{255}", record.body)


@pytest.fixture
def shared(sink, database_url):
    return sink, PostgresReader(database_url, page_size=7)


INSERT = (
    "INSERT INTO audit.event (id, occurred_at, event_type, resource, outcome, "
    "body) VALUES (%s, now(), 'A.B.C', 'a/b', 'success', %s)"
)
STRANGE = {
    "utf-16": lambda text: text.encode("utf-16"),
    "surrogate": lambda text: text.replace("note", "\udcff").encode(
        "utf-8", "surrogatepass"
    ),
    "escaped surrogate": lambda text: text.replace("note", r"\ud800").encode(),
    "escaped NUL": lambda text: text.replace("note", r"\u0000").encode(),
    "mark": lambda text: text.encode("utf-8-sig"),
    "escaped name": lambda text: text.replace("clu", r"\u0063lu").encode(),
    "twice": lambda text: text.replace("null", '"north"').encode(),
    "spaced": lambda text: text.replace(":", " :\n").encode(),
}


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_strange_bodies_of_others_cost_no_answer(sink, database_url, order):
    """
    What PostgreSQL can't parse is read as Python reads it, and hides nothing
    behind it; what is no JSON at all is passed over.
    """
    metadata = {"cluster": "north", "note": "note"}
    records = [make_record(metadata=metadata) for _ in range(30)]
    sink.write(records[:10])
    strange = []
    for change in STRANGE.values():
        (record,) = make_records(1)
        text = record.body.decode().replace(
            '"n":0', '"cluster":null,"cluster":"north","note":"note"'
        )
        strange.append(Record(event_id=record.event_id, body=change(text)))
    strange.append(Record(event_id=uuid4(), body=b'"cluster":"north"\0\xff'))
    for record in strange:
        execute(database_url, INSERT, record.event_id, record.body)
    sink.write(records[10:])
    query = EventQuery(where={"data.metadata.cluster": "north"}, order=order)
    reader = PostgresReader(database_url, page_size=4)

    found = [
        item for item in reader.read(query).scan() if isinstance(item, Record)
    ]

    every = [*records[:10], *strange, *records[10:]]
    expected = []
    for record in every:
        with contextlib.suppress(DecodingError):
            expected += [record] if query.matches(record) else []
    assert 30 + 6 <= len(expected) <= 30 + len(STRANGE)
    assert ids(expected if order == "oldest" else expected[::-1]) == ids(found)


# Following


def test_following_waits_for_who_could_still_store_before(sink, database_url):
    """
    An event that commits late comes in its place, not never.
    """
    (early, late) = make_records(2)
    reader = PostgresReader(database_url)
    with followed(reader, last=0) as events:
        with opened(
            database_url, INSERT, early.event_id, early.body
        ) as connection:
            sink.write([late])
            assert [late.event_id] == ids(reader)
            horizon = [reader._horizon() for _ in range(5)]
            connection.commit()
        found = [next(events), next(events)]

    assert [0] * 5 == horizon
    assert ids([early, late]) == ids(found)


def test_a_naive_horizon_would_lose_events(sink, database_url, monkeypatch):
    """
    The test above notices a reader that goes as far as it sees.
    """

    def naive(reader):
        return reader._end()

    monkeypatch.setattr(PostgresReader, "_horizon", naive)
    with pytest.raises(AssertionError):
        test_following_waits_for_who_could_still_store_before(
            sink, database_url
        )


def test_following_goes_by_indexes_where_there_are_some(sink, database_url):
    """
    What a relay has numbered comes at once, whoever is still at it.
    """
    sink.write(numbered := make_records(3))
    sink.size(timeout=5)
    with opened(database_url, INSERT, uuid4(), b"{}"):
        reader = PostgresReader(database_url)
        with followed(reader, limit=3) as events:
            found = list(events)

    assert ids(numbered) == ids(found)
    assert [1, 2, 3] == [record.index for record in found]


def test_following_outlives_a_server_that_is_away(
    sink, database_proxy, proxied_database_url, caplog
):
    """
    Nothing is lost and nothing comes twice; it is told once.
    """
    sink.write(first := make_records(2))
    reader = PostgresReader(proxied_database_url)
    with followed(reader) as events:
        before = [next(events), next(events)]
        database_proxy.refuse()
        database_proxy.cut()
        sink.write(more := make_records(2))
        join = in_thread(lambda: [next(events), next(events)])
        until(lambda: caplog.messages)
        database_proxy.restore()
        after = join()

    assert ids(first) == ids(before)
    assert ids(more) == ids(after)
    (told,) = caplog.messages
    assert told.startswith("can't read audit events in PostgreSQL database")
    assert told.endswith("; still trying")


def test_following_needs_no_more_than_reading(sink, database_url):
    """
    A role that may only select from the two tables can follow.
    """
    sink.write(records := make_records(2))
    config = as_role(
        database_url,
        f"follower_{uuid4().hex[:8]}",
        "USAGE ON SCHEMA audit",
        "SELECT ON audit.event, audit.entry",
    )

    with followed(PostgresReader(config), limit=2) as events:
        assert ids(records) == ids(events)


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_no_statement_looks_at_many_rows(
    sink, database_url, monkeypatch, order
):
    """
    What is rare is looked for in stretches, and what is recent near the end,
    without a look at all that is as recent.
    """
    monkeypatch.setattr("auditlog.postgres.reader._REACH", 4)
    sink.write(records := make_records(30))
    rare = [records[i] for i in (0, 3, 4, 17, 29)]
    numbers = [record.event.metadata["n"] for record in rare]
    since = records[0].event.occurred_at - timedelta(hours=1)
    until = since + timedelta(hours=2)
    reader = PostgresReader(database_url, page_size=2)
    asked = []
    reader._ask = lambda statement, **params: (
        asked.append((statement, params))
        or PostgresReader._ask(reader, statement, **params)
    )
    where = {"data.metadata.n": numbers}

    for times in ({}, {"since": since}, {"since": since, "until": until}):
        query = EventQuery(where=where, order=order, **times)
        found = ids(reader.read(query))
        assert ids(rare if order == "oldest" else rare[::-1]) == found
    pages = [params for _, params in asked if "limit" in params]
    assert 4 == max(each["last"] - each["first"] + 1 for each in pages)
    asked.clear()
    assert 2 == len(list(reader.read(EventQuery(last=2, since=since))))
    assert not any("min(seq" in statement for statement, _ in asked)


def test_the_last_are_read_from_the_end(sink, database_url):
    """
    However long the table is, no more than a page is fetched for them.
    """
    sink.write(records := make_records(30))
    reader = PostgresReader(database_url, page_size=5)
    asked = []
    reader._ask = lambda statement, **params: (
        asked.append(params)
        or PostgresReader._ask(reader, statement, **params)
    )

    found = list(reader.read(EventQuery(last=3)))

    assert ids(records[-3:]) == ids(found)
    assert [3] == [params["limit"] for params in asked if "limit" in params]


def test_the_database_counts(sink, database_url):
    """
    Bodies are fetched only to count what the database can't tell for sure.
    """
    events = [
        AuditEvent(
            event_type="A.B.C",
            resource=Resource(type="x", id=str(n)),
            metadata={"n": n},
        )
        for n in (0.5, 0.25, 7, 7)
    ]
    sink.write(
        [
            Record(event_id=event.event_id, body=codec.encode(event))
            for event in events
        ]
    )
    fetched = []

    class Noting(PostgresReader):
        def _pages(self, *args):
            fetched.append(args)
            return super()._pages(*args)

    reader = Noting(database_url)

    assert 4 == reader.read().count()
    assert 1 == reader.read(EventQuery(resources=["x/7"], limit=1)).count()
    assert 3 == reader.read(EventQuery(last=3)).head(5).count()
    assert [] == fetched
    where = {"data.metadata.n": 0.5}
    assert 1 == reader.read(EventQuery(where=where)).count()
    excluded = EventQuery(exclude=EventQuery(where=where))
    assert 3 == reader.read(excluded).count()
    assert fetched


def test_a_reader_in_a_cycle_says_goodbye(sink, database_url):
    """
    However it becomes garbage, its connections are closed, not deleted.
    """
    other = PostgresReader(database_url)
    other.read().count()
    connection = other._connections._idle.pop()
    reader = PostgresReader(database_url)
    reader._connections._idle.append(connection)
    # What was made first is collected first.
    reader.itself = reader

    with warnings.catch_warnings(record=True, action="always") as told:
        del connection, reader
        gc.collect()

    assert [] == [str(each.message) for each in told]
