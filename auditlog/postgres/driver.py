"""
The way to psycopg, which is loaded when the first object is built.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from auditlog.config import DatabaseConfig
from auditlog.errors import (
    ConfigError,
    EventRefusedError,
    MissingExtraError,
    SinkSetupError,
)


if TYPE_CHECKING:
    from collections.abc import Iterator

    from .connections import Connection, Connections


# Longest wait for an answer to who looks after the tables, in seconds.
_PATIENCE = 60.0


class Lent(NamedTuple):
    """
    A connection for one piece of work.

    Attributes:
        connection: The connection.

        schema: Where the tables are.

        where: Which database it is, for messages.
    """

    connection: Connection
    schema: str
    where: str


@contextmanager
def lend(
    what: str, database: DatabaseConfig | str, doing: str
) -> Iterator[Lent]:
    """
    A connection for the time of the block, to do *doing*.

    Raises:
        MissingExtraError: If psycopg isn't installed; *what* needs it.

        ConfigError: As for `connections`.

        SinkError: For any error of the driver.
    """
    config, lender = connections(what, database, timeout=_PATIENCE)
    try:
        with closing(lender), lender.lend(doing) as connection:
            yield Lent(connection, config.schema, lender.where)
    except EventRefusedError as exc:  # no event is at fault here
        raise SinkSetupError(str(exc)) from exc.__cause__


def connections(
    what: str, database: DatabaseConfig | str, *, timeout: float | None
) -> tuple[DatabaseConfig, Connections]:
    """
    The config for *database* and the lender of connections to it.

    Raises:
        MissingExtraError: If psycopg isn't installed; *what* needs it.

        ConfigError:
            If *database* is a string and no PostgreSQL URL, or nothing.
    """
    try:
        from .connections import Connections  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise MissingExtraError(what, "postgres") from exc

    if isinstance(database, str):
        database = DatabaseConfig(url=database)
    if not isinstance(database, DatabaseConfig):
        mistake = (
            f"{what} needs a DatabaseConfig or a URL (got "
            f"{type(database).__name__}); is database.url set?"
        )
        raise ConfigError([mistake])
    return database, Connections(database, timeout=timeout)
