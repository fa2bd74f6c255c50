"""
Brings the tables of an older version to the one that we know.
"""

from __future__ import annotations

import logging

from typing import TYPE_CHECKING

from auditlog.errors import SinkSetupError

from .driver import lend
from .errors import owner_needed
from .schema import BEGIN, VERSION, check_server, check_version, find_version
from .statements import migration_sql


if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditlog.config import DatabaseConfig

    from .driver import Lent


log = logging.getLogger("auditlog.postgres")


def upgrade_schema(database: DatabaseConfig | str, /) -> tuple[int, ...]:
    """
    Upgrade the tables to the version that this auditlog knows.

    Each version is one transaction, so that one which fails changes nothing.

    Args:
        database: Where the database is, as a config or a URL.

    Returns:
        The versions that were gone through; none if there was nothing to do.

    Raises:
        MissingExtraError: If psycopg isn't installed.

        ConfigError: If *database* is no PostgreSQL URL.

        SinkUnavailableError:
            If the server can't be reached, or a table is locked for long.

        SinkSetupError:
            If there are no tables, they are newer than those we know, the
            role doesn't own them, or a migration fails.

    .. versionadded:: 0.1.0
    """
    with lend("upgrade_schema", database, "upgrade the tables") as lent:
        check_server(lent.connection, lent.where)
        version = find_version(lent.connection, lent.schema)
        if version is None:
            raise SinkSetupError(
                f"schema {lent.schema!r} is not in {lent.where}; run "
                "auditlog db init"
            )
        if version > VERSION:
            check_version(version, lent.schema, lent.where)
        steps = {
            number: migration_sql(number, lent.schema)
            for number in range(version + 1, VERSION + 1)
        }
        return migrate(lent, steps)


def migrate(lent: Lent, steps: Mapping[int, str]) -> tuple[int, ...]:
    """
    Do those of *steps*, SQL by its version, that are not done yet.
    """
    return tuple(
        number
        for number, script in sorted(steps.items())
        if _step(lent, number, script)
    )


def _step(lent: Lent, number: int, script: str) -> bool:
    """
    One version in one transaction; False if another process was faster.
    """
    connection, schema, where = lent
    with owner_needed(
        f"upgrade schema {schema!r} in {where} to version {number}",
        "run it as the owner of the tables",
    ):
        connection.run(BEGIN)
        if (find_version(connection, schema) or 0) >= number:
            connection.run("COMMIT")
            return False
        connection.run(script)
        connection.run(
            f'INSERT INTO "{schema}".schema_version (version) '  # noqa: S608 - a schema is letters, digits and _
            f"VALUES ({number})"
        )
        connection.run("COMMIT")
    log.info("upgraded schema %r in %s to version %d", schema, where, number)
    return True
