"""
About how much memory an event takes, told without serializing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from auditlog.event import AuditEvent


# An event, its parts and their short texts.
_BASE = 1_500


def weigh(event: AuditEvent, /) -> int:
    """
    Return about how many bytes *event* takes in memory.

    A bound for buffers and no measurement: everything that an application
    or its clients can make large counts with its length, all else together
    with a constant.

    .. versionadded:: 0.1.0
    """
    weight = _BASE + len(bytes(event.metadata)) + len(event.resource.id)
    if event.reason is not None:
        weight += len(event.reason)
    if event.request is not None:
        weight += len(event.request.url or "")
        weight += len(event.request.user_agent or "")
    for change in event.changes:
        weight += _length(change.old) + _length(change.new)
    return weight


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return len(bytes(value)) if hasattr(value, "__bytes__") else 0
