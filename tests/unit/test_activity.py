from __future__ import annotations

import datetime as dt
import html
import sys

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hypothesis import example, given, settings
from hypothesis import strategies as st

from auditlog import codec
from auditlog.abc import EventQuery, Reader, Record, Skipped, select
from auditlog.activity import EventCounts, _counting, _tally
from auditlog.activity._units import UNITS, Clock
from auditlog.errors import MissingPackageError, QueryError
from auditlog.event import Actor, AuditEvent, RequestContext, Resource
from tests.strategies import times


MONDAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def make_event(occurred_at=MONDAY, actor="alice", **fields):
    return AuditEvent(
        event_type="Kafka.Topic.Create",
        actor=actor and Actor(id=actor),
        resource=Resource(type="topic", id="orders"),
        occurred_at=occurred_at,
        **fields,
    )


class ListReader(Reader):
    """
    Reads a list, and says how often.
    """

    def __init__(self, *found):
        self.found = [
            Record(event_id=each.event_id, body=codec.encode(each))
            if isinstance(each, AuditEvent)
            else each
            for each in found
        ]
        self.scans = 0

    def scan(self, query, /):
        self.scans += 1
        return select(iter(self.found), query)


def read(*found, **query):
    return ListReader(*found).read(EventQuery(**query))


def at(*hours, **fields):
    return [make_event(MONDAY + timedelta(hours=h), **fields) for h in hours]


def test_counts_fill_the_gaps():
    """
    Each unit from the first event to the last has a row, in order.
    """
    counts = read(*at(3, 0, 0.5)).events_per("hour")

    assert list(counts) == [
        (MONDAY, 2),
        (MONDAY + timedelta(hours=1), 0),
        (MONDAY + timedelta(hours=2), 0),
        (MONDAY + timedelta(hours=3), 1),
    ]
    assert (len(counts), counts.total) == (4, 3)
    assert counts.columns == ("hour", "events")
    assert counts.totals() == {"events": 3}


def test_counts_tell_groups_apart_largest_first():
    """
    Each group has a column; who has no such field has one, too.
    """
    events = [*at(0, 1, 1, actor="bob"), *at(0), *at(1, actor=None)]

    counts = read(*events).events_per("hour", by="actor")

    assert counts.columns == ("hour", "bob", "(none)", "alice")
    assert [row[1:] for row in counts] == [(1, 0, 1), (2, 1, 0)]
    assert counts.totals() == {"bob": 3, "(none)": 1, "alice": 1}


def test_top_sums_up_the_others():
    """
    What `top` leaves over is one column, so that no event is missing.
    """
    events = [make_event(actor=f"user-{n % 7}") for n in range(30)]

    counts = read(*events).events_per("day", by="actor", top=2)

    assert counts.columns == ("day", "user-0", "user-1", "(others)")
    assert list(counts) == [(MONDAY.replace(hour=0), 5, 5, 20)]
    assert counts.totals() == {"user-0": 5, "user-1": 5, "(others)": 20}


@pytest.mark.parametrize(
    ("by", "group"),
    [
        ("actor", "alice"),
        ("actor_type", "user"),
        ("event_type", "Kafka.Topic.Create"),
        ("outcome", "denied"),
        ("resource", "topic/orders"),
        ("resource_type", "topic"),
        ("severity", "high"),
        ("source_ip", "10.0.0.7"),
        ("tenant", "acme"),
    ],
)
def test_what_can_be_told_apart(by, group):
    """
    Each field gives its value, or is counted as missing.
    """
    event = make_event(
        outcome="denied",
        severity="high",
        tenant="acme",
        request=RequestContext(source_ip="10.0.0.7"),
    )

    assert read(event).events_per("day", by=by).totals() == {group: 1}
    if by in {"actor", "actor_type", "severity", "source_ip", "tenant"}:
        bare = make_event(actor=None)
        assert read(bare).events_per("day", by=by).totals() == {"(none)": 1}


def test_cycles_have_all_their_names():
    """
    Weekdays and hours come round, in the zone that was asked for.
    """
    events = read(make_event(datetime(2026, 1, 4, 23, 30, tzinfo=UTC)))

    days = events.events_per("weekday", by="hour_of_day", tz="Europe/Berlin")

    assert len(days) == 7
    assert len(days.columns) == 1 + 24
    assert dict(events.events_per("weekday"))["Sunday"] == 1
    assert {row[0]: row[1] for row in days}["Monday"] == 1
    assert dict(events.events_per("hour_of_day"))["23"] == 1


@pytest.mark.parametrize(
    ("unit", "rows", "start"),
    [
        ("10 minutes", 1 + 4 * 6 * 24, "2026-03-25T00:00:00+01:00"),
        ("day", 5, "2026-03-25T00:00:00+01:00"),
        ("week", 1, "2026-03-23T00:00:00+01:00"),
        ("month", 1, "2026-03-01T00:00:00+01:00"),
        ("year", 1, "2026-01-01T00:00:00+01:00"),
    ],
)
def test_units_begin_on_the_clocks_of_the_zone(unit, rows, start):
    """
    A day begins at midnight there, a week on Monday.
    """
    first = datetime(2026, 3, 24, 23, tzinfo=UTC)  # midnight in Berlin
    events = read(make_event(first), make_event(first + timedelta(days=4)))

    counts = events.events_per(unit, tz=BERLIN)

    assert len(counts) == rows
    assert counts.starts[0].isoformat() == start
    assert counts.zone == "Europe/Berlin"


def test_clocks_that_are_set_forward_and_back():
    """
    In autumn an hour comes twice, in spring one is missing; days stay days.
    """
    autumn = [datetime(2026, 10, 25, hour, tzinfo=UTC) for hour in (0, 1, 2)]
    spring = [datetime(2026, 3, 29, hour, tzinfo=UTC) for hour in (0, 1)]

    back = read(*map(make_event, autumn)).events_per("hour", tz=BERLIN)
    forward = read(*map(make_event, spring)).events_per("hour", tz=BERLIN)
    days = read(*map(make_event, autumn)).events_per("day", tz=BERLIN)
    parts = read(*map(make_event, autumn)).events_per("4 hours", tz=BERLIN)

    assert [start.isoformat()[11:] for start in back.starts] == [
        "02:00:00+02:00",
        "02:00:00+01:00",
        "03:00:00+01:00",
    ]
    assert "2026-10-25 02:00 +02:00" in str(back)
    assert [start.hour for start in forward.starts] == [1, 3]
    assert [row[1] for row in days] == [3]
    assert [row[1] for row in parts] == [3]


def utc_times(first, last):
    return st.datetimes(first, last, timezones=st.just(UTC))


@settings(max_examples=40)
@example(times=[datetime(2026, 4, 4, 15, 29, tzinfo=UTC)], unit="hour")
@given(
    times=st.lists(
        utc_times(datetime(2026, 3, 20), datetime(2026, 4, 10)),  # noqa: DTZ001
        min_size=1,
        max_size=20,
    ),
    unit=st.sampled_from(["10 minutes", "hour", "4 hours", "day", "week"]),
)
@pytest.mark.parametrize(
    "zone",
    ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo"],
)
def test_no_event_falls_between_rows(zone, times, unit):
    """
    Rows follow each other, and hold every event, wherever clocks change.
    """
    counts = read(*map(make_event, times)).events_per(unit, tz=zone)

    assert sum(row[1] for row in counts) == len(times) == counts.total
    instants = [start.astimezone(UTC) for start in counts.starts]
    assert instants == sorted(set(instants))
    assert counts.starts[0].utcoffset() is not None


@pytest.fixture(scope="class")
def few_rows():
    """
    A limit that is reached soon.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_counting, "MAX_UNITS", 12_000)
        yield


@settings(max_examples=60)
@given(found=st.lists(times(), max_size=3), unit=st.sampled_from([*UNITS]))
@example(found=[datetime(1, 1, 1, tzinfo=UTC)], unit="minute")
@example(found=[datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)], unit="year")
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_any_time_is_counted_or_refused(few_rows, zone, found, unit):
    """
    No time makes it fail in another way than by too many rows.
    """
    events = read(*map(make_event, found))
    try:
        counts = events.events_per(unit, tz=zone)
    except QueryError as exc:
        assert "rows" in str(exc)  # noqa: PT017
    else:
        assert sum(row[1] for row in counts) == len(found)


def test_bounds_of_a_query_are_shown():
    """
    What was asked for and is empty is a fact, too; a limit hides it.
    """
    bounds = {"since": MONDAY, "until": MONDAY + timedelta(hours=4)}
    quiet = read(*at(1), **bounds)

    assert [n for _, n in quiet.events_per("hour")] == [0, 1, 0, 0]
    assert [n for _, n in read(**bounds).events_per("hour")] == [0, 0, 0, 0]
    for few in ({"limit": 1}, {"last": 1}):
        limited = read(*at(1), **few, **bounds)
        assert [n for _, n in limited.events_per("hour")] == [1]


def test_the_future_is_not_empty():
    """
    Hours of today that are still to come have no row.
    """
    now = datetime.now(UTC)
    today = read(since=now - timedelta(days=1), until=now + timedelta(days=9))

    future = read(since=now + timedelta(days=1), until=now + timedelta(days=9))

    assert 24 <= len(today.events_per("hour")) <= 26
    assert len(future.events_per("hour")) == 0


def test_no_events_are_an_empty_table():
    """
    Nothing to count is no error, in any way of looking at it.
    """
    counts = read().events_per("hour", by="actor")

    assert (list(counts), counts.total, counts.totals()) == ([], 0, {})
    assert str(counts).startswith("0 events per hour by actor (UTC), 0 rows")
    assert "<table>" in counts._repr_html_()
    assert counts.to_pandas().empty


def test_what_is_no_event_is_counted_apart():
    """
    Nothing is dropped quietly, and reasons are no way to fill the memory.
    """
    broken = Record(event_id=make_event().event_id, body=b"{}")
    noise = [Skipped(place=f"{n}", reason=f"why {n}") for n in range(200)]

    counts = read(make_event(), broken, *noise, *noise).events_per("day")

    assert counts.total == 1
    assert counts.skipped.total() == 401
    assert len(counts.skipped) <= 101
    assert "401 skipped" in repr(counts)


def test_each_event_is_looked_at_once():
    """
    One scan, whatever is asked for.
    """
    reader = ListReader(*at(0, 1, 2))

    reader.read().events_per("hour", by="actor", top=1)

    assert reader.scans == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"unit": "fortnight"}, "'unit' must be one of 'second', .*fortnight"),
        ({"by": "colour"}, "'by' must be one of 'actor', .*'colour'"),
        ({"top": 0}, r"'top' must be at least 1 \(got 0\)"),
        (
            {"tz": "Mars/Base"},
            "no time zone is called 'Mars/Base'; .*'Europe/Berlin'",
        ),
        ({"tz": "../etc/passwd"}, "no time zone"),
        ({"tz": ""}, "no time zone"),
    ],
)
def test_what_cannot_mean_anything_is_refused_before_reading(given, message):
    """
    A mistake is told at once, with what may be given instead.
    """
    reader = ListReader(make_event())
    unit = given.pop("unit", "day")

    with pytest.raises(QueryError, match=message):
        reader.read().events_per(unit, **given)
    assert reader.scans <= 1


def test_too_many_rows_are_refused_while_reading():
    """
    A time without a meaning can't fill the memory with empty minutes.
    """
    events = read(*at(0), make_event(datetime(1, 1, 1, tzinfo=UTC)), *at(0))
    told = []

    with pytest.raises(QueryError, match="take a longer unit, or bring"):
        events.events_per("minute", progress=lambda *how: told.append(how))
    assert told == [(1, None, "events")]
    assert len(events.events_per("year")) == 2026


@pytest.mark.parametrize("ask", ["events_per", "plot_activity"])
def test_a_source_is_closed_before_an_error_is_looked_at(ask, monkeypatch):
    """
    A notebook keeps the last traceback, which must not keep a connection.
    """
    monkeypatch.setattr(_tally, "MAX_CELLS", 2)
    reader = ClosingReader(*(make_event(actor=f"user-{n}") for n in range(9)))
    given = {"by": "actor"} if ask == "events_per" else {}
    unit = ["day"] if ask == "events_per" else []

    with pytest.raises(QueryError) as kept:
        getattr(reader.read(), ask)(*unit, **given)
    assert reader.is_closed
    assert kept.value.__traceback__


class ClosingReader(ListReader):
    """
    Knows whether its source was closed.
    """

    is_closed = False

    def scan(self, query, /):
        try:
            yield from super().scan(query)
        finally:
            self.is_closed = True


def test_too_many_groups_are_refused(monkeypatch):
    """
    Memory has a bound that no actor's name can lift.
    """
    monkeypatch.setattr(_tally, "MAX_CELLS", 10)
    events = read(*(make_event(actor=f"user-{n}") for n in range(11)))

    with pytest.raises(QueryError, match="more than 10 different things"):
        events.events_per("day", by="actor")
    assert events.events_per("day").total == 11


def test_progress_is_told():
    """
    Who waits is told how far it has come.
    """
    told = []

    read(*at(0, 1)).events_per("day", progress=lambda *how: told.append(how))

    assert told[-1] == (2, None, "events")


def test_text_is_a_table_that_fits():
    """
    Long tables lose their middle, many groups are summed up, names are cut.
    """
    events = [make_event(actor=f"user-{n % 9}") for n in range(9)]
    hostile = "x" * 300 + "\n\x1b[31m\u202e"
    events += at(*range(100), actor=hostile)

    text = str(read(*events).events_per("hour", by="actor"))

    assert len(text.splitlines()) == 2 + 24 + 1
    assert max(map(len, text.splitlines())) < 100
    assert not {"\x1b", "\u202e"} & set(text)
    assert (
        text.splitlines()[0] == "109 events per hour by actor (UTC), 100 rows"
    )
    assert "…" in text
    assert "(others)" in text


def test_html_is_escaped_and_cut():
    """
    A notebook shows names as text, in at most 50 rows.
    """
    events = at(*range(100), actor="<script>alert(1)</script>")

    shown = read(*events).events_per("hour", by="actor")._repr_html_()

    assert "<script" not in shown
    assert html.escape("<script>alert(1)</script>") in shown
    assert shown.count("<tr>") == 1 + 50 + 1


def test_pandas_gets_the_zone():
    """
    A data frame has timestamps of the zone and a column a group.
    """
    autumn = [datetime(2026, 10, 25, hour, tzinfo=UTC) for hour in (0, 1)]
    events = read(*map(make_event, autumn))

    frame = events.events_per("hour", by="actor", tz=BERLIN).to_pandas()
    days = events.events_per("weekday").to_pandas()

    assert [*frame["alice"]] == [1, 1]
    assert frame.index.name == "hour"
    assert str(frame.index.tz) == "Europe/Berlin"
    assert [each.utcoffset() for each in frame.index] == [
        timedelta(hours=2),
        timedelta(hours=1),
    ]
    assert days["events"]["Sunday"] == 2


def test_pandas_gets_any_time():
    """
    Years that nanoseconds can't hold are no reason to fail.
    """
    events = read(make_event(datetime(1, 2, 3, tzinfo=UTC)))

    assert events.events_per("day").to_pandas().index[0].year == 1


def test_missing_pandas_is_named(monkeypatch):
    """
    Only the data frame needs pandas, and says so.
    """
    monkeypatch.setitem(sys.modules, "pandas", None)
    counts = read(*at(0)).events_per("day")

    with pytest.raises(MissingPackageError, match="pip install pandas"):
        counts.to_pandas()


def test_memory_depends_on_rows_and_not_on_events():
    """
    Ten times the events take no more cells.
    """
    few = _tallied(at(0, 1) * 10)
    many = _tallied(at(0, 1) * 100)

    assert few.keys() == many.keys()
    assert sum(map(len, few.values())) == sum(map(len, many.values())) == 2


def _tallied(events):
    counting = _counting.Counting("hour", None, dt.UTC, None)
    return counting.count(iter(events), (None, None), Counter())._rows


def test_clock_is_walked_as_it_is_read():
    """
    Where clocks move by half an hour, rows and events agree to the minute.
    """
    clock = Clock(UNITS["hour"], ZoneInfo("Australia/Lord_Howe"))
    first = datetime(2026, 4, 4, 12, tzinfo=UTC)
    keys = [clock.key(first + timedelta(minutes=n)) for n in range(600)]

    assert [*clock.keys(keys[0], keys[-1])] == [*dict.fromkeys(keys)]


def test_counts_are_one_line():
    """
    The repr says what was counted, and how much.
    """
    counts = read(*at(0)).events_per("hour_of_day")

    assert isinstance(counts, EventCounts)
    expected = "<EventCounts 1 event per hour of day (UTC), 24 rows>"
    assert repr(counts) == expected
