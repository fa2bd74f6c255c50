"""
The JSON Schema of a body, made from the event classes.
"""

from __future__ import annotations

import types
import typing

from typing import Any

import attrs

from auditlog.event import (
    Actor,
    AuditEvent,
    Change,
    JSONObject,
    Outcome,
    RequestContext,
    Resource,
    Truncation,
)

from ._members import camel_case


_TEXT = {"type": "string"}
_NAMED = (Actor, Change, RequestContext, Resource, Truncation)
_IN_ENVELOPE = ("event_id", "occurred_at")
_NOT_EMPTY = {
    Actor: ("id", "type"),
    Change: ("path",),
    Resource: ("type", "id"),
}


def json_schema() -> dict[str, Any]:
    """
    Return the JSON Schema (draft 2020-12) of a body, in either dialect.

    Members that it doesn't name are allowed: later versions may write more.
    The file ``auditlog/codec/audit-event.schema.json`` holds the same;
    ``python -m auditlog.codec`` prints it.

    .. versionadded:: 0.1.0
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Audit event",
        "description": "A CloudEvents 1.0 object in structured JSON mode.",
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid"},
            "time": {
                "type": "string",
                "format": "date-time",
                "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
            },
            "type": {"type": "string", "minLength": 1},
            "source": {"type": "string", "format": "uri-reference"},
            "subject": {"type": "string", "minLength": 1},
            "datacontenttype": {"const": "application/json"},
            "correlationid": {"type": "string", "minLength": 1},
            "causationid": {"type": "string", "minLength": 1},
            "traceparent": {"type": "string", "minLength": 1},
            "data": _object(AuditEvent, required=_ALWAYS),
        },
        "required": [
            *("specversion", "id", "time", "type", "source"),
            *("datacontenttype", "data"),
        ],
        "$defs": {
            **{kind.__name__: _object(kind) for kind in _NAMED},
            "Outcome": {"enum": [outcome.value for outcome in Outcome]},
        },
    }


_ALWAYS = ["eventType", "resource", "outcome", "metadata"]


def _object(kind: type, required: list[str] | None = None) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    fields = [f for f in attrs.fields(kind) if _is_member(f)]
    properties = {camel_case(f.name): _value(hints[f.name]) for f in fields}
    for name in _NOT_EMPTY.get(kind, ()):
        properties[name] = {**_TEXT, "minLength": 1}
    if required is None:
        required = [
            camel_case(f.name) for f in fields if _is_written_always(kind, f)
        ]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
    }


def _is_member(field: attrs.Attribute[Any]) -> bool:
    return field.init and field.name not in _IN_ENVELOPE


def _is_written_always(kind: type, field: attrs.Attribute[Any]) -> bool:
    return (
        kind is Change
        or field.default is attrs.NOTHING
        or field.name in _NOT_EMPTY.get(kind, ())
    )


def _value(kind: Any) -> dict[str, Any]:
    if isinstance(kind, types.UnionType):
        (kind,) = set(typing.get_args(kind)) - {type(None)}
    if kind in (*_NAMED, Outcome):
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if typing.get_origin(kind) is tuple:
        return {"type": "array", "items": _value(typing.get_args(kind)[0])}
    return _SIMPLE[kind]


_SIMPLE: dict[Any, dict[str, Any]] = {
    str: _TEXT,
    int: {"type": "integer", "minimum": 0},
    JSONObject: {"type": "object"},
    Any: {},
}
