"""
Reads events from a PostgreSQL database.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from auditlog.abc import (
    Reader,
    Record,
    select,
    select_last,
    select_live,
)
from auditlog.errors import EventRefusedError, ReadError, SinkError

from .driver import connections
from .filters import Filters
from .order import settled
from .statements import statements


if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime
    from uuid import UUID

    from auditlog.abc import EventQuery, Skipped
    from auditlog.config import DatabaseConfig

    from .connections import Connection


class PostgresReader(Reader):
    """
    Reads what a :class:`PostgresSink` has stored.

    Reads in pages, each in a transaction of its own, so that a long export
    doesn't hold up the server. Needs no more than SELECT on the tables
    ``event`` and ``entry``, and works on a standby. The order is that of the
    journal; records have an index as soon as a relay ran.

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
        self._sql = statements(config.schema)
        self._page_size = page_size

    def scan(self, query: EventQuery, /) -> Iterator[Record | Skipped]:
        """
        Everything that matches *query*, up to the end at this moment.

        Raises:
            ReadError:
                If the database can't be reached or has no tables of ours.
        """
        return select_last(self._scan, query)

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

    def watch(
        self, query: EventQuery, /
    ) -> Generator[Record | Skipped | None, None, None]:
        """
        Everything that matches *query*, and then what is stored.

        Goes as far as no open transaction could still store an event before;
        on a standby, as far as events have an index.

        Raises:
            ReadError: As for :meth:`scan`.
        """
        ((end,),) = self._ask(self._sql["last_seq"])
        end = end or 0
        yield None
        while self._horizon() < end:
            yield None
        past = select_last(partial(self._scan, end=end), _unlimited(query))
        live = self._live(query, end)
        yield from select_live(past, live, query)

    def _scan(
        self, query: EventQuery, *, end: int | None = None
    ) -> Iterator[Record | Skipped]:
        return select(self._pages(query, *self._bounds(query, end)), query)

    def _bounds(
        self, query: EventQuery, end: int | None = None
    ) -> tuple[int, int]:
        """
        The first and the last *seq* to look at.
        """
        last = end
        if last is None:
            ((last,),) = self._ask(self._sql["last_seq"])
        if not last or (query.since is None and query.until is None):
            return 1, last or 0
        filters = Filters(query)
        statement = self._sql["bounds"].replace("{times}", filters.times)
        ((first, last),) = self._ask(statement, last=last, **filters.params)
        return first or 1, last or 0

    def _pages(
        self, query: EventQuery, first: int, last: int
    ) -> Iterator[Record]:
        limit = min(self._page_size, query.limit or self._page_size)
        exact = True
        while first <= last:
            try:
                page = self._page(query, first, last, limit, exact=exact)
            except ReadError as exc:
                # A body that PostgreSQL can't parse, though perhaps Python.
                refused = isinstance(exc.__cause__, EventRefusedError)
                if not (exact and refused):
                    raise
                exact = False
                continue
            yield from (record(*columns) for *columns, _ in page)
            if len(page) < limit:
                return
            if query.order == "oldest":
                first = page[-1][-1] + 1
            else:
                last = page[-1][-1] - 1

    def _page(
        self,
        query: EventQuery,
        first: int,
        last: int,
        limit: int,
        *,
        exact: bool,
    ) -> list[tuple[Any, ...]]:
        filters = Filters(query, exact=exact)
        statement = self._sql[f"page_{query.order}"]
        statement = statement.replace("{filters}", filters.sql)
        return self._ask(
            statement, first=first, last=last, limit=limit, **filters.params
        )

    def _live(self, query: EventQuery, after: int) -> Iterator[Record | None]:
        query = _unlimited(query)
        while True:
            horizon = self._horizon()
            if horizon > after:
                yield from self._pages(query, after + 1, horizon)
                after = horizon
            yield None

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

    def __repr__(self) -> str:
        return f"<PostgresReader {self._connections.where}>"


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
