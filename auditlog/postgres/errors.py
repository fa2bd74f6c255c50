"""
What becomes of psycopg's errors.

Messages name the place, SQLSTATE and constraint. They never hold DETAIL,
parameters or a value: those stay in ``__cause__``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from auditlog.errors import (
    EventRefusedError,
    SinkError,
    SinkSetupError,
    SinkUnavailableError,
)


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import psycopg


class LockedError(SinkUnavailableError):
    """
    Another open transaction holds what is needed, or held it for too long.
    """


# By SQLSTATE, or else by its class. What is in neither table is taken for a
# fault of the set-up: no event may be given up for a fault not its own.
_KINDS: dict[str, type[SinkError]] = {
    "08": SinkUnavailableError,  # connection
    "22": EventRefusedError,  # data
    "23": EventRefusedError,  # integrity
    "23505": SinkSetupError,  # not the id: see its way out
    "25": SinkUnavailableError,  # transaction state, such as its timeouts
    "25006": SinkSetupError,
    "40": SinkUnavailableError,  # rolled back: serialization
    "40P01": LockedError,  # deadlock
    "44": EventRefusedError,  # WITH CHECK OPTION
    "53": SinkUnavailableError,  # resources: disk, memory, connections
    "54": EventRefusedError,  # limits, such as an index's longest value
    "55006": SinkUnavailableError,  # object in use
    "55P03": LockedError,
    "57": SinkUnavailableError,  # shutdown, recovery, cancelled
    "57P04": SinkSetupError,  # database dropped
    "58": SinkUnavailableError,  # I/O
    "P0": EventRefusedError,  # raised by a trigger of the user's
    "XX": SinkUnavailableError,  # internal
    "XX001": SinkSetupError,  # corrupted
    "XX002": SinkSetupError,
}

# What the server says of these classes holds names and numbers, no values.
_QUOTABLE = {"08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58"}

_CREATE = (
    "create the tables with auditlog db init, or with the SQL of "
    "auditlog.postgres.schema_sql()"
)
_OTHERS = "the schema holds tables of others; name another in database.schema"
_WAYS_OUT = {
    "23505": (
        "the sequence is behind its table, restored without it; set it "
        "to the highest seq with setval()"
    ),
    "25006": (
        "connect to the primary, for instance with several hosts and "
        "target_session_attrs=read-write in database.url"
    ),
    "26000": "behind a pooler set database.prepare to false",
    "3F000": _CREATE,
    "40P01": "it is tried again",
    "42501": (
        "let the owner of the tables give this role what it lacks, with "
        "auditlog db grant"
    ),
    "42703": "the tables are not those of auditlog.postgres.schema_sql()",
    "42710": _OTHERS,
    "42723": _OTHERS,
    "42P01": _CREATE,
    "42P05": "behind a pooler set database.prepare to false",
    "42P07": _OTHERS,
    "53100": "free disk space on the server",
    "53300": "close other connections or raise max_connections",
    "55P03": "it is tried again; end the transaction that holds it",
}

# What helps whoever has a connection of their own, too.
_FOR_CALLERS = {"23505", "3F000", "42501", "42703", "42P01", "53100"}

# A server that refuses a connection gives libpq no SQLSTATE, only a sentence.
# The first that it holds says the way out, if there is one to say.
_REFUSALS = {
    "authentication failed": "see to database.username and database.password",
    "no password supplied": "set database.password",
    "no pg_hba.conf entry": (
        "allow this role, database and host in the server's pg_hba.conf"
    ),
    "is not permitted to log in": "let somebody give the role LOGIN",
    "permission denied for database": (
        "let the owner of the database grant CONNECT on it, as auditlog db "
        "grant does"
    ),
    "certificate verify failed": (
        "name the file of the CA that signed the server's certificate with "
        "sslrootcert in database.url"
    ),
    "does not match host name": (
        "connect by a name that stands in the server's certificate"
    ),
    "certificate required": (
        "name the files of a client certificate and its key with sslcert and "
        "sslkey in database.url"
    ),
    "server does not support SSL": (
        "switch SSL on in the server, or choose another sslmode"
    ),
    '" does not exist': "create it, or correct database.url",
    "certificate": "",
}

# A server that can't be reached at all may be there again in a moment.
_OUTAGES = {
    "Connection refused": (
        "start the server, or correct host and port in database.url"
    ),
    "resolve host": (
        "correct the host in database.url, or this machine's resolver"
    ),
    "timeout expired": (
        "correct host and port in database.url, or look for a firewall in "
        "between"
    ),
    "No such file": (
        "start the server, or correct the folder of its socket in "
        "database.host"
    ),
    "SSL negotiation": (
        "something else than PostgreSQL listens there: correct host and port "
        "in database.url"
    ),
}


def translate(exc: psycopg.Error, what: str) -> SinkError:
    """
    The error of ours for *exc*.

    Args:
        exc: Any error of psycopg.

        what: Begins the message: what couldn't be done, and where.

    Returns:
        `SinkUnavailableError` if trying again helps, `SinkSetupError` if
        somebody has to do something about it, `EventRefusedError` if it is
        about what was to be stored.
    """
    if exc.sqlstate is None:
        return _of_driver(exc, what)

    state = exc.sqlstate
    kind = _KINDS.get(state) or _KINDS.get(state[:2]) or SinkSetupError
    return kind(f"{what}: {_reason(exc, state)}{_way_out(state)}")


def of_state(state: str, what: str) -> SinkError:
    """
    The error of ours for an SQLSTATE from a driver that we don't know.
    """
    kind = _KINDS.get(state) or _KINDS.get(state[:2]) or SinkSetupError
    if issubclass(kind, SinkUnavailableError):
        way = "; roll back, and do all of it again"
    else:
        way = _way_out(state) if state in _FOR_CALLERS else "; roll back"
    return kind(f"{what} (SQLSTATE {state}){way}")


@contextmanager
def owner_needed(doing: str, way_out: str) -> Iterator[None]:
    """
    Say *way_out* where a role may not do what only an owner may.

    Raises:
        SinkSetupError: In place of psycopg's InsufficientPrivilege.
    """
    from psycopg.errors import (  # noqa: PLC0415 - loaded by who connected
        InsufficientPrivilege,
    )

    try:
        yield
    except InsufficientPrivilege as exc:
        reason = _reason(exc, "42501")
        raise SinkSetupError(f"can't {doing}: {reason}; {way_out}") from exc


def _reason(exc: psycopg.Error, state: str) -> str:
    said = exc.diag.message_primary if state[:2] in _QUOTABLE else None
    constraint = exc.diag.constraint_name
    named = f", constraint {constraint!r}" if constraint else ""
    return f"{said or type(exc).__name__} (SQLSTATE {state}{named})"


def _way_out(state: str) -> str:
    way = _WAYS_OUT.get(state)
    return f"; {way}" if way else ""


def _of_driver(exc: psycopg.Error, what: str) -> SinkError:
    """
    The error for one that did not come from an SQL statement.
    """
    from psycopg import (  # noqa: PLC0415 - loaded by whoever raised
        DataError,
        InterfaceError,
        OperationalError,
    )

    if isinstance(exc, DataError):
        return EventRefusedError(f"{what}: a value has no form there")
    if isinstance(exc, (OperationalError, InterfaceError)):
        said = " ".join(str(exc).split())
        refused = _first(_REFUSALS, said)
        kind = SinkUnavailableError if refused is None else SinkSetupError
        way = refused or _first(_OUTAGES, said)
        way_out = f"; {way}" if way else ""
        return kind(f"{what}: {said or type(exc).__name__}{way_out}")
    return SinkSetupError(f"{what}: {type(exc).__name__}")


def _first(ways: Mapping[str, str], said: str) -> str | None:
    return next((way for text, way in ways.items() if text in said), None)
