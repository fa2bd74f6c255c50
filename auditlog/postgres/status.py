"""
How a journal in PostgreSQL stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditlog.status import HeldBack, JournalStatus, RelayStatus, oldest


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .connections import Connection


def look(
    connection: Connection,
    statements: Mapping[str, str],
    *,
    where: str,
    relays: Iterable[str],
) -> JournalStatus:
    """
    What the tables and the server say; changes nothing.
    """
    rows = connection.ask(statements["status"], relays=[*relays])
    found = tuple(_relay(*row[3:]) for row in rows if row[3] is not None)
    size, waiting, waiting_age, *_ = rows[0]
    return JournalStatus(
        where=where,
        size=size,
        waiting=waiting,
        waiting_age=waiting_age,
        oldest_age=oldest(found),
        relays=found,
        held_back=next(iter(holders(connection, statements)), None),
    )


def holders(
    connection: Connection,
    statements: Mapping[str, str],
    writers: Iterable[str] | None = None,
) -> list[HeldBack]:
    """
    The open transactions that wrote an event, the oldest first.

    Args:
        writers: Only these; all by default.
    """
    wanted = None if writers is None else [*writers]
    rows = connection.ask(statements["held_back"], writers=wanted)
    return [
        HeldBack(age=age, pid=pid, application_name=name, prepared=prepared)
        for age, pid, name, prepared in rows
    ]


def _relay(*row: Any) -> RelayStatus:
    relay, position, behind, oldest_age, dead_letters, holder, left = row
    return RelayStatus(
        relay=relay,
        position=position,
        behind=behind,
        oldest_age=oldest_age and max(oldest_age, 0.0),
        dead_letters=dead_letters,
        holder=holder,
        expires_in=left,
    )
