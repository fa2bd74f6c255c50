"""
What moves through this library and what a backend has to provide.

Written for the person who implements a sink, a journal or a reader.
`auditlog.testing` holds a contract suite for each.
"""

from __future__ import annotations

import contextlib
import functools
import itertools

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import (
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import attrs

from auditlog import codec
from auditlog._tabular import Tables
from auditlog.errors import DecodingError, ReadError
from auditlog.live import LiveEvents
from auditlog.query import EventQuery as EventQuery  # noqa: PLC0414 - its public place


if TYPE_CHECKING:
    from datetime import datetime, tzinfo
    from uuid import UUID

    from matplotlib.figure import Figure

    from auditlog._progress import Progress
    from auditlog.activity import EventCounts
    from auditlog.activity._fields import EventField, TimeUnit
    from auditlog.event import AuditEvent
    from auditlog.status import JournalStatus

Found = TypeVar("Found", "Record | Skipped", "Record | Skipped | None")


MAX_REASONS = 100


@attrs.frozen(kw_only=True)
class Origin:
    """
    Where in a Kafka topic a record was found.

    Attributes:
        topic: Name of the topic.

        partition: Number of the partition.

        offset: Offset in the partition.

        timestamp: The record's timestamp, UTC, or None if it has none.

        key: The record's key as it is.

        headers: Names and values, in order; a name may come twice.

    .. versionadded:: 0.1.0
    """

    topic: str
    partition: int
    offset: int
    timestamp: datetime | None = None
    key: bytes | None = attrs.field(default=None, repr=False)
    headers: tuple[tuple[str, bytes | None], ...] = attrs.field(
        default=(), repr=False
    )

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


@attrs.frozen(kw_only=True, eq=False)
class Record:
    """
    One event as it moves and as it is read.

    The bytes are the truth: sinks store them, and hand them on, as they are.
    In a record of a publisher they are made when they are first asked for, so
    that a sink can send some records while the next are made: as *body* it
    is given a :class:`functools.partial` of a codec's ``encode`` and the
    event.

    Attributes:
        event_id: Same over retries, sinks and replays.

        body: The event's one serialized form, see :mod:`auditlog.codec`.

        index: Place in the journal's gapless order, from 1, if it has one.

        recorded_at: When it was stored, UTC, by the clock of the store.

        origin: Where in a Kafka topic it was found.

        event:
            The event in *body*, decoded on first use if it has to be, which
            may raise `DecodingError`.

    .. versionadded:: 0.1.0
    """

    event_id: UUID
    _body: bytes | functools.partial[bytes] = attrs.field(repr=False)
    index: int | None = None
    recorded_at: datetime | None = None
    origin: Origin | None = None
    _event: AuditEvent | None = attrs.field(
        default=None, init=False, repr=False
    )

    @property
    def body(self) -> bytes:
        """
        The event's one serialized form.
        """
        made = self._body
        if not isinstance(made, functools.partial):
            return made
        body = made()
        if b'"truncated":' not in body:  # then all of the event is in it
            object.__setattr__(self, "_event", made.args[0])
        object.__setattr__(self, "_body", body)
        return body

    @property
    def event(self) -> AuditEvent:
        """
        The event in the body.

        Raises:
            DecodingError: If the body isn't an audit event.
        """
        body, event = self.body, self._event
        if event is None:
            event = codec.decode(body)
            object.__setattr__(self, "_event", event)
        return event

    @property
    def is_decoded(self) -> bool:
        """
        Whether the event is at hand.
        """
        return self._event is not None

    def _all(self) -> tuple[object, ...]:
        return (
            self.event_id,
            self.body,
            self.index,
            self.recorded_at,
            self.origin,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return _record, self._all()


def _record(
    event_id: UUID,
    body: bytes,
    index: int | None,
    recorded_at: datetime | None,
    origin: Origin | None,
) -> Record:
    return Record(
        event_id=event_id,
        body=body,
        index=index,
        recorded_at=recorded_at,
        origin=origin,
    )


@attrs.frozen(kw_only=True)
class DeadLetter:
    """
    An event that a relay's sink will never take, kept with the reason.

    Attributes:
        record: The event's original bytes, id and index.

        reason: What the sink said; never content of the event.

        attempts: How often it was tried alone.

        at: When it was tried last, UTC, by the clock of the journal.

    .. versionadded:: 0.1.0
    """

    record: Record
    reason: str
    attempts: int = 1
    at: datetime | None = None


@runtime_checkable
class Sink(Protocol):
    """
    Stores batches of events durably.

    A sink is one class with :meth:`write`. Batching, retry, deadlines,
    ordering, metrics and shutdown are not its business. It may also have

    ``close()``
        Release everything, in bounded time; called once or more, and during a
        write only if that one didn't end before the publisher's timeout.

    ``logger``
        The :class:`logging.Logger` on which failures to write are reported.

    ``write_again(records, /)``
        Store dead letters that are sent once more, marked as such if it can;
        by default they are written as any other.

    ``write_placeholders(dead_letters, /)``
        Store, for each :class:`DeadLetter`, a note that its index will not
        come. A relay gives an event up only after this returned.

    ``last_index()``
        The highest journal index that the sink holds, or None. A relay that
        finds it beyond its journal refuses to run: the journal was restored
        from an older copy.

    .. versionadded:: 0.1.0
    """

    def write(self, records: Sequence[Record], /) -> None:
        """
        Store *records*; all are durable on return.

        Called from one thread at a time, never with an empty batch, and never
        with the same id twice in one batch. The batch must not be changed or
        kept. A record that was stored by an earlier call may come again, with
        the same id and the same bytes: a sink that can tell stores it once.

        Args:
            records:
                What to store, in order: a sequence, but no list. A publisher
                makes each record, and each body, when it is first looked at,
                so a sink may send some while it makes the next.

        Raises:
            PartialWriteError: If some records are stored and others refused.

            EventRefusedError:
                If an event can't ever be stored; the batch is then tried
                again one by one, to find which.

            Exception:
                Anything else means that nothing is known to be stored. The
                same batch comes again later, for ever.
        """


@runtime_checkable
class Lease(Protocol):
    """
    The right to run one relay, held by one holder at a time.

    Fenced: a holder that was replaced, however long it slept, can't move the
    position any more.

    Attributes:
        position: Index of the last event that the relay has delivered.

        ttl: Seconds after which a lease that isn't renewed may be taken.

    .. versionadded:: 0.1.0
    """

    position: int
    ttl: float

    def advance(
        self, position: int, dead_letters: Sequence[DeadLetter] = (), /
    ) -> None:
        """
        Record that everything up to *position* is delivered, and renew.

        *dead_letters* are kept in the same step, or neither happens.

        Raises:
            LeaseLostError: If another holder has the lease now.
        """

    def renew(self) -> None:
        """
        Keep the lease for another *ttl* seconds; callable from any thread.

        Raises:
            LeaseLostError: If another holder has the lease now.
        """

    def release(self) -> None:
        """
        Give the lease up, so that another holder needn't wait; may be called
        after it was lost.
        """


@runtime_checkable
class Journal(Sink, Protocol):
    """
    A sink that is read back in one gapless order.

    It may also have

    ``has_local_index``
        True if its indexes count on one machine or in one process only. A
        relay then hands records to its sink without their index, and doesn't
        compare the sink's last index with the journal.

    .. versionadded:: 0.1.0
    """

    def read(self, after: int, limit: int, /) -> Sequence[Record]:
        """
        The next events behind the index *after*, at most *limit*.

        Each has an index; they are consecutive, and no event appears later
        with an index that was passed over.
        """

    def size(self, *, timeout: float | None = None) -> int:
        """
        The highest index that is given.

        Args:
            timeout:
                None counts what has an index now. A number of seconds waits
                until all that was stored before the call has one: other
                transactions that are open may hold it back.

        Raises:
            SinkTimeoutError: If it is still held back after *timeout*.
        """

    def position(self, relay: str, /) -> int:
        """
        How far *relay* has come; 0 if it never ran.
        """

    def lease(self, relay: str, /) -> Lease | None:
        """
        Acquire the lease of *relay*, or None while another holder has it.
        """


@runtime_checkable
class DeadLetterOffice(Protocol):
    """
    A journal that gives its dead letters out again.

    .. versionadded:: 0.1.0
    """

    def dead_letters(
        self, relay: str, /, *, after: int = 0, limit: int = 1000
    ) -> Sequence[DeadLetter]:
        """
        Those of *relay* that are still undelivered, by their index.

        Args:
            after: Only those behind this index.

            limit: At most so many.
        """

    def redriven(self, relay: str, index: int, /) -> None:
        """
        The dead letter of that *index* was delivered after all.
        """

    def refused_again(self, relay: str, index: int, reason: str, /) -> None:
        """
        Another attempt at the dead letter of that *index* failed.
        """


@runtime_checkable
class ReportingJournal(Protocol):
    """
    A journal that says how it stands.

    .. versionadded:: 0.1.0
    """

    def status(self, *, relays: Iterable[str] = ()) -> JournalStatus:
        """
        What it holds, how far each relay has come, and what is in the way.

        Changes nothing: gives no indexes, acquires no lease. May ask a
        server or a disk.

        Args:
            relays: Names of relays to tell of even if they never ran.

        Raises:
            SinkError: If the journal can't be asked.
        """


@runtime_checkable
class TransactionalSink(Sink, Protocol):
    """
    A sink that can store events in a transaction of the application's.

    .. versionadded:: 0.1.0
    """

    def write_in(self, connection: Any, records: Sequence[Record], /) -> None:
        """
        Put *records* into the open transaction of *connection*.

        Opens no connection of its own. The events commit or vanish with what
        else the transaction writes.

        Raises:
            TransactionError: If there is no transaction to join.

            SinkError: As for :meth:`Sink.write`.
        """

    async def write_in_async(
        self, connection: Any, records: Sequence[Record], /
    ) -> None:
        """
        As :meth:`write_in`, without blocking the event loop.
        """


@attrs.frozen(kw_only=True)
class Skipped:
    """
    Something in a source that is not an audit event.

    Attributes:
        place: Where it stands: topic, partition and offset, or file and line.

        reason: Why it was passed over, in a few fixed words to count by.

        origin: The same place as data, if the source is a topic.

    .. versionadded:: 0.1.0
    """

    place: str
    reason: str
    origin: Origin | None = None


class Reader(ABC):
    """
    Reads events back; a custom reader is one class with :meth:`scan`.

    Iterable itself, so that it goes wherever events go.

    .. versionadded:: 0.1.0
    """

    @abstractmethod
    def scan(self, query: EventQuery, /) -> Iterator[Record | Skipped]:
        """
        Everything that matches *query*, and what isn't an audit event.

        Bounded by the end of the source at the time of the call. Each call
        reads anew. :func:`select` does the filters and the limit.

        Raises:
            ReadError: If the source can't be read.
        """

    def read(self, query: EventQuery | None = None, /) -> Events:
        """
        The events that match *query*, or all; nothing is read yet.
        """
        return Events(self, query or EventQuery())

    def count(self, query: EventQuery, /) -> int:
        """
        How many events match *query*.

        A reader that can count without handing the events over does so
        instead.

        Raises:
            ReadError: If the source can't be read.
        """
        return sum(isinstance(found, Record) for found in self.scan(query))

    def follow(
        self, query: EventQuery | None = None, /, *, interval: float = 0.5
    ) -> LiveEvents:
        """
        The events that match *query*, or all, and then those that come.

        An event comes once and in the order of the source, never one that
        another could still be stored before. ``EventQuery(last=20)`` begins
        with the last 20 that match, ``last=0`` with the next to come.

        Args:
            query: Which events.

            interval: Seconds between two looks for something new.

        Returns:
            An iterator that waits. Close it, or use it in a ``with`` block.

        Raises:
            ReadError:
                If the source can't be read, or is one that nothing comes to.

            QueryError: If *query* asks for the newest first.

        .. versionadded:: 0.1.0
        """
        return LiveEvents(self, query or EventQuery(), interval=interval)

    def watch(
        self,
        query: EventQuery,  # noqa: ARG002
        /,
    ) -> Generator[Record | Skipped | None, None, None]:
        """
        As :meth:`scan`, and then on for ever; None while nothing is new.

        What :meth:`follow` is made of. The first item is asked for at once:
        a reader looks where its source ends, and yields None. It is closed
        when it is not needed any more. :func:`select_live` does the filters
        and the limits.
        """
        raise ReadError(f"{self!r} can't be followed; use read()")

    def __iter__(self) -> Iterator[Record]:
        return iter(self.read())


class Events(Tables, Iterable[Record]):
    """
    The result of a reader's ``read()``: each iteration reads again.

    In a notebook it shows the first 50 as a table. Where Arrow is understood
    it is a table itself: ``polars.DataFrame(events)``, or ``FROM events`` in
    DuckDB.

    Attributes:
        reader: Where the events come from.

        query: Which of them.

    .. versionadded:: 0.1.0
    """

    __slots__ = ("query", "reader")

    def __init__(self, reader: Reader, query: EventQuery) -> None:
        self.reader = reader
        self.query = query

    def __iter__(self) -> Iterator[Record]:
        return (found for found in self.scan() if isinstance(found, Record))

    def scan(self) -> Iterator[Record | Skipped]:
        """
        The events and, in between, what was passed over.
        """
        return self.reader.scan(self.query)

    def count(self) -> int:
        """
        How many events there are.

        The database counts itself; other sources are read to their end.

        Raises:
            ReadError: If the reader fails.

        .. versionadded:: 0.1.0
        """
        return self.reader.count(self.query)

    def head(self, n: int = 5) -> Events:
        """
        The first *n* events; no more are read.

        Raises:
            QueryError: If *n* is negative.

        .. versionadded:: 0.1.0
        """
        limit = self.query.limit
        few = n if limit is None else min(n, limit)
        return Events(self.reader, attrs.evolve(self.query, limit=few))

    def tail(self, n: int = 5) -> Events:
        """
        The last *n* events, in the order of the query.

        They are read from the end, unless the query has a limit, and are held
        in memory.

        Raises:
            QueryError: If *n* is negative.

        .. versionadded:: 0.1.0
        """
        return Events(_Last(self, n), attrs.evolve(self.query, limit=n))

    def _first(self, count: int) -> Iterator[Record | Skipped]:
        return self.head(count).scan()

    def events_per(
        self,
        unit: TimeUnit,
        /,
        *,
        by: EventField | None = None,
        tz: str | tzinfo = "UTC",
        top: int | None = None,
        progress: bool | Progress | None = None,
    ) -> EventCounts:
        """
        How many events occurred in each *unit* of time.

        Looks at each event once, in memory that depends on the number of
        rows and groups and not of events. What lies between the first and
        the last event, and between *since* and *until* of a query without
        *last* and *limit* as far as it is past, is there even if it is empty.

        Args:
            unit:
                ``second``, ``10 seconds``, ``minute``, ``10 minutes``,
                ``hour``, ``4 hours``, ``day``, ``week`` (from Monday),
                ``month`` or ``year``; or ``weekday`` and ``hour_of_day``,
                which come round again.

            by:
                What to tell apart: ``actor``, ``actor_type``,
                ``event_type``, ``outcome``, ``resource`` (type/id),
                ``resource_type``, ``severity``, ``source_ip``, ``tenant``,
                ``weekday`` or ``hour_of_day``.

            tz:
                Whose clocks and calendars are meant, by name or as a tzinfo.
                The hour that comes twice in autumn is two rows; a day may
                have 23 or 25 hours.

            top: Keep so many groups, the largest, and sum up the others.

            progress: As for `CSVExporter.export()`.

        Raises:
            QueryError:
                If an argument can't mean anything, or the result would have
                more than about a million rows or counts.

            ReadError: If the reader fails.

        .. versionadded:: 0.1.0
        """
        from auditlog.activity._counting import (  # noqa: PLC0415 - see there
            count_events,
        )

        skipped: Counter[str] = Counter()
        return count_events(
            _events_in(self.scan(), skipped),
            unit,
            by=by,
            tz=tz,
            top=top,
            bounds=self._bounds,
            skipped=skipped,
            progress=progress,
        )

    def plot_activity(
        self,
        *,
        tz: str | tzinfo = "UTC",
        title: str | None = None,
        top: int = 10,
        progress: bool | Progress | None = None,
    ) -> Figure:
        """
        Draw when the events occurred, how they ended, and who acted.

        A timeline by outcome, a heat map of weekday and hour, and the actors
        with the most events, in colours and hatches that can be told apart
        without seeing colours. Looks at each event once, in memory that
        depends on the number of actors and not of events.

        In a notebook the figure shows itself as the value of a cell;
        elsewhere ``figure.savefig("activity.png")``. pyplot is neither used
        nor set up, so nothing has to be closed, and threads may draw.

        Args:
            tz: Whose clocks are meant, by name or as a tzinfo.

            title: Stands above the numbers.

            top: Show so many actors at most.

            progress: As for `CSVExporter.export()`.

        Raises:
            MissingExtraError: If matplotlib isn't installed.

            QueryError:
                If an argument can't mean anything, or there are more than
                about a million actors.

            ReadError: If the reader fails.

        .. versionadded:: 0.1.0
        """
        from auditlog.activity._overview import (  # noqa: PLC0415 - see there
            plot_activity,
        )

        skipped: Counter[str] = Counter()
        return plot_activity(
            _events_in(self.scan(), skipped),
            tz=tz,
            title=title,
            top=top,
            bounds=self._bounds,
            skipped=skipped,
            progress=progress,
        )

    @property
    def _bounds(self) -> tuple[datetime | None, datetime | None]:
        # Where the query takes only so many events, the rest of the time
        # isn't empty.
        if self.query.limit is not None or self.query.last is not None:
            return None, None
        return self.query.since, self.query.until

    def __repr__(self) -> str:
        return f"<Events of {self.reader!r} {self.query!r}>"


class _Last(Reader):
    """
    The last of what another reader finds.
    """

    def __init__(self, events: Events, count: int) -> None:
        self._events = events
        self._count = count

    def scan(self, query: EventQuery, /) -> Iterator[Record | Skipped]:
        return select(self._found(), query)

    def _found(self) -> Iterator[Record | Skipped]:
        query = self._events.query
        if query.limit is not None:  # its end is where the limit is
            yield from _last(self._events.scan(), self._count)
            return

        backwards = attrs.evolve(
            query,
            order="oldest" if query.order == "newest" else "newest",
            limit=self._count,
        )
        yield from reversed([*self._events.reader.scan(backwards)])

    def __repr__(self) -> str:
        return f"<last {self._count} of {self._events.reader!r}>"


@attrs.frozen(kw_only=True)
class ResumableScan:
    """
    What a reader gives to who may have to go on later, in another process.

    Attributes:
        items:
            As :meth:`Reader.scan` gives them. They end where the source
            ended when the scan was begun, however often it is resumed.

        source:
            What is read, in a few words for each of its properties. Another
            one, such as a topic that was created anew, differs.

        place:
            Gives the place behind the last of the *items* that were taken:
            what JSON can hold, in objects with names for members.

    .. versionadded:: 0.1.0
    """

    items: Iterator[Record | Skipped]
    source: Mapping[str, str]
    place: Callable[[], Mapping[str, Any]]


@runtime_checkable
class ResumableReader(Protocol):
    """
    A reader that can go on at a place, without reading what is before it.

    .. versionadded:: 0.1.0
    """

    def begin_scan(self, query: EventQuery, /) -> ResumableScan:
        """
        Everything that matches *query*; its end is fixed now.

        Raises:
            ReadError: If the source can't be read, or not in this order.
        """

    def resume_scan(
        self, query: EventQuery, place: Mapping[str, Any], /
    ) -> ResumableScan:
        """
        What comes behind *place*, up to the end that was fixed.

        What is gone meanwhile is told as :class:`Skipped`.

        Raises:
            ReadError:
                If the source can't be read, or isn't the one that the place
                is of.
        """


@runtime_checkable
class FollowableReader(ResumableReader, Protocol):
    """
    A reader whose source grows at its end only, so that it can be followed.

    .. versionadded:: 0.1.0
    """

    def follow_scan(
        self, query: EventQuery, place: Mapping[str, Any] | None, /
    ) -> ResumableScan:
        """
        What came since *place*, or everything; its end is fixed now.

        No event appears later before the place where this one ends.

        Raises:
            ReadError: As :meth:`ResumableReader.resume_scan`.
        """


@runtime_checkable
class Exporter(Protocol):
    """
    Renders events into a file or a stream.

    .. versionadded:: 0.1.0
    """

    def export(
        self, events: Iterable[Record | AuditEvent], target: Any, /
    ) -> object:
        """
        Write *events* to *target* and report what was written.
        """


def _events_in(
    found: Iterator[Record | Skipped], skipped: Counter[str]
) -> Generator[AuditEvent]:
    """
    The events of *found*; what isn't one is counted in *skipped*.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(found, Generator):
            # Or a traceback would keep its connection open.
            stack.enter_context(contextlib.closing(found))
        for item in found:
            event, reason = _event_or_reason(item)
            if event is not None:
                yield event
                continue
            if reason not in skipped and len(skipped) >= MAX_REASONS:
                reason = "other reasons"
            skipped[reason] += 1


def _event_or_reason(item: Record | Skipped) -> tuple[AuditEvent | None, str]:
    if isinstance(item, Skipped):
        return None, item.reason
    try:
        return item.event, ""
    except DecodingError as exc:
        return None, str(exc)


def select(
    found: Iterable[Record | Skipped], query: EventQuery
) -> Iterator[Record | Skipped]:
    """
    Those of *found* that match *query*, up to its limit.

    *found* is in the order that *query* asks for. A body that can't be
    decoded becomes a :class:`Skipped`, which counts for no limit.
    """
    limits = [n for n in (query.limit, query.last) if n is not None]
    if query.last is None or query.order == "newest":
        limit = min(limits, default=None)
        return _first(_matching(found, query), limit)
    recent = _last(_matching(found, query), query.last)
    return _first(recent, query.limit)


def select_live(
    past: Iterable[Record | Skipped],
    live: Iterable[Record | Skipped | None],
    query: EventQuery,
) -> Iterator[Record | Skipped | None]:
    """
    The same for a source that goes on: what is in it, and what comes.

    Args:
        past:
            What was in the source when it was looked at first, filtered by
            :func:`select` for *query* without its limit.

        live: What comes, with None while nothing does.
    """
    return _first(itertools.chain(past, _matching(live, query)), query.limit)


def select_last(
    scan: Callable[[EventQuery], Iterator[Record | Skipped]],
    query: EventQuery,
) -> Iterator[Record | Skipped]:
    """
    What *scan* finds; *last* is read from the end, as far as is needed.

    For readers that can begin at the end. *scan* is called at once. The last
    ones are held in memory.
    """
    if query.last is None or query.order == "newest":
        return scan(query)

    backwards = attrs.evolve(
        query, last=None, limit=query.last, order="newest"
    )
    return _turned(scan(backwards), query.limit)


def _turned(
    found: Iterable[Record | Skipped], limit: int | None
) -> Iterator[Record | Skipped]:
    recent = []
    for item in found:
        if isinstance(item, Record):
            recent.append(item)
        else:
            yield item
    yield from recent[::-1][:limit]


def _matching(found: Iterable[Found], query: EventQuery) -> Iterator[Found]:
    for item in found:
        if isinstance(item, Record):
            try:
                if not query.matches(item):
                    continue
            except DecodingError as exc:
                place = str(item.origin or item.index or item.event_id)
                yield Skipped(place=place, reason=str(exc), origin=item.origin)
                continue
        yield item


def _first(found: Iterable[Found], limit: int | None) -> Iterator[Found]:
    if limit == 0:
        return
    left = limit
    for item in found:
        yield item
        if left is not None and isinstance(item, Record):
            left -= 1
            if left == 0:
                return


def _last(found: Iterable[Found], count: int) -> Iterator[Found]:
    # What was passed over is told at once: it may be any number.
    recent = deque[Found](maxlen=count)
    for item in found:
        if isinstance(item, Record):
            recent.append(item)
        else:
            yield item
    yield from recent
