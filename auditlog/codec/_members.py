"""
The members of a body, as msgspec writes them.
"""

from __future__ import annotations

import functools

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    JSONArray,
    JSONObject,
    RequestContext,
    Resource,
    Truncation,
)


if TYPE_CHECKING:
    from collections.abc import Callable


_ENVELOPE = ("event_id", "occurred_at")
_FACTORY: Any = attrs.Factory  # for mypy it is a function only
_TRACING = ("correlation_id", "causation_id", "traceparent")


def camel_case(name: str) -> str:
    """
    Return ``sourceIp`` for ``source_ip``.
    """
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _writer(
    kind: Any,
    *always: str,
    without: tuple[str, ...] = (),
    inner: str | None = None,
) -> Callable[[Any], Any]:
    """
    What makes a `msgspec.Struct` of a part, twice as fast as dicts are made.

    Fields that have their default are not written.

    Args:
        always: Fields that are written even then.

        without: Fields that aren't written at all.

        inner: The field that may hold another part of this kind.
    """
    fields = [
        field
        for field in attrs.fields(kind)
        if field.init and field.name not in without
    ]
    make: Any = msgspec.defstruct(
        kind.__name__,
        [(field.name, Any, _default(field, always)) for field in fields],
        rename=camel_case,
        omit_defaults=True,
        gc=False,
    )
    values = attrgetter(*[field.name for field in fields])
    if inner is None:
        return lambda part: make(*values(part))

    def write(part: Any) -> Any:
        members = make(*values(part))
        within = getattr(part, inner)
        if within is not None:
            setattr(members, inner, write(within))
        return members

    return write


def _default(field: attrs.Attribute[Any], always: tuple[str, ...]) -> Any:
    # A value that no field has is never left out, and None is what those
    # fields have that are filled from the context.
    if field.default is attrs.NOTHING or field.name in always:
        return msgspec.UNSET
    return None if isinstance(field.default, _FACTORY) else field.default


def _json(value: Any) -> Any:
    if isinstance(value, JSONObject | JSONArray):
        return msgspec.Raw(bytes(value))
    return value


_actor = _writer(Actor, "type", inner="on_behalf_of")
_bare_change = _writer(Change, "old", "new")
_request = _writer(RequestContext)
_resource = _writer(Resource, inner="parent")
_truncation = _writer(Truncation)


def _change(change: Change) -> Any:
    members = _bare_change(change)
    members.old, members.new = _json(change.old), _json(change.new)
    return members


def _data(write: Callable[[AuditEvent], Any], event: AuditEvent) -> Any:
    members = write(event)
    members.resource = _resource(event.resource)
    members.metadata = msgspec.Raw(bytes(event.metadata))
    if event.actor is not None:
        members.actor = _actor(event.actor)
    if event.request is not None:
        members.request = _request(event.request)
    if event.changes:
        members.changes = [*map(_change, event.changes)]
    if event.truncated is not None:
        members.truncated = _truncation(event.truncated)
    return members


_PARTS: dict[type, Callable[[Any], Any]] = {
    Actor: _actor,
    Change: _change,
    RequestContext: _request,
    Resource: _resource,
    Truncation: _truncation,
}


def part_members(part: object) -> Any:
    """
    What msgspec writes for a part of an event.
    """
    return _PARTS[type(part)](part)


data_members: Callable[[AuditEvent], Any] = functools.partial(
    _data, _writer(AuditEvent, "outcome", without=(*_ENVELOPE, *_TRACING))
)
"""
Makes the members of ``data``.
"""

data_members_with_tracing: Callable[[AuditEvent], Any] = functools.partial(
    _data, _writer(AuditEvent, "outcome", without=_ENVELOPE)
)
"""
As :data:`data_members`, and what else the envelope would carry.
"""
