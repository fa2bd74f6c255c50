"""
What goes when the body of an event would be too long, and in which order.
"""

from __future__ import annotations

import functools
import hashlib

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    RequestContext,
    Resource,
    Truncation,
)

from ._members import camel_case


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    # Takes an event and the bytes too many, and gives the event with less
    # and the names of what went.
    Cut = Callable[[AuditEvent, int], tuple[AuditEvent, list[str]]]


T = TypeVar("T")

MAX_BODY_BYTES = 65_535

_MAX_MEMBERS = 16
_MAX_NAME = 64
_MAX_VALUE_BYTES = 64
_MARKER_BYTES = 256  # what `truncated` itself takes, less its names
_KEPT = ("event_type", "truncated")


def fit(event: AuditEvent, write: Callable[[AuditEvent], bytes]) -> bytes:
    """
    Return *event* as *write* puts it, cut where that would be too long.

    In this order, until it fits: long values of changes; all changes; the
    largest members of *metadata*, 16 at most; all metadata; every text of
    more than 1,024 characters, to that length; then to 64. The event type,
    the ids and the time always stay.
    """
    body = write(event)
    if len(body) <= MAX_BODY_BYTES:
        return body
    whole = len(body), hashlib.sha256(body).hexdigest()
    return shortened(event, write, MAX_BODY_BYTES, len(body), whole)


def shortened(
    event: AuditEvent,
    write: Callable[[AuditEvent], bytes],
    limit: int,
    length: int,
    whole: tuple[int, str],
    *,
    last: tuple[Cut, ...] = (),
) -> bytes:
    """
    Return *event* as *write* puts it, cut until it takes *limit* bytes.

    Args:
        event: What to cut.

        write: Makes the bytes that count.

        limit: How many there may be.

        length: How many there are.

        whole: The length and the hash that ``truncated`` tells.

        last: What is cut when all else didn't help.
    """
    names = list(event.truncated.fields) if event.truncated else []
    excess = length - limit
    body = b""
    for cut in (*_CUTS, *last):
        event, more = cut(event, excess)
        names += more
        truncated = Truncation(
            fields=tuple(dict.fromkeys(names)),
            original_size=whole[0],
            sha256=whole[1],
        )
        event = attrs.evolve(event, truncated=truncated)
        body = write(event)
        excess = len(body) - limit
        if excess <= 0:
            break
    return body


def _change_values(event: AuditEvent, _: int) -> tuple[AuditEvent, list[str]]:
    changes = [_short_values(change) for change in event.changes]
    return attrs.evolve(event, changes=changes), _if(event.changes, "changes")


def _short_values(change: Change) -> Change:
    old, new = (
        None if _is_long(value) else value
        for value in (change.old, change.new)
    )
    return attrs.evolve(change, old=old, new=new)


def _is_long(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > _MAX_VALUE_BYTES
    return hasattr(value, "__bytes__") and len(bytes(value)) > _MAX_VALUE_BYTES


def _all_changes(event: AuditEvent, _: int) -> tuple[AuditEvent, list[str]]:
    return attrs.evolve(event, changes=()), _if(event.changes, "changes")


def _large_members(
    event: AuditEvent, excess: int
) -> tuple[AuditEvent, list[str]]:
    left = event.metadata.plain()
    sizes = event.metadata.sizes()
    wanted = excess + _MARKER_BYTES
    names: list[str] = []
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if wanted <= 0 or len(names) == _MAX_MEMBERS:
            break
        del left[name]
        names.append(f"metadata.{name[:_MAX_NAME]}")
        wanted -= sizes[name] - len(names[-1])
    return attrs.evolve(event, metadata=left), names


def _all_metadata(event: AuditEvent, _: int) -> tuple[AuditEvent, list[str]]:
    return attrs.evolve(event, metadata={}), _if(event.metadata, "metadata")


def _texts(
    limit: int, event: AuditEvent, _: int
) -> tuple[AuditEvent, list[str]]:
    return _shortened(event, limit, "")


def _shortened(part: T, limit: int, path: str) -> tuple[T, list[str]]:
    short: dict[str, Any] = {}
    names: list[str] = []
    for name in _fields(type(part)):
        value, where = getattr(part, name), path + camel_case(name)
        if type(value) is str and len(value) > limit:
            short[name] = f"{value[: limit - 1]}…"
            names.append(where)
        elif isinstance(value, Actor | RequestContext | Resource):
            short[name], more = _shortened(value, limit, f"{where}.")
            names += more
    return attrs.evolve(part, **short), names  # type: ignore[misc]


def _fields(kind: type) -> Iterable[str]:
    return (
        field.name
        for field in attrs.fields(kind)
        if field.init and field.name not in _KEPT
    )


def _if(present: object, name: str) -> list[str]:
    return [name] if present else []


_CUTS: tuple[Cut, ...] = (
    _change_values,
    _all_changes,
    _large_members,
    _all_metadata,
    functools.partial(_texts, 1_024),
    functools.partial(_texts, 64),
)
