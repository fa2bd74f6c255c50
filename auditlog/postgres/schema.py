"""
Sees to it that the tables are there and are those that we know.
"""

from __future__ import annotations

import logging

from typing import TYPE_CHECKING

from auditlog.errors import SinkSetupError

from .driver import lend
from .errors import owner_needed
from .statements import tables_sql


if TYPE_CHECKING:
    from auditlog.config import DatabaseConfig

    from .connections import Connection


log = logging.getLogger("auditlog.postgres")

# The version of schema.sql.
VERSION = 1

_OLDEST_SERVER = 150000

# Any two processes that create or change a schema take turns.
BEGIN = """
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


def init_schema(database: DatabaseConfig | str, /) -> bool:
    """
    Create the schema and its tables, unless they are there.

    Does so even where ``database.create_schema`` is false: that is about
    what applications do by themselves.

    Args:
        database: Where the database is, as a config or a URL.

    Returns:
        Whether they were created; they may have been there.

    Raises:
        MissingExtraError: If psycopg isn't installed.

        ConfigError: If *database* is no PostgreSQL URL.

        SinkUnavailableError: If the server can't be reached.

        SinkSetupError:
            If the server is too old or not in UTF-8, the role may not create
            them, or tables are there that are not ours or of another version.

    .. versionadded:: 0.1.0
    """
    with lend("init_schema", database, "create the tables") as lent:
        check_server(lent.connection, lent.where)
        version = find_version(lent.connection, lent.schema)
        if version is None:
            return create(lent.connection, lent.schema, lent.where)
        check_version(version, lent.schema, lent.where)
    return False


def prepare(
    connection: Connection, config: DatabaseConfig, where: str
) -> None:
    """
    Check the tables, and create them if they are absent and may be created.

    Raises:
        SinkSetupError:
            If the server is too old or not in UTF-8, or the tables are
            absent and not to be created, not ours, or of another version.
    """
    check_server(connection, where)
    version = find_version(connection, config.schema)
    if version is None and config.create_schema:
        create(connection, config.schema, where)
        version = find_version(connection, config.schema)
    if version is None:
        raise SinkSetupError(
            f"schema {config.schema!r} is not in {where}; set "
            "database.create_schema, or create it with auditlog db init or "
            "the SQL of auditlog.postgres.schema_sql()"
        )
    check_version(version, config.schema, where)


def check_server(connection: Connection, where: str) -> None:
    """
    Refuse a server that can't hold an audit log.

    Raises:
        SinkSetupError: If it is too old or not in UTF-8.
    """
    version = connection.info.server_version
    if version < _OLDEST_SERVER:
        raise SinkSetupError(
            f"{where} is PostgreSQL {version // 10000}, and 15 is the oldest "
            "that works; upgrade the server"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in {"UTF8", None}:  # a pooler may keep it to itself
        raise SinkSetupError(
            f"{where} is encoded in {encoding}, which can't hold every "
            "event; create one with ENCODING 'UTF8'"
        )


def check_version(version: int, schema: str, where: str) -> None:
    """
    Refuse tables of another version.

    Raises:
        SinkSetupError: If they are older or newer than those we know.
    """
    has = f"schema {schema!r} in {where} has version {version}"
    if version > VERSION:
        raise SinkSetupError(
            f"{has}, this auditlog knows {VERSION}; install the newer "
            "auditlog-publisher that made it, or name a schema that is not "
            "there yet in database.schema (CDK_DATABASE_SCHEMA)"
        )
    if version < VERSION:
        raise SinkSetupError(
            f"{has}, this auditlog needs {VERSION}; let the owner of the "
            "tables run auditlog db upgrade"
        )


def find_version(connection: Connection, schema: str) -> int | None:
    """
    The version of the tables, or None if there are none.
    """
    if not connection.ask(_FIND_TABLE, schema=schema):
        return None

    table = f'"{schema}".schema_version'
    ((version,),) = connection.ask(f"SELECT max(version) FROM {table}")  # noqa: S608 - a schema is letters, digits and _
    return version or 0


def create(connection: Connection, schema: str, where: str) -> bool:
    """
    Create the tables; False if another process was faster.

    Raises:
        SinkSetupError: If this role may not.
    """
    way_out = (
        "let a role that may create it run auditlog db init, and then "
        "auditlog db grant for this one"
    )
    with owner_needed(f"create schema {schema!r} in {where}", way_out):
        connection.run(BEGIN)
        if find_version(connection, schema) is not None:
            connection.run("COMMIT")
            return False
        if not connection.ask(_FIND_SCHEMA, schema=schema):
            connection.run(f'CREATE SCHEMA "{schema}"')
        connection.run(tables_sql(schema))
        connection.run("COMMIT")
    log.info("created schema %r in %s", schema, where)
    return True
