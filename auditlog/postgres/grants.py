"""
Gives roles the least that they need.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from auditlog.errors import MissingExtraError, SinkSetupError

from .driver import lend
from .errors import owner_needed
from .privileges import PRIVILEGES, lacking
from .schema import BEGIN, check_version, find_version
from .statements import statements


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from auditlog.config import DatabaseConfig

    from .driver import Lent
    from .privileges import Part


# What GRANT takes for all roles, even in quotes, and for none.
_NO_ROLES = {"public", "none", ""}


def grant_sql(
    schema: str = "audit",
    *,
    writers: Iterable[str] = (),
    relays: Iterable[str] = (),
    readers: Iterable[str] = (),
) -> str:
    """
    The SQL that gives roles the least that they need, as one transaction.

    For who reviews it, or runs it with psql. That a role may connect to the
    database, which is so by default, is not in it.

    Args:
        schema: Name of the schema that holds the tables.

        writers:
            Roles that store events with :class:`auditlog.PostgresSink`.

        relays: Roles that run relays: number, carry on, keep dead letters.

        readers:
            Roles that read with :class:`auditlog.PostgresReader`, or psql.

    Raises:
        MissingExtraError: If psycopg isn't installed.

        SinkSetupError: If one is ``public``: that is everybody, and no role.

    .. versionadded:: 0.1.0
    """
    given = _given(writers, relays, readers)
    return f"BEGIN;\n{_statements(schema, given)}COMMIT;\n"


def grant_roles(
    database: DatabaseConfig | str,
    /,
    *,
    writers: Iterable[str] = (),
    relays: Iterable[str] = (),
    readers: Iterable[str] = (),
) -> None:
    """
    Give existing roles the least that they need, all of them or none.

    What they have besides is left to them. Where PUBLIC may not connect to
    the database, they are allowed to.

    Args:
        database: Where the database is, as a config or a URL.

        writers:
            Roles that store events with :class:`auditlog.PostgresSink`.

        relays: Roles that run relays: number, carry on, keep dead letters.

        readers:
            Roles that read with :class:`auditlog.PostgresReader`, or psql.

    Raises:
        MissingExtraError: If psycopg isn't installed.

        ConfigError: If *database* is no PostgreSQL URL.

        SinkUnavailableError: If the server can't be reached.

        SinkSetupError:
            If a role doesn't exist, there are no tables, they are of another
            version, or the role that grants may not.

    .. versionadded:: 0.1.0
    """
    given = _given(writers, relays, readers)
    with lend("grant_roles", database, "grant privileges") as lent:
        _check_tables(lent)
        _check_roles(lent, given)
        _grant(lent, given)


def _given(
    writers: Iterable[str], relays: Iterable[str], readers: Iterable[str]
) -> dict[Part, list[str]]:
    given: dict[Part, list[str]] = {
        "writer": list(writers),
        "relay": list(relays),
        "reader": list(readers),
    }
    for role in _roles(given):
        if role in _NO_ROLES or "\0" in role:
            raise SinkSetupError(
                f"can't grant privileges to {role!r}, which is no role; name "
                "one that exists"
            )
    return given


def _roles(given: Mapping[Part, Sequence[str]]) -> list[str]:
    """
    Each role once, in the order given.
    """
    return list(dict.fromkeys(chain.from_iterable(given.values())))


def _statements(schema: str, given: Mapping[Part, Sequence[str]]) -> str:
    try:
        from psycopg import sql  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise MissingExtraError("grant_sql", "postgres") from exc

    def quoted(*names: str) -> str:
        return sql.Identifier(*names).as_string(None)

    lines = []
    for part, roles in given.items():
        to = ", ".join(map(quoted, roles))
        for each in PRIVILEGES[part] if roles else ():
            names = (schema, each.name) if each.name else (schema,)
            columns = ", ".join(map(quoted, each.columns))
            what = f"{each.action} ({columns})" if columns else each.action
            lines.append(
                f"GRANT {what} ON {each.kind} {quoted(*names)} TO {to};\n"
            )
    return "".join(lines)


def _check_tables(lent: Lent) -> None:
    version = find_version(lent.connection, lent.schema)
    if version is None:
        raise SinkSetupError(
            f"schema {lent.schema!r} is not in {lent.where}; run "
            "auditlog db init first"
        )
    check_version(version, lent.schema, lent.where)


def _check_roles(lent: Lent, given: Mapping[Part, Sequence[str]]) -> None:
    absent = lent.connection.ask(
        statements(lent.schema)["absent_roles"], roles=_roles(given)
    )
    if absent:
        names = ", ".join(repr(name) for (name,) in absent)
        raise SinkSetupError(
            f"no role {names} in {lent.where}, so nothing was granted; "
            "create it, or mind upper and lower case"
        )


def _grant(lent: Lent, given: Mapping[Part, Sequence[str]]) -> None:
    with owner_needed(
        f"grant privileges in {lent.where}",
        "run it as the owner of the tables",
    ):
        lent.connection.run(BEGIN)
        lent.connection.run(_statements(lent.schema, given))
        _let_connect(lent, _roles(given))
        _check_granted(lent, given)
        lent.connection.run("COMMIT")


def _let_connect(lent: Lent, roles: Sequence[str]) -> None:
    from psycopg import sql  # noqa: PLC0415 - an extra

    outside = lent.connection.ask(
        statements(lent.schema)["unconnectable"], roles=roles
    )
    for names in outside:
        role, database = map(sql.Identifier, names)
        allow = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}")
        lent.connection.execute(allow.format(database, role))


def _check_granted(lent: Lent, given: Mapping[Part, Sequence[str]]) -> None:
    """
    Who may not pass all of it on is only warned by the server.
    """
    for part, roles in given.items():
        for role in roles:
            missing = lacking(lent.connection, lent.schema, role, part)
            if missing:
                raise SinkSetupError(
                    f"can't grant {missing[0]} to {role!r} in {lent.where}, "
                    "so nothing was granted; run it as the owner of the "
                    "tables"
                )
