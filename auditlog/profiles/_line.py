"""
Members to one line of JSON, and texts to a length.
"""

from __future__ import annotations

import re

from typing import TYPE_CHECKING, Any

import msgspec


if TYPE_CHECKING:
    from collections.abc import Mapping


_encode = msgspec.json.Encoder().encode

# Raw in JSON these are legal, and some tools end a line at them: DEL, the
# control characters U+0080 to U+009F, and both separators of Unicode. As
# bytes, for outside of texts JSON is ASCII.
_ODD = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")


def json_line(members: Mapping[str, Any]) -> bytes:
    """
    *members* as compact JSON without any raw control character.
    """
    return escaped(_encode(members))


def escaped(data: bytes) -> bytes:
    """
    The same JSON without any raw control character.
    """
    return _ODD.sub(lambda odd: b"\\u%04x" % ord(odd[0].decode()), data)


def json_text(value: Any) -> str:
    """
    A JSON value as text, for formats that don't nest.
    """
    return _encode(value).decode()


def clipped(text: str, length: int) -> str:
    """
    At most *length* characters of *text*; what was cut ends in ``…``.
    """
    return text if len(text) <= length else f"{text[: length - 1]}…"


def clipped_bytes(text: str, length: int) -> str:
    """
    At most *length* bytes of *text* in UTF-8; what was cut ends in ``…``.
    """
    if len(text) * 4 <= length:
        return text
    data = text.encode()
    if len(data) <= length:
        return text
    return data[: length - 3].decode(errors="ignore") + "…"
