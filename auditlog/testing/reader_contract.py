"""
What every reader promises, as tests for readers of any source.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import random
import threading

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from auditlog import codec
from auditlog.abc import EventQuery, Origin, Reader, Record
from auditlog.errors import QueryError
from auditlog.event import Actor, AuditEvent, Outcome, Resource, uuid7
from auditlog.exporters import JSONExporter


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from auditlog.live import LiveEvents


START = datetime(2026, 1, 5, 11, tzinfo=UTC)


def sample_records() -> list[Record]:
    """
    Twelve events, a second apart, that differ in whatever can be asked for.
    """
    types = ["Kafka.Topic.Create", "Kafka.Topic.Delete", "Admin.Üser.Login"]
    actors = [Actor(id="alice"), Actor(id="bob"), None]
    tenants = ["north", None, "south%"]
    resources = [
        Resource(type="topic", id="website-orders"),
        Resource(type="topic", id="Website_Orders"),
        Resource(type="user", id="50%/[a]"),
        Resource(type="topic", id="line\nbreak", parent=_CLUSTER),
    ]
    return [
        _record(
            event_type=types[i % 3],
            actor=actors[i // 2 % 3],
            tenant=tenants[i // 3 % 3],
            resource=resources[i % 4],
            outcome=tuple(Outcome)[i % 5],
            metadata=_metadata(i),
            occurred_at=START + timedelta(seconds=i),
        )
        for i in range(12)
    ]


def _metadata(i: int) -> dict[str, Any]:
    return {
        "note": f"number {i} of 12, 100% ÄÖ_x",
        "number": i,
        "third": i % 3,
        "half": i / 2,
        "even": i % 2 == 0,
        "tags": ["audit", {"place": str(i % 3)}],
        'odd."name"': {"é": "a\\b\n" if i % 4 else "\x1f"},
        **({"gone": None} if i % 3 == 0 else {}),
    }


_CLUSTER = Resource(type="cluster", id="website-orders")


def _record(**fields: Any) -> Record:
    event = AuditEvent(event_id=uuid7(), request=None, **fields)
    return Record(event_id=event.event_id, body=codec.encode(event))


class ReaderContract:
    """
    Holds a reader to what :class:`auditlog.abc.Reader` promises.

    Derive a test class and say how a reader is made; pytest and unittest run
    the methods that begin with ``test_``:

    .. code-block:: python

        class TestPostgresReader(ReaderContract):
            @pytest.fixture(autouse=True)
            def database(self, database_url):
                self.url = database_url

            def make_reader(self, records):
                with closing(PostgresSink(self.url)) as sink:
                    if records:
                        sink.write(records)
                return PostgresReader(self.url)

    A source that keeps an order in parts only, such as a topic, is given one
    part. Add :class:`GrowingReaderContract` if events can be added while a
    reader reads.

    .. versionadded:: 0.1.0
    """

    def make_reader(self, records: Sequence[Record], /) -> Reader:
        """
        Make a reader of a new source that holds *records* in this order.

        Called once by most tests, with no records by some.
        """
        raise NotImplementedError

    def test_all_events_are_read_in_their_order(self) -> None:
        """
        Without a query all is read: ids, bodies and events, nothing skipped.
        """
        records = sample_records()
        reader = self.make_reader(records)

        found = list(reader.read().scan())

        assert all(isinstance(item, Record) for item in found)
        assert _ids(records) == _ids(found)
        assert [r.body for r in records] == [r.body for r in _only(found)]
        assert [r.event for r in records] == [r.event for r in _only(found)]

    def test_a_reader_goes_wherever_events_go(self) -> None:
        """
        A reader is iterable itself.
        """
        records = sample_records()

        assert _ids(records) == _ids(self.make_reader(records))

    def test_a_source_without_events_is_empty(self) -> None:
        """
        No events is no error, in either order.
        """
        reader = self.make_reader([])

        assert list(reader) == []
        assert list(reader.read(EventQuery(order="newest"))) == []

    def test_each_iteration_reads_again(self) -> None:
        """
        A result can be gone through twice, and by two loops at once.
        """
        records = sample_records()
        events = self.make_reader(records).read()

        first, second = iter(events), iter(events)
        pairs = list(zip(first, second, strict=True))

        assert _ids(records) == _ids(pair[0] for pair in pairs)
        assert _ids(records) == _ids(pair[1] for pair in pairs)
        assert _ids(records) == _ids(events)

    def test_an_iteration_may_be_given_up(self) -> None:
        """
        Taking one event and leaving does no harm.
        """
        records = sample_records()
        events = self.make_reader(records).read()

        abandoned: Any = iter(events)
        assert records[0].event_id == next(abandoned).event_id
        abandoned.close()

        assert _ids(records) == _ids(events)

    def test_newest_first_is_the_order_of_the_source_reversed(self) -> None:
        """
        ``order`` goes by the source, not by ``occurred_at``.
        """
        records = sample_records()
        records.append(records.pop(3))

        found = self.make_reader(records).read(EventQuery(order="newest"))

        assert _ids(reversed(records)) == _ids(found)

    def test_limit_counts_what_matched(self) -> None:
        """
        Filters come first, the limit after them, from either end.
        """
        records = sample_records()
        reader = self.make_reader(records)
        logins = [records[2], records[5], records[8], records[11]]

        def read(limit: int, **query: Any) -> list[UUID]:
            asked = EventQuery(
                event_types=["Admin.*.Login"], limit=limit, **query
            )
            return _ids(reader.read(asked))

        assert read(0) == []
        assert _ids(logins[:2]) == read(2)
        assert _ids(logins) == read(5)
        assert _ids([logins[3], logins[2]]) == read(2, order="newest")
        assert _ids(records[:1]) == _ids(reader.read(EventQuery(limit=1)))

    def test_count_is_that_of_what_is_read(self) -> None:
        """
        Counting gives the same number as reading, wherever it is done.
        """
        reader = self.make_reader(sample_records())
        queries = [
            EventQuery(),
            EventQuery(limit=5),
            EventQuery(limit=0),
            EventQuery(last=4, limit=3),
            EventQuery(order="newest", limit=100),
            EventQuery(actors=["alice"], outcomes=["success", "denied"]),
            EventQuery(tenants=[]),
            EventQuery(since=START + timedelta(seconds=5), text="Ä"),
            EventQuery(exclude=EventQuery(actors=["alice", "bob"])),
            EventQuery(where={"data.metadata.note": "*7*"}),
        ]

        for query in queries:
            events = reader.read(query)
            assert len(list(events)) == events.count(), query

    def test_times_include_their_start_and_not_their_end(self) -> None:
        """
        ``since <= occurred_at < until``, to the microsecond, in any zone.
        """
        records = sample_records()
        reader = self.make_reader(records)
        third, sixth = START + timedelta(seconds=3), START + timedelta(0, 6)
        tick = timedelta(microseconds=1)

        def read(since: datetime | None, until: datetime | None) -> list[UUID]:
            return _ids(reader.read(EventQuery(since=since, until=until)))

        assert _ids(records[3:6]) == read(third, sixth)
        assert _ids(records[4:7]) == read(third + tick, sixth + tick)
        assert _ids(records[3:]) == read(third, None)
        assert _ids(records[:6]) == read(None, sixth)
        assert read(third, third) == []
        assert read(sixth, third) == []

    def test_event_types_are_patterns(self) -> None:
        """
        ``*`` goes beyond dots, ``?`` is one character, the whole has to fit;
        of other letters than ASCII's, case matters.
        """
        self._expect(
            "event_types",
            {
                "Kafka.Topic.*": [0, 1, 3, 4, 6, 7, 9, 10],
                "kafka.topic.CREATE": [0, 3, 6, 9],
                "*": list(range(12)),
                "*.Login": [2, 5, 8, 11],
                "A*n": [2, 5, 8, 11],
                "admin.Üser.login": [2, 5, 8, 11],
                "Admin.üser.Login": [],
                "\N{KELVIN SIGN}afka.*": [],
                "Kafka.Topic.?elete": [1, 4, 7, 10],
                "Kafka.Topic.?": [],
                "Kafka.Topic": [],
                "Topic": [],
                "Kafka_Topic.Create": [],
                "Kafka.Topic.[CD]*": [],
                "%": [],
                "": [],
            },
        )

    def test_resources_are_patterns_of_the_innermost(self) -> None:
        """
        Of ``type/id``; case matters, and no other character is special.
        """
        self._expect(
            "resources",
            {
                "topic/website-orders": [0, 4, 8],
                "topic/Website_Orders": [1, 5, 9],
                "topic/Website-Orders": [],
                "topic/Website?Orders": [1, 5, 9],
                "topic/Website?": [],
                "topic/*": [0, 1, 3, 4, 5, 7, 8, 9, 11],
                "*/50%/[a]": [2, 6, 10],
                "user/5%": [],
                "*line?break": [3, 7, 11],
                "cluster/*": [],
                "website-orders": [],
            },
        )

    def test_actors_and_tenants_are_exact(self) -> None:
        """
        No patterns, and an event without one matches none.
        """
        self._expect(
            "actors",
            {
                "alice": [0, 1, 6, 7],
                "bob": [2, 3, 8, 9],
                "Alice": [],
                "*": [],
                "None": [],
                "": [],
            },
        )
        self._expect(
            "tenants",
            {
                "north": [0, 1, 2, 9, 10, 11],
                "south%": [6, 7, 8],
                "south": [],
                "%": [],
                "*": [],
                "": [],
            },
        )

    def test_outcomes(self) -> None:
        """
        Each outcome finds its own.
        """
        self._expect(
            "outcomes",
            {"success": [0, 5, 10], "denied": [2, 7], "unknown": [4, 9]},
        )

    def test_text_stands_in_the_body_exactly(self) -> None:
        """
        Case matters, and no character is special.
        """
        records = sample_records()
        reader = self.make_reader(records)

        def read(text: str) -> list[UUID]:
            return _ids(reader.read(EventQuery(text=text)))

        assert _ids(records[1:2]) == read("number 1 of")
        assert _ids(records) == read("100% ÄÖ_x")
        assert _ids(records) == read("")
        assert _ids(records) == read('"note":"number')
        assert read("NUMBER") == []
        assert read("number %") == []
        assert read("ÄÖ-x") == []
        assert read("number .") == []

    def test_fields_are_found_by_their_path(self) -> None:
        """
        Names lead into objects and indexes into arrays; type and value are
        equal; ``null`` is not absent.
        """
        self._expect(
            "where",
            {
                ("data.metadata.number", 3): [3],
                ("data.metadata.third", -0.0): [0, 3, 6, 9],
                ("data.metadata.number", (3, 5.0, 99)): [3, 5],
                ("data.metadata.number", "3"): [],
                ("data.metadata.number", 3.5): [],
                ("data.metadata.number", True): [],
                ("data.metadata.number", ()): [],
                ("data.metadata.half", 1.5): [3],
                ("data.metadata.half", 2): [4],
                ("data.metadata.half", 0): [0],
                ("data.metadata.even", True): [0, 2, 4, 6, 8, 10],
                ("data.metadata.even", (1, 0.0)): [],
                ("data.metadata.even", "true"): [],
                ("data.metadata.gone", None): [0, 3, 6, 9],
                ("data.metadata.gone", "null"): [],
                ("data.metadata.absent", None): [],
                ("data.metadata.tags[0]", "audit"): list(range(12)),
                ("data.metadata.tags[1].place", "2"): [2, 5, 8, 11],
                ("data.metadata.tags[2]", None): [],
                ("data.metadata.tags.0", "audit"): [],
                ("data.metadata.tags", "audit"): [],
                ('data.metadata.tags[1]["place"]', "2"): [2, 5, 8, 11],
                ('data.metadata["odd.\\"name\\""].é', "\x1f"): [0, 4, 8],
                ('data.metadata["odd.\\"name\\""].é', "a\\b"): [],
                ("data.metadata.note[0]", "n"): [],
                ("data.actor.id", ("alice", None)): [0, 1, 6, 7],
                ("data.Actor.id", "alice"): [],
                ("specversion", "1.0"): list(range(12)),
                ("note", "number 1"): [],
            },
        )

    def test_what_is_excluded_is_left_out(self) -> None:
        """
        Whatever the other query matches, and nothing that it does not.
        """
        self._expect(
            "exclude",
            {
                EventQuery(actors="alice"): [2, 3, 4, 5, 8, 9, 10, 11],
                EventQuery(tenants=["north", "south%"]): [3, 4, 5],
                EventQuery(actors=[]): list(range(12)),
                EventQuery(text="number 1"): [0, *range(2, 10)],
                EventQuery(where={"data.metadata.half": [0, 0.5]}): [
                    *range(2, 12)
                ],
                EventQuery(
                    where={'data.metadata["odd.\\"name\\""].é': "\x1f"}
                ): [1, 2, 3, 5, 6, 7, 9, 10, 11],
                EventQuery(actors="alice", outcomes="success"): [
                    *range(1, 12)
                ],
                EventQuery(
                    actors="alice", exclude=EventQuery(outcomes="success")
                ): [0, 2, 3, 4, 5, 8, 9, 10, 11],
            },
        )

    def test_the_last_are_those_that_match_and_came_last(self) -> None:
        """
        In either order; *limit* counts after them.
        """
        records = sample_records()
        reader = self.make_reader(records)
        logins = [records[2], records[5], records[8], records[11]]

        def read(**query: Any) -> list[UUID]:
            return _ids(reader.read(EventQuery(**query)))

        assert _ids(records[-3:]) == read(last=3)
        assert _ids(records) == read(last=99)
        assert read(last=0) == []
        assert _ids(logins[-2:]) == read(event_types="*.Login", last=2)
        assert _ids(records[-3:-1]) == read(last=3, limit=2)
        assert _ids(records[:-3:-1]) == read(last=2, order="newest")
        assert _ids(records[:-3:-1]) == read(last=2, limit=5, order="newest")

    def test_several_values_of_a_filter_match_either(self) -> None:
        """
        Within a filter one value suffices, all filters have to match.
        """
        records = sample_records()
        reader = self.make_reader(records)

        def read(**query: Any) -> list[UUID]:
            return _ids(reader.read(EventQuery(**query)))

        either = read(event_types=["Admin.*", "*.Delete"])
        both = read(actors=["alice", "bob"], tenants=["north"])

        assert _ids(records[i] for i in (1, 2, 4, 5, 7, 8, 10, 11)) == either
        assert _ids(records[i] for i in (0, 1, 2, 9)) == both
        assert read(actors="alice", outcomes="unknown") == []

    def test_an_empty_filter_matches_nothing(self) -> None:
        """
        An empty list asks for none of them, None for all.
        """
        records = sample_records()
        reader = self.make_reader(records)

        for name in _LISTS:
            nothing = _asking(name, [])
            everything = _asking(name, None)

            assert list(reader.read(nothing)) == [], name
            assert _ids(records) == _ids(reader.read(everything)), name

    def test_any_query_means_the_same(self) -> None:
        """
        Three hundred queries find what :meth:`.EventQuery.matches` says.
        """
        records = sample_records()
        reader = self.make_reader(records)

        for query in random_queries(300):
            expected = [r for r in records if query.matches(r)]
            if query.last is not None:
                expected = expected[max(len(expected) - query.last, 0) :]
            if query.order == "newest":
                expected.reverse()

            found = _ids(reader.read(query))

            assert _ids(expected[: query.limit]) == found, query

    def test_an_export_holds_what_is_read(self) -> None:
        """
        Whichever way an exporter reads, it finds the same in the same order.
        """
        reader = self.make_reader(sample_records())

        for query in [EventQuery(), *random_queries(40, seed=1)]:
            read = _only(reader.read(query).scan())
            lines = b"".join(record.body + b"\n" for record in read)
            file = io.BytesIO()

            report = JSONExporter().export(reader.read(query), file)

            assert lines == file.getvalue(), query
            assert report.rows == len(read)
            if read:
                assert report.first == _place(read[0])
                assert report.last == _place(read[-1])

    def _expect(self, name: str, found_by: dict[Any, list[int]]) -> None:
        records = sample_records()
        reader = self.make_reader(records)
        for given, places in found_by.items():
            value = dict([given]) if isinstance(given, tuple) else given
            expected = _ids(records[place] for place in places)

            found = _ids(reader.read(_asking(name, value)))

            assert expected == found, f"{name}={value!r}"


class GrowingReaderContract(ReaderContract):
    """
    As :class:`ReaderContract`, for a source that gets more events.

    .. versionadded:: 0.1.0
    """

    def append(self, reader: Reader, records: Sequence[Record], /) -> None:
        """
        Add *records* to the source of *reader*, behind what is there.
        """
        raise NotImplementedError

    def test_an_iteration_ends_where_the_source_ended(self) -> None:
        """
        What comes while reading is left to the next iteration, in either
        order.
        """
        records = sample_records()
        reader = self.make_reader(records[:6])
        oldest = iter(reader.read())
        newest = iter(reader.read(EventQuery(order="newest")))
        begun = [next(oldest), next(newest)]

        self.append(reader, records[6:])

        assert _ids([records[0], records[5]]) == _ids(begun)
        assert _ids(records[1:6]) == _ids(oldest)
        assert _ids(reversed(records[:5])) == _ids(newest)
        assert _ids(records) == _ids(reader.read())


class FollowingReaderContract(GrowingReaderContract):
    """
    As :class:`GrowingReaderContract`, for a reader with
    :meth:`auditlog.abc.Reader.watch`.

    .. versionadded:: 0.1.0
    """

    def test_what_is_there_and_then_what_comes_is_followed(self) -> None:
        """
        Each event once, in order, filtered.
        """
        records = sample_records()
        reader = self.make_reader(records[:6])

        with followed(reader, actors=["alice", "bob"]) as events:
            before = [next(events) for _ in range(4)]
            self.append(reader, records[6:9])
            after = [next(events) for _ in range(3)]
            self.append(reader, records[9:])
            (last,) = (next(events),)

        assert _ids(records[:4]) == _ids(before)
        assert _ids(records[6:9]) == _ids(after)
        assert records[9].event_id == last.event_id

    def test_following_may_begin_with_the_last_ones(self) -> None:
        """
        ``last=0`` begins with what comes after the call.
        """
        records = sample_records()
        reader = self.make_reader(records[:6])

        with (
            followed(reader, last=0) as new,
            followed(reader, last=2, outcomes="success") as recent,
        ):
            before = [next(recent) for _ in range(2)]
            self.append(reader, records[6:])
            after = [next(new) for _ in range(6)]
            last = next(recent)

        assert _ids([records[0], records[5]]) == _ids(before)
        assert _ids(records[6:]) == _ids(after)
        assert records[10].event_id == last.event_id

    def test_an_empty_source_can_be_followed(self) -> None:
        """
        The first event is found when it comes.
        """
        records = sample_records()
        reader = self.make_reader([])

        with followed(reader) as events:
            self.append(reader, records[:1])

            assert records[0].event_id == next(events).event_id

    def test_a_limit_ends_following(self) -> None:
        """
        It counts what was there and what came.
        """
        records = sample_records()
        reader = self.make_reader(records[:2])

        with followed(reader, limit=3) as events:
            before = [next(events), next(events)]
            self.append(reader, records[2:])

            assert _ids(records[2:3]) == _ids(events)
        assert _ids(records[:2]) == _ids(before)

    def test_following_ends_when_it_is_closed(self) -> None:
        """
        By another thread, while nothing comes; closing again does no harm.
        """
        reader = self.make_reader(sample_records()[:1])
        with followed(reader) as events:
            next(events)
            closer = threading.Timer(0.1, events.close)
            closer.start()

            rest = list(events)
            closer.join()

        assert rest == []

    def test_the_newest_first_can_not_be_followed(self) -> None:
        """
        That has no end to begin with.
        """
        reader = self.make_reader([])
        try:
            reader.follow(EventQuery(order="newest"))
        except QueryError:
            return
        raise AssertionError("a QueryError was expected")


@contextlib.contextmanager
def followed(
    reader: Reader, *, deadline: float = 60.0, **query: Any
) -> Iterator[LiveEvents]:
    """
    *reader* followed with a query of these settings, for a test.

    Closed at the end, or after *deadline* seconds, so that an event that
    never comes fails the test.
    """
    with reader.follow(EventQuery(**query), interval=0.02) as events:
        watchdog = threading.Timer(deadline, events.close)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield events
        finally:
            watchdog.cancel()


_LISTS = ("event_types", "actors", "resources", "outcomes", "tenants")

_VALUES: dict[str, list[Any]] = {
    "since": [START + timedelta(seconds=i) for i in (-1, 0, 5)],
    "until": [START + timedelta(seconds=i) for i in (0, 7, 12)],
    "event_types": [["*.topic.*"], ["Admin.?ser.*", "*.Create"], []],
    "actors": [["alice"], ["bob", "carol"], []],
    "resources": [["topic/*"], ["*[a]", "*Orders"], ["user/50%*"]],
    "outcomes": [["success", "failure"], ["unknown"], []],
    "tenants": [["north"], ["south%", "north"], []],
    "text": ["number 1", "alice", "%"],
    "where": [
        {"data.metadata.even": True},
        {"data.metadata.tags[1].place": ["0", "1"], "data.tenant": "north"},
        {"data.metadata.half": [0.5, 2, None]},
        {'data.metadata["odd.\\"name\\""].é': ["\x1f", "x"]},
        {},
    ],
    "exclude": [
        EventQuery(actors="alice"),
        EventQuery(where={"data.metadata.half": [0.5, 2]}, text="n"),
        EventQuery(tenants=["north"], exclude=EventQuery(actors="bob")),
    ],
    "last": [0, 2, 7, 100],
    "limit": [0, 1, 3, 100],
}


def random_queries(count: int, *, seed: int = 0) -> Iterable[EventQuery]:
    """
    Queries of up to four settings for :func:`sample_records`; the same ones
    for the same *seed*.
    """
    chance = random.Random(seed)  # noqa: S311
    for _ in itertools.repeat(None, count):
        names = chance.sample(sorted(_VALUES), chance.randint(0, 4))
        chosen = {name: chance.choice(_VALUES[name]) for name in names}
        order: Any = chance.choice(["oldest", "newest"])
        yield attrs.evolve(EventQuery(**chosen), order=order)


def _asking(name: str, value: Any) -> EventQuery:
    return attrs.evolve(EventQuery(), **{name: value})


def _ids(records: Iterable[object]) -> list[UUID]:
    return [record.event_id for record in _only(records)]


def _place(record: Record) -> object:
    at = record.origin
    if at is not None:
        at = Origin(topic=at.topic, partition=at.partition, offset=at.offset)
    return at or record.index or record.event_id


def _only(items: Iterable[object]) -> list[Record]:
    return [item for item in items if isinstance(item, Record)]
