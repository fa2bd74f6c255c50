"""
Puts events into an open transaction of the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditlog.errors import (
    DecodingError,
    DuplicateEventError,
    EventRefusedError,
    SinkError,
    SinkUnavailableError,
    TransactionError,
)

from .batch import leaf
from .callers import run, run_async
from .columns import COLUMNS, row
from .errors import of_state


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditlog.abc import Record

    from .callers import Script


_DOING = "can't put an audit event into the caller's transaction"
_FAILED = "25P02"
_NO_TABLE = {"42P01", "3F000"}


def join(
    connection: Any,
    statements: Mapping[str, str],
    records: Sequence[Record],
    *,
    database: str | None,
) -> None:
    """
    Insert *records* through *connection*, into its open transaction.

    Args:
        database: The name of the one that it has to lead to, if known.

    Raises:
        TransactionError:
            If there is none that could be joined, or it is in another
            database.

        DuplicateEventError: If an id is taken by another event.

        SinkError: For any error of the server's.
    """
    try:
        run(connection, _insertion(statements, records, database))
    except SinkError:
        raise
    except Exception as exc:  # noqa: BLE001 - of whatever driver
        failure, cause = _translated(exc, database), getattr(exc, "orig", exc)
    else:
        return
    # Out here, as SQLAlchemy's own quotes the values and would hang on it.
    raise failure from cause


async def join_async(
    connection: Any,
    statements: Mapping[str, str],
    records: Sequence[Record],
    *,
    database: str | None,
) -> None:
    """
    As :func:`join`, through a connection of an event loop.
    """
    try:
        await run_async(connection, _insertion(statements, records, database))
    except SinkError:
        raise
    except Exception as exc:  # noqa: BLE001 - of whatever driver
        failure, cause = _translated(exc, database), getattr(exc, "orig", exc)
    else:
        return
    raise failure from cause


def _insertion(
    statements: Mapping[str, str],
    records: Sequence[Record],
    database: str | None,
) -> Script:
    for record in records:
        values = _values(record) | {"database": database}
        inserted = yield statements["insert_in"], values
        if inserted:
            continue
        ((here,),) = yield statements["database"], {}
        if database not in {None, here}:
            raise TransactionError(
                f"the connection leads to database {here!r}, the publisher's "
                f"events are in {database!r}; give a connection to that one"
            )
        # There already: whether it is the same, only now can be seen.
        found = yield statements["leaf_in"], {"id": str(record.event_id)}
        if not found or bytes(found[0][0]) != leaf(record.body):
            raise DuplicateEventError(
                f"another event with the id {record.event_id} is stored"
            )


def _values(record: Record) -> dict[str, object]:
    try:
        values: dict[str, object] = dict(
            zip(COLUMNS, row(record), strict=True)
        )
    except DecodingError as exc:
        raise EventRefusedError(
            f"the body of {record.event_id} is no audit event"
        ) from exc
    return values | {"id": str(record.event_id)}


def _translated(exc: Exception, database: str | None) -> Exception:
    """
    The error of ours for one of any driver; its own text may hold values.
    """
    state = _state(exc)
    if state is None:
        name = type(getattr(exc, "orig", exc)).__name__
        lost = name in {"OperationalError", "InterfaceError", "TimeoutError"}
        kind = SinkUnavailableError if lost else TransactionError
        return kind(f"{_DOING} ({name}); roll it back")
    if state == _FAILED:
        return TransactionError(
            "the transaction has failed, and nothing can be written in it "
            "any more; roll it back"
        )
    if state in _NO_TABLE and database is not None:
        return TransactionError(
            "the connection leads to a database without the tables of the "
            f"audit log, the publisher's events are in {database!r}; give a "
            "connection to that one"
        )
    return of_state(state, _DOING)


def _state(exc: BaseException | None) -> str | None:
    """
    The SQLSTATE, wherever the driver and what wraps it have put it.
    """
    while exc is not None:
        for name in ("sqlstate", "pgcode"):
            found = getattr(exc, name, None)
            if isinstance(found, str):
                return found
        if exc.args and isinstance(exc.args[0], dict):  # pg8000
            return exc.args[0].get("C")
        exc = getattr(exc, "orig", None) or exc.__cause__
    return None
