"""
What reads events back, and what it gives.
"""

from __future__ import annotations

import contextlib

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

import attrs

from auditlog import _reasons
from auditlog._tabular import Tables
from auditlog.errors import DecodingError, ReadError
from auditlog.live import LiveEvents
from auditlog.query import EventQuery

from ._records import Record, Skipped
from ._select import last_of, select


if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, tzinfo

    from matplotlib.figure import Figure

    from auditlog._progress import Progress
    from auditlog.activity import EventCounts
    from auditlog.activity._fields import EventField, TimeUnit
    from auditlog.event import AuditEvent


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
            yield from last_of(self._events.scan(), self._count)
            return

        backwards = attrs.evolve(
            query,
            order="oldest" if query.order == "newest" else "newest",
            limit=self._count,
        )
        yield from reversed([*self._events.reader.scan(backwards)])

    def __repr__(self) -> str:
        return f"<last {self._count} of {self._events.reader!r}>"


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
            _reasons.count(skipped, reason)


def _event_or_reason(item: Record | Skipped) -> tuple[AuditEvent | None, str]:
    if isinstance(item, Skipped):
        return None, item.reason
    try:
        return item.event, ""
    except DecodingError as exc:
        return None, str(exc)
