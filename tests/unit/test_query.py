"""
What a query takes, and what it makes of time.
"""

from __future__ import annotations

import datetime as dt
import pickle

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from auditlog.errors import QueryError
from auditlog.query import EventQuery, day, today, yesterday
from auditlog.testing.contracts import make_record


HOUR = timedelta(hours=1)


def length(period):
    return period["until"] - period["since"]


@pytest.mark.parametrize(
    ("which", "zone", "hours"),
    [
        (date(2026, 3, 28), "Europe/Berlin", 24),
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 3, 29), "UTC", 24),
        # Clocks jump over midnight, and come back to it.
        (date(2018, 11, 4), "America/Sao_Paulo", 23),
        (date(2018, 2, 17), "America/Sao_Paulo", 25),
        (date(2026, 11, 1), "America/Havana", 25),
        (date(2026, 4, 5), "Australia/Lord_Howe", 24.5),
        (date(2011, 12, 30), "Pacific/Apia", 0),
    ],
)
def test_days_are_as_long_as_they_are_there(which, zone, hours):
    """
    23 hours where clocks go forward, 25 where they go back; each day begins
    where the one before ends.
    """
    period = day(which, zone)
    before = day(which - timedelta(days=1), ZoneInfo(zone))
    after = day(which + timedelta(days=1), zone)

    assert timedelta(hours=hours) == length(period)
    assert before["until"] == period["since"]
    assert period["until"] == after["since"]
    assert UTC is period["since"].tzinfo


def test_today_and_yesterday_are_those_of_the_zone():
    """
    One moment belongs to different days in different places.
    """
    now = datetime(2026, 3, 29, 23, 30, tzinfo=UTC)

    assert day(date(2026, 3, 30), "Europe/Berlin") == today(
        "Europe/Berlin", now=now
    )
    assert day(date(2026, 3, 29), "America/New_York") == today(
        "America/New_York", now=now
    )
    assert day(date(2026, 3, 29), "Europe/Berlin") == yesterday(
        "Europe/Berlin", now=now
    )
    assert 23 * HOUR == length(yesterday("Europe/Berlin", now=now))
    assert today("UTC")["since"] <= datetime.now(UTC) < today("UTC")["until"]


def test_a_period_is_spread_into_a_query():
    """
    It is the query's *since* and *until*.
    """
    period = day(date(2026, 3, 29), "Europe/Berlin")

    query = EventQuery(**period, outcomes="denied")

    assert datetime(2026, 3, 28, 23, tzinfo=UTC) == query.since
    assert datetime(2026, 3, 29, 22, tzinfo=UTC) == query.until


def test_times_are_given_in_three_ways():
    """
    An aware datetime, milliseconds since 1970, and so long before now.
    """
    moment = datetime(2026, 1, 5, 11, 0, 0, 123_000, tzinfo=UTC)
    before = datetime.now(UTC)

    query = EventQuery(since=timedelta(hours=1), until=1_767_610_800_123)

    assert moment == query.until
    assert before - HOUR <= query.since <= datetime.now(UTC) - HOUR
    assert (
        datetime(1969, 12, 31, tzinfo=UTC)
        == EventQuery(since=-86_400_000).since
    )


PATHS = {
    "data": ("data",),
    "data.metadata.cluster": ("data", "metadata", "cluster"),
    "data.changes[0].path": ("data", "changes", 0, "path"),
    'data["correlation-id"]': ("data", "correlation-id"),
    r'data["a.b\"c\u00e9"][12]': ("data", 'a.b"cé', 12),
    'data[""]': ("data", ""),
    "data.with space.Ä": ("data", "with space", "Ä"),
    "a[0][1]": ("a", 0, 1),
}


@pytest.mark.parametrize(("path", "steps"), PATHS.items())
def test_paths_are_names_and_places(path, steps):
    """
    Bare, in quotes, and in an array.
    """
    ((found, values),) = EventQuery(where={path: "x"}).paths

    assert steps == found
    assert ("x",) == values


MISTAKES = [
    ({"since": datetime(2026, 1, 5)}, "'since' must be timezone-aware"),  # noqa: DTZ001
    (
        {"until": "2026-01-05"},
        "'until' must be an aware datetime, a time",
    ),
    (
        {"since": date(2026, 1, 5)},
        r"'since'.*for a date see auditlog.query",
    ),
    ({"since": True}, r"'since' must .* \(got True\)"),
    ({"since": 1.5}, r"'since' must .* \(got 1.5\)"),
    ({"since": 1_767_610_800_123_000}, "milliseconds since 1970 are counted"),
    ({"since": timedelta.max}, "a time is too far away"),
    ({"limit": -1}, r"'limit' must be at least 0 \(got -1\)"),
    ({"last": -1}, r"'last' must be at least 0 \(got -1\)"),
    ({"last": "20"}, r"'last' must be a number \(got '20'\)"),
    ({"limit": True}, r"'limit' must be a number \(got True\)"),
    ({"order": "down"}, "'order' must be 'oldest' or 'newest'"),
    ({"actors": ["a", 7]}, r"'actors\[1\]' must be text \(got int 7\)"),
    ({"tenants": 7}, r"a filter must be text or several of them \(got 7\)"),
    ({"outcomes": "bad"}, "'bad' is not a valid Outcome; outcomes are succ"),
    ({"text": b"a"}, r"'text' must be text \(got bytes"),
    ({"where": "data.a"}, "'where' must map paths to values"),
    ({"where": {7: "a"}}, "'a path in where' must be text"),
    (
        {"where": {"": 1}},
        r"where\[''\] is no path: .* character 1 \(got the",
    ),
    ({"where": {"a..b": 1}}, r"where\['a..b'\] is no path.*character 3"),
    (
        {"where": {"a.": 1}},
        r"character 3 \(got the end\); write data.meta",
    ),
    ({"where": {"a[01]": 1}}, r"character 2 \(got '\['\)"),
    ({"where": {"a[-1]": 1}}, r"character 2 \(got '\['\)"),
    ({"where": {"a[0]b": 1}}, r"character 5 \(got 'b'\)"),
    ({"where": {'a["\\x"]': 1}}, r"character 3 \(got '\"'\)"),
    ({"where": {"a": {}}}, r"where\['a'\] must be text, a number.*got dict"),
    ({"where": {"a": [[]]}}, r"where\['a'\] must be text.*got list"),
    ({"where": {"a": b"b"}}, r"where\['a'\] must be text.*got bytes"),
    ({"where": {"a": float("nan")}}, r"where\['a'\] must be finite"),
    ({"exclude": {"text": "a"}}, "'exclude' must be an EventQuery"),
    ({"exclude": EventQuery()}, "'exclude' has no filter; it would leave out"),
    ({"exclude": EventQuery(text="a", last=1)}, "'exclude' may have filters"),
]


@pytest.mark.parametrize(("given", "mistake"), MISTAKES)
def test_mistakes_are_told_with_their_place(given, mistake):
    """
    Nothing that can't mean anything becomes a query.
    """
    with pytest.raises(QueryError, match=mistake):
        EventQuery(**given)


DAYS = {
    "unknown zone": lambda: day(date(2026, 1, 5), "Europe/Nowhere"),
    "zone outside": lambda: day(date(2026, 1, 5), "../UTC"),
    "empty zone": lambda: day(date(2026, 1, 5), ""),
    "no zone": lambda: today(None),
    "text": lambda: day("2026-01-05", "UTC"),
    "moment": lambda: day(datetime.now(UTC), "UTC"),
    "end of time": lambda: day(date.max, "UTC"),
    "beginning of time": lambda: day(date.min, "Asia/Tokyo"),
    "naive now": lambda: today("UTC", now=datetime(2026, 1, 5)),  # noqa: DTZ001
}


@pytest.mark.parametrize("mistake", DAYS.values(), ids=DAYS.keys())
def test_days_that_there_are_not_are_refused(mistake):
    """
    An unknown zone, a naive moment, text, the ends of time.
    """
    with pytest.raises(QueryError):
        mistake()


def test_queries_are_compared_copied_and_hashed():
    """
    A query is a value, with all that it asks for.
    """
    where = {"data.a": ["x", 1], 'data["b"]': None}
    query = EventQuery(where=where, exclude=EventQuery(actors="root"))

    same = EventQuery(where=query.where, exclude=EventQuery(actors=["root"]))

    assert query == same
    assert hash(query) == hash(same)
    assert query == pickle.loads(pickle.dumps(query))
    assert EventQuery(where={}) == EventQuery()
    assert not EventQuery(where={}, last=3, limit=3).filters


def test_bodies_of_others_are_looked_into_as_they_are():
    """
    Whatever JSON they are in, and whoever wrote it.
    """
    record = make_record(metadata={"a": [{"b": 2**70}]})

    def finds(**where):
        return EventQuery(where=where).matches(record)

    assert finds(**{"data.metadata.a[0].b": 2**70})
    assert not finds(**{"data.metadata.a[0].b": 2**70 + 1})
    assert not finds(**{"data.metadata.a[1].b": 2**70})
    assert finds(id=str(record.event_id), specversion="1.0")
    assert not finds(id=str(record.event_id), specversion=1.0)


def test_zones_may_be_objects():
    """
    Also those without a name.
    """
    zone = dt.timezone(timedelta(hours=5, minutes=30))

    assert (
        datetime(2026, 1, 4, 18, 30, tzinfo=UTC)
        == (day(date(2026, 1, 5), zone)["since"])
    )
