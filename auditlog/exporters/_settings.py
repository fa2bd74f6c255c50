"""
Settings of an export as JSON, to tell if another one has the same.
"""

from __future__ import annotations

import datetime as dt

from collections.abc import Iterable, Mapping
from typing import Any

import attrs


def settings_of(value: Any) -> Any:
    """
    *value* in JSON, readable and complete.
    """
    if attrs.has(type(value)):
        fields = {
            field.name: settings_of(getattr(value, field.name))
            for field in attrs.fields(type(value))
        }
        return {"class": type(value).__name__, **fields}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): settings_of(value[key]) for key in sorted(value)}
    if isinstance(value, Iterable):
        return [settings_of(each) for each in value]
    return getattr(value, "__qualname__", type(value).__qualname__)


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], path: str = ""
) -> list[str]:
    """
    What differs, each with its name and both values.
    """
    found: list[str] = []
    for name in [*before, *(name for name in now if name not in before)]:
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{path}{name}.")
        elif old != new:
            found.append(f"{path}{name} was {old!r} and is {new!r}")
    return found
