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


if TYPE_CHECKING:
    from pathlib import Path


log = logging.getLogger("auditlog.spool")

NAME = "positions"

_SLOT = 16 * 1024
_HEAD = struct.Struct(">IQI")  # CRC-32 of the rest, number, length


class State(msgspec.Struct, frozen=True):
    """
    What is kept together.

    Attributes:
        relays: The position of each relay that has ever run here.

        letters: How much of the file of dead letters counts.
    """

    relays: dict[str, int] = {}
    letters: int = 0


class Positions:
    """
    A small file with two places, which are written by turns.

    One is whole at any time. It never grows: a relay has to move its
    position on a full disk, or the disk would stay full.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._number = 0
        self.state = State()
        if self._path.exists():
            self._load()
        else:
            create(self._path, bytes(2 * _SLOT))

    def store(self, state: State) -> None:
        """
        Keep *state*; durable on return.

        Raises:
            JournalError: If there are too many relays.
        """
        number = self._number + 1
        text = msgspec.json.encode(state)
        if len(text) > _SLOT - _HEAD.size:
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
        data = self._path.read_bytes()
        slots = [data[:_SLOT], data[_SLOT:]]
        found = [_opened(slot) for slot in slots]
        if any(
            any(slot) and one is None
            for slot, one in zip(slots, found, strict=True)
        ):
            # A process was killed in the middle, or a bit has flipped.
            log.warning(
                "spool: a part of %s is damaged; relays may deliver some "
                "events again",
                self._path,
            )
        whole = [one for one in found if one is not None]
        if whole:
            self._number, self.state = max(whole, key=lambda one: one[0])


def _sealed(number: int, text: bytes) -> bytes:
    rest = _HEAD.pack(0, number, len(text))[4:] + text
    return zlib.crc32(rest).to_bytes(4, "big") + rest


def _opened(slot: bytes) -> tuple[int, State] | None:
    if len(slot) < _HEAD.size:
        return None
    crc, number, length = _HEAD.unpack_from(slot)
    end = _HEAD.size + length
    if not number or zlib.crc32(slot[4:end]) != crc:
        return None
    return number, msgspec.json.decode(slot[_HEAD.size : end], type=State)
