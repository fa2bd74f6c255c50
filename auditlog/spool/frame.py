"""
How an event lies in a segment: a frame, which tells by itself if it is whole.
"""

from __future__ import annotations

import struct
import zlib

from itertools import chain, count
from typing import TYPE_CHECKING

import attrs


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


# No UTF-8 holds the first byte, so that no event's text can look like a frame.
MAGIC = b"\xffAE1"

# Magic, length of the body, index, µs since 1970, id, CRC-32 of the body.
_HEAD = struct.Struct(">4sIQq16sI")
_CRC = struct.Struct(">I")
SIZE = _HEAD.size + _CRC.size
PARTS = 3  # that encode() makes of a frame


@attrs.frozen(kw_only=True)
class Frame:
    """
    One whole frame.

    Attributes:
        start: Where it begins.

        end: Where the next one begins.

        index: The event's place in the journal.

        event_id: Its bytes.

        recorded_at: In microseconds since 1970.
    """

    start: int
    end: int
    index: int
    event_id: bytes
    recorded_at: int
    crc: int

    @property
    def body(self) -> slice:
        """
        Where the event's bytes lie.
        """
        return slice(self.start + SIZE, self.end)


@attrs.frozen(kw_only=True)
class Torn:
    """
    The beginning of a frame whose end was never written.
    """

    start: int
    end: int


@attrs.frozen(kw_only=True)
class Damage:
    """
    A stretch that was written otherwise.

    Attributes:
        last: The highest index that may have been in it.
    """

    start: int
    end: int
    last: int


def encode(
    first: int,
    ids: Iterable[bytes],
    times: Iterable[int],
    bodies: Sequence[bytes],
) -> list[bytes]:
    """
    Three parts for each frame, of which the last is its body.

    All at once, without a call for each: the price of a batch is here.

    Args:
        first: The index of the first; the others follow.

        times: In microseconds since 1970; may be more than there are ids.
    """
    pack, crc32 = _HEAD.pack, zlib.crc32
    fields = zip(count(first), times, ids, bodies, strict=False)
    heads = [
        pack(MAGIC, len(body), index, at, event_id, crc32(body))
        for index, at, event_id, body in fields
    ]
    crcs = map(_CRC.pack, map(crc32, heads))
    return [*chain.from_iterable(zip(heads, crcs, bodies, strict=True))]


def scan(
    data: bytes, start: int, last: int
) -> Iterator[Frame | Torn | Damage]:
    """
    What *data* holds from *start*, where indexes grow from above *last*.
    """
    end = len(data)
    while start < end:
        frame = _head(data, start)
        if frame is None or frame.index <= last:
            if end - start < SIZE:
                yield Torn(start=start, end=end)
                return
            found = _next(data, start + 1, last)
            most = last + max((found - start) // SIZE, 1)
            yield Damage(start=start, end=found, last=most)
            start = found
            continue
        if frame.end > end:
            yield Torn(start=start, end=end)
            return
        start, last = frame.end, frame.index
        yield (
            frame
            if is_whole(data, frame)
            else Damage(start=frame.start, end=frame.end, last=frame.index)
        )


def is_whole(data: bytes, frame: Frame) -> bool:
    """
    Whether the body is as it was written.
    """
    return zlib.crc32(memoryview(data)[frame.body]) == frame.crc


def _head(data: bytes, start: int) -> Frame | None:
    if len(data) - start < SIZE:
        return None
    checked = memoryview(data)[start : start + _HEAD.size]
    (crc,) = _CRC.unpack_from(data, start + _HEAD.size)
    if zlib.crc32(checked) != crc:
        return None
    magic, length, index, recorded_at, event_id, body = _HEAD.unpack(checked)
    if magic != MAGIC:
        return None
    return Frame(
        start=start,
        end=start + SIZE + length,
        index=index,
        event_id=event_id,
        recorded_at=recorded_at,
        crc=body,
    )


def _next(data: bytes, start: int, last: int) -> int:
    """
    Where the next frame begins, or the end.
    """
    while (start := data.find(MAGIC, start)) >= 0:
        frame = _head(data, start)
        if frame is not None and frame.index > last:
            return start
        start += 1
    return len(data)
