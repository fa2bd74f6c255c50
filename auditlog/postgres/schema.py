"""
Sees to it that the tables are there and are those that we know.
"""

from __future__ import annotations

import logging

from typing import TYPE_CHECKING

from auditlog.errors import SinkSetupError

from .statements import tables_sql


if TYPE_CHECKING:
    from auditlog.config import DatabaseConfig

    from .connections import Connection


log = logging.getLogger("auditlog.postgres")

# The version of schema.sql.
VERSION = 1

_OLDEST_SERVER = 150000

# Any two processes that create a schema take turns.
_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = '10s';
SET LOCAL synchronous_commit = on;
SELECT pg_advisory_xact_lock(418581342580)
"""

# Not to_regclass() and to_regnamespace(): they answer from a cache that
# doesn't learn, within a transaction, what was committed while it waited.
_FIND_SCHEMA = "SELECT FROM pg_namespace WHERE nspname = %(schema)s"
_FIND_TABLE = """
SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE nspname = %(schema)s AND relname = 'schema_version'
"""


def prepare(
    connection: Connection, config: DatabaseConfig, where: str
) -> None:
    """
    Check the tables, and create them if they are absent and may be created.

    Raises:
        SinkSetupError:
            If the server is too old or not in UTF-8, or the tables are
            absent and not to be created, not ours, or of a newer version.
    """
    _check_server(connection, where)
    version = _version(connection, config.schema)
    if version is None:
        if not config.create_schema:
            raise SinkSetupError(
                f"schema {config.schema!r} is not in {where}; set "
                "database.create_schema, or create it with the SQL of "
                "auditlog.postgres.schema_sql()"
            )
        version = _create(connection, config.schema, where)
    if version > VERSION:
        raise SinkSetupError(
            f"schema {config.schema!r} in {where} has version {version}, "
            f"this auditlog knows {VERSION}; upgrade auditlog, or name "
            "another schema in database.schema"
        )


def _check_server(connection: Connection, where: str) -> None:
    version = connection.info.server_version
    if version < _OLDEST_SERVER:
        raise SinkSetupError(
            f"{where} is PostgreSQL {version // 10000}; 15 is the oldest "
            "that works"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in {"UTF8", None}:  # a pooler may keep it to itself
        raise SinkSetupError(
            f"{where} is encoded in {encoding}, which can't hold every "
            "event; create one with ENCODING 'UTF8'"
        )


def _version(connection: Connection, schema: str) -> int | None:
    if not connection.ask(_FIND_TABLE, schema=schema):
        return None

    table = f'"{schema}".schema_version'
    ((version,),) = connection.ask(f"SELECT max(version) FROM {table}")  # noqa: S608 - a schema is letters, digits and _
    return version or 0


def _create(connection: Connection, schema: str, where: str) -> int:
    connection.run(_BEGIN)
    version = _version(connection, schema)
    if version is not None:  # another process was faster
        connection.run("COMMIT")
        return version

    if not connection.ask(_FIND_SCHEMA, schema=schema):
        connection.run(f'CREATE SCHEMA "{schema}"')
    connection.run(tables_sql(schema))
    connection.run("COMMIT")
    log.info("created schema %r in %s", schema, where)
    return VERSION
