"""
JSON values that cannot change: plain data, checked and frozen as bytes.
"""

from __future__ import annotations

import json

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, overload

import msgspec

from auditlog.errors import EncodingError

from . import _text
from ._plain import plain


if TYPE_CHECKING:
    from collections.abc import Iterator


# Sorted keys, so that equal values have equal bytes. The way floats are
# written (1e16, 1e-7) is part of the format: golden files hold it.
_encode = msgspec.json.Encoder(order="sorted").encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NUL = b"\\u0000"


class _Frozen:
    """
    A JSON object or array, kept as the bytes that will be written.
    """

    __slots__ = ("_json", "_parts", "replaced")

    _json: bytes
    _parts: Any
    replaced: int

    def __new__(cls, value: Any, /) -> Self:
        frozen = freeze(value)[0]
        if not isinstance(frozen, cls):
            kind = type(value).__name__
            raise EncodingError("$", f"{kind} makes no {cls.__name__}")
        return frozen

    @classmethod
    def _of(cls, data: bytes, replaced: int = 0) -> Self:
        frozen = object.__new__(cls)
        frozen._json = data
        frozen._parts = None
        frozen.replaced = replaced
        return frozen

    def plain(self) -> Any:
        """
        Return a fresh copy of dicts, lists, text, numbers and booleans.
        """
        return _loads(self._json)

    def __bytes__(self) -> bytes:
        """
        The compact JSON in UTF-8, members sorted by name.
        """
        return self._json

    def __hash__(self) -> int:
        return hash(self._json)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.plain()!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._of, (self._json, self.replaced)  # noqa: SLF001

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class JSONObject(_Frozen, Mapping[str, Any]):
    """
    A JSON object that cannot change and can be hashed, pickled and compared.

    Equal to any mapping of equal values. Nested objects and arrays come out
    frozen, too; :meth:`plain` makes ordinary dicts and lists.

    Args:
        value: What to freeze; see *metadata* of :class:`~auditlog.AuditEvent`.

    Raises:
        EncodingError: If something in it has no JSON form.

    .. versionadded:: 0.1.0
    """

    __slots__ = ()

    def sizes(self) -> dict[str, int]:
        """
        Return how many bytes each member's value takes.
        """
        return {name: len(bytes(raw)) for name, raw in self._raw.items()}

    def __getitem__(self, key: str, /) -> Any:
        return _thaw(self._raw[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, JSONObject):
            return self._json == other._json
        return Mapping.__eq__(self, other)

    __hash__ = _Frozen.__hash__

    @property
    def _raw(self) -> dict[str, msgspec.Raw]:
        if self._parts is None:
            self._parts = _members(self._json)
        parts: dict[str, msgspec.Raw] = self._parts
        return parts


class JSONArray(_Frozen, Sequence[Any]):
    """
    A JSON array that cannot change, equal to lists and tuples of its items.

    .. versionadded:: 0.1.0
    """

    __slots__ = ()

    @overload
    def __getitem__(self, index: int, /) -> Any: ...

    @overload
    def __getitem__(self, index: slice, /) -> Sequence[Any]: ...

    def __getitem__(self, index: int | slice, /) -> Any:
        if isinstance(index, slice):
            return [_thaw(raw) for raw in self._raw[index]]
        return _thaw(self._raw[index])

    def __len__(self) -> int:
        return len(self._raw)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, JSONArray):
            return self._json == other._json
        if isinstance(other, list | tuple):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = _Frozen.__hash__

    @property
    def _raw(self) -> list[msgspec.Raw]:
        if self._parts is None:
            self._parts = _items(self._json)
        parts: list[msgspec.Raw] = self._parts
        return parts


_KINDS: dict[type, type[_Frozen]] = {dict: JSONObject, list: JSONArray}

EMPTY_OBJECT = JSONObject._of(b"{}")  # noqa: SLF001


def _thaw(raw: msgspec.Raw) -> Any:
    data = bytes(raw)
    if data.startswith(b"{"):
        return JSONObject._of(data)  # noqa: SLF001
    if data.startswith(b"["):
        return JSONArray._of(data)  # noqa: SLF001
    return _loads(data)


def _loads(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.ValidationError:
        # It counts the minus sign of an integer of 4,300 digits as one more.
        return json.loads(data)


def freeze(value: Any, path: str = "$") -> tuple[Any, int]:
    """
    Make *value* an unchangeable JSON value.

    Args:
        value: What has a JSON form; see :func:`plain`.

        path: Where it stands, for errors.

    Returns:
        Text, a number, a boolean, ``None``, :class:`JSONObject` or
        :class:`JSONArray`, and how many characters were replaced by U+FFFD
        because no database takes them (NUL, lone surrogates).

    Raises:
        EncodingError: If something in *value* has no JSON form.
    """
    if type(value) is str:
        return _text.clean(value)
    if isinstance(value, _Frozen):
        return value, value.replaced
    value = plain(value, path)
    kind = _KINDS.get(type(value))
    if kind is not None:
        data, replaced = _written(value, path)
        return kind._of(data, replaced), replaced  # noqa: SLF001
    return _text.clean(value) if type(value) is str else (value, 0)


def _written(value: Any, path: str) -> tuple[bytes, int]:
    try:
        data = _encode(value)
    except UnicodeEncodeError:
        pass
    except ValueError as exc:
        limit = "an integer beyond sys.get_int_max_str_digits()"
        raise EncodingError(path, limit) from exc
    else:
        if data.find(_NUL) < 0:  # twice as fast as "in"
            return data, 0
    cleaned, replaced = _cleaned(value)
    return _encode(cleaned), replaced


def _cleaned(value: Any) -> tuple[Any, int]:
    if type(value) is str:
        return _text.clean(value)
    if type(value) is list:
        pairs = [_cleaned(item) for item in value]
        return [item for item, _ in pairs], sum(count for _, count in pairs)
    if type(value) is dict:
        return _cleaned_object(value)
    return value, 0


def _cleaned_object(value: dict[str, Any]) -> tuple[dict[str, Any], int]:
    result = {}
    total = 0
    for key, item in value.items():
        name, count = _text.clean(key)
        # Hostile names that became equal must not cost a member.
        while count and (name in result or name in value):
            name += "\ufffd"
        result[name], more = _cleaned(item)
        total += count + more
    return result, total
