"""
Parts of an event as compact JSON, for formats with one value a column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ._members import part_members


if TYPE_CHECKING:
    from auditlog.event import AuditEvent


_encode = msgspec.json.Encoder().encode


def part_text(part: object) -> str | None:
    """
    *part* with the members that it has in a body; null if there is none.
    """
    if not part:
        return None

    return _encode(part_members(part)).decode()


def changes_text(event: AuditEvent) -> str | None:
    """
    The changes of *event* as an array; null if there are none.
    """
    if not event.changes:
        return None

    changes = [*map(part_members, event.changes)]
    return _encode(changes).decode()


def metadata_text(event: AuditEvent) -> str | None:
    """
    The metadata of *event* as an object; null if it is empty.
    """
    data = bytes(event.metadata)
    return None if data == b"{}" else data.decode()
