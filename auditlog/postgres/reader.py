"""
Reads events from a PostgreSQL database.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from auditlog.abc import Reader, Record, select
from auditlog.errors import ReadError, SinkError

from .driver import connections
from .filters import filters
from .statements import statements


if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from auditlog.abc import EventQuery, Skipped
    from auditlog.config import DatabaseConfig


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
        return select(self._pages(query, *self._plan(query)), query)

    def _plan(self, query: EventQuery) -> tuple[str, dict[str, Any], int, int]:
        """
        The condition, its parameters, the first and the last *seq*.
        """
        where, params = filters(query)
        return where, params, *self._bounds(query, where, params)

    def _bounds(
        self, query: EventQuery, where: str, params: dict[str, Any]
    ) -> tuple[int, int]:
        """
        The first and the last *seq* to look at.
        """
        ((last,),) = self._ask(self._sql["last_seq"])
        if last is None or (query.since is None and query.until is None):
            return 1, last or 0
        statement = self._sql["bounds"].replace("{filters}", where)
        ((first, last),) = self._ask(statement, last=last, **params)
        return first or 1, last or 0

    def _pages(
        self,
        query: EventQuery,
        where: str,
        params: dict[str, Any],
        first: int,
        last: int,
    ) -> Iterator[Record]:
        statement = self._sql[f"page_{query.order}"]
        statement = statement.replace("{filters}", where)
        limit = min(self._page_size, query.limit or self._page_size)
        while first <= last:
            page = self._ask(
                statement, first=first, last=last, limit=limit, **params
            )
            yield from (record(*columns) for *columns, _ in page)
            if len(page) < limit:
                return
            if query.order == "oldest":
                first = page[-1][-1] + 1
            else:
                last = page[-1][-1] - 1

    def _ask(self, statement: str, **params: object) -> list[tuple[Any, ...]]:
        try:
            with self._connections.lend("read audit events") as connection:
                return connection.ask(statement, **params)
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
