"""
The query columns of a row, taken from an event's body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from auditlog.abc import Record


# In the order of COLUMNS; a named tuple would take twice as long. The time is
# text as the server reads it, in UTC: binary, Python would take as long for it
# as for all the rest.
Row: TypeAlias = (
    "tuple[UUID, str, str, str | None, str, str, str | None, bytes]"
)


# Lists that psycopg knows from others, see arrays.py.


class Texts(list["str | None"]):
    """
    A column of text.
    """


class Ids(list["UUID"]):
    """
    A column of UUIDs.
    """


class Bodies(list[bytes]):
    """
    A column of bytes.
    """


COLUMNS: dict[str, Callable[[Iterable[Any]], object]] = {
    "id": Ids,
    "occurred_at": Texts,
    "event_type": Texts,
    "actor": Texts,
    "resource": Texts,
    "outcome": Texts,
    "tenant": Texts,
    "body": Bodies,
}
"""
The names of a row's values, and the class of a column of them.
"""

# The one form in which the codec writes a time.
_TIME = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T"
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z\Z"
)


class _Actor(msgspec.Struct, gc=False):
    id: str


class _Resource(msgspec.Struct, gc=False):
    type: str
    id: str


class _Data(msgspec.Struct, rename="camel", gc=False):
    event_type: str
    resource: _Resource
    outcome: Literal["success", "failure", "denied", "attempt", "unknown"]
    actor: _Actor | None = None
    tenant: str | None = None


class _Body(msgspec.Struct, gc=False):
    time: Annotated[str, msgspec.Meta(pattern=_TIME)]
    data: _Data


_decode = msgspec.json.Decoder(_Body).decode


def row(record: Record) -> Row:
    """
    The row for *record*.

    Columns always hold what `EventQuery.matches` sees. Where the event is at
    hand they are taken from it. Bodies that this library wrote are only
    looked into, which costs a third of a full decoding; any other is decoded.

    Raises:
        DecodingError: If the body isn't an audit event.
    """
    body = record.body
    if record.is_decoded:
        return _full(record)
    # Looking for one byte costs nothing, looking for six does.
    if b"\\" in body and b"\\u0000" in body:
        return _full(record)
    try:
        found = _decode(body)
    except msgspec.MsgspecError:
        return _full(record)

    data = found.data
    resource, actor = data.resource, data.actor
    return (
        record.event_id,
        found.time,
        data.event_type,
        actor.id if actor else None,
        f"{resource.type}/{resource.id}",
        data.outcome,
        data.tenant,
        body,
    )


def _full(record: Record) -> Row:
    event = record.event
    resource, actor = event.resource, event.actor
    return (
        record.event_id,
        msgspec.to_builtins(event.occurred_at),
        event.event_type,
        None if actor is None else actor.id,
        f"{resource.type}/{resource.id}",
        event.outcome._value_,  # `value` without a call
        event.tenant,
        record.body,
    )
