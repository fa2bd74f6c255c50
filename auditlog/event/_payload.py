"""
An application's own classes for the metadata of its event types.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import pathlib
import uuid
import weakref

from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import cattrs
import msgspec

from auditlog.errors import InvalidEventError


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._json import JSONObject


T = TypeVar("T")

_CLASSES: dict[str, type] = {}
_NAMES: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()

payload_converter = cattrs.Converter()
"""
The cattrs converter of payloads; register hooks for types of your own here.
"""

# Strict, and the inverse of the JSON forms: no text for a number.
_BY_MSGSPEC: tuple[type, ...] = (
    *(str, int, float, bool, bytes, uuid.UUID, Decimal),
    *(dt.datetime, dt.date, dt.time, dt.timedelta),
)
_BY_TEXT: tuple[type, ...] = (
    *(ipaddress.IPv4Address, ipaddress.IPv6Address),
    *(ipaddress.IPv4Network, ipaddress.IPv6Network),
    *(pathlib.Path, pathlib.PurePath),
)

for _kind in _BY_MSGSPEC:
    payload_converter.register_structure_hook(_kind, msgspec.convert)
for _kind in _BY_TEXT:
    payload_converter.register_structure_hook(
        _kind, lambda value, kind: kind(value)
    )


def event_type(name: str, /) -> Callable[[type[T]], type[T]]:
    """
    Declare an attrs class as the payload of the event type *name*.

    :meth:`AuditEvent.of() <auditlog.AuditEvent.of>` then builds events from
    its objects, and :attr:`AuditEvent.payload <auditlog.AuditEvent.payload>`
    gives objects of it back. Declaring a class of the same module and name
    again replaces it, as notebooks and reloads do.

    Raises:
        TypeError: If the class is no attrs class.

        ValueError: If another class is declared for *name*, or this class
            for another name.

    .. versionadded:: 0.1.0
    """

    def declare(kind: type[T]) -> type[T]:
        if not hasattr(kind, "__attrs_attrs__"):
            raise TypeError(f"{kind.__qualname__} is no attrs class")
        other = _CLASSES.setdefault(name, kind)
        if _identity(other) != _identity(kind):
            raise ValueError(
                f"{name!r} is declared by {other.__qualname__} already"
            )
        if _NAMES.setdefault(kind, name) != name:
            raise ValueError(
                f"{kind.__qualname__} declares {_NAMES[kind]!r} already"
            )
        _CLASSES[name] = kind
        return kind

    return declare


def _identity(kind: type) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


def unstructure(payload: object) -> tuple[str, Mapping[str, Any]]:
    """
    Return the event type and the metadata of *payload*.
    """
    name = _NAMES.get(type(payload))
    if name is None:
        raise InvalidEventError(
            f"{type(payload).__name__} has no event type; "
            "mark its class with @event_type"
        )
    try:
        return name, payload_converter.unstructure(payload)
    except Exception as exc:  # whatever the class's hooks raise
        kind = type(payload).__qualname__
        raise InvalidEventError(f"{kind} cannot be read") from exc


def structure(name: str, metadata: JSONObject) -> Any:
    """
    Return *metadata* as its declared class, or as it is.
    """
    kind = _CLASSES.get(name)
    if kind is None:
        return metadata
    try:
        return structure_as(kind, metadata)
    except InvalidEventError:
        return metadata


def structure_as(kind: type[T], metadata: JSONObject) -> T:
    """
    Return *metadata* as an object of *kind*.
    """
    try:
        return payload_converter.structure(metadata.plain(), kind)
    except Exception as exc:  # whatever the class's validators raise
        raise InvalidEventError(
            f"'metadata' does not fit {kind.__qualname__}"
        ) from exc
