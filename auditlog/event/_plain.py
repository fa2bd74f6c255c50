"""
Anything that has a JSON form to exact dicts, lists and scalars.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import enum
import ipaddress
import json
import math
import pathlib
import uuid

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from auditlog.errors import EncodingError


if TYPE_CHECKING:
    from collections.abc import Callable


MAX_DEPTH = 64
MAX_INT_DIGITS = 4_300

_MAX_INT = 10**MAX_INT_DIGITS - 1
_MIN_INT = -_MAX_INT
_AS_IS = frozenset({str, bool, type(None)})


def plain(value: Any, path: str = "$") -> Any:
    """
    Copy *value* into exact dicts, lists, text, numbers, booleans and None.

    Raises:
        EncodingError: If something in *value* has no JSON form.
    """
    if type(value) is dict and _is_plain(copy := value.copy()):
        return copy
    try:
        return _plain(value, path, 0)
    except RecursionError as exc:
        raise EncodingError(path, "nested too deep for this stack") from exc
    except RuntimeError as exc:
        raise EncodingError(path, "changed while it was read") from exc


def _is_plain(value: dict[Any, Any]) -> bool:
    # Most metadata is flat: text, flags and integers need no second copy.
    for name, item in value.items():
        if type(name) is not str or (
            type(item) not in _AS_IS
            and not (type(item) is int and _MIN_INT <= item <= _MAX_INT)
        ):
            return False
    return True


def _plain(value: Any, where: Any, depth: int) -> Any:
    kind = type(value)
    if kind in _AS_IS:
        return value
    if kind is int:
        if _MIN_INT <= value <= _MAX_INT:
            return value
        reason = f"an integer of more than {MAX_INT_DIGITS:,} digits"
        raise _error(where, reason)
    if kind is float:
        if math.isfinite(value):
            return value
        raise _error(where, f"{value} has no JSON form")
    if kind is dict:
        return _object(value, where, depth + 1)
    if kind is list or kind is tuple:
        return _array(value, where, depth + 1)
    return _foreign(value, where, depth)


def _object(value: dict[Any, Any], where: Any, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise _error(where, _TOO_DEEP)
    result = {}
    for key, item in value.items():
        name = key if type(key) is str else _name(key, where)
        result[name] = (
            item
            if type(item) in _AS_IS
            else _plain(item, (where, name), depth)
        )
    if len(result) != len(value):
        raise _error(where, "two keys have the same JSON form")
    return result


def _array(value: Sequence[Any], where: Any, depth: int) -> list[Any]:
    if depth > MAX_DEPTH:
        raise _error(where, _TOO_DEEP)
    return [
        _plain(item, (where, index), depth) for index, item in enumerate(value)
    ]


def _name(key: Any, where: Any) -> str:
    name = _plain(key, where, 0)
    if isinstance(name, dict | list):
        raise _error(where, f"a key of type {type(key).__name__}")
    return name if type(name) is str else json.dumps(name)


def _foreign(value: Any, where: Any, depth: int) -> Any:
    try:
        simpler = _form(value)(value)
    except EncodingError:
        raise
    except Exception as exc:  # whatever the caller's class does
        reason = f"{type(value).__name__} cannot be read"
        raise _error(where, reason) from exc
    if simpler is _NO_FORM:
        raise _error(where, f"{type(value).__name__} has no JSON form")
    result = _plain(simpler, where, depth)
    return _sorted(result) if isinstance(value, AbstractSet) else result


def _form(value: Any) -> Callable[[Any], Any]:
    for kind, form in _FORMS:
        if isinstance(value, kind):
            return form
    return _fields


def _sorted(items: list[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _fields(value: Any) -> Any:
    kind = type(value)
    if attrs.has(kind):
        names = [field.name for field in attrs.fields(kind)]
    elif dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    else:
        return _NO_FORM
    return {name: getattr(value, name) for name in names}


def _datetime(value: dt.datetime) -> str:
    if value.utcoffset() is None:
        return value.isoformat(timespec="microseconds")
    utc = value.astimezone(dt.UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="microseconds") + "Z"


def _decimal(value: Decimal) -> Any:
    return str(value) if value.is_finite() else float(value)


def _base64(value: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(value).decode("ascii")


_NO_FORM = object()
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels, or holds itself"

# In this order: a StrEnum is an Enum first, a datetime is a date.
_FORMS: list[tuple[Any, Callable[[Any], Any]]] = [
    (enum.Enum, lambda value: value.value),
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (dt.datetime, _datetime),
    ((dt.date, dt.time), lambda value: value.isoformat()),
    (dt.timedelta, msgspec.to_builtins),
    (Decimal, _decimal),
    ((bytes, bytearray, memoryview), _base64),
    (Mapping, lambda value: dict(value.items())),
    ((Sequence, AbstractSet), list),
    (
        (
            uuid.UUID,
            pathlib.PurePath,
            ipaddress.IPv4Address,
            ipaddress.IPv6Address,
            ipaddress.IPv4Network,
            ipaddress.IPv6Network,
        ),
        str,
    ),
]


def _error(where: Any, reason: str) -> EncodingError:
    steps: list[str] = []
    while isinstance(where, tuple):
        where, key = where
        steps.append(_step(key))
    return EncodingError(where + "".join(reversed(steps)), reason)


def _step(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    if key.isidentifier():
        return f".{key[:64]}"
    return f"[{json.dumps(key[:64])}]"
