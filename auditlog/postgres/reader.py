"""
Reads events from a PostgreSQL database.
"""

from __future__ import annotations

import logging
import time

from contextlib import contextmanager
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import attrs

from auditlog import codec
from auditlog._limited import Limited
from auditlog._pages import Page
from auditlog.abc import (
    Reader,
    Record,
    ResumableScan,
    select,
    select_last,
    select_live,
)
from auditlog.errors import (
    EventRefusedError,
    ReadError,
    SinkError,
    SinkUnavailableError,
)

from .driver import connections
from .filters import Filters
from .order import settled
from .statements import statements


if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from auditlog.abc import EventQuery, Skipped
    from auditlog.config import DatabaseConfig

    from .connections import Connection


# Most rows that one statement looks at for what matches: none runs long, or
# longer in a longer table.
_REACH = 100_000

# Rows that one of several processes reads before the next stretch.
_PART = 10_000

# Seconds that following waits for open transactions, and between two looks.
_PATIENCE = 2.0
_PAUSE = 0.02


@attrs.define
class _Spot:
    """
    How far pages were given, and the row that was given last.
    """

    far: int
    row: tuple[Any, ...] | None = None


class PostgresReader(Reader):
    """
    Reads what a :class:`PostgresSink` has stored.

    Reads in pages, each in a transaction of its own, so that a long export
    doesn't hold up the server, which does the filtering. Needs no more than
    SELECT on the tables ``event`` and ``entry``, and works on a standby. The
    order is that of the journal; records have an index as soon as a relay
    ran.

    Not promised: that an event whose transaction was open when reading began
    is left out or in.

    Args:
        database: Where the database is, as a config or a URL.

        page_size: Most events that are fetched at once.

        timeout: Longest wait for an answer of the server, in seconds.

    Raises:
        MissingExtraError: If psycopg isn't installed.

        ConfigError: If *database* is no PostgreSQL URL.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        database: DatabaseConfig | str,
        /,
        *,
        page_size: int = 1000,
        timeout: float = 300.0,
    ) -> None:
        config, self._connections = connections(
            type(self).__name__, database, timeout=timeout
        )
        self._config = config
        self._timeout = timeout
        self._schema = config.schema
        self._sql = statements(config.schema)
        self._page_size = page_size
        self._logger = logging.getLogger("auditlog.postgres")

    def scan(self, query: EventQuery, /) -> Iterator[Record | Skipped]:
        """
        Everything that matches *query*, up to the end at this moment.

        Raises:
            ReadError:
                If the database can't be reached or has no tables of ours.
        """
        return select_last(self._scan, query)

    def scan_bodies(
        self, query: EventQuery, /
    ) -> Iterator[Page | Skipped] | None:
        """
        The bodies of all that matches *query*, if the server tells for sure.

        Raises:
            ReadError: As for :meth:`scan`.
        """
        is_turned = query.last is not None and query.order == "oldest"
        if is_turned or not Filters(query).is_certain:
            return None
        return self._bodies(query)

    def stretches(
        self, query: EventQuery, /
    ) -> Generator[tuple[int, int]] | None:
        """
        The first and the last *seq* of parts that can be read on their own.

        Raises:
            ReadError: As for :meth:`scan`.
        """
        if query.limit is not None or query.last is not None:
            return None
        return self._parts(query)

    @contextmanager
    def opened(self) -> Iterator[Callable[[tuple[int, int]], Reader]]:
        """
        Readers of stretches, with the same connections.
        """
        yield partial(_Part, self)

    def find(self, event_id: UUID, /) -> Record | None:
        """
        The event of that id, or None if there is none; quick by an index.

        Raises:
            ReadError:
                If the database can't be reached or has no tables of ours.

        .. versionadded:: 0.1.0
        """
        rows = self._ask(self._sql["event_by_id"], event_id=event_id)
        return next((record(*columns) for columns in rows), None)

    def count(self, query: EventQuery, /) -> int:
        """
        How many events match *query*, counted by the database.

        Events are read only if *query* asks for fields of bodies.

        Raises:
            ReadError:
                If the database can't be reached, has no tables of ours, or
                takes longer than *timeout*.
        """
        filters = Filters(query)
        if not filters.is_certain:
            return super().count(query)

        limits = (
            each for each in (query.limit, query.last) if each is not None
        )
        statement = self._sql["count"].replace("{filters}", filters.sql)
        ((count,),) = self._ask(
            statement, limit=min(limits, default=None), **filters.params
        )
        found: int = count
        return found

    def watch(
        self, query: EventQuery, /
    ) -> Generator[Record | Skipped | None, None, None]:
        """
        Everything that matches *query*, and then what is stored.

        Goes as far as no open transaction could still store an event before;
        on a standby, as far as events have an index. Once it follows, a
        server that is away is waited for.

        Raises:
            ReadError: As for :meth:`scan`.
        """
        end = self._end()
        self._check_order(end)
        yield None
        while self._horizon() < end:
            yield None
        past = select_last(partial(self._scan, end=end), _unlimited(query))
        live = self._live(query, end)
        yield from select_live(past, live, query)

    def begin_scan(self, query: EventQuery, /) -> ResumableScan:
        """
        See :meth:`auditlog.abc.ResumableReader.begin_scan`.

        Raises:
            ReadError: As for :meth:`scan`.
        """
        first, last = self._bounds(query, self._end())
        return self._placed(query, {"first": first, "last": last})

    def resume_scan(
        self, query: EventQuery, place: Mapping[str, Any], /
    ) -> ResumableScan:
        """
        See :meth:`auditlog.abc.ResumableReader.resume_scan`.

        Raises:
            ReadError: If another event stands at *place*, and as `scan()`.
        """
        if at := place.get("at"):
            found = self._ask(self._sql["id_at_seq"], at=at)
            if [(place["id"],)] != [(str(each),) for (each,) in found]:
                raise ReadError(
                    f"can't go on reading {self._connections.where}: event "
                    f"{place['id']} is not where it was; these are other "
                    "tables"
                )
        query = attrs.evolve(query, limit=place["left"])
        return self._placed(query, place)

    def follow_scan(
        self, query: EventQuery, place: Mapping[str, Any] | None, /
    ) -> ResumableScan:
        """
        See :meth:`auditlog.abc.FollowableReader.follow_scan`.

        Ends where no open transaction could still store an event before,
        which is waited for a little; on a standby, with the last event that
        has an index.

        Raises:
            ReadError: As for :meth:`resume_scan`.
        """
        if place is not None:
            self.resume_scan(query, place)
        first = place["first"] if place else 1
        last = max(self._settled_end(), first - 1)
        return self._placed(query, {**(place or {}), "last": last})

    def _settled_end(self) -> int:
        end = self._end()
        deadline = time.monotonic() + _PATIENCE
        while (safe := self._horizon()) < end:
            if time.monotonic() > deadline:
                break
            time.sleep(_PAUSE)
        return safe

    def _placed(
        self, query: EventQuery, place: Mapping[str, Any]
    ) -> ResumableScan:
        ((database,),) = self._ask(self._sql["database"])
        first, last = place.get("first", 1), place["last"]
        spot = _Spot(first - 1 if query.order == "oldest" else last + 1)
        rows = self._spotted(query, first, last, spot)
        items = Limited(select(rows, query), query.limit)

        def here() -> Mapping[str, Any]:
            found = {**place, "first": first, "last": last, "left": items.left}
            if spot.row is not None:
                found |= {"at": spot.row[-1], "id": str(spot.row[0])}
            if query.order == "oldest":
                return found | {"first": max(found.get("at", 0), spot.far) + 1}
            return found | {
                "last": min(found.get("at", last + 1), spot.far) - 1
            }

        return ResumableScan(
            items=iter(items),
            source={"database": database, "schema": self._schema},
            place=here,
        )

    def _scan(
        self, query: EventQuery, *, end: int | None = None
    ) -> Iterator[Record | Skipped]:
        last = self._end() if end is None else end
        return select(self._found(query, last), query)

    def _end(self) -> int:
        ((last,),) = self._ask(self._sql["last_seq"])
        return last or 0

    def _found(self, query: EventQuery, last: int) -> Iterator[Record]:
        for first, end in self._stretches(query, last):
            for page, _ in self._pages(query, first, end):
                yield from (record(*columns) for *columns, _ in page)

    def _stretches(
        self, query: EventQuery, last: int
    ) -> Iterator[tuple[int, int]]:
        """
        The first and the last *seq* of what to look at, one after another.
        """
        newest = query.order == "newest"
        if newest and query.since is not None and query.until is None:
            # Often enough is found here, and where the stretch of time
            # begins, which takes a look at all of it, is not asked.
            near = max(last - _REACH, 0)
            yield near + 1, last
            last = near
        yield self._bounds(query, last)

    def _parts(self, query: EventQuery) -> Generator[tuple[int, int]]:
        for first, last in self._stretches(query, self._end()):
            starts = range(first, last + 1, _PART)
            if query.order == "newest":
                starts = starts[::-1]
            for start in starts:
                yield start, min(start + _PART - 1, last)

    def _bodies(self, query: EventQuery) -> Iterator[Page]:
        limits = [n for n in (query.limit, query.last) if n is not None]
        left = min(limits, default=None)
        for first, last in self._stretches(query, self._end()):
            for page, _ in self._pages(query, first, last, what="bodies"):
                rows = page if left is None else page[:left]
                yield Page([body for body, _ in rows], rows, self._record_at)
                if left is not None:
                    left -= len(rows)
                    if not left:
                        return

    def _record_at(self, row: tuple[bytes, int]) -> Record:
        body, seq = row
        found = self._ask(self._sql["event_at_seq"], at=seq)
        for columns in found:
            return record(*columns)
        # Deleted since it was read.
        return Record(event_id=codec.peek(body).event_id, body=body)

    def _spotted(
        self, query: EventQuery, first: int, last: int, spot: _Spot
    ) -> Iterator[Record]:
        for page, far in self._pages(query, first, last):
            for row in page:
                spot.row = row
                yield record(*row[:-1])
            spot.far = far

    def _bounds(self, query: EventQuery, last: int) -> tuple[int, int]:
        """
        The first and the last *seq* to look at.
        """
        if not last or (query.since is None and query.until is None):
            return 1, last
        filters = Filters(query)
        statement = self._sql["bounds"].replace("{times}", filters.times)
        ((first, last),) = self._ask(statement, last=last, **filters.params)
        return first or 1, last or 0

    def _pages(
        self,
        query: EventQuery,
        first: int,
        last: int,
        *,
        what: Literal["page", "bodies"] = "page",
    ) -> Iterator[tuple[list[tuple[Any, ...]], int]]:
        """
        The rows that match, and how far that is.
        """
        limit = min(self._page_size, query.limit or self._page_size)
        reach = _REACH if query.filters else last
        exact = True
        while first <= last:
            if query.order == "oldest":
                low, high = first, min(last, first + reach - 1)
            else:
                low, high = max(first, last - reach + 1), last
            try:
                page = self._page(
                    query, low, high, limit, exact=exact, what=what
                )
            except ReadError as exc:
                # A body that PostgreSQL can't parse, though perhaps Python.
                refused = isinstance(exc.__cause__, EventRefusedError)
                if not (exact and refused):
                    raise
                exact = False
                continue
            if len(page) == limit:
                low = high = page[-1][-1]
            far = high if query.order == "oldest" else low
            yield page, far
            if query.order == "oldest":
                first = far + 1
            else:
                last = far - 1

    def _page(
        self,
        query: EventQuery,
        first: int,
        last: int,
        limit: int,
        *,
        exact: bool,
        what: str,
    ) -> list[tuple[Any, ...]]:
        filters = Filters(query, exact=exact)
        statement = self._sql[f"{what}_{query.order}"]
        statement = statement.replace("{filters}", filters.sql)
        return self._ask(
            statement, first=first, last=last, limit=limit, **filters.params
        )

    def _live(self, query: EventQuery, after: int) -> Iterator[Record | None]:
        query = _unlimited(query)
        is_away = False
        while True:
            try:
                horizon = self._horizon()
                is_away = False
                for page, far in self._pages(query, after + 1, horizon):
                    after = far
                    yield from (record(*columns) for *columns, _ in page)
            except ReadError as exc:
                if not isinstance(exc.__cause__, SinkUnavailableError):
                    raise
                if not is_away:
                    self._logger.warning("%s; still trying", exc)
                is_away = True
            yield None

    def _check_order(self, end: int) -> None:
        rows = self._ask(self._sql["horizon"])
        ((_, numbered, _, is_standby),) = rows
        if end and is_standby and numbered is None:
            raise ReadError(
                f"can't follow {self._connections.where}: it is a standby, "
                "which knows the order of events with an index only, and "
                "none has one; run a relay, or follow the primary"
            )

    def _horizon(self) -> int:
        """
        The *seq* up to which no event can come any more.
        """
        with self._lent() as connection:
            rows = connection.ask(self._sql["horizon"])
            ((last, numbered, server, is_standby),) = rows
            if numbered == last or is_standby:
                # A standby knows nothing of writers.
                return numbered or 0
            found = settled(connection, self._sql, last, server)
            return max(found, numbered or 0)

    def _ask(self, statement: str, **params: object) -> list[tuple[Any, ...]]:
        with self._lent() as connection:
            return connection.ask(statement, **params)

    @contextmanager
    def _lent(self) -> Iterator[Connection]:
        try:
            with self._connections.lend("read audit events") as connection:
                yield connection
        except SinkError as exc:
            raise ReadError(str(exc)) from exc

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(
            type(self), page_size=self._page_size, timeout=self._timeout
        )
        return make, (self._config,)

    def __repr__(self) -> str:
        return f"<PostgresReader {self._connections.where}>"


class _Part(PostgresReader):
    """
    Reads a stretch, by another reader's connections.
    """

    def __init__(
        self, whole: PostgresReader, stretch: tuple[int, int]
    ) -> None:
        vars(self).update(vars(whole))
        self._stretch = stretch

    def _end(self) -> int:
        return self._stretch[1]

    def _stretches(
        self,
        query: EventQuery,  # noqa: ARG002
        last: int,  # noqa: ARG002
    ) -> Iterator[tuple[int, int]]:
        yield self._stretch


def record(
    event_id: UUID, body: bytes, index: int | None, recorded_at: datetime
) -> Record:
    """
    The record in one row.
    """
    return Record(
        event_id=event_id,
        body=body,
        index=index,
        recorded_at=recorded_at.astimezone(UTC),
    )


def _unlimited(query: EventQuery) -> EventQuery:
    # How many have come is counted over what was and what comes.
    return attrs.evolve(query, limit=None)
