"""
The least that a role needs to write, to relay or to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from .statements import statements


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .connections import Connection


Part: TypeAlias = Literal["writer", "relay", "reader"]


class Privilege(NamedTuple):
    """
    What may be done to one thing.

    Attributes:
        action: Such as ``SELECT``.

        kind: ``SCHEMA``, ``SEQUENCE`` or ``TABLE``, as GRANT calls it.

        name: What it is called; nothing for the schema.

        columns: Those that it is about; none for the thing as a whole.
    """

    action: str
    kind: str
    name: str = ""
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        """
        As in ``SELECT (id, leaf) on event``.
        """
        columns = f" ({', '.join(self.columns)})" if self.columns else ""
        return f"{self.action}{columns} on {self.name or 'the schema'}"


def _on(action: str, table: str, columns: str = "") -> Privilege:
    return Privilege(action, "TABLE", table, tuple(columns.split()))


_USAGE = Privilege("USAGE", "SCHEMA")
_VERSION = _on("SELECT", "schema_version", "version")

# Each of them is seen to be needed by tests/integration/test_postgres_roles.
# What ON CONFLICT compares with has to be readable.
PRIVILEGES: Mapping[Part, Sequence[Privilege]] = {
    "writer": (
        _USAGE,
        _VERSION,
        _on(
            "INSERT",
            "event",
            "seq id occurred_at event_type actor resource outcome tenant body",
        ),
        _on("SELECT", "event", "id leaf"),
        Privilege("USAGE", "SEQUENCE", "event_seq"),
    ),
    "relay": (
        _USAGE,
        _VERSION,
        _on("SELECT", "event", "seq id recorded_at body leaf"),
        Privilege("SELECT", "SEQUENCE", "event_seq"),
        _on("SELECT", "entry", "idx event_id"),
        _on("INSERT", "entry", "idx event_id leaf"),
        _on("SELECT", "tree", "size last_seq"),
        _on("UPDATE", "tree", "size last_seq"),
        _on("SELECT", "delivery", "relay position epoch holder expires_at"),
        _on("INSERT", "delivery", "relay epoch holder expires_at"),
        _on("UPDATE", "delivery", "position epoch holder expires_at"),
        _on(
            "SELECT",
            "dead_letter",
            "relay idx event_id reason attempts at body redriven_at",
        ),
        _on(
            "INSERT",
            "dead_letter",
            "relay idx event_id reason attempts body",
        ),
        _on("UPDATE", "dead_letter", "reason attempts at redriven_at"),
    ),
    "reader": (
        _USAGE,
        _on(
            "SELECT",
            "event",
            "seq id recorded_at occurred_at event_type actor resource outcome "
            "tenant body",
        ),
        _on("SELECT", "entry", "idx event_id"),
        _on("SELECT", "event_json"),  # for people; shows nothing else
        # How the journal stands, which a relay may see as well.
        _VERSION,
        _on("SELECT", "tree", "size last_seq"),
        _on("SELECT", "delivery", "relay position holder expires_at"),
        _on("SELECT", "dead_letter", "relay redriven_at"),
    ),
}


def lacking(
    connection: Connection, schema: str, role: str, part: Part
) -> list[Privilege]:
    """
    What *role* hasn't of what *part* needs; each names what is missing only.
    """
    wanted = list(_by_column(PRIVILEGES[part]))
    places = connection.ask(
        statements(schema)["lacking"],
        schema=schema,
        role=role,
        kinds=[each.kind for each in wanted],
        names=[each.name for each in wanted],
        columns=["".join(each.columns) for each in wanted],
        actions=[each.action for each in wanted],
    )
    found: dict[Privilege, list[str]] = {}
    for (place,) in places:
        each = wanted[place - 1]
        found.setdefault(each._replace(columns=()), []).extend(each.columns)
    return [
        each._replace(columns=tuple(columns))
        for each, columns in found.items()
    ]


def _by_column(privileges: Iterable[Privilege]) -> Iterator[Privilege]:
    for each in privileges:
        for column in each.columns:
            yield each._replace(columns=(column,))
        if not each.columns:
            yield each
