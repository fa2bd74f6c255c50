"""
What moves through this library and what a backend has to provide.

Written for the person who implements a sink, a journal or a reader.
`auditlog.testing` holds a contract suite for each.
"""

from __future__ import annotations

import functools
import re

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import attrs

from auditlog import codec
from auditlog._tabular import Tables
from auditlog.errors import DecodingError, QueryError
from auditlog.event import AuditEvent, Outcome


if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from auditlog.status import JournalStatus


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


def _names(value: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None

    return (value,) if isinstance(value, str) else tuple(value)


def _outcomes(
    value: Outcome | str | Iterable[Outcome | str] | None,
) -> tuple[Outcome, ...] | None:
    try:
        names = _names(value)
        return None if names is None else tuple(map(Outcome, names))
    except ValueError as exc:
        known = ", ".join(Outcome)
        raise QueryError(f"{exc}; outcomes are {known}") from exc


@attrs.frozen(kw_only=True)
class EventQuery:
    """
    Which events to read; the same meaning for every reader.

    A filter that is None doesn't filter; an empty one matches nothing.
    All filters have to match.

    Attributes:
        since: Only events that occurred then or later; timezone-aware.

        until: Only events that occurred earlier; timezone-aware.

        event_types:
            Patterns such as ``Kafka.Topic.*``. ``*`` stands for any
            characters, dots too, and ``?`` for one; upper and lower case of
            ASCII letters are the same.

        actors: Ids of actors, exactly.

        resources:
            Patterns of ``type/id`` of the innermost resource, such as
            ``topic/website-*``; case matters.

        outcomes: Outcomes.

        tenants: Tenants, exactly.

        text: Stands somewhere in the event's body, exactly.

        limit: At most so many events, counted after the filters.

        order:
            ``oldest`` or ``newest`` first, by the order in which the source
            holds them, which is not always that of ``occurred_at``.

    Raises:
        QueryError: If a time is naive, or *limit* or *order* is wrong.

    .. versionadded:: 0.1.0
    """

    since: datetime | None = None
    until: datetime | None = None
    event_types: tuple[str, ...] | None = attrs.field(
        default=None, converter=_names
    )
    actors: tuple[str, ...] | None = attrs.field(
        default=None, converter=_names
    )
    resources: tuple[str, ...] | None = attrs.field(
        default=None, converter=_names
    )
    outcomes: tuple[Outcome, ...] | None = attrs.field(
        default=None, converter=_outcomes
    )
    tenants: tuple[str, ...] | None = attrs.field(
        default=None, converter=_names
    )
    text: str | None = None
    limit: int | None = None
    order: Literal["oldest", "newest"] = "oldest"

    def __attrs_post_init__(self) -> None:
        """
        Refuse what cannot mean anything.
        """
        for name, time in (("since", self.since), ("until", self.until)):
            if time is not None and time.utcoffset() is None:
                raise QueryError(
                    f"{name!r} must be timezone-aware (got naive "
                    f"{time.isoformat()}); use datetime.now(timezone.utc)"
                )
        if self.limit is not None and self.limit < 0:
            raise QueryError(f"'limit' must be at least 0 (got {self.limit})")
        if self.order not in {"oldest", "newest"}:
            raise QueryError(
                f"'order' must be 'oldest' or 'newest' (got {self.order!r})"
            )

    @functools.cached_property
    def filters(self) -> bool:
        """
        Whether an event has to be looked at to know if it matches.
        """
        return any(
            getattr(self, field.name) is not None
            for field in attrs.fields(EventQuery)
            if field.name not in {"limit", "order"}
        )

    def matches(self, record: Record) -> bool:
        """
        Whether the event in *record* passes all filters.
        """
        return not self.filters or (
            self._matches_event(record.event)
            and (self.text is None or self.text.encode() in record.body)
        )

    def _matches_event(self, event: AuditEvent) -> bool:
        actor = event.actor.id if event.actor else None
        return (
            (self.since is None or self.since <= event.occurred_at)
            and (self.until is None or event.occurred_at < self.until)
            and _is_one_of(event.outcome, self.outcomes)
            and _is_one_of(actor, self.actors)
            and _is_one_of(event.tenant, self.tenants)
            and _fits(event.event_type, self._event_types)
            and _fits(
                f"{event.resource.type}/{event.resource.id}", self._resources
            )
        )

    @functools.cached_property
    def _event_types(self) -> re.Pattern[str] | None:
        return _pattern(self.event_types, re.IGNORECASE)

    @functools.cached_property
    def _resources(self) -> re.Pattern[str] | None:
        return _pattern(self.resources)


def glob_to_regex(glob: str) -> str:
    """
    The regular expression, in Python's and PostgreSQL's syntax, that matches
    what *glob* does, without anchors.
    """
    special = {"*": ".*", "?": "."}
    return "".join(special.get(char) or re.escape(char) for char in glob)


def _pattern(
    globs: Sequence[str] | None, flags: re.RegexFlag = re.NOFLAG
) -> re.Pattern[str] | None:
    if globs is None:
        return None

    either = "|".join(map(glob_to_regex, globs)) if globs else "(?!)"
    return re.compile(f"(?:{either})", flags | re.ASCII | re.DOTALL)


def _is_one_of(value: str | None, wanted: Sequence[str] | None) -> bool:
    return wanted is None or value in wanted


def _fits(value: str, pattern: re.Pattern[str] | None) -> bool:
    return pattern is None or pattern.fullmatch(value) is not None


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


def _last(
    found: Iterable[Record | Skipped], count: int
) -> Iterator[Record | Skipped]:
    recent = deque[Record](maxlen=count)
    for item in found:
        if isinstance(item, Record):
            recent.append(item)
        else:  # told at once: there may be any number
            yield item
    yield from recent


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


def select(
    found: Iterable[Record | Skipped], query: EventQuery
) -> Iterator[Record | Skipped]:
    """
    Those of *found* that match *query*, up to its limit.

    The order is the caller's business. A body that can't be decoded becomes
    a :class:`Skipped`, which counts for no limit.
    """
    left = query.limit
    if left == 0:
        return

    for item in found:
        if isinstance(item, Skipped):
            yield item
            continue

        try:
            if not query.matches(item):
                continue
        except DecodingError as exc:
            place = str(item.origin or item.index or item.event_id)
            yield Skipped(place=place, reason=str(exc), origin=item.origin)
            continue

        yield item
        if left is not None:
            left -= 1
            if left == 0:
                return
