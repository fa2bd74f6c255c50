"""
The way to psycopg, which is loaded when the first object is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditlog.config import DatabaseConfig
from auditlog.errors import ConfigError, MissingExtraError


if TYPE_CHECKING:
    from .connections import Connections


def connections(
    what: str, database: DatabaseConfig | str, *, timeout: float
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
