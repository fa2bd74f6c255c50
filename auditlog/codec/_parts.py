"""
How cattrs makes events and their parts of the members of a body.
"""

from __future__ import annotations

import datetime as dt
import uuid

from typing import Any

import attrs
import cattrs

from cattrs.gen import make_dict_structure_fn, override

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


converter = cattrs.Converter()
"""
The cattrs converter from the members of bodies to the parts of events.
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
        names: Any = {
            field.name: override(rename=camel_case(field.name))
            for field in attrs.fields(kind)
            if field.init
        }
        hook: Any = make_dict_structure_fn(kind, converter, **names)
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
