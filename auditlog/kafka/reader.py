"""
Reads audit events back from a Kafka topic.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import attrs

from auditlog._limited import Limited
from auditlog.abc import (
    Reader,
    ResumableScan,
    select,
    select_last,
    select_live,
)
from auditlog.config import ClusterConfig
from auditlog.errors import (
    AuditLogError,
    ConfigError,
    QueryError,
    ReadError,
)

from . import errors, records
from .contact import CONTACT, ask, load_driver, reach
from .course import Course
from .spans import IDLE, Span, read_backwards, read_on, read_spans
from .starts import ConsumerGroup, at, checked, milliseconds
from .stretches import read_stretch, stretches


if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator

    from auditlog._pages import Page
    from auditlog.abc import EventQuery, Record, Skipped

    from .driver import Consumer
    from .starts import Start
    from .stretches import Stretch


# Messages that are looked at together.
PAGE = 500


class KafkaReader(Reader):
    """
    Reads the audit events of a topic, whoever wrote them.

    Each read ends where the topic ended when it began. It needs no consumer
    group, commits no offset and leaves nothing behind on the cluster.

    What is no audit event is passed over and shown as
    :class:`auditlog.abc.Skipped`: a tombstone, other people's records, broken
    JSON, the placeholder of a dead letter. Events of one partition come in
    its order; across partitions the records' timestamps decide.

    With ``EventQuery(order="newest", limit=100)`` the topic is read from its
    end, and only as far as needed for the most recent 100 that match.

    Args:
        cluster: The cluster.

        topic: Name of the topic.

        start:
            Where to begin: ``"beginning"``; a timezone-aware date or
            milliseconds since 1970, by the records' timestamps; an offset
            for each partition, as in ``{0: 1500}``, where a partition that
            isn't named is read from its beginning; or a
            :class:`auditlog.kafka.ConsumerGroup`, for where that stands.

        partitions: Numbers of the partitions to read; None for all.

        isolation:
            ``read_committed``, or ``read_uncommitted`` for records of
            transactions that were aborted or still run.

        max_clock_skew:
            Seconds by which the clock of a host where events occurred may be
            ahead of the record's timestamp. A ``since`` is looked up so much
            earlier, then filtered.

        idle_timeout: Seconds without an answer after which a read fails.

    Raises:
        MissingExtraError: If kafka-python is not installed.

        ConfigError: If *cluster* is no config of a cluster.

        QueryError: If *start* is none of these, or *isolation* unknown.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        cluster: ClusterConfig,
        topic: str,
        *,
        start: Start = "beginning",
        partitions: Collection[int] | None = None,
        isolation: Literal[
            "read_committed", "read_uncommitted"
        ] = "read_committed",
        max_clock_skew: float = 3600.0,
        idle_timeout: float = IDLE,
    ) -> None:
        self._driver = load_driver("KafkaReader")
        if not isinstance(cluster, ClusterConfig):
            mistake = (
                f"KafkaReader needs a ClusterConfig (got "
                f"{type(cluster).__name__}); config.cluster(id) gives one"
            )
            raise ConfigError([mistake])
        self.cluster = cluster
        self.topic = topic
        self._start = checked(start)
        self._partitions = None if partitions is None else set(partitions)
        self._isolation = isolation
        self._max_clock_skew_ms = int(max_clock_skew * 1000)
        self._idle_timeout = idle_timeout
        if isolation not in {"read_committed", "read_uncommitted"}:
            raise QueryError(
                "'isolation' must be 'read_committed' or 'read_uncommitted' "
                f"(got {isolation!r})"
            )

    def __repr__(self) -> str:
        """
        Topic and cluster.
        """
        return f"<KafkaReader {self.topic!r} on {self.cluster.id!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(
            type(self),
            start=self._start,
            partitions=self._partitions,
            isolation=self._isolation,
            max_clock_skew=self._max_clock_skew_ms / 1000,
            idle_timeout=self._idle_timeout,
        )
        return make, (self.cluster, self.topic)

    def scan(self, query: EventQuery, /) -> Iterator[Record | Skipped]:
        """
        The events that match *query*, and what isn't an audit event.

        Stopping early releases the connections at once.

        Raises:
            ReadError:
                If the topic does not exist or may not be read, if the
                cluster can't be reached or does not answer for
                *idle_timeout* seconds.
        """
        return select_last(self._scan, query)

    def scan_bodies(
        self, query: EventQuery, /
    ) -> Iterator[Page | Skipped] | None:
        """
        The bodies of all events, if *query* has no filters.

        Raises:
            ReadError: As for :meth:`scan`.
        """
        bounds = query.last, query.limit
        if query.filters or query.order == "newest" or bounds != (None, None):
            return None
        return self._bodies(query)

    def stretches(self, query: EventQuery, /) -> Generator[Stretch] | None:
        """
        Parts of the topic that can be read on their own.

        Raises:
            ReadError: As for :meth:`scan`.
        """
        bounds = query.last, query.limit
        if query.order == "newest" or bounds != (None, None):
            return None
        return self._parts(query)

    @contextmanager
    def opened(self) -> Iterator[Callable[[Stretch], Reader]]:
        """
        Readers of stretches, with the same connections.

        Raises:
            ReadError: As for :meth:`scan`.
        """
        with self._told(), self._consumer() as consumer:
            yield partial(_Part, self, consumer)

    def watch(
        self, query: EventQuery, /
    ) -> Generator[Record | Skipped | None, None, None]:
        """
        The events that match *query*, and then those that come.

        A broker that is away is waited for. Partitions that the topic gets
        meanwhile are read from their beginning, half a minute later at most,
        unless *partitions* says which to read.

        Raises:
            ReadError: As for :meth:`scan`, but for *idle_timeout*.
        """
        with self._told(), self._consumer() as consumer:
            spans = self._spans(consumer, query)
            yield None
            past = select_last(
                lambda part: select(self._past(consumer, spans, part), part),
                attrs.evolve(query, limit=None),
            )
            live = _live(consumer, spans, grows=self._partitions is None)
            yield from select_live(past, live, query)

    def begin_scan(self, query: EventQuery, /) -> ResumableScan:
        """
        See :meth:`auditlog.abc.ResumableReader.begin_scan`.

        Raises:
            ReadError: As for :meth:`scan`.
        """
        return self._placed(query, None, follows=False)

    def resume_scan(
        self, query: EventQuery, place: Mapping[str, Any], /
    ) -> ResumableScan:
        """
        See :meth:`auditlog.abc.ResumableReader.resume_scan`.

        Raises:
            ReadError: As for :meth:`scan`.
        """
        query = attrs.evolve(query, limit=place["left"])
        return self._placed(query, place, follows=False)

    def follow_scan(
        self, query: EventQuery, place: Mapping[str, Any] | None, /
    ) -> ResumableScan:
        """
        See :meth:`auditlog.abc.FollowableReader.follow_scan`.

        Partitions that were added meanwhile are read from their beginning.

        Raises:
            ReadError: As for :meth:`scan`.
        """
        return self._placed(query, place, follows=True)

    def _placed(
        self,
        query: EventQuery,
        place: Mapping[str, Any] | None,
        *,
        follows: bool,
    ) -> ResumableScan:
        if query.order == "newest":
            raise ReadError(
                f"can't go on reading topic {self.topic!r} from its end; use "
                "order='oldest'"
            )
        course = Course(place, follows=follows)
        found = self._coursed(query, course)
        next(found)  # so that it is known where it ends
        rest = (item for item in found if item is not None)
        items = Limited(select(rest, query), query.limit)
        return ResumableScan(
            items=iter(items),
            source={
                "cluster": self.cluster.id,
                "topic": self.topic,
                "topic's id": course.topic_id,
                "isolation": self._isolation,
            },
            place=lambda: {"left": items.left, **course.place()},
        )

    def _coursed(
        self, query: EventQuery, course: Course
    ) -> Generator[Record | Skipped | None]:
        with self._told(), self._consumer() as consumer:
            course.begin(consumer, self._spans(consumer, query))
            yield None
            yield from course.gone(self.topic)
            read = read_spans(consumer, course.spans, idle=self._idle_timeout)
            yield from map(records.read, course.passed(read))
            course.end()

    def _bodies(self, query: EventQuery) -> Iterator[Page | Skipped]:
        with self._told(), self._consumer() as consumer:
            spans = self._spans(consumer, query)
            messages = read_spans(consumer, spans, idle=self._idle_timeout)
            yield from _pages(messages)

    def _parts(self, query: EventQuery) -> Generator[Stretch]:
        with self._told(), self._consumer(max_records=1) as consumer:
            spans = self._spans(consumer, query)
            yield from stretches(consumer, spans, idle=self._idle_timeout)

    def _scan(self, query: EventQuery) -> Iterator[Record | Skipped]:
        return select(self._found(query), query)

    def _found(self, query: EventQuery) -> Iterator[Record | Skipped]:
        with self._told(), self._consumer() as consumer:
            spans = self._spans(consumer, query)
            yield from self._past(consumer, spans, query)

    def _past(
        self, consumer: Consumer, spans: list[Span], query: EventQuery
    ) -> Iterator[Record | Skipped]:
        read = read_backwards if query.order == "newest" else read_spans
        return map(
            records.read, read(consumer, spans, idle=self._idle_timeout)
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except AuditLogError:
            raise
        except Exception as exc:
            raise self._read_error(exc) from exc

    @contextmanager
    def _consumer(self, *, max_records: int = 2000) -> Iterator[Consumer]:
        reach(self.cluster)
        with self._driver.Consumer(
            self.cluster,
            self.topic,
            timeout=min(CONTACT, self._idle_timeout),
            isolation=self._isolation,
            max_records=max_records,
        ) as consumer:
            yield consumer

    def _numbers(self, known: set[int]) -> list[int]:
        known = known or self._look_for_topic()
        wanted = known if self._partitions is None else self._partitions
        named = self._start if isinstance(self._start, dict) else {}
        if missing := (wanted | named.keys()) - known:
            raise ReadError(
                f"topic {self.topic!r} has no partition {min(missing)}; it "
                f"has {len(known)}, from 0"
            )
        return sorted(wanted)

    def _spans(self, consumer: Consumer, query: EventQuery) -> list[Span]:
        numbers = self._numbers(consumer.partitions())
        ends = consumer.ends(numbers)
        starts = [
            consumer.begins(numbers),
            self._starts(consumer, numbers, ends),
        ]
        if query.since is not None:
            since = milliseconds(query.since) - self._max_clock_skew_ms
            starts.append(at(consumer, numbers, max(since, 0), ends))
        return [
            Span(
                number,
                max(each.get(number, 0) for each in starts),
                ends[number],
            )
            for number in numbers
        ]

    def _starts(
        self, consumer: Consumer, numbers: list[int], ends: dict[int, int]
    ) -> Mapping[int, int]:
        if self._start == "beginning":
            return {}
        if isinstance(self._start, Mapping):
            return self._start
        if isinstance(self._start, ConsumerGroup):
            return self._committed(self._start.id, numbers)
        assert isinstance(self._start, int)
        return at(consumer, numbers, self._start, ends)

    def _committed(self, group: str, numbers: list[int]) -> dict[int, int]:
        found = ask(
            self.cluster,
            lambda admin: admin.committed(group, self.topic, numbers),
        )
        if numbers and not found:
            raise ReadError(
                f"consumer group {group!r} has committed no offset in topic "
                f"{self.topic!r} on cluster {self.cluster.id!r}; is that its "
                "id?"
            )
        return found

    def _look_for_topic(self) -> set[int]:
        # Created this moment, not to be seen by us (this raises), or absent.
        state = ask(self.cluster, lambda admin: admin.topic(self.topic))
        if state is not None:
            return set(state.partitions)
        raise ReadError(
            f"topic {self.topic!r} does not exist on cluster "
            f"{self.cluster.id!r}; a KafkaSink creates it with its first event"
        )

    def _read_error(self, error: Exception) -> ReadError:
        where = f"topic {self.topic!r} on cluster {self.cluster.id!r}"
        truncated = type(error).__name__ == "LogTruncationError"
        if truncated or isinstance(error, errors.TruncatedError):
            return ReadError(
                f"{where} became shorter while it was read: it was created "
                "anew or lost records; read it again"
            )
        if isinstance(error, errors.StalledError):
            return ReadError(
                f"gave up reading {where} after {self._idle_timeout:g} s "
                f"without an answer: {self._why_stalled()}"
            )
        if getattr(error, "retriable", False):
            return ReadError(f"can't read {where}: {self._why_stalled()}")
        if "Authorization" in type(error).__name__:
            return ReadError(
                f"can't read {where}: not authorized; grant the ACLs Read "
                "and Describe"
            )
        if isinstance(error, (*errors.OURS, errors.DisorderError)):
            return ReadError(f"can't read {where}: {error}")
        return ReadError(f"can't read {where}: {errors.name_of(error)}")

    def _why_stalled(self) -> str:
        try:
            state = ask(self.cluster, lambda admin: admin.topic(self.topic))
        except Exception as exc:  # noqa: BLE001 - the reason is all that counts
            return str(exc) or errors.name_of(exc)
        if state is None:
            return "it was deleted meanwhile"
        return "nothing came, though the cluster answers"


class _Part(Reader):
    """
    Reads a stretch of a topic by connections that are there.
    """

    def __init__(
        self, whole: KafkaReader, consumer: Consumer, stretch: Stretch
    ) -> None:
        self._whole = whole
        self._consumer = consumer
        self._stretch = stretch

    def scan(self, query: EventQuery, /) -> Iterator[Record | Skipped]:
        return select(map(records.read, self._messages()), query)

    def scan_bodies(
        self, query: EventQuery, /
    ) -> Iterator[Page | Skipped] | None:
        return None if query.filters else _pages(self._messages())

    def _messages(self) -> Iterator[Any]:
        idle = self._whole._idle_timeout  # noqa: SLF001
        with self._whole._told():  # noqa: SLF001
            yield from read_stretch(self._consumer, self._stretch, idle=idle)


def _pages(messages: Iterator[Any]) -> Iterator[Page | Skipped]:
    while chunk := [*islice(messages, PAGE)]:
        yield from records.pages(chunk)


def _live(
    consumer: Consumer, spans: list[Span], *, grows: bool
) -> Iterator[Record | Skipped | None]:
    starts = {span.partition: max(span.start, span.end) for span in spans}
    for message in read_on(consumer, starts, grows=grows):
        yield None if message is None else records.read(message)
