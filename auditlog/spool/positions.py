"""
How far each relay has come, durably.
"""

from __future__ import annotations

import logging
import os
import struct
import zlib

from typing import TYPE_CHECKING

import msgspec

from auditlog.errors import JournalError

from .files import create, write_all
from .header import HEADER, POSITIONS, VERSION, header
from .header import read as read_header
from .segment import find


if TYPE_CHECKING:
    from pathlib import Path


log = logging.getLogger("auditlog.spool")

NAME = "positions"

_SLOT = 16 * 1024
SLOTS = (0, _SLOT)

_HEAD = struct.Struct(">II")  # length of the text, CRC-32 of header and text
_TEXT = HEADER + _HEAD.size


class State(msgspec.Struct, frozen=True):
    """
    What is kept together.

    Attributes:
        relays: The position of each relay that has ever run here.

        letters: How much of the file of dead letters counts.

        trimmed:
            Up to which index events were deleted because nobody needed them;
            None if that isn't known, after damage.
    """

    relays: dict[str, int] = {}
    letters: int = 0
    trimmed: int | None = None


class Positions:
    """
    A small file with two places, which are written by turns.

    One is whole at any time. It never grows: a relay has to move its
    position on a full disk, or the disk would stay full.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._number = 0
        self.state = State(trimmed=0)
        if self._path.exists():
            self._load()
            return
        create(self._path, bytes(2 * _SLOT))
        if find(folder):  # somebody has deleted it
            self.store(State())

    def store(self, state: State) -> None:
        """
        Keep *state*; durable on return.

        Raises:
            JournalError: If there are too many relays.
        """
        number = self._number + 1
        text = msgspec.json.encode(state)
        if len(text) > _SLOT - _TEXT:
            raise JournalError(
                f"{len(state.relays)} relays are too many for {self._path}; "
                "forget() those that are gone"
            )
        self._write(number, _sealed(number, text))
        self._number, self.state = number, state

    def _write(self, number: int, data: bytes) -> None:
        fd = os.open(self._path, os.O_WRONLY)
        try:
            write_all(fd, data, number % 2 * _SLOT)
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def _load(self) -> None:
        found, damaged = _look(self._path.read_bytes())
        if damaged:
            # A process was killed in the middle, or a bit has flipped.
            log.warning(
                "spool: a part of %s is damaged; relays may deliver some "
                "events again",
                self._path,
            )
        if found is not None:
            # It tells enough of what was deleted, also if it is the older
            # one: that a relay had passed it, or that it was to be deleted.
            self._number, self.state = found
        elif damaged:
            self.state = State()


def peek(folder: Path) -> State:
    """
    What another process has kept last; changes nothing.
    """
    try:
        found, _ = _look((folder / NAME).read_bytes())
    except FileNotFoundError:
        return State()
    return found[1] if found else State(trimmed=0)


def _look(data: bytes) -> tuple[tuple[int, State] | None, bool]:
    """
    The newest whole place, and whether one is damaged.
    """
    slots = [data[start : start + _SLOT] for start in SLOTS]
    found = [_opened(slot) for slot in slots]
    damaged = any(
        any(slot) and one is None
        for slot, one in zip(slots, found, strict=True)
    )
    whole = [one for one in found if one is not None]
    return max(whole, key=lambda one: one[0], default=None), damaged


def _sealed(number: int, text: bytes) -> bytes:
    head = header(POSITIONS, number)
    crc = zlib.crc32(text, zlib.crc32(head))
    return head + _HEAD.pack(len(text), crc) + text


def _opened(slot: bytes) -> tuple[int, State] | None:
    head = read_header(POSITIONS, slot)
    if head is None or head[0] != VERSION or len(slot) < _TEXT:
        return None
    length, crc = _HEAD.unpack_from(slot, HEADER)
    text = slot[_TEXT : _TEXT + length]
    if zlib.crc32(text, zlib.crc32(slot[:HEADER])) != crc:
        return None
    return head[1], msgspec.json.decode(text, type=State)
