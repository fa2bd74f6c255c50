"""
A sink and journal in a PostgreSQL database.
"""

from __future__ import annotations

import logging

from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

from auditlog.abc import DeadLetter, Record
from auditlog.errors import SinkSetupError

from .batch import Batch
from .driver import connections
from .lease import PostgresLease, acquire
from .order import Order
from .reader import record
from .schema import prepare
from .statements import statements
from .status import look
from .transaction import join, join_async


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from auditlog.config import DatabaseConfig
    from auditlog.status import JournalStatus

    from .connections import Connection


class PostgresSink:
    """
    Stores events in a PostgreSQL database; a sink, and a journal for relays.

    What :meth:`write` returned for has survived a crash of the server, as
    far as its disks keep what they confirmed, and of a standby as far as
    ``synchronous_commit`` on the server asks for it. Events are stored once
    by their id, so that writing again after any error is safe.

    Building one neither connects nor blocks; the tables are checked, and
    created if need be, by whatever is called first. Safe to use from several
    threads, and in a forked child.

    Args:
        database: Where the database is, as a config or a URL.

        timeout:
            Longest wait for an answer of the server, in seconds; by default
            that of *database*, 30. Then the connection is given up, and what
            was asked for may be done.

        lease_ttl:
            Seconds after which a relay's lease that isn't renewed may be
            taken by another process.

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
        timeout: float | None = None,
        lease_ttl: float = 15.0,
    ) -> None:
        self._config, self._connections = connections(
            type(self).__name__, database, timeout=timeout
        )
        self.logger = logging.getLogger("auditlog.postgres")
        self._lease_ttl = lease_ttl
        self._sql = statements(self._config.schema)
        self._order = Order(
            self._sql, schema=self._config.schema, logger=self.logger
        )
        self._prepared = False
        # What the server calls it; behind a pooler not as the URL does.
        self._database: str | None = None

    @property
    def held_back(self) -> float:
        """
        Seconds for which an open transaction that wrote an event holds back
        the order of all later ones, as this object last saw it.

        Stored events are safe meanwhile, but relays have to wait for it.
        """
        return self._order.held_back

    def write(self, records: Sequence[Record], /) -> None:
        """
        Store *records*, each once.

        Raises:
            PartialWriteError:
                If some were refused, with a `DuplicateEventError` for an id
                that is there with another body, or if an open transaction of
                others holds an id: that event is then neither stored nor
                failed.

            SinkUnavailableError:
                If the server is away, shuts down, is out of space, doesn't
                answer, or an open transaction holds the table. The events
                may be stored; writing them again stores them once.

            SinkSetupError:
                If somebody has to mend the tables, the permissions, the
                server or the address.
        """
        Batch(self._lend, self._sql).write(records)

    def write_in(self, connection: Any, records: Sequence[Record], /) -> None:
        """
        Put *records* into the open transaction of *connection*.

        They are stored when the caller commits, and never if not. No other
        connection is used; the tables have to be there. An error of the
        server's leaves the caller's transaction as any failed statement does.

        Args:
            connection:
                To the same database: a psycopg connection, an SQLAlchemy
                session or connection with any driver, or Django's.

        Raises:
            TransactionError:
                If it is closed, in autocommit mode, leads to no PostgreSQL or
                to another database than that in which this sink itself has
                stored or read anything, or its transaction has failed.

            DuplicateEventError: If an id is taken by another event.

            SinkError: As for :meth:`write`.
        """
        join(connection, self._sql, records, database=self._database)

    async def write_in_async(
        self, connection: Any, records: Sequence[Record], /
    ) -> None:
        """
        As :meth:`write_in`, through psycopg's or SQLAlchemy's async objects.
        """
        await join_async(
            connection, self._sql, records, database=self._database
        )

    def read(self, after: int, limit: int, /) -> Sequence[Record]:
        """
        The next events behind the index *after*, at most *limit*.

        Gives an index to new events first. While a transaction that wrote
        an event is open, it holds back all that was stored later.

        Raises:
            SinkError: As for :meth:`write`.

            JournalError: If the order's tables contradict each other.
        """
        with self._lend("read the journal") as connection:
            if self._order.advance(connection).size <= after:
                return []
            rows = connection.ask(
                self._sql["read_journal"], after=after, limit=limit
            )
        return [record(*row) for row in rows]

    def size(self, *, timeout: float | None = None) -> int:
        """
        The highest index that is given.

        Args:
            timeout:
                None counts what has an index now; a number of seconds waits
                until all that is stored has one.

        Raises:
            SinkTimeoutError:
                If an open transaction still holds events back after
                *timeout*.

            SinkError: As for :meth:`write`.
        """
        with self._lend("read the journal") as connection:
            if timeout is None:
                return self._order.size(connection)
            return self._order.wait(connection, timeout)

    def position(self, relay: str, /) -> int:
        """
        How far *relay* has come; 0 if it never ran.
        """
        with self._lend(f"read the position of relay {relay!r}") as connection:
            found = connection.ask(self._sql["position"], relay=relay)
        return found[0][0] if found else 0

    def lease(self, relay: str, /) -> PostgresLease | None:
        """
        Acquire the lease of *relay*, or None while another holder has it.
        """
        return acquire(self._lend, self._sql, relay=relay, ttl=self._lease_ttl)

    def status(self, *, relays: Iterable[str] = ()) -> JournalStatus:
        """
        What it holds, how far each relay has come, and what is in the way.

        Changes nothing. A role that relays or reads may ask; one that only
        writes may not. How old the transaction of another role is, and what
        its application is called, is seen by members of that role and of
        ``pg_read_all_stats`` only.

        Args:
            relays: Names of relays to tell of even if they never ran.

        Raises:
            SinkError: As for :meth:`write`.
        """
        with self._lend("look at the journal") as connection:
            return look(
                connection,
                self._sql,
                where=self._connections.where,
                relays=relays,
            )

    def dead_letters(
        self, relay: str, /, *, after: int = 0, limit: int = 1000
    ) -> Sequence[DeadLetter]:
        """
        Those of *relay* that are still undelivered, by their index.
        """
        with self._lend(f"read dead letters of relay {relay!r}") as connection:
            rows = connection.ask(
                self._sql["dead_letters"],
                relay=relay,
                after=after,
                limit=limit,
            )
        return [
            DeadLetter(
                record=Record(event_id=event_id, body=body, index=index),
                reason=reason,
                attempts=attempts,
                at=at.astimezone(UTC),
            )
            for event_id, body, index, at, reason, attempts in rows
        ]

    def redriven(self, relay: str, index: int, /) -> None:
        """
        The dead letter of that *index* was delivered after all.

        It is kept, with the time.
        """
        self._change_letter("redriven", relay=relay, idx=index)

    def refused_again(self, relay: str, index: int, reason: str, /) -> None:
        """
        Another attempt at the dead letter of that *index* failed.
        """
        self._change_letter(
            "refused_again", relay=relay, idx=index, reason=reason
        )

    def _change_letter(self, what: str, **values: object) -> None:
        doing = f"change a dead letter of relay {values['relay']!r}"
        with self._lend(doing) as connection:
            connection.send(self._sql[what], lock_timeout="1s", **values)

    def close(self) -> None:
        """
        Close the connections; safe to call twice.
        """
        self._connections.close()

    @contextmanager
    def _lend(self, doing: str) -> Iterator[Connection]:
        """
        A connection to a database that has our tables.
        """
        try:
            with self._connections.lend(doing) as connection:
                if not self._prepared:
                    self._prepare(connection)
                yield connection
        except SinkSetupError:
            self._prepared = False
            raise

    def _prepare(self, connection: Connection) -> None:
        prepare(connection, self._config, self._connections.where)
        ((self._database,),) = connection.ask(self._sql["database"])
        self._prepared = True

    def __repr__(self) -> str:
        return f"<PostgresSink {self._connections.where}>"
