"""
How cattrs turns events and their parts into JSON members, and back.
"""

from __future__ import annotations

import datetime as dt
import uuid

from typing import Any

import attrs
import cattrs
import msgspec

from cattrs.fns import identity
from cattrs.gen import (
    make_dict_structure_fn,
    make_dict_unstructure_fn,
    override,
)

from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    JSONArray,
    JSONObject,
    Outcome,
    RequestContext,
    Resource,
    Truncation,
)


_ENVELOPE = ("event_id", "occurred_at")
_TRACING = ("correlation_id", "causation_id", "traceparent")


def camel_case(name: str) -> str:
    """
    Return ``sourceIp`` for ``source_ip``.
    """
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _renamed(kind: type, **options: Any) -> dict[str, Any]:
    return {
        field.name: override(
            rename=camel_case(field.name), **options.get(field.name, {})
        )
        for field in attrs.fields(kind)
        if field.init
    }


converter = cattrs.Converter()
"""
The cattrs converter between the parts of events and the members of bodies.

What it makes may hold :class:`msgspec.Raw` and is written by msgspec.
"""


def _json(value: Any) -> Any:
    if isinstance(value, JSONObject | JSONArray):
        return msgspec.Raw(bytes(value))
    return value


def _changes(changes: tuple[Change, ...]) -> Any:
    return [_change(change) for change in changes] if changes else None


def _write_members(kind: type, *always: str) -> None:
    options = {name: {"omit_if_default": False} for name in always}
    hook: Any = make_dict_unstructure_fn(
        kind,
        converter,
        _cattrs_omit_if_default=True,
        **_renamed(kind, **options),
    )
    converter.register_unstructure_hook(kind, hook)


def _write_as_is(*kinds: Any) -> None:
    for kind in kinds:
        converter.register_unstructure_hook(kind, identity)


# msgspec writes these itself; cattrs alone would take 10 µs, not 1.5.
_write_as_is(str, str | None, int, uuid.UUID, dt.datetime, Outcome)
converter.register_unstructure_hook(JSONObject, _json)
_write_members(Resource)
_write_members(Actor, "type")
_write_members(RequestContext)
_write_members(Truncation)

_change = make_dict_unstructure_fn(
    Change,
    converter,
    old=override(unstruct_hook=_json),
    new=override(unstruct_hook=_json),
)


def _event_hook(*omitted: str) -> Any:
    options: dict[str, Any] = {name: {"omit": True} for name in omitted}
    options["changes"] = {"unstruct_hook": _changes}
    options["replaced"] = {"unstruct_hook": lambda number: number or None}
    return make_dict_unstructure_fn(
        AuditEvent, converter, **_renamed(AuditEvent, **options)
    )


data_members = _event_hook(*_ENVELOPE, *_TRACING)
"""
Makes the members of ``data``, in order, ``None`` where unset.
"""

data_members_with_tracing = _event_hook(*_ENVELOPE)
"""
As :data:`data_members`, and what else the envelope would carry.
"""


def _strict(kind: Any) -> Any:
    def check(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"no {kind.__name__}")
        return value

    return check


def _strict_or_none(value: Any, _: Any) -> Any:
    if value is not None and type(value) is not str:
        raise TypeError("no str")
    return value


def _read_texts(value: Any, _: Any) -> tuple[str, ...]:
    if type(value) is not list or any(type(v) is not str for v in value):
        raise TypeError("no list of str")
    return tuple(value)


def _read_changes(value: Any, _: Any) -> tuple[Change, ...]:
    if type(value) is not list:
        raise TypeError("no list")
    return tuple(converter.structure(value, list[Change]))


def _read_outcome(value: Any, _: Any) -> Outcome:
    if type(value) is not str:
        raise TypeError("no str")
    try:
        return Outcome(value)
    except ValueError:  # one that others invented
        return Outcome.UNKNOWN


def _read_members(*kinds: type) -> None:
    for kind in kinds:
        hook: Any = make_dict_structure_fn(kind, converter, **_renamed(kind))
        converter.register_structure_hook(kind, hook)


def _read_only(*kinds: type) -> None:
    for kind in kinds:
        converter.register_structure_hook(kind, _strict(kind))


# cattrs by itself makes text of anything.
_read_only(str, int, uuid.UUID, dt.datetime)
converter.register_structure_hook(str | None, _strict_or_none)
converter.register_structure_hook(JSONObject, _strict(dict))
converter.register_structure_hook_func(
    lambda kind: kind == tuple[str, ...], _read_texts
)
converter.register_structure_hook_func(
    lambda kind: kind == tuple[Change, ...], _read_changes
)
converter.register_structure_hook(Outcome, _read_outcome)
_read_members(Resource, Actor, RequestContext, Change, Truncation)
_read_members(AuditEvent)
