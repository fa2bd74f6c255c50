"""
Lends connections to the database, and knows when not to trust one.
"""

from __future__ import annotations

import select
import time
import weakref

from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

import psycopg

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import error_from_result
from psycopg.generators import execute
from psycopg.pq import ExecStatus, Format, TransactionStatus

from auditlog._engine.process import park, tell_after_fork
from auditlog.errors import ConfigError

from .arrays import pack, register_arrays
from .errors import translate
from .statements import numbered


if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from auditlog.config import DatabaseConfig

    from .order import Mark


T = TypeVar("T")

_CAN_CANCEL = psycopg.capabilities.has_cancel_safe()
_CAN_PIPE = psycopg.capabilities.has_pipeline()
_FAILED = ExecStatus.FATAL_ERROR
_IDLE = TransactionStatus.IDLE
_BINARY = [Format.BINARY] * 16

# Where the URL says nothing else: a server that vanished without a word is
# noticed within a minute, not after the two hours of the kernel's default.
_DEFAULTS = {
    "application_name": "auditlog",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


class SilenceError(psycopg.OperationalError):
    """
    The server did not answer in time.
    """


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """
    A connection that does not wait for an answer for ever.

    Attributes:
        patience: Longest wait for an answer, in seconds.

        marks: What the order of events knows of this server; see `Order`.

        prepared: The names of statements that `put` has prepared.

        said: Tells whether the server has said anything.
    """

    patience: float = 0.0
    marks: list[Mark]
    prepared: set[bytes]
    said: select.poll

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """
        Wait for *gen* as psycopg does, but at most *patience* seconds.
        """
        return super().wait(_within(gen, self.patience), *args, **kwargs)

    def ask(self, query: str, **params: object) -> list[tuple[Any, ...]]:
        """
        The rows that a *query* gives, with binary values.
        """
        return self.send(query, **params).fetchall()

    def send(
        self, query: str, **params: object
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """
        Execute a *query* of ours.
        """
        return self.execute(query.encode(), params, binary=True)

    def put(self, query: str, *values: object) -> int:
        """
        Execute a *query* of ours that changes rows; how many it did.

        Without psycopg's cursors, which take longer for one row than all
        else that is done for it here.

        Args:
            *values: In the order in which *query* names them first.
        """
        statement, packed = numbered(query), pack(values)
        if self.prepare_threshold is None:
            self.pgconn.send_query_params(
                statement.sql, packed, param_formats=_BINARY[: len(packed)]
            )
            return self._changed()
        if statement.name in self.prepared:
            # After a rollback psycopg has the server forget all of them.
            with suppress(psycopg.errors.InvalidSqlStatementName):
                return self._run_prepared(statement.name, packed)
        self.pgconn.send_prepare(statement.name, statement.sql)
        self._changed()
        self.prepared.add(statement.name)
        return self._run_prepared(statement.name, packed)

    def _run_prepared(self, name: bytes, packed: list[bytes | None]) -> int:
        self.pgconn.send_query_prepared(name, packed, _BINARY[: len(packed)])
        return self._changed()

    def _changed(self) -> int:
        """
        How many rows were changed by what was sent.
        """
        rows = 0
        for result in self.wait(execute(self.pgconn)):
            if result.status == _FAILED:
                raise error_from_result(result)
            rows += result.command_tuples or 0
        return rows

    @property
    def can_pour(self) -> bool:
        """
        Whether `pour` may be used: poolers that know no prepared statements
        may know no pipelines either.
        """
        return _CAN_PIPE and self.prepare_threshold is not None

    def pour(
        self, begin: str, query: str, parts: Iterable[Mapping[str, object]]
    ) -> int:
        """
        Execute a *query* of ours with each of *parts*, in one transaction.

        The server works on one while the next is made. If one fails, or
        can't be made, nothing is done and the connection is closed.

        Args:
            begin: The settings of the transaction, as a query.

            query: What changes rows.

            parts: The values; taken one by one.

        Returns:
            How many rows were changed.
        """
        cursor = self.cursor()
        failure: BaseException | None = None
        try:
            with self.pipeline() as pipeline:
                try:
                    self.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                    self.execute(begin.encode())
                    cursor.executemany(query.encode(), parts)
                    self.execute("COMMIT")
                    pipeline.sync()
                except BaseException as exc:  # noqa: BLE001 - raised below
                    # Closed before psycopg ends the pipeline: it would wait
                    # for answers, and log errors with what they quote.
                    failure = exc
                    self.give_up()
        except psycopg.Error as exc:
            failure = failure or exc
        if failure is not None:
            self.close()
            raise failure
        return cursor.rowcount

    def run(self, script: str) -> None:
        """
        Execute statements without parameters, in one round trip.
        """
        self.execute(script.encode(), prepare=False)

    def settle(self) -> None:
        """
        End what an error left behind.
        """
        if self.is_idle:
            return
        if self.pgconn.transaction_status == TransactionStatus.INERROR:
            self.rollback()
        else:
            self._cancel()

    def give_up(self) -> None:
        """
        Close it, whatever it was doing.
        """
        with suppress(psycopg.Error):
            self._cancel()
        self.close()

    def _cancel(self) -> None:
        status = self.pgconn.transaction_status
        if status == TransactionStatus.ACTIVE and _CAN_CANCEL:
            # Nobody waits for the answer: let the server not wait either.
            self.cancel_safe(timeout=1.0)

    @property
    def is_idle(self) -> bool:
        """
        Whether nothing is under way, as far as is known here.
        """
        return self.pgconn.transaction_status == _IDLE

    def is_fit(self) -> bool:
        """
        Whether it may be used again: idle, and the server said nothing.

        What an idle server sends is its goodbye.
        """
        return self.is_idle and not self.said.poll(0)


def _within(
    gen: Generator[Any, Any, T], seconds: float
) -> Generator[Any, Any, T]:
    deadline = time.monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and seconds and time.monotonic() > deadline:
                raise SilenceError(f"no answer within {seconds:g} s")
            wanted = gen.send(ready)
    except StopIteration as end:
        return cast("T", end.value)


class Connections:
    """
    Lends each connection to one user at a time and keeps it for the next.

    Not psycopg_pool: its connections are made by worker threads, which since
    Python 3.12 cannot be started once the interpreter ends, just when what is
    left has to be stored; they do not survive a fork either. Here a
    connection is made by whoever needs it. A sink needs one, and one more for
    each relay, so only the number that is kept is bounded.

    Args:
        config: Where the database is.

        timeout:
            Longest wait for an answer, in seconds; 0 waits for ever, None as
            long as the config says.
    """

    def __init__(
        self, config: DatabaseConfig, *, timeout: float | None
    ) -> None:
        self._keep_idle()
        self._closed = False
        self._timeout = config.timeout if timeout is None else timeout
        self._pool_size = config.pool_size
        self._prepare_threshold = 5 if config.prepare else None
        given = _known(config.parameters())
        self._options: dict[str, Any] = {
            **_DEFAULTS,
            "connect_timeout": max(round(config.connection_timeout), 1),
            **given,
            "client_encoding": "utf8",  # whatever the URL says
        }
        self.where = _where(given)
        tell_after_fork(self)

    @contextmanager
    def lend(self, doing: str) -> Iterator[Connection]:
        """
        A connection in autocommit mode, for one user at a time.

        Args:
            doing: What it is for, to begin an error's message with.

        Raises:
            SinkError: For any error of the driver, see `translate`.
        """
        try:
            connection = self._take()
            try:
                yield connection
            except psycopg.errors.ReadOnlySqlTransaction:
                connection.close()  # the next may lead to the primary
                raise
            finally:
                self._give_back(connection)
        except psycopg.Error as exc:
            what = f"can't {doing} in PostgreSQL {self.where}"
            raise translate(exc, what) from exc

    def _take(self) -> Connection:
        with suppress(IndexError):
            while not (connection := self._idle.pop()).is_fit():
                connection.close()
            return connection
        return self._connect()

    def _connect(self) -> Connection:
        connection = Connection.connect(
            autocommit=True,
            prepare_threshold=self._prepare_threshold,
            **self._options,
        )
        register_arrays(connection)
        connection.patience = self._timeout
        connection.marks = []
        connection.prepared = set()
        connection.said = select.poll()
        connection.said.register(connection.fileno(), select.POLLIN)
        return connection

    def _give_back(self, connection: Connection) -> None:
        with suppress(psycopg.Error):
            connection.settle()
        if self._closed or not connection.is_idle:
            connection.close()
            return
        self._idle.append(connection)
        # Afterwards: between a look and this another thread may come.
        if len(self._idle) > self._pool_size:
            with suppress(IndexError):
                self._idle.popleft().close()

    def close(self) -> None:
        """
        Close what is idle, and what is lent as soon as it is given back.
        """
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def after_fork(self) -> None:
        """
        In the child: leave the parent its connections.
        """
        self._goodbye.detach()
        park(self._idle)
        self._keep_idle()

    def _keep_idle(self) -> None:
        self._idle: deque[Connection] = deque()
        # In a cycle of garbage, connections may be deleted before this is,
        # and warn; but not before this function was called.
        self._goodbye = weakref.finalize(self, _close, self._idle)
        self._goodbye.atexit = False  # what is stored then needs them

    def __del__(self) -> None:
        """
        Say goodbye to the server, if the owner did not.
        """
        _close(getattr(self, "_idle", ()))


def _close(connections: Iterable[Connection]) -> None:
    for connection in connections:
        connection.close()


def _known(given: dict[str, str]) -> dict[str, Any]:
    try:
        return conninfo_to_dict(make_conninfo("", **given))
    except psycopg.ProgrammingError:
        # What libpq says may quote a part of the password.
        mistake = "database.url has a parameter that libpq does not know"
        raise ConfigError([mistake]) from None


def _where(given: dict[str, Any]) -> str:
    hosts = str(given.get("host") or "localhost").split(",")
    ports = str(given.get("port") or "5432").split(",") * len(hosts)
    places = ",".join(map(":".join, zip(hosts, ports, strict=False)))
    name = given.get("dbname") or given.get("user") or "the default"
    return f"database {name!r} at {places}"
