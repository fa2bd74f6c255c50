"""
Speaks to PostgreSQL through a connection of the caller's.

Whatever the driver below: by the package that the object comes from, so that
none of them is imported.
"""

from __future__ import annotations

import inspect
import re

from typing import TYPE_CHECKING, Any

from auditlog.errors import TransactionError


if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    Rows = Sequence[Sequence[Any]]
    # Gives statements with their values and gets their rows.
    Script = Generator[tuple[str, Mapping[str, object]], Rows, None]


_NAME = re.compile(r":([a-z_]+)")

KNOWN = (
    "a psycopg Connection, an SQLAlchemy Session or Connection, or Django's "
    "connection"
)


def run(connection: Any, script: Script) -> None:
    """
    Run *script* in the open transaction of *connection*.

    Raises:
        TransactionError: If there is no transaction that it could join.

        Exception: What the caller's driver raises.
    """
    family = _family(connection)
    if family == "psycopg" and not _is_async(connection):
        if _is_in_pipeline(connection):
            with connection.pipeline() as pipeline:
                pipeline.sync()
        _check_psycopg(connection)
        _drive(script, lambda *query: _psycopg_rows(connection, *query))
    elif family == "sqlalchemy" and not _is_async(connection):
        below = _sqlalchemy_connection(connection)
        _drive(script, lambda *query: _sqlalchemy_rows(below, *query))
    elif family == "django":
        _check_django(connection)
        _drive(script, lambda *query: _django_rows(connection, *query))
    else:
        raise _unknown(connection, family)


async def run_async(connection: Any, script: Script) -> None:
    """
    As :func:`run`, without blocking the event loop.
    """
    family = _family(connection)
    if family == "psycopg" and _is_async(connection):
        if _is_in_pipeline(connection):
            async with connection.pipeline() as pipeline:
                await pipeline.sync()
        _check_psycopg(connection)
        await _drive_psycopg(connection, script)
    elif family == "sqlalchemy" and _is_async(connection):
        if not hasattr(connection, "run_sync"):  # a registry of sessions
            connection = connection()
        await connection.run_sync(run, script)
    else:
        raise _unknown(connection, family, asynchronous=True)


def _drive(
    script: Script, execute: Callable[[str, Mapping[str, object]], Rows]
) -> None:
    try:
        query = next(script)
        while True:
            query = script.send(execute(*query))
    except StopIteration:
        return


# Whose it is


def _family(connection: Any) -> str:
    # Django's is a proxy, which lends the class of what is behind it.
    for cls in (*type(connection).__mro__, connection.__class__):
        package = str(cls.__module__).partition(".")[0]
        if package in {"psycopg", "sqlalchemy", "django"}:
            return package
    return ""


def _is_async(connection: Any) -> bool:
    commit = getattr(type(connection), "commit", None)
    return inspect.iscoroutinefunction(commit)


def _unknown(
    connection: Any, family: str, *, asynchronous: bool = False
) -> TransactionError:
    name = type(connection).__name__
    if not family:
        return TransactionError(
            f"can't join a transaction of {name}; give {KNOWN}"
        )
    if family == "django":
        return TransactionError(
            "Django's connections belong to a thread; call publish_in() "
            "within asgiref's sync_to_async()"
        )
    other = "publish_in()" if asynchronous else "publish_in_async()"
    return TransactionError(f"can't wait for {name} here; use {other}")


def _autocommit() -> TransactionError:
    return TransactionError(
        "the connection is in autocommit mode, so the event would not go with "
        "what else is written; open a transaction"
    )


def _failed() -> TransactionError:
    return TransactionError(
        "the transaction has failed, and nothing can be written in it any "
        "more; roll it back"
    )


def _closed() -> TransactionError:
    return TransactionError("the connection is closed; open another")


# psycopg


def _is_in_pipeline(connection: Any) -> bool:
    # There what was sent before is not known to have begun a transaction.
    return not connection.closed and bool(connection.pgconn.pipeline_status)


def _check_psycopg(connection: Any) -> None:
    from psycopg.pq import TransactionStatus  # noqa: PLC0415 - it is there

    status = connection.info.transaction_status
    if connection.closed or status == TransactionStatus.UNKNOWN:
        raise _closed()
    if status == TransactionStatus.INERROR:
        raise _failed()
    if status == TransactionStatus.ACTIVE:
        raise TransactionError(
            "the connection is busy with another statement, or broken; "
            "finish that one, or open another connection"
        )
    if connection.autocommit and status != TransactionStatus.INTRANS:
        raise _autocommit()


def _cursor(connection: Any) -> Any:
    # Not one of the caller's, whose factories may be of any kind.
    from psycopg import AsyncCursor, Cursor  # noqa: PLC0415 - it is there
    from psycopg.rows import tuple_row  # noqa: PLC0415 - it is there

    kind = AsyncCursor if _is_async(connection) else Cursor
    return kind(connection, row_factory=tuple_row)


def _psycopg_rows(
    connection: Any, query: str, values: Mapping[str, object]
) -> Rows:
    with _cursor(connection) as cursor:
        rows: Rows = cursor.execute(_pyformat(query), values).fetchall()
    return rows


async def _drive_psycopg(connection: Any, script: Script) -> None:
    try:
        query, values = next(script)
        while True:
            async with _cursor(connection) as cursor:
                await cursor.execute(_pyformat(query), values)
                rows = await cursor.fetchall()
            query, values = script.send(rows)
    except StopIteration:
        return


def _pyformat(query: str) -> str:
    # In the queries a colon is nothing but the begin of a name.
    return _NAME.sub(r"%(\1)s", query)


# SQLAlchemy


def _sqlalchemy_connection(given: Any) -> Any:
    """
    The connection below a session, or itself, with its transaction.
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - it is there

    if getattr(given, "is_active", True) is False:
        raise _failed()
    try:
        below = given.connection() if _is_session(given) else given
        closed = below.closed or below.invalidated
        dialect = below.dialect.name
        raw = None if closed else below.connection.dbapi_connection
    except (SQLAlchemyError, AttributeError) as exc:
        raise TransactionError(
            f"{type(given).__name__} gives no connection "
            f"({type(exc).__name__}); give {KNOWN}"
        ) from exc
    if closed:
        raise _closed()
    if dialect != "postgresql":
        raise _not_ours(dialect)
    if getattr(raw, "autocommit", False):
        raise _autocommit()
    return below


def _is_session(given: Any) -> bool:
    return hasattr(given, "get_bind")


def _sqlalchemy_rows(
    connection: Any, query: str, values: Mapping[str, object]
) -> Rows:
    from sqlalchemy import text  # noqa: PLC0415 - it is there

    # The caller may read large results by a cursor, which has no INSERT.
    plainly = {"stream_results": False, "yield_per": None}
    rows: Rows = connection.execute(
        text(query), values, execution_options=plainly
    ).all()
    return rows


def _not_ours(system: str) -> TransactionError:
    return TransactionError(
        f"the connection leads to {system} and not to PostgreSQL; give one "
        "to the database that holds the audit log"
    )


# Django


def _check_django(connection: Any) -> None:
    if connection.vendor != "postgresql":
        raise _not_ours(connection.vendor)
    if connection.needs_rollback:
        raise _failed()
    if connection.closed_in_transaction:
        raise _closed()
    if not connection.in_atomic_block and connection.get_autocommit():
        raise TransactionError(
            "Django's connection is in autocommit mode, so the event would "
            "not go with what else is written; call this within "
            "transaction.atomic()"
        )


def _django_rows(
    connection: Any, query: str, values: Mapping[str, object]
) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(_pyformat(query), values)
        rows: Rows = cursor.fetchall()
    return rows
