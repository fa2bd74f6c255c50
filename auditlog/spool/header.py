"""
What a file of a spool begins with: what it is, and of which version.
"""

from __future__ import annotations

import struct
import zlib


VERSION = 1

SEGMENT = b"\x89AUDSPL\n"
POSITIONS = b"\x89AUDPOS\n"
LETTERS = b"\x89AUDLTR\n"

_HEADER = struct.Struct(">8sIQ")
_CRC = struct.Struct(">I")
HEADER = _HEADER.size + _CRC.size  # so in all versions


def header(magic: bytes, number: int) -> bytes:
    """
    The header of a file of that kind, with a number that it needs.
    """
    head = _HEADER.pack(magic, VERSION, number)
    return head + _CRC.pack(zlib.crc32(head))


def read(magic: bytes, data: bytes) -> tuple[int, int] | None:
    """
    The version and the number in a header, or None if it isn't whole.
    """
    if len(data) < HEADER:
        return None
    found, version, number = _HEADER.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, _HEADER.size)
    if found != magic or zlib.crc32(data[: _HEADER.size]) != crc:
        return None
    return version, number
