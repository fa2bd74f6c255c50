"""
Looks whether a database is as it has to be, and says what to do if not.
"""

from __future__ import annotations

import shlex
import time

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, get_args

from auditlog.errors import SinkError, SinkSetupError
from auditlog.findings import Finding

from .driver import connections
from .privileges import Part, lacking
from .schema import VERSION, check_server, check_version, find_version
from .statements import known_objects, statements


if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from auditlog.config import DatabaseConfig

    from .connections import Connection


PARTS: tuple[Part, ...] = get_args(Part)

_OBJECTS = {
    "database.tables": ("table", "sequence", "column", "constraint"),
    "database.append_only": ("trigger", "function"),
    "database.indexes": ("index",),
}
_CHECKS = (
    "database.connection",
    "database.server",
    "database.clock",
    "database.schema",
    *_OBJECTS,
    "database.owner",
    *(f"database.{part}" for part in PARTS),
)
_WAYS_OUT = {
    "database.tables": (
        "find out who changed them, and make them as auditlog db init --sql "
        "has them"
    ),
    "database.append_only": (
        "find out who did that and what was changed meanwhile; ALTER TABLE "
        "... ENABLE TRIGGER append_only, or create what is gone as auditlog "
        "db init --sql has it"
    ),
    "database.indexes": (
        "create them as auditlog db init --sql has them, or REINDEX those "
        "that are invalid"
    ),
}
_ABSENT = "has no tables yet"
# Most things that a detail names.
_NAMED = 3
# Seconds that two clocks may differ.
_SKEW = 5.0


def inspect_database(
    database: DatabaseConfig | str,
    /,
    *,
    needs: Collection[Part] = (),
    timeout: float = 10.0,
    clock: Callable[[], float] = time.time,
) -> list[Finding]:
    """
    Look at a database as the role that the config names; changes nothing.

    Args:
        database: Where the database is, as a config or a URL.

        needs:
            What the role has to be: ``writer``, ``relay`` or ``reader``. By
            default one of them suffices.

        timeout: Longest wait for an answer of the server, in seconds.

        clock: Seconds since the epoch, to compare with those of the server.

    Returns:
        One finding for each check, always the same checks in the same order.
        Those behind one that failed may be skipped.

    Raises:
        MissingExtraError: If psycopg isn't installed.

        ConfigError: If *database* is no PostgreSQL URL.

    .. versionadded:: 0.1.0
    """
    config, lender = connections("inspect_database", database, timeout=timeout)
    found: list[Finding] = []
    try:
        with closing(lender), lender.lend("look at the tables") as connection:
            look = _Look(connection, config, lender.where, needs)
            found.extend(look.findings(clock))
    except SinkError as exc:
        way_out = "look at the log of the server"
        found.append(Finding.of_error(_CHECKS[len(found)], exc, way_out))
    return [*found, *_skipped(found)]


def _skipped(found: list[Finding]) -> Iterator[Finding]:
    looked_at = {each.check for each in found}
    failed = [each.check for each in found if each.state == "failed"]
    why = f"{failed[0]} failed" if failed else "there are no tables yet"
    for check in _CHECKS:
        if check not in looked_at:
            yield Finding(check, "skipped", f"not looked at: {why}")


class _Standing(NamedTuple):
    """
    What the server says of the role and of itself.
    """

    role: str
    owns: bool
    sees_version: bool
    standby: bool
    may_create: bool


class _Look:
    """
    One look, over one connection.
    """

    def __init__(
        self,
        connection: Connection,
        config: DatabaseConfig,
        where: str,
        needs: Collection[Part],
    ) -> None:
        self._connection = connection
        self._schema = config.schema
        self._creates = config.create_schema
        self._where = where
        self._needs = needs
        self._sql = statements(self._schema)
        (row,) = connection.ask(self._sql["standing"], schema=self._schema)
        self._standing = _Standing(*row)

    def findings(self, clock: Callable[[], float]) -> Iterator[Finding]:
        """
        One after the other, as far as one makes sense after the other.
        """
        yield self._reached()
        yield self._server()
        yield self._clock(clock)
        objects = dict(
            self._connection.ask(self._sql["objects"], schema=self._schema)
        )
        tables = self._tables(objects)
        yield tables
        if _ABSENT in tables.detail or tables.state == "failed":
            return
        for check, kinds in _OBJECTS.items():
            yield _compared(check, kinds, objects)
        yield self._owner()
        yield from self._parts()

    def _reached(self) -> Finding:
        return Finding(
            "database.connection",
            "ok",
            f"connected as role {self._standing.role!r} to {self._where}",
        )

    def _server(self) -> Finding:
        check = "database.server"
        try:
            check_server(self._connection, self._where)
        except SinkSetupError as exc:
            return Finding.of_error(check, exc)

        info = self._connection.info
        version = info.parameter_status("server_version")
        detail = f"PostgreSQL {version}, encoding UTF8"
        if not self._standing.standby:
            return Finding(check, "ok", detail)
        return Finding(
            check,
            "warning",
            f"{detail}, a standby: it can be read and not written",
            "connect to the primary to write, for instance with several "
            "hosts and target_session_attrs=read-write",
        )

    def _clock(self, clock: Callable[[], float]) -> Finding:
        before = clock()
        ((theirs,),) = self._connection.ask(self._sql["clock"])
        after = clock()
        # The server looked at some moment in between.
        ahead = max(before - theirs, 0.0) - max(theirs - after, 0.0)
        check = "database.clock"
        if abs(ahead) < _SKEW:
            return Finding(check, "ok", "agrees with this machine's clock")
        where = "ahead of" if ahead > 0 else "behind"
        return Finding(
            check,
            "warning",
            f"this machine's clock is {_duration(abs(ahead))} {where} that of "
            "the server, so events seem to occur at other times",
            "set this machine's clock, for instance by NTP, or the server's",
        )

    def _tables(self, objects: dict[str, str]) -> Finding:
        check = "database.schema"
        if "table schema_version" not in objects:
            return self._absent(check)
        if not self._standing.sees_version:
            detail = f"role {self._standing.role!r} may not see the version"
            return Finding(check, "skipped", f"{detail}; a reader need not")

        version = find_version(self._connection, self._schema) or 0
        try:
            check_version(version, self._schema, self._where)
        except SinkSetupError as exc:
            return Finding.of_error(check, exc)
        detail = f"schema {self._schema!r} has version {VERSION}"
        return Finding(check, "ok", f"{detail}, the one this auditlog knows")

    def _absent(self, check: str) -> Finding:
        detail = f"schema {self._schema!r} {_ABSENT}"
        if self._creates and self._standing.may_create:
            return Finding(
                check,
                "warning",
                f"{detail}; the first event creates them",
                "leave it for a trial; else run auditlog db init as their "
                "owner, and auditlog db grant for the role that applications "
                "connect as",
            )
        return Finding(check, "failed", detail, self._way_to_tables())

    def _way_to_tables(self) -> str:
        if self._standing.may_create:
            return "run auditlog db init"
        role = shlex.quote(self._standing.role)
        return (
            "let a role that may create them run auditlog db init, and then "
            f"auditlog db grant --writer {role} --relay {role}"
        )

    def _owner(self) -> Finding:
        check, role = "database.owner", self._standing.role
        if not self._standing.owns:
            detail = f"role {role!r} can't take off what protects the tables"
            return Finding(check, "ok", detail)
        return Finding(
            check,
            "warning",
            f"role {role!r} owns the tables, so it can drop the triggers "
            "that protect them and change what is stored",
            "connect as a role that auditlog db grant was run for",
        )

    def _parts(self) -> Iterator[Finding]:
        missing = {
            part: lacking(
                self._connection, self._schema, self._standing.role, part
            )
            for part in PARTS
        }
        needs = set(self._needs)
        if all(missing.values()):  # it is none of them, so needs to be one
            needs = needs or set(PARTS)
        role = f"role {self._standing.role!r}"
        lacked = [p for p in PARTS if missing[p] and p in self._needs]
        for part, privileges in missing.items():
            if not privileges:
                detail = f"{role} has what a {part} needs"
                yield Finding(f"database.{part}", "ok", detail)
                continue
            yield Finding(
                f"database.{part}",
                "failed" if part in needs else "skipped",
                f"{role} is no {part}: it lacks {_named(privileges)}",
                self._way_to_parts(lacked if part in lacked else [part]),
            )

    def _way_to_parts(self, parts: Iterable[Part]) -> str:
        role = shlex.quote(self._standing.role)
        options = " ".join(f"--{part} {role}" for part in parts)
        return f"let the owner of the tables run auditlog db grant {options}"


def _compared(
    check: str, kinds: tuple[str, ...], objects: dict[str, str]
) -> Finding:
    """
    Whether all that we know is there; what others added is left to them.
    """
    known = _known(kinds)
    absent = [f"{name} is absent" for name in known if name not in objects]
    changed = [
        f"{name} is not as it was made: {objects[name]!r}"
        for name, definition in known.items()
        if objects.get(name, definition) != definition
    ]
    if not absent and not changed:
        return Finding(
            check, "ok", f"all {len(known)} parts are as auditlog makes them"
        )
    detail = _named([*absent, *changed])
    return Finding(check, "failed", detail, _WAYS_OUT[check])


def _known(kinds: tuple[str, ...]) -> dict[str, str]:
    """
    What we know of some *kinds*, in their order.
    """
    known = known_objects()
    return {
        name: known[name]
        for kind in kinds
        for name in known
        if name.startswith(f"{kind} ")
    }


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or round(seconds) == size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _named(things: Collection[object]) -> str:
    names = ", ".join(map(str, list(things)[:_NAMED]))
    more = len(things) - _NAMED
    return f"{names} and {more} more" if more > 0 else names
